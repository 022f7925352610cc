/* A server that says what a test's script says, to every request the same: a model's stand-in. */
#ifndef SCRIPT_HELP_H
#define SCRIPT_HELP_H

#include "net_live.h"

/* Head and body up to where a reply is due; what it does with each connection, one after the other. */
typedef struct {
    const char *reply;   /* all of it, head included */
    size_t size;         /* 0: up to its NUL */
    const char *forever; /* then this, again and again, until the client goes */
    bool hold;           /* then nothing, until the client goes */
    int fd;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;            /* of what follows */
    eng_buf seen;                    /* the last request's body */
    _Atomic unsigned requests, left; /* left: clients that went before they were let go */
    _Atomic bool over;
} script;

static inline bool script_read(script *s, int fd)
{
    eng_buf got;
    size_t end = SIZE_MAX, length = 0;
    eng_buf_init(&got, 16 << 20);
    while (end == SIZE_MAX || got.len < end + length) {
        char *room = eng_buf_room(&got, 4096);
        ssize_t n = recv(fd, room, 4096, 0);
        if (n <= 0)
            break;
        eng_buf_added(&got, (size_t)n);
        size_t at = eng_str_find(eng_buf_view(&got), ENG_STR("\r\n\r\n"));
        if (end == SIZE_MAX && at != SIZE_MAX) {
            const char *says = strcasestr(got.data, "\r\ncontent-length: ");
            end = at + 4;
            length = says ? strtoul(says + 18, NULL, 10) : 0;
        }
    }
    bool whole = end != SIZE_MAX && got.len >= end + length;
    pthread_mutex_lock(&s->lock);
    eng_buf_reset(&s->seen);
    if (whole)
        eng_buf_str(&s->seen, eng_str_sub(eng_buf_view(&got), end, got.len));
    pthread_mutex_unlock(&s->lock);
    eng_buf_clear(&got);
    return whole;
}

static inline void *script_run(void *arg)
{
    script *s = arg;
    while (!s->over) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            continue;
        if (script_read(s, fd)) {
            char c;
            s->requests++;
            net_send(fd, (eng_str){s->reply, s->size ? s->size : strlen(s->reply)});
            size_t n = s->forever ? strlen(s->forever) : 0;
            while (n && send(fd, s->forever, n, MSG_NOSIGNAL) > 0) {
            }
            if (s->hold)
                while (recv(fd, &c, 1, 0) > 0) {
                }
            s->left += s->hold || s->forever;
        }
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    return NULL;
}

static inline void script_start(script *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &size), 0);
    s->port = ntohs(at.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    eng_buf_init(&s->seen, 16 << 20);
    assert_int_equal(pthread_create(&s->thread, NULL, script_run, s), 0);
}

/* A last client wakes it. */
static inline void script_stop(script *s)
{
    net_live self = {.port = s->port};
    s->over = true;
    int fd = net_connect(&self);
    close(fd);
    pthread_join(s->thread, NULL);
    close(s->fd);
    eng_buf_clear(&s->seen);
    pthread_mutex_destroy(&s->lock);
}

#endif
