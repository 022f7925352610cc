/* Models that keep rows of their training: support vectors, neighbours, centroids. */
#include "learn/sklearn_internal.h"

#include <math.h>

/* ---- Kernels ---------------------------------------------------------------------------------------- */

static bool is_kernel(eng_str kernel, const char *name)
{
    return eng_str_eq(kernel, eng_str_of(name));
}

/* Each vector over its length; as it is where that is 0. */
static const double *unit_vectors(eng_sk *s, const double *v, size_t count, size_t n)
{
    double *to = eng_sk_alloc(s, count * n, sizeof *to);
    for (size_t i = 0; to && i < count; i++) {
        double sum = 0;
        for (size_t f = 0; f < n; f++)
            sum += v[i * n + f] * v[i * n + f];
        for (size_t f = 0; f < n; f++)
            to[i * n + f] = sum > 0 ? v[i * n + f] / sqrt(sum) : v[i * n + f];
    }
    return to;
}

uint32_t *eng_sk_kernel(eng_sk *s, const eng_py *e, const uint32_t *x, size_t n,
                        const double *vectors, size_t count)
{
    static const struct {
        const char *name;
        eng_plan_kernel kind;
    } known[] = {{"rbf", ENG_PLAN_RBF},
                 {"poly", ENG_PLAN_POLY},
                 {"polynomial", ENG_PLAN_POLY},
                 {"sigmoid", ENG_PLAN_TANH_OF},
                 {"laplacian", ENG_PLAN_LAPLACE}};
    eng_str kernel = ENG_STR("rbf");
    (void)(eng_py_text(eng_py_attr(e, "kernel"), &kernel));
    if (!x || !vectors || !eng_sk_ok(s))
        return NULL;
    if (eng_sk_attr(e, "kernel_params") && eng_py_pairs(eng_sk_attr(e, "kernel_params")))
        eng_sk_fail(s, e, "parameters of its kernel are not known");
    bool cosine = is_kernel(kernel, "cosine");
    if (cosine) {
        x = eng_sk_share(s, ENG_PLAN_UNIT2, x, n);
        vectors = unit_vectors(s, vectors, count, n);
    }
    if (cosine || is_kernel(kernel, "linear"))
        return x && vectors
                   ? eng_sk_run_of(s, eng_plan_linear(s->b, x, n, vectors, NULL, count), count)
                   : NULL;
    eng_plan_support k = {.vectors = vectors, .count = count, .kind = ENG_PLAN_KERNEL_COUNT};
    k.gamma = eng_sk_number(s, e, eng_sk_attr(e, "_gamma") ? "_gamma" : "gamma_ gamma",
                            1.0 / (double)n);
    k.coef0 = eng_sk_number(s, e, "coef0", eng_py_is_a(e, "Nystroem") ? 1 : 0);
    k.degree = eng_sk_number(s, e, "degree", 3);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is_kernel(kernel, known[i].name))
            k.kind = known[i].kind;
    if (k.kind == ENG_PLAN_KERNEL_COUNT) {
        eng_sk_fail(s, e, "its kernel '%.*s' is not known", ENG_FMT(eng_str_sub(kernel, 0, 40)));
        return NULL;
    }
    return eng_sk_ok(s) ? eng_sk_run_of(s, eng_plan_similarity(s->b, x, n, &k), count) : NULL;
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
    uint32_t *similar = eng_sk_kernel(s, e, ids, x.n, vectors, n);
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
    bool cosine = eng_sk_is(e, "metric", "cosine");
    const eng_py *how = eng_sk_attr(e, "weights");
    if (how && !weighted && !eng_sk_is(e, "weights", "uniform"))
        eng_sk_fail(s, e, "its weights are not known");
    if (!(k >= 1 && k <= (double)n))
        eng_sk_fail(s, e, "it asks for %g of %zu neighbours", k, n);
    if (cosine && ids) {
        ids = eng_sk_share(s, ENG_PLAN_UNIT2, ids, x.n);
        points = unit_vectors(s, points, n, x.n);
    }
    const eng_plan_points p = {.points = points,
                               .values = values,
                               .count = n,
                               .width = width,
                               .k = eng_sk_ok(s) ? (size_t)k : 1,
                               .p = cosine ? 2 : distance_of(s, e),
                               .weighing = !weighted ? ENG_PLAN_ALIKE
                                           : cosine  ? ENG_PLAN_BY_SQUARE
                                                     : ENG_PLAN_BY_DISTANCE};
    return ids && points && eng_sk_ok(s) ? eng_plan_nearest(s->b, ids, x.n, &p) : ENG_PLAN_NONE;
}

