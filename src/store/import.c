/*
 * A collection out of a file. It goes in document by document, in transactions small enough that others
 * can write between them, under a state in which nobody sees it; the last one gives it its name. So
 * there is all of it or nothing, and what a crash leaves is dropped like any other collection.
 */
#include "base/clock.h"
#include "base/utf8.h"
#include "index/index.h"
#include "store/store_internal.h"

#include <math.h>

enum { PIECE_DOCUMENTS = 256, PIECE_ROWS = 4096, PIECE_BYTES = 8 << 20, ID_BYTES = 512 };

/* How far the file is read. */
typedef struct {
    int64_t document, passage, vector;
    uint64_t documents, passages, vectors, bytes;
    bool ended;
} reading;

typedef struct {
    eng_conn *from;
    int64_t version; /* of the file's layout */
    const eng_carried *about;
    const eng_store_import_options *options;
    eng_arena arena; /* of a document */
    int64_t collection, generation, cutting;
    int64_t created_ms;
    reading at, next; /* before and after a piece, which may be run twice */
    size_t rows, size;
} importing;

static eng_status wrong(eng_error *err, const char *what, int64_t id)
{
    return eng_fail(err, ENG_EINVALID, "the file is damaged: %s %lld makes no sense", what,
                    (long long)id);
}

/* Of a statement on the file. What it fails with is damage of the file, not of ours. */
static eng_status end_of(eng_sql *q, eng_status status, eng_error *err)
{
    if (status < 0)
        q->code = SQLITE_DONE;
    eng_status other = eng_sql_end(q, status < 0 ? NULL : err);
    if (status == ENG_OK && other < 0 && other != ENG_ENOMEM)
        other = eng_fail(err, ENG_EINVALID, "the file is damaged: SQLite cannot read it");
    return status < 0 ? status : other;
}

static bool is_text(eng_str s)
{
    return !s.ptr || (eng_utf8_valid(s) == s.len && !memchr(s.ptr, '\0', s.len));
}

/* ---- Rows that make sense ---- */

static bool on_boundary(eng_str text, uint64_t at)
{
    return at == text.len || ((unsigned char)text.ptr[at] & 0xC0) != 0x80;
}

static bool lies_in(eng_str text, uint64_t start, uint64_t end)
{
    return start <= end && end <= text.len && on_boundary(text, start) && on_boundary(text, end);
}

/* Of a length, as indexes want it. */
static bool is_direction(const float *data, uint32_t dims)
{
    double sum = 0;
    for (uint32_t i = 0; i < dims; i++)
        sum += (double)data[i] * (double)data[i];
    return isfinite(sum) && sum > 0;
}

/* ---- A document ---- */

typedef struct {
    int64_t id; /* in the file */
    eng_store_document row;
    eng_str text;
    int64_t first, last; /* its passages in the file */
    int64_t made;        /* the first one here */
} document;

#define NEXT_DOCUMENT(blocks)                                                                      \
    "SELECT id, name, version, hash, tokens, created_ms, updated_ms, language, title, url, "       \
    "metadata, text, " blocks " FROM document WHERE id > ? ORDER BY id LIMIT 1"

static const char next_document[] = NEXT_DOCUMENT("blocks");
static const char next_document_1[] = NEXT_DOCUMENT("NULL"); /* of a file of the first layout */

static eng_status read_document(importing *m, document *d, eng_error *err)
{
    eng_arena *arena = &m->arena;
    eng_sql q = eng_sql_use(m->from, m->version > 1 ? next_document : next_document_1);
    eng_sql_int(&q, m->next.document);
    *d = (document){.id = 0};
    if (eng_sql_row(&q)) {
        d->id = eng_sql_get_int(&q, 0);
        d->row = (eng_store_document){.collection = m->collection,
                                      .name = eng_sql_get_text(&q, 1, arena),
                                      .version = (uint64_t)eng_sql_get_int(&q, 2),
                                      .tokens = (uint64_t)eng_sql_get_int(&q, 4),
                                      .created_ms = eng_sql_get_int(&q, 5),
                                      .updated_ms = eng_sql_get_int(&q, 6),
                                      .language = eng_sql_get_text(&q, 7, arena),
                                      .title = eng_sql_get_text(&q, 8, arena),
                                      .url = eng_sql_get_text(&q, 9, arena),
                                      .metadata = eng_sql_get_text(&q, 10, arena)};
        eng_sql_get_bytes(&q, 3, d->row.hash, sizeof d->row.hash);
        d->text = eng_sql_get_text(&q, 11, arena);
        d->row.bytes = d->text.len;
        d->row.blocks = eng_sql_get_text(&q, 12, arena);
    }
    return end_of(&q, ENG_OK, err);
}

