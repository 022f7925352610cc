/* cli/cli.h: settings, from flags, the environment, a file, and what is built in. */
#include "cli_help.h"

#include <unistd.h>

/* No test sees what is set where it runs. */
static int forget_environment(void **state)
{
    (void)state;
    for (int s = 0; s < ENG_SETTINGS; s++)
        unsetenv(eng_cli_setting_env((eng_setting)s));
    unsetenv("PORT");
    unsetenv("ML_API_PORT");
    return 0;
}

/* A command line whose settings are read, and a file's text on top of them. */
static eng_status read_settings(eng_cli *cli, const char *const *words, eng_error *err)
{
    eng_status status = parse_words(cli, words, err);
    return status < 0 ? status : eng_cli_config_read(cli, err);
}

static eng_status parse_file(eng_cli *cli, const char *text, eng_error *err)
{
    eng_status status = read_settings(cli, WORDS("serve"), err);
    return status < 0 ? status : eng_cli_config_parse(cli, "f", eng_str_of(text), err);
}

#define assert_setting(cli, s, text) assert_string_equal(eng_cli_config_text(cli, s), text)

static void write_file(char path[64], const char *text)
{
    strcpy(path, "/tmp/engenho-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void nothing_set_is_the_default(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(read_settings(&cli, WORDS("serve"), &err), err);
    assert_setting(&cli, ENG_SET_LISTEN, "127.0.0.1:8000");
    assert_setting(&cli, ENG_SET_KEYS, "auto");
    assert_null(eng_cli_config_text(&cli, ENG_SET_DATA));
    assert_null(eng_cli_config_text(&cli, ENG_SET_API_KEY));
    assert_int_equal(eng_cli_config_number(&cli, ENG_SET_BODY_MAX), 8 << 20);
    assert_int_equal(eng_cli_config_number(&cli, ENG_SET_DRAIN), 5);
    eng_arena_clear(&cli.arena);
}

static void flags_go_before_environment_before_file(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    char path[64];
    write_file(path, "ENGENHO_RATE=3\nENGENHO_DRAIN=3\nENGENHO_LOOPS=3\n");
    setenv("ENGENHO_RATE", "2", 1);
    setenv("ENGENHO_DRAIN", "2", 1);
    assert_ok(read_settings(&cli, WORDS("serve", "--config", path, "--rate", "1"), &err), err);
    assert_int_equal(eng_cli_config_number(&cli, ENG_SET_RATE), 1);
    assert_int_equal(eng_cli_config_number(&cli, ENG_SET_DRAIN), 2);
    assert_int_equal(eng_cli_config_number(&cli, ENG_SET_LOOPS), 3);
    assert_int_equal(eng_cli_config_number(&cli, ENG_SET_WORKERS), 0);
    eng_arena_clear(&cli.arena);
    unlink(path);
}

static void an_empty_value_is_none(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    setenv("ENGENHO_RATE", "", 1);
    assert_ok(parse_file(&cli, "ENGENHO_DRAIN=\nENGENHO_KEYS=\"\"\n", &err), err);
    assert_setting(&cli, ENG_SET_RATE, "0");
    assert_setting(&cli, ENG_SET_DRAIN, "5");
    assert_setting(&cli, ENG_SET_KEYS, "auto");
    eng_arena_clear(&cli.arena);
}

static void a_file_is_lines_of_key_and_value(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_file(&cli,
                         "# a comment\n; another\n\n"
                         "  ENGENHO_RATE = 7 \r\n"
                         "ENGENHO_CORS=\"a = b\"\n"
                         "PGHOST=db\n"
                         "ENGENHO_DATA='/srv/e n'",
                         &err),
              err);
    assert_setting(&cli, ENG_SET_RATE, "7");
    assert_setting(&cli, ENG_SET_CORS, "a = b");
    assert_setting(&cli, ENG_SET_DATA, "/srv/e n");
    eng_arena_clear(&cli.arena);
}

static void a_quote_at_one_end_stays(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_file(&cli, "ENGENHO_DATA=\"a\nENGENHO_CORS='\n", &err), err);
    assert_setting(&cli, ENG_SET_DATA, "\"a");
    assert_setting(&cli, ENG_SET_CORS, "'");
    eng_arena_clear(&cli.arena);
}

