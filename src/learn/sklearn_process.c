/*
 * Gaussian processes: kernels that are put together, between what is asked and every row of training.
 * So a plan of one has a column for each such row, and work in proportion; of classifiers the square.
 */
#include "learn/sklearn_internal.h"

#include <math.h>

enum { ROWS_MAX = 20000, CLASSIFIER_ROWS_MAX = 4000 };

typedef struct {
    const eng_py *e; /* whose kernel it is, for messages */
    const uint32_t *x;
    const double *points;
    size_t n, rows;
} between;

/* Values for each row of training, or one for all. */
typedef struct {
    uint32_t *at; /* NULL: constant */
    double constant;
    bool ok;
} values;

static values failed(void) { return (values){.ok = false}; }

static values fixed(double c) { return (values){.constant = c, .ok = true}; }

static values columns(uint32_t *at) { return (values){.at = at, .ok = at != NULL}; }

static values mapped(eng_sk *s, const between *b, eng_plan_fn fn, values v, double a, double c)
{
    return v.ok && v.at ? columns(eng_sk_map_all(s, fn, v.at, b->rows, a, c)) : failed();
}

static values combined(eng_sk *s, const between *b, values l, values r, bool sum)
{
    if (!l.ok || !r.ok)
        return failed();
    if (!l.at && !r.at)
        return fixed(sum ? l.constant + r.constant : l.constant * r.constant);
    if (!l.at || !r.at) {
        double c = l.at ? r.constant : l.constant;
        values v = l.at ? l : r;
        return c == (sum ? 0 : 1) ? v : mapped(s, b, sum ? ENG_PLAN_ADD : ENG_PLAN_TIMES, v, c, 0);
    }
    return columns(eng_sk_run_of(
        s, eng_plan_pairs(s->b, sum ? ENG_PLAN_PLUS : ENG_PLAN_BY, l.at, r.at, b->rows), b->rows));
}

/* Squared distances of columns over their length scales. */
static values distances(eng_sk *s, const between *b, const eng_py *k)
{
    size_t given = 0;
    const double *scale = eng_sk_any_vector(s, k, "length_scale", &given);
    double *over = eng_sk_alloc(s, b->n, sizeof *over),
           *v = eng_sk_alloc(s, b->n * b->rows, sizeof *v);
    if (scale && given != 1 && given != b->n)
        eng_sk_fail(s, k, "it has %zu length scales for %zu columns", given, b->n);
    for (size_t i = 0; scale && i < given; i++)
        if (!(scale[i] > 0) || !isfinite(scale[i]))
            eng_sk_fail(s, k, "a length scale is not above 0");
    if (!scale || !over || !v || !eng_sk_ok(s))
        return failed();
    for (size_t f = 0; f < b->n; f++) {
        over[f] = scale[given == 1 ? 0 : f];
        for (size_t i = 0; i < b->rows; i++)
            v[i * b->n + f] = b->points[i * b->n + f] / over[f];
    }
    uint32_t *x = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_OVER, b->x, b->n, over, NULL), b->n);
    const eng_plan_support of = {.kind = ENG_PLAN_DISTANCE2, .vectors = v, .count = b->rows};
    return x ? columns(eng_sk_run_of(s, eng_plan_similarity(s->b, x, b->n, &of), b->rows))
             : failed();
}

static values exponential(eng_sk *s, const between *b, values d, double times)
{
    return mapped(s, b, ENG_PLAN_EXP, mapped(s, b, ENG_PLAN_TIMES, d, times, 0), 0, 0);
}

/* Of d, the distance: exp(-d), (1 + d) exp(-d) with d times the root of 3, and so on. */
static values matern(eng_sk *s, const between *b, const eng_py *k)
{
    double nu = eng_sk_number(s, k, "nu", 1.5);
    values d = distances(s, b, k);
    if (isinf(nu))
        return exponential(s, b, d, -0.5);
    d = mapped(s, b, ENG_PLAN_SQRT, d, 0, 0);
    if (nu == 0.5)
        return exponential(s, b, d, -1);
    if (nu != 1.5 && nu != 2.5) {
        eng_sk_fail(s, k, "its nu is none of 0.5, 1.5, 2.5 and infinity");
        return failed();
    }
    d = mapped(s, b, ENG_PLAN_TIMES, d, sqrt(2 * nu), 0);
    values sum = mapped(s, b, ENG_PLAN_ADD, d, 1, 0);
    if (nu == 2.5) {
        values square = mapped(s, b, ENG_PLAN_SQUARE, d, 0, 0);
        sum = combined(s, b, sum, mapped(s, b, ENG_PLAN_OVER, square, 3, 0), true);
    }
    return combined(s, b, sum, exponential(s, b, d, -1), false);
}

