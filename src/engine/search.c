/*
 * A question into passages.
 *
 *     encode the question -> candidates from a view of the index -> read them from the store -> refine
 *
 * The index may show a passage that the store no longer has: its document was replaced or removed, and
 * the writer has not come to the index yet. Then the reader waits until the writer has, and looks again.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/knowledge.h"

#include <math.h>

/* Of PREFIX, and of ANY, candidates a search takes more where it needs them: see find. */
enum { TOP_K = 5, TOP_K_MAX = 1000, PREFIX = 100, ANY = 1000, LOOKS = 20 };
/* What was found is held as long as an answer to it streams: chunks are no larger than most need. */
enum { FOUND_CHUNK = 3 << 12 };

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
    if (!(q->diversity >= 0 && q->diversity <= 1))
        return refuse(err, "diversity", "expected 0 to 1");
    return ENG_OK;
}

/* ---- The question's vector ---- */

static eng_status encode(eng_searching *s, eng_error *err)
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

static eng_status by_one_mode(eng_searching *s, eng_index_view *view, eng_index_query *q,
                              eng_mode mode, eng_error *err)
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

static eng_status candidates(eng_searching *s, eng_index_view *view, size_t limit, eng_error *err)
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
    eng_fuse_options fuse;
    for (size_t m = 0; m < ENG_MODES; m++)
        fuse.weight[m] = (float)s->tuning.weight[m];
    return eng_index_search(view, &q, &fuse, s->items, &s->count, &s->fusion, err);
}

/* Keeps each document's best passage. */
static void group(eng_searching *s, eng_map *seen)
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

/* Enough candidates for `want` documents: more, until there are as many or no more passages. */
static eng_status grouped(eng_searching *s, eng_index_view *view, size_t want, eng_error *err)
{
    eng_index_stats stats;
    eng_index_view_stats(view, &stats);
    for (size_t limit = want * 8 > PREFIX ? want * 8 : PREFIX;; limit *= 4) {
        eng_status status = candidates(s, view, limit, err);
        if (status < 0)
            return status;
        bool all = s->count < limit;
        eng_map seen;
        eng_map_init(&seen);
        group(s, &seen);
        eng_map_clear(&seen);
        if (all || s->count >= want || limit > stats.passages)
            return ENG_OK;
    }
}

static void wait_for_writer(const eng_searching *s)
{
    pthread_rwlock_unlock(&s->shelf->lock);
    pthread_mutex_lock(&s->shelf->writing);
    pthread_mutex_unlock(&s->shelf->writing);
    pthread_rwlock_rdlock(&s->shelf->lock);
}

/* With the shelf's lock held for reading, which is let go while an index is made anew; where that failed
 * (no memory, a full disk), the next to hold the shelf tries again. */
static eng_status has_index(const eng_searching *s, eng_error *err)
{
    if (!s->shelf->index)
        wait_for_writer(s);
    return s->shelf->index ? ENG_OK
                           : eng_fail(err, ENG_EBUSY, "the collection's index is made anew");
}

