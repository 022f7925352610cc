/* Views of text (eng_str, engenho.h): comparing, cutting, reading numbers. Nothing allocates. */
#ifndef ENG_BASE_STR_H
#define ENG_BASE_STR_H

#include "engenho.h"

#include <string.h>

/* A view of a literal, and the two words that printf's "%.*s" takes. */
#define ENG_STR(literal) ((eng_str){"" literal, sizeof(literal) - 1})
#define ENG_FMT(s) (int)(s).len, (s).ptr

static inline eng_str eng_str_of(const char *text)
{
    return (eng_str){text, text ? strlen(text) : 0};
}

static inline bool eng_str_eq(eng_str a, eng_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII letters are equal in either case; all other bytes must be the same. */
bool eng_str_eq_nocase(eng_str a, eng_str b);
bool eng_str_starts(eng_str s, eng_str prefix);
bool eng_str_ends(eng_str s, eng_str suffix);
int eng_str_cmp(eng_str a, eng_str b);

/* From byte `from`, at most len bytes; what lies outside of s is left out. */
eng_str eng_str_sub(eng_str s, size_t from, size_t len);
/* Without blanks, tabs and line ends around it. */
eng_str eng_str_trim(eng_str s);
/* Splits at the first `at`: *head is what stands before it, *tail what stands behind. False, with
 * all of s in *head and *tail empty, where there is none. */
bool eng_str_cut(eng_str s, char at, eng_str *head, eng_str *tail);
/* Position of the first occurrence, or SIZE_MAX. */
size_t eng_str_find(eng_str s, eng_str what);

/* The whole view is a decimal number and fits; nothing else is accepted, not even blanks. */
bool eng_str_i64(eng_str s, int64_t *out);
bool eng_str_u64(eng_str s, uint64_t *out);

/* How far apart two words are (insertions, deletions, changes, swaps of neighbours); at most 64
 * bytes of each count. For "did you mean". */
unsigned eng_str_distance(eng_str a, eng_str b);

#endif
