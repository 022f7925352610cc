/*
 * A hash map from text to a pointer. Open addressing, grows by doubling; the hash is keyed with a
 * secret of the process, so that keys chosen by a stranger do not collide on purpose.
 *
 * Keys are borrowed: they must live as long as the map (in the value, or in an arena).
 * Not for two threads at once while one of them writes.
 */
#ifndef ENG_BASE_MAP_H
#define ENG_BASE_MAP_H

#include "engenho.h"

typedef struct {
    eng_str
        key; /* ptr NULL: free; removed slots are closed by shifting back, so there are no tombs */
    void *value;
    uint64_t hash;
} eng_map_slot;

typedef struct {
    eng_map_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t count;
} eng_map;

void eng_map_init(eng_map *m); /* allocates nothing */
void eng_map_clear(eng_map *m);

void *eng_map_get(const eng_map *m, eng_str key);
/* Replaces a value that is there; *old, if not NULL, gets it or NULL. */
eng_status eng_map_put(eng_map *m, eng_str key, void *value, void **old,
                       eng_error *err) ENG_MUST_CHECK;
/* The value that was there, or NULL. */
void *eng_map_remove(eng_map *m, eng_str key);

/* Every entry in no particular order: for (size_t i = 0; eng_map_next(m, &i, &slot);) */
bool eng_map_next(const eng_map *m, size_t *at, const eng_map_slot **slot);

#endif
