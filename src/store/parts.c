/* What indexes are made of: passages, vectors, and the log of changes. */
#include "base/check.h"
#include "store/store_internal.h"

/* ---- Changes ---- */

eng_status eng_change_note(eng_conn *c, int64_t collection, const eng_store_change *change,
                           eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO change (collection, what, document, cutting, "
                               "generation, first, last) VALUES (?, ?, ?, ?, ?, ?, ?)");
    eng_sql_int(&q, collection);
    eng_sql_int(&q, change->what);
    eng_sql_int(&q, change->document);
    eng_sql_int(&q, change->cutting);
    eng_sql_int(&q, change->generation);
    eng_sql_int(&q, change->first);
    eng_sql_int(&q, change->last);
    return eng_sql_end(&q, err);
}

/* What is forgotten counts: the log never seems to go back. */
eng_status eng_change_last(eng_conn *c, int64_t collection, int64_t *seq, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT max(ifnull((SELECT max(seq) FROM change "
                               "WHERE collection = ?1), 0), "
                               "ifnull((SELECT forgotten FROM collection WHERE id = ?1), 0))");
    eng_sql_int(&q, collection);
    if (eng_sql_row(&q))
        *seq = eng_sql_get_int(&q, 0);
    return eng_sql_end(&q, err);
}

typedef struct {
    int64_t collection;
    int64_t seq;
    size_t limit;
    eng_arena *arena;
    eng_store_change *changes;
    size_t count;
} follow;

static eng_status last_change(eng_conn *c, void *args, eng_error *err)
{
    follow *f = args;
    return eng_change_last(c, f->collection, &f->seq, err);
}

eng_status eng_store_change_last(eng_store *s, int64_t collection, int64_t *seq, eng_error *err)
{
    follow f = {.collection = collection};
    eng_status status = eng_store_read(s, last_change, &f, err);
    if (status == ENG_OK)
        *seq = f.seq;
    return status;
}

static eng_status check_kept(eng_conn *c, const follow *f, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT forgotten FROM collection WHERE id = ? AND state = 1");
    eng_sql_int(&q, f->collection);
    bool there = eng_sql_row(&q);
    int64_t forgotten = eng_sql_get_int(&q, 0);
    eng_status status = eng_sql_end(&q, err);
    if (status < 0)
        return status;
    if (!there)
        return eng_fail(err, ENG_ENOTFOUND, "no collection %lld", (long long)f->collection);
    if (f->seq < forgotten)
        return eng_fail(err, ENG_EVERSION, "changes up to %lld are no longer kept",
                        (long long)forgotten);
    return ENG_OK;
}

static eng_status page_changes(eng_conn *c, void *args, eng_error *err)
{
    follow *f = args;
    eng_status status = check_kept(c, f, err);
    if (status < 0)
        return status;
    eng_list list = {.arena = f->arena, .size = sizeof *f->changes};
    eng_sql q = eng_sql_use(c, "SELECT seq, what, document, cutting, generation, first, last "
                               "FROM change WHERE collection = ? AND seq > ? ORDER BY seq LIMIT ?");
    eng_sql_int(&q, f->collection);
    eng_sql_int(&q, f->seq);
    eng_sql_count(&q, f->limit);
    while (eng_sql_row(&q)) {
        eng_store_change *change = eng_list_add(&list, &q);
        if (change)
            *change = (eng_store_change){
                .seq = eng_sql_get_int(&q, 0),
                .what = (eng_store_what)eng_sql_get_int(&q, 1),
                .document = eng_sql_get_int(&q, 2),
                .cutting = eng_sql_get_int(&q, 3),
                .generation = eng_sql_get_int(&q, 4),
                .first = eng_sql_get_int(&q, 5),
                .last = eng_sql_get_int(&q, 6),
            };
    }
    f->changes = list.items;
    f->count = list.count;
    return eng_sql_end(&q, err);
}

eng_status eng_store_change_page(eng_store *s, int64_t collection, int64_t after, size_t limit,
                                 eng_arena *arena, eng_store_change **out, size_t *count,
                                 eng_error *err)
{
    follow f = {.collection = collection, .seq = after, .limit = limit, .arena = arena};
    eng_status status = eng_store_read(s, page_changes, &f, err);
    if (status == ENG_OK) {
        *out = f.changes;
        *count = f.count;
    }
    return status;
}

/* The rows themselves go when nobody waits. A generation that may still have to follow keeps them. */
static eng_status forget_changes(eng_conn *c, void *args, eng_error *err)
{
    const follow *f = args;
    eng_sql q = eng_sql_use(c, "UPDATE collection SET forgotten = max(forgotten, min(?2, "
                               "(SELECT ifnull(max(seq), 0) FROM change WHERE collection = ?1), "
                               "ifnull((SELECT min(seq) FROM generation g WHERE g.collection = ?1 "
                               "AND g.state < 2 AND g.id IS NOT active), ?2))) "
                               "WHERE id = ?1 AND state = 1");
    eng_sql_int(&q, f->collection);
    eng_sql_int(&q, f->seq);
    c->dropped = true;
    return eng_sql_end(&q, err);
}

eng_status eng_store_change_forget(eng_store *s, int64_t collection, int64_t seq, eng_error *err)
{
    follow f = {.collection = collection, .seq = seq};
    return eng_store_write(s, forget_changes, &f, err);
}

/* ---- Adding ---- */

/* Whether they are there already, and only vectors come. */
static bool already_cut(const eng_store_parts *parts)
{
    return parts->passage_count && parts->passages[0].id != 0;
}

eng_status eng_parts_add_passage(eng_conn *c, const eng_parts_place *place,
                                 const eng_store_passage *p, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO passage (cutting, document, kind, start, end, tokens, "
                               "heading) VALUES (?, ?, ?, ?, ?, ?, ?)");
    eng_sql_int(&q, place->cutting);
    eng_sql_int(&q, place->document);
    eng_sql_int(&q, p->kind);
    eng_sql_count(&q, p->start);
    eng_sql_count(&q, p->end);
    eng_sql_int(&q, p->tokens);
    eng_sql_text(&q, p->heading);
    return eng_sql_end(&q, err);
}

eng_status eng_parts_add_vector(eng_conn *c, int64_t generation, int64_t passage, uint32_t dims,
                                const eng_store_vector *v, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO vector (generation, passage, kind, start, end, data) "
                               "VALUES (?, ?, ?, ?, ?, ?)");
    eng_sql_int(&q, generation);
    eng_sql_int(&q, passage);
    eng_sql_int(&q, v->kind);
    eng_sql_count(&q, v->start);
    eng_sql_count(&q, v->end);
    eng_sql_blob(&q, v->data, dims * sizeof *v->data);
    return eng_sql_end(&q, err);
}

static eng_status dims_of(eng_conn *c, int64_t generation, uint32_t *dims, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT dims FROM generation WHERE id = ? AND state < 2");
    eng_sql_int(&q, generation);
    bool there = eng_sql_row(&q);
    *dims = (uint32_t)eng_sql_get_int(&q, 0);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && !there)
        status = eng_fail(err, ENG_ENOTFOUND, "no generation %lld", (long long)generation);
    return status;
}

