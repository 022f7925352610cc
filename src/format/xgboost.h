/*
 * XGBoost's model files as plain data: .json, .ubj, the old binary .model, and what a pickled Booster
 * holds ({"Config", "Model"} as UBJSON). Versions 0.9 to 3.2.
 *
 * Bytes are a stranger's. What is read agrees with itself in its sizes; that children, features and
 * categories exist is looked at when a plan is built (learn/boost.h).
 */
#ifndef ENG_FORMAT_XGBOOST_H
#define ENG_FORMAT_XGBOOST_H

#include "base/arena.h"
#include "base/str.h"

enum { ENG_XGBOOST_TREES = 1 << 20, ENG_XGBOOST_CLASSES = 65536, ENG_XGBOOST_FEATURES = 65536 };

typedef struct {
    int32_t left; /* -1: a leaf */
    int32_t right;
    uint32_t feature;
    float value; /* a threshold (left where x < value), or what a leaf gives */
    bool default_left;
    bool categorical;
    const uint32_t *set; /* bits: in it means right */
    uint32_t set_words;
} eng_xgboost_node;

typedef struct {
    const eng_xgboost_node *nodes;
    size_t count;
    uint32_t group; /* class or target */
    float weight;   /* of dart; else 1 */
} eng_xgboost_tree;

typedef struct {
    bool is_text;
    const eng_str *texts;
    const double *numbers;
    size_t count;
} eng_xgboost_categories;

typedef struct {
    eng_str objective;
    bool linear; /* gblinear: weights in place of trees */
    const eng_xgboost_tree *trees;
    size_t tree_count;
    size_t trees_each;    /* parallel trees of one class in a round */
    const float *weights; /* of gblinear: [features + 1][groups], the bias last */
    size_t features;
    size_t classes;                           /* 0: no multiclass objective */
    size_t groups;                            /* outputs: classes or targets, at least 1 */
    const double *base;                       /* [groups]: as the file says it, before any link */
    const eng_str *names;                     /* [features], or NULL */
    const eng_str *types;                     /* the same: "float", "int", "c", "i", "q" ... */
    const eng_xgboost_categories *categories; /* [features], or NULL: the file has none */
    int64_t best_iteration;                   /* -1: it says none */
    int version[3];
} eng_xgboost;

/* Whether bytes look like one of the forms: for telling files apart. */
bool eng_xgboost_likely(eng_str bytes);
/* All of it lives in the arena, and borrows from the bytes. ENG_EMALFORMED, ENG_ETRUNCATED, ENG_ETOOBIG;
 * ENG_EUNSUPPORTED: trees whose leaves hold vectors. */
eng_status eng_xgboost_read(eng_str bytes, eng_arena *arena, eng_xgboost *out,
                            eng_error *err) ENG_MUST_CHECK;

#endif
