/* Each test names a promise of json.h about writing. */
#include "test.h"
#include "json/json.h"

#include <math.h>

static eng_buf out;

static int set_up(void **state)
{
    (void)state;
    eng_buf_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eng_buf_clear(&out);
    return 0;
}

static void commas_and_colons_are_the_writers_business(void **state)
{
    (void)state;
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '{');
    eng_json_name(&w, ENG_STR("rows"));
    eng_json_int(&w, 3);
    eng_json_member(&w, "title", ENG_STR("Guia"));
    eng_json_name(&w, ENG_STR("list"));
    eng_json_open(&w, '[');
    eng_json_null(&w);
    eng_json_bool(&w, true);
    eng_json_bool(&w, false);
    eng_json_open(&w, '{');
    eng_json_close(&w, '}');
    eng_json_open(&w, '[');
    eng_json_close(&w, ']');
    eng_json_raw(&w, ENG_STR("{\"raw\":1}"));
    eng_json_close(&w, ']');
    eng_json_name(&w, ENG_STR("last"));
    eng_json_double(&w, 0.5);
    eng_json_close(&w, '}');
    assert_str_view(eng_buf_view(&out),
                    "{\"rows\":3,\"title\":\"Guia\",\"list\":[null,true,false,{},[],"
                    "{\"raw\":1}],\"last\":0.5}");
}

static void sixty_four_levels_of_either_kind_nest(void **state)
{
    (void)state;
    eng_json_writer w = eng_json_write_to(&out);
    for (int i = 0; i < 32; i++) {
        eng_json_open(&w, '[');
        eng_json_int(&w, i);
        eng_json_open(&w, '{');
        eng_json_name(&w, ENG_STR("k"));
    }
    eng_json_null(&w);
    for (int i = 0; i < 32; i++) {
        eng_json_close(&w, '}');
        eng_json_close(&w, ']');
    }
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    const eng_json *v;
    eng_error err;
    assert_ok(eng_json_read(eng_buf_view(&out), NULL, &arena, &v, &err), err);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(eng_json_at(v, 0)->as.integer, i);
        v = eng_json_get(eng_json_at(v, 1), ENG_STR("k"));
    }
    assert_true(eng_json_is(v, ENG_JSON_NULL));
    eng_arena_clear(&arena);
}

static void check_string(eng_str text, const char *want)
{
    eng_buf_reset(&out);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_string(&w, text);
    assert_string_equal(out.data, want);
}

static void strings_are_escaped_where_they_must_be(void **state)
{
    (void)state;
    check_string(ENG_STR(""), "\"\"");
    check_string((eng_str){NULL, 0}, "\"\"");
    check_string(ENG_STR("plain"), "\"plain\"");
    check_string(ENG_STR("\"\\/"), "\"\\\"\\\\/\"");
    check_string(ENG_STR("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    check_string(ENG_STR("\0\x01\x1F\x7F"), "\"\\u0000\\u0001\\u001f\x7F\"");
    check_string(ENG_STR("p\xC3\xA3o \xF0\x9F\x98\x80"), "\"p\xC3\xA3o \xF0\x9F\x98\x80\"");
    check_string(ENG_STR("0123456789abcdef\n0123456789abcdef\""),
                 "\"0123456789abcdef\\n0123456789abcdef\\\"\"");
}

static void bytes_that_are_no_utf8_become_replacement_characters(void **state)
{
    (void)state;
    check_string(ENG_STR("\xFF"), "\"\xEF\xBF\xBD\"");
    check_string(ENG_STR("a\xE9z"), "\"a\xEF\xBF\xBDz\"");
    check_string(ENG_STR("\xC3"), "\"\xEF\xBF\xBD\"");
    check_string(ENG_STR("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_string(ENG_STR("\xC3\xA9\xFE\"\n\xC3\xA9"), "\"\xC3\xA9\xEF\xBF\xBD\\\"\\n\xC3\xA9\"");
}

static void whatever_the_bytes_the_text_reads_back(void **state)
{
    (void)state;
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    uint64_t seed = 1;
    for (int i = 0; i < 2000; i++) {
        char bytes[96];
        size_t len = (size_t)i % sizeof bytes;
        for (size_t k = 0; k < len; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[k] = (char)(seed >> 56);
        }
        eng_buf_reset(&out);
        eng_json_writer w = eng_json_write_to(&out);
        eng_json_open(&w, '{');
        eng_json_name(&w, (eng_str){bytes, len});
        eng_json_string(&w, (eng_str){bytes, len});
        eng_json_close(&w, '}');
        const eng_json *v;
        eng_error err;
        assert_ok(eng_json_read(eng_buf_view(&out), NULL, &arena, &v, &err), err);
        assert_true(eng_str_eq(eng_json_key(v, 0), eng_json_text(eng_json_value(v, 0))));
        eng_arena_reset(&arena);
    }
    eng_arena_clear(&arena);
}

static void integers_of_any_size_are_exact(void **state)
{
    (void)state;
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '[');
    eng_json_int(&w, 0);
    eng_json_int(&w, -1);
    eng_json_int(&w, INT64_MAX);
    eng_json_int(&w, INT64_MIN);
    eng_json_uint(&w, UINT64_MAX);
    eng_json_close(&w, ']');
    assert_str_view(eng_buf_view(&out),
                    "[0,-1,9223372036854775807,-9223372036854775808,18446744073709551615]");
}