static eng_status check_document(const importing *m, const document *d, eng_error *err)
{
    const eng_store_document *r = &d->row;
    bool good = r->name.len && r->name.len <= ID_BYTES && is_text(r->name) &&
                is_text(r->language) && is_text(r->title) && is_text(r->url) &&
                is_text(r->metadata) && eng_utf8_valid(d->text) == d->text.len && r->version &&
                r->version <= INT64_MAX && r->tokens <= INT64_MAX;
    if (!good)
        return wrong(err, "document", d->id);
    return m->options->check ? m->options->check(m->options->ctx, r, d->text, err) : ENG_OK;
}

static eng_status copy_passages(importing *m, eng_conn *c, document *d, eng_error *err)
{
    eng_parts_place place = {m->collection, m->generation, m->cutting, d->row.id};
    eng_status status = ENG_OK;
    eng_sql q = eng_sql_use(m->from, "SELECT id, document, kind, start, \"end\", tokens, heading "
                                     "FROM passage WHERE id > ? ORDER BY id");
    eng_sql_int(&q, m->next.passage);
    d->last = -1;
    while (status == ENG_OK && eng_sql_row(&q) && eng_sql_get_int(&q, 1) == d->id) {
        int64_t id = eng_sql_get_int(&q, 0), tokens = eng_sql_get_int(&q, 5);
        int64_t kind = eng_sql_get_int(&q, 2);
        eng_store_passage p = {.kind = (uint32_t)kind,
                               .start = (uint64_t)eng_sql_get_int(&q, 3),
                               .end = (uint64_t)eng_sql_get_int(&q, 4),
                               .tokens = (uint32_t)tokens,
                               .heading = eng_sql_get_text(&q, 6, &m->arena)};
        bool good = q.code == SQLITE_ROW && (d->last < 0 || id == d->last + 1) && kind >= 0 &&
                    kind <= UINT8_MAX && tokens >= 0 && tokens <= UINT32_MAX &&
                    lies_in(d->text, p.start, p.end) && is_text(p.heading);
        if (q.code != SQLITE_ROW)
            break;
        status = good ? eng_parts_add_passage(c, &place, &p, err) : wrong(err, "passage", id);
        if (d->last < 0) {
            d->first = id;
            d->made = eng_sql_made(c);
        }
        d->last = m->next.passage = id;
        m->next.passages++;
        m->rows++;
    }
    if (q.code == SQLITE_ROW)
        q.code = SQLITE_DONE;
    return end_of(&q, status, err);
}

static eng_status copy_vectors(importing *m, eng_conn *c, const document *d, eng_error *err)
{
    eng_status status = ENG_OK;
    int64_t whole = -1; /* the last passage with a vector of its whole */
    float *data = eng_arena_array(&m->arena, m->about->dims + 1u, sizeof *data);
    if (!data)
        return eng_fail_nomem(err);
    eng_sql q = eng_sql_use(m->from, "SELECT id, passage, kind, start, \"end\", data FROM vector "
                                     "WHERE id > ? ORDER BY id");
    eng_sql_int(&q, m->next.vector);
    int64_t before = d->first;
    while (status == ENG_OK && eng_sql_row(&q) && eng_sql_get_int(&q, 1) <= d->last) {
        int64_t id = eng_sql_get_int(&q, 0), passage = eng_sql_get_int(&q, 1);
        int64_t kind = eng_sql_get_int(&q, 2);
        eng_store_vector v = {.kind = (uint32_t)kind,
                              .start = (uint64_t)eng_sql_get_int(&q, 3),
                              .end = (uint64_t)eng_sql_get_int(&q, 4),
                              .data = data};
        eng_sql_get_bytes(&q, 5, data, m->about->dims * sizeof *data);
        if (q.code != SQLITE_ROW)
            break;
        bool good = passage >= before && kind >= 0 && kind < ENG_VECTOR_KINDS &&
                    (kind != ENG_VECTOR_PASSAGE || passage != whole) && v.start <= v.end &&
                    v.end <= d->text.len && is_direction(data, m->about->dims);
        if (!good)
            status = wrong(err, "vector", id);
        else if (m->options->vectors)
            status = eng_parts_add_vector(c, m->generation, d->made + passage - d->first,
                                          m->about->dims, &v, err);
        whole = kind == ENG_VECTOR_PASSAGE ? passage : whole;
        before = passage;
        m->next.vector = id;
        m->next.vectors++;
        m->rows++;
        m->size += m->about->dims * sizeof *data;
    }
    if (q.code == SQLITE_ROW)
        q.code = SQLITE_DONE;
    return end_of(&q, status, err);
}

