/*
 * The embedded backend: putting passages in, taking them out, and views.
 *
 * Whoever changes something makes the next state beside the present one and then exchanges the pointer,
 * so readers never see half of a change and never wait for one.
 */
#include "index/index_internal.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { DIM_MAX = 4096, LIMIT_MAX = 1 << 20 };
static const size_t HEAD_BYTES = (size_t)32 << 20;
static const size_t GRAPH_FROM = 50000;

static eng_embedded *embedded(eng_index *x) { return (eng_embedded *)x; }
static eng_embedded_view *viewed(eng_index_view *view) { return (eng_embedded_view *)view; }

/* ---- The present state ------------------------------------------------------------------------------------ */

eng_state *eng_embedded_state(eng_embedded *x)
{
    pthread_mutex_lock(&x->guard);
    eng_state *s = eng_state_ref(x->state);
    pthread_mutex_unlock(&x->guard);
    return s;
}

void eng_embedded_publish(eng_embedded *x, eng_state *state)
{
    pthread_mutex_lock(&x->guard);
    eng_state *old = x->state;
    x->state = state;
    pthread_mutex_unlock(&x->guard);
    eng_state_unref(old);
}

static eng_status take_analyzer(eng_embedded *x, eng_analyzer **out, eng_error *err)
{
    pthread_mutex_lock(&x->guard);
    *out = x->analyzer_count ? x->analyzers[--x->analyzer_count] : NULL;
    pthread_mutex_unlock(&x->guard);
    return *out ? ENG_OK : eng_analyzer_new(out, err);
}

static void give_analyzer(eng_embedded *x, eng_analyzer *a)
{
    pthread_mutex_lock(&x->guard);
    if (x->analyzer_count < ENG_ANALYZERS) {
        x->analyzers[x->analyzer_count++] = a;
        a = NULL;
    }
    pthread_mutex_unlock(&x->guard);
    eng_analyzer_free(a);
}

/* ---- Changes ---------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t id;
    size_t at;
} place;

static int by_id_and_place(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The items without those that come again later; in their order. */
static eng_status last_of_each(const eng_index_item *items, size_t count, eng_index_item **out,
                               size_t *kept, eng_error *err)
{
    place *places = eng_alloc_array(count, sizeof *places);
    eng_index_item *copy = eng_alloc_array(count, sizeof *copy);
    uint8_t *again = eng_zalloc(count);
    eng_status status = places && copy && again ? ENG_OK : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        places[i] = (place){items[i].id, i};
        if (items[i].id == 0 || items[i].id == UINT64_MAX)
            status = eng_fail(err, ENG_EINVALID, "a passage's id is 0 or too large");
    }
    if (status == ENG_OK) {
        qsort(places, count, sizeof *places, by_id_and_place);
        for (size_t i = 0; i + 1 < count; i++)
            again[places[i].at] = places[i].id == places[i + 1].id;
        *kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (!again[i])
                copy[(*kept)++] = items[i];
        }
        *out = copy;
        copy = NULL;
    }
    eng_free(places);
    eng_free(copy);
    eng_free(again);
    return status;
}

/* The words of what is there already, once. */
static eng_status read_vocabulary(eng_embedded *x, eng_error *err)
{
    for (size_t i = 0; !x->vocabulary_read && i < x->state->segment_count; i++) {
        eng_status status = eng_vocabulary_add(&x->vocabulary, &x->state->segments[i], err);
        if (status < 0) {
            eng_vocabulary_clear(&x->vocabulary);
            return status;
        }
    }
    x->vocabulary_read = true;
    return ENG_OK;
}

