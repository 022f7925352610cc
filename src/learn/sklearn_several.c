/* Estimators made of one for each output, class, pair of classes or bit of a code. */
#include "learn/sklearn_internal.h"

#include <math.h>

/* ---- Several outputs ---------------------------------------------------------------------------------- */

static void several_numbers(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    out->y = eng_sk_alloc(s, n + 1, sizeof *out->y);
    out->n = n;
    for (size_t i = 0; all && out->y && i < n; i++) {
        if (all[i].classifier || all[i].n != 1)
            eng_sk_fail(s, e, "its estimators are no regressors of one output");
        else
            out->y[i] = all[i].y[0];
    }
}

static void several_classes(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    for (size_t i = 0; all && i < n; i++)
        if (!all[i].classifier || !all[i].k)
            eng_sk_fail(s, e, "its estimators are no classifiers of one output");
    *out = (eng_sk_out){.classifier = true, .several = all, .several_count = all ? n : 0};
}

/* ---- Chains: each sees what those before it gave ---- */

static eng_sk_cols longer(eng_sk *s, eng_sk_cols x, uint32_t more)
{
    eng_sk_cols out = eng_sk_columns(s, x.n + 1);
    if (out.n) {
        memcpy(out.at, x.at, x.n * sizeof *x.at);
        out.at[x.n].id = more;
    }
    return out;
}

/* What one gives to those behind it: what it predicts, or as chain_method_ says. */
static uint32_t handed_on(eng_sk *s, const eng_py *e, const eng_sk_out *one)
{
    if (!one->classifier)
        return one->y[0];
    if (eng_sk_is(e, "chain_method_", "predict_proba") && one->shares && one->k == 2)
        return one->shares[1];
    if (eng_sk_is(e, "chain_method_", "decision_function") && one->decision && one->decisions == 1)
        return one->decision[0];
    if (eng_sk_attr(e, "chain_method_") && !eng_sk_is(e, "chain_method_", "predict"))
        eng_sk_fail(s, e, "what its estimators give to each other is not known (chain_method)");
    return eng_sk_label(s, e, one);
}

static void chain(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    const eng_py *list = eng_py_attr(e, "estimators_");
    size_t n = eng_py_count(list);
    const double *order = eng_sk_vector(s, e, "order_", n);
    uint32_t *y = eng_sk_alloc(s, n + 1, sizeof *y), *p = eng_sk_alloc(s, n + 1, sizeof *p);
    eng_plan_label *labels = eng_sk_alloc(s, n + 1, sizeof *labels);
    bool shares = n > 0;
    if (!n)
        eng_sk_fail(s, e, "it has no estimators: is it fitted?");
    for (size_t i = 0; order && y && p && labels && i < n && eng_sk_ok(s); i++) {
        eng_sk_out one = {0};
        if (!(order[i] >= 0 && order[i] < (double)n)) {
            eng_sk_fail(s, e, "its order names output %g of %zu", order[i], n);
            return;
        }
        eng_sk_predict(s, eng_py_at(list, i), x, &one);
        if (eng_sk_ok(s) && (one.classifier ? !one.k : one.n != 1))
            eng_sk_fail(s, e, "its estimators are none of one output");
        if (!eng_sk_ok(s))
            return;
        size_t at = (size_t)order[i];
        y[at] = one.classifier ? eng_sk_label(s, e, &one) : one.y[0];
        shares = shares && one.classifier && one.k == 2 && one.shares;
        p[at] = shares ? one.shares[1] : ENG_PLAN_NONE;
        labels[i].number = (double)i;
        x = longer(s, x, handed_on(s, e, &one));
    }
    *out = (eng_sk_out){.y = y, .n = n, .shares = shares ? p : NULL, .classes = labels, .k = n};
}

/* ---- One against the rest ---- */

/* What sklearn goes by: a decision, or else the share of the second of two. Whether it was a decision. */
static bool asked(eng_sk *s, const eng_py *e, const eng_sk_out *one, uint32_t *out)
{
    *out = ENG_PLAN_NONE;
    if (one->classifier && one->decision && one->decisions == 1)
        *out = one->decision[0];
    else if (one->classifier && one->k == 2 && one->shares)
        *out = one->shares[1];
    else if (!one->classifier && one->n == 1)
        *out = one->y[0];
    else
        eng_sk_fail(s, e, "its estimators are no classifiers of two");
    return one->classifier && one->decision;
}

static void one_vs_rest(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    const eng_py *binarizer = eng_py_attr(e, "label_binarizer_");
    bool marks = eng_sk_is(binarizer, "y_type_", "multilabel-indicator");
    if (!eng_sk_classes(s, binarizer, out))
        return;
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    if (all && n != (out->k == 2 && !marks ? 1 : out->k))
        eng_sk_fail(s, e, "it has %zu estimators of %zu classes", n, out->k);
    uint32_t *by = eng_sk_alloc(s, n + 1, sizeof *by), *p = eng_sk_alloc(s, n + 1, sizeof *p);
    bool decides = false, shares = true;
    for (size_t i = 0; all && p && by && i < n && eng_sk_ok(s); i++) {
        decides = asked(s, e, all + i, by + i);
        shares = shares && all[i].classifier && all[i].k == 2 && all[i].shares;
        p[i] = shares ? all[i].shares[1] : ENG_PLAN_NONE;
    }
    if (!all || !p || !by || !eng_sk_ok(s))
        return;
    double limit = decides ? 0 : 0.5;
    if (marks) {
        eng_sk_marked(s, out, by, n, limit, shares ? p : NULL);
        return;
    }
    if (shares)
        out->shares = n == 1 ? eng_sk_two(s, p[0]) : eng_sk_share(s, ENG_PLAN_NORMALISE, p, n);
    out->index = n == 1 ? eng_sk_map1(s, ENG_PLAN_ABOVE, by[0], limit, 0)
                        : eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, by, n);
    out->decision = decides ? by : NULL;
    out->decisions = n;
}

