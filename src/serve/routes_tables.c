/*
 * Models that were loaded: /model/..., as the first system had it, and versions of all of them under
 * /v1/tables and /v1/texts.
 */
#include "base/clock.h"
#include "base/error.h"
#include "serve/predict.h"
#include "serve/routes.h"

#include <stdio.h>

enum { MODEL_MAX_SHIFT = 31 }; /* 2 GiB of a model's file */

/* ---- Loading ---- */

static const eng_field load_fields[] = {
    {"path", ENG_TEXT, .min = 1, .max = 4096,
     .doc = "In place of a file: one below the models' folder of the data directory."},
    {"name", ENG_TEXT, .max = 200, .doc = "The model's name; else that of the file."},
    {0},
};

static const eng_field feature_shape[] = {
    {"name", ENG_TEXT, .required = true, .doc = "What a row calls it."},
    {"type", ENG_CHOICE, .required = true, .choices = "number|integer|string",
     .doc = "What its values are."},
    {"nullable", ENG_BOOL, .required = true, .doc = "Whether null, a missing value, is taken."},
    {"categories", ENG_LIST, .items = ENG_TEXT, .doc = "The values that the model knows."},
    {"unknown", ENG_BOOL, .doc = "Whether other values are taken too."},
    {"minimum", ENG_NUMBER, .doc = "The smallest that it was trained on, where the file tells."},
    {"maximum", ENG_NUMBER, .doc = "The largest."},
    {0},
};

static const eng_field load_reply[] = {
    {"status", ENG_TEXT, .required = true, .doc = "\"success\"."},
    {"message", ENG_TEXT, .required = true, .doc = "For people."},
    {"model", ENG_TEXT, .required = true, .doc = "Its name."},
    {"version", ENG_INT, .required = true, .doc = "1 for the first of this name."},
    {"format", ENG_TEXT, .required = true, .doc = "Which library wrote it."},
    {"about", ENG_TEXT, .required = true, .doc = "What it is."},
    {"features", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = feature_shape,
     .doc = "What a row has, in this order."},
    {"classes", ENG_LIST, .items = ENG_ANY, .doc = "What it tells apart."},
    {"filename", ENG_TEXT, .required = true, .doc = "The file's, as it was sent."},
    {0},
};

static void write_feature(eng_json_writer *w, const eng_feature *in)
{
    eng_json_open(w, '{');
    eng_json_member(w, "name", in->name);
    eng_json_member(w, "type",
                    eng_str_of(in->text      ? "string"
                               : in->integer ? "integer"
                                             : "number"));
    eng_json_name(w, ENG_STR("nullable"));
    eng_json_bool(w, in->missing);
    if (in->category_count) {
        eng_json_name(w, ENG_STR("categories"));
        eng_json_open(w, '[');
        for (size_t i = 0; i < in->category_count; i++)
            eng_json_string(w, in->categories[i]);
        eng_json_close(w, ']');
        eng_json_name(w, ENG_STR("unknown"));
        eng_json_bool(w, in->unknown);
    }
    if (in->ranged) {
        eng_json_name(w, ENG_STR("minimum"));
        eng_json_double(w, in->low);
        eng_json_name(w, ENG_STR("maximum"));
        eng_json_double(w, in->high);
    }
    eng_json_close(w, '}');
}

/* A list of what there is for each class: of several outputs a list of lists. */
static void write_per_class(eng_json_writer *w, const eng_predictor_info *info,
                            const double *shares)
{
    size_t output = 0;
    eng_json_open(w, '[');
    for (size_t i = 0; i < info->class_count; i++) {
        if (info->class_ends && i == (output ? info->class_ends[output - 1] : 0))
            eng_json_open(w, '[');
        if (shares)
            eng_json_double(w, shares[i]);
        else
            eng_write_label(w, &info->classes[i]);
        if (info->class_ends && i + 1 == info->class_ends[output]) {
            eng_json_close(w, ']');
            output++;
        }
    }
    eng_json_close(w, ']');
}

static void write_classes(eng_json_writer *w, const eng_predictor_info *info)
{
    eng_json_name(w, ENG_STR("classes"));
    write_per_class(w, info, NULL);
}

