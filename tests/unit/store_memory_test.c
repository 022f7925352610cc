/*
 * Every operation of store.h with each of its allocations failing in turn, SQLite's among them: it
 * succeeds or says that memory ran out, leaves nothing behind, and the store goes on.
 *
 * A store that is open keeps things for the next time, so what is held is compared around opening,
 * calling and closing; opening itself is another test's, and so is left to succeed.
 */
#include "store_help.h"

typedef eng_status call(eng_store *s, eng_arena *arena);

static eng_status call_set(eng_store *s, eng_arena *arena)
{
    (void)arena;
    return eng_store_set(s, ENG_STR("a"), ENG_STR("b"), NULL);
}

static eng_status call_get(eng_store *s, eng_arena *arena)
{
    eng_str value;
    return eng_store_get(s, ENG_STR("a"), arena, &value, NULL);
}

static eng_status call_key_add(eng_store *s, eng_arena *arena)
{
    (void)arena;
    eng_store_key key = {.id = ENG_STR("k"), .name = ENG_STR("n"), .role = ENG_ROLE_READ};
    eng_status status = eng_store_key_add(s, &key, NULL);
    /* It may still be there from the call before, whose removal failed. */
    return status == ENG_OK || status == ENG_ECONFLICT ? eng_store_key_remove(s, ENG_STR("k"), NULL)
                                                       : status;
}

static eng_status call_key_page(eng_store *s, eng_arena *arena)
{
    eng_store_key *keys;
    size_t count;
    return eng_store_key_page(s, 0, 100, arena, &keys, &count, NULL);
}

static eng_status call_job_run(eng_store *s, eng_arena *arena)
{
    int64_t id;
    bool cancel;
    eng_store_job job;
    eng_str me = ENG_STR("me"), none = {NULL, 0};
    eng_status status = eng_store_job_add(s, ENG_STR("kind"), ENG_STR("{}"), &id, NULL);
    if (status == ENG_OK)
        status = eng_store_job_claim(s, me, 0, arena, &job, NULL);
    if (status == ENG_OK)
        status = eng_store_job_progress(s, job.id, me, 1, 2, 1000, &cancel, NULL);
    if (status == ENG_OK)
        status = eng_store_job_end(s, job.id, me, ENG_JOB_DONE, ENG_STR("1"), none, NULL);
    return status;
}

static eng_status call_job_cancel(eng_store *s, eng_arena *arena)
{
    int64_t id;
    eng_job_state now;
    (void)arena;
    eng_status status = eng_store_job_add(s, ENG_STR("kind"), ENG_STR("{}"), &id, NULL);
    if (status == ENG_OK)
        status = eng_store_job_cancel(s, id, &now, NULL);
    return status == ENG_OK ? eng_store_job_release(s, NULL) : status;
}

static eng_status call_job_look(eng_store *s, eng_arena *arena)
{
    eng_store_job job, *jobs;
    size_t count;
    uint64_t queued, running, collections;
    eng_status status = eng_store_job_get(s, 1, arena, &job, NULL);
    if (status == ENG_OK)
        status = eng_store_job_page(s, INT64_MAX, 100, arena, &jobs, &count, NULL);
    if (status == ENG_OK)
        status = eng_store_job_counts(s, &queued, &running, NULL);
    if (status == ENG_OK)
        status = eng_store_collection_count(s, &collections, NULL);
    return status;
}

/* A database with something of each kind, and no log beside it. */
static void fill(place *p)
{
    int64_t id;
    eng_error err = {0};
    eng_store *s = open_db(p);
    set(s, "a", "b");
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%d", i);
        eng_store_key key = {.id = eng_str_of(name), .name = ENG_STR("n"), .role = ENG_ROLE_READ};
        assert_ok(eng_store_key_add(s, &key, &err), err);
        assert_ok(eng_store_job_add(s, ENG_STR("kind"), ENG_STR("{}"), &id, &err), err);
    }
    eng_store_close(s);
}

static void survives(place *p, call *run)
{
    bool faulted = true;
    for (uint64_t n = 1; faulted; n++) {
        int64_t held = eng_alloc_count().bytes;
        eng_arena arena;
        eng_arena_init(&arena, 256, NULL);
        eng_store *s = open_db(p);
        eng_alloc_fail_at(n, n % 2 == 0);
        eng_status status = run(s, &arena);
        faulted = eng_alloc_faulted();
        eng_alloc_fail_at(0, false);
        if (status != ENG_OK && (status != ENG_ENOMEM || !faulted))
            fail_msg("allocation %llu failed: %s", (unsigned long long)n, eng_status_name(status));
        set(s, "after", "all");
        eng_store_close(s);
        eng_arena_clear(&arena);
        assert_int_equal(eng_alloc_count().bytes, held);
    }
}

static void small_things_survive(void **state)
{
    fill(*state);
    survives(*state, call_set);
    survives(*state, call_get);
}

static void keys_survive(void **state)
{
    fill(*state);
    survives(*state, call_key_add);
    survives(*state, call_key_page);
}

static void jobs_survive(void **state)
{
    fill(*state);
    survives(*state, call_job_run);
    survives(*state, call_job_cancel);
    survives(*state, call_job_look);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(small_things_survive),
        in_place(keys_survive),
        in_place(jobs_survive),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
