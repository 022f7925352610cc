/* Documents: sent as JSON, line by line or as files; listed, shown, removed. */
#include "base/error.h"
#include "serve/routes.h"

enum { ID_BYTES = 512, TITLE_CHARS = 2000, URL_CHARS = 8000, DOCUMENTS_MAX = 10000, BATCH = 256 };

static const uint64_t BODY_MAX = 1024ull << 20;

/* ---- Shapes ---- */

static const eng_field document_fields[] = {
    {"id", ENG_TEXT, .min = 1, .max = ID_BYTES,
     .doc = "What its owner calls it, at most 512 bytes; without it one is made of its content."},
    {"title", ENG_TEXT, .max = TITLE_CHARS, .doc = "What people call it."},
    {"text", ENG_TEXT, .min = 1, .doc = "Its text, kept as it is.",
     .example = "\"O prazo de entrega \xC3\xA9 de 7 dias.\""},
    {"url", ENG_TEXT, .max = URL_CHARS,
     .doc = "Its address; without a text, where it is fetched from."},
    {"metadata", ENG_OBJECT, .doc = "What searches can be filtered by.",
     .example = "{\"ano\": 2026}"},
    {0},
};

static const eng_field ingest_fields[] = {
    {"documents", ENG_LIST, .min = 1, .max = DOCUMENTS_MAX, .items = ENG_OBJECT,
     .of = document_fields, .doc = "What is to be taken in. (A form has parts \"file\" instead.)"},
    {0},
};

static const eng_field ingest_query[] = {
    {"async", ENG_BOOL, .preset = "false", .doc = "Whether to answer 202 with a job at once."},
    {0},
};

static const eng_field ingested_shape[] = {
    {"id", ENG_TEXT, .required = true, .doc = "The document's id."},
    {"passages", ENG_INT, .required = true, .doc = "Into how many it was cut."},
    {"tokens", ENG_INT, .required = true, .doc = "How many tokens it has."},
    {"status", ENG_CHOICE, .required = true, .choices = "indexed|unchanged|replaced|failed",
     .doc = "What became of it."},
    {"error", ENG_TEXT, .doc = "Why it failed."},
    {0},
};

static const eng_field ingest_reply[] = {
    {"documents", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = ingested_shape,
     .doc = "In the order sent."},
    {"timings", ENG_OBJECT, .required = true, .doc = "Milliseconds by stage."},
    {0},
};

#define DOCUMENT_FIELDS                                                                            \
    {"id", ENG_TEXT, .required = true, .doc = "The document's id."},                               \
        {"title", ENG_TEXT, .required = true, .nullable = true, .doc = "What people call it."},    \
        {"url", ENG_TEXT, .required = true, .nullable = true, .doc = "Its address."},              \
        {"metadata", ENG_OBJECT, .required = true, .doc = "What searches can be filtered by."},    \
        {"language", ENG_TEXT, .required = true, .nullable = true,                                 \
         .doc = "\"pt\", \"en\", \"es\"; null where it was not recognised."},                      \
        {"bytes", ENG_INT, .required = true, .doc = "Of its text."},                               \
        {"tokens", ENG_INT, .required = true, .doc = "How many tokens it has."},                   \
        {"version", ENG_INT, .required = true, .doc = "1, and one more with each replacement."},   \
        {"created_at", ENG_TIME, .required = true, .doc = "When it first came."},                  \
    {                                                                                              \
        "updated_at", ENG_TIME, .required = true, .doc = "When it last changed."                   \
    }

static const eng_field listed_shape[] = {DOCUMENT_FIELDS, {0}};

static const eng_field passage_shape[] = {
    {"passage", ENG_INT, .required = true, .doc = "Its place in the document, from 0."},
    {"start", ENG_INT, .required = true, .doc = "Its first byte in the document's text."},
    {"end", ENG_INT, .required = true, .doc = "The byte behind its last."},
    {"tokens", ENG_INT, .required = true, .doc = "How many tokens it has."},
    {"heading", ENG_TEXT, .doc = "What stands above it."},
    {"text", ENG_TEXT, .required = true, .doc = "text[start:end] of the document."},
    {0},
};