static eng_status add_vectors(eng_conn *c, const eng_parts_place *place,
                              const eng_store_parts *parts, int64_t first, eng_error *err)
{
    uint32_t dims = 0;
    eng_status status = parts->vector_count ? dims_of(c, place->generation, &dims, err) : ENG_OK;
    for (size_t at = 0; at < parts->vector_count && status == ENG_OK;) {
        const eng_store_vector *some = parts->vectors;
        size_t count = parts->vector_count;
        if (!some)
            status = parts->read(parts->ctx, at, &some, &count, err);
        for (size_t i = 0; i < count && status == ENG_OK; i++, at++) {
            int64_t nth = some[i].passage;
            if (nth < 0 || (uint64_t)nth >= parts->passage_count)
                return eng_fail(err, ENG_EINVALID, "a vector of no passage of its document");
            int64_t passage = already_cut(parts) ? parts->passages[nth].id : first + nth;
            status = eng_parts_add_vector(c, place->generation, passage, dims, &some[i], err);
        }
    }
    return status;
}

eng_status eng_parts_add(eng_conn *c, const eng_parts_place *place, const eng_store_parts *parts,
                         eng_error *err)
{
    if (already_cut(parts))
        return add_vectors(c, place, parts, 0, err);
    eng_status status = ENG_OK;
    for (size_t i = 0; i < parts->passage_count && status == ENG_OK; i++)
        status = eng_parts_add_passage(c, place, &parts->passages[i], err);
    int64_t last = eng_sql_made(c), first = last - (int64_t)parts->passage_count + 1;
    if (status == ENG_OK)
        status = add_vectors(c, place, parts, first, err);
    /* A document without passages came too: generations that are being filled must hear of it. */
    eng_store_change came = {
        .what = ENG_STORE_CAME,
        .document = place->document,
        .cutting = place->cutting,
        .generation = place->generation,
        .first = parts->passage_count ? first : 0,
        .last = parts->passage_count ? last : -1,
    };
    return status < 0 ? status : eng_change_note(c, place->collection, &came, err);
}

