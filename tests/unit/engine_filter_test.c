/* Filters and metadata, from JSON to what the index takes: promises of knowledge.h. */
#include "engine/knowledge.h"
#include "engine_help.h"

static const eng_filter *read_filter(const char *json, eng_arena *arena)
{
    const eng_filter *f = NULL;
    eng_error err = {0};
    assert_ok(eng_filter_read(eng_str_of(json), arena, &f, &err), err);
    assert_int_equal(f->op, ENG_FILTER_ALL);
    return f;
}

/* The only condition of a filter. */
static const eng_filter *only(const char *json, eng_arena *arena)
{
    const eng_filter *f = read_filter(json, arena);
    assert_int_equal(f->child_count, 1);
    return &f->children[0];
}

static void a_value_is_equality(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    const eng_filter *f = only("{\"loja\":\"sul\"}", &a);
    assert_int_equal(f->op, ENG_FILTER_IN);
    assert_str_view(f->field, "loja");
    assert_int_equal(f->value_count, 1);
    assert_int_equal(f->values[0].type, ENG_VALUE_STRING);
    assert_str_view(f->values[0].as.string, "sul");
    f = only("{\"ano\":2026}", &a);
    assert_int_equal(f->values[0].type, ENG_VALUE_INTEGER);
    assert_int_equal(f->values[0].as.integer, 2026);
    f = only("{\"preco\":2.5}", &a);
    assert_int_equal(f->values[0].type, ENG_VALUE_NUMBER);
    assert_true(f->values[0].as.number == 2.5);
    f = only("{\"ativo\":true}", &a);
    assert_int_equal(f->values[0].type, ENG_VALUE_BOOL);
    assert_true(f->values[0].as.boolean);
    /* Nothing equals null; a date equals what is written. */
    f = only("{\"x\":null}", &a);
    assert_int_equal(f->op, ENG_FILTER_IN);
    assert_int_equal(f->value_count, 0);
    f = only("{\"dia\":\"2026-01-02\"}", &a);
    assert_int_equal(f->values[0].type, ENG_VALUE_STRING);
    eng_arena_clear(&a);
}

static void every_operator_is_read(void **state)
{
    static const struct {
        const char *json;
        eng_filter_op op;
    } orders[] = {{"{\"n\":{\"gt\":1}}", ENG_FILTER_GT},
                  {"{\"n\":{\"gte\":1}}", ENG_FILTER_GTE},
                  {"{\"n\":{\"lt\":1}}", ENG_FILTER_LT},
                  {"{\"n\":{\"lte\":1}}", ENG_FILTER_LTE}};
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    for (size_t i = 0; i < 4; i++) {
        const eng_filter *f = only(orders[i].json, &a);
        assert_int_equal(f->op, ENG_FILTER_ALL);
        assert_int_equal(f->child_count, 1);
        assert_int_equal(f->children[0].op, orders[i].op);
        assert_str_view(f->children[0].field, "n");
        assert_int_equal(f->children[0].values[0].as.integer, 1);
    }
    const eng_filter *f = only("{\"n\":{\"in\":[1,\"a\",null,[2],{},true]}}", &a);
    assert_int_equal(f->children[0].op, ENG_FILTER_IN);
    assert_int_equal(f->children[0].value_count, 3); /* what nothing equals is left out */
    f = only("{\"n\":{\"in\":[]}}", &a);
    assert_int_equal(f->children[0].value_count, 0);
    f = only("{\"n\":{\"exists\":true}}", &a);
    assert_int_equal(f->children[0].op, ENG_FILTER_EXISTS);
    f = only("{\"n\":{\"exists\":false}}", &a);
    assert_int_equal(f->children[0].op, ENG_FILTER_NOT);
    assert_int_equal(f->children[0].children[0].op, ENG_FILTER_EXISTS);
    f = only("{\"n\":{\"gt\":1,\"lte\":9}}", &a);
    assert_int_equal(f->child_count, 2);
    eng_arena_clear(&a);
}

static void conditions_are_combined(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    assert_int_equal(read_filter("{}", &a)->child_count, 0);
    assert_int_equal(read_filter("{\"a\":1,\"b\":2,\"c\":3}", &a)->child_count, 3);
    const eng_filter *f = only("{\"or\":[{\"a\":1},{\"b\":2}]}", &a);
    assert_int_equal(f->op, ENG_FILTER_ANY);
    assert_int_equal(f->child_count, 2);
    f = only("{\"and\":[{\"a\":1},{\"b\":2}]}", &a);
    assert_int_equal(f->op, ENG_FILTER_ALL);
    assert_int_equal(f->child_count, 2);
    f = only("{\"not\":{\"a\":1}}", &a);
    assert_int_equal(f->op, ENG_FILTER_NOT);
    assert_int_equal(f->child_count, 1);
    assert_int_equal(f->children[0].op, ENG_FILTER_ALL);
    f = only("{\"or\":[]}", &a);
    assert_int_equal(f->op, ENG_FILTER_ANY);
    assert_int_equal(f->child_count, 0);
    eng_arena_clear(&a);
}

