/* Training from rows to a model's bytes and what it is worth. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "learn/text_internal.h"

#include <stdlib.h>
#include <unistd.h>

enum { FOLDS = 5, FOLDS_MAX = 50, MANY_ROWS = 300 * 1000, MANY_FEATURES = 200 * 1000 };

/* ---- Presets ---- */

static eng_text_settings filled_in(const eng_text_settings *asked, const eng_text_rows *rows)
{
    eng_text_settings s = *asked;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (!s.threads)
        s.threads = processors > 0 ? (unsigned)processors : 1;
    s.threads = s.threads < 64 ? s.threads : 64;
    if (!s.folds)
        s.folds = rows->count < MANY_ROWS ? FOLDS : 1;
    if (s.folds > rows->group_count && s.folds > 1)
        s.folds = (unsigned)rows->group_count;
    if (!(s.cost > 0))
        s.cost = s.logistic ? 4 : 0.3;
    s.word_grams = s.word_grams ? s.word_grams : 2;
    s.char_min = s.char_min ? s.char_min : 2;
    s.char_max = s.char_max ? s.char_max : 5;
    if (!s.min_count)
        s.min_count = rows->count < MANY_FEATURES ? 1 : 2;
    s.balance = s.balance < 0 ? 0 : s.balance > 0 ? s.balance : 0.4;
    if (!(s.refuse > 0))
        s.refuse = 0.03;
    return s;
}

static eng_status check(const eng_text_settings *s, const eng_text_rows *rows, eng_error *err)
{
    if (rows->class_count < 2)
        return eng_fail(err, ENG_EINVALID,
                        "every row has the category '%.*s': two or more are needed to learn from",
                        ENG_FMT(rows->class_count ? rows->classes[0].name : ENG_STR("")));
    if (rows->group_count < 2)
        return eng_fail(err, ENG_EINVALID,
                        "all rows are of one group: there is nothing to hold back");
    if (s->folds > FOLDS_MAX)
        return eng_fail(err, ENG_EINVALID, "folds: expected at most %d", FOLDS_MAX);
    if (s->char_min > s->char_max || s->char_max > ENG_TEXT_GRAM_MAX)
        return eng_fail(err, ENG_EINVALID,
                        "runs of characters: expected 1 to %d, and no more at least "
                        "than at most",
                        ENG_TEXT_GRAM_MAX);
    if (s->word_grams > 2)
        return eng_fail(err, ENG_EINVALID, "words in a row: expected 1 or 2");
    if (s->refuse >= 0.5 || !(s->balance <= 1))
        return eng_fail(err, ENG_EINVALID, "refuse must lie below 0.5, balance must not exceed 1");
    return ENG_OK;
}

/* ---- What held-back examples say ---- */

typedef struct {
    const eng_text_rows *rows;
    const eng_text_rows *test;
    eng_text_corpus corpus;
    eng_text_folds folds;
    eng_text_calibration calibration;
    eng_text_measure whole;
    eng_buf *metrics;
    eng_error *err;
} trainer;

/* Scored examples of a view, or of all that their rows have (ENG_TEXT_VIEWS). */
static bool of_view(const trainer *t, size_t example, size_t view)
{
    const eng_text_example *e = &t->corpus.examples[example];
    return t->folds.slots[example] != UINT32_MAX &&
           (view == ENG_TEXT_VIEWS ? e->whole : e->view == view);
}

static eng_status find_heat(trainer *t, size_t view)
{
    const eng_text_folds *f = &t->folds;
    size_t count = 0;
    float *scores = eng_alloc_array(f->scored * f->stride, sizeof *scores);
    uint16_t *labels = eng_alloc_array(f->scored, sizeof *labels);
    if (scores && labels) {
        for (size_t i = 0; i < t->corpus.example_count; i++) {
            if (!of_view(t, i, view))
                continue;
            memcpy(scores + count * f->stride, f->scores + f->slots[i] * f->stride,
                   f->stride * sizeof *scores);
            labels[count++] = t->corpus.examples[i].label;
        }
        t->calibration.heat[view] = eng_text_find_heat(scores, f->stride, labels, count, f->stride);
    }
    eng_free(scores);
    eng_free(labels);
    return scores && labels ? ENG_OK : eng_fail_nomem(t->err);
}

static eng_status collect(trainer *t, size_t view, eng_text_verdict **out, size_t *count)
{
    const eng_text_folds *f = &t->folds;
    eng_text_verdict *v = eng_alloc_array(f->scored, sizeof *v);
    float *scores = eng_alloc_array(f->stride, sizeof *scores);
    *count = 0;
    for (size_t i = 0; v && scores && i < t->corpus.example_count; i++) {
        if (!of_view(t, i, view))
            continue;
        const eng_text_example *e = &t->corpus.examples[i];
        size_t slot = f->slots[i];
        memcpy(scores, f->scores + slot * f->stride, f->stride * sizeof *scores);
        eng_text_verdict *at = &v[(*count)++];
        *at = (eng_text_verdict){.example = (uint32_t)i, .group = e->group, .label = e->label};
        at->said = eng_text_soften(scores, f->stride, t->calibration.heat[e->view]);
        at->probability = scores[at->said];
        at->familiar = eng_text_familiar(t->calibration.mean_surprise, f->surprise[slot],
                                         f->words[slot], t->folds.final.trained);
    }
    eng_free(scores);
    if (!v || !scores) {
        eng_free(v);
        return eng_fail_nomem(t->err);
    }
    *out = v;
    return ENG_OK;
}

