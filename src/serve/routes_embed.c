/*
 * Vectors and rankings, in the forms that others' clients speak: OpenAI's, Ollama's, Cohere's and Jina's.
 * A handler reads its input and hands it to the engine's queue; the reply is written by the thread that
 * computed the last vector, so that no worker waits meanwhile.
 */
#include "base/clock.h"
#include "base/error.h"
#include "serve/routes.h"

#include <sodium.h>

enum {
    INPUTS_MAX = 2048,
    NAME_MAX_CHARS = 200,
    TEXT_MAX_BYTES = 4 << 20,
    DIMENSIONS_MAX = 65536,
    DOCUMENTS_MAX = 10000
};

static const eng_str no_text = {"", 0};

static bool client_gone(void *x) { return eng_exchange_cancelled(x); }

/* ---- Inputs ---- */

typedef struct {
    eng_str *texts;
    eng_str *tokens; /* in place of texts: lists of ids */
    size_t count;
} inputs;

static eng_status refuse_input(eng_error *err, size_t i, const char *expected)
{
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("input"), "[%zu]: expected %s", i, expected);
}

static eng_status take_text(const eng_json *v, size_t i, bool empty, eng_str *out, eng_error *err)
{
    eng_str text = eng_json_text(v);
    if (!eng_json_is(v, ENG_JSON_STRING))
        return refuse_input(err, i, "a string");
    if (text.len == 0 && !empty)
        return refuse_input(err, i, "a string that is not empty");
    if (text.len > TEXT_MAX_BYTES)
        return refuse_input(err, i, "at most 4 MiB");
    *out = text;
    return ENG_OK;
}

static eng_status take_ids(const eng_json *list, size_t i, eng_arena *arena, eng_str *out,
                           eng_error *err)
{
    size_t count = eng_json_count(list);
    uint32_t *ids = eng_arena_array(arena, count, sizeof *ids);
    if (!ids)
        return eng_fail_nomem(err);
    if (count == 0)
        return refuse_input(err, i, "tokens");
    for (size_t k = 0; k < count; k++) {
        const eng_json *v = eng_json_at(list, k);
        if (!eng_json_is(v, ENG_JSON_INT) || v->as.integer < 0 || v->as.integer > UINT32_MAX)
            return refuse_input(err, i, "tokens as whole numbers from 0");
        ids[k] = (uint32_t)v->as.integer;
    }
    *out = (eng_str){(const char *)ids, count * sizeof *ids};
    return ENG_OK;
}

static eng_status take_lists(const eng_json *list, eng_arena *arena, inputs *out, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; i < out->count && status == ENG_OK; i++) {
        const eng_json *v = eng_json_at(list, i);
        status = eng_json_is(v, ENG_JSON_ARRAY) ? take_ids(v, i, arena, &out->tokens[i], err)
                                                : refuse_input(err, i, "a list of tokens");
    }
    return status;
}

static eng_status take_list(const eng_json *list, eng_arena *arena, bool empty, inputs *out,
                            eng_error *err)
{
    const eng_json *first = eng_json_at(list, 0);
    bool ids = eng_json_is(first, ENG_JSON_INT), lists = eng_json_is(first, ENG_JSON_ARRAY);
    eng_status status = ENG_OK;
    out->count = ids ? 1 : eng_json_count(list);
    if (out->count < 1 || out->count > INPUTS_MAX)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("input"),
                              "expected 1 to %d texts, got %zu", INPUTS_MAX, out->count);
    eng_str *items = eng_arena_array(arena, out->count, sizeof *items);
    if (!items)
        return eng_fail_nomem(err);
    if (ids || lists)
        out->tokens = items;
    else
        out->texts = items;
    if (ids)
        return take_ids(list, 0, arena, items, err);
    if (lists)
        return take_lists(list, arena, out, err);
    for (size_t i = 0; i < out->count && status == ENG_OK; i++)
        status = take_text(eng_json_at(list, i), i, empty, &items[i], err);
    return status;
}

