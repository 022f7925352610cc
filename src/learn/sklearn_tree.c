/*
 * Trees and what is made of many: forests, gradient boosting, histogram gradient boosting, isolation
 * forests, AdaBoost. Nodes are read by the names of their fields, whose places changed between versions;
 * what children, features and thresholds may be is checked where a forest takes them in.
 */
#include "learn/sklearn_internal.h"

#include <math.h>

typedef struct {
    size_t nodes;
    size_t width; /* outputs * classes */
    size_t values_count;
    const eng_py_array *node;
    const eng_py_field *left, *right, *feature, *threshold, *missing, *samples;
    const eng_py_array *values;
} tree;

/* ---- One tree -------------------------------------------------------------------------------------- */

/* The Tree of a DecisionTree* or an ExtraTree*; false after a failure. */
static bool open_tree(eng_sk *s, const eng_py *e, size_t features, tree *t)
{
    const eng_py *own = eng_py_attr(e, "tree_");
    const eng_py *nodes = eng_py_attr(own, "nodes"), *values = eng_py_attr(own, "values");
    if (!eng_py_is_a(own, "Tree") || !eng_py_is(nodes, ENG_PY_ARRAY) ||
        !eng_py_is(values, ENG_PY_ARRAY) || nodes->as.array->dims != 1 ||
        values->as.array->dims != 3) {
        eng_sk_fail(s, e, "tree_ is no tree: is it fitted?");
        return false;
    }
    const eng_py_array *n = nodes->as.array, *v = values->as.array;
    *t = (tree){.nodes = n->count,
                .width = v->shape[1] * v->shape[2],
                .node = n,
                .values = v,
                .left = eng_py_field_of(n->dtype, "left_child"),
                .right = eng_py_field_of(n->dtype, "right_child"),
                .feature = eng_py_field_of(n->dtype, "feature"),
                .threshold = eng_py_field_of(n->dtype, "threshold"),
                .missing = eng_py_field_of(n->dtype, "missing_go_to_left"),
                .samples = eng_py_field_of(n->dtype, "n_node_samples")};
    int64_t said = -1;
    const eng_py *args = own->as.object->args;
    if (!t->left || !t->right || !t->feature || !t->threshold || !t->samples || !n->count ||
        v->shape[0] != n->count) {
        eng_sk_fail(s, e, "a tree of %zu nodes has values of %zu", n->count, v->shape[0]);
        return false;
    }
    if (!eng_py_integer(eng_py_at(args, 0), &said) || said < 0 || (size_t)said != features) {
        eng_sk_fail(s, e, "a tree of %lld features is given %zu columns", (long long)said,
                    features);
        return false;
    }
    return true;
}

/* Nodes for the plan, leaves pointing at their own number as the row of their values. */
static eng_plan_node *read_nodes(eng_sk *s, const eng_py *e, const tree *t, size_t features)
{
    eng_plan_node *to = eng_sk_alloc(s, t->nodes, sizeof *to);
    for (size_t i = 0; to && i < t->nodes; i++) {
        int64_t left = 0, right = 0, feature = 0, missing = 0;
        double threshold = 0;
        bool read = eng_py_record_int(t->node, t->left, i, &left) &&
                    eng_py_record_int(t->node, t->right, i, &right) &&
                    eng_py_record_int(t->node, t->feature, i, &feature) &&
                    eng_py_record(t->node, t->threshold, i, &threshold) &&
                    (!t->missing || eng_py_record_int(t->node, t->missing, i, &missing));
        if (read && left == -1) {
            to[i] = (eng_plan_node){.left = ENG_PLAN_LEAF, .right = (uint32_t)i};
            continue;
        }
        if (!read || left < 0 || right < 0 || left >= (int64_t)t->nodes ||
            right >= (int64_t)t->nodes || left <= (int64_t)i || right <= (int64_t)i) {
            eng_sk_fail(s, e, "node %zu has a child outside of the tree (%lld, %lld of %zu)", i,
                        (long long)left, (long long)right, t->nodes);
            return NULL;
        }
        if (feature < 0 || (size_t)feature >= features || isnan(threshold)) {
            eng_sk_fail(s, e, "node %zu splits feature %lld of %zu at %g", i, (long long)feature,
                        features, threshold);
            return NULL;
        }
        to[i] = (eng_plan_node){.threshold = threshold,
                                .left = (uint32_t)left,
                                .right = (uint32_t)right,
                                .feature = (uint32_t)feature,
                                .flags = ENG_PLAN_OR_EQUAL | (missing ? ENG_PLAN_NAN_LEFT : 0)};
    }
    return to;
}

