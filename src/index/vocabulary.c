/* How often a collection has each word, for those who put passages in. Open addressing, half full at
 * most; the words lie one after the other in a pool. */
#include "index/index_internal.h"

#include "base/alloc.h"
#include "base/hash.h"

enum { CAP_LEAST = 1024 };

void eng_vocabulary_init(eng_vocabulary *v)
{
    *v = (eng_vocabulary){0};
    eng_buf_init(&v->pool, UINT32_MAX);
}

void eng_vocabulary_clear(eng_vocabulary *v)
{
    eng_free(v->slots);
    eng_buf_clear(&v->pool);
    eng_vocabulary_init(v);
}

static eng_vocabulary_slot *find(const eng_vocabulary *v, eng_str word)
{
    size_t mask = v->cap - 1, i = (size_t)eng_hash(word.ptr, word.len) & mask;
    while (v->slots[i].len && !(v->slots[i].len == word.len &&
                                memcmp(v->pool.data + v->slots[i].at, word.ptr, word.len) == 0))
        i = (i + 1) & mask;
    return &v->slots[i];
}

uint32_t eng_vocabulary_count(void *self, eng_str word)
{
    const eng_vocabulary *v = self;
    return v->count ? find(v, word)->count : 0;
}

static bool grow(eng_vocabulary *v)
{
    eng_vocabulary bigger = *v;
    bigger.cap = v->cap ? v->cap * 2 : CAP_LEAST;
    bigger.slots = eng_zalloc(bigger.cap * sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < v->cap; i++) {
        eng_vocabulary_slot *s = &v->slots[i];
        if (s->len)
            *find(&bigger, (eng_str){v->pool.data + s->at, s->len}) = *s;
    }
    eng_free(v->slots);
    v->slots = bigger.slots;
    v->cap = bigger.cap;
    return true;
}

static bool add(eng_vocabulary *v, eng_str word, uint32_t count)
{
    if (v->count * 2 >= v->cap && !grow(v))
        return false;
    eng_vocabulary_slot *s = find(v, word);
    if (!s->len) {
        uint32_t at = (uint32_t)v->pool.len;
        eng_buf_str(&v->pool, word);
        if (v->pool.failed < 0)
            return false;
        *s = (eng_vocabulary_slot){.at = at, .len = (uint32_t)word.len};
        v->count++;
    }
    s->count = count < UINT32_MAX - s->count ? s->count + count : UINT32_MAX;
    return true;
}

eng_status eng_vocabulary_add(eng_vocabulary *v, const eng_segment *s, eng_error *err)
{
    static const char first[] = {ENG_KEY_VOCABULARY};
    for (size_t i = eng_segment_lower(s, (eng_str){first, 1}); i < s->entry_count; i++) {
        eng_str key = eng_segment_key(s, i);
        if (key.ptr[0] != ENG_KEY_VOCABULARY)
            break;
        if (key.len > 1 && !add(v, eng_str_sub(key, 1, key.len), s->entries[i].count))
            return eng_fail_nomem(err);
    }
    return ENG_OK;
}
