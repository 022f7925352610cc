/* Each test names a promise of json.h about reading a tree. */
#include "test.h"
#include "json/json.h"

#include <time.h>

static eng_arena arena;

static int set_up(void **state)
{
    (void)state;
    eng_arena_init(&arena, 4096, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eng_arena_clear(&arena);
    return 0;
}

static const eng_json *read_text(eng_str text)
{
    const eng_json *root = NULL;
    eng_error err;
    assert_ok(eng_json_read(text, NULL, &arena, &root, &err), err);
    return root;
}

/* ---- Values ---- */

static void reads_every_kind_of_value(void **state)
{
    (void)state;
    const eng_json *v = read_text(ENG_STR("{\"null\":null,\"yes\":true,\"no\":false,\"int\":-7,"
                                          "\"double\":0.5,\"text\":\"abc\",\"list\":[1,2]}"));
    assert_int_equal(v->type, ENG_JSON_OBJECT);
    assert_int_equal(eng_json_count(v), 7);
    assert_true(eng_json_is(eng_json_get(v, ENG_STR("null")), ENG_JSON_NULL));
    assert_true(eng_json_get(v, ENG_STR("yes"))->as.boolean);
    assert_false(eng_json_get(v, ENG_STR("no"))->as.boolean);
    assert_int_equal(eng_json_get(v, ENG_STR("int"))->as.integer, -7);
    assert_true(eng_json_get(v, ENG_STR("double"))->as.number == 0.5);
    assert_str_view(eng_json_text(eng_json_get(v, ENG_STR("text"))), "abc");
    assert_int_equal(eng_json_at(eng_json_get(v, ENG_STR("list")), 1)->as.integer, 2);
    assert_str_view(eng_json_key(v, 3), "int");
    assert_int_equal(eng_json_value(v, 3)->as.integer, -7);
}

static void lookups_chain_through_what_is_not_there(void **state)
{
    (void)state;
    const eng_json *v = read_text(ENG_STR("{\"a\":[{\"b\":1}],\"e\":{},\"f\":[]}"));
    assert_int_equal(
        eng_json_get(eng_json_at(eng_json_get(v, ENG_STR("a")), 0), ENG_STR("b"))->as.integer, 1);
    assert_null(eng_json_get(eng_json_at(eng_json_get(v, ENG_STR("x")), 0), ENG_STR("b")));
    assert_null(eng_json_at(eng_json_get(v, ENG_STR("a")), 1));
    assert_null(eng_json_at(eng_json_get(v, ENG_STR("f")), 0));
    assert_null(eng_json_at(v, 0));
    assert_null(eng_json_get(eng_json_get(v, ENG_STR("e")), ENG_STR("")));
    assert_null(eng_json_get(NULL, ENG_STR("a")));
    assert_null(eng_json_value(v, 3));
    assert_null(eng_json_value(NULL, 0));
    assert_int_equal(eng_json_key(v, 3).len, 0);
    assert_int_equal(eng_json_count(NULL), 0);
    assert_int_equal(eng_json_text(v).len, 0);
    double number;
    assert_false(eng_json_number(NULL, &number));
    assert_false(eng_json_number(v, &number));
}

static void integers_stay_integers_where_they_fit(void **state)
{
    (void)state;
    const eng_json *v = read_text(
        ENG_STR("[9223372036854775807,-9223372036854775808,9223372036854775808,1.0,-0,1e2,0]"));
    static const eng_json_type types[] = {ENG_JSON_INT,    ENG_JSON_INT,    ENG_JSON_DOUBLE,
                                          ENG_JSON_DOUBLE, ENG_JSON_DOUBLE, ENG_JSON_DOUBLE,
                                          ENG_JSON_INT};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_int_equal(eng_json_at(v, i)->type, types[i]);
    assert_true(eng_json_at(v, 0)->as.integer == INT64_MAX);
    assert_true(eng_json_at(v, 1)->as.integer == INT64_MIN);
    double number;
    assert_true(eng_json_number(eng_json_at(v, 2), &number));
    assert_true(number == 9223372036854775808.0);
    assert_true(eng_json_number(eng_json_at(v, 6), &number));
    assert_true(number == 0);
}

static void strings_keep_nuls_and_end_with_one(void **state)
{
    (void)state;
    const eng_json *v = read_text(ENG_STR("[\"a\\u0000b\",\"\",\"0123456789abcdef\"]"));
    assert_str_view(eng_json_text(eng_json_at(v, 0)), "a\0b");
    assert_int_equal(eng_json_at(v, 0)->as.text[3], '\0');
    assert_int_equal(eng_json_at(v, 1)->as.text[0], '\0');
    assert_int_equal(eng_json_at(v, 2)->as.text[16], '\0');
}

static void the_tree_borrows_nothing_from_the_text(void **state)
{
    (void)state;
    char text[] = "{\"key\":[\"value\",\"\\u00e9\"]}";
    const eng_json *v = read_text(eng_str_of(text));
    memset(text, 'x', sizeof text);
    const eng_json *list = eng_json_get(v, ENG_STR("key"));
    assert_str_view(eng_json_text(eng_json_at(list, 0)), "value");
    assert_str_view(eng_json_text(eng_json_at(list, 1)), "\xC3\xA9");
}

/* Lengths around those at which strings get memory of their own. */
static void strings_of_every_length_come_through(void **state)
{
    (void)state;
    enum { MOST = 20000 };
    static char text[MOST + 64];
    for (size_t len = 0; len <= MOST; len = len < 70 ? len + 1 : len * 5 / 4) {
        char *p = text;
        p += sprintf(p, "[\"");
        for (size_t i = 0; i < len; i++)
            *p++ = (char)('a' + i % 26);
        p += sprintf(p, "\",\"next\"]");
        const eng_json *v = read_text((eng_str){text, (size_t)(p - text)});
        eng_str got = eng_json_text(eng_json_at(v, 0));
        assert_int_equal(got.len, len);
        assert_memory_equal(got.ptr, text + 2, len);
        assert_str_view(eng_json_text(eng_json_at(v, 1)), "next");
        eng_arena_reset(&arena);
    }
}

static void names_values_for_messages(void **state)
{
    (void)state;
    const eng_json *v = read_text(ENG_STR("[null,true,1,1.5,\"\",[],{}]"));
    static const char *const names[] = {"null",     "a boolean", "an integer", "a number",
                                        "a string", "an array",  "an object"};
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(eng_json_type_name(eng_json_at(v, i)), names[i]);
    assert_string_equal(eng_json_type_name(NULL), "nothing");
}

/* ---- Errors ---- */

static void errors_say_line_column_and_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
        size_t position;
    } cases[] = {
        {"", "line 1, column 1: expected a value", 0},
        {"{\n \"title\":}", "line 2, column 10: expected a value", 11},
        {"[1,\n 2,\n\n  x]", "line 4, column 3: expected a value", 11},
        {"[1,]", "line 1, column 4: expected a value", 3},
        {"[\r\n1,\r\n,", "line 3, column 1: expected a value", 7},
        {"[\"\xC3\xA9\xC3\xA9\",x]", "line 1, column 7: expected a value", 8},
        {"[\"\xF0\x9F\x98\x80\" 1]", "line 1, column 6: expected ',' or ']'", 8},
        {"{\"a\":1 \"b\"}", "line 1, column 8: expected ',' or '}'", 7},
        {"[1", "line 1, column 3: expected ',' or ']'", 2},
        {"{\"a\":1,}", "line 1, column 8: expected a key in quotes", 7},
        {"{a:1}", "line 1, column 2: expected a key in quotes", 1},
        {"{\"a\" 1}", "line 1, column 6: expected ':'", 5},
        {"1 2", "line 1, column 3: unexpected text behind the value", 2},
        {"\"abc", "line 1, column 5: the string has no end", 4},
        {"\"abc\\", "line 1, column 6: the string has no end", 5},
        {"\"a\tb\"", "line 1, column 3: a control character must be escaped", 2},
        {"\"a\\xb\"", "line 1, column 3: no such escape", 2},
        {"\"\\u12g4\"", "line 1, column 4: expected four hexadecimal digits", 3},
        {"\"ab\\ud800\"", "line 1, column 4: half of a surrogate pair", 3},
        {"[\"a\xFF\"]", "line 1, column 4: not UTF-8", 3},
        {"[1,\xFF]", "line 1, column 4: not UTF-8", 3},
        {"1\xFF", "line 1, column 2: not UTF-8", 1},
        {"[x,\xFF]", "line 1, column 2: expected a value", 1},
        {"[01]", "line 1, column 2: a number cannot begin with 0", 1},
        {"[-]", "line 1, column 3: expected a digit", 2},
        {"[1.]", "line 1, column 4: expected a digit", 3},
        {"[1e+]", "line 1, column 5: expected a digit", 4},
        {"[0, 1e999]", "line 1, column 5: the number is beyond a double's range", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const eng_json *root = NULL;
        eng_error err;
        eng_str text = eng_str_of(cases[i].text);
        assert_int_equal(eng_json_read(text, NULL, &arena, &root, &err), ENG_EMALFORMED);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.position, cases[i].position);
        char where[64];
        snprintf(where, sizeof where, "line %u, column %u: ", err.line, err.column);
        assert_memory_equal(where, err.message, strlen(where));
        assert_null(root);
        assert_int_equal(eng_json_read(text, NULL, &arena, &root, NULL), ENG_EMALFORMED);
        /* A walk says the same. */
        assert_int_equal(eng_json_find(text, ENG_STR("/x"), NULL, &(eng_str){0}, &err),
                         ENG_EMALFORMED);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void a_key_that_stands_twice_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *field;
        const char *message;
    } cases[] = {
        {"{\"name\":1,\"other\":2,    \"name\":3}", "name",
         "line 1, column 25: the key 'name' stands twice"},
        {"{\"name\":1,\n \"n\\u0061me\":2}", "name",
         "line 2, column 2: the key 'name' stands twice"},
        {"[{},{\"x\":{\"a\":[1,{\"b\":\",{\"}],\"c\":\"}\",\"a\":2}}]", "a",
         "line 1, column 38: the key 'a' stands twice"},
        {"{\"\":1,\"\":2}", "", "line 1, column 7: the key '' stands twice"},
        {"{\"a\\u0000b\":1,\"a\\u0000b\":2}", "a?b",
         "line 1, column 15: the key 'a?b' stands twice"},
        {"{\"a\\nb\":1,\"a\\nb\":2}", "a?b", "line 1, column 11: the key 'a?b' stands twice"},
        {"{\"t\xC3\xADtulo\":1,\"t\\u00edtulo\":2}", "t\xC3\xADtulo",
         "line 1, column 13: the key 't\xC3\xADtulo' stands twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const eng_json *root;
        eng_error err;
        assert_int_equal(eng_json_read(eng_str_of(cases[i].text), NULL, &arena, &root, &err),
                         ENG_EMALFORMED);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.field, cases[i].field);
        assert_int_equal(cases[i].text[err.position], '"');
    }
}

