/* Models that are a product of matrices and something after it: linear models, naive Bayes, multilayer
 * perceptrons; and what all regressors and classifiers have in common. */
#include "learn/sklearn_internal.h"

#include <math.h>

/* ---- In common ----------------------------------------------------------------------------------- */

void eng_sk_regression(eng_sk *s, eng_sk_out *out, uint32_t first, size_t n)
{
    out->classifier = false;
    out->y = eng_sk_run_of(s, first, n);
    out->n = n;
}

bool eng_sk_classes(eng_sk *s, const eng_py *e, eng_sk_out *out)
{
    out->classifier = true;
    out->index = ENG_PLAN_NONE;
    out->classes = eng_sk_labels(s, e, eng_sk_attr(e, "classes_ _classes"), &out->k);
    return out->classes != NULL;
}

bool eng_sk_several(eng_sk *s, const eng_py *e, eng_sk_out *out)
{
    const eng_py *list = eng_sk_attr(e, "classes_");
    size_t n = eng_py_count(list);
    if (!eng_py_is(list, ENG_PY_LIST) || !n)
        return false;
    out->classifier = true;
    out->index = ENG_PLAN_NONE;
    out->several = eng_sk_alloc(s, n, sizeof *out->several);
    out->several_count = out->several ? n : 0;
    for (size_t i = 0; i < out->several_count; i++) {
        out->several[i] = (eng_sk_out){.classifier = true, .index = ENG_PLAN_NONE};
        out->several[i].classes = eng_sk_labels(s, e, eng_py_at(list, i), &out->several[i].k);
    }
    return eng_sk_ok(s);
}

void eng_sk_marked(eng_sk *s, eng_sk_out *out, const uint32_t *x, size_t n, double limit,
                   uint32_t *shares)
{
    eng_plan_label *labels = eng_sk_alloc(s, n, sizeof *labels);
    *out = (eng_sk_out){.y = eng_sk_map_all(s, ENG_PLAN_ABOVE, x, n, limit, 0), .n = n};
    for (size_t i = 0; labels && i < n; i++)
        labels[i].number = (double)i;
    out->classes = labels;
    out->k = n;
    out->shares = shares;
}

uint32_t *eng_sk_share(eng_sk *s, eng_plan_sharing how, const uint32_t *x, size_t n)
{
    return x ? eng_sk_run_of(s, eng_plan_share(s->b, how, x, n), n) : NULL;
}

uint32_t *eng_sk_two(eng_sk *s, uint32_t p)
{
    uint32_t *two = eng_sk_alloc(s, 2, sizeof *two);
    if (two) {
        two[0] = eng_sk_map1(s, ENG_PLAN_AFFINE, p, -1, 1);
        two[1] = p;
    }
    return two;
}

void eng_sk_decided(eng_sk *s, eng_sk_out *out, uint32_t first, size_t n)
{
    out->decision = eng_sk_run_of(s, first, n);
    out->decisions = n;
    if (!out->decision)
        return;
    if (n == 1)
        out->index = eng_sk_map1(s, ENG_PLAN_ABOVE, first, 0, 0);
    else
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, out->decision, n);
}

void eng_sk_shared(eng_sk *s, eng_sk_out *out, uint32_t *shares)
{
    out->shares = shares;
    if (shares)
        out->index = out->k == 1 ? eng_plan_constant(s->b, 0)
                                 : eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, shares, out->k);
}

uint32_t *eng_sk_mean(eng_sk *s, uint32_t *const *columns, size_t n, size_t width,
                      const double *weights)
{
    uint32_t *out = eng_sk_alloc(s, width, sizeof *out), *x = eng_sk_alloc(s, n, sizeof *x);
    double sum = weights ? 0 : (double)n;
    for (size_t i = 0; weights && i < n; i++)
        sum += weights[i];
    for (size_t j = 0; out && x && j < width && eng_sk_ok(s); j++) {
        for (size_t i = 0; i < n; i++)
            x[i] = columns[i] ? columns[i][j] : ENG_PLAN_NONE;
        uint32_t y = weights ? eng_plan_linear(s->b, x, n, weights, NULL, 1)
                             : eng_plan_reduce(s->b, ENG_PLAN_SUM, x, n);
        out[j] = eng_sk_map1(s, ENG_PLAN_OVER, y, sum, 0);
    }
    return out;
}

