/* A server of a test's own over net.h alone, and a client that says exactly what it is told to. */
#ifndef NET_LIVE_H
#define NET_LIVE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "net/net.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* What the callbacks counted, and how they are to behave; handlers are found by path. */
typedef struct {
    eng_http_server *server;
    eng_pool *pool;
    char dir[64];
    uint16_t port;
    uint64_t body_max;
    size_t in_memory;
    _Atomic unsigned heads, readies, dones, refusals, cancels, turns;
    _Atomic int last_status;
    _Atomic uint64_t last_bytes;
    _Atomic bool hold; /* workers of /held wait until this is false */
    _Atomic unsigned holding;
} net_live;

static inline void nap_ms(unsigned ms) { usleep(ms * 1000); }

/* Waits until a condition holds; the test fails where it does not within ten seconds. */
#define assert_soon(condition)                                                                     \
    do {                                                                                           \
        unsigned tries_ = 0;                                                                       \
        while (!(condition) && tries_++ < 5000)                                                    \
            nap_ms(2);                                                                             \
        if (!(condition))                                                                          \
            fail_msg("not within ten seconds: %s", #condition);                                    \
    } while (0)

static inline int net_connect(const net_live *l)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline int net_connect_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%.100s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void net_send(int fd, eng_str text)
{
    while (text.len) {
        ssize_t n = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (n < 0)
            return; /* the server may answer before it has read everything */
        text = eng_str_sub(text, (size_t)n, text.len);
    }
}

static inline void net_say(int fd, const char *text) { net_send(fd, eng_str_of(text)); }

/* All until the other side ends or resets; *reset says which. */
static inline void net_read_all(int fd, eng_buf *out, bool *reset)
{
    ssize_t n;
    do {
        char *room = eng_buf_room(out, 65536);
        n = recv(fd, room, 65536, 0);
        if (n > 0)
            eng_buf_added(out, (size_t)n);
    } while (n > 0);
    if (n < 0 && errno == EAGAIN)
        fail_msg("the server neither replies nor closes; so far: %s", out->len ? out->data : "");
    if (reset)
        *reset = n < 0;
    close(fd);
}

/* One reply of a connection that stays open: the head, and a body of the length that it says. */
static inline void net_read_one(int fd, eng_buf *out, bool head_only)
{
    size_t want = SIZE_MAX;
    eng_buf_reset(out);
    while (out->len < want) {
        char *room = eng_buf_room(out, 1);
        ssize_t n = recv(fd, room, 1, 0);
        if (n <= 0)
            fail_msg("the connection ended within a reply: %s", out->len ? out->data : "");
        eng_buf_added(out, 1);
        if (want == SIZE_MAX && out->len >= 4 &&
            memcmp(out->data + out->len - 4, "\r\n\r\n", 4) == 0) {
            const char *length = strcasestr(out->data, "\r\ncontent-length: ");
            want = out->len + (length && !head_only ? strtoul(length + 18, NULL, 10) : 0);
        }
    }
}

static inline int net_status_of(const eng_buf *reply)
{
    return reply->len > 12 ? atoi(reply->data + 9) : 0;
}

static inline eng_str net_body_of(const eng_buf *reply)
{
    eng_str all = eng_buf_view(reply);
    size_t end = eng_str_find(all, ENG_STR("\r\n\r\n"));
    return end == SIZE_MAX ? ENG_STR("") : eng_str_sub(all, end + 4, all.len);
}

#endif
