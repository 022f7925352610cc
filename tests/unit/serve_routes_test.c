/* The program's own routes, over the wire: what each declares is what it answers. */
#include "serve_live.h"

#include "serve/routes.h"

#include <zlib.h>

static live shared;

static int setup(void **state)
{
    live_open(&shared);
    live_start(&shared, (eng_serve_options){.socket = true}, eng_route_tables);
    *state = &shared;
    return 0;
}

static int teardown(void **state)
{
    live_close(*state);
    return 0;
}

static const eng_route *route_of(eng_method method, const char *path)
{
    for (const eng_route *const *t = eng_route_tables; *t; t++)
        for (const eng_route *r = *t; r->path; r++)
            if (r->method == method && strcmp(r->path, path) == 0)
                return r;
    fail_msg("no route '%s'", path);
    return NULL;
}

/* The reply has the status and the shape that the route declares. */
static answer declared(live *l, eng_method method, const char *route, const char *path,
                       const char *body)
{
    const eng_route *r = route_of(method, route);
    answer a = ask(l, eng_method_name(method), path, NULL, body);
    assert_status(a, r->status ? r->status : 200);
    if (r->reply)
        assert_shape(route, r->reply, json_of(l, a));
    return a;
}

static int64_t job_of(live *l, answer a)
{
    const eng_json *job = eng_json_get(json_of(l, a), ENG_STR("job"));
    assert_true(eng_json_is(job, ENG_JSON_INT));
    return job->as.integer;
}

static const char *path_of(live *l, const char *format, int64_t id)
{
    char text[64];
    snprintf(text, sizeof text, "%lld", (long long)id);
    return eng_arena_format(&l->arena, "%s%s", format, text).ptr;
}

/* Waits until it has ended, checking every reply on the way. */
static answer finished(live *l, int64_t id)
{
    for (int i = 0; i < 1000; i++) {
        answer a = declared(l, ENG_GET, "/v1/jobs/{id}", path_of(l, "/v1/jobs/", id), NULL);
        eng_str state = eng_json_text(eng_json_get(json_of(l, a), ENG_STR("state")));
        if (!eng_str_eq(state, ENG_STR("queued")) && !eng_str_eq(state, ENG_STR("running")))
            return a;
        usleep(10000);
    }
    fail_msg("job %lld does not end", (long long)id);
    return (answer){0};
}

static void health_is_as_declared(void **state)
{
    live *l = *state;
    answer a = declared(l, ENG_GET, "/health", "/health", NULL);
    assert_member(l, a, "health", "ok");
    assert_member(l, a, "version", ENG_VERSION);
    declared(l, ENG_GET, "/livez", "/livez/", NULL);
    declared(l, ENG_GET, "/readyz", "/readyz", NULL);
}

static void the_root_is_a_page_for_browsers_and_health_for_programs(void **state)
{
    live *l = *state;
    declared(l, ENG_GET, "/", "/", NULL);
    static const char *const programs[] = {"Accept: */*\r\n", "Accept: application/json\r\n",
                                           "Accept: application/json, text/html;q=0.5\r\n",
                                           "Accept: text/html;q=0\r\n"};
    for (size_t i = 0; i < 4; i++)
        assert_line(ask(l, "GET", "/", programs[i], NULL), "Content-Type: application/json");
    answer a = ask(l, "GET", "/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", NULL);
    assert_status(a, 200);
    assert_line(a, "Content-Type: text/html; charset=utf-8");
    assert_line(a, "Vary: Accept");
}

