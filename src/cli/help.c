/* --help, the man page and bash completion, from the tables. */
#include "cli/cli.h"

static const char purpose[] =
    "puts knowledge and models to work: one program, one data directory, no Python";

static void pad(eng_buf *out, size_t from, size_t to)
{
    do
        eng_buf_byte(out, ' ');
    while (++from < to);
}

static void option_row(eng_buf *out, const eng_cli_option *o)
{
    size_t from = out->len;
    eng_buf_format(out, "  %s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    pad(out, out->len - from, 24);
    eng_buf_format(out, "%s\n", o->doc);
}

static void setting_row(eng_buf *out, const eng_cli_option *o, eng_setting s)
{
    option_row(out, o);
    pad(out, 0, 24);
    eng_buf_format(out, "(%s", eng_cli_setting_env(s));
    if (eng_cli_setting_preset(s))
        eng_buf_format(out, ", default %s", eng_cli_setting_preset(s));
    eng_buf_str(out, ENG_STR(")\n"));
}

static void option_rows(eng_buf *out, const eng_cli_command *c)
{
    for (const eng_cli_option *o = c->options; o && o->name; o++)
        option_row(out, o);
    if (c->settings) {
        const eng_cli_option *o = eng_cli_setting_options();
        for (int s = ENG_SET_LISTEN; o->name; o++, s++)
            setting_row(out, o, (eng_setting)s);
    }
    for (const eng_cli_option *o = eng_cli_common; o->name; o++)
        option_row(out, o);
}

static void command_rows(eng_buf *out, const eng_cli_command *const *table)
{
    for (; *table; table++) {
        size_t from = out->len;
        eng_buf_format(out, "  %s", (*table)->name);
        if (*(*table)->args)
            eng_buf_format(out, " %s", (*table)->args);
        pad(out, out->len - from, 24);
        eng_buf_format(out, "%s\n", (*table)->summary);
    }
}

static void usage(eng_buf *out, const eng_cli_command *group, const eng_cli_command *c)
{
    eng_buf_format(out, "engenho %s%s%s%s%s", group && group != c ? group->name : "",
                   group && group != c ? " " : "", c->name, *c->args ? " " : "", c->args);
}

static void indented(eng_buf *out, const char *lines)
{
    eng_str rest = eng_str_of(lines), line;
    for (bool more = true; more;) {
        eng_str tail;
        more = eng_str_cut(rest, '\n', &line, &tail);
        eng_buf_format(out, "  %.*s\n", ENG_FMT(more ? line : rest));
        rest = tail;
    }
}

static void general_help(eng_buf *out)
{
    eng_buf_format(out, "engenho %s %s\n\nUsage: engenho COMMAND [ARGUMENT...] [--OPTION...]\n\n",
                   ENG_VERSION, purpose);
    eng_buf_str(out, ENG_STR("Commands:\n"));
    command_rows(out, eng_cli_commands);
    eng_buf_str(out, ENG_STR("\nOptions of every command:\n"));
    for (const eng_cli_option *o = eng_cli_common; o->name; o++)
        option_row(out, o);
    eng_buf_str(out, ENG_STR("\n'engenho COMMAND --help' says more, with an example.\n"));
}

void eng_cli_help(eng_buf *out, const eng_cli_command *group, const eng_cli_command *c)
{
    if (!c) {
        general_help(out);
        return;
    }
    eng_buf_str(out, ENG_STR("Usage: "));
    usage(out, group, c);
    eng_buf_format(out, " [--OPTION...]\n\n%s\n", c->summary);
    if (c->text)
        eng_buf_format(out, "\n%s\n", c->text);
    if (c->subs) {
        eng_buf_str(out, ENG_STR("\nCommands:\n"));
        command_rows(out, c->subs);
    }
    eng_buf_str(out, ENG_STR("\nOptions:\n"));
    option_rows(out, c);
    eng_buf_str(out, ENG_STR("\nExample:\n"));
    indented(out, c->example);
}

/* ---- The man page --------------------------------------------------------------------------------- */

/* Text in roff: a line must not begin with a dot, and backslashes and hyphens are themselves. */
static void roff(eng_buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\\' || *c == '-')
            eng_buf_byte(out, '\\');
        if (*c == '.' && (c == text || c[-1] == '\n'))
            eng_buf_str(out, ENG_STR("\\&"));
        eng_buf_byte(out, *c);
    }
}

static void roff_options(eng_buf *out, const eng_cli_option *o)
{
    for (; o && o->name; o++) {
        eng_buf_str(out, ENG_STR(".TP\n.B "));
        roff(out, o->name);
        if (o->value)
            eng_buf_format(out, " \\fI%s\\fR", o->value);
        eng_buf_byte(out, '\n');
        roff(out, o->doc);
        eng_buf_byte(out, '\n');
    }
}

static void roff_command(eng_buf *out, const eng_cli_command *group, const eng_cli_command *c)
{
    eng_buf_str(out, ENG_STR(".SS "));
    usage(out, group, c);
    eng_buf_byte(out, '\n');
    roff(out, c->summary);
    eng_buf_str(out, ENG_STR(".\n"));
    if (c->text) {
        eng_buf_str(out, ENG_STR(".PP\n"));
        roff(out, c->text);
        eng_buf_byte(out, '\n');
    }
    roff_options(out, c->options);
    if (c->settings)
        roff_options(out, eng_cli_setting_options());
    eng_buf_str(out, ENG_STR(".PP\n.nf\n"));
    roff(out, c->example);
    eng_buf_str(out, ENG_STR("\n.fi\n"));
}

