/*
 * Replies that are written bit by bit. A writer, on any thread, appends to x->stream under the lock
 * and posts the exchange; the loop takes all that is there in exchange for the wire that it has sent.
 * So pieces that are written faster than the network takes them leave together.
 */
#include "net/http_internal.h"

#include "base/error.h"

/* A stream that says nothing for long holds no more than a small piece takes. */
enum { KEPT_MAX = 2048 };

static void empty(eng_buf *b)
{
    if (b->cap > KEPT_MAX)
        eng_buf_clear(b);
    else
        eng_buf_reset(b);
}

static eng_status gone(eng_error *err)
{
    return eng_fail(err, ENG_ECANCELLED, "the client has gone");
}

/* Under the lock: waits until there is room. */
static eng_status wait_for_room(eng_exchange *x, size_t len, bool wait, eng_error *err)
{
    size_t max = x->loop->server->options.stream_max;
    for (;;) {
        if (eng_exchange_cancelled(x))
            return gone(err);
        size_t waiting = x->stream.len + x->s.unsent;
        if (waiting == 0 || (waiting < max && len <= max - waiting))
            return ENG_OK;
        if (!wait)
            return eng_fail(err, ENG_EBUSY, "the client reads too slowly");
        pthread_cond_wait(&x->room, &x->lock);
    }
}

static bool is_chunked(const eng_exchange *x) { return !x->s.req.http10; }

static void open_chunk(const eng_exchange *x, eng_buf *to, size_t len)
{
    if (is_chunked(x))
        eng_buf_format(to, "%zx\r\n", len);
}

static void close_chunk(const eng_exchange *x, eng_buf *to)
{
    if (is_chunked(x))
        eng_buf_str(to, ENG_STR("\r\n"));
}

/* What was appended from `before` on is sent, or, where there was no memory for all of it, not. */
static eng_status commit(eng_exchange *x, size_t before, eng_error *err)
{
    if (x->stream.failed) {
        x->stream.failed = ENG_OK;
        x->stream.len = before;
        return eng_fail_nomem(err);
    }
    eng_exchange_post(x);
    return ENG_OK;
}

/* ---- Writers -------------------------------------------------------------------------------- */

static void begin(eng_exchange *x, int status, bool events)
{
    pthread_mutex_lock(&x->lock);
    x->s.status = status;
    x->s.reply = ENG_REPLY_STREAM;
    x->s.events = events;
    eng_exchange_post(x);
    pthread_mutex_unlock(&x->lock);
}

void eng_exchange_stream(eng_exchange *x, int status) { begin(x, status, false); }

void eng_exchange_events(eng_exchange *x)
{
    eng_exchange_add_header(x, ENG_STR("Content-Type"), ENG_STR("text/event-stream"));
    begin(x, 200, true);
}

eng_status eng_exchange_write(eng_exchange *x, eng_str bytes, bool wait, eng_error *err)
{
    pthread_mutex_lock(&x->lock);
    eng_status status = wait_for_room(x, bytes.len, wait, err);
    /* A chunk of no bytes would be the last one. */
    if (status == ENG_OK && bytes.len && !x->s.head_only) {
        size_t before = x->stream.len;
        open_chunk(x, &x->stream, bytes.len);
        eng_buf_str(&x->stream, bytes);
        close_chunk(x, &x->stream);
        status = commit(x, before, err);
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}

/* The next line of an event's data, ended by any of the three line ends that the format knows. */
static bool next_line(eng_str *rest, eng_str *line)
{
    if (!rest->ptr)
        return false;
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != '\n' && rest->ptr[len] != '\r')
        len++;
    *line = eng_str_sub(*rest, 0, len);
    if (len == rest->len) {
        *rest = (eng_str){NULL, 0};
        return true;
    }
    size_t end = rest->ptr[len] == '\r' && len + 1 < rest->len && rest->ptr[len + 1] == '\n' ? 2
                                                                                             : 1;
    *rest = eng_str_sub(*rest, len + end, rest->len);
    return true;
}

static void put_event(eng_buf *to, eng_str name, eng_str data)
{
    eng_str line;
    if (name.len) {
        eng_buf_str(to, ENG_STR("event: "));
        eng_buf_str(to, name);
        eng_buf_byte(to, '\n');
    }
    while (next_line(&data, &line)) {
        eng_buf_str(to, ENG_STR("data: "));
        eng_buf_str(to, line);
        eng_buf_byte(to, '\n');
    }
    eng_buf_byte(to, '\n');
}

eng_status eng_exchange_event(eng_exchange *x, eng_str name, eng_str data, bool wait,
                              eng_error *err)
{
    eng_buf event;
    eng_buf_init(&event, SIZE_MAX / 2);
    put_event(&event, name, data);
    eng_status status = eng_buf_check(&event, "event", err);
    if (status == ENG_OK)
        status = eng_exchange_write(x, eng_buf_view(&event), wait, err);
    eng_buf_clear(&event);
    return status;
}

void eng_exchange_end(eng_exchange *x, bool abrupt)
{
    pthread_mutex_lock(&x->lock);
    x->s.ended = true;
    x->s.abrupt = abrupt;
    x->s.on_cancel = NULL;
    eng_exchange_post(x);
    pthread_mutex_unlock(&x->lock);
}

/* ---- The loop ------------------------------------------------------------------------------- */

bool eng_http_stream_refill(eng_exchange *x, bool *over)
{
    empty(&x->wire);
    x->sent = 0;
    pthread_mutex_lock(&x->lock);
    eng_buf taken = x->stream;
    x->stream = x->wire;
    x->wire = taken;
    *over = x->s.ended && !x->s.posted; /* still on the loop's list: it comes again */
    x->s.unsent = x->wire.len;
    pthread_mutex_unlock(&x->lock);
    return x->wire.len > 0;
}

void eng_http_stream_sent(eng_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->s.unsent = x->wire.len - x->sent;
    pthread_cond_broadcast(&x->room);
    pthread_mutex_unlock(&x->lock);
}

/* A comment, which clients skip: it keeps what lies between awake, and finds out who has gone. */
void eng_http_stream_beat(eng_exchange *x)
{
    static const eng_str comment = {":\n\n", 3};
    pthread_mutex_lock(&x->lock);
    if (x->s.events && !x->s.ended && !x->s.head_only && x->stream.len + x->s.unsent == 0) {
        open_chunk(x, &x->stream, comment.len);
        eng_buf_str(&x->stream, comment);
        close_chunk(x, &x->stream);
        (void)!commit(x, 0, NULL);
    }
    pthread_mutex_unlock(&x->lock);
}
