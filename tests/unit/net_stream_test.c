/* Replies that are written bit by bit: chunks, events, slow readers, clients that go. */
#include "net_live.h"

#include <pthread.h>

enum { PIECE = 8000, PIECES = 2000 };

static bool path_is(eng_exchange *x, const char *path)
{
    return eng_str_eq(eng_exchange_request(x)->path, eng_str_of(path));
}

static void write_some(eng_exchange *x)
{
    eng_exchange_add_header(x, ENG_STR("X-Kind"), ENG_STR("stream"));
    eng_exchange_stream(x, 201);
    for (int i = 0; i < 3; i++)
        assert_int_equal(eng_exchange_write(x, ENG_STR("piece "), true, NULL), ENG_OK);
    assert_int_equal(eng_exchange_write(x, ENG_STR(""), true, NULL), ENG_OK);
    eng_exchange_end(x, path_is(x, "/abrupt"));
}

static void write_much(eng_exchange *x, bool wait)
{
    net_live *l = eng_exchange_user(x);
    char piece[PIECE];
    eng_error err;
    eng_status status = ENG_OK;
    eng_exchange_stream(x, 200);
    for (int i = 0; i < PIECES && status == ENG_OK; i++) {
        memset(piece, 'a' + i % 26, sizeof piece);
        status = eng_exchange_write(x, (eng_str){piece, sizeof piece}, wait, &err);
    }
    l->last_status = status;
    eng_exchange_end(x, status < 0);
}

static void write_events(eng_exchange *x)
{
    eng_exchange_events(x);
    (void)!eng_exchange_event(x, ENG_STR("first"), ENG_STR("one"), true, NULL);
    (void)!eng_exchange_event(x, ENG_STR(""), ENG_STR("two\nlines\r\nor\rmore"), true, NULL);
    eng_exchange_end(x, false);
}

static void on_cancel(void *arg) { ((net_live *)arg)->cancels++; }

static void write_until_cancelled(eng_exchange *x)
{
    net_live *l = eng_exchange_user(x);
    if (path_is(x, "/silent"))
        eng_exchange_events(x);
    else
        eng_exchange_stream(x, 200);
    eng_exchange_on_cancel(x, on_cancel, l);
    l->holding++;
    eng_status status = ENG_OK;
    while (l->hold && status == ENG_OK && !eng_exchange_cancelled(x)) {
        nap_ms(2);
        if (path_is(x, "/drip"))
            status = eng_exchange_write(x, ENG_STR("drop "), true, NULL);
    }
    l->holding--;
    if (eng_exchange_cancelled(x)) {
        assert_int_equal(eng_exchange_write(x, ENG_STR("x"), false, NULL), ENG_ECANCELLED);
        eng_exchange_on_cancel(x, on_cancel, l); /* it has happened: at once */
    }
    eng_exchange_end(x, false);
}

static void work(void *arg)
{
    eng_exchange *x = arg;
    if (path_is(x, "/much"))
        write_much(x, true);
    else if (path_is(x, "/hasty"))
        write_much(x, false);
    else if (path_is(x, "/events"))
        write_events(x);
    else if (path_is(x, "/silent") || path_is(x, "/drip"))
        write_until_cancelled(x);
    else
        write_some(x);
}

static void on_head(void *ctx, eng_exchange *x) { eng_exchange_set_user(x, ctx); }

static void on_ready(void *ctx, eng_exchange *x)
{
    net_live *l = ctx;
    eng_task task = {.run = work, .dropped = work, .arg = x};
    if (path_is(x, "/here"))
        write_some(x); /* a loop's handler may stream too, without waiting */
    else
        assert_int_equal(eng_pool_submit(l->pool, ENG_POOL_NOW, task, NULL), ENG_OK);
}

static void on_done(void *ctx, eng_exchange *x)
{
    net_live *l = ctx;
    l->last_bytes = eng_exchange_bytes_out(x);
    l->dones++;
}

static net_live shared;

static int setup(void **state)
{
    eng_error err;
    net_live *l = *state = &shared;
    eng_pool_options pool = {.threads = 3, .queue = {64, 8}};
    eng_http_options o = {.loops = 1, .heartbeat_ms = 50, .stream_max = 20000};
    assert_ok(eng_pool_new(&pool, &l->pool, &err), err);
    o.pool = l->pool;
    o.on = (eng_http_callbacks){on_head, on_ready, on_done, NULL, NULL, l};
    assert_ok(eng_http_server_new(&o, &l->server, &err), err);
    assert_ok(eng_http_server_listen(l->server, ENG_STR("127.0.0.1:0"), &l->port, &err), err);
    assert_ok(eng_http_server_start(l->server, &err), err);
    return 0;
}

static int teardown(void **state)
{
    net_live *l = *state;
    eng_http_server_drain(l->server, 1000);
    eng_http_server_free(l->server);
    eng_pool_free(l->pool);
    return 0;
}

static eng_buf reply;

static int ask_for(net_live *l, const char *path, const char *version)
{
    char text[128];
    int fd = net_connect(l);
    snprintf(text, sizeof text, "GET %s HTTP/%s\r\nHost: a\r\nConnection: close\r\n\r\n", path,
             version);
    net_say(fd, text);
    return fd;
}

static int get(net_live *l, const char *path, const char *version, bool *reset)
{
    int fd = ask_for(l, path, version);
    eng_buf_reset(&reply);
    net_read_all(fd, &reply, reset);
    return net_status_of(&reply);
}

