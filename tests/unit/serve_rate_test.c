/* Each test names a promise of serve/parts.h about rates. */
#include "serve/parts.h"
#include "test.h"

static const uint64_t second = 1000000000;

static eng_rates *new_rates(void)
{
    eng_rates *r = NULL;
    eng_error err;
    assert_ok(eng_rates_new(&r, &err), err);
    return r;
}

static void a_minutes_worth_may_be_saved_up(void **state)
{
    (void)state;
    unsigned wait = 0;
    eng_rates *r = new_rates();
    for (int i = 0; i < 5; i++)
        assert_true(eng_rates_take(r, "a", 5, second, &wait));
    assert_false(eng_rates_take(r, "a", 5, second, &wait));
    eng_rates_free(r);
}

static void it_says_when_one_more_is_allowed(void **state)
{
    (void)state;
    unsigned wait = 0;
    uint64_t now = 100 * second;
    eng_rates *r = new_rates();
    for (int i = 0; i < 6; i++)
        assert_true(eng_rates_take(r, "a", 6, now, &wait));
    assert_false(eng_rates_take(r, "a", 6, now, &wait));
    assert_in_range(wait, 10, 11);
    assert_false(eng_rates_take(r, "a", 6, now + 9 * second, &wait));
    assert_true(eng_rates_take(r, "a", 6, now + 11 * second, &wait));
    assert_false(eng_rates_take(r, "a", 6, now + 11 * second, &wait));
    eng_rates_free(r);
}

static void no_more_than_a_minutes_worth_is_saved(void **state)
{
    (void)state;
    unsigned wait = 0;
    eng_rates *r = new_rates();
    assert_true(eng_rates_take(r, "a", 3, second, &wait));
    for (int i = 0; i < 3; i++)
        assert_true(eng_rates_take(r, "a", 3, 3600 * second, &wait));
    assert_false(eng_rates_take(r, "a", 3, 3600 * second, &wait));
    eng_rates_free(r);
}

static void keys_do_not_share(void **state)
{
    (void)state;
    unsigned wait = 0;
    eng_rates *r = new_rates();
    assert_true(eng_rates_take(r, "a", 1, second, &wait));
    assert_false(eng_rates_take(r, "a", 1, second, &wait));
    assert_true(eng_rates_take(r, "b", 1, second, &wait));
    eng_rates_free(r);
}

static void many_keys_need_no_more_memory(void **state)
{
    (void)state;
    unsigned wait = 0;
    eng_rates *r = new_rates();
    int64_t held = eng_alloc_count().bytes;
    for (unsigned i = 0; i < 100000; i++) {
        char id[ENG_ID_SIZE];
        snprintf(id, sizeof id, "%016u", i);
        assert_true(eng_rates_take(r, id, 1, second + i, &wait));
    }
    assert_int_equal(eng_alloc_count().bytes, held);
    eng_rates_free(r);
}

static void survives_without_memory(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_rates *r = NULL;
        status = eng_rates_new(&r, NULL);
        eng_rates_free(r);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minutes_worth_may_be_saved_up),
        cmocka_unit_test(it_says_when_one_more_is_allowed),
        cmocka_unit_test(no_more_than_a_minutes_worth_is_saved),
        cmocka_unit_test(keys_do_not_share),
        cmocka_unit_test(many_keys_need_no_more_memory),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