static void write_model(eng_json_writer *w, const eng_predictor_info *info)
{
    eng_json_member(w, "model", eng_str_of(info->name));
    eng_json_name(w, ENG_STR("version"));
    eng_json_uint(w, info->version);
}

static void write_loaded(eng_json_writer *w, const eng_predictor_info *info, const char *message)
{
    eng_json_open(w, '{');
    eng_json_member(w, "status", ENG_STR("success"));
    eng_json_member(w, "message", eng_str_of(message));
    write_model(w, info);
    eng_json_member(w, "format", eng_str_of(info->format));
    eng_json_member(w, "about", eng_str_of(info->about));
    eng_json_name(w, ENG_STR("features"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < info->input_count; i++)
        write_feature(w, &info->inputs[i]);
    eng_json_close(w, ']');
    if (info->class_count)
        write_classes(w, info);
    eng_json_member(w, "filename", eng_str_of(info->filename));
    eng_json_close(w, '}');
}

/* /v1/texts... and /v1/tables... share their handlers. */
static eng_predictor_kind kind_of(const eng_request *req)
{
    return eng_str_starts(eng_str_of(req->entry->route->path), ENG_STR("/v1/texts"))
               ? ENG_PREDICTOR_TEXT
               : ENG_PREDICTOR_TABLE;
}

/* What cannot be loaded is the client's: also a file of another version, or damaged. */
static eng_status as_refusal(eng_status status, eng_error *err)
{
    switch (status) {
    case ENG_ECORRUPT:
    case ENG_EVERSION:
    case ENG_ETYPE:
    case ENG_ETRUNCATED:
    case ENG_EUNSUPPORTED:
        err->status = ENG_EMALFORMED;
        return ENG_EMALFORMED;
    default:
        return status;
    }
}

static eng_status load(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predictor *p = NULL;
    size_t count;
    eng_load what = {.kind = kind_of(req)};
    const eng_part *parts = eng_req_parts(req, &count);
    if (eng_req_has(req, "name"))
        what.name = eng_req_text(req, "name");
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].filename.ptr && !eng_str_eq(parts[i].name, ENG_STR("file")))
            continue;
        if (what.bytes.ptr)
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("file"), "expected one file");
        what.bytes = parts[i].content.ptr ? parts[i].content : (eng_str){"", 0};
        what.filename = parts[i].filename;
    }
    eng_str path = eng_req_has(req, "path") ? eng_req_text(req, "path") : (eng_str){NULL, 0};
    if (!what.bytes.ptr && !path.ptr)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("file"),
                              "expected a file, as a part of multipart/form-data, or a path");
    if (path.ptr && memchr(path.ptr, 0, path.len))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("path"), "expected no byte 0");
    what.path = path.ptr;
    eng_status status = eng_predictor_load(eng_req_engine(req), &what, &p, err);
    if (status < 0)
        return as_refusal(status, err);
    write_loaded(eng_reply_json(out), eng_predictor_about(p), "Model loaded successfully");
    eng_predictor_give(p);
    return ENG_OK;
}

/* ---- Predicting ---- */

static const eng_field predict_query[] = {
    {"proba", ENG_BOOL, .preset = "false", .doc = "Probabilities and classes too."},
    {"model", ENG_TEXT, .max = 200, .doc = "Another model than the one in use, by name."},
    {0},
};

static const eng_field predict_reply[] = {
    {"prediction", ENG_ANY, .doc = "Of one row: a number or a label.", .example = "4.5"},
    {"predictions", ENG_LIST, .items = ENG_ANY, .doc = "Of a list of rows, in their order."},
    {"probabilities", ENG_LIST, .items = ENG_ANY,
     .doc = "With ?proba=true: one for each class; of many rows a list for each."},
    {"classes", ENG_LIST, .items = ENG_ANY, .doc = "The probabilities' classes."},
    {"model", ENG_TEXT, .required = true, .doc = "Which model."},
    {"version", ENG_INT, .required = true, .doc = "Which version of it."},
    {0},
};

static void write_shares(eng_json_writer *w, const eng_predicting *p)
{
    size_t classes = p->rows.info->class_count;
    eng_json_name(w, ENG_STR("probabilities"));
    if (p->rows.many)
        eng_json_open(w, '[');
    for (size_t row = 0; row < p->rows.rows; row++)
        write_per_class(w, p->rows.info, p->shares + row * classes);
    if (p->rows.many)
        eng_json_close(w, ']');
    write_classes(w, p->rows.info);
}