static void what_json_cannot_say_is_null(void **state)
{
    (void)state;
    eng_json_writer w = eng_json_write_to(&out);
    const float floats[] = {NAN, INFINITY, -INFINITY, -0.0f};
    eng_json_open(&w, '[');
    eng_json_double(&w, NAN);
    eng_json_double(&w, INFINITY);
    eng_json_double(&w, -INFINITY);
    eng_json_floats(&w, floats, 4);
    eng_json_floats(&w, NULL, 0);
    eng_json_close(&w, ']');
    assert_str_view(eng_buf_view(&out), "[null,null,null,[null,null,null,-0.0],[]]");
}

static void floats_read_back_as_the_same_floats(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static float floats[COUNT];
    uint32_t seed = 1;
    for (size_t i = 0; i < COUNT; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t bits = (seed & 0x7F800000) == 0x7F800000 ? seed ^ 0x40000000 : seed;
        memcpy(&floats[i], &bits, sizeof bits);
    }
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_floats(&w, floats, COUNT);

    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    const eng_json *v;
    eng_error err;
    assert_ok(eng_json_read(eng_buf_view(&out), NULL, &arena, &v, &err), err);
    assert_int_equal(eng_json_count(v), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        double number = 0;
        assert_true(eng_json_number(eng_json_at(v, i), &number));
        float back = (float)number;
        assert_memory_equal(&back, &floats[i], sizeof back);
    }
    eng_arena_clear(&arena);
}

static void a_tree_is_written_as_it_was_read(void **state)
{
    (void)state;
    static const char text[] = "{\"z\":[1,-2.5,\"a\\nb\",null,true,false,{}],\"a\":{\"n\":1e+30,"
                               "\"m\":[[]]},\"\xC3\xA9\":\"\\u0000\"}";
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    const eng_json *v;
    eng_error err;
    assert_ok(eng_json_read(eng_str_of(text), NULL, &arena, &v, &err), err);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '[');
    eng_json_copy(&w, v);
    eng_json_copy(&w, v);
    eng_json_close(&w, ']');
    char want[512];
    snprintf(want, sizeof want, "[%s,%s]", text, text);
    assert_string_equal(out.data, want);
    eng_arena_clear(&arena);
}

static void trees_as_deep_as_can_be_read_are_written(void **state)
{
    (void)state;
    enum { DEPTH = ENG_JSON_DEPTH_MAX };
    char text[2 * DEPTH];
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    const eng_json *v;
    eng_error err;
    eng_json_limits limits = {.depth = DEPTH};
    assert_ok(eng_json_read((eng_str){text, sizeof text}, &limits, &arena, &v, &err), err);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_copy(&w, v);
    assert_int_equal(out.len, sizeof text);
    assert_memory_equal(out.data, text, sizeof text);
    eng_arena_clear(&arena);
}

static void a_buffer_is_used_to_its_last_byte(void **state)
{
    (void)state;
    static const char want[] = "{\"a\":[1,2.5,\"x\\ny\",null],\"f\":[0.5,0.25]}";
    const float floats[] = {0.5f, 0.25f};
    for (size_t max = 0; max < sizeof want; max++) {
        eng_buf_clear(&out);
        eng_buf_init(&out, max);
        eng_json_writer w = eng_json_write_to(&out);
        eng_json_open(&w, '{');
        eng_json_name(&w, ENG_STR("a"));
        eng_json_open(&w, '[');
        eng_json_int(&w, 1);
        eng_json_double(&w, 2.5);
        eng_json_string(&w, ENG_STR("x\ny"));
        eng_json_null(&w);
        eng_json_close(&w, ']');
        eng_json_name(&w, ENG_STR("f"));
        eng_json_floats(&w, floats, 2);
        eng_json_close(&w, '}');
        assert_int_equal(out.failed, max < sizeof want - 1 ? ENG_ETOOBIG : ENG_OK);
    }
    assert_string_equal(out.data, want);
}

static void no_memory_sticks_in_the_buffer(void **state)
{
    (void)state;
    eng_status status;
    static float floats[2000];
    assert_survives_no_memory(status, {
        eng_buf small;
        eng_buf_init(&small, 1 << 20);
        eng_json_writer w = eng_json_write_to(&small);
        eng_json_open(&w, '{');
        eng_json_member(&w, "key",
                        ENG_STR("a string that is long enough to make the buffer grow\n\xFF"));
        eng_json_name(&w, ENG_STR("floats"));
        eng_json_floats(&w, floats, 2000);
        eng_json_close(&w, '}');
        status = eng_buf_check(&small, "reply", NULL);
        eng_buf_clear(&small);
    });
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(commas_and_colons_are_the_writers_business),
        TEST(sixty_four_levels_of_either_kind_nest),
        TEST(strings_are_escaped_where_they_must_be),
        TEST(bytes_that_are_no_utf8_become_replacement_characters),
        TEST(whatever_the_bytes_the_text_reads_back),
        TEST(integers_of_any_size_are_exact),
        TEST(what_json_cannot_say_is_null),
        TEST(floats_read_back_as_the_same_floats),
        TEST(a_tree_is_written_as_it_was_read),
        TEST(trees_as_deep_as_can_be_read_are_written),
        TEST(a_buffer_is_used_to_its_last_byte),
        TEST(no_memory_sticks_in_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
