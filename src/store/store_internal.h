/*
 * What the files of the store share.
 *
 *     care.c  key.c  document.c  ...        operations: a struct of arguments, a function, its SQL
 *          |                |
 *     eng_store_write  eng_store_read       store.c hands the function a connection: the writer's,
 *          |                |               in its turn, or a reader's
 *        eng_conn: conn.c                   a connection, the statements it keeps
 *        eng_sql:  sql.c                    one statement, from its parameters to its end
 */
#ifndef ENG_STORE_INTERNAL_H
#define ENG_STORE_INTERNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "store/store.h"

#include <sqlite3.h>

/* ---- Connections (conn.c) ------------------------------------------------------------------------ */

enum { ENG_CONN_KEEPS = 256 }; /* statements, more than there are texts of them; a power of two */

typedef struct {
    sqlite3 *db;
    const char *path; /* for messages; borrowed */
    bool dropped;     /* the writer's: there are things to be emptied */
    struct {
        const char *text;
        sqlite3_stmt *stmt;
    } kept[ENG_CONN_KEEPS];
} eng_conn;

typedef enum {
    ENG_CONN_WRITE,  /* the writer's; see eng_conn_make_writer */
    ENG_CONN_READ,   /* a reader's, or a file that is only looked at */
    ENG_CONN_FROZEN, /* the same of a file that nobody writes: neither locks nor a log are made */
    ENG_CONN_NEW     /* a file that is being made, synced by whoever makes it */
} eng_conn_use;

eng_status eng_conn_open(const char *path, eng_conn_use use, eng_conn **out,
                         eng_error *err) ENG_MUST_CHECK;
/* What the writer's needs before it writes, after it was found to be ours. */
eng_status eng_conn_make_writer(eng_conn *c, bool empty, eng_error *err) ENG_MUST_CHECK;
/* The bytes of a database, read where they lie; they must outlive it. */
eng_status eng_conn_open_bytes(eng_str bytes, eng_conn **out, eng_error *err) ENG_MUST_CHECK;
/* One in memory, gone when closed. */
eng_status eng_conn_open_scratch(eng_conn **out, eng_error *err) ENG_MUST_CHECK;
void eng_conn_close(eng_conn *c);

eng_status eng_conn_begin(eng_conn *c, bool to_write, eng_error *err) ENG_MUST_CHECK;
/* Of the transaction that is open, if one is. */
void eng_conn_rollback(eng_conn *c);
/* SQLite's code as an error that names the file. */
eng_status eng_conn_fail(eng_conn *c, int code, eng_error *err);
/* Text of any number of statements, none of which is kept. */
eng_status eng_conn_script(eng_conn *c, const char *text, eng_error *err) ENG_MUST_CHECK;

/* ---- Statements (sql.c) -------------------------------------------------------------------------- */

/*
 * One use of a statement. The first failure sticks: what follows does nothing, and eng_sql_end says
 * what it was.
 *
 *     eng_sql q = eng_sql_use(c, "SELECT value FROM small WHERE name = ?");
 *     eng_sql_text(&q, name);
 *     if (eng_sql_row(&q))
 *         value = eng_sql_get_text(&q, 0, arena);
 *     return eng_sql_end(&q, err);
 *
 * The text must be a literal: the connection keeps what SQLite made of it under its address.
 * Parameters are bound in their order, and what they look at must live until the end.
 */
typedef struct {
    eng_conn *conn;
    sqlite3_stmt *stmt; /* NULL: it could not be prepared */
    int bound;
    int code; /* of SQLite; an error sticks */
} eng_sql;

eng_sql eng_sql_use(eng_conn *c, const char *text);
void eng_sql_int(eng_sql *q, int64_t value);
void eng_sql_count(eng_sql *q, size_t value);
void eng_sql_text(eng_sql *q, eng_str value); /* ptr NULL: NULL */
void eng_sql_blob(eng_sql *q, const void *data, size_t len);
/* The next row: false at the end, and on failure. */
bool eng_sql_row(eng_sql *q);
int64_t eng_sql_get_int(eng_sql *q, int column);
/* Copied, with a NUL behind it, bytes too; ptr NULL for NULL. */
eng_str eng_sql_get_text(eng_sql *q, int column, eng_arena *arena);
/* Exactly len bytes; others are damage. */
void eng_sql_get_bytes(eng_sql *q, int column, void *out, size_t len);
/* An array in an arena that grows as rows come; running out of memory is the statement's failure. */
typedef struct {
    eng_arena *arena;
    size_t size; /* of an item */
    void *items; /* NULL: none */
    size_t count;
    size_t room;
} eng_list;

void *eng_list_add(eng_list *l, eng_sql *q);

/* Runs what is left of it, and gives it back. */
eng_status eng_sql_end(eng_sql *q, eng_error *err) ENG_MUST_CHECK;
/* A text without parameters and rows. */
eng_status eng_sql_run(eng_conn *c, const char *text, eng_error *err) ENG_MUST_CHECK;
/* Rows that the last INSERT, UPDATE or DELETE changed; and the id that the last INSERT made. */
int64_t eng_sql_changed(const eng_conn *c);
int64_t eng_sql_made(const eng_conn *c);

/* ---- Operations (store.c, writer.c) -------------------------------------------------------------- */

/*
 * What runs on a connection within a transaction. Those that write may be run a second time after
 * what the first run did was rolled back: outputs are set anew, inputs are left alone.
 */
