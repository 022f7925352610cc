/*
 * Values against fields. Every message says what was expected, in words made from the table, behind
 * the way to the value: "messages[2].role: expected one of system, user, assistant".
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "serve/parts.h"

#include <assert.h>
#include <inttypes.h>

enum { WORDS_MAX = 400 };

/* Where we are, innermost first; lives on the stack and is spelled out on failure only. */
typedef struct place place;
struct place {
    const place *within;
    const char *name; /* NULL: the index-th element of a list */
    size_t index;
};

unsigned eng_fields_count(const eng_field *fields)
{
    unsigned count = 0;
    while (fields && fields[count].name)
        count++;
    return count;
}

/* ---- Words ---------------------------------------------------------------------------------- */

/* " of 1 to 200 characters" and its likes; a maximum of 0 is none. */
static void put_size(const eng_field *f, const char *unit, eng_buf *out)
{
    if (f->max > 0 && f->min > 0)
        eng_buf_format(out, " of %" PRId64 " to %" PRId64 " %s", f->min, f->max, unit);
    else if (f->max > 0)
        eng_buf_format(out, " of at most %" PRId64 " %s", f->max, unit);
    else if (f->min > 0)
        eng_buf_format(out, " of at least %" PRId64 " %s", f->min, unit);
}

static void put_choices(const eng_field *f, eng_buf *out)
{
    eng_buf_str(out, ENG_STR("one of "));
    for (const char *c = f->choices; *c; c++)
        eng_buf_str(out, *c == '|' ? ENG_STR(", ") : (eng_str){c, 1});
}

static bool has_bounds(const eng_field *f) { return f->min != 0 || f->max != 0; }

/* What a field takes, in words: "a string of 1 to 200 characters". */
static void put_expected(const eng_field *f, eng_buf *out)
{
    switch (f->type) {
    case ENG_TEXT:
        eng_buf_str(out, ENG_STR("a string"));
        put_size(f, f->max == 1 || (f->max == 0 && f->min == 1) ? "character" : "characters", out);
        break;
    case ENG_INT:
        eng_buf_str(out, ENG_STR("a whole number"));
        if (has_bounds(f) && f->max >= f->min)
            eng_buf_format(out, " of %" PRId64 " to %" PRId64, f->min, f->max);
        else if (has_bounds(f))
            eng_buf_format(out, " of at least %" PRId64, f->min);
        break;
    case ENG_NUMBER:
        eng_buf_str(out, ENG_STR("a number"));
        if (f->least < f->most)
            eng_buf_format(out, " of %g to %g", f->least, f->most);
        break;
    case ENG_BOOL:
        eng_buf_str(out, ENG_STR("true or false"));
        break;
    case ENG_CHOICE:
        put_choices(f, out);
        break;
    case ENG_TIME:
        eng_buf_str(out, ENG_STR("a time such as 2026-11-24T14:03:07Z"));
        break;
    case ENG_OBJECT:
        eng_buf_str(out, ENG_STR("an object"));
        break;
    case ENG_LIST:
        eng_buf_str(out, ENG_STR("a list"));
        put_size(f, "entries", out);
        break;
    case ENG_ANY:
        eng_buf_str(out, ENG_STR("a value"));
        break;
    }
}

static void put_place(const place *at, eng_buf *out)
{
    if (at->within)
        put_place(at->within, out);
    if (!at->name)
        eng_buf_format(out, "[%zu]", at->index);
    else
        eng_buf_format(out, "%s%s", at->within ? "." : "", at->name);
}

/* The message for a value that is not what its field says. Memory that runs out while it is being
 * worded shortens it, as its limits do. */
static eng_status refuse(const eng_field *f, const place *at, eng_error *err)
{
    eng_buf where, what;
    eng_buf_init(&where, WORDS_MAX);
    eng_buf_init(&what, WORDS_MAX);
    put_place(at, &where);
    put_expected(f, &what);
    eng_str field = eng_buf_view(&where), words = eng_buf_view(&what);
    eng_fail_field(err, ENG_EINVALID, field, "expected %.*s", ENG_FMT(words));
    eng_buf_clear(&where);
    eng_buf_clear(&what);
    return ENG_EINVALID;
}

/* ---- Values --------------------------------------------------------------------------------- */

static bool is_choice(const char *choices, eng_str text)
{
    eng_str rest = eng_str_of(choices), one;
    while (eng_str_cut(rest, '|', &one, &rest))
        if (eng_str_eq(one, text))
            return true;
    return eng_str_eq(one, text);
}

static bool is_text(const eng_field *f, const eng_json *v)
{
    if (v->type != ENG_JSON_STRING)
        return false;
    if (!has_bounds(f))
        return true;
    /* Characters are at most bytes: counting is needed only where bytes alone do not decide. */
    uint64_t min = (uint64_t)f->min, max = f->max > 0 ? (uint64_t)f->max : UINT64_MAX;
    if (v->count < min)
        return false;
    if (min <= 1 && v->count <= max)
        return true;
    size_t count = eng_utf8_count(eng_json_text(v));
    return count >= min && count <= max;
}

