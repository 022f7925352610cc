/* What the two libraries have in common: results, and a file of either. */
#include "learn/boost.h"

#include "base/alloc.h"
#include "base/error.h"

static void say_result(eng_plan_builder *b, const eng_boost_built *built,
                       const eng_boost_options *options)
{
    char about[160];
    size_t n = built->classes > built->count ? built->classes : built->count;
    bool labelled = options && options->classes;
    if (eng_plan_failed(b, NULL) < 0)
        return;
    if (labelled && options->class_count != built->classes) {
        eng_plan_fail(b, ENG_EMALFORMED, "labels of %zu classes for a model of %zu",
                      options->class_count, built->classes);
        return;
    }
    uint32_t *columns = eng_alloc_array(2 * n, sizeof *columns);
    eng_plan_label *labels = eng_alloc_array(built->classes, sizeof *labels);
    if (!columns || !labels) {
        eng_free(columns);
        eng_free(labels);
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        columns[i] = built->predicted + (uint32_t)i;
        columns[n + i] = built->shares + (uint32_t)i;
    }
    for (size_t i = 0; i < built->classes; i++)
        labels[i] = labelled ? options->classes[i]
                             : (eng_plan_label){.type = ENG_PLAN_LABEL_INT, .number = (double)i};
    snprintf(about, sizeof about, "%s, %.*s, %zu trees", built->format,
             (int)(built->objective.len < 100 ? built->objective.len : 100), built->objective.ptr,
             built->trees);
    eng_plan_results results = {.task = built->task,
                                .predicted = columns,
                                .count = built->count,
                                .shares = built->shares == ENG_PLAN_NONE ? NULL : columns + n,
                                .classes = labels,
                                .class_count = built->classes,
                                .format = eng_str_of(built->format),
                                .about = options && options->about.len ? options->about
                                                                       : eng_str_of(about)};
    eng_plan_result(b, &results);
    eng_free(columns);
    eng_free(labels);
}

bool eng_boost_likely(eng_str bytes)
{
    return eng_lightgbm_likely(bytes) || eng_xgboost_likely(bytes);
}

static eng_status build_xgboost(eng_str bytes, const eng_boost_options *options, eng_arena *arena,
                                eng_plan_builder *b, eng_error *err)
{
    eng_xgboost m;
    eng_boost_built built;
    eng_status status = eng_xgboost_read(bytes, arena, &m, err);
    if (status < 0)
        return status;
    uint32_t *x = eng_arena_array(arena, m.features, sizeof *x);
    if (!x)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    eng_xgboost_inputs(b, &m, options, x);
    eng_xgboost_build(b, &m, options, x, &built);
    say_result(b, &built, options);
    return eng_plan_failed(b, err);
}

static eng_status build_lightgbm(eng_str bytes, const eng_boost_options *options, eng_arena *arena,
                                 eng_plan_builder *b, eng_error *err)
{
    eng_lightgbm m;
    eng_boost_built built;
    eng_status status = eng_lightgbm_read(bytes, arena, &m, err);
    if (status < 0)
        return status;
    uint32_t *x = eng_arena_array(arena, m.features, sizeof *x);
    if (!x)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    eng_lightgbm_inputs(b, &m, options, x);
    eng_lightgbm_build(b, &m, options, x, &built);
    say_result(b, &built, options);
    return eng_plan_failed(b, err);
}

eng_status eng_boost_plan(eng_str bytes, const eng_boost_options *options, eng_plan **out,
                          eng_error *err)
{
    eng_arena arena;
    eng_plan_builder *b;
    eng_status status = eng_plan_builder_new(&b, err);
    if (status < 0)
        return status;
    eng_arena_init(&arena, 1 << 16, NULL);
    if (eng_lightgbm_likely(bytes))
        status = build_lightgbm(bytes, options, &arena, b, err);
    else
        status = build_xgboost(bytes, options, &arena, b, err);
    eng_arena_clear(&arena);
    if (status == ENG_OK)
        status = eng_plan_finish(b, out, err);
    eng_plan_builder_free(b);
    return status;
}

/* ---- A model to try things with ---- */

eng_str eng_boost_dummy(void)
{
    return ENG_STR("tree\n"
                   "version=v4\n"
                   "num_class=1\n"
                   "num_tree_per_iteration=1\n"
                   "label_index=0\n"
                   "max_feature_idx=2\n"
                   "objective=regression\n"
                   "feature_names=dep_delay distance carrier\n"
                   "feature_infos=[-43:1301] [17:4983] 0:1:2\n"
                   "\n"
                   "Tree=0\n"
                   "num_leaves=6\n"
                   "num_cat=0\n"
                   "split_feature=0 0 0 0 0\n"
                   "split_gain=5 4 3 2 1\n"
                   "threshold=15.5 -2.5 60.5 30.5 150.5\n"
                   "decision_type=2 2 2 2 2\n"
                   "left_child=1 -1 3 -3 -5\n"
                   "right_child=2 -2 4 -4 -6\n"
                   "leaf_value=-11.5 2.25 21 41.5 91 226.5\n"
                   "leaf_weight=1 1 1 1 1 1\n"
                   "leaf_count=1 1 1 1 1 1\n"
                   "internal_value=0 0 0 0 0\n"
                   "internal_weight=0 0 0 0 0\n"
                   "internal_count=6 2 4 2 2\n"
                   "is_linear=0\n"
                   "shrinkage=1\n"
                   "\n"
                   "\n"
                   "Tree=1\n"
                   "num_leaves=3\n"
                   "num_cat=1\n"
                   "split_feature=2 1\n"
                   "split_gain=2 1\n"
                   "threshold=0 1000.5\n"
                   "decision_type=1 2\n"
                   "left_child=-1 -2\n"
                   "right_child=1 -3\n"
                   "leaf_value=-2.5 1.25 -0.75\n"
                   "leaf_weight=1 1 1\n"
                   "leaf_count=1 1 1\n"
                   "internal_value=0 0\n"
                   "internal_weight=0 0\n"
                   "internal_count=3 2\n"
                   "cat_boundaries=0 1\n"
                   "cat_threshold=3\n"
                   "is_linear=0\n"
                   "shrinkage=1\n"
                   "\n"
                   "\n"
                   "end of trees\n"
                   "\n"
                   "feature_importances:\n"
                   "dep_delay=5\n"
                   "distance=1\n"
                   "carrier=1\n"
                   "\n"
                   "parameters:\n"
                   "[categorical_feature: 2]\n"
                   "\n"
                   "end of parameters\n"
                   "\n"
                   "pandas_categorical:[[\"AA\", \"DL\", \"UA\"]]\n");
}
