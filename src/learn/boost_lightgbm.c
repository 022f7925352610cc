/* LightGBM: everything in double, the trees of a class in their order; then the link. */
#include "learn/boost.h"

#include "base/alloc.h"
#include "base/check.h"

#include <math.h>

/* ---- Inputs ---- */

/* "[low:high]" of a number. */
static bool range_of(eng_str info, double *low, double *high)
{
    eng_str a, c;
    if (info.len < 2 || info.ptr[0] != '[' || info.ptr[info.len - 1] != ']')
        return false;
    return eng_str_cut(eng_str_sub(info, 1, info.len - 2), ':', &a, &c) &&
           eng_number_read(a, low) && eng_number_read(c, high);
}

static bool listed(eng_str list, size_t wanted)
{
    int64_t n;
    while (list.len) {
        eng_str word;
        if (!eng_str_cut(list, ',', &word, &list))
            list = (eng_str){"", 0};
        if (eng_str_i64(word, &n) && n == (int64_t)wanted)
            return true;
    }
    return false;
}

static bool is_category(const eng_lightgbm *m, size_t i)
{
    if (m->categorical.len)
        return listed(m->categorical, i);
    return m->infos && m->infos[i].len && m->infos[i].ptr[0] != '[' &&
           !eng_str_eq(m->infos[i], ENG_STR("none"));
}

static bool all_texts(const eng_json *list)
{
    for (size_t i = 0; i < eng_json_count(list); i++)
        if (!eng_json_is(eng_json_at(list, i), ENG_JSON_STRING))
            return false;
    return true;
}

/* Categories become their number, as pandas counts them; others are missing. */
static uint32_t code_of(eng_plan_builder *b, uint32_t x, const eng_json *list, const eng_str *texts)
{
    static const double missing = NAN;
    size_t n = eng_json_count(list);
    double *codes = eng_alloc_array(n, sizeof *codes), *keys = eng_alloc_array(n, sizeof *keys);
    uint32_t column = ENG_PLAN_NONE;
    bool good = codes && keys;
    if (!good)
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < n && good; i++) {
        const eng_json *v = eng_json_at(list, i);
        codes[i] = (double)i;
        if (eng_json_is(v, ENG_JSON_BOOL))
            keys[i] = v->as.boolean;
        else if (!texts && !eng_json_number(v, &keys[i]))
            good = false;
    }
    if (codes && keys && !good)
        eng_plan_fail(b, ENG_EUNSUPPORTED, "a LightGBM model with categories of mixed types");
    if (good)
        column = eng_plan_lookup(b, x,
                                 &(eng_plan_keys){.texts = texts,
                                                  .numbers = texts ? NULL : keys,
                                                  .count = n,
                                                  .width = 1,
                                                  .rows = codes,
                                                  .missing = &missing,
                                                  .unknown = &missing});
    eng_free(codes);
    eng_free(keys);
    return column;
}

/* The texts of a list, to be freed; NULL, and no failure, where it holds others. */
static eng_str *texts_of(eng_plan_builder *b, const eng_json *list)
{
    if (!list || !all_texts(list))
        return NULL;
    eng_str *texts = eng_alloc_array(eng_json_count(list), sizeof *texts);
    if (!texts)
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; texts && i < eng_json_count(list); i++)
        texts[i] = eng_json_text(eng_json_at(list, i));
    return texts;
}

/* pandas' categories stand in the order of the columns that have any; where they are not as many as those,
 * nobody can tell which is whose. */
static const eng_json *categories_of(const eng_lightgbm *m, size_t feature)
{
    size_t before = 0, all = 0;
    for (size_t i = 0; i < m->features; i++) {
        before += i < feature && is_category(m, i);
        all += is_category(m, i);
    }
    if (!is_category(m, feature) || !m->pandas || eng_json_count(m->pandas) != all)
        return NULL;
    const eng_json *list = eng_json_at(m->pandas, before);
    return eng_json_is(list, ENG_JSON_ARRAY) && eng_json_count(list) ? list : NULL;
}

