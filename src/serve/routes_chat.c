/*
 * Chats as others' clients have them: OpenAI's and Ollama's. The model `engenho/NAME` answers from the
 * collection NAME; any other model's request is passed on as it is to the first model server that speaks
 * the same language.
 */
#include "base/clock.h"
#include "base/error.h"
#include "serve/talk.h"

enum { NAME_MAX_CHARS = 300, MESSAGES_MAX = 10000, PROMPT_CHARS = 1 << 20, RELAY_MAX = 64 << 20 };

static const eng_str prefix = {"engenho/", 8};
static const eng_str tag = {":latest", 7};

/* ---- Which collection ------------------------------------------------------------------------------------- */

static bool collection_of(const eng_request *req, eng_str *out)
{
    eng_str model = eng_req_text(req, "model");
    *out = eng_str_sub(model, prefix.len, model.len);
    if (req->entry->route->errors == ENG_ERRORS_OLLAMA && eng_str_ends(*out, tag))
        out->len -= tag.len;
    return eng_str_starts(model, prefix);
}

static bool flag(const eng_request *req, const char *name) { return eng_req_bool(req, name); }

/* ---- Passing on --------------------------------------------------------------------------------------------- */

typedef struct {
    eng_request *req;
    eng_reply *later;
    bool begun;
    eng_buf waiting; /* what the client has not taken, or an error's body */
} passing;

static eng_status pass_data(void *ctx, int status, eng_str type, eng_str bytes, eng_error *err)
{
    passing *p = ctx;
    eng_buf_str(&p->waiting, bytes);
    if (status == 200 && !p->begun) {
        eng_str copy = eng_arena_copy(eng_req_arena(p->req),
                                      type.len ? type : ENG_STR("application/json"));
        if (!copy.ptr)
            return eng_fail_nomem(err);
        eng_reply_stream_as(p->later, copy.ptr);
        p->begun = true;
    }
    eng_status ok = eng_buf_check(&p->waiting, "reply", err);
    if (ok < 0 || !p->begun)
        return ok;
    ok = eng_exchange_write(p->req->x, eng_buf_view(&p->waiting), false, err);
    if (ok == ENG_EBUSY)
        return ENG_OK;
    eng_buf_reset(&p->waiting);
    return ok;
}

static eng_status meaning(int http)
{
    switch (http) {
    case 400:
    case 422:
        return ENG_EINVALID;
    case 404:
        return ENG_ENOTFOUND;
    case 429:
        return ENG_ERATE;
    default:
        return ENG_EUPSTREAM;
    }
}

/* An error of theirs in our route's form, with their words. */
static void refuse(passing *p, int http)
{
    eng_error why;
    const eng_json *v = NULL;
    eng_str words = {"", 0};
    if (eng_json_read(eng_buf_view(&p->waiting), NULL, eng_req_arena(p->req), &v, NULL) == ENG_OK) {
        const eng_json *error = eng_json_get(v, ENG_STR("error"));
        words = eng_json_text(error);
        if (!words.len)
            words = eng_json_text(eng_json_get(error, ENG_STR("message")));
    }
    eng_fail(&why, meaning(http), "the model's server answered %d%s%.*s", http,
             words.len ? ": " : "", ENG_FMT(eng_str_sub(words, 0, 300)));
    eng_reply_finish(p->later, &why);
}

static void pass_done(void *ctx, int status, const eng_error *err)
{
    passing *p = ctx;
    if (p->begun) {
        bool lost = err ||
                    (p->waiting.len &&
                     eng_exchange_write(p->req->x, eng_buf_view(&p->waiting), false, NULL) < 0);
        eng_buf_clear(&p->waiting);
        eng_exchange_end(p->req->x, lost);
        return;
    }
    eng_buf body = p->waiting;
    if (err)
        eng_reply_finish(p->later, err);
    else
        refuse(p, status);
    eng_buf_clear(&body);
}

static bool pass_gone(void *ctx)
{
    const passing *p = ctx;
    return eng_exchange_cancelled(p->req->x);
}

static void nudge(void *engine) { eng_ask_nudge(engine); }

