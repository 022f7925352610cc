/*
 * Words that somebody's extraction glued together: "umaplataforma".
 *
 * best[i] is the cheapest way to write the first i bytes with words that are known; a word costs the
 * logarithm of how rare it is, and something for being a word at all, so that few long words win over
 * many short ones. Small words of the language are known wherever the collection is small.
 */
#include "text/analyze_internal.h"

#include <math.h>

enum { LEAST = 6, LONGEST = 24, OFTEN = 2 };

static const float NEVER = 1e9F;
static const float EACH = 2.5F; /* for each further word */

static float cost_of(eng_str word, eng_language language, eng_word_count_fn *count, void *ctx)
{
    bool small = eng_word_is_stop(word, language);
    uint32_t n = count(ctx, word);
    if (word.len == 1 && !small)
        return NEVER;
    if (!small && (n < OFTEN || word.len < 3))
        return NEVER;
    return EACH + 12.0F - logf(1.0F + (float)n + (small ? 200.0F : 0.0F));
}

static bool is_start(char c) { return ((unsigned char)c & 0xC0) != 0x80; }

size_t eng_word_split(eng_str word, eng_language language, eng_word_count_fn *count, void *ctx,
                      uint8_t ends[ENG_SPLIT_MAX])
{
    float best[ENG_TERM_MAX + 1] = {0};
    uint8_t from[ENG_TERM_MAX + 1] = {0};
    if (word.len < LEAST || word.len > ENG_TERM_MAX || count(ctx, word) >= OFTEN ||
        eng_word_is_stop(word, language))
        return 0;
    for (size_t i = 1; i <= word.len; i++) {
        best[i] = NEVER;
        if (i < word.len && !is_start(word.ptr[i]))
            continue;
        for (size_t j = i > LONGEST ? i - LONGEST : 0; j < i; j++) {
            if (best[j] >= NEVER || (j == 0 && i == word.len))
                continue;
            float cost = best[j] + cost_of((eng_str){word.ptr + j, i - j}, language, count, ctx);
            if (cost < best[i]) {
                best[i] = cost;
                from[i] = (uint8_t)j;
            }
        }
    }
    if (best[word.len] >= NEVER)
        return 0;
    size_t parts = 0;
    bool content =
        false; /* small words alone are no reason: "deste", "porque" in another spelling */
    for (size_t i = word.len; i > 0; i = from[i]) {
        parts++;
        content = content || i - from[i] >= 4;
    }
    if (parts > ENG_SPLIT_MAX || parts > 1 + word.len / 4 || !content)
        return 0;
    size_t at = parts;
    for (size_t i = word.len; i > 0; i = from[i])
        ends[--at] = (uint8_t)i;
    return parts;
}
