/*
 * Knowledge: collections that are open, and what goes into and comes out of them.
 *
 *     shelf.c       a collection that is open: its index follows the store
 *     tend.c        merging and flushing of indexes, when there is time
 *     collection.c  made, listed, changed, dropped
 *     carry.c       into a file, and out of one
 *     ingest.c      sources into documents: extract, cut, embed, store, index
 *     spill.c       vectors on their way from the encoder to the store
 *     later.c       the same as a job
 *     document.c    one, a list, removal
 *     search.c      a question into passages
 *     refine.c      their order once they are read: reranked, copies behind, diverse
 *     filter.c      conditions and metadata, between JSON and the index
 *     tuning.c      how a collection is searched and asked where a question does not say
 *     page.c ...    as everywhere
 *
 * The store is the truth. An index is a folder of its own for each generation, DATA/index/ID; it follows
 * the store's log of changes, also after a crash, and what is damaged is thrown away and filled anew.
 *
 * Writing is one at a time in a collection: the store's commit and the index's following are one step
 * for other writers. Readers wait for nobody. Between the two a reader may be shown passages by the index
 * that the store no longer has: it waits for the writer and looks again (search.c).
 */
#ifndef ENG_KNOWLEDGE_H
#define ENG_KNOWLEDGE_H

#include "engine/encoder_internal.h"
#include "engine/engine_internal.h"
#include "index/index.h"
#include "rag/rag.h"

/* ---- Filters (filter.c) --------------------------------------------------------------------------- */

/* A filter's JSON as the index takes it, in the arena. ENG_EINVALID with the field "filter". */
eng_status eng_filter_read(eng_str json, eng_arena *arena, const eng_filter **out,
                           eng_error *err) ENG_MUST_CHECK;
/* A metadata object as fields of the index, in the arena; "" has none. */
eng_status eng_metadata_fields(eng_str json, eng_arena *arena, const eng_index_field **out,
                               size_t *count, eng_error *err) ENG_MUST_CHECK;

/* ---- Open collections (shelf.c) --------------------------------------------------------------------- */

typedef struct eng_shelf {
    struct eng_shelf *next;
    int64_t id; /* in the store */
    size_t users;
    bool dropped; /* closed when the last user has gone */

    pthread_mutex_t writing; /* who changes the collection or its index */
    /* What a generation fixes; changed with `writing` and `lock` held, read with either. */
    pthread_rwlock_t lock;
    eng_index *index;
    int64_t generation;
    int64_t cutting;
    int64_t seq;       /* the last change that the index has; of the writer's */
    int64_t forgotten; /* changes up to this one the store was told to forget; the tender's */
    eng_cutting chunk;
    char *model; /* its id; "" for none */
    uint32_t dims;
} eng_shelf;

/* A site's robots.txt. */
typedef struct {
    char *origin; /* "https://host:443"; NULL: free */
    char *text;
    int64_t until_ms;
} eng_robots_kept;

typedef struct eng_knowledge {
    pthread_mutex_t lock;
    eng_shelf *shelves;
    pthread_mutex_t making;          /* one collection is made at a time: see collection.c */
    char *dir;                       /* DATA/index */
    struct eng_http_client *fetcher; /* of pages that somebody names */
    bool robots;                     /* what robots.txt forbids is not fetched */
    pthread_mutex_t robots_lock;
    eng_robots_kept kept[16]; /* of the sites that were asked last */
    unsigned kept_next;
    pthread_t tender;    /* tend.c: begun by the first write */
    pthread_cond_t wake; /* something was written, or all ends; with `lock` */
    bool tending, written, closing;
} eng_knowledge;

eng_status eng_knowledge_new(eng *e, const eng_options *options, eng_knowledge **out,
                             eng_error *err) ENG_MUST_CHECK;
void eng_knowledge_free(eng_knowledge *k);

/* The collection of this name, open; its row too, in the arena. ENG_ENOTFOUND: "no collection 'x'". */
eng_status eng_shelf_hold(eng *e, eng_str name, eng_arena *arena, eng_store_collection *row,
                          eng_shelf **out, eng_error *err) ENG_MUST_CHECK;
void eng_shelf_release(eng *e, eng_shelf *shelf);
/* With `writing` held: what the store has and the index has not. */
eng_status eng_shelf_follow(eng *e, eng_shelf *shelf, eng_error *err) ENG_MUST_CHECK;
/* The collection is gone from the store: so goes its index, open or not. */
void eng_shelf_drop(eng *e, int64_t id, int64_t generation);
/* Reads all of the index that a generation has here, open or not; writers to the collection wait. With
 * repair one that is damaged is thrown away, and where it is open filled anew; else the next to open it
 * does. *repaired tells. ENG_OK where there is none: it is derived. */
eng_status eng_shelf_examine(eng *e, int64_t collection, int64_t generation, bool repair,
                             bool *repaired, eng_error *err) ENG_MUST_CHECK;
/* A generation that does not answer, as a shelf that nobody else finds; its index is filled. The store's
 * changes are not followed. */
eng_status eng_shelf_beside(eng *e, int64_t collection, int64_t generation, eng_shelf **out,
                            eng_error *err) ENG_MUST_CHECK;