uint32_t eng_sk_label(eng_sk *s, const eng_py *e, const eng_sk_out *out)
{
    double *keys = eng_sk_alloc(s, out->k, sizeof *keys),
           *rows = eng_sk_alloc(s, out->k, sizeof *rows);
    bool same = true;
    for (size_t i = 0; keys && rows && i < out->k; i++) {
        if (out->classes[i].type == ENG_PLAN_LABEL_TEXT) {
            eng_sk_fail(s, e, "a class of a classifier within it is text");
            return ENG_PLAN_NONE;
        }
        keys[i] = (double)i;
        rows[i] = out->classes[i].number;
        same = same && keys[i] == rows[i];
    }
    if (same || !keys || !rows)
        return out->index;
    const eng_plan_keys k = {
        .numbers = keys, .count = out->k, .width = 1, .rows = rows, .unknown = rows};
    return eng_plan_lookup(s->b, out->index, &k);
}

bool eng_sk_codes(eng_sk *s, const eng_py *e, const eng_sk_out *out, size_t k, uint32_t *codes)
{
    for (size_t i = 0; i < out->k; i++) {
        double n = out->classes[i].number;
        if (out->classes[i].type == ENG_PLAN_LABEL_TEXT || !(n >= 0 && n < (double)k) ||
            n != floor(n)) {
            eng_sk_fail(s, e, "a classifier within it has other classes than it has");
            return false;
        }
        codes[i] = (uint32_t)n;
    }
    return true;
}

/* ---- Linear models ---------------------------------------------------------------------------------- */

/* X * coef_ + intercept_: the first column of `rows`. */
static uint32_t product(eng_sk *s, const eng_py *e, eng_sk_cols x, size_t *rows)
{
    size_t columns = 0, m = 0, n = 0;
    eng_sk_expect(s, e, x);
    const double *w = eng_sk_matrix(s, e, "coef_", &m, &columns);
    if (!w)
        return ENG_PLAN_NONE;
    if (columns != x.n) {
        eng_sk_fail(s, e, "it has %zu coefficients for %zu columns", columns, x.n);
        return ENG_PLAN_NONE;
    }
    double *bias = eng_sk_alloc(s, m, sizeof *bias);
    const double *b = eng_sk_any_vector(s, e, "intercept_", &n);
    if (b && n != m && n != 1)
        eng_sk_fail(s, e, "it has %zu intercepts for %zu outputs", n, m);
    for (size_t i = 0; bias && b && i < m; i++) {
        bias[i] = b[n == m ? i : 0];
        if (!isfinite(bias[i]))
            eng_sk_fail(s, e, "an intercept is no number");
    }
    *rows = m;
    return bias && b && eng_sk_ok(s) ? eng_sk_product(s, e, x, w, bias, m) : ENG_PLAN_NONE;
}

static void linear(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t m = 0;
    uint32_t y = product(s, e, x, &m);
    eng_sk_regression(s, out, y, m);
}

/* Generalised linear models predict by the inverse of their link. */
static void glm(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t m = 0;
    uint32_t y = product(s, e, x, &m);
    bool log = true;
    if (eng_py_is_a(e, "TweedieRegressor"))
        log = eng_sk_is(e, "link", "log") ||
              (!eng_sk_is(e, "link", "identity") && eng_sk_number(s, e, "power", 0) > 0);
    eng_sk_regression(s, out, log ? eng_sk_map1(s, ENG_PLAN_EXP, y, 0, 0) : y, 1);
    if (m != 1)
        eng_sk_fail(s, e, "it has several outputs");
}