/* ---- One against one ---- */

/* Votes of pairs and, squeezed to less than a third of a vote, what they were sure of. */
static uint32_t *pair_votes(eng_sk *s, const uint32_t *wins, const uint32_t *sure, size_t k)
{
    size_t pairs = k * (k - 1) / 2, pair = 0;
    double *votes = eng_sk_alloc(s, k * pairs, sizeof *votes),
           *signs = eng_sk_alloc(s, k * pairs, sizeof *signs),
           *bias = eng_sk_alloc(s, k, sizeof *bias);
    if (!votes || !signs || !bias)
        return NULL;
    for (size_t i = 0; i < k; i++)
        for (size_t j = i + 1; j < k; j++, pair++) {
            votes[i * pairs + pair] = signs[i * pairs + pair] = -1;
            votes[j * pairs + pair] = signs[j * pairs + pair] = 1;
            bias[i] += 1; /* the first of a pair wins where the second does not */
        }
    uint32_t *v = eng_sk_run_of(s, eng_plan_linear(s->b, wins, pairs, votes, bias, k), k);
    uint32_t *sum = eng_sk_run_of(s, eng_plan_linear(s->b, sure, pairs, signs, NULL, k), k);
    uint32_t *over = eng_sk_map_all(s, ENG_PLAN_ABS, sum, k, 0, 0);
    over = eng_sk_map_all(s, ENG_PLAN_ADD, over, k, 1, 0);
    over = eng_sk_map_all(s, ENG_PLAN_TIMES, over, k, 3, 0);
    if (!v || !sum || !over)
        return NULL;
    sum = eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_DIVIDED, sum, over, k), k);
    return sum ? eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_PLUS, v, sum, k), k) : NULL;
}

static void one_vs_one(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    if (eng_sk_attr(e, "pairwise_indices_"))
        eng_sk_fail(s, e, "estimators of distances are not known");
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    uint32_t *wins = eng_sk_alloc(s, n + 1, sizeof *wins),
             *sure = eng_sk_alloc(s, n + 1, sizeof *sure);
    bool decides = false;
    if (all && (out->k < 2 || n != out->k * (out->k - 1) / 2))
        eng_sk_fail(s, e, "it has %zu estimators of %zu classes", n, out->k);
    for (size_t i = 0; all && wins && sure && i < n && eng_sk_ok(s); i++) {
        decides = asked(s, e, all + i, sure + i);
        wins[i] = eng_sk_label(s, e, all + i);
    }
    if (!all || !wins || !sure || !eng_sk_ok(s))
        return;
    uint32_t *d = pair_votes(s, wins, sure, out->k);
    if (!d)
        return;
    out->decision = out->k == 2 ? d + 1 : d;
    out->decisions = out->k == 2 ? 1 : out->k;
    out->index = out->k == 2 ? eng_sk_map1(s, ENG_PLAN_ABOVE, d[1], decides ? 0 : 0.5, 0)
                             : eng_plan_reduce(s->b, ENG_PLAN_ARGMAX, d, out->k);
}

/* ---- Codes: the class whose row of bits is nearest ---- */

static void output_code(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0, rows = 0, columns = 0;
    if (!eng_sk_classes(s, e, out))
        return;
    const double *book = eng_sk_matrix(s, e, "code_book_", &rows, &columns);
    eng_sk_out *all = eng_sk_predict_all(s, e, eng_py_attr(e, "estimators_"), x, NULL, &n);
    uint32_t *by = eng_sk_alloc(s, n + 1, sizeof *by);
    if (book && all && (rows != out->k || columns != n))
        eng_sk_fail(s, e, "its code of %zu classes is one of %zu", out->k, rows);
    for (size_t i = 0; all && by && i < n && eng_sk_ok(s); i++)
        (void)asked(s, e, all + i, by + i);
    if (book && all && by && eng_sk_ok(s))
        eng_sk_to_nearest(s, out, by, n, book);
}

/* One that knows a single class: y_. */
static void constant(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    size_t n = 0;
    const double *y = eng_sk_any_vector(s, e, "y_", &n);
    eng_plan_label *labels = eng_sk_alloc(s, 2, sizeof *labels);
    (void)x;
    if (!y || !labels)
        return;
    if (n != 1 || !(y[0] == 0 || fabs(y[0]) == 1)) {
        eng_sk_fail(s, e, "it predicts neither 0 nor 1 nor -1");
        return;
    }
    labels[0].number = y[0] < 0 ? -1 : 0;
    labels[1].number = 1;
    *out = (eng_sk_out){.classifier = true, .classes = labels, .k = 2};
    uint32_t p = eng_plan_constant(s->b, y[0]);
    out->index = eng_sk_map1(s, ENG_PLAN_ABOVE, p, 0, 0);
    out->decision = eng_sk_run_of(s, p, 1);
    out->decisions = 1;
    out->shares = eng_sk_two(s, p);
}

const eng_sk_row eng_sk_several_rows[] = {
    {"MultiOutputRegressor", several_numbers, NULL},
    {"MultiOutputClassifier", several_classes, NULL},
    {"RegressorChain", chain, NULL},
    {"ClassifierChain", chain, NULL},
    {"OneVsRestClassifier", one_vs_rest, NULL},
    {"OneVsOneClassifier", one_vs_one, NULL},
    {"OutputCodeClassifier", output_code, NULL},
    {"_ConstantPredictor", constant, NULL},
    {NULL, NULL, NULL},
};
