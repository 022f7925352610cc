/*
 * Calls whose answers come bit by bit, all on one thread.
 *
 *     begin -> fresh -> (its delay) -> in libcurl's multi handle -> done
 *
 * The thread owns every call from the moment it takes it off `fresh`. It sleeps in libcurl, which wakes
 * it for what moves, for what is new, and for eng_http_flows_nudge. Deadlines and callers that have
 * gone are looked at between, at most every LOOK_MS, so that many streams do not cost a look at each
 * for every piece of one.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "net/guard.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum {
    CONNECT_TIMEOUT_MS = 2000,
    SILENCE_MS = 30000,
    WHOLE_TIMES = 10, /* silences that a whole call may take */
    BODY_MAX = 64 << 20,
    LOOK_MS = 20,
    SLEEP_MS = 1000,
    READ_BYTES = 4096, /* what a call reads at a time: it is memory that each one holds */
    KEPT_CONNECTIONS = 32,
    QUOTED_MAX = 200,
    STACK_BYTES = 256 << 10
};

typedef struct flow {
    struct flow *next;
    eng_http_flow what; /* its texts are copies */
    char *url;
    char *method;
    char *body;
    struct curl_slist *headers;
    CURL *easy; /* NULL: not begun */
    uint64_t begins, heard, ends;
    eng_http_flow_head head;
    char type[128];
    bool head_done;
    size_t received;
    eng_status status; /* what a callback or a deadline ended it with */
    eng_error error;
    char words[CURL_ERROR_SIZE];
} flow;

struct eng_http_flows {
    char *user_agent;
    CURLM *multi;
    pthread_mutex_t lock; /* of the three that follow */
    flow *fresh;
    bool running;
    bool stopping;
    pthread_t thread;
    _Atomic bool nudged;
    flow *active; /* the thread's */
};

static uint64_t after_ms(uint64_t from, uint64_t ms) { return from + ms * 1000000; }

/* ---- Life ----------------------------------------------------------------------------------------- */

static void flow_free(flow *f)
{
    if (!f)
        return;
    curl_easy_cleanup(f->easy);
    curl_slist_free_all(f->headers);
    eng_free(f->url);
    eng_free(f->method);
    eng_free(f->body);
    eng_free(f);
}

static bool copy_headers(flow *f, const char *const *headers)
{
    for (const char *const *h = headers; h && *h; h++) {
        struct curl_slist *longer = curl_slist_append(f->headers, *h);
        if (!longer)
            return false;
        f->headers = longer;
    }
    /* What libcurl would add of its own: a wait for leave to send. */
    struct curl_slist *longer = curl_slist_append(f->headers, "Expect:");
    if (longer)
        f->headers = longer;
    return longer;
}

static flow *flow_new(const eng_http_flow *what)
{
    flow *f = eng_zalloc(sizeof *f);
    if (!f)
        return NULL;
    f->what = *what;
    f->url = eng_strdup(eng_str_of(what->url));
    f->method = eng_strdup(eng_str_of(what->method ? what->method : "POST"));
    f->body = eng_strdup(what->body.ptr ? what->body : ENG_STR(""));
    if (f->url && f->method && f->body && copy_headers(f, what->headers))
        return f;
    flow_free(f);
    return NULL;
}

eng_status eng_http_flows_new(const char *user_agent, eng_http_flows **out, eng_error *err)
{
    eng_http_flows *f = eng_zalloc(sizeof *f);
    if (!f)
        return eng_fail_nomem(err);
    pthread_mutex_init(&f->lock, NULL);
    f->user_agent = eng_strdup(eng_str_of(user_agent ? user_agent : "engenho"));
    f->multi = curl_multi_init();
    if (!f->user_agent || !f->multi ||
        curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS) != CURLM_OK) {
        eng_http_flows_free(f);
        return eng_fail_nomem(err);
    }
    *out = f;
    return ENG_OK;
}

void eng_http_flows_stop(eng_http_flows *f)
{
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    bool running = f->running;
    f->running = false;
    pthread_mutex_unlock(&f->lock);
    if (running) {
        curl_multi_wakeup(f->multi);
        pthread_join(f->thread, NULL);
    }
}

void eng_http_flows_free(eng_http_flows *f)
{
    if (!f)
        return;
    eng_http_flows_stop(f);
    curl_multi_cleanup(f->multi);
    pthread_mutex_destroy(&f->lock);
    eng_free(f->user_agent);
    eng_free(f);
}

/* ---- Callbacks of libcurl ------------------------------------------------------------------------- */

static void take_type(flow *f, eng_str value)
{
    value = eng_str_sub(eng_str_trim(value), 0, sizeof f->type - 1);
    memcpy(f->type, value.ptr, value.len);
    f->head.type = (eng_str){f->type, value.len};
}

