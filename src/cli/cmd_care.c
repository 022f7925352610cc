/* backup, restore, doctor: the care of the data directory. */
#include "base/error.h"
#include "cli/commands.h"

#include <unistd.h>

/* A server works in another folder: what it is told to write must be absolute. */
static eng_status absolute(eng_cli *cli, const char *path, eng_str *out, eng_error *err)
{
    char here[4096];
    if (path[0] == '/') {
        *out = eng_str_of(path);
        return ENG_OK;
    }
    if (!getcwd(here, sizeof here))
        return eng_fail(err, ENG_EIO, "the current folder has no path: give an absolute one");
    *out = eng_arena_format(&cli->arena, "%s/%s", here, path);
    return out->ptr ? ENG_OK : eng_fail_nomem(err);
}

/* Starts a job with POST and waits for its end. */
static eng_status run_job(eng_cli *cli, const char *path, eng_str body, const eng_json **job,
                          eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "POST", path, body, &reply, err);
    const eng_json *id = eng_json_get(reply, ENG_STR("job"));
    if (status == ENG_OK && !eng_json_is(id, ENG_JSON_INT))
        status = eng_fail(err, ENG_EUPSTREAM, "the server named no job");
    if (status == ENG_OK)
        status = eng_cli_wait_job(s, id->as.integer, job, err);
    eng_cli_session_close(s);
    return status;
}

/* ---- backup ----------------------------------------------------------------------------------------- */

static eng_status say_backup(eng_cli *cli, eng_str to, const eng_json *result, eng_error *err)
{
    double bytes = 0, files = 0;
    if (cli->json)
        return eng_cli_print_json(result, err);
    eng_json_number(eng_json_get(result, ENG_STR("bytes")), &bytes);
    eng_json_number(eng_json_get(result, ENG_STR("files")), &files);
    eng_str text = eng_arena_format(&cli->arena, "%.*s: %.0f files, %.1f MB\n", ENG_FMT(to), files,
                                    bytes / 1e6);
    return text.ptr ? eng_cli_print(text, err) : eng_fail_nomem(err);
}

static eng_status backup(eng_cli *cli, eng_error *err)
{
    eng_buf body;
    eng_str to;
    const eng_json *job = NULL;
    eng_buf_init(&body, 1 << 16);
    eng_status status = absolute(cli, cli->args[0], &to, err);
    if (status == ENG_OK) {
        eng_json_writer w = eng_json_write_to(&body);
        eng_json_open(&w, '{');
        eng_json_member(&w, "to", to);
        eng_json_close(&w, '}');
        status = eng_buf_check(&body, "path", err);
    }
    if (status == ENG_OK)
        status = run_job(cli, "/v1/backup", eng_buf_view(&body), &job, err);
    if (status == ENG_OK)
        status = say_backup(cli, to, eng_json_get(job, ENG_STR("result")), err);
    eng_buf_clear(&body);
    return status;
}

const eng_cli_command eng_cmd_backup = {
    .name = "backup",
    .args = "FOLDER",
    .summary = "copies all data into a new folder, while a server goes on",
    .text =
        "The folder is made; it holds the database as of one instant, the files beside it and a\n"
        "manifest of checksums that 'engenho restore' verifies.",
    .example = "engenho backup /srv/backup/engenho-2026-11-24",
    .args_min = 1,
    .args_max = 1,
    .run = backup,
};

/* ---- restore ---------------------------------------------------------------------------------------- */

static eng_status restore(eng_cli *cli, eng_error *err)
{
    const char *data;
    bool replace = eng_cli_option_value(cli, "--replace") != NULL;
    eng_status status = eng_cli_data(cli, &data, err);
    if (status == ENG_OK)
        status = eng_restore(data, cli->args[0], replace, err);
    if (status < 0)
        return status;
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    if (cli->json) {
        eng_json_writer w = eng_json_write_to(&out);
        eng_json_open(&w, '{');
        eng_json_member(&w, "restored", eng_str_of(data));
        eng_json_close(&w, '}');
        eng_buf_byte(&out, '\n');
    } else {
        eng_buf_format(&out, "restored into %s\n", data);
    }
    return eng_cli_flush(&out, err);
}

static const eng_cli_option restore_options[] = {
    {"--replace", NULL, "put it in the place of data that is there", NULL},
    {0},
};

