/* What an answerer has to know of the passages that a search found. See knowledge.h. */
#include "base/error.h"
#include "engine/knowledge.h"

#include <math.h>

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* How near each sentence of a passage is to the question: their vectors were made at ingestion. They are
 * large, and not kept: an answer may be waited for, for long. */
static eng_status add_sentences(eng *e, const eng_shelf *shelf, const float *question,
                                eng_arena *arena, eng_candidate *c, eng_error *err)
{
    eng_arena scratch;
    eng_store_vector *vectors;
    size_t count = 0, n = 0;
    eng_near *near = NULL;
    eng_arena_init(&scratch, 1 << 14, NULL);
    eng_status status = eng_store_vector_range(e->store, shelf->generation, (int64_t)c->id,
                                               (int64_t)c->id, &scratch, &vectors, &count, err);
    if (status == ENG_OK) {
        near = eng_arena_array(arena, count + 1, sizeof *near);
        status = near ? ENG_OK : eng_fail_nomem(err);
    }
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        if (vectors[i].data)
            near[n++] = (eng_near){vectors[i].start, vectors[i].end,
                                   dot(vectors[i].data, question, shelf->dims)};
    c->sentences = near;
    c->sentence_count = n;
    eng_arena_clear(&scratch);
    return status;
}

/* A writer has `writing` from its commit until the index has followed. */
bool eng_evidence_fresh(eng *e, eng_shelf *shelf)
{
    int64_t last;
    if (pthread_mutex_trylock(&shelf->writing) != 0)
        return false;
    bool fresh = eng_store_change_last(e->store, shelf->id, &last, NULL) == ENG_OK &&
                 last == shelf->seq;
    pthread_mutex_unlock(&shelf->writing);
    return fresh;
}

static eng_status weigh(const eng_shelf *shelf, eng_str text, uint64_t passage, eng_arena *arena,
                        eng_evidence *out, eng_error *err)
{
    eng_index_view *view;
    eng_term_share *shares = NULL;
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = text, .limit = 1};
    if (!(eng_index_capabilities(shelf->index) & ENG_INDEX_EXPLAIN))
        return ENG_OK;
    eng_status status = eng_index_view_new(shelf->index, &view, err);
    if (status < 0)
        return status;
    status = eng_index_explain(view, &q, passage, arena, &shares, &out->share_count, err);
    eng_index_view_free(view);
    out->shares = shares;
    return status;
}

eng_status eng_evidence_fill(eng_searching *s, eng_evidence *out, eng_error *err)
{
    const eng_results *results = &s->out->results;
    eng_arena *arena = &s->out->arena;
    eng_status status = ENG_OK;
    out->count = 0;
    out->items = eng_arena_array(arena, results->count + 1, sizeof *out->items);
    if (!out->items)
        return eng_fail_nomem(err);
    /* The answerer knows fused scores, whoever ordered the passages; those stand beside the best, where
     * scores by words alone do not. */
    double best = results->count ? results->items[0].score : 0;
    bool alone = !s->vector && best > 0;
    for (size_t i = 0; status == ENG_OK && i < results->count; i++) {
        const eng_result *r = &results->items[i];
        eng_candidate *c = &out->items[out->count++];
        *c = (eng_candidate){.id = s->found[i].fused.id,
                             .document = s->found[i].fused.document,
                             .title = eng_str_of(r->title),
                             .heading = eng_str_of(r->heading),
                             .text = {r->text, r->end - r->start},
                             .start = r->start,
                             .score = alone              ? r->score / best
                                      : isnan(r->rerank) ? r->score
                                                         : r->fused,
                             .bm25 = r->bm25,
                             .dense = r->dense};
        if (s->vector && i < ENG_ANSWER_CANDIDATES)
            status = add_sentences(s->e, s->shelf, s->vector, arena, c, err);
    }
    if (status == ENG_OK && results->count)
        status = weigh(s->shelf, s->query->text, s->found[0].fused.id, arena, out, err);
    return status;
}
