/* Each test names a promise of arena.h. */
#include "base/arena.h"
#include "base/error.h"
#include "test.h"

#include <string.h>

static void initialising_allocates_nothing(void **state)
{
    (void)state;
    uint64_t before = eng_alloc_count().allocations;
    eng_arena a;
    eng_arena_init(&a, 4096, NULL);
    eng_arena_reset(&a);
    eng_arena_clear(&a);
    assert_int_equal(eng_alloc_count().allocations, before);
}

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    enum { PIECES = 500 };
    eng_arena a;
    eng_arena_init(&a, 100, NULL);
    unsigned char *p[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        p[i] = eng_arena_alloc(&a, i);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(p[i][j], i & 0xff);
    }
    assert_ptr_not_equal(p[0], p[1]);
    eng_arena_clear(&a);
}

static void small_pieces_share_a_chunk(void **state)
{
    (void)state;
    uint64_t before = eng_alloc_count().allocations;
    eng_arena a;
    eng_arena_init(&a, 4096, NULL);
    for (int i = 0; i < 100; i++)
        assert_non_null(eng_arena_alloc(&a, 40));
    /* 100 pieces of 48 bytes: a chunk of 4 KiB and one of 8. */
    assert_int_equal(eng_alloc_count().allocations - before, 2);
    eng_arena_clear(&a);
}

static void a_large_piece_does_not_waste_the_chunk(void **state)
{
    (void)state;
    eng_arena a;
    eng_arena_init(&a, 4096, NULL);
    char *first = eng_arena_alloc(&a, 16);
    assert_non_null(eng_arena_alloc(&a, 100000));
    char *second = eng_arena_alloc(&a, 16);
    assert_ptr_equal(second, first + 16);
    eng_arena_clear(&a);
}

static void zeroed_pieces_are_zero_after_a_reset_too(void **state)
{
    (void)state;
    eng_arena a;
    eng_arena_init(&a, 256, NULL);
    memset(eng_arena_alloc(&a, 200), 0xff, 200);
    eng_arena_reset(&a);
    const unsigned char *p = eng_arena_zalloc(&a, 200);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(p[i], 0);
    eng_arena_clear(&a);
}

static void sizes_cannot_wrap(void **state)
{
    (void)state;
    volatile size_t most = SIZE_MAX;
    eng_arena a;
    eng_arena_init(&a, 64, NULL);
    assert_null(eng_arena_alloc(&a, most));
    assert_null(eng_arena_alloc(&a, most - 20));
    assert_null(eng_arena_array(&a, most / 2, 3));
    assert_non_null(eng_arena_array(&a, 10, 8));
    assert_null(eng_arena_copy(&a, (eng_str){"", SIZE_MAX}).ptr);
    eng_arena_clear(&a);
}

static void copies_end_with_a_nul(void **state)
{
    (void)state;
    eng_arena a;
    eng_arena_init(&a, 64, NULL);
    eng_str copy = eng_arena_copy(&a, (eng_str){"abcdef", 4});
    assert_string_equal(copy.ptr, "abcd");
    assert_int_equal(copy.len, 4);
    assert_string_equal(eng_arena_copy(&a, (eng_str){NULL, 0}).ptr, "");

    eng_str text = eng_arena_format(&a, "%s-%0200d", "x", 7);
    assert_int_equal(text.len, 202);
    assert_int_equal(strlen(text.ptr), 202);
    eng_arena_clear(&a);
}

static void a_reset_arena_stops_allocating(void **state)
{
    (void)state;
    eng_arena a;
    eng_arena_init(&a, 1024, NULL);
    assert_non_null(eng_arena_alloc(&a, 1000));
    uint64_t before = eng_alloc_count().allocations;
    for (int i = 0; i < 100; i++) {
        eng_arena_reset(&a);
        assert_non_null(eng_arena_alloc(&a, 1000));
    }
    assert_int_equal(eng_alloc_count().allocations, before);
    eng_arena_clear(&a);
}

