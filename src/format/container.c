/*
 * head (64 bytes) | directory (64 a section) | a CRC-32C for each block of each section | sections
 *
 * The head holds a CRC-32C of itself, of the directory and of the checksums. Where sections stand
 * follows from their sizes, and is compared: two descriptions of one thing that may differ would be one
 * too many, but a reader in another language wants to be told.
 */
#include "format/container.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/crc.h"
#include "base/error.h"
#include "base/span.h"

#include <assert.h>

enum { HEAD = 64, ENTRY = 64, SUM_AT = HEAD - 4 };
static const char MAGIC[8] = "engModel";

static size_t blocks_of(size_t size)
{
    return size / ENG_CONTAINER_BLOCK + (size % ENG_CONTAINER_BLOCK != 0);
}

static bool align_up(size_t at, size_t *out)
{
    if (!eng_add(at, ENG_CONTAINER_ALIGN - 1, &at))
        return false;
    *out = at / ENG_CONTAINER_ALIGN * ENG_CONTAINER_ALIGN;
    return true;
}

/* ---- Reading ---- */

typedef struct {
    const char *what;
    const unsigned char *data;
    size_t len;
    size_t count;
    size_t blocks; /* of all sections */
    size_t body;   /* where the first section may begin */
    eng_error *err;
} reader;

static eng_status damaged(const reader *r, size_t at, const char *why)
{
    return eng_fail_at(r->err, ENG_ECORRUPT, at, "'%s' is damaged: %s", r->what, why);
}

/* A field of text filled up with NULs, and at least one of them. */
static bool take_name(eng_span *in, size_t size, eng_str *out)
{
    eng_str field = eng_span_bytes(in, size);
    size_t len = field.len ? strnlen(field.ptr, field.len) : 0;
    for (size_t i = len; i < field.len; i++)
        if (field.ptr[i])
            return false;
    *out = eng_str_sub(field, 0, len);
    return len > 0 && len < size;
}

static eng_status read_head(reader *r, eng_str kind, uint32_t version, eng_container *c)
{
    eng_span in = eng_span_of(r->data, r->len);
    eng_str found;
    eng_str magic = eng_span_bytes(&in, sizeof MAGIC);
    if (magic.len != sizeof MAGIC || memcmp(magic.ptr, MAGIC, sizeof MAGIC) != 0)
        return eng_fail(r->err, ENG_EMALFORMED, "'%s' is no model of engenho", r->what);
    if (r->len < HEAD)
        return damaged(r, r->len, "shorter than its head");
    uint32_t format = eng_span_u32(&in);
    if (format != ENG_CONTAINER_VERSION)
        return eng_fail(r->err, ENG_EVERSION, "'%s' was written by another version (%u, not %d)",
                        r->what, (unsigned)format, ENG_CONTAINER_VERSION);
    r->count = eng_span_u32(&in);
    bool named = take_name(&in, ENG_CONTAINER_KIND, &found);
    c->version = eng_span_u32(&in);
    uint32_t zero = eng_span_u32(&in);
    c->size = eng_span_u64(&in);
    zero |= eng_span_u32(&in) | eng_span_u32(&in) | eng_span_u32(&in);
    c->sum = eng_span_u32(&in);
    if (c->size != r->len)
        return damaged(r, r->len, c->size > r->len ? "it is cut off" : "it is longer than it says");
    if (!named || zero || r->count > ENG_CONTAINER_SECTIONS)
        return damaged(r, 0, "its head");
    memcpy(c->kind, found.ptr, found.len);
    if (kind.len && !eng_str_eq(found, kind))
        return eng_fail(r->err, ENG_ETYPE, "'%s' holds a model of kind '%.*s', not '%.*s'", r->what,
                        ENG_FMT(found), ENG_FMT(kind));
    if (kind.len && c->version != version)
        return eng_fail(r->err, ENG_EVERSION,
                        "'%s' was written by another version (%u of '%.*s', not %u)", r->what,
                        (unsigned)c->version, ENG_FMT(found), (unsigned)version);
    return ENG_OK;
}

/* Sizes and places, which are not believed before the checksum was seen, and checked all the same. */
static eng_status read_directory(reader *r, eng_container *c)
{
    eng_span in = eng_span_part(&(eng_span){.data = r->data, .len = r->len, .pos = HEAD},
                                r->count * ENTRY);
    for (size_t i = 0; i < r->count; i++) {
        eng_section *s = &c->sections[i];
        bool named = take_name(&in, ENG_CONTAINER_NAME, &s->name);
        uint64_t offset = eng_span_u64(&in), size = eng_span_u64(&in);
        uint32_t first = eng_span_u32(&in), zero = eng_span_u32(&in);
        if (!named || zero || offset > r->len || size > r->len - offset || first != r->blocks)
            return damaged(r, HEAD + i * ENTRY, "its directory");
        s->data = r->data + offset;
        s->size = (size_t)size;
        r->blocks += blocks_of(s->size);
        for (size_t j = 0; j < i; j++)
            if (eng_str_eq(c->sections[j].name, s->name))
                return damaged(r, HEAD + i * ENTRY, "a section that is there twice");
    }
    r->body = HEAD + r->count * ENTRY + r->blocks * sizeof(uint32_t);
    return r->body <= r->len ? ENG_OK : damaged(r, HEAD, "its directory");
}

