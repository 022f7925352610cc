/*
 * The answerers with a model: the prompt, its stream, and what of the answer has support.
 *
 * The model's thread only takes text in and passes it on. What comes behind its last word (grounding, the
 * next provider) is a task of the asks' pool.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/ask_internal.h"

enum {
    RETRIES = 2,
    PATIENCE_MS = 10000,  /* that Retry-After may ask for, from the last provider */
    IMPATIENCE_MS = 1000, /* where another one could answer meanwhile */
    ROOM_LEAST = 256,     /* tokens of a prompt that is worth sending */
    QUESTION_MOST = 600,  /* bytes of a question that a model rewrote */
    THINK_OPEN = 7,       /* "<think>" */
    WHITE_MOST = 64       /* of what is held back at the end of a piece */
};

static const eng_str think_open = {"<think>", THINK_OPEN};
static const eng_str think_close = {"</think>", 8};

static eng_asks *asks_of(const eng_asking *q) { return q->e->asks; }

/* ---- Prompts ------------------------------------------------------------------------------------------- */

static eng_status request_of(eng_asking *q, eng_prompt_request *out, eng_error *err)
{
    static const eng_llm_role roles[] = {[ENG_SPEAKER_SYSTEM] = ENG_LLM_SYSTEM,
                                         [ENG_SPEAKER_USER] = ENG_LLM_USER,
                                         [ENG_SPEAKER_ASSISTANT] = ENG_LLM_ASSISTANT};
    eng_llm_message *turns = eng_arena_array(&q->out->arena, q->what.turns + 1, sizeof *turns);
    if (!turns)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < q->what.turns; i++)
        turns[i] = (eng_llm_message){roles[q->what.history[i].who], q->what.history[i].text};
    unsigned context = eng_llm_context(asks_of(q)->llm);
    if (!q->room)
        q->room = context > 2 * ENG_LLM_REPLY_TOKENS ? context - ENG_LLM_REPLY_TOKENS : context / 2;
    *out = (eng_prompt_request){.language = q->language,
                                .question = q->what.question,
                                .passages = q->evidence.items,
                                .count = q->evidence.count,
                                .history = turns,
                                .turns = q->what.turns,
                                .tokens = q->room,
                                .key = q->e->secret};
    return ENG_OK;
}

static eng_status make_prompt(eng_asking *q, eng_error *err)
{
    eng_prompt_request request;
    eng_status status = request_of(q, &request, err);
    if (status == ENG_OK)
        status = eng_prompt_make(asks_of(q)->prompts, &request, &q->out->arena, &q->prompt, err);
    return status == ENG_OK
               ? eng_ask_uses(q, q->prompt.used,
                              "the prompt has no room for it within the model's context", err)
               : status;
}

eng_status eng_ask_show_prompt(eng_asking *q, eng_error *err)
{
    static const eng_speaker who[] = {[ENG_LLM_SYSTEM] = ENG_SPEAKER_SYSTEM,
                                      [ENG_LLM_USER] = ENG_SPEAKER_USER,
                                      [ENG_LLM_ASSISTANT] = ENG_SPEAKER_ASSISTANT};
    eng_status status = make_prompt(q, err);
    if (status < 0)
        return status;
    eng_turn *turns = eng_arena_array(&q->out->arena, q->prompt.count + 1, sizeof *turns);
    if (!turns)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < q->prompt.count; i++)
        turns[i] = (eng_turn){who[q->prompt.messages[i].role], q->prompt.messages[i].text};
    q->out->a.prompt = turns;
    q->out->a.prompt_count = q->prompt.count;
    q->out->a.response = "";
    q->out->a.model = "";
    return ENG_OK;
}

/* ---- The stream ------------------------------------------------------------------------------------------ */

