/* Statements: kept by the connection under the address of their text, used with sticky errors. */
#include "store/store_internal.h"

static bool failed(const eng_sql *q)
{
    return q->code != SQLITE_OK && q->code != SQLITE_ROW && q->code != SQLITE_DONE;
}

/* The place of this text, taken or free. There are fewer texts in the program than places. */
static size_t place_of(const eng_conn *c, const char *text)
{
    uint64_t hash = (uint64_t)(uintptr_t)text * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (ENG_CONN_KEEPS - 1);
    while (c->kept[at].text && c->kept[at].text != text)
        at = (at + 1) & (ENG_CONN_KEEPS - 1);
    return at;
}

eng_sql eng_sql_use(eng_conn *c, const char *text)
{
    eng_sql q = {.conn = c};
    size_t at = place_of(c, text);
    if (!c->kept[at].text) {
        q.code = sqlite3_prepare_v3(c->db, text, -1, SQLITE_PREPARE_PERSISTENT, &c->kept[at].stmt,
                                    NULL);
        if (q.code == SQLITE_OK)
            c->kept[at].text = text;
    }
    q.stmt = c->kept[at].stmt;
    return q;
}

/* ---- Parameters ---- */

void eng_sql_int(eng_sql *q, int64_t value)
{
    if (!failed(q))
        q->code = sqlite3_bind_int64(q->stmt, ++q->bound, value);
}

void eng_sql_count(eng_sql *q, size_t value)
{
    eng_sql_int(q, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void eng_sql_text(eng_sql *q, eng_str value)
{
    if (!failed(q))
        q->code = sqlite3_bind_text64(q->stmt, ++q->bound, value.ptr, value.len, SQLITE_STATIC,
                                      SQLITE_UTF8);
}

void eng_sql_blob(eng_sql *q, const void *data, size_t len)
{
    if (!failed(q))
        q->code = sqlite3_bind_blob64(q->stmt, ++q->bound, data, len, SQLITE_STATIC);
}

/* ---- Rows ---- */

bool eng_sql_row(eng_sql *q)
{
    /* A step after the last would begin anew. */
    if (q->code == SQLITE_OK || q->code == SQLITE_ROW)
        q->code = sqlite3_step(q->stmt);
    return q->code == SQLITE_ROW;
}

int64_t eng_sql_get_int(eng_sql *q, int column)
{
    return q->code == SQLITE_ROW ? sqlite3_column_int64(q->stmt, column) : 0;
}

eng_str eng_sql_get_text(eng_sql *q, int column, eng_arena *arena)
{
    eng_str none = {NULL, 0};
    if (q->code != SQLITE_ROW || sqlite3_column_type(q->stmt, column) == SQLITE_NULL)
        return none;
    const void *data = sqlite3_column_blob(q->stmt, column);
    int len = sqlite3_column_bytes(q->stmt, column);
    eng_str copy = none;
    if (data || len == 0)
        copy = eng_arena_copy(arena, (eng_str){data ? data : "", (size_t)len});
    if (!copy.ptr)
        q->code = SQLITE_NOMEM;
    return copy;
}

void eng_sql_get_bytes(eng_sql *q, int column, void *out, size_t len)
{
    if (q->code != SQLITE_ROW)
        return;
    const void *data = sqlite3_column_blob(q->stmt, column);
    if (data && (size_t)sqlite3_column_bytes(q->stmt, column) == len)
        memcpy(out, data, len);
    else
        q->code = sqlite3_errcode(q->conn->db) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
}

void *eng_list_add(eng_list *l, eng_sql *q)
{
    if (q->code != SQLITE_ROW)
        return NULL;
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        char *items = eng_arena_array(l->arena, room, l->size);
        if (!items) {
            q->code = SQLITE_NOMEM;
            return NULL;
        }
        if (l->count)
            memcpy(items, l->items, l->count * l->size);
        l->items = items;
        l->room = room;
    }
    return (char *)l->items + l->count++ * l->size;
}

/* ---- The end ---- */

eng_status eng_sql_end(eng_sql *q, eng_error *err)
{
    while (eng_sql_row(q))
        ;
    /* The message is the connection's last, which giving back may replace. */
    eng_status status = failed(q) ? eng_conn_fail(q->conn, q->code, err) : ENG_OK;
    if (q->stmt)
        sqlite3_reset(q->stmt);
    q->stmt = NULL;
    return status;
}

eng_status eng_sql_run(eng_conn *c, const char *text, eng_error *err)
{
    eng_sql q = eng_sql_use(c, text);
    return eng_sql_end(&q, err);
}

int64_t eng_sql_changed(const eng_conn *c) { return sqlite3_changes64(c->db); }

int64_t eng_sql_made(const eng_conn *c) { return sqlite3_last_insert_rowid(c->db); }
