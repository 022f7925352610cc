/* What the two libraries have in common: results, and a file of either. */
#include "learn/boost.h"

#include "base/alloc.h"
#include "base/error.h"

void eng_boost_result(eng_plan_builder *b, const eng_boost_built *built,
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
    eng_boost_result(b, &built, options);
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
    eng_boost_result(b, &built, options);
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

eng_status eng_plan_dummy(eng_plan **out, eng_error *err)
{
    static const eng_str carriers[] = {{"AA", 2}, {"DL", 2}, {"UA", 2}};
    static const double rows[] = {-4, -6.5, 1}, none = 0;
    static const double scale[] = {0.98}, shift[] = {-3};
    eng_plan_builder *b;
    eng_status status = eng_plan_builder_new(&b, err);
    if (status < 0)
        return status;
    uint32_t delay = eng_plan_input(
        b,
        &(eng_plan_field){.name = ENG_STR("dep_delay"), .ranged = true, .low = -43, .high = 1301});
    uint32_t distance = eng_plan_input(
        b, &(eng_plan_field){.name = ENG_STR("distance"), .ranged = true, .low = 17, .high = 4983});
    uint32_t carrier = eng_plan_input(b, &(eng_plan_field){.name = ENG_STR("carrier"),
                                                           .type = ENG_PLAN_TEXT,
                                                           .unknown = true,
                                                           .categories = carriers,
                                                           .category_count = 3});
    eng_plan_keys keys = {
        .texts = carriers, .count = 3, .width = 1, .rows = rows, .unknown = &none};
    uint32_t parts[3] = {eng_plan_map(b, ENG_PLAN_AFFINE, &delay, 1, scale, shift),
                         eng_plan_map(b, ENG_PLAN_TIMES, &distance, 1, &(double){-0.002}, NULL),
                         eng_plan_lookup(b, carrier, &keys)};
    uint32_t sum = eng_plan_reduce(b, ENG_PLAN_SUM, parts, 3);
    eng_plan_result(b, &(eng_plan_results){.task = ENG_PLAN_REGRESSION,
                                           .predicted = &sum,
                                           .count = 1,
                                           .format = ENG_STR("engenho"),
                                           .about = ENG_STR("a dummy: arrival delay in minutes")});
    status = eng_plan_finish(b, out, err);
    eng_plan_builder_free(b);
    return status;
}
