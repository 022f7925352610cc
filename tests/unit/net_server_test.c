/* The HTTP server over the wire: connections, bodies, replies, limits, the end. */
#include "net_live.h"

#include <dirent.h>
#include <signal.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

/* ---- Handlers, by path ---------------------------------------------------------------------- */

static net_live *live_of(eng_exchange *x) { return eng_exchange_user(x); }

static bool path_is(eng_exchange *x, const char *path)
{
    return eng_str_eq(eng_exchange_request(x)->path, eng_str_of(path));
}

static void send_text(eng_exchange *x, int status, const char *text)
{
    eng_exchange_add_header(x, ENG_STR("Content-Type"), ENG_STR("text/plain"));
    eng_buf_str(eng_exchange_out(x), eng_str_of(text));
    eng_exchange_send(x, status);
}

static void send_echo(eng_exchange *x)
{
    eng_str body;
    eng_error err;
    if (eng_exchange_body(x, &body, &err) < 0) {
        send_text(x, 500, err.message);
        return;
    }
    eng_exchange_add_header(x, ENG_STR("Content-Type"), ENG_STR("application/octet-stream"));
    eng_buf_str(eng_exchange_out(x), body);
    eng_exchange_send(x, 200);
}

/* As many bytes as the query says, of text that can be compressed. */
static void send_much(eng_exchange *x)
{
    uint64_t size = 0;
    (void)!eng_str_u64(eng_exchange_request(x)->query, &size);
    eng_buf *out = eng_exchange_out(x);
    for (uint64_t i = 0; i < size; i++)
        eng_buf_byte(out, (char)('a' + i * i % 7));
    eng_exchange_add_header(x, ENG_STR("Content-Type"), ENG_STR("text/plain"));
    eng_exchange_send(x, 200);
}

static void on_cancel(void *arg)
{
    net_live *l = arg;
    l->cancels++;
}

static void hold(eng_exchange *x)
{
    net_live *l = live_of(x);
    eng_exchange_on_cancel(x, on_cancel, l);
    l->holding++;
    while (l->hold && !eng_exchange_cancelled(x))
        nap_ms(2);
    l->holding--;
    send_text(x, eng_exchange_cancelled(x) ? 503 : 200, "held");
}

static void work(void *arg)
{
    eng_exchange *x = arg;
    if (path_is(x, "/held"))
        hold(x);
    else if (path_is(x, "/much-work"))
        send_much(x);
    else
        send_echo(x);
}

static void dropped(void *arg) { send_text(arg, 503, "dropped"); }

static void give_away(eng_exchange *x)
{
    eng_task task = {.run = work, .dropped = dropped, .arg = x};
    if (eng_pool_submit(live_of(x)->pool, ENG_POOL_NOW, task, NULL) < 0)
        send_text(x, 503, "busy");
}

static void on_head(void *ctx, eng_exchange *x)
{
    net_live *l = ctx;
    l->heads++;
    eng_exchange_set_user(x, l);
    if (path_is(x, "/early"))
        send_text(x, 403, "early");
    else if (!path_is(x, "/no-body"))
        eng_exchange_take_body(x, l->body_max, l->in_memory);
}

static void on_ready(void *ctx, eng_exchange *x)
{
    net_live *l = ctx;
    l->readies++;
    if (path_is(x, "/echo"))
        send_echo(x);
    else if (path_is(x, "/much"))
        send_much(x);
    else if (path_is(x, "/held") || path_is(x, "/work") || path_is(x, "/much-work"))
        give_away(x);
    else if (path_is(x, "/204"))
        eng_exchange_send(x, 204);
    else if (path_is(x, "/static"))
        eng_exchange_send_static(x, 200, ENG_STR("plain"), ENG_STR("packed"));
    else if (path_is(x, "/header")) {
        eng_exchange_fixed_headers(x, ENG_STR("X-Fixed: yes\r\n"));
        eng_exchange_add_header(x, ENG_STR("X-Bad"), ENG_STR("a\r\nX-Evil: b"));
        eng_exchange_send(x, 200);
    } else
        send_text(x, 200, "hello");
}

static void on_done(void *ctx, eng_exchange *x)
{
    net_live *l = ctx;
    l->last_status = eng_exchange_status(x);
    l->last_bytes = eng_exchange_bytes_out(x);
    l->dones++;
    uint64_t nth = 0;
    if (path_is(x, "/no-memory") && eng_str_u64(eng_exchange_request(x)->query, &nth))
        eng_alloc_fail_at(nth, false);
}

