/* What of models for tables and texts `engenho model` shows (cmd_model.c). */
#ifndef ENG_CMD_PREDICTOR_H
#define ENG_CMD_PREDICTOR_H

#include "cli/cli.h"

extern const eng_cli_command eng_cmd_model_load, eng_cmd_model_activate, eng_cmd_model_rollback;

/* Models of a kind; *models is a list. */
eng_status eng_cli_predictor_list(eng_cli_session *s, bool text, const eng_json **models,
                                  eng_error *err) ENG_MUST_CHECK;
/* One of either kind. */
eng_status eng_cli_predictor_show(eng_cli_session *s, const char *name, const eng_json **reply,
                                  eng_error *err) ENG_MUST_CHECK;
eng_status eng_cli_predictor_print(eng_cli *cli, const eng_json *model,
                                   eng_error *err) ENG_MUST_CHECK;

#endif
