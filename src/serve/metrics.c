/*
 * Counters for /metrics. Every loop counts in rows of its own, so counting is a load and a store
 * that no other thread waits for; whoever reads adds the loops up. A sum that is read while the
 * loops go on may lack what happens at that instant, never what was before.
 */
#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "serve/parts.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* 0 stands for a reply that did not reach its client; the last for every status that is not here.
 */
static const int statuses[] = {0,   200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413,
                               414, 415, 417, 422, 429, 431, 500, 501, 502, 503, 504, 505, -1};
static const double bounds_s[] = {.0001, .00025, .0005, .001, .0025, .005, .01, .025,
                                  .05,   .1,     .25,   .5,   1,     2.5,  5,   10};

enum {
    STATUSES = sizeof statuses / sizeof statuses[0],
    BOUNDS = sizeof bounds_s / sizeof bounds_s[0],
    STATUS_END = 600
};

typedef struct {
    _Alignas(64) _Atomic uint64_t status[STATUSES];
    _Atomic uint64_t within[BOUNDS + 1]; /* not cumulated; the last is beyond all bounds */
    _Atomic uint64_t sum_ns;
} row;

struct eng_metrics {
    unsigned loops;
    unsigned routes;
    uint8_t slots[STATUS_END]; /* status -> its place in `statuses` */
    void *memory;
    row *rows; /* loop after loop; each with one row more than there are routes */
};

eng_status eng_metrics_new(unsigned loops, unsigned routes, eng_metrics **out, eng_error *err)
{
    size_t size;
    eng_metrics *m = eng_zalloc(sizeof *m);
    bool fits = eng_mul((size_t)loops * (routes + 1), sizeof(row), &size);
    if (m && fits)
        m->memory = eng_zalloc(size + _Alignof(row));
    if (!m || !m->memory) {
        eng_metrics_free(m);
        return eng_fail_nomem(err);
    }
    m->loops = loops;
    m->routes = routes;
    m->rows = (row *)(((uintptr_t)m->memory + _Alignof(row) - 1) & ~(uintptr_t)(_Alignof(row) - 1));
    memset(m->slots, STATUSES - 1, sizeof m->slots);
    for (int i = 0; i < STATUSES - 1; i++)
        m->slots[statuses[i]] = (uint8_t)i;
    *out = m;
    return ENG_OK;
}

void eng_metrics_free(eng_metrics *m)
{
    if (!m)
        return;
    eng_free(m->memory);
    eng_free(m);
}

unsigned eng_metrics_none(const eng_metrics *m) { return m->routes; }

/* Only this thread writes it. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

void eng_metrics_count(eng_metrics *m, unsigned loop, unsigned route, int status, uint64_t ns)
{
    row *r = &m->rows[(size_t)loop * (m->routes + 1) + route];
    double s = (double)ns / 1e9;
    size_t b = 0;
    while (b < BOUNDS && s > bounds_s[b])
        b++;
    add(&r->status[status >= 0 && status < STATUS_END ? m->slots[status] : STATUSES - 1], 1);
    add(&r->within[b], 1);
    add(&r->sum_ns, ns);
}

/* ---- Requests as text ----------------------------------------------------------------------- */

typedef struct {
    uint64_t status[STATUSES];
    uint64_t within[BOUNDS + 1];
    uint64_t sum_ns;
    uint64_t count;
} total;

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static total total_of(const eng_metrics *m, unsigned route)
{
    total t = {.count = 0};
    for (unsigned loop = 0; loop < m->loops; loop++) {
        const row *r = &m->rows[(size_t)loop * (m->routes + 1) + route];
        for (size_t i = 0; i < STATUSES; i++)
            t.status[i] += get(&r->status[i]);
        for (size_t i = 0; i <= BOUNDS; i++)
            t.within[i] += get(&r->within[i]);
        t.sum_ns += get(&r->sum_ns);
    }
    for (size_t i = 0; i <= BOUNDS; i++)
        t.count += t.within[i];
    return t;
}

static void put_labels(const eng_metrics *m, const eng_router *r, unsigned route, eng_buf *out)
{
    if (route == m->routes) {
        eng_buf_str(out, ENG_STR("route=\"\",method=\"\""));
        return;
    }
    const eng_route *at = eng_router_entry(r, route)->route;
    eng_buf_format(out, "route=\"%s\",method=\"%s\"", at->path, eng_method_name(at->method));
}

static void put_requests(const eng_metrics *m, const eng_router *r, unsigned route, eng_buf *out)
{
    total t = total_of(m, route);
    for (size_t i = 0; i < STATUSES; i++) {
        if (t.status[i] == 0)
            continue;
        eng_buf_str(out, ENG_STR("engenho_requests_total{"));
        put_labels(m, r, route, out);
        if (statuses[i] > 0)
            eng_buf_format(out, ",status=\"%d\"} %" PRIu64 "\n", statuses[i], t.status[i]);
        else
            eng_buf_format(out, ",status=\"%s\"} %" PRIu64 "\n", statuses[i] ? "other" : "gone",
                           t.status[i]);
    }
}