static eng_status pass_on(eng_request *req, eng_reply *out, const char *path, eng_error *err)
{
    eng_error why;
    eng_str body, model = eng_str_sub(eng_req_text(req, "model"), 0, NAME_MAX_CHARS);
    bool ollama = req->entry->route->errors == ENG_ERRORS_OLLAMA;
    eng *engine = eng_req_engine(req);
    passing *p = eng_arena_zalloc(eng_req_arena(req), sizeof *p);
    eng_status status = p ? eng_exchange_body(req->x, &body, err) : eng_fail_nomem(err);
    if (status < 0)
        return status;
    p->req = req;
    p->later = eng_reply_later(out);
    if (!p->later)
        return eng_fail_nomem(err);
    eng_buf_init(&p->waiting, RELAY_MAX);
    eng_exchange_on_cancel(req->x, nudge, engine);
    eng_relay relay = {.ollama = ollama,
                       .path = path,
                       .body = body,
                       .data = pass_data,
                       .done = pass_done,
                       .cancelled = pass_gone,
                       .ctx = p};
    eng_reply *later = p->later;
    status = eng_relay_begin(engine, &relay, &why);
    if (status == ENG_ENOTFOUND)
        eng_fail(&why, status, "no model '%.*s'", ENG_FMT(model));
    if (status < 0)
        eng_reply_finish(later, &why);
    return ENG_OK;
}

/* ---- Asking --------------------------------------------------------------------------------------------------- */

static bool wants_usage(const eng_request *req)
{
    const eng_json *wants = eng_json_get(eng_json_get(eng_req_body(req), ENG_STR("stream_options")),
                                         ENG_STR("include_usage"));
    return eng_json_is(wants, ENG_JSON_BOOL) && wants->as.boolean;
}

static eng_status converse(eng_request *req, eng_reply *out, const eng_talk_form *form,
                           eng_turn *turns, size_t count, bool stream, eng_error *err)
{
    eng_talk *t = eng_arena_zalloc(eng_req_arena(req), sizeof *t);
    if (!t)
        return eng_fail_nomem(err);
    while (count && turns[count - 1].who != ENG_SPEAKER_USER)
        count--;
    if (!count || !eng_str_trim(turns[count - 1].text).len)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("messages"),
                              "expected something that a user says");
    eng_ask ask = {.question = turns[count - 1].text,
                   .history = turns,
                   .turns = count - 1,
                   .filter = {NULL, 0},
                   .language = {NULL, 0},
                   .model = {NULL, 0}};
    t->req = req;
    t->form = form;
    t->model = eng_req_text(req, "model");
    t->usage = wants_usage(req);
    t->id = eng_arena_format(eng_req_arena(req), "%.*s", ENG_FMT(req->http->id));
    (void)collection_of(req, &t->collection);
    t->unknown = eng_arena_format(eng_req_arena(req), "no model '%.*s'", ENG_FMT(t->model));
    if (!t->unknown.ptr || !t->id.ptr)
        return eng_fail_nomem(err);
    return eng_talk_begin(t, out, &ask, stream, err);
}

static eng_status one_turn(eng_request *req, eng_str text, eng_turn **out, eng_error *err)
{
    *out = eng_arena_alloc(eng_req_arena(req), sizeof **out);
    if (!*out)
        return eng_fail_nomem(err);
    **out = (eng_turn){ENG_SPEAKER_USER, text};
    return ENG_OK;
}

/* ---- OpenAI: chat ------------------------------------------------------------------------------------------------- */

#define MODEL_FIELD                                                                                \
    {                                                                                              \
        "model", ENG_TEXT,                                                                         \
            .required = true, .min = 1, .max = NAME_MAX_CHARS,                                     \
            .doc = "engenho/COLLECTION, or a model of a server that ENGENHO_LLM names.",           \
            .example = "\"engenho/manuais\""                                                       \
    }
#define STREAM_FIELDS                                                                              \
    {"stream", ENG_BOOL, .nullable = true, .preset = "false", .doc = "Whether as events."},        \
    {                                                                                              \
        "stream_options", ENG_OBJECT, .nullable = true, .doc = "include_usage: tokens at the end." \
    }

static const eng_field chat_fields[] = {
    MODEL_FIELD,
    {"messages", ENG_LIST, .required = true, .items = ENG_OBJECT, .min = 1, .max = MESSAGES_MAX,
     .doc = "{\"role\", \"content\"} each; content is a string or a list of text parts.",
     .example = "[{\"role\": \"user\", \"content\": \"Qual o prazo de entrega?\"}]"},
    STREAM_FIELDS,
    {0},
};

