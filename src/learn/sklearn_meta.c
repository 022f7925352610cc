/* Estimators of estimators: bagging, AdaBoost, voting, stacking, calibration, searches, transformed targets. */
#include "learn/sklearn_internal.h"

#include <math.h>

static bool text_is(const eng_py *v, const char *text)
{
    eng_str got;
    return eng_py_text(v, &got) && eng_str_eq(got, eng_str_of(text));
}

/* ---- One within another ------------------------------------------------------------------------------- */

static void delegate(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    const eng_py *inner = eng_sk_attr(e, "best_estimator_");
    if (!inner)
        inner = eng_sk_attr(e, "estimator_");
    if (!inner)
        inner = eng_sk_attr(e, "base_estimator_ estimator");
    if (!inner)
        eng_sk_fail(s, e, "its estimator is missing: is it fitted, with refit=True?");
    else
        eng_sk_predict(s, inner, x, out);
}

static eng_sk_cols delegate_transform(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *inner = eng_sk_attr(e, "best_estimator_ estimator_ estimator");
    if (inner)
        return eng_sk_transform(s, inner, x);
    eng_sk_fail(s, e, "its estimator is missing: is it fitted?");
    return (eng_sk_cols){NULL, 0};
}

/* The share of the positive class (the second, or pos_label) from a threshold on. */
static void thresholded(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    double limit = 0.5;
    delegate(s, e, x, out);
    const eng_py *t = eng_sk_attr(e, "best_threshold_ threshold");
    bool decides = eng_sk_is(e, "response_method", "decision_function");
    if (out->k != 2 || eng_sk_attr(e, "pos_label"))
        eng_sk_fail(s, e, "a threshold for something else than the second of two classes");
    if (!eng_py_number(t, &limit))
        limit = decides ? 0 : 0.5;
    if (!eng_sk_ok(s))
        return;
    if (decides ? !out->decision : !out->shares) {
        eng_sk_fail(s, e, "its estimator gives nothing to compare with a threshold");
        return;
    }
    /* p >= limit */
    uint32_t p = decides ? out->decision[0] : out->shares[1];
    out->index = eng_sk_map1(s, ENG_PLAN_ABOVE, p, nextafter(limit, -INFINITY), 0);
}

static void transformed_target(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    const eng_py *inner = eng_sk_attr(e, "regressor_");
    if (!inner) {
        eng_sk_fail(s, e, "regressor_ is missing: is it fitted?");
        return;
    }
    eng_sk_predict(s, inner, x, out);
    if (out->classifier || !eng_sk_ok(s)) {
        eng_sk_fail(s, e, "its estimator is no regressor");
        return;
    }
    out->y = eng_sk_inverse(s, eng_sk_attr(e, "transformer_"), out->y, out->n);
}

/* ---- Columns of one of several ---------------------------------------------------------------------------- */

static eng_sk_cols chosen(eng_sk *s, const eng_py *e, eng_sk_cols x, const eng_py *features)
{
    if (eng_py_none(features))
        return x;
    size_t n = 0;
    const double *at = eng_sk_numbers(s, e, features, "estimators_features_", &n, true);
    eng_sk_cols out = eng_sk_columns(s, n);
    for (size_t i = 0; at && i < out.n; i++) {
        if (!(at[i] >= 0 && at[i] < (double)x.n)) {
            eng_sk_fail(s, e, "an estimator takes column %g of %zu", at[i], x.n);
            return (eng_sk_cols){NULL, 0};
        }
        out.at[i] = x.at[(size_t)at[i]];
    }
    return out;
}

eng_sk_out *eng_sk_predict_all(eng_sk *s, const eng_py *e, const eng_py *list, eng_sk_cols x,
                               const eng_py *features, size_t *count)
{
    size_t n = eng_py_count(list);
    eng_sk_out *all = eng_sk_alloc(s, n + 1, sizeof *all);
    if (!n || (features && eng_py_count(features) != n))
        eng_sk_fail(s, e, "it has %zu estimators: is it fitted?", n);
    for (size_t i = 0; all && i < n && eng_sk_ok(s); i++)
        eng_sk_predict(s, eng_py_at(list, i), chosen(s, e, x, eng_py_at(features, i)), all + i);
    *count = n;
    return all && eng_sk_ok(s) ? all : NULL;
}

