/* Calls whose answers come bit by bit: promises of eng_http_flow_begin. */
#include "script_help.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"

typedef struct {
    eng_http_flows *flows;
    eng_buf text;
    char type[64];
    int http;
    bool connected;
    unsigned retry_after_s;
    eng_status status, refuse; /* refuse: what data says */
    _Atomic bool ended, gone;
} call;

static eng_status take(void *ctx, const eng_http_flow_head *head, eng_str bytes, eng_error *err)
{
    call *c = ctx;
    assert_true(head->status > 0);
    eng_buf_str(&c->text, bytes);
    return c->refuse ? eng_fail(err, c->refuse, "no more") : ENG_OK;
}

static void done(void *ctx, const eng_http_flow_head *head, const eng_error *err)
{
    call *c = ctx;
    snprintf(c->type, sizeof c->type, "%.*s", ENG_FMT(head->type));
    c->http = head->status;
    c->connected = head->connected;
    c->retry_after_s = head->retry_after_s;
    c->status = err ? err->status : ENG_OK;
    c->ended = true;
}

static bool gone(void *ctx) { return ((call *)ctx)->gone; }

static void begin(call *c)
{
    eng_error err = {0};
    eng_buf_init(&c->text, 1 << 24);
    assert_ok(eng_http_flows_new("test", &c->flows, &err), err);
}

static void end(call *c)
{
    eng_http_flows_free(c->flows);
    eng_buf_clear(&c->text);
}

static eng_status start(call *c, uint16_t port, eng_http_flow how, eng_error *err)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", port);
    c->ended = false;
    eng_buf_reset(&c->text);
    how.url = url;
    how.data = take;
    how.done = done;
    how.cancelled = gone;
    how.ctx = c;
    return eng_http_flow_begin(c->flows, &how, err);
}

/* Runs a call to a server with this script to its end. */
static void run(call *c, script *s, eng_http_flow how)
{
    eng_error err = {0};
    script_start(s);
    assert_ok(start(c, s->port, how, &err), err);
    assert_soon(c->ended);
    script_stop(s);
}

static void an_answer_comes_with_its_head(void **state)
{
    call c = {0};
    script s = {.reply = "HTTP/1.1 429 Busy\r\nContent-Type: text/plain\r\nRetry-After: 7\r\n"
                         "Content-Length: 5\r\n\r\nlater"};
    (void)state;
    begin(&c);
    run(&c, &s, (eng_http_flow){.body = ENG_STR("{}")});
    assert_int_equal(c.status, ENG_OK);
    assert_int_equal(c.http, 429);
    assert_int_equal(c.retry_after_s, 7);
    assert_string_equal(c.type, "text/plain");
    assert_true(c.connected);
    assert_str_view(eng_buf_view(&c.text), "later");
    end(&c);
}

static void what_is_sent_arrives_whole(void **state)
{
    static char body[200000];
    call c = {0};
    script s = {.reply = HEAD "\r\nok"};
    eng_error err = {0};
    (void)state;
    memset(body, 'b', sizeof body);
    begin(&c);
    script_start(&s);
    assert_ok(start(&c, s.port, (eng_http_flow){.body = {body, sizeof body}}, &err), err);
    assert_soon(c.ended);
    pthread_mutex_lock(&s.lock);
    assert_int_equal(s.seen.len, sizeof body);
    assert_memory_equal(s.seen.data, body, sizeof body);
    pthread_mutex_unlock(&s.lock);
    script_stop(&s);
    end(&c);
}

static void what_is_cut_is_the_other_sides_failure(void **state)
{
    static const char *const cut[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        "not http at all\r\n\r\n",
        "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        call c = {0};
        script s = {.reply = cut[i]};
        begin(&c);
        run(&c, &s, (eng_http_flow){.body = ENG_STR("{}")});
        assert_int_equal(c.status, ENG_EUPSTREAM);
        end(&c);
    }
}

static void silence_ends_it(void **state)
{
    call c = {0};
    script s = {.reply = HEAD "\r\nso far", .hold = true};
    (void)state;
    begin(&c);
    run(&c, &s, (eng_http_flow){.body = ENG_STR("{}"), .silence_ms = 60});
    assert_int_equal(c.status, ENG_ETIMEOUT);
    end(&c);
}

static void more_than_it_may_be_ends_it(void **state)
{
    call c = {0};
    script s = {.reply = HEAD "\r\n", .forever = "0123456789012345678901234567890123456789"};
    (void)state;
    begin(&c);
    run(&c, &s, (eng_http_flow){.body = ENG_STR("{}"), .max = 100000});
    assert_int_equal(c.status, ENG_EUPSTREAM);
    assert_true(c.text.len <= 100000);
    end(&c);
}

