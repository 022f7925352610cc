/* Jobs: promises of engenho.h and of engine_internal.h, with kinds of our own. */
#include "engine_help.h"

#include <pthread.h>
#include <sys/resource.h>

/* ---- Kinds ---- */

/* Counts to "to", a step each 2 ms; says what it was asked. */
static eng_status count(eng_job_run *run, eng_error *err)
{
    uint64_t to = (uint64_t)eng_json_get(run->params, ENG_STR("to"))->as.integer;
    for (uint64_t i = 0; i < to; i++) {
        if (!eng_job_report(run, i, to))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
        sleep_ms(2);
    }
    eng_job_report(run, to, to);
    eng_buf_format(&run->result, "{\"counted\":%llu}", (unsigned long long)to);
    return ENG_OK;
}

static eng_status fail_at_once(eng_job_run *run, eng_error *err)
{
    eng_job_report(run, 3, 0);
    return eng_fail(err, ENG_EIO, "cannot count '%s'", "sheep");
}

static eng_status say_nice(eng_job_run *run, eng_error *err)
{
    (void)err;
    eng_buf_format(&run->result, "%d", getpriority(PRIO_PROCESS, (id_t)gettid()));
    return ENG_OK;
}

static const eng_job_kind kinds[] = {
    {"count", true, count},
    {"once", false, count},
    {"fail", false, fail_at_once},
    {"nice", false, say_nice},
    {0},
};

#define A_WHILE ENG_STR("{\"to\":100000}")

static int64_t submit(eng *e, const char *kind, eng_str params)
{
    int64_t id = 0;
    eng_error err = {0};
    assert_ok(eng_job_submit(e, kind, params, &id, &err), err);
    assert_true(id > 0);
    return id;
}

static eng_job_state state_of(eng *e, int64_t id)
{
    eng_job *job = NULL;
    eng_error err = {0};
    assert_ok(eng_job_get(e, id, &job, &err), err);
    eng_job_state s = job->state;
    eng_job_free(job);
    return s;
}

static void wait_until_running(eng *e, int64_t id)
{
    for (int i = 0; i < 4000 && state_of(e, id) == ENG_JOB_QUEUED; i++)
        sleep_ms(5);
    assert_int_equal(state_of(e, id), ENG_JOB_RUNNING);
}

/* Has taken its first step: what is claimed and not begun goes back as if nothing had been. */
static void wait_until_begun(eng *e, int64_t id)
{
    uint64_t done = 0;
    for (int i = 0; i < 4000 && done == 0; i++) {
        eng_job *job = NULL;
        assert_ok(eng_job_get(e, id, &job, &(eng_error){0}), (eng_error){0});
        done = job->done;
        eng_job_free(job);
        sleep_ms(done ? 0 : 5);
    }
    assert_true(done > 0);
}

/* ---- How jobs end ---- */

static void a_job_is_done(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    eng_job *job = wait_for(e, submit(e, "count", ENG_STR("{\"to\":5}")));
    assert_int_equal(job->state, ENG_JOB_DONE);
    assert_string_equal(job->kind, "count");
    assert_string_equal(job->result, "{\"counted\":5}");
    assert_null(job->error);
    assert_int_equal(job->done, 5);
    assert_int_equal(job->total, 5);
    assert_int_equal(job->attempt, 1);
    assert_true(job->created_ms > 0 && job->started_ms >= job->created_ms);
    assert_true(job->ended_ms >= job->started_ms);
    int64_t id = job->id;
    eng_job_free(job);
    eng_close(e);

    /* And still there. */
    e = open_kinds(p->data, kinds);
    job = wait_for(e, id);
    assert_string_equal(job->result, "{\"counted\":5}");
    assert_int_equal(job->done, 5);
    eng_job_free(job);
    eng_close(e);
}

