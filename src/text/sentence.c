/*
 * Where sentences end. A mark ends one when what stands behind it can begin another, and what stands
 * before a full stop is no abbreviation, initial or number of a list. Wrong guesses cost little: a
 * passage begins a few words early.
 */
#include "base/utf8.h"
#include "text/text_internal.h"

#include <utf8proc.h>

/* Lower case, without the stop; Portuguese, Spanish, English. */
static const char *const abbreviations[] = {
    "a.c",
    "abr",
    "adm",
    "ago",
    "al",
    "alm",
    "ap",
    "apt",
    "apto",
    "aprox",
    "art",
    "arts",
    "av",
    "bros",
    "c\xC3\xB3"
    "d",
    "cap",
    "caps",
    "cf",
    "cia",
    "cit",
    "co",
    "col",
    "cond",
    "corp",
    "cx",
    "d",
    "d.c",
    "dec",
    "depto",
    "dept",
    "dez",
    "dpto",
    "dr",
    "dra",
    "dras",
    "drs",
    "e.g",
    "ed",
    "eds",
    "ee",
    "eng",
    "eq",
    "esp",
    "est",
    "ex",
    "exa",
    "exmo",
    "fev",
    "fig",
    "figs",
    "fl",
    "fls",
    "fr",
    "gen",
    "gov",
    "hist",
    "i.e",
    "ibid",
    "id",
    "ilmo",
    "inc",
    "jan",
    "jr",
    "jul",
    "jun",
    "lda",
    "lic",
    "lt",
    "ltd",
    "ltda",
    "m\xC3\xA1x",
    "mai",
    "max",
    "min",
    "mr",
    "mrs",
    "ms",
    "mt",
    "n",
    "no",
    "nos",
    "nov",
    "num",
    "n\xC2\xBA",
    "n\xC3\xBA"
    "m",
    "obs",
    "op",
    "out",
    "p",
    "p\xC3\xA1g",
    "p\xC3\xA1gs",
    "pag",
    "par",
    "p\xC3\xA1r",
    "pe",
    "pg",
    "pgs",
    "pp",
    "prof",
    "profa",
    "prov",
    "r",
    "ref",
    "rev",
    "s",
    "s.a",
    "s\xC3\xA9"
    "c",
    "sec",
    "seg",
    "sen",
    "sep",
    "set",
    "sgt",
    "sr",
    "sra",
    "sras",
    "srs",
    "srta",
    "ss",
    "st",
    "sta",
    "ste",
    "sto",
    "tel",
    "tels",
    "ten",
    "u.s",
    "ud",
    "uds",
    "v",
    "v.exa",
    "vol",
    "vols",
    "vs",
};

static uint32_t char_at(eng_str text, size_t at)
{
    return at < text.len ? eng_utf8_next(text, &at) : 0;
}

/* The character that ends before `at`. */
static uint32_t char_before(eng_str text, size_t at, size_t from)
{
    if (at <= from)
        return 0;
    size_t start = at - 1;
    while (start > from && ((unsigned char)text.ptr[start] & 0xC0) == 0x80)
        start--;
    return char_at(text, start);
}

static bool is_category(uint32_t c, utf8proc_category_t a, utf8proc_category_t b)
{
    utf8proc_category_t is = utf8proc_category((utf8proc_int32_t)c);
    return is == a || is == b;
}

static bool is_upper(uint32_t c)
{
    return c < 0x80 ? c >= 'A' && c <= 'Z'
                    : is_category(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LT);
}
static bool is_lower(uint32_t c)
{
    return c < 0x80 ? c >= 'a' && c <= 'z'
                    : is_category(c, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LL);
}
static bool is_digit(uint32_t c) { return c >= '0' && c <= '9'; }

static bool is_blank(uint32_t c) { return (c <= ' ' && c > 0) || c == 0xA0 || c == 0x3000; }

static bool is_mark(uint32_t c)
{
    return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002 || c == 0xFF01 ||
           c == 0xFF1F;
}

/* Quotes and brackets that close what the mark ended. */
static bool is_closing(uint32_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == 0xBB || c == 0x2019 ||
           c == 0x201D;
}

/* The word that ends at `at`, with stops within it ("S.A"). */
static eng_str word_before(eng_str text, size_t from, size_t at)
{
    size_t start = at;
    while (start > from) {
        unsigned char c = (unsigned char)text.ptr[start - 1];
        bool part = c >= 0x80 || (c | 32) >= 'a' ? c != '|' && c != '{' && c != '}' && c != '~'
                                                 : c == '.' || is_digit(c);
        if (!part)
            break;
        start--;
    }
    return eng_str_sub(text, start, at - start);
}

