/*
 * The best passages by vectors.
 *
 * Codes of eight bits say which passages may be among the best; the vectors themselves, which are four
 * times as large, are read of these alone and give the exact scores. What the graph has is searched
 * through it where that is cheaper; the others, and whatever a narrow filter leaves, are scanned.
 */
#include "index/index_internal.h"

#include "base/alloc.h"
#include "index/heap.h"
#include "kern/kern.h"

#include <math.h>
#include <stdlib.h>

enum { BATCH = 64, LEAST = 100, POOL = 4, SPARSE = 12, EFFORT = 100, NARROW = 16 };

/* Nanoseconds for a vector that is scanned, and for each of a walk's effort. */
static const double SCAN_COST = 15, WALK_COST = 1600;
/* Twice what two codes' product can be off by, and more: docs/speed.md. */
static const float MARGIN = 0.012F;

/* The order of scores as the order of unsigned integers. */
static const float KEY_ONE = 1 << 29;
static uint32_t key_of(float score)
{
    float s = score < -1.9F ? -1.9F : score > 1.9F ? 1.9F : score;
    return (uint32_t)((s + 2) * KEY_ONE);
}

/* A search, and what it needs of its question. */
typedef struct {
    const eng_state *state;
    const eng_kern *kern;
    const uint64_t *allowed;
    uint32_t dim;
    uint32_t stride;
    float *query;  /* of length 1 */
    int8_t *codes; /* the same, in eight bits */
    float scale;
    float sentences;
    eng_heap pool;
} search;

/* What the vectors of one row say together. */
typedef struct {
    uint32_t row;
    float whole;
    float sentence;
} row_score;

static float combined(const row_score *r, float sentences)
{
    if (r->sentence < -2)
        return r->whole;
    return r->whole < -2 ? r->sentence : (1 - sentences) * r->whole + sentences * r->sentence;
}

static void offer(search *s, const row_score *r)
{
    if (r->row == UINT32_MAX || (r->whole < -2 && r->sentence < -2))
        return;
    uint32_t key = key_of(combined(r, s->sentences));
    if (key > s->pool.least)
        eng_heap_keep(&s->pool, key, r->row);
}

/* Vectors of a row follow each other: the row before is whole when another begins. */
static void take(search *s, row_score *r, uint32_t row, uint8_t kind, float score)
{
    if (row != r->row) {
        offer(s, r);
        *r = (row_score){row, -3, -3};
    }
    float *best = kind == ENG_VECTOR_PASSAGE ? &r->whole : &r->sentence;
    *best = score > *best ? score : *best;
}

/* ---- Scanning --------------------------------------------------------------------------------------------- */

/* Those of a batch that may be found, as bits. */
static uint64_t wanted(const search *s, const eng_chunk *c, size_t at, size_t count)
{
    uint64_t mask = 0;
    if (c->single) { /* 64 neighbours are a piece of one word or of two */
        uint32_t row = c->rows[at], shift = row % 64;
        mask = s->allowed[row / 64] >> shift;
        if (shift && row / 64 + 1 < eng_bits_words(s->state->rows))
            mask |= s->allowed[row / 64 + 1] << (64 - shift);
        return count < 64 ? mask & ((UINT64_C(1) << count) - 1) : mask;
    }
    for (size_t i = 0; i < count; i++)
        mask |= (uint64_t)eng_bit(s->allowed, c->rows[at + i]) << i;
    return mask;
}

/* Where each row has one vector, most are turned away by one comparison. */
static void offer_batch(search *s, const eng_chunk *c, size_t at, uint64_t mask,
                        const int32_t *dots)
{
    float least = (float)s->pool.least / KEY_ONE - 2 - 1e-6F;
    for (; mask; mask &= mask - 1) {
        size_t i = (size_t)__builtin_ctzll(mask);
        float score = (float)dots[i] * s->scale * c->scales[at + i];
        if (score < least)
            continue;
        row_score r = {c->rows[at + i], score, -3};
        offer(s, &r);
        least = (float)s->pool.least / KEY_ONE - 2 - 1e-6F;
    }
}

