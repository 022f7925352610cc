/* cli/cli.h: words into a command, its options and its arguments. */
#include "cli_help.h"

#include "cli/commands.h"

static void a_command_is_found_by_its_word(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("doctor"), &err), err);
    assert_ptr_equal(cli.command, &eng_cmd_doctor);
    assert_null(cli.group);
    assert_int_equal(cli.arg_count, 0);
    assert_false(cli.json);
    eng_arena_clear(&cli.arena);
}

static void a_command_of_a_group_is_found_by_two(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("key", "list", "--json"), &err), err);
    assert_ptr_equal(cli.group, &eng_cmd_key);
    assert_string_equal(cli.command->name, "list");
    assert_true(cli.json);
    eng_arena_clear(&cli.arena);
}

static void words_and_options_may_be_mixed(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("key", "rm", "a", "--data", "d", "b", "--json", "c"), &err),
              err);
    assert_int_equal(cli.arg_count, 3);
    assert_string_equal(cli.args[0], "a");
    assert_string_equal(cli.args[1], "b");
    assert_string_equal(cli.args[2], "c");
    assert_string_equal(eng_cli_option_value(&cli, "--data"), "d");
    assert_string_equal(eng_cli_option_value(&cli, "--json"), "");
    assert_null(eng_cli_option_value(&cli, "--config"));
    eng_arena_clear(&cli.arena);
}

static void a_value_may_stand_behind_an_equals_sign(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("version", "--data=a=b", "--config="), &err), err);
    assert_string_equal(eng_cli_option_value(&cli, "--data"), "a=b");
    assert_string_equal(eng_cli_option_value(&cli, "--config"), "");
    eng_arena_clear(&cli.arena);
}

static void the_last_of_several_counts(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("version", "--data", "a", "--data=b"), &err), err);
    assert_string_equal(eng_cli_option_value(&cli, "--data"), "b");
    eng_arena_clear(&cli.arena);
}

static void behind_two_dashes_everything_is_a_word(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("key", "rm", "--", "--json", "--", "-"), &err), err);
    assert_int_equal(cli.arg_count, 3);
    assert_string_equal(cli.args[0], "--json");
    assert_string_equal(cli.args[1], "--");
    assert_false(cli.json);
    eng_arena_clear(&cli.arena);
}

static void one_dash_is_a_word(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("backup", "-"), &err), err);
    assert_string_equal(cli.args[0], "-");
    eng_arena_clear(&cli.arena);
}

static void help_asks_for_no_words(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("backup", "--help"), &err), err);
    eng_arena_clear(&cli.arena);
    assert_ok(parse_words(&cli, WORDS("key", "--help"), &err), err);
    assert_ptr_equal(cli.command, &eng_cmd_key);
    eng_arena_clear(&cli.arena);
}

static void settings_are_options_of_the_server_alone(void **state)
{
    (void)state;
    eng_cli cli;
    eng_error err = {0};
    assert_ok(parse_words(&cli, WORDS("serve", "--listen", "127.0.0.1:1"), &err), err);
    assert_string_equal(eng_cli_option_value(&cli, "--listen"), "127.0.0.1:1");
    eng_arena_clear(&cli.arena);
    assert_refused(&cli, WORDS("version", "--listen", "127.0.0.1:1"),
                   "no option '--listen': see 'engenho version --help'");
}

static void what_is_near_a_word_is_asked_about(void **state)
{
    (void)state;
    eng_cli cli;
    assert_refused(&cli, WORDS("resotre"), "no command 'resotre': did you mean 'restore'?");
    assert_refused(&cli, WORDS("key", "lits"), "key: no command 'lits': did you mean 'list'?");
    assert_refused(&cli, WORDS("version", "--josn"), "no option '--josn': did you mean '--json'?");
    assert_refused(&cli, WORDS("serve", "--lissen=a"),
                   "no option '--lissen': did you mean '--listen'?");
}