static bool is_white(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* White space at the end waits: it is part of the answer only where something follows. */
static void tell(eng_asking *q)
{
    size_t end = q->text.len;
    while (end > q->told && is_white(q->text.data[end - 1]))
        end--;
    if (end == q->told || q->what.strict || !q->what.delta)
        return;
    q->spoke = true;
    q->what.delta(q->what.ctx, eng_str_sub(eng_buf_view(&q->text), q->told, end - q->told));
    q->told = end;
}

/* Models that think aloud put that before their answer, between <think> and </think>. */
static void drop_thoughts(eng_asking *q)
{
    eng_str text = eng_buf_view(&q->text);
    if (q->thinking == 0) {
        size_t n = text.len < THINK_OPEN ? text.len : THINK_OPEN;
        if (!eng_str_eq(eng_str_sub(text, 0, n), eng_str_sub(think_open, 0, n)))
            q->thinking = 2;
        else if (n == THINK_OPEN)
            q->thinking = 1;
    }
    if (q->thinking == 1) {
        size_t end = eng_str_find(text, think_close);
        if (end == SIZE_MAX)
            return;
        eng_buf_drop(&q->text, end + think_close.len);
        q->thinking = 3;
    }
    /* White space behind them belongs to neither. */
    size_t white = 0;
    while (q->thinking == 3 && white < q->text.len && is_white(q->text.data[white]))
        white++;
    if (white)
        eng_buf_drop(&q->text, white);
    if (q->thinking == 3 && q->text.len)
        q->thinking = 2;
}

static eng_status take_text(void *ctx, eng_str piece, eng_error *err)
{
    eng_asking *q = ctx;
    if (!q->text.len && q->thinking != 1)
        while (piece.len && is_white(piece.ptr[0]))
            piece = eng_str_sub(piece, 1, piece.len);
    if (!piece.len)
        return ENG_OK;
    if (!q->asked_ns) {
        q->asked_ns = eng_clock_ns();
        eng_ask_time(q, "first_token", eng_ask_since(q->began));
    }
    eng_buf_str(&q->text, piece);
    eng_status status = eng_buf_check(&q->text, "answer", err);
    if (status < 0)
        return status;
    if (q->thinking != 2)
        drop_thoughts(q);
    if (q->thinking == 2 && !q->rewriting)
        tell(q);
    return ENG_OK;
}

/* ---- Grounding --------------------------------------------------------------------------------------------- */

static eng_status take_citations(eng_asking *q, const eng_grounding *g, eng_error *err)
{
    eng_arena *arena = &q->out->arena;
    eng_citation *items = eng_arena_array(arena, g->ground_count + 1, sizeof *items);
    if (!items)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < g->ground_count; i++) {
        const eng_ground *from = &g->grounds[i];
        items[i] = eng_ask_citation(q, from->candidate, from->start, from->end, from->score, arena);
        if (!items[i].quote)
            return eng_fail_nomem(err);
    }
    q->out->a.citations = items;
    q->out->a.citation_count = g->ground_count;
    return ENG_OK;
}

/* With `strict` those without support are left out. */
static eng_status take_sentences(eng_asking *q, const eng_grounding *g, eng_error *err)
{
    eng_arena *arena = &q->out->arena;
    eng_answer *a = &q->out->a;
    eng_said *said = eng_arena_array(arena, g->count + 1, sizeof *said);
    if (!said)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < g->count; i++) {
        const eng_grounded *s = &g->sentences[i];
        uint32_t *places = eng_arena_array(arena, s->cite_count + 1, sizeof *places);
        eng_str text = eng_arena_copy(arena, s->text);
        if (!places || !text.ptr)
            return eng_fail_nomem(err);
        for (size_t k = 0; k < s->cite_count; k++)
            places[k] = (uint32_t)s->cites[k];
        a->confidence += s->support / (double)g->count;
        if (s->supported || !q->what.strict)
            said[a->sentence_count++] = (eng_said){text.ptr, s->supported, places, s->cite_count};
    }
    a->sentences = said;
    return ENG_OK;
}

