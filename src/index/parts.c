/*
 * The manifest: which files the index is, and which rows of them are alive.
 *
 * It is replaced atomically and comes last, after the files that it names; what it does not name was
 * on its way when the process ended, and is removed at the next opening.
 */
#include "index/index_internal.h"

#include "base/alloc.h"
#include "base/crc.h"
#include "base/span.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

enum { VERSION = 1, FILES_MAX = 1 << 16 };
static const char MAGIC[8] = "engParts";
static const char NAME[] = "manifest";
static const size_t SIZE_MAX_MANIFEST = (size_t)1 << 30;

char *eng_embedded_path(const eng_embedded *x, const char *kind, uint64_t number)
{
    char name[40];
    snprintf(name, sizeof name, "%s-%016" PRIx64, kind, number);
    return eng_path_join(x->dir, name);
}

/* ---- Writing --------------------------------------------------------------------------------------------- */

static void put(eng_buf *out, uint64_t v) { eng_buf_bytes(out, &v, sizeof v); }

/* The number at the end of a file's name. */
static uint64_t number_of(const eng_image *image)
{
    const char *digits = strrchr(image->path, '-');
    return digits ? strtoull(digits + 1, NULL, 16) : 0;
}

/* Files stand before what is only in memory: a flush writes all of it. */
static size_t segments_in_files(const eng_state *s)
{
    size_t n = 0;
    while (n < s->segment_count && s->segments[n].image->path)
        n++;
    return n;
}

static size_t chunks_in_files(const eng_state *s)
{
    size_t n = 0;
    while (n < s->chunk_count && s->chunks[n].image->path)
        n++;
    return n;
}

static void put_state(const eng_embedded *x, const eng_state *s, uint64_t mark, eng_buf *out)
{
    size_t segments = segments_in_files(s), chunks = chunks_in_files(s);
    uint32_t rows = segments ? s->segments[segments - 1].base + s->segments[segments - 1].rows : 0;
    eng_buf_bytes(out, MAGIC, sizeof MAGIC);
    put(out, VERSION);
    put(out, x->dim);
    put(out, x->grams);
    put(out, mark);
    put(out, x->next_file);
    put(out, rows);
    put(out, segments);
    for (size_t i = 0; i < segments; i++)
        put(out, number_of(s->segments[i].image));
    put(out, chunks);
    for (size_t i = 0; i < chunks; i++)
        put(out, number_of(s->chunks[i].image));
    put(out, x->unread_graph ? x->unread_graph : eng_graph_file(s->graph));
    for (size_t i = 0; i < eng_bits_words(rows); i++) {
        uint64_t bits = s->live[i];
        if (i == rows / 64)
            bits &= (UINT64_C(1) << rows % 64) - 1;
        put(out, bits);
    }
    uint32_t crc = eng_crc32c(0, out->data, out->len);
    eng_buf_bytes(out, &crc, sizeof crc);
}

