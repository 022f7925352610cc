/* A command's way to the data: the server that has it, or one of its own for as long as it takes. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"
#include "net/net.h"
#include "serve/serve.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    SOCKET_TRIES = 500, /* of 20 ms: a server that is starting or ending holds the lock that long */
    CALL_TIMEOUT_MS = 600000
};

struct eng_cli_session {
    eng_cli *cli;
    const char *data; /* lives as long as the program's own eng_cli */
    char *socket;
    eng *engine; /* ours, or NULL where a server has it */
    eng_serve *server;
    eng_http_client *client;
    bool nobody; /* was reached by the last call */
};

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

eng_status eng_cli_data(eng_cli *cli, const char **out, eng_error *err)
{
    const char *data = eng_cli_config_text(cli, ENG_SET_DATA);
    const char *home = getenv("HOME"), *xdg = getenv("XDG_DATA_HOME");
    if (!data && xdg && *xdg)
        data = eng_arena_format(&cli->arena, "%s/engenho", xdg).ptr;
    else if (!data && home && *home)
        data = eng_arena_format(&cli->arena, "%s/.local/share/engenho", home).ptr;
    else if (!data)
        return eng_fail(err, ENG_EUSAGE, "no data directory: set ENGENHO_DATA or --data");
    if (!data)
        return eng_fail_nomem(err);
    *out = data;
    return ENG_OK;
}

/* ---- Answers -------------------------------------------------------------------------------- */

eng_status eng_cli_status_of(int http)
{
#define ENG_ROW(name, value, text, code, exit) {name, code},
    static const struct {
        eng_status status;
        int http;
    } rows[] = {ENG_STATUS_MAP(ENG_ROW)};
#undef ENG_ROW
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].http == http)
            return rows[i].status;
    return http >= 500 ? ENG_EUPSTREAM : ENG_EMALFORMED;
}

static eng_status judge(int http, const eng_json *reply, eng_error *err)
{
    if (http < 400)
        return ENG_OK;
    eng_str detail = eng_json_text(eng_json_get(reply, ENG_STR("detail")));
    const eng_json *error = eng_json_get(reply, ENG_STR("error")); /* of routes in OpenAI's form */
    if (detail.len == 0)
        detail = eng_json_text(eng_json_get(error, ENG_STR("message")));
    if (detail.len == 0)
        return eng_fail(err, eng_cli_status_of(http), "the server answered %d", http);
    return eng_fail(err, eng_cli_status_of(http), "%.*s", ENG_FMT(detail));
}

static eng_status read_answer(eng_cli_session *s, const eng_http_answer *got,
                              const eng_json **reply, eng_error *err)
{
    const eng_json *answer = NULL;
    eng_status status = ENG_OK;
    if (got->body.len)
        status = eng_json_read(eng_buf_view(&got->body), NULL, &s->cli->arena, &answer, err);
    if (status == ENG_OK)
        status = judge(got->status, answer, err);
    if (status == ENG_OK && reply)
        *reply = answer;
    return status;
}

/* What all calls have in common; call says the rest. */
static eng_status send_once(eng_cli_session *s, const char *path, eng_http_call *call,
                            const eng_json **reply, eng_error *err)
{
    eng_http_answer got = {0};
    eng_str url = eng_arena_format(&s->cli->arena, "http://localhost%s", path);
    if (!url.ptr)
        return eng_fail_nomem(err);
    call->url = url.ptr;
    call->unix_socket = s->socket;
    call->trusted = true;
    eng_status status = eng_http_fetch(s->client, call, &got, err);
    if (status == ENG_OK)
        status = read_answer(s, &got, reply, err);
    eng_http_answer_clear(&got);
    return status;
}

/* ---- Reaching the data ---------------------------------------------------------------------- */

