/*
 * A collection as a file: writing one, and opening one that may be damaged or hostile. What is in it is
 * said in docs/collection-file.md.
 *
 * The tables are not those of the store: they are for other programs and other versions, and stay as they
 * are when the store's change. Documents are in the order of their ids, passages in that of their
 * documents, vectors in that of their passages: so a reader goes through each table once.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "base/utf8.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    APPLICATION_ID = 0x656e6763, /* "engc" */
    MAGIC_BYTES = 16,
    SUMMED_BYTES = 32, /* of the tail: what stands before the checksum */
    SUM_BYTES = 32,
    PIECE = 1 << 16,
    DIMS_MOST = 65536,
    NAME_MOST = 4096
};

static const char magic[MAGIC_BYTES] = "engenho-carry\r\n";

#define TABLES(more)                                                                               \
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"        \
    "CREATE TABLE document (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "                   \
    "version INTEGER NOT NULL, hash BLOB NOT NULL, tokens INTEGER NOT NULL, "                      \
    "created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, language TEXT, title TEXT, "        \
    "url TEXT, metadata TEXT, text TEXT NOT NULL" more ") STRICT;"                                 \
    "CREATE TABLE passage (id INTEGER PRIMARY KEY, document INTEGER NOT NULL "                     \
    "REFERENCES document (id), kind INTEGER NOT NULL, start INTEGER NOT NULL, "                    \
    "\"end\" INTEGER NOT NULL, tokens INTEGER NOT NULL, heading TEXT) STRICT;"                     \
    "CREATE TABLE vector (id INTEGER PRIMARY KEY, passage INTEGER NOT NULL "                       \
    "REFERENCES passage (id), kind INTEGER NOT NULL, start INTEGER NOT NULL, "                     \
    "\"end\" INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"

/* By the layout's version. */
static const char *const tables[] = {[1] = TABLES(""), [2] = TABLES(", blocks BLOB")};

_Static_assert(sizeof tables / sizeof *tables == ENG_CARRY_VERSION + 1,
               "the header's version is that of the last layout");

/* ---- Writing: rows ---- */

typedef struct {
    eng_conn *from; /* within one read transaction */
    eng_conn *to;
    eng_arena arena; /* of a document */
    int64_t collection, generation, cutting;
    eng_str model_hash;
    bool (*go_on)(void *ctx);
    void *ctx;
    int64_t document; /* the last that was written */
    uint64_t documents, passages, vectors;
} writing;

static eng_status put_meta(eng_conn *to, const char *name, eng_str value, eng_error *err)
{
    eng_sql q = eng_sql_use(to, "INSERT INTO meta (name, value) VALUES (?, ?)");
    eng_sql_text(&q, eng_str_of(name));
    eng_sql_text(&q, value.ptr ? value : ENG_STR(""));
    return eng_sql_end(&q, err);
}

static eng_status put_count(eng_conn *to, const char *name, uint64_t value, eng_error *err)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return put_meta(to, name, eng_str_of(text), err);
}

/* A row of `from` as it stands into `q`'s parameters from the `at`-th column on. */
static void pass_columns(eng_sql *row, int at, int count, eng_sql *q)
{
    for (int i = at; i < at + count && q->code == SQLITE_OK && row->code == SQLITE_ROW; i++)
        q->code = sqlite3_bind_value(q->stmt, ++q->bound, sqlite3_column_value(row->stmt, i));
}

static eng_status write_vectors(writing *w, int64_t old_first, int64_t old_last, int64_t first,
                                eng_error *err)
{
    eng_status status = ENG_OK;
    eng_sql row = eng_sql_use(w->from, "SELECT passage, kind, start, end, data FROM vector "
                                       "INDEXED BY vector_passage WHERE passage BETWEEN ? AND ? "
                                       "AND generation = ? ORDER BY passage, unit");
    eng_sql_int(&row, old_first);
    eng_sql_int(&row, old_last);
    eng_sql_int(&row, w->generation);
    while (status == ENG_OK && eng_sql_row(&row)) {
        eng_sql q = eng_sql_use(w->to, "INSERT INTO vector (passage, kind, start, \"end\", data) "
                                       "VALUES (?, ?, ?, ?, ?)");
        eng_sql_int(&q, first + eng_sql_get_int(&row, 0) - old_first);
        pass_columns(&row, 1, 4, &q);
        status = eng_sql_end(&q, err);
        w->vectors++;
    }
    if (status < 0)
        row.code = SQLITE_DONE;
    eng_status other = eng_sql_end(&row, status < 0 ? NULL : err);
    return status < 0 ? status : other;
}

