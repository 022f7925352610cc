/*
 * A request's body, on its way in:
 *
 *     all of it came with the head, not chunked    it is copied, `here`
 *     up to in_memory                              `mem`
 *     beyond                                       `mem` gathers pieces, which workers write to an
 *                                                  unnamed file; at the end the file is mapped
 *
 * While a worker writes, the loop neither reads nor touches `mem` and `fd`: the client waits.
 */
#include "net/http_internal.h"

#include "base/error.h"

#include <unistd.h>

enum { PIECE = 256 * 1024, RECEIVE_MAX = 64 * 1024 };

void eng_exchange_take_body(eng_exchange *x, uint64_t max, size_t in_memory)
{
    x->s.body.taken = true;
    x->s.body.max = max;
    x->s.body.in_memory = in_memory;
}

/* ---- Writing to a file ---------------------------------------------------------------------- */

static eng_status write_piece(eng_exchange *x)
{
    eng_http_body *b = &x->s.body;
    const char *dir = x->loop->server->options.spill_dir;
    eng_status status = ENG_OK;
    if (b->fd < 0)
        status = eng_file_unnamed(dir, &b->fd, NULL);
    if (status == ENG_OK)
        status = eng_fd_write(b->fd, b->mem.data, b->mem.len, "body", NULL);
    return status;
}

static void written(eng_exchange *x, eng_status status)
{
    pthread_mutex_lock(&x->lock);
    x->s.body.written = status;
    x->s.body.writing = false;
    eng_exchange_post(x);
    pthread_mutex_unlock(&x->lock);
}

static void write_task(void *arg)
{
    written(arg, eng_exchange_cancelled(arg) ? ENG_ECANCELLED : write_piece(arg));
}

static void drop_task(void *arg) { written(arg, ENG_EBUSY); }

static eng_body_state spill(eng_exchange *x, int *status, const char **why)
{
    eng_task task = {.run = write_task, .dropped = drop_task, .arg = x};
    eng_pool *pool = x->loop->server->options.pool;
    x->s.body.writing = true;
    if (pool && eng_pool_submit(pool, ENG_POOL_NOW, task, NULL) == ENG_OK)
        return ENG_BODY_WRITING;
    x->s.body.writing = false;
    *status = 503;
    *why = "too much work is waiting";
    return ENG_BODY_REFUSED;
}

eng_body_state eng_http_body_written(eng_exchange *x, int *status, const char **why)
{
    eng_http_body *b = &x->s.body;
    eng_buf_reset(&b->mem);
    if (b->written == ENG_OK)
        return b->whole ? ENG_BODY_WHOLE : ENG_BODY_MORE;
    *status = 503; /* whatever it is, it is not the client's doing */
    *why = b->written == ENG_ENOSPACE ? "no space left for the body" : "the body cannot be kept";
    return ENG_BODY_REFUSED;
}

/* ---- Collecting ----------------------------------------------------------------------------- */

static bool goes_to_file(const eng_http_body *b)
{
    return b->fd >= 0 || (b->chunked ? b->got : b->length) > b->in_memory;
}

static bool is_full(const eng_http_body *b) { return b->mem.len >= PIECE && goes_to_file(b); }

static eng_body_state refuse(int code, const char *text, int *status, const char **why)
{
    *status = code;
    *why = text;
    return ENG_BODY_REFUSED;
}

static eng_body_state keep(eng_http_body *b, eng_str bytes, int *status, const char **why)
{
    if (bytes.len > b->max - b->got)
        return refuse(413, "the body is too large", status, why);
    b->got += bytes.len;
    eng_buf_str(&b->mem, bytes);
    return b->mem.failed ? refuse(503, "out of memory", status, why) : ENG_BODY_MORE;
}

static eng_body_state take_plain(eng_http_body *b, eng_str *bytes, int *status, const char **why)
{
    uint64_t left = b->length - b->got;
    eng_str mine = eng_str_sub(*bytes, 0, left < bytes->len ? (size_t)left : bytes->len);
    *bytes = eng_str_sub(*bytes, mine.len, bytes->len);
    b->whole = mine.len == left;
    return keep(b, mine, status, why);
}

