/*
 * A connection: which step comes next.
 *
 *     HEAD ---head whole---> BODY ---body whole---> HANDLER ---reply---> SEND ---sent---> HEAD
 *       \                    |  ^                    ^   \                 \
 *        \              spill|  |written        posted    begin_stream      +-> DISCARD ---> HEAD
 *         \                  v  |                          v                |   (a body nobody wants)
 *          \               WRITING                       STREAM ---over-----+-> LINGER ---> closed
 *           +--- refuse: an error of the server's own ---> SEND             |   (nor its sender)
 *                                                                           +-> closed
 *
 * epoll tells edges, so a step goes on until the kernel says EAGAIN; a connection that has more to do
 * than its share of a turn comes again after the others. One exchange at a time: what a client sends
 * behind a request stays in the block, or in the kernel, until that one is answered.
 */
#include "net/http_internal.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    SHARE = 64,              /* steps in a turn */
    PACK_HERE = 16 * 1024,   /* larger replies of the loop's are compressed by a worker */
    DISCARD_MAX = 64 * 1024, /* of an unwanted body; beyond it closing is cheaper */
    LINGER_BYTES = 16 * 1024 * 1024,
};

/* GO: the state says what is next. WAIT: for the kernel, a worker, the time. GONE: c is freed. */
typedef enum { GO, WAIT, GONE } step;

static step refuse(eng_http_conn *c, int status, const char *why);

/* ---- Life ----------------------------------------------------------------------------------- */

static uint8_t print_peer(char *to, const struct sockaddr *from)
{
    char address[INET6_ADDRSTRLEN] = "";
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)from;
        inet_ntop(AF_INET, &four->sin_addr, address, sizeof address);
        return (uint8_t)snprintf(to, ENG_HTTP_PEER_SIZE, "%s:%u", address, ntohs(four->sin_port));
    }
    if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;
        inet_ntop(AF_INET6, &six->sin6_addr, address, sizeof address);
        return (uint8_t)snprintf(to, ENG_HTTP_PEER_SIZE, "[%s]:%u", address, ntohs(six->sin6_port));
    }
    return (uint8_t)snprintf(to, ENG_HTTP_PEER_SIZE, "unix");
}

static void count_open(eng_http_loop *l, bool more)
{
    l->conns += more ? 1 : SIZE_MAX;
    atomic_store_explicit(&l->count.open, l->conns, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->server->open, more ? 1 : UINT64_MAX, memory_order_relaxed);
}

void eng_http_conn_new(eng_http_loop *l, int fd, const struct sockaddr *from, bool refused)
{
    eng_http_conn *c = eng_zalloc(sizeof *c);
    struct epoll_event want = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = c}};
    if (!c || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &want) < 0) {
        eng_free(c);
        close(fd);
        return;
    }
    c->source = ENG_SOURCE_CONN;
    c->fd = fd;
    c->loop = l;
    c->writable = true;
    c->local = from->sa_family == AF_UNIX;
    c->peer_len = print_peer(c->peer, from);
    c->wait = ENG_WAITS;
    eng_http_loop_wait(c, ENG_WAIT_IDLE);
    count_open(l, true);
    if (!refused)
        return;
    c->refused = true;
    l->refusing++;
    if (refuse(c, 503, "too many connections") == GO)
        eng_http_conn_run(c);
}

/* What its exchange becomes: over, where nobody else has it; else an orphan, that is finished when the
 * handler or the worker hands it back. */
static void leave_exchange(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    c->x = NULL;
    x->conn = NULL;
    if (!x->s.block) {
        x->s.block = c->block;
        c->block = NULL;
    }
    eng_exchange_cancel(x);
    eng_exchange_drop(x);
}

void eng_http_conn_close(eng_http_conn *c)
{
    eng_http_loop *l = c->loop;
    if (c->x)
        leave_exchange(c);
    if (c->block)
        eng_http_block_give(l, c->block);
    eng_http_loop_forget(c);
    close(c->fd);
    count_open(l, false);
    l->refusing -= c->refused;
    eng_free(c);
}

static step gone(eng_http_conn *c)
{
    eng_http_conn_close(c);
    return GONE;
}

/* With a reset, so that the other side sees that what it got is not whole. */
static step cut(eng_http_conn *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)!setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return gone(c);
}

/* ---- Receiving ------------------------------------------------------------------------------ */