static eng_status copy_document(importing *m, eng_conn *c, eng_error *err)
{
    document d;
    eng_arena_reset(&m->arena);
    eng_status status = read_document(m, &d, err);
    m->next.ended = status == ENG_OK && !d.id;
    if (status < 0 || !d.id)
        return status;
    status = check_document(m, &d, err);
    if (status == ENG_OK)
        status = eng_document_add(c, &d.row, d.text, err);
    if (status == ENG_OK)
        status = copy_passages(m, c, &d, err);
    if (status == ENG_OK && d.last >= 0 && m->about->dims)
        status = copy_vectors(m, c, &d, err);
    m->next.document = d.id;
    m->next.documents++;
    m->next.bytes += d.text.len;
    m->size += d.text.len;
    return status;
}

/* ---- Pieces ---- */

static eng_status copy_piece(eng_conn *c, void *args, eng_error *err)
{
    importing *m = args;
    eng_status status = ENG_OK;
    m->next = m->at;
    m->rows = m->size = 0;
    for (int i = 0; i < PIECE_DOCUMENTS && status == ENG_OK && !m->next.ended &&
                    m->rows < PIECE_ROWS && m->size < PIECE_BYTES;
         i++)
        status = copy_document(m, c, err);
    return status;
}

static eng_status insert_collection(importing *m, eng_conn *c, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO collection (name, title, settings, state, version, "
                               "documents, passages, bytes, forgotten, created_ms, updated_ms) "
                               "VALUES (?1, ?2, ?3, 0, 1, 0, 0, 0, 0, ?4, ?4)");
    eng_sql_text(&q, m->options->name);
    eng_sql_text(&q, m->about->title);
    eng_sql_text(&q, m->about->settings);
    eng_sql_int(&q, m->created_ms);
    eng_status status = eng_sql_end(&q, err);
    m->collection = eng_sql_made(c);
    return status;
}

static eng_status insert_cutting(importing *m, eng_conn *c, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO cutting (collection, created_ms, settings) "
                               "VALUES (?, ?, ?)");
    eng_sql_int(&q, m->collection);
    eng_sql_int(&q, m->created_ms);
    eng_sql_text(&q, m->about->cut);
    eng_status status = eng_sql_end(&q, err);
    m->cutting = eng_sql_made(c);
    return status;
}

static eng_status insert_generation(importing *m, eng_conn *c, eng_error *err)
{
    bool vectors = m->options->vectors;
    eng_sql q = eng_sql_use(c, "INSERT INTO generation (collection, cutting, state, model, dims, "
                               "type, document, seq, created_ms, settings) "
                               "VALUES (?, ?, 1, ?, ?, 1, 0, 0, ?, ?)");
    eng_sql_int(&q, m->collection);
    eng_sql_int(&q, m->cutting);
    eng_sql_text(&q, vectors ? m->about->model : ENG_STR(""));
    eng_sql_int(&q, vectors ? m->about->dims : 0);
    eng_sql_int(&q, m->created_ms);
    eng_sql_text(&q, m->about->asked);
    eng_status status = eng_sql_end(&q, err);
    m->generation = eng_sql_made(c);
    return status;
}

static eng_status name_is_free(eng_conn *c, eng_str name, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT 1 FROM collection WHERE name = ? AND state = 1 "
                               "AND active IS NOT NULL");
    eng_sql_text(&q, name);
    bool taken = eng_sql_row(&q);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && taken)
        status = eng_fail(err, ENG_ECONFLICT, "there is a collection '%.*s' already",
                          ENG_FMT(eng_str_sub(name, 0, 200)));
    return status;
}

