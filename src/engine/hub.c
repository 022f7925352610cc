/*
 * Models from the Hugging Face hub, or from what speaks like it.
 *
 *     GET /api/models/ID/revision/REV?blobs=true     names, sizes and checksums of all files, the commit
 *     HEAD /ID/resolve/COMMIT/PATH                   size and checksum, where the list lacks them
 *     GET /ID/resolve/COMMIT/PATH                    the file, from a byte on with Range
 *
 * What the catalogue pins needs no list: its files are fetched by their names, and compared with the pins.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/model_internal.h"
#include "net/net.h"

#include <time.h>

enum {
    LIST_MAX = 16 << 20,
    CONNECT_MS = 2000,
    LIST_MS = 30000,
    SILENCE_MS = 30000,
    FILE_MS = 24 * 3600 * 1000,
    REDIRECTS = 5,
    TRIES = 4, /* in a row that bring nothing */
    PAUSE_MS = 250
};

/* Of a file whose size nobody told. */
#define FILE_MAX ((uint64_t)64 << 30)

typedef struct {
    eng_http_client *client;
    const char *headers[4]; /* room for one more, and a NULL */
    size_t header_count;
    char range[48];
    bool answered; /* it is there: what fails now may be over in a moment */
} hub;

/* ---- Calls ---- */

/* PATH's slashes stay. */
static void put_path(eng_buf *url, eng_str path)
{
    eng_str part, rest = path;
    bool more = true;
    while (more) {
        more = eng_str_cut(rest, '/', &part, &rest);
        eng_url_encode(url, part);
        eng_buf_str(url, more ? ENG_STR("/") : ENG_STR(""));
    }
}

static eng_status file_url(const eng_puller *p, const eng_pull_file *file, eng_buf *url,
                           eng_error *err)
{
    eng_buf_str(url, eng_str_of(p->hub->endpoint));
    eng_buf_byte(url, '/');
    put_path(url, p->id);
    eng_buf_str(url, ENG_STR("/resolve/"));
    put_path(url, p->revision);
    eng_buf_byte(url, '/');
    put_path(url, file->path);
    return eng_buf_check(url, "address", err);
}

static bool is_cancelled(void *ctx)
{
    const eng_puller *p = ctx;
    return p->progress && !p->progress(p->ctx, p->done, p->total);
}

static eng_http_call call_of(eng_puller *p, const char *url)
{
    hub *h = p->at;
    return (eng_http_call){
        .url = url,
        .headers = h->headers,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = LIST_MS,
        .silence_ms = SILENCE_MS,
        .redirects = REDIRECTS,
        .trusted = true,
        .max = LIST_MAX,
        .cancelled = is_cancelled,
        .ctx = p,
    };
}

static eng_status judge(const eng_puller *p, int status, const char *what, eng_error *err)
{
    const char *place = p->hub->endpoint;
    switch (status) {
    case 200:
    case 206:
        return ENG_OK;
    case 401:
    case 403:
        return eng_fail(err, ENG_EFORBIDDEN,
                        "%s does not give %s without a token that may have it"
                        " (HF_TOKEN)",
                        place, what);
    case 404:
        return eng_fail(err, ENG_ENOTFOUND, "%s has no %s", place, what);
    default:
        return eng_fail(err, ENG_EUPSTREAM, "%s answered %d to %s", place, status, what);
    }
}

/* ---- What there is ---- */

/* A checksum in hexadecimal digits: 64 are SHA-256, 40 are git's. */
static bool take_sum(eng_str hex, eng_sum *out)
{
    size_t len = 0;
    out->kind = hex.len == 2 * ENG_SHA256_SIZE ? ENG_SUM_SHA256
                : hex.len == 2 * ENG_SHA1_SIZE ? ENG_SUM_GIT
                                               : ENG_SUM_NONE;
    if (out->kind != ENG_SUM_NONE &&
        (sodium_hex2bin(out->sum, sizeof out->sum, hex.ptr, hex.len, NULL, &len, NULL) != 0 ||
         2 * len != hex.len))
        out->kind = ENG_SUM_NONE;
    return out->kind != ENG_SUM_NONE;
}

static void take_size(const eng_json *v, eng_sum *out)
{
    if (!eng_json_is(v, ENG_JSON_INT) || v->as.integer < 0)
        return;
    out->size = (uint64_t)v->as.integer;
    out->sized = true;
}

static eng_status offer_sibling(eng_puller *p, const eng_json *file, eng_error *err)
{
    eng_sum want = {.kind = ENG_SUM_NONE};
    const eng_json *lfs = eng_json_get(file, ENG_STR("lfs"));
    take_size(eng_json_get(file, ENG_STR("size")), &want);
    take_size(eng_json_get(lfs, ENG_STR("size")), &want);
    if (!take_sum(eng_json_text(eng_json_get(lfs, ENG_STR("sha256"))), &want) && !lfs)
        take_sum(eng_json_text(eng_json_get(file, ENG_STR("blobId"))), &want);
    return eng_pull_offer(p, eng_json_text(eng_json_get(file, ENG_STR("rfilename"))), &want, 0,
                          err);
}

