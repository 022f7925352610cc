/* Settings: one table of them, and where each value comes from. */
#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"

#include <limits.h>
#include <unistd.h>

enum { CONFIG_MAX = 1 << 20, NAMES = 4 };

typedef enum { KIND_TEXT, KIND_NUMBER, KIND_SIZE, KIND_CHOICE } setting_kind;

typedef struct {
    setting_kind kind;
    const char
        *env[NAMES]; /* the first that is set counts; those behind it are other programs' names */
    const char *preset;
    uint64_t min, max;
    bool secret;
} setting;

/* Both tables in the order of eng_setting. */
static const eng_cli_option options[ENG_SETTINGS + 1] = {
    [ENG_SET_DATA] = {"--data", "DIR", "the data directory", NULL},
    [ENG_SET_LISTEN] = {"--listen", "ADDRESS", "where to listen, comma separated; unix:PATH too",
                        NULL},
    [ENG_SET_KEYS] = {"--keys", "WHEN", "whether API keys are in force: auto|required|off",
                      "auto|required|off"},
    [ENG_SET_CORS] = {"--cors", "ORIGINS", "pages of these origins may call it, comma separated",
                      NULL},
    [ENG_SET_RATE] = {"--rate", "N", "requests a minute for keys without a limit of their own",
                      NULL},
    [ENG_SET_LOOPS] = {"--loops", "N", "event loops; 0: one a processor", NULL},
    [ENG_SET_WORKERS] = {"--workers", "N", "threads for what may block; 0: two a processor", NULL},
    [ENG_SET_BODY_MAX] = {"--body-max", "SIZE", "largest JSON body: bytes, or with K, M or G",
                          NULL},
    [ENG_SET_DRAIN] = {"--drain", "SECONDS", "time for requests under way when it stops", NULL},
    [ENG_SET_ACCESS_LOG] = {"--access-log", "WHETHER", "a line for each request: on|off", "on|off"},
    [ENG_SET_LOG_LEVEL] = {"--log-level", "LEVEL", "debug|info|warn|error|off",
                           "debug|info|warn|error|off"},
    [ENG_SET_LOG_FORMAT] = {"--log-format", "FORMAT", "logfmt|json", "logfmt|json"},
    [ENG_SET_MODELS] = {"--models", "DIR", "models beside those of the data, shared by all; off",
                        NULL},
    [ENG_SET_HUB] = {"--hub", "URL", "where models are pulled from", NULL},
    [ENG_SET_FETCH_ALLOW] = {"--fetch-allow", "LIST",
                             "hosts and addresses to fetch from although they are not public",
                             NULL},
    [ENG_SET_FETCH_ROBOTS] = {"--fetch-robots", "on|off",
                              "whether robots.txt is honoured; off for sites of one's own",
                              "on|off"},
    [ENG_SET_LLM] = {"--llm", "LIST",
                     "who answers, in order: ollama:URL#model, openai:URL#model, extract", NULL},
    [ENG_SET_LLM_TIMEOUT] = {"--llm-timeout", "SECONDS", "how long a model server may be silent",
                             NULL},
    [ENG_SET_LLM_CONTEXT] = {"--llm-context", "TOKENS", "of a prompt and its answer together",
                             NULL},
    [ENG_SET_LLM_PULL] = {"--llm-pull", "WHETHER",
                          "models that Ollama does not have are pulled: on|off", "on|off"},
    [ENG_SET_PROMPTS] = {"--prompts", "DIR",
                         "prompts (pt.txt, en.txt, es.txt) in place of those built in", NULL},
    [ENG_SET_HISTORY] = {"--history", "WHETHER",
                         "predictions are kept: on|off, or sync: on the disk before the reply",
                         "on|off|sync"},
    [ENG_SET_HISTORY_MAX] = {"--history-max", "SIZE", "how many bytes of predictions are kept",
                             NULL},
    [ENG_SET_HISTORY_DAYS] = {"--history-days", "N", "how long they are kept; 0: as there is room",
                              NULL},
    [ENG_SET_MODEL_PATH] = {"--model-path", "FILE",
                            "a model trained on texts, served and followed as it changes", NULL},
    /* Without a flag: for the man page alone. */
    [ENG_SET_API_KEY] = {NULL, NULL, "a key with the role admin; with it keys are in force", NULL},
    [ENG_SET_HUB_TOKEN] = {NULL, NULL, "the hub's key, for models that need one", NULL},
    [ENG_SET_HUB_OFFLINE] = {NULL, NULL, "1: models are not looked for on the hub", NULL},
    [ENG_SET_OLLAMA_URL] = {NULL, NULL, "without ENGENHO_LLM: an Ollama that answers, then extract",
                            NULL},
    [ENG_SET_OPENAI_URL] = {NULL, NULL, "likewise a server that speaks OpenAI's API (with /v1)",
                            NULL},
    [ENG_SET_OPENAI_KEY] = {NULL, NULL, "the key that openai: servers are sent", NULL},
    [ENG_SET_LLM_MODEL] = {NULL, NULL, "the model of servers that are named without one", NULL},
    [ENG_SET_DATASET_PATH] = {NULL, NULL, "the rows that training learns from", NULL},
};

