/*
 * What the files of the engine share: the engine itself, where its data lies, tokens of pages, jobs
 * and the kinds of them. Who locks what stands beside each member.
 */
#ifndef ENG_ENGINE_INTERNAL_H
#define ENG_ENGINE_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"
#include "store/store.h"
#include "json/json.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct eng_jobs eng_jobs;
typedef struct eng_job_kind eng_job_kind;

enum { ENG_SECRET_SIZE = 32 };

/* Where models are pulled from. */
typedef struct {
    char *endpoint; /* without a slash at its end */
    char *token;    /* NULL: none */
    bool offline;
    unsigned pause_ms; /* after a try that brought nothing; longer after each; 0: 250 ms */
} eng_hub;

struct eng {
    char *data; /* absolute, without links */
    int lock;   /* on DATA/lock */
    eng_store *store;
    unsigned char secret[ENG_SECRET_SIZE]; /* key of hashes and tokens; never changes while open */
    uint64_t opened_ns;

    pthread_rwlock_t keys_lock;
    eng_map keys; /* id -> what eng_key_check needs (key.c) */

    eng_jobs *jobs;

    struct eng_models *models;       /* model_internal.h */
    struct eng_embedder *embedder;   /* encoder_internal.h */
    eng_hub hub;                     /* where they are pulled from; never changes while open */
    struct eng_knowledge *knowledge; /* knowledge.h */
    struct eng_asks *asks;           /* ask_internal.h */
    struct eng_registry *registry;   /* registry.h */
    struct eng_history *history;     /* history.h; NULL: it is turned off */

    _Atomic uint64_t collections;
    _Atomic uint64_t free_bytes; /* of the file system, as of free_ns */
    _Atomic uint64_t free_ns;
};

/* With kinds of jobs other than ours, an array that ends with a NULL name: for tests. */
eng_status eng_open_with(const eng_options *options, const eng_job_kind *kinds, eng **out,
                         eng_error *err) ENG_MUST_CHECK;

/* ---- The data directory (data.c) ---------------------------------------------------------------- */

#define ENG_DATA_DB "engenho.db"
#define ENG_DATA_SECRET "key.secret"
#define ENG_DATA_LOCK "lock"
#define ENG_DATA_TMP "tmp"
#define ENG_DATA_INDEX "index"
#define ENG_DATA_PARTIAL ".partial"       /* behind the name of a folder that is being made */
#define ENG_DATA_BEFORE ".before-restore" /* behind the name of the data that a restore replaces */

/* Where the data lies: `given`, or the default where it is NULL; absolute, without links as far as it
 * exists. To be freed. */
eng_status eng_data_find(const char *given, char **out, eng_error *err) ENG_MUST_CHECK;
/* path + suffix, to be freed; NULL when memory ran out. */
char *eng_data_beside(const char *path, const char *suffix);
bool eng_data_exists(const char *path);
/* The next name in a folder but for "." and ".."; NULL at its end. */
const char *eng_data_next(DIR *dir);
/* It is missing and what it was is beside it: a restore was cut off between two renames. */
bool eng_data_cut_off(const char *data, const char *before);
eng_status eng_data_cut_off_error(const char *data, const char *before, eng_error *err);
/* DATA/key.secret. ENG_ENOTFOUND, or ENG_ECORRUPT where its length is wrong. */
eng_status eng_secret_read(const char *data, unsigned char out[ENG_SECRET_SIZE],
                           eng_error *err) ENG_MUST_CHECK;
eng_status eng_secret_make(const char *data, unsigned char out[ENG_SECRET_SIZE],
                           eng_error *err) ENG_MUST_CHECK;
/* What the process may still write there; 0 where that cannot be said. */
uint64_t eng_data_free_bytes(const char *data);

/* ---- Keys (key.c) --------------------------------------------------------------------------------- */

/* Reads all keys into memory; before any thread may check one. */
eng_status eng_keys_load(eng *e, eng_error *err) ENG_MUST_CHECK;
void eng_keys_clear(eng *e);

