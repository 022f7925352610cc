/*
 * Generations.
 *
 *     begin --> being filled --activate--> active --another is activated--> kept --drop--> gone
 *                   |                        ^                               |
 *                   +---------drop-----+     +-----------activate------------+
 *
 * How far one is: it has all documents up to `document`, as of the change `seq`. What it lacks is
 * therefore the documents above, and those that came in changes after seq for another generation and
 * have no vector in this one (a replaced document loses its passages and vectors everywhere). The
 * active one has everything; when it is put aside it is told how far it was, so that making it active
 * again is the same as filling it.
 */
#include "base/clock.h"
#include "store/store_internal.h"

/* ---- Shared ---- */

typedef struct {
    int64_t id;
    int64_t collection;
    int64_t cutting;
    int64_t document;
    int64_t seq;
} standing;

static eng_status no_such_generation(int64_t id, eng_error *err)
{
    return eng_fail(err, ENG_ENOTFOUND, "no generation %lld", (long long)id);
}

static eng_status find_standing(eng_conn *c, int64_t id, standing *out, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT g.collection, g.cutting, g.document, g.seq "
                               "FROM generation g JOIN collection c ON c.id = g.collection "
                               "WHERE g.id = ? AND g.state < 2 AND c.state = 1");
    eng_sql_int(&q, id);
    bool there = eng_sql_row(&q);
    *out = (standing){
        .id = id,
        .collection = eng_sql_get_int(&q, 0),
        .cutting = eng_sql_get_int(&q, 1),
        .document = eng_sql_get_int(&q, 2),
        .seq = eng_sql_get_int(&q, 3),
    };
    eng_status status = eng_sql_end(&q, err);
    return status == ENG_OK && !there ? no_such_generation(id, err) : status;
}

static eng_status set_standing(eng_conn *c, int64_t id, int64_t document, int64_t seq,
                               eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE generation SET document = max(document, ?), "
                               "seq = max(seq, ?) WHERE id = ?");
    eng_sql_int(&q, document);
    eng_sql_int(&q, seq);
    eng_sql_int(&q, id);
    return eng_sql_end(&q, err);
}

/* ---- Beginning ---- */

typedef struct {
    const eng_store_generation *given;
    eng_store_generation made;
} beginning;

static eng_status make_cutting(eng_conn *c, eng_store_generation *g, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO cutting (collection, created_ms, settings) "
                               "VALUES (?, ?, ?)");
    eng_sql_int(&q, g->collection);
    eng_sql_int(&q, g->created_ms);
    eng_sql_text(&q, g->cut);
    eng_status status = eng_sql_end(&q, err);
    g->cutting = eng_sql_made(c);
    return status;
}

/* One that a generation still has: others may be emptied at any time. */
static eng_status share_cutting(eng_conn *c, const eng_store_generation *g, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT 1 FROM generation WHERE cutting = ? AND collection = ? "
                               "AND state < 2");
    eng_sql_int(&q, g->cutting);
    eng_sql_int(&q, g->collection);
    bool there = eng_sql_row(&q);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && !there)
        status = eng_fail(err, ENG_ENOTFOUND, "no cutting %lld", (long long)g->cutting);
    return status;
}

static eng_status insert_generation(eng_conn *c, eng_store_generation *g, int64_t seq,
                                    eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO generation (collection, cutting, state, model, dims, "
                               "type, document, seq, created_ms, settings) "
                               "VALUES (?, ?, 0, ?, ?, 1, 0, ?, ?, ?)");
    eng_sql_int(&q, g->collection);
    eng_sql_int(&q, g->cutting);
    eng_sql_text(&q, g->model);
    eng_sql_int(&q, g->dims);
    eng_sql_int(&q, seq);
    eng_sql_int(&q, g->created_ms);
    eng_sql_text(&q, g->settings);
    eng_status status = eng_sql_end(&q, err);
    g->id = eng_sql_made(c);
    return status;
}

static eng_status begin_generation(eng_conn *c, void *args, eng_error *err)
{
    beginning *b = args;
    eng_store_generation *g = &b->made;
    int64_t seq = 0, active, cutting;
    *g = *b->given;
    g->whole = false;
    g->created_ms = eng_clock_wall_ms();
    eng_status status = eng_collection_active(c, g->collection, &active, &cutting, err);
    if (status == ENG_OK)
        status = g->cutting ? share_cutting(c, g, err) : make_cutting(c, g, err);
    if (status == ENG_OK)
        status = eng_change_last(c, g->collection, &seq, err);
    return status < 0 ? status : insert_generation(c, g, seq, err);
}

eng_status eng_store_generation_begin(eng_store *s, eng_store_generation *generation,
                                      eng_error *err)
{
    beginning b = {.given = generation};
    eng_status status = eng_store_write(s, begin_generation, &b, err);
    if (status == ENG_OK)
        *generation = b.made;
    return status;
}

