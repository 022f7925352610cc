/* Settings that are looked for by questions whose answers are known: promises of eng_tune_begin and
 * eng_tune_rollback. */
#include "engine/probing.h"
#include "engine_help.h"

/* Each has a fact of its own, which a question asks for. */
static const struct {
    const char *id, *text, *question, *fact;
} mills[] = {
    {"roda", "A roda do moinho tem doze pás de madeira.", "Quantas pás tem a roda do moinho?",
     "doze"},
    {"forno", "O forno da padaria chega a trezentos graus.", "A quantos graus chega o forno?",
     "trezentos"},
    {"ponte", "A ponte de pedra foi erguida em 1742.", "Em que ano foi erguida a ponte de pedra?",
     "1742"},
    {"torre", "A torre do relógio mede quarenta metros.", "Quantos metros mede a torre do relógio?",
     "quarenta"},
    {"barco", "O barco da travessia leva vinte passageiros.",
     "Quantos passageiros leva o barco da travessia?", "vinte"},
    {"feira", "A feira da vila começa às sete horas.", "A que horas começa a feira da vila?",
     "sete"},
    {"sino", "O sino da igreja pesa novecentos quilos.", "Quantos quilos pesa o sino da igreja?",
     "novecentos"},
    {"poço", "O poço da praça tem trinta metros de fundo.", "Quantos metros tem o poço da praça?",
     "trinta"},
    {"vinha", "A vinha do convento dá mil garrafas por ano.",
     "Quantas garrafas por ano dá a vinha do convento?", "mil"},
    {"farol", "O farol da barra pisca a cada nove segundos.",
     "A cada quantos segundos pisca o farol da barra?", "nove"},
    {"trem", "O trem da serra parte às cinco da manhã.", "A que horas parte o trem da serra?",
     "cinco"},
    {"museu", "O museu do sal cobra oito reais.", "Quantos reais cobra o museu do sal?", "oito"},
};
enum { MILLS = sizeof mills / sizeof *mills };

static eng *open_mill(const char *data, const eng_cutting *chunk)
{
    eng *e = open_at(data);
    eng_collection *c = NULL;
    eng_error err = {0};
    eng_collection_spec spec = {.chunk = chunk};
    eng_ingest_options options = {.make = false};
    eng_source sources[MILLS];
    eng_ingest_report *report = NULL;
    assert_ok(eng_collection_make(e, ENG_STR("vila"), &spec, &c, &err), err);
    eng_collection_free(c);
    for (size_t i = 0; i < MILLS; i++)
        sources[i] = (eng_source){.id = eng_str_of(mills[i].id), .text = eng_str_of(mills[i].text)};
    assert_ok(eng_ingest(e, ENG_STR("vila"), sources, MILLS, &options, &report, &err), err);
    eng_ingest_report_free(report);
    return e;
}

static void write_questions(eng_buf *out, size_t count)
{
    eng_buf_init(out, 1 << 16);
    for (size_t i = 0; i < count; i++)
        eng_buf_format(out, "{\"question\":\"%s\",\"answer\":\"%s\",\"document\":\"%s\"}\n",
                       mills[i].question, mills[i].fact, mills[i].id);
}

static void set(eng *e, const char *settings)
{
    eng_collection *c = NULL;
    eng_error err = {0};
    int64_t job;
    eng_collection_spec spec = {.settings = eng_str_of(settings)};
    assert_ok(eng_collection_change(e, ENG_STR("vila"), &spec, &job, &c, &err), err);
    eng_collection_free(c);
}

static void has(eng *e, const char *settings, uint32_t size)
{
    eng_collection *c = NULL;
    eng_error err = {0};
    assert_ok(eng_collection_get(e, ENG_STR("vila"), &c, &err), err);
    assert_string_equal(c->settings, settings);
    assert_int_equal(c->chunk.size, size);
    assert_int_equal(c->documents, MILLS);
    eng_collection_free(c);
}

