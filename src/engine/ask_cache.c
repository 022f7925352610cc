/*
 * Answers that are remembered: by the collection and its version, the question and every setting that
 * can change an answer. A collection that has changed has another version, so nothing that is found here
 * is stale; what can no longer be found is the oldest, and goes first.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/map.h"
#include "engine/ask_internal.h"

#include <math.h>
#include <sodium.h>
#include <sys/queue.h>

enum { BYTES_MAX = 16 << 20, ENTRY_MAX = 256 << 10, KEY_BYTES = 32 };

typedef struct entry {
    TAILQ_ENTRY(entry) link; /* the longest unused first */
    unsigned char key[KEY_BYTES];
    eng_held_answer *held;
    size_t bytes;
} entry;

struct eng_ask_cache {
    pthread_mutex_t lock;
    eng_map map;
    TAILQ_HEAD(entry_list, entry) entries;
    size_t bytes;
};

eng_status eng_ask_cache_new(eng_ask_cache **out, eng_error *err)
{
    eng_ask_cache *c = eng_zalloc(sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    pthread_mutex_init(&c->lock, NULL);
    eng_map_init(&c->map);
    TAILQ_INIT(&c->entries);
    *out = c;
    return ENG_OK;
}

static eng_str key_of(const entry *e) { return (eng_str){(const char *)e->key, KEY_BYTES}; }

static void entry_free(entry *e)
{
    if (e->held)
        eng_answer_free(&e->held->a);
    eng_free(e);
}

static void drop(eng_ask_cache *c, entry *e)
{
    eng_map_remove(&c->map, key_of(e));
    TAILQ_REMOVE(&c->entries, e, link);
    c->bytes -= e->bytes;
    entry_free(e);
}

void eng_ask_cache_free(eng_ask_cache *c)
{
    if (!c)
        return;
    while (!TAILQ_EMPTY(&c->entries))
        drop(c, TAILQ_FIRST(&c->entries));
    eng_map_clear(&c->map);
    pthread_mutex_destroy(&c->lock);
    eng_free(c);
}

/* ---- Keys ---------------------------------------------------------------------------------------------- */

static void add(crypto_generichash_state *state, eng_str text)
{
    uint64_t len = text.ptr ? text.len : UINT64_MAX;
    crypto_generichash_update(state, (const unsigned char *)&len, sizeof len);
    if (text.ptr)
        crypto_generichash_update(state, (const unsigned char *)text.ptr, text.len);
}

static void add_number(crypto_generichash_state *state, uint64_t n)
{
    crypto_generichash_update(state, (const unsigned char *)&n, sizeof n);
}

static void add_share(crypto_generichash_state *state, double share)
{
    add_number(state, (uint64_t)llround(share * 1e9));
}

static void add_tuning(crypto_generichash_state *state, const eng_tuning *t)
{
    for (size_t m = 0; m < ENG_MODES; m++)
        add_share(state, t->weight[m]);
    add_share(state, t->threshold);
    add_share(state, t->confidence);
    add_number(state, t->top_k);
    add_number(state, t->rerank);
}

/* The question as it was completed stands for its history. */
static void make_key(const eng_asking *q, unsigned char key[KEY_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, KEY_BYTES);
    add_number(&state, (uint64_t)q->row);
    add_number(&state, q->version);
    add_number(&state, (uint64_t)q->what.mode);
    add_number(&state, q->what.top_k);
    add_share(&state, q->what.threshold);
    add_number(&state, q->what.threshold_given);
    add_tuning(&state, &q->tuning);
    add_number(&state, (uint64_t)q->language);
    add(&state, q->asked);
    add(&state, q->what.filter);
    crypto_generichash_final(&state, key, KEY_BYTES);
}

/* ---- Copies -------------------------------------------------------------------------------------------- */

typedef struct {
    eng_arena *arena;
    size_t bytes;
    bool failed;
} copier;

static void *take(copier *c, size_t count, size_t size)
{
    void *p = eng_arena_array(c->arena, count + 1, size);
    c->bytes += (count + 1) * size;
    c->failed |= !p;
    return p;
}

static const char *text(copier *c, const char *s)
{
    if (!s)
        return NULL;
    eng_str copy = eng_arena_copy(c->arena, eng_str_of(s));
    c->bytes += copy.len + 1;
    c->failed |= !copy.ptr;
    return copy.ptr;
}

static void copy_citations(copier *c, const eng_answer *from, eng_answer *to)
{
    eng_citation *items = take(c, from->citation_count, sizeof *items);
    for (size_t i = 0; items && i < from->citation_count; i++) {
        items[i] = from->citations[i];
        items[i].document = text(c, from->citations[i].document);
        items[i].title = text(c, from->citations[i].title);
        items[i].url = text(c, from->citations[i].url);
        items[i].quote = text(c, from->citations[i].quote);
    }
    to->citations = items;
}

static void copy_sentences(copier *c, const eng_answer *from, eng_answer *to)
{
    eng_said *items = take(c, from->sentence_count, sizeof *items);
    for (size_t i = 0; items && i < from->sentence_count; i++) {
        const eng_said *s = &from->sentences[i];
        uint32_t *places = take(c, s->citation_count, sizeof *places);
        if (places && s->citation_count)
            memcpy(places, s->citations, s->citation_count * sizeof *places);
        items[i] = (eng_said){text(c, s->text), s->supported, places, s->citation_count};
    }
    to->sentences = items;
}

static void copy_passages(copier *c, const eng_answer *from, eng_answer *to)
{
    eng_passage_use *items = take(c, from->passage_count, sizeof *items);
    for (size_t i = 0; items && i < from->passage_count; i++) {
        items[i] = from->passages[i];
        items[i].document = text(c, from->passages[i].document);
        items[i].why = text(c, from->passages[i].why);
    }
    to->passages = items;
}

/* NULL when memory ran out. */
static eng_held_answer *copy(const eng_answer *from, size_t *bytes)
{
    eng_held_answer *to = eng_held_new();
    if (!to)
        return NULL;
    copier c = {.arena = &to->arena, .bytes = sizeof *to};
    to->a = *from;
    to->a.response = text(&c, from->response);
    to->a.brief = text(&c, from->brief);
    to->a.asked = "";
    to->a.fell = NULL;
    to->a.timings = NULL;
    to->a.timing_count = 0;
    copy_citations(&c, from, &to->a);
    copy_sentences(&c, from, &to->a);
    copy_passages(&c, from, &to->a);
    *bytes = c.bytes;
    if (!c.failed)
        return to;
    eng_answer_free(&to->a);
    return NULL;
}

/* ---- Use ------------------------------------------------------------------------------------------------ */

eng_held_answer *eng_ask_cache_get(eng_ask_cache *c, const eng_asking *q)
{
    unsigned char key[KEY_BYTES];
    size_t bytes;
    eng_held_answer *out = NULL;
    make_key(q, key);
    pthread_mutex_lock(&c->lock);
    entry *e = eng_map_get(&c->map, (eng_str){(const char *)key, KEY_BYTES});
    if (e) {
        TAILQ_REMOVE(&c->entries, e, link);
        TAILQ_INSERT_TAIL(&c->entries, e, link);
        out = copy(&e->held->a, &bytes);
    }
    pthread_mutex_unlock(&c->lock);
    return out;
}

void eng_ask_cache_put(eng_ask_cache *c, const eng_asking *q)
{
    entry *e = eng_zalloc(sizeof *e);
    if (!e)
        return;
    make_key(q, e->key);
    e->held = copy(&q->out->a, &e->bytes);
    e->bytes += sizeof *e;
    if (!e->held || e->bytes > ENTRY_MAX) {
        entry_free(e);
        return;
    }
    pthread_mutex_lock(&c->lock);
    entry *before = eng_map_get(&c->map, key_of(e));
    if (before)
        drop(c, before);
    if (eng_map_put(&c->map, key_of(e), e, NULL, NULL) == ENG_OK) {
        TAILQ_INSERT_TAIL(&c->entries, e, link);
        c->bytes += e->bytes;
        while (c->bytes > BYTES_MAX)
            drop(c, TAILQ_FIRST(&c->entries));
    } else {
        entry_free(e);
    }
    pthread_mutex_unlock(&c->lock);
}

void eng_ask_cache_count(eng_ask_cache *c, uint64_t *entries, uint64_t *bytes)
{
    pthread_mutex_lock(&c->lock);
    *entries = c->map.count;
    *bytes = c->bytes;
    pthread_mutex_unlock(&c->lock);
}
