/* The server's life: options checked, parts built, addresses bound, loops started and stopped. */
#include "base/error.h"
#include "base/file.h"
#include "serve/parts.h"

#include <arpa/inet.h>
#include <sched.h>
#include <zlib.h>

enum {
    BODY_MAX = 8 << 20,
    DRAIN_MS = 5000,
    QUEUE_NOW = 1024,
    QUEUE_BULK = 64,
    LOG_MAX = 4 << 20,
    DOCUMENT_MAX = 16 << 20,
};

/* ---- Addresses ------------------------------------------------------------------------------ */

static bool is_unix(eng_str address) { return eng_str_starts(address, ENG_STR("unix:")); }

/* "127.0.0.1:8000" without its port, "[::1]:8000" without brackets too. */
static eng_str host_of(eng_str address)
{
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    eng_str host = eng_str_sub(address, 0, colon ? colon - 1 : 0);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = eng_str_sub(host, 1, host.len - 2);
    return host;
}

/* Nobody but this machine reaches it. */
static bool is_loopback(eng_str address)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr four;
    struct in6_addr six;
    eng_str host = host_of(address);
    if (is_unix(address) || eng_str_eq_nocase(host, ENG_STR("localhost")))
        return true;
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (inet_pton(AF_INET, text, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static eng_status check_address(const eng_serve_options *options, eng_str address, eng_error *err)
{
    bool has_key = options->api_key && options->api_key[0];
    /* What names no host is refused by the server, in its own words. */
    if (!is_unix(address) && host_of(address).len == 0)
        return ENG_OK;
    if (has_key || options->keys != ENG_KEYS_AUTO || is_loopback(address))
        return ENG_OK;
    return eng_fail(err, ENG_EUSAGE,
                    "'%.*s' can be reached from other machines: set an API key (ENGENHO_API_KEY), "
                    "or say that stored keys are required or that none are wanted (--keys)",
                    ENG_FMT(address));
}

static char *url_of(eng_str address, uint16_t port)
{
    eng_buf text;
    eng_buf_init(&text, 4096);
    if (is_unix(address)) {
        eng_buf_str(&text, address);
    } else {
        eng_str host = host_of(address);
        bool six = memchr(host.ptr, ':', host.len) != NULL;
        eng_buf_format(&text, six ? "http://[%.*s]:%u" : "http://%.*s:%u", ENG_FMT(host), port);
    }
    return eng_buf_take(&text, NULL);
}

static eng_status listen_on(eng_serve *s, const eng_serve_options *options, size_t i,
                            eng_error *err)
{
    uint16_t port = 0;
    eng_str address = eng_str_of(options->listen[i]);
    eng_status status = check_address(options, address, err);
    if (status == ENG_OK)
        status = eng_http_server_listen(s->http, address, &port, err);
    if (status < 0)
        return status;
    s->urls[i] = url_of(address, port);
    return s->urls[i] ? ENG_OK : eng_fail_nomem(err);
}

static eng_status listen_in_data(eng_serve *s, eng_error *err)
{
    eng_buf address;
    eng_buf_init(&address, 8192);
    eng_buf_format(&address, "unix:%s/engenho.sock", eng_data(s->engine));
    eng_status status = eng_buf_check(&address, "address", err);
    if (status == ENG_OK)
        status = eng_http_server_listen(s->http, eng_buf_view(&address), NULL, err);
    eng_buf_clear(&address);
    return status;
}

static eng_status listen_everywhere(eng_serve *s, const eng_serve_options *options, eng_error *err)
{
    size_t count = 0;
    while (options->listen && options->listen[count])
        count++;
    s->urls = eng_zalloc((count + 1) * sizeof *s->urls);
    if (!s->urls)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        eng_status status = listen_on(s, options, i, err);
        if (status < 0)
            return status;
    }
    return options->socket ? listen_in_data(s, err) : ENG_OK;
}

/* ---- Parts ---------------------------------------------------------------------------------- */

static unsigned processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

static eng_status make_loops(eng_serve *s, eng_error *err)
{
    size_t size = s->loop_count * sizeof *s->loops;
    s->loop_memory = eng_zalloc(size + _Alignof(eng_loop));
    if (!s->loop_memory)
        return eng_fail_nomem(err);
    uintptr_t mask = _Alignof(eng_loop) - 1;
    s->loops = (eng_loop *)(((uintptr_t)s->loop_memory + mask) & ~mask);
    for (unsigned i = 0; i < s->loop_count; i++)
        eng_buf_init(&s->loops[i].log, LOG_MAX);
    return ENG_OK;
}

/* As gzip has it; an empty view where there is no memory for it: the document goes uncompressed. */
static eng_str gzip(eng_str text)
{
    enum { LEVEL = 6, GZIP_WINDOW = 15 + 16, MEMORY = 8, HEADER = 32 };
    z_stream z = {.next_in = (unsigned char *)text.ptr, .avail_in = (unsigned)text.len};
    eng_str none = {"", 0};
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return none;
    size_t room = deflateBound(&z, (unsigned long)text.len) + HEADER;
    char *out = eng_alloc(room);
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)room;
    int end = out ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
    deflateEnd(&z);
    if (end == Z_STREAM_END)
        return (eng_str){out, room - z.avail_out};
    eng_free(out);
    return none;
}

