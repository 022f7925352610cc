/* Each test names a promise of serve/parts.h about the OpenAPI document. */
#include "serve/parts.h"
#include "test.h"

static eng_status handle(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)req;
    (void)out;
    (void)err;
    return ENG_OK;
}

static const eng_field inner[] = {
    {"role", ENG_CHOICE, .required = true, .choices = "system|user", .doc = "Who."},
    {0},
};

static const eng_field body[] = {
    {"text", ENG_TEXT, .required = true, .min = 1, .max = 20, .doc = "A \"text\"."},
    {"count", ENG_INT, .min = 1, .max = 9, .preset = "4", .doc = "How many.", .example = "5"},
    {"weight", ENG_NUMBER, .nullable = true, .least = 0, .most = 1, .doc = "How much."},
    {"at", ENG_TIME, .doc = "When."},
    {"inner", ENG_OBJECT, .of = inner, .doc = "Within."},
    {"list", ENG_LIST, .max = 3, .items = ENG_OBJECT, .of = inner, .doc = "Many."},
    {"any", ENG_ANY, .doc = "Anything."},
    {0},
};

static const eng_field query[] = {
    {"page", ENG_INT, .min = 1, .max = 9, .preset = "1", .doc = "Which."},
    {0},
};

static const eng_route table[] = {
    {ENG_POST, "/v1/a/{id}/b", ENG_ROLE_WRITE, body, inner, handle, "Makes it.", .query = query,
     .takes = ENG_TAKES_JSON | ENG_TAKES_MULTIPART, .example = "{\"text\": \"x\"}", .status = 201,
     .fails = "409"},
    {ENG_GET, "/v1/a/{id}/b", ENG_ROLE_NONE, NULL, inner, handle, "Shows it.", .fails = "404"},
    {ENG_POST, "/all", ENG_ROLE_READ, body, NULL, handle, "All 400.", .takes = ENG_TAKES_JSON,
     .errors = ENG_ERRORS_ALL_400, .operation = "all_of_it"},
    {ENG_GET, "/o", ENG_ROLE_READ, NULL, NULL, handle, "OpenAI.", .errors = ENG_ERRORS_OPENAI},
    {ENG_GET, "/hidden", ENG_ROLE_NONE, NULL, NULL, handle, "Hidden.", .hidden = true},
    {0},
};
static const eng_route *const tables[] = {table, NULL};

typedef struct {
    eng_arena arena;
    eng_buf text;
    const eng_json *document;
} fixture;

static eng_status write_document(eng_buf *out, eng_error *err)
{
    eng_router *r = NULL;
    eng_status status = eng_router_new(tables, &r, err);
    if (status == ENG_OK) {
        eng_openapi_write(r, out);
        status = eng_buf_check(out, "document", err);
    }
    eng_router_free(r);
    return status;
}

static int setup(void **state)
{
    static fixture f;
    eng_error err;
    eng_arena_init(&f.arena, 1 << 16, NULL);
    eng_buf_init(&f.text, 1 << 20);
    assert_ok(write_document(&f.text, &err), err);
    assert_ok(eng_json_read(eng_buf_view(&f.text), NULL, &f.arena, &f.document, &err), err);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    eng_buf_clear(&f->text);
    eng_arena_clear(&f->arena);
    return 0;
}

/* By a path of keys and indexes, "paths>/o>get"; '>' because keys hold slashes. NULL: not there. */
static const eng_json *at(void **state, const char *path)
{
    const fixture *f = *state;
    const eng_json *v = f->document;
    eng_str rest = eng_str_of(path), key;
    for (bool more = true; more && v;) {
        int64_t index;
        more = eng_str_cut(rest, '>', &key, &rest);
        v = v->type == ENG_JSON_ARRAY && eng_str_i64(key, &index) ? eng_json_at(v, (size_t)index)
                                                                  : eng_json_get(v, key);
    }
    return v;
}

#define POST_B "paths>/v1/a/{id}/b>post>"
#define SCHEMA POST_B "requestBody>content>application/json>schema>"

static void paths_hold_their_methods(void **state)
{
    assert_str_view(eng_json_text(at(state, "openapi")), "3.1.0");
    assert_non_null(at(state, "paths>/v1/a/{id}/b>post"));
    assert_non_null(at(state, "paths>/v1/a/{id}/b>get"));
    assert_int_equal(eng_json_count(at(state, "paths")), 3);
    assert_null(at(state, "paths>/hidden"));
}

