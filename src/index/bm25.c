/*
 * The best passages by words, without looking at most of the others.
 *
 * Rows are taken in windows. For each window every term has a bound: the largest share that one of its
 * blocks there can give. Terms are ordered by it, and those which together cannot lift a passage over
 * the worst of the best so far need not be walked through: only passages that one of the other terms has
 * are candidates. The rest is asked about these alone, a term at a time, and after each those that can no
 * longer win are dropped; where there are so many that walking costs less, the term is walked all the same.
 * Where all bounds together are too small the window is passed over.
 *
 * Scores are sums of integers, in 2^-18: the order in which shares are added changes nothing, so the
 * same passage has the same score whatever was skipped.
 */
#include "index/index_internal.h"

#include "base/alloc.h"
#include "index/heap.h"

#include <math.h>

/* Asking about a row costs what walking through so many postings does: measured, docs/speed.md. */
enum { WINDOW = 4096, STRIDE = 16, ONE = 1 << 18, ASK_COST = 16 };

static const float BOUND_MAX = 1e9F;

typedef int32_t four __attribute__((vector_size(16)));
typedef uint64_t two __attribute__((vector_size(16)));

/* A term in the segment at hand. */
typedef struct {
    eng_cursor cursor;
    float weight; /* times ONE */
    float
        loose; /* what the bounds that were written may be short by: the mean length has changed */
    uint32_t window_block; /* the first block that may reach into the window */
    uint32_t bound;        /* within the window */
} list;

static inline uint32_t share(const eng_state *state, float weight, uint32_t count, uint8_t norm)
{
    float tf = (float)count;
    float part = count <= ENG_SHARES ? state->shares[count][norm] : tf / (tf + state->norms[norm]);
    return (uint32_t)(weight * part + 0.5F);
}

/* One segment's search. */
typedef struct {
    const eng_state *state;
    const eng_segment *segment;
    const uint64_t *allowed;
    list *lists;
    size_t count;
    uint32_t *order;  /* of lists, by ascending bound in the window */
    uint64_t *prefix; /* prefix[i]: the bounds of the first i in that order */
    uint32_t *sums;   /* of the rows in the window, WINDOW of them */
    uint32_t *rows; /* candidates, counted from the window's begin, ascending; room for one more */
    eng_heap *heap;
} search;

static void bound_list(list *l, uint32_t from, uint32_t to)
{
    const eng_cursor *c = &l->cursor;
    uint32_t impact = 0;
    while (l->window_block < c->blocks && eng_cursor_skip(c, l->window_block).last < from)
        l->window_block++;
    for (uint32_t b = l->window_block; b < c->blocks; b++) {
        if (b > l->window_block && eng_cursor_skip(c, b - 1).last >= to - 1)
            break;
        eng_skip skip = eng_cursor_skip(c, b);
        impact = skip.impact > impact ? skip.impact : impact;
    }
    /* No sound segment comes near the most; a damaged one may say anything. */
    float bound = l->weight * l->loose * (float)impact / 65535.0F * 1.0001F;
    l->bound = impact && !c->broken ? (uint32_t)fminf(bound, BOUND_MAX) + 2 : 0;
}

/* Orders the lists by their bounds in the window; gives the bound of all together. */
static uint64_t bound_window(search *s, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < s->count; i++)
        bound_list(&s->lists[i], from, to);
    for (size_t i = 1; i < s->count; i++) {
        uint32_t item = s->order[i];
        size_t at = i;
        for (; at > 0 && s->lists[s->order[at - 1]].bound > s->lists[item].bound; at--)
            s->order[at] = s->order[at - 1];
        s->order[at] = item;
    }
    for (size_t i = 0; i < s->count; i++)
        s->prefix[i + 1] = s->prefix[i] + s->lists[s->order[i]].bound;
    return s->prefix[s->count];
}

/* Adds a list's shares of the rows in the window. */
static void add_list(search *s, list *l, uint32_t from, uint32_t to)
{
    const uint8_t *norms = s->segment->norms;
    eng_cursor *c = &l->cursor;
    uint32_t row = eng_cursor_seek(c, from);
    while (row < to) {
        uint32_t at = c->at, end = c->count;
        eng_cursor_counts(c);
        if (c->rows[end - 1] >= to) {
            while (c->rows[end - 1] >= to)
                end--;
        }
        for (; at < end; at++) {
            uint32_t r = c->rows[at];
            s->sums[r - from] += share(s->state, l->weight, c->counts[at], norms[r]);
        }
        if (end < c->count || c->block + 1 >= c->blocks || !eng_cursor_load(c, c->block + 1)) {
            c->at = end < c->count ? end : c->count - (c->count > 0);
            break;
        }
        row = c->rows[0];
    }
}