static void keys_are_made_listed_and_removed(void **state)
{
    live *l = *state;
    answer a = declared(l, ENG_POST, "/v1/keys", "/v1/keys",
                        "{\"name\":\"Cora\xc3\xa7\xc3\xa3o\",\"role\":\"write\",\"rate\":60}");
    assert_member(l, a, "name", "Cora\xc3\xa7\xc3\xa3o");
    assert_member(l, a, "role", "write");
    eng_str id = eng_json_text(eng_json_get(json_of(l, a), ENG_STR("id")));
    eng_str secret = eng_json_text(eng_json_get(json_of(l, a), ENG_STR("key")));
    a = declared(l, ENG_GET, "/v1/keys", "/v1/keys?limit=1", NULL);
    assert_int_equal(eng_json_count(eng_json_get(json_of(l, a), ENG_STR("keys"))), 1);
    assert_true(eng_str_find(a.body, id) != SIZE_MAX);
    assert_true(eng_str_find(a.body, secret) == SIZE_MAX);
    const char *path = eng_arena_format(&l->arena, "/v1/keys/%.*s", ENG_FMT(id)).ptr;
    declared(l, ENG_DELETE, "/v1/keys/{id}", path, NULL);
    assert_status(ask(l, "DELETE", path, NULL, NULL), 404);
}

static void a_name_is_never_cut_at_a_nul(void **state)
{
    answer a = ask(*state, "POST", "/v1/keys", NULL, "{\"name\":\"a\\u0000b\",\"role\":\"read\"}");
    assert_int_equal(a.status / 100, 4);
}

static void pages_are_bounded(void **state)
{
    live *l = *state;
    static const char *const wrong[] = {"0", "-1", "1001", "abc", "1e3", ""};
    for (size_t i = 0; i < 6; i++) {
        const char *path = eng_arena_format(&l->arena, "/v1/jobs?limit=%s", wrong[i]).ptr;
        answer a = get(l, path);
        assert_status(a, 422);
        assert_member(l, a, "detail", "limit: expected a whole number of 1 to 1000");
    }
    answer a = get(l, "/v1/jobs?next=AAAAnonsense");
    assert_status(a, 422);
    assert_true(eng_str_find(a.body, ENG_STR("next")) != SIZE_MAX);
    assert_status(get(l, "/v1/jobs?next=%FF"), 400);
}

static void a_doctor_is_a_job_that_ends(void **state)
{
    live *l = *state;
    answer a = declared(l, ENG_POST, "/v1/doctor", "/v1/doctor", "{\"repair\":false}");
    int64_t id = job_of(l, a);
    a = finished(l, id);
    assert_member(l, a, "state", "done");
    declared(l, ENG_GET, "/v1/jobs", "/v1/jobs", NULL);
    assert_status(ask(l, "DELETE", path_of(l, "/v1/jobs/", id), NULL, NULL), 409);
    assert_status(ask(l, "POST", "/v1/doctor", NULL, ""),
                  202); /* all of it optional, so is the body */
}

static void a_backup_goes_to_an_absolute_path(void **state)
{
    live *l = *state;
    answer a = ask(l, "POST", "/v1/backup", NULL, "{\"to\":\"here\"}");
    assert_status(a, 422);
    assert_member(l, a, "detail", "to: expected an absolute path");
    assert_status(ask(l, "POST", "/v1/backup", NULL, "{\"to\":\"/x\\u0000y\"}"), 422);
    const char *body = eng_arena_format(&l->arena, "{\"to\":\"%s-backup\"}", l->data).ptr;
    a = finished(l, job_of(l, declared(l, ENG_POST, "/v1/backup", "/v1/backup", body)));
    assert_member(l, a, "state", "done");
    (void)!eng_dir_remove(eng_arena_format(&l->arena, "%s-backup", l->data).ptr, NULL);
}

static void events_end_with_the_final_state(void **state)
{
    live *l = *state;
    int64_t id = job_of(l, declared(l, ENG_POST, "/v1/doctor", "/v1/doctor", "{}"));
    const char *path = eng_arena_format(&l->arena, "%s/events", path_of(l, "/v1/jobs/", id)).ptr;
    for (int late = 0; late < 2; late++) {
        answer a = get(l, path);
        assert_status(a, 200);
        assert_line(a, "Content-Type: text/event-stream");
        size_t at = eng_str_find(a.body, ENG_STR("\"state\":\"done\""));
        assert_true(at != SIZE_MAX);
        assert_true(eng_str_find(eng_str_sub(a.body, at, a.body.len),
                                 ENG_STR("\"state\":\"running\"")) == SIZE_MAX);
        finished(l, id);
    }
    assert_status(get(l, "/v1/jobs/999999/events"), 404);
    assert_status(get(l, "/v1/jobs/nao-ha/events"), 404);
}

