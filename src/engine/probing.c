/* A question whose answer is known, asked as anybody would ask it: see probing.h. */
#include "engine/probing.h"

#include "base/clock.h"
#include "base/error.h"

eng_status eng_probing_check(eng *e, eng_str collection, const eng_str *chunks, size_t chunk_count,
                             eng_str questions, eng_error *err)
{
    eng_arena arena;
    eng_probe *probes;
    eng_cutting chunk;
    size_t count;
    eng_collection *c = NULL;
    eng_status status = eng_collection_get(e, collection, &c, err);
    eng_collection_free(c);
    for (size_t i = 0; i < chunk_count && status == ENG_OK; i++)
        status = eng_cutting_parse(chunks[i], &chunk, err);
    eng_arena_init(&arena, 1 << 16, NULL);
    if (status == ENG_OK)
        status = eng_probes_read(questions, &arena, &probes, &count, err);
    eng_arena_clear(&arena);
    return status;
}

/* By its document where that is known; else with how many passages all facts are there. */
static eng_status rank_of(const eng_probe *p, const eng_results *found, size_t *rank,
                          eng_error *err)
{
    eng_buf seen;
    size_t have = 0;
    eng_status status = ENG_OK;
    *rank = 0;
    eng_buf_init(&seen, 64 << 20);
    for (size_t i = 0; i < found->count && !*rank && status == ENG_OK; i++) {
        if (p->document.len) {
            *rank = eng_str_eq(eng_str_of(found->items[i].document), p->document) ? i + 1 : 0;
            continue;
        }
        if (!p->fact_count)
            break;
        eng_buf_str(&seen, eng_str_of(found->items[i].text));
        eng_buf_byte(&seen, '\n');
        status = eng_buf_check(&seen, "passages", err);
        if (status == ENG_OK)
            status = eng_facts_found(p, eng_buf_view(&seen), &have, err);
        *rank = have == p->fact_count ? i + 1 : 0;
    }
    eng_buf_clear(&seen);
    return status;
}

eng_status eng_probing_look(const eng_probing *how, const eng_probe *p, size_t *rank,
                            eng_error *err)
{
    eng_results *found = NULL;
    eng_search_query q = {.text = p->question,
                          .top_k = ENG_MEASURE_DEPTH,
                          .mode = how->mode,
                          .filter = {NULL, 0},
                          .group_by_document = p->document.len > 0,
                          .cancelled = how->cancelled,
                          .ctx = how->ctx};
    eng_status status = eng_search_evidence(how->e, how->collection, &how->trial, &q, NULL, &found,
                                            err);
    if (status == ENG_OK)
        status = rank_of(p, found, rank, err);
    eng_results_free(found);
    return status;
}

eng_status eng_probing_ask(const eng_probing *how, const eng_probe *p, eng_outcome *o,
                           eng_answer **out, eng_error *err)
{
    eng_answer *a = NULL;
    uint64_t began = eng_clock_ns();
    eng_ask what = {.question = p->question,
                    .mode = how->mode,
                    .top_k = how->top_k,
                    .filter = {NULL, 0},
                    .language = {NULL, 0},
                    .model = how->model.len ? how->model : (eng_str){NULL, 0},
                    .cancelled = how->cancelled,
                    .ctx = how->ctx};
    eng_status status = eng_ask_trial(how->e, how->collection, &how->trial, &what, &a, err);
    if (status < 0)
        return status;
    o->ms = (double)(eng_clock_ns() - began) / 1e6;
    o->grounded = a->grounded;
    o->tokens = a->prompt_tokens + a->completion_tokens;
    o->facts = 0;
    if (a->grounded)
        status = eng_facts_found(p, eng_str_of(a->response), &o->facts, err);
    if (status < 0)
        eng_answer_free(a);
    else
        *out = a;
    return status;
}