/* Decisions of a linear classifier; false after a failure. */
static bool decisions(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t m = 0;
    if (!eng_sk_classes(s, e, out))
        return false;
    uint32_t y = product(s, e, x, &m);
    if (out->k < 2 || m != (out->k == 2 ? 1 : out->k)) {
        eng_sk_fail(s, e, "it has %zu rows of coefficients for %zu classes", m, out->k);
        return false;
    }
    eng_sk_decided(s, out, y, m);
    return out->decision && eng_sk_ok(s);
}

/* One against the rest: each by itself, then over their sum. */
static void one_vs_rest(eng_sk *s, eng_sk_out *out, eng_plan_fn fn)
{
    uint32_t *p = eng_sk_map_all(s, fn, out->decision, out->decisions, 0, 0);
    if (p)
        out->shares = out->k == 2 ? eng_sk_two(s, p[0])
                                  : eng_sk_share(s, ENG_PLAN_NORMALISE, p, out->k);
}

static void plain_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t m = 0;
    if (!eng_sk_is(eng_py_attr(e, "_label_binarizer"), "y_type_", "multilabel-indicator")) {
        (void)decisions(s, e, x, out);
        return;
    }
    uint32_t first = product(s, e, x, &m);
    uint32_t *y = eng_sk_run_of(s, first, m);
    if (y && eng_sk_ok(s))
        eng_sk_marked(s, out, y, m, 0, NULL);
}

static void logistic(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    if (!decisions(s, e, x, out))
        return;
    bool multinomial = eng_sk_is(e, "multi_class", "multinomial");
    bool ovr = eng_sk_is(e, "multi_class", "ovr") || eng_sk_is(e, "multi_class", "warn");
    if (ovr || (!multinomial && (out->k == 2 || eng_sk_is(e, "solver", "liblinear")))) {
        one_vs_rest(s, out, ENG_PLAN_SIGMOID);
        return;
    }
    if (out->k > 2) {
        out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, out->decision, out->k);
        return;
    }
    const uint32_t both[2] = {eng_sk_map1(s, ENG_PLAN_TIMES, out->decision[0], -1, 0),
                              out->decision[0]};
    out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, both, 2);
}

static void discriminant(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    if (!decisions(s, e, x, out))
        return;
    if (out->k == 2)
        one_vs_rest(s, out, ENG_PLAN_SIGMOID);
    else
        out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, out->decision, out->k);
}

/* (x - xbar_) * scalings_, of which the first _max_components. */
static eng_sk_cols discriminated(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_sk_cols none = {NULL, 0};
    size_t rows = 0, m = 0;
    bool svd = eng_sk_is(e, "solver", "svd");
    eng_sk_expect(s, e, x);
    if (eng_sk_is(e, "solver", "lsqr"))
        eng_sk_fail(s, e, "it transforms nothing with this solver");
    const double *mean = svd ? eng_sk_vector(s, e, "xbar_", x.n) : NULL;
    const double *w = eng_sk_matrix(s, e, "scalings_", &rows, &m);
    double most = eng_sk_number(s, e, "_max_components", (double)m);
    double *minus = eng_sk_alloc(s, x.n, sizeof *minus),
           *to = eng_sk_alloc(s, rows * m, sizeof *to);
    if (w && rows != x.n)
        eng_sk_fail(s, e, "it has scalings of %zu columns, not %zu", rows, x.n);
    if (!w || (svd && !mean) || !minus || !to || !eng_sk_ok(s))
        return none;
    size_t kept = most >= 1 && most < (double)m ? (size_t)most : m;
    for (size_t i = 0; i < rows; i++) {
        minus[i] = mean ? -mean[i] : 0;
        for (size_t j = 0; j < m; j++)
            to[j * rows + i] = w[i * m + j];
    }
    uint32_t *ids = eng_sk_dense(s, e, x);
    if (ids && mean)
        ids = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_ADD, ids, x.n, minus, NULL), x.n);
    return ids ? eng_sk_fresh(s, eng_plan_linear(s->b, ids, x.n, to, NULL, kept), kept) : none;
}

