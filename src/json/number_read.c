/*
 * Reading numbers: the nearest double, always.
 *
 * A decimal number is w * 10^q, w being its first 19 digits. Where both are small, one multiplication
 * or division of doubles rounds once and is exact (Clinger 1990). Otherwise w is multiplied by 10^q
 * to 128 bits, from below and from above (the idea of Eisel and Lemire, arXiv:2101.11408, with an
 * interval instead of a proof): where both ends round to the same double, that is the nearest. Where
 * they do not, big integers decide: for texts that lie (nearly) halfway between two doubles, and for
 * less than one in a hundred of those with more than 19 digits.
 */
#include "json/json_internal.h"
#include "json/powers.h"

#include <assert.h>
#include <endian.h>

static const uint64_t INFINITE = 0x7FF0000000000000;

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* A number's parts, and its value as w * 10^q but for digits that did not fit. */
typedef struct {
    const char *from; /* its digits, with at most one point among them */
    const char *to;
    uint64_t w;
    int64_t q;
    bool more; /* the exact value is above w * 10^q, and below (w + 1) * 10^q */
} decimal;

/* ---- Big integers, for what is too close to call ---- */

/* The largest number that is compared: 800 digits, or 54 bits times 5^1142; both under 2,800 bits. */
enum { LIMBS = 48, DIGITS_MOST = 800 };

typedef struct {
    uint64_t limb[LIMBS]; /* least significant first */
    size_t count;
} big;

static void big_multiply_add(big *b, uint64_t factor, uint64_t add)
{
    eng_u128 carry = add;
    for (size_t i = 0; i < b->count; i++) {
        carry += (eng_u128)b->limb[i] * factor;
        b->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry) {
        assert(b->count < LIMBS);
        b->limb[b->count++] = (uint64_t)carry;
    }
}

static void big_multiply_power_of_5(big *b, uint64_t n)
{
    const uint64_t five_27 = 7450580596923828125;
    for (; n >= 27; n -= 27)
        big_multiply_add(b, five_27, 0);
    for (; n > 0; n--)
        big_multiply_add(b, 5, 0);
}

static void big_shift_left(big *b, uint64_t bits)
{
    big_multiply_add(b, 1ull << bits % 64, 0);
    size_t limbs = bits / 64;
    assert(b->count + limbs <= LIMBS);
    memmove(b->limb + limbs, b->limb, b->count * sizeof b->limb[0]);
    memset(b->limb, 0, limbs * sizeof b->limb[0]);
    b->count += limbs;
}

