/* A question on its way to an answer: see ask_internal.h. */
#include "engine/ask_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

#include <math.h>

enum {
    QUESTION_CHARS = 8192,
    LOOKED_AT = 12, /* passages, where nobody says how many */
    THREADS = 4,
    QUEUE = 4096,
    TURNS_MAX = 10000
};

/* ---- Parts of the engine ------------------------------------------------------------------------------- */

static eng_status name_providers(eng_asks *a, bool *models, eng_error *err)
{
    size_t n = eng_llm_count(a->llm);
    a->names = eng_arena_array(&a->arena, n, sizeof *a->names);
    if (!a->names)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const eng_llm_provider *p = eng_llm_at(a->llm, i);
        eng_str name = eng_arena_format(&a->arena, "%s%s%.*s", eng_llm_kind_name(p->kind),
                                        p->model.len ? ":" : "", ENG_FMT(p->model));
        if (!name.ptr)
            return eng_fail_nomem(err);
        a->names[i] = name.ptr;
        *models |= p->kind != ENG_LLM_EXTRACT;
    }
    return ENG_OK;
}

static eng_status fill(eng_asks *a, const eng_options *o, eng_error *err)
{
    bool models = false;
    eng_llm_options llm = {.chain = o->llm,
                           .ollama_url = o->ollama_url,
                           .openai_url = o->openai_url,
                           .model = o->llm_model,
                           .key = o->openai_key,
                           .timeout_s = o->llm_timeout_s,
                           .context_tokens = o->llm_context,
                           .pull = o->llm_pull};
    eng_status status = eng_llm_new(&llm, &a->llm, err);
    if (status == ENG_OK)
        status = eng_prompts_load(o->prompts, &a->prompts, err);
    if (status == ENG_OK)
        status = eng_ask_cache_new(&a->cache, err);
    if (status == ENG_OK)
        status = name_providers(a, &models, err);
    eng_pool_options pool = {.threads = THREADS, .queue = {[ENG_POOL_NOW] = QUEUE}};
    if (status == ENG_OK && models)
        status = eng_pool_new(&pool, &a->pool, err);
    return status;
}

eng_status eng_asks_new(const eng_options *options, eng_asks **out, eng_error *err)
{
    eng_asks *a = eng_zalloc(sizeof *a);
    if (!a)
        return eng_fail_nomem(err);
    eng_arena_init(&a->arena, 1024, NULL);
    eng_status status = fill(a, options, err);
    if (status < 0)
        eng_asks_free(a);
    else
        *out = a;
    return status;
}

void eng_asks_free(eng_asks *a)
{
    if (!a)
        return;
    /* The models' calls end first: their ends are tasks of the pool, which then runs or drops them, and
     * finds that no other call can be begun. */
    if (a->pool) {
        eng_llm_stop(a->llm);
        eng_pool_stop(a->pool);
    }
    eng_pool_free(a->pool);
    eng_llm_free(a->llm);
    eng_ask_cache_free(a->cache);
    eng_prompts_free(a->prompts);
    eng_arena_clear(&a->arena);
    eng_free(a);
}

void eng_ask_nudge(eng *e) { eng_llm_nudge(e->asks->llm); }

const char *eng_answerer(eng *e, size_t i)
{
    return i < eng_llm_count(e->asks->llm) ? e->asks->names[i] : NULL;
}

eng_status eng_relay_begin(eng *e, const eng_relay *what, eng_error *err)
{
    eng_llm_relay relay = {.ollama = what->ollama,
                           .path = what->path,
                           .body = what->body,
                           .data = what->data,
                           .done = what->done,
                           .cancelled = what->cancelled,
                           .ctx = what->ctx};
    return eng_llm_relay_begin(e->asks->llm, &relay, err);
}

/* ---- Answers --------------------------------------------------------------------------------------------- */

eng_held_answer *eng_held_new(void)
{
    eng_held_answer *h = eng_zalloc(sizeof *h);
    if (h)
        eng_arena_init(&h->arena, 4096, NULL);
    return h;
}

void eng_answer_free(eng_answer *answer)
{
    if (!answer)
        return;
    eng_held_answer *h = (eng_held_answer *)answer;
    eng_results_free(h->results);
    eng_arena_clear(&h->arena);
    eng_free(h);
}

