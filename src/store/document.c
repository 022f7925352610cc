/* Documents: replaced whole or not at all, with all that was made of them. */
#include "base/clock.h"
#include "store/store_internal.h"

/* ---- Putting ---- */

typedef struct {
    int64_t collection;
    int64_t generation;
    int64_t cutting; /* of the generation */
    eng_store_put *puts;
    size_t count;
    eng_sums sums;
} putting;

/* What is there under that name. */
typedef struct {
    int64_t id; /* 0: nothing */
    uint64_t version;
    unsigned char hash[ENG_STORE_HASH];
    uint64_t bytes;
    int64_t created_ms;
    int64_t updated_ms;
} earlier;

static eng_status find_earlier(eng_conn *c, int64_t collection, eng_str name, earlier *out,
                               eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT id, version, hash, bytes, created_ms, updated_ms "
                               "FROM document WHERE collection = ? AND name = ?");
    eng_sql_int(&q, collection);
    eng_sql_text(&q, name);
    *out = (earlier){0};
    if (eng_sql_row(&q)) {
        out->id = eng_sql_get_int(&q, 0);
        out->version = (uint64_t)eng_sql_get_int(&q, 1);
        eng_sql_get_bytes(&q, 2, out->hash, sizeof out->hash);
        out->bytes = (uint64_t)eng_sql_get_int(&q, 3);
        out->created_ms = eng_sql_get_int(&q, 4);
        out->updated_ms = eng_sql_get_int(&q, 5);
    }
    return eng_sql_end(&q, err);
}

/* The columns that both ways of writing have, in this order. */
static void bind_document(eng_sql *q, const eng_store_document *d)
{
    eng_sql_int(q, (int64_t)d->version);
    eng_sql_blob(q, d->hash, sizeof d->hash);
    eng_sql_count(q, d->bytes);
    eng_sql_count(q, d->tokens);
    eng_sql_int(q, d->updated_ms);
    eng_sql_text(q, d->language);
    eng_sql_text(q, d->title);
    eng_sql_text(q, d->url);
    eng_sql_text(q, d->metadata);
}

static eng_status insert_document(eng_conn *c, eng_store_document *d, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO document (version, hash, bytes, tokens, updated_ms, "
                               "language, title, url, metadata, collection, name, created_ms) "
                               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_document(&q, d);
    eng_sql_int(&q, d->collection);
    eng_sql_text(&q, d->name);
    eng_sql_int(&q, d->created_ms);
    eng_status status = eng_sql_end(&q, err);
    d->id = eng_sql_made(c);
    return status;
}

static eng_status update_document(eng_conn *c, const eng_store_document *d, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE document SET version = ?, hash = ?, bytes = ?, tokens = ?, "
                               "updated_ms = ?, language = ?, title = ?, url = ?, metadata = ? "
                               "WHERE id = ?");
    bind_document(&q, d);
    eng_sql_int(&q, d->id);
    return eng_sql_end(&q, err);
}

static eng_status write_text(eng_conn *c, const eng_store_document *d, eng_str text, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO document_text (document, text, blocks) "
                               "VALUES (?, ?, ?) ON CONFLICT (document) DO UPDATE "
                               "SET text = excluded.text, blocks = excluded.blocks");
    eng_sql_int(&q, d->id);
    eng_sql_text(&q, text.ptr ? text : ENG_STR(""));
    eng_sql_blob(&q, d->blocks.ptr, d->blocks.len);
    return eng_sql_end(&q, err);
}

eng_status eng_document_add(eng_conn *c, eng_store_document *d, eng_str text, eng_error *err)
{
    eng_status status = insert_document(c, d, err);
    return status < 0 ? status : write_text(c, d, text, err);
}

static eng_status replace(eng_conn *c, putting *p, eng_store_put *put, const earlier *was,
                          eng_error *err)
{
    eng_parts_place all = {.collection = p->collection, .document = was->id};
    int64_t passages = 0;
    eng_status status = eng_parts_remove(c, &all, p->cutting, &passages, err);
    if (status == ENG_OK)
        status = update_document(c, &put->document, err);
    p->sums.passages -= passages;
    p->sums.bytes -= (int64_t)was->bytes;
    return status;
}

