/* Keys and jobs: promises of store.h. */
#include "store_help.h"

#include <stdatomic.h>

/* ---- Keys ---- */

static eng_status add_key(eng_store *s, const char *id, int64_t *row, eng_error *err)
{
    eng_store_key key = {.id = eng_str_of(id),
                         .name = ENG_STR("a name"),
                         .role = ENG_ROLE_WRITE,
                         .rate = UINT32_MAX};
    memset(key.hash, id[0], sizeof key.hash);
    eng_status status = eng_store_key_add(s, &key, err);
    if (status == ENG_OK)
        *row = key.row;
    return status;
}

static size_t page_keys(eng_store *s, place *p, int64_t after, size_t limit, eng_store_key **keys)
{
    size_t count = 0;
    eng_error err = {0};
    assert_ok(eng_store_key_page(s, after, limit, &p->arena, keys, &count, &err), err);
    return count;
}

static void a_key_comes_back_as_it_was(void **state)
{
    place *p = *state;
    eng_store_key *keys;
    eng_error err = {0};
    int64_t row = 0, before = eng_clock_wall_ms();
    eng_store *s = open_db(p);
    assert_int_equal(page_keys(s, p, 0, 10, &keys), 0);
    assert_ok(add_key(s, "k1", &row, &err), err);
    eng_store_close(s);
    s = open_db(p);
    assert_int_equal(page_keys(s, p, 0, 10, &keys), 1);
    assert_int_equal(keys[0].row, row);
    assert_str_view(keys[0].id, "k1");
    assert_str_view(keys[0].name, "a name");
    assert_int_equal(keys[0].role, ENG_ROLE_WRITE);
    assert_int_equal(keys[0].rate, UINT32_MAX);
    assert_in_range(keys[0].created_ms, before, eng_clock_wall_ms());
    assert_int_equal(keys[0].hash[ENG_STORE_KEY_HASH - 1], 'k');
    eng_store_close(s);
}

static void an_id_is_taken_once(void **state)
{
    place *p = *state;
    eng_store_key *keys;
    eng_error err = {0};
    int64_t row = -1;
    eng_store *s = open_db(p);
    assert_ok(add_key(s, "k1", &row, &err), err);
    row = -1;
    assert_int_equal(add_key(s, "k1", &row, &err), ENG_ECONFLICT);
    assert_int_equal(row, -1);
    assert_ok(eng_store_key_remove(s, ENG_STR("k1"), &err), err);
    assert_int_equal(eng_store_key_remove(s, ENG_STR("k1"), &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, "'k1'"));
    assert_ok(add_key(s, "k1", &row, &err), err);
    assert_int_equal(page_keys(s, p, 0, 10, &keys), 1);
    eng_store_close(s);
}

static void rows_grow_and_are_never_used_again(void **state)
{
    place *p = *state;
    eng_error err = {0};
    int64_t row = 0, last = 0;
    for (int i = 0; i < 5; i++) {
        eng_store *s = open_db(p);
        assert_ok(add_key(s, "k1", &row, &err), err);
        assert_true(row > last);
        last = row;
        assert_ok(eng_store_key_remove(s, ENG_STR("k1"), &err), err);
        eng_store_close(s);
    }
}

static void pages_are_in_order_and_whole(void **state)
{
    place *p = *state;
    eng_store_key *keys;
    eng_error err = {0};
    char id[16];
    int64_t row, after = 0;
    size_t seen = 0, count;
    eng_store *s = open_db(p);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "k%d", i);
        assert_ok(add_key(s, id, &row, &err), err);
    }
    while ((count = page_keys(s, p, after, 7, &keys)) > 0) {
        for (size_t i = 0; i < count; i++, seen++) {
            assert_true(keys[i].row > after);
            after = keys[i].row;
        }
        assert_true(count == 7 || seen == 50);
    }
    assert_int_equal(seen, 50);
    assert_int_equal(page_keys(s, p, 0, SIZE_MAX, &keys), 50);
    assert_int_equal(page_keys(s, p, 0, 0, &keys), 0);
    eng_store_close(s);
}

