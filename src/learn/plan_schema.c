/* Fields, classes and descriptions of a plan, as JSON: what people and other programs may want to read. */
#include "learn/plan_internal.h"

#include "json/json.h"

#include <math.h>

/* ---- Writing ---- */

static void put_field(eng_json_writer *w, const eng_plan_field *f)
{
    eng_json_open(w, '{');
    eng_json_member(w, "name", f->name);
    eng_json_member(w, "type", f->type == ENG_PLAN_TEXT ? ENG_STR("text") : ENG_STR("number"));
    eng_json_name(w, ENG_STR("integer"));
    eng_json_bool(w, f->integer);
    eng_json_name(w, ENG_STR("missing"));
    eng_json_bool(w, f->missing);
    eng_json_name(w, ENG_STR("unknown"));
    eng_json_bool(w, f->unknown);
    if (f->categories) {
        eng_json_name(w, ENG_STR("categories"));
        eng_json_open(w, '[');
        for (size_t i = 0; i < f->category_count; i++)
            eng_json_string(w, f->categories[i]);
        eng_json_close(w, ']');
    }
    if (f->ranged && isfinite(f->low) && isfinite(f->high)) {
        eng_json_name(w, ENG_STR("low"));
        eng_json_double(w, f->low);
        eng_json_name(w, ENG_STR("high"));
        eng_json_double(w, f->high);
    }
    eng_json_close(w, '}');
}

static void put_label(eng_json_writer *w, const eng_plan_label *l)
{
    if (l->type == ENG_PLAN_LABEL_TEXT)
        eng_json_string(w, l->text);
    else if (l->type == ENG_PLAN_LABEL_BOOL)
        eng_json_bool(w, l->number != 0);
    else if (l->type == ENG_PLAN_LABEL_INT && fabs(l->number) <= 9007199254740992.0)
        eng_json_int(w, (int64_t)l->number);
    else
        eng_json_double(w, l->number);
}

eng_status eng_plan_print_schema(const eng_plan_builder *b, eng_buf *out, eng_error *err)
{
    const eng_plan_field *fields = (const eng_plan_field *)(const void *)b->fields.data;
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "format", b->result.format);
    eng_json_member(&w, "about", b->result.about);
    eng_json_name(&w, ENG_STR("fields"));
    eng_json_open(&w, '[');
    for (size_t i = 0; i < b->inputs; i++)
        put_field(&w, &fields[i]);
    eng_json_close(&w, ']');
    eng_json_name(&w, ENG_STR("classes"));
    eng_json_open(&w, '[');
    for (size_t i = 0; i < b->result.class_count; i++)
        put_label(&w, &b->result.classes[i]);
    eng_json_close(&w, ']');
    if (b->result.class_ends) {
        eng_json_name(&w, ENG_STR("ends"));
        eng_json_open(&w, '[');
        for (size_t i = 0; i < b->result.count; i++)
            eng_json_uint(&w, b->result.class_ends[i]);
        eng_json_close(&w, ']');
    }
    eng_json_close(&w, '}');
    return eng_buf_check(out, "the fields of a model", err);
}

/* ---- Reading ---- */

static eng_status damaged(eng_error *err, const char *what)
{
    return eng_fail(err, ENG_ECORRUPT, "a model's %s", what);
}

static bool flag(const eng_json *v, eng_str name)
{
    const eng_json *f = eng_json_get(v, name);
    return eng_json_is(f, ENG_JSON_BOOL) && f->as.boolean;
}

static eng_status read_categories(eng_plan *p, const eng_json *v, eng_plan_field *f, eng_error *err)
{
    if (!v)
        return ENG_OK;
    if (!eng_json_is(v, ENG_JSON_ARRAY))
        return damaged(err, "categories are no list");
    eng_str *to = eng_arena_array(&p->arena, eng_json_count(v), sizeof *to);
    if (!to)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < eng_json_count(v); i++)
        to[i] = eng_json_text(eng_json_at(v, i));
    f->categories = to;
    f->category_count = eng_json_count(v);
    return ENG_OK;
}