/* What each regressor predicts: one list a regressor. */
static uint32_t **values_of(eng_sk *s, const eng_py *e, const eng_sk_out *all, size_t n)
{
    uint32_t **y = eng_sk_alloc(s, n + 1, sizeof *y);
    for (size_t i = 0; y && i < n; i++) {
        if (all[i].classifier || all[i].n != all[0].n || !all[i].y) {
            eng_sk_fail(s, e, "its estimators predict different things");
            return NULL;
        }
        y[i] = all[i].y;
    }
    return y;
}

/* Probabilities of one of several classifiers in the order of k classes, of which it may know some; or,
 * where it has none, 1 for what it predicts. */
static uint32_t *shares_of(eng_sk *s, const eng_py *e, const eng_sk_out *one, size_t k)
{
    uint32_t *codes = eng_sk_alloc(s, one->k + 1, sizeof *codes),
             *to = eng_sk_alloc(s, k, sizeof *to);
    if (!codes || !to || !one->classifier || !eng_sk_codes(s, e, one, k, codes))
        return NULL;
    for (size_t c = 0; c < k; c++)
        to[c] = ENG_PLAN_NONE;
    for (size_t i = 0; i < one->k; i++)
        to[codes[i]] = one->shares ? one->shares[i]
                                   : eng_sk_map1(s, ENG_PLAN_EQUALS, one->index, (double)i, 0);
    for (size_t c = 0; c < k; c++)
        if (to[c] == ENG_PLAN_NONE)
            to[c] = eng_plan_constant(s->b, 0);
    return to;
}

static void averaged(eng_sk *s, const eng_py *e, eng_sk_out *out, const eng_sk_out *all, size_t n,
                     const double *weights)
{
    uint32_t **p = eng_sk_alloc(s, n + 1, sizeof *p);
    for (size_t i = 0; p && i < n && eng_sk_ok(s); i++)
        p[i] = shares_of(s, e, all + i, out->k);
    if (p && eng_sk_ok(s))
        eng_sk_shared(s, out, eng_sk_mean(s, p, n, out->k, weights));
}

/* ---- Bagging and voting ------------------------------------------------------------------------------------ */

static void bagging_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    eng_sk_expect(s, e, x);
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x,
                                         eng_py_attr(e, "estimators_features_"), &n);
    uint32_t **y = all ? values_of(s, e, all, n) : NULL;
    if (y) {
        out->n = all[0].n;
        out->y = eng_sk_mean(s, y, n, out->n, NULL);
    }
}

static void bagging_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    eng_sk_expect(s, e, x);
    if (!eng_sk_classes(s, e, out))
        return;
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x,
                                         eng_py_attr(e, "estimators_features_"), &n);
    if (all)
        averaged(s, e, out, all, n, NULL);
}

/* Weights of those that were not dropped. */
static const double *voting_weights(eng_sk *s, const eng_py *e, size_t n)
{
    const eng_py *weights = eng_sk_attr(e, "weights"), *list = eng_py_attr(e, "estimators");
    size_t all = 0, kept = 0;
    if (!weights)
        return NULL;
    const double *w = eng_sk_numbers(s, e, weights, "weights", &all, true);
    double *to = eng_sk_alloc(s, n + 1, sizeof *to);
    for (size_t i = 0; w && to && i < all && kept < n; i++)
        if (!text_is(eng_py_at(eng_py_at(list, i), 1), "drop"))
            to[kept++] = w[i];
    if (kept != n)
        eng_sk_fail(s, e, "it has %zu weights for %zu estimators", kept, n);
    return to;
}

static void voting_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    uint32_t **y = all ? values_of(s, e, all, n) : NULL;
    const double *w = y ? voting_weights(s, e, n) : NULL;
    if (y && eng_sk_ok(s)) {
        out->n = all[0].n;
        out->y = eng_sk_mean(s, y, n, out->n, w);
    }
}

static void voting_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    const double *w = all ? voting_weights(s, e, n) : NULL;
    bool soft = eng_sk_is(e, "voting", "soft");
    for (size_t i = 0; all && i < n; i++) {
        if (soft && !all[i].shares)
            eng_sk_fail(s, e, "one of its estimators gives no probabilities");
        if (!soft)
            all[i].shares = NULL;
    }
    if (!all || !eng_sk_ok(s))
        return;
    averaged(s, e, out, all, n, w);
    if (!soft)
        out->shares = NULL;
}

/* ---- AdaBoost -------------------------------------------------------------------------------------------- */

