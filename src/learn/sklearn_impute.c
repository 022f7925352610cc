/* What is missing: said, filled with what is usual, from neighbours, or from the other columns. */
#include "learn/sklearn_internal.h"

#include <math.h>

static const eng_sk_cols nothing = {NULL, 0};

/* ---- By what is usual ------------------------------------------------------------------------------------ */

/* 1 where a value is missing, of the columns that an indicator looks at. */
static eng_sk_cols indicator(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *v = eng_py_attr(e, "features_");
    size_t n = 0;
    double mark = eng_sk_number(s, e, "missing_values", NAN);
    const double *features = eng_sk_numbers(s, e, v, "features_", &n, true);
    eng_sk_cols out = eng_sk_columns(s, n);
    for (size_t i = 0; features && i < out.n; i++) {
        if (features[i] < 0 || features[i] >= (double)x.n) {
            eng_sk_fail(s, e, "it looks at column %g of %zu", features[i], x.n);
            return nothing;
        }
        eng_sk_col c = x.at[(size_t)features[i]];
        if (c.text) {
            eng_sk_fail(s, e, "a text that is missing is not indicated");
            return nothing;
        }
        out.at[i].id = isnan(mark) ? eng_sk_map1(s, ENG_PLAN_IS_NAN, c.id, 0, 0)
                                   : eng_sk_map1(s, ENG_PLAN_EQUALS, c.id, mark, 0);
    }
    return eng_sk_ok(s) ? out : nothing;
}

static eng_sk_col fill_text(eng_sk *s, const eng_py *e, eng_sk_col col, eng_str with)
{
    if (eng_sk_as_text(s, e, &col)) {
        col.filled = true;
        col.fill = with;
    } else if (col.input != ENG_SK_NONE) {
        /* The first time: whatever comes of it, it is a text that may be missing. */
        col.filled = true;
        col.fill = with;
    }
    col.origin = ENG_SK_NONE;
    return col;
}

static eng_sk_col fill_number(eng_sk *s, const eng_py *e, eng_sk_col col, double mark, double with)
{
    eng_sk_col out = {.input = ENG_SK_NONE, .origin = ENG_SK_NONE};
    if (col.text) {
        eng_sk_fail(s, e, "it fills a text with a number");
        return out;
    }
    if (isnan(mark)) {
        out.id = eng_sk_map1(s, ENG_PLAN_IMPUTE, col.id, with, 0);
    } else {
        out.id = eng_sk_map1(s, ENG_PLAN_REPLACE, col.id, mark, with);
        out.origin = col.origin;
    }
    return out;
}

static eng_sk_cols simple_imputer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *v = eng_py_attr(e, "statistics_");
    double mark = eng_sk_number(s, e, "missing_values", NAN);
    eng_sk_cols out = eng_sk_columns(s, x.n);
    eng_sk_expect(s, e, x);
    if (!eng_py_is(v, ENG_PY_ARRAY) || v->as.array->count != x.n) {
        eng_sk_fail(s, e, "it has statistics of other columns than it is given");
        return nothing;
    }
    size_t n = 0;
    bool keeps = eng_sk_is(e, "strategy", "constant") ||
                 eng_py_true(eng_py_attr(e, "keep_empty_features"));
    for (size_t i = 0; i < out.n && eng_sk_ok(s); i++) {
        double with = NAN;
        eng_str text;
        if (eng_py_element_text(v->as.array, i, &s->arena, &text) && text.ptr)
            out.at[n++] = fill_text(s, e, x.at[i], text);
        else if (!eng_py_element(v->as.array, i, &with))
            eng_sk_fail(s, e, "a statistic is neither text nor a number");
        else if (!isnan(with) || keeps)
            out.at[n++] = fill_number(s, e, x.at[i], mark, isnan(with) ? 0 : with);
        /* else: a column that was empty in training, which is dropped */
    }
    out.n = n;
    const eng_py *marks = eng_sk_attr(e, "indicator_");
    if (!marks || !eng_sk_ok(s))
        return eng_sk_ok(s) ? out : nothing;
    eng_sk_cols parts[2] = {out, indicator(s, marks, x)};
    return eng_sk_joined(s, parts, 2);
}

