/*
 * A question into passages.
 *
 *     encode the question -> candidates from a view of the index -> read them from the store
 *
 * The index may show a passage that the store no longer has: its document was replaced or removed, and
 * the writer has not come to the index yet. Then the reader waits until the writer has, and looks again.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/knowledge.h"

#include <math.h>

enum { TOP_K = 5, TOP_K_MAX = 1000, PREFIX = 100, LOOKS = 20 };

typedef struct {
    eng_results results;
    eng_arena arena;
} found;

typedef struct {
    eng *e;
    const eng_search_query *query;
    eng_shelf *shelf;
    found *out;
    unsigned top_k;
    bool dense, words;
    const float *vector;
    const eng_filter *filter;
    eng_fused *items;
    size_t count;
    uint64_t *shown; /* the id of each result's passage */
} search;

static double since(uint64_t from) { return (double)(eng_clock_ns() - from) / 1e6; }

static eng_status refuse(eng_error *err, const char *field, const char *why)
{
    return eng_fail_field(err, ENG_EINVALID, eng_str_of(field), "%s", why);
}

static eng_status check(const eng_search_query *q, eng_error *err)
{
    if (!eng_str_trim(q->text).len)
        return refuse(err, "query", "expected more than blanks");
    if (q->top_k > TOP_K_MAX)
        return refuse(err, "top_k", "expected 1 to 1000");
    if (!(q->threshold >= 0 && q->threshold <= 1))
        return refuse(err, "threshold", "expected 0 to 1");
    return ENG_OK;
}

/* ---- The question's vector ---- */

static eng_status encode(search *s, eng_error *err)
{
    eng_lent_encoder lent;
    eng_rag_encoder encoder;
    uint64_t from = eng_clock_ns();
    float *vector = eng_arena_array(&s->out->arena, s->shelf->dims + 1u, sizeof *vector);
    if (!vector)
        return eng_fail_nomem(err);
    eng_status status = eng_encoder_lend(s->e, s->shelf->model, &lent, &encoder, err);
    lent.cancelled = s->query->cancelled;
    lent.ctx = s->query->ctx;
    if (status == ENG_OK)
        status = encoder.encode(encoder.ctx, &s->query->text, 1, true, vector, err);
    eng_encoder_back(&lent);
    s->vector = vector;
    s->out->results.embed_ms = since(from);
    return status;
}

/* ---- Candidates ---- */

static eng_status by_one_mode(search *s, eng_index_view *view, eng_index_query *q, eng_mode mode,
                              eng_error *err)
{
    eng_hit *hits = eng_arena_array(&s->out->arena, q->limit + 1, sizeof *hits);
    if (!hits)
        return eng_fail_nomem(err);
    size_t n = q->limit;
    q->mode = mode;
    eng_status status = eng_index_candidates(view, q, hits, &n, err);
    for (size_t i = 0; status == ENG_OK && i < n; i++) {
        s->items[i] = (eng_fused){.id = hits[i].id,
                                  .document = hits[i].document,
                                  .score = {NAN, NAN, NAN},
                                  .fused = eng_score_unit(mode, hits[i].score)};
        s->items[i].score[mode] = hits[i].score;
    }
    s->count = n;
    return status;
}

static eng_status candidates(search *s, eng_index_view *view, size_t limit, eng_error *err)
{
    eng_index_query q = {.text = s->query->text,
                         .vector = s->vector,
                         .sentences = 0.5f,
                         .filter = s->filter,
                         .limit = limit};
    s->items = eng_arena_array(&s->out->arena, limit + 1, sizeof *s->items);
    if (!s->items)
        return eng_fail_nomem(err);
    if (!s->dense)
        return by_one_mode(s, view, &q, ENG_MODE_BM25, err);
    if (!s->words)
        return by_one_mode(s, view, &q, ENG_MODE_DENSE, err);
    s->count = limit;
    return eng_index_search(view, &q, NULL, s->items, &s->count, NULL, err);
}

/* Keeps each document's best passage. */
static void group(search *s, eng_map *seen)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        eng_str key = {(const char *)&s->items[i].document, sizeof s->items[i].document};
        if (eng_map_get(seen, key))
            continue;
        s->items[n] = s->items[i];
        key.ptr = (const char *)&s->items[n].document;
        if (eng_map_put(seen, key, s, NULL, NULL) < 0)
            continue;
        n++;
    }
    s->count = n;
}

/* Enough candidates for top_k documents: more, until there are as many or no more passages. */
static eng_status grouped(search *s, eng_index_view *view, eng_error *err)
{
    eng_index_stats stats;
    eng_index_view_stats(view, &stats);
    for (size_t limit = s->top_k * 8u > PREFIX ? s->top_k * 8u : PREFIX;; limit *= 4) {
        eng_status status = candidates(s, view, limit, err);
        if (status < 0)
            return status;
        bool all = s->count < limit;
        eng_map seen;
        eng_map_init(&seen);
        group(s, &seen);
        eng_map_clear(&seen);
        if (all || s->count >= s->top_k || limit > stats.passages)
            return ENG_OK;
    }
}

