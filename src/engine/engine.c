/*
 * An engine: opening and closing it, and what it says of itself.
 *
 * Opening goes from the outside in, and each step is undone by eng_close, which takes an engine that
 * is open half-way: folder, lock, what a crash left behind, secret, store, keys, jobs.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/ask_internal.h"
#include "engine/registry.h"
#include "kern/kern.h"
#include "net/net.h"
#include "text/text.h"

#include <curl/curl.h>
#include <sodium.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#ifndef ENG_COMMIT
#define ENG_COMMIT "unknown"
#endif

enum { FREE_FRESH_NS = 1000000000 };

/* ---- The library ---- */

static eng_status start_sodium(eng_error *err)
{
    return sodium_init() < 0 ? eng_fail(err, ENG_EINTERNAL, "cannot start libsodium") : ENG_OK;
}

/* What has to be set up once in a process, in this order, and is given back in the other. */
static const struct {
    eng_status (*start)(eng_error *err);
    void (*stop)(void);
} parts[] = {
    {eng_kern_init, NULL},        {eng_store_init, eng_store_quit},
    {eng_net_init, eng_net_quit}, {eng_text_init, eng_text_quit},
    {start_sodium, NULL},
};

/* Set by the first eng_init, before any thread (style.md, 21). */
static unsigned inits;
static char libraries[128];

static void stop_parts(size_t count)
{
    while (count-- > 0) {
        if (parts[count].stop)
            parts[count].stop();
    }
}

eng_status eng_init(eng_error *err)
{
    if (inits++)
        return ENG_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        eng_status status = parts[i].start(err);
        if (status < 0) {
            stop_parts(i);
            inits--;
            return status;
        }
    }
    snprintf(libraries, sizeof libraries, "sqlite %s, libcurl %s, libsodium %s, zlib %s",
             sqlite3_libversion(), curl_version_info(CURLVERSION_NOW)->version,
             sodium_version_string(), zlibVersion());
    return ENG_OK;
}

void eng_quit(void)
{
    if (inits > 0 && --inits == 0)
        stop_parts(sizeof parts / sizeof *parts);
}

const eng_build *eng_build_info(void)
{
    static const eng_build build = {
        .version = ENG_VERSION,
        .commit = ENG_COMMIT,
#ifdef __clang__
        .compiler = __VERSION__, /* "Clang 14.0.6", with its maker's words */
#else
        .compiler = "gcc " __VERSION__,
#endif
#if defined(__x86_64__)
        .target = "x86_64-linux",
#elif defined(__aarch64__)
        .target = "aarch64-linux",
#else
        .target = "linux",
#endif
        .libraries = libraries,
    };
    return &build;
}

/* ---- Names ---- */

static const char *const role_names[] = {"none", "read", "write", "admin"};

const char *eng_role_name(eng_role role)
{
    size_t i = (size_t)role;
    return i < sizeof role_names / sizeof *role_names ? role_names[i] : "unknown";
}

bool eng_role_of(eng_str name, eng_role *out)
{
    for (size_t i = 0; i < sizeof role_names / sizeof *role_names; i++) {
        if (eng_str_eq(name, eng_str_of(role_names[i]))) {
            *out = (eng_role)i;
            return true;
        }
    }
    return false;
}

/* ---- Opening ---- */

static eng_status take_folder(eng *e, const char *given, eng_error *err)
{
    char *path = NULL, *before = NULL, *lock = NULL;
    eng_status status = eng_data_find(given, &path, err);
    if (status < 0)
        goto done;
    before = eng_data_beside(path, ENG_DATA_BEFORE);
    if (!before) {
        status = eng_fail_nomem(err);
        goto done;
    }
    if (eng_data_cut_off(path, before)) {
        status = eng_data_cut_off_error(path, before, err);
        goto done;
    }
    status = eng_dir_make(path, 0700, err);
    /* Once more, now that it is there: a link is followed for good. */
    if (status == ENG_OK)
        status = eng_data_find(path, &e->data, err);
    if (status < 0)
        goto done;
    lock = eng_path_join(e->data, ENG_DATA_LOCK);
    status = lock ? eng_lock_take(lock, &e->lock, err) : eng_fail_nomem(err);
done:
    eng_free(path);
    eng_free(before);
    eng_free(lock);
    return status;
}

