/* Each test names a promise of pool.h. */
#include "base/pool.h"
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

/* Holds tasks until it is opened, and counts who has come. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    size_t arrived;
    size_t passed;
    size_t dropped;
} gate;

#define GATE_CLOSED                                                                                \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                     \
    }

static void pass(void *arg)
{
    gate *g = arg;
    pthread_mutex_lock(&g->lock);
    g->arrived++;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    g->passed++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void drop(void *arg)
{
    gate *g = arg;
    pthread_mutex_lock(&g->lock);
    g->dropped++;
    pthread_mutex_unlock(&g->lock);
}

static void open_gate(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* A test that would wait for ever fails after ten seconds. */
static void await(gate *g, const size_t *count, size_t least)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&g->lock);
    int late = 0;
    while (*count < least && !late)
        late = pthread_cond_timedwait(&g->changed, &g->lock, &until);
    pthread_mutex_unlock(&g->lock);
    assert_int_equal(late, 0);
}

static eng_pool *pool_of(size_t threads, size_t now, size_t bulk)
{
    eng_pool *p = NULL;
    eng_error err = {0};
    eng_pool_options options = {.threads = threads, .queue = {now, bulk}};
    assert_ok(eng_pool_new(&options, &p, &err), err);
    return p;
}

static void submit(eng_pool *p, eng_pool_class c, gate *g)
{
    eng_error err = {0};
    assert_ok(eng_pool_submit(p, c, (eng_task){pass, drop, g}, &err), err);
}

static void nap(void)
{
    struct timespec t = {.tv_nsec = 20000000};
    nanosleep(&t, NULL);
}

static void bulk_leaves_a_thread_for_what_is_waited_for(void **state)
{
    (void)state;
    gate bulk = GATE_CLOSED, now = GATE_CLOSED;
    eng_pool *p = pool_of(3, 8, 8);
    for (int i = 0; i < 5; i++)
        submit(p, ENG_POOL_BULK, &bulk);
    await(&bulk, &bulk.arrived, 2);
    nap(); /* time to take a third, which must not happen */
    eng_pool_load load = eng_pool_measure(p);
    assert_int_equal(load.running[ENG_POOL_BULK], 2);
    assert_int_equal(load.waiting[ENG_POOL_BULK], 3);

    open_gate(&now);
    submit(p, ENG_POOL_NOW, &now);
    await(&now, &now.passed, 1); /* while all the bulk work stands still */
    open_gate(&bulk);
    await(&bulk, &bulk.passed, 5);
    eng_pool_free(p);
}

static void what_is_waited_for_may_take_all_threads(void **state)
{
    (void)state;
    gate now = GATE_CLOSED;
    eng_pool *p = pool_of(3, 8, 8);
    for (int i = 0; i < 3; i++)
        submit(p, ENG_POOL_NOW, &now);
    await(&now, &now.arrived, 3);
    assert_int_equal(eng_pool_measure(p).running[ENG_POOL_NOW], 3);
    open_gate(&now);
    await(&now, &now.passed, 3);
    eng_pool_free(p);
}

static char order[8];
static _Atomic size_t ordered;

static void note(void *arg) { order[ordered++] = *(const char *)arg; }

static void what_is_waited_for_goes_first_each_in_its_order(void **state)
{
    (void)state;
    gate first = GATE_CLOSED;
    eng_pool *p = pool_of(1, 8, 8);
    submit(p, ENG_POOL_NOW, &first);
    await(&first, &first.arrived, 1);
    ordered = 0;
    static const char letters[] = "abcdef";
    for (size_t i = 0; i < 6; i++) {
        eng_pool_class c = i % 2 ? ENG_POOL_NOW : ENG_POOL_BULK;
        eng_task task = {.run = note, .arg = (void *)(uintptr_t)&letters[i]};
        assert_int_equal(eng_pool_submit(p, c, task, NULL), ENG_OK);
    }
    open_gate(&first);
    while (ordered < 6)
        nap();
    eng_pool_free(p);
    assert_memory_equal(order, "bdface", 6);
}

static void one_thread_does_bulk_work_when_nothing_else_waits(void **state)
{
    (void)state;
    gate bulk = GATE_CLOSED;
    eng_pool *p = pool_of(1, 1, 1);
    open_gate(&bulk);
    submit(p, ENG_POOL_BULK, &bulk);
    await(&bulk, &bulk.passed, 1);
    eng_pool_free(p);
}

static void a_full_queue_is_busy(void **state)
{
    (void)state;
    gate g = GATE_CLOSED;
    eng_error err;
    eng_pool *p = pool_of(1, 2, 0);
    submit(p, ENG_POOL_NOW, &g);
    await(&g, &g.arrived, 1);
    submit(p, ENG_POOL_NOW, &g);
    submit(p, ENG_POOL_NOW, &g);
    assert_int_equal(eng_pool_measure(p).waiting[ENG_POOL_NOW], 2);
    assert_int_equal(eng_pool_submit(p, ENG_POOL_NOW, (eng_task){pass, drop, &g}, &err), ENG_EBUSY);
    assert_string_equal(err.message, "too much work is waiting");
    assert_int_equal(eng_pool_submit(p, ENG_POOL_BULK, (eng_task){pass, drop, &g}, NULL),
                     ENG_EBUSY);
    open_gate(&g);
    await(&g, &g.passed, 3);
    assert_int_equal(g.dropped, 0); /* what was not taken stays the caller's */
    submit(p, ENG_POOL_NOW, &g);    /* there is room again */
    await(&g, &g.passed, 4);
    eng_pool_free(p);
}

static void *stop_pool(void *arg)
{
    eng_pool_stop(arg);
    return NULL;
}

