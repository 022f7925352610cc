/*
 * Better settings, by successive halving: all candidates on a part of the groups, the better third on
 * all of them, the best two by every fold. What was asked for is a candidate too, and stays where
 * nothing beats it. Which candidates time is left for depends on the machine; the settings that were
 * chosen stand in the model, and give the same model again without a search.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "learn/text_internal.h"

#include <stdlib.h>

enum { PART = 4, ROUNDS = 3, CANDIDATES = 16 };

typedef struct {
    eng_text_settings settings;
    double score; /* of the last round it was in: mean of accuracy and macro F1 */
    unsigned rounds;
    unsigned order;
} candidate;

typedef struct {
    const eng_text_rows *rows;
    const eng_text_hooks *hooks;
    candidate list[CANDIDATES];
    size_t count;
    uint64_t until;
    uint64_t done;
    eng_error *err;
} search;

static void add(search *s, const eng_text_settings *settings)
{
    if (s->count < CANDIDATES) {
        s->list[s->count] = (candidate){.settings = *settings, .order = (unsigned)s->count};
        s->count++;
    }
}

static void add_cost(search *s, eng_text_settings settings, double times)
{
    settings.cost *= times;
    add(s, &settings);
}

static void add_candidates(search *s, const eng_text_settings *asked)
{
    static const double times[] = {0.4, 2, 5};
    eng_text_settings other = *asked;
    add(s, asked);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        add_cost(s, *asked, times[i]);
    other.balance = asked->balance > 0 ? 0 : 0.4;
    add(s, &other);
    other = *asked;
    other.no_chars = !asked->no_chars;
    add(s, &other);
    add_cost(s, other, 2);
    other = *asked;
    other.char_max = asked->char_max < 6 ? 6 : 5;
    add(s, &other);
    other.char_min = 3;
    add(s, &other);
    other = *asked;
    other.min_count = asked->min_count > 1 ? 1 : 2;
    add(s, &other);
    other = *asked;
    other.logistic = !asked->logistic;
    other.cost = other.logistic ? 4 : 0.3;
    add(s, &other);
    add_cost(s, other, 4);
}

/* ---- Trying one ---- */

static eng_status judge(const eng_text_corpus *c, const eng_text_folds *f, double *score,
                        eng_error *err)
{
    eng_text_measure m;
    size_t count = 0;
    eng_text_verdict *v = eng_alloc_array(f->scored, sizeof *v);
    if (!v)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        if (f->slots[i] == UINT32_MAX)
            continue;
        uint16_t said = eng_text_soften(f->scores + f->slots[i] * f->stride, f->stride, 1);
        v[count++] = (eng_text_verdict){.example = (uint32_t)i, .label = e->label, .said = said};
    }
    eng_status status = eng_text_judge(v, count, f->stride, 0, false, 0, &m, err);
    eng_free(v);
    if (status < 0)
        return status;
    *score = (m.accuracy + m.macro_f1) / 2;
    eng_text_measure_clear(&m);
    return ENG_OK;
}

static eng_status try_one(search *s, candidate *x, unsigned round)
{
    eng_text_corpus corpus;
    eng_text_folds folds;
    double score = 0;
    unsigned fits = round + 1 < ROUNDS && x->settings.folds > 2 ? 2 : x->settings.folds;
    eng_status status = eng_text_corpus_make(s->rows, &x->settings, round == 0 ? PART : 1, &corpus,
                                             s->err);
    if (status < 0)
        return status;
    status = eng_text_folds_run(&corpus, fits, s->hooks, &folds, s->err);
    if (status == ENG_OK) {
        status = judge(&corpus, &folds, &score, s->err);
        eng_text_folds_clear(&folds);
    }
    eng_text_corpus_clear(&corpus);
    if (status == ENG_OK) {
        x->score = score;
        x->rounds = round + 1;
    }
    return status;
}

/* ---- Rounds ---- */

/* Those that came further first; among equals the first that was thought of. */
static int by_score(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->rounds != y->rounds)
        return x->rounds > y->rounds ? -1 : 1;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* A part of the groups may hold too little to learn from: such a candidate is out, not the search. */
static eng_status run_round(search *s, unsigned round, size_t count)
{
    for (size_t i = 0; i < count && eng_clock_ns() < s->until; i++) {
        eng_status status = try_one(s, &s->list[i], round);
        if (status < 0 && status != ENG_EINVALID)
            return status;
        s->done++;
        if (s->hooks && s->hooks->go_on &&
            !s->hooks->go_on(s->hooks->ctx, "search", s->done, s->count + s->count / 3 + 2))
            return eng_fail(s->err, ENG_ECANCELLED, "cancelled");
    }
    qsort(s->list, s->count, sizeof *s->list, by_score);
    return ENG_OK;
}

static void put_tried(const search *s, eng_json_writer *w)
{
    eng_json_name(w, ENG_STR("search"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < s->count; i++) {
        const candidate *x = &s->list[i];
        if (!x->rounds)
            continue;
        eng_json_open(w, '{');
        eng_json_name(w, ENG_STR("score"));
        eng_json_double(w, round(x->score * 1e6) / 1e6);
        eng_json_name(w, ENG_STR("round"));
        eng_json_uint(w, x->rounds);
        eng_text_put_settings(w, &x->settings);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

eng_status eng_text_search(const eng_text_rows *rows, const eng_text_hooks *hooks,
                           eng_text_settings *settings, eng_json_writer *w, eng_error *err)
{
    search s = {.rows = rows, .hooks = hooks, .err = err};
    s.until = eng_clock_ns() + (uint64_t)(settings->search_s * 1e9);
    add_candidates(&s, settings);
    size_t counts[ROUNDS] = {s.count, s.count / 3, 2};
    for (unsigned i = 0; i < ROUNDS; i++) {
        eng_status status = run_round(&s, i, counts[i]);
        if (status < 0)
            return status;
    }
    if (s.list[0].rounds)
        *settings = s.list[0].settings;
    put_tried(&s, w);
    return ENG_OK;
}