/* Where making it anew failed (no memory, a full disk), the next to hold the shelf tries again. */
static eng_status has_index(const search *s, eng_error *err)
{
    return s->shelf->index ? ENG_OK
                           : eng_fail(err, ENG_EBUSY, "the collection's index is made anew");
}

static eng_status look(search *s, eng_error *err)
{
    eng_index_view *view;
    if (has_index(s, err) < 0)
        return ENG_EBUSY;
    eng_status status = eng_index_view_new(s->shelf->index, &view, err);
    if (status < 0)
        return status;
    if (s->query->group_by_document)
        status = grouped(s, view, err);
    else
        status = candidates(s, view, s->top_k, err);
    eng_index_view_free(view);
    if (status < 0)
        return status;
    if (s->count > s->top_k)
        s->count = s->top_k;
    size_t n = 0;
    while (n < s->count && (double)s->items[n].fused >= s->query->threshold)
        n++;
    s->count = n;
    return ENG_OK;
}

/* ---- Reading them ---- */

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t *sorted_ids(search *s, bool documents, eng_error *err)
{
    int64_t *ids = eng_arena_array(&s->out->arena, s->count + 1, sizeof *ids);
    if (!ids) {
        (void)eng_fail_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < s->count; i++)
        ids[i] = (int64_t)(documents ? s->items[i].document : s->items[i].id);
    qsort(ids, s->count, sizeof *ids, by_id);
    return ids;
}

static double unit_of(eng_mode mode, float score)
{
    return isnan(score) ? (double)NAN : (double)eng_score_unit(mode, score);
}

static const char *text_of(eng_str s) { return s.ptr ? s.ptr : ""; }

static void show(const eng_fused *item, const eng_store_passage *p, const eng_store_document *d,
                 eng_result *out)
{
    *out = (eng_result){.document = d->name.ptr,
                        .title = text_of(d->title),
                        .url = text_of(d->url),
                        .passage = p->place,
                        .start = p->start,
                        .end = p->end,
                        .text = p->text.ptr,
                        .score = (double)item->fused,
                        .dense = unit_of(ENG_MODE_DENSE, item->score[ENG_MODE_DENSE]),
                        .bm25 = unit_of(ENG_MODE_BM25, item->score[ENG_MODE_BM25]),
                        .metadata = d->metadata.len ? d->metadata.ptr : "{}",
                        .heading = text_of(p->heading)};
}

static size_t place_of(const int64_t *ids, size_t count, int64_t id)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (ids[mid] < id)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static void take(search *s, const eng_fused *item, const eng_store_passage *p,
                 const eng_store_document *d)
{
    size_t n = s->out->results.count++;
    s->shown[n] = item->id;
    show(item, p, d, &s->out->results.items[n]);
}

/* *missing counts what the store no longer has. */
static eng_status read_all(search *s, size_t *missing, eng_error *err)
{
    eng_arena *arena = &s->out->arena;
    int64_t *ids = sorted_ids(s, false, err), *documents = ids ? sorted_ids(s, true, err) : NULL;
    eng_store_passage *passages;
    eng_store_document *rows;
    eng_result *items = eng_arena_array(arena, s->count + 1, sizeof *items);
    s->shown = eng_arena_array(arena, s->count + 1, sizeof *s->shown);
    if (!ids || !documents || !items || !s->shown)
        return eng_fail_nomem(err);
    *missing = 0;
    s->out->results.items = items;
    s->out->results.count = 0;
    if (!s->count)
        return ENG_OK;
    eng_status status = eng_store_passage_batch(s->e->store, ids, s->count, arena, &passages, err);
    if (status == ENG_OK)
        status = eng_store_document_batch(s->e->store, documents, s->count, arena, &rows, NULL,
                                          err);
    for (size_t i = 0; status == ENG_OK && i < s->count; i++) {
        const eng_store_passage *p = &passages[place_of(ids, s->count, (int64_t)s->items[i].id)];
        const eng_store_document *d =
            &rows[place_of(documents, s->count, (int64_t)s->items[i].document)];
        if (!p->id || !d->id)
            (*missing)++;
        else
            take(s, &s->items[i], p, d);
    }
    return status;
}

/* ---- Explaining ---- */

