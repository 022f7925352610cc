/* learn/plan.h: what is built is what is predicted, from memory and from a file. */
#include "test.h"

#include "base/file.h"
#include "kern/kern.h"
#include "learn/plan.h"

#include <math.h>
#include <unistd.h>

static eng_error err;

enum { ROWS = 300 };

static eng_plan_builder *begin(void)
{
    eng_plan_builder *b = NULL;
    assert_ok(eng_plan_builder_new(&b, &err), err);
    return b;
}

static uint32_t number(eng_plan_builder *b, const char *name, bool missing)
{
    return eng_plan_input(b, &(eng_plan_field){.name = eng_str_of(name), .missing = missing});
}

static eng_plan *finish(eng_plan_builder *b, const uint32_t *y, size_t n)
{
    eng_plan *p = NULL;
    eng_plan_result(b,
                    &(eng_plan_results){.task = ENG_PLAN_REGRESSION, .predicted = y, .count = n});
    assert_ok(eng_plan_finish(b, &p, &err), err);
    eng_plan_builder_free(b);
    return p;
}

/* One row of numbers. */
static eng_status predict(const eng_plan *p, const double *x, double *y)
{
    eng_plan_column columns[8];
    eng_plan_scratch *s;
    size_t n;
    eng_plan_fields(p, &n);
    for (size_t i = 0; i < n; i++)
        columns[i] = (eng_plan_column){.numbers = x + i};
    assert_ok(eng_plan_scratch_new(p, 1, &s, &err), err);
    eng_status status = eng_plan_predict(p, columns, 1, y, NULL, s, &err);
    eng_plan_scratch_free(s);
    return status;
}

static void test_functions_are_of_each_column(void **state)
{
    (void)state;
    eng_plan_builder *b = begin();
    uint32_t x[2] = {number(b, "a", true), number(b, "c", true)};
    uint32_t y[8], at;
    at = eng_plan_map(b, ENG_PLAN_STANDARD, x, 2, (double[]){1, 2}, (double[]){2, 4});
    y[0] = at;
    y[1] = at + 1;
    y[2] = eng_plan_map(b, ENG_PLAN_IMPUTE, &x[1], 1, (double[]){7}, NULL);
    y[3] = eng_plan_map(b, ENG_PLAN_IS_NAN, &x[1], 1, NULL, NULL);
    y[4] = eng_plan_bins(b, x[0], (double[]){1, 2, 3}, 3, false);
    y[5] = eng_plan_interpolate(b, x[0], (double[]){0, 10}, (double[]){5, 25}, 2);
    y[6] = eng_plan_reduce(b, ENG_PLAN_MAX, (uint32_t[]){y[0], y[2]}, 2);
    y[7] = eng_plan_polynomial(b, &x[0], 1, (uint32_t[]){3}, 1);
    eng_plan *p = finish(b, y, 8);
    double out[8];
    assert_ok(predict(p, (double[]){3, NAN}, out), err);
    assert_true(out[0] == 1 && isnan(out[1]) && out[2] == 7 && out[3] == 1);
    assert_true(out[4] == 3 && out[5] == 11 && out[6] == 7 && out[7] == 27);
    eng_plan_free(p);
}

static void test_what_may_not_be_missing_is_refused_by_name(void **state)
{
    (void)state;
    eng_plan_builder *b = begin();
    uint32_t x = number(b, "height", false);
    uint32_t y = eng_plan_map(b, ENG_PLAN_ADD, &x, 1, (double[]){1}, NULL);
    eng_plan *p = finish(b, &y, 1);
    double out;
    assert_int_equal(predict(p, (double[]){NAN}, &out), ENG_EINVALID);
    assert_string_equal(err.field, "height");
    assert_int_equal(err.line, 1);
    assert_int_equal(predict(p, (double[]){INFINITY}, &out), ENG_EINVALID);
    eng_plan_free(p);
}

static const eng_str cities[] = {{"Natal", 5}, {"Recife", 6}, {"S\xc3\xa3o Paulo", 10}};

