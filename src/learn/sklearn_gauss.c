/* Normal distributions: quadratic discriminants, mixtures, ellipses around what is usual. */
#include "learn/sklearn_internal.h"

#include <math.h>

/* The sum of the squares of (x - mean) * rotation[n][m], or of x * rotation - mean * rotation. */
static uint32_t squares(eng_sk *s, const uint32_t *x, size_t n, const double *mean,
                        const double *rotation, size_t m, bool centred)
{
    double *w = eng_sk_alloc(s, n * m, sizeof *w), *minus = eng_sk_alloc(s, n, sizeof *minus),
           *bias = eng_sk_alloc(s, m, sizeof *bias);
    if (!w || !minus || !bias || !m)
        return ENG_PLAN_NONE;
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < n; i++) {
            w[j * n + i] = rotation[i * m + j];
            bias[j] -= centred ? 0 : mean[i] * rotation[i * m + j];
            minus[i] = -mean[i];
        }
    const uint32_t *from = x;
    if (centred)
        from = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_ADD, x, n, minus, NULL), n);
    uint32_t *y = from ? eng_sk_run_of(s, eng_plan_linear(s->b, from, n, w, bias, m), m) : NULL;
    y = eng_sk_map_all(s, ENG_PLAN_SQUARE, y, m, 0, 0);
    return y ? eng_plan_reduce(s->b, ENG_PLAN_SUM, y, m) : ENG_PLAN_NONE;
}

/* ---- Quadratic discriminants -------------------------------------------------------------------------- */

/* -(|scaled|^2 + the logarithm of the determinant) / 2 + log prior */
static uint32_t quadratic_class(eng_sk *s, const eng_py *e, const uint32_t *x, size_t n, size_t c,
                                const double *mean, double prior)
{
    size_t total = 0, m = 0;
    const double *scale = eng_sk_numbers(s, e, eng_py_at(eng_py_attr(e, "scalings_"), c),
                                         "scalings_", &m, true);
    const double *r = eng_sk_numbers(s, e, eng_py_at(eng_py_attr(e, "rotations_"), c), "rotations_",
                                     &total, true);
    double *w = eng_sk_alloc(s, total, sizeof *w), u = 0;
    if (!scale || !r || !w)
        return ENG_PLAN_NONE;
    if (total != n * m) {
        eng_sk_fail(s, e, "a rotation is of %zu numbers, not %zu", total, n * m);
        return ENG_PLAN_NONE;
    }
    for (size_t j = 0; j < m; j++) {
        if (!(scale[j] > 0))
            eng_sk_fail(s, e, "a scaling is not above 0");
        u += log(scale[j]);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            w[i * m + j] = r[i * m + j] * (1 / sqrt(scale[j]));
    uint32_t y = eng_sk_map1(s, ENG_PLAN_ADD, squares(s, x, n, mean, w, m, true), u, 0);
    return eng_sk_map1(s, ENG_PLAN_AFFINE, y, -0.5, log(prior));
}

static void quadratic(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    eng_sk_expect(s, e, x);
    if (!eng_sk_classes(s, e, out))
        return;
    uint32_t *ids = eng_sk_dense(s, e, x), *d = eng_sk_alloc(s, out->k, sizeof *d);
    const double *mean = eng_sk_vector(s, e, "means_", out->k * x.n);
    const double *prior = eng_sk_vector(s, e, "priors_", out->k);
    if (!ids || !d || !mean || !prior)
        return;
    for (size_t c = 0; c < out->k && eng_sk_ok(s); c++)
        d[c] = quadratic_class(s, e, ids, x.n, c, mean + c * x.n, prior[c]);
    if (!eng_sk_ok(s))
        return;
    out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, d, out->k);
    out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, d, out->k);
    out->decision = d;
    out->decisions = out->k;
    if (out->k == 2) {
        uint32_t one = eng_plan_pairs(s->b, ENG_PLAN_MINUS, d + 1, d, 1);
        eng_sk_decided(s, out, one, 1);
    }
}

/* ---- Mixtures ----------------------------------------------------------------------------------------- */

/* Derivative of the logarithm of the gamma function. */
static double digamma(double x)
{
    double sum = 0;
    for (; x < 12; x++)
        sum -= 1 / x;
    double z = 1 / (x * x);
    double tail =
        z *
        (1.0 / 12 -
         z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * 691.0 / 32760)))));
    return sum + log(x) - 0.5 / x - tail;
}

