#include "cli/commands.h"

static void write_json(const eng_build *b, eng_buf *out)
{
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "version", eng_str_of(b->version));
    eng_json_member(&w, "commit", eng_str_of(b->commit));
    eng_json_member(&w, "compiler", eng_str_of(b->compiler));
    eng_json_member(&w, "target", eng_str_of(b->target));
    eng_json_member(&w, "libraries", eng_str_of(b->libraries));
    eng_json_close(&w, '}');
    eng_buf_byte(out, '\n');
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    const eng_build *b = eng_build_info();
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    if (cli->json)
        write_json(b, &out);
    else
        eng_buf_format(&out, "engenho %s (%s)\n%s, %s\n%s\n", b->version, b->commit, b->compiler,
                       b->target, b->libraries);
    return eng_cli_flush(&out, err);
}

const eng_cli_command eng_cmd_version = {
    .name = "version",
    .args = "",
    .summary = "says which version this is, and what it was built from",
    .example = "engenho version --json",
    .run = run,
};