/* ---- Removing ---- */

/* A cutting a row. The rows are read before any is changed. */
static eng_status note_went(eng_conn *c, const eng_parts_place *place, int64_t counted,
                            int64_t *count, eng_error *err)
{
    eng_status status = ENG_OK;
    int64_t cutting = 0;
    *count = 0;
    for (bool there = true; there && status == ENG_OK;) {
        eng_sql q = eng_sql_use(c, "SELECT cutting, min(id), max(id), count(*) FROM passage "
                                   "WHERE document = ?1 AND cutting > ?2 AND (?3 = 0 OR "
                                   "cutting = ?3) GROUP BY cutting ORDER BY cutting LIMIT 1");
        eng_sql_int(&q, place->document);
        eng_sql_int(&q, cutting);
        eng_sql_int(&q, place->cutting);
        there = eng_sql_row(&q);
        cutting = eng_sql_get_int(&q, 0);
        eng_store_change went = {
            .what = ENG_STORE_WENT,
            .document = place->document,
            .cutting = cutting,
            .generation = place->generation,
            .first = eng_sql_get_int(&q, 1),
            .last = eng_sql_get_int(&q, 2),
        };
        if (there && cutting == counted)
            *count = eng_sql_get_int(&q, 3);
        status = eng_sql_end(&q, err);
        if (there && status == ENG_OK)
            status = eng_change_note(c, place->collection, &went, err);
    }
    return status;
}

eng_status eng_parts_remove(eng_conn *c, const eng_parts_place *place, int64_t counted,
                            int64_t *count, eng_error *err)
{
    eng_status status = note_went(c, place, counted, count, err);
    if (status < 0)
        return status;
    eng_sql q = eng_sql_use(c, "DELETE FROM passage WHERE document = ?1 AND "
                               "(?2 = 0 OR cutting = ?2)");
    eng_sql_int(&q, place->document);
    eng_sql_int(&q, place->cutting);
    return eng_sql_end(&q, err);
}

/* ---- Passages ---- */

/* Those of a document in a cutting are consecutive: so its first says the place of each. */
#define PASSAGE                                                                                    \
    "SELECT id, cutting, document, kind, start, end, tokens, heading, id - (SELECT min(q.id) "     \
    "FROM passage q WHERE q.document = p.document AND q.cutting = p.cutting) FROM passage p "

static void read_passage(eng_sql *q, eng_arena *arena, eng_store_passage *out)
{
    *out = (eng_store_passage){
        .id = eng_sql_get_int(q, 0),
        .cutting = eng_sql_get_int(q, 1),
        .document = eng_sql_get_int(q, 2),
        .kind = (uint32_t)eng_sql_get_int(q, 3),
        .start = (uint64_t)eng_sql_get_int(q, 4),
        .end = (uint64_t)eng_sql_get_int(q, 5),
        .tokens = (uint32_t)eng_sql_get_int(q, 6),
        .heading = eng_sql_get_text(q, 7, arena),
        .place = (uint64_t)eng_sql_get_int(q, 8),
    };
}

/* Reads pieces of documents' texts, however long those are, without the rest of them. */
typedef struct {
    eng_conn *conn;
    sqlite3_blob *blob;
    int64_t document;
} text_reader;

static int turn_to(text_reader *r, int64_t document)
{
    int code = SQLITE_OK;
    if (!r->blob)
        code = sqlite3_blob_open(r->conn->db, "main", "document_text", "text", document, 0,
                                 &r->blob);
    else if (r->document != document)
        code = sqlite3_blob_reopen(r->blob, document);
    r->document = document;
    /* It says no more than that for a row that is not there, which within a transaction is damage. */
    return code == SQLITE_ERROR ? SQLITE_CORRUPT : code;
}

