/* The providers that ENGENHO_LLM names. */
#include "base/error.h"
#include "llm/llm_internal.h"

enum { PROVIDERS_MAX = 16, TIMEOUT_S = 120, CONTEXT_TOKENS = 8192, QUOTED_MAX = 200 };

static const char *const kind_names[] = {"extract", "openai", "ollama"};
static const char *const role_names[] = {"system", "user", "assistant"};

const char *eng_llm_kind_name(eng_llm_kind kind) { return kind_names[kind]; }
const char *eng_llm_role_name(eng_llm_role role) { return role_names[role]; }

size_t eng_llm_count(const eng_llm *l) { return l->count; }
const eng_llm_provider *eng_llm_at(const eng_llm *l, size_t i) { return &l->providers[i]; }
unsigned eng_llm_context(const eng_llm *l) { return l->context; }

/* Two and a half bytes a token: Portuguese has three to four with the vocabularies of today. */
size_t eng_llm_estimate(eng_str text) { return text.len / 5 * 2 + text.len % 5 / 2 + 1; }

/* ---- Reading ---------------------------------------------------------------------------------------- */

static eng_status no_entry(eng_str entry, const char *why, eng_error *err)
{
    return eng_fail(
        err, ENG_EUSAGE,
        "ENGENHO_LLM: '%.*s' %s: expected ollama:URL#model, openai:URL#model or extract",
        ENG_FMT(eng_str_sub(entry, 0, QUOTED_MAX)), why);
}

static eng_status add(eng_llm *l, eng_llm_kind kind, eng_str url, eng_str model, eng_error *err)
{
    while (url.len && url.ptr[url.len - 1] == '/')
        url.len--;
    eng_llm_provider p = {kind, eng_arena_copy(&l->arena, url), eng_arena_copy(&l->arena, model)};
    if (!p.url.ptr || !p.model.ptr)
        return eng_fail_nomem(err);
    if (l->count == PROVIDERS_MAX)
        return eng_fail(err, ENG_EUSAGE, "ENGENHO_LLM: more than %d providers", PROVIDERS_MAX);
    l->providers[l->count++] = p;
    return ENG_OK;
}

static eng_status add_entry(eng_llm *l, eng_str entry, eng_str model, eng_error *err)
{
    eng_str kind, rest, url, named;
    eng_url parsed;
    if (eng_str_eq(entry, ENG_STR("extract")))
        return add(l, ENG_LLM_EXTRACT, ENG_STR(""), ENG_STR(""), err);
    if (!eng_str_cut(entry, ':', &kind, &rest))
        return no_entry(entry, "names no provider", err);
    bool openai = eng_str_eq(kind, ENG_STR("openai"));
    if (!openai && !eng_str_eq(kind, ENG_STR("ollama")))
        return no_entry(entry, "names no provider that is known", err);
    if (eng_str_cut(rest, '#', &url, &named) && named.len)
        model = named;
    if (eng_url_read(url, &parsed, NULL) < 0)
        return no_entry(entry, "has no address", err);
    return add(l, openai ? ENG_LLM_OPENAI : ENG_LLM_OLLAMA, url, model, err);
}

static eng_status read_chain(eng_llm *l, eng_str chain, eng_str model, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_str entry;
    while (chain.len && status == ENG_OK) {
        eng_str_cut(chain, ',', &entry, &chain);
        entry = eng_str_trim(entry);
        if (entry.len)
            status = add_entry(l, entry, model, err);
    }
    if (status == ENG_OK && !l->count)
        status = add(l, ENG_LLM_EXTRACT, ENG_STR(""), ENG_STR(""), err);
    return status;
}

static bool is_set(const char *text) { return text && *text; }

