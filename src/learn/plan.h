/*
 * Models of tables. Whatever library a model comes from, it becomes a plan: operators over columns of
 * numbers, in the order in which they run. A plan is one run of bytes without pointers, kept in the
 * container (format/container.h, kind "table") and used where it is mapped.
 *
 * Building. Columns are numbered; an operator takes numbers of columns and makes new ones, whose first
 * number it returns. The first failure sticks, and eng_plan_finish says what it was:
 *
 *     eng_plan_builder *b;
 *     status = eng_plan_builder_new(&b, err);
 *     uint32_t x[2] = {eng_plan_input(b, &area), eng_plan_input(b, &city)};
 *     x[0] = eng_plan_map(b, ENG_PLAN_STANDARD, x, 1, mean, scale);
 *     x[1] = eng_plan_lookup(b, x[1], &codes);
 *     uint32_t y = eng_plan_linear(b, x, 2, weights, bias, 1);
 *     eng_plan_result(b, &(eng_plan_results){.task = ENG_PLAN_REGRESSION, .predicted = &y, .count = 1});
 *     status = eng_plan_finish(b, &plan, err);
 *     eng_plan_builder_free(b);
 *
 * Operators compute in double, in the order of their comments, so that what comes is what the library
 * would have given; ENG_PLAN_FLOAT rounds where a library computed in single precision. Finishing drops
 * what no result needs. All arguments are copied.
 *
 * Using. A plan does not change and may be used by any number of threads, each with a scratch of its
 * own; predicting allocates nothing.
 *
 * Bytes of a plan are a stranger's: opening checks everything that running relies on.
 */
#ifndef ENG_LEARN_PLAN_H
#define ENG_LEARN_PLAN_H

#include "base/buf.h"
#include "base/str.h"

enum {
    ENG_PLAN_VERSION = 2,       /* of the operators: a plan of another version is made anew */
    ENG_PLAN_INPUTS = 65536,    /* fields */
    ENG_PLAN_COLUMNS = 1 << 22, /* all columns that operators make */
    ENG_PLAN_CLASSES = 65536,
    ENG_PLAN_DEPTH = 4096,     /* of a tree */
    ENG_PLAN_SPLINE = 16,      /* the degree of a spline */
    ENG_PLAN_NONE = 0xffffffff /* what operators return after a failure; may be passed on */
};

typedef struct eng_plan eng_plan;
typedef struct eng_plan_builder eng_plan_builder;

eng_status eng_plan_builder_new(eng_plan_builder **out, eng_error *err) ENG_MUST_CHECK;
void eng_plan_builder_free(eng_plan_builder *b);
/* The first failure so far, or ENG_OK: for importers that want to stop early. */
eng_status eng_plan_failed(const eng_plan_builder *b, eng_error *err);
/* Makes it fail, for what an importer finds wrong. Returns ENG_PLAN_NONE. */
uint32_t eng_plan_fail(eng_plan_builder *b, eng_status status, const char *format, ...)
    ENG_PRINTF(3, 4);

/* ---- Inputs: the fields of a request, in the order of the model's columns ------------------------ */

typedef enum {
    ENG_PLAN_NUMBER,
    ENG_PLAN_TEXT /* used by eng_plan_lookup and eng_plan_texts alone */
} eng_plan_type;

typedef struct {
    eng_str name; /* empty: the model knows none, and it is called x0, x1 ... */
    eng_plan_type type;
    bool integer;              /* a number that is whole, as a code is */
    bool missing;              /* may be null */
    bool unknown;              /* values beside the categories are taken */
    const eng_str *categories; /* of a text; NULL: any */
    size_t category_count;
    bool ranged; /* low and high are known */
    double low, high;
} eng_plan_field;

uint32_t eng_plan_input(eng_plan_builder *b, const eng_plan_field *field);

/* ---- Operators ------------------------------------------------------------------------------------ */

uint32_t eng_plan_constant(eng_plan_builder *b, double value);