/* A string, a list of them, a list of tokens, or a list of lists of tokens. */
static eng_status take_inputs(const eng_json *v, eng_arena *arena, bool empty, inputs *out,
                              eng_error *err)
{
    *out = (inputs){.count = 1};
    if (eng_json_is(v, ENG_JSON_ARRAY))
        return take_list(v, arena, empty, out, err);
    out->texts = eng_arena_array(arena, 1, sizeof *out->texts);
    if (!out->texts)
        return eng_fail_nomem(err);
    if (!eng_json_is(v, ENG_JSON_STRING))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("input"),
                              "expected a string, a list of strings, or tokens, got %s",
                              eng_json_type_name(v));
    if (eng_json_count(v) == 0 && !empty)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("input"),
                              "expected a string that is not empty");
    return take_text(v, 0, empty, out->texts, err);
}

/* ---- Waiting for vectors ---- */

typedef void write_vectors(eng_reply *later, const eng_embeddings *v);

typedef struct {
    eng_reply *later;
    write_vectors *write;
} pending;

static void vectors_done(void *ctx, eng_embeddings *v, const eng_error *err)
{
    pending *p = ctx;
    if (v)
        p->write(p->later, v);
    eng_embeddings_free(v);
    eng_reply_finish(p->later, err);
}

/* From here on the reply is written by whoever computes, or here, where it cannot be begun. */
static eng_status begin(eng_request *req, eng_reply *out, eng_embed *what, write_vectors *write,
                        eng_error *err)
{
    eng_error why;
    pending *p = eng_arena_alloc(eng_req_arena(req), sizeof *p);
    eng *engine = eng_req_engine(req);
    if (!p)
        return eng_fail_nomem(err);
    what->cancelled = client_gone;
    what->x = eng_req_exchange(req);
    p->write = write;
    p->later = eng_reply_later(out);
    if (!p->later)
        return eng_fail_nomem(err);
    if (eng_embed_begin(engine, what, vectors_done, p, &why) < 0)
        eng_reply_finish(p->later, &why);
    return ENG_OK;
}

/* ---- OpenAI ---- */

static const eng_field embeddings_fields[] = {
    {"model", ENG_TEXT, .min = 1, .max = NAME_MAX_CHARS, .preset = "\"default\"",
     .doc = "A model of /v1/models.", .example = "\"all-MiniLM-L6-v2\""},
    {"input", ENG_ANY, .required = true,
     .doc = "A string, a list of up to 2,048 strings, a list of tokens, or a list of such lists.",
     .example = "\"A roda do moinho tem doze pás.\""},
    {"encoding_format", ENG_CHOICE, .choices = "float|base64", .preset = "\"float\"",
     .doc = "Numbers, or little-endian float32 in base64."},
    {"dimensions", ENG_INT, .nullable = true, .min = 1, .max = DIMENSIONS_MAX,
     .doc = "Shorter vectors, of models that are made for it."},
    {"user", ENG_TEXT, .nullable = true, .doc = "Ignored."},
    {"input_type", ENG_CHOICE, .nullable = true, .choices = "query|passage|document",
     .doc = "What the texts are for; some models read other words before each."},
    {0},
};

static const eng_field embedding_shape[] = {
    {"object", ENG_TEXT, .required = true, .doc = "\"embedding\".", .example = "\"embedding\""},
    {"index", ENG_INT, .required = true, .doc = "Of the input.", .example = "0"},
    {"embedding", ENG_ANY, .required = true, .doc = "A list of numbers, or a string in base64.",
     .example = "[0.1, -0.2]"},
    {0},
};

static const eng_field usage_shape[] = {
    {"prompt_tokens", ENG_INT, .required = true, .doc = "Tokens that were read.", .example = "12"},
    {"total_tokens", ENG_INT, .required = true, .doc = "The same.", .example = "12"},
    {0},
};