const eng_cli_command eng_cmd_restore = {
    .name = "restore",
    .args = "FOLDER",
    .summary = "puts a backup in the place of the data directory",
    .text = "Every checksum is verified before anything is touched. No server may hold the data.",
    .example = "engenho restore /srv/backup/engenho-2026-11-24 --data /srv/engenho",
    .options = restore_options,
    .args_min = 1,
    .args_max = 1,
    .run = restore,
};

/* ---- doctor ----------------------------------------------------------------------------------------- */

static void write_findings(eng_json_writer *w, const eng_findings *f)
{
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("sound"));
    eng_json_bool(w, f->sound);
    eng_json_name(w, ENG_STR("findings"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < f->count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "check", eng_str_of(f->items[i].check));
        eng_json_member(w, "status", eng_str_of(eng_status_text(f->items[i].status)));
        eng_json_member(w, "message", eng_str_of(f->items[i].message));
        eng_json_name(w, ENG_STR("repaired"));
        eng_json_bool(w, f->items[i].repaired);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

/* Without a server: straight on the files, which may be too damaged for an engine to open. */
static eng_status examine(eng_cli *cli, bool repair, const eng_json **result, eng_error *err)
{
    const char *data;
    eng_findings *findings = NULL;
    eng_buf text;
    eng_buf_init(&text, 16 << 20);
    eng_status status = eng_cli_data(cli, &data, err);
    if (status == ENG_OK)
        status = eng_examine(data, repair, &findings, err);
    if (status == ENG_OK) {
        eng_json_writer w = eng_json_write_to(&text);
        write_findings(&w, findings);
        status = eng_buf_check(&text, "findings", err);
    }
    if (status == ENG_OK)
        status = eng_json_read(eng_buf_view(&text), NULL, &cli->arena, result, err);
    eng_findings_free(findings);
    eng_buf_clear(&text);
    return status;
}

static eng_status diagnose(eng_cli *cli, bool repair, const eng_json **result, eng_error *err)
{
    if (!eng_cli_server_lives(cli))
        return examine(cli, repair, result, err);
    const eng_json *job = NULL;
    eng_str body = repair ? ENG_STR("{\"repair\":true}") : ENG_STR("{}");
    eng_status status = run_job(cli, "/v1/doctor", body, &job, err);
    if (status == ENG_OK)
        *result = eng_json_get(job, ENG_STR("result"));
    return status;
}

static eng_status print_findings(const eng_json *result, eng_error *err)
{
    const eng_json *findings = eng_json_get(result, ENG_STR("findings"));
    eng_buf out;
    eng_buf_init(&out, 16 << 20);
    for (size_t i = 0; i < eng_json_count(findings); i++) {
        const eng_json *f = eng_json_at(findings, i);
        const eng_json *repaired = eng_json_get(f, ENG_STR("repaired"));
        eng_str status = eng_json_text(eng_json_get(f, ENG_STR("status")));
        bool ok = eng_str_eq(status, ENG_STR("ok"));
        bool mended = eng_json_is(repaired, ENG_JSON_BOOL) && repaired->as.boolean;
        eng_buf_format(&out, "%-9s %.*s: %.*s\n",
                       mended ? "repaired"
                       : ok   ? "ok"
                              : "WRONG",
                       ENG_FMT(eng_json_text(eng_json_get(f, ENG_STR("check")))),
                       ENG_FMT(eng_json_text(eng_json_get(f, ENG_STR("message")))));
    }
    return eng_cli_flush(&out, err);
}

static eng_status doctor(eng_cli *cli, eng_error *err)
{
    const eng_json *result = NULL;
    eng_status status = diagnose(cli, eng_cli_option_value(cli, "--repair") != NULL, &result, err);
    if (status < 0)
        return status;
    status = cli->json ? eng_cli_print_json(result, err) : print_findings(result, err);
    const eng_json *sound = eng_json_get(result, ENG_STR("sound"));
    if (status == ENG_OK && !(eng_json_is(sound, ENG_JSON_BOOL) && sound->as.boolean))
        return eng_fail(err, ENG_ECORRUPT, "the data directory is not sound");
    return status;
}

static const eng_cli_option doctor_options[] = {
    {"--repair", NULL, "rebuild what is derived, remove what was left behind", NULL},
    {0},
};

const eng_cli_command eng_cmd_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "checks everything in the data directory",
    .text = "Reads all of it, also what a server has open. Ends with 0 where all is well.",
    .example = "engenho doctor\nengenho doctor --repair --json",
    .options = doctor_options,
    .run = doctor,
};