static values rational(eng_sk *s, const between *b, const eng_py *k)
{
    double alpha = eng_sk_number(s, k, "alpha", 1), scale = eng_sk_number(s, k, "length_scale", 1);
    const eng_plan_support of = {
        .kind = ENG_PLAN_DISTANCE2, .vectors = b->points, .count = b->rows};
    values d = columns(eng_sk_run_of(s, eng_plan_similarity(s->b, b->x, b->n, &of), b->rows));
    d = mapped(s, b, ENG_PLAN_OVER, d, 2 * alpha * scale * scale, 0);
    return mapped(s, b, ENG_PLAN_POWER, mapped(s, b, ENG_PLAN_ADD, d, 1, 0), -alpha, 0);
}

/* exp(-2 (sin(pi d / period) / length)^2) */
static values periodic(eng_sk *s, const between *b, const eng_py *k)
{
    const eng_plan_support of = {
        .kind = ENG_PLAN_DISTANCE2, .vectors = b->points, .count = b->rows};
    values d = columns(eng_sk_run_of(s, eng_plan_similarity(s->b, b->x, b->n, &of), b->rows));
    d = mapped(s, b, ENG_PLAN_TIMES, mapped(s, b, ENG_PLAN_SQRT, d, 0, 0), M_PI, 0);
    d = mapped(s, b, ENG_PLAN_OVER, d, eng_sk_number(s, k, "periodicity", 1), 0);
    d = mapped(s, b, ENG_PLAN_OVER, mapped(s, b, ENG_PLAN_SIN, d, 0, 0),
               eng_sk_number(s, k, "length_scale", 1), 0);
    return exponential(s, b, mapped(s, b, ENG_PLAN_SQUARE, d, 0, 0), -2);
}

static values dot_product(eng_sk *s, const between *b, const eng_py *k)
{
    double sigma = eng_sk_number(s, k, "sigma_0", 1);
    values v = columns(
        eng_sk_run_of(s, eng_plan_linear(s->b, b->x, b->n, b->points, NULL, b->rows), b->rows));
    return mapped(s, b, ENG_PLAN_ADD, v, sigma * sigma, 0);
}

/* k(x, every row of training) */
static values kernel(eng_sk *s, const between *b, const eng_py *k, unsigned depth)
{
    if (depth > ENG_SK_DEPTH)
        eng_sk_fail(s, b->e, "kernels within kernels, deeper than %d", ENG_SK_DEPTH);
    if (!eng_sk_ok(s))
        return failed();
    if (eng_py_is_a(k, "Sum") || eng_py_is_a(k, "Product"))
        return combined(s, b, kernel(s, b, eng_py_attr(k, "k1"), depth + 1),
                        kernel(s, b, eng_py_attr(k, "k2"), depth + 1), eng_py_is_a(k, "Sum"));
    if (eng_py_is_a(k, "Exponentiation")) {
        double power = eng_sk_number(s, k, "exponent", 1);
        values v = kernel(s, b, eng_py_attr(k, "kernel"), depth + 1);
        return v.ok && !v.at ? fixed(pow(v.constant, power))
                             : mapped(s, b, ENG_PLAN_POWER, v, power, 0);
    }
    if (eng_py_is_a(k, "ConstantKernel"))
        return fixed(eng_sk_number(s, k, "constant_value", 1));
    if (eng_py_is_a(k, "WhiteKernel"))
        return fixed(0); /* noise of training alone */
    if (eng_py_is_a(k, "RBF"))
        return exponential(s, b, distances(s, b, k), -0.5);
    if (eng_py_is_a(k, "Matern"))
        return matern(s, b, k);
    if (eng_py_is_a(k, "RationalQuadratic"))
        return rational(s, b, k);
    if (eng_py_is_a(k, "ExpSineSquared"))
        return periodic(s, b, k);
    if (eng_py_is_a(k, "DotProduct"))
        return dot_product(s, b, k);
    eng_str name = eng_py_class(k);
    eng_sk_fail(s, b->e, "its kernel '%.*s' is not known", ENG_FMT(eng_str_sub(name, 0, 60)));
    return failed();
}

