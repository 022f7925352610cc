/*
 * How a plan lies in its container; of learn's plan_*.c alone.
 *
 *     head      one eng_plan_head
 *     ops       operators in the order in which they run
 *     columns   lists of columns that operators and results point into
 *     data      what operators carry: each its own run of bytes, aligned to 64
 *     schema    fields, classes and descriptions, as JSON (plan_schema.c)
 *     key       what it was made of; not in plans that were never saved
 *
 * Columns 0 to inputs - 1 are the inputs; every operator makes the columns that follow those of the one
 * before it, of columns that stand before them. So there are no cycles, and one pass checks it all.
 */
#ifndef ENG_LEARN_PLAN_INTERNAL_H
#define ENG_LEARN_PLAN_INTERNAL_H

#include "base/alloc.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/map.h"
#include "format/container.h"
#include "kern/kern.h"
#include "learn/plan.h"

#define ENG_PLAN_KIND ENG_STR("table")

typedef enum {
    OP_CONSTANT,
    OP_MAP,
    OP_LOOKUP,
    OP_EXPAND, /* one-hot: the number of a category into columns of 0 and 1 */
    OP_BINS,
    OP_INTERPOLATE,
    OP_LINEAR,
    OP_POLYNOMIAL,
    OP_PAIRS,
    OP_REDUCE,
    OP_MEDIAN,
    OP_SHARE,
    OP_SIMILARITY,
    OP_VOTE,
    OP_NEAREST,
    OP_FOREST,
    OP_TEXTS,
    OP_FILL,
    OP_SPLINE,
    OP_COUNT
} eng_plan_code;

typedef struct {
    uint16_t code;
    uint8_t fn;
    uint8_t flags;
    uint32_t n;     /* columns in */
    uint32_t in;    /* the first of them, in `columns` */
    uint32_t m;     /* columns out */
    uint32_t out;   /* the first of them */
    uint32_t count; /* of what the operator's comment says */
    uint32_t extra;
    uint32_t spare;
    uint64_t data; /* where its bytes begin in `data` */
    uint64_t size;
    double k[2];
} eng_plan_step;

_Static_assert(sizeof(eng_plan_step) == 64, "a step is 64 bytes");

typedef struct {
    uint32_t inputs;
    uint32_t columns; /* all that there are */
    uint32_t task;
    uint32_t predicted; /* the first of `count`, in the list of columns */
    uint32_t count;
    uint32_t shares; /* the first of class_count; ENG_PLAN_NONE: none */
    uint32_t class_count;
    uint32_t spare;
} eng_plan_head;

/* ---- Keys of a lookup: this head, then the arrays in this order ---- */

typedef struct {
    uint32_t count;
    uint32_t width;
    uint32_t slots; /* a power of two beyond count */
    uint32_t texts; /* bytes of all texts; 0 of numbers */
    uint8_t of_numbers;
    uint8_t has_missing;
    uint8_t has_unknown;
    uint8_t spare[5];
} eng_plan_keys_head;

typedef struct {
    eng_plan_keys_head head;
    const double *numbers; /* [count], of numbers */
    const double *rows;    /* [count][width] */
    const double *missing; /* [width] */
    const double *unknown; /* [width] */
    const uint32_t *slots; /* number of a key + 1, or 0 */
    const uint32_t *ends;  /* [count]: where each text ends */
    const char *texts;
} eng_plan_keys_view;

/* False where the bytes are too short for it. */
bool eng_plan_keys_of(const unsigned char *data, size_t size, eng_plan_keys_view *out);
uint32_t eng_plan_hash_text(eng_str text);

/* ---- Forests ---- */

/*
 * Trees lie one after the other, each by levels, siblings side by side. All splits are x < threshold,
 * false for NaN; which way NaN goes, zeros, categories and single columns of a one-hot are the business
 * of slots, which hold what is compared: several nodes share one. A leaf points at itself and at slot 0,
 * which is always less: so trees of different depth are walked in step. Its threshold's bits are the
 * number of its row of values. Node 0 is a leaf of row 0, for what fills up the last group.
 */
