/*
 * LightGBM's text files as plain data: what Booster.save_model writes and a pickled Booster holds.
 * Versions 2 to 4. Bytes are a stranger's; that children and features exist is looked at when a plan is
 * built (learn/boost.h).
 */
#ifndef ENG_FORMAT_LIGHTGBM_H
#define ENG_FORMAT_LIGHTGBM_H

#include "base/arena.h"
#include "base/str.h"
#include "json/json.h"

enum { ENG_LIGHTGBM_TREES = 1 << 20, ENG_LIGHTGBM_FEATURES = 65536, ENG_LIGHTGBM_CLASSES = 65536 };

typedef struct {
    size_t leaves;              /* splits are one fewer */
    const double *leaf;         /* [leaves] */
    const double *threshold;    /* [splits]; categorical: the number of its set */
    const double *feature;      /* the rest as numbers too; [splits] */
    const double *decision;     /* bit 0: categorical, 1: default left, 2 and 3: what is missing */
    const double *left, *right; /* a split, or -1 - leaf */
    const double *set_ends;     /* [sets + 1], in words */
    const double *set_words;
    size_t sets, words;
} eng_lightgbm_tree;

typedef struct {
    eng_str objective; /* "binary sigmoid:1" */
    size_t features;
    size_t classes; /* outputs of a round: trees are of class 0, 1 ... 0, 1 ... */
    bool average;   /* a random forest: over the number of rounds */
    const eng_lightgbm_tree *trees;
    size_t tree_count;
    const eng_str *names;   /* [features] */
    const eng_str *infos;   /* [features]: "[low:high]", "3:1:2", "none"; NULL: none */
    eng_str categorical;    /* "4,5"; empty: none or not said */
    const eng_json *pandas; /* a list of lists of categories, or NULL */
} eng_lightgbm;

bool eng_lightgbm_likely(eng_str bytes);
/* All of it lives in the arena, and borrows from the bytes. ENG_EMALFORMED with the line, ENG_ETOOBIG;
 * ENG_EUNSUPPORTED: trees with linear models in their leaves. */
eng_status eng_lightgbm_read(eng_str bytes, eng_arena *arena, eng_lightgbm *out,
                             eng_error *err) ENG_MUST_CHECK;

#endif
