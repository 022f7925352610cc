/*
 * Several segments that follow each other to one: key by key in order, rows of the first before rows of
 * the second. What has died is left out; rows keep their numbers, so those of the dead stay empty.
 */
#include "index/index_internal.h"

#include "base/alloc.h"

enum { POSITIONS_MAX = 1 << 16 };

typedef struct {
    const eng_segment *segments;
    size_t count;
    const uint64_t *live;
    size_t *next; /* entry of each segment */
    uint32_t *positions;
    eng_cursor *cursor;
    eng_segment_writer w;
    eng_rows rows;
} merge;

static eng_status merge_list(merge *m, const eng_segment *s, const eng_entry *e, eng_error *err)
{
    eng_cursor *c = m->cursor;
    eng_status status = eng_cursor_open(c, s, e, err);
    if (status < 0)
        return status;
    for (uint32_t block = 0; block < c->blocks; block++) {
        if (!eng_cursor_load(c, block))
            return eng_fail(err, ENG_ECORRUPT, "index: a list contradicts itself");
        eng_cursor_counts(c);
        for (c->at = 0; c->at < c->count; c->at++) {
            uint32_t row = s->base + c->rows[c->at];
            if (!eng_bit(m->live, row))
                continue;
            eng_posting p = {row - m->rows.base, c->counts[c->at], m->positions, 0};
            if (m->w.positioned)
                p.position_count = (uint32_t)eng_cursor_positions(c, m->positions, POSITIONS_MAX);
            eng_segment_add(&m->w, &p);
        }
    }
    return ENG_OK;
}

/* One segment's column, cell by cell. */
typedef struct {
    const unsigned char *cells;
    uint32_t at;
    uint32_t count;
    uint32_t base;
    eng_cell cell;
} column;

/* To the next cell that is alive; false at the end. A row outside of the segment ends it too. */
static bool next_cell(merge *m, const eng_segment *s, column *c)
{
    while (c->at < c->count) {
        memcpy(&c->cell, c->cells + (size_t)c->at++ * sizeof c->cell, sizeof c->cell);
        if (c->cell.row >= s->rows)
            return false;
        if (eng_bit(m->live, s->base + c->cell.row)) {
            c->cell.row += s->base - m->rows.base;
            return true;
        }
    }
    return false;
}

static eng_status merge_columns(merge *m, const size_t *who, size_t count, eng_error *err)
{
    column *columns = eng_alloc_array(count, sizeof *columns);
    bool *there = eng_zalloc(count * sizeof *there);
    eng_status status = columns && there ? ENG_OK : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        const eng_segment *s = &m->segments[who[i]];
        const eng_entry *e = &s->entries[m->next[who[i]]];
        columns[i] = (column){.count = e->count};
        status = e->len == (uint64_t)e->count * sizeof(eng_cell)
                     ? eng_segment_list(s, e, &columns[i].cells, err)
                     : eng_fail(err, ENG_ECORRUPT, "index: a column is cut");
        if (status == ENG_OK)
            there[i] = next_cell(m, s, &columns[i]);
    }
    while (status == ENG_OK) {
        size_t least = count;
        for (size_t i = 0; i < count; i++) {
            if (there[i] &&
                (least == count || eng_cell_order(&columns[i].cell, &columns[least].cell) < 0))
                least = i;
        }
        if (least == count)
            break;
        eng_segment_cell(&m->w, &columns[least].cell);
        there[least] = next_cell(m, &m->segments[who[least]], &columns[least]);
    }
    eng_free(columns);
    eng_free(there);
    return status;
}