static const eng_field document_reply[] = {
    DOCUMENT_FIELDS,
    {"text", ENG_TEXT, .required = true, .doc = "Its text."},
    {"passages", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = passage_shape,
     .doc = "How it is cut."},
    {0},
};

static const eng_field list_reply[] = {
    {"documents", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = listed_shape,
     .doc = "In the order in which they came, without their texts."},
    {"next", ENG_TEXT, .doc = "For the next page; absent on the last."},
    {0},
};

/* ---- What was sent, as sources ---- */

typedef struct {
    eng_source *items;
    size_t count, cap;
} sources;

static eng_status add_source(eng_request *req, sources *s, const eng_source *source, eng_error *err)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        eng_source *items = eng_arena_array(eng_req_arena(req), cap, sizeof *items);
        if (!items)
            return eng_fail_nomem(err);
        if (s->count)
            memcpy(items, s->items, s->count * sizeof *items);
        s->items = items;
        s->cap = cap;
    }
    s->items[s->count++] = *source;
    return ENG_OK;
}

/* A tree as text again, in the arena. */
static eng_status as_text(eng_request *req, const eng_json *v, eng_str *out, eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, 64 << 20);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_copy(&w, v);
    eng_status status = eng_buf_check(&text, "metadata", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(eng_req_arena(req), eng_buf_view(&text));
        if (!out->ptr)
            status = eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

static eng_str text_or_none(const eng_json *object, const char *key)
{
    const eng_json *v = eng_json_get(object, eng_str_of(key));
    return eng_json_is(v, ENG_JSON_STRING) ? eng_json_text(v) : (eng_str){NULL, 0};
}

/* An object that its table has found valid. */
static eng_status read_source(eng_request *req, const eng_json *object, eng_source *out,
                              eng_error *err)
{
    const eng_json *metadata = eng_json_get(object, ENG_STR("metadata"));
    *out = (eng_source){.id = text_or_none(object, "id"),
                        .title = text_or_none(object, "title"),
                        .url = text_or_none(object, "url"),
                        .text = text_or_none(object, "text"),
                        .metadata = {NULL, 0}};
    if (!out->text.ptr && !out->url.len)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("text"), "expected a text or a url");
    return eng_json_is(metadata, ENG_JSON_OBJECT) ? as_text(req, metadata, &out->metadata, err)
                                                  : ENG_OK;
}