/* The next state: `segment` and `chunk` behind what is there, their ids alive in them alone. */
static eng_state *with_new(const eng_state *old, const eng_segment *segment, const eng_chunk *chunk)
{
    eng_state *s = eng_state_copy(old, 1, 1, old->rows + segment->rows);
    if (!s)
        return NULL;
    for (uint32_t i = 0; i < segment->rows; i++) {
        uint32_t before = eng_state_row(old, segment->ids[i]);
        if (before != UINT32_MAX)
            eng_bit_clear(s->live, before);
        eng_bit_set(s->live, segment->base + i);
    }
    s->segments[s->segment_count++] = *segment;
    eng_image_ref(segment->image);
    if (chunk->image) {
        s->chunks[s->chunk_count++] = *chunk;
        eng_image_ref(chunk->image);
    }
    eng_state_finish(s);
    return s;
}

static eng_status put_in(eng_embedded *x, eng_analyzer *a, const eng_index_item *items,
                         size_t count, uint64_t mark, eng_error *err)
{
    eng_state *old = x->state;
    eng_segment segment = {0};
    eng_chunk chunk = {0};
    if (count > UINT32_MAX / 2 - old->rows)
        return eng_fail(err, ENG_ETOOBIG, "index: no more rows: rebuild it");
    eng_status status = read_vocabulary(x, err);
    if (status < 0)
        return status;
    eng_build_options options = {.base = old->rows,
                                 .grams = x->grams,
                                 .count = eng_vocabulary_count,
                                 .count_ctx = &x->vocabulary,
                                 .mean = old->mean};
    if (x->dim)
        status = eng_chunk_build(items, count, old->rows, x->dim, &chunk, err);
    if (status == ENG_OK)
        status = eng_build_segment(a, items, count, &options, &segment, err);
    eng_state *next = status == ENG_OK ? with_new(old, &segment, &chunk) : NULL;
    if (status == ENG_OK && !next)
        status = eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_vocabulary_add(&x->vocabulary, &segment, err);
    if (status == ENG_OK) {
        next->mark = mark;
        x->unsaved = true;
        eng_embedded_publish(x, next);
    } else {
        eng_state_unref(next);
    }
    eng_image_unref(segment.image);
    eng_image_unref(chunk.image);
    return status;
}

static eng_status upsert(eng_index *self, const eng_index_item *items, size_t count, uint64_t mark,
                         eng_error *err)
{
    eng_embedded *x = embedded(self);
    eng_index_item *kept = NULL;
    eng_analyzer *a = NULL;
    if (count == 0)
        return ENG_OK;
    eng_status status = last_of_each(items, count, &kept, &count, err);
    if (status == ENG_OK)
        status = take_analyzer(x, &a, err);
    if (status == ENG_OK) {
        pthread_mutex_lock(&x->writing);
        status = put_in(x, a, kept, count, mark, err);
        pthread_mutex_unlock(&x->writing);
        give_analyzer(x, a);
    }
    eng_free(kept);
    /* What is put in one by one must not become thousands of segments. That this has no memory left is
     * no failure of what was put in. */
    if (status == ENG_OK && pthread_mutex_trylock(&x->merging) == 0) {
        eng_error ignored;
        eng_status tidy = eng_upkeep_small(x, &ignored);
        (void)tidy;
        pthread_mutex_unlock(&x->merging);
    }
    return status;
}

static eng_status remove_ids(eng_index *self, const uint64_t *ids, size_t count, uint64_t mark,
                             eng_error *err)
{
    eng_embedded *x = embedded(self);
    eng_status status = ENG_OK;
    pthread_mutex_lock(&x->writing);
    eng_state *next = eng_state_copy(x->state, 0, 0, x->state->rows);
    if (next) {
        for (size_t i = 0; i < count; i++) {
            uint32_t row = eng_state_row(x->state, ids[i]);
            if (row != UINT32_MAX)
                eng_bit_clear(next->live, row);
        }
        eng_state_finish(next);
        next->mark = mark;
        x->unsaved = true;
        eng_embedded_publish(x, next);
    } else {
        status = eng_fail_nomem(err);
    }
    pthread_mutex_unlock(&x->writing);
    return status;
}

static eng_status flush(eng_index *self, eng_error *err)
{
    eng_embedded *x = embedded(self);
    pthread_mutex_lock(&x->merging);
    eng_status status = x->dir ? eng_upkeep_flush(x, err) : ENG_OK;
    pthread_mutex_unlock(&x->merging);
    return status;
}