/* ---- Pages (page.c) ------------------------------------------------------------------------------- */

/* What eng_*_page.next holds: a position in `what`, with a checksum that only this data's secret
 * makes, so that a position that was made up is refused. */
void eng_next_make(const eng *e, const char *what, int64_t position, char out[ENG_NEXT_SIZE]);
/* first where next is NULL. ENG_EINVALID with the field "next". */
eng_status eng_next_read(const eng *e, const char *what, const char *next, int64_t first,
                         int64_t *position, eng_error *err) ENG_MUST_CHECK;
/* 1 to 1000; ENG_EINVALID with the field "limit". */
eng_status eng_limit_check(unsigned limit, eng_error *err) ENG_MUST_CHECK;

/* ---- Jobs (job.c; work.c runs them, watch.c shows them) --------------------------------------------- */

/*
 * A run of a job: what a kind's function is given, by the thread that runs it.
 *
 * It reports how far it is as often as it likes (two stores into memory) and gives up with
 * ENG_ECANCELLED soon after it was told to stop. What it appends to `result` is the job's result, a
 * JSON value; an error that it returns becomes the job's.
 */
typedef struct {
    eng *e;
    int64_t id;
    const eng_json *params;
    eng_arena arena; /* of this run; holds params */
    eng_buf result;
    unsigned attempt; /* from 1 */

    /* The rest is the business of work.c and watch.c. */
    bool begun; /* the kind's function was called */
    uint64_t started_ns;
    uint64_t told_ns; /* what the store was told, and when; the keeper's */
    uint64_t told_done;
    uint64_t told_total;
    _Atomic uint64_t done;
    _Atomic uint64_t total;
    _Atomic bool stop;      /* for any reason */
    _Atomic bool cancelled; /* because somebody asked for it */
    _Atomic bool lost;      /* the store says that it is no longer ours */
} eng_job_run;

struct eng_job_kind {
    const char *name;
    bool again; /* may be run again from its start after it was cut off */
    eng_status (*run)(eng_job_run *run, eng_error *err);
};

extern const eng_job_kind eng_job_kinds[];
eng_status eng_backup_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;
eng_status eng_doctor_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;
eng_status eng_ingest_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;
eng_status eng_reembed_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;
eng_status eng_evaluate_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;
eng_status eng_train_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;
eng_status eng_tune_run(eng_job_run *run, eng_error *err) ENG_MUST_CHECK;

/* How far the run is (total 0: not known). False: stop. From any thread of the run. */
bool eng_job_report(eng_job_run *run, uint64_t done, uint64_t total);

/* A job of this kind, queued; params is a JSON object. */
eng_status eng_job_submit(eng *e, const char *kind, eng_str params, int64_t *id,
                          eng_error *err) ENG_MUST_CHECK;

/* ---- What jobs work from (spool.c) -------------------------------------------------------------------- */

/*
 * A file of DATA/spool, durable before its job is, which names it in its params as "spool". It is removed
 * with the job's end.
 */
enum { ENG_SPOOL_NAME = ENG_ID_SIZE + 16 };
/* A name that no other has; ending: at most 14 characters. */
void eng_spool_name(const char *ending, char out[ENG_SPOOL_NAME]);
/* To be freed; NULL when memory ran out. */
char *eng_spool_dir(const eng *e);
char *eng_spool_path(const eng *e, const char *name);
eng_status eng_spool_write(const eng *e, const char *name, eng_str text,
                           eng_error *err) ENG_MUST_CHECK;
/* Submits its job; where that fails the file is removed. */
eng_status eng_spool_submit(eng *e, const char *kind, const char *name, const eng_buf *params,
                            int64_t *job, eng_error *err) ENG_MUST_CHECK;
eng_status eng_spool_read(const eng_job_run *run, size_t max, eng_buf *out,
                          eng_error *err) ENG_MUST_CHECK;