static eng_status write_passages(writing *w, int64_t document, eng_error *err)
{
    int64_t old_first = 0, old_last = -1, first = 0;
    eng_status status = ENG_OK;
    eng_sql row = eng_sql_use(w->from, "SELECT id, kind, start, end, tokens, heading FROM passage "
                                       "WHERE document = ? AND cutting = ? ORDER BY id");
    eng_sql_int(&row, document);
    eng_sql_int(&row, w->cutting);
    while (status == ENG_OK && eng_sql_row(&row)) {
        eng_sql q = eng_sql_use(w->to, "INSERT INTO passage (document, kind, start, \"end\", "
                                       "tokens, heading) VALUES (?, ?, ?, ?, ?, ?)");
        eng_sql_int(&q, document);
        pass_columns(&row, 1, 5, &q);
        status = eng_sql_end(&q, err);
        old_last = eng_sql_get_int(&row, 0);
        if (!old_first) {
            old_first = old_last;
            first = eng_sql_made(w->to);
        }
        w->passages++;
    }
    if (status < 0)
        row.code = SQLITE_DONE;
    eng_status other = eng_sql_end(&row, status < 0 ? NULL : err);
    status = status < 0 ? status : other;
    return status < 0 || !old_first ? status : write_vectors(w, old_first, old_last, first, err);
}

