/* Collections: made, listed, changed, removed; into a file and out of one. */
#include "base/error.h"
#include "base/file.h"
#include "serve/routes.h"

#include <unistd.h>

enum { NAME_BYTES = 200, TITLE_CHARS = 512, CHUNK_MAX = 100000, PIECE = 64 << 10 };

static const uint64_t IMPORT_MAX = 1ull << 40;

/* ---- Shapes ---- */

static const eng_field chunk_fields[] = {
    {"size", ENG_INT, .min = 1, .max = CHUNK_MAX, .doc = "Most units of a passage.",
     .example = "200"},
    {"overlap", ENG_INT, .min = 0, .max = CHUNK_MAX,
     .doc = "Units at most that a passage repeats of the one before; smaller than size.",
     .example = "20"},
    {"unit", ENG_CHOICE, .choices = "tokens|characters", .doc = "What is counted.",
     .example = "\"tokens\""},
    {0},
};

static const eng_field weights_fields[] = {
    {"bm25", ENG_NUMBER, .least = 0, .most = 1, .doc = "Of words.", .example = "0.3"},
    {"grams", ENG_NUMBER, .least = 0, .most = 1, .doc = "Of runs of four characters.",
     .example = "0.3"},
    {"dense", ENG_NUMBER, .least = 0, .most = 1, .doc = "Of meaning.", .example = "0.4"},
    {0},
};

static const eng_field settings_fields[] = {
    {"weights", ENG_OBJECT, .nullable = true, .of = weights_fields,
     .doc = "Of a hybrid search; without them the question decides."},
    {"threshold", ENG_NUMBER, .nullable = true, .least = 0, .most = 1,
     .doc = "Of a hybrid search: passages with a lower score are left out.", .example = "0.1"},
    {"confidence", ENG_NUMBER, .nullable = true, .least = 0, .most = 1,
     .doc = "Below it a question is refused; without it as the answerer was calibrated.",
     .example = "0.4"},
    {"top_k", ENG_INT, .nullable = true, .min = 1, .max = 1000,
     .doc = "Passages that an answer is made from.", .example = "12"},
    {"rerank", ENG_BOOL, .nullable = true,
     .doc = "Whether a reranker reads what a hybrid search found, where one is here.",
     .example = "false"},
    {0},
};

#define SETTINGS_DOC                                                                               \
    "How it is searched and asked where a question does not say. What is absent is as it comes; "  \
    "what was there before is kept for a rollback."

static const eng_field make_fields[] = {
    {"name", ENG_TEXT, .required = true, .min = 1, .max = NAME_BYTES,
     .doc = "What its routes call it.", .example = "\"manuais\""},
    {"title", ENG_TEXT, .min = 1, .max = TITLE_CHARS, .doc = "What people call it.",
     .example = "\"Manuais da loja\""},
    {"chunk", ENG_OBJECT, .of = chunk_fields, .doc = "How its texts are cut into passages."},
    {"embedding_model", ENG_TEXT, .min = 1, .max = NAME_BYTES,
     .doc = "An installed encoder; without it the default one."},
    {"settings", ENG_OBJECT, .of = settings_fields, .doc = SETTINGS_DOC},
    {0},
};

static const eng_field change_fields[] = {
    {"title", ENG_TEXT, .min = 1, .max = TITLE_CHARS, .doc = "What people call it."},
    {"chunk", ENG_OBJECT, .of = chunk_fields,
     .doc = "How its texts are cut from now on: everything is embedded anew, as a job."},
    {"embedding_model", ENG_TEXT, .min = 1, .max = NAME_BYTES,
     .doc = "Another encoder: everything is embedded anew, as a job."},
    {"settings", ENG_OBJECT, .of = settings_fields, .doc = SETTINGS_DOC},
    {0},
};

