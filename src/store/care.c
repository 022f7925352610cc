/*
 * Backup and check.
 *
 * A backup copies page by page (sqlite3_backup) on a connection that holds one read transaction from
 * beginning to end: so it is of one instant, never begins anew when others write, counts in pages and
 * can be stopped between any two steps. VACUUM INTO would write a smaller file, in one statement that
 * costs several times the work and that nobody can see the progress of.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STEP_PAGES = 256, /* 2 MB */
    FINDINGS_MOST = 100,
    ASK_EVERY = 100000 /* instructions of SQLite's: some milliseconds */
};

/* ---- Backup ---- */

typedef struct {
    const char *to;
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    eng_conn *from;
    eng_conn *dest;
} backup;

static eng_status copy_pages(backup *b, eng_error *err)
{
    sqlite3_backup *copy = sqlite3_backup_init(b->dest->db, "main", b->from->db, "main");
    if (!copy)
        return eng_conn_fail(b->dest, sqlite3_extended_errcode(b->dest->db), err);
    int code = SQLITE_OK;
    bool go_on = true;
    while (code == SQLITE_OK && go_on) {
        code = sqlite3_backup_step(copy, STEP_PAGES);
        int total = sqlite3_backup_pagecount(copy), left = sqlite3_backup_remaining(copy);
        if (code == SQLITE_OK && b->progress)
            go_on = b->progress(b->ctx, (uint64_t)(total - left), (uint64_t)total);
    }
    int finished = sqlite3_backup_finish(copy);
    if (!go_on)
        return eng_fail(err, ENG_ECANCELLED, "cancelled");
    if (code != SQLITE_DONE)
        return eng_conn_fail(sqlite3_errcode(b->from->db) == code ? b->from : b->dest, code, err);
    return finished == SQLITE_OK ? ENG_OK : eng_conn_fail(b->dest, finished, err);
}

/* The name of a new file must survive a crash as its content does. */
static eng_status sync_folder_of(const char *path, eng_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    char *folder = eng_strdup(slash ? (eng_str){path, len} : ENG_STR("."));
    if (!folder)
        return eng_fail_nomem(err);
    eng_status status = eng_dir_sync(folder, err);
    eng_free(folder);
    return status;
}

static eng_status sync_file(const char *path, eng_error *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        eng_status status = eng_fail_errno(err, errno, "cannot sync '%s'", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    close(fd);
    return sync_folder_of(path, err);
}

static eng_status copy_database(backup *b, const char *path, eng_error *err)
{
    eng_status status = eng_conn_open(path, ENG_CONN_READ, &b->from, err);
    if (status == ENG_OK)
        status = eng_conn_open(b->to, ENG_CONN_NEW, &b->dest, err);
    if (status == ENG_OK)
        status = eng_conn_begin(b->from, false, err);
    if (status == ENG_OK) /* the instant is that of the first read */
        status = eng_sql_run(b->from, "SELECT count(*) FROM sqlite_schema", err);
    if (status == ENG_OK)
        status = copy_pages(b, err);
    eng_conn_close(b->dest);
    eng_conn_close(b->from);
    return status == ENG_OK ? sync_file(b->to, err) : status;
}

eng_status eng_store_backup(eng_store *s, const char *to,
                            bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                            eng_error *err)
{
    backup b = {.to = to, .progress = progress, .ctx = ctx};
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return eng_fail_errno(err, errno, "cannot make '%s'", to);
    close(fd);
    eng_status status = copy_database(&b, eng_store_path(s), err);
    if (status < 0)
        unlink(to);
    return status;
}

/* ---- Check ---- */

typedef struct {
    void (*found)(void *ctx, const char *message);
    bool (*go_on)(void *ctx);
    void *ctx;
    unsigned count;
    bool stopped;
} check;

static void find(void *ctx, const char *message)
{
    check *k = ctx;
    if (k->count++ < FINDINGS_MOST)
        k->found(k->ctx, message);
}

static int ask(void *ctx)
{
    check *k = ctx;
    k->stopped = k->stopped || (k->go_on && !k->go_on(k->ctx));
    return k->stopped;
}

/* SQLite words a page that it could not get for want of memory like one that is damaged. */
static bool tells_of_no_memory(eng_str line)
{
    return eng_str_ends(line, ENG_STR("error code=7")) ||
           eng_str_ends(line, ENG_STR("error code=3082")); /* SQLITE_IOERR_NOMEM */
}

/* A row holds one finding a line, below a heading that says nothing. False: no memory. */
static bool find_lines(check *k, eng_str text)
{
    for (eng_str line, rest; text.len; text = rest) {
        if (!eng_str_cut(text, '\n', &line, &rest)) {
            line = text;
            rest = (eng_str){0};
        }
        char message[256];
        snprintf(message, sizeof message, "%.*s", ENG_FMT(line));
        if (tells_of_no_memory(line))
            return false;
        if (!eng_str_starts(line, ENG_STR("*** ")) && !eng_str_eq(line, ENG_STR("ok")))
            find(k, message);
    }
    return true;
}

static eng_status check_pages(eng_conn *c, check *k, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "PRAGMA integrity_check(100)");
    while (eng_sql_row(&q)) {
        const char *text = (const char *)sqlite3_column_text(q.stmt, 0);
        if (!text || !find_lines(k, eng_str_of(text)))
            q.code = SQLITE_NOMEM;
    }
    return eng_sql_end(&q, err);
}