/* x * coef_ - offset_: not below 0 inside. */
static void one_class(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    eng_sk_expect(s, e, x);
    const double *w = eng_sk_vector(s, e, "coef_", x.n),
                 *offset = eng_sk_vector(s, e, "offset_", 1);
    if (!w || !offset)
        return;
    double bias = -offset[0];
    eng_sk_inlier(s, out, eng_sk_product(s, e, x, w, &bias, 1));
}

/* (min(1, max(-1, d)) + 1) / 2 */
static void modified_huber(eng_sk *s, eng_sk_out *out)
{
    uint32_t *p = eng_sk_map_all(s, ENG_PLAN_CLIP, out->decision, out->decisions, -1, 1);
    p = eng_sk_map_all(s, ENG_PLAN_ADD, p, out->decisions, 1, 0);
    p = eng_sk_map_all(s, ENG_PLAN_OVER, p, out->decisions, 2, 0);
    if (p)
        out->shares = out->k == 2 ? eng_sk_two(s, p[0])
                                  : eng_sk_share(s, ENG_PLAN_NORMALISE, p, out->k);
}

static void sgd(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    if (!decisions(s, e, x, out))
        return;
    if (eng_sk_is(e, "loss", "log") || eng_sk_is(e, "loss", "log_loss"))
        one_vs_rest(s, out, ENG_PLAN_SIGMOID);
    else if (eng_sk_is(e, "loss", "modified_huber"))
        modified_huber(s, out);
}

/* ---- Naive Bayes ------------------------------------------------------------------------------------- */

/* Logarithms of joint likelihoods. */
static void likelihoods(eng_sk *s, eng_sk_out *out, uint32_t first)
{
    out->decision = NULL;
    uint32_t *jll = eng_sk_run_of(s, first, out->k);
    if (!jll)
        return;
    out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, jll, out->k);
    out->index = out->k == 1 ? eng_plan_constant(s->b, 0)
                             : eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, jll, out->k);
}

static void gaussian_class(eng_sk *s, const uint32_t *x, size_t n, const double *mean,
                           const double *variance, double prior, uint32_t *out)
{
    double *minus = eng_sk_alloc(s, n, sizeof *minus),
           *weights = eng_sk_alloc(s, n, sizeof *weights);
    double bias = 0;
    for (size_t i = 0; minus && weights && i < n; i++) {
        minus[i] = -mean[i];
        weights[i] = -0.5 / variance[i];
        bias += log(2 * M_PI * variance[i]);
    }
    if (!minus || !weights)
        return;
    bias = log(prior) - 0.5 * bias;
    uint32_t *d = eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_ADD, x, n, minus, NULL), n);
    d = d ? eng_sk_run_of(s, eng_plan_map(s->b, ENG_PLAN_SQUARE, d, n, NULL, NULL), n) : NULL;
    *out = d ? eng_plan_linear(s->b, d, n, weights, &bias, 1) : ENG_PLAN_NONE;
}

static void gaussian_bayes(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    if (!eng_sk_classes(s, e, out))
        return;
    eng_sk_expect(s, e, x);
    uint32_t *ids = eng_sk_dense(s, e, x), *jll = eng_sk_alloc(s, out->k, sizeof *jll);
    const double *mean = eng_sk_vector(s, e, "theta_", out->k * x.n);
    const double *variance = eng_sk_vector(s, e, "var_ sigma_", out->k * x.n);
    const double *prior = eng_sk_vector(s, e, "class_prior_", out->k);
    for (size_t i = 0; variance && i < out->k * x.n; i++)
        if (!(variance[i] > 0))
            eng_sk_fail(s, e, "a variance is not above 0");
    if (!ids || !jll || !mean || !variance || !prior || !eng_sk_ok(s))
        return;
    for (size_t c = 0; c < out->k; c++)
        gaussian_class(s, ids, x.n, mean + c * x.n, variance + c * x.n, prior[c], jll + c);
    /* A run of columns is what shares and the largest are taken of. */
    out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, jll, out->k);
    if (eng_sk_ok(s))
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, jll, out->k);
}

