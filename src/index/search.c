/* All modes asked, the gaps filled, fused. */
#include "index/index.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

enum { POOL = 100 };

typedef struct {
    eng_index_view *view;
    eng_index_query query;
    eng_hit *hits;
    eng_fused *items;
    size_t count;
    size_t pool; /* candidates of each mode */
    uint64_t *ids;
    float *scores;
    bool asked[ENG_MODES];
} searching;

static int by_id(const void *a, const void *b)
{
    const eng_fused *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static eng_status ask(searching *s, eng_mode mode, eng_error *err)
{
    size_t count;
    s->query.mode = mode;
    s->query.limit = s->pool;
    eng_status status = eng_index_candidates(s->view, &s->query, s->hits, &count, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        eng_fused *f = &s->items[s->count++];
        *f = (eng_fused){.id = s->hits[i].id, .document = s->hits[i].document};
        for (size_t m = 0; m < ENG_MODES; m++)
            f->score[m] = NAN;
        f->score[mode] = s->hits[i].score;
    }
    s->asked[mode] = status == ENG_OK;
    return status;
}

/* Each passage once, with the scores that any mode gave it. */
static void unite(searching *s)
{
    size_t kept = 0;
    if (s->count == 0)
        return; /* there may be no array */
    qsort(s->items, s->count, sizeof *s->items, by_id);
    for (size_t i = 0; i < s->count; i++) {
        if (kept == 0 || s->items[kept - 1].id != s->items[i].id) {
            s->items[kept++] = s->items[i];
            continue;
        }
        for (size_t m = 0; m < ENG_MODES; m++) {
            if (!isnan(s->items[i].score[m]))
                s->items[kept - 1].score[m] = s->items[i].score[m];
        }
    }
    s->count = kept;
}

static eng_status fill(searching *s, eng_mode mode, eng_error *err)
{
    size_t missing = 0, at = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (isnan(s->items[i].score[mode]))
            s->ids[missing++] = s->items[i].id;
    }
    if (missing == 0)
        return ENG_OK;
    s->query.mode = mode;
    eng_status status = eng_index_score(s->view, &s->query, s->ids, missing, s->scores, err);
    for (size_t i = 0; status == ENG_OK && i < s->count; i++) {
        if (isnan(s->items[i].score[mode]))
            s->items[i].score[mode] = s->scores[at++];
    }
    return status;
}

eng_status eng_index_search(eng_index_view *view, const eng_index_query *query,
                            const eng_fuse_options *options, eng_fused *out, size_t *count,
                            eng_fuse_report *report, eng_error *err)
{
    static const eng_fuse_options presets;
    searching s = {.view = view, .query = *query, .pool = query->limit};
    s.pool = s.pool < POOL ? POOL : s.pool;
    s.hits = eng_alloc_array(s.pool, sizeof *s.hits);
    s.items = eng_alloc_array(s.pool * ENG_MODES, sizeof *s.items);
    s.ids = eng_alloc_array(s.pool * ENG_MODES, sizeof *s.ids);
    s.scores = eng_alloc_array(s.pool * ENG_MODES, sizeof *s.scores);
    eng_status status = s.hits && s.items && s.ids && s.scores ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = ask(&s, ENG_MODE_BM25, err);
    if (status == ENG_OK)
        status = ask(&s, ENG_MODE_GRAMS, err);
    if (status == ENG_OK && query->vector)
        status = ask(&s, ENG_MODE_DENSE, err);
    unite(&s);
    for (int m = 0; status == ENG_OK && m < ENG_MODES; m++) {
        if (s.asked[m])
            status = fill(&s, (eng_mode)m, err);
    }
    if (status == ENG_OK) {
        eng_fuse(s.items, s.count, options ? options : &presets, report);
        *count = s.count < query->limit ? s.count : query->limit;
        for (size_t i = 0; i < *count; i++)
            out[i] = s.items[i];
    }
    eng_free(s.hits);
    eng_free(s.items);
    eng_free(s.ids);
    eng_free(s.scores);
    return status;
}
