/* What the table of routes promises, over the wire, with a table made for it. */
#include "serve_live.h"

#include "base/error.h"

/* ---- Routes that show what they were given -------------------------------------------------- */

static const eng_field echo_fields[] = {
    {"text", ENG_TEXT, .required = true, .min = 1, .max = 20},
    {"count", ENG_INT, .min = 1, .max = 9, .preset = "4"},
    {"weight", ENG_NUMBER, .preset = "0.5"},
    {"loud", ENG_BOOL, .preset = "false"},
    {"at", ENG_TIME, .preset = "\"1970-01-01T00:00:01Z\""},
    {"list", ENG_LIST, .items = ENG_INT},
    {0},
};

static const eng_field echo_query[] = {
    {"page", ENG_INT, .min = 1, .max = 9, .preset = "1"},
    {"must", ENG_TEXT, .required = true},
    {0},
};

static void write_echo(eng_request *req, eng_json_writer *w)
{
    eng_json_open(w, '{');
    eng_json_member(w, "text", eng_req_text(req, "text"));
    eng_json_name(w, ENG_STR("count"));
    eng_json_int(w, eng_req_int(req, "count"));
    eng_json_name(w, ENG_STR("counted"));
    eng_json_bool(w, eng_req_has(req, "count"));
    eng_json_name(w, ENG_STR("weight"));
    eng_json_double(w, eng_req_number(req, "weight"));
    eng_json_name(w, ENG_STR("loud"));
    eng_json_bool(w, eng_req_bool(req, "loud"));
    eng_json_name(w, ENG_STR("at"));
    eng_json_int(w, eng_req_int(req, "at"));
    eng_json_name(w, ENG_STR("list"));
    eng_json_int(w, (int64_t)eng_json_count(eng_req_json(req, "list")));
    eng_json_name(w, ENG_STR("members"));
    eng_json_int(w, (int64_t)eng_json_count(eng_req_body(req)));
    eng_json_name(w, ENG_STR("page"));
    eng_json_int(w, eng_req_int(req, "page"));
    eng_json_close(w, '}');
}

static eng_status echo(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    write_echo(req, eng_reply_json(out));
    return ENG_OK;
}

static eng_status name(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    eng_buf_str(eng_reply_bytes(out, "text/plain"), eng_req_path(req, "b"));
    eng_reply_header(out, ENG_STR("X-Other"), eng_req_path(req, "a"));
    eng_reply_status(out, 202);
    return ENG_OK;
}

static eng_status form(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    size_t count;
    const eng_part *parts = eng_req_parts(req, &count);
    eng_buf *body = eng_reply_bytes(out, "text/plain");
    eng_buf_format(body, "%.*s %zu", ENG_FMT(eng_req_text(req, "text")), count);
    for (size_t i = 0; i < count; i++)
        if (parts[i].filename.ptr)
            eng_buf_format(body, " %.*s=%zu", ENG_FMT(parts[i].filename), parts[i].content.len);
    return ENG_OK;
}

static eng_status lines(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str body;
    eng_status status = eng_exchange_body(eng_req_exchange(req), &body, err);
    if (status == ENG_OK)
        eng_buf_format(eng_reply_bytes(out, "text/plain"), "%zu", body.len);
    return status;
}

/* Begins a reply, then fails in the way that the query asks for. */
static eng_status refuse(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_json_open(eng_reply_json(out), '{');
    eng_json_member(&out->writer, "half", ENG_STR("a reply"));
    eng_json_close(&out->writer, '}');
    eng_str how = eng_req_path(req, "how");
    if (eng_str_eq(how, ENG_STR("io")))
        return eng_fail(err, ENG_EIO, "cannot read '/secret/place'");
    if (eng_str_eq(how, ENG_STR("busy")))
        return eng_fail(err, ENG_EBUSY, "come again");
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("how"), "expected another way");
}

static eng_status stream(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    eng_exchange *x = eng_req_exchange(req);
    eng_reply_stream(out);
    for (int i = 0; i < 3; i++)
        (void)!eng_exchange_write(x, ENG_STR("piece "), true, NULL);
    eng_exchange_end(x, false);
    return ENG_OK;
}

