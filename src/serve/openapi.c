/*
 * The tables as an OpenAPI 3.1 document. Paths come in the order in which the tables name them
 * first; all methods of a path stand together, because an object holds a key once.
 */
#include "serve/parts.h"

#include <ctype.h>
#include <stdio.h>

static void member(eng_json_writer *w, const char *key, const char *text)
{
    eng_json_member(w, key, eng_str_of(text));
}

static void open_member(eng_json_writer *w, const char *key, char kind)
{
    eng_json_name(w, eng_str_of(key));
    eng_json_open(w, kind);
}

static void int_member(eng_json_writer *w, const char *key, int64_t value)
{
    eng_json_name(w, eng_str_of(key));
    eng_json_int(w, value);
}

/* ---- Shapes --------------------------------------------------------------------------------- */

static void write_object(eng_json_writer *w, const eng_field *fields);
static void write_object_members(eng_json_writer *w, const eng_field *fields);

static const char *shape_name(const eng_field *of)
{
    for (const eng_named_shape *s = eng_named_shapes; s->name; s++)
        if (s->of == of)
            return s->name;
    return NULL;
}

static void write_ref(eng_json_writer *w, const char *name)
{
    char text[96];
    snprintf(text, sizeof text, "#/components/schemas/%s", name);
    member(w, "$ref", text);
}

static void write_type(eng_json_writer *w, const eng_field *f)
{
    static const char *const names[] = {
        [ENG_TEXT] = "string",   [ENG_INT] = "integer",   [ENG_NUMBER] = "number",
        [ENG_BOOL] = "boolean",  [ENG_CHOICE] = "string", [ENG_TIME] = "string",
        [ENG_OBJECT] = "object", [ENG_LIST] = "array",    [ENG_ANY] = NULL,
    };
    if (!names[f->type])
        return;
    if (!f->nullable) {
        member(w, "type", names[f->type]);
        return;
    }
    open_member(w, "type", '[');
    eng_json_string(w, eng_str_of(names[f->type]));
    eng_json_string(w, ENG_STR("null"));
    eng_json_close(w, ']');
}

static void write_sizes(eng_json_writer *w, const eng_field *f, const char *least, const char *most)
{
    if (f->min > 0)
        int_member(w, least, f->min);
    if (f->max > 0)
        int_member(w, most, f->max);
}

static void write_int_bounds(eng_json_writer *w, const eng_field *f)
{
    if (f->min != 0 || f->max != 0)
        int_member(w, "minimum", f->min);
    if (f->max > f->min)
        int_member(w, "maximum", f->max);
}

static void write_number_bounds(eng_json_writer *w, const eng_field *f)
{
    if (f->least >= f->most)
        return;
    eng_json_name(w, ENG_STR("minimum"));
    eng_json_double(w, f->least);
    eng_json_name(w, ENG_STR("maximum"));
    eng_json_double(w, f->most);
}

static void write_choices(eng_json_writer *w, const eng_field *f)
{
    eng_str rest = eng_str_of(f->choices), one;
    open_member(w, "enum", '[');
    for (bool more = true; more;) {
        more = eng_str_cut(rest, '|', &one, &rest);
        eng_json_string(w, one);
    }
    if (f->nullable)
        eng_json_null(w);
    eng_json_close(w, ']');
}

static void write_shape(eng_json_writer *w, const eng_field *of)
{
    const char *name = shape_name(of);
    if (!name) {
        write_object(w, of);
        return;
    }
    eng_json_open(w, '{');
    write_ref(w, name);
    eng_json_close(w, '}');
}

static void write_items(eng_json_writer *w, const eng_field *f)
{
    const eng_field item = {.type = f->items, .of = f->of, .choices = f->choices};
    eng_json_name(w, ENG_STR("items"));
    if (f->items == ENG_OBJECT && f->of) {
        write_shape(w, f->of);
        return;
    }
    eng_json_open(w, '{');
    write_type(w, &item);
    if (f->items == ENG_CHOICE)
        write_choices(w, &item);
    eng_json_close(w, '}');
}

static void write_bounds(eng_json_writer *w, const eng_field *f)
{
    switch (f->type) {
    case ENG_TEXT:
        write_sizes(w, f, "minLength", "maxLength");
        break;
    case ENG_INT:
        write_int_bounds(w, f);
        break;
    case ENG_NUMBER:
        write_number_bounds(w, f);
        break;
    case ENG_CHOICE:
        write_choices(w, f);
        break;
    case ENG_TIME:
        member(w, "format", "date-time");
        break;
    case ENG_LIST:
        write_sizes(w, f, "minItems", "maxItems");
        write_items(w, f);
        break;
    case ENG_OBJECT:
        if (f->of)
            write_object_members(w, f->of);
        break;
    default:
        break;
    }
}

