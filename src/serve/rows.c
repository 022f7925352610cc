/*
 * Rows into columns. Fields of an object are looked for where they stand in the model first, since most
 * clients send them in its order; a map of the names is made for those that do not.
 */
#include "serve/rows.h"

#include "base/check.h"
#include "base/error.h"
#include "base/map.h"

#include <math.h>
#include <stdio.h>

enum { ROWS_MAX = 10 * 1000 * 1000, CELLS_MAX = 256 << 20 };

/* ---- Columns ---- */

static eng_status begin(eng_rows *r, size_t rows, eng_error *err)
{
    size_t inputs = r->info->input_count;
    size_t cells = 0, bytes = 0;
    if (rows > ROWS_MAX || !eng_mul(rows, inputs, &cells) || cells > CELLS_MAX)
        return eng_fail(err, ENG_ETOOBIG, "%zu rows are more than one request may have", rows);
    r->rows = rows;
    r->columns = eng_arena_zalloc(r->arena, (inputs + 1) * sizeof *r->columns);
    if (!r->columns)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < inputs; i++) {
        bool text = r->info->inputs[i].text;
        void *column = NULL;
        if (eng_mul(rows, text ? sizeof(eng_str) : sizeof(double), &bytes))
            column = eng_arena_alloc(r->arena, bytes);
        if (!column)
            return eng_fail_nomem(err);
        if (text)
            r->columns[i].texts = column;
        else
            r->columns[i].numbers = column;
    }
    return ENG_OK;
}

/* ---- Names ---- */

