/* Questions to a collection, answered with citations: as one reply, or as server-sent events. */
#include "base/error.h"
#include "serve/talk.h"

enum { QUESTION_CHARS = 8192, TURNS_MAX = 10000, CONTENT_CHARS = 1 << 20 };

/* ---- Shapes ----------------------------------------------------------------------------------------------- */

static const eng_field turn_shape[] = {
    {"role", ENG_CHOICE, .required = true, .choices = "system|user|assistant",
     .doc = "Who said it."},
    {"content", ENG_TEXT, .required = true, .max = CONTENT_CHARS, .doc = "What was said."},
    {0},
};

#define ASK_FIELDS                                                                                 \
    {"stream", ENG_BOOL, .preset = "false",                                                        \
     .doc = "Server-sent events: `citations` with the candidates, `delta` {\"text\"} as the "      \
            "response comes, `done` with the whole reply; or `error`."},                           \
        {"model",                                                                                  \
         ENG_TEXT,                                                                                 \
         .min = 1,                                                                                 \
         .max = 200,                                                                               \
         .doc = "Who answers: \"extract\", or a model of a server that ENGENHO_LLM names; "        \
                "without it, as ENGENHO_LLM says.",                                                \
         .example = "\"extract\""},                                                                \
        {"top_k", ENG_INT, .min = 1, .max = 1000,                                                  \
         .doc = "Passages to look at; without it, as the collection's settings say, or as many "   \
                "as are of use."},                                                                 \
        {"threshold", ENG_NUMBER, .least = 0, .most = 1,                                           \
         .doc = "Passages with a lower score are left out; without it, as the collection's "       \
                "settings say."},                                                                  \
        {"filter", ENG_ANY, .doc = "A condition on the metadata, as in search."},                  \
        {"history",                                                                                \
         ENG_LIST,                                                                                 \
         .items = ENG_OBJECT,                                                                      \
         .of = turn_shape,                                                                         \
         .max = TURNS_MAX,                                                                         \
         .doc = "What was said before, oldest first: a question that leans on it is completed."},  \
        {"language", ENG_TEXT, .max = 35,                                                          \
         .doc = "Of the refusal and of the model's instructions; without it, the question's.",     \
         .example = "\"pt\""},                                                                     \
        {"strict", ENG_BOOL, .preset = "false",                                                    \
         .doc = "Leaves out sentences that the passages do not support."},                         \
    {                                                                                              \
        "prompt_only", ENG_BOOL,                                                                   \
            .preset = "false",                                                                     \
            .doc = "Asks no model: the reply shows the prompt that it would get."                  \
    }

static const eng_field ask_fields[] = {
    {"question", ENG_TEXT, .required = true, .min = 1, .max = QUESTION_CHARS,
     .doc = "What to answer, in any language.", .example = "\"Qual o prazo de entrega?\""},
    ASK_FIELDS,
    {0},
};

static const eng_field title_fields[] = {
    {"question", ENG_TEXT, .required = true, .min = 1, .max = QUESTION_CHARS,
     .doc = "What to answer, in any language.", .example = "\"Qual o prazo de entrega?\""},
    {"title_rag", ENG_TEXT, .required = true, .min = 1, .max = 512,
     .doc = "The title of the collection to answer from.", .example = "\"Manuais\""},
    ASK_FIELDS,
    {0},
};

const eng_field eng_citation_shape[] = {
    {"document", ENG_TEXT, .required = true, .doc = "The document's id."},
    {"title", ENG_TEXT, .required = true, .nullable = true, .doc = "The document's title."},
    {"url", ENG_TEXT, .required = true, .nullable = true, .doc = "The document's address."},
    {"passage", ENG_INT, .required = true, .doc = "The passage, as in search."},
    {"start", ENG_INT, .required = true, .doc = "The quote's first byte in the document's text."},
    {"end", ENG_INT, .required = true, .doc = "The byte behind its last."},
    {"quote", ENG_TEXT, .required = true, .doc = "text[start:end] of the document."},
    {"score", ENG_NUMBER, .required = true, .doc = "0 to 1."},
    {0},
};

