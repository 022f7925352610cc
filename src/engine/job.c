/* Jobs as callers see them, and the life of the threads behind them. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/job_internal.h"
#include "engine/model_internal.h"

#include <signal.h>
#include <unistd.h>

enum { OWNER_ID = 16 };

const eng_job_kind eng_job_kinds[] = {
    {"backup", false, eng_backup_run},
    {"doctor", true, eng_doctor_run},
    {"pull", true, eng_pull_run},
    {"ingest", true, eng_ingest_run},
    {"reembed", true, eng_reembed_run},
    {"evaluate", true, eng_evaluate_run},
    {"train", true, eng_train_run},
    {"tune", true, eng_tune_run},
    {0},
};

const char *eng_job_state_name(eng_job_state state)
{
    static const char *const names[] = {"queued", "running", "done", "failed", "cancelled"};
    size_t i = (size_t)state;
    return i < sizeof names / sizeof *names ? names[i] : "unknown";
}

/* ---- Submitting and cancelling ---- */

eng_status eng_job_submit(eng *e, const char *kind, eng_str params, int64_t *id, eng_error *err)
{
    eng_jobs *j = e->jobs;
    /* Before it is there, so that a worker that has it at once does not count below zero. */
    atomic_fetch_add(&j->queued, 1);
    eng_status status = eng_store_job_add(e->store, eng_str_of(kind), params, id, err);
    if (status < 0) {
        atomic_fetch_sub(&j->queued, 1);
        return status;
    }
    pthread_mutex_lock(&j->lock);
    j->submitted++;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
    return ENG_OK;
}

eng_status eng_job_cancel(eng *e, int64_t id, eng_error *err)
{
    eng_jobs *j = e->jobs;
    eng_job_state state;
    eng_status status = eng_store_job_cancel(e->store, id, &state, err);
    if (status < 0)
        return status;
    if (state == ENG_JOB_CANCELLED) {
        atomic_fetch_sub(&j->queued, 1);
        eng_jobs_changed(j, id, true);
        return ENG_OK;
    }
    pthread_mutex_lock(&j->lock);
    eng_job_run *run = eng_jobs_run(j, id);
    if (run) {
        atomic_store(&run->cancelled, true);
        atomic_store(&run->stop, true);
    }
    pthread_mutex_unlock(&j->lock);
    return ENG_OK;
}

/* ---- Looking ---- */

typedef struct {
    eng_job job; /* first: what the caller holds */
    eng_arena arena;
} held_job;

typedef struct {
    eng_job_page page;
    eng_arena arena;
} page_of_jobs;

static eng_status copy_text(eng_arena *arena, eng_str text, const char **out, eng_error *err)
{
    if (!text.ptr)
        return ENG_OK;
    *out = eng_arena_copy(arena, text).ptr;
    return *out ? ENG_OK : eng_fail_nomem(err);
}

/* What the run has reported since the store was told, and the time that is left at its pace so far. */
static void add_run(eng_jobs *j, eng_job *job)
{
    pthread_mutex_lock(&j->lock);
    eng_job_run *run = eng_jobs_run(j, job->id);
    if (run) {
        job->done = atomic_load(&run->done);
        job->total = atomic_load(&run->total);
        double spent = (double)(eng_clock_ns() - run->started_ns) / 1e9;
        if (job->done && job->total >= job->done)
            job->eta_s = spent * (double)(job->total - job->done) / (double)job->done;
    }
    pthread_mutex_unlock(&j->lock);
}

static eng_status fill_job(eng_jobs *j, eng_arena *arena, const eng_store_job *stored, eng_job *out,
                           eng_error *err)
{
    *out = (eng_job){
        .id = stored->id,
        .state = stored->state,
        .done = stored->done,
        .total = stored->total,
        .eta_s = -1,
        .attempt = stored->attempt,
        .created_ms = stored->created_ms,
        .started_ms = stored->started_ms,
        .ended_ms = stored->ended_ms,
    };
    eng_status status = copy_text(arena, stored->kind, &out->kind, err);
    if (status == ENG_OK)
        status = copy_text(arena, stored->result, &out->result, err);
    if (status == ENG_OK)
        status = copy_text(arena, stored->error, &out->error, err);
    if (out->state == ENG_JOB_RUNNING)
        add_run(j, out);
    return status;
}

eng_status eng_job_get(eng *e, int64_t id, eng_job **out, eng_error *err)
{
    eng_store_job stored;
    held_job *held = eng_zalloc(sizeof *held);
    if (!held)
        return eng_fail_nomem(err);
    eng_arena_init(&held->arena, 1024, NULL);
    eng_status status = eng_store_job_get(e->store, id, &held->arena, &stored, err);
    if (status == ENG_OK)
        status = fill_job(e->jobs, &held->arena, &stored, &held->job, err);
    if (status < 0)
        eng_job_free(&held->job);
    else
        *out = &held->job;
    return status;
}

void eng_job_free(eng_job *job)
{
    if (!job)
        return;
    held_job *held = (held_job *)job;
    eng_arena_clear(&held->arena);
    eng_free(held);
}

static eng_status fill_page(eng *e, page_of_jobs *p, unsigned limit, int64_t before, eng_error *err)
{
    eng_store_job *stored = NULL;
    size_t count = 0;
    /* One more than asked for: whether there is a next page. */
    eng_status status = eng_store_job_page(e->store, before, limit + 1, &p->arena, &stored, &count,
                                           err);
    if (status < 0)
        return status;
    p->page.count = count < limit ? count : limit;
    p->page.jobs = eng_arena_array(&p->arena, p->page.count, sizeof *p->page.jobs);
    if (!p->page.jobs)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < p->page.count && status == ENG_OK; i++)
        status = fill_job(e->jobs, &p->arena, &stored[i], &p->page.jobs[i], err);
    if (status == ENG_OK && count > limit)
        eng_next_make(e, "jobs", stored[limit - 1].id, p->page.next);
    return status;
}

