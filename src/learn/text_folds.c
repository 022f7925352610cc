/*
 * Cross-validation by groups, and the final fit beside it. Fits are tasks that a team takes one after
 * the other: which thread makes which does not show in the result.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "learn/text_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { SCORED_MAX = 400 * 1000 };
static const size_t SCORES_MAX = (size_t)64 << 20; /* floats */

/* ---- Dealing ---- */

typedef struct {
    uint32_t label;
    uint32_t group;
    uint64_t order;
} dealt;

static int by_label(const void *a, const void *b)
{
    const dealt *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}

/* Each class's groups (by their first row's class) in a random order, one to each fold in turn. */
static eng_status deal(eng_text_folds *f, eng_error *err)
{
    const eng_text_corpus *c = f->corpus;
    size_t groups = c->rows->group_count, count = 0;
    dealt *d = eng_alloc_array(groups, sizeof *d);
    uint8_t *folds = eng_alloc_array(groups, 1);
    if (!d || !folds) {
        eng_free(d);
        eng_free(folds);
        return eng_fail_nomem(err);
    }
    memset(folds, ENG_TEXT_NO_FOLD, groups);
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        if (folds[e->group] != ENG_TEXT_NO_FOLD)
            continue;
        folds[e->group] = 0;
        d[count++] = (dealt){e->label, e->group, eng_text_pair_hash(c->settings.seed, e->group)};
    }
    qsort(d, count, sizeof *d, by_label);
    for (size_t i = 0; i < count; i++)
        folds[d[i].group] = (uint8_t)(i % f->folds);
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        f->by_group[i] = folds[e->group];
        f->by_row[i] = (uint8_t)(eng_text_pair_hash(~c->settings.seed, e->row) % f->folds);
    }
    eng_free(d);
    eng_free(folds);
    return count >= 2 ? ENG_OK : eng_fail(err, ENG_EINVALID, "too little to learn from");
}

/* Products that are held back in some fit; a part of them where there are very many. */
static void number_slots(eng_text_folds *f)
{
    const eng_text_corpus *c = f->corpus;
    size_t units = 0, most = SCORED_MAX, step;
    if (SCORES_MAX / f->stride / c->views < most)
        most = SCORES_MAX / f->stride / c->views + 1;
    step = c->units / most + 1;
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        units += e->unit && e->view == 0;
        bool kept = e->unit && units % step == 0 && f->by_group[i] < f->fits;
        f->slots[i] = kept ? (uint32_t)f->scored++ : UINT32_MAX;
    }
}

/* ---- Scoring ---- */

/* How far its words are known to a fit that did not see it: as text_model.c finds it for a text. */
static void measure_words(const eng_text_fit *f, const eng_text_example *e, float *surprise,
                          uint32_t *words)
{
    const eng_text_corpus *c = f->corpus;
    *surprise = 0;
    *words = 0;
    for (size_t i = 0; i < e->words; i++) {
        size_t feature = c->entries[e->entries + i] >> ENG_ENTRY_BITS, found = 0;
        if (c->kinds[feature] != ENG_FEATURE_WORD)
            continue;
        ++*words;
        if (f->idf2[feature] > 0) {
            *surprise += log2f((1 + (float)f->trained) / (0.5f + (float)f->counts[feature]));
            continue;
        }
        const eng_corpus_word *w =
            &c->words[eng_text_index_find(&c->word_index, c->hashes[feature])];
        for (size_t j = 0; j < w->gram_count; j++)
            found += f->idf2[c->grams[w->gram_at + j]] > 0;
        *surprise += eng_text_strange(f->trained, found, w->gram_count);
    }
}

static void score_fold(eng_text_folds *f, const eng_text_fit *fit, unsigned fold, float *work)
{
    const eng_text_corpus *c = f->corpus;
    for (size_t i = 0; i < c->example_count; i++) {
        size_t slot = f->slots[i];
        if (f->by_group[i] != fold || slot == UINT32_MAX)
            continue;
        eng_text_fit_score(fit, &c->examples[i], work, work + fit->stride);
        memcpy(f->scores + slot * f->stride, work, f->stride * sizeof *work);
        measure_words(fit, &c->examples[i], &f->surprise[slot], &f->words[slot]);
    }
}

/* Whole rows that were held back although others of their group were learned from. */
static void score_rows(eng_text_folds *f, const eng_text_fit *fit, float *work)
{
    const eng_text_corpus *c = f->corpus;
    size_t right = 0, count = 0;
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        if (f->by_row[i] != 0 || !e->whole)
            continue;
        eng_text_fit_score(fit, e, work, work + fit->stride);
        right += eng_text_soften(work, fit->classes, 1) == e->label;
        count++;
    }
    f->row_accuracy = count ? (double)right / (double)count : (double)NAN;
}

/* ---- Tasks ---- */

typedef struct {
    eng_text_folds *folds;
    const eng_text_hooks *hooks;
    unsigned tasks; /* 0: from all; then a fold each; then parted rows */
    bool parted;
    atomic_uint next;
    atomic_uint passes; /* for progress */
    atomic_bool stopped;
    _Atomic eng_status status;
    eng_error error;
} work;

