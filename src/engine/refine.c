/*
 * The order of what a search found, once it is read: a reranker reads the best of it together with the
 * question, near-duplicates of a better one go behind all others, and where diversity is asked for, what
 * is like those before it goes further back.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/knowledge.h"

#include <math.h>

eng_status eng_refine_check(eng_searching *s, eng_error *err)
{
    eng_open_model *m = NULL;
    eng_status status = eng_reranker_hold(s->e, s->query->rerank, &m, err);
    if (status < 0)
        return status;
    s->out->results.reranker = eng_arena_copy(&s->out->arena, eng_str_of(m->id)).ptr;
    eng_embedder_release(s->e, m);
    return s->out->results.reranker ? ENG_OK : eng_fail_nomem(err);
}

static eng_str text_of(const eng_catch *c)
{
    return (eng_str){c->shown.text, c->shown.end - c->shown.start};
}

/* The texts of the first n. */
static eng_str *texts_of(eng_searching *s, size_t n, eng_error *err)
{
    eng_str *texts = eng_arena_array(&s->out->arena, n + 1, sizeof *texts);
    if (!texts)
        (void)eng_fail_nomem(err);
    for (size_t i = 0; texts && i < n; i++)
        texts[i] = text_of(&s->found[i]);
    return texts;
}

/* ---- Reranking ---- */

static eng_status take_ranking(eng_searching *s, const eng_ranking *r, eng_error *err)
{
    eng_catch *sorted = eng_arena_array(&s->out->arena, r->count + 1, sizeof *sorted);
    if (!sorted)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < r->count; i++) {
        sorted[i] = s->found[r->items[i].index];
        sorted[i].score = r->items[i].score;
        sorted[i].shown.rerank = (double)r->items[i].score;
    }
    memcpy(s->found, sorted, r->count * sizeof *sorted);
    return ENG_OK;
}

/* What is below the threshold has gone from the end; those that were not reranked stand below it too, if
 * the last that was does. */
static void cut_below(eng_searching *s, size_t reranked)
{
    float last = reranked ? s->found[reranked - 1].score : 0;
    for (size_t i = reranked; i < s->found_count; i++)
        s->found[i].score = s->found[i].score < last ? s->found[i].score : last;
    while (s->found_count && (double)s->found[s->found_count - 1].score < s->query->threshold)
        s->found_count--;
}

static eng_status rerank(eng_searching *s, eng_error *err)
{
    uint64_t from = eng_clock_ns();
    size_t n = s->found_count < ENG_RERANKED ? s->found_count : ENG_RERANKED;
    eng_ranking *r = NULL;
    eng_str *texts = texts_of(s, n, err);
    if (!texts)
        return ENG_ENOMEM;
    eng_rerank what = {.model = eng_str_of(s->out->results.reranker),
                       .question = s->query->text,
                       .texts = texts,
                       .count = n,
                       .cancelled = s->query->cancelled,
                       .x = s->query->ctx};
    eng_status status = n ? eng_rerank_texts(s->e, &what, &r, err) : ENG_OK;
    if (status == ENG_OK && r)
        status = take_ranking(s, r, err);
    eng_ranking_free(r);
    if (status == ENG_OK)
        cut_below(s, n);
    s->out->results.rerank_ms += (double)(eng_clock_ns() - from) / 1e6;
    return status;
}

/* ---- Near-duplicates ---- */

/* Gives each that has copies their names. */
static eng_status name_copies(eng_searching *s, const size_t *of, eng_error *err)
{
    for (size_t i = 0; i < s->found_count; i++) {
        size_t copies = 0;
        for (size_t j = i + 1; j < s->found_count && of[i] == i; j++)
            copies += of[j] == i;
        if (copies == 0)
            continue;
        eng_duplicate *names = eng_arena_array(&s->out->arena, copies, sizeof *names);
        if (!names)
            return eng_fail_nomem(err);
        s->found[i].shown.duplicates = names;
        s->found[i].shown.duplicate_count = copies;
        for (size_t j = i + 1; j < s->found_count; j++) {
            if (of[j] != i)
                continue;
            const eng_result *copy = &s->found[j].shown;
            *names++ = (eng_duplicate){copy->document, copy->passage};
            s->found[j].copy_of = (eng_duplicate){s->found[i].shown.document,
                                                  s->found[i].shown.passage};
        }
    }
    return ENG_OK;
}

