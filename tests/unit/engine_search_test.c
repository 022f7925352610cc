/* The order in which a search shows what it found: copies, diversity, a reranker. Promises of engenho.h. */
#include "engine/knowledge.h"
#include "model_help.h"

#include <math.h>

static eng *open_empty(const place *p)
{
    eng_error err = {0};
    eng *e = NULL;
    eng_options options = {.data = p->data};
    assert_ok(eng_open_with(&options, eng_job_kinds, &e, &err), err);
    return e;
}

static void pull(eng *e, const place *p, const char *name, bool scores)
{
    char from[160];
    int64_t job;
    eng_error err = {0};
    snprintf(from, sizeof from, "%s/%s", p->root, scores ? "ranker" : "encoder");
    tiny_model(from, scores, "");
    eng_pull what = {.model = eng_str_of(name), .from = from};
    assert_ok(eng_model_pull(e, &what, &job, &err), err);
    eng_job *done = wait_for(e, job);
    if (done->state != ENG_JOB_DONE)
        fail_msg("%s", done->error);
    eng_job_free(done);
}

static void put(eng *e, const char *const *texts, size_t count)
{
    eng_error err = {0};
    for (size_t i = 0; i < count; i++) {
        const char id[] = {(char)('0' + i), '\0'};
        eng_source source = {.id = eng_str_of(id), .text = eng_str_of(texts[i])};
        eng_ingest_options o = {.make = true, .title = {NULL, 0}};
        eng_ingest_report *report = NULL;
        assert_ok(eng_ingest(e, ENG_STR("c"), &source, 1, &o, &report, &err), err);
        assert_int_equal(report->items[0].state, ENG_INGEST_INDEXED);
        eng_ingest_report_free(report);
    }
}

/* The ids of the documents found, one digit each. */
static void shows(eng *e, const eng_search_query *q, const char *expected)
{
    eng_results *r = NULL;
    eng_error err = {0};
    char ids[64];
    assert_ok(eng_search(e, ENG_STR("c"), q, &r, &err), err);
    for (size_t i = 0; i < r->count; i++) {
        ids[i] = r->items[i].document[0];
        assert_true(r->items[i].score >= 0 && r->items[i].score <= 1);
        assert_true(i == 0 || r->items[i].score <= r->items[i - 1].score);
        assert_true(q->explain == (r->items[i].explain != NULL));
    }
    ids[r->count] = '\0';
    assert_string_equal(ids, expected);
    eng_results_free(r);
}

static const char *const copies[] = {
    "moinho de vento moinho de pedra",
    "Moinho de vento, moinho de pedra!",
    "moinho de vento: moinho de pedra.",
    "um moinho na beira do rio",
    "a roda do velho moinho gira devagar quando a água do rio está baixa",
};

static void copies_stand_behind_all_others(void **state)
{
    eng *e = open_empty(*state);
    put(e, copies, 5);
    eng_search_query q = {.text = ENG_STR("moinho vento pedra"), .top_k = 2};
    shows(e, &q, "03");
    q.top_k = 4;
    shows(e, &q, "0341");
    q.top_k = 5;
    q.explain = true;
    shows(e, &q, "03412");
    q.near_duplicates = true;
    shows(e, &q, "01234");
    eng_close(e);
}

static void the_first_names_its_copies(void **state)
{
    eng *e = open_empty(*state);
    put(e, copies, 5);
    eng_search_query q = {.text = ENG_STR("moinho vento pedra"), .top_k = 2};
    eng_results *r = NULL;
    eng_error err = {0};
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->items[0].duplicate_count, 2);
    assert_string_equal(r->items[0].duplicates[0].document, "1");
    assert_string_equal(r->items[0].duplicates[1].document, "2");
    assert_int_equal(r->items[1].duplicate_count, 0);
    eng_results_free(r);
    eng_close(e);
}

static const char *const alike[] = {
    "moinho farinha trigo moleiro celeiro balança",
    "moinho farinha trigo moleiro celeiro carroça",
    "moinho quebrado espera conserto desde março",
};

static void diversity_prefers_what_is_said_otherwise(void **state)
{
    eng *e = open_empty(*state);
    put(e, alike, 3);
    eng_search_query q = {.text = ENG_STR("moinho farinha trigo"), .top_k = 3};
    shows(e, &q, "012");
    q.diversity = 0.6;
    q.explain = true;
    shows(e, &q, "021");
    q.top_k = 2;
    shows(e, &q, "02");
    eng_close(e);
}

static void diversity_is_of_vectors_where_there_are_any(void **state)
{
    eng *e = open_empty(*state);
    pull(e, *state, "t/encoder", false);
    put(e, alike, 3);
    eng_results *r = NULL;
    eng_error err = {0};
    eng_search_query q = {.text = ENG_STR("moinho"), .top_k = 3, .diversity = 0.5, .explain = true};
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    assert_int_equal(r->count, 3);
    assert_non_null(strstr(r->items[1].explain, "\"likeness\""));
    assert_non_null(strstr(r->items[1].explain, "\"weights\""));
    eng_results_free(r);
    eng_close(e);
}

static void a_reranker_orders_what_was_found(void **state)
{
    eng *e = open_empty(*state);
    pull(e, *state, "t/ranker", true);
    put(e, alike, 3);
    eng_results *r = NULL;
    eng_error err = {0};
    eng_search_query q = {.text = ENG_STR("moinho"), .rerank = ENG_STR("default"), .explain = true};
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    assert_int_equal(r->count, 3);
    assert_string_equal(r->reranker, "t/ranker");
    for (size_t i = 0; i < 3; i++) {
        assert_true(r->items[i].rerank == r->items[i].score);
        assert_true(i == 0 || r->items[i].score <= r->items[i - 1].score);
        assert_non_null(strstr(r->items[i].explain, "\"t/ranker\""));
    }
    double last = r->items[2].score;
    eng_results_free(r);
    q.threshold = nextafter(last, 2);
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    assert_true(r->count < 3);
    eng_results_free(r);
    q.rerank = ENG_STR("t/ranker");
    assert_ok(eng_search(e, ENG_STR("c"), &q, &r, &err), err);
    eng_results_free(r);
    eng_close(e);
}

static void who_is_no_reranker_is_refused(void **state)
{
    eng *e = open_empty(*state);
    pull(e, *state, "t/encoder", false);
    put(e, alike, 1);
    eng_results *r = NULL;
    static const char *const names[] = {"default", "t/encoder", "none-such"};
    for (size_t i = 0; i < 3; i++) {
        eng_error err = {0};
        eng_search_query q = {.text = ENG_STR("moinho"), .rerank = eng_str_of(names[i])};
        assert_int_equal(eng_search(e, ENG_STR("c"), &q, &r, &err), ENG_EINVALID);
        assert_string_equal(err.field, "rerank");
    }
    eng_error err = {0};
    eng_search_query q = {.text = ENG_STR("moinho"), .diversity = NAN};
    assert_int_equal(eng_search(e, ENG_STR("c"), &q, &r, &err), ENG_EINVALID);
    assert_string_equal(err.field, "diversity");
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(copies_stand_behind_all_others),
        in_place(the_first_names_its_copies),
        in_place(diversity_prefers_what_is_said_otherwise),
        in_place(diversity_is_of_vectors_where_there_are_any),
        in_place(a_reranker_orders_what_was_found),
        in_place(who_is_no_reranker_is_refused),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