static void neighbours_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, count = 0;
    const double *points = eng_sk_rows(s, e, x, "_fit_X", &n);
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
    size_t n = 0, width = 0, at = 0;
    bool several = eng_sk_several(s, e, out);
    if (!several && !eng_sk_classes(s, e, out))
        return;
    eng_sk_out *all = several ? out->several : out;
    size_t outputs = several ? out->several_count : 1;
    for (size_t j = 0; j < outputs; j++)
        width += all[j].k;
    const double *points = eng_sk_rows(s, e, x, "_fit_X", &n);
    const double *y = points ? eng_sk_vector(s, e, "_y", n * outputs) : NULL;
    double *values = eng_sk_alloc(s, n * width, sizeof *values);
    for (size_t j = 0; points && y && values && j < outputs; at += all[j++].k)
        for (size_t i = 0; i < n; i++) {
            double class = y[i * outputs + j];
            if (!(class >= 0 && class < (double)all[j].k)) {
                eng_sk_fail(s, e, "a row is of class %g of %zu", class, all[j].k);
                return;
            }
            values[i * width + at + (size_t) class] = 1;
        }
    if (!points || !y || !values)
        return;
    uint32_t *p = eng_sk_run_of(s, nearest(s, e, x, points, n, values, width), width);
    for (size_t j = 0; p && j < outputs; p += all[j++].k)
        eng_sk_shared(s, &all[j], p);
}

/* ---- Centroids ------------------------------------------------------------------------------------------ */

void eng_sk_to_nearest(eng_sk *s, eng_sk_out *out, const uint32_t *x, size_t n,
                       const double *points)
{
    const eng_plan_support k = {.kind = ENG_PLAN_DISTANCE2, .vectors = points, .count = out->k};
    uint32_t *d = eng_sk_run_of(s, eng_plan_similarity(s->b, x, n, &k), out->k);
    d = d ? eng_sk_map_all(s, ENG_PLAN_TIMES, d, out->k, -1, 0) : NULL;
    if (d)
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, d, out->k);
}

static void to_nearest(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out,
                       const double *centres)
{
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (ids)
        eng_sk_to_nearest(s, out, ids, x.n, centres);
}

/* Whether classes are as likely as each other, as numpy.isclose has it. */
static bool alike(const double *prior, size_t k)
{
    for (size_t i = 0; prior && i < k; i++)
        if (!(fabs(prior[i] - 1.0 / (double)k) <= 1e-8 + 1e-5 / (double)k))
            return false;
    return true;
}