/* ---- Jobs ---- */

static int64_t add(eng_store *s, const char *kind)
{
    int64_t id = 0;
    eng_error err = {0};
    assert_ok(eng_store_job_add(s, eng_str_of(kind), ENG_STR("{\"a\":1}"), &id, &err), err);
    return id;
}

static eng_store_job get(eng_store *s, place *p, int64_t id)
{
    eng_store_job job;
    eng_error err = {0};
    assert_ok(eng_store_job_get(s, id, &p->arena, &job, &err), err);
    return job;
}

static int64_t claim(eng_store *s, place *p, const char *owner, int64_t lease_ms)
{
    eng_store_job job;
    eng_error err = {0};
    eng_status status = eng_store_job_claim(s, eng_str_of(owner), lease_ms, &p->arena, &job, &err);
    if (status == ENG_ENOTFOUND)
        return 0;
    assert_ok(status, err);
    assert_int_equal(job.state, ENG_JOB_RUNNING);
    assert_true(eng_str_eq(job.owner, eng_str_of(owner)));
    assert_str_view(job.params, "{\"a\":1}");
    return job.id;
}

static eng_status progress(eng_store *s, int64_t id, const char *owner, bool *cancel)
{
    return eng_store_job_progress(s, id, eng_str_of(owner), 3, UINT64_MAX, 60000, cancel, NULL);
}

static eng_status end(eng_store *s, int64_t id, const char *owner, eng_job_state as)
{
    eng_str none = {NULL, 0};
    return eng_store_job_end(s, id, eng_str_of(owner), as, as == ENG_JOB_DONE ? ENG_STR("7") : none,
                             as == ENG_JOB_FAILED ? ENG_STR("why") : none, NULL);
}

static void a_job_goes_its_way(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    uint64_t queued, running;
    eng_error err = {0};
    bool cancel = true;
    assert_int_equal(claim(s, p, "me", 60000), 0);
    int64_t id = add(s, "count"), start = eng_clock_wall_ms();
    eng_store_job job = get(s, p, id);
    assert_int_equal(job.state, ENG_JOB_QUEUED);
    assert_str_view(job.kind, "count");
    assert_null(job.result.ptr);
    assert_null(job.error.ptr);
    assert_null(job.owner.ptr);
    assert_true(job.created_ms > 0 && job.started_ms == 0 && job.ended_ms == 0);
    assert_int_equal(job.attempt, 0);

    assert_int_equal(claim(s, p, "me", 60000), id);
    assert_int_equal(claim(s, p, "other", 60000), 0);
    assert_ok(eng_store_job_counts(s, &queued, &running, &err), err);
    assert_int_equal(queued, 0);
    assert_int_equal(running, 1);
    assert_int_equal(progress(s, id, "me", &cancel), ENG_OK);
    assert_false(cancel);
    job = get(s, p, id);
    assert_int_equal(job.done, 3);
    assert_true(job.total == UINT64_MAX);
    assert_int_equal(job.attempt, 1);
    assert_in_range(job.lease_ms, start + 60000, eng_clock_wall_ms() + 60000);

    assert_int_equal(end(s, id, "me", ENG_JOB_DONE), ENG_OK);
    job = get(s, p, id);
    assert_int_equal(job.state, ENG_JOB_DONE);
    assert_str_view(job.result, "7");
    assert_str_view(job.owner, "me");
    assert_true(job.ended_ms >= job.started_ms && job.started_ms >= job.created_ms);
    assert_int_equal(claim(s, p, "me", 60000), 0);
    assert_int_equal(end(s, id, "me", ENG_JOB_DONE), ENG_ECONFLICT);
    assert_int_equal(progress(s, id, "me", &cancel), ENG_ECONFLICT);
    eng_store_close(s);
}