static void on_refuse(void *ctx, eng_exchange *x, int status, const char *why)
{
    net_live *l = ctx;
    assert_non_null(why);
    eng_buf_format(eng_exchange_out(x), "refused %d", status);
    l->refusals++;
}

static void on_turn(void *ctx, unsigned loop)
{
    net_live *l = ctx;
    (void)loop;
    l->turns++;
}

static void start(net_live *l, eng_http_options o)
{
    eng_error err;
    *l = (net_live){.dir = "/tmp/net-test-XXXXXX", .body_max = 8 << 20, .in_memory = 100000};
    assert_non_null(mkdtemp(l->dir));
    eng_pool_options pool = {.threads = 3, .queue = {64, 8}};
    assert_ok(eng_pool_new(&pool, &l->pool, &err), err);
    o.pool = l->pool;
    o.spill_dir = l->dir;
    o.on = (eng_http_callbacks){on_head, on_ready, on_done, on_refuse, on_turn, l};
    assert_ok(eng_http_server_new(&o, &l->server, &err), err);
    assert_ok(eng_http_server_listen(l->server, ENG_STR("127.0.0.1:0"), &l->port, &err), err);
    assert_ok(eng_http_server_start(l->server, &err), err);
}

static void stop(net_live *l)
{
    l->hold = false;
    eng_http_server_drain(l->server, 2000);
    eng_http_server_free(l->server);
    eng_pool_free(l->pool);
    assert_int_equal(rmdir(l->dir), 0); /* nothing is left in it */
}

static net_live shared;

static int setup(void **state)
{
    start(&shared, (eng_http_options){.loops = 2});
    *state = &shared;
    return 0;
}

static int teardown(void **state)
{
    stop(*state);
    return 0;
}

/* ---- Asking --------------------------------------------------------------------------------- */

static eng_buf reply; /* of the last question */

static int ask(net_live *l, const char *text)
{
    int fd = net_connect(l);
    net_say(fd, text);
    eng_buf_clear(&reply);
    eng_buf_init(&reply, 64 << 20);
    net_read_all(fd, &reply, NULL);
    return net_status_of(&reply);
}

static int get(net_live *l, const char *path, const char *lines)
{
    char text[1024];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", path,
             lines);
    return ask(l, text);
}

static bool has(const char *text) { return reply.len && strstr(reply.data, text); }

/* ---- Replies -------------------------------------------------------------------------------- */

static void the_servers_own_headers_are_there(void **state)
{
    net_live *l = *state;
    assert_int_equal(get(l, "/", ""), 200);
    assert_true(has("\r\nDate: ") && has(" GMT\r\n"));
    assert_true(has("\r\nContent-Length: 5\r\n"));
    assert_true(has("\r\nConnection: close\r\n"));
    const char *id = strstr(reply.data, "X-Request-Id: ");
    assert_non_null(id);
    char first[17] = "";
    memcpy(first, id + 14, 16);
    assert_int_equal(strspn(first, "0123456789abcdefghijklmnopqrstuv"), 16);
    get(l, "/", "");
    assert_null(strstr(reply.data, first));
    get(l, "/", "X-Request-Id: mine\r\n");
    assert_true(has("X-Request-Id: mine\r\n"));
    get(l, "/", "X-Request-Id: not \"mine\"\r\n");
    assert_false(has("mine"));
}

static void header_values_cannot_end_their_line(void **state)
{
    assert_int_equal(get(*state, "/header", ""), 200);
    assert_true(has("\r\nX-Fixed: yes\r\n"));
    assert_true(has("\r\nX-Bad: a  X-Evil: b\r\n"));
}

