/* Each test names a promise of map.h or hash.h. */
#include "base/hash.h"
#include "base/map.h"
#include "test.h"

#include <stdio.h>

enum { MANY = 3000 };

static char names[MANY][12];

static int make_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        snprintf(names[i], sizeof names[i], "key-%u", i);
    return 0;
}

static void put(eng_map *m, const char *key, void *value)
{
    eng_error err = {0};
    assert_ok(eng_map_put(m, eng_str_of(key), value, NULL, &err), err);
}

static void initialising_allocates_nothing(void **state)
{
    (void)state;
    uint64_t before = eng_alloc_count().allocations;
    eng_map m;
    size_t at = 0;
    const eng_map_slot *slot;
    eng_map_init(&m);
    assert_null(eng_map_get(&m, ENG_STR("a")));
    assert_null(eng_map_remove(&m, ENG_STR("a")));
    assert_false(eng_map_next(&m, &at, &slot));
    eng_map_clear(&m);
    assert_int_equal(eng_alloc_count().allocations, before);
}

static void what_was_put_is_found(void **state)
{
    (void)state;
    eng_map m;
    eng_map_init(&m);
    for (size_t i = 0; i < MANY; i++)
        put(&m, names[i], names[i]);
    assert_int_equal(m.count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(eng_map_get(&m, eng_str_of(names[i])), names[i]);
    assert_null(eng_map_get(&m, ENG_STR("key-")));
    assert_null(eng_map_get(&m, ENG_STR("")));
    eng_map_clear(&m);
    assert_int_equal(m.count, 0);
}

static void putting_again_replaces_and_gives_the_old(void **state)
{
    (void)state;
    eng_map m;
    eng_error err = {0};
    void *old = &m;
    int one, two;
    eng_map_init(&m);
    assert_ok(eng_map_put(&m, ENG_STR("a"), &one, &old, &err), err);
    assert_null(old);
    assert_ok(eng_map_put(&m, ENG_STR("a"), &two, &old, &err), err);
    assert_ptr_equal(old, &one);
    assert_ptr_equal(eng_map_get(&m, ENG_STR("a")), &two);
    assert_int_equal(m.count, 1);
    eng_map_clear(&m);
}

static void a_key_may_be_empty_and_hold_any_byte(void **state)
{
    (void)state;
    eng_map m;
    eng_error err = {0};
    eng_map_init(&m);
    assert_ok(eng_map_put(&m, (eng_str){NULL, 0}, &m, NULL, &err), err);
    assert_ptr_equal(eng_map_get(&m, ENG_STR("")), &m);
    assert_ok(eng_map_put(&m, ENG_STR("a\0b"), &err, NULL, &err), err);
    assert_null(eng_map_get(&m, ENG_STR("a\0c")));
    assert_ptr_equal(eng_map_get(&m, ENG_STR("a\0b")), &err);
    assert_ptr_equal(eng_map_remove(&m, ENG_STR("")), &m);
    assert_int_equal(m.count, 1);
    eng_map_clear(&m);
}

/* Puts and removes at random and compares with an array: what is removed must be gone, and whatever
 * stood behind it in its run of slots must still be found. */
static void removing_loses_nothing_else(void **state)
{
    (void)state;
    bool there[MANY] = {0};
    eng_map m;
    eng_map_init(&m);
    uint64_t random = 1;
    for (int step = 0; step < 60000; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        /* A few keys at first, so that the map is emptied and filled over and over. */
        size_t i = (size_t)(random >> 33) % (step < 30000 ? 20 : MANY);
        if (random >> 63) {
            put(&m, names[i], names[i]);
            there[i] = true;
        } else {
            assert_ptr_equal(eng_map_remove(&m, eng_str_of(names[i])), there[i] ? names[i] : NULL);
            there[i] = false;
        }
        if (step % 1000 && step > 2000)
            continue;
        for (size_t k = 0; k < MANY; k++)
            assert_ptr_equal(eng_map_get(&m, eng_str_of(names[k])), there[k] ? names[k] : NULL);
    }
    eng_map_clear(&m);
}

static void every_entry_is_visited_once(void **state)
{
    (void)state;
    unsigned seen[100] = {0};
    eng_map m;
    eng_map_init(&m);
    for (size_t i = 0; i < 100; i++)
        put(&m, names[i], &seen[i]);
    const eng_map_slot *slot;
    for (size_t at = 0; eng_map_next(&m, &at, &slot);)
        ++*(unsigned *)slot->value;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    eng_map_clear(&m);
}

static eng_status fill(size_t *kept)
{
    eng_map m;
    eng_error err;
    eng_status status = ENG_OK;
    eng_map_init(&m);
    for (size_t i = 0; i < 100 && status == ENG_OK; i++)
        status = eng_map_put(&m, eng_str_of(names[i]), names[i], NULL, &err);
    /* What was in it before the failure is still there. */
    *kept = 0;
    while (*kept < 100 && eng_map_get(&m, eng_str_of(names[*kept])))
        ++*kept;
    if (*kept != m.count)
        status = ENG_EINTERNAL;
    eng_map_clear(&m);
    return status;
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status;
    size_t kept;
    assert_survives_no_memory(status, status = fill(&kept));
    assert_int_equal(kept, 100);
}

/* The reference is CPython, whose hash of bytes is SipHash-1-3: with PYTHONHASHSEED=7 it has this
 * key, and these are its hashes. */
static void hashes_are_siphash_1_3(void **state)
{
    (void)state;
    static const uint64_t key[2] = {0x12c874a1806f0e3d, 0x470a89d2f9d2784f};
    static const struct {
        const char *text;
        uint64_t hash;
    } cases[] = {
        {"a", 0x58fddb5aae8c3c14},
        {"abcdefg", 0x2db7f6d54ca1c1b4},
        {"abcdefgh", 0x6c0dd92b5f82dc9e},
        {"a longer text than one block", 0x6fb5ac3e66d1e58e},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(eng_siphash(cases[i].text, strlen(cases[i].text), key) == cases[i].hash);
}

static void the_process_hashes_alike_with_a_key_of_its_own(void **state)
{
    (void)state;
    static const uint64_t zero[2];
    assert_true(eng_hash("abc", 3) == eng_hash("abc", 3));
    assert_true(eng_hash("abc", 3) != eng_hash("abd", 3));
    assert_true(eng_hash("abc", 3) != eng_siphash("abc", 3, zero));
    eng_hash(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initialising_allocates_nothing),
        cmocka_unit_test(what_was_put_is_found),
        cmocka_unit_test(putting_again_replaces_and_gives_the_old),
        cmocka_unit_test(a_key_may_be_empty_and_hold_any_byte),
        cmocka_unit_test(removing_loses_nothing_else),
        cmocka_unit_test(every_entry_is_visited_once),
        cmocka_unit_test(no_memory_is_an_ordinary_error),
        cmocka_unit_test(hashes_are_siphash_1_3),
        cmocka_unit_test(the_process_hashes_alike_with_a_key_of_its_own),
    };
    return cmocka_run_group_tests(tests, make_names, NULL);
}