/* From 1.6 on: -|x - c|^2 of columns over their deviation within classes, and twice a prior's logarithm. */
static uint32_t *centroid_scores(eng_sk *s, const eng_py *e, const uint32_t *ids, size_t n,
                                 const double *centres, const double *prior, size_t k)
{
    const double *deviation = eng_sk_vector(s, e, "within_class_std_dev_", n);
    bool manhattan = eng_sk_is(e, "metric", "manhattan");
    double *over = eng_sk_alloc(s, n, sizeof *over),
           *scaled = eng_sk_alloc(s, k * n, sizeof *scaled),
           *minus = eng_sk_alloc(s, k, sizeof *minus), *add = eng_sk_alloc(s, k, sizeof *add);
    if (!deviation || !over || !scaled || !minus || !add)
        return NULL;
    for (size_t f = 0; f < n; f++) {
        over[f] = deviation[f] != 0 ? deviation[f] : 1;
        for (size_t c = 0; c < k; c++)
            scaled[c * n + f] = centres[c * n + f] / over[f];
    }
    for (size_t c = 0; c < k; c++) {
        minus[c] = -1;
        add[c] = 2 * log(prior[c]);
    }
    const eng_plan_support of = {
        .kind = manhattan ? ENG_PLAN_DISTANCE1 : ENG_PLAN_DISTANCE2, .vectors = scaled, .count = k};
    uint32_t *x = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_OVER, ids, n, over, NULL), n);
    uint32_t *d = x ? eng_sk_run_of(s, eng_plan_similarity(s->b, x, n, &of), k) : NULL;
    if (manhattan)
        d = eng_sk_map_all(s, ENG_PLAN_SQUARE, d, k, 0, 0);
    return d ? eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_AFFINE, d, k, minus, add), k) : NULL;
}

static void nearest_centroid(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    const double *centres = eng_sk_rows(s, e, x, "centroids_", &n);
    bool euclidean = eng_sk_is(e, "metric", "euclidean");
    if (!euclidean && !eng_sk_is(e, "metric", "manhattan"))
        eng_sk_fail(s, e, "its metric is not known");
    if (centres && n != out->k)
        eng_sk_fail(s, e, "it has %zu centroids of %zu classes", n, out->k);
    const double *prior = NULL;
    if (eng_sk_attr(e, "class_prior_"))
        prior = eng_sk_vector(s, e, "class_prior_", out->k);
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (!centres || !ids || !eng_sk_ok(s))
        return;
    uint32_t *scores = prior ? centroid_scores(s, e, ids, x.n, centres, prior, out->k) : NULL;
    if (scores && euclidean)
        out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, scores, out->k);
    if (scores && !alike(prior, out->k)) {
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, scores, out->k);
        return;
    }
    const eng_plan_support k = {.kind = euclidean ? ENG_PLAN_DISTANCE2 : ENG_PLAN_DISTANCE1,
                                .vectors = centres,
                                .count = out->k};
    uint32_t *d = eng_sk_run_of(s, eng_plan_similarity(s->b, ids, x.n, &k), out->k);
    d = d ? eng_sk_map_all(s, ENG_PLAN_TIMES, d, out->k, -1, 0) : NULL;
    if (d && eng_sk_ok(s))
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, d, out->k);
}

static bool number_clusters(eng_sk *s, eng_sk_out *out, size_t n)
{
    eng_plan_label *labels = eng_sk_alloc(s, n, sizeof *labels);
    for (size_t i = 0; labels && i < n; i++)
        labels[i].number = (double)i;
    out->classifier = true;
    out->classes = labels;
    out->k = n;
    return labels != NULL;
}

static void clusters(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    if (eng_sk_is(e, "affinity", "precomputed"))
        eng_sk_fail(s, e, "distances that were computed elsewhere are not known");
    const double *centres = eng_sk_rows(s, e, x, "cluster_centers_", &n);
    if (centres && number_clusters(s, out, n))
        to_nearest(s, e, x, out, centres);
}

static eng_sk_cols cluster_distances(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t n = 0;
    const double *centres = eng_sk_rows(s, e, x, "cluster_centers_", &n);
    uint32_t *ids = eng_sk_dense(s, e, x);
    const eng_plan_support k = {.kind = ENG_PLAN_DISTANCE2, .vectors = centres, .count = n};
    if (!centres || !ids)
        return (eng_sk_cols){NULL, 0};
    uint32_t *d = eng_sk_run_of(s, eng_plan_similarity(s->b, ids, x.n, &k), n);
    d = d ? eng_sk_map_all(s, ENG_PLAN_SQRT, d, n, 0, 0) : NULL;
    return d ? eng_sk_fresh(s, d[0], n) : (eng_sk_cols){NULL, 0};
}