static eng_status begin(eng_conn *c, void *args, eng_error *err)
{
    importing *m = args;
    m->created_ms = eng_clock_wall_ms();
    eng_status status = name_is_free(c, m->options->name, err);
    if (status == ENG_OK)
        status = insert_collection(m, c, err);
    if (status == ENG_OK)
        status = insert_cutting(m, c, err);
    return status < 0 ? status : insert_generation(m, c, err);
}

/* ---- Its name ---- */

static eng_status publish(eng_conn *c, void *args, eng_error *err)
{
    const importing *m = args;
    eng_status status = name_is_free(c, m->options->name, err);
    if (status < 0)
        return status;
    /* One that was made half-way before a crash is nobody's, and has no generation. */
    eng_sql free_name = eng_sql_use(c, "UPDATE collection SET state = 2 WHERE name = ? AND "
                                       "state = 1 AND active IS NULL");
    eng_sql_text(&free_name, m->options->name);
    status = eng_sql_end(&free_name, err);
    if (status < 0)
        return status;
    eng_sql q = eng_sql_use(c, "UPDATE collection SET state = 1, active = ?, documents = ?, "
                               "passages = ?, bytes = ? WHERE id = ? AND state = 0");
    eng_sql_int(&q, m->generation);
    eng_sql_count(&q, m->at.documents);
    eng_sql_count(&q, m->at.passages);
    eng_sql_count(&q, m->at.bytes);
    eng_sql_int(&q, m->collection);
    status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = eng_fail(err, ENG_EINTERNAL, "collection %lld was lost on its way in",
                          (long long)m->collection);
    /* So that its log has a beginning, which an index can say it has reached. */
    eng_store_change switched = {.what = ENG_STORE_SWITCHED, .generation = m->generation};
    return status < 0 ? status : eng_change_note(c, m->collection, &switched, err);
}

static eng_status give_up(eng_conn *c, void *args, eng_error *err)
{
    const importing *m = args;
    eng_sql q = eng_sql_use(c, "UPDATE collection SET state = 2 WHERE id = ?");
    eng_sql_int(&q, m->collection);
    c->dropped = true;
    return eng_sql_end(&q, err);
}

eng_status eng_import_forget(eng_conn *c, eng_error *err)
{
    bool any = false;
    eng_sql q = eng_sql_use(c, "SELECT EXISTS (SELECT 1 FROM collection WHERE state = 0)");
    if (eng_sql_row(&q))
        any = eng_sql_get_int(&q, 0) != 0;
    eng_status status = eng_sql_end(&q, err);
    return status < 0 || !any
               ? status
               : eng_sql_run(c, "UPDATE collection SET state = 2 WHERE state = 0", err);
}

/* ---- The whole ---- */

static eng_status copy_all(eng_store *s, importing *m, eng_error *err)
{
    eng_status status = ENG_OK;
    while (status == ENG_OK && !m->at.ended) {
        status = eng_store_write(s, copy_piece, m, err);
        if (status == ENG_OK)
            m->at = m->next;
        if (status == ENG_OK && m->options->progress &&
            !m->options->progress(m->options->ctx, m->at.documents, m->about->documents))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
    }
    bool all = m->at.documents == m->about->documents && m->at.passages == m->about->passages &&
               m->at.vectors == m->about->vectors;
    if (status == ENG_OK && !all)
        status = eng_fail(err, ENG_EINVALID, "the file is damaged: it does not hold what it says");
    return status;
}

eng_status eng_store_import(eng_store *s, eng_carry *from, const eng_store_import_options *options,
                            int64_t *collection, eng_error *err)
{
    importing m = {
        .from = from->conn, .version = from->version, .about = &from->about, .options = options};
    eng_arena_init(&m.arena, 4096, NULL);
    eng_status status = eng_store_write(s, begin, &m, err);
    if (status == ENG_OK) {
        status = copy_all(s, &m, err);
        if (status == ENG_OK)
            status = eng_store_write(s, publish, &m, err);
        /* Where that fails too, the next opening does it. */
        eng_status gone = status < 0 ? eng_store_write(s, give_up, &m, NULL) : ENG_OK;
        (void)gone;
    }
    eng_arena_clear(&m.arena);
    if (status == ENG_OK)
        *collection = m.collection;
    return status;
}