static void dates_are_compared_as_dates(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    const eng_filter *f = only("{\"dia\":{\"gte\":\"1970-01-02\"}}", &a);
    assert_int_equal(f->children[0].values[0].type, ENG_VALUE_DATE);
    assert_int_equal(f->children[0].values[0].as.integer, 86400000);
    f = only("{\"dia\":{\"lt\":\"1970-01-01T00:00:01Z\"}}", &a);
    assert_int_equal(f->children[0].values[0].type, ENG_VALUE_DATE);
    assert_int_equal(f->children[0].values[0].as.integer, 1000);
    static const char *const none[] = {"{\"d\":{\"lt\":\"1970-13-02\"}}", "{\"d\":{\"lt\":\"b\"}}",
                                       "{\"d\":{\"lt\":\"\"}}", "{\"d\":{\"lt\":\"0123456789\"}}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(only(none[i], &a)->children[0].values[0].type, ENG_VALUE_STRING);
    eng_arena_clear(&a);
}

static void what_is_no_filter_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "1",
        "[]",
        "null",
        "\"a\"",
        "{\"a\":[1]}",
        "{\"a\":{}}",
        "{\"a\":{\"eq\":1}}",
        "{\"a\":{\"gt\":1,\"like\":2}}",
        "{\"a\":{\"gt\":null}}",
        "{\"a\":{\"gt\":[1]}}",
        "{\"a\":{\"gt\":{}}}",
        "{\"a\":{\"in\":1}}",
        "{\"a\":{\"in\":{}}}",
        "{\"a\":{\"exists\":1}}",
        "{\"a\":{\"exists\":null}}",
        "{\"and\":{}}",
        "{\"and\":1}",
        "{\"or\":\"a\"}",
        "{\"or\":[{}]}",
        "{\"or\":[1]}",
        "{\"not\":[]}",
        "{\"not\":{}}",
        "{\"not\":1}",
        "{\"not\":{\"a\":{\"eq\":1}}}",
    };
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const eng_filter *f = NULL;
        eng_error err = {0};
        eng_status status = eng_filter_read(eng_str_of(bad[i]), &a, &f, &err);
        if (status != ENG_EINVALID || strcmp(err.field, "filter") != 0 || !err.message[0])
            fail_msg("%s: %s, field '%s'", bad[i], eng_status_name(status), err.field);
        assert_null(f);
        assert_int_equal(eng_filter_read(eng_str_of(bad[i]), &a, &f, NULL), ENG_EINVALID);
    }
    eng_arena_clear(&a);
}

static unsigned depth_of(const eng_filter *f)
{
    unsigned most = 0;
    for (size_t i = 0; i < f->child_count; i++) {
        unsigned d = depth_of(&f->children[i]);
        most = d > most ? d : most;
    }
    return most + 1;
}

static eng_status read_nested(const char *before, const char *after, size_t depth, eng_arena *arena,
                              const eng_filter **out, eng_error *err)
{
    eng_buf json;
    eng_buf_init(&json, 1 << 20);
    for (size_t i = 0; i < depth; i++)
        eng_buf_str(&json, eng_str_of(before));
    eng_buf_str(&json, ENG_STR("{\"a\":{\"exists\":false}}"));
    for (size_t i = 0; i < depth; i++)
        eng_buf_str(&json, eng_str_of(after));
    eng_status status = eng_filter_read(eng_buf_view(&json), arena, out, err);
    eng_buf_clear(&json);
    return status;
}

/* What is read the index takes: it is no deeper than the index bears. */
static void depth_has_a_limit(void **state)
{
    static const char *const ways[][2] = {{"{\"not\":", "}"}, {"{\"or\":[", "]}"}};
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    for (size_t way = 0; way < 2; way++) {
        eng_status status = ENG_OK;
        size_t depth = 0;
        for (; status == ENG_OK && depth < 100; depth++) {
            const eng_filter *f = NULL;
            eng_error err = {0};
            status = read_nested(ways[way][0], ways[way][1], depth, &a, &f, &err);
            if (status == ENG_OK)
                assert_true(depth_of(f) <= ENG_FILTER_DEPTH_MAX);
            else
                assert_string_equal(err.field, "filter");
        }
        assert_int_equal(status, ENG_EINVALID);
        assert_true(depth > 16);
    }
    eng_arena_clear(&a);
}

static void conditions_have_a_limit(void **state)
{
    eng_arena a;
    eng_buf json;
    eng_error err = {0};
    const eng_filter *f = NULL;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    eng_buf_init(&json, 1 << 20);
    eng_buf_str(&json, ENG_STR("{\"or\":["));
    for (size_t i = 0; i < 10001; i++)
        eng_buf_str(&json, i ? ENG_STR(",{\"a\":1}") : ENG_STR("{\"a\":1}"));
    eng_buf_str(&json, ENG_STR("]}"));
    assert_int_equal(eng_filter_read(eng_buf_view(&json), &a, &f, &err), ENG_EINVALID);
    assert_string_equal(err.field, "filter");
    eng_buf_clear(&json);
    eng_arena_clear(&a);
}

