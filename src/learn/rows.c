/* Rows in memory: see learn.h. */
#include "base/error.h"
#include "base/map.h"
#include "learn/text_internal.h"

#include <assert.h>
#include <math.h>

/* Names of classes and of groups to their numbers, as pointers from 1 on. */
typedef struct eng_text_names {
    eng_map classes;
    eng_map groups;
} eng_text_names;

static void *as_pointer(size_t n) { return (void *)(uintptr_t)(n + 1); }
static uint32_t as_number(const void *p) { return (uint32_t)((uintptr_t)p - 1); }

eng_status eng_text_rows_new(const eng_text_columns *columns, eng_text_rows **out, eng_error *err)
{
    eng_text_rows *r = eng_zalloc(sizeof *r);
    assert(columns->text_count <= ENG_TEXT_FIELDS && columns->number_count <= ENG_TEXT_NUMBERS);
    if (!r)
        return eng_fail_nomem(err);
    eng_arena_init(&r->arena, 1 << 16, NULL);
    r->names = eng_zalloc(sizeof *r->names);
    if (!r->names)
        goto no_memory;
    eng_map_init(&r->names->classes);
    eng_map_init(&r->names->groups);
    r->columns = *columns;
    eng_str *copied[ENG_TEXT_FIELDS + ENG_TEXT_NUMBERS + 2], **at = copied;
    for (size_t i = 0; i < columns->text_count; i++)
        *at++ = &r->columns.texts[i];
    for (size_t i = 0; i < columns->number_count; i++)
        *at++ = &r->columns.numbers[i];
    *at++ = &r->columns.label;
    *at++ = &r->columns.group;
    for (eng_str **p = copied; p < at; p++) {
        **p = eng_arena_copy(&r->arena, **p);
        if (!(*p)->ptr)
            goto no_memory;
    }
    *out = r;
    return ENG_OK;
no_memory:
    eng_text_rows_free(r);
    return eng_fail_nomem(err);
}

void eng_text_rows_free(eng_text_rows *r)
{
    if (!r)
        return;
    if (r->names) {
        eng_map_clear(&r->names->classes);
        eng_map_clear(&r->names->groups);
    }
    eng_free(r->names);
    eng_free(r->texts);
    eng_free(r->numbers);
    eng_free(r->labels);
    eng_free(r->groups);
    eng_free(r->classes);
    eng_arena_clear(&r->arena);
    eng_free(r);
}

/* ---- Adding ---- */

static bool grow_array(void **array, size_t cap, size_t items, size_t size)
{
    void *grown = eng_realloc(*array, cap * items * size);
    if (grown)
        *array = grown;
    return grown != NULL;
}

static eng_status grow(eng_text_rows *r, eng_error *err)
{
    size_t cap = r->cap ? r->cap * 2 : 256;
    if (r->count == ENG_TEXT_ROWS)
        return eng_fail(err, ENG_ETOOBIG, "over %d rows", ENG_TEXT_ROWS);
    bool grown = grow_array((void **)&r->texts, cap, r->columns.text_count, sizeof *r->texts) &&
                 grow_array((void **)&r->numbers, cap, r->columns.number_count,
                            sizeof *r->numbers) &&
                 grow_array((void **)&r->labels, cap, 1, sizeof *r->labels) &&
                 grow_array((void **)&r->groups, cap, 1, sizeof *r->groups);
    if (!grown)
        return eng_fail_nomem(err);
    r->cap = cap;
    return ENG_OK;
}

static eng_status class_of(eng_text_rows *r, eng_str name, uint32_t *out, eng_error *err)
{
    void *there = eng_map_get(&r->names->classes, name);
    if (there) {
        *out = as_number(there);
        return ENG_OK;
    }
    if (name.len > ENG_TEXT_NAME)
        return eng_fail(err, ENG_EINVALID, "a category of over %d bytes", ENG_TEXT_NAME);
    if (r->class_count == ENG_TEXT_CATEGORIES)
        return eng_fail(err, ENG_ETOOBIG, "over %d categories: is '%.*s' the column of categories?",
                        ENG_TEXT_CATEGORIES, ENG_FMT(r->columns.label));
    if (r->class_count == r->class_cap) {
        size_t cap = r->class_cap ? r->class_cap * 2 : 32;
        if (!grow_array((void **)&r->classes, cap, 1, sizeof *r->classes))
            return eng_fail_nomem(err);
        r->class_cap = cap;
    }
    eng_text_class *c = &r->classes[r->class_count];
    *c = (eng_text_class){.name = eng_arena_copy(&r->arena, name)};
    if (!c->name.ptr)
        return eng_fail_nomem(err);
    eng_status status = eng_map_put(&r->names->classes, c->name, as_pointer(r->class_count), NULL,
                                    err);
    if (status == ENG_OK)
        *out = (uint32_t)r->class_count++;
    return status;
}

/* Without a name each row is a group of its own. */
static eng_status group_of(eng_text_rows *r, eng_str name, uint32_t *out, eng_error *err)
{
    void *there = name.len ? eng_map_get(&r->names->groups, name) : NULL;
    eng_status status = ENG_OK;
    if (there) {
        *out = as_number(there);
        return ENG_OK;
    }
    if (name.len) {
        name = eng_arena_copy(&r->arena, name);
        if (!name.ptr)
            return eng_fail_nomem(err);
        status = eng_map_put(&r->names->groups, name, as_pointer(r->group_count), NULL, err);
    }
    if (status == ENG_OK)
        *out = (uint32_t)r->group_count++;
    return status;
}

eng_status eng_text_rows_add(eng_text_rows *r, const eng_text_row *row, eng_error *err)
{
    const size_t texts = r->columns.text_count, numbers = r->columns.number_count;
    eng_str label = eng_str_trim(row->label);
    bool any = false;
    for (size_t i = 0; i < texts; i++)
        any = any || eng_str_trim(row->texts[i]).len;
    if (!label.len || !any)
        return eng_fail(err, ENG_EINVALID, any ? "a row without a category" : "a row without text");
    eng_status status = r->count == r->cap ? grow(r, err) : ENG_OK;
    if (status == ENG_OK)
        status = class_of(r, label, &r->labels[r->count], err);
    if (status == ENG_OK)
        status = group_of(r, eng_str_trim(row->group), &r->groups[r->count], err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < texts; i++) {
        eng_str *to = &r->texts[r->count * texts + i];
        *to = eng_arena_copy(&r->arena, eng_str_trim(row->texts[i]));
        if (!to->ptr)
            return eng_fail_nomem(err);
    }
    for (size_t i = 0; i < numbers; i++)
        r->numbers[r->count * numbers + i] = row->numbers ? (float)row->numbers[i] : NAN;
    r->classes[r->labels[r->count]].rows++;
    r->count++;
    return ENG_OK;
}

const eng_text_columns *eng_text_rows_columns(const eng_text_rows *r) { return &r->columns; }
size_t eng_text_rows_count(const eng_text_rows *r) { return r->count; }