static int big_compare(const big *a, const big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (size_t i = a->count; i-- > 0;) {
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

/*
 * All digits of d, as *out * 10^(the returned exponent). No two doubles' midpoint has more than 768
 * digits, so beyond 800 it only matters whether there is anything: a last digit 1 stands for it.
 */
static int64_t big_of_digits(const decimal *d, big *out)
{
    size_t digits = 0;
    bool rest = false;

    out->count = 0;
    for (const char *p = d->from; p < d->to; p++) {
        if (*p == '.' || (digits == 0 && *p == '0'))
            continue;
        if (digits < DIGITS_MOST) {
            big_multiply_add(out, 10, (uint64_t)(*p - '0'));
            digits++;
        } else {
            rest |= *p != '0';
        }
    }
    /* q belongs to the first 19 digits: those that follow them make it smaller again. */
    int64_t q = d->q - (int64_t)(digits > 19 ? digits - 19 : 0);
    if (!rest)
        return q;
    big_multiply_add(out, 10, 1);
    return q - 1;
}

/* How d compares with the midpoint between the double of these bits and the next one. */
static int compare_midpoint(const decimal *d, uint64_t bits)
{
    big left, right = {.limb = {0}, .count = 1};
    int64_t q = big_of_digits(d, &left);

    /* The midpoint is m * 2^p. */
    int64_t exponent = (int64_t)(bits >> 52);
    uint64_t m = bits & 0xFFFFFFFFFFFFF;
    m = 2 * (exponent ? m | 1ull << 52 : m) + 1;
    int64_t p = (exponent ? exponent : 1) - 1076;
    right.limb[0] = m;

    /* left * 5^q * 2^q against right * 2^p: whatever is negative goes to the other side. */
    big_multiply_power_of_5(q >= 0 ? &left : &right, (uint64_t)(q >= 0 ? q : -q));
    int64_t shift = q - p;
    big_shift_left(shift >= 0 ? &left : &right, (uint64_t)(shift >= 0 ? shift : -shift));
    return big_compare(&left, &right);
}

/* ---- 128 bits ---- */

/* The double nearest to (product, and something under 1 if `sticky`) * 2^exponent, as bits; a tie
 * goes to the even one. The product's first one bit is bit 127 or 126. */
static uint64_t round_product(eng_u128 product, bool sticky, int exponent)
{
    int top = 126 + (int)(product >> 127);
    int power = exponent + top; /* 2^power <= value < 2^(power + 1) */
    if (power > 1023)
        return INFINITE;

    /* Subnormal numbers lose bits to their fixed exponent. */
    int drop = top - 52 + (power < -1022 ? -1022 - power : 0);
    if (drop > 128)
        return 0;
    uint64_t kept = drop < 128 ? (uint64_t)(product >> drop) : 0;
    eng_u128 rest = product << (128 - drop), half = (eng_u128)1 << 127;
    bool up = rest > half || (rest == half && (sticky || kept % 2));

    /* The implicit bit of kept adds one to the exponent, and so may rounding up. */
    uint64_t biased = power < -1022 ? 0 : (uint64_t)(power + 1022);
    return (biased << 52) + kept + up;
}

/* w * 10^q rounded, from below or from above; w is not 0. */
static uint64_t scale(uint64_t w, int q, bool above)
{
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    eng_u128 power = eng_power(q, above);
    eng_u128 low = (eng_u128)w * (uint64_t)power;
    eng_u128 product = (eng_u128)w * (uint64_t)(power >> 64) + (low >> 64);
    return round_product(product, (uint64_t)low != 0, eng_power_exponent(q) - 63 - zeros);
}

static uint64_t nearest(const decimal *d)
{
    /* Beyond the smallest number's half, and beyond the largest. */
    if (d->w == 0 || d->q < ENG_POWER_FIRST)
        return 0;
    if (d->q > 308)
        return INFINITE;

    uint64_t bits = scale(d->w, (int)d->q, false), most = scale(d->w + d->more, (int)d->q, true);
    for (; bits < most; bits++) {
        int side = compare_midpoint(d, bits);
        if (side < 0 || (side == 0 && bits % 2 == 0))
            break;
    }
    return bits;
}

static bool clinger(const decimal *d, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->more || d->w > 1ull << 53 || d->q < -22 || d->q > 22)
        return false;
    *out = d->q < 0 ? (double)d->w / powers[-d->q] : (double)d->w * powers[d->q];
    return true;
}

/* ---- Text ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/*
 * Appends the digits at p to *w, which wraps where they are too many. Eight bytes at a time: how many
 * of them are digits, and then pairs, fours and eight at once. A branch for each digit would be
 * mispredicted about once a number, which costs more than all of this.
 */
static const char *take_digits(const char *p, const char *end, uint64_t *w)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    const uint64_t upper = 0xF0F0F0F0F0F0F0F0, pairs = 0x000000FF000000FF;
    uint64_t sum = *w;

    for (size_t count = 8; count == 8 && end - p >= 8; p += count) {
        uint64_t x;
        memcpy(&x, p, sizeof x);
        x = le64toh(x);
        /* A digit's upper half byte is 3, also after adding 6. */
        uint64_t others = ((x & upper) | ((x + 0x0606060606060606) & upper) >> 4) ^
                          0x3333333333333333;
        count = others ? (size_t)__builtin_ctzll(others) / 8 : 8;
        if (count == 0)
            break;
        /* Zeros move in where digits are missing. */
        x = (x - 0x3030303030303030) << (64 - 8 * count);
        x = x * 10 + (x >> 8);
        x = ((x & pairs) * 0x000F424000000064 + (x >> 16 & pairs) * 0x0000271000000001) >> 32;
        sum = sum * powers[count] + x;
    }
    for (; p < end && is_digit(*p); p++)
        sum = sum * 10 + (uint64_t)(*p - '0');
    *w = sum;
    return p;
}