static void write_predictions(eng_json_writer *w, const eng_predicting *p)
{
    eng_json_name(w, p->rows.many ? ENG_STR("predictions") : ENG_STR("prediction"));
    if (p->rows.many)
        eng_json_open(w, '[');
    for (size_t row = 0; row < p->rows.rows; row++)
        eng_write_predicted(w, p, row);
    if (p->rows.many)
        eng_json_close(w, ']');
}

static eng_status predict_with(eng_predicting *p, eng_request *req, bool mlflow, eng_reply *out,
                               eng_error *err)
{
    eng_arena *arena = eng_req_arena(req);
    const eng_predictor_info *info = eng_predictor_about(p->predictor);
    bool proba = !mlflow && eng_req_bool(req, "proba");
    eng_status status = eng_rows_read(info, eng_req_body(req), mlflow, arena, &p->rows, err);
    if (status == ENG_OK)
        status = eng_predict_rows(p, proba, arena, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    write_predictions(w, p);
    if (p->shares)
        write_shares(w, p);
    if (!mlflow)
        write_model(w, info);
    eng_json_close(w, '}');
    return eng_predict_finish(p, req, out, err);
}

static eng_status predict(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predicting p = {.started_ns = eng_clock_ns()};
    eng_str name = eng_req_has(req, "model") ? eng_req_text(req, "model") : (eng_str){"", 0};
    eng_status status = eng_predictor_take(eng_req_engine(req), ENG_PREDICTOR_TABLE, name,
                                           &p.predictor, err);
    if (status < 0)
        return status;
    status = predict_with(&p, req, false, out, err);
    eng_predictor_give(p.predictor);
    return status;
}

/* ---- MLflow ---- */

static const eng_field invocations_reply[] = {
    {"predictions", ENG_LIST, .required = true, .items = ENG_ANY, .doc = "In the rows' order."},
    {0},
};

static eng_status invocations(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predicting p = {.started_ns = eng_clock_ns()};
    eng_status status = eng_predictor_take(eng_req_engine(req), ENG_PREDICTOR_TABLE,
                                           (eng_str){"", 0}, &p.predictor, err);
    if (status < 0)
        return status;
    status = predict_with(&p, req, true, out, err);
    eng_predictor_give(p.predictor);
    return status;
}

static eng_status ping(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predictor *p;
    eng_status status = eng_predictor_take(eng_req_engine(req), ENG_PREDICTOR_TABLE,
                                           (eng_str){"", 0}, &p, err);
    if (status < 0)
        return status;
    eng_predictor_give(p);
    eng_reply_bytes(out, "text/plain");
    return ENG_OK;
}

/* ---- KServe ---- */

static const eng_field infer_reply[] = {
    {"model_name", ENG_TEXT, .required = true, .doc = "Which model."},
    {"model_version", ENG_TEXT, .required = true, .doc = "Which version of it."},
    {"id", ENG_TEXT, .doc = "The request's."},
    {"outputs", ENG_LIST, .required = true, .items = ENG_OBJECT, .doc = "Tensors."},
    {0},
};

static const char *datatype_of(const eng_predictor_info *info)
{
    if (!info->classifies)
        return "FP64";
    /* Several outputs may have labels of different types, which a tensor has not. */
    for (size_t i = 1; i < info->class_count; i++)
        if (info->classes[i].type != info->classes[0].type)
            return "BYTES";
    switch (info->class_count ? info->classes[0].type : ENG_LABEL_INT) {
    case ENG_LABEL_INT:
        return "INT64";
    case ENG_LABEL_DOUBLE:
        return "FP64";
    case ENG_LABEL_BOOL:
        return "BOOL";
    default:
        return "BYTES";
    }
}

static void open_tensor(eng_json_writer *w, const char *name, const char *type, size_t rows,
                        size_t width)
{
    eng_json_open(w, '{');
    eng_json_member(w, "name", eng_str_of(name));
    eng_json_name(w, ENG_STR("shape"));
    eng_json_open(w, '[');
    eng_json_uint(w, rows);
    if (width != 1)
        eng_json_uint(w, width);
    eng_json_close(w, ']');
    eng_json_member(w, "datatype", eng_str_of(type));
    eng_json_name(w, ENG_STR("data"));
    eng_json_open(w, '[');
}

static void close_tensor(eng_json_writer *w)
{
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

static void write_tensors(eng_json_writer *w, const eng_predicting *p)
{
    const eng_predictor_info *info = p->rows.info;
    open_tensor(w, "predict", datatype_of(info), p->rows.rows, info->outputs);
    for (size_t i = 0; i < p->rows.rows * info->outputs; i++)
        eng_write_value(w, info, p->predicted[i]);
    close_tensor(w);
    if (!p->shares)
        return;
    open_tensor(w, "predict_proba", "FP64", p->rows.rows, info->class_count);
    for (size_t i = 0; i < p->rows.rows * info->class_count; i++)
        eng_json_double(w, p->shares[i]);
    close_tensor(w);
}

static void write_inferred(eng_json_writer *w, const eng_predicting *p, const eng_json *id)
{
    const eng_predictor_info *info = p->rows.info;
    char version[16];
    snprintf(version, sizeof version, "%u", info->version);
    eng_json_open(w, '{');
    eng_json_member(w, "model_name", eng_str_of(info->name));
    eng_json_member(w, "model_version", eng_str_of(version));
    if (eng_json_is(id, ENG_JSON_STRING))
        eng_json_member(w, "id", eng_json_text(id));
    eng_json_name(w, ENG_STR("outputs"));
    eng_json_open(w, '[');
    write_tensors(w, p);
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

/* Probabilities are told where an output of that name is asked for. */
static bool asks_for_shares(const eng_json *body)
{
    const eng_json *outputs = eng_json_get(body, ENG_STR("outputs"));
    for (size_t i = 0; eng_json_is(outputs, ENG_JSON_ARRAY) && i < outputs->count; i++)
        if (eng_str_eq(eng_json_text(eng_json_get(eng_json_at(outputs, i), ENG_STR("name"))),
                       ENG_STR("predict_proba")))
            return true;
    return false;
}

static eng_status infer_with(eng_predicting *p, eng_request *req, eng_reply *out, eng_error *err)
{
    eng_arena *arena = eng_req_arena(req);
    const eng_json *body = eng_req_body(req);
    if (!eng_json_is(body, ENG_JSON_OBJECT))
        return eng_fail(err, ENG_EMALFORMED, "expected an object");
    eng_status status = eng_rows_tensors(eng_predictor_about(p->predictor),
                                         eng_json_get(body, ENG_STR("inputs")), arena, &p->rows,
                                         err);
    if (status == ENG_OK)
        status = eng_predict_rows(p, asks_for_shares(body), arena, err);
    if (status < 0)
        return status;
    write_inferred(eng_reply_json(out), p, eng_json_get(body, ENG_STR("id")));
    return eng_predict_finish(p, req, out, err);
}

static eng_status infer(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predicting p = {.started_ns = eng_clock_ns()};
    eng_status status = eng_predictor_take(eng_req_engine(req), ENG_PREDICTOR_TABLE,
                                           eng_req_path(req, "model"), &p.predictor, err);
    if (status < 0)
        return status;
    status = infer_with(&p, req, out, err);
    eng_predictor_give(p.predictor);
    return status;
}

static const eng_field ready_reply[] = {
    {"ready", ENG_BOOL, .required = true, .doc = "Whether requests are welcome."},
    {0},
};

static eng_status say_ready(eng_reply *out)
{
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("ready"));
    eng_json_bool(w, true);
    eng_json_close(w, '}');
    return ENG_OK;
}

static eng_status server_ready(eng_request *req, eng_reply *out, eng_error *err)
{
    if (eng_serve_phase(eng_req_server(req)) == ENG_PHASE_DRAINING)
        return eng_fail(err, ENG_EBUSY, "the server is stopping");
    return say_ready(out);
}

static eng_status model_ready(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predictor *p;
    eng_status status = eng_predictor_take(eng_req_engine(req), ENG_PREDICTOR_TABLE,
                                           eng_req_path(req, "model"), &p, err);
    if (status < 0)
        return status;
    eng_predictor_give(p);
    return say_ready(out);
}

/* ---- History ---- */

static const eng_field history_query[] = {
    {"limit", ENG_INT, .min = 1, .max = 1000, .preset = "50", .doc = "How many at most."},
    {"next", ENG_TEXT, .min = 1, .max = ENG_NEXT_SIZE - 1,
     .doc = "The \"next\" of the page before; without it, the first page."},
    {"model", ENG_TEXT, .max = 200, .doc = "Of this model alone."},
    {"from", ENG_TIME, .doc = "Not before this time."},
    {"to", ENG_TIME, .doc = "Not after this time."},
    {0},
};

static const eng_field entry_shape[] = {
    {"id", ENG_INT, .required = true, .doc = "Grows with time."},
    {"time", ENG_TIME, .required = true, .doc = "When."},
    {"model", ENG_TEXT, .required = true, .doc = "Which model."},
    {"version", ENG_INT, .required = true, .doc = "Which version of it."},
    {"rows", ENG_INT, .required = true, .doc = "How many rows were sent."},
    {"input", ENG_ANY, .required = true, .doc = "The request's body; where it is cut, as text."},
    {"predicted", ENG_ANY, .required = true, .doc = "What was answered."},
    {"ms", ENG_NUMBER, .required = true, .doc = "How long it took."},
    {"cut", ENG_BOOL, .doc = "true: the input or the output was too long to be kept whole."},
    {0},
};

static const eng_field history_reply[] = {
    {"history", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = entry_shape,
     .doc = "Newest first."},
    {"next", ENG_TEXT, .required = true, .nullable = true,
     .doc = "For the page after; null: none."},
    {0},
};

static void write_entry(eng_json_writer *w, const eng_prediction *p)
{
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("id"));
    eng_json_int(w, p->id);
    eng_write_time(w, "time", p->time_ms);
    eng_json_member(w, "model", p->model);
    eng_json_name(w, ENG_STR("version"));
    eng_json_uint(w, p->version);
    eng_json_name(w, ENG_STR("rows"));
    eng_json_uint(w, p->rows);
    eng_json_name(w, ENG_STR("input"));
    eng_json_raw(w, p->input);
    eng_json_name(w, ENG_STR("predicted"));
    eng_json_raw(w, p->predicted);
    eng_json_name(w, ENG_STR("ms"));
    eng_json_double(w, (double)(p->ns / 1000) / 1000);
    if (p->cut) {
        eng_json_name(w, ENG_STR("cut"));
        eng_json_bool(w, true);
    }
    eng_json_close(w, '}');
}

static void write_next(eng_json_writer *w, const char *next)
{
    eng_json_name(w, ENG_STR("next"));
    if (*next)
        eng_json_string(w, eng_str_of(next));
    else
        eng_json_null(w);
}

static eng_prediction_query query_of(const eng_request *req)
{
    return (eng_prediction_query){
        .limit = 1000,
        .model = eng_req_has(req, "model") ? eng_req_text(req, "model") : (eng_str){"", 0},
        .from_ms = eng_req_has(req, "from") ? eng_req_int(req, "from") : INT64_MIN,
        .to_ms = eng_req_has(req, "to") ? eng_req_int(req, "to") : INT64_MAX,
    };
}

static eng_status history(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_prediction_page *page = NULL;
    eng_prediction_query q = query_of(req);
    q.limit = eng_page_limit(req);
    q.next = eng_page_next(req);
    eng_status status = eng_prediction_list(eng_req_engine(req), &q, &page, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("history"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < page->count; i++)
        write_entry(w, &page->items[i]);
    eng_json_close(w, ']');
    write_next(w, page->next);
    eng_json_close(w, '}');
    eng_prediction_page_free(page);
    return ENG_OK;
}

/* ---- All of it, as lines ---- */

static const eng_field export_query[] = {
    {"format", ENG_CHOICE, .preset = "\"ndjson\"", .choices = "ndjson|csv",
     .doc = "Lines of JSON, or a table."},
    {"model", ENG_TEXT, .max = 200, .doc = "Of this model alone."},
    {"from", ENG_TIME, .doc = "Not before this time."},
    {"to", ENG_TIME, .doc = "Not after this time."},
    {0},
};

static void put_quoted(eng_buf *out, eng_str text)
{
    eng_buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            eng_buf_byte(out, '"');
        eng_buf_byte(out, text.ptr[i]);
    }
    eng_buf_byte(out, '"');
}

static void put_csv(eng_buf *out, const eng_prediction *p)
{
    char time[ENG_TIME_SIZE];
    eng_time_format(p->time_ms, time);
    eng_buf_format(out, "%lld,%s,", (long long)p->id, time);
    put_quoted(out, p->model);
    eng_buf_format(out, ",%u,%u,%.3f,%s,", p->version, p->rows, (double)p->ns / 1e6,
                   p->cut ? "true" : "false");
    put_quoted(out, p->input);
    eng_buf_byte(out, ',');
    put_quoted(out, p->predicted);
    eng_buf_str(out, ENG_STR("\r\n"));
}

static void put_line(eng_buf *out, const eng_prediction *p)
{
    eng_json_writer w = eng_json_write_to(out);
    write_entry(&w, p);
    eng_buf_byte(out, '\n');
}

/* Page by page, each as long as the client takes to read it. */
static eng_status send_all(eng_request *req, eng_prediction_query *q, bool csv)
{
    enum { PAGE_MAX = 256 << 20 };
    char next[ENG_NEXT_SIZE] = "";
    eng_exchange *x = eng_req_exchange(req);
    eng_status status = ENG_OK;
    do {
        eng_prediction_page *page = NULL;
        eng_buf text;
        eng_buf_init(&text, PAGE_MAX);
        q->next = *next ? next : NULL;
        status = eng_prediction_list(eng_req_engine(req), q, &page, NULL);
        for (size_t i = 0; status == ENG_OK && i < page->count; i++)
            (csv ? put_csv : put_line)(&text, &page->items[i]);
        if (status == ENG_OK)
            status = eng_buf_check(&text, "history", NULL);
        if (status == ENG_OK && text.len)
            status = eng_exchange_write(x, eng_buf_view(&text), true, NULL);
        memcpy(next, status == ENG_OK ? page->next : "", status == ENG_OK ? sizeof next : 1);
        eng_prediction_page_free(page);
        eng_buf_clear(&text);
    } while (status == ENG_OK && *next);
    return status;
}

static eng_status export_history(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)err;
    eng_exchange *x = eng_req_exchange(req);
    bool csv = eng_str_eq(eng_req_text(req, "format"), ENG_STR("csv"));
    eng_prediction_query q = query_of(req);
    eng_reply_stream(out);
    eng_status status = ENG_OK;
    if (csv)
        status = eng_exchange_write(
            x, ENG_STR("id,time,model,version,rows,ms,cut,input,predicted\r\n"), true, NULL);
    if (status == ENG_OK)
        status = send_all(req, &q, csv);
    eng_exchange_end(x, status < 0);
    return ENG_OK;
}

