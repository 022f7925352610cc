#include "cli/commands.h"

const eng_cli_command *const eng_cli_commands[] = {
    &eng_cmd_serve,      &eng_cmd_ingest,
    &eng_cmd_search,     &eng_cmd_ask,
    &eng_cmd_collection, &eng_cmd_pull,
    &eng_cmd_embed,      &eng_cmd_train,
    &eng_cmd_categorize, &eng_cmd_predict,
    &eng_cmd_model,      &eng_cmd_key,
    &eng_cmd_job,        &eng_cmd_backup,
    &eng_cmd_restore,    &eng_cmd_doctor,
    &eng_cmd_eval,       &eng_cmd_tune,
    &eng_cmd_report,     &eng_cmd_bench,
    &eng_cmd_version,    NULL,
};

const eng_cli_option eng_cli_common[] = {
    {"--data", "DIR", "the data directory (ENGENHO_DATA)", NULL},
    {"--config", "FILE", "settings as KEY=VALUE lines, with the environment's names", NULL},
    {"--json", NULL, "print JSON, for other programs", NULL},
    {"--help", NULL, "what this command does", NULL},
    {0},
};
