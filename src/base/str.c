#include "base/str.h"

static unsigned char lower(char c) { return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c); }

bool eng_str_eq_nocase(eng_str a, eng_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool eng_str_starts(eng_str s, eng_str prefix)
{
    return s.len >= prefix.len && eng_str_eq(eng_str_sub(s, 0, prefix.len), prefix);
}

bool eng_str_ends(eng_str s, eng_str suffix)
{
    return s.len >= suffix.len &&
           eng_str_eq(eng_str_sub(s, s.len - suffix.len, suffix.len), suffix);
}

int eng_str_cmp(eng_str a, eng_str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

eng_str eng_str_sub(eng_str s, size_t from, size_t len)
{
    if (from >= s.len)
        return (eng_str){"", 0};
    size_t left = s.len - from;
    return (eng_str){s.ptr + from, len < left ? len : left};
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

eng_str eng_str_trim(eng_str s)
{
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    while (s.len && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    return s;
}

bool eng_str_cut(eng_str s, char at, eng_str *head, eng_str *tail)
{
    const char *found = s.len ? memchr(s.ptr, at, s.len) : NULL;
    if (!found) {
        *head = s;
        *tail = (eng_str){"", 0};
        return false;
    }
    size_t before = (size_t)(found - s.ptr);
    *head = (eng_str){s.ptr, before};
    *tail = (eng_str){found + 1, s.len - before - 1};
    return true;
}

size_t eng_str_find(eng_str s, eng_str what)
{
    if (what.len == 0)
        return 0;
    const char *found = s.len ? memmem(s.ptr, s.len, what.ptr, what.len) : NULL;
    return found ? (size_t)(found - s.ptr) : SIZE_MAX;
}

bool eng_str_u64(eng_str s, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    if (s.len)
        *out = value;
    return s.len > 0;
}

bool eng_str_i64(eng_str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t size;
    if (!eng_str_u64(negative ? eng_str_sub(s, 1, s.len) : s, &size))
        return false;
    if (size > (uint64_t)INT64_MAX + negative)
        return false;
    /* Negated as unsigned, where INT64_MIN wraps to itself. */
    *out = (int64_t)(negative ? 0 - size : size);
    return true;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

/* Edit distance with swaps of neighbours: three rows of the table are enough. */
unsigned eng_str_distance(eng_str a, eng_str b)
{
    enum { MOST = 64 };
    unsigned rows[3][MOST + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    a = eng_str_sub(a, 0, MOST);
    b = eng_str_sub(b, 0, MOST);
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.ptr[i - 1] == b.ptr[j - 1];
            unsigned d = least(least(last[j], row[j - 1]) + 1, last[j - 1] + !same);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                d = least(d, before[j - 2] + 1);
            row[j] = d;
        }
    }
    return row[b.len];
}
