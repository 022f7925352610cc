/*
 * One lock and one condition for all threads of a pool: the work behind a task takes far longer
 * than handing it over. Both queues are rings made at the start, so that submitting cannot run out
 * of memory.
 */
#include "base/pool.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"

#include <pthread.h>
#include <signal.h>

typedef struct {
    eng_task *tasks;
    size_t cap;
    size_t head; /* the oldest */
    size_t count;
} ring;

struct eng_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a task was submitted, or the pool stops */
    ring waiting[2];
    size_t running[2];
    size_t bulk_most; /* threads that bulk work may hold */
    bool stopping;
    size_t threads;
    pthread_t thread[];
};

static bool ring_push(ring *r, eng_task task)
{
    if (r->count == r->cap)
        return false;
    r->tasks[(r->head + r->count) % r->cap] = task;
    r->count++;
    return true;
}

static bool ring_pop(ring *r, eng_task *task)
{
    if (r->count == 0)
        return false;
    *task = r->tasks[r->head];
    r->head = (r->head + 1) % r->cap;
    r->count--;
    return true;
}

/* Under the lock: what a thread that is free should do now. */
static bool next_task(eng_pool *p, eng_task *task, eng_pool_class *c)
{
    *c = ENG_POOL_NOW;
    if (ring_pop(&p->waiting[ENG_POOL_NOW], task))
        return true;
    *c = ENG_POOL_BULK;
    return p->running[ENG_POOL_BULK] < p->bulk_most && ring_pop(&p->waiting[ENG_POOL_BULK], task);
}

static void *work(void *arg)
{
    eng_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        eng_task task;
        eng_pool_class c;
        if (!next_task(p, &task, &c)) {
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        p->running[c]++;
        pthread_mutex_unlock(&p->lock);
        task.run(task.arg);
        pthread_mutex_lock(&p->lock);
        p->running[c]--;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals belong to the thread that waits for them, never to a worker: threads inherit the mask. */
static eng_status start(eng_pool *p, size_t threads, eng_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (p->threads < threads && !failed) {
        failed = pthread_create(&p->thread[p->threads], NULL, work, p);
        p->threads += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? eng_fail_errno(err, failed, "cannot start worker %zu", p->threads + 1) : ENG_OK;
}

eng_status eng_pool_new(const eng_pool_options *options, eng_pool **out, eng_error *err)
{
    if (options->threads == 0)
        return eng_fail(err, ENG_EINVALID, "a pool needs at least one thread");

    size_t size;
    eng_pool *p = NULL;
    if (eng_mul(options->threads, sizeof p->thread[0], &size) && eng_add(size, sizeof *p, &size))
        p = eng_zalloc(size);
    if (!p)
        return eng_fail_nomem(err);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    p->bulk_most = options->threads > 1 ? options->threads - 1 : 1;

    eng_status status = ENG_OK;
    for (int c = 0; c < 2 && status == ENG_OK; c++) {
        p->waiting[c].cap = options->queue[c];
        p->waiting[c].tasks = eng_alloc_array(options->queue[c], sizeof(eng_task));
        if (!p->waiting[c].tasks)
            status = eng_fail_nomem(err);
    }
    if (status == ENG_OK)
        status = start(p, options->threads, err);
    if (status < 0) {
        eng_pool_free(p);
        return status;
    }
    *out = p;
    return ENG_OK;
}

eng_status eng_pool_submit(eng_pool *p, eng_pool_class c, eng_task task, eng_error *err)
{
    pthread_mutex_lock(&p->lock);
    bool stopping = p->stopping;
    bool taken = !stopping && ring_push(&p->waiting[c], task);
    if (taken)
        pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);

    if (taken)
        return ENG_OK;
    return eng_fail(err, ENG_EBUSY,
                    stopping ? "the workers are stopping" : "too much work is waiting");
}

eng_pool_load eng_pool_measure(eng_pool *p)
{
    pthread_mutex_lock(&p->lock);
    eng_pool_load load = {
        .waiting = {p->waiting[0].count, p->waiting[1].count},
        .running = {p->running[0], p->running[1]},
    };
    pthread_mutex_unlock(&p->lock);
    return load;
}

void eng_pool_stop(eng_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);

    for (; p->threads; p->threads--)
        pthread_join(p->thread[p->threads - 1], NULL);

    /* Nobody else touches the rings any more, but for eng_pool_measure. */
    for (int c = 0; c < 2; c++) {
        eng_task task;
        for (;;) {
            pthread_mutex_lock(&p->lock);
            bool found = ring_pop(&p->waiting[c], &task);
            pthread_mutex_unlock(&p->lock);
            if (!found)
                break;
            if (task.dropped)
                task.dropped(task.arg);
        }
    }
}

void eng_pool_free(eng_pool *p)
{
    if (!p)
        return;
    eng_pool_stop(p);
    for (int c = 0; c < 2; c++)
        eng_free(p->waiting[c].tasks);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    eng_free(p);
}
