/*
 * A request's way, between the callbacks of net:
 *
 *     head     admitted or refused by its head alone: Host, key, rate, route, Origin, type of
 * content; so a stranger's body is never read ready    run on the loop, or handed to a worker with
 * its exchange run      read, validated, handled, answered done     counted and logged
 */
#include "base/clock.h"
#include "base/error.h"
#include "serve/parts.h"

enum {
    IN_MEMORY = 1 << 20,     /* larger bodies go to a file */
    ON_LOOP_MAX = 64 * 1024, /* larger ones are not parsed where others wait */
};

static const eng_str no_text = {"", 0};

/* ---- Admission ------------------------------------------------------------------------------ */

static eng_request *request_new(eng_serve *s, eng_exchange *x)
{
    eng_request *req = eng_arena_zalloc(eng_exchange_arena(x), sizeof *req);
    if (!req)
        return NULL;
    req->serve = s;
    req->x = x;
    req->http = eng_exchange_request(x);
    req->origin = eng_auth_cors(&s->auth, x);
    eng_exchange_set_user(x, req);
    return req;
}

/* What the route asks for; a path that is none asks for a key too, so that nobody can feel their
 * way about without one. */
static eng_role role_needed(const eng_match *match)
{
    if (match->entry)
        return match->entry->route->role;
    return match->open ? ENG_ROLE_NONE : ENG_ROLE_READ;
}

static eng_status admit_key(eng_request *req, eng_role needed, eng_error *err)
{
    unsigned wait_s;
    eng_caller who = eng_auth_caller(req);
    if (who.role == ENG_ROLE_NONE && needed != ENG_ROLE_NONE) {
        eng_exchange_add_header(req->x, ENG_STR("WWW-Authenticate"), ENG_STR("Bearer"));
        return eng_fail(err, ENG_EAUTH, "a key is needed: Authorization: Bearer KEY, or X-API-Key");
    }
    if (who.role < needed)
        return eng_fail(err, ENG_EFORBIDDEN, "this needs the role %s, the key has %s",
                        eng_role_name(needed), eng_role_name(who.role));
    if (who.rate == 0 ||
        eng_rates_take(req->serve->rates, req->key, who.rate, eng_clock_ns(), &wait_s))
        return ENG_OK;
    eng_str wait = eng_arena_format(eng_req_arena(req), "%u", wait_s);
    if (wait.ptr)
        eng_exchange_add_header(req->x, ENG_STR("Retry-After"), wait);
    return eng_fail(err, ENG_ERATE, "the key may ask %u times a minute; try again in %u s",
                    who.rate, wait_s);
}

/* "GET, HEAD, POST, OPTIONS" */
static eng_str methods_text(eng_arena *arena, unsigned methods)
{
    eng_str text = {"", 0};
    for (unsigned m = 0; m < ENG_METHODS && text.ptr; m++)
        if (methods & 1u << m)
            text = eng_arena_format(arena, "%.*s%s%s, ", ENG_FMT(text),
                                    eng_method_name((eng_method)m), m == ENG_GET ? ", HEAD" : "");
    return text.ptr ? eng_arena_format(arena, "%.*sOPTIONS", ENG_FMT(text)) : text;
}

static void add_allow(eng_request *req, unsigned methods)
{
    eng_str text = methods_text(eng_req_arena(req), methods);
    if (text.ptr)
        eng_exchange_add_header(req->x, ENG_STR("Allow"), text);
}

static eng_status admit_route(eng_request *req, const eng_match *match, eng_error *err)
{
    eng_str path = eng_str_sub(req->http->path, 0, 200);
    if (match->methods == 0)
        return eng_fail(err, ENG_ENOTFOUND, "no route '%.*s'", ENG_FMT(path));
    if (!match->entry) {
        add_allow(req, match->methods);
        return eng_fail(err, ENG_EMETHOD, "'%.*s' does not take %.*s", ENG_FMT(path),
                        ENG_FMT(eng_str_sub(req->http->method, 0, 32)));
    }
    req->entry = match->entry;
    memcpy(req->params, match->params, sizeof req->params);
    return match->entry->route->method == ENG_GET ? ENG_OK : eng_auth_origin(req, err);
}

