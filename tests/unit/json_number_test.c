/* Numbers both ways. glibc's strtod and printf round correctly and serve as the oracle. */
#include "test.h"
#include "json/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>

/* A generator whose sequence never changes, so that a failure can be repeated. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void check_read(const char *text)
{
    double want = strtod(text, NULL), got = -1;
    bool ok = eng_number_read(eng_str_of(text), &got);
    if (ok != (bool)isfinite(want) || (ok && bits_of(got) != bits_of(want)))
        fail_msg("'%s': expected %.17g, got %.17g (%d)", text, want, got, ok);
}

static void reads_to_the_nearest_double(void **state)
{
    (void)state;
    static const char *const hard[] = {
        "0.0",
        "-0.0",
        "-0",
        "1e-400",
        "-1e-400",
        "0e999999999999999999999",
        "0.1",
        "123456.789e-3",
        /* the ends of the range */
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2e-324",
        "3e-324",
        "7.4109846876186981e-324",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.797693134862315807e308",
        "179769313486231570e291",
        /* halfway, and a little beside it */
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740992.999999999999999999999",
        "9007199254740993.00000000000000000000000000000000000000000000000000000000000000000001",
        "9007199254740995",
        "18014398509481988",
        "18014398509481990",
        "36028797018963972",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "1.00000000000000033306690738754696212708950042724609375",
        "0.500000000000000055511151231257827021181583404541015625",
        "5e-324",
        "6.631236846766476e-316",
        "3.237883913302901e-319",
        /* known to be hard for one algorithm or another */
        "3.2378839133029012895883524125015321748630094e-319",
        "6.9294956446009195e15",
        "3.7455744005952583e15",
        "89255.0e-22",
        "104110013277974872254e-225",
        "8.511030020275656e-342",
        "1.0e23",
        "8.5e22",
        "9.5e21",
        "1e22",
        "1e23",
        "1e-23",
        "5708990770823839207320493820740630171355185151999e-3",
        "0."
        "00000000000000000000000000000000000001175494350822287507968736537222245677818665556772087"
        "5",
        "2."
        "225073858507201136057409796709131975934819546351645648023426109724822222021076945516529523"
        "908135087914149158913039621106870086438694594645527657207407820621743379988141063267329253"
        "552286881372149012981122451451889849057222307285255133155755015914397476397983411801999323"
        "962548289017107081850690630666655994938275772572015763062690663332647565300009245888316433"
        "037779791869612049497390377829704905051080609940730262937128958950003583799967207254304360"
        "284078895771796150945516748243471030702609144621572289880258182545180325707018860872113128"
        "079512233426288368622321503775666622503982534335974568884423900265498198385487948292206894"
        "721689831099698365846814022854243330660339850886445804001034933970427567186443383770486037"
        "861622771738545623065874679014086723327636718751234567890123456789012345678901e-308",
    };
    for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++)
        check_read(hard[i]);
}

static void reads_integers_exactly_as_doubles_too(void **state)
{
    (void)state;
    double v;
    assert_true(eng_number_read(ENG_STR("9223372036854775807"), &v));
    assert_true(v == 9223372036854775808.0);
    assert_true(eng_number_read(ENG_STR("-12"), &v));
    assert_true(v == -12.0);
}

/* Digits, perhaps a point, perhaps an exponent, such as a stranger may send. */
static void random_text(uint64_t *seed, char *text)
{
    uint64_t r = next_random(seed);
    int digits = 1 + (int)(r % (r >> 60 == 0 ? 60 : 22)), point = (int)((r >> 16) % 23);
    char *p = text;
    if (r >> 8 & 1)
        *p++ = '-';
    *p++ = (char)('1' + next_random(seed) % 9);
    for (int i = 1; i < digits; i++) {
        if (i == point)
            *p++ = '.';
        *p++ = (char)('0' + next_random(seed) % 10);
    }
    *p = '\0';
    if (r >> 9 & 1)
        snprintf(p, 16, "e%d", (int)(next_random(seed) % 680) - 345);
}

static void reads_what_strtod_reads(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 300000; i++) {
        char text[128];
        random_text(&seed, text);
        check_read(text);
    }
}

