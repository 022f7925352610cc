/*
 * Any file of a model for tables, as a plan: pickles and joblib files of scikit-learn, XGBoost and
 * LightGBM, and the last two's own files. Nothing in a file is executed; what is refused is named.
 */
#ifndef ENG_LEARN_TABLE_H
#define ENG_LEARN_TABLE_H

#include "learn/plan.h"

/* What a file may unpack to. */
#define ENG_TABLE_UNPACKED ((size_t)8 << 30)

/*
 * ENG_EMALFORMED for all that is no model we can run (a class that is not on the list, an estimator that
 * is not known, parts that do not fit together), ENG_ETRUNCATED, ENG_ETOOBIG for bombs.
 */
eng_status eng_table_plan(eng_str file, eng_plan **out, eng_error *err) ENG_MUST_CHECK;

/*
 * What a file holds, for people or as JSON, without loading it: estimators with their parameters and
 * features, versions, and every name that it would have imported. ENG_EFORBIDDEN, with `out` written all
 * the same, where it names or calls what no model needs; ENG_EMALFORMED and the like as above.
 */
eng_status eng_table_inspect(eng_str file, bool json, eng_buf *out, eng_error *err) ENG_MUST_CHECK;

#endif
