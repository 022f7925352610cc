/*
 * The one thread that writes. Operations wait in a queue; the thread takes all of them and runs each
 * in a savepoint of one transaction, so that those who wait together share one sync of the disk:
 *
 *     queue: a b c      BEGIN  (a) (b) (c)  COMMIT        answers a, b, c
 *     meanwhile: d e    BEGIN  (d) (e)  COMMIT            answers d, e
 *
 * An operation that fails is taken back to its savepoint. SQLite gives up a whole transaction for some
 * failures (no memory, no space), and a commit may fail: then each is run again in a transaction of
 * its own, so that one that is too large takes nobody with it.
 *
 * After the answers it looks after the file: copies the log into it when the log is long and, when
 * nobody has written for a moment, removes what was dropped and gives free pages back to the file
 * system, in steps of a few milliseconds.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "store/store_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

enum {
    GROUP_MOST = 256,
    LOG_PAGES = 1000, /* 8 MB: copied when it is longer, and read at a start in milliseconds */
    LOG_PAGES_HARD = 10000, /* readers always hold its end: wait for them */
    FREE_PAGES = 1024,      /* what may stay free in the file */
    FREE_STEP = 128,        /* pages given back in one go: a few milliseconds */
    IDLE_MS = 50
};

#define TIDY_NS UINT64_C(1000000000) /* a step at least that often, if there is something to do */

typedef struct waiting waiting;
struct waiting {
    eng_store_op *run;
    void *args;
    eng_error *err;
    eng_status status;
    eng_alloc_fault fault; /* of the thread that waits */
    bool done;
    pthread_cond_t answered;
    waiting *next;
};

struct eng_writer {
    eng_conn *conn;
    char *log_path;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    waiting *first; /* the oldest */
    waiting **end;
    bool stopping;

    /* The thread's own. */
    int log_pages; /* in the log, as of the last commit */
    int log_tried; /* when it was last copied, or that was tried */
    bool untidy;   /* there is something to tidy */
    bool idle;     /* nobody has come for IDLE_MS */
    uint64_t tidied_ns;

    _Atomic uint64_t commits;
    _Atomic uint64_t writes;
    _Atomic uint64_t bytes;
};

/* ---- A transaction ---- */

static bool lost(const eng_writer *w) { return sqlite3_get_autocommit(w->conn->db) != 0; }

static void run_one(eng_writer *w, waiting *op, bool alone)
{
    eng_conn *c = w->conn;
    op->status = alone ? ENG_OK : eng_sql_run(c, "SAVEPOINT op", op->err);
    if (op->status < 0)
        return;
    op->status = op->run(c, op->args, op->err);
    if (alone || lost(w))
        return;
    eng_status undone = ENG_OK;
    if (op->status < 0)
        undone = eng_sql_run(c, "ROLLBACK TO op", NULL);
    if (undone == ENG_OK)
        undone = eng_sql_run(c, "RELEASE op", NULL);
    if (undone < 0) /* it is not known what is in the transaction now */
        eng_conn_rollback(w->conn);
}

static void fail_all(waiting *first, eng_status status, const eng_error *why)
{
    for (waiting *op = first; op; op = op->next) {
        op->status = status;
        if (op->err)
            *op->err = *why;
    }
}

/* False: it was taken back, and nobody's status counts. */
static bool run_together(eng_writer *w, waiting *first)
{
    eng_error why = {0};
    size_t well = 0;
    eng_status status = eng_conn_begin(w->conn, true, &why);
    if (status < 0) {
        eng_conn_rollback(w->conn);
        fail_all(first, status, &why);
        return false;
    }
    for (waiting *op = first; op; op = op->next) {
        run_one(w, op, first->next == NULL);
        if (lost(w))
            return false;
        well += op->status == ENG_OK;
    }
    if (well == 0) {
        eng_conn_rollback(w->conn);
        return true;
    }
    status = eng_sql_run(w->conn, "COMMIT", &why);
    if (status < 0) {
        eng_conn_rollback(w->conn);
        fail_all(first, status, &why);
        return false;
    }
    atomic_fetch_add_explicit(&w->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->writes, well, memory_order_relaxed);
    return true;
}

