/*
 * Boosted trees of XGBoost and LightGBM as plans.
 *
 *     status = eng_boost_plan(bytes, NULL, &plan, err);          a file of either, in any of its forms
 *
 * or in parts, where the model is one piece of another (a pickled wrapper in a pipeline):
 *
 *     eng_xgboost_read(bytes, &arena, &m, err);
 *     eng_xgboost_inputs(b, &m, &options, x);                    or columns of the importer's own
 *     eng_xgboost_build(b, &m, &options, x, &built);
 *
 * What comes is what Booster.predict gives: XGBoost's sums in single precision and in its order.
 */
#ifndef ENG_LEARN_BOOST_H
#define ENG_LEARN_BOOST_H

#include "format/lightgbm.h"
#include "format/xgboost.h"
#include "learn/plan.h"

typedef struct {
    const eng_str *names; /* of all features, in place of the file's; NULL: those */
    size_t name_count;
    const eng_plan_label *classes; /* labels, in place of 0, 1 ... */
    size_t class_count;
    size_t iterations; /* rounds that are used, from the first on; 0: all */
    eng_str about;     /* empty: "xgboost, binary:logistic, 12 trees" */
} eng_boost_options;

/* Columns that the model makes. */
typedef struct {
    eng_plan_task task;
    uint32_t predicted; /* the first of `count` */
    size_t count;
    uint32_t shares; /* the first of `classes`; ENG_PLAN_NONE: none */
    size_t classes;  /* of a classification */
    uint32_t raw;    /* the first of the sums before any link, `raw_count` of them */
    size_t raw_count;
    const char *format;
    eng_str objective;
    size_t trees;
} eng_boost_built;

/* options may be NULL. A failure sticks in the builder. x[features] gets a column for each feature:
 * numbers, or the number of a category where the file keeps categories. */
void eng_xgboost_inputs(eng_plan_builder *b, const eng_xgboost *m, const eng_boost_options *options,
                        uint32_t *x);
void eng_xgboost_build(eng_plan_builder *b, const eng_xgboost *m, const eng_boost_options *options,
                       const uint32_t *x, eng_boost_built *out);

void eng_lightgbm_inputs(eng_plan_builder *b, const eng_lightgbm *m,
                         const eng_boost_options *options, uint32_t *x);
void eng_lightgbm_build(eng_plan_builder *b, const eng_lightgbm *m,
                        const eng_boost_options *options, const uint32_t *x, eng_boost_built *out);

bool eng_boost_likely(eng_str bytes);
/* ENG_EMALFORMED, ENG_ETRUNCATED, ENG_ETOOBIG, ENG_EUNSUPPORTED. */
eng_status eng_boost_plan(eng_str bytes, const eng_boost_options *options, eng_plan **out,
                          eng_error *err) ENG_MUST_CHECK;

/* A small sound file of LightGBM's, to try the service with: three fields of a flight, its delay. */
eng_str eng_boost_dummy(void);

#endif
