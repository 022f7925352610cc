/* Words into a command, its options and its arguments; and what may have been meant. */
#include "base/error.h"
#include "cli/cli.h"

struct eng_cli_given {
    eng_cli_given *next;
    const char *name;
    const char *value;
};

/* Words that are not too far from what was typed are worth a question. */
typedef struct {
    eng_str typed;
    const char *best;
    unsigned distance;
} nearest;

static void consider(nearest *n, const char *word)
{
    unsigned d = eng_str_distance(n->typed, eng_str_of(word));
    if (d < n->distance) {
        n->distance = d;
        n->best = word;
    }
}

static nearest nearest_to(const char *typed)
{
    eng_str word = eng_str_of(typed);
    return (nearest){.typed = word, .distance = (unsigned)(word.len / 3) + 2};
}

/* "key add" and a blank, as messages and 'see ...' name a command; "" before one is known. */
typedef struct {
    char text[64];
} words_of;

static words_of words_so_far(const eng_cli *cli)
{
    words_of w = {""};
    const char *group = cli->group && cli->group != cli->command ? cli->group->name : NULL;
    if (cli->command)
        snprintf(w.text, sizeof w.text, "%s%s%s ", group ? group : "", group ? " " : "",
                 cli->command->name);
    return w;
}

static eng_status unknown(const eng_cli *cli, const char *what, const nearest *n, eng_error *err)
{
    words_of words = words_so_far(cli);
    if (n->best)
        return eng_fail(err, ENG_EUSAGE, "no %s '%.*s': did you mean '%s'?", what,
                        ENG_FMT(n->typed), n->best);
    return eng_fail(err, ENG_EUSAGE, "no %s '%.*s': see 'engenho %s--help'", what,
                    ENG_FMT(n->typed), words.text);
}

static const eng_cli_command *find_command(const eng_cli_command *const *table, const char *name,
                                           nearest *n)
{
    for (; *table; table++) {
        if (strcmp((*table)->name, name) == 0)
            return *table;
        consider(n, (*table)->name);
    }
    return NULL;
}

static const eng_cli_option *find_in(const eng_cli_option *table, eng_str name, nearest *n)
{
    for (; table && table->name; table++) {
        if (eng_str_eq(eng_str_of(table->name), name))
            return table;
        consider(n, table->name);
    }
    return NULL;
}

static const eng_cli_option *find_option(const eng_cli_command *command, eng_str name, nearest *n)
{
    const eng_cli_option *o = find_in(command->options, name, n);
    if (!o)
        o = find_in(eng_cli_common, name, n);
    if (!o && command->settings)
        o = find_in(eng_cli_setting_options(), name, n);
    return o;
}

static bool is_choice(const char *choices, const char *value)
{
    eng_str rest = eng_str_of(choices), head, tail;
    while (eng_str_cut(rest, '|', &head, &tail)) {
        if (eng_str_eq(head, eng_str_of(value)))
            return true;
        rest = tail;
    }
    return eng_str_eq(rest, eng_str_of(value));
}

/* words[*at] is an option: "--name", "--name value" or "--name=value". */
static eng_status take_option(eng_cli *cli, char **words, int count, int *at, eng_error *err)
{
    const char *word = words[*at];
    eng_str name = eng_str_of(word), value = {NULL, 0};
    bool joined = eng_str_cut(eng_str_of(word), '=', &name, &value);
    if (!joined)
        name = eng_str_of(word);
    nearest n = nearest_to(word);
    n.typed = name;
    const eng_cli_option *o = find_option(cli->command, name, &n);
    if (!o)
        return unknown(cli, "option", &n, err);
    const char *text = joined ? value.ptr : "";
    if (!o->value && joined)
        return eng_fail(err, ENG_EUSAGE, "%s: takes no value", o->name);
    if (o->value && !joined) {
        if (*at + 1 >= count)
            return eng_fail(err, ENG_EUSAGE, "%s: expected %s", o->name, o->value);
        text = words[++*at];
    }
    if (o->choices && !is_choice(o->choices, text))
        return eng_fail(err, ENG_EUSAGE, "%s: expected one of %s, got '%s'", o->name, o->choices,
                        text);
    eng_cli_given *g = eng_arena_alloc(&cli->arena, sizeof *g);
    if (!g)
        return eng_fail_nomem(err);
    *g = (eng_cli_given){cli->given, o->name, text};
    cli->given = g;
    return ENG_OK;
}

/* The command's one or two words; *at moves behind them. A group may stand alone with --help. */
static eng_status take_command(eng_cli *cli, char **words, int count, int *at, eng_error *err)
{
    nearest n = nearest_to(words[*at]);
    cli->command = find_command(eng_cli_commands, words[*at], &n);
    if (!cli->command)
        return unknown(cli, "command", &n, err);
    ++*at;
    if (!cli->command->subs)
        return ENG_OK;
    cli->group = cli->command;
    if (*at < count && words[*at][0] != '-') {
        n = nearest_to(words[*at]);
        const eng_cli_command *sub = find_command(cli->group->subs, words[*at], &n);
        if (!sub) {
            eng_status status = unknown(cli, "command", &n, err);
            eng_error_prefix(err, "%s", cli->group->name);
            return status;
        }
        cli->command = sub;
        ++*at;
    }
    return ENG_OK;
}

static eng_status check_arguments(const eng_cli *cli, eng_error *err)
{
    const eng_cli_command *c = cli->command;
    eng_status status = ENG_OK;
    if (eng_cli_option_value(cli, "--help"))
        return ENG_OK;
    if (c->subs)
        status = eng_fail(err, ENG_EUSAGE, "which of its commands? see 'engenho %s --help'",
                          c->name);
    else if (cli->arg_count < c->args_min)
        status = eng_fail(err, ENG_EUSAGE, "expected %s", c->args);
    else if (cli->arg_count > c->args_max)
        status = eng_fail(err, ENG_EUSAGE, "did not expect '%s'", cli->args[c->args_max]);
    if (status < 0) {
        words_of words = words_so_far(cli);
        eng_error_prefix(err, "%.*s", (int)strlen(words.text) - 1, words.text);
    }
    return status;
}

const char *eng_cli_option_value(const eng_cli *cli, const char *name)
{
    for (const eng_cli_given *g = cli->given; g; g = g->next)
        if (strcmp(g->name, name) == 0)
            return g->value;
    return NULL;
}

eng_status eng_cli_parse(eng_cli *cli, int argc, char **argv, eng_error *err)
{
    int at = 1;
    eng_status status = take_command(cli, argv, argc, &at, err);
    if (status < 0)
        return status;
    cli->args = eng_arena_array(&cli->arena, (size_t)argc + 1, sizeof *cli->args);
    if (!cli->args)
        return eng_fail_nomem(err);
    for (bool options = true; at < argc; at++) {
        if (options && strcmp(argv[at], "--") == 0)
            options = false;
        else if (options && argv[at][0] == '-' && argv[at][1])
            status = take_option(cli, argv, argc, &at, err);
        else
            cli->args[cli->arg_count++] = argv[at];
        if (status < 0)
            return status;
    }
    cli->json = eng_cli_option_value(cli, "--json") != NULL;
    return check_arguments(cli, err);
}
