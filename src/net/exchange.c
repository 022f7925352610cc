/*
 * An exchange: a request and the reply to it.
 *
 * A loop makes it when a head is in, and takes it back when the reply has left. In between it is
 * somebody's: of the loop's callbacks, or of the thread that they gave it to. What comes back does so
 * through eng_exchange_post, which puts it on the loop's list and wakes the loop. The loop looks at it
 * under its lock, so that whoever posted is done with it when the loop frees it.
 */
#include "net/http_internal.h"

#include "base/error.h"

enum {
    OUT_MAX = 1 << 30,
    LINES_MAX = 64 * 1024,
    ARENA_CHUNK = 4096,
    KEPT_MAX = 16 * 1024, /* larger buffers are given back after each request */
    SPARE_MAX = 64,
    ID_LEN = 16,
};

/* ---- Life ----------------------------------------------------------------------------------- */

static eng_exchange *make(eng_http_loop *l)
{
    size_t headers = l->server->limits.header_count_max * sizeof(eng_header);
    eng_exchange *x = eng_zalloc(sizeof *x + headers);
    if (!x)
        return NULL;
    x->loop = l;
    eng_arena_init(&x->arena, ARENA_CHUNK, NULL);
    eng_buf_init(&x->out, OUT_MAX);
    eng_buf_init(&x->lines, LINES_MAX);
    eng_buf_init(&x->wire, SIZE_MAX / 2);
    eng_buf_init(&x->stream, SIZE_MAX / 2);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->room, NULL);
    return x;
}

eng_exchange *eng_exchange_new(eng_http_loop *l)
{
    eng_exchange *x = l->spare_x;
    if (x) {
        l->spare_x = x->next;
        l->spare_x_count--;
    } else {
        x = make(l);
    }
    if (!x)
        return NULL;
    memset(&x->s, 0, sizeof x->s);
    x->s.body.fd = -1;
    x->sent = 0;
    atomic_store_explicit(&x->cancelled, false, memory_order_relaxed);
    l->exchanges++;
    return x;
}

void eng_exchange_free(eng_exchange *x)
{
    eng_arena_clear(&x->arena);
    eng_buf_clear(&x->out);
    eng_buf_clear(&x->lines);
    eng_buf_clear(&x->wire);
    eng_buf_clear(&x->stream);
    pthread_cond_destroy(&x->room);
    pthread_mutex_destroy(&x->lock);
    eng_free(x);
}

static void empty(eng_buf *b)
{
    if (b->cap > KEPT_MAX)
        eng_buf_clear(b);
    else if (b->len || b->failed)
        eng_buf_reset(b);
}

void eng_exchange_finish(eng_exchange *x)
{
    eng_http_loop *l = x->loop;
    l->server->options.on.done(l->server->options.on.ctx, x);
    eng_http_body_clear(x);
    if (x->s.block)
        eng_http_block_give(l, x->s.block);
    eng_arena_reset(&x->arena);
    empty(&x->out);
    empty(&x->lines);
    empty(&x->wire);
    empty(&x->stream);
    x->conn = NULL;
    l->exchanges--;
    if (l->spare_x_count == SPARE_MAX) {
        eng_exchange_free(x);
        return;
    }
    x->next = l->spare_x;
    l->spare_x = x;
    l->spare_x_count++;
}

/* ---- The request ---------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void put_digits(char *to, uint64_t value, size_t count)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    for (size_t i = 0; i < count; i++, value >>= 5)
        to[i] = digits[value & 31];
}

/* Counted, then mixed, which no two numbers survive as one; the seeds are random. */
static eng_str make_id(eng_exchange *x)
{
    eng_http_loop *l = x->loop;
    uint64_t n = l->id_count++;
    put_digits(x->id, mixed(l->id_seed[0] + n), 12);
    put_digits(x->id + 12, mixed(l->id_seed[1] + n), ID_LEN - 12);
    return (eng_str){x->id, ID_LEN};
}

static eng_str copy_id(eng_exchange *x, eng_str id)
{
    memcpy(x->id, id.ptr, id.len);
    return (eng_str){x->id, id.len};
}

void eng_exchange_begin(eng_exchange *x, eng_http_conn *c, const eng_http_head *head,
                        const eng_header *headers)
{
    memcpy(x->peer, c->peer, c->peer_len);
    if (head->header_count)
        memcpy(x->headers, headers, head->header_count * sizeof *headers);
    x->conn = c;
    x->s.req = (eng_http_request){
        .method = head->method,
        .target = head->target,
        .path = head->path,
        .query = head->query,
        .host = head->host,
        .headers = x->headers,
        .header_count = head->header_count,
        .id = head->id.ptr ? copy_id(x, head->id) : make_id(x),
        .peer = {x->peer, c->peer_len},
        .local = c->local,
        .http10 = head->http10,
        .has_body = head->chunked || head->length > 0,
        .started_ns = c->wait == ENG_WAIT_HEAD ? c->since_ns : x->loop->now_ns,
    };
    x->s.body.chunked = head->chunked;
    x->s.body.length = head->length;
    x->s.gzip_accepted = head->gzip;
    x->s.head_only = eng_str_eq(head->method, ENG_STR("HEAD"));
    x->s.expects = head->expects;
    x->s.close = !head->keep_alive;
}

const eng_http_request *eng_exchange_request(const eng_exchange *x) { return &x->s.req; }