static void chunks_do_not_grow_from_reset_to_reset(void **state)
{
    (void)state;
    eng_arena a;
    eng_arena_init(&a, 1024, NULL);
    int64_t empty = eng_alloc_count().bytes;
    for (int i = 0; i < 50; i++) {
        eng_arena_reset(&a);
        for (int j = 0; j < 4; j++)
            assert_non_null(eng_arena_alloc(&a, 500));
    }
    assert_true(eng_alloc_count().bytes - empty < 8192);
    eng_arena_clear(&a);
}

static void a_reset_keeps_no_large_piece(void **state)
{
    (void)state;
    eng_arena a;
    eng_arena_init(&a, 1024, NULL);
    int64_t before = eng_alloc_count().bytes;
    assert_non_null(eng_arena_alloc(&a, 1 << 20));
    eng_arena_reset(&a);
    assert_int_equal(eng_alloc_count().bytes, before);

    assert_non_null(eng_arena_alloc(&a, 10));
    assert_non_null(eng_arena_alloc(&a, 1 << 20));
    eng_arena_reset(&a);
    assert_true(eng_alloc_count().bytes - before < 2048);
    eng_arena_clear(&a);
    assert_int_equal(eng_alloc_count().bytes, before);
}

static void chunks_double_up_to_a_mebibyte(void **state)
{
    (void)state;
    eng_arena a;
    eng_arena_init(&a, 4096, NULL);
    for (int i = 0; i < 4096; i++)
        assert_non_null(eng_arena_alloc(&a, 1024));
    assert_int_equal(a.chunk_size, 1 << 20);
    eng_arena_clear(&a);
}

static void a_budget_ends_it_and_gets_all_of_it_back(void **state)
{
    (void)state;
    eng_budget budget = {.limit = 10000};
    eng_arena a;
    eng_arena_init(&a, 1000, &budget);
    size_t pieces = 0;
    while (eng_arena_alloc(&a, 100))
        pieces++;
    assert_true(pieces > 10 && pieces < 100);
    assert_true(budget.used <= 10000);
    assert_null(eng_arena_alloc(&a, 20000));
    eng_arena_clear(&a);
    assert_int_equal(budget.used, 0);
    assert_non_null(eng_arena_alloc(&a, 100)); /* it may be used again */
    eng_arena_clear(&a);
    assert_int_equal(budget.used, 0);
}

static eng_status use(eng_budget *budget)
{
    eng_arena a;
    eng_arena_init(&a, 64, budget);
    eng_status status = ENG_OK;
    if (!eng_arena_alloc(&a, 48) || !eng_arena_zalloc(&a, 100) || !eng_arena_alloc(&a, 5000) ||
        !eng_arena_copy(&a, ENG_STR("a text that needs another chunk, and then some more")).ptr ||
        !eng_arena_format(&a, "%0300d", 1).ptr || !eng_arena_array(&a, 100, 10))
        status = ENG_ENOMEM;
    eng_arena_clear(&a);
    return status;
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_budget budget = {.limit = 1 << 20};
    eng_status status;
    assert_survives_no_memory(status, {
        status = use(&budget);
        assert_int_equal(budget.used, 0);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initialising_allocates_nothing),
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(small_pieces_share_a_chunk),
        cmocka_unit_test(a_large_piece_does_not_waste_the_chunk),
        cmocka_unit_test(zeroed_pieces_are_zero_after_a_reset_too),
        cmocka_unit_test(sizes_cannot_wrap),
        cmocka_unit_test(copies_end_with_a_nul),
        cmocka_unit_test(a_reset_arena_stops_allocating),
        cmocka_unit_test(chunks_do_not_grow_from_reset_to_reset),
        cmocka_unit_test(a_reset_keeps_no_large_piece),
        cmocka_unit_test(chunks_double_up_to_a_mebibyte),
        cmocka_unit_test(a_budget_ends_it_and_gets_all_of_it_back),
        cmocka_unit_test(no_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
