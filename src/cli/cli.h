/*
 * The command line, from one table. A command is a row (eng_cli_command): its words, what it takes, a
 * sentence, an example, and the function that does it. Parsing, --help, the man page, completion and
 * "did you mean" are made from the table, so they cannot disagree with it.
 *
 * A command is added as cmd_NAME.c with its row, and a line in commands.c.
 */
#ifndef ENG_CLI_H
#define ENG_CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "engenho.h"
#include "json/json.h"

/* ---- The table ---------------------------------------------------------------------------------- */

typedef struct eng_cli eng_cli;
typedef struct eng_cli_command eng_cli_command;

typedef struct {
    const char *name;    /* "--role"; NULL ends a table */
    const char *value;   /* what it takes, for help: "ROLE"; NULL: a switch */
    const char *doc;     /* half a sentence */
    const char *choices; /* "read|write|admin", or NULL */
} eng_cli_option;

struct eng_cli_command {
    const char *name;                   /* one word */
    const char *args;                   /* what stands behind it: "ID...", "" */
    const char *summary;                /* half a sentence, lower case */
    const char *text;                   /* more about it: paragraphs, or NULL */
    const char *example;                /* a line or more, each beginning with "engenho " */
    const eng_cli_option *options;      /* beside those that every command has */
    const eng_cli_command *const *subs; /* of a group ("key"): its commands, ending in NULL */
    unsigned args_min, args_max;
    bool settings; /* takes the settings of the server as options too */
    eng_status (*run)(eng_cli *cli, eng_error *err);
};

extern const eng_cli_command *const eng_cli_commands[];

/* The options that every command has. */
extern const eng_cli_option eng_cli_common[];

/* ---- What a command has ---------------------------------------------------------------------------- */

typedef struct eng_cli_given eng_cli_given;
typedef struct eng_cli_config eng_cli_config;

struct eng_cli {
    const eng_cli_command *group; /* NULL for a command of its own */
    const eng_cli_command *command;
    eng_cli_given *given; /* options as they stood, newest first */
    const char **args;    /* the other words */
    size_t arg_count;
    eng_cli_config *config;
    eng_arena arena; /* lives as long as the command */
    bool json;
    bool colour;      /* standard output is a terminal, and NO_COLOR is not set */
    bool terminal;    /* standard error is a terminal: progress may be shown */
    bool serves_text; /* the command needs what MODEL_PATH names, where it opens the data itself */
};

/* An option's value, "" for a switch that is set; NULL where it was not given. */
const char *eng_cli_option_value(const eng_cli *cli, const char *name);

/* Fills in cli from the words; ENG_EUSAGE with what is wrong and what may have been meant. */
eng_status eng_cli_parse(eng_cli *cli, int argc, char **argv, eng_error *err) ENG_MUST_CHECK;

/* ---- Help, made from the table (help.c) -------------------------------------------------------------- */

void eng_cli_help(eng_buf *out, const eng_cli_command *group, const eng_cli_command *command);
void eng_cli_man(eng_buf *out);
void eng_cli_completion(eng_buf *out);

/* ---- Settings (config.c) -------------------------------------------------------------------------------- */

/*
 * Flags go before environment, environment before the file of --config, the file before what is
 * built in. The file holds KEY=VALUE lines with the environment's names, as systemd reads them.
 */
typedef enum {
    ENG_SET_DATA, /* a flag of every command */
    ENG_SET_LISTEN,
    ENG_SET_KEYS,
    ENG_SET_CORS,
    ENG_SET_RATE,
    ENG_SET_LOOPS,
    ENG_SET_WORKERS,
    ENG_SET_BODY_MAX,
    ENG_SET_DRAIN,
    ENG_SET_ACCESS_LOG,
    ENG_SET_LOG_LEVEL,
    ENG_SET_LOG_FORMAT,
    ENG_SET_MODELS,
    ENG_SET_HUB,
    ENG_SET_FETCH_ALLOW,
    ENG_SET_FETCH_ROBOTS,
    ENG_SET_LLM,
    ENG_SET_LLM_TIMEOUT,
    ENG_SET_LLM_CONTEXT,
    ENG_SET_LLM_PULL,
    ENG_SET_PROMPTS,
    ENG_SET_HISTORY,
    ENG_SET_HISTORY_MAX,
    ENG_SET_HISTORY_DAYS,
    ENG_SET_MODEL_PATH,
    ENG_SET_API_KEY, /* has no flag: command lines are everybody's to read */
    /* Only in the environment, where other programs of the hub look for them too. */
    ENG_SET_HUB_TOKEN,
    ENG_SET_HUB_OFFLINE,
    ENG_SET_OLLAMA_URL,
    ENG_SET_OPENAI_URL,
    ENG_SET_OPENAI_KEY,
    ENG_SET_LLM_MODEL,
    ENG_SET_DATASET_PATH,
    ENG_SETTINGS
} eng_setting;

/* For help and for parsing: the settings that are flags of the server alone. */
const eng_cli_option *eng_cli_setting_options(void);
/* One setting's row; its name is NULL where it is no flag. */
const eng_cli_option *eng_cli_setting_option(eng_setting s);
/* The environment's name of a setting and its default (NULL: none), for help. */
const char *eng_cli_setting_env(eng_setting s);
const char *eng_cli_setting_preset(eng_setting s);