/* ---- What is lacking ---- */

/* Documents, and the last change of each, that came for another generation. Parameters: collection,
 * seq, generation, cutting, document (those above it are found by their ids). The plus keeps SQLite
 * from looking through all vectors of the generation. */
#define LACKING                                                                                    \
    "SELECT e.document, max(e.seq) AS last, d.version FROM change e "                              \
    "JOIN document d ON d.id = e.document "                                                        \
    "WHERE e.collection = ?1 AND e.seq > ?2 AND e.what = 1 AND e.generation <> ?3 "                \
    "AND e.document <= ?5 AND NOT EXISTS (SELECT 1 FROM passage p "                                \
    "CROSS JOIN vector v ON v.passage = p.id AND +v.generation = ?3 "                              \
    "WHERE p.document = e.document AND p.cutting = ?4) GROUP BY e.document "

static void bind_lacking(eng_sql *q, const standing *g)
{
    eng_sql_int(q, g->collection);
    eng_sql_int(q, g->seq);
    eng_sql_int(q, g->id);
    eng_sql_int(q, g->cutting);
    eng_sql_int(q, g->document);
}

typedef struct {
    int64_t id;
    size_t limit;
    eng_arena *arena;
    eng_store_todo todo;
} looking;

static void add_todo(eng_sql *q, eng_store_todo *t, int64_t document, int64_t version)
{
    if (q->code != SQLITE_ROW)
        return;
    t->documents[t->count] = document;
    t->versions[t->count] = (uint64_t)version;
    t->count++;
}

static eng_status above(eng_conn *c, const standing *g, size_t limit, eng_store_todo *t,
                        eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT id, version FROM document WHERE collection = ? AND id > ? "
                               "ORDER BY id LIMIT ?");
    eng_sql_int(&q, g->collection);
    eng_sql_int(&q, g->document);
    eng_sql_count(&q, limit);
    while (eng_sql_row(&q)) {
        t->document = eng_sql_get_int(&q, 0);
        add_todo(&q, t, t->document, eng_sql_get_int(&q, 1));
    }
    return eng_sql_end(&q, err);
}

static eng_status below(eng_conn *c, const standing *g, size_t limit, eng_store_todo *t,
                        eng_error *err)
{
    eng_sql q = eng_sql_use(c, LACKING "ORDER BY last LIMIT ?6");
    bind_lacking(&q, g);
    eng_sql_count(&q, limit);
    while (eng_sql_row(&q)) {
        t->seq = eng_sql_get_int(&q, 1);
        add_todo(&q, t, eng_sql_get_int(&q, 0), eng_sql_get_int(&q, 2));
    }
    return eng_sql_end(&q, err);
}

static eng_status find_todo(eng_conn *c, void *args, eng_error *err)
{
    looking *l = args;
    standing g;
    eng_status status = find_standing(c, l->id, &g, err);
    if (status < 0)
        return status;
    eng_store_todo *t = &l->todo;
    t->documents = eng_arena_array(l->arena, l->limit, sizeof *t->documents);
    t->versions = eng_arena_array(l->arena, l->limit, sizeof *t->versions);
    if (!t->documents || !t->versions)
        return eng_fail_nomem(err);
    t->document = g.document;
    t->seq = g.seq;
    status = above(c, &g, l->limit, t, err);
    if (status == ENG_OK && t->count == 0)
        status = below(c, &g, l->limit, t, err);
    return status;
}

eng_status eng_store_generation_todo(eng_store *s, int64_t id, size_t limit, eng_arena *arena,
                                     eng_store_todo *out, eng_error *err)
{
    looking l = {.id = id, .limit = limit, .arena = arena};
    eng_status status = eng_store_read(s, find_todo, &l, err);
    if (status == ENG_OK)
        *out = l.todo;
    return status;
}

/* ---- Filling ---- */

typedef struct {
    int64_t id;
    const eng_store_parts *parts;
    const eng_store_todo *todo;
} filling;

static eng_status still_there(eng_conn *c, const standing *g, int64_t document, uint64_t version,
                              bool *out, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT 1 FROM document WHERE id = ? AND collection = ? "
                               "AND version = ?");
    eng_sql_int(&q, document);
    eng_sql_int(&q, g->collection);
    eng_sql_int(&q, (int64_t)version);
    *out = eng_sql_row(&q);
    return eng_sql_end(&q, err);
}

/* Filled before: a crash or a change that was met twice. */
static eng_status clear_vectors(eng_conn *c, const eng_parts_place *place, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "DELETE FROM vector WHERE +generation = ? AND passage IN "
                               "(SELECT id FROM passage WHERE document = ? AND cutting = ?)");
    eng_sql_int(&q, place->generation);
    eng_sql_int(&q, place->document);
    eng_sql_int(&q, place->cutting);
    return eng_sql_end(&q, err);
}

