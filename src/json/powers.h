/*
 * Powers of ten to 128 bits, which both reading and printing of numbers scale with.
 *
 *     10^q = (t + f) * 2^(eng_power_exponent(q) - 127),  0 <= f < 1,  2^127 <= t < 2^128
 *
 * where t is the entry of q (high and low half), and f is 0 for q = 0..55 alone.
 */
#ifndef ENG_JSON_POWERS_H
#define ENG_JSON_POWERS_H

#include <stdbool.h>
#include <stdint.h>

enum { ENG_POWER_FIRST = -342, ENG_POWER_LAST = 324 };

extern const uint64_t eng_powers_of_ten[ENG_POWER_LAST - ENG_POWER_FIRST + 1][2];

__extension__ typedef unsigned __int128 eng_u128;

/* floor(log2(10^q)), for every q of the table. */
static inline int eng_power_exponent(int q) { return (q * 217706) >> 16; }

/* t, or the next integer above 10^q's exact value. */
static inline eng_u128 eng_power(int q, bool above)
{
    const uint64_t *t = eng_powers_of_ten[q - ENG_POWER_FIRST];
    bool exact = q >= 0 && q <= 55;
    return ((eng_u128)t[0] << 64 | t[1]) + (above && !exact);
}

#endif
