/*
 * The store, on the disk that the folder of $TMPDIR (or build/) lies on.
 *
 * Small writes by 1, 16 and 64 threads at a time, each durable when it returns, against SQLite as
 * programs usually hold it: one connection under a lock, in WAL with synchronous=FULL, a transaction a
 * write. Both in turns; syncs are counted where libc is asked for them.
 *
 * Then what a collection of 1k, 10k and 100k documents costs: putting one more, removing one, opening.
 */
#include "store/store.h"
#include "base/clock.h"
#include "base/file.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROUNDS = 5, THREADS = 64, DIMS = 384, SIZES = 3, BATCH = 500, REPEATS = 31 };
static const uint64_t ROUND_NS = 1000000000;
static const size_t sizes[SIZES] = {1000, 10000, 100000};
static const char *const size_names[SIZES] = {"1k", "10k", "100k"};

static char folder[128];

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench/store: %s\n", what);
    exit(1);
}

/* ---- Syncs ---- */

static _Atomic uint64_t syncs;

__attribute__((visibility("default"))) int fdatasync(int fd);
int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, fd);
}

/* ---- Small writes ---- */

typedef struct {
    eng_store *store;
    sqlite3_stmt *stmt; /* the peer's, under the lock */
    pthread_mutex_t lock;
    bool peer;
    _Atomic bool stop;
    _Atomic uint64_t written;
    _Atomic unsigned names;
} target;

static _Atomic uint64_t serial;