static void who_takes_no_more_ends_it_with_an_error_of_his_own(void **state)
{
    call c = {.refuse = ENG_ETOOBIG};
    script s = {.reply = HEAD "\r\nsomething", .hold = true};
    (void)state;
    begin(&c);
    run(&c, &s, (eng_http_flow){.body = ENG_STR("{}")});
    assert_int_equal(c.status, ENG_ETOOBIG);
    end(&c);
}

static void who_has_gone_lets_the_server_go(void **state)
{
    call c = {0};
    script s = {.reply = HEAD "\r\nfirst", .hold = true};
    eng_error err = {0};
    (void)state;
    begin(&c);
    script_start(&s);
    assert_ok(start(&c, s.port, (eng_http_flow){.body = ENG_STR("{}")}, &err), err);
    assert_soon(s.requests == 1);
    c.gone = true;
    eng_http_flows_nudge(c.flows);
    assert_soon(c.ended);
    assert_int_equal(c.status, ENG_ECANCELLED);
    assert_soon(s.left == 1);
    script_stop(&s);
    end(&c);
}

static void stopping_ends_what_is_under_way(void **state)
{
    call c = {0};
    script s = {.reply = HEAD "\r\nfirst", .hold = true};
    eng_error err = {0};
    (void)state;
    begin(&c);
    script_start(&s);
    assert_ok(start(&c, s.port, (eng_http_flow){.body = ENG_STR("{}")}, &err), err);
    assert_soon(s.requests == 1);
    eng_http_flows_stop(c.flows);
    assert_true(c.ended);
    assert_int_equal(c.status, ENG_ECANCELLED);
    assert_int_equal(start(&c, s.port, (eng_http_flow){.body = ENG_STR("{}")}, &err),
                     ENG_ECANCELLED);
    script_stop(&s);
    end(&c);
}

static void where_nobody_listens_it_says_so(void **state)
{
    call c = {0};
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    eng_error err = {0};
    (void)state;
    begin(&c);
    /* A port that is ours, and that nobody listens at. */
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    assert_ok(start(&c, ntohs(at.sin_port), (eng_http_flow){.body = ENG_STR("{}")}, &err), err);
    assert_soon(c.ended);
    assert_int_equal(c.status, ENG_EUPSTREAM);
    assert_false(c.connected);
    assert_int_equal(c.http, 0);
    close(fd);
    end(&c);
}

static void what_is_no_address_is_refused_at_once(void **state)
{
    call c = {0};
    eng_error err = {0};
    eng_http_flow how = {.url = "nothing", .data = take, .done = done, .ctx = &c};
    (void)state;
    begin(&c);
    assert_int_equal(eng_http_flow_begin(c.flows, &how, &err), ENG_EINVALID);
    assert_false(c.ended);
    end(&c);
}

static eng_status call_here(script *s, eng_error *err)
{
    call c = {0};
    eng_buf_init(&c.text, 1 << 20);
    eng_status status = eng_http_flows_new("test", &c.flows, err);
    if (status < 0)
        return status;
    status = start(&c, s->port, (eng_http_flow){.body = ENG_STR("{}")}, err);
    while (status == ENG_OK && !c.ended)
        nap_ms(1);
    eng_http_flows_free(c.flows);
    eng_buf_clear(&c.text);
    return status == ENG_OK ? c.status : status;
}

static void it_survives_no_memory(void **state)
{
    script s = {.reply = HEAD "\r\nok"};
    eng_error err = {0};
    eng_status status;
    (void)state;
    script_start(&s);
    assert_survives_no_memory_beside_others(status, { status = call_here(&s, &err); });
    script_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_with_its_head),
        cmocka_unit_test(what_is_sent_arrives_whole),
        cmocka_unit_test(what_is_cut_is_the_other_sides_failure),
        cmocka_unit_test(silence_ends_it),
        cmocka_unit_test(more_than_it_may_be_ends_it),
        cmocka_unit_test(who_takes_no_more_ends_it_with_an_error_of_his_own),
        cmocka_unit_test(who_has_gone_lets_the_server_go),
        cmocka_unit_test(stopping_ends_what_is_under_way),
        cmocka_unit_test(where_nobody_listens_it_says_so),
        cmocka_unit_test(what_is_no_address_is_refused_at_once),
        cmocka_unit_test(it_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
