/*
 * Printing numbers: the shortest digits that read back as the same bits, and of those the nearest.
 *
 * The digits come from Schubfach (Giulietti, "The Schubfach way to render doubles", 2020): v and the
 * two ends of the interval that rounds to v are scaled by one power of ten, so that the interval is
 * between 2 and 20 wide; then at most four integers are candidates. The scaled numbers are kept times
 * four, "rounded to odd": their last bit is set where anything was cut off, so that comparing them
 * with the candidates, also times four, is exact.
 *
 * The digits are laid out as Python does: 3.0, 0.0001, 1e-05, 1e+16; so a double reads back as one.
 */
#include "json/json.h"
#include "json/powers.h"

#include <endian.h>

/* digits * 10^exponent */
typedef struct {
    uint64_t digits;
    int exponent;
} decimal;

/* A finite number above 0 as c * 2^q; `closer`: the number below is half as far as the one above. */
typedef struct {
    uint64_t c;
    int q;
    bool closer;
} binary;

/* power * x / 2^128, rounded to odd. */
static uint64_t scale_double(eng_u128 power, uint64_t x)
{
    eng_u128 low = (eng_u128)x * (uint64_t)power;
    eng_u128 high = (eng_u128)x * (uint64_t)(power >> 64) + (low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The same for x of 32 bits, for which 64 bits of the power are enough. */
static uint64_t scale_float(uint64_t power, uint64_t x)
{
    eng_u128 product = (eng_u128)power * x;
    uint64_t high = (uint64_t)(product >> 32);
    return high >> 32 | ((uint32_t)high > 1);
}

/* The candidate to print, given four times: the lower end, the number, the upper end. An end that
 * rounds to v counts as inside; otherwise the caller has moved it in by one. */
static inline decimal choose(uint64_t lower, uint64_t middle, uint64_t upper, int exponent)
{
    uint64_t s = middle / 4;

    /* One digit less, if exactly one of its two candidates is inside. */
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
        if (down != up)
            return (decimal){tens + up, exponent + 1};
    }
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    if (down != up)
        return (decimal){s + up, exponent};

    /* Both or none: the nearer, and in the middle the even one. */
    uint64_t half = 4 * s + 2;
    return (decimal){s + (middle > half || (middle == half && s % 2)), exponent};
}

/* floor(log10(2^q)), or floor(log10(3/4 * 2^q)) where the number below is closer. */
static int decimal_exponent(binary v) { return (v.q * 1262611 - (v.closer ? 524031 : 0)) >> 22; }

static decimal shortest_double(binary v)
{
    int k = decimal_exponent(v), shift = v.q + eng_power_exponent(-k) + 1;
    eng_u128 power = eng_power(-k, true);
    uint64_t odd = v.c % 2;
    uint64_t lower = scale_double(power, (4 * v.c - 2 + v.closer) << shift);
    uint64_t middle = scale_double(power, (4 * v.c) << shift);
    uint64_t upper = scale_double(power, (4 * v.c + 2) << shift);
    return choose(lower + odd, middle, upper - odd, k);
}

static decimal shortest_float(binary v)
{
    int k = decimal_exponent(v), shift = v.q + eng_power_exponent(-k) + 1;
    eng_u128 both = eng_power(-k, false);
    /* Rounded up, as `above` does it for 128 bits; what fits into 64 bits is exact. */
    uint64_t power = (uint64_t)(both >> 64) + ((uint64_t)both != 0);
    uint64_t odd = v.c % 2;
    uint64_t lower = scale_float(power, (4 * v.c - 2 + v.closer) << shift);
    uint64_t middle = scale_float(power, (4 * v.c) << shift);
    uint64_t upper = scale_float(power, (4 * v.c + 2) << shift);
    return choose(lower + odd, middle, upper - odd, k);
}

/* ---- Layout ---- */

/* Eight digits, with zeros in front, as the bytes of a word: halves, quarters and digits all at once,
 * the first digit lowest. */
static uint64_t eight_digits(uint32_t v)
{
    uint64_t x = v / 10000 | (uint64_t)(v % 10000) << 32;
    uint64_t hundreds = (x * 10486 >> 20) & 0x0000007F0000007F; /* x / 100, where x < 10000 */
    x = hundreds | (x - hundreds * 100) << 16;
    uint64_t tens = (x * 103 >> 10) & 0x000F000F000F000F; /* x / 10, where x < 100 */
    x = tens | (x - tens * 10) << 8;
    return x + 0x3030303030303030;
}

static void store(char *to, uint64_t x)
{
    x = htole64(x);
    memcpy(to, &x, sizeof x);
}

/* v's `count` digits, at most 9; eight bytes are written behind the first of 9. Zeros in front are
 * shifted out: a branch on the number of digits would be mispredicted too often. */
static void put_nine(uint32_t v, int count, char *to)
{
    to[0] = (char)('0' + v / 100000000);
    to += count > 8;
    int zeros = count < 8 ? 8 - count : 0;
    store(to, eight_digits(v % 100000000) >> 8 * zeros);
}

/* v's `count` digits, at most 17, which may write up to 7 bytes behind them. */
static void put_digits(uint64_t v, int count, char *to)
{
    if (count <= 9) {
        put_nine((uint32_t)v, count, to);
        return;
    }
    put_nine((uint32_t)(v / 100000000), count - 8, to);
    store(to + count - 8, eight_digits((uint32_t)(v % 100000000)));
}

static int count_digits(uint64_t v)
{
    static const uint64_t powers[] = {1,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000,
                                      100000000000,
                                      1000000000000,
                                      10000000000000,
                                      100000000000000,
                                      1000000000000000,
                                      10000000000000000,
                                      100000000000000000};
    /* log10(2) is about 1233 / 4096: right, or one too few. */
    int guess = ((64 - __builtin_clzll(v)) * 1233) >> 12;
    return guess + (v >= powers[guess]);
}

static decimal without_zeros(decimal d)
{
    if (d.digits % 10)
        return d;
    while (d.digits % 100000000 == 0) {
        d.digits /= 100000000;
        d.exponent += 8;
    }
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    return d;
}

/* d.dddde+16 */
static char *put_scientific(decimal d, int count, int point, char *to)
{
    put_digits(d.digits, count, to + 1);
    to[0] = to[1];
    to[1] = '.';
    to += count > 1 ? count + 1 : 1;

    int e = point - 1;
    *to++ = 'e';
    *to++ = e < 0 ? '-' : '+';
    e = e < 0 ? -e : e;
    if (e >= 100)
        *to++ = (char)('0' + e / 100);
    *to++ = (char)('0' + e / 10 % 10);
    *to++ = (char)('0' + e % 10);
    return to;
}

/* ddd.ddd, the point somewhere among them. */
static char *put_around_point(decimal d, int count, int point, char *to)
{
    char digits[24];
    put_digits(d.digits, count, digits);
    memcpy(to, digits, 16);
    to[point] = '.';
    memcpy(to + point + 1, digits + point, (size_t)(count - point));
    return to + count + 1;
}

/* The digits of d, laid out. Where a copy of a fixed size fits into `out` it is one instruction; what
 * it copies too much is written over, or lies behind the text. */
static size_t put_decimal(bool negative, decimal d, char out[32])
{
    static const char zeros[] = "000000000000000";
    char *to = out + negative;
    out[0] = '-';
    d = without_zeros(d);
    int count = count_digits(d.digits), point = count + d.exponent;

    if (point < -3 || point > 16) {
        to = put_scientific(d, count, point, to);
    } else if (point <= 0) {
        memcpy(to, "0.000", 5);
        to += 2 - point;
        put_digits(d.digits, count, to);
        to += count;
    } else if (point < count) {
        to = put_around_point(d, count, point, to);
    } else {
        put_digits(d.digits, count, to);
        memcpy(to + count, zeros, 15);
        memcpy(to + point, ".0", 2);
        to += point + 2;
    }
    return (size_t)(to - out);
}

static size_t put_zero(bool negative, char out[32])
{
    memcpy(out, negative ? "-0.0" : "0.0", negative ? 4 : 3);
    return negative ? 4 : 3;
}

size_t eng_number_print(double v, char out[32])
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bool negative = bits >> 63;
    uint64_t fraction = bits & 0xFFFFFFFFFFFFF;
    int exponent = (int)(bits >> 52 & 0x7FF);
    if (exponent == 0 && fraction == 0)
        return put_zero(negative, out);

    binary b = {exponent ? fraction | 1ull << 52 : fraction, (exponent ? exponent : 1) - 1075,
                fraction == 0 && exponent > 1};
    return put_decimal(negative, shortest_double(b), out);
}

size_t eng_number_print_float(float v, char out[32])
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bool negative = bits >> 31;
    uint32_t fraction = bits & 0x7FFFFF;
    int exponent = (int)(bits >> 23 & 0xFF);
    if (exponent == 0 && fraction == 0)
        return put_zero(negative, out);

    binary b = {exponent ? fraction | 1u << 23 : fraction, (exponent ? exponent : 1) - 150,
                fraction == 0 && exponent > 1};
    /* Most readers make a double of it first. The shortest text of this float, 7.038531e-26, is then
     * rounded twice and becomes its neighbour; of all floats it is the only one. */
    if ((bits & 0x7FFFFFFF) == 0x15AE43FD)
        return put_decimal(negative, (decimal){70385307, -33}, out);
    return put_decimal(negative, shortest_float(b), out);
}
