/* Each test names a promise of serve/parts.h about values and fields. */
#include "serve/parts.h"
#include "test.h"

static const eng_field message_fields[] = {
    {"role", ENG_CHOICE, .required = true, .choices = "system|user|assistant"},
    {"content", ENG_TEXT, .required = true, .min = 1},
    {0},
};

static const eng_field fields[] = {
    {"name", ENG_TEXT, .min = 1, .max = 5},
    {"open", ENG_TEXT, .min = 0},
    {"top_k", ENG_INT, .min = 1, .max = 1000},
    {"count", ENG_INT, .min = 0},
    {"threshold", ENG_NUMBER, .least = 0, .most = 1},
    {"weight", ENG_NUMBER, .min = 0},
    {"stream", ENG_BOOL, .min = 0},
    {"from", ENG_TIME, .min = 0},
    {"filter", ENG_OBJECT, .of = NULL},
    {"messages", ENG_LIST, .min = 1, .max = 3, .items = ENG_OBJECT, .of = message_fields},
    {"tags", ENG_LIST, .items = ENG_TEXT},
    {"model", ENG_TEXT, .nullable = true},
    {"any", ENG_ANY, .of = NULL},
    {"message", ENG_OBJECT, .of = message_fields},
    {0},
};

enum { FIELDS = sizeof fields / sizeof fields[0] - 1 };

static const eng_field required[] = {
    {"question", ENG_TEXT, .required = true, .min = 1, .max = 8192},
    {"maybe", ENG_TEXT, .required = true, .nullable = true},
    {0},
};

static eng_status validate(const eng_field *table, const char *json, eng_error *err)
{
    eng_arena arena;
    const eng_json *v;
    eng_arena_init(&arena, 4096, NULL);
    assert_ok(eng_json_read(eng_str_of(json), NULL, &arena, &v, err), *err);
    eng_status status = eng_validate_object(table, v, NULL, err);
    eng_arena_clear(&arena);
    return status;
}

static void assert_refused(const char *json, const char *message)
{
    eng_error err = {0};
    assert_int_equal(validate(fields, json, &err), ENG_EINVALID);
    assert_string_equal(err.message, message);
    assert_int_equal(strncmp(message, err.field, strlen(err.field)), 0);
}

static void assert_taken(const char *json)
{
    eng_error err = {0};
    assert_ok(validate(fields, json, &err), err);
}

static void names_the_field_and_what_was_expected(void **state)
{
    (void)state;
    eng_error err = {0};
    assert_int_equal(validate(required, "{}", &err), ENG_EINVALID);
    assert_string_equal(err.message, "question: expected a string of 1 to 8192 characters");
    assert_string_equal(err.field, "question");
}

static void required_and_nullable_takes_null_but_not_nothing(void **state)
{
    (void)state;
    eng_error err = {0};
    assert_ok(validate(required, "{\"question\":\"?\",\"maybe\":null}", &err), err);
    assert_int_equal(validate(required, "{\"question\":\"?\"}", &err), ENG_EINVALID);
    assert_string_equal(err.field, "maybe");
    assert_int_equal(validate(required, "{\"question\":null,\"maybe\":null}", &err), ENG_EINVALID);
    assert_string_equal(err.field, "question");
}

static void unknown_fields_are_ignored(void **state)
{
    (void)state;
    assert_taken("{\"colour\":1,\"deep\":{\"name\":7}}");
    assert_taken("{}");
}

static void text_is_counted_in_characters(void **state)
{
    (void)state;
    assert_taken("{\"name\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}");
    assert_taken("{\"name\":\"a\"}");
    assert_taken("{\"open\":\"\"}");
    assert_refused("{\"name\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}",
                   "name: expected a string of 1 to 5 characters");
    assert_refused("{\"name\":\"\"}", "name: expected a string of 1 to 5 characters");
    assert_refused("{\"open\":7}", "open: expected a string");
}

static void wrong_types_are_refused(void **state)
{
    (void)state;
    static const char *const values[] = {"7", "true", "null", "[\"x\"]", "{}", "1.5"};
    char json[64];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        snprintf(json, sizeof json, "{\"name\":%s}", values[i]);
        assert_refused(json, "name: expected a string of 1 to 5 characters");
    }
}

static void a_whole_number_is_written_as_one(void **state)
{
    (void)state;
    static const char *const values[] = {
        "1.0", "1e2", "true", "\"5\"", "0", "1001", "-1", "null", "18446744073709551617"};
    char json[64];
    assert_taken("{\"top_k\":1000,\"count\":-9223372036854775808}");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        snprintf(json, sizeof json, "{\"top_k\":%s}", values[i]);
        assert_refused(json, "top_k: expected a whole number of 1 to 1000");
    }
    assert_refused("{\"count\":18446744073709551617}", "count: expected a whole number");
}

static void a_boolean_is_no_number(void **state)
{
    (void)state;
    assert_taken("{\"threshold\":0,\"weight\":-1e300,\"stream\":false}");
    assert_taken("{\"threshold\":1}");
    assert_refused("{\"threshold\":true}", "threshold: expected a number of 0 to 1");
    assert_refused("{\"threshold\":1.0001}", "threshold: expected a number of 0 to 1");
    assert_refused("{\"weight\":\"1\"}", "weight: expected a number");
    assert_refused("{\"stream\":1}", "stream: expected true or false");
}

