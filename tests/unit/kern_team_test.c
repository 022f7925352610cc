/* Each test names a promise of kern.h on teams, and on choosing a variant. */
#include "kern_help.h"

#include <stdatomic.h>

typedef struct {
    _Atomic unsigned calls;
    unsigned by[64];
    unsigned rounds[64]; /* of meetings, by member */
    bool ahead;          /* somebody went on before all had come */
} work;

static void count(const eng_team_member *me, void *arg)
{
    work *w = arg;
    atomic_fetch_add(&w->calls, 1);
    w->by[me->index]++;
}

static void every_member_runs_once_a_run(void **state)
{
    (void)state;
    eng_error err = {0};
    for (unsigned threads = 1; threads <= 4; threads++) {
        eng_team *t;
        work w = {0};
        assert_ok(eng_team_new(threads, &t, &err), err);
        for (unsigned i = 1; i <= 500; i++) {
            eng_team_run(t, count, &w);
            assert_int_equal(atomic_load(&w.calls), i * threads);
        }
        for (unsigned i = 0; i < threads; i++)
            assert_int_equal(w.by[i], 500);
        eng_team_free(t);
    }
}

static void meet(const eng_team_member *me, void *arg)
{
    work *w = arg;
    for (unsigned round = 1; round <= 200; round++) {
        w->rounds[me->index] = round;
        eng_team_meet(me);
        for (unsigned i = 0; i < me->count; i++)
            if (w->rounds[i] != round)
                w->ahead = true;
        eng_team_meet(me);
    }
}

static void nobody_goes_on_before_all_have_come(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_team *t;
    work w = {0};
    assert_ok(eng_team_new(3, &t, &err), err);
    eng_team_run(t, meet, &w);
    assert_false(w.ahead);
    eng_team_free(t);
}

static void a_team_has_limits_and_survives_no_memory(void **state)
{
    (void)state;
    eng_team *t;
    assert_int_equal(eng_team_new(0, &t, NULL), ENG_EINVALID);
    assert_int_equal(eng_team_new(65, &t, NULL), ENG_EINVALID);
    eng_status status;
    assert_survives_no_memory(status, {
        t = NULL;
        status = eng_team_new(2, &t, NULL);
        eng_team_free(t);
    });
}

static void the_environment_chooses_or_is_refused_by_name(void **state)
{
    (void)state;
    eng_error err = {0};
    setenv("ENGENHO_CPU", "generic", 1);
    assert_ok(eng_kern_init(&err), err);
    assert_string_equal(eng_kern_get()->name, "generic");
    setenv("ENGENHO_CPU", "abacus", 1);
    assert_int_equal(eng_kern_init(&err), ENG_EUSAGE);
    assert_non_null(strstr(err.message, "'abacus'"));
    for (size_t i = 0; eng_kern_at(i); i++) {
        setenv("ENGENHO_CPU", eng_kern_at(i)->name, 1);
        bool can = eng_kern_can_run(eng_kern_at(i));
        assert_int_equal(eng_kern_init(&err), can ? ENG_OK : ENG_EUNSUPPORTED);
        assert_true(!can || eng_kern_get() == eng_kern_at(i));
    }
    unsetenv("ENGENHO_CPU");
    assert_ok(eng_kern_init(&err), err);
    assert_true(eng_kern_can_run(eng_kern_get()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_runs_once_a_run),
        cmocka_unit_test(nobody_goes_on_before_all_have_come),
        cmocka_unit_test(a_team_has_limits_and_survives_no_memory),
        cmocka_unit_test(the_environment_chooses_or_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
