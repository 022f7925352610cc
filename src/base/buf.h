/*
 * A buffer that grows, owns its bytes, keeps a NUL behind them, and never grows past its maximum.
 *
 * The first failure sticks (ENG_ENOMEM, or ENG_ETOOBIG at the maximum) and what is appended later
 * is dropped, so that a writer appends without looking and asks once at the end:
 *
 *     eng_buf b;
 *     eng_buf_init(&b, 1 << 20);
 *     eng_buf_str(&b, ENG_STR("hello "));
 *     eng_buf_format(&b, "%d", 42);
 *     if (eng_buf_check(&b, "greeting", err) < 0) ...
 */
#ifndef ENG_BASE_BUF_H
#define ENG_BASE_BUF_H

#include "engenho.h"

typedef struct {
    char *data; /* NUL-terminated once anything was appended; NULL before */
    size_t len;
    size_t cap;
    size_t max;
    eng_status failed;
} eng_buf;

void eng_buf_init(eng_buf *b, size_t max);
void eng_buf_clear(eng_buf *b); /* frees; the buffer may be used again, the error is forgotten */
void eng_buf_reset(eng_buf *b); /* empties, keeps the memory, forgets the error */

void eng_buf_bytes(eng_buf *b, const void *bytes, size_t len);
void eng_buf_str(eng_buf *b, eng_str text);
void eng_buf_byte(eng_buf *b, char c);
void eng_buf_format(eng_buf *b, const char *format, ...) ENG_PRINTF(2, 3);
void eng_buf_u64(eng_buf *b, uint64_t value);
void eng_buf_varint(eng_buf *b, uint64_t value); /* as eng_span_varint reads it */

/* Room for len more bytes at data + len, or NULL; the caller fills it and then says how much it
 * used with eng_buf_added. The fast way in for printers of numbers and for recv. */
char *eng_buf_room(eng_buf *b, size_t len);
void eng_buf_added(eng_buf *b, size_t len);

/* Drops the first n bytes; the rest moves to the front. */
void eng_buf_drop(eng_buf *b, size_t n);

static inline eng_str eng_buf_view(const eng_buf *b)
{
    return (eng_str){b->data ? b->data : "", b->len};
}

/* Hands the bytes over, to be freed with eng_free; the buffer is empty afterwards. NULL if failed,
 * and eng_buf_check goes on to say why. len may be NULL. */
char *eng_buf_take(eng_buf *b, size_t *len);

/* ENG_OK, or the first failure: "greeting: larger than 1048576 bytes". */
eng_status eng_buf_check(const eng_buf *b, const char *what, eng_error *err);

#endif
