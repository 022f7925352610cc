/*
 * The tables, as numbered migrations: the n-th makes version n out of version n - 1. One that was
 * released is never changed; a change of the tables is a new one at the end.
 *
 *     small         name -> value
 *     api_key       hashes of keys
 *     job           long work; an index over what has not ended
 *
 *     collection ---< document --- document_text
 *         |               |
 *         |               +---< passage >--- cutting     one way of cutting a collection's texts
 *         |                        |            |
 *         +---< generation --------|------------+        one complete embedding of a cutting
 *         |         |              |
 *         |         +----------< vector                  of a passage, its title or a sentence of it
 *         +---< change                                   what derived indexes have still to follow
 *
 *     model ---< model_version      models for tables and texts: which file, and which is active
 *     feedback                      products and their right categories, for the next training
 *
 * Rules that all tables keep. Rows are STRICT: a column holds the type that it says. What others refer
 * to has an id that is never used again (AUTOINCREMENT), so that an index that lags cannot take one
 * thing for another. Times are milliseconds of UTC. A text in a table of its own keeps lists short.
 *
 * A document keeps its id when its text is replaced, but its passages are new ones. Passages of a
 * document in a cutting are made in one transaction, so their ids are consecutive, and a change names
 * them as a range: it can still be read when they are gone.
 *
 * A collection or generation that is dropped is only marked, then emptied in pieces (state 2), so that
 * nobody waits for a hundred thousand deletes.
 */
#include "base/hash.h"
#include "store/store_internal.h"

#include <stdio.h>

/* "engo": what PRAGMA application_id says of a database of ours. */
#define APPLICATION_ID 0x656e676f

static const char version_1[] =
    "CREATE TABLE small (\n"
    "    name TEXT PRIMARY KEY,\n"
    "    value BLOB NOT NULL\n"
    ") STRICT;\n"

    "CREATE TABLE api_key (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    name TEXT NOT NULL UNIQUE,\n" /* what a key's text begins with */
    "    title TEXT NOT NULL,\n"
    "    role INTEGER NOT NULL,\n"
    "    rate INTEGER NOT NULL,\n"
    "    hash BLOB NOT NULL,\n"
    "    created_ms INTEGER NOT NULL\n"
    ") STRICT;\n"

    "CREATE TABLE job (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    kind TEXT NOT NULL,\n"
    "    state INTEGER NOT NULL,\n" /* of eng_job_state */
    "    done INTEGER NOT NULL DEFAULT 0,\n"
    "    total INTEGER NOT NULL DEFAULT 0,\n"
    "    owner TEXT,\n"
    "    lease_ms INTEGER NOT NULL DEFAULT 0,\n"
    "    attempt INTEGER NOT NULL DEFAULT 0,\n"
    "    cancel INTEGER NOT NULL DEFAULT 0,\n"
    "    created_ms INTEGER NOT NULL,\n"
    "    started_ms INTEGER NOT NULL DEFAULT 0,\n"
    "    ended_ms INTEGER NOT NULL DEFAULT 0,\n"
    "    params TEXT NOT NULL,\n"
    "    result TEXT,\n"
    "    error TEXT\n"
    ") STRICT;\n"
    /* Queued or running: few, however many have ended. */
    "CREATE INDEX job_open ON job (state) WHERE state < 2;\n";

