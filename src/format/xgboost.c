/* XGBoost's JSON and UBJSON; xgboost_binary.c has the old raw structs. */
#include "format/xgboost.h"

#include "base/check.h"
#include "base/error.h"
#include "format/ubjson.h"
#include "format/xgboost_internal.h"
#include "json/json.h"

#include <math.h>

typedef struct {
    eng_arena *arena;
    eng_xgboost *m;
    eng_error *err;
} reader;

static eng_status malformed(const reader *r, const char *what)
{
    return eng_fail(r->err, ENG_EMALFORMED, "an XGBoost model: %s", what);
}

static eng_status no_memory(const reader *r)
{
    return eng_fail(r->err, ENG_ENOMEM, "an XGBoost model: out of memory");
}

/* A whole number of [0, most]; `preset` where there is none. */
static bool whole(const eng_ubj *v, double most, double preset, size_t *out)
{
    double n = preset;
    if (v && !eng_ubj_number(v, &n))
        return false;
    *out = (size_t)(n >= 0 && n <= most ? n : 0);
    return n >= 0 && n <= most && n == floor(n);
}

/* ---- One tree ---- */

/* A list of `count` numbers; NULL where it is none. */
static const double *numbers(const eng_ubj *tree, const char *name, size_t count)
{
    const eng_ubj *v = eng_ubj_get(tree, name);
    return v && v->type == ENG_UBJ_NUMBERS && v->count == count ? v->numbers : NULL;
}

static bool to_u32(double x, uint32_t *out)
{
    if (!(x >= 0 && x <= UINT32_MAX))
        return false;
    *out = (uint32_t)x;
    return true;
}

/* One node's categories as bits: those from `from` on, `count` of them. */
static eng_status read_set(const reader *r, const eng_ubj *all, double from, double count,
                           eng_xgboost_node *n)
{
    double most = 0;
    if (!(from >= 0 && count >= 0) || from + count > (double)all->count)
        return malformed(r, "categories that do not exist");
    const double *c = all->numbers + (size_t)from;
    for (size_t i = 0; i < (size_t)count; i++) {
        if (!(c[i] >= 0 && c[i] < 1 << 21))
            return malformed(r, "a category out of range");
        most = fmax(most, c[i]);
    }
    n->set_words = (uint32_t)most / 32 + 1;
    uint32_t *set = eng_arena_zalloc(r->arena, n->set_words * sizeof *set);
    if (!set)
        return no_memory(r);
    for (size_t i = 0; i < (size_t)count; i++)
        set[(uint32_t)c[i] / 32] |= 1U << (uint32_t)c[i] % 32;
    n->set = set;
    return ENG_OK;
}

static eng_status read_sets(const reader *r, const eng_ubj *tree, eng_xgboost_node *nodes,
                            size_t count)
{
    const eng_ubj *all = eng_ubj_get(tree, "categories");
    const eng_ubj *of = eng_ubj_get(tree, "categories_nodes");
    eng_status status = ENG_OK;
    if (!of || of->count == 0)
        return ENG_OK;
    const double *from = numbers(tree, "categories_segments", of->count);
    const double *sizes = numbers(tree, "categories_sizes", of->count);
    if (of->type != ENG_UBJ_NUMBERS || !all || all->type != ENG_UBJ_NUMBERS || !from || !sizes)
        return malformed(r, "categories without their nodes");
    for (size_t i = 0; i < of->count && status == ENG_OK; i++) {
        if (!(of->numbers[i] >= 0 && of->numbers[i] < (double)count))
            return malformed(r, "categories of a node that does not exist");
        status = read_set(r, all, from[i], sizes[i], &nodes[(size_t)of->numbers[i]]);
    }
    return status;
}