static void scan_chunk(search *s, const eng_chunk *c, size_t from)
{
    row_score r = {UINT32_MAX, -3, -3};
    int32_t dots[BATCH];
    for (size_t at = from; at < c->count; at += BATCH) {
        size_t count = c->count - at < BATCH ? c->count - at : BATCH;
        uint64_t mask = wanted(s, c, at, count);
        const int8_t *codes = c->codes + at * c->stride;
        bool dense = __builtin_popcountll(mask) > SPARSE;
        if (!mask)
            continue;
        if (dense)
            s->kern->dot_i8_rows(s->codes, codes, count, c->stride, c->stride, dots);
        for (uint64_t left = dense ? 0 : mask; left; left &= left - 1) {
            size_t i = (size_t)__builtin_ctzll(left);
            dots[i] = s->kern->dot_i8(s->codes, codes + i * c->stride, c->stride);
        }
        if (c->single) {
            offer_batch(s, c, at, mask, dots);
            continue;
        }
        for (; mask; mask &= mask - 1) {
            size_t i = (size_t)__builtin_ctzll(mask);
            take(s, &r, c->rows[at + i], c->kinds[at + i],
                 (float)dots[i] * s->scale * c->scales[at + i]);
        }
    }
    offer(s, &r);
}

/* ---- Exact scores ------------------------------------------------------------------------------------------- */

static eng_status exact(const search *s, uint32_t row, float *out, eng_error *err)
{
    row_score r = {row, -3, -3};
    for (size_t k = 0; k < s->state->chunk_count; k++) {
        const eng_chunk *c = &s->state->chunks[k];
        if (c->count == 0 || row < c->rows[0] || row > c->rows[c->count - 1])
            continue;
        for (size_t i = eng_chunk_find(c, row); i < c->count && c->rows[i] == row; i++) {
            const float *v = eng_chunk_values(c, i, err);
            if (!v)
                return ENG_ECORRUPT;
            float score = s->kern->dot_f32(s->query, v, s->dim);
            float *best = c->kinds[i] == ENG_VECTOR_PASSAGE ? &r.whole : &r.sentence;
            *best = score > *best ? score : *best;
        }
        break;
    }
    *out = r.whole < -2 && r.sentence < -2 ? NAN : combined(&r, s->sentences);
    return ENG_OK;
}

static eng_status begin(search *s, const eng_state *state, const eng_index_query *query,
                        uint32_t dim, eng_error *err)
{
    *s = (search){.state = state,
                  .kern = eng_kern_get(),
                  .dim = dim,
                  .stride = eng_code_stride(dim),
                  .sentences = query->sentences < 0   ? 0
                               : query->sentences > 1 ? 1
                                                      : query->sentences};
    s->query = eng_alloc_array(dim, sizeof *s->query);
    s->codes = eng_alloc(s->stride);
    if (!s->query || !s->codes)
        return eng_fail_nomem(err);
    if (!eng_unit(query->vector, dim, s->query))
        return eng_fail(err, ENG_EINVALID, "the question's vector has no direction");
    s->scale = eng_encode(s->query, dim, s->codes);
    return ENG_OK;
}

static void end(search *s)
{
    eng_free(s->query);
    eng_free(s->codes);
    eng_free(s->pool.items);
}

