#include "base/utf8.h"

#include "base/utf8_blocks.h"

#include <string.h>

static uint64_t load64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static bool is_tail(unsigned char c) { return (c & 0xC0) == 0x80; }

/* Bytes of the character at p, of which left > 0 may be read; 0 where there is none. The bounds of
 * the second byte keep out overlong forms (C0, C1, E0, F0), surrogates (ED) and what lies beyond
 * U+10FFFF (F4 and up). */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || left < 2)
        return 0;
    if (c < 0xE0)
        return is_tail(p[1]) ? 2 : 0;
    if (c < 0xF0) {
        unsigned char from = c == 0xE0 ? 0xA0 : 0x80, to = c == 0xED ? 0x9F : 0xBF;
        return left >= 3 && p[1] >= from && p[1] <= to && is_tail(p[2]) ? 3 : 0;
    }
    unsigned char from = c == 0xF0 ? 0x90 : 0x80, to = c == 0xF4 ? 0x8F : 0xBF;
    if (c > 0xF4 || left < 4 || p[1] < from || p[1] > to)
        return 0;
    return is_tail(p[2]) && is_tail(p[3]) ? 4 : 0;
}

size_t eng_utf8_valid(eng_str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    const uint64_t high = 0x8080808080808080;
    size_t i = eng_utf8_blocks(p, text.len);

    while (i < text.len) {
        /* Most text is ASCII for long stretches. */
        while (text.len - i >= 16 && !((load64(p + i) | load64(p + i + 8)) & high))
            i += 16;
        if (text.len - i >= 8 && !(load64(p + i) & high))
            i += 8;
        while (i < text.len && p[i] < 0x80)
            i++;
        while (i < text.len && p[i] >= 0x80) {
            size_t n = sequence(p + i, text.len - i);
            if (n == 0)
                return i;
            i += n;
        }
    }
    return i;
}

size_t eng_utf8_count(eng_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += !is_tail((unsigned char)text.ptr[i]);
    return count;
}

eng_str eng_utf8_cut(eng_str text, size_t max)
{
    if (max >= text.len)
        return text;
    while (max && is_tail((unsigned char)text.ptr[max]))
        max--;
    return (eng_str){text.ptr, max};
}

uint32_t eng_utf8_next(eng_str text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.ptr + *at;
    size_t n = sequence(p, text.len - *at);
    *at += n ? n : 1;
    switch (n) {
    case 1:
        return p[0];
    case 2:
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    case 3:
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    case 4:
        return (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    default:
        return 0xFFFD;
    }
}

size_t eng_utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        if (c >= 0xD800 && c <= 0xDFFF)
            return 0;
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    if (c > 0x10FFFF)
        return 0;
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}