static void test_categories_are_rows_and_others_are_refused(void **state)
{
    (void)state;
    eng_plan_builder *b = begin();
    uint32_t x = eng_plan_input(
        b, &(eng_plan_field){.name = ENG_STR("city"), .type = ENG_PLAN_TEXT, .missing = true});
    eng_plan_keys keys = {.texts = cities,
                          .count = 3,
                          .width = 2,
                          .rows = (double[]){1, 2, 3, 4, 5, 6},
                          .missing = (double[]){-1, -2}};
    uint32_t y = eng_plan_lookup(b, x, &keys);
    eng_plan *p = finish(b, (uint32_t[]){y, y + 1}, 2);
    eng_plan_scratch *s;
    eng_str asked[] = {cities[2], {NULL, 0}, cities[0], ENG_STR("Bras\xc3\xadlia")};
    eng_plan_column column = {.texts = asked};
    double out[8];
    assert_ok(eng_plan_scratch_new(p, 4, &s, &err), err);
    assert_ok(eng_plan_predict(p, &column, 3, out, NULL, s, &err), err);
    assert_true(out[0] == 5 && out[1] == 6 && out[2] == -1 && out[3] == -2 && out[4] == 1);
    assert_int_equal(eng_plan_predict(p, &column, 4, out, NULL, s, &err), ENG_EINVALID);
    assert_string_equal(err.field, "city");
    assert_int_equal(err.line, 4);
    eng_plan_scratch_free(s);
    eng_plan_free(p);
}

static void test_a_one_hot_is_not_made_before_a_product_and_a_tree(void **state)
{
    (void)state;
    eng_plan_builder *b = begin();
    uint32_t x[2] = {number(b, "a", false), number(b, "kind", false)};
    eng_plan_keys keys = {
        .numbers = (double[]){10, 20, 30}, .count = 3, .width = 3, .unknown = (double[]){0, 0, 0}};
    uint32_t hot = eng_plan_one_hot(b, x[1], &keys, NULL);
    uint32_t all[4] = {x[0], hot, hot + 1, hot + 2}, y[2];
    y[0] = eng_plan_linear(b, all, 4, (double[]){2, 100, 200, 300}, (double[]){0.5}, 1);
    eng_plan_forest *f = eng_plan_forest_new(
        b, &(eng_plan_forest_spec){.x = all, .n = 4, .outputs = 1, .width = 1});
    eng_plan_node nodes[] = {{.threshold = 0.5, .left = 1, .right = 2, .feature = 2, .flags = 1},
                             {.left = ENG_PLAN_LEAF, .right = 0},
                             {.left = ENG_PLAN_LEAF, .right = 1}};
    eng_plan_forest_add(f, nodes, 3, (double[]){-1, 1}, 2, 0);
    y[1] = eng_plan_forest_end(f);
    eng_plan *p = finish(b, y, 2);
    double out[2];
    assert_ok(predict(p, (double[]){1, 20}, out), err);
    assert_true(out[0] == 202.5 && out[1] == 1);
    assert_ok(predict(p, (double[]){1, 30}, out), err);
    assert_true(out[0] == 302.5 && out[1] == -1);
    assert_ok(predict(p, (double[]){1, 99}, out), err);
    assert_true(out[0] == 2.5 && out[1] == -1);
    eng_buf said;
    eng_buf_init(&said, 10000);
    eng_plan_describe(p, &said);
    assert_true(eng_str_find(eng_buf_view(&said), ENG_STR("one-hot")) == SIZE_MAX);
    eng_buf_clear(&said);
    eng_plan_free(p);
}

/* ---- Trees ---- */

static uint64_t seed = 7;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(seed >> 33) % below;
}

enum { FEATURES = 7, NODES = 127 };

typedef struct {
    eng_plan_node nodes[NODES];
    double values[NODES];
    size_t count, leaves;
} tree;