static const char version_2[] =
    "CREATE TABLE collection (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    name TEXT NOT NULL,\n"
    "    title TEXT NOT NULL,\n"
    "    state INTEGER NOT NULL,\n" /* 0 on its way in, 1 there, 2 being dropped */
    "    active INTEGER REFERENCES generation (id),\n" /* the one that answers */
    "    version INTEGER NOT NULL,\n"   /* grows with every change to what it holds */
    "    documents INTEGER NOT NULL,\n" /* sums, so that a list need not count */
    "    passages INTEGER NOT NULL,\n"  /* of the active generation's cutting */
    "    bytes INTEGER NOT NULL,\n"
    "    forgotten INTEGER NOT NULL,\n" /* changes up to this one are no longer kept */
    "    created_ms INTEGER NOT NULL,\n"
    "    updated_ms INTEGER NOT NULL,\n"
    "    settings TEXT NOT NULL\n" /* JSON */
    ") STRICT;\n"
    /* A name is free again as soon as its collection is being dropped. */
    "CREATE UNIQUE INDEX collection_name ON collection (name) WHERE state = 1;\n"

    "CREATE TABLE cutting (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    collection INTEGER NOT NULL REFERENCES collection (id),\n"
    "    created_ms INTEGER NOT NULL,\n"
    "    settings TEXT NOT NULL\n" /* JSON: size, overlap, unit */
    ") STRICT;\n"
    "CREATE INDEX cutting_collection ON cutting (collection);\n"

    "CREATE TABLE generation (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    collection INTEGER NOT NULL REFERENCES collection (id),\n"
    "    cutting INTEGER NOT NULL REFERENCES cutting (id),\n"
    "    state INTEGER NOT NULL,\n" /* 0 being filled, 1 whole, 2 being dropped */
    "    model TEXT NOT NULL,\n"
    "    dims INTEGER NOT NULL,\n"
    "    type INTEGER NOT NULL,\n"     /* of the numbers in its vectors: 1 float32 */
    "    document INTEGER NOT NULL,\n" /* while being filled: documents up to this id are in, */
    "    seq INTEGER NOT NULL,\n"      /* as of this change */
    "    created_ms INTEGER NOT NULL,\n"
    "    settings TEXT NOT NULL\n" /* JSON: what the model is asked with */
    ") STRICT;\n"
    "CREATE INDEX generation_collection ON generation (collection);\n"
    "CREATE INDEX generation_cutting ON generation (cutting);\n"

    "CREATE TABLE document (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    collection INTEGER NOT NULL REFERENCES collection (id),\n"
    "    name TEXT NOT NULL,\n"       /* the id that its owner gave, or one made of its content */
    "    version INTEGER NOT NULL,\n" /* 1, and one more with each replacement */
    "    hash BLOB NOT NULL,\n"       /* of all that makes it what it is: unchanged or replaced */
    "    bytes INTEGER NOT NULL,\n"
    "    tokens INTEGER NOT NULL,\n"
    "    created_ms INTEGER NOT NULL,\n"
    "    updated_ms INTEGER NOT NULL,\n"
    "    language TEXT,\n"
    "    title TEXT,\n"
    "    url TEXT,\n"
    "    metadata TEXT\n" /* JSON */
    ") STRICT;\n"
    "CREATE UNIQUE INDEX document_name ON document (collection, name);\n"
    "CREATE INDEX document_collection ON document (collection);\n" /* in the order of ids */
    "CREATE INDEX document_hash ON document (collection, hash);\n"

    "CREATE TABLE document_text (\n"
    "    document INTEGER PRIMARY KEY REFERENCES document (id) ON DELETE CASCADE,\n"
    "    text TEXT NOT NULL\n"
    ") STRICT;\n"

    "CREATE TABLE passage (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    cutting INTEGER NOT NULL REFERENCES cutting (id),\n"
    "    document INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,\n"
    "    kind INTEGER NOT NULL,\n"  /* prose, table, code ... as its cutter says */
    "    start INTEGER NOT NULL,\n" /* bytes of the document's text */
    "    end INTEGER NOT NULL,\n"
    "    tokens INTEGER NOT NULL,\n"
    "    heading TEXT\n" /* what stands above it */
    ") STRICT;\n"
    "CREATE INDEX passage_document ON passage (document, cutting);\n"
    "CREATE INDEX passage_cutting ON passage (cutting);\n"

    "CREATE TABLE vector (\n"
    "    unit INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    generation INTEGER NOT NULL REFERENCES generation (id),\n"
    "    passage INTEGER NOT NULL REFERENCES passage (id) ON DELETE CASCADE,\n"
    "    kind INTEGER NOT NULL,\n"  /* of the whole passage, its title, a sentence */
    "    start INTEGER NOT NULL,\n" /* of what, in bytes of the document's text */
    "    end INTEGER NOT NULL,\n"
    "    data BLOB NOT NULL\n"
    ") STRICT;\n"
    "CREATE INDEX vector_generation ON vector (generation);\n"
    "CREATE INDEX vector_passage ON vector (passage);\n"

    "CREATE TABLE change (\n"
    "    seq INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    collection INTEGER NOT NULL REFERENCES collection (id),\n"
    "    what INTEGER NOT NULL,\n" /* passages came, passages went, another generation is active */
    "    document INTEGER,\n"
    "    cutting INTEGER,\n"
    "    generation INTEGER,\n"
    "    first INTEGER,\n" /* passages */
    "    last INTEGER\n"
    ") STRICT;\n"
    "CREATE INDEX change_collection ON change (collection);\n"

    "CREATE TABLE model (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    kind INTEGER NOT NULL,\n" /* for tables, for texts */
    "    name TEXT NOT NULL,\n"
    "    active INTEGER,\n"   /* version */
    "    previous INTEGER,\n" /* what a rollback goes back to */
    "    created_ms INTEGER NOT NULL,\n"
    "    updated_ms INTEGER NOT NULL\n"
    ") STRICT;\n"
    "CREATE UNIQUE INDEX model_name ON model (kind, name);\n"

    "CREATE TABLE model_version (\n"
    "    model INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,\n"
    "    version INTEGER NOT NULL,\n"
    "    hash BLOB NOT NULL,\n" /* of its file, which is named after it */
    "    format TEXT NOT NULL,\n"
    "    filename TEXT,\n" /* as it was sent */
    "    bytes INTEGER NOT NULL,\n"
    "    created_ms INTEGER NOT NULL,\n"
    "    info TEXT NOT NULL,\n" /* JSON: features, classes, figures of its training */
    "    PRIMARY KEY (model, version)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE INDEX model_version_hash ON model_version (hash);\n";