static eng_status take_list(eng_puller *p, eng_str text, eng_error *err)
{
    const eng_json *v = NULL;
    eng_status status = eng_json_read(text, NULL, p->arena, &v, err);
    if (status < 0)
        return eng_fail(err, ENG_EUPSTREAM, "%s answered with something that is no list of files",
                        p->hub->endpoint);
    eng_str commit = eng_json_text(eng_json_get(v, ENG_STR("sha")));
    const eng_json *files = eng_json_get(v, ENG_STR("siblings"));
    eng_sum sum;
    if (take_sum(commit, &sum) && sum.kind == ENG_SUM_GIT)
        p->revision = commit;
    for (size_t i = 0; i < eng_json_count(files) && status == ENG_OK; i++)
        status = offer_sibling(p, eng_json_at(files, i), err);
    return status;
}

static eng_status ask_list(eng_puller *p, eng_error *err)
{
    eng_buf url;
    eng_http_answer answer = {0};
    eng_buf_init(&url, 4096);
    eng_buf_format(&url, "%s/api/models/", p->hub->endpoint);
    put_path(&url, p->id);
    eng_buf_str(&url, ENG_STR("/revision/"));
    eng_url_encode(&url, p->revision);
    eng_buf_str(&url, ENG_STR("?blobs=true"));
    eng_status status = eng_buf_check(&url, "address", err);
    if (status == ENG_OK) {
        eng_http_call call = call_of(p, url.data);
        status = eng_http_fetch(((hub *)p->at)->client, &call, &answer, err);
    }
    if (status == ENG_OK) {
        ((hub *)p->at)->answered = true;
        status = judge(p, answer.status, "such model", err);
        if (status == ENG_OK)
            status = take_list(p, eng_buf_view(&answer.body), err);
        eng_http_answer_clear(&answer);
    }
    eng_buf_clear(&url);
    return status;
}

static eng_str unquote(eng_str tag)
{
    if (eng_str_starts(tag, ENG_STR("W/")))
        tag = eng_str_sub(tag, 2, tag.len);
    if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
        tag = eng_str_sub(tag, 1, tag.len - 2);
    return tag;
}

/* The hub's own reply, before it sends us elsewhere, knows the file. */
static void take_head(const eng_http_answer *answer, eng_sum *out)
{
    uint64_t size;
    eng_str linked = eng_http_answer_header(answer, ENG_STR("X-Linked-ETag"));
    eng_str length = eng_http_answer_header(answer, ENG_STR("X-Linked-Size"));
    if (!take_sum(unquote(linked), out))
        take_sum(unquote(eng_http_answer_header(answer, ENG_STR("ETag"))), out);
    if (length.len == 0 && answer->status == 200)
        length = eng_http_answer_header(answer, ENG_STR("Content-Length"));
    if (eng_str_u64(length, &size)) {
        out->size = size;
        out->sized = true;
    }
}

static eng_status ask_head(eng_puller *p, eng_pull_file *file, eng_error *err)
{
    eng_buf url;
    eng_http_answer answer = {0};
    eng_buf_init(&url, 8192);
    eng_status status = file_url(p, file, &url, err);
    if (status == ENG_OK) {
        eng_http_call call = call_of(p, url.data);
        call.method = "HEAD";
        call.redirects = 0;
        call.retries = 2;
        status = eng_http_fetch(((hub *)p->at)->client, &call, &answer, err);
    }
    if (status == ENG_OK) {
        bool elsewhere = answer.status >= 300 && answer.status < 400;
        status = elsewhere ? ENG_OK : judge(p, answer.status, file->path.ptr, err);
        if (status == ENG_OK)
            take_head(&answer, &file->want);
        eng_http_answer_clear(&answer);
    }
    if (status == ENG_OK && (file->want.kind == ENG_SUM_NONE || !file->want.sized))
        status = eng_fail(err, ENG_EUPSTREAM, "%s tells no checksum of %s", p->hub->endpoint,
                          file->path.ptr);
    eng_buf_clear(&url);
    return status;
}

static eng_status offer_pins(eng_puller *p, eng_error *err)
{
    static const eng_sum none = {.kind = ENG_SUM_NONE};
    eng_status status = ENG_OK;
    for (size_t i = 0; i < p->known->pin_count && status == ENG_OK; i++)
        status = eng_pull_offer(p, eng_str_of(p->known->pins[i].path), &none, 0, err);
    return status;
}

static eng_status hub_open(eng_puller *p, eng_error *err)
{
    eng_http_client_options options = {.user_agent = "engenho/" ENG_VERSION};
    hub *h = eng_arena_zalloc(p->arena, sizeof *h);
    if (!h)
        return eng_fail_nomem(err);
    p->at = h;
    /* Ranges are of what is stored, not of what is packed for the way. */
    h->headers[h->header_count++] = "Accept-Encoding: identity";
    if (p->hub->token) {
        h->headers[h->header_count] =
            eng_arena_format(p->arena, "Authorization: Bearer %s", p->hub->token).ptr;
        if (!h->headers[h->header_count++])
            return eng_fail_nomem(err);
    }
    return eng_http_client_new(&options, &h->client, err);
}