/* The run ended like this: it keeps its file where it only stops because the program does. */
void eng_spool_end(const eng_job_run *run, eng_status status);

/* Starts the threads: the store is open, no other process has it. */
eng_status eng_jobs_start(eng *e, const eng_job_kind *kinds, unsigned threads,
                          eng_error *err) ENG_MUST_CHECK;
/* Asks all runs to stop, waits for them and tells the watches. NULL is fine. */
void eng_jobs_stop(eng_jobs *jobs);
void eng_jobs_count(eng_jobs *jobs, uint64_t *queued, uint64_t *running);

/* ---- What was predicted (prediction.c) ---------------------------------------------------------------- */

eng_status eng_predictions_open(eng *e, const eng_options *options, eng_error *err) ENG_MUST_CHECK;

/* ---- Care (manifest.c, stage.c, backup.c, restore.c, doctor.c) ---------------------------------------- */

#define ENG_BACKUP_MANIFEST "manifest.json"

enum { ENG_SHA256_SIZE = 32 };

/* A file of a backup. */
typedef struct {
    eng_str path; /* below the backup's folder, NUL-terminated */
    uint64_t size;
    unsigned char sha256[ENG_SHA256_SIZE];
} eng_backup_file;

typedef struct {
    eng_backup_file *files;
    size_t count;
    size_t cap;
} eng_manifest;

/* In the arena; path is copied. */
eng_status eng_manifest_add(eng_manifest *m, eng_arena *arena, eng_str path, uint64_t size,
                            eng_error *err) ENG_MUST_CHECK;
uint64_t eng_manifest_bytes(const eng_manifest *m);
/* DIR/manifest.json, synced. */
eng_status eng_manifest_write(const char *dir, const eng_manifest *m,
                              eng_error *err) ENG_MUST_CHECK;
/* Refuses paths that no backup of ours holds (ENG_ECORRUPT) and what a newer program wrote
 * (ENG_EVERSION); does not look at the files. */
eng_status eng_manifest_read(const char *dir, eng_arena *arena, eng_manifest *out,
                             eng_error *err) ENG_MUST_CHECK;

/* Told of bytes as they are read; false ends it with ENG_ECANCELLED. */
typedef bool eng_copy_progress(void *ctx, uint64_t bytes);

/* Reads FROM/path to its end into file->size and file->sha256 and, where `to` is not NULL, copies it
 * to TO/path, a new file, synced, mode 0600; the folders above it are made. progress may be NULL. */
eng_status eng_copy_hashed(const char *from, const char *to, eng_backup_file *file,
                           eng_copy_progress *progress, void *ctx, eng_error *err) ENG_MUST_CHECK;

/*
 * A stage: a folder that is filled beside its place and renamed into it when whole. It is locked
 * while it is filled, so that two do not fill it at once, and what a crash left in it is removed.
 */
typedef struct {
    char *path; /* its place + ".partial" */
    int lock;
} eng_stage;

eng_status eng_stage_open(const char *place, eng_stage *out, eng_error *err) ENG_MUST_CHECK;
/* The folders in it; its files are synced by who wrote them. */
eng_status eng_stage_sync(const eng_stage *s, eng_error *err) ENG_MUST_CHECK;
/* Renames it into its place, where nothing may be: else ENG_ECONFLICT. */
eng_status eng_stage_finish(eng_stage *s, const char *place, eng_error *err) ENG_MUST_CHECK;
/* Removes what was not finished; gives the lock back. */
void eng_stage_close(eng_stage *s);

/* A rename that replaces nothing, synced: ENG_ECONFLICT where `to` is there. */
eng_status eng_rename_new(const char *from, const char *to, eng_error *err) ENG_MUST_CHECK;
/* The folder that an absolute path stands in, to be freed; NULL when memory ran out. */
char *eng_data_parent(const char *path);
/* path is dir or lies below it; both absolute and without links. */
bool eng_data_within(const char *path, const char *dir);

#endif
