/* Collections, and removing what was dropped. */
#include "base/clock.h"
#include "store/store_internal.h"

/* ---- Shared ---- */

static eng_status no_such_collection(eng_conn *c, int64_t id, eng_error *err)
{
    return eng_fail(err, ENG_ENOTFOUND, "'%s' has no collection %lld", c->path, (long long)id);
}

eng_status eng_collection_add_sums(eng_conn *c, int64_t id, eng_sums sums, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE collection SET documents = documents + ?, "
                               "passages = passages + ?, bytes = bytes + ?, "
                               "version = version + 1, updated_ms = ? WHERE id = ? AND state = 1");
    eng_sql_int(&q, sums.documents);
    eng_sql_int(&q, sums.passages);
    eng_sql_int(&q, sums.bytes);
    eng_sql_int(&q, eng_clock_wall_ms());
    eng_sql_int(&q, id);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = no_such_collection(c, id, err);
    return status;
}

eng_status eng_collection_active(eng_conn *c, int64_t id, int64_t *generation, int64_t *cutting,
                                 eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT g.id, g.cutting FROM collection c "
                               "LEFT JOIN generation g ON g.id = c.active "
                               "WHERE c.id = ? AND c.state = 1");
    eng_sql_int(&q, id);
    bool there = eng_sql_row(&q);
    *generation = eng_sql_get_int(&q, 0);
    *cutting = eng_sql_get_int(&q, 1);
    eng_status status = eng_sql_end(&q, err);
    return status == ENG_OK && !there ? no_such_collection(c, id, err) : status;
}

/* ---- Adding, changing, dropping ---- */

static eng_status add_collection(eng_conn *c, void *args, eng_error *err)
{
    eng_store_collection *made = args;
    made->created_ms = made->updated_ms = eng_clock_wall_ms();
    eng_sql q = eng_sql_use(c, "INSERT INTO collection (name, title, settings, state, version, "
                               "documents, passages, bytes, forgotten, created_ms, updated_ms) "
                               "VALUES (?1, ?2, ?3, 1, 1, 0, 0, 0, 0, ?4, ?4) "
                               "ON CONFLICT DO NOTHING");
    eng_sql_text(&q, made->name);
    eng_sql_text(&q, made->title);
    eng_sql_text(&q, made->settings);
    eng_sql_int(&q, made->created_ms);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = eng_fail(err, ENG_ECONFLICT, "there is a collection '%.*s' already",
                          ENG_FMT(eng_str_sub(made->name, 0, 200)));
    made->id = eng_sql_made(c);
    return status;
}

eng_status eng_store_collection_add(eng_store *s, eng_store_collection *collection, eng_error *err)
{
    eng_store_collection made = {
        .name = collection->name,
        .title = collection->title,
        .settings = collection->settings,
        .version = 1,
    };
    eng_status status = eng_store_write(s, add_collection, &made, err);
    if (status == ENG_OK)
        *collection = made;
    return status;
}

static eng_status change_collection(eng_conn *c, void *args, eng_error *err)
{
    const eng_store_collection *to = args;
    eng_sql q = eng_sql_use(c, "UPDATE collection SET title = ifnull(?, title), "
                               "settings = ifnull(?, settings), updated_ms = ? "
                               "WHERE id = ? AND state = 1");
    eng_sql_text(&q, to->title);
    eng_sql_text(&q, to->settings);
    eng_sql_int(&q, eng_clock_wall_ms());
    eng_sql_int(&q, to->id);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = no_such_collection(c, to->id, err);
    return status;
}

eng_status eng_store_collection_change(eng_store *s, int64_t id, eng_str title, eng_str settings,
                                       eng_error *err)
{
    eng_store_collection to = {.id = id, .title = title, .settings = settings};
    return eng_store_write(s, change_collection, &to, err);
}

static eng_status drop_collection(eng_conn *c, void *args, eng_error *err)
{
    const int64_t *id = args;
    eng_sql q = eng_sql_use(c, "UPDATE collection SET state = 2, active = NULL "
                               "WHERE id = ? AND state = 1");
    eng_sql_int(&q, *id);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = no_such_collection(c, *id, err);
    c->dropped = true;
    return status;
}

eng_status eng_store_collection_drop(eng_store *s, int64_t id, eng_error *err)
{
    return eng_store_write(s, drop_collection, &id, err);
}

/* ---- Looking ---- */

#define SELECT                                                                                     \
    "SELECT c.id, c.name, c.title, c.settings, g.id, g.cutting, c.version, c.documents, "          \
    "c.passages, c.bytes, c.created_ms, c.updated_ms FROM collection c "                           \
    "LEFT JOIN generation g ON g.id = c.active "

static void read_collection(eng_sql *q, eng_arena *arena, eng_store_collection *out)
{
    *out = (eng_store_collection){
        .id = eng_sql_get_int(q, 0),
        .name = eng_sql_get_text(q, 1, arena),
        .title = eng_sql_get_text(q, 2, arena),
        .settings = eng_sql_get_text(q, 3, arena),
        .generation = eng_sql_get_int(q, 4),
        .cutting = eng_sql_get_int(q, 5),
        .version = (uint64_t)eng_sql_get_int(q, 6),
        .documents = (uint64_t)eng_sql_get_int(q, 7),
        .passages = (uint64_t)eng_sql_get_int(q, 8),
        .bytes = (uint64_t)eng_sql_get_int(q, 9),
        .created_ms = eng_sql_get_int(q, 10),
        .updated_ms = eng_sql_get_int(q, 11),
    };
}

