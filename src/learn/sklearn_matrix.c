/* Transformers by matrices: what is left of kernels, factors, latent variables and groups of columns. */
#include "learn/sklearn_internal.h"

#include <math.h>

static const eng_sk_cols nothing = {NULL, 0};

static double *turned(eng_sk *s, const double *w, size_t rows, size_t columns)
{
    double *to = eng_sk_alloc(s, rows * columns, sizeof *to);
    for (size_t i = 0; to && i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = w[i * columns + j];
    return to;
}

/* (x - mean) / scale * weights[m][n]; mean and scale may be NULL. */
static eng_sk_cols projected(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *mean,
                             const double *scale, const double *weights, size_t m)
{
    double *minus = eng_sk_alloc(s, x.n, sizeof *minus);
    if (!minus || !weights || !eng_sk_ok(s))
        return nothing;
    for (size_t i = 0; mean && i < x.n; i++)
        minus[i] = -mean[i];
    if (mean) {
        uint32_t *ids = eng_sk_dense(s, e, x);
        if (ids)
            ids = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_ADD, ids, x.n, minus, NULL), x.n);
        if (ids && scale)
            ids = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_OVER, ids, x.n, scale, NULL), x.n);
        x = ids ? eng_sk_fresh(s, ids[0], x.n) : nothing;
    }
    return x.n ? eng_sk_fresh(s, eng_sk_product(s, e, x, weights, NULL, m), m) : nothing;
}

/* A matrix of [x.n][m], turned. */
static const double *down(eng_sk *s, const eng_py *e, eng_sk_cols x, const char *name, size_t *m)
{
    size_t rows = 0;
    eng_sk_expect(s, e, x);
    const double *w = eng_sk_matrix(s, e, name, &rows, m);
    if (w && rows != x.n) {
        eng_sk_fail(s, e, "%s is of %zu columns, not %zu", name, rows, x.n);
        return NULL;
    }
    return w ? turned(s, w, rows, *m) : NULL;
}

/* ---- Partial least squares ---------------------------------------------------------------------------- */

static void pls_predict(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t m = 0, columns = 0, n = 0;
    eng_sk_expect(s, e, x);
    const double *w = eng_sk_matrix(s, e, "coef_", &m, &columns);
    const double *mean = eng_sk_vector(s, e, "_x_mean x_mean_", x.n), *scale = NULL;
    const double *bias = eng_sk_any_vector(s, e, "intercept_ _y_mean y_mean_", &n);
    /* Before 1.5 coefficients were of columns over their deviation, before 1.3 [columns][outputs] too. */
    if (s->version < 1005)
        scale = eng_sk_vector(s, e, "_x_std x_std_", x.n);
    if (s->version < 1003) {
        size_t rows = m;
        w = w ? turned(s, w, rows, columns) : NULL;
        m = columns;
        columns = rows;
    }
    if (!w || !mean || !bias)
        return;
    if (columns != x.n || n != m) {
        eng_sk_fail(s, e, "it has coefficients of %zu columns, not %zu", columns, x.n);
        return;
    }
    eng_sk_cols y = projected(s, e, x, mean, scale, w, m);
    if (y.n != m)
        return;
    uint32_t *ids = eng_sk_loose(s, e, y);
    if (ids)
        eng_sk_regression(s, out, eng_plan_map(s->b, ENG_PLAN_ADD, ids, m, bias, NULL), m);
}

static eng_sk_cols pls_transform(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t m = 0;
    const double *w = down(s, e, x, "x_rotations_", &m);
    const double *mean = eng_sk_vector(s, e, "_x_mean x_mean_", x.n);
    const double *scale = eng_sk_vector(s, e, "_x_std x_std_", x.n);
    return w && mean && scale ? projected(s, e, x, mean, scale, w, m) : nothing;
}

/* ---- Kernels -------------------------------------------------------------------------------------------- */

/* Less the mean of each of the kernel's columns and of this row, and with the mean of all. */
static uint32_t *centred(eng_sk *s, const eng_py *e, uint32_t *k, size_t n)
{
    const eng_py *c = eng_py_attr(e, "_centerer");
    const double *means = eng_sk_vector(s, c, "K_fit_rows_", n);
    double all = eng_sk_number(s, c, "K_fit_all_", 0), *minus = eng_sk_alloc(s, n, sizeof *minus);
    uint32_t *row = eng_sk_alloc(s, n, sizeof *row);
    if (!means || !minus || !row || !k)
        return NULL;
    for (size_t i = 0; i < n; i++)
        minus[i] = -means[i];
    row[0] = eng_plan_reduce(s->b, ENG_PLAN_MEAN, k, n);
    for (size_t i = 1; i < n; i++)
        row[i] = row[0];
    k = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_ADD, k, n, minus, NULL), n);
    k = k ? eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_MINUS, k, row, n), n) : NULL;
    return eng_sk_map_all(s, ENG_PLAN_ADD, k, n, all, 0);
}

