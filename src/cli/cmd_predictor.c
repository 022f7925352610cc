/* engenho model load, activate, rollback: models for tables and for texts. */
#include "cli/cmd_predictor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "cli/commands.h"
#include "net/net.h"

#include <string.h>

enum { FILE_MAX = 1 << 30, BOUNDARY = 32 };

static const char *folder_of(bool text) { return text ? "/v1/texts" : "/v1/tables"; }

/* "/v1/tables/NAME" and what stands behind it. */
static eng_status call(eng_cli_session *s, const char *method, bool text, const char *name,
                       const char *rest, const eng_json **reply, eng_error *err)
{
    eng_buf path;
    eng_buf_init(&path, 1 << 16);
    eng_buf_str(&path, eng_str_of(folder_of(text)));
    eng_buf_byte(&path, '/');
    eng_url_encode(&path, eng_str_of(name));
    eng_buf_str(&path, eng_str_of(rest));
    eng_status status = eng_buf_check(&path, "name", err);
    if (status == ENG_OK)
        status = eng_cli_call(s, method, path.data, ENG_STR(""), reply, err);
    eng_buf_clear(&path);
    return status;
}

/* A name is a table's, or else a text's. */
static eng_status call_either(eng_cli_session *s, const char *method, const char *name,
                              const char *rest, const eng_json **reply, eng_error *err)
{
    eng_error why = {0};
    eng_status status = call(s, method, false, name, rest, reply, &why);
    if (status == ENG_ENOTFOUND && call(s, "GET", true, name, "", reply, NULL) == ENG_OK)
        return call(s, method, true, name, rest, reply, err);
    if (status < 0 && err)
        *err = why;
    return status;
}

/* ---- Loading ---- */

static void put_part(eng_buf *out, const char *boundary, const char *name, const char *file,
                     eng_str content)
{
    eng_buf_format(out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"", boundary, name);
    if (file) {
        eng_buf_str(out, ENG_STR("; filename=\""));
        for (const char *p = file; *p; p++)
            eng_buf_byte(out, *p == '"' || *p == '\\' || (unsigned char)*p < 0x20 ? '_' : *p);
        eng_buf_str(out, ENG_STR("\"\r\nContent-Type: application/octet-stream"));
    }
    eng_buf_str(out, ENG_STR("\r\n\r\n"));
    eng_buf_str(out, content);
    eng_buf_str(out, ENG_STR("\r\n"));
}

static eng_status send_file(eng_cli *cli, eng_cli_session *s, const char *path, eng_str content,
                            const eng_json **reply, eng_error *err)
{
    char boundary[BOUNDARY + 1];
    const char *slash = strrchr(path, '/');
    const char *name = eng_cli_option_value(cli, "--name");
    /* Our own container tells its kind in its head (format/container.h); all else is for tables. */
    bool text = eng_str_starts(content, ENG_STR("engModel")) &&
                eng_str_find(eng_str_sub(content, 0, 64), ENG_STR("text")) != SIZE_MAX;
    eng_buf body;
    eng_random_id(boundary, BOUNDARY);
    eng_str type = eng_arena_format(&cli->arena, "multipart/form-data; boundary=%s", boundary);
    if (!type.ptr)
        return eng_fail_nomem(err);
    eng_buf_init(&body, (size_t)FILE_MAX + (1 << 16));
    put_part(&body, boundary, "file", slash ? slash + 1 : path, content);
    if (name)
        put_part(&body, boundary, "name", NULL, eng_str_of(name));
    eng_buf_format(&body, "--%s--\r\n", boundary);
    eng_status status = eng_buf_check(&body, path, err);
    if (status == ENG_OK)
        status = eng_cli_send(s, "POST", text ? "/v1/texts" : "/model/load", type.ptr,
                              eng_buf_view(&body), reply, err);
    eng_buf_clear(&body);
    return status;
}

static eng_str text_of(const eng_json *v, const char *name)
{
    return eng_json_text(eng_json_get(v, eng_str_of(name)));
}

static double number_of(const eng_json *v, const char *name)
{
    double n = 0;
    eng_json_number(eng_json_get(v, eng_str_of(name)), &n);
    return n;
}

static eng_status print_loaded(const eng_json *reply, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 24);
    const eng_json *features = eng_json_get(reply, ENG_STR("features"));
    eng_buf_format(&out, "%.*s, version %.0f: %.*s, %.*s\n", ENG_FMT(text_of(reply, "model")),
                   number_of(reply, "version"), ENG_FMT(text_of(reply, "format")),
                   ENG_FMT(text_of(reply, "about")));
    for (size_t i = 0; i < eng_json_count(features); i++) {
        const eng_json *f = eng_json_at(features, i);
        const eng_json *nullable = eng_json_get(f, ENG_STR("nullable"));
        eng_buf_format(
            &out, "    %.*s: %.*s%s\n", ENG_FMT(text_of(f, "name")), ENG_FMT(text_of(f, "type")),
            eng_json_is(nullable, ENG_JSON_BOOL) && nullable->as.boolean ? " or null" : "");
    }
    return eng_cli_flush(&out, err);
}