typedef eng_kern_node eng_plan_narrow;
typedef eng_kern_wide_node eng_plan_wide;

enum {
    ENG_PLAN_GROUP = 8, /* trees that are walked in step */
    ENG_PLAN_LANES = ENG_KERN_LANES,
    ENG_PLAN_BEYOND = ENG_KERN_BEYOND /* leaves behind the last tree */
};

typedef enum {
    SLOT_LESS, /* -infinity */
    SLOT_PLAIN,
    SLOT_NAN_LOW,   /* NaN as -infinity: it goes left */
    SLOT_NAN_ZERO,  /* NaN as 0 */
    SLOT_ZERO_NAN,  /* what is about 0 as NaN */
    SLOT_ZERO_LOW,  /* that and NaN as -infinity */
    SLOT_EQUALS,    /* 1 where x == arg, else 0 */
    SLOT_SET,       /* -1 where the set has it, else 1 */
    SLOT_SET_RIGHT, /* 1 where the set has it, else -1 */
    SLOT_KINDS
} eng_plan_slot_kind;

typedef struct {
    uint8_t kind;
    uint8_t clip;     /* +infinity as the largest number, which is less */
    uint8_t nan_left; /* of sets */
    uint8_t spare;
    uint32_t words; /* of its set */
    uint64_t arg;   /* where the set begins; the category */
} eng_plan_slot;

typedef struct {
    uint32_t trees;
    uint32_t slots;
    uint32_t nodes;
    uint32_t values; /* rows */
    uint32_t width;
    uint32_t outputs;
    uint32_t set_words;
    uint8_t wide;
    uint8_t float_sum;
    uint8_t init_last;
    uint8_t float_in;
} eng_plan_forest_head;

typedef struct {
    eng_plan_forest_head head;
    eng_plan_slot *slots;
    double *init;      /* [outputs] */
    double *values;    /* [values][width] */
    uint32_t *roots;   /* [trees, filled up to a group] */
    uint32_t *targets; /* the same */
    uint32_t *steps;   /* of each group */
    uint32_t *sets;
    void *nodes;
} eng_plan_forest_view;

/* Where the arrays lie in `data`; the bytes that all of it takes, or 0 where that is beyond reason. */
size_t eng_plan_forest_layout(const eng_plan_forest_head *head, unsigned char *data,
                              eng_plan_forest_view *out);

/* ---- Forests by ranks (plan_rank.c) ---- */

/* What a slot's numbers are ranked by: 2^bits - 1 cuts. */
typedef struct {
    uint32_t slot;
    uint32_t bits;
    uint64_t at; /* counts in cuts */
} eng_plan_ruler;

/* Trees [first, end), and their rulers: a split's slot counts in these. */
typedef struct {
    uint32_t first, end;
    uint32_t ruler, rulers;
} eng_plan_part;

typedef struct {
    uint64_t first; /* split */
    uint64_t value; /* that of its first leaf */
    uint32_t count;
    uint32_t leaves;
} eng_plan_ranked_tree;

typedef struct {
    eng_buf parts;  /* eng_plan_part */
    eng_buf rulers; /* eng_plan_ruler */
    eng_buf cuts;   /* float; double where nodes are wide */
    eng_buf splits; /* eng_kern_split */
    eng_buf trees;  /* eng_plan_ranked_tree */
    eng_buf values; /* float where sums are in single precision, else double */
    size_t most;    /* rulers of one part */
} eng_plan_ranked;

/* Of a checked forest whose trees are small; else *out is left alone. ENG_ENOMEM. */
eng_status eng_plan_rank(const eng_plan_forest_view *v, eng_plan_ranked **out,
                         eng_error *err) ENG_MUST_CHECK;
void eng_plan_ranked_free(eng_plan_ranked *r);

/* ---- A plan ---- */

