/* Looks words up among those that mean nearly the same: by their first two bytes, then one by one. */
#include "rag/answer_internal.h"

#include <string.h>

static unsigned two(const char *word)
{
    return (unsigned)(unsigned char)word[0] << 8 | (unsigned char)word[1];
}

/* The first word that does not stand before these two bytes. */
static size_t begin_at(unsigned bytes)
{
    size_t from = 0, to = eng_kin_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (two(eng_kin_words[middle].word) < bytes)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool is(const kin_word *k, eng_str folded)
{
    return (k->any ? folded.len >= k->len : folded.len == k->len) &&
           memcmp(k->word, folded.ptr, k->len) == 0;
}

size_t eng_word_kin(eng_str folded, uint8_t out[KIN_MAX])
{
    size_t n = 0, count = eng_kin_count;
    if (folded.len < 2)
        return 0;
    unsigned bytes = two(folded.ptr);
    for (size_t i = begin_at(bytes);
         n < KIN_MAX && i < count && two(eng_kin_words[i].word) == bytes; i++)
        if (is(&eng_kin_words[i], folded))
            out[n++] = eng_kin_words[i].group;
    return n;
}
