/* Measures and the report on the rows, as JSON. */
#include "base/alloc.h"
#include "base/error.h"
#include "learn/text_internal.h"

#include <stdlib.h>

/* ---- Measures ---- */

static void put_number(eng_json_writer *w, const char *key, double v)
{
    eng_json_name(w, eng_str_of(key));
    eng_json_double(w, round(v * 1e6) / 1e6);
}

static void put_count(eng_json_writer *w, const char *key, uint64_t v)
{
    eng_json_name(w, eng_str_of(key));
    eng_json_uint(w, v);
}

static void put_interval(eng_json_writer *w, const char *key, eng_text_interval i)
{
    eng_json_name(w, eng_str_of(key));
    eng_json_open(w, '[');
    eng_json_double(w, round(i.low * 1e6) / 1e6);
    eng_json_double(w, round(i.high * 1e6) / 1e6);
    eng_json_close(w, ']');
}

static void put_classes(eng_json_writer *w, const eng_text_class *names, const eng_text_measure *m)
{
    eng_json_name(w, ENG_STR("classes"));
    eng_json_open(w, '[');
    for (size_t c = 0; c < m->classes; c++) {
        const eng_text_class_measure *k = &m->by_class[c];
        eng_json_open(w, '{');
        eng_json_member(w, "category", names[c].name);
        put_number(w, "precision", k->precision);
        put_number(w, "recall", k->recall);
        put_number(w, "f1", k->f1);
        put_count(w, "support", k->support);
        put_count(w, "said", k->said);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

/* Whole up to 64 classes; the pairs that are mixed up most would be what is of use beyond. */
static void put_confusion(eng_json_writer *w, const eng_text_measure *m)
{
    enum { CLASSES = 64 };
    if (m->classes > CLASSES)
        return;
    eng_json_name(w, ENG_STR("confusion"));
    eng_json_open(w, '[');
    for (size_t right = 0; right < m->classes; right++) {
        eng_json_open(w, '[');
        for (size_t said = 0; said < m->classes; said++)
            eng_json_uint(w, m->confusion[right * m->classes + said]);
        eng_json_close(w, ']');
    }
    eng_json_close(w, ']');
}

static void put_bins(eng_json_writer *w, const eng_text_measure *m)
{
    eng_json_name(w, ENG_STR("reliability"));
    eng_json_open(w, '[');
    for (size_t b = 0; b < m->bins; b++) {
        eng_json_open(w, '{');
        put_number(w, "probability", m->bin[b].probability);
        put_number(w, "accuracy", m->bin[b].accuracy);
        put_count(w, "count", m->bin[b].count);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

void eng_text_put_measure(eng_json_writer *w, const eng_text_class *names,
                          const eng_text_measure *m)
{
    put_count(w, "products", m->products);
    put_number(w, "accuracy", m->accuracy);
    if (m->accuracy_95.high > 0)
        put_interval(w, "accuracy_95", m->accuracy_95);
    put_number(w, "macro_f1", m->macro_f1);
    if (m->macro_f1_95.high > 0)
        put_interval(w, "macro_f1_95", m->macro_f1_95);
    put_number(w, "weighted_f1", m->weighted_f1);
    put_number(w, "calibration_error", m->calibration_error);
    put_number(w, "unknown", m->refused);
    put_bins(w, m);
    put_classes(w, names, m);
    put_confusion(w, m);
}

/* ---- The rows ---- */

typedef struct {
    uint64_t text;
    uint32_t group;
    uint16_t label;
} unit;

static int by_text(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->text != y->text)
        return x->text < y->text ? -1 : 1;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}

/* What is found among products of the same first text. */
typedef struct {
    size_t texts, repeated, conflicting, shared, right;
} findings;

static void look_at(const unit *u, size_t count, findings *f)
{
    size_t most = 0, same = 0, classes = 0;
    bool shared = false;
    for (size_t i = 0; i < count; i++) {
        bool next = i == 0 || u[i].label != u[i - 1].label;
        classes += next;
        same = next ? 1 : same + 1;
        most = same > most ? same : most;
        shared = shared || u[i].group != u[0].group;
    }
    f->texts++;
    f->repeated += count - 1;
    f->conflicting += classes > 1;
    f->shared += shared;
    f->right += most;
}

static eng_status find_repeated(const eng_text_corpus *c, findings *f, eng_error *err)
{
    size_t count = 0, from = 0;
    unit *u = eng_alloc_array(c->units + 1, sizeof *u);
    if (!u)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        if (e->unit && e->view == 0)
            u[count++] = (unit){e->text, e->group, e->label};
    }
    qsort(u, count, sizeof *u, by_text);
    for (size_t i = 1; i <= count; i++) {
        if (i < count && u[i].text == u[from].text)
            continue;
        look_at(u + from, i - from, f);
        from = i;
    }
    eng_free(u);
    return ENG_OK;
}

static int by_length(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* How often a column is empty, and how many bytes its texts have. */
static eng_status put_column(eng_json_writer *w, const eng_text_rows *r, size_t column,
                             eng_error *err)
{
    size_t count = 0, fields = r->columns.text_count;
    uint64_t sum = 0;
    uint32_t *lengths = eng_alloc_array(r->count + 1, sizeof *lengths);
    if (!lengths)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < r->count; i++) {
        size_t len = r->texts[i * fields + column].len;
        sum += len;
        if (len)
            lengths[count++] = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
    }
    qsort(lengths, count, sizeof *lengths, by_length);
    eng_json_open(w, '{');
    eng_json_member(w, "name", r->columns.texts[column]);
    put_count(w, "missing", r->count - count);
    put_number(w, "bytes_mean", count ? (double)sum / (double)count : 0);
    put_count(w, "bytes_p50", count ? lengths[count / 2] : 0);
    put_count(w, "bytes_p95", count ? lengths[count * 95 / 100] : 0);
    put_count(w, "bytes_max", count ? lengths[count - 1] : 0);
    eng_json_close(w, '}');
    eng_free(lengths);
    return ENG_OK;
}

static void put_rows_classes(eng_json_writer *w, const eng_text_rows *r)
{
    eng_json_name(w, ENG_STR("classes"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < r->class_count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "category", r->classes[i].name);
        put_count(w, "rows", r->classes[i].rows);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void put_numbers(eng_json_writer *w, const eng_text_rows *r)
{
    size_t count = r->columns.number_count;
    eng_json_name(w, ENG_STR("numbers"));
    eng_json_open(w, '[');
    for (size_t n = 0; n < count; n++) {
        size_t missing = 0;
        for (size_t i = 0; i < r->count; i++)
            missing += isnan(r->numbers[i * count + n]) ? 1 : 0;
        eng_json_open(w, '{');
        eng_json_member(w, "name", r->columns.numbers[n]);
        put_count(w, "missing", missing);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

eng_status eng_text_put_data(eng_json_writer *w, const eng_text_corpus *c, eng_error *err)
{
    const eng_text_rows *r = c->rows;
    findings f = {0};
    eng_status status = find_repeated(c, &f, err);
    if (status < 0)
        return status;
    put_count(w, "rows", r->count);
    put_count(w, "groups", r->group_count);
    put_count(w, "products", c->units);
    put_count(w, "lines_skipped", r->reading.lines_skipped);
    put_count(w, "lines_broken", r->reading.broken);
    put_count(w, "rows_without_category", r->reading.no_label);
    put_count(w, "rows_without_text", r->reading.no_text);
    eng_json_member(w, "category_column", r->columns.label);
    eng_json_member(w, "group_column", r->columns.group);
    put_count(w, "texts", f.texts);
    put_count(w, "texts_repeated", f.repeated);
    put_count(w, "texts_of_several_categories", f.conflicting);
    put_count(w, "texts_of_several_groups", f.shared);
    put_number(w, "ceiling", c->units ? (double)f.right / (double)c->units : 0);
    eng_json_name(w, ENG_STR("columns"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < r->columns.text_count && status == ENG_OK; i++)
        status = put_column(w, r, i, err);
    if (status < 0)
        return status;
    eng_json_close(w, ']');
    put_numbers(w, r);
    put_rows_classes(w, r);
    return ENG_OK;
}