static const uint32_t sets[2][2] = {{0x5, 0x1}, {0xfffffff0, 0}};

static void grow(tree *t, size_t at, unsigned depth, bool categories)
{
    static const uint32_t flags[] = {0,
                                     ENG_PLAN_OR_EQUAL,
                                     ENG_PLAN_NAN_LEFT,
                                     ENG_PLAN_OR_EQUAL | ENG_PLAN_NAN_LEFT,
                                     ENG_PLAN_OR_EQUAL | ENG_PLAN_NAN_IS_ZERO,
                                     ENG_PLAN_OR_EQUAL | ENG_PLAN_ZERO_IS_NAN,
                                     ENG_PLAN_OR_EQUAL | ENG_PLAN_ZERO_IS_NAN | ENG_PLAN_NAN_LEFT};
    eng_plan_node *n = &t->nodes[at];
    if (depth == 0 || draw(6) == 0 || t->count + 2 > NODES) {
        *n = (eng_plan_node){.left = ENG_PLAN_LEAF, .right = (uint32_t)t->leaves};
        t->values[t->leaves++] = (double)((float)draw(1000) / 10);
        return;
    }
    *n = (eng_plan_node){.threshold = draw(9) - 4.0,
                         .left = (uint32_t)t->count,
                         .right = (uint32_t)t->count + 1,
                         .feature = draw(FEATURES),
                         .flags = flags[draw(7)]};
    if (categories && draw(3) == 0) {
        n->flags = ENG_PLAN_CATEGORIES | (draw(2) ? ENG_PLAN_SET_RIGHT : 0) |
                   (draw(2) ? ENG_PLAN_NAN_LEFT : 0);
        n->set = sets[draw(2)];
        n->set_words = 2;
    }
    t->count += 2;
    grow(t, n->left, depth - 1, categories);
    grow(t, n->right, depth - 1, categories);
}

/* A node as the header says it. */
static bool goes_left(const eng_plan_node *n, double x, bool in_float)
{
    bool nan_left = (n->flags & ENG_PLAN_NAN_LEFT) != 0;
    if (in_float)
        x = (double)(float)x;
    if (n->flags & ENG_PLAN_CATEGORIES) {
        if (isnan(x))
            return nan_left;
        bool found = trunc(x) >= 0 && x < 64 && (n->set[(int)x / 32] >> (int)x % 32 & 1);
        return found != ((n->flags & ENG_PLAN_SET_RIGHT) != 0);
    }
    if (isnan(x) && n->flags & ENG_PLAN_NAN_IS_ZERO)
        x = 0;
    if (n->flags & ENG_PLAN_ZERO_IS_NAN && fabs(x) <= 1e-35)
        x = NAN;
    if (isnan(x))
        return nan_left;
    return n->flags & ENG_PLAN_OR_EQUAL ? x <= n->threshold : x < n->threshold;
}

static double value_of(const tree *t, const double *x, bool in_float)
{
    uint32_t at = 0;
    while (t->nodes[at].left != ENG_PLAN_LEAF)
        at = goes_left(&t->nodes[at], x[t->nodes[at].feature], in_float) ? t->nodes[at].left
                                                                         : t->nodes[at].right;
    return t->values[t->nodes[at].right];
}

/* Halves, whole numbers that thresholds hit, neighbours of them in double and in float, nothing at all. */
static double draw_number(void)
{
    double x = draw(11) - 5.0;
    switch (draw(6)) {
    case 0:
        return NAN;
    case 1:
        return nextafter(x, draw(2) ? 9 : -9);
    case 2:
        return (double)nextafterf((float)x, draw(2) ? 9 : -9);
    case 3:
        return 0;
    default:
        return x / 2;
    }
}