static eng_status check_references(eng_conn *c, check *k, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check");
    while (k->count < FINDINGS_MOST && eng_sql_row(&q)) {
        char message[192];
        const char *from = (const char *)sqlite3_column_text(q.stmt, 0);
        const char *to = (const char *)sqlite3_column_text(q.stmt, 2);
        if (!from || !to) {
            q.code = SQLITE_NOMEM;
            break;
        }
        snprintf(message, sizeof message,
                 "row %lld of '%.64s' refers to a row of '%.64s' that is "
                 "not there",
                 (long long)eng_sql_get_int(&q, 1), from, to);
        find(k, message);
    }
    if (q.code == SQLITE_ROW) /* enough */
        q.code = SQLITE_DONE;
    return eng_sql_end(&q, err);
}

/* What SQLite takes for a row like any other, and no engine opens. */
static eng_status check_keys(eng_conn *c, check *k, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT id FROM api_key WHERE length(name) <> 16 "
                               "OR name GLOB '*[^0-9a-v]*' OR role NOT BETWEEN 1 AND 3");
    while (k->count < FINDINGS_MOST && eng_sql_row(&q)) {
        char message[64];
        snprintf(message, sizeof message, "row %lld of 'api_key' is no key",
                 (long long)eng_sql_get_int(&q, 0));
        find(k, message);
    }
    if (q.code == SQLITE_ROW) /* enough */
        q.code = SQLITE_DONE;
    return eng_sql_end(&q, err);
}

static eng_status check_all(eng_conn *c, check *k, eng_error *err)
{
    int version = 0;
    eng_status status = eng_schema_version(c, &version, err);
    if (status == ENG_OK && version == 0)
        return eng_fail(err, ENG_ECORRUPT, "'%s' is empty", c->path);
    if (status == ENG_OK)
        status = eng_schema_compare(c, find, k, err);
    sqlite3_progress_handler(c->db, ASK_EVERY, ask, k);
    if (status == ENG_OK)
        status = check_pages(c, k, err);
    if (status == ENG_OK && k->count == 0)
        status = check_references(c, k, err);
    if (status == ENG_OK && k->count == 0)
        status = check_keys(c, k, err);
    sqlite3_progress_handler(c->db, 0, NULL, NULL);
    return status;
}

/* Without a log the file is all there is: it is read without leaving a trace. */
static eng_status open_quietly(const char *path, eng_conn **out, eng_error *err)
{
    struct stat db, log;
    char *log_path = eng_store_log_path(path);
    eng_status status = ENG_OK;
    if (!log_path) {
        status = eng_fail_nomem(err);
    } else if (stat(path, &db) < 0) {
        status = eng_fail_errno(err, errno, "cannot open '%s'", path);
    } else if ((status = eng_store_check_length(path, err)) == ENG_OK) {
        bool logged = stat(log_path, &log) == 0 && log.st_size > 0;
        status = eng_conn_open(path, logged ? ENG_CONN_READ : ENG_CONN_FROZEN, out, err);
    }
    eng_free(log_path);
    return status;
}

eng_status eng_store_check(const char *path, void (*found)(void *ctx, const char *message),
                           bool (*go_on)(void *ctx), void *ctx, eng_error *err)
{
    eng_conn *c = NULL;
    check k = {.found = found, .go_on = go_on, .ctx = ctx};
    eng_status status = open_quietly(path, &c, err);
    if (status == ENG_OK)
        status = check_all(c, &k, err);
    eng_conn_close(c);
    return status;
}

/* ---- What is derived ---- */

static eng_status list_indexes(eng_conn *c, eng_arena *arena, eng_store_index **out, size_t *count,
                               eng_error *err)
{
    eng_list list = {.arena = arena, .size = sizeof(eng_store_index)};
    eng_sql q = eng_sql_use(c, "SELECT g.id, c.id, c.name, c.documents, c.active IS g.id "
                               "FROM generation g JOIN collection c ON c.id = g.collection "
                               "WHERE c.state = 1 AND g.state < 2 ORDER BY g.id");
    while (eng_sql_row(&q)) {
        eng_store_index *i = eng_list_add(&list, &q);
        if (i)
            *i = (eng_store_index){.generation = eng_sql_get_int(&q, 0),
                                   .collection = eng_sql_get_int(&q, 1),
                                   .name = eng_sql_get_text(&q, 2, arena),
                                   .documents = (uint64_t)eng_sql_get_int(&q, 3),
                                   .active = eng_sql_get_int(&q, 4) != 0};
    }
    *out = list.items;
    *count = list.count;
    return eng_sql_end(&q, err);
}

static eng_status count_half(eng_conn *c, uint64_t *half, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT count(*) FROM collection WHERE state = 0");
    if (eng_sql_row(&q))
        *half = (uint64_t)eng_sql_get_int(&q, 0);
    return eng_sql_end(&q, err);
}

eng_status eng_store_indexes(const char *path, eng_arena *arena, eng_store_index **out,
                             size_t *count, uint64_t *half, eng_error *err)
{
    enum { SINCE = 2 }; /* the version that has collections */
    eng_conn *c = NULL;
    int version = 0;
    *out = NULL;
    *count = 0;
    *half = 0;
    eng_status status = open_quietly(path, &c, err);
    if (status == ENG_OK)
        status = eng_schema_version(c, &version, err);
    if (status == ENG_OK && version >= SINCE)
        status = list_indexes(c, arena, out, count, err);
    if (status == ENG_OK && version >= SINCE)
        status = count_half(c, half, err);
    eng_conn_close(c);
    return status;
}
