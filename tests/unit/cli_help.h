/* A command line for tests: words in, an eng_cli out. */
#ifndef ENG_TEST_CLI_HELP_H
#define ENG_TEST_CLI_HELP_H

#include "base/error.h"
#include "cli/cli.h"
#include "test.h"

enum { WORDS_MAX = 16 };

/* Parses "engenho" and these words; the caller clears cli->arena. */
static inline eng_status parse_words(eng_cli *cli, const char *const *words, eng_error *err)
{
    char *argv[WORDS_MAX + 2] = {(char *)"engenho"};
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    *cli = (eng_cli){0};
    eng_arena_init(&cli->arena, 4096, NULL);
    return eng_cli_parse(cli, argc, argv, err);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define assert_refused(cli, words, text)                                                           \
    do {                                                                                           \
        eng_error err_ = {0};                                                                      \
        assert_int_equal(parse_words(cli, words, &err_), ENG_EUSAGE);                              \
        assert_string_equal(err_.message, text);                                                   \
        eng_arena_clear(&(cli)->arena);                                                            \
    } while (0)

#endif
