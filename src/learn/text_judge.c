/* Verdicts to measures: how often right, for which classes, how sure, how sure of that. */
#include "base/alloc.h"
#include "base/error.h"
#include "learn/text_internal.h"

#include <stdlib.h>

/* ---- Probabilities ---- */

uint16_t eng_text_soften(float *scores, size_t classes, float heat)
{
    uint16_t best = 0;
    float sum = 0;
    for (size_t c = 1; c < classes; c++)
        best = scores[c] > scores[best] ? (uint16_t)c : best;
    float top = scores[best];
    for (size_t c = 0; c < classes; c++)
        sum += scores[c] = expf((scores[c] - top) / heat);
    for (size_t c = 0; c < classes; c++)
        scores[c] /= sum;
    return best;
}

/* Mean surprise at the right class. */
static double loss_at(const float *scores, size_t stride, const uint16_t *labels, size_t count,
                      size_t classes, double heat)
{
    double loss = 0;
    for (size_t i = 0; i < count; i++) {
        const float *s = scores + i * stride;
        float top = s[0];
        for (size_t c = 1; c < classes; c++)
            top = s[c] > top ? s[c] : top;
        double sum = exp((double)(s[0] - top) / heat);
        for (size_t c = 1; c < classes; c++)
            sum += exp((double)(s[c] - top) / heat);
        loss += log(sum) - (double)(s[labels[i]] - top) / heat;
    }
    return loss / (double)count;
}

/* By the golden section, over the logarithm: the loss has one valley. */
float eng_text_find_heat(const float *scores, size_t stride, const uint16_t *labels, size_t count,
                         size_t classes)
{
    const double ratio = 0.6180339887498949;
    double low = log(0.02), high = log(20);
    if (!count)
        return 1;
    double a = high - ratio * (high - low), b = low + ratio * (high - low);
    double at_a = loss_at(scores, stride, labels, count, classes, exp(a));
    double at_b = loss_at(scores, stride, labels, count, classes, exp(b));
    while (high - low > 0.01) {
        if (at_a < at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - ratio * (high - low);
            at_a = loss_at(scores, stride, labels, count, classes, exp(a));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + ratio * (high - low);
            at_b = loss_at(scores, stride, labels, count, classes, exp(b));
        }
    }
    return (float)exp((low + high) / 2);
}

/* ---- Right and wrong ---- */

/* Counts of one class: right, said, there. */
typedef struct {
    uint32_t right, said, there;
} tally;

static double ratio_of(double a, double b) { return b > 0 ? a / b : 0; }

/* Over the classes that are there. */
static double macro_f1(const tally *t, size_t classes)
{
    double sum = 0;
    size_t count = 0;
    for (size_t c = 0; c < classes; c++) {
        sum += ratio_of(2.0 * t[c].right, (double)t[c].said + t[c].there);
        count += t[c].there > 0;
    }
    return ratio_of(sum, (double)count);
}

static void add(tally *t, const eng_text_verdict *v)
{
    t[v->label].there++;
    t[v->said].said++;
    t[v->label].right += v->label == v->said;
}

static void count_all(const eng_text_verdict *v, size_t count, eng_text_measure *m, tally *t)
{
    size_t right = 0;
    for (size_t i = 0; i < count; i++) {
        add(t, &v[i]);
        m->confusion[v[i].label * m->classes + v[i].said]++;
        right += v[i].label == v[i].said;
    }
    m->accuracy = ratio_of((double)right, (double)count);
    m->macro_f1 = macro_f1(t, m->classes);
    for (size_t c = 0; c < m->classes; c++) {
        eng_text_class_measure *k = &m->by_class[c];
        k->support = t[c].there;
        k->said = t[c].said;
        k->precision = ratio_of(t[c].right, t[c].said);
        k->recall = ratio_of(t[c].right, t[c].there);
        k->f1 = ratio_of(2.0 * t[c].right, (double)t[c].said + t[c].there);
        m->weighted_f1 += k->f1 * ratio_of(t[c].there, (double)count);
    }
}

/* ---- Calibration ---- */

static int by_probability(const void *a, const void *b)
{
    const eng_text_verdict *x = a, *y = b;
    if (x->probability != y->probability)
        return x->probability < y->probability ? -1 : 1;
    return (x->example > y->example) - (x->example < y->example);
}

