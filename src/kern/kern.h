/*
 * The inner loops, in several variants of which eng_kern_init chooses one by what the processor can:
 *
 *     generic      plain C, the oracle of all others
 *     avx2         AVX2 and FMA
 *     avx2vnni     with AVX-VNNI
 *     avx512vnni   AVX-512 with VNNI
 *     avx512bf16   with BF16 at twice the speed of f32 (AMD from Zen 4 on)
 *     amx          int8 by tiles, the rest as avx512vnni
 *
 * Kernels never allocate and never fail. Shapes stand beside each; what is not said to be checked is
 * the caller's business. Rows of a product do not depend on one another: the same row gives the same
 * bits in whatever company, within one variant.
 *
 * Distances:
 *
 *     const eng_kern *k = eng_kern_get();
 *     k->dot_i8_rows(query, rows, count, stride, dim, scores);
 */
#ifndef ENG_KERN_H
#define ENG_KERN_H

#include "engenho.h"

/* ---- Matrices ---------------------------------------------------------------------------------- */

/* Outputs are packed in panels of this many; inputs are filled up with zeros to a multiple of it. */
enum { ENG_KERN_PANEL = 64 };

static inline size_t eng_kern_pad(size_t n)
{
    return (n + ENG_KERN_PANEL - 1) / ENG_KERN_PANEL * ENG_KERN_PANEL;
}

/*
 * The weights of a linear layer, y = x * W' + b, packed: n outputs, k inputs. Padded outputs have
 * weights, scales and bias of 0. One layout serves all variants:
 *
 *     f32     panel, k,     64 outputs
 *     int8    panel, k / 4, 64 outputs, 4 inputs     weight = scale[output] * int8
 *
 * Everything is borrowed, and aligned to 64 bytes.
 */
typedef struct {
    size_t n;
    size_t k;
    const void *weights;
    const float *bias;  /* eng_kern_pad(n) */
    const float *scale; /* int8: eng_kern_pad(n) */
    const float *sums;  /* int8: of the int8 weights of each output, eng_kern_pad(n) */
} eng_kern_matrix;

/* Bytes of weights when packed. */
size_t eng_kern_packed_f32(size_t n, size_t k);
size_t eng_kern_packed_i8(size_t n, size_t k);

/* Packs rows[n][k] as they come from a model's file, from output `first` on, into the weights of a
 * matrix of eng_kern_pad(total n) outputs that was zeroed; so several layers become one matrix. */
void eng_kern_pack_f32(const float *rows, size_t n, size_t k, size_t first, float *weights);
/* Quantises per output, symmetrically; writes scale and sums of those outputs too. */
void eng_kern_pack_i8(const float *rows, size_t n, size_t k, size_t first, int8_t *weights,
                      float *scale, float *sums);

/* A row of activations in 8 bits: value = step * q + low. */
typedef struct {
    float step;
    float low;
} eng_kern_row;

/* What becomes of a product: y[row][output], `stride` floats apart. */
typedef enum {
    ENG_KERN_STORE, /* y = value */
    ENG_KERN_GELU,  /* y = gelu(value), by erf; int8: within 4e-5 of it, relative beyond 1 */
    ENG_KERN_ADD    /* y += value */
} eng_kern_then;

typedef struct {
    float *y; /* rows hold eng_kern_pad(n) floats: padding is written too */
    size_t stride;
    eng_kern_then then;
} eng_kern_out;

/* ---- Trees ------------------------------------------------------------------------------------- */

/*
 * A node splits by x[slot] < threshold, which NaN never is: to the one `left` nodes behind it, or to the
 * one after that. A leaf has left 0, and a slot whose numbers are -infinity: so it points at itself, and
 * trees of different depth are walked in step. A leaf's number is the first 32 bits of its threshold,
 * which is no NaN.
 */
typedef struct {
    float threshold;
    uint16_t slot;
    uint16_t left;
} eng_kern_node;

typedef struct {
    double threshold;
    uint32_t slot;
    uint32_t left;
} eng_kern_wide_node;

enum {
    ENG_KERN_LANES = 16, /* rows that a tree is walked for at a time */
    ENG_KERN_BEYOND = 16 /* nodes that may be read behind a tree's last one */
};

/*
 * A small tree of very many rows: all of its nodes for all rows, one after the other, without a step down.
 * Numbers have become ranks, bytes: how many of the thresholds of their slot are not above them. Leaves are
 * numbered from left to right, nodes stand before their children. A row stands at the first leaf of the
 * subtree that it has come to, which is a node's where that is the node's `first`; from there it moves to
 * `right`, the first leaf of the node's right child, where its rank in the node's slot is `rank` or more.
 */
typedef struct {
    uint32_t slot;
    uint32_t rank;  /* a byte, four times: so are the other two */
    uint32_t first; /* below `right` */
    uint32_t right;
} eng_kern_split;

enum {
    ENG_KERN_RANKED = 256,      /* rows that such a tree is looked at for at a time, at most */
    ENG_KERN_RANKED_STEP = 64,  /* and what their number is a multiple of */
    ENG_KERN_RANK_BITS = 8,     /* of a rank */
    ENG_KERN_RANKED_VALUES = 64 /* leaves that add_f32 may read, however few there are */
};

/* ---- The table --------------------------------------------------------------------------------- */

/* Keys and values of one head of a sequence, packed for `attend`. */
typedef struct {
    void *keys; /* eng_kern_heads_size(length, width) bytes each, aligned to 64 */
    void *values;
    size_t length; /* tokens of the sequence */
    size_t width;  /* of a head: up to 256 */
} eng_kern_head;

size_t eng_kern_head_size(size_t length, size_t width);

