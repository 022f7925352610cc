/*
 * Keys: the truth is in the store, and a copy of what a check needs in memory, so that an event loop
 * never waits for a disk. A key counts from when the store has it until the store has lost it.
 *
 * Adding makes everything that can fail before it writes: the entry in memory is there first, not yet
 * live, so that a key that is on disk is never one that this process does not know.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/random.h"
#include "base/utf8.h"
#include "engine/engine_internal.h"

#include <sodium.h>

enum {
    ID_LEN = ENG_ID_SIZE - 1,
    TAIL_LEN = 40,
    SECRET_LEN = 4 + ID_LEN + 1 + TAIL_LEN,
    LOAD_STEP = 1000
};

_Static_assert(SECRET_LEN < ENG_KEY_SECRET_SIZE, "a secret fits");

typedef struct {
    char id[ENG_ID_SIZE];
    unsigned char hash[ENG_STORE_KEY_HASH];
    eng_role role;
    uint32_t rate;
    bool live;
} entry;

/* ---- Secrets ---- */

static void hash_secret(const eng *e, eng_str secret, unsigned char out[ENG_STORE_KEY_HASH])
{
    crypto_generichash(out, ENG_STORE_KEY_HASH, (const unsigned char *)secret.ptr, secret.len,
                       e->secret, sizeof e->secret);
}

static bool all_digits(eng_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool good = (s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'v');
        if (!good)
            return false;
    }
    return true;
}

static bool is_id(eng_str s) { return s.len == ID_LEN && all_digits(s); }

/* "eng_<id>_<40 characters>"; how it is written is no secret. */
static bool take_id(eng_str secret, eng_str *id)
{
    *id = eng_str_sub(secret, 4, ID_LEN);
    return secret.len == SECRET_LEN && eng_str_starts(secret, ENG_STR("eng_")) && is_id(*id) &&
           secret.ptr[4 + ID_LEN] == '_' && all_digits(eng_str_sub(secret, 5 + ID_LEN, TAIL_LEN));
}

bool eng_key_check(eng *e, eng_str secret, char id[ENG_ID_SIZE], eng_role *role, uint32_t *rate)
{
    eng_str name;
    if (!take_id(secret, &name))
        return false;
    entry key = {0};
    pthread_rwlock_rdlock(&e->keys_lock);
    const entry *found = eng_map_get(&e->keys, name);
    if (found)
        key = *found;
    pthread_rwlock_unlock(&e->keys_lock);

    /* For an id that nobody has, the same work against a hash that nothing has. */
    unsigned char hash[ENG_STORE_KEY_HASH];
    hash_secret(e, secret, hash);
    bool same = sodium_memcmp(hash, key.hash, sizeof hash) == 0;
    if (!same || !key.live)
        return false;
    memcpy(id, key.id, ENG_ID_SIZE);
    *role = key.role;
    *rate = key.rate;
    return true;
}

/* ---- In memory ---- */

static eng_status remember(eng *e, const entry *key, eng_error *err)
{
    entry *mine = eng_alloc(sizeof *mine);
    if (!mine)
        return eng_fail_nomem(err);
    *mine = *key;
    eng_str id = eng_str_of(mine->id);
    pthread_rwlock_wrlock(&e->keys_lock);
    eng_status status = eng_map_get(&e->keys, id)
                            ? eng_fail(err, ENG_ECONFLICT, "there is a key '%s' already", mine->id)
                            : eng_map_put(&e->keys, id, mine, NULL, err);
    pthread_rwlock_unlock(&e->keys_lock);
    if (status < 0)
        eng_free(mine);
    return status;
}

static void forget(eng *e, eng_str id)
{
    pthread_rwlock_wrlock(&e->keys_lock);
    entry *key = eng_map_remove(&e->keys, id);
    pthread_rwlock_unlock(&e->keys_lock);
    eng_free(key);
}

static void enliven(eng *e, eng_str id)
{
    pthread_rwlock_wrlock(&e->keys_lock);
    entry *key = eng_map_get(&e->keys, id);
    if (key)
        key->live = true;
    pthread_rwlock_unlock(&e->keys_lock);
}

static eng_status remember_stored(eng *e, const eng_store_key *stored, eng_error *err)
{
    entry key = {.role = stored->role, .rate = stored->rate, .live = true};
    if (!is_id(stored->id))
        return eng_fail(err, ENG_ECORRUPT, "'%s/" ENG_DATA_DB "' is damaged: a key's id is none",
                        e->data);
    if (stored->role < ENG_ROLE_READ || stored->role > ENG_ROLE_ADMIN)
        return eng_fail(err, ENG_ECORRUPT,
                        "'%s/" ENG_DATA_DB "' is damaged: the role of key '%.*s' is none", e->data,
                        ENG_FMT(stored->id));
    memcpy(key.id, stored->id.ptr, ID_LEN);
    memcpy(key.hash, stored->hash, sizeof key.hash);
    return remember(e, &key, err);
}

eng_status eng_keys_load(eng *e, eng_error *err)
{
    eng_arena arena;
    eng_store_key *keys = NULL;
    size_t count = LOAD_STEP;
    eng_status status = ENG_OK;
    int64_t after = 0;
    eng_arena_init(&arena, 16384, NULL);
    while (status == ENG_OK && count == LOAD_STEP) {
        eng_arena_reset(&arena);
        status = eng_store_key_page(e->store, after, LOAD_STEP, &arena, &keys, &count, err);
        for (size_t i = 0; status == ENG_OK && i < count; i++) {
            status = remember_stored(e, &keys[i], err);
            after = keys[i].row;
        }
    }
    eng_arena_clear(&arena);
    return status;
}