static const setting settings[ENG_SETTINGS] = {
    [ENG_SET_DATA] = {KIND_TEXT, {"ENGENHO_DATA"}, NULL, 0, 0, false},
    [ENG_SET_LISTEN] =
        {KIND_TEXT, {"ENGENHO_LISTEN", "PORT", "ML_API_PORT"}, "127.0.0.1:8000", 0, 0, false},
    [ENG_SET_KEYS] = {KIND_CHOICE, {"ENGENHO_KEYS"}, "auto", 0, 0, false},
    [ENG_SET_CORS] = {KIND_TEXT, {"ENGENHO_CORS"}, NULL, 0, 0, false},
    [ENG_SET_RATE] = {KIND_NUMBER, {"ENGENHO_RATE"}, "0", 0, 1000000000, false},
    [ENG_SET_LOOPS] = {KIND_NUMBER, {"ENGENHO_LOOPS"}, "0", 0, 256, false},
    [ENG_SET_WORKERS] = {KIND_NUMBER, {"ENGENHO_WORKERS"}, "0", 0, 1024, false},
    [ENG_SET_BODY_MAX] = {KIND_SIZE, {"ENGENHO_BODY_MAX"}, "8M", 1024, 4ull << 30, false},
    [ENG_SET_DRAIN] = {KIND_NUMBER, {"ENGENHO_DRAIN"}, "5", 0, 3600, false},
    [ENG_SET_ACCESS_LOG] = {KIND_CHOICE, {"ENGENHO_ACCESS_LOG"}, "on", 0, 0, false},
    [ENG_SET_LOG_LEVEL] = {KIND_CHOICE, {"ENGENHO_LOG_LEVEL"}, "info", 0, 0, false},
    [ENG_SET_LOG_FORMAT] = {KIND_CHOICE, {"ENGENHO_LOG_FORMAT"}, "logfmt", 0, 0, false},
    [ENG_SET_MODELS] = {KIND_TEXT, {"ENGENHO_MODELS"}, NULL, 0, 0, false},
    [ENG_SET_FETCH_ALLOW] = {KIND_TEXT, {"ENGENHO_FETCH_ALLOW"}, NULL, 0, 0, false},
    [ENG_SET_FETCH_ROBOTS] = {KIND_CHOICE, {"ENGENHO_FETCH_ROBOTS"}, "on", 0, 0, false},
    [ENG_SET_HISTORY] = {KIND_CHOICE, {"ENGENHO_HISTORY"}, "on", 0, 0, false},
    [ENG_SET_HISTORY_MAX] = {KIND_SIZE, {"ENGENHO_HISTORY_MAX"}, "1G", 1 << 20, 1ull << 50, false},
    [ENG_SET_HISTORY_DAYS] = {KIND_NUMBER, {"ENGENHO_HISTORY_DAYS"}, "0", 0, 36500, false},
    [ENG_SET_MODEL_PATH] = {KIND_TEXT, {"MODEL_PATH"}, NULL, 0, 0, false},
    [ENG_SET_DATASET_PATH] = {KIND_TEXT, {"DATASET_PATH"}, NULL, 0, 0, false},
    [ENG_SET_HUB] = {KIND_TEXT, {"HF_ENDPOINT"}, "https://huggingface.co", 0, 0, false},
    [ENG_SET_LLM] = {KIND_TEXT, {"ENGENHO_LLM"}, NULL, 0, 0, false},
    [ENG_SET_LLM_TIMEOUT] = {KIND_NUMBER, {"ENGENHO_LLM_TIMEOUT"}, "120", 1, 86400, false},
    [ENG_SET_LLM_CONTEXT] = {KIND_NUMBER, {"ENGENHO_LLM_CONTEXT"}, "8192", 512, 1 << 24, false},
    [ENG_SET_LLM_PULL] = {KIND_CHOICE, {"ENGENHO_LLM_PULL"}, "off", 0, 0, false},
    [ENG_SET_PROMPTS] = {KIND_TEXT, {"ENGENHO_PROMPTS"}, NULL, 0, 0, false},
    [ENG_SET_API_KEY] = {KIND_TEXT, {"ENGENHO_API_KEY"}, NULL, 0, 0, true},
    [ENG_SET_HUB_TOKEN] = {KIND_TEXT, {"HF_TOKEN"}, NULL, 0, 0, true},
    [ENG_SET_HUB_OFFLINE] = {KIND_TEXT, {"HF_HUB_OFFLINE"}, NULL, 0, 0, false},
    [ENG_SET_OLLAMA_URL] = {KIND_TEXT, {"OLLAMA_BASE_URL"}, NULL, 0, 0, false},
    [ENG_SET_OPENAI_URL] = {KIND_TEXT, {"OPENAI_API_BASE"}, NULL, 0, 0, false},
    [ENG_SET_OPENAI_KEY] = {KIND_TEXT, {"OPENAI_API_KEY"}, NULL, 0, 0, true},
    [ENG_SET_LLM_MODEL] = {KIND_TEXT, {"MODEL"}, NULL, 0, 0, false},
};