static eng_status step(eng_index *self, bool *more, eng_error *err)
{
    eng_embedded *x = embedded(self);
    bool again = false;
    pthread_mutex_lock(&x->merging);
    eng_status status = eng_upkeep_step(x, &again, err);
    pthread_mutex_unlock(&x->merging);
    if (status == ENG_OK)
        *more = again;
    return status;
}

/* What is open remembers which blocks were sound when they were first read: so the folder is looked at
 * once more from outside, while its files stay what they are. */
static eng_status check_folder(eng_embedded *x, eng_error *err)
{
    eng_index_options options = {.dir = x->dir, .look = true};
    eng_index *seen = NULL;
    pthread_mutex_lock(&x->merging);
    eng_status status = eng_index_open(&options, &seen, err);
    if (status == ENG_OK) {
        status = eng_index_check(seen, err);
        eng_index_close(seen);
    }
    pthread_mutex_unlock(&x->merging);
    return status;
}

static eng_status check(eng_index *self, eng_error *err)
{
    if (embedded(self)->dir && !embedded(self)->look)
        return check_folder(embedded(self), err);
    eng_state *s = eng_embedded_state(embedded(self));
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < s->segment_count; i++)
        status = eng_image_check(s->segments[i].image, 0, s->segments[i].image->len, err);
    for (size_t i = 0; status == ENG_OK && i < s->chunk_count; i++)
        status = eng_image_check(s->chunks[i].image, 0, s->chunks[i].image->len, err);
    eng_state_unref(s);
    return status;
}

static unsigned capabilities(const eng_index *self)
{
    const eng_embedded *x = (const eng_embedded *)self;
    return ENG_INDEX_BM25 | ENG_INDEX_PHRASES | ENG_INDEX_FILTERS | ENG_INDEX_EXPLAIN |
           ENG_INDEX_VIEWS | (x->grams ? ENG_INDEX_GRAMS : 0) |
           (x->dim ? ENG_INDEX_DENSE | ENG_INDEX_SENTENCES : 0);
}

/* ---- Views ------------------------------------------------------------------------------------------------ */

static eng_status view(eng_index *self, eng_index_view **out, eng_error *err)
{
    eng_embedded_view *v = eng_alloc(sizeof *v);
    if (!v)
        return eng_fail_nomem(err);
    *v = (eng_embedded_view){.head = {self->ops}, .index = embedded(self)};
    v->state = eng_embedded_state(v->index);
    *out = &v->head;
    return ENG_OK;
}

static void view_free(eng_index_view *self)
{
    eng_state_unref(viewed(self)->state);
    eng_free(self);
}

static uint64_t memory_of(const eng_image *image) { return image->owned ? image->len : 0; }

static void stats(eng_index_view *self, eng_index_stats *out)
{
    const eng_state *s = viewed(self)->state;
    *out = (eng_index_stats){.passages = s->alive,
                             .vectors = s->vectors,
                             .dead = s->docs - s->alive,
                             .words = s->words,
                             .segments = s->segment_count,
                             .graph = eng_graph_nodes(s->graph),
                             .memory = eng_graph_memory(s->graph),
                             .mark = atomic_load(&viewed(self)->index->flushed_mark),
                             .last = s->mark};
    for (size_t i = 0; i < s->segment_count; i++)
        out->memory += memory_of(s->segments[i].image);
    for (size_t i = 0; i < s->chunk_count; i++)
        out->memory += memory_of(s->chunks[i].image);
}

/* ---- Questions -------------------------------------------------------------------------------------------- */

/* What a question needs while it is answered. */
typedef struct {
    const eng_state *state;
    const eng_index_query *query;
    eng_arena arena;
    eng_plan plan;
    uint64_t *allowed; /* NULL: all that are alive */
} asking;

