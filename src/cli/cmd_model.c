/* engenho model: the models that are here, and those that are known. */
#include "base/error.h"
#include "cli/cmd_predictor.h"
#include "cli/commands.h"
#include "net/net.h"

enum { COLUMNS = 4 };

/* ---- Listing ---- */

static eng_str megabytes(eng_arena *arena, double bytes)
{
    return eng_arena_format(arena, "%.0f MB", bytes / 1e6);
}

/* To other programs a collection is a model too; who asks here has a command of its own for those. */
static bool is_collection(const eng_json *model)
{
    return eng_str_eq(eng_json_text(eng_json_get(model, ENG_STR("kind"))), ENG_STR("collection"));
}

static size_t count_models(const eng_json *models)
{
    size_t count = 0;
    for (size_t i = 0; i < eng_json_count(models); i++)
        count += !is_collection(eng_json_at(models, i));
    return count;
}

/* What was loaded, for tables and for texts. */
typedef struct {
    const eng_json *of[2];
} loaded;

static eng_status list_loaded(eng_cli_session *s, loaded *out, eng_error *err)
{
    eng_status status = eng_cli_predictor_list(s, false, &out->of[0], err);
    return status < 0 ? status : eng_cli_predictor_list(s, true, &out->of[1], err);
}

static void write_loaded(eng_json_writer *w, const eng_json *model, bool text)
{
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_json_text(eng_json_get(model, ENG_STR("name"))));
    eng_json_member(w, "object", ENG_STR("model"));
    eng_json_member(w, "kind", text ? ENG_STR("text") : ENG_STR("table"));
    for (size_t i = 1; i < eng_json_count(model); i++) {
        eng_json_name(w, eng_json_key(model, i));
        eng_json_copy(w, eng_json_value(model, i));
    }
    eng_json_close(w, '}');
}

static eng_status print_models_json(const eng_json *models, const loaded *more, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 64 << 20);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '[');
    for (size_t i = 0; i < eng_json_count(models); i++)
        if (!is_collection(eng_json_at(models, i)))
            eng_json_copy(&w, eng_json_at(models, i));
    for (size_t kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < eng_json_count(more->of[kind]); i++)
            write_loaded(&w, eng_json_at(more->of[kind], i), kind == 1);
    eng_json_close(&w, ']');
    eng_buf_byte(&out, '\n');
    return eng_cli_flush(&out, err);
}

/* The active version's size and format stand for the model. */
static void fill_loaded(eng_cli *cli, const eng_json *model, bool text, eng_str *row)
{
    const eng_json *versions = eng_json_get(model, ENG_STR("versions"));
    row[0] = eng_json_text(eng_json_get(model, ENG_STR("name")));
    row[1] = text ? ENG_STR("text") : ENG_STR("table");
    for (size_t i = 0; i < eng_json_count(versions); i++) {
        const eng_json *v = eng_json_at(versions, i), *active = eng_json_get(v, ENG_STR("active"));
        double bytes = 0;
        if (!eng_json_is(active, ENG_JSON_BOOL) || !active->as.boolean)
            continue;
        eng_json_number(eng_json_get(v, ENG_STR("bytes")), &bytes);
        row[2] = eng_arena_format(&cli->arena, "%.1f MB", bytes / 1e6);
        row[3] = eng_json_text(eng_json_get(v, ENG_STR("format")));
    }
}

