/* A server of a test's own, and a client that says exactly what it is told to. */
#ifndef SERVE_LIVE_H
#define SERVE_LIVE_H

#include "base/file.h"
#include "serve/parts.h"
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
    char data[64];
    eng *engine;
    eng_serve *server;
    uint16_t port;
    eng_arena arena;
} live;

typedef struct {
    int status;
    eng_str head; /* status line and headers, each with its line end */
    eng_str body;
} answer;

static inline void live_open(live *l)
{
    eng_error err;
    *l = (live){.data = "/tmp/serve-test-XXXXXX"};
    assert_non_null(mkdtemp(l->data));
    eng_arena_init(&l->arena, 1 << 16, NULL);
    eng_options options = {.data = l->data};
    assert_ok(eng_open(&options, &l->engine, &err), err);
}

static inline void live_start(live *l, eng_serve_options options, const eng_route *const *tables)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    eng_error err;
    if (!options.listen)
        options.listen = listen;
    if (!options.workers)
        options.workers = 2;
    assert_ok(eng_serve_new_with(l->engine, &options, tables, &l->server, &err), err);
    assert_ok(eng_serve_start(l->server, &err), err);
    const char *url = eng_serve_url(l->server, 0);
    assert_non_null(url);
    l->port = (uint16_t)atoi(strrchr(url, ':') + 1);
}

static inline void live_stop(live *l)
{
    if (l->server)
        eng_serve_stop(l->server);
    eng_serve_free(l->server);
    l->server = NULL;
}

static inline void live_close(live *l)
{
    live_stop(l);
    eng_close(l->engine);
    eng_arena_clear(&l->arena);
    (void)!eng_dir_remove(l->data, NULL);
}

static inline int live_connect(const live *l)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline int live_connect_unix(const live *l)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s/engenho.sock", l->data);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Chunks put together again. */
static inline eng_str unchunk(live *l, eng_str text)
{
    eng_str out = eng_arena_copy(&l->arena, ENG_STR(""));
    eng_str line, rest;
    while (eng_str_cut(text, '\n', &line, &rest)) {
        size_t size = strtoul(line.ptr, NULL, 16);
        if (size == 0)
            break;
        out = eng_arena_format(&l->arena, "%.*s%.*s", ENG_FMT(out), (int)size, rest.ptr);
        text = eng_str_sub(rest, size + 2, rest.len);
    }
    return out;
}

/* Everything until the end of the connection, as one reply. */
static inline answer live_read(live *l, int fd)
{
    eng_buf text;
    ssize_t n = 1;
    eng_buf_init(&text, 64 << 20);
    while (n > 0) {
        char *room = eng_buf_room(&text, 65536);
        n = recv(fd, room, 65536, 0);
        if (n > 0)
            eng_buf_added(&text, (size_t)n);
    }
    close(fd);
    eng_str all = {eng_arena_alloc(&l->arena, text.len + 1), text.len};
    if (text.len)
        memcpy((char *)all.ptr, text.data, text.len);
    eng_buf_clear(&text);
    size_t end = eng_str_find(all, ENG_STR("\r\n\r\n"));
    answer a = {.head = all, .body = {"", 0}};
    if (end != SIZE_MAX) {
        a.status = atoi(all.ptr + 9);
        a.head = eng_str_sub(all, 0, end + 2);
        a.body = eng_str_sub(all, end + 4, all.len);
    }
    if (eng_str_find(a.head, ENG_STR("chunked")) != SIZE_MAX)
        a.body = unchunk(l, a.body);
    return a;
}

static inline answer live_say(live *l, int fd, eng_str text)
{
    assert_int_equal(send(fd, text.ptr, text.len, MSG_NOSIGNAL), (ssize_t)text.len);
    return live_read(l, fd);
}

/* One request. headers: lines, each ending in "\r\n"; body: NULL for none. */
static inline eng_str live_request(live *l, const char *method, const char *path,
                                   const char *headers, const char *body)
{
    char length[64] = "";
    if (body)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
    bool host = !headers || !strstr(headers, "Host:");
    bool typed = body && (!headers || !strstr(headers, "Content-Type:"));
    return eng_arena_format(&l->arena, "%s %s HTTP/1.1\r\nConnection: close\r\n%s%s%s%s\r\n%s",
                            method, path, host ? "Host: localhost\r\n" : "",
                            typed ? "Content-Type: application/json\r\n" : "",
                            headers ? headers : "", length, body ? body : "");
}

static inline answer ask(live *l, const char *method, const char *path, const char *headers,
                         const char *body)
{
    return live_say(l, live_connect(l), live_request(l, method, path, headers, body));
}

static inline answer get(live *l, const char *path) { return ask(l, "GET", path, NULL, NULL); }

static inline bool has_line(answer a, const char *line)
{
    char text[512];
    snprintf(text, sizeof text, "\r\n%s\r\n", line);
    return eng_str_find(a.head, eng_str_of(text)) != SIZE_MAX;
}

static inline bool has_header(answer a, const char *name)
{
    char text[128];
    snprintf(text, sizeof text, "\r\n%s: ", name);
    return eng_str_find(a.head, eng_str_of(text)) != SIZE_MAX;
}

static inline const eng_json *json_of(live *l, answer a)
{
    const eng_json *v = NULL;
    eng_error err = {0};
    assert_ok(eng_json_read(a.body, NULL, &l->arena, &v, &err), err);
    return v;
}

#define assert_status(a, wanted)                                                                   \
    do {                                                                                           \
        answer got_ = (a);                                                                         \
        if (got_.status != (wanted))                                                               \
            fail_msg("expected %d, got %.*s%.*s", wanted, ENG_FMT(got_.head), ENG_FMT(got_.body)); \
    } while (0)

#define assert_line(a, line)                                                                       \
    do {                                                                                           \
        answer from_ = (a);                                                                        \
        if (!has_line(from_, line))                                                                \
            fail_msg("expected the header \"%s\" in\n%.*s", line, ENG_FMT(from_.head));            \
    } while (0)

/* A member of the reply's object is this text. */
#define assert_member(l, a, name, text)                                                            \
    assert_str_view(eng_json_text(eng_json_get(json_of(l, a), ENG_STR(name))), text)

/* ---- Shapes: what a reply declares is what it holds, and nothing besides -------------------- */

static inline void assert_shape(const char *what, const eng_field *fields, const eng_json *v)
{
    eng_error err;
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        fail_msg("%s: no object", what);
    if (eng_validate_object(fields, v, NULL, &err) < 0)
        fail_msg("%s: %s", what, err.message);
    for (size_t i = 0; i < v->count; i++) {
        const eng_field *f = fields;
        while (f->name && !eng_str_eq(eng_str_of(f->name), eng_json_key(v, i)))
            f++;
        if (!f->name)
            fail_msg("%s: '%.*s' is not declared", what, ENG_FMT(eng_json_key(v, i)));
        const eng_json *value = eng_json_value(v, i);
        if (f->type == ENG_OBJECT && f->of && value->type == ENG_JSON_OBJECT)
            assert_shape(f->name, f->of, value);
        for (size_t n = 0; f->type == ENG_LIST && f->of && n < eng_json_count(value); n++)
            assert_shape(f->name, f->of, eng_json_at(value, n));
    }
}

#endif