static void a_port_of_other_programs_is_on_loopback(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    setenv("ML_API_PORT", "9000", 1);
    assert_ok(read_settings(&cli, WORDS("serve"), &err), err);
    assert_setting(&cli, ENG_SET_LISTEN, "127.0.0.1:9000");
    eng_arena_clear(&cli.arena);
    setenv("PORT", "9001", 1);
    assert_ok(read_settings(&cli, WORDS("serve"), &err), err);
    assert_setting(&cli, ENG_SET_LISTEN, "127.0.0.1:9001");
    eng_arena_clear(&cli.arena);
    setenv("ENGENHO_LISTEN", "unix:/run/e.sock", 1);
    assert_ok(read_settings(&cli, WORDS("serve"), &err), err);
    assert_setting(&cli, ENG_SET_LISTEN, "unix:/run/e.sock");
    eng_arena_clear(&cli.arena);
}

static void our_own_name_goes_before_others_wherever_it_stands(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_file(&cli, "ENGENHO_LISTEN=a:1\nPORT=2\nML_API_PORT=3\n", &err), err);
    assert_setting(&cli, ENG_SET_LISTEN, "a:1");
    eng_arena_clear(&cli.arena);
    assert_ok(parse_file(&cli, "ML_API_PORT=3\nPORT=2\n", &err), err);
    assert_setting(&cli, ENG_SET_LISTEN, "127.0.0.1:2");
    eng_arena_clear(&cli.arena);
}

static void the_last_of_several_lines_counts(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_file(&cli, "ENGENHO_RATE=1\nENGENHO_RATE=2\n", &err), err);
    assert_setting(&cli, ENG_SET_RATE, "2");
    eng_arena_clear(&cli.arena);
}

static void assert_bad_file(const char *text, const char *message)
{
    eng_cli cli;
    eng_error err = {0};
    assert_int_equal(parse_file(&cli, text, &err), ENG_EUSAGE);
    assert_string_equal(err.message, message);
    eng_arena_clear(&cli.arena);
}

static void a_bad_line_is_named(void **state)
{
    (void)state;
    assert_bad_file("\n\nENGENHO_RATE\n", "f:3: expected KEY=VALUE");
    assert_bad_file("ENGENHO_RAT=1", "f:1: no setting 'ENGENHO_RAT': did you mean 'ENGENHO_RATE'?");
    assert_bad_file("ENGENHO_FROBNICATE=1", "f:1: no setting 'ENGENHO_FROBNICATE'");
    assert_bad_file("PORT=70000", "f:1: PORT: expected a port, got '70000'");
}

static void a_byte_0_is_refused(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(read_settings(&cli, WORDS("serve"), &err), err);
    assert_int_equal(eng_cli_config_parse(&cli, "f", (eng_str){"ENGENHO_RATE=1\0002", 16}, &err),
                     ENG_EUSAGE);
    assert_string_equal(err.message, "f:1: did not expect a byte 0");
    eng_arena_clear(&cli.arena);
}

static void assert_bad_flags(const char *const *words, const char *message)
{
    eng_cli cli;
    eng_error err = {0};
    assert_int_equal(read_settings(&cli, words, &err), ENG_EUSAGE);
    assert_string_equal(err.message, message);
    eng_arena_clear(&cli.arena);
}

static void numbers_sizes_and_choices_are_checked(void **state)
{
    (void)state;
    assert_bad_flags(WORDS("serve", "--drain", "3601"),
                     "--drain: expected a number from 0 to 3600, got '3601'");
    assert_bad_flags(WORDS("serve", "--drain", "5M"),
                     "--drain: expected a number from 0 to 3600, got '5M'");
    assert_bad_flags(WORDS("serve", "--body-max", "M"),
                     "--body-max: expected a size from 1024 to 4294967296, got 'M'");
    assert_bad_flags(WORDS("serve", "--body-max", "17592186044416M"),
                     "--body-max: expected a size from 1024 to 4294967296, got '17592186044416M'");
    setenv("ENGENHO_LOG_LEVEL", "loud", 1);
    assert_bad_flags(WORDS("serve"),
                     "ENGENHO_LOG_LEVEL: expected one of debug|info|warn|error|off, got 'loud'");
}

static void sizes_have_suffixes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"1024", 1024}, {"1K", 1024}, {"2m", 2 << 20}, {"4G", 4ull << 30}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eng_cli cli;
        eng_error err = {0};
        assert_ok(read_settings(&cli, WORDS("serve", "--body-max", cases[i].text), &err), err);
        assert_int_equal(eng_cli_config_number(&cli, ENG_SET_BODY_MAX), cases[i].bytes);
        eng_arena_clear(&cli.arena);
    }
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_int_equal(read_settings(&cli, WORDS("serve", "--config", "/nonexistent/e.env"), &err),
                     ENG_ENOTFOUND);
    eng_arena_clear(&cli.arena);
}

/* ---- Printing -------------------------------------------------------------------------------------- */