static void a_job_fails_with_its_message(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    eng_job *job = wait_for(e, submit(e, "fail", ENG_STR("{}")));
    assert_int_equal(job->state, ENG_JOB_FAILED);
    assert_string_equal(job->error, "cannot count 'sheep'");
    assert_null(job->result);
    assert_int_equal(job->done, 3);
    eng_job_free(job);

    job = wait_for(e, submit(e, "count", ENG_STR("{\"to\":")));
    assert_int_equal(job->state, ENG_JOB_FAILED);
    eng_job_free(job);
    job = wait_for(e, submit(e, "unheard of", ENG_STR("{}")));
    assert_int_equal(job->state, ENG_JOB_FAILED);
    assert_non_null(strstr(job->error, "'unheard of'"));
    eng_job_free(job);
    eng_close(e);
}

static void progress_and_time_left_are_shown(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    eng_error err = {0};
    eng_job *job = NULL;
    int64_t id = submit(e, "count", A_WHILE);
    for (int i = 0; i < 2000; i++) {
        assert_ok(eng_job_get(e, id, &job, &err), err);
        if (job->done > 2)
            break;
        assert_true(job->state == ENG_JOB_QUEUED || job->done > 0 || job->eta_s < 0);
        eng_job_free(job);
        job = NULL;
        sleep_ms(2);
    }
    assert_non_null(job);
    assert_int_equal(job->total, 100000);
    assert_true(job->eta_s > 1);
    eng_job_free(job);

    eng_counters c;
    eng_counters_now(e, &c);
    assert_int_equal(c.jobs_running, 1);
    assert_int_equal(c.jobs_queued, 0);
    assert_ok(eng_job_cancel(e, id, &err), err);
    job = wait_for(e, id);
    assert_true(job->eta_s < 0);
    eng_job_free(job);
    eng_close(e);
}

static void cancelling(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    eng_error err = {0};
    /* Both threads are busy: the third waits. */
    int64_t a = submit(e, "count", A_WHILE), b = submit(e, "once", A_WHILE);
    wait_until_running(e, a);
    wait_until_running(e, b);
    int64_t c = submit(e, "count", A_WHILE);
    assert_int_equal(state_of(e, c), ENG_JOB_QUEUED);
    eng_counters counters;
    /* A thread counts what it has claimed a moment after the store shows it. */
    for (int i = 0; i < 4000; i++, sleep_ms(5)) {
        eng_counters_now(e, &counters);
        if (counters.jobs_queued == 1 && counters.jobs_running == 2)
            break;
    }
    assert_int_equal(counters.jobs_queued, 1);
    assert_int_equal(counters.jobs_running, 2);

    assert_ok(eng_job_cancel(e, c, &err), err);
    assert_int_equal(state_of(e, c), ENG_JOB_CANCELLED); /* at once */
    assert_ok(eng_job_cancel(e, a, &err), err);
    eng_job *job = wait_for(e, a);
    assert_int_equal(job->state, ENG_JOB_CANCELLED);
    assert_null(job->error);
    eng_job_free(job);
    assert_int_equal(eng_job_cancel(e, a, &err), ENG_ECONFLICT);
    assert_int_equal(eng_job_cancel(e, c, &err), ENG_ECONFLICT);
    assert_int_equal(eng_job_cancel(e, 999999, &err), ENG_ENOTFOUND);
    assert_int_equal(state_of(e, b), ENG_JOB_RUNNING);
    assert_ok(eng_job_cancel(e, b, &err), err);
    eng_job_free(wait_for(e, b));
    eng_counters_now(e, &counters);
    assert_int_equal(counters.jobs_queued, 0);
    eng_close(e);
}

