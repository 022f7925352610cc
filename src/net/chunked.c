/*
 * A chunked body (RFC 9112, 7.1), byte by byte where it is framing, in one piece where it is content.
 *
 *     SIZE --digits--> SIZE --';'--> EXTENSION --CR--> SIZE_LF --LF--> DATA --last byte--> DATA_CR
 *          \--CR--------------------------------------/     \                                |
 *                                                            \--size 0--> TRAILER          DATA_LF -> SIZE
 *     TRAILER --CR--> TRAILER_LF --LF, of a blank line--> DONE
 *
 * What extensions and trailers say is not used, but has to be well-formed, and is limited.
 */
#include "net/hex.h"
#include "net/http_internal.h"

enum {
    SIZE, /* 0: where it begins */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_LF,
    DONE,
};

enum { DIGITS_MAX = 15, EXTRA_MAX = 8192 };

static bool is_text(char c) { return (unsigned char)c >= ' ' ? c != 0x7f : c == '\t'; }

static bool size_byte(eng_chunked *c, char byte)
{
    int digit = eng_hex_digit(byte);
    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        return ++c->digits <= DIGITS_MAX;
    }
    c->state = byte == ';' ? EXTENSION : SIZE_LF;
    return c->digits > 0 && (byte == ';' || byte == '\r');
}

static bool trailer_byte(eng_chunked *c, char byte)
{
    if (byte == '\r') {
        c->state = TRAILER_LF;
        return c->blank_line || c->colon;
    }
    /* A line that begins with a blank would be folded. */
    if (c->blank_line && (byte == ' ' || byte == '\t' || byte == ':'))
        return false;
    c->blank_line = false;
    c->colon |= byte == ':';
    return is_text(byte) && ++c->extra <= EXTRA_MAX;
}

static bool size_ended(eng_chunked *c, char byte)
{
    c->digits = 0;
    c->blank_line = true;
    c->state = c->left ? DATA : TRAILER;
    return byte == '\n';
}

/* One byte of framing; false where it has no business there. */
static bool take(eng_chunked *c, char byte)
{
    switch (c->state) {
    case SIZE:
        return size_byte(c, byte);
    case EXTENSION:
        if (byte == '\r')
            c->state = SIZE_LF;
        return byte == '\r' || (is_text(byte) && ++c->extra <= EXTRA_MAX);
    case SIZE_LF:
        return size_ended(c, byte);
    case DATA_CR:
        c->state = DATA_LF;
        return byte == '\r';
    case DATA_LF:
        c->state = SIZE;
        return byte == '\n';
    case TRAILER:
        return trailer_byte(c, byte);
    default: /* TRAILER_LF */
        c->state = c->blank_line ? DONE : TRAILER;
        c->blank_line = true;
        c->colon = false;
        return byte == '\n';
    }
}

eng_chunk_event eng_chunked_next(eng_chunked *c, eng_str *bytes, eng_str *data)
{
    while (c->state != DONE) {
        if (bytes->len == 0)
            return ENG_CHUNK_MORE;
        if (c->state == DATA) {
            *data = eng_str_sub(*bytes, 0, c->left < bytes->len ? (size_t)c->left : bytes->len);
            *bytes = eng_str_sub(*bytes, data->len, bytes->len);
            c->left -= data->len;
            if (c->left == 0)
                c->state = DATA_CR;
            return ENG_CHUNK_DATA;
        }
        if (!take(c, bytes->ptr[0]))
            return ENG_CHUNK_BAD;
        *bytes = eng_str_sub(*bytes, 1, bytes->len);
    }
    return ENG_CHUNK_END;
}