static eng_status put_one(eng_conn *c, putting *p, eng_store_put *put, eng_error *err)
{
    earlier was;
    eng_store_document *d = &put->document;
    eng_status status = find_earlier(c, p->collection, d->name, &was, err);
    if (status < 0)
        return status;
    bool same = was.id && memcmp(was.hash, d->hash, sizeof was.hash) == 0;
    put->fate = same ? ENG_STORE_UNCHANGED : was.id ? ENG_STORE_REPLACED : ENG_STORE_ADDED;
    d->collection = p->collection;
    d->id = was.id;
    d->version = same ? was.version : was.version + 1;
    d->bytes = put->text.len;
    d->passages = put->parts.passage_count;
    d->updated_ms = same ? was.updated_ms : eng_clock_wall_ms();
    d->created_ms = was.id ? was.created_ms : d->updated_ms;
    if (same)
        return ENG_OK;

    status = was.id ? replace(c, p, put, &was, err) : insert_document(c, d, err);
    if (status == ENG_OK)
        status = write_text(c, d, put->text, err);
    eng_parts_place place = {p->collection, p->generation, p->cutting, d->id};
    if (status == ENG_OK)
        status = eng_parts_add(c, &place, &put->parts, err);
    p->sums.documents += was.id == 0;
    p->sums.passages += (int64_t)put->parts.passage_count;
    p->sums.bytes += (int64_t)d->bytes;
    return status;
}

static eng_status put_documents(eng_conn *c, void *args, eng_error *err)
{
    putting *p = args;
    int64_t active = 0;
    p->sums = (eng_sums){0};
    eng_status status = eng_collection_active(c, p->collection, &active, &p->cutting, err);
    if (status == ENG_OK && active != p->generation)
        status = eng_fail(err, ENG_ECONFLICT, "another generation of collection %lld is active now",
                          (long long)p->collection);
    bool changed = false;
    for (size_t i = 0; i < p->count && status == ENG_OK; i++) {
        status = put_one(c, p, &p->puts[i], err);
        changed = changed || p->puts[i].fate != ENG_STORE_UNCHANGED;
    }
    if (status == ENG_OK && changed)
        status = eng_collection_add_sums(c, p->collection, p->sums, err);
    return status;
}

eng_status eng_store_document_put(eng_store *s, int64_t collection, int64_t generation,
                                  eng_store_put *puts, size_t count, eng_error *err)
{
    putting p = {.collection = collection, .generation = generation, .puts = puts, .count = count};
    return eng_store_write(s, put_documents, &p, err);
}

/* ---- Removing ---- */

typedef struct {
    int64_t collection;
    int64_t cutting;
    const eng_str *names;
    size_t count;
    size_t removed;
    eng_sums sums;
} removing;

/* Its text goes with it, by the tables' own rule. */
static eng_status remove_row(eng_conn *c, int64_t id, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "DELETE FROM document WHERE id = ?");
    eng_sql_int(&q, id);
    return eng_sql_end(&q, err);
}

static eng_status remove_one(eng_conn *c, removing *r, eng_str name, eng_error *err)
{
    earlier was;
    int64_t passages = 0;
    eng_status status = find_earlier(c, r->collection, name, &was, err);
    if (status < 0 || was.id == 0)
        return status;
    eng_parts_place all = {.collection = r->collection, .document = was.id};
    status = eng_parts_remove(c, &all, r->cutting, &passages, err);
    if (status == ENG_OK)
        status = remove_row(c, was.id, err);
    r->removed++;
    r->sums.documents--;
    r->sums.passages -= passages;
    r->sums.bytes -= (int64_t)was.bytes;
    return status;
}

