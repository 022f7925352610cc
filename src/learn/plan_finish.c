/*
 * From what was built to a plan: one-hot columns that only trees and products look at are never made,
 * what no result needs is dropped, columns are counted anew. The plan is then opened as one from a file
 * would be: there is one way in.
 */
#include "learn/plan_internal.h"

#include <assert.h>

static uint32_t *list(const eng_plan_builder *b, uint32_t at)
{
    return (uint32_t *)(void *)b->lists.data + at;
}

/* ---- One-hot ---- */

/* A tree that asks for one column of a one-hot asks for the category itself. */
static void see_through_forest(eng_plan_builder *b, eng_plan_step *s)
{
    eng_plan_forest_view v;
    eng_plan_forest_head head;
    unsigned char *data = (unsigned char *)b->data.data + s->data;
    memcpy(&head, data, sizeof head);
    eng_plan_forest_layout(&head, data, &v);
    uint32_t *x = list(b, s->in);
    for (size_t i = 0; i < s->n; i++) {
        const eng_plan_step *from = eng_plan_maker(b, x[i]);
        if (!from || from->code != OP_EXPAND || v.slots[i].kind == SLOT_SET ||
            v.slots[i].kind == SLOT_SET_RIGHT || v.slots[i].kind == SLOT_EQUALS)
            continue;
        /* What is left out of a one-hot is 0, which LightGBM may take for missing. */
        if (v.slots[i].kind == SLOT_ZERO_NAN || v.slots[i].kind == SLOT_ZERO_LOW)
            continue;
        if (v.slots[i].kind != SLOT_LESS) {
            v.slots[i].kind = SLOT_EQUALS;
            v.slots[i].arg = x[i] - from->out;
        }
        x[i] = *list(b, from->in);
    }
}

/* A product with all columns of a one-hot is a row of the weights. */
static void see_through_linear(eng_plan_builder *b, eng_plan_step *s)
{
    uint32_t *x = list(b, s->in), n = 0;
    unsigned char *data = (unsigned char *)b->data.data + s->data;
    uint32_t *spans = (uint32_t *)(void *)(data +
                                           ((size_t)s->m * s->count + s->m) * sizeof(double));
    for (uint32_t i = 0; i < s->n;) {
        const eng_plan_step *from = eng_plan_maker(b, x[i]);
        uint32_t len = 1;
        if (from && from->code == OP_EXPAND && x[i] == from->out && from->m > 1)
            while (len < from->m && i + len < s->n && x[i + len] == from->out + len)
                len++;
        bool all = from && len > 1 && len == from->m;
        if (!all)
            len = 1;
        spans[n] = all ? len : 0;
        x[n++] = all ? *list(b, from->in) : x[i];
        i += len;
    }
    s->size -= (s->n - n) * sizeof(uint32_t);
    s->n = n;
}

/* ---- What is needed ---- */

typedef struct {
    uint8_t *needed;  /* of each column */
    uint32_t *number; /* its new one */
    eng_buf steps, lists, data;
    eng_plan_head head;
} tidy;

static void need(tidy *t, const uint32_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        t->needed[x[i]] = 1;
}

static bool is_needed(const tidy *t, const eng_plan_step *s)
{
    for (uint32_t j = 0; j < s->m; j++)
        if (t->needed[s->out + j])
            return true;
    return false;
}

static uint32_t renumber(tidy *t, const uint32_t *x, size_t n)
{
    uint32_t at = (uint32_t)(t->lists.len / sizeof *x);
    for (size_t i = 0; i < n; i++)
        eng_buf_bytes(&t->lists, &t->number[x[i]], sizeof *x);
    return at;
}

static void keep(tidy *t, const eng_plan_builder *b, eng_plan_step s)
{
    static const char zeros[ENG_CONTAINER_ALIGN];
    s.in = renumber(t, list(b, s.in), s.n);
    for (uint32_t j = 0; j < s.m; j++)
        t->number[s.out + j] = t->head.columns + j;
    s.out = t->head.columns;
    t->head.columns += s.m;
    size_t over = t->data.len % sizeof zeros;
    eng_buf_bytes(&t->data, zeros, over ? sizeof zeros - over : 0);
    eng_buf_bytes(&t->data, b->data.data + s.data, s.size);
    s.data = t->data.len - s.size;
    eng_buf_bytes(&t->steps, &s, sizeof s);
}

