/* Embeddings and rankings of an engine: the promises of engenho.h. */
#include "engine/encoder_internal.h"
#include "model_help.h"

#include <math.h>

/* An engine in whose data there is a tiny encoder, and, with `ranker`, a tiny reranker. */
static eng *open_with_models(const place *p, bool ranker)
{
    char from[160];
    eng *e = open_at(p->data);
    for (int i = 0; i <= ranker; i++) {
        int64_t job;
        eng_error err = {0};
        snprintf(from, sizeof from, "%s/model-%d", p->root, i);
        tiny_model(from, i == 1, "");
        eng_pull what = {.model = eng_str_of(i ? "t/ranker" : "t/encoder"), .from = from};
        assert_ok(eng_model_pull(e, &what, &job, &err), err);
        eng_job *done = wait_for(e, job);
        if (done->state != ENG_JOB_DONE)
            fail_msg("%s", done->error);
        eng_job_free(done);
    }
    return e;
}

static eng_embeddings *embed(eng *e, const eng_embed *what)
{
    eng_error err = {0};
    eng_embeddings *v = NULL;
    assert_ok(eng_embed_texts(e, what, &v, &err), err);
    return v;
}

static const eng_str three[] = {{"um moinho", 9}, {"dois", 4}, {"a roda tem doze", 15}};

static void vectors_come_in_order_with_what_was_read(void **state)
{
    eng *e = open_with_models(*state, false);
    eng_embed what = {.texts = three, .count = 3};
    eng_embeddings *v = embed(e, &what);
    assert_string_equal(v->model, "t/encoder");
    assert_int_equal(v->count, 3);
    assert_int_equal(v->dimensions, TINY_HIDDEN);
    assert_int_equal(v->tokens, 4 + 3 + 6);
    assert_int_equal(v->truncated, 0);
    for (size_t i = 0; i < 3; i++) {
        eng_embed one = {.model = ENG_STR("encoder"), .texts = &three[i], .count = 1, .bulk = true};
        eng_embeddings *w = embed(e, &one);
        assert_memory_equal(w->vectors, v->vectors + i * TINY_HIDDEN, TINY_HIDDEN * sizeof(float));
        eng_embeddings_free(w);
    }
    eng_embeddings_free(v);
    eng_close(e);
}

static void a_question_that_comes_again_is_remembered(void **state)
{
    eng *e = open_with_models(*state, false);
    eng_counters before, after;
    eng_embed what = {.texts = three, .count = 3};
    eng_embeddings *v = embed(e, &what);
    eng_counters_now(e, &before);
    eng_embeddings *w = embed(e, &what);
    eng_counters_now(e, &after);
    assert_int_equal(after.cache_hits - before.cache_hits, 3);
    assert_int_equal(after.embedded, before.embedded);
    assert_int_equal(w->tokens, v->tokens);
    assert_memory_equal(w->vectors, v->vectors, 3 * TINY_HIDDEN * sizeof(float));
    what.prompt = ENG_PROMPT_QUERY;
    eng_embeddings_free(w);
    w = embed(e, &what);
    eng_counters_now(e, &before);
    assert_int_equal(before.cache_hits, after.cache_hits);
    eng_embeddings_free(v);
    eng_embeddings_free(w);
    eng_close(e);
}

static void tokens_stand_for_their_text(void **state)
{
    eng *e = open_with_models(*state, false);
    uint32_t bare[] = {8, 11}, whole[] = {2, 8, 11, 3}, wrong[] = {8, 99}, many[100] = {0};
    eng_error err = {0};
    eng_str ids[] = {{(char *)bare, sizeof bare}, {(char *)whole, sizeof whole}};
    eng_embed what = {.tokens = ids, .count = 2}, text = {.texts = three, .count = 1};
    eng_embeddings *v = embed(e, &what), *w = embed(e, &text);
    assert_memory_equal(v->vectors, w->vectors, TINY_HIDDEN * sizeof(float));
    assert_memory_equal(v->vectors + TINY_HIDDEN, w->vectors, TINY_HIDDEN * sizeof(float));
    assert_int_equal(v->tokens, 8);
    eng_embeddings_free(v);
    eng_embeddings_free(w);
    ids[0] = (eng_str){(char *)wrong, sizeof wrong};
    assert_int_equal(eng_embed_texts(e, &what, &v, &err), ENG_EINVALID);
    assert_string_equal(err.field, "input");
    ids[0] = (eng_str){(char *)many, sizeof many};
    v = embed(e, &what);
    assert_int_equal(v->truncated, 1);
    assert_int_equal(v->tokens, TINY_POSITIONS + 4);
    eng_embeddings_free(v);
    eng_close(e);
}