/* Bins of equal mass: what is said beside how often it is right. */
static void calibrate(eng_text_verdict *v, size_t count, eng_text_measure *m)
{
    double error = 0;
    qsort(v, count, sizeof *v, by_probability);
    m->bins = ENG_TEXT_CALIBRATION_BINS;
    for (size_t b = 0; b < m->bins; b++) {
        size_t from = b * count / m->bins, to = (b + 1) * count / m->bins;
        double said = 0, right = 0, n = (double)(to - from);
        for (size_t i = from; i < to; i++) {
            said += (double)v[i].probability;
            right += v[i].label == v[i].said;
        }
        error += fabs(said - right);
        m->bin[b].probability = ratio_of(said, n);
        m->bin[b].accuracy = ratio_of(right, n);
        m->bin[b].count = to - from;
    }
    m->calibration_error = ratio_of(error, (double)count);
}

/* ---- Intervals: groups drawn again and again ---- */

static int by_group(const void *a, const void *b)
{
    const eng_text_verdict *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->example > y->example) - (x->example < y->example);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static eng_text_interval middle_95(double *values)
{
    qsort(values, ENG_TEXT_RESAMPLES, sizeof *values, by_value);
    return (eng_text_interval){values[ENG_TEXT_RESAMPLES / 40],
                               values[ENG_TEXT_RESAMPLES - 1 - ENG_TEXT_RESAMPLES / 40]};
}

/* starts[groups + 1] of the verdicts, which lie by group. */
static void resample_groups(const eng_text_verdict *v, const size_t *starts, size_t groups,
                            tally *t, uint64_t seed, eng_text_measure *m)
{
    double accuracy[ENG_TEXT_RESAMPLES], f1[ENG_TEXT_RESAMPLES];
    for (size_t r = 0; r < ENG_TEXT_RESAMPLES; r++) {
        size_t right = 0, count = 0;
        memset(t, 0, m->classes * sizeof *t);
        for (size_t g = 0; g < groups; g++) {
            size_t at = (size_t)(((unsigned __int128)next_random(&seed) * groups) >> 64);
            for (size_t i = starts[at]; i < starts[at + 1]; i++) {
                add(t, &v[i]);
                right += v[i].label == v[i].said;
                count++;
            }
        }
        accuracy[r] = ratio_of((double)right, (double)count);
        f1[r] = macro_f1(t, m->classes);
    }
    m->accuracy_95 = middle_95(accuracy);
    m->macro_f1_95 = middle_95(f1);
}

static eng_status find_intervals(eng_text_verdict *v, size_t count, tally *t, uint64_t seed,
                                 eng_text_measure *m, eng_error *err)
{
    size_t groups = 0;
    size_t *starts = eng_alloc_array(count + 1, sizeof *starts);
    if (!starts)
        return eng_fail_nomem(err);
    qsort(v, count, sizeof *v, by_group);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || v[i].group != v[i - 1].group)
            starts[groups++] = i;
    starts[groups] = count;
    resample_groups(v, starts, groups, t, seed, m);
    eng_free(starts);
    return ENG_OK;
}

/* ---- All of it ---- */

eng_status eng_text_judge(eng_text_verdict *v, size_t count, size_t classes, float limit,
                          bool resample, uint64_t seed, eng_text_measure *out, eng_error *err)
{
    eng_text_measure m = {.products = count, .classes = classes};
    eng_status status = ENG_OK;
    tally *t = eng_zalloc(classes * sizeof *t);
    m.by_class = eng_zalloc(classes * sizeof *m.by_class);
    m.confusion = eng_zalloc(classes * classes * sizeof *m.confusion);
    if (!t || !m.by_class || !m.confusion)
        status = eng_fail_nomem(err);
    if (status == ENG_OK) {
        count_all(v, count, &m, t);
        for (size_t i = 0; i < count; i++)
            m.refused += v[i].familiar < limit;
        m.refused = ratio_of(m.refused, (double)count);
        calibrate(v, count, &m);
        if (resample && count)
            status = find_intervals(v, count, t, seed, &m, err);
    }
    eng_free(t);
    if (status < 0)
        eng_text_measure_clear(&m);
    else
        *out = m;
    return status;
}

void eng_text_measure_clear(eng_text_measure *m)
{
    eng_free(m->by_class);
    eng_free(m->confusion);
    *m = (eng_text_measure){0};
}