static void a_long_key_is_cut_in_the_message(void **state)
{
    (void)state;
    char text[1024], key[256];
    for (size_t i = 0; i < 100; i++)
        memcpy(key + 2 * i, "\xC3\xA9", 2);
    key[200] = '\0';
    snprintf(text, sizeof text, "{\"%s\":1,\"%s\":2}", key, key);
    const eng_json *root;
    eng_error err;
    assert_int_equal(eng_json_read(eng_str_of(text), NULL, &arena, &root, &err), ENG_EMALFORMED);
    assert_int_equal(strlen(err.field), 62); /* 31 characters: not half of one more */
    assert_int_equal(err.column, 107);
}

/* {"k0":0,"k1":1, ...} and, if told so, the last key once more at the end. */
static eng_str wide_object(size_t keys, bool twice, eng_buf *out)
{
    eng_buf_reset(out);
    for (size_t i = 0; i < keys; i++)
        eng_buf_format(out, "%s\"k%zu\":%zu", i ? "," : "{", i, i);
    if (twice)
        eng_buf_format(out, ",\"k%zu\":0", keys / 2);
    eng_buf_str(out, ENG_STR("}"));
    return eng_buf_view(out);
}

static void repeated_keys_are_found_in_objects_of_any_size(void **state)
{
    (void)state;
    eng_buf text;
    eng_buf_init(&text, 64 << 20);
    for (size_t keys = 1; keys < 3000; keys = keys * 3 / 2 + 1) {
        const eng_json *root;
        eng_error err;
        assert_int_equal(eng_json_count(read_text(wide_object(keys, false, &text))), keys);
        assert_int_equal(eng_json_read(wide_object(keys, true, &text), NULL, &arena, &root, &err),
                         ENG_EMALFORMED);
        char name[32];
        snprintf(name, sizeof name, "k%zu", keys / 2);
        assert_string_equal(err.field, name);
        eng_arena_reset(&arena);
    }
    eng_buf_clear(&text);
}