static eng_body_state take_chunked(eng_http_body *b, eng_str *bytes, int *status, const char **why)
{
    eng_str data;
    switch (eng_chunked_next(&b->chunks, bytes, &data)) {
    case ENG_CHUNK_DATA:
        return keep(b, data, status, why);
    case ENG_CHUNK_BAD:
        return refuse(400, "a malformed chunk", status, why);
    case ENG_CHUNK_END:
        b->whole = true;
        return ENG_BODY_MORE;
    default:
        return ENG_BODY_MORE;
    }
}

/* Something was added: is it time to write, or the end? */
static eng_body_state advance(eng_exchange *x, int *status, const char **why)
{
    eng_http_body *b = &x->s.body;
    if (is_full(b) || (b->whole && b->mem.len && goes_to_file(b)))
        return spill(x, status, why);
    return b->whole ? ENG_BODY_WHOLE : ENG_BODY_MORE;
}

void eng_http_body_begin(eng_exchange *x) { eng_buf_init(&x->s.body.mem, SIZE_MAX / 2); }

eng_body_state eng_http_body_take(eng_exchange *x, eng_str *bytes, int *status, const char **why)
{
    eng_http_body *b = &x->s.body;
    eng_body_state state = ENG_BODY_MORE;
    while (state == ENG_BODY_MORE && bytes->len && !b->whole && !is_full(b))
        state = b->chunked ? take_chunked(b, bytes, status, why)
                           : take_plain(b, bytes, status, why);
    return state == ENG_BODY_REFUSED ? state : advance(x, status, why);
}

char *eng_http_body_room(eng_exchange *x, size_t *size)
{
    eng_http_body *b = &x->s.body;
    uint64_t left = b->length - b->got;
    if (b->chunked)
        return NULL;
    *size = left < RECEIVE_MAX ? (size_t)left : RECEIVE_MAX;
    return eng_buf_room(&b->mem, *size);
}

eng_body_state eng_http_body_received(eng_exchange *x, size_t size, int *status, const char **why)
{
    eng_http_body *b = &x->s.body;
    eng_buf_added(&b->mem, size);
    b->got += size;
    b->whole = b->got == b->length;
    return advance(x, status, why);
}

/* ---- What callers have of it ---------------------------------------------------------------- */

eng_status eng_exchange_body(eng_exchange *x, eng_str *out, eng_error *err)
{
    eng_http_body *b = &x->s.body;
    if (b->here.ptr || b->fd < 0) {
        *out = b->here.ptr ? b->here : eng_buf_view(&b->mem);
        return ENG_OK;
    }
    if (!b->map.data) {
        eng_status status = eng_mapping_of_fd(b->fd, &b->map, err);
        if (status < 0)
            return status;
    }
    *out = (eng_str){(const char *)b->map.data, b->map.len};
    return ENG_OK;
}

/* ---- The end of it -------------------------------------------------------------------------- */

typedef struct {
    int fd;
    eng_mapping map;
} leftover;

static void close_task(void *arg)
{
    leftover *l = arg;
    eng_mapping_close(&l->map);
    close(l->fd);
    eng_free(l);
}

/* The pages of a large file take a while to be given back: not on a loop, if that can be. */
static void close_file(eng_exchange *x, leftover what)
{
    eng_pool *pool = x->loop->server->options.pool;
    leftover *l = eng_alloc(sizeof *l);
    if (!l) {
        eng_mapping_close(&what.map);
        close(what.fd);
        return;
    }
    *l = what;
    eng_task task = {.run = close_task, .dropped = close_task, .arg = l};
    if (!pool || eng_pool_submit(pool, ENG_POOL_NOW, task, NULL) < 0)
        close_task(l);
}

void eng_http_body_clear(eng_exchange *x)
{
    eng_http_body *b = &x->s.body;
    eng_buf_clear(&b->mem);
    if (b->fd >= 0)
        close_file(x, (leftover){b->fd, b->map});
    b->fd = -1;
    b->map = (eng_mapping){0};
}