static void ada_regressor(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, have = 0;
    eng_sk_expect(s, e, x);
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    uint32_t **y = all ? values_of(s, e, all, n) : NULL;
    const double *w = eng_sk_any_vector(s, e, "estimator_weights_", &have);
    uint32_t *each = eng_sk_alloc(s, n + 1, sizeof *each);
    if (!y || !w || !each)
        return;
    if (have < n || all[0].n != 1) {
        eng_sk_fail(s, e, "it has %zu weights for %zu estimators", have, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        each[i] = y[i][0];
    eng_sk_regression(s, out, eng_plan_weighted_median(s->b, each, n, w), 1);
}

/* (k - 1) * (log p - the mean of log p) */
static uint32_t *real_share(eng_sk *s, uint32_t *p, size_t k)
{
    uint32_t *l = eng_sk_map_all(s, ENG_PLAN_CLIP, p, k, 2.220446049250313e-16, INFINITY);
    l = l ? eng_sk_map_all(s, ENG_PLAN_LOG, l, k, 0, 0) : NULL;
    uint32_t *mean = eng_sk_alloc(s, k, sizeof *mean);
    if (!l || !mean)
        return NULL;
    mean[0] = eng_sk_map1(s, ENG_PLAN_TIMES, eng_plan_reduce(s->b, ENG_PLAN_SUM, l, k),
                          1.0 / (double)k, 0);
    for (size_t i = 1; i < k; i++)
        mean[i] = mean[0];
    l = eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_MINUS, l, mean, k), k);
    return l ? eng_sk_map_all(s, ENG_PLAN_TIMES, l, k, (double)k - 1, 0) : NULL;
}

/* weight where it predicts a class, and in newer versions its share of minus that elsewhere. */
static uint32_t *plain_share(eng_sk *s, uint32_t *p, size_t k, double weight)
{
    double other = s->version >= 1003 ? -weight / ((double)k - 1) : 0;
    return eng_sk_map_all(s, ENG_PLAN_AFFINE, p, k, weight - other, other);
}

static void ada_decided(eng_sk *s, eng_sk_out *out, uint32_t *d, size_t k)
{
    if (k > 2) {
        eng_sk_decided(s, out, d[0], k);
        out->decision = d;
        out->index = eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, d, k);
        uint32_t *p = eng_sk_map_all(s, ENG_PLAN_OVER, d, k, (double)k - 1, 0);
        out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, p, k);
        return;
    }
    uint32_t one = eng_plan_pairs(s->b, ENG_PLAN_MINUS, d + 1, d, 1);
    eng_sk_decided(s, out, one, 1);
    const uint32_t both[2] = {eng_sk_map1(s, ENG_PLAN_TIMES, one, -0.5, 0),
                              eng_sk_map1(s, ENG_PLAN_TIMES, one, 0.5, 0)};
    out->shares = eng_sk_share(s, ENG_PLAN_SOFTMAX, both, 2);
}

/* The classes of estimators within AdaBoost are its own, labels and all. */
static bool same_classes(const eng_sk_out *a, const eng_sk_out *b)
{
    for (size_t i = 0; i < a->k; i++)
        if (a->k != b->k || a->classes[i].type != b->classes[i].type ||
            a->classes[i].number != b->classes[i].number ||
            !eng_str_eq(a->classes[i].text, b->classes[i].text))
            return false;
    return a->k == b->k;
}

static void ada_classifier(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, have = 0;
    double sum = 0;
    bool real = eng_sk_is(e, "algorithm", "SAMME.R");
    eng_sk_expect(s, e, x);
    if (!eng_sk_classes(s, e, out))
        return;
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    const double *w = eng_sk_any_vector(s, e, "estimator_weights_", &have);
    uint32_t **d = eng_sk_alloc(s, n + 1, sizeof *d);
    if (!all || !w || !d)
        return;
    for (size_t i = 0; i < have; i++)
        sum += w[i];
    for (size_t i = 0; i < n && eng_sk_ok(s); i++) {
        if (have < n || out->k < 2 || !all[i].classifier || !same_classes(out, all + i) ||
            (real && !all[i].shares)) {
            eng_sk_fail(s, e, "its estimators predict something else than it does");
            return;
        }
        uint32_t *p = all[i].shares;
        if (!real) {
            p = eng_sk_alloc(s, out->k, sizeof *p);
            for (size_t c = 0; p && c < out->k; c++)
                p[c] = eng_sk_map1(s, ENG_PLAN_EQUALS, all[i].index, (double)c, 0);
        }
        d[i] = !p ? NULL : real ? real_share(s, p, out->k) : plain_share(s, p, out->k, w[i]);
    }
    uint32_t *mean = eng_sk_ok(s) ? eng_sk_mean(s, d, n, out->k, NULL) : NULL;
    /* Over the sum of weights, not over their number. */
    mean = mean ? eng_sk_map_all(s, ENG_PLAN_TIMES, mean, out->k, (double)n / (sum != 0 ? sum : 1),
                                 0)
                : NULL;
    if (mean)
        ada_decided(s, out, mean, out->k);
}

