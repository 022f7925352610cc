/*
 * Images: files that are written once and then only read.
 *
 *     blocks of 64 KiB | a CRC-32C for each | tail of 256 bytes, with a CRC-32C of it and of the sums
 *
 * Opening reads the tail and the sums; a block is checked when something in it is first wanted, so a
 * start costs milliseconds whatever the size. A file has its name only when it is whole and synced.
 */
#include "index/index_internal.h"

#include "base/alloc.h"
#include "base/crc.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

enum { VERSION = 1, LANES = 4, LANE = ENG_BLOCK / LANES };
static const char MAGIC[8] = "engIndex";
/* What is in memory is to be flushed long before. */
static const size_t MEMORY_MAX = (size_t)4 << 30;

/* ---- Checksums --------------------------------------------------------------------------------------- */

#ifdef __SSE4_2__
/* Four chains at once: one alone waits three cycles for each word. */
static void lanes(const unsigned char *p, uint32_t out[LANES])
{
    uint64_t c[LANES] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, word;
    for (size_t i = 0; i < LANE; i += sizeof word) {
        for (size_t lane = 0; lane < LANES; lane++) {
            memcpy(&word, p + lane * LANE + i, sizeof word);
            c[lane] = _mm_crc32_u64(c[lane], word);
        }
    }
    for (size_t lane = 0; lane < LANES; lane++)
        out[lane] = ~(uint32_t)c[lane];
}
#else
static void lanes(const unsigned char *p, uint32_t out[LANES])
{
    for (size_t lane = 0; lane < LANES; lane++)
        out[lane] = eng_crc32c(0, p + lane * LANE, LANE);
}
#endif

/* Of a block: for a whole one the checksum of its quarters' checksums. */
static uint32_t block_sum(const unsigned char *p, size_t len)
{
    uint32_t quarters[LANES];
    if (len < ENG_BLOCK)
        return eng_crc32c(0, p, len);
    lanes(p, quarters);
    return eng_crc32c(0, quarters, sizeof quarters);
}

/* ---- Reading ----------------------------------------------------------------------------------------- */

static size_t blocks_of(size_t len) { return (len + ENG_BLOCK - 1) / ENG_BLOCK; }

static eng_status damaged(const eng_image *image, uint64_t at, const char *what, eng_error *err)
{
    return eng_fail_at(err, ENG_ECORRUPT, (size_t)at, "'%s': %s",
                       image->path ? image->path : "index in memory", what);
}

static uint32_t sum_at(const eng_image *image, size_t block)
{
    uint32_t sum;
    memcpy(&sum, image->sums + block * sizeof sum, sizeof sum);
    return sum;
}

static eng_status read_tail(eng_image *image, eng_image_kind kind, eng_error *err)
{
    const eng_mapping *m = &image->mapping;
    if (m->len < ENG_TAIL_SIZE)
        return damaged(image, m->len, "shorter than its tail", err);
    const unsigned char *tail = m->data + m->len - ENG_TAIL_SIZE;
    eng_span in = eng_span_of(tail, ENG_TAIL_SIZE);
    eng_span crc = eng_span_of(tail + ENG_TAIL_SIZE - 4, 4);
    if (eng_span_u32(&crc) != eng_crc32c(0, tail, ENG_TAIL_SIZE - 4) ||
        memcmp(eng_span_bytes(&in, sizeof MAGIC).ptr, MAGIC, sizeof MAGIC) != 0)
        return damaged(image, m->len - ENG_TAIL_SIZE, "the tail is damaged", err);
    if (eng_span_u32(&in) != VERSION)
        return eng_fail(err, ENG_EVERSION, "'%s': written by another version", image->path);
    if (eng_span_u32(&in) != (uint32_t)kind)
        return damaged(image, m->len - ENG_TAIL_SIZE, "a file of another kind", err);
    image->kind = kind;
    uint64_t len = eng_span_u64(&in);
    uint32_t sums = eng_span_u32(&in);
    for (size_t i = 0; i < ENG_SECTIONS; i++) {
        image->sections[i].at = eng_span_u64(&in);
        image->sections[i].len = eng_span_u64(&in);
        if (image->sections[i].at > len || image->sections[i].len > len - image->sections[i].at)
            return damaged(image, m->len - ENG_TAIL_SIZE, "a section lies outside", err);
    }
    for (size_t i = 0; i < ENG_TAIL_NUMBERS; i++)
        image->numbers[i] = eng_span_u64(&in);
    if (len > m->len || blocks_of((size_t)len) * 4 + ENG_TAIL_SIZE != m->len - len)
        return damaged(image, m->len, "not as long as it says", err);
    image->data = m->data;
    image->len = (size_t)len;
    image->sums = m->data + len;
    if (eng_crc32c(0, image->sums, blocks_of(image->len) * 4) != sums)
        return damaged(image, len, "the checksums are damaged", err);
    return ENG_OK;
}

