/*
 * Workers: a fixed number of threads and two bounded queues. Work that a person waits for goes
 * first; bulk work gets a thread when none of the other waits, and one thread is always left for
 * the other, so that a question never waits for a book.
 *
 * A task is a function and its argument. It is run once, or, when the pool stops first, handed back
 * through `dropped`, so that what it owns is freed. Workers have all signals blocked. A pool of one
 * thread runs bulk work on it, when nothing else waits.
 */
#ifndef ENG_BASE_POOL_H
#define ENG_BASE_POOL_H

#include "engenho.h"

typedef struct eng_pool eng_pool;

typedef enum { ENG_POOL_NOW, ENG_POOL_BULK } eng_pool_class;

typedef struct {
    void (*run)(void *arg);
    void (*dropped)(void *arg); /* may be NULL */
    void *arg;
} eng_task;

typedef struct {
    size_t threads;
    size_t queue[2]; /* most tasks that wait, by class */
} eng_pool_options;

typedef struct {
    size_t waiting[2];
    size_t running[2];
} eng_pool_load;

eng_status eng_pool_new(const eng_pool_options *options, eng_pool **out,
                        eng_error *err) ENG_MUST_CHECK;
/* ENG_EBUSY where that queue is full or the pool stops. Allocates nothing. */
eng_status eng_pool_submit(eng_pool *p, eng_pool_class c, eng_task task,
                           eng_error *err) ENG_MUST_CHECK;
eng_pool_load eng_pool_measure(eng_pool *p);
/* Takes no more work, drops what waits, lets what runs end; not from within a task. Then free. */
void eng_pool_stop(eng_pool *p);
void eng_pool_free(eng_pool *p);

#endif
