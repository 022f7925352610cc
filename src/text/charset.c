/*
 * Bytes of a file as UTF-8 in NFC.
 *
 * What says the encoding, in the order in which it is believed: a byte order mark; what the file's
 * surroundings declare; the bytes themselves. UTF-8 is hard to hit by chance, UTF-16 shows by its
 * zeros, and what is left is Windows-1252, which holds Latin-1's letters. Rare encodings are iconv's.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/text_internal.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <utf8proc.h>

enum {
    PIECE = 64 << 10, /* bytes that are normalised at a time */
    LOOK = 64 << 10,  /* bytes that are looked at to tell text from other things */
};

/* ---- Telling encodings apart ---- */

typedef enum { UTF8, UTF16_LE, UTF16_BE, WINDOWS_1252, OTHER, BINARY } encoding;

typedef struct {
    const char *label;
    encoding is;
} label_row;

/* As browsers read them: Latin-1 and ASCII are Windows-1252. */
static const label_row labels[] = {
    {"utf-8", UTF8},
    {"utf8", UTF8},
    {"utf-16", UTF16_LE},
    {"utf-16le", UTF16_LE},
    {"utf-16be", UTF16_BE},
    {"iso-8859-1", WINDOWS_1252},
    {"iso8859-1", WINDOWS_1252},
    {"iso_8859-1", WINDOWS_1252},
    {"latin1", WINDOWS_1252},
    {"latin-1", WINDOWS_1252},
    {"windows-1252", WINDOWS_1252},
    {"cp1252", WINDOWS_1252},
    {"us-ascii", WINDOWS_1252},
    {"ascii", WINDOWS_1252},
};

static encoding of_label(eng_str charset)
{
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        if (eng_str_eq_nocase(charset, eng_str_of(labels[i].label)))
            return labels[i].is;
    }
    return OTHER;
}

static bool mark(eng_str *bytes, encoding *out)
{
    static const struct {
        eng_str mark;
        encoding is;
    } marks[] = {
        {{"\xEF\xBB\xBF", 3}, UTF8}, {{"\xFF\xFE", 2}, UTF16_LE}, {{"\xFE\xFF", 2}, UTF16_BE}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (eng_str_starts(*bytes, marks[i].mark)) {
            *bytes = eng_str_sub(*bytes, marks[i].mark.len, SIZE_MAX);
            *out = marks[i].is;
            return true;
        }
    }
    return false;
}

/* Bytes that no text has in numbers. */
static bool is_control(unsigned char c)
{
    return c < 0x20 && !(c >= '\t' && c <= '\r') && c != 0x1B;
}

static encoding by_bytes(eng_str bytes)
{
    size_t zeros[2] = {0, 0}, controls = 0;
    size_t look = bytes.len < LOOK ? bytes.len : LOOK;
    for (size_t i = 0; i < look; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        zeros[i & 1] += c == 0;
        controls += c != 0 && is_control(c);
    }
    /* Letters of Latin scripts in UTF-16 have a zero each, all on one side. */
    if (zeros[1] > look / 5 && zeros[0] <= look / 50)
        return UTF16_LE;
    if (zeros[0] > look / 5 && zeros[1] <= look / 50)
        return UTF16_BE;
    if (zeros[0] + zeros[1] > look / 1000 || controls > look / 50)
        return BINARY;
    return UTF8;
}

/* How many bytes are no UTF-8, and how many characters of several bytes are. */
static void weigh(eng_str bytes, size_t *wrong, size_t *right)
{
    *wrong = *right = 0;
    size_t at = 0;
    while (at < bytes.len) {
        size_t from = at;
        if (eng_utf8_next(bytes, &at) == 0xFFFD && at - from == 1)
            (*wrong)++;
        else
            *right += at - from > 1;
    }
}

static encoding judge(eng_str *bytes, eng_str charset)
{
    encoding found;
    if (mark(bytes, &found))
        return found;
    found = charset.len ? of_label(charset) : by_bytes(*bytes);
    if (found != UTF8 || eng_utf8_valid(*bytes) == bytes->len)
        return found;
    /* A torn character or two in UTF-8, or another encoding that was taken for it. */
    size_t wrong, right;
    weigh(*bytes, &wrong, &right);
    return right > wrong ? UTF8 : WINDOWS_1252;
}

/* ---- Turning into UTF-8 ---- */

/* What stands at 0x80..0x9F; 0 where nothing does. */
static const uint16_t upper_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

static void put(eng_buf *out, uint32_t c)
{
    char bytes[4];
    size_t n = eng_utf8_put(c, bytes);
    eng_buf_bytes(out, n ? bytes : "\xEF\xBF\xBD", n ? n : 3);
}

static void from_1252(eng_str bytes, eng_buf *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        uint32_t u = c;
        if (c >= 0x80 && c < 0xA0 && upper_1252[c - 0x80])
            u = upper_1252[c - 0x80];
        put(out, u);
    }
}

static void from_utf8(eng_str bytes, eng_buf *out)
{
    while (bytes.len) {
        size_t good = eng_utf8_valid(bytes);
        eng_buf_bytes(out, bytes.ptr, good);
        if (good < bytes.len) {
            put(out, 0xFFFD);
            good++;
        }
        bytes = eng_str_sub(bytes, good, SIZE_MAX);
    }
}

static uint32_t unit(eng_str bytes, size_t at, bool big)
{
    unsigned char a = (unsigned char)bytes.ptr[at], b = (unsigned char)bytes.ptr[at + 1];
    return big ? (uint32_t)(a << 8 | b) : (uint32_t)(b << 8 | a);
}

