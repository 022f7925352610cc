/*
 * What the oracle of model files talks to: predicts rows with any of them.
 *
 *     table FILE      a JSON list of rows on stdin; a line of JSON for each on stdout:
 *                     {"prediction":[...],"probabilities":[...]} or {"error":"..."}; labels as they are
 *
 * Each row is predicted alone and with all others; the two must have the same bits.
 */
#include "learn/table.h"
#include "base/alloc.h"
#include "base/file.h"
#include "kern/kern.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    size_t fields, rows, outputs, shares;
    double *numbers; /* [field][rows] */
    eng_str *texts;
    eng_plan_column *columns;
    double *predicted, *probabilities;
} table;

static void die(const char *what)
{
    fprintf(stderr, "table: %s\n", what);
    exit(1);
}

static eng_plan *load(const char *path)
{
    eng_buf bytes;
    eng_error err = {0};
    eng_plan *plan = NULL;
    eng_buf_init(&bytes, (size_t)1 << 30);
    if (eng_file_read(path, (size_t)1 << 30, &bytes, &err) < 0 ||
        eng_table_plan(eng_buf_view(&bytes), &plan, &err) < 0) {
        printf("{\"error\":\"%s\"}\n", err.message);
        exit(3);
    }
    eng_buf_clear(&bytes);
    return plan;
}

static void put_cell(table *t, const eng_plan_field *f, size_t field, size_t row, const eng_json *v)
{
    double x;
    size_t at = field * t->rows + row;
    t->numbers[at] = eng_json_number(v, &x) ? x : (double)NAN;
    t->texts[at] = f->type == ENG_PLAN_TEXT && v && v->type == ENG_JSON_STRING ? eng_json_text(v)
                                                                               : (eng_str){0};
}

static void put_label(eng_json_writer *w, const eng_plan_label *label)
{
    if (label->type == ENG_PLAN_LABEL_TEXT)
        eng_json_string(w, label->text);
    else if (label->type == ENG_PLAN_LABEL_BOOL)
        eng_json_bool(w, label->number != 0);
    else
        eng_json_double(w, label->number);
}

static void answer(const eng_plan *p, const table *t, size_t row, eng_plan_scratch *s)
{
    eng_error err = {0};
    eng_plan_column one[4096];
    static double predicted[4096], shares[4096];
    eng_buf out;
    for (size_t i = 0; i < t->fields; i++)
        one[i] = (eng_plan_column){t->columns[i].numbers + row, t->columns[i].texts + row};
    if (eng_plan_predict(p, one, 1, predicted, shares, s, &err) < 0) {
        printf("{\"error\":\"%s\"}\n", err.message);
        return;
    }
    if (memcmp(predicted, t->predicted + row * t->outputs, t->outputs * sizeof *predicted) != 0 ||
        memcmp(shares, t->probabilities + row * t->shares, t->shares * sizeof *shares) != 0)
        die("a row alone differs from the same row among others");
    eng_buf_init(&out, 1 << 20);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '{');
    eng_json_name(&w, ENG_STR("prediction"));
    eng_json_open(&w, '[');
    for (size_t j = 0; j < t->outputs; j++)
        if (eng_plan_about(p, NULL)->task == ENG_PLAN_CLASSIFICATION)
            put_label(&w, &eng_plan_about(p, NULL)->classes[(size_t)predicted[j]]);
        else
            eng_json_double(&w, predicted[j]);
    eng_json_close(&w, ']');
    eng_json_name(&w, ENG_STR("probabilities"));
    eng_json_open(&w, '[');
    const size_t *ends = eng_plan_about(p, NULL)->class_ends;
    for (size_t j = 0, output = 0; j < t->shares; j++) {
        if (ends && j == (output ? ends[output - 1] : 0))
            eng_json_open(&w, '[');
        eng_json_double(&w, shares[j]);
        if (ends && j + 1 == ends[output]) {
            eng_json_close(&w, ']');
            output++;
        }
    }
    eng_json_close(&w, ']');
    eng_json_close(&w, '}');
    printf("%.*s\n", (int)out.len, out.data);
    eng_buf_clear(&out);
}

int main(int argc, char **argv)
{
    static eng_buf in;
    eng_error err = {0};
    eng_arena arena;
    const eng_json *rows;
    bool has_shares;
    table t = {0};
    if (argc != 2 || eng_kern_init(&err) < 0)
        die("usage: table FILE");
    eng_plan *plan = load(argv[1]);
    eng_buf_init(&in, (size_t)1 << 30);
    for (char piece[65536]; !feof(stdin);)
        eng_buf_bytes(&in, piece, fread(piece, 1, sizeof piece, stdin));
    eng_arena_init(&arena, 1 << 16, NULL);
    if (eng_json_read(eng_buf_view(&in), NULL, &arena, &rows, &err) < 0)
        die(err.message);
    const eng_plan_field *fields = eng_plan_fields(plan, &t.fields);
    const eng_plan_results *about = eng_plan_about(plan, &has_shares);
    t.rows = eng_json_count(rows);
    t.outputs = about->count;
    t.shares = has_shares ? about->class_count : 0;
    if (t.fields > 4096 || t.outputs > 4096 || t.shares > 4096)
        die("too large a model for this program");
    t.numbers = malloc(t.fields * t.rows * sizeof *t.numbers);
    t.texts = malloc(t.fields * t.rows * sizeof *t.texts);
    t.columns = malloc(t.fields * sizeof *t.columns);
    t.predicted = malloc(t.rows * t.outputs * sizeof *t.predicted);
    t.probabilities = malloc(t.rows * (t.shares + 1) * sizeof *t.probabilities);
    for (size_t i = 0; i < t.fields; i++) {
        t.columns[i] = (eng_plan_column){t.numbers + i * t.rows, t.texts + i * t.rows};
        for (size_t r = 0; r < t.rows; r++)
            put_cell(&t, &fields[i], i, r, eng_json_at(eng_json_at(rows, r), i));
    }
    eng_plan_scratch *s;
    if (eng_plan_scratch_new(plan, t.rows, &s, &err) < 0)
        die(err.message);
    if (eng_plan_predict(plan, t.columns, t.rows, t.predicted, t.probabilities, s, &err) < 0)
        fprintf(stderr, "table: all rows: %s, %s\n", err.field, err.message);
    for (size_t r = 0; r < t.rows; r++)
        answer(plan, &t, r, s);
    eng_plan_scratch_free(s);
    eng_plan_free(plan);
    eng_arena_clear(&arena);
    eng_buf_clear(&in);
    return 0;
}