/* The number of the cluster below a node: of two, the one whose centre is nearer. */
static uint32_t halves(eng_sk *s, const eng_py *e, const eng_py *node, const uint32_t *x, size_t n,
                       size_t k, unsigned depth)
{
    const eng_py *sides[2] = {eng_sk_attr(node, "left"), eng_sk_attr(node, "right")};
    double *centres = eng_sk_alloc(s, 2 * n, sizeof *centres), label = 0;
    uint32_t below[2];
    const double *mean = eng_sk_attr(e, "_X_mean") ? eng_sk_vector(s, e, "_X_mean", n) : NULL;
    if (!sides[0] || !sides[1]) {
        label = eng_sk_number(s, node, "label", -1);
        if (!(label >= 0 && label < (double)k))
            eng_sk_fail(s, e, "a cluster has no number");
        return eng_plan_constant(s->b, label);
    }
    if (depth > 64)
        eng_sk_fail(s, e, "clusters within clusters, deeper than 64");
    for (size_t i = 0; i < 2 && centres && eng_sk_ok(s); i++) {
        const double *c = eng_sk_vector(s, sides[i], "center", n);
        for (size_t f = 0; c && f < n; f++)
            centres[i * n + f] = c[f] + (mean ? mean[f] : 0);
        below[i] = c ? halves(s, e, sides[i], x, n, k, depth + 1) : ENG_PLAN_NONE;
    }
    if (!centres || !eng_sk_ok(s))
        return ENG_PLAN_NONE;
    const eng_plan_support of = {.kind = ENG_PLAN_DISTANCE2, .vectors = centres, .count = 2};
    uint32_t d = eng_plan_similarity(s->b, x, n, &of), right = d + 1;
    /* left + (right - left) where the right one is nearer */
    right = eng_plan_pairs(s->b, ENG_PLAN_IS_LESS, &right, &d, 1);
    uint32_t more = eng_plan_pairs(s->b, ENG_PLAN_MINUS, &below[1], &below[0], 1);
    more = eng_plan_pairs(s->b, ENG_PLAN_BY, &more, &right, 1);
    return eng_plan_pairs(s->b, ENG_PLAN_PLUS, &below[0], &more, 1);
}

static void halved_clusters(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    const double *centres = eng_sk_rows(s, e, x, "cluster_centers_", &n);
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (centres && ids && number_clusters(s, out, n))
        out->index = halves(s, e, eng_py_attr(e, "_bisecting_tree"), ids, x.n, n, 0);
}

/* ---- Outliers ------------------------------------------------------------------------------------------- */

void eng_sk_inlier(eng_sk *s, eng_sk_out *out, uint32_t decision)
{
    eng_plan_label *labels = eng_sk_alloc(s, 2, sizeof *labels);
    if (!labels)
        return;
    labels[0].number = -1;
    labels[1].number = 1;
    *out = (eng_sk_out){.classifier = true, .classes = labels, .k = 2, .decisions = 1};
    out->decision = eng_sk_run_of(s, decision, 1);
    /* d >= 0 */
    out->index = eng_sk_map1(s, ENG_PLAN_ABOVE, decision, nextafter(0, -1), 0);
}

