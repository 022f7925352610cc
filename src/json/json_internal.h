/*
 * What reading a tree (read.c) and finding one value (find.c) share: the scanners of scan.c and
 * number_read.c. Each starts at a byte of the text, never looks at `end` or beyond, and returns where
 * it stopped, or NULL with the fault filled in.
 *
 * All text up to `end` is known to be UTF-8, because eng_json_begin moves `end` to where it is not: a
 * fault there is put down to that. So strings are scanned without a look at what is beyond ASCII.
 */
#ifndef ENG_JSON_INTERNAL_H
#define ENG_JSON_INTERNAL_H

#include "json/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef struct {
    const char *at;
    const char *what;
} eng_json_fault;

/* For `return eng_json_stop(...)`, in functions that return a position. */
static inline const char *eng_json_stop(eng_json_fault *f, const char *at, const char *what)
{
    *f = (eng_json_fault){at, what};
    return NULL;
}

/* The first byte that is no blank. */
static inline const char *eng_json_blanks(const char *p, const char *end)
{
    const uint64_t spaces = 0x2020202020202020;
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
        /* Indentation. */
        for (uint64_t eight; end - p >= 8; p += 8) {
            memcpy(&eight, p, 8);
            if (eight != spaces)
                break;
        }
    }
    return p;
}

/* How many bytes of a string at p stand for themselves: all but quotes, backslashes and control
 * characters. */
static inline size_t eng_json_plain(const char *p, const char *end)
{
    const char *from = p;
#ifdef __SSE2__
    const __m128i control = _mm_set1_epi8(0x1F), quote = _mm_set1_epi8('"'),
                  slash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash));
        special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(x, control), x));
        int mask = _mm_movemask_epi8(special);
        if (mask)
            return (size_t)(p - from) + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
        p++;
    return (size_t)(p - from);
}

/* p stands on a backslash; a surrogate pair is one escape. */
const char *eng_json_escape_end(const char *p, const char *end, eng_json_fault *f);
/* From behind the opening quote to the closing one. *escaped: there is a backslash in between. */
const char *eng_json_string_end(const char *p, const char *end, bool *escaped, eng_json_fault *f);
/* Decodes what eng_json_string_end has accepted, to at most as many bytes; returns the end of it. */
char *eng_json_unescape(const char *p, const char *end, char *to);
/* true, false or null. */
const char *eng_json_literal(const char *p, const char *end, eng_json *out, eng_json_fault *f);
/* A number; *out becomes an integer or a double. */
const char *eng_json_scan_number(const char *p, const char *end, eng_json *out, eng_json_fault *f);

/* ENG_EMALFORMED with line, column and position: "line 2, column 11: expected a value". */
eng_status eng_json_malformed(eng_str text, const char *end, eng_json_fault f, eng_error *err);
/* The same for a repeated key, which is in err->field too. */
eng_status eng_json_repeated(eng_str text, const char *at, eng_str key, eng_error *err);

/* Checks the size; the depth to allow, and the end of what is UTF-8. */
eng_status eng_json_begin(eng_str text, const eng_json_limits *given, size_t *depth,
                          const char **end, eng_error *err);
/* "nested deeper than 128 levels" */
eng_status eng_json_too_deep(eng_str text, const char *at, size_t depth, eng_error *err);

#endif