/* y = f(x) for each column, with a and b of each column, first[n] and second[n], where it has them (else NULL). */
#define ENG_PLAN_MAPS(X)                                                                           \
    X(ENG_PLAN_ADD, "add", 1)           /* x + a */                                                \
    X(ENG_PLAN_TIMES, "times", 1)       /* x * a */                                                \
    X(ENG_PLAN_OVER, "over", 1)         /* x / a */                                                \
    X(ENG_PLAN_STANDARD, "standard", 2) /* (x - a) / b */                                          \
    X(ENG_PLAN_AFFINE, "affine", 2)     /* x * a + b, rounded twice */                             \
    X(ENG_PLAN_CLIP, "clip", 2)         /* a where x < a, b where x > b; NaN stays */              \
    X(ENG_PLAN_IMPUTE, "impute", 1)     /* a where x is NaN */                                     \
    X(ENG_PLAN_REPLACE, "replace", 2)   /* b where x == a */                                       \
    X(ENG_PLAN_IS_NAN, "is_nan", 0)     /* 1 or 0 */                                               \
    X(ENG_PLAN_ABOVE, "above", 1)       /* x > a: 1 or 0 */                                        \
    X(ENG_PLAN_EQUALS, "equals", 1)     /* x == a: 1 or 0 */                                       \
    X(ENG_PLAN_FLOAT, "float", 0)       /* rounded to single precision */                          \
    X(ENG_PLAN_EXP, "exp", 0)                                                                      \
    X(ENG_PLAN_EXPM1, "expm1", 0)                                                                  \
    X(ENG_PLAN_LOG, "log", 0)                                                                      \
    X(ENG_PLAN_LOG1P, "log1p", 0)                                                                  \
    X(ENG_PLAN_LOG2, "log2", 0)                                                                    \
    X(ENG_PLAN_LOG10, "log10", 0)                                                                  \
    X(ENG_PLAN_SQRT, "sqrt", 0)                                                                    \
    X(ENG_PLAN_CBRT, "cbrt", 0)                                                                    \
    X(ENG_PLAN_SQUARE, "square", 0)                                                                \
    X(ENG_PLAN_ABS, "abs", 0)                                                                      \
    X(ENG_PLAN_SIGN, "sign", 0)                                                                    \
    X(ENG_PLAN_INVERSE, "inverse", 0) /* 1 / x */                                                  \
    X(ENG_PLAN_FLOOR, "floor", 0)                                                                  \
    X(ENG_PLAN_CEIL, "ceil", 0)                                                                    \
    X(ENG_PLAN_ROUND, "round", 0) /* half to even */                                               \
    X(ENG_PLAN_SIN, "sin", 0)                                                                      \
    X(ENG_PLAN_COS, "cos", 0)                                                                      \
    X(ENG_PLAN_TANH, "tanh", 0)                                                                    \
    X(ENG_PLAN_RELU, "relu", 0)                                                                    \
    X(ENG_PLAN_SIGMOID, "sigmoid", 0)             /* 1 / (1 + exp(-x)) */                          \
    X(ENG_PLAN_SIGMOID_FLOAT, "sigmoid_float", 0) /* as XGBoost: in single precision */            \
    X(ENG_PLAN_EXP_FLOAT, "exp_float", 0)         /* expf */                                       \
    X(ENG_PLAN_SOFTPLUS, "softplus", 0)           /* log1p(exp(x)) */                              \
    X(ENG_PLAN_POWER, "power", 1)                 /* pow(x, a) */                                  \
    X(ENG_PLAN_YEO_JOHNSON, "yeo_johnson", 1)     /* scipy's, with lambda a */                     \
    X(ENG_PLAN_BOX_COX, "box_cox", 1)                                                              \
    X(ENG_PLAN_YEO_JOHNSON_BACK, "yeo_johnson_back", 1)                                            \
    X(ENG_PLAN_BOX_COX_BACK, "box_cox_back", 1)                                                    \
    X(ENG_PLAN_NORMAL_QUANTILE, "normal_quantile", 0) /* of scipy.special.ndtri */                 \
    X(ENG_PLAN_NORMAL_SHARE, "normal_share", 0)       /* its inverse */                            \
    X(ENG_PLAN_ERF, "erf", 0)

typedef enum {
#define ENG_PLAN_MAP_VALUE(name, text, constants) name,
    ENG_PLAN_MAPS(ENG_PLAN_MAP_VALUE)
#undef ENG_PLAN_MAP_VALUE
        ENG_PLAN_MAP_COUNT
} eng_plan_fn;