#define COLLECTION_FIELDS                                                                          \
    {"name", ENG_TEXT, .required = true, .doc = "What its routes call it."},                       \
        {"title", ENG_TEXT, .required = true, .doc = "What people call it."},                      \
        {"documents", ENG_INT, .required = true, .doc = "How many it holds."},                     \
        {"passages", ENG_INT, .required = true, .doc = "Into how many they are cut."},             \
        {"bytes", ENG_INT, .required = true, .doc = "Of the documents' texts."},                   \
        {"embedding_model", ENG_TEXT, .required = true, .nullable = true,                          \
         .doc = "The encoder; null where none is installed."},                                     \
        {"chunk", ENG_OBJECT, .required = true, .of = chunk_fields,                                \
         .doc = "How its texts are cut."},                                                         \
        {"settings", ENG_OBJECT, .required = true, .of = settings_fields, .doc = SETTINGS_DOC},    \
        {"created_at", ENG_TIME, .required = true, .doc = "When it was made."},                    \
    {                                                                                              \
        "updated_at", ENG_TIME, .required = true, .doc = "When it last changed."                   \
    }

const eng_field eng_collection_shape[] = {COLLECTION_FIELDS, {0}};
const eng_field eng_collection_changed_shape[] = {
    COLLECTION_FIELDS,
    {"job", ENG_INT, .doc = "The job that embeds it anew; absent where nothing has to be."},
    {0},
};

static const eng_field import_fields[] = {
    {"name", ENG_TEXT, .min = 1, .max = NAME_BYTES,
     .doc = "What its routes will call it; without it as it was called."},
    {"reembed", ENG_BOOL, .preset = "false",
     .doc = "Whether to leave its vectors out and make them anew, as a job; until that has ended "
            "it is "
            "found by words alone."},
    {"embedding_model", ENG_TEXT, .min = 1, .max = NAME_BYTES,
     .doc = "With reembed: an installed encoder; without it the default one."},
    {0},
};

static const eng_field list_reply[] = {
    {"collections", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = eng_collection_shape,
     .doc = "In the order in which they were made."},
    {"next", ENG_TEXT, .doc = "For the next page; absent on the last."},
    {0},
};

/* ---- Writing ---- */

