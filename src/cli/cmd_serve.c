#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "serve/serve.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 16 };

static eng_log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "off"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return (eng_log_level)i;
    return ENG_LOG_INFO;
}

static eng_keys_mode keys_of(const char *name)
{
    return strcmp(name, "required") == 0 ? ENG_KEYS_REQUIRED
           : strcmp(name, "off") == 0    ? ENG_KEYS_OFF
                                         : ENG_KEYS_AUTO;
}

/* "a,b" into strings of their own. */
static eng_status split(eng_cli *cli, const char *text, const char *out[ADDRESSES_MAX + 1],
                        eng_error *err)
{
    eng_str rest = eng_str_of(text), item, tail;
    size_t count = 0;
    for (bool more = true; more; rest = tail) {
        more = eng_str_cut(rest, ',', &item, &tail);
        if (!more)
            item = rest;
        item = eng_str_trim(item);
        if (item.len == 0)
            continue;
        if (count == ADDRESSES_MAX)
            return eng_fail(err, ENG_EUSAGE, "--listen: more than %d addresses", ADDRESSES_MAX);
        out[count] = eng_arena_copy(&cli->arena, item).ptr;
        if (!out[count++])
            return eng_fail_nomem(err);
    }
    out[count] = NULL;
    return count ? ENG_OK : eng_fail(err, ENG_EUSAGE, "--listen: expected an address");
}

static eng_serve_options options_of(const eng_cli *cli, const char *const *listen)
{
    return (eng_serve_options){
        .listen = listen,
        .socket = true,
        .api_key = eng_cli_config_text(cli, ENG_SET_API_KEY),
        .keys = keys_of(eng_cli_config_text(cli, ENG_SET_KEYS)),
        .cors = eng_cli_config_text(cli, ENG_SET_CORS),
        .rate = (uint32_t)eng_cli_config_number(cli, ENG_SET_RATE),
        .loops = (unsigned)eng_cli_config_number(cli, ENG_SET_LOOPS),
        .workers = (unsigned)eng_cli_config_number(cli, ENG_SET_WORKERS),
        .body_max = eng_cli_config_number(cli, ENG_SET_BODY_MAX),
        .drain_ms = (unsigned)eng_cli_config_number(cli, ENG_SET_DRAIN) * 1000,
        .access_log = strcmp(eng_cli_config_text(cli, ENG_SET_ACCESS_LOG), "on") == 0,
    };
}

static eng_status announce(const eng_serve *s, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    eng_buf_format(&out, "engenho %s listens on", ENG_VERSION);
    for (size_t i = 0; eng_serve_url(s, i); i++)
        eng_buf_format(&out, "%s %s", i ? "," : "", eng_serve_url(s, i));
    eng_buf_format(&out, " (documentation: %s/docs)%s\n", eng_serve_url(s, 0),
                   eng_serve_keys_in_force(s) ? "; a key is needed" : "");
    return eng_cli_flush(&out, err);
}

/* The signals that end it, blocked before any thread starts so that only sigwait sees them; and the one
 * that has it look at MODEL_PATH again, which it does by itself once a second. */
static void end_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

static void follow_model(eng *engine)
{
    bool changed;
    eng_error err;
    eng_log_line line;
    if (eng_predictor_follow(engine, &changed, &err) < 0) {
        eng_log_error("the model's file changed and cannot be used; the one in use stays", &err);
    } else if (changed) {
        eng_log_begin(&line, ENG_LOG_INFO, "the model's file changed and is in use");
        eng_log_end(&line);
    }
}

/* A second signal, while it still drains, ends it at once: nothing acknowledged is lost by that. */
static void *end_now(void *arg)
{
    int got;
    sigwait(arg, &got);
    _exit(eng_status_exit(ENG_ECANCELLED));
}

static void wait_for_end(eng *engine, sigset_t *set)
{
    const struct timespec second = {.tv_sec = 1};
    sigset_t all = *set;
    int got;
    pthread_t impatient;
    sigaddset(&all, SIGHUP);
    do {
        got = sigtimedwait(&all, NULL, &second);
        if (got < 0 || got == SIGHUP)
            follow_model(engine);
    } while (got < 0 || got == SIGHUP);
    if (pthread_create(&impatient, NULL, end_now, set) == 0)
        pthread_detach(impatient);
}

/* A connection is a descriptor each. The soft limit is low for the sake of programs that use
 * select, which this is none of. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)!setrlimit(RLIMIT_NOFILE, &limit);
}

static eng_status serve(eng_cli *cli, eng *engine, eng_error *err)
{
    static sigset_t set; /* outlives this function: a second signal may come at the very end */
    const char *listen[ADDRESSES_MAX + 1];
    eng_serve *server = NULL;
    end_signals(&set);
    raise_descriptor_limit();
    eng_status status = split(cli, eng_cli_config_text(cli, ENG_SET_LISTEN), listen, err);
    if (status == ENG_OK) {
        eng_serve_options options = options_of(cli, listen);
        status = eng_serve_new(engine, &options, &server, err);
    }
    if (status == ENG_OK)
        status = eng_serve_start(server, err);
    if (status == ENG_OK)
        status = announce(server, err);
    if (status == ENG_OK) {
        eng_notify("READY=1");
        wait_for_end(engine, &set);
        eng_notify("STOPPING=1");
    }
    if (server)
        eng_serve_stop(server);
    eng_serve_free(server);
    return status;
}

static eng_status print_config(eng_cli *cli, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    eng_cli_config_print(cli, &out);
    return eng_cli_flush(&out, err);
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    sigset_t set;
    const char *data;
    eng *engine = NULL;
    if (eng_cli_option_value(cli, "--print-config"))
        return print_config(cli, err);
    end_signals(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    cli->serves_text = true;
    eng_log_setup(level_of(eng_cli_config_text(cli, ENG_SET_LOG_LEVEL)),
                  strcmp(eng_cli_config_text(cli, ENG_SET_LOG_FORMAT), "json") == 0);
    eng_status status = eng_cli_data(cli, &data, err);
    if (status == ENG_OK) {
        eng_options options = eng_cli_engine_options(cli, data);
        status = eng_open(&options, &engine, err);
    }
    if (status == ENG_OK)
        status = serve(cli, engine, err);
    eng_close(engine);
    return status;
}

static const eng_cli_option options[] = {
    {"--print-config", NULL, "print each setting and where it came from, and end", NULL},
    {0},
};

const eng_cli_command eng_cmd_serve = {
    .name = "serve",
    .args = "",
    .summary = "answers over HTTP until it is told to stop",
    .text =
        "Settings come from flags, then the environment, then the file of --config. On an address\n"
        "that other machines reach it starts only with a key (ENGENHO_API_KEY), or with\n"
        "--keys required and keys made by 'engenho key add'. SIGTERM lets requests under way end.",
    .example = "engenho serve --listen 127.0.0.1:8000\n"
               "engenho serve --config /etc/engenho.env --print-config",
    .options = options,
    .settings = true,
    .run = run,
};
