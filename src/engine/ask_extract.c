/* The answerer without a model: rag's choice of sentences as an answer. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/ask_internal.h"

#include <math.h>

static eng_status read_question(eng_asking *q, eng_analyzer *analyzer, eng_error *err)
{
    eng_status status = eng_question_parse(analyzer, q->asked, q->language, &q->out->arena,
                                           &q->question, err);
    if (status < 0)
        return status;
    if (q->evidence.shares)
        eng_question_weigh(&q->question, q->evidence.shares, q->evidence.share_count);
    if (q->language == ENG_LANGUAGE_UNKNOWN)
        q->language = q->question.language;
    return ENG_OK;
}

static eng_str part_text(const eng_asking *q, const eng_answer_part *p)
{
    const eng_candidate *c = &q->evidence.items[p->candidate];
    return eng_str_sub(c->text, p->start - c->start, p->end - p->start);
}

/* Each part is a sentence with a citation of its own. */
static eng_status cite(eng_asking *q, const eng_found_answer *found, bool *used, eng_error *err)
{
    eng_answer *a = &q->out->a;
    eng_arena *arena = &q->out->arena;
    eng_citation *citations = eng_arena_array(arena, found->count + 1, sizeof *citations);
    eng_said *said = eng_arena_array(arena, found->count + 1, sizeof *said);
    uint32_t *places = eng_arena_array(arena, found->count + 1, sizeof *places);
    if (!citations || !said || !places)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < found->count; i++) {
        const eng_answer_part *p = &found->parts[i];
        places[i] = (uint32_t)i;
        citations[i] = eng_ask_citation(q, p->candidate, p->start, p->end, p->score, arena);
        eng_str text = eng_arena_copy(arena, part_text(q, p));
        if (!citations[i].quote || !text.ptr)
            return eng_fail_nomem(err);
        said[i] = (eng_said){text.ptr, true, &places[i], 1};
        used[p->candidate] = true;
    }
    a->citations = citations;
    a->sentences = said;
    a->citation_count = a->sentence_count = found->count;
    return ENG_OK;
}

static eng_status respond(eng_asking *q, const eng_found_answer *found, bool *used, eng_error *err)
{
    eng_answer *a = &q->out->a;
    eng_buf text;
    eng_buf_init(&text, 1 << 20);
    eng_answer_text(found, q->evidence.items, &text, NULL);
    eng_status status = eng_buf_check(&text, "answer", err);
    eng_str copy = status == ENG_OK ? eng_arena_copy(&q->out->arena, eng_buf_view(&text))
                                    : ENG_STR("");
    eng_buf_clear(&text);
    if (status < 0)
        return status;
    if (!copy.ptr)
        return eng_fail_nomem(err);
    a->response = copy.ptr;
    a->grounded = true;
    if (found->brief_part != SIZE_MAX) {
        const eng_candidate *c = &q->evidence.items[found->parts[found->brief_part].candidate];
        eng_str brief = eng_str_sub(c->text, found->brief_start - c->start,
                                    found->brief_end - found->brief_start);
        a->brief = eng_arena_copy(&q->out->arena, brief).ptr;
        if (!a->brief)
            return eng_fail_nomem(err);
    }
    return cite(q, found, used, err);
}

static eng_status find(eng_asking *q, eng_analyzer *analyzer, bool *used, eng_error *err)
{
    eng_answer *a = &q->out->a;
    eng_found_answer found;
    eng_answer_options options = {.threshold = q->tuning.confidence > 0 ? q->tuning.confidence
                                                                        : (double)NAN};
    size_t count = q->evidence.count < ENG_ANSWER_CANDIDATES ? q->evidence.count
                                                             : ENG_ANSWER_CANDIDATES;
    eng_status status = read_question(q, analyzer, err);
    if (status == ENG_OK)
        status = eng_answer_find(analyzer, &q->question, q->evidence.items, count, &options,
                                 &q->out->arena, &found, err);
    if (status < 0)
        return status;
    a->confidence = found.confidence;
    if (found.answered)
        return respond(q, &found, used, err);
    eng_ask_refuse(q);
    return ENG_OK;
}

eng_status eng_ask_extract(eng_asking *q, eng_error *err)
{
    eng_analyzer *analyzer = NULL;
    eng_answer *a = &q->out->a;
    uint64_t from = eng_clock_ns();
    bool *used = eng_arena_zalloc(&q->out->arena, q->evidence.count + 1);
    if (!used)
        return eng_fail_nomem(err);
    a->model = "extract";
    eng_status status = eng_analyzer_new(&analyzer, err);
    if (status == ENG_OK)
        status = find(q, analyzer, used, err);
    eng_analyzer_free(analyzer);
    if (status == ENG_OK)
        status = eng_ask_uses(
            q, used,
            a->grounded ? "other sentences answer better" : "none of its sentences answers", err);
    for (size_t i = 0; status == ENG_OK && i < q->evidence.count; i++)
        a->prompt_tokens += a->passages[i].tokens;
    if (status == ENG_OK)
        a->completion_tokens = eng_llm_estimate(eng_str_of(a->response));
    eng_ask_time(q, "answer", eng_ask_since(from));
    if (status == ENG_OK && q->evidence.fresh && !q->trial)
        eng_ask_cache_put(q->e->asks->cache, q);
    return status;
}
