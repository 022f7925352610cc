/* Connections: opening them as they are used here, and SQLite's codes as errors of ours. */
#include "base/alloc.h"
#include "base/buf.h"
#include "store/store_internal.h"

#include <errno.h>
#include <stdio.h>

enum { BUSY_MS = 5000 }; /* only a program that is none of ours ever holds it that long */

/* ---- Errors ---- */

/* What the system said of the file, or of the log. SQLite keeps it in one of three places, which
 * depends on when it happened: a failed commit is remembered by the file alone. */
static int system_code(sqlite3 *db)
{
    int code = sqlite3_system_errno(db);
    sqlite3_file *log = NULL;
    if (code == 0)
        sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &code);
    if (code == 0)
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &code);
    return code;
}

static eng_status fail_system(eng_conn *c, const char *what, eng_error *err)
{
    int code = system_code(c->db);
    switch (code) {
    case 0:
        return eng_fail(err, ENG_EIO, "cannot %s '%s': %s", what, c->path, sqlite3_errmsg(c->db));
    case EFBIG: /* a limit of the process or of the file system */
        code = ENOSPC;
        break;
    default:
        break;
    }
    return eng_fail_errno(err, code, "cannot %s '%s'", what, c->path);
}

static bool is_nomem(int code)
{
    return (code & 0xff) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM;
}

