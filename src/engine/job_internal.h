/*
 * Jobs while an engine is open. The store has the truth; here is what must be quick: how far the runs
 * are, who watches, and the threads.
 *
 *     eng_job_submit -> store: queued
 *        worker (work.c): claims, runs, ends        as many as eng_options.job_threads
 *        keeper (watch.c): once a second tells the store how far the runs are, which also keeps their
 *            leases; ten times a second tells the watches what is new
 *
 * A run reports into memory and never waits for a disk or for a watcher. One lock guards all that is
 * not atomic; no call into the store and no call of a watcher is made with it held.
 */
#ifndef ENG_JOB_INTERNAL_H
#define ENG_JOB_INTERNAL_H

#include "engine/engine_internal.h"

#include <sys/queue.h>

/* Keepers extend leases at a third of this. */
enum { ENG_JOB_LEASE_MS = 30000 };

typedef struct {
    eng_jobs *jobs;
    pthread_t thread;
    eng_job_run *run; /* what it runs, or NULL */
} eng_job_worker;

/* A run as the keeper tells the store of it. */
typedef struct {
    int64_t id;
    uint64_t done;
    uint64_t total;
} eng_job_mark;

TAILQ_HEAD(eng_job_watches, eng_job_watch);

struct eng_jobs {
    eng *e;
    const eng_job_kind *kinds;
    char owner[40]; /* in the store: this opening of this process */

    pthread_mutex_t lock;
    pthread_cond_t work;   /* workers: something was queued, or all end */
    pthread_cond_t news;   /* the keeper: a job changed, a watch came, or all end */
    pthread_cond_t called; /* eng_job_unwatch: a watcher's function has returned */
    uint64_t submitted;    /* grows: a worker that found nothing sees that something came since */
    bool closing;          /* workers end */
    bool resting;          /* they have ended: the keeper tells the last news and ends */
    struct eng_job_watches watches; /* those called longest ago first */

    pthread_t keeper;
    bool kept;           /* the keeper runs */
    eng_job_mark *marks; /* the keeper's scratch, one for each worker */

    _Atomic uint64_t queued;
    _Atomic uint64_t running;

    size_t threads; /* workers that run */
    eng_job_worker workers[];
};

/* With the lock held: the run of this job here, or NULL. */
eng_job_run *eng_jobs_run(eng_jobs *j, int64_t id);

/* A job changed its state: its watches hear of it; `final`: for the last time. */
void eng_jobs_changed(eng_jobs *j, int64_t id, bool final);

void *eng_jobs_work(void *worker);
void *eng_jobs_keep(void *jobs);

/* Waits on one of the conditions until eng_clock_ns() is `until`; with the lock held. */
void eng_jobs_wait(eng_jobs *j, pthread_cond_t *condition, uint64_t until);

static inline bool eng_job_over(eng_job_state state)
{
    return state != ENG_JOB_QUEUED && state != ENG_JOB_RUNNING;
}

#endif