static const char version_3[] =
    "CREATE TABLE feedback (\n"
    "    id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "    created_ms INTEGER NOT NULL,\n"
    "    product TEXT NOT NULL\n" /* JSON, with the category that was right */
    ") STRICT;\n";

static const char version_4[] =
    "ALTER TABLE document_text ADD COLUMN blocks BLOB;\n"; /* NULL: what the text shows itself */

static const char *const migrations[] = {version_1, version_2, version_3, version_4};

_Static_assert(sizeof migrations / sizeof *migrations == ENG_STORE_VERSION,
               "the header's version is that of the last migration");

/* ---- Versions ---- */

static eng_status number(eng_conn *c, const char *text, int64_t *out, eng_error *err)
{
    eng_sql q = eng_sql_use(c, text);
    if (eng_sql_row(&q))
        *out = eng_sql_get_int(&q, 0);
    return eng_sql_end(&q, err);
}

eng_status eng_schema_version(eng_conn *c, int *version, eng_error *err)
{
    int64_t application = 0, user = 0, tables = 0;
    eng_status status = number(c, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (status == ENG_OK)
        status = number(c, "PRAGMA application_id", &application, err);
    if (status == ENG_OK)
        status = number(c, "PRAGMA user_version", &user, err);
    if (status < 0)
        return status;
    if (application == 0 && user == 0 && tables == 0) {
        *version = 0;
        return ENG_OK;
    }
    if (application != APPLICATION_ID)
        return eng_fail(err, ENG_ECORRUPT, "'%s' is a database of another program", c->path);
    if (user > ENG_STORE_VERSION)
        return eng_fail(err, ENG_EVERSION,
                        "'%s' was written by a newer engenho: its tables are version %lld, this "
                        "program's are %d",
                        c->path, (long long)user, ENG_STORE_VERSION);
    if (user < 1)
        return eng_fail(err, ENG_ECORRUPT, "'%s' is damaged: it has no version", c->path);
    *version = (int)user;
    return ENG_OK;
}

static eng_status set_version(eng_conn *c, int version, eng_error *err)
{
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, version);
    return eng_conn_script(c, text, err);
}

eng_status eng_schema_migrate(eng_conn *c, int to, eng_error *err)
{
    int from = 0;
    eng_status status = eng_conn_begin(c, true, err);
    if (status < 0)
        return status;
    /* Under the transaction: nobody else migrates. */
    status = eng_schema_version(c, &from, err);
    for (int v = from; v < to && status == ENG_OK; v++)
        status = eng_conn_script(c, migrations[v], err);
    if (status == ENG_OK && from < to)
        status = set_version(c, to, err);
    if (status == ENG_OK)
        status = eng_sql_run(c, "COMMIT", err);
    if (status < 0)
        eng_conn_rollback(c);
    return status;
}

/* ---- A new file ---- */

/* Made in memory, so that the file is there whole or not at all, after one sync instead of a dozen. */
eng_status eng_schema_image(eng_buf *out, eng_error *err)
{
    /* In a file's header: what may write it and what may read it is a program that knows the log.
     * A database in memory has none, and a file that says so need not be told (fileformat2.html). */
    enum { HEADER_WRITES = 18, HEADER_READS = 19, LOG = 2 };
    eng_conn *c = NULL;
    sqlite3_int64 size = 0;
    unsigned char *image = NULL;
    eng_status status = eng_conn_open_scratch(&c, err);
    if (status == ENG_OK)
        status = eng_schema_migrate(c, ENG_STORE_VERSION, err);
    if (status < 0)
        goto done;
    image = sqlite3_serialize(c->db, "main", &size, 0);
    if (!image) {
        status = eng_fail_nomem(err);
        goto done;
    }
    image[HEADER_WRITES] = image[HEADER_READS] = LOG;
    eng_buf_bytes(out, image, (size_t)size);
    status = eng_buf_check(out, "a new database", err);
done:
    sqlite3_free(image);
    eng_conn_close(c);
    return status;
}