/* Values of every node; of classes as fractions, output by output. */
static double *read_values(eng_sk *s, const eng_py *e, const tree *t, bool fractions)
{
    size_t n = t->nodes * t->width;
    double *to = eng_sk_alloc(s, n, sizeof *to);
    for (size_t i = 0; to && i < n; i++)
        if (!eng_py_element(t->values, i, to + i) || !isfinite(to[i])) {
            eng_sk_fail(s, e, "a tree's value is no number");
            return NULL;
        }
    size_t classes = t->values->shape[2];
    for (size_t i = 0; to && fractions && i < n; i += classes) {
        double sum = 0;
        for (size_t j = 0; j < classes; j++)
            sum += to[i + j];
        for (size_t j = 0; sum != 0 && j < classes; j++)
            to[i + j] /= sum;
    }
    return to;
}

/* Trees that take missing values say for each split where they go; before 1.3 they refuse them. */
static bool takes_missing(const eng_sk *s, const eng_py *e, const tree *t, unsigned since)
{
    bool random = eng_sk_is(e, "splitter", "random");
    return t->missing && s->version >= (random && since < 1006 ? 1006 : since) &&
           !eng_sk_is(e, "criterion", "absolute_error") && !eng_sk_is(e, "criterion", "mae") &&
           !eng_sk_attr(e, "monotonic_cst");
}

/* ---- A forest in the making --------------------------------------------------------------------------- */

typedef struct {
    eng_plan_forest *forest;
    uint32_t *x;
    size_t n;
    size_t outputs;
    bool skipped; /* the first time nothing is built */
} maker;

static maker make(eng_sk *s, uint32_t *x, size_t n, size_t outputs, size_t width,
                  const double *init, bool single)
{
    maker m = {.x = x, .n = n, .outputs = outputs, .skipped = s->dry};
    const eng_plan_forest_spec spec = {
        .x = x, .n = n, .outputs = outputs, .width = width, .init = init, .float_in = single};
    if (!s->dry && x && eng_sk_ok(s))
        m.forest = eng_plan_forest_new(s->b, &spec);
    return m;
}

static uint32_t made(eng_sk *s, maker *m)
{
    if (!m->skipped)
        return eng_plan_forest_end(m->forest);
    uint32_t first = ENG_PLAN_NONE;
    for (size_t i = 0; i < m->outputs; i++) {
        uint32_t c = eng_plan_constant(s->b, 0);
        first = i ? first : c;
    }
    return first;
}

/* A tree of sklearn's; which of the forest's columns each feature of it is. NULL: the same. */
static void add_tree(eng_sk *s, maker *m, const eng_py *e, const tree *t, const double *values,
                     const size_t *features, size_t feature_count, size_t target)
{
    if (m->skipped || !m->forest)
        return;
    eng_plan_node *nodes = read_nodes(s, e, t, feature_count);
    for (size_t i = 0; nodes && features && i < t->nodes; i++)
        if (nodes[i].left != ENG_PLAN_LEAF)
            nodes[i].feature = (uint32_t)features[nodes[i].feature];
    if (nodes && values)
        eng_plan_forest_add(m->forest, nodes, t->nodes, values, t->nodes, target);
}

/* Gives back what a tree was read into: a forest of 100 MB is read in little more. */
typedef struct {
    eng_arena kept;
} mark;

static mark enter(eng_sk *s)
{
    mark m = {.kept = s->arena};
    eng_arena_init(&s->arena, 1 << 16, NULL);
    return m;
}

