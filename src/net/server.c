/* Set-up of the HTTP server: options, addresses, start, drain. */
#include "net/http_internal.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,       /* the kernel cuts it to net.core.somaxconn */
    BEHIND_HEAD = 4096,   /* of a block: a small body, or the next request */
    DESCRIPTORS_KEPT = 64 /* for files, of those that a process may have */
};

/* ---- Options -------------------------------------------------------------------------------- */

static unsigned processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

static unsigned descriptors_for_connections(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 1u << 20)
        return 1u << 20;
    unsigned all = (unsigned)limit.rlim_cur;
    return all > 2 * DESCRIPTORS_KEPT ? all - DESCRIPTORS_KEPT : all / 2;
}

#define DEFAULT(field, value)                                                                      \
    if (!o.field)                                                                                  \
    o.field = (value)

static eng_http_options with_defaults(eng_http_options o)
{
    DEFAULT(loops, processors());
    DEFAULT(head_max, 16 * 1024);
    DEFAULT(target_max, 8 * 1024);
    DEFAULT(header_count_max, 100);
    DEFAULT(connections_max, descriptors_for_connections());
    DEFAULT(head_timeout_ms, 10 * 1000);
    DEFAULT(body_timeout_ms, 30 * 1000);
    DEFAULT(idle_timeout_ms, 75 * 1000);
    DEFAULT(write_timeout_ms, 30 * 1000);
    DEFAULT(heartbeat_ms, 15 * 1000);
    DEFAULT(stream_max, 64 * 1024);
    DEFAULT(spill_dir, "/tmp");
    return o;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static eng_status make_loops(eng_http_server *s, eng_error *err)
{
    size_t align = _Alignof(eng_http_loop), size;
    if (!eng_mul(s->options.loops, sizeof *s->loops, &size) || !eng_add(size, align, &size))
        return eng_fail_nomem(err);
    s->loop_memory = eng_zalloc(size);
    if (!s->loop_memory)
        return eng_fail_nomem(err);
    s->loops = (eng_http_loop *)(((uintptr_t)s->loop_memory + align - 1) & ~(uintptr_t)(align - 1));
    for (unsigned i = 0; i < s->options.loops; i++) {
        s->loop_count++;
        eng_status status = eng_http_loop_init(&s->loops[i], s, i, err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

eng_status eng_http_server_new(const eng_http_options *options, eng_http_server **out,
                               eng_error *err)
{
    eng_http_server *s = eng_zalloc(sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->options = with_defaults(*options);
    s->limits = (eng_http_limits){
        .head_max = s->options.head_max,
        .target_max = s->options.target_max,
        .header_count_max = s->options.header_count_max,
    };
    s->block_size = s->options.head_max + BEHIND_HEAD;
    s->connections_max = s->options.connections_max;
    pthread_mutex_init(&s->scarcity, NULL);
    eng_status status = make_loops(s, err);
    if (status < 0)
        eng_http_server_free(s);
    else
        *out = s;
    return status;
}

/* A server that has no descriptor left for a client, or for a file that a request needs, is none. */
static eng_status room_for_clients(eng_error *err)
{
    enum { SPARE = 8 };
    int spare[SPARE], count = 0;
    eng_status status = ENG_OK;
    while (count < SPARE && (spare[count] = eventfd(0, EFD_CLOEXEC)) >= 0)
        count++;
    if (count < SPARE)
        status = eng_fail_errno(err, errno, "cannot take clients");
    while (count > 0)
        close(spare[--count]);
    return status;
}

eng_status eng_http_server_start(eng_http_server *s, eng_error *err)
{
    eng_status room = room_for_clients(err);
    if (room < 0)
        return room;
    for (unsigned i = 0; i < s->loop_count; i++) {
        eng_status status = eng_http_loop_start(&s->loops[i], err);
        if (status < 0) {
            eng_http_server_drain(s, 0);
            return status;
        }
    }
    return ENG_OK;
}

/* Once its name is gone nobody can come any more, so that the loops see the last of those who did. */
static void forget_unix_names(eng_http_server *s)
{
    for (size_t i = 0; i < s->unix_count; i++) {
        if (s->unixes[i].path)
            unlink(s->unixes[i].path);
        eng_free(s->unixes[i].path);
        s->unixes[i].path = NULL; /* it may be another server's by the next time */
    }
}

void eng_http_server_drain(eng_http_server *s, unsigned timeout_ms)
{
    forget_unix_names(s);
    atomic_store_explicit(&s->cut_ns, eng_clock_ns() + (uint64_t)timeout_ms * 1000000,
                          memory_order_release);
    for (unsigned i = 0; i < s->loop_count; i++)
        if (s->loops[i].running)
            eng_http_loop_wake(&s->loops[i]);
    for (unsigned i = 0; i < s->loop_count; i++) {
        if (s->loops[i].running)
            pthread_join(s->loops[i].thread, NULL);
        s->loops[i].running = false;
    }
}

static void close_unix(eng_http_server *s)
{
    for (size_t i = 0; i < s->unix_count; i++)
        close(s->unixes[i].fd);
    eng_free(s->unixes);
}

void eng_http_server_free(eng_http_server *s)
{
    if (!s)
        return;
    eng_http_server_drain(s, 0);
    for (unsigned i = 0; i < s->loop_count; i++)
        eng_http_loop_clear(&s->loops[i]);
    close_unix(s);
    pthread_mutex_destroy(&s->scarcity);
    eng_free(s->loop_memory);
    eng_free(s);
}

eng_http_stats eng_http_server_stats(const eng_http_server *s)
{
    eng_http_stats sum = {0};
    for (unsigned i = 0; i < s->loop_count; i++) {
        const eng_http_counters *c = &s->loops[i].count;
        sum.accepted += atomic_load_explicit(&c->accepted, memory_order_relaxed);
        sum.open += atomic_load_explicit(&c->open, memory_order_relaxed);
        sum.bytes_in += atomic_load_explicit(&c->bytes_in, memory_order_relaxed);
        sum.bytes_out += atomic_load_explicit(&c->bytes_out, memory_order_relaxed);
        sum.refused += atomic_load_explicit(&c->refused, memory_order_relaxed);
    }
    return sum;
}

/* ---- Listening ------------------------------------------------------------------------------ */

static eng_status add_listener(eng_http_loop *l, int fd, bool local, eng_error *err)
{
    size_t size = (l->listener_count + 1) * sizeof *l->listeners;
    eng_http_listener *more = eng_realloc(l->listeners, size);
    if (!more)
        return eng_fail_nomem(err);
    l->listeners = more;
    more[l->listener_count++] = (eng_http_listener){ENG_SOURCE_LISTENER, local, false, fd};
    return ENG_OK;
}

static void turn_on(int fd, int level, int option)
{
    int on = 1;
    (void)!setsockopt(fd, level, option, &on, sizeof on);
}

/*
 * The first socket of an address is bound alone, so that another server there is an error; only then
 * does it allow others beside it, for the other loops.
 */
static eng_status bind_one(const struct addrinfo *at, eng_str address, bool first, int *out,
                           eng_error *err)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return eng_fail_errno(err, errno, "cannot listen on '%.*s'", ENG_FMT(address));
    turn_on(fd, SOL_SOCKET, SO_REUSEADDR);
    turn_on(fd, IPPROTO_TCP, TCP_NODELAY); /* what is accepted inherits it */
    if (at->ai_family == AF_INET6)
        turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (!first)
        turn_on(fd, SOL_SOCKET, SO_REUSEPORT);
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0) {
        int code = errno;
        close(fd);
        return eng_fail_errno(err, code, "cannot listen on '%.*s'", ENG_FMT(address));
    }
    turn_on(fd, SOL_SOCKET, SO_REUSEPORT);
    *out = fd;
    return ENG_OK;
}

static uint16_t *port_in(struct sockaddr *a)
{
    return a->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)a)->sin6_port
                                    : &((struct sockaddr_in *)(void *)a)->sin_port;
}

/* The kernel's choice, where port 0 was asked for: the other loops' sockets need it too. */
static void learn_port(int fd, struct addrinfo *at)
{
    struct sockaddr_storage got = {0};
    socklen_t len = sizeof got;
    if (getsockname(fd, (struct sockaddr *)&got, &len) == 0)
        *port_in(at->ai_addr) = *port_in((struct sockaddr *)&got);
}

static eng_status bind_all(eng_http_server *s, struct addrinfo *at, eng_str address, eng_error *err)
{
    for (unsigned i = 0; i < s->loop_count; i++) {
        int fd = -1;
        eng_status status = bind_one(at, address, i == 0, &fd, err);
        if (status < 0)
            return status;
        if (i == 0)
            learn_port(fd, at);
        status = add_listener(&s->loops[i], fd, false, err);
        if (status < 0) {
            close(fd);
            return status;
        }
    }
    return ENG_OK;
}

/* Only when all are bound: from here on the kernel shares connections out among them. */
static eng_status listen_all(eng_http_server *s, eng_str address, eng_error *err)
{
    for (unsigned i = 0; i < s->loop_count; i++) {
        eng_http_loop *l = &s->loops[i];
        if (listen(l->listeners[l->listener_count - 1].fd, BACKLOG) < 0)
            return eng_fail_errno(err, errno, "cannot listen on '%.*s'", ENG_FMT(address));
    }
    return ENG_OK;
}

static void forget_listeners(eng_http_server *s, const size_t before)
{
    for (unsigned i = 0; i < s->loop_count; i++) {
        eng_http_loop *l = &s->loops[i];
        while (l->listener_count > before)
            close(l->listeners[--l->listener_count].fd);
    }
}

static bool split_address(eng_str address, char host[256], char port[8])
{
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    eng_str name = eng_str_sub(address, 0, colon ? colon - 1 : 0);
    eng_str number = eng_str_sub(address, colon, address.len);
    uint64_t value;
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = eng_str_sub(name, 1, name.len - 2);
    if (name.len == 0 || name.len >= 256 || !eng_str_u64(number, &value) || value > 65535)
        return false;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    snprintf(port, 8, "%u", (unsigned)value);
    return true;
}

static eng_status listen_tcp(eng_http_server *s, eng_str address, uint16_t *port, eng_error *err)
{
    char host[256], number[8];
    struct addrinfo *at = NULL;
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    if (!split_address(address, host, number))
        return eng_fail(err, ENG_EUSAGE, "cannot listen on '%.*s': expected HOST:PORT or unix:PATH",
                        ENG_FMT(address));
    int failed = getaddrinfo(host, number, &want, &at);
    if (failed)
        return eng_fail(err, ENG_EUSAGE, "cannot listen on '%.*s': %s", ENG_FMT(address),
                        gai_strerror(failed));
    size_t before = s->loops[0].listener_count;
    eng_status status = bind_all(s, at, address, err);
    if (status == ENG_OK)
        status = listen_all(s, address, err);
    if (status == ENG_OK && port)
        *port = ntohs(*port_in(at->ai_addr));
    if (status < 0)
        forget_listeners(s, before);
    freeaddrinfo(at);
    return status;
}

/* ---- Unix sockets --------------------------------------------------------------------------- */

/* A socket that nobody listens to is what a server that was killed leaves behind. */
static eng_status remove_dead(const struct sockaddr_un *at, eng_error *err)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0)
        return ENG_OK;
    if (!S_ISSOCK(st.st_mode))
        return eng_fail(err, ENG_ECONFLICT, "cannot listen on '%s': there is another file",
                        at->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return eng_fail_errno(err, errno, "cannot listen on '%s'", at->sun_path);
    bool alive = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN;
    close(fd);
    if (alive)
        return eng_fail(err, ENG_ELOCKED, "cannot listen on '%s': another server does",
                        at->sun_path);
    unlink(at->sun_path);
    return ENG_OK;
}