static void clients_that_leave_events_are_forgotten(void **state)
{
    live *l = *state;
    for (int i = 0; i < 50; i++) {
        int64_t id = job_of(l, declared(l, ENG_POST, "/v1/doctor", "/v1/doctor", "{}"));
        const char *path =
            eng_arena_format(&l->arena, "%s/events", path_of(l, "/v1/jobs/", id)).ptr;
        int fd = live_connect(l);
        eng_str text = live_request(l, "GET", path, NULL, NULL);
        assert_int_equal(send(fd, text.ptr, text.len, 0), (ssize_t)text.len);
        if (i % 2)
            usleep(2000);
        close(fd);
    }
    assert_status(get(l, "/health"), 200);
}

static void metrics_count_what_was_asked(void **state)
{
    live *l = *state;
    get(l, "/no/such");
    answer a = get(l, "/metrics");
    assert_status(a, 200);
    assert_line(a, "Content-Type: text/plain; version=0.0.4; charset=utf-8");
    static const char *const lines[] = {
        "engenho_requests_total{route=\"/health\",method=\"GET\",status=\"200\"} ",
        "engenho_requests_total{route=\"\",method=\"\",status=\"404\"} ",
        "engenho_request_seconds_bucket{route=\"/health\",method=\"GET\",le=\"+Inf\"} ",
        "engenho_pool_waiting{class=\"now\"} 0\n",
        "engenho_connections ",
        "process_open_fds ",
        "process_resident_memory_bytes ",
        "process_start_time_seconds ",
        "engenho_build_info{version=\"",
        "engenho_store_commits_total ",
        "engenho_jobs{state=\"queued\"} "};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (eng_str_find(a.body, eng_str_of(lines[i])) == SIZE_MAX)
            fail_msg("no \"%s\" in\n%.*s", lines[i], ENG_FMT(a.body));
}

static void the_document_names_every_route(void **state)
{
    live *l = *state;
    answer a = get(l, "/openapi.json");
    assert_status(a, 200);
    const eng_json *paths = eng_json_get(json_of(l, a), ENG_STR("paths"));
    for (const eng_route *const *t = eng_route_tables; *t; t++) {
        for (const eng_route *r = *t; r->path; r++) {
            char method[8] = "";
            for (size_t i = 0; eng_method_name(r->method)[i]; i++)
                method[i] = (char)(eng_method_name(r->method)[i] | 0x20);
            const eng_json *op = eng_json_get(eng_json_get(paths, eng_str_of(r->path)),
                                              eng_str_of(method));
            if (!op != r->hidden)
                fail_msg("%s %s", method, r->path);
        }
    }
    size_t len;
    char *text = eng_serve_openapi(&len);
    assert_non_null(text);
    assert_true(eng_str_eq((eng_str){text, len}, a.body));
    eng_free(text);
}

static eng_str gunzip(live *l, eng_str text)
{
    enum { MOST = 4 << 20 };
    char *out = eng_arena_alloc(&l->arena, MOST);
    z_stream z = {.next_in = (unsigned char *)text.ptr,
                  .avail_in = (unsigned)text.len,
                  .next_out = (unsigned char *)out,
                  .avail_out = MOST};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return (eng_str){out, MOST - z.avail_out};
}

