/* Questions whose answers are known: promises of eng_evaluate, and of what a collection's settings do. */
#include "engine/probing.h"
#include "engine_help.h"

#include <dirent.h>

static const char QUESTIONS[] =
    "{\"question\":\"Quantas pás tem a roda do moinho?\",\"facts\":[[\"doze\",\"12\"]],"
    "\"document\":\"roda\"}\n"
    "\n"
    "{\"question\":\"A quantos graus chega o forno?\",\"answer\":\"trezentos\"}\n"
    "{\"question\":\"Qual é a capital da Mongólia?\",\"answerable\":false}\n";

static void put(eng *e, const char *id, const char *text)
{
    eng_ingest_options options = {.make = true, .title = {NULL, 0}};
    eng_ingest_report *report = NULL;
    eng_error err = {0};
    eng_source source = {.id = eng_str_of(id), .text = eng_str_of(text)};
    assert_ok(eng_ingest(e, ENG_STR("moinho"), &source, 1, &options, &report, &err), err);
    assert_int_equal(report->items[0].state, ENG_INGEST_INDEXED);
    eng_ingest_report_free(report);
}

static eng *open_mill(const char *data)
{
    eng *e = open_at(data);
    put(e, "roda", "A roda do moinho tem doze pás de madeira. O moleiro troca uma a cada inverno.");
    put(e, "forno", "O forno da padaria chega a trezentos graus. O pão assa em meia hora.");
    return e;
}

/* Files that wait for jobs. */
static size_t spooled(const place *p)
{
    size_t count = 0;
    char *path = eng_path_join(p->data, "spool");
    DIR *dir = opendir(path);
    while (dir && eng_data_next(dir))
        count++;
    if (dir)
        closedir(dir);
    eng_free(path);
    return count;
}

static const eng_json *result_of(const eng_job *job, eng_arena *arena)
{
    const eng_json *v;
    eng_error err = {0};
    assert_non_null(job->result);
    assert_ok(eng_json_read(eng_str_of(job->result), NULL, arena, &v, &err), err);
    return v;
}

static double number_at(const eng_json *v, const char *name)
{
    double n = -1;
    assert_true(eng_json_number(eng_json_get(v, eng_str_of(name)), &n));
    return n;
}

static void every_way_is_tried_with_every_other(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data);
    eng_arena arena;
    eng_error err = {0};
    int64_t id;
    const eng_search_mode modes[] = {ENG_SEARCH_HYBRID, ENG_SEARCH_BM25};
    const eng_str models[] = {ENG_STR("extract")};
    const eng_str chunks[] = {ENG_STR("250/25"), ENG_STR("6/0"), ENG_STR("90/10c")};
    eng_evaluation what = {.questions = {QUESTIONS, sizeof QUESTIONS - 1},
                           .modes = modes,
                           .mode_count = 2,
                           .models = models,
                           .model_count = 1,
                           .chunks = chunks,
                           .chunk_count = 3};
    assert_ok(eng_evaluate(e, ENG_STR("moinho"), &what, &id, &err), err);
    eng_job *job = wait_for(e, id);
    assert_int_equal(job->state, ENG_JOB_DONE);
    assert_int_equal(job->done, 2 * 3 * 3);
    eng_arena_init(&arena, 1 << 16, NULL);
    const eng_json *v = result_of(job, &arena), *runs = eng_json_get(v, ENG_STR("runs"));
    assert_int_equal(eng_json_count(runs), 6);
    assert_str_view(eng_json_text(eng_json_get(eng_json_at(runs, 0), ENG_STR("name"))),
                    "hybrid, extract, 250/25");
    assert_str_view(eng_json_text(eng_json_get(eng_json_at(runs, 5), ENG_STR("name"))),
                    "bm25, extract, 90/10c");
    assert_true(number_at(v, "questions") == 3 && number_at(v, "ndcg") == 1);
    /* What was cut otherwise has gone, and the questions with it. */
    eng_store_collection row;
    eng_store_generation *all;
    size_t count;
    assert_ok(eng_store_collection_get(e->store, ENG_STR("moinho"), &arena, &row, &err), err);
    assert_ok(eng_store_generation_list(e->store, row.id, &arena, &all, &count, &err), err);
    assert_int_equal(count, 1);
    assert_int_equal(spooled(p), 0);
    eng_arena_clear(&arena);
    eng_job_free(job);
    eng_close(e);
}

static void what_is_wrong_is_told_before_there_is_a_job(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data);
    eng_error err = {0};
    int64_t id;
    const eng_str bad_chunks[] = {ENG_STR("20/20"), ENG_STR("0/0"), ENG_STR("x"),
                                  ENG_STR("20/2d"), ENG_STR(""),    ENG_STR("9999999/1")};
    const eng_str chunks[33] = {ENG_STR("20/2")};
    const eng_str encoders[] = {ENG_STR("no-such-model")};
    const eng_search_mode modes[] = {ENG_SEARCH_HYBRID, ENG_SEARCH_BM25};
    eng_evaluation what = {.questions = {QUESTIONS, sizeof QUESTIONS - 1}, .chunk_count = 1};
    for (size_t i = 0; i < sizeof bad_chunks / sizeof *bad_chunks; i++) {
        what.chunks = &bad_chunks[i];
        assert_int_equal(eng_evaluate(e, ENG_STR("moinho"), &what, &id, &err), ENG_EINVALID);
        assert_string_equal(err.field, "chunk");
    }
    what.chunks = chunks;
    what.chunk_count = 33;
    what.modes = modes;
    what.mode_count = 2;
    assert_int_equal(eng_evaluate(e, ENG_STR("moinho"), &what, &id, &err), ENG_EINVALID);
    what = (eng_evaluation){
        .questions = {QUESTIONS, sizeof QUESTIONS - 1}, .encoders = encoders, .encoder_count = 1};
    assert_int_equal(eng_evaluate(e, ENG_STR("moinho"), &what, &id, &err), ENG_EINVALID);
    assert_string_equal(err.field, "embedding_model");
    what = (eng_evaluation){.questions = ENG_STR("{\"question\":\"x\"}\n{\"question\":7}\n")};
    assert_int_equal(eng_evaluate(e, ENG_STR("moinho"), &what, &id, &err), ENG_EINVALID);
    assert_non_null(strstr(err.message, "line 2"));
    assert_int_equal(eng_evaluate(e, ENG_STR("azenha"), &what, &id, &err), ENG_ENOTFOUND);
    assert_int_equal(spooled(p), 0);
    eng_close(e);
}

