/* Models that keep rows of their training: support vectors, neighbours, centroids. */
#include "learn/sklearn_internal.h"

#include <math.h>

/* ---- Kernels ---------------------------------------------------------------------------------------- */

static bool kernel_of(eng_sk *s, const eng_py *e, eng_plan_support *k)
{
    eng_str kernel = ENG_STR("rbf");
    (void)(eng_py_text(eng_py_attr(e, "kernel"), &kernel));
    k->gamma = eng_sk_number(s, e, eng_sk_attr(e, "_gamma") ? "_gamma" : "gamma", 1);
    k->coef0 = eng_sk_number(s, e, "coef0", 0);
    k->degree = eng_sk_number(s, e, "degree", 3);
    if (eng_str_eq(kernel, ENG_STR("rbf")))
        k->kind = ENG_PLAN_RBF;
    else if (eng_str_eq(kernel, ENG_STR("poly")) || eng_str_eq(kernel, ENG_STR("polynomial")))
        k->kind = ENG_PLAN_POLY;
    else if (eng_str_eq(kernel, ENG_STR("sigmoid")))
        k->kind = ENG_PLAN_TANH_OF;
    else
        eng_sk_fail(s, e, "its kernel '%.*s' is not known", ENG_FMT(eng_str_sub(kernel, 0, 40)));
    return eng_sk_ok(s);
}

/* y[j] = bias[j] + sum of weights[j][i] * kernel(x, vectors[i]). A linear kernel is one product. */
static uint32_t machine(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *vectors, size_t n,
                        const double *weights, const double *bias, size_t m)
{
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (!ids || !vectors || !weights)
        return ENG_PLAN_NONE;
    if (eng_sk_is(e, "kernel", "linear")) {
        double *w = eng_sk_alloc(s, m * x.n, sizeof *w);
        for (size_t j = 0; w && j < m; j++)
            for (size_t i = 0; i < n; i++)
                for (size_t f = 0; f < x.n; f++)
                    w[j * x.n + f] += weights[j * n + i] * vectors[i * x.n + f];
        return w ? eng_plan_linear(s->b, ids, x.n, w, bias, m) : ENG_PLAN_NONE;
    }
    eng_plan_support k = {.vectors = vectors, .count = n};
    if (!kernel_of(s, e, &k))
        return ENG_PLAN_NONE;
    uint32_t *similar = eng_sk_run_of(s, eng_plan_similarity(s->b, ids, x.n, &k), n);
    return similar ? eng_plan_linear(s->b, similar, n, weights, bias, m) : ENG_PLAN_NONE;
}

/* support_vectors_ of x.n columns; their number. */
static const double *vectors_of(eng_sk *s, const eng_py *e, eng_sk_cols x, size_t *n)
{
    size_t columns = 0;
    eng_sk_expect(s, e, x);
    const double *v = eng_sk_matrix(s, e, "support_vectors_", n, &columns);
    if (v && (columns != x.n || !*n)) {
        eng_sk_fail(s, e, "it has support vectors of %zu columns, not %zu", columns, x.n);
        return NULL;
    }
    return v;
}

static void vector_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, rows = 0, columns = 0;
    const double *v = vectors_of(s, e, x, &n);
    const double *w = eng_sk_matrix(s, e, "_dual_coef_ dual_coef_", &rows, &columns);
    const double *bias = eng_sk_vector(s, e, "_intercept_ intercept_", 1);
    if (!v || !w || !bias)
        return;
    if (rows != 1 || columns != n) {
        eng_sk_fail(s, e, "it has %zu coefficients for %zu vectors", columns, n);
        return;
    }
    uint32_t y = machine(s, e, x, v, n, w, bias, 1);
    if (!eng_py_is_a(e, "OneClassSVM")) {
        eng_sk_regression(s, out, y, 1);
        return;
    }
    eng_plan_label *labels = eng_sk_alloc(s, 2, sizeof *labels);
    if (!labels)
        return;
    labels[0].number = -1;
    labels[1].number = 1;
    out->classifier = true;
    out->classes = labels;
    out->k = 2;
    eng_sk_decided(s, out, y, 1);
}