static int read_text(text_reader *r, eng_arena *arena, eng_store_passage *p)
{
    int code = turn_to(r, p->document);
    if (code != SQLITE_OK)
        return code;
    uint64_t bytes = (uint64_t)sqlite3_blob_bytes(r->blob);
    if (p->start > p->end || p->end > bytes)
        return SQLITE_CORRUPT;
    size_t len = (size_t)(p->end - p->start);
    char *text = eng_arena_alloc(arena, len + 1);
    if (!text)
        return SQLITE_NOMEM;
    text[len] = '\0';
    p->text = (eng_str){text, len};
    return len ? sqlite3_blob_read(r->blob, text, (int)len, (int)p->start) : SQLITE_OK;
}

/* Those with id 0 are not there. */
static eng_status read_texts(eng_conn *c, eng_arena *arena, eng_store_passage *passages,
                             size_t count, eng_error *err)
{
    text_reader r = {.conn = c};
    int code = SQLITE_OK;
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        if (passages[i].id)
            code = read_text(&r, arena, &passages[i]);
    eng_status status = code == SQLITE_OK ? ENG_OK : eng_conn_fail(c, code, err);
    sqlite3_blob_close(r.blob);
    return status;
}

typedef struct {
    const int64_t *ids;
    int64_t document;
    int64_t cutting;
    int64_t after;
    size_t limit;
    eng_arena *arena;
    eng_store_passage *passages;
    size_t count;
} passage_look;

static eng_status batch_passages(eng_conn *c, void *args, eng_error *err)
{
    passage_look *l = args;
    eng_status status = ENG_OK;
    for (size_t i = 0; i < l->count && status == ENG_OK; i++) {
        eng_sql q = eng_sql_use(c, PASSAGE "WHERE id = ?");
        eng_sql_int(&q, l->ids[i]);
        l->passages[i] = (eng_store_passage){0};
        if (eng_sql_row(&q))
            read_passage(&q, l->arena, &l->passages[i]);
        status = eng_sql_end(&q, err);
    }
    return status < 0 ? status : read_texts(c, l->arena, l->passages, l->count, err);
}

eng_status eng_store_passage_batch(eng_store *s, const int64_t *ids, size_t count, eng_arena *arena,
                                   eng_store_passage **out, eng_error *err)
{
    passage_look l = {.ids = ids, .count = count, .arena = arena};
    l.passages = eng_arena_array(arena, count, sizeof *l.passages);
    if (!l.passages)
        return eng_fail_nomem(err);
    eng_status status = eng_store_read(s, batch_passages, &l, err);
    if (status == ENG_OK)
        *out = l.passages;
    return status;
}

static eng_status collect_passages(eng_conn *c, passage_look *l, eng_sql *q, eng_error *err)
{
    eng_list list = {.arena = l->arena, .size = sizeof *l->passages};
    while (eng_sql_row(q)) {
        eng_store_passage *p = eng_list_add(&list, q);
        if (p)
            read_passage(q, l->arena, p);
    }
    l->passages = list.items;
    l->count = list.count;
    eng_status status = eng_sql_end(q, err);
    return status < 0 ? status : read_texts(c, l->arena, l->passages, l->count, err);
}

static eng_status list_passages(eng_conn *c, void *args, eng_error *err)
{
    passage_look *l = args;
    eng_sql q = eng_sql_use(c, PASSAGE "WHERE document = ? AND cutting = ? ORDER BY id");
    eng_sql_int(&q, l->document);
    eng_sql_int(&q, l->cutting);
    return collect_passages(c, l, &q, err);
}

static eng_status page_passages(eng_conn *c, void *args, eng_error *err)
{
    passage_look *l = args;
    eng_sql q = eng_sql_use(c, PASSAGE "WHERE cutting = ? AND id > ? ORDER BY id LIMIT ?");
    eng_sql_int(&q, l->cutting);
    eng_sql_int(&q, l->after);
    eng_sql_count(&q, l->limit);
    return collect_passages(c, l, &q, err);
}

static eng_status look_at_passages(eng_store *s, eng_store_op *run, passage_look *l,
                                   eng_store_passage **out, size_t *count, eng_error *err)
{
    eng_status status = eng_store_read(s, run, l, err);
    if (status == ENG_OK) {
        *out = l->passages;
        *count = l->count;
    }
    return status;
}

