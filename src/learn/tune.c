/* The search for better settings: see tune.h. */
#include "learn/tune.h"

#include "base/alloc.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN = 32, LEAST_QUESTIONS = 8, SAMPLES = 1000, ROUNDS = 3, CHOICES_MAX = 4096 };

/* A choice that was met, with what it was worth; NaN where it was not asked. */
typedef struct {
    eng_choice choice;
    float *worth;
} met;

typedef struct {
    const eng_tuning_problem *problem;
    eng_arena *arena;
    met *met;
    size_t count;
    size_t asked;
    size_t *order; /* of all questions */
    size_t *train; /* those that a search may see, in that order */
    size_t train_count;
    eng_error *err;
} searching;

/* A choice on its way through the halving. */
typedef struct {
    size_t at; /* in met */
    double worth;
} runner;

/* ---- What is known ---- */

/* SIZE_MAX: no memory, or there are enough. */
static size_t find_choice(searching *s, const eng_choice *choice)
{
    const eng_tuning_problem *p = s->problem;
    for (size_t i = 0; i < s->count; i++)
        if (memcmp(&s->met[i].choice, choice, sizeof *choice) == 0)
            return i;
    if (s->count == CHOICES_MAX)
        return SIZE_MAX;
    float *worth = eng_arena_array(s->arena, p->questions, sizeof *worth);
    if (!worth)
        return SIZE_MAX;
    for (size_t q = 0; q < p->questions; q++)
        worth[q] = NAN;
    s->met[s->count] = (met){*choice, worth};
    return s->count++;
}

static eng_status worth_of(searching *s, size_t at, size_t question, double *out)
{
    met *m = &s->met[at];
    if (isnan(m->worth[question])) {
        double worth = 0;
        eng_status status = s->problem->worth(s->problem->ctx, &m->choice, question, &worth,
                                              s->err);
        if (status < 0)
            return status;
        m->worth[question] = (float)worth;
        s->asked++;
    }
    *out = (double)m->worth[question];
    return ENG_OK;
}

/* Over the first n of the questions that may be seen. */
static eng_status mean_of(searching *s, size_t at, size_t n, double *out)
{
    double sum = 0, worth;
    for (size_t i = 0; i < n; i++) {
        eng_status status = worth_of(s, at, s->train[i], &worth);
        if (status < 0)
            return status;
        sum += worth;
    }
    *out = n ? sum / (double)n : 0;
    return ENG_OK;
}

/* ---- Drawing ---- */

static size_t all_choices(const eng_tuning_problem *p)
{
    size_t n = 1;
    for (size_t k = 0; k < p->knobs; k++)
        n = n > SIZE_MAX / ENG_KNOB_VALUES ? n : n * p->values[k];
    return n;
}

static eng_choice numbered(const eng_tuning_problem *p, size_t number)
{
    eng_choice c = {{0}};
    for (size_t k = 0; k < p->knobs; k++) {
        c.value[k] = (uint8_t)(number % p->values[k]);
        number /= p->values[k];
    }
    return c;
}

/* What stands, each knob turned alone to a value of its own, then whatever the dice say; all of them where
 * there are no more. */
static eng_status draw(searching *s, runner *runners, size_t most, size_t *count)
{
    const eng_tuning_problem *p = s->problem;
    size_t all = all_choices(p);
    uint64_t seed = p->seed;
    *count = 0;
    for (size_t tries = 0; *count < most && *count < all && tries < most * 20; tries++) {
        eng_choice c = {{0}};
        size_t knob = tries - 1;
        if (all <= most)
            c = numbered(p, tries);
        else if (tries > 0 && knob < p->knobs)
            c.value[knob] = (uint8_t)(eng_draw(&seed) % p->values[knob]);
        else if (tries > 0)
            c = numbered(p, (size_t)(eng_draw(&seed) % all));
        size_t at = find_choice(s, &c);
        if (at == SIZE_MAX)
            return eng_fail_nomem(s->err);
        bool twice = false;
        for (size_t i = 0; i < *count; i++)
            twice |= runners[i].at == at;
        if (!twice)
            runners[(*count)++] = (runner){at, 0};
    }
    return ENG_OK;
}