eng_status eng_image_open(const char *path, eng_image_kind kind, eng_image **out, eng_error *err)
{
    eng_image *image = eng_zalloc(sizeof *image);
    if (!image)
        return eng_fail_nomem(err);
    atomic_init(&image->refs, 1);
    eng_status status = ENG_ENOMEM;
    image->path = eng_strdup(eng_str_of(path));
    if (!image->path) {
        eng_fail_nomem(err);
        goto done;
    }
    status = eng_mapping_open(path, &image->mapping, err);
    if (status < 0)
        goto done;
    status = read_tail(image, kind, err);
    if (status < 0)
        goto done;
    image->checked = eng_zalloc(blocks_of(image->len));
    if (!image->checked)
        status = eng_fail_nomem(err);
done:
    if (status < 0) {
        eng_image_unref(image);
        return status;
    }
    *out = image;
    return ENG_OK;
}

eng_image *eng_image_ref(eng_image *image)
{
    atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
    return image;
}

void eng_image_unref(eng_image *image)
{
    if (!image || atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) != 1)
        return;
    eng_mapping_close(&image->mapping);
    eng_free((void *)image->checked);
    eng_free(image->owned);
    eng_free(image->path);
    eng_free(image);
}

/* Two readers that come at once check the same block twice: no harm. */
eng_status eng_image_check(const eng_image *image, uint64_t at, uint64_t len, eng_error *err)
{
    if (at > image->len || len > image->len - at)
        return damaged(image, at, "something lies outside", err);
    if (!image->checked || len == 0)
        return ENG_OK;
    for (size_t block = (size_t)at / ENG_BLOCK; block <= (size_t)(at + len - 1) / ENG_BLOCK;
         block++) {
        if (eng_image_known(image, (uint64_t)block * ENG_BLOCK))
            continue;
        size_t from = block * ENG_BLOCK;
        size_t size = image->len - from < ENG_BLOCK ? image->len - from : ENG_BLOCK;
        if (block_sum(image->data + from, size) != sum_at(image, block))
            return damaged(image, from, "a block is damaged", err);
        atomic_store_explicit(&image->checked[block], 1, memory_order_release);
    }
    return ENG_OK;
}