static eng_status fill_one(eng_conn *c, const standing *g, int64_t document,
                           const eng_store_parts *parts, eng_error *err)
{
    int64_t count;
    eng_parts_place place = {g->collection, g->id, g->cutting, document};
    bool shared = parts->passage_count && parts->passages[0].id;
    eng_status status = shared ? clear_vectors(c, &place, err)
                               : eng_parts_remove(c, &place, 0, &count, err);
    return status < 0 ? status : eng_parts_add(c, &place, parts, err);
}

static eng_status fill_generation(eng_conn *c, void *args, eng_error *err)
{
    filling *f = args;
    const eng_store_todo *t = f->todo;
    standing g;
    int64_t active = 0, cutting = 0;
    eng_status status = find_standing(c, f->id, &g, err);
    if (status == ENG_OK)
        status = eng_collection_active(c, g.collection, &active, &cutting, err);
    if (status == ENG_OK && active == f->id)
        status = eng_fail(err, ENG_ECONFLICT, "generation %lld is active", (long long)f->id);
    for (size_t i = 0; i < t->count && status == ENG_OK; i++) {
        bool there = false;
        status = still_there(c, &g, t->documents[i], t->versions[i], &there, err);
        if (status == ENG_OK && there)
            status = fill_one(c, &g, t->documents[i], &f->parts[i], err);
    }
    return status < 0 ? status : set_standing(c, f->id, t->document, t->seq, err);
}

eng_status eng_store_generation_fill(eng_store *s, int64_t id, const eng_store_parts *parts,
                                     const eng_store_todo *todo, eng_error *err)
{
    filling f = {.id = id, .parts = parts, .todo = todo};
    return eng_store_write(s, fill_generation, &f, err);
}

/* ---- Activating ---- */

static eng_status check_whole(eng_conn *c, const standing *g, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT EXISTS (SELECT 1 FROM document WHERE collection = ?1 AND "
                               "id > ?5) OR EXISTS (" LACKING ")");
    bind_lacking(&q, g);
    bool lacks = eng_sql_row(&q) && eng_sql_get_int(&q, 0);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && lacks)
        status = eng_fail(err, ENG_ECONFLICT, "generation %lld lacks documents that came meanwhile",
                          (long long)g->id);
    return status;
}

/* It has everything up to now. */
static eng_status put_aside(eng_conn *c, int64_t collection, int64_t id, eng_error *err)
{
    int64_t seq = 0, document = 0;
    eng_sql q = eng_sql_use(c, "SELECT ifnull(max(id), 0) FROM document WHERE collection = ?");
    eng_sql_int(&q, collection);
    if (eng_sql_row(&q))
        document = eng_sql_get_int(&q, 0);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK)
        status = eng_change_last(c, collection, &seq, err);
    return status < 0 ? status : set_standing(c, id, document, seq, err);
}

static eng_status point_at(eng_conn *c, const standing *g, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE collection SET active = ?, version = version + 1, "
                               "updated_ms = ?, passages = (SELECT count(*) FROM passage "
                               "WHERE cutting = ?) WHERE id = ?");
    eng_sql_int(&q, g->id);
    eng_sql_int(&q, eng_clock_wall_ms());
    eng_sql_int(&q, g->cutting);
    eng_sql_int(&q, g->collection);
    return eng_sql_end(&q, err);
}

static eng_status mark_whole(eng_conn *c, int64_t id, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE generation SET state = 1 WHERE id = ?");
    eng_sql_int(&q, id);
    return eng_sql_end(&q, err);
}

typedef struct {
    int64_t id;
    eng_str settings; /* ptr NULL: as they are */
} activation;

static eng_status take_place(eng_conn *c, const standing *g, int64_t active, eng_error *err)
{
    eng_status status = check_whole(c, g, err);
    if (status == ENG_OK && active)
        status = put_aside(c, g->collection, active, err);
    if (status == ENG_OK)
        status = mark_whole(c, g->id, err);
    if (status == ENG_OK)
        status = point_at(c, g, err);
    eng_store_change switched = {
        .what = ENG_STORE_SWITCHED, .cutting = g->cutting, .generation = g->id};
    return status < 0 ? status : eng_change_note(c, g->collection, &switched, err);
}

static eng_status set_settings(eng_conn *c, int64_t collection, eng_str settings, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE collection SET settings = ? WHERE id = ?");
    eng_sql_text(&q, settings);
    eng_sql_int(&q, collection);
    return eng_sql_end(&q, err);
}

