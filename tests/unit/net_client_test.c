/* Each test names a promise of net.h about the client, against small servers on loopback. */
#include "base/clock.h"
#include "base/error.h"
#include "net/net.h"
#include "test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- A stand-in for the other side ---- */

enum { CONNECTIONS_MOST = 4096 };

typedef struct stand_in stand_in;
/* Answers one request on fd; false closes the connection. */
typedef bool answer_fn(stand_in *s, int fd, const char *request);

struct stand_in {
    int fd;
    uint16_t port;
    answer_fn *answer;
    pthread_t thread;
    pthread_t connections[CONNECTIONS_MOST];
    atomic_int accepted;
    atomic_int requests;
    atomic_bool stop;
    pthread_mutex_t lock;
    char last[4096]; /* the newest request; written before it is answered */
    const char *to;  /* for redirects: where to */
};

typedef struct {
    stand_in *s;
    int fd;
} connection;

/* Waits for bytes, or for the end of the test. */
static bool readable(const stand_in *s, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!atomic_load(&s->stop))
        if (poll(&p, 1, 20) > 0)
            return true;
    return false;
}

/* A head and the body that it announces. */
static bool read_request(stand_in *s, int fd, char *to, size_t size)
{
    size_t len = 0;
    while (len < size - 1 && readable(s, fd)) {
        ssize_t got = recv(fd, to + len, size - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        to[len] = '\0';
        const char *blank = strstr(to, "\r\n\r\n"), *length = strstr(to, "Content-Length: ");
        size_t body = length && blank && length < blank ? (size_t)atoi(length + 16) : 0;
        if (blank && len >= (size_t)(blank - to) + 4 + body)
            return true;
    }
    return false;
}

static void *serve_connection(void *arg)
{
    connection c = *(connection *)arg;
    char request[4096];
    free(arg);
    while (read_request(c.s, c.fd, request, sizeof request)) {
        pthread_mutex_lock(&c.s->lock);
        memcpy(c.s->last, request, strlen(request) + 1);
        pthread_mutex_unlock(&c.s->lock);
        atomic_fetch_add(&c.s->requests, 1);
        if (!c.s->answer(c.s, c.fd, request))
            break;
    }
    close(c.fd);
    return NULL;
}

static void *serve(void *arg)
{
    stand_in *s = arg;
    while (readable(s, s->fd)) {
        connection *c = malloc(sizeof *c);
        *c = (connection){s, accept(s->fd, NULL, NULL)};
        int n = atomic_load(&s->accepted);
        assert_true(n < CONNECTIONS_MOST);
        pthread_create(&s->connections[n], NULL, serve_connection, c);
        atomic_store(&s->accepted, n + 1);
    }
    return NULL;
}

static void stand_in_listen(stand_in *s, const struct sockaddr *at, socklen_t len)
{
    s->fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, at, len), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stand_in_start(stand_in *s, const char *host, answer_fn *answer)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    *s = (stand_in){.answer = answer, .lock = PTHREAD_MUTEX_INITIALIZER};
    inet_pton(AF_INET, host, &at.sin_addr);
    stand_in_listen(s, (struct sockaddr *)&at, sizeof at);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
}

static void stand_in_stop(stand_in *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < atomic_load(&s->accepted); i++)
        pthread_join(s->connections[i], NULL);
    close(s->fd);
}

static void say(int fd, const char *text) { (void)!send(fd, text, strlen(text), MSG_NOSIGNAL); }

static bool asked(const char *request, const char *path)
{
    const char *at = strchr(request, ' ');
    size_t len = strlen(path);
    return at && strncmp(at + 1, path, len) == 0 && at[1 + len] == ' ';
}

static bool answer_redirect(stand_in *s, int fd, const char *status)
{
    char text[512];
    snprintf(text, sizeof text,
             "HTTP/1.1 %s Moved\r\nLocation: %s\r\nContent-Length: 4\r\n\r\nmove", status, s->to);
    say(fd, text);
    return true;
}

