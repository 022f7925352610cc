#!/usr/bin/env python3
"""Prints src/json/powers.c: 10^q for q = -342..324, as the 128 bits after its first one bit.

    python3 tools/json_powers.py > src/json/powers.c

10^q lies in [t, t + 1) * 2^(floor(log2 10^q) - 127), with 2^127 <= t < 2^128; the table holds t.
"""
FIRST, LAST = -342, 324


def top_bits(q):
    if q >= 0:
        n = 10**q
        shift = n.bit_length() - 128
        return n >> shift if shift > 0 else n << -shift
    n = 10**-q
    t = (1 << (n.bit_length() + 127)) // n
    return t >> 1 if t.bit_length() > 128 else t


print("/* Made by tools/json_powers.py; powers.h says what it holds. */")
print('#include "json/powers.h"\n')
print("const uint64_t eng_powers_of_ten[ENG_POWER_LAST - ENG_POWER_FIRST + 1][2] = {")
line = "   "
for q in range(FIRST, LAST + 1):
    t = top_bits(q)
    assert t.bit_length() == 128
    line += " {0x%016x, 0x%016x}," % (t >> 64, t & (2**64 - 1))
    if (q - FIRST) % 2 == 1 or q == LAST:
        print(line)
        line = "   "
print("};")