static void pieces_are_chunks(void **state)
{
    static const char *const paths[] = {"/some", "/here"};
    bool reset;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(get(*state, paths[i], "1.1", &reset), 201);
        assert_non_null(strstr(reply.data, "\r\nTransfer-Encoding: chunked\r\n"));
        assert_non_null(strstr(reply.data, "\r\nX-Kind: stream\r\n"));
        assert_null(strstr(reply.data, "Content-Length"));
        assert_str_view(net_body_of(&reply),
                        "6\r\npiece \r\n6\r\npiece \r\n6\r\npiece \r\n0\r\n\r\n");
        assert_false(reset);
    }
}

static void http_1_0_reads_until_the_end(void **state)
{
    bool reset;
    assert_int_equal(get(*state, "/some", "1.0", &reset), 201);
    assert_null(strstr(reply.data, "chunked"));
    assert_str_view(net_body_of(&reply), "piece piece piece ");
    assert_false(reset);
}

static void the_connection_goes_on_afterwards(void **state)
{
    net_live *l = *state;
    int fd = net_connect(l);
    for (int i = 0; i < 3; i++) {
        net_say(fd, "GET /some HTTP/1.1\r\nHost: a\r\n\r\nHEAD /some HTTP/1.1\r\nHost: a\r\n\r\n");
        net_read_one(fd, &reply, true);
        char body[48] = "";
        assert_int_equal(recv(fd, body, 38, MSG_WAITALL), 38);
        assert_string_equal(body + 33, "0\r\n\r\n");
        net_read_one(fd, &reply, true);
        assert_int_equal(net_status_of(&reply), 201);
    }
    close(fd);
}

static void an_abrupt_end_is_seen(void **state)
{
    bool reset;
    get(*state, "/abrupt", "1.1", &reset);
    assert_true(reset);
    get(*state, "/abrupt", "1.0", &reset);
    assert_true(reset);
}

static void a_slow_reader_makes_the_writer_wait(void **state)
{
    net_live *l = *state;
    unsigned dones = l->dones;
    int fd = ask_for(l, "/much", "1.1");
    nap_ms(100);
    assert_int_equal(l->dones, dones);
    eng_buf_reset(&reply);
    net_read_all(fd, &reply, NULL);
    eng_str rest = net_body_of(&reply);
    for (int i = 0; i < PIECES; i++) {
        assert_true(eng_str_starts(rest, ENG_STR("1f40\r\n")));
        for (size_t at = 6; at < 6 + PIECE; at++)
            if (rest.ptr[at] != 'a' + i % 26)
                fail_msg("piece %d differs", i);
        rest = eng_str_sub(rest, PIECE + 8, rest.len);
    }
    assert_str_view(rest, "0\r\n\r\n");
    assert_soon(l->dones == dones + 1);
    assert_int_equal(l->last_bytes, reply.len);
}

static void without_waiting_it_is_told(void **state)
{
    net_live *l = *state;
    unsigned dones = l->dones;
    int fd = ask_for(l, "/hasty", "1.1");
    assert_soon(l->dones == dones + 1);
    assert_int_equal(l->last_status, ENG_EBUSY);
    close(fd);
}

static void events_have_their_format(void **state)
{
    bool reset;
    assert_int_equal(get(*state, "/events", "1.0", &reset), 200);
    assert_non_null(strstr(reply.data, "\r\nContent-Type: text/event-stream\r\n"));
    assert_str_view(net_body_of(&reply), "event: first\ndata: one\n\n"
                                         "data: two\ndata: lines\ndata: or\ndata: more\n\n");
}

static void silence_is_filled_with_comments(void **state)
{
    net_live *l = *state;
    l->hold = true;
    int fd = ask_for(l, "/silent", "1.1");
    net_read_one(fd, &reply, true);
    char beats[16] = "";
    assert_int_equal(recv(fd, beats, 16, MSG_WAITALL), 16);
    assert_memory_equal(beats, "3\r\n:\n\n\r\n3\r\n:\n\n\r\n", 16);
    l->hold = false;
    eng_buf_reset(&reply);
    net_read_all(fd, &reply, NULL);
    assert_true(eng_str_ends(eng_buf_view(&reply), ENG_STR("0\r\n\r\n")));
}

static void a_client_that_goes_ends_the_stream(void **state)
{
    net_live *l = *state;
    static const char *const paths[] = {"/silent", "/drip"};
    struct linger now = {1, 0};
    for (int i = 0; i < 4; i++) {
        unsigned cancels = l->cancels, dones = l->dones;
        l->hold = true;
        int fd = ask_for(l, paths[i / 2], "1.1");
        assert_soon(l->holding == 1);
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
        assert_soon(l->dones == dones + 1);
        assert_int_equal(l->cancels, cancels + 2);
    }
}

static void draining_cuts_streams(void **state)
{
    (void)state;
    void *own;
    net_live *l = &shared;
    teardown((void *[]){l});
    setup(&own);
    l->hold = true;
    int fd = ask_for(l, "/drip", "1.1");
    assert_soon(l->holding == 1);
    eng_http_server_drain(l->server, 100); /* it would go on for ever */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_chunks),
        cmocka_unit_test(http_1_0_reads_until_the_end),
        cmocka_unit_test(the_connection_goes_on_afterwards),
        cmocka_unit_test(an_abrupt_end_is_seen),
        cmocka_unit_test(a_slow_reader_makes_the_writer_wait),
        cmocka_unit_test(without_waiting_it_is_told),
        cmocka_unit_test(events_have_their_format),
        cmocka_unit_test(silence_is_filled_with_comments),
        cmocka_unit_test(a_client_that_goes_ends_the_stream),
        cmocka_unit_test(draining_cuts_streams),
    };
    eng_buf_init(&reply, 64 << 20);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    eng_buf_clear(&reply);
    return failed;
}