static void tidy_up(tidy *t, eng_plan_builder *b)
{
    size_t count;
    eng_plan_step *steps = eng_plan_steps(b, &count);
    for (size_t i = 0; i < count; i++) {
        if (steps[i].code == OP_FOREST)
            see_through_forest(b, &steps[i]);
        else if (steps[i].code == OP_LINEAR)
            see_through_linear(b, &steps[i]);
    }
    need(t, list(b, b->predicted), b->result.count);
    if (b->shares != ENG_PLAN_NONE)
        need(t, list(b, b->shares), b->result.class_count);
    for (size_t i = count; i-- > 0;)
        if (is_needed(t, &steps[i]))
            need(t, list(b, steps[i].in), steps[i].n);
    for (uint32_t i = 0; i < b->inputs; i++)
        t->number[i] = i;
    t->head = (eng_plan_head){.inputs = (uint32_t)b->inputs,
                              .columns = (uint32_t)b->inputs,
                              .task = b->result.task,
                              .count = (uint32_t)b->result.count,
                              .shares = ENG_PLAN_NONE,
                              .class_count = (uint32_t)b->result.class_count};
    for (size_t i = 0; i < count; i++)
        if (is_needed(t, &steps[i]))
            keep(t, b, steps[i]);
    t->head.predicted = renumber(t, list(b, b->predicted), b->result.count);
    if (b->shares != ENG_PLAN_NONE)
        t->head.shares = renumber(t, list(b, b->shares), b->result.class_count);
}

/* ---- The bytes ---- */

static eng_section section(const char *name, const eng_buf *bytes)
{
    return (eng_section){eng_str_of(name), bytes->data ? bytes->data : "", bytes->len};
}

static eng_status print(tidy *t, const eng_plan_builder *b, eng_buf *out, eng_error *err)
{
    eng_buf schema;
    eng_buf_init(&schema, (size_t)1 << 30);
    eng_status status = eng_plan_print_schema(b, &schema, err);
    const eng_buf *parts[] = {&t->steps, &t->lists, &t->data};
    for (size_t i = 0; i < 3 && status == ENG_OK; i++)
        status = eng_buf_check(parts[i], "a model", err);
    eng_section sections[] = {{ENG_STR("head"), &t->head, sizeof t->head},
                              section("ops", &t->steps),
                              section("columns", &t->lists),
                              section("data", &t->data),
                              section("schema", &schema)};
    if (status == ENG_OK)
        status = eng_container_print(ENG_PLAN_KIND, ENG_PLAN_VERSION, sections, 5, out, err);
    eng_buf_clear(&schema);
    return status;
}

eng_status eng_plan_finish(eng_plan_builder *b, eng_plan **out, eng_error *err)
{
    tidy t = {0};
    eng_buf bytes;
    eng_status status = eng_plan_failed(b, err);
    if (status == ENG_OK && !b->has_result)
        status = eng_fail(err, ENG_EINTERNAL, "a model without a result");
    if (status < 0)
        return status;
    eng_buf_init(&bytes, SIZE_MAX / 2);
    eng_buf_init(&t.steps, SIZE_MAX / 2);
    eng_buf_init(&t.lists, SIZE_MAX / 2);
    eng_buf_init(&t.data, SIZE_MAX / 2);
    t.needed = eng_zalloc(b->columns);
    t.number = eng_alloc_array(b->columns, sizeof *t.number);
    if (!t.needed || !t.number) {
        status = eng_fail(err, ENG_ENOMEM, "a model: out of memory");
        goto done;
    }
    tidy_up(&t, b);
    status = print(&t, b, &bytes, err);
    eng_buf_clear(&t.data);
    eng_buf_clear(&b->data); /* a large forest is not to lie here three times */
    if (status == ENG_OK)
        status = eng_plan_of(eng_buf_view(&bytes), out, err);
done:
    eng_free(t.needed);
    eng_free(t.number);
    eng_buf_clear(&t.steps);
    eng_buf_clear(&t.lists);
    eng_buf_clear(&t.data);
    eng_buf_clear(&bytes);
    return status;
}