static const char *types_text(unsigned takes)
{
    switch (takes) {
    case ENG_TAKES_JSON:
        return "application/json";
    case ENG_TAKES_MULTIPART:
        return "multipart/form-data";
    case ENG_TAKES_NDJSON:
        return "application/x-ndjson";
    case ENG_TAKES_JSON | ENG_TAKES_MULTIPART:
        return "application/json or multipart/form-data";
    case ENG_TAKES_JSON | ENG_TAKES_NDJSON:
        return "application/json or application/x-ndjson";
    default:
        return "application/json, multipart/form-data or application/x-ndjson";
    }
}

static eng_status admit_body(eng_request *req, eng_error *err)
{
    const eng_route *route = req->entry->route;
    if (!route->takes && !req->http->has_body)
        return ENG_OK;
    if (!route->takes)
        return eng_fail(err, ENG_ETYPE, "%s %s takes no body", eng_method_name(route->method),
                        route->path);
    eng_str type = eng_exchange_header(req->x, ENG_STR("Content-Type"));
    if (!req->http->has_body && !type.ptr)
        return ENG_OK;
    if (!(eng_content_type(type) & route->takes))
        return eng_fail(err, ENG_ETYPE, "expected a body of type %s, got '%.*s'",
                        types_text(route->takes), ENG_FMT(eng_str_sub(type, 0, 100)));
    eng_exchange_take_body(req->x, route->body_max ? route->body_max : req->serve->body_max,
                           IN_MEMORY);
    return ENG_OK;
}

/* What could be another site's page is refused first, then strangers, then mistakes: so a path that
 * is malformed is said to be so to those alone who may ask. */
static eng_status admit(eng_request *req, eng_match *match, eng_error *err)
{
    eng_error path_error;
    eng_status status = eng_auth_host(req, err);
    if (status < 0)
        return status;
    eng_status found = eng_router_find(req->serve->router, eng_method_of(req->http->method),
                                       req->http->path, eng_req_arena(req), match, &path_error);
    if (found < 0)
        *match = (eng_match){.methods = 0};
    if (match->methods && eng_str_eq(req->http->method, ENG_STR("OPTIONS")))
        return ENG_OK; /* browsers ask this without a key */
    status = admit_key(req, role_needed(match), err);
    if (status == ENG_OK && found < 0) {
        *err = path_error;
        status = found;
    }
    if (status == ENG_OK)
        status = admit_route(req, match, err);
    return status < 0 ? status : admit_body(req, err);
}

static void answer_options(eng_request *req, unsigned methods)
{
    eng_exchange *x = req->x;
    add_allow(req, methods);
    eng_reply_headers(req, false);
    if (req->origin.ptr) {
        eng_str text = methods_text(eng_req_arena(req), methods);
        if (text.ptr)
            eng_exchange_add_header(x, ENG_STR("Access-Control-Allow-Methods"), text);
        eng_exchange_add_header(x, ENG_STR("Access-Control-Allow-Headers"),
                                ENG_STR("Authorization, X-API-Key, Content-Type, X-Request-Id"));
        eng_exchange_add_header(x, ENG_STR("Access-Control-Max-Age"), ENG_STR("600"));
    }
    eng_exchange_send(x, 204);
}

static void on_head(void *ctx, eng_exchange *x)
{
    eng_match match;
    eng_error err;
    eng_request *req = request_new(ctx, x);
    if (!req) {
        eng_exchange_send(x, eng_status_http(ENG_ENOMEM));
        return;
    }
    if (admit(req, &match, &err) < 0)
        eng_refuse(req, &err);
    else if (!req->entry)
        answer_options(req, match.methods);
}

/* ---- Running -------------------------------------------------------------------------------- */

/* HEAD of a stream: its headers, without beginning what may never end. */
static bool is_head_of_stream(const eng_request *req)
{
    return req->entry->route->where == ENG_ON_STREAM &&
           eng_str_eq(req->http->method, ENG_STR("HEAD"));
}

static eng_status handle(eng_request *req, eng_reply *out, eng_error *err)
{
    const eng_route *route = req->entry->route;
    eng_status status = eng_request_read(req, err);
    if (status < 0)
        return status;
    if (!is_head_of_stream(req))
        return route->handle(req, out, err);
    out->type = route->reply_type;
    return ENG_OK;
}