void eng_lightgbm_inputs(eng_plan_builder *b, const eng_lightgbm *m,
                         const eng_boost_options *options, uint32_t *x)
{
    const eng_str *names = m->names;
    if (options && options->names && options->name_count == m->features)
        names = options->names;
    for (size_t i = 0; i < m->features && eng_plan_failed(b, NULL) == ENG_OK; i++) {
        const eng_json *list = m->pandas ? categories_of(m, i) : NULL;
        eng_str *texts = texts_of(b, list);
        eng_plan_field field = {.name = names ? names[i] : (eng_str){0},
                                .missing = true,
                                .unknown = true,
                                .integer = !list && is_category(m, i)};
        if (texts) {
            field.type = ENG_PLAN_TEXT;
            field.categories = texts;
            field.category_count = eng_json_count(list);
        }
        field.ranged = !list && m->infos && range_of(m->infos[i], &field.low, &field.high);
        x[i] = eng_plan_input(b, &field);
        eng_free(texts);
    }
    for (size_t i = 0; i < m->features && m->pandas && eng_plan_failed(b, NULL) == ENG_OK; i++) {
        const eng_json *list = categories_of(m, i);
        eng_str *texts = texts_of(b, list);
        if (list && eng_plan_failed(b, NULL) == ENG_OK)
            x[i] = code_of(b, x[i], list, texts);
        eng_free(texts);
    }
}

/* ---- Trees ---- */

static uint32_t child(double c, size_t splits, size_t leaves)
{
    if (c >= 0 && c < (double)splits)
        return (uint32_t)c;
    /* Leaves stand behind the splits. */
    if (c < 0 && -1 - c < (double)leaves)
        return (uint32_t)(splits + (size_t)(-1 - c));
    return UINT32_MAX - 1;
}

static uint32_t flags_of(unsigned decision)
{
    enum { CATEGORICAL = 1, DEFAULT_LEFT = 2, MISSING_ZERO = 1, MISSING_NAN = 2 };
    unsigned missing = decision >> 2 & 3;
    uint32_t left = decision & DEFAULT_LEFT ? ENG_PLAN_NAN_LEFT : 0;
    if (decision & CATEGORICAL)
        return ENG_PLAN_CATEGORIES;
    if (missing == MISSING_NAN)
        return ENG_PLAN_OR_EQUAL | left;
    if (missing == MISSING_ZERO)
        return ENG_PLAN_OR_EQUAL | ENG_PLAN_ZERO_IS_NAN | left;
    return ENG_PLAN_OR_EQUAL | ENG_PLAN_NAN_IS_ZERO;
}

static bool set_of(const eng_lightgbm_tree *t, double number, uint32_t *words, eng_plan_node *n)
{
    if (!(number >= 0 && number < (double)t->sets))
        return false;
    size_t from = (size_t)t->set_ends[(size_t)number], to = (size_t)t->set_ends[(size_t)number + 1];
    for (size_t i = from; i < to; i++)
        words[i] = t->set_words[i] >= 0 && t->set_words[i] <= UINT32_MAX ? (uint32_t)t->set_words[i]
                                                                         : 0;
    n->set = words + from;
    n->set_words = (uint32_t)(to - from);
    return true;
}

static bool add_tree(eng_plan_builder *b, eng_plan_forest *f, const eng_lightgbm_tree *t,
                     size_t target)
{
    size_t splits = t->leaves - 1, count = splits + t->leaves;
    eng_plan_node *nodes = eng_alloc_array(count, sizeof *nodes);
    uint32_t *words = eng_alloc_array(t->words, sizeof *words);
    bool good = nodes && words;
    if (!good)
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < splits && good; i++) {
        double feature = t->feature[i], decision = t->decision[i];
        nodes[i] = (eng_plan_node){
            .threshold = t->threshold[i],
            .left = child(t->left[i], splits, t->leaves),
            .right = child(t->right[i], splits, t->leaves),
            .feature = feature >= 0 && feature < UINT32_MAX ? (uint32_t)feature : UINT32_MAX,
            .flags = flags_of(decision >= 0 && decision < 16 ? (unsigned)decision : 0)};
        if (nodes[i].flags & ENG_PLAN_CATEGORIES && !set_of(t, t->threshold[i], words, &nodes[i])) {
            eng_plan_fail(b, ENG_EMALFORMED, "a LightGBM tree with categories that do not exist");
            good = false;
        }
    }
    for (size_t i = 0; i < t->leaves && good; i++)
        nodes[splits + i] = (eng_plan_node){.left = ENG_PLAN_LEAF, .right = (uint32_t)i};
    if (good)
        eng_plan_forest_add(f, nodes, count, t->leaf, t->leaves, target);
    eng_free(nodes);
    eng_free(words);
    return good;
}