/* ---- Stacking -------------------------------------------------------------------------------------------- */

/* What the last estimator gets of one of the first. */
static eng_sk_cols answer_of(eng_sk *s, const eng_py *e, const eng_sk_out *one, const eng_py *how)
{
    uint32_t single = ENG_PLAN_NONE;
    eng_sk_cols out = {NULL, 0};
    const uint32_t *ids = one->y;
    size_t n = one->n;
    if (one->classifier && text_is(how, "predict_proba")) {
        bool two = one->k == 2;
        ids = one->shares ? one->shares + two : NULL;
        n = one->k - two;
    } else if (one->classifier && text_is(how, "decision_function")) {
        ids = one->decision;
        n = one->decisions;
    } else if (one->classifier) {
        single = eng_sk_label(s, e, one);
        ids = &single;
        n = 1;
    }
    if (!ids) {
        eng_sk_fail(s, e, "one of its estimators does not answer what it is asked");
        return out;
    }
    out = eng_sk_columns(s, n);
    for (size_t i = 0; i < out.n; i++)
        out.at[i].id = ids[i];
    return out;
}

static eng_sk_cols stacked(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t n = 0, total = 0, at = 0;
    const eng_py *how = eng_py_attr(e, "stack_method_");
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    eng_sk_cols *parts = eng_sk_alloc(s, n + 1, sizeof *parts);
    if (!all || !parts)
        return (eng_sk_cols){NULL, 0};
    for (size_t i = 0; i < n; i++) {
        parts[i] = answer_of(s, e, all + i, eng_py_at(how, i));
        total += parts[i].n;
    }
    if (eng_py_true(eng_py_attr(e, "passthrough")))
        parts[n] = x;
    eng_sk_cols out = eng_sk_columns(s, total + parts[n].n);
    for (size_t i = 0; i <= n && eng_sk_ok(s) && out.n; i++) {
        if (parts[i].n)
            memcpy(out.at + at, parts[i].at, parts[i].n * sizeof *out.at);
        at += parts[i].n;
    }
    return out;
}

static void stacking(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    eng_sk_cols meta = stacked(s, e, x);
    const eng_py *last = eng_sk_attr(e, "final_estimator_");
    if (!last)
        eng_sk_fail(s, e, "final_estimator_ is missing: is it fitted?");
    if (!eng_sk_ok(s))
        return;
    eng_sk_predict(s, last, meta, out);
    if (!eng_py_is_a(e, "StackingClassifier") || !eng_sk_ok(s))
        return;
    /* The last one was trained on numbers of classes. */
    size_t k = 0;
    const eng_plan_label *classes = eng_sk_labels(s, e, eng_py_attr(e, "classes_"), &k);
    if (classes && k != out->k)
        eng_sk_fail(s, e, "its last estimator has %zu classes, not %zu", out->k, k);
    out->classes = classes;
}

/* ---- Calibration ------------------------------------------------------------------------------------------- */

static uint32_t calibrated_column(eng_sk *s, const eng_py *c, uint32_t x)
{
    if (eng_py_is_a(c, "IsotonicRegression"))
        return eng_sk_isotonic(s, c, x);
    if (!eng_py_is_a(c, "_SigmoidCalibration")) {
        eng_sk_fail(s, c, "a calibrator that is not known");
        return ENG_PLAN_NONE;
    }
    double a = eng_sk_number(s, c, "a_", 0), b = eng_sk_number(s, c, "b_", 0);
    return eng_sk_map1(s, ENG_PLAN_SIGMOID, eng_sk_map1(s, ENG_PLAN_AFFINE, x, -a, -b), 0, 0);
}

