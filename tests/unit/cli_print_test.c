/* cli/cli.h: what people read: tables, ages, JSON, a progress bar; help, the man page, completion. */
#include "cli_help.h"

#include "base/clock.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- What goes to a stream ------------------------------------------------------------------------ */

typedef struct {
    int stream, saved;
    FILE *file;
    char text[8192];
} capture;

static void begin(capture *c, int stream)
{
    c->stream = stream;
    c->file = tmpfile();
    assert_non_null(c->file);
    fflush(stdout);
    fflush(stderr);
    c->saved = dup(stream);
    dup2(fileno(c->file), stream);
}

static const char *end(capture *c)
{
    fflush(stdout);
    fflush(stderr);
    dup2(c->saved, c->stream);
    close(c->saved);
    rewind(c->file);
    c->text[fread(c->text, 1, sizeof c->text - 1, c->file)] = 0;
    fclose(c->file);
    return c->text;
}

static const eng_str cells[] = {ENG_STR("ID"), ENG_STR("NAME"),      ENG_STR("ROLE"),
                                ENG_STR("1"),  ENG_STR("João"),      ENG_STR("read"),
                                ENG_STR("22"), ENG_STR("catalogue"), ENG_STR("")};

static void columns_are_as_wide_as_they_need_in_characters(void **state)
{
    (void)state;
    capture c;
    eng_cli cli = {0};
    begin(&c, STDOUT_FILENO);
    eng_status status = eng_cli_table(&cli, cells, 3, 3, NULL);
    assert_string_equal(end(&c), "ID  NAME       ROLE\n"
                                 "1   João       read\n"
                                 "22  catalogue\n");
    assert_int_equal(status, ENG_OK);
}

static void the_heading_is_bold_where_colours_are(void **state)
{
    (void)state;
    capture c;
    eng_cli cli = {.colour = true};
    begin(&c, STDOUT_FILENO);
    eng_status status = eng_cli_table(&cli, cells, 3, 2, NULL);
    assert_string_equal(end(&c), "\x1b[1mID  NAME  ROLE\x1b[0m\n1   João  read\n");
    assert_int_equal(status, ENG_OK);
}

static void what_a_stranger_wrote_does_not_move_the_cursor(void **state)
{
    (void)state;
    capture c;
    eng_cli cli = {0};
    const eng_str bad[] = {ENG_STR("NAME"), ENG_STR("a\x1b[2J\n\x7f")};
    begin(&c, STDOUT_FILENO);
    eng_status status = eng_cli_table(&cli, bad, 1, 2, NULL);
    assert_string_equal(end(&c), "NAME\na?[2J??\n");
    assert_int_equal(status, ENG_OK);
}

static void output_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    int saved = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    fflush(stdout);
    dup2(full, STDOUT_FILENO);
    eng_status status = eng_cli_print(ENG_STR("text"), NULL);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(full);
    assert_int_equal(status, ENG_ENOSPACE);
}

static void json_is_printed_as_it_is(void **state)
{
    (void)state;
    capture c;
    eng_arena arena;
    const eng_json *v;
    eng_error err = {0};
    eng_arena_init(&arena, 1024, NULL);
    assert_ok(eng_json_read(ENG_STR("{ \"a\": [1, 2.5, \"é\"] }"), NULL, &arena, &v, &err), err);
    begin(&c, STDOUT_FILENO);
    eng_status status = eng_cli_print_json(v, &err);
    assert_string_equal(end(&c), "{\"a\":[1,2.5,\"é\"]}\n");
    assert_int_equal(status, ENG_OK);
    eng_arena_clear(&arena);
}

/* ---- Ages and progress ------------------------------------------------------------------------------ */

static void assert_age(int64_t seconds, const char *text)
{
    char then[ENG_TIME_SIZE];
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    eng_time_format(eng_clock_wall_ms() - seconds * 1000 - 200, then);
    eng_str got = eng_cli_ago(&arena, eng_str_of(then));
    assert_true(eng_str_eq(got, eng_str_of(text)));
    eng_arena_clear(&arena);
}

static void an_age_is_in_its_largest_unit(void **state)
{
    (void)state;
    assert_age(0, "now");
    assert_age(5, "5 s ago");
    assert_age(119, "1 min ago");
    assert_age(7200, "2 h ago");
    assert_age(3 * 86400, "3 d ago");
    assert_age(-3600, "now");
}

static void what_is_no_time_is_shown_as_it_is(void **state)
{
    (void)state;
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    assert_str_view(eng_cli_ago(&arena, ENG_STR("yesterday")), "yesterday");
    eng_arena_clear(&arena);
}

