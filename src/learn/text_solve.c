/*
 * Dual coordinate descent over all classes at once.
 *
 * An example's scores for every class come from one pass over its features' rows, and so does the step
 * for every class: the one-against-rest problems of a linear SVM with squared hinge loss (Hsieh et al.,
 * 2008) share their examples, so they are solved in lockstep; multinomial logistic regression takes
 * the same pass with another step (proximal SDCA, Shalev-Shwartz and Zhang, 2014). Each fit is one
 * thread's work, in an order that depends on the seed alone: threads take different folds, so that
 * the same data gives the same bits with any number of them.
 *
 *     x = cnt * idf / |words|  for words, pairs and numbers;
 *     x = RUNS * cnt * idf / |runs|  for runs of characters
 *     a row holds idf * w, and idf^2 in lane `classes`:  x * w = sum(cnt * row) / sqrt(sum(cnt * idf^2))
 */
#include "base/error.h"
#include "learn/text_internal.h"

#include <assert.h>
#include <math.h>

enum { LANES = 8, PASSES_MAX = 40, PASSES_LOGISTIC = 60, AHEAD = 12, QUIET_MAX = 4 };
/* What a run of characters counts for beside a word: there are many of them, and they go together. */
static const float RUNS = 0.4f;
/* A pass that moves less than this, squared, beside all that there is, is the last. */
static const double STILL = 1e-4;

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(16)));

/* What an example needs beside its features. */
typedef struct {
    uint32_t example;
    float words;  /* 1 / |words|, 0 where it has none */
    float grams;  /* RUNS / |runs| */
    float square; /* of the whole example, with the constant feature */
} member;

typedef struct {
    eng_text_fit *fit;
    member *members;
    size_t count;
    float *alpha;                         /* count * stride */
    uint32_t *order;                      /* of members */
    float *signs;                         /* stride: 1 at the example's class, -1 at others */
    float *mask;                          /* stride: 1 for classes, 0 beyond */
    float *scores, *words, *grams, *step; /* stride each */
    float *cost;                          /* by class: of an error in an example of it */
    float base;         /* of an error in an example of another class than the problem's */
    float *lanes;       /* memory of the seven */
    uint8_t *quiet;     /* passes since a member moved */
    double moved, held; /* how far this pass went, and what there is */
} solver;

/* ---- Random orders ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void shuffle(uint32_t *order, size_t count, uint64_t *state)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(((unsigned __int128)next_random(state) * i) >> 64);
        uint32_t t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

/* ---- One example ---- */

/* sum[lane] = sum of cnt * row[lane] */
static inline __attribute__((always_inline)) void
gather(const eng_text_fit *f, const uint32_t *entries, size_t count, size_t blocks, float *sum)
{
    for (size_t b = 0; b < blocks; b++) {
        lanes total = {0};
        for (size_t i = 0; i < count; i++) {
            uint32_t entry = entries[i];
            if (i + AHEAD < count)
                __builtin_prefetch(f->weights + (entries[i + AHEAD] >> ENG_ENTRY_BITS) * f->stride +
                                   b * LANES);
            const lanes *row = (const lanes *)(f->weights + (entry >> ENG_ENTRY_BITS) * f->stride) +
                               b;
            total += *row * (float)(entry & ENG_ENTRY_MASK);
        }
        *((lanes *)sum + b) = total;
    }
}

/* row[lane] += cnt * idf^2 * step[lane]; step is 0 in lane `classes`, which holds idf^2. */
static inline __attribute__((always_inline)) void scatter(eng_text_fit *f, const uint32_t *entries,
                                                          size_t count, size_t blocks, float times,
                                                          const float *step)
{
    for (size_t i = 0; i < count; i++) {
        float *at = f->weights + (entries[i] >> ENG_ENTRY_BITS) * f->stride;
        float by = (float)(entries[i] & ENG_ENTRY_MASK) * at[f->classes] * times;
        for (size_t b = 0; b < blocks; b++)
            *((lanes *)at + b) += *((const lanes *)step + b) * by;
    }
}