static void stopping_drops_what_waits_and_lets_what_runs_end(void **state)
{
    (void)state;
    gate g = GATE_CLOSED;
    eng_error err;
    eng_pool *p = pool_of(2, 8, 8);
    submit(p, ENG_POOL_NOW, &g);
    submit(p, ENG_POOL_NOW, &g);
    await(&g, &g.arrived, 2);
    submit(p, ENG_POOL_NOW, &g);
    submit(p, ENG_POOL_BULK, &g);
    submit(p, ENG_POOL_BULK, &g);
    assert_int_equal(eng_pool_submit(p, ENG_POOL_BULK, (eng_task){pass, NULL, &g}, NULL), ENG_OK);

    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_pool, p), 0);
    while (eng_pool_submit(p, ENG_POOL_NOW, (eng_task){pass, drop, &g}, &err) == ENG_OK)
        nap();
    pthread_mutex_lock(&g.lock);
    assert_int_equal(g.passed, 0); /* nothing was cut off */
    pthread_mutex_unlock(&g.lock);
    open_gate(&g);
    pthread_join(stopper, NULL);
    assert_int_equal(g.passed, 2);
    assert_true(g.dropped >= 3);
    assert_int_equal(eng_pool_submit(p, ENG_POOL_NOW, (eng_task){pass, drop, &g}, &err), ENG_EBUSY);
    assert_string_equal(err.message, "the workers are stopping");
    eng_pool_load load = eng_pool_measure(p);
    assert_int_equal(load.waiting[0] + load.waiting[1] + load.running[0] + load.running[1], 0);
    eng_pool_stop(p); /* again is fine */
    eng_pool_free(p);
    eng_pool_free(NULL);
}

enum { SUBMITTERS = 4, EACH = 2000 };

typedef struct {
    eng_pool *pool;
    _Atomic size_t run;
    _Atomic size_t dropped;
    _Atomic size_t refused;
} tally;

static void tally_run(void *arg) { ((tally *)arg)->run++; }
static void tally_drop(void *arg) { ((tally *)arg)->dropped++; }

static void *submit_many(void *arg)
{
    tally *t = arg;
    for (size_t i = 0; i < EACH; i++) {
        eng_task task = {tally_run, tally_drop, t};
        if (eng_pool_submit(t->pool, i % 3 ? ENG_POOL_NOW : ENG_POOL_BULK, task, NULL) < 0)
            t->refused++;
        if (i % 64 == 0)
            eng_pool_measure(t->pool);
    }
    return NULL;
}

/* From several threads, and stopped while they still submit: each task is run once, dropped once,
 * or was refused. */
static void no_task_is_lost_or_run_twice(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        tally t = {.pool = pool_of(3, 50, 20)};
        pthread_t threads[SUBMITTERS];
        for (size_t i = 0; i < SUBMITTERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &t), 0);
        if (round % 2)
            eng_pool_stop(t.pool);
        for (size_t i = 0; i < SUBMITTERS; i++)
            pthread_join(threads[i], NULL);
        eng_pool_free(t.pool);
        assert_int_equal(t.run + t.dropped + t.refused, SUBMITTERS * EACH);
    }
}

static void submitting_allocates_nothing(void **state)
{
    (void)state;
    gate g = GATE_CLOSED;
    open_gate(&g);
    eng_pool *p = pool_of(2, 100, 100);
    uint64_t before = eng_alloc_count().allocations;
    for (int i = 0; i < 100; i++)
        submit(p, ENG_POOL_NOW, &g);
    await(&g, &g.passed, 100);
    assert_int_equal(eng_alloc_count().allocations, before);
    eng_pool_free(p);
}

static _Atomic int blocked;

static void look_at_signals(void *arg)
{
    (void)arg;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    blocked = sigismember(&set, SIGTERM) && sigismember(&set, SIGINT) ? 1 : -1;
}

static void workers_have_signals_blocked(void **state)
{
    (void)state;
    eng_pool *p = pool_of(1, 1, 1);
    assert_int_equal(eng_pool_submit(p, ENG_POOL_NOW, (eng_task){.run = look_at_signals}, NULL),
                     ENG_OK);
    while (!blocked)
        nap();
    eng_pool_free(p);
    assert_int_equal(blocked, 1);
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGTERM)); /* and this thread as it was */
}

static void a_pool_needs_a_thread(void **state)
{
    (void)state;
    eng_pool *p;
    eng_error err;
    eng_pool_options options = {.threads = 0, .queue = {1, 1}};
    assert_int_equal(eng_pool_new(&options, &p, &err), ENG_EINVALID);
    assert_string_equal(err.message, "a pool needs at least one thread");
    options.threads = SIZE_MAX / 4; /* whose size cannot be said */
    assert_int_equal(eng_pool_new(&options, &p, &err), ENG_ENOMEM);
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status;
    eng_pool_options options = {.threads = 2, .queue = {4, 4}};
    assert_survives_no_memory(status, {
        eng_pool *p = NULL;
        status = eng_pool_new(&options, &p, NULL);
        eng_pool_free(p);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk_leaves_a_thread_for_what_is_waited_for),
        cmocka_unit_test(what_is_waited_for_may_take_all_threads),
        cmocka_unit_test(what_is_waited_for_goes_first_each_in_its_order),
        cmocka_unit_test(one_thread_does_bulk_work_when_nothing_else_waits),
        cmocka_unit_test(a_full_queue_is_busy),
        cmocka_unit_test(stopping_drops_what_waits_and_lets_what_runs_end),
        cmocka_unit_test(no_task_is_lost_or_run_twice),
        cmocka_unit_test(submitting_allocates_nothing),
        cmocka_unit_test(workers_have_signals_blocked),
        cmocka_unit_test(a_pool_needs_a_thread),
        cmocka_unit_test(no_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
