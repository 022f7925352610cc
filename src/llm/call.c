/*
 * One question to one provider.
 *
 *     begin -> find its model, where none is named -> ask -> done
 *                                                     |
 *                        too busy, or not reached  ---+--> ask again, after a while
 *                        no such model (Ollama)    ---+--> pull it -> ask again
 *
 * Each step is a flow of net; its end begins the next. All of it runs on the flows' thread but for the
 * first step, which is begun on the caller's.
 */
#include "base/error.h"
#include "base/random.h"
#include "llm/llm_internal.h"

enum {
    BODY_KEPT = 64 << 10,  /* of an answer that is no stream: errors, lists of models */
    STREAM_MAX = 16 << 20, /* raw bytes of a streamed answer */
    BACKOFF_MS = 100,
    PULL_TIMES = 30, /* timeouts that pulling a model may take */
    SHOWN = 200
};

typedef struct {
    eng_llm *l;
    eng_llm_call what;
    eng_str model; /* what.model, the provider's, or what was found */
    char *found;
    unsigned tries_left;
    unsigned tried;
    bool pulled;
    bool given; /* some text has been passed on: it is not tried again */
    bool reading;
    eng_llm_reader reader;
    eng_buf body;
} call;

static const eng_llm_provider *provider_of(const call *c)
{
    return &c->l->providers[c->what.provider];
}

static void call_free(call *c)
{
    if (c->reading)
        eng_llm_reader_clear(&c->reader);
    eng_buf_clear(&c->body);
    eng_free(c->found);
    eng_free(c);
}

static void fail(call *c, const eng_error *err)
{
    void (*done)(void *, const eng_llm_result *, const eng_error *) = c->what.done;
    void *ctx = c->what.ctx;
    eng_error why = *err;
    call_free(c);
    done(ctx, NULL, &why);
}

static bool is_cancelled(void *ctx)
{
    const call *c = ctx;
    return c->what.cancelled && c->what.cancelled(c->what.ctx);
}

/* ---- Steps in common -------------------------------------------------------------------------------- */

typedef void step_done(void *ctx, const eng_http_flow_head *head, const eng_error *err);
typedef eng_status step_data(void *ctx, const eng_http_flow_head *head, eng_str bytes,
                             eng_error *err);

static eng_status keep(call *c, eng_str bytes)
{
    /* What is beyond says nothing that is needed. */
    size_t room = BODY_KEPT - (c->body.len < BODY_KEPT ? c->body.len : BODY_KEPT);
    eng_buf_str(&c->body, eng_str_sub(bytes, 0, room));
    return ENG_OK;
}

static eng_status keep_body(void *ctx, const eng_http_flow_head *head, eng_str bytes,
                            eng_error *err)
{
    (void)head;
    (void)err;
    return keep(ctx, bytes);
}

typedef struct {
    const char *method, *path;
    eng_str body;
    unsigned delay_ms, timeout_ms;
    step_data *data;
    step_done *done;
} step;

static eng_status begin_step(call *c, const step *s, eng_error *err)
{
    const eng_llm_provider *p = provider_of(c);
    const char *headers[4] = {"Content-Type: application/json",
                              "Accept: text/event-stream, application/x-ndjson, application/json"};
    eng_buf url;
    eng_buf_init(&url, 1 << 16);
    eng_buf_format(&url, "%.*s%s", ENG_FMT(p->url), s->path);
    eng_buf_reset(&c->body);
    if (p->kind == ENG_LLM_OPENAI)
        headers[2] = c->l->key;
    eng_http_flow flow = {
        .method = s->method,
        .url = url.data,
        .headers = headers,
        .body = s->body,
        .silence_ms = c->l->timeout_s * 1000,
        .timeout_ms = s->timeout_ms,
        .delay_ms = s->delay_ms,
        .max = STREAM_MAX,
        .data = s->data,
        .done = s->done,
        .cancelled = is_cancelled,
        .ctx = c,
    };
    eng_status status = eng_buf_check(&url, "address", err);
    if (status == ENG_OK)
        status = eng_http_flow_begin(c->l->flows, &flow, err);
    eng_buf_clear(&url);
    return status;
}