static void leave(eng_sk *s, mark *m)
{
    eng_arena_clear(&s->arena);
    s->arena = m->kept;
}

/* ---- Columns that estimators see ------------------------------------------------------------------------- */

static const eng_py *part(const eng_py *list, size_t i)
{
    const eng_py *e = eng_py_at(list, i);
    return eng_py_is(e, ENG_PY_ARRAY) ? eng_py_at(e, 0) : e;
}

static size_t *read_features(eng_sk *s, const eng_py *e, const eng_py *v, size_t n, size_t *count)
{
    if (!eng_py_is(v, ENG_PY_ARRAY)) {
        eng_sk_fail(s, e, "estimators_features_ is %s", eng_py_type_name(v));
        return NULL;
    }
    const eng_py_array *a = v->as.array;
    size_t *to = eng_sk_alloc(s, a->count, sizeof *to);
    for (size_t i = 0; to && i < a->count; i++) {
        int64_t at = -1;
        if (!eng_py_element_int(a, i, &at) || at < 0 || (size_t)at >= n) {
            eng_sk_fail(s, e, "an estimator takes column %lld of %zu", (long long)at, n);
            return NULL;
        }
        to[i] = (size_t)at;
    }
    *count = a->count;
    return to;
}

/* ---- Trees and forests ------------------------------------------------------------------------------------ */

/* Sums over the trees of `list`: `width` columns. ENG_PLAN_NONE after a failure. */
static uint32_t sum_of(eng_sk *s, const eng_py *e, const eng_py *const *list, size_t count,
                       eng_sk_cols x, bool classes, unsigned missing_since, size_t *width)
{
    tree t;
    eng_sk_expect(s, e, x);
    if (!count) {
        eng_sk_fail(s, e, "it has no trees: is it fitted?");
        return ENG_PLAN_NONE;
    }
    if (!open_tree(s, list[0], x.n, &t))
        return ENG_PLAN_NONE;
    *width = t.width;
    if (!classes && t.values->shape[2] != 1)
        eng_sk_fail(s, e, "a regression tree has classes");
    bool missing = takes_missing(s, list[0], &t, missing_since);
    uint32_t *ids = missing ? eng_sk_loose(s, e, x) : eng_sk_dense(s, e, x);
    maker m = make(s, ids, x.n, t.width, t.width, NULL, true);
    for (size_t i = 0; i < count && eng_sk_ok(s); i++) {
        mark k = enter(s);
        if (open_tree(s, list[i], x.n, &t) && t.width != *width)
            eng_sk_fail(s, e, "its trees have other outputs each");
        else if (eng_sk_ok(s) && !s->dry)
            add_tree(s, &m, list[i], &t, read_values(s, e, &t, classes), NULL, x.n, 0);
        leave(s, &k);
    }
    return made(s, &m);
}

static const eng_py **list_of(eng_sk *s, const eng_py *list, size_t *count)
{
    *count = eng_py_count(list);
    const eng_py **to = eng_sk_alloc(s, *count + 1, sizeof *to);
    for (size_t i = 0; to && i < *count; i++)
        to[i] = part(list, i);
    return to;
}

/* Of each output as many columns as the one with most classes has. */
static void share_outputs(eng_sk *s, const eng_py *e, eng_sk_out *out, uint32_t *y, size_t width)
{
    size_t n = out->several_count, most = n ? width / n : 0;
    if (!y || !n || width % n)
        eng_sk_fail(s, e, "its trees have %zu values of %zu outputs", width, n);
    for (size_t i = 0; y && eng_sk_ok(s) && i < n; i++) {
        if (out->several[i].k > most)
            eng_sk_fail(s, e, "its trees have %zu classes, not %zu", most, out->several[i].k);
        else
            eng_sk_shared(s, &out->several[i], y + i * most);
    }
}

