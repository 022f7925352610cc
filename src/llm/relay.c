/* Requests that are passed on as they are. */
#include "base/error.h"
#include "llm/llm_internal.h"

typedef struct {
    eng_llm_relay what;
} relay;

static eng_status data(void *ctx, const eng_http_flow_head *head, eng_str bytes, eng_error *err)
{
    const relay *r = ctx;
    return r->what.data(r->what.ctx, head->status, head->type, bytes, err);
}

static void done(void *ctx, const eng_http_flow_head *head, const eng_error *err)
{
    relay *r = ctx;
    r->what.done(r->what.ctx, head->status, err);
    eng_free(r);
}

static bool is_cancelled(void *ctx)
{
    const relay *r = ctx;
    return r->what.cancelled && r->what.cancelled(r->what.ctx);
}

static const eng_llm_provider *first_for(const eng_llm *l, bool ollama)
{
    for (size_t i = 0; i < l->count; i++) {
        const eng_llm_provider *p = &l->providers[i];
        if (p->kind == ENG_LLM_OLLAMA || (p->kind == ENG_LLM_OPENAI && !ollama))
            return p;
    }
    return NULL;
}

eng_status eng_llm_relay_begin(eng_llm *l, const eng_llm_relay *what, eng_error *err)
{
    const eng_llm_provider *p = first_for(l, what->ollama);
    if (!p)
        return eng_fail(err, ENG_ENOTFOUND, "no model server speaks this: ENGENHO_LLM names none");
    bool openai = p->kind == ENG_LLM_OPENAI;
    const char *headers[] = {"Content-Type: application/json", openai ? l->key : NULL, NULL};
    eng_buf url;
    eng_buf_init(&url, 1 << 16);
    eng_buf_format(&url, "%.*s%s%s", ENG_FMT(p->url), openai || what->ollama ? "" : "/v1",
                   what->path);
    eng_status status = eng_buf_check(&url, "address", err);
    relay *r = status == ENG_OK ? eng_alloc(sizeof *r) : NULL;
    if (status == ENG_OK && !r)
        status = eng_fail_nomem(err);
    if (status == ENG_OK) {
        r->what = *what;
        eng_http_flow flow = {.url = url.data,
                              .headers = headers,
                              .body = what->body,
                              .silence_ms = l->timeout_s * 1000,
                              .data = data,
                              .done = done,
                              .cancelled = is_cancelled,
                              .ctx = r};
        status = eng_http_flow_begin(l->flows, &flow, err);
        if (status < 0)
            eng_free(r);
    }
    eng_buf_clear(&url);
    return status;
}
