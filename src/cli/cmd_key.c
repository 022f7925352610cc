#include "base/error.h"
#include "cli/commands.h"
#include "net/net.h"

static eng_status show_new_key(eng_cli *cli, const eng_json *key, eng_error *err)
{
    if (cli->json)
        return eng_cli_print_json(key, err);
    eng_str secret = eng_json_text(eng_json_get(key, ENG_STR("key")));
    eng_str role = eng_json_text(eng_json_get(key, ENG_STR("role")));
    eng_str id = eng_json_text(eng_json_get(key, ENG_STR("id")));
    eng_str text = eng_arena_format(&cli->arena,
                                    "%.*s\nrole %.*s, id %.*s; it is not shown again\n",
                                    ENG_FMT(secret), ENG_FMT(role), ENG_FMT(id));
    return text.ptr ? eng_cli_print(text, err) : eng_fail_nomem(err);
}

static eng_status write_key(eng_cli *cli, eng_buf *body, eng_error *err)
{
    const char *rate = eng_cli_option_value(cli, "--rate");
    const char *role = eng_cli_option_value(cli, "--role");
    const char *name = cli->arg_count ? cli->args[0] : role;
    uint64_t limit;
    if (!role)
        return eng_fail(err, ENG_EUSAGE, "key add: expected --role read, write or admin");
    eng_json_writer w = eng_json_write_to(body);
    eng_json_open(&w, '{');
    eng_json_member(&w, "name", eng_str_of(name));
    eng_json_member(&w, "role", eng_str_of(role));
    if (rate && !eng_str_u64(eng_str_of(rate), &limit))
        return eng_fail(err, ENG_EUSAGE, "--rate: expected a number, got '%s'", rate);
    if (rate) {
        eng_json_name(&w, ENG_STR("rate"));
        eng_json_uint(&w, limit);
    }
    eng_json_close(&w, '}');
    return eng_buf_check(body, "key", err);
}

static eng_status add(eng_cli *cli, eng_error *err)
{
    eng_buf body;
    eng_cli_session *s = NULL;
    const eng_json *key = NULL;
    eng_buf_init(&body, 1 << 16);
    eng_status status = write_key(cli, &body, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "POST", "/v1/keys", eng_buf_view(&body), &key, err);
    if (status == ENG_OK)
        status = show_new_key(cli, key, err);
    eng_cli_session_close(s);
    eng_buf_clear(&body);
    return status;
}

static eng_status print_keys(eng_cli *cli, const eng_json *keys, eng_error *err)
{
    enum { COLUMNS = 4 };
    size_t rows = eng_json_count(keys) + 1;
    eng_str *cells = eng_arena_array(&cli->arena, rows * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    const eng_str heading[COLUMNS] = {ENG_STR("ID"), ENG_STR("ROLE"), ENG_STR("MADE"),
                                      ENG_STR("NAME")};
    memcpy(cells, heading, sizeof heading);
    for (size_t i = 0; i + 1 < rows; i++) {
        const eng_json *key = eng_json_at(keys, i);
        eng_str *row = cells + (i + 1) * COLUMNS;
        row[0] = eng_json_text(eng_json_get(key, ENG_STR("id")));
        row[1] = eng_json_text(eng_json_get(key, ENG_STR("role")));
        row[2] = eng_cli_ago(&cli->arena, eng_json_text(eng_json_get(key, ENG_STR("created_at"))));
        row[3] = eng_json_text(eng_json_get(key, ENG_STR("name")));
    }
    return eng_cli_table(cli, cells, COLUMNS, rows, err);
}

static eng_status list(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    const eng_json *keys = NULL;
    eng_status status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "GET", "/v1/keys?limit=1000", ENG_STR(""), &keys, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(keys, err)
                           : print_keys(cli, eng_json_get(keys, ENG_STR("keys")), err);
    eng_cli_session_close(s);
    return status;
}

static eng_status remove_key(eng_cli_session *s, const char *id, eng_error *err)
{
    eng_buf path;
    eng_buf_init(&path, 1 << 16);
    eng_buf_str(&path, ENG_STR("/v1/keys/"));
    eng_url_encode(&path, eng_str_of(id));
    eng_status status = eng_buf_check(&path, "key", err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "DELETE", path.data, ENG_STR(""), NULL, err);
    eng_buf_clear(&path);
    return status;
}

static eng_status rm(eng_cli *cli, eng_error *err)
{
    eng_cli_session *s = NULL;
    size_t gone = 0;
    eng_status status = eng_cli_session_open(cli, &s, err);
    for (; status == ENG_OK && gone < cli->arg_count; gone += status == ENG_OK)
        status = remove_key(s, cli->args[gone], err);
    eng_status said = gone ? eng_cli_say_removed(cli, gone, status < 0 ? NULL : err) : ENG_OK;
    eng_cli_session_close(s);
    return status < 0 ? status : said;
}

static const eng_cli_option add_options[] = {
    {"--role", "ROLE", "what it may do: read|write|admin", "read|write|admin"},
    {"--rate", "N", "requests a minute; without it the server's own limit", NULL},
    {0},
};

static const eng_cli_command key_add = {
    .name = "add",
    .args = "[NAME]",
    .summary = "makes a key and shows it, this once",
    .example = "engenho key add catalogue --role read",
    .options = add_options,
    .args_max = 1,
    .run = add,
};

static const eng_cli_command key_list = {
    .name = "list",
    .args = "",
    .summary = "lists the keys, without their secrets",
    .example = "engenho key list --json",
    .run = list,
};

static const eng_cli_command key_rm = {
    .name = "rm",
    .args = "ID...",
    .summary = "removes keys; they stop working at once",
    .example = "engenho key rm 4f0c2hq8v1m7u3ga",
    .args_min = 1,
    .args_max = 1000,
    .run = rm,
};

static const eng_cli_command *const subs[] = {&key_add, &key_list, &key_rm, NULL};

const eng_cli_command eng_cmd_key = {
    .name = "key",
    .args = "add|list|rm",
    .summary = "makes, lists and removes API keys",
    .example = "engenho key add catalogue --role read\nengenho key list",
    .subs = subs,
};