static void tree_or_forest(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    bool classes = eng_str_ends(eng_py_class(e), ENG_STR("Classifier"));
    const eng_py *estimators = eng_py_attr(e, "estimators_");
    size_t count = 1, width = 0;
    const eng_py **list = estimators ? list_of(s, estimators, &count) : &e;
    bool several = classes && eng_sk_several(s, e, out);
    if (!list || (classes && !several && !eng_sk_classes(s, e, out)))
        return;
    uint32_t sum = sum_of(s, e, list, count, x, classes, estimators ? 1004 : 1003, &width);
    if (!eng_sk_ok(s))
        return;
    if (classes && !several && width != out->k) {
        eng_sk_fail(s, e, "its trees have %zu classes, not %zu", width, out->k);
        return;
    }
    uint32_t *y = eng_sk_run_of(s, sum, width);
    if (y && count > 1)
        y = eng_sk_map_all(s, ENG_PLAN_OVER, y, width, (double)count, 0);
    if (several) {
        share_outputs(s, e, out, y, width);
    } else if (classes) {
        eng_sk_shared(s, out, y);
    } else {
        out->y = y;
        out->n = width;
    }
}

/* ---- Gradient boosting ---------------------------------------------------------------------------------- */

static double clipped(double p)
{
    const double eps = 1.1920928955078125e-07; /* of single precision */
    return p < eps ? eps : p > 1 - eps ? 1 - eps : p;
}

static bool is_exponential(const eng_py *e) { return eng_sk_is(e, "loss", "exponential"); }

/* What stages start from, as numbers, where that is known beforehand; else NULL, without a failure. */
static double *fixed_start(eng_sk *s, const eng_py *e, size_t k, bool classifier)
{
    const eng_py *init = eng_py_attr(e, "init_");
    double *to = eng_sk_alloc(s, k, sizeof *to);
    if (!to || eng_sk_is(e, "init", "zero") || eng_sk_is(e, "init_", "zero"))
        return to;
    if (!classifier && eng_py_is_a(init, "DummyRegressor")) {
        const double *c = eng_sk_vector(s, init, "constant_", 1);
        to[0] = c ? c[0] : 0;
        return to;
    }
    if (!classifier || !eng_py_is_a(init, "DummyClassifier"))
        return NULL;
    const double *prior = eng_sk_vector(s, init, "class_prior_", k == 1 ? 2 : k);
    if (!prior)
        return to;
    double p = clipped(prior[1]);
    for (size_t i = 0; k > 1 && i < k; i++)
        to[i] = log(clipped(prior[i]));
    if (k == 1)
        to[0] = is_exponential(e) ? 0.5 * log(p / (1 - p)) : log(p / (1 - p));
    return to;
}

/* The same of an estimator that is asked for it. */
static uint32_t *asked_start(eng_sk *s, const eng_py *e, eng_sk_cols x, size_t k, bool classifier)
{
    const double eps = 1.1920928955078125e-07;
    eng_sk_out first = {0};
    eng_sk_predict(s, eng_py_attr(e, "init_"), x, &first);
    if (!eng_sk_ok(s))
        return NULL;
    if (!classifier) {
        if (first.classifier || first.n != 1)
            eng_sk_fail(s, e, "its first estimator is no regressor");
        return first.y;
    }
    if (!first.shares || first.k != (k == 1 ? 2 : k)) {
        eng_sk_fail(s, e, "its first estimator gives no probabilities");
        return NULL;
    }
    uint32_t *p = eng_sk_map_all(s, ENG_PLAN_CLIP, first.shares + (k == 1), k, eps, 1 - eps);
    uint32_t *l = p ? eng_sk_map_all(s, ENG_PLAN_LOG, p, k, 0, 0) : NULL;
    if (k > 1 || !l)
        return l;
    uint32_t q = eng_sk_map1(s, ENG_PLAN_AFFINE, p[0], -1, 1);
    q = eng_sk_map1(s, ENG_PLAN_LOG, q, 0, 0);
    l[0] = eng_plan_pairs(s->b, ENG_PLAN_MINUS, l, &q, 1);
    if (is_exponential(e))
        l[0] = eng_sk_map1(s, ENG_PLAN_TIMES, l[0], 0.5, 0);
    return l;
}