static bool zeros(const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

/* Each section stands at the next multiple of 64, and the file ends with the last. */
static eng_status check_places(const reader *r, const eng_container *c)
{
    size_t at = r->body, begin = 0;
    for (size_t i = 0; i < c->count; i++) {
        const eng_section *s = &c->sections[i];
        size_t offset = (size_t)((const unsigned char *)s->data - r->data);
        if (!align_up(at, &begin) || offset != begin || !zeros(r->data + at, begin - at))
            return damaged(r, at, "a section is out of place");
        at = offset + s->size;
    }
    return at == r->len ? ENG_OK : damaged(r, at, "bytes behind its last section");
}

static eng_status check_sums(const reader *r, const eng_container *c)
{
    uint32_t crc = eng_crc32c(0, r->data, SUM_AT);
    crc = eng_crc32c(crc, r->data + HEAD, r->body - HEAD);
    if (crc != c->sum)
        return damaged(r, 0, "its head or directory does not have the checksum it should");
    eng_span sums = eng_span_of(r->data + HEAD + r->count * ENTRY, r->blocks * sizeof(uint32_t));
    for (size_t i = 0; i < c->count; i++) {
        const unsigned char *p = c->sections[i].data;
        for (size_t at = 0; at < c->sections[i].size; at += ENG_CONTAINER_BLOCK) {
            size_t left = c->sections[i].size - at;
            size_t len = left < ENG_CONTAINER_BLOCK ? left : ENG_CONTAINER_BLOCK;
            if (eng_span_u32(&sums) != eng_crc32c(0, p + at, len))
                return damaged(r, (size_t)(p + at - r->data),
                               "a block does not have the checksum it should");
        }
    }
    return ENG_OK;
}

static eng_status read_all(reader *r, eng_str kind, uint32_t version, eng_container *c)
{
    eng_status status = read_head(r, kind, version, c);
    if (status < 0)
        return status;
    if (r->len < HEAD + r->count * ENTRY)
        return damaged(r, r->len, "shorter than its directory");
    c->sections = eng_alloc_array(r->count, sizeof *c->sections);
    if (!c->sections)
        return eng_fail_nomem(r->err);
    c->count = r->count;
    status = read_directory(r, c);
    if (status == ENG_OK)
        status = check_sums(r, c);
    return status < 0 ? status : check_places(r, c);
}

eng_status eng_container_of(const unsigned char *data, size_t len, const char *what, eng_str kind,
                            uint32_t version, eng_container *out, eng_error *err)
{
    reader r = {.what = what, .data = data, .len = len, .err = err};
    eng_container c = {0};
    if ((uintptr_t)data % ENG_CONTAINER_ALIGN != 0)
        return eng_fail(err, ENG_EINVALID, "'%s' does not lie at a multiple of %d", what,
                        ENG_CONTAINER_ALIGN);
    eng_status status = read_all(&r, kind, version, &c);
    if (status < 0)
        eng_container_close(&c);
    else
        *out = c;
    return status;
}

eng_status eng_container_open(const char *path, eng_str kind, uint32_t version, eng_container *out,
                              eng_error *err)
{
    eng_mapping file;
    eng_status status = eng_mapping_open(path, &file, err);
    if (status < 0)
        return status;
    if (file.len == 0)
        status = eng_fail(err, ENG_EMALFORMED, "'%s' is empty", path);
    else
        status = eng_container_of(file.data, file.len, path, kind, version, out, err);
    if (status < 0)
        eng_mapping_close(&file);
    else
        out->file = file;
    return status;
}

void eng_container_close(eng_container *c)
{
    if (!c)
        return;
    eng_free(c->sections);
    eng_mapping_close(&c->file);
    *c = (eng_container){0};
}

const eng_section *eng_container_find(const eng_container *c, eng_str name)
{
    for (size_t i = 0; i < c->count; i++)
        if (eng_str_eq(c->sections[i].name, name))
            return &c->sections[i];
    return NULL;
}

eng_status eng_container_need(const eng_container *c, eng_str name, size_t item,
                              const eng_section **out, eng_error *err)
{
    const eng_section *s = eng_container_find(c, name);
    if (!s)
        return eng_fail(err, ENG_ECORRUPT, "the model has no section '%.*s'", ENG_FMT(name));
    if (s->size % item != 0)
        return eng_fail(err, ENG_ECORRUPT, "the model's section '%.*s' is no multiple of %zu bytes",
                        ENG_FMT(name), item);
    *out = s;
    return ENG_OK;
}

/* ---- Writing ---- */

static void put_u32(eng_buf *out, uint32_t v)
{
    unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 24)};
    eng_buf_bytes(out, b, sizeof b);
}