eng_status eng_image_section(const eng_image *image, unsigned section, const unsigned char **out,
                             size_t *len, eng_error *err)
{
    const eng_section *s = &image->sections[section];
    eng_status status = eng_image_check(image, s->at, s->len, err);
    if (status < 0)
        return status;
    *out = image->data + s->at;
    *len = (size_t)s->len;
    return ENG_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------------- */

eng_status eng_sink_open(eng_sink *sink, const char *path, eng_error *err)
{
    *sink = (eng_sink){.fd = -1};
    eng_buf_init(&sink->memory, path ? ENG_BLOCK : MEMORY_MAX);
    eng_buf_init(&sink->sums, MEMORY_MAX);
    if (!path)
        return ENG_OK;
    eng_buf temporary;
    eng_buf_init(&temporary, 4096);
    eng_buf_str(&temporary, eng_str_of(path));
    eng_buf_str(&temporary, ENG_STR(".tmp"));
    eng_status status = eng_buf_check(&temporary, "path", err);
    sink->temporary = eng_buf_take(&temporary, NULL);
    eng_buf_clear(&temporary);
    if (status < 0)
        return status;
    sink->path = eng_strdup(eng_str_of(path));
    if (!sink->path) {
        eng_sink_clear(sink);
        return eng_fail_nomem(err);
    }
    sink->fd = open(sink->temporary, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    if (sink->fd < 0) {
        status = eng_fail_errno(err, errno, "cannot write '%s'", sink->temporary);
        eng_sink_clear(sink);
    }
    return status;
}

void eng_sink_clear(eng_sink *sink)
{
    if (sink->fd >= 0) {
        close(sink->fd);
        unlink(sink->temporary);
    }
    eng_free(sink->path);
    eng_free(sink->temporary);
    eng_buf_clear(&sink->memory);
    eng_buf_clear(&sink->sums);
    *sink = (eng_sink){.fd = -1};
}

static void write_out(eng_sink *sink, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0 && sink->failed == ENG_OK) {
        ssize_t n = write(sink->fd, p, len);
        if (n < 0 && errno != EINTR) {
            sink->failed = ENG_EIO;
            sink->code = errno;
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

static void flush_block(eng_sink *sink)
{
    if (sink->memory.len == 0)
        return;
    uint32_t sum = block_sum((const unsigned char *)sink->memory.data, sink->memory.len);
    eng_buf_bytes(&sink->sums, &sum, sizeof sum);
    write_out(sink, sink->memory.data, sink->memory.len);
    eng_buf_reset(&sink->memory);
}

void eng_sink_put(eng_sink *sink, const void *bytes, size_t len)
{
    const char *p = bytes;
    sink->at += len;
    if (sink->fd < 0) {
        eng_buf_bytes(&sink->memory, bytes, len);
        return;
    }
    while (len > 0 && sink->failed == ENG_OK) {
        size_t room = ENG_BLOCK - sink->memory.len, n = len < room ? len : room;
        eng_buf_bytes(&sink->memory, p, n);
        if (sink->memory.failed < 0) {
            sink->failed = sink->memory.failed;
            return;
        }
        p += n;
        len -= n;
        if (sink->memory.len == ENG_BLOCK)
            flush_block(sink);
    }
}

void eng_sink_align(eng_sink *sink, size_t to)
{
    static const char zeroes[64];
    eng_sink_put(sink, zeroes, (size_t)((to - sink->at % to) % to));
}

void eng_sink_begin(eng_sink *sink, unsigned section)
{
    eng_sink_align(sink, 64);
    sink->sections[section].at = sink->at;
}

void eng_sink_end(eng_sink *sink, unsigned section)
{
    sink->sections[section].len = sink->at - sink->sections[section].at;
}

static void put_tail(eng_sink *sink, eng_image_kind kind, eng_buf *tail)
{
    uint32_t version = VERSION, number = (uint32_t)kind;
    uint32_t sums = eng_crc32c(0, sink->sums.data, sink->sums.len);
    eng_buf_bytes(tail, MAGIC, sizeof MAGIC);
    eng_buf_bytes(tail, &version, sizeof version);
    eng_buf_bytes(tail, &number, sizeof number);
    eng_buf_bytes(tail, &sink->at, sizeof sink->at);
    eng_buf_bytes(tail, &sums, sizeof sums);
    eng_buf_bytes(tail, sink->sections, sizeof sink->sections);
    eng_buf_bytes(tail, sink->numbers, sizeof sink->numbers);
    while (tail->len < ENG_TAIL_SIZE - sizeof sums && tail->failed == ENG_OK)
        eng_buf_byte(tail, 0);
    uint32_t crc = eng_crc32c(0, tail->data, tail->len);
    eng_buf_bytes(tail, &crc, sizeof crc);
}

static eng_status close_file(eng_sink *sink, eng_image_kind kind, eng_image **out, eng_error *err)
{
    eng_buf tail;
    eng_buf_init(&tail, ENG_TAIL_SIZE);
    flush_block(sink);
    eng_status status = eng_buf_check(&sink->sums, "checksums", err);
    if (status == ENG_OK) {
        put_tail(sink, kind, &tail);
        status = eng_buf_check(&tail, "tail", err);
    }
    if (status == ENG_OK) {
        write_out(sink, sink->sums.data, sink->sums.len);
        write_out(sink, tail.data, tail.len);
    }
    eng_buf_clear(&tail);
    if (status < 0)
        return status;
    if (sink->failed == ENG_ENOMEM)
        return eng_fail_nomem(err);
    if (sink->failed < 0 && sink->code == 0)
        return eng_fail(err, sink->failed, "cannot write '%s'", sink->path);
    if (sink->failed < 0 || fsync(sink->fd) < 0 || rename(sink->temporary, sink->path) < 0)
        return eng_fail_errno(err, sink->code ? sink->code : errno, "cannot write '%s'",
                              sink->path);
    char *slash = strrchr(sink->temporary, '/');
    if (slash) {
        *slash = '\0';
        status = eng_dir_sync(sink->temporary, err);
        *slash = '/';
    }
    if (status < 0)
        return status;
    close(sink->fd);
    sink->fd = -1;
    status = eng_image_open(sink->path, kind, out, err);
    /* We wrote it a moment ago: what the disk made of it is asked at the next opening. */
    for (size_t i = 0; status == ENG_OK && i < blocks_of((*out)->len); i++)
        atomic_store_explicit(&(*out)->checked[i], 1, memory_order_release);
    return status;
}

static eng_status close_memory(eng_sink *sink, eng_image_kind kind, eng_image **out, eng_error *err)
{
    eng_status status = eng_buf_check(&sink->memory, "segment", err);
    if (status == ENG_OK && sink->failed < 0)
        status = sink->failed == ENG_ENOMEM ? eng_fail_nomem(err)
                                            : eng_fail(err, sink->failed, "segment: too large");
    if (status < 0)
        return status;
    eng_image *image = eng_zalloc(sizeof *image);
    if (!image)
        return eng_fail_nomem(err);
    atomic_init(&image->refs, 1);
    image->kind = kind;
    image->len = sink->memory.len;
    image->owned = eng_buf_take(&sink->memory, NULL);
    image->data = (const unsigned char *)(image->owned ? image->owned : "");
    memcpy(image->sections, sink->sections, sizeof image->sections);
    memcpy(image->numbers, sink->numbers, sizeof image->numbers);
    *out = image;
    return ENG_OK;
}

eng_status eng_sink_close(eng_sink *sink, eng_image_kind kind, eng_image **out, eng_error *err)
{
    eng_status status = sink->fd < 0 ? close_memory(sink, kind, out, err)
                                     : close_file(sink, kind, out, err);
    eng_sink_clear(sink);
    return status;
}
