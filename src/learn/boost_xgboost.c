/* XGBoost: sums in single precision, base_score first, then the trees in their order; then the link. */
#include "learn/boost.h"

#include "base/alloc.h"
#include "base/check.h"

#include <math.h>

typedef enum { LINK_NONE, LINK_SIGMOID, LINK_EXP, LINK_STEP, LINK_SOFTMAX } link;
typedef enum { BASE_PLAIN, BASE_LOGIT, BASE_LOG } base;

/* What an objective makes of a sum, and of base_score, which files hold as a probability or a rate. */
typedef struct {
    eng_str name;
    link link;
    base base;
    bool classes; /* it tells classes apart */
} objective;

static const objective objectives[] = {
    {{"reg:squarederror", 16}, LINK_NONE, BASE_PLAIN, false},
    {{"reg:linear", 10}, LINK_NONE, BASE_PLAIN, false},
    {{"reg:squaredlogerror", 19}, LINK_NONE, BASE_PLAIN, false},
    {{"reg:absoluteerror", 17}, LINK_NONE, BASE_PLAIN, false},
    {{"reg:pseudohubererror", 20}, LINK_NONE, BASE_PLAIN, false},
    {{"reg:quantileerror", 17}, LINK_NONE, BASE_PLAIN, false},
    {{"reg:expectileerror", 18}, LINK_NONE, BASE_PLAIN, false},
    {{"reg:logistic", 12}, LINK_SIGMOID, BASE_LOGIT, false},
    {{"reg:gamma", 9}, LINK_EXP, BASE_LOG, false},
    {{"reg:tweedie", 11}, LINK_EXP, BASE_LOG, false},
    {{"count:poisson", 13}, LINK_EXP, BASE_LOG, false},
    {{"survival:cox", 12}, LINK_EXP, BASE_LOG, false},
    {{"survival:aft", 12}, LINK_EXP, BASE_LOG, false},
    {{"rank:pairwise", 13}, LINK_NONE, BASE_PLAIN, false},
    {{"rank:ndcg", 9}, LINK_NONE, BASE_PLAIN, false},
    {{"rank:map", 8}, LINK_NONE, BASE_PLAIN, false},
    {{"binary:logistic", 15}, LINK_SIGMOID, BASE_LOGIT, true},
    {{"binary:logitraw", 15}, LINK_NONE, BASE_LOGIT, false},
    {{"binary:hinge", 12}, LINK_STEP, BASE_PLAIN, true},
    {{"multi:softmax", 13}, LINK_SOFTMAX, BASE_PLAIN, true},
    {{"multi:softprob", 14}, LINK_SOFTMAX, BASE_PLAIN, true},
};

static const objective *find_objective(eng_str name)
{
    for (size_t i = 0; i < sizeof objectives / sizeof *objectives; i++)
        if (eng_str_eq(objectives[i].name, name))
            return &objectives[i];
    return NULL;
}

/* ---- Inputs ---- */

/* The number of a category; what is none is refused, as XGBoost does. */
static uint32_t code_of(eng_plan_builder *b, uint32_t x, const eng_xgboost_categories *c)
{
    static const double missing = NAN;
    double *codes = eng_alloc_array(c->count, sizeof *codes);
    if (!codes)
        return eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < c->count; i++)
        codes[i] = (double)i;
    eng_plan_keys keys = {.texts = c->is_text ? c->texts : NULL,
                          .numbers = c->is_text ? NULL : c->numbers,
                          .count = c->count,
                          .width = 1,
                          .rows = codes,
                          .missing = &missing};
    uint32_t column = eng_plan_lookup(b, x, &keys);
    eng_free(codes);
    return column;
}

static const eng_xgboost_categories *categories_of(const eng_xgboost *m, size_t i)
{
    return m->categories && m->categories[i].count ? &m->categories[i] : NULL;
}

void eng_xgboost_inputs(eng_plan_builder *b, const eng_xgboost *m, const eng_boost_options *options,
                        uint32_t *x)
{
    const eng_str *names = m->names;
    if (options && options->names && options->name_count == m->features)
        names = options->names;
    for (size_t i = 0; i < m->features; i++) {
        const eng_xgboost_categories *c = categories_of(m, i);
        eng_str type = m->types ? m->types[i] : ENG_STR("float");
        eng_plan_field field = {.name = names ? names[i] : (eng_str){0},
                                .missing = true,
                                .integer = !c && !eng_str_eq(type, ENG_STR("float")) &&
                                           !eng_str_eq(type, ENG_STR("q"))};
        if (c && c->is_text) {
            field.type = ENG_PLAN_TEXT;
            field.categories = c->texts;
            field.category_count = c->count;
        }
        x[i] = eng_plan_input(b, &field);
    }
    for (size_t i = 0; i < m->features && eng_plan_failed(b, NULL) == ENG_OK; i++)
        if (categories_of(m, i))
            x[i] = code_of(b, x[i], categories_of(m, i));
}