eng_status eng_job_list(eng *e, unsigned limit, const char *next, eng_job_page **out,
                        eng_error *err)
{
    int64_t before;
    eng_status status = eng_limit_check(limit, err);
    if (status == ENG_OK)
        status = eng_next_read(e, "jobs", next, INT64_MAX, &before, err);
    if (status < 0)
        return status;
    page_of_jobs *p = eng_zalloc(sizeof *p);
    if (!p)
        return eng_fail_nomem(err);
    eng_arena_init(&p->arena, 4096, NULL);
    status = fill_page(e, p, limit, before, err);
    if (status < 0)
        eng_job_page_free(&p->page);
    else
        *out = &p->page;
    return status;
}

void eng_job_page_free(eng_job_page *page)
{
    if (!page)
        return;
    page_of_jobs *p = (page_of_jobs *)page;
    eng_arena_clear(&p->arena);
    eng_free(p);
}

void eng_jobs_count(eng_jobs *j, uint64_t *queued, uint64_t *running)
{
    *queued = atomic_load(&j->queued);
    *running = atomic_load(&j->running);
}

/* ---- Shared by the threads ---- */

eng_job_run *eng_jobs_run(eng_jobs *j, int64_t id)
{
    for (size_t i = 0; i < j->threads; i++)
        if (j->workers[i].run && j->workers[i].run->id == id)
            return j->workers[i].run;
    return NULL;
}

void eng_jobs_wait(eng_jobs *j, pthread_cond_t *condition, uint64_t until)
{
    struct timespec at = {
        .tv_sec = (time_t)(until / 1000000000),
        .tv_nsec = (long)(until % 1000000000),
    };
    pthread_cond_timedwait(condition, &j->lock, &at);
}

/* ---- Starting and stopping ---- */

static eng_jobs *new_jobs(eng *e, const eng_job_kind *kinds, size_t threads)
{
    size_t size;
    if (!eng_mul(threads, sizeof(eng_job_worker), &size) || !eng_add(size, sizeof(eng_jobs), &size))
        return NULL;
    eng_jobs *j = eng_zalloc(size);
    eng_job_mark *marks = eng_alloc_array(threads, sizeof *marks);
    if (!j || !marks) {
        eng_free(j);
        eng_free(marks);
        return NULL;
    }
    j->e = e;
    j->kinds = kinds;
    j->marks = marks;
    TAILQ_INIT(&j->watches);

    char id[OWNER_ID + 1];
    eng_random_id(id, OWNER_ID);
    snprintf(j->owner, sizeof j->owner, "%ld-%s", (long)getpid(), id);

    /* Times to wait for are eng_clock_ns's, which a step of the calendar does not move. */
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->work, &monotonic);
    pthread_cond_init(&j->news, &monotonic);
    pthread_cond_init(&j->called, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return j;
}

/* Under the lock, because a worker that runs already counts the others. */
static int start_threads(eng_jobs *j, size_t threads)
{
    pthread_mutex_lock(&j->lock);
    int code = pthread_create(&j->keeper, NULL, eng_jobs_keep, j);
    j->kept = code == 0;
    while (!code && j->threads < threads) {
        eng_job_worker *w = &j->workers[j->threads];
        w->jobs = j;
        code = pthread_create(&w->thread, NULL, eng_jobs_work, w);
        j->threads += !code;
    }
    pthread_mutex_unlock(&j->lock);
    return code;
}

eng_status eng_jobs_start(eng *e, const eng_job_kind *kinds, unsigned threads, eng_error *err)
{
    uint64_t queued = 0, running = 0;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = processors > 0 ? (unsigned)processors : 1;

    eng_status status = eng_store_job_release(e->store, err);
    if (status == ENG_OK)
        status = eng_store_job_counts(e->store, &queued, &running, err);
    if (status < 0)
        return status;
    eng_jobs *j = new_jobs(e, kinds, threads);
    if (!j)
        return eng_fail_nomem(err);
    /* What ran when the last process ended waits to be claimed again. */
    atomic_store(&j->queued, queued + running);
    e->jobs = j;

    /* Signals belong to who waits for them: threads inherit the mask. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = start_threads(j, threads);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code ? eng_fail_errno(err, code, "cannot start the threads of jobs") : ENG_OK;
}

static void ask_to_stop(eng_jobs *j)
{
    pthread_mutex_lock(&j->lock);
    j->closing = true;
    for (size_t i = 0; i < j->threads; i++)
        if (j->workers[i].run)
            atomic_store(&j->workers[i].run->stop, true);
    pthread_cond_broadcast(&j->work);
    pthread_mutex_unlock(&j->lock);
}

void eng_jobs_stop(eng_jobs *j)
{
    if (!j)
        return;
    ask_to_stop(j);
    for (size_t i = 0; i < j->threads; i++)
        pthread_join(j->workers[i].thread, NULL);

    pthread_mutex_lock(&j->lock);
    j->resting = true;
    pthread_cond_signal(&j->news);
    pthread_mutex_unlock(&j->lock);
    if (j->kept)
        pthread_join(j->keeper, NULL);

    pthread_cond_destroy(&j->called);
    pthread_cond_destroy(&j->news);
    pthread_cond_destroy(&j->work);
    pthread_mutex_destroy(&j->lock);
    eng_free(j->marks);
    eng_free(j);
}