static eng_status print_models(eng_cli *cli, const eng_json *models, const loaded *more,
                               eng_error *err)
{
    size_t rows = count_models(models) + 1;
    size_t first = rows;
    rows += eng_json_count(more->of[0]) + eng_json_count(more->of[1]);
    eng_str *cells = eng_arena_array(&cli->arena, rows * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    const eng_str heading[COLUMNS] = {ENG_STR("MODEL"), ENG_STR("KIND"), ENG_STR("SIZE"),
                                      ENG_STR("FROM")};
    memcpy(cells, heading, sizeof heading);
    for (size_t i = 0, at = 1; i < eng_json_count(models); i++) {
        const eng_json *model = eng_json_at(models, i);
        if (is_collection(model))
            continue;
        eng_str *row = cells + at++ * COLUMNS;
        double bytes = 0;
        eng_json_number(eng_json_get(model, ENG_STR("bytes")), &bytes);
        row[0] = eng_json_text(eng_json_get(model, ENG_STR("id")));
        row[1] = eng_json_text(eng_json_get(model, ENG_STR("kind")));
        row[2] = megabytes(&cli->arena, bytes);
        row[3] = eng_json_text(eng_json_get(model, ENG_STR("source")));
    }
    memset(cells + first * COLUMNS, 0, (rows - first) * COLUMNS * sizeof *cells);
    for (size_t kind = 0, at = first; kind < 2; kind++)
        for (size_t i = 0; i < eng_json_count(more->of[kind]); i++)
            fill_loaded(cli, eng_json_at(more->of[kind], i), kind == 1, cells + at++ * COLUMNS);
    return eng_cli_table(cli, cells, COLUMNS, rows, err);
}

static size_t known_count(void)
{
    size_t count = 0;
    while (eng_catalogue(count))
        count++;
    return count;
}

static void write_known(eng_json_writer *w, const eng_catalogue_entry *k)
{
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_str_of(k->id));
    eng_json_member(w, "names", eng_str_of(k->names));
    eng_json_member(w, "kind", eng_str_of(eng_model_type_name(k->kind)));
    eng_json_name(w, ENG_STR("dimensions"));
    eng_json_uint(w, k->dimensions);
    eng_json_name(w, ENG_STR("tokens"));
    eng_json_uint(w, k->tokens);
    eng_json_name(w, ENG_STR("bytes"));
    eng_json_uint(w, k->bytes);
    eng_json_member(w, "licence", eng_str_of(k->licence));
    eng_json_member(w, "languages", eng_str_of(k->languages));
    eng_json_close(w, '}');
}

static eng_status print_known_json(eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '[');
    for (size_t i = 0; eng_catalogue(i); i++)
        write_known(&w, eng_catalogue(i));
    eng_json_close(&w, ']');
    eng_buf_byte(&out, '\n');
    return eng_cli_flush(&out, err);
}

static eng_status print_known(eng_cli *cli, eng_error *err)
{
    size_t rows = known_count() + 1;
    eng_str *cells = eng_arena_array(&cli->arena, rows * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    const eng_str heading[COLUMNS] = {ENG_STR("MODEL"), ENG_STR("KIND"), ENG_STR("SIZE"),
                                      ENG_STR("LANGUAGES")};
    memcpy(cells, heading, sizeof heading);
    for (size_t i = 0; i + 1 < rows; i++) {
        const eng_catalogue_entry *k = eng_catalogue(i);
        eng_str *row = cells + (i + 1) * COLUMNS;
        row[0] = eng_str_of(k->id);
        row[1] = eng_str_of(eng_model_type_name(k->kind));
        row[2] = megabytes(&cli->arena, (double)k->bytes);
        row[3] = eng_str_of(k->languages);
    }
    return eng_cli_table(cli, cells, COLUMNS, rows, err);
}

static eng_status list(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *models = NULL;
    loaded more = {{NULL, NULL}};
    if (eng_cli_option_value(cli, "--catalogue"))
        return cli->json ? print_known_json(err) : print_known(cli, err);
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "GET", "/v1/models", ENG_STR(""), &models, err);
    models = eng_json_get(models, ENG_STR("data"));
    if (status == ENG_OK)
        status = list_loaded(s, &more, err);
    if (status == ENG_OK)
        status = cli->json ? print_models_json(models, &more, err)
                           : print_models(cli, models, &more, err);
    eng_cli_session_close(s);
    return status;
}

/* ---- One ---- */

static eng_status call_one(eng_cli_session *s, const char *method, const char *name,
                           const eng_json **reply, eng_error *err)
{
    eng_buf path;
    eng_buf_init(&path, 1 << 16);
    eng_buf_str(&path, ENG_STR("/v1/models/"));
    eng_url_encode(&path, eng_str_of(name));
    eng_status status = eng_buf_check(&path, "name", err);
    if (status == ENG_OK)
        status = eng_cli_call(s, method, path.data, ENG_STR(""), reply, err);
    eng_buf_clear(&path);
    return status;
}

static eng_status print_model(const eng_json *model, eng_error *err)
{
    static const char *const names[] = {"id", "kind", "architecture", "revision", "source"};
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        eng_str value = eng_json_text(eng_json_get(model, eng_str_of(names[i])));
        if (value.len)
            eng_buf_format(&out, "%-14s%.*s\n", names[i], ENG_FMT(value));
    }
    const eng_json *files = eng_json_get(model, ENG_STR("files"));
    for (size_t i = 0; i < eng_json_count(files); i++) {
        const eng_json *file = eng_json_at(files, i);
        double size = 0;
        eng_json_number(eng_json_get(file, ENG_STR("size")), &size);
        eng_buf_format(&out, "%.*s  %12.0f  %.*s\n",
                       ENG_FMT(eng_json_text(eng_json_get(file, ENG_STR("sha256")))), size,
                       ENG_FMT(eng_json_text(eng_json_get(file, ENG_STR("path")))));
    }
    return eng_cli_flush(&out, err);
}