/* Adds a list's shares of the candidates. */
static void ask_list(search *s, list *l, uint32_t from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t row = from + s->rows[i], found = eng_cursor_seek(&l->cursor, row);
        if (found == UINT32_MAX)
            return;
        if (found == row)
            s->sums[s->rows[i]] += share(s->state, l->weight, eng_cursor_count(&l->cursor),
                                         s->segment->norms[row]);
    }
}

/* Drops the candidates that cannot win with `rest` more. */
static size_t narrow(const search *s, size_t count, uint64_t rest)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t row = s->rows[i];
        s->rows[kept] = row;
        kept += s->sums[row] + rest > s->heap->least;
    }
    return kept;
}

/* Of STRIDE sums one is larger: nearly always none is, so all are looked at with one branch. Behind the
 * last row of a window they are 0. */
static inline bool any_over(const uint32_t *sums, int32_t need)
{
    four any = {0};
    for (size_t i = 0; i < STRIDE; i += 4) {
        four v;
        memcpy(&v, sums + i, sizeof v);
        any |= v > need;
    }
    two both = (two)any;
    return both[0] | both[1];
}

/* The rows that may be found and can win with `rest` more. */
static size_t collect(const search *s, uint32_t from, uint32_t to, uint64_t rest)
{
    uint64_t need = s->heap->least - rest; /* not below 0: see search_window */
    size_t count = 0;
    for (uint32_t i = 0; i < to - from; i += STRIDE) {
        if (!any_over(s->sums + i, (int32_t)need))
            continue;
        for (uint32_t j = i; j < i + STRIDE; j++) { /* without a branch: nobody could guess it */
            s->rows[count] = j;
            count += s->sums[j] > need;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        s->rows[kept] = s->rows[i];
        kept += eng_bit(s->allowed, s->segment->base + from + s->rows[i]);
    }
    return kept;
}

static void search_window(search *s, uint32_t from, uint32_t to)
{
    size_t others = 0;
    if (bound_window(s, from, to) <= s->heap->least)
        return;
    while (s->prefix[others + 1] <= s->heap->least)
        others++;
    memset(s->sums, 0, WINDOW * sizeof *s->sums);
    for (size_t i = others; i < s->count; i++) {
        if (s->lists[s->order[i]].bound)
            add_list(s, &s->lists[s->order[i]], from, to);
    }
    size_t count = collect(s, from, to, s->prefix[others]);
    for (size_t i = others; i-- > 0 && count > 0;) {
        list *l = &s->lists[s->order[i]];
        uint64_t postings = (uint64_t)l->cursor.postings * (to - from) / s->segment->rows;
        if (l->bound && count * ASK_COST > postings)
            add_list(s, l, from, to);
        else if (l->bound)
            ask_list(s, l, from, count);
        count = narrow(s, count, s->prefix[i]);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t score = s->sums[s->rows[i]];
        if (score > s->heap->least)
            eng_heap_keep(s->heap, score, s->segment->base + from + s->rows[i]);
    }
}

static bool any_allowed(const search *s, uint32_t from, uint32_t to)
{
    uint32_t first = (s->segment->base + from) / 64, last = (s->segment->base + to - 1) / 64;
    for (uint32_t i = first; i <= last; i++) {
        if (s->allowed[i])
            return true;
    }
    return false;
}

static eng_status open_lists(search *s, const eng_plan *plan, size_t segment, eng_error *err)
{
    float ratio = s->segment->mean > 0 ? s->state->mean / s->segment->mean : 1;
    s->count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const eng_plan_term *t = &plan->terms[i];
        if (!t->entries[segment] || t->entries[segment]->len == 0)
            continue;
        list *l = &s->lists[s->count];
        eng_status status = eng_cursor_open(&l->cursor, s->segment, t->entries[segment], err);
        if (status < 0)
            return status;
        l->weight = t->weight * ONE;
        l->loose = ratio > 1 ? ratio : 1;
        l->window_block = 0;
        s->order[s->count] = (uint32_t)s->count;
        s->count++;
    }
    return ENG_OK;
}