eng_status eng_dense_score(const eng_state *state, const eng_index_query *query, uint32_t dim,
                           const uint32_t *rows, size_t count, float *scores, eng_error *err)
{
    search s;
    eng_status status = begin(&s, state, query, dim, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        status = exact(&s, rows[i], &scores[i], err);
    end(&s);
    return status;
}

/* ---- Searching ---------------------------------------------------------------------------------------------- */

/* Everything that the graph does not have, or all of it. */
static eng_status scan(search *s, uint32_t covered, eng_error *err)
{
    for (size_t k = 0; k < s->state->chunk_count; k++) {
        const eng_chunk *c = &s->state->chunks[k];
        size_t from = covered ? eng_chunk_find(c, covered) : 0;
        if (from == c->count)
            continue;
        eng_status status = eng_chunk_codes(c, err);
        if (status < 0)
            return status;
        scan_chunk(s, c, from);
    }
    return ENG_OK;
}

/* What the graph finds goes into the pool by its nearest vector. */
static eng_status walk(search *s, uint32_t covered, size_t effort, eng_error *err)
{
    eng_graph_query q = {s->codes, effort, s->allowed, covered};
    size_t count = 0;
    eng_graph_hit *hits = eng_alloc_array(effort + 1, sizeof *hits);
    eng_status status = hits ? eng_graph_search(s->state->graph, &q, hits, &count, err)
                             : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        eng_heap_keep(&s->pool, key_of(hits[i].similarity * s->scale), hits[i].row);
    eng_free(hits);
    return status;
}

static int best_first(const void *a, const void *b)
{
    const eng_best *x = a, *y = b;
    return eng_heap_worse(x, y) - eng_heap_worse(y, x);
}

/*
 * The pool's rows by their exact scores. What is too far behind the last that is wanted cannot come
 * before it, whatever the codes have lost: it is left out, where the pool's scores are of whole rows.
 */
static eng_status rescore(search *s, size_t limit, bool whole_rows, eng_hit *out, size_t *count,
                          eng_error *err)
{
    eng_heap best = {.limit = limit < s->pool.count ? limit : s->pool.count};
    eng_status status = ENG_OK;
    uint32_t least = 0;
    if (best.limit == 0)
        return ENG_OK;
    qsort(s->pool.items, s->pool.count, sizeof *s->pool.items, best_first);
    if (whole_rows)
        least = s->pool.items[best.limit - 1].score - (uint32_t)(MARGIN * KEY_ONE);
    best.items = eng_alloc_array(best.limit + 1, sizeof *best.items);
    if (!best.items)
        return eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < s->pool.count; i++) {
        float score;
        if (s->pool.items[i].score < least)
            break;
        status = exact(s, s->pool.items[i].row, &score, err);
        if (status == ENG_OK && !isnan(score))
            eng_heap_keep(&best, key_of(score), s->pool.items[i].row);
    }
    *count = status == ENG_OK ? best.count : 0;
    while (status == ENG_OK && best.count > 0) {
        eng_best worst = eng_heap_take(&best);
        out[best.count] = eng_state_hit(s->state, worst.row, (float)worst.score / KEY_ONE - 2);
    }
    eng_free(best.items);
    return status;
}

/*
 * Whether to go through the graph. A scan costs what may be found, a walk its effort over the share
 * that may be found; the filter's answer has to be exact where it leaves little.
 */
static bool is_walk(const search *s, const eng_index_query *query, uint32_t covered, size_t effort)
{
    uint64_t nodes = eng_graph_nodes(s->state->graph), wanted = s->state->alive;
    if (query->exact || nodes == 0 || covered == 0)
        return false;
    if (s->allowed != s->state->live)
        wanted = eng_bits_count(s->allowed, eng_bits_words(s->state->rows));
    if (wanted * NARROW <= s->state->alive)
        return false;
    if (query->effort)
        return true;
    double share = (double)wanted / (double)(s->state->alive ? s->state->alive : 1);
    double vectors = (double)nodes * share;
    return vectors * SCAN_COST > (double)effort / share * WALK_COST;
}

static eng_status find_pool(search *s, const eng_index_query *query, size_t limit, bool *whole_rows,
                            eng_error *err)
{
    uint32_t covered = eng_graph_rows(s->state->graph);
    covered = covered < s->state->rows ? covered : s->state->rows;
    bool several = s->state->vectors > s->state->docs;
    size_t effort = query->effort ? query->effort : EFFORT;
    /* The same for every small limit: what is found must not depend on how much is asked for. */
    effort = effort < limit ? limit > LEAST ? limit + limit / 4 : limit : effort;
    effort = several ? effort * 2 : effort;
    bool walked = is_walk(s, query, covered, effort);
    s->pool.limit = (limit < LEAST ? LEAST : limit) * POOL;
    s->pool.limit = walked && s->pool.limit < effort ? effort : s->pool.limit;
    s->pool.items = eng_alloc_array(s->pool.limit, sizeof *s->pool.items);
    *whole_rows = !walked || !several;
    if (!s->pool.items)
        return eng_fail_nomem(err);
    eng_status status = walked ? walk(s, covered, effort, err) : ENG_OK;
    return status < 0 ? status : scan(s, walked ? covered : 0, err);
}

eng_status eng_dense_search(const eng_state *state, const eng_index_query *query, uint32_t dim,
                            const uint64_t *allowed, eng_hit *out, size_t *count, eng_error *err)
{
    search s;
    bool whole_rows;
    size_t limit = query->limit < state->alive ? query->limit : state->alive;
    *count = 0;
    if (limit == 0)
        return ENG_OK;
    eng_status status = begin(&s, state, query, dim, err);
    s.allowed = allowed ? allowed : state->live;
    if (status == ENG_OK)
        status = find_pool(&s, query, limit, &whole_rows, err);
    if (status == ENG_OK)
        status = rescore(&s, limit, whole_rows, out, count, err);
    end(&s);
    return status;
}