static const eng_field said_shape[] = {
    {"text", ENG_TEXT, .required = true, .doc = "A sentence, item or row of the response."},
    {"supported", ENG_BOOL, .required = true, .doc = "Whether the citations hold what it says."},
    {"citations", ENG_LIST, .required = true, .items = ENG_INT,
     .doc = "Places in the list of citations, from 0."},
    {0},
};

static const eng_field usage_shape[] = {
    {"prompt_tokens", ENG_INT, .required = true, .doc = "That were read."},
    {"completion_tokens", ENG_INT, .required = true, .doc = "Of the response."},
    {"total_tokens", ENG_INT, .required = true, .doc = "Both."},
    {0},
};

static const eng_field use_shape[] = {
    {"document", ENG_TEXT, .required = true, .doc = "The document's id."},
    {"passage", ENG_INT, .required = true, .doc = "The passage, as in search."},
    {"tokens", ENG_INT, .required = true, .doc = "Of the passage."},
    {"used", ENG_BOOL, .required = true, .doc = "Whether the answer was made from it."},
    {"why", ENG_TEXT, .doc = "Why it was not."},
    {0},
};

static const eng_field cache_shape[] = {
    {"hit", ENG_BOOL, .required = true, .doc = "Whether this answer was remembered."},
    {"entries", ENG_INT, .required = true, .doc = "Answers that are remembered now."},
    {"bytes", ENG_INT, .required = true, .doc = "Which they take."},
    {0},
};

static const eng_field ledger_shape[] = {
    {"question", ENG_TEXT, .required = true,
     .doc = "What was looked for: the question, completed from the history."},
    {"passages", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = use_shape,
     .doc = "What it was answered from, best first."},
    {"timings", ENG_OBJECT, .required = true, .doc = "Milliseconds by stage."},
    {"cache", ENG_OBJECT, .required = true, .of = cache_shape, .doc = "Remembered answers."},
    {"fell", ENG_TEXT, .doc = "Why the providers before this one did not answer."},
    {0},
};

static const eng_field message_shape[] = {
    {"role", ENG_TEXT, .required = true, .doc = "system, user or assistant."},
    {"content", ENG_TEXT, .required = true, .doc = "Its text."},
    {0},
};

const eng_field eng_answer_shape[] = {
    {"response", ENG_TEXT, .required = true, .doc = "The answer, or the refusal."},
    {"short", ENG_TEXT, .doc = "The thing itself where it can be pointed at: a slice of a quote."},
    {"sentences", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = said_shape,
     .doc = "The response in pieces, each with what supports it."},
    {"citations", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = eng_citation_shape,
     .doc = "What supports it; none where it is the refusal."},
    {"grounded", ENG_BOOL, .required = true, .doc = "False: the response is the refusal."},
    {"replaced", ENG_BOOL, .doc = "True: the response is not what the deltas said."},
    {"confidence", ENG_NUMBER, .required = true, .doc = "0 to 1."},
    {"model", ENG_TEXT, .required = true, .doc = "Who answered.", .example = "\"extract\""},
    {"usage", ENG_OBJECT, .required = true, .of = usage_shape, .doc = "Tokens."},
    {"ledger", ENG_OBJECT, .required = true, .of = ledger_shape, .doc = "How it came about."},
    {"prompt", ENG_LIST, .items = ENG_OBJECT, .of = message_shape,
     .doc = "With prompt_only: what a model would get."},
    {0},
};

/* ---- Writing ------------------------------------------------------------------------------------------------ */