/* ---- Metadata ---- */

/* The n-th value of this name. */
static const eng_value *value_of(const eng_index_field *fields, size_t count, const char *name,
                                 size_t n)
{
    for (size_t i = 0; i < count; i++) {
        if (eng_str_eq(fields[i].name, eng_str_of(name)) && n-- == 0)
            return &fields[i].value;
    }
    return NULL;
}

static void metadata_are_fields(void **state)
{
    const eng_index_field *f;
    size_t n;
    eng_arena a;
    eng_error err = {0};
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    assert_ok(eng_metadata_fields(ENG_STR("{\"ano\":2026,\"preco\":1.5,\"loja\":\"sul\",\"ativo\":"
                                          "false,\"nada\":null,\"lista\":[1,\"dois\",null],"
                                          "\"vazia\":[],\"dia\":\"1970-01-02\",\"dentro\":"
                                          "{\"b\":{\"c\":7},\"d\":[8,9]}}"),
                                  &a, &f, &n, &err),
              err);
    assert_int_equal(value_of(f, n, "ano", 0)->as.integer, 2026);
    assert_true(value_of(f, n, "preco", 0)->as.number == 1.5);
    assert_str_view(value_of(f, n, "loja", 0)->as.string, "sul");
    assert_int_equal(value_of(f, n, "ativo", 0)->type, ENG_VALUE_BOOL);
    assert_null(value_of(f, n, "nada", 0));
    assert_int_equal(value_of(f, n, "lista", 0)->as.integer, 1);
    assert_str_view(value_of(f, n, "lista", 1)->as.string, "dois");
    assert_null(value_of(f, n, "lista", 2));
    assert_int_equal(value_of(f, n, "vazia", 0)->type, ENG_VALUE_OTHER);
    /* A date equals itself as it is written, and is one. */
    assert_str_view(value_of(f, n, "dia", 0)->as.string, "1970-01-02");
    assert_int_equal(value_of(f, n, "dia", 1)->type, ENG_VALUE_DATE);
    assert_int_equal(value_of(f, n, "dia", 1)->as.integer, 86400000);
    assert_int_equal(value_of(f, n, "dentro", 0)->type, ENG_VALUE_OTHER);
    assert_int_equal(value_of(f, n, "dentro.b", 0)->type, ENG_VALUE_OTHER);
    assert_int_equal(value_of(f, n, "dentro.b.c", 0)->as.integer, 7);
    assert_int_equal(value_of(f, n, "dentro.d", 1)->as.integer, 9);
    eng_arena_clear(&a);
}

static void no_metadata_are_no_fields(void **state)
{
    static const char *const none[] = {"", "{}", "{\"a\":null}"};
    const eng_index_field *f;
    size_t n;
    eng_arena a;
    eng_error err = {0};
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_ok(eng_metadata_fields(eng_str_of(none[i]), &a, &f, &n, &err), err);
        assert_int_equal(n, 0);
    }
    assert_true(eng_metadata_fields(ENG_STR("{"), &a, &f, &n, &err) < 0);
    eng_arena_clear(&a);
}

static void filters_survive_no_memory(void **state)
{
    eng_status status = ENG_OK;
    (void)state;
    assert_survives_no_memory(status, {
        eng_arena a;
        const eng_filter *f;
        eng_arena_init(&a, 16, NULL);
        status = eng_filter_read(ENG_STR("{\"or\":[{\"a\":1},{\"not\":{\"b\":{\"in\":[1,2]}}},"
                                         "{\"c\":{\"exists\":false,\"gt\":\"2026-01-01\"}}]}"),
                                 &a, &f, NULL);
        eng_arena_clear(&a);
    });
}

static void metadata_survive_no_memory(void **state)
{
    eng_status status = ENG_OK;
    (void)state;
    assert_survives_no_memory(status, {
        eng_arena a;
        const eng_index_field *f;
        size_t n;
        eng_arena_init(&a, 16, NULL);
        status = eng_metadata_fields(ENG_STR("{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17],"
                                             "\"b\":{\"c\":{\"d\":\"2026-01-01\"}}}"),
                                     &a, &f, &n, NULL);
        eng_arena_clear(&a);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_equality),
        cmocka_unit_test(every_operator_is_read),
        cmocka_unit_test(conditions_are_combined),
        cmocka_unit_test(dates_are_compared_as_dates),
        cmocka_unit_test(what_is_no_filter_is_refused),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(conditions_have_a_limit),
        cmocka_unit_test(metadata_are_fields),
        cmocka_unit_test(no_metadata_are_no_fields),
        cmocka_unit_test(filters_survive_no_memory),
        cmocka_unit_test(metadata_survive_no_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
