/*
 * A stand-in for the hub, on loopback: a thread that answers one request a connection from a list of
 * files, and cuts, refuses or lies where a test tells it to.
 */
#ifndef ENG_HUB_HELP_H
#define ENG_HUB_HELP_H

#include "base/buf.h"
#include "engine/model_internal.h"
#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HUB_FILES = 16 };

typedef struct {
    const char *path;
    const char *content;
    bool lfs;
} hub_file;

typedef struct {
    hub_file files[HUB_FILES];
    size_t file_count;
    const char *commit;
    int fd;
    uint16_t port;
    char endpoint[64];
    pthread_t thread;

    /* How it behaves. */
    _Atomic long cut; /* bytes of bodies that it sends before it cuts connections; < 0: never */
    _Atomic bool bare_list; /* the list lacks sizes and checksums */
    _Atomic bool no_ranges;
    _Atomic bool elsewhere; /* large files are redirected to another port (the same server) */
    _Atomic int refuse;     /* a status for everything; 0: none */
    _Atomic bool damage;    /* the last byte of what it sends is another */
    const char *token;      /* that it asks for; NULL: none */

    /* What it saw. */
    _Atomic long sent; /* bytes of files */
    _Atomic long requests;
    _Atomic bool token_elsewhere; /* the token was given to another host */

    int other_fd;
    uint16_t other_port;
    pthread_t other;
    _Atomic bool stop;
} hub_server;

typedef struct {
    hub_server *hub;
    int fd;
    bool other;
} hub_listener;

static inline const hub_file *hub_find(const hub_server *h, eng_str path)
{
    for (size_t i = 0; i < h->file_count; i++)
        if (eng_str_eq(eng_str_of(h->files[i].path), path))
            return &h->files[i];
    return NULL;
}

static inline void hub_sha256(const char *content, char hex[ENG_HEX_SIZE])
{
    unsigned char sum[ENG_SHA256_SIZE];
    crypto_hash_sha256(sum, (const unsigned char *)content, strlen(content));
    sodium_bin2hex(hex, ENG_HEX_SIZE, sum, sizeof sum);
}

static inline void hub_git(const char *content, char hex[ENG_HEX_SIZE])
{
    char head[32];
    unsigned char sum[ENG_SHA1_SIZE];
    eng_sha1 s;
    int len = snprintf(head, sizeof head, "blob %zu", strlen(content));
    eng_sha1_init(&s);
    eng_sha1_add(&s, head, (size_t)len + 1);
    eng_sha1_add(&s, content, strlen(content));
    eng_sha1_end(&s, sum);
    sodium_bin2hex(hex, ENG_HEX_SIZE, sum, sizeof sum);
}

static inline void hub_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static inline void hub_reply(int fd, int status, const char *more, eng_str body, bool head)
{
    char text[1024];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
                       status, body.len, more);
    hub_send(fd, text, (size_t)len);
    if (!head)
        hub_send(fd, body.ptr, body.len);
}

static inline void hub_list(hub_server *h, int fd)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_buf_format(&out, "{\"sha\":\"%s\",\"siblings\":[", h->commit);
    for (size_t i = 0; i < h->file_count; i++) {
        char hex[ENG_HEX_SIZE];
        const hub_file *f = &h->files[i];
        eng_buf_format(&out, "%s{\"rfilename\":\"%s\"", i ? "," : "", f->path);
        hub_git(f->content, hex);
        if (!h->bare_list)
            eng_buf_format(&out, ",\"size\":%zu,\"blobId\":\"%s\"", strlen(f->content), hex);
        hub_sha256(f->content, hex);
        if (!h->bare_list && f->lfs)
            eng_buf_format(&out, ",\"lfs\":{\"size\":%zu,\"sha256\":\"%s\"}", strlen(f->content),
                           hex);
        eng_buf_str(&out, ENG_STR("}"));
    }
    eng_buf_str(&out, ENG_STR("]}"));
    hub_reply(fd, 200, "Content-Type: application/json\r\n", eng_buf_view(&out), false);
    eng_buf_clear(&out);
}

/* The headers of a file at the hub itself. */
static inline void hub_tags(const hub_file *f, char *out, size_t size)
{
    char hex[ENG_HEX_SIZE];
    if (f->lfs) {
        hub_sha256(f->content, hex);
        snprintf(out, size, "X-Linked-ETag: \"%s\"\r\nX-Linked-Size: %zu\r\nETag: \"abc\"\r\n", hex,
                 strlen(f->content));
    } else {
        hub_git(f->content, hex);
        snprintf(out, size, "ETag: \"%s\"\r\n", hex);
    }
}

static inline void hub_bytes(hub_server *h, int fd, const hub_file *f, size_t from)
{
    char head[256], copy[4096];
    size_t size = strlen(f->content);
    assert_true(size < sizeof copy);
    memcpy(copy, f->content, size);
    if (h->damage)
        copy[size - 1] ^= 1;
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                       from ? 206 : 200, size - from);
    hub_send(fd, head, (size_t)len);
    size_t n = size - from;
    if (h->cut >= 0) {
        n = n < (size_t)h->cut ? n : (size_t)h->cut;
        h->cut -= (long)n;
    }
    hub_send(fd, copy + from, n);
    h->sent += (long)n;
}