static eng_status show(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *model = NULL;
    bool is_loaded = false;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK) {
        status = call_one(s, "GET", cli->args[0], &model, err);
        /* Not one that reads text: then maybe one that was loaded. */
        if (status == ENG_ENOTFOUND &&
            eng_cli_predictor_show(s, cli->args[0], &model, NULL) == ENG_OK) {
            is_loaded = true;
            status = ENG_OK;
        }
    }
    if (status == ENG_OK && cli->json)
        status = eng_cli_print_json(model, err);
    else if (status == ENG_OK)
        status = is_loaded ? eng_cli_predictor_print(cli, model, err) : print_model(model, err);
    eng_cli_session_close(s);
    return status;
}

static eng_status rm(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    for (size_t i = 0; i < cli->arg_count && status == ENG_OK; i++)
        status = call_one(s, "DELETE", cli->args[i], NULL, err);
    eng_cli_session_close(s);
    return status;
}

static eng_status dummy(eng_cli *cli, eng_error *err) { return eng_dummy_write(cli->args[0], err); }

/* ---- Looking into a file ---- */

static eng_status inspect(eng_cli *cli, eng_error *err)
{
    char *text = NULL;
    eng_error unprinted = {0};
    eng_status status = eng_inspect(cli->args[0], cli->json, &text, err);
    if (text && eng_cli_print(eng_str_of(text), &unprinted) != ENG_OK) {
        *err = unprinted;
        status = unprinted.status;
    }
    eng_inspected_free(text);
    return status;
}

/* ---- Rows ---- */

static const eng_cli_option list_options[] = {
    {"--catalogue", NULL, "the models that are known, whether they are here or not", NULL},
    {0},
};

static const eng_cli_command model_list = {
    .name = "list",
    .args = "",
    .summary = "lists the models that are here",
    .example = "engenho model list\nengenho model list --catalogue",
    .options = list_options,
    .run = list,
};

static const eng_cli_command model_show = {
    .name = "show",
    .args = "NAME",
    .summary = "shows a model: what it is, where it came from, its files and their checksums",
    .example = "engenho model show all-MiniLM-L6-v2",
    .args_min = 1,
    .args_max = 1,
    .run = show,
};

static const eng_cli_command model_rm = {
    .name = "rm",
    .args = "NAME...",
    .summary = "removes models, with the files that no other model has",
    .example = "engenho model rm gte-small",
    .args_min = 1,
    .args_max = 1000,
    .run = rm,
};

static const eng_cli_command model_dummy = {
    .name = "dummy",
    .args = "FILE",
    .summary = "writes a small model of a table, to try the service with",
    .example = "engenho model dummy delays.txt",
    .args_min = 1,
    .args_max = 1,
    .run = dummy,
};

static const eng_cli_command model_inspect = {
    .name = "inspect",
    .args = "FILE",
    .summary = "tells what a model's file holds, and loads and executes nothing",
    .text =
        "Reads pickles, joblib files, XGBoost's and LightGBM's own: estimators, parameters, "
        "features,\n"
        "and every name that Python would have imported. Exit status: 0 all names are those of\n"
        "models; 77 the file names or calls something else; 65 it is damaged, or no model.",
    .example = "engenho model inspect flight_delay.pkl\n"
               "engenho model inspect --json unknown.joblib",
    .args_min = 1,
    .args_max = 1,
    .run = inspect,
};

static const eng_cli_command *const subs[] = {
    &model_list,
    &model_show,
    &model_rm,
    &eng_cmd_model_load,
    &eng_cmd_model_activate,
    &eng_cmd_model_rollback,
    &model_dummy,
    &model_inspect,
    NULL,
};

const eng_cli_command eng_cmd_model = {
    .name = "model",
    .args = "list|show|rm|inspect|load|activate|rollback|dummy",
    .summary = "lists, shows, loads, chooses and removes models",
    .example = "engenho model list\nengenho model show all-MiniLM-L6-v2",
    .subs = subs,
};