static void no_such_job(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_store_job job;
    eng_job_state now;
    bool cancel;
    eng_error err = {0};
    assert_int_equal(eng_store_job_get(s, 5, &p->arena, &job, &err), ENG_ENOTFOUND);
    assert_string_equal(err.message, "no job 5");
    assert_int_equal(eng_store_job_cancel(s, 5, &now, &err), ENG_ENOTFOUND);
    assert_int_equal(progress(s, 5, "me", &cancel), ENG_ENOTFOUND);
    assert_int_equal(end(s, 5, "me", ENG_JOB_DONE), ENG_ENOTFOUND);
    assert_int_equal(end(s, 5, "me", ENG_JOB_RUNNING), ENG_EINVALID);
    eng_store_close(s);
}

static void the_oldest_is_claimed_first(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    int64_t a = add(s, "a"), b = add(s, "b"), c = add(s, "c");
    assert_true(a < b && b < c);
    assert_int_equal(claim(s, p, "me", 0), a); /* a lease that has ended at once */
    assert_int_equal(claim(s, p, "me", 60000), a);
    assert_int_equal(claim(s, p, "me", 60000), b);
    assert_int_equal(end(s, a, "me", ENG_JOB_QUEUED), ENG_OK);
    assert_int_equal(claim(s, p, "me", 60000), a);
    assert_int_equal(claim(s, p, "me", 60000), c);
    assert_int_equal(claim(s, p, "me", 60000), 0);
    eng_store_close(s);
}

static void a_lease_that_ended_may_be_claimed_or_renewed(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    bool cancel;
    int64_t id = add(s, "a");
    assert_int_equal(claim(s, p, "me", 1), id);
    sleep_ms(5);
    assert_int_equal(progress(s, id, "me", &cancel), ENG_OK); /* nobody came meanwhile */
    assert_int_equal(claim(s, p, "other", 1), 0);
    assert_int_equal(end(s, id, "me", ENG_JOB_QUEUED), ENG_OK);

    assert_int_equal(claim(s, p, "me", 1), id);
    sleep_ms(5);
    assert_int_equal(claim(s, p, "other", 60000), id);
    assert_int_equal(get(s, p, id).attempt, 2);
    assert_int_equal(progress(s, id, "me", &cancel), ENG_ECONFLICT);
    assert_int_equal(end(s, id, "me", ENG_JOB_DONE), ENG_ECONFLICT);
    assert_int_equal(end(s, id, "other", ENG_JOB_FAILED), ENG_OK);
    assert_str_view(get(s, p, id).error, "why");
    eng_store_close(s);
}

static void given_back_it_does_not_count_as_an_attempt(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    int64_t id = add(s, "a");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(claim(s, p, "me", 60000), id);
        assert_int_equal(get(s, p, id).attempt, 1);
        assert_int_equal(end(s, id, "me", ENG_JOB_QUEUED), ENG_OK);
    }
    eng_store_job job = get(s, p, id);
    assert_int_equal(job.state, ENG_JOB_QUEUED);
    assert_int_equal(job.attempt, 0);
    assert_int_equal(job.ended_ms, 0);
    eng_store_close(s);
}

static void released_leases_are_nobodys(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    bool cancel;
    int64_t a = add(s, "a"), b = add(s, "b");
    assert_int_equal(claim(s, p, "dead", 60000), a);
    assert_int_equal(claim(s, p, "dead", 60000), b);
    assert_int_equal(end(s, b, "dead", ENG_JOB_DONE), ENG_OK);
    assert_ok(eng_store_job_release(s, &err), err);
    assert_int_equal(progress(s, a, "dead", &cancel), ENG_ECONFLICT);
    assert_int_equal(end(s, a, "dead", ENG_JOB_DONE), ENG_ECONFLICT);
    assert_int_equal(get(s, p, a).state, ENG_JOB_RUNNING);
    assert_int_equal(claim(s, p, "me", 60000), a);
    assert_int_equal(claim(s, p, "me", 60000), 0);
    eng_store_close(s);
}

