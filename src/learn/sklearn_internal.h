/*
 * What the importers of scikit-learn's estimators (sklearn_*.c) share.
 *
 * An importer is a function of an estimator and of columns: a transformer returns columns, a predictor
 * fills in what it predicts. Both build operators as they go. The first failure sticks in the builder
 * and what comes after it means nothing, so nothing is checked on the way but what would be read out of
 * bounds: every array is asked for with the size that it must have, and NULL comes for any other.
 *
 * A model is imported twice. The first time finds out what its inputs are (numbers or texts, with which
 * categories, whether they may be missing) and builds nothing that counts; the second time builds.
 */
#ifndef ENG_LEARN_SKLEARN_INTERNAL_H
#define ENG_LEARN_SKLEARN_INTERNAL_H

#include "base/arena.h"
#include "base/error.h"
#include "format/pickle.h"
#include "learn/plan.h"
#include "learn/sklearn.h"

#define ENG_SK_NONE UINT32_MAX
enum { ENG_SK_DEPTH = 24, ENG_SK_COLUMNS = 1 << 21 };

typedef struct {
    bool text;
    bool no_missing; /* somebody needs a number here */
    bool unknown;    /* values beside the categories are taken */
    eng_str name;
    eng_str *categories;
    size_t category_count;
} eng_sk_input;

/* A column while it is on its way. */
typedef struct {
    uint32_t id;     /* in the plan; of a text: of its input */
    uint32_t input;  /* the input that it is, as it came; ENG_SK_NONE */
    uint32_t origin; /* the input whose missing values it would pass on; ENG_SK_NONE */
    bool text;
    bool filled; /* of a text: `fill` stands for what is missing */
    eng_str fill;
    struct eng_sk_words *words; /* of a term of a text that is still a vector; else NULL */
    uint32_t term;
} eng_sk_col;

/* The vector of a text, of which products are taken without making columns of its terms. */
typedef struct eng_sk_words {
    uint32_t input;
    eng_plan_words how;
    uint32_t first; /* its columns, once somebody wanted them; ENG_PLAN_NONE */
} eng_sk_words;

typedef struct {
    eng_sk_col *at;
    size_t n;
} eng_sk_cols;

typedef struct eng_sk_out {
    bool classifier;
    uint32_t *y; /* of a regressor; or 0 and 1 of several labels, with shares of as many classes */
    size_t n;
    const eng_plan_label *classes;
    size_t k;
    uint32_t index;     /* which class it predicts */
    uint32_t *shares;   /* [k], or NULL */
    uint32_t *decision; /* [decisions]: 1 for two classes, else k; or NULL */
    size_t decisions;
    struct eng_sk_out *several; /* of a classifier of several outputs, which has nothing else */
    size_t several_count;
} eng_sk_out;

typedef struct eng_sk {
    eng_plan_builder *b;
    eng_arena arena;
    eng_sk_input *inputs;
    size_t input_count;
    unsigned depth;
    bool dry;         /* the first time */
    unsigned version; /* of scikit-learn: 1005 is 1.5; of the estimator that is being imported */
} eng_sk;

typedef void eng_sk_predict_fn(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out);
typedef eng_sk_cols eng_sk_transform_fn(eng_sk *s, const eng_py *e, eng_sk_cols x);

typedef struct {
    const char *class;
    eng_sk_predict_fn *predict;
    eng_sk_transform_fn *transform;
} eng_sk_row;

/* Tables that end in a row without a class. */
extern const eng_sk_row eng_sk_linear_rows[];
extern const eng_sk_row eng_sk_tree_rows[];
extern const eng_sk_row eng_sk_meta_rows[];
extern const eng_sk_row eng_sk_near_rows[];
extern const eng_sk_row eng_sk_several_rows[];
extern const eng_sk_row eng_sk_scale_rows[];
extern const eng_sk_row eng_sk_encode_rows[];
extern const eng_sk_row eng_sk_compose_rows[];
extern const eng_sk_row eng_sk_boost_rows[];
extern const eng_sk_row eng_sk_text_rows[];
extern const eng_sk_row eng_sk_gauss_rows[];
extern const eng_sk_row eng_sk_process_rows[];
extern const eng_sk_row eng_sk_matrix_rows[];
extern const eng_sk_row eng_sk_impute_rows[];

