/* What joblib packs a pickle with: one loop around each of three libraries, and one place that bounds
 * what comes out. */
#include "format/pickle.h"

#include "base/check.h"
#include "base/error.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>

enum { FREE = 64 << 20, RATIO = 1000, LZMA_MEMORY = 256 << 20, PIECE = 256 << 10 };

/* A stream of one of the libraries, over what is left of the file. `step` unpacks into `to`. */
typedef enum { GOES_ON, ENDED, DAMAGED, NO_MEMORY } outcome;

typedef struct {
    eng_str left;
    union {
        z_stream zlib;
        bz_stream bzip2;
        lzma_stream lzma;
    } as;
} stream;

typedef struct {
    const char *name;
    outcome (*open)(stream *s);
    outcome (*step)(stream *s, char *to, size_t room, size_t *made);
    void (*close)(stream *s);
} packing_kind;

static uInt some(size_t n) { return n > 1 << 30 ? 1 << 30 : (uInt)n; }

/* ---- zlib and gzip -------------------------------------------------------------------------------- */

static void *take(void *ctx, unsigned count, unsigned size)
{
    (void)ctx;
    return eng_alloc_array(count, size);
}
static void give(void *ctx, void *p)
{
    (void)ctx;
    eng_free(p);
}

static outcome zlib_open(stream *s)
{
    s->as.zlib = (z_stream){.zalloc = take, .zfree = give};
    return inflateInit2(&s->as.zlib, 15 + 32) == Z_OK ? GOES_ON : NO_MEMORY;
}

static outcome zlib_step(stream *s, char *to, size_t room, size_t *made)
{
    z_stream *z = &s->as.zlib;
    z->next_in = (Bytef *)(uintptr_t)s->left.ptr;
    z->avail_in = some(s->left.len);
    z->next_out = (Bytef *)to;
    z->avail_out = some(room);
    int code = inflate(z, Z_NO_FLUSH);
    size_t used = (size_t)((const char *)z->next_in - s->left.ptr);
    s->left = eng_str_sub(s->left, used, s->left.len);
    *made = (size_t)((char *)z->next_out - to);
    if (code == Z_MEM_ERROR)
        return NO_MEMORY;
    return code == Z_STREAM_END ? ENDED : code == Z_OK ? GOES_ON : DAMAGED;
}

static void zlib_close(stream *s) { inflateEnd(&s->as.zlib); }

/* ---- bzip2 ------------------------------------------------------------------------------------------ */

static void *bz_take(void *ctx, int count, int size)
{
    (void)ctx;
    return eng_alloc_array((size_t)count, (size_t)size);
}

static outcome bzip2_open(stream *s)
{
    s->as.bzip2 = (bz_stream){.bzalloc = bz_take, .bzfree = give};
    return BZ2_bzDecompressInit(&s->as.bzip2, 0, 0) == BZ_OK ? GOES_ON : NO_MEMORY;
}

static outcome bzip2_step(stream *s, char *to, size_t room, size_t *made)
{
    bz_stream *z = &s->as.bzip2;
    z->next_in = (char *)(uintptr_t)s->left.ptr;
    z->avail_in = some(s->left.len);
    z->next_out = to;
    z->avail_out = some(room);
    int code = BZ2_bzDecompress(z);
    size_t used = (size_t)(z->next_in - s->left.ptr);
    *made = (size_t)(z->next_out - to);
    s->left = eng_str_sub(s->left, used, s->left.len);
    if (code == BZ_MEM_ERROR)
        return NO_MEMORY;
    if (code == BZ_OK && !used && !*made)
        return DAMAGED;
    return code == BZ_STREAM_END ? ENDED : code == BZ_OK ? GOES_ON : DAMAGED;
}

static void bzip2_close(stream *s) { BZ2_bzDecompressEnd(&s->as.bzip2); }

/* ---- xz and lzma ------------------------------------------------------------------------------------ */

static void *lzma_take(void *ctx, size_t count, size_t size)
{
    (void)ctx;
    return eng_alloc_array(count, size);
}