/* Nobody else may ever reach it: the mode is there before the socket has its name in a folder that
 * others may enter. */
static eng_status bind_unix(const struct sockaddr_un *at, int *out, eng_error *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)at, sizeof *at) < 0 ||
        chmod(at->sun_path, 0600) < 0 || listen(fd, BACKLOG) < 0) {
        eng_status status = eng_fail_errno(err, errno, "cannot listen on '%s'", at->sun_path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    *out = fd;
    return ENG_OK;
}

static eng_status keep_unix(eng_http_server *s, const char *path, int fd, eng_error *err)
{
    char *copy = eng_strdup(eng_str_of(path));
    eng_http_unix *more = eng_realloc(s->unixes, (s->unix_count + 1) * sizeof *more);
    if (more)
        s->unixes = more;
    if (!copy || !more) {
        eng_free(copy);
        return eng_fail_nomem(err);
    }
    more[s->unix_count++] = (eng_http_unix){copy, fd};
    return ENG_OK;
}

static eng_status listen_unix(eng_http_server *s, eng_str path, eng_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = -1;
    if (path.len == 0 || path.len >= sizeof at.sun_path)
        return eng_fail(err, ENG_EUSAGE, "cannot listen on 'unix:%.*s': a path of 1 to %zu bytes",
                        ENG_FMT(path), sizeof at.sun_path - 1);
    memcpy(at.sun_path, path.ptr, path.len);
    eng_status status = remove_dead(&at, err);
    if (status == ENG_OK)
        status = bind_unix(&at, &fd, err);
    if (status < 0)
        return status;
    status = keep_unix(s, at.sun_path, fd, err);
    if (status < 0) {
        unlink(at.sun_path);
        close(fd);
    }
    for (unsigned i = 0; i < s->loop_count && status == ENG_OK; i++)
        status = add_listener(&s->loops[i], fd, true, err);
    return status;
}

eng_status eng_http_server_listen(eng_http_server *s, eng_str address, uint16_t *port,
                                  eng_error *err)
{
    static const eng_str local = {"unix:", 5};
    if (eng_str_starts(address, local))
        return listen_unix(s, eng_str_sub(address, local.len, address.len), err);
    return listen_tcp(s, address, port, err);
}