static eng_status read_tree(const reader *r, const eng_ubj *tree, eng_xgboost_tree *out)
{
    const eng_ubj *left = eng_ubj_get(tree, "left_children");
    size_t count = left ? left->count : 0, vector = 1;
    const double *l = numbers(tree, "left_children", count);
    const double *right = numbers(tree, "right_children", count);
    const double *feature = numbers(tree, "split_indices", count);
    const double *value = numbers(tree, "split_conditions", count);
    const double *missing = numbers(tree, "default_left", count);
    const double *type = numbers(tree, "split_type", count);
    const eng_ubj *param = eng_ubj_get(tree, "tree_param");
    if (!whole(eng_ubj_get(param, "size_leaf_vector"), ENG_XGBOOST_CLASSES, 1, &vector) ||
        vector > 1)
        return eng_fail(r->err, ENG_EUNSUPPORTED,
                        "an XGBoost model whose leaves hold vectors (multi_output_tree)");
    if (!count || count > INT32_MAX || !l || !right || !feature || !value || !missing)
        return malformed(r, "a tree whose lists are not of one length");
    eng_xgboost_node *nodes = eng_arena_array(r->arena, count, sizeof *nodes);
    if (!nodes)
        return no_memory(r);
    for (size_t i = 0; i < count; i++) {
        nodes[i] = (eng_xgboost_node){.left = -1,
                                      .value = (float)value[i],
                                      .default_left = missing[i] != 0,
                                      .categorical = type && type[i] == 1};
        if (l[i] == -1)
            continue;
        if (!(l[i] >= 0 && l[i] < (double)count && right[i] >= 0 && right[i] < (double)count))
            return malformed(r, "a tree with a child that does not exist");
        if (!to_u32(feature[i], &nodes[i].feature))
            return malformed(r, "a tree with a feature that does not exist");
        nodes[i].left = (int32_t)l[i];
        nodes[i].right = (int32_t)right[i];
    }
    *out = (eng_xgboost_tree){.nodes = nodes, .count = count, .weight = 1};
    return read_sets(r, tree, nodes, count);
}

/* ---- All of them ---- */

static eng_status read_trees(const reader *r, const eng_ubj *model)
{
    const eng_ubj *trees = eng_ubj_get(model, "trees"), *info = eng_ubj_get(model, "tree_info");
    const eng_ubj *param = eng_ubj_get(model, "gbtree_model_param");
    size_t count = trees ? trees->count : 0;
    eng_status status = ENG_OK;
    if (!trees || count > ENG_XGBOOST_TREES || (count && trees->type != ENG_UBJ_LIST) || !info ||
        info->type != ENG_UBJ_NUMBERS || info->count != count)
        return malformed(r, "trees without their classes");
    if (!whole(eng_ubj_get(param, "num_parallel_tree"), ENG_XGBOOST_TREES, 1, &r->m->trees_each))
        return malformed(r, "num_parallel_tree");
    eng_xgboost_tree *to = eng_arena_array(r->arena, count, sizeof *to);
    if (!to)
        return no_memory(r);
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        status = read_tree(r, &trees->items[i], &to[i]);
        if (status == ENG_OK && !to_u32(info->numbers[i], &to[i].group))
            status = malformed(r, "a tree of a class that does not exist");
    }
    r->m->trees = to;
    r->m->tree_count = count;
    return status;
}

static eng_status read_weights(const reader *r, const eng_ubj *model)
{
    size_t count;
    const eng_ubj *v = eng_ubj_get(model, "weights");
    if (!eng_mul(r->m->features + 1, r->m->groups, &count) || !v || v->type != ENG_UBJ_NUMBERS ||
        v->count != count)
        return malformed(r, "weights that are not as many as its features");
    float *to = eng_arena_array(r->arena, count, sizeof *to);
    if (!to)
        return no_memory(r);
    for (size_t i = 0; i < count; i++)
        to[i] = (float)v->numbers[i];
    r->m->weights = to;
    r->m->linear = true;
    return ENG_OK;
}

static eng_status read_dart(const reader *r, const eng_ubj *booster)
{
    const eng_ubj *drop = eng_ubj_get(booster, "weight_drop");
    eng_status status = read_trees(r, eng_ubj_get(eng_ubj_get(booster, "gbtree"), "model"));
    if (status < 0)
        return status;
    if (!drop || drop->type != ENG_UBJ_NUMBERS || drop->count != r->m->tree_count)
        return malformed(r, "trees without their weights");
    for (size_t i = 0; i < r->m->tree_count; i++)
        ((eng_xgboost_tree *)(uintptr_t)r->m->trees)[i].weight = (float)drop->numbers[i];
    return ENG_OK;
}

/* ---- What stands around them ---- */

