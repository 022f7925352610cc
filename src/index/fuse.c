/*
 * One ranking from several. Pure: scores in, scores out.
 */
#include "index/index.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

float eng_score_unit(eng_mode mode, float score)
{
    if (!(score > 0))
        return 0;
    if (mode == ENG_MODE_DENSE)
        return score < 1 ? score : 1;
    return score / (score + 8);
}

/* ---- Fusion ------------------------------------------------------------------------------------------------- */

/*
 * How far to trust each half. Cosines count as they are: an encoder that is out of its language gives
 * scores that lie close together, and so has little to say of itself. It has more to say where its best
 * passage stands out. Scores by words count as shares of the best one.
 */
static const float DENSE = 0.55F, DENSE_LEAST = 0.2F, DENSE_MOST = 0.85F, STANDS_OUT = 1.0F;

static int by_fused(const void *a, const void *b)
{
    const eng_fused *x = a, *y = b;
    if (x->fused != y->fused)
        return x->fused > y->fused ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The best and the second best score of a mode; *there: any. */
static void find_best(const eng_fused *items, size_t count, unsigned mode, float best[2],
                      bool *there)
{
    best[0] = best[1] = -INFINITY;
    *there = false;
    for (size_t i = 0; i < count; i++) {
        float s = items[i].score[mode];
        if (isnan(s))
            continue;
        *there = true;
        if (s > best[0]) {
            best[1] = best[0];
            best[0] = s;
        } else if (s > best[1]) {
            best[1] = s;
        }
    }
}

static void choose_weights(const eng_fused *items, size_t count, const eng_fuse_options *options,
                           eng_fuse_report *r)
{
    float best[2], given = 0, sum = 0;
    bool there[ENG_MODES];
    for (unsigned m = 0; m < ENG_MODES; m++)
        given += options->weight[m];
    for (unsigned m = 0; m < ENG_MODES; m++) {
        find_best(items, count, m, best, &there[m]);
        r->high[m] = m == ENG_MODE_DENSE ? 1 : best[0];
        there[m] = there[m] && r->high[m] > 0;
        if (m != ENG_MODE_DENSE)
            continue;
        float gap = isfinite(best[1]) ? best[0] - best[1] : 0;
        float weight = DENSE + STANDS_OUT * gap;
        weight = weight > DENSE_MOST ? DENSE_MOST : weight < DENSE_LEAST ? DENSE_LEAST : weight;
        r->weight[m] = weight;
    }
    for (unsigned m = 0; m < ENG_MODES; m++) {
        if (m != ENG_MODE_DENSE)
            r->weight[m] = (1 - r->weight[ENG_MODE_DENSE]) / (ENG_MODES - 1);
        if (given > 0)
            r->weight[m] = options->weight[m];
    }
    for (unsigned m = 0; m < ENG_MODES; m++) {
        r->weight[m] = there[m] && r->weight[m] > 0 ? r->weight[m] : 0;
        sum += r->weight[m];
    }
    for (unsigned m = 0; m < ENG_MODES && sum > 0; m++)
        r->weight[m] /= sum;
}

void eng_fuse(eng_fused *items, size_t count, const eng_fuse_options *options,
              eng_fuse_report *report)
{
    static const eng_fuse_options presets;
    eng_fuse_report r = {0};
    choose_weights(items, count, options ? options : &presets, &r);
    for (size_t i = 0; i < count; i++) {
        float fused = 0;
        for (unsigned m = 0; m < ENG_MODES; m++) {
            float s = items[i].score[m];
            if (r.weight[m] > 0 && !isnan(s))
                fused += r.weight[m] * (s - r.low[m]) / (r.high[m] - r.low[m]);
        }
        items[i].fused = fused < 0 ? 0 : fused > 1 ? 1 : fused;
    }
    if (count)
        qsort(items, count, sizeof *items, by_fused);
    if (report)
        *report = r;
}

/* ---- Diversity ---------------------------------------------------------------------------------------------- */

static void swap_rows(float *a, float *b, size_t dim)
{
    for (size_t d = 0; d < dim && a != b; d++) {
        float v = a[d];
        a[d] = b[d];
        b[d] = v;
    }
}

eng_status eng_diversify(eng_fused *items, size_t count, const float *vectors, size_t dim,
                         float lambda, size_t keep, eng_error *err)
{
    size_t wanted = keep < count ? keep : count;
    if (wanted == 0 || lambda >= 1)
        return ENG_OK;
    float *rows = eng_alloc_array(count, dim * sizeof *rows);
    float *nearest = eng_alloc_array(count, sizeof *nearest); /* to what was chosen */
    if (!rows || !nearest) {
        eng_free(rows);
        eng_free(nearest);
        return eng_fail_nomem(err);
    }
    memcpy(rows, vectors, count * dim * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        nearest[i] = 0;
    for (size_t n = 0; n < wanted; n++) {
        size_t best = n;
        for (size_t i = n + 1; i < count; i++) {
            float a = lambda * items[i].fused - (1 - lambda) * nearest[i];
            float b = lambda * items[best].fused - (1 - lambda) * nearest[best];
            best = a > b ? i : best;
        }
        eng_fused chosen = items[best];
        float near = nearest[best];
        items[best] = items[n];
        nearest[best] = nearest[n];
        items[n] = chosen;
        nearest[n] = near;
        swap_rows(rows + best * dim, rows + n * dim, dim);
        for (size_t i = n + 1; i < count; i++) {
            float cosine = 0;
            for (size_t d = 0; d < dim; d++)
                cosine += rows[i * dim + d] * rows[n * dim + d];
            nearest[i] = cosine > nearest[i] ? cosine : nearest[i];
        }
    }
    eng_free(rows);
    eng_free(nearest);
    return ENG_OK;
}