static void answer_endless(stand_in *s, int fd)
{
    static const char block[4096];
    say(fd, "HTTP/1.1 200 OK\r\n\r\n");
    while (!atomic_load(&s->stop) && send(fd, block, sizeof block, MSG_NOSIGNAL) > 0)
        ;
}

/* By the path that is asked for. */
static bool answer_by_path(stand_in *s, int fd, const char *request)
{
    if (asked(request, "/redirect"))
        return answer_redirect(s, fd, "302");
    if (asked(request, "/see-other"))
        return answer_redirect(s, fd, "303");
    if (asked(request, "/temporary"))
        return answer_redirect(s, fd, "307");
    if (asked(request, "/busy-twice") && atomic_load(&s->requests) <= 2) {
        say(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    } else if (asked(request, "/busy")) {
        say(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    } else if (asked(request, "/later") && atomic_load(&s->requests) == 1) {
        say(fd, "HTTP/1.1 429 Later\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
    } else if (asked(request, "/tomorrow")) {
        say(fd, "HTTP/1.1 503 Later\r\nRetry-After: 86400\r\nContent-Length: 8\r\n\r\ntomorrow");
    } else if (asked(request, "/hang-up-once") && atomic_load(&s->requests) == 1) {
        return false;
    } else if (asked(request, "/silent")) {
        readable(s, fd);
        return false;
    } else if (asked(request, "/half")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        readable(s, fd);
        return false;
    } else if (asked(request, "/cut")) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut");
        return false;
    } else if (asked(request, "/chunks")) {
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\none\r\n");
        usleep(50000);
        say(fd, "3\r\ntwo\r\n0\r\nX-Trailer: 1\r\n\r\n");
    } else if (asked(request, "/endless")) {
        answer_endless(s, fd);
        return false;
    } else if (asked(request, "/nonsense")) {
        say(fd, "this is no HTTP\r\n\r\n");
        return false;
    } else if (asked(request, "/missing")) {
        say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    } else if (strncmp(request, "HEAD ", 5) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    } else {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind:  a b \r\n\r\nok");
    }
    return true;
}

/* ---- Calls ---- */

static eng_http_client *client_of(const char *allow)
{
    eng_http_client *c;
    eng_error err;
    eng_http_client_options options = {.user_agent = "test/1", .allow = allow};
    assert_ok(eng_http_client_new(&options, &c, &err), err);
    return c;
}

static const char *url_of(const stand_in *s, const char *path)
{
    static char text[256];
    snprintf(text, sizeof text, "http://127.0.0.1:%u%s", s->port, path);
    return text;
}

/* Fetches, and expects this reply. */
static void assert_answer(eng_http_client *c, eng_http_call call, int status, const char *body)
{
    eng_error err;
    eng_http_answer a;
    assert_ok(eng_http_fetch(c, &call, &a, &err), err);
    assert_int_equal(a.status, status);
    assert_string_equal(eng_buf_view(&a.body).ptr, body);
    eng_http_answer_clear(&a);
}

static eng_error assert_failed(eng_http_client *c, eng_http_call call, eng_status want)
{
    eng_error err = {0};
    eng_http_answer a;
    eng_status got = eng_http_fetch(c, &call, &a, &err);
    if (got != want)
        fail_msg("%s: expected %s, got %s: %s", call.url, eng_status_name(want),
                 eng_status_name(got), err.message);
    return err;
}

/* A server and clients of each kind for a test. */
typedef struct {
    stand_in s;
    eng_http_client *strict;
    eng_http_client *allowing; /* 127.0.0.1 */
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    stand_in_start(&f->s, "127.0.0.1", answer_by_path);
    f->strict = client_of(NULL);
    f->allowing = client_of("127.0.0.1");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    eng_http_client_free(f->strict);
    eng_http_client_free(f->allowing);
    stand_in_stop(&f->s);
    free(f);
    return 0;
}

static void a_reply_is_its_status_headers_body_and_address(void **state)
{
    fixture *f = *state;
    eng_error err;
    eng_http_answer a;
    eng_http_call call = {.url = url_of(&f->s, "/x?y=z"), .trusted = true};
    assert_ok(eng_http_fetch(f->strict, &call, &a, &err), err);
    assert_int_equal(a.status, 200);
    assert_str_view(eng_buf_view(&a.body), "ok");
    assert_str_view(eng_http_answer_header(&a, ENG_STR("x-kind")), "a b");
    assert_null(eng_http_answer_header(&a, ENG_STR("x-other")).ptr);
    assert_string_equal(a.url, call.url);
    eng_http_answer_clear(&a);
    assert_non_null(strstr(f->s.last, "GET /x?y=z HTTP/1.1\r\n"));
    assert_non_null(strstr(f->s.last, "\r\nUser-Agent: test/1\r\n"));
}

static void a_reply_of_any_status_is_success(void **state)
{
    fixture *f = *state;
    assert_answer(f->strict, (eng_http_call){.url = url_of(&f->s, "/missing"), .trusted = true},
                  404, "no");
    assert_answer(f->strict, (eng_http_call){.url = url_of(&f->s, "/busy"), .trusted = true}, 503,
                  "busy");
}

static void a_request_carries_method_headers_and_body(void **state)
{
    fixture *f = *state;
    static const char *const headers[] = {"Content-Type: application/json", "X-One: 1", NULL};
    eng_http_call call = {.url = url_of(&f->s, "/"),
                          .method = "POST",
                          .headers = headers,
                          .body = ENG_STR("{\"a\":1}"),
                          .trusted = true};
    assert_answer(f->strict, call, 200, "ok");
    assert_non_null(strstr(f->s.last, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(f->s.last, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(f->s.last, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(f->s.last, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(f->s.last, "Expect"));

    static const char *const methods[] = {"PUT", "PATCH", "DELETE", "POST"};
    for (size_t i = 0; i < 4; i++) {
        call = (eng_http_call){.url = url_of(&f->s, "/"), .method = methods[i], .trusted = true};
        assert_answer(f->strict, call, 200, "ok");
        assert_true(eng_str_starts(eng_str_of(f->s.last), eng_str_of(methods[i])));
        assert_null(strstr(f->s.last, "Content-Type"));
    }
    call = (eng_http_call){.url = url_of(&f->s, "/"), .method = "HEAD", .trusted = true};
    assert_answer(f->strict, call, 200, "");
}

static void connections_are_kept_for_the_next_call(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 5; i++)
        assert_answer(f->strict, (eng_http_call){.url = url_of(&f->s, "/"), .trusted = true}, 200,
                      "ok");
    assert_int_equal(atomic_load(&f->s.accepted), 1);
    assert_int_equal(atomic_load(&f->s.requests), 5);
}

static void a_unix_socket_is_spoken_through(void **state)
{
    (void)state;
    stand_in s = {.answer = answer_by_path, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "/tmp/engenho-client-%d", (int)getpid());
    stand_in_listen(&s, (struct sockaddr *)&at, sizeof at);
    eng_http_client *c = client_of(NULL);
    eng_http_call call = {.url = "http://localhost/a", .unix_socket = at.sun_path, .trusted = true};
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    assert_answer(c, call, 200, "ok");
    unsetenv("http_proxy");
    call.trusted = false;
    assert_failed(c, call, ENG_EFORBIDDEN);
    call = (eng_http_call){
        .url = "http://localhost/", .unix_socket = "/tmp/engenho-none", .trusted = true};
    assert_failed(c, call, ENG_EUPSTREAM);
    eng_http_client_free(c);
    stand_in_stop(&s);
    unlink(at.sun_path);
}

/* ---- Which addresses ---- */

static void an_address_that_is_not_public_is_refused_before_any_connection(void **state)
{
    fixture *f = *state;
    static const char *const hosts[] = {
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "127.0.0.2",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "[64:ff9b::7f00:1]",
    };
    static const char *const fixed[] = {
        "http://10.0.0.1/",   "http://192.168.0.1/",     "http://169.254.169.254/latest/",
        "http://100.64.0.1/", "http://[fe80::1]/",       "http://[fd00::1]/",
        "https://224.0.0.1/", "http://255.255.255.255/", "https://[::ffff:10.0.0.1]/"};
    char text[128];
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(text, sizeof text, "http://%s:%u/", hosts[i], f->s.port);
        eng_error err = assert_failed(f->strict, (eng_http_call){.url = text}, ENG_EFORBIDDEN);
        assert_non_null(strstr(err.message, "is not public"));
    }
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        assert_failed(f->strict, (eng_http_call){.url = fixed[i], .retries = 3}, ENG_EFORBIDDEN);
    assert_int_equal(atomic_load(&f->s.accepted), 0);
}

static void what_is_no_address_is_not_acceptable(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {"",        "file:///etc/passwd",    "ftp://127.0.0.1/",
                                      "http://", "http://u:p@127.0.0.1/", "http://127.0.0.1.:80/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_failed(f->strict, (eng_http_call){.url = bad[i], .trusted = true}, ENG_EINVALID);
}

static void what_the_list_names_may_be_private(void **state)
{
    fixture *f = *state;
    char text[128];
    assert_answer(f->allowing, (eng_http_call){.url = url_of(&f->s, "/")}, 200, "ok");
    /* It resolves to an address that is listed. */
    snprintf(text, sizeof text, "http://localhost:%u/", f->s.port);
    assert_answer(f->allowing, (eng_http_call){.url = text}, 200, "ok");
    snprintf(text, sizeof text, "http://127.0.0.2:%u/", f->s.port);
    assert_failed(f->allowing, (eng_http_call){.url = text}, ENG_EFORBIDDEN);

    eng_http_client *named = client_of("localhost");
    snprintf(text, sizeof text, "http://localhost:%u/", f->s.port);
    assert_answer(named, (eng_http_call){.url = text}, 200, "ok");
    /* The name is allowed, not the address, nor the connection that is there already. */
    assert_failed(named, (eng_http_call){.url = url_of(&f->s, "/")}, ENG_EFORBIDDEN);
    eng_http_client_free(named);

    eng_http_client *c;
    eng_http_client_options options = {.allow = "http://127.0.0.1/"};
    assert_int_equal(eng_http_client_new(&options, &c, NULL), ENG_EUSAGE);
}

static void a_kept_connection_of_a_trusted_call_does_not_let_others_in(void **state)
{
    fixture *f = *state;
    assert_answer(f->strict, (eng_http_call){.url = url_of(&f->s, "/"), .trusted = true}, 200,
                  "ok");
    assert_failed(f->strict, (eng_http_call){.url = url_of(&f->s, "/")}, ENG_EFORBIDDEN);
    assert_int_equal(atomic_load(&f->s.requests), 1);
}

static void a_proxy_of_the_environment_is_no_way_around(void **state)
{
    fixture *f = *state;
    setenv("http_proxy", url_of(&f->s, ""), 1);
    setenv("all_proxy", url_of(&f->s, ""), 1);
    assert_failed(f->strict, (eng_http_call){.url = "http://10.0.0.1/"}, ENG_EFORBIDDEN);
    assert_failed(f->strict, (eng_http_call){.url = "http://192.0.2.1/"}, ENG_EFORBIDDEN);
    assert_int_equal(atomic_load(&f->s.accepted), 0);
    /* What the user named may go through it. */
    assert_answer(f->strict, (eng_http_call){.url = "http://8.8.8.8/", .trusted = true}, 200, "ok");
    assert_non_null(strstr(f->s.last, "GET http://8.8.8.8/ HTTP/1.1\r\n"));
    assert_answer(f->strict, (eng_http_call){.url = url_of(&f->s, "/near"), .trusted = true}, 200,
                  "ok");
    assert_non_null(strstr(f->s.last, "GET /near HTTP/1.1\r\n"));
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

/* ---- Redirects ---- */

static void redirects_are_followed_as_far_as_allowed(void **state)
{
    fixture *f = *state;
    eng_error err;
    eng_http_answer a;
    f->s.to = "end?x=1";
    eng_http_call call = {.url = url_of(&f->s, "/redirect"), .redirects = 1};
    assert_ok(eng_http_fetch(f->allowing, &call, &a, &err), err);
    assert_int_equal(a.status, 200);
    assert_str_view(eng_buf_view(&a.body), "ok");
    assert_non_null(strstr(a.url, "/end?x=1"));
    eng_http_answer_clear(&a);

    call.redirects = 0;
    assert_answer(f->allowing, call, 302, "move");

    f->s.to = "/redirect";
    call.redirects = 5;
    err = assert_failed(f->allowing, call, ENG_EUPSTREAM);
    assert_non_null(strstr(err.message, "more than 5 redirects"));
    assert_int_equal(atomic_load(&f->s.requests), 2 + 1 + 6);
}

static void each_redirect_is_checked_like_the_first_address(void **state)
{
    fixture *f = *state;
    stand_in inner;
    stand_in_start(&inner, "127.0.0.2", answer_by_path);
    char inner_url[3][64];
    snprintf(inner_url[0], 64, "http://127.0.0.2:%u/", inner.port);
    snprintf(inner_url[1], 64, "//127.0.0.2:%u/", inner.port);
    snprintf(inner_url[2], 64, "http://[::ffff:127.0.0.2]:%u/", inner.port);
    const char *const forbidden[] = {inner_url[0], inner_url[1], inner_url[2],
                                     "http://169.254.169.254/", "http://10.0.0.1/"};
    const char *const unreadable[] = {"file:///etc/passwd",  "ftp://127.0.0.1/x",    "gopher://a/",
                                      "http://u@127.0.0.1/", "http://127.0.0.1.:1/", "http://"};
    eng_http_call call = {.url = url_of(&f->s, "/redirect"), .redirects = 5};
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        f->s.to = forbidden[i];
        assert_failed(f->allowing, call, ENG_EFORBIDDEN);
    }
    for (size_t i = 0; i < sizeof unreadable / sizeof unreadable[0]; i++) {
        f->s.to = unreadable[i];
        assert_failed(f->allowing, call, ENG_EUPSTREAM);
    }
    stand_in_stop(&inner);
    assert_int_equal(atomic_load(&inner.accepted), 0);
}

static void a_redirect_elsewhere_does_not_get_the_callers_headers(void **state)
{
    fixture *f = *state;
    static const char *const headers[] = {"Authorization: Bearer secret", "X-API-Key: secret",
                                          "Accept: text/html", NULL};
    stand_in other;
    char to[64];
    stand_in_start(&other, "127.0.0.1", answer_by_path);
    eng_http_call call = {
        .url = url_of(&f->s, "/redirect"), .headers = headers, .redirects = 1, .trusted = true};
    f->s.to = "/end";
    assert_answer(f->strict, call, 200, "ok");
    assert_non_null(strstr(f->s.last, "secret"));
    snprintf(to, sizeof to, "http://127.0.0.1:%u/", other.port);
    f->s.to = to;
    assert_answer(f->strict, call, 200, "ok");
    assert_null(strstr(other.last, "secret"));
    assert_non_null(strstr(other.last, "Accept: text/html"));
    stand_in_stop(&other);
}

static void a_redirect_keeps_the_method_where_it_should(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *method, *path, *then;
    } cases[] = {
        {"POST", "/redirect", "GET /end"}, {"POST", "/see-other", "GET /end"},
        {"PUT", "/see-other", "GET /end"}, {"POST", "/temporary", "POST /end"},
        {"PUT", "/redirect", "PUT /end"},
    };
    f->s.to = "/end";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eng_http_call call = {.method = cases[i].method,
                              .url = url_of(&f->s, cases[i].path),
                              .body = ENG_STR("body"),
                              .redirects = 1,
                              .trusted = true};
        assert_answer(f->strict, call, 200, "ok");
        assert_true(eng_str_starts(eng_str_of(f->s.last), eng_str_of(cases[i].then)));
        bool sent = strstr(f->s.last, "\r\n\r\nbody") != NULL;
        assert_int_equal(sent, cases[i].then[0] == 'P');
    }
}

/* ---- Trying again ---- */

static void a_call_that_may_be_repeated_is_tried_again(void **state)
{
    fixture *f = *state;
    eng_http_call call = {.url = url_of(&f->s, "/busy-twice"), .retries = 3, .trusted = true};
    assert_answer(f->strict, call, 200, "ok");
    assert_int_equal(atomic_load(&f->s.requests), 3);

    atomic_store(&f->s.requests, 0);
    call.url = url_of(&f->s, "/hang-up-once");
    assert_answer(f->strict, call, 200, "ok");
    assert_int_equal(atomic_load(&f->s.requests), 2);

    atomic_store(&f->s.requests, 0);
    call = (eng_http_call){.url = url_of(&f->s, "/busy"), .retries = 2, .trusted = true};
    assert_answer(f->strict, call, 503, "busy");
    assert_int_equal(atomic_load(&f->s.requests), 3);
}

static void a_call_that_may_not_be_repeated_is_not(void **state)
{
    fixture *f = *state;
    eng_http_call call = {
        .method = "POST", .url = url_of(&f->s, "/busy-twice"), .retries = 3, .trusted = true};
    assert_answer(f->strict, call, 503, "busy");
    assert_int_equal(atomic_load(&f->s.requests), 1);
}

static void retry_after_is_honoured(void **state)
{
    fixture *f = *state;
    eng_http_call call = {.url = url_of(&f->s, "/later"), .retries = 1, .trusted = true};
    uint64_t began = eng_clock_ns();
    assert_answer(f->strict, call, 200, "ok");
    assert_true(eng_clock_ns() - began >= 1000000000);

    /* Past the deadline nobody waits: the reply is what there is. */
    call.url = url_of(&f->s, "/tomorrow");
    atomic_store(&f->s.requests, 0);
    assert_answer(f->strict, call, 503, "tomorrow");
    assert_int_equal(atomic_load(&f->s.requests), 1);
}

/* ---- Bounds ---- */

static void a_reply_that_takes_too_long_times_out(void **state)
{
    fixture *f = *state;
    static const char *const paths[] = {"/silent", "/half"};
    for (size_t i = 0; i < 2; i++) {
        eng_http_call call = {.url = url_of(&f->s, paths[i]), .timeout_ms = 200, .trusted = true};
        assert_failed(f->strict, call, ENG_ETIMEOUT);

        call.timeout_ms = 60000;
        call.silence_ms = 200;
        eng_error err = assert_failed(f->strict, call, ENG_ETIMEOUT);
        assert_non_null(strstr(err.message, "silent for 200 ms"));
    }
    /* Repeating does not make it longer. */
    atomic_store(&f->s.requests, 0);
    assert_failed(
        f->strict,
        (eng_http_call){
            .url = url_of(&f->s, "/silent"), .timeout_ms = 300, .retries = 9, .trusted = true},
        ENG_ETIMEOUT);
    assert_true(atomic_load(&f->s.requests) <= 1);
}

static void the_other_sides_failure_is_upstreams(void **state)
{
    fixture *f = *state;
    assert_failed(f->strict, (eng_http_call){.url = url_of(&f->s, "/cut"), .trusted = true},
                  ENG_EUPSTREAM);
    assert_failed(f->strict, (eng_http_call){.url = url_of(&f->s, "/nonsense"), .trusted = true},
                  ENG_EUPSTREAM);
    eng_error err = assert_failed(
        f->strict, (eng_http_call){.url = "http://127.0.0.1:1/", .trusted = true}, ENG_EUPSTREAM);
    assert_non_null(strstr(err.message, "cannot fetch 'http://127.0.0.1:1/': "));
    assert_failed(
        f->strict,
        (eng_http_call){.url = "http://nowhere.invalid/", .trusted = true, .timeout_ms = 1000},
        ENG_EUPSTREAM);
}

static void a_body_past_the_maximum_is_too_big(void **state)
{
    fixture *f = *state;
    eng_http_call call = {.url = url_of(&f->s, "/endless"), .max = 100000, .trusted = true};
    assert_failed(f->strict, call, ENG_ETOOBIG);
    call = (eng_http_call){.url = url_of(&f->s, "/"), .max = 1, .trusted = true};
    assert_failed(f->strict, call, ENG_ETOOBIG);
    call.max = 2;
    assert_answer(f->strict, call, 200, "ok");
}

typedef struct {
    eng_buf text;
    int pieces;
    eng_status fail;
    atomic_bool cancelled;
} sink;

static eng_status take_piece(void *ctx, eng_str bytes, eng_error *err)
{
    sink *k = ctx;
    eng_buf_str(&k->text, bytes);
    k->pieces++;
    return k->fail ? eng_fail(err, k->fail, "the caller's") : ENG_OK;
}

static bool ask_cancelled(void *ctx) { return atomic_load(&((sink *)ctx)->cancelled); }

static void a_body_may_come_piece_by_piece(void **state)
{
    fixture *f = *state;
    sink k = {.pieces = 0};
    eng_buf_init(&k.text, 1000);
    eng_http_call call = {
        .url = url_of(&f->s, "/chunks"), .data = take_piece, .ctx = &k, .trusted = true};
    assert_answer(f->strict, call, 200, "");
    assert_str_view(eng_buf_view(&k.text), "onetwo");
    assert_true(k.pieces >= 2);

    /* What is not for the caller does not reach it. */
    eng_buf_reset(&k.text);
    f->s.to = "/chunks";
    call.url = url_of(&f->s, "/redirect");
    call.redirects = 1;
    assert_answer(f->strict, call, 200, "");
    assert_str_view(eng_buf_view(&k.text), "onetwo");

    /* What was given to it cannot be taken back. */
    atomic_store(&f->s.requests, 0);
    call = (eng_http_call){
        .url = url_of(&f->s, "/cut"), .data = take_piece, .ctx = &k, .retries = 3, .trusted = true};
    assert_failed(f->strict, call, ENG_EUPSTREAM);
    assert_int_equal(atomic_load(&f->s.requests), 1);
    eng_buf_clear(&k.text);
}

static void an_error_of_the_caller_ends_the_call(void **state)
{
    fixture *f = *state;
    sink k = {.fail = ENG_EFORBIDDEN};
    eng_buf_init(&k.text, 1000);
    eng_http_call call = {
        .url = url_of(&f->s, "/"), .data = take_piece, .ctx = &k, .retries = 3, .trusted = true};
    eng_error err = assert_failed(f->strict, call, ENG_EFORBIDDEN);
    assert_string_equal(err.message, "the caller's");
    assert_int_equal(atomic_load(&f->s.requests), 1);
    eng_buf_clear(&k.text);
}

static void *cancel_soon(void *arg)
{
    usleep(150000);
    atomic_store(&((sink *)arg)->cancelled, true);
    return NULL;
}

static void a_caller_that_wants_no_more_is_let_go(void **state)
{
    fixture *f = *state;
    static const char *const paths[] = {"/silent", "/busy"};
    for (size_t i = 0; i < 2; i++) {
        sink k = {.pieces = 0};
        pthread_t thread;
        pthread_create(&thread, NULL, cancel_soon, &k);
        eng_http_call call = {.url = url_of(&f->s, paths[i]),
                              .cancelled = ask_cancelled,
                              .ctx = &k,
                              .retries = 100,
                              .trusted = true};
        assert_failed(f->strict, call, ENG_ECANCELLED);
        pthread_join(thread, NULL);
    }
}

static void *fetch_many(void *arg)
{
    fixture *f = arg;
    for (int i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof text, "http://127.0.0.1:%u/", f->s.port);
        eng_http_answer a;
        eng_http_call call = {.url = text, .trusted = i % 2 == 0};
        if (eng_http_fetch(f->allowing, &call, &a, NULL) != ENG_OK)
            return f;
        eng_http_answer_clear(&a);
    }
    return NULL;
}

static void several_threads_may_use_a_client(void **state)
{
    fixture *f = *state;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, fetch_many, f);
    for (int i = 0; i < 8; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(atomic_load(&f->s.requests), 160);
}

static eng_status fetch_once(const eng_http_call *call)
{
    eng_http_client *c = NULL;
    eng_http_client_options options = {.allow = "127.0.0.1"};
    eng_http_answer a;
    eng_status status = eng_http_client_new(&options, &c, NULL);
    if (status == ENG_OK)
        status = eng_http_fetch(c, call, &a, NULL);
    if (status == ENG_OK)
        eng_http_answer_clear(&a);
    eng_http_client_free(c);
    return status;
}

static void no_memory_is_an_ordinary_error(void **state)
{
    fixture *f = *state;
    static const char *const headers[] = {"X-One: 1", NULL};
    eng_status status = ENG_OK;
    eng_http_call call = {.url = url_of(&f->s, "/redirect"), .headers = headers, .redirects = 1};
    f->s.to = "/end";
    eng_http_client_free(NULL);
    assert_int_equal(fetch_once(&call), ENG_OK);
    assert_survives_no_memory(status, status = fetch_once(&call));
}

static int start(void **state)
{
    (void)state;
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof proxies / sizeof proxies[0]; i++)
        unsetenv(proxies[i]);
    return eng_net_init(NULL);
}

static int end(void **state)
{
    (void)state;
    eng_net_quit();
    return 0;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_reply_is_its_status_headers_body_and_address),
        CASE(a_reply_of_any_status_is_success),
        CASE(a_request_carries_method_headers_and_body),
        CASE(connections_are_kept_for_the_next_call),
        CASE(a_unix_socket_is_spoken_through),
        CASE(an_address_that_is_not_public_is_refused_before_any_connection),
        CASE(what_is_no_address_is_not_acceptable),
        CASE(what_the_list_names_may_be_private),
        CASE(a_kept_connection_of_a_trusted_call_does_not_let_others_in),
        CASE(a_proxy_of_the_environment_is_no_way_around),
        CASE(redirects_are_followed_as_far_as_allowed),
        CASE(each_redirect_is_checked_like_the_first_address),
        CASE(a_redirect_elsewhere_does_not_get_the_callers_headers),
        CASE(a_redirect_keeps_the_method_where_it_should),
        CASE(a_call_that_may_be_repeated_is_tried_again),
        CASE(a_call_that_may_not_be_repeated_is_not),
        CASE(retry_after_is_honoured),
        CASE(a_reply_that_takes_too_long_times_out),
        CASE(the_other_sides_failure_is_upstreams),
        CASE(a_body_past_the_maximum_is_too_big),
        CASE(a_body_may_come_piece_by_piece),
        CASE(an_error_of_the_caller_ends_the_call),
        CASE(a_caller_that_wants_no_more_is_let_go),
        CASE(several_threads_may_use_a_client),
        CASE(no_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, start, end);
}
