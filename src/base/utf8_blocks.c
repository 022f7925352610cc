/*
 * UTF-8 by table, sixteen bytes at once: Keiser and Lemire, "Validating UTF-8 in less than one
 * instruction per byte" (2020).
 *
 * Every way to be wrong shows in two bytes that follow each other, but for a continuation byte too
 * few or too many in characters of three and four. Each kind of error is a bit; three tables, by the
 * upper and lower half of the first byte and the upper half of the second, say which errors these
 * allow; what all three allow is there. A continuation byte behind another is marked too, and is no
 * error exactly where a character of three or four bytes began two or three bytes before.
 */
#include "base/utf8_blocks.h"

#ifdef __SSSE3__
#include <stdbool.h>
#include <tmmintrin.h>

enum {
    TOO_SHORT = 1 << 0,      /* a lead byte, and no continuation behind it */
    TOO_LONG = 1 << 1,       /* ASCII, and a continuation behind it */
    OVERLONG_3 = 1 << 2,     /* E0 80..9F */
    TOO_LARGE = 1 << 3,      /* F4 90..BF, F5.. 90..BF */
    SURROGATE = 1 << 4,      /* ED A0..BF */
    OVERLONG_2 = 1 << 5,     /* C0, C1 */
    TOO_LARGE_1000 = 1 << 6, /* F5.. 80..8F */
    OVERLONG_4 = 1 << 6,     /* F0 80..8F */
    TWO_CONTS = 1 << 7,      /* two continuations */
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTS,
    LARGE_LOW = ANY_LOW | TOO_LARGE | TOO_LARGE_1000,
    CONT = TOO_LONG | OVERLONG_2 | TWO_CONTS
};

static __m128i look_up(const unsigned char table[16], __m128i index)
{
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)table), index);
}

static __m128i upper_half(__m128i x)
{
    return _mm_and_si128(_mm_srli_epi16(x, 4), _mm_set1_epi8(0x0F));
}

/* The errors that `now` ends, where `before` stands in front of it: all zero if there are none. */
static __m128i errors(__m128i before, __m128i now)
{
    static const unsigned char first_upper[16] = {
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TOO_LONG,
        TWO_CONTS,
        TWO_CONTS,
        TWO_CONTS,
        TWO_CONTS,
        TOO_SHORT | OVERLONG_2,
        TOO_SHORT,
        TOO_SHORT | OVERLONG_3 | SURROGATE,
        TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4,
    };
    static const unsigned char first_lower[16] = {
        ANY_LOW | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
        ANY_LOW | OVERLONG_2,
        ANY_LOW,
        ANY_LOW,
        ANY_LOW | TOO_LARGE,
        LARGE_LOW,
        LARGE_LOW,
        LARGE_LOW,
        LARGE_LOW,
        LARGE_LOW,
        LARGE_LOW,
        LARGE_LOW,
        LARGE_LOW,
        LARGE_LOW | SURROGATE,
        LARGE_LOW,
        LARGE_LOW,
    };
    static const unsigned char second_upper[16] = {
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        CONT | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
        CONT | OVERLONG_3 | TOO_LARGE,
        CONT | SURROGATE | TOO_LARGE,
        CONT | SURROGATE | TOO_LARGE,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
        TOO_SHORT,
    };
    __m128i first = _mm_alignr_epi8(now, before, 15);
    __m128i lower = _mm_and_si128(first, _mm_set1_epi8(0x0F));
    __m128i found = _mm_and_si128(
        look_up(first_upper, upper_half(first)),
        _mm_and_si128(look_up(first_lower, lower), look_up(second_upper, upper_half(now))));

    /* Saturating: not zero where the byte is at least E0, two before, or F0, three before. */
    __m128i third = _mm_subs_epu8(_mm_alignr_epi8(now, before, 14), _mm_set1_epi8((char)0xDF));
    __m128i fourth = _mm_subs_epu8(_mm_alignr_epi8(now, before, 13), _mm_set1_epi8((char)0xEF));
    __m128i due = _mm_cmpgt_epi8(_mm_or_si128(third, fourth), _mm_setzero_si128());
    return _mm_xor_si128(_mm_and_si128(due, _mm_set1_epi8((char)TWO_CONTS)), found);
}

static bool any(__m128i x)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_setzero_si128())) != 0xFFFF;
}

size_t eng_utf8_blocks(const unsigned char *p, size_t len)
{
    enum { STEP = 64 };
    __m128i before = _mm_setzero_si128();
    size_t i = 0;
    for (; len - i >= STEP; i += STEP) {
        const __m128i *at = (const __m128i *)(const void *)(p + i);
        __m128i a = _mm_loadu_si128(at), b = _mm_loadu_si128(at + 1), c = _mm_loadu_si128(at + 2),
                d = _mm_loadu_si128(at + 3);
        __m128i all = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
        __m128i wrong = errors(before, a);
        /* ASCII alone: only what came before can end wrongly here. */
        if (_mm_movemask_epi8(all)) {
            wrong = _mm_or_si128(wrong, errors(a, b));
            wrong = _mm_or_si128(wrong, _mm_or_si128(errors(b, c), errors(c, d)));
        }
        if (any(wrong))
            break;
        before = d;
    }
    /* The last character may go on behind i, or be cut: back to where it begins. */
    for (size_t back = 1; back <= 3 && back <= i; back++) {
        if (p[i - back] >= 0xC0)
            return i - back;
    }
    return i;
}

#else

size_t eng_utf8_blocks(const unsigned char *p, size_t len)
{
    (void)p;
    (void)len;
    return 0;
}

#endif