static bool answers(eng_cli_session *s)
{
    struct stat st;
    eng_http_call call = {.timeout_ms = CALL_TIMEOUT_MS};
    if (stat(s->socket, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    return send_once(s, "/livez", &call, NULL, NULL) == ENG_OK;
}

static eng_status serve_ourselves(eng_cli_session *s, eng_error *err)
{
    eng_serve_options options = {.socket = true, .loops = 1, .workers = 2};
    eng_status status = eng_serve_new(s->engine, &options, &s->server, err);
    return status < 0 ? status : eng_serve_start(s->server, err);
}

/* Whoever holds the lock may be about to listen, or about to end: neither takes long. */
static eng_status reach(eng_cli_session *s, eng_error *err)
{
    eng_status status = ENG_OK;
    for (int i = 0; i < SOCKET_TRIES; i++) {
        if (answers(s))
            return ENG_OK;
        eng_options options = eng_cli_engine_options(s->cli, s->data);
        status = eng_open(&options, &s->engine, err);
        if (status == ENG_OK)
            return serve_ourselves(s, err);
        if (status != ENG_ELOCKED)
            return status;
        sleep_ms(20);
    }
    return status;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

/*
 * The one who has the data may end between two calls, if it is a command that only took its time;
 * it answers everybody who had come before. Then the next one is found, or we are it.
 */
static eng_status call_somebody(eng_cli_session *s, const char *path, eng_http_call *call,
                                const eng_json **reply, eng_error *err)
{
    for (int i = 0;; i++) {
        s->nobody = false;
        call->unreached = &s->nobody;
        eng_status status = send_once(s, path, call, reply, err);
        if (!s->nobody || s->engine || i == SOCKET_TRIES)
            return status;
        status = reach(s, err);
        if (status < 0)
            return status;
    }
}

eng_status eng_cli_call(eng_cli_session *s, const char *method, const char *path, eng_str body,
                        const eng_json **reply, eng_error *err)
{
    return eng_cli_send(s, method, path, "application/json", body, reply, err);
}

eng_status eng_cli_send(eng_cli_session *s, const char *method, const char *path, const char *type,
                        eng_str body, const eng_json **reply, eng_error *err)
{
    eng_str content = eng_arena_format(&s->cli->arena, "Content-Type: %s", type);
    if (!content.ptr)
        return eng_fail_nomem(err);
    const char *const headers[] = {content.ptr, "Accept: application/json", NULL};
    eng_http_call call = {
        .method = method, .headers = headers, .body = body, .timeout_ms = CALL_TIMEOUT_MS};
    return call_somebody(s, path, &call, reply, err);
}

eng_status eng_cli_fetch(eng_cli_session *s, const char *path,
                         eng_status (*data)(void *ctx, eng_str bytes, eng_error *err), void *ctx,
                         eng_error *err)
{
    eng_http_call call = {.timeout_ms = UINT_MAX / 2,
                          .silence_ms = CALL_TIMEOUT_MS,
                          .max = SIZE_MAX,
                          .data = data,
                          .ctx = ctx};
    return call_somebody(s, path, &call, NULL, err);
}

eng_status eng_cli_stream(eng_cli_session *s, const char *method, const char *path, eng_str body,
                          eng_status (*data)(void *ctx, eng_str bytes, eng_error *err), void *ctx,
                          eng_error *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    eng_http_call call = {.method = method,
                          .headers = headers,
                          .body = body,
                          .timeout_ms = CALL_TIMEOUT_MS,
                          .data = data,
                          .ctx = ctx};
    return call_somebody(s, path, &call, NULL, err);
}

/* ---- Opening ---------------------------------------------------------------------------------------- */

static eng_status session_new(eng_cli *cli, const char *data, eng_cli_session **out, eng_error *err)
{
    eng_http_client_options options = {.user_agent = "engenho/" ENG_VERSION};
    eng_cli_session *s = eng_zalloc(sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->cli = cli;
    s->data = data;
    s->socket = eng_path_join(data, "engenho.sock");
    eng_status status = s->socket ? eng_http_client_new(&options, &s->client, err)
                                  : eng_fail_nomem(err);
    if (status < 0)
        eng_cli_session_close(s);
    else
        *out = s;
    return status;
}

eng_status eng_cli_session_open(eng_cli *cli, eng_cli_session **out, eng_error *err)
{
    const char *data;
    eng_cli_session *s = NULL;
    eng_status status = eng_cli_data(cli, &data, err);
    if (status == ENG_OK)
        status = session_new(cli, data, &s, err);
    if (status == ENG_OK)
        status = reach(s, err);
    if (status < 0)
        eng_cli_session_close(s);
    else
        *out = s;
    return status;
}

void eng_cli_session_close(eng_cli_session *s)
{
    if (!s)
        return;
    eng_http_client_free(s->client);
    if (s->server)
        eng_serve_stop(s->server);
    eng_serve_free(s->server);
    eng_close(s->engine);
    eng_free(s->socket);
    eng_free(s);
}

void eng_cli_session_reply_to(eng_cli_session *s, eng_cli *cli) { s->cli = cli; }

bool eng_cli_server_lives(eng_cli *cli)
{
    const char *data;
    eng_cli_session *s = NULL;
    bool lives = eng_cli_data(cli, &data, NULL) == ENG_OK &&
                 session_new(cli, data, &s, NULL) == ENG_OK && answers(s);
    eng_cli_session_close(s);
    return lives;
}

/* ---- Jobs ------------------------------------------------------------------------------------------- */

static void show(const eng_cli *cli, const eng_json *job)
{
    double done = 0, total = 0, eta = -1;
    eng_json_number(eng_json_get(job, ENG_STR("done")), &done);
    eng_json_number(eng_json_get(job, ENG_STR("total")), &total);
    eng_json_number(eng_json_get(job, ENG_STR("eta_s")), &eta);
    eng_str kind = eng_json_text(eng_json_get(job, ENG_STR("kind")));
    char name[32];
    snprintf(name, sizeof name, "%.*s", ENG_FMT(kind));
    eng_cli_progress(cli, name, (uint64_t)done, (uint64_t)total, eta);
}

eng_status eng_cli_wait_job(eng_cli_session *s, int64_t id, const eng_json **job, eng_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)id);
    eng_status status;
    eng_str state = {"", 0};
    for (long pause = 5;; pause = pause < 200 ? pause * 2 : pause) {
        const eng_json *now = NULL;
        status = eng_cli_call(s, "GET", path, (eng_str){"", 0}, &now, err);
        if (status < 0)
            break;
        *job = now;
        state = eng_json_text(eng_json_get(now, ENG_STR("state")));
        if (!eng_str_eq(state, ENG_STR("queued")) && !eng_str_eq(state, ENG_STR("running")))
            break;
        show(s->cli, now);
        sleep_ms(pause);
    }
    eng_cli_progress_end(s->cli);
    if (status == ENG_OK && eng_str_eq(state, ENG_STR("cancelled")))
        return eng_fail(err, ENG_ECANCELLED, "job %lld was cancelled", (long long)id);
    if (status == ENG_OK && eng_str_eq(state, ENG_STR("failed")))
        return eng_fail(err, ENG_EUPSTREAM, "%.*s",
                        ENG_FMT(eng_json_text(eng_json_get(*job, ENG_STR("error")))));
    return status;
}
