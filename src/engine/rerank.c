/*
 * Texts in the order in which they answer a question. A reranker reads each of them together with the
 * question. Where there is none, their vectors are compared, and the words that both have: the one finds
 * what means the same, the other names and numbers, which vectors blur.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "base/utf8.h"
#include "engine/encoder_internal.h"

#include <utf8proc.h>

enum { WORDS_MAX = 64, WORD_BYTES = 64, PREFIX = 5 };

static const float WORDS_PART = 0.3F;

typedef struct {
    eng_ranking result; /* first: what the caller holds in the end */
    eng_batch_call call;
    eng *e;
    eng_open_model *model;
    eng_rerank_done *done;
    void *ctx;
    float *labels;  /* of the reranker */
    float *overlap; /* of the encoder's way */
} ranking;

static void ranking_free(ranking *r)
{
    if (!r)
        return;
    eng_tokens_clear(&r->call.tokens);
    if (r->model)
        eng_embedder_release(r->e, r->model);
    eng_free(r->labels);
    eng_free(r->overlap);
    eng_free(r->result.items);
    eng_free((char *)(uintptr_t)r->result.model);
    eng_free(r);
}

void eng_ranking_free(eng_ranking *result) { ranking_free((ranking *)result); }

/* Best first; of equals the earlier. */
static int by_score(const void *a, const void *b)
{
    const eng_ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void hand_over(ranking *r, const eng_error *err)
{
    eng_rerank_done *done = r->done;
    void *ctx = r->ctx;
    if (err) {
        eng_error copy = *err;
        ranking_free(r);
        done(ctx, NULL, &copy);
        return;
    }
    qsort(r->result.items, r->result.count, sizeof *r->result.items, by_score);
    done(ctx, &r->result, NULL);
}

/* ---- Words ---- */

typedef struct {
    char text[WORD_BYTES];
    size_t len;
} word;

/* The next run of letters and digits, in lower case and without accents; what does not fit is cut. */
static bool next_word(eng_str text, size_t *at, word *out)
{
    out->len = 0;
    while (*at < text.len) {
        utf8proc_int32_t c = (utf8proc_int32_t)eng_utf8_next(text, at), parts[4];
        utf8proc_category_t category = utf8proc_category(c);
        bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
        if (!letter && out->len)
            break;
        if (!letter || category == UTF8PROC_CATEGORY_MN)
            continue;
        int boundary = 0;
        utf8proc_ssize_t n = utf8proc_decompose_char(
            c, parts, 4, UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK, &boundary);
        for (utf8proc_ssize_t i = 0; i < n && i < 4 && out->len + 4 <= WORD_BYTES; i++)
            out->len += eng_utf8_put((uint32_t)parts[i], out->text + out->len);
    }
    return out->len > 0;
}

/* The same, or the same beginning of two longer ones: an ending does not make it another word. */
static bool alike(const word *a, const word *b)
{
    size_t least = a->len < b->len ? a->len : b->len;
    if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
        return true;
    return least >= PREFIX && a->len + 3 > b->len && b->len + 3 > a->len &&
           memcmp(a->text, b->text, least - 1 < PREFIX ? PREFIX : least - 1) == 0;
}

static size_t words_of(eng_str text, word out[WORDS_MAX])
{
    size_t count = 0, at = 0;
    while (count < WORDS_MAX && next_word(text, &at, &out[count]))
        count += out[count].len > 2 || (out[count].text[0] >= '0' && out[count].text[0] <= '9');
    return count;
}

/* The share of the question's words that the text has; longer words say more. */
static float overlap_of(const word *question, size_t count, eng_str text)
{
    bool found[WORDS_MAX] = {false};
    float have = 0, all = 0;
    word w;
    for (size_t at = 0; next_word(text, &at, &w);)
        for (size_t i = 0; i < count; i++)
            found[i] = found[i] || alike(&question[i], &w);
    for (size_t i = 0; i < count; i++) {
        all += (float)question[i].len;
        have += found[i] ? (float)question[i].len : 0;
    }
    return all > 0 ? have / all : 0;
}

/* ---- By an encoder ---- */

static void compare(ranking *r, const eng_embeddings *v)
{
    size_t n = v->dimensions;
    const float *question = v->vectors;
    for (size_t i = 0; i < r->result.count; i++) {
        const float *text = v->vectors + (i + 1) * n;
        float dot = 0;
        for (size_t k = 0; k < n; k++)
            dot += question[k] * text[k];
        dot = dot < 0 ? 0 : dot > 1 ? 1 : dot;
        r->result.items[i] = (eng_ranked){i, (1 - WORDS_PART) * dot + WORDS_PART * r->overlap[i]};
    }
    r->result.tokens = v->tokens;
    r->result.truncated = v->truncated;
}

static void vectors_done(void *ctx, eng_embeddings *v, const eng_error *err)
{
    ranking *r = ctx;
    if (v)
        compare(r, v);
    eng_embeddings_free(v);
    hand_over(r, err);
}

static eng_status begin_vectors(ranking *r, const eng_rerank *what, eng_error *err)
{
    word words[WORDS_MAX];
    eng_str *texts = eng_alloc_array(what->count + 1, sizeof *texts);
    r->overlap = eng_alloc_array(what->count, sizeof *r->overlap);
    if (!texts || !r->overlap) {
        eng_free(texts);
        return eng_fail_nomem(err);
    }
    r->result.by = "encoder and term overlap";
    texts[0] = what->question;
    size_t count = words_of(what->question, words);
    for (size_t i = 0; i < what->count; i++) {
        texts[i + 1] = what->texts[i];
        r->overlap[i] = overlap_of(words, count, what->texts[i]);
    }
    eng_embed embed = {.model = eng_str_of(r->result.model),
                       .texts = texts,
                       .count = what->count + 1,
                       .cancelled = what->cancelled,
                       .x = what->x};
    eng_status status = eng_embed_begin(r->e, &embed, vectors_done, r, err);
    eng_free(texts);
    return status;
}

/* ---- By a reranker ---- */

static void scores_done(eng_batch_call *call)
{
    ranking *r = (ranking *)(void *)((char *)call - offsetof(ranking, call));
    const eng_encoder *enc = call->encoder;
    size_t width = eng_encoder_width(enc);
    for (size_t i = 0; i < r->result.count && call->status == ENG_OK; i++)
        r->result.items[i] = (eng_ranked){i, eng_encoder_score_of(enc, r->labels + i * width)};
    r->result.tokens = call->tokens.count;
    hand_over(r, call->status < 0 ? &call->err : NULL);
}

static eng_status begin_scores(ranking *r, const eng_rerank *what, eng_error *err)
{
    size_t floats;
    eng_status status = ENG_OK;
    const eng_encoder *enc = r->model->encoder;
    if (eng_mul(what->count, eng_encoder_width(enc), &floats))
        r->labels = eng_alloc_array(floats, sizeof *r->labels);
    if (!r->labels)
        return eng_fail_nomem(err);
    r->result.by = "cross-encoder";
    for (size_t i = 0; i < what->count && status == ENG_OK; i++) {
        bool cut = false;
        status = eng_encoder_read_pair(enc, what->question, what->texts[i], &r->call.tokens, &cut,
                                       err);
        r->result.truncated += cut;
    }
    if (status < 0)
        return status;
    r->call.encoder = r->model->encoder;
    r->call.out = r->labels;
    r->call.cancelled = what->cancelled;
    r->call.x = what->x;
    r->call.done = scores_done;
    return eng_batcher_add(eng_embedder_batcher(r->e), &r->call, err);
}

/* ---- Either ---- */

static eng_status find_reranker(eng *e, eng_arena *arena, eng_str *name, eng_error *err)
{
    eng_model_record *all = NULL;
    size_t count = 0;
    eng_status status = eng_models_all(e->models, arena, &all, &count, err);
    *name = ENG_STR("default");
    for (size_t i = count; i-- > 0;)
        if (all[i].kind == ENG_MODEL_RERANKER)
            *name = all[i].id;
    return status;
}

static eng_status hold(ranking *r, eng_str name, eng_error *err)
{
    eng_arena arena;
    eng_status status = ENG_OK;
    eng_arena_init(&arena, 1024, NULL);
    if (name.len == 0 || eng_str_eq(name, ENG_STR("default")))
        status = find_reranker(r->e, &arena, &name, err);
    if (status == ENG_OK)
        status = eng_embedder_hold(r->e, name, &r->model, err);
    eng_arena_clear(&arena);
    return status;
}

eng_status eng_reranker_hold(eng *e, eng_str name, eng_open_model **out, eng_error *err)
{
    eng_arena arena;
    eng_open_model *m = NULL;
    eng_str found = name;
    eng_status status = ENG_OK;
    eng_arena_init(&arena, 1024, NULL);
    bool any = eng_str_eq(name, ENG_STR("default"));
    if (any)
        status = find_reranker(e, &arena, &found, err);
    if (status == ENG_OK && any && eng_str_eq(found, name))
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("rerank"),
                                "no reranker is installed: 'engenho model pull' fetches one");
    if (status == ENG_OK)
        status = eng_embedder_hold(e, found, &m, err);
    if (status == ENG_ENOTFOUND)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("rerank"), "no model '%.*s' is here",
                                ENG_FMT(name));
    if (status == ENG_OK && eng_encoder_about(m->encoder)->type != ENG_MODEL_RERANKER) {
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("rerank"), "'%.*s' is no reranker",
                                ENG_FMT(name));
        eng_embedder_release(e, m);
    }
    *out = status == ENG_OK ? m : NULL;
    eng_arena_clear(&arena);
    return status;
}

