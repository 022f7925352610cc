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

static int by_fused(const void *a, const void *b)
{
    const eng_fused *x = a, *y = b;
    if (x->fused != y->fused)
        return x->fused > y->fused ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void find_range(const eng_fused *items, size_t count, unsigned mode, float *low, float *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        float s = items[i].score[mode];
        if (isnan(s))
            continue;
        *low = s < *low ? s : *low;
        *high = s > *high ? s : *high;
    }
}

void eng_fuse(eng_fused *items, size_t count, const eng_fuse_options *options,
              eng_fuse_report *report)
{
    static const float presets[ENG_MODES] = {0.3F, 0.4F, 0.3F};
    eng_fuse_report r = {0};
    float sum = 0, given = 0;
    for (unsigned m = 0; m < ENG_MODES; m++)
        given += options->weight[m];
    for (unsigned m = 0; m < ENG_MODES; m++) {
        find_range(items, count, m, &r.low[m], &r.high[m]);
        if (!(r.high[m] > r.low[m]))
            r.low[m] = r.high[m] = 0;
        if (m != ENG_MODE_DENSE)
            r.low[m] = 0;
        r.weight[m] = r.high[m] > r.low[m] ? (given > 0 ? options->weight[m] : presets[m]) : 0;
        sum += r.weight[m];
    }
    for (size_t i = 0; i < count; i++) {
        float fused = 0;
        for (unsigned m = 0; m < ENG_MODES; m++) {
            if (r.weight[m] <= 0)
                continue;
            float s = isnan(items[i].score[m]) ? r.low[m] : items[i].score[m];
            fused += r.weight[m] / sum * (s - r.low[m]) / (r.high[m] - r.low[m]);
        }
        items[i].fused = fused < 0 ? 0 : fused > 1 ? 1 : fused;
    }
    for (unsigned m = 0; m < ENG_MODES && sum > 0; m++)
        r.weight[m] /= sum;
    qsort(items, count, sizeof *items, by_fused);
    if (report)
        *report = r;
}