static eng_status from_json(eng_request *req, sources *s, eng_error *err)
{
    const eng_json *list = eng_req_json(req, "documents");
    if (!eng_json_count(list))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("documents"), "expected at least one");
    for (size_t i = 0; i < eng_json_count(list); i++) {
        eng_source source;
        eng_status status = read_source(req, eng_json_at(list, i), &source, err);
        if (status < 0) {
            eng_error_prefix(err, "documents[%zu]", i);
            return status;
        }
        status = add_source(req, s, &source, err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

/* The n-th part of this name that is no file, counted from 0. */
static eng_str field_text(eng_request *req, const char *name, size_t n)
{
    size_t count;
    const eng_part *parts = eng_req_parts(req, &count);
    for (size_t i = 0; i < count; i++) {
        if (!parts[i].filename.ptr && eng_str_eq(parts[i].name, eng_str_of(name)) && n-- == 0)
            return parts[i].content;
    }
    return (eng_str){NULL, 0};
}

/* description and user_id of a form, which the first systems had. */
static eng_status form_metadata(eng_request *req, eng_str *out, eng_error *err)
{
    static const char *const names[] = {"description", "user_id"};
    eng_buf text;
    eng_buf_init(&text, 16 << 20);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_open(&w, '{');
    for (size_t i = 0; i < 2; i++) {
        eng_str value = field_text(req, names[i], 0);
        if (value.len)
            eng_json_member(&w, names[i], value);
    }
    eng_json_close(&w, '}');
    eng_status status = eng_buf_check(&text, "metadata", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(eng_req_arena(req), eng_buf_view(&text));
        if (!out->ptr)
            status = eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

/* Other parts are ignored, whether or not they are files too. */
static bool is_file(const eng_part *part)
{
    return eng_str_eq(part->name, ENG_STR("file")) || eng_str_eq(part->name, ENG_STR("files"));
}

/* The parts that are files. */
static eng_status from_form(eng_request *req, sources *s, eng_error *err)
{
    size_t count;
    const eng_part *parts = eng_req_parts(req, &count);
    eng_source source = {.id = {NULL, 0}, .title = {NULL, 0}, .text = {NULL, 0}};
    eng_str url = field_text(req, "url", 0);
    source.url = url.len ? url : (eng_str){NULL, 0};
    eng_status status = form_metadata(req, &source.metadata, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        if (!is_file(&parts[i]))
            continue;
        source.id = field_text(req, "id", s->count); /* the i-th id is the i-th file's */
        source.bytes = parts[i].content;
        source.file = parts[i].filename.ptr ? parts[i].filename : ENG_STR("");
        source.type = parts[i].type;
        status = add_source(req, s, &source, err);
    }
    if (status == ENG_OK && !s->count)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("file"), "expected at least one file");
    return status;
}

/* ---- What became of it ---- */

static void write_ingested(eng_json_writer *w, const eng_ingested *d)
{
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_str_of(d->id));
    eng_json_name(w, ENG_STR("passages"));
    eng_json_uint(w, d->passages);
    eng_json_name(w, ENG_STR("tokens"));
    eng_json_uint(w, d->tokens);
    eng_json_member(w, "status", eng_str_of(eng_ingest_state_name(d->state)));
    if (d->error)
        eng_json_member(w, "error", eng_str_of(d->error));
    eng_json_close(w, '}');
}

static void write_ms(eng_json_writer *w, const char *name, double ms)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_double(w, ms);
}

static void write_timings(eng_json_writer *w, const eng_ingest_report *sum)
{
    eng_json_name(w, ENG_STR("timings"));
    eng_json_open(w, '{');
    write_ms(w, "extract", sum->extract_ms);
    write_ms(w, "cut", sum->cut_ms);
    write_ms(w, "embed", sum->embed_ms);
    write_ms(w, "store", sum->store_ms);
    write_ms(w, "index", sum->index_ms);
    write_ms(w, "total", sum->total_ms);
    eng_json_close(w, '}');
}

static void add_times(eng_ingest_report *sum, const eng_ingest_report *r)
{
    sum->extract_ms += r->extract_ms;
    sum->cut_ms += r->cut_ms;
    sum->embed_ms += r->embed_ms;
    sum->store_ms += r->store_ms;
    sum->index_ms += r->index_ms;
    sum->total_ms += r->total_ms;
}

static bool gone(void *ctx) { return eng_exchange_cancelled(ctx); }

static eng_ingest_options options_of(eng_request *req)
{
    return (eng_ingest_options){
        .make = true, .title = {NULL, 0}, .cancelled = gone, .ctx = eng_req_exchange(req)};
}

/* ---- Line by line ---- */

/* A line that is no document fails alone, with its number. */
static eng_status read_line(eng_request *req, eng_str line, size_t number, eng_source *out,
                            eng_error *err)
{
    const eng_json *object;
    eng_status status = eng_json_read(line, NULL, eng_req_arena(req), &object, err);
    if (status == ENG_OK && !eng_json_is(object, ENG_JSON_OBJECT))
        status = eng_fail(err, ENG_EMALFORMED, "expected an object, got %s",
                          eng_json_type_name(object));
    if (status == ENG_OK)
        status = eng_validate_object(document_fields, object, NULL, err);
    if (status == ENG_OK)
        status = read_source(req, object, out, err);
    if (status < 0)
        eng_error_prefix(err, "line %zu", number);
    return status;
}

typedef struct {
    eng_request *req;
    eng_json_writer *w;
    eng_ingest_report sum;
    eng_source batch[BATCH];
    size_t count;
} lines;

static eng_status send_batch(lines *l, eng_error *err)
{
    if (!l->count)
        return ENG_OK;
    eng_ingest_options o = options_of(l->req);
    eng_ingest_report *report = NULL;
    eng_status status = eng_ingest(eng_req_engine(l->req), eng_req_path(l->req, "c"), l->batch,
                                   l->count, &o, &report, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < report->count; i++)
        write_ingested(l->w, &report->items[i]);
    add_times(&l->sum, report);
    eng_ingest_report_free(report);
    l->count = 0;
    return ENG_OK;
}

static eng_status take_lines(lines *l, eng_str body, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t number = 1; status == ENG_OK && body.len; number++) {
        eng_str line;
        eng_error why;
        eng_str_cut(body, '\n', &line, &body);
        if (!eng_str_trim(line).len)
            continue;
        if (read_line(l->req, line, number, &l->batch[l->count], &why) == ENG_OK) {
            if (++l->count == BATCH)
                status = send_batch(l, err);
            continue;
        }
        status = why.status == ENG_ENOMEM ? eng_fail_nomem(err) : send_batch(l, err);
        if (status == ENG_OK)
            write_ingested(
                l->w, &(eng_ingested){.id = "", .state = ENG_INGEST_FAILED, .error = why.message});
    }
    return status == ENG_OK ? send_batch(l, err) : status;
}

