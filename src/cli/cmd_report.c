/* engenho report: what an evaluation, a tuning or a training found, as a page to look at. */
#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"

enum { RESULT_MAX = 256 << 20 };

static eng_status run_report(eng_cli *cli, eng_error *err)
{
    eng_buf result;
    eng_str html;
    const char *to = eng_cli_option_value(cli, "--out");
    eng_buf_init(&result, RESULT_MAX);
    eng_status status = eng_file_read(cli->args[0], RESULT_MAX, &result, err);
    if (status == ENG_OK) {
        status = eng_report_html(eng_buf_view(&result), &html, err);
        if (status < 0)
            eng_error_prefix(err, "%s", cli->args[0]);
    }
    eng_buf_clear(&result);
    if (status < 0)
        return status;
    status = to ? eng_file_write(to, html, 0644, err) : eng_cli_print(html, err);
    eng_report_free(html);
    return status;
}

static const eng_cli_option options[] = {
    {"--out", "FILE", "write it there, not to standard output", NULL},
    {0},
};

const eng_cli_command eng_cmd_report = {
    .name = "report",
    .args = "FILE.json",
    .summary = "shows the result of an evaluation, a tuning or a training as a page of HTML",
    .text = "The page holds its tables and plots itself: it opens anywhere, without a network.",
    .example = "engenho report result.json --out result.html",
    .options = options,
    .args_min = 1,
    .args_max = 1,
    .run = run_report,
};