/* ---- By name (sklearn.c) ---- */

const eng_sk_row *eng_sk_find(const eng_py *e);
void eng_sk_predict(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out);
eng_sk_cols eng_sk_transform(eng_sk *s, const eng_py *e, eng_sk_cols x);
/* A transformer or a predictor; "passthrough", None. */
bool eng_sk_passes(const eng_py *e);
/* How many columns an estimator says it takes; false: it does not say. */
bool eng_sk_features(const eng_py *e, size_t *out);
/* Its names of them; NULL: none. */
const eng_py *eng_sk_names(const eng_py *e);

/* ---- Failing, asking (sklearn_read.c) ---- */

bool eng_sk_ok(const eng_sk *s);
/* "Ridge: ..." */
void eng_sk_fail(eng_sk *s, const eng_py *e, const char *format, ...) ENG_PRINTF(3, 4);
void *eng_sk_alloc(eng_sk *s, size_t count, size_t size);

/* The first of several names (parted by blanks) that is there: names that changed between versions. */
const eng_py *eng_sk_attr(const eng_py *e, const char *names);
bool eng_sk_is(const eng_py *e, const char *attribute, const char *text);
double eng_sk_number(eng_sk *s, const eng_py *e, const char *names, double otherwise);
/* Numbers of an array or a list, in C order: exactly `count` of them, or NULL and a failure. NaN and
 * infinity fail too, but for eng_sk_any_vector. */
const double *eng_sk_vector(eng_sk *s, const eng_py *e, const char *names, size_t count);
const double *eng_sk_any_vector(eng_sk *s, const eng_py *e, const char *names, size_t *count);
/* The same of a value that is at hand. */
const double *eng_sk_numbers(eng_sk *s, const eng_py *e, const eng_py *v, const char *what,
                             size_t *count, bool finite);
/* One or two dimensions, sparse (CSR) too; a single one is a row. */
const double *eng_sk_matrix(eng_sk *s, const eng_py *e, const char *names, size_t *rows,
                            size_t *columns);
/* Rows to hold those of x against: one at least, each as wide. */
const double *eng_sk_rows(eng_sk *s, const eng_py *e, eng_sk_cols x, const char *names, size_t *n);
const eng_plan_label *eng_sk_labels(eng_sk *s, const eng_py *e, const eng_py *classes,
                                    size_t *count);

/* ---- Columns ---- */

eng_sk_cols eng_sk_columns(eng_sk *s, size_t n);
/* Columns of numbers that are no input any more: first, first + 1 ... */
eng_sk_cols eng_sk_fresh(eng_sk *s, uint32_t first, size_t n);
uint32_t *eng_sk_run_of(eng_sk *s, uint32_t first, size_t n);
/* Their numbers in the plan: columns that may hold NaN, or columns that must not. */
uint32_t *eng_sk_loose(eng_sk *s, const eng_py *e, eng_sk_cols x);
uint32_t *eng_sk_dense(eng_sk *s, const eng_py *e, eng_sk_cols x);
/* weights[m][x.n] * x + bias (NULL: none): the first of m columns. */
uint32_t eng_sk_product(eng_sk *s, const eng_py *e, eng_sk_cols x, const double *weights,
                        const double *bias, size_t m);
/* The column of one term (sklearn_text.c). */
uint32_t eng_sk_term(eng_sk *s, const eng_py *e, const eng_sk_col *col);
/* f of each column, which passes on what is missing. */
eng_sk_cols eng_sk_map(eng_sk *s, const eng_py *e, eng_plan_fn fn, eng_sk_cols x, const double *a,
                       const double *b);
uint32_t eng_sk_map1(eng_sk *s, eng_plan_fn fn, uint32_t x, double a, double b);
uint32_t *eng_sk_map_all(eng_sk *s, eng_plan_fn fn, const uint32_t *x, size_t n, double a,
                         double b);