static const eng_route table[] = {
    {ENG_POST, "/echo", ENG_ROLE_NONE, echo_fields, NULL, echo, "On the loop.", .query = echo_query,
     .takes = ENG_TAKES_JSON},
    {ENG_POST, "/work", ENG_ROLE_WRITE, echo_fields, NULL, echo, "On a worker.",
     .query = echo_query, .takes = ENG_TAKES_JSON, .where = ENG_ON_WORKER},
    {ENG_GET, "/name/{a}/{b}", ENG_ROLE_READ, NULL, NULL, name, "Names.",
     .reply_type = "text/plain"},
    {ENG_POST, "/form", ENG_ROLE_WRITE, echo_fields, NULL, form, "Parts.", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON | ENG_TAKES_MULTIPART},
    {ENG_POST, "/lines", ENG_ROLE_WRITE, NULL, NULL, lines, "Lines.", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_NDJSON, .body_max = 100},
    {ENG_POST, "/strict", ENG_ROLE_WRITE, echo_fields, NULL, echo, "All 400.", .query = echo_query,
     .takes = ENG_TAKES_JSON, .errors = ENG_ERRORS_ALL_400},
    {ENG_GET, "/fail/{how}", ENG_ROLE_READ, NULL, NULL, refuse, "Fails.", .where = ENG_ON_WORKER},
    {ENG_GET, "/openai/{how}", ENG_ROLE_READ, NULL, NULL, refuse, "Fails.",
     .errors = ENG_ERRORS_OPENAI},
    {ENG_GET, "/ollama/{how}", ENG_ROLE_READ, NULL, NULL, refuse, "Fails.",
     .errors = ENG_ERRORS_OLLAMA},
    {ENG_GET, "/stream", ENG_ROLE_READ, NULL, NULL, stream, "Streams.",
     .reply_type = "application/x-ndjson", .where = ENG_ON_STREAM},
    {0},
};
static const eng_route *const tables[] = {table, NULL};

static live shared;

static int setup(void **state)
{
    live_open(&shared);
    live_start(&shared, (eng_serve_options){.body_max = 1 << 20, .socket = true}, tables);
    *state = &shared;
    return 0;
}

static int teardown(void **state)
{
    live_close(*state);
    return 0;
}

/* ---- Fields --------------------------------------------------------------------------------- */

static void assert_echo(live *l, const char *path, const char *body, const char *want)
{
    answer a = ask(l, "POST", path, NULL, body);
    assert_status(a, 200);
    if (!eng_str_eq(a.body, eng_str_of(want)))
        fail_msg("expected %s, got %.*s", want, ENG_FMT(a.body));
}

static void fields_come_valid_or_as_their_preset(void **state)
{
    static const char *const paths[] = {"/echo?must=1", "/work?must=1"};
    for (size_t i = 0; i < 2; i++) {
        assert_echo(*state, paths[i], "{\"text\":\"x\"}",
                    "{\"text\":\"x\",\"count\":4,\"counted\":false,\"weight\":0.5,\"loud\":false,"
                    "\"at\":1000,\"list\":0,\"members\":1,\"page\":1}");
    }
    assert_echo(
        *state, "/echo?page=3&must=",
        "{\"text\":\"x\",\"count\":2,\"weight\":3,\"loud\":true,\"at\":\"1970-01-01T00:00:00Z\","
        "\"list\":[1,2],\"other\":null}",
        "{\"text\":\"x\",\"count\":2,\"counted\":true,\"weight\":3.0,\"loud\":true,\"at\":0,"
        "\"list\":2,\"members\":7,\"page\":3}");
}

static void wrong_fields_are_422_and_named(void **state)
{
    live *l = *state;
    answer a = ask(l, "POST", "/echo?must=1", NULL, "{\"text\":7}");
    assert_status(a, 422);
    assert_member(l, a, "detail", "text: expected a string of 1 to 20 characters");
    a = ask(l, "POST", "/echo?must=1&page=x", NULL, "{\"text\":\"x\"}");
    assert_status(a, 422);
    assert_member(l, a, "detail", "page: expected a whole number of 1 to 9");
    a = ask(l, "POST", "/echo", NULL, "{\"text\":\"x\"}");
    assert_status(a, 422);
    assert_member(l, a, "detail", "must: expected a string");
}

