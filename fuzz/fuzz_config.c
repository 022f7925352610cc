/* The file of --config: what is accepted is checked, and what is printed of it is read back as it was. */
#include "cli/cli.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

/* A command line without flags, from what is built in. */
static void begin(eng_cli *cli)
{
    *cli = (eng_cli){0};
    eng_arena_init(&cli->arena, 4096, NULL);
    must(eng_cli_config_read(cli, NULL) == ENG_OK);
}

static void read_back(const eng_cli *cli)
{
    eng_cli again;
    eng_buf out;
    begin(&again);
    eng_buf_init(&out, 16 << 20);
    eng_cli_config_print(cli, &out);
    must(eng_buf_check(&out, "settings", NULL) == ENG_OK);
    must(eng_cli_config_parse(&again, "printed", eng_buf_view(&out), NULL) == ENG_OK);
    for (int s = 0; s < ENG_SETTINGS; s++) {
        bool secret = s == ENG_SET_API_KEY || s == ENG_SET_HUB_TOKEN; /* printed as "set" alone */
        const char *was = eng_cli_config_text(cli, (eng_setting)s);
        const char *is = eng_cli_config_text(&again, (eng_setting)s);
        must(secret ? !is : was ? is && strcmp(was, is) == 0 : !is);
    }
    eng_buf_clear(&out);
    eng_arena_clear(&again.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_cli cli;
    eng_error err = {0};
    begin(&cli);
    eng_status status = eng_cli_config_parse(&cli, "f", (eng_str){(const char *)data, size}, &err);
    if (status == ENG_OK)
        read_back(&cli);
    else
        must(status == ENG_EUSAGE && strncmp(err.message, "f:", 2) == 0);
    eng_arena_clear(&cli.arena);
    return 0;
}