/* Leaves the object open. */
static void write_collection(eng_json_writer *w, const eng_collection *c)
{
    eng_json_open(w, '{');
    eng_json_member(w, "name", eng_str_of(c->name));
    eng_json_member(w, "title", eng_str_of(c->title));
    eng_json_name(w, ENG_STR("documents"));
    eng_json_uint(w, c->documents);
    eng_json_name(w, ENG_STR("passages"));
    eng_json_uint(w, c->passages);
    eng_json_name(w, ENG_STR("bytes"));
    eng_json_uint(w, c->bytes);
    eng_json_name(w, ENG_STR("embedding_model"));
    if (c->embedding_model[0])
        eng_json_string(w, eng_str_of(c->embedding_model));
    else
        eng_json_null(w);
    eng_json_name(w, ENG_STR("chunk"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("size"));
    eng_json_uint(w, c->chunk.size);
    eng_json_name(w, ENG_STR("overlap"));
    eng_json_uint(w, c->chunk.overlap);
    eng_json_member(w, "unit", c->chunk.characters ? ENG_STR("characters") : ENG_STR("tokens"));
    eng_json_close(w, '}');
    eng_json_name(w, ENG_STR("settings"));
    eng_json_raw(w, eng_str_of(c->settings));
    eng_write_time(w, "created_at", c->created_ms);
    eng_write_time(w, "updated_at", c->updated_ms);
}

eng_status eng_say_collection(eng_reply *out, eng_collection *c, int64_t job)
{
    eng_json_writer *w = eng_reply_json(out);
    write_collection(w, c);
    if (job) {
        eng_json_name(w, ENG_STR("job"));
        eng_json_int(w, job);
    }
    eng_json_close(w, '}');
    eng_collection_free(c);
    return ENG_OK;
}

/* ---- Handlers ---- */

/* Settings go on as text: what they mean is the engine's. */
static eng_status settings_text(eng_request *req, eng_str *out, eng_error *err)
{
    eng_buf text;
    if (!eng_req_has(req, "settings"))
        return ENG_OK;
    eng_buf_init(&text, 1 << 16);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_copy(&w, eng_req_json(req, "settings"));
    eng_status status = eng_buf_check(&text, "settings", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(eng_req_arena(req), eng_buf_view(&text));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

/* What the fields say of a collection; *chunk is where spec->chunk points. */
static eng_status read_spec(eng_request *req, eng_collection_spec *spec, eng_cutting *chunk,
                            eng_error *err)
{
    *spec = (eng_collection_spec){
        .title = {NULL, 0}, .embedding_model = {NULL, 0}, .settings = {NULL, 0}};
    if (eng_req_has(req, "title"))
        spec->title = eng_req_text(req, "title");
    if (eng_req_has(req, "embedding_model"))
        spec->embedding_model = eng_req_text(req, "embedding_model");
    if (eng_req_has(req, "chunk")) {
        const eng_json *v = eng_req_json(req, "chunk");
        const eng_json *size = eng_json_get(v, ENG_STR("size"));
        const eng_json *overlap = eng_json_get(v, ENG_STR("overlap"));
        *chunk = (eng_cutting){
            .size = size ? (uint32_t)size->as.integer : 0,
            .overlap = overlap ? (uint32_t)overlap->as.integer : 0,
            .characters = eng_str_eq(eng_json_text(eng_json_get(v, ENG_STR("unit"))),
                                     ENG_STR("characters"))};
        spec->chunk = chunk;
    }
    return settings_text(req, &spec->settings, err);
}

static eng_status make(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_collection_spec spec;
    eng_cutting chunk;
    eng_collection *c = NULL;
    eng_status status = read_spec(req, &spec, &chunk, err);
    if (status == ENG_OK)
        status = eng_collection_make(eng_req_engine(req), eng_req_text(req, "name"), &spec, &c,
                                     err);
    return status < 0 ? status : eng_say_collection(out, c, 0);
}

static eng_status show(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_collection *c = NULL;
    eng_status status = eng_collection_get(eng_req_engine(req), eng_req_path(req, "c"), &c, err);
    return status < 0 ? status : eng_say_collection(out, c, 0);
}

static eng_status change(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_collection_spec spec;
    eng_cutting chunk;
    eng_collection *c = NULL;
    int64_t job = 0;
    eng_status status = read_spec(req, &spec, &chunk, err);
    if (status == ENG_OK)
        status = eng_collection_change(eng_req_engine(req), eng_req_path(req, "c"), &spec, &job, &c,
                                       err);
    return status < 0 ? status : eng_say_collection(out, c, job);
}

static eng_status drop(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)out;
    return eng_collection_drop(eng_req_engine(req), eng_req_path(req, "c"), err);
}

static eng_status list(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_collection_page *page = NULL;
    eng_status status = eng_collection_list(eng_req_engine(req), eng_page_limit(req),
                                            eng_page_next(req), &page, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("collections"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < page->count; i++) {
        write_collection(w, &page->items[i]);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    if (page->next[0])
        eng_json_member(w, "next", eng_str_of(page->next));
    eng_json_close(w, '}');
    eng_collection_page_free(page);
    return ENG_OK;
}

/* ---- Files ---- */

static bool gone(void *ctx) { return eng_exchange_cancelled(ctx); }

/* An error is no reply any more: the client sees that the file is not whole. */
static eng_status send_pieces(eng_exchange *x, const eng_mapping *file)
{
    eng_status status = ENG_OK;
    for (size_t at = 0; at < file->len && status == ENG_OK; at += PIECE) {
        size_t len = file->len - at < PIECE ? file->len - at : PIECE;
        status = eng_exchange_write(x, (eng_str){(const char *)file->data + at, len}, true, NULL);
    }
    return status;
}

static eng_status send_file(eng_request *req, eng_reply *out, eng_error *err)
{
    int fd = -1;
    eng_mapping file;
    eng_exchange *x = eng_req_exchange(req);
    eng_status status = eng_collection_export(eng_req_engine(req), eng_req_path(req, "c"), gone, x,
                                              &fd, err);
    if (status == ENG_OK) {
        status = eng_mapping_of_fd(fd, &file, err);
        close(fd);
    }
    if (status < 0)
        return status;
    eng_reply_header(out, ENG_STR("Content-Disposition"),
                     ENG_STR("attachment; filename=\"collection.engenho\""));
    eng_reply_stream(out);
    status = send_pieces(x, &file);
    eng_mapping_close(&file);
    eng_exchange_end(x, status < 0);
    return ENG_OK;
}

/* A slow reader keeps a worker: some are left for everybody else. */
static eng_status export(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_serve *s = eng_req_server(req);
    eng_status status = atomic_fetch_add(&s->exports, 1) < s->exports_max
                            ? send_file(req, out, err)
                            : eng_fail(err, ENG_EBUSY, "other collections are being exported");
    atomic_fetch_sub(&s->exports, 1);
    return status;
}

static const eng_part *find_file(eng_request *req)
{
    size_t count;
    const eng_part *parts = eng_req_parts(req, &count);
    for (size_t i = 0; i < count; i++) {
        if (eng_str_eq(parts[i].name, ENG_STR("file")))
            return &parts[i];
    }
    return NULL;
}

static eng_status import(eng_request *req, eng_reply *out, eng_error *err)
{
    const eng_part *file = find_file(req);
    if (!file)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("file"), "expected a collection's file");
    eng_import_options options = {.name = {NULL, 0},
                                  .embedding_model = {NULL, 0},
                                  .reembed = eng_req_bool(req, "reembed"),
                                  .cancelled = gone,
                                  .ctx = eng_req_exchange(req)};
    if (eng_req_has(req, "name"))
        options.name = eng_req_text(req, "name");
    if (eng_req_has(req, "embedding_model"))
        options.embedding_model = eng_req_text(req, "embedding_model");
    eng_collection *c = NULL;
    int64_t job = 0;
    eng_status status = eng_collection_import(eng_req_engine(req), file->content, &options, &job,
                                              &c, err);
    return status < 0 ? status : eng_say_collection(out, c, job);
}

const eng_route eng_routes_collections[] = {
    {ENG_GET, "/v1/collections", ENG_ROLE_READ, NULL, list_reply, list, "Lists the collections.",
     .query = eng_page_query, .where = ENG_ON_WORKER},
    {ENG_POST, "/v1/collections", ENG_ROLE_WRITE, make_fields, eng_collection_shape, make,
     "Makes a collection.", .status = 201, .fails = "409",
     .example = "{\"name\": \"manuais\", \"title\": \"Manuais da loja\"}", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON},
    {ENG_GET, "/v1/collections/{c}", ENG_ROLE_READ, NULL, eng_collection_shape, show,
     "Shows a collection.", .fails = "404", .where = ENG_ON_WORKER},
    {ENG_PATCH, "/v1/collections/{c}", ENG_ROLE_WRITE, change_fields, eng_collection_changed_shape,
     change, "Changes a collection's title, settings, cutting or encoder.", .fails = "404",
     .example = "{\"title\": \"Manuais\"}", .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {ENG_DELETE, "/v1/collections/{c}", ENG_ROLE_WRITE, NULL, NULL, drop,
     "Removes a collection with all it holds.", .fails = "404", .status = 204,
     .where = ENG_ON_WORKER},
    {ENG_GET, "/v1/collections/{c}/export", ENG_ROLE_READ, NULL, NULL, export,
     "Sends a collection as one file, as of one instant: an SQLite database with a checksum.",
     .reply_type = "application/vnd.sqlite3", .fails = "404 503", .where = ENG_ON_STREAM},
    {ENG_POST, "/v1/collections/import", ENG_ROLE_WRITE, import_fields,
     eng_collection_changed_shape, import,
     "Makes a collection of an exported file, with the vectors that it holds.", .status = 201,
     .fails = "409 413", .where = ENG_ON_WORKER, .takes = ENG_TAKES_MULTIPART,
     .body_max = IMPORT_MAX},
    {0},
};