static void what_is_malformed_is_400(void **state)
{
    live *l = *state;
    answer a = ask(l, "POST", "/echo?must=1", NULL, "{\"text\":\n tru}");
    assert_status(a, 400);
    assert_true(eng_str_find(a.body, ENG_STR("line 2, column ")) != SIZE_MAX);
    assert_status(ask(l, "POST", "/echo?must=1", NULL, "[]"), 400);
    assert_status(ask(l, "POST", "/echo?must=1", NULL, ""), 400);
    a = ask(l, "POST", "/echo?must=1", NULL, "{\"text\":\"a\",\"te\\u0078t\":\"b\"}");
    assert_status(a, 400);
    assert_true(eng_str_find(a.body, ENG_STR("text")) != SIZE_MAX);
    a = ask(l, "POST", "/echo?must=1&page=1&page=1", NULL, "{\"text\":\"x\"}");
    assert_status(a, 400);
    assert_member(l, a, "detail", "page: stands twice in the query");
    assert_status(ask(l, "POST", "/echo?must=%zz", NULL, "{\"text\":\"x\"}"), 400);
}

static void another_type_of_content_is_415(void **state)
{
    live *l = *state;
    assert_status(ask(l, "POST", "/echo?must=1", "Content-Type: text/plain\r\n", "{}"), 415);
    assert_status(ask(l, "POST", "/echo?must=1",
                      "Content-Type: Application/JSON; charset=utf-8\r\n", "{\"text\":\"x\"}"),
                  200);
    assert_status(ask(l, "GET", "/name/a/b", NULL, "{}"), 415);
}

static void everything_invalid_is_400_where_the_route_says_so(void **state)
{
    live *l = *state;
    assert_status(ask(l, "POST", "/strict?must=1", NULL, "{\"text\":7}"), 400);
    assert_status(ask(l, "POST", "/strict?must=1", "Content-Type: text/plain\r\n", "{}"), 400);
    assert_status(ask(l, "POST", "/strict?must=1", NULL, "{\"text\":\"x\"}"), 200);
}

static void bodies_beyond_their_limit_are_413(void **state)
{
    live *l = *state;
    assert_status(ask(l, "POST", "/echo?must=1", "Content-Length: 1099511627776\r\n", NULL), 415);
    assert_status(ask(l, "POST", "/echo?must=1",
                      "Content-Type: application/json\r\nContent-Length: 1099511627776\r\n", NULL),
                  413);
    answer a = ask(l, "POST", "/lines",
                   "Content-Type: application/x-ndjson\r\nContent-Length: 101\r\n", NULL);
    assert_status(a, 413);
    assert_true(eng_json_is(eng_json_get(json_of(l, a), ENG_STR("detail")), ENG_JSON_STRING));
}

static void large_bodies_are_read_by_a_worker(void **state)
{
    live *l = *state;
    char *body = eng_alloc(300002);
    snprintf(body, 300002, "{\"text\":\"x\",\"other\":\"%0299900d\"}", 0);
    assert_status(ask(l, "POST", "/echo?must=1", NULL, body), 200);
    eng_free(body);
}

static void parameters_are_decoded(void **state)
{
    live *l = *state;
    answer a = get(l, "/name/caf%C3%A9/a%2Fb/");
    assert_status(a, 202);
    assert_str_view(a.body, "a/b");
    assert_line(a, "X-Other: caf\xc3\xa9");
    assert_line(a, "Content-Type: text/plain");
}

static void forms_have_fields_and_files(void **state)
{
    live *l = *state;
    const char *type = "Content-Type: multipart/form-data; boundary=b\r\n";
    answer a = ask(l, "POST", "/form", type,
                   "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhello\r\n"
                   "--b\r\nContent-Disposition: form-data; name=\"f\"; "
                   "filename=\"x.txt\"\r\n\r\n12345\r\n--b--\r\n");
    assert_status(a, 200);
    assert_str_view(a.body, "hello 2 x.txt=5");
    a = ask(l, "POST", "/form", type,
            "--b\r\nContent-Disposition: form-data; name=\"count\"\r\n\r\n4\r\n--b--\r\n");
    assert_status(a, 422);
    assert_member(l, a, "detail", "text: expected a string of 1 to 20 characters");
    a = ask(l, "POST", "/form", type,
            "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nx\r\n"
            "--b\r\nContent-Disposition: form-data; name=\"count\"\r\n\r\n44\r\n--b--\r\n");
    assert_status(a, 422);
    assert_member(l, a, "detail", "count: expected a whole number of 1 to 9");
    assert_status(ask(l, "POST", "/form", type, "--b\r\nnothing"), 400);
}

static void lines_are_left_to_the_handler(void **state)
{
    answer a = ask(*state, "POST", "/lines", "Content-Type: application/x-ndjson\r\n", "{}\n{]\n");
    assert_status(a, 200);
    assert_str_view(a.body, "6");
}

/* ---- Errors --------------------------------------------------------------------------------- */