/* A key that the segments in `who` have. */
static eng_status merge_key(merge *m, eng_str key, const size_t *who, size_t count, eng_error *err)
{
    eng_status status = ENG_OK;
    if (key.ptr[0] == ENG_KEY_VOCABULARY) {
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += m->segments[who[i]].entries[m->next[who[i]]].count;
        eng_segment_vocabulary(&m->w, key, sum);
        return ENG_OK;
    }
    eng_segment_begin(&m->w, key);
    if (key.ptr[0] == ENG_KEY_NUMBER || key.ptr[0] == ENG_KEY_TIME) {
        status = merge_columns(m, who, count, err);
        eng_segment_column(&m->w);
        return status;
    }
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        const eng_segment *s = &m->segments[who[i]];
        status = merge_list(m, s, &s->entries[m->next[who[i]]], err);
    }
    eng_segment_end(&m->w);
    return status;
}

static eng_status merge_keys(merge *m, size_t *who, eng_error *err)
{
    for (;;) {
        eng_str least = {NULL, 0};
        size_t count = 0;
        for (size_t i = 0; i < m->count; i++) {
            if (m->next[i] >= m->segments[i].entry_count)
                continue;
            eng_str key = eng_segment_key(&m->segments[i], m->next[i]);
            int order = least.ptr ? eng_str_cmp(key, least) : -1;
            if (order < 0) {
                least = key;
                count = 0;
            }
            if (order <= 0)
                who[count++] = i;
        }
        if (count == 0)
            return ENG_OK;
        eng_status status = merge_key(m, least, who, count, err);
        if (status < 0)
            return status;
        for (size_t i = 0; i < count; i++)
            m->next[who[i]]++;
    }
}

static void copy_rows(merge *m, uint64_t *ids, uint64_t *documents, uint8_t *norms)
{
    for (size_t i = 0; i < m->count; i++) {
        const eng_segment *s = &m->segments[i];
        m->rows.languages |= s->languages;
        m->rows.words += s->words;
        for (uint32_t row = 0; row < s->rows; row++) {
            uint32_t to = s->base + row - m->rows.base;
            uint32_t length = eng_norm_length(s->norms[row]);
            if (s->ids[row] == 0)
                continue;
            if (!eng_bit(m->live, s->base + row)) {
                m->rows.words -= length < m->rows.words ? length : m->rows.words;
                continue;
            }
            ids[to] = s->ids[row];
            documents[to] = s->documents[row];
            norms[to] = s->norms[row];
        }
    }
}

eng_status eng_merge_segments(const eng_segment *segments, size_t count, const uint64_t *live,
                              float mean, const char *path, eng_segment *out, eng_error *err)
{
    const eng_segment *last = &segments[count - 1];
    merge m = {.segments = segments, .count = count, .live = live};
    size_t rows = (size_t)last->base + last->rows - segments[0].base;
    uint64_t *ids = eng_zalloc((rows + 1) * sizeof *ids);
    uint64_t *documents = eng_zalloc((rows + 1) * sizeof *documents);
    uint8_t *norms = eng_zalloc(rows + 1);
    size_t *who = eng_alloc_array(count, sizeof *who);
    m.next = eng_zalloc(count * sizeof *m.next);
    m.positions = eng_alloc_array(POSITIONS_MAX, sizeof *m.positions);
    m.cursor = eng_zalloc(sizeof *m.cursor);
    eng_status status = ENG_ENOMEM;
    if (!ids || !documents || !norms || !who || !m.next || !m.positions || !m.cursor) {
        eng_fail_nomem(err);
        goto done;
    }
    m.rows = (eng_rows){.base = segments[0].base,
                        .rows = (uint32_t)rows,
                        .ids = ids,
                        .documents = documents,
                        .norms = norms,
                        .mean = mean};
    copy_rows(&m, ids, documents, norms);
    status = eng_segment_writer_open(&m.w, path, &m.rows, err);
    if (status < 0)
        goto done;
    status = merge_keys(&m, who, err);
    if (status == ENG_OK)
        status = eng_segment_writer_close(&m.w, &m.rows, out, err);
    else
        eng_segment_writer_clear(&m.w);
done:
    eng_free(ids);
    eng_free(documents);
    eng_free(norms);
    eng_free(who);
    eng_free(m.next);
    eng_free(m.positions);
    eng_free(m.cursor);
    return status;
}