/* What a status that is no success means, with the server's own words. */
static eng_status refused(call *c, int http, eng_error *err)
{
    eng_arena arena;
    eng_str words;
    bool overflow = false;
    eng_arena_init(&arena, 1024, NULL);
    eng_llm_error_words(eng_buf_view(&c->body), &arena, &words, &overflow);
    eng_status status = http == 429 ? ENG_EBUSY : overflow ? ENG_ETOOBIG : ENG_EUPSTREAM;
    words = eng_str_sub(words, 0, SHOWN);
    eng_fail(err, status, "the model's server '%.*s' answered %d%s%.*s",
             ENG_FMT(eng_str_sub(provider_of(c)->url, 0, SHOWN)), http, words.len ? ": " : "",
             ENG_FMT(words));
    eng_arena_clear(&arena);
    return status;
}

/* ---- Asking ----------------------------------------------------------------------------------------- */

static void ask(call *c, unsigned delay_ms);

static eng_status pass_on(void *ctx, eng_str piece, eng_error *err)
{
    call *c = ctx;
    c->given = true;
    return c->what.text(c->what.ctx, piece, err);
}

static bool type_is(eng_str type, eng_str name)
{
    eng_str head = type, rest;
    eng_str_cut(type, ';', &head, &rest);
    return eng_str_eq_nocase(eng_str_trim(head.len ? head : type), name);
}

static eng_status begin_reading(call *c, eng_str type, eng_error *err)
{
    eng_llm_kind kind = provider_of(c)->kind;
    eng_llm_form form;
    if (type_is(type, ENG_STR("text/event-stream")) && kind == ENG_LLM_OPENAI)
        form = ENG_LLM_SSE;
    else if (kind == ENG_LLM_OLLAMA && (type_is(type, ENG_STR("application/x-ndjson")) ||
                                        type_is(type, ENG_STR("application/json"))))
        form = ENG_LLM_LINES;
    else if (type_is(type, ENG_STR("application/json")))
        form = ENG_LLM_WHOLE;
    else
        return eng_fail(err, ENG_EUPSTREAM, "the model's server answered with '%.*s'",
                        ENG_FMT(eng_str_sub(type, 0, SHOWN)));
    if (c->reading)
        eng_llm_reader_clear(&c->reader);
    eng_llm_reader_init(&c->reader, kind, form);
    c->reader.text = pass_on;
    c->reader.ctx = c;
    c->reading = true;
    return ENG_OK;
}

static eng_status take_answer(void *ctx, const eng_http_flow_head *head, eng_str bytes,
                              eng_error *err)
{
    call *c = ctx;
    if (head->status != 200)
        return keep(c, bytes);
    eng_status status = c->reading ? ENG_OK : begin_reading(c, head->type, err);
    return status < 0 ? status : eng_llm_reader_feed(&c->reader, bytes, err);
}

static void succeed(call *c)
{
    eng_llm_result result = {.model = c->model,
                             .prompt_tokens = c->reader.prompt_tokens,
                             .completion_tokens = c->reader.completion_tokens,
                             .cut = c->reader.cut};
    for (size_t i = 0; !c->reader.prompt_tokens && i < c->what.count; i++)
        result.prompt_tokens += eng_llm_estimate(c->what.messages[i].text);
    if (!result.completion_tokens)
        result.completion_tokens = c->reader.text_bytes / 4 + 1;
    c->what.done(c->what.ctx, &result, NULL);
    call_free(c);
}

static unsigned backoff_ms(const call *c)
{
    uint64_t chance = 0, ms = (uint64_t)BACKOFF_MS << (c->tried < 6 ? c->tried : 6);
    eng_random(&chance, sizeof chance);
    return (unsigned)(ms / 2 + chance % (ms / 2 + 1));
}