static eng_status remove_documents(eng_conn *c, void *args, eng_error *err)
{
    removing *r = args;
    int64_t active = 0;
    r->removed = 0;
    r->sums = (eng_sums){0};
    eng_status status = eng_collection_active(c, r->collection, &active, &r->cutting, err);
    for (size_t i = 0; i < r->count && status == ENG_OK; i++)
        status = remove_one(c, r, r->names[i], err);
    if (status == ENG_OK && r->removed)
        status = eng_collection_add_sums(c, r->collection, r->sums, err);
    return status;
}

eng_status eng_store_document_remove(eng_store *s, int64_t collection, const eng_str *names,
                                     size_t count, size_t *removed, eng_error *err)
{
    removing r = {.collection = collection, .names = names, .count = count};
    eng_status status = eng_store_write(s, remove_documents, &r, err);
    if (status == ENG_OK)
        *removed = r.removed;
    return status;
}

/* ---- Looking ---- */

#define DOCUMENT                                                                                   \
    "SELECT d.id, d.collection, d.name, d.version, d.hash, d.language, d.title, d.url, "           \
    "d.metadata, d.bytes, d.tokens, d.created_ms, d.updated_ms, "                                  \
    "(SELECT count(*) FROM passage p WHERE p.document = d.id AND p.cutting = g.cutting) "          \
    "FROM document d JOIN collection c ON c.id = d.collection AND c.state = 1 "                    \
    "LEFT JOIN generation g ON g.id = c.active "

static void read_document(eng_sql *q, eng_arena *arena, eng_store_document *out)
{
    *out = (eng_store_document){
        .id = eng_sql_get_int(q, 0),
        .collection = eng_sql_get_int(q, 1),
        .name = eng_sql_get_text(q, 2, arena),
        .version = (uint64_t)eng_sql_get_int(q, 3),
        .language = eng_sql_get_text(q, 5, arena),
        .title = eng_sql_get_text(q, 6, arena),
        .url = eng_sql_get_text(q, 7, arena),
        .metadata = eng_sql_get_text(q, 8, arena),
        .bytes = (uint64_t)eng_sql_get_int(q, 9),
        .tokens = (uint64_t)eng_sql_get_int(q, 10),
        .created_ms = eng_sql_get_int(q, 11),
        .updated_ms = eng_sql_get_int(q, 12),
        .passages = (uint64_t)eng_sql_get_int(q, 13),
    };
    eng_sql_get_bytes(q, 4, out->hash, sizeof out->hash);
}

typedef struct {
    int64_t collection;
    eng_str name;
    const unsigned char *hash;
    const int64_t *ids;
    int64_t after;
    size_t limit;
    eng_arena *arena;
    eng_store_document *documents;
    size_t count;
    eng_str *texts; /* NULL: not wanted */
} look;

static eng_status read_text(eng_conn *c, eng_store_document *d, eng_arena *arena, eng_str *out,
                            eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT text, blocks FROM document_text WHERE document = ?");
    eng_sql_int(&q, d->id);
    if (eng_sql_row(&q)) {
        *out = eng_sql_get_text(&q, 0, arena);
        d->blocks = eng_sql_get_text(&q, 1, arena);
    }
    return eng_sql_end(&q, err);
}

/* The first row, if there is one, and its text, if it is wanted. */
static eng_status take_one(eng_conn *c, look *l, eng_sql *q, eng_error *err)
{
    bool there = eng_sql_row(q);
    if (there)
        read_document(q, l->arena, l->documents);
    eng_status status = eng_sql_end(q, err);
    if (status < 0)
        return status;
    if (!there)
        return eng_fail(err, ENG_ENOTFOUND, "no document '%.*s'",
                        ENG_FMT(eng_str_sub(l->name, 0, 200)));
    return l->texts ? read_text(c, l->documents, l->arena, l->texts, err) : ENG_OK;
}

static eng_status get_document(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_sql q = eng_sql_use(c, DOCUMENT "WHERE d.collection = ? AND d.name = ?");
    eng_sql_int(&q, l->collection);
    eng_sql_text(&q, l->name);
    return take_one(c, l, &q, err);
}