static eng_sk_cols kernel_pca(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t n = 0, rows = 0, m = 0;
    const double *points = eng_sk_rows(s, e, x, "X_fit_", &n);
    const double *vectors = eng_sk_matrix(s, e, "eigenvectors_ alphas_", &rows, &m);
    const double *roots = eng_sk_vector(s, e, "eigenvalues_ lambdas_", m);
    double *w = eng_sk_alloc(s, rows * m, sizeof *w);
    if (points && vectors && rows != n)
        eng_sk_fail(s, e, "it has vectors of %zu rows, not %zu", rows, n);
    if (!points || !vectors || !roots || !w || !eng_sk_ok(s))
        return nothing;
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < n; i++)
            w[j * n + i] = roots[j] > 0 ? vectors[i * m + j] / sqrt(roots[j]) : 0;
    uint32_t *k = eng_sk_kernel(s, e, eng_sk_dense(s, e, x), x.n, points, n);
    k = centred(s, e, k, n);
    return k ? eng_sk_fresh(s, eng_plan_linear(s->b, k, n, w, NULL, m), m) : nothing;
}

static eng_sk_cols nystroem(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t n = 0, m = 0, columns = 0;
    const double *points = eng_sk_rows(s, e, x, "components_", &n);
    const double *w = eng_sk_matrix(s, e, "normalization_", &m, &columns);
    if (points && w && columns != n)
        eng_sk_fail(s, e, "it has weights of %zu rows, not %zu", columns, n);
    if (!points || !w || !eng_sk_ok(s))
        return nothing;
    uint32_t *k = eng_sk_kernel(s, e, eng_sk_dense(s, e, x), x.n, points, n);
    return k ? eng_sk_fresh(s, eng_plan_linear(s->b, k, n, w, NULL, m), m) : nothing;
}

/* sqrt(2 / m) * cos(log(x + skewedness) * weights + offset) */
static eng_sk_cols skewed_chi2(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t m = 0;
    const double *w = down(s, e, x, "random_weights_", &m);
    const double *offset = w ? eng_sk_vector(s, e, "random_offset_", m) : NULL;
    uint32_t *y = eng_sk_map_all(s, ENG_PLAN_ADD, eng_sk_dense(s, e, x), x.n,
                                 eng_sk_number(s, e, "skewedness", 1), 0);
    y = eng_sk_map_all(s, ENG_PLAN_LOG, y, x.n, 0, 0);
    if (!w || !offset || !y)
        return nothing;
    y = eng_sk_run_of(s, eng_plan_linear(s->b, y, x.n, w, offset, m), m);
    y = eng_sk_map_all(s, ENG_PLAN_COS, y, m, 0, 0);
    y = eng_sk_map_all(s, ENG_PLAN_TIMES, y, m, sqrt(2.0) / sqrt((double)m), 0);
    return y ? eng_sk_fresh(s, y[0], m) : nothing;
}

/* ---- Factors ------------------------------------------------------------------------------------------------ */

/* a[k][k] becomes its Cholesky root; false where it has none. */
static bool take_root(double *a, size_t k)
{
    for (size_t j = 0; j < k; j++)
        for (size_t i = j; i < k; i++) {
            double sum = a[i * k + j];
            for (size_t q = 0; q < j; q++)
                sum -= a[i * k + q] * a[j * k + q];
            if (i == j && !(sum > 0))
                return false;
            a[i * k + j] = i == j ? sqrt(sum) : sum / a[j * k + j];
        }
    return true;
}

/* b[k][n] becomes the solution of a * y = b, of a root. */
static void solve(const double *root, size_t k, double *b, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        for (size_t i = 0; i < k; i++) {
            for (size_t q = 0; q < i; q++)
                b[i * n + c] -= root[i * k + q] * b[q * n + c];
            b[i * n + c] /= root[i * k + i];
        }
        for (size_t i = k; i-- > 0;) {
            for (size_t q = i + 1; q < k; q++)
                b[i * n + c] -= root[q * k + i] * b[q * n + c];
            b[i * n + c] /= root[i * k + i];
        }
    }
}

