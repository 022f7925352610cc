/*
 * The store: what must not be lost. An interface of operations, never of SQL text, so that another
 * backend can stand beside SQLite.
 *
 * Writing: an operation that returns ENG_OK is durable (on disk, not merely in the kernel). One
 * thread writes; operations that wait for it at the same time share a transaction, each within a
 * savepoint of its own, so that one that fails takes nothing with it. So writing blocks for a
 * disk's turn: from workers, never from an event loop.
 *
 * Reading: on connections of its own, as of one instant, never waiting for the writer.
 *
 * Ids and times come from the store. Views that it returns live in the arena that it was given. All
 * functions may be called from several threads at once. Messages name the file.
 */
#ifndef ENG_STORE_H
#define ENG_STORE_H

#include "base/arena.h"
#include "base/str.h"

/* Once, before any thread: hands our allocator to SQLite; and gives back what it holds. */
eng_status eng_store_init(eng_error *err) ENG_MUST_CHECK;
void eng_store_quit(void);

typedef struct eng_store eng_store;

/* The version of the tables that this program writes. Older ones are migrated when opened, newer ones
 * refused with ENG_EVERSION. */
#define ENG_STORE_VERSION 4

typedef struct {
    const char *path; /* of the database file; its folder exists */
    bool must_exist;
    unsigned readers; /* connections kept for reading; 0: 4 */
} eng_store_options;

/* Opens, recovers after a crash, migrates. Damage that shows at once (a header that is none, a file
 * shorter than it says, tables that do not fit the version) is ENG_ECORRUPT. Takes milliseconds at
 * any size: what lies deeper is found by eng_store_check. */
eng_status eng_store_open(const eng_store_options *options, eng_store **out,
                          eng_error *err) ENG_MUST_CHECK;
void eng_store_close(eng_store *s);

typedef struct {
    uint64_t commits;
    uint64_t writes;
    uint64_t bytes;
} eng_store_counters;
void eng_store_count(eng_store *s, eng_store_counters *out);

/* ---- Small things that are remembered by name --------------------------------------------------- */

