/* What puts others together: pipelines, unions, column transformers, selectors. */
#include "learn/sklearn_internal.h"

#include <math.h>
#include <stdlib.h>

static const eng_sk_cols nothing = {NULL, 0};

/* ---- Pipelines ----------------------------------------------------------------------------------------- */

/* A step is (name, estimator). */
static const eng_py *step(const eng_py *list, size_t i) { return eng_py_at(eng_py_at(list, i), 1); }

static eng_sk_cols first_steps(eng_sk *s, const eng_py *e, eng_sk_cols x, size_t left)
{
    const eng_py *steps = eng_py_attr(e, "steps");
    size_t n = eng_py_count(steps);
    if (n < left || !n)
        eng_sk_fail(s, e, "it has no steps");
    for (size_t i = 0; i + left < n && eng_sk_ok(s); i++)
        x = eng_sk_transform(s, step(steps, i), x);
    return eng_sk_ok(s) ? x : nothing;
}

static void pipeline_predict(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    const eng_py *steps = eng_py_attr(e, "steps");
    x = first_steps(s, e, x, 1);
    if (eng_sk_ok(s))
        eng_sk_predict(s, step(steps, eng_py_count(steps) - 1), x, out);
}

static eng_sk_cols pipeline_transform(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    return first_steps(s, e, x, 0);
}

/* ---- Side by side ---------------------------------------------------------------------------------------- */

static bool drops(const eng_py *e)
{
    eng_str text;
    return eng_py_text(e, &text) && eng_str_eq(text, ENG_STR("drop"));
}

static eng_sk_cols beside(eng_sk *s, eng_sk_cols a, eng_sk_cols b)
{
    eng_sk_cols out = eng_sk_columns(s, a.n + b.n);
    if (out.n != a.n + b.n)
        return nothing;
    if (a.n)
        memcpy(out.at, a.at, a.n * sizeof *a.at);
    if (b.n)
        memcpy(out.at + a.n, b.at, b.n * sizeof *b.at);
    return out;
}

/* transformer_weights[name] times what a transformer makes. */
static eng_sk_cols weighted(eng_sk *s, const eng_py *e, const eng_py *name, eng_sk_cols x)
{
    const eng_py *weights = eng_sk_attr(e, "transformer_weights");
    eng_str text, key;
    double w = 1;
    for (size_t i = 0; i < eng_py_pairs(weights); i++)
        if (eng_py_text(name, &text) && eng_py_text(eng_py_key(weights, i), &key) &&
            eng_str_eq(text, key) && !eng_py_number(eng_py_value(weights, i), &w))
            eng_sk_fail(s, e, "a weight is no number");
    if (w == 1 || !x.n)
        return x;
    double *all = eng_sk_alloc(s, x.n, sizeof *all);
    for (size_t i = 0; all && i < x.n; i++)
        all[i] = w;
    return all ? eng_sk_map(s, e, ENG_PLAN_TIMES, x, all, NULL) : nothing;
}

static eng_sk_cols feature_union(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *list = eng_py_attr(e, "transformer_list");
    eng_sk_cols out = nothing;
    for (size_t i = 0; i < eng_py_count(list) && eng_sk_ok(s); i++) {
        const eng_py *t = step(list, i);
        if (drops(t))
            continue;
        eng_sk_cols y = eng_sk_passes(t) ? x : eng_sk_transform(s, t, x);
        out = beside(s, out, weighted(s, e, eng_py_at(eng_py_at(list, i), 0), y));
    }
    return out;
}

/* ---- Columns --------------------------------------------------------------------------------------------- */

static bool by_name(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_str name, size_t *out)
{
    const eng_py *names = eng_sk_names(e);
    size_t n = eng_py_is(names, ENG_PY_ARRAY) ? names->as.array->count : 0;
    for (size_t i = 0; i < n && i < x.n; i++) {
        eng_str other;
        if (eng_py_element_text(names->as.array, i, &s->arena, &other) && eng_str_eq(other, name)) {
            *out = i;
            return true;
        }
    }
    eng_sk_fail(s, e, "it names a column '%.*s' that it does not have",
                ENG_FMT(eng_str_sub(name, 0, 60)));
    return false;
}