static inline size_t hub_range(const hub_server *h, const char *request)
{
    const char *range = strstr(request, "Range: bytes=");
    return range && !h->no_ranges ? (size_t)strtoul(range + 13, NULL, 10) : 0;
}

static inline void hub_file_reply(hub_server *h, int fd, const char *request, eng_str path,
                                  bool other)
{
    char more[512] = "";
    bool head = strncmp(request, "HEAD ", 5) == 0;
    const hub_file *f = hub_find(h, path);
    if (!f) {
        /* Longer than any file here: what comes with an error is no file. */
        static char page[3000];
        memset(page, 'x', sizeof page);
        hub_reply(fd, 404, "", (eng_str){page, sizeof page}, head);
        return;
    }
    hub_tags(f, more, sizeof more);
    if (h->elsewhere && f->lfs && !other) {
        size_t at = strlen(more);
        snprintf(more + at, sizeof more - at, "Location: http://127.0.0.1:%u/cdn/%s\r\n",
                 h->other_port, f->path);
        hub_reply(fd, 302, more, ENG_STR("Found. Redirecting"), head);
    } else if (head) {
        eng_str body = eng_str_of(f->content);
        hub_reply(fd, 200, more, body, true);
    } else {
        hub_bytes(h, fd, f, hub_range(h, request));
    }
}

static inline void hub_answer(hub_server *h, int fd, const char *request, bool other)
{
    eng_str method, target, rest, path;
    eng_str_cut(eng_str_of(request), ' ', &method, &rest);
    eng_str_cut(rest, ' ', &target, &rest);
    bool token = h->token && strstr(request, h->token);
    h->requests++;
    if (other && h->token && token)
        h->token_elsewhere = true;
    size_t resolve = eng_str_find(target, ENG_STR("/resolve/"));
    if (h->refuse) {
        hub_reply(fd, h->refuse, "", ENG_STR("{\"error\":\"no\"}"), false);
    } else if (h->token && !token && !other) {
        hub_reply(fd, 401, "", ENG_STR("{\"error\":\"token\"}"), false);
    } else if (other) {
        hub_file_reply(h, fd, request, eng_str_sub(target, 5, target.len), true);
    } else if (eng_str_starts(target, ENG_STR("/api/models/"))) {
        hub_list(h, fd);
    } else if (resolve != SIZE_MAX) {
        eng_str_cut(eng_str_sub(target, resolve + 9, target.len), '/', &rest, &path);
        hub_file_reply(h, fd, request, path, false);
    } else {
        hub_reply(fd, 404, "", ENG_STR("?"), false);
    }
}

static inline void *hub_run(void *arg)
{
    hub_listener *l = arg;
    for (;;) {
        char request[8192];
        size_t len = 0;
        int fd = accept(l->fd, NULL, NULL);
        if (fd < 0 || l->hub->stop) {
            if (fd >= 0)
                close(fd);
            break;
        }
        while (len < sizeof request - 1) {
            ssize_t n = recv(fd, request + len, sizeof request - 1 - len, 0);
            if (n <= 0)
                break;
            len += (size_t)n;
            request[len] = '\0';
            if (strstr(request, "\r\n\r\n"))
                break;
        }
        if (len)
            hub_answer(l->hub, fd, request, l->other);
        close(fd);
    }
    free(l);
    return NULL;
}

static inline int hub_listen(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static inline void hub_thread(hub_server *h, int fd, bool other, pthread_t *out)
{
    hub_listener *l = malloc(sizeof *l);
    *l = (hub_listener){h, fd, other};
    assert_int_equal(pthread_create(out, NULL, hub_run, l), 0);
}

static inline void hub_start(hub_server *h)
{
    h->cut = -1;
    h->commit = h->commit ? h->commit : "0123456789abcdef0123456789abcdef01234567";
    h->fd = hub_listen(&h->port);
    h->other_fd = hub_listen(&h->other_port);
    snprintf(h->endpoint, sizeof h->endpoint, "http://127.0.0.1:%u", h->port);
    hub_thread(h, h->fd, false, &h->thread);
    hub_thread(h, h->other_fd, true, &h->other);
}

static inline void hub_stop(hub_server *h)
{
    h->stop = true;
    shutdown(h->fd, SHUT_RDWR);
    shutdown(h->other_fd, SHUT_RDWR);
    pthread_join(h->thread, NULL);
    pthread_join(h->other, NULL);
    close(h->fd);
    close(h->other_fd);
}

/* Its checksums are all SHA-256, as if every file were large. */
static inline void hub_all_large(hub_server *h)
{
    for (size_t i = 0; i < h->file_count; i++)
        h->files[i].lfs = true;
}

/* A model as small as one can be. */
static inline void hub_add(hub_server *h, const char *path, const char *content, bool lfs)
{
    h->files[h->file_count++] = (hub_file){path, content, lfs};
}

static inline void hub_small_model(hub_server *h)
{
    hub_add(h, "README.md", "not fetched", false);
    hub_add(h, "config.json", "{\"model_type\":\"bert\"}", false);
    hub_add(h, "tokenizer.json", "{\"model\":1}", false);
    hub_add(h, "modules.json", "[]", false);
    hub_add(h, "1_Pooling/config.json", "{ }", false);
    hub_add(h, "onnx/model.onnx", "not fetched either", true);
    hub_add(h, "model.safetensors", "weights and more weights", true);
}

#endif