/* The best `want`, down to the threshold where these scores are the last word. */
static eng_status look(eng_searching *s, eng_index_view *view, size_t want, eng_error *err)
{
    eng_status status = s->query->group_by_document ? grouped(s, view, want, err)
                                                    : candidates(s, view, want, err);
    if (status < 0)
        return status;
    if (s->count > want)
        s->count = want;
    size_t n = 0;
    while (n < s->count &&
           (s->query->rerank.ptr || (double)s->items[n].fused >= s->query->threshold))
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

static int64_t *sorted_ids(eng_searching *s, bool documents, eng_error *err)
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

static eng_catch candidate_of(const eng_fused *item, const eng_store_passage *p,
                              const eng_store_document *d)
{
    eng_result shown = {.document = d->name.ptr,
                        .title = text_of(d->title),
                        .url = text_of(d->url),
                        .passage = p->place,
                        .start = p->start,
                        .end = p->end,
                        .tokens = p->tokens,
                        .text = p->text.ptr,
                        .dense = unit_of(ENG_MODE_DENSE, item->score[ENG_MODE_DENSE]),
                        .bm25 = unit_of(ENG_MODE_BM25, item->score[ENG_MODE_BM25]),
                        .fused = (double)item->fused,
                        .rerank = (double)NAN,
                        .metadata = d->metadata.len ? d->metadata.ptr : "{}",
                        .heading = text_of(p->heading)};
    return (eng_catch){.fused = *item, .shown = shown, .score = item->fused, .alike = NAN};
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

/* *missing counts what the store no longer has. */
static eng_status read_all(eng_searching *s, size_t *missing, eng_error *err)
{
    eng_arena *arena = &s->out->arena;
    int64_t *ids = sorted_ids(s, false, err), *documents = ids ? sorted_ids(s, true, err) : NULL;
    eng_store_passage *passages;
    eng_store_document *rows;
    s->found = eng_arena_array(arena, s->count + 1, sizeof *s->found);
    if (!ids || !documents || !s->found)
        return eng_fail_nomem(err);
    *missing = 0;
    s->found_count = 0;
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
            s->found[s->found_count++] = candidate_of(&s->items[i], p, d);
    }
    for (size_t i = 0; i < s->found_count; i++)
        s->found[i].rank = i + 1;
    return status;
}

/* ---- Explaining ---- */

static void write_double(eng_json_writer *w, const char *name, double value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_double(w, value);
}

static void write_terms(eng_json_writer *w, const eng_term_share *terms, size_t count)
{
    static const char *const kinds[] = {"word", "exact", "code", "part", "gram"};
    eng_json_name(w, ENG_STR("terms"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "term", terms[i].term);
        eng_json_member(w, "kind", eng_str_of(kinds[terms[i].kind]));
        write_double(w, "idf", (double)terms[i].idf);
        write_double(w, "score", (double)terms[i].score);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static const char *const mode_names[] = {"bm25", "grams", "dense"};

/* What each mode gave: its score, its weight, its share of the fused score. */
static void write_modes(const eng_searching *s, eng_json_writer *w, const eng_fused *item)
{
    const eng_fuse_report *r = &s->fusion;
    eng_json_name(w, ENG_STR("raw"));
    eng_json_open(w, '{');
    for (size_t m = 0; m < ENG_MODES; m++)
        write_double(w, mode_names[m], (double)item->score[m]);
    eng_json_close(w, '}');
    if (!s->dense || !s->words)
        return;
    eng_json_name(w, ENG_STR("weights"));
    eng_json_open(w, '{');
    for (size_t m = 0; m < ENG_MODES; m++)
        write_double(w, mode_names[m], (double)r->weight[m]);
    eng_json_close(w, '}');
    eng_json_name(w, ENG_STR("shares"));
    eng_json_open(w, '{');
    for (size_t m = 0; m < ENG_MODES; m++) {
        float part = r->weight[m] > 0 && !isnan(item->score[m])
                         ? (item->score[m] - r->low[m]) / (r->high[m] - r->low[m])
                         : 0;
        write_double(w, mode_names[m], (double)(r->weight[m] * part));
    }
    eng_json_close(w, '}');
}

/* The places that it had, and why it has this one. */
static void write_stages(const eng_searching *s, eng_json_writer *w, const eng_catch *c)
{
    eng_json_name(w, ENG_STR("stages"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("rank"));
    eng_json_uint(w, c->rank);
    if (s->out->results.reranker) {
        eng_json_member(w, "reranker", eng_str_of(s->out->results.reranker));
        write_double(w, "rerank", c->shown.rerank);
    }
    if (s->query->diversity > 0)
        write_double(w, "likeness", (double)c->alike);
    if (c->copy_of.document) {
        eng_json_name(w, ENG_STR("duplicate_of"));
        eng_json_open(w, '{');
        eng_json_member(w, "document", eng_str_of(c->copy_of.document));
        eng_json_name(w, ENG_STR("passage"));
        eng_json_uint(w, c->copy_of.passage);
        eng_json_close(w, '}');
    }
    eng_json_close(w, '}');
}

static eng_status explain_one(eng_searching *s, eng_index_view *view, eng_catch *c, eng_error *err)
{
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = s->query->text, .limit = 1};
    eng_term_share *terms;
    size_t count;
    eng_status status = eng_index_explain(view, &q, c->fused.id, &s->out->arena, &terms, &count,
                                          err);
    if (status < 0)
        return status;
    eng_buf text;
    eng_buf_init(&text, 1 << 20);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_open(&w, '{');
    write_modes(s, &w, &c->fused);
    write_stages(s, &w, c);
    write_terms(&w, terms, count);
    eng_json_close(&w, '}');
    status = eng_buf_check(&text, "explain", err);
    if (status == ENG_OK) {
        eng_str copy = eng_arena_copy(&s->out->arena, eng_buf_view(&text));
        c->shown.explain = copy.ptr;
        status = copy.ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

/* ---- The whole ---- */

/* What was found, as it is shown: no score above the one before, whatever put it there. */
static eng_status hand_over(eng_searching *s, eng_index_view *view, eng_error *err)
{
    size_t count = s->found_count < s->top_k ? s->found_count : s->top_k;
    eng_result *items = eng_arena_array(&s->out->arena, count + 1, sizeof *items);
    eng_status status = items ? ENG_OK : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        eng_catch *c = &s->found[i];
        if (s->query->explain)
            status = explain_one(s, view, c, err);
        items[i] = c->shown;
        items[i].score = (double)c->score;
        if (i > 0 && items[i].score > items[i - 1].score)
            items[i].score = items[i - 1].score;
    }
    s->out->results.items = items;
    s->out->results.count = count;
    return status;
}

/*
 * The best `want`, read and refined. *missing counts what the store no longer has, *distinct those that
 * are no copies of others.
 */
static eng_status pass(eng_searching *s, eng_index_view *view, size_t want, size_t *missing,
                       size_t *distinct, eng_error *err)
{
    uint64_t from = eng_clock_ns();
    *missing = 0;
    eng_status status = look(s, view, want, err);
    s->out->results.search_ms += since(from);
    from = eng_clock_ns();
    if (status == ENG_OK)
        status = read_all(s, missing, err);
    s->out->results.read_ms += since(from);
    if (status == ENG_OK && !*missing)
        status = eng_refine(s, view, distinct, err);
    return status;
}

/*
 * Where copies take the places of others, more candidates are looked at, in steps that depend on nothing
 * else, so that what is found first is the same however much is asked for.
 */
static eng_status find_in(eng_searching *s, eng_index_view *view, size_t *missing, eng_error *err)
{
    size_t want = s->top_k, distinct = 0;
    if (s->query->rerank.ptr && want < ENG_RERANKED)
        want = ENG_RERANKED;
    if (s->query->diversity > 0 && want < PREFIX)
        want = PREFIX;
    eng_status status = pass(s, view, want, missing, &distinct, err);
    while (status == ENG_OK && !*missing && distinct < s->top_k && s->count == want && want < ANY &&
           !s->query->rerank.ptr) {
        want = want < PREFIX ? PREFIX : ANY;
        status = pass(s, view, want, missing, &distinct, err);
    }
    if (status == ENG_OK && !*missing)
        status = hand_over(s, view, err);
    return status;
}

/* With the shelf's lock held for reading, but while it waits for the writer. */
static eng_status find(eng_searching *s, eng_error *err)
{
    for (int looks = 0; looks <= LOOKS; looks++) {
        size_t missing = 0;
        eng_index_view *view;
        if (has_index(s, err) < 0)
            return ENG_EBUSY;
        eng_status status = eng_index_view_new(s->shelf->index, &view, err);
        if (status < 0)
            return status;
        status = find_in(s, view, &missing, err);
        if (status == ENG_OK && missing && looks == LOOKS)
            status = hand_over(s, view, err);
        eng_index_view_free(view);
        if (status < 0 || !missing)
            return status;
        wait_for_writer(s);
        if (s->query->cancelled && s->query->cancelled(s->query->ctx))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
    }
    return ENG_OK;
}

/* What the collection has to say where the question does not; its numbers are of hybrid searches. A
 * reranker that has gone is done without. */
static eng_status tune(eng_searching *s, eng_search_query *q, eng_error *err)
{
    eng_error why;
    bool hybrid = s->words && s->dense;
    if (q->threshold <= 0 && !q->threshold_given && hybrid)
        q->threshold = s->tuning.threshold;
    if (q->rerank.ptr)
        return eng_refine_check(s, err);
    if (!s->tuning.rerank || q->rerank_given || !hybrid)
        return ENG_OK;
    q->rerank = ENG_STR("default");
    eng_status status = eng_refine_check(s, &why);
    if (status == ENG_EINVALID) {
        q->rerank = (eng_str){NULL, 0};
        return ENG_OK;
    }
    if (status < 0 && err)
        *err = why;
    return status;
}

static eng_status run(eng_searching *s, eng_search_query *q, eng_error *err)
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
    if (status == ENG_OK)
        status = tune(s, q, err);
    if (status == ENG_OK && !s->words && !s->dense)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("mode"),
                                "the collection has no vectors: no encoder was installed when it "
                                "was made");
    if (status == ENG_OK && s->dense)
        status = encode(s, err);
    if (status == ENG_OK)
        status = find(s, err);
    if (status == ENG_OK && s->evidence)
        status = eng_evidence_fill(s, s->evidence, err);
    pthread_rwlock_unlock(&s->shelf->lock);
    return status;
}

eng_status eng_search(eng *e, eng_str collection, const eng_search_query *query, eng_results **out,
                      eng_error *err)
{
    return eng_search_evidence(e, collection, NULL, query, NULL, out, err);
}

/* Where it is looked for, and how. */
static eng_status stand(eng_searching *s, eng_str collection, const eng_trial *trial,
                        eng_error *err)
{
    eng_store_collection row = {.settings = ENG_STR("")};
    eng_tuned tuned = {.before_cut = {NULL, 0}};
    eng_status status = ENG_OK;
    if (trial && trial->shelf)
        s->shelf = trial->shelf;
    else
        status = eng_shelf_hold(s->e, collection, &s->out->arena, &row, &s->shelf, err);
    if (status == ENG_OK && trial && trial->tuning)
        tuned.now = *trial->tuning;
    else if (status == ENG_OK && !(trial && trial->shelf))
        status = eng_tuned_read(row.settings, &s->out->arena, &tuned, err);
    s->tuning = tuned.now;
    return status;
}

eng_status eng_search_evidence(eng *e, eng_str collection, const eng_trial *trial,
                               const eng_search_query *query, eng_evidence *evidence,
                               eng_results **out, eng_error *err)
{
    uint64_t from = eng_clock_ns();
    eng_status status = check(query, err);
    if (status < 0)
        return status;
    eng_found *f = eng_zalloc(sizeof *f);
    if (!f)
        return eng_fail_nomem(err);
    eng_arena_init(&f->arena, FOUND_CHUNK, NULL);
    eng_search_query q = *query;
    eng_searching s = {.e = e,
                       .query = &q,
                       .out = f,
                       .top_k = query->top_k ? query->top_k : TOP_K,
                       .evidence = evidence};
    status = stand(&s, collection, trial, err);
    if (status == ENG_OK && evidence)
        evidence->fresh = eng_evidence_fresh(e, s.shelf);
    if (status == ENG_OK)
        status = run(&s, &q, err);
    if (!(trial && trial->shelf))
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
    eng_found *f = (eng_found *)results;
    eng_arena_clear(&f->arena);
    eng_free(f);
}