static void discrete_bayes(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    if (!eng_sk_classes(s, e, out))
        return;
    bool complement = eng_py_is_a(e, "ComplementNB"), bernoulli = eng_py_is_a(e, "BernoulliNB");
    size_t n = out->k * x.n;
    eng_sk_expect(s, e, x);
    const double *given = eng_sk_vector(s, e, "feature_log_prob_", n);
    const double *prior = eng_sk_vector(s, e, "class_log_prior_", out->k);
    double *w = eng_sk_alloc(s, n, sizeof *w), *bias = eng_sk_alloc(s, out->k, sizeof *bias);
    if (!given || !prior || !w || !bias)
        return;
    for (size_t c = 0; c < out->k; c++) {
        bias[c] = complement && out->k > 1 ? 0 : prior[c];
        for (size_t i = c * x.n; i < (c + 1) * x.n; i++) {
            double none = bernoulli ? log(1 - exp(given[i])) : 0;
            w[i] = given[i] - none;
            bias[c] += none;
        }
    }
    if (!bernoulli || !eng_sk_attr(e, "binarize")) {
        likelihoods(s, out, eng_sk_product(s, e, x, w, bias, out->k));
        return;
    }
    uint32_t *ids = eng_sk_map_all(s, ENG_PLAN_ABOVE, eng_sk_dense(s, e, x), x.n,
                                   eng_sk_number(s, e, "binarize", 0), 0);
    if (ids)
        likelihoods(s, out, eng_plan_linear(s->b, ids, x.n, w, bias, out->k));
}

static void categorical_bayes(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    if (!eng_sk_classes(s, e, out))
        return;
    const eng_py *tables = eng_py_attr(e, "feature_log_prob_");
    const double *prior = eng_sk_vector(s, e, "class_log_prior_", out->k);
    uint32_t *ids = eng_sk_dense(s, e, x);
    uint32_t **parts = eng_sk_alloc(s, x.n + 1, sizeof *parts);
    if (eng_py_count(tables) != x.n)
        eng_sk_fail(s, e, "it has probabilities of %zu columns, not %zu", eng_py_count(tables),
                    x.n);
    if (!prior || !ids || !parts || !eng_sk_ok(s))
        return;
    for (size_t f = 0; f < x.n; f++) {
        size_t n = 0;
        const double *t = eng_sk_numbers(s, e, eng_py_at(tables, f), "feature_log_prob_", &n, true);
        size_t count = n / out->k;
        double *keys = eng_sk_alloc(s, count, sizeof *keys),
               *rows = eng_sk_alloc(s, n, sizeof *rows);
        if (!t || !keys || !rows || !count || n % out->k) {
            eng_sk_fail(s, e, "feature_log_prob_ has another shape");
            return;
        }
        for (size_t v = 0; v < count; v++) {
            keys[v] = (double)v;
            for (size_t c = 0; c < out->k; c++)
                rows[v * out->k + c] = t[c * count + v];
        }
        const eng_plan_keys k = {.numbers = keys, .count = count, .width = out->k, .rows = rows};
        parts[f] = eng_sk_run_of(s, eng_plan_lookup(s->b, ids[f], &k), out->k);
    }
    uint32_t *jll = eng_sk_alloc(s, out->k, sizeof *jll), *sum = eng_sk_alloc(s, x.n, sizeof *sum);
    for (size_t c = 0; jll && sum && eng_sk_ok(s) && c < out->k; c++) {
        for (size_t f = 0; f < x.n; f++)
            sum[f] = parts[f][c];
        jll[c] = eng_sk_map1(s, ENG_PLAN_ADD, eng_plan_reduce(s->b, ENG_PLAN_SUM, sum, x.n),
                             prior[c], 0);
    }
    out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, jll, out->k);
    if (eng_sk_ok(s))
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, jll, out->k);
}

