/*
 * Every allocation of ours goes through here, and SQLite's and libcurl's too (engine/engine.c hands
 * these functions to them), for three reasons: a test can fail the n-th one, /metrics and budgets
 * of tests can count them, and a request can be given a budget that it cannot exceed.
 *
 * A size of 0 gives a valid pointer. NULL means out of memory, an ordinary error (ENG_ENOMEM).
 * A reallocation counts as an allocation and, where there was old memory, as a free.
 */
#ifndef ENG_BASE_ALLOC_H
#define ENG_BASE_ALLOC_H

#include "engenho.h"

#include <stdatomic.h>

void *eng_alloc(size_t size) __attribute__((__malloc__, alloc_size(1), warn_unused_result));
void *eng_zalloc(size_t size) __attribute__((__malloc__, alloc_size(1), warn_unused_result));
/* count * size, checked; not zeroed. */
void *eng_alloc_array(size_t count, size_t size)
    __attribute__((__malloc__, alloc_size(1, 2), warn_unused_result));
/* On failure NULL, and the old memory stays as it was. */
void *eng_realloc(void *old, size_t size) __attribute__((alloc_size(2), warn_unused_result));
void eng_free(void *p);
/* A NUL-terminated copy. */
char *eng_strdup(eng_str text) __attribute__((__malloc__, warn_unused_result));

/* Since the process began; `bytes` is what is held now. Sums over threads, exact when they rest. */
typedef struct {
    uint64_t allocations;
    uint64_t frees;
    int64_t bytes;
} eng_alloc_counters;

eng_alloc_counters eng_alloc_count(void);

/*
 * For tests: the n-th allocation from now on (counting from 1) fails, in the calling thread alone,
 * and, with `sticky`, all that follow it. 0 switches it off. eng_alloc_faulted says whether it came
 * to that, which is how a loop over n knows when to stop.
 */
void eng_alloc_fail_at(uint64_t n, bool sticky);
bool eng_alloc_faulted(void);

/* For a thread that does another's work: with the other's fault it fails where the other would have.
 * Returns what was there before, to be put back. */
typedef struct {
    uint64_t fail_in; /* 0: off; 1: the next one fails */
    bool sticky;
    bool faulted;
} eng_alloc_fault;

eng_alloc_fault eng_alloc_fault_swap(eng_alloc_fault theirs);

/* What one request, document or load may hold at a time. Shared between threads. */
typedef struct {
    size_t limit; /* 0: no limit */
    _Atomic size_t used;
} eng_budget;

bool eng_budget_take(eng_budget *b, size_t size);
void eng_budget_give(eng_budget *b, size_t size);

#endif