uint32_t eng_plan_map(eng_plan_builder *b, eng_plan_fn fn, const uint32_t *x, size_t n,
                      const double *first, const double *second);

/*
 * A row of `width` numbers for each category, as `width` new columns: one-hot, ordinal and target
 * encoding alike. Keys are texts of a text input, or numbers of any other column; exactly one of the two
 * is given. A row of NULL for `missing` or `unknown` refuses such values (ENG_EINVALID, naming the field).
 */
typedef struct {
    const eng_str *texts;
    const double *numbers;
    size_t count;
    size_t width;
    const double *rows;    /* [count][width] */
    const double *missing; /* [width]: null, NaN */
    const double *unknown; /* [width]: what is no key */
} eng_plan_keys;

uint32_t eng_plan_lookup(eng_plan_builder *b, uint32_t x, const eng_plan_keys *keys);
/* The same of rows that hold a single 1 or none: key i in column columns[i] (NULL: i; ENG_PLAN_NONE: in
 * none). `rows` is not looked at; where `missing` or `unknown` have their 1 is. No row is made where what
 * follows is a tree or a product. */
uint32_t eng_plan_one_hot(eng_plan_builder *b, uint32_t x, const eng_plan_keys *keys,
                          const uint32_t *columns);

/* numpy.searchsorted(edges, x, side='right'), or 'left': how many edges are <= x (< x). NaN: n. Edges do
 * not fall. */
uint32_t eng_plan_bins(eng_plan_builder *b, uint32_t x, const double *edges, size_t n, bool left);

/* numpy.interp: between points by a straight line, beyond them the first or the last y. NaN stays. */
uint32_t eng_plan_interpolate(eng_plan_builder *b, uint32_t x, const double *xs, const double *ys,
                              size_t n);

/* y[m] = W[m][n] * x + bias (NULL: none): products are summed in the order of x. */
uint32_t eng_plan_linear(eng_plan_builder *b, const uint32_t *x, size_t n, const double *weights,
                         const double *bias, size_t m);
/* Products of powers[m][n]: column j = x0^p[j][0] * x1^p[j][1] ... */
uint32_t eng_plan_polynomial(eng_plan_builder *b, const uint32_t *x, size_t n,
                             const uint32_t *powers, size_t m);

/* Column by column: y[i] = x[i] op z[i]. */
typedef enum {
    ENG_PLAN_PLUS,
    ENG_PLAN_MINUS,
    ENG_PLAN_BY,
    ENG_PLAN_DIVIDED,
    ENG_PLAN_GREATER, /* of two numbers; NaN where one is */
    ENG_PLAN_LESSER,
    ENG_PLAN_IS_LESS, /* 1 or 0 */
    ENG_PLAN_IS_EQUAL,
    ENG_PLAN_WHERE_NAN, /* z where x is NaN, else x */
    ENG_PLAN_OP_COUNT
} eng_plan_op;
uint32_t eng_plan_pairs(eng_plan_builder *b, eng_plan_op op, const uint32_t *x, const uint32_t *z,
                        size_t n);

/* One column of many. */
typedef enum {
    ENG_PLAN_SUM,  /* in order */
    ENG_PLAN_MEAN, /* the sum over n */
    ENG_PLAN_PRODUCT,
    ENG_PLAN_MAX,
    ENG_PLAN_MIN,
    ENG_PLAN_ARGMAX, /* the first of the largest */
    ENG_PLAN_NORM1,
    ENG_PLAN_NORM2,
    ENG_PLAN_LOG_SUM_EXP,
    ENG_PLAN_MEDIAN, /* numpy's: the mean of the two in the middle */
    ENG_PLAN_REDUCTION_COUNT
} eng_plan_reduction;
uint32_t eng_plan_reduce(eng_plan_builder *b, eng_plan_reduction op, const uint32_t *x, size_t n);

/* AdaBoost.R2: of n predictions the one where the weights of those up to it reach half of all. */
uint32_t eng_plan_weighted_median(eng_plan_builder *b, const uint32_t *x, size_t n,
                                  const double *weights);