static void add_stage(eng_sk *s, maker *m, const eng_py *e, double rate, size_t target)
{
    tree t;
    mark k = enter(s);
    if (open_tree(s, e, m->n, &t)) {
        double *values = t.width == 1 ? read_values(s, e, &t, false) : NULL;
        if (!values)
            eng_sk_fail(s, e, "a stage has several outputs");
        for (size_t i = 0; values && i < t.nodes; i++)
            values[i] *= rate;
        add_tree(s, m, e, &t, values, NULL, m->n, target);
    }
    leave(s, &k);
}

static void boosted(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    bool classifier = eng_py_is_a(e, "GradientBoostingClassifier");
    const eng_py *stages = eng_py_attr(e, "estimators_");
    eng_sk_expect(s, e, x);
    if (classifier && !eng_sk_classes(s, e, out))
        return;
    size_t k = classifier && out->k > 2 ? out->k : 1, count = eng_py_count(stages);
    double rate = eng_sk_number(s, e, "learning_rate", 0.1);
    if (!count || count % k || (classifier && out->k < 2)) {
        eng_sk_fail(s, e, "it has %zu trees for %zu outputs", count, k);
        return;
    }
    uint32_t *ids = eng_sk_dense(s, e, x), *asked = NULL;
    double *start = fixed_start(s, e, k, classifier);
    if (!start && eng_sk_ok(s))
        asked = asked_start(s, e, x, k, classifier);
    maker m = make(s, ids, x.n, k, 1, start, true);
    for (size_t i = 0; i < count && eng_sk_ok(s) && !s->dry; i++)
        add_stage(s, &m, eng_py_at(stages, i), rate, i % k);
    uint32_t first = made(s, &m);
    uint32_t *raw = eng_sk_run_of(s, first, k);
    if (asked && raw && eng_sk_ok(s))
        raw = eng_sk_run_of(s, eng_plan_pairs(s->b, ENG_PLAN_PLUS, raw, asked, k), k);
    if (!raw || !classifier) {
        out->y = raw;
        out->n = 1;
        return;
    }
    out->decision = raw;
    out->decisions = k;
    if (k > 1) {
        eng_sk_shared(s, out, eng_sk_share(s, ENG_PLAN_SOFTMAX, raw, k));
        return;
    }
    uint32_t d = is_exponential(e) ? eng_sk_map1(s, ENG_PLAN_TIMES, raw[0], 2, 0) : raw[0];
    eng_sk_shared(s, out, eng_sk_two(s, eng_sk_map1(s, ENG_PLAN_SIGMOID, d, 0, 0)));
}

/* ---- Histogram gradient boosting --------------------------------------------------------------------------- */

typedef struct {
    const eng_py_array *a, *sets;
    const eng_py_field *value, *feature, *threshold, *missing, *left, *right, *leaf, *categorical,
        *set;
} histogram;

static bool open_histogram(eng_sk *s, const eng_py *e, const eng_py *predictor, histogram *h)
{
    const eng_py *nodes = eng_py_attr(predictor, "nodes");
    const eng_py *sets = eng_py_attr(predictor, "raw_left_cat_bitsets");
    if (!eng_py_is(nodes, ENG_PY_ARRAY) || nodes->as.array->dims != 1) {
        eng_sk_fail(s, e, "a tree has no nodes");
        return false;
    }
    const eng_py_array *a = nodes->as.array;
    const eng_py_dtype *t = a->dtype;
    *h = (histogram){.a = a,
                     .sets = eng_py_is(sets, ENG_PY_ARRAY) ? sets->as.array : NULL,
                     .value = eng_py_field_of(t, "value"),
                     .feature = eng_py_field_of(t, "feature_idx"),
                     .threshold = eng_py_field_of(t, "num_threshold"),
                     .missing = eng_py_field_of(t, "missing_go_to_left"),
                     .left = eng_py_field_of(t, "left"),
                     .right = eng_py_field_of(t, "right"),
                     .leaf = eng_py_field_of(t, "is_leaf"),
                     .categorical = eng_py_field_of(t, "is_categorical"),
                     .set = eng_py_field_of(t, "bitset_idx")};
    if (!h->threshold)
        h->threshold = eng_py_field_of(t, "threshold");
    if (!h->value || !h->feature || !h->threshold || !h->missing || !h->left || !h->right ||
        !h->leaf || !a->count) {
        eng_sk_fail(s, e, "a tree's nodes lack a field");
        return false;
    }
    return true;
}