eng_status eng_conn_fail(eng_conn *c, int code, eng_error *err)
{
    if (is_nomem(code))
        return eng_fail_nomem(err);
    switch (code & 0xff) {
    case SQLITE_FULL:
        return eng_fail(err, ENG_ENOSPACE, "cannot write '%s': no space left", c->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return eng_fail(err, ENG_EREADONLY, "'%s' cannot be written to", c->path);
    case SQLITE_CORRUPT:
        return eng_fail(err, ENG_ECORRUPT, "'%s' is damaged", c->path);
    case SQLITE_NOTADB:
        return eng_fail(err, ENG_ECORRUPT, "'%s' is damaged, or no database at all", c->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return eng_fail(err, ENG_EBUSY, "'%s' is in use by another program", c->path);
    case SQLITE_TOOBIG:
        return eng_fail(err, ENG_ETOOBIG, "more than a gigabyte in one piece for '%s'", c->path);
    case SQLITE_INTERRUPT:
        return eng_fail(err, ENG_ECANCELLED, "cancelled");
    case SQLITE_CANTOPEN:
        return fail_system(c, "open", err);
    case SQLITE_IOERR:
        return fail_system(c, "read or write", err);
    default:
        break;
    }
    /* A byte of the header that no SQLite has written, for which it has no code of its own. */
    const char *message = sqlite3_errmsg(c->db);
    bool damaged = code == SQLITE_ERROR && strcmp(message, "unsupported file format") == 0;
    return eng_fail(err, damaged ? ENG_ECORRUPT : ENG_EINTERNAL, "'%s' %s: %s", c->path,
                    damaged ? "is damaged" : "cannot be used", message);
}

/* ---- Transactions ---- */

/* Where memory has run out even this may fail: then the next beginning does it. */
void eng_conn_rollback(eng_conn *c)
{
    if (!sqlite3_get_autocommit(c->db))
        (void)!eng_sql_run(c, "ROLLBACK", NULL);
}

eng_status eng_conn_begin(eng_conn *c, bool to_write, eng_error *err)
{
    eng_conn_rollback(c);
    return to_write ? eng_sql_run(c, "BEGIN IMMEDIATE", err) : eng_sql_run(c, "BEGIN", err);
}

/* ---- Opening ---- */

/*
 * synchronous = FULL is what makes a commit durable in WAL: the log is synced before it returns.
 * The log is copied into the database by the writer when it suits (wal_autocheckpoint = 0), and not
 * kept longer than the limit after it was long once. What is deleted is overwritten where that costs
 * nothing. The temporary tables of SQLite stay in memory: no folder but ours is ever written to.
 */
static const char write_pragmas[] = "PRAGMA synchronous = FULL;"
                                    "PRAGMA wal_autocheckpoint = 0;"
                                    "PRAGMA journal_size_limit = 16777216;"
                                    "PRAGMA secure_delete = FAST;"
                                    "PRAGMA temp_store = MEMORY;"
                                    "PRAGMA foreign_keys = ON;"
                                    "PRAGMA cache_size = -16384";
static const char read_pragmas[] = "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cache_size = -8192";
static const char new_pragmas[] = "PRAGMA journal_mode = MEMORY;"
                                  "PRAGMA synchronous = OFF;"
                                  "PRAGMA temp_store = MEMORY";

/* These two count only before the first table is made, and before WAL. */
static const char layout_pragmas[] = "PRAGMA page_size = 8192;"
                                     "PRAGMA auto_vacuum = INCREMENTAL";

eng_status eng_conn_script(eng_conn *c, const char *text, eng_error *err)
{
    int code = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? ENG_OK : eng_conn_fail(c, code, err);
}

/* A file's tables may have been written by a stranger: nothing in them is run or trusted. */
static void harden(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_busy_timeout(db, BUSY_MS);
}

/* "file:" and the path, escaped, and what nobody can say in another way. */
static eng_status frozen_uri(const char *path, eng_buf *uri, eng_error *err)
{
    eng_buf_str(uri, ENG_STR("file:"));
    for (const char *p = path; *p; p++) {
        if (*p == '%' || *p == '?' || *p == '#')
            eng_buf_format(uri, "%%%02x", (unsigned)(unsigned char)*p);
        else
            eng_buf_byte(uri, *p);
    }
    eng_buf_str(uri, ENG_STR("?immutable=1"));
    return eng_buf_check(uri, "path", err);
}

static eng_status connect(eng_conn *c, const char *name, int flags, eng_error *err)
{
    int code = sqlite3_open_v2(name, &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                               NULL);
    if (!c->db)
        return eng_fail_nomem(err);
    if (code != SQLITE_OK)
        return eng_conn_fail(c, code, err);
    harden(c->db);
    return ENG_OK;
}

static eng_status new_conn(const char *path, eng_conn **out, eng_error *err)
{
    eng_conn *c = eng_zalloc(sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    c->path = path;
    *out = c;
    return ENG_OK;
}

static eng_status open_as(eng_conn *c, eng_conn_use use, eng_error *err)
{
    eng_buf uri;
    eng_buf_init(&uri, 1 << 16);
    eng_status status = ENG_OK;
    switch (use) {
    case ENG_CONN_WRITE:
        status = connect(c, c->path, SQLITE_OPEN_READWRITE, err);
        if (status == ENG_OK && sqlite3_db_readonly(c->db, "main") == 1)
            status = eng_fail(err, ENG_EREADONLY, "'%s' cannot be written to", c->path);
        break;
    case ENG_CONN_READ:
        status = connect(c, c->path, SQLITE_OPEN_READONLY, err);
        if (status == ENG_OK)
            status = eng_conn_script(c, read_pragmas, err);
        break;
    case ENG_CONN_FROZEN:
        status = frozen_uri(c->path, &uri, err);
        if (status == ENG_OK)
            status = connect(c, uri.data, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
        if (status == ENG_OK)
            status = eng_conn_script(c, read_pragmas, err);
        break;
    case ENG_CONN_NEW:
        status = connect(c, c->path, SQLITE_OPEN_READWRITE, err);
        if (status == ENG_OK)
            status = eng_conn_script(c, new_pragmas, err);
        break;
    }
    eng_buf_clear(&uri);
    return status;
}

eng_status eng_conn_open(const char *path, eng_conn_use use, eng_conn **out, eng_error *err)
{
    eng_conn *c = NULL;
    eng_status status = new_conn(path, &c, err);
    if (status < 0)
        return status;
    status = open_as(c, use, err);
    if (status < 0)
        eng_conn_close(c);
    else
        *out = c;
    return status;
}

eng_status eng_conn_open_scratch(eng_conn **out, eng_error *err)
{
    eng_conn *c = NULL;
    eng_status status = new_conn("memory", &c, err);
    if (status < 0)
        return status;
    status = connect(c, ":memory:", SQLITE_OPEN_READWRITE, err);
    if (status == ENG_OK)
        status = eng_conn_script(c, layout_pragmas, err);
    if (status < 0)
        eng_conn_close(c);
    else
        *out = c;
    return status;
}

eng_status eng_conn_open_bytes(eng_str bytes, eng_conn **out, eng_error *err)
{
    eng_conn *c = NULL;
    eng_status status = new_conn("file", &c, err);
    if (status < 0)
        return status;
    status = connect(c, ":memory:", SQLITE_OPEN_READWRITE, err);
    if (status == ENG_OK) { /* it is not written to, and does not become SQLite's */
        unsigned char *data = (unsigned char *)(uintptr_t)bytes.ptr;
        int code = sqlite3_deserialize(c->db, "main", data, (sqlite3_int64)bytes.len,
                                       (sqlite3_int64)bytes.len, SQLITE_DESERIALIZE_READONLY);
        /* It looks at nothing yet: without memory it says no more than that it could not. */
        if (code == SQLITE_ERROR)
            code = SQLITE_NOMEM;
        status = code == SQLITE_OK ? ENG_OK : eng_conn_fail(c, code, err);
    }
    if (status == ENG_OK)
        status = eng_conn_script(c, read_pragmas, err);
    if (status < 0)
        eng_conn_close(c);
    else
        *out = c;
    return status;
}

/* Some file systems have no memory that processes share, and SQLite then quietly stays as it was. */
static eng_status use_log(eng_conn *c, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "PRAGMA journal_mode = WAL");
    bool log = eng_sql_row(&q) && strcmp((const char *)sqlite3_column_text(q.stmt, 0), "wal") == 0;
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && !log)
        status = eng_fail(err, ENG_EUNSUPPORTED, "the file system of '%s' cannot hold its log",
                          c->path);
    return status;
}

eng_status eng_conn_make_writer(eng_conn *c, bool empty, eng_error *err)
{
    eng_status status = empty ? eng_conn_script(c, layout_pragmas, err) : ENG_OK;
    if (status == ENG_OK)
        status = use_log(c, err);
    return status < 0 ? status : eng_conn_script(c, write_pragmas, err);
}

void eng_conn_close(eng_conn *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < ENG_CONN_KEEPS; i++)
        sqlite3_finalize(c->kept[i].stmt);
    sqlite3_close(c->db);
    eng_free(c);
}