/* n columns of n. */
typedef enum {
    ENG_PLAN_SOFTMAX,       /* exp(x - max) / their sum */
    ENG_PLAN_SOFTMAX_FLOAT, /* as XGBoost: in single precision */
    ENG_PLAN_NORMALISE,     /* over their sum; 1 / n each where that is 0 */
    ENG_PLAN_UNIT1,         /* over the sum of absolute values; as they are where that is 0 */
    ENG_PLAN_UNIT2,
    ENG_PLAN_UNIT_MAX, /* over the largest absolute value */
    ENG_PLAN_SHARING_COUNT
} eng_plan_sharing;
uint32_t eng_plan_share(eng_plan_builder *b, eng_plan_sharing how, const uint32_t *x, size_t n);

/* Similarity to each of m vectors[m][n]. */
typedef enum {
    ENG_PLAN_RBF,       /* exp(-gamma * |x - v|^2) */
    ENG_PLAN_POLY,      /* (gamma * x v + coef0) ^ degree */
    ENG_PLAN_TANH_OF,   /* tanh(gamma * x v + coef0) */
    ENG_PLAN_DISTANCE2, /* |x - v|^2 */
    ENG_PLAN_DISTANCE1, /* the sum of |x - v| */
    ENG_PLAN_LAPLACE,   /* exp(-gamma * that sum) */
    ENG_PLAN_KERNEL_COUNT
} eng_plan_kernel;
typedef struct {
    eng_plan_kernel kind;
    double gamma, coef0, degree;
    const double *vectors;
    size_t count;
} eng_plan_support;
uint32_t eng_plan_similarity(eng_plan_builder *b, const uint32_t *x, size_t n,
                             const eng_plan_support *s);

/* k classes of k (k - 1) / 2 decisions of pairs (0,1), (0,2) ... (1,2) ...: above 0 for the first. */
typedef enum {
    ENG_PLAN_VOTES,        /* k columns: how many pairs each class wins */
    ENG_PLAN_VOTES_SUMMED, /* votes and the decisions' sum, squeezed: sklearn's _ovr_decision_function */
    ENG_PLAN_COUPLED,      /* x are probabilities of the first of each pair: libsvm's coupling */
    ENG_PLAN_VOTING_COUNT
} eng_plan_voting;
uint32_t eng_plan_vote(eng_plan_builder *b, eng_plan_voting how, const uint32_t *x, size_t k);

/* The k nearest of `count` points[count][n], by Minkowski's distance of degree p (infinity too); their
 * values[count][width] averaged, each weighed so. Of equal ones the first. */
typedef enum {
    ENG_PLAN_ALIKE,
    ENG_PLAN_BY_DISTANCE, /* 1 / distance; where some distance is 0, those alone */
    ENG_PLAN_BY_SQUARE, /* the same of the distance's square: of unit vectors it is 1 - cosine, doubled */
    ENG_PLAN_REACH, /* alike; of the first value, where it is less than the distance, the distance */
    ENG_PLAN_WEIGHING_COUNT
} eng_plan_weighing;
typedef struct {
    const double *points;
    const double *values;
    size_t count, width, k;
    double p;
    eng_plan_weighing weighing;
} eng_plan_points;
uint32_t eng_plan_nearest(eng_plan_builder *b, const uint32_t *x, size_t n,
                          const eng_plan_points *points);

/* n columns of n: what is NaN becomes the average of that column in the k nearest of points[count][n]
 * that have it, `values` where none has. Distances are of the columns that both have, scaled up to n. */
uint32_t eng_plan_fill(eng_plan_builder *b, const uint32_t *x, size_t n,
                       const eng_plan_points *points);

/* The B-splines of a degree over knots that do not fall: count - degree - 1 columns, less `degree` where
 * they are periodic. NaN: all are 0. */
typedef enum {
    ENG_PLAN_ONWARD,   /* beyond the first and the last inner knot their polynomials go on */
    ENG_PLAN_LEVEL,    /* they stay what they are there */
    ENG_PLAN_STRAIGHT, /* they go on as straight lines */
    ENG_PLAN_PERIODIC,
    ENG_PLAN_BEYOND_COUNT
} eng_plan_beyond;
uint32_t eng_plan_spline(eng_plan_builder *b, uint32_t x, const double *knots, size_t count,
                         size_t degree, eng_plan_beyond beyond);