static bool write_peer(target *t, eng_str name, eng_str value)
{
    pthread_mutex_lock(&t->lock);
    sqlite3_bind_text(t->stmt, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    sqlite3_bind_blob(t->stmt, 2, value.ptr, (int)value.len, SQLITE_STATIC);
    bool ok = sqlite3_step(t->stmt) == SQLITE_DONE;
    sqlite3_reset(t->stmt);
    pthread_mutex_unlock(&t->lock);
    return ok;
}

static void *write_on(void *arg)
{
    target *t = arg;
    char name[32], value[32];
    unsigned mine = atomic_fetch_add(&t->names, 1);
    for (unsigned i = 0; !atomic_load(&t->stop); i++) {
        /* Another value each time: SQLite does not write what is there already. */
        eng_str n = {name, (size_t)snprintf(name, sizeof name, "%u %u", mine, i % 100)};
        uint64_t different = atomic_fetch_add(&serial, 1);
        eng_str v = {value, (size_t)snprintf(value, sizeof value, "%" PRIu64, different)};
        check(t->peer ? write_peer(t, n, v) : eng_store_set(t->store, n, v, NULL) == ENG_OK,
              "a write failed");
        atomic_fetch_add(&t->written, 1);
    }
    return NULL;
}

/* Writes a second; *per_write: syncs. */
static double run_writers(target *t, size_t threads, double *per_write)
{
    pthread_t thread[THREADS];
    atomic_store(&t->stop, false);
    atomic_store(&t->names, 0);
    atomic_store(&t->written, 0);
    uint64_t synced = atomic_load(&syncs), start = eng_clock_ns();
    for (size_t i = 0; i < threads; i++)
        check(pthread_create(&thread[i], NULL, write_on, t) == 0, "no thread");
    while (eng_clock_ns() - start < ROUND_NS)
        usleep(10000);
    atomic_store(&t->stop, true);
    for (size_t i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    double seconds = (double)(eng_clock_ns() - start) / 1e9;
    double written = (double)atomic_load(&t->written);
    *per_write = (double)(atomic_load(&syncs) - synced) / written;
    return written / seconds;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

static eng_store *open_store(const char *name)
{
    char path[192];
    eng_error err = {0};
    eng_store *s = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    eng_store_options options = {.path = path};
    check(eng_store_open(&options, &s, &err) == ENG_OK, err.message);
    return s;
}

static sqlite3 *open_peer(sqlite3_stmt **stmt)
{
    sqlite3 *db = NULL;
    char path[192];
    snprintf(path, sizeof path, "%s/peer.db", folder);
    check(sqlite3_open(path, &db) == SQLITE_OK &&
              sqlite3_exec(db,
                           "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;"
                           "PRAGMA synchronous = FULL;"
                           "CREATE TABLE small (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
                           NULL, NULL, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db,
                                 "INSERT INTO small VALUES (?, ?) ON CONFLICT (name) DO "
                                 "UPDATE SET value = excluded.value",
                                 -1, stmt, NULL) == SQLITE_OK,
          "the peer does not open");
    return db;
}

static void bench_writers(target *ours, target *peer, size_t threads, double goal)
{
    double a[ROUNDS], b[ROUNDS], a_syncs[ROUNDS], b_syncs[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        a[i] = run_writers(ours, threads, &a_syncs[i]);
        b[i] = run_writers(peer, threads, &b_syncs[i]);
    }
    double x = median(a, ROUNDS), y = median(b, ROUNDS);
    printf("store.write-%zu-threads  ours=%.0f/s,%.2fsyncs  "
           "peer=%.0f/s,%.2fsyncs(sqlite " SQLITE_VERSION
           ", a commit a write)  ratio=%.2f  goal>=%g  %s\n",
           threads, x, median(a_syncs, ROUNDS), y, median(b_syncs, ROUNDS), x / y, goal,
           x / y >= goal ? "ok" : "short");
    fflush(stdout);
}

static void bench_small_writes(void)
{
    target ours = {.store = open_store("small.db")}, peer = {.peer = true};
    sqlite3 *db = open_peer(&peer.stmt);
    pthread_mutex_init(&peer.lock, NULL);
    bench_writers(&ours, &peer, 1, 0.8);
    bench_writers(&ours, &peer, 16, 4);
    bench_writers(&ours, &peer, 64, 8);
    sqlite3_finalize(peer.stmt);
    sqlite3_close(db);
    pthread_mutex_destroy(&peer.lock);
    eng_store_close(ours.store);
}

/* ---- Collections ---- */

static float vector[DIMS];
static const char paragraph[] =
    "Um engenho mói a cana e move a água; a palavra diz também talento, e este programa tem um "
    "pouco dos dois. Este parágrafo tem o tamanho de muitos: algumas frases, umas cem palavras, "
    "nem tão curto que não diga nada, nem tão longo que ninguém o leia até o fim. O que ele diz "
    "não importa; importa que ocupe o lugar de um texto de verdade, com um vetor ao lado.";

typedef struct {
    char names[BATCH][24];
    eng_store_passage passage;
    eng_store_vector vector;
    eng_store_put puts[BATCH];
} batch;

static void fill_batch(batch *b, size_t first, size_t count)
{
    size_t len = sizeof paragraph - 1;
    b->passage = (eng_store_passage){.kind = 1, .end = len, .tokens = 100};
    b->vector = (eng_store_vector){.kind = 1, .end = len, .data = vector};
    for (size_t i = 0; i < count; i++) {
        snprintf(b->names[i], sizeof b->names[i], "document %zu", first + i);
        b->puts[i] = (eng_store_put){.text = {paragraph, len},
                                     .parts = {&b->passage, 1, &b->vector, 1}};
        b->puts[i].document.name = eng_str_of(b->names[i]);
        b->puts[i].document.title = ENG_STR("Um parágrafo");
        b->puts[i].document.metadata = ENG_STR("{\"source\":\"bench\"}");
    }
}

typedef struct {
    double put; /* medians, in ns */
    double remove;
    double open;
    double syncs; /* of a removal */
    double fill;  /* documents a second */
} costs;

/* A vector as random as those of a model: what can be compressed says nothing. */
static void make_vector(void)
{
    uint64_t z = 42;
    for (size_t i = 0; i < DIMS; i++) {
        z = z * 6364136223846793005u + 1442695040888963407u;
        vector[i] = (float)(int32_t)(z >> 32) * 0x1p-31f;
    }
}

static void put_one(eng_store *s, int64_t c, int64_t g, batch *b, size_t n)
{
    fill_batch(b, n, 1);
    check(eng_store_document_put(s, c, g, b->puts, 1, NULL) == ENG_OK, "a put failed");
}

static double seconds_since(uint64_t start) { return (double)(eng_clock_ns() - start) / 1e9; }

static void measure_single(eng_store *s, int64_t c, int64_t g, size_t size, batch *b, costs *out)
{
    double put[REPEATS], removed[REPEATS];
    uint64_t synced = 0;
    for (size_t i = 0; i < REPEATS; i++) {
        size_t count;
        uint64_t start = eng_clock_ns();
        put_one(s, c, g, b, size + i);
        put[i] = (double)(eng_clock_ns() - start);
        char name[24];
        int len = snprintf(name, sizeof name, "document %zu", i * (size / REPEATS));
        eng_str names[] = {{name, (size_t)len}};
        uint64_t before = atomic_load(&syncs);
        start = eng_clock_ns();
        check(eng_store_document_remove(s, c, names, 1, &count, NULL) == ENG_OK && count == 1,
              "a removal failed");
        removed[i] = (double)(eng_clock_ns() - start);
        synced += atomic_load(&syncs) - before;
    }
    out->put = median(put, REPEATS);
    out->remove = median(removed, REPEATS);
    out->syncs = (double)synced / REPEATS;
}

static void bench_size(size_t size, costs *out)
{
    eng_store *s = open_store("collection.db");
    eng_store_collection c = {
        .name = ENG_STR("c"), .title = ENG_STR("c"), .settings = ENG_STR("{}")};
    check(eng_store_collection_add(s, &c, NULL) == ENG_OK, "no collection");
    eng_store_generation g = {.collection = c.id,
                              .cut = ENG_STR("{}"),
                              .model = ENG_STR("m"),
                              .dims = DIMS,
                              .settings = ENG_STR("{}")};
    check(eng_store_generation_begin(s, &g, NULL) == ENG_OK &&
              eng_store_generation_activate(s, g.id, NULL) == ENG_OK,
          "no generation");
    batch *b = malloc(sizeof *b);
    check(b != NULL, "no memory");
    uint64_t start = eng_clock_ns();
    for (size_t i = 0; i < size; i += BATCH) {
        fill_batch(b, i, BATCH);
        check(eng_store_document_put(s, c.id, g.id, b->puts, BATCH, NULL) == ENG_OK, "no put");
    }
    out->fill = (double)size / seconds_since(start);
    measure_single(s, c.id, g.id, size, b, out);
    eng_store_close(s);

    double open[REPEATS];
    for (size_t i = 0; i < REPEATS; i++) {
        start = eng_clock_ns();
        s = open_store("collection.db");
        open[i] = (double)(eng_clock_ns() - start);
        eng_store_close(s);
    }
    out->open = median(open, REPEATS);
    free(b);
    char path[192];
    snprintf(path, sizeof path, "%s/collection.db", folder);
    unlink(path);
}

static void report(const char *what, const char *size, double ns, double limit_ms, double small)
{
    double ratio = ns / (limit_ms * 1e6);
    printf(
        "store.%s-%s  ours=%.2fms  peer=%gms(the limit)  ratio=%.3f  grows=n^%.2f  goal<=1  %s\n",
        what, size, ns / 1e6, limit_ms, ratio, log(ns / small) / log(100),
        ratio <= 1 ? "ok" : "short");
}

static void bench_collections(void)
{
    costs of[SIZES];
    make_vector();
    for (size_t i = 0; i < SIZES; i++) {
        bench_size(sizes[i], &of[i]);
        printf("store.fill-%s  ours=%.0fdocuments/s  (batches of %d, a vector of %d each)\n",
               size_names[i], of[i].fill, BATCH, DIMS);
        fflush(stdout);
    }
    const costs *last = &of[SIZES - 1];
    report("put-one-in", "100k", last->put, 5, of[0].put);
    report("remove-one-of", "100k", last->remove, 5, of[0].remove);
    printf("store.remove-one-of-100k  ours=%.2fsyncs  peer=1(the limit)  ratio=%.2f  goal<=1  %s\n",
           last->syncs, last->syncs, last->syncs <= 1.0 ? "ok" : "short");
    report("open", "100k", last->open, 50, of[0].open);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/engenho-bench-XXXXXX", tmp ? tmp : "build");
    check(eng_store_init(NULL) == ENG_OK && mkdtemp(folder), "no folder");
    bench_small_writes();
    bench_collections();
    eng_store_quit();
    return eng_dir_remove(folder, NULL) == ENG_OK ? 0 : 1;
}