static size_t trees_used(const eng_lightgbm *m, const eng_boost_options *options)
{
    size_t most;
    if (!options || !options->iterations || !eng_mul(options->iterations, m->classes, &most) ||
        most > m->tree_count)
        return m->tree_count;
    return most;
}

static uint32_t sum_trees(eng_plan_builder *b, const eng_lightgbm *m, size_t used,
                          const uint32_t *x)
{
    eng_plan_forest_spec spec = {.x = x, .n = m->features, .outputs = m->classes, .width = 1};
    eng_plan_forest *f = eng_plan_forest_new(b, &spec);
    for (size_t i = 0; f && i < used; i++)
        if (!add_tree(b, f, &m->trees[i], i % m->classes))
            break;
    return eng_plan_forest_end(f);
}

/* ---- Results ---- */

/* "binary sigmoid:1": the word behind a name, or the preset. */
static double word_of(eng_str objective, eng_str name, double preset)
{
    double x;
    while (objective.len) {
        eng_str word, value;
        if (!eng_str_cut(objective, ' ', &word, &objective))
            objective = (eng_str){"", 0};
        if (eng_str_starts(word, name) && eng_str_cut(word, ':', &word, &value) &&
            eng_number_read(value, &x))
            return x;
    }
    return preset;
}

static bool is_one_of(eng_str name, const char *const *list)
{
    for (; *list; list++)
        if (eng_str_eq(name, eng_str_of(*list)))
            return true;
    return false;
}

static const char *const plain[] = {
    "regression",  "regression_l1", "huber",         "fair", "quantile", "mape", "lambdarank",
    "rank_xendcg", "custom",        "regression_l2", "none", "",         NULL};
static const char *const rates[] = {"poisson", "gamma", "tweedie", NULL};

static void sigmoids(eng_plan_builder *b, const uint32_t *x, size_t n, double steep, uint32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t scaled = x[i];
        if (steep != 1)
            scaled = eng_plan_map(b, ENG_PLAN_TIMES, &x[i], 1, &steep, NULL);
        out[i] = eng_plan_map(b, ENG_PLAN_SIGMOID, &scaled, 1, NULL, NULL);
    }
}

static void finish_binary(eng_plan_builder *b, double steep, eng_boost_built *out)
{
    static const double half = 0.5, minus = -1, one = 1;
    uint32_t p, other, both[2];
    sigmoids(b, &out->raw, 1, steep, &p);
    other = eng_plan_map(b, ENG_PLAN_AFFINE, &p, 1, &minus, &one);
    both[0] = other;
    both[1] = p;
    out->task = ENG_PLAN_CLASSIFICATION;
    out->classes = 2;
    out->predicted = eng_plan_map(b, ENG_PLAN_ABOVE, &p, 1, &half, NULL);
    out->shares = eng_plan_map(b, ENG_PLAN_TIMES, both, 2, (double[]){1, 1}, NULL);
}

static void finish_many(eng_plan_builder *b, bool one_each, double steep, eng_boost_built *out)
{
    size_t n = out->raw_count;
    uint32_t *x = eng_alloc_array(n, sizeof *x);
    double *ones = eng_alloc_array(n, sizeof *ones);
    out->task = ENG_PLAN_CLASSIFICATION;
    out->classes = n;
    if (!x || !ones)
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; x && ones && i < n; i++) {
        x[i] = out->raw + (uint32_t)i;
        ones[i] = 1;
    }
    if (x && ones) {
        if (one_each)
            sigmoids(b, x, n, steep, x);
        out->shares = one_each ? eng_plan_map(b, ENG_PLAN_TIMES, x, n, ones, NULL)
                               : eng_plan_share(b, ENG_PLAN_SOFTMAX, x, n);
        for (size_t i = 0; i < n; i++)
            x[i] = out->shares + (uint32_t)i;
        out->predicted = eng_plan_reduce(b, ENG_PLAN_ARGMAX, x, n);
    }
    eng_free(x);
    eng_free(ones);
}

