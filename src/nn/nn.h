/*
 * Text encoders of the BERT family from their published files, on rows of token ids: sentences into
 * vectors, pairs into scores. Tokenizing is text's business; joining both is engine's.
 *
 *     eng_nn_model *m;
 *     eng_nn_options o = {.precision = ENG_NN_INT8};
 *     if (eng_nn_open("models/all-MiniLM-L6-v2", &o, &m, err) < 0) ...
 *     eng_nn_context *c;
 *     if (eng_nn_context_new(m, 2, &c, err) < 0) ...
 *     eng_nn_encode(c, sequences, count, vectors, err);
 *
 * A model is immutable and shared by all threads; what one call needs is in its context, which is used
 * by one caller at a time. The results of a sequence are the same bits in whatever batch, in whatever
 * order and with however many threads, within one variant of the kernels (kern.h).
 *
 * Read from the model's folder: config.json (the architecture and its numbers), model.safetensors (or
 * model.safetensors.index.json and its parts), modules.json with the folders it names (Pooling, Dense,
 * Normalize), sentence_bert_config.json, config_sentence_transformers.json. What is not there is not
 * guessed, but for what sentence-transformers itself assumes: no modules.json means mean pooling.
 *
 * Weights are packed once, into FOLDER/engenho-<precision>.pack: a file that is checksummed, made anew
 * when it does not belong to the weights beside it or to this version, written atomically, mapped,
 * and so shared by all processes. Where it cannot be written the model works from memory.
 */
#ifndef ENG_NN_H
#define ENG_NN_H

#include "engenho.h"

typedef enum {
    ENG_NN_INT8, /* int8 weights per channel, activations per token; the default */
    ENG_NN_F32   /* the reference */
} eng_nn_precision;

typedef struct {
    eng_nn_precision precision;
    bool no_cache; /* neither reads nor writes the packed file */
} eng_nn_options;

/* A text that goes before the others': "query" -> "query: ". */
typedef struct {
    const char *name;
    const char *text;
} eng_nn_prompt;

typedef struct {
    const char *architecture; /* "BertModel", "XLMRobertaForSequenceClassification" ... */
    eng_nn_precision precision;
    size_t width;      /* floats of a vector; 0 for a cross-encoder */
    size_t labels;     /* scores of a pair; 0 for an encoder */
    size_t max_tokens; /* where texts are to be cut, special tokens included */
    size_t positions;  /* longest sequence that it can take: max_tokens or more */
    size_t vocabulary;
    size_t types;    /* of tokens: 2 for BERT, 1 for XLM-R */
    bool normalised; /* vectors have length 1 */
    bool sigmoid;    /* scores are meant to go through a sigmoid; eng_nn_score has not done it */
    bool lower_case; /* sentence_bert_config.json: do_lower_case */
    const eng_nn_prompt *prompts;
    size_t prompt_count;
    const char *default_prompt; /* a name, or NULL */
    bool packed;                /* mapped from the packed file; false: from memory */
} eng_nn_info;

typedef struct eng_nn_model eng_nn_model;
typedef struct eng_nn_context eng_nn_context;

/* An architecture that is not supported: ENG_EUNSUPPORTED, and it is named. Files that are damaged or
 * contradict one another: ENG_ECORRUPT. */
eng_status eng_nn_open(const char *folder, const eng_nn_options *options, eng_nn_model **out,
                       eng_error *err) ENG_MUST_CHECK;
/* After all of its contexts. */
void eng_nn_close(eng_nn_model *m);
/* Borrowed from the model. */
const eng_nn_info *eng_nn_about(const eng_nn_model *m);

/* threads: 1 to 64. Allocates all that calls will need; nothing is allocated later. */
eng_status eng_nn_context_new(const eng_nn_model *m, unsigned threads, eng_nn_context **out,
                              eng_error *err) ENG_MUST_CHECK;
void eng_nn_context_free(eng_nn_context *c);

typedef struct {
    const uint32_t *ids;  /* special tokens included */
    const uint8_t *types; /* NULL: all 0 */
    size_t len;           /* 1 to positions */
} eng_nn_sequence;

/* out[count][width]. ENG_EINVALID, naming the sequence, where a length or an id is out of range; then
 * nothing is computed. */
eng_status eng_nn_encode(eng_nn_context *c, const eng_nn_sequence *sequences, size_t count,
                         float *out, eng_error *err) ENG_MUST_CHECK;
/* out[count][labels]: what the classification head gives for pairs of texts. */
eng_status eng_nn_score(eng_nn_context *c, const eng_nn_sequence *sequences, size_t count,
                        float *out, eng_error *err) ENG_MUST_CHECK;

#endif