/* Left where one of up to 256 categories is in the set. */
static bool read_set(eng_sk *s, const eng_py *e, const histogram *h, size_t i, eng_plan_node *to)
{
    int64_t at = -1, word = 0;
    if (!h->set || !eng_py_record_int(h->a, h->set, i, &at) || !h->sets || h->sets->dims != 2 ||
        h->sets->shape[1] != 8 || at < 0 || (size_t)at >= h->sets->shape[0]) {
        eng_sk_fail(s, e, "node %zu has no set of categories", i);
        return false;
    }
    uint32_t *words = eng_sk_alloc(s, 8, sizeof *words);
    for (size_t w = 0; words && w < 8; w++)
        words[w] = eng_py_element_int(h->sets, (size_t)at * 8 + w, &word) ? (uint32_t)word : 0;
    to->set = words;
    to->set_words = 8;
    to->flags = (to->flags & ~(uint32_t)ENG_PLAN_OR_EQUAL) | ENG_PLAN_CATEGORIES;
    return words != NULL;
}

static bool read_split(eng_sk *s, const eng_py *e, const histogram *h, size_t i, size_t features,
                       eng_plan_node *to)
{
    int64_t left = 0, right = 0, feature = 0, missing = 0, categorical = 0;
    double threshold = 0;
    bool read = eng_py_record_int(h->a, h->left, i, &left) &&
                eng_py_record_int(h->a, h->right, i, &right) &&
                eng_py_record_int(h->a, h->feature, i, &feature) &&
                eng_py_record(h->a, h->threshold, i, &threshold) &&
                eng_py_record_int(h->a, h->missing, i, &missing);
    if (h->categorical)
        read = read && eng_py_record_int(h->a, h->categorical, i, &categorical);
    if (!read || left <= (int64_t)i || right <= (int64_t)i || left >= (int64_t)h->a->count ||
        right >= (int64_t)h->a->count) {
        eng_sk_fail(s, e, "node %zu has a child outside of the tree", i);
        return false;
    }
    if (feature < 0 || (size_t)feature >= features || (isnan(threshold) && !categorical)) {
        eng_sk_fail(s, e, "node %zu splits feature %lld of %zu at %g", i, (long long)feature,
                    features, threshold);
        return false;
    }
    *to = (eng_plan_node){.threshold = categorical ? 0 : threshold,
                          .left = (uint32_t)left,
                          .right = (uint32_t)right,
                          .feature = (uint32_t)feature,
                          .flags = ENG_PLAN_OR_EQUAL | (missing ? ENG_PLAN_NAN_LEFT : 0)};
    return !categorical || read_set(s, e, h, i, to);
}

static void add_histogram(eng_sk *s, maker *m, const eng_py *e, const eng_py *predictor,
                          size_t target)
{
    histogram h;
    if (!open_histogram(s, e, predictor, &h))
        return;
    eng_plan_node *nodes = eng_sk_alloc(s, h.a->count, sizeof *nodes);
    double *values = eng_sk_alloc(s, h.a->count, sizeof *values);
    for (size_t i = 0; nodes && values && i < h.a->count; i++) {
        int64_t leaf = 0;
        if (!eng_py_record_int(h.a, h.leaf, i, &leaf) ||
            !eng_py_record(h.a, h.value, i, values + i) || !isfinite(values[i])) {
            eng_sk_fail(s, e, "node %zu has no value", i);
            return;
        }
        if (leaf)
            nodes[i] = (eng_plan_node){.left = ENG_PLAN_LEAF, .right = (uint32_t)i};
        else if (!read_split(s, e, &h, i, m->n, nodes + i))
            return;
    }
    if (nodes && values && m->forest)
        eng_plan_forest_add(m->forest, nodes, h.a->count, values, h.a->count, target);
}