/* ---- Texts --------------------------------------------------------------------------------------- */

typedef enum { ENG_PLAN_WORDS, ENG_PLAN_CHARACTERS, ENG_PLAN_INSIDE_WORDS } eng_plan_analyzer;
/* Runs of at least two, one or three letters and digits; what stands between blanks. */
typedef enum {
    ENG_PLAN_TOKEN_TWO,
    ENG_PLAN_TOKEN_ONE,
    ENG_PLAN_TOKEN_THREE,
    ENG_PLAN_TOKEN_BLANKS
} eng_plan_token;
enum { ENG_PLAN_ACCENTS_KEPT, ENG_PLAN_ACCENTS_UNICODE, ENG_PLAN_ACCENTS_ASCII };
enum { ENG_PLAN_NORM_NONE, ENG_PLAN_NORM_L2, ENG_PLAN_NORM_L1 };

/* How a text becomes a vector of terms (as scikit-learn's vectorizers do it), and what comes of it. */
typedef struct {
    eng_plan_analyzer analyzer;
    eng_plan_token token;
    bool lowercase;
    unsigned accents;
    unsigned low, high; /* of n-grams */
    bool binary, sublinear;
    unsigned norm;
    size_t terms;
    const eng_str *names; /* [terms]; NULL: terms are hashed, by MurmurHash3 */
    bool signs;           /* of hashes: the sign counts down */
    const double *idf;    /* [terms], or NULL */
    const eng_str *stops; /* sorted by bytes */
    size_t stop_count;
    const double
        *weights; /* [m][terms]: the vector's product with them, plus bias; NULL: the vector */
    const double *bias; /* [m], or NULL */
    size_t m;
} eng_plan_words;

/* Of a text input: m columns, or one a term. Texts of more than 16 MiB are ENG_ETOOBIG; memory for the
 * terms of one text is taken while it is looked at. */
uint32_t eng_plan_texts(eng_plan_builder *b, uint32_t x, const eng_plan_words *words);

/* ---- Trees --------------------------------------------------------------------------------------- */

/*
 * A sum over trees: out[target + j] = init + value of the leaf in tree 0, in tree 1 ..., in that order.
 *
 *     f = eng_plan_forest_new(b, &spec);
 *     for each tree: eng_plan_forest_add(f, nodes, count, values, value_count, target);
 *     y = eng_plan_forest_end(f);         the number of its first column; frees f in any case
 */
typedef struct {
    const uint32_t *x; /* features */
    size_t n;
    size_t outputs;     /* columns */
    size_t width;       /* of a leaf's values: up to outputs */
    const double *init; /* [outputs], or NULL */
    bool float_in;      /* features are rounded to single precision before they are compared */
    bool float_sum;     /* sums are rounded to single precision at each step */
    bool init_last;     /* init is added when all trees have been */
} eng_plan_forest_spec;

enum {
    ENG_PLAN_LEAF = 0xffffffff, /* in `left`: `right` counts rows of values */
    /* flags */
    ENG_PLAN_OR_EQUAL = 1,    /* left where x <= threshold, else where x < threshold */
    ENG_PLAN_NAN_LEFT = 2,    /* NaN goes left, else right */
    ENG_PLAN_NAN_IS_ZERO = 4, /* NaN is compared as 0 */
    ENG_PLAN_ZERO_IS_NAN = 8, /* |x| <= 1e-35 goes where NaN does (LightGBM) */
    ENG_PLAN_CATEGORIES = 16, /* left where the whole part of x is in the set (-0.5 is 0) */
    ENG_PLAN_SET_RIGHT = 32   /* right where it is in the set */
};

typedef struct {
    double threshold;
    uint32_t left, right; /* counted in this tree's nodes; 0 is the root */
    uint32_t feature;     /* counts in x */
    uint32_t flags;
    const uint32_t *set; /* bits, the lowest first */
    uint32_t set_words;  /* at most 1 << 16 */
} eng_plan_node;

typedef struct eng_plan_forest eng_plan_forest;
/* NULL after a failure; may be passed on. */
eng_plan_forest *eng_plan_forest_new(eng_plan_builder *b, const eng_plan_forest_spec *spec);
/* values[value_count][width]. Children, features, leaves out of range, cycles and NaN are malformed. */
void eng_plan_forest_add(eng_plan_forest *f, const eng_plan_node *nodes, size_t count,
                         const double *values, size_t value_count, size_t target);