static eng_status read_texts(const reader *r, const eng_ubj *v, const eng_str **out)
{
    if (!v || v->count == 0)
        return ENG_OK;
    if (v->type != ENG_UBJ_LIST || v->count != r->m->features)
        return malformed(r, "names that are not as many as its features");
    eng_str *to = eng_arena_array(r->arena, v->count, sizeof *to);
    if (!to)
        return no_memory(r);
    for (size_t i = 0; i < v->count; i++)
        to[i] = eng_ubj_text(&v->items[i]);
    *out = to;
    return ENG_OK;
}

static eng_status put_base(const reader *r, const double *from, size_t count)
{
    double *to = eng_arena_array(r->arena, r->m->groups, sizeof *to);
    if (!to)
        return no_memory(r);
    for (size_t i = 0; i < r->m->groups; i++)
        to[i] = (double)(float)from[count == 1 ? 0 : i];
    r->m->base = to;
    return ENG_OK;
}

/* A number, or from 3.1 on a list of them in brackets, as text. */
static eng_status read_base(const reader *r, const eng_ubj *v)
{
    double one = 0.5;
    eng_str text = eng_ubj_text(v);
    const eng_ubj *list;
    if (!eng_str_starts(text, ENG_STR("[")))
        return !v || eng_ubj_number(v, &one) ? put_base(r, &one, 1) : malformed(r, "base_score");
    eng_status status = eng_loose_json_read(text, r->arena, &list, r->err);
    if (status < 0)
        return status;
    if (list->type != ENG_UBJ_NUMBERS || (list->count != 1 && list->count != r->m->groups))
        return malformed(r, "base_score");
    return put_base(r, list->numbers, list->count);
}

/* A feature's categories, as pandas or Arrow had them: text as bytes with the ends of each. */
static eng_status read_column(const reader *r, const eng_ubj *v, eng_xgboost_categories *out)
{
    const eng_ubj *values = eng_ubj_get(v, "values"), *ends = eng_ubj_get(v, "offsets");
    *out = (eng_xgboost_categories){0};
    if (!values || values->type != ENG_UBJ_NUMBERS)
        return ENG_OK;
    if (!ends) {
        out->numbers = values->numbers;
        out->count = values->count;
        return ENG_OK;
    }
    if (ends->type != ENG_UBJ_NUMBERS || ends->count == 0)
        return malformed(r, "categories without their ends");
    char *bytes = eng_arena_alloc(r->arena, values->count);
    eng_str *texts = eng_arena_array(r->arena, ends->count, sizeof *texts);
    if (!bytes || !texts)
        return no_memory(r);
    for (size_t i = 0; i < values->count; i++)
        bytes[i] = (char)(uint8_t)(int64_t)fmax(-128, fmin(255, values->numbers[i]));
    for (size_t i = 0; i + 1 < ends->count; i++) {
        double from = ends->numbers[i], to = ends->numbers[i + 1];
        if (!(from >= 0 && from <= to && to <= (double)values->count))
            return malformed(r, "categories whose ends do not rise");
        texts[i] = (eng_str){bytes + (size_t)from, (size_t)to - (size_t)from};
    }
    *out = (eng_xgboost_categories){.is_text = true, .texts = texts, .count = ends->count - 1};
    return ENG_OK;
}

static eng_status read_categories(const reader *r, const eng_ubj *cats)
{
    const eng_ubj *enc = eng_ubj_get(cats, "enc");
    eng_status status = ENG_OK;
    if (!enc || enc->count == 0)
        return ENG_OK;
    if (enc->type != ENG_UBJ_LIST || enc->count != r->m->features)
        return malformed(r, "categories that are not as many as its features");
    eng_xgboost_categories *to = eng_arena_array(r->arena, enc->count, sizeof *to);
    if (!to)
        return no_memory(r);
    for (size_t i = 0; i < enc->count && status == ENG_OK; i++)
        status = read_column(r, &enc->items[i], &to[i]);
    r->m->categories = to;
    return status;
}