/* ---- Multilayer perceptrons --------------------------------------------------------------------------- */

static uint32_t *activate(eng_sk *s, const eng_py *e, const char *which, uint32_t *x, size_t n)
{
    static const struct {
        const char *name;
        eng_plan_fn fn;
    } known[] = {{"relu", ENG_PLAN_RELU},
                 {"tanh", ENG_PLAN_TANH},
                 {"logistic", ENG_PLAN_SIGMOID},
                 {"exp", ENG_PLAN_EXP}};
    if (eng_sk_is(e, which, "identity"))
        return x;
    if (eng_sk_is(e, which, "softmax"))
        return eng_sk_share(s, ENG_PLAN_SOFTMAX, x, n);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (eng_sk_is(e, which, known[i].name))
            return eng_sk_map_all(s, known[i].fn, x, n, 0, 0);
    eng_sk_fail(s, e, "%s is unknown", which);
    return NULL;
}

/* One layer; *n becomes its width. */
static uint32_t *layer(eng_sk *s, const eng_py *e, const eng_py *coefs, const eng_py *intercepts,
                       uint32_t *x, size_t *n)
{
    size_t total = 0, m = 0;
    const double *w = eng_sk_numbers(s, e, coefs, "coefs_", &total, true);
    const double *bias = eng_sk_numbers(s, e, intercepts, "intercepts_", &m, true);
    if (!x || !w || !bias || !m || !*n || total / m != *n || total % m) {
        eng_sk_fail(s, e, "its layers do not fit together");
        return NULL;
    }
    double *turned = eng_sk_alloc(s, total, sizeof *turned);
    for (size_t i = 0; turned && i < *n; i++)
        for (size_t j = 0; j < m; j++)
            turned[j * *n + i] = w[i * m + j];
    uint32_t *y = turned ? eng_sk_run_of(s, eng_plan_linear(s->b, x, *n, turned, bias, m), m)
                         : NULL;
    *n = m;
    return y;
}

static void perceptron(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    bool classifier = eng_py_is_a(e, "MLPClassifier");
    const eng_py *coefs = eng_py_attr(e, "coefs_"), *bias = eng_py_attr(e, "intercepts_");
    size_t layers = eng_py_count(coefs), n = x.n;
    eng_sk_expect(s, e, x);
    if (!layers || layers != eng_py_count(bias))
        eng_sk_fail(s, e, "coefs_ or intercepts_ are missing: is it fitted?");
    uint32_t *y = eng_sk_dense(s, e, x);
    for (size_t i = 0; i < layers && y && eng_sk_ok(s); i++) {
        y = layer(s, e, eng_py_at(coefs, i), eng_py_at(bias, i), y, &n);
        y = y ? activate(s, e, i + 1 < layers ? "activation" : "out_activation_", y, n) : NULL;
    }
    if (!y || !eng_sk_ok(s))
        return;
    if (!classifier) {
        out->y = y;
        out->n = n;
        return;
    }
    if (eng_sk_is(eng_py_attr(e, "_label_binarizer"), "y_type_", "multilabel-indicator")) {
        eng_sk_marked(s, out, y, n, 0.5, y);
        return;
    }
    if (!eng_sk_classes(s, e, out))
        return;
    if (n != (out->k == 2 ? 1 : out->k)) {
        eng_sk_fail(s, e, "it has %zu outputs for %zu classes", n, out->k);
        return;
    }
    eng_sk_shared(s, out, out->k == 2 ? eng_sk_two(s, y[0]) : y);
    if (out->k == 2)
        out->index = eng_sk_map1(s, ENG_PLAN_ABOVE, y[0], 0.5, 0);
}

/* ---- Dummies ---------------------------------------------------------------------------------------- */