static inline __attribute__((always_inline)) void score(solver *s, const member *m,
                                                        const eng_text_example *e, size_t blocks)
{
    const eng_text_fit *f = s->fit;
    const uint32_t *entries = f->corpus->entries + e->entries;
    gather(f, entries, e->words, blocks, s->words);
    gather(f, entries + e->words, e->grams, blocks, s->grams);
    for (size_t b = 0; b < blocks; b++)
        ((lanes *)s->scores)[b] = ((lanes *)s->words)[b] * m->words +
                                  ((lanes *)s->grams)[b] * m->grams + ((lanes *)f->bias)[b];
}

/* The squared hinge's step in each class. True where any class moves. */
static inline __attribute__((always_inline)) bool hinge_step(solver *s, const member *m,
                                                             float *alpha, size_t label, size_t n)
{
    float moved = 0, held = 0;
    const float own = 0.5f / s->cost[label], rest = 0.5f / s->base;
    s->signs[label] = 1;
    for (size_t c = 0; c < n; c++) {
        float soft = s->signs[c] > 0 ? own : rest;
        float slope = s->signs[c] * s->scores[c] - 1 + alpha[c] * soft;
        float to = alpha[c] - slope / (m->square + soft);
        to = (to > 0 ? to : 0) * s->mask[c];
        float step = (to - alpha[c]) * s->signs[c];
        alpha[c] = to;
        s->step[c] = step;
        moved += step * step;
        held += to * to;
    }
    s->signs[label] = -1;
    s->moved += (double)moved;
    s->held += (double)held;
    return moved > 0;
}

/* Towards cost * (1 at its class - probabilities), as far as is sure to be no step back. */
static bool logistic_step(solver *s, const member *m, float *alpha, size_t label)
{
    const size_t n = s->fit->classes;
    const float cost = s->cost[label], rate = 1 / (1 + 0.5f * cost * m->square);
    float top = s->scores[0], sum = 0, moved = 0, held = 0;
    for (size_t c = 1; c < n; c++)
        top = s->scores[c] > top ? s->scores[c] : top;
    for (size_t c = 0; c < n; c++)
        sum += s->words[c] = expf(s->scores[c] - top);
    for (size_t c = 0; c < n; c++) {
        float step = rate * (cost * ((c == label) - s->words[c] / sum) - alpha[c]);
        alpha[c] += step;
        s->step[c] = step;
        moved += step * step;
        held += alpha[c] * alpha[c];
    }
    s->moved += (double)moved;
    s->held += (double)held;
    return true;
}

static inline __attribute__((always_inline)) void visit(solver *s, size_t at, size_t blocks)
{
    eng_text_fit *f = s->fit;
    const member *m = &s->members[at];
    const eng_text_example *e = &f->corpus->examples[m->example];
    float *alpha = s->alpha + at * blocks * LANES;
    score(s, m, e, blocks);
    bool moved = f->corpus->settings.logistic ? logistic_step(s, m, alpha, e->label)
                                              : hinge_step(s, m, alpha, e->label, blocks * LANES);
    if (moved)
        s->quiet[at] = 0;
    else if (s->quiet[at] < QUIET_MAX)
        s->quiet[at]++;
    if (!moved)
        return;
    const uint32_t *entries = f->corpus->entries + e->entries;
    scatter(f, entries, e->words, blocks, m->words, s->step);
    scatter(f, entries + e->words, e->grams, blocks, m->grams, s->step);
    for (size_t b = 0; b < blocks; b++)
        ((lanes *)f->bias)[b] += ((const lanes *)s->step)[b];
}

/* Examples that have not moved for some passes are looked at less often. */
static inline __attribute__((always_inline)) void pass_of(solver *s, size_t blocks, unsigned pass)
{
    for (size_t i = 0; i < s->count; i++) {
        uint32_t at = s->order[i];
        if (s->quiet[at] < 2 || (pass + at) % s->quiet[at] == 0)
            visit(s, at, blocks);
    }
}

/* Few classes are what most have: their loops are unrolled. */
static void run_pass(solver *s, unsigned pass)
{
    size_t blocks = s->fit->stride / LANES;
    s->moved = s->held = 0;
    if (blocks == 1)
        pass_of(s, 1, pass);
    else if (blocks == 2)
        pass_of(s, 2, pass);
    else
        pass_of(s, blocks, pass);
}