static const eng_field chat_reply[] = {
    {"id", ENG_TEXT, .required = true, .doc = "Of this reply."},
    {"object", ENG_TEXT, .required = true, .doc = "\"chat.completion\"."},
    {"created", ENG_INT, .required = true, .doc = "Seconds since 1970."},
    {"model", ENG_TEXT, .required = true, .doc = "As it was asked for."},
    {"choices", ENG_LIST, .required = true, .items = ENG_OBJECT, .doc = "One."},
    {"usage", ENG_OBJECT, .required = true, .doc = "Tokens."},
    {"citations", ENG_LIST, .items = ENG_OBJECT, .of = eng_citation_shape,
     .doc = "What supports it."},
    {0},
};

static void write_usage(eng_json_writer *w, const eng_answer *a)
{
    eng_json_name(w, ENG_STR("usage"));
    eng_json_open(w, '{');
    eng_write_count(w, "prompt_tokens", a->prompt_tokens);
    eng_write_count(w, "completion_tokens", a->completion_tokens);
    eng_write_count(w, "total_tokens", a->prompt_tokens + a->completion_tokens);
    eng_json_close(w, '}');
}

static void write_cited(eng_json_writer *w, const eng_answer *a)
{
    eng_json_name(w, ENG_STR("citations"));
    eng_write_citations(w, a->citations, a->citation_count);
}

static void write_head(const eng_talk *t, eng_json_writer *w, const char *kind, const char *object)
{
    eng_buf id;
    eng_buf_init(&id, 256);
    eng_buf_format(&id, "%s-%.*s", kind, ENG_FMT(t->id));
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_buf_view(&id));
    eng_json_member(w, "object", eng_str_of(object));
    eng_write_count(w, "created", (uint64_t)t->created_s);
    eng_json_member(w, "model", t->model);
    eng_buf_clear(&id);
}

static eng_str reason_of(const eng_answer *a)
{
    return a->replaced ? ENG_STR("content_filter") : ENG_STR("stop");
}

static void chat_whole(eng_talk *t, eng_json_writer *w, const eng_answer *a)
{
    write_head(t, w, "chatcmpl", "chat.completion");
    eng_json_name(w, ENG_STR("choices"));
    eng_json_open(w, '[');
    eng_json_open(w, '{');
    eng_write_count(w, "index", 0);
    eng_json_name(w, ENG_STR("message"));
    eng_json_open(w, '{');
    eng_json_member(w, "role", ENG_STR("assistant"));
    eng_json_member(w, "content", eng_str_of(a->response));
    eng_json_close(w, '}');
    eng_json_member(w, "finish_reason", reason_of(a));
    eng_json_close(w, '}');
    eng_json_close(w, ']');
    write_usage(w, a);
    write_cited(w, a);
    eng_json_close(w, '}');
}

/* A chunk with a piece of text, or (end) with why it ends. */
static void send_chunk(eng_talk *t, eng_str text, const eng_answer *end)
{
    eng_json_writer w = eng_talk_frame(t, "");
    write_head(t, &w, "chatcmpl", "chat.completion.chunk");
    eng_json_name(&w, ENG_STR("choices"));
    eng_json_open(&w, '[');
    eng_json_open(&w, '{');
    eng_write_count(&w, "index", 0);
    eng_json_name(&w, ENG_STR("delta"));
    eng_json_open(&w, '{');
    if (!end && !t->pieces)
        eng_json_member(&w, "role", ENG_STR("assistant"));
    if (!end)
        eng_json_member(&w, "content", text);
    eng_json_close(&w, '}');
    eng_json_name(&w, ENG_STR("finish_reason"));
    if (end)
        eng_json_string(&w, reason_of(end));
    else
        eng_json_null(&w);
    eng_json_close(&w, '}');
    eng_json_close(&w, ']');
    if (end)
        write_cited(&w, end);
    eng_json_close(&w, '}');
    eng_talk_send(t, "");
}

static void chat_delta(eng_talk *t, eng_str text) { send_chunk(t, text, NULL); }

static void chat_last(eng_talk *t, const eng_answer *a)
{
    send_chunk(t, ENG_STR(""), a);
    if (t->usage) {
        eng_json_writer w = eng_talk_frame(t, "");
        write_head(t, &w, "chatcmpl", "chat.completion.chunk");
        eng_json_name(&w, ENG_STR("choices"));
        eng_json_open(&w, '[');
        eng_json_close(&w, ']');
        write_usage(&w, a);
        eng_json_close(&w, '}');
        eng_talk_send(t, "");
    }
    eng_talk_send_raw(t, ENG_STR("data: [DONE]\n\n"));
}

