/* Transformers of numbers, column by column or by a matrix. */
#include "learn/sklearn_internal.h"

#include <math.h>

static const eng_sk_cols nothing = {NULL, 0};

/* ---- Scalers -------------------------------------------------------------------------------------- */

/* (x - center) / scale, of which either may be missing. */
static eng_sk_cols standard(eng_sk *s, const eng_py *e, eng_sk_cols x, const char *center,
                            const char *scale)
{
    eng_sk_expect(s, e, x);
    const double *a = center ? eng_sk_vector(s, e, center, x.n) : NULL;
    const double *b = scale ? eng_sk_vector(s, e, scale, x.n) : NULL;
    if (!eng_sk_ok(s))
        return nothing;
    if (a && b)
        return eng_sk_map(s, e, ENG_PLAN_STANDARD, x, a, b);
    double *minus = a ? eng_sk_alloc(s, x.n, sizeof *minus) : NULL;
    for (size_t i = 0; minus && i < x.n; i++)
        minus[i] = -a[i];
    if (minus)
        return eng_sk_map(s, e, ENG_PLAN_ADD, x, minus, NULL);
    return b ? eng_sk_map(s, e, ENG_PLAN_OVER, x, b, NULL) : x;
}

static eng_sk_cols standard_scaler(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    return standard(s, e, x, eng_py_true(eng_py_attr(e, "with_mean")) ? "mean_" : NULL,
                    eng_sk_attr(e, "scale_") ? "scale_" : NULL);
}

static eng_sk_cols robust_scaler(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    return standard(s, e, x, eng_sk_attr(e, "center_") ? "center_" : NULL,
                    eng_sk_attr(e, "scale_") ? "scale_" : NULL);
}

static eng_sk_cols clip_all(eng_sk *s, const eng_py *e, eng_sk_cols x, double low, double high)
{
    double *a = eng_sk_alloc(s, x.n, sizeof *a), *b = eng_sk_alloc(s, x.n, sizeof *b);
    for (size_t i = 0; a && b && i < x.n; i++) {
        a[i] = low;
        b[i] = high;
    }
    return a && b ? eng_sk_map(s, e, ENG_PLAN_CLIP, x, a, b) : nothing;
}

static eng_sk_cols max_abs_scaler(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    x = standard(s, e, x, NULL, "scale_");
    return eng_py_true(eng_py_attr(e, "clip")) ? clip_all(s, e, x, -1, 1) : x;
}

static eng_sk_cols min_max_scaler(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_sk_expect(s, e, x);
    const double *a = eng_sk_vector(s, e, "scale_", x.n), *b = eng_sk_vector(s, e, "min_", x.n);
    if (!a || !b)
        return nothing;
    x = eng_sk_map(s, e, ENG_PLAN_AFFINE, x, a, b);
    if (!eng_py_true(eng_py_attr(e, "clip")))
        return x;
    const double *range = eng_sk_vector(s, e, "feature_range", 2);
    return range ? clip_all(s, e, x, range[0], range[1]) : nothing;
}

static eng_sk_cols normalizer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_plan_sharing how = eng_sk_is(e, "norm", "l1")    ? ENG_PLAN_UNIT1
                           : eng_sk_is(e, "norm", "max") ? ENG_PLAN_UNIT_MAX
                                                         : ENG_PLAN_UNIT2;
    eng_sk_expect(s, e, x);
    uint32_t *ids = eng_sk_dense(s, e, x);
    return ids ? eng_sk_fresh(s, eng_plan_share(s->b, how, ids, x.n), x.n) : nothing;
}

static eng_sk_cols binarizer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_sk_expect(s, e, x);
    uint32_t *y = eng_sk_map_all(s, ENG_PLAN_ABOVE, eng_sk_dense(s, e, x), x.n,
                                 eng_sk_number(s, e, "threshold", 0), 0);
    return y ? eng_sk_fresh(s, y[0], x.n) : nothing;
}

/* ---- Power and quantiles ------------------------------------------------------------------------------ */

