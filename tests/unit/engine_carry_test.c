/* A collection into a file and out of one, with an encoder: promises of engenho.h. */
#include "engine/knowledge.h"
#include "model_help.h"

/* ---- Help ---- */

static eng *open_with_encoder(const char *data, const char *root, const char *id)
{
    char from[160];
    int64_t job;
    eng_error err = {0};
    eng *e = open_at(data);
    snprintf(from, sizeof from, "%s/model", root);
    if (access(from, F_OK) < 0)
        tiny_model(from, false, "");
    eng_pull what = {.model = eng_str_of(id), .from = from};
    assert_ok(eng_model_pull(e, &what, &job, &err), err);
    eng_job *done = wait_for(e, job);
    if (done->state != ENG_JOB_DONE)
        fail_msg("%s", done->error);
    eng_job_free(done);
    return e;
}

static void fill(eng *e, const char *name)
{
    static const char *const texts[] = {"um moinho tem vento", "dois bolo casa",
                                        "a roda tem doze casa"};
    eng_error err = {0};
    eng_source sources[3];
    for (size_t i = 0; i < 3; i++)
        sources[i] = (eng_source){.id = eng_str_of(texts[i]),
                                  .title = {NULL, 0},
                                  .url = {NULL, 0},
                                  .metadata = ENG_STR("{\"ano\":2026}"),
                                  .text = eng_str_of(texts[i])};
    eng_ingest_options o = {.make = true, .title = {NULL, 0}};
    eng_ingest_report *r = NULL;
    assert_ok(eng_ingest(e, eng_str_of(name), sources, 3, &o, &r, &err), err);
    for (size_t i = 0; i < r->count; i++)
        assert_int_equal(r->items[i].state, ENG_INGEST_INDEXED);
    eng_ingest_report_free(r);
}

static eng_mapping exported(eng *e, const char *name)
{
    int fd = -1;
    eng_error err = {0};
    eng_mapping file;
    assert_ok(eng_collection_export(e, eng_str_of(name), NULL, NULL, &fd, &err), err);
    assert_ok(eng_mapping_of_fd(fd, &file, &err), err);
    close(fd);
    return file;
}

static eng_status take_in(eng *e, const eng_mapping *file, const char *name, bool reembed,
                          int64_t *job, eng_error *err)
{
    eng_collection *c = NULL;
    eng_import_options o = {
        .name = eng_str_of(name), .reembed = reembed, .embedding_model = {NULL, 0}};
    eng_status status = eng_collection_import(e, (eng_str){(const char *)file->data, file->len}, &o,
                                              job, &c, err);
    eng_collection_free(c);
    return status;
}

static eng_results *search(eng *e, const char *name)
{
    eng_error err = {0};
    eng_results *r = NULL;
    eng_search_query q = {.text = ENG_STR("moinho casa"), .top_k = 10, .filter = {NULL, 0}};
    assert_ok(eng_search(e, eng_str_of(name), &q, &r, &err), err);
    return r;
}

static void same_results(eng *a, const char *there, eng *b, const char *here)
{
    eng_results *x = search(a, there), *y = search(b, here);
    assert_int_equal(x->count, 3);
    assert_int_equal(y->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(x->items[i].document, y->items[i].document);
        assert_int_equal(x->items[i].passage, y->items[i].passage);
        assert_string_equal(x->items[i].metadata, y->items[i].metadata);
        assert_true(x->items[i].score == y->items[i].score);
        assert_true(x->items[i].dense == y->items[i].dense);
    }
    eng_results_free(x);
    eng_results_free(y);
}

/* ---- Tests ---- */

static void vectors_are_taken_as_they_are(void **state)
{
    place *p = *state;
    char other[96];
    eng_error err = {0};
    eng_counters before, after;
    int64_t job = 77;
    snprintf(other, sizeof other, "%s/other", p->root);
    eng *a = open_with_encoder(p->data, p->root, "t/encoder");
    eng *b = open_with_encoder(other, p->root, "t/encoder");
    fill(a, "a");
    eng_mapping file = exported(a, "a");
    eng_counters_now(b, &before);
    assert_ok(take_in(b, &file, "b", false, &job, &err), err);
    eng_counters_now(b, &after);
    assert_int_equal(job, 0);
    assert_int_equal(after.embedded, before.embedded);
    same_results(a, "a", b, "b");
    assert_int_equal(take_in(b, &file, "b", false, &job, &err), ENG_ECONFLICT);
    assert_int_equal(take_in(b, &file, "x/y", false, &job, &err), ENG_EINVALID);
    eng_mapping_close(&file);
    eng_close(b);
    eng_close(a);
}