static void times_are_checked(void **state)
{
    (void)state;
    assert_taken("{\"from\":\"2026-11-24T14:03:07+02:00\"}");
    assert_refused("{\"from\":\"yesterday\"}",
                   "from: expected a time such as 2026-11-24T14:03:07Z");
}

static void places_within_are_spelled_out(void **state)
{
    (void)state;
    assert_taken("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assert_refused("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"king\","
                   "\"content\":\"x\"}]}",
                   "messages[1].role: expected one of system, user, assistant");
    assert_refused("{\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}",
                   "messages[0].content: expected a string of at least 1 character");
    assert_refused("{\"messages\":[7]}", "messages[0]: expected an object");
    assert_refused("{\"tags\":[\"a\",7]}", "tags[1]: expected a string");
    assert_refused("{\"message\":{\"content\":\"x\"}}",
                   "message.role: expected one of system, user, assistant");
}

static void lists_have_bounds(void **state)
{
    (void)state;
    assert_taken("{\"tags\":[]}");
    assert_refused("{\"messages\":[]}", "messages: expected a list of 1 to 3 entries");
    assert_refused("{\"messages\":{}}", "messages: expected a list of 1 to 3 entries");
    assert_refused("{\"tags\":\"a\"}", "tags: expected a list");
    assert_refused("{\"filter\":[]}", "filter: expected an object");
}

static void null_is_refused_unless_it_means_something(void **state)
{
    (void)state;
    assert_taken("{\"model\":null,\"any\":null}");
    assert_refused("{\"filter\":null}", "filter: expected an object");
}

static void values_come_in_the_order_of_the_table(void **state)
{
    (void)state;
    eng_arena arena;
    eng_error err = {0};
    const eng_json *object, *values[FIELDS];
    eng_arena_init(&arena, 4096, NULL);
    assert_ok(eng_json_read(ENG_STR("{\"model\":null,\"top_k\":3,\"name\":\"n\"}"), NULL, &arena,
                            &object, &err),
              err);
    assert_ok(eng_validate_object(fields, object, values, &err), err);
    assert_str_view(eng_json_text(values[0]), "n");
    assert_int_equal(values[2]->as.integer, 3);
    assert_null(values[11]);
    assert_null(values[1]);
    eng_arena_clear(&arena);
}

static void text_of_a_query_becomes_the_fields_type(void **state)
{
    (void)state;
    eng_arena arena;
    eng_error err = {0};
    const eng_json *v = NULL;
    eng_arena_init(&arena, 4096, NULL);
    assert_ok(eng_validate_text(&fields[2], ENG_STR("17"), &arena, &v, &err), err);
    assert_int_equal(v->as.integer, 17);
    assert_ok(eng_validate_text(&fields[6], ENG_STR("true"), &arena, &v, &err), err);
    assert_true(v->as.boolean);
    assert_ok(eng_validate_text(&fields[0], ENG_STR("17"), &arena, &v, &err), err);
    assert_str_view(eng_json_text(v), "17");
    static const char *const wrong[] = {
        "", "0", "1001", "abc", "1e3", "[", "99999999999999999999", "null"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(eng_validate_text(&fields[2], eng_str_of(wrong[i]), &arena, &v, &err),
                         ENG_EINVALID);
        assert_string_equal(err.message, "top_k: expected a whole number of 1 to 1000");
    }
    eng_arena_clear(&arena);
}

static void survives_without_memory(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_arena arena;
        const eng_json *v;
        eng_arena_init(&arena, 64, NULL);
        status = eng_validate_text(&fields[0], ENG_STR("abc"), &arena, &v, NULL);
        eng_arena_clear(&arena);
    });
    /* A refusal stays one, whatever memory there is to word it. */
    for (uint64_t n = 1; n < 8; n++) {
        eng_error err = {0};
        eng_json seven = {.type = ENG_JSON_INT, .as.integer = 7};
        eng_json pair[2] = {{.type = ENG_JSON_STRING, .count = 4, .as.text = "name"}, seven};
        eng_json object = {.type = ENG_JSON_OBJECT, .count = 1, .as.items = pair};
        eng_alloc_fail_at(n, true);
        assert_int_equal(eng_validate_object(fields, &object, NULL, &err), ENG_EINVALID);
        eng_alloc_fail_at(0, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_field_and_what_was_expected),
        cmocka_unit_test(required_and_nullable_takes_null_but_not_nothing),
        cmocka_unit_test(unknown_fields_are_ignored),
        cmocka_unit_test(text_is_counted_in_characters),
        cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(a_whole_number_is_written_as_one),
        cmocka_unit_test(a_boolean_is_no_number),
        cmocka_unit_test(times_are_checked),
        cmocka_unit_test(places_within_are_spelled_out),
        cmocka_unit_test(lists_have_bounds),
        cmocka_unit_test(null_is_refused_unless_it_means_something),
        cmocka_unit_test(values_come_in_the_order_of_the_table),
        cmocka_unit_test(text_of_a_query_becomes_the_fields_type),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