static void forest_is_the_sum_of_its_trees(bool in_float, bool in_sum, bool categories)
{
    enum { TREES = 21 };
    static tree trees[TREES];
    static double x[FEATURES][ROWS], got[ROWS], alone;
    eng_plan_builder *b = begin();
    uint32_t in[FEATURES];
    for (size_t i = 0; i < FEATURES; i++)
        in[i] = number(b, "", true);
    eng_plan_forest_spec spec = {.x = in,
                                 .n = FEATURES,
                                 .outputs = 1,
                                 .width = 1,
                                 .init = (double[]){0.25},
                                 .float_in = in_float,
                                 .float_sum = in_sum};
    eng_plan_forest *f = eng_plan_forest_new(b, &spec);
    for (size_t t = 0; t < TREES; t++) {
        trees[t] = (tree){.count = 1};
        grow(&trees[t], 0, t % 8, categories);
        eng_plan_forest_add(f, trees[t].nodes, trees[t].count, trees[t].values, trees[t].leaves, 0);
    }
    uint32_t y = eng_plan_forest_end(f);
    eng_plan *p = finish(b, &y, 1);
    eng_plan_column columns[FEATURES], one[FEATURES];
    eng_plan_scratch *s;
    assert_ok(eng_plan_scratch_new(p, ROWS, &s, &err), err);
    for (size_t i = 0; i < FEATURES; i++) {
        columns[i] = (eng_plan_column){.numbers = x[i]};
        for (size_t r = 0; r < ROWS; r++)
            x[i][r] = draw_number();
    }
    assert_ok(eng_plan_predict(p, columns, ROWS, got, NULL, s, &err), err);
    for (size_t r = 0; r < ROWS; r++) {
        double row[FEATURES], want = 0.25;
        for (size_t i = 0; i < FEATURES; i++) {
            row[i] = x[i][r];
            one[i] = (eng_plan_column){.numbers = &x[i][r]};
        }
        for (size_t t = 0; t < TREES; t++) {
            want += value_of(&trees[t], row, in_float);
            want = in_sum ? (double)(float)want : want;
        }
        assert_true(want == got[r]);
        assert_ok(eng_plan_predict(p, one, 1, &alone, NULL, s, &err), err);
        assert_true(want == alone);
    }
    eng_plan_scratch_free(s);
    eng_plan_free(p);
}

static void test_a_forest_is_the_sum_of_its_trees_in_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        forest_is_the_sum_of_its_trees(i & 1, i & 2, i & 4);
}

static void test_every_variant_walks_a_tree_alike(void **state)
{
    (void)state;
    enum { SLOTS = 5, COUNT = 63 };
    static eng_kern_node nodes[COUNT + ENG_KERN_BEYOND];
    static eng_kern_wide_node wide[COUNT + ENG_KERN_BEYOND];
    static float x[SLOTS][ENG_KERN_LANES];
    static double xw[SLOTS][ENG_KERN_LANES];
    for (uint32_t i = 0; i < COUNT + ENG_KERN_BEYOND; i++) {
        bool leaf = i >= COUNT / 2 || (i > 6 && draw(5) == 0);
        uint32_t left = leaf ? 0 : 2 * i + 1 - i, slot = leaf ? 0 : 1 + draw(SLOTS - 1);
        uint64_t row = i;
        nodes[i] = (eng_kern_node){(float)draw(9), (uint16_t)slot, (uint16_t)left};
        wide[i] = (eng_kern_wide_node){draw(9), slot, left};
        if (leaf) {
            memcpy(&nodes[i].threshold, &i, sizeof i);
            memcpy(&wide[i].threshold, &row, sizeof row);
        }
    }
    for (unsigned round = 0; round < 50; round++) {
        uint32_t want[2][ENG_KERN_LANES], got[ENG_KERN_LANES];
        for (size_t s = 0; s < SLOTS; s++)
            for (size_t i = 0; i < ENG_KERN_LANES; i++) {
                x[s][i] = s == 0 ? -INFINITY : draw(7) == 0 ? NAN : (float)draw(9);
                xw[s][i] = s == 0 ? (double)-INFINITY : draw(7) == 0 ? (double)NAN : draw(9);
            }
        const eng_kern *generic = eng_kern_at(0), *k;
        generic->tree_f32(nodes, 6, x[0], want[0]);
        generic->tree_f64(wide, 6, xw[0], want[1]);
        for (size_t v = 1; (k = eng_kern_at(v)); v++) {
            if (!eng_kern_can_run(k))
                continue;
            k->tree_f32(nodes, 6, x[0], got);
            assert_memory_equal(got, want[0], sizeof got);
            k->tree_f64(wide, 6, xw[0], got);
            assert_memory_equal(got, want[1], sizeof got);
        }
    }
}

