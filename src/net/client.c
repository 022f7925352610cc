/*
 * The HTTP client: one libcurl handle a call, kept for the next with its connections.
 *
 * A call is a series of attempts: what has failed and may be repeated is, and redirects are followed
 * here, not by libcurl, so that each new address goes through the same door as the first, and the
 * caller's headers, which may hold a key, do not go to a stranger.
 *
 *      begin --> attempt --DELIVER--> done
 *                 ^   |
 *                 +-- REDIRECT (follow), RETRY (pause)
 *
 * The check of addresses sits where libcurl opens a socket: there is no name left there that could
 * resolve to something else, and what is refused is never connected to. A connection that is kept was
 * opened under the same check, because trusted calls have handles of their own. Proxies would make
 * the check meaningless, so calls that are checked use none.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "net/guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECT_TIMEOUT_MS = 2000,
    TIMEOUT_MS = 30000,
    BODY_MAX = 64 << 20,
    HEADERS_MAX = 256 << 10,
    SKIPPED_MAX = 64 << 10, /* of a body that nobody wants; past that its connection is given up */
    IDLE_MAX = 16,          /* handles kept, of each kind */
    TICK_MS = 100,          /* how often a caller is asked whether it still wants this */
    BACKOFF_MS = 100,
    BACKOFF_MOST_MS = 5000,
    QUOTED_MAX = 200
};

typedef struct handle {
    CURL *easy;
    CURLM *multi; /* what keeps the connections */
    struct handle *next;
} handle;

struct eng_http_client {
    char *user_agent;
    eng_guard guard;
    pthread_mutex_t lock; /* of the idle handles */
    handle *idle[2];      /* [trusted] */
    unsigned idle_count[2];
};

typedef enum { DELIVER, REDIRECT, RETRY } transfer_plan;

typedef struct {
    eng_http_client *client;
    const eng_http_call *call;
    handle *h;
    CURLU *url;
    const char *method;
    eng_str body;
    struct curl_slist *headers;
    bool stranger; /* led away from where the call began */
    bool any_address;
    unsigned tries_left;
    unsigned tried;
    unsigned redirects_left;
    uint64_t deadline;
    uint64_t heard; /* when the other side last showed life */
    curl_off_t uploaded;

    /* Of this attempt. */
    transfer_plan plan;
    bool head_done;
    bool skipped_enough;
    bool delivered; /* data has been called */
    bool refused;
    bool caller_failed; /* the error is the caller's own, and passed on as it is */
    size_t received;
    uint64_t pause_ms;
    unsigned starved; /* the counter below, as the call began */
    eng_http_answer answer;
    eng_status status; /* of what failed within a callback */
    eng_error error;
    char words[CURL_ERROR_SIZE];
} transfer;

/* ---- libcurl as a whole ----------------------------------------------------------------------- */

/* How often libcurl got no memory on this thread: what it then says is often something else. */
static _Thread_local unsigned starved;

static void *fed(void *p)
{
    starved += !p;
    return p;
}

static void *curl_alloc(size_t size) { return fed(eng_alloc(size)); }

static void *curl_zalloc(size_t count, size_t size)
{
    size_t total;
    return fed(eng_mul(count, size, &total) ? eng_zalloc(total) : NULL);
}

static void *curl_realloc(void *old, size_t size) { return fed(eng_realloc(old, size)); }

static char *curl_copy(const char *text) { return fed(eng_strdup(eng_str_of(text))); }

eng_status eng_net_init(eng_error *err)
{
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_alloc, eng_free, curl_realloc,
                                         curl_copy, curl_zalloc);
    if (code == CURLE_OUT_OF_MEMORY)
        return eng_fail_nomem(err);
    return code ? eng_fail(err, ENG_EINTERNAL, "cannot start libcurl: %s", curl_easy_strerror(code))
                : ENG_OK;
}

void eng_net_quit(void) { curl_global_cleanup(); }

/* ---- A client and its handles ----------------------------------------------------------------- */

static void handle_free(handle *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    eng_free(h);
}

static handle *handle_new(void)
{
    handle *h = eng_zalloc(sizeof *h);
    if (!h)
        return NULL;
    h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    if (h->easy && h->multi)
        return h;
    handle_free(h);
    return NULL;
}

