/*
 * One way of writing for numbers that Portuguese and English write differently. A separator that
 * comes more than once, or is followed by three digits up to the end, separates thousands; else the
 * last one is the decimal point.
 */
#include "text/analyze_internal.h"

#include <string.h>

/* Where the decimal point stands, or len. */
static size_t decimal_point(eng_str s)
{
    size_t last = s.len, first = s.len;
    size_t seps = 0;
    bool mixed = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '.' && s.ptr[i] != ',')
            continue;
        mixed = mixed || (seps && s.ptr[i] != s.ptr[last]);
        first = seps ? first : i;
        last = i;
        seps++;
    }
    if (seps == 0 || (!mixed && seps > 1))
        return s.len;
    if (mixed)
        return last;
    bool thousands = s.len - last - 1 == 3 && first <= 3 && s.ptr[0] != '0';
    return thousands ? s.len : last;
}

size_t eng_number_plain(eng_str digits, char *out)
{
    size_t point = decimal_point(digits), end = digits.len, n = 0;
    if (point < end) {
        while (end > point + 1 && digits.ptr[end - 1] == '0')
            end--;
        if (end == point + 1)
            end = point;
    }
    for (size_t i = 0; i < end; i++) {
        if (i == point)
            out[n++] = '.';
        else if (digits.ptr[i] != '.' && digits.ptr[i] != ',')
            out[n++] = digits.ptr[i];
    }
    return n;
}
