/* Opening and closing, the readers, and what is remembered by name. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/file.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READERS = 4 };

struct eng_store {
    char *path;
    eng_conn *conn; /* the writer's */
    eng_writer *writer;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t back;  /* a reader was given back */
    unsigned most;
    unsigned opened; /* readers: opened when there is use for one more */
    unsigned idle;
    eng_conn **readers; /* the idle ones */
};

/* ---- SQLite ---- */

static void *sqlite_alloc(int size) { return eng_alloc((size_t)size); }

static void *sqlite_realloc(void *old, int size) { return eng_realloc(old, (size_t)size); }

static int sqlite_size(void *p) { return p ? (int)malloc_usable_size(p) : 0; }

static int sqlite_roundup(int size) { return (size + 7) & ~7; }

static int sqlite_start(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static void sqlite_stop(void *ctx) { (void)ctx; }

/* A connection is only ever used by one thread at a time, so it needs no lock of its own; and what is
 * allocated is counted by base/alloc, not once more under a lock of SQLite's. */
eng_status eng_store_init(eng_error *err)
{
    static const sqlite3_mem_methods methods = {
        .xMalloc = sqlite_alloc,
        .xFree = eng_free,
        .xRealloc = sqlite_realloc,
        .xSize = sqlite_size,
        .xRoundup = sqlite_roundup,
        .xInit = sqlite_start,
        .xShutdown = sqlite_stop,
    };
    int code = sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    if (code == SQLITE_OK)
        code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (code == SQLITE_OK)
        code = sqlite3_config(SQLITE_CONFIG_URI, 0);
    if (code == SQLITE_OK)
        code = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    if (code == SQLITE_OK)
        code = sqlite3_initialize();
    if (code == SQLITE_NOMEM)
        return eng_fail_nomem(err);
    if (code != SQLITE_OK)
        return eng_fail(err, ENG_EINTERNAL, "cannot start SQLite: %s", sqlite3_errstr(code));
    return ENG_OK;
}

void eng_store_quit(void) { sqlite3_shutdown(); }

/* ---- Opening ---- */

/* Closed to others; SQLite gives the files beside it the same mode. */
static eng_status make_file(const char *path, eng_error *err)
{
    eng_buf image;
    eng_buf_init(&image, 1 << 20);
    eng_status status = eng_schema_image(&image, err);
    if (status == ENG_OK)
        status = eng_file_write(path, eng_buf_view(&image), 0600, err);
    eng_buf_clear(&image);
    return status;
}

static eng_status find_file(const char *path, bool must_exist, eng_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISREG(st.st_mode) ? ENG_OK : eng_fail(err, ENG_ECORRUPT, "'%s' is no file", path);
    if (errno != ENOENT)
        return eng_fail_errno(err, errno, "cannot open '%s'", path);
    return must_exist ? eng_fail(err, ENG_ENOTFOUND, "there is no database '%s'", path)
                      : make_file(path, err);
}

typedef struct {
    unsigned count;
    char message[256];
} first_difference;

static void note_difference(void *ctx, const char *message)
{
    first_difference *d = ctx;
    if (d->count++ == 0)
        snprintf(d->message, sizeof d->message, "%s", message);
}

static eng_status check_tables(eng_conn *c, eng_error *err)
{
    first_difference d = {0};
    eng_status status = eng_schema_compare(c, note_difference, &d, err);
    if (status == ENG_OK && d.count)
        status = eng_fail(err, ENG_ECORRUPT, "'%s' is damaged: %s", c->path, d.message);
    return status;
}

/* Nothing is written to before it is known to be ours. */
static eng_status open_writer(eng_store *s, eng_error *err)
{
    int version = 0;
    eng_status status = eng_store_check_length(s->path, err);
    if (status == ENG_OK)
        status = eng_conn_open(s->path, ENG_CONN_WRITE, &s->conn, err);
    if (status == ENG_OK)
        status = eng_schema_version(s->conn, &version, err);
    if (status == ENG_OK)
        status = eng_conn_make_writer(s->conn, version == 0, err);
    if (status == ENG_OK && version < ENG_STORE_VERSION)
        status = eng_schema_migrate(s->conn, ENG_STORE_VERSION, err);
    if (status == ENG_OK)
        status = check_tables(s->conn, err);
    if (status == ENG_OK)
        status = eng_import_forget(s->conn, err);
    if (status == ENG_OK)
        status = eng_writer_start(s->conn, &s->writer, err);
    return status;
}

eng_status eng_store_open(const eng_store_options *options, eng_store **out, eng_error *err)
{
    eng_status status = find_file(options->path, options->must_exist, err);
    if (status < 0)
        return status;
    eng_store *s = eng_zalloc(sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->back, NULL);
    s->most = options->readers ? options->readers : READERS;
    s->path = eng_strdup(eng_str_of(options->path));
    s->readers = eng_alloc_array(s->most, sizeof(eng_conn *));
    status = s->path && s->readers ? open_writer(s, err) : eng_fail_nomem(err);
    if (status < 0)
        eng_store_close(s);
    else
        *out = s;
    return status;
}

/* The writer's connection goes last: it copies what is left of the log into the file. */
void eng_store_close(eng_store *s)
{
    if (!s)
        return;
    eng_writer_stop(s->writer);
    for (unsigned i = 0; i < s->idle; i++)
        eng_conn_close(s->readers[i]);
    eng_conn_close(s->conn);
    pthread_cond_destroy(&s->back);
    pthread_mutex_destroy(&s->lock);
    eng_free(s->readers);
    eng_free(s->path);
    eng_free(s);
}

char *eng_store_log_path(const char *path)
{
    size_t size = strlen(path) + sizeof "-wal";
    char *log = eng_alloc(size);
    if (log)
        snprintf(log, size, "%s-wal", path);
    return log;
}

/* SQLite takes a last page that is cut off for one that ends in zeros, and a single byte for nothing.
 * Where there is a log it may hold what the file lacks. */
eng_status eng_store_check_length(const char *path, eng_error *err)
{
    enum { HEAD = 32, PAGE_AT = 16, COUNT_AT = 28 };
    unsigned char head[HEAD];
    struct stat db, log;
    char *log_path = eng_store_log_path(path);
    if (!log_path)
        return eng_fail_nomem(err);
    bool logged = stat(log_path, &log) == 0 && log.st_size > 0;
    eng_free(log_path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return eng_fail_errno(err, errno, "cannot open '%s'", path);
    ssize_t got = fstat(fd, &db) == 0 ? pread(fd, head, HEAD, 0) : -1;
    int code = errno;
    close(fd);
    if (got < 0)
        return eng_fail_errno(err, code, "cannot read '%s'", path);
    if (logged || got == 0 || (got == HEAD && memcmp(head, "SQLite format 3", 16) != 0))
        return ENG_OK; /* what else it may be is for SQLite to say */
    uint64_t page = (uint64_t)head[PAGE_AT] << 8 | head[PAGE_AT + 1];
    uint64_t count = (uint64_t)head[COUNT_AT] << 24 | (uint64_t)head[COUNT_AT + 1] << 16 |
                     (uint64_t)head[COUNT_AT + 2] << 8 | head[COUNT_AT + 3];
    if (got < HEAD || (uint64_t)db.st_size < count * (page == 1 ? 65536 : page))
        return eng_fail(err, ENG_ECORRUPT, "'%s' is damaged: its end is missing", path);
    return ENG_OK;
}

const char *eng_store_path(const eng_store *s) { return s->path; }

void eng_store_count(eng_store *s, eng_store_counters *out) { eng_writer_count(s->writer, out); }

/* ---- Operations ---- */

eng_status eng_store_write(eng_store *s, eng_store_op *run, void *args, eng_error *err)
{
    return eng_writer_do(s->writer, run, args, err);
}

static eng_status borrow(eng_store *s, eng_conn **out, eng_error *err)
{
    eng_conn *c = NULL;
    pthread_mutex_lock(&s->lock);
    while (s->idle == 0 && s->opened == s->most)
        pthread_cond_wait(&s->back, &s->lock);
    if (s->idle)
        c = s->readers[--s->idle];
    else
        s->opened++;
    pthread_mutex_unlock(&s->lock);

    eng_status status = c ? ENG_OK : eng_conn_open(s->path, ENG_CONN_READ, &c, err);
    if (status < 0) {
        pthread_mutex_lock(&s->lock);
        s->opened--;
        pthread_cond_signal(&s->back);
        pthread_mutex_unlock(&s->lock);
        return status;
    }
    *out = c;
    return ENG_OK;
}

static void give_back(eng_store *s, eng_conn *c)
{
    pthread_mutex_lock(&s->lock);
    s->readers[s->idle++] = c;
    pthread_cond_signal(&s->back);
    pthread_mutex_unlock(&s->lock);
}

eng_status eng_store_read(eng_store *s, eng_store_op *run, void *args, eng_error *err)
{
    eng_conn *c = NULL;
    eng_status status = borrow(s, &c, err);
    if (status < 0)
        return status;
    status = eng_conn_begin(c, false, err);
    if (status == ENG_OK)
        status = run(c, args, err);
    eng_conn_rollback(c); /* nothing was written */
    give_back(s, c);
    return status;
}

/* ---- Small things ---- */

typedef struct {
    eng_str name;
    eng_arena *arena;
    eng_str value;
} small_thing;

static eng_status get_small(eng_conn *c, void *args, eng_error *err)
{
    small_thing *t = args;
    eng_sql q = eng_sql_use(c, "SELECT value FROM small WHERE name = ?");
    eng_sql_text(&q, t->name);
    bool found = eng_sql_row(&q);
    if (found)
        t->value = eng_sql_get_text(&q, 0, t->arena);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && !found)
        status = eng_fail(err, ENG_ENOTFOUND, "'%s' remembers nothing as '%.*s'", c->path,
                          ENG_FMT(eng_str_sub(t->name, 0, 64)));
    return status;
}

eng_status eng_store_get(eng_store *s, eng_str name, eng_arena *arena, eng_str *value,
                         eng_error *err)
{
    small_thing t = {.name = name, .arena = arena};
    eng_status status = eng_store_read(s, get_small, &t, err);
    if (status == ENG_OK)
        *value = t.value;
    return status;
}

static eng_status set_small(eng_conn *c, void *args, eng_error *err)
{
    const small_thing *t = args;
    eng_sql q = eng_sql_use(c, "INSERT INTO small (name, value) VALUES (?, ?) "
                               "ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    eng_sql_text(&q, t->name);
    eng_sql_blob(&q, t->value.len ? t->value.ptr : "", t->value.len);
    return eng_sql_end(&q, err);
}

eng_status eng_store_set(eng_store *s, eng_str name, eng_str value, eng_error *err)
{
    small_thing t = {.name = name, .value = value};
    return eng_store_write(s, set_small, &t, err);
}