static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
    flow *f = ctx;
    eng_str text = {line, size * count}, name, value;
    long status = 0;
    curl_off_t after = 0;
    f->heard = eng_clock_ns();
    if (f->head_done) /* a trailer */
        return text.len;
    if (eng_str_cut(text, ':', &name, &value)) {
        if (eng_str_eq_nocase(name, ENG_STR("Content-Type")))
            take_type(f, value);
        return text.len;
    }
    if (eng_str_trim(text).len) {
        f->head.type = ENG_STR("");
        return text.len;
    }
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return text.len;
    curl_easy_getinfo(f->easy, CURLINFO_RETRY_AFTER, &after);
    f->head.status = (int)status;
    f->head.retry_after_s = after > 0 && after < 1 << 20 ? (unsigned)after : 0;
    f->head_done = true;
    /* What was sent has been read: a long stream need not hold it. */
    curl_off_t sent = 0;
    curl_easy_getinfo(f->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if ((size_t)sent == f->what.body.len && f->body) {
        curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, "");
        eng_free(f->body);
        f->body = NULL;
    }
    return text.len;
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    flow *f = ctx;
    size_t len = size * count, max = f->what.max ? f->what.max : BODY_MAX;
    f->heard = eng_clock_ns();
    f->received += len;
    if (f->received > max)
        f->status = eng_fail(&f->error, ENG_EUPSTREAM, "the answer is larger than %zu bytes", max);
    else
        f->status = f->what.data(f->what.ctx, &f->head, (eng_str){data, len}, &f->error);
    return f->status < 0 ? 0 : len;
}

/* ---- Beginning ------------------------------------------------------------------------------------ */

/* The first failure sticks. */
#define SET(option, ...)                                                                           \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(f->easy, option, __VA_ARGS__);                                 \
    } while (0)

static CURLcode set_request(flow *f)
{
    CURLcode code = CURLE_OK;
    eng_url url;
    SET(CURLOPT_URL, f->url);
    SET(CURLOPT_HTTPHEADER, f->headers);
    if (strcmp(f->method, "GET") != 0) {
        SET(CURLOPT_POSTFIELDS, f->body);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->what.body.len);
    }
    SET(CURLOPT_CUSTOMREQUEST, f->method);
    /* A proxy elsewhere does not reach what is near. */
    if (eng_url_read(eng_str_of(f->url), &url, NULL) == ENG_OK && eng_host_is_near(url.host))
        SET(CURLOPT_PROXY, "");
    return code;
}

static CURLcode set_up(eng_http_flows *all, flow *f)
{
    CURLcode code = CURLE_OK;
    unsigned connect = f->what.connect_timeout_ms;
    f->easy = curl_easy_init();
    if (!f->easy)
        return CURLE_OUT_OF_MEMORY;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)READ_BYTES);
    SET(CURLOPT_USERAGENT, all->user_agent);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(connect ? connect : CONNECT_TIMEOUT_MS));
    SET(CURLOPT_ERRORBUFFER, f->words);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, f);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, f);
    SET(CURLOPT_PRIVATE, f);
    return code ? code : set_request(f);
}

/* ---- Ending --------------------------------------------------------------------------------------- */

static eng_status explain(flow *f, CURLcode code)
{
    const char *words = f->words[0] ? f->words : curl_easy_strerror(code);
    bool lower = words[0] >= 'A' && words[0] <= 'Z' && !(words[1] >= 'A' && words[1] <= 'Z');
    if (code == CURLE_OUT_OF_MEMORY)
        return eng_fail_nomem(&f->error);
    return eng_fail(&f->error, code == CURLE_OPERATION_TIMEDOUT ? ENG_ETIMEOUT : ENG_EUPSTREAM,
                    "cannot reach '%.*s': %c%s", QUOTED_MAX, f->url,
                    lower ? words[0] | 0x20 : words[0], words + 1);
}

/* f is off every list. */
static void end(eng_http_flows *all, flow *f, CURLcode code)
{
    long connects = 0;
    if (f->easy) {
        curl_easy_getinfo(f->easy, CURLINFO_NUM_CONNECTS, &connects);
        curl_off_t took = 0;
        curl_easy_getinfo(f->easy, CURLINFO_PRETRANSFER_TIME_T, &took);
        f->head.connected = f->head.status || took > 0;
        curl_multi_remove_handle(all->multi, f->easy);
    }
    if (f->status == ENG_OK && code != CURLE_OK)
        f->status = explain(f, code);
    f->what.done(f->what.ctx, &f->head, f->status < 0 ? &f->error : NULL);
    flow_free(f);
}

static void unlink_flow(eng_http_flows *all, flow *f)
{
    flow **at = &all->active;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
}

/* ---- The thread ----------------------------------------------------------------------------------- */

static void start(eng_http_flows *all, flow *f)
{
    CURLcode code = set_up(all, f);
    f->heard = eng_clock_ns();
    if (code == CURLE_OK && curl_multi_add_handle(all->multi, f->easy) == CURLM_OK)
        return;
    unlink_flow(all, f);
    end(all, f, code ? code : CURLE_OUT_OF_MEMORY);
}

/* New calls become active; false: all shall end. */
static bool take_fresh(eng_http_flows *all)
{
    pthread_mutex_lock(&all->lock);
    flow *fresh = all->fresh;
    all->fresh = NULL;
    bool go_on = !all->stopping;
    pthread_mutex_unlock(&all->lock);
    for (flow *f = fresh, *next; f; f = next) {
        next = f->next;
        f->next = all->active;
        all->active = f;
    }
    return go_on;
}