/* The exponent behind an 'e', added to *q. It stops counting far above any text's length, so that
 * "0.000...1e1000" still comes out right. */
static const char *take_exponent(const char *p, const char *end, int64_t *q, eng_json_fault *f)
{
    const int64_t most = 1000000000000000;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !is_digit(*p))
        return eng_json_stop(f, p, "expected a digit");
    int64_t e = 0;
    for (; p < end && is_digit(*p); p++)
        e = e < most ? e * 10 + (*p - '0') : e;
    *q += negative ? -e : e;
    return p;
}

/* Where there are more digits than w holds: the first 19 without leading zeros. */
static void cut_digits(decimal *d)
{
    int digits = 0;
    d->w = 0;
    for (const char *p = d->from; p < d->to; p++) {
        if (*p == '.' || (digits == 0 && *p == '0'))
            continue;
        if (digits < 19) {
            d->w = d->w * 10 + (uint64_t)(*p - '0');
            digits++;
        } else {
            d->more |= *p != '0';
            d->q++;
        }
    }
}

static bool as_integer(const decimal *d, bool negative, eng_json *out)
{
    if (d->w > (uint64_t)INT64_MAX + negative || (negative && d->w == 0))
        return false; /* -0 is a double: an integer would lose its sign */
    int64_t v = negative ? (int64_t)(0 - d->w) : (int64_t)d->w;
    *out = (eng_json){.type = ENG_JSON_INT, .as.integer = v};
    return true;
}

const char *eng_json_scan_number(const char *p, const char *end, eng_json *out, eng_json_fault *f)
{
    const char *start = p;
    bool negative = *p == '-';
    p += negative;
    decimal d = {.from = p};

    p = take_digits(p, end, &d.w);
    size_t digits = (size_t)(p - d.from);
    if (digits == 0)
        return eng_json_stop(f, p, "expected a digit");
    if (*d.from == '0' && digits > 1)
        return eng_json_stop(f, d.from, "a number cannot begin with 0");
    bool integer = true;
    if (p < end && *p == '.') {
        const char *point = p;
        p = take_digits(p + 1, end, &d.w);
        if (p == point + 1)
            return eng_json_stop(f, p, "expected a digit");
        d.q = -(p - point - 1);
        digits += (size_t)-d.q;
        integer = false;
    }
    d.to = p;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p = take_exponent(p + 1, end, &d.q, f);
        if (!p)
            return NULL;
        integer = false;
    }
    if (digits > 19)
        cut_digits(&d);
    else if (integer && as_integer(&d, negative, out))
        return p;

    double v;
    if (!clinger(&d, &v)) {
        uint64_t bits = nearest(&d);
        if (bits == INFINITE)
            return eng_json_stop(f, start, "the number is beyond a double's range");
        v = double_of(bits);
    }
    *out = (eng_json){.type = ENG_JSON_DOUBLE, .as.number = negative ? -v : v};
    return p;
}

bool eng_number_read(eng_str text, double *out)
{
    eng_json v;
    eng_json_fault ignored;
    const char *end = text.ptr + text.len;
    if (text.len == 0 || eng_json_scan_number(text.ptr, end, &v, &ignored) != end)
        return false;
    *out = v.type == ENG_JSON_INT ? (double)v.as.integer : v.as.number;
    return true;
}
