/*
 * A program of somebody else's run on bytes that nobody vouches for: in a process of its own with
 * limits of time, memory and output, without a network and without writing a file. What goes wrong in
 * there costs an error, never this process.
 */
#ifndef ENG_BASE_CHILD_H
#define ENG_BASE_CHILD_H

#include "base/buf.h"

typedef struct {
    const char *const *argv;      /* argv[0] is searched for in PATH; ends in NULL */
    eng_str input;                /* its standard input, as a file that it may seek in */
    unsigned timeout_ms;          /* on the clock, and of processor time */
    uint64_t memory_max;          /* of its address space */
    bool (*cancelled)(void *ctx); /* may be NULL; asked ten times a second */
    void *ctx;
} eng_child_options;

/*
 * Its standard output into *out, up to that buffer's maximum; its standard error is thrown away.
 * *status gets its exit status, or 128 and the signal that ended it. ENG_ENOTFOUND: no such program;
 * ENG_ETIMEOUT, ENG_ETOOBIG, ENG_ECANCELLED: it was killed for that. Safe in a process with threads.
 */
eng_status eng_child_run(const eng_child_options *options, eng_buf *out, int *status,
                         eng_error *err) ENG_MUST_CHECK;

#endif