/* Keys of all lengths, which differ in one byte only, first or last. */
static void keys_that_differ_in_one_byte_are_different(void **state)
{
    (void)state;
    char text[512];
    for (int len = 1; len <= 70; len++) {
        snprintf(text, sizeof text, "{\"%0*d\":1,\"%0*d\":2,\"1%.*s\":3}", len, 0, len, 1, len - 1,
                 "00000000000000000000000000000000000000000000000000000000000000000000000");
        const eng_json *root;
        eng_error err;
        eng_status status = eng_json_read(eng_str_of(text), NULL, &arena, &root, &err);
        assert_int_equal(status,
                         len == 1 ? ENG_EMALFORMED : ENG_OK); /* at 1 the second is the third */
    }
}

/* Of this thread: what others do meanwhile does not count. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void many_keys_take_time_in_proportion(void **state)
{
    (void)state;
    eng_buf text;
    eng_buf_init(&text, 64 << 20);
    uint64_t took[2];
    for (int round = 0; round < 2; round++) {
        eng_str object = wide_object(round ? 100000 : 10000, false, &text);
        took[round] = UINT64_MAX;
        for (int i = 0; i < 3; i++) {
            uint64_t start = cpu_ns();
            read_text(object);
            uint64_t ns = cpu_ns() - start;
            took[round] = ns < took[round] ? ns : took[round];
            eng_arena_reset(&arena);
        }
    }
    /* Ten times the keys: quadratic would be a hundred times. */
    assert_true(took[1] < 70 * took[0]);
    eng_buf_clear(&text);
}

