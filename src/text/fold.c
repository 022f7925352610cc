/*
 * Characters: what kind each is, and words without case and accents.
 *
 * Nearly all letters of Portuguese, English and Spanish are ASCII or two bytes from C3 80 to C3 BF;
 * these go through a table, the others through utf8proc.
 */
#include "text/analyze_internal.h"

#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

enum { MARKS_FIRST = 0x300, MARKS_LAST = 0x36F, DECOMPOSED_MAX = 256 };

/* U+00E0 to U+00FF without their accents; a NUL where a table of single letters does not do. */
static const char plain_letters[33] = "aaaaaa\0ceeeeiiii\0nooooo\0\0uuuuy\0y";

static char_class ascii_class(uint32_t c)
{
    if ((c | 0x20) - 'a' < 26)
        return CLASS_LETTER;
    if (c - '0' < 10)
        return CLASS_DIGIT;
    return c && strchr(".,-/'_:&@", (int)c) ? CLASS_JOIN : CLASS_OTHER;
}

/* Scripts that are written without blanks: kana, ideographs, Thai, Lao, Khmer, Myanmar. */
static bool without_blanks(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF) ||
           (c >= 0x0E00 && c <= 0x0EFF) || (c >= 0x1000 && c <= 0x109F) ||
           (c >= 0x1780 && c <= 0x17FF);
}

char_class eng_char_class(uint32_t c)
{
    if (c < 0x80)
        return ascii_class(c);
    if (c >= 0xC0 && c <= 0x24F)
        return c == 0xD7 || c == 0xF7 ? CLASS_OTHER : CLASS_LETTER;
    if (c == 0x2019 || c == 0x2010 || c == 0x2011) /* apostrophe, hyphens */
        return CLASS_JOIN;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return without_blanks(c) ? CLASS_IDEO : CLASS_LETTER;
    case UTF8PROC_CATEGORY_ND:
        return CLASS_DIGIT;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return CLASS_MARK;
    default:
        return CLASS_OTHER;
    }
}

/* The fast way: false where a character is not in its table. */
static bool fold_latin(eng_str word, eng_word_forms *out)
{
    size_t n = 0, m = 0;
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];
        if (c < 0x80) {
            char low = (char)((unsigned char)(c - 'A') < 26 ? c | 0x20 : c);
            out->lower[n++] = low;
            out->folded[m++] = low;
            continue;
        }
        unsigned char d = c == 0xC3 && i + 1 < word.len ? (unsigned char)word.ptr[i + 1] : 0;
        if (d < 0x80 || d == 0x97 || d == 0x9F || !plain_letters[(d | 0x20) - 0xA0])
            return false;
        out->lower[n++] = (char)0xC3;
        out->lower[n++] = (char)(d | 0x20);
        out->folded[m++] = plain_letters[(d | 0x20) - 0xA0];
        i++;
    }
    out->lower_len = n;
    out->folded_len = m;
    return true;
}

/* Letters that no decomposition takes apart. */
static const char *plain_of(int32_t c)
{
    switch (c) {
    case 0xE6:
        return "ae";
    case 0xF0:
    case 0x111:
        return "d";
    case 0xF8:
        return "o";
    case 0xFE:
        return "th";
    case 0x131:
        return "i";
    case 0x142:
        return "l";
    case 0x153:
        return "oe";
    default:
        return NULL;
    }
}

static size_t put_all(const int32_t *c, size_t count, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        size_t size = eng_utf8_put((uint32_t)c[i], bytes);
        if (len + size > ENG_TERM_MAX)
            break;
        memcpy(out + len, bytes, size);
        len += size;
    }
    return len;
}

static size_t put_folded(const int32_t *c, size_t count, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        const char *plain = plain_of(c[i]);
        if (c[i] >= MARKS_FIRST && c[i] <= MARKS_LAST)
            continue;
        size_t size = plain ? strlen(plain) : eng_utf8_put((uint32_t)c[i], bytes);
        if (len + size > ENG_TERM_MAX)
            break;
        memcpy(out + len, plain ? plain : bytes, size);
        len += size;
    }
    return len;
}

/* Decomposed, by utf8proc; in `buf`. */
static size_t decompose(eng_str word, int options, int32_t buf[DECOMPOSED_MAX])
{
    size_t count = 0;
    int boundary = 0;
    for (size_t at = 0; at < word.len;) {
        uint32_t c = eng_utf8_next(word, &at);
        utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, buf + count,
                                                     (utf8proc_ssize_t)(DECOMPOSED_MAX - count),
                                                     (utf8proc_option_t)options, &boundary);
        if (n < 0 || (size_t)n > DECOMPOSED_MAX - count)
            break;
        count += (size_t)n;
    }
    return count;
}

void eng_word_fold(eng_str word, eng_word_forms *out)
{
    int32_t buf[DECOMPOSED_MAX];
    word = eng_utf8_cut(word, ENG_TERM_MAX);
    if (fold_latin(word, out))
        return;
    size_t count = decompose(
        word, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE, buf);
    out->folded_len = put_folded(buf, count, out->folded);
    utf8proc_ssize_t composed = utf8proc_normalize_utf32(buf, (utf8proc_ssize_t)count,
                                                         UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    out->lower_len = put_all(buf, composed < 0 ? 0 : (size_t)composed, out->lower);
}

size_t eng_fold_accents(const char *lower, size_t len, char out[ENG_TERM_MAX])
{
    eng_word_forms forms;
    eng_word_fold((eng_str){lower, len}, &forms);
    memcpy(out, forms.folded, forms.folded_len);
    return forms.folded_len;
}