eng_status eng_parts_write(eng_embedded *x, eng_error *err)
{
    eng_buf out;
    eng_state *s = eng_embedded_state(x);
    char *path = eng_path_join(x->dir, NAME);
    eng_buf_init(&out, SIZE_MAX_MANIFEST);
    put_state(x, s, x->saved_mark, &out);
    eng_status status = path ? eng_buf_check(&out, "manifest", err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_file_write(path, eng_buf_view(&out), 0600, err);
    eng_buf_clear(&out);
    eng_free(path);
    eng_state_unref(s);
    return status;
}

/* ---- Reading --------------------------------------------------------------------------------------------- */

static eng_status damaged(const eng_embedded *x, const char *what, eng_error *err)
{
    return eng_fail(err, ENG_ECORRUPT, "'%s/%s': %s", x->dir, NAME, what);
}

static eng_status open_segment(eng_embedded *x, eng_state *s, uint64_t number, eng_error *err)
{
    eng_image *image = NULL;
    eng_segment *out = &s->segments[s->segment_count];
    char *path = eng_embedded_path(x, "words", number);
    eng_status status = path ? eng_image_open(path, ENG_IMAGE_SEGMENT, &image, err)
                             : eng_fail_nomem(err);
    eng_free(path);
    if (status == ENG_OK)
        status = eng_segment_open(image, out, err);
    if (status == ENG_OK && s->segment_count > 0 && out->base < out[-1].base + out[-1].rows)
        status = damaged(x, "segments overlap", err);
    if (status < 0) {
        eng_image_unref(image);
        return status == ENG_ENOTFOUND ? damaged(x, "a file is missing", err) : status;
    }
    s->segment_count++;
    return ENG_OK;
}

static eng_status open_chunk(eng_embedded *x, eng_state *s, uint64_t number, eng_error *err)
{
    eng_image *image = NULL;
    eng_chunk *out = &s->chunks[s->chunk_count];
    char *path = eng_embedded_path(x, "vectors", number);
    eng_status status = path ? eng_image_open(path, ENG_IMAGE_CHUNK, &image, err)
                             : eng_fail_nomem(err);
    eng_free(path);
    if (status == ENG_OK)
        status = eng_chunk_open(image, x->dim, out, err);
    if (status == ENG_OK && out->count && out->rows[out->count - 1] >= s->rows)
        status = damaged(x, "a vector has no passage", err);
    if (status == ENG_OK && s->chunk_count > 0 && out->count && out[-1].count &&
        out->rows[0] <= out[-1].rows[out[-1].count - 1])
        status = damaged(x, "vectors overlap", err);
    if (status < 0) {
        eng_image_unref(image);
        return status == ENG_ENOTFOUND ? damaged(x, "a file is missing", err) : status;
    }
    s->chunk_count++;
    return ENG_OK;
}

static bool read_numbers(eng_span *in, uint64_t *out, size_t *count)
{
    uint64_t n = eng_span_u64(in);
    if (n > FILES_MAX || n > eng_span_left(in) / 8)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = eng_span_u64(in);
    *count = (size_t)n;
    return !in->failed;
}

/* What a manifest says, before anything is opened. */
typedef struct {
    uint64_t dim;
    uint64_t grams;
    uint64_t mark;
    uint64_t next_file;
    uint64_t rows;
    uint64_t graph;
    uint64_t *segments;
    uint64_t *chunks;
    size_t segment_count;
    size_t chunk_count;
} parts;

static eng_status parse(eng_embedded *x, eng_span *in, parts *p, eng_error *err)
{
    size_t len = in->len;
    eng_span crc = eng_span_of(in->data + (len < 4 ? 0 : len - 4), len < 4 ? 0 : 4);
    if (len < 4 || eng_span_u32(&crc) != eng_crc32c(0, in->data, len - 4) ||
        memcmp(eng_span_bytes(in, sizeof MAGIC).ptr, MAGIC, sizeof MAGIC) != 0)
        return damaged(x, "damaged", err);
    in->len -= 4;
    if (eng_span_u64(in) != VERSION)
        return eng_fail(err, ENG_EVERSION, "'%s/%s': written by another version", x->dir, NAME);
    p->dim = eng_span_u64(in);
    p->grams = eng_span_u64(in);
    p->mark = eng_span_u64(in);
    p->next_file = eng_span_u64(in);
    p->rows = eng_span_u64(in);
    if (!read_numbers(in, p->segments, &p->segment_count) ||
        !read_numbers(in, p->chunks, &p->chunk_count) || p->rows > UINT32_MAX)
        return damaged(x, "its numbers make no sense", err);
    p->graph = eng_span_u64(in);
    if (eng_span_left(in) != eng_bits_words(p->rows) * 8)
        return damaged(x, "not as long as it says", err);
    if (x->look) {
        x->dim = (uint32_t)p->dim;
        x->grams = p->grams != 0;
    }
    if (p->dim != x->dim || p->grams != x->grams)
        return eng_fail(err, ENG_EVERSION, "'%s': an index of other options", x->dir);
    return ENG_OK;
}

static eng_status look_at_graph(const eng_embedded *x, uint64_t number, eng_error *err)
{
    eng_image *image = NULL;
    char *path = eng_embedded_path(x, "graph", number);
    eng_status status = path ? eng_image_open(path, ENG_IMAGE_GRAPH, &image, err)
                             : eng_fail_nomem(err);
    eng_free(path);
    if (status == ENG_OK)
        status = eng_image_check(image, 0, image->len, err);
    eng_image_unref(image);
    return status == ENG_ENOTFOUND ? damaged(x, "a file is missing", err) : status;
}

static eng_status open_parts(eng_embedded *x, const parts *p, eng_span *in, eng_state **out,
                             eng_error *err)
{
    static const eng_state nothing;
    eng_state *s = eng_state_copy(&nothing, p->segment_count, p->chunk_count, (uint32_t)p->rows);
    eng_status status = s ? ENG_OK : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < eng_bits_words(p->rows); i++)
        s->live[i] = eng_span_u64(in);
    for (size_t i = 0; status == ENG_OK && i < p->segment_count; i++)
        status = open_segment(x, s, p->segments[i], err);
    for (size_t i = 0; status == ENG_OK && i < p->chunk_count; i++)
        status = open_chunk(x, s, p->chunks[i], err);
    if (status == ENG_OK && p->graph && x->look)
        status = look_at_graph(x, p->graph, err);
    for (uint32_t row = 0; status == ENG_OK && row < p->rows; row++) {
        const eng_segment *seg;
        if (!eng_bit(s->live, row))
            continue;
        seg = eng_state_segment(s, row);
        if (!seg || seg->ids[row - seg->base] == 0)
            status = damaged(x, "a row is alive that no segment has", err);
    }
    if (status < 0) {
        eng_state_unref(s);
        return status;
    }
    s->mark = p->mark;
    eng_state_finish(s);
    *out = s;
    return ENG_OK;
}