static bool is_abbreviation(eng_str word)
{
    size_t from = 0, to = sizeof abbreviations / sizeof *abbreviations;
    for (size_t i = from; i < to; i++) {
        if (eng_str_eq_nocase(word, eng_str_of(abbreviations[i])))
            return true;
    }
    return false;
}

/* A full stop at `at` that ends no sentence, whatever follows. `start` is the sentence's. */
static bool is_inner_stop(eng_str text, size_t start, size_t at)
{
    eng_str word = word_before(text, start, at);
    if (!word.len)
        return false;
    size_t next = 0;
    uint32_t first = eng_utf8_next(word, &next);
    if (next == word.len && is_upper(first))
        return true; /* an initial */
    bool number = true;
    for (size_t i = 0; i < word.len; i++)
        number &= is_digit((unsigned char)word.ptr[i]) || word.ptr[i] == '.';
    if (number) /* "1. " that begins a line is a list's */
        return word.ptr == text.ptr + start;
    return is_abbreviation(word);
}

/* What can begin a sentence. */
static bool can_begin(uint32_t c)
{
    return !is_lower(c) && c != ',' && c != ';' && c != ':' && c != ')' && c != ']' && c != '%';
}

/* Behind a mark and what closes with it, without white space: "à vista.Outra". */
static bool is_glued(eng_str text, size_t start, size_t mark, size_t behind)
{
    size_t at = behind;
    if (!is_upper(char_at(text, at)))
        return false;
    eng_utf8_next(text, &at);
    uint32_t second = char_at(text, at);
    if (!is_lower(second) && !is_blank(second))
        return false;
    eng_str word = word_before(text, start, mark);
    return word.len >= 3 && is_lower(char_before(text, mark, start)) &&
           eng_str_find(word, ENG_STR(".")) == SIZE_MAX;
}

/* Whether a sentence ends with the mark at `at`; *behind is where its closing quotes end. */
static bool ends_at(eng_str text, size_t start, size_t at, size_t end, size_t *behind)
{
    uint32_t mark = char_at(text, at);
    size_t next = at;
    while (next < end) {
        size_t further = next;
        uint32_t c = eng_utf8_next(text, &further);
        if (!is_mark(c) && !is_closing(c))
            break;
        next = further;
    }
    *behind = next;
    if (next >= end)
        return true;
    bool lone_stop = mark == '.' && next == at + 1;
    if (!is_blank(char_at(text, next)))
        return mark < 0x80 ? is_glued(text, start, at, next) : mark != 0x2026;
    if (lone_stop && is_inner_stop(text, start, at))
        return false;
    while (next < end && is_blank(char_at(text, next)))
        eng_utf8_next(text, &next);
    return next >= end || can_begin(char_at(text, next));
}

/* An empty line is here: two line ends with nothing but blanks between. */
static bool is_gap(eng_str text, size_t at, size_t end)
{
    for (at++; at < end; at++) {
        if (text.ptr[at] == '\n' || text.ptr[at] == '\f')
            return true;
        if (text.ptr[at] != ' ' && text.ptr[at] != '\t' && text.ptr[at] != '\r')
            return false;
    }
    return false;
}

bool eng_sentence_next(eng_str text, size_t *at, size_t end, eng_str *out)
{
    size_t start = *at;
    while (start < end && is_blank(char_at(text, start)))
        eng_utf8_next(text, &start);
    if (start >= end) {
        *at = end;
        return false;
    }
    size_t p = start, stop = end;
    while (p < end) {
        unsigned char c = (unsigned char)text.ptr[p];
        size_t behind;
        if ((c == '\n' && is_gap(text, p, end)) || c == '\f') {
            stop = p;
            break;
        }
        if ((c == '.' || c == '!' || c == '?' || c >= 0xE2) && is_mark(char_at(text, p))) {
            bool ends = ends_at(text, start, p, end, &behind);
            p = behind;
            if (ends) {
                stop = p;
                break;
            }
            continue;
        }
        p++;
    }
    *at = stop;
    while (stop > start && is_blank(char_before(text, stop, start)))
        stop -= (unsigned char)text.ptr[stop - 1] < 0x80    ? 1
                : (unsigned char)text.ptr[stop - 2] == 0xC2 ? 2
                                                            : 3;
    *out = eng_str_sub(text, start, stop - start);
    return true;
}
