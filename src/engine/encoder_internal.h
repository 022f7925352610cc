/*
 * Encoders: a tokenizer and a network joined, and the queue of all who want vectors.
 *
 *     encoder.c     a model that is open: texts to sequences of tokens, contexts of the network
 *     batch.c       the queue: which sequences of which calls go together, by whom and when
 *     remember.c    vectors of recent texts
 *     embed.c       engenho.h's calls: models by name, the cache, the queue, results
 *     rerank.c      scores, by a reranker or by an encoder
 */
#ifndef ENG_ENCODER_INTERNAL_H
#define ENG_ENCODER_INTERNAL_H

#include "engine/model_internal.h"
#include "nn/nn.h"
#include "text/text.h"

#include <sys/queue.h>

/* ---- A model that is open (encoder.c) --------------------------------------------------------------- */

/* Appends the sequence of a text to tokens; *truncated tells. */
eng_status eng_encoder_read(const eng_encoder *enc, eng_str text, eng_prompt prompt,
                            eng_buf *scratch, eng_tokens *tokens, bool *truncated,
                            eng_error *err) ENG_MUST_CHECK;
/* The same of a question and a text. */
eng_status eng_encoder_read_pair(const eng_encoder *enc, eng_str question, eng_str text,
                                 eng_tokens *tokens, bool *truncated,
                                 eng_error *err) ENG_MUST_CHECK;
/* The same of ids that a caller has; ENG_EINVALID where one is none of the model's. */
eng_status eng_encoder_read_ids(const eng_encoder *enc, eng_str ids, eng_tokens *tokens,
                                bool *truncated, eng_error *err) ENG_MUST_CHECK;

/* How many tokens a text of any length has, without special ones; tokens is scratch. */
eng_status eng_encoder_count(const eng_encoder *enc, eng_str text, eng_tokens *scratch,
                             size_t *count, eng_error *err) ENG_MUST_CHECK;

/* A context of the network, for as long as it is needed; kept for the next when given back. */
eng_status eng_encoder_take(eng_encoder *enc, unsigned threads, eng_nn_context **out,
                            eng_error *err) ENG_MUST_CHECK;
void eng_encoder_give(eng_encoder *enc, unsigned threads, eng_nn_context *context);

/* Floats that a sequence gives: the vector's, or the labels. */
size_t eng_encoder_width(const eng_encoder *enc);
/* Runs sequences in a context: out[count][width]. */
eng_status eng_encoder_run(const eng_encoder *enc, eng_nn_context *context,
                           const eng_nn_sequence *sequences, size_t count, float *out,
                           eng_error *err) ENG_MUST_CHECK;
/* A reranker's floats as a score of 0 to 1. */
float eng_encoder_score_of(const eng_encoder *enc, const float *labels);

static inline eng_nn_sequence eng_tokens_sequence(const eng_tokens *t, size_t i)
{
    const eng_token_seq *s = &t->seqs[i];
    return (eng_nn_sequence){t->ids + s->first, t->types + s->first, s->count};
}

/* ---- The queue (batch.c) ---------------------------------------------------------------------------- */

typedef struct eng_batcher eng_batcher;

/*
 * A call: sequences of one model, and what is done when all have been computed. The caller owns it, and
 * leaves it alone from eng_batcher_add until done is called, by a thread of the batcher's, which then does
 * not touch it again.
 */
typedef struct eng_batch_call {
    eng_encoder *encoder;
    eng_tokens tokens;
    float *out; /* [tokens.seq_count][eng_encoder_width] */
    bool bulk;
    bool (*cancelled)(void *x);
    void *x;
    void (*done)(struct eng_batch_call *call);

    eng_status status; /* what came of it */
    eng_error err;

    /* The batcher's. */
    TAILQ_ENTRY(eng_batch_call) link;
    bool queued;
    int class;
    size_t next; /* sequences that were taken */
    size_t left; /* sequences that are not computed yet */
} eng_batch_call;