static eng_status hub_list(eng_puller *p, eng_error *err)
{
    if (p->hub->offline)
        return eng_fail(err, ENG_EUPSTREAM, "the hub is not asked (HF_HUB_OFFLINE)");
    if (p->revision.len == 0)
        p->revision = p->known && p->known->revision ? eng_str_of(p->known->revision)
                                                     : ENG_STR("main");
    eng_status status = hub_open(p, err);
    if (status < 0)
        return status;
    bool pinned = p->known && p->known->pin_count && p->known->revision &&
                  eng_str_eq(p->revision, eng_str_of(p->known->revision));
    if (pinned)
        return offer_pins(p, err);
    status = ask_list(p, err);
    for (size_t i = 0; i < p->count && status == ENG_OK; i++)
        if (p->files[i].want.kind == ENG_SUM_NONE || !p->files[i].want.sized)
            status = ask_head(p, &p->files[i], err);
    return status;
}

/* ---- A file ---- */

typedef struct {
    eng_puller *p;
    eng_incoming *in;
} transfer;

static eng_status take(void *ctx, eng_str bytes, eng_error *err)
{
    transfer *t = ctx;
    eng_status status = eng_incoming_add(t->in, bytes, err);
    return status < 0 ? status : eng_pull_report(t->p, bytes.len, err);
}

static bool stop_transfer(void *ctx) { return is_cancelled(((transfer *)ctx)->p); }

static eng_status begin_again(eng_puller *p, eng_incoming *in, eng_error *err)
{
    p->done -= in->have < p->done ? in->have : p->done;
    return eng_incoming_cut(in, 0, err);
}

/*
 * One try, from in->have on. A server that knows no ranges answers 200 with the whole: the next try then
 * takes it from its start.
 */
static eng_status fetch_some(eng_puller *p, eng_pull_file *file, const char *url, eng_incoming *in,
                             bool *whole, eng_error *err)
{
    hub *h = p->at;
    transfer t = {p, in};
    uint64_t from = in->have;
    eng_http_answer answer = {0};
    eng_http_call call = call_of(p, url);
    call.timeout_ms = FILE_MS;
    call.max = (size_t)(file->want.sized ? file->want.size + (1 << 20) : FILE_MAX);
    call.data = take;
    call.cancelled = stop_transfer;
    call.ctx = &t;
    h->headers[h->header_count] = NULL;
    if (from) {
        snprintf(h->range, sizeof h->range, "Range: bytes=%llu-", (unsigned long long)from);
        h->headers[h->header_count] = h->range;
    }
    eng_status status = eng_http_fetch(h->client, &call, &answer, err);
    h->headers[h->header_count] = NULL;
    if (from && status == ENG_ECORRUPT) /* more than the rest: the whole, it seems */
        return begin_again(p, in, err);
    if (status < 0)
        return status;
    int got = answer.status;
    eng_http_answer_clear(&answer);
    h->answered = true;
    if (got == (from ? 206 : 200)) {
        *whole = !file->want.sized || in->have == file->want.size;
        return *whole ? ENG_OK
                      : eng_fail(err, ENG_EUPSTREAM, "%s ended %s early", p->hub->endpoint,
                                 file->path.ptr);
    }
    if (from && (got == 200 || got == 416))
        return begin_again(p, in, err);
    return judge(p, got, file->path.ptr, err);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* The way failed: what came is kept, and it goes on from there. */
static bool is_passing(eng_status status)
{
    return status == ENG_EUPSTREAM || status == ENG_ETIMEOUT;
}

static eng_status fetch_url(eng_puller *p, eng_pull_file *file, const char *url, eng_incoming *in,
                            eng_error *err)
{
    bool whole = file->want.sized && in->have == file->want.size;
    long pause = p->hub->pause_ms ? p->hub->pause_ms : PAUSE_MS;
    hub *h = p->at;
    for (unsigned idle = 0; !whole;) {
        uint64_t before = in->have;
        eng_status status = fetch_some(p, file, url, in, &whole, err);
        idle = in->have > before ? 0 : idle + 1;
        if (status == ENG_OK)
            continue;
        h->answered = h->answered || idle == 0;
        if (!is_passing(status) || !h->answered || idle >= TRIES || is_cancelled(p))
            return status;
        pause_ms(idle ? pause << idle : 0);
    }
    return ENG_OK;
}

static eng_status hub_fetch(eng_puller *p, eng_pull_file *file, eng_incoming *in, eng_error *err)
{
    eng_buf url;
    eng_buf_init(&url, 8192);
    eng_status status = file_url(p, file, &url, err);
    if (status == ENG_OK)
        status = eng_pull_report(p, in->have, err);
    if (status == ENG_OK)
        status = fetch_url(p, file, url.data, in, err);
    eng_buf_clear(&url);
    return status;
}

static void hub_close(eng_puller *p)
{
    hub *h = p->at;
    if (h)
        eng_http_client_free(h->client);
    p->at = NULL;
}

const eng_pull_source eng_pull_hub = {"hub", hub_list, hub_fetch, hub_close};