/* ---- Sums ---- */

static double margin_of(base how, double score)
{
    float s = (float)score;
    if (how == BASE_LOGIT)
        return (double)-logf(1.0F / s - 1.0F);
    return how == BASE_LOG ? (double)logf(s) : (double)s;
}

static void add_tree(eng_plan_forest *f, const eng_xgboost_tree *t, eng_plan_node *nodes,
                     double *values)
{
    size_t leaves = 0;
    for (size_t i = 0; i < t->count; i++) {
        const eng_xgboost_node *n = &t->nodes[i];
        if (n->left < 0) {
            nodes[i] = (eng_plan_node){.left = ENG_PLAN_LEAF, .right = (uint32_t)leaves};
            values[leaves++] = (double)(t->weight * n->value);
            continue;
        }
        nodes[i] = (eng_plan_node){.threshold = (double)n->value,
                                   .left = (uint32_t)n->left,
                                   .right = (uint32_t)n->right,
                                   .feature = n->feature,
                                   .flags = n->default_left ? ENG_PLAN_NAN_LEFT : 0,
                                   .set = n->set,
                                   .set_words = n->set_words};
        if (n->categorical)
            nodes[i].flags |= ENG_PLAN_CATEGORIES | ENG_PLAN_SET_RIGHT;
    }
    eng_plan_forest_add(f, nodes, t->count, values, leaves, t->group);
}

static size_t trees_used(const eng_xgboost *m, const eng_boost_options *options)
{
    size_t most;
    if (!options || !options->iterations || !eng_mul(options->iterations, m->groups, &most) ||
        !eng_mul(most, m->trees_each, &most) || most > m->tree_count)
        return m->tree_count;
    return most;
}

static uint32_t sum_trees(eng_plan_builder *b, const eng_xgboost *m,
                          const eng_boost_options *options, const uint32_t *x, const double *init)
{
    size_t largest = 0, used = trees_used(m, options);
    for (size_t i = 0; i < used; i++)
        largest = m->trees[i].count > largest ? m->trees[i].count : largest;
    eng_plan_node *nodes = eng_alloc_array(largest, sizeof *nodes);
    double *values = eng_alloc_array(largest, sizeof *values);
    eng_plan_forest_spec spec = {.x = x,
                                 .n = m->features,
                                 .outputs = m->groups,
                                 .width = 1,
                                 .init = init,
                                 .float_in = true,
                                 .float_sum = true};
    if (!nodes || !values)
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    eng_plan_forest *f = eng_plan_forest_new(b, &spec);
    for (size_t i = 0; f && i < used; i++)
        add_tree(f, &m->trees[i], nodes, values);
    eng_free(nodes);
    eng_free(values);
    return eng_plan_forest_end(f);
}

/* gblinear: what is missing counts as 0. */
static uint32_t sum_linear(eng_plan_builder *b, const eng_xgboost *m, const uint32_t *x,
                           const double *init)
{
    size_t n = m->features, groups = m->groups;
    double *w = eng_alloc_array(n * groups, sizeof *w),
           *bias = eng_alloc_array(groups, sizeof *bias);
    double *zeros = eng_zalloc(n * sizeof *zeros + 1);
    uint32_t *filled = eng_alloc_array(n, sizeof *filled), sum = ENG_PLAN_NONE;
    if (!w || !bias || !zeros || !filled) {
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    } else {
        uint32_t first = eng_plan_map(b, ENG_PLAN_IMPUTE, x, n, zeros, NULL);
        for (size_t g = 0; g < groups; g++) {
            for (size_t i = 0; i < n; i++) {
                w[g * n + i] = (double)m->weights[i * groups + g];
                filled[i] = first + (uint32_t)i;
            }
            bias[g] = (double)m->weights[n * groups + g] + init[g];
        }
        sum = eng_plan_linear(b, filled, n, w, bias, groups);
    }
    eng_free(w);
    eng_free(bias);
    eng_free(zeros);
    eng_free(filled);
    return sum;
}