/* ---- Versions ---- */

static const eng_field version_shape[] = {
    {"version", ENG_INT, .required = true, .doc = "From 1."},
    {"format", ENG_TEXT, .required = true, .doc = "Which library wrote it."},
    {"about", ENG_TEXT, .required = true, .doc = "What it is."},
    {"filename", ENG_TEXT, .required = true, .doc = "As it was sent."},
    {"bytes", ENG_INT, .required = true, .doc = "Of its file."},
    {"loaded_at", ENG_TIME, .required = true, .doc = "When it came."},
    {"active", ENG_BOOL, .required = true, .doc = "Whether it answers for the model's name."},
    {0},
};

static const eng_field predictor_shape[] = {
    {"name", ENG_TEXT, .required = true, .doc = "The model's name."},
    {"active", ENG_INT, .required = true, .doc = "The version that answers."},
    {"in_use", ENG_BOOL, .required = true, .doc = "Whether it answers where none is named."},
    {"versions", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = version_shape,
     .doc = "Oldest first."},
    {0},
};

static const eng_field predictors_reply[] = {
    {"models", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = predictor_shape,
     .doc = "By name."},
    {"next", ENG_TEXT, .required = true, .nullable = true,
     .doc = "For the page after; null: none."},
    {0},
};

static const eng_field chosen_reply[] = {
    {"name", ENG_TEXT, .required = true, .doc = "The model's name."},
    {"active", ENG_INT, .required = true, .doc = "The version that answers now."},
    {0},
};

