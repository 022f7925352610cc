/*
 * What a handler has. A request's values lie in one array, the fields of the body first, those of
 * the query behind them, in the order of the tables; presets (router.c) lie in the same order.
 */
#include "base/clock.h"
#include "base/error.h"
#include "serve/parts.h"

#include <assert.h>

/* ---- Reading a request ---------------------------------------------------------------------- */

static eng_status read_query_field(eng_request *req, eng_str name, eng_str raw, eng_error *err)
{
    const eng_entry *e = req->entry;
    eng_str text;
    for (unsigned i = 0; i < e->queries; i++) {
        const eng_field *f = &e->route->query[i];
        const eng_json **value = &req->values[e->fields + i];
        if (!eng_str_eq(name, eng_str_of(f->name)))
            continue;
        if (*value)
            return eng_fail_field(err, ENG_EMALFORMED, name, "stands twice in the query");
        eng_status status = eng_url_decode(raw, true, eng_req_arena(req), &text, err);
        if (status < 0)
            return eng_fail_field(err, status, name, "%s", err ? err->message : "malformed");
        if (f->type == ENG_BOOL && text.len == 0)
            text = ENG_STR("true"); /* "?proba" */
        return eng_validate_text(f, text, eng_req_arena(req), value, err);
    }
    return ENG_OK;
}

static eng_status read_query(eng_request *req, eng_error *err)
{
    const eng_entry *e = req->entry;
    eng_str query = req->http->query, raw_name, raw, name;
    while (e->queries && eng_query_next(&query, &raw_name, &raw)) {
        eng_status status = eng_url_decode(raw_name, true, eng_req_arena(req), &name, err);
        if (status == ENG_OK)
            status = read_query_field(req, name, raw, err);
        if (status < 0)
            return status;
    }
    for (unsigned i = 0; i < e->queries; i++) {
        const eng_field *f = &e->route->query[i];
        if (f->required && !req->values[e->fields + i])
            return eng_validate_missing(f, err);
    }
    return ENG_OK;
}

static bool needs_body(const eng_route *route)
{
    for (const eng_field *f = route->body; f && f->name; f++)
        if (f->required)
            return true;
    return false;
}

static eng_status read_json(eng_request *req, eng_str text, eng_error *err)
{
    const eng_route *route = req->entry->route;
    if (text.len == 0 && !needs_body(route))
        return ENG_OK;
    eng_status status = eng_json_read(text, NULL, eng_req_arena(req), &req->body, err);
    if (status < 0 || !route->body)
        return status;
    if (req->body->type != ENG_JSON_OBJECT)
        return eng_fail(err, ENG_EMALFORMED, "expected an object, got %s",
                        eng_json_type_name(req->body));
    return eng_validate_object(route->body, req->body, req->values, err);
}

/* The parts that are fields: those without a file name that the table knows. */
static eng_status read_form_field(eng_request *req, unsigned i, eng_error *err)
{
    const eng_field *f = &req->entry->route->body[i];
    for (size_t p = 0; p < req->part_count; p++) {
        const eng_part *part = &req->parts[p];
        if (part->filename.ptr || !eng_str_eq(part->name, eng_str_of(f->name)))
            continue;
        if (req->values[i])
            return eng_fail_field(err, ENG_EMALFORMED, part->name, "stands twice in the form");
        eng_status status = eng_validate_text(f, part->content, eng_req_arena(req), &req->values[i],
                                              err);
        if (status < 0)
            return status;
    }
    if (f->required && !req->values[i])
        return eng_validate_missing(f, err);
    return ENG_OK;
}

static eng_status read_form(eng_request *req, eng_str type, eng_str body, eng_error *err)
{
    eng_status status = eng_multipart_read(type, body, eng_req_arena(req), &req->parts,
                                           &req->part_count, err);
    for (unsigned i = 0; status == ENG_OK && i < req->entry->fields; i++)
        status = read_form_field(req, i, err);
    return status;
}

