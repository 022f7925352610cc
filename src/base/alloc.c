/*
 * Allocation: malloc with a fault hook and counters.
 *
 * The counters are kept by thread, because one shared cache line would cost more than the
 * allocation itself. A thread claims a cell of its own at its first allocation and is then the only
 * one to write it, with plain loads and stores; when it ends the cell, sums and all, goes to the
 * next thread that comes, so nothing is lost and nothing has to be allocated. Threads beyond the
 * number of cells, and what a thread frees while it is being torn down, share cell 0, which is
 * added to atomically.
 */
#include "base/alloc.h"

#include "base/check.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 128, CACHE_LINE = 64 };

typedef struct {
    _Alignas(CACHE_LINE) _Atomic uint64_t allocations;
    _Atomic uint64_t frees;
    _Atomic int64_t
        bytes; /* negative where others' memory was freed: only the sum means something */
    atomic_bool taken;
} counter_cell;

static counter_cell cells[CELLS];

typedef struct {
    counter_cell *cell; /* NULL: none claimed yet */
    eng_alloc_fault fault;
} thread_state;

static _Thread_local thread_state self;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

/* The thread ends. Other destructors may still free something: that goes to the shared cell. */
static void release_cell(void *cell)
{
    self.cell = &cells[0];
    atomic_store_explicit(&((counter_cell *)cell)->taken, false, memory_order_release);
}

static void make_key(void) { key_made = pthread_key_create(&key, release_cell) == 0; }

static counter_cell *claim_cell(void)
{
    pthread_once(&key_once, make_key);
    for (size_t i = 1; key_made && i < CELLS; i++) {
        /* Acquire: the sums that the last owner left are seen. */
        if (atomic_load_explicit(&cells[i].taken, memory_order_relaxed) ||
            atomic_exchange_explicit(&cells[i].taken, true, memory_order_acquire))
            continue;
        if (pthread_setspecific(key, &cells[i]) == 0)
            return &cells[i];
        atomic_store_explicit(&cells[i].taken, false, memory_order_release);
        break;
    }
    return &cells[0];
}

static void tally(uint64_t allocations, uint64_t frees, int64_t bytes)
{
    if (!self.cell)
        self.cell = claim_cell();
    counter_cell *c = self.cell;

    if (c == &cells[0]) {
        atomic_fetch_add_explicit(&c->allocations, allocations, memory_order_relaxed);
        atomic_fetch_add_explicit(&c->frees, frees, memory_order_relaxed);
        atomic_fetch_add_explicit(&c->bytes, bytes, memory_order_relaxed);
        return;
    }
    /* Ours alone: no locked instruction is needed, atomics only let eng_alloc_count look on. */
#define BUMP(field, by)                                                                            \
    atomic_store_explicit(&c->field, atomic_load_explicit(&c->field, memory_order_relaxed) + (by), \
                          memory_order_relaxed)
    BUMP(allocations, allocations);
    BUMP(frees, frees);
    BUMP(bytes, bytes);
#undef BUMP
}

static bool fault(void)
{
    eng_alloc_fault *f = &self.fault;
    if (f->fail_in == 0 || --f->fail_in > 0)
        return false;
    f->faulted = true;
    if (f->sticky)
        f->fail_in = 1;
    return true;
}

static int64_t usable(void *p) { return (int64_t)malloc_usable_size(p); }

void *eng_alloc(size_t size)
{
    if (fault())
        return NULL;
    void *p = malloc(size ? size : 1);
    if (p)
        tally(1, 0, usable(p));
    return p;
}

void *eng_zalloc(size_t size)
{
    if (fault())
        return NULL;
    void *p = calloc(1, size ? size : 1);
    if (p)
        tally(1, 0, usable(p));
    return p;
}

void *eng_alloc_array(size_t count, size_t size)
{
    size_t total;
    return eng_mul(count, size, &total) ? eng_alloc(total) : NULL;
}

void *eng_realloc(void *old, size_t size)
{
    if (fault())
        return NULL;
    int64_t before = old ? usable(old) : 0;
    void *p = realloc(old, size ? size : 1);
    if (p)
        tally(1, old != NULL, usable(p) - before);
    return p;
}

void eng_free(void *p)
{
    if (!p)
        return;
    tally(0, 1, -usable(p));
    free(p);
}

char *eng_strdup(eng_str text)
{
    size_t size;
    char *copy = eng_add(text.len, 1, &size) ? eng_alloc(size) : NULL;
    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

eng_alloc_counters eng_alloc_count(void)
{
    eng_alloc_counters sum = {0};
    for (size_t i = 0; i < CELLS; i++) {
        sum.allocations += atomic_load_explicit(&cells[i].allocations, memory_order_relaxed);
        sum.frees += atomic_load_explicit(&cells[i].frees, memory_order_relaxed);
        sum.bytes += atomic_load_explicit(&cells[i].bytes, memory_order_relaxed);
    }
    return sum;
}

void eng_alloc_fail_at(uint64_t n, bool sticky)
{
    self.fault = (eng_alloc_fault){.fail_in = n, .sticky = sticky};
}

bool eng_alloc_faulted(void) { return self.fault.faulted; }

eng_alloc_fault eng_alloc_fault_swap(eng_alloc_fault theirs)
{
    eng_alloc_fault before = self.fault;
    self.fault = theirs;
    return before;
}

bool eng_budget_take(eng_budget *b, size_t size)
{
    size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
    size_t sum;
    do {
        if (!eng_add(used, size, &sum) || (b->limit && sum > b->limit))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->used, &used, sum, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void eng_budget_give(eng_budget *b, size_t size)
{
    atomic_fetch_sub_explicit(&b->used, size, memory_order_relaxed);
}
