/* Errors as replies: which HTTP status, and which of the four forms. */
#include "base/error.h"
#include "base/log.h"
#include "serve/parts.h"

/* The status of an error for routes of this shape. */
static int http_status(eng_error_shape shape, eng_status status)
{
    int http = eng_status_http(status);
    return shape == ENG_ERRORS_ALL_400 && (http == 415 || http == 422) ? 400 : http;
}

/* ---- Forms ---------------------------------------------------------------------------------- */

static const char *openai_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static const char *openai_code(int status)
{
    switch (status) {
    case 401:
        return "invalid_api_key";
    case 429:
        return "rate_limit_exceeded";
    default:
        return NULL;
    }
}

static void write_openai(eng_json_writer *w, int status, eng_str message, eng_str field)
{
    const char *code = openai_code(status);
    eng_json_name(w, ENG_STR("error"));
    eng_json_open(w, '{');
    eng_json_member(w, "message", message);
    eng_json_member(w, "type", eng_str_of(openai_type(status)));
    eng_json_name(w, ENG_STR("param"));
    if (field.len)
        eng_json_string(w, field);
    else
        eng_json_null(w);
    eng_json_name(w, ENG_STR("code"));
    if (code)
        eng_json_string(w, eng_str_of(code));
    else
        eng_json_null(w);
    eng_json_close(w, '}');
}

void eng_error_write(eng_buf *out, eng_error_shape shape, int status, eng_str message,
                     eng_str field)
{
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    if (shape == ENG_ERRORS_OPENAI)
        write_openai(&w, status, message, field);
    else
        eng_json_member(&w, shape == ENG_ERRORS_OLLAMA ? "error" : "detail", message);
    eng_json_close(&w, '}');
}

/* ---- Replies -------------------------------------------------------------------------------- */

static void log_fault(const eng_request *req, const eng_error *err)
{
    eng_log_line line;
    eng_log_begin(&line, ENG_LOG_ERROR, "a request failed");
    eng_log_str(&line, "id", req->http->id);
    eng_log_str(&line, "method", req->http->method);
    eng_log_str(&line, "path", eng_str_sub(req->http->path, 0, 256));
    eng_log_str(&line, "error", eng_str_of(err->message));
    eng_log_str(&line, "status", eng_str_of(eng_status_name(err->status)));
    eng_log_end(&line);
}

/* Faults of ours speak of files and tables that are nobody else's business. */
static bool is_private(eng_status status)
{
    return eng_status_http(status) == 500 || status == ENG_ENOSPACE || status == ENG_EREADONLY;
}

eng_str eng_error_message(eng_request *req, const eng_error *err)
{
    eng_str text = eng_str_of(eng_status_text(err->status));
    if (!is_private(err->status))
        return err->message[0] ? eng_str_of(err->message) : text;
    log_fault(req, err);
    eng_str more = eng_arena_format(eng_req_arena(req), "%.*s; the log says more of request %.*s",
                                    ENG_FMT(text), ENG_FMT(req->http->id));
    return more.ptr ? more : text;
}

/* For the reply that finds no memory to be written into. */
static eng_str last_words(eng_error_shape shape)
{
    switch (shape) {
    case ENG_ERRORS_OPENAI:
        return ENG_STR("{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\","
                       "\"param\":null,\"code\":null}}");
    case ENG_ERRORS_OLLAMA:
        return ENG_STR("{\"error\":\"out of memory\"}");
    default:
        return ENG_STR("{\"detail\":\"out of memory\"}");
    }
}

void eng_refuse(eng_request *req, const eng_error *err)
{
    eng_exchange *x = req->x;
    eng_buf *out = eng_exchange_out(x);
    eng_error_shape shape = req->entry ? req->entry->route->errors : ENG_ERRORS_DETAIL;
    int status = http_status(shape, err->status);
    eng_buf_reset(out); /* whatever the handler had begun */
    eng_error_write(out, shape, status, eng_error_message(req, err), eng_str_of(err->field));
    eng_reply_headers(req, false);
    eng_exchange_add_header(x, ENG_STR("Content-Type"), ENG_STR("application/json"));
    if (status == 503)
        eng_exchange_add_header(x, ENG_STR("Retry-After"), ENG_STR("1"));
    if (eng_buf_check(out, "reply", NULL) < 0)
        eng_exchange_send_static(x, eng_status_http(ENG_ENOMEM), last_words(shape),
                                 (eng_str){"", 0});
    else
        eng_exchange_send(x, status);
}
