/*
 * Workers: claim a job, run it, say how it ended.
 *
 *     claim ----> cancelled meanwhile ------------------------------> cancelled
 *           ----> cut off before, and its kind cannot run again ----> failed
 *           ----> run ---- ENG_OK -----------------------------------> done
 *                     ---- told to stop: by a person ----------------> cancelled
 *                                        because the engine closes --> queued, or failed
 *                                        because it is not ours -----> nothing: the store says so
 *                     ---- any other error --------------------------> failed
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/job_internal.h"

#include <sys/resource.h>
#include <unistd.h>

/* A job that ends the process each time must not do so for ever. */
enum { ATTEMPTS_MAX = 3 };
enum { RESULT_MAX = 16 << 20, NICE = 10 };

#define RETRY_NS UINT64_C(1000000000)
#define IDLE_NS ((uint64_t)ENG_JOB_LEASE_MS * 1000000)

static const char cut_off[] = "interrupted: the program ended while it ran";
static const char closed[] = "interrupted: the program was closed while it ran";

typedef struct {
    eng_job_state state;
    eng_str result; /* ptr NULL: none */
    eng_str error;
} outcome;

bool eng_job_report(eng_job_run *run, uint64_t done, uint64_t total)
{
    atomic_store_explicit(&run->done, done, memory_order_relaxed);
    atomic_store_explicit(&run->total, total, memory_order_relaxed);
    return !atomic_load_explicit(&run->stop, memory_order_relaxed);
}

static const eng_job_kind *kind_of(const eng_jobs *j, eng_str name)
{
    for (const eng_job_kind *k = j->kinds; k->name; k++)
        if (eng_str_eq(name, eng_str_of(k->name)))
            return k;
    return NULL;
}

/* ---- One run ---- */

/* From here on eng_job_cancel finds the run. Whoever cancelled between the claim and now did not: the
 * store knows. */
static eng_status enter(eng_job_worker *w, eng_job_run *run, const eng_store_job *job,
                        eng_error *err)
{
    eng_jobs *j = w->jobs;
    pthread_mutex_lock(&j->lock);
    w->run = run;
    if (j->closing)
        atomic_store(&run->stop, true);
    pthread_mutex_unlock(&j->lock);
    eng_jobs_changed(j, run->id, false);

    eng_store_job now;
    eng_status status = eng_store_job_get(j->e->store, job->id, &run->arena, &now, err);
    if (status == ENG_OK && now.cancel) {
        atomic_store(&run->cancelled, true);
        atomic_store(&run->stop, true);
        return eng_fail(err, ENG_ECANCELLED, "cancelled");
    }
    return status;
}

static void leave(eng_job_worker *w)
{
    pthread_mutex_lock(&w->jobs->lock);
    w->run = NULL;
    pthread_mutex_unlock(&w->jobs->lock);
}

static eng_status perform(eng_job_run *run, const eng_job_kind *kind, const eng_store_job *job,
                          eng_error *err)
{
    if (!kind)
        return eng_fail(err, ENG_EUNSUPPORTED, "this program knows no job '%.*s'",
                        ENG_FMT(job->kind));
    if (job->attempt > 1 && !kind->again)
        return eng_fail(err, ENG_EINTERNAL, "%s", cut_off);
    if (job->attempt > ATTEMPTS_MAX)
        return eng_fail(err, ENG_EINTERNAL, "%s, %d times", cut_off, ATTEMPTS_MAX);
    if (atomic_load(&run->stop))
        return eng_fail(err, ENG_ECANCELLED, "stopped before it began");
    eng_status status = eng_json_read(job->params, NULL, &run->arena, &run->params, err);
    if (status == ENG_OK) {
        run->begun = true;
        status = kind->run(run, err);
    }
    return status < 0 ? status : eng_buf_check(&run->result, "the job's result", err);
}

static outcome judge(const eng_job_run *run, const eng_job_kind *kind, eng_status status,
                     const eng_error *err)
{
    if (status == ENG_OK) {
        eng_str none = {NULL, 0};
        return (outcome){ENG_JOB_DONE, run->result.len ? eng_buf_view(&run->result) : none, none};
    }
    if (status == ENG_ECANCELLED && atomic_load(&run->cancelled))
        return (outcome){.state = ENG_JOB_CANCELLED};
    if (status == ENG_ECANCELLED && atomic_load(&run->stop)) {
        if (!run->begun || kind->again)
            return (outcome){.state = ENG_JOB_QUEUED};
        return (outcome){.state = ENG_JOB_FAILED, .error = eng_str_of(closed)};
    }
    return (outcome){.state = ENG_JOB_FAILED, .error = eng_str_of(err->message)};
}