/* ---- Results ---- */

/* One sum: a share of class 1, or a step. */
static void finish_one(eng_plan_builder *b, const objective *o, eng_boost_built *out)
{
    static const double half = 0.5, zero = 0, minus = -1, one = 1;
    uint32_t p = out->raw;
    out->predicted = p;
    if (o->link == LINK_STEP) {
        out->predicted = eng_plan_map(b, ENG_PLAN_ABOVE, &p, 1, &zero, NULL);
    } else if (o->link == LINK_SIGMOID || o->link == LINK_EXP) {
        eng_plan_fn fn = o->link == LINK_EXP ? ENG_PLAN_EXP_FLOAT : ENG_PLAN_SIGMOID_FLOAT;
        out->predicted = p = eng_plan_map(b, fn, &p, 1, NULL, NULL);
    }
    if (!o->classes)
        return;
    out->task = ENG_PLAN_CLASSIFICATION;
    out->classes = 2;
    if (o->link == LINK_STEP)
        return;
    out->predicted = eng_plan_map(b, ENG_PLAN_ABOVE, &p, 1, &half, NULL);
    uint32_t other = eng_plan_map(b, ENG_PLAN_AFFINE, &p, 1, &minus, &one);
    uint32_t both[2] = {eng_plan_map(b, ENG_PLAN_FLOAT, &other, 1, NULL, NULL), p};
    out->shares = eng_plan_map(b, ENG_PLAN_FLOAT, both, 2, NULL, NULL);
}

static void finish_many(eng_plan_builder *b, const objective *o, eng_boost_built *out)
{
    size_t n = out->raw_count;
    uint32_t *x = eng_alloc_array(n, sizeof *x);
    if (!x) {
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
        return;
    }
    for (size_t i = 0; i < n; i++)
        x[i] = out->raw + (uint32_t)i;
    out->predicted = out->raw;
    out->count = n;
    if (o->link == LINK_SOFTMAX) {
        out->task = ENG_PLAN_CLASSIFICATION;
        out->classes = n;
        out->count = 1;
        out->shares = eng_plan_share(b, ENG_PLAN_SOFTMAX_FLOAT, x, n);
        for (size_t i = 0; i < n; i++)
            x[i] = out->shares + (uint32_t)i;
        out->predicted = eng_plan_reduce(b, ENG_PLAN_ARGMAX, x, n);
    } else if (o->link == LINK_SIGMOID || o->link == LINK_EXP) {
        eng_plan_fn fn = o->link == LINK_EXP ? ENG_PLAN_EXP_FLOAT : ENG_PLAN_SIGMOID_FLOAT;
        out->predicted = eng_plan_map(b, fn, x, n, NULL, NULL);
    }
    eng_free(x);
}

void eng_xgboost_build(eng_plan_builder *b, const eng_xgboost *m, const eng_boost_options *options,
                       const uint32_t *x, eng_boost_built *out)
{
    const objective *o = find_objective(m->objective);
    *out = (eng_boost_built){.task = ENG_PLAN_REGRESSION,
                             .count = 1,
                             .predicted = ENG_PLAN_NONE,
                             .shares = ENG_PLAN_NONE,
                             .raw_count = m->groups,
                             .format = "xgboost",
                             .objective = m->objective,
                             .trees = trees_used(m, options)};
    if (!o) {
        eng_plan_fail(b, ENG_EUNSUPPORTED, "an XGBoost model of objective '%.*s'",
                      (int)(m->objective.len < 60 ? m->objective.len : 60), m->objective.ptr);
        return;
    }
    if (m->features == 0) {
        eng_plan_fail(b, ENG_EMALFORMED, "an XGBoost model without a feature");
        return;
    }
    double *init = eng_alloc_array(m->groups, sizeof *init);
    if (!init) {
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
        return;
    }
    for (size_t i = 0; i < m->groups; i++)
        init[i] = margin_of(o->base, m->base[i]);
    out->raw = m->linear ? sum_linear(b, m, x, init) : sum_trees(b, m, options, x, init);
    eng_free(init);
    if (m->groups > 1)
        finish_many(b, o, out);
    else if (o->link == LINK_SOFTMAX)
        eng_plan_fail(b, ENG_EMALFORMED, "an XGBoost model of one class");
    else
        finish_one(b, o, out);
}