static void head_is_get_without_its_body(void **state)
{
    net_live *l = *state;
    assert_int_equal(ask(l, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
    assert_true(has("Content-Length: 5\r\n"));
    assert_int_equal(net_body_of(&reply).len, 0);
    assert_int_equal(get(l, "/204", ""), 204);
    assert_false(has("Content-Length"));
}

static void http_1_0_closes_unless_asked(void **state)
{
    net_live *l = *state;
    assert_int_equal(ask(l, "GET / HTTP/1.0\r\n\r\n"), 200);
    int fd = net_connect(l);
    for (int i = 0; i < 3; i++) {
        net_say(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        net_read_one(fd, &reply, false);
        assert_true(has("Connection: keep-alive"));
    }
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    net_live *l = *state;
    int fd = net_connect(l);
    char text[128];
    for (int i = 0; i < 100; i++) {
        int body = snprintf(NULL, 0, "%d", i);
        snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%d",
                 i % 3 ? "/echo" : "/work", body, i);
        net_say(fd, text);
    }
    for (int i = 0; i < 100; i++) {
        net_read_one(fd, &reply, false);
        snprintf(text, sizeof text, "%d", i);
        assert_true(eng_str_eq(net_body_of(&reply), eng_str_of(text)));
    }
    close(fd);
}

static void every_byte_may_come_alone(void **state)
{
    net_live *l = *state;
    int fd = net_connect(l);
    const char *text = "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"
                       "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nfg";
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    for (const char *at = text; *at; at++)
        net_send(fd, (eng_str){at, 1});
    net_read_one(fd, &reply, false);
    assert_str_view(net_body_of(&reply), "abcde");
    net_read_one(fd, &reply, false);
    assert_str_view(net_body_of(&reply), "fg");
    close(fd);
}

/* ---- Bodies --------------------------------------------------------------------------------- */

/* Sends size bytes to a path, in one piece or in chunks, and checks that they come back. */
static void assert_echoed(net_live *l, const char *path, size_t size, size_t chunk)
{
    char head[256];
    eng_buf sent;
    eng_buf_init(&sent, 64 << 20);
    for (size_t i = 0; i < size; i++)
        eng_buf_byte(&sent, (char)(i * 2654435761u >> 13));
    if (chunk)
        snprintf(head, sizeof head,
                 "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n",
                 path);
    else
        snprintf(head, sizeof head,
                 "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 path, size);
    int fd = net_connect(l);
    net_say(fd, head);
    for (size_t at = 0; chunk && at < size; at += chunk) {
        size_t len = size - at < chunk ? size - at : chunk;
        snprintf(head, sizeof head, "%zx\r\n", len);
        net_say(fd, head);
        net_send(fd, (eng_str){sent.data + at, len});
        net_say(fd, "\r\n");
    }
    if (chunk)
        net_say(fd, "0\r\n\r\n");
    else
        net_send(fd, eng_buf_view(&sent));
    eng_buf_clear(&reply);
    eng_buf_init(&reply, 64 << 20);
    net_read_all(fd, &reply, NULL);
    assert_int_equal(net_status_of(&reply), 200);
    assert_true(eng_str_eq(net_body_of(&reply), eng_buf_view(&sent)));
    eng_buf_clear(&sent);
}

static void bodies_come_whole_in_memory_and_through_a_file(void **state)
{
    static const size_t sizes[] = {0,      1,      3000,   20000,  99999,
                                   100000, 100001, 262144, 400000, 5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_echoed(*state, "/echo", sizes[i], 0);
        assert_echoed(*state, "/work", sizes[i], 0);
        assert_echoed(*state, "/echo", sizes[i], 7000);
        assert_echoed(*state, "/work", sizes[i], 300000);
    }
    assert_echoed(*state, "/echo", 30000, 1);
}

static void bodies_beyond_the_limit_are_413(void **state)
{
    net_live *l = *state;
    assert_int_equal(ask(l, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8388609\r\n\r\n"),
                     413);
    assert_str_view(net_body_of(&reply), "refused 413");
    assert_true(has("Connection: close"));
    int fd = net_connect(l);
    net_say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n900000\r\n");
    char *much = eng_zalloc(0x900000);
    net_send(fd, (eng_str){much, 0x900000});
    eng_free(much);
    eng_buf_reset(&reply);
    net_read_all(fd, &reply, NULL);
    assert_int_equal(net_status_of(&reply), 413);
    assert_int_equal(ask(l, "POST /no-body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
                     413);
}

static void continue_is_said_before_the_body_comes(void **state)
{
    net_live *l = *state;
    int fd = net_connect(l);
    net_say(fd,
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    net_read_one(fd, &reply, true);
    assert_int_equal(net_status_of(&reply), 100);
    net_say(fd, "abc");
    net_read_one(fd, &reply, false);
    assert_str_view(net_body_of(&reply), "abc");
    net_say(
        fd,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nxyz");
    net_read_one(fd, &reply, false);
    assert_str_view(net_body_of(&reply), "xyz");
    close(fd);
    assert_int_equal(ask(l, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n"
                            "Expect: 100-continue\r\n\r\n"),
                     413);
    assert_int_equal(ask(l, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                            "Expect: 100-continue\r\n\r\n"),
                     403);
}

static void a_small_body_that_nobody_wants_is_skipped(void **state)
{
    net_live *l = *state;
    int fd = net_connect(l);
    for (int i = 0; i < 3; i++) {
        net_say(fd, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nGET / HTT");
        net_read_one(fd, &reply, false);
        assert_int_equal(net_status_of(&reply), 403);
        net_say(fd, "P/1.1\r\n\r\nxxGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        net_read_one(fd, &reply, false);
        assert_str_view(net_body_of(&reply), "hello");
    }
    close(fd);
    assert_int_equal(ask(l, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n"),
                     403);
    assert_int_equal(
        ask(l, "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 403);
}

static void what_ends_too_early_is_400(void **state)
{
    net_live *l = *state;
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHo", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"};
    for (size_t i = 0; i < 3; i++) {
        int fd = net_connect(l);
        net_say(fd, texts[i]);
        shutdown(fd, SHUT_WR);
        eng_buf_reset(&reply);
        net_read_all(fd, &reply, NULL);
        assert_int_equal(net_status_of(&reply), 400);
    }
}

static void nothing_behind_a_malformed_request_is_a_request(void **state)
{
    net_live *l = *state;
    unsigned before = l->readies;
    assert_int_equal(ask(l, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                            "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                     400);
    assert_int_equal(ask(l, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "2\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                     400);
    assert_int_equal(l->readies, before);
    assert_null(strstr(reply.data + 9, "HTTP/1.1"));
}

/* A file that may not grow is a disk that is full; a folder that is gone is no place for one. */
static void bodies_that_cannot_be_kept_are_503(void **state)
{
    (void)state;
    net_live l;
    struct rlimit before, none;
    const char *head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n";
    char *body = eng_zalloc(600000);
    start(&l, (eng_http_options){.loops = 1});
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (int i = 0; i < 2; i++) {
        none = before;
        none.rlim_cur = i ? before.rlim_cur : 1000;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &none);
        if (i)
            assert_int_equal(rmdir(l.dir), 0);
        int fd = net_connect(&l);
        net_say(fd, head);
        net_send(fd, (eng_str){body, 600000});
        eng_buf_reset(&reply);
        net_read_all(fd, &reply, NULL);
        assert_int_equal(net_status_of(&reply), 503);
        assert_int_equal(get(&l, "/", ""), 200);
    }
    assert_int_equal(mkdir(l.dir, 0700), 0);
    eng_free(body);
    stop(&l);
}

/* ---- Compression ---------------------------------------------------------------------------- */

static void assert_inflates_to(size_t size)
{
    eng_str body = net_body_of(&reply);
    unsigned char *out = eng_alloc(size + 1);
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)body.ptr,
                  .avail_in = (unsigned)body.len,
                  .next_out = out,
                  .avail_out = (unsigned)size + 1};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, size);
    for (size_t i = 0; i < size; i++)
        if (out[i] != 'a' + (unsigned char)(i * i % 7))
            fail_msg("byte %zu differs", i);
    inflateEnd(&z);
    eng_free(out);
}

static void replies_are_compressed_where_that_is_accepted(void **state)
{
    net_live *l = *state;
    static const size_t sizes[] = {1024, 10000, 16385, 1000000};
    for (size_t i = 0; i < 8; i++) {
        char path[64];
        snprintf(path, sizeof path, "/much%s?%zu", i % 2 ? "-work" : "", sizes[i / 2]);
        assert_int_equal(get(l, path, "Accept-Encoding: gzip\r\n"), 200);
        assert_true(has("\r\nContent-Encoding: gzip\r\n") && has("\r\nVary: Accept-Encoding\r\n"));
        assert_inflates_to(sizes[i / 2]);
        assert_int_equal(get(l, path, ""), 200);
        assert_false(has("Content-Encoding"));
        assert_int_equal(net_body_of(&reply).len, sizes[i / 2]);
    }
    get(l, "/much?1023", "Accept-Encoding: gzip\r\n");
    assert_false(has("Content-Encoding"));
    get(l, "/static", "Accept-Encoding: gzip\r\n");
    assert_true(has("Content-Encoding: gzip"));
    assert_str_view(net_body_of(&reply), "packed");
    get(l, "/static", "");
    assert_false(has("Content-Encoding"));
    assert_str_view(net_body_of(&reply), "plain");
}

/* ---- Clients that go, or come slowly -------------------------------------------------------- */

static void a_client_that_has_gone_cancels_its_work(void **state)
{
    net_live *l = *state;
    struct linger now = {1, 0};
    for (int i = 0; i < 4; i++) {
        unsigned cancels = l->cancels, dones = l->dones;
        l->hold = true;
        int fd = net_connect(l);
        net_say(fd, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_soon(l->holding == 1);
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
        assert_soon(l->cancels == cancels + 1);
        assert_soon(l->holding == 0);
        assert_soon(l->dones == dones + 1);
        assert_int_equal(l->last_status, 0);
    }
}

static void a_client_that_only_says_no_more_gets_its_reply(void **state)
{
    net_live *l = *state;
    for (unsigned ms = 0; ms <= 600; ms += 600) {
        l->hold = true;
        int fd = net_connect(l);
        net_say(fd, "GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        shutdown(fd, SHUT_WR);
        assert_soon(l->holding == 1);
        nap_ms(ms);
        l->hold = false;
        eng_buf_reset(&reply);
        net_read_all(fd, &reply, NULL);
        assert_true(has("200 OK") && has("held") && has("hello"));
        assert_int_equal(has("100 Continue"), ms > 0);
    }
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static void clients_that_vanish_leave_nothing_behind(void **state)
{
    net_live *l = *state;
    struct linger now = {1, 0};
    char *much = eng_zalloc(700000);
    assert_soon(eng_http_server_stats(l->server).open == 0);
    int before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        int fd = net_connect(l);
        net_say(fd, "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        net_send(fd, (eng_str){much, (size_t)i * 7000});
        if (i % 3)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
    }
    eng_free(much);
    assert_soon(eng_http_server_stats(l->server).open == 0);
    assert_soon(open_descriptors() == before);
}

static void late_requests_are_408_and_idle_connections_end(void **state)
{
    (void)state;
    net_live l;
    start(&l,
          (eng_http_options){
              .loops = 1, .head_timeout_ms = 100, .body_timeout_ms = 100, .idle_timeout_ms = 100});
    assert_int_equal(ask(&l, "GET / HTTP/1.1\r\nHo"), 408);
    assert_int_equal(ask(&l, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"),
                     408);
    assert_int_equal(ask(&l, ""), 0);
    assert_int_equal(ask(&l, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    /* A byte now and then does not put the end off. */
    int fd = net_connect(&l);
    uint64_t began = eng_clock_ns();
    struct pollfd p = {.fd = fd, .events = POLLIN};
    net_say(fd, "GET / HTTP/1.1\r\nX: ");
    while (poll(&p, 1, 20) == 0 && eng_clock_ns() - began < 5000000000u)
        net_say(fd, "x");
    net_read_one(fd, &reply, false);
    assert_int_equal(net_status_of(&reply), 408);
    close(fd);
    stop(&l);
}

static void a_client_that_never_reads_is_cut_off(void **state)
{
    (void)state;
    net_live l;
    start(&l, (eng_http_options){.loops = 1, .write_timeout_ms = 100});
    int fd = net_connect(&l);
    net_say(fd, "GET /much?30000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_soon(l.dones == 1);
    assert_int_equal(l.last_status, 0);
    close(fd);
    stop(&l);
}

static void slow_clients_hold_nobody_up(void **state)
{
    enum { SLOW = 500 };
    net_live *l = *state;
    static const char text[] = "POST /echo HTTP/1.1\r\nHost: a\r\nX-Slow: aaaaaaaaaaaaaaa";
    int *slow = eng_alloc_array(SLOW, sizeof *slow);
    for (int i = 0; i < SLOW; i++)
        slow[i] = net_connect(l);
    for (size_t at = 0; at < 20; at++) {
        for (int i = 0; i < SLOW; i++)
            net_send(slow[i], (eng_str){text + at, 1});
        assert_int_equal(get(l, "/", ""), 200); /* while none of them has said all of its own */
    }
    for (int i = 0; i < SLOW; i++)
        close(slow[i]);
    eng_free(slow);
}

/* ---- Limits --------------------------------------------------------------------------------- */

static void connections_beyond_the_limit_are_503(void **state)
{
    (void)state;
    net_live l;
    start(&l, (eng_http_options){.loops = 1, .connections_max = 3});
    int held[3];
    for (int i = 0; i < 3; i++) {
        held[i] = net_connect(&l);
        net_say(held[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        net_read_one(held[i], &reply, false);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(get(&l, "/", ""), 503);
        assert_str_view(net_body_of(&reply), "refused 503");
    }
    close(held[0]);
    assert_soon(eng_http_server_stats(l.server).open < 3);
    assert_int_equal(get(&l, "/", ""), 200);
    close(held[1]);
    close(held[2]);
    stop(&l);
}

enum { LATE_CLIENTS = 8 };

/* The highest descriptor of the process, whoever opened it. */
static int highest_descriptor(void)
{
    int highest = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        highest = atoi(e->d_name) > highest ? atoi(e->d_name) : highest;
    closedir(d);
    return highest;
}

/* How many of the clients are told 503 while no descriptor is free but those that they have already. */
static int told_without_descriptors(const net_live *l)
{
    int fd[LATE_CLIENTS], told = 0, filler, top;
    struct rlimit before, few;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < LATE_CLIENTS; i++)
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Below the limit every number is taken, and none is above: what is given up there helps nobody. */
    top = highest_descriptor();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)top + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int fillers[1024], filled = 0;
    while (filled < 1024 && (filler = dup(0)) >= 0)
        fillers[filled++] = filler;
    for (int i = 0; i < LATE_CLIENTS; i++) {
        char got[16] = "";
        struct timeval patience = {.tv_sec = 5};
        setsockopt(fd[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        (void)!connect(fd[i], (struct sockaddr *)&to, sizeof to);
        (void)!recv(fd[i], got, 15, 0);
        told += atoi(got + 9) == 503;
    }
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < LATE_CLIENTS; i++)
        close(fd[i]);
    while (filled > 0)
        close(fillers[--filled]);
    return told;
}

/* A thread of the other server that closes something meanwhile lets a client in: then once more. */
static void clients_are_told_when_no_descriptor_is_left(void **state)
{
    (void)state;
    net_live l;
    int told = 0;
    start(&l, (eng_http_options){.loops = 2});
    for (int tries = 0; tries < 4 && told < LATE_CLIENTS; tries++) {
        assert_soon(eng_http_server_stats(l.server).open == 0);
        told = told_without_descriptors(&l);
    }
    assert_int_equal(told, LATE_CLIENTS);
    assert_int_equal(get(&l, "/", ""), 200);
    stop(&l);
}

/* Each allocation of a loop's that is needed for two requests fails in turn. */
static void no_memory_costs_a_connection_at_most(void **state)
{
    (void)state;
    net_live l;
    start(&l, (eng_http_options){.loops = 1});
    for (int nth = 1; nth <= 12; nth++) {
        char text[128];
        snprintf(text, sizeof text, "/no-memory?%d", nth);
        assert_int_equal(get(&l, text, ""), 200);
        ask(&l, "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        get(&l, "/much?5000", "Accept-Encoding: gzip\r\n");
        get(&l, "/no-memory?0", "");
        assert_int_equal(get(&l, "/", ""), 200);
    }
    stop(&l);
}

static size_t read_exactly(int fd, size_t len)
{
    char got[65536];
    size_t have = 0;
    while (have < len) {
        ssize_t n = recv(fd, got, len - have < sizeof got ? len - have : sizeof got, 0);
        assert_true(n > 0);
        have += (size_t)n;
    }
    return have;
}

static void a_hundred_thousand_requests_leave_memory_where_it_was(void **state)
{
    enum { AT_ONCE = 50, ROUNDS = 2000, WARM = 100 };
    net_live *l = *state;
    int fd = net_connect(l);
    int64_t before = 0;
    eng_buf many;
    eng_buf_init(&many, 1 << 16);
    for (int n = 0; n < AT_ONCE; n++)
        eng_buf_str(&many, ENG_STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    net_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    net_read_one(fd, &reply, false);
    for (int i = 0; i < ROUNDS; i++) {
        net_send(fd, eng_buf_view(&many));
        read_exactly(fd, AT_ONCE * reply.len);
        if (i == WARM)
            before = eng_alloc_count().bytes;
    }
    assert_true(eng_alloc_count().bytes <= before + before / 20);
    eng_buf_clear(&many);
    close(fd);
}

/* ---- Addresses ------------------------------------------------------------------------------ */

static eng_status try_listen(const char *address, eng_error *err)
{
    eng_http_options o = {.loops = 2, .on = {on_head, on_ready, on_done, NULL, NULL, NULL}};
    eng_http_server *s = NULL;
    eng_status status = eng_http_server_new(&o, &s, err);
    if (status == ENG_OK)
        status = eng_http_server_listen(s, eng_str_of(address), NULL, err);
    eng_http_server_free(s);
    return status;
}

static void an_address_in_use_or_malformed_is_an_error(void **state)
{
    net_live *l = *state;
    eng_error err;
    char text[64];
    snprintf(text, sizeof text, "127.0.0.1:%u", l->port);
    assert_true(try_listen(text, &err) < 0);
    assert_non_null(strstr(err.message, text));
    static const char *const bad[] = {
        "",      "x",      "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", ":80", "127.0.0.1:65536",
        "unix:", "[::1:80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (try_listen(bad[i], &err) != ENG_EUSAGE)
            fail_msg("'%s' is an address", bad[i]);
    assert_ok(try_listen("[::1]:0", &err), err);
    assert_ok(try_listen("localhost:0", &err), err);
}

static void unix_sockets_are_for_their_owner_alone(void **state)
{
    net_live *l = *state;
    eng_error err;
    eng_http_options o = {.loops = 2, .on = {on_head, on_ready, on_done, on_refuse, on_turn, l}};
    eng_http_server *s;
    char path[128], address[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/sock", l->dir);
    snprintf(address, sizeof address, "unix:%s", path);
    for (int i = 0; i < 2; i++) {
        assert_ok(eng_http_server_new(&o, &s, &err), err);
        assert_ok(eng_http_server_listen(s, eng_str_of(address), NULL, &err), err);
        assert_ok(eng_http_server_start(s, &err), err);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        int fd = net_connect_unix(path);
        net_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        net_read_one(fd, &reply, false);
        assert_int_equal(net_status_of(&reply), 200);
        close(fd);
        assert_int_equal(try_listen(address, &err), ENG_ELOCKED);
        eng_http_server_drain(s, 1000);
        eng_http_server_free(s);
        assert_int_equal(access(path, F_OK), -1);
        /* What a server that was killed leaves behind is replaced. */
        int dead = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path, sizeof at.sun_path, "%.100s", path);
        assert_int_equal(bind(dead, (struct sockaddr *)&at, sizeof at), 0);
        close(dead);
    }
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(try_listen(address, &err), ENG_ECONFLICT);
    assert_int_equal(rmdir(path), 0);
}

/* Comes again and again until nobody listens; what it counts are the times that it went unanswered. */
static void *come_until_nobody_is_there(void *path)
{
    uintptr_t unanswered = 0;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%.100s", (const char *)path);
    for (;;) {
        char got[16] = "";
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
            close(fd);
            return (void *)unanswered;
        }
        net_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)!recv(fd, got, 15, 0);
        unanswered += atoi(got + 9) != 200;
        close(fd);
    }
}

static void whoever_reaches_a_unix_socket_is_answered_though_it_ends(void **state)
{
    net_live *l = *state;
    eng_error err;
    eng_http_options o = {.loops = 2, .on = {on_head, on_ready, on_done, on_refuse, on_turn, l}};
    char path[128], address[160];
    snprintf(path, sizeof path, "%s/sock", l->dir);
    snprintf(address, sizeof address, "unix:%s", path);
    for (int round = 0; round < 10; round++) {
        eng_http_server *s;
        pthread_t clients[4];
        assert_ok(eng_http_server_new(&o, &s, &err), err);
        assert_ok(eng_http_server_listen(s, eng_str_of(address), NULL, &err), err);
        assert_ok(eng_http_server_start(s, &err), err);
        for (int i = 0; i < 4; i++)
            pthread_create(&clients[i], NULL, come_until_nobody_is_there, path);
        assert_soon(eng_http_server_stats(s).accepted > 20);
        eng_http_server_drain(s, 10000);
        for (int i = 0; i < 4; i++) {
            void *unanswered;
            pthread_join(clients[i], &unanswered);
            assert_null(unanswered);
        }
        eng_http_server_free(s);
    }
}

static void making_one_survives_without_memory(void **state)
{
    eng_status status;
    char address[128];
    snprintf(address, sizeof address, "unix:%s/sock", ((net_live *)*state)->dir);
    assert_survives_no_memory(status, { status = try_listen("127.0.0.1:0", NULL); });
    assert_survives_no_memory(status, { status = try_listen(address, NULL); });
}

/* ---- The end -------------------------------------------------------------------------------- */

static void *drain_now(void *arg)
{
    eng_http_server_drain(((net_live *)arg)->server, 500);
    return NULL;
}

static void draining_lets_requests_end_and_cuts_them_late(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        net_live l;
        pthread_t t;
        start(&l, (eng_http_options){.loops = 2});
        l.hold = true;
        int idle = net_connect(&l), busy = net_connect(&l);
        net_say(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        net_read_one(idle, &reply, false);
        net_say(busy, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_soon(l.holding == 1);
        pthread_create(&t, NULL, drain_now, &l);
        eng_buf_reset(&reply);
        net_read_all(idle, &reply, NULL);
        assert_int_equal(reply.len, 0);
        if (!late)
            l.hold = false;
        net_read_all(busy, &reply, NULL);
        assert_int_equal(net_status_of(&reply), late ? 0 : 200);
        assert_true(late || has("Connection: close"));
        pthread_join(t, NULL);
        assert_int_equal(l.cancels, late);
        stop(&l);
    }
}

static void counts(void **state)
{
    (void)state;
    net_live l;
    start(&l, (eng_http_options){.loops = 2});
    get(&l, "/", "");
    ask(&l, "NONSENSE\r\n\r\n");
    assert_soon(eng_http_server_stats(l.server).open == 0);
    eng_http_stats s = eng_http_server_stats(l.server);
    assert_int_equal(s.accepted, 2);
    assert_int_equal(s.refused, 1);
    assert_true(s.bytes_in > 50 && s.bytes_out > 100);
    assert_int_equal(l.heads, 1);
    assert_int_equal(l.dones, 2);
    assert_true(l.turns > 0);
    stop(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_servers_own_headers_are_there),
        cmocka_unit_test(header_values_cannot_end_their_line),
        cmocka_unit_test(head_is_get_without_its_body),
        cmocka_unit_test(http_1_0_closes_unless_asked),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(every_byte_may_come_alone),
        cmocka_unit_test(bodies_come_whole_in_memory_and_through_a_file),
        cmocka_unit_test(bodies_beyond_the_limit_are_413),
        cmocka_unit_test(continue_is_said_before_the_body_comes),
        cmocka_unit_test(a_small_body_that_nobody_wants_is_skipped),
        cmocka_unit_test(what_ends_too_early_is_400),
        cmocka_unit_test(nothing_behind_a_malformed_request_is_a_request),
        cmocka_unit_test(bodies_that_cannot_be_kept_are_503),
        cmocka_unit_test(replies_are_compressed_where_that_is_accepted),
        cmocka_unit_test(a_client_that_has_gone_cancels_its_work),
        cmocka_unit_test(a_client_that_only_says_no_more_gets_its_reply),
        cmocka_unit_test(clients_that_vanish_leave_nothing_behind),
        cmocka_unit_test(late_requests_are_408_and_idle_connections_end),
        cmocka_unit_test(a_client_that_never_reads_is_cut_off),
        cmocka_unit_test(slow_clients_hold_nobody_up),
        cmocka_unit_test(connections_beyond_the_limit_are_503),
        cmocka_unit_test(clients_are_told_when_no_descriptor_is_left),
        cmocka_unit_test(no_memory_costs_a_connection_at_most),
        cmocka_unit_test(a_hundred_thousand_requests_leave_memory_where_it_was),
        cmocka_unit_test(an_address_in_use_or_malformed_is_an_error),
        cmocka_unit_test(unix_sockets_are_for_their_owner_alone),
        cmocka_unit_test(whoever_reaches_a_unix_socket_is_answered_though_it_ends),
        cmocka_unit_test(making_one_survives_without_memory),
        cmocka_unit_test(draining_lets_requests_end_and_cuts_them_late),
        cmocka_unit_test(counts),
    };
    eng_buf_init(&reply, 64 << 20);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    eng_buf_clear(&reply);
    return failed;
}
