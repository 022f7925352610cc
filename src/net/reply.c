/* A reply's head, and compression. */
#include "net/http_internal.h"

#include "base/clock.h"

#include <limits.h>
#include <zlib.h>

enum { GZIP_LEAST = 1024, GZIP_LEVEL = 4, GZIP_WINDOW = 15 + 16, GZIP_MEMORY = 8, GZIP_EXTRA = 32 };

const char *eng_http_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].phrase;
    return "Error";
}

/* ---- Date ----------------------------------------------------------------------------------- */

void eng_http_date(int64_t wall_ms, char out[ENG_HTTP_DATE_SIZE + 1])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char at[ENG_TIME_SIZE]; /* 2026-11-25T02:30:00.000Z */
    wall_ms = wall_ms < 0 ? 0 : wall_ms;
    eng_time_format(wall_ms, at);
    int64_t weekday = wall_ms / 86400000 % 7;
    int month = (at[5] - '0') * 10 + at[6] - '1';
    snprintf(out, ENG_HTTP_DATE_SIZE + 1, "Date: %.3s, %.2s %.3s %.4s %.8s GMT\r\n",
             days + 3 * weekday, at + 8, months + 3 * month, at, at + 11);
}

/* ---- Compression ---------------------------------------------------------------------------- */

static void *zlib_alloc(void *ctx, unsigned count, unsigned size)
{
    (void)ctx;
    return eng_alloc_array(count, size);
}

static void zlib_free(void *ctx, void *p)
{
    (void)ctx;
    eng_free(p);
}

bool eng_http_wants_packing(const eng_exchange *x)
{
    return !x->s.packed && x->s.compressible && x->s.gzip_accepted && !x->s.has_encoding &&
           x->out.len >= GZIP_LEAST && x->out.len <= INT_MAX;
}

/* Into a buffer of the same size less one: what does not get smaller stays as it is. */
static bool deflate_into(eng_buf *to, eng_str from)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return false;
    size_t room = deflateBound(&z, from.len);
    room = room < from.len ? room : from.len - 1;
    z.next_in = (unsigned char *)(uintptr_t)from.ptr;
    z.avail_in = (unsigned)from.len;
    z.next_out = (unsigned char *)eng_buf_room(to, room);
    z.avail_out = (unsigned)room;
    int end = z.next_out ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
    deflateEnd(&z);
    if (end != Z_STREAM_END)
        return false;
    eng_buf_added(to, room - z.avail_out);
    return true;
}

void eng_http_pack(eng_exchange *x)
{
    eng_buf packed;
    x->s.packed = true;
    eng_buf_init(&packed, x->out.max);
    if (!deflate_into(&packed, eng_buf_view(&x->out))) {
        eng_buf_clear(&packed);
        return;
    }
    eng_buf_clear(&x->out);
    x->out = packed;
    x->s.gzipped = true;
}

/* ---- The head ------------------------------------------------------------------------------- */

static bool has_no_body(int status) { return status == 204 || status == 304 || status < 200; }

static eng_str body_of(const eng_exchange *x)
{
    return x->s.body_out.ptr ? x->s.body_out : eng_buf_view(&x->out);
}

static char *put(char *to, const char *from, size_t len)
{
    memcpy(to, from, len);
    return to + len;
}
#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_str(char *to, eng_str s) { return put(to, s.ptr, s.len); }

static char *put_u64(char *to, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return put(to, digits + at, sizeof digits - at);
}

static char *put_status(char *to, int status)
{
    if (status == 200)
        return PUT(to, "HTTP/1.1 200 OK\r\n");
    to = PUT(to, "HTTP/1.1 ");
    to = put_u64(to, (uint64_t)status);
    to = PUT(to, " ");
    to = put_str(to, eng_str_of(eng_http_phrase(status)));
    return PUT(to, "\r\n");
}

/* How the end of the body is told. */
static char *put_framing(char *to, const eng_exchange *x, uint64_t length)
{
    if (has_no_body(x->s.status))
        return to;
    if (!x->s.streaming) {
        to = PUT(to, "Content-Length: ");
        to = put_u64(to, length);
        return PUT(to, "\r\n");
    }
    return x->s.req.http10 ? to : PUT(to, "Transfer-Encoding: chunked\r\n");
}

static char *put_coding(char *to, const eng_exchange *x)
{
    if (x->s.gzipped)
        to = PUT(to, "Content-Encoding: gzip\r\n");
    bool could_be = x->s.compressible && !x->s.has_encoding && !x->s.streaming &&
                    !x->s.body_out.ptr && (x->s.gzipped || x->out.len >= GZIP_LEAST);
    return could_be ? PUT(to, "Vary: Accept-Encoding\r\n") : to;
}

static char *put_connection(char *to, const eng_exchange *x)
{
    if (x->s.close)
        return PUT(to, "Connection: close\r\n");
    return x->s.req.http10 ? PUT(to, "Connection: keep-alive\r\n") : to;
}

bool eng_http_compose(eng_exchange *x)
{
    enum { OURS_MAX = 400 }; /* all lines of the server's own together */
    eng_str body = body_of(x);
    bool sends_body = !x->s.head_only && !has_no_body(x->s.status) && !x->s.streaming;
    size_t copied = sends_body && body.len <= ENG_HTTP_COPIED ? body.len : 0;
    char *from = x->lines.failed ? NULL : eng_buf_room(&x->wire, OURS_MAX + x->lines.len + copied);
    if (!from)
        return false;
    char *to = put_status(from, x->s.status);
    to = put(to, eng_http_loop_date(x->loop), ENG_HTTP_DATE_SIZE);
    to = put_framing(to, x, body.len);
    to = put_coding(to, x);
    to = put_connection(to, x);
    to = PUT(to, "X-Request-Id: ");
    to = put_str(to, x->s.req.id);
    to = PUT(to, "\r\n");
    to = put_str(to, eng_buf_view(&x->lines));
    to = PUT(to, "\r\n");
    to = put(to, body.ptr, copied);
    eng_buf_added(&x->wire, (size_t)(to - from));
    return true;
}

eng_str eng_http_tail(const eng_exchange *x)
{
    eng_str body = body_of(x);
    if (x->s.head_only || has_no_body(x->s.status) || x->s.streaming || body.len <= ENG_HTTP_COPIED)
        return (eng_str){"", 0};
    return body;
}