typedef struct {
    const char *text; /* NULL: not set */
    const char *from; /* "--listen", "ENGENHO_LISTEN", "/etc/engenho.env:3", "default" */
    size_t name;      /* of env[], where the file set it; NAMES: it did not */
    uint64_t number;
} value;

struct eng_cli_config {
    value of[ENG_SETTINGS];
};

const eng_cli_option *eng_cli_setting_option(eng_setting s) { return &options[s]; }

const eng_cli_option *eng_cli_setting_options(void) { return options + ENG_SET_LISTEN; }

const char *eng_cli_setting_env(eng_setting s) { return settings[s].env[0]; }

const char *eng_cli_setting_preset(eng_setting s) { return settings[s].preset; }

const char *eng_cli_config_text(const eng_cli *cli, eng_setting s)
{
    return cli->config->of[s].text;
}

uint64_t eng_cli_config_number(const eng_cli *cli, eng_setting s)
{
    return cli->config->of[s].number;
}

/* As the hub's own library reads it. */
static bool is_on(const char *text)
{
    static const char *const words[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; text && i < sizeof words / sizeof *words; i++)
        if (eng_str_eq_nocase(eng_str_of(text), eng_str_of(words[i])))
            return true;
    return false;
}

/* Beside the program, where it was built, or where it is installed; NULL where there is neither. */
static const char *models_beside(eng_cli *cli)
{
    static const char *const places[] = {"models", "../share/engenho/models"};
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self);
    while (len > 0 && self[len - 1] != '/')
        len--;
    for (size_t i = 0; len > 0 && i < sizeof places / sizeof *places; i++) {
        eng_str path = eng_arena_format(&cli->arena, "%.*s%s", (int)len, self, places[i]);
        if (path.ptr && access(path.ptr, R_OK | X_OK) == 0)
            return path.ptr;
    }
    return NULL;
}

