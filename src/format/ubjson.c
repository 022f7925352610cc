/*
 * Values of a list or an object gather on a stack until their number is known; then they are copied into
 * the arena. Numbers of a list gather as doubles for as long as nothing else comes.
 */
#include "format/ubjson.h"

#include "base/buf.h"
#include "base/error.h"
#include "json/json.h"

#include <math.h>

enum { DEPTH = 64 };
static const size_t STACK_MAX = (size_t)8 << 30;

typedef struct {
    const unsigned char *data;
    size_t len;
    size_t at;
    unsigned depth;
    bool json;
    eng_arena *arena;
    eng_buf values;  /* eng_ubj of lists that are open */
    eng_buf keys;    /* eng_str */
    eng_buf numbers; /* double */
    eng_error *err;
} reader;

static eng_status read_value(reader *r, eng_ubj *out);

static eng_status malformed(reader *r, const char *why)
{
    return eng_fail_at(r->err, ENG_EMALFORMED, r->at, "%s at byte %zu", why, r->at);
}

static eng_status ends(reader *r)
{
    return eng_fail_at(r->err, ENG_ETRUNCATED, r->at, "the model ends too early, at byte %zu",
                       r->at);
}

static eng_status no_memory(reader *r)
{
    return eng_fail(r->err, ENG_ENOMEM, "a model: out of memory");
}

/* What lies on a stack from `from` on, into the arena. */
static void *settle(reader *r, eng_buf *stack, size_t from)
{
    size_t size = stack->len - from;
    void *to = stack->failed ? NULL : eng_arena_alloc(r->arena, size);
    if (to && size)
        memcpy(to, stack->data + from, size);
    if (to)
        stack->len = from;
    return to;
}

/* ---- Lists and objects of both ---- */

typedef struct {
    size_t values, keys, numbers; /* where the stacks stood */
    size_t count;
    bool plain; /* numbers alone so far */
} gathering;

static gathering begin(const reader *r)
{
    return (gathering){r->values.len, r->keys.len, r->numbers.len, 0, true};
}

static void spill(reader *r, gathering *g)
{
    const double *n = (const double *)(const void *)(r->numbers.data + g->numbers);
    for (size_t i = 0; i < g->count; i++) {
        eng_ubj v = {.type = ENG_UBJ_NUMBER, .number = n[i]};
        eng_buf_bytes(&r->values, &v, sizeof v);
    }
    r->numbers.len = g->numbers;
    g->plain = false;
}

static void add(reader *r, gathering *g, const eng_ubj *v)
{
    if (g->plain && v->type != ENG_UBJ_NUMBER && g->count)
        spill(r, g);
    if (v->type != ENG_UBJ_NUMBER)
        g->plain = false;
    if (g->plain)
        eng_buf_bytes(&r->numbers, &v->number, sizeof v->number);
    else
        eng_buf_bytes(&r->values, v, sizeof *v);
    g->count++;
}

static eng_status end_list(reader *r, gathering *g, eng_ubj *out)
{
    *out = (eng_ubj){.type = g->plain ? ENG_UBJ_NUMBERS : ENG_UBJ_LIST, .count = g->count};
    if (g->plain)
        out->numbers = settle(r, &r->numbers, g->numbers);
    else
        out->items = settle(r, &r->values, g->values);
    return out->numbers || out->items ? ENG_OK : no_memory(r);
}

static eng_status end_object(reader *r, gathering *g, eng_ubj *out)
{
    *out = (eng_ubj){.type = ENG_UBJ_OBJECT, .count = g->count};
    out->items = settle(r, &r->values, g->values);
    out->keys = settle(r, &r->keys, g->keys);
    return out->items && out->keys ? ENG_OK : no_memory(r);
}

/* ---- UBJSON ---- */

static bool take(reader *r, size_t n, const unsigned char **out)
{
    if (n > r->len - r->at)
        return false;
    *out = r->data + r->at;
    r->at += n;
    return true;
}