static void refuses_tree(const eng_plan_node *nodes, size_t count, size_t values)
{
    eng_plan_builder *b = begin();
    uint32_t x = number(b, "x", true);
    eng_plan_forest *f = eng_plan_forest_new(
        b, &(eng_plan_forest_spec){.x = &x, .n = 1, .outputs = 1, .width = 1});
    eng_plan_forest_add(f, nodes, count, (double[]){1, 2, 3}, values, 0);
    assert_int_equal(eng_plan_forest_end(f), ENG_PLAN_NONE);
    assert_int_equal(eng_plan_failed(b, &err), ENG_EMALFORMED);
    eng_plan_builder_free(b);
}

static void test_trees_that_are_none_are_refused(void **state)
{
    (void)state;
    const eng_plan_node leaf = {.left = ENG_PLAN_LEAF, .right = 0};
    refuses_tree((eng_plan_node[]){{.left = 1, .right = 9}, leaf}, 2, 1);
    refuses_tree((eng_plan_node[]){{.left = 1, .right = 1}, leaf}, 2, 1);
    refuses_tree((eng_plan_node[]){{.left = 0, .right = 1}, leaf}, 2, 1);
    refuses_tree((eng_plan_node[]){{.left = 1, .right = 2}, {.left = 0, .right = 2}, leaf}, 3, 1);
    refuses_tree((eng_plan_node[]){{.left = 1, .right = 2, .feature = 1}, leaf, leaf}, 3, 1);
    refuses_tree((eng_plan_node[]){{.left = 1, .right = 2, .threshold = NAN}, leaf, leaf}, 3, 1);
    refuses_tree((eng_plan_node[]){{.left = ENG_PLAN_LEAF, .right = 3}}, 1, 3);
    refuses_tree(&leaf, 0, 1);
}

/* ---- Files ---- */

static eng_plan *small(eng_status *status)
{
    eng_plan_builder *b;
    eng_plan *p = NULL;
    if ((*status = eng_plan_builder_new(&b, &err)) < 0)
        return NULL;
    uint32_t x[3] = {number(b, "x", true), number(b, "z", true),
                     eng_plan_input(b, &(eng_plan_field){.name = ENG_STR("city"),
                                                         .type = ENG_PLAN_TEXT,
                                                         .missing = true,
                                                         .categories = cities,
                                                         .category_count = 3})};
    double none[3] = {0};
    eng_plan_keys keys = {
        .texts = cities, .count = 3, .width = 3, .missing = none, .unknown = none};
    uint32_t hot = eng_plan_one_hot(b, x[2], &keys, NULL);
    uint32_t all[5] = {x[0], x[1], hot, hot + 1, hot + 2};
    eng_plan_forest *f = eng_plan_forest_new(
        b, &(eng_plan_forest_spec){.x = all, .n = 5, .outputs = 1, .width = 1, .float_in = true});
    eng_plan_node nodes[] = {{.threshold = 0.5, .left = 1, .right = 2, .feature = 3},
                             {.left = 3,
                              .right = 4,
                              .feature = 1,
                              .flags = ENG_PLAN_CATEGORIES,
                              .set = sets[0],
                              .set_words = 2},
                             {.left = ENG_PLAN_LEAF, .right = 1},
                             {.left = ENG_PLAN_LEAF, .right = 2},
                             {.left = ENG_PLAN_LEAF, .right = 0}};
    for (size_t i = 0; i < 9; i++)
        eng_plan_forest_add(f, nodes, 5, (double[]){1, 2, 4}, 3, 0);
    uint32_t two[2] = {eng_plan_forest_end(f),
                       eng_plan_linear(b, all, 5, (double[]){1, 2, 3, 4, 5}, NULL, 1)};
    uint32_t shares = eng_plan_share(b, ENG_PLAN_SOFTMAX, two, 2);
    uint32_t both[2] = {shares, shares + 1};
    uint32_t best = eng_plan_reduce(b, ENG_PLAN_ARGMAX, both, 2);
    eng_plan_label labels[2] = {{.type = ENG_PLAN_LABEL_TEXT, .text = ENG_STR("yes")},
                                {.type = ENG_PLAN_LABEL_INT, .number = 3}};
    eng_plan_result(b, &(eng_plan_results){.task = ENG_PLAN_CLASSIFICATION,
                                           .predicted = &best,
                                           .count = 1,
                                           .shares = both,
                                           .classes = labels,
                                           .class_count = 2});
    *status = eng_plan_finish(b, &p, &err);
    eng_plan_builder_free(b);
    return p;
}

