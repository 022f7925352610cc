/*
 * Watches, and the keeper: the one thread that calls watchers and tells the store how far runs are.
 *
 * A watch is due when its job has something new and its last call is at least GAP_NS ago; news that
 * is final does not wait. Progress is noticed by looking, ten times a second while somebody watches a
 * run, so that runs need not tell.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/job_internal.h"

enum { GAP_NS = 100000000, STORE_NS = 1000000000 };

struct eng_job_watch {
    TAILQ_ENTRY(eng_job_watch) at;
    eng_jobs *jobs;
    int64_t id;
    eng_job_watch_fn *fn;
    void *ctx;

    /* Under the lock. */
    bool changed; /* its state, since the last call */
    bool final;   /* ... and it will not change again */
    bool over;    /* was told the final state */
    bool calling;
    uint64_t called_ns; /* when fn returned last; 0: never called */
    uint64_t done;      /* as it was told last */
    uint64_t total;
};

/* ---- Watching ---- */

eng_status eng_job_watch_new(eng *e, int64_t id, eng_job_watch_fn *fn, void *ctx,
                             eng_job_watch **out, eng_error *err)
{
    eng_job *job = NULL;
    eng_status status = eng_job_get(e, id, &job, err);
    eng_job_free(job);
    if (status < 0)
        return status;
    eng_job_watch *w = eng_zalloc(sizeof *w);
    if (!w)
        return eng_fail_nomem(err);
    *w = (eng_job_watch){.jobs = e->jobs, .id = id, .fn = fn, .ctx = ctx, .changed = true};
    pthread_mutex_lock(&w->jobs->lock);
    TAILQ_INSERT_HEAD(&w->jobs->watches, w, at);
    pthread_cond_signal(&w->jobs->news);
    pthread_mutex_unlock(&w->jobs->lock);
    *out = w;
    return ENG_OK;
}

void eng_job_unwatch(eng_job_watch *w)
{
    if (!w)
        return;
    eng_jobs *j = w->jobs;
    pthread_mutex_lock(&j->lock);
    while (w->calling)
        pthread_cond_wait(&j->called, &j->lock);
    TAILQ_REMOVE(&j->watches, w, at);
    pthread_mutex_unlock(&j->lock);
    eng_free(w);
}

void eng_jobs_changed(eng_jobs *j, int64_t id, bool final)
{
    pthread_mutex_lock(&j->lock);
    eng_job_watch *w;
    TAILQ_FOREACH(w, &j->watches, at)
    {
        if (w->id == id) {
            w->changed = true;
            w->final = w->final || final;
        }
    }
    pthread_cond_signal(&j->news);
    pthread_mutex_unlock(&j->lock);
}

/* ---- Calling ---- */

/* With the lock held, which is let go while fn runs. */
static void call(eng_jobs *j, eng_job_watch *w)
{
    eng_job *job = NULL;
    bool final = w->final;
    w->changed = false;
    w->calling = true;
    TAILQ_REMOVE(&j->watches, w, at);
    TAILQ_INSERT_TAIL(&j->watches, w, at);
    pthread_mutex_unlock(&j->lock);

    eng_status status = eng_job_get(j->e, w->id, &job, NULL);
    if (status == ENG_OK)
        w->fn(w->ctx, job);

    pthread_mutex_lock(&j->lock);
    if (status == ENG_OK) {
        w->done = job->done;
        w->total = job->total;
        w->over = eng_job_over(job->state);
    } else {
        /* No memory, no descriptor: tried again after the gap, until the engine closes. */
        w->changed = true;
        w->over = status == ENG_ENOTFOUND || j->resting;
    }
    w->final = w->final && !final;
    w->called_ns = eng_clock_ns();
    w->calling = false;
    pthread_cond_broadcast(&j->called);
    eng_job_free(job);
}

/* When the watch wants to be called, as far as is known now; UINT64_MAX: when something changes. */
static uint64_t due_ns(eng_jobs *j, const eng_job_watch *w, uint64_t now)
{
    if (w->over)
        return UINT64_MAX;
    uint64_t after_gap = w->called_ns ? w->called_ns + GAP_NS : 0;
    if (w->changed)
        return w->final || j->resting ? 0 : after_gap;
    const eng_job_run *run = eng_jobs_run(j, w->id);
    if (!run)
        return UINT64_MAX;
    bool moved = atomic_load(&run->done) != w->done || atomic_load(&run->total) != w->total;
    return moved ? after_gap : now + GAP_NS;
}

