/* Each test names a promise of learn/tune.h. */
#include "base/random.h"
#include "learn/tune.h"
#include "test.h"

#include <math.h>

enum { QUESTIONS = 120, KNOBS = 4 };

/* What a choice is worth: how near each knob is to its best value, and the question's own ups and downs. */
typedef struct {
    uint8_t best[KNOBS];
    double slope; /* 0: all choices are worth the same */
    double noise; /* of each pair of choice and question */
    size_t asked;
    size_t fail_at; /* 0: never */
    uint8_t seen[4096][QUESTIONS];
} objective;

static size_t number_of(const eng_choice *c)
{
    size_t n = 0;
    for (size_t k = KNOBS; k-- > 0;)
        n = n * 6 + c->value[k];
    return n;
}

static double dice(uint64_t a, uint64_t b)
{
    uint64_t seed = a * 1000003 + b;
    return (double)(eng_draw(&seed) >> 11) / 9007199254740992.0 - 0.5;
}

static eng_status worth(void *ctx, const eng_choice *choice, size_t question, double *out,
                        eng_error *err)
{
    objective *o = ctx;
    size_t n = number_of(choice);
    assert_true(question < QUESTIONS);
    assert_int_equal(o->seen[n][question]++, 0);
    if (++o->asked == o->fail_at)
        return eng_fail(err, ENG_EUPSTREAM, "no answer");
    double w = 0.5 + 0.4 * dice(question, 7) + o->noise * dice(n, question);
    for (size_t k = 0; k < KNOBS; k++) {
        double away = fabs((double)choice->value[k] - (double)o->best[k]);
        w -= o->slope * away;
    }
    *out = w < 0 ? 0 : w > 1 ? 1 : w;
    return ENG_OK;
}

static eng_tuning_problem problem_of(objective *o)
{
    return (eng_tuning_problem){.knobs = KNOBS,
                                .values = {4, 6, 5, 6},
                                .questions = QUESTIONS,
                                .worth = worth,
                                .ctx = o,
                                .seed = 3};
}

static objective *new_objective(double slope, double noise)
{
    objective *o = eng_zalloc(sizeof *o);
    assert_non_null(o);
    *o = (objective){.best = {2, 3, 1, 4}, .slope = slope, .noise = noise};
    return o;
}

static void what_is_better_is_found_with_few_questions(void **state)
{
    (void)state;
    eng_arena arena;
    eng_error err = {0};
    eng_tuning_found found;
    objective *o = new_objective(0.04, 0.1);
    eng_tuning_problem p = problem_of(o);
    eng_arena_init(&arena, 1 << 16, NULL);
    assert_ok(eng_tune_search(&p, &arena, &found, &err), err);
    assert_true(found.validated && found.better);
    for (size_t k = 0; k < KNOBS; k++)
        assert_int_equal(found.best.value[k], o->best[k]);
    assert_true(found.low > 0 && found.low <= found.gain && found.gain <= found.high);
    assert_true(fabs(found.gain - (found.found - found.standing)) < 1e-9);
    assert_int_equal(found.asked, o->asked);
    assert_int_equal(found.all, 4 * 6 * 5 * 6 * QUESTIONS);
    assert_true(found.asked < found.all / 4);
    /* What stands was met too, and is the first of those that met all questions. */
    assert_true(found.tried_count > 1);
    for (size_t k = 0; k < ENG_KNOBS; k++)
        assert_int_equal(found.tried[0].choice.value[k], 0);
    eng_arena_clear(&arena);
    eng_free(o);
}

static void noise_is_no_gain(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        eng_arena arena;
        eng_error err = {0};
        eng_tuning_found found;
        objective *o = new_objective(0, 0.5);
        eng_tuning_problem p = problem_of(o);
        p.seed = seed;
        eng_arena_init(&arena, 1 << 16, NULL);
        assert_ok(eng_tune_search(&p, &arena, &found, &err), err);
        assert_true(found.validated);
        assert_false(found.better);
        eng_arena_clear(&arena);
        eng_free(o);
    }
}

static void what_stands_stays_where_nothing_is_better(void **state)
{
    (void)state;
    eng_arena arena;
    eng_error err = {0};
    eng_tuning_found found;
    objective *o = new_objective(0.05, 0);
    eng_tuning_problem p = problem_of(o);
    memset(o->best, 0, sizeof o->best);
    eng_arena_init(&arena, 1 << 16, NULL);
    assert_ok(eng_tune_search(&p, &arena, &found, &err), err);
    assert_int_equal(number_of(&found.best), 0);
    assert_false(found.better);
    assert_true(found.gain >= 0 && found.gain < 1e-9);
    eng_arena_clear(&arena);
    eng_free(o);
}

static void few_questions_decide_nothing(void **state)
{
    (void)state;
    eng_arena arena;
    eng_error err = {0};
    eng_tuning_found found;
    objective *o = new_objective(0.04, 0.1);
    eng_tuning_problem p = problem_of(o);
    p.questions = ENG_TUNE_LEAST - 1;
    eng_arena_init(&arena, 1 << 16, NULL);
    assert_ok(eng_tune_search(&p, &arena, &found, &err), err);
    assert_false(found.validated || found.better);
    assert_true(found.tried_count > 1);
    eng_arena_clear(&arena);
    eng_free(o);
}

static void what_the_question_failed_with_is_the_error(void **state)
{
    (void)state;
    eng_arena arena;
    eng_error err = {0};
    eng_tuning_found found;
    objective *o = new_objective(0.04, 0.1);
    eng_tuning_problem p = problem_of(o);
    o->fail_at = 100;
    eng_arena_init(&arena, 1 << 16, NULL);
    assert_int_equal(eng_tune_search(&p, &arena, &found, &err), ENG_EUPSTREAM);
    assert_string_equal(err.message, "no answer");
    assert_int_equal(o->asked, 100);
    eng_arena_clear(&arena);
    eng_free(o);
}

static void it_survives_no_memory(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_status status;
    objective *o = new_objective(0.04, 0.1);
    eng_tuning_problem p = problem_of(o);
    p.questions = 20;
    p.drawn = 4;
    assert_survives_no_memory(status, {
        eng_arena arena;
        eng_tuning_found found;
        memset(o->seen, 0, sizeof o->seen);
        eng_arena_init(&arena, 1 << 16, NULL);
        status = eng_tune_search(&p, &arena, &found, &err);
        eng_arena_clear(&arena);
    });
    eng_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_better_is_found_with_few_questions),
        cmocka_unit_test(noise_is_no_gain),
        cmocka_unit_test(what_stands_stays_where_nothing_is_better),
        cmocka_unit_test(few_questions_decide_nothing),
        cmocka_unit_test(what_the_question_failed_with_is_the_error),
        cmocka_unit_test(it_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