static void errors_have_the_form_of_their_route(void **state)
{
    live *l = *state;
    answer a = get(l, "/fail/so");
    assert_status(a, 422);
    assert_str_view(a.body, "{\"detail\":\"how: expected another way\"}");
    assert_line(a, "Content-Type: application/json");
    a = get(l, "/ollama/so");
    assert_status(a, 422);
    assert_str_view(a.body, "{\"error\":\"how: expected another way\"}");
    a = get(l, "/openai/so");
    assert_status(a, 422);
    assert_str_view(a.body, "{\"error\":{\"message\":\"how: expected another way\","
                            "\"type\":\"invalid_request_error\",\"param\":\"how\",\"code\":null}}");
    a = get(l, "/openai/busy");
    assert_status(a, 503);
    assert_line(a, "Retry-After: 1");
    assert_str_view(a.body, "{\"error\":{\"message\":\"come again\",\"type\":\"server_error\","
                            "\"param\":null,\"code\":null}}");
}

static void faults_of_ours_keep_their_secrets(void **state)
{
    answer a = get(*state, "/fail/io");
    assert_status(a, 500);
    assert_true(eng_str_find(a.body, ENG_STR("secret")) == SIZE_MAX);
    assert_true(eng_str_find(a.body, ENG_STR("input or output failed")) != SIZE_MAX);
}

static void unknown_paths_are_404_and_methods_405(void **state)
{
    live *l = *state;
    answer a = get(l, "/no/such");
    assert_status(a, 404);
    assert_member(l, a, "detail", "no route '/no/such'");
    a = ask(l, "DELETE", "/name/a/b", NULL, NULL);
    assert_status(a, 405);
    assert_line(a, "Allow: GET, HEAD, OPTIONS");
    a = ask(l, "BREW", "/echo", NULL, NULL);
    assert_status(a, 405);
    assert_line(a, "Allow: POST, OPTIONS");
    assert_status(get(l, "/name/a/%zz"), 400);
}

static void options_says_what_there_is(void **state)
{
    answer a = ask(*state, "OPTIONS", "/echo", "Origin: http://elsewhere.example\r\n", NULL);
    assert_status(a, 204);
    assert_line(a, "Allow: POST, OPTIONS");
    assert_false(has_header(a, "Access-Control-Allow-Origin"));
}

static void head_has_no_body(void **state)
{
    answer a = ask(*state, "HEAD", "/name/a/bcd", NULL, NULL);
    assert_status(a, 202);
    assert_line(a, "Content-Length: 3");
    assert_int_equal(a.body.len, 0);
}

static void streams_carry_the_same_headers(void **state)
{
    answer a = get(*state, "/stream");
    assert_status(a, 200);
    assert_str_view(a.body, "piece piece piece ");
    assert_line(a, "Content-Type: application/x-ndjson");
    assert_line(a, "X-Content-Type-Options: nosniff");
}

static void every_reply_has_the_security_headers(void **state)
{
    static const char *const paths[] = {"/name/a/b", "/no/such", "/fail/so"};
    for (size_t i = 0; i < 3; i++) {
        answer a = get(*state, paths[i]);
        assert_line(a, "X-Content-Type-Options: nosniff");
        assert_line(a, "X-Frame-Options: DENY");
        assert_line(a, "Referrer-Policy: no-referrer");
        assert_line(a, "Cross-Origin-Resource-Policy: same-origin");
        assert_line(a, "Cache-Control: no-store");
    }
}

/* ---- Who may -------------------------------------------------------------------------------- */

static void another_sites_page_may_not_change_anything(void **state)
{
    live *l = *state;
    char own[64];
    snprintf(own, sizeof own, "Host: 127.0.0.1:%u\r\nOrigin: http://127.0.0.1:%u\r\n", l->port,
             l->port);
    assert_status(
        ask(l, "POST", "/echo?must=1", "Origin: http://evil.example\r\n", "{\"text\":\"x\"}"), 403);
    assert_status(ask(l, "POST", "/echo?must=1", "Origin: null\r\n", "{\"text\":\"x\"}"), 403);
    assert_status(ask(l, "POST", "/echo?must=1", own, "{\"text\":\"x\"}"), 200);
    assert_status(ask(l, "GET", "/name/a/b", "Origin: http://evil.example\r\n", NULL), 202);
}

static void a_name_that_is_not_ours_is_403_everywhere(void **state)
{
    static const char *const paths[] = {"/name/a/b", "/no/such", "/%zz"};
    for (size_t i = 0; i < 3; i++) {
        assert_status(ask(*state, "GET", paths[i], "Host: evil.example\r\n", NULL), 403);
        assert_status(ask(*state, "OPTIONS", paths[i], "Host: evil.example\r\n", NULL), 403);
    }
}