static eng_status ingest_lines(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str body;
    eng_status status = eng_exchange_body(req->x, &body, err);
    if (status < 0)
        return status;
    if (!eng_str_trim(body).len)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("documents"), "expected at least one");
    lines *l = eng_arena_zalloc(eng_req_arena(req), sizeof *l);
    if (!l)
        return eng_fail_nomem(err);
    l->req = req;
    l->w = eng_reply_json(out);
    eng_json_open(l->w, '{');
    eng_json_name(l->w, ENG_STR("documents"));
    eng_json_open(l->w, '[');
    status = take_lines(l, body, err);
    if (status < 0) {
        eng_buf_reset(eng_exchange_out(req->x)); /* what was written is not the reply */
        return status;
    }
    eng_json_close(l->w, ']');
    write_timings(l->w, &l->sum);
    eng_json_close(l->w, '}');
    return ENG_OK;
}

/* ---- Handlers ---- */

static eng_status read_sources(eng_request *req, sources *s, eng_error *err)
{
    unsigned type = eng_content_type(eng_exchange_header(req->x, ENG_STR("Content-Type")));
    return type == ENG_TAKES_MULTIPART ? from_form(req, s, err) : from_json(req, s, err);
}

/* All lines at once: they are written down before the job begins. */
static eng_status all_lines(eng_request *req, sources *s, eng_error *err)
{
    eng_str body, line;
    eng_status status = eng_exchange_body(req->x, &body, err);
    for (size_t number = 1; status == ENG_OK && body.len; number++) {
        eng_source source;
        eng_str_cut(body, '\n', &line, &body);
        if (!eng_str_trim(line).len)
            continue;
        status = read_line(req, line, number, &source, err);
        if (status == ENG_OK)
            status = add_source(req, s, &source, err);
    }
    if (status == ENG_OK && !s->count)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("documents"), "expected at least one");
    return status;
}

static eng_status later(eng_request *req, bool by_line, eng_reply *out, eng_error *err)
{
    sources s = {.count = 0};
    eng_status status = by_line ? all_lines(req, &s, err) : read_sources(req, &s, err);
    int64_t job = 0;
    eng_ingest_options o = options_of(req);
    if (status == ENG_OK)
        status = eng_ingest_later(eng_req_engine(req), eng_req_path(req, "c"), s.items, s.count, &o,
                                  &job, err);
    if (status < 0)
        return status;
    eng_reply_status(out, 202);
    return eng_say_job(out, job);
}

