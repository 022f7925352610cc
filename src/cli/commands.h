/* Every command's row. */
#ifndef ENG_CLI_COMMANDS_H
#define ENG_CLI_COMMANDS_H

#include "cli/cli.h"

extern const eng_cli_command eng_cmd_serve;
extern const eng_cli_command eng_cmd_ingest;
extern const eng_cli_command eng_cmd_search;
extern const eng_cli_command eng_cmd_ask;
extern const eng_cli_command eng_cmd_collection;
extern const eng_cli_command eng_cmd_pull;
extern const eng_cli_command eng_cmd_embed;
extern const eng_cli_command eng_cmd_predict;
extern const eng_cli_command eng_cmd_model;
extern const eng_cli_command eng_cmd_key;
extern const eng_cli_command eng_cmd_job;
extern const eng_cli_command eng_cmd_backup;
extern const eng_cli_command eng_cmd_restore;
extern const eng_cli_command eng_cmd_doctor;
extern const eng_cli_command eng_cmd_eval;
extern const eng_cli_command eng_cmd_tune;
extern const eng_cli_command eng_cmd_report;
extern const eng_cli_command eng_cmd_train;
extern const eng_cli_command eng_cmd_categorize;
extern const eng_cli_command eng_cmd_bench;
extern const eng_cli_command eng_cmd_version;

#endif
