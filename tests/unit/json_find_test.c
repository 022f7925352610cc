/* Each test names a promise of eng_json_find. */
#include "test.h"
#include "json/json.h"

static eng_str found(const char *text, const char *path)
{
    eng_str raw = {NULL, 0};
    eng_error err;
    assert_ok(eng_json_find(eng_str_of(text), eng_str_of(path), NULL, &raw, &err), err);
    return raw;
}

static void finds_what_rfc_6901_shows(void **state)
{
    (void)state;
    static const char text[] =
        "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
        "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}";
    assert_str_view(found(text, "/foo"), "[\"bar\",\"baz\"]");
    assert_str_view(found(text, "/foo/0"), "\"bar\"");
    assert_str_view(found(text, "/foo/1"), "\"baz\"");
    assert_str_view(found(text, "/"), "0");
    assert_str_view(found(text, "/a~1b"), "1");
    assert_str_view(found(text, "/c%d"), "2");
    assert_str_view(found(text, "/e^f"), "3");
    assert_str_view(found(text, "/g|h"), "4");
    assert_str_view(found(text, "/i\\j"), "5");
    assert_str_view(found(text, "/k\"l"), "6");
    assert_str_view(found(text, "/ "), "7");
    assert_str_view(found(text, "/m~0n"), "8");
}

static void finds_the_whole_text_without_blanks_around_it(void **state)
{
    (void)state;
    assert_str_view(found(" \n{ \"a\" : 1 } ", ""), "{ \"a\" : 1 }");
    assert_str_view(found("7", ""), "7");
}

static void finds_by_whatever_way_a_key_is_escaped(void **state)
{
    (void)state;
    assert_str_view(found("{\"n\\u0061me\":1}", "/name"), "1");
    assert_str_view(found("{\"t\\u00edtulo\":1}", "/t\xC3\xADtulo"), "1");
    assert_str_view(found("{\"\\ud83d\\ude00\":1}", "/\xF0\x9F\x98\x80"), "1");
    assert_str_view(found("{\"a\\/b\":1}", "/a~1b"), "1");
    assert_str_view(found("{\"nam\":0,\"names\":0,\"name\":1}", "/name"), "1");
}

static void follows_a_path_past_what_looks_like_it(void **state)
{
    (void)state;
    static const char text[] =
        "{\"x\":{\"a\":[{\"b\":0}]},\"a\":[{\"b\":1},{\"c\":[],\"b\":{\"b\":[5,[6,7]]}},"
        "{\"b\":9}],\"b\":3}";
    assert_str_view(found(text, "/a/1/b/b/1/0"), "6");
    assert_str_view(found(text, "/a/1/b/b/1"), "[6,7]");
    assert_str_view(found(text, "/a/2/b"), "9");
    assert_str_view(found(text, "/a/1/c"), "[]");
    assert_str_view(found(text, "/x/a/0"), "{\"b\":0}");
    assert_str_view(found(text, "/b"), "3");
    assert_str_view(found("[[0,1],[2,3]]", "/1/0"), "2");
    assert_str_view(found("[0,1,2,3,4,5,6,7,8,9,10,11]", "/11"), "11");
    assert_str_view(found("{\"0\":\"key\"}", "/0"), "\"key\"");
    assert_str_view(found("{\"\":{\"\":[true]}}", "///0"), "true");
}

static void says_where_a_path_leads_nowhere(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/b",   "/a/3", "/a/-", "/a/01", "/a/ 1", "/a/+1",    "/a/1/0",
        "/a/x", "/a/",  "/A",   "/aa",   "/",     "/a/0/x/y", "/a/18446744073709551616",
        "/a/00"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        eng_str raw = {NULL, 7};
        eng_error err;
        eng_status status = eng_json_find(ENG_STR("{\"a\":[1,2,{\"b\":3}]}"), eng_str_of(paths[i]),
                                          NULL, &raw, &err);
        if (status != ENG_ENOTFOUND || raw.len != 7)
            fail_msg("'%s': %s", paths[i], eng_status_name(status));
        char want[128];
        snprintf(want, sizeof want, "the JSON text has no '%s'", paths[i]);
        assert_string_equal(err.message, want);
    }
    assert_int_equal(eng_json_find(ENG_STR("1"), ENG_STR("/a"), NULL, &(eng_str){0}, NULL),
                     ENG_ENOTFOUND);
}

