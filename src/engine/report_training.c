/* The page of a training: how good the categoriser is, by category and by what it was given, and where it errs. */
#include "base/error.h"
#include "engine/report.h"

#include <math.h>

static void scores(eng_report *r, const eng_json *m, eng_str caption)
{
    static const struct {
        const char *name, *key, *interval;
    } shown[] = {
        {"Accuracy", "accuracy", "accuracy_95"},
        {"Macro F1", "macro_f1", "macro_f1_95"},
        {"Weighted F1", "weighted_f1", "weighted_f1_95"},
        {"Calibration error", "calibration_error", "calibration_error_95"},
        {"Refused as unknown", "unknown", "unknown_95"},
    };
    enum { COUNT = sizeof shown / sizeof *shown };
    eng_report_bar bars[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        const eng_json *interval = eng_report_member(m, shown[i].interval);
        bars[i] = (eng_report_bar){eng_str_of(shown[i].name),
                                   eng_report_number(eng_report_member(m, shown[i].key)),
                                   eng_report_number(eng_json_at(interval, 0)),
                                   eng_report_number(eng_json_at(interval, 1))};
    }
    eng_report_bars(r, caption, bars, COUNT);
}

/* Rows of objects as a table: a column for each key. */
static eng_status table_of(eng_report *r, const eng_json *rows, const char *const *keys,
                           const char *const *heads, size_t columns, eng_arena *arena,
                           eng_error *err)
{
    size_t count = eng_json_count(rows);
    eng_str *cells = eng_arena_array(arena, (count + 1) * columns, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    for (size_t c = 0; c < columns; c++)
        cells[c] = eng_str_of(heads[c]);
    for (size_t row = 0; row < count; row++)
        for (size_t c = 0; c < columns; c++) {
            const eng_json *v = eng_report_member(eng_json_at(rows, row), keys[c]);
            cells[(row + 1) * columns + c] =
                eng_json_is(v, ENG_JSON_STRING)
                    ? eng_json_text(v)
                    : eng_report_figure(arena, v, eng_json_is(v, ENG_JSON_DOUBLE) ? 3 : 0);
        }
    eng_report_table(r, cells, columns, count, true);
    return ENG_OK;
}

static eng_status classes(eng_report *r, const eng_json *result, eng_arena *arena, eng_error *err)
{
    static const char *const keys[] = {"category", "precision", "recall", "f1", "support", "said"};
    static const char *const heads[] = {"Category", "Precision", "Recall",
                                        "F1",       "Products",  "Said"};
    return table_of(r, eng_report_member(result, "classes"), keys, heads, 6, arena, err);
}

static eng_status confusion(eng_report *r, const eng_json *result, eng_arena *arena, eng_error *err)
{
    const eng_json *rows = eng_report_member(result, "confusion"),
                   *names = eng_report_member(result, "classes");
    size_t n = eng_json_count(rows);
    if (n == 0)
        return ENG_OK;
    eng_str *labels = eng_arena_array(arena, n, sizeof *labels);
    double *counts = eng_arena_array(arena, n * n, sizeof *counts);
    if (!labels || !counts)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        labels[i] = eng_json_text(eng_report_member(eng_json_at(names, i), "category"));
        for (size_t k = 0; k < n; k++) {
            double v = eng_report_number(eng_json_at(eng_json_at(rows, i), k));
            counts[i * n + k] = isnan(v) ? 0 : v;
        }
    }
    eng_report_matrix(r, ENG_STR("What they are, row by row, and what was said of them"), labels,
                      counts, n);
    return ENG_OK;
}

static eng_status reliability(eng_report *r, const eng_json *result, eng_arena *arena,
                              eng_error *err)
{
    const eng_json *bins = eng_report_member(result, "reliability");
    size_t count = eng_json_count(bins), shown = 0;
    eng_report_point *points = eng_arena_array(arena, count, sizeof *points);
    if (!points)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const eng_json *bin = eng_json_at(bins, i);
        eng_report_point p = {eng_report_number(eng_report_member(bin, "probability")),
                              eng_report_number(eng_report_member(bin, "accuracy"))};
        if (!isnan(p.x) && !isnan(p.y) && eng_report_number(eng_report_member(bin, "count")) > 0)
            points[shown++] = p;
    }
    const eng_report_axes axes = {
        .caption = ENG_STR(
            "How often it is right, by how sure it says it is; dashed: as it should be"),
        .x = ENG_STR("probability"),
        .y = ENG_STR("share that is right"),
        .diagonal = true,
        .joined = true};
    eng_report_plot(r, &axes, points, shown);
    return ENG_OK;
}