/* -(the density of neighbours over its own) - offset_ */
static void local_outlier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, rows = 0, k = 0;
    const double *points = eng_sk_rows(s, e, x, "_fit_X", &n);
    const double *density = points ? eng_sk_vector(s, e, "_lrd", n) : NULL;
    const double *far = eng_sk_matrix(s, e, "_distances_fit_X_", &rows, &k);
    double neighbours = eng_sk_number(s, e, "n_neighbors_", 0);
    double *values = eng_sk_alloc(s, 2 * n, sizeof *values);
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (!eng_py_true(eng_py_attr(e, "novelty")))
        eng_sk_fail(s, e, "it is for the rows that it was trained on (novelty=False)");
    else if (rows != n || !(neighbours >= 1 && neighbours <= (double)k && neighbours <= (double)n))
        eng_sk_fail(s, e, "its neighbours do not fit together");
    if (!density || !far || !values || !ids || !eng_sk_ok(s))
        return;
    for (size_t i = 0; i < n; i++) {
        values[2 * i] = far[i * k + (size_t)neighbours - 1];
        values[2 * i + 1] = density[i];
    }
    const eng_plan_points p = {.points = points,
                               .values = values,
                               .count = n,
                               .width = 2,
                               .k = (size_t)neighbours,
                               .p = distance_of(s, e),
                               .weighing = ENG_PLAN_REACH};
    uint32_t reach = eng_sk_ok(s) ? eng_plan_nearest(s->b, ids, x.n, &p) : ENG_PLAN_NONE;
    uint32_t others = reach == ENG_PLAN_NONE ? reach : reach + 1;
    uint32_t own = eng_sk_map1(s, ENG_PLAN_ADD, reach, 1e-10, 0);
    own = eng_sk_map1(s, ENG_PLAN_INVERSE, own, 0, 0);
    uint32_t y = eng_plan_pairs(s->b, ENG_PLAN_DIVIDED, &others, &own, 1);
    y = eng_sk_map1(s, ENG_PLAN_AFFINE, y, -1, -eng_sk_number(s, e, "offset_", -1.5));
    eng_sk_inlier(s, out, y);
}

/* ---- Neighbours within a radius ---------------------------------------------------------------------------- */

/* Averages of values[n][width] of all points within the radius; NaN where there is none. */
static uint32_t *within(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *points, size_t n,
                        const double *values, size_t width)
{
    double radius = eng_sk_number(s, e, "radius", 1), p = distance_of(s, e);
    bool weighted = eng_sk_is(e, "weights", "distance");
    uint32_t *ids = eng_sk_dense(s, e, x);
    double *turned = eng_sk_alloc(s, n * width, sizeof *turned);
    if (!weighted && !eng_sk_is(e, "weights", "uniform"))
        eng_sk_fail(s, e, "its weights are not known");
    if (p != 1 && p != 2)
        eng_sk_fail(s, e, "its metric is not known");
    if (!ids || !turned || !eng_sk_ok(s))
        return NULL;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++)
            turned[j * n + i] = values[i * width + j];
    const eng_plan_support of = {
        .kind = p == 2 ? ENG_PLAN_DISTANCE2 : ENG_PLAN_DISTANCE1, .vectors = points, .count = n};
    uint32_t *d = eng_sk_run_of(s, eng_plan_similarity(s->b, ids, x.n, &of), n);
    uint32_t *w = eng_sk_map_all(s, ENG_PLAN_ABOVE, d, n, p == 2 ? radius * radius : radius, 0);
    w = eng_sk_map_all(s, ENG_PLAN_AFFINE, w, n, -1, 1);
    if (weighted && w) {
        /* 1 / d; where some d are 0, those alone count */
        uint32_t *on = eng_sk_map_all(s, ENG_PLAN_EQUALS, d, n, 0, 0);
        d = p == 2 ? eng_sk_map_all(s, ENG_PLAN_SQRT, d, n, 0, 0) : d;
        d = eng_sk_map_all(s, ENG_PLAN_INVERSE, d, n, 0, 0);
        d = eng_sk_map_all(s, ENG_PLAN_REPLACE, d, n, INFINITY, 0);
        uint32_t *none = eng_sk_alloc(s, n, sizeof *none);
        if (!on || !d || !none)
            return NULL;
        none[0] = eng_sk_map1(s, ENG_PLAN_AFFINE, eng_plan_reduce(s->b, ENG_PLAN_MAX, on, n), -1,
                              1);
        for (size_t i = 1; i < n; i++)
            none[i] = none[0];
        d = eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_BY, d, none, n), n);
        d = d ? eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_PLUS, d, on, n), n) : NULL;
        w = d ? eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_BY, w, d, n), n) : NULL;
    }
    uint32_t *sums = w ? eng_sk_run_of(s, eng_plan_linear(s->b, w, n, turned, NULL, width), width)
                       : NULL;
    uint32_t *total = eng_sk_alloc(s, width, sizeof *total);
    if (!sums || !total)
        return NULL;
    total[0] = eng_plan_reduce(s->b, ENG_PLAN_SUM, w, n);
    for (size_t j = 1; j < width; j++)
        total[j] = total[0];
    return eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_DIVIDED, sums, total, width), width);
}