static eng_status make_document(const eng_router *r, eng_str *out, eng_error *err)
{
    eng_buf text;
    size_t len;
    eng_buf_init(&text, DOCUMENT_MAX);
    eng_openapi_write(r, &text);
    eng_status status = eng_buf_check(&text, "OpenAPI document", err);
    if (status == ENG_OK) {
        const char *bytes = eng_buf_take(&text, &len);
        *out = (eng_str){bytes, len};
    }
    eng_buf_clear(&text);
    return status;
}

char *eng_serve_openapi(size_t *len)
{
    eng_router *r = NULL;
    eng_str text = {NULL, 0};
    if (eng_router_new(eng_route_tables, &r, NULL) == ENG_OK &&
        make_document(r, &text, NULL) == ENG_OK)
        *len = text.len;
    eng_router_free(r);
    return (char *)text.ptr;
}

static eng_status make_pool(eng_serve *s, unsigned workers, eng_error *err)
{
    eng_pool_options options = {
        .threads = workers ? workers : 2 * processors(),
        .queue = {[ENG_POOL_NOW] = QUEUE_NOW, [ENG_POOL_BULK] = QUEUE_BULK},
    };
    s->exports_max = (unsigned)(options.threads + 1) / 2;
    return eng_pool_new(&options, &s->pool, err);
}

static eng_status make_http(eng_serve *s, eng_error *err)
{
    eng_http_options options = {
        .loops = s->loop_count,
        .spill_dir = eng_data(s->engine),
        .pool = s->pool,
        .on = eng_serve_callbacks(s),
    };
    return eng_http_server_new(&options, &s->http, err);
}

static eng_status make_parts(eng_serve *s, const eng_serve_options *options,
                             const eng_route *const *tables, eng_error *err)
{
    eng_status status = eng_auth_init(&s->auth, options, err);
    if (status == ENG_OK)
        status = eng_router_new(tables, &s->router, err);
    if (status == ENG_OK)
        status = make_document(s->router, &s->document, err);
    if (status == ENG_OK)
        status = eng_rates_new(&s->rates, err);
    if (status == ENG_OK)
        status = eng_metrics_new(s->loop_count, (unsigned)eng_router_count(s->router), &s->metrics,
                                 err);
    if (status == ENG_OK)
        status = make_loops(s, err);
    if (status == ENG_OK)
        status = make_pool(s, options->workers, err);
    if (status == ENG_OK)
        status = make_http(s, err);
    if (status == ENG_OK)
        s->document_gzipped = gzip(s->document);
    return status;
}

/* ---- Life ----------------------------------------------------------------------------------- */

eng_status eng_serve_new_with(eng *engine, const eng_serve_options *options,
                              const eng_route *const *tables, eng_serve **out, eng_error *err)
{
    eng_serve *s = eng_zalloc(sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->engine = engine;
    s->loop_count = options->loops ? options->loops : processors();
    s->body_max = options->body_max ? options->body_max : BODY_MAX;
    s->drain_ms = options->drain_ms ? options->drain_ms : DRAIN_MS;
    s->access_log = options->access_log;
    eng_status status = make_parts(s, options, tables, err);
    if (status == ENG_OK)
        status = listen_everywhere(s, options, err);
    if (status < 0)
        eng_serve_free(s);
    else
        *out = s;
    return status;
}

eng_status eng_serve_new(eng *engine, const eng_serve_options *options, eng_serve **out,
                         eng_error *err)
{
    return eng_serve_new_with(engine, options, eng_route_tables, out, err);
}

eng_status eng_serve_start(eng_serve *s, eng_error *err)
{
    eng_status status = eng_http_server_start(s->http, err);
    if (status == ENG_OK)
        atomic_store(&s->phase, ENG_PHASE_READY);
    return status;
}

const char *eng_serve_url(const eng_serve *s, size_t i)
{
    size_t at = 0;
    while (at < i && s->urls[at])
        at++;
    return s->urls[at];
}

bool eng_serve_keys_in_force(const eng_serve *s) { return s->auth.in_force; }

void eng_serve_stop(eng_serve *s)
{
    atomic_store(&s->phase, ENG_PHASE_DRAINING);
    eng_http_server_drain(s->http, s->drain_ms);
    eng_pool_stop(s->pool);
}

void eng_serve_free(eng_serve *s)
{
    if (!s)
        return;
    eng_http_server_free(s->http);
    eng_pool_free(s->pool);
    for (unsigned i = 0; s->loops && i < s->loop_count; i++)
        eng_buf_clear(&s->loops[i].log);
    eng_free(s->loop_memory);
    eng_metrics_free(s->metrics);
    eng_rates_free(s->rates);
    eng_free((char *)s->document.ptr);
    if (s->document_gzipped.len)
        eng_free((char *)s->document_gzipped.ptr);
    eng_router_free(s->router);
    eng_auth_clear(&s->auth);
    for (size_t i = 0; s->urls && s->urls[i]; i++)
        eng_free(s->urls[i]);
    eng_free(s->urls);
    eng_free(s);
}