static bool flag(const eng_json *v, const char *name)
{
    const eng_json *f = eng_json_get(v, eng_str_of(name));
    assert_true(eng_json_is(f, ENG_JSON_BOOL));
    return f->as.boolean;
}

static size_t generations(eng *e)
{
    eng_arena arena;
    eng_store_collection row;
    eng_store_generation *all;
    size_t count;
    eng_error err = {0};
    eng_arena_init(&arena, 1 << 12, NULL);
    assert_ok(eng_store_collection_get(e->store, ENG_STR("vila"), &arena, &row, &err), err);
    assert_ok(eng_store_generation_list(e->store, row.id, &arena, &all, &count, &err), err);
    eng_arena_clear(&arena);
    return count;
}

/* Its result lives in the arena. */
static const eng_json *tune(eng *e, const eng_tune *with, size_t questions, eng_arena *arena)
{
    eng_error err = {0};
    eng_buf lines;
    int64_t id;
    const eng_json *v;
    eng_tune what = *with;
    write_questions(&lines, questions);
    what.questions = eng_buf_view(&lines);
    assert_ok(eng_tune_begin(e, ENG_STR("vila"), &what, &id, &err), err);
    eng_buf_clear(&lines);
    eng_job *job = wait_for(e, id);
    if (job->state != ENG_JOB_DONE)
        fail_msg("%s: %s", eng_job_state_name(job->state), job->error ? job->error : "");
    assert_ok(eng_json_read(eng_str_of(job->result), NULL, arena, &v, &err), err);
    eng_job_free(job);
    assert_str_view(eng_json_text(eng_json_get(v, ENG_STR("kind"))), "tuning");
    return v;
}

static void roll_back(eng *e)
{
    eng_collection *c = NULL;
    eng_error err = {0};
    int64_t id;
    assert_ok(eng_tune_rollback(e, ENG_STR("vila"), &id, &c, &err), err);
    eng_collection_free(c);
    if (id) {
        eng_job *job = wait_for(e, id);
        assert_int_equal(job->state, ENG_JOB_DONE);
        eng_job_free(job);
    }
}

/* With everything refused. */
static const char REFUSES[] = "{\"confidence\":1.0,\"top_k\":3}";

static void what_is_better_is_told_and_nothing_changed(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data, NULL);
    eng_arena arena;
    eng_tune what = {.same_chunk = true};
    set(e, REFUSES);
    eng_arena_init(&arena, 1 << 16, NULL);
    const eng_json *v = tune(e, &what, MILLS, &arena);
    assert_true(flag(v, "better"));
    assert_false(flag(v, "applied"));
    const eng_json *gain = eng_json_get(eng_json_get(v, ENG_STR("held_out")), ENG_STR("interval"));
    double low;
    assert_true(eng_json_number(eng_json_at(gain, 0), &low) && low > 0);
    assert_true(eng_json_count(eng_json_get(v, ENG_STR("tried"))) > 2);
    has(e, REFUSES, 250);
    eng_arena_clear(&arena);
    eng_close(e);
}

static void what_is_better_is_applied_and_taken_back(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data, NULL);
    eng_arena arena;
    eng_collection *c = NULL;
    eng_error err = {0};
    int64_t job;
    eng_tune what = {.same_chunk = true, .apply = true};
    assert_int_equal(eng_tune_rollback(e, ENG_STR("vila"), &job, &c, &err), ENG_ECONFLICT);
    assert_int_equal(eng_tune_rollback(e, ENG_STR("azenha"), &job, &c, &err), ENG_ENOTFOUND);
    set(e, REFUSES);
    eng_arena_init(&arena, 1 << 16, NULL);
    const eng_json *v = tune(e, &what, MILLS, &arena);
    assert_true(flag(v, "applied"));
    assert_ok(eng_collection_get(e, ENG_STR("vila"), &c, &err), err);
    eng_str found = eng_arena_copy(&arena, eng_str_of(c->settings));
    eng_collection_free(c);
    assert_null(strstr(found.ptr, "\"confidence\":1.0"));
    roll_back(e);
    has(e, REFUSES, 250);
    roll_back(e);
    has(e, found.ptr, 250);
    eng_arena_clear(&arena);
    eng_close(e);
}