/* Calls all that are due, and returns when the next may be. */
static uint64_t call_due(eng_jobs *j)
{
    for (;;) {
        uint64_t now = eng_clock_ns(), next = UINT64_MAX;
        eng_job_watch *w, *first = NULL;
        TAILQ_FOREACH(w, &j->watches, at)
        {
            uint64_t due = due_ns(j, w, now);
            if (due <= now) {
                first = w;
                break;
            }
            next = due < next ? due : next;
        }
        if (!first)
            return next;
        call(j, first);
    }
}

/* ---- Telling the store ---- */

/* Once the run has moved, else in time to keep its lease. */
static bool worth_telling(const eng_job_run *run, uint64_t now)
{
    bool moved = atomic_load(&run->done) != run->told_done ||
                 atomic_load(&run->total) != run->told_total;
    return moved || now - run->told_ns > (uint64_t)ENG_JOB_LEASE_MS * 1000000 / 3;
}

static size_t mark_runs(eng_jobs *j, uint64_t now)
{
    size_t count = 0;
    for (size_t i = 0; i < j->threads; i++) {
        eng_job_run *run = j->workers[i].run;
        if (!run || !worth_telling(run, now))
            continue;
        run->told_ns = now;
        run->told_done = atomic_load(&run->done);
        run->told_total = atomic_load(&run->total);
        j->marks[count++] = (eng_job_mark){run->id, run->told_done, run->told_total};
    }
    return count;
}

/* What the store answered; the run may have ended meanwhile. */
static void heed(eng_jobs *j, int64_t id, eng_status status, bool cancel)
{
    pthread_mutex_lock(&j->lock);
    eng_job_run *run = eng_jobs_run(j, id);
    if (run && status == ENG_ECONFLICT)
        atomic_store(&run->lost, true);
    if (run && status == ENG_OK && cancel)
        atomic_store(&run->cancelled, true);
    if (run && (status == ENG_ECONFLICT || (status == ENG_OK && cancel)))
        atomic_store(&run->stop, true);
    pthread_mutex_unlock(&j->lock);
}

/* With the lock held, which is let go while the store writes. A failure is not the run's: what it has
 * to say is said again in a second, and at its end. */
static void tell_store(eng_jobs *j)
{
    size_t count = mark_runs(j, eng_clock_ns());
    if (count == 0)
        return;
    pthread_mutex_unlock(&j->lock);
    for (size_t i = 0; i < count; i++) {
        const eng_job_mark *m = &j->marks[i];
        bool cancel = false;
        eng_status status = eng_store_job_progress(j->e->store, m->id, eng_str_of(j->owner),
                                                   m->done, m->total, ENG_JOB_LEASE_MS, &cancel,
                                                   NULL);
        heed(j, m->id, status, cancel);
    }
    pthread_mutex_lock(&j->lock);
}

/* ---- The thread ---- */

static bool any_run(const eng_jobs *j)
{
    for (size_t i = 0; i < j->threads; i++)
        if (j->workers[i].run)
            return true;
    return false;
}

/* call_due comes last before the wait, because it returns with the lock held since it last looked:
 * what changes while the lock is free is seen by it. */
void *eng_jobs_keep(void *arg)
{
    eng_jobs *j = arg;
    uint64_t told = eng_clock_ns();
    pthread_mutex_lock(&j->lock);
    for (;;) {
        if (eng_clock_ns() - told >= STORE_NS) {
            tell_store(j);
            told = eng_clock_ns();
        }
        uint64_t next = call_due(j);
        if (j->resting)
            break;
        if (any_run(j) && told + STORE_NS < next)
            next = told + STORE_NS;
        if (next == UINT64_MAX)
            pthread_cond_wait(&j->news, &j->lock);
        else if (next > eng_clock_ns())
            eng_jobs_wait(j, &j->news, next);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}