static eng_status check_query(const eng_embedded *x, const eng_index_query *q, eng_error *err)
{
    if (q->mode >= ENG_MODES)
        return eng_fail(err, ENG_EINVALID, "no such mode");
    if (q->mode == ENG_MODE_DENSE && (!x->dim || !q->vector))
        return eng_fail(err, ENG_EINVALID, "a search by meaning needs vectors");
    if (q->limit > LIMIT_MAX)
        return eng_fail(err, ENG_EINVALID, "limit: at most %d", LIMIT_MAX);
    return ENG_OK;
}

static eng_status make_plan(eng_embedded *x, asking *a, eng_error *err)
{
    eng_analyzer *analyzer;
    if (a->query->mode == ENG_MODE_DENSE)
        return ENG_OK;
    eng_status status = take_analyzer(x, &analyzer, err);
    if (status < 0)
        return status;
    status = eng_plan_make(a->state, analyzer, a->query, &a->arena, &a->plan, err);
    give_analyzer(x, analyzer);
    return status;
}

static eng_status restrict_rows(asking *a, eng_error *err)
{
    size_t words = eng_bits_words(a->state->rows);
    if (!a->query->filter && a->plan.phrase_count == 0)
        return ENG_OK;
    a->allowed = eng_arena_alloc(&a->arena, (words + 1) * sizeof *a->allowed);
    if (!a->allowed)
        return eng_fail_nomem(err);
    memcpy(a->allowed, a->state->live, words * sizeof *a->allowed);
    eng_status status = ENG_OK;
    if (a->query->filter)
        status = eng_filter_rows(a->state, a->query->filter, a->allowed, err);
    if (status == ENG_OK)
        status = eng_phrase_filter(a->state, &a->plan, a->allowed, &a->arena, err);
    return status;
}

static eng_status candidates(eng_index_view *self, const eng_index_query *query, eng_hit *out,
                             size_t *count, eng_error *err)
{
    eng_embedded *x = viewed(self)->index;
    asking a = {.state = viewed(self)->state, .query = query};
    size_t found = 0;
    eng_status status = check_query(x, query, err);
    if (status < 0)
        return status;
    eng_arena_init(&a.arena, 16384, NULL);
    status = make_plan(x, &a, err);
    if (status == ENG_OK)
        status = restrict_rows(&a, err);
    if (status == ENG_OK)
        status = query->mode == ENG_MODE_DENSE
                     ? eng_dense_search(a.state, query, x->dim, a.allowed, out, &found, err)
                     : eng_bm25_search(a.state, &a.plan, a.allowed, query->limit, out, &found, err);
    if (status == ENG_OK)
        *count = found;
    eng_arena_clear(&a.arena);
    return status;
}

typedef struct {
    uint32_t row;
    uint32_t at;
} row_place;

static int by_row(const void *a, const void *b)
{
    const row_place *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* The rows of ids, ascending; those that are not there come last. */
static row_place *rows_of(const eng_state *s, const uint64_t *ids, size_t count, uint32_t **rows,
                          size_t *there, eng_arena *arena)
{
    row_place *places = eng_arena_array(arena, count + 1, sizeof *places);
    *rows = eng_arena_array(arena, count + 1, sizeof **rows);
    *there = 0;
    if (!places || !*rows)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        places[i] = (row_place){eng_state_row(s, ids[i]), (uint32_t)i};
        *there += places[i].row != UINT32_MAX;
    }
    qsort(places, count, sizeof *places, by_row);
    for (size_t i = 0; i < count; i++)
        (*rows)[i] = places[i].row;
    return places;
}