static void openai_failed(eng_talk *t, const eng_error *err)
{
    (void)eng_talk_frame(t, "");
    eng_error_write(&t->scratch, ENG_ERRORS_OPENAI, eng_status_http(err->status),
                    eng_error_message(t->req, err), ENG_STR(""));
    eng_talk_send(t, "");
}

static const eng_talk_form chat_form = {"text/event-stream", chat_whole, NULL,
                                        chat_delta,          chat_last,  openai_failed};

static eng_status chat(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name;
    eng_turn *turns;
    size_t count;
    eng_status status = eng_read_turns(req, eng_req_json(req, "messages"), "messages", true, &turns,
                                       &count, err);
    if (status < 0)
        return status;
    if (!collection_of(req, &name))
        return pass_on(req, out, "/chat/completions", err);
    return converse(req, out, &chat_form, turns, count, flag(req, "stream"), err);
}

/* ---- OpenAI: completions --------------------------------------------------------------------------------------------- */

static const eng_field completion_fields[] = {
    MODEL_FIELD,
    {"prompt", ENG_ANY, .required = true, .doc = "The question: a string, or a list of one.",
     .example = "\"Qual o prazo de entrega?\""},
    STREAM_FIELDS,
    {0},
};

static void completion_body(eng_talk *t, eng_json_writer *w, eng_str text, const eng_answer *end)
{
    write_head(t, w, "cmpl", "text_completion");
    eng_json_name(w, ENG_STR("choices"));
    eng_json_open(w, '[');
    eng_json_open(w, '{');
    eng_write_count(w, "index", 0);
    eng_json_member(w, "text", text);
    eng_json_name(w, ENG_STR("logprobs"));
    eng_json_null(w);
    eng_json_name(w, ENG_STR("finish_reason"));
    if (end)
        eng_json_string(w, reason_of(end));
    else
        eng_json_null(w);
    eng_json_close(w, '}');
    eng_json_close(w, ']');
    if (end) {
        write_usage(w, end);
        write_cited(w, end);
    }
    eng_json_close(w, '}');
}

static void completion_whole(eng_talk *t, eng_json_writer *w, const eng_answer *a)
{
    completion_body(t, w, eng_str_of(a->response), a);
}

static void completion_delta(eng_talk *t, eng_str text)
{
    eng_json_writer w = eng_talk_frame(t, "");
    completion_body(t, &w, text, NULL);
    eng_talk_send(t, "");
}

static void completion_last(eng_talk *t, const eng_answer *a)
{
    eng_json_writer w = eng_talk_frame(t, "");
    completion_body(t, &w, ENG_STR(""), a);
    eng_talk_send(t, "");
    eng_talk_send_raw(t, ENG_STR("data: [DONE]\n\n"));
}

static const eng_talk_form completion_form = {"text/event-stream", completion_whole, NULL,
                                              completion_delta,    completion_last,  openai_failed};

static eng_status complete(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name;
    eng_turn *turn;
    const eng_json *prompt = eng_req_json(req, "prompt");
    if (!collection_of(req, &name))
        return pass_on(req, out, "/completions", err);
    if (eng_json_is(prompt, ENG_JSON_ARRAY) && eng_json_count(prompt) == 1)
        prompt = eng_json_at(prompt, 0);
    if (!eng_json_is(prompt, ENG_JSON_STRING))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("prompt"), "expected a string, got %s",
                              eng_json_type_name(prompt));
    eng_status status = one_turn(req, eng_json_text(prompt), &turn, err);
    return status < 0 ? status
                      : converse(req, out, &completion_form, turn, 1, flag(req, "stream"), err);
}

/* ---- OpenAI: responses -------------------------------------------------------------------------------------------------- */

static const eng_field responses_fields[] = {
    MODEL_FIELD,
    {"input", ENG_ANY, .required = true, .doc = "The question, or a list of messages.",
     .example = "\"Qual o prazo de entrega?\""},
    STREAM_FIELDS,
    {0},
};