static void what_cannot_be_had_is_refused(void **state)
{
    eng *e = open_with_models(*state, true);
    eng_error err = {0};
    eng_embeddings *v = NULL;
    char text[400];
    memset(text, ' ', sizeof text);
    for (size_t i = 0; i < sizeof text; i += 2)
        text[i] = 'a';
    eng_str large = {text, sizeof text};
    eng_embed what = {.texts = &large, .count = 1, .whole = true};
    assert_int_equal(eng_embed_texts(e, &what, &v, &err), ENG_EINVALID);
    assert_string_equal(err.field, "input");
    what = (eng_embed){.texts = three, .count = 1, .dimensions = 5};
    assert_int_equal(eng_embed_texts(e, &what, &v, &err), ENG_EINVALID);
    assert_string_equal(err.field, "dimensions");
    what = (eng_embed){.model = ENG_STR("t/ranker"), .texts = three, .count = 1};
    assert_int_equal(eng_embed_texts(e, &what, &v, &err), ENG_EINVALID);
    assert_string_equal(err.field, "model");
    what.model = ENG_STR("nothing");
    assert_int_equal(eng_embed_texts(e, &what, &v, &err), ENG_ENOTFOUND);
    eng_close(e);
}

/* ---- Many at once ---- */

typedef struct {
    eng *e;
    const float *want;
    _Atomic unsigned wrong;
} crowd;

static void *ask_often(void *arg)
{
    crowd *c = arg;
    for (int i = 0; i < 40; i++) {
        eng_embeddings *v = NULL;
        eng_embed what = {.texts = three, .count = 3, .bulk = i % 2 == 0};
        if (eng_embed_texts(c->e, &what, &v, NULL) < 0 ||
            memcmp(v->vectors, c->want, 3 * TINY_HIDDEN * sizeof(float)) != 0)
            atomic_fetch_add(&c->wrong, 1);
        eng_embeddings_free(v);
    }
    return NULL;
}

static void many_threads_get_the_same_bits(void **state)
{
    pthread_t threads[16];
    eng_embed what = {.texts = three, .count = 3};
    crowd c = {.e = open_with_models(*state, false)};
    eng_embeddings *v = embed(c.e, &what);
    c.want = v->vectors;
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &c), 0);
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(c.wrong, 0);
    eng_embeddings_free(v);
    eng_close(c.e);
}

static bool always(void *x)
{
    (void)x;
    return true;
}

static void who_has_gone_is_not_served(void **state)
{
    eng *e = open_with_models(*state, false);
    eng_error err = {0};
    eng_embeddings *v = NULL;
    eng_embed what = {.texts = three, .count = 3, .cancelled = always};
    assert_int_equal(eng_embed_texts(e, &what, &v, &err), ENG_ECANCELLED);
    eng_close(e);
}