static eng_status score(eng_index_view *self, const eng_index_query *query, const uint64_t *ids,
                        size_t count, float *out, eng_error *err)
{
    eng_embedded *x = viewed(self)->index;
    asking a = {.state = viewed(self)->state, .query = query};
    uint32_t *rows;
    size_t there;
    eng_status status = check_query(x, query, err);
    if (status < 0)
        return status;
    eng_arena_init(&a.arena, 16384, NULL);
    row_place *places = rows_of(a.state, ids, count, &rows, &there, &a.arena);
    float *scores = eng_arena_array(&a.arena, count + 1, sizeof *scores);
    status = places && scores ? make_plan(x, &a, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = query->mode == ENG_MODE_DENSE
                     ? eng_dense_score(a.state, query, x->dim, rows, there, scores, err)
                     : eng_bm25_score(a.state, &a.plan, rows, there, scores, NULL, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        out[places[i].at] = i < there ? scores[i] : NAN;
    eng_arena_clear(&a.arena);
    return status;
}

static eng_status tell(const asking *a, const float *shares, eng_arena *arena, eng_term_share **out,
                       size_t *count, eng_error *err)
{
    eng_term_share *told = eng_arena_array(arena, a->plan.count + 1, sizeof *told);
    if (!told)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < a->plan.count; i++) {
        const eng_plan_term *t = &a->plan.terms[i];
        eng_str term = eng_arena_copy(arena, eng_str_sub(t->key, 1, t->key.len));
        if (!term.ptr)
            return eng_fail_nomem(err);
        told[i] = (eng_term_share){term, t->start, t->end, t->kind, t->idf, shares[i]};
    }
    *out = told;
    *count = a->plan.count;
    return ENG_OK;
}

static eng_status explain(eng_index_view *self, const eng_index_query *query, uint64_t id,
                          eng_arena *arena, eng_term_share **out, size_t *count, eng_error *err)
{
    eng_embedded *x = viewed(self)->index;
    asking a = {.state = viewed(self)->state, .query = query};
    float total;
    eng_status status = check_query(x, query, err);
    if (status < 0)
        return status;
    uint32_t row = eng_state_row(a.state, id);
    eng_arena_init(&a.arena, 16384, NULL);
    status = make_plan(x, &a, err);
    float *shares = eng_arena_zalloc(&a.arena, (a.plan.count + 1) * sizeof *shares);
    if (status == ENG_OK && !shares)
        status = eng_fail_nomem(err);
    if (status == ENG_OK && row != UINT32_MAX)
        status = eng_bm25_score(a.state, &a.plan, &row, 1, &total, shares, err);
    if (status == ENG_OK)
        status = tell(&a, shares, arena, out, count, err);
    eng_arena_clear(&a.arena);
    return status;
}

/* The smallest id above `after` that each segment has yet to give. */
static void scroll_segments(const eng_state *s, const uint64_t *rows, uint64_t after, size_t limit,
                            size_t *next, eng_hit *out, size_t *count)
{
    for (size_t i = 0; i < s->segment_count; i++) {
        const eng_segment *seg = &s->segments[i];
        size_t low = 0, high = seg->docs;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (seg->ids[seg->order[middle]] <= after)
                low = middle + 1;
            else
                high = middle;
        }
        next[i] = low;
    }
    *count = 0;
    while (*count < limit) {
        size_t least = s->segment_count;
        uint64_t id = UINT64_MAX;
        for (size_t i = 0; i < s->segment_count; i++) {
            const eng_segment *seg = &s->segments[i];
            while (next[i] < seg->docs && !eng_bit(rows, seg->base + seg->order[next[i]]))
                next[i]++;
            if (next[i] < seg->docs && seg->ids[seg->order[next[i]]] < id) {
                id = seg->ids[seg->order[next[i]]];
                least = i;
            }
        }
        if (least == s->segment_count)
            break;
        const eng_segment *seg = &s->segments[least];
        out[(*count)++] = (eng_hit){id, seg->documents[seg->order[next[least]++]], 0};
    }
}

static eng_status scroll(eng_index_view *self, const eng_filter *filter, uint64_t after,
                         size_t limit, eng_hit *out, size_t *count, eng_error *err)
{
    const eng_state *s = viewed(self)->state;
    uint64_t *rows = NULL;
    eng_status status = ENG_OK;
    size_t *next = eng_alloc_array(s->segment_count + 1, sizeof *next);
    if (filter)
        rows = eng_zalloc((eng_bits_words(s->rows) + 1) * sizeof *rows);
    if (!next || (filter && !rows))
        status = eng_fail_nomem(err);
    if (status == ENG_OK && filter)
        status = eng_filter_rows(s, filter, rows, err);
    if (status == ENG_OK)
        scroll_segments(s, rows ? rows : s->live, after, limit, next, out, count);
    eng_free(next);
    eng_free(rows);
    return status;
}

