/* Keys: their hashes, and who may do what with them. */
#include "base/clock.h"
#include "store/store_internal.h"

static eng_status add_key(eng_conn *c, void *args, eng_error *err)
{
    eng_store_key *key = args;
    eng_sql q = eng_sql_use(c, "INSERT INTO api_key (name, title, role, rate, hash, created_ms) "
                               "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING");
    key->created_ms = eng_clock_wall_ms();
    eng_sql_text(&q, key->id);
    eng_sql_text(&q, key->name);
    eng_sql_int(&q, key->role);
    eng_sql_int(&q, key->rate);
    eng_sql_blob(&q, key->hash, sizeof key->hash);
    eng_sql_int(&q, key->created_ms);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = eng_fail(err, ENG_ECONFLICT, "there is a key '%.*s' already",
                          ENG_FMT(eng_str_sub(key->id, 0, 64)));
    if (status == ENG_OK)
        key->row = eng_sql_made(c);
    return status;
}

eng_status eng_store_key_add(eng_store *s, eng_store_key *key, eng_error *err)
{
    eng_store_key made = *key;
    eng_status status = eng_store_write(s, add_key, &made, err);
    if (status == ENG_OK)
        *key = made;
    return status;
}

static eng_status remove_key(eng_conn *c, void *args, eng_error *err)
{
    const eng_str *id = args;
    eng_sql q = eng_sql_use(c, "DELETE FROM api_key WHERE name = ?");
    eng_sql_text(&q, *id);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = eng_fail(err, ENG_ENOTFOUND, "no key '%.*s'", ENG_FMT(eng_str_sub(*id, 0, 64)));
    return status;
}

eng_status eng_store_key_remove(eng_store *s, eng_str id, eng_error *err)
{
    return eng_store_write(s, remove_key, &id, err);
}

typedef struct {
    int64_t after;
    size_t limit;
    eng_arena *arena;
    eng_store_key *keys;
    size_t count;
} key_page;

static void read_key(eng_sql *q, eng_arena *arena, eng_store_key *out)
{
    *out = (eng_store_key){
        .row = eng_sql_get_int(q, 0),
        .id = eng_sql_get_text(q, 1, arena),
        .name = eng_sql_get_text(q, 2, arena),
        .role = (eng_role)eng_sql_get_int(q, 3),
        .rate = (uint32_t)eng_sql_get_int(q, 4),
        .created_ms = eng_sql_get_int(q, 5),
    };
    eng_sql_get_bytes(q, 6, out->hash, sizeof out->hash);
}

static eng_status page_keys(eng_conn *c, void *args, eng_error *err)
{
    key_page *p = args;
    eng_list list = {.arena = p->arena, .size = sizeof *p->keys};
    eng_sql q = eng_sql_use(c, "SELECT id, name, title, role, rate, created_ms, hash FROM api_key "
                               "WHERE id > ? ORDER BY id LIMIT ?");
    eng_sql_int(&q, p->after);
    eng_sql_count(&q, p->limit);
    while (eng_sql_row(&q)) {
        eng_store_key *key = eng_list_add(&list, &q);
        if (key)
            read_key(&q, p->arena, key);
    }
    p->keys = list.items;
    p->count = list.count;
    return eng_sql_end(&q, err);
}

eng_status eng_store_key_page(eng_store *s, int64_t after, size_t limit, eng_arena *arena,
                              eng_store_key **out, size_t *count, eng_error *err)
{
    key_page p = {.after = after, .limit = limit, .arena = arena};
    eng_status status = eng_store_read(s, page_keys, &p, err);
    if (status == ENG_OK) {
        *out = p.keys;
        *count = p.count;
    }
    return status;
}
