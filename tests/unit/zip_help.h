/* Zip archives made in memory, for tests, also ones that lie. */
#ifndef ENG_ZIP_HELP_H
#define ENG_ZIP_HELP_H

#include "base/buf.h"
#include "test.h"

#include <zlib.h>

enum { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

/* What a member claims. zip_member makes an honest one. */
typedef struct {
    eng_str name;
    eng_str packed;
    uint32_t size;
    uint32_t crc;
    uint16_t method;
    uint16_t flags;
    uint32_t at; /* where its local header stands; filled in by zip_put */
} zip_member;

typedef struct {
    eng_buf bytes;
    eng_buf directory;
    uint16_t count;
} zip_maker;

static inline void zip_u16(eng_buf *b, unsigned v)
{
    eng_buf_byte(b, (char)(v & 0xff));
    eng_buf_byte(b, (char)(v >> 8 & 0xff));
}

static inline void zip_u32(eng_buf *b, uint32_t v)
{
    zip_u16(b, v & 0xffff);
    zip_u16(b, v >> 16);
}

static inline void zip_begin(zip_maker *z)
{
    eng_buf_init(&z->bytes, SIZE_MAX / 2);
    eng_buf_init(&z->directory, SIZE_MAX / 2);
    z->count = 0;
}

static inline zip_member zip_stored(const char *name, eng_str text)
{
    return (zip_member){.name = eng_str_of(name),
                        .packed = text,
                        .size = (uint32_t)text.len,
                        .crc = (uint32_t)crc32(0, (const Bytef *)text.ptr, (uInt)text.len)};
}

/* `room` holds what is packed. */
static inline zip_member zip_deflated(const char *name, eng_str text, eng_buf *room)
{
    z_stream s = {0};
    zip_member m = zip_stored(name, text);
    assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t most = deflateBound(&s, text.len);
    char *out = eng_buf_room(room, most);
    s.next_in = (Bytef *)(uintptr_t)text.ptr;
    s.avail_in = (uInt)text.len;
    s.next_out = (Bytef *)out;
    s.avail_out = (uInt)most;
    assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
    m.packed = (eng_str){out, s.total_out};
    m.method = ZIP_DEFLATED;
    eng_buf_added(room, s.total_out);
    deflateEnd(&s);
    return m;
}

static inline void zip_header(eng_buf *b, const zip_member *m)
{
    zip_u16(b, 20);
    zip_u16(b, m->flags);
    zip_u16(b, m->method);
    zip_u32(b, 0x58210000); /* a day */
    zip_u32(b, m->crc);
    zip_u32(b, (uint32_t)m->packed.len);
    zip_u32(b, m->size);
    zip_u16(b, (unsigned)m->name.len);
    zip_u16(b, 0);
}

static inline void zip_put(zip_maker *z, zip_member m)
{
    m.at = (uint32_t)z->bytes.len;
    m.flags |= 1 << 11; /* the name is UTF-8 */
    eng_buf_str(&z->bytes, ENG_STR("PK\3\4"));
    zip_header(&z->bytes, &m);
    eng_buf_str(&z->bytes, m.name);
    eng_buf_str(&z->bytes, m.packed);

    eng_buf_str(&z->directory, ENG_STR("PK\1\2\x14\0"));
    zip_header(&z->directory, &m);
    zip_u16(&z->directory, 0);
    zip_u16(&z->directory, 0);
    zip_u16(&z->directory, 0);
    zip_u32(&z->directory, 0);
    zip_u32(&z->directory, m.at);
    eng_buf_str(&z->directory, m.name);
    z->count++;
}

/* The archive; lives until zip_end. */
static inline eng_str zip_done(zip_maker *z)
{
    uint32_t at = (uint32_t)z->bytes.len;
    eng_buf_str(&z->bytes, eng_buf_view(&z->directory));
    eng_buf_str(&z->bytes, ENG_STR("PK\5\6\0\0\0\0"));
    zip_u16(&z->bytes, z->count);
    zip_u16(&z->bytes, z->count);
    zip_u32(&z->bytes, (uint32_t)z->directory.len);
    zip_u32(&z->bytes, at);
    zip_u16(&z->bytes, 0);
    assert_int_equal(z->bytes.failed, ENG_OK);
    return eng_buf_view(&z->bytes);
}

static inline void zip_end(zip_maker *z)
{
    eng_buf_clear(&z->bytes);
    eng_buf_clear(&z->directory);
}

#endif
