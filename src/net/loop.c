/*
 * A loop: one thread, one epoll, the connections that it accepted.
 *
 * A turn: what epoll tells; what other threads have posted; connections that had more to do than
 * their share; timeouts; the callback `turn`. Then it sleeps until the next of these.
 *
 * Timeouts need no heap and no wheel: everything that waits for the same thing waits equally long, so
 * a queue for each is in the order of its deadlines.
 */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    ACCEPTS = 64,      /* of a listener in a turn */
    REFUSING_MAX = 64, /* beyond it a connection that is one too many is closed without a word */
    SPARE_BLOCKS = 64,
    PAUSE_MS = 100,
    PROBE_MS = 250,
    LINGER_MS = 2000,
    DRAIN_IDLE_MS = 100,
};

static uint64_t from_ms(unsigned ms) { return (uint64_t)ms * 1000000; }

/* ---- Queues --------------------------------------------------------------------------------- */

void eng_http_loop_forget(eng_http_conn *c)
{
    eng_http_loop *l = c->loop;
    if (c->wait < ENG_WAITS) {
        eng_http_queue *q = &l->waits[c->wait];
        *(c->before ? &c->before->after : &q->first) = c->after;
        *(c->after ? &c->after->before : &q->last) = c->before;
        c->wait = ENG_WAITS;
    }
    if (!c->queued)
        return;
    eng_http_conn **at = &l->again;
    while (*at != c)
        at = &(*at)->again;
    *at = c->again;
    c->queued = false;
}

void eng_http_loop_wait(eng_http_conn *c, eng_http_wait wait)
{
    eng_http_loop *l = c->loop;
    c->since_ns = l->now_ns;
    eng_http_queue *q = &l->waits[wait];
    if (c->wait == wait && q->last == c)
        return;
    if (c->wait < ENG_WAITS) {
        eng_http_queue *old = &l->waits[c->wait];
        *(c->before ? &c->before->after : &old->first) = c->after;
        *(c->after ? &c->after->before : &old->last) = c->before;
    }
    c->wait = (uint8_t)wait;
    c->before = q->last;
    c->after = NULL;
    *(q->last ? &q->last->after : &q->first) = c;
    q->last = c;
}

void eng_http_loop_again(eng_http_conn *c)
{
    if (c->queued)
        return;
    c->queued = true;
    c->again = c->loop->again;
    c->loop->again = c;
}

static void run_again(eng_http_loop *l)
{
    eng_http_conn *last = NULL;
    /* Those that were there when this began; what is put in front now comes in the next turn. */
    for (size_t n = l->conns; l->again && n > 0; n--) {
        eng_http_conn *c = l->again;
        if (c == last)
            return;
        l->again = c->again;
        c->queued = false;
        last = c;
        eng_http_conn_run(c);
    }
}

/* ---- Blocks, date --------------------------------------------------------------------------- */

eng_http_block *eng_http_block_take(eng_http_loop *l)
{
    eng_http_block *b = l->spare_blocks;
    if (b) {
        l->spare_blocks = b->next;
        l->spare_block_count--;
    } else {
        b = eng_alloc(sizeof *b + l->server->block_size);
    }
    if (b) {
        b->next = NULL;
        b->from = b->to = 0;
        b->look = false;
    }
    return b;
}

void eng_http_block_give(eng_http_loop *l, eng_http_block *b)
{
    if (l->spare_block_count == SPARE_BLOCKS) {
        eng_free(b);
        return;
    }
    b->next = l->spare_blocks;
    l->spare_blocks = b;
    l->spare_block_count++;
}

const char *eng_http_loop_date(eng_http_loop *l)
{
    uint64_t second = l->now_ns / 1000000000;
    if (second != l->date_second || !l->date[0]) {
        l->date_second = second;
        eng_http_date(eng_clock_wall_ms(), l->date);
    }
    return l->date;
}

/* ---- Accepting ------------------------------------------------------------------------------ */

static void listen_on(eng_http_loop *l, eng_http_listener *from)
{
    /* A shared one wakes one loop, not all. */
    struct epoll_event want = {EPOLLIN | (from->local ? EPOLLEXCLUSIVE : 0), {.ptr = from}};
    from->paused = epoll_ctl(l->epoll, EPOLL_CTL_ADD, from->fd, &want) < 0;
}