typedef struct {
    eng_str name;
    int64_t after;
    size_t limit;
    eng_arena *arena;
    eng_store_collection *out;
    size_t count;
} look;

static eng_status get_collection(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_sql q = eng_sql_use(c, SELECT "WHERE c.name = ? AND c.state = 1");
    eng_sql_text(&q, l->name);
    bool there = eng_sql_row(&q);
    if (there)
        read_collection(&q, l->arena, l->out);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && !there)
        status = eng_fail(err, ENG_ENOTFOUND, "no collection '%.*s'",
                          ENG_FMT(eng_str_sub(l->name, 0, 200)));
    return status;
}

eng_status eng_store_collection_get(eng_store *s, eng_str name, eng_arena *arena,
                                    eng_store_collection *out, eng_error *err)
{
    eng_store_collection found;
    look l = {.name = name, .arena = arena, .out = &found};
    eng_status status = eng_store_read(s, get_collection, &l, err);
    if (status == ENG_OK)
        *out = found;
    return status;
}

static eng_status page_collections(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_list list = {.arena = l->arena, .size = sizeof *l->out};
    eng_sql q = eng_sql_use(c, SELECT "WHERE c.id > ? AND c.state = 1 ORDER BY c.id LIMIT ?");
    eng_sql_int(&q, l->after);
    eng_sql_count(&q, l->limit);
    while (eng_sql_row(&q)) {
        eng_store_collection *item = eng_list_add(&list, &q);
        if (item)
            read_collection(&q, l->arena, item);
    }
    l->out = list.items;
    l->count = list.count;
    return eng_sql_end(&q, err);
}

eng_status eng_store_collection_page(eng_store *s, int64_t after, size_t limit, eng_arena *arena,
                                     eng_store_collection **out, size_t *count, eng_error *err)
{
    look l = {.after = after, .limit = limit, .arena = arena};
    eng_status status = eng_store_read(s, page_collections, &l, err);
    if (status == ENG_OK) {
        *out = l.out;
        *count = l.count;
    }
    return status;
}

static eng_status count_collections(eng_conn *c, void *args, eng_error *err)
{
    uint64_t *count = args;
    eng_sql q = eng_sql_use(c, "SELECT count(*) FROM collection WHERE state = 1");
    if (eng_sql_row(&q))
        *count = (uint64_t)eng_sql_get_int(&q, 0);
    return eng_sql_end(&q, err);
}

eng_status eng_store_collection_count(eng_store *s, uint64_t *out, eng_error *err)
{
    uint64_t count = 0;
    eng_status status = eng_store_read(s, count_collections, &count, err);
    if (status == ENG_OK)
        *out = count;
    return status;
}

/* ---- Removing what was dropped ---- */

#define DEAD_COLLECTIONS "(SELECT id FROM collection WHERE state = 2)"

eng_status eng_store_find_dropped(eng_conn *c, bool *out, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT EXISTS (SELECT 1 FROM collection WHERE state = 2) "
                               "OR EXISTS (SELECT 1 FROM generation WHERE state = 2) "
                               "OR EXISTS (SELECT 1 FROM collection c CROSS JOIN change e "
                               "ON e.collection = c.id AND e.seq <= c.forgotten)");
    if (eng_sql_row(&q))
        *out = eng_sql_get_int(&q, 0) != 0;
    return eng_sql_end(&q, err);
}

/*
 * What refers to others goes before them. Each statement removes a few milliseconds' worth, and the
 * next runs only when the one before finds nothing left. A CROSS JOIN goes from the left to the right:
 * from the few collections and generations to what they hold.
 */
eng_status eng_store_empty(eng_conn *c, bool *more, eng_error *err)
{
    static const char *const pieces[] = {
        "DELETE FROM vector WHERE unit IN (SELECT v.unit FROM generation g "
        "CROSS JOIN vector v ON v.generation = g.id "
        "WHERE g.state = 2 OR g.collection IN " DEAD_COLLECTIONS " LIMIT 500)",

        "DELETE FROM passage WHERE id IN (SELECT p.id FROM cutting k "
        "CROSS JOIN passage p ON p.cutting = k.id "
        "WHERE k.id NOT IN (SELECT cutting FROM generation WHERE state < 2) "
        "OR k.collection IN " DEAD_COLLECTIONS " LIMIT 1000)",

        "DELETE FROM generation WHERE state = 2 OR collection IN " DEAD_COLLECTIONS,

        "DELETE FROM cutting WHERE id NOT IN (SELECT cutting FROM generation)",

        "DELETE FROM document WHERE id IN (SELECT d.id FROM collection c "
        "CROSS JOIN document d ON d.collection = c.id WHERE c.state = 2 LIMIT 100)",

        "DELETE FROM change WHERE seq IN (SELECT e.seq FROM collection c "
        "CROSS JOIN change e ON e.collection = c.id WHERE c.state = 2 LIMIT 2000)",

        "DELETE FROM change WHERE seq IN (SELECT e.seq FROM collection c "
        "CROSS JOIN change e ON e.collection = c.id AND e.seq <= c.forgotten LIMIT 2000)",

        "DELETE FROM collection WHERE state = 2",
    };
    *more = false;
    eng_status status = ENG_OK;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces && status == ENG_OK && !*more; i++) {
        status = eng_sql_run(c, pieces[i], err);
        *more = status == ENG_OK && eng_sql_changed(c) > 0;
    }
    return status;
}