typedef eng_status eng_store_op(eng_conn *c, void *args, eng_error *err);

/* Returns when it is on disk, or has failed and left nothing. */
eng_status eng_store_write(eng_store *s, eng_store_op *run, void *args,
                           eng_error *err) ENG_MUST_CHECK;
/* As of one instant. */
eng_status eng_store_read(eng_store *s, eng_store_op *run, void *args,
                          eng_error *err) ENG_MUST_CHECK;

typedef struct eng_writer eng_writer;

/* The connection is used by the writer alone until it is stopped. */
eng_status eng_writer_start(eng_conn *c, eng_writer **out, eng_error *err) ENG_MUST_CHECK;
eng_status eng_writer_do(eng_writer *w, eng_store_op *run, void *args,
                         eng_error *err) ENG_MUST_CHECK;
void eng_writer_count(eng_writer *w, eng_store_counters *out);
/* After the last operation has returned. */
void eng_writer_stop(eng_writer *w);

/* ENG_ECORRUPT where the file is shorter than it says itself. */
eng_status eng_store_check_length(const char *path, eng_error *err) ENG_MUST_CHECK;
const char *eng_store_path(const eng_store *s);
/* Of the log that stands beside a database, to be freed; NULL when memory ran out. */
char *eng_store_log_path(const char *path);

/* ---- Tables (schema.c) --------------------------------------------------------------------------- */

/* Whether it is a database of ours: its version, 0 for an empty one. ENG_ECORRUPT where it belongs to
 * another program, ENG_EVERSION where it is newer. */
eng_status eng_schema_version(eng_conn *c, int *version, eng_error *err) ENG_MUST_CHECK;
/* The bytes of a new file, with all tables in it. */
eng_status eng_schema_image(eng_buf *out, eng_error *err) ENG_MUST_CHECK;
/* From the version it has to a later one, in one transaction. */
eng_status eng_schema_migrate(eng_conn *c, int to, eng_error *err) ENG_MUST_CHECK;
/* Calls `differs` with a sentence for each table and index that is not as its version has it. */
eng_status eng_schema_compare(eng_conn *c, void (*differs)(void *ctx, const char *message),
                              void *ctx, eng_error *err) ENG_MUST_CHECK;
/* Of the tables and indexes it has; and what it should be, of a version. */
uint64_t eng_schema_known(int version);
eng_status eng_schema_fingerprint(eng_conn *c, uint64_t *out, eng_error *err) ENG_MUST_CHECK;

/* ---- Knowledge (collection.c, document.c, generation.c) -------------------------------------------- */

/* Adds to a collection's sums, and one to its version. ENG_ENOTFOUND where it is not there. */
typedef struct {
    int64_t documents;
    int64_t passages;
    int64_t bytes;
} eng_sums;
eng_status eng_collection_add_sums(eng_conn *c, int64_t id, eng_sums sums,
                                   eng_error *err) ENG_MUST_CHECK;
/* 0 where there is none. */
eng_status eng_collection_active(eng_conn *c, int64_t id, int64_t *generation, int64_t *cutting,
                                 eng_error *err) ENG_MUST_CHECK;

/* seq is the log's to choose. */
eng_status eng_change_note(eng_conn *c, int64_t collection, const eng_store_change *change,
                           eng_error *err) ENG_MUST_CHECK;
eng_status eng_change_last(eng_conn *c, int64_t collection, int64_t *seq,
                           eng_error *err) ENG_MUST_CHECK;

/* Where the parts of a document go. */
typedef struct {
    int64_t collection;
    int64_t generation;
    int64_t cutting;
    int64_t document;
} eng_parts_place;
eng_status eng_parts_add(eng_conn *c, const eng_parts_place *place, const eng_store_parts *parts,
                         eng_error *err) ENG_MUST_CHECK;
/* Row by row, for who has no list of them. A passage's id is eng_sql_made. */
eng_status eng_parts_add_passage(eng_conn *c, const eng_parts_place *place,
                                 const eng_store_passage *p, eng_error *err) ENG_MUST_CHECK;
eng_status eng_parts_add_vector(eng_conn *c, int64_t generation, int64_t passage, uint32_t dims,
                                const eng_store_vector *v, eng_error *err) ENG_MUST_CHECK;
/* A new document as it is given, with its text; fills in the id. */
eng_status eng_document_add(eng_conn *c, eng_store_document *d, eng_str text,
                            eng_error *err) ENG_MUST_CHECK;
/* Collections that were on their way in when a program ended are dropped. */
eng_status eng_import_forget(eng_conn *c, eng_error *err) ENG_MUST_CHECK;

/* What the two ways of a carried collection share (carry.c, import.c). */
struct eng_carry {
    eng_conn *conn;
    int64_t version; /* of the file's layout */
    eng_arena arena;
    eng_carried about;
};

/* Its passages, in one cutting or (cutting 0) in all, and their vectors; notes that they went. *count
 * is that of the cutting `counted`. */
eng_status eng_parts_remove(eng_conn *c, const eng_parts_place *place, int64_t counted,
                            int64_t *count, eng_error *err) ENG_MUST_CHECK;

/* Whether a collection, a generation or changes were dropped and are not yet all removed. */
eng_status eng_store_find_dropped(eng_conn *c, bool *out, eng_error *err) ENG_MUST_CHECK;
/* A piece of what was dropped is removed; *more: there may be another. */
eng_status eng_store_empty(eng_conn *c, bool *more, eng_error *err) ENG_MUST_CHECK;

#endif