static eng_status read_field(eng_plan *p, const eng_json *v, eng_plan_field *f, eng_error *err)
{
    eng_str type = eng_json_text(eng_json_get(v, ENG_STR("type")));
    if (!eng_json_is(eng_json_get(v, ENG_STR("name")), ENG_JSON_STRING))
        return damaged(err, "field has no name");
    f->name = eng_json_text(eng_json_get(v, ENG_STR("name")));
    f->type = eng_str_eq(type, ENG_STR("text")) ? ENG_PLAN_TEXT : ENG_PLAN_NUMBER;
    f->integer = flag(v, ENG_STR("integer"));
    f->missing = flag(v, ENG_STR("missing"));
    f->unknown = flag(v, ENG_STR("unknown"));
    f->ranged = eng_json_number(eng_json_get(v, ENG_STR("low")), &f->low) &&
                eng_json_number(eng_json_get(v, ENG_STR("high")), &f->high);
    return read_categories(p, eng_json_get(v, ENG_STR("categories")), f, err);
}

static bool read_label(const eng_json *v, eng_plan_label *l)
{
    *l = (eng_plan_label){.text = eng_json_text(v)};
    if (eng_json_is(v, ENG_JSON_STRING)) {
        l->type = ENG_PLAN_LABEL_TEXT;
    } else if (eng_json_is(v, ENG_JSON_BOOL)) {
        l->type = ENG_PLAN_LABEL_BOOL;
        l->number = v->as.boolean;
    } else {
        l->type = eng_json_is(v, ENG_JSON_INT) ? ENG_PLAN_LABEL_INT : ENG_PLAN_LABEL_DOUBLE;
        return eng_json_number(v, &l->number);
    }
    return true;
}

static eng_status read_classes(eng_plan *p, const eng_json *v, eng_error *err)
{
    size_t n = eng_json_count(v);
    if (!eng_json_is(v, ENG_JSON_ARRAY) || n != p->head->class_count)
        return damaged(err, "classes are not as many as it says");
    eng_plan_label *to = eng_arena_array(&p->arena, n, sizeof *to);
    if (!to)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < n; i++)
        if (!read_label(eng_json_at(v, i), &to[i]))
            return damaged(err, "class is neither a text nor a number");
    p->about.classes = to;
    p->about.class_count = n;
    return ENG_OK;
}

static eng_status read_ends(eng_plan *p, const eng_json *v, eng_error *err)
{
    size_t n = p->head->count, last = 0;
    if (p->head->task != ENG_PLAN_CLASSIFICATION || n == 1)
        return v ? damaged(err, "outputs are none of classes") : ENG_OK;
    size_t *to = eng_arena_array(&p->arena, n, sizeof *to);
    if (!to)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < n; i++) {
        double end = 0;
        if (!eng_json_number(eng_json_at(v, i), &end) || !(end > (double)last) ||
            end > (double)p->head->class_count)
            return damaged(err, "outputs have classes that are not there");
        to[i] = last = (size_t)end;
    }
    p->about.class_ends = to;
    return last == p->head->class_count ? ENG_OK : damaged(err, "outputs leave classes over");
}

eng_status eng_plan_read_schema(eng_plan *p, eng_str text, eng_error *err)
{
    const eng_json *root;
    eng_status status = eng_json_read(text, NULL, &p->arena, &root, err);
    if (status < 0)
        return status;
    const eng_json *fields = eng_json_get(root, ENG_STR("fields"));
    if (!eng_json_is(fields, ENG_JSON_ARRAY) || eng_json_count(fields) != p->head->inputs)
        return damaged(err, "fields are not as many as it says");
    p->fields = eng_arena_zalloc(&p->arena, p->head->inputs * sizeof *p->fields + 1);
    if (!p->fields)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < p->head->inputs && status == ENG_OK; i++)
        status = read_field(p, eng_json_at(fields, i), &p->fields[i], err);
    if (status == ENG_OK)
        status = read_classes(p, eng_json_get(root, ENG_STR("classes")), err);
    if (status == ENG_OK)
        status = read_ends(p, eng_json_get(root, ENG_STR("ends")), err);
    p->about.format = eng_json_text(eng_json_get(root, ENG_STR("format")));
    p->about.about = eng_json_text(eng_json_get(root, ENG_STR("about")));
    return status;
}