eng_sk_cols eng_sk_pick(eng_sk *s, const eng_py *e, eng_sk_cols x, const bool *mask, size_t n);
/* Fails where an estimator says that it takes another number of columns. */
void eng_sk_expect(eng_sk *s, const eng_py *e, eng_sk_cols x);

/* The column is text from now on: the first time that is noted, and false; the second time it is so. */
bool eng_sk_as_text(eng_sk *s, const eng_py *e, eng_sk_col *col);
eng_sk_cols eng_sk_joined(eng_sk *s, eng_sk_cols *parts, size_t n);
/* The fields that a DictVectorizer takes, in the order of its features; their number, 0 after a failure
 * (sklearn_encode.c). */
size_t eng_sk_dict_fields(eng_sk *s, const eng_py *e, eng_str **out);

/* ---- What classifiers have in common (sklearn_linear.c) ---- */

void eng_sk_regression(eng_sk *s, eng_sk_out *out, uint32_t first, size_t n);
/* classes_ of an estimator; false after a failure. */
bool eng_sk_classes(eng_sk *s, const eng_py *e, eng_sk_out *out);
/* The same of a list of them, of which each is of an output; false too where it is no list. */
bool eng_sk_several(eng_sk *s, const eng_py *e, eng_sk_out *out);
/* 0 or 1 of each of n labels, above a limit; and shares where there are any. */
void eng_sk_marked(eng_sk *s, eng_sk_out *out, const uint32_t *x, size_t n, double limit,
                   uint32_t *shares);
/* One column above 0 for the second of two classes, or one a class, of which the largest counts. */
void eng_sk_decided(eng_sk *s, eng_sk_out *out, uint32_t first, size_t n);
/* The largest share counts. */
void eng_sk_shared(eng_sk *s, eng_sk_out *out, uint32_t *shares);
/* [1 - p, p] */
uint32_t *eng_sk_two(eng_sk *s, uint32_t p);
uint32_t *eng_sk_share(eng_sk *s, eng_plan_sharing how, const uint32_t *x, size_t n);
/* Means of columns of several estimators: sums[j] over n. */
uint32_t *eng_sk_mean(eng_sk *s, uint32_t *const *columns, size_t n, size_t width,
                      const double *weights);
/* The label that a classifier predicts, as a number. */
uint32_t eng_sk_label(eng_sk *s, const eng_py *e, const eng_sk_out *out);
/* Of a classifier within another: the number in `classes` of each of its own labels. */
bool eng_sk_codes(eng_sk *s, const eng_py *e, const eng_sk_out *out, size_t k, uint32_t *codes);

/* Each of several estimators, of all columns or of those that `features` names for it; NULL: a failure. */
eng_sk_out *eng_sk_predict_all(eng_sk *s, const eng_py *e, const eng_py *list, eng_sk_cols x,
                               const eng_py *features, size_t *count);
/* Of x and each of `count` vectors of n, by the estimator's kernel and its parameters (sklearn_near.c). */
uint32_t *eng_sk_kernel(eng_sk *s, const eng_py *e, const uint32_t *x, size_t n,
                        const double *vectors, size_t count);
/* 1 where a decision is not below 0, else -1. */
void eng_sk_inlier(eng_sk *s, eng_sk_out *out, uint32_t decision);
/* The class whose point of points[out->k][n] is nearest (sklearn_near.c). */
void eng_sk_to_nearest(eng_sk *s, eng_sk_out *out, const uint32_t *x, size_t n,
                       const double *points);

/* transformer_.inverse_transform of columns (sklearn_scale.c). */
uint32_t *eng_sk_inverse(eng_sk *s, const eng_py *e, uint32_t *x, size_t n);
/* XGBoost's and LightGBM's estimators (sklearn_boost.c). */
bool eng_sk_is_boost(const eng_py *e);
eng_status eng_sk_boost_plan(const eng_py *e, eng_plan **out, eng_error *err) ENG_MUST_CHECK;
/* y = isotonic(x) */
uint32_t eng_sk_isotonic(eng_sk *s, const eng_py *e, uint32_t x);

#endif