uint32_t eng_plan_forest_end(eng_plan_forest *f);

/* ---- Results ------------------------------------------------------------------------------------- */

typedef enum {
    ENG_PLAN_REGRESSION,     /* numbers; with shares too where they are 0 and 1 of several labels */
    ENG_PLAN_CLASSIFICATION, /* predicted holds the number of a class; a number out of range is a bug */
    ENG_PLAN_TRANSFORM
} eng_plan_task;

typedef struct {
    enum {
        ENG_PLAN_LABEL_INT,
        ENG_PLAN_LABEL_DOUBLE,
        ENG_PLAN_LABEL_BOOL,
        ENG_PLAN_LABEL_TEXT
    } type;
    double number;
    eng_str text;
} eng_plan_label;

typedef struct {
    eng_plan_task task;
    const uint32_t *predicted;
    size_t count;           /* more than 1: several outputs a row */
    const uint32_t *shares; /* probabilities, one a class; NULL: none */
    const eng_plan_label *classes;
    size_t class_count;
    /* [count], of several outputs of classes: where those of each end in `classes`, in which all of what
     * is predicted counts. NULL: there is one output, or they are no classes. */
    const size_t *class_ends;
    eng_str format; /* "xgboost", "lightgbm", "scikit-learn" ... */
    eng_str about;  /* what it is, for people: "XGBClassifier, 50 trees" */
} eng_plan_results;

void eng_plan_result(eng_plan_builder *b, const eng_plan_results *results);

/* The builder may only be freed afterwards. */
eng_status eng_plan_finish(eng_plan_builder *b, eng_plan **out, eng_error *err) ENG_MUST_CHECK;

/* ---- A plan -------------------------------------------------------------------------------------- */

/* ENG_EMALFORMED, ENG_EVERSION, ENG_ETYPE, ENG_ECORRUPT as of containers; `key` empty: not compared, else
 * ENG_EVERSION where the plan was saved with another one. */
eng_status eng_plan_open(const char *path, eng_str key, eng_plan **out,
                         eng_error *err) ENG_MUST_CHECK;
/* The same of bytes, which are copied. */
eng_status eng_plan_of(eng_str bytes, eng_plan **out, eng_error *err) ENG_MUST_CHECK;
/* key: what it was made of, such as the hash of a file; at most 128 bytes. */
eng_status eng_plan_save(const eng_plan *p, const char *path, eng_str key,
                         eng_error *err) ENG_MUST_CHECK;
void eng_plan_free(eng_plan *p);

/* Borrowed from the plan. */
const eng_plan_field *eng_plan_fields(const eng_plan *p, size_t *count);
/* predicted and shares are NULL here; `count` and `class_count` say how many there are; has_shares. */
const eng_plan_results *eng_plan_about(const eng_plan *p, bool *has_shares);
/* The operators, a line each, for people. */
void eng_plan_describe(const eng_plan *p, eng_buf *out);

/* ---- Predicting ----------------------------------------------------------------------------------- */

/* Of one input: `rows` numbers (NaN: missing), or texts (ptr NULL: missing) of a text input. */
typedef struct {
    const double *numbers;
    const eng_str *texts;
} eng_plan_column;

/* Memory that one thread predicts in, for up to `rows` rows at a time without loss. */
typedef struct eng_plan_scratch eng_plan_scratch;
eng_status eng_plan_scratch_new(const eng_plan *p, size_t rows, eng_plan_scratch **out,
                                eng_error *err) ENG_MUST_CHECK;
void eng_plan_scratch_free(eng_plan_scratch *s);

/*
 * Any number of rows. predicted[rows][count]; shares[rows][class_count], or NULL. ENG_EINVALID with the
 * field's name, and the row as `line` (from 1), where a value is missing, infinite or unknown and the
 * model takes no such one; nothing is then to be read in the outputs.
 */
eng_status eng_plan_predict(const eng_plan *p, const eng_plan_column *columns, size_t rows,
                            double *predicted, double *shares, eng_plan_scratch *scratch,
                            eng_error *err) ENG_MUST_CHECK;

#endif