static void finish_number(eng_plan_builder *b, eng_str name, eng_str objective,
                          eng_boost_built *out)
{
    uint32_t x = out->raw;
    out->predicted = x;
    if (is_one_of(name, rates)) {
        out->predicted = eng_plan_map(b, ENG_PLAN_EXP, &x, 1, NULL, NULL);
    } else if (eng_str_eq(name, ENG_STR("cross_entropy"))) {
        out->predicted = eng_plan_map(b, ENG_PLAN_SIGMOID, &x, 1, NULL, NULL);
    } else if (eng_str_eq(name, ENG_STR("cross_entropy_lambda"))) {
        out->predicted = eng_plan_map(b, ENG_PLAN_SOFTPLUS, &x, 1, NULL, NULL);
    } else if (eng_str_eq(name, ENG_STR("regression")) &&
               eng_str_find(objective, ENG_STR(" sqrt")) != SIZE_MAX) {
        uint32_t sign = eng_plan_map(b, ENG_PLAN_SIGN, &x, 1, NULL, NULL);
        uint32_t square = eng_plan_map(b, ENG_PLAN_SQUARE, &x, 1, NULL, NULL);
        out->predicted = eng_plan_pairs(b, ENG_PLAN_BY, &sign, &square, 1);
    } else if (!is_one_of(name, plain)) {
        eng_plan_fail(b, ENG_EUNSUPPORTED, "a LightGBM model of objective '%.*s'",
                      (int)(name.len < 60 ? name.len : 60), name.ptr);
    }
}

static void average(eng_plan_builder *b, size_t rounds, eng_boost_built *out)
{
    size_t n = out->raw_count;
    uint32_t *x = eng_alloc_array(n, sizeof *x);
    double *over = eng_alloc_array(n, sizeof *over);
    if (!x || !over)
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; x && over && i < n; i++) {
        x[i] = out->raw + (uint32_t)i;
        over[i] = (double)rounds;
    }
    if (x && over)
        out->raw = eng_plan_map(b, ENG_PLAN_OVER, x, n, over, NULL);
    eng_free(x);
    eng_free(over);
}

void eng_lightgbm_build(eng_plan_builder *b, const eng_lightgbm *m,
                        const eng_boost_options *options, const uint32_t *x, eng_boost_built *out)
{
    eng_str name = m->objective, rest;
    size_t used = trees_used(m, options);
    double steep = word_of(m->objective, ENG_STR("sigmoid"), 1);
    eng_str_cut(m->objective, ' ', &name, &rest);
    *out = (eng_boost_built){.task = ENG_PLAN_REGRESSION,
                             .count = 1,
                             .predicted = ENG_PLAN_NONE,
                             .shares = ENG_PLAN_NONE,
                             .raw_count = m->classes,
                             .format = "lightgbm",
                             .objective = name,
                             .trees = used};
    if (eng_plan_failed(b, NULL) < 0)
        return;
    out->raw = sum_trees(b, m, used, x);
    if (m->average && used >= m->classes)
        average(b, used / m->classes, out);
    bool each = eng_str_eq(name, ENG_STR("multiclassova"));
    if (eng_str_eq(name, ENG_STR("binary")) && m->classes == 1)
        finish_binary(b, steep, out);
    else if ((each || eng_str_eq(name, ENG_STR("multiclass"))) && m->classes > 1)
        finish_many(b, each, steep, out);
    else if (m->classes == 1)
        finish_number(b, name, m->objective, out);
    else
        eng_plan_fail(b, ENG_EUNSUPPORTED, "a LightGBM model of %zu outputs and objective '%.*s'",
                      m->classes, (int)(name.len < 60 ? name.len : 60), name.ptr);
}
