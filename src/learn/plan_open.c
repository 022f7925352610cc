/* Opening, saving and describing a plan. */
#include "learn/plan_internal.h"

#include "base/check.h"

#include <assert.h>

enum { KEY_MAX = 128 };

void eng_plan_free(eng_plan *p)
{
    if (!p)
        return;
    eng_container_close(&p->file);
    eng_arena_clear(&p->arena);
    for (size_t i = 0; p->steps && i < p->step_count; i++)
        eng_plan_ranked_free(p->steps[i].ranked);
    eng_free(p->steps);
    eng_free(p->memory);
    eng_free(p);
}

static eng_status bad(eng_error *err, const char *why)
{
    return eng_fail(err, ENG_ECORRUPT, "a model's plan: %s", why);
}

static bool good_list(const eng_plan *p, uint64_t at, uint64_t n, uint32_t below)
{
    if (at > p->column_count || n > p->column_count - at)
        return false;
    for (uint64_t i = 0; i < n; i++)
        if (p->columns[at + i] >= below)
            return false;
    return true;
}

static eng_status bind(eng_plan *p, size_t i, const eng_plan_step *s, const eng_section *data,
                       uint32_t *columns, eng_error *err)
{
    eng_plan_bound *b = &p->steps[i];
    if (s->code >= OP_COUNT || s->m == 0 || s->out != *columns ||
        s->m > p->head->columns - *columns || !good_list(p, s->in, s->n, *columns))
        return bad(err, "columns that do not fit");
    if (s->data % ENG_CONTAINER_ALIGN || s->data > data->size || s->size > data->size - s->data)
        return bad(err, "data that do not fit");
    *b = (eng_plan_bound){
        .step = s, .in = p->columns + s->in, .data = (const unsigned char *)data->data + s->data};
    for (uint32_t j = 0; j < s->n; j++)
        if (b->in[j] < p->head->inputs && p->fields[b->in[j]].type == ENG_PLAN_TEXT &&
            s->code != OP_LOOKUP && s->code != OP_TEXTS)
            return bad(err, "a text where a number is needed");
    eng_status status = eng_plan_check_step(b, p->head, err);
    if (status < 0)
        return status;
    if (s->code == OP_TEXTS && p->fields[b->in[0]].type != ENG_PLAN_TEXT)
        return bad(err, "a number where a text is needed");
    if (s->code == OP_LOOKUP && b->in[0] < p->head->inputs &&
        b->of.keys.head.of_numbers != (p->fields[b->in[0]].type == ENG_PLAN_NUMBER))
        return bad(err, "keys of another type than the field");
    if (s->code == OP_FOREST && (status = eng_plan_rank(&b->of.forest, &b->ranked, err)) < 0)
        return status;
    size_t one = eng_plan_temporary(b, 1), many = eng_plan_temporary(b, ENG_PLAN_BLOCK);
    p->temporary = one > p->temporary ? one : p->temporary;
    p->temporary_wide = many > p->temporary_wide ? many : p->temporary_wide;
    *columns += s->m;
    return ENG_OK;
}

static eng_status read_head(eng_plan *p, eng_error *err)
{
    const eng_section *head, *columns;
    eng_status status = eng_container_need(&p->file, ENG_STR("head"), sizeof *p->head, &head, err);
    if (status == ENG_OK)
        status = eng_container_need(&p->file, ENG_STR("columns"), sizeof(uint32_t), &columns, err);
    if (status < 0)
        return status;
    p->head = head->data;
    p->columns = columns->data;
    p->column_count = columns->size / sizeof(uint32_t);
    if (head->size != sizeof *p->head || p->head->inputs > ENG_PLAN_INPUTS ||
        p->head->columns > ENG_PLAN_COLUMNS + ENG_PLAN_INPUTS ||
        p->head->inputs > p->head->columns || p->head->task > ENG_PLAN_TRANSFORM ||
        p->head->class_count > ENG_PLAN_CLASSES || p->head->count == 0)
        return bad(err, "a head that does not fit");
    p->about.task = (eng_plan_task)p->head->task;
    p->about.count = p->head->count;
    return ENG_OK;
}

static bool good_results(const eng_plan *p)
{
    const eng_plan_head *h = p->head;
    if (!good_list(p, h->predicted, h->count, h->columns))
        return false;
    for (uint32_t i = 0; i < h->count; i++)
        if (p->columns[h->predicted + i] < h->inputs)
            return false;
    return h->shares == ENG_PLAN_NONE || good_list(p, h->shares, h->class_count, h->columns);
}