static void write_terms(eng_json_writer *w, const eng_term_share *terms, size_t count)
{
    static const char *const kinds[] = {"word", "exact", "code", "part", "gram"};
    eng_json_name(w, ENG_STR("terms"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "term", terms[i].term);
        eng_json_member(w, "kind", eng_str_of(kinds[terms[i].kind]));
        eng_json_name(w, ENG_STR("idf"));
        eng_json_double(w, (double)terms[i].idf);
        eng_json_name(w, ENG_STR("score"));
        eng_json_double(w, (double)terms[i].score);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static eng_status explain_one(search *s, eng_index_view *view, const eng_fused *item,
                              const char **out, eng_error *err)
{
    static const char *const modes[] = {"bm25", "grams", "dense"};
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = s->query->text, .limit = 1};
    eng_term_share *terms;
    size_t count;
    eng_status status = eng_index_explain(view, &q, item->id, &s->out->arena, &terms, &count, err);
    if (status < 0)
        return status;
    eng_buf text;
    eng_buf_init(&text, 1 << 20);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_open(&w, '{');
    eng_json_name(&w, ENG_STR("raw"));
    eng_json_open(&w, '{');
    for (size_t m = 0; m < ENG_MODES; m++) {
        eng_json_name(&w, eng_str_of(modes[m]));
        eng_json_double(&w, (double)item->score[m]);
    }
    eng_json_close(&w, '}');
    write_terms(&w, terms, count);
    eng_json_close(&w, '}');
    status = eng_buf_check(&text, "explain", err);
    if (status == ENG_OK) {
        eng_str copy = eng_arena_copy(&s->out->arena, eng_buf_view(&text));
        *out = copy.ptr;
        status = copy.ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

static eng_status explain(search *s, eng_error *err)
{
    eng_index_view *view;
    eng_status status = eng_index_view_new(s->shelf->index, &view, err);
    if (status < 0)
        return status;
    for (size_t i = 0, k = 0; status == ENG_OK && i < s->out->results.count; i++) {
        while (s->items[k].id != s->shown[i])
            k++;
        status = explain_one(s, view, &s->items[k], &s->out->results.items[i].explain, err);
    }
    eng_index_view_free(view);
    return status;
}

/* ---- The whole ---- */

/* With the shelf's lock held for reading, but while it waits for the writer. */
static eng_status find(search *s, eng_error *err)
{
    for (int looks = 0;; looks++) {
        size_t missing = 0;
        uint64_t from = eng_clock_ns();
        eng_status status = look(s, err);
        s->out->results.search_ms += since(from);
        from = eng_clock_ns();
        if (status == ENG_OK)
            status = read_all(s, &missing, err);
        s->out->results.read_ms += since(from);
        if (status < 0 || !missing || looks == LOOKS)
            return status;
        pthread_rwlock_unlock(&s->shelf->lock);
        pthread_mutex_lock(&s->shelf->writing);
        pthread_mutex_unlock(&s->shelf->writing);
        pthread_rwlock_rdlock(&s->shelf->lock);
        if (s->query->cancelled && s->query->cancelled(s->query->ctx))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
    }
}

static eng_status run(search *s, eng_error *err)
{
    eng_status status = ENG_OK;
    if (s->query->filter.ptr)
        status = eng_filter_read(s->query->filter, &s->out->arena, &s->filter, err);
    pthread_rwlock_rdlock(&s->shelf->lock);
    if (status == ENG_OK)
        status = has_index(s, err);
    s->words = s->query->mode != ENG_SEARCH_DENSE;
    s->dense = status == ENG_OK && s->query->mode != ENG_SEARCH_BM25 &&
               (eng_index_capabilities(s->shelf->index) & ENG_INDEX_DENSE);
    if (status == ENG_OK && !s->words && !s->dense)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("mode"),
                                "the collection has no vectors: no encoder was installed when it "
                                "was made");
    if (status == ENG_OK && s->dense)
        status = encode(s, err);
    if (status == ENG_OK)
        status = find(s, err);
    if (status == ENG_OK && s->query->explain)
        status = explain(s, err);
    pthread_rwlock_unlock(&s->shelf->lock);
    return status;
}

eng_status eng_search(eng *e, eng_str collection, const eng_search_query *query, eng_results **out,
                      eng_error *err)
{
    uint64_t from = eng_clock_ns();
    eng_status status = check(query, err);
    if (status < 0)
        return status;
    found *f = eng_zalloc(sizeof *f);
    if (!f)
        return eng_fail_nomem(err);
    eng_arena_init(&f->arena, 1 << 14, NULL);
    search s = {.e = e, .query = query, .out = f, .top_k = query->top_k ? query->top_k : TOP_K};
    eng_store_collection row;
    status = eng_shelf_hold(e, collection, &f->arena, &row, &s.shelf, err);
    if (status == ENG_OK)
        status = run(&s, err);
    eng_shelf_release(e, s.shelf);
    f->results.total_ms = since(from);
    if (status < 0)
        eng_results_free(&f->results);
    else
        *out = &f->results;
    return status;
}

void eng_results_free(eng_results *results)
{
    if (!results)
        return;
    found *f = (found *)results;
    eng_arena_clear(&f->arena);
    eng_free(f);
}
