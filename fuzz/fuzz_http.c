/*
 * A connection: the first byte says how large the pieces are, the rest is what a client sends. It goes
 * through a real connection over a socket pair, once as a whole and once in pieces, and must mean the
 * same both times: the same requests with the same bodies, then the same refusal or none. Nothing may
 * be taken for a request behind a refusal, and what is sent back must be replies.
 */
#include "net/http_internal.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

/* What the requests of a connection were, as text. */
typedef struct {
    eng_buf log;
    bool refused;
    size_t begun, ended;
} story;

static void on_head(void *ctx, eng_exchange *x)
{
    story *s = ctx;
    must(!s->refused);
    const eng_http_request *r = eng_exchange_request(x);
    must(r->method.len > 0 && r->path.len > 0 && r->id.len > 0 && r->peer.len > 0);
    must(r->host.len > 0 || r->http10);
    for (size_t i = 0; i < r->header_count; i++) {
        must(r->headers[i].name.len > 0);
        must(eng_exchange_header(x, r->headers[i].name).ptr != NULL);
    }
    eng_exchange_take_body(x, 10000, 10000);
    s->begun++;
}

static void on_ready(void *ctx, eng_exchange *x)
{
    story *s = ctx;
    eng_str body;
    const eng_http_request *r = eng_exchange_request(x);
    must(!s->refused);
    must(eng_exchange_body(x, &body, NULL) == ENG_OK && body.len <= 10000);
    must(r->has_body || body.len == 0);
    eng_buf_format(&s->log, "%.*s %.*s?%.*s %.*s %zu [%.*s]\n", ENG_FMT(r->method),
                   ENG_FMT(r->path), ENG_FMT(r->query), ENG_FMT(r->host), r->header_count,
                   ENG_FMT(body));
    eng_exchange_add_header(x, ENG_STR("X-Query"), r->query);
    eng_buf_str(eng_exchange_out(x), body);
    eng_exchange_send(x, 200);
}

static void on_refuse(void *ctx, eng_exchange *x, int status, const char *why)
{
    story *s = ctx;
    (void)x;
    must(!s->refused && status >= 400 && status < 600 && why);
    eng_buf_format(&s->log, "refused %d\n", status);
    s->refused = true;
}

static void on_done(void *ctx, eng_exchange *x)
{
    (void)x;
    ((story *)ctx)->ended++;
}

/* Takes what the server has sent; the first of it must be the beginning of a reply. */
static void take_replies(int fd, bool *any)
{
    char got[65536];
    ssize_t n;
    while ((n = recv(fd, got, sizeof got, 0)) > 0) {
        must(*any || (n >= 13 && memcmp(got, "HTTP/1.1 ", 9) == 0));
        *any = true;
    }
}

static void run_while_there(eng_http_loop *l, uint32_t events)
{
    l->now_ns = eng_clock_ns();
    for (eng_http_wait w = 0; w < ENG_WAITS; w++)
        if (l->waits[w].first) {
            eng_http_conn_event(l->waits[w].first, events);
            return;
        }
}

static void play(story *s, eng_str text, size_t piece)
{
    int pair[2];
    bool any = false;
    eng_http_server *server = NULL;
    const struct sockaddr peer = {.sa_family = AF_UNIX};
    eng_http_options o = {
        .loops = 1,
        .head_max = 512,
        .target_max = 100,
        .header_count_max = 8,
        .connections_max = 10,
        .on = {on_head, on_ready, on_done, on_refuse, NULL, s},
    };
    eng_buf_init(&s->log, 1 << 24);
    must(eng_http_server_new(&o, &server, NULL) == ENG_OK);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    eng_http_loop *l = &server->loops[0];
    l->self = pthread_self();
    l->now_ns = eng_clock_ns();
    eng_http_conn_new(l, pair[0], &peer, false);
    for (size_t at = 0; at < text.len && l->conns; at += piece) {
        eng_str bytes = eng_str_sub(text, at, piece);
        (void)!send(pair[1], bytes.ptr, bytes.len, MSG_NOSIGNAL);
        run_while_there(l, EPOLLIN);
        take_replies(pair[1], &any);
    }
    shutdown(pair[1], SHUT_WR);
    run_while_there(l, EPOLLIN | EPOLLRDHUP);
    while (l->again)
        run_while_there(l, 0);
    take_replies(pair[1], &any);
    run_while_there(l, EPOLLIN | EPOLLHUP);
    if (l->conns)
        eng_http_conn_close(l->waits[ENG_WAIT_LINGER].first);
    must(l->conns == 0 && l->exchanges == 0 && s->ended >= s->begun);
    close(pair[1]);
    eng_http_server_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 20000)
        return 0;
    size_t piece = data[0] ? data[0] : 1;
    eng_str text = {(const char *)data + 1, size - 1};
    story whole = {0}, pieces = {0};
    play(&whole, text, SIZE_MAX);
    play(&pieces, text, piece);
    must(eng_str_eq(eng_buf_view(&whole.log), eng_buf_view(&pieces.log)));
    eng_buf_clear(&whole.log);
    eng_buf_clear(&pieces.log);
    return 0;
}