static int by_familiarity(const void *a, const void *b)
{
    float x = ((const eng_text_verdict *)a)->familiar, y = ((const eng_text_verdict *)b)->familiar;
    return (x > y) - (x < y);
}

/* The familiarity that so many of the products fall below; but where few rows have few words, one new
 * word among four is no reason. */
static eng_status find_limit(trainer *t, size_t view)
{
    eng_text_verdict *v;
    size_t count;
    eng_status status = collect(t, view, &v, &count);
    if (status < 0)
        return status;
    qsort(v, count, sizeof *v, by_familiarity);
    size_t at = (size_t)(t->corpus.settings.refuse * (double)count);
    float mean = t->calibration.mean_surprise, limit = count ? v[at].familiar : 0;
    float lenient = 0.9f * (mean - log2f(2 * (1 + (float)t->folds.final.trained)));
    t->calibration.limit[view] = limit < lenient ? limit : lenient;
    eng_free(v);
    return ENG_OK;
}

static void find_mean_surprise(trainer *t)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < t->corpus.example_count; i++) {
        size_t slot = t->folds.slots[i];
        if (slot == UINT32_MAX || !t->corpus.examples[i].whole || !t->folds.words[slot])
            continue;
        sum += (double)t->folds.surprise[slot] / t->folds.words[slot];
        count++;
    }
    t->calibration.mean_surprise = count ? (float)(sum / (double)count) : 0;
}

/* Views that no row has go by the fullest there is. */
static eng_status calibrate(trainer *t)
{
    eng_status status = ENG_OK;
    find_mean_surprise(t);
    for (size_t v = 0; v < ENG_TEXT_VIEWS && status == ENG_OK; v++) {
        if (v >= t->corpus.views) {
            t->calibration.heat[v] = t->calibration.heat[v - 1];
            t->calibration.limit[v] = t->calibration.limit[v - 1];
            continue;
        }
        status = find_heat(t, v);
        if (status == ENG_OK)
            status = find_limit(t, v);
    }
    return status;
}

/* ---- The metrics ---- */

static eng_status put_view(trainer *t, eng_json_writer *w, size_t view)
{
    eng_text_verdict *v;
    eng_text_measure m;
    size_t count;
    eng_status status = collect(t, view, &v, &count);
    if (status < 0)
        return status;
    status = eng_text_judge(v, count, t->folds.stride, t->calibration.limit[view], true,
                            t->corpus.settings.seed, &m, t->err);
    eng_free(v);
    if (status < 0)
        return status;
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("fields"));
    eng_json_uint(w, view + 1);
    eng_text_put_measure(w, t->rows->classes, &m);
    eng_json_close(w, '}');
    eng_text_measure_clear(&m);
    return ENG_OK;
}

/* Wrong and sure of it. */
static void put_mistakes(trainer *t, eng_json_writer *w, const eng_text_verdict *v, size_t count)
{
    enum { MISTAKES = 25 };
    size_t shown = 0, fields = t->rows->columns.text_count;
    eng_json_name(w, ENG_STR("mistakes"));
    eng_json_open(w, '[');
    for (size_t i = count; i > 0 && shown < MISTAKES; i--) {
        const eng_text_verdict *x = &v[i - 1];
        if (x->label == x->said)
            continue;
        size_t row = t->corpus.examples[x->example].row;
        eng_json_open(w, '{');
        for (size_t f = 0; f < fields; f++) {
            eng_json_name(w, t->rows->columns.texts[f]);
            eng_json_string(w, t->rows->texts[row * fields + f]);
        }
        eng_json_member(w, "right", t->rows->classes[x->label].name);
        eng_json_member(w, "said", t->rows->classes[x->said].name);
        eng_json_name(w, ENG_STR("sure"));
        eng_json_double(w, round((double)x->probability * 1e4) / 1e4);
        eng_json_close(w, '}');
        shown++;
    }
    eng_json_close(w, ']');
}

static int by_probability(const void *a, const void *b)
{
    const eng_text_verdict *x = a, *y = b;
    if (x->probability != y->probability)
        return x->probability < y->probability ? -1 : 1;
    return (x->example > y->example) - (x->example < y->example);
}