eng_status eng_store_passage_list(eng_store *s, int64_t document, int64_t cutting, eng_arena *arena,
                                  eng_store_passage **out, size_t *count, eng_error *err)
{
    passage_look l = {.document = document, .cutting = cutting, .arena = arena};
    return look_at_passages(s, list_passages, &l, out, count, err);
}

eng_status eng_store_passage_page(eng_store *s, int64_t cutting, int64_t after, size_t limit,
                                  eng_arena *arena, eng_store_passage **out, size_t *count,
                                  eng_error *err)
{
    passage_look l = {.cutting = cutting, .after = after, .limit = limit, .arena = arena};
    return look_at_passages(s, page_passages, &l, out, count, err);
}

/* ---- Vectors ---- */

typedef struct {
    int64_t generation;
    int64_t from; /* unit, or passage */
    int64_t to;
    size_t limit;
    eng_arena *arena;
    eng_store_vector *vectors;
    size_t count;
} vector_look;

static eng_status collect_vectors(eng_conn *c, vector_look *l, eng_sql *q, eng_error *err)
{
    uint32_t dims = 0;
    eng_list list = {.arena = l->arena, .size = sizeof *l->vectors};
    eng_status status = dims_of(c, l->generation, &dims, err);
    while (status == ENG_OK && eng_sql_row(q)) {
        eng_store_vector *v = eng_list_add(&list, q);
        if (!v)
            break;
        eng_str data = eng_sql_get_text(q, 5, l->arena);
        *v = (eng_store_vector){
            .unit = eng_sql_get_int(q, 0),
            .passage = eng_sql_get_int(q, 1),
            .kind = (uint32_t)eng_sql_get_int(q, 2),
            .start = (uint64_t)eng_sql_get_int(q, 3),
            .end = (uint64_t)eng_sql_get_int(q, 4),
            .data = (const float *)(const void *)data.ptr, /* an arena's pieces are aligned */
        };
        if (data.ptr && data.len != dims * sizeof(float))
            q->code = SQLITE_CORRUPT;
    }
    l->vectors = list.items;
    l->count = list.count;
    if (status < 0)
        q->code = SQLITE_DONE;
    eng_status other = eng_sql_end(q, status < 0 ? NULL : err);
    return status < 0 ? status : other;
}

#define VECTOR "SELECT unit, passage, kind, start, end, data FROM vector "

static eng_status page_vectors(eng_conn *c, void *args, eng_error *err)
{
    vector_look *l = args;
    eng_sql q = eng_sql_use(c, VECTOR "WHERE generation = ? AND unit > ? ORDER BY unit LIMIT ?");
    eng_sql_int(&q, l->generation);
    eng_sql_int(&q, l->from);
    eng_sql_count(&q, l->limit);
    return collect_vectors(c, l, &q, err);
}

static eng_status range_vectors(eng_conn *c, void *args, eng_error *err)
{
    vector_look *l = args;
    eng_sql q = eng_sql_use(c, VECTOR "INDEXED BY vector_passage WHERE passage BETWEEN ? AND ? "
                                      "AND generation = ? ORDER BY passage, unit");
    eng_sql_int(&q, l->from);
    eng_sql_int(&q, l->to);
    eng_sql_int(&q, l->generation);
    return collect_vectors(c, l, &q, err);
}

static eng_status look_at_vectors(eng_store *s, eng_store_op *run, vector_look *l,
                                  eng_store_vector **out, size_t *count, eng_error *err)
{
    eng_status status = eng_store_read(s, run, l, err);
    if (status == ENG_OK) {
        *out = l->vectors;
        *count = l->count;
    }
    return status;
}

eng_status eng_store_vector_page(eng_store *s, int64_t generation, int64_t after, size_t limit,
                                 eng_arena *arena, eng_store_vector **out, size_t *count,
                                 eng_error *err)
{
    vector_look l = {.generation = generation, .from = after, .limit = limit, .arena = arena};
    return look_at_vectors(s, page_vectors, &l, out, count, err);
}

eng_status eng_store_vector_range(eng_store *s, int64_t generation, int64_t first, int64_t last,
                                  eng_arena *arena, eng_store_vector **out, size_t *count,
                                  eng_error *err)
{
    vector_look l = {.generation = generation, .from = first, .to = last, .arena = arena};
    return look_at_vectors(s, range_vectors, &l, out, count, err);
}