static const char *shared_models(eng_cli *cli)
{
    const char *set = eng_cli_config_text(cli, ENG_SET_MODELS);
    if (!set)
        return models_beside(cli);
    return *set && strcmp(set, "off") != 0 ? set : NULL;
}

eng_options eng_cli_engine_options(eng_cli *cli, const char *data)
{
    const char *history = eng_cli_config_text(cli, ENG_SET_HISTORY);
    return (eng_options){
        .data = data,
        .text_model = cli->serves_text ? eng_cli_config_text(cli, ENG_SET_MODEL_PATH) : NULL,
        .dataset = eng_cli_config_text(cli, ENG_SET_DATASET_PATH),
        .history_off = strcmp(history, "off") == 0,
        .history_sync = strcmp(history, "sync") == 0,
        .history_bytes = eng_cli_config_number(cli, ENG_SET_HISTORY_MAX),
        .history_days = (unsigned)eng_cli_config_number(cli, ENG_SET_HISTORY_DAYS),
        .models = shared_models(cli),
        .hub = eng_cli_config_text(cli, ENG_SET_HUB),
        .fetch_allow = eng_cli_config_text(cli, ENG_SET_FETCH_ALLOW),
        .fetch_ignore_robots = strcmp(eng_cli_config_text(cli, ENG_SET_FETCH_ROBOTS), "off") == 0,
        .hub_token = eng_cli_config_text(cli, ENG_SET_HUB_TOKEN),
        .hub_offline = is_on(eng_cli_config_text(cli, ENG_SET_HUB_OFFLINE)),
        .llm = eng_cli_config_text(cli, ENG_SET_LLM),
        .ollama_url = eng_cli_config_text(cli, ENG_SET_OLLAMA_URL),
        .openai_url = eng_cli_config_text(cli, ENG_SET_OPENAI_URL),
        .openai_key = eng_cli_config_text(cli, ENG_SET_OPENAI_KEY),
        .llm_model = eng_cli_config_text(cli, ENG_SET_LLM_MODEL),
        .llm_timeout_s = (unsigned)eng_cli_config_number(cli, ENG_SET_LLM_TIMEOUT),
        .llm_context = (unsigned)eng_cli_config_number(cli, ENG_SET_LLM_CONTEXT),
        .llm_pull = is_on(eng_cli_config_text(cli, ENG_SET_LLM_PULL)),
        .prompts = eng_cli_config_text(cli, ENG_SET_PROMPTS),
    };
}

/* "8M" and its likes; plain numbers where `suffix` is false. */
static bool read_number(eng_str text, bool suffix, uint64_t *out)
{
    static const char units[] = "KMG";
    unsigned shift = 0;
    const char *unit = suffix && text.len ? strchr(units, text.ptr[text.len - 1] & ~0x20) : NULL;
    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        text.len--;
    }
    if (!eng_str_u64(text, out) || *out > UINT64_MAX >> shift)
        return false;
    *out <<= shift;
    return true;
}

static bool is_choice_of(eng_setting s, eng_str text)
{
    eng_str rest = eng_str_of(options[s].choices), head;
    while (eng_str_cut(rest, '|', &head, &rest))
        if (eng_str_eq(head, text))
            return true;
    return eng_str_eq(text, eng_str_of(strrchr(options[s].choices, '|') + 1));
}

static eng_status check(eng_setting s, value *v, eng_error *err)
{
    const setting *rule = &settings[s];
    eng_str text = eng_str_of(v->text);
    if (!v->text || rule->kind == KIND_TEXT)
        return ENG_OK;
    if (rule->kind == KIND_CHOICE) {
        if (is_choice_of(s, text))
            return ENG_OK;
        return eng_fail(err, ENG_EUSAGE, "%s: expected one of %s, got '%s'", v->from,
                        options[s].choices, v->text);
    }
    if (read_number(text, rule->kind == KIND_SIZE, &v->number) && v->number >= rule->min &&
        v->number <= rule->max)
        return ENG_OK;
    return eng_fail(err, ENG_EUSAGE, "%s: expected %s from %llu to %llu, got '%s'", v->from,
                    rule->kind == KIND_SIZE ? "a size" : "a number", (unsigned long long)rule->min,
                    (unsigned long long)rule->max, v->text);
}