static eng_status vectors(eng_index_view *self, const uint64_t *ids, size_t count, float *out,
                          eng_error *err)
{
    const eng_state *s = viewed(self)->state;
    uint32_t dim = viewed(self)->index->dim;
    for (size_t i = 0; i < count; i++) {
        uint32_t row = eng_state_row(s, ids[i]);
        memset(out + i * dim, 0, dim * sizeof *out);
        for (size_t c = 0; row != UINT32_MAX && c < s->chunk_count; c++) {
            const eng_chunk *chunk = &s->chunks[c];
            size_t at = eng_chunk_find(chunk, row);
            if (at == chunk->count || chunk->rows[at] != row)
                continue;
            const float *v = eng_chunk_values(chunk, at, err);
            if (!v)
                return ENG_ECORRUPT;
            memcpy(out + i * dim, v, dim * sizeof *out);
            break;
        }
    }
    return ENG_OK;
}

/* ---- Opening ---------------------------------------------------------------------------------------------- */

static void close_embedded(eng_index *self)
{
    eng_embedded *x = embedded(self);
    eng_state_unref(x->state);
    eng_graph_unref(x->growing);
    for (size_t i = 0; i < x->analyzer_count; i++)
        eng_analyzer_free(x->analyzers[i]);
    eng_vocabulary_clear(&x->vocabulary);
    pthread_mutex_destroy(&x->merging);
    pthread_mutex_destroy(&x->writing);
    pthread_mutex_destroy(&x->guard);
    eng_free(x->dir);
    eng_free(x);
}

static const eng_index_ops embedded_ops = {
    .name = "embedded",
    .upsert = upsert,
    .remove = remove_ids,
    .flush = flush,
    .step = step,
    .check = check,
    .capabilities = capabilities,
    .close = close_embedded,
    .view = view,
    .view_free = view_free,
    .stats = stats,
    .candidates = candidates,
    .score = score,
    .explain = explain,
    .scroll = scroll,
    .vectors = vectors,
};

eng_status eng_index_open(const eng_index_options *options, eng_index **out, eng_error *err)
{
    if (options->dim > DIM_MAX)
        return eng_fail(err, ENG_EINVALID, "vectors of at most %d numbers", DIM_MAX);
    eng_embedded *x = eng_zalloc(sizeof *x);
    if (!x)
        return eng_fail_nomem(err);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    x->head.ops = &embedded_ops;
    x->look = options->look;
    x->dim = options->dim;
    x->grams = !options->no_grams;
    x->head_bytes = options->head_bytes ? options->head_bytes : HEAD_BYTES;
    x->graph_from = options->graph_from ? options->graph_from : GRAPH_FROM;
    x->threads = options->threads ? options->threads : processors > 0 ? (uint32_t)processors : 1;
    pthread_mutex_init(&x->merging, NULL);
    pthread_mutex_init(&x->writing, NULL);
    pthread_mutex_init(&x->guard, NULL);
    eng_vocabulary_init(&x->vocabulary);
    eng_status status = ENG_OK;
    if (options->dir) {
        x->dir = eng_strdup(eng_str_of(options->dir));
        if (!x->dir)
            status = eng_fail_nomem(err);
        else if (!x->look)
            status = eng_dir_make(x->dir, 0700, err);
        if (status == ENG_OK)
            status = eng_parts_read(x, err);
    } else {
        x->state = eng_state_empty();
        status = x->state ? ENG_OK : eng_fail_nomem(err);
    }
    if (status < 0) {
        close_embedded(&x->head);
        return status;
    }
    *out = &x->head;
    return ENG_OK;
}
