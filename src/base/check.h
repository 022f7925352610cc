/* Arithmetic on sizes that cannot wrap: false means that the result did not fit. */
#ifndef ENG_BASE_CHECK_H
#define ENG_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

static inline bool eng_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool eng_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#endif