static bool one_column(eng_sk *s, const eng_py *e, eng_sk_cols x, const eng_py *v, size_t *out)
{
    eng_str name;
    int64_t at = 0;
    if (eng_py_text(v, &name))
        return by_name(s, e, x, name, out);
    if (eng_py_is(v, ENG_PY_BOOL) || !eng_py_integer(v, &at) || at < -(int64_t)x.n ||
        at >= (int64_t)x.n) {
        eng_sk_fail(s, e, "it takes a column that is not there (%lld of %zu)", (long long)at, x.n);
        return false;
    }
    *out = (size_t)(at < 0 ? at + (int64_t)x.n : at);
    return true;
}

/* slice(a, b, c), of numbers or names; a name at the end is taken too. */
static eng_sk_cols by_slice(eng_sk *s, const eng_py *e, eng_sk_cols x, const eng_py *v)
{
    const eng_py *ends[3];
    int64_t n[3] = {0, (int64_t)x.n, 1};
    for (size_t i = 0; i < 3; i++) {
        size_t at = 0;
        ends[i] = eng_py_at(v->as.object->args, i);
        if (eng_py_none(ends[i]))
            continue;
        if (eng_py_is(ends[i], ENG_PY_STR)) {
            if (!one_column(s, e, x, ends[i], &at))
                return nothing;
            n[i] = (int64_t)at + (i == 1);
        } else if (!eng_py_integer(ends[i], n + i) || (i == 2 && n[i] < 1)) {
            eng_sk_fail(s, e, "it takes a slice of something else than numbers");
            return nothing;
        }
        if (i < 2 && n[i] < 0)
            n[i] += (int64_t)x.n;
        if (i < 2)
            n[i] = n[i] < 0 ? 0 : n[i] > (int64_t)x.n ? (int64_t)x.n : n[i];
    }
    eng_sk_cols out = eng_sk_columns(s, x.n);
    size_t count = 0;
    for (int64_t i = n[0]; out.n && i < n[1]; i += n[2] < n[1] ? n[2] : n[1])
        out.at[count++] = x.at[i];
    out.n = count;
    return out;
}

static eng_sk_cols by_mask(eng_sk *s, const eng_py *e, eng_sk_cols x, const eng_py *v)
{
    bool array = eng_py_is(v, ENG_PY_ARRAY);
    size_t n = array ? v->as.array->count : eng_py_count(v);
    bool *mask = eng_sk_alloc(s, n + 1, sizeof *mask);
    for (size_t i = 0; mask && i < n; i++) {
        double yes = 0;
        if (array && !v->as.array->items)
            (void)eng_py_element(v->as.array, i, &yes);
        else
            yes = eng_py_true(eng_py_at(v, i));
        mask[i] = yes != 0;
    }
    return eng_sk_pick(s, e, x, mask, n);
}

static bool is_mask(const eng_py *v)
{
    if (eng_py_is(v, ENG_PY_ARRAY) && !v->as.array->items)
        return v->as.array->dtype->kind == 'b';
    return eng_py_count(v) && eng_py_is(eng_py_at(v, 0), ENG_PY_BOOL);
}

static eng_sk_cols some_columns(eng_sk *s, const eng_py *e, eng_sk_cols x, const eng_py *v)
{
    size_t at = 0;
    if (eng_py_is_a(v, "slice"))
        return by_slice(s, e, x, v);
    if (eng_py_is_a(v, "_RemainderColsList"))
        v = eng_py_attr(v, "data");
    else if (eng_py_is_a(v, "_new_Index") || eng_py_is_a(v, "Index"))
        v = eng_py_attr(eng_py_at(v->as.object->args, 1), "data");
    if (is_mask(v))
        return by_mask(s, e, x, v);
    bool array = eng_py_is(v, ENG_PY_ARRAY) && !v->as.array->items;
    bool one = eng_py_is(v, ENG_PY_STR) || eng_py_is(v, ENG_PY_INT);
    size_t n = array ? v->as.array->count : one ? 1 : eng_py_count(v);
    eng_sk_cols out = eng_sk_columns(s, n);
    for (size_t i = 0; i < out.n && eng_sk_ok(s); i++) {
        eng_py item = {.type = ENG_PY_INT};
        const eng_py *which = one ? v : eng_py_at(v, i);
        if (array) {
            if (eng_py_element_text(v->as.array, i, &s->arena, &item.as.text))
                item.type = ENG_PY_STR;
            else if (!eng_py_element_int(v->as.array, i, &item.as.integer))
                item.type = ENG_PY_NONE;
            which = &item;
        }
        if (one_column(s, e, x, which, &at))
            out.at[i] = x.at[at];
    }
    return eng_sk_ok(s) ? out : nothing;
}

