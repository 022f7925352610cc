/* Forests of small trees, which batches are predicted with by ranks: learn/plan.h's promise that rows do not
 * depend on their company, and kern/kern.h's that every variant does the same. */
#include "kern_help.h"

#include "learn/plan.h"

static eng_error err;

enum { ROWS = 300, FEATURES = 5, OUTPUTS = 3, TREES = 48, LEAVES_MOST = 300 };

static const size_t lengths[] = {2, 23, 24, 63, 64, 65, 130, 192, 255, 256, 257, ROWS};

static uint64_t seed = 3;

static uint32_t draw(uint32_t below) { return (uint32_t)(next_random(&seed) >> 33) % below; }

typedef struct {
    bool float_in, float_sum, init_last;
    bool many;      /* thresholds that hardly ever come twice */
    size_t leaves;  /* of a tree, at most */
    double inexact; /* added to a value */
    uint32_t trees;
} kind;

/* A tree that grows at any of its leaves, however deep. */
static void add_tree(eng_plan_forest *f, const kind *k, uint32_t t)
{
    static eng_plan_node nodes[2 * LEAVES_MOST];
    static double values[LEAVES_MOST];
    size_t count = 1, leaves = 1 + draw((uint32_t)k->leaves), ends[LEAVES_MOST] = {0};
    if (t % 4 == 1)
        leaves = k->leaves;
    for (size_t n = 1; n < leaves; n++) {
        size_t chosen = draw((uint32_t)n), at = ends[chosen];
        double threshold = k->many ? (double)next_float(&seed) : draw(9) - 4.0;
        nodes[at] = (eng_plan_node){.threshold = threshold,
                                    .left = (uint32_t)count,
                                    .right = (uint32_t)count + 1,
                                    .feature = draw(FEATURES),
                                    .flags = draw(2) ? ENG_PLAN_OR_EQUAL : ENG_PLAN_NAN_LEFT};
        ends[chosen] = count;
        ends[n] = count + 1;
        count += 2;
    }
    for (size_t n = 0; n < leaves; n++) {
        nodes[ends[n]] = (eng_plan_node){.left = ENG_PLAN_LEAF, .right = (uint32_t)n};
        values[n] = (double)next_float(&seed) + k->inexact;
    }
    eng_plan_forest_add(f, nodes, count, values, leaves, t % OUTPUTS);
}

static eng_status make(const kind *k, eng_plan **out)
{
    eng_plan_builder *b;
    eng_status status = eng_plan_builder_new(&b, &err);
    if (status < 0)
        return status;
    uint32_t x[FEATURES], y[OUTPUTS];
    for (size_t i = 0; i < FEATURES; i++)
        x[i] = eng_plan_input(b, &(eng_plan_field){.missing = true});
    double init[OUTPUTS] = {0.25, 0, -3};
    eng_plan_forest_spec spec = {.x = x,
                                 .n = FEATURES,
                                 .outputs = OUTPUTS,
                                 .width = 1,
                                 .init = init,
                                 .float_in = k->float_in,
                                 .float_sum = k->float_sum,
                                 .init_last = k->init_last};
    eng_plan_forest *f = eng_plan_forest_new(b, &spec);
    for (uint32_t t = 0; t < k->trees; t++)
        add_tree(f, k, t);
    y[0] = eng_plan_forest_end(f);
    for (uint32_t j = 1; j < OUTPUTS; j++)
        y[j] = y[0] + j;
    eng_plan_result(
        b, &(eng_plan_results){.task = ENG_PLAN_REGRESSION, .predicted = y, .count = OUTPUTS});
    status = eng_plan_finish(b, out, &err);
    eng_plan_builder_free(b);
    return status;
}

static void choose(const char *name)
{
    if (name)
        setenv("ENGENHO_CPU", name, 1);
    else
        unsetenv("ENGENHO_CPU");
    assert_ok(eng_kern_init(&err), err);
}

/* Thresholds themselves, what lies beside them, and nothing at all. */
static void draw_rows(double x[FEATURES][ROWS], bool many)
{
    for (size_t i = 0; i < FEATURES; i++)
        for (size_t r = 0; r < ROWS; r++) {
            double at = many ? (double)next_float(&seed) : draw(9) - 4.0;
            x[i][r] = draw(8) == 0 ? (double)NAN : draw(2) ? at : nextafter(at, draw(2) ? 9 : -9);
        }
}

static void a_batch_is_its_rows(const kind *k)
{
    static double x[FEATURES][ROWS], want[ROWS][OUTPUTS], got[ROWS][OUTPUTS];
    eng_plan_column columns[FEATURES];
    eng_plan_scratch *s;
    eng_plan *p = NULL;
    assert_ok(make(k, &p), err);
    draw_rows(x, k->many);
    assert_ok(eng_plan_scratch_new(p, ROWS, &s, &err), err);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < FEATURES; i++)
            columns[i] = (eng_plan_column){.numbers = &x[i][r]};
        assert_ok(eng_plan_predict(p, columns, 1, want[r], NULL, s, &err), err);
    }
    for (size_t i = 0; i < FEATURES; i++)
        columns[i] = (eng_plan_column){.numbers = x[i]};
    for (size_t v = 0; eng_kern_at(v); v++) {
        if (!eng_kern_can_run(eng_kern_at(v)))
            continue;
        choose(eng_kern_at(v)->name);
        for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++) {
            memset(got, 0, sizeof got);
            assert_ok(eng_plan_predict(p, columns, lengths[n], got[0], NULL, s, &err), err);
            assert_memory_equal(got, want, lengths[n] * sizeof *got);
        }
    }
    choose(NULL);
    eng_plan_scratch_free(s);
    eng_plan_free(p);
}