eng_status eng_cli_config_read(eng_cli *cli, eng_error *err) ENG_MUST_CHECK;
const char *eng_cli_config_text(const eng_cli *cli, eng_setting s); /* NULL: not set */
/* What a file holds, for eng_cli_config_read and for tests; `path` is for messages. */
eng_status eng_cli_config_parse(eng_cli *cli, const char *path, eng_str text,
                                eng_error *err) ENG_MUST_CHECK;
/* How an engine is opened with these settings. */
eng_options eng_cli_engine_options(eng_cli *cli, const char *data);
/* Of a setting whose form eng_cli_config_read has checked. */
uint64_t eng_cli_config_number(const eng_cli *cli, eng_setting s);
/* Each setting, its value (a secret only as "set") and where it came from: a file for --config. */
void eng_cli_config_print(const eng_cli *cli, eng_buf *out);

/* ---- Talking to the data (session.c) -------------------------------------------------------------------- */

/*
 * A command works on the data through the server's own routes. Where a server holds the data
 * directory, that is the one, over DATA/engenho.sock; where none does, the command opens the data
 * itself and serves them on that socket for as long as it takes, so there is one way of doing each
 * thing, and two commands at once do not get into each other's way.
 */
typedef struct eng_cli_session eng_cli_session;

eng_status eng_cli_session_open(eng_cli *cli, eng_cli_session **out, eng_error *err) ENG_MUST_CHECK;
void eng_cli_session_close(eng_cli_session *s);
/* From here on replies live in the arena of this copy of the session's command. */
void eng_cli_session_reply_to(eng_cli_session *s, eng_cli *cli);
/* *reply is the body, NULL where it is empty. A status of 400 and above is an error with the reply's
 * detail as its message. */
eng_status eng_cli_call(eng_cli_session *s, const char *method, const char *path, eng_str body,
                        const eng_json **reply, eng_error *err) ENG_MUST_CHECK;
/* The same with a body of another type than JSON. */
eng_status eng_cli_send(eng_cli_session *s, const char *method, const char *path, const char *type,
                        eng_str body, const eng_json **reply, eng_error *err) ENG_MUST_CHECK;
/* A GET whose body goes piece by piece to `data`, whatever its length. */
eng_status eng_cli_fetch(eng_cli_session *s, const char *path,
                         eng_status (*data)(void *ctx, eng_str bytes, eng_error *err), void *ctx,
                         eng_error *err) ENG_MUST_CHECK;
/* The same as a stream: `data` gets the bytes of a reply that is no error as they come. */
eng_status eng_cli_stream(eng_cli_session *s, const char *method, const char *path, eng_str body,
                          eng_status (*data)(void *ctx, eng_str bytes, eng_error *err), void *ctx,
                          eng_error *err) ENG_MUST_CHECK;
/* What an HTTP status means. */
eng_status eng_cli_status_of(int http);
/* The path of --collection's routes, "/v1/collections/default/search"; in the command's arena. */
eng_status eng_cli_collection_path(eng_cli *cli, const char *rest, eng_str *out,
                                   eng_error *err) ENG_MUST_CHECK;
/* Waits for a job, with a progress bar on a terminal; *job is its final state. A job that failed is
 * an error. */
eng_status eng_cli_wait_job(eng_cli_session *s, int64_t id, const eng_json **job,
                            eng_error *err) ENG_MUST_CHECK;

/* A server holds this data directory and answers on its socket. */
bool eng_cli_server_lives(eng_cli *cli);
/* The data directory: the setting, or the one that is usual here. */
eng_status eng_cli_data(eng_cli *cli, const char **out, eng_error *err) ENG_MUST_CHECK;

/* ---- Printing (print.c) -------------------------------------------------------------------------------- */

/* To standard output; an error where it cannot be written (a full disk, a closed pipe). */
eng_status eng_cli_print(eng_str text, eng_error *err) ENG_MUST_CHECK;
/* The same with what a buffer holds, which is cleared in any case. */
eng_status eng_cli_flush(eng_buf *out, eng_error *err) ENG_MUST_CHECK;
/* A reply as it is, with a line end. */
eng_status eng_cli_print_json(const eng_json *v, eng_error *err) ENG_MUST_CHECK;
/* Columns as wide as they need, the first row as heading: rows of `columns` cells each. */
eng_status eng_cli_table(const eng_cli *cli, const eng_str *cells, size_t columns, size_t rows,
                         eng_error *err) ENG_MUST_CHECK;
/* That the first `count` of the arguments are gone now, also where a later one could not be removed. */
eng_status eng_cli_say_removed(const eng_cli *cli, size_t count, eng_error *err) ENG_MUST_CHECK;
/* "3 min ago", for people; the reply's own text where it is none. */
eng_str eng_cli_ago(eng_arena *arena, eng_str rfc3339);
/* One line on standard error, drawn over itself; nothing off a terminal. */
void eng_cli_progress(const eng_cli *cli, const char *what, uint64_t done, uint64_t total,
                      double eta_s);
void eng_cli_progress_end(const eng_cli *cli);

#endif