/* ---- Halving ---- */

/* The best first; of equals what was met first, so that what stands stays where nothing is better. */
static int by_worth(const void *a, const void *b)
{
    const runner *x = a, *y = b;
    if (x->worth != y->worth)
        return x->worth > y->worth ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static eng_status halve(searching *s, runner *runners, size_t count, size_t *best)
{
    size_t n = s->train_count / 8;
    n = n < LEAST_QUESTIONS ? LEAST_QUESTIONS : n;
    for (;;) {
        n = n < s->train_count ? n : s->train_count;
        for (size_t i = 0; i < count; i++) {
            eng_status status = mean_of(s, runners[i].at, n, &runners[i].worth);
            if (status < 0)
                return status;
        }
        qsort(runners, count, sizeof *runners, by_worth);
        if (n == s->train_count)
            break;
        count = (count + 1) / 2;
        n *= 2;
    }
    *best = runners[0].at;
    return ENG_OK;
}

/* Each knob by itself, for as long as that helps. */
static eng_status turn_knobs(searching *s, size_t *best)
{
    const eng_tuning_problem *p = s->problem;
    double worth, other;
    eng_status status = mean_of(s, *best, s->train_count, &worth);
    bool turned = true;
    for (int round = 0; round < ROUNDS && turned; round++) {
        turned = false;
        for (size_t k = 0; k < p->knobs; k++) {
            for (size_t v = 0; v < p->values[k] && status == ENG_OK; v++) {
                eng_choice c = s->met[*best].choice;
                c.value[k] = (uint8_t)v;
                size_t at = find_choice(s, &c);
                if (at == SIZE_MAX)
                    return s->count == CHOICES_MAX ? ENG_OK : eng_fail_nomem(s->err);
                status = mean_of(s, at, s->train_count, &other);
                if (status == ENG_OK && other > worth) {
                    *best = at;
                    worth = other;
                    turned = true;
                }
            }
        }
    }
    return status;
}

/* The best choice for the questions that may be seen. */
static eng_status search(searching *s, size_t *best)
{
    size_t most = s->problem->drawn ? s->problem->drawn : DRAWN, count;
    runner *runners = eng_alloc_array(most, sizeof *runners);
    if (!runners)
        return eng_fail_nomem(s->err);
    eng_status status = draw(s, runners, most, &count);
    if (status == ENG_OK)
        status = halve(s, runners, count, best);
    if (status == ENG_OK)
        status = turn_knobs(s, best);
    eng_free(runners);
    return status;
}

/* ---- Hiding questions ---- */

static void shuffle(size_t *order, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(eng_draw(&seed) % i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

/* Sees all but the fold's; folds of 0: sees all. */
static void see(searching *s, size_t fold, size_t folds)
{
    s->train_count = 0;
    for (size_t i = 0; i < s->problem->questions; i++)
        if (!folds || i % folds != fold)
            s->train[s->train_count++] = s->order[i];
}

static eng_status judge_fold(searching *s, size_t fold, double *was, double *is)
{
    size_t best = 0;
    see(s, fold, ENG_TUNE_FOLDS);
    eng_status status = search(s, &best);
    for (size_t i = fold; i < s->problem->questions && status == ENG_OK; i += ENG_TUNE_FOLDS) {
        size_t q = s->order[i];
        status = worth_of(s, 0, q, &was[q]);
        if (status == ENG_OK)
            status = worth_of(s, best, q, &is[q]);
    }
    return status;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Differences of the same questions: their own ups and downs cancel. */
static eng_status judge(const double *was, const double *is, size_t count, eng_tuning_found *out,
                        eng_error *err)
{
    uint64_t seed = 1;
    double *means = eng_alloc_array(SAMPLES, sizeof *means);
    if (!means)
        return eng_fail_nomem(err);
    out->standing = out->found = 0;
    for (size_t q = 0; q < count; q++) {
        out->standing += was[q] / (double)count;
        out->found += is[q] / (double)count;
    }
    for (int i = 0; i < SAMPLES; i++) {
        double sum = 0;
        for (size_t k = 0; k < count; k++) {
            size_t q = (size_t)(eng_draw(&seed) % count);
            sum += is[q] - was[q];
        }
        means[i] = sum / (double)count;
    }
    qsort(means, SAMPLES, sizeof *means, by_size);
    out->gain = out->found - out->standing;
    out->low = means[(size_t)(0.025 * (SAMPLES - 1))];
    out->high = means[(size_t)ceil(0.975 * (SAMPLES - 1))];
    out->better = out->low > 0;
    out->validated = true;
    eng_free(means);
    return ENG_OK;
}

static eng_status validate(searching *s, eng_tuning_found *out)
{
    size_t count = s->problem->questions;
    if (count < ENG_TUNE_LEAST)
        return ENG_OK;
    double *was = eng_alloc_array(count, sizeof *was), *is = eng_alloc_array(count, sizeof *is);
    eng_status status = was && is ? ENG_OK : eng_fail_nomem(s->err);
    for (size_t fold = 0; fold < ENG_TUNE_FOLDS && status == ENG_OK; fold++)
        status = judge_fold(s, fold, was, is);
    if (status == ENG_OK)
        status = judge(was, is, count, out, s->err);
    eng_free(was);
    eng_free(is);
    return status;
}

/* ---- The whole ---- */

static eng_status tell_tried(searching *s, eng_tuning_found *out)
{
    size_t questions = s->problem->questions;
    out->tried = eng_arena_array(s->arena, s->count, sizeof *out->tried);
    if (!out->tried)
        return eng_fail_nomem(s->err);
    out->tried_count = 0;
    for (size_t i = 0; i < s->count; i++) {
        double sum = 0;
        for (size_t q = 0; q < questions; q++)
            sum += (double)s->met[i].worth[q]; /* NaN where one was not asked */
        if (!isnan(sum))
            out->tried[out->tried_count++] = (eng_tried){s->met[i].choice, sum / (double)questions};
    }
    return ENG_OK;
}

static eng_status run(searching *s, eng_tuning_found *out)
{
    static const eng_choice standing;
    size_t best = 0, pairs;
    double worth;
    if (find_choice(s, &standing) == SIZE_MAX)
        return eng_fail_nomem(s->err);
    shuffle(s->order, s->problem->questions, s->problem->seed + 1);
    eng_status status = validate(s, out);
    see(s, 0, 0);
    if (status == ENG_OK)
        status = mean_of(s, 0, s->train_count, &worth);
    if (status == ENG_OK && !out->validated)
        out->standing = worth;
    if (status == ENG_OK)
        status = search(s, &best);
    if (status < 0)
        return status;
    pairs = all_choices(s->problem);
    out->best = s->met[best].choice;
    out->asked = s->asked;
    out->all = pairs > SIZE_MAX / s->problem->questions ? SIZE_MAX : pairs * s->problem->questions;
    return tell_tried(s, out);
}

eng_status eng_tune_search(const eng_tuning_problem *problem, eng_arena *arena,
                           eng_tuning_found *out, eng_error *err)
{
    searching s = {.problem = problem, .arena = arena, .err = err};
    eng_tuning_found found = {.tried_count = 0};
    s.met = eng_arena_array(arena, CHOICES_MAX, sizeof *s.met);
    s.order = eng_arena_array(arena, problem->questions, sizeof *s.order);
    s.train = eng_arena_array(arena, problem->questions, sizeof *s.train);
    eng_status status = s.met && s.order && s.train ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = run(&s, &found);
    if (status == ENG_OK)
        *out = found;
    return status;
}