/* libsvm keeps a vector's coefficients for the k - 1 other classes: here a row of weights for each pair. */
static double *pair_weights(eng_sk *s, const double *coef, const double *of_class, size_t k,
                            size_t n)
{
    size_t pairs = k * (k - 1) / 2, row = 0;
    double *w = eng_sk_alloc(s, pairs * n, sizeof *w);
    size_t *start = eng_sk_alloc(s, k + 1, sizeof *start);
    if (!w || !start)
        return NULL;
    for (size_t c = 0; c < k; c++)
        start[c + 1] = start[c] + (size_t)of_class[c];
    for (size_t i = 0; i < k; i++)
        for (size_t j = i + 1; j < k; j++, row++) {
            for (size_t v = start[i]; v < start[i + 1]; v++)
                w[row * n + v] = coef[(j - 1) * n + v];
            for (size_t v = start[j]; v < start[j + 1]; v++)
                w[row * n + v] = coef[i * n + v];
        }
    return w;
}

/* 1 / (1 + exp(a * d + b)) of each pair, then libsvm's coupling. */
static uint32_t *coupled(eng_sk *s, const eng_py *e, const uint32_t *d, size_t k)
{
    size_t pairs = k * (k - 1) / 2;
    const double *a = eng_sk_vector(s, e, "_probA probA_", pairs);
    const double *b = eng_sk_vector(s, e, "_probB probB_", pairs);
    double *minus_a = eng_sk_alloc(s, pairs, sizeof *minus_a),
           *minus_b = eng_sk_alloc(s, pairs, sizeof *minus_b);
    if (!a || !b || !minus_a || !minus_b)
        return NULL;
    for (size_t i = 0; i < pairs; i++) {
        minus_a[i] = -a[i];
        minus_b[i] = -b[i];
    }
    uint32_t *p = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_AFFINE, d, pairs, minus_a, minus_b),
                                pairs);
    p = eng_sk_map_all(s, ENG_PLAN_SIGMOID, p, pairs, 0, 0);
    p = eng_sk_map_all(s, ENG_PLAN_CLIP, p, pairs, 1e-7, 1 - 1e-7);
    return p ? eng_sk_run_of(s, eng_plan_vote(s->b, ENG_PLAN_COUPLED, p, k), k) : NULL;
}

static void vector_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, rows = 0, columns = 0, total = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    size_t k = out->k, pairs = k * (k - 1) / 2;
    const double *v = vectors_of(s, e, x, &n);
    const double *w = eng_sk_matrix(s, e, "_dual_coef_", &rows, &columns);
    const double *bias = eng_sk_vector(s, e, "_intercept_", pairs);
    const double *of_class = eng_sk_vector(s, e, "_n_support n_support_", k);
    for (size_t c = 0; of_class && c < k; c++)
        total += of_class[c] >= 0 && of_class[c] <= (double)n ? (size_t)of_class[c] : n + 1;
    if (!v || !w || !bias || !of_class)
        return;
    if (k < 2 || k > 1024 || rows != k - 1 || columns != n || total != n) {
        eng_sk_fail(s, e, "its coefficients and vectors do not fit together");
        return;
    }
    double *weights = pair_weights(s, w, of_class, k, n);
    uint32_t first = weights ? machine(s, e, x, v, n, weights, bias, pairs) : ENG_PLAN_NONE;
    uint32_t *d = eng_sk_run_of(s, first, pairs);
    if (!d || !eng_sk_ok(s))
        return;
    uint32_t *votes = eng_sk_run_of(s, eng_plan_vote(s->b, ENG_PLAN_VOTES, d, k), k);
    if (!votes)
        return;
    out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, votes, k);
    if (k == 2) {
        out->decision = eng_sk_map_all(s, ENG_PLAN_TIMES, d, 1, -1, 0);
        out->decisions = 1;
    } else if (!eng_sk_is(e, "decision_function_shape", "ovo")) {
        out->decision = eng_sk_run_of(s, eng_plan_vote(s->b, ENG_PLAN_VOTES_SUMMED, d, k), k);
        out->decisions = k;
        if (out->decision && eng_py_true(eng_py_attr(e, "break_ties")))
            out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, out->decision, k);
    }
    size_t probabilities = 0; /* "deprecated" is what 1.8 writes where none were asked for */
    if (eng_sk_attr(e, "_probA probA_"))
        (void)eng_sk_any_vector(s, e, "_probA probA_", &probabilities);
    if (probabilities)
        out->shares = coupled(s, e, d, k);
}