static eng_sk_cols power(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_sk_expect(s, e, x);
    const double *lambdas = eng_sk_vector(s, e, "lambdas_", x.n);
    if (!lambdas)
        return nothing;
    bool box = eng_sk_is(e, "method", "box-cox");
    x = eng_sk_map(s, e, box ? ENG_PLAN_BOX_COX : ENG_PLAN_YEO_JOHNSON, x, lambdas, NULL);
    return eng_py_true(eng_py_attr(e, "standardize"))
               ? standard_scaler(s, eng_py_attr(e, "_scaler"), x)
               : x;
}

static const double *negative_reversed(eng_sk *s, const double *v, size_t n)
{
    double *to = eng_sk_alloc(s, n, sizeof *to);
    for (size_t i = 0; to && i < n; i++)
        to[i] = -v[n - 1 - i];
    return to;
}

/*
 * numpy.interp from both ends, halved; what lies at a bound is 0 or 1; then a normal distribution's
 * quantile where that is wanted. 1e-7 is sklearn's BOUNDS_THRESHOLD.
 */
static uint32_t quantile_column(eng_sk *s, uint32_t x, const double *q, const double *refs,
                                size_t n, bool normal)
{
    const double *back_q = negative_reversed(s, q, n), *back_r = negative_reversed(s, refs, n);
    double near = normal ? 1e-7 : 0;
    if (!back_q || !back_r)
        return ENG_PLAN_NONE;
    uint32_t up = eng_plan_interpolate(s->b, x, q, refs, n);
    uint32_t down = eng_plan_interpolate(s->b, eng_sk_map1(s, ENG_PLAN_TIMES, x, -1, 0), back_q,
                                         back_r, n);
    uint32_t y = eng_plan_pairs(s->b, ENG_PLAN_MINUS, &up, &down, 1);
    y = eng_sk_map1(s, ENG_PLAN_TIMES, y, 0.5, 0);
    /* Inside: above the lower bound, below the upper one. */
    uint32_t low = eng_sk_map1(s, ENG_PLAN_ABOVE, eng_sk_map1(s, ENG_PLAN_ADD, x, -near, 0),
                               normal ? nextafter(q[0], -INFINITY) : q[0], 0);
    uint32_t high = eng_sk_map1(s, ENG_PLAN_ABOVE, eng_sk_map1(s, ENG_PLAN_ADD, x, near, 0),
                                normal ? q[n - 1] : nextafter(q[n - 1], -INFINITY), 0);
    uint32_t below = eng_sk_map1(s, ENG_PLAN_AFFINE, high, -1, 1);
    y = eng_plan_pairs(s->b, ENG_PLAN_BY, &y, &low, 1);
    y = eng_plan_pairs(s->b, ENG_PLAN_BY, &y, &below, 1);
    y = eng_plan_pairs(s->b, ENG_PLAN_PLUS, &y, &high, 1);
    if (!normal)
        return y;
    y = eng_sk_map1(s, ENG_PLAN_NORMAL_QUANTILE, y, 0, 0);
    return eng_sk_map1(s, ENG_PLAN_CLIP, y, -5.199337582605575, 5.19933758270342);
}

static eng_sk_cols quantile(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t n = 0, columns = 0;
    eng_sk_expect(s, e, x);
    const double *q = eng_sk_matrix(s, e, "quantiles_", &n, &columns);
    const double *refs = q ? eng_sk_vector(s, e, "references_", n) : NULL;
    uint32_t *ids = eng_sk_loose(s, e, x);
    eng_sk_cols out = eng_sk_columns(s, x.n);
    double *own = eng_sk_alloc(s, n, sizeof *own);
    if (columns != x.n || n < 2)
        eng_sk_fail(s, e, "it has quantiles of %zu columns, not %zu", columns, x.n);
    if (!refs || !ids || !own || !eng_sk_ok(s))
        return nothing;
    for (size_t j = 0; j < out.n; j++) {
        for (size_t i = 0; i < n; i++)
            own[i] = q[i * columns + j];
        out.at[j].id = quantile_column(s, ids[j], own, refs, n,
                                       eng_sk_is(e, "output_distribution", "normal"));
        out.at[j].origin = x.at[j].origin;
    }
    return out;
}