/* Asks again where that may help. */
static bool tries_again(call *c, const eng_http_flow_head *head, const eng_error *err)
{
    bool busy = head->status == 429 || head->status == 502 || head->status == 503;
    bool unreached = err && err->status == ENG_EUPSTREAM && !head->connected;
    uint64_t pause = (uint64_t)head->retry_after_s * 1000;
    if (c->given || !c->tries_left || !(busy || unreached) || pause > c->what.patience_ms)
        return false;
    if (!pause)
        pause = backoff_ms(c);
    c->tries_left--;
    c->tried++;
    ask(c, (unsigned)pause);
    return true;
}

static bool pulls(call *c, int http);

static void answered(void *ctx, const eng_http_flow_head *head, const eng_error *err)
{
    call *c = ctx;
    eng_error why;
    eng_status status = ENG_OK;
    if ((err || head->status != 200) && (tries_again(c, head, err) || pulls(c, head->status)))
        return;
    if (err) {
        why = *err;
        status = err->status;
    } else if (head->status != 200) {
        status = refused(c, head->status, &why);
    } else if (!c->reading) {
        status = eng_fail(&why, ENG_EUPSTREAM, "the model's server answered nothing");
    } else {
        status = eng_llm_reader_end(&c->reader, &why);
    }
    /* A data callback's own words about too long a prompt came through the flow. */
    if (status < 0)
        fail(c, &why);
    else
        succeed(c);
}

static void ask(call *c, unsigned delay_ms)
{
    eng_buf body;
    eng_error why;
    bool openai = provider_of(c)->kind == ENG_LLM_OPENAI;
    eng_status status = eng_llm_chat_body(c->l, &c->what, c->model, &body, &why);
    if (status == ENG_OK) {
        step s = {.path = openai ? "/chat/completions" : "/api/chat",
                  .body = eng_buf_view(&body),
                  .delay_ms = delay_ms,
                  .data = take_answer,
                  .done = answered};
        status = begin_step(c, &s, &why);
        eng_buf_clear(&body);
    }
    if (status < 0)
        fail(c, &why);
}

/* ---- Pulling a model that Ollama does not have ---------------------------------------------------------- */

static void pull_ended(void *ctx, const eng_http_flow_head *head, const eng_error *err)
{
    call *c = ctx;
    eng_error why;
    if (!err && head->status == 200) {
        ask(c, 0);
        return;
    }
    if (err)
        why = *err;
    else
        refused(c, head->status, &why);
    eng_error_prefix(&why, "cannot pull '%.*s'", ENG_FMT(eng_str_sub(c->model, 0, SHOWN)));
    fail(c, &why);
}

static bool pulls(call *c, int http)
{
    if (http != 404 || c->pulled || !c->l->pull || provider_of(c)->kind != ENG_LLM_OLLAMA)
        return false;
    eng_buf body;
    eng_error why;
    eng_buf_init(&body, 1 << 16);
    eng_json_writer w = eng_json_write_to(&body);
    eng_json_open(&w, '{');
    eng_json_member(&w, "model", c->model);
    eng_json_close(&w, '}');
    c->pulled = true;
    step s = {.path = "/api/pull",
              .body = eng_buf_view(&body),
              .timeout_ms = c->l->timeout_s * 1000 * PULL_TIMES,
              .data = keep_body,
              .done = pull_ended};
    eng_status status = eng_buf_check(&body, "model", &why);
    if (status == ENG_OK)
        status = begin_step(c, &s, &why);
    eng_buf_clear(&body);
    if (status < 0)
        fail(c, &why);
    return true;
}

/* ---- Finding its model --------------------------------------------------------------------------------- */

static eng_str first_name(const eng_json *list)
{
    const eng_json *models = eng_json_get(list, ENG_STR("data"));
    if (!models)
        models = eng_json_get(list, ENG_STR("models"));
    const eng_json *first = eng_json_at(models, 0);
    eng_str name = eng_json_text(eng_json_get(first, ENG_STR("id")));
    return name.len ? name : eng_json_text(eng_json_get(first, ENG_STR("name")));
}

