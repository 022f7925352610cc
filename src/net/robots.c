/*
 * robots.txt, as RFC 9309 has it: groups of rules for user agents, of which the longest rule that matches
 * decides. Nothing is kept and nothing allocated: a path is held against the text as it stands.
 */
#include "net/net.h"

/* ---- Matching ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_plain(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* The octet at *at. One that is escaped is told apart from the same octet as it is (a slash is not %2F),
 * but for letters and the like, and for what an address cannot hold without escaping. */
static int octet(eng_str s, size_t *at)
{
    enum { ESCAPED = 256 };
    int c = (unsigned char)s.ptr[(*at)++];
    if (c != '%' || *at + 1 >= s.len)
        return c > 0x7F ? ESCAPED + c : c;
    int high = hex_of(s.ptr[*at]), low = hex_of(s.ptr[*at + 1]);
    if (high < 0 || low < 0)
        return c;
    *at += 2;
    c = high << 4 | low;
    return is_plain(c) ? c : ESCAPED + c;
}

/* A star is any number of octets, a dollar at the end is the path's end. Back to the last star alone: so
 * it takes no longer than the product of both lengths. */
static bool matches(eng_str pattern, eng_str path)
{
    bool anchored = eng_str_ends(pattern, ENG_STR("$"));
    if (anchored)
        pattern.len--;
    size_t p = 0, s = 0, star = SIZE_MAX, from = 0;
    for (;;) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = ++p;
            from = s;
            continue;
        }
        if (p == pattern.len && (!anchored || s == path.len))
            return true;
        size_t p_next = p, s_next = s;
        if (p < pattern.len && s < path.len && octet(pattern, &p_next) == octet(path, &s_next)) {
            p = p_next;
            s = s_next;
            continue;
        }
        if (star == SIZE_MAX || from >= path.len)
            return false;
        octet(path, &from);
        p = star;
        s = from;
    }
}

/* ---- Lines ---- */

/* The next "name: value" without comment and blanks; false at the end. */
static bool next_line(eng_str *text, eng_str *name, eng_str *value)
{
    while (text->len) {
        size_t len = 0;
        while (len < text->len && text->ptr[len] != '\n' && text->ptr[len] != '\r')
            len++;
        eng_str line = eng_str_sub(*text, 0, len), comment;
        *text = eng_str_sub(*text, len < text->len ? len + 1 : len, text->len);
        eng_str_cut(line, '#', &line, &comment);
        if (!eng_str_cut(line, ':', name, value))
            continue;
        *name = eng_str_trim(*name);
        *value = eng_str_trim(*value);
        return true;
    }
    return false;
}

/* The product of a User-agent line: what stands before a slash, a blank or another sign. */
static eng_str product_of(eng_str value)
{
    size_t len = 0;
    while (len < value.len && (is_plain((unsigned char)value.ptr[len]) || value.ptr[len] == '*'))
        len++;
    return eng_str_sub(value, 0, len);
}

typedef struct {
    eng_str agent, path;
    bool found;     /* a group that is the agent's */
    size_t longest; /* of the rules that match, plus 1 */
    bool allowed;
} judging;

static void judge(judging *j, eng_str pattern, bool allow)
{
    if (!pattern.len || !matches(pattern, j->path))
        return;
    if (pattern.len + 1 > j->longest || (pattern.len + 1 == j->longest && allow))
        j->allowed = allow;
    if (pattern.len + 1 > j->longest)
        j->longest = pattern.len + 1;
}

/* All groups of this agent count as one. */
static void read_groups(judging *j, eng_str text)
{
    bool ours = false, heading = false;
    eng_str name, value;
    while (next_line(&text, &name, &value)) {
        if (eng_str_eq_nocase(name, ENG_STR("user-agent"))) {
            bool same = eng_str_eq_nocase(product_of(value), j->agent);
            ours = heading ? ours || same : same;
            heading = true;
            j->found = j->found || same;
            continue;
        }
        bool allow = eng_str_eq_nocase(name, ENG_STR("allow"));
        if (!allow && !eng_str_eq_nocase(name, ENG_STR("disallow")))
            continue; /* a sitemap and the like end no group */
        heading = false;
        if (ours)
            judge(j, value, allow);
    }
}

bool eng_robots_allow(eng_str text, eng_str agent, eng_str path)
{
    if (eng_str_starts(text, ENG_STR("\xEF\xBB\xBF")))
        text = eng_str_sub(text, 3, text.len);
    judging j = {.agent = agent, .path = path.len ? path : ENG_STR("/"), .allowed = true};
    if (eng_str_eq(j.path, ENG_STR("/robots.txt")))
        return true;
    read_groups(&j, text);
    if (!j.found) {
        j.agent = ENG_STR("*");
        read_groups(&j, text);
    }
    return j.allowed;
}
