/* Rows, attention and distances of every variant against the generic one. */
#include "kern_help.h"

static void each_variant(void (*check)(const eng_kern *k))
{
    for (size_t i = 0; eng_kern_at(i); i++)
        if (eng_kern_can_run(eng_kern_at(i)))
            check(eng_kern_at(i));
}

/* ---- Rows ---- */

static void check_quantise(const eng_kern *k)
{
    uint64_t seed = 5;
    for (size_t n = 1; n <= 130; n++) {
        size_t wide = eng_kern_pad(n);
        float *x = random_floats(3 * wide, &seed);
        uint8_t *q = aligned(3 * wide);
        eng_kern_row rows[3];
        for (size_t i = 0; i < n; i++)
            x[wide + i] = 0.25F; /* a row without a range */
        memset(q, 0xee, 3 * wide);
        k->quantise(x, wide, 3, n, q, rows);
        for (size_t r = 0; r < 3; r++)
            for (size_t i = 0; i < wide; i++) {
                float back = rows[r].step * q[r * wide + i] + rows[r].low;
                if (i < n)
                    assert_true(fabsf(back - x[r * wide + i]) <= rows[r].step * 0.501F);
                else
                    assert_int_equal(q[r * wide + i], 0);
            }
        free(x);
        free(q);
    }
}
static void quantised_values_are_half_a_step_away_at_most(void **state)
{
    (void)state;
    each_variant(check_quantise);
}

static void check_norm(const eng_kern *k)
{
    uint64_t seed = 6;
    for (size_t n = 1; n <= 130; n++) {
        size_t wide = eng_kern_pad(n);
        float *x = random_floats(2 * wide, &seed), *y = aligned(2 * wide * sizeof(float));
        float *gain = random_floats(n, &seed), *shift = random_floats(n, &seed);
        memcpy(y, x, 2 * wide * sizeof(float));
        k->norm(x, wide, 2, n, gain, shift, 1e-5F);
        eng_kern_at(0)->norm(y, wide, 2, n, gain, shift, 1e-5F);
        assert_true(apart(x, y, 2 * wide) < 1e-5);
        free(x);
        free(y);
        free(gain);
        free(shift);
    }
}
static void norms_agree(void **state)
{
    (void)state;
    each_variant(check_norm);
}

static void check_halves(const eng_kern *k)
{
    enum { ALL = 65536 };
    uint16_t *halves = aligned(ALL * sizeof *halves);
    float *got = aligned(ALL * sizeof *got), *want = aligned(ALL * sizeof *want);
    for (size_t i = 0; i < ALL; i++)
        halves[i] = (uint16_t)i;
    k->half_to_f32(halves, ALL - 3, got);
    eng_kern_at(0)->half_to_f32(halves, ALL - 3, want);
    for (size_t i = 0; i < ALL; i++)
        if (!isnan(want[i]))
            assert_memory_equal(&got[i], &want[i], sizeof(float));
        else
            assert_true(isnan(got[i]));
    free(halves);
    free(got);
    free(want);
}
static void every_half_is_exact(void **state)
{
    (void)state;
    each_variant(check_halves);
}

/* ---- Attention ---- */

/* Packs in two parts and attends with all queries, for tokens of `stride` floats. */
static void attend(const eng_kern_attention *a, size_t length, size_t width, const float *q,
                   const float *keys, const float *values, float *y)
{
    size_t stride = 2 * width + 3, part = length / 2 / ENG_KERN_ALIGN * ENG_KERN_ALIGN;
    eng_kern_head h = {.length = length, .width = width};
    h.keys = aligned(eng_kern_head_size(length, width));
    h.values = aligned(eng_kern_head_size(length, width));
    memset(h.keys, 0xff, eng_kern_head_size(length, width)); /* NaN, should anybody look */
    memset(h.values, 0xff, eng_kern_head_size(length, width));
    float *scratch = aligned(eng_kern_attend_scratch(length) * sizeof(float));
    if (part)
        a->pack(&h, keys, values, stride, 0, part);
    a->pack(&h, keys + part * stride, values + part * stride, stride, part, length - part);
    a->attend(&h, q, stride, length, 0.3F, y, width, scratch);
    free(h.keys);
    free(h.values);
    free(scratch);
}

