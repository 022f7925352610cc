/* XGBoost's and LightGBM's estimators: a pickle around a model's own bytes. */
#include "learn/sklearn_internal.h"

#include "learn/boost.h"

static eng_str bytes_of(const eng_py *e)
{
    const eng_py *booster = eng_sk_attr(e, "_Booster");
    const eng_py *handle = eng_sk_attr(booster ? booster : e, "handle _handle model_str");
    if (eng_py_is(handle, ENG_PY_BYTES) || eng_py_is(handle, ENG_PY_STR))
        return handle->as.text;
    return (eng_str){"", 0};
}

bool eng_sk_is_boost(const eng_py *e)
{
    eng_str module = eng_py_module(e);
    return eng_py_is(e, ENG_PY_OBJECT) && (eng_str_starts(module, ENG_STR("xgboost.")) ||
                                           eng_str_starts(module, ENG_STR("lightgbm.")));
}

/* Rounds that predict uses: up to the best one where training stopped early. */
static size_t rounds_of(const eng_py *e)
{
    int64_t best = 0;
    if (eng_py_integer(eng_sk_attr(e, "_best_iteration"), &best) && best > 0)
        return (size_t)best;
    return eng_py_integer(eng_sk_attr(e, "best_iteration"), &best) && best >= 0 ? (size_t)best + 1
                                                                                : 0;
}

/* Labels, where the wrapper keeps them; NULL: it has none, and they are 0, 1 ... */
static const eng_plan_label *labels_of(eng_sk *s, const eng_py *e, size_t *count)
{
    const eng_py *classes = eng_sk_attr(e, "_classes classes_");
    if (!eng_py_is(classes, ENG_PY_ARRAY))
        classes = eng_sk_attr(eng_sk_attr(e, "_le"), "classes_");
    *count = 0;
    return eng_py_is(classes, ENG_PY_ARRAY) ? eng_sk_labels(s, e, classes, count) : NULL;
}

/* Fails in the builder with what reading said. */
static bool read(eng_sk *s, eng_status status, const eng_py *e, const eng_error *err)
{
    if (status != ENG_OK)
        eng_plan_fail(s->b, status == ENG_EUNSUPPORTED ? ENG_EMALFORMED : status, "%.*s: %s",
                      ENG_FMT(eng_py_class(e)), err->message);
    return status == ENG_OK;
}

static void predict(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    eng_error err = {0};
    eng_xgboost xgboost;
    eng_lightgbm lightgbm;
    eng_boost_built built = {.shares = ENG_PLAN_NONE};
    eng_str bytes = bytes_of(e);
    bool is_xgboost = eng_str_starts(eng_py_module(e), ENG_STR("xgboost."));
    eng_boost_options options = {.iterations = rounds_of(e)};
    eng_status status = is_xgboost ? eng_xgboost_read(bytes, &s->arena, &xgboost, &err)
                                   : eng_lightgbm_read(bytes, &s->arena, &lightgbm, &err);
    if (!read(s, status, e, &err))
        return;
    size_t features = is_xgboost ? xgboost.features : lightgbm.features;
    if (features != x.n)
        eng_sk_fail(s, e, "it takes %zu columns and is given %zu", features, x.n);
    uint32_t *ids = eng_sk_loose(s, e, x);
    if (!ids || !eng_sk_ok(s))
        return;
    if (is_xgboost) {
        if (!options.iterations && xgboost.best_iteration >= 0)
            options.iterations = (size_t)xgboost.best_iteration + 1;
        eng_xgboost_build(s->b, &xgboost, &options, ids, &built);
    } else {
        eng_lightgbm_build(s->b, &lightgbm, &options, ids, &built);
    }
    if (!eng_sk_ok(s))
        return;
    if (built.task != ENG_PLAN_CLASSIFICATION) {
        eng_sk_regression(s, out, built.predicted, built.count);
        return;
    }
    out->classifier = true;
    out->index = built.predicted;
    out->k = built.classes;
    out->shares = built.shares == ENG_PLAN_NONE ? NULL : eng_sk_run_of(s, built.shares, out->k);
    size_t known = 0;
    const eng_plan_label *labels = labels_of(s, e, &known);
    if (labels && known != out->k)
        eng_sk_fail(s, e, "it has %zu labels of %zu classes", known, out->k);
    eng_plan_label *numbers = labels ? NULL : eng_sk_alloc(s, out->k, sizeof *numbers);
    for (size_t i = 0; numbers && i < out->k; i++)
        numbers[i].number = (double)i;
    out->classes = labels ? labels : numbers;
}

/* Alone it has its own inputs: names, types and categories as its bytes say them. */
eng_status eng_sk_boost_plan(const eng_py *e, eng_plan **out, eng_error *err)
{
    eng_sk s = {0};
    eng_boost_options options = {.iterations = rounds_of(e)};
    eng_str bytes = bytes_of(e);
    if (!bytes.len)
        return eng_fail(err, ENG_EMALFORMED, "%.*s: it holds no model: is it fitted?",
                        ENG_FMT(eng_py_class(e)));
    eng_arena_init(&s.arena, 4096, NULL);
    eng_status status = eng_plan_builder_new(&s.b, err);
    if (status == ENG_OK && eng_str_starts(eng_py_module(e), ENG_STR("xgboost.")) &&
        !eng_py_is_a(e, "Booster") && !options.iterations) {
        eng_xgboost m;
        status = eng_xgboost_read(bytes, &s.arena, &m, err);
        if (status == ENG_OK && m.best_iteration >= 0)
            options.iterations = (size_t)m.best_iteration + 1;
    }
    if (status == ENG_OK) {
        options.classes = labels_of(&s, e, &options.class_count);
        status = eng_plan_failed(s.b, err);
    }
    if (status == ENG_OK)
        status = eng_boost_plan(bytes, &options, out, err);
    eng_plan_builder_free(s.b);
    eng_arena_clear(&s.arena);
    return status;
}

const eng_sk_row eng_sk_boost_rows[] = {
    {"XGBClassifier", predict, NULL},
    {"XGBRegressor", predict, NULL},
    {"XGBRFClassifier", predict, NULL},
    {"XGBRFRegressor", predict, NULL},
    {"XGBRanker", predict, NULL},
    {"LGBMClassifier", predict, NULL},
    {"LGBMRegressor", predict, NULL},
    {"LGBMRanker", predict, NULL},
    {NULL, NULL, NULL},
};
