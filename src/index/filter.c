/*
 * A tree of conditions to the set of rows that satisfy it, exactly: each leaf is the union of a few
 * lists or of a stretch of a sorted column; and, or, not are operations on words of 64 rows.
 */
#include "index/index_internal.h"

#include "base/alloc.h"

#include <math.h>

typedef struct {
    const eng_state *state;
    size_t words;
    eng_cursor cursor;
} filtering;

static bool is_comparison(eng_filter_op op) { return op >= ENG_FILTER_GT && op <= ENG_FILTER_LTE; }

static bool is_number(eng_value_type type)
{
    return type == ENG_VALUE_NUMBER || type == ENG_VALUE_INTEGER;
}

/* ---- Lists --------------------------------------------------------------------------------------------- */

static eng_status add_list(filtering *f, const eng_segment *s, const eng_entry *e, uint64_t *out,
                           eng_error *err)
{
    eng_cursor *c = &f->cursor;
    eng_status status = eng_cursor_open(c, s, e, err);
    for (uint32_t block = 0; status == ENG_OK && block < c->blocks; block++) {
        if (!eng_cursor_load(c, block))
            return eng_fail(err, ENG_ECORRUPT, "index: a list contradicts itself");
        for (uint32_t i = 0; i < c->count; i++)
            eng_bit_set(out, s->base + c->rows[i]);
    }
    return status;
}

static eng_status add_key(filtering *f, eng_str key, uint64_t *out, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < f->state->segment_count; i++) {
        const eng_segment *s = &f->state->segments[i];
        const eng_entry *e = eng_segment_find(s, key);
        if (e)
            status = add_list(f, s, e, out, err);
    }
    return status;
}

static eng_status add_bool(filtering *f, eng_str field, bool value, uint64_t *out, eng_error *err)
{
    eng_buf key;
    eng_buf_init(&key, ENG_KEY_MAX);
    eng_buf_byte(&key, ENG_KEY_BOOL);
    eng_buf_str(&key, field);
    eng_buf_byte(&key, 0);
    eng_buf_byte(&key, value ? '1' : '0');
    eng_status status = key.failed == ENG_ETOOBIG ? ENG_OK : eng_buf_check(&key, "field", err);
    if (status == ENG_OK && key.failed == ENG_OK)
        status = add_key(f, eng_buf_view(&key), out, err);
    eng_buf_clear(&key);
    return status;
}

/* The keys of a field's strings are neighbours in the dictionary, in the order of the strings. */
static eng_status add_strings(filtering *f, eng_filter_op op, eng_str prefix, eng_str key,
                              uint64_t *out, eng_error *err)
{
    eng_status status = ENG_OK;
    bool up = op == ENG_FILTER_GT || op == ENG_FILTER_GTE;
    for (size_t i = 0; status == ENG_OK && i < f->state->segment_count; i++) {
        const eng_segment *s = &f->state->segments[i];
        for (size_t at = eng_segment_lower(s, up ? key : prefix);
             status == ENG_OK && at < s->entry_count; at++) {
            eng_str have = eng_segment_key(s, at);
            int order = eng_str_cmp(have, key);
            if (!eng_str_starts(have, prefix) || (!up && order > 0))
                break;
            if (order != 0 || op == ENG_FILTER_GTE || op == ENG_FILTER_LTE)
                status = add_list(f, s, &s->entries[at], out, err);
        }
    }
    return status;
}

static eng_status add_string(filtering *f, eng_filter_op op, eng_str field, eng_str value,
                             uint64_t *out, eng_error *err)
{
    eng_buf key;
    if (field.len > ENG_KEY_MAX / 2)
        return ENG_OK; /* no passage can have such a field */
    eng_buf_init(&key, (size_t)ENG_KEY_MAX * 2);
    eng_string_key(&key, field, value);
    eng_status status = eng_buf_check(&key, "value", err);
    if (status == ENG_OK)
        status = is_comparison(op) ? add_strings(f, op, (eng_str){key.data, field.len + 2},
                                                 eng_buf_view(&key), out, err)
                                   : add_key(f, eng_buf_view(&key), out, err);
    eng_buf_clear(&key);
    return status;
}