static eng_status ingest(eng_request *req, eng_reply *out, eng_error *err)
{
    bool by_line = eng_content_type(eng_exchange_header(req->x, ENG_STR("Content-Type"))) ==
                   ENG_TAKES_NDJSON;
    if (eng_req_bool(req, "async"))
        return later(req, by_line, out, err);
    if (by_line)
        return ingest_lines(req, out, err);
    sources s = {.count = 0};
    eng_status status = read_sources(req, &s, err);
    eng_ingest_options o = options_of(req);
    eng_ingest_report *report = NULL;
    if (status == ENG_OK)
        status = eng_ingest(eng_req_engine(req), eng_req_path(req, "c"), s.items, s.count, &o,
                            &report, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("documents"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < report->count; i++)
        write_ingested(w, &report->items[i]);
    eng_json_close(w, ']');
    write_timings(w, report);
    eng_json_close(w, '}');
    eng_ingest_report_free(report);
    return ENG_OK;
}

static void write_text(eng_json_writer *w, const char *name, const char *text)
{
    eng_json_name(w, eng_str_of(name));
    if (text[0])
        eng_json_string(w, eng_str_of(text));
    else
        eng_json_null(w);
}

/* Leaves the object open. */
static void write_document(eng_json_writer *w, const eng_document *d)
{
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_str_of(d->id));
    write_text(w, "title", d->title);
    write_text(w, "url", d->url);
    eng_json_name(w, ENG_STR("metadata"));
    eng_json_raw(w, eng_str_of(d->metadata));
    write_text(w, "language", d->language);
    eng_json_name(w, ENG_STR("bytes"));
    eng_json_uint(w, d->bytes);
    eng_json_name(w, ENG_STR("tokens"));
    eng_json_uint(w, d->tokens);
    eng_json_name(w, ENG_STR("version"));
    eng_json_uint(w, d->version);
    eng_write_time(w, "created_at", d->created_ms);
    eng_write_time(w, "updated_at", d->updated_ms);
}