static void kernel_ridge(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, columns = 0, rows = 0, m = 0;
    const double *v = eng_sk_matrix(s, e, "X_fit_", &n, &columns);
    const double *w = eng_sk_matrix(s, e, "dual_coef_", &rows, &m);
    bool one = rows == 1 && m == n;
    if (!v || !w)
        return;
    if (columns != x.n || (!one && rows != n)) {
        eng_sk_fail(s, e, "its coefficients and rows do not fit together");
        return;
    }
    size_t outputs = one ? 1 : m;
    double *turned = eng_sk_alloc(s, n * outputs, sizeof *turned);
    for (size_t i = 0; turned && i < n; i++)
        for (size_t j = 0; j < outputs; j++)
            turned[j * n + i] = w[i * outputs + j];
    if (!eng_sk_attr(e, "gamma") && !eng_sk_is(e, "kernel", "linear"))
        eng_sk_fail(s, e, "it needs a gamma");
    if (turned && eng_sk_ok(s))
        eng_sk_regression(s, out, machine(s, e, x, v, n, turned, NULL, outputs), outputs);
}

/* ---- Neighbours ----------------------------------------------------------------------------------------- */

static double distance_of(eng_sk *s, const eng_py *e)
{
    static const struct {
        const char *name;
        double p;
    } known[] = {{"euclidean", 2}, {"l2", 2},        {"manhattan", 1},
                 {"l1", 1},        {"cityblock", 1}, {"chebyshev", INFINITY}};
    eng_str metric = ENG_STR("minkowski");
    if (!eng_py_none(eng_py_attr(e, "metric")) && !eng_py_text(eng_py_attr(e, "metric"), &metric))
        eng_sk_fail(s, e, "its metric is not known");
    if (eng_str_eq(metric, ENG_STR("minkowski"))) {
        const eng_py *more = eng_sk_attr(e, "metric_params");
        if (more && eng_py_pairs(more))
            eng_sk_fail(s, e, "its metric has parameters that are not known");
        return eng_sk_number(s, e, "p", 2);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (eng_str_eq(metric, eng_str_of(known[i].name)))
            return known[i].p;
    eng_sk_fail(s, e, "its metric '%.*s' is not known", ENG_FMT(eng_str_sub(metric, 0, 40)));
    return 2;
}

/* The average of `values` of the nearest rows. */
static uint32_t nearest(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *points, size_t n,
                        const double *values, size_t width)
{
    double k = eng_sk_number(s, e, "n_neighbors", 5);
    uint32_t *ids = eng_sk_dense(s, e, x);
    bool weighted = eng_sk_is(e, "weights", "distance");
    const eng_py *how = eng_sk_attr(e, "weights");
    if (how && !weighted && !eng_sk_is(e, "weights", "uniform"))
        eng_sk_fail(s, e, "its weights are not known");
    if (!(k >= 1 && k <= (double)n))
        eng_sk_fail(s, e, "it asks for %g of %zu neighbours", k, n);
    const eng_plan_points p = {.points = points,
                               .values = values,
                               .count = n,
                               .width = width,
                               .k = eng_sk_ok(s) ? (size_t)k : 1,
                               .p = distance_of(s, e),
                               .by_distance = weighted};
    return ids && eng_sk_ok(s) ? eng_plan_nearest(s->b, ids, x.n, &p) : ENG_PLAN_NONE;
}

static const double *rows_of(eng_sk *s, const eng_py *e, eng_sk_cols x, const char *name, size_t *n)
{
    size_t columns = 0;
    eng_sk_expect(s, e, x);
    const double *v = eng_sk_matrix(s, e, name, n, &columns);
    if (v && (columns != x.n || !*n)) {
        eng_sk_fail(s, e, "it has rows of %zu columns, not %zu", columns, x.n);
        return NULL;
    }
    return v;
}

static void neighbours_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, count = 0;
    const double *points = rows_of(s, e, x, "_fit_X", &n);
    const double *y = eng_sk_any_vector(s, e, "_y", &count);
    if (!points || !y)
        return;
    if (!count || count % n) {
        eng_sk_fail(s, e, "it has %zu rows and %zu values", n, count);
        return;
    }
    eng_sk_regression(s, out, nearest(s, e, x, points, n, y, count / n), count / n);
}