static handle *handle_take(eng_http_client *c, bool trusted)
{
    pthread_mutex_lock(&c->lock);
    handle *h = c->idle[trusted];
    if (h) {
        c->idle[trusted] = h->next;
        c->idle_count[trusted]--;
    }
    pthread_mutex_unlock(&c->lock);
    return h ? h : handle_new();
}

static void handle_give(eng_http_client *c, bool trusted, handle *h)
{
    if (!h)
        return;
    curl_easy_reset(h->easy);
    pthread_mutex_lock(&c->lock);
    bool keep = c->idle_count[trusted] < IDLE_MAX;
    if (keep) {
        h->next = c->idle[trusted];
        c->idle[trusted] = h;
        c->idle_count[trusted]++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!keep)
        handle_free(h);
}

eng_status eng_http_client_new(const eng_http_client_options *options, eng_http_client **out,
                               eng_error *err)
{
    eng_http_client *c = eng_zalloc(sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    pthread_mutex_init(&c->lock, NULL);
    c->user_agent = eng_strdup(eng_str_of(options->user_agent ? options->user_agent : "engenho"));
    eng_status status = c->user_agent ? eng_guard_init(&c->guard, options->allow, err)
                                      : eng_fail_nomem(err);
    if (status < 0)
        eng_http_client_free(c);
    else
        *out = c;
    return status;
}

void eng_http_client_free(eng_http_client *c)
{
    if (!c)
        return;
    for (int trusted = 0; trusted < 2; trusted++) {
        for (handle *h = c->idle[trusted], *next; h; h = next) {
            next = h->next;
            handle_free(h);
        }
    }
    eng_guard_clear(&c->guard);
    pthread_mutex_destroy(&c->lock);
    eng_free(c->user_agent);
    eng_free(c);
}

/* ---- Where to --------------------------------------------------------------------------------- */

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static uint64_t left_ms(const transfer *t)
{
    uint64_t now = eng_clock_ns();
    return now < t->deadline ? (t->deadline - now) / 1000000 : 0;
}

/* Calls that may be repeated: what they ask for is the same when it was done already. */
static bool is_idempotent(const char *method)
{
    static const char *const names[] = {"GET", "HEAD", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(method, names[i]) == 0)
            return true;
    return false;
}

static eng_status url_part(const transfer *t, CURLUPart part, char **out, eng_error *err)
{
    CURLUcode code = curl_url_get(t->url, part, out, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return eng_fail_nomem(err);
    return code ? eng_fail(err, ENG_EINVALID, "not an address: %s", curl_url_strerror(code))
                : ENG_OK;
}

/* What libcurl has made of an address goes through our own reading of it too: that allows less. */
static eng_status check_url(transfer *t, eng_error *err)
{
    char *whole = NULL, *host = NULL;
    eng_url url;
    eng_status status = url_part(t, CURLUPART_URL, &whole, err);
    if (status == ENG_OK)
        status = eng_url_read(eng_str_of(whole), &url, err);
    if (status == ENG_OK)
        status = url_part(t, CURLUPART_HOST, &host, err);
    if (status == ENG_OK)
        t->any_address = t->call->trusted ||
                         eng_guard_allows_host(&t->client->guard, eng_str_of(host));
    curl_free(whole);
    curl_free(host);
    return status;
}

static eng_status set_url(transfer *t, const char *text, eng_error *err)
{
    CURLUcode code = curl_url_set(t->url, CURLUPART_URL, text, CURLU_URLENCODE);
    if (code == CURLUE_OUT_OF_MEMORY)
        return eng_fail_nomem(err);
    if (code)
        return eng_fail(err, ENG_EINVALID, "'%.*s' is no address to fetch: %s", QUOTED_MAX, text,
                        curl_url_strerror(code));
    return check_url(t, err);
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *x = NULL, *y = NULL;
    bool same = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(b, part, &y, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                eng_str_eq_nocase(eng_str_of(x), eng_str_of(y));
    curl_free(x);
    curl_free(y);
    return same;
}

/* As everybody does it: 303 always becomes a GET, 301 and 302 where it was a POST. */
static void redirect_method(transfer *t)
{
    bool post = strcmp(t->method, "POST") == 0;
    bool get = (t->answer.status == 303 && strcmp(t->method, "HEAD") != 0) ||
               (post && (t->answer.status == 301 || t->answer.status == 302));
    if (get) {
        t->method = "GET";
        t->body = (eng_str){"", 0};
    }
}

static eng_status follow(transfer *t, eng_error *err)
{
    if (t->redirects_left-- == 0)
        return eng_fail(err, ENG_EUPSTREAM, "more than %u redirects", t->call->redirects);
    eng_str location = eng_http_answer_header(&t->answer, ENG_STR("Location"));
    char *text = eng_strdup(location);
    CURLU *before = curl_url_dup(t->url);
    eng_status status = text && before ? set_url(t, text, err) : eng_fail_nomem(err);
    if (status == ENG_OK) {
        bool same = same_part(before, t->url, CURLUPART_SCHEME) &&
                    same_part(before, t->url, CURLUPART_HOST) &&
                    same_part(before, t->url, CURLUPART_PORT);
        t->stranger |= !same;
        redirect_method(t);
    } else if (status == ENG_EINVALID) {
        /* The address is not the caller's doing. */
        status = eng_fail(err, ENG_EUPSTREAM,
                          "redirected to '%.*s', which is no http or https address",
                          ENG_FMT(eng_str_sub(location, 0, QUOTED_MAX)));
    }
    curl_url_cleanup(before);
    eng_free(text);
    return status;
}

/* ---- Callbacks of libcurl --------------------------------------------------------------------- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    transfer *t = ctx;
    (void)purpose;
    if (!t->any_address && !eng_guard_allows(&t->client->guard, &address->addr)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static uint64_t backoff_ms(const transfer *t)
{
    unsigned doubled = t->tried < 6 ? t->tried : 6;
    uint64_t ms = (uint64_t)BACKOFF_MS << doubled, chance;
    if (ms > BACKOFF_MOST_MS)
        ms = BACKOFF_MOST_MS;
    /* Between half and the whole of it, so that clients which failed together come back apart. */
    eng_random(&chance, sizeof chance);
    return ms / 2 + chance % (ms / 2 + 1);
}

static bool can_retry(const transfer *t)
{
    return t->tries_left && !t->delivered &&
           is_idempotent(t->call->method ? t->call->method : "GET");
}

/* Once the head of a reply is there: is it for the caller? */
static transfer_plan plan_of(transfer *t)
{
    long status = 0;
    curl_off_t after = 0;
    curl_easy_getinfo(t->h->easy, CURLINFO_RESPONSE_CODE, &status);
    t->answer.status = (int)status;
    if (is_redirect(status) && t->call->redirects &&
        eng_http_answer_header(&t->answer, ENG_STR("Location")).len)
        return REDIRECT;
    bool passing = status == 429 || status == 502 || status == 503 || status == 504;
    if (!passing || !can_retry(t))
        return DELIVER;
    curl_easy_getinfo(t->h->easy, CURLINFO_RETRY_AFTER, &after);
    uint64_t left = left_ms(t);
    if (after > 0 && (uint64_t)after > left / 1000)
        return DELIVER;
    t->pause_ms = after > 0 ? (uint64_t)after * 1000 : backoff_ms(t);
    return t->pause_ms < left ? RETRY : DELIVER;
}

static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
    transfer *t = ctx;
    eng_str text = {line, size * count};
    t->heard = eng_clock_ns();
    if (eng_str_starts(text, ENG_STR("HTTP/"))) {
        eng_buf_reset(&t->answer.headers);
        t->head_done = false;
        return text.len;
    }
    if (t->head_done) /* a trailer */
        return text.len;
    if (eng_str_trim(text).len) {
        eng_buf_str(&t->answer.headers, text);
        t->status = eng_buf_check(&t->answer.headers, "headers of the reply", &t->error);
        return t->status < 0 ? 0 : text.len;
    }
    long status = 0;
    curl_easy_getinfo(t->h->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) {
        t->head_done = true;
        t->plan = plan_of(t);
    }
    return text.len;
}

static eng_status deliver(transfer *t, eng_str bytes)
{
    size_t max = t->call->max ? t->call->max : BODY_MAX;
    t->received += bytes.len;
    if (t->received > max)
        return eng_fail(&t->error, ENG_ETOOBIG, "the reply is larger than %zu bytes", max);
    if (t->call->data && t->answer.status / 100 == 2) {
        t->delivered = true;
        eng_status status = t->call->data(t->call->ctx, bytes, &t->error);
        t->caller_failed = status < 0;
        return status;
    }
    eng_buf_str(&t->answer.body, bytes);
    return eng_buf_check(&t->answer.body, "the reply", &t->error);
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    transfer *t = ctx;
    size_t len = size * count;
    t->heard = eng_clock_ns();
    if (t->plan == DELIVER) {
        t->status = deliver(t, (eng_str){data, len});
        return t->status < 0 ? 0 : len;
    }
    t->received += len;
    t->skipped_enough = t->received > SKIPPED_MAX;
    return t->skipped_enough ? 0 : len;
}

/* ---- Setting an attempt up -------------------------------------------------------------------- */

/* The first failure sticks. */
#define SET(option, ...)                                                                           \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(easy, option, __VA_ARGS__);                                    \
    } while (0)