static eng_status read_body(eng_request *req, eng_error *err)
{
    eng_str body, type = eng_exchange_header(req->x, ENG_STR("Content-Type"));
    unsigned takes = req->entry->route->takes;
    if (!takes)
        return ENG_OK;
    eng_status status = eng_exchange_body(req->x, &body, err);
    if (status < 0)
        return status;
    switch (eng_content_type(type)) {
    case ENG_TAKES_MULTIPART:
        return read_form(req, type, body, err);
    case ENG_TAKES_NDJSON:
        return ENG_OK; /* read line by line, by the handler */
    default:
        return takes & ENG_TAKES_JSON ? read_json(req, body, err) : ENG_OK;
    }
}

unsigned eng_content_type(eng_str header)
{
    eng_str type = header, parameters;
    eng_str_cut(header, ';', &type, &parameters);
    type = eng_str_trim(type);
    if (eng_str_eq_nocase(type, ENG_STR("application/json")))
        return ENG_TAKES_JSON;
    if (eng_str_eq_nocase(type, ENG_STR("multipart/form-data")))
        return ENG_TAKES_MULTIPART;
    if (eng_str_eq_nocase(type, ENG_STR("application/x-ndjson")))
        return ENG_TAKES_NDJSON;
    return 0;
}

eng_status eng_request_read(eng_request *req, eng_error *err)
{
    const eng_entry *e = req->entry;
    size_t count = (size_t)e->fields + e->queries;
    if (count) {
        req->values = eng_arena_zalloc(eng_req_arena(req), count * sizeof *req->values);
        if (!req->values)
            return eng_fail_nomem(err);
    }
    eng_status status = read_query(req, err);
    return status < 0 ? status : read_body(req, err);
}

/* ---- What a handler asks for ---------------------------------------------------------------- */

eng *eng_req_engine(const eng_request *req) { return req->serve->engine; }

eng_serve *eng_req_server(const eng_request *req) { return req->serve; }

eng_arena *eng_req_arena(const eng_request *req) { return eng_exchange_arena(req->x); }

eng_exchange *eng_req_exchange(const eng_request *req) { return req->x; }

const eng_json *eng_req_body(const eng_request *req) { return req->body; }

const eng_part *eng_req_parts(const eng_request *req, size_t *count)
{
    *count = req->part_count;
    return req->parts;
}

eng_str eng_req_path(const eng_request *req, const char *name)
{
    size_t len = strlen(name), index = 0;
    for (const char *at = strchr(req->entry->route->path, '{'); at; at = strchr(at + 1, '{')) {
        if (strncmp(at + 1, name, len) == 0 && at[len + 1] == '}')
            return req->params[index];
        index++;
    }
    assert(false && "a parameter of the route's path");
    return (eng_str){"", 0};
}

static const eng_field *field_at(const eng_entry *e, unsigned i)
{
    return i < e->fields ? &e->route->body[i] : &e->route->query[i - e->fields];
}

static unsigned index_of(const eng_request *req, const char *name)
{
    const eng_entry *e = req->entry;
    unsigned i = 0;
    while (i < e->fields + e->queries && strcmp(field_at(e, i)->name, name) != 0)
        i++;
    assert(i < e->fields + e->queries);
    return i;
}

/* Given, or else the preset; NULL where there is neither. */
static const eng_json *value_of(const eng_request *req, const char *name)
{
    unsigned i = index_of(req, name);
    return req->values[i] ? req->values[i] : req->entry->presets[i];
}

bool eng_req_has(const eng_request *req, const char *name)
{
    return req->values[index_of(req, name)] != NULL;
}

eng_str eng_req_text(const eng_request *req, const char *name)
{
    return eng_json_text(value_of(req, name));
}

int64_t eng_req_int(const eng_request *req, const char *name)
{
    const eng_json *v = value_of(req, name);
    int64_t ms = 0;
    if (eng_json_is(v, ENG_JSON_INT))
        return v->as.integer;
    return eng_time_parse(eng_json_text(v), &ms) ? ms : 0;
}