static eng_status activate_generation(eng_conn *c, void *args, eng_error *err)
{
    const activation *a = args;
    int64_t active = 0, cutting = 0;
    standing g;
    eng_status status = find_standing(c, a->id, &g, err);
    if (status == ENG_OK)
        status = eng_collection_active(c, g.collection, &active, &cutting, err);
    if (status == ENG_OK && active != a->id)
        status = take_place(c, &g, active, err);
    if (status == ENG_OK && a->settings.ptr)
        status = set_settings(c, g.collection, a->settings, err);
    return status;
}

eng_status eng_store_generation_activate(eng_store *s, int64_t id, eng_error *err)
{
    return eng_store_generation_switch(s, id, (eng_str){NULL, 0}, err);
}

eng_status eng_store_generation_switch(eng_store *s, int64_t id, eng_str settings, eng_error *err)
{
    activation a = {id, settings};
    return eng_store_write(s, activate_generation, &a, err);
}

static eng_status drop_generation(eng_conn *c, void *args, eng_error *err)
{
    const int64_t *id = args;
    int64_t active = 0, cutting = 0;
    standing g;
    eng_status status = find_standing(c, *id, &g, err);
    if (status == ENG_OK)
        status = eng_collection_active(c, g.collection, &active, &cutting, err);
    if (status == ENG_OK && active == *id)
        status = eng_fail(err, ENG_ECONFLICT, "generation %lld is active", (long long)*id);
    if (status < 0)
        return status;
    eng_sql q = eng_sql_use(c, "UPDATE generation SET state = 2 WHERE id = ?");
    eng_sql_int(&q, *id);
    c->dropped = true;
    return eng_sql_end(&q, err);
}

eng_status eng_store_generation_drop(eng_store *s, int64_t id, eng_error *err)
{
    return eng_store_write(s, drop_generation, &id, err);
}

/* ---- Looking ---- */

#define GENERATION                                                                                 \
    "SELECT g.id, g.collection, g.cutting, g.state, k.settings, g.model, g.dims, g.settings, "     \
    "g.created_ms FROM generation g JOIN cutting k ON k.id = g.cutting "                           \
    "JOIN collection c ON c.id = g.collection AND c.state = 1 "

static void read_generation(eng_sql *q, eng_arena *arena, eng_store_generation *out)
{
    *out = (eng_store_generation){
        .id = eng_sql_get_int(q, 0),
        .collection = eng_sql_get_int(q, 1),
        .cutting = eng_sql_get_int(q, 2),
        .whole = eng_sql_get_int(q, 3) == 1,
        .cut = eng_sql_get_text(q, 4, arena),
        .model = eng_sql_get_text(q, 5, arena),
        .dims = (uint32_t)eng_sql_get_int(q, 6),
        .settings = eng_sql_get_text(q, 7, arena),
        .created_ms = eng_sql_get_int(q, 8),
    };
}

typedef struct {
    int64_t id; /* or the collection's */
    eng_arena *arena;
    eng_store_generation *out;
    size_t count;
} generation_look;

static eng_status get_generation(eng_conn *c, void *args, eng_error *err)
{
    generation_look *l = args;
    eng_sql q = eng_sql_use(c, GENERATION "WHERE g.id = ? AND g.state < 2");
    eng_sql_int(&q, l->id);
    bool there = eng_sql_row(&q);
    if (there)
        read_generation(&q, l->arena, l->out);
    eng_status status = eng_sql_end(&q, err);
    return status == ENG_OK && !there ? no_such_generation(l->id, err) : status;
}

eng_status eng_store_generation_get(eng_store *s, int64_t id, eng_arena *arena,
                                    eng_store_generation *out, eng_error *err)
{
    eng_store_generation found;
    generation_look l = {.id = id, .arena = arena, .out = &found};
    eng_status status = eng_store_read(s, get_generation, &l, err);
    if (status == ENG_OK)
        *out = found;
    return status;
}

static eng_status list_generations(eng_conn *c, void *args, eng_error *err)
{
    generation_look *l = args;
    eng_list list = {.arena = l->arena, .size = sizeof *l->out};
    eng_sql q = eng_sql_use(c, GENERATION "WHERE g.collection = ? AND g.state < 2 ORDER BY g.id");
    eng_sql_int(&q, l->id);
    while (eng_sql_row(&q)) {
        eng_store_generation *g = eng_list_add(&list, &q);
        if (g)
            read_generation(&q, l->arena, g);
    }
    l->out = list.items;
    l->count = list.count;
    return eng_sql_end(&q, err);
}

eng_status eng_store_generation_list(eng_store *s, int64_t collection, eng_arena *arena,
                                     eng_store_generation **out, size_t *count, eng_error *err)
{
    generation_look l = {.id = collection, .arena = arena};
    eng_status status = eng_store_read(s, list_generations, &l, err);
    if (status == ENG_OK) {
        *out = l.out;
        *count = l.count;
    }
    return status;
}