/* ---- Limits ---- */

static eng_status read_nested(size_t depth, bool closed, const eng_json_limits *limits,
                              eng_error *err)
{
    char *text = eng_alloc(2 * depth);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    const eng_json *root;
    eng_status status = eng_json_read((eng_str){text, closed ? 2 * depth : depth}, limits, &arena,
                                      &root, err);
    eng_str raw;
    eng_status walked = eng_json_find((eng_str){text, closed ? 2 * depth : depth}, ENG_STR("/0/0"),
                                      limits, &raw, NULL);
    if (status == ENG_OK && depth > 2) {
        assert_int_equal(walked, ENG_OK);
        assert_int_equal(raw.len, 2 * (depth - 2));
    } else {
        assert_int_equal(walked, status ? status : ENG_ENOTFOUND);
    }
    eng_free(text);
    return status;
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    eng_error err;
    assert_ok(read_nested(128, true, NULL, &err), err);
    assert_int_equal(read_nested(129, true, NULL, &err), ENG_EMALFORMED);
    assert_string_equal(err.message, "line 1, column 129: nested deeper than 128 levels");
    assert_int_equal(read_nested(100000, false, NULL, &err), ENG_EMALFORMED);
    assert_int_equal(err.position, 128);

    eng_json_limits limits = {.depth = 2};
    assert_ok(read_nested(2, true, &limits, &err), err);
    assert_int_equal(read_nested(3, true, &limits, &err), ENG_EMALFORMED);
    limits.depth = SIZE_MAX;
    assert_ok(read_nested(ENG_JSON_DEPTH_MAX, true, &limits, &err), err);
    assert_int_equal(read_nested(ENG_JSON_DEPTH_MAX + 1, true, &limits, &err), ENG_EMALFORMED);
}