typedef enum { GOT, NOTHING, END, BROKEN } received;

static received receive(eng_http_conn *c, char *to, size_t room, size_t *got)
{
    if (c->end_read)
        return END;
    if (!c->readable)
        return NOTHING;
    ssize_t n;
    do
        n = recv(c->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        /* Less than there was room for: that was all, and more makes a new edge; but the end was
         * told with an edge that may have been this one. */
        c->readable = (size_t)n == room || c->half_closed;
        eng_http_bump(&c->loop->count.bytes_in, (uint64_t)n);
        *got = (size_t)n;
        return GOT;
    }
    c->readable = false;
    if (n == 0)
        c->half_closed = c->end_read = true;
    return n == 0 ? END : errno == EAGAIN ? NOTHING : BROKEN;
}

static bool is_empty(const eng_http_block *b) { return !b || b->from == b->to; }

static void drop_empty_block(eng_http_conn *c)
{
    if (!c->block || !is_empty(c->block))
        return;
    eng_http_block_give(c->loop, c->block);
    c->block = NULL;
}

static void make_room(eng_http_block *b, size_t size)
{
    if (is_empty(b)) {
        b->from = b->to = 0;
    } else if (b->to == size) {
        memmove(b->data, b->data + b->from, b->to - b->from);
        b->to -= b->from;
        b->from = 0;
    }
}

static received receive_block(eng_http_conn *c)
{
    eng_http_loop *l = c->loop;
    size_t size = l->server->block_size, got;
    if (!c->readable || c->end_read) {
        drop_empty_block(c);
        return c->end_read ? END : NOTHING;
    }
    if (!c->block)
        c->block = eng_http_block_take(l);
    eng_http_block *b = c->block;
    if (!b)
        return BROKEN;
    make_room(b, size);
    received r = receive(c, b->data + b->to, size - b->to, &got);
    if (r != GOT) {
        drop_empty_block(c);
        return r;
    }
    /* A head is read anew when a line has ended, or grows beyond what a line may have. */
    b->look |= is_empty(b) || memchr(b->data + b->to, '\n', got) ||
               b->to - b->from + got > l->server->limits.target_max;
    b->to += got;
    return GOT;
}

/* ---- Sending -------------------------------------------------------------------------------- */

typedef enum { SENT, BLOCKED, FAILED } transmitted;