static void a_path_that_is_none_is_refused(void **state)
{
    (void)state;
    eng_error err;
    eng_str raw;
    assert_int_equal(eng_json_find(ENG_STR("{}"), ENG_STR("a"), NULL, &raw, &err), ENG_EUSAGE);
    assert_string_equal(err.message, "the path 'a' does not begin with '/'");
    assert_int_equal(eng_json_find(ENG_STR("{}"), ENG_STR("/a~"), NULL, &raw, &err), ENG_EUSAGE);
    assert_int_equal(eng_json_find(ENG_STR("{}"), ENG_STR("/a~2"), NULL, &raw, &err), ENG_EUSAGE);
}

static void all_of_the_text_is_checked(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"a\":1,}",
                                        "{\"a\":1}x",
                                        "{\"a\":1,\"b\":[01]}",
                                        "{\"b\":tru,\"a\":1}",
                                        "{\"a\":1,\"b\":\"\\ud800\"}",
                                        "{\"a\":1,\"b\":1e999}",
                                        "{\"a\":1,\"b\":\"\xFF\"}",
                                        "{\"a\":1",
                                        "{\"a\":\"x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(
            eng_json_find(eng_str_of(texts[i]), ENG_STR("/a"), NULL, &(eng_str){0}, NULL),
            ENG_EMALFORMED);
}

static void a_key_of_the_path_that_stands_twice_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *path;
        const char *field;
        unsigned column;
    } cases[] = {
        {"{\"a\":1,\"a\":2}", "/a", "a", 8},
        {"{\"a\":{\"b\":1},\"x\":0,\"\\u0061\":2}", "/a/b", "a", 20},
        {"{\"a\":{\"b\":1,\"b\":2}}", "/a/b", "b", 13},
        {"{\"a\":{\"b\":1},\"a\":{}}", "/a/c", "a", 14},
        {"[{\"x/y\":1,\"x\\/y\":1}]", "/0/x~1y", "x/y", 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eng_error err;
        eng_str raw;
        assert_int_equal(
            eng_json_find(eng_str_of(cases[i].text), eng_str_of(cases[i].path), NULL, &raw, &err),
            ENG_EMALFORMED);
        assert_string_equal(err.field, cases[i].field);
        assert_int_equal(err.column, cases[i].column);
    }
    /* Outside of the path it is not looked for. */
    assert_str_view(found("{\"x\":1,\"a\":{\"y\":1,\"y\":2,\"b\":3},\"x\":2}", "/a/b"), "3");
    assert_str_view(found("{\"o\":{\"a\":1,\"a\":2},\"a\":3}", "/a"), "3");
}

/* Every value of a tree is found by its path, and is what the tree says. */
static void agrees_with_the_tree(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,[2,{\"b\":\"x\"}],{}],\"c~d\":{\"e/f\":null,\"\":[[[]]]},\"g\":true}";
    static const char *const paths[] = {"/a",       "/a/0",       "/a/1",  "/a/1/0",     "/a/1/1",
                                        "/a/1/1/b", "/a/2",       "/c~0d", "/c~0d/e~1f", "/c~0d/",
                                        "/c~0d//0", "/c~0d//0/0", "/g"};
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const eng_json *v;
        eng_error err;
        assert_ok(eng_json_read(found(text, paths[i]), NULL, &arena, &v, &err), err);
        eng_buf copy;
        eng_buf_init(&copy, 4096);
        eng_json_writer w = eng_json_write_to(&copy);
        eng_json_copy(&w, v);
        assert_true(eng_str_eq(eng_buf_view(&copy), found(text, paths[i])));
        eng_buf_clear(&copy);
    }
    eng_arena_clear(&arena);
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    uint64_t before = eng_alloc_count().allocations;
    found("{\"a\":[{\"b\":\"\\u00e9\"}]}", "/a/0/b");
    assert_int_equal(eng_alloc_count().allocations, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_rfc_6901_shows),
        cmocka_unit_test(finds_the_whole_text_without_blanks_around_it),
        cmocka_unit_test(finds_by_whatever_way_a_key_is_escaped),
        cmocka_unit_test(follows_a_path_past_what_looks_like_it),
        cmocka_unit_test(says_where_a_path_leads_nowhere),
        cmocka_unit_test(a_path_that_is_none_is_refused),
        cmocka_unit_test(all_of_the_text_is_checked),
        cmocka_unit_test(a_key_of_the_path_that_stands_twice_is_named),
        cmocka_unit_test(agrees_with_the_tree),
        cmocka_unit_test(nothing_is_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