/* What was spilled there by a server that did not come to removing it. */
static eng_status empty_tmp(const eng *e, eng_error *err)
{
    char *tmp = eng_path_join(e->data, ENG_DATA_TMP);
    if (!tmp)
        return eng_fail_nomem(err);
    eng_status status = eng_dir_remove(tmp, err);
    if (status == ENG_OK)
        status = eng_dir_make(tmp, 0700, err);
    eng_free(tmp);
    return status;
}

static eng_status has_keys(eng_store *s, bool *out, eng_error *err)
{
    eng_arena arena;
    eng_store_key *keys;
    size_t count = 0;
    eng_arena_init(&arena, 1024, NULL);
    eng_status status = eng_store_key_page(s, 0, 1, &arena, &keys, &count, err);
    eng_arena_clear(&arena);
    *out = count > 0;
    return status;
}

/* A database whose secret is gone. With keys stored that is refused: none of them would ever be
 * accepted again, and nobody would know why. */
static eng_status renew_secret(eng *e, eng_error *err)
{
    bool keys = false;
    eng_status status = has_keys(e->store, &keys, err);
    if (status < 0)
        return status;
    if (keys)
        return eng_fail(err, ENG_ECORRUPT,
                        "'%s/" ENG_DATA_SECRET
                        "' is missing, without which no key that is stored can "
                        "be checked: put it back from a backup",
                        e->data);
    return eng_secret_make(e->data, e->secret, err);
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* The secret is made last, so that one without a database says that there was one: a new one in its
 * place would hide that everything is gone. */
static eng_status open_store(eng *e, eng_error *err)
{
    eng_status status = ENG_OK;
    char *path = eng_path_join(e->data, ENG_DATA_DB);
    char *secret = eng_path_join(e->data, ENG_DATA_SECRET);
    if (!path || !secret) {
        status = eng_fail_nomem(err);
        goto done;
    }
    bool kept = eng_data_exists(secret);
    if (kept)
        status = eng_secret_read(e->data, e->secret, err);
    if (status == ENG_OK && kept && !is_there(path))
        status = eng_fail(
            err, ENG_ECORRUPT,
            "'%s' is missing or empty, though '" ENG_DATA_SECRET
            "' says that there was one: put it back from a backup, or remove that too",
            path);
    if (status < 0)
        goto done;

    eng_store_options options = {.path = path};
    status = eng_store_open(&options, &e->store, err);
    if (status == ENG_OK && !kept)
        status = renew_secret(e, err);
done:
    eng_free(path);
    eng_free(secret);
    return status;
}

static eng_status take_hub(eng *e, const eng_options *options, eng_error *err)
{
    eng_str endpoint = eng_str_of(options->hub && *options->hub ? options->hub : ENG_HUB);
    while (endpoint.len && endpoint.ptr[endpoint.len - 1] == '/')
        endpoint.len--;
    e->hub.offline = options->hub_offline;
    e->hub.endpoint = eng_strdup(endpoint);
    if (options->hub_token && *options->hub_token)
        e->hub.token = eng_strdup(eng_str_of(options->hub_token));
    bool all = e->hub.endpoint && (e->hub.token || !options->hub_token || !*options->hub_token);
    return all ? ENG_OK : eng_fail_nomem(err);
}

static eng_status open_inside(eng *e, const eng_options *options, const eng_job_kind *kinds,
                              eng_error *err)
{
    uint64_t collections = 0;
    eng_status status = take_folder(e, options->data, err);
    if (status == ENG_OK)
        status = empty_tmp(e, err);
    if (status == ENG_OK)
        status = open_store(e, err);
    if (status == ENG_OK)
        status = eng_store_collection_count(e->store, &collections, err);
    if (status == ENG_OK)
        status = eng_keys_load(e, err);
    if (status == ENG_OK)
        status = take_hub(e, options, err);
    if (status == ENG_OK)
        status = eng_models_open(e->data, options->models, &e->models, err);
    if (status == ENG_OK)
        status = eng_embedder_new(options->embed_queue, &e->embedder, err);
    if (status == ENG_OK)
        status = eng_knowledge_new(e, options, &e->knowledge, err);
    if (status == ENG_OK)
        status = eng_asks_new(options, &e->asks, err);
    if (status == ENG_OK)
        status = eng_predictions_open(e, options, err);
    if (status == ENG_OK)
        status = eng_registry_open(e, options, err);
    if (status == ENG_OK)
        status = eng_jobs_start(e, kinds, options->job_threads, err);
    atomic_store(&e->collections, collections);
    return status;
}

eng_status eng_open_with(const eng_options *options, const eng_job_kind *kinds, eng **out,
                         eng_error *err)
{
    static const eng_options presets = {0};
    eng *e = eng_zalloc(sizeof *e);
    if (!e)
        return eng_fail_nomem(err);
    e->lock = -1;
    e->opened_ns = eng_clock_ns();
    pthread_rwlock_init(&e->keys_lock, NULL);
    eng_map_init(&e->keys);
    eng_status status = open_inside(e, options ? options : &presets, kinds, err);
    if (status < 0) {
        eng_close(e);
        return status;
    }
    *out = e;
    return ENG_OK;
}

eng_status eng_open(const eng_options *options, eng **out, eng_error *err)
{
    return eng_open_with(options, eng_job_kinds, out, err);
}

void eng_close(eng *e)
{
    if (!e)
        return;
    eng_jobs_stop(e->jobs);
    eng_asks_free(e->asks);
    eng_keys_clear(e);
    eng_registry_close(e->registry);
    eng_history_close(e->history);
    eng_knowledge_free(e->knowledge);
    eng_embedder_free(e->embedder);
    eng_models_close(e->models);
    eng_store_close(e->store);
    eng_free(e->hub.endpoint);
    if (e->hub.token)
        sodium_memzero(e->hub.token, strlen(e->hub.token));
    eng_free(e->hub.token);
    /* Last: from here on another process may open what is now at rest. */
    eng_lock_drop(e->lock);
    pthread_rwlock_destroy(&e->keys_lock);
    sodium_memzero(e->secret, sizeof e->secret);
    eng_free(e->data);
    eng_free(e);
}

const char *eng_data(const eng *e) { return e->data; }

/* ---- What it says of itself ---- */

/* Asked for at most once a second; two threads that find it old both ask, which does no harm. */
static uint64_t free_bytes(eng *e)
{
    uint64_t now = eng_clock_ns();
    uint64_t asked = atomic_load(&e->free_ns);
    if (asked == 0 || now - asked > FREE_FRESH_NS) {
        atomic_store(&e->free_bytes, eng_data_free_bytes(e->data));
        atomic_store(&e->free_ns, now);
    }
    return atomic_load(&e->free_bytes);
}

void eng_health_now(eng *e, eng_health *out)
{
    *out = (eng_health){
        .version = ENG_VERSION,
        .uptime_s = (double)(eng_clock_ns() - e->opened_ns) / 1e9,
        .collections = atomic_load(&e->collections),
        .disk_free = free_bytes(e),
    };
}

void eng_counters_now(eng *e, eng_counters *out)
{
    eng_store_counters store;
    eng_alloc_counters alloc = eng_alloc_count();
    eng_store_count(e->store, &store);
    *out = (eng_counters){
        .commits = store.commits,
        .writes = store.writes,
        .store_bytes = store.bytes,
        .allocations = alloc.allocations,
        .allocated = alloc.bytes,
    };
    eng_jobs_count(e->jobs, &out->jobs_queued, &out->jobs_running);
    eng_embedder_count(e, out);
}
