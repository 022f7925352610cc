/* engenho collection: list, show, rm. */
#include "base/error.h"
#include "cli/commands.h"
#include "net/net.h"

static eng_status path_of(eng_cli *cli, eng_str name, const char *rest, eng_str *out,
                          eng_error *err)
{
    eng_buf path;
    eng_buf_init(&path, 1 << 16);
    eng_buf_str(&path, ENG_STR("/v1/collections/"));
    eng_url_encode(&path, name);
    eng_buf_str(&path, eng_str_of(rest));
    eng_status status = eng_buf_check(&path, "path", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(&cli->arena, eng_buf_view(&path));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&path);
    return status;
}

eng_status eng_cli_collection_path(eng_cli *cli, const char *rest, eng_str *out, eng_error *err)
{
    const char *name = eng_cli_option_value(cli, "--collection");
    return path_of(cli, eng_str_of(name ? name : "default"), rest, out, err);
}

static eng_str number_text(eng_cli *cli, const eng_json *object, const char *key)
{
    double n = 0;
    eng_json_number(eng_json_get(object, eng_str_of(key)), &n);
    return eng_arena_format(&cli->arena, "%.0f", n);
}

static eng_status print_list(eng_cli *cli, const eng_json *list, eng_error *err)
{
    enum { COLUMNS = 5 };
    static const char *const heading[COLUMNS] = {"NAME", "DOCUMENTS", "PASSAGES", "CHANGED",
                                                 "TITLE"};
    size_t rows = eng_json_count(list) + 1;
    eng_str *cells = eng_arena_array(&cli->arena, rows * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = eng_str_of(heading[i]);
    for (size_t i = 0; i + 1 < rows; i++) {
        const eng_json *c = eng_json_at(list, i);
        eng_str *row = cells + (i + 1) * COLUMNS;
        row[0] = eng_json_text(eng_json_get(c, ENG_STR("name")));
        row[1] = number_text(cli, c, "documents");
        row[2] = number_text(cli, c, "passages");
        row[3] = eng_cli_ago(&cli->arena, eng_json_text(eng_json_get(c, ENG_STR("updated_at"))));
        row[4] = eng_json_text(eng_json_get(c, ENG_STR("title")));
    }
    return eng_cli_table(cli, cells, COLUMNS, rows, err);
}

static eng_status list(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "GET", "/v1/collections?limit=1000", ENG_STR(""), &reply, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(reply, err)
                           : print_list(cli, eng_json_get(reply, ENG_STR("collections")), err);
    eng_cli_session_close(s);
    return status;
}

static eng_status print_one(eng_cli *cli, const eng_json *c, eng_error *err)
{
    const eng_json *chunk = eng_json_get(c, ENG_STR("chunk"));
    eng_str model = eng_json_text(eng_json_get(c, ENG_STR("embedding_model")));
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    eng_buf_format(&out, "%.*s: %.*s\n", ENG_FMT(eng_json_text(eng_json_get(c, ENG_STR("name")))),
                   ENG_FMT(eng_json_text(eng_json_get(c, ENG_STR("title")))));
    eng_buf_format(&out, "%.*s documents, %.*s passages of at most %.*s %.*s\n",
                   ENG_FMT(number_text(cli, c, "documents")),
                   ENG_FMT(number_text(cli, c, "passages")),
                   ENG_FMT(number_text(cli, chunk, "size")),
                   ENG_FMT(eng_json_text(eng_json_get(chunk, ENG_STR("unit")))));
    eng_buf_format(&out, "encoder: %.*s\n",
                   ENG_FMT(model.len ? model : ENG_STR("none, searched by words alone")));
    return eng_cli_flush(&out, err);
}

static eng_status show(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL;
    eng_str path;
    eng_status status = path_of(cli, eng_str_of(cli->args[0]), "", &path, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "GET", path.ptr, ENG_STR(""), &reply, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(reply, err) : print_one(cli, reply, err);
    eng_cli_session_close(s);
    return status;
}

/* The first `count` of the arguments, which are gone now, also where a later one could not be removed. */
static eng_status say_removed(const eng_cli *cli, size_t count, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_json_writer w = eng_json_write_to(&out);
    if (cli->json) {
        eng_json_open(&w, '{');
        eng_json_name(&w, ENG_STR("removed"));
        eng_json_open(&w, '[');
    }
    for (size_t i = 0; i < count; i++) {
        if (cli->json)
            eng_json_string(&w, eng_str_of(cli->args[i]));
        else
            eng_buf_format(&out, "removed %s\n", cli->args[i]);
    }
    if (cli->json) {
        eng_json_close(&w, ']');
        eng_json_close(&w, '}');
        eng_buf_byte(&out, '\n');
    }
    return eng_cli_flush(&out, err);
}

static eng_status rm(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    size_t gone = 0;
    eng_status status = eng_cli_session_open(cli, &s, err);
    for (; status == ENG_OK && gone < cli->arg_count; gone += status == ENG_OK) {
        eng_str path;
        status = path_of(cli, eng_str_of(cli->args[gone]), "", &path, err);
        if (status == ENG_OK)
            status = eng_cli_call(s, "DELETE", path.ptr, ENG_STR(""), NULL, err);
    }
    eng_status said = gone ? say_removed(cli, gone, status < 0 ? NULL : err) : ENG_OK;
    eng_cli_session_close(s);
    return status < 0 ? status : said;
}

static const eng_cli_command collection_list = {
    .name = "list",
    .args = "",
    .summary = "lists the collections",
    .example = "engenho collection list",
    .run = list,
};

static const eng_cli_command collection_show = {
    .name = "show",
    .args = "NAME",
    .summary = "shows a collection: its size, its cutting, its encoder",
    .example = "engenho collection show manuais",
    .args_min = 1,
    .args_max = 1,
    .run = show,
};

static const eng_cli_command collection_rm = {
    .name = "rm",
    .args = "NAME...",
    .summary = "removes collections with all they hold",
    .example = "engenho collection rm rascunho",
    .args_min = 1,
    .args_max = 1000,
    .run = rm,
};

static const eng_cli_command *const subs[] = {&collection_list, &collection_show, &collection_rm,
                                              NULL};

const eng_cli_command eng_cmd_collection = {
    .name = "collection",
    .args = "list|show|rm",
    .summary = "lists, shows and removes collections",
    .example = "engenho collection list",
    .subs = subs,
};