static size_t width_of(unsigned char type)
{
    switch (type) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

/* Numbers are big-endian. */
static double number_at(const unsigned char *p, unsigned char type)
{
    uint64_t bits = 0;
    float f;
    double d;
    for (size_t i = 0; i < width_of(type); i++)
        bits = bits << 8 | p[i];
    uint32_t half = (uint32_t)bits;
    switch (type) {
    case 'i':
        return (int8_t)bits;
    case 'U':
        return (double)bits;
    case 'I':
        return (int16_t)bits;
    case 'l':
        return (int32_t)bits;
    case 'L':
        return (double)(int64_t)bits;
    case 'd':
        memcpy(&f, &half, sizeof f);
        return (double)f;
    default:
        memcpy(&d, &bits, sizeof d);
        return d;
    }
}

static eng_status read_number(reader *r, unsigned char type, double *out)
{
    const unsigned char *p;
    if (!width_of(type))
        return malformed(r, "expected a number");
    if (!take(r, width_of(type), &p))
        return ends(r);
    *out = number_at(p, type);
    return ENG_OK;
}

static eng_status read_byte(reader *r, unsigned char *out)
{
    const unsigned char *p;
    if (!take(r, 1, &p))
        return ends(r);
    *out = *p;
    return ENG_OK;
}

static eng_status read_size(reader *r, size_t *out)
{
    unsigned char type = 0;
    double n = 0;
    eng_status status = read_byte(r, &type);
    if (status == ENG_OK)
        status = read_number(r, type, &n);
    if (status == ENG_OK && (!(n >= 0) || n > 9e15 || type == 'd' || type == 'D'))
        return malformed(r, "expected a size");
    *out = (size_t)n;
    return status;
}

static eng_status read_text(reader *r, eng_str *out)
{
    size_t n = 0;
    const unsigned char *p;
    eng_status status = read_size(r, &n);
    if (status < 0)
        return status;
    if (!take(r, n, &p))
        return ends(r);
    *out = (eng_str){(const char *)p, n};
    return ENG_OK;
}

static bool next_is(reader *r, unsigned char c)
{
    if (r->at >= r->len || r->data[r->at] != c)
        return false;
    r->at++;
    return true;
}

/* [$d#L n  and the numbers, one after the other. */
static eng_status read_typed(reader *r, unsigned char type, eng_ubj *out)
{
    size_t n = 0, width = width_of(type);
    const unsigned char *p = NULL;
    if (!width)
        return malformed(r, "a list of what is no number");
    if (!next_is(r, '#'))
        return malformed(r, "expected '#'");
    eng_status status = read_size(r, &n);
    if (status < 0)
        return status;
    if (n > (r->len - r->at) / width)
        return ends(r);
    double *to = eng_arena_array(r->arena, n, sizeof *to);
    if (!to)
        return no_memory(r);
    if (!take(r, n * width, &p))
        return ends(r);
    for (size_t i = 0; i < n; i++)
        to[i] = number_at(p + i * width, type);
    *out = (eng_ubj){.type = ENG_UBJ_NUMBERS, .count = n, .numbers = to};
    return ENG_OK;
}

static eng_status read_list(reader *r, eng_ubj *out)
{
    size_t left = SIZE_MAX;
    unsigned char type = 0;
    eng_status status = ENG_OK;
    if (next_is(r, '$')) {
        status = read_byte(r, &type);
        return status == ENG_OK ? read_typed(r, type, out) : status;
    }
    bool counted = next_is(r, '#');
    if (counted)
        status = read_size(r, &left);
    gathering g = begin(r);
    for (; status == ENG_OK && left > 0 && (counted || !next_is(r, ']')); left--) {
        eng_ubj v;
        status = read_value(r, &v);
        if (status == ENG_OK)
            add(r, &g, &v);
    }
    return status == ENG_OK ? end_list(r, &g, out) : status;
}

static eng_status read_object(reader *r, eng_ubj *out)
{
    size_t left = SIZE_MAX;
    eng_status status = ENG_OK;
    bool counted = next_is(r, '#');
    if (counted)
        status = read_size(r, &left);
    gathering g = begin(r);
    g.plain = false;
    for (; status == ENG_OK && left > 0 && (counted || !next_is(r, '}')); left--) {
        eng_ubj v;
        eng_str key;
        status = read_text(r, &key);
        if (status == ENG_OK)
            status = read_value(r, &v);
        if (status == ENG_OK) {
            eng_buf_bytes(&r->keys, &key, sizeof key);
            add(r, &g, &v);
        }
    }
    return status == ENG_OK ? end_object(r, &g, out) : status;
}

static eng_status read_ubjson(reader *r, eng_ubj *out)
{
    unsigned char type = 0;
    eng_status status = read_byte(r, &type);
    if (status < 0)
        return status;
    *out = (eng_ubj){.type = ENG_UBJ_NUMBER, .number = type == 'T'};
    switch (type) {
    case 'Z':
        out->type = ENG_UBJ_NULL;
        return ENG_OK;
    case 'T':
    case 'F':
        return ENG_OK;
    case 'S':
        out->type = ENG_UBJ_TEXT;
        return read_text(r, &out->text);
    case '[':
        return read_list(r, out);
    case '{':
        return read_object(r, out);
    default:
        return read_number(r, type, &out->number);
    }
}

/* ---- JSON ---- */

static void skip_blanks(reader *r)
{
    while (r->at < r->len && memchr(" \t\r\n", r->data[r->at], 4))
        r->at++;
}

static bool next_word(reader *r, eng_str word)
{
    if (r->len - r->at < word.len || memcmp(r->data + r->at, word.ptr, word.len) != 0)
        return false;
    r->at += word.len;
    return true;
}

/* Escapes are read by the strict reader: this one only finds the end. */
static eng_status read_quoted(reader *r, eng_str *out)
{
    const eng_json *v;
    size_t from = r->at;
    bool escaped = false;
    skip_blanks(r);
    if (!next_is(r, '"'))
        return malformed(r, "expected a string");
    from = r->at;
    for (; r->at < r->len && r->data[r->at] != '"'; r->at++)
        if (r->data[r->at] == '\\') {
            escaped = true;
            r->at++;
        }
    if (r->at >= r->len)
        return ends(r);
    *out = (eng_str){(const char *)r->data + from, r->at++ - from};
    if (!escaped)
        return ENG_OK;
    eng_str quoted = {out->ptr - 1, out->len + 2};
    eng_status status = eng_json_read(quoted, NULL, r->arena, &v, r->err);
    if (status == ENG_OK)
        *out = eng_json_text(v);
    return status;
}

static eng_status read_json_number(reader *r, double *out)
{
    size_t from = r->at;
    bool minus = next_is(r, '-');
    if (next_word(r, ENG_STR("NaN")) || next_word(r, ENG_STR("nan"))) {
        *out = NAN;
        return ENG_OK;
    }
    if (next_word(r, ENG_STR("Infinity")) || next_word(r, ENG_STR("inf"))) {
        *out = minus ? -INFINITY : INFINITY;
        return ENG_OK;
    }
    while (r->at < r->len && r->data[r->at] && strchr("0123456789+-.eE", r->data[r->at]))
        r->at++;
    if (eng_number_read((eng_str){(const char *)r->data + from, r->at - from}, out))
        return ENG_OK;
    r->at = from;
    return malformed(r, "expected a value");
}

static eng_status read_json_items(reader *r, bool object, eng_ubj *out)
{
    gathering g = begin(r);
    unsigned char close = object ? '}' : ']';
    eng_status status = ENG_OK;
    g.plain = !object;
    skip_blanks(r);
    for (bool more = !next_is(r, close); more && status == ENG_OK;) {
        eng_ubj v;
        eng_str key;
        if (object) {
            status = read_quoted(r, &key);
            skip_blanks(r);
            if (status == ENG_OK && !next_is(r, ':'))
                status = malformed(r, "expected ':'");
            if (status == ENG_OK)
                eng_buf_bytes(&r->keys, &key, sizeof key);
        }
        if (status == ENG_OK)
            status = read_value(r, &v);
        if (status < 0)
            break;
        add(r, &g, &v);
        skip_blanks(r);
        more = next_is(r, ',');
        if (!more && !next_is(r, close))
            status = r->at < r->len ? malformed(r, "expected ','") : ends(r);
    }
    if (status < 0)
        return status;
    return object ? end_object(r, &g, out) : end_list(r, &g, out);
}

static eng_status read_json(reader *r, eng_ubj *out)
{
    skip_blanks(r);
    *out = (eng_ubj){.type = ENG_UBJ_NUMBER};
    if (r->at >= r->len)
        return ends(r);
    switch (r->data[r->at]) {
    case '"':
        out->type = ENG_UBJ_TEXT;
        return read_quoted(r, &out->text);
    case '[':
    case '{':
        r->at++;
        return read_json_items(r, r->data[r->at - 1] == '{', out);
    default:
        break;
    }
    if (next_word(r, ENG_STR("null"))) {
        out->type = ENG_UBJ_NULL;
        return ENG_OK;
    }
    if (next_word(r, ENG_STR("true")) || next_word(r, ENG_STR("false"))) {
        out->number = r->data[r->at - 2] == 'u';
        return ENG_OK;
    }
    return read_json_number(r, &out->number);
}

/* ---- Both ---- */

static eng_status read_value(reader *r, eng_ubj *out)
{
    if (++r->depth > DEPTH)
        return malformed(r, "nested too deep");
    eng_status status = r->json ? read_json(r, out) : read_ubjson(r, out);
    r->depth--;
    return status;
}

static eng_status read_all(eng_str bytes, bool json, eng_arena *arena, const eng_ubj **out,
                           eng_error *err)
{
    reader r = {.data = (const unsigned char *)bytes.ptr,
                .len = bytes.len,
                .json = json,
                .arena = arena,
                .err = err};
    eng_ubj root;
    eng_buf_init(&r.values, STACK_MAX);
    eng_buf_init(&r.keys, STACK_MAX);
    eng_buf_init(&r.numbers, STACK_MAX);
    eng_status status = read_value(&r, &root);
    eng_ubj *kept = status == ENG_OK ? eng_arena_alloc(arena, sizeof *kept) : NULL;
    if (status == ENG_OK && !kept)
        status = no_memory(&r);
    if (status == ENG_OK) {
        *kept = root;
        *out = kept;
    }
    eng_buf_clear(&r.values);
    eng_buf_clear(&r.keys);
    eng_buf_clear(&r.numbers);
    return status;
}

eng_status eng_ubjson_read(eng_str bytes, eng_arena *arena, const eng_ubj **out, eng_error *err)
{
    return read_all(bytes, false, arena, out, err);
}

eng_status eng_loose_json_read(eng_str text, eng_arena *arena, const eng_ubj **out, eng_error *err)
{
    return read_all(text, true, arena, out, err);
}

/* ---- Looking at values ---- */

const eng_ubj *eng_ubj_get(const eng_ubj *v, const char *key)
{
    if (!v || v->type != ENG_UBJ_OBJECT)
        return NULL;
    for (size_t i = 0; i < v->count; i++)
        if (eng_str_eq(v->keys[i], eng_str_of(key)))
            return &v->items[i];
    return NULL;
}

bool eng_ubj_number(const eng_ubj *v, double *out)
{
    if (!v || v->type == ENG_UBJ_NULL)
        return false;
    if (v->type == ENG_UBJ_TEXT)
        return eng_number_read(v->text, out);
    if (v->type != ENG_UBJ_NUMBER)
        return false;
    *out = v->number;
    return true;
}

eng_str eng_ubj_text(const eng_ubj *v)
{
    return v && v->type == ENG_UBJ_TEXT ? v->text : (eng_str){"", 0};
}
