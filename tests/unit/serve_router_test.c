/* Each test names a promise of serve/parts.h about finding routes. */
#include "serve/parts.h"
#include "test.h"

static eng_status handle(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)req;
    (void)out;
    (void)err;
    return ENG_OK;
}

static const eng_field query[] = {
    {"limit", ENG_INT, .min = 1, .max = 10, .preset = "5"},
    {"kind", ENG_TEXT, .doc = "What kind."},
    {0},
};

#define ROW(m, p)                                                                                  \
    {                                                                                              \
        m, p, ENG_ROLE_READ, NULL, NULL, handle, "A route.", .query = query                        \
    }

static const eng_route first[] = {
    ROW(ENG_GET, "/"),
    ROW(ENG_GET, "/things"),
    ROW(ENG_POST, "/things"),
    ROW(ENG_GET, "/things/{id}"),
    ROW(ENG_GET, "/things/latest"),
    ROW(ENG_DELETE, "/things/{id}/parts/{part}"),
    ROW(ENG_GET, "/things/latest/news"),
    {0},
};
static const eng_route second[] = {
    {ENG_GET, "/open", ENG_ROLE_NONE, NULL, NULL, handle, "Open.", .status = 200},
    {0},
};
static const eng_route *const tables[] = {first, second, NULL};

typedef struct {
    eng_router *router;
    eng_arena arena;
} fixture;

static int setup(void **state)
{
    static fixture f;
    eng_arena_init(&f.arena, 1024, NULL);
    *state = &f;
    return eng_router_new(tables, &f.router, NULL);
}

static int teardown(void **state)
{
    fixture *f = *state;
    eng_router_free(f->router);
    eng_arena_clear(&f->arena);
    return 0;
}

static eng_match find(void **state, eng_method method, const char *path)
{
    fixture *f = *state;
    eng_match match;
    eng_error err;
    assert_ok(eng_router_find(f->router, method, eng_str_of(path), &f->arena, &match, &err), err);
    return match;
}

static void assert_route(void **state, eng_method method, const char *path, const char *route)
{
    eng_match match = find(state, method, path);
    if (!match.entry)
        fail_msg("no route for '%s'", path);
    assert_string_equal(match.entry->route->path, route);
    assert_int_equal(match.entry->route->method, method);
}

static void finds_by_method_and_path(void **state)
{
    assert_route(state, ENG_GET, "/", "/");
    assert_route(state, ENG_GET, "/things", "/things");
    assert_route(state, ENG_POST, "/things", "/things");
    assert_route(state, ENG_GET, "/open", "/open");
}

static void one_slash_at_the_end_is_ignored(void **state)
{
    assert_route(state, ENG_GET, "/things/", "/things");
    assert_route(state, ENG_GET, "/things/7/", "/things/{id}");
    assert_null(find(state, ENG_GET, "/things//").entry);
}

static void a_literal_goes_before_a_parameter_which_is_tried_next(void **state)
{
    assert_route(state, ENG_GET, "/things/latest", "/things/latest");
    assert_route(state, ENG_GET, "/things/lates", "/things/{id}");
    assert_route(state, ENG_DELETE, "/things/latest/parts/1", "/things/{id}/parts/{part}");
}

static void parameters_are_decoded_one_by_one(void **state)
{
    eng_match match = find(state, ENG_DELETE, "/things/a%2Fb/parts/caf%C3%A9");
    assert_non_null(match.entry);
    assert_str_view(match.params[0], "a/b");
    assert_str_view(match.params[1], "caf\xc3\xa9");
}

static void literals_are_decoded_too(void **state)
{
    assert_route(state, ENG_GET, "/%74hings", "/things");
}

static void dots_and_empty_segments_are_part_of_no_path(void **state)
{
    static const char *const paths[] = {"//things",
                                        "/./things",
                                        "/things/..",
                                        "/things/%2e%2e",
                                        "/things/.",
                                        "/things/%2E",
                                        "//",
                                        "",
                                        "things",
                                        "*",
                                        "/things/..;/",
                                        "/Things",
                                        "/thing",
                                        "/thingsx",
                                        "/things/1/parts",
                                        "/a/../things",
                                        "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        eng_match match = find(state, ENG_GET, paths[i]);
        bool is_name = strcmp(paths[i], "/things/..;/") == 0; /* a name like any other */
        if (!is_name && match.methods)
            fail_msg("'%s' leads somewhere", paths[i]);
    }
}

static void what_is_malformed_is_said_to_be_so(void **state)
{
    fixture *f = *state;
    static const char *const paths[] = {"/things/%",     "/things/%4",  "/things/%zz",
                                        "/things/a%00b", "/things/%ff", "/no/such/%zz",
                                        "/things/\xff",  "/%"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        eng_match match;
        eng_error err;
        assert_int_equal(
            eng_router_find(f->router, ENG_GET, eng_str_of(paths[i]), &f->arena, &match, &err),
            ENG_EMALFORMED);
    }
}

static void a_path_without_the_method_says_which_it_has(void **state)
{
    eng_match match = find(state, ENG_PUT, "/things");
    assert_null(match.entry);
    assert_int_equal(match.methods, 1u << ENG_GET | 1u << ENG_POST);
    assert_false(match.open);
    assert_true(find(state, ENG_METHODS, "/open").open);
    assert_int_equal(find(state, ENG_GET, "/nothing").methods, 0);
}

static void head_is_get_and_unknown_methods_are_none(void **state)
{
    (void)state;
    assert_int_equal(eng_method_of(ENG_STR("HEAD")), ENG_GET);
    assert_int_equal(eng_method_of(ENG_STR("DELETE")), ENG_DELETE);
    assert_int_equal(eng_method_of(ENG_STR("get")), ENG_METHODS);
    assert_int_equal(eng_method_of(ENG_STR("BREW")), ENG_METHODS);
}

static void presets_lie_beside_their_fields(void **state)
{
    const eng_entry *e = find(state, ENG_GET, "/things").entry;
    assert_int_equal(e->fields, 0);
    assert_int_equal(e->queries, 2);
    assert_int_equal(e->presets[0]->as.integer, 5);
    assert_null(e->presets[1]);
}

static void survives_without_memory(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_router *r = NULL;
        status = eng_router_new(tables, &r, NULL);
        eng_router_free(r);
    });
    fixture *f = *state;
    assert_survives_no_memory(status, {
        eng_match match;
        eng_arena arena;
        eng_arena_init(&arena, 64, NULL);
        status = eng_router_find(f->router, ENG_GET, ENG_STR("/things/%C3%A9"), &arena, &match,
                                 NULL);
        eng_arena_clear(&arena);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_by_method_and_path, setup, teardown),
        cmocka_unit_test_setup_teardown(one_slash_at_the_end_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(a_literal_goes_before_a_parameter_which_is_tried_next,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_are_decoded_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(literals_are_decoded_too, setup, teardown),
        cmocka_unit_test_setup_teardown(dots_and_empty_segments_are_part_of_no_path, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_malformed_is_said_to_be_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_path_without_the_method_says_which_it_has, setup,
                                        teardown),
        cmocka_unit_test(head_is_get_and_unknown_methods_are_none),
        cmocka_unit_test_setup_teardown(presets_lie_beside_their_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
