/* What providers send, read as it comes. See llm.h. */
#include "base/error.h"
#include "llm/llm.h"

enum { LINE_MAX_BYTES = 1 << 20, SHOWN = 200, EVENT_DEPTH = 32 };

void eng_llm_reader_init(eng_llm_reader *r, eng_llm_kind kind, eng_llm_form form)
{
    *r = (eng_llm_reader){.kind = kind, .form = form};
    eng_buf_init(&r->line, LINE_MAX_BYTES);
    eng_buf_init(&r->event, LINE_MAX_BYTES);
    eng_arena_init(&r->arena, 1024, NULL);
}

void eng_llm_reader_clear(eng_llm_reader *r)
{
    eng_buf_clear(&r->line);
    eng_buf_clear(&r->event);
    eng_arena_clear(&r->arena);
}

static eng_status broken(eng_error *err, const char *why)
{
    return eng_fail(err, ENG_EUPSTREAM, "the model's answer %s", why);
}

/* Out of memory stays what it is; everything else is the other side's doing. */
static eng_status blame(eng_status status, eng_error *err, const char *why)
{
    return status == ENG_ENOMEM ? eng_fail_nomem(err) : broken(err, why);
}

/* ---- Errors that they tell of ------------------------------------------------------------------------ */

static bool says(eng_str text, const char *what)
{
    eng_str w = eng_str_of(what);
    for (size_t i = 0; i + w.len <= text.len; i++)
        if (eng_str_eq_nocase(eng_str_sub(text, i, w.len), w))
            return true;
    return false;
}

/* As the servers in use put it: there is no common code. */
static bool is_overflow(eng_str code, eng_str words)
{
    static const char *const signs[] = {"context length",  "context size",       "context window",
                                        "maximum context", "prompt is too long", "too many tokens"};
    if (eng_str_eq(code, ENG_STR("context_length_exceeded")))
        return true;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (says(words, signs[i]))
            return true;
    return false;
}

static eng_str words_of(const eng_json *v, bool *overflow)
{
    const eng_json *error = eng_json_get(v, ENG_STR("error"));
    eng_str words = eng_json_text(error);
    if (!words.len)
        words = eng_json_text(eng_json_get(error, ENG_STR("message")));
    if (!words.len && !error)
        words = eng_json_text(eng_json_get(v, ENG_STR("detail")));
    if (is_overflow(eng_json_text(eng_json_get(error, ENG_STR("code"))), words))
        *overflow = true;
    return words;
}

void eng_llm_error_words(eng_str body, eng_arena *arena, eng_str *out, bool *overflow)
{
    eng_json_limits limits = {.depth = EVENT_DEPTH, .size = LINE_MAX_BYTES};
    const eng_json *v = NULL;
    *out = ENG_STR("");
    if (eng_json_read(body, &limits, arena, &v, NULL) == ENG_OK)
        *out = words_of(v, overflow);
}

/* ---- Values ------------------------------------------------------------------------------------------- */

static void take_count(const eng_json *v, const char *name, uint64_t *out)
{
    const eng_json *n = eng_json_get(v, eng_str_of(name));
    if (eng_json_is(n, ENG_JSON_INT) && n->as.integer > 0)
        *out = (uint64_t)n->as.integer;
}

static eng_status give(eng_llm_reader *r, eng_str text, eng_error *err)
{
    if (!text.len)
        return ENG_OK;
    r->text_bytes += text.len;
    if (r->text_bytes > ENG_LLM_TEXT_MAX)
        return broken(err, "does not end");
    return r->text ? r->text(r->ctx, text, err) : ENG_OK;
}

static eng_status read_openai(eng_llm_reader *r, const eng_json *v, eng_error *err)
{
    const eng_json *choices = eng_json_get(v, ENG_STR("choices")),
                   *choice = eng_json_at(choices, 0), *usage = eng_json_get(v, ENG_STR("usage"));
    take_count(usage, "prompt_tokens", &r->prompt_tokens);
    take_count(usage, "completion_tokens", &r->completion_tokens);
    if (r->form == ENG_LLM_WHOLE && !choice)
        return broken(err, "has no choices");
    if (!eng_json_is(choices, ENG_JSON_ARRAY) && !usage)
        return broken(err, "is no chat completion");
    const eng_json *message = eng_json_get(choice, r->form == ENG_LLM_WHOLE ? ENG_STR("message")
                                                                            : ENG_STR("delta"));
    eng_str reason = eng_json_text(eng_json_get(choice, ENG_STR("finish_reason")));
    if (reason.len || (r->form == ENG_LLM_WHOLE && choice))
        r->ended = true;
    r->cut |= eng_str_eq(reason, ENG_STR("length"));
    return give(r, eng_json_text(eng_json_get(message, ENG_STR("content"))), err);
}