/* ---- Before it begins ---- */

/* Inverse document frequency, smoothed as if one more example had every feature. */
static void set_frequencies(eng_text_fit *f, const uint32_t *seen, size_t examples)
{
    const eng_text_corpus *c = f->corpus;
    for (size_t i = 0; i < c->features.count; i++) {
        if (!seen[i] || f->counts[i] < c->settings.min_count)
            continue;
        double idf = log((1.0 + (double)examples) / (1.0 + seen[i])) + 1;
        f->idf2[i] = (float)(idf * idf);
        f->weights[i * f->stride + f->classes] = f->idf2[i];
    }
}

static eng_status count_features(solver *s, const uint8_t *folds, unsigned fold, eng_error *err)
{
    eng_text_fit *f = s->fit;
    const eng_text_corpus *c = f->corpus;
    uint32_t *seen = eng_zalloc((c->features.count + 1) * sizeof *seen);
    if (!seen)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        if (fold != ENG_TEXT_NO_FOLD && folds[i] == fold)
            continue;
        const uint32_t *entries = c->entries + e->entries;
        for (size_t j = 0; j < (size_t)e->words + e->grams; j++) {
            seen[entries[j] >> ENG_ENTRY_BITS]++;
            f->counts[entries[j] >> ENG_ENTRY_BITS] += e->whole;
        }
        f->trained += e->whole;
        s->members[s->count++].example = (uint32_t)i;
    }
    set_frequencies(f, seen, s->count);
    eng_free(seen);
    return ENG_OK;
}

/* 1 / |block| times the block's scale, whose square is added to *square */
static float norm_of(const eng_text_fit *f, const uint32_t *entries, size_t count, float scale,
                     float *square)
{
    float sum = 0, exact = 0;
    for (size_t i = 0; i < count; i++) {
        float n = (float)(entries[i] & ENG_ENTRY_MASK),
              idf2 = f->idf2[entries[i] >> ENG_ENTRY_BITS];
        sum += n * idf2;
        exact += n * n * idf2;
    }
    *square += sum > 0 ? scale * scale * exact / sum : 0;
    return sum > 0 ? scale / sqrtf(sum) : 0;
}

static void set_members(solver *s)
{
    const eng_text_corpus *c = s->fit->corpus;
    for (size_t i = 0; i < s->count; i++) {
        member *m = &s->members[i];
        const eng_text_example *e = &c->examples[m->example];
        m->square = 1;
        m->words = norm_of(s->fit, c->entries + e->entries, e->words, 1, &m->square);
        m->grams = norm_of(s->fit, c->entries + e->entries + e->words, e->grams, RUNS, &m->square);
        s->order[i] = (uint32_t)i;
    }
}

/* What an error costs, by class: between the same for every row, and the same for every class. */
static void set_costs(solver *s)
{
    const eng_text_corpus *c = s->fit->corpus;
    const size_t n = s->fit->classes;
    for (size_t i = 0; i < s->count; i++)
        s->cost[c->examples[s->members[i].example].label]++;
    for (size_t k = 0; k < n; k++) {
        double share = s->cost[k] > 0 ? (double)s->count / ((double)n * (double)s->cost[k]) : 1;
        s->cost[k] = (float)(c->settings.cost * pow(share, c->settings.balance));
    }
    s->base = (float)c->settings.cost;
    for (size_t k = 0; k < s->fit->stride; k++) {
        s->signs[k] = -1;
        s->mask[k] = k < n;
    }
}

/* ---- All of it ---- */

