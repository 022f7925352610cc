/*
 * A form: the first byte says how large the pieces are, the first line is the Content-Type, the rest
 * the body. Read as a whole and in pieces it must be the same form, or the same failure.
 */
#include "base/utf8.h"
#include "net/net.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void write_part(eng_buf *out, const eng_part *part)
{
    must(part->name.ptr && eng_utf8_valid(part->name) == part->name.len);
    must(eng_utf8_valid(part->filename) == part->filename.len);
    must(part->filename.len == 0 || !memchr(part->filename.ptr, '/', part->filename.len));
    eng_buf_format(out, "<%.*s|%d|%.*s|%.*s|", ENG_FMT(part->name), part->filename.ptr != NULL,
                   ENG_FMT(part->filename), ENG_FMT(part->type));
}

static eng_status on_begin(void *ctx, const eng_part *part, eng_error *err)
{
    (void)err;
    write_part(ctx, part);
    return ENG_OK;
}

static eng_status on_data(void *ctx, eng_str bytes, eng_error *err)
{
    (void)err;
    must(bytes.len > 0);
    eng_buf_str(ctx, bytes);
    return ENG_OK;
}

static eng_status on_end(void *ctx, eng_error *err)
{
    (void)err;
    eng_buf_byte(ctx, '>');
    return ENG_OK;
}

static eng_status read_pieces(eng_str type, eng_str body, size_t piece, eng_buf *out)
{
    eng_multipart *m = NULL;
    eng_multipart_callbacks on = {on_begin, on_data, on_end, out};
    eng_status status = eng_multipart_new(type, &on, &m, NULL);
    for (size_t at = 0; status == ENG_OK && at < body.len; at += piece)
        status = eng_multipart_feed(m, eng_str_sub(body, at, piece), NULL);
    if (status == ENG_OK)
        status = eng_multipart_end(m, NULL);
    eng_multipart_free(m);
    return status;
}

static eng_status read_whole(eng_str type, eng_str body, eng_arena *arena, eng_buf *out)
{
    const eng_part *parts;
    size_t count;
    eng_error err = {0};
    eng_status status = eng_multipart_read(type, body, arena, &parts, &count, &err);
    if (status < 0)
        must(eng_utf8_valid(eng_str_of(err.message)) == strlen(err.message));
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        write_part(out, &parts[i]);
        eng_buf_str(out, parts[i].content);
        eng_buf_byte(out, '>');
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_str type, body;
    eng_arena arena;
    eng_buf whole, pieces;
    if (size == 0)
        return 0;
    eng_str_cut((eng_str){(const char *)data + 1, size - 1}, '\n', &type, &body);
    eng_arena_init(&arena, 1024, NULL);
    eng_buf_init(&whole, SIZE_MAX / 2);
    eng_buf_init(&pieces, SIZE_MAX / 2);
    eng_status status = read_whole(type, body, &arena, &whole);
    must(read_pieces(type, body, (size_t)(data[0] & 63) + 1, &pieces) == status);
    must(status < 0 || eng_str_eq(eng_buf_view(&whole), eng_buf_view(&pieces)));
    eng_buf_clear(&whole);
    eng_buf_clear(&pieces);
    eng_arena_clear(&arena);
    return 0;
}
