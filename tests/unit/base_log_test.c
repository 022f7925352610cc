/* Each test names a promise of log.h. */
#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* The time, of which every line has another, becomes a T. */
static void without_time(eng_buf *b)
{
    eng_str at = ENG_STR("2026-11-24T14:03:07.250Z");
    size_t from = eng_str_starts(eng_buf_view(b), ENG_STR("{")) ? 9 : 5;
    assert_true(b->len > from + at.len);
    b->data[from] = 'T';
    memmove(b->data + from + 1, b->data + from + at.len, b->len - from - at.len + 1);
    b->len -= at.len - 1;
}

static void set_up(eng_buf *b, bool json)
{
    eng_log_setup(ENG_LOG_INFO, json);
    eng_buf_init(b, 1 << 20);
}

static int restore(void **state)
{
    (void)state;
    eng_log_setup(ENG_LOG_INFO, false);
    return 0;
}

static void a_line_is_logfmt(void **state)
{
    (void)state;
    eng_buf b;
    eng_log_line line;
    set_up(&b, false);
    eng_log_begin(&line, ENG_LOG_INFO, "listening");
    eng_log_str(&line, "address", ENG_STR("127.0.0.1:8000"));
    eng_log_int(&line, "loops", -2);
    eng_log_int(&line, "least", INT64_MIN);
    eng_log_ms(&line, "took", 1234567);
    eng_log_ms(&line, "none", 999);
    eng_log_end_in(&line, &b);
    without_time(&b);
    assert_string_equal(b.data, "time=T level=info msg=listening address=127.0.0.1:8000 loops=-2 "
                                "least=-9223372036854775808 took=1.234 none=0.000\n");
    eng_buf_clear(&b);
}

static void a_line_is_json(void **state)
{
    (void)state;
    eng_buf b;
    eng_log_line line;
    set_up(&b, true);
    eng_log_begin(&line, ENG_LOG_WARN, "it \"works\"");
    eng_log_str(&line, "address", ENG_STR("a\\b"));
    eng_log_str(&line, "none", (eng_str){NULL, 0});
    eng_log_int(&line, "loops", 2);
    eng_log_ms(&line, "took", 3000000);
    eng_log_end_in(&line, &b);
    without_time(&b);
    assert_string_equal(b.data,
                        "{\"time\":\"T\",\"level\":\"warn\",\"msg\":\"it \\\"works\\\"\","
                        "\"address\":\"a\\\\b\",\"none\":\"\",\"loops\":2,\"took\":3.000}\n");
    eng_buf_clear(&b);
}

static void values_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    eng_buf b;
    eng_log_line line;
    set_up(&b, false);
    eng_log_begin(&line, ENG_LOG_ERROR, "two words");
    eng_log_str(&line, "a", ENG_STR(""));
    eng_log_str(&line, "b", ENG_STR("x=y"));
    eng_log_str(&line, "c", ENG_STR("back\\slash"));
    eng_log_str(&line, "d", ENG_STR("caf\xc3\xa9"));
    eng_log_end_in(&line, &b);
    without_time(&b);
    assert_string_equal(b.data, "time=T level=error msg=\"two words\" a=\"\" b=\"x=y\" "
                                "c=\"back\\\\slash\" d=\"caf\xc3\xa9\"\n");
    eng_buf_clear(&b);
}

static void a_strangers_bytes_cannot_forge_a_line(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        eng_buf b;
        eng_log_line line;
        set_up(&b, json);
        eng_log_begin(&line, ENG_LOG_INFO, "m");
        eng_log_str(&line, "v", ENG_STR("a\nb\r\t\0\x1b[2J\x7f\"\xc2\x9b\xff\xed\xa0\x80"));
        eng_log_end_in(&line, &b);
        assert_non_null(strstr(b.data, "\"a\\nb\\r\\t\\u0000\\u001b[2J\\u007f\\\"\\u009b???"
                                       "?\""));
        assert_ptr_equal(strchr(b.data, '\n'), b.data + b.len - 1);
        assert_int_equal(strlen(b.data), b.len);
        eng_buf_clear(&b);
    }
}

/* Reads a JSON object of strings and numbers, as far as it must be well-formed: quotes in pairs,
 * the brace at the end, no control character. */
static bool is_whole(eng_str line)
{
    bool quoted = false;
    for (size_t i = 0; i + 2 < line.len; i++) {
        if ((unsigned char)line.ptr[i] < 0x20)
            return false;
        if (quoted && line.ptr[i] == '\\')
            i++;
        else if (line.ptr[i] == '"')
            quoted = !quoted;
    }
    return !quoted && eng_str_ends(line, ENG_STR("}\n")) && eng_utf8_valid(line) == line.len;
}

static void a_line_that_is_too_long_is_cut_and_stays_whole(void **state)
{
    (void)state;
    static const char *const pieces[] = {"x", "\n", "\xc3\xa9", "\x01", "\"", "\xff"};
    eng_log_line line;
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        for (size_t start = 0; start < 16; start++) {
            eng_buf b, value;
            set_up(&b, true);
            eng_buf_init(&value, 10000);
            for (size_t i = 0; i < start; i++)
                eng_buf_byte(&value, 'x');
            while (value.len < 4000)
                eng_buf_str(&value, eng_str_of(pieces[p]));
            eng_log_begin(&line, ENG_LOG_INFO, "m");
            eng_log_str(&line, "v", eng_buf_view(&value));
            eng_log_str(&line, "w", eng_buf_view(&value)); /* not even its name fits */
            eng_log_int(&line, "n", 1);
            eng_log_ms(&line, "ms", 1);
            eng_log_end_in(&line, &b);
            assert_true(b.len <= sizeof line.text && b.len > sizeof line.text - 12);
            assert_true(is_whole(eng_buf_view(&b)));
            assert_null(strstr(b.data, "\"w\""));
            eng_buf_clear(&b);
            eng_buf_clear(&value);
        }
    }
}