static eng_status copies_last(eng_searching *s, size_t *distinct, eng_error *err)
{
    eng_arena *arena = &s->out->arena;
    size_t count = s->found_count, first = 0, behind = 0;
    eng_str *texts = texts_of(s, count, err);
    size_t *of = eng_arena_array(arena, count + 1, sizeof *of);
    eng_catch *copies = eng_arena_array(arena, count + 1, sizeof *copies);
    if (!texts || !of || !copies)
        return eng_fail_nomem(err);
    eng_status status = eng_near_duplicates(texts, count, of, err);
    if (status == ENG_OK)
        status = name_copies(s, of, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (of[i] == i)
            s->found[first++] = s->found[i];
        else
            copies[behind++] = s->found[i];
    }
    memcpy(s->found + first, copies, behind * sizeof *copies);
    *distinct = first;
    return ENG_OK;
}

/* ---- Diversity ---- */

enum { WORD_DIM = 256 };

static void count_word(void *ctx, eng_str word)
{
    ((float *)ctx)[eng_hash(word.ptr, word.len) % WORD_DIM] += word.len > 3;
}

/* Where there are no vectors, texts are as alike as their longer words. */
static void word_vectors(const eng_searching *s, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        float *v = out + i * WORD_DIM, sum = 0;
        eng_words_each(text_of(&s->found[i]), count_word, v);
        for (size_t d = 0; d < WORD_DIM; d++)
            sum += v[d] * v[d];
        for (size_t d = 0; d < WORD_DIM && sum > 0; d++)
            v[d] /= sqrtf(sum);
    }
}

static eng_status vectors_of(const eng_searching *s, eng_index_view *view, size_t count, float *out,
                             eng_error *err)
{
    if (!(eng_index_capabilities(s->shelf->index) & ENG_INDEX_DENSE)) {
        word_vectors(s, count, out);
        return ENG_OK;
    }
    uint64_t *ids = eng_alloc_array(count, sizeof *ids);
    if (!ids)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        ids[i] = s->found[i].fused.id;
    eng_status status = eng_index_vectors(view, ids, count, out, err);
    eng_free(ids);
    return status;
}

/* order: places in s->found, which takes it; vectors by those places. */
static eng_status take_order(eng_searching *s, const eng_fused *order, size_t count,
                             const float *vectors, size_t dim, eng_error *err)
{
    eng_catch *sorted = eng_arena_array(&s->out->arena, count, sizeof *sorted);
    if (!sorted)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = s->found[order[i].id];
        sorted[i].alike = 0;
        for (size_t j = 0; s->query->explain && i < s->top_k && j < i; j++) {
            const float *a = vectors + order[i].id * dim, *b = vectors + order[j].id * dim;
            float cosine = 0;
            for (size_t d = 0; d < dim; d++)
                cosine += a[d] * b[d];
            sorted[i].alike = cosine > sorted[i].alike ? cosine : sorted[i].alike;
        }
    }
    memcpy(s->found, sorted, count * sizeof *sorted);
    return ENG_OK;
}

static eng_status diversify(eng_searching *s, eng_index_view *view, size_t count, eng_error *err)
{
    bool dense = eng_index_capabilities(s->shelf->index) & ENG_INDEX_DENSE;
    size_t dim = dense ? s->shelf->dims : WORD_DIM;
    float *vectors = eng_zalloc(count * dim * sizeof *vectors);
    eng_fused *order = eng_alloc_array(count, sizeof *order);
    eng_status status = vectors && order ? vectors_of(s, view, count, vectors, err)
                                         : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        order[i] = (eng_fused){.id = i, .fused = s->found[i].score};
    if (status == ENG_OK)
        status = eng_diversify(order, count, vectors, dim, 1 - (float)s->query->diversity, s->top_k,
                               err);
    if (status == ENG_OK)
        status = take_order(s, order, count, vectors, dim, err);
    eng_free(vectors);
    eng_free(order);
    return status;
}

eng_status eng_refine(eng_searching *s, eng_index_view *view, size_t *distinct, eng_error *err)
{
    eng_status status = ENG_OK;
    if (s->query->rerank.ptr)
        status = rerank(s, err);
    *distinct = s->found_count;
    if (status == ENG_OK && !s->query->near_duplicates)
        status = copies_last(s, distinct, err);
    if (status == ENG_OK && s->query->diversity > 0 && *distinct)
        status = diversify(s, view, *distinct, err);
    return status;
}
