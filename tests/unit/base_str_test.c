/* Each test names a promise of str.h. */
#include "base/str.h"
#include "test.h"

static const eng_str nothing = {NULL, 0};

static void equal_in_either_case_means_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(eng_str_eq_nocase(ENG_STR("Content-TYPE"), ENG_STR("content-type")));
    assert_true(eng_str_eq_nocase(nothing, ENG_STR("")));
    assert_false(eng_str_eq_nocase(ENG_STR("abc"), ENG_STR("abcd")));
    /* One bit apart as letters are, yet no letters. */
    assert_false(eng_str_eq_nocase(ENG_STR("@["), ENG_STR("`{")));
    assert_false(eng_str_eq_nocase(ENG_STR("\xc3\x89"), ENG_STR("\xc3\xa9")));
}

static void prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_true(eng_str_starts(ENG_STR("abc"), ENG_STR("ab")));
    assert_true(eng_str_starts(ENG_STR("abc"), nothing));
    assert_false(eng_str_starts(ENG_STR("ab"), ENG_STR("abc")));
    assert_false(eng_str_starts(ENG_STR("abc"), ENG_STR("bc")));
    assert_true(eng_str_ends(ENG_STR("abc"), ENG_STR("bc")));
    assert_true(eng_str_ends(nothing, nothing));
    assert_false(eng_str_ends(ENG_STR("bc"), ENG_STR("abc")));
    assert_false(eng_str_ends(ENG_STR("abc"), ENG_STR("ab")));
}

static void comparing_orders_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(eng_str_cmp(ENG_STR("a"), ENG_STR("b")) < 0);
    assert_true(eng_str_cmp(ENG_STR("b"), ENG_STR("a")) > 0);
    assert_true(eng_str_cmp(ENG_STR("a"), ENG_STR("ab")) < 0);
    assert_true(eng_str_cmp(ENG_STR("ab"), ENG_STR("a")) > 0);
    assert_true(eng_str_cmp(ENG_STR("\x7f"), ENG_STR("\x80")) < 0);
    assert_int_equal(eng_str_cmp(nothing, ENG_STR("")), 0);
}

static void a_part_outside_is_left_out(void **state)
{
    (void)state;
    assert_str_view(eng_str_sub(ENG_STR("abcdef"), 2, 3), "cde");
    assert_str_view(eng_str_sub(ENG_STR("abcdef"), 4, SIZE_MAX), "ef");
    assert_str_view(eng_str_sub(ENG_STR("abcdef"), 6, 1), "");
    assert_str_view(eng_str_sub(ENG_STR("abcdef"), SIZE_MAX, SIZE_MAX), "");
    assert_str_view(eng_str_sub(nothing, 0, 1), "");
}

static void trimming_takes_blanks_tabs_and_line_ends(void **state)
{
    (void)state;
    assert_str_view(eng_str_trim(ENG_STR(" \t\r\n a b \n")), "a b");
    assert_str_view(eng_str_trim(ENG_STR(" \t ")), "");
    assert_str_view(eng_str_trim(nothing), "");
    assert_str_view(eng_str_trim(ENG_STR("\v\f")), "\v\f");
}

static void cutting_splits_at_the_first(void **state)
{
    (void)state;
    eng_str head, tail;
    assert_true(eng_str_cut(ENG_STR("a=b=c"), '=', &head, &tail));
    assert_str_view(head, "a");
    assert_str_view(tail, "b=c");
    assert_true(eng_str_cut(ENG_STR("="), '=', &head, &tail));
    assert_str_view(head, "");
    assert_str_view(tail, "");
    assert_false(eng_str_cut(ENG_STR("abc"), '=', &head, &tail));
    assert_str_view(head, "abc");
    assert_str_view(tail, "");
    assert_false(eng_str_cut(nothing, '=', &head, &tail));
    assert_int_equal(head.len, 0);
}

