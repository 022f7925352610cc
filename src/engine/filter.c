/*
 * Filters as people write them (JSON), and metadata as the index has it.
 *
 *     {"ano": 2026, "loja": {"in": ["sul", "norte"]}, "not": {"preco": {"gt": 100, "lte": 200}}}
 *
 * All members of an object hold at once. A string that is a date stands in the index both as it is
 * written and as the instant it means: so it equals itself, and is compared with dates as a date.
 */
#include "base/clock.h"
#include "base/error.h"
#include "engine/knowledge.h"

enum { CONDITIONS_MAX = 10000 };

typedef struct {
    eng_arena *arena;
    size_t conditions;
} reading;

static eng_status refuse(eng_error *err, const char *why)
{
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("filter"), "%s", why);
}

static bool date_of(eng_str text, int64_t *ms)
{
    char whole[] = "0000-00-00T00:00:00Z";
    if (text.len == 10) { /* a day begins at midnight, UTC */
        memcpy(whole, text.ptr, 10);
        text = eng_str_of(whole);
    }
    return text.len >= 20 && text.ptr[4] == '-' && eng_time_parse(text, ms);
}

/* False: a kind of value that nothing equals (null, a list, an object). */
static bool scalar_of(const eng_json *v, eng_value *out)
{
    switch (v->type) {
    case ENG_JSON_STRING:
        *out = (eng_value){.type = ENG_VALUE_STRING, .as.string = eng_json_text(v)};
        return true;
    case ENG_JSON_INT:
        *out = (eng_value){.type = ENG_VALUE_INTEGER, .as.integer = v->as.integer};
        return true;
    case ENG_JSON_DOUBLE:
        *out = (eng_value){.type = ENG_VALUE_NUMBER, .as.number = v->as.number};
        return true;
    case ENG_JSON_BOOL:
        *out = (eng_value){.type = ENG_VALUE_BOOL, .as.boolean = v->as.boolean};
        return true;
    default:
        return false;
    }
}

/* ---- Filters ---- */

static eng_status read_object(reading *r, const eng_json *object, unsigned depth, eng_filter *out,
                              eng_error *err);

static eng_filter *children(reading *r, size_t count, eng_error *err)
{
    r->conditions += count;
    eng_filter *f = r->conditions <= CONDITIONS_MAX
                        ? eng_arena_zalloc(r->arena, (count ? count : 1) * sizeof *f)
                        : NULL;
    if (!f)
        r->conditions > CONDITIONS_MAX ? refuse(err, "too many conditions") : eng_fail_nomem(err);
    return f;
}

/* {"and": [...]}, {"or": [...]} */
static eng_status read_list(reading *r, eng_filter_op op, const eng_json *list, unsigned depth,
                            eng_filter *out, eng_error *err)
{
    if (!eng_json_is(list, ENG_JSON_ARRAY))
        return refuse(err, "and, or: expected a list of conditions");
    size_t count = eng_json_count(list);
    eng_filter *f = children(r, count, err);
    if (!f)
        return err ? err->status : ENG_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        eng_status status = read_object(r, eng_json_at(list, i), depth + 1, &f[i], err);
        if (status < 0)
            return status;
    }
    *out = (eng_filter){.op = op, .children = f, .child_count = count};
    return ENG_OK;
}

static eng_status read_not(reading *r, const eng_json *v, unsigned depth, eng_filter *out,
                           eng_error *err)
{
    eng_filter *f = children(r, 1, err);
    if (!f)
        return err ? err->status : ENG_ENOMEM;
    *out = (eng_filter){.op = ENG_FILTER_NOT, .children = f, .child_count = 1};
    return read_object(r, v, depth + 1, f, err);
}

static eng_status read_in(reading *r, eng_str field, const eng_json *const *values, size_t count,
                          eng_filter *out, eng_error *err)
{
    eng_value *v = eng_arena_array(r->arena, count ? count : 1, sizeof *v);
    if (!v)
        return eng_fail_nomem(err);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += scalar_of(values[i], &v[n]);
    *out = (eng_filter){.op = ENG_FILTER_IN, .field = field, .values = v, .value_count = n};
    return ENG_OK;
}