/* What stands for missing values becomes NaN; columns that hold it may be null. */
static eng_sk_cols marked(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    double mark = eng_sk_number(s, e, "missing_values", NAN);
    double *a = eng_sk_alloc(s, x.n, sizeof *a), *b = eng_sk_alloc(s, x.n, sizeof *b);
    if (isnan(mark) || !a || !b)
        return x;
    for (size_t i = 0; i < x.n; i++) {
        a[i] = mark;
        b[i] = NAN;
    }
    return eng_sk_map(s, e, ENG_PLAN_REPLACE, x, a, b);
}

static eng_sk_cols with_indicator(eng_sk *s, const eng_py *e, eng_sk_cols filled, eng_sk_cols x)
{
    const eng_py *marks = eng_sk_attr(e, "indicator_");
    if (!marks || !eng_sk_ok(s))
        return eng_sk_ok(s) ? filled : nothing;
    eng_sk_cols parts[2] = {filled, indicator(s, marks, x)};
    return eng_sk_joined(s, parts, 2);
}

/* ---- From neighbours ------------------------------------------------------------------------------------- */

/* Rows of training, NaN where they are missing, and the mean of each column; whether it has any. */
static double *donors(eng_sk *s, const eng_py *e, size_t n, size_t *rows, double *means, bool *any)
{
    const eng_py *v = eng_py_attr(e, "_fit_X");
    double mark = eng_sk_number(s, e, "missing_values", NAN);
    if (!eng_py_is(v, ENG_PY_ARRAY) || v->as.array->dims != 2 || v->as.array->shape[1] != n) {
        eng_sk_fail(s, e, "_fit_X is %s, not rows of %zu columns", eng_py_type_name(v), n);
        return NULL;
    }
    size_t count = 0;
    double *to = (double *)(uintptr_t)eng_sk_numbers(s, e, v, "_fit_X", &count, false);
    *rows = v->as.array->shape[0];
    for (size_t i = 0; to && i < count; i++) {
        if (to[i] == mark)
            to[i] = NAN;
        if (isinf(to[i]))
            eng_sk_fail(s, e, "_fit_X holds infinity");
    }
    for (size_t f = 0; to && f < n; f++) {
        double sum = 0;
        size_t have = 0;
        for (size_t i = 0; i < *rows; i++)
            if (!isnan(to[i * n + f])) {
                sum += to[i * n + f];
                have++;
            }
        any[f] = have > 0;
        means[f] = have ? sum / (double)have : 0;
    }
    return to;
}

static eng_sk_cols neighbour_imputer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t rows = 0, n = 0;
    double *means = eng_sk_alloc(s, x.n, sizeof *means), k = eng_sk_number(s, e, "n_neighbors", 5);
    bool *any = eng_sk_alloc(s, x.n, sizeof *any);
    bool weighted = eng_sk_is(e, "weights", "distance");
    eng_sk_expect(s, e, x);
    if (!means || !any)
        return nothing;
    double *points = donors(s, e, x.n, &rows, means, any);
    if (!weighted && !eng_sk_is(e, "weights", "uniform"))
        eng_sk_fail(s, e, "its weights are not known");
    if (!eng_sk_is(e, "metric", "nan_euclidean"))
        eng_sk_fail(s, e, "its metric is not known");
    if (points && (!rows || !(k >= 1)))
        eng_sk_fail(s, e, "it asks for %g of %zu neighbours", k, rows);
    x = marked(s, e, x);
    uint32_t *ids = eng_sk_loose(s, e, x);
    if (!points || !ids || !eng_sk_ok(s))
        return nothing;
    const eng_plan_points p = {.points = points,
                               .values = means,
                               .count = rows,
                               .k = k < (double)rows ? (size_t)k : rows,
                               .weighing = weighted ? ENG_PLAN_BY_DISTANCE : ENG_PLAN_ALIKE};
    uint32_t first = eng_plan_fill(s->b, ids, x.n, &p);
    bool empty = eng_py_true(eng_py_attr(e, "keep_empty_features"));
    eng_sk_cols out = eng_sk_columns(s, x.n);
    for (size_t f = 0; f < out.n && first != ENG_PLAN_NONE; f++)
        if (any[f] || empty)
            out.at[n++].id = any[f] ? first + (uint32_t)f : eng_plan_constant(s->b, 0);
    out.n = n;
    return with_indicator(s, e, out, x);
}

