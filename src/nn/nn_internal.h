/* What a model is: its numbers, its weights as views of one block, and how a vector is made of rows. */
#ifndef ENG_NN_INTERNAL_H
#define ENG_NN_INTERNAL_H

#include "base/arena.h"
#include "base/file.h"
#include "base/str.h"
#include "kern/kern.h"
#include "nn/nn.h"

typedef enum { ENG_NN_BERT, ENG_NN_ROBERTA } eng_nn_family;

/* How one vector is made of a sequence's rows; several are put side by side in this order. */
typedef enum {
    ENG_NN_POOL_CLS,
    ENG_NN_POOL_MAX,
    ENG_NN_POOL_MEAN,
    ENG_NN_POOL_MEAN_SQRT,
    ENG_NN_POOL_WEIGHTED, /* mean, the i-th row counting i times */
    ENG_NN_POOL_LAST,
    ENG_NN_POOLS
} eng_nn_pool;

/* What is done with the pooled vector, one after the other. */
typedef struct {
    enum { ENG_NN_NORMALISE, ENG_NN_DENSE } kind;
    bool tanh; /* dense: what follows it */
    bool has_bias;
    size_t in, out;
    char *folder; /* dense: holds model.safetensors */
} eng_nn_step;

enum { ENG_NN_STEPS_MAX = 8, ENG_NN_LAYERS_MAX = 128 };

/* Read from the model's folder, checked, and all that the layout of its weights depends on. */
typedef struct {
    eng_nn_family family;
    const char *architecture;
    bool scores; /* has a classification head */
    size_t hidden, heads, layers, inner, vocabulary, positions, types, labels;
    float epsilon;
    uint32_t pad_id; /* RoBERTa: positions begin behind it */
    bool pools[ENG_NN_POOLS];
    eng_nn_step steps[ENG_NN_STEPS_MAX];
    size_t step_count;
    eng_nn_info info; /* the rest, for eng_nn_about */
} eng_nn_config;

typedef struct {
    float *gain, *shift;
} eng_nn_norm;

typedef struct {
    eng_kern_matrix qkv, mix, up, down;
    eng_nn_norm after_mix, after_down;
} eng_nn_layer;

/*
 * Where each weight lies in the block, which is the packed file behind its header: nn_pack.c sets
 * the pointers.
 */
typedef struct {
    const void *words; /* [vocabulary][hidden]: int8 models have them as halves, f32 as floats */
    float *places;     /* [positions][hidden] */
    float *types;      /* [types][hidden] */
    eng_nn_norm embedded;
    eng_nn_layer *layers;
    eng_kern_matrix head, labels; /* of a cross-encoder */
    eng_kern_matrix dense[ENG_NN_STEPS_MAX];
} eng_nn_weights;

struct eng_nn_model {
    eng_nn_config config;
    eng_nn_weights weights;
    eng_nn_layer layers[ENG_NN_LAYERS_MAX];
    const eng_kern *kern;
    eng_arena arena;    /* of config */
    eng_mapping packed; /* or else */
    unsigned char *memory;
};

/* ---- nn_config.c: `arena` holds what the config points to ---- */
eng_status eng_nn_read_config(const char *folder, eng_arena *arena, eng_nn_config *out,
                              eng_error *err);

/* ---- nn_weights.c ---- */
/* Reads every weight of the folder into a block that nn_pack.c laid out and that is zeroed. */
eng_status eng_nn_read_weights(const char *folder, const eng_nn_config *c, const eng_nn_weights *w,
                               eng_error *err);
/* Tells one state of the folder's weights from another without reading them. */
eng_status eng_nn_fingerprint(const char *folder, const eng_nn_config *c, uint64_t out[2],
                              eng_error *err);

/* ---- nn_pack.c ---- */
/* Sets the model's weights, from the packed file or by packing. */
eng_status eng_nn_load(eng_nn_model *m, const char *folder, bool no_cache, eng_error *err);

/* ---- nn_pool.c ---- */
/* rows[len][stride] of a sequence -> out[width] or out[labels]; scratch as eng_nn_pool_scratch says. */
size_t eng_nn_pool_scratch(const eng_nn_config *c);
void eng_nn_finish(const eng_nn_model *m, const float *rows, size_t stride, size_t len, float *out,
                   float *scratch);
/* Floats that one sequence gives. */
size_t eng_nn_out_width(const eng_nn_config *c);

#endif