void eng_keys_clear(eng *e)
{
    const eng_map_slot *slot;
    for (size_t i = 0; eng_map_next(&e->keys, &i, &slot);)
        eng_free(slot->value);
    eng_map_clear(&e->keys);
}

/* ---- Adding and removing ---- */

static eng_status check_name(eng_str name, eng_error *err)
{
    eng_str field = ENG_STR("name");
    if (eng_utf8_valid(name) != name.len)
        return eng_fail_field(err, ENG_EINVALID, field, "not UTF-8");
    size_t chars = eng_utf8_count(name);
    if (chars < 1 || chars > ENG_KEY_NAME_MAX)
        return eng_fail_field(err, ENG_EINVALID, field, "expected 1 to %d characters",
                              ENG_KEY_NAME_MAX);
    for (size_t at = 0; at < name.len;) {
        uint32_t c = eng_utf8_next(name, &at);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            return eng_fail_field(err, ENG_EINVALID, field, "control characters are not allowed");
    }
    return ENG_OK;
}

eng_status eng_key_add(eng *e, eng_str name, eng_role role, uint32_t rate, eng_key *out,
                       char secret[ENG_KEY_SECRET_SIZE], eng_error *err)
{
    eng_status status = check_name(name, err);
    if (status < 0)
        return status;
    if (role != ENG_ROLE_READ && role != ENG_ROLE_WRITE && role != ENG_ROLE_ADMIN)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("role"), "expected read, write or admin");

    char text[ENG_KEY_SECRET_SIZE], tail[TAIL_LEN + 1];
    entry key = {.role = role, .rate = rate};
    eng_random_id(key.id, ID_LEN);
    eng_random_id(tail, TAIL_LEN);
    snprintf(text, sizeof text, "eng_%s_%s", key.id, tail);
    hash_secret(e, (eng_str){text, SECRET_LEN}, key.hash);

    eng_store_key stored = {.id = {key.id, ID_LEN}, .name = name, .role = role, .rate = rate};
    memcpy(stored.hash, key.hash, sizeof stored.hash);
    char *kept = eng_strdup(name);
    if (!kept)
        return eng_fail_nomem(err);
    status = remember(e, &key, err);
    if (status == ENG_OK) {
        status = eng_store_key_add(e->store, &stored, err);
        if (status < 0)
            forget(e, stored.id);
    }
    if (status < 0) {
        eng_free(kept);
    } else {
        enliven(e, stored.id);
        *out = (eng_key){.name = kept, .role = role, .rate = rate, .created_ms = stored.created_ms};
        memcpy(out->id, key.id, sizeof out->id);
        memcpy(secret, text, sizeof text);
    }
    sodium_memzero(text, sizeof text);
    sodium_memzero(tail, sizeof tail);
    return status;
}

void eng_key_clear(eng_key *key)
{
    if (!key)
        return;
    eng_free((char *)(uintptr_t)key->name);
    *key = (eng_key){0};
}

eng_status eng_key_remove(eng *e, eng_str id, eng_error *err)
{
    if (!is_id(id))
        return eng_fail(err, ENG_ENOTFOUND, "no key '%.*s'", ENG_FMT(eng_str_sub(id, 0, 64)));
    eng_status status = eng_store_key_remove(e->store, id, err);
    if (status == ENG_OK)
        forget(e, id);
    return status;
}

/* ---- Listing ---- */

typedef struct {
    eng_key_page page; /* first: what the caller holds */
    eng_arena arena;
} page_of_keys;

static eng_status fill_key(eng_arena *arena, const eng_store_key *stored, eng_key *out,
                           eng_error *err)
{
    *out = (eng_key){.role = stored->role, .rate = stored->rate, .created_ms = stored->created_ms};
    eng_str id = eng_str_sub(stored->id, 0, ID_LEN);
    memcpy(out->id, id.ptr, id.len);
    out->name = eng_arena_copy(arena, stored->name).ptr;
    return out->name ? ENG_OK : eng_fail_nomem(err);
}

static eng_status fill_page(eng *e, page_of_keys *p, unsigned limit, int64_t after, eng_error *err)
{
    eng_store_key *stored = NULL;
    size_t count = 0;
    /* One more than asked for: whether there is a next page. */
    eng_status status = eng_store_key_page(e->store, after, limit + 1, &p->arena, &stored, &count,
                                           err);
    if (status < 0)
        return status;
    p->page.count = count < limit ? count : limit;
    p->page.keys = eng_arena_array(&p->arena, p->page.count, sizeof *p->page.keys);
    if (!p->page.keys)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < p->page.count && status == ENG_OK; i++)
        status = fill_key(&p->arena, &stored[i], &p->page.keys[i], err);
    if (status == ENG_OK && count > limit)
        eng_next_make(e, "keys", stored[limit - 1].row, p->page.next);
    return status;
}

eng_status eng_key_list(eng *e, unsigned limit, const char *next, eng_key_page **out,
                        eng_error *err)
{
    int64_t after;
    eng_status status = eng_limit_check(limit, err);
    if (status == ENG_OK)
        status = eng_next_read(e, "keys", next, 0, &after, err);
    if (status < 0)
        return status;
    page_of_keys *p = eng_zalloc(sizeof *p);
    if (!p)
        return eng_fail_nomem(err);
    eng_arena_init(&p->arena, 4096, NULL);
    status = fill_page(e, p, limit, after, err);
    if (status < 0)
        eng_key_page_free(&p->page);
    else
        *out = &p->page;
    return status;
}

void eng_key_page_free(eng_key_page *page)
{
    if (!page)
        return;
    page_of_keys *p = (page_of_keys *)page;
    eng_arena_clear(&p->arena);
    eng_free(p);
}