/* ---- Ending it ---- */

static eng_status tell_store(eng_jobs *j, eng_job_run *run, const outcome *o)
{
    eng_store *s = j->e->store;
    eng_str owner = eng_str_of(j->owner);
    uint64_t done = atomic_load(&run->done), total = atomic_load(&run->total);
    bool cancel;
    eng_status status = ENG_OK;
    if (done || total)
        status = eng_store_job_progress(s, run->id, owner, done, total, ENG_JOB_LEASE_MS, &cancel,
                                        NULL);
    if (status == ENG_OK)
        status = eng_store_job_end(s, run->id, owner, o->state, o->result, o->error, NULL);
    return status;
}

/* A full disk or a lack of memory passes; what has been done must not be lost meanwhile. Where the
 * engine is closed first, the job is found cut off at the next opening. */
static void end(eng_jobs *j, eng_job_run *run, const outcome *o)
{
    for (;;) {
        eng_status status = tell_store(j, run, o);
        if (status == ENG_OK || status == ENG_ECONFLICT || status == ENG_ENOTFOUND)
            return;
        pthread_mutex_lock(&j->lock);
        if (!j->closing)
            eng_jobs_wait(j, &j->work, eng_clock_ns() + RETRY_NS);
        bool closing = j->closing;
        pthread_mutex_unlock(&j->lock);
        if (closing)
            return;
    }
}

static void run_job(eng_job_worker *w, const eng_store_job *job, eng_job_run *run)
{
    eng_jobs *j = w->jobs;
    eng_error err = {0};
    const eng_job_kind *kind = kind_of(j, job->kind);
    eng_status status = enter(w, run, job, &err);
    if (status == ENG_OK)
        status = perform(run, kind, job, &err);
    outcome o = judge(run, kind, status, &err);
    if (!atomic_load(&run->lost))
        end(j, run, &o);
    leave(w);
    if (o.state == ENG_JOB_QUEUED)
        atomic_fetch_add(&j->queued, 1);
    atomic_fetch_sub(&j->running, 1);
    eng_jobs_changed(j, run->id, eng_job_over(o.state));
}

/* ENG_ENOTFOUND: there is nothing to do. */
static eng_status claim_and_run(eng_job_worker *w)
{
    eng_jobs *j = w->jobs;
    eng_store_job job;
    eng_job_run run = {.e = j->e};
    eng_arena_init(&run.arena, 4096, NULL);
    eng_buf_init(&run.result, RESULT_MAX);
    eng_status status = eng_store_job_claim(j->e->store, eng_str_of(j->owner), ENG_JOB_LEASE_MS,
                                            &run.arena, &job, NULL);
    if (status == ENG_OK) {
        atomic_fetch_add(&j->running, 1);
        atomic_fetch_sub(&j->queued, 1);
        run.id = job.id;
        run.attempt = job.attempt;
        run.started_ns = run.told_ns = eng_clock_ns();
        run_job(w, &job, &run);
    }
    eng_buf_clear(&run.result);
    eng_arena_clear(&run.arena);
    return status;
}

/* ---- The thread ---- */

void *eng_jobs_work(void *arg)
{
    eng_job_worker *w = arg;
    eng_jobs *j = w->jobs;
    /* Whoever waits for an answer goes first. Not being allowed to is no reason not to work. */
    /* Below the rest of this process, whatever it was started with; the kernel caps it. */
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE);

    pthread_mutex_lock(&j->lock);
    while (!j->closing) {
        uint64_t seen = j->submitted;
        pthread_mutex_unlock(&j->lock);
        eng_status status = claim_and_run(w);
        pthread_mutex_lock(&j->lock);
        if (j->closing || status == ENG_OK)
            continue;
        if (status != ENG_ENOTFOUND)
            eng_jobs_wait(j, &j->work, eng_clock_ns() + RETRY_NS);
        else if (seen == j->submitted) /* now and then: a lease may have ended */
            eng_jobs_wait(j, &j->work, eng_clock_ns() + IDLE_NS);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}