/* Two words a passage: no sentence is whole. */
static void another_way_of_cutting_takes_its_place_with_the_settings(void **state)
{
    place *p = *state;
    const eng_cutting shreds = {.size = 2};
    eng *e = open_mill(p->data, &shreds);
    eng_arena arena;
    eng_collection *c = NULL;
    eng_error err = {0};
    const eng_str chunks[] = {ENG_STR("80/8"), ENG_STR("3/0")};
    eng_tune what = {.chunks = chunks, .chunk_count = 2, .apply = true};
    set(e, REFUSES);
    eng_arena_init(&arena, 1 << 16, NULL);
    const eng_json *v = tune(e, &what, MILLS, &arena);
    assert_true(flag(v, "applied"));
    assert_ok(eng_collection_get(e, ENG_STR("vila"), &c, &err), err);
    assert_int_equal(c->chunk.size, 80);
    eng_str found = eng_arena_copy(&arena, eng_str_of(c->settings));
    eng_collection_free(c);
    assert_int_equal(generations(e), 2); /* and the one before, for the way back */
    roll_back(e);
    has(e, REFUSES, 2);
    roll_back(e);
    has(e, found.ptr, 80);
    assert_int_equal(generations(e), 2);
    eng_arena_clear(&arena);
    eng_close(e);
}

static void few_questions_change_nothing(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data, NULL);
    eng_arena arena;
    eng_tune what = {.same_chunk = true, .apply = true};
    set(e, REFUSES);
    eng_arena_init(&arena, 1 << 16, NULL);
    const eng_json *v = tune(e, &what, 4, &arena);
    assert_false(flag(v, "better"));
    assert_false(flag(v, "applied"));
    assert_true(eng_json_is(eng_json_get(v, ENG_STR("held_out")), ENG_JSON_NULL));
    has(e, REFUSES, 250);
    eng_arena_clear(&arena);
    eng_close(e);
}

static void the_result_is_a_page(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data, NULL);
    eng_arena arena;
    eng_error err = {0};
    eng_buf text;
    eng_str html;
    eng_tune what = {.same_chunk = true};
    eng_arena_init(&arena, 1 << 16, NULL);
    eng_buf_init(&text, 1 << 24);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_copy(&w, tune(e, &what, MILLS, &arena));
    assert_ok(eng_report_html(eng_buf_view(&text), &html, &err), err);
    assert_non_null(memmem(html.ptr, html.len, "Quality against latency", 23));
    assert_non_null(memmem(html.ptr, html.len, "what stands", 11));
    eng_report_free(html);
    eng_buf_clear(&text);
    eng_arena_clear(&arena);
    eng_close(e);
}

static void what_is_wrong_is_told_before_there_is_a_job(void **state)
{
    place *p = *state;
    eng *e = open_mill(p->data, NULL);
    eng_error err = {0};
    int64_t id;
    eng_str chunk = ENG_STR("8/9");
    eng_tune what = {.questions = ENG_STR("{\"question\":\"x\"}\n{\"question\":7}\n")};
    assert_int_equal(eng_tune_begin(e, ENG_STR("vila"), &what, &id, &err), ENG_EINVALID);
    assert_non_null(strstr(err.message, "line 2"));
    assert_int_equal(eng_tune_begin(e, ENG_STR("azenha"), &what, &id, &err), ENG_ENOTFOUND);
    what.chunks = &chunk;
    what.chunk_count = 1;
    assert_int_equal(eng_tune_begin(e, ENG_STR("vila"), &what, &id, &err), ENG_EINVALID);
    assert_string_equal(err.field, "chunk");
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(what_is_better_is_told_and_nothing_changed),
        in_place(what_is_better_is_applied_and_taken_back),
        in_place(another_way_of_cutting_takes_its_place_with_the_settings),
        in_place(few_questions_change_nothing),
        in_place(the_result_is_a_page),
        in_place(what_is_wrong_is_told_before_there_is_a_job),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
