/* What the tests of kernels share: numbers without a pattern, aligned memory, variants in turn. */
#ifndef KERN_HELP_H
#define KERN_HELP_H

#include "kern/kern.h"
#include "test.h"

#include <math.h>
#include <string.h>

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* -1 <= x < 1 */
static inline float next_float(uint64_t *state)
{
    return (float)((double)(next_random(state) >> 11) * 0x1p-52 - 1);
}

static inline void *aligned(size_t size)
{
    void *p = aligned_alloc(64, (size + 127) / 64 * 64);
    assert_non_null(p);
    memset(p, 0, (size + 127) / 64 * 64);
    return p;
}

static inline float *random_floats(size_t n, uint64_t *seed)
{
    float *x = aligned(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = next_float(seed);
    return x;
}

/* The largest difference, relative to the largest value. */
static inline double apart(const float *a, const float *b, size_t n)
{
    double most = 1e-30, off = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)b[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / most;
}

/* Runs a test of one variant, or skips it where the processor cannot (tests/expected-skips). */
static inline const eng_kern *variant(const char *name)
{
    for (size_t i = 0; eng_kern_at(i); i++) {
        if (strcmp(eng_kern_at(i)->name, name) != 0)
            continue;
        if (!eng_kern_can_run(eng_kern_at(i)))
            skip();
        return eng_kern_at(i);
    }
    fail_msg("no variant '%s'", name);
    return NULL;
}

#endif