/* With its index's folder. shelf may be NULL. */
void eng_shelf_beside_free(eng *e, eng_shelf *shelf, int64_t generation);
/* The same of a folder that nobody has open. */
eng_status eng_index_examine(const char *dir, bool repair, bool *repaired,
                             eng_error *err) ENG_MUST_CHECK;
/* Something was written: the indexes are tended by a thread with time, which merges, flushes, and lets the
 * store forget the changes that are flushed (tend.c). */
void eng_knowledge_wake(eng *e);
void eng_knowledge_rest(eng_knowledge *k);

/* ---- Encoders, as rag takes them --------------------------------------------------------------------- */

typedef struct {
    eng *e;
    eng_open_model *model; /* NULL: none is installed */
    eng_str name;
    bool bulk;
    bool (*cancelled)(void *ctx);
    void *ctx;
    eng_tokens tokens; /* scratch of counting: so one of these is one thread's */
} eng_lent_encoder;

/* The model of a collection; "" gives words in place of tokens, and no vectors. */
eng_status eng_encoder_lend(eng *e, const char *model, eng_lent_encoder *lent, eng_rag_encoder *out,
                            eng_error *err) ENG_MUST_CHECK;
void eng_encoder_back(eng_lent_encoder *lent);

/* ---- How a collection is searched (tuning.c) ----------------------------------------------------------- */

/* Where a question does not say. Zeroes: as without it. */
typedef struct {
    double weight[ENG_MODES]; /* of a hybrid search; all 0: the question decides */
    double threshold;         /* of a hybrid search: passages below it are left out */
    double confidence;        /* below it there is no answer; 0: the answerer's own */
    unsigned top_k;           /* passages to answer from */
    bool rerank;              /* hybrid searches, where a reranker is here */
} eng_tuning;

/* The members that are no zeroes, as an object. */
void eng_tuning_write(eng_json_writer *w, const eng_tuning *t);
/* ENG_EINVALID with the field "settings". */
eng_status eng_tuning_read(const eng_json *v, eng_tuning *out, eng_error *err) ENG_MUST_CHECK;

/* A collection's settings as the store has them: with what was there before they were last changed, for
 * the way back. */
typedef struct {
    eng_tuning now, before;
    bool has_before;
    eng_str before_cut; /* JSON of the cutting; ptr NULL: it was not changed with them */
} eng_tuned;

eng_status eng_tuned_read(eng_str settings, eng_arena *arena, eng_tuned *out,
                          eng_error *err) ENG_MUST_CHECK;
eng_status eng_tuned_write(const eng_tuned *t, eng_arena *arena, eng_str *out,
                           eng_error *err) ENG_MUST_CHECK;

/* What a question is tried with in place of what its collection has. */
typedef struct {
    eng_shelf *shelf;         /* NULL: the collection's */
    const eng_tuning *tuning; /* NULL: the collection's */
} eng_trial;

/* ---- Searching (search.c, refine.c) -------------------------------------------------------------------- */

typedef struct {
    eng_results results; /* first: what the caller holds */
    eng_arena arena;
} eng_found;

/* A passage on its way through a search. */
typedef struct {
    eng_fused fused; /* as the index has it */
    size_t rank;     /* by that, from 1 */
    eng_result shown;
    float score;           /* fused, or the reranker's */
    float alike;           /* diversity: its largest likeness to one before it; NaN: not asked */
    eng_duplicate copy_of; /* what it is a near-duplicate of; document NULL: of none */
} eng_catch;

typedef struct {
    eng *e;
    const eng_search_query *query;
    eng_tuning tuning;
    eng_shelf *shelf;
    eng_found *out;
    unsigned top_k;
    bool dense, words;
    const float *vector;
    const eng_filter *filter;
    eng_fused *items; /* as the index gave them, best first */
    size_t count;
    eng_fuse_report fusion; /* of a hybrid search */
    eng_catch *found;       /* as they were read */
    size_t found_count;
    struct eng_evidence *evidence; /* NULL: nobody asks for it */
} eng_searching;

/* A reranker reads so many; those behind follow as they were, so that the order does not depend on how
 * many are asked for. */
enum { ENG_RERANKED = 30 };

/* A reranker that the question names is here. ENG_EINVALID with the field "rerank". In the arena. */
eng_status eng_refine_check(eng_searching *s, eng_error *err) ENG_MUST_CHECK;
/*
 * What was found in the order in which it is shown, all of it; the first `distinct` are no copies of
 * others. view: of the index, for its vectors.
 */
eng_status eng_refine(eng_searching *s, eng_index_view *view, size_t *distinct,
                      eng_error *err) ENG_MUST_CHECK;

/* ---- What answers are made from (evidence.c, by search.c) ------------------------------------------------ */

typedef struct eng_evidence {
    eng_candidate *items; /* of the results, in their order */
    size_t count;
    const eng_term_share *shares; /* how rare the question's words are; NULL: not known */
    size_t share_count;
    bool fresh; /* the index had all that the store had when the search began */
} eng_evidence;