/* ---- Matrices ----------------------------------------------------------------------------------------- */

/* (x - mean) * components', over the roots of explained_variance_ where it whitens. */
static eng_sk_cols components(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t m = 0, columns = 0;
    eng_sk_expect(s, e, x);
    const double *w = eng_sk_matrix(s, e, "components_", &m, &columns);
    uint32_t *ids = NULL;
    if (!w)
        return nothing;
    if (columns != x.n) {
        eng_sk_fail(s, e, "it has components of %zu columns, not %zu", columns, x.n);
        return nothing;
    }
    if (eng_sk_attr(e, "mean_")) {
        const double *mean = eng_sk_vector(s, e, "mean_", x.n);
        double *minus = eng_sk_alloc(s, x.n, sizeof *minus);
        for (size_t i = 0; mean && minus && i < x.n; i++)
            minus[i] = -mean[i];
        ids = eng_sk_dense(s, e, x);
        if (!mean || !minus || !ids)
            return nothing;
        x = eng_sk_fresh(s, eng_plan_map(s->b, ENG_PLAN_ADD, ids, x.n, minus, NULL), x.n);
    }
    uint32_t y = eng_sk_product(s, e, x, w, NULL, m);
    if (eng_py_true(eng_py_attr(e, "whiten")) && eng_sk_attr(e, "explained_variance_")) {
        const double *v = eng_sk_vector(s, e, "explained_variance_", m);
        double *scale = eng_sk_alloc(s, m, sizeof *scale);
        for (size_t i = 0; v && scale && i < m; i++)
            scale[i] = fmax(sqrt(v[i]), 2.220446049250313e-16);
        ids = eng_sk_run_of(s, y, m);
        y = ids && scale ? eng_plan_map(s->b, ENG_PLAN_OVER, ids, m, scale, NULL) : ENG_PLAN_NONE;
    }
    return eng_sk_fresh(s, y, m);
}

/* The exponents of each product, degree by degree, as itertools gives combinations. */
static uint32_t *exponents(eng_sk *s, const eng_py *e, size_t n, int64_t low, int64_t high,
                           bool interaction, bool bias, size_t *count)
{
    size_t room = 64, m = 0;
    uint32_t *p = eng_sk_alloc(s, room * n, sizeof *p);
    size_t pick[16];
    for (int64_t d = bias      ? 0
                     : low > 1 ? low
                               : 1;
         p && d <= high; d = d == 0 ? (low > 1 ? low : 1) : d + 1) {
        for (int64_t i = 0; i < d; i++)
            pick[i] = interaction ? (size_t)i : 0;
        bool more = !(interaction && (size_t)d > n);
        while (more) {
            if (m == room) {
                uint32_t *bigger = eng_sk_alloc(s, 2 * room * n, sizeof *p);
                if (!bigger)
                    return NULL;
                memcpy(bigger, p, room * n * sizeof *p);
                p = bigger;
                room *= 2;
            }
            for (int64_t i = 0; i < d; i++)
                p[m * n + pick[i]]++;
            if (++m > 100000) {
                eng_sk_fail(s, e, "more than 100000 products");
                return NULL;
            }
            int64_t at = d - 1;
            while (at >= 0 && pick[at] == (interaction ? n - (size_t)(d - at) : n - 1))
                at--;
            more = at >= 0;
            if (!more)
                break;
            pick[at]++;
            for (int64_t i = at + 1; i < d; i++)
                pick[i] = pick[i - 1] + (interaction ? 1 : 0);
        }
    }
    *count = m;
    return p;
}