static eng_status search_segment(search *s, const eng_plan *plan, size_t segment, eng_error *err)
{
    s->segment = &s->state->segments[segment];
    eng_status status = open_lists(s, plan, segment, err);
    if (status < 0 || s->count == 0)
        return status;
    for (uint32_t from = 0; from < s->segment->rows; from += WINDOW) {
        uint32_t left = s->segment->rows - from, to = from + (left < WINDOW ? left : WINDOW);
        if (any_allowed(s, from, to))
            search_window(s, from, to);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->lists[i].cursor.broken)
            return eng_fail(err, ENG_ECORRUPT, "'%s': a list contradicts itself",
                            s->segment->image->path ? s->segment->image->path : "index in memory");
    }
    return ENG_OK;
}

static void unload(eng_heap *h, const eng_state *state, eng_hit *out, size_t *count)
{
    *count = h->count;
    while (h->count > 0) {
        eng_best worst = eng_heap_take(h);
        out[h->count] = eng_state_hit(state, worst.row, (float)worst.score / ONE);
    }
}

eng_status eng_bm25_search(const eng_state *state, const eng_plan *plan, const uint64_t *allowed,
                           size_t limit, eng_hit *out, size_t *count, eng_error *err)
{
    eng_status status = ENG_OK;
    limit = limit < state->rows ? limit : state->rows;
    *count = 0;
    if (plan->count == 0 || limit == 0)
        return ENG_OK;
    eng_heap h = {.limit = limit};
    search s = {.state = state, .allowed = allowed ? allowed : state->live, .heap = &h};
    h.items = eng_alloc_array(limit, sizeof *h.items);
    s.lists = eng_alloc_array(plan->count, sizeof *s.lists);
    s.order = eng_alloc_array(plan->count, sizeof *s.order);
    s.prefix = eng_zalloc((plan->count + 1) * sizeof *s.prefix);
    s.sums = eng_alloc_array(WINDOW, sizeof *s.sums);
    s.rows = eng_alloc_array(WINDOW + 1, sizeof *s.rows);
    if (!h.items || !s.lists || !s.order || !s.prefix || !s.sums || !s.rows) {
        status = eng_fail_nomem(err);
        goto done;
    }
    for (size_t i = 0; status == ENG_OK && i < state->segment_count; i++)
        status = search_segment(&s, plan, i, err);
    if (status == ENG_OK)
        unload(&h, state, out, count);
done:
    eng_free(h.items);
    eng_free(s.lists);
    eng_free(s.order);
    eng_free(s.prefix);
    eng_free(s.sums);
    eng_free(s.rows);
    return status;
}

/* ---- Scores of given passages -------------------------------------------------------------------------- */

/* One term's shares of the rows that lie in one segment. */
static eng_status score_term(const eng_state *state, const eng_plan_term *t, size_t segment,
                             eng_cursor *c, const uint32_t *rows, size_t count, uint32_t *sums,
                             eng_error *err)
{
    const eng_segment *s = &state->segments[segment];
    eng_status status = eng_cursor_open(c, s, t->entries[segment], err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        uint32_t row = rows[i] - s->base;
        uint32_t found = eng_cursor_seek(c, row);
        if (c->broken)
            status = eng_fail(err, ENG_ECORRUPT, "index: a list contradicts itself");
        else if (found == row)
            sums[i] += share(state, t->weight * ONE, eng_cursor_count(c), s->norms[row]);
        else if (found == UINT32_MAX)
            break;
    }
    return status;
}

eng_status eng_bm25_score(const eng_state *state, const eng_plan *plan, const uint32_t *rows,
                          size_t count, float *scores, float *shares, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_cursor *c = eng_zalloc(sizeof *c);
    uint32_t *sums = eng_zalloc((count + 1) * sizeof *sums);
    if (!c || !sums) {
        status = eng_fail_nomem(err);
        goto done;
    }
    for (size_t segment = 0, from = 0; segment < state->segment_count; segment++) {
        const eng_segment *s = &state->segments[segment];
        size_t to = from;
        while (to < count && rows[to] - s->base < s->rows)
            to++;
        for (size_t i = 0; status == ENG_OK && from < to && i < plan->count; i++) {
            uint32_t before = sums[from];
            const eng_entry *e = plan->terms[i].entries[segment];
            if (e && e->len)
                status = score_term(state, &plan->terms[i], segment, c, rows + from, to - from,
                                    sums + from, err);
            if (shares)
                shares[i] = (float)(sums[from] - before) / ONE;
        }
        from = to;
    }
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)sums[i] / ONE;
done:
    eng_free(c);
    eng_free(sums);
    return status;
}