static void pause_listener(eng_http_loop *l, eng_http_listener *from)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, from->fd, NULL);
    from->paused = true;
    l->resume_ns = l->now_ns + from_ms(PAUSE_MS);
}

static int open_reserve(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

static void resume_listeners(eng_http_loop *l)
{
    if (l->resume_ns == 0 || l->now_ns < l->resume_ns)
        return;
    l->resume_ns = 0;
    if (l->reserve < 0)
        l->reserve = open_reserve();
    for (size_t i = 0; i < l->listener_count && !l->draining; i++) {
        if (l->listeners[i].paused)
            listen_on(l, &l->listeners[i]);
        if (l->listeners[i].paused)
            l->resume_ns = l->now_ns + from_ms(PAUSE_MS);
    }
}

static void say_busy(int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    char seen[1024];
    (void)!send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    (void)!recv(fd, seen, sizeof seen, 0); /* what is unread would make its end a reset */
}

static int accept_now(const eng_http_listener *from, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof *peer;
    memset(peer, 0, sizeof *peer);
    return accept4(from->fd, (struct sockaddr *)peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* While descriptors are scarce the loops take turns: else one would take for its client what another
 * gave up to tell its own. */
static int accept_one(eng_http_server *s, const eng_http_listener *from,
                      struct sockaddr_storage *peer)
{
    if (!atomic_load_explicit(&s->scarce, memory_order_acquire))
        return accept_now(from, peer);
    pthread_mutex_lock(&s->scarcity);
    int fd = accept_now(from, peer);
    if (fd >= 0)
        atomic_store_explicit(&s->scarce, false, memory_order_release);
    pthread_mutex_unlock(&s->scarcity);
    return fd;
}

static void welcome(eng_http_loop *l, int fd, const struct sockaddr_storage *peer)
{
    eng_http_server *s = l->server;
    bool full = atomic_load_explicit(&s->open, memory_order_relaxed) >= s->connections_max;
    eng_http_bump(&l->count.accepted, 1);
    if (full && l->refusing >= REFUSING_MAX)
        close(fd);
    else
        eng_http_conn_new(l, fd, (const struct sockaddr *)peer, full);
}

/*
 * No descriptor is left for a client: one that was kept for this is given up, so that the client can
 * be told, else it would wait for a timeout of its own, and we would be woken for it without end. If
 * another can be kept right away there was one after all. False: nobody is there, or not even that
 * works, and accepting rests for a while.
 */
static bool accept_without_descriptors(eng_http_loop *l, eng_http_listener *from)
{
    struct sockaddr_storage peer;
    eng_http_server *s = l->server;
    atomic_store_explicit(&s->scarce, true, memory_order_release);
    pthread_mutex_lock(&s->scarcity);
    if (l->reserve >= 0)
        close(l->reserve);
    int fd = accept_now(from, &peer);
    l->reserve = open_reserve();
    if (fd >= 0 && l->reserve >= 0) {
        pthread_mutex_unlock(&s->scarcity);
        welcome(l, fd, &peer);
        return true;
    }
    if (fd >= 0) {
        say_busy(fd);
        eng_http_bump(&l->count.refused, 1);
        /* In one step, or another thread takes what becomes free in between. */
        l->reserve = dup3(l->wake, fd, O_CLOEXEC);
        if (l->reserve < 0)
            close(fd);
    }
    pthread_mutex_unlock(&s->scarcity);
    if (l->reserve < 0)
        pause_listener(l, from);
    return fd >= 0 && l->reserve >= 0;
}

/* False: there may be more. */
static bool accept_from(eng_http_loop *l, eng_http_listener *from)
{
    for (unsigned i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage peer;
        int fd = accept_one(l->server, from, &peer);
        if (fd >= 0)
            welcome(l, fd, &peer);
        else if (errno == EMFILE || errno == ENFILE) {
            if (!accept_without_descriptors(l, from))
                return true;
        } else if (errno != EINTR && errno != ECONNABORTED)
            return true;
    }
    return false;
}

/* ---- Timeouts ------------------------------------------------------------------------------- */

static uint64_t next_deadline(const eng_http_loop *l)
{
    uint64_t next = l->resume_ns ? l->resume_ns : UINT64_MAX;
    for (unsigned w = 0; w < ENG_WAIT_HANDLER; w++) {
        const eng_http_conn *c = l->waits[w].first;
        if (c && c->since_ns + l->timeout_ns[w] < next)
            next = c->since_ns + l->timeout_ns[w];
    }
    uint64_t cut = atomic_load_explicit(&l->server->cut_ns, memory_order_relaxed);
    return l->draining && !l->cut && cut < next ? cut : next;
}

static void run_timeouts(eng_http_loop *l)
{
    for (unsigned w = 0; w < ENG_WAIT_HANDLER; w++) {
        for (;;) {
            eng_http_conn *c = l->waits[w].first;
            if (!c || c->since_ns + l->timeout_ns[w] > l->now_ns)
                break;
            eng_http_conn_timeout(c);
        }
    }
}

/* ---- What other threads hand in -------------------------------------------------------------- */

static eng_exchange *take_posted(eng_http_loop *l)
{
    if (!atomic_load_explicit(&l->posted, memory_order_relaxed))
        return NULL;
    eng_exchange *x = atomic_exchange_explicit(&l->posted, NULL, memory_order_acquire);
    eng_exchange *first = NULL;
    while (x) { /* the last one posted stands first */
        eng_exchange *next = x->next;
        x->next = first;
        first = x;
        x = next;
    }
    return first;
}

static void run_posted(eng_http_loop *l)
{
    eng_exchange *x = take_posted(l);
    while (x) {
        pthread_mutex_lock(&x->lock);
        eng_exchange *next = x->next; /* from here on it may be posted again */
        x->s.posted = false;
        x->s.seen = x->s.reply;
        pthread_mutex_unlock(&x->lock);
        if (x->conn)
            eng_http_conn_posted(x->conn);
        else
            eng_exchange_drop(x);
        x = next;
    }
}

/* ---- Draining ------------------------------------------------------------------------------- */

static void stop_listening(eng_http_loop *l)
{
    for (size_t i = 0; i < l->listener_count; i++) {
        eng_http_listener *from = &l->listeners[i];
        while (!from->paused && !accept_from(l, from)) {
        } /* who has connected already is answered */
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, from->fd, NULL);
        if (!from->local)
            close(from->fd);
        from->fd = -1;
    }
    l->listener_count = 0;
}

static void cut_all(eng_http_loop *l)
{
    for (unsigned w = 0; w < ENG_WAITS; w++)
        while (l->waits[w].first)
            eng_http_conn_close(l->waits[w].first);
}

static void drain(eng_http_loop *l)
{
    uint64_t cut = atomic_load_explicit(&l->server->cut_ns, memory_order_acquire);
    if (cut && !l->draining) {
        l->draining = true;
        l->timeout_ns[ENG_WAIT_IDLE] = from_ms(DRAIN_IDLE_MS);
        l->timeout_ns[ENG_WAIT_LINGER] = from_ms(DRAIN_IDLE_MS);
        stop_listening(l);
    }
    if (l->draining && !l->cut && l->now_ns >= cut) {
        l->cut = true;
        cut_all(l);
    }
}

/* ---- Turns ---------------------------------------------------------------------------------- */

static int time_to_sleep(eng_http_loop *l)
{
    enum { LONGEST_MS = 60000 };
    if (l->again || atomic_load_explicit(&l->posted, memory_order_relaxed))
        return 0;
    uint64_t next = next_deadline(l), now = l->now_ns;
    if (next <= now)
        return 0;
    uint64_t ms = (next - now + 999999) / 1000000;
    return ms < LONGEST_MS ? (int)ms : LONGEST_MS;
}

static void dispatch(eng_http_loop *l, const struct epoll_event *event)
{
    switch (*(const uint8_t *)event->data.ptr) {
    case ENG_SOURCE_CONN:
        eng_http_conn_event(event->data.ptr, event->events);
        break;
    case ENG_SOURCE_LISTENER:
        (void)accept_from(l, event->data.ptr);
        break;
    default: /* woken: what for is seen below */
        break;
    }
}

static void turn(eng_http_loop *l)
{
    const eng_http_callbacks *on = &l->server->options.on;
    struct epoll_event events[EVENTS];
    int count = epoll_wait(l->epoll, events, EVENTS, time_to_sleep(l));
    l->now_ns = eng_clock_ns();
    for (int i = 0; i < count; i++)
        dispatch(l, &events[i]);
    run_posted(l);
    run_again(l);
    run_timeouts(l);
    resume_listeners(l);
    drain(l);
    if (on->turn)
        on->turn(on->ctx, l->index);
}

static bool is_over(const eng_http_loop *l)
{
    return l->draining && l->conns == 0 && l->exchanges == 0;
}

static void *run(void *arg)
{
    eng_http_loop *l = arg;
    l->self = pthread_self();
    l->now_ns = eng_clock_ns();
    for (size_t i = 0; i < l->listener_count; i++) {
        listen_on(l, &l->listeners[i]);
        if (l->listeners[i].paused)
            l->resume_ns = l->now_ns + from_ms(PAUSE_MS);
    }
    while (!is_over(l))
        turn(l);
    return NULL;
}

/* ---- Life ----------------------------------------------------------------------------------- */

bool eng_http_loop_is_here(const eng_http_loop *l)
{
    return pthread_equal(l->self, pthread_self()) != 0;
}

/* An edge each time: nobody has to read it. */
void eng_http_loop_wake(eng_http_loop *l)
{
    uint64_t one = 1;
    (void)!write(l->wake, &one, sizeof one);
}

static void set_timeouts(eng_http_loop *l, const eng_http_options *o)
{
    l->timeout_ns[ENG_WAIT_IDLE] = from_ms(o->idle_timeout_ms);
    l->timeout_ns[ENG_WAIT_HEAD] = from_ms(o->head_timeout_ms);
    l->timeout_ns[ENG_WAIT_BODY] = from_ms(o->body_timeout_ms);
    l->timeout_ns[ENG_WAIT_WRITE] = from_ms(o->write_timeout_ms);
    l->timeout_ns[ENG_WAIT_BEAT] = from_ms(o->heartbeat_ms);
    l->timeout_ns[ENG_WAIT_PROBE] = from_ms(PROBE_MS);
    l->timeout_ns[ENG_WAIT_LINGER] = from_ms(LINGER_MS);
}

eng_status eng_http_loop_init(eng_http_loop *l, eng_http_server *s, unsigned index, eng_error *err)
{
    l->wake_source = ENG_SOURCE_WAKE;
    l->server = s;
    l->index = index;
    l->epoll = l->wake = l->reserve = -1;
    eng_random(l->id_seed, sizeof l->id_seed);
    set_timeouts(l, &s->options);
    l->headers = eng_alloc_array(s->limits.header_count_max, sizeof *l->headers);
    if (!l->headers)
        return eng_fail_nomem(err);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->reserve = open_reserve();
    struct epoll_event want = {EPOLLIN | EPOLLET, {.ptr = l}};
    if (l->epoll < 0 || l->wake < 0 || l->reserve < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &want) < 0)
        return eng_fail_errno(err, errno, "cannot make an event loop");
    return ENG_OK;
}

eng_status eng_http_loop_start(eng_http_loop *l, eng_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    l->running = !failed;
    return failed ? eng_fail_errno(err, failed, "cannot start event loop %u", l->index) : ENG_OK;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void eng_http_loop_clear(eng_http_loop *l)
{
    for (size_t i = 0; i < l->listener_count; i++)
        if (!l->listeners[i].local)
            close_if_open(l->listeners[i].fd);
    eng_free(l->listeners);
    while (l->spare_x) {
        eng_exchange *x = l->spare_x;
        l->spare_x = x->next;
        eng_exchange_free(x);
    }
    while (l->spare_blocks) {
        eng_http_block *b = l->spare_blocks;
        l->spare_blocks = b->next;
        eng_free(b);
    }
    eng_free(l->headers);
    close_if_open(l->reserve);
    close_if_open(l->wake);
    close_if_open(l->epoll);
}
