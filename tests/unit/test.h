/* What every unit test includes: cmocka, and the assertions that ours add. */
#ifndef ENG_TEST_H
#define ENG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"

/* A view equals a literal. */
#define assert_str_view(view, literal)                                                             \
    do {                                                                                           \
        eng_str got_ = (view);                                                                     \
        eng_str want_ = ENG_STR(literal);                                                          \
        if (!eng_str_eq(got_, want_))                                                              \
            fail_msg("expected \"%.*s\", got \"%.*s\"", ENG_FMT(want_), ENG_FMT(got_));            \
    } while (0)

/* ENG_OK, or the message that came instead. */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        eng_status status_ = (call);                                                               \
        if (status_ != ENG_OK)                                                                     \
            fail_msg("%s: %s (%s)", #call, (err).message, eng_status_name(status_));               \
    } while (0)

/*
 * Fails the 1st, 2nd, 3rd ... allocation of `body`, until it runs without reaching the fault. Each
 * time `status` must be ENG_OK or ENG_ENOMEM, nothing may be left allocated, and the last, unfaulted
 * run must succeed. body runs in the block's own scope, sets `status`, and frees what it made. Left is
 * what is left three times: what is made once, and kept, may come with any of them.
 */
#define assert_survives_no_memory(status, body) assert_survives_no_memory_(status, 3, body)

static inline void test_pause_ms(uint64_t ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

/* The same beside threads of an engine, which make and keep something of their own now and then: what
 * is left allocated counts as lost where it is left each of many times, with a pause between them in
 * which the others come to rest. */
#define assert_survives_no_memory_beside_others(status, body)                                      \
    assert_survives_no_memory_(status, 40, body)

#define assert_survives_no_memory_(status, tries, body)                                            \
    do {                                                                                           \
        for (uint64_t nth_ = 1, try_ = 1;; nth_++) {                                               \
            int64_t held_ = eng_alloc_count().bytes;                                               \
            eng_alloc_fail_at(nth_, nth_ % 2 == 0);                                                \
            body;                                                                                  \
            bool faulted_ = eng_alloc_faulted();                                                   \
            eng_alloc_fail_at(0, false);                                                           \
            if ((status) != ENG_OK && (status) != ENG_ENOMEM)                                      \
                fail_msg("allocation %llu failed: got %s", (unsigned long long)nth_,               \
                         eng_status_name(status));                                                 \
            int64_t left_ = eng_alloc_count().bytes; /* once: others may take some meanwhile */    \
            if (left_ != held_ && try_ < (tries)) {                                                \
                test_pause_ms(try_++);                                                             \
                nth_--;                                                                            \
                continue;                                                                          \
            }                                                                                      \
            try_ = 1;                                                                              \
            assert_int_equal(left_, held_);                                                        \
            if (!faulted_) {                                                                       \
                assert_int_equal(status, ENG_OK);                                                  \
                break;                                                                             \
            }                                                                                      \
        }                                                                                          \
    } while (0)

#endif