static eng_status read_list(call *c, eng_error *err)
{
    const eng_json *list = NULL;
    eng_arena arena;
    eng_arena_init(&arena, 1 << 12, NULL);
    eng_status status = eng_json_read(eng_buf_view(&c->body), NULL, &arena, &list, err);
    eng_str name = status == ENG_OK ? first_name(list) : ENG_STR("");
    if (status != ENG_ENOMEM && !name.len)
        status = eng_fail(err, ENG_EUPSTREAM, "the model's server '%.*s' names no model",
                          ENG_FMT(eng_str_sub(provider_of(c)->url, 0, SHOWN)));
    if (status == ENG_OK) {
        c->found = eng_strdup(name);
        status = c->found ? ENG_OK : eng_fail_nomem(err);
    }
    eng_arena_clear(&arena);
    return status;
}

/* Kept for later calls; where another call was first, its name stays. */
static void remember(call *c)
{
    char *copy = eng_strdup(eng_str_of(c->found));
    pthread_mutex_lock(&c->l->lock);
    char **kept = &c->l->found[c->what.provider];
    if (!*kept) {
        *kept = copy;
        copy = NULL;
    }
    pthread_mutex_unlock(&c->l->lock);
    eng_free(copy);
}

static void found(void *ctx, const eng_http_flow_head *head, const eng_error *err)
{
    call *c = ctx;
    eng_error why;
    eng_status status = err ? err->status : ENG_OK;
    if (err)
        why = *err;
    else if (head->status != 200)
        status = refused(c, head->status, &why);
    else
        status = read_list(c, &why);
    if (status < 0) {
        fail(c, &why);
        return;
    }
    c->model = eng_str_of(c->found);
    remember(c);
    ask(c, 0);
}

static eng_status find(call *c, eng_error *err)
{
    bool openai = provider_of(c)->kind == ENG_LLM_OPENAI;
    step s = {.method = "GET",
              .path = openai ? "/models" : "/api/tags",
              .data = keep_body,
              .done = found};
    return begin_step(c, &s, err);
}

/* ---- Beginning ----------------------------------------------------------------------------------------- */

static eng_status choose_model(call *c, eng_error *err)
{
    c->model = c->what.model.ptr ? c->what.model : provider_of(c)->model;
    if (c->model.len)
        return ENG_OK;
    pthread_mutex_lock(&c->l->lock);
    const char *known = c->l->found[c->what.provider];
    if (known)
        c->found = eng_strdup(eng_str_of(known));
    pthread_mutex_unlock(&c->l->lock);
    if (known && !c->found)
        return eng_fail_nomem(err);
    c->model = eng_str_of(c->found);
    return ENG_OK;
}

static eng_status begin_asking(call *c, eng_error *err)
{
    eng_buf body;
    bool openai = provider_of(c)->kind == ENG_LLM_OPENAI;
    eng_status status = eng_llm_chat_body(c->l, &c->what, c->model, &body, err);
    if (status < 0)
        return status;
    step s = {.path = openai ? "/chat/completions" : "/api/chat",
              .body = eng_buf_view(&body),
              .data = take_answer,
              .done = answered};
    status = begin_step(c, &s, err);
    eng_buf_clear(&body);
    return status;
}

eng_status eng_llm_begin(eng_llm *l, const eng_llm_call *what, eng_error *err)
{
    call *c = eng_zalloc(sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    c->l = l;
    c->what = *what;
    c->tries_left = what->retries;
    eng_buf_init(&c->body, BODY_KEPT + 1);
    eng_status status = choose_model(c, err);
    if (status == ENG_OK)
        status = c->model.len ? begin_asking(c, err) : find(c, err);
    if (status < 0)
        call_free(c);
    return status;
}