/* To a stranger go only headers that say what is wanted. */
static bool is_sent(const transfer *t, eng_str header)
{
    static const eng_str wants[] = {
        {"Accept:", 7}, {"Accept-Language:", 16}, {"Accept-Encoding:", 16}, {"Range:", 6}};
    if (eng_str_eq_nocase(eng_str_sub(header, 0, 13), ENG_STR("Content-Type:")))
        return t->body.len > 0;
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
        if (eng_str_eq_nocase(eng_str_sub(header, 0, wants[i].len), wants[i]))
            return true;
    return !t->stranger;
}

static bool add_header(transfer *t, const char *header)
{
    struct curl_slist *longer = curl_slist_append(t->headers, header);
    if (longer)
        t->headers = longer;
    return longer;
}

static bool list_headers(transfer *t)
{
    bool typed = false, all = true;
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    for (const char *const *h = t->call->headers; h && *h && all; h++) {
        eng_str header = eng_str_of(*h);
        if (!is_sent(t, header))
            continue;
        typed |= eng_str_eq_nocase(eng_str_sub(header, 0, 13), ENG_STR("Content-Type:"));
        all = add_header(t, *h);
    }
    /* What libcurl would add of its own: a wait for leave to send, and a form's type. */
    all = all && add_header(t, "Expect:");
    return all && (typed || add_header(t, "Content-Type:"));
}

