/* Each test names a promise of alloc.h. */
#include "base/alloc.h"
#include "test.h"

#include <pthread.h>
#include <string.h>

static void a_size_of_zero_is_valid(void **state)
{
    (void)state;
    void *p[] = {eng_alloc(0), eng_zalloc(0), eng_alloc_array(0, 8), eng_realloc(NULL, 0)};
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
        assert_non_null(p[i]);
        eng_free(p[i]);
    }
    eng_free(NULL);
}

static void zeroed_memory_is_zero(void **state)
{
    (void)state;
    unsigned char *p = eng_zalloc(1000);
    assert_non_null(p);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    eng_free(p);
}

static void an_array_cannot_wrap(void **state)
{
    (void)state;
    volatile size_t half = SIZE_MAX / 2 + 1;
    assert_null(eng_alloc_array(half, 2));
    assert_null(eng_alloc_array(3, half));
}

static void a_copy_of_text_ends_with_a_nul(void **state)
{
    (void)state;
    char *copy = eng_strdup((eng_str){"abcdef", 3});
    assert_string_equal(copy, "abc");
    eng_free(copy);
    copy = eng_strdup((eng_str){NULL, 0});
    assert_string_equal(copy, "");
    eng_free(copy);
}

static void counters_follow_every_call(void **state)
{
    (void)state;
    eng_alloc_counters before = eng_alloc_count();
    char *a = eng_alloc(100), *b = eng_zalloc(50);
    eng_alloc_counters held = eng_alloc_count();
    assert_int_equal(held.allocations - before.allocations, 2);
    assert_true(held.bytes - before.bytes >= 150);

    a = eng_realloc(a, 5000);
    assert_true(eng_alloc_count().bytes - before.bytes >= 5050);
    eng_free(a);
    eng_free(b);
    eng_alloc_counters after = eng_alloc_count();
    assert_int_equal(after.bytes, before.bytes);
    assert_int_equal(after.allocations - before.allocations, 3);
    assert_int_equal(after.frees - before.frees, 3);
}

static void a_failed_reallocation_leaves_the_old_memory(void **state)
{
    (void)state;
    char *p = eng_strdup(ENG_STR("kept"));
    int64_t bytes = eng_alloc_count().bytes;
    eng_alloc_fail_at(1, false);
    assert_null(eng_realloc(p, 100000));
    eng_alloc_fail_at(0, false);
    assert_string_equal(p, "kept");
    assert_int_equal(eng_alloc_count().bytes, bytes);
    eng_free(p);
}

/* One letter an allocation: o for one that went well, x for one that failed. */
static void pattern(char *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *p = i % 2 ? eng_zalloc(8) : eng_alloc(8);
        out[i] = p ? 'o' : 'x';
        eng_free(p);
    }
    out[count] = '\0';
}

static void the_nth_allocation_fails(void **state)
{
    (void)state;
    char got[8];
    eng_alloc_fail_at(3, false);
    assert_false(eng_alloc_faulted());
    pattern(got, 5);
    assert_string_equal(got, "ooxoo");
    assert_true(eng_alloc_faulted());

    eng_alloc_fail_at(2, true);
    assert_false(eng_alloc_faulted());
    pattern(got, 5);
    assert_string_equal(got, "oxxxx");
    eng_alloc_fail_at(0, false);
    pattern(got, 3);
    assert_string_equal(got, "ooo");
    assert_false(eng_alloc_faulted());
}

static void *allocate_elsewhere(void *arg)
{
    pattern(arg, 3);
    return NULL;
}

static void faults_stay_in_their_thread(void **state)
{
    (void)state;
    char got[8];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, allocate_elsewhere, got), 0);
    eng_alloc_fail_at(1, true);
    pthread_join(thread, NULL);
    assert_string_equal(got, "ooo");
    eng_alloc_fail_at(0, false);
}

enum { THREADS = 200, EACH = 100 };

/* Fills its own slots and frees those of its neighbour, who has ended by then or never will touch
 * them: half of what is allocated is freed by another thread. */
static void *fill(void *arg)
{
    void **slots = arg;
    for (size_t i = 0; i < EACH; i++) {
        slots[i] = eng_alloc(i + 1);
        if (i % 2 == 0) {
            eng_free(slots[i]);
            slots[i] = NULL;
        }
    }
    return NULL;
}

static void *release(void *arg)
{
    void **slots = arg;
    for (size_t i = 0; i < EACH; i++)
        eng_free(slots[i]);
    return NULL;
}