typedef struct {
    unsigned threads; /* 0: one a processor */
    size_t queue_max; /* tokens that wait; 0: 262,144 */
} eng_batcher_options;

/* Threads are started when the first call comes. */
eng_status eng_batcher_new(const eng_batcher_options *options, eng_batcher **out,
                           eng_error *err) ENG_MUST_CHECK;
/* ENG_EBUSY where too much waits; a call that is alone is taken whatever its size. */
eng_status eng_batcher_add(eng_batcher *b, eng_batch_call *call, eng_error *err) ENG_MUST_CHECK;
/* Calls that wait end with ENG_ECANCELLED. NULL is fine. */
void eng_batcher_free(eng_batcher *b);

typedef struct {
    uint64_t sequences;
    uint64_t tokens;
    uint64_t batches;
    uint64_t refused;
    uint64_t waiting;
} eng_batcher_counters;
void eng_batcher_count(eng_batcher *b, eng_batcher_counters *out);

/* ---- What is remembered (remember.c) ---------------------------------------------------------------- */

typedef struct eng_memory eng_memory;

/* bytes: of all that it holds. */
eng_status eng_memory_new(size_t bytes, eng_memory **out, eng_error *err) ENG_MUST_CHECK;
void eng_memory_free(eng_memory *m);

typedef struct {
    uint32_t tokens;
    bool truncated;
} eng_memory_note;

/* The vector of this text by this model (any number that stands for it), copied to out[width]. */
bool eng_memory_get(eng_memory *m, uint64_t model, eng_prompt prompt, eng_str text, float *out,
                    size_t width, eng_memory_note *note);
/* Longer texts, and what there is no memory for, are not kept. */
void eng_memory_put(eng_memory *m, uint64_t model, eng_prompt prompt, eng_str text,
                    const float *vector, size_t width, eng_memory_note note);

typedef struct {
    uint64_t hits;
    uint64_t misses;
    uint64_t bytes;
} eng_memory_counters;
void eng_memory_count(eng_memory *m, eng_memory_counters *out);

/* ---- Models that are in use (embed.c) ---------------------------------------------------------------- */

typedef struct eng_embedder eng_embedder;

/* A model that an engine has open, shared by its calls. */
typedef struct eng_open_model {
    struct eng_open_model *next;
    char *id;
    char *folder;
    uint64_t number; /* for the cache: never used for another */
    eng_encoder *encoder;
    size_t users;
    bool gone; /* removed since: closed when the last user has gone */
} eng_open_model;

eng_status eng_embedder_new(size_t queue_max, eng_embedder **out, eng_error *err) ENG_MUST_CHECK;
void eng_embedder_free(eng_embedder *d);
eng_status eng_embedder_hold(eng *e, eng_str name, eng_open_model **out,
                             eng_error *err) ENG_MUST_CHECK;
void eng_embedder_release(eng *e, eng_open_model *model);
void eng_embedder_count(eng *e, eng_counters *out);
eng_batcher *eng_embedder_batcher(eng *e);

/* A reranker by its name, or, by "default", any that is here. ENG_EINVALID with the field "rerank" where
 * there is none. */
eng_status eng_reranker_hold(eng *e, eng_str name, eng_open_model **out,
                             eng_error *err) ENG_MUST_CHECK;

/*
 * One who waits for what was begun: init, begin with a `done` that calls wake once, end. _end waits where
 * `begun` is ENG_OK, and is not to be called twice; a result of NULL is a failure, which err then has.
 */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool over;
    void *result;
    eng_error err;
} eng_waiter;

void eng_waiter_init(eng_waiter *w);
void eng_waiter_wake(eng_waiter *w, void *result, const eng_error *err);
eng_status eng_waiter_end(eng_waiter *w, eng_status begun, void **out,
                          eng_error *err) ENG_MUST_CHECK;

#endif