double eng_ask_since(uint64_t from) { return (double)(eng_clock_ns() - from) / 1e6; }

void eng_ask_time(eng_asking *q, const char *name, double ms)
{
    eng_answer *a = &q->out->a;
    for (size_t i = 0; i < a->timing_count; i++) {
        if (strcmp(q->timings[i].name, name) == 0) {
            q->timings[i].ms += ms;
            return;
        }
    }
    if (a->timing_count < ENG_ASK_TIMINGS)
        q->timings[a->timing_count++] = (eng_timing){name, ms};
}

eng_citation eng_ask_citation(const eng_asking *q, size_t candidate, size_t start, size_t end,
                              double score, eng_arena *arena)
{
    const eng_result *r = &q->out->results->items[candidate];
    const eng_candidate *c = &q->evidence.items[candidate];
    eng_str quote = eng_str_sub(c->text, start - c->start, end - start);
    bool whole = quote.len == c->text.len;
    return (eng_citation){.document = r->document,
                          .title = r->title,
                          .url = r->url,
                          .passage = r->passage,
                          .start = start,
                          .end = end,
                          .quote = whole ? r->text : eng_arena_copy(arena, quote).ptr,
                          .score = fmin(1, fmax(0, score))};
}

eng_status eng_ask_uses(eng_asking *q, const bool *used, const char *why, eng_error *err)
{
    eng_answer *a = &q->out->a;
    const eng_results *r = q->out->results;
    eng_passage_use *uses = eng_arena_array(&q->out->arena, r->count + 1, sizeof *uses);
    if (!uses)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < r->count; i++)
        uses[i] = (eng_passage_use){.document = r->items[i].document,
                                    .passage = r->items[i].passage,
                                    .tokens = r->items[i].tokens,
                                    .used = used[i],
                                    .why = used[i] ? NULL : why};
    a->passages = uses;
    a->passage_count = r->count;
    return ENG_OK;
}

void eng_ask_refuse(eng_asking *q)
{
    eng_answer *a = &q->out->a;
    a->response = eng_refusal(q->language).ptr;
    a->brief = NULL;
    a->sentence_count = a->citation_count = 0;
    a->grounded = false;
}

/* ---- The end ----------------------------------------------------------------------------------------------- */

static void asking_free(eng_asking *q)
{
    eng_buf_clear(&q->text);
    if (q->out)
        eng_answer_free(&q->out->a);
    eng_free(q);
}

void eng_ask_fail(eng_asking *q)
{
    eng_ask what = q->what;
    eng_error why = q->error;
    asking_free(q);
    /* What a model could not read is not the client's doing. */
    if (why.status == ENG_ETOOBIG)
        why.status = ENG_EUPSTREAM;
    what.done(what.ctx, NULL, &why);
}

void eng_ask_finish(eng_asking *q)
{
    eng_ask what = q->what;
    eng_answer *a = &q->out->a;
    eng_arena *arena = &q->out->arena;
    eng_ask_time(q, "total", eng_ask_since(q->began));
    eng_timing *timings = eng_arena_array(arena, ENG_ASK_TIMINGS, sizeof *timings);
    a->asked = eng_arena_copy(arena, q->asked).ptr;
    if (!timings || !a->asked) {
        eng_fail_nomem(&q->error);
        eng_ask_fail(q);
        return;
    }
    memcpy(timings, q->timings, sizeof q->timings);
    a->timings = timings;
    eng_ask_cache_count(q->e->asks->cache, &a->cache_entries, &a->cache_bytes);
    q->out = NULL;
    asking_free(q);
    what.done(what.ctx, a, NULL);
}

/* What the client has not had yet, in one piece. */
static void tell_all(eng_asking *q)
{
    eng_str response = eng_str_of(q->out->a.response);
    if (!q->what.delta || q->out->a.replaced || (q->spoke && q->told >= response.len))
        return;
    q->what.delta(q->what.ctx, eng_str_sub(response, q->spoke ? q->told : 0, response.len));
}

/* ---- Answering ---------------------------------------------------------------------------------------------- */