/* k(x, x): one column, or the same for all. */
static values diagonal(eng_sk *s, const between *b, const eng_py *k, unsigned depth)
{
    const between one = {.e = b->e, .x = b->x, .n = b->n, .rows = 1};
    if (depth > ENG_SK_DEPTH || !eng_sk_ok(s))
        return failed();
    if (eng_py_is_a(k, "Sum") || eng_py_is_a(k, "Product"))
        return combined(s, &one, diagonal(s, b, eng_py_attr(k, "k1"), depth + 1),
                        diagonal(s, b, eng_py_attr(k, "k2"), depth + 1), eng_py_is_a(k, "Sum"));
    if (eng_py_is_a(k, "Exponentiation")) {
        double power = eng_sk_number(s, k, "exponent", 1);
        values v = diagonal(s, b, eng_py_attr(k, "kernel"), depth + 1);
        return v.ok && !v.at ? fixed(pow(v.constant, power))
                             : mapped(s, &one, ENG_PLAN_POWER, v, power, 0);
    }
    if (eng_py_is_a(k, "ConstantKernel"))
        return fixed(eng_sk_number(s, k, "constant_value", 1));
    if (eng_py_is_a(k, "WhiteKernel"))
        return fixed(eng_sk_number(s, k, "noise_level", 1));
    if (!eng_py_is_a(k, "DotProduct"))
        return fixed(1);
    double sigma = eng_sk_number(s, k, "sigma_0", 1);
    uint32_t *square = eng_sk_map_all(s, ENG_PLAN_SQUARE, b->x, b->n, 0, 0);
    uint32_t sum = square ? eng_plan_reduce(s->b, ENG_PLAN_SUM, square, b->n) : ENG_PLAN_NONE;
    return mapped(s, &one, ENG_PLAN_ADD, columns(eng_sk_run_of(s, sum, 1)), sigma * sigma, 0);
}

static bool open_process(eng_sk *s, const eng_py *e, eng_sk_cols x, size_t most, between *b)
{
    size_t columns = 0;
    eng_sk_expect(s, e, x);
    *b = (between){.e = e, .x = eng_sk_dense(s, e, x), .n = x.n};
    b->points = eng_sk_matrix(s, e, "X_train_", &b->rows, &columns);
    if (!b->x || !b->points)
        return false;
    if (columns != x.n || !b->rows || b->rows > most) {
        eng_sk_fail(s, e, "it keeps %zu rows of %zu columns; up to %zu of %zu are taken", b->rows,
                    columns, most, x.n);
        return false;
    }
    return true;
}

/* The values as columns, whatever they are. */
static uint32_t *spread(eng_sk *s, const between *b, values v)
{
    if (!v.ok || v.at)
        return v.at;
    uint32_t *at = eng_sk_alloc(s, b->rows, sizeof *at), c = eng_plan_constant(s->b, v.constant);
    for (size_t i = 0; at && i < b->rows; i++)
        at[i] = c;
    return at;
}

static void regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    between b;
    size_t total = 0, ns = 0, nm = 0;
    if (!open_process(s, e, x, ROWS_MAX, &b))
        return;
    const double *alpha = eng_sk_any_vector(s, e, "alpha_", &total);
    const double *std = eng_sk_any_vector(s, e, "_y_train_std", &ns);
    const double *mean = eng_sk_any_vector(s, e, "_y_train_mean", &nm);
    if (!alpha || !std || !mean)
        return;
    size_t m = total / b.rows;
    if (total % b.rows || !m || (ns != 1 && ns != m) || (nm != 1 && nm != m)) {
        eng_sk_fail(s, e, "its rows and weights do not fit together");
        return;
    }
    double *w = eng_sk_alloc(s, total, sizeof *w), *times = eng_sk_alloc(s, m, sizeof *times),
           *add = eng_sk_alloc(s, m, sizeof *add);
    uint32_t *k = spread(s, &b, kernel(s, &b, eng_sk_attr(e, "kernel_"), 0));
    if (!w || !times || !add || !k || !eng_sk_ok(s))
        return;
    for (size_t j = 0; j < m; j++) {
        times[j] = std[ns == m ? j : 0];
        add[j] = mean[nm == m ? j : 0];
        for (size_t i = 0; i < b.rows; i++)
            w[j * b.rows + i] = alpha[i * m + j];
    }
    uint32_t *y = eng_sk_run_of(s, eng_plan_linear(s->b, k, b.rows, w, NULL, m), m);
    if (y)
        eng_sk_regression(s, out, eng_plan_map(s->b, ENG_PLAN_AFFINE, y, m, times, add), m);
}

/* ---- Classes: Laplace's approximation ------------------------------------------------------------------- */

/* The inverse of a lower triangle, each column times what its row of training weighs. */
static double *solved(eng_sk *s, const eng_py *e, const double *l, const double *w, size_t n)
{
    double *to = eng_sk_alloc(s, n * n, sizeof *to);
    for (size_t j = 0; to && j < n; j++)
        for (size_t i = j; i < n; i++) {
            double sum = i == j ? w[j] : 0;
            for (size_t q = j; q < i; q++)
                sum -= l[i * n + q] * to[q * n + j];
            to[i * n + j] = sum / l[i * n + i];
            if (!isfinite(to[i * n + j])) {
                eng_sk_fail(s, e, "its triangle has no inverse");
                return NULL;
            }
        }
    return to;
}

/* The share of the second class, of the mean and the variance of what lies beneath: a logistic function
 * by five error functions (Williams and Barber), with sklearn's constants. */