/* The next after w->document; *more: there was one. */
static eng_status write_document(writing *w, bool *more, eng_error *err)
{
    eng_sql row = eng_sql_use(w->from,
                              "SELECT d.id, d.name, d.version, d.hash, d.tokens, d.created_ms, "
                              "d.updated_ms, d.language, d.title, d.url, d.metadata, t.text, "
                              "t.blocks "
                              "FROM document d JOIN document_text t ON t.document = d.id "
                              "WHERE d.collection = ? AND d.id > ? ORDER BY d.id LIMIT 1");
    eng_sql_int(&row, w->collection);
    eng_sql_int(&row, w->document);
    eng_status status = ENG_OK;
    *more = eng_sql_row(&row);
    if (*more) {
        eng_sql q = eng_sql_use(w->to, "INSERT INTO document (id, name, version, hash, tokens, "
                                       "created_ms, updated_ms, language, title, url, metadata, "
                                       "text, blocks) "
                                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        w->document = eng_sql_get_int(&row, 0);
        pass_columns(&row, 0, 13, &q);
        status = eng_sql_end(&q, err);
        w->documents++;
    }
    if (status < 0)
        row.code = SQLITE_DONE;
    eng_status other = eng_sql_end(&row, status < 0 ? NULL : err);
    status = status < 0 ? status : other;
    return status == ENG_OK && *more ? write_passages(w, w->document, err) : status;
}

static eng_status write_documents(writing *w, eng_error *err)
{
    eng_status status = ENG_OK;
    for (bool more = true; more && status == ENG_OK;) {
        if (w->go_on && !w->go_on(w->ctx))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
        status = write_document(w, &more, err);
    }
    return status;
}

/* ---- Writing: what it is ---- */

static eng_status write_counts(writing *w, eng_error *err)
{
    eng_status status = put_count(w->to, "documents", w->documents, err);
    if (status == ENG_OK)
        status = put_count(w->to, "passages", w->passages, err);
    return status < 0 ? status : put_count(w->to, "vectors", w->vectors, err);
}

static eng_status write_meta(writing *w, eng_sql *row, eng_error *err)
{
    static const char *const names[] = {"name", "title", "settings", "chunk", "model", "asked"};
    eng_status status = ENG_OK;
    for (int i = 0; i < 6 && status == ENG_OK; i++)
        status = put_meta(w->to, names[i], eng_sql_get_text(row, i, &w->arena), err);
    if (status == ENG_OK)
        status = put_count(w->to, "dims", (uint64_t)eng_sql_get_int(row, 6), err);
    if (status == ENG_OK)
        status = put_meta(w->to, "model_sha256", w->model_hash, err);
    return status < 0 ? status : put_meta(w->to, "engenho", ENG_STR(ENG_VERSION), err);
}

/* The first read, whose instant is that of the file. */
static eng_status write_collection(writing *w, eng_error *err)
{
    eng_sql row = eng_sql_use(
        w->from, "SELECT c.name, c.title, c.settings, k.settings, g.model, "
                 "g.settings, g.dims, c.id, g.cutting FROM generation g "
                 "JOIN cutting k ON k.id = g.cutting "
                 "JOIN collection c ON c.active = g.id WHERE g.id = ? AND c.state = 1");
    eng_sql_int(&row, w->generation);
    eng_status status = ENG_OK;
    bool there = eng_sql_row(&row);
    if (there) {
        w->collection = eng_sql_get_int(&row, 7);
        w->cutting = eng_sql_get_int(&row, 8);
        status = write_meta(w, &row, err);
    }
    if (status < 0)
        row.code = SQLITE_DONE;
    eng_status other = eng_sql_end(&row, status < 0 ? NULL : err);
    status = status < 0 ? status : other;
    if (status == ENG_OK && !there)
        status = eng_fail(err, ENG_ECONFLICT, "generation %lld is not active",
                          (long long)w->generation);
    return status;
}

static eng_status write_database(writing *w, eng_error *err)
{
    char head[160];
    snprintf(head, sizeof head,
             "PRAGMA page_size = 8192; PRAGMA application_id = %d; PRAGMA user_version = %d; BEGIN",
             APPLICATION_ID, ENG_CARRY_VERSION);
    eng_status status = eng_conn_script(w->to, head, err);
    if (status == ENG_OK)
        status = eng_conn_script(w->to, tables[ENG_CARRY_VERSION], err);
    if (status == ENG_OK)
        status = eng_conn_begin(w->from, false, err);
    if (status == ENG_OK)
        status = write_collection(w, err);
    if (status == ENG_OK)
        status = write_documents(w, err);
    if (status == ENG_OK)
        status = write_counts(w, err);
    return status < 0 ? status : eng_sql_run(w->to, "COMMIT", err);
}

/* ---- The tail ---- */

static void make_tail(uint64_t len, unsigned char version, unsigned char tail[ENG_CARRY_TAIL])
{
    memset(tail, 0, ENG_CARRY_TAIL);
    memcpy(tail, magic, MAGIC_BYTES);
    for (unsigned i = 0; i < 8; i++)
        tail[MAGIC_BYTES + i] = (unsigned char)(len >> 8 * i);
    tail[MAGIC_BYTES + 8] = version;
}

static eng_status add_tail(const char *path, int fd, eng_error *err)
{
    static const size_t piece = PIECE;
    unsigned char tail[ENG_CARRY_TAIL];
    crypto_hash_sha256_state sum;
    uint64_t len = 0;
    ssize_t got = 1;
    char *bytes = eng_alloc(piece);
    if (!bytes)
        return eng_fail_nomem(err);
    crypto_hash_sha256_init(&sum);
    while (got > 0) {
        got = read(fd, bytes, piece);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0) {
            crypto_hash_sha256_update(&sum, (const unsigned char *)bytes, (size_t)got);
            len += (uint64_t)got;
        }
    }
    eng_free(bytes);
    if (got < 0)
        return eng_fail_errno(err, errno, "cannot read '%s'", path);
    make_tail(len, ENG_CARRY_VERSION, tail);
    crypto_hash_sha256_update(&sum, tail, SUMMED_BYTES);
    crypto_hash_sha256_final(&sum, tail + SUMMED_BYTES);
    return eng_fd_write(fd, tail, sizeof tail, path, err);
}

static eng_status finish(const char *path, eng_error *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return eng_fail_errno(err, errno, "cannot open '%s'", path);
    eng_status status = add_tail(path, fd, err);
    close(fd);
    return status;
}