static void any_number_of_values_leaves_the_line_whole(void **state)
{
    (void)state;
    for (int json = 0; json < 2; json++) {
        eng_buf b;
        eng_log_line line;
        set_up(&b, json);
        eng_log_begin(&line, ENG_LOG_INFO, "m");
        for (int i = 0; i < 1000; i++) {
            eng_log_str(&line, "s", ENG_STR("v"));
            eng_log_int(&line, "n", i);
        }
        eng_log_end_in(&line, &b);
        assert_true(b.len <= sizeof line.text);
        assert_int_equal(b.data[b.len - 1], '\n');
        assert_true(!json || is_whole(eng_buf_view(&b)));
        eng_buf_clear(&b);
    }
}

static void lines_below_the_level_do_not_appear(void **state)
{
    (void)state;
    eng_buf b;
    eng_log_line line;
    set_up(&b, false);
    assert_false(eng_log_on(ENG_LOG_DEBUG));
    assert_true(eng_log_on(ENG_LOG_INFO));
    eng_log_begin(&line, ENG_LOG_DEBUG, "m");
    eng_log_str(&line, "a", ENG_STR("b"));
    eng_log_int(&line, "a", 1);
    eng_log_ms(&line, "a", 1);
    eng_log_end_in(&line, &b);
    eng_log_end(&line);
    assert_int_equal(b.len, 0);

    eng_log_setup(ENG_LOG_DEBUG, false);
    eng_log_begin(&line, ENG_LOG_DEBUG, "m");
    eng_log_end_in(&line, &b);
    without_time(&b);
    assert_string_equal(b.data, "time=T level=debug msg=m\n");
    eng_log_setup(ENG_LOG_OFF, false);
    assert_false(eng_log_on(ENG_LOG_ERROR));
    assert_false(eng_log_on(ENG_LOG_OFF));
    eng_buf_clear(&b);
}

/* What body writes to standard error. */
static void capture(void (*body)(void), eng_buf *b)
{
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    body();
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    char block[4096];
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        eng_buf_bytes(b, block, got);
    fclose(file);
}

static void log_errors(void)
{
    eng_error err;
    eng_fail_field(&err, ENG_EINVALID, ENG_STR("top_k"), "expected 1 to 1000");
    eng_log_error("ask", &err);
    eng_fail_at(&err, ENG_EMALFORMED, 12, "bad json");
    err.line = 2;
    err.column = 5;
    eng_log_error(NULL, &err);
}

static void errors_are_logged_with_status_field_and_position(void **state)
{
    (void)state;
    eng_buf b;
    set_up(&b, false);
    capture(log_errors, &b);
    size_t second = eng_str_find(eng_buf_view(&b), ENG_STR("\n")) + 1;
    eng_buf copy;
    eng_buf_init(&copy, 4096);
    eng_buf_str(&copy, eng_str_sub(eng_buf_view(&b), second, SIZE_MAX));
    without_time(&copy);
    assert_string_equal(copy.data,
                        "time=T level=error msg=\"bad json\" status=ENG_EMALFORMED line=2 "
                        "column=5 position=12\n");
    without_time(&b);
    assert_true(eng_str_starts(eng_buf_view(&b),
                               ENG_STR("time=T level=error msg=\"ask: top_k: expected 1 to 1000\" "
                                       "status=ENG_EINVALID field=top_k\n")));
    eng_buf_clear(&copy);
    eng_buf_clear(&b);
}

enum { THREADS = 4, EACH = 300 };

static void *log_many(void *arg)
{
    for (int i = 0; i < EACH; i++) {
        eng_log_line line;
        eng_log_begin(&line, ENG_LOG_INFO, "many");
        eng_log_str(&line, "who", eng_str_of(arg));
        eng_log_str(&line, "again", eng_str_of(arg));
        eng_log_end(&line);
    }
    return NULL;
}

static void log_in_threads(void)
{
    static char names[THREADS][100];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        memset(names[i], 'a' + (int)i, sizeof names[i] - 1);
        pthread_create(&threads[i], NULL, log_many, names[i]);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    eng_buf b;
    set_up(&b, false);
    capture(log_in_threads, &b);
    eng_str rest = eng_buf_view(&b), line;
    size_t lines = 0;
    while (eng_str_cut(rest, '\n', &line, &rest)) {
        size_t who = eng_str_find(line, ENG_STR("who="));
        assert_int_equal(line.len, who + 4 + 99 + 7 + 99);
        assert_true(eng_str_starts(line, ENG_STR("time=2")));
        for (size_t i = 0; i < 99; i++) {
            assert_int_equal(line.ptr[who + 4 + i], line.ptr[who + 4]);
            assert_int_equal(line.ptr[who + 4 + 99 + 7 + i], line.ptr[who + 4]);
        }
        lines++;
    }
    assert_int_equal(lines, THREADS * EACH);
    assert_int_equal(rest.len, 0);
    eng_buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_logfmt),
        cmocka_unit_test(a_line_is_json),
        cmocka_unit_test(values_are_quoted_where_they_must_be),
        cmocka_unit_test(a_strangers_bytes_cannot_forge_a_line),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_stays_whole),
        cmocka_unit_test(any_number_of_values_leaves_the_line_whole),
        cmocka_unit_test(lines_below_the_level_do_not_appear),
        cmocka_unit_test(errors_are_logged_with_status_field_and_position),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, restore);
}