eng_status eng_store_document_get(eng_store *s, int64_t collection, eng_str name, eng_arena *arena,
                                  eng_store_document *out, eng_str *text, eng_error *err)
{
    eng_store_document found;
    eng_str its_text = {NULL, 0};
    look l = {.collection = collection,
              .name = name,
              .arena = arena,
              .documents = &found,
              .texts = text ? &its_text : NULL};
    eng_status status = eng_store_read(s, get_document, &l, err);
    if (status < 0)
        return status;
    *out = found;
    if (text)
        *text = its_text;
    return ENG_OK;
}

static eng_status find_document(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_sql q = eng_sql_use(c, DOCUMENT "WHERE d.collection = ? AND d.hash = ? "
                                        "ORDER BY d.id LIMIT 1");
    eng_sql_int(&q, l->collection);
    eng_sql_blob(&q, l->hash, ENG_STORE_HASH);
    return take_one(c, l, &q, err);
}

eng_status eng_store_document_find(eng_store *s, int64_t collection,
                                   const unsigned char hash[ENG_STORE_HASH], eng_arena *arena,
                                   eng_store_document *out, eng_error *err)
{
    eng_store_document found;
    look l = {.collection = collection,
              .name = ENG_STR("of that hash"),
              .hash = hash,
              .arena = arena,
              .documents = &found};
    eng_status status = eng_store_read(s, find_document, &l, err);
    if (status == ENG_OK)
        *out = found;
    return status;
}

static eng_status batch_documents(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_status status = ENG_OK;
    for (size_t i = 0; i < l->count && status == ENG_OK; i++) {
        l->documents[i] = (eng_store_document){0};
        eng_sql q = eng_sql_use(c, DOCUMENT "WHERE d.id = ?");
        eng_sql_int(&q, l->ids[i]);
        if (eng_sql_row(&q))
            read_document(&q, l->arena, &l->documents[i]);
        status = eng_sql_end(&q, err);
        if (status == ENG_OK && l->texts) {
            l->texts[i] = (eng_str){NULL, 0};
            if (l->documents[i].id)
                status = read_text(c, &l->documents[i], l->arena, &l->texts[i], err);
        }
    }
    return status;
}

eng_status eng_store_document_batch(eng_store *s, const int64_t *ids, size_t count,
                                    eng_arena *arena, eng_store_document **out, eng_str **texts,
                                    eng_error *err)
{
    look l = {.ids = ids, .count = count, .arena = arena};
    l.documents = eng_arena_array(arena, count, sizeof *l.documents);
    if (texts)
        l.texts = eng_arena_array(arena, count, sizeof *l.texts);
    if (!l.documents || (texts && !l.texts))
        return eng_fail_nomem(err);
    eng_status status = eng_store_read(s, batch_documents, &l, err);
    if (status < 0)
        return status;
    *out = l.documents;
    if (texts)
        *texts = l.texts;
    return ENG_OK;
}

static eng_status page_documents(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_list list = {.arena = l->arena, .size = sizeof *l->documents};
    eng_sql q = eng_sql_use(c, DOCUMENT "WHERE d.collection = ? AND d.id > ? "
                                        "ORDER BY d.id LIMIT ?");
    eng_sql_int(&q, l->collection);
    eng_sql_int(&q, l->after);
    eng_sql_count(&q, l->limit);
    while (eng_sql_row(&q)) {
        eng_store_document *d = eng_list_add(&list, &q);
        if (d)
            read_document(&q, l->arena, d);
    }
    l->documents = list.items;
    l->count = list.count;
    return eng_sql_end(&q, err);
}

eng_status eng_store_document_page(eng_store *s, int64_t collection, int64_t after, size_t limit,
                                   eng_arena *arena, eng_store_document **out, size_t *count,
                                   eng_error *err)
{
    look l = {.collection = collection, .after = after, .limit = limit, .arena = arena};
    eng_status status = eng_store_read(s, page_documents, &l, err);
    if (status == ENG_OK) {
        *out = l.documents;
        *count = l.count;
    }
    return status;
}