/* A field's schema, as an object. */
static void write_field(eng_json_writer *w, const eng_field *f)
{
    eng_json_open(w, '{');
    write_type(w, f);
    write_bounds(w, f);
    if (f->doc)
        member(w, "description", f->doc);
    if (f->preset) {
        eng_json_name(w, ENG_STR("default"));
        eng_json_raw(w, eng_str_of(f->preset));
    }
    if (f->example) {
        open_member(w, "examples", '[');
        eng_json_raw(w, eng_str_of(f->example));
        eng_json_close(w, ']');
    }
    eng_json_close(w, '}');
}

static void write_object_members(eng_json_writer *w, const eng_field *fields)
{
    bool some = false;
    open_member(w, "properties", '{');
    for (const eng_field *f = fields; f->name; f++) {
        eng_json_name(w, eng_str_of(f->name));
        write_field(w, f);
        some |= f->required;
    }
    eng_json_close(w, '}');
    if (!some)
        return;
    open_member(w, "required", '[');
    for (const eng_field *f = fields; f->name; f++)
        if (f->required)
            eng_json_string(w, eng_str_of(f->name));
    eng_json_close(w, ']');
}

static void write_object(eng_json_writer *w, const eng_field *fields)
{
    eng_json_open(w, '{');
    member(w, "type", "object");
    write_object_members(w, fields);
    eng_json_close(w, '}');
}

/* ---- Errors --------------------------------------------------------------------------------- */

static const char *const error_names[] = {
    [ENG_ERRORS_DETAIL] = "Error",
    [ENG_ERRORS_ALL_400] = "Error",
    [ENG_ERRORS_OPENAI] = "OpenAIError",
    [ENG_ERRORS_OLLAMA] = "OllamaError",
};

static const eng_field detail_error[] = {
    {"detail", ENG_TEXT, .required = true,
     .doc = "What is wrong; names the field, where it is one.",
     .example = "\"name: expected a string of 1 to 200 characters\""},
    {0},
};

static const eng_field ollama_error[] = {
    {"error", ENG_TEXT, .required = true, .doc = "What is wrong."},
    {0},
};

static const eng_field openai_error_object[] = {
    {"message", ENG_TEXT, .required = true, .doc = "What is wrong."},
    {"type", ENG_TEXT, .required = true, .doc = "What kind of error.",
     .example = "\"invalid_request_error\""},
    {"param", ENG_TEXT, .required = true, .nullable = true, .doc = "The field that is wrong."},
    {"code", ENG_TEXT, .required = true, .nullable = true, .doc = "A name for the error."},
    {0},
};

static const eng_field openai_error[] = {
    {"error", ENG_OBJECT, .required = true, .of = openai_error_object, .doc = "The error."},
    {0},
};

static void write_error(eng_json_writer *w, int status, eng_error_shape shape)
{
    char key[16];
    snprintf(key, sizeof key, "%d", status);
    open_member(w, key, '{');
    member(w, "description", eng_http_phrase(status));
    open_member(w, "content", '{');
    open_member(w, "application/json", '{');
    open_member(w, "schema", '{');
    write_ref(w, error_names[shape]);
    for (int i = 0; i < 4; i++)
        eng_json_close(w, '}');
}

static bool says(const char *fails, int status)
{
    char text[16];
    snprintf(text, sizeof text, "%d", status);
    return fails && strstr(fails, text);
}

/* Whether a route may answer with this error, by what it takes and who may call it. */
static bool may_answer(const eng_route *r, int status)
{
    bool takes_fields = r->takes || r->query;
    bool all_400 = r->errors == ENG_ERRORS_ALL_400;
    if (says(r->fails, status))
        return true;
    switch (status) {
    case 400:
        return takes_fields || strchr(r->path, '{');
    case 401:
    case 429:
        return r->role != ENG_ROLE_NONE;
    case 403:
        return true; /* a foreign Host */
    case 413:
        return r->takes != 0;
    case 415:
        return r->takes != 0 && !all_400;
    case 422:
        return takes_fields && !all_400;
    case 503:
        return r->where != ENG_ON_LOOP;
    default:
        return false;
    }
}

/* ---- Operations ----------------------------------------------------------------------------- */