/* ---- Comparing ---- */

static const char listing[] = "SELECT name, type, sql FROM sqlite_schema "
                              "WHERE substr(name, 1, 7) <> 'sqlite_' ORDER BY name";

static eng_str column(eng_sql *q, int i)
{
    const unsigned char *text = sqlite3_column_text(q->stmt, i);
    if (!text && sqlite3_errcode(q->conn->db) == SQLITE_NOMEM)
        q->code = SQLITE_NOMEM;
    return eng_str_of(text ? (const char *)text : "");
}

static bool same_row(eng_sql *have, eng_sql *want)
{
    return eng_str_eq(column(have, 1), column(want, 1)) &&
           eng_str_eq(column(have, 2), column(want, 2));
}

/* Which of two rows comes first: < 0 where `want` has nothing of that name, > 0 the other way round. */
static int order_of(eng_sql *have, eng_sql *want)
{
    if (have->code != SQLITE_ROW)
        return 1;
    if (want->code != SQLITE_ROW)
        return -1;
    return eng_str_cmp(column(have, 0), column(want, 0));
}

static void tell(eng_sql *row, const char *what, void (*differs)(void *ctx, const char *message),
                 void *ctx)
{
    char message[256];
    eng_str type = eng_str_sub(column(row, 1), 0, 20), name = eng_str_sub(column(row, 0), 0, 128);
    snprintf(message, sizeof message, "%.*s '%.*s' %s", ENG_FMT(type), ENG_FMT(name), what);
    if (row->code == SQLITE_ROW)
        differs(ctx, message);
}

/* Both are in the order of names. */
static void compare_rows(eng_sql *have, eng_sql *want,
                         void (*differs)(void *ctx, const char *message), void *ctx)
{
    eng_sql_row(have);
    eng_sql_row(want);
    while (have->code == SQLITE_ROW || want->code == SQLITE_ROW) {
        int order = order_of(have, want);
        if (order < 0)
            tell(have, "is none of ours", differs, ctx);
        else if (order > 0)
            tell(want, "is missing", differs, ctx);
        else if (!same_row(have, want))
            tell(have, "is not as it was made", differs, ctx);
        if (order <= 0 && !eng_sql_row(have) && have->code != SQLITE_DONE)
            return;
        if (order >= 0 && !eng_sql_row(want) && want->code != SQLITE_DONE)
            return;
    }
}

/*
 * What a listing hashes to. The known ones only save the time of making the tables anew at each start:
 * a listing that hashes to none of them is compared row by row, and may prove to be the same after all.
 */
static const uint64_t known[] = {
    [1] = UINT64_C(0xb35277aa5fe80f29),
    [2] = UINT64_C(0x9f71a2e65d35e692),
    [3] = UINT64_C(0xf561a33f09aa3add),
    [4] = UINT64_C(0x6d228189b44d29e9),
};

uint64_t eng_schema_known(int version) { return known[version]; }

eng_status eng_schema_fingerprint(eng_conn *c, uint64_t *out, eng_error *err)
{
    uint64_t key[2] = {0, 0};
    eng_sql q = eng_sql_use(c, listing);
    while (eng_sql_row(&q)) {
        for (int i = 0; i < 3; i++) {
            eng_str text = column(&q, i);
            key[0] = eng_siphash(text.ptr, text.len, key);
            key[1]++;
        }
    }
    *out = key[0];
    return eng_sql_end(&q, err);
}

eng_status eng_schema_compare(eng_conn *c, void (*differs)(void *ctx, const char *message),
                              void *ctx, eng_error *err)
{
    int version = 0;
    uint64_t fingerprint = 0;
    eng_conn *model = NULL;
    eng_status status = eng_schema_version(c, &version, err);
    if (status == ENG_OK)
        status = eng_schema_fingerprint(c, &fingerprint, err);
    if (status < 0 || (version > 0 && fingerprint == known[version]))
        return status;
    status = eng_conn_open_scratch(&model, err);
    if (status == ENG_OK)
        status = eng_schema_migrate(model, version, err);
    if (status == ENG_OK) {
        eng_sql have = eng_sql_use(c, listing), want = eng_sql_use(model, listing);
        compare_rows(&have, &want, differs, ctx);
        status = eng_sql_end(&want, err);
        eng_status other = eng_sql_end(&have, status < 0 ? NULL : err);
        status = status < 0 ? status : other;
    }
    eng_conn_close(model);
    return status;
}
