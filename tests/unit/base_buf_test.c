/* Each test names a promise of buf.h. */
#include "base/buf.h"
#include "test.h"

#include <string.h>

static void appended_bytes_stand_in_order_with_a_nul_behind(void **state)
{
    (void)state;
    eng_buf b;
    eng_buf_init(&b, 1000);
    assert_null(b.data);
    assert_str_view(eng_buf_view(&b), "");
    eng_buf_str(&b, ENG_STR("hello "));
    eng_buf_format(&b, "%d", 42);
    eng_buf_byte(&b, '!');
    eng_buf_u64(&b, 0);
    eng_buf_u64(&b, UINT64_MAX);
    eng_buf_bytes(&b, "\0x", 2);
    assert_str_view(eng_buf_view(&b), "hello 42!018446744073709551615\0x");
    assert_int_equal(b.data[b.len], 0);
    assert_int_equal(eng_buf_check(&b, "greeting", NULL), ENG_OK);
    eng_buf_clear(&b);
    assert_null(b.data);
}

static void it_never_grows_past_its_maximum(void **state)
{
    (void)state;
    for (size_t max = 0; max < 200; max++) {
        eng_buf b;
        eng_buf_init(&b, max);
        for (size_t i = 0; i < max; i++)
            eng_buf_byte(&b, 'x');
        assert_int_equal(eng_buf_check(&b, "b", NULL), ENG_OK);
        assert_int_equal(b.len, max);
        assert_true(b.cap <= max + 1);
        eng_buf_byte(&b, 'y');
        assert_int_equal(b.len, max);
        assert_int_equal(b.failed, ENG_ETOOBIG);
        eng_buf_clear(&b);
    }
}

static void the_first_failure_sticks_and_later_bytes_are_dropped(void **state)
{
    (void)state;
    eng_buf b;
    eng_error err;
    eng_buf_init(&b, 5);
    eng_buf_str(&b, ENG_STR("abc"));
    eng_buf_str(&b, ENG_STR("def"));
    eng_buf_str(&b, ENG_STR("g")); /* would fit, yet comes after what did not */
    eng_buf_format(&b, "%d", 1);
    eng_buf_byte(&b, 'x');
    assert_null(eng_buf_room(&b, 1));
    assert_str_view(eng_buf_view(&b), "abc");
    assert_int_equal(eng_buf_check(&b, "greeting", &err), ENG_ETOOBIG);
    assert_string_equal(err.message, "greeting: larger than 5 bytes");

    eng_buf_reset(&b);
    eng_buf_str(&b, ENG_STR("xyz"));
    assert_str_view(eng_buf_view(&b), "xyz");
    eng_buf_clear(&b);
}

static void formatting_past_the_maximum_leaves_what_was_there(void **state)
{
    (void)state;
    eng_buf b;
    eng_buf_init(&b, 100);
    eng_buf_str(&b, ENG_STR("abc"));
    eng_buf_format(&b, "%098d", 1);
    assert_int_equal(b.failed, ENG_ETOOBIG);
    assert_string_equal(b.data, "abc");
    eng_buf_clear(&b);
}

static void formatting_grows_as_far_as_needed(void **state)
{
    (void)state;
    eng_buf b;
    for (int len = 1; len < 300; len++) {
        eng_buf_init(&b, 1000);
        eng_buf_byte(&b, 'a');
        eng_buf_format(&b, "%0*d", len, 5);
        assert_int_equal(b.len, len + 1);
        assert_int_equal(strlen(b.data), len + 1);
        assert_int_equal(b.data[len], '5');
        eng_buf_clear(&b);
    }
}

static void room_is_filled_by_the_caller(void **state)
{
    (void)state;
    eng_buf b;
    eng_buf_init(&b, SIZE_MAX);
    eng_buf_str(&b, ENG_STR("ab"));
    char *to = eng_buf_room(&b, 500);
    assert_ptr_equal(to, b.data + 2);
    assert_string_equal(b.data, "ab"); /* until something is said to be there */
    memset(to, 'c', 500);
    eng_buf_added(&b, 3);
    assert_string_equal(b.data, "abccc");
    assert_null(eng_buf_room(&b, SIZE_MAX - 2)); /* cannot wrap */
    assert_int_equal(b.failed, ENG_ETOOBIG);
    eng_buf_clear(&b);
}

static void dropping_moves_the_rest_to_the_front(void **state)
{
    (void)state;
    eng_buf b;
    eng_buf_init(&b, 100);
    eng_buf_drop(&b, 5); /* of nothing */
    eng_buf_str(&b, ENG_STR("hello world"));
    eng_buf_drop(&b, 0);
    eng_buf_drop(&b, 6);
    assert_string_equal(b.data, "world");
    eng_buf_drop(&b, 100);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    eng_buf_clear(&b);
}

static void taking_hands_the_bytes_over(void **state)
{
    (void)state;
    eng_buf b;
    size_t len = 99;
    eng_buf_init(&b, 100);
    char *none = eng_buf_take(&b, &len); /* of nothing: an empty text */
    assert_string_equal(none, "");
    assert_int_equal(len, 0);
    eng_free(none);

    eng_buf_str(&b, ENG_STR("abc"));
    char *text = eng_buf_take(&b, NULL);
    assert_string_equal(text, "abc");
    eng_free(text);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    eng_buf_str(&b, ENG_STR("again"));
    assert_str_view(eng_buf_view(&b), "again");
    eng_buf_clear(&b);
}

static void a_failed_buffer_hands_over_nothing(void **state)
{
    (void)state;
    eng_buf b;
    eng_buf_init(&b, 2);
    eng_buf_str(&b, ENG_STR("a"));
    eng_buf_str(&b, ENG_STR("bc"));
    assert_null(eng_buf_take(&b, NULL));
    assert_int_equal(b.len, 0);
    assert_int_equal(eng_buf_check(&b, "b", NULL), ENG_ETOOBIG);
    eng_buf_clear(&b);
    assert_int_equal(eng_buf_check(&b, "b", NULL), ENG_OK);
}

static eng_status write_some(void)
{
    eng_buf b;
    eng_error err;
    eng_buf_init(&b, 10000);
    eng_buf_str(&b, ENG_STR("abc"));
    eng_buf_format(&b, "%0500d", 1);
    eng_buf_byte(&b, 'x');
    for (uint64_t i = 0; i < 500; i++)
        eng_buf_u64(&b, i);
    char *text = eng_buf_take(&b, NULL);
    eng_status status = eng_buf_check(&b, "text", &err);
    assert_int_equal(text == NULL, status != ENG_OK);
    if (status < 0)
        assert_string_equal(err.message, "text: out of memory");
    eng_free(text);
    eng_buf_clear(&b);
    return status;
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, status = write_some());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_stand_in_order_with_a_nul_behind),
        cmocka_unit_test(it_never_grows_past_its_maximum),
        cmocka_unit_test(the_first_failure_sticks_and_later_bytes_are_dropped),
        cmocka_unit_test(formatting_past_the_maximum_leaves_what_was_there),
        cmocka_unit_test(formatting_grows_as_far_as_needed),
        cmocka_unit_test(room_is_filled_by_the_caller),
        cmocka_unit_test(dropping_moves_the_rest_to_the_front),
        cmocka_unit_test(taking_hands_the_bytes_over),
        cmocka_unit_test(a_failed_buffer_hands_over_nothing),
        cmocka_unit_test(no_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
