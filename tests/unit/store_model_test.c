/* Models by name and version: promises of store.h. */
#include "store_help.h"

enum { TABLE = 1, TEXT = 2 };

static uint32_t add_of(eng_store *s, int kind, const char *name)
{
    eng_error err = {0};
    eng_store_model m = {.kind = kind,
                         .name = eng_str_of(name),
                         .format = ENG_STR("xgboost"),
                         .filename = ENG_STR("m.json"),
                         .bytes = 7,
                         .info = ENG_STR("{}")};
    memset(m.hash, name[0], sizeof m.hash);
    assert_ok(eng_store_model_add(s, &m, &err), err);
    assert_true(m.created_ms > 0);
    return m.version;
}

/* The active version of a name, 0: none; *latest: its model was chosen last of its kind. */
static uint32_t active_of(eng_store *s, place *p, int kind, const char *name, bool *latest)
{
    eng_store_model *all;
    eng_error err = {0};
    size_t count;
    uint32_t active = 0;
    int64_t mine = 0, last = 0;
    assert_ok(eng_store_model_all(s, &p->arena, &all, &count, &err), err);
    for (size_t i = 0; i < count; i++) {
        if (all[i].kind != kind)
            continue;
        if (all[i].updated_ms > last)
            last = all[i].updated_ms;
        if (!eng_str_eq(all[i].name, eng_str_of(name)) || !all[i].active)
            continue;
        active = all[i].version;
        mine = all[i].updated_ms;
    }
    *latest = mine == last;
    return active;
}

static uint32_t choose(eng_store *s, const char *name, uint32_t version, eng_status want)
{
    eng_error err = {0};
    uint32_t chosen = 0;
    assert_int_equal(eng_store_model_choose(s, TABLE, eng_str_of(name), version, &chosen, &err),
                     want);
    return chosen;
}

static void the_newest_is_active_until_another_is_chosen(void **state)
{
    place *p = *state;
    bool latest;
    eng_store *s = open_db(p);
    assert_int_equal(add_of(s, TABLE, "a"), 1);
    assert_int_equal(add_of(s, TABLE, "a"), 2);
    assert_int_equal(add_of(s, TABLE, "b"), 1);
    assert_int_equal(add_of(s, TEXT, "a"), 1);
    assert_int_equal(active_of(s, p, TABLE, "a", &latest), 2);
    assert_false(latest);
    assert_int_equal(choose(s, "a", 1, ENG_OK), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(active_of(s, p, TABLE, "a", &latest), 1);
        assert_true(latest);
        assert_int_equal(active_of(s, p, TABLE, "b", &latest), 1);
        assert_false(latest);
        eng_store_close(s);
        s = open_db(p);
    }
    assert_int_equal(add_of(s, TABLE, "a"), 3);
    eng_store_close(s);
}

static void a_rollback_goes_to_what_was_active_before(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    for (int i = 0; i < 3; i++)
        add_of(s, TABLE, "a");
    choose(s, "a", 1, ENG_OK);
    choose(s, "a", 1, ENG_OK); /* which it is already: nothing to go back from */
    assert_int_equal(choose(s, "a", 0, ENG_OK), 3);
    assert_int_equal(choose(s, "a", 0, ENG_OK), 1); /* and back */
    add_of(s, TABLE, "b");
    choose(s, "b", 0, ENG_ECONFLICT);
    choose(s, "b", 2, ENG_ENOTFOUND);
    choose(s, "c", 1, ENG_ENOTFOUND);
    choose(s, "c", 0, ENG_ENOTFOUND);
    eng_store_close(s);
}

static void a_version_comes_back_as_it_was(void **state)
{
    place *p = *state;
    eng_store_model *all;
    eng_error err = {0};
    size_t count;
    eng_store *s = open_db(p);
    add_of(s, TABLE, "a");
    assert_ok(eng_store_model_all(s, &p->arena, &all, &count, &err), err);
    assert_int_equal(count, 1);
    assert_str_view(all[0].name, "a");
    assert_str_view(all[0].format, "xgboost");
    assert_str_view(all[0].filename, "m.json");
    assert_str_view(all[0].info, "{}");
    assert_int_equal(all[0].hash[31], 'a');
    assert_int_equal(all[0].bytes, 7);
    assert_true(all[0].active && !all[0].previous);
    eng_store_close(s);
}

static void feedback_is_kept_in_its_order(void **state)
{
    place *p = *state;
    eng_error err = {0};
    eng_str *products;
    size_t count;
    int64_t last;
    const eng_str some[] = {ENG_STR("{\"title\":\"a\"}"), ENG_STR("{\"title\":\"b\"}"),
                            ENG_STR("{\"title\":\"c\"}")};
    eng_store *s = open_db(p);
    assert_ok(eng_store_feedback_add(s, some, 3, &err), err);
    eng_store_close(s);
    s = open_db(p);
    assert_ok(eng_store_feedback_page(s, 0, 2, &p->arena, &products, &count, &last, &err), err);
    assert_int_equal(count, 2);
    assert_str_view(products[1], "{\"title\":\"b\"}");
    assert_ok(eng_store_feedback_page(s, last, 2, &p->arena, &products, &count, &last, &err), err);
    assert_int_equal(count, 1);
    assert_str_view(products[0], "{\"title\":\"c\"}");
    assert_ok(eng_store_feedback_page(s, last, 2, &p->arena, &products, &count, &last, &err), err);
    assert_int_equal(count, 0);
    eng_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(the_newest_is_active_until_another_is_chosen),
        in_place(a_rollback_goes_to_what_was_active_before),
        in_place(a_version_comes_back_as_it_was),
        in_place(feedback_is_kept_in_its_order),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