/* ---- Columns ------------------------------------------------------------------------------------------- */

static eng_cell cell_at(const unsigned char *cells, size_t i)
{
    eng_cell cell;
    memcpy(&cell, cells + i * sizeof cell, sizeof cell);
    return cell;
}

/* The first cell that is larger than the value, or with `equal` the first that is not smaller. */
static size_t bound(const unsigned char *cells, size_t count, const eng_cell *value, bool equal)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        eng_cell cell = cell_at(cells, middle);
        cell.row = value->row;
        int order = eng_cell_order(&cell, value);
        if (order < 0 || (!equal && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static eng_status add_cells(const eng_segment *s, const eng_entry *e, eng_filter_op op,
                            const eng_cell *value, uint64_t *out, eng_error *err)
{
    const unsigned char *cells;
    eng_status status = eng_segment_list(s, e, &cells, err);
    if (status < 0)
        return status;
    if (e->len != (uint64_t)e->count * sizeof(eng_cell))
        return eng_fail(err, ENG_ECORRUPT, "index: a column is cut");
    bool from_equal = op == ENG_FILTER_GTE || op == ENG_FILTER_IN;
    bool to_equal = op == ENG_FILTER_LT;
    size_t from = op == ENG_FILTER_LT || op == ENG_FILTER_LTE
                      ? 0
                      : bound(cells, e->count, value, from_equal);
    size_t to = op == ENG_FILTER_GT || op == ENG_FILTER_GTE
                    ? e->count
                    : bound(cells, e->count, value, to_equal);
    for (; from < to; from++) {
        eng_cell cell = cell_at(cells, from);
        if (cell.row >= s->rows)
            return eng_fail(err, ENG_ECORRUPT, "index: a column's row lies outside");
        eng_bit_set(out, s->base + cell.row);
    }
    return ENG_OK;
}

static eng_status add_number(filtering *f, eng_filter_op op, eng_str field, const eng_value *value,
                             uint64_t *out, eng_error *err)
{
    eng_buf key;
    if (value->type == ENG_VALUE_NUMBER && isnan(value->as.number))
        return ENG_OK;
    if (field.len > ENG_KEY_MAX / 2)
        return ENG_OK;
    eng_buf_init(&key, ENG_KEY_MAX);
    eng_buf_byte(&key, value->type == ENG_VALUE_DATE ? ENG_KEY_TIME : ENG_KEY_NUMBER);
    eng_buf_str(&key, field);
    eng_cell cell = eng_order_number(value);
    eng_status status = eng_buf_check(&key, "field", err);
    for (size_t i = 0; status == ENG_OK && i < f->state->segment_count; i++) {
        const eng_segment *s = &f->state->segments[i];
        const eng_entry *e = eng_segment_find(s, eng_buf_view(&key));
        if (e)
            status = add_cells(s, e, op, &cell, out, err);
    }
    eng_buf_clear(&key);
    return status;
}

/* ---- Leaves -------------------------------------------------------------------------------------------- */

static eng_status add_value(filtering *f, const eng_filter *c, const eng_value *v, uint64_t *out,
                            eng_error *err)
{
    if (v->type == ENG_VALUE_STRING)
        return add_string(f, c->op, c->field, v->as.string, out, err);
    if (is_number(v->type) || v->type == ENG_VALUE_DATE)
        return add_number(f, c->op, c->field, v, out, err);
    if (v->type == ENG_VALUE_BOOL && !is_comparison(c->op))
        return add_bool(f, c->field, v->as.boolean, out, err);
    return ENG_OK; /* equals nothing, and has no order */
}

static eng_status add_exists(filtering *f, eng_str field, uint64_t *out, eng_error *err)
{
    eng_buf key;
    if (field.len > ENG_KEY_MAX / 2)
        return ENG_OK;
    eng_buf_init(&key, ENG_KEY_MAX);
    eng_buf_byte(&key, ENG_KEY_EXISTS);
    eng_buf_str(&key, field);
    eng_status status = eng_buf_check(&key, "field", err);
    if (status == ENG_OK)
        status = add_key(f, eng_buf_view(&key), out, err);
    eng_buf_clear(&key);
    return status;
}

static void add_ids(filtering *f, const eng_filter *c, uint64_t *out)
{
    for (size_t i = 0; i < c->value_count; i++) {
        if (c->values[i].type != ENG_VALUE_INTEGER)
            continue;
        uint32_t row = eng_state_row(f->state, (uint64_t)c->values[i].as.integer);
        if (row != UINT32_MAX)
            eng_bit_set(out, row);
    }
}

static void add_documents(filtering *f, const eng_filter *c, uint64_t *out)
{
    for (size_t i = 0; i < f->state->segment_count; i++) {
        const eng_segment *s = &f->state->segments[i];
        for (uint32_t row = 0; row < s->rows; row++) {
            for (size_t v = 0; v < c->value_count; v++) {
                if (c->values[v].type == ENG_VALUE_INTEGER &&
                    s->documents[row] == (uint64_t)c->values[v].as.integer)
                    eng_bit_set(out, s->base + row);
            }
        }
    }
}

/* ---- The tree ------------------------------------------------------------------------------------------ */

static eng_status evaluate(filtering *f, const eng_filter *c, unsigned depth, uint64_t *out,
                           eng_error *err);

static eng_status combine(filtering *f, const eng_filter *c, unsigned depth, uint64_t *out,
                          eng_error *err)
{
    uint64_t *child = eng_alloc_array(f->words + 1, sizeof *child);
    if (!child)
        return eng_fail_nomem(err);
    memset(out, c->op == ENG_FILTER_ALL ? 0xFF : 0, f->words * sizeof *out);
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < c->child_count; i++) {
        status = evaluate(f, &c->children[i], depth + 1, child, err);
        for (size_t k = 0; status == ENG_OK && k < f->words; k++)
            out[k] = c->op == ENG_FILTER_ALL ? out[k] & child[k] : out[k] | child[k];
    }
    eng_free(child);
    return status;
}

static eng_status evaluate(filtering *f, const eng_filter *c, unsigned depth, uint64_t *out,
                           eng_error *err)
{
    eng_status status = ENG_OK;
    if (depth > ENG_FILTER_DEPTH_MAX)
        return eng_fail(err, ENG_EINVALID, "filter: nested more than %d deep",
                        ENG_FILTER_DEPTH_MAX);
    if (c->op == ENG_FILTER_ALL || c->op == ENG_FILTER_ANY)
        return combine(f, c, depth, out, err);
    memset(out, 0, f->words * sizeof *out);
    switch (c->op) {
    case ENG_FILTER_NOT:
        if (c->child_count != 1)
            return eng_fail(err, ENG_EINVALID, "filter: not takes one condition");
        status = evaluate(f, c->children, depth + 1, out, err);
        for (size_t i = 0; i < f->words; i++)
            out[i] = ~out[i];
        break;
    case ENG_FILTER_EXISTS:
        status = add_exists(f, c->field, out, err);
        break;
    case ENG_FILTER_DOCUMENT:
        add_documents(f, c, out);
        break;
    case ENG_FILTER_ID:
        add_ids(f, c, out);
        break;
    default:
        if (is_comparison(c->op) && c->value_count != 1)
            return eng_fail(err, ENG_EINVALID, "filter: a comparison takes one value");
        for (size_t i = 0; status == ENG_OK && i < c->value_count; i++)
            status = add_value(f, c, &c->values[i], out, err);
        break;
    }
    return status;
}

eng_status eng_filter_rows(const eng_state *state, const eng_filter *filter, uint64_t *rows,
                           eng_error *err)
{
    filtering *f = eng_zalloc(sizeof *f);
    if (!f)
        return eng_fail_nomem(err);
    f->state = state;
    f->words = eng_bits_words(state->rows);
    eng_status status = evaluate(f, filter, 0, rows, err);
    for (size_t i = 0; i < f->words; i++)
        rows[i] &= state->live[i];
    eng_free(f);
    return status;
}

uint64_t eng_bits_count(const uint64_t *bits, size_t words)
{
    uint64_t count = 0;
    for (size_t i = 0; i < words; i++)
        count += (uint64_t)__builtin_popcountll(bits[i]);
    return count;
}