/* softmax(beta * logits): of two classes (-d, d), of shares their logarithms. */
static uint32_t *tempered(eng_sk *s, const eng_py *c, const eng_sk_out *inner, size_t k)
{
    double beta = eng_sk_number(s, c, "beta_", 1);
    uint32_t *l = inner->decision;
    if (!l) {
        l = eng_sk_map_all(s, ENG_PLAN_ADD, inner->shares, k, 1e-12, 0);
        l = eng_sk_map_all(s, ENG_PLAN_LOG, l, k, 0, 0);
    } else if (k == 2) {
        l = eng_sk_alloc(s, 2, sizeof *l);
        if (l) {
            l[0] = eng_sk_map1(s, ENG_PLAN_TIMES, inner->decision[0], -1, 0);
            l[1] = inner->decision[0];
        }
    }
    l = eng_sk_map_all(s, ENG_PLAN_TIMES, l, k, beta, 0);
    return eng_sk_share(s, ENG_PLAN_SOFTMAX, l, k);
}

static uint32_t *calibrated_one(eng_sk *s, const eng_py *e, const eng_py *c, eng_sk_cols x,
                                size_t k)
{
    eng_sk_out inner = {0};
    const eng_py *list = eng_sk_attr(c, "calibrators calibrators_");
    eng_sk_predict(s, eng_sk_attr(c, "estimator base_estimator"), x, &inner);
    if (!eng_sk_ok(s))
        return NULL;
    size_t n = k == 2 ? 1 : k;
    if (inner.k == k && (inner.decision ? inner.decisions == n : inner.shares != NULL) &&
        eng_py_count(list) == 1 && eng_py_is_a(eng_py_at(list, 0), "_TemperatureScaling"))
        return tempered(s, eng_py_at(list, 0), &inner, k);
    const uint32_t *from = inner.decision           ? inner.decision
                           : inner.shares && k == 2 ? inner.shares + 1
                                                    : inner.shares;
    if (!from || inner.k != k || eng_py_count(list) != n ||
        (inner.decision && inner.decisions != n)) {
        eng_sk_fail(s, e, "its calibrators are %zu for %zu classes", eng_py_count(list), k);
        return NULL;
    }
    uint32_t *p = eng_sk_alloc(s, n, sizeof *p);
    for (size_t i = 0; p && i < n; i++)
        p[i] = calibrated_column(s, eng_py_at(list, i), from[i]);
    if (!p || !eng_sk_ok(s))
        return NULL;
    return k == 2 ? eng_sk_two(s, p[0]) : eng_sk_share(s, ENG_PLAN_NORMALISE, p, k);
}

static void calibrated(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    const eng_py *list = eng_py_attr(e, "calibrated_classifiers_");
    size_t n = eng_py_count(list);
    if (!eng_sk_classes(s, e, out))
        return;
    uint32_t **p = eng_sk_alloc(s, n + 1, sizeof *p);
    if (!n || out->k < 2)
        eng_sk_fail(s, e, "it has no classifiers: is it fitted?");
    for (size_t i = 0; p && i < n && eng_sk_ok(s); i++)
        p[i] = calibrated_one(s, e, eng_py_at(list, i), x, out->k);
    if (p && eng_sk_ok(s))
        eng_sk_shared(s, out, eng_sk_mean(s, p, n, out->k, NULL));
}

const eng_sk_row eng_sk_meta_rows[] = {
    {"GridSearchCV", delegate, delegate_transform},
    {"RandomizedSearchCV", delegate, delegate_transform},
    {"HalvingGridSearchCV", delegate, delegate_transform},
    {"HalvingRandomSearchCV", delegate, delegate_transform},
    {"SelfTrainingClassifier", delegate, NULL},
    {"FrozenEstimator", delegate, delegate_transform},
    {"RANSACRegressor", delegate, NULL},
    {"FixedThresholdClassifier", thresholded, NULL},
    {"TunedThresholdClassifierCV", thresholded, NULL},
    {"TransformedTargetRegressor", transformed_target, NULL},
    {"BaggingRegressor", bagging_regressor, NULL},
    {"BaggingClassifier", bagging_classifier, NULL},
    {"VotingRegressor", voting_regressor, NULL},
    {"VotingClassifier", voting_classifier, NULL},
    {"AdaBoostRegressor", ada_regressor, NULL},
    {"AdaBoostClassifier", ada_classifier, NULL},
    {"StackingRegressor", stacking, NULL},
    {"StackingClassifier", stacking, NULL},
    {"CalibratedClassifierCV", calibrated, NULL},
    {NULL, NULL, NULL},
};
