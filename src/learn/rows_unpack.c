/* A file of rows, packed or not, as UTF-8. */
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "learn/text_internal.h"
#include "text/text.h"

#include <lzma.h>
#include <zlib.h>

enum { PIECE = 256 << 10 };
static const size_t UNPACKED_MAX = (size_t)4 << 30;
static const uint64_t LZMA_MEMORY = (uint64_t)1 << 30;

/* ---- gzip: members one after the other are one file ---- */

static eng_status gunzip_into(z_stream *z, eng_buf *out, eng_error *err)
{
    for (int code = Z_OK;;) {
        char *room = eng_buf_room(out, PIECE);
        if (!room)
            return eng_buf_check(out, "unpacked", err);
        z->next_out = (Bytef *)room;
        z->avail_out = PIECE;
        code = inflate(z, Z_NO_FLUSH);
        eng_buf_added(out, PIECE - z->avail_out);
        if (code == Z_STREAM_END && z->avail_in >= 2 && z->next_in[0] == 0x1F &&
            z->next_in[1] == 0x8B)
            code = inflateReset(z);
        else if (code == Z_STREAM_END)
            return ENG_OK;
        if (code == Z_MEM_ERROR)
            return eng_fail_nomem(err);
        if (code != Z_OK)
            return eng_fail(err, ENG_EMALFORMED, "the gzip data is damaged or cut off");
    }
}

static eng_status gunzip(eng_str packed, eng_buf *out, eng_error *err)
{
    z_stream z = {0};
    if (packed.len > UINT32_MAX)
        return eng_fail(err, ENG_ETOOBIG, "over 4 GiB packed");
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return eng_fail_nomem(err);
    z.next_in = (Bytef *)(uintptr_t)packed.ptr;
    z.avail_in = (uInt)packed.len;
    eng_status status = gunzip_into(&z, out, err);
    inflateEnd(&z);
    return status;
}

/* ---- xz ---- */

static eng_status unxz_into(lzma_stream *z, eng_buf *out, eng_error *err)
{
    for (;;) {
        char *room = eng_buf_room(out, PIECE);
        if (!room)
            return eng_buf_check(out, "unpacked", err);
        z->next_out = (uint8_t *)room;
        z->avail_out = PIECE;
        lzma_ret code = lzma_code(z, LZMA_FINISH);
        eng_buf_added(out, PIECE - z->avail_out);
        if (code == LZMA_STREAM_END)
            return ENG_OK;
        if (code == LZMA_MEM_ERROR)
            return eng_fail_nomem(err);
        if (code == LZMA_MEMLIMIT_ERROR)
            return eng_fail(err, ENG_ETOOBIG, "the xz data wants over 1 GiB of memory");
        if (code != LZMA_OK)
            return eng_fail(err, ENG_EMALFORMED, "the xz data is damaged or cut off");
    }
}

static eng_status unxz(eng_str packed, eng_buf *out, eng_error *err)
{
    lzma_stream z = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&z, LZMA_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
        return eng_fail_nomem(err);
    z.next_in = (const uint8_t *)packed.ptr;
    z.avail_in = packed.len;
    eng_status status = unxz_into(&z, out, err);
    lzma_end(&z);
    return status;
}

/* ---- Both ---- */

/* Into *out, which is empty. */
static eng_status unpack(eng_buf *file, eng_buf *out, const char **how, eng_error *err)
{
    eng_str bytes = eng_buf_view(file);
    *how = "";
    if (eng_str_starts(bytes, ENG_STR("\x1F\x8B"))) {
        *how = "gzip";
        return gunzip(bytes, out, err);
    }
    if (eng_str_starts(bytes, (eng_str){"\xFD"
                                        "7zXZ\0",
                                        6})) {
        *how = "xz";
        return unxz(bytes, out, err);
    }
    eng_buf swap = *out;
    *out = *file;
    *file = swap;
    return ENG_OK;
}

static bool plain_utf8(eng_str bytes)
{
    return !eng_str_starts(bytes, ENG_STR("\xEF\xBB\xBF")) && !memchr(bytes.ptr, 0, bytes.len) &&
           eng_utf8_valid(bytes) == bytes.len;
}

eng_status eng_text_file_read(const char *path, eng_buf *out, const char **packed, eng_error *err)
{
    eng_buf file, bytes;
    eng_buf_init(&file, UNPACKED_MAX);
    eng_buf_init(&bytes, UNPACKED_MAX);
    eng_status status = eng_file_read(path, UNPACKED_MAX, &file, err);
    if (status == ENG_OK) {
        status = unpack(&file, &bytes, packed, err);
        eng_buf_clear(&file);
        if (status == ENG_OK && plain_utf8(eng_buf_view(&bytes))) {
            *out = bytes;
            return ENG_OK;
        }
        if (status == ENG_OK)
            status = eng_charset_read(eng_buf_view(&bytes), ENG_STR(""), out, err);
        if (status < 0)
            eng_error_prefix(err, "'%s'", path);
    }
    eng_buf_clear(&file);
    eng_buf_clear(&bytes);
    return status;
}