static void lists_are_newest_first(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    eng_error err = {0};
    int64_t ids[5];
    for (int i = 0; i < 5; i++)
        ids[i] = submit(e, "count", ENG_STR("{\"to\":1}"));
    for (int i = 0; i < 5; i++)
        eng_job_free(wait_for(e, ids[i]));
    char next[ENG_NEXT_SIZE] = "";
    int seen = 0;
    do {
        eng_job_page *page = NULL;
        assert_ok(eng_job_list(e, 2, next[0] ? next : NULL, &page, &err), err);
        for (size_t i = 0; i < page->count; i++, seen++) {
            assert_int_equal(page->jobs[i].id, ids[4 - seen]);
            assert_string_equal(page->jobs[i].result, "{\"counted\":1}");
        }
        memcpy(next, page->next, sizeof next);
        eng_job_page_free(page);
    } while (next[0]);
    assert_int_equal(seen, 5);
    eng_close(e);
}

static void workers_give_way(void **state)
{
    place *p = *state;
    int ours = getpriority(PRIO_PROCESS, 0);
    eng *e = open_kinds(p->data, kinds);
    eng_job *job = wait_for(e, submit(e, "nice", ENG_STR("{}")));
    assert_int_equal(atoi(job->result), ours + 10 < 19 ? ours + 10 : 19);
    eng_job_free(job);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), ours); /* this thread has its priority still */
    eng_close(e);
}

/* ---- Closing and crashing ---- */

static void closing_gives_back_or_says_so(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    int64_t again = submit(e, "count", ENG_STR("{\"to\":150}"));
    int64_t once = submit(e, "once", A_WHILE);
    wait_until_begun(e, again);
    wait_until_begun(e, once);
    eng_close(e);

    e = open_kinds(p->data, kinds);
    eng_job *job = wait_for(e, once);
    assert_int_equal(job->state, ENG_JOB_FAILED);
    assert_string_equal(job->error, "interrupted: the program was closed while it ran");
    eng_job_free(job);
    job = wait_for(e, again);
    assert_int_equal(job->state, ENG_JOB_DONE);
    assert_string_equal(job->result, "{\"counted\":150}");
    eng_job_free(job);
    eng_close(e);
}

/* By this process, or by one before it: a job that was cut off shows as running until it is claimed. */
static void wait_for_attempt(eng *e, int64_t id, unsigned attempt)
{
    for (int i = 0; i < 4000; i++) {
        eng_job *job = NULL;
        eng_error err = {0};
        assert_ok(eng_job_get(e, id, &job, &err), err);
        bool there_yet = job->attempt >= attempt;
        eng_job_free(job);
        if (there_yet)
            return;
        sleep_ms(5);
    }
    fail_msg("job %lld is not run again", (long long)id);
}