static eng_status read_params(const reader *r, const eng_ubj *learner)
{
    const eng_ubj *param = eng_ubj_get(learner, "learner_model_param");
    eng_xgboost *m = r->m;
    size_t targets = 1;
    double best;
    if (!whole(eng_ubj_get(param, "num_feature"), ENG_XGBOOST_FEATURES, -1, &m->features) ||
        !whole(eng_ubj_get(param, "num_class"), ENG_XGBOOST_CLASSES, 0, &m->classes) ||
        !whole(eng_ubj_get(param, "num_target"), ENG_XGBOOST_CLASSES, 1, &targets))
        return malformed(r, "no learner_model_param");
    m->groups = m->classes > 1 ? m->classes : targets > 1 ? targets : 1;
    m->objective = eng_ubj_text(eng_ubj_get(eng_ubj_get(learner, "objective"), "name"));
    m->best_iteration = -1;
    if (eng_ubj_number(eng_ubj_get(eng_ubj_get(learner, "attributes"), "best_iteration"), &best) &&
        best >= 0 && best < ENG_XGBOOST_TREES)
        m->best_iteration = (int64_t)best;
    eng_status status = read_base(r, eng_ubj_get(param, "base_score"));
    if (status == ENG_OK)
        status = read_texts(r, eng_ubj_get(learner, "feature_names"), &m->names);
    if (status == ENG_OK)
        status = read_texts(r, eng_ubj_get(learner, "feature_types"), &m->types);
    return status;
}

static eng_status read_learner(const reader *r, const eng_ubj *root)
{
    const eng_ubj *inner = eng_ubj_get(root, "Model");
    if (inner)
        root = inner;
    const eng_ubj *learner = eng_ubj_get(root, "learner"), *version = eng_ubj_get(root, "version");
    const eng_ubj *booster = eng_ubj_get(learner, "gradient_booster");
    eng_str name = eng_ubj_text(eng_ubj_get(booster, "name"));
    for (size_t i = 0; version && version->type == ENG_UBJ_NUMBERS && i < version->count && i < 3;
         i++)
        r->m->version[i] = (int)fmax(0, fmin(9999, version->numbers[i]));
    if (!booster)
        return malformed(r, "no learner with a gradient_booster");
    eng_status status = read_params(r, learner);
    if (status < 0)
        return status;
    const eng_ubj *model = eng_ubj_get(booster, "model");
    if (eng_str_eq(name, ENG_STR("gblinear")))
        return read_weights(r, model);
    status = eng_str_eq(name, ENG_STR("dart")) ? read_dart(r, booster) : read_trees(r, model);
    if (eng_str_eq(name, ENG_STR("dart")))
        model = eng_ubj_get(eng_ubj_get(booster, "gbtree"), "model");
    return status == ENG_OK ? read_categories(r, eng_ubj_get(model, "cats")) : status;
}

/* ---- Telling the forms apart ---- */

enum { FORM_NONE, FORM_BINARY, FORM_UBJSON, FORM_JSON };

static int form_of(eng_str b)
{
    size_t i = 1;
    if (eng_str_starts(b, ENG_STR("binf")))
        return FORM_BINARY;
    if (!eng_str_starts(b, ENG_STR("{")))
        return FORM_NONE;
    while (i < b.len && memchr(" \t\r\n", b.ptr[i], 4))
        i++;
    if (i < b.len && b.ptr[i] == '"')
        return FORM_JSON;
    return i == 1 && b.len > 1 && b.ptr[1] && strchr("LlIUi#$", b.ptr[1]) ? FORM_UBJSON : FORM_NONE;
}

bool eng_xgboost_likely(eng_str bytes)
{
    eng_str head = eng_str_sub(bytes, 0, 1 << 16);
    return form_of(bytes) == FORM_BINARY ||
           (form_of(bytes) != FORM_NONE && (eng_str_find(head, ENG_STR("learner")) != SIZE_MAX ||
                                            eng_str_find(head, ENG_STR("Config")) != SIZE_MAX));
}

eng_status eng_xgboost_read(eng_str bytes, eng_arena *arena, eng_xgboost *out, eng_error *err)
{
    eng_xgboost m = {.best_iteration = -1, .trees_each = 1};
    reader r = {.arena = arena, .m = &m, .err = err};
    const eng_ubj *root;
    eng_status status;
    switch (form_of(bytes)) {
    case FORM_BINARY:
        status = eng_xgboost_read_binary(bytes, arena, &m, err);
        break;
    case FORM_UBJSON:
    case FORM_JSON:
        status = form_of(bytes) == FORM_JSON ? eng_loose_json_read(bytes, arena, &root, err)
                                             : eng_ubjson_read(bytes, arena, &root, err);
        if (status == ENG_OK)
            status = read_learner(&r, root);
        break;
    default:
        return malformed(&r, "it begins as none");
    }
    if (status == ENG_OK)
        *out = m;
    return status;
}