static void what_is_far_from_all_words_is_pointed_to_help(void **state)
{
    (void)state;
    eng_cli cli;
    assert_refused(&cli, WORDS("frobnicate"), "no command 'frobnicate': see 'engenho --help'");
    assert_refused(&cli, WORDS("key", "frobnicate"),
                   "key: no command 'frobnicate': see 'engenho key --help'");
    assert_refused(&cli, WORDS("key", "list", "--frobnicate"),
                   "no option '--frobnicate': see 'engenho key list --help'");
}

static void a_group_needs_a_command(void **state)
{
    (void)state;
    eng_cli cli;
    assert_refused(&cli, WORDS("job"), "job: which of its commands? see 'engenho job --help'");
}

static void values_are_checked(void **state)
{
    (void)state;
    eng_cli cli;
    assert_refused(&cli, WORDS("version", "--data"), "--data: expected DIR");
    assert_refused(&cli, WORDS("version", "--json=1"), "--json: takes no value");
    assert_refused(&cli, WORDS("key", "add", "--role", "reader"),
                   "--role: expected one of read|write|admin, got 'reader'");
    assert_refused(&cli, WORDS("key", "add", "--role", "rea"),
                   "--role: expected one of read|write|admin, got 'rea'");
    assert_refused(&cli, WORDS("key", "add", "--role", "read|write"),
                   "--role: expected one of read|write|admin, got 'read|write'");
}

static void words_are_counted(void **state)
{
    (void)state;
    eng_cli cli;
    assert_refused(&cli, WORDS("job", "show"), "job show: expected ID");
    assert_refused(&cli, WORDS("backup"), "backup: expected FOLDER");
    assert_refused(&cli, WORDS("job", "show", "1", "2"), "job show: did not expect '2'");
}

static void lack_of_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_cli cli;
    eng_status status;
    assert_survives_no_memory(status, {
        status = parse_words(&cli, WORDS("key", "add", "a", "--role", "read"), NULL);
        eng_arena_clear(&cli.arena);
    });
}

/* ---- The table itself --------------------------------------------------------------------------- */

static void check_row(const eng_cli_command *group, const eng_cli_command *c)
{
    char begin[128];
    snprintf(begin, sizeof begin, "engenho %s%s%s", group ? group->name : "", group ? " " : "",
             c->name);
    assert_true(c->name && c->args && c->summary && c->example);
    assert_true(strncmp(c->example, begin, strlen(begin)) == 0);
    assert_int_not_equal(c->summary[strlen(c->summary) - 1], '.');
    assert_true(c->args_min <= c->args_max);
    assert_true((c->run == NULL) == (c->subs != NULL));
    for (const eng_cli_option *o = c->options; o && o->name; o++) {
        assert_true(strncmp(o->name, "--", 2) == 0 && o->doc);
        /* What may be chosen is said. */
        assert_true(!o->choices || strstr(o->doc, o->choices));
    }
}

static void every_row_says_what_help_needs(void **state)
{
    (void)state;
    for (const eng_cli_command *const *c = eng_cli_commands; *c; c++) {
        check_row(NULL, *c);
        for (const eng_cli_command *const *sub = (*c)->subs; sub && *sub; sub++)
            check_row(*c, *sub);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_found_by_its_word),
        cmocka_unit_test(a_command_of_a_group_is_found_by_two),
        cmocka_unit_test(words_and_options_may_be_mixed),
        cmocka_unit_test(a_value_may_stand_behind_an_equals_sign),
        cmocka_unit_test(the_last_of_several_counts),
        cmocka_unit_test(behind_two_dashes_everything_is_a_word),
        cmocka_unit_test(one_dash_is_a_word),
        cmocka_unit_test(help_asks_for_no_words),
        cmocka_unit_test(settings_are_options_of_the_server_alone),
        cmocka_unit_test(what_is_near_a_word_is_asked_about),
        cmocka_unit_test(what_is_far_from_all_words_is_pointed_to_help),
        cmocka_unit_test(a_group_needs_a_command),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(words_are_counted),
        cmocka_unit_test(lack_of_memory_is_an_ordinary_error),
        cmocka_unit_test(every_row_says_what_help_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