/* A mistake's own columns differ from data to data: its first text is shown. */
static eng_status mistakes(eng_report *r, const eng_json *result, eng_arena *arena, eng_error *err)
{
    enum { COLUMNS = 4 };
    static const char *const heads[COLUMNS] = {"Text", "It is", "It said", "Sure"};
    const eng_json *rows = eng_report_member(result, "mistakes");
    size_t count = eng_json_count(rows);
    eng_str *cells = eng_arena_array(arena, (count + 1) * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    for (size_t c = 0; c < COLUMNS; c++)
        cells[c] = eng_str_of(heads[c]);
    for (size_t i = 0; i < count; i++) {
        const eng_json *m = eng_json_at(rows, i);
        eng_str *c = cells + (i + 1) * COLUMNS;
        c[0] = eng_json_is(m, ENG_JSON_OBJECT) && eng_json_count(m)
                   ? eng_json_text(eng_json_value(m, 0))
                   : ENG_STR("");
        c[1] = eng_json_text(eng_report_member(m, "right"));
        c[2] = eng_json_text(eng_report_member(m, "said"));
        c[3] = eng_report_figure(arena, eng_report_member(m, "sure"), 2);
    }
    eng_report_table(r, cells, COLUMNS, count, false);
    return ENG_OK;
}

static void data_of(eng_report *r, const eng_json *data, eng_arena *arena)
{
    static const struct {
        const char *key, *says;
    } facts[] = {
        {"rows", "rows"},
        {"products", "products"},
        {"groups", "groups"},
        {"lines_broken", "broken lines"},
        {"rows_without_category", "rows without a category"},
        {"rows_without_text", "rows without a text"},
        {"texts_repeated", "texts that stand more than once"},
        {"texts_of_several_categories", "texts under more than one category"},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const eng_json *v = eng_report_member(data, facts[i].key);
        if (v)
            eng_report_text(r, eng_arena_format(arena, "%.*s %s",
                                                ENG_FMT(eng_report_figure(arena, v, 0)),
                                                facts[i].says));
    }
    const eng_json *ceiling = eng_report_member(data, "ceiling");
    if (ceiling)
        eng_report_text(r, eng_arena_format(arena,
                                            "Nothing can be right more often than %.*s:"
                                            " the same text stands under several categories.",
                                            ENG_FMT(eng_report_figure(arena, ceiling, 4))));
}

static void leak_of(eng_report *r, const eng_json *leak, eng_arena *arena)
{
    if (!leak)
        return;
    eng_report_section(r, ENG_STR("What a split by rows would have shown"));
    eng_report_text(
        r, eng_arena_format(
               arena, "Accuracy %.*s by rows, %.*s by groups: %.*s.",
               ENG_FMT(eng_report_figure(arena, eng_report_member(leak, "accuracy_by_row"), 3)),
               ENG_FMT(eng_report_figure(arena, eng_report_member(leak, "accuracy_by_group"), 3)),
               ENG_FMT(eng_json_text(eng_report_member(leak, "why")))));
}

eng_status eng_report_training(const eng_json *result, eng_buf *out, eng_arena *arena,
                               eng_error *err)
{
    eng_report r = eng_report_begin(
        out, ENG_STR("Training"),
        eng_arena_format(
            arena, "A categoriser of texts, judged on %.*s products in %.*s folds.",
            ENG_FMT(eng_report_figure(arena, eng_report_member(result, "products"), 0)),
            ENG_FMT(eng_report_figure(arena, eng_report_member(result, "folds"), 0))));
    eng_report_section(&r, ENG_STR("Measures"));
    scores(&r, result, ENG_STR("By groups that it was not trained on"));
    const eng_json *test = eng_report_member(result, "test");
    if (test)
        scores(&r, test, ENG_STR("On the test products"));
    eng_status status = reliability(&r, result, arena, err);
    eng_report_section(&r, ENG_STR("By category"));
    if (status == ENG_OK)
        status = classes(&r, result, arena, err);
    if (status == ENG_OK)
        status = confusion(&r, result, arena, err);
    eng_report_section(&r, ENG_STR("Wrong, and sure of it"));
    if (status == ENG_OK)
        status = mistakes(&r, result, arena, err);
    leak_of(&r, eng_report_member(result, "leak"), arena);
    eng_report_section(&r, ENG_STR("Data"));
    data_of(&r, eng_report_member(result, "data"), arena);
    eng_report_end(&r);
    return status;
}