static eng_status read_plan(eng_plan *p, eng_error *err)
{
    const eng_section *ops, *data, *schema;
    eng_status status = read_head(p, err);
    if (status == ENG_OK)
        status = eng_container_need(&p->file, ENG_STR("ops"), sizeof(eng_plan_step), &ops, err);
    if (status == ENG_OK)
        status = eng_container_need(&p->file, ENG_STR("data"), 1, &data, err);
    if (status == ENG_OK)
        status = eng_container_need(&p->file, ENG_STR("schema"), 1, &schema, err);
    if (status == ENG_OK)
        status = eng_plan_read_schema(p, (eng_str){schema->data, schema->size}, err);
    if (status < 0)
        return status;
    uint32_t columns = p->head->inputs;
    const eng_plan_step *steps = ops->data;
    p->step_count = ops->size / sizeof *steps;
    p->steps = eng_alloc_array(p->step_count, sizeof *p->steps);
    if (!p->steps)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    if (p->step_count)
        memset(p->steps, 0, p->step_count * sizeof *p->steps);
    for (size_t i = 0; i < p->step_count && status == ENG_OK; i++)
        status = bind(p, i, &steps[i], data, &columns, err);
    if (status == ENG_OK && (columns != p->head->columns || !good_results(p)))
        status = bad(err, "results that do not fit");
    return status;
}

static eng_plan *plan_new(void)
{
    eng_plan *p = eng_zalloc(sizeof *p);
    if (p)
        eng_arena_init(&p->arena, 4096, NULL);
    return p;
}

eng_status eng_plan_open(const char *path, eng_str key, eng_plan **out, eng_error *err)
{
    eng_plan *p = plan_new();
    if (!p)
        return eng_fail(err, ENG_ENOMEM, "'%s': out of memory", path);
    eng_status status = eng_container_open(path, ENG_PLAN_KIND, ENG_PLAN_VERSION, &p->file, err);
    if (status == ENG_OK) {
        const eng_section *made = eng_container_find(&p->file, ENG_STR("key"));
        p->bytes = p->file.size;
        if (key.len && (!made || !eng_str_eq((eng_str){made->data, made->size}, key)))
            status = eng_fail(err, ENG_EVERSION, "'%s' was made of another file", path);
    }
    if (status == ENG_OK)
        status = read_plan(p, err);
    if (status == ENG_OK)
        *out = p;
    else
        eng_plan_free(p);
    return status;
}

eng_status eng_plan_of(eng_str bytes, eng_plan **out, eng_error *err)
{
    size_t room;
    eng_plan *p = plan_new();
    if (!p)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    if (eng_add(bytes.len, ENG_CONTAINER_ALIGN, &room))
        p->memory = eng_alloc(room);
    if (!p->memory) {
        eng_plan_free(p);
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    }
    unsigned char *at = p->memory;
    at += (ENG_CONTAINER_ALIGN - (uintptr_t)at % ENG_CONTAINER_ALIGN) % ENG_CONTAINER_ALIGN;
    memcpy(at, bytes.ptr, bytes.len);
    p->bytes = bytes.len;
    eng_status status = eng_container_of(at, bytes.len, "a model", ENG_PLAN_KIND, ENG_PLAN_VERSION,
                                         &p->file, err);
    if (status == ENG_OK)
        status = read_plan(p, err);
    if (status == ENG_OK)
        *out = p;
    else
        eng_plan_free(p);
    return status;
}

eng_status eng_plan_save(const eng_plan *p, const char *path, eng_str key, eng_error *err)
{
    eng_section sections[8];
    size_t n = 0;
    assert(key.len <= KEY_MAX);
    for (size_t i = 0; i < p->file.count && n < 7; i++)
        if (!eng_str_eq(p->file.sections[i].name, ENG_STR("key")))
            sections[n++] = p->file.sections[i];
    if (key.len)
        sections[n++] = (eng_section){ENG_STR("key"), key.ptr, key.len};
    return eng_container_write(path, ENG_PLAN_KIND, ENG_PLAN_VERSION, sections, n, 0600, err);
}

const eng_plan_field *eng_plan_fields(const eng_plan *p, size_t *count)
{
    *count = p->head->inputs;
    return p->fields;
}

const eng_plan_results *eng_plan_about(const eng_plan *p, bool *has_shares)
{
    if (has_shares)
        *has_shares = p->head->shares != ENG_PLAN_NONE;
    return &p->about;
}

/* ---- For people ---- */

static const char *const names[OP_COUNT] = {
    "constant",   "map",    "lookup", "one-hot", "bins",  "interpolate", "linear",
    "polynomial", "pairs",  "reduce", "median",  "share", "similarity",  "vote",
    "nearest",    "forest", "texts",  "fill",    "spline"};

void eng_plan_describe(const eng_plan *p, eng_buf *out)
{
    static const char *const functions[] = {
#define NAME(name, text, constants) text,
        ENG_PLAN_MAPS(NAME)
#undef NAME
    };
    for (size_t i = 0; i < p->step_count; i++) {
        const eng_plan_bound *b = &p->steps[i];
        const eng_plan_step *s = b->step;
        eng_buf_format(out, "%s", s->code == OP_MAP ? functions[s->fn] : names[s->code]);
        if (s->code == OP_FOREST)
            eng_buf_format(out, " of %u trees, %u nodes of %s bits, %u slots",
                           b->of.forest.head.trees, b->of.forest.head.nodes,
                           b->of.forest.head.wide ? "128" : "64", b->of.forest.head.slots);
        eng_buf_format(out, ": %u columns in, %u out\n", s->n, s->m);
    }
}