/* As its job does it, but on this thread: of what others do here nothing can be made to fail. */
static eng_status evaluate_here(eng *e, eng_error *err)
{
    eng_job_run run = {.e = e, .attempt = 1};
    eng_arena_init(&run.arena, 1 << 16, NULL);
    eng_buf_init(&run.result, 1 << 20);
    eng_status status = eng_spool_write(e, "q", (eng_str){QUESTIONS, sizeof QUESTIONS - 1}, err);
    if (status == ENG_OK)
        status = eng_json_read(ENG_STR("{\"collection\":\"moinho\",\"spool\":\"q\",\"top_k\":0,"
                                       "\"modes\":[\"bm25\"],\"models\":[\"extract\"]}"),
                               NULL, &run.arena, &run.params, err);
    if (status == ENG_OK)
        status = eng_evaluate_run(&run, err);
    eng_buf_clear(&run.result);
    eng_arena_clear(&run.arena);
    return status;
}

static void it_survives_no_memory(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data);
    eng_error err = {0};
    eng_status status;
    assert_survives_no_memory_beside_others(status, { status = evaluate_here(e, &err); });
    eng_evaluation what = {.questions = ENG_STR("{\"question\":\"x\"}\n{\"question\":7}\n")};
    assert_survives_no_memory_beside_others(status, {
        int64_t id;
        status = eng_evaluate(e, ENG_STR("moinho"), &what, &id, &err);
        status = status == ENG_EINVALID ? ENG_OK : status;
    });
    eng_close(e);
}

/* ---- Settings ---- */

static eng_collection *set(eng *e, const char *settings)
{
    eng_collection *c = NULL;
    eng_error err = {0};
    int64_t job;
    eng_collection_spec spec = {.settings = eng_str_of(settings)};
    assert_ok(eng_collection_change(e, ENG_STR("moinho"), &spec, &job, &c, &err), err);
    assert_int_equal(job, 0);
    return c;
}

static bool is_answered(eng *e, const char *question)
{
    eng_answer *a = NULL;
    eng_error err = {0};
    eng_ask what = {.question = eng_str_of(question), .model = ENG_STR("extract")};
    assert_ok(eng_ask_wait(e, ENG_STR("moinho"), &what, &a, &err), err);
    bool grounded = a->grounded;
    eng_answer_free(a);
    return grounded;
}

static void settings_are_kept_and_followed(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data);
    const char *question = "Quantas pás tem a roda do moinho?";
    assert_true(is_answered(e, question));
    eng_collection *c = set(e, "{\"confidence\":1,\"weights\":{\"bm25\":0.5,\"dense\":0.5},"
                               "\"top_k\":4,\"rerank\":true,\"threshold\":0}");
    assert_string_equal(c->settings, "{\"weights\":{\"bm25\":0.5,\"grams\":0.0,\"dense\":0.5},"
                                     "\"confidence\":1.0,\"top_k\":4,\"rerank\":true}");
    eng_collection_free(c);
    assert_false(is_answered(e, question)); /* nor is the answer from before remembered */
    eng_close(e);
    e = open_at(p->data);
    assert_false(is_answered(e, question));
    c = set(e, "{}");
    assert_string_equal(c->settings, "{}");
    eng_collection_free(c);
    assert_true(is_answered(e, question));
    eng_close(e);
}

static void a_wrong_setting_is_named(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data);
    eng_error err = {0};
    int64_t job;
    eng_collection *c = NULL;
    static const char *const wrong[] = {
        "[]",
        "{\"threshold\":2}",
        "{\"threshold\":\"x\"}",
        "{\"confidence\":-1}",
        "{\"top_k\":0}",
        "{\"top_k\":1.5}",
        "{\"weights\":{}}",
        "{\"weights\":3}",
        "{\"weights\":{\"bm25\":9}}",
        "{\"rerank\":1}",
        "{\"topk\":3}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        eng_collection_spec spec = {.settings = eng_str_of(wrong[i])};
        assert_int_equal(eng_collection_change(e, ENG_STR("moinho"), &spec, &job, &c, &err),
                         ENG_EINVALID);
        assert_string_equal(err.field, "settings");
    }
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(every_way_is_tried_with_every_other),
        in_place(what_is_wrong_is_told_before_there_is_a_job),
        in_place(it_survives_no_memory),
        in_place(settings_are_kept_and_followed),
        in_place(a_wrong_setting_is_named),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
