/*
 * Training on texts as a job: the rows of a file, and what feedback was kept, become a model, which is
 * loaded like any other and is then the one in use. It reads, and writes only when all is done: so after
 * a crash it is simply run again.
 */
#include "base/error.h"
#include "base/file.h"
#include "engine/registry.h"

#include <math.h>
#include <stdio.h>

enum { FEEDBACK_PAGE = 1000 };

eng_status eng_feedback_add(eng *e, const eng_str *products, size_t count, eng_error *err)
{
    return eng_store_feedback_add(e->store, products, count, err);
}

/* ---- Rows ---- */

static const eng_json *field_of(const eng_json *product, eng_str name)
{
    for (size_t i = 0; i < eng_json_count(product); i++)
        if (eng_str_eq_nocase(eng_json_key(product, i), name))
            return eng_json_value(product, i);
    return NULL;
}

/* As a row of the file would have it. What has no text in the file's columns teaches nothing. */
static eng_status add_product(eng_text_rows *rows, const eng_json *product, int64_t id,
                              eng_error *err)
{
    const eng_text_columns *c = eng_text_rows_columns(rows);
    eng_str texts[ENG_TEXT_FIELDS];
    double numbers[ENG_TEXT_NUMBERS];
    char group[40];
    bool some = false;
    for (size_t i = 0; i < c->text_count; i++) {
        texts[i] = eng_json_text(field_of(product, c->texts[i]));
        some |= texts[i].len > 0;
    }
    for (size_t i = 0; i < c->number_count; i++)
        if (!eng_json_number(field_of(product, c->numbers[i]), &numbers[i]))
            numbers[i] = NAN;
    if (!some)
        return ENG_OK;
    int len = snprintf(group, sizeof group, "feedback %lld", (long long)id);
    eng_text_row row = {
        .texts = texts,
        .numbers = numbers,
        .label = eng_json_text(eng_json_get(product, ENG_STR("category"))),
        .group = {group, (size_t)len},
    };
    return eng_text_rows_add(rows, &row, err);
}

static eng_status add_feedback(eng_job_run *run, eng_text_rows *rows, uint64_t *used,
                               eng_error *err)
{
    eng_status status = ENG_OK;
    int64_t after = 0, last;
    for (size_t count = FEEDBACK_PAGE; count == FEEDBACK_PAGE && status == ENG_OK; after = last) {
        eng_arena arena;
        eng_str *products = NULL;
        eng_arena_init(&arena, 1 << 14, NULL);
        status = eng_store_feedback_page(run->e->store, after, FEEDBACK_PAGE, &arena, &products,
                                         &count, &last, err);
        for (size_t i = 0; i < count && status == ENG_OK; i++) {
            const eng_json *product;
            status = eng_json_read(products[i], NULL, &arena, &product, err);
            if (status == ENG_OK)
                status = add_product(rows, product, after + (int64_t)i, err);
            ++*used;
        }
        eng_arena_clear(&arena);
    }
    return status;
}

/* ---- Running ---- */

static bool go_on(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    return eng_job_report(ctx, done, total);
}

static eng_status learn(eng_job_run *run, eng_text_trained *out, uint64_t *used, eng_error *err)
{
    const eng_json *p = run->params;
    const eng_json *feedback = eng_json_get(p, ENG_STR("feedback"));
    const eng_json *seed = eng_json_get(p, ENG_STR("seed"));
    eng_text_rows *rows = NULL;
    eng_text_columns columns = {.label = eng_json_text(eng_json_get(p, ENG_STR("label"))),
                                .group = eng_json_text(eng_json_get(p, ENG_STR("group")))};
    eng_text_settings settings = {
        .threads = 1, /* beside those who ask */
        .seed = eng_json_is(seed, ENG_JSON_INT) ? (uint64_t)seed->as.integer : 0,
    };
    eng_text_hooks hooks = {.go_on = go_on, .ctx = run};
    eng_str dataset = eng_json_text(eng_json_get(p, ENG_STR("dataset")));
    eng_status status = eng_text_rows_read(dataset.ptr, &columns, false, NULL, &rows, err);
    if (status == ENG_OK && eng_json_is(feedback, ENG_JSON_BOOL) && feedback->as.boolean)
        status = add_feedback(run, rows, used, err);
    if (status == ENG_OK)
        status = eng_text_train(rows, NULL, &settings, &hooks, out, err);
    eng_text_rows_free(rows);
    return status;
}

static void write_result(eng_job_run *run, const eng_text_trained *t, const eng_predictor *p,
                         uint64_t used)
{
    eng_json_writer w = eng_json_write_to(&run->result);
    eng_json_open(&w, '{');
    eng_json_member(&w, "model", eng_str_of(p->info.name));
    eng_json_name(&w, ENG_STR("version"));
    eng_json_uint(&w, p->info.version);
    eng_json_name(&w, ENG_STR("feedback"));
    eng_json_uint(&w, used);
    eng_json_name(&w, ENG_STR("metrics"));
    eng_json_raw(&w, eng_buf_view(&t->metrics));
    eng_json_close(&w, '}');
}

eng_status eng_train_run(eng_job_run *run, eng_error *err)
{
    eng_text_trained trained = {0};
    eng_predictor *p = NULL;
    uint64_t used = 0;
    eng_status status = learn(run, &trained, &used, err);
    if (status == ENG_OK) {
        eng_load load = {
            .kind = ENG_PREDICTOR_TEXT,
            .name = eng_json_text(eng_json_get(run->params, ENG_STR("name"))),
            .filename = ENG_STR("trained here"),
            .bytes = eng_buf_view(&trained.model),
        };
        status = eng_predictor_load(run->e, &load, &p, err);
    }
    if (status == ENG_OK)
        write_result(run, &trained, p, used);
    eng_predictor_give(p);
    eng_text_trained_clear(&trained);
    return status;
}

/* ---- Asking for one ---- */

static void member(eng_json_writer *w, const char *name, eng_str value)
{
    if (value.ptr)
        eng_json_member(w, name, value);
}

eng_status eng_train_begin(eng *e, const eng_train *what, int64_t *job, eng_error *err)
{
    eng_buf params;
    eng_str dataset = what->dataset.ptr ? what->dataset : eng_str_of(e->registry->dataset);
    if (!dataset.len)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("dataset"),
                              "expected a path: no DATASET_PATH was set");
    if (what->dataset.ptr && (dataset.ptr[0] != '/' || memchr(dataset.ptr, 0, dataset.len)))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("dataset"), "expected an absolute path");
    eng_buf_init(&params, 1 << 16);
    eng_json_writer w = eng_json_write_to(&params);
    eng_json_open(&w, '{');
    eng_json_member(&w, "kind", ENG_STR("text"));
    eng_json_member(&w, "name", what->name);
    eng_json_member(&w, "dataset", dataset);
    member(&w, "label", what->label);
    member(&w, "group", what->group);
    eng_json_name(&w, ENG_STR("feedback"));
    eng_json_bool(&w, what->feedback);
    eng_json_name(&w, ENG_STR("seed"));
    eng_json_int(&w, (int64_t)what->seed);
    eng_json_close(&w, '}');
    eng_status status = eng_buf_check(&params, "training", err);
    if (status == ENG_OK)
        status = eng_job_submit(e, "train", eng_buf_view(&params), job, err);
    eng_buf_clear(&params);
    return status;
}
