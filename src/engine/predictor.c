/* A version at work, and what was predicted. */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/registry.h"

#include <math.h>

const eng_predictor_info *eng_predictor_about(const eng_predictor *p) { return &p->info; }

/* ---- Scratch: one for each call that runs at the same time, kept for the next ---- */

static void *take_scratch(eng_predictor *p)
{
    void *scratch = NULL;
    pthread_mutex_lock(&p->lock);
    if (p->scratch_count)
        scratch = p->scratch[--p->scratch_count];
    pthread_mutex_unlock(&p->lock);
    return scratch;
}

/* False: there are enough. */
static bool keep_scratch(eng_predictor *p, void *scratch)
{
    pthread_mutex_lock(&p->lock);
    bool room = p->scratch_count < ENG_PREDICTOR_SCRATCH;
    if (room)
        p->scratch[p->scratch_count++] = scratch;
    pthread_mutex_unlock(&p->lock);
    return room;
}

/* ---- Tables ---- */

_Static_assert(sizeof(eng_column) == sizeof(eng_plan_column), "columns are handed on as they are");

eng_status eng_predict(eng_predictor *p, const eng_column *columns, size_t rows, double *predicted,
                       double *shares, eng_error *err)
{
    eng_plan_scratch *scratch = take_scratch(p);
    eng_status status = scratch ? ENG_OK
                                : eng_plan_scratch_new(p->plan, ENG_PREDICTOR_ROWS, &scratch, err);
    if (status < 0)
        return status;
    status = eng_plan_predict(p->plan, (const eng_plan_column *)columns, rows, predicted, shares,
                              scratch, err);
    if (!keep_scratch(p, scratch))
        eng_plan_scratch_free(scratch);
    return status;
}

/* ---- Texts ---- */

static eng_status text_scratch(eng_predictor *p, eng_text_scratch **out, eng_error *err)
{
    *out = take_scratch(p);
    return *out ? ENG_OK : eng_text_scratch_new(out, err);
}

static void give_text_scratch(eng_predictor *p, eng_text_scratch *scratch)
{
    if (!keep_scratch(p, scratch))
        eng_text_scratch_free(scratch);
}

static eng_text_item item_of(const eng_item *item)
{
    return (eng_text_item){.texts = item->texts,
                           .text_count = item->text_count,
                           .numbers = item->numbers,
                           .number_count = item->number_count};
}

eng_status eng_categorize(eng_predictor *p, const eng_item *items, size_t count, eng_category *out,
                          eng_error *err)
{
    eng_text_scratch *scratch;
    eng_text_answer answer;
    eng_status status = text_scratch(p, &scratch, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        eng_text_item item = item_of(&items[i]);
        status = eng_text_predict(p->text, &item, scratch, &answer, err);
        if (status < 0)
            break;
        out[i] = (eng_category){answer.category, answer.unknown, answer.probability};
        atomic_fetch_add_explicit(&p->answered[answer.category], 1, memory_order_relaxed);
    }
    give_text_scratch(p, scratch);
    return status;
}

void eng_predictor_counts(const eng_predictor *p, uint64_t *out)
{
    for (size_t i = 0; p->answered && i < p->info.class_count; i++)
        out[i] = atomic_load_explicit(&p->answered[i], memory_order_relaxed);
}

typedef struct {
    eng_category_details details; /* first: what callers have */
    eng_arena arena;
} explained;

static eng_status copy_details(explained *x, const eng_text_details *d, eng_error *err)
{
    eng_category_details *to = &x->details;
    eng_category *alternatives = eng_arena_array(&x->arena, d->alternative_count + 1,
                                                 sizeof *alternatives);
    to->nearest = eng_arena_array(&x->arena, d->nearest_count + 1, sizeof *to->nearest);
    to->because = eng_arena_array(&x->arena, d->because_count + 1, sizeof *to->because);
    if (!alternatives || !to->nearest || !to->because)
        return eng_fail_nomem(err);
    to->answer = (eng_category){d->answer.category, d->answer.unknown, d->answer.probability};
    to->alternatives = alternatives;
    for (size_t i = 0; i < d->alternative_count; i++)
        alternatives[i] = (eng_category){.category = d->alternatives[i].category,
                                         .probability = d->alternatives[i].probability};
    for (size_t i = 0; i < d->nearest_count; i++) {
        to->nearest[i].title = d->nearest[i].title;
        to->nearest[i].category = d->nearest[i].category;
        to->nearest[i].similarity = d->nearest[i].similarity;
    }
    for (size_t i = 0; i < d->because_count; i++) {
        to->because[i].word = d->because[i].word;
        to->because[i].weight = d->because[i].weight;
    }
    to->alternative_count = d->alternative_count;
    to->nearest_count = d->nearest_count;
    to->because_count = d->because_count;
    return ENG_OK;
}

eng_status eng_categorize_why(eng_predictor *p, const eng_item *item, eng_category_details **out,
                              eng_error *err)
{
    eng_text_scratch *scratch;
    eng_text_details details;
    explained *x = eng_zalloc(sizeof *x);
    if (!x)
        return eng_fail_nomem(err);
    eng_arena_init(&x->arena, 4096, NULL);
    eng_status status = text_scratch(p, &scratch, err);
    if (status == ENG_OK) {
        eng_text_item text = item_of(item);
        status = eng_text_explain(p->text, &text, scratch, &x->arena, &details, err);
        give_text_scratch(p, scratch);
    }
    if (status == ENG_OK)
        status = copy_details(x, &details, err);
    if (status < 0)
        eng_category_details_free(&x->details);
    else
        *out = &x->details;
    return status;
}

void eng_category_details_free(eng_category_details *details)
{
    explained *x = (explained *)details;
    if (!x)
        return;
    eng_arena_clear(&x->arena);
    eng_free(x);
}