static void an_encoder_that_is_not_here_is_said(void **state)
{
    place *p = *state;
    char other[96];
    eng_error err = {0};
    int64_t job = 0;
    snprintf(other, sizeof other, "%s/other", p->root);
    eng *a = open_with_encoder(p->data, p->root, "t/encoder");
    eng *b = open_with_encoder(other, p->root, "t/another");
    fill(a, "a");
    eng_mapping file = exported(a, "a");
    assert_int_equal(take_in(b, &file, "b", false, &job, &err), ENG_EINVALID);
    assert_non_null(strstr(err.message, "t/encoder"));
    eng_collection *c = NULL;
    assert_int_equal(eng_collection_get(b, ENG_STR("b"), &c, &err), ENG_ENOTFOUND);
    assert_ok(take_in(b, &file, "b", true, &job, &err), err);
    assert_true(job > 0);
    eng_job *done = wait_for(b, job);
    assert_int_equal(done->state, ENG_JOB_DONE);
    eng_job_free(done);
    assert_ok(eng_collection_get(b, ENG_STR("b"), &c, &err), err);
    assert_string_equal(c->embedding_model, "t/another");
    eng_collection_free(c);
    same_results(a, "a", b, "b");
    eng_mapping_close(&file);
    eng_close(b);
    eng_close(a);
}

static char *headings_of(eng *e, const char *collection, eng_buf *out)
{
    eng_error err = {0};
    eng_document *d = NULL;
    assert_ok(eng_document_get(e, eng_str_of(collection), ENG_STR("p"), &d, &err), err);
    eng_buf_reset(out);
    for (size_t i = 0; i < d->passage_count; i++)
        eng_buf_format(out, "%s;", d->passages[i].heading);
    eng_document_free(d);
    return out->data;
}

static void recut(eng *e, const char *collection, unsigned size)
{
    int64_t job = 0;
    eng_error err = {0};
    eng_collection *c = NULL;
    eng_cutting chunk = {.size = size, .characters = true};
    eng_collection_spec spec = {.title = {NULL, 0}, .chunk = &chunk, .embedding_model = {NULL, 0}};
    assert_ok(eng_collection_change(e, eng_str_of(collection), &spec, &job, &c, &err), err);
    eng_collection_free(c);
    eng_job *done = wait_for(e, job);
    assert_int_equal(done->state, ENG_JOB_DONE);
    eng_job_free(done);
}

/* What a page's headings were does not show in its text. */
static void structure_outlives_another_cutting_and_the_way_into_a_file(void **state)
{
    place *p = *state;
    eng_error err = {0};
    int64_t job = 0;
    eng_buf out;
    eng_ingest_report *r = NULL;
    eng_ingest_options o = {.make = true, .title = {NULL, 0}};
    eng_source page = {
        .id = ENG_STR("p"),
        .title = {NULL, 0},
        .url = {NULL, 0},
        .metadata = {NULL, 0},
        .text = {NULL, 0},
        .bytes = ENG_STR("<html><body><main><h1>Loja</h1><h2>Prazos</h2>"
                         "<p>A entrega leva sete dias.</p><h2>Trocas</h2>"
                         "<p>A troca pede a nota fiscal. O dinheiro volta em dez dias.</p>"
                         "</main></body></html>"),
        .file = ENG_STR("p.html"),
        .type = ENG_STR("text/html")};
    eng *e = open_at(p->data);
    eng_buf_init(&out, 4096);
    assert_ok(eng_ingest(e, ENG_STR("a"), &page, 1, &o, &r, &err), err);
    eng_ingest_report_free(r);
    assert_string_equal(headings_of(e, "a", &out), ";");
    recut(e, "a", 40);
    assert_string_equal(headings_of(e, "a", &out), ";Loja;Loja > Trocas;");
    eng_mapping file = exported(e, "a");
    assert_ok(take_in(e, &file, "b", false, &job, &err), err);
    eng_mapping_close(&file);
    recut(e, "b", 35);
    assert_non_null(strstr(headings_of(e, "b", &out), ";Loja > Trocas;"));
    eng_buf_clear(&out);
    eng_close(e);
}

static void damage_is_what_cannot_be_accepted(void **state)
{
    place *p = *state;
    eng_error err = {0};
    int64_t job = 0;
    eng *e = open_with_encoder(p->data, p->root, "t/encoder");
    fill(e, "a");
    eng_mapping file = exported(e, "a"), cut = {file.data, file.len - 1};
    assert_int_equal(take_in(e, &cut, "b", false, &job, &err), ENG_EINVALID);
    cut.len = 0;
    assert_int_equal(take_in(e, &cut, "b", false, &job, &err), ENG_EINVALID);
    eng_mapping_close(&file);
    assert_int_equal(eng_collection_export(e, ENG_STR("none"), NULL, NULL, &(int){0}, &err),
                     ENG_ENOTFOUND);
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(vectors_are_taken_as_they_are),
        in_place(an_encoder_that_is_not_here_is_said),
        in_place(structure_outlives_another_cutting_and_the_way_into_a_file),
        in_place(damage_is_what_cannot_be_accepted),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