static void write_part(eng_json_writer *w, eng_str text)
{
    eng_json_open(w, '{');
    eng_json_member(w, "type", ENG_STR("output_text"));
    eng_json_member(w, "text", text);
    eng_json_name(w, ENG_STR("annotations"));
    eng_json_open(w, '[');
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

static void write_item(const eng_talk *t, eng_json_writer *w, const char *state, const char *text)
{
    eng_buf id;
    eng_buf_init(&id, 256);
    eng_buf_format(&id, "msg-%.*s", ENG_FMT(t->id));
    eng_json_open(w, '{');
    eng_json_member(w, "type", ENG_STR("message"));
    eng_json_member(w, "id", eng_buf_view(&id));
    eng_json_member(w, "status", eng_str_of(state));
    eng_json_member(w, "role", ENG_STR("assistant"));
    eng_json_name(w, ENG_STR("content"));
    eng_json_open(w, '[');
    if (text)
        write_part(w, eng_str_of(text));
    eng_json_close(w, ']');
    eng_json_close(w, '}');
    eng_buf_clear(&id);
}

/* a NULL: it has only begun. */
static void write_response(eng_talk *t, eng_json_writer *w, const eng_answer *a)
{
    eng_buf id;
    eng_buf_init(&id, 256);
    eng_buf_format(&id, "resp-%.*s", ENG_FMT(t->id));
    eng_json_open(w, '{');
    eng_json_member(w, "id", eng_buf_view(&id));
    eng_json_member(w, "object", ENG_STR("response"));
    eng_write_count(w, "created_at", (uint64_t)t->created_s);
    eng_json_member(w, "status", a ? ENG_STR("completed") : ENG_STR("in_progress"));
    eng_json_member(w, "model", t->model);
    eng_json_name(w, ENG_STR("output"));
    eng_json_open(w, '[');
    if (a)
        write_item(t, w, "completed", a->response);
    eng_json_close(w, ']');
    eng_write_flag(w, "parallel_tool_calls", false);
    eng_json_member(w, "tool_choice", ENG_STR("none"));
    eng_json_name(w, ENG_STR("tools"));
    eng_json_open(w, '[');
    eng_json_close(w, ']');
    if (a) {
        eng_json_name(w, ENG_STR("usage"));
        eng_json_open(w, '{');
        eng_write_count(w, "input_tokens", a->prompt_tokens);
        eng_write_count(w, "output_tokens", a->completion_tokens);
        eng_write_count(w, "total_tokens", a->prompt_tokens + a->completion_tokens);
        eng_json_close(w, '}');
        write_cited(w, a);
    }
    eng_json_close(w, '}');
    eng_buf_clear(&id);
}

/* Opens an event of the stream; its number counts from 0. */
static eng_json_writer event_of(eng_talk *t, const char *type, unsigned number)
{
    eng_json_writer w = eng_talk_frame(t, type);
    eng_json_open(&w, '{');
    eng_json_member(&w, "type", eng_str_of(type));
    eng_write_count(&w, "sequence_number", number);
    return w;
}

static void place_of(const eng_talk *t, eng_json_writer *w)
{
    eng_buf id;
    eng_buf_init(&id, 256);
    eng_buf_format(&id, "msg-%.*s", ENG_FMT(t->id));
    eng_json_member(w, "item_id", eng_buf_view(&id));
    eng_write_count(w, "output_index", 0);
    eng_write_count(w, "content_index", 0);
    eng_buf_clear(&id);
}

static void send_event(eng_talk *t, eng_json_writer *w)
{
    eng_json_close(w, '}');
    eng_talk_send(t, "");
}

enum { FIRST_DELTA = 3 };

static void responses_first(eng_talk *t, const eng_answer *candidates)
{
    (void)candidates;
    eng_json_writer w = event_of(t, "response.created", 0);
    eng_json_name(&w, ENG_STR("response"));
    write_response(t, &w, NULL);
    send_event(t, &w);
    w = event_of(t, "response.output_item.added", 1);
    eng_write_count(&w, "output_index", 0);
    eng_json_name(&w, ENG_STR("item"));
    write_item(t, &w, "in_progress", NULL);
    send_event(t, &w);
    w = event_of(t, "response.content_part.added", 2);
    place_of(t, &w);
    eng_json_name(&w, ENG_STR("part"));
    write_part(&w, ENG_STR(""));
    send_event(t, &w);
}

static void responses_delta(eng_talk *t, eng_str text)
{
    eng_json_writer w = event_of(t, "response.output_text.delta", FIRST_DELTA + t->pieces);
    place_of(t, &w);
    eng_json_member(&w, "delta", text);
    eng_json_name(&w, ENG_STR("logprobs"));
    eng_json_open(&w, '[');
    eng_json_close(&w, ']');
    send_event(t, &w);
}

static void responses_last(eng_talk *t, const eng_answer *a)
{
    unsigned n = FIRST_DELTA + t->pieces;
    eng_json_writer w = event_of(t, "response.output_text.done", n);
    place_of(t, &w);
    eng_json_member(&w, "text", eng_str_of(a->response));
    eng_json_name(&w, ENG_STR("logprobs"));
    eng_json_open(&w, '[');
    eng_json_close(&w, ']');
    send_event(t, &w);
    w = event_of(t, "response.content_part.done", n + 1);
    place_of(t, &w);
    eng_json_name(&w, ENG_STR("part"));
    write_part(&w, eng_str_of(a->response));
    send_event(t, &w);
    w = event_of(t, "response.output_item.done", n + 2);
    eng_write_count(&w, "output_index", 0);
    eng_json_name(&w, ENG_STR("item"));
    write_item(t, &w, "completed", a->response);
    send_event(t, &w);
    w = event_of(t, "response.completed", n + 3);
    eng_json_name(&w, ENG_STR("response"));
    write_response(t, &w, a);
    send_event(t, &w);
}

static const eng_talk_form responses_form = {"text/event-stream", write_response, responses_first,
                                             responses_delta,     responses_last, openai_failed};

static eng_status respond(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name;
    eng_turn *turns;
    size_t count = 1;
    const eng_json *input = eng_req_json(req, "input");
    if (!collection_of(req, &name))
        return pass_on(req, out, "/responses", err);
    eng_status status = eng_json_is(input, ENG_JSON_ARRAY)
                            ? eng_read_turns(req, input, "input", true, &turns, &count, err)
                        : eng_json_is(input, ENG_JSON_STRING)
                            ? one_turn(req, eng_json_text(input), &turns, err)
                            : eng_fail_field(err, ENG_EINVALID, ENG_STR("input"),
                                             "expected a string or a list of messages, got %s",
                                             eng_json_type_name(input));
    return status < 0 ? status
                      : converse(req, out, &responses_form, turns, count, flag(req, "stream"), err);
}

/* ---- Ollama ------------------------------------------------------------------------------------------------------------------ */

static const eng_field ollama_chat_fields[] = {
    MODEL_FIELD,
    {"messages", ENG_LIST, .required = true, .items = ENG_OBJECT, .min = 1, .max = MESSAGES_MAX,
     .doc = "{\"role\", \"content\"} each."},
    {"stream", ENG_BOOL, .nullable = true, .preset = "true", .doc = "Whether as lines of JSON."},
    {0},
};

static const eng_field generate_fields[] = {
    MODEL_FIELD,
    {"prompt", ENG_TEXT, .required = true, .min = 1, .max = PROMPT_CHARS, .doc = "The question."},
    {"stream", ENG_BOOL, .nullable = true, .preset = "true", .doc = "Whether as lines of JSON."},
    {0},
};

static const eng_field ollama_reply[] = {
    {"model", ENG_TEXT, .required = true, .doc = "As it was asked for."},
    {"created_at", ENG_TIME, .required = true, .doc = "Now."},
    {"message", ENG_OBJECT, .doc = "Of a chat: role and content."},
    {"response", ENG_TEXT, .doc = "Of a prompt: the text."},
    {"done", ENG_BOOL, .required = true, .doc = "Whether this is the last line."},
    {0},
};

static void ollama_line(eng_talk *t, eng_json_writer *w, bool is_chat, eng_str text,
                        const eng_answer *end)
{
    uint64_t took = eng_clock_ns() - t->req->http->started_ns;
    eng_json_open(w, '{');
    eng_json_member(w, "model", t->model);
    eng_write_time(w, "created_at", eng_clock_wall_ms());
    if (is_chat) {
        eng_json_name(w, ENG_STR("message"));
        eng_json_open(w, '{');
        eng_json_member(w, "role", ENG_STR("assistant"));
        eng_json_member(w, "content", text);
        eng_json_close(w, '}');
    } else {
        eng_json_member(w, "response", text);
    }
    eng_write_flag(w, "done", end);
    if (end) {
        eng_json_member(w, "done_reason", ENG_STR("stop"));
        eng_write_count(w, "total_duration", took);
        eng_write_count(w, "load_duration", 0);
        eng_write_count(w, "prompt_eval_count", end->prompt_tokens);
        eng_write_count(w, "prompt_eval_duration", 0);
        eng_write_count(w, "eval_count", end->completion_tokens);
        eng_write_count(w, "eval_duration", took);
        write_cited(w, end);
    }
    eng_json_close(w, '}');
}

static void send_line(eng_talk *t, bool is_chat, eng_str text, const eng_answer *end)
{
    eng_json_writer w = eng_talk_frame(t, NULL);
    ollama_line(t, &w, is_chat, text, end);
    eng_talk_send(t, NULL);
}

static void ollama_chat_whole(eng_talk *t, eng_json_writer *w, const eng_answer *a)
{
    ollama_line(t, w, true, eng_str_of(a->response), a);
}
static void ollama_chat_delta(eng_talk *t, eng_str text) { send_line(t, true, text, NULL); }
static void ollama_chat_last(eng_talk *t, const eng_answer *a)
{
    send_line(t, true, ENG_STR(""), a);
}
static void generate_whole(eng_talk *t, eng_json_writer *w, const eng_answer *a)
{
    ollama_line(t, w, false, eng_str_of(a->response), a);
}
static void generate_delta(eng_talk *t, eng_str text) { send_line(t, false, text, NULL); }
static void generate_last(eng_talk *t, const eng_answer *a) { send_line(t, false, ENG_STR(""), a); }

static void ollama_failed(eng_talk *t, const eng_error *err)
{
    (void)eng_talk_frame(t, NULL);
    eng_error_write(&t->scratch, ENG_ERRORS_OLLAMA, eng_status_http(err->status),
                    eng_error_message(t->req, err), ENG_STR(""));
    eng_talk_send(t, NULL);
}

static const eng_talk_form ollama_chat_form = {
    "application/x-ndjson", ollama_chat_whole, NULL,
    ollama_chat_delta,      ollama_chat_last,  ollama_failed};
static const eng_talk_form generate_form = {"application/x-ndjson", generate_whole, NULL,
                                            generate_delta,         generate_last,  ollama_failed};

static eng_status ollama_chat(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name;
    eng_turn *turns;
    size_t count;
    eng_status status = eng_read_turns(req, eng_req_json(req, "messages"), "messages", true, &turns,
                                       &count, err);
    if (status < 0)
        return status;
    if (!collection_of(req, &name))
        return pass_on(req, out, "/api/chat", err);
    return converse(req, out, &ollama_chat_form, turns, count, flag(req, "stream"), err);
}

static eng_status generate(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_str name;
    eng_turn *turn;
    if (!collection_of(req, &name))
        return pass_on(req, out, "/api/generate", err);
    eng_status status = one_turn(req, eng_req_text(req, "prompt"), &turn, err);
    return status < 0 ? status
                      : converse(req, out, &generate_form, turn, 1, flag(req, "stream"), err);
}

#define FAILS "404 502 503 504"

const eng_route eng_routes_chat[] = {
    {ENG_POST, "/v1/chat/completions", ENG_ROLE_READ, chat_fields, chat_reply, chat,
     "Answers the last message of a chat from a collection, or by a model.", .fails = FAILS,
     .where = ENG_ON_WORKER, .errors = ENG_ERRORS_OPENAI, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/v1/completions", ENG_ROLE_READ, completion_fields, chat_reply, complete,
     "Answers a prompt from a collection, or by a model.", .fails = FAILS, .where = ENG_ON_WORKER,
     .errors = ENG_ERRORS_OPENAI, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/v1/responses", ENG_ROLE_READ, responses_fields, NULL, respond,
     "Answers an input from a collection, or by a model.", .reply_type = "application/json",
     .fails = FAILS, .where = ENG_ON_WORKER, .errors = ENG_ERRORS_OPENAI, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/api/chat", ENG_ROLE_READ, ollama_chat_fields, ollama_reply, ollama_chat,
     "Answers the last message of a chat, as Ollama does.", .fails = FAILS, .where = ENG_ON_WORKER,
     .errors = ENG_ERRORS_OLLAMA, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/api/generate", ENG_ROLE_READ, generate_fields, ollama_reply, generate,
     "Answers a prompt, as Ollama does.", .fails = FAILS, .where = ENG_ON_WORKER,
     .errors = ENG_ERRORS_OLLAMA, .takes = ENG_TAKES_JSON},
    {0},
};