/* PORT and its likes hold a port alone. */
static eng_status set(eng_cli *cli, eng_setting s, const char *env, const char *text,
                      const char *from, eng_error *err)
{
    value *v = &cli->config->of[s];
    if (s == ENG_SET_LISTEN && env && env != settings[s].env[0]) {
        uint64_t port;
        if (!eng_str_u64(eng_str_of(text), &port) || port > UINT16_MAX)
            return eng_fail(err, ENG_EUSAGE, "%s: expected a port, got '%s'", env, text);
        text = eng_arena_format(&cli->arena, "127.0.0.1:%s", text).ptr;
        if (!text)
            return eng_fail_nomem(err);
    }
    v->text = text;
    v->from = from;
    return ENG_OK;
}

/* ---- The file ----------------------------------------------------------------------------------- */

/* Which setting this is, and by which of its names; false where it is none of ours. */
static bool find_name(eng_str name, eng_setting *out, size_t *which)
{
    for (int s = 0; s < ENG_SETTINGS; s++) {
        for (size_t i = 0; i < NAMES && settings[s].env[i]; i++) {
            if (eng_str_eq(eng_str_of(settings[s].env[i]), name)) {
                *out = (eng_setting)s;
                *which = i;
                return true;
            }
        }
    }
    return false;
}