static uint32_t squashed(eng_sk *s, uint32_t mean, uint32_t variance)
{
    static const double lambdas[] = {0.41, 0.4, 0.37, 0.44, 0.39};
    static const double shares[] = {-1854.8214151, 3516.89893646, 221.29346712, 128.12323805,
                                    -2010.49422654};
    uint32_t terms[5];
    double half = 0;
    /* sqrt(pi / alpha) / (2 sqrt(2 pi variance)), where alpha = 1 / (2 variance), is a half */
    uint32_t alpha = eng_sk_map1(s, ENG_PLAN_INVERSE,
                                 eng_sk_map1(s, ENG_PLAN_TIMES, variance, 2, 0), 0, 0);
    for (size_t i = 0; i < 5; i++) {
        uint32_t more = eng_sk_map1(s, ENG_PLAN_ADD, alpha, lambdas[i] * lambdas[i], 0);
        uint32_t root = eng_plan_pairs(s->b, ENG_PLAN_DIVIDED, &alpha, &more, 1);
        root = eng_sk_map1(s, ENG_PLAN_SQRT, root, 0, 0);
        uint32_t z = eng_sk_map1(s, ENG_PLAN_TIMES, mean, lambdas[i], 0);
        z = eng_plan_pairs(s->b, ENG_PLAN_BY, &z, &root, 1);
        z = eng_sk_map1(s, ENG_PLAN_ERF, z, 0, 0);
        terms[i] = eng_sk_map1(s, ENG_PLAN_TIMES, eng_sk_map1(s, ENG_PLAN_TIMES, z, 0.5, 0),
                               shares[i], 0);
        half += shares[i];
    }
    uint32_t sum = eng_plan_reduce(s->b, ENG_PLAN_SUM, terms, 5);
    return eng_sk_map1(s, ENG_PLAN_ADD, sum, 0.5 * half, 0);
}

static void binary(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    between b;
    if (!eng_sk_classes(s, e, out) || !open_process(s, e, x, CLASSIFIER_ROWS_MAX, &b))
        return;
    const double *y = eng_sk_vector(s, e, "y_train_", b.rows),
                 *pi = eng_sk_vector(s, e, "pi_", b.rows);
    const double *root = eng_sk_vector(s, e, "W_sr_", b.rows);
    const double *l = eng_sk_vector(s, e, "L_", b.rows * b.rows);
    double *w = eng_sk_alloc(s, b.rows, sizeof *w);
    const eng_py *k = eng_sk_attr(e, "kernel_");
    uint32_t *near = spread(s, &b, kernel(s, &b, k, 0));
    if (out->k != 2)
        eng_sk_fail(s, e, "it has %zu classes, not 2", out->k);
    if (!y || !pi || !root || !l || !w || !near || !eng_sk_ok(s))
        return;
    for (size_t i = 0; i < b.rows; i++)
        w[i] = y[i] - pi[i];
    uint32_t f = eng_plan_linear(s->b, near, b.rows, w, NULL, 1);
    out->index = eng_sk_map1(s, ENG_PLAN_ABOVE, f, 0, 0);
    const double *inverse = s->dry ? NULL : solved(s, e, l, root, b.rows);
    uint32_t *v = inverse
                      ? eng_sk_run_of(s, eng_plan_linear(s->b, near, b.rows, inverse, NULL, b.rows),
                                      b.rows)
                      : NULL;
    v = eng_sk_map_all(s, ENG_PLAN_SQUARE, s->dry ? near : v, b.rows, 0, 0);
    values own = diagonal(s, &b, k, 0);
    if (!v || !own.ok)
        return;
    uint32_t all = own.at ? own.at[0] : eng_plan_constant(s->b, own.constant);
    uint32_t sum = eng_plan_reduce(s->b, ENG_PLAN_SUM, v, b.rows);
    uint32_t variance = eng_plan_pairs(s->b, ENG_PLAN_MINUS, &all, &sum, 1);
    out->shares = eng_sk_two(s, squashed(s, f, variance));
}

static void classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t k = 0;
    const eng_py *inner = eng_sk_attr(e, "base_estimator_");
    if (!inner) {
        eng_sk_fail(s, e, "base_estimator_ is missing: is it fitted?");
        return;
    }
    eng_sk_predict(s, inner, x, out);
    const eng_plan_label *classes = eng_sk_labels(s, e, eng_py_attr(e, "classes_"), &k);
    if (classes && eng_sk_ok(s) && k != out->k)
        eng_sk_fail(s, e, "its estimator has %zu classes, not %zu", out->k, k);
    out->classes = classes;
}

const eng_sk_row eng_sk_process_rows[] = {
    {"GaussianProcessRegressor", regressor, NULL},
    {"GaussianProcessClassifier", classifier, NULL},
    {"_BinaryGaussianProcessClassifierLaplace", binary, NULL},
    {NULL, NULL, NULL},
};