static outcome lzma_open(stream *s)
{
    static const lzma_allocator allocator = {.alloc = lzma_take, .free = give};
    s->as.lzma = (lzma_stream)LZMA_STREAM_INIT;
    s->as.lzma.allocator = &allocator;
    return lzma_auto_decoder(&s->as.lzma, LZMA_MEMORY, 0) == LZMA_OK ? GOES_ON : NO_MEMORY;
}

static outcome lzma_step(stream *s, char *to, size_t room, size_t *made)
{
    lzma_stream *z = &s->as.lzma;
    z->next_in = (const uint8_t *)s->left.ptr;
    z->avail_in = s->left.len;
    z->next_out = (uint8_t *)to;
    z->avail_out = room;
    lzma_ret code = lzma_code(z, z->avail_in ? LZMA_RUN : LZMA_FINISH);
    s->left = eng_str_sub(s->left, s->left.len - z->avail_in, s->left.len);
    *made = room - z->avail_out;
    if (code == LZMA_MEM_ERROR)
        return NO_MEMORY;
    return code == LZMA_STREAM_END ? ENDED : code == LZMA_OK ? GOES_ON : DAMAGED;
}

static void lzma_close(stream *s) { lzma_end(&s->as.lzma); }

/* ---- Any of them ------------------------------------------------------------------------------------ */

static const packing_kind kinds[] = {
    {"zlib", zlib_open, zlib_step, zlib_close},     {"gzip", zlib_open, zlib_step, zlib_close},
    {"bzip2", bzip2_open, bzip2_step, bzip2_close}, {"xz", lzma_open, lzma_step, lzma_close},
    {"lzma", lzma_open, lzma_step, lzma_close},
};

static const packing_kind *kind_of(eng_str b)
{
    if (b.len >= 2 && b.ptr[0] == 0x78 && strchr("\x01\x5e\x9c\xda", b.ptr[1]) && b.ptr[1])
        return &kinds[0];
    if (eng_str_starts(b, ENG_STR("\x1f\x8b")))
        return &kinds[1];
    if (eng_str_starts(b, ENG_STR("BZh")))
        return &kinds[2];
    if (eng_str_starts(b, ENG_STR("\xfd"
                                  "7zXZ")))
        return &kinds[3];
    if (eng_str_starts(b, ENG_STR("\x5d\x00\x00")))
        return &kinds[4];
    return NULL;
}

static eng_status unpack_stream(const packing_kind *k, stream *s, eng_buf *out, eng_error *err)
{
    outcome o = GOES_ON;
    while (o == GOES_ON) {
        size_t made = 0;
        char *to = eng_buf_room(out, PIECE);
        if (!to)
            return eng_buf_check(out, "unpacked", err);
        o = k->step(s, to, PIECE, &made);
        eng_buf_added(out, made);
    }
    if (o == NO_MEMORY)
        return eng_fail_nomem(err);
    if (o == ENDED)
        return ENG_OK;
    return eng_fail_at(err, s->left.len ? ENG_EMALFORMED : ENG_ETRUNCATED, 0,
                       s->left.len ? "the %s stream is damaged" : "the %s stream ends too early",
                       k->name);
}

static size_t bound(size_t packed, size_t max)
{
    size_t limit = 0;
    if (!eng_mul(packed, RATIO, &limit) || limit < FREE)
        limit = FREE;
    return max && limit > max ? max : limit;
}

eng_status eng_joblib_unpack(eng_str file, size_t max, eng_buf *buf, eng_str *out,
                             const char **packing, eng_error *err)
{
    const packing_kind *k = kind_of(file);
    stream s = {.left = file};
    eng_status status = ENG_OK;
    eng_buf_init(buf, bound(file.len, max) + PIECE);
    while (status == ENG_OK && k && s.left.len && kind_of(s.left) == k) {
        if (k->open(&s) != GOES_ON)
            return eng_fail_nomem(err);
        status = unpack_stream(k, &s, buf, err);
        k->close(&s);
    }
    if (status != ENG_OK) {
        eng_error_prefix(err, "%s", k->name);
        return status;
    }
    *packing = k ? k->name : "";
    *out = k ? eng_buf_view(buf) : file;
    return ENG_OK;
}
