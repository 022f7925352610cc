/* A child: what it may not do, and what becomes of one that does not end. */
#include "test.h"

#include "base/child.h"
#include "base/error.h"

#include <unistd.h>

static eng_status run(const char *script, eng_str input, eng_buf *out, int *status, eng_error *err)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    eng_child_options o = {
        .argv = argv, .input = input, .timeout_ms = 2000, .memory_max = 512u << 20};
    return eng_child_run(&o, out, status, err);
}

static void input_goes_in_and_output_comes_out(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    eng_error err;
    assert_ok(run("cat; echo fim; exit 3", ENG_STR("entra "), &out, &status, &err), err);
    assert_string_equal(out.data, "entra fim\n");
    assert_int_equal(status, 3);
    eng_buf_clear(&out);
}

static void a_signal_is_128_and_its_number(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    eng_error err;
    assert_ok(run("kill -SEGV $$", ENG_STR(""), &out, &status, &err), err);
    assert_int_equal(status, 128 + 11);
    eng_buf_clear(&out);
}

static void what_takes_too_long_is_ended(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    const char *const argv[] = {"sleep", "60", NULL};
    eng_child_options o = {
        .argv = argv, .input = {"", 0}, .timeout_ms = 200, .memory_max = 512u << 20};
    assert_int_equal(eng_child_run(&o, &out, &status, NULL), ENG_ETIMEOUT);
    eng_buf_clear(&out);
}

static void what_writes_too_much_is_ended(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    assert_int_equal(run("while :; do echo 0123456789; done", ENG_STR(""), &out, &status, NULL),
                     ENG_ETOOBIG);
    eng_buf_clear(&out);
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static void it_can_be_called_off(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    const char *const argv[] = {"sleep", "60", NULL};
    eng_child_options o = {.argv = argv,
                           .input = {"", 0},
                           .timeout_ms = 60000,
                           .memory_max = 512u << 20,
                           .cancelled = always};
    assert_int_equal(eng_child_run(&o, &out, &status, NULL), ENG_ECANCELLED);
    eng_buf_clear(&out);
}

static void it_writes_no_file(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    eng_error err;
    char script[200];
    snprintf(script, sizeof script, "echo x > /tmp/engenho-child-%d", (int)getpid());
    assert_ok(run(script, ENG_STR(""), &out, &status, &err), err);
    assert_int_not_equal(status, 0);
    unlink(strrchr(script, ' ') + 1);
    eng_buf_clear(&out);
}

static void it_has_no_network(void **state)
{
    (void)state;
    const char *const argv[] = {"python3", "-c",
                                "import socket\n"
                                "try:\n    socket.socket()\n"
                                "except PermissionError:\n    print('refused')\n",
                                NULL};
    eng_child_options o = {
        .argv = argv, .input = {"", 0}, .timeout_ms = 20000, .memory_max = 2048ull << 20};
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    eng_error err;
    assert_ok(eng_child_run(&o, &out, &status, &err), err);
    assert_string_equal(out.data, "refused\n");
    eng_buf_clear(&out);
}

static void a_program_that_is_not_there_is_named(void **state)
{
    (void)state;
    const char *const argv[] = {"engenho-no-such-program", NULL};
    eng_child_options o = {
        .argv = argv, .input = {"", 0}, .timeout_ms = 1000, .memory_max = 1u << 30};
    eng_buf out;
    eng_buf_init(&out, 1000);
    int status = -1;
    eng_error err;
    assert_int_equal(eng_child_run(&o, &out, &status, &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, "'engenho-no-such-program'"));
    eng_buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_goes_in_and_output_comes_out),
        cmocka_unit_test(a_signal_is_128_and_its_number),
        cmocka_unit_test(what_takes_too_long_is_ended),
        cmocka_unit_test(what_writes_too_much_is_ended),
        cmocka_unit_test(it_can_be_called_off),
        cmocka_unit_test(it_writes_no_file),
        cmocka_unit_test(it_has_no_network),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