static eng_status load(eng_cli *cli, eng_error *err)
{
    eng_mapping file = {0};
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_status status = eng_mapping_open(cli->args[0], &file, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = send_file(cli, s, cli->args[0], (eng_str){(const char *)file.data, file.len},
                           &reply, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(reply, err) : print_loaded(reply, err);
    eng_cli_session_close(s);
    eng_mapping_close(&file);
    return status;
}

/* ---- Choosing ---- */

static eng_status choose(eng_cli *cli, const char *rest, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_buf out;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = call_either(s, "POST", cli->args[0], rest, &reply, err);
    if (status == ENG_OK && cli->json)
        status = eng_cli_print_json(reply, err);
    else if (status == ENG_OK) {
        eng_buf_init(&out, 1 << 16);
        eng_buf_format(&out, "%.*s: version %.0f answers now\n", ENG_FMT(text_of(reply, "name")),
                       number_of(reply, "active"));
        status = eng_cli_flush(&out, err);
    }
    eng_cli_session_close(s);
    return status;
}

static eng_status activate(eng_cli *cli, eng_error *err)
{
    uint64_t version;
    if (!eng_str_u64(eng_str_of(cli->args[1]), &version))
        return eng_fail(err, ENG_EUSAGE, "expected a version's number, got '%s'", cli->args[1]);
    eng_str rest = eng_arena_format(&cli->arena, "/versions/%s/activate", cli->args[1]);
    return rest.ptr ? choose(cli, rest.ptr, err) : eng_fail_nomem(err);
}

static eng_status rollback(eng_cli *cli, eng_error *err) { return choose(cli, "/rollback", err); }

/* ---- For list and show ---- */

eng_status eng_cli_predictor_show(eng_cli_session *s, const char *name, const eng_json **reply,
                                  eng_error *err)
{
    return call_either(s, "GET", name, "", reply, err);
}

eng_status eng_cli_predictor_print(eng_cli *cli, const eng_json *model, eng_error *err)
{
    enum { COLUMNS = 5 };
    static const char *const heading[COLUMNS] = {"VERSION", "FORMAT", "WHAT", "FILE", "LOADED"};
    const eng_json *versions = eng_json_get(model, ENG_STR("versions"));
    size_t rows = eng_json_count(versions) + 1;
    eng_str *cells = eng_arena_array(&cli->arena, rows * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = eng_str_of(heading[i]);
    for (size_t i = 0; i + 1 < rows; i++) {
        const eng_json *v = eng_json_at(versions, i);
        const eng_json *active = eng_json_get(v, ENG_STR("active"));
        eng_str *row = cells + (i + 1) * COLUMNS;
        row[0] = eng_arena_format(
            &cli->arena, "%.0f%s", number_of(v, "version"),
            eng_json_is(active, ENG_JSON_BOOL) && active->as.boolean ? " (active)" : "");
        row[1] = text_of(v, "format");
        row[2] = text_of(v, "about");
        row[3] = text_of(v, "filename");
        row[4] = eng_cli_ago(&cli->arena, text_of(v, "loaded_at"));
        if (!row[0].ptr)
            return eng_fail_nomem(err);
    }
    return eng_cli_table(cli, cells, COLUMNS, rows, err);
}

eng_status eng_cli_predictor_list(eng_cli_session *s, bool text, const eng_json **models,
                                  eng_error *err)
{
    const eng_json *reply = NULL;
    eng_status status = eng_cli_call(s, "GET",
                                     text ? "/v1/texts?limit=1000" : "/v1/tables?limit=1000",
                                     ENG_STR(""), &reply, err);
    *models = eng_json_get(reply, ENG_STR("models"));
    return status;
}

/* ---- Rows ---- */

static const eng_cli_option load_options[] = {
    {"--name", "NAME", "the model's name; else that of the file", NULL},
    {0},
};

const eng_cli_command eng_cmd_model_load = {
    .name = "load",
    .args = "FILE",
    .summary = "loads a model's file, executing nothing, and makes it the one in use",
    .example = "engenho model load delay.pkl --name delay",
    .options = load_options,
    .args_min = 1,
    .args_max = 1,
    .run = load,
};

const eng_cli_command eng_cmd_model_activate = {
    .name = "activate",
    .args = "NAME VERSION",
    .summary = "makes a version of a loaded model the one that answers",
    .example = "engenho model activate delay 2",
    .args_min = 2,
    .args_max = 2,
    .run = activate,
};

const eng_cli_command eng_cmd_model_rollback = {
    .name = "rollback",
    .args = "NAME",
    .summary = "goes back to the version that answered before",
    .example = "engenho model rollback delay",
    .args_min = 1,
    .args_max = 1,
    .run = rollback,
};