static eng_sk_cols polynomial(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    int64_t low = 0, high = 0;
    size_t m = 0;
    const eng_py *degree = eng_py_attr(e, "degree");
    eng_sk_expect(s, e, x);
    bool pair = eng_py_count(degree) == 2 && eng_py_integer(eng_py_at(degree, 0), &low) &&
                eng_py_integer(eng_py_at(degree, 1), &high);
    if ((!pair && !eng_py_integer(degree, &high)) || low < 0 || high < low || high > 16 || !x.n)
        eng_sk_fail(s, e, "its degree is not from 0 to 16");
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (!ids || !eng_sk_ok(s))
        return nothing;
    uint32_t *p = exponents(s, e, x.n, low, high, eng_py_true(eng_py_attr(e, "interaction_only")),
                            eng_py_true(eng_py_attr(e, "include_bias")), &m);
    return p ? eng_sk_fresh(s, eng_plan_polynomial(s->b, ids, x.n, p, m), m) : nothing;
}

/* ---- Functions ------------------------------------------------------------------------------------------ */

/* The function that a name of numpy's is; false: none of those that are known. */
static bool function_of(const eng_py *f, eng_plan_fn *out)
{
    static const struct {
        const char *name;
        eng_plan_fn fn;
    } known[] = {{"log", ENG_PLAN_LOG},       {"log1p", ENG_PLAN_LOG1P},
                 {"log2", ENG_PLAN_LOG2},     {"log10", ENG_PLAN_LOG10},
                 {"exp", ENG_PLAN_EXP},       {"expm1", ENG_PLAN_EXPM1},
                 {"sqrt", ENG_PLAN_SQRT},     {"cbrt", ENG_PLAN_CBRT},
                 {"square", ENG_PLAN_SQUARE}, {"abs", ENG_PLAN_ABS},
                 {"absolute", ENG_PLAN_ABS},  {"fabs", ENG_PLAN_ABS},
                 {"sign", ENG_PLAN_SIGN},     {"reciprocal", ENG_PLAN_INVERSE},
                 {"floor", ENG_PLAN_FLOOR},   {"ceil", ENG_PLAN_CEIL},
                 {"rint", ENG_PLAN_ROUND},    {"sin", ENG_PLAN_SIN},
                 {"cos", ENG_PLAN_COS},       {"tanh", ENG_PLAN_TANH},
                 {"isnan", ENG_PLAN_IS_NAN}};
    if (!eng_py_is(f, ENG_PY_CLASS) || !eng_str_starts(eng_py_module(f), ENG_STR("numpy")))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (eng_str_eq(eng_py_class(f), eng_str_of(known[i].name))) {
            *out = known[i].fn;
            return true;
        }
    return false;
}

/* partial(check_array, ...), which histogram gradient boosting puts where numbers pass as they are. */
static bool only_checks(const eng_py *f)
{
    return eng_py_is_a(f, "partial") &&
           eng_str_eq(eng_py_class(eng_py_at(f->as.object->args, 0)), ENG_STR("check_array"));
}

static bool has_arguments(const eng_py *e, const char *name)
{
    const eng_py *v = eng_py_attr(e, name);
    return !eng_py_none(v) && eng_py_pairs(v) > 0;
}

static void unknown_function(eng_sk *s, const eng_py *e, const eng_py *f)
{
    eng_str name = eng_py_class(f);
    eng_sk_fail(s, e, "its function '%.*s' is not one of numpy's that are known",
                ENG_FMT(eng_str_sub(name, 0, 80)));
}

static eng_sk_cols function(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_plan_fn fn = ENG_PLAN_ABS;
    const eng_py *f = eng_sk_attr(e, "func");
    if (!f || only_checks(f))
        return x;
    if (!function_of(f, &fn) || has_arguments(e, "kw_args")) {
        unknown_function(s, e, f);
        return nothing;
    }
    eng_sk_cols y = eng_sk_map(s, e, fn, x, NULL, NULL);
    for (size_t i = 0; i < y.n && fn == ENG_PLAN_IS_NAN; i++)
        y.at[i].origin = ENG_SK_NONE;
    return y;
}

