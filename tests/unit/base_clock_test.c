/* Each test names a promise of clock.h or random.h. */
#include "base/clock.h"
#include "base/random.h"
#include "test.h"

#include <string.h>
#include <time.h>

static void the_clock_only_grows(void **state)
{
    (void)state;
    uint64_t last = eng_clock_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = eng_clock_ns();
        assert_true(now >= last);
        last = now;
    }
    struct timespec nap = {.tv_nsec = 3000000};
    nanosleep(&nap, NULL);
    assert_true(eng_clock_ns() - last >= 3000000);
}

static void the_wall_shows_the_time_of_day(void **state)
{
    (void)state;
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t now = eng_clock_wall_ms();
    assert_true(now >= before - 1000 && now <= before + 3000);
}

static void times_are_formatted_in_utc(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400123, "2000-02-29T00:00:00.123Z"},
        {1795528987250, "2026-11-24T14:03:07.250Z"},
        {-2203891200000, "1900-03-01T00:00:00.000Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[ENG_TIME_SIZE];
        eng_time_format(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* libc's calendar is the reference, for every day of eleven centuries. */
static void the_calendar_is_that_of_libc(void **state)
{
    (void)state;
    for (int64_t day = -200000; day < 200000; day++) {
        time_t seconds = (time_t)(day * 86400 + 3723);
        struct tm tm;
        char text[ENG_TIME_SIZE], want[ENG_TIME_SIZE];
        gmtime_r(&seconds, &tm);
        strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        eng_time_format((int64_t)seconds * 1000, text);
        if (strcmp(text, want) != 0)
            fail_msg("got %s, want %s", text, want);
        int64_t back;
        assert_true(eng_time_parse(eng_str_of(text), &back));
        assert_int_equal(back, (int64_t)seconds * 1000);
    }
}

static void any_offset_and_any_number_of_decimals_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01T01:30:00+01:30", 0},
        {"1969-12-31T20:00:00-04:00", 0},
        {"1970-01-01T23:59:00+23:59", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T00:00:00.1Z", 100},
        {"1970-01-01T00:00:00.25Z", 250},
        {"1970-01-01T00:00:00.1239999999999999999999Z", 123},
        {"2000-02-29T00:00:00.123Z", 951782400123},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"2016-12-31T23:59:60Z", 1483228800000},      /* a leap second ... */
        {"2017-01-01T00:59:60+01:00", 1483228800000}, /* ... is one at midnight in UTC */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = 1;
        if (!eng_time_parse(eng_str_of(cases[i].text), &ms) || ms != cases[i].ms)
            fail_msg("%s: got %lld", cases[i].text, (long long)ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2026",
        "2026-11-24",
        "2026-11-24T14:03:07",
        "2026-11-24T14:03Z",
        "2026-11-24 14:03:07Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-06-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00Zx",
        " 2026-01-01T00:00:00Z",
        "26-01-01T00:00:00Z",
        "+2026-01-01T00:00:00Z",
        "2026-1-01T00:00:00Z",
        "2026-01-01T00:00:00 Z",
        "2026/01/01T00:00:00Z",
        "2026-01-01T0000:00Z",
    };
    int64_t ms = 77;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (eng_time_parse(eng_str_of(cases[i]), &ms))
            fail_msg("taken for a time: '%s'", cases[i]);
    }
    assert_int_equal(ms, 77);
}

static void cut_anywhere_a_time_is_none(void **state)
{
    (void)state;
    eng_str text = ENG_STR("2026-11-24T14:03:07.250+01:00");
    int64_t ms;
    for (size_t len = 0; len < text.len; len++)
        assert_false(eng_time_parse((eng_str){text.ptr, len}, &ms));
    assert_true(eng_time_parse(text, &ms));
}

static void random_bytes_fill_all_there_is_to_fill(void **state)
{
    (void)state;
    /* More than the kernel gives in one go to a process that has signals; every byte must change at
     * some time, which fails by chance once in 2^80. */
    static unsigned char bytes[1 << 16], seen[1 << 16];
    for (int round = 0; round < 12; round++) {
        eng_random(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof seen; i++)
        assert_int_not_equal(seen[i], 0);
    eng_random(NULL, 0);
}

static void ids_fit_into_a_path(void **state)
{
    (void)state;
    char id[33], other[33];
    bool used[256] = {0};
    for (int i = 0; i < 200; i++) {
        eng_random_id(id, 32);
        assert_int_equal(strlen(id), 32);
        assert_int_equal(strspn(id, "0123456789abcdefghijklmnopqrstuv"), 32);
        for (size_t k = 0; k < 32; k++)
            used[(unsigned char)id[k]] = true;
    }
    size_t letters = 0;
    for (size_t i = 0; i < 256; i++)
        letters += used[i];
    assert_int_equal(letters, 32);
    eng_random_id(other, 32);
    assert_string_not_equal(id, other);
    eng_random_id(id, 0);
    assert_string_equal(id, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_only_grows),
        cmocka_unit_test(the_wall_shows_the_time_of_day),
        cmocka_unit_test(times_are_formatted_in_utc),
        cmocka_unit_test(the_calendar_is_that_of_libc),
        cmocka_unit_test(any_offset_and_any_number_of_decimals_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(cut_anywhere_a_time_is_none),
        cmocka_unit_test(random_bytes_fill_all_there_is_to_fill),
        cmocka_unit_test(ids_fit_into_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