/* What is a flag too refers to it. */
static void roff_setting(eng_buf *out, eng_setting s)
{
    const char *preset = eng_cli_setting_preset(s);
    eng_buf_format(out, ".TP\n.B %s\n", eng_cli_setting_env(s));
    const eng_cli_option *flag = eng_cli_setting_option(s);
    eng_buf_str(out, flag->name ? ENG_STR("as ") : ENG_STR(""));
    roff(out, flag->name ? flag->name : flag->doc);
    if (preset) {
        eng_buf_str(out, ENG_STR("; default "));
        roff(out, preset);
    }
    eng_buf_byte(out, '\n');
}

static void roff_environment(eng_buf *out)
{
    eng_buf_str(out, ENG_STR(".SH ENVIRONMENT\nFlags go before environment, environment before the "
                             "file of \\-\\-config, the file before the default.\n"));
    for (int s = 0; s < ENG_SETTINGS; s++)
        roff_setting(out, (eng_setting)s);
}

static void roff_statuses(eng_buf *out)
{
    eng_buf_str(out, ENG_STR(".SH EXIT STATUS\n"));
#define ENG_ROW(name, value, text, http, code) {text, code},
    static const struct {
        const char *text;
        int code;
    } rows[] = {ENG_STATUS_MAP(ENG_ROW)};
#undef ENG_ROW
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        eng_buf_format(out, ".TP\n.B %d\n%s\n", rows[i].code, rows[i].text);
}

void eng_cli_man(eng_buf *out)
{
    eng_buf_format(out, ".TH ENGENHO 1 \"\" \"engenho %s\"\n.SH NAME\nengenho \\- ", ENG_VERSION);
    roff(out, purpose);
    eng_buf_str(out, ENG_STR("\n.SH SYNOPSIS\n.B engenho\n.I COMMAND\n[\\fIARGUMENT\\fR...] "
                             "[\\fI\\-\\-OPTION\\fR...]\n.SH COMMANDS\n"));
    for (const eng_cli_command *const *c = eng_cli_commands; *c; c++) {
        if (!(*c)->subs)
            roff_command(out, NULL, *c);
        for (const eng_cli_command *const *sub = (*c)->subs; sub && *sub; sub++)
            roff_command(out, *c, *sub);
    }
    eng_buf_str(out, ENG_STR(".SH OPTIONS OF EVERY COMMAND\n"));
    roff_options(out, eng_cli_common);
    roff_environment(out);
    roff_statuses(out);
}

/* ---- Completion ------------------------------------------------------------------------------------ */

static void option_words(eng_buf *out, const eng_cli_option *o)
{
    for (; o && o->name; o++)
        eng_buf_format(out, " %s", o->name);
}

static void completion_case(eng_buf *out, const char *pattern, const eng_cli_command *c)
{
    eng_buf_format(out, "    \"%s\")\n        words=\"", pattern);
    for (const eng_cli_command *const *sub = c->subs; sub && *sub; sub++)
        eng_buf_format(out, "%s ", (*sub)->name);
    option_words(out, c->options);
    if (c->settings)
        option_words(out, eng_cli_setting_options());
    option_words(out, eng_cli_common);
    eng_buf_str(out, ENG_STR("\" ;;\n"));
}

/* Options whose value is one of a few words. */
static void choice_cases(eng_buf *out, const eng_cli_option *o)
{
    for (; o && o->name; o++) {
        if (!o->choices)
            continue;
        eng_buf_format(out, "    %s)\n        COMPREPLY=($(compgen -W \"", o->name);
        for (const char *c = o->choices; *c; c++)
            eng_buf_byte(out, *c == '|' ? ' ' : *c);
        eng_buf_str(out, ENG_STR("\" -- \"$word\"))\n        return ;;\n"));
    }
}

void eng_cli_completion(eng_buf *out)
{
    eng_buf_str(out, ENG_STR("# bash completion for engenho, made from its table of commands\n"
                             "_engenho() {\n"
                             "    local word=${COMP_WORDS[COMP_CWORD]} words=\"\"\n"
                             "    case ${COMP_WORDS[COMP_CWORD-1]} in\n"));
    choice_cases(out, eng_cli_setting_options());
    for (const eng_cli_command *const *c = eng_cli_commands; *c; c++) {
        choice_cases(out, (*c)->options);
        for (const eng_cli_command *const *sub = (*c)->subs; sub && *sub; sub++)
            choice_cases(out, (*sub)->options);
    }
    eng_buf_str(out,
                ENG_STR("    --data|--config)\n        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                        "        return ;;\n"
                        "    esac\n"
                        "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n"));
    for (const eng_cli_command *const *c = eng_cli_commands; *c; c++) {
        char pattern[128];
        for (const eng_cli_command *const *sub = (*c)->subs; sub && *sub; sub++) {
            snprintf(pattern, sizeof pattern, "%s %s", (*c)->name, (*sub)->name);
            completion_case(out, pattern, *sub);
        }
        snprintf(pattern, sizeof pattern, "%s \"*\"", (*c)->name);
        completion_case(out, pattern, *c);
    }
    eng_buf_str(out, ENG_STR("    *)\n        words=\""));
    for (const eng_cli_command *const *c = eng_cli_commands; *c; c++)
        eng_buf_format(out, "%s ", (*c)->name);
    eng_buf_str(out, ENG_STR("--help\" ;;\n    esac\n"
                             "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                             "    if [[ -z ${COMPREPLY[*]} ]]; then\n"
                             "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                             "    fi\n"
                             "}\n"
                             "complete -o filenames -F _engenho engenho\n"));
}
