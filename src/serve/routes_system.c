/* What the server says of itself: health, metrics, its documents. */
#include "base/error.h"
#include "serve/routes.h"

/* ---- Health --------------------------------------------------------------------------------- */

static const eng_field model_reply[] = {
    {"name", ENG_TEXT, .required = true, .doc = "The model's name."},
    {"version", ENG_INT, .required = true, .doc = "Its active version."},
    {0},
};

const eng_field eng_health_shape[] = {
    {"health", ENG_TEXT, .required = true, .doc = "\"ok\" while the server answers.",
     .example = "\"ok\""},
    {"version", ENG_TEXT, .required = true, .doc = "The program's version.",
     .example = "\"" ENG_VERSION "\""},
    {"uptime_s", ENG_NUMBER, .required = true, .doc = "Seconds since the data was opened.",
     .example = "12.5"},
    {"model", ENG_OBJECT, .required = true, .nullable = true, .of = model_reply,
     .doc = "The model that answers predictions, or null.", .example = "null"},
    {"collections", ENG_INT, .required = true, .doc = "How many collections there are.",
     .example = "0"},
    {"disk_free", ENG_INT, .required = true,
     .doc = "Bytes that may still be written beside the data.", .example = "120034123776"},
    {0},
};

static void write_model_in_use(eng_json_writer *w, eng *e)
{
    eng_predictor *p = NULL;
    eng_json_name(w, ENG_STR("model"));
    if (eng_predictor_take(e, ENG_PREDICTOR_TABLE, (eng_str){"", 0}, &p, NULL) < 0 &&
        eng_predictor_take(e, ENG_PREDICTOR_TEXT, (eng_str){"", 0}, &p, NULL) < 0) {
        eng_json_null(w);
        return;
    }
    eng_json_open(w, '{');
    eng_json_member(w, "name", eng_str_of(eng_predictor_about(p)->name));
    eng_json_name(w, ENG_STR("version"));
    eng_json_uint(w, eng_predictor_about(p)->version);
    eng_json_close(w, '}');
    eng_predictor_give(p);
}

static eng_status health(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    eng_health h;
    eng_health_now(eng_req_engine(req), &h);
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "health", ENG_STR("ok"));
    eng_json_member(w, "version", eng_str_of(h.version));
    eng_json_name(w, ENG_STR("uptime_s"));
    eng_json_double(w, h.uptime_s);
    write_model_in_use(w, eng_req_engine(req));
    eng_json_name(w, ENG_STR("collections"));
    eng_json_uint(w, h.collections);
    eng_json_name(w, ENG_STR("disk_free"));
    eng_json_uint(w, h.disk_free);
    eng_json_close(w, '}');
    return ENG_OK;
}

static const eng_field state_reply[] = {
    {"status", ENG_TEXT, .required = true, .doc = "\"alive\" or \"ready\".",
     .example = "\"ready\""},
    {0},
};

static eng_status say(eng_reply *out, eng_str status)
{
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "status", status);
    eng_json_close(w, '}');
    return ENG_OK;
}

static eng_status livez(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)req;
    (void)err;
    return say(out, ENG_STR("alive"));
}

static eng_status readyz(eng_request *req, eng_reply *out, eng_error *err)
{
    switch (eng_serve_phase(eng_req_server(req))) {
    case ENG_PHASE_STARTING:
        return eng_fail(err, ENG_EBUSY, "the server is starting");
    case ENG_PHASE_DRAINING:
        return eng_fail(err, ENG_EBUSY, "the server is stopping");
    default:
        return say(out, ENG_STR("ready"));
    }
}

/* ---- The page, or health -------------------------------------------------------------------- */

/* The weight of one entry of an Accept header: 1 where none is given; 0 where it is malformed. */
static double weight_of(eng_str parameters)
{
    eng_str one;
    for (bool more = parameters.len > 0; more;) {
        double weight;
        more = eng_str_cut(parameters, ';', &one, &parameters);
        one = eng_str_trim(one);
        if (eng_str_starts(one, ENG_STR("q=")))
            return eng_number_read(eng_str_sub(one, 2, one.len), &weight) ? weight : 0;
    }
    return 1;
}

/* A browser names text/html; a program takes anything, or JSON. */
static bool prefers_page(eng_str accept)
{
    double page = 0, other = 0;
    eng_str one, type, parameters;
    for (bool more = accept.len > 0; more;) {
        more = eng_str_cut(accept, ',', &one, &accept);
        eng_str_cut(one, ';', &type, &parameters);
        type = eng_str_trim(type);
        double weight = weight_of(parameters);
        bool is_page = eng_str_eq_nocase(type, ENG_STR("text/html"));
        if (is_page && weight > page)
            page = weight;
        if (!is_page && eng_str_eq_nocase(type, ENG_STR("application/json")) && weight > other)
            other = weight;
    }
    return page > other;
}

static eng_status root(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str accept = eng_exchange_header(eng_req_exchange(req), ENG_STR("Accept"));
    eng_reply_header(out, ENG_STR("Vary"), ENG_STR("Accept"));
    return prefers_page(accept) ? eng_web_reply(req, (eng_str){"", 0}, out, err)
                                : health(req, out, err);
}

/* ---- Documents ------------------------------------------------------------------------------ */

static eng_status metrics(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    eng_serve_metrics(eng_req_server(req),
                      eng_reply_bytes(out, "text/plain; version=0.0.4; charset=utf-8"));
    return ENG_OK;
}

static eng_status openapi(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    const eng_serve *s = eng_req_server(req);
    eng_reply_static(out, "application/json", s->document, s->document_gzipped);
    return ENG_OK;
}

static eng_status docs(eng_request *req, eng_reply *out, eng_error *err)
{
    return eng_web_reply(req, (eng_str){"", 0}, out, err);
}

static eng_status docs_file(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name = eng_req_path(req, "file");
    return eng_web_reply(req, name, out, err);
}

const eng_route eng_routes_system[] = {
    {ENG_GET, "/", ENG_ROLE_NONE, NULL, eng_health_shape, root,
     "The documentation page for browsers; for programs the same as /health.",
     .reply_type = "text/html", .operation = "get_root"},
    {ENG_GET, "/health", ENG_ROLE_NONE, NULL, eng_health_shape, health,
     "Says that the server is well, what it is, and how much room it has.", .where = ENG_ON_LOOP},
    {ENG_GET, "/livez", ENG_ROLE_NONE, NULL, state_reply, livez,
     "Answers as long as the process lives.", .where = ENG_ON_LOOP},
    {ENG_GET, "/readyz", ENG_ROLE_NONE, NULL, state_reply, readyz,
     "Answers 200 when requests are welcome, 503 while the server starts or stops.",
     .fails = "503"},
    {ENG_GET, "/metrics", ENG_ROLE_READ, NULL, NULL, metrics,
     "Counters in Prometheus' text format.", .reply_type = "text/plain", .where = ENG_ON_WORKER},
    {ENG_GET, "/openapi.json", ENG_ROLE_NONE, NULL, NULL, openapi, "This document.",
     .reply_type = "application/json"},
    {ENG_GET, "/docs", ENG_ROLE_NONE, NULL, NULL, docs,
     "The documentation as a page to try things on.", .reply_type = "text/html"},
    {ENG_GET, "/docs/{file}", ENG_ROLE_NONE, NULL, NULL, docs_file, "A file of that page.",
     .reply_type = "application/octet-stream", .fails = "404", .where = ENG_ON_WORKER,
     .hidden = true},
    {0},
};
