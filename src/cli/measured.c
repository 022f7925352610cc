/* Questions from a file, asked by a job: see measured.h. */
#include "cli/measured.h"

#include "base/error.h"
#include "base/file.h"
#include "net/net.h"

#include <string.h>

enum { QUESTIONS_MAX = 256 << 20, RESULT_MAX = 256 << 20 };

void eng_cli_add_query(eng_cli *cli, const char *option, const char *name, eng_buf *path)
{
    const char *value = eng_cli_option_value(cli, option);
    if (!value)
        return;
    eng_buf_byte(path, memchr(path->data, '?', path->len) ? '&' : '?');
    eng_buf_format(path, "%s=", name);
    eng_url_encode(path, eng_str_of(value));
}

static eng_status send(eng_cli *cli, const char *path, eng_str questions, const eng_json **result,
                       eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL, *job = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_send(s, "POST", path, "application/x-ndjson", questions, &reply, err);
    const eng_json *id = eng_json_get(reply, ENG_STR("job"));
    if (status == ENG_OK && !eng_json_is(id, ENG_JSON_INT))
        status = eng_fail(err, ENG_EUPSTREAM, "the server named no job");
    if (status == ENG_OK)
        status = eng_cli_wait_job(s, id->as.integer, &job, err);
    eng_cli_session_close(s);
    if (status == ENG_OK)
        *result = eng_json_get(job, ENG_STR("result"));
    return status;
}

eng_status eng_cli_ask_questions(eng_cli *cli, const char *path, const eng_json **result,
                                 eng_error *err)
{
    eng_buf questions;
    const char *file = eng_cli_option_value(cli, "--questions");
    if (!file)
        return eng_fail(err, ENG_EUSAGE, "%s: expected --questions FILE", cli->command->name);
    eng_buf_init(&questions, QUESTIONS_MAX);
    eng_status status = eng_file_read(file, QUESTIONS_MAX, &questions, err);
    if (status == ENG_OK)
        status = send(cli, path, eng_buf_view(&questions), result, err);
    eng_buf_clear(&questions);
    return status;
}

eng_status eng_cli_keep_result(eng_cli *cli, const eng_json *result, eng_error *err)
{
    eng_buf text;
    const char *to = eng_cli_option_value(cli, "--out");
    if (!to)
        return ENG_OK;
    eng_buf_init(&text, RESULT_MAX);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_copy(&w, result);
    eng_status status = eng_buf_check(&text, "result", err);
    if (status == ENG_OK && eng_str_ends(eng_str_of(to), ENG_STR(".html"))) {
        eng_str html;
        status = eng_report_html(eng_buf_view(&text), &html, err);
        if (status == ENG_OK) {
            status = eng_file_write(to, html, 0644, err);
            eng_report_free(html);
        }
    } else if (status == ENG_OK) {
        status = eng_file_write(to, eng_buf_view(&text), 0644, err);
    }
    eng_buf_clear(&text);
    return status;
}