static void the_socket_in_the_data_asks_no_name(void **state)
{
    live *l = *state;
    answer a = live_say(l, live_connect_unix(l),
                        live_request(l, "GET", "/name/a/b", "Host: evil.example\r\n", NULL));
    assert_status(a, 202);
}

static void key_comes_before_everything_but_the_host(void **state)
{
    (void)state;
    live l;
    live_open(&l);
    live_start(&l, (eng_serve_options){.api_key = "sesame", .socket = true}, tables);
    assert_true(eng_serve_keys_in_force(l.server));
    static const char *const paths[] = {"/work", "/no/such", "/work/%zz", "/name/a/b"};
    for (size_t i = 0; i < 4; i++) {
        answer a = ask(&l, "POST", paths[i], NULL, "{");
        assert_status(a, 401);
        assert_line(a, "WWW-Authenticate: Bearer");
    }
    assert_status(ask(&l, "POST", "/work?must=1", "X-API-Key: sesame\r\n", "{\"text\":\"x\"}"),
                  200);
    assert_status(
        ask(&l, "POST", "/work?must=1", "Authorization: bearer sesame\r\n", "{\"text\":\"x\"}"),
        200);
    assert_status(ask(&l, "POST", "/work", "X-API-Key: sesam\r\n", "{"), 401);
    assert_status(ask(&l, "POST", "/work", "X-API-Key: \r\n", "{"), 401);
    assert_status(
        ask(&l, "GET", "/name/a/b", "Authorization: Basic x\r\nX-API-Key: sesame\r\n", NULL), 202);
    assert_status(ask(&l, "GET", "/no/such", "X-API-Key: sesame\r\n", NULL), 404);
    assert_status(ask(&l, "PUT", "/echo", NULL, NULL), 405); /* open: nothing to hide */
    assert_status(ask(&l, "PUT", "/work", NULL, NULL), 401);
    assert_status(ask(&l, "GET", "/name/a/b", "Host: evil.example\r\nX-API-Key: sesame\r\n", NULL),
                  202);
    assert_status(
        live_say(&l, live_connect_unix(&l), live_request(&l, "GET", "/name/a/b", NULL, NULL)), 202);
    live_close(&l);
}

static void stored_keys_have_roles_and_rates(void **state)
{
    (void)state;
    live l;
    eng_key key;
    eng_error err;
    char secret[ENG_KEY_SECRET_SIZE], header[128];
    live_open(&l);
    assert_ok(eng_key_add(l.engine, ENG_STR("reader"), ENG_ROLE_READ, 3, &key, secret, &err), err);
    eng_key_clear(&key);
    live_start(&l, (eng_serve_options){.keys = ENG_KEYS_REQUIRED}, tables);
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", secret);
    assert_status(ask(&l, "POST", "/work", header, "{"), 403);
    assert_status(ask(&l, "GET", "/name/a/b", header, NULL), 202);
    assert_status(ask(&l, "GET", "/name/a/b", header, NULL), 202);
    assert_status(ask(&l, "GET", "/name/a/b", header, NULL), 202);
    answer a = ask(&l, "GET", "/name/a/b", header, NULL);
    assert_status(a, 429);
    assert_true(has_header(a, "Retry-After"));
    live_close(&l);
}

static void pages_of_allowed_origins_may(void **state)
{
    (void)state;
    live l;
    live_open(&l);
    live_start(&l, (eng_serve_options){.cors = "https://app.example, http://localhost:3000"},
               tables);
    answer a = ask(&l, "OPTIONS", "/echo",
                   "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n", NULL);
    assert_status(a, 204);
    assert_line(a, "Access-Control-Allow-Origin: https://app.example");
    assert_line(a, "Access-Control-Allow-Methods: POST, OPTIONS");
    assert_true(has_header(a, "Access-Control-Allow-Headers"));
    a = ask(&l, "POST", "/echo?must=1", "Origin: http://localhost:3000\r\n", "{\"text\":\"x\"}");
    assert_status(a, 200);
    assert_line(a, "Access-Control-Allow-Origin: http://localhost:3000");
    assert_line(a, "Vary: Origin");
    a = ask(&l, "GET", "/name/a/b", "Origin: http://evil.example\r\n", NULL);
    assert_status(a, 202);
    assert_false(has_header(a, "Access-Control-Allow-Origin"));
    assert_status(
        ask(&l, "POST", "/echo?must=1", "Origin: http://evil.example\r\n", "{\"text\":\"x\"}"),
        403);
    live_close(&l);
}