static void print_settings(const eng_cli *cli, eng_buf *out)
{
    eng_buf_init(out, 1 << 16);
    eng_cli_config_print(cli, out);
    assert_ok(eng_buf_check(out, "settings", NULL), (eng_error){0});
}

static void each_value_says_where_it_came_from(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    eng_buf out;
    char path[64], expected[128];
    write_file(path, "\nENGENHO_LOOPS=3\n");
    setenv("ENGENHO_DRAIN", "2", 1);
    assert_ok(read_settings(&cli, WORDS("serve", "--config", path, "--rate", "1"), &err), err);
    print_settings(&cli, &out);
    snprintf(expected, sizeof expected, "# %s:2\nENGENHO_LOOPS=3\n", path);
    assert_non_null(strstr(out.data, expected));
    assert_non_null(strstr(out.data, "# ENGENHO_DRAIN\nENGENHO_DRAIN=2\n"));
    assert_non_null(strstr(out.data, "# --rate\nENGENHO_RATE=1\n"));
    assert_non_null(strstr(out.data, "# default\nENGENHO_KEYS=auto\n"));
    assert_non_null(strstr(out.data, "# not set\n#ENGENHO_DATA=\n"));
    eng_buf_clear(&out);
    eng_arena_clear(&cli.arena);
    unlink(path);
}

static void a_secret_is_never_printed(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    eng_buf out;
    setenv("ENGENHO_API_KEY", "hush", 1);
    assert_ok(read_settings(&cli, WORDS("serve"), &err), err);
    for (int json = 0; json < 2; json++) {
        cli.json = json;
        print_settings(&cli, &out);
        assert_null(strstr(out.data, "hush"));
        eng_buf_clear(&out);
    }
    eng_arena_clear(&cli.arena);
}

static void what_is_printed_is_a_file(void **state)
{
    (void)state;
    eng_cli cli, again;
    eng_error err = {0};
    eng_buf out;
    setenv("ENGENHO_DATA", " a ", 1);
    setenv("ENGENHO_CORS", "\"b\"", 1);
    setenv("ENGENHO_LISTEN", "127.0.0.1:1", 1);
    assert_ok(read_settings(&cli, WORDS("serve"), &err), err);
    print_settings(&cli, &out);
    forget_environment(NULL);
    assert_ok(parse_file(&again, out.data, &err), err);
    for (int s = 0; s < ENG_SETTINGS; s++) {
        const char *text = eng_cli_config_text(&cli, (eng_setting)s);
        if (text)
            assert_setting(&again, (eng_setting)s, text);
        else
            assert_null(eng_cli_config_text(&again, (eng_setting)s));
    }
    eng_buf_clear(&out);
    eng_arena_clear(&cli.arena);
    eng_arena_clear(&again.arena);
}

static void lack_of_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_cli cli;
    eng_status status;
    char path[64];
    write_file(path, "ENGENHO_LISTEN=a\nPORT=2\nENGENHO_CORS=b\n");
    setenv("PORT", "1", 1);
    assert_survives_no_memory(status, {
        status = read_settings(&cli, WORDS("serve", "--config", path), NULL);
        eng_arena_clear(&cli.arena);
    });
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_set_is_the_default, forget_environment),
        cmocka_unit_test_setup(flags_go_before_environment_before_file, forget_environment),
        cmocka_unit_test_setup(an_empty_value_is_none, forget_environment),
        cmocka_unit_test_setup(a_file_is_lines_of_key_and_value, forget_environment),
        cmocka_unit_test_setup(a_quote_at_one_end_stays, forget_environment),
        cmocka_unit_test_setup(a_port_of_other_programs_is_on_loopback, forget_environment),
        cmocka_unit_test_setup(our_own_name_goes_before_others_wherever_it_stands,
                               forget_environment),
        cmocka_unit_test_setup(the_last_of_several_lines_counts, forget_environment),
        cmocka_unit_test_setup(a_bad_line_is_named, forget_environment),
        cmocka_unit_test_setup(a_byte_0_is_refused, forget_environment),
        cmocka_unit_test_setup(numbers_sizes_and_choices_are_checked, forget_environment),
        cmocka_unit_test_setup(sizes_have_suffixes, forget_environment),
        cmocka_unit_test_setup(a_file_that_cannot_be_read_is_an_error, forget_environment),
        cmocka_unit_test_setup(each_value_says_where_it_came_from, forget_environment),
        cmocka_unit_test_setup(a_secret_is_never_printed, forget_environment),
        cmocka_unit_test_setup(what_is_printed_is_a_file, forget_environment),
        cmocka_unit_test_setup(lack_of_memory_is_an_ordinary_error, forget_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
