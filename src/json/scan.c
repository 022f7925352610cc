/* Scanners for strings, literals and errors: what reading a tree and finding one value share. */
#include "json/json_internal.h"

#include "base/error.h"
#include "base/utf8.h"

#include <stdio.h>

/* ---- Strings ---- */

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            v = v << 4 | (lower - 'a' + 10);
        else
            return -1;
    }
    return v;
}

static bool is_high(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
static bool is_low(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/* p stands behind "\u"; `from` is its backslash, where a half pair is reported. */
static const char *unicode_escape(const char *from, const char *p, const char *end,
                                  eng_json_fault *f)
{
    int unit = hex4(p, end);
    if (unit < 0)
        return eng_json_stop(f, p, "expected four hexadecimal digits");
    p += 4;
    if (is_low(unit))
        return eng_json_stop(f, from, "half of a surrogate pair");
    if (!is_high(unit))
        return p;
    if (end - p < 2 || p[0] != '\\' || p[1] != 'u' || !is_low(hex4(p + 2, end)))
        return eng_json_stop(f, from, "half of a surrogate pair");
    return p + 6;
}

const char *eng_json_escape_end(const char *p, const char *end, eng_json_fault *f)
{
    if (end - p < 2)
        return eng_json_stop(f, end, "the string has no end");
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        return unicode_escape(p, p + 2, end, f);
    default:
        return eng_json_stop(f, p, "no such escape");
    }
}

const char *eng_json_string_end(const char *p, const char *end, bool *escaped, eng_json_fault *f)
{
    *escaped = false;
    for (;;) {
        p += eng_json_plain(p, end);
        if (p == end)
            return eng_json_stop(f, end, "the string has no end");
        if (*p == '"')
            return p;

        if (*p != '\\')
            return eng_json_stop(f, p, "a control character must be escaped");
        *escaped = true;
        p = eng_json_escape_end(p, end, f);
        if (!p)
            return NULL;
    }
}

/* Decodes the escape at *at, which moves behind it; returns the end of what was written. */
static char *decode(const char **at, const char *end, char *to)
{
    static const char letters[] = "bfnrt";
    const char *p = *at;
    *at = p + 2;
    if (p[1] == 'u') {
        uint32_t c = (uint32_t)hex4(p + 2, end);
        *at = p + 6;
        if (is_high((int)c)) {
            c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)hex4(p + 8, end) - 0xDC00);
            *at = p + 12;
        }
        return to + eng_utf8_put(c, to);
    }
    const char *letter = strchr(letters, p[1]);
    *to = letter ? "\b\f\n\r\t"[letter - letters] : p[1];
    return to + 1;
}

char *eng_json_unescape(const char *p, const char *end, char *to)
{
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((slash ? slash : end) - p);
        memcpy(to, p, run);
        to += run;
        p += run;
        if (slash)
            to = decode(&p, end, to);
    }
    return to;
}

/* ---- Literals ---- */

const char *eng_json_literal(const char *p, const char *end, eng_json *out, eng_json_fault *f)
{
    size_t left = (size_t)(end - p);
    if (left >= 4 && memcmp(p, "true", 4) == 0) {
        *out = (eng_json){.type = ENG_JSON_BOOL, .as.boolean = true};
        return p + 4;
    }
    if (left >= 5 && memcmp(p, "false", 5) == 0) {
        *out = (eng_json){.type = ENG_JSON_BOOL, .as.boolean = false};
        return p + 5;
    }
    if (left >= 4 && memcmp(p, "null", 4) == 0) {
        *out = (eng_json){.type = ENG_JSON_NULL};
        return p + 4;
    }
    return eng_json_stop(f, p, "expected a value");
}

/* ---- Limits and errors ---- */

eng_status eng_json_begin(eng_str text, const eng_json_limits *given, size_t *depth,
                          const char **end, eng_error *err)
{
    size_t most = given && given->depth ? given->depth : 128;
    size_t size = given && given->size && given->size < UINT32_MAX ? given->size : UINT32_MAX;
    *depth = most < ENG_JSON_DEPTH_MAX ? most : ENG_JSON_DEPTH_MAX;
    if (text.len > size)
        return eng_fail(err, ENG_ETOOBIG, "the JSON text is larger than %zu bytes", size);
    *end = text.ptr + eng_utf8_valid(text);
    return ENG_OK;
}

static void locate(eng_str text, size_t position, uint32_t *line, uint32_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < position; i++) {
        if (text.ptr[i] == '\n') {
            ++*line;
            *column = 1;
        } else if ((text.ptr[i] & 0xC0) != 0x80) {
            ++*column; /* of a character, its first byte counts */
        }
    }
}

eng_status eng_json_malformed(eng_str text, const char *end, eng_json_fault f, eng_error *err)
{
    if (!err)
        return ENG_EMALFORMED;
    size_t position = text.len ? (size_t)(f.at - text.ptr) : 0;
    uint32_t line, column;
    /* Too early an end, where the text goes on, is where UTF-8 ended. */
    if (f.at == end && position < text.len)
        f.what = "not UTF-8";
    locate(text, position, &line, &column);
    eng_fail_at(err, ENG_EMALFORMED, position, "line %u, column %u: %s", line, column, f.what);
    err->line = line;
    err->column = column;
    return ENG_EMALFORMED;
}

eng_status eng_json_too_deep(eng_str text, const char *at, size_t depth, eng_error *err)
{
    char what[64];
    snprintf(what, sizeof what, "nested deeper than %zu levels", depth);
    return eng_json_malformed(text, NULL, (eng_json_fault){at, what}, err);
}

eng_status eng_json_repeated(eng_str text, const char *at, eng_str key, eng_error *err)
{
    if (!err)
        return ENG_EMALFORMED;
    char shown[sizeof err->field];
    eng_str cut = eng_utf8_cut(key, sizeof shown - 1);
    for (size_t i = 0; i < cut.len; i++)
        shown[i] = cut.ptr[i] ? cut.ptr[i] : '?'; /* printf would end there */
    shown[cut.len] = '\0';

    char what[sizeof shown + 32];
    snprintf(what, sizeof what, "the key '%s' stands twice", shown);
    eng_error named;
    eng_fail_field(&named, ENG_EMALFORMED, (eng_str){shown, cut.len}, "stands twice");
    eng_json_malformed(text, NULL, (eng_json_fault){at, what}, err);
    memcpy(err->field, named.field, sizeof err->field);
    return ENG_EMALFORMED;
}
