/*
 * scikit-learn's estimators, from what a pickle holds to a plan: versions 0.24 to 1.9, the ones that
 * people put behind an endpoint (docs/models.md has the table). A file may hold an estimator, or a
 * dictionary with one in it. What is not known, or does not fit together (numbers of features, shapes,
 * children of trees), is ENG_EMALFORMED with the estimator's name.
 */
#ifndef ENG_LEARN_SKLEARN_H
#define ENG_LEARN_SKLEARN_H

#include "format/pickle.h"
#include "learn/plan.h"

/* The plan of the estimator that `root` is or holds. */
eng_status eng_sklearn_plan(const eng_py *root, eng_plan **out, eng_error *err) ENG_MUST_CHECK;

#endif
