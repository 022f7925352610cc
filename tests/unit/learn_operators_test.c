/* learn/plan.h: operators that look at several rows or columns, and results of several outputs. */
#include "test.h"

#include "kern/kern.h"
#include "learn/plan.h"

#include <math.h>

static eng_error err;

static eng_plan_builder *begin(void)
{
    eng_plan_builder *b = NULL;
    assert_ok(eng_plan_builder_new(&b, &err), err);
    return b;
}

static uint32_t number(eng_plan_builder *b, const char *name)
{
    return eng_plan_input(b, &(eng_plan_field){.name = eng_str_of(name), .missing = true});
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

/* One row of numbers, alone. */
static void predict(const eng_plan *p, const double *x, double *y, double *shares)
{
    eng_plan_column columns[8];
    eng_plan_scratch *s;
    size_t n;
    eng_plan_fields(p, &n);
    for (size_t i = 0; i < n; i++)
        columns[i] = (eng_plan_column){.numbers = x + i};
    assert_ok(eng_plan_scratch_new(p, 1, &s, &err), err);
    assert_ok(eng_plan_predict(p, columns, 1, y, shares, s, &err), err);
    eng_plan_scratch_free(s);
}

static void what_is_missing_comes_from_the_nearest_rows_that_have_it(void **state)
{
    (void)state;
    static const double rows[] = {1, 10, 2, 20, 3, NAN, 9, 90};
    eng_plan_builder *b = begin();
    uint32_t x[2] = {number(b, "a"), number(b, "c")};
    eng_plan_points points = {.points = rows, .values = (double[]){-1, -2}, .count = 4, .k = 2};
    uint32_t plain = eng_plan_fill(b, x, 2, &points);
    points.weighing = ENG_PLAN_BY_DISTANCE;
    uint32_t weighed = eng_plan_fill(b, x, 2, &points);
    eng_plan *p = finish(b, (uint32_t[]){plain, plain + 1, weighed, weighed + 1}, 4);
    double y[4];
    predict(p, (double[]){2.5, NAN}, y, NULL);
    assert_true(y[0] == 2.5 && y[1] == 15); /* 3 is nearer, but has none */
    assert_true(fabs(y[3] - (20 / 0.5 + 10 / 1.5) / (1 / 0.5 + 1 / 1.5)) < 1e-12);
    predict(p, (double[]){2, NAN}, y, NULL);
    assert_true(y[3] == 20); /* it lies on one */
    predict(p, (double[]){NAN, NAN}, y, NULL);
    assert_true(y[0] == -1 && y[1] == -2); /* nothing to go by */
    eng_plan_free(p);
}

static void neighbours_are_weighed_as_asked(void **state)
{
    (void)state;
    static const double at[] = {0, 1, 4, 100}, values[] = {1, 10, 2, 20, 3, 30, 4, 40};
    eng_plan_builder *b = begin();
    uint32_t x = number(b, "a"), y[8];
    eng_plan_points points = {
        .points = at, .values = values, .count = 4, .width = 2, .k = 3, .p = 2};
    for (size_t i = 0; i < 4; i++) {
        points.weighing = (eng_plan_weighing)i;
        y[2 * i] = eng_plan_nearest(b, &x, 1, &points);
        y[2 * i + 1] = y[2 * i] + 1;
    }
    eng_plan *p = finish(b, y, 8);
    double out[8];
    predict(p, (double[]){2}, out, NULL); /* distances 2, 1, 2 */
    assert_true(out[0] == 2 && out[1] == 20);
    assert_true(fabs(out[2] - (0.5 + 2 + 1.5) / 2) < 1e-12);
    assert_true(fabs(out[4] - (0.25 + 2 + 0.75) / 1.5) < 1e-12);
    assert_true(fabs(out[6] - (2 + 2 + 3) / 3.0) < 1e-12 && out[7] == 20); /* reached at 2, 2, 3 */
    eng_plan_free(p);
}

static const double knots[] = {-3, -2, -1, 0, 1, 2, 3, 4, 5, 6};

static void splines_of(eng_plan_beyond beyond, double x, double *y, size_t n)
{
    eng_plan_builder *b = begin();
    uint32_t in = number(b, "a"), ids[8];
    uint32_t first = eng_plan_spline(b, in, knots, 10, 3, beyond);
    for (size_t i = 0; i < n; i++)
        ids[i] = first + (uint32_t)i;
    eng_plan *p = finish(b, ids, n);
    predict(p, &x, y, NULL);
    eng_plan_free(p);
}

static double sum_of(const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += y[i];
    return sum;
}

static void splines_sum_to_one_and_go_on_as_asked(void **state)
{
    (void)state;
    double y[6], end[6], beyond[6], more[6];
    splines_of(ENG_PLAN_ONWARD, 1.5, y, 6);
    assert_true(fabs(sum_of(y, 6) - 1) < 1e-15 && y[0] == 0 && y[5] == 0);
    assert_true(fabs(y[2] - 23.0 / 48) < 1e-15 && fabs(y[1] - 1.0 / 48) < 1e-15);
    splines_of(ENG_PLAN_LEVEL, 3, end, 6);
    splines_of(ENG_PLAN_LEVEL, 50, beyond, 6);
    assert_memory_equal(end, beyond, sizeof end);
    splines_of(ENG_PLAN_STRAIGHT, 4, beyond, 6);
    splines_of(ENG_PLAN_STRAIGHT, 5, more, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs((more[i] - beyond[i]) - (beyond[i] - end[i])) < 1e-14);
    assert_true(fabs(beyond[5] - (1.0 / 6 + 0.5)) < 1e-14); /* its slope at its end is a half */
    splines_of(ENG_PLAN_PERIODIC, 0.25, y, 3);
    splines_of(ENG_PLAN_PERIODIC, -2.75, more, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(fabs(y[i] - more[i]) < 1e-15);
    assert_true(fabs(sum_of(y, 3) - 1) < 1e-15);
    splines_of(ENG_PLAN_ONWARD, NAN, y, 6);
    assert_true(sum_of(y, 6) == 0);
}

static void knots_that_fall_or_are_too_few_are_refused(void **state)
{
    (void)state;
    static const double falling[] = {0, 1, 3, 2, 4, 5, 6, 7};
    const struct {
        const double *t;
        size_t count, degree;
    } bad[] = {{falling, 8, 3}, {knots, 7, 3}, {knots, 10, ENG_PLAN_SPLINE + 1}, {knots, 0, 0}};
    for (size_t i = 0; i < 4; i++) {
        eng_plan_builder *b = begin();
        uint32_t x = number(b, "a");
        assert_int_equal(
            eng_plan_spline(b, x, bad[i].t, bad[i].count, bad[i].degree, ENG_PLAN_LEVEL),
            ENG_PLAN_NONE);
        assert_int_equal(eng_plan_failed(b, &err), ENG_EMALFORMED);
        eng_plan_builder_free(b);
    }
}

static void several_outputs_have_classes_of_their_own(void **state)
{
    (void)state;
    static const eng_plan_label labels[] = {{ENG_PLAN_LABEL_TEXT, 0, {"a", 1}},
                                            {ENG_PLAN_LABEL_TEXT, 0, {"b", 1}},
                                            {ENG_PLAN_LABEL_INT, 7, {"", 0}},
                                            {ENG_PLAN_LABEL_INT, 8, {"", 0}},
                                            {ENG_PLAN_LABEL_INT, 9, {"", 0}}};
    eng_plan_builder *b = begin();
    uint32_t x = number(b, "a"),
             first = eng_plan_map(b, ENG_PLAN_ABOVE, &x, 1, (double[]){0}, NULL);
    uint32_t second = eng_plan_map(b, ENG_PLAN_ADD, &x, 1, (double[]){2}, NULL), shares[5];
    for (size_t i = 0; i < 5; i++)
        shares[i] = eng_plan_constant(b, (double)i / 10);
    eng_plan_results r = {.task = ENG_PLAN_CLASSIFICATION,
                          .predicted = (uint32_t[]){first, second},
                          .count = 2,
                          .shares = shares,
                          .classes = labels,
                          .class_count = 5,
                          .class_ends = (size_t[]){2, 5}};
    eng_plan *p = NULL;
    double y[2], given[5];
    eng_plan_result(b, &r);
    assert_ok(eng_plan_finish(b, &p, &err), err);
    eng_plan_builder_free(b);
    assert_int_equal(eng_plan_about(p, NULL)->class_ends[0], 2);
    assert_int_equal(eng_plan_about(p, NULL)->class_ends[1], 5);
    predict(p, (double[]){2}, y, given);
    assert_true(y[0] == 1 && y[1] == 4 && given[4] == 0.4);
    predict(p, (double[]){-9}, y, given);
    assert_true(y[0] == 0 && y[1] == 2); /* what is no class of an output is its first */
    eng_plan_free(p);
}

static void ends_of_classes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const eng_plan_label labels[3] = {0};
    static const size_t bad[][2] = {{0, 3}, {2, 2}, {1, 2}, {2, 4}};
    for (size_t i = 0; i < 4; i++) {
        eng_plan_builder *b = begin();
        uint32_t x = number(b, "a");
        uint32_t y = eng_plan_map(b, ENG_PLAN_ABOVE, &x, 1, (double[]){0}, NULL);
        eng_plan_result(b, &(eng_plan_results){.task = ENG_PLAN_CLASSIFICATION,
                                               .predicted = (uint32_t[]){y, y},
                                               .count = 2,
                                               .classes = labels,
                                               .class_count = 3,
                                               .class_ends = bad[i]});
        assert_int_equal(eng_plan_failed(b, &err), ENG_EMALFORMED);
        eng_plan_builder_free(b);
    }
}

static eng_status filled_and_splined(void)
{
    static const double rows[] = {1, 10, 2, NAN};
    const eng_plan_points points = {.points = rows, .values = rows, .count = 2, .k = 1};
    eng_plan_builder *b = NULL;
    eng_plan *p = NULL;
    eng_status status = eng_plan_builder_new(&b, &err);
    if (status < 0)
        return status;
    uint32_t x[2] = {number(b, "a"), number(b, "c")}, y[2];
    y[0] = eng_plan_fill(b, x, 2, &points);
    y[1] = eng_plan_spline(b, y[0], knots, 10, 3, ENG_PLAN_LEVEL);
    eng_plan_result(b,
                    &(eng_plan_results){.task = ENG_PLAN_REGRESSION, .predicted = y, .count = 2});
    status = eng_plan_finish(b, &p, &err);
    eng_plan_free(p);
    eng_plan_builder_free(b);
    return status;
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    eng_status status = ENG_OK;
    assert_survives_no_memory(status, { status = filled_and_splined(); });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_comes_from_the_nearest_rows_that_have_it),
        cmocka_unit_test(neighbours_are_weighed_as_asked),
        cmocka_unit_test(splines_sum_to_one_and_go_on_as_asked),
        cmocka_unit_test(knots_that_fall_or_are_too_few_are_refused),
        cmocka_unit_test(several_outputs_have_classes_of_their_own),
        cmocka_unit_test(ends_of_classes_that_do_not_fit_are_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    if (eng_kern_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