/* What ended a call beside libcurl; ENG_OK: it goes on. */
static eng_status judge(flow *f, uint64_t now)
{
    unsigned silence = f->what.silence_ms;
    if (f->what.cancelled && f->what.cancelled(f->what.ctx))
        return eng_fail(&f->error, ENG_ECANCELLED, "cancelled");
    if (!f->easy)
        return ENG_OK;
    if (now >= f->ends)
        return eng_fail(&f->error, ENG_ETIMEOUT, "'%.*s' took too long", QUOTED_MAX, f->url);
    if (now < after_ms(f->heard, silence))
        return ENG_OK;
    return eng_fail(&f->error, ENG_ETIMEOUT, "'%.*s' was silent for %u ms", QUOTED_MAX, f->url,
                    silence);
}

/* Looks at each, and starts what is due; when it has to look again. */
static uint64_t look_at_all(eng_http_flows *all, uint64_t now)
{
    uint64_t next_look = after_ms(now, SLEEP_MS);
    for (flow *f = all->active, *next; f; f = next) {
        next = f->next;
        f->status = judge(f, now);
        if (f->status < 0) {
            unlink_flow(all, f);
            end(all, f, CURLE_OK);
            continue;
        }
        if (!f->easy && now >= f->begins) {
            start(all, f);
            continue;
        }
        uint64_t due = f->easy ? after_ms(f->heard, f->what.silence_ms) : f->begins;
        if (f->easy && f->ends < due)
            due = f->ends;
        if (due < next_look)
            next_look = due;
    }
    return next_look;
}

static void take_ended(eng_http_flows *all)
{
    int queued;
    for (CURLMsg *message; (message = curl_multi_info_read(all->multi, &queued));) {
        flow *f = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&f) != CURLE_OK)
            continue;
        unlink_flow(all, f);
        end(all, f, result);
    }
}

static void end_all(eng_http_flows *all)
{
    while (all->active || (take_fresh(all), all->active)) {
        flow *f = all->active;
        all->active = f->next;
        f->status = eng_fail(&f->error, ENG_ECANCELLED, "the program is stopping");
        end(all, f, CURLE_OK);
    }
}

static void *run(void *arg)
{
    eng_http_flows *all = arg;
    uint64_t next_look = 0, looked = 0;
    int moving;
    for (;;) {
        flow *before = all->active;
        if (!take_fresh(all))
            break;
        uint64_t now = eng_clock_ns();
        bool asked = atomic_exchange(&all->nudged, false) || all->active != before;
        if (now >= next_look || (asked && now >= after_ms(looked, LOOK_MS)) ||
            all->active != before) {
            next_look = look_at_all(all, now);
            looked = now;
        } else if (asked && next_look > after_ms(looked, LOOK_MS)) {
            next_look = after_ms(looked, LOOK_MS);
        }
        curl_multi_perform(all->multi, &moving);
        take_ended(all);
        now = eng_clock_ns();
        uint64_t ms = next_look > now ? (next_look - now) / 1000000 + 1 : 0;
        curl_multi_poll(all->multi, NULL, 0, (int)(ms < SLEEP_MS ? ms : SLEEP_MS), NULL);
    }
    end_all(all);
    return NULL;
}

/* With the lock held. The thread's signals are blocked: they are the main thread's. */
static eng_status ensure_thread(eng_http_flows *f, eng_error *err)
{
    sigset_t all, before;
    pthread_attr_t attr;
    if (f->running)
        return ENG_OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int code = pthread_create(&f->thread, &attr, run, f);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    f->running = code == 0;
    return code ? eng_fail_errno(err, code, "cannot start a thread") : ENG_OK;
}

eng_status eng_http_flow_begin(eng_http_flows *all, const eng_http_flow *what, eng_error *err)
{
    eng_url url;
    eng_status status = eng_url_read(eng_str_of(what->url), &url, err);
    if (status < 0)
        return status;
    flow *f = flow_new(what);
    if (!f)
        return eng_fail_nomem(err);
    if (!f->what.silence_ms)
        f->what.silence_ms = SILENCE_MS;
    uint64_t whole = what->timeout_ms ? what->timeout_ms
                                      : (uint64_t)f->what.silence_ms * WHOLE_TIMES;
    f->begins = after_ms(eng_clock_ns(), what->delay_ms);
    f->ends = after_ms(f->begins, whole);
    f->head.type = ENG_STR("");
    pthread_mutex_lock(&all->lock);
    status = all->stopping ? eng_fail(err, ENG_ECANCELLED, "the program is stopping")
                           : ensure_thread(all, err);
    if (status == ENG_OK) {
        f->next = all->fresh;
        all->fresh = f;
    }
    pthread_mutex_unlock(&all->lock);
    if (status < 0)
        flow_free(f);
    else
        curl_multi_wakeup(all->multi);
    return status;
}

void eng_http_flows_nudge(eng_http_flows *f)
{
    atomic_store(&f->nudged, true);
    curl_multi_wakeup(f->multi);
}