static void write_versions(eng_json_writer *w, const eng_predictor_model *m)
{
    eng_json_open(w, '{');
    eng_json_member(w, "name", eng_str_of(m->name));
    eng_json_name(w, ENG_STR("active"));
    eng_json_uint(w, m->active);
    eng_json_name(w, ENG_STR("in_use"));
    eng_json_bool(w, m->in_use);
    eng_json_name(w, ENG_STR("versions"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < m->version_count; i++) {
        const eng_predictor_version *v = &m->versions[i];
        eng_json_open(w, '{');
        eng_json_name(w, ENG_STR("version"));
        eng_json_uint(w, v->version);
        eng_json_member(w, "format", eng_str_of(v->format));
        eng_json_member(w, "about", eng_str_of(v->about));
        eng_json_member(w, "filename", eng_str_of(v->filename));
        eng_json_name(w, ENG_STR("bytes"));
        eng_json_uint(w, v->bytes);
        eng_write_time(w, "loaded_at", v->loaded_ms);
        eng_json_name(w, ENG_STR("active"));
        eng_json_bool(w, v->active);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

static eng_status list(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predictor_page *page = NULL;
    eng_status status = eng_predictor_list(eng_req_engine(req), kind_of(req), eng_page_limit(req),
                                           eng_page_next(req), &page, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("models"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < page->count; i++)
        write_versions(w, &page->models[i]);
    eng_json_close(w, ']');
    write_next(w, page->next);
    eng_json_close(w, '}');
    eng_predictor_page_free(page);
    return ENG_OK;
}

static eng_status show(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_predictor_page *page = NULL;
    eng_status status = eng_predictor_get(eng_req_engine(req), kind_of(req),
                                          eng_req_path(req, "model"), &page, err);
    if (status < 0)
        return status;
    write_versions(eng_reply_json(out), &page->models[0]);
    eng_predictor_page_free(page);
    return ENG_OK;
}

static eng_status choose(eng_request *req, uint32_t version, eng_reply *out, eng_error *err)
{
    eng_predictor *p = NULL;
    eng_status status = eng_predictor_choose(eng_req_engine(req), kind_of(req),
                                             eng_req_path(req, "model"), version, &p, err);
    if (status < 0)
        return status;
    const eng_predictor_info *info = eng_predictor_about(p);
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "name", eng_str_of(info->name));
    eng_json_name(w, ENG_STR("active"));
    eng_json_uint(w, info->version);
    eng_json_close(w, '}');
    eng_predictor_give(p);
    return ENG_OK;
}

static eng_status activate(eng_request *req, eng_reply *out, eng_error *err)
{
    uint64_t version;
    eng_str text = eng_req_path(req, "version");
    if (!eng_str_u64(text, &version) || version == 0 || version > UINT32_MAX)
        return eng_fail(err, ENG_ENOTFOUND, "no version '%.*s'",
                        ENG_FMT(eng_str_sub(text, 0, 100)));
    return choose(req, (uint32_t)version, out, err);
}

static eng_status rollback(eng_request *req, eng_reply *out, eng_error *err)
{
    return choose(req, 0, out, err);
}

/* ---- Rows ---- */

#define LOADS                                                                                      \
    .fails = "409", .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON | ENG_TAKES_MULTIPART,         \
    .body_max = 1ull << MODEL_MAX_SHIFT
#define PREDICTS .where = ENG_ON_LOOP, .loop_max = 4096, .takes = ENG_TAKES_JSON, .fails = "404 503"

const eng_route eng_routes_tables[] = {
    {ENG_POST, "/model/load", ENG_ROLE_WRITE, load_fields, load_reply, load,
     "Loads a model's file, executing nothing, and makes it the one in use.",
     .example = "{\"path\": \"delay.pkl\", \"name\": \"delay\"}", LOADS},
    {ENG_POST, "/model/predict", ENG_ROLE_READ, NULL, predict_reply, predict,
     "Predicts for one row or many, in any of the usual shapes.", .query = predict_query,
     .example = "{\"dep_delay\": 2, \"distance\": 500}", PREDICTS},
    {ENG_GET, "/model/history", ENG_ROLE_READ, NULL, history_reply, history,
     "Shows what was predicted, newest first.", .query = history_query, .where = ENG_ON_WORKER},
    {ENG_GET, "/model/history/export", ENG_ROLE_READ, NULL, NULL, export_history,
     "All that was predicted, a line each, newest first: JSON, or CSV with ?format=csv.",
     .query = export_query, .reply_type = "application/x-ndjson", .where = ENG_ON_STREAM},
    {ENG_GET, "/v1/tables", ENG_ROLE_READ, NULL, predictors_reply, list,
     "Lists the models for tables, and their versions.", .query = eng_page_query,
     .where = ENG_ON_WORKER},
    {ENG_GET, "/v1/tables/{model}", ENG_ROLE_READ, NULL, predictor_shape, show, "Shows a model.",
     .fails = "404", .where = ENG_ON_WORKER},
    {ENG_POST, "/v1/tables/{model}/versions/{version}/activate", ENG_ROLE_WRITE, NULL, chosen_reply,
     activate, "Makes a version the one that answers.", .fails = "404", .where = ENG_ON_WORKER},
    {ENG_POST, "/v1/tables/{model}/rollback", ENG_ROLE_WRITE, NULL, chosen_reply, rollback,
     "Goes back to the version that answered before.", .fails = "404 409", .where = ENG_ON_WORKER},
    {ENG_GET, "/v1/texts", ENG_ROLE_READ, NULL, predictors_reply, list,
     "Lists the models for texts, and their versions.", .query = eng_page_query,
     .where = ENG_ON_WORKER},
    {ENG_POST, "/v1/texts", ENG_ROLE_WRITE, load_fields, load_reply, load,
     "Loads what was trained on texts, and makes it the one in use.",
     .example = "{\"path\": \"categories.engenho\"}", LOADS},
    {ENG_GET, "/v1/texts/{model}", ENG_ROLE_READ, NULL, predictor_shape, show, "Shows a model.",
     .fails = "404", .where = ENG_ON_WORKER},
    {ENG_POST, "/v1/texts/{model}/versions/{version}/activate", ENG_ROLE_WRITE, NULL, chosen_reply,
     activate, "Makes a version the one that answers.", .fails = "404", .where = ENG_ON_WORKER},
    {ENG_POST, "/v1/texts/{model}/rollback", ENG_ROLE_WRITE, NULL, chosen_reply, rollback,
     "Goes back to the version that answered before.", .fails = "404 409", .where = ENG_ON_WORKER},
    {ENG_POST, "/invocations", ENG_ROLE_READ, NULL, invocations_reply, invocations,
     "Predicts, as MLflow does.", .example = "{\"dataframe_records\": [{\"dep_delay\": 2}]}",
     PREDICTS},
    {ENG_GET, "/ping", ENG_ROLE_READ, NULL, NULL, ping, "Answers 200 where a model is loaded.",
     .reply_type = "text/plain", .fails = "503", .where = ENG_ON_LOOP},
    {ENG_POST, "/v2/models/{model}/infer", ENG_ROLE_READ, NULL, infer_reply, infer,
     "Predicts, as KServe does.",
     .example = "{\"inputs\": [{\"name\": \"x\", \"shape\": [1, 2], \"datatype\": \"FP64\", "
                "\"data\": [2, 500]}]}",
     .errors = ENG_ERRORS_OLLAMA, PREDICTS},
    {ENG_GET, "/v2/models/{model}/ready", ENG_ROLE_READ, NULL, ready_reply, model_ready,
     "Answers 200 where that model is loaded.", .errors = ENG_ERRORS_OLLAMA, .fails = "404 503",
     .where = ENG_ON_LOOP},
    {ENG_GET, "/v2/health/ready", ENG_ROLE_READ, NULL, ready_reply, server_ready,
     "Answers 200 when requests are welcome.", .errors = ENG_ERRORS_OLLAMA, .fails = "503",
     .where = ENG_ON_LOOP},
    {ENG_GET, "/v2/health/live", ENG_ROLE_READ, NULL, ready_reply, server_ready,
     "Answers as long as the process lives.", .errors = ENG_ERRORS_OLLAMA, .where = ENG_ON_LOOP},
    {0},
};