/* Categories that training did not see go where missing values go. */
static void only_known(eng_sk *s, const eng_py *e, uint32_t *ids, size_t n)
{
    const eng_py *is = eng_sk_attr(e, "_is_categorical_remapped is_categorical_");
    const eng_py *known = eng_py_attr(eng_py_attr(e, "_bin_mapper"), "bin_thresholds_");
    size_t count = 0;
    if (!eng_py_is(is, ENG_PY_ARRAY) || !ids)
        return;
    if (is->as.array->count != n || eng_py_count(known) != n) {
        eng_sk_fail(s, e, "it says of %zu columns whether they are categories, of %zu",
                    is->as.array->count, n);
        return;
    }
    static const double nan_row[1] = {NAN};
    for (size_t i = 0; i < n && eng_sk_ok(s); i++) {
        double yes = 0;
        if (!eng_py_element(is->as.array, i, &yes) || yes == 0)
            continue;
        const double *keys = eng_sk_numbers(s, e, eng_py_at(known, i), "bin_thresholds_", &count,
                                            true);
        const eng_plan_keys k = {.numbers = keys,
                                 .count = count,
                                 .width = 1,
                                 .rows = keys,
                                 .missing = nan_row,
                                 .unknown = nan_row};
        if (keys && count)
            ids[i] = eng_plan_lookup(s->b, ids[i], &k);
    }
}

static void histogram_boosted(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    bool classifier = eng_py_is_a(e, "HistGradientBoostingClassifier");
    const eng_py *stages = eng_py_attr(e, "_predictors"), *before = eng_sk_attr(e, "_preprocessor");
    eng_sk_expect(s, e, x);
    if (classifier && !eng_sk_classes(s, e, out))
        return;
    size_t k = classifier && out->k > 2 ? out->k : 1, count = eng_py_count(stages);
    if (!eng_py_is(stages, ENG_PY_LIST) || (classifier && out->k < 2)) {
        eng_sk_fail(s, e, "it has no trees: is it fitted?");
        return;
    }
    if (before)
        x = eng_sk_transform(s, before, x);
    uint32_t *ids = eng_sk_loose(s, e, x);
    only_known(s, e, ids, x.n);
    const double *start = eng_sk_vector(s, e, "_baseline_prediction", k);
    maker m = make(s, ids, x.n, k, 1, start, false);
    for (size_t i = 0; i < count * k && eng_sk_ok(s) && !s->dry; i++) {
        mark kept = enter(s);
        if (eng_py_count(eng_py_at(stages, i / k)) != k)
            eng_sk_fail(s, e, "a stage has %zu trees, not %zu",
                        eng_py_count(eng_py_at(stages, i / k)), k);
        else
            add_histogram(s, &m, e, eng_py_at(eng_py_at(stages, i / k), i % k), i % k);
        leave(s, &kept);
    }
    uint32_t *raw = eng_sk_run_of(s, made(s, &m), k);
    if (!raw)
        return;
    if (!classifier) {
        bool log = eng_sk_is(e, "loss", "poisson") || eng_sk_is(e, "loss", "gamma");
        eng_sk_regression(s, out, log ? eng_sk_map1(s, ENG_PLAN_EXP, raw[0], 0, 0) : raw[0], 1);
        return;
    }
    out->decision = raw;
    out->decisions = k;
    eng_sk_shared(s, out,
                  k > 1 ? eng_sk_share(s, ENG_PLAN_SOFTMAX, raw, k)
                        : eng_sk_two(s, eng_sk_map1(s, ENG_PLAN_SIGMOID, raw[0], 0, 0)));
}

/* ---- Isolation forests --------------------------------------------------------------------------------------- */

/* The mean length of a path in a tree of n samples. */
static double path_length(double n)
{
    if (n <= 1)
        return 0;
    return n <= 2 ? 1 : 2 * (log(n - 1) + 0.5772156649015329) - 2 * (n - 1) / n;
}