static void operations_have_ids_and_tags(void **state)
{
    assert_str_view(eng_json_text(at(state, POST_B "operationId")), "post_v1_a_id_b");
    assert_str_view(eng_json_text(at(state, "paths>/all>post>operationId")), "all_of_it");
    assert_str_view(eng_json_text(at(state, POST_B "tags>0")), "a");
    assert_str_view(eng_json_text(at(state, "paths>/o>get>tags>0")), "server");
}

static void parameters_are_those_of_path_and_query(void **state)
{
    assert_int_equal(eng_json_count(at(state, POST_B "parameters")), 2);
    assert_str_view(eng_json_text(at(state, POST_B "parameters>0>in")), "path");
    assert_str_view(eng_json_text(at(state, POST_B "parameters>0>name")), "id");
    assert_true(at(state, POST_B "parameters>0>required")->as.boolean);
    assert_str_view(eng_json_text(at(state, POST_B "parameters>1>name")), "page");
    assert_int_equal(at(state, POST_B "parameters>1>schema>maximum")->as.integer, 9);
    assert_int_equal(at(state, POST_B "parameters>1>schema>default")->as.integer, 1);
}

static void fields_become_schemas(void **state)
{
    assert_str_view(eng_json_text(at(state, SCHEMA "type")), "object");
    assert_str_view(eng_json_text(at(state, SCHEMA "required>0")), "text");
    assert_int_equal(at(state, SCHEMA "properties>text>maxLength")->as.integer, 20);
    assert_str_view(eng_json_text(at(state, SCHEMA "properties>count>type")), "integer");
    assert_int_equal(at(state, SCHEMA "properties>count>examples>0")->as.integer, 5);
    assert_str_view(eng_json_text(at(state, SCHEMA "properties>weight>type>1")), "null");
    assert_str_view(eng_json_text(at(state, SCHEMA "properties>at>format")), "date-time");
    assert_str_view(eng_json_text(at(state, SCHEMA "properties>inner>properties>role>enum>1")),
                    "user");
    assert_str_view(eng_json_text(at(state, SCHEMA "properties>list>items>properties>role>enum>0")),
                    "system");
    assert_int_equal(at(state, SCHEMA "properties>list>maxItems")->as.integer, 3);
    assert_null(at(state, SCHEMA "properties>any>type"));
    assert_non_null(at(state, POST_B "requestBody>content>multipart/form-data>schema"));
    assert_str_view(
        eng_json_text(at(state, POST_B "requestBody>content>application/json>example>text")), "x");
}

static void responses_are_those_that_may_come(void **state)
{
    static const char *const has[] = {"201", "400", "401", "403", "409",
                                      "413", "415", "422", "429"};
    char path[128];
    for (size_t i = 0; i < sizeof has / sizeof has[0]; i++) {
        snprintf(path, sizeof path, POST_B "responses>%s>description", has[i]);
        if (!at(state, path))
            fail_msg("no %s", path);
    }
    assert_null(at(state, POST_B "responses>404"));
    assert_null(at(state, "paths>/all>post>responses>422"));
    assert_null(at(state, "paths>/all>post>responses>415"));
    assert_non_null(at(state, "paths>/v1/a/{id}/b>get>responses>404"));
    assert_null(at(state, "paths>/v1/a/{id}/b>get>responses>401"));
}

static void errors_have_the_schema_of_their_form(void **state)
{
    assert_str_view(eng_json_text(at(state, "paths>/o>get>responses>401>content>application/json>"
                                            "schema>$ref")),
                    "#/components/schemas/OpenAIError");
    assert_non_null(at(state, "components>schemas>OpenAIError>properties>error>properties>param"));
    assert_non_null(at(state, "components>schemas>OllamaError"));
    assert_non_null(at(state, "components>schemas>Error>properties>detail"));
}

static void open_routes_need_no_key(void **state)
{
    assert_int_equal(eng_json_count(at(state, "security")), 2);
    assert_true(eng_json_is(at(state, "paths>/v1/a/{id}/b>get>security"), ENG_JSON_ARRAY));
    assert_int_equal(eng_json_count(at(state, "paths>/v1/a/{id}/b>get>security")), 0);
    assert_null(at(state, POST_B "security"));
}

static void survives_without_memory(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_buf out;
        eng_buf_init(&out, 1 << 20);
        status = write_document(&out, NULL);
        eng_buf_clear(&out);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_hold_their_methods),
        cmocka_unit_test(operations_have_ids_and_tags),
        cmocka_unit_test(parameters_are_those_of_path_and_query),
        cmocka_unit_test(fields_become_schemas),
        cmocka_unit_test(responses_are_those_that_may_come),
        cmocka_unit_test(errors_have_the_schema_of_their_form),
        cmocka_unit_test(open_routes_need_no_key),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