static void run(eng_request *req)
{
    eng_error err;
    eng_reply out = {.req = req};
    eng_buf *body = eng_exchange_out(req->x);
    eng_status status = handle(req, &out, &err);
    if (out.taken)
        return; /* neither req nor its exchange may be there any more */
    if (status == ENG_OK)
        status = eng_buf_check(body, "reply", &err);
    if (status < 0)
        eng_refuse(req, &err);
    else
        eng_reply_send(&out);
}

static void run_task(void *arg)
{
    eng_request *req = arg;
    eng_error err;
    if (eng_exchange_cancelled(req->x)) {
        eng_fail(&err, ENG_ECANCELLED, "the client has gone");
        eng_refuse(req, &err);
    } else {
        run(req);
    }
}

/* The pool stops before it came to this one. */
static void drop_task(void *arg)
{
    eng_error err;
    eng_fail(&err, ENG_EBUSY, "the server is stopping");
    eng_refuse(arg, &err);
}

static bool runs_here(const eng_request *req)
{
    const eng_route *route = req->entry->route;
    eng_str body;
    size_t most = route->loop_max ? route->loop_max : ON_LOOP_MAX;
    if (route->where != ENG_ON_LOOP || (route->loop_plain && req->http->query.len))
        return false;
    if (!route->takes || !req->http->has_body)
        return true;
    /* One that went to a file is only mapped by this, not read. */
    return eng_exchange_body(req->x, &body, NULL) == ENG_OK && body.len <= most;
}

static void on_ready(void *ctx, eng_exchange *x)
{
    eng_serve *s = ctx;
    eng_error err;
    eng_request *req = eng_exchange_user(x);
    if (runs_here(req)) {
        run(req);
        return;
    }
    eng_task task = {.run = run_task, .dropped = drop_task, .arg = req};
    if (eng_pool_submit(s->pool, ENG_POOL_NOW, task, &err) < 0) {
        eng_fail(&err, ENG_EBUSY, "too many requests wait already");
        eng_refuse(req, &err);
    }
}

/* ---- Afterwards ----------------------------------------------------------------------------- */

static void on_done(void *ctx, eng_exchange *x)
{
    eng_serve *s = ctx;
    const eng_request *req = eng_exchange_user(x);
    unsigned loop = eng_exchange_loop(x);
    unsigned route = req && req->entry ? req->entry->index : eng_metrics_none(s->metrics);
    uint64_t now = eng_clock_ns();
    eng_metrics_count(s->metrics, loop, route, eng_exchange_status(x),
                      now - eng_exchange_request(x)->started_ns);
    if (s->access_log)
        eng_access_log(&s->loops[loop].log, x, req ? req->key : NULL, now);
}

/* What net refuses by itself; the request may never have had a head. */
static void on_refuse(void *ctx, eng_exchange *x, int status, const char *why)
{
    const eng_request *req = eng_exchange_user(x);
    const eng_request stranger = {.serve = ctx, .x = x, .origin = {NULL, 0}};
    eng_error_shape shape = ENG_ERRORS_DETAIL;
    if (req && req->entry)
        shape = req->entry->route->errors;
    eng_error_write(eng_exchange_out(x), shape, status, eng_str_of(why), no_text);
    eng_reply_headers(req ? req : &stranger, false);
    eng_exchange_add_header(x, ENG_STR("Content-Type"), ENG_STR("application/json"));
    if (status == 503)
        eng_exchange_add_header(x, ENG_STR("Retry-After"), ENG_STR("1"));
}

static void on_turn(void *ctx, unsigned loop)
{
    eng_serve *s = ctx;
    eng_job_streams_turn(&s->loops[loop]);
    if (s->loops[loop].log.len)
        eng_access_flush(&s->loops[loop].log);
}

eng_http_callbacks eng_serve_callbacks(eng_serve *s)
{
    return (eng_http_callbacks){
        .head = on_head,
        .ready = on_ready,
        .done = on_done,
        .refuse = on_refuse,
        .turn = on_turn,
        .ctx = s,
    };
}