/* Attention of one kind: f32 throughout, or as exact as int8 layers need it. */
typedef struct {
    /* Puts keys and values of tokens [first, first + count) in their place; first is a multiple of
     * ENG_KERN_ALIGN. Rows are `stride` floats apart. What lies beyond the last token of a block
     * must have been zeroed by packing, which the call that packs the last token does. */
    void (*pack)(const eng_kern_head *h, const float *keys, const float *values, size_t stride,
                 size_t first, size_t count);
    /* y[m][width] = softmax(scale * q * keys') * values for m queries. scratch: eng_kern_attend_scratch
     * floats, aligned to 64. */
    void (*attend)(const eng_kern_head *h, const float *q, size_t q_stride, size_t m, float scale,
                   float *y, size_t y_stride, float *scratch);
} eng_kern_attention;

enum { ENG_KERN_ALIGN = 16 };
size_t eng_kern_attend_scratch(size_t length);

typedef struct {
    const char *name;

    /* ---- Distances: any alignment, any n; strides count elements ---- */
    float (*dot_f32)(const float *a, const float *b, size_t n);
    void (*dot_f32_rows)(const float *q, const float *rows, size_t count, size_t stride, size_t n,
                         float *out);
    /* Exact: n up to 131,072. */
    int32_t (*dot_i8)(const int8_t *a, const int8_t *b, size_t n);
    void (*dot_i8_rows)(const int8_t *q, const int8_t *rows, size_t count, size_t stride, size_t n,
                        int32_t *out);
    /* Bits that differ; n counts bytes. */
    void (*hamming_rows)(const uint8_t *q, const uint8_t *rows, size_t count, size_t stride,
                         size_t n, uint32_t *out);

    /* ---- Linear layers ---- */
    /* x[m][k], x_stride a multiple of 16 and x aligned to 64. */
    void (*linear_f32)(const eng_kern_matrix *w, const float *x, size_t x_stride, size_t m,
                       const eng_kern_out *out);
    /* x[m][eng_kern_pad(k)] in 8 bits, with its rows' parameters. */
    void (*linear_i8)(const eng_kern_matrix *w, const uint8_t *x, const eng_kern_row *rows,
                      size_t m, const eng_kern_out *out);

    /* ---- Rows: n floats each, x_stride apart; q[m][eng_kern_pad(n)] ---- */
    void (*quantise)(const float *x, size_t x_stride, size_t m, size_t n, uint8_t *q,
                     eng_kern_row *rows);
    /* Layer norm in place. */
    void (*norm)(float *x, size_t x_stride, size_t m, size_t n, const float *gain,
                 const float *shift, float epsilon);
    void (*half_to_f32)(const uint16_t *x, size_t n, float *y);

    /* ---- Trees: x[slot][ENG_KERN_LANES]; the number of the leaf that each row comes to, which takes no
     * more than `steps` steps ---- */
    void (*tree_f32)(const eng_kern_node *root, uint32_t steps, const float *x, uint32_t *leaves);
    void (*tree_f64)(const eng_kern_wide_node *root, uint32_t steps, const double *x,
                     uint32_t *leaves);

    /* ---- Ranked trees: rows is a multiple of ENG_KERN_RANKED_STEP, up to ENG_KERN_RANKED ---- */
    /* How many of the 2^bits - 1 cuts, which rise, are <= x; NaN: all of them. Behind the cuts stands one
     * number more, and at least 16 are there. bits: 1 to ENG_KERN_RANK_BITS. */
    void (*rank_f32)(const float *cuts, unsigned bits, const float *x, size_t rows, uint8_t *ranks);
    void (*rank_f64)(const double *cuts, unsigned bits, const double *x, size_t rows,
                     uint8_t *ranks);
    /* x[slot][ENG_KERN_RANKED]: the number of the leaf that each row comes to. */
    void (*tree_u8)(const eng_kern_split *splits, size_t n, const uint8_t *x, size_t rows,
                    uint8_t *leaves);
    /* sums[row] += values[leaves[row]], of `count` values. */
    void (*add_f32)(const float *values, size_t count, const uint8_t *leaves, size_t rows,
                    float *sums);

    const eng_kern_attention *attention_f32;
    const eng_kern_attention *attention_fast;
} eng_kern;

/* ---- Choosing ---------------------------------------------------------------------------------- */

/* From eng_init: the fastest that the processor can run, or the one that ENGENHO_CPU names; an error
 * where that is unknown or cannot run here. Before it, eng_kern_get gives the generic one. */
eng_status eng_kern_init(eng_error *err) ENG_MUST_CHECK;
const eng_kern *eng_kern_get(void);

/* For tests: the i-th variant there is, the slowest first, NULL past the end; and whether this
 * processor can run it. */
const eng_kern *eng_kern_at(size_t i);
bool eng_kern_can_run(const eng_kern *k);

/* ---- A team ------------------------------------------------------------------------------------ */

/*
 * Threads that work on one thing at a time with little ado: starting them costs a microsecond while
 * they are awake, and they sleep when nothing comes for a while. One caller at a time.
 */
typedef struct eng_team eng_team;

/* A member of a team that runs: 0 is the caller. */
typedef struct {
    eng_team *team;
    unsigned index;
    unsigned count;
} eng_team_member;

typedef void eng_team_fn(const eng_team_member *me, void *arg);

/* threads - 1 threads are started; at most 64. */
eng_status eng_team_new(unsigned threads, eng_team **out, eng_error *err) ENG_MUST_CHECK;
void eng_team_free(eng_team *t);
/* fn by each member; returns when all have. */
void eng_team_run(eng_team *t, eng_team_fn *fn, void *arg);
/* Nobody goes on before all have come. */
void eng_team_meet(const eng_team_member *me);

#endif