/* By extraction, as the chain or the question says. */
static bool by_extraction(const eng_asking *q)
{
    return q->by_words || eng_llm_at(q->e->asks->llm, q->provider)->kind == ENG_LLM_EXTRACT;
}

/* q->error is why this one did not answer. */
static void pass_over(eng_asking *q)
{
    eng_answer *a = &q->out->a;
    eng_str words = eng_arena_format(&q->out->arena, "%s%s%s: %s", a->fell ? a->fell : "",
                                     a->fell ? "; " : "", q->e->asks->names[q->provider],
                                     q->error.message);
    if (words.ptr)
        a->fell = words.ptr;
    q->provider++;
}

static bool is_gone(const eng_asking *q)
{
    return q->what.cancelled && q->what.cancelled(q->what.ctx);
}

/* What is no provider's fault is the end; what is one's, the next one's turn. */
static bool is_theirs(eng_status status)
{
    return status == ENG_EUPSTREAM || status == ENG_ETIMEOUT || status == ENG_EBUSY ||
           status == ENG_ETOOBIG;
}

void eng_ask_answer(eng_asking *q)
{
    while (q->provider < q->last) {
        eng_status status;
        bool prompt_only = q->what.prompt_only; /* q may be gone once a model has it */
        bool extract = by_extraction(q) || !q->evidence.count;
        if (is_gone(q))
            status = eng_fail(&q->error, ENG_ECANCELLED, "the client has gone");
        else if (prompt_only)
            status = eng_ask_show_prompt(q, &q->error);
        else
            status = extract ? eng_ask_extract(q, &q->error) : eng_ask_model(q, &q->error);
        if (status == ENG_OK && (extract || prompt_only)) {
            tell_all(q);
            eng_ask_finish(q);
            return;
        }
        if (status == ENG_OK)
            return;
        if (!is_theirs(status))
            break;
        pass_over(q);
    }
    eng_ask_fail(q);
}

void eng_ask_next(eng_asking *q)
{
    pass_over(q);
    eng_ask_answer(q);
}

/* ---- Looking for passages ------------------------------------------------------------------------------------ */

/* The index reads quotation marks as a phrase that has to be there, and stars as any ending; a question
 * only quotes. What stands where stays as it is. */
static eng_status search_text(eng_asking *q, eng_str *out, eng_error *err)
{
    eng_str copy = eng_arena_copy(&q->out->arena, q->asked);
    if (!copy.ptr)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < copy.len; i++)
        if (copy.ptr[i] == '"' || copy.ptr[i] == '*')
            ((char *)copy.ptr)[i] = ' ';
    *out = copy;
    return ENG_OK;
}

static eng_status find_passages(eng_asking *q, eng_error *err)
{
    eng_error why;
    uint64_t from = eng_clock_ns();
    eng_search_query query = {.mode = q->what.mode,
                              .top_k = q->what.top_k     ? q->what.top_k
                                       : q->tuning.top_k ? q->tuning.top_k
                                                         : LOOKED_AT,
                              .threshold = q->what.threshold,
                              .threshold_given = q->what.threshold_given,
                              .filter = q->what.filter,
                              .cancelled = q->what.cancelled,
                              .ctx = q->what.ctx};
    eng_status status = search_text(q, &query.text, &why);
    if (status == ENG_OK)
        status = eng_search_evidence(q->e, q->collection, q->trial, &query, &q->evidence,
                                     &q->out->results, &why);
    if (status < 0 && eng_str_eq(eng_str_of(why.field), ENG_STR("query")))
        return eng_fail_field(err, status, ENG_STR("question"), "expected more than blanks");
    if (status < 0) {
        if (err)
            *err = why;
        return status;
    }
    eng_ask_time(q, "embed", q->out->results->embed_ms);
    eng_ask_time(q, "search", eng_ask_since(from) - q->out->results->embed_ms);
    return ENG_OK;
}

/* Shows what it will be answered from. */
static eng_status show_candidates(eng_asking *q, eng_error *err)
{
    const eng_results *r = q->out->results;
    if (!q->what.candidates)
        return ENG_OK;
    eng_citation *items = eng_arena_array(&q->out->arena, r->count + 1, sizeof *items);
    if (!items)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < r->count; i++)
        items[i] = eng_ask_citation(q, i, r->items[i].start, r->items[i].end, r->items[i].score,
                                    &q->out->arena);
    eng_answer so_far = {.citations = items, .citation_count = r->count};
    q->what.candidates(q->what.ctx, &so_far);
    return ENG_OK;
}

