/* From a sequence's rows to what was asked for: a vector, or scores. */
#include "nn/nn_internal.h"

#include <math.h>
#include <string.h>

size_t eng_nn_out_width(const eng_nn_config *c) { return c->scores ? c->labels : c->info.width; }

/* Two vectors as wide as the widest there is. */
static size_t widest(const eng_nn_config *c)
{
    size_t width = eng_kern_pad(c->hidden * ENG_NN_POOLS);
    for (size_t i = 0; i < c->step_count; i++)
        if (eng_kern_pad(c->steps[i].out) > width)
            width = eng_kern_pad(c->steps[i].out);
    return eng_kern_pad(c->labels) > width ? eng_kern_pad(c->labels) : width;
}

size_t eng_nn_pool_scratch(const eng_nn_config *c) { return 2 * widest(c); }

/* ---- Pooling ---- */

/* out = sum over rows of (weighted ? i + 1 : 1) * rows[i], times by. */
static void add_rows(const float *rows, size_t stride, size_t len, size_t n, bool weighted,
                     float by, float *out)
{
    memset(out, 0, n * sizeof *out);
    for (size_t r = 0; r < len; r++, rows += stride) {
        float weight = weighted ? (float)(r + 1) : 1.0F;
        for (size_t i = 0; i < n; i++)
            out[i] += rows[i] * weight;
    }
    for (size_t i = 0; i < n; i++)
        out[i] *= by;
}

static void highest(const float *rows, size_t stride, size_t len, size_t n, float *out)
{
    memcpy(out, rows, n * sizeof *out);
    for (size_t r = 1; r < len; r++)
        for (size_t i = 0; i < n; i++)
            out[i] = fmaxf(out[i], rows[r * stride + i]);
}

static void pool(eng_nn_pool kind, const float *rows, size_t stride, size_t len, size_t n,
                 float *out)
{
    float count = (float)len;
    switch (kind) {
    case ENG_NN_POOL_CLS:
        memcpy(out, rows, n * sizeof *out);
        break;
    case ENG_NN_POOL_MAX:
        highest(rows, stride, len, n, out);
        break;
    case ENG_NN_POOL_MEAN:
        add_rows(rows, stride, len, n, false, 1.0F / count, out);
        break;
    case ENG_NN_POOL_MEAN_SQRT:
        add_rows(rows, stride, len, n, false, 1.0F / sqrtf(count), out);
        break;
    case ENG_NN_POOL_WEIGHTED:
        add_rows(rows, stride, len, n, true, 2.0F / (count * (count + 1)), out);
        break;
    case ENG_NN_POOL_LAST:
        memcpy(out, rows + (len - 1) * stride, n * sizeof *out);
        break;
    case ENG_NN_POOLS:
        break;
    }
}

/* ---- What follows it ---- */

static void normalise(float *x, size_t n)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    float by = squares > 0 ? (float)(1 / sqrt(squares)) : 0;
    for (size_t i = 0; i < n; i++)
        x[i] *= by;
}

static void dense(const eng_kern *k, const eng_kern_matrix *w, const float *x, bool then_tanh,
                  float *y)
{
    eng_kern_out out = {y, eng_kern_pad(w->n), ENG_KERN_STORE};
    k->linear_f32(w, x, eng_kern_pad(w->k), 1, &out);
    for (size_t i = 0; then_tanh && i < w->n; i++)
        y[i] = tanhf(y[i]);
}

void eng_nn_finish(const eng_nn_model *m, const float *rows, size_t stride, size_t len, float *out,
                   float *scratch)
{
    const eng_nn_config *c = &m->config;
    float *now = scratch, *next = scratch + widest(c);
    size_t width = 0;
    if (c->scores) {
        dense(m->kern, &m->weights.head, rows, true, now);
        dense(m->kern, &m->weights.labels, now, false, next);
        memcpy(out, next, c->labels * sizeof *out);
        return;
    }
    for (int p = 0; p < ENG_NN_POOLS; p++)
        if (c->pools[p]) {
            pool((eng_nn_pool)p, rows, stride, len, c->hidden, now + width);
            width += c->hidden;
        }
    for (size_t i = 0; i < c->step_count; i++) {
        if (c->steps[i].kind == ENG_NN_NORMALISE) {
            normalise(now, width);
            continue;
        }
        dense(m->kern, &m->weights.dense[i], now, c->steps[i].tanh, next);
        float *was = now;
        now = next;
        next = was;
        width = c->steps[i].out;
    }
    memcpy(out, now, width * sizeof *out);
}