static eng_status make_names(eng_rows *r, eng_error *err)
{
    eng_map *map = eng_arena_zalloc(r->arena, sizeof *map);
    if (!map)
        return eng_fail_nomem(err);
    eng_map_init(map);
    r->names = map;
    for (size_t i = 0; i < r->info->input_count; i++) {
        eng_status status = eng_map_put(map, r->info->inputs[i].name, (void *)&r->info->inputs[i],
                                        NULL, err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

/* Where the input of this name stands; the count where there is none. */
static eng_status index_of(eng_rows *r, eng_str name, size_t hint, size_t *out, eng_error *err)
{
    size_t count = r->info->input_count;
    if (hint < count && eng_str_eq(r->info->inputs[hint].name, name)) {
        *out = hint;
        return ENG_OK;
    }
    if (count <= 16) {
        for (*out = 0; *out < count && !eng_str_eq(r->info->inputs[*out].name, name);)
            ++*out;
        return ENG_OK;
    }
    eng_status status = r->names ? ENG_OK : make_names(r, err);
    if (status < 0)
        return status;
    const eng_feature *input = eng_map_get(r->names, name);
    *out = input ? (size_t)(input - r->info->inputs) : count;
    return ENG_OK;
}

/* The known name that is nearest, where one is near enough to have been meant; else "". */
static eng_str nearest_input(const eng_predictor_info *info, eng_str name)
{
    unsigned best = (unsigned)(name.len < 4 ? 1 : name.len < 9 ? 2 : 3) + 1;
    eng_str found = {"", 0};
    for (size_t i = 0; i < info->input_count && i < 4096; i++) {
        unsigned d = eng_str_distance(info->inputs[i].name, name);
        if (d < best) {
            best = d;
            found = info->inputs[i].name;
        }
    }
    return found;
}

static eng_status unknown_field(const eng_rows *r, eng_str name, eng_error *err)
{
    eng_str near = nearest_input(r->info, name), shown = eng_str_sub(name, 0, 200);
    eng_str first = r->info->input_count ? r->info->inputs[0].name : (eng_str){"", 0};
    if (near.len)
        return eng_fail_field(err, ENG_EINVALID, shown,
                              "the model has no such field: did you mean '%.*s'?", ENG_FMT(near));
    return eng_fail_field(err, ENG_EINVALID, shown,
                          "the model has no such field; its %zu are '%.*s'%s", r->info->input_count,
                          ENG_FMT(eng_str_sub(first, 0, 100)),
                          r->info->input_count > 1 ? " ..." : "");
}

/* ---- Cells ---- */

static const char *expected(const eng_feature *input)
{
    if (input->text)
        return input->missing ? "a string or null" : "a string";
    return input->missing ? "a number or null" : "a number";
}

/* " (row 3)" where there are several, counted from 0 as all positions are. */
static eng_status bad_cell(const eng_rows *r, size_t row, size_t input, const char *got,
                           eng_error *err)
{
    const eng_feature *in = &r->info->inputs[input];
    if (!r->many)
        return eng_fail_field(err, ENG_EINVALID, eng_str_sub(in->name, 0, 200), "expected %s, %s",
                              expected(in), got);
    return eng_fail_field(err, ENG_EINVALID, eng_str_sub(in->name, 0, 200),
                          "expected %s in row %zu, %s", expected(in), row, got);
}

static eng_status put(eng_rows *r, size_t row, size_t input, const eng_json *v, eng_error *err)
{
    const eng_feature *in = &r->info->inputs[input];
    eng_column *c = &r->columns[input];
    if (v->type == ENG_JSON_NULL && in->missing) {
        if (in->text)
            ((eng_str *)c->texts)[row] = (eng_str){NULL, 0};
        else
            ((double *)c->numbers)[row] = NAN;
        return ENG_OK;
    }
    if (in->text && v->type == ENG_JSON_STRING) {
        ((eng_str *)c->texts)[row] = eng_json_text(v);
        return ENG_OK;
    }
    if (!in->text && eng_json_number(v, &((double *)c->numbers)[row]))
        return ENG_OK;
    if (v->type == ENG_JSON_NULL)
        return bad_cell(r, row, input, "got null, and the model takes no missing values here", err);
    char got[64];
    snprintf(got, sizeof got, "got %s", eng_json_type_name(v));
    return bad_cell(r, row, input, got, err);
}

static eng_status absent(const eng_rows *r, size_t row, const eng_json *object, eng_error *err)
{
    for (size_t i = 0; i < r->info->input_count; i++)
        if (!eng_json_get(object, r->info->inputs[i].name))
            return bad_cell(r, row, i, "but the field is absent", err);
    return eng_fail(err, ENG_EINTERNAL, "no field is absent");
}

/* Keys are unlike each other (the reader saw to that), so that counting tells whether all are there. */
static eng_status put_object(eng_rows *r, size_t row, const eng_json *object, eng_error *err)
{
    size_t count = eng_json_count(object), found = 0, at;
    for (size_t i = 0; i < count; i++) {
        eng_str key = eng_json_key(object, i);
        eng_status status = index_of(r, key, i, &at, err);
        if (status == ENG_OK && at == r->info->input_count)
            status = unknown_field(r, key, err);
        if (status == ENG_OK)
            status = put(r, row, at, eng_json_value(object, i), err);
        if (status < 0)
            return status;
        found++;
    }
    return found == r->info->input_count ? ENG_OK : absent(r, row, object, err);
}

static eng_status put_list(eng_rows *r, size_t row, const eng_json *list, const char *name,
                           eng_error *err)
{
    size_t count = r->info->input_count;
    if (eng_json_count(list) != count)
        return eng_fail_field(err, ENG_EINVALID, eng_str_of(name),
                              "expected %zu values in row %zu, got %zu", count, row,
                              eng_json_count(list));
    for (size_t i = 0; i < count; i++) {
        eng_status status = put(r, row, i, eng_json_at(list, i), err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

/* ---- Shapes ---- */

/* A list of rows, each an object or a list of values. */
static eng_status read_list(eng_rows *r, const char *name, const eng_json *list, eng_error *err)
{
    r->many = true;
    if (!eng_json_is(list, ENG_JSON_ARRAY) || list->count == 0)
        return eng_fail_field(err, ENG_EINVALID, eng_str_of(name),
                              "expected a list of at least 1 row");
    eng_status status = begin(r, list->count, err);
    for (size_t i = 0; i < list->count && status == ENG_OK; i++) {
        const eng_json *row = eng_json_at(list, i);
        if (row->type == ENG_JSON_OBJECT)
            status = put_object(r, i, row, err);
        else if (row->type == ENG_JSON_ARRAY)
            status = put_list(r, i, row, name, err);
        else
            status = eng_fail_field(err, ENG_EINVALID, eng_str_of(name),
                                    "expected a list or an object as row %zu, got %s", i,
                                    eng_json_type_name(row));
    }
    return status;
}

/* Which input each column is; every input has to have one. */
static eng_status read_columns(eng_rows *r, const eng_json *columns, size_t *order, eng_error *err)
{
    size_t count = r->info->input_count, at;
    bool *seen = eng_arena_zalloc(r->arena, count + 1);
    if (!seen)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < eng_json_count(columns); i++) {
        eng_str name = eng_json_text(eng_json_at(columns, i));
        if (!eng_json_is(eng_json_at(columns, i), ENG_JSON_STRING))
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("columns"),
                                  "expected a string as column %zu", i);
        eng_status status = index_of(r, name, i, &at, err);
        if (status < 0)
            return status;
        if (at == count)
            return unknown_field(r, name, err);
        if (seen[at])
            return eng_fail_field(err, ENG_EINVALID, eng_str_sub(name, 0, 200),
                                  "the column stands twice");
        seen[at] = true;
        order[i] = at;
    }
    for (size_t i = 0; i < count; i++)
        if (!seen[i])
            return bad_cell(r, 0, i, "but the column is absent", err);
    return ENG_OK;
}

static eng_status read_split(eng_rows *r, const eng_json *split, eng_error *err)
{
    const eng_json *columns = eng_json_get(split, ENG_STR("columns"));
    const eng_json *data = eng_json_get(split, ENG_STR("data"));
    size_t count = r->info->input_count;
    if (!eng_json_is(columns, ENG_JSON_ARRAY))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("columns"), "expected a list of names");
    if (!eng_json_is(data, ENG_JSON_ARRAY) || data->count == 0)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("data"),
                              "expected a list of at least 1 row");
    size_t *order = eng_arena_array(r->arena, eng_json_count(columns) + 1, sizeof *order);
    r->many = true;
    eng_status status = order ? read_columns(r, columns, order, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = begin(r, data->count, err);
    for (size_t row = 0; row < data->count && status == ENG_OK; row++) {
        const eng_json *values = eng_json_at(data, row);
        if (!eng_json_is(values, ENG_JSON_ARRAY) || values->count != count)
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("data"),
                                  "expected a list of %zu values as row %zu", count, row);
        for (size_t i = 0; i < count && status == ENG_OK; i++)
            status = put(r, row, order[i], eng_json_at(values, i), err);
    }
    return status;
}

static eng_status read_object(eng_rows *r, const char *name, const eng_json *object, eng_error *err)
{
    if (!eng_json_is(object, ENG_JSON_OBJECT))
        return eng_fail_field(err, ENG_EINVALID, eng_str_of(name), "expected an object");
    eng_status status = begin(r, 1, err);
    return status < 0 ? status : put_object(r, 0, object, err);
}

/* A shape's key, unless the model has a field of that name. */
static const eng_json *shape(const eng_rows *r, const eng_json *body, const char *key)
{
    const eng_json *v = eng_json_get(body, eng_str_of(key));
    for (size_t i = 0; v && i < r->info->input_count; i++)
        if (eng_str_eq(r->info->inputs[i].name, eng_str_of(key)))
            return NULL;
    return v;
}

static eng_status read_body(eng_rows *r, const eng_json *body, bool mlflow, eng_error *err)
{
    static const char *const lists[] = {"input_data", "instances", "dataframe_records", "inputs"};
    const eng_json *v;
    if (!body || body->type != ENG_JSON_OBJECT)
        return eng_fail(err, ENG_EMALFORMED, "expected an object%s%s", body ? ", got " : "",
                        body ? eng_json_type_name(body) : "");
    v = shape(r, body, "dataframe_split");
    if (v && v->type != ENG_JSON_OBJECT)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("dataframe_split"), "expected an object");
    if (v)
        return read_split(r, v, err);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if ((v = shape(r, body, lists[i])))
            return read_list(r, lists[i], v, err);
    if (mlflow)
        return eng_fail(err, ENG_EINVALID,
                        "expected one of dataframe_split, dataframe_records, instances, inputs");
    v = shape(r, body, "features");
    return v ? read_object(r, "features", v, err) : read_object(r, "body", body, err);
}

eng_status eng_rows_read(const eng_predictor_info *info, const eng_json *body, bool mlflow,
                         eng_arena *arena, eng_rows *out, eng_error *err)
{
    *out = (eng_rows){.info = info, .arena = arena};
    eng_status status = read_body(out, body, mlflow, err);
    if (out->names)
        eng_map_clear(out->names);
    return status;
}

/* ---- Tensors ---- */

typedef struct {
    eng_str name;
    size_t rows;
    size_t width;
    const eng_json *data;
    bool nested; /* rows are lists of their own */
} tensor;

static eng_status bad_tensor(size_t index, const char *what, eng_error *err)
{
    char field[40];
    snprintf(field, sizeof field, "inputs[%zu]", index);
    return eng_fail_field(err, ENG_EINVALID, eng_str_of(field), "%s", what);
}

static bool is_datatype(eng_str name)
{
    static const char *const known[] = {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64",
                                        "INT8", "INT16", "INT32",  "INT64",  "FP16",
                                        "FP32", "FP64",  "BYTES"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (eng_str_eq(name, eng_str_of(known[i])))
            return true;
    return false;
}

static bool dimension(const eng_json *v, size_t *out)
{
    if (!eng_json_is(v, ENG_JSON_INT) || v->as.integer < 0)
        return false;
    *out = (size_t)v->as.integer;
    return true;
}

static eng_status read_tensor(const eng_json *v, size_t index, tensor *out, eng_error *err)
{
    const eng_json *shape_of = eng_json_get(v, ENG_STR("shape"));
    size_t dims = eng_json_count(shape_of), cells;
    *out = (tensor){.name = eng_json_text(eng_json_get(v, ENG_STR("name"))),
                    .width = 1,
                    .data = eng_json_get(v, ENG_STR("data"))};
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return bad_tensor(index, "expected an object", err);
    if (!is_datatype(eng_json_text(eng_json_get(v, ENG_STR("datatype")))))
        return bad_tensor(index, "expected a datatype such as FP64", err);
    if (!eng_json_is(shape_of, ENG_JSON_ARRAY) || dims < 1 || dims > 2 ||
        !dimension(eng_json_at(shape_of, 0), &out->rows) || out->rows == 0 ||
        (dims == 2 && !dimension(eng_json_at(shape_of, 1), &out->width)) ||
        !eng_mul(out->rows, out->width, &cells))
        return bad_tensor(index, "expected a shape of one or two dimensions", err);
    if (!eng_json_is(out->data, ENG_JSON_ARRAY))
        return bad_tensor(index, "expected a list of data", err);
    out->nested = eng_json_is(eng_json_at(out->data, 0), ENG_JSON_ARRAY);
    if (out->data->count != (out->nested ? out->rows : cells))
        return bad_tensor(index, "the data are not as many as the shape says", err);
    return ENG_OK;
}

static eng_status put_matrix(eng_rows *r, const tensor *t, eng_error *err)
{
    size_t width = r->info->input_count;
    if (t->width != width)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("inputs[0]"),
                              "expected %zu columns, got %zu", width, t->width);
    eng_status status = begin(r, t->rows, err);
    for (size_t row = 0; row < t->rows && status == ENG_OK; row++) {
        if (t->nested) {
            status = put_list(r, row, eng_json_at(t->data, row), "inputs[0]", err);
            continue;
        }
        for (size_t i = 0; i < width && status == ENG_OK; i++)
            status = put(r, row, i, eng_json_at(t->data, row * width + i), err);
    }
    return status;
}

static eng_status put_tensor(eng_rows *r, const tensor *t, size_t index, size_t at, eng_error *err)
{
    eng_status status = ENG_OK;
    if (t->rows != r->rows || t->width != 1)
        return bad_tensor(index, "expected one value for each row", err);
    for (size_t row = 0; row < t->rows && status == ENG_OK; row++) {
        const eng_json *v = eng_json_at(t->data, row);
        if (t->nested && eng_json_count(v) != 1)
            return bad_tensor(index, "expected one value for each row", err);
        status = put(r, row, at, t->nested ? eng_json_at(v, 0) : v, err);
    }
    return status;
}

static eng_status put_tensors(eng_rows *r, const eng_json *inputs, eng_error *err)
{
    size_t count = r->info->input_count, at;
    tensor t;
    bool *seen = eng_arena_zalloc(r->arena, count + 1);
    if (!seen)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < inputs->count; i++) {
        eng_status status = read_tensor(eng_json_at(inputs, i), i, &t, err);
        if (status == ENG_OK && i == 0)
            status = begin(r, t.rows, err);
        if (status == ENG_OK)
            status = index_of(r, t.name, i, &at, err);
        if (status == ENG_OK && at == count)
            status = unknown_field(r, t.name, err);
        if (status == ENG_OK && seen[at])
            status = bad_tensor(i, "its name stands twice", err);
        if (status == ENG_OK)
            status = put_tensor(r, &t, i, at, err);
        if (status < 0)
            return status;
        seen[at] = true;
    }
    for (size_t i = 0; i < count; i++)
        if (!seen[i])
            return bad_cell(r, 0, i, "but its tensor is absent", err);
    return ENG_OK;
}

/* One tensor is a matrix, unless it has one column and the model's only field's name. */
static eng_status read_tensors(eng_rows *r, const eng_json *inputs, eng_error *err)
{
    tensor t;
    r->many = true;
    if (!eng_json_is(inputs, ENG_JSON_ARRAY) || inputs->count == 0)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("inputs"),
                              "expected a list of at least 1 tensor");
    if (inputs->count > 1)
        return put_tensors(r, inputs, err);
    eng_status status = read_tensor(eng_json_at(inputs, 0), 0, &t, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < r->info->input_count; i++)
        if (eng_str_eq(r->info->inputs[i].name, t.name))
            return put_tensors(r, inputs, err);
    return put_matrix(r, &t, err);
}

eng_status eng_rows_tensors(const eng_predictor_info *info, const eng_json *inputs,
                            eng_arena *arena, eng_rows *out, eng_error *err)
{
    *out = (eng_rows){.info = info, .arena = arena};
    eng_status status = read_tensors(out, inputs, err);
    if (out->names)
        eng_map_clear(out->names);
    return status;
}