/* log(weight) of each component: of a Bayesian mixture what it expects of it. */
static bool log_weights(eng_sk *s, const eng_py *e, size_t k, double *to)
{
    if (!eng_py_is_a(e, "BayesianGaussianMixture")) {
        const double *w = eng_sk_vector(s, e, "weights_", k);
        for (size_t c = 0; w && c < k; c++)
            to[c] = log(w[c]);
        return w != NULL;
    }
    const eng_py *v = eng_py_attr(e, "weight_concentration_");
    if (eng_py_is(v, ENG_PY_TUPLE) || eng_py_is(v, ENG_PY_LIST)) {
        size_t na = 0, nb = 0;
        const double *a = eng_sk_numbers(s, e, eng_py_at(v, 0), "weight_concentration_", &na, true);
        const double *b = eng_sk_numbers(s, e, eng_py_at(v, 1), "weight_concentration_", &nb, true);
        double before = 0;
        for (size_t c = 0; a && b && na == k && nb == k && c < k; c++) {
            double sum = digamma(a[c] + b[c]);
            to[c] = digamma(a[c]) - sum + before;
            before += digamma(b[c]) - sum;
        }
        return a && b && na == k && nb == k;
    }
    const double *a = eng_sk_vector(s, e, "weight_concentration_", k);
    double sum = 0;
    for (size_t c = 0; a && c < k; c++)
        sum += a[c];
    for (size_t c = 0; a && c < k; c++)
        to[c] = digamma(a[c]) - digamma(sum);
    return a != NULL;
}

/* What a Bayesian mixture adds to a component's logarithm. */
static bool add_expected(eng_sk *s, const eng_py *e, size_t k, size_t n, double *to)
{
    if (!eng_py_is_a(e, "BayesianGaussianMixture"))
        return true;
    const double *freedom = eng_sk_vector(s, e, "degrees_of_freedom_", k);
    const double *precision = eng_sk_vector(s, e, "mean_precision_", k);
    for (size_t c = 0; freedom && precision && c < k; c++) {
        double lambda = (double)n * log(2);
        for (size_t i = 0; i < n; i++)
            lambda += digamma(0.5 * (freedom[c] - (double)i));
        to[c] += -0.5 * (double)n * log(freedom[c]) + 0.5 * (lambda - (double)n / precision[c]);
    }
    return freedom && precision;
}

typedef struct {
    enum { FULL, TIED, DIAGONAL, SPHERICAL } kind;
    const double *root; /* of the precisions: precisions_cholesky_ */
    const double *mean;
    size_t k, n;
} mixture;

/* Of component c: its root's row for column i, whichever way they are kept. */
static double root_at(const mixture *m, size_t c, size_t i)
{
    switch (m->kind) {
    case FULL:
        return m->root[(c * m->n + i) * m->n + i];
    case TIED:
        return m->root[i * m->n + i];
    case DIAGONAL:
        return m->root[c * m->n + i];
    default:
        return m->root[c];
    }
}

/* Sums of squares of a component whose columns are independent of each other. */
static uint32_t plain_squares(eng_sk *s, const mixture *m, size_t c, const uint32_t *x)
{
    double *w = eng_sk_alloc(s, m->n, sizeof *w), *w2 = eng_sk_alloc(s, m->n, sizeof *w2), bias = 0;
    if (!w || !w2)
        return ENG_PLAN_NONE;
    for (size_t i = 0; i < m->n; i++) {
        double p = root_at(m, c, i) * root_at(m, c, i), mean = m->mean[c * m->n + i];
        bias += mean * mean * p;
        w[i] = -2 * (mean * p);
        w2[i] = p;
    }
    uint32_t first = eng_plan_linear(s->b, x, m->n, w, &bias, 1);
    uint32_t *square = eng_sk_map_all(s, ENG_PLAN_SQUARE, x, m->n, 0, 0);
    uint32_t second = square ? eng_plan_linear(s->b, square, m->n, w2, NULL, 1) : ENG_PLAN_NONE;
    return eng_plan_pairs(s->b, ENG_PLAN_PLUS, &first, &second, 1);
}