void eng_ask_look(eng_asking *q)
{
    eng_status status = find_passages(q, &q->error);
    if (status == ENG_OK)
        status = show_candidates(q, &q->error);
    if (status < 0)
        eng_ask_fail(q);
    else
        eng_ask_answer(q);
}

/* ---- Beginning ------------------------------------------------------------------------------------------------- */

static eng_status check(const eng_ask *what, eng_error *err)
{
    if (!eng_str_trim(what->question).len)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("question"), "expected more than blanks");
    if (what->question.len > QUESTION_CHARS * 4)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("question"), "expected 1 to %d characters",
                              QUESTION_CHARS);
    if (what->turns > TURNS_MAX)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("history"), "expected at most %d turns",
                              TURNS_MAX);
    return ENG_OK;
}

/* Which providers: those from the one on that has this name; of a name that none has, the first. */
static eng_status choose(eng_asking *q, eng_error *err)
{
    const eng_asks *a = q->e->asks;
    eng_str name = q->what.model;
    size_t first_model = SIZE_MAX;
    q->last = eng_llm_count(a->llm);
    if (!name.ptr || !name.len)
        return ENG_OK;
    for (size_t i = 0; i < q->last; i++) {
        const eng_llm_provider *p = eng_llm_at(a->llm, i);
        if (first_model == SIZE_MAX && p->kind != ENG_LLM_EXTRACT)
            first_model = i;
        bool same = eng_str_eq(name, eng_str_of(a->names[i])) ||
                    (p->model.len && eng_str_eq(name, p->model));
        if (same) {
            q->provider = i;
            return ENG_OK;
        }
    }
    if (eng_str_eq(name, ENG_STR("extract"))) {
        q->by_words = true;
        return ENG_OK;
    }
    if (first_model == SIZE_MAX)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("model"),
                              "no model '%.*s': ENGENHO_LLM names no model server",
                              ENG_FMT(eng_str_sub(name, 0, 200)));
    q->provider = first_model;
    q->model = name;
    return ENG_OK;
}

/* By what is said in the question, else in the conversation. */
static eng_status read_question(eng_asking *q, eng_error *err)
{
    eng_analyzer *analyzer = NULL;
    eng_arena *arena = &q->out->arena;
    eng_str *before = eng_arena_array(arena, q->what.turns + 1, sizeof *before);
    size_t count = 0;
    if (!before)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < q->what.turns; i++)
        if (q->what.history[i].who == ENG_SPEAKER_USER)
            before[count++] = q->what.history[i].text;
    eng_status status = eng_analyzer_new(&analyzer, err);
    if (status == ENG_OK)
        status = eng_follow_up(analyzer, q->what.question, before, count, arena, &q->asked, err);
    q->language = q->what.language.ptr ? eng_language_of(q->what.language) : ENG_LANGUAGE_UNKNOWN;
    if (q->language == ENG_LANGUAGE_UNKNOWN)
        q->language = eng_language_guess(q->what.question);
    for (size_t i = count; i > 0 && q->language == ENG_LANGUAGE_UNKNOWN; i--)
        q->language = eng_language_guess(before[i - 1]);
    eng_analyzer_free(analyzer);
    return status;
}

static eng_status know_collection(eng_asking *q, eng_error *err)
{
    eng_store_collection row;
    eng_tuned tuned;
    eng_status status = eng_store_collection_get(q->e->store, q->collection, &q->out->arena, &row,
                                                 err);
    if (status == ENG_ENOTFOUND)
        return eng_fail(err, status, "no collection '%.*s'", ENG_FMT(q->collection));
    if (status == ENG_OK)
        status = eng_tuned_read(row.settings, &q->out->arena, &tuned, err);
    if (status < 0)
        return status;
    q->row = row.id;
    q->version = row.version;
    q->tuning = q->trial && q->trial->tuning ? *q->trial->tuning : tuned.now;
    return ENG_OK;
}

