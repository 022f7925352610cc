/* Random bytes fit for secrets, from the kernel; and numbers that are the same each time. */
#ifndef ENG_BASE_RANDOM_H
#define ENG_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Never fails: where the kernel gives none, the process cannot go on. */
void eng_random(void *out, size_t len);

/* len characters of 0-9 a-v (5 bits each) and a NUL; ids that fit into a path. */
void eng_random_id(char *out, size_t len);

/* The next number of a row that its first state decides (splitmix64): for samples and searches that are to
 * give the same each time, never for secrets. */
static inline uint64_t eng_draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

#endif
