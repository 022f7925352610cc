/* Every variant that this processor can run against the generic one. Each test names a promise of kern.h. */
#include "kern_help.h"

#include "kern_tiles_plain.h"

/* The kernel once more, in this program, on tiles in plain C. */
#define eng_kern_amx_linear_i8 linear_i8_on_plain_tiles
#include "kern/kern_amx.c" // NOLINT(bugprone-suspicious-include)

/* A layer of n outputs and k inputs in both forms, and m rows for it. */
typedef struct {
    size_t n, k, m;
    float *rows, *bias, *x;
    float *f32;
    int8_t *i8;
    float *scale, *sums;
    uint8_t *q;
    eng_kern_row *params;
} layer;

static layer make(size_t n, size_t k, size_t m, uint64_t *seed)
{
    size_t wide = eng_kern_pad(n), deep = eng_kern_pad(k);
    layer l = {.n = n, .k = k, .m = m};
    l.rows = random_floats(n * k, seed);
    l.bias = aligned(wide * sizeof(float));
    for (size_t i = 0; i < n; i++)
        l.bias[i] = next_float(seed);
    l.x = random_floats(m * deep, seed);
    l.f32 = aligned(eng_kern_packed_f32(n, k));
    l.i8 = aligned(eng_kern_packed_i8(n, k));
    l.scale = aligned(wide * sizeof(float));
    l.sums = aligned(wide * sizeof(float));
    l.q = aligned(m * deep);
    l.params = aligned(m * sizeof(eng_kern_row));
    eng_kern_pack_f32(l.rows, n, k, 0, l.f32);
    eng_kern_pack_i8(l.rows, n, k, 0, l.i8, l.scale, l.sums);
    eng_kern_at(0)->quantise(l.x, deep, m, k, l.q, l.params);
    return l;
}

static void drop(layer *l)
{
    free(l->rows);
    free(l->bias);
    free(l->x);
    free(l->f32);
    free(l->i8);
    free(l->scale);
    free(l->sums);
    free(l->q);
    free(l->params);
}

static void run(const eng_kern *k, const layer *l, bool in_i8, eng_kern_then then, float *y)
{
    eng_kern_matrix w = {.n = l->n, .k = l->k, .bias = l->bias, .scale = l->scale, .sums = l->sums};
    eng_kern_out out = {y, eng_kern_pad(l->n), then};
    w.weights = in_i8 ? (const void *)l->i8 : (const void *)l->f32;
    if (in_i8)
        k->linear_i8(&w, l->q, l->params, l->m, &out);
    else
        k->linear_f32(&w, l->x, eng_kern_pad(l->k), l->m, &out);
}

/* y = x * W' + b in doubles, straight from the unpacked rows. */
static void plain(const layer *l, float *y)
{
    for (size_t r = 0; r < l->m; r++)
        for (size_t o = 0; o < l->n; o++) {
            double sum = (double)l->bias[o];
            for (size_t i = 0; i < l->k; i++)
                sum += (double)l->x[r * eng_kern_pad(l->k) + i] * (double)l->rows[o * l->k + i];
            y[r * eng_kern_pad(l->n) + o] = (float)sum;
        }
}

static void generic_is_the_product(void **state)
{
    (void)state;
    uint64_t seed = 1;
    layer l = make(70, 100, 7, &seed);
    size_t count = l.m * eng_kern_pad(l.n);
    float *want = aligned(count * sizeof(float)), *got = aligned(count * sizeof(float));
    plain(&l, want);
    run(eng_kern_at(0), &l, false, ENG_KERN_STORE, got);
    assert_true(apart(got, want, count) < 1e-5);
    run(eng_kern_at(0), &l, true, ENG_KERN_STORE, got);
    assert_true(apart(got, want, count) < 0.02);
    free(want);
    free(got);
    drop(&l);
}

static void compare(const eng_kern *k, size_t n, size_t deep, size_t m, uint64_t *seed)
{
    layer l = make(n, deep, m, seed);
    size_t count = m * eng_kern_pad(n);
    float *want = aligned(count * sizeof(float)), *got = aligned(count * sizeof(float));
    for (int in_i8 = 0; in_i8 < 2; in_i8++)
        for (eng_kern_then then = ENG_KERN_STORE; then <= ENG_KERN_ADD; then++) {
            for (size_t i = 0; i < count; i++)
                want[i] = got[i] = next_float(seed);
            run(eng_kern_at(0), &l, in_i8, then, want);
            run(k, &l, in_i8, then, got);
            double off = apart(got, want, count);
            if (off > (in_i8 && then == ENG_KERN_GELU ? 1e-4 : 5e-6))
                fail_msg("%s, n %zu, k %zu, m %zu, int8 %d, then %d: off by %g", k->name, n, deep,
                         m, in_i8, (int)then, off);
        }
    free(want);
    free(got);
    drop(&l);
}