static bool is_word(char c) { return isalnum((unsigned char)c) != 0; }

/* The first segment that is no version; for a path of one segment, "server". */
static void write_tags(eng_json_writer *w, const eng_route *r)
{
    eng_str path = eng_str_sub(eng_str_of(r->path), 1, SIZE_MAX), first, rest;
    bool more = eng_str_cut(path, '/', &first, &rest);
    if (more && eng_str_eq(first, ENG_STR("v1"))) {
        path = rest;
        eng_str_cut(path, '/', &first, &rest);
    }
    open_member(w, "tags", '[');
    eng_json_string(w, more ? first : ENG_STR("server"));
    eng_json_close(w, ']');
}

/* "get_v1_jobs_id_events" from the method and the words of the path. */
static void write_operation_id(eng_json_writer *w, const eng_route *r)
{
    char text[256];
    size_t len = 0;
    if (r->operation) {
        member(w, "operationId", r->operation);
        return;
    }
    for (const char *c = eng_method_name(r->method); *c; c++)
        text[len++] = (char)tolower((unsigned char)*c);
    for (const char *c = r->path; *c && len < sizeof text - 2; c++) {
        if (!is_word(*c))
            continue;
        if (!is_word(c[-1]))
            text[len++] = '_';
        text[len++] = *c;
    }
    eng_json_member(w, "operationId", (eng_str){text, len});
}

static void write_parameter(eng_json_writer *w, eng_str name, const char *in, bool required,
                            const eng_field *f)
{
    static const eng_field text = {.type = ENG_TEXT, .min = 1};
    eng_json_open(w, '{');
    eng_json_member(w, "name", name);
    member(w, "in", in);
    eng_json_name(w, ENG_STR("required"));
    eng_json_bool(w, required);
    eng_json_name(w, ENG_STR("schema"));
    write_field(w, f ? f : &text);
    eng_json_close(w, '}');
}

static void write_parameters(eng_json_writer *w, const eng_route *r)
{
    const char *at = strchr(r->path, '{');
    if (!at && !r->query)
        return;
    open_member(w, "parameters", '[');
    for (; at; at = strchr(at + 1, '{'))
        write_parameter(w, (eng_str){at + 1, strcspn(at + 1, "}")}, "path", true, NULL);
    for (const eng_field *f = r->query; f && f->name; f++)
        write_parameter(w, eng_str_of(f->name), "query", f->required, f);
    eng_json_close(w, ']');
}

static void write_content(eng_json_writer *w, const char *type, const eng_field *of,
                          const char *example)
{
    open_member(w, type, '{');
    eng_json_name(w, ENG_STR("schema"));
    if (of) {
        write_shape(w, of);
    } else {
        eng_json_open(w, '{');
        eng_json_close(w, '}');
    }
    if (example) {
        eng_json_name(w, ENG_STR("example"));
        eng_json_raw(w, eng_str_of(example));
    }
    eng_json_close(w, '}');
}

static bool needs_body(const eng_route *r)
{
    for (const eng_field *f = r->body; f && f->name; f++)
        if (f->required)
            return true;
    return false;
}

static void write_body(eng_json_writer *w, const eng_route *r)
{
    if (!r->takes)
        return;
    open_member(w, "requestBody", '{');
    eng_json_name(w, ENG_STR("required"));
    eng_json_bool(w, needs_body(r));
    open_member(w, "content", '{');
    if (r->takes & ENG_TAKES_JSON)
        write_content(w, "application/json", r->body, r->example);
    if (r->takes & ENG_TAKES_MULTIPART)
        write_content(w, "multipart/form-data", r->body, NULL);
    if (r->takes & ENG_TAKES_NDJSON)
        write_content(w, "application/x-ndjson", NULL, NULL);
    eng_json_close(w, '}');
    eng_json_close(w, '}');
}

static void write_success(eng_json_writer *w, const eng_route *r)
{
    int status = r->status ? r->status : 200;
    char key[16];
    snprintf(key, sizeof key, "%d", status);
    open_member(w, key, '{');
    member(w, "description", eng_http_phrase(status));
    if (r->reply || r->reply_type) {
        open_member(w, "content", '{');
        if (r->reply)
            write_content(w, "application/json", r->reply, NULL);
        if (r->reply_type)
            write_content(w, r->reply_type, NULL, NULL);
        eng_json_close(w, '}');
    }
    eng_json_close(w, '}');
}