/* (W C' + r I)^-1 W (x - mean), where W is C, of factors C over the noise of each column. */
static eng_sk_cols factors(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *noise, double r)
{
    size_t k = 0;
    eng_sk_expect(s, e, x);
    const double *c = eng_sk_rows(s, e, x, "components_", &k);
    const double *mean = eng_sk_vector(s, e, "mean_", x.n);
    double *w = eng_sk_alloc(s, k * x.n, sizeof *w), *a = eng_sk_alloc(s, k * k, sizeof *a);
    if (!c || !mean || !w || !a)
        return nothing;
    for (size_t i = 0; i < k; i++)
        for (size_t f = 0; f < x.n; f++)
            w[i * x.n + f] = noise ? c[i * x.n + f] / noise[f] : c[i * x.n + f];
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            a[i * k + j] = i == j ? r : 0;
            for (size_t f = 0; f < x.n; f++)
                a[i * k + j] += w[i * x.n + f] * c[j * x.n + f];
        }
    if (!take_root(a, k)) {
        eng_sk_fail(s, e, "its factors depend on each other");
        return nothing;
    }
    solve(a, k, w, x.n);
    return projected(s, e, x, mean, NULL, w, k);
}

static eng_sk_cols factor_analysis(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const double *noise = eng_sk_vector(s, e, "noise_variance_", x.n);
    return noise ? factors(s, e, x, noise, 1) : nothing;
}

static eng_sk_cols sparse_pca(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    return factors(s, e, x, NULL, eng_sk_number(s, e, "ridge_alpha", 0.01));
}

static eng_sk_cols boltzmann(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t m = 0;
    const double *w = eng_sk_rows(s, e, x, "components_", &m);
    const double *bias = w ? eng_sk_vector(s, e, "intercept_hidden_", m) : NULL;
    if (!w || !bias)
        return nothing;
    uint32_t *y = eng_sk_run_of(s, eng_sk_product(s, e, x, w, bias, m), m);
    y = eng_sk_map_all(s, ENG_PLAN_SIGMOID, y, m, 0, 0);
    return y ? eng_sk_fresh(s, y[0], m) : nothing;
}

static eng_sk_cols neighbourhood(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t m = 0;
    const double *w = eng_sk_rows(s, e, x, "components_", &m);
    return w ? projected(s, e, x, NULL, NULL, w, m) : nothing;
}

/* ---- Groups of columns ---------------------------------------------------------------------------------------- */

static eng_sk_cols agglomerated(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *how = eng_sk_attr(e, "pooling_func");
    eng_sk_expect(s, e, x);
    const double *labels = eng_sk_vector(s, e, "labels_", x.n);
    uint32_t *ids = eng_sk_dense(s, e, x), *own = eng_sk_alloc(s, x.n, sizeof *own);
    size_t m = 0, n = 0;
    if (how && (!eng_py_is(how, ENG_PY_CLASS) || !eng_str_eq(eng_py_class(how), ENG_STR("mean"))))
        eng_sk_fail(s, e, "it makes something else of a group than its mean");
    for (size_t i = 0; labels && i < x.n; i++) {
        if (!(labels[i] >= 0 && labels[i] < (double)x.n))
            eng_sk_fail(s, e, "a column is of group %g of %zu", labels[i], x.n);
        else if ((size_t)labels[i] >= m)
            m = (size_t)labels[i] + 1;
    }
    eng_sk_cols out = eng_sk_columns(s, m);
    for (size_t g = 0; labels && ids && own && g < out.n && eng_sk_ok(s); g++, n = 0) {
        for (size_t i = 0; i < x.n; i++)
            if (labels[i] == (double)g)
                own[n++] = ids[i];
        out.at[g].id = eng_plan_reduce(s->b, ENG_PLAN_MEAN, own, n);
    }
    return eng_sk_ok(s) ? out : nothing;
}

const eng_sk_row eng_sk_matrix_rows[] = {
    {"PLSRegression", pls_predict, pls_transform},
    {"PLSCanonical", pls_predict, pls_transform},
    {"CCA", pls_predict, pls_transform},
    {"KernelPCA", NULL, kernel_pca},
    {"Nystroem", NULL, nystroem},
    {"SkewedChi2Sampler", NULL, skewed_chi2},
    {"FactorAnalysis", NULL, factor_analysis},
    {"SparsePCA", NULL, sparse_pca},
    {"MiniBatchSparsePCA", NULL, sparse_pca},
    {"BernoulliRBM", NULL, boltzmann},
    {"NeighborhoodComponentsAnalysis", NULL, neighbourhood},
    {"FeatureAgglomeration", NULL, agglomerated},
    {NULL, NULL, NULL},
};