/* ---- From the other columns -------------------------------------------------------------------------------- */

/* One step of a round: column `at` anew, where it was missing, of the others as they are by now. */
static void impute_one(eng_sk *s, const eng_py *e, const eng_py *step, uint32_t *now,
                       const uint32_t *was, size_t n)
{
    int64_t at = -1;
    size_t count = 0;
    const eng_py *with = eng_py_at(step->as.object->args, 1);
    const double *from = eng_sk_numbers(s, e, with, "imputation_sequence_", &count, true);
    eng_sk_cols x = eng_sk_columns(s, count);
    eng_sk_out out = {0};
    if (!eng_py_integer(eng_py_at(step->as.object->args, 0), &at) || at < 0 || (size_t)at >= n)
        eng_sk_fail(s, e, "it fills column %lld of %zu", (long long)at, n);
    for (size_t i = 0; from && i < x.n && eng_sk_ok(s); i++) {
        if (!(from[i] >= 0 && from[i] < (double)n))
            eng_sk_fail(s, e, "it looks at column %g of %zu", from[i], n);
        else
            x.at[i].id = now[(size_t)from[i]];
    }
    if (eng_sk_ok(s))
        eng_sk_predict(s, eng_py_at(step->as.object->args, 2), x, &out);
    if (eng_sk_ok(s) && (out.classifier || out.n != 1))
        eng_sk_fail(s, e, "its estimators are no regressors of one output");
    if (!eng_sk_ok(s))
        return;
    size_t lows = 0, highs = 0;
    const double *low = eng_sk_any_vector(s, e, "_min_value", &lows);
    const double *high = eng_sk_any_vector(s, e, "_max_value", &highs);
    if (!low || !high || lows <= (size_t)at || highs <= (size_t)at)
        return;
    uint32_t y = eng_sk_map1(s, ENG_PLAN_CLIP, out.y[0], low[at], high[at]);
    now[at] = eng_plan_pairs(s->b, ENG_PLAN_WHERE_NAN, was + at, &y, 1);
}

static eng_sk_cols iterative_imputer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *steps = eng_py_attr(e, "imputation_sequence_"),
                 *first = eng_sk_attr(e, "initial_imputer_");
    eng_sk_expect(s, e, x);
    if (eng_py_true(eng_py_attr(e, "sample_posterior")))
        eng_sk_fail(s, e, "what it fills in is drawn at random (sample_posterior)");
    if (!first || !eng_py_is(steps, ENG_PY_LIST)) {
        eng_sk_fail(s, e, "initial_imputer_ is missing: is it fitted?");
        return nothing;
    }
    eng_sk_cols filled = eng_sk_transform(s, first, x), nans = marked(s, e, x);
    uint32_t *now = eng_sk_ok(s) ? eng_sk_dense(s, e, filled) : NULL;
    uint32_t *was = now ? eng_sk_loose(s, e, nans) : NULL;
    if (eng_sk_ok(s) && filled.n != x.n)
        eng_sk_fail(s, e, "it drops columns that were empty in training, which is not known");
    if (!now || !was)
        return nothing;
    for (size_t i = 0; i < eng_py_count(steps) && eng_sk_ok(s); i++) {
        const eng_py *step = eng_py_at(steps, i);
        if (eng_py_is_a(step, "_ImputerTriplet") && step->as.object->args)
            impute_one(s, e, step, now, was, x.n);
        else
            eng_sk_fail(s, e, "imputation_sequence_ holds %s", eng_py_type_name(step));
    }
    eng_sk_cols out = eng_sk_columns(s, x.n);
    for (size_t i = 0; i < out.n; i++)
        out.at[i].id = now[i];
    return with_indicator(s, e, out, nans);
}

const eng_sk_row eng_sk_impute_rows[] = {
    {"SimpleImputer", NULL, simple_imputer},
    {"MissingIndicator", NULL, indicator},
    {"KNNImputer", NULL, neighbour_imputer},
    {"IterativeImputer", NULL, iterative_imputer},
    {NULL, NULL, NULL},
};