static void write_responses(eng_json_writer *w, const eng_route *r)
{
    open_member(w, "responses", '{');
    write_success(w, r);
    for (int status = 400; status < 600; status++)
        if (may_answer(r, status))
            write_error(w, status, r->errors);
    eng_json_close(w, '}');
}

static void write_operation(eng_json_writer *w, const eng_route *r)
{
    char method[8];
    size_t len = 0;
    for (const char *c = eng_method_name(r->method); *c; c++)
        method[len++] = (char)tolower((unsigned char)*c);
    method[len] = '\0';
    open_member(w, method, '{');
    write_tags(w, r);
    member(w, "summary", r->summary);
    write_operation_id(w, r);
    write_parameters(w, r);
    write_body(w, r);
    write_responses(w, r);
    if (r->role == ENG_ROLE_NONE) {
        open_member(w, "security", '[');
        eng_json_close(w, ']');
    } else {
        member(w, "x-role", eng_role_name(r->role));
    }
    eng_json_close(w, '}');
}

/* ---- The document --------------------------------------------------------------------------- */

static bool same_path(const eng_router *r, size_t a, size_t b)
{
    return strcmp(eng_router_entry(r, a)->route->path, eng_router_entry(r, b)->route->path) == 0;
}

static bool is_first_of_path(const eng_router *r, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_path(r, i, j))
            return false;
    return true;
}

static void write_paths(eng_json_writer *w, const eng_router *r)
{
    open_member(w, "paths", '{');
    for (size_t i = 0; i < eng_router_count(r); i++) {
        const eng_route *route = eng_router_entry(r, i)->route;
        if (route->hidden || !is_first_of_path(r, i))
            continue;
        open_member(w, route->path, '{');
        for (size_t j = i; j < eng_router_count(r); j++)
            if (same_path(r, i, j) && !eng_router_entry(r, j)->route->hidden)
                write_operation(w, eng_router_entry(r, j)->route);
        eng_json_close(w, '}');
    }
    eng_json_close(w, '}');
}

static void write_schemes(eng_json_writer *w)
{
    open_member(w, "securitySchemes", '{');
    open_member(w, "bearer", '{');
    member(w, "type", "http");
    member(w, "scheme", "bearer");
    member(w, "description", "Needed where keys are in force; without them nothing is asked for.");
    eng_json_close(w, '}');
    open_member(w, "header", '{');
    member(w, "type", "apiKey");
    member(w, "in", "header");
    member(w, "name", "X-API-Key");
    eng_json_close(w, '}');
    eng_json_close(w, '}');
}

static void write_components(eng_json_writer *w)
{
    open_member(w, "components", '{');
    open_member(w, "schemas", '{');
    for (const eng_named_shape *s = eng_named_shapes; s->name; s++) {
        eng_json_name(w, eng_str_of(s->name));
        write_object(w, s->of);
    }
    eng_json_name(w, eng_str_of(error_names[ENG_ERRORS_DETAIL]));
    write_object(w, detail_error);
    eng_json_name(w, eng_str_of(error_names[ENG_ERRORS_OPENAI]));
    write_object(w, openai_error);
    eng_json_name(w, eng_str_of(error_names[ENG_ERRORS_OLLAMA]));
    write_object(w, ollama_error);
    eng_json_close(w, '}');
    write_schemes(w);
    eng_json_close(w, '}');
}

static void write_info(eng_json_writer *w)
{
    open_member(w, "info", '{');
    member(w, "title", "engenho");
    member(w, "version", ENG_VERSION);
    member(w, "summary", "Knowledge, categories and predictions, in one program.");
    member(
        w, "description",
        "Paths work with and without a slash at their end. Errors are `{\"detail\": \"...\"}`; a "
        "field that is wrong is named. Lists are pages: `limit` and `next`.");
    open_member(w, "license", '{');
    member(w, "name", "Apache-2.0");
    eng_json_close(w, '}');
    eng_json_close(w, '}');
}

static void write_security(eng_json_writer *w)
{
    static const char *const schemes[] = {"bearer", "header"};
    open_member(w, "security", '[');
    for (size_t i = 0; i < 2; i++) {
        eng_json_open(w, '{');
        open_member(w, schemes[i], '[');
        eng_json_close(w, ']');
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

void eng_openapi_write(const eng_router *r, eng_buf *out)
{
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    member(&w, "openapi", "3.1.0");
    write_info(&w);
    write_security(&w);
    write_paths(&w, r);
    write_components(&w);
    eng_json_close(&w, '}');
}
