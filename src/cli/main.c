/* engenho: the program. The only file that decides how the process ends. */
#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static bool wants(int argc, char **argv, const char *word)
{
    return argc == 2 && strcmp(argv[1], word) == 0;
}

/* What is asked of the program as a whole, with no command; the last two are for `make install`. */
static void (*whole_program(int argc, char **argv))(eng_buf *)
{
    if (wants(argc, argv, "--man"))
        return eng_cli_man;
    if (wants(argc, argv, "--bash-completion"))
        return eng_cli_completion;
    return NULL;
}

static void general_help(eng_buf *out) { eng_cli_help(out, NULL, NULL); }

static eng_status print_made(void (*make)(eng_buf *), eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    make(&out);
    return eng_cli_flush(&out, err);
}

static eng_status print_help(const eng_cli *cli, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_cli_help(&out, cli->group, cli->command);
    return eng_cli_flush(&out, err);
}

static eng_status run_command(eng_cli *cli, int argc, char **argv, eng_error *err)
{
    eng_status status = eng_cli_parse(cli, argc, argv, err);
    if (status < 0)
        return status;
    if (eng_cli_option_value(cli, "--help"))
        return print_help(cli, err);
    status = eng_cli_config_read(cli, err);
    return status < 0 ? status : cli->command->run(cli, err);
}

static eng_status run(int argc, char **argv, eng_error *err)
{
    if (argc == 1)
        return eng_fail(err, ENG_EUSAGE, "expected a command: see 'engenho --help'");
    if (wants(argc, argv, "--help") || wants(argc, argv, "-h") || wants(argc, argv, "help"))
        return print_made(general_help, err);
    if (whole_program(argc, argv))
        return print_made(whole_program(argc, argv), err);
    if (wants(argc, argv, "--version"))
        argv[1] = "version";
    const char *no_colour = getenv("NO_COLOR");
    eng_cli cli = {
        .colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour),
        .terminal = isatty(STDERR_FILENO),
    };
    eng_arena_init(&cli.arena, 4096, NULL);
    eng_status status = run_command(&cli, argc, argv, err);
    eng_arena_clear(&cli.arena);
    return status;
}

int main(int argc, char **argv)
{
    eng_error err = {0};
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of write, not the end */
    signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files */
    eng_status status = eng_init(&err);
    if (status == ENG_OK)
        status = run(argc, argv, &err);
    if (status < 0)
        fprintf(stderr, "engenho: %s\n", err.message);
    eng_quit();
    return eng_status_exit(status);
}