/* A test that lets allocations of the first fail means those of its transaction too. */
static void run_group(eng_writer *w, waiting *first)
{
    eng_alloc_fault before = eng_alloc_fault_swap(first->fault);
    bool settled = run_together(w, first) || !first->next;
    for (waiting *op = first, *next; op && !settled; op = next) {
        next = op->next;
        op->next = NULL;
        run_together(w, op);
        op->next = next;
    }
    first->fault = eng_alloc_fault_swap(before);
}

/* ---- Looking after the file ---- */

static void measure(eng_writer *w)
{
    struct stat db, log;
    uint64_t bytes = stat(w->conn->path, &db) == 0 ? (uint64_t)db.st_size : 0;
    bytes += stat(w->log_path, &log) == 0 ? (uint64_t)log.st_size : 0;
    atomic_store_explicit(&w->bytes, bytes, memory_order_relaxed);
}

static int note_log(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    eng_writer *w = ctx;
    w->log_pages = pages;
    if (pages < w->log_tried) /* it began anew */
        w->log_tried = 0;
    return SQLITE_OK;
}

/* Failing is no harm: the log holds everything, and it is tried again when it has grown on. */
static void copy_log(eng_writer *w)
{
    if (w->log_pages - w->log_tried < LOG_PAGES)
        return;
    int mode = w->log_pages < LOG_PAGES_HARD ? SQLITE_CHECKPOINT_PASSIVE
                                             : SQLITE_CHECKPOINT_TRUNCATE;
    w->log_tried = w->log_pages;
    (void)sqlite3_wal_checkpoint_v2(w->conn->db, "main", mode, NULL, NULL);
}

static int64_t free_pages(eng_writer *w)
{
    eng_sql q = eng_sql_use(w->conn, "PRAGMA freelist_count");
    int64_t count = eng_sql_row(&q) ? eng_sql_get_int(&q, 0) : 0;
    return eng_sql_end(&q, NULL) == ENG_OK ? count : 0;
}

/* A piece of what was dropped. */
static bool empty(eng_writer *w)
{
    eng_conn *c = w->conn;
    bool more = false;
    if (!c->dropped || eng_conn_begin(c, true, NULL) < 0)
        return false;
    eng_status status = eng_store_empty(c, &more, NULL);
    if (status == ENG_OK && more)
        status = eng_sql_run(c, "COMMIT", NULL);
    eng_conn_rollback(c);
    c->dropped = status < 0 || more;
    return status == ENG_OK && more;
}

/* Pages that are free go back to the file system. */
static bool shrink(eng_writer *w)
{
    _Static_assert(FREE_STEP == 128, "the text below says so");
    return free_pages(w) > FREE_PAGES &&
           eng_sql_run(w->conn, "PRAGMA incremental_vacuum(128)", NULL) == ENG_OK;
}

/* One step of a few milliseconds; whether there is more to do. */
static bool tidy(eng_writer *w)
{
    if (!empty(w) && !shrink(w))
        return false;
    atomic_fetch_add_explicit(&w->commits, 1, memory_order_relaxed);
    copy_log(w);
    measure(w);
    return true;
}

static void tidy_once(eng_writer *w)
{
    w->untidy = w->idle = tidy(w);
    w->tidied_ns = eng_clock_ns();
}

/* ---- The thread ---- */

/* Under the lock. The oldest come first, at most GROUP_MOST. */
static waiting *take_group(eng_writer *w)
{
    waiting *first = w->first, *last = first;
    for (size_t n = 1; last && last->next && n < GROUP_MOST; n++)
        last = last->next;
    if (!last)
        return NULL;
    w->first = last->next;
    if (!w->first)
        w->end = &w->first;
    last->next = NULL;
    return first;
}