/* ---- Start ---------------------------------------------------------------------------------- */

static eng_status try_listen(live *l, const char *address, const char *key, eng_keys_mode keys,
                             eng_error *err)
{
    const char *listen[] = {address, NULL};
    eng_serve_options options = {
        .listen = listen, .api_key = key, .keys = keys, .loops = 1, .workers = 1};
    eng_serve *s = NULL;
    eng_status status = eng_serve_new_with(l->engine, &options, tables, &s, err);
    if (status == ENG_OK)
        eng_serve_stop(s);
    eng_serve_free(s);
    return status;
}

static void a_public_address_needs_a_key(void **state)
{
    eng_error err;
    assert_int_equal(try_listen(*state, "0.0.0.0:0", NULL, ENG_KEYS_AUTO, &err), ENG_EUSAGE);
    assert_non_null(strstr(err.message, "key"));
    assert_int_equal(try_listen(*state, "[::]:0", "", ENG_KEYS_AUTO, &err), ENG_EUSAGE);
    assert_ok(try_listen(*state, "0.0.0.0:0", "sesame", ENG_KEYS_AUTO, &err), err);
    assert_ok(try_listen(*state, "0.0.0.0:0", NULL, ENG_KEYS_REQUIRED, &err), err);
    assert_ok(try_listen(*state, "0.0.0.0:0", NULL, ENG_KEYS_OFF, &err), err);
    assert_ok(try_listen(*state, "127.8.9.1:0", NULL, ENG_KEYS_AUTO, &err), err);
}

static void an_address_in_use_is_named(void **state)
{
    live *l = *state;
    eng_error err;
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", l->port);
    assert_true(try_listen(l, address, NULL, ENG_KEYS_AUTO, &err) < 0);
    assert_non_null(strstr(err.message, address));
}

static void survives_without_memory(void **state)
{
    live *l = *state;
    eng_status status;
    assert_survives_no_memory(status,
                              { status = try_listen(l, "127.0.0.1:0", "k", ENG_KEYS_AUTO, NULL); });
}

static void systemd_is_told(void **state)
{
    (void)state;
    char path[] = "/tmp/serve-notify-XXXXXX", got[32] = "";
    assert_non_null(mkdtemp(path));
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    eng_notify("READY=1");
    assert_int_equal(recv(fd, got, sizeof got - 1, MSG_DONTWAIT), 7);
    assert_string_equal(got, "READY=1");
    unsetenv("NOTIFY_SOCKET");
    eng_notify("READY=1");
    assert_int_equal(recv(fd, got, sizeof got - 1, MSG_DONTWAIT), -1);
    close(fd);
    (void)!eng_dir_remove(path, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_valid_or_as_their_preset),
        cmocka_unit_test(wrong_fields_are_422_and_named),
        cmocka_unit_test(what_is_malformed_is_400),
        cmocka_unit_test(another_type_of_content_is_415),
        cmocka_unit_test(everything_invalid_is_400_where_the_route_says_so),
        cmocka_unit_test(bodies_beyond_their_limit_are_413),
        cmocka_unit_test(large_bodies_are_read_by_a_worker),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(forms_have_fields_and_files),
        cmocka_unit_test(lines_are_left_to_the_handler),
        cmocka_unit_test(errors_have_the_form_of_their_route),
        cmocka_unit_test(faults_of_ours_keep_their_secrets),
        cmocka_unit_test(unknown_paths_are_404_and_methods_405),
        cmocka_unit_test(options_says_what_there_is),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(streams_carry_the_same_headers),
        cmocka_unit_test(every_reply_has_the_security_headers),
        cmocka_unit_test(another_sites_page_may_not_change_anything),
        cmocka_unit_test(a_name_that_is_not_ours_is_403_everywhere),
        cmocka_unit_test(the_socket_in_the_data_asks_no_name),
        cmocka_unit_test(key_comes_before_everything_but_the_host),
        cmocka_unit_test(stored_keys_have_roles_and_rates),
        cmocka_unit_test(pages_of_allowed_origins_may),
        cmocka_unit_test(a_public_address_needs_a_key),
        cmocka_unit_test(an_address_in_use_is_named),
        cmocka_unit_test(survives_without_memory),
        cmocka_unit_test(systemd_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