static void dummy_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    (void)x;
    const double *y = eng_sk_any_vector(s, e, "constant_", &n);
    out->y = eng_sk_alloc(s, n, sizeof *out->y);
    out->n = n;
    for (size_t i = 0; y && out->y && i < n; i++)
        out->y[i] = eng_plan_constant(s->b, y[i]);
}

static void dummy_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    (void)x;
    if (!eng_sk_classes(s, e, out))
        return;
    const double *prior = eng_sk_vector(s, e, "class_prior_", out->k);
    size_t best = 0;
    if (!prior)
        return;
    for (size_t i = 1; i < out->k; i++)
        best = prior[i] > prior[best] ? i : best;
    bool is_prior = eng_sk_is(e, "strategy", "prior");
    if (!is_prior && !eng_sk_is(e, "strategy", "most_frequent")) {
        eng_sk_fail(s, e, "what it predicts is not known beforehand (strategy)");
        return;
    }
    out->shares = eng_sk_alloc(s, out->k, sizeof *out->shares);
    for (size_t i = 0; out->shares && i < out->k; i++)
        out->shares[i] = eng_plan_constant(s->b, is_prior ? prior[i] : i == best);
    out->index = eng_plan_constant(s->b, (double)best);
}

const eng_sk_row eng_sk_linear_rows[] = {
    {"LinearRegression", linear, NULL},
    {"Ridge", linear, NULL},
    {"RidgeCV", linear, NULL},
    {"Lasso", linear, NULL},
    {"LassoCV", linear, NULL},
    {"ElasticNet", linear, NULL},
    {"ElasticNetCV", linear, NULL},
    {"MultiTaskLasso", linear, NULL},
    {"MultiTaskLassoCV", linear, NULL},
    {"MultiTaskElasticNet", linear, NULL},
    {"MultiTaskElasticNetCV", linear, NULL},
    {"Lars", linear, NULL},
    {"LarsCV", linear, NULL},
    {"LassoLars", linear, NULL},
    {"LassoLarsCV", linear, NULL},
    {"LassoLarsIC", linear, NULL},
    {"OrthogonalMatchingPursuit", linear, NULL},
    {"OrthogonalMatchingPursuitCV", linear, NULL},
    {"BayesianRidge", linear, NULL},
    {"ARDRegression", linear, NULL},
    {"HuberRegressor", linear, NULL},
    {"TheilSenRegressor", linear, NULL},
    {"QuantileRegressor", linear, NULL},
    {"SGDRegressor", linear, NULL},
    {"PassiveAggressiveRegressor", linear, NULL},
    {"LinearSVR", linear, NULL},
    {"PoissonRegressor", glm, NULL},
    {"GammaRegressor", glm, NULL},
    {"TweedieRegressor", glm, NULL},
    {"LogisticRegression", logistic, NULL},
    {"LogisticRegressionCV", logistic, NULL},
    {"SGDClassifier", sgd, NULL},
    {"Perceptron", plain_classifier, NULL},
    {"PassiveAggressiveClassifier", plain_classifier, NULL},
    {"RidgeClassifier", plain_classifier, NULL},
    {"RidgeClassifierCV", plain_classifier, NULL},
    {"LinearSVC", plain_classifier, NULL},
    {"LinearDiscriminantAnalysis", discriminant, discriminated},
    {"SGDOneClassSVM", one_class, NULL},
    {"GaussianNB", gaussian_bayes, NULL},
    {"MultinomialNB", discrete_bayes, NULL},
    {"ComplementNB", discrete_bayes, NULL},
    {"BernoulliNB", discrete_bayes, NULL},
    {"CategoricalNB", categorical_bayes, NULL},
    {"MLPClassifier", perceptron, NULL},
    {"MLPRegressor", perceptron, NULL},
    {"DummyRegressor", dummy_regressor, NULL},
    {"DummyClassifier", dummy_classifier, NULL},
    {NULL, NULL, NULL},
};