static eng_status begin(ranking *r, const eng_rerank *what, eng_error *err)
{
    eng_status status = hold(r, what->model, err);
    if (status < 0)
        return status;
    r->result.count = what->count;
    r->result.items = eng_alloc_array(what->count, sizeof *r->result.items);
    r->result.model = eng_strdup(eng_str_of(r->model->id));
    if (!r->result.items || !r->result.model)
        return eng_fail_nomem(err);
    return eng_encoder_about(r->model->encoder)->type == ENG_MODEL_RERANKER
               ? begin_scores(r, what, err)
               : begin_vectors(r, what, err);
}

eng_status eng_rerank_begin(eng *e, const eng_rerank *what, eng_rerank_done *done, void *ctx,
                            eng_error *err)
{
    ranking *r = eng_zalloc(sizeof *r);
    if (!r)
        return eng_fail_nomem(err);
    r->e = e;
    r->done = done;
    r->ctx = ctx;
    eng_tokens_init(&r->call.tokens);
    eng_status status = begin(r, what, err);
    if (status < 0)
        ranking_free(r);
    return status;
}

static void wake(void *ctx, eng_ranking *result, const eng_error *err)
{
    eng_waiter_wake(ctx, result, err);
}

eng_status eng_rerank_texts(eng *e, const eng_rerank *what, eng_ranking **out, eng_error *err)
{
    eng_waiter w;
    void *result = NULL;
    eng_waiter_init(&w);
    eng_status status = eng_rerank_begin(e, what, wake, &w, err);
    status = eng_waiter_end(&w, status, &result, err);
    if (status == ENG_OK)
        *out = result;
    return status;
}