eng_str eng_exchange_header(const eng_exchange *x, eng_str name)
{
    for (size_t i = 0; i < x->s.req.header_count; i++)
        if (x->headers[i].name.len == name.len && eng_str_eq_nocase(x->headers[i].name, name))
            return x->headers[i].value;
    return (eng_str){NULL, 0};
}

eng_arena *eng_exchange_arena(eng_exchange *x) { return &x->arena; }

unsigned eng_exchange_loop(const eng_exchange *x) { return x->loop->index; }

void eng_exchange_set_user(eng_exchange *x, void *user) { x->s.user = user; }

void *eng_exchange_user(const eng_exchange *x) { return x->s.user; }

/* ---- Cancelling ----------------------------------------------------------------------------- */

bool eng_exchange_cancelled(const eng_exchange *x)
{
    return atomic_load_explicit(&x->cancelled, memory_order_acquire);
}

void eng_exchange_on_cancel(eng_exchange *x, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&x->lock);
    bool now = eng_exchange_cancelled(x);
    if (!now) {
        x->s.on_cancel = fn;
        x->s.cancel_arg = arg;
    }
    pthread_mutex_unlock(&x->lock);
    if (now)
        fn(arg);
}

void eng_exchange_cancel(eng_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    atomic_store_explicit(&x->cancelled, true, memory_order_release);
    void (*fn)(void *arg) = x->s.ended ? NULL : x->s.on_cancel;
    void *arg = x->s.cancel_arg;
    x->s.on_cancel = NULL;
    pthread_cond_broadcast(&x->room);
    pthread_mutex_unlock(&x->lock);
    if (fn)
        fn(arg);
}

void eng_exchange_drop(eng_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool held = x->s.posted || x->s.body.writing || (x->s.given && !x->s.ended);
    pthread_mutex_unlock(&x->lock);
    if (held)
        return;
    x->s.status = 0;
    eng_exchange_finish(x);
}

void eng_exchange_post(eng_exchange *x)
{
    eng_http_loop *l = x->loop;
    if (x->s.posted)
        return;
    x->s.posted = true;
    eng_exchange *first = atomic_load_explicit(&l->posted, memory_order_relaxed);
    do
        x->next = first;
    while (!atomic_compare_exchange_weak_explicit(&l->posted, &first, x, memory_order_release,
                                                  memory_order_relaxed));
    /* A loop looks at its list before it sleeps. */
    if (!first && !eng_http_loop_is_here(l))
        eng_http_loop_wake(l);
}

/* ---- The reply ------------------------------------------------------------------------------ */

eng_buf *eng_exchange_out(eng_exchange *x) { return &x->out; }

static bool is_compressible(eng_str type)
{
    static const char *const kinds[] = {
        "text/",           "application/json", "application/javascript", "application/x-ndjson",
        "application/xml", "image/svg+xml"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (eng_str_starts(type, eng_str_of(kinds[i])))
            return true;
    return false;
}

/* A value with a line end in it would be two headers. */
static void put_value(eng_buf *b, eng_str value)
{
    char *to = eng_buf_room(b, value.len);
    if (!to)
        return;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        to[i] = c < ' ' || c == 0x7f ? ' ' : value.ptr[i];
    }
    eng_buf_added(b, value.len);
}

void eng_exchange_add_header(eng_exchange *x, eng_str name, eng_str value)
{
    if (eng_str_eq_nocase(name, ENG_STR("Content-Type")))
        x->s.compressible = is_compressible(value);
    else if (eng_str_eq_nocase(name, ENG_STR("Content-Encoding")))
        x->s.has_encoding = true;
    eng_buf_str(&x->lines, name);
    eng_buf_str(&x->lines, ENG_STR(": "));
    put_value(&x->lines, value);
    eng_buf_str(&x->lines, ENG_STR("\r\n"));
}

void eng_exchange_fixed_headers(eng_exchange *x, eng_str lines) { eng_buf_str(&x->lines, lines); }

static void reply(eng_exchange *x, int status)
{
    x->s.status = status;
    if (eng_http_loop_is_here(x->loop) && x->s.dispatching) {
        x->s.answered = true;
        return;
    }
    /* Here, where nobody waits; on a loop it is the pool's. */
    if (eng_http_wants_packing(x) && !eng_http_loop_is_here(x->loop))
        eng_http_pack(x);
    pthread_mutex_lock(&x->lock);
    x->s.reply = ENG_REPLY_WHOLE;
    x->s.ended = true;
    eng_exchange_post(x);
    pthread_mutex_unlock(&x->lock);
}

void eng_exchange_send(eng_exchange *x, int status) { reply(x, status); }

void eng_exchange_send_static(eng_exchange *x, int status, eng_str body, eng_str gzipped)
{
    bool packed = gzipped.len && (x->s.gzip_accepted || body.len == 0);
    if (packed)
        eng_exchange_add_header(x, ENG_STR("Content-Encoding"), ENG_STR("gzip"));
    if (gzipped.len)
        eng_exchange_add_header(x, ENG_STR("Vary"), ENG_STR("Accept-Encoding"));
    x->s.packed = true;
    x->s.body_out = packed ? gzipped : body;
    if (!x->s.body_out.ptr)
        x->s.body_out = ENG_STR("");
    reply(x, status);
}

int eng_exchange_status(const eng_exchange *x) { return x->s.status; }

uint64_t eng_exchange_bytes_out(const eng_exchange *x) { return x->s.bytes_out; }
