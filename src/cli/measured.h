/* What eval and tune share: questions from a file, asked by a job, whose result may be kept. */
#ifndef ENG_CLI_MEASURED_H
#define ENG_CLI_MEASURED_H

#include "cli/cli.h"

/* "?name=value" of an option, where it was given. */
void eng_cli_add_query(eng_cli *cli, const char *option, const char *name, eng_buf *path);
/* Sends the file of --questions to a route that begins a job, and waits; in the command's arena. */
eng_status eng_cli_ask_questions(eng_cli *cli, const char *path, const eng_json **result,
                                 eng_error *err) ENG_MUST_CHECK;
/* To the file of --out, where it was given: as a page where its name ends in .html, else as JSON. */
eng_status eng_cli_keep_result(eng_cli *cli, const eng_json *result, eng_error *err) ENG_MUST_CHECK;

#endif
