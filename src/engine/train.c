/* engenho.h's training from files: learn/ does the work. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "learn/learn.h"

typedef struct {
    eng_trained shown;
    eng_text_trained trained;
} result;

static eng_status take_list(const char *const *list, eng_str *names, size_t most, size_t *count,
                            eng_error *err)
{
    for (; list && *list; list++) {
        if (*count == most)
            return eng_fail(err, ENG_EINVALID, "over %zu columns", most);
        names[(*count)++] = eng_str_of(*list);
    }
    return ENG_OK;
}

static eng_status take_columns(const eng_train_text_options *o, eng_text_columns *c, eng_error *err)
{
    *c = (eng_text_columns){.label = eng_str_of(o->label), .group = eng_str_of(o->group)};
    eng_status status = take_list(o->texts, c->texts, ENG_TEXT_FIELDS, &c->text_count, err);
    return status < 0 ? status
                      : take_list(o->numbers, c->numbers, ENG_TEXT_NUMBERS, &c->number_count, err);
}

static eng_text_settings settings_of(const eng_train_text_options *o)
{
    return (eng_text_settings){.threads = o->threads,
                               .seed = o->seed,
                               .folds = o->folds,
                               .logistic = o->logistic,
                               .cost = o->cost,
                               .word_grams = o->word_grams,
                               .char_min = o->char_min,
                               .char_max = o->char_max,
                               .no_chars = o->no_chars,
                               .min_count = o->min_count,
                               .balance = o->balance,
                               .refuse = o->refuse,
                               .search_s = o->search_s};
}

/* The test's rows have the columns that were found in the training's; a group is not asked for. */
static eng_status read_test(const eng_train_text_options *o, const eng_text_rows *rows,
                            eng_text_rows **out, eng_error *err)
{
    if (!o->test)
        return ENG_OK;
    eng_text_columns columns = *eng_text_rows_columns(rows);
    columns.group = (eng_str){"", 0};
    return eng_text_rows_read(o->test, &columns, o->strict, NULL, out, err);
}

static eng_status write_files(const eng_train_text_options *o, const eng_text_trained *t,
                              eng_error *err)
{
    eng_status status = ENG_OK;
    if (o->metrics)
        status = eng_file_write(o->metrics, eng_buf_view(&t->metrics), 0644, err);
    if (status == ENG_OK && o->model)
        status = eng_text_save(t, o->model, err);
    return status;
}

static eng_status train(const eng_train_text_options *o, eng_text_trained *out, eng_error *err)
{
    eng_text_columns columns;
    eng_text_rows *rows = NULL, *test = NULL;
    eng_text_settings settings = settings_of(o);
    eng_text_hooks hooks = {.go_on = o->go_on, .ctx = o->ctx};
    eng_status status = take_columns(o, &columns, err);
    if (status == ENG_OK)
        status = eng_text_rows_read(o->dataset, &columns, o->strict, NULL, &rows, err);
    if (status == ENG_OK)
        status = read_test(o, rows, &test, err);
    if (status == ENG_OK) {
        status = eng_text_train(rows, test, &settings, &hooks, out, err);
        if (status < 0)
            eng_error_prefix(err, "'%s'", o->dataset);
    }
    eng_text_rows_free(rows);
    eng_text_rows_free(test);
    return status;
}

eng_status eng_train_text(const eng_train_text_options *options, eng_trained **out, eng_error *err)
{
    result *r = eng_zalloc(sizeof *r);
    if (!r)
        return eng_fail_nomem(err);
    eng_status status = train(options, &r->trained, err);
    if (status == ENG_OK)
        status = write_files(options, &r->trained, err);
    if (status < 0) {
        eng_trained_free(&r->shown);
        return status;
    }
    r->shown = (eng_trained){.metrics = r->trained.metrics.data,
                             .metrics_len = r->trained.metrics.len,
                             .accuracy = r->trained.accuracy,
                             .macro_f1 = r->trained.macro_f1,
                             .bytes = r->trained.model.len};
    *out = &r->shown;
    return ENG_OK;
}

void eng_trained_free(eng_trained *t)
{
    if (!t)
        return;
    result *r = (result *)t; /* its first member */
    eng_text_trained_clear(&r->trained);
    eng_free(r);
}