/* The exact decimal text of the middle between two neighbours, one digit more, one digit less. */
static void reads_midpoints_to_the_even_side(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = next_random(&seed) & 0x7FFFFFFFFFFFFFFF;
        if (i % 8 == 0)
            bits &= 0x001FFFFFFFFFFFFF; /* subnormal, or near it */
        if (bits >= 0x7FEFFFFFFFFFFFFF)
            continue;
        long double middle = ((long double)double_of(bits) + (long double)double_of(bits + 1)) / 2;
        char text[1200];
        snprintf(text, sizeof text, "%.800Le", middle);
        check_read(text);

        char *e = strchr(text, 'e'), exponent[16];
        snprintf(exponent, sizeof exponent, "%s", e);
        snprintf(e, 100, "%040d1%s", 0, exponent);
        check_read(text);
        while (e[-1] == '0')
            e--;
        e[-1]--;
        snprintf(e, 100, "9%s", exponent);
        check_read(text);
    }
}

static void reads_any_number_of_digits(void **state)
{
    (void)state;
    static char text[4000];
    double v;

    /* 0.00...01e3001 is 10: neither zeros nor exponent may be cut on their own. */
    memset(text, '0', sizeof text);
    memcpy(text, "0.", 2);
    snprintf(text + 3001, 16, "1e3001");
    assert_true(eng_number_read(eng_str_of(text), &v));
    assert_true(v == 10.0);

    memset(text, '0', sizeof text);
    text[0] = '1';
    snprintf(text + 3001, 16, "e-3000");
    assert_true(eng_number_read(eng_str_of(text), &v));
    assert_true(v == 1.0);

    /* A digit behind 3,000 others decides a tie. */
    memset(text, '0', sizeof text);
    memcpy(text, "9007199254740993.", 17);
    snprintf(text + 3500, 4, "1");
    assert_true(eng_number_read(eng_str_of(text), &v));
    assert_true(v == 9007199254740994.0);
    text[3500] = '0';
    assert_true(eng_number_read(eng_str_of(text), &v));
    assert_true(v == 9007199254740992.0);
}

static void refuses_what_is_no_number_or_too_large(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "-",
                                      "+1",
                                      ".5",
                                      "5.",
                                      "01",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "1 ",
                                      " 1",
                                      "1,",
                                      "1.e5",
                                      "--1",
                                      "NaN",
                                      "inf",
                                      "1_0",
                                      "1e1.",
                                      "1e5e",
                                      "1e400",
                                      "-1e9999",
                                      "1.7976931348623159e308"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double v = 7;
        if (eng_number_read(eng_str_of(bad[i]), &v) || v != 7)
            fail_msg("'%s' was read", bad[i]);
    }
}

/* ---- Printing ---- */