static void check_attention(const eng_kern *k)
{
    static const size_t widths[] = {32, 64, 8, 20, 48, 96, 128};
    uint64_t seed = 7;
    for (size_t length = 1; length <= 200; length += length < 70 ? 1 : 13)
        for (size_t w = 0; w < 7; w += length % 7 ? 7 : 1) {
            size_t width = widths[w], size = length * (2 * width + 3);
            float *q = random_floats(size, &seed), *keys = random_floats(size, &seed);
            float *values = random_floats(size, &seed);
            float *got = aligned(length * width * sizeof(float));
            float *want = aligned(length * width * sizeof(float));
            attend(eng_kern_at(0)->attention_f32, length, width, q, keys, values, want);
            attend(k->attention_f32, length, width, q, keys, values, got);
            double exact = apart(got, want, length * width);
            attend(k->attention_fast, length, width, q, keys, values, got);
            double fast = apart(got, want, length * width);
            if (exact > 1e-5 || fast > 1e-2)
                fail_msg("%s, %zu tokens, width %zu: off by %g and %g", k->name, length, width,
                         exact, fast);
            free(q);
            free(keys);
            free(values);
            free(got);
            free(want);
        }
}
static void attention_agrees(void **state)
{
    (void)state;
    each_variant(check_attention);
}

/* ---- Distances ---- */

static void check_distances(const eng_kern *k)
{
    const eng_kern *plain = eng_kern_at(0);
    uint64_t seed = 8;
    for (size_t n = 1; n <= 400; n += n < 140 ? 1 : 37) {
        enum { COUNT = 11 };
        size_t stride = n + 5;
        float *a = random_floats(n, &seed), *rows = random_floats(COUNT * stride, &seed);
        int8_t *q = aligned(n), *bytes = aligned(COUNT * stride);
        for (size_t i = 0; i < n; i++)
            q[i] = n % 5 ? (int8_t)next_random(&seed) : -128;
        for (size_t i = 0; i < COUNT * stride; i++)
            bytes[i] = n % 5 ? (int8_t)next_random(&seed) : -128;
        float got[COUNT], want[COUNT];
        int32_t got_i[COUNT], want_i[COUNT];
        uint32_t got_h[COUNT], want_h[COUNT];
        k->dot_f32_rows(a, rows, COUNT, stride, n, got);
        plain->dot_f32_rows(a, rows, COUNT, stride, n, want);
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(fabsf(got[i] - want[i]) < 1e-6F * (float)n + 1e-6F);
            float one = k->dot_f32(a, rows + i * stride, n);
            assert_memory_equal(&one, &got[i], sizeof one);
        }
        k->dot_i8_rows(q, bytes, COUNT, stride, n, got_i);
        plain->dot_i8_rows(q, bytes, COUNT, stride, n, want_i);
        assert_memory_equal(got_i, want_i, sizeof got_i);
        assert_int_equal(k->dot_i8(q, bytes, n), want_i[0]);
        k->hamming_rows((uint8_t *)q, (uint8_t *)bytes, COUNT, stride, n, got_h);
        plain->hamming_rows((uint8_t *)q, (uint8_t *)bytes, COUNT, stride, n, want_h);
        assert_memory_equal(got_h, want_h, sizeof got_h);
        free(a);
        free(rows);
        free(q);
        free(bytes);
    }
}
static void distances_agree(void **state)
{
    (void)state;
    each_variant(check_distances);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantised_values_are_half_a_step_away_at_most),
        cmocka_unit_test(norms_agree),
        cmocka_unit_test(every_half_is_exact),
        cmocka_unit_test(attention_agrees),
        cmocka_unit_test(distances_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