static ssize_t send_two(int fd, eng_str a, eng_str b)
{
    if (b.len == 0)
        return send(fd, a.ptr, a.len, MSG_NOSIGNAL);
    struct iovec parts[2] = {{(void *)(uintptr_t)a.ptr, a.len}, {(void *)(uintptr_t)b.ptr, b.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Sends the wire and what follows it, from x->sent on. */
static transmitted transmit(eng_http_conn *c, eng_str tail)
{
    eng_exchange *x = c->x;
    eng_str wire = eng_buf_view(&x->wire);
    while (x->sent < wire.len + tail.len) {
        if (!c->writable)
            return BLOCKED;
        size_t in_wire = x->sent < wire.len ? x->sent : wire.len;
        ssize_t n = send_two(c->fd, eng_str_sub(wire, in_wire, wire.len),
                             eng_str_sub(tail, x->sent - in_wire, tail.len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return FAILED;
        if (n < 0) {
            c->writable = false;
            return BLOCKED;
        }
        x->sent += (size_t)n;
        x->s.bytes_out += (uint64_t)n;
        eng_http_bump(&c->loop->count.bytes_out, (uint64_t)n);
    }
    return SENT;
}

/* A few bytes between two replies: what does not fit now is not worth waiting for. */
static void send_continue(const eng_http_conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)!send(c->fd, text, sizeof text - 1, MSG_NOSIGNAL);
}

/* ---- The end of a request -------------------------------------------------------------------- */

static step linger(eng_http_conn *c)
{
    shutdown(c->fd, SHUT_WR);
    if (c->block)
        eng_http_block_give(c->loop, c->block);
    c->block = NULL;
    c->state = ENG_CONN_LINGER;
    c->discard = LINGER_BYTES;
    eng_http_loop_wait(c, ENG_WAIT_LINGER);
    return GO;
}

/* Closing while the client sends makes the kernel send a reset, which may overtake the reply. */
static bool may_be_sending(const eng_http_conn *c, bool said_so)
{
    return !c->end_read && (said_so || c->readable || !is_empty(c->block));
}

static step end_request(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    bool close_now = x->s.close, said_so = x->s.linger;
    c->x = NULL;
    eng_exchange_finish(x);
    if (close_now)
        return may_be_sending(c, said_so) ? linger(c) : gone(c);
    if (c->wait == ENG_WAIT_HEAD)
        eng_http_loop_wait(c, ENG_WAIT_IDLE); /* the next head has its own time */
    if (c->block)
        c->block->look = true;
    c->state = ENG_CONN_HEAD;
    if (c->discard) {
        c->state = ENG_CONN_DISCARD;
        eng_http_loop_wait(c, ENG_WAIT_BODY);
    }
    return GO;
}

/* ---- Replying ------------------------------------------------------------------------------- */

static void pack_task(void *arg)
{
    eng_exchange *x = arg;
    eng_http_pack(x);
    pthread_mutex_lock(&x->lock);
    x->s.reply = ENG_REPLY_WHOLE;
    x->s.ended = true;
    eng_exchange_post(x);
    pthread_mutex_unlock(&x->lock);
}

/* True: a worker does it, and the exchange comes back. */
static bool pack_elsewhere(eng_http_conn *c)
{
    eng_pool *pool = c->loop->server->options.pool;
    eng_task task = {.run = pack_task, .dropped = pack_task, .arg = c->x};
    if (!pool || c->x->out.len <= PACK_HERE)
        return false;
    c->x->s.given = true;
    c->state = ENG_CONN_HANDLER;
    if (eng_pool_submit(pool, ENG_POOL_NOW, task, NULL) == ENG_OK) {
        eng_http_loop_wait(c, ENG_WAIT_HANDLER);
        return true;
    }
    c->x->s.given = false;
    return false;
}

static step reply(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    if (eng_http_wants_packing(x)) {
        if (pack_elsewhere(c))
            return WAIT;
        eng_http_pack(x);
    }
    x->s.finished = true;
    x->s.close |= c->loop->draining;
    if (!eng_http_compose(x))
        return gone(c);
    c->state = ENG_CONN_SEND;
    return GO;
}

static step send_reply(eng_http_conn *c)
{
    size_t before = c->x->sent;
    switch (transmit(c, eng_http_tail(c->x))) {
    case SENT:
        return end_request(c);
    case BLOCKED:
        if (c->x->sent > before || c->wait != ENG_WAIT_WRITE)
            eng_http_loop_wait(c, ENG_WAIT_WRITE);
        return WAIT;
    default:
        return gone(c);
    }
}

/* An error of the server's own; the connection ends with it. */
static step refuse(eng_http_conn *c, int status, const char *why)
{
    const eng_http_callbacks *on = &c->loop->server->options.on;
    if (!c->x) {
        const eng_http_head none = {.status = 0};
        c->x = eng_exchange_new(c->loop);
        if (!c->x)
            return gone(c);
        eng_exchange_begin(c->x, c, &none, NULL);
    }
    eng_exchange *x = c->x;
    eng_http_bump(&c->loop->count.refused, 1);
    eng_buf_reset(&x->out);
    eng_buf_reset(&x->lines);
    x->s.close = x->s.linger = true;
    x->s.packed = true;
    if (on->refuse)
        on->refuse(on->ctx, x, status, why);
    x->s.status = status;
    return reply(c);
}

/* ---- Streams -------------------------------------------------------------------------------- */

static step begin_stream(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    x->s.streaming = true;
    x->s.close |= x->s.req.http10 || c->loop->draining;
    if (!eng_http_compose(x))
        return gone(c);
    c->state = ENG_CONN_STREAM;
    return GO;
}

static step end_stream(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    if (x->s.abrupt)
        return cut(c);
    if (x->s.finished || x->s.req.http10 || x->s.head_only) {
        x->s.finished = true;
        return end_request(c);
    }
    x->s.finished = true;
    eng_buf_str(&x->wire, ENG_STR("0\r\n\r\n"));
    return x->wire.failed ? cut(c) : GO;
}

static step rest_in_stream(eng_http_conn *c)
{
    eng_http_loop_wait(c, c->x->s.events ? ENG_WAIT_BEAT : ENG_WAIT_HANDLER);
    return WAIT;
}

static step stream(eng_http_conn *c)
{
    bool over;
    eng_exchange *x = c->x;
    size_t before = x->sent;
    transmitted t = transmit(c, (eng_str){"", 0});
    if (t == FAILED)
        return gone(c);
    if (x->sent > before)
        eng_http_stream_sent(x);
    if (t == BLOCKED) {
        if (x->sent > before || c->wait != ENG_WAIT_WRITE)
            eng_http_loop_wait(c, ENG_WAIT_WRITE);
        return WAIT;
    }
    if (x->s.finished)
        return end_stream(c);
    if (eng_http_stream_refill(x, &over))
        return GO;
    return over ? end_stream(c) : rest_in_stream(c);
}

/* ---- Handling ------------------------------------------------------------------------------- */

static step ready(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    const eng_http_callbacks *on = &c->loop->server->options.on;
    c->state = ENG_CONN_HANDLER;
    x->s.given = true;
    x->s.dispatching = true;
    on->ready(on->ctx, x);
    x->s.dispatching = false;
    if (x->s.answered) {
        x->s.given = false;
        return reply(c);
    }
    /* An answer may take long, and all of a request that has a body was copied. */
    if (x->s.req.has_body)
        drop_empty_block(c);
    eng_http_loop_wait(c, c->half_closed ? ENG_WAIT_PROBE : ENG_WAIT_HANDLER);
    return WAIT;
}

static step wait_for_others(eng_http_conn *c)
{
    (void)c;
    return WAIT;
}

/* ---- Bodies --------------------------------------------------------------------------------- */

static step after_piece(eng_http_conn *c, eng_body_state state, int status, const char *why)
{
    switch (state) {
    case ENG_BODY_WHOLE:
        return ready(c);
    case ENG_BODY_WRITING:
        c->state = ENG_CONN_WRITING;
        eng_http_loop_wait(c, ENG_WAIT_HANDLER);
        return WAIT;
    case ENG_BODY_REFUSED:
        return refuse(c, status, why);
    default:
        return GO;
    }
}

static step take_from_block(eng_http_conn *c)
{
    int status = 0;
    const char *why = NULL;
    eng_http_block *b = c->block;
    eng_str bytes = {b->data + b->from, b->to - b->from};
    eng_body_state state = eng_http_body_take(c->x, &bytes, &status, &why);
    b->from = b->to - bytes.len;
    return after_piece(c, state, status, why);
}

static step read_body(eng_http_conn *c)
{
    int status = 0;
    const char *why = NULL;
    size_t size = 0, got = 0;
    received r;
    if (!is_empty(c->block))
        return take_from_block(c);
    drop_empty_block(c);
    char *room = c->readable ? eng_http_body_room(c->x, &size) : NULL;
    if (room)
        r = receive(c, room, size, &got);
    else
        r = receive_block(c);
    switch (r) {
    case GOT:
        eng_http_loop_wait(c, ENG_WAIT_BODY);
        if (!room)
            return GO;
        return after_piece(c, eng_http_body_received(c->x, got, &status, &why), status, why);
    case NOTHING:
        return WAIT;
    case END:
        return refuse(c, 400, "the body ends too early");
    default:
        return gone(c);
    }
}

static step begin_body(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    eng_http_body *body = &x->s.body;
    eng_http_block *b = c->block;
    if (!body->chunked && body->length <= b->to - b->from) {
        body->here = eng_arena_copy(&x->arena, (eng_str){b->data + b->from, (size_t)body->length});
        b->from += (size_t)body->length;
        return body->here.ptr ? ready(c) : refuse(c, 503, "out of memory");
    }
    if (x->s.expects && is_empty(b))
        send_continue(c);
    eng_http_body_begin(x);
    c->state = ENG_CONN_BODY;
    eng_http_loop_wait(c, ENG_WAIT_BODY);
    return GO;
}

/* The head alone was enough to reply: what follows it is not wanted. */
static step reply_early(eng_http_conn *c)
{
    eng_exchange *x = c->x;
    eng_http_block *b = c->block;
    size_t here = b->to - b->from;
    uint64_t length = x->s.body.length;
    if (!x->s.req.has_body)
        return reply(c);
    if (x->s.body.chunked || (length > here && (x->s.expects || length - here > DISCARD_MAX))) {
        x->s.close = x->s.linger = true;
        return reply(c);
    }
    b->from += length < here ? (size_t)length : here;
    c->discard = length - (length < here ? length : here);
    return reply(c);
}

static step discard(eng_http_conn *c)
{
    eng_http_block *b = c->block;
    if (!is_empty(b)) {
        size_t len = b->to - b->from;
        len = len < c->discard ? len : (size_t)c->discard;
        b->from += len;
        c->discard -= len;
    }
    if (c->discard == 0) {
        if (c->block)
            c->block->look = true;
        c->state = ENG_CONN_HEAD;
        return GO;
    }
    switch (receive_block(c)) {
    case GOT:
        return GO;
    case NOTHING:
        return WAIT;
    default:
        return gone(c);
    }
}

static step drop_what_comes(eng_http_conn *c)
{
    received r = receive_block(c);
    if (r == NOTHING)
        return WAIT;
    if (r != GOT)
        return gone(c);
    size_t len = c->block->to - c->block->from;
    c->block->from = c->block->to;
    if (len >= c->discard)
        return gone(c);
    c->discard -= len;
    return GO;
}

/* ---- Heads ---------------------------------------------------------------------------------- */

static void move(eng_str *view, const char *from, const char *to)
{
    if (view->ptr)
        view->ptr = to + (view->ptr - from);
}

/* The head of a request with a body out of the block, which other bytes need, and which is large for what may be
 * held long. */
static bool keep_head(eng_exchange *x, eng_http_head *head, eng_header *headers, const char *from)
{
    const char *to = eng_arena_copy(&x->arena, (eng_str){from, head->size}).ptr;
    eng_str *views[] = {&head->method, &head->target, &head->path,
                        &head->query,  &head->host,   &head->id};
    for (size_t i = 0; to && i < sizeof views / sizeof *views; i++)
        move(views[i], from, to);
    for (size_t i = 0; to && i < head->header_count; i++) {
        move(&headers[i].name, from, to);
        move(&headers[i].value, from, to);
    }
    return to;
}

static step begin(eng_http_conn *c, eng_http_head *head)
{
    eng_http_loop *l = c->loop;
    const eng_http_callbacks *on = &l->server->options.on;
    eng_exchange *x = eng_exchange_new(l);
    if (!x)
        return gone(c);
    c->x = x;
    bool has_body = head->chunked || head->length > 0;
    if (has_body && !keep_head(x, head, l->headers, c->block->data + c->block->from))
        return gone(c);
    eng_exchange_begin(x, c, head, l->headers);
    c->block->from += head->size;
    x->s.dispatching = true;
    on->head(on->ctx, x);
    x->s.dispatching = false;
    if (x->s.answered)
        return reply_early(c);
    if (!x->s.req.has_body)
        return ready(c);
    if (!x->s.body.taken || (!x->s.body.chunked && x->s.body.length > x->s.body.max))
        return refuse(c, 413, "the body is too large");
    return begin_body(c);
}

/* With as much of the request as was read, for the log. */
static step refuse_head(eng_http_conn *c, const eng_http_head *head, int status, const char *why)
{
    c->x = eng_exchange_new(c->loop);
    if (!c->x)
        return gone(c);
    eng_exchange_begin(c->x, c, head, c->loop->headers);
    c->block->from = c->block->to;
    return refuse(c, status, why);
}

static eng_head_state read_what_is_there(eng_http_conn *c, eng_http_head *head)
{
    eng_http_block *b = c->block;
    eng_str bytes = {b->data + b->from, b->to - b->from};
    b->look = false;
    return eng_http_head_read(bytes, &c->loop->server->limits, c->loop->headers, head);
}

/* Some of a head came, and then nothing. What is wrong with that part is said first. */
static step refuse_part(eng_http_conn *c, int status, const char *why)
{
    eng_http_head head;
    if (is_empty(c->block))
        return gone(c);
    if (read_what_is_there(c, &head) == ENG_HEAD_REFUSED)
        return refuse_head(c, &head, head.status, head.why);
    return refuse_head(c, &head, status, why);
}

static step rest(eng_http_conn *c)
{
    if (is_empty(c->block))
        eng_http_loop_wait(c, ENG_WAIT_IDLE);
    else if (c->wait != ENG_WAIT_HEAD)
        eng_http_loop_wait(c, ENG_WAIT_HEAD);
    return WAIT;
}

static step read_head(eng_http_conn *c)
{
    eng_http_head head;
    if (!is_empty(c->block) && c->block->look) {
        eng_head_state state = read_what_is_there(c, &head);
        if (state == ENG_HEAD_WHOLE)
            return begin(c, &head);
        if (state == ENG_HEAD_REFUSED)
            return refuse_head(c, &head, head.status, head.why);
    }
    switch (receive_block(c)) {
    case GOT:
        return GO;
    case NOTHING:
        return rest(c);
    case END:
        return refuse_part(c, 400, "the request ends too early");
    default:
        return gone(c);
    }
}

/* ---- What happens to it --------------------------------------------------------------------- */

static step (*const steps[])(eng_http_conn *c) = {
    [ENG_CONN_HEAD] = read_head,          [ENG_CONN_BODY] = read_body,
    [ENG_CONN_WRITING] = wait_for_others, [ENG_CONN_HANDLER] = wait_for_others,
    [ENG_CONN_SEND] = send_reply,         [ENG_CONN_STREAM] = stream,
    [ENG_CONN_DISCARD] = discard,         [ENG_CONN_LINGER] = drop_what_comes,
};

void eng_http_conn_run(eng_http_conn *c)
{
    for (unsigned i = 0; i < SHARE; i++)
        if (steps[c->state](c) != GO)
            return;
    eng_http_loop_again(c);
}

static bool is_reading(const eng_http_conn *c)
{
    return c->state == ENG_CONN_HEAD || c->state == ENG_CONN_BODY || c->state == ENG_CONN_DISCARD ||
           c->state == ENG_CONN_LINGER;
}

/*
 * The client will send no more: it has gone, or only waits for its reply. What tells these apart is
 * whether the kernel at its side answers with a reset when something is sent to it; so an event
 * stream sends a comment at once, and a handler that takes its time is asked after with an interim
 * reply, which RFC 9110 allows at any time before the final one.
 */
static void on_half_close(eng_http_conn *c)
{
    c->half_closed = true;
    if (c->state == ENG_CONN_HANDLER)
        eng_http_loop_wait(c, ENG_WAIT_PROBE);
    else if (c->state == ENG_CONN_STREAM)
        eng_http_stream_beat(c->x);
}

void eng_http_conn_event(eng_http_conn *c, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLRDHUP))
        c->readable = true;
    if (events & EPOLLOUT)
        c->writable = true;
    if (events & (EPOLLERR | EPOLLHUP) && !(is_reading(c) && events & EPOLLIN)) {
        eng_http_conn_close(c);
        return;
    }
    if (events & EPOLLRDHUP && !c->half_closed)
        on_half_close(c);
    eng_http_conn_run(c);
}

void eng_http_conn_posted(eng_http_conn *c)
{
    int status = 0;
    const char *why = NULL;
    eng_exchange *x = c->x;
    step next = GO;
    if (c->state == ENG_CONN_WRITING) {
        c->state = ENG_CONN_BODY;
        eng_http_loop_wait(c, ENG_WAIT_BODY);
        eng_body_state state = eng_http_body_written(x, &status, &why);
        next = after_piece(c, state, status, why);
    } else if (c->state == ENG_CONN_HANDLER && x->s.seen == ENG_REPLY_WHOLE) {
        next = reply(c);
    } else if (c->state == ENG_CONN_HANDLER && x->s.seen == ENG_REPLY_STREAM) {
        next = begin_stream(c);
    }
    if (next == GO)
        eng_http_conn_run(c);
}

static void probe(eng_http_conn *c)
{
    if (!c->x->s.req.http10)
        send_continue(c);
    eng_http_loop_wait(c, ENG_WAIT_HANDLER);
}

void eng_http_conn_timeout(eng_http_conn *c)
{
    step next = WAIT;
    switch ((eng_http_wait)c->wait) {
    case ENG_WAIT_HEAD:
        next = refuse_part(c, 408, "the request took too long to come");
        break;
    case ENG_WAIT_BODY:
        next = c->state == ENG_CONN_BODY ? refuse(c, 408, "the body took too long to come")
                                         : gone(c);
        break;
    case ENG_WAIT_WRITE:
        next = cut(c);
        break;
    case ENG_WAIT_BEAT:
        eng_http_stream_beat(c->x);
        eng_http_loop_wait(c, ENG_WAIT_BEAT);
        break;
    case ENG_WAIT_PROBE:
        probe(c);
        break;
    default:
        next = gone(c);
    }
    if (next == GO)
        eng_http_conn_run(c);
}
