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
#define ENG_STORE_VERSION 2

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

/* ---- Knowledge ----------------------------------------------------------------------------------- */

eng_status eng_store_collection_count(eng_store *s, uint64_t *out, eng_error *err) ENG_MUST_CHECK;

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

#endif