static void from_utf16(eng_str bytes, bool big, eng_buf *out)
{
    for (size_t i = 0; i + 1 < bytes.len; i += 2) {
        uint32_t c = unit(bytes, i, big);
        if (c >= 0xD800 && c < 0xDC00 && i + 3 < bytes.len) {
            uint32_t low = unit(bytes, i + 2, big);
            if (low >= 0xDC00 && low < 0xE000) {
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                i += 2;
            }
        }
        put(out, c); /* half a pair is no character, and becomes U+FFFD */
    }
    if (bytes.len & 1)
        put(out, 0xFFFD);
}

static eng_status from_other(eng_str bytes, eng_str charset, eng_buf *out, eng_error *err)
{
    char name[64];
    if (charset.len >= sizeof name)
        return eng_fail(err, ENG_ETYPE, "an unknown character set");
    snprintf(name, sizeof name, "%.*s", ENG_FMT(charset));
    iconv_t cd = iconv_open("UTF-8", name);
    if (cd == (iconv_t)-1)
        return eng_fail(err, ENG_ETYPE, "unknown character set '%s'", name);
    char *in = (char *)(uintptr_t)bytes.ptr; /* iconv does not write there */
    size_t left = bytes.len;
    while (left) {
        size_t most = out->max - out->len, size = most < PIECE ? most : PIECE;
        char *room = size < 8 ? NULL : eng_buf_room(out, size);
        if (!room) {
            if (!out->failed)
                out->failed = ENG_ETOOBIG;
            break;
        }
        char *to = room;
        size_t free_bytes = size;
        size_t done = iconv(cd, &in, &left, &to, &free_bytes);
        eng_buf_added(out, (size_t)(to - room));
        if (done == (size_t)-1 && errno != E2BIG) { /* a byte that is none there */
            put(out, 0xFFFD);
            in++;
            left--;
        }
    }
    iconv_close(cd);
    return ENG_OK;
}

/* ---- Line ends, controls, NFC ---- */

/* "\r\n" and "\r" become "\n"; other controls than tabs, and the mark itself, go. */
static void clean(eng_buf *b, size_t from)
{
    char *to = b->data + from;
    const char *end = b->data + b->len;
    for (const char *p = to; p < end; p++) {
        char c = *p;
        if (c == '\r' && p + 1 < end && p[1] == '\n')
            p++;
        if (c == '\r')
            *to++ = '\n';
        else if ((unsigned char)c >= 0x20 || c == '\t' || c == '\n' || c == '\f')
            *to++ = c;
    }
    *to = '\0';
    b->len = (size_t)(to - b->data);
}

/* Nothing in it could compose: quick, and false for some text that is in NFC all the same. */
static bool is_nfc(eng_str text)
{
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0xCC) { /* below U+0300 nothing composes with what stands before it */
            i++;
            continue;
        }
        uint32_t u = eng_utf8_next(text, &i);
        bool punctuation = (u >= 0x2010 && u <= 0x2027) || u == 0x20AC || u == 0xFFFD;
        if (!punctuation)
            return false;
    }
    return true;
}

/* A piece that ends before an ASCII character, with which nothing before it composes. */
static size_t piece_end(eng_str text, size_t from)
{
    size_t end = from + PIECE;
    while (end < text.len && (unsigned char)text.ptr[end] >= 0x80)
        end++;
    return end < text.len ? end : text.len;
}

static eng_status compose(eng_str piece, eng_buf *out, eng_error *err)
{
    if (is_nfc(piece)) {
        eng_buf_str(out, piece);
        return ENG_OK;
    }
    utf8proc_int32_t *points = eng_alloc_array(piece.len + 1, 4 * sizeof *points);
    if (!points)
        return eng_fail_nomem(err);
    const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)piece.ptr,
                                            (utf8proc_ssize_t)piece.len, points,
                                            (utf8proc_ssize_t)(4 * (piece.len + 1)), how);
    if (n >= 0)
        n = utf8proc_reencode(points, n, how);
    if (n >= 0)
        eng_buf_bytes(out, points, (size_t)n);
    else /* what utf8proc does not take stays as it was */
        eng_buf_str(out, piece);
    eng_free(points);
    return ENG_OK;
}

static eng_status compose_all(eng_str text, eng_buf *out, eng_error *err)
{
    for (size_t at = 0; at < text.len;) {
        size_t end = piece_end(text, at);
        eng_status status = compose(eng_str_sub(text, at, end - at), out, err);
        if (status < 0)
            return status;
        at = end;
    }
    return eng_buf_check(out, "text", err);
}

eng_status eng_charset_read(eng_str bytes, eng_str charset, eng_buf *out, eng_error *err)
{
    encoding from = judge(&bytes, charset);
    if (from == BINARY)
        return eng_fail(err, ENG_ETYPE, "not text: it holds control characters or zeros");
    eng_buf raw;
    eng_buf_init(&raw, out->max);
    eng_status status = ENG_OK;
    switch (from) {
    case UTF16_LE:
    case UTF16_BE:
        from_utf16(bytes, from == UTF16_BE, &raw);
        break;
    case WINDOWS_1252:
        from_1252(bytes, &raw);
        break;
    case OTHER:
        status = from_other(bytes, charset, &raw, err);
        break;
    default:
        from_utf8(bytes, &raw);
    }
    if (status == ENG_OK)
        status = eng_buf_check(&raw, "text", err);
    if (status == ENG_OK && raw.len) {
        clean(&raw, 0);
        status = compose_all(eng_buf_view(&raw), out, err);
    }
    eng_buf_clear(&raw);
    return status;
}