static void all_shapes(const char *name)
{
    const eng_kern *k = variant(name);
    uint64_t seed = 2;
    for (size_t i = 1; i <= 130; i++) {
        compare(k, i, 64, 3, &seed);
        compare(k, 40, i, 5, &seed);
        compare(k, 64, 64, i, &seed);
        compare(k, 1 + next_random(&seed) % 130, 1 + next_random(&seed) % 130, i, &seed);
    }
    compare(k, 1152, 384, 17, &seed);
    compare(k, 384, 1536, 13, &seed);
}

static void avx2_equals_generic(void **state) { (void)state, all_shapes("avx2"); }
static void avx2vnni_equals_generic(void **state) { (void)state, all_shapes("avx2vnni"); }
static void avx512vnni_equals_generic(void **state) { (void)state, all_shapes("avx512vnni"); }
static void avx512bf16_equals_generic(void **state) { (void)state, all_shapes("avx512bf16"); }
static void amx_equals_generic(void **state) { (void)state, all_shapes("amx"); }

static void amx_equals_generic_by_the_manual(void **state)
{
    (void)state;
#ifdef ENG_KERN_X86
    eng_kern k = *variant("avx512vnni"); /* what AMX has no part in */
    uint64_t seed = 5;
    k.name = "amx, by the manual";
    k.linear_i8 = linear_i8_on_plain_tiles;
    for (size_t m = 1; m <= 35; m++)
        compare(&k, 1 + next_random(&seed) % 130, 1 + next_random(&seed) % 130, m, &seed);
    compare(&k, 96, 384, 67, &seed);
#else
    skip();
#endif
}

/* Row by row and all at once, bit by bit. */
static void a_row_is_the_same_in_any_company(void **state)
{
    (void)state;
    uint64_t seed = 3;
    layer l = make(130, 70, 29, &seed);
    size_t wide = eng_kern_pad(l.n), deep = eng_kern_pad(l.k);
    float *all = aligned(l.m * wide * sizeof(float)), *one = aligned(wide * sizeof(float));
    for (size_t i = 0; eng_kern_at(i); i++) {
        const eng_kern *k = eng_kern_at(i);
        for (int in_i8 = 0; eng_kern_can_run(k) && in_i8 < 2; in_i8++) {
            run(k, &l, in_i8, ENG_KERN_GELU, all);
            for (size_t r = 0; r < l.m; r++) {
                layer alone = l;
                alone.m = 1;
                alone.x += r * deep;
                alone.q += r * deep;
                alone.params += r;
                run(k, &alone, in_i8, ENG_KERN_GELU, one);
                assert_memory_equal(one, all + r * wide, wide * sizeof(float));
            }
        }
    }
    free(all);
    free(one);
    drop(&l);
}

static void layers_pack_side_by_side(void **state)
{
    (void)state;
    uint64_t seed = 4;
    layer l = make(100, 30, 5, &seed);
    int8_t *i8 = aligned(eng_kern_packed_i8(100, 30));
    float *f32 = aligned(eng_kern_packed_f32(100, 30));
    eng_kern_pack_f32(l.rows, 37, 30, 0, f32);
    eng_kern_pack_f32(l.rows + 37 * 30, 63, 30, 37, f32);
    assert_memory_equal(f32, l.f32, eng_kern_packed_f32(100, 30));
    eng_kern_pack_i8(l.rows + 37 * 30, 63, 30, 37, i8, l.scale, l.sums);
    eng_kern_pack_i8(l.rows, 37, 30, 0, i8, l.scale, l.sums);
    assert_memory_equal(i8, l.i8, eng_kern_packed_i8(100, 30));
    free(i8);
    free(f32);
    drop(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generic_is_the_product),
        cmocka_unit_test(avx2_equals_generic),
        cmocka_unit_test(avx2vnni_equals_generic),
        cmocka_unit_test(avx512vnni_equals_generic),
        cmocka_unit_test(avx512bf16_equals_generic),
        cmocka_unit_test(amx_equals_generic),
        cmocka_unit_test(amx_equals_generic_by_the_manual),
        cmocka_unit_test(a_row_is_the_same_in_any_company),
        cmocka_unit_test(layers_pack_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