static void cancelling_is_at_once_or_a_mark(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    eng_job_state now;
    bool cancel = false;
    int64_t a = add(s, "a"), b = add(s, "b");
    assert_int_equal(claim(s, p, "me", 60000), a);
    assert_ok(eng_store_job_cancel(s, b, &now, &err), err);
    assert_int_equal(now, ENG_JOB_CANCELLED);
    assert_true(get(s, p, b).ended_ms > 0);
    assert_int_equal(eng_store_job_cancel(s, b, &now, &err), ENG_ECONFLICT);
    assert_int_equal(claim(s, p, "me", 60000), 0);

    assert_ok(eng_store_job_cancel(s, a, &now, &err), err);
    assert_int_equal(now, ENG_JOB_RUNNING);
    assert_ok(eng_store_job_cancel(s, a, &now, &err), err);
    assert_true(get(s, p, a).cancel);
    assert_int_equal(progress(s, a, "me", &cancel), ENG_OK);
    assert_true(cancel);
    assert_int_equal(end(s, a, "me", ENG_JOB_CANCELLED), ENG_OK);
    assert_int_equal(eng_store_job_cancel(s, a, &now, &err), ENG_ECONFLICT);
    eng_store_close(s);
}

static void job_pages_are_newest_first(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    eng_error err = {0};
    eng_store_job *jobs;
    size_t count = 1, seen = 0;
    int64_t before = INT64_MAX;
    for (int i = 0; i < 20; i++)
        add(s, "a");
    while (count) {
        assert_ok(eng_store_job_page(s, before, 6, &p->arena, &jobs, &count, &err), err);
        for (size_t i = 0; i < count; i++, seen++) {
            assert_true(jobs[i].id < before);
            before = jobs[i].id;
        }
    }
    assert_int_equal(seen, 20);
    eng_store_close(s);
}

/* ---- Several at once ---- */

typedef struct {
    eng_store *s;
    pthread_t thread;
    char owner[24];
    unsigned ran;
    eng_status status;
} worker;

enum { WORKERS = 6, JOBS = 60 };

static void *run_jobs(void *arg)
{
    worker *w = arg;
    eng_arena arena;
    eng_store_job job;
    eng_arena_init(&arena, 1024, NULL);
    while (w->status == ENG_OK) {
        eng_arena_reset(&arena);
        w->status = eng_store_job_claim(w->s, eng_str_of(w->owner), 60000, &arena, &job, NULL);
        if (w->status == ENG_OK)
            w->status = end(w->s, job.id, w->owner, ENG_JOB_DONE);
        w->ran += w->status == ENG_OK;
    }
    eng_arena_clear(&arena);
    return NULL;
}

static void each_job_is_claimed_by_one(void **state)
{
    place *p = *state;
    worker w[WORKERS];
    unsigned ran = 0;
    eng_store *s = open_db(p);
    for (int i = 0; i < JOBS; i++)
        add(s, "a");
    for (int i = 0; i < WORKERS; i++) {
        w[i] = (worker){.s = s};
        snprintf(w[i].owner, sizeof w[i].owner, "worker %d", i);
        assert_int_equal(pthread_create(&w[i].thread, NULL, run_jobs, &w[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].status, ENG_ENOTFOUND);
        ran += w[i].ran;
    }
    assert_int_equal(ran, JOBS);
    eng_store_close(s);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM job WHERE attempt = 1 AND state = 2"),
                     JOBS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_key_comes_back_as_it_was),
        in_place(an_id_is_taken_once),
        in_place(rows_grow_and_are_never_used_again),
        in_place(pages_are_in_order_and_whole),
        in_place(a_job_goes_its_way),
        in_place(no_such_job),
        in_place(the_oldest_is_claimed_first),
        in_place(a_lease_that_ended_may_be_claimed_or_renewed),
        in_place(given_back_it_does_not_count_as_an_attempt),
        in_place(released_leases_are_nobodys),
        in_place(cancelling_is_at_once_or_a_mark),
        in_place(job_pages_are_newest_first),
        in_place(each_job_is_claimed_by_one),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