static void test_a_saved_plan_is_mapped_and_is_the_same(void **state)
{
    (void)state;
    char path[] = "/tmp/eng-plan-XXXXXX";
    int fd = mkstemp(path);
    eng_status status;
    eng_plan *p = small(&status), *q = NULL;
    assert_ok(status, err);
    assert_ok(eng_plan_save(p, path, ENG_STR("sha256 of a file"), &err), err);
    assert_int_equal(eng_plan_open(path, ENG_STR("another"), &q, &err), ENG_EVERSION);
    assert_ok(eng_plan_open(path, ENG_STR("sha256 of a file"), &q, &err), err);
    size_t n;
    bool has_shares;
    const eng_plan_field *fields = eng_plan_fields(q, &n);
    assert_int_equal(n, 3);
    assert_str_view(fields[2].name, "city");
    assert_int_equal(fields[2].category_count, 3);
    const eng_plan_results *about = eng_plan_about(q, &has_shares);
    assert_true(has_shares && about->class_count == 2);
    assert_str_view(about->classes[0].text, "yes");
    assert_true(about->classes[1].type == ENG_PLAN_LABEL_INT && about->classes[1].number == 3);
    double x = 1, z = 2, a[3], c[3];
    eng_str city = cities[1];
    eng_plan_column columns[3] = {{.numbers = &x}, {.numbers = &z}, {.texts = &city}};
    eng_plan_scratch *s;
    assert_ok(eng_plan_scratch_new(p, 1, &s, &err), err);
    assert_ok(eng_plan_predict(p, columns, 1, a, a + 1, s, &err), err);
    assert_ok(eng_plan_predict(q, columns, 1, c, c + 1, s, &err), err);
    assert_memory_equal(a, c, sizeof a);
    eng_plan_scratch_free(s);
    eng_plan_free(p);
    eng_plan_free(q);
    close(fd);
    unlink(path);
}

static void test_out_of_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_plan *p = small(&status);
        eng_plan_scratch *s = NULL;
        if (status == ENG_OK)
            status = eng_plan_scratch_new(p, 100, &s, &err);
        eng_plan_scratch_free(s);
        eng_plan_free(p);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_are_of_each_column),
        cmocka_unit_test(test_what_may_not_be_missing_is_refused_by_name),
        cmocka_unit_test(test_categories_are_rows_and_others_are_refused),
        cmocka_unit_test(test_a_one_hot_is_not_made_before_a_product_and_a_tree),
        cmocka_unit_test(test_a_forest_is_the_sum_of_its_trees_in_order),
        cmocka_unit_test(test_every_variant_walks_a_tree_alike),
        cmocka_unit_test(test_trees_that_are_none_are_refused),
        cmocka_unit_test(test_a_saved_plan_is_mapped_and_is_the_same),
        cmocka_unit_test(test_out_of_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