/* Opens in a child that is killed once the jobs run for the n-th time; the first time makes them. */
static void run_and_kill(const char *data, int64_t ids[2], unsigned attempt)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        eng *e = open_kinds(data, kinds);
        if (attempt == 1) {
            ids[0] = submit(e, "count", A_WHILE);
            ids[1] = submit(e, "once", A_WHILE);
            wait_for_attempt(e, ids[1], 1);
        }
        wait_for_attempt(e, ids[0], attempt);
        _exit(write(ready[1], ids, 2 * sizeof *ids) < 0 || pause());
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], ids, 2 * sizeof *ids), 2 * sizeof *ids);
    close(ready[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void after_a_crash_jobs_go_on_or_have_failed(void **state)
{
    place *p = *state;
    int64_t ids[2];
    eng_error err = {0};
    run_and_kill(p->data, ids, 1);
    eng *e = open_kinds(p->data, kinds);
    eng_job *job = wait_for(e, ids[1]);
    assert_int_equal(job->state, ENG_JOB_FAILED);
    assert_string_equal(job->error, "interrupted: the program ended while it ran");
    eng_job_free(job);
    wait_for_attempt(e, ids[0], 2);
    assert_ok(eng_job_get(e, ids[0], &job, &err), err);
    assert_int_equal(job->state, ENG_JOB_RUNNING);
    assert_int_equal(job->attempt, 2);
    eng_job_free(job);
    assert_ok(eng_job_cancel(e, ids[0], &err), err);
    eng_job_free(wait_for(e, ids[0]));
    eng_close(e);
}

static void a_job_that_kills_is_not_run_for_ever(void **state)
{
    place *p = *state;
    int64_t ids[2];
    run_and_kill(p->data, ids, 1);
    run_and_kill(p->data, ids, 2);
    run_and_kill(p->data, ids, 3);
    eng *e = open_kinds(p->data, kinds);
    eng_job *job = wait_for(e, ids[0]);
    assert_int_equal(job->state, ENG_JOB_FAILED);
    assert_string_equal(job->error, "interrupted: the program ended while it ran, 3 times");
    eng_job_free(job);
    eng_close(e);
}

static void a_cancel_is_not_forgotten_by_a_crash(void **state)
{
    place *p = *state;
    int64_t ids[2];
    run_and_kill(p->data, ids, 1);
    /* The store alone: no worker. */
    eng_store *s = NULL;
    eng_error err = {0};
    char db[120];
    eng_job_state now;
    snprintf(db, sizeof db, "%s/engenho.db", p->data);
    eng_store_options options = {.path = db, .must_exist = true};
    assert_ok(eng_store_open(&options, &s, &err), err);
    assert_ok(eng_store_job_cancel(s, ids[0], &now, &err), err);
    eng_store_close(s);

    eng *e = open_kinds(p->data, kinds);
    eng_job *job = wait_for(e, ids[0]);
    assert_int_equal(job->state, ENG_JOB_CANCELLED);
    eng_job_free(job);
    eng_close(e);
}

/* ---- What the store is told meanwhile ---- */

static void wait_until_idle(eng *e)
{
    eng_counters c;
    for (int i = 0; i < 1000; i++) {
        eng_counters_now(e, &c);
        if (c.jobs_running == 0)
            return;
        sleep_ms(5);
    }
    fail_msg("a run does not stop");
}

static void progress_is_kept_while_it_runs(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    eng_error err = {0};
    eng_arena arena;
    eng_store_job stored = {0};
    eng_arena_init(&arena, 4096, NULL);
    int64_t id = submit(e, "count", A_WHILE);
    for (int i = 0; i < 1000 && stored.done == 0; i++) {
        assert_ok(eng_store_job_get(e->store, id, &arena, &stored, &err), err);
        sleep_ms(5);
    }
    assert_true(stored.done > 0);
    assert_int_equal(stored.total, 100000);
    eng_arena_clear(&arena);

    /* A cancel that reaches the store alone, as another server's would, is seen there. */
    eng_job_state now;
    assert_ok(eng_store_job_cancel(e->store, id, &now, &err), err);
    eng_job *job = wait_for(e, id);
    assert_int_equal(job->state, ENG_JOB_CANCELLED);
    eng_job_free(job);
    eng_close(e);
}

static void a_job_that_is_no_longer_ours_is_let_go(void **state)
{
    place *p = *state;
    eng *e = open_threads(p->data, kinds, 1); /* an idle one would claim it again */
    eng_error err = {0};
    eng_arena arena;
    eng_store_job stored;
    eng_arena_init(&arena, 4096, NULL);
    int64_t id = submit(e, "count", A_WHILE);
    wait_until_running(e, id);
    /* The engine's own workers may be quicker. */
    eng_status status;
    do {
        assert_ok(eng_store_job_release(e->store, &err), err);
        status = eng_store_job_claim(e->store, ENG_STR("another"), 60000, &arena, &stored, &err);
    } while (status == ENG_ENOTFOUND);
    assert_ok(status, err);
    assert_int_equal(stored.id, id);
    wait_until_idle(e);
    assert_ok(eng_store_job_get(e->store, id, &arena, &stored, &err), err);
    assert_int_equal(stored.state, ENG_JOB_RUNNING);
    assert_str_view(stored.owner, "another");
    eng_arena_clear(&arena);
    eng_close(e);
}

/* ---- Watching ---- */

typedef struct {
    pthread_mutex_t lock;
    unsigned calls;
    unsigned finals;
    eng_job_state first;
    eng_job_state last;
    uint64_t done;
    long slow_ms;
    bool inside;
    bool backwards;
} seen;

static void see(void *ctx, const eng_job *job)
{
    seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->inside = true;
    if (s->calls == 0)
        s->first = job->state;
    s->calls++;
    s->finals += job->state != ENG_JOB_QUEUED && job->state != ENG_JOB_RUNNING;
    s->backwards = s->backwards || job->done < s->done;
    s->done = job->done;
    s->last = job->state;
    pthread_mutex_unlock(&s->lock);
    sleep_ms(s->slow_ms);
    pthread_mutex_lock(&s->lock);
    s->inside = false;
    pthread_mutex_unlock(&s->lock);
}

static unsigned calls_of(seen *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned n = s->calls;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void wait_for_final(seen *s)
{
    for (int i = 0; i < 4000; i++) {
        pthread_mutex_lock(&s->lock);
        bool over = s->finals > 0;
        pthread_mutex_unlock(&s->lock);
        if (over)
            return;
        sleep_ms(5);
    }
    fail_msg("the final state does not come");
}

static void a_watch_sees_it_move_and_end(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    seen s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    eng_error err = {0};
    eng_job_watch *w = NULL;
    int64_t id = submit(e, "count", ENG_STR("{\"to\":300}"));
    uint64_t began = eng_clock_ns();
    assert_ok(eng_job_watch_new(e, id, see, &s, &w, &err), err);
    wait_for_final(&s);
    sleep_ms(250);
    eng_job_unwatch(w);
    assert_int_equal(s.finals, 1);
    assert_int_equal(s.last, ENG_JOB_DONE);
    assert_int_equal(s.done, 300);
    assert_false(s.backwards);
    assert_true(s.calls >= 4);
    /* Ten a second at the most, but for the first and the last: however late each of them comes. */
    assert_true(s.calls <= 3 + (eng_clock_ns() - began) / 99000000);
    eng_close(e);
}

static void a_late_watch_gets_the_final_state_at_once(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    seen s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    eng_error err = {0};
    eng_job_watch *w = NULL;
    int64_t id = submit(e, "fail", ENG_STR("{}"));
    eng_job_free(wait_for(e, id));
    assert_ok(eng_job_watch_new(e, id, see, &s, &w, &err), err);
    wait_for_final(&s);
    sleep_ms(150);
    eng_job_unwatch(w);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.last, ENG_JOB_FAILED);
    assert_int_equal(eng_job_watch_new(e, 424242, see, &s, &w, &err), ENG_ENOTFOUND);
    eng_close(e);
}

static void unwatching_waits_for_a_call_and_ends_them(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    seen s = {.lock = PTHREAD_MUTEX_INITIALIZER, .slow_ms = 150};
    eng_error err = {0};
    eng_job_watch *w = NULL;
    int64_t id = submit(e, "count", A_WHILE);
    assert_ok(eng_job_watch_new(e, id, see, &s, &w, &err), err);
    while (calls_of(&s) == 0)
        sleep_ms(1);
    eng_job_unwatch(w);
    assert_false(s.inside);
    unsigned calls = s.calls;
    sleep_ms(250);
    assert_int_equal(calls_of(&s), calls);
    eng_job_unwatch(NULL);
    eng_close(e);
}

static void a_queued_job_tells_of_its_cancelling(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    seen s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    eng_error err = {0};
    eng_job_watch *w = NULL;
    int64_t a = submit(e, "count", A_WHILE), b = submit(e, "count", A_WHILE);
    wait_until_running(e, a);
    wait_until_running(e, b);
    int64_t c = submit(e, "count", A_WHILE);
    assert_ok(eng_job_watch_new(e, c, see, &s, &w, &err), err);
    while (calls_of(&s) == 0)
        sleep_ms(1);
    assert_int_equal(s.first, ENG_JOB_QUEUED);
    assert_ok(eng_job_cancel(e, c, &err), err);
    wait_for_final(&s);
    eng_job_unwatch(w);
    assert_int_equal(s.last, ENG_JOB_CANCELLED);
    eng_close(e);
}

static void many_watch_one_job(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    enum { MANY = 40 };
    static seen s[MANY];
    eng_job_watch *w[MANY];
    eng_error err = {0};
    memset(s, 0, sizeof s);
    int64_t id = submit(e, "count", ENG_STR("{\"to\":100}"));
    for (int i = 0; i < MANY; i++) {
        pthread_mutex_init(&s[i].lock, NULL);
        assert_ok(eng_job_watch_new(e, id, see, &s[i], &w[i], &err), err);
    }
    for (int i = 0; i < MANY; i++) {
        if (i % 2)
            wait_for_final(&s[i]);
        eng_job_unwatch(w[i]);
    }
    for (int i = 1; i < MANY; i += 2) {
        assert_int_equal(s[i].finals, 1);
        assert_int_equal(s[i].last, ENG_JOB_DONE);
    }
    eng_close(e);
}

static void looking_survives_no_memory(void **state)
{
    place *p = *state;
    eng *e = open_kinds(p->data, kinds);
    eng_status status = ENG_OK;
    int64_t id = submit(e, "count", ENG_STR("{\"to\":1}"));
    eng_job_free(wait_for(e, id));
    sleep_ms(50); /* the worker has come to rest */
    /* What the store keeps from the first time for the next is no leak. */
    eng_job_page *kept = NULL;
    assert_int_equal(eng_job_list(e, 5, NULL, &kept, NULL), ENG_OK);
    eng_job_page_free(kept);
    assert_survives_no_memory_beside_others(status, {
        eng_job *job = NULL;
        status = eng_job_get(e, id, &job, NULL);
        if (status == ENG_OK)
            eng_job_free(job);
    });
    assert_survives_no_memory_beside_others(status, {
        eng_job_page *page = NULL;
        status = eng_job_list(e, 5, NULL, &page, NULL);
        if (status == ENG_OK)
            eng_job_page_free(page);
    });
    /* The watch's first call is the keeper's allocation: only the status is compared here. */
    seen s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    for (uint64_t n = 1;; n++) {
        eng_job_watch *w = NULL;
        eng_alloc_fail_at(n, false);
        status = eng_job_watch_new(e, id, see, &s, &w, NULL);
        bool faulted = eng_alloc_faulted();
        eng_alloc_fail_at(0, false);
        eng_job_unwatch(w);
        assert_true(status == ENG_ENOMEM || (status == ENG_OK && w));
        if (!faulted)
            break;
    }
    assert_int_equal(status, ENG_OK);
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_job_is_done),
        in_place(a_job_fails_with_its_message),
        in_place(progress_and_time_left_are_shown),
        in_place(cancelling),
        in_place(lists_are_newest_first),
        in_place(workers_give_way),
        in_place(closing_gives_back_or_says_so),
        in_place(after_a_crash_jobs_go_on_or_have_failed),
        in_place(a_job_that_kills_is_not_run_for_ever),
        in_place(a_cancel_is_not_forgotten_by_a_crash),
        in_place(progress_is_kept_while_it_runs),
        in_place(a_job_that_is_no_longer_ours_is_let_go),
        in_place(a_watch_sees_it_move_and_end),
        in_place(a_late_watch_gets_the_final_state_at_once),
        in_place(unwatching_waits_for_a_call_and_ends_them),
        in_place(a_queued_job_tells_of_its_cancelling),
        in_place(many_watch_one_job),
        in_place(looking_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