static bool is_named(const parts *p, const char *name)
{
    static const char *const kinds[] = {"words-", "vectors-", "graph-"};
    const uint64_t *lists[] = {p->segments, p->chunks, &p->graph};
    size_t counts[] = {p->segment_count, p->chunk_count, p->graph != 0};
    for (size_t k = 0; k < 3; k++) {
        size_t len = strlen(kinds[k]);
        if (strncmp(name, kinds[k], len) != 0)
            continue;
        char *end;
        uint64_t number = strtoull(name + len, &end, 16);
        for (size_t i = 0; *end == '\0' && i < counts[k]; i++) {
            if (lists[k][i] == number)
                return true;
        }
        return false;
    }
    return true; /* not ours */
}

static void remove_others(const eng_embedded *x, const parts *p)
{
    DIR *dir = opendir(x->dir);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        if (!is_named(p, e->d_name))
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    closedir(dir);
}

static eng_status read_file(const eng_embedded *x, eng_buf *bytes, eng_error *err)
{
    char *path = eng_path_join(x->dir, NAME);
    eng_status status = path ? eng_file_read(path, SIZE_MAX_MANIFEST, bytes, err)
                             : eng_fail_nomem(err);
    eng_free(path);
    return status;
}

eng_status eng_parts_read(eng_embedded *x, eng_error *err)
{
    eng_buf bytes;
    eng_buf_init(&bytes, SIZE_MAX_MANIFEST);
    parts p = {.segments = eng_alloc_array(FILES_MAX, sizeof *p.segments),
               .chunks = eng_alloc_array(FILES_MAX, sizeof *p.chunks)};
    eng_status status = p.segments && p.chunks ? read_file(x, &bytes, err) : eng_fail_nomem(err);
    if (status == ENG_ENOTFOUND) {
        x->state = eng_state_empty();
        x->next_file = 1;
        status = x->state ? ENG_OK : eng_fail_nomem(err);
    } else if (status == ENG_OK) {
        eng_span in = eng_span_of(bytes.data ? bytes.data : "", bytes.len);
        status = parse(x, &in, &p, err);
        if (status == ENG_OK)
            status = open_parts(x, &p, &in, &x->state, err);
        x->next_file = p.next_file;
        x->saved_mark = p.mark;
        atomic_init(&x->flushed_mark, p.mark);
        x->unread_graph = x->look ? 0 : p.graph;
        x->unread_rows = (uint32_t)p.rows;
    }
    if (status == ENG_OK && !x->look)
        remove_others(x, &p);
    eng_buf_clear(&bytes);
    eng_free(p.segments);
    eng_free(p.chunks);
    return status;
}