static eng_status read_any(reading *r, eng_str field, const eng_json *list, eng_filter *out,
                           eng_error *err)
{
    if (!eng_json_is(list, ENG_JSON_ARRAY))
        return refuse(err, "in: expected a list");
    size_t count = eng_json_count(list);
    const eng_json **values = eng_arena_array(r->arena, count ? count : 1, sizeof *values);
    if (!values)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        values[i] = eng_json_at(list, i);
    return read_in(r, field, values, count, out, err);
}

static eng_status read_exists(reading *r, eng_str field, const eng_json *v, eng_filter *out,
                              eng_error *err)
{
    if (!eng_json_is(v, ENG_JSON_BOOL))
        return refuse(err, "exists: expected true or false");
    eng_filter there = {.op = ENG_FILTER_EXISTS, .field = field};
    if (v->as.boolean) {
        *out = there;
        return ENG_OK;
    }
    eng_filter *f = children(r, 1, err);
    if (!f)
        return err ? err->status : ENG_ENOMEM;
    *f = there;
    *out = (eng_filter){.op = ENG_FILTER_NOT, .children = f, .child_count = 1};
    return ENG_OK;
}

static eng_status read_order(reading *r, eng_filter_op op, eng_str field, const eng_json *v,
                             eng_filter *out, eng_error *err)
{
    eng_value *value = eng_arena_alloc(r->arena, sizeof *value);
    if (!value)
        return eng_fail_nomem(err);
    int64_t ms;
    if (!scalar_of(v, value))
        return refuse(err, "gt, gte, lt, lte: expected a number or a string");
    if (value->type == ENG_VALUE_STRING && date_of(value->as.string, &ms))
        *value = (eng_value){.type = ENG_VALUE_DATE, .as.integer = ms};
    *out = (eng_filter){.op = op, .field = field, .values = value, .value_count = 1};
    return ENG_OK;
}

static eng_status read_operator(reading *r, eng_str field, eng_str name, const eng_json *v,
                                eng_filter *out, eng_error *err)
{
    static const struct {
        const char *name;
        eng_filter_op op;
    } orders[] = {{"gt", ENG_FILTER_GT},
                  {"gte", ENG_FILTER_GTE},
                  {"lt", ENG_FILTER_LT},
                  {"lte", ENG_FILTER_LTE}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (eng_str_eq(name, eng_str_of(orders[i].name)))
            return read_order(r, orders[i].op, field, v, out, err);
    }
    if (eng_str_eq(name, ENG_STR("in")))
        return read_any(r, field, v, out, err);
    if (eng_str_eq(name, ENG_STR("exists")))
        return read_exists(r, field, v, out, err);
    return refuse(err, "unknown operator: expected in, gt, gte, lt, lte or exists");
}

/* "field": value, or "field": {operator: value, ...}. */
static eng_status read_field(reading *r, eng_str field, const eng_json *v, eng_filter *out,
                             eng_error *err)
{
    if (eng_json_is(v, ENG_JSON_ARRAY))
        return refuse(err, "expected a value or an object of operators, got a list");
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return read_in(r, field, &v, 1, out, err);
    size_t count = eng_json_count(v);
    if (!count)
        return refuse(err, "expected an operator, got an empty object");
    eng_filter *f = children(r, count, err);
    if (!f)
        return err ? err->status : ENG_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        eng_status status = read_operator(r, field, eng_json_key(v, i), eng_json_value(v, i), &f[i],
                                          err);
        if (status < 0)
            return status;
    }
    *out = (eng_filter){.op = ENG_FILTER_ALL, .children = f, .child_count = count};
    return ENG_OK;
}

static eng_status read_member(reading *r, eng_str key, const eng_json *v, unsigned depth,
                              eng_filter *out, eng_error *err)
{
    if (eng_str_eq(key, ENG_STR("and")))
        return read_list(r, ENG_FILTER_ALL, v, depth, out, err);
    if (eng_str_eq(key, ENG_STR("or")))
        return read_list(r, ENG_FILTER_ANY, v, depth, out, err);
    if (eng_str_eq(key, ENG_STR("not")))
        return read_not(r, v, depth, out, err);
    return read_field(r, key, v, out, err);
}

