#include "json/json_internal.h"

#include "base/utf8.h"

#include <assert.h>
#include <math.h>

eng_json_writer eng_json_write_to(eng_buf *out) { return (eng_json_writer){.out = out}; }

/* ---- Commas ---- */

static bool in_object(const eng_json_writer *w)
{
    return w->depth > 0 && (w->objects >> (w->depth - 1) & 1);
}

/* A value comes next: whether it needs a comma before it. */
static bool comma_before_value(eng_json_writer *w)
{
    assert(in_object(w) == w->named);  /* a value without its key, or a key in no object */
    assert(w->depth > 0 || !w->comma); /* a second value at the top */
    bool comma = w->comma && !w->named;
    w->comma = true;
    w->named = false;
    return comma;
}

/* text[0] is left free for the comma. */
static void put_value(eng_json_writer *w, char *text, size_t len)
{
    bool comma = comma_before_value(w);
    text[0] = ',';
    eng_buf_bytes(w->out, text + !comma, len - !comma);
}

void eng_json_open(eng_json_writer *w, char kind)
{
    assert(kind == '{' || kind == '[');
    assert(w->depth < 64);
    char text[2] = {0, kind};
    put_value(w, text, sizeof text);
    uint64_t bit = 1ull << w->depth++;
    w->objects = kind == '{' ? w->objects | bit : w->objects & ~bit;
    w->comma = false;
}

void eng_json_close(eng_json_writer *w, char kind)
{
    assert(w->depth > 0 && !w->named);
    assert(kind == (in_object(w) ? '}' : ']'));
    w->depth--;
    w->comma = true;
    eng_buf_byte(w->out, kind);
}

/* ---- Strings ---- */

/* What a quote, a backslash or a control character becomes. */
static void put_escape(eng_buf *out, char c)
{
    static const char hex[] = "0123456789abcdef", special[] = "\"\\\b\f\n\r\t";
    const char *known = c ? strchr(special, c) : NULL;
    if (known) {
        char text[2] = {'\\', "\"\\bfnrt"[known - special]};
        eng_buf_bytes(out, text, sizeof text);
    } else {
        char text[6] = {'\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15]};
        eng_buf_bytes(out, text, sizeof text);
    }
}

/* Valid text: runs that need no escape go out in one piece. */
static void put_runs(eng_buf *out, const char *p, const char *end)
{
    for (;;) {
        size_t run = eng_json_plain(p, end);
        eng_buf_bytes(out, p, run);
        p += run;
        if (p == end)
            return;
        put_escape(out, *p++);
    }
}

/* Bytes that are no UTF-8 become U+FFFD, each of them. */
static void put_repaired(eng_buf *out, eng_str v)
{
    while (v.len) {
        size_t valid = eng_utf8_valid(v);
        put_runs(out, v.ptr, v.ptr + valid);
        if (valid == v.len)
            return;
        eng_buf_str(out, ENG_STR("\xEF\xBF\xBD"));
        v = eng_str_sub(v, valid + 1, v.len);
    }
}

static void put_string(eng_buf *out, eng_str v)
{
    eng_buf_byte(out, '"');
    put_repaired(out, v);
    eng_buf_byte(out, '"');
}

void eng_json_string(eng_json_writer *w, eng_str v)
{
    if (comma_before_value(w))
        eng_buf_byte(w->out, ',');
    put_string(w->out, v);
}

void eng_json_name(eng_json_writer *w, eng_str key)
{
    assert(in_object(w) && !w->named);
    if (w->comma)
        eng_buf_byte(w->out, ',');
    put_string(w->out, key);
    eng_buf_byte(w->out, ':');
    w->named = true;
}

void eng_json_member(eng_json_writer *w, const char *key, eng_str value)
{
    eng_json_name(w, eng_str_of(key));
    eng_json_string(w, value);
}

void eng_json_raw(eng_json_writer *w, eng_str json)
{
    if (comma_before_value(w))
        eng_buf_byte(w->out, ',');
    eng_buf_str(w->out, json);
}

/* ---- Literals and numbers ---- */

void eng_json_null(eng_json_writer *w) { eng_json_raw(w, ENG_STR("null")); }

void eng_json_bool(eng_json_writer *w, bool v)
{
    eng_json_raw(w, v ? ENG_STR("true") : ENG_STR("false"));
}

/* A comma, a sign, twenty digits. */
enum { INTEGER_SIZE = 22 };

static void put_integer(eng_json_writer *w, bool negative, uint64_t v)
{
    char text[INTEGER_SIZE], *end = text + sizeof text, *p = end;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    if (negative)
        *--p = '-';
    put_value(w, p - 1, (size_t)(end - p) + 1);
}

void eng_json_uint(eng_json_writer *w, uint64_t v) { put_integer(w, false, v); }

void eng_json_int(eng_json_writer *w, int64_t v)
{
    put_integer(w, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static size_t print_double(double v, char out[32])
{
    if (isfinite(v))
        return eng_number_print(v, out);
    memcpy(out, "null", 4);
    return 4;
}

void eng_json_double(eng_json_writer *w, double v)
{
    char text[1 + 32];
    put_value(w, text, 1 + print_double(v, text + 1));
}

void eng_json_floats(eng_json_writer *w, const float *v, size_t count)
{
    /* Through a piece of the stack, because the buffer may not be asked for more than is used. */
    char text[4096];
    size_t len = 0;

    eng_json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            text[len++] = ',';
        if (isfinite(v[i])) {
            len += eng_number_print_float(v[i], text + len);
        } else {
            memcpy(text + len, "null", 4);
            len += 4;
        }
        if (len > sizeof text - 33) {
            eng_buf_bytes(w->out, text, len);
            len = 0;
        }
    }
    eng_buf_bytes(w->out, text, len);
    eng_json_close(w, ']');
}

/* ---- Trees ---- */

/* Recursion is bounded by ENG_JSON_DEPTH_MAX, which is why the writer's own levels are not used. */
static void copy_value(eng_buf *out, const eng_json *v)
{
    eng_json_writer scalar = eng_json_write_to(out);
    switch ((eng_json_type)v->type) {
    case ENG_JSON_NULL:
        eng_json_null(&scalar);
        break;
    case ENG_JSON_BOOL:
        eng_json_bool(&scalar, v->as.boolean);
        break;
    case ENG_JSON_INT:
        eng_json_int(&scalar, v->as.integer);
        break;
    case ENG_JSON_DOUBLE:
        eng_json_double(&scalar, v->as.number);
        break;
    case ENG_JSON_STRING:
        put_string(out, eng_json_text(v));
        break;
    case ENG_JSON_ARRAY:
        eng_buf_byte(out, '[');
        for (size_t i = 0; i < v->count; i++) {
            if (i)
                eng_buf_byte(out, ',');
            copy_value(out, &v->as.items[i]);
        }
        eng_buf_byte(out, ']');
        break;
    case ENG_JSON_OBJECT:
        eng_buf_byte(out, '{');
        for (size_t i = 0; i < v->count; i++) {
            if (i)
                eng_buf_byte(out, ',');
            put_string(out, eng_json_key(v, i));
            eng_buf_byte(out, ':');
            copy_value(out, &v->as.items[2 * i + 1]);
        }
        eng_buf_byte(out, '}');
        break;
    }
}

void eng_json_copy(eng_json_writer *w, const eng_json *v)
{
    if (comma_before_value(w))
        eng_buf_byte(w->out, ',');
    copy_value(w->out, v);
}