double eng_req_number(const eng_request *req, const char *name)
{
    double n = 0;
    return eng_json_number(value_of(req, name), &n) ? n : 0;
}

bool eng_req_bool(const eng_request *req, const char *name)
{
    const eng_json *v = value_of(req, name);
    return eng_json_is(v, ENG_JSON_BOOL) && v->as.boolean;
}

const eng_json *eng_req_json(const eng_request *req, const char *name)
{
    return value_of(req, name);
}

/* ---- Replying ------------------------------------------------------------------------------- */

eng_json_writer *eng_reply_json(eng_reply *out)
{
    out->writer = eng_json_write_to(eng_exchange_out(out->req->x));
    return &out->writer;
}

void eng_reply_status(eng_reply *out, int status) { out->status = status; }

void eng_reply_header(eng_reply *out, eng_str name, eng_str value)
{
    out->own_cache |= eng_str_eq_nocase(name, ENG_STR("Cache-Control"));
    eng_exchange_add_header(out->req->x, name, value);
}

eng_buf *eng_reply_bytes(eng_reply *out, const char *type)
{
    out->type = type;
    return eng_exchange_out(out->req->x);
}

void eng_reply_static(eng_reply *out, const char *type, eng_str body, eng_str gzipped)
{
    out->type = type;
    out->stored = true;
    out->body = body;
    out->gzipped = gzipped;
}

eng_reply *eng_reply_later(eng_reply *out)
{
    eng_reply *later = eng_arena_zalloc(eng_req_arena(out->req), sizeof *later);
    if (!later)
        return NULL;
    later->req = out->req;
    out->taken = true;
    return later;
}

void eng_reply_finish(eng_reply *later, const eng_error *err)
{
    eng_error full;
    if (!err && eng_buf_check(eng_exchange_out(later->req->x), "reply", &full) < 0)
        err = &full;
    if (err)
        eng_refuse(later->req, err);
    else
        eng_reply_send(later);
}

eng_request *eng_reply_request(const eng_reply *out) { return out->req; }

void eng_reply_stream(eng_reply *out)
{
    eng_reply_stream_as(out, out->req->entry->route->reply_type);
}

void eng_reply_stream_as(eng_reply *out, const char *type)
{
    const eng_route *route = out->req->entry->route;
    eng_exchange *x = out->req->x;
    out->taken = true;
    eng_reply_headers(out->req, false);
    if (strcmp(type, "text/event-stream") == 0) {
        eng_exchange_events(x);
        return;
    }
    eng_exchange_add_header(x, ENG_STR("Content-Type"), eng_str_of(type));
    eng_exchange_stream(x, route->status ? route->status : 200);
}

/* Every reply has these; what a key may see must not lie in a cache. */
#define COMMON                                                                                     \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

void eng_reply_headers(const eng_request *req, bool own_cache)
{
    eng_exchange_fixed_headers(req->x, own_cache ? ENG_STR(COMMON)
                                                 : ENG_STR(COMMON "Cache-Control: no-store\r\n"));
    if (!req->origin.ptr)
        return;
    eng_exchange_add_header(req->x, ENG_STR("Access-Control-Allow-Origin"), req->origin);
    eng_exchange_add_header(req->x, ENG_STR("Access-Control-Expose-Headers"),
                            ENG_STR("X-Request-Id, Retry-After"));
    eng_exchange_add_header(req->x, ENG_STR("Vary"), ENG_STR("Origin"));
}

static bool has_body(int status) { return status != 204 && status != 304; }

void eng_reply_send(eng_reply *out)
{
    eng_exchange *x = out->req->x;
    int status = out->status ? out->status : out->req->entry->route->status;
    if (status == 0)
        status = 200;
    eng_reply_headers(out->req, out->own_cache);
    if (has_body(status))
        eng_exchange_add_header(x, ENG_STR("Content-Type"),
                                out->type ? eng_str_of(out->type) : ENG_STR("application/json"));
    if (out->stored)
        eng_exchange_send_static(x, status, out->body, out->gzipped);
    else
        eng_exchange_send(x, status);
}