static void prints_as_python_does(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1, "-1.0"},
        {3, "3.0"},
        {10, "10.0"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.5, "1.5"},
        {100, "100.0"},
        {123456789, "123456789.0"},
        {1e15, "1000000000000000.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {1.5e16, "1.5e+16"},
        {1e21, "1e+21"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {1e100, "1e+100"},
        {0.001, "0.001"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012345"},
        {0.00001, "1e-05"},
        {1.25e-7, "1.25e-07"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {-1.2345678901234567e-300, "-1.2345678901234568e-300"},
        {9007199254740993.0, "9007199254740992.0"},
        {2.0 / 3, "0.6666666666666666"},
        {4.35, "4.35"},
        {1e-4, "0.0001"},
        {123456.789, "123456.789"},
        {2251799813685248.5, "2251799813685248.5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[33] = {0};
        size_t len = eng_number_print(cases[i].v, text);
        text[len] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

static void prints_floats_by_their_own_precision(void **state)
{
    (void)state;
    static const struct {
        float v;
        const char *text;
    } cases[] = {
        {0.0f, "0.0"},
        {-0.0f, "-0.0"},
        {0.1f, "0.1"},
        {1.0f / 3, "0.33333334"},
        {16777216.0f, "16777216.0"},
        {3.4028235e38f, "3.4028235e+38"},
        {1e-45f, "1e-45"},
        {1.17549435e-38f, "1.1754944e-38"},
        {-0.037694f, "-0.037694"},
        {1e10f, "10000000000.0"},
        {33554432.0f, "33554432.0"},
        {2e16f, "2e+16"},
        {7.038531e-26f, "7.0385307e-26"}, /* the only one that rounding twice would change */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[33] = {0};
        size_t len = eng_number_print_float(cases[i].v, text);
        text[len] = '\0';
        assert_string_equal(text, cases[i].text);
    }
}

/* The digits of a printed number, without sign, point, exponent and zeros around them. */
static size_t digits_of(const char *text, char *digits)
{
    size_t count = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (count || *text != '0'))
            digits[count++] = *text;
    }
    while (count && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return count;
}

/*
 * It reads back, with strtod and with ours; no shorter text does; and of those as long it is the
 * nearest. At powers of two the interval is lopsided, and a shorter text may lie on its far side.
 */
static void check_print(double v)
{
    char text[33], digits[40], other[64], other_digits[64];
    text[eng_number_print(v, text)] = '\0';
    double back = 0;
    if (bits_of(strtod(text, NULL)) != bits_of(v) || !eng_number_read(eng_str_of(text), &back) ||
        bits_of(back) != bits_of(v))
        fail_msg("%.17g became '%s'", v, text);

    int count = (int)digits_of(text, digits);
    snprintf(other, sizeof other, "%.*e", count - 1, v);
    digits_of(other, other_digits);
    if ((bits_of(v) & 0xFFFFFFFFFFFFF) && strcmp(digits, other_digits) != 0)
        fail_msg("%.17g: '%s' is not as near as '%s'", v, text, other);
    if (count > 1) {
        snprintf(other, sizeof other, "%.*e", count - 2, v);
        if (strtod(other, NULL) == v)
            fail_msg("%.17g: '%s' is not as short as '%s'", v, text, other);
    }
}

static void prints_the_shortest_and_nearest(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 200000; i++) {
        double v = double_of(next_random(&seed));
        if (isfinite(v) && v != 0)
            check_print(v);
    }
    /* Few digits, and integers. */
    for (int i = 0; i < 50000; i++) {
        check_print((double)(1 + next_random(&seed) % 100000) / 1000);
        check_print((double)(next_random(&seed) >> (11 + next_random(&seed) % 52)) + 1);
    }
}

static void prints_every_power_of_two_and_ten(void **state)
{
    (void)state;
    for (int e = -1074; e <= 1023; e++) {
        uint64_t bits = bits_of(ldexp(1, e));
        check_print(double_of(bits));
        if (bits > 1)
            check_print(double_of(bits - 1));
        check_print(double_of(bits + 1));
    }
    for (int e = -323; e <= 308; e++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", e);
        check_print(strtod(text, NULL));
    }
}

static void check_float(float v)
{
    char text[33], digits[40], shorter[64];
    text[eng_number_print_float(v, text)] = '\0';
    double back = 0;
    bool ok = eng_number_read(eng_str_of(text), &back);
    float direct = strtof(text, NULL), narrowed = (float)back;
    if (!ok || memcmp(&direct, &v, 4) != 0 || memcmp(&narrowed, &v, 4) != 0)
        fail_msg("%.9g became '%s'", (double)v, text);
    int count = (int)digits_of(text, digits);
    if (count > 1 && fabsf(v) != 7.038531e-26f) {
        snprintf(shorter, sizeof shorter, "%.*e", count - 2, (double)v);
        if (strtof(shorter, NULL) == v)
            fail_msg("%.9g: '%s' is not as short as '%s'", (double)v, text, shorter);
    }
}

static void prints_floats_that_read_back(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)next_random(&seed);
        float v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v) && v != 0)
            check_float(v);
    }
    for (int e = -149; e <= 127; e++)
        check_float(ldexpf(1, e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_to_the_nearest_double),
        cmocka_unit_test(reads_integers_exactly_as_doubles_too),
        cmocka_unit_test(reads_what_strtod_reads),
        cmocka_unit_test(reads_midpoints_to_the_even_side),
        cmocka_unit_test(reads_any_number_of_digits),
        cmocka_unit_test(refuses_what_is_no_number_or_too_large),
        cmocka_unit_test(prints_as_python_does),
        cmocka_unit_test(prints_floats_by_their_own_precision),
        cmocka_unit_test(prints_the_shortest_and_nearest),
        cmocka_unit_test(prints_every_power_of_two_and_ten),
        cmocka_unit_test(prints_floats_that_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
