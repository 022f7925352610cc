#include "base/error.h"
#include "cli/commands.h"

/* The path of the job that the first argument names. */
static eng_status job_path(eng_cli *cli, char path[64], eng_error *err)
{
    int64_t id;
    if (!eng_str_i64(eng_str_of(cli->args[0]), &id))
        return eng_fail(err, ENG_EUSAGE, "job %s: expected a number, got '%s'", cli->command->name,
                        cli->args[0]);
    snprintf(path, 64, "/v1/jobs/%lld", (long long)id);
    return ENG_OK;
}

static eng_str number_text(eng_arena *arena, const eng_json *v)
{
    double n = 0;
    eng_json_number(v, &n);
    return eng_arena_format(arena, "%.0f", n);
}

static eng_str progress_text(eng_arena *arena, const eng_json *job)
{
    double done = 0, total = 0;
    eng_json_number(eng_json_get(job, ENG_STR("done")), &done);
    eng_json_number(eng_json_get(job, ENG_STR("total")), &total);
    return total > 0 ? eng_arena_format(arena, "%.0f%%", 100 * done / total) : ENG_STR("-");
}

static eng_status print_jobs(eng_cli *cli, const eng_json *jobs, eng_error *err)
{
    enum { COLUMNS = 6 };
    size_t rows = eng_json_count(jobs) + 1;
    eng_str *cells = eng_arena_array(&cli->arena, rows * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    const eng_str heading[COLUMNS] = {ENG_STR("ID"),   ENG_STR("KIND"), ENG_STR("STATE"),
                                      ENG_STR("DONE"), ENG_STR("MADE"), ENG_STR("ERROR")};
    memcpy(cells, heading, sizeof heading);
    for (size_t i = 0; i + 1 < rows; i++) {
        const eng_json *job = eng_json_at(jobs, i);
        eng_str *row = cells + (i + 1) * COLUMNS;
        row[0] = number_text(&cli->arena, eng_json_get(job, ENG_STR("id")));
        row[1] = eng_json_text(eng_json_get(job, ENG_STR("kind")));
        row[2] = eng_json_text(eng_json_get(job, ENG_STR("state")));
        row[3] = progress_text(&cli->arena, job);
        row[4] = eng_cli_ago(&cli->arena, eng_json_text(eng_json_get(job, ENG_STR("created_at"))));
        row[5] = eng_json_text(eng_json_get(job, ENG_STR("error")));
    }
    return eng_cli_table(cli, cells, COLUMNS, rows, err);
}

static eng_status list(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *jobs = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "GET", "/v1/jobs", ENG_STR(""), &jobs, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(jobs, err)
                           : print_jobs(cli, eng_json_get(jobs, ENG_STR("jobs")), err);
    eng_cli_session_close(s);
    return status;
}

/* Asks with this method and shows the job that comes back. */
static eng_status one(eng_cli *cli, const char *method, eng_error *err)
{
    char path[64];
    eng_cli_session *s = NULL;
    const eng_json *job = NULL;
    eng_status status = job_path(cli, path, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, method, path, ENG_STR(""), &job, err);
    if (status == ENG_OK)
        status = eng_cli_print_json(job, err);
    eng_cli_session_close(s);
    return status;
}

static eng_status show(eng_cli *cli, eng_error *err) { return one(cli, "GET", err); }

static eng_status cancel(eng_cli *cli, eng_error *err) { return one(cli, "DELETE", err); }

static const eng_cli_command job_list = {
    .name = "list",
    .args = "",
    .summary = "lists the latest jobs, newest first",
    .example = "engenho job list",
    .run = list,
};

static const eng_cli_command job_show = {
    .name = "show",
    .args = "ID",
    .summary = "shows a job: state, progress, result or error",
    .example = "engenho job show 17",
    .args_min = 1,
    .args_max = 1,
    .run = show,
};

static const eng_cli_command job_cancel = {
    .name = "cancel",
    .args = "ID",
    .summary = "cancels a job, or asks a running one to stop",
    .example = "engenho job cancel 17",
    .args_min = 1,
    .args_max = 1,
    .run = cancel,
};

static const eng_cli_command *const subs[] = {&job_list, &job_show, &job_cancel, NULL};

const eng_cli_command eng_cmd_job = {
    .name = "job",
    .args = "list|show|cancel",
    .summary = "lists, shows and cancels long work",
    .example = "engenho job list\nengenho job cancel 17",
    .subs = subs,
};