eng_status eng_store_export(eng_store *s, int64_t generation, eng_str model_hash, const char *to,
                            bool (*go_on)(void *ctx), void *ctx, eng_error *err)
{
    writing w = {.generation = generation, .model_hash = model_hash, .go_on = go_on, .ctx = ctx};
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return eng_fail_errno(err, errno, "cannot make '%s'", to);
    close(fd);
    eng_arena_init(&w.arena, 4096, NULL);
    eng_status status = eng_conn_open(eng_store_path(s), ENG_CONN_READ, &w.from, err);
    if (status == ENG_OK)
        status = eng_conn_open(to, ENG_CONN_NEW, &w.to, err);
    if (status == ENG_OK)
        status = write_database(&w, err);
    eng_conn_close(w.to);
    eng_conn_close(w.from);
    eng_arena_clear(&w.arena);
    if (status == ENG_OK)
        status = finish(to, err);
    if (status < 0)
        unlink(to);
    return status;
}

/* ---- Opening ---- */

static eng_status damaged(eng_error *err, const char *what)
{
    return eng_fail(err, ENG_ECORRUPT, "the file is damaged, or no collection at all: %s", what);
}

static eng_status check_tail(eng_str file, eng_str *database, eng_error *err)
{
    unsigned char tail[ENG_CARRY_TAIL], sum[SUM_BYTES];
    crypto_hash_sha256_state state;
    if (file.len < ENG_CARRY_TAIL)
        return damaged(err, "it is too short");
    *database = eng_str_sub(file, 0, file.len - ENG_CARRY_TAIL);
    const unsigned char *end = (const unsigned char *)database->ptr + database->len;
    make_tail(database->len, end[MAGIC_BYTES + 8], tail);
    if (memcmp(end, tail, MAGIC_BYTES) != 0)
        return damaged(err, "its end is missing");
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)file.ptr,
                              file.len - ENG_CARRY_TAIL + SUMMED_BYTES);
    crypto_hash_sha256_final(&state, sum);
    if (sodium_memcmp(end + SUMMED_BYTES, sum, SUM_BYTES) != 0)
        return damaged(err, "its checksum does not fit");
    if (end[MAGIC_BYTES + 8] > ENG_CARRY_VERSION)
        return eng_fail(err, ENG_EVERSION, "the file was written by a newer engenho");
    return memcmp(end, tail, SUMMED_BYTES) == 0 ? ENG_OK : damaged(err, "its length is wrong");
}

static eng_status read_number(eng_conn *c, const char *text, int64_t *out, eng_error *err)
{
    eng_sql q = eng_sql_use(c, text);
    if (eng_sql_row(&q))
        *out = eng_sql_get_int(&q, 0);
    return eng_sql_end(&q, err);
}

/* The tables are ours to the letter: no views, no triggers, no columns that are computed. */
static eng_status check_tables(eng_conn *c, int64_t *version, eng_error *err)
{
    int64_t application = 0;
    uint64_t have = 0, want = 0;
    eng_conn *model = NULL;
    eng_status status = read_number(c, "PRAGMA application_id", &application, err);
    if (status == ENG_OK)
        status = read_number(c, "PRAGMA user_version", version, err);
    if (status < 0)
        return status;
    if (application != APPLICATION_ID)
        return damaged(err, "it is a database of another kind");
    if (*version > ENG_CARRY_VERSION)
        return eng_fail(err, ENG_EVERSION, "the file was written by a newer engenho");
    if (*version < 1)
        return damaged(err, "its tables are others");
    status = eng_conn_open_scratch(&model, err);
    if (status == ENG_OK)
        status = eng_conn_script(model, tables[*version], err);
    if (status == ENG_OK)
        status = eng_schema_fingerprint(model, &want, err);
    if (status == ENG_OK)
        status = eng_schema_fingerprint(c, &have, err);
    eng_conn_close(model);
    if (status == ENG_OK && have != want)
        status = damaged(err, "its tables are others");
    return status;
}

