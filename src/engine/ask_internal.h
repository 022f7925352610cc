/*
 * A question on its way to an answer.
 *
 *     ask.c          the way: follow-ups, the search, providers one after the other, the end
 *     ask_extract.c  the answerer without a model
 *     ask_model.c    the answerers with one: prompt, stream, grounding
 *     ask_cache.c    answers that are remembered
 *
 *     begin -> (rewrite, by a model) -> look -> answer -> done
 *                                                |  ^
 *                          a provider that fails +--+ the next one
 *
 * A question belongs to one thread at a time: to who began it, to the model's while it streams, then to a
 * worker of ours, which may wait where the model's thread must not.
 */
#ifndef ENG_ASK_INTERNAL_H
#define ENG_ASK_INTERNAL_H

#include "base/pool.h"
#include "engine/knowledge.h"
#include "llm/llm.h"

enum { ENG_ASK_TIMINGS = 8 };

typedef struct eng_ask_cache eng_ask_cache;

typedef struct eng_asks {
    eng_llm *llm;
    eng_prompts *prompts;
    eng_pool *pool; /* NULL where the chain has no model */
    eng_ask_cache *cache;
    eng_arena arena;    /* of the names */
    const char **names; /* of providers */
} eng_asks;

eng_status eng_asks_new(const eng_options *options, eng_asks **out, eng_error *err) ENG_MUST_CHECK;
void eng_asks_free(eng_asks *a);

/* An answer with what it lives in. */
typedef struct {
    eng_answer a;
    eng_arena arena;
    eng_results *results; /* whose texts citations show; NULL in one that was remembered */
} eng_held_answer;

eng_held_answer *eng_held_new(void);

typedef struct eng_asking {
    eng *e;
    eng_ask what;
    const eng_trial *trial; /* NULL: none */
    eng_tuning tuning;      /* the collection's, or the trial's */
    eng_str collection;
    eng_held_answer *out; /* what becomes the answer; its arena is the question's */
    eng_str asked;        /* the question, completed */
    eng_language language;
    eng_question question;
    eng_evidence evidence;
    int64_t row; /* of the collection, with its version: what answers are remembered by */
    uint64_t version;
    uint64_t began;
    eng_timing timings[ENG_ASK_TIMINGS];

    /* Providers. */
    size_t provider;
    size_t last;     /* behind the last that may be tried */
    bool by_words;   /* extraction was asked for by name, whatever the chain */
    eng_str model;   /* asked for by name; ptr NULL: each provider's own */
    eng_error error; /* of the last that failed */

    /* A model's answer on its way. */
    eng_prompt_made prompt;
    size_t room;    /* tokens of the prompt */
    bool shortened; /* once: the model could read less than we thought */
    bool rewriting;
    bool failed;
    eng_llm_result result;
    eng_buf text;
    size_t told;  /* bytes of text that the client has */
    int thinking; /* 0: not known yet; 1: in <think>; 2: what comes is the answer */
    bool spoke;   /* the client has had a piece */
    uint64_t asked_ns;
} eng_asking;

double eng_ask_since(uint64_t from);
void eng_ask_time(eng_asking *q, const char *name, double ms);

/* Ends it: the answer, or q->error. q is gone afterwards. */
void eng_ask_finish(eng_asking *q);
void eng_ask_fail(eng_asking *q);
/* From the provider q->provider on. q may be gone afterwards. */
void eng_ask_answer(eng_asking *q);
/* The same behind that one, which failed with q->error. */
void eng_ask_next(eng_asking *q);
/* Has looked for passages and goes on. */
void eng_ask_look(eng_asking *q);

/* The refusal, without citations; with the confidence that there is. */
void eng_ask_refuse(eng_asking *q);
eng_status eng_ask_uses(eng_asking *q, const bool *used, const char *why,
                        eng_error *err) ENG_MUST_CHECK;
/* A piece of document text of a candidate as a citation. */
eng_citation eng_ask_citation(const eng_asking *q, size_t candidate, size_t start, size_t end,
                              double score, eng_arena *arena);

eng_status eng_ask_extract(eng_asking *q, eng_error *err) ENG_MUST_CHECK;

/* ENG_OK: it is under way, and q the model's. */
eng_status eng_ask_model(eng_asking *q, eng_error *err) ENG_MUST_CHECK;
eng_status eng_ask_rewrite(eng_asking *q, eng_error *err) ENG_MUST_CHECK;
eng_status eng_ask_show_prompt(eng_asking *q, eng_error *err) ENG_MUST_CHECK;

/* ---- Remembered answers ------------------------------------------------------------------------------- */

eng_status eng_ask_cache_new(eng_ask_cache **out, eng_error *err) ENG_MUST_CHECK;
void eng_ask_cache_free(eng_ask_cache *c);
/* A copy of what was remembered for this question of this version of the collection, or NULL. */
eng_held_answer *eng_ask_cache_get(eng_ask_cache *c, const eng_asking *q);
void eng_ask_cache_put(eng_ask_cache *c, const eng_asking *q);
void eng_ask_cache_count(eng_ask_cache *c, uint64_t *entries, uint64_t *bytes);

#endif