static eng_status read_object(reading *r, const eng_json *object, unsigned depth, eng_filter *out,
                              eng_error *err)
{
    if (!eng_json_is(object, ENG_JSON_OBJECT))
        return refuse(err, "expected an object");
    size_t count = eng_json_count(object);
    if (!count && depth > 0)
        return refuse(err, "expected a condition, got an empty object");
    /* Each object is two levels of the index, and the operators of a field two more. */
    if (depth * 2 + 4 > ENG_FILTER_DEPTH_MAX)
        return refuse(err, "nested too deeply");
    eng_filter *f = children(r, count, err);
    if (!f)
        return err ? err->status : ENG_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        eng_status status = read_member(r, eng_json_key(object, i), eng_json_value(object, i),
                                        depth, &f[i], err);
        if (status < 0)
            return status;
    }
    *out = (eng_filter){.op = ENG_FILTER_ALL, .children = f, .child_count = count};
    return ENG_OK;
}

eng_status eng_filter_read(eng_str json, eng_arena *arena, const eng_filter **out, eng_error *err)
{
    const eng_json *tree;
    eng_error why;
    eng_filter *f = eng_arena_zalloc(arena, sizeof *f);
    if (!f)
        return eng_fail_nomem(err);
    eng_status status = eng_json_read(json, NULL, arena, &tree, &why);
    if (status < 0)
        return status == ENG_ENOMEM ? eng_fail_nomem(err) : refuse(err, why.message);
    reading r = {.arena = arena};
    /* Its own error: what goes wrong is told by its status, also to who wants no message. */
    status = read_object(&r, tree, 0, f, &why);
    if (status < 0 && err)
        *err = why;
    if (status == ENG_OK)
        *out = f;
    return status;
}

/* ---- Metadata ---- */

typedef struct {
    eng_arena *arena;
    eng_index_field *fields;
    size_t count, cap;
    bool nomem;
} gathering;

static void add(gathering *g, eng_str name, eng_value value)
{
    if (g->count == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 16;
        eng_index_field *fields = eng_arena_array(g->arena, cap, sizeof *fields);
        if (!fields) {
            g->nomem = true;
            return;
        }
        if (g->count)
            memcpy(fields, g->fields, g->count * sizeof *fields);
        g->fields = fields;
        g->cap = cap;
    }
    g->fields[g->count++] = (eng_index_field){.name = name, .value = value};
}

static void add_scalar(gathering *g, eng_str name, const eng_json *v)
{
    eng_value value;
    int64_t ms;
    if (eng_json_is(v, ENG_JSON_NULL))
        return;
    if (!scalar_of(v, &value))
        value = (eng_value){.type = ENG_VALUE_OTHER};
    add(g, name, value);
    if (value.type == ENG_VALUE_STRING && date_of(value.as.string, &ms))
        add(g, name, (eng_value){.type = ENG_VALUE_DATE, .as.integer = ms});
}

/* Members of an object within are found as "outer.inner" too. */
static void add_members(gathering *g, eng_str prefix, const eng_json *object, unsigned depth)
{
    for (size_t i = 0; i < eng_json_count(object) && !g->nomem; i++) {
        eng_str name = eng_json_key(object, i);
        const eng_json *v = eng_json_value(object, i);
        if (prefix.len)
            name = eng_arena_format(g->arena, "%.*s.%.*s", ENG_FMT(prefix), ENG_FMT(name));
        g->nomem |= !name.ptr;
        if (eng_json_is(v, ENG_JSON_ARRAY) && eng_json_count(v)) {
            for (size_t k = 0; k < eng_json_count(v); k++)
                add_scalar(g, name, eng_json_at(v, k));
            continue;
        }
        add_scalar(g, name, v);
        if (eng_json_is(v, ENG_JSON_OBJECT) && depth < 8)
            add_members(g, name, v, depth + 1);
    }
}

eng_status eng_metadata_fields(eng_str json, eng_arena *arena, const eng_index_field **out,
                               size_t *count, eng_error *err)
{
    const eng_json *tree;
    gathering g = {.arena = arena};
    *out = NULL;
    *count = 0;
    if (!json.len)
        return ENG_OK;
    eng_status status = eng_json_read(json, NULL, arena, &tree, err);
    if (status < 0)
        return status;
    add_members(&g, ENG_STR(""), tree, 0);
    if (g.nomem)
        return eng_fail_nomem(err);
    *out = g.fields;
    *count = g.count;
    return ENG_OK;
}