static void write_passages(eng_json_writer *w, const eng_document *d)
{
    eng_str text = {d->text, d->bytes};
    eng_json_name(w, ENG_STR("passages"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < d->passage_count; i++) {
        const eng_passage_info *p = &d->passages[i];
        eng_json_open(w, '{');
        eng_json_name(w, ENG_STR("passage"));
        eng_json_uint(w, p->passage);
        eng_json_name(w, ENG_STR("start"));
        eng_json_uint(w, p->start);
        eng_json_name(w, ENG_STR("end"));
        eng_json_uint(w, p->end);
        eng_json_name(w, ENG_STR("tokens"));
        eng_json_uint(w, p->tokens);
        if (p->heading[0])
            eng_json_member(w, "heading", eng_str_of(p->heading));
        eng_json_member(w, "text", eng_str_sub(text, p->start, p->end - p->start));
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static eng_status show(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_document *d = NULL;
    eng_status status = eng_document_get(eng_req_engine(req), eng_req_path(req, "c"),
                                         eng_req_path(req, "id"), &d, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    write_document(w, d);
    eng_json_member(w, "text", (eng_str){d->text, d->bytes});
    write_passages(w, d);
    eng_json_close(w, '}');
    eng_document_free(d);
    return ENG_OK;
}

static eng_status list(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_document_page *page = NULL;
    eng_status status = eng_document_list(eng_req_engine(req), eng_req_path(req, "c"),
                                          eng_page_limit(req), eng_page_next(req), &page, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("documents"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < page->count; i++) {
        write_document(w, &page->items[i]);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    if (page->next[0])
        eng_json_member(w, "next", eng_str_of(page->next));
    eng_json_close(w, '}');
    eng_document_page_free(page);
    return ENG_OK;
}

static eng_status rm(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)out;
    return eng_document_remove(eng_req_engine(req), eng_req_path(req, "c"), eng_req_path(req, "id"),
                               err);
}

/* ---- As the first system had it ---- */

static const eng_field vector_fields[] = {
    {"title", ENG_TEXT, .required = true, .min = 1, .max = 512, .doc = "The collection's title.",
     .example = "\"Como funciona\""},
    {"description", ENG_TEXT, .doc = "Becomes the document's metadata."},
    {"user_id", ENG_TEXT, .doc = "Becomes the document's metadata."},
    {"url", ENG_TEXT, .max = URL_CHARS, .doc = "The document's address."},
    {0},
};

static const eng_field vector_reply[] = {
    {"status", ENG_TEXT, .required = true, .doc = "\"success\".", .example = "\"success\""},
    {"id", ENG_TEXT, .required = true, .doc = "The document's id."},
    {"collection", ENG_TEXT, .required = true, .doc = "The name of the title's collection."},
    {"title", ENG_TEXT, .required = true, .doc = "The title as given."},
    {"passages", ENG_INT, .required = true, .doc = "Into how many it was cut."},
    {"tokens", ENG_INT, .required = true, .doc = "How many tokens it has."},
    {"timings", ENG_OBJECT, .required = true, .doc = "Milliseconds by stage."},
    {0},
};

/* What one file's ingestion came to, as an error where it came to none. */
static eng_status judge(const eng_ingest_report *report, eng_error *err)
{
    const eng_ingested *d = report->count ? &report->items[0] : NULL;
    if (!d)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("file"), "holds no text");
    if (d->state == ENG_INGEST_UNCHANGED)
        return eng_fail(err, ENG_ECONFLICT,
                        "the collection holds this very document already, as '%s'", d->id);
    if (d->state != ENG_INGEST_FAILED)
        return ENG_OK;
    return eng_fail_field(err, d->why, ENG_STR("file"), "%s", d->error);
}

static void write_vectors(eng_reply *out, const char *slug, eng_str title,
                          const eng_ingest_report *report)
{
    uint64_t passages = 0, tokens = 0;
    for (size_t i = 0; i < report->count; i++) { /* a table has a document a row */
        passages += report->items[i].passages;
        tokens += report->items[i].tokens;
    }
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "status", ENG_STR("success"));
    eng_json_member(w, "id", eng_str_of(report->items[0].id));
    eng_json_member(w, "collection", eng_str_of(slug));
    eng_json_member(w, "title", title);
    eng_json_name(w, ENG_STR("passages"));
    eng_json_uint(w, passages);
    eng_json_name(w, ENG_STR("tokens"));
    eng_json_uint(w, tokens);
    write_timings(w, report);
    eng_json_close(w, '}');
}

static eng_status text_to_vector(eng_request *req, eng_reply *out, eng_error *err)
{
    char slug[ENG_SLUG_SIZE];
    eng_str title = eng_req_text(req, "title");
    if (!eng_str_trim(title).len)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("title"), "expected more than blanks");
    sources s = {.count = 0};
    eng_status status = from_form(req, &s, err);
    if (status == ENG_OK && s.count > 1)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("file"), "expected one file, got %zu",
                                s.count);
    if (status < 0)
        return status;
    eng_collection_slug(title, slug);
    eng_ingest_options o = options_of(req);
    o.title = title;
    eng_ingest_report *report = NULL;
    status = eng_ingest(eng_req_engine(req), eng_str_of(slug), s.items, s.count, &o, &report, err);
    if (status == ENG_OK)
        status = judge(report, err);
    if (status == ENG_OK)
        write_vectors(out, slug, title, report);
    eng_ingest_report_free(report);
    return status;
}

const eng_route eng_routes_documents[] = {
    {ENG_POST, "/v1/collections/{c}/documents", ENG_ROLE_WRITE, ingest_fields, ingest_reply, ingest,
     "Takes documents in: JSON, JSON lines, or files; makes the collection if need be.",
     .query = ingest_query, .fails = "413 415",
     .example = "{\"documents\": [{\"id\": \"prazo\", \"text\": \"O prazo \xC3\xA9 de 7 dias.\"}]}",
     .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON | ENG_TAKES_MULTIPART | ENG_TAKES_NDJSON,
     .body_max = BODY_MAX},
    {ENG_GET, "/v1/collections/{c}/documents", ENG_ROLE_READ, NULL, list_reply, list,
     "Lists a collection's documents.", .query = eng_page_query, .fails = "404",
     .where = ENG_ON_WORKER},
    {ENG_GET, "/v1/collections/{c}/documents/{id}", ENG_ROLE_READ, NULL, document_reply, show,
     "Shows a document with its text and passages.", .fails = "404", .where = ENG_ON_WORKER},
    {ENG_DELETE, "/v1/collections/{c}/documents/{id}", ENG_ROLE_WRITE, NULL, NULL, rm,
     "Removes a document from every index.", .fails = "404", .status = 204, .where = ENG_ON_WORKER},
    {ENG_POST, "/vector/text-to-vector", ENG_ROLE_WRITE, vector_fields, vector_reply,
     text_to_vector, "Takes a file into the collection of a title.",
     .operation = "text_to_vector_vector_text_to_vector_post", .fails = "409 413 415",
     .where = ENG_ON_WORKER, .takes = ENG_TAKES_MULTIPART, .body_max = BODY_MAX},
    {0},
};
