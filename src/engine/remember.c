/*
 * Vectors of recent texts: a hash map by text, model and purpose, and a list in the order of use; what was
 * used longest ago goes when there is no room. An entry is one piece of memory: its head, the vector, and
 * the key that the map borrows.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/map.h"
#include "base/str.h"
#include "engine/encoder_internal.h"

enum { TEXT_MAX = 1024, OVERHEAD = 64 }; /* bytes of the map for each entry, about */

typedef struct entry {
    TAILQ_ENTRY(entry) link;
    eng_str key;
    size_t size;
    size_t width;
    eng_memory_note note;
    float vector[];
} entry;

TAILQ_HEAD(entries, entry);

struct eng_memory {
    pthread_mutex_t lock;
    eng_map map;
    struct entries used; /* latest first */
    size_t max;
    eng_memory_counters counters;
};

typedef struct {
    char bytes[sizeof(uint64_t) + 1 + TEXT_MAX];
    size_t len;
} key;

static bool make_key(key *k, uint64_t model, eng_prompt prompt, eng_str text)
{
    if (text.len > TEXT_MAX)
        return false;
    memcpy(k->bytes, &model, sizeof model);
    k->bytes[sizeof model] = (char)prompt;
    memcpy(k->bytes + sizeof model + 1, text.ptr, text.len);
    k->len = sizeof model + 1 + text.len;
    return true;
}

eng_status eng_memory_new(size_t bytes, eng_memory **out, eng_error *err)
{
    eng_memory *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    pthread_mutex_init(&m->lock, NULL);
    eng_map_init(&m->map);
    TAILQ_INIT(&m->used);
    m->max = bytes;
    *out = m;
    return ENG_OK;
}

static void drop(eng_memory *m, entry *e)
{
    eng_map_remove(&m->map, e->key);
    TAILQ_REMOVE(&m->used, e, link);
    m->counters.bytes -= e->size;
    eng_free(e);
}

void eng_memory_free(eng_memory *m)
{
    if (!m)
        return;
    while (!TAILQ_EMPTY(&m->used))
        drop(m, TAILQ_FIRST(&m->used));
    eng_map_clear(&m->map);
    pthread_mutex_destroy(&m->lock);
    eng_free(m);
}

bool eng_memory_get(eng_memory *m, uint64_t model, eng_prompt prompt, eng_str text, float *out,
                    size_t width, eng_memory_note *note)
{
    key k;
    bool asked = make_key(&k, model, prompt, text);
    pthread_mutex_lock(&m->lock);
    entry *e = asked ? eng_map_get(&m->map, (eng_str){k.bytes, k.len}) : NULL;
    if (e && e->width == width) {
        memcpy(out, e->vector, width * sizeof *out);
        *note = e->note;
        TAILQ_REMOVE(&m->used, e, link);
        TAILQ_INSERT_HEAD(&m->used, e, link);
        m->counters.hits++;
    } else if (asked) {
        m->counters.misses++;
    }
    pthread_mutex_unlock(&m->lock);
    return e && e->width == width;
}

static entry *entry_new(const key *k, const float *vector, size_t width, eng_memory_note note)
{
    size_t vector_size = width * sizeof *vector;
    entry *e = eng_alloc(sizeof *e + vector_size + k->len);
    if (!e)
        return NULL;
    char *bytes = (char *)e->vector + vector_size;
    memcpy(e->vector, vector, vector_size);
    memcpy(bytes, k->bytes, k->len);
    e->key = (eng_str){bytes, k->len};
    e->size = sizeof *e + vector_size + k->len + OVERHEAD;
    e->width = width;
    e->note = note;
    return e;
}

void eng_memory_put(eng_memory *m, uint64_t model, eng_prompt prompt, eng_str text,
                    const float *vector, size_t width, eng_memory_note note)
{
    key k;
    if (!make_key(&k, model, prompt, text))
        return;
    entry *e = entry_new(&k, vector, width, note);
    if (!e || e->size > m->max) {
        eng_free(e);
        return;
    }
    pthread_mutex_lock(&m->lock);
    entry *old = eng_map_get(&m->map, e->key);
    if (old)
        drop(m, old);
    while (m->counters.bytes + e->size > m->max)
        drop(m, TAILQ_LAST(&m->used, entries));
    if (eng_map_put(&m->map, e->key, e, NULL, NULL) == ENG_OK) {
        TAILQ_INSERT_HEAD(&m->used, e, link);
        m->counters.bytes += e->size;
        e = NULL;
    }
    pthread_mutex_unlock(&m->lock);
    eng_free(e);
}

void eng_memory_count(eng_memory *m, eng_memory_counters *out)
{
    pthread_mutex_lock(&m->lock);
    *out = m->counters;
    pthread_mutex_unlock(&m->lock);
}