static eng_sk_cols rbf_sampler(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t rows = 0, m = 0;
    const double *w = eng_sk_matrix(s, e, "random_weights_", &rows, &m);
    const double *offset = w ? eng_sk_vector(s, e, "random_offset_", m) : NULL;
    uint32_t *ids = eng_sk_dense(s, e, x);
    double *turned = eng_sk_alloc(s, rows * m, sizeof *turned);
    if (rows != x.n)
        eng_sk_fail(s, e, "it has weights of %zu columns, not %zu", rows, x.n);
    if (!w || !offset || !ids || !turned || !eng_sk_ok(s))
        return nothing;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < m; j++)
            turned[j * rows + i] = w[i * m + j];
    uint32_t *y = eng_sk_run_of(s, eng_plan_linear(s->b, ids, x.n, turned, offset, m), m);
    y = eng_sk_map_all(s, ENG_PLAN_COS, y, m, 0, 0);
    y = eng_sk_map_all(s, ENG_PLAN_TIMES, y, m, sqrt(2.0 / (double)m), 0);
    return y ? eng_sk_fresh(s, y[0], m) : nothing;
}

/* ---- The way back ------------------------------------------------------------------------------------- */

static uint32_t *back_linear(eng_sk *s, const eng_py *e, uint32_t *x, size_t n, const char *scale,
                             const char *add)
{
    const double *a = scale ? eng_sk_vector(s, e, scale, n) : NULL;
    const double *b = add ? eng_sk_vector(s, e, add, n) : NULL;
    if (!eng_sk_ok(s))
        return NULL;
    if (a)
        x = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_TIMES, x, n, a, NULL), n);
    return x && b ? eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_ADD, x, n, b, NULL), n) : x;
}

static uint32_t *back_min_max(eng_sk *s, const eng_py *e, uint32_t *x, size_t n)
{
    const double *a = eng_sk_vector(s, e, "scale_", n), *b = eng_sk_vector(s, e, "min_", n);
    return a && b ? eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_STANDARD, x, n, b, a), n) : NULL;
}

static uint32_t *back_power(eng_sk *s, const eng_py *e, uint32_t *x, size_t n)
{
    bool box = eng_sk_is(e, "method", "box-cox");
    const double *lambdas = eng_sk_vector(s, e, "lambdas_", n);
    const eng_py *scaler = eng_py_attr(e, "_scaler");
    if (lambdas && eng_py_true(eng_py_attr(e, "standardize")))
        x = back_linear(s, scaler, x, n, eng_sk_attr(scaler, "scale_") ? "scale_" : NULL, "mean_");
    eng_plan_fn fn = box ? ENG_PLAN_BOX_COX_BACK : ENG_PLAN_YEO_JOHNSON_BACK;
    return x && lambdas ? eng_sk_run_of(s, eng_plan_map(s->b, fn, x, n, lambdas, NULL), n) : NULL;
}

static uint32_t *back_quantile(eng_sk *s, const eng_py *e, uint32_t *x, size_t n)
{
    size_t rows = 0, columns = 0;
    const double *q = eng_sk_matrix(s, e, "quantiles_", &rows, &columns);
    const double *refs = q ? eng_sk_vector(s, e, "references_", rows) : NULL;
    double *own = eng_sk_alloc(s, rows, sizeof *own);
    uint32_t *y = eng_sk_alloc(s, n, sizeof *y);
    if (columns != n)
        eng_sk_fail(s, e, "it has quantiles of %zu columns, not %zu", columns, n);
    if (eng_sk_is(e, "output_distribution", "normal"))
        x = eng_sk_map_all(s, ENG_PLAN_NORMAL_SHARE, x, n, 0, 0);
    if (!refs || !own || !y || !x || !eng_sk_ok(s))
        return NULL;
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i < rows; i++)
            own[i] = q[i * columns + j];
        y[j] = eng_plan_interpolate(s->b, x[j], refs, own, rows);
    }
    return y;
}

static uint32_t *back_function(eng_sk *s, const eng_py *e, uint32_t *x, size_t n)
{
    eng_plan_fn fn = ENG_PLAN_ABS;
    const eng_py *f = eng_sk_attr(e, "inverse_func");
    if (!f)
        return x;
    if (function_of(f, &fn) && !has_arguments(e, "inv_kw_args"))
        return eng_sk_map_all(s, fn, x, n, 0, 0);
    unknown_function(s, e, f);
    return NULL;
}