static eng_sk_cols column_transformer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *list = eng_py_attr(e, "transformers_");
    eng_sk_cols out = nothing;
    eng_sk_expect(s, e, x);
    if (!eng_py_is(list, ENG_PY_LIST))
        eng_sk_fail(s, e, "transformers_ is missing: is it fitted?");
    for (size_t i = 0; i < eng_py_count(list) && eng_sk_ok(s); i++) {
        const eng_py *row = eng_py_at(list, i), *t = eng_py_at(row, 1);
        if (drops(t))
            continue;
        eng_sk_cols y = some_columns(s, e, x, eng_py_at(row, 2));
        if (!y.n)
            continue;
        y = eng_sk_passes(t) ? y : eng_sk_transform(s, t, y);
        out = beside(s, out, weighted(s, e, eng_py_at(row, 0), y));
    }
    return out;
}

/* ---- Selectors ----------------------------------------------------------------------------------------- */

typedef struct {
    double score;
    size_t at;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static ranked *rank(eng_sk *s, const double *scores, size_t n)
{
    ranked *r = eng_sk_alloc(s, n + 1, sizeof *r);
    for (size_t i = 0; r && i < n; i++)
        r[i] = (ranked){isnan(scores[i]) ? -1.7976931348623157e308 : scores[i], i};
    if (r)
        qsort(r, n, sizeof *r, by_score);
    return r;
}

static void keep_best(eng_sk *s, const eng_py *e, const double *scores, size_t n, bool *mask)
{
    bool all = eng_sk_is(e, "k", "all") || eng_sk_is(e, "param", "all");
    double k = all ? (double)n : eng_sk_number(s, e, "k param", 10);
    ranked *r = rank(s, scores, n);
    for (size_t i = 0; r && i < n; i++)
        mask[r[i].at] = (double)(n - i) <= k;
}

static void keep_percent(eng_sk *s, const eng_py *e, const double *scores, size_t n, bool *mask)
{
    double percent = eng_sk_number(s, e, "percentile param", 10);
    ranked *r = rank(s, scores, n);
    if (!r || !n)
        return;
    double place = (100 - percent) / 100 * (double)(n - 1), low = floor(place);
    size_t at = low < 0 ? 0 : low > (double)(n - 1) ? n - 1 : (size_t)low;
    double next = r[at + 1 < n ? at + 1 : at].score;
    double limit = r[at].score + (next - r[at].score) * (place - low);
    size_t most = (size_t)((double)n * percent / 100), kept = 0;
    for (size_t i = 0; i < n; i++)
        kept += mask[r[i].at] = r[i].score > limit || percent == 100;
    /* Of equal ones at the limit the first in their own order. */
    for (size_t i = 0; i < n && kept < most; i++)
        if (r[i].score == limit && !mask[r[i].at])
            kept += mask[r[i].at] = true;
}

static void keep_significant(eng_sk *s, const eng_py *e, const double *p, size_t n, bool *mask)
{
    double alpha = eng_sk_number(s, e, "alpha param", 0.05), limit = alpha;
    if (eng_py_is_a(e, "SelectFwe") || eng_sk_is(e, "mode", "fwe")) {
        limit = alpha / (double)n;
    } else if (eng_py_is_a(e, "SelectFdr") || eng_sk_is(e, "mode", "fdr")) {
        ranked *r = rank(s, p, n);
        limit = -1;
        for (size_t i = 0; r && i < n; i++)
            if (r[i].score <= alpha / (double)n * (double)(i + 1))
                limit = r[i].score;
        for (size_t i = 0; i < n; i++)
            mask[i] = p[i] <= limit;
        return;
    }
    for (size_t i = 0; i < n; i++)
        mask[i] = p[i] < limit;
}

static eng_sk_cols select_by_score(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    bool best = eng_py_is_a(e, "SelectKBest") || eng_sk_is(e, "mode", "k_best");
    bool percent = eng_py_is_a(e, "SelectPercentile") || eng_sk_is(e, "mode", "percentile");
    size_t n = 0;
    eng_sk_expect(s, e, x);
    const double *v = eng_sk_any_vector(s, e, best || percent ? "scores_" : "pvalues_", &n);
    bool *mask = eng_sk_alloc(s, n + 1, sizeof *mask);
    if (!v || !mask)
        return nothing;
    if (best)
        keep_best(s, e, v, n, mask);
    else if (percent)
        keep_percent(s, e, v, n, mask);
    else
        keep_significant(s, e, v, n, mask);
    return eng_sk_ok(s) ? eng_sk_pick(s, e, x, mask, n) : nothing;
}

static eng_sk_cols select_varied(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t n = 0;
    double threshold = eng_sk_number(s, e, "threshold", 0);
    const double *v = eng_sk_any_vector(s, e, "variances_", &n);
    bool *mask = eng_sk_alloc(s, n + 1, sizeof *mask);
    for (size_t i = 0; v && mask && i < n; i++)
        mask[i] = v[i] > threshold;
    return v && mask ? eng_sk_pick(s, e, x, mask, n) : nothing;
}

static eng_sk_cols select_supported(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *v = eng_py_attr(e, "support_");
    if (!is_mask(v)) {
        eng_sk_fail(s, e, "support_ is %s: is it fitted?", eng_py_type_name(v));
        return nothing;
    }
    return by_mask(s, e, x, v);
}

/* ---- By the importance that a model gives to columns ---- */

static void add_importance(eng_sk *s, const eng_py *e, const eng_py *tree, double *sum, size_t n)
{
    const eng_py *nodes = eng_py_attr(eng_py_attr(tree, "tree_"), "nodes");
    double *own = eng_sk_alloc(s, n, sizeof *own), total = 0;
    if (!eng_py_is(nodes, ENG_PY_ARRAY) || !own) {
        eng_sk_fail(s, e, "its estimator has no importances that are known");
        return;
    }
    const eng_py_array *a = nodes->as.array;
    const eng_py_field *left = eng_py_field_of(a->dtype, "left_child"),
                       *right = eng_py_field_of(a->dtype, "right_child"),
                       *feature = eng_py_field_of(a->dtype, "feature"),
                       *impurity = eng_py_field_of(a->dtype, "impurity"),
                       *weight = eng_py_field_of(a->dtype, "weighted_n_node_samples");
    if (!left || !right || !feature || !impurity || !weight) {
        eng_sk_fail(s, e, "a tree's nodes lack a field");
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        int64_t at[2], f = -1;
        double w[3] = {0}, imp[3] = {0};
        if (!eng_py_record_int(a, left, i, at) || !eng_py_record_int(a, right, i, at + 1) ||
            at[0] < 0 || at[1] < 0)
            continue;
        const size_t of[3] = {i, (size_t)at[0], (size_t)at[1]};
        bool read = eng_py_record_int(a, feature, i, &f) && f >= 0 && (size_t)f < n;
        for (size_t j = 0; j < 3; j++)
            read = read && eng_py_record(a, weight, of[j], w + j) &&
                   eng_py_record(a, impurity, of[j], imp + j);
        if (!read) {
            eng_sk_fail(s, e, "a tree's node lies outside of it");
            return;
        }
        own[f] += w[0] * imp[0] - w[1] * imp[1] - w[2] * imp[2];
    }
    for (size_t f = 0; f < n; f++)
        total += own[f];
    for (size_t f = 0; total > 0 && f < n; f++)
        sum[f] += own[f] / total;
}

static double *importances(eng_sk *s, const eng_py *e, const eng_py *model, size_t n)
{
    double *to = eng_sk_alloc(s, n + 1, sizeof *to);
    size_t rows = 0, columns = 0;
    if (!to)
        return NULL;
    if (eng_sk_attr(model, "coef_")) {
        const double *w = eng_sk_matrix(s, model, "coef_", &rows, &columns);
        double norm = eng_sk_number(s, e, "norm_order", 1);
        if (!w || columns != n)
            eng_sk_fail(s, e, "its estimator has %zu coefficients for %zu columns", columns, n);
        for (size_t f = 0; eng_sk_ok(s) && f < n; f++) {
            for (size_t r = 0; r < rows; r++)
                to[f] += rows == 1 ? fabs(w[f]) : pow(fabs(w[r * n + f]), norm);
            if (rows > 1)
                to[f] = pow(to[f], 1 / norm);
        }
        return eng_sk_ok(s) ? to : NULL;
    }
    const eng_py *list = eng_sk_attr(model, "estimators_");
    for (size_t i = 0; i < (list ? eng_py_count(list) : 1) && eng_sk_ok(s); i++)
        add_importance(s, e, list ? eng_py_at(list, i) : model, to, n);
    double total = 0;
    for (size_t f = 0; f < n; f++)
        total += to[f];
    for (size_t f = 0; f < n && total > 0; f++)
        to[f] /= total;
    return eng_sk_ok(s) ? to : NULL;
}

/* "mean", "1.25*median", a number; or what is usual for the estimator. */
static double threshold_of(eng_sk *s, const eng_py *e, const eng_py *model, const double *v,
                           size_t n)
{
    const eng_py *t = eng_py_attr(e, "threshold");
    double number = 0, factor = 1, mean = 0;
    eng_str text = ENG_STR("mean"), head, tail;
    if (eng_py_number(t, &number))
        return number;
    eng_str class = eng_py_class(model);
    bool sparse = eng_sk_is(model, "penalty", "l1") || eng_str_eq(class, ENG_STR("Lasso")) ||
                  eng_str_eq(class, ENG_STR("LassoCV"));
    if (!eng_py_text(t, &text) && sparse)
        return 1e-5;
    if (eng_str_cut(text, '*', &head, &tail)) {
        int64_t whole = 0;
        eng_py f = {.type = ENG_PY_NONE};
        (void)f;
        head = eng_str_trim(head);
        text = eng_str_trim(tail);
        if (eng_str_i64(head, &whole))
            factor = (double)whole;
        else {
            char copy[32] = "", *end = NULL;
            if (head.len < sizeof copy)
                memcpy(copy, head.ptr, head.len);
            factor = strtod(copy, &end);
            if (!head.len || end != copy + head.len)
                eng_sk_fail(s, e, "its threshold is unknown");
        }
    }
    ranked *r = rank(s, v, n);
    for (size_t i = 0; i < n; i++)
        mean += v[i] / (double)n;
    if (eng_str_eq(text, ENG_STR("mean")))
        return factor * mean;
    if (!eng_str_eq(text, ENG_STR("median")) || !r || !n)
        eng_sk_fail(s, e, "its threshold is unknown");
    return r && n ? factor * (r[(n - 1) / 2].score + r[n / 2].score) / 2 : 0;
}

static eng_sk_cols select_from_model(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *model = eng_sk_attr(e, "estimator_");
    if (!model)
        model = eng_sk_attr(e, "estimator");
    double *v = importances(s, e, model, x.n);
    bool *mask = eng_sk_alloc(s, x.n + 1, sizeof *mask);
    if (!v || !mask)
        return nothing;
    double limit = threshold_of(s, e, model, v, x.n);
    double most = eng_sk_number(s, e, "max_features_ max_features", (double)x.n);
    ranked *r = rank(s, v, x.n);
    /* Of the largest `most`, in sklearn's stable order of falling scores, those at the limit. */
    for (size_t i = 0; r && i < x.n; i++) {
        size_t larger = 0;
        for (size_t j = 0; j < x.n; j++)
            larger += v[j] > v[i] || (j < i && v[j] == v[i]);
        mask[i] = (double)larger < most && v[i] >= limit;
    }
    return eng_sk_ok(s) ? eng_sk_pick(s, e, x, mask, x.n) : nothing;
}

const eng_sk_row eng_sk_compose_rows[] = {
    {"Pipeline", pipeline_predict, pipeline_transform},
    {"FeatureUnion", NULL, feature_union},
    {"ColumnTransformer", NULL, column_transformer},
    {"SelectKBest", NULL, select_by_score},
    {"SelectPercentile", NULL, select_by_score},
    {"SelectFpr", NULL, select_by_score},
    {"SelectFdr", NULL, select_by_score},
    {"SelectFwe", NULL, select_by_score},
    {"GenericUnivariateSelect", NULL, select_by_score},
    {"VarianceThreshold", NULL, select_varied},
    {"RFE", NULL, select_supported},
    {"RFECV", NULL, select_supported},
    {"SequentialFeatureSelector", NULL, select_supported},
    {"SelectFromModel", NULL, select_from_model},
    {NULL, NULL, NULL},
};