static void the_pages_files_come_compressed_or_not(void **state)
{
    live *l = *state;
    static const char *const files[] = {"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"};
    for (size_t i = 0; i < 2; i++) {
        answer plain = get(l, files[i]),
               small = ask(l, "GET", files[i], "Accept-Encoding: br, gzip\r\n", NULL);
        assert_status(plain, 200);
        assert_status(small, 200);
        assert_line(small, "Content-Encoding: gzip");
        assert_false(has_header(plain, "Content-Encoding"));
        assert_true(eng_str_eq(gunzip(l, small.body), plain.body));
        answer refused = ask(l, "GET", files[i], "Accept-Encoding: gzip;q=0\r\n", NULL);
        assert_true(eng_str_eq(refused.body, plain.body));
    }
    assert_status(get(l, "/docs/"), 200);
    assert_status(get(l, "/docs/docs.js"), 200);
    assert_status(get(l, "/docs/favicon.png"), 200);
    assert_status(get(l, "/docs/..%2f..%2fetc%2fpasswd"), 404);
}

static void a_file_that_the_client_has_is_not_sent_again(void **state)
{
    live *l = *state;
    answer a = get(l, "/docs/docs.js");
    eng_str line,
        rest = eng_str_sub(a.head, eng_str_find(a.head, ENG_STR("ETag: ")) + 6, a.head.len);
    assert_true(eng_str_cut(rest, '\r', &line, &rest));
    const char *header = eng_arena_format(&l->arena, "If-None-Match: %.*s\r\n", ENG_FMT(line)).ptr;
    a = ask(l, "GET", "/docs/docs.js", header, NULL);
    assert_status(a, 304);
    assert_int_equal(a.body.len, 0);
    assert_status(ask(l, "GET", "/docs/docs.js", "If-None-Match: \"x\"\r\n", NULL), 200);
}

static void the_page_may_load_its_own_files_alone(void **state)
{
    answer a = get(*state, "/docs");
    eng_str policy = eng_str_sub(a.head, eng_str_find(a.head, ENG_STR("Content-Security-Policy: ")),
                                 a.head.len);
    assert_true(eng_str_find(policy, ENG_STR("default-src 'none'; script-src 'self';")) !=
                SIZE_MAX);
    assert_line(a, "Cache-Control: no-cache");
    assert_true(eng_str_find(a.body, ENG_STR("//")) == SIZE_MAX);
}

static void nothing_is_allocated_for_health_once_it_is_warm(void **state)
{
    live *l = *state;
    int fd = live_connect(l);
    static const char text[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    uint64_t before = 0;
    for (int i = 0; i < 200; i++) {
        char got[2048];
        if (i == 100)
            before = eng_alloc_count().allocations;
        assert_int_equal(send(fd, text, sizeof text - 1, 0), (ssize_t)sizeof text - 1);
        assert_true(recv(fd, got, sizeof got, 0) > 0);
    }
    /* The engine's own threads may come by; a request that allocates would make it a hundred. */
    assert_in_range(eng_alloc_count().allocations - before, 0, 50);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_is_as_declared),
        cmocka_unit_test(the_root_is_a_page_for_browsers_and_health_for_programs),
        cmocka_unit_test(keys_are_made_listed_and_removed),
        cmocka_unit_test(a_name_is_never_cut_at_a_nul),
        cmocka_unit_test(pages_are_bounded),
        cmocka_unit_test(a_doctor_is_a_job_that_ends),
        cmocka_unit_test(a_backup_goes_to_an_absolute_path),
        cmocka_unit_test(events_end_with_the_final_state),
        cmocka_unit_test(clients_that_leave_events_are_forgotten),
        cmocka_unit_test(metrics_count_what_was_asked),
        cmocka_unit_test(the_document_names_every_route),
        cmocka_unit_test(the_pages_files_come_compressed_or_not),
        cmocka_unit_test(a_file_that_the_client_has_is_not_sent_again),
        cmocka_unit_test(the_page_may_load_its_own_files_alone),
        cmocka_unit_test(nothing_is_allocated_for_health_once_it_is_warm),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