static eng_status check_pages(eng_conn *c, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "PRAGMA quick_check(1)");
    bool fine = true;
    while (eng_sql_row(&q)) {
        const unsigned char *text = sqlite3_column_text(q.stmt, 0);
        if (!text)
            q.code = SQLITE_NOMEM;
        else if (strstr((const char *)text, "error code=7")) /* a page it had no memory for */
            q.code = SQLITE_NOMEM;
        else
            fine = fine && strcmp((const char *)text, "ok") == 0;
    }
    eng_status status = eng_sql_end(&q, err);
    return status == ENG_OK && !fine ? damaged(err, "its pages do not fit together") : status;
}

static eng_status read_meta(eng_carry *c, const char *name, eng_str *out, eng_error *err)
{
    eng_sql q = eng_sql_use(c->conn, "SELECT value FROM meta WHERE name = ?");
    eng_sql_text(&q, eng_str_of(name));
    *out = (eng_str){NULL, 0};
    if (eng_sql_row(&q))
        *out = eng_sql_get_text(&q, 0, &c->arena);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && (!out->ptr || out->len > NAME_MOST ||
                             eng_utf8_valid(*out) != out->len || memchr(out->ptr, '\0', out->len)))
        status = damaged(err, name);
    return status;
}

static eng_status read_count(eng_carry *c, const char *name, uint64_t *out, eng_error *err)
{
    eng_str text;
    eng_status status = read_meta(c, name, &text, err);
    if (status < 0)
        return status;
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || *out > UINT64_MAX / 100)
            return damaged(err, name);
        *out = *out * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return text.len ? ENG_OK : damaged(err, name);
}

static eng_status read_about(eng_carry *c, eng_error *err)
{
    eng_carried *a = &c->about;
    uint64_t dims = 0;
    const struct {
        const char *name;
        eng_str *out;
    } texts[] = {{"name", &a->name},  {"title", &a->title}, {"settings", &a->settings},
                 {"chunk", &a->cut},  {"model", &a->model}, {"model_sha256", &a->model_hash},
                 {"asked", &a->asked}};
    eng_status status = ENG_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == ENG_OK; i++)
        status = read_meta(c, texts[i].name, texts[i].out, err);
    if (status == ENG_OK)
        status = read_count(c, "documents", &a->documents, err);
    if (status == ENG_OK)
        status = read_count(c, "passages", &a->passages, err);
    if (status == ENG_OK)
        status = read_count(c, "vectors", &a->vectors, err);
    if (status == ENG_OK)
        status = read_count(c, "dims", &dims, err);
    if (status == ENG_OK && (dims > DIMS_MOST || (dims > 0) != (a->model.len > 0)))
        status = damaged(err, "dims");
    a->dims = (uint32_t)dims;
    return status;
}

/* What SQLite says of such a file is damage, but for want of memory. */
static eng_status as_damage(eng_status status, eng_error *err)
{
    if (status == ENG_OK || status == ENG_ENOMEM || status == ENG_ECORRUPT ||
        status == ENG_EVERSION)
        return status;
    return damaged(err, "SQLite cannot read it");
}

eng_status eng_carry_open_unsummed(eng_str database, eng_carry **out, eng_error *err)
{
    eng_carry *c = eng_zalloc(sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    eng_arena_init(&c->arena, 1024, NULL);
    eng_status status = database.len ? eng_conn_open_bytes(database, &c->conn, err)
                                     : damaged(err, "it is empty");
    if (status == ENG_OK)
        status = eng_conn_script(c->conn, "PRAGMA cell_size_check = ON", err);
    if (status == ENG_OK)
        status = check_tables(c->conn, &c->version, err);
    if (status == ENG_OK)
        status = check_pages(c->conn, err);
    if (status == ENG_OK)
        status = read_about(c, err);
    status = as_damage(status, err);
    if (status < 0)
        eng_carry_close(c);
    else
        *out = c;
    return status;
}

eng_status eng_carry_open(eng_str file, eng_carry **out, eng_error *err)
{
    eng_str database;
    eng_status status = check_tail(file, &database, err);
    return status < 0 ? status : eng_carry_open_unsummed(database, out, err);
}

void eng_carry_close(eng_carry *c)
{
    if (!c)
        return;
    eng_conn_close(c->conn);
    eng_arena_clear(&c->arena);
    eng_free(c);
}

const eng_carried *eng_carry_about(const eng_carry *c) { return &c->about; }