static void in_threads(void *(*body)(void *), void *slots[THREADS][EACH])
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, slots[i]), 0);
    eng_alloc_count(); /* a look while they run */
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void sums_are_exact_when_threads_rest(void **state)
{
    (void)state;
    static void *slots[THREADS][EACH];
    eng_alloc_counters before = eng_alloc_count();
    in_threads(fill, slots);
    eng_alloc_counters held = eng_alloc_count();
    assert_int_equal(held.allocations - before.allocations, THREADS * EACH);
    assert_int_equal(held.frees - before.frees, THREADS * EACH / 2);
    assert_true(held.bytes > before.bytes);

    in_threads(release, slots);
    eng_alloc_counters after = eng_alloc_count();
    assert_int_equal(after.frees - before.frees, THREADS * EACH);
    assert_int_equal(after.bytes, before.bytes);
}

/* More threads at once than there are cells for them: they wait for each other at the barrier. */
static pthread_barrier_t all_there;

static void *allocate_together(void *arg)
{
    void *p = eng_alloc(64);
    pthread_barrier_wait(&all_there);
    eng_free(p);
    *(void **)arg = eng_alloc(32);
    return NULL;
}

static void sums_are_exact_with_more_threads_than_cells(void **state)
{
    (void)state;
    static void *slots[THREADS][EACH];
    eng_alloc_counters before = eng_alloc_count();
    pthread_barrier_init(&all_there, NULL, THREADS);
    in_threads(allocate_together, slots);
    pthread_barrier_destroy(&all_there);
    for (size_t i = 0; i < THREADS; i++)
        eng_free(slots[i][0]);
    eng_alloc_counters after = eng_alloc_count();
    assert_int_equal(after.allocations - before.allocations, 2 * THREADS);
    assert_int_equal(after.frees - before.frees, 2 * THREADS);
    assert_int_equal(after.bytes, before.bytes);
}

static pthread_key_t late_key;

static void free_late(void *p)
{
    /* Again, so that it comes after the cell was given up. */
    static _Thread_local int rounds;
    if (rounds++ < 2)
        pthread_setspecific(late_key, p);
    else
        eng_free(p);
}

static void *leave_something(void *arg)
{
    (void)arg;
    pthread_setspecific(late_key, eng_alloc(10));
    return NULL;
}

static void what_a_thread_frees_at_its_very_end_counts(void **state)
{
    (void)state;
    eng_alloc_counters before = eng_alloc_count();
    assert_int_equal(pthread_key_create(&late_key, free_late), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, leave_something, NULL), 0);
    pthread_join(thread, NULL);
    pthread_key_delete(late_key);
    eng_alloc_counters after = eng_alloc_count();
    assert_int_equal(after.frees - before.frees, 1);
    assert_int_equal(after.bytes, before.bytes);
}

static void a_budget_is_not_exceeded(void **state)
{
    (void)state;
    eng_budget b = {.limit = 100};
    assert_true(eng_budget_take(&b, 60));
    assert_false(eng_budget_take(&b, 41));
    assert_true(eng_budget_take(&b, 40));
    assert_false(eng_budget_take(&b, SIZE_MAX));
    eng_budget_give(&b, 60);
    assert_true(eng_budget_take(&b, 60));
    assert_int_equal(b.used, 100);

    eng_budget none = {.limit = 0};
    assert_true(eng_budget_take(&none, SIZE_MAX));
    assert_false(eng_budget_take(&none, 1)); /* what cannot be counted is not given */
}

static void *take_what_there_is(void *arg)
{
    size_t got = 0;
    while (eng_budget_take(arg, 1))
        got++;
    return (void *)(uintptr_t)got;
}

static void a_budget_is_shared_between_threads(void **state)
{
    (void)state;
    eng_budget b = {.limit = 20000};
    pthread_t threads[4];
    size_t sum = 0;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_what_there_is, &b), 0);
    for (size_t i = 0; i < 4; i++) {
        void *got;
        pthread_join(threads[i], &got);
        sum += (size_t)(uintptr_t)got;
    }
    assert_int_equal(sum, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_of_zero_is_valid),
        cmocka_unit_test(zeroed_memory_is_zero),
        cmocka_unit_test(an_array_cannot_wrap),
        cmocka_unit_test(a_copy_of_text_ends_with_a_nul),
        cmocka_unit_test(counters_follow_every_call),
        cmocka_unit_test(a_failed_reallocation_leaves_the_old_memory),
        cmocka_unit_test(the_nth_allocation_fails),
        cmocka_unit_test(faults_stay_in_their_thread),
        cmocka_unit_test(sums_are_exact_when_threads_rest),
        cmocka_unit_test(sums_are_exact_with_more_threads_than_cells),
        cmocka_unit_test(what_a_thread_frees_at_its_very_end_counts),
        cmocka_unit_test(a_budget_is_not_exceeded),
        cmocka_unit_test(a_budget_is_shared_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