static void write_sentences(eng_json_writer *w, const eng_answer *a)
{
    eng_json_name(w, ENG_STR("sentences"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < a->sentence_count; i++) {
        const eng_said *s = &a->sentences[i];
        eng_json_open(w, '{');
        eng_json_member(w, "text", eng_str_of(s->text));
        eng_write_flag(w, "supported", s->supported);
        eng_json_name(w, ENG_STR("citations"));
        eng_json_open(w, '[');
        for (size_t k = 0; k < s->citation_count; k++)
            eng_json_uint(w, s->citations[k]);
        eng_json_close(w, ']');
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void write_passages(eng_json_writer *w, const eng_answer *a)
{
    eng_json_name(w, ENG_STR("passages"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < a->passage_count; i++) {
        const eng_passage_use *p = &a->passages[i];
        eng_json_open(w, '{');
        eng_json_member(w, "document", eng_str_of(p->document));
        eng_write_count(w, "passage", p->passage);
        eng_write_count(w, "tokens", p->tokens);
        eng_write_flag(w, "used", p->used);
        if (p->why)
            eng_json_member(w, "why", eng_str_of(p->why));
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void write_ledger(eng_json_writer *w, const eng_answer *a)
{
    eng_json_name(w, ENG_STR("ledger"));
    eng_json_open(w, '{');
    eng_json_member(w, "question", eng_str_of(a->asked));
    write_passages(w, a);
    eng_json_name(w, ENG_STR("timings"));
    eng_json_open(w, '{');
    for (size_t i = 0; i < a->timing_count; i++) {
        eng_json_name(w, eng_str_of(a->timings[i].name));
        eng_json_double(w, a->timings[i].ms);
    }
    eng_json_close(w, '}');
    eng_json_name(w, ENG_STR("cache"));
    eng_json_open(w, '{');
    eng_write_flag(w, "hit", a->cached);
    eng_write_count(w, "entries", a->cache_entries);
    eng_write_count(w, "bytes", a->cache_bytes);
    eng_json_close(w, '}');
    if (a->fell)
        eng_json_member(w, "fell", eng_str_of(a->fell));
    eng_json_close(w, '}');
}

static void write_prompt(eng_json_writer *w, const eng_answer *a)
{
    static const char *const roles[] = {[ENG_SPEAKER_SYSTEM] = "system",
                                        [ENG_SPEAKER_USER] = "user",
                                        [ENG_SPEAKER_ASSISTANT] = "assistant"};
    eng_json_name(w, ENG_STR("prompt"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < a->prompt_count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "role", eng_str_of(roles[a->prompt[i].who]));
        eng_json_member(w, "content", a->prompt[i].text);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void write_answer(eng_talk *t, eng_json_writer *w, const eng_answer *a)
{
    (void)t;
    eng_json_open(w, '{');
    eng_json_member(w, "response", eng_str_of(a->response));
    if (a->brief)
        eng_json_member(w, "short", eng_str_of(a->brief));
    write_sentences(w, a);
    eng_json_name(w, ENG_STR("citations"));
    eng_write_citations(w, a->citations, a->citation_count);
    eng_write_flag(w, "grounded", a->grounded);
    if (a->replaced)
        eng_write_flag(w, "replaced", true);
    eng_json_name(w, ENG_STR("confidence"));
    eng_json_double(w, a->confidence);
    eng_json_member(w, "model", eng_str_of(a->model));
    eng_json_name(w, ENG_STR("usage"));
    eng_json_open(w, '{');
    eng_write_count(w, "prompt_tokens", a->prompt_tokens);
    eng_write_count(w, "completion_tokens", a->completion_tokens);
    eng_write_count(w, "total_tokens", a->prompt_tokens + a->completion_tokens);
    eng_json_close(w, '}');
    write_ledger(w, a);
    if (a->prompt)
        write_prompt(w, a);
    eng_json_close(w, '}');
}

/* ---- As events ----------------------------------------------------------------------------------------------- */

static void send_candidates(eng_talk *t, const eng_answer *so_far)
{
    eng_json_writer w = eng_talk_frame(t, "citations");
    eng_json_open(&w, '{');
    eng_json_name(&w, ENG_STR("citations"));
    eng_write_citations(&w, so_far->citations, so_far->citation_count);
    eng_json_close(&w, '}');
    eng_talk_send(t, "citations");
}

static void send_delta(eng_talk *t, eng_str text)
{
    eng_json_writer w = eng_talk_frame(t, "delta");
    eng_json_open(&w, '{');
    eng_json_member(&w, "text", text);
    eng_json_close(&w, '}');
    eng_talk_send(t, "delta");
}

static void send_done(eng_talk *t, const eng_answer *a)
{
    eng_json_writer w = eng_talk_frame(t, "done");
    write_answer(t, &w, a);
    eng_talk_send(t, "done");
}

static void send_error(eng_talk *t, const eng_error *err)
{
    eng_json_writer w = eng_talk_frame(t, "error");
    eng_json_open(&w, '{');
    eng_json_member(&w, "detail", eng_error_message(t->req, err));
    eng_write_count(&w, "status", (uint64_t)eng_status_http(err->status));
    eng_json_close(&w, '}');
    eng_talk_send(t, "error");
}

static const eng_talk_form events = {"text/event-stream", write_answer, send_candidates,
                                     send_delta,          send_done,    send_error};

/* ---- Handlers --------------------------------------------------------------------------------------------------- */

static eng_str given(const eng_request *req, const char *name)
{
    return eng_req_has(req, name) ? eng_req_text(req, name) : (eng_str){NULL, 0};
}

static eng_status filter_of(eng_request *req, eng_str *out, eng_error *err)
{
    eng_buf text;
    *out = (eng_str){NULL, 0};
    if (!eng_req_has(req, "filter"))
        return ENG_OK;
    eng_buf_init(&text, 1 << 20);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_copy(&w, eng_req_json(req, "filter"));
    eng_status status = eng_buf_check(&text, "filter", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(eng_req_arena(req), eng_buf_view(&text));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

static eng_status begin(eng_request *req, eng_str collection, eng_str unknown, eng_reply *out,
                        eng_error *err)
{
    eng_turn *turns = NULL;
    eng_talk *t = eng_arena_zalloc(eng_req_arena(req), sizeof *t);
    eng_ask ask = {.question = eng_req_text(req, "question"),
                   .top_k = eng_req_has(req, "top_k") ? (unsigned)eng_req_int(req, "top_k") : 0,
                   .threshold = eng_req_number(req, "threshold"),
                   .threshold_given = eng_req_has(req, "threshold"),
                   .language = given(req, "language"),
                   .model = given(req, "model"),
                   .strict = eng_req_bool(req, "strict"),
                   .prompt_only = eng_req_bool(req, "prompt_only")};
    if (!t)
        return eng_fail_nomem(err);
    eng_status status = filter_of(req, &ask.filter, err);
    if (status == ENG_OK && eng_req_has(req, "history"))
        status = eng_read_turns(req, eng_req_json(req, "history"), "history", false, &turns,
                                &ask.turns, err);
    if (status < 0)
        return status;
    ask.history = turns;
    t->req = req;
    t->form = &events;
    t->collection = collection;
    t->unknown = unknown;
    return eng_talk_begin(t, out, &ask, eng_req_bool(req, "stream"), err);
}

static eng_status ask(eng_request *req, eng_reply *out, eng_error *err)
{
    return begin(req, eng_req_path(req, "c"), (eng_str){NULL, 0}, out, err);
}

static eng_status ask_title(eng_request *req, eng_reply *out, eng_error *err)
{
    char slug[ENG_SLUG_SIZE];
    eng_str title = eng_req_text(req, "title_rag");
    eng_collection_slug(title, slug);
    eng_str name = eng_arena_copy(eng_req_arena(req), eng_str_of(slug));
    eng_str unknown = eng_arena_format(eng_req_arena(req), "no collection has the title '%.*s'",
                                       ENG_FMT(title));
    if (!name.ptr || !unknown.ptr)
        return eng_fail_nomem(err);
    return begin(req, name, unknown, out, err);
}

const eng_route eng_routes_ask[] = {
    {ENG_POST, "/v1/collections/{c}/ask", ENG_ROLE_READ, ask_fields, eng_answer_shape, ask,
     "Answers a question from a collection, with citations.", .fails = "404 502 503 504",
     .example = "{\"question\": \"Qual o prazo de entrega?\"}", .where = ENG_ON_WORKER,
     .takes = ENG_TAKES_JSON},
    {ENG_POST, "/llm/ask", ENG_ROLE_READ, title_fields, eng_answer_shape, ask_title,
     "Answers a question from a title's collection.", .fails = "404 502 503 504",
     .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {ENG_POST, "/llm/generate-response", ENG_ROLE_READ, title_fields, eng_answer_shape, ask_title,
     "Answers a question from a title's collection; the older name of /llm/ask.",
     .operation = "generate_response_route_llm_generate_response_post", .fails = "404 502 503 504",
     .where = ENG_ON_WORKER, .takes = ENG_TAKES_JSON},
    {0},
};