static double *depths(eng_sk *s, const eng_py *e, const tree *t, const eng_plan_node *nodes)
{
    double *depth = eng_sk_alloc(s, t->nodes, sizeof *depth);
    if (!depth || !nodes)
        return NULL;
    for (size_t i = 0; i < t->nodes; i++) {
        double n = 0;
        if (nodes[i].left != ENG_PLAN_LEAF) {
            depth[nodes[i].left] = depth[nodes[i].right] = depth[i] + 1;
            continue;
        }
        if (!eng_py_record(t->node, t->samples, i, &n)) {
            eng_sk_fail(s, e, "a leaf does not say how many samples it had");
            return NULL;
        }
        depth[i] += path_length(n);
    }
    return depth;
}

static void isolation(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    const eng_py *list = eng_py_attr(e, "estimators_"),
                 *columns = eng_py_attr(e, "estimators_features_");
    size_t count = eng_py_count(list);
    eng_sk_expect(s, e, x);
    if (!count || (columns && eng_py_count(columns) != count))
        eng_sk_fail(s, e, "it has %zu trees for columns of %zu", count, eng_py_count(columns));
    double whole = (double)count * path_length(eng_sk_number(s, e, "_max_samples max_samples_", 0));
    double offset = eng_sk_number(s, e, "offset_", -0.5);
    uint32_t *ids = s->version >= 1006 ? eng_sk_loose(s, e, x) : eng_sk_dense(s, e, x);
    maker m = make(s, ids, x.n, 1, 1, NULL, true);
    for (size_t i = 0; i < count && eng_sk_ok(s) && !s->dry; i++) {
        tree t;
        mark kept = enter(s);
        size_t n = x.n;
        size_t *features = columns ? read_features(s, e, eng_py_at(columns, i), x.n, &n) : NULL;
        if (eng_sk_ok(s) && open_tree(s, eng_py_at(list, i), n, &t))
            add_tree(s, &m, e, &t, depths(s, e, &t, read_nodes(s, e, &t, n)), features, n, 0);
        leave(s, &kept);
    }
    /* -2 ^ -(depth / whole) - offset_: below 0 it is an outlier. */
    uint32_t y = eng_sk_map1(s, ENG_PLAN_OVER, made(s, &m), whole != 0 ? whole : 1, 0);
    y = eng_sk_map1(s, ENG_PLAN_TIMES, y, -M_LN2, 0);
    y = eng_sk_map1(s, ENG_PLAN_EXP, y, 0, 0);
    y = eng_sk_map1(s, ENG_PLAN_AFFINE, y, -1, -offset);
    eng_plan_label *labels = eng_sk_alloc(s, 2, sizeof *labels);
    const uint32_t zero = eng_plan_constant(s->b, 0);
    if (!labels)
        return;
    labels[0].number = -1;
    labels[1].number = 1;
    out->classifier = true;
    out->classes = labels;
    out->k = 2;
    out->decision = eng_sk_run_of(s, y, 1);
    out->decisions = 1;
    out->index = eng_plan_pairs(s->b, ENG_PLAN_IS_LESS, &y, &zero, 1);
    out->index = eng_sk_map1(s, ENG_PLAN_AFFINE, out->index, -1, 1);
}

const eng_sk_row eng_sk_tree_rows[] = {
    {"DecisionTreeClassifier", tree_or_forest, NULL},
    {"DecisionTreeRegressor", tree_or_forest, NULL},
    {"ExtraTreeClassifier", tree_or_forest, NULL},
    {"ExtraTreeRegressor", tree_or_forest, NULL},
    {"RandomForestClassifier", tree_or_forest, NULL},
    {"RandomForestRegressor", tree_or_forest, NULL},
    {"ExtraTreesClassifier", tree_or_forest, NULL},
    {"ExtraTreesRegressor", tree_or_forest, NULL},
    {"GradientBoostingClassifier", boosted, NULL},
    {"GradientBoostingRegressor", boosted, NULL},
    {"HistGradientBoostingClassifier", histogram_boosted, NULL},
    {"HistGradientBoostingRegressor", histogram_boosted, NULL},
    {"IsolationForest", isolation, NULL},
    {NULL, NULL, NULL},
};