static void a_model_that_is_removed_ends_with_its_last_user(void **state)
{
    eng *e = open_with_models(*state, false);
    eng_error err = {0};
    eng_open_model *m = NULL;
    eng_embeddings *v = NULL;
    eng_embed what = {.texts = three, .count = 3};
    eng_embeddings_free(embed(e, &what));
    assert_ok(eng_embedder_hold(e, ENG_STR("default"), &m, &err), err);
    assert_ok(eng_model_remove(e, ENG_STR("t/encoder"), &err), err);
    assert_int_equal(eng_embed_texts(e, &what, &v, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_encoder_about(m->encoder)->dimensions, TINY_HIDDEN);
    eng_embedder_release(e, m);
    eng_close(e);
}

static bool has_finding(const place *p, bool repair, eng_status status, bool repaired)
{
    eng_error err = {0};
    eng_findings *found = NULL;
    bool has = false;
    assert_ok(eng_examine(p->data, repair, &found, &err), err);
    for (size_t i = 0; i < found->count; i++)
        has |= strcmp(found->items[i].check, "models") == 0 && found->items[i].status == status &&
               found->items[i].repaired == repaired;
    eng_findings_free(found);
    return has;
}

static void a_damaged_model_is_found_and_removed_by_repair(void **state)
{
    place *p = *state;
    eng *e = open_with_models(p, false);
    eng_model *model = NULL;
    eng_error err = {0};
    char file[128] = "models/files/";
    assert_ok(eng_model_get(e, ENG_STR("t/encoder"), &model, &err), err);
    snprintf(file + strlen(file), sizeof file - strlen(file), "%s", model->files[0].sha256);
    eng_model_free(model);
    eng_close(e);
    assert_true(has_finding(p, false, ENG_OK, false));
    change_byte(p->data, file, 0, 1);
    assert_true(has_finding(p, false, ENG_ECORRUPT, false));
    assert_true(has_finding(p, true, ENG_ECORRUPT, true));
    assert_true(has_finding(p, false, ENG_OK, false));
    assert_false(there(p->data, file));
}

/* ---- Rankings ---- */

static const eng_str answers[] = {{"o bolo da casa", 14}, {"a roda tem doze", 15}, {"vento", 5}};

static void an_encoder_ranks_by_likeness_and_words(void **state)
{
    eng *e = open_with_models(*state, false);
    eng_error err = {0};
    eng_ranking *r = NULL;
    eng_rerank what = {.question = ENG_STR("rodas doze"), .texts = answers, .count = 3};
    assert_ok(eng_rerank_texts(e, &what, &r, &err), err);
    assert_string_equal(r->by, "encoder and term overlap");
    assert_string_equal(r->model, "t/encoder");
    assert_int_equal(r->count, 3);
    assert_int_equal(r->items[0].index, 1);
    for (size_t i = 0; i < 3; i++)
        assert_true(r->items[i].score >= 0 && r->items[i].score <= 1);
    assert_true(r->items[0].score >= r->items[1].score && r->items[1].score >= r->items[2].score);
    eng_ranking_free(r);
    eng_close(e);
}

static void a_reranker_that_is_here_ranks(void **state)
{
    eng *e = open_with_models(*state, true);
    eng_error err = {0};
    eng_ranking *r = NULL;
    eng_rerank what = {.question = ENG_STR("roda"), .texts = answers, .count = 3};
    assert_ok(eng_rerank_texts(e, &what, &r, &err), err);
    assert_string_equal(r->by, "cross-encoder");
    assert_string_equal(r->model, "t/ranker");
    assert_true(r->items[0].score >= r->items[1].score && r->items[1].score >= r->items[2].score);
    eng_ranking_free(r);
    what.model = ENG_STR("t/encoder");
    assert_ok(eng_rerank_texts(e, &what, &r, &err), err);
    assert_string_equal(r->by, "encoder and term overlap");
    eng_ranking_free(r);
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(vectors_come_in_order_with_what_was_read),
        in_place(a_question_that_comes_again_is_remembered),
        in_place(tokens_stand_for_their_text),
        in_place(what_cannot_be_had_is_refused),
        in_place(many_threads_get_the_same_bits),
        in_place(who_has_gone_is_not_served),
        in_place(a_model_that_is_removed_ends_with_its_last_user),
        in_place(a_damaged_model_is_found_and_removed_by_repair),
        in_place(an_encoder_ranks_by_likeness_and_words),
        in_place(a_reranker_that_is_here_ranks),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