/* The whole of it; or, with `strict`, the sentences that are left, as they stood. */
static eng_status take_response(eng_asking *q, const eng_grounding *g, eng_error *err)
{
    eng_buf text;
    eng_str whole = eng_buf_view(&q->text);
    size_t at = 0;
    bool kept = false;
    eng_buf_init(&text, ENG_LLM_TEXT_MAX * 2);
    for (size_t i = 0; i < g->count && q->what.strict; i++) {
        const eng_grounded *s = &g->sentences[i];
        size_t start = (size_t)(s->text.ptr - whole.ptr);
        if (s->supported && kept)
            eng_buf_str(&text, i && g->sentences[i - 1].supported
                                   ? eng_str_sub(whole, at, start - at)
                                   : ENG_STR(" "));
        if (s->supported)
            eng_buf_str(&text, s->text);
        kept |= s->supported;
        at = start + s->text.len;
    }
    if (!q->what.strict)
        eng_buf_str(&text, whole);
    eng_status status = eng_buf_check(&text, "answer", err);
    if (status == ENG_OK) {
        q->out->a.response = eng_arena_copy(&q->out->arena, eng_buf_view(&text)).ptr;
        status = q->out->a.response ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

static eng_status judge(eng_asking *q, eng_analyzer *analyzer, eng_lent_encoder *lent,
                        eng_grounding *g, eng_error *err)
{
    eng_rag_encoder encoder = {.dim = 0};
    eng_ground_request request = {.answer = eng_buf_view(&q->text),
                                  .question = q->asked,
                                  .language = q->language,
                                  .passages = q->evidence.items,
                                  .used = q->prompt.used,
                                  .count = q->evidence.count,
                                  .encoder = &encoder};
    eng_collection *c = NULL;
    /* Without an encoder, or without the collection, words decide. */
    if (eng_collection_get(q->e, q->collection, &c, NULL) == ENG_OK && c->embedding_model[0] &&
        eng_encoder_lend(q->e, c->embedding_model, lent, &encoder, NULL) < 0)
        encoder = (eng_rag_encoder){.dim = 0};
    lent->cancelled = q->what.cancelled;
    lent->ctx = q->what.ctx;
    eng_status status = eng_ground_answer(analyzer, &request, &q->out->arena, g, err);
    eng_collection_free(c);
    return status;
}

static eng_status ground(eng_asking *q, eng_error *err)
{
    eng_answer *a = &q->out->a;
    eng_grounding g = {.count = 0};
    eng_analyzer *analyzer = NULL;
    eng_lent_encoder lent = {.e = q->e};
    eng_tokens_init(&lent.tokens);
    uint64_t from = eng_clock_ns();
    eng_status status = eng_analyzer_new(&analyzer, err);
    if (status == ENG_OK)
        status = judge(q, analyzer, &lent, &g, err);
    eng_encoder_back(&lent);
    eng_analyzer_free(analyzer);
    a->confidence = 0;
    if (status == ENG_OK && !g.refused && g.supported) {
        a->grounded = true;
        status = take_citations(q, &g, err);
        if (status == ENG_OK)
            status = take_sentences(q, &g, err);
        if (status == ENG_OK)
            status = take_response(q, &g, err);
    } else if (status == ENG_OK) {
        eng_ask_refuse(q);
    }
    eng_ask_time(q, "ground", eng_ask_since(from));
    return status;
}

/* ---- The end of a call ---------------------------------------------------------------------------------------- */

static eng_status conclude(eng_asking *q, eng_error *err)
{
    eng_answer *a = &q->out->a;
    while (q->text.len && is_white(q->text.data[q->text.len - 1]))
        q->text.data[--q->text.len] = '\0';
    if (q->asked_ns)
        eng_ask_time(q, "generate", eng_ask_since(q->asked_ns));
    eng_str name = eng_arena_format(
        &q->out->arena, "%s:%.*s",
        eng_llm_kind_name(eng_llm_at(asks_of(q)->llm, q->provider)->kind),
        ENG_FMT(q->result.model));
    if (!name.ptr)
        return eng_fail_nomem(err);
    a->model = name.ptr;
    a->prompt_tokens = q->result.prompt_tokens;
    a->completion_tokens = q->result.completion_tokens;
    eng_status status = ground(q, err);
    a->replaced = status == ENG_OK && q->spoke &&
                  !eng_str_eq(eng_str_of(a->response),
                              eng_str_sub(eng_buf_view(&q->text), 0, q->told));
    return status;
}

/* A provider that failed: once more with less, where that may help; else the next one, unless the client
 * has had half an answer. */
static void go_on(eng_asking *q)
{
    if (q->error.status == ENG_ETOOBIG && !q->shortened && q->room / 2 > ROOM_LEAST) {
        q->shortened = true;
        q->room /= 2;
        eng_ask_answer(q);
    } else if (q->spoke || q->error.status == ENG_ECANCELLED || q->error.status == ENG_ENOMEM) {
        eng_ask_fail(q);
    } else {
        eng_ask_next(q);
    }
}

static void rewritten(eng_asking *q);

static void after(void *arg)
{
    eng_asking *q = arg;
    if (q->rewriting) {
        rewritten(q);
    } else if (q->failed) {
        go_on(q);
    } else if (conclude(q, &q->error) < 0) {
        eng_ask_fail(q);
    } else {
        if (!q->spoke && q->what.delta)
            q->what.delta(q->what.ctx, eng_str_of(q->out->a.response));
        eng_ask_finish(q);
    }
}

static void dropped(void *arg)
{
    eng_asking *q = arg;
    eng_fail(&q->error, ENG_ECANCELLED, "the program is stopping");
    eng_ask_fail(q);
}

/* On the model's thread, which must not wait. */
static void done(void *ctx, const eng_llm_result *result, const eng_error *err)
{
    eng_asking *q = ctx;
    q->failed = !result;
    if (result) {
        /* The name lives no longer than this call. */
        eng_str name = eng_arena_copy(&q->out->arena, result->model);
        q->result = *result;
        q->result.model = name.ptr ? name : ENG_STR("");
    } else {
        q->error = *err;
    }
    eng_task task = {.run = after, .dropped = dropped, .arg = q};
    if (eng_pool_submit(asks_of(q)->pool, ENG_POOL_NOW, task, &q->error) < 0)
        eng_ask_fail(q);
}

static bool is_cancelled(void *ctx)
{
    const eng_asking *q = ctx;
    return q->what.cancelled && q->what.cancelled(q->what.ctx);
}

static bool is_last(const eng_asking *q) { return q->provider + 1 >= q->last; }

static eng_status begin(eng_asking *q, eng_error *err)
{
    eng_llm_call call = {.provider = q->provider,
                         .model = q->model,
                         .messages = q->prompt.messages,
                         .count = q->prompt.count,
                         .retries = is_last(q) ? RETRIES : 1,
                         .patience_ms = is_last(q) ? PATIENCE_MS : IMPATIENCE_MS,
                         .text = take_text,
                         .done = done,
                         .cancelled = is_cancelled,
                         .ctx = q};
    eng_buf_reset(&q->text);
    q->told = 0;
    q->thinking = 0;
    q->asked_ns = 0;
    return eng_llm_begin(asks_of(q)->llm, &call, err);
}

eng_status eng_ask_model(eng_asking *q, eng_error *err)
{
    uint64_t from = eng_clock_ns();
    eng_status status = make_prompt(q, err);
    eng_ask_time(q, "prompt", eng_ask_since(from));
    return status == ENG_OK ? begin(q, err) : status;
}

/* ---- Follow-ups, by a model ------------------------------------------------------------------------------------- */

/* One line that can be a question; anything else is not used. */
static void rewritten(eng_asking *q)
{
    eng_str text = eng_str_trim(eng_buf_view(&q->text));
    bool usable = !q->failed && text.len && text.len <= QUESTION_MOST &&
                  !memchr(text.ptr, '\n', text.len);
    eng_str copy = usable ? eng_arena_copy(&q->out->arena, text) : ENG_STR("");
    if (copy.len)
        q->asked = copy;
    q->rewriting = false;
    q->asked_ns = 0;
    eng_ask_time(q, "rewrite", eng_ask_since(q->began));
    q->out->a.timing_count = 0; /* the first token was not the answer's */
    eng_ask_time(q, "rewrite", eng_ask_since(q->began));
    if (q->failed && q->error.status == ENG_ECANCELLED)
        eng_ask_fail(q);
    else
        eng_ask_look(q);
}

eng_status eng_ask_rewrite(eng_asking *q, eng_error *err)
{
    eng_prompt_request request;
    eng_status status = request_of(q, &request, err);
    if (status == ENG_OK)
        status = eng_prompt_rewrite(asks_of(q)->prompts, &request, &q->out->arena, &q->prompt, err);
    if (status < 0)
        return status;
    q->rewriting = true;
    status = begin(q, err);
    if (status < 0)
        q->rewriting = false;
    return status;
}