/* A step with what it needs at hand. */
typedef struct {
    const eng_plan_step *step;
    const uint32_t *in;
    const unsigned char *data;
    eng_plan_ranked *ranked; /* of a forest, or NULL */
    union {
        eng_plan_keys_view keys;
        eng_plan_forest_view forest;
    } of;
} eng_plan_bound;

struct eng_plan {
    void *memory; /* where the bytes are ours: aligned inside */
    size_t bytes;
    eng_container file;
    eng_arena arena;
    const eng_plan_head *head;
    eng_plan_bound *steps;
    size_t step_count;
    const uint32_t *columns;
    size_t column_count;
    eng_plan_field *fields;
    eng_plan_results about;
    size_t temporary;      /* bytes that a step wants at most, for a block of one row ... */
    size_t temporary_wide; /* ... and of more */
};

typedef struct {
    const eng_plan *plan;
    const eng_plan_column *inputs;
    size_t first; /* row of the inputs where the block begins */
    size_t rows;  /* of the block */
    size_t stride;
    double *columns; /* [columns][stride] */
    void *temporary;
    eng_error *err;
} eng_plan_run;

static inline double *eng_plan_col(const eng_plan_run *r, uint32_t column)
{
    return r->columns + (size_t)column * r->stride;
}

enum {
    ENG_PLAN_BLOCK = ENG_KERN_RANKED, /* rows; a multiple of ENG_PLAN_LANES */
    ENG_PLAN_RANKED_FROM = 24         /* rows: below, walking is faster */
};

/* Of each operator: whether its numbers and bytes are sound, and what it does (plan_check.c, plan_run.c). */
eng_status eng_plan_check_step(eng_plan_bound *b, const eng_plan_head *head, eng_error *err);
eng_status eng_plan_run_lookup(const eng_plan_bound *b, const eng_plan_run *r);
void eng_plan_run_map(const eng_plan_bound *b, const eng_plan_run *r);
void eng_plan_run_similarity(const eng_plan_bound *b, const eng_plan_run *r);
void eng_plan_run_vote(const eng_plan_bound *b, const eng_plan_run *r);
void eng_plan_run_nearest(const eng_plan_bound *b, const eng_plan_run *r);
void eng_plan_run_fill(const eng_plan_bound *b, const eng_plan_run *r);
bool eng_plan_check_spline(const eng_plan_bound *b);
void eng_plan_run_spline(const eng_plan_bound *b, const eng_plan_run *r);
eng_status eng_plan_check_texts(const eng_plan_bound *b, const eng_plan_head *head, eng_error *err);
eng_status eng_plan_run_texts(const eng_plan_bound *b, const eng_plan_run *r);
void eng_plan_run_forest(const eng_plan_bound *b, const eng_plan_run *r);
/* Bytes of temporary memory for a block of `rows`. */
size_t eng_plan_temporary(const eng_plan_bound *b, size_t rows);

/* ---- Building ---- */

struct eng_plan_builder {
    eng_arena arena;
    eng_error failure;
    eng_buf fields; /* eng_plan_field, their texts in the arena */
    size_t inputs;
    size_t columns;
    eng_buf steps;
    eng_buf lists;
    eng_buf data;
    bool has_result;
    eng_plan_results result;
    uint32_t predicted; /* in lists */
    uint32_t shares;
};

eng_plan_step *eng_plan_steps(const eng_plan_builder *b, size_t *count);
/* Appends a step of those columns, whose data begin at `data` and end here. Its first column. */
uint32_t eng_plan_emit(eng_plan_builder *b, eng_plan_step step, const uint32_t *x, size_t n,
                       size_t m, size_t data);
/* The end of the data, aligned: where the next step's begin. */
size_t eng_plan_data(eng_plan_builder *b);
/* The step that makes a column; NULL of an input. */
eng_plan_step *eng_plan_maker(const eng_plan_builder *b, uint32_t column);
/* Drops what no result needs (plan_finish.c). */
eng_status eng_plan_print_schema(const eng_plan_builder *b, eng_buf *out, eng_error *err);
eng_status eng_plan_read_schema(eng_plan *p, eng_str text, eng_error *err);

#endif