static void progress_is_one_line_drawn_over_itself(void **state)
{
    (void)state;
    capture c;
    eng_cli cli = {.terminal = true};
    begin(&c, STDERR_FILENO);
    eng_cli_progress(&cli, "backup", 1, 4, 12.4);
    eng_cli_progress(&cli, "backup", 0, 0, -1);
    eng_cli_progress_end(&cli);
    assert_string_equal(end(&c), "\r\x1b[Kbackup [######..................] 25%, 12 s left"
                                 "\r\x1b[Kbackup [........................] 0%"
                                 "\r\x1b[K");
}

static void progress_is_for_terminals_and_people(void **state)
{
    (void)state;
    capture c;
    eng_cli pipe_only = {0}, json = {.terminal = true, .json = true};
    begin(&c, STDERR_FILENO);
    eng_cli_progress(&pipe_only, "backup", 1, 4, 1);
    eng_cli_progress_end(&pipe_only);
    eng_cli_progress(&json, "backup", 1, 4, 1);
    eng_cli_progress_end(&json);
    assert_string_equal(end(&c), "");
}

/* ---- Made from the table ------------------------------------------------------------------------------ */

static void help_has_every_command(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_cli_help(&out, NULL, NULL);
    for (const eng_cli_command *const *c = eng_cli_commands; *c; c++) {
        char row[64];
        snprintf(row, sizeof row, "\n  %s ", (*c)->name);
        assert_non_null(strstr(out.data, row));
    }
    eng_buf_clear(&out);
}

static void help_of_a_command_has_its_options_and_example(void **state)
{
    (void)state;
    for (const eng_cli_command *const *c = eng_cli_commands; *c; c++) {
        eng_buf out;
        eng_buf_init(&out, 1 << 20);
        eng_cli_help(&out, NULL, *c);
        assert_non_null(strstr(out.data, (*c)->summary));
        assert_non_null(strstr(out.data, "\nExample:\n  engenho "));
        for (const eng_cli_option *o = (*c)->options; o && o->name; o++)
            assert_non_null(strstr(out.data, o->doc));
        eng_buf_clear(&out);
    }
}

static void made(void (*make)(eng_buf *), const char *const *wanted)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    make(&out);
    assert_ok(eng_buf_check(&out, "text", NULL), (eng_error){0});
    for (; *wanted; wanted++)
        if (!strstr(out.data, *wanted))
            fail_msg("there is no '%s'", *wanted);
    eng_buf_clear(&out);
}

static void the_man_page_has_commands_environment_and_exit_codes(void **state)
{
    (void)state;
    made(eng_cli_man,
         WORDS(".TH ENGENHO 1", ".SS engenho key add [NAME]\n", ".B \\-\\-role", ".SH ENVIRONMENT",
               ".B ENGENHO_LISTEN\nas \\-\\-listen; default 127.0.0.1:8000", ".SH EXIT STATUS",
               "out of memory"));
}

static void completion_has_commands_options_and_choices(void **state)
{
    (void)state;
    made(eng_cli_completion, WORDS("complete -o filenames -F _engenho engenho", "\"key add\")",
                                   "--role)", "read write admin"));
}

/* A buffer that cannot grow says so by its own error; nothing leaks. */
static void text_that_does_not_fit_in_memory_is_an_error(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_buf out;
        eng_buf_init(&out, 1 << 20);
        eng_cli_help(&out, NULL, NULL);
        eng_cli_man(&out);
        eng_cli_completion(&out);
        status = eng_buf_check(&out, "text", NULL);
        eng_buf_clear(&out);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_they_need_in_characters),
        cmocka_unit_test(the_heading_is_bold_where_colours_are),
        cmocka_unit_test(what_a_stranger_wrote_does_not_move_the_cursor),
        cmocka_unit_test(output_that_cannot_be_written_is_an_error),
        cmocka_unit_test(json_is_printed_as_it_is),
        cmocka_unit_test(an_age_is_in_its_largest_unit),
        cmocka_unit_test(what_is_no_time_is_shown_as_it_is),
        cmocka_unit_test(progress_is_one_line_drawn_over_itself),
        cmocka_unit_test(progress_is_for_terminals_and_people),
        cmocka_unit_test(help_has_every_command),
        cmocka_unit_test(help_of_a_command_has_its_options_and_example),
        cmocka_unit_test(the_man_page_has_commands_environment_and_exit_codes),
        cmocka_unit_test(completion_has_commands_options_and_choices),
        cmocka_unit_test(text_that_does_not_fit_in_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