static void finding_gives_the_first_position(void **state)
{
    (void)state;
    assert_int_equal(eng_str_find(ENG_STR("abcabc"), ENG_STR("ca")), 2);
    assert_int_equal(eng_str_find(ENG_STR("abc"), ENG_STR("")), 0);
    assert_true(eng_str_find(ENG_STR("abc"), ENG_STR("abcd")) == SIZE_MAX);
    assert_true(eng_str_find(ENG_STR("abc"), ENG_STR("x")) == SIZE_MAX);
    assert_true(eng_str_find(nothing, ENG_STR("x")) == SIZE_MAX);
    assert_int_equal(eng_str_find(ENG_STR("a\0b"), ENG_STR("\0b")), 1);
}

static void numbers_to_the_last_that_fits(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    assert_true(eng_str_u64(ENG_STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_true(eng_str_u64(ENG_STR("0"), &u) && u == 0);
    assert_true(eng_str_u64(ENG_STR("007"), &u) && u == 7);
    assert_true(eng_str_i64(ENG_STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(eng_str_i64(ENG_STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(eng_str_i64(ENG_STR("-0"), &i) && i == 0);
    assert_true(eng_str_i64(ENG_STR("-42"), &i) && i == -42);
}

static void what_is_no_number_is_refused_and_writes_nothing(void **state)
{
    (void)state;
    static const char *const both[] = {"",    " 1",  "1 ",  "+1", "-",  "--1",
                                       "1.0", "1e3", "0x1", "a",  "1a", "\xd9\xa1"};
    uint64_t u = 77;
    int64_t i = 77;
    for (size_t n = 0; n < sizeof both / sizeof both[0]; n++) {
        assert_false(eng_str_u64(eng_str_of(both[n]), &u));
        assert_false(eng_str_i64(eng_str_of(both[n]), &i));
    }
    assert_false(eng_str_u64(nothing, &u));
    assert_false(eng_str_u64(ENG_STR("-1"), &u));
    assert_false(eng_str_u64(ENG_STR("18446744073709551616"), &u));
    assert_false(eng_str_u64(ENG_STR("99999999999999999999"), &u));
    assert_false(eng_str_i64(ENG_STR("9223372036854775808"), &i));
    assert_false(eng_str_i64(ENG_STR("-9223372036854775809"), &i));
    assert_int_equal(u, 77);
    assert_int_equal(i, 77);
}

static void distance_counts_edits(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},          {"abc", "abc", 0},      {"", "abc", 3},      {"serve", "sevre", 1},
        {"serve", "serv", 1}, {"serve", "server", 1}, {"list", "lost", 1}, {"kitten", "sitting", 3},
        {"ab", "ba", 1},      {"abcd", "badc", 2},    {"ca", "abc", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eng_str a = eng_str_of(cases[i].a), b = eng_str_of(cases[i].b);
        assert_int_equal(eng_str_distance(a, b), cases[i].distance);
        assert_int_equal(eng_str_distance(b, a), cases[i].distance);
    }
}

static void distance_looks_at_64_bytes(void **state)
{
    (void)state;
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    b[64] = 'x';
    assert_int_equal(eng_str_distance((eng_str){a, 200}, (eng_str){b, 150}), 0);
    memset(b, 'b', sizeof b);
    assert_int_equal(eng_str_distance((eng_str){a, 200}, (eng_str){b, 200}), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_in_either_case_means_ascii_letters_only),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(comparing_orders_by_bytes_then_length),
        cmocka_unit_test(a_part_outside_is_left_out),
        cmocka_unit_test(trimming_takes_blanks_tabs_and_line_ends),
        cmocka_unit_test(cutting_splits_at_the_first),
        cmocka_unit_test(finding_gives_the_first_position),
        cmocka_unit_test(numbers_to_the_last_that_fits),
        cmocka_unit_test(what_is_no_number_is_refused_and_writes_nothing),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(distance_looks_at_64_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