static eng_status read_ollama(eng_llm_reader *r, const eng_json *v, eng_error *err)
{
    const eng_json *done = eng_json_get(v, ENG_STR("done")),
                   *message = eng_json_get(v, ENG_STR("message"));
    if (!eng_json_is(done, ENG_JSON_BOOL) && !eng_json_is(message, ENG_JSON_OBJECT))
        return broken(err, "is no chat of Ollama's");
    take_count(v, "prompt_eval_count", &r->prompt_tokens);
    take_count(v, "eval_count", &r->completion_tokens);
    if (eng_json_is(done, ENG_JSON_BOOL) && done->as.boolean) {
        r->ended = true;
        r->cut |= eng_str_eq(eng_json_text(eng_json_get(v, ENG_STR("done_reason"))),
                             ENG_STR("length"));
    }
    return give(r, eng_json_text(eng_json_get(message, ENG_STR("content"))), err);
}

static eng_status read_value(eng_llm_reader *r, eng_str text, eng_error *err)
{
    eng_json_limits limits = {.depth = EVENT_DEPTH, .size = LINE_MAX_BYTES};
    const eng_json *v = NULL;
    eng_arena_reset(&r->arena);
    eng_status status = eng_json_read(text, &limits, &r->arena, &v, err);
    if (status < 0)
        return blame(status, err, "is no JSON");
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return broken(err, "is no object");
    const eng_json *error = eng_json_get(v, ENG_STR("error"));
    if (error && error->type != ENG_JSON_NULL) {
        eng_str words = eng_str_sub(words_of(v, &r->overflow), 0, SHOWN);
        return eng_fail(err, r->overflow ? ENG_ETOOBIG : ENG_EUPSTREAM,
                        "the model's server says: %.*s", ENG_FMT(words));
    }
    return r->kind == ENG_LLM_OLLAMA ? read_ollama(r, v, err) : read_openai(r, v, err);
}

/* ---- Lines -------------------------------------------------------------------------------------------- */

/* A blank line ends an event; its data are read when it does. */
static eng_status end_event(eng_llm_reader *r, eng_error *err)
{
    eng_str data = eng_str_trim(eng_buf_view(&r->event));
    eng_status status = ENG_OK;
    if (eng_str_eq(data, ENG_STR("[DONE]")))
        r->ended = true;
    else if (data.len)
        status = read_value(r, data, err);
    eng_buf_reset(&r->event);
    return status;
}

static eng_status take_event_line(eng_llm_reader *r, eng_str line, eng_error *err)
{
    eng_str name, value;
    if (!line.len)
        return end_event(r, err);
    if (!eng_str_cut(line, ':', &name, &value)) {
        /* An error in place of a stream comes as bare JSON, which holds a colon; this is nothing known. */
        return ENG_OK;
    }
    if (name.len && name.ptr[0] == '{')
        return read_value(r, line, err);
    if (!eng_str_eq(name, ENG_STR("data")))
        return ENG_OK; /* a comment, an event's name, an id */
    if (r->event.len)
        eng_buf_byte(&r->event, '\n');
    eng_buf_str(&r->event, value);
    eng_status status = eng_buf_check(&r->event, "event", err);
    return status < 0 ? blame(status, err, "has an event that is too long") : ENG_OK;
}

static eng_status take_line(eng_llm_reader *r, eng_str line, eng_error *err)
{
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (r->form == ENG_LLM_SSE)
        return take_event_line(r, line, err);
    return eng_str_trim(line).len ? read_value(r, line, err) : ENG_OK;
}

/* The rest of a line that began in an earlier piece is put behind it; a whole one is read in place. */
static eng_status take_piece(eng_llm_reader *r, eng_str piece, bool ends, eng_error *err)
{
    if (ends && !r->line.len)
        return take_line(r, piece, err);
    eng_buf_str(&r->line, piece);
    eng_status status = eng_buf_check(&r->line, "line", err);
    if (status < 0)
        return blame(status, err, "has a line that is too long");
    if (!ends)
        return ENG_OK;
    status = take_line(r, eng_buf_view(&r->line), err);
    eng_buf_reset(&r->line);
    return status;
}

eng_status eng_llm_reader_feed(eng_llm_reader *r, eng_str bytes, eng_error *err)
{
    if (r->form == ENG_LLM_WHOLE)
        return take_piece(r, bytes, false, err);
    eng_status status = ENG_OK;
    while (bytes.len && status == ENG_OK) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = end ? (size_t)(end - bytes.ptr) : bytes.len;
        status = take_piece(r, eng_str_sub(bytes, 0, len), end, err);
        bytes = eng_str_sub(bytes, len + (end ? 1 : 0), bytes.len);
    }
    return status;
}

eng_status eng_llm_reader_end(eng_llm_reader *r, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_str rest = eng_buf_view(&r->line);
    if (r->form == ENG_LLM_WHOLE)
        status = read_value(r, rest, err);
    else if (rest.len)
        status = take_line(r, rest, err);
    if (status == ENG_OK && r->event.len)
        status = end_event(r, err);
    if (status == ENG_OK && !r->ended)
        status = broken(err, "ends too early");
    return status;
}