static void put_u64(eng_buf *out, uint64_t v)
{
    put_u32(out, (uint32_t)v);
    put_u32(out, (uint32_t)(v >> 32));
}

static void put_zeros(eng_buf *out, size_t n)
{
    static const char zero[ENG_CONTAINER_ALIGN];
    eng_buf_bytes(out, zero, n);
}

static void put_name(eng_buf *out, eng_str name, size_t size)
{
    assert(name.len > 0 && name.len < size && !memchr(name.ptr, 0, name.len));
    eng_buf_str(out, name);
    put_zeros(out, size - name.len);
}

/* Where each section begins, and how long the whole is. */
static bool lay_out(const eng_section *sections, size_t count, size_t *offsets, size_t *size)
{
    size_t at = HEAD + count * ENTRY;
    for (size_t i = 0; i < count; i++)
        if (!eng_add(at, blocks_of(sections[i].size) * sizeof(uint32_t), &at))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!align_up(at, &offsets[i]) || !eng_add(offsets[i], sections[i].size, &at))
            return false;
    *size = at;
    return true;
}

static void put_head(eng_buf *out, eng_str kind, uint32_t version, size_t count, size_t size)
{
    eng_buf_bytes(out, MAGIC, sizeof MAGIC);
    put_u32(out, ENG_CONTAINER_VERSION);
    put_u32(out, (uint32_t)count);
    put_name(out, kind, ENG_CONTAINER_KIND);
    put_u32(out, version);
    put_u32(out, 0);
    put_u64(out, size);
    put_zeros(out, HEAD - 4 - 48);
    put_u32(out, 0); /* the checksum, once the rest is there */
}

static void put_directory(eng_buf *out, const eng_section *sections, size_t count,
                          const size_t *offsets)
{
    uint32_t blocks = 0;
    for (size_t i = 0; i < count; i++) {
        put_name(out, sections[i].name, ENG_CONTAINER_NAME);
        put_u64(out, offsets[i]);
        put_u64(out, sections[i].size);
        put_u32(out, blocks);
        put_u32(out, 0);
        blocks += (uint32_t)blocks_of(sections[i].size);
    }
    for (size_t i = 0; i < count; i++) {
        const char *p = sections[i].data;
        for (size_t at = 0; at < sections[i].size; at += ENG_CONTAINER_BLOCK) {
            size_t left = sections[i].size - at;
            put_u32(out,
                    eng_crc32c(0, p + at, left < ENG_CONTAINER_BLOCK ? left : ENG_CONTAINER_BLOCK));
        }
    }
}

eng_status eng_container_print(eng_str kind, uint32_t version, const eng_section *sections,
                               size_t count, eng_buf *out, eng_error *err)
{
    size_t offsets[ENG_CONTAINER_SECTIONS], size, start = out->len;
    assert(count <= ENG_CONTAINER_SECTIONS);
    if (!lay_out(sections, count, offsets, &size))
        return eng_fail(err, ENG_ETOOBIG, "a model that no file can hold");
    char *room = eng_buf_room(out, size);
    if (room) {
        put_head(out, kind, version, count, size);
        put_directory(out, sections, count, offsets);
        uint32_t crc = eng_crc32c(0, room, SUM_AT);
        crc = eng_crc32c(crc, room + HEAD, out->len - start - HEAD);
        for (size_t i = 0; i < 4; i++)
            room[SUM_AT + i] = (char)(crc >> 8 * i);
        for (size_t i = 0; i < count; i++) {
            put_zeros(out, offsets[i] - (out->len - start));
            eng_buf_bytes(out, sections[i].data, sections[i].size);
        }
    }
    return eng_buf_check(out, "model", err);
}

eng_status eng_container_write(const char *path, eng_str kind, uint32_t version,
                               const eng_section *sections, size_t count, mode_t mode,
                               eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, SIZE_MAX / 2);
    eng_status status = eng_container_print(kind, version, sections, count, &out, err);
    if (status == ENG_OK)
        status = eng_file_write(path, eng_buf_view(&out), mode, err);
    eng_buf_clear(&out);
    return status;
}
