/*
 * Words and their hashes. What most texts are made of, ASCII and Latin letters with accents, takes a
 * table; all else goes through utf8proc. A hash is part of a model's file: changing one makes another
 * version of it.
 */
#include "base/utf8.h"
#include "learn/text_internal.h"

#include <utf8proc.h>

/* ---- Hashes ---- */

#define MIX_1 UINT64_C(0x9E3779B97F4A7C15)
#define MIX_2 UINT64_C(0xBF58476D1CE4E5B9)
#define MIX_3 UINT64_C(0x94D049BB133111EB)

enum { SEED_WORD = 1, SEED_GRAM = 2, SEED_NUMBER = 3 };

static uint64_t finish(uint64_t h)
{
    h = (h ^ h >> 29) * MIX_2;
    return h ^ h >> 32;
}

static uint64_t load(const char *p, size_t len)
{
    uint64_t v = 0;
    memcpy(&v, p, len < sizeof v ? len : sizeof v);
    return v;
}

uint64_t eng_text_word_hash(eng_str word)
{
    uint64_t h = SEED_WORD + word.len * MIX_3;
    for (size_t at = 0; at < word.len; at += sizeof h) {
        h = (h ^ load(word.ptr + at, word.len - at)) * MIX_1;
        h ^= h >> 32;
    }
    return finish(h);
}

uint64_t eng_text_pair_hash(uint64_t a, uint64_t b) { return finish(a * MIX_1 ^ (b + MIX_3)); }

uint64_t eng_text_number_hash(size_t column, unsigned bin)
{
    return finish((SEED_NUMBER + column * MIX_3) * MIX_1 + bin);
}

/* Each start goes through its lengths with one multiplication a character. */
size_t eng_text_grams(eng_str word, unsigned min, unsigned max, uint64_t out[ENG_TEXT_GRAMS])
{
    uint32_t chars[ENG_WORD_CHARS + 2];
    size_t n = 0, count = 0;
    chars[n++] = ' ';
    for (size_t at = 0; at < word.len && n <= ENG_WORD_CHARS;)
        chars[n++] = eng_utf8_next(word, &at);
    chars[n++] = ' ';
    for (size_t from = 0; from + min <= n; from++) {
        uint64_t h = SEED_GRAM;
        for (unsigned len = 1; len <= max && from + len <= n; len++) {
            h = (h ^ chars[from + len - 1]) * MIX_1;
            if (len >= min)
                out[count++] = finish(h);
        }
    }
    return count;
}

/* ---- Characters ---- */

/* U+00C0 to U+00FF in lower case without accents; NUL: not a letter, or more than one. */
static const char latin[65] = "aaaaaa\0ceeeeiiii\0nooooo\0ouuuuy\0\0"
                              "aaaaaa\0ceeeeiiii\0nooooo\0ouuuuy\0y";

static bool is_mark(uint32_t c) { return c >= 0x300 && c <= 0x36F; }

/* Letters and digits of every script, and the marks that belong to them. */
static bool is_word(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return true;
    default:
        return false;
    }
}

/* A character in lower case, in its parts, without marks: at most `room` bytes; 0 where nothing is left
 * or it does not fit. */
static size_t put_folded(uint32_t c, char *out, size_t room)
{
    utf8proc_int32_t parts[32];
    int boundary = 0;
    size_t len = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)c, parts, 32, UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD,
        &boundary);
    if (n < 0 || n > 32)
        return 0;
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char bytes[4];
        uint32_t part = (uint32_t)parts[i];
        size_t size = is_mark(part) || !is_word(part) ? 0 : eng_utf8_put(part, bytes);
        if (len + size > room)
            return 0;
        memcpy(out + len, bytes, size);
        len += size;
    }
    return len;
}

/* ---- Words ---- */

/* Letters in lower case, digits; NUL: between words; 1: the first byte of a longer character. */
static unsigned char fold_byte(unsigned char c)
{
    if (c >= 0x80)
        return 1;
    if ((unsigned char)((c | 0x20) - 'a') < 26)
        return c | 0x20;
    return (unsigned char)(c - '0') < 10 ? c : 0;
}

typedef enum { SKIPPED, PUT, ENDS } step;

/* The character at *at, which moves on unless it ends the word. */
static step take_long(eng_text_words *w, size_t *at, size_t *len, size_t *chars)
{
    const unsigned char *p = (const unsigned char *)w->text.ptr + *at;
    if (p[0] == 0xC3 && *at + 1 < w->text.len && p[1] >= 0x80 && p[1] < 0xC0 &&
        latin[p[1] - 0x80]) {
        w->buf[(*len)++] = latin[p[1] - 0x80];
        ++*chars;
        *at += 2;
        return PUT;
    }
    size_t next = *at;
    uint32_t c = eng_utf8_next(w->text, &next);
    if (!is_word(c))
        return ENDS;
    size_t size = put_folded(c, w->buf + *len, ENG_WORD_BYTES - *len);
    *at = next;
    for (size_t i = 0; i < size; i++)
        *chars += ((unsigned char)w->buf[*len + i] & 0xC0) != 0x80;
    *len += size;
    return size ? PUT : SKIPPED;
}

static size_t char_size(const eng_text_words *w)
{
    size_t next = w->at;
    eng_utf8_next(w->text, &next);
    return next - w->at;
}

bool eng_text_words_next(eng_text_words *w, eng_text_word *out)
{
    const unsigned char *p = (const unsigned char *)w->text.ptr;
    size_t len = 0, chars = 0, end = w->text.len;
    while (len == 0) {
        while (w->at < end && fold_byte(p[w->at]) == 0)
            w->at++;
        if (w->at == end)
            return false;
        out->from = w->at;
        while (w->at < end && chars < ENG_WORD_CHARS && len < ENG_WORD_BYTES - 8) {
            unsigned char c = fold_byte(p[w->at]);
            if (c == 0 || (c == 1 && take_long(w, &w->at, &len, &chars) == ENDS))
                break;
            if (c > 1) {
                w->buf[len++] = (char)c;
                chars++;
                w->at++;
            }
        }
        if (len == 0 && w->at < end && p[w->at] >= 0x80)
            w->at += char_size(w);
    }
    out->to = w->at;
    out->text = (eng_str){w->buf, len};
    out->hash = eng_text_word_hash(out->text);
    return true;
}
