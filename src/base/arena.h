/*
 * An arena: memory that is taken piece by piece and given back in one go; one per request, per
 * document, per model load. Not for two threads at once.
 *
 *     eng_arena a;
 *     eng_arena_init(&a, 4096, NULL);
 *     char *name = eng_arena_alloc(&a, 32);
 *     ...
 *     eng_arena_clear(&a);
 *
 * Initialising allocates nothing. Pieces are aligned to 16 bytes.
 */
#ifndef ENG_BASE_ARENA_H
#define ENG_BASE_ARENA_H

#include "base/alloc.h"

typedef struct eng_arena_chunk eng_arena_chunk;

typedef struct {
    eng_arena_chunk *chunks; /* newest first */
    char *at;
    char *end;
    size_t chunk_size; /* of the next chunk; doubles up to 1 MiB */
    size_t first_size;
    eng_budget *budget;
} eng_arena;

void eng_arena_init(eng_arena *a, size_t chunk_size, eng_budget *budget);
/* NULL when memory or the budget is used up. */
void *eng_arena_alloc(eng_arena *a, size_t size) __attribute__((alloc_size(2)));
void *eng_arena_zalloc(eng_arena *a, size_t size) __attribute__((alloc_size(2)));
void *eng_arena_array(eng_arena *a, size_t count, size_t size) __attribute__((alloc_size(2, 3)));
/* A copy with a NUL behind it; {NULL, 0} when memory ran out. */
eng_str eng_arena_copy(eng_arena *a, eng_str text);
eng_str eng_arena_format(eng_arena *a, const char *format, ...) ENG_PRINTF(2, 3);
/* Forgets all pieces but keeps the first chunk, so that a busy connection stops allocating. A chunk
 * that was made for one large piece is not kept. */
void eng_arena_reset(eng_arena *a);
/* Gives everything back; the arena may be used again. */
void eng_arena_clear(eng_arena *a);

#endif