/* Remembered answers are extraction's: what a model would say tomorrow nobody knows. */
static bool remembered(eng_asking *q)
{
    if (!by_extraction(q) || q->what.prompt_only || q->trial)
        return false;
    eng_held_answer *copy = eng_ask_cache_get(q->e->asks->cache, q);
    if (!copy)
        return false;
    copy->a.timing_count = 0;
    copy->a.cached = true;
    eng_answer_free(&q->out->a);
    q->out = copy;
    if (q->what.candidates)
        q->what.candidates(q->what.ctx, &copy->a);
    tell_all(q);
    eng_ask_finish(q);
    return true;
}

static eng_status prepare(eng_asking *q, eng_error *err)
{
    eng_status status = check(&q->what, err);
    if (status == ENG_OK)
        status = choose(q, err);
    if (status == ENG_OK)
        status = know_collection(q, err);
    return status == ENG_OK ? read_question(q, err) : status;
}

static void go(eng_asking *q)
{
    bool leans = q->asked.ptr != q->what.question.ptr;
    bool model = !by_extraction(q);
    if (remembered(q))
        return;
    /* Where a model can be asked to complete the question, it is; where that fails, words are carried. */
    if (leans && model && !q->what.prompt_only && eng_ask_rewrite(q, &q->error) == ENG_OK)
        return;
    eng_ask_look(q);
}

static void begin(eng *e, eng_str collection, const eng_trial *trial, const eng_ask *what)
{
    eng_error err;
    eng_asking *q = eng_zalloc(sizeof *q);
    if (q)
        q->out = eng_held_new();
    if (!q || !q->out) {
        eng_free(q);
        eng_fail_nomem(&err);
        what->done(what->ctx, NULL, &err);
        return;
    }
    q->e = e;
    q->what = *what;
    q->trial = trial;
    q->collection = collection;
    q->began = eng_clock_ns();
    q->out->a.asked = "";
    eng_buf_init(&q->text, ENG_LLM_TEXT_MAX + 1);
    if (prepare(q, &q->error) < 0)
        eng_ask_fail(q);
    else
        go(q);
}

void eng_ask_begin(eng *e, eng_str collection, const eng_ask *what)
{
    begin(e, collection, NULL, what);
}

/* ---- Waiting ------------------------------------------------------------------------------------------------------ */

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
    eng_answer *answer;
    eng_error err;
    const eng_ask *what;
} waiting;

static void wake(void *ctx, eng_answer *answer, const eng_error *err)
{
    waiting *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->answer = answer;
    if (err)
        w->err = *err;
    w->over = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void pass_candidates(void *ctx, const eng_answer *so_far)
{
    const waiting *w = ctx;
    w->what->candidates(w->what->ctx, so_far);
}

static void pass_delta(void *ctx, eng_str text)
{
    const waiting *w = ctx;
    w->what->delta(w->what->ctx, text);
}

static bool pass_cancelled(void *ctx)
{
    const waiting *w = ctx;
    return w->what->cancelled(w->what->ctx);
}

static eng_status wait_for(eng *e, eng_str collection, const eng_trial *trial, const eng_ask *what,
                           eng_answer **out, eng_error *err)
{
    waiting w = {.what = what};
    eng_ask mine = *what;
    mine.candidates = what->candidates ? pass_candidates : NULL;
    mine.delta = what->delta ? pass_delta : NULL;
    mine.cancelled = what->cancelled ? pass_cancelled : NULL;
    mine.done = wake;
    mine.ctx = &w;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    begin(e, collection, trial, &mine);
    pthread_mutex_lock(&w.lock);
    while (!w.over)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    if (!w.answer) {
        if (err)
            *err = w.err;
        return w.err.status;
    }
    *out = w.answer;
    return ENG_OK;
}

eng_status eng_ask_wait(eng *e, eng_str collection, const eng_ask *what, eng_answer **out,
                        eng_error *err)
{
    return wait_for(e, collection, NULL, what, out, err);
}

eng_status eng_ask_trial(eng *e, eng_str collection, const eng_trial *trial, const eng_ask *what,
                         eng_answer **out, eng_error *err)
{
    return wait_for(e, collection, trial, what, out, err);
}