static eng_status no_setting(eng_str name, eng_error *err)
{
    unsigned nearest = 4;
    const char *meant = NULL;
    for (int s = 0; s < ENG_SETTINGS; s++) {
        unsigned d = eng_str_distance(name, eng_str_of(settings[s].env[0]));
        if (d < nearest) {
            nearest = d;
            meant = settings[s].env[0];
        }
    }
    return eng_fail(err, ENG_EUSAGE, "no setting '%.*s'%s%s%s", ENG_FMT(name),
                    meant ? ": did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static eng_str unquoted(eng_str text)
{
    if (text.len >= 2 && (text.ptr[0] == '"' || text.ptr[0] == '\'') &&
        text.ptr[text.len - 1] == text.ptr[0])
        return eng_str_sub(text, 1, text.len - 2);
    return text;
}

/* Names of other programs are left alone: the file may serve them too. Without a value it is as if
 * the line were not there, as an empty variable is as good as none. */
static eng_status take_line(eng_cli *cli, const char *from, eng_str line, eng_error *err)
{
    eng_str name, text;
    eng_setting s;
    size_t which;
    line = eng_str_trim(line);
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
        return ENG_OK;
    if (memchr(line.ptr, 0, line.len))
        return eng_fail(err, ENG_EUSAGE, "did not expect a byte 0");
    if (!eng_str_cut(line, '=', &name, &text))
        return eng_fail(err, ENG_EUSAGE, "expected KEY=VALUE");
    name = eng_str_trim(name);
    text = unquoted(eng_str_trim(text));
    if (!find_name(name, &s, &which))
        return eng_str_starts(name, ENG_STR("ENGENHO_")) ? no_setting(name, err) : ENG_OK;
    if (text.len == 0 || which > cli->config->of[s].name)
        return ENG_OK;
    eng_str copy = eng_arena_copy(&cli->arena, text);
    if (!copy.ptr)
        return eng_fail_nomem(err);
    eng_status status = set(cli, s, settings[s].env[which], copy.ptr, from, err);
    cli->config->of[s].name = which;
    return status;
}

static eng_status parse_line(eng_cli *cli, const char *path, unsigned number, eng_str line,
                             eng_error *err)
{
    eng_str from = eng_arena_format(&cli->arena, "%s:%u", path, number);
    if (!from.ptr)
        return eng_fail_nomem(err);
    eng_status status = take_line(cli, from.ptr, line, err);
    if (status < 0 && status != ENG_ENOMEM)
        eng_error_prefix(err, "%s", from.ptr);
    return status;
}

eng_status eng_cli_config_parse(eng_cli *cli, const char *path, eng_str text, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_str line;
    for (unsigned number = 1; text.len && status == ENG_OK; number++) {
        eng_str_cut(text, '\n', &line, &text);
        status = parse_line(cli, path, number, line, err);
    }
    return status;
}

static eng_status read_file(eng_cli *cli, const char *path, eng_error *err)
{
    eng_buf file;
    eng_buf_init(&file, CONFIG_MAX);
    eng_status status = eng_file_read(path, CONFIG_MAX, &file, err);
    if (status == ENG_OK)
        status = eng_cli_config_parse(cli, path, eng_buf_view(&file), err);
    eng_buf_clear(&file);
    return status;
}

/* ---- All of it ---------------------------------------------------------------------------------- */

static eng_status read_environment(eng_cli *cli, eng_error *err)
{
    eng_status status = ENG_OK;
    for (int s = 0; s < ENG_SETTINGS && status == ENG_OK; s++) {
        for (size_t i = 0; i < NAMES && settings[s].env[i]; i++) {
            const char *text = getenv(settings[s].env[i]);
            if (text && *text) {
                status = set(cli, (eng_setting)s, settings[s].env[i], text, settings[s].env[i],
                             err);
                break;
            }
        }
    }
    return status;
}

eng_status eng_cli_config_read(eng_cli *cli, eng_error *err)
{
    cli->config = eng_arena_zalloc(&cli->arena, sizeof *cli->config);
    if (!cli->config)
        return eng_fail_nomem(err);
    /* From the weakest to the strongest: what comes later replaces. */
    for (int s = 0; s < ENG_SETTINGS; s++)
        cli->config->of[s] = (value){settings[s].preset, "default", NAMES, 0};
    const char *file = eng_cli_option_value(cli, "--config");
    eng_status status = file ? read_file(cli, file, err) : ENG_OK;
    if (status == ENG_OK)
        status = read_environment(cli, err);
    for (int s = 0; s < ENG_SETTINGS && status == ENG_OK; s++) {
        const char *given = options[s].name ? eng_cli_option_value(cli, options[s].name) : NULL;
        if (given)
            status = set(cli, (eng_setting)s, NULL, given, options[s].name, err);
        if (status == ENG_OK)
            status = check((eng_setting)s, &cli->config->of[s], err);
    }
    return status;
}

static void print_json(const eng_cli *cli, eng_buf *out)
{
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    for (int s = 0; s < ENG_SETTINGS; s++) {
        const value *v = &cli->config->of[s];
        eng_json_name(&w, eng_str_of(settings[s].env[0]));
        eng_json_open(&w, '{');
        eng_json_name(&w, ENG_STR("value"));
        if (v->text)
            eng_json_string(&w, eng_str_of(settings[s].secret ? "set" : v->text));
        else
            eng_json_null(&w);
        eng_json_member(&w, "from", eng_str_of(v->text ? v->from : "not set"));
        eng_json_close(&w, '}');
    }
    eng_json_close(&w, '}');
    eng_buf_byte(out, '\n');
}

/* What would not be read back as it is: blanks at its ends, quotes around it. */
static bool needs_quotes(eng_str text)
{
    return eng_str_trim(text).len < text.len || unquoted(text).len < text.len;
}

/* Lines that are themselves a file for --config. */
static void print_lines(const eng_cli *cli, eng_buf *out)
{
    for (int s = 0; s < ENG_SETTINGS; s++) {
        const value *v = &cli->config->of[s];
        const char *name = settings[s].env[0];
        eng_buf_format(out, "# %s\n", v->text ? v->from : "not set");
        if (!v->text || settings[s].secret)
            eng_buf_format(out, "#%s=%s\n", name, v->text ? "(set, not shown)" : "");
        else if (needs_quotes(eng_str_of(v->text)))
            eng_buf_format(out, "%s=\"%s\"\n", name, v->text);
        else
            eng_buf_format(out, "%s=%s\n", name, v->text);
    }
}

void eng_cli_config_print(const eng_cli *cli, eng_buf *out)
{
    if (cli->json)
        print_json(cli, out);
    else
        print_lines(cli, out);
}