static void put_histogram(const eng_metrics *m, const eng_router *r, unsigned route, eng_buf *out)
{
    total t = total_of(m, route);
    uint64_t sum = 0;
    for (size_t i = 0; t.count && i <= BOUNDS; i++) {
        sum += t.within[i];
        eng_buf_str(out, ENG_STR("engenho_request_seconds_bucket{"));
        put_labels(m, r, route, out);
        if (i < BOUNDS)
            eng_buf_format(out, ",le=\"%g\"} %" PRIu64 "\n", bounds_s[i], sum);
        else
            eng_buf_format(out, ",le=\"+Inf\"} %" PRIu64 "\n", sum);
    }
    if (t.count == 0)
        return;
    eng_buf_str(out, ENG_STR("engenho_request_seconds_sum{"));
    put_labels(m, r, route, out);
    eng_buf_format(out, "} %.9f\n", (double)t.sum_ns / 1e9);
    eng_buf_str(out, ENG_STR("engenho_request_seconds_count{"));
    put_labels(m, r, route, out);
    eng_buf_format(out, "} %" PRIu64 "\n", t.count);
}

static void head(eng_buf *out, const char *name, const char *kind, const char *help)
{
    eng_buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

void eng_metrics_write(const eng_metrics *m, const eng_router *r, eng_buf *out)
{
    head(out, "engenho_requests_total", "counter",
         "Requests answered; without a route where none was reached.");
    for (unsigned route = 0; route <= m->routes; route++)
        put_requests(m, r, route, out);
    head(out, "engenho_request_seconds", "histogram",
         "Time from a request's first byte to its reply's last.");
    for (unsigned route = 0; route <= m->routes; route++)
        put_histogram(m, r, route, out);
}

/* ---- The process ---------------------------------------------------------------------------- */

static void put(eng_buf *out, const char *name, const char *kind, const char *help, double value)
{
    head(out, name, kind, help);
    eng_buf_format(out, "%s %.17g\n", name, value);
}

/* The n-th word (from 1) of a file of /proc, as a number; what stands in parentheses is one word.
 */
static bool proc_number(const char *path, unsigned n, uint64_t *value)
{
    eng_buf text;
    eng_str word = {"", 0}, rest;
    eng_buf_init(&text, 1 << 16);
    bool ok = eng_file_read(path, 1 << 16, &text, NULL) == ENG_OK;
    rest = eng_buf_view(&text);
    for (size_t i = rest.len; i > 0; i--) {
        if (rest.ptr[i - 1] != ')')
            continue;
        rest = eng_str_trim(eng_str_sub(rest, i, rest.len));
        n -= 2; /* the pid and the name */
        break;
    }
    for (unsigned i = 0; ok && i < n; i++) {
        if (!eng_str_cut(rest, ' ', &word, &rest))
            word = eng_str_trim(word);
    }
    ok = ok && eng_str_u64(word, value);
    eng_buf_clear(&text);
    return ok;
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the one that reads the folder */
}

static void put_process(eng_buf *out)
{
    uint64_t pages, ticks;
    struct rlimit files;
    struct timespec up;
    if (proc_number("/proc/self/statm", 2, &pages))
        put(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
            (double)pages * (double)sysconf(_SC_PAGESIZE));
    if (proc_number("/proc/self/stat", 22, &ticks) && clock_gettime(CLOCK_BOOTTIME, &up) == 0) {
        double age = (double)up.tv_sec + (double)up.tv_nsec / 1e9 -
                     (double)ticks / (double)sysconf(_SC_CLK_TCK);
        put(out, "process_start_time_seconds", "gauge", "When the process began, since 1970.",
            (double)eng_clock_wall_ms() / 1e3 - age);
    }
    put(out, "process_open_fds", "gauge", "Open descriptors.", open_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        put(out, "process_max_fds", "gauge", "Most descriptors that may be open.",
            (double)files.rlim_cur);
}

/* ---- All of it ------------------------------------------------------------------------------ */

static void put_pool(eng_pool *pool, eng_buf *out)
{
    static const char *const classes[] = {"now", "bulk"};
    eng_pool_load load = eng_pool_measure(pool);
    head(out, "engenho_pool_waiting", "gauge", "Tasks that wait for a worker.");
    for (size_t i = 0; i < 2; i++)
        eng_buf_format(out, "engenho_pool_waiting{class=\"%s\"} %zu\n", classes[i],
                       load.waiting[i]);
    head(out, "engenho_pool_running", "gauge", "Tasks that a worker runs.");
    for (size_t i = 0; i < 2; i++)
        eng_buf_format(out, "engenho_pool_running{class=\"%s\"} %zu\n", classes[i],
                       load.running[i]);
}

static void put_connections(const eng_http_server *http, eng_buf *out)
{
    eng_http_stats s = eng_http_server_stats(http);
    put(out, "engenho_connections_total", "counter", "Connections accepted.", (double)s.accepted);
    put(out, "engenho_connections", "gauge", "Connections that are open.", (double)s.open);
    put(out, "engenho_received_bytes_total", "counter", "Bytes read from clients.",
        (double)s.bytes_in);
    put(out, "engenho_sent_bytes_total", "counter", "Bytes written to clients.",
        (double)s.bytes_out);
    put(out, "engenho_refused_total", "counter",
        "Malformed or late messages, and connections beyond the limit.", (double)s.refused);
}

static void put_engine(eng *engine, eng_buf *out)
{
    eng_counters c;
    eng_health h;
    eng_counters_now(engine, &c);
    eng_health_now(engine, &h);
    put(out, "engenho_uptime_seconds", "gauge", "Since the data was opened.", h.uptime_s);
    put(out, "engenho_collections", "gauge", "Collections.", (double)h.collections);
    put(out, "engenho_disk_free_bytes", "gauge", "What may still be written beside the data.",
        (double)h.disk_free);
    put(out, "engenho_store_commits_total", "counter", "Transactions of the store.",
        (double)c.commits);
    put(out, "engenho_store_writes_total", "counter", "Operations in those transactions.",
        (double)c.writes);
    put(out, "engenho_store_bytes", "gauge", "The database file and its log.",
        (double)c.store_bytes);
    head(out, "engenho_jobs", "gauge", "Jobs that have not ended.");
    eng_buf_format(out, "engenho_jobs{state=\"queued\"} %" PRIu64 "\n", c.jobs_queued);
    eng_buf_format(out, "engenho_jobs{state=\"running\"} %" PRIu64 "\n", c.jobs_running);
    put(out, "engenho_embedded_texts_total", "counter", "Texts that became vectors or scores.",
        (double)c.embedded);
    put(out, "engenho_embedded_tokens_total", "counter", "Tokens of those texts.",
        (double)c.embedded_tokens);
    put(out, "engenho_embed_batches_total", "counter", "Batches that they were computed in.",
        (double)c.embed_batches);
    put(out, "engenho_embed_waiting_tokens", "gauge", "Tokens that wait to be embedded.",
        (double)c.embed_waiting);
    put(out, "engenho_embed_refused_total", "counter", "Calls that the queue had no room for.",
        (double)c.embed_refused);
    put(out, "engenho_embed_cache_hits_total", "counter", "Texts whose vector was remembered.",
        (double)c.cache_hits);
    put(out, "engenho_embed_cache_misses_total", "counter", "Short texts whose vector was not.",
        (double)c.cache_misses);
    put(out, "engenho_embed_cache_bytes", "gauge", "What is remembered, in bytes.",
        (double)c.cache_bytes);
    put(out, "engenho_allocations_total", "counter", "Allocations since the process began.",
        (double)c.allocations);
    put(out, "engenho_allocated_bytes", "gauge", "Bytes held now.", (double)c.allocated);
}

/* A label's value: quotes, backslashes and line ends are escaped. */
static void put_value(eng_buf *out, eng_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\')
            eng_buf_byte(out, '\\');
        if (c == '\n')
            eng_buf_str(out, ENG_STR("\\n"));
        else
            eng_buf_byte(out, c);
    }
}

static void put_categories(eng *engine, eng_buf *out)
{
    eng_predictor *p = NULL;
    head(out, "engenho_categorized_total", "counter",
         "Products by the category that they were given, by the version in use.");
    if (eng_predictor_take(engine, ENG_PREDICTOR_TEXT, (eng_str){"", 0}, &p, NULL) < 0)
        return;
    const eng_predictor_info *info = eng_predictor_about(p);
    uint64_t *counts = eng_alloc_array(info->class_count + 1, sizeof *counts);
    if (counts)
        eng_predictor_counts(p, counts);
    for (size_t i = 0; counts && i < info->class_count; i++) {
        eng_buf_str(out, ENG_STR("engenho_categorized_total{model=\""));
        put_value(out, eng_str_of(info->name));
        eng_buf_format(out, "\",version=\"%u\",category=\"", info->version);
        put_value(out, info->classes[i].text);
        eng_buf_format(out, "\"} %" PRIu64 "\n", counts[i]);
    }
    eng_free(counts);
    eng_predictor_give(p);
}

static void put_build(eng_buf *out)
{
    const eng_build *b = eng_build_info();
    head(out, "engenho_build_info", "gauge", "Always 1; what the program was built from.");
    eng_buf_format(
        out, "engenho_build_info{version=\"%s\",commit=\"%s\",compiler=\"%s\",target=\"%s\"} 1\n",
        b->version, b->commit, b->compiler, b->target);
}

void eng_serve_metrics(eng_serve *s, eng_buf *out)
{
    eng_metrics_write(s->metrics, s->router, out);
    put_pool(s->pool, out);
    put_connections(s->http, out);
    put_engine(s->engine, out);
    put_categories(s->engine, out);
    put_process(out);
    put_build(out);
}