/* The variables that other programs read: that provider, and extraction where it fails. */
static eng_status read_alias(eng_llm *l, eng_llm_kind kind, const char *url, eng_str model,
                             eng_error *err)
{
    eng_url parsed;
    if (eng_url_read(eng_str_of(url), &parsed, NULL) < 0)
        return eng_fail(err, ENG_EUSAGE, "%s: '%.*s' is no address",
                        kind == ENG_LLM_OLLAMA ? "OLLAMA_BASE_URL" : "OPENAI_API_BASE", QUOTED_MAX,
                        url);
    return add(l, kind, eng_str_of(url), model, err);
}

static eng_status read_options(eng_llm *l, const eng_llm_options *o, eng_error *err)
{
    eng_str model = is_set(o->model) ? eng_str_of(o->model) : ENG_STR("");
    eng_status status = ENG_OK;
    if (is_set(o->chain) || (!is_set(o->ollama_url) && !is_set(o->openai_url)))
        return read_chain(l, eng_str_of(o->chain), model, err);
    if (is_set(o->ollama_url))
        status = read_alias(l, ENG_LLM_OLLAMA, o->ollama_url, model, err);
    if (status == ENG_OK && is_set(o->openai_url))
        status = read_alias(l, ENG_LLM_OPENAI, o->openai_url, model, err);
    return status == ENG_OK ? add_entry(l, ENG_STR("extract"), model, err) : status;
}

static eng_status take_key(eng_llm *l, const char *key, eng_error *err)
{
    eng_buf text;
    if (!is_set(key))
        return ENG_OK;
    eng_buf_init(&text, 1 << 16);
    eng_buf_str(&text, ENG_STR("Authorization: Bearer "));
    for (const char *c = key; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            text.failed = ENG_EUSAGE;
    eng_buf_str(&text, eng_str_of(key));
    eng_status status = text.failed == ENG_EUSAGE
                            ? eng_fail(err, ENG_EUSAGE, "OPENAI_API_KEY holds a line end")
                            : eng_buf_check(&text, "OPENAI_API_KEY", err);
    if (status == ENG_OK)
        l->key = eng_buf_take(&text, NULL);
    eng_buf_clear(&text);
    return status;
}

/* ---- Life ------------------------------------------------------------------------------------------- */

static eng_status fill(eng_llm *l, const eng_llm_options *o, eng_error *err)
{
    l->providers = eng_arena_array(&l->arena, PROVIDERS_MAX, sizeof *l->providers);
    l->found = eng_arena_zalloc(&l->arena, PROVIDERS_MAX * sizeof *l->found);
    if (!l->providers || !l->found)
        return eng_fail_nomem(err);
    eng_status status = read_options(l, o, err);
    if (status == ENG_OK)
        status = take_key(l, o->key, err);
    if (status == ENG_OK)
        status = eng_http_flows_new("engenho/" ENG_VERSION, &l->flows, err);
    return status;
}

eng_status eng_llm_new(const eng_llm_options *options, eng_llm **out, eng_error *err)
{
    eng_llm *l = eng_zalloc(sizeof *l);
    if (!l)
        return eng_fail_nomem(err);
    eng_arena_init(&l->arena, 2048, NULL);
    pthread_mutex_init(&l->lock, NULL);
    l->timeout_s = options->timeout_s ? options->timeout_s : TIMEOUT_S;
    l->context = options->context_tokens ? options->context_tokens : CONTEXT_TOKENS;
    l->pull = options->pull;
    eng_status status = fill(l, options, err);
    if (status < 0)
        eng_llm_free(l);
    else
        *out = l;
    return status;
}

void eng_llm_stop(eng_llm *l) { eng_http_flows_stop(l->flows); }

void eng_llm_free(eng_llm *l)
{
    if (!l)
        return;
    eng_http_flows_free(l->flows);
    for (size_t i = 0; i < l->count; i++)
        eng_free(l->found[i]);
    eng_free(l->key);
    pthread_mutex_destroy(&l->lock);
    eng_arena_clear(&l->arena);
    eng_free(l);
}

void eng_llm_nudge(eng_llm *l) { eng_http_flows_nudge(l->flows); }