static bool open_mixture(eng_sk *s, const eng_py *e, size_t n, mixture *m)
{
    size_t rows = 0, columns = 0;
    m->mean = eng_sk_matrix(s, e, "means_", &rows, &columns);
    m->k = rows;
    m->n = n;
    m->kind = eng_sk_is(e, "covariance_type", "tied")        ? TIED
              : eng_sk_is(e, "covariance_type", "diag")      ? DIAGONAL
              : eng_sk_is(e, "covariance_type", "spherical") ? SPHERICAL
                                                             : FULL;
    if (m->mean && (columns != n || !rows || rows > 10000)) {
        eng_sk_fail(s, e, "it has means of %zu columns, not %zu", columns, n);
        return false;
    }
    size_t count = m->kind == FULL       ? rows * n * n
                   : m->kind == TIED     ? n * n
                   : m->kind == DIAGONAL ? rows * n
                                         : rows;
    m->root = m->mean ? eng_sk_vector(s, e, "precisions_cholesky_", count) : NULL;
    return m->root != NULL;
}

static void gaussian_mixture(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    mixture m = {0};
    eng_sk_expect(s, e, x);
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (!ids || !open_mixture(s, e, x.n, &m))
        return;
    double *add = eng_sk_alloc(s, m.k, sizeof *add);
    uint32_t *l = eng_sk_alloc(s, m.k, sizeof *l);
    eng_plan_label *labels = eng_sk_alloc(s, m.k, sizeof *labels);
    if (!add || !l || !labels)
        return;
    if (!log_weights(s, e, m.k, add) || !add_expected(s, e, m.k, m.n, add)) {
        eng_sk_fail(s, e, "its weights do not fit together");
        return;
    }
    for (size_t c = 0; c < m.k && eng_sk_ok(s); c++) {
        double determinant = 0;
        for (size_t i = 0; i < m.n; i++)
            determinant += log(root_at(&m, c, i));
        const double *root = m.kind == FULL ? m.root + c * m.n * m.n : m.root;
        l[c] = m.kind == FULL || m.kind == TIED
                   ? squares(s, ids, m.n, m.mean + c * m.n, root, m.n, false)
                   : plain_squares(s, &m, c, ids);
        l[c] = eng_sk_map1(s, ENG_PLAN_ADD, l[c], (double)m.n * log(2 * M_PI), 0);
        l[c] = eng_sk_map1(s, ENG_PLAN_AFFINE, l[c], -0.5, determinant + add[c]);
        labels[c].number = (double)c;
    }
    *out = (eng_sk_out){.classifier = true, .classes = labels, .k = m.k};
    if (!eng_sk_ok(s))
        return;
    out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, l, m.k);
    out->index = m.k == 1 ? eng_plan_constant(s->b, 0)
                          : eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, l, m.k);
}

/* ---- An ellipse ---------------------------------------------------------------------------------------- */

/* -(x - location)' precision (x - location) - offset_ */
static void elliptic(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    eng_sk_expect(s, e, x);
    uint32_t *ids = eng_sk_dense(s, e, x);
    const double *at = eng_sk_vector(s, e, "location_", x.n);
    const double *precision = eng_sk_vector(s, e, "precision_", x.n * x.n);
    double *minus = eng_sk_alloc(s, x.n, sizeof *minus);
    if (!ids || !at || !precision || !minus)
        return;
    for (size_t i = 0; i < x.n; i++)
        minus[i] = -at[i];
    uint32_t *d = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_ADD, ids, x.n, minus, NULL), x.n);
    uint32_t *p = d ? eng_sk_run_of(s, eng_plan_linear(s->b, d, x.n, precision, NULL, x.n), x.n)
                    : NULL;
    p = p ? eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_BY, p, d, x.n), x.n) : NULL;
    if (!p)
        return;
    uint32_t y = eng_plan_reduce(s->b, ENG_PLAN_SUM, p, x.n);
    eng_sk_inlier(s, out,
                  eng_sk_map1(s, ENG_PLAN_AFFINE, y, -1, -eng_sk_number(s, e, "offset_", 0)));
}

const eng_sk_row eng_sk_gauss_rows[] = {
    {"QuadraticDiscriminantAnalysis", quadratic, NULL},
    {"GaussianMixture", gaussian_mixture, NULL},
    {"BayesianGaussianMixture", gaussian_mixture, NULL},
    {"EllipticEnvelope", elliptic, NULL},
    {NULL, NULL, NULL},
};