static eng_status put_whole(trainer *t, eng_json_writer *w)
{
    eng_text_verdict *v;
    size_t count;
    eng_status status = collect(t, ENG_TEXT_VIEWS, &v, &count);
    if (status < 0)
        return status;
    status = eng_text_judge(v, count, t->folds.stride, t->calibration.limit[t->corpus.views - 1],
                            true, t->corpus.settings.seed, &t->whole, t->err);
    if (status == ENG_OK) {
        eng_text_put_measure(w, t->rows->classes, &t->whole);
        qsort(v, count, sizeof *v, by_probability);
        put_mistakes(t, w, v, count);
    }
    eng_free(v);
    return status;
}

/* The score that a split by rows would have shown, beside the honest one. */
static void put_leak(const trainer *t, eng_json_writer *w)
{
    if (isnan(t->folds.row_accuracy))
        return;
    eng_json_name(w, ENG_STR("leak"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("accuracy_by_row"));
    eng_json_double(w, round(t->folds.row_accuracy * 1e6) / 1e6);
    eng_json_name(w, ENG_STR("accuracy_by_group"));
    eng_json_double(w, round(t->whole.accuracy * 1e6) / 1e6);
    eng_json_member(w, "why",
                    ENG_STR("rows of one group share their text: split by row, what is asked was "
                            "learned by heart"));
    eng_json_close(w, '}');
}

static eng_status put_metrics(trainer *t, eng_json_writer *w)
{
    eng_json_member(w, "kind", ENG_STR("text"));
    eng_json_name(w, ENG_STR("folds"));
    eng_json_uint(w, t->corpus.settings.folds);
    eng_status status = put_whole(t, w);
    if (status < 0)
        return status;
    put_leak(t, w);
    eng_json_name(w, ENG_STR("views"));
    eng_json_open(w, '[');
    for (size_t v = 0; v < t->corpus.views && t->corpus.views > 1 && status == ENG_OK; v++)
        status = put_view(t, w, v);
    if (status < 0)
        return status;
    eng_json_close(w, ']');
    eng_json_name(w, ENG_STR("data"));
    eng_json_open(w, '{');
    status = eng_text_put_data(w, &t->corpus, t->err);
    if (status < 0)
        return status;
    eng_json_close(w, '}');
    eng_text_put_settings(w, &t->corpus.settings);
    eng_json_name(w, ENG_STR("features"));
    eng_json_uint(w, t->corpus.features.count);
    return eng_buf_check(t->metrics, "metrics", t->err);
}

/* ---- All of it ---- */

static eng_status train(trainer *t, eng_text_settings *settings, const eng_text_hooks *hooks,
                        eng_text_trained *out)
{
    eng_status status = ENG_OK;
    eng_json_writer w = eng_json_write_to(t->metrics);
    eng_json_open(&w, '{');
    if (settings->search_s > 0)
        status = eng_text_search(t->rows, hooks, settings, &w, t->err);
    if (status == ENG_OK)
        status = eng_text_corpus_make(t->rows, settings, 1, &t->corpus, t->err);
    if (status == ENG_OK)
        status = eng_text_folds_run(&t->corpus, 0, hooks, &t->folds, t->err);
    if (status == ENG_OK)
        status = calibrate(t);
    if (status == ENG_OK)
        status = put_metrics(t, &w);
    if (status < 0)
        return status;
    eng_json_writer rest = w; /* the model has what is written up to here; "test" may follow */
    size_t len = t->metrics->len;
    eng_json_close(&w, '}');
    status = eng_text_pack(&t->folds.final, &t->calibration, eng_buf_view(t->metrics), &out->model,
                           t->err);
    if (status == ENG_OK && t->test) {
        t->metrics->len = len;
        status = eng_text_put_test(&rest, t->test, eng_buf_view(&out->model), t->err);
        eng_json_close(&rest, '}');
    }
    out->accuracy = t->whole.accuracy;
    out->macro_f1 = t->whole.macro_f1;
    return status < 0 ? status : eng_buf_check(t->metrics, "metrics", t->err);
}

eng_status eng_text_train(const eng_text_rows *rows, const eng_text_rows *test,
                          const eng_text_settings *asked, const eng_text_hooks *hooks,
                          eng_text_trained *out, eng_error *err)
{
    eng_text_settings settings = filled_in(asked, rows);
    eng_text_trained trained = {0};
    eng_buf_init(&trained.model, SIZE_MAX / 2);
    eng_buf_init(&trained.metrics, 256 << 20);
    trainer t = {.rows = rows, .test = test, .metrics = &trained.metrics, .err = err};
    eng_status status = check(&settings, rows, err);
    if (status == ENG_OK)
        status = train(&t, &settings, hooks, &trained);
    eng_text_measure_clear(&t.whole);
    eng_text_folds_clear(&t.folds);
    eng_text_corpus_clear(&t.corpus);
    if (status < 0)
        eng_text_trained_clear(&trained);
    else
        *out = trained;
    return status;
}

void eng_text_trained_clear(eng_text_trained *t)
{
    eng_buf_clear(&t->model);
    eng_buf_clear(&t->metrics);
}

eng_status eng_text_save(const eng_text_trained *t, const char *path, eng_error *err)
{
    return eng_file_write(path, eng_buf_view(&t->model), 0644, err);
}