static void test_a_batch_is_its_rows_one_by_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++)
        a_batch_is_its_rows(&(kind){.float_in = i & 1,
                                    .float_sum = i & 2,
                                    .init_last = i & 4,
                                    .many = i & 8,
                                    .leaves = 64,
                                    .trees = TREES});
}

static void test_so_it_is_of_trees_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 65, 256, 257, LEAVES_MOST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        a_batch_is_its_rows(&(kind){
            .float_in = true, .float_sum = i & 1, .many = true, .leaves = sizes[i], .trees = 13});
}

static void test_so_it_is_of_values_that_single_precision_rounds(void **state)
{
    (void)state;
    a_batch_is_its_rows(
        &(kind){.float_in = true, .float_sum = true, .leaves = 9, .inexact = 1e-9, .trees = TREES});
}

/* ---- Kernels ---- */

static void ranks_alike(const eng_kern *k, unsigned bits)
{
    enum { ROOM = 256 + 16 };
    float cuts[ROOM], x[ENG_KERN_RANKED];
    double wide[ROOM], xw[ENG_KERN_RANKED];
    uint8_t got[ENG_KERN_RANKED], want[ENG_KERN_RANKED];
    size_t n = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < ROOM; i++)
        wide[i] = cuts[i] = i < n - n / 3 ? (float)i : INFINITY;
    for (size_t i = 0; i < ENG_KERN_RANKED; i++) {
        x[i] = draw(9) == 0 ? NAN : (float)draw(2 * (uint32_t)n + 2) / 2 - 1;
        x[i] = draw(40) == 0 ? INFINITY : draw(40) == 0 ? -INFINITY : x[i];
        xw[i] = (double)x[i];
        want[i] = 0;
        for (size_t c = 0; c < n; c++)
            want[i] = (uint8_t)(want[i] + !(x[i] < cuts[c]));
    }
    k->rank_f32(cuts, bits, x, ENG_KERN_RANKED, got);
    assert_memory_equal(got, want, sizeof got);
    k->rank_f64(wide, bits, xw, ENG_KERN_RANKED, got);
    assert_memory_equal(got, want, sizeof got);
}

static void adds_alike(const eng_kern *k, const eng_kern *generic, size_t count)
{
    float values[256 + ENG_KERN_RANKED_VALUES] = {0}, got[ENG_KERN_RANKED], want[ENG_KERN_RANKED];
    uint8_t leaves[ENG_KERN_RANKED];
    for (size_t i = 0; i < count; i++)
        values[i] = next_float(&seed);
    for (size_t i = 0; i < ENG_KERN_RANKED; i++) {
        leaves[i] = (uint8_t)draw((uint32_t)count);
        got[i] = want[i] = next_float(&seed);
    }
    k->add_f32(values, count, leaves, ENG_KERN_RANKED, got);
    generic->add_f32(values, count, leaves, ENG_KERN_RANKED, want);
    assert_memory_equal(got, want, sizeof got);
}

/* Splits of any kind: what they mean to each other does not matter here. */
static void compares_alike(const eng_kern *k, const eng_kern *generic)
{
    enum { SLOTS = 6, SPLITS = 255 };
    static uint8_t x[SLOTS][ENG_KERN_RANKED], got[ENG_KERN_RANKED], want[ENG_KERN_RANKED];
    eng_kern_split splits[SPLITS];
    for (size_t s = 0; s < SLOTS; s++)
        for (size_t i = 0; i < ENG_KERN_RANKED; i++)
            x[s][i] = (uint8_t)draw(256);
    for (size_t i = 0; i < SPLITS; i++)
        splits[i] = (eng_kern_split){.slot = draw(SLOTS),
                                     .rank = draw(256) * 0x01010101U,
                                     .first = draw(8) * 0x01010101U,
                                     .right = draw(256) * 0x01010101U};
    for (size_t rows = ENG_KERN_RANKED_STEP; rows <= ENG_KERN_RANKED;
         rows += ENG_KERN_RANKED_STEP) {
        memset(got, 1, sizeof got);
        memset(want, 1, sizeof want);
        k->tree_u8(splits, SPLITS, x[0], rows, got);
        generic->tree_u8(splits, SPLITS, x[0], rows, want);
        assert_memory_equal(got, want, sizeof got);
    }
}

static void test_every_variant_ranks_compares_and_adds_alike(void **state)
{
    (void)state;
    const eng_kern *k;
    for (size_t v = 0; (k = eng_kern_at(v)); v++) {
        if (!eng_kern_can_run(k))
            continue;
        for (unsigned bits = 1; bits <= ENG_KERN_RANK_BITS; bits++)
            ranks_alike(k, bits);
        for (size_t count = 1; count <= 256; count += count < 66 ? 7 : 60)
            adds_alike(k, eng_kern_at(0), count);
        compares_alike(k, eng_kern_at(0));
    }
}

static void test_out_of_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status;
    static const kind few = {.float_in = true, .many = true, .leaves = 200, .trees = 9};
    assert_survives_no_memory(status, {
        eng_plan *p = NULL;
        eng_plan_scratch *s = NULL;
        seed = 11;
        status = make(&few, &p);
        if (status == ENG_OK)
            status = eng_plan_scratch_new(p, 100, &s, &err);
        eng_plan_scratch_free(s);
        eng_plan_free(p);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_is_its_rows_one_by_one),
        cmocka_unit_test(test_so_it_is_of_trees_of_any_size),
        cmocka_unit_test(test_so_it_is_of_values_that_single_precision_rounds),
        cmocka_unit_test(test_every_variant_ranks_compares_and_adds_alike),
        cmocka_unit_test(test_out_of_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