/* A search, and what an answerer has to know besides; the evidence lives as long as the results. trial
 * may be NULL. */
eng_status eng_search_evidence(eng *e, eng_str collection, const eng_trial *trial,
                               const eng_search_query *query, eng_evidence *evidence,
                               eng_results **out, eng_error *err) ENG_MUST_CHECK;
/* eng_ask_wait in a trial; no answer is remembered or taken from memory. */
eng_status eng_ask_trial(eng *e, eng_str collection, const eng_trial *trial, const eng_ask *what,
                         eng_answer **out, eng_error *err) ENG_MUST_CHECK;
/* Nobody writes just now, and the index has followed all that was written. */
bool eng_evidence_fresh(eng *e, eng_shelf *shelf);
/* With the shelf's lock held: of what was found, the results. */
eng_status eng_evidence_fill(eng_searching *s, eng_evidence *out, eng_error *err) ENG_MUST_CHECK;

/* ---- Settings ------------------------------------------------------------------------------------------ */

/* A cutting's settings as JSON and back. */
eng_status eng_cutting_write(const eng_cutting *chunk, eng_arena *arena, eng_str *out,
                             eng_error *err) ENG_MUST_CHECK;
eng_status eng_cutting_read(eng_str json, eng_arena *arena, eng_cutting *out,
                            eng_error *err) ENG_MUST_CHECK;

/* ---- Ingestion (ingest.c), for later.c ------------------------------------------------------------------ */

eng_status eng_collection_ready(eng *e, eng_str name, const eng_ingest_options *options,
                                eng_error *err) ENG_MUST_CHECK;
/* What a source's bytes hold, or what is at its url: each document to `document`. */
eng_status eng_source_read(eng *e, const eng_source *source, const eng_extract_options *how,
                           eng_error *err) ENG_MUST_CHECK;
/* ---- Vectors on their way (spill.c) ----------------------------------------------------------------------- */

enum { ENG_SPILL_UNITS = 4096 };

typedef struct {
    eng *e;
    const eng_rag_encoder *encoder;
    bool (*stopped)(void *ctx); /* asked before each call of the encoder; may be NULL */
    void *ctx;

    size_t dim;
    eng_arena arena;
    eng_draft_unit units[ENG_SPILL_UNITS]; /* that wait for the encoder */
    size_t waiting, count;
    eng_buf held;   /* vectors that are not in the file */
    size_t written; /* vectors that are */
    int fd;         /* -1: there is none */
    eng_store_vector *window;
} eng_spill;

/* What a document has in a spill. */
typedef struct {
    eng_spill *spill;
    size_t first, count;
} eng_spill_part;

/* Large: not for the stack. Borrows the encoder; allocates nothing; stopped and ctx are set by the caller. */
void eng_spill_init(eng_spill *s, eng *e, const eng_rag_encoder *encoder);
void eng_spill_clear(eng_spill *s);
/* Embeds what of a draft has a vector, behind what is in it already: *count of them. The draft's texts
 * live until eng_spill_end. */
eng_status eng_spill_add(eng_spill *s, const eng_draft *d, size_t *count,
                         eng_error *err) ENG_MUST_CHECK;
/* All drafts are in. */
eng_status eng_spill_end(eng_spill *s, eng_error *err) ENG_MUST_CHECK;
/* A draft, and its vectors if there are any, as the store takes them; in the arena. The spill must live
 * as long. */
eng_status eng_spill_parts(eng_spill *s, const eng_draft *d, size_t first, size_t count,
                           eng_arena *arena, eng_store_parts *out, eng_error *err) ENG_MUST_CHECK;

/* ---- Collections (collection.c) ------------------------------------------------------------------------ */

/* ENG_EINVALID with the field "name". */
eng_status eng_collection_check_name(eng_str name, eng_error *err) ENG_MUST_CHECK;

/* ---- Embedding anew (reembed.c) ------------------------------------------------------------------------- */

/* What changes; ptr NULL: stays as it is. */
typedef struct {
    eng_str cut;      /* JSON */
    eng_str model;    /* an encoder's name */
    eng_str settings; /* of the collection, from the instant in which the rest changes */
} eng_reembedding;

/* A generation of this cutting (JSON) and encoder (an id), whole but not active; of this job alone. */
eng_status eng_reembed_beside(eng_job_run *run, const eng_store_collection *row, eng_str cut,
                              eng_str model, int64_t *generation, eng_error *err) ENG_MUST_CHECK;
/* Now, as part of a job; a generation that is whole already takes its place at once. */
eng_status eng_reembed_now(eng_job_run *run, eng_str collection, const eng_reembedding *what,
                           eng_error *err) ENG_MUST_CHECK;
eng_status eng_reembed_later(eng *e, const eng_store_collection *row, const eng_reembedding *what,
                             int64_t *job, eng_error *err) ENG_MUST_CHECK;
/* The id and width of a model by its name; without one the default's, or none ("" and 0) where none is
 * here. In the arena. */
eng_status eng_collection_model(eng *e, eng_str name, eng_arena *arena, eng_str *id, uint32_t *dims,
                                eng_error *err) ENG_MUST_CHECK;

#endif
