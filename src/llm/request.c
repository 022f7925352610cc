/* What providers are sent. */
#include "base/error.h"
#include "llm/llm_internal.h"

enum { BODY_MAX = 64 << 20 };

static void write_messages(eng_json_writer *w, const eng_llm_call *call)
{
    eng_json_name(w, ENG_STR("messages"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < call->count; i++) {
        eng_json_open(w, '{');
        eng_json_member(w, "role", eng_str_of(eng_llm_role_name(call->messages[i].role)));
        eng_json_member(w, "content", call->messages[i].text);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

static void write_number(eng_json_writer *w, const char *name, uint64_t value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_uint(w, value);
}

/* The likeliest word every time: an answer from passages is no place for invention. */
static void write_openai(eng_json_writer *w, unsigned tokens)
{
    write_number(w, "max_tokens", tokens);
    write_number(w, "temperature", 0);
    eng_json_name(w, ENG_STR("stream_options"));
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("include_usage"));
    eng_json_bool(w, true);
    eng_json_close(w, '}');
}

/* num_ctx has to be said: Ollama's own default is small, and it cuts prompts without a word. */
static void write_ollama(eng_json_writer *w, unsigned tokens, unsigned context)
{
    eng_json_name(w, ENG_STR("options"));
    eng_json_open(w, '{');
    write_number(w, "num_ctx", context);
    write_number(w, "num_predict", tokens);
    write_number(w, "temperature", 0);
    eng_json_close(w, '}');
}

eng_status eng_llm_chat_body(const eng_llm *l, const eng_llm_call *call, eng_str model,
                             eng_buf *out, eng_error *err)
{
    unsigned tokens = call->tokens_max ? call->tokens_max : ENG_LLM_REPLY_TOKENS;
    eng_buf_init(out, BODY_MAX);
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "model", model);
    write_messages(&w, call);
    eng_json_name(&w, ENG_STR("stream"));
    eng_json_bool(&w, true);
    if (l->providers[call->provider].kind == ENG_LLM_OPENAI)
        write_openai(&w, tokens);
    else
        write_ollama(&w, tokens, l->context);
    eng_json_close(&w, '}');
    eng_status status = eng_buf_check(out, "prompt", err);
    if (status < 0)
        eng_buf_clear(out);
    return status;
}