uint32_t *eng_sk_inverse(eng_sk *s, const eng_py *e, uint32_t *x, size_t n)
{
    if (!x || eng_sk_passes(e))
        return x;
    if (eng_py_is_a(e, "StandardScaler"))
        return back_linear(s, e, x, n, eng_sk_attr(e, "scale_") ? "scale_" : NULL,
                           eng_py_true(eng_py_attr(e, "with_mean")) ? "mean_" : NULL);
    if (eng_py_is_a(e, "RobustScaler"))
        return back_linear(s, e, x, n, eng_sk_attr(e, "scale_") ? "scale_" : NULL,
                           eng_sk_attr(e, "center_") ? "center_" : NULL);
    if (eng_py_is_a(e, "MaxAbsScaler"))
        return back_linear(s, e, x, n, "scale_", NULL);
    if (eng_py_is_a(e, "MinMaxScaler"))
        return back_min_max(s, e, x, n);
    if (eng_py_is_a(e, "PowerTransformer"))
        return back_power(s, e, x, n);
    if (eng_py_is_a(e, "QuantileTransformer"))
        return back_quantile(s, e, x, n);
    if (eng_py_is_a(e, "FunctionTransformer"))
        return back_function(s, e, x, n);
    if (eng_py_is_a(e, "Pipeline")) {
        const eng_py *steps = eng_py_attr(e, "steps");
        for (size_t i = eng_py_count(steps); i-- > 0 && x;)
            x = eng_sk_inverse(s, eng_py_at(eng_py_at(steps, i), 1), x, n);
        return x;
    }
    eng_sk_fail(s, e, "there is no way back through it");
    return NULL;
}

/* ---- Isotonic regression ---------------------------------------------------------------------------------- */

uint32_t eng_sk_isotonic(eng_sk *s, const eng_py *e, uint32_t x)
{
    size_t n = 0;
    const double *xs = eng_sk_any_vector(s, e, "X_thresholds_ _necessary_X_", &n);
    const double *ys = xs ? eng_sk_vector(s, e, "y_thresholds_ _necessary_y_", n) : NULL;
    if (!xs || !ys || !n)
        return ENG_PLAN_NONE;
    if (n == 1)
        return eng_plan_constant(s->b, ys[0]);
    if (eng_sk_is(e, "out_of_bounds", "raise"))
        eng_sk_fail(s, e, "it refuses what lies beyond its bounds, which is not known");
    if (eng_sk_is(e, "out_of_bounds", "nan"))
        eng_sk_fail(s, e, "it has no answer beyond its bounds (out_of_bounds='nan')");
    return eng_plan_interpolate(s->b, x, xs, ys, n);
}

static void isotonic(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (x.n != 1)
        eng_sk_fail(s, e, "it takes one column and is given %zu", x.n);
    if (ids && eng_sk_ok(s))
        eng_sk_regression(s, out, eng_sk_isotonic(s, e, ids[0]), 1);
}

const eng_sk_row eng_sk_scale_rows[] = {
    {"StandardScaler", NULL, standard_scaler},
    {"RobustScaler", NULL, robust_scaler},
    {"MinMaxScaler", NULL, min_max_scaler},
    {"MaxAbsScaler", NULL, max_abs_scaler},
    {"Normalizer", NULL, normalizer},
    {"Binarizer", NULL, binarizer},
    {"PowerTransformer", NULL, power},
    {"QuantileTransformer", NULL, quantile},
    {"PCA", NULL, components},
    {"IncrementalPCA", NULL, components},
    {"TruncatedSVD", NULL, components},
    {"FastICA", NULL, components},
    {"GaussianRandomProjection", NULL, components},
    {"SparseRandomProjection", NULL, components},
    {"PolynomialFeatures", NULL, polynomial},
    {"FunctionTransformer", NULL, function},
    {"RBFSampler", NULL, rbf_sampler},
    {"IsotonicRegression", isotonic, NULL},
    {NULL, NULL, NULL},
};