static const eng_field embeddings_reply[] = {
    {"object", ENG_TEXT, .required = true, .doc = "\"list\".", .example = "\"list\""},
    {"data", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = embedding_shape,
     .doc = "In the order of the inputs."},
    {"model", ENG_TEXT, .required = true, .doc = "The model that made them."},
    {"usage", ENG_OBJECT, .required = true, .of = usage_shape, .doc = "What was read."},
    {"truncated", ENG_INT, .doc = "Texts that were longer than the model reads, and were cut."},
    {0},
};

static void write_base64(eng_json_writer *w, eng_buf *out, const float *v, size_t n)
{
    size_t bytes = n * sizeof *v,
           most = sodium_base64_ENCODED_LEN(bytes, sodium_base64_VARIANT_ORIGINAL);
    char *room = NULL;
    eng_json_raw(w, ENG_STR("\""));
    room = eng_buf_room(out, most);
    if (!room)
        return;
    sodium_bin2base64(room, most, (const unsigned char *)v, bytes, sodium_base64_VARIANT_ORIGINAL);
    eng_buf_added(out, most - 1);
    eng_buf_byte(out, '"');
}

static void write_openai(eng_reply *later, const eng_embeddings *v)
{
    eng_request *req = eng_reply_request(later);
    bool base64 = eng_str_eq(eng_req_text(req, "encoding_format"), ENG_STR("base64"));
    eng_json_writer *w = eng_reply_json(later);
    eng_json_open(w, '{');
    eng_json_member(w, "object", ENG_STR("list"));
    eng_json_name(w, ENG_STR("data"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < v->count; i++) {
        const float *vector = v->vectors + i * v->dimensions;
        eng_json_open(w, '{');
        eng_json_member(w, "object", ENG_STR("embedding"));
        eng_json_name(w, ENG_STR("index"));
        eng_json_uint(w, i);
        eng_json_name(w, ENG_STR("embedding"));
        if (base64)
            write_base64(w, eng_exchange_out(eng_req_exchange(req)), vector, v->dimensions);
        else
            eng_json_floats(w, vector, v->dimensions);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
    eng_json_member(w, "model", eng_str_of(v->model));
    eng_json_name(w, ENG_STR("usage"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("prompt_tokens"));
    eng_json_uint(w, v->tokens);
    eng_json_name(w, ENG_STR("total_tokens"));
    eng_json_uint(w, v->tokens);
    eng_json_close(w, '}');
    if (v->truncated) {
        eng_json_name(w, ENG_STR("truncated"));
        eng_json_uint(w, v->truncated);
    }
    eng_json_close(w, '}');
}

static eng_prompt prompt_of(eng_str type)
{
    return type.len == 0                        ? ENG_PROMPT_NONE
           : eng_str_eq(type, ENG_STR("query")) ? ENG_PROMPT_QUERY
                                                : ENG_PROMPT_PASSAGE;
}

static eng_status embeddings(eng_request *req, eng_reply *out, eng_error *err)
{
    inputs in;
    eng_status status = take_inputs(eng_req_json(req, "input"), eng_req_arena(req), false, &in,
                                    err);
    if (status < 0)
        return status;
    eng_embed what = {
        .model = eng_req_text(req, "model"),
        .texts = in.texts,
        .tokens = in.tokens,
        .count = in.count,
        .prompt = prompt_of(eng_req_has(req, "input_type") ? eng_req_text(req, "input_type")
                                                           : no_text),
        .dimensions = eng_req_has(req, "dimensions") ? (size_t)eng_req_int(req, "dimensions") : 0,
    };
    return begin(req, out, &what, write_openai, err);
}

/* ---- Ollama ---- */

static const eng_field embed_fields[] = {
    {"model", ENG_TEXT, .required = true, .min = 1, .max = NAME_MAX_CHARS,
     .doc = "A model of /api/tags.", .example = "\"all-minilm\""},
    {"input", ENG_ANY, .required = true, .doc = "A string, or a list of strings.",
     .example = "\"A roda do moinho tem doze pás.\""},
    {"truncate", ENG_BOOL, .preset = "true",
     .doc = "Whether texts that are too long are cut; else they are refused."},
    {"dimensions", ENG_INT, .nullable = true, .min = 1, .max = DIMENSIONS_MAX,
     .doc = "Shorter vectors, of models that are made for it."},
    {"options", ENG_OBJECT, .nullable = true, .doc = "Ignored."},
    {"keep_alive", ENG_ANY, .nullable = true, .doc = "Ignored: models stay open."},
    {0},
};

static const eng_field embed_reply[] = {
    {"model", ENG_TEXT, .required = true, .doc = "The model, as it was asked for."},
    {"embeddings", ENG_LIST, .required = true, .items = ENG_ANY, .doc = "A list of numbers each."},
    {"total_duration", ENG_INT, .required = true, .doc = "Nanoseconds."},
    {"load_duration", ENG_INT, .required = true, .doc = "0: models stay open."},
    {"prompt_eval_count", ENG_INT, .required = true, .doc = "Tokens that were read."},
    {0},
};

static const eng_field one_fields[] = {
    {"model", ENG_TEXT, .required = true, .min = 1, .max = NAME_MAX_CHARS,
     .doc = "A model of /api/tags.", .example = "\"all-minilm\""},
    {"prompt", ENG_TEXT, .required = true, .doc = "The text.",
     .example = "\"A roda do moinho tem doze pás.\""},
    {"options", ENG_OBJECT, .nullable = true, .doc = "Ignored."},
    {"keep_alive", ENG_ANY, .nullable = true, .doc = "Ignored: models stay open."},
    {0},
};

static const eng_field vector_reply[] = {
    {"embedding", ENG_LIST, .required = true, .items = ENG_NUMBER, .doc = "The vector."},
    {0},
};

static void write_ollama(eng_reply *later, const eng_embeddings *v)
{
    eng_request *req = eng_reply_request(later);
    uint64_t began = eng_exchange_request(eng_req_exchange(req))->started_ns;
    eng_json_writer *w = eng_reply_json(later);
    eng_json_open(w, '{');
    eng_json_member(w, "model", eng_req_text(req, "model"));
    eng_json_name(w, ENG_STR("embeddings"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < v->count; i++)
        eng_json_floats(w, v->vectors + i * v->dimensions, v->dimensions);
    eng_json_close(w, ']');
    eng_json_name(w, ENG_STR("total_duration"));
    eng_json_uint(w, eng_clock_ns() - began);
    eng_json_name(w, ENG_STR("load_duration"));
    eng_json_uint(w, 0);
    eng_json_name(w, ENG_STR("prompt_eval_count"));
    eng_json_uint(w, v->tokens);
    eng_json_close(w, '}');
}

static eng_status embed(eng_request *req, eng_reply *out, eng_error *err)
{
    inputs in;
    const eng_json *input = eng_req_json(req, "input");
    if (eng_json_is(input, ENG_JSON_ARRAY) && eng_json_count(input) &&
        !eng_json_is(eng_json_at(input, 0), ENG_JSON_STRING))
        return refuse_input(err, 0, "a string");
    eng_status status = take_inputs(input, eng_req_arena(req), true, &in, err);
    if (status < 0)
        return status;
    eng_embed what = {
        .model = eng_req_text(req, "model"),
        .texts = in.texts,
        .count = in.count,
        .whole = !eng_req_bool(req, "truncate"),
        .dimensions = eng_req_has(req, "dimensions") ? (size_t)eng_req_int(req, "dimensions") : 0,
    };
    return begin(req, out, &what, write_ollama, err);
}

static void write_one(eng_reply *later, const eng_embeddings *v)
{
    eng_json_writer *w = eng_reply_json(later);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("embedding"));
    eng_json_floats(w, v->vectors, v->dimensions);
    eng_json_close(w, '}');
}

static eng_status embed_one(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str *text = eng_arena_alloc(eng_req_arena(req), sizeof *text);
    if (!text)
        return eng_fail_nomem(err);
    *text = eng_req_text(req, "prompt");
    eng_embed what = {.model = eng_req_text(req, "model"), .texts = text, .count = 1};
    return begin(req, out, &what, write_one, err);
}

/* ---- Rankings ---- */

static const eng_field rerank_fields[] = {
    {"model", ENG_TEXT, .min = 1, .max = NAME_MAX_CHARS, .preset = "\"default\"",
     .doc = "A reranker of /v1/models, or an encoder.", .example = "\"default\""},
    {"query", ENG_TEXT, .required = true, .min = 1, .max = 8192, .doc = "The question.",
     .example = "\"Quantas pás tem a roda?\""},
    {"documents", ENG_LIST, .required = true, .min = 1, .max = DOCUMENTS_MAX, .items = ENG_ANY,
     .doc = "Strings, or objects with a `text`.", .example = "[\"A roda tem doze pás.\"]"},
    {"top_n", ENG_INT, .nullable = true, .min = 1, .max = INT32_MAX, .doc = "How many at most."},
    {"return_documents", ENG_BOOL, .nullable = true, .preset = "false",
     .doc = "Whether each result has its text."},
    {0},
};

static const eng_field document_shape[] = {
    {"text", ENG_TEXT, .required = true, .doc = "As it was sent."},
    {0},
};

static const eng_field result_shape[] = {
    {"index", ENG_INT, .required = true, .doc = "Of the document, as sent.", .example = "0"},
    {"relevance_score", ENG_NUMBER, .required = true, .doc = "0 to 1.", .example = "0.93"},
    {"document", ENG_OBJECT, .of = document_shape, .doc = "Where it was asked for."},
    {0},
};

static const eng_field billed_shape[] = {
    {"search_units", ENG_INT, .required = true, .doc = "1.", .example = "1"},
    {0},
};

static const eng_field meta_shape[] = {
    {"scored_by", ENG_TEXT, .required = true,
     .doc = "\"cross-encoder\", or \"encoder and term overlap\" where no reranker is here."},
    {"billed_units", ENG_OBJECT, .required = true, .of = billed_shape,
     .doc = "For Cohere's clients."},
    {0},
};

static const eng_field rerank_reply[] = {
    {"id", ENG_TEXT, .required = true, .doc = "The request's."},
    {"model", ENG_TEXT, .required = true, .doc = "The model that ranked."},
    {"results", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = result_shape,
     .doc = "Best first."},
    {"meta", ENG_OBJECT, .required = true, .of = meta_shape, .doc = "How it was ranked."},
    {"usage", ENG_OBJECT, .required = true, .of = usage_shape, .doc = "What was read."},
    {0},
};

typedef struct {
    eng_reply *later;
    const eng_str *texts;
} ranking;

static void write_result(eng_json_writer *w, const eng_ranked *item, const eng_str *text)
{
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("index"));
    eng_json_uint(w, item->index);
    eng_json_name(w, ENG_STR("relevance_score"));
    eng_json_double(w, (double)item->score);
    if (text) {
        eng_json_name(w, ENG_STR("document"));
        eng_json_open(w, '{');
        eng_json_member(w, "text", *text);
        eng_json_close(w, '}');
    }
    eng_json_close(w, '}');
}

static void write_ranking(const ranking *r, const eng_ranking *v)
{
    eng_request *req = eng_reply_request(r->later);
    size_t most = eng_req_has(req, "top_n") ? (size_t)eng_req_int(req, "top_n") : v->count;
    bool texts = eng_req_bool(req, "return_documents");
    eng_json_writer *w = eng_reply_json(r->later);
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_exchange_request(eng_req_exchange(req))->id);
    eng_json_member(w, "model", eng_str_of(v->model));
    eng_json_name(w, ENG_STR("results"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < v->count && i < most; i++)
        write_result(w, &v->items[i], texts ? &r->texts[v->items[i].index] : NULL);
    eng_json_close(w, ']');
    eng_json_name(w, ENG_STR("meta"));
    eng_json_open(w, '{');
    eng_json_member(w, "scored_by", eng_str_of(v->by));
    eng_json_name(w, ENG_STR("billed_units"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("search_units"));
    eng_json_uint(w, 1);
    eng_json_close(w, '}');
    eng_json_close(w, '}');
    eng_json_name(w, ENG_STR("usage"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("prompt_tokens"));
    eng_json_uint(w, v->tokens);
    eng_json_name(w, ENG_STR("total_tokens"));
    eng_json_uint(w, v->tokens);
    eng_json_close(w, '}');
    eng_json_close(w, '}');
}

static void ranking_done(void *ctx, eng_ranking *v, const eng_error *err)
{
    ranking *r = ctx;
    if (v)
        write_ranking(r, v);
    eng_ranking_free(v);
    eng_reply_finish(r->later, err);
}

static eng_status take_documents(const eng_json *list, eng_arena *arena, eng_str **out,
                                 eng_error *err)
{
    size_t count = eng_json_count(list);
    eng_str *texts = eng_arena_array(arena, count, sizeof *texts);
    if (!texts)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const eng_json *v = eng_json_at(list, i);
        if (eng_json_is(v, ENG_JSON_OBJECT))
            v = eng_json_get(v, ENG_STR("text"));
        if (!eng_json_is(v, ENG_JSON_STRING))
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("documents"),
                                  "[%zu]: expected a string, or an object with a text", i);
        texts[i] = eng_json_text(v);
        if (texts[i].len > TEXT_MAX_BYTES)
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("documents"),
                                  "[%zu]: expected at most 4 MiB", i);
    }
    *out = texts;
    return ENG_OK;
}

static eng_status rerank(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_error why;
    eng_str *texts = NULL;
    const eng_json *documents = eng_req_json(req, "documents");
    eng *engine = eng_req_engine(req);
    eng_status status = take_documents(documents, eng_req_arena(req), &texts, err);
    if (status < 0)
        return status;
    ranking *r = eng_arena_alloc(eng_req_arena(req), sizeof *r);
    eng_reply *later = r ? eng_reply_later(out) : NULL;
    if (!later)
        return eng_fail_nomem(err);
    *r = (ranking){later, texts};
    eng_rerank what = {
        .model = eng_req_text(req, "model"),
        .question = eng_req_text(req, "query"),
        .texts = texts,
        .count = eng_json_count(documents),
        .cancelled = client_gone,
        .x = eng_req_exchange(req),
    };
    if (eng_rerank_begin(engine, &what, ranking_done, r, &why) < 0)
        eng_reply_finish(later, &why);
    return ENG_OK;
}

const eng_route eng_routes_embed[] = {
    {ENG_POST, "/v1/embeddings", ENG_ROLE_READ, embeddings_fields, embeddings_reply, embeddings,
     "Makes vectors of texts, as OpenAI does.",
     .example = "{\"model\": \"default\", \"input\": \"A roda do moinho tem doze pás.\"}",
     .fails = "404 503", .errors = ENG_ERRORS_OPENAI, .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON, .body_max = 64 << 20},
    {ENG_POST, "/v1/rerank", ENG_ROLE_READ, rerank_fields, rerank_reply, rerank,
     "Orders texts by how well they answer a question, as Cohere and Jina do.",
     .example =
         "{\"query\": \"Quantas pás tem a roda?\", \"documents\": [\"A roda tem doze pás.\"]}",
     .fails = "404 503", .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON, .body_max = 64 << 20},
    {ENG_POST, "/api/embed", ENG_ROLE_READ, embed_fields, embed_reply, embed,
     "Makes vectors of texts, as Ollama does.",
     .example = "{\"model\": \"all-minilm\", \"input\": [\"um moinho\", \"um bolo\"]}",
     .fails = "404 503", .errors = ENG_ERRORS_OLLAMA, .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON, .body_max = 64 << 20},
    {ENG_POST, "/api/embeddings", ENG_ROLE_READ, one_fields, vector_reply, embed_one,
     "Makes a vector of a text, as Ollama once did.",
     .example = "{\"model\": \"all-minilm\", \"prompt\": \"um moinho\"}", .fails = "404 503",
     .errors = ENG_ERRORS_OLLAMA, .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {0},
};