static CURLcode set_request(transfer *t)
{
    CURL *easy = t->h->easy;
    CURLcode code = CURLE_OK;
    bool sends = t->body.len || strcmp(t->method, "POST") == 0 || strcmp(t->method, "PUT") == 0 ||
                 strcmp(t->method, "PATCH") == 0;
    SET(CURLOPT_CURLU, t->url);
    SET(CURLOPT_HTTPHEADER, t->headers);
    if (strcmp(t->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    if (sends) {
        SET(CURLOPT_POSTFIELDS, t->body.len ? t->body.ptr : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
    }
    SET(CURLOPT_CUSTOMREQUEST, t->method);
    if (t->call->unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, t->call->unix_socket);
    else
        SET(CURLOPT_ACCEPT_ENCODING, "");
    SET(CURLOPT_USERAGENT, t->client->user_agent);
    return code;
}

static CURLcode set_bounds(transfer *t)
{
    CURL *easy = t->h->easy;
    CURLcode code = CURLE_OK;
    unsigned connect = t->call->connect_timeout_ms;
    uint64_t left = left_ms(t);
    char *host = NULL;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    /* A resolver that hangs must not hold up whoever gives up waiting for it. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(connect ? connect : CONNECT_TIMEOUT_MS));
    SET(CURLOPT_TIMEOUT_MS, (long)(left ? left : 1));
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* A proxy elsewhere does not reach what is near. */
    if (code == CURLE_OK && curl_url_get(t->url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        code = CURLE_OUT_OF_MEMORY;
    if (!t->call->trusted || t->call->unix_socket || (host && eng_host_is_near(eng_str_of(host))))
        SET(CURLOPT_PROXY, "");
    curl_free(host);
    return code;
}

static CURLcode set_callbacks(transfer *t)
{
    CURL *easy = t->h->easy;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_ERRORBUFFER, t->words);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, t);
    return code;
}

static CURLcode set_up(transfer *t)
{
    eng_buf_reset(&t->answer.body);
    eng_buf_reset(&t->answer.headers);
    t->plan = DELIVER;
    t->head_done = t->skipped_enough = t->refused = false;
    t->received = 0;
    t->uploaded = 0;
    t->status = ENG_OK;
    t->words[0] = '\0';
    curl_easy_reset(t->h->easy);
    if (!list_headers(t))
        return CURLE_OUT_OF_MEMORY;
    CURLcode code = set_request(t);
    if (code == CURLE_OK)
        code = set_bounds(t);
    return code ? code : set_callbacks(t);
}

/* ---- Running an attempt ----------------------------------------------------------------------- */

static bool is_cancelled(const transfer *t)
{
    return t->call->cancelled && t->call->cancelled(t->call->ctx);
}

/* What libcurl does not watch: the caller's patience, and how long nothing has moved. */
static eng_status watch(transfer *t)
{
    curl_off_t uploaded = 0;
    if (is_cancelled(t))
        return eng_fail(&t->error, ENG_ECANCELLED, "cancelled");
    if (!t->call->silence_ms)
        return ENG_OK;
    curl_easy_getinfo(t->h->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    if (uploaded != t->uploaded) {
        t->uploaded = uploaded;
        t->heard = eng_clock_ns();
    }
    if ((eng_clock_ns() - t->heard) / 1000000 < t->call->silence_ms)
        return ENG_OK;
    return eng_fail(&t->error, ENG_ETIMEOUT, "silent for %u ms", t->call->silence_ms);
}

/* Until libcurl is done with it, with what it says; or until t->status is set. */
static CURLcode run(transfer *t)
{
    int running = 1, queued;
    CURLcode result = CURLE_FAILED_INIT;
    CURLMcode code = curl_multi_add_handle(t->h->multi, t->h->easy);
    t->heard = eng_clock_ns();
    while (code == CURLM_OK) {
        code = curl_multi_perform(t->h->multi, &running);
        if (code || !running || (t->status = watch(t)) < 0)
            break;
        code = curl_multi_poll(t->h->multi, NULL, 0, TICK_MS, NULL);
    }
    for (CURLMsg *message; (message = curl_multi_info_read(t->h->multi, &queued));)
        if (message->msg == CURLMSG_DONE)
            result = message->data.result;
    curl_multi_remove_handle(t->h->multi, t->h->easy);
    return code == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : result;
}

static eng_status status_of(CURLcode code)
{
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return ENG_ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return ENG_ETIMEOUT;
    case CURLE_URL_MALFORMAT:
        return ENG_EINVALID;
    default:
        return ENG_EUPSTREAM;
    }
}

/* Failures of the way, which may be over at the next try. */
static bool is_passing(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING ||
           code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_PARTIAL_FILE ||
           code == CURLE_SSL_CONNECT_ERROR;
}

static eng_status explain(transfer *t, CURLcode code)
{
    if (code == CURLE_OUT_OF_MEMORY || starved != t->starved)
        return eng_fail_nomem(&t->error);
    if (t->refused)
        return eng_fail(&t->error, ENG_EFORBIDDEN, "its address is not public");
    const char *words = t->words[0] ? t->words : curl_easy_strerror(code);
    /* Messages are lower case, but for words that are capitals throughout. */
    bool lower = words[0] >= 'A' && words[0] <= 'Z' && !(words[1] >= 'A' && words[1] <= 'Z');
    return eng_fail(&t->error, status_of(code), "%c%s", lower ? words[0] | 0x20 : words[0],
                    words + 1);
}

/* ENG_OK: t->plan says how it goes on. */
static eng_status attempt(transfer *t)
{
    CURLcode code = set_up(t);
    if (code == CURLE_OK)
        code = run(t);
    if (t->status < 0)
        return t->status;
    if (code == CURLE_OK || t->skipped_enough)
        return ENG_OK;
    eng_status status = explain(t, code);
    if (code == CURLE_COULDNT_CONNECT && t->call->unreached)
        *t->call->unreached = true;
    t->pause_ms = backoff_ms(t);
    if (status == ENG_ENOMEM || t->refused || !is_passing(code) || !can_retry(t) ||
        t->pause_ms >= left_ms(t))
        return status;
    t->plan = RETRY;
    return ENG_OK;
}

static eng_status wait_for_retry(transfer *t)
{
    uint64_t until = eng_clock_ns() + t->pause_ms * 1000000;
    t->tries_left--;
    t->tried++;
    for (uint64_t now; (now = eng_clock_ns()) < until;) {
        if (is_cancelled(t))
            return eng_fail(&t->error, ENG_ECANCELLED, "cancelled");
        uint64_t ns = until - now;
        if (ns > (uint64_t)TICK_MS * 1000000)
            ns = (uint64_t)TICK_MS * 1000000;
        nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
    }
    return ENG_OK;
}

static eng_status all_attempts(transfer *t)
{
    for (;;) {
        eng_status status = attempt(t);
        if (status == ENG_OK && t->plan == DELIVER)
            return ENG_OK;
        if (status == ENG_OK)
            status = t->plan == REDIRECT ? follow(t, &t->error) : wait_for_retry(t);
        if (status < 0)
            return status;
        if (left_ms(t) == 0)
            return eng_fail(&t->error, ENG_ETIMEOUT, "took too long");
    }
}

static eng_status begin(transfer *t)
{
    const eng_http_call *call = t->call;
    unsigned timeout = call->timeout_ms ? call->timeout_ms : TIMEOUT_MS;
    eng_url url;
    t->deadline = eng_clock_ns() + (uint64_t)timeout * 1000000;
    t->method = call->method ? call->method : "GET";
    t->body = call->body;
    t->tries_left = call->retries;
    t->redirects_left = call->redirects;
    eng_buf_init(&t->answer.body, call->max ? call->max : BODY_MAX);
    eng_buf_init(&t->answer.headers, HEADERS_MAX);
    eng_status status = eng_url_read(eng_str_of(call->url), &url, &t->error);
    if (status < 0)
        return status;
    t->url = curl_url();
    t->h = handle_take(t->client, call->trusted);
    return t->url && t->h ? set_url(t, call->url, &t->error) : eng_fail_nomem(&t->error);
}

static eng_status finish(transfer *t)
{
    char *text = NULL;
    eng_status status = url_part(t, CURLUPART_URL, &text, &t->error);
    if (status == ENG_OK) {
        t->answer.url = eng_strdup(eng_str_of(text));
        if (!t->answer.url)
            status = eng_fail_nomem(&t->error);
    }
    curl_free(text);
    return status;
}

eng_status eng_http_fetch(eng_http_client *c, const eng_http_call *call, eng_http_answer *out,
                          eng_error *err)
{
    transfer t = {.client = c, .call = call, .starved = starved};
    eng_status status = begin(&t);
    if (status == ENG_OK)
        status = all_attempts(&t);
    if (status == ENG_OK)
        status = finish(&t);
    if (status == ENG_OK) {
        *out = t.answer;
    } else {
        eng_http_answer_clear(&t.answer);
        if (!t.caller_failed && starved != t.starved)
            status = eng_fail_nomem(&t.error);
        if (err)
            *err = t.error;
        if (t.h && !t.caller_failed && status != ENG_ENOMEM)
            eng_error_prefix(err, "cannot fetch '%.*s'", QUOTED_MAX, call->url);
    }
    handle_give(c, call->trusted, t.h);
    curl_slist_free_all(t.headers);
    curl_url_cleanup(t.url);
    return status;
}

/* ---- An answer -------------------------------------------------------------------------------- */

eng_str eng_http_answer_header(const eng_http_answer *a, eng_str name)
{
    eng_str rest = eng_buf_view(&a->headers), line, key, value;
    while (rest.len) {
        eng_str_cut(rest, '\n', &line, &rest);
        if (eng_str_cut(line, ':', &key, &value) && eng_str_eq_nocase(key, name))
            return eng_str_trim(value);
    }
    return (eng_str){NULL, 0};
}

void eng_http_answer_clear(eng_http_answer *a)
{
    eng_buf_clear(&a->body);
    eng_buf_clear(&a->headers);
    eng_free(a->url);
    *a = (eng_http_answer){.status = 0};
}