static void radius_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, count = 0;
    const double *points = eng_sk_rows(s, e, x, "_fit_X", &n);
    const double *y = eng_sk_any_vector(s, e, "_y", &count);
    if (points && y && (!count || count % n))
        eng_sk_fail(s, e, "it has %zu rows and %zu values", n, count);
    if (!points || !y || !eng_sk_ok(s))
        return;
    out->n = count / n;
    out->y = within(s, e, x, points, n, y, out->n);
}

/* The label of what has no neighbours; without one sklearn refuses such rows, which a plan cannot. */
static bool outlier_class(eng_sk *s, const eng_py *e, const eng_sk_out *out, size_t *class)
{
    const eng_py *v = eng_sk_attr(e, "outlier_label_");
    double n = 0;
    v = eng_py_is(v, ENG_PY_LIST) ? eng_py_at(v, 0) : v;
    for (size_t i = 0; i < out->k; i++) {
        eng_str text;
        bool same = out->classes[i].type == ENG_PLAN_LABEL_TEXT
                        ? eng_py_text(v, &text) && eng_str_eq(text, out->classes[i].text)
                        : eng_py_number(v, &n) && n == out->classes[i].number;
        if (same) {
            *class = i;
            return true;
        }
    }
    eng_sk_fail(s, e,
                "it has no label among its classes for what has no neighbours (outlier_label)");
    return false;
}

static void radius_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, class = 0;
    if (!eng_sk_classes(s, e, out) || !outlier_class(s, e, out, &class))
        return;
    const double *points = eng_sk_rows(s, e, x, "_fit_X", &n);
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
    uint32_t *p = within(s, e, x, points, n, values, out->k);
    for (size_t c = 0; p && c < out->k; c++)
        p[c] = eng_sk_map1(s, ENG_PLAN_IMPUTE, p[c], c == class, 0);
    if (p)
        eng_sk_shared(s, out, p);
}

/* Labels that spread from row to row: what the rows near it have. */
static void label_propagation(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, rows = 0, columns = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    const double *points = eng_sk_rows(s, e, x, "X_", &n);
    const double *of = eng_sk_matrix(s, e, "label_distributions_", &rows, &columns);
    if (of && points && (rows != n || columns != out->k))
        eng_sk_fail(s, e, "it has labels of %zu rows, not %zu", rows, n);
    if (!points || !of || !eng_sk_ok(s))
        return;
    uint32_t *p = NULL;
    if (eng_sk_is(e, "kernel", "knn")) {
        p = eng_sk_run_of(s, nearest(s, e, x, points, n, of, out->k), out->k);
    } else {
        double *turned = eng_sk_alloc(s, n * out->k, sizeof *turned);
        for (size_t i = 0; turned && i < n; i++)
            for (size_t c = 0; c < out->k; c++)
                turned[c * n + i] = of[i * out->k + c];
        p = turned ? eng_sk_run_of(s, machine(s, e, x, points, n, turned, NULL, out->k), out->k)
                   : NULL;
    }
    eng_sk_shared(s, out, eng_sk_share(s, ENG_PLAN_NORMALISE, p, out->k));
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
    {"KMeans", clusters, cluster_distances},
    {"MiniBatchKMeans", clusters, cluster_distances},
    {"BisectingKMeans", halved_clusters, cluster_distances},
    {"MeanShift", clusters, NULL},
    {"AffinityPropagation", clusters, NULL},
    {"LocalOutlierFactor", local_outlier, NULL},
    {"RadiusNeighborsRegressor", radius_regressor, NULL},
    {"RadiusNeighborsClassifier", radius_classifier, NULL},
    {"LabelPropagation", label_propagation, NULL},
    {"LabelSpreading", label_propagation, NULL},
    {NULL, NULL, NULL},
};
