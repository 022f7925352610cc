/*
 * An arena is a list of chunks, of which the newest is filled. A piece that is larger than a whole
 * chunk gets one of its own, put behind the newest so that what is left of that is not lost.
 */
#include "base/arena.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

/* ASan sees a chunk as one allocation; told what is handed out, it sees overrun pieces too. */
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(p, size) ASAN_POISON_MEMORY_REGION(p, size)
#define SHOW(p, size) ASAN_UNPOISON_MEMORY_REGION(p, size)
#else
#define HIDE(p, size) ((void)(p), (void)(size))
#define SHOW(p, size) ((void)(p), (void)(size))
#endif

enum { ALIGN = 16, CHUNK_MOST = 1 << 20 };

struct eng_arena_chunk {
    eng_arena_chunk *next;
    size_t total; /* with this header: what the budget was asked for */
    bool first;   /* the one that eng_arena_reset keeps */
    _Alignas(ALIGN) char data[];
};

void eng_arena_init(eng_arena *a, size_t chunk_size, eng_budget *budget)
{
    size_t size = (chunk_size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    *a = (eng_arena){.chunk_size = size, .first_size = size, .budget = budget};
}

static eng_arena_chunk *chunk_new(eng_arena *a, size_t size)
{
    size_t total;
    if (!eng_add(size, sizeof(eng_arena_chunk), &total))
        return NULL;
    if (a->budget && !eng_budget_take(a->budget, total))
        return NULL;
    eng_arena_chunk *c = eng_alloc(total);
    if (!c) {
        if (a->budget)
            eng_budget_give(a->budget, total);
        return NULL;
    }
    c->total = total;
    c->first = false;
    HIDE(c->data, size);
    return c;
}

static void chunk_free(eng_arena *a, eng_arena_chunk *c)
{
    if (a->budget)
        eng_budget_give(a->budget, c->total);
    SHOW(c->data, c->total - sizeof *c);
    eng_free(c);
}

static void *alloc_large(eng_arena *a, size_t size)
{
    eng_arena_chunk *c = chunk_new(a, size);
    if (!c)
        return NULL;
    eng_arena_chunk **at = a->chunks ? &a->chunks->next : &a->chunks;
    c->next = *at;
    *at = c;
    return c->data;
}

static size_t after(size_t chunk_size)
{
    if (chunk_size >= CHUNK_MOST)
        return chunk_size;
    return chunk_size < CHUNK_MOST / 2 ? chunk_size * 2 : CHUNK_MOST;
}

static bool add_chunk(eng_arena *a)
{
    eng_arena_chunk *c = chunk_new(a, a->chunk_size);
    if (!c)
        return false;
    c->first = a->at == NULL;
    c->next = a->chunks;
    a->chunks = c;
    a->at = c->data;
    a->end = c->data + a->chunk_size;
    a->chunk_size = after(a->chunk_size);
    return true;
}

void *eng_arena_alloc(eng_arena *a, size_t size)
{
    size_t rounded;
    if (!eng_add(size ? size : 1, ALIGN - 1, &rounded))
        return NULL;
    rounded &= ~(size_t)(ALIGN - 1);

    char *p = NULL;
    if (rounded <= (size_t)(a->end - a->at) || (rounded <= a->chunk_size && add_chunk(a))) {
        p = a->at;
        a->at += rounded;
    } else if (rounded > a->chunk_size) {
        p = alloc_large(a, rounded);
    }
    if (p)
        SHOW(p, size);
    return p;
}

void *eng_arena_zalloc(eng_arena *a, size_t size)
{
    void *p = eng_arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

void *eng_arena_array(eng_arena *a, size_t count, size_t size)
{
    size_t total;
    return eng_mul(count, size, &total) ? eng_arena_alloc(a, total) : NULL;
}

eng_str eng_arena_copy(eng_arena *a, eng_str text)
{
    size_t size;
    char *copy = eng_add(text.len, 1, &size) ? eng_arena_alloc(a, size) : NULL;
    if (!copy)
        return (eng_str){NULL, 0};
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (eng_str){copy, text.len};
}

eng_str eng_arena_format(eng_arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);

    char *text = len < 0 ? NULL : eng_arena_alloc(a, (size_t)len + 1);
    if (!text)
        return (eng_str){NULL, 0};
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return (eng_str){text, (size_t)len};
}

void eng_arena_reset(eng_arena *a)
{
    eng_arena_chunk *kept = NULL;
    for (eng_arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        if (c->first)
            kept = c;
        else
            chunk_free(a, c);
    }
    if (!kept) {
        eng_arena_init(a, a->first_size, a->budget);
        return;
    }
    kept->next = NULL;
    a->chunks = kept;
    a->at = kept->data;
    a->end = kept->data + a->first_size;
    a->chunk_size = after(a->first_size);
    HIDE(kept->data, a->first_size);
}

void eng_arena_clear(eng_arena *a)
{
    for (eng_arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        chunk_free(a, c);
    }
    eng_arena_init(a, a->first_size, a->budget);
}