static void neighbours_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    const double *points = rows_of(s, e, x, "_fit_X", &n);
    const double *y = points ? eng_sk_vector(s, e, "_y", n) : NULL;
    double *values = eng_sk_alloc(s, n * out->k, sizeof *values);
    if (!points || !y || !values)
        return;
    for (size_t i = 0; i < n; i++) {
        if (!(y[i] >= 0 && y[i] < (double)out->k)) {
            eng_sk_fail(s, e, "a row is of class %g of %zu", y[i], out->k);
            return;
        }
        values[i * out->k + (size_t)y[i]] = 1;
    }
    uint32_t *p = eng_sk_run_of(s, nearest(s, e, x, points, n, values, out->k), out->k);
    if (p)
        eng_sk_shared(s, out, p);
}

/* ---- Centroids ------------------------------------------------------------------------------------------ */

static void to_nearest(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out,
                       const double *centres)
{
    uint32_t *ids = eng_sk_dense(s, e, x);
    const eng_plan_support k = {.kind = ENG_PLAN_DISTANCE2, .vectors = centres, .count = out->k};
    uint32_t *d = ids ? eng_sk_run_of(s, eng_plan_similarity(s->b, ids, x.n, &k), out->k) : NULL;
    d = d ? eng_sk_map_all(s, ENG_PLAN_TIMES, d, out->k, -1, 0) : NULL;
    if (d)
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, d, out->k);
}

static void nearest_centroid(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    const double *centres = rows_of(s, e, x, "centroids_", &n);
    if (!eng_sk_is(e, "metric", "euclidean"))
        eng_sk_fail(s, e, "its metric is not known");
    if (centres && n != out->k)
        eng_sk_fail(s, e, "it has %zu centroids of %zu classes", n, out->k);
    if (centres && eng_sk_ok(s))
        to_nearest(s, e, x, out, centres);
}

static void clusters(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    const double *centres = rows_of(s, e, x, "cluster_centers_", &n);
    eng_plan_label *labels = eng_sk_alloc(s, n, sizeof *labels);
    if (!centres || !labels)
        return;
    for (size_t i = 0; i < n; i++)
        labels[i].number = (double)i;
    out->classifier = true;
    out->classes = labels;
    out->k = n;
    to_nearest(s, e, x, out, centres);
}

const eng_sk_row eng_sk_near_rows[] = {
    {"SVC", vector_classifier, NULL},
    {"NuSVC", vector_classifier, NULL},
    {"SVR", vector_regressor, NULL},
    {"NuSVR", vector_regressor, NULL},
    {"OneClassSVM", vector_regressor, NULL},
    {"KernelRidge", kernel_ridge, NULL},
    {"KNeighborsClassifier", neighbours_classifier, NULL},
    {"KNeighborsRegressor", neighbours_regressor, NULL},
    {"NearestCentroid", nearest_centroid, NULL},
    {"KMeans", clusters, NULL},
    {"MiniBatchKMeans", clusters, NULL},
    {NULL, NULL, NULL},
};