static bool is_int(const eng_field *f, const eng_json *v)
{
    if (v->type != ENG_JSON_INT)
        return false;
    if (!has_bounds(f))
        return true;
    return v->as.integer >= f->min && (f->max < f->min || v->as.integer <= f->max);
}

static bool is_number(const eng_field *f, const eng_json *v)
{
    double n;
    return eng_json_number(v, &n) && (f->least >= f->most || (n >= f->least && n <= f->most));
}

static bool is_list(const eng_field *f, const eng_json *v)
{
    return v->type == ENG_JSON_ARRAY && v->count >= (uint64_t)f->min &&
           (f->max == 0 || v->count <= (uint64_t)f->max);
}

/* Without what it holds. */
static bool is_of_type(const eng_field *f, const eng_json *v)
{
    int64_t ms;
    switch (f->type) {
    case ENG_TEXT:
        return is_text(f, v);
    case ENG_INT:
        return is_int(f, v);
    case ENG_NUMBER:
        return is_number(f, v);
    case ENG_BOOL:
        return v->type == ENG_JSON_BOOL;
    case ENG_CHOICE:
        return v->type == ENG_JSON_STRING && is_choice(f->choices, eng_json_text(v));
    case ENG_TIME:
        return v->type == ENG_JSON_STRING && eng_time_parse(eng_json_text(v), &ms);
    case ENG_OBJECT:
        return v->type == ENG_JSON_OBJECT;
    case ENG_LIST:
        return is_list(f, v);
    case ENG_ANY:
        return true;
    }
    return false;
}

static eng_status check_fields(const eng_field *fields, const eng_json *object, const place *within,
                               const eng_json **values, eng_error *err);

static eng_status check(const eng_field *f, const eng_json *v, const place *at, eng_error *err)
{
    if (!is_of_type(f, v))
        return refuse(f, at, err);
    if (f->type == ENG_OBJECT && f->of)
        return check_fields(f->of, v, at, NULL, err);
    if (f->type != ENG_LIST || f->items == ENG_ANY)
        return ENG_OK;
    const eng_field item = {.type = f->items, .of = f->of, .choices = f->choices};
    for (size_t i = 0; i < v->count; i++) {
        place here = {.within = at, .index = i};
        eng_status status = check(&item, eng_json_at(v, i), &here, err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

static eng_status check_fields(const eng_field *fields, const eng_json *object, const place *within,
                               const eng_json **values, eng_error *err)
{
    for (size_t i = 0; fields[i].name; i++) {
        const eng_field *f = &fields[i];
        const eng_json *v = eng_json_get(object, eng_str_of(f->name));
        place at = {.within = within, .name = f->name};
        if (!v && f->required)
            return refuse(f, &at, err);
        if (v && v->type == ENG_JSON_NULL && f->nullable)
            v = NULL;
        eng_status status = v ? check(f, v, &at, err) : ENG_OK;
        if (status < 0)
            return status;
        if (values)
            values[i] = v;
    }
    return ENG_OK;
}

eng_status eng_validate_object(const eng_field *fields, const eng_json *object,
                               const eng_json **values, eng_error *err)
{
    assert(eng_json_is(object, ENG_JSON_OBJECT));
    return check_fields(fields, object, NULL, values, err);
}

eng_status eng_validate_missing(const eng_field *field, eng_error *err)
{
    place at = {.name = field->name};
    return refuse(field, &at, err);
}

/* ---- Text ----------------------------------------------------------------------------------- */

/* What the text says, read as the field's type would be written; *out stays NULL where it is no
 * such thing. */
static eng_status read_text(const eng_field *f, eng_str text, eng_arena *arena,
                            const eng_json **out, eng_error *err)
{
    bool as_json = f->type != ENG_TEXT && f->type != ENG_CHOICE && f->type != ENG_TIME;
    if (as_json) {
        eng_status status = eng_json_read(text, NULL, arena, out, err);
        return status == ENG_ENOMEM ? status : ENG_OK;
    }
    eng_json *v = eng_arena_zalloc(arena, sizeof *v);
    eng_str copy = eng_arena_copy(arena, text);
    if (!v || !copy.ptr)
        return eng_fail_nomem(err);
    v->type = ENG_JSON_STRING;
    v->count = (uint32_t)copy.len;
    v->as.text = copy.ptr;
    *out = v;
    return ENG_OK;
}

eng_status eng_validate_text(const eng_field *f, eng_str text, eng_arena *arena,
                             const eng_json **out, eng_error *err)
{
    const eng_json *v = NULL;
    place at = {.name = f->name};
    eng_status status = text.len < UINT32_MAX ? read_text(f, text, arena, &v, err) : ENG_OK;
    if (status < 0)
        return status;
    if (!v)
        return refuse(f, &at, err);
    status = check(f, v, &at, err);
    if (status == ENG_OK)
        *out = v;
    return status;
}