typedef struct {
    work *w;
    bool caller;
} worker;

static bool go_on(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    const worker *me = ctx;
    work *w = me->w;
    unsigned passes = atomic_fetch_add(&w->passes, 1);
    (void)done;
    if (me->caller && w->hooks && w->hooks->go_on &&
        !w->hooks->go_on(w->hooks->ctx, what, passes, total * w->tasks))
        atomic_store(&w->stopped, true);
    return !atomic_load(&w->stopped);
}

static eng_status run_task(work *w, unsigned task, const eng_text_hooks *hooks, eng_error *err)
{
    eng_text_folds *f = w->folds;
    eng_text_fit fit;
    task += f->only;
    if (task == 0)
        return eng_text_fit_make(f->corpus, f->by_group, ENG_TEXT_NO_FOLD, hooks, &f->final, err);
    bool rows = w->parted && task > f->fits;
    const uint8_t *folds = rows ? f->by_row : f->by_group;
    unsigned fold = rows ? 0 : task - 1;
    eng_status status = eng_text_fit_make(f->corpus, folds, fold, hooks, &fit, err);
    if (status < 0)
        return status;
    float *scores = eng_alloc_array(2 * fit.stride, sizeof *scores);
    if (!scores)
        status = eng_fail_nomem(err);
    else if (rows)
        score_rows(f, &fit, scores);
    else
        score_fold(f, &fit, fold, scores);
    eng_free(scores);
    eng_text_fit_clear(&fit);
    return status;
}

static void take_tasks(const eng_team_member *member, void *arg)
{
    work *w = arg;
    worker me = {.w = w, .caller = member->index == 0};
    eng_text_hooks hooks = {.go_on = go_on, .ctx = &me};
    unsigned task;
    while (!atomic_load(&w->stopped) && (task = atomic_fetch_add(&w->next, 1)) < w->tasks) {
        eng_error err = {0};
        eng_status status = run_task(w, task, &hooks, &err), none = ENG_OK;
        if (status < 0 && atomic_compare_exchange_strong(&w->status, &none, status)) {
            w->error = err;
            atomic_store(&w->stopped, true);
        }
    }
}

static eng_status run_tasks(eng_text_folds *f, const eng_text_hooks *hooks, eng_error *err)
{
    eng_team *team = NULL;
    work w = {.folds = f, .hooks = hooks};
    w.parted = !f->only && f->corpus->rows->group_count < f->corpus->rows->count;
    w.tasks = !f->only + f->fits + w.parted;
    unsigned threads = f->corpus->settings.threads < w.tasks ? f->corpus->settings.threads
                                                             : w.tasks;
    eng_status status = eng_team_new(threads, &team, err);
    if (status < 0)
        return status;
    eng_team_run(team, take_tasks, &w);
    eng_team_free(team);
    if (w.status < 0 && err)
        *err = w.error;
    return w.status;
}

/* ---- All of it ---- */

static eng_status allocate(eng_text_folds *f, eng_error *err)
{
    size_t n = f->corpus->example_count;
    f->by_group = eng_alloc_array(n, 1);
    f->by_row = eng_alloc_array(n, 1);
    f->slots = eng_alloc_array(n, sizeof *f->slots);
    return f->by_group && f->by_row && f->slots ? ENG_OK : eng_fail_nomem(err);
}

static eng_status allocate_slots(eng_text_folds *f, eng_error *err)
{
    f->scores = eng_alloc_array(f->scored * f->stride, sizeof *f->scores);
    f->surprise = eng_alloc_array(f->scored, sizeof *f->surprise);
    f->words = eng_alloc_array(f->scored, sizeof *f->words);
    return f->scores && f->surprise && f->words ? ENG_OK : eng_fail_nomem(err);
}

eng_status eng_text_folds_run(const eng_text_corpus *corpus, unsigned fits,
                              const eng_text_hooks *hooks, eng_text_folds *out, eng_error *err)
{
    unsigned folds = corpus->settings.folds;
    *out = (eng_text_folds){.corpus = corpus,
                            .folds = folds > 1 ? folds : 5,
                            .fits = fits        ? fits
                                    : folds > 1 ? folds
                                                : 1,
                            .only = fits > 0,
                            .stride = corpus->rows->class_count,
                            .row_accuracy = (double)NAN};
    eng_status status = allocate(out, err);
    if (status == ENG_OK)
        status = deal(out, err);
    if (status == ENG_OK) {
        number_slots(out);
        status = allocate_slots(out, err);
    }
    if (status == ENG_OK)
        status = run_tasks(out, hooks, err);
    if (status < 0)
        eng_text_folds_clear(out);
    return status;
}

void eng_text_folds_clear(eng_text_folds *f)
{
    eng_free(f->by_group);
    eng_free(f->by_row);
    eng_free(f->slots);
    eng_free(f->scores);
    eng_free(f->surprise);
    eng_free(f->words);
    eng_text_fit_clear(&f->final);
    *f = (eng_text_folds){0};
}