/* ENG_ENOTFOUND where it was never set. */
eng_status eng_store_get(eng_store *s, eng_str name, eng_arena *arena, eng_str *value,
                         eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_set(eng_store *s, eng_str name, eng_str value, eng_error *err) ENG_MUST_CHECK;

/* ---- Keys ---------------------------------------------------------------------------------------- */

#define ENG_STORE_KEY_HASH 32

typedef struct {
    int64_t row; /* for paging: grows, never reused */
    eng_str id;
    eng_str name;
    eng_role role;
    uint32_t rate;
    int64_t created_ms;
    unsigned char hash[ENG_STORE_KEY_HASH];
} eng_store_key;

/* Fills in row and created_ms. ENG_ECONFLICT where the id is taken. */
eng_status eng_store_key_add(eng_store *s, eng_store_key *key, eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_key_remove(eng_store *s, eng_str id, eng_error *err) ENG_MUST_CHECK;
/* Those with row > after, in order, at most limit. */
eng_status eng_store_key_page(eng_store *s, int64_t after, size_t limit, eng_arena *arena,
                              eng_store_key **out, size_t *count, eng_error *err) ENG_MUST_CHECK;

/* ---- Jobs ---------------------------------------------------------------------------------------- */

typedef struct {
    int64_t id;
    eng_str kind;
    eng_job_state state;
    eng_str params; /* JSON */
    uint64_t done;
    uint64_t total;
    eng_str result;   /* JSON; ptr NULL: none */
    eng_str error;    /* ptr NULL: none */
    eng_str owner;    /* who runs it, or ran it last */
    int64_t lease_ms; /* until when nobody else may claim it */
    unsigned attempt;
    bool cancel; /* somebody asked for it */
    int64_t created_ms;
    int64_t started_ms;
    int64_t ended_ms;
} eng_store_job;

eng_status eng_store_job_add(eng_store *s, eng_str kind, eng_str params, int64_t *id,
                             eng_error *err) ENG_MUST_CHECK;
/* The oldest that is queued, or running with a lease that has ended, becomes `owner`'s for lease_ms
 * from now; attempt grows. ENG_ENOTFOUND where there is none. */
eng_status eng_store_job_claim(eng_store *s, eng_str owner, int64_t lease_ms, eng_arena *arena,
                               eng_store_job *out, eng_error *err) ENG_MUST_CHECK;
/* Still at it: the lease ends lease_ms from now; says how far. *cancel tells whether to stop.
 * ENG_ECONFLICT where the job is no longer the owner's: it ended, another claimed it, or its lease was
 * taken away. A lease that has merely run out can be renewed until another claims. */
eng_status eng_store_job_progress(eng_store *s, int64_t id, eng_str owner, uint64_t done,
                                  uint64_t total, int64_t lease_ms, bool *cancel,
                                  eng_error *err) ENG_MUST_CHECK;
/* Ends it: result and error as in eng_store_job. Back to ENG_JOB_QUEUED gives it back unfinished, and
 * the attempt does not count. ENG_ECONFLICT as above. */
eng_status eng_store_job_end(eng_store *s, int64_t id, eng_str owner, eng_job_state state,
                             eng_str result, eng_str error, eng_error *err) ENG_MUST_CHECK;
/* Every running job's lease is taken away: for who holds the data directory's lock and knows that no
 * other owner lives. */
eng_status eng_store_job_release(eng_store *s, eng_error *err) ENG_MUST_CHECK;
/* A queued one is cancelled at once (*state tells), a running one marked. ENG_ECONFLICT: ended. */
eng_status eng_store_job_cancel(eng_store *s, int64_t id, eng_job_state *state,
                                eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_job_get(eng_store *s, int64_t id, eng_arena *arena, eng_store_job *out,
                             eng_error *err) ENG_MUST_CHECK;
/* Those with id < before (INT64_MAX for the first page), newest first. */
eng_status eng_store_job_page(eng_store *s, int64_t before, size_t limit, eng_arena *arena,
                              eng_store_job **out, size_t *count, eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_job_counts(eng_store *s, uint64_t *queued, uint64_t *running,
                                eng_error *err) ENG_MUST_CHECK;

/* ---- Models (model.c) ---------------------------------------------------------------------------- */

/* A version of a model for tables or texts. */
typedef struct {
    int kind; /* the engine's to number */
    eng_str name;
    uint32_t version;       /* from 1 */
    unsigned char hash[32]; /* of its file */
    eng_str format;
    eng_str filename; /* as it was sent; ptr NULL: not said */
    uint64_t bytes;
    eng_str info; /* JSON */
    int64_t created_ms;
    int64_t updated_ms; /* of the model, not the version: when its active version was last chosen */
    bool active;
    bool previous; /* what a rollback goes back to */
} eng_store_model;

/* A new version, which is active from here on; fills in version and created_ms. */
eng_status eng_store_model_add(eng_store *s, eng_store_model *model, eng_error *err) ENG_MUST_CHECK;
/* Makes a version the active one; 0: the one that was active before. ENG_ENOTFOUND: no such model or
 * version; ENG_ECONFLICT: there was none before. */
eng_status eng_store_model_choose(eng_store *s, int kind, eng_str name, uint32_t version,
                                  uint32_t *chosen, eng_error *err) ENG_MUST_CHECK;
/* All versions of all, by kind, name and version. */
eng_status eng_store_model_all(eng_store *s, eng_arena *arena, eng_store_model **out, size_t *count,
                               eng_error *err) ENG_MUST_CHECK;

/* ---- Feedback (model.c) ---------------------------------------------------------------------------- */

/* JSON objects, kept in their order; all or none. */
eng_status eng_store_feedback_add(eng_store *s, const eng_str *products, size_t count,
                                  eng_error *err) ENG_MUST_CHECK;
/* Those with id > after, oldest first; *last is the id of the last of them. */
eng_status eng_store_feedback_page(eng_store *s, int64_t after, size_t limit, eng_arena *arena,
                                   eng_str **out, size_t *count, int64_t *last,
                                   eng_error *err) ENG_MUST_CHECK;

/* ---- Knowledge: collections ---------------------------------------------------------------------- */

typedef struct {
    int64_t id;
    eng_str name; /* unique among those that are there */
    eng_str title;
    eng_str settings;   /* JSON; the store does not look into it */
    int64_t generation; /* the active one; 0: none yet */
    int64_t cutting;    /* of the active generation; 0: none yet */
    uint64_t version;   /* grows with every change to what it holds */
    uint64_t documents;
    uint64_t passages; /* of the active generation's cutting */
    uint64_t bytes;    /* of text */
    int64_t created_ms;
    int64_t updated_ms;
} eng_store_collection;

/* name, title and settings are given, the rest is filled in. ENG_ECONFLICT where the name is taken. */
eng_status eng_store_collection_add(eng_store *s, eng_store_collection *collection,
                                    eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_collection_get(eng_store *s, eng_str name, eng_arena *arena,
                                    eng_store_collection *out, eng_error *err) ENG_MUST_CHECK;
/* Those with id > after, in order. */
eng_status eng_store_collection_page(eng_store *s, int64_t after, size_t limit, eng_arena *arena,
                                     eng_store_collection **out, size_t *count,
                                     eng_error *err) ENG_MUST_CHECK;
/* What has a NULL ptr stays as it is. */
eng_status eng_store_collection_change(eng_store *s, int64_t id, eng_str title, eng_str settings,
                                       eng_error *err) ENG_MUST_CHECK;
/* At once for all that read, and the name is free again; what it held is removed in pieces by the
 * writer when nobody waits, also after a crash. */
eng_status eng_store_collection_drop(eng_store *s, int64_t id, eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_collection_count(eng_store *s, uint64_t *out, eng_error *err) ENG_MUST_CHECK;

/* ---- Knowledge: generations ---------------------------------------------------------------------- */

/*
 * A generation is one complete embedding of a collection: its texts cut in one way (a cutting, which
 * generations may share) and embedded by one model. One is active: documents are put into it, and
 * searches are answered from it. Another is filled beside it and takes its place in one instant:
 *
 *     eng_store_generation_begin(s, &g, err)
 *     while eng_store_generation_todo(s, g.id, 100, &arena, &todo, err) says todo.count > 0:
 *         cut and embed todo.documents, eng_store_generation_fill(s, g.id, parts, &todo, err)
 *     eng_store_generation_activate(s, g.id, err)     ENG_ECONFLICT: something came; todo again
 *
 * Where it stopped is in the store: after a crash the loop goes on. The one that was active before
 * is kept, and can be made active again in the same way until it is dropped.
 */
typedef struct {
    int64_t id;
    int64_t collection;
    int64_t cutting;
    bool whole;  /* it was active once, or is */
    eng_str cut; /* JSON: how its cutting cuts */
    eng_str model;
    uint32_t dims;    /* floats a vector */
    eng_str settings; /* JSON: what the model is asked with */
    int64_t created_ms;
} eng_store_generation;

/* collection, cut, model, dims and settings are given, the rest is filled in. Where cutting is not 0
 * that one is shared with the generation that has it, and cut is not looked at. */
eng_status eng_store_generation_begin(eng_store *s, eng_store_generation *generation,
                                      eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_generation_get(eng_store *s, int64_t id, eng_arena *arena,
                                    eng_store_generation *out, eng_error *err) ENG_MUST_CHECK;
/* Those of a collection, oldest first. */
eng_status eng_store_generation_list(eng_store *s, int64_t collection, eng_arena *arena,
                                     eng_store_generation **out, size_t *count,
                                     eng_error *err) ENG_MUST_CHECK;

typedef struct {
    int64_t *documents; /* to be embedded next; count 0: it is whole */
    uint64_t *versions;
    size_t count;
    int64_t document; /* how far it is once these are in: for eng_store_generation_fill */
    int64_t seq;
} eng_store_todo;

eng_status eng_store_generation_todo(eng_store *s, int64_t id, size_t limit, eng_arena *arena,
                                     eng_store_todo *out, eng_error *err) ENG_MUST_CHECK;
/* ENG_ECONFLICT where it is not whole. The change is ENG_STORE_SWITCHED. */
eng_status eng_store_generation_activate(eng_store *s, int64_t id, eng_error *err) ENG_MUST_CHECK;
/* The same, and in the same instant the collection gets these settings. */
eng_status eng_store_generation_switch(eng_store *s, int64_t id, eng_str settings,
                                       eng_error *err) ENG_MUST_CHECK;
/* As a collection is; ENG_ECONFLICT for the active one. */
eng_status eng_store_generation_drop(eng_store *s, int64_t id, eng_error *err) ENG_MUST_CHECK;

/* ---- Knowledge: documents ------------------------------------------------------------------------- */

#define ENG_STORE_HASH 32

typedef struct {
    int64_t id; /* never used again; the same when it is replaced */
    int64_t collection;
    eng_str name;     /* the id that people know it by; unique in its collection */
    uint64_t version; /* 1, and one more with each replacement */
    unsigned char
        hash[ENG_STORE_HASH]; /* of all that makes it what it is, as its owner counts it */
    eng_str language;
    eng_str title;
    eng_str url;
    eng_str metadata; /* JSON; these four: ptr NULL for none */
    uint64_t bytes;   /* of its text */
    uint64_t tokens;
    uint64_t passages; /* of the active generation's cutting */
    int64_t created_ms;
    int64_t updated_ms;
    eng_str blocks; /* its structure, where the text alone does not show it; ptr NULL: it does. Read
                       with the text alone */
} eng_store_document;

typedef struct {
    int64_t id; /* never used again; those of a document in a cutting are consecutive */
    int64_t cutting;
    int64_t document;
    uint32_t kind;
    uint64_t start; /* bytes of the document's text */
    uint64_t end;
    uint32_t tokens;
    eng_str heading; /* ptr NULL: none */
    eng_str text;    /* start to end; read, not written */
    uint64_t place;  /* in its document, from 0; read, not written */
} eng_store_passage;

typedef struct {
    int64_t unit; /* never used again */
    int64_t passage;
    uint32_t kind;  /* what it is of: the passage, its title, a sentence */
    uint64_t start; /* of that, in bytes of the document's text */
    uint64_t end;
    const float *data; /* dims of them */
} eng_store_vector;

/* A document in one generation: its passages and their vectors. To be put, a vector's `passage` is
 * the place of its passage in this list; where a passage has an id, it is there already. */
typedef struct {
    const eng_store_passage *passages;
    size_t passage_count;
    const eng_store_vector *vectors;
    size_t vector_count;
    /* Where vectors is NULL: gives those from `at` on, at least one, good until it is called again. It
     * is called by the store's own thread, and may be called for the same ones twice. */
    eng_status (*read)(void *ctx, size_t at, const eng_store_vector **out, size_t *count,
                       eng_error *err);
    void *ctx;
} eng_store_parts;

typedef enum { ENG_STORE_ADDED, ENG_STORE_REPLACED, ENG_STORE_UNCHANGED } eng_store_fate;

typedef struct {
    /* name, hash, language, title, url, metadata and tokens are given; id, version, bytes and times
     * are filled in. */
    eng_store_document document;
    eng_str text;
    eng_store_parts parts;
    eng_store_fate fate; /* filled in */
} eng_store_put;

/*
 * All of them or none, in one instant for readers. A name that is there with the same hash is left
 * alone, with another hash it is replaced, passages and vectors of all generations with it. The
 * vectors are of `generation`: ENG_ECONFLICT where that is no longer the active one.
 */
eng_status eng_store_document_put(eng_store *s, int64_t collection, int64_t generation,
                                  eng_store_put *puts, size_t count, eng_error *err) ENG_MUST_CHECK;
/* text may be NULL. */
eng_status eng_store_document_get(eng_store *s, int64_t collection, eng_str name, eng_arena *arena,
                                  eng_store_document *out, eng_str *text,
                                  eng_error *err) ENG_MUST_CHECK;
eng_status eng_store_document_find(eng_store *s, int64_t collection,
                                   const unsigned char hash[ENG_STORE_HASH], eng_arena *arena,
                                   eng_store_document *out, eng_error *err) ENG_MUST_CHECK;
/* By id, in the order of the ids; those that are not there have id 0. texts may be NULL. */
eng_status eng_store_document_batch(eng_store *s, const int64_t *ids, size_t count,
                                    eng_arena *arena, eng_store_document **out, eng_str **texts,
                                    eng_error *err) ENG_MUST_CHECK;
/* Those with id > after, in order. */
eng_status eng_store_document_page(eng_store *s, int64_t collection, int64_t after, size_t limit,
                                   eng_arena *arena, eng_store_document **out, size_t *count,
                                   eng_error *err) ENG_MUST_CHECK;
/* All in one instant; *removed counts those that were there. */
eng_status eng_store_document_remove(eng_store *s, int64_t collection, const eng_str *names,
                                     size_t count, size_t *removed, eng_error *err) ENG_MUST_CHECK;

/* parts[i] is of todo->documents[i]; one that was replaced or removed since is passed over, and comes
 * again where it has to. ENG_ENOTFOUND where the generation was dropped meanwhile; ENG_ECONFLICT where
 * it is active. */
eng_status eng_store_generation_fill(eng_store *s, int64_t id, const eng_store_parts *parts,
                                     const eng_store_todo *todo, eng_error *err) ENG_MUST_CHECK;

/* ---- Knowledge: what indexes are made of ---------------------------------------------------------- */

/* By id, in the order of the ids, with their texts; those that are not there have id 0. */
eng_status eng_store_passage_batch(eng_store *s, const int64_t *ids, size_t count, eng_arena *arena,
                                   eng_store_passage **out, eng_error *err) ENG_MUST_CHECK;
/* Those of a document in a cutting, in their order, with their texts. */
eng_status eng_store_passage_list(eng_store *s, int64_t document, int64_t cutting, eng_arena *arena,
                                  eng_store_passage **out, size_t *count,
                                  eng_error *err) ENG_MUST_CHECK;
/* Those of a cutting with id > after, in order, with their texts. */
eng_status eng_store_passage_page(eng_store *s, int64_t cutting, int64_t after, size_t limit,
                                  eng_arena *arena, eng_store_passage **out, size_t *count,
                                  eng_error *err) ENG_MUST_CHECK;
/* Those of a generation with unit > after, in order. */
eng_status eng_store_vector_page(eng_store *s, int64_t generation, int64_t after, size_t limit,
                                 eng_arena *arena, eng_store_vector **out, size_t *count,
                                 eng_error *err) ENG_MUST_CHECK;
/* Those of a generation whose passages are first to last, in the order of their passages. */
eng_status eng_store_vector_range(eng_store *s, int64_t generation, int64_t first, int64_t last,
                                  eng_arena *arena, eng_store_vector **out, size_t *count,
                                  eng_error *err) ENG_MUST_CHECK;

/*
 * The log of changes, for indexes, which are derived: one that has followed to seq reads what came
 * after it, also after a crash. A new one notes the last seq, reads all passages and vectors, and
 * follows from there: what it then meets a second time it replaces by the same.
 */
typedef enum {
    ENG_STORE_CAME = 1, /* passages first to last of a document, in a cutting */
    ENG_STORE_WENT,     /* the same; they can no longer be read */
    ENG_STORE_SWITCHED  /* another generation is active */
} eng_store_what;

typedef struct {
    int64_t seq; /* grows over all collections */
    eng_store_what what;
    int64_t document;
    int64_t cutting;
    int64_t generation; /* of ENG_STORE_SWITCHED */
    int64_t first;
    int64_t last;
} eng_store_change;

/* 0 where nothing ever changed. */
eng_status eng_store_change_last(eng_store *s, int64_t collection, int64_t *seq,
                                 eng_error *err) ENG_MUST_CHECK;
/* Those with seq > after, in order. ENG_EVERSION where some of them are forgotten: begin anew. */
eng_status eng_store_change_page(eng_store *s, int64_t collection, int64_t after, size_t limit,
                                 eng_arena *arena, eng_store_change **out, size_t *count,
                                 eng_error *err) ENG_MUST_CHECK;
/* Those up to seq are no longer needed by any index. */
eng_status eng_store_change_forget(eng_store *s, int64_t collection, int64_t seq,
                                   eng_error *err) ENG_MUST_CHECK;

/* ---- Knowledge: a collection in a file ------------------------------------------------------------- */

/*
 * One collection as it is, in one file for other machines and other programs: an SQLite database, and
 * behind it 64 bytes with its length and checksum (docs/collection-file.md).
 */
#define ENG_CARRY_VERSION 2
#define ENG_CARRY_TAIL 64

/* The generation (which has to be the active one, else ENG_ECONFLICT) as of one instant, into a new
 * file, which is removed where that fails. model_hash says which weights its model has, in hex; "" for
 * none. go_on (may be NULL) is asked now and then, and false ends it with ENG_ECANCELLED. */
eng_status eng_store_export(eng_store *s, int64_t generation, eng_str model_hash, const char *to,
                            bool (*go_on)(void *ctx), void *ctx, eng_error *err) ENG_MUST_CHECK;

typedef struct eng_carry eng_carry;

typedef struct {
    eng_str name;
    eng_str title;
    eng_str settings; /* JSON, of the collection */
    eng_str cut;      /* JSON */
    eng_str model;    /* "" for none */
    eng_str model_hash;
    uint32_t dims;
    eng_str asked; /* JSON: what the model is asked with */
    uint64_t documents;
    uint64_t passages;
    uint64_t vectors;
} eng_carried;

/* Such a file, whose bytes must outlive it. ENG_ECORRUPT where it is none, or is not whole to the last
 * bit; ENG_EVERSION where a newer program wrote it. Also of a file that a stranger made, checksum and
 * all: nothing in it is run. */
eng_status eng_carry_open(eng_str file, eng_carry **out, eng_error *err) ENG_MUST_CHECK;
void eng_carry_close(eng_carry *c);
const eng_carried *eng_carry_about(const eng_carry *c);
/* The checksum's 64 bytes are taken on trust: for who attacks what lies behind them. */
eng_status eng_carry_open_unsummed(eng_str database, eng_carry **out,
                                   eng_error *err) ENG_MUST_CHECK;

typedef struct {
    eng_str name;
    bool vectors; /* else the collection comes without a model, and is found by words alone */
    /* May refuse a document; may be NULL. */
    eng_status (*check)(void *ctx, const eng_store_document *document, eng_str text,
                        eng_error *err);
    bool (*progress)(void *ctx, uint64_t done, uint64_t total); /* documents; may be NULL */
    void *ctx;
} eng_store_import_options;

/* All of it as a new collection, which nobody sees until it is whole; what a crash leaves is removed when
 * the store is opened. ENG_ECONFLICT where the name is taken, ENG_EINVALID where rows make no sense. */
eng_status eng_store_import(eng_store *s, eng_carry *from, const eng_store_import_options *options,
                            int64_t *collection, eng_error *err) ENG_MUST_CHECK;

/* ---- Care ---------------------------------------------------------------------------------------- */

/* Copies all as of one instant into a new file, synced, in steps between which others write and read.
 * progress returns false to stop (ENG_ECANCELLED; the file is removed). */
eng_status eng_store_backup(eng_store *s, const char *to,
                            bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                            eng_error *err) ENG_MUST_CHECK;

/* Reads every page of a file that may be damaged; found is called for each thing that is wrong, at
 * most 100 times; go_on (may be NULL) is asked now and then, and false ends it with ENG_ECANCELLED.
 * Changes nothing. */
eng_status eng_store_check(const char *path, void (*found)(void *ctx, const char *message),
                           bool (*go_on)(void *ctx), void *ctx, eng_error *err) ENG_MUST_CHECK;

/* What derived indexes are of. */
typedef struct {
    int64_t generation;
    int64_t collection;
    eng_str name;       /* of the collection */
    uint64_t documents; /* in it */
    bool active;        /* the generation answers */
} eng_store_index;

/* All generations of the collections that are there, of a file that may be in use or damaged; *half counts
 * the collections that are on their way in, or were cut off there. Changes nothing. */
eng_status eng_store_indexes(const char *path, eng_arena *arena, eng_store_index **out,
                             size_t *count, uint64_t *half, eng_error *err) ENG_MUST_CHECK;

#endif