/* Under the lock: what waits lies on the stack of its thread, which goes on as soon as it may. */
static void answer(waiting *first)
{
    for (waiting *op = first, *next; op; op = next) {
        next = op->next;
        op->done = true;
        pthread_cond_signal(&op->answered);
    }
}

/* Under the lock: until somebody comes or, where there is tidying to do, for a moment. */
static void wait_for_work(eng_writer *w)
{
    if (!w->untidy) {
        pthread_cond_wait(&w->work, &w->lock);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += IDLE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_cond_timedwait(&w->work, &w->lock, &until) == ETIMEDOUT)
        w->idle = true;
}

/* Without the lock. */
static void serve(eng_writer *w, waiting *group)
{
    run_group(w, group);
    measure(w);
    pthread_mutex_lock(&w->lock);
    answer(group);
    pthread_mutex_unlock(&w->lock);
    copy_log(w);
    w->untidy = w->conn->dropped || free_pages(w) > FREE_PAGES;
    w->idle = false;
    if (w->untidy && eng_clock_ns() - w->tidied_ns > TIDY_NS) /* they come without a pause */
        tidy_once(w);
}

static void *write_on(void *arg)
{
    eng_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    while (w->first || !w->stopping) {
        waiting *group = take_group(w);
        bool idle = w->idle;
        if (!group && !idle) {
            wait_for_work(w);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        if (group)
            serve(w, group);
        else
            tidy_once(w);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- For everybody else ---- */

eng_status eng_writer_do(eng_writer *w, eng_store_op *run, void *args, eng_error *err)
{
    waiting op = {.run = run, .args = args, .err = err};
    pthread_cond_init(&op.answered, NULL);
    op.fault = eng_alloc_fault_swap((eng_alloc_fault){0});

    pthread_mutex_lock(&w->lock);
    *w->end = &op;
    /* cppcheck-suppress autoVariables ; it waits here until it is answered and unlinked */
    w->end = &op.next;
    pthread_cond_signal(&w->work);
    while (!op.done)
        pthread_cond_wait(&op.answered, &w->lock);
    pthread_mutex_unlock(&w->lock);

    (void)eng_alloc_fault_swap(op.fault);
    pthread_cond_destroy(&op.answered);
    return op.status;
}

void eng_writer_count(eng_writer *w, eng_store_counters *out)
{
    *out = (eng_store_counters){
        .commits = atomic_load_explicit(&w->commits, memory_order_relaxed),
        .writes = atomic_load_explicit(&w->writes, memory_order_relaxed),
        .bytes = atomic_load_explicit(&w->bytes, memory_order_relaxed),
    };
}

static void free_writer(eng_writer *w)
{
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    eng_free(w->log_path);
    eng_free(w);
}

static eng_writer *new_writer(eng_conn *c)
{
    eng_writer *w = eng_zalloc(sizeof *w);
    char *log_path = eng_store_log_path(c->path);
    if (!w || !log_path) {
        eng_free(w);
        eng_free(log_path);
        return NULL;
    }
    w->conn = c;
    w->log_path = log_path;
    w->end = &w->first;
    w->tidied_ns = eng_clock_ns();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return w;
}

eng_status eng_writer_start(eng_conn *c, eng_writer **out, eng_error *err)
{
    eng_writer *w = new_writer(c);
    if (!w)
        return eng_fail_nomem(err);
    eng_status status = eng_store_find_dropped(c, &c->dropped, err);
    if (status < 0) {
        free_writer(w);
        return status;
    }
    w->untidy = c->dropped || free_pages(w) > FREE_PAGES;
    sqlite3_wal_hook(c->db, note_log, w);
    measure(w);

    /* Signals belong to who waits for them: threads inherit the mask. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&w->thread, NULL, write_on, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code) {
        free_writer(w);
        return eng_fail_errno(err, code, "cannot start the thread that writes '%s'", c->path);
    }
    *out = w;
    return ENG_OK;
}

void eng_writer_stop(eng_writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    free_writer(w);
}