static eng_status allocate(solver *s, eng_error *err)
{
    eng_text_fit *f = s->fit;
    const eng_text_corpus *c = f->corpus;
    size_t stride = f->stride;
    char *weights = eng_zalloc(c->features.count * stride * sizeof(float) + 64);
    f->memory = weights;
    f->weights = (float *)(weights + (64 - (uintptr_t)weights % 64) % 64);
    f->bias = eng_zalloc(stride * sizeof(float));
    f->idf2 = eng_zalloc(c->features.count * sizeof(float));
    f->counts = eng_zalloc(c->features.count * sizeof(uint32_t));
    s->members = eng_zalloc(c->example_count * sizeof *s->members);
    s->order = eng_alloc_array(c->example_count, sizeof *s->order);
    s->quiet = eng_zalloc(c->example_count);
    s->alpha = eng_zalloc(c->example_count * stride * sizeof(float));
    s->lanes = eng_zalloc(7 * stride * sizeof(float));
    if (!weights || !f->bias || !f->idf2 || !f->counts || !s->members || !s->order || !s->quiet ||
        !s->alpha || !s->lanes)
        return eng_fail_nomem(err);
    float **at[] = {&s->signs, &s->mask, &s->scores, &s->words, &s->grams, &s->step, &s->cost};
    for (size_t i = 0; i < 7; i++)
        *at[i] = s->lanes + i * stride;
    return ENG_OK;
}

static eng_status solve(solver *s, unsigned fold, const eng_text_hooks *hooks, eng_error *err)
{
    const eng_text_settings *set = &s->fit->corpus->settings;
    unsigned most = set->logistic ? PASSES_LOGISTIC : PASSES_MAX;
    uint64_t state = set->seed * 1000003 + fold;
    for (unsigned pass = 0; pass < most; pass++) {
        if (hooks && hooks->go_on && !hooks->go_on(hooks->ctx, "learning", pass, most))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
        shuffle(s->order, s->count, &state);
        run_pass(s, pass);
        s->fit->passes = pass + 1;
        if (s->moved <= STILL * s->held)
            break;
    }
    return ENG_OK;
}

/* From here on runs are scored as words are. */
static void scale_runs(eng_text_fit *f)
{
    const eng_text_corpus *c = f->corpus;
    for (size_t i = 0; i < c->features.count; i++)
        for (size_t k = 0; c->kinds[i] == ENG_FEATURE_GRAM && k < f->classes; k++)
            f->weights[i * f->stride + k] *= RUNS;
}

eng_status eng_text_fit_make(const eng_text_corpus *corpus, const uint8_t *folds, unsigned fold,
                             const eng_text_hooks *hooks, eng_text_fit *out, eng_error *err)
{
    size_t classes = corpus->rows->class_count;
    *out = (eng_text_fit){
        .corpus = corpus, .classes = classes, .stride = (classes + LANES) / LANES * LANES};
    solver s = {.fit = out};
    eng_status status = allocate(&s, err);
    if (status == ENG_OK)
        status = count_features(&s, folds, fold, err);
    if (status == ENG_OK) {
        set_members(&s);
        set_costs(&s);
        status = solve(&s, fold, hooks, err);
        scale_runs(out);
    }
    eng_free(s.members);
    eng_free(s.order);
    eng_free(s.quiet);
    eng_free(s.alpha);
    eng_free(s.lanes);
    if (status < 0)
        eng_text_fit_clear(out);
    return status;
}

void eng_text_fit_clear(eng_text_fit *f)
{
    eng_free(f->memory);
    eng_free(f->bias);
    eng_free(f->idf2);
    eng_free(f->counts);
    *f = (eng_text_fit){0};
}

/* ---- Scores ---- */

/* Features that this fit has not seen are not there: neither in the sums nor in the norms. */
static void add_block(const eng_text_fit *f, const uint32_t *entries, size_t count, float *sum)
{
    memset(sum, 0, f->stride * sizeof *sum);
    for (size_t i = 0; i < count; i++) {
        const float *row = f->weights + (entries[i] >> ENG_ENTRY_BITS) * f->stride;
        float n = (float)(entries[i] & ENG_ENTRY_MASK);
        for (size_t c = 0; c <= f->classes; c++)
            sum[c] += n * row[c];
    }
}

void eng_text_fit_score(const eng_text_fit *f, const eng_text_example *e, float *scores, float *sum)
{
    const uint32_t *entries = f->corpus->entries + e->entries;
    memcpy(scores, f->bias, f->stride * sizeof *scores);
    for (size_t block = 0; block < 2; block++) {
        add_block(f, entries + (block ? e->words : 0), block ? e->grams : e->words, sum);
        float norm = sum[f->classes] > 0 ? 1 / sqrtf(sum[f->classes]) : 0;
        for (size_t c = 0; c < f->classes; c++)
            scores[c] += norm * sum[c];
    }
}
