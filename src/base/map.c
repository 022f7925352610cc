/*
 * Linear probing over a power of two, at most three quarters full. An entry stands in the first
 * free slot from its hash on; removing one closes the gap by moving back what would no longer be
 * found.
 */
#include "base/map.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

enum { CAP_LEAST = 8 };

void eng_map_init(eng_map *m) { *m = (eng_map){0}; }

void eng_map_clear(eng_map *m)
{
    eng_free(m->slots);
    eng_map_init(m);
}

/* The slot that holds key, or the free one where it would go. There is always a free one. */
static eng_map_slot *find(const eng_map *m, eng_str key, uint64_t hash)
{
    size_t mask = m->cap - 1;
    size_t i = (size_t)hash & mask;
    while (m->slots[i].key.ptr && !(m->slots[i].hash == hash && eng_str_eq(m->slots[i].key, key)))
        i = (i + 1) & mask;
    return &m->slots[i];
}

void *eng_map_get(const eng_map *m, eng_str key)
{
    return m->count ? find(m, key, eng_hash(key.ptr, key.len))->value : NULL;
}

static bool grow(eng_map *m)
{
    size_t size;
    eng_map bigger = {.cap = m->cap ? m->cap : CAP_LEAST / 2, .count = m->count};
    if (!eng_mul(bigger.cap, 2, &bigger.cap) || !eng_mul(bigger.cap, sizeof *m->slots, &size))
        return false;
    bigger.slots = eng_zalloc(size);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].key.ptr)
            *find(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    }
    eng_free(m->slots);
    *m = bigger;
    return true;
}

eng_status eng_map_put(eng_map *m, eng_str key, void *value, void **old, eng_error *err)
{
    uint64_t hash = eng_hash(key.ptr, key.len);
    eng_map_slot *slot = m->cap ? find(m, key, hash) : NULL;

    if (!slot || !slot->key.ptr) {
        if (m->count >= m->cap / 4 * 3) {
            if (!grow(m))
                return eng_fail_nomem(err);
            slot = find(m, key, hash);
        }
        /* A key of no bytes may come without a pointer, which would mean a free slot. */
        *slot = (eng_map_slot){.key = {key.ptr ? key.ptr : "", key.len}, .hash = hash};
        m->count++;
    }
    if (old)
        *old = slot->value;
    slot->value = value;
    return ENG_OK;
}

void *eng_map_remove(eng_map *m, eng_str key)
{
    eng_map_slot *slot = m->count ? find(m, key, eng_hash(key.ptr, key.len)) : NULL;
    if (!slot || !slot->key.ptr)
        return NULL;
    void *value = slot->value;

    size_t mask = m->cap - 1;
    size_t gap = (size_t)(slot - m->slots);
    for (size_t i = (gap + 1) & mask; m->slots[i].key.ptr; i = (i + 1) & mask) {
        /* It may move to the gap only if that is not before the slot where its search begins. */
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (eng_map_slot){0};
    m->count--;
    return value;
}

bool eng_map_next(const eng_map *m, size_t *at, const eng_map_slot **slot)
{
    while (*at < m->cap) {
        const eng_map_slot *s = &m->slots[(*at)++];
        if (s->key.ptr) {
            *slot = s;
            return true;
        }
    }
    return false;
}