static void size_has_a_limit(void **state)
{
    (void)state;
    eng_json_limits limits = {.size = 4};
    const eng_json *root;
    eng_error err;
    assert_ok(eng_json_read(ENG_STR("[10]"), &limits, &arena, &root, &err), err);
    assert_int_equal(eng_json_read(ENG_STR("[100]"), &limits, &arena, &root, &err), ENG_ETOOBIG);
    assert_string_equal(err.message, "the JSON text is larger than 4 bytes");
    assert_int_equal(eng_json_find(ENG_STR("[100]"), ENG_STR(""), &limits, &(eng_str){0}, &err),
                     ENG_ETOOBIG);
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_buf text;
    eng_buf_init(&text, 1 << 20);
    eng_buf_str(&text, ENG_STR("[\"a long one "));
    for (int i = 0; i < 300; i++)
        eng_buf_str(&text, ENG_STR("0123456789abcdef0123456789abcdef"));
    eng_buf_str(&text, ENG_STR("\""));
    for (int i = 0; i < 500; i++)
        eng_buf_format(&text, ",{\"key\":[%d,\"\\u00e9 text\"]}", i);
    for (int i = 0; i < 100; i++)
        eng_buf_format(&text, "%s\"k%d\":0", i ? "," : ",{", i);
    eng_buf_str(&text, ENG_STR("}]"));

    eng_status status;
    assert_survives_no_memory(status, {
        eng_arena small;
        eng_arena_init(&small, 1024, NULL);
        const eng_json *root = NULL;
        eng_error err = {.status = ENG_OK};
        status = eng_json_read(eng_buf_view(&text), NULL, &small, &root, &err);
        assert_int_equal(err.status, status);
        assert_int_equal(root != NULL, status == ENG_OK);
        eng_arena_clear(&small);
    });
    eng_buf_clear(&text);
}

static void a_small_text_takes_nothing_but_the_arena(void **state)
{
    (void)state;
    read_text(
        ENG_STR("[0]")); /* the arena's first chunk, and what the first use of a hash sets up */
    uint64_t before = eng_alloc_count().allocations;
    read_text(ENG_STR("{\"question\":\"Where?\",\"title_rag\":\"Guide\",\"top_k\":5,\"filter\":{"
                      "\"a\":[1,2,3]}}"));
    assert_int_equal(eng_alloc_count().allocations, before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_every_kind_of_value),
        TEST(lookups_chain_through_what_is_not_there),
        TEST(integers_stay_integers_where_they_fit),
        TEST(strings_keep_nuls_and_end_with_one),
        TEST(the_tree_borrows_nothing_from_the_text),
        TEST(strings_of_every_length_come_through),
        TEST(names_values_for_messages),
        TEST(errors_say_line_column_and_byte),
        TEST(a_key_that_stands_twice_is_named),
        TEST(a_long_key_is_cut_in_the_message),
        TEST(repeated_keys_are_found_in_objects_of_any_size),
        TEST(keys_that_differ_in_one_byte_are_different),
        TEST(many_keys_take_time_in_proportion),
        TEST(nesting_has_a_limit),
        TEST(size_has_a_limit),
        TEST(no_memory_is_an_ordinary_error),
        TEST(a_small_text_takes_nothing_but_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
