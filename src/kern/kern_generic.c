/* The oracle: what every kernel means, in plain loops over the packed layouts. */
#include "kern/kern_internal.h"

#include <math.h>
#include <string.h>

/* ---- Distances ---- */

static float dot_f32(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void dot_f32_rows(const float *q, const float *rows, size_t count, size_t stride, size_t n,
                         float *out)
{
    for (size_t r = 0; r < count; r++)
        out[r] = dot_f32(q, rows + r * stride, n);
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void dot_i8_rows(const int8_t *q, const int8_t *rows, size_t count, size_t stride, size_t n,
                        int32_t *out)
{
    for (size_t r = 0; r < count; r++)
        out[r] = dot_i8(q, rows + r * stride, n);
}

static void hamming_rows(const uint8_t *q, const uint8_t *rows, size_t count, size_t stride,
                         size_t n, uint32_t *out)
{
    for (size_t r = 0; r < count; r++) {
        const uint8_t *row = rows + r * stride;
        uint32_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (uint32_t)__builtin_popcount((unsigned)(q[i] ^ row[i]));
        out[r] = sum;
    }
}

/* ---- Linear layers ---- */

static float gelu(float x) { return 0.5F * x * (1.0F + erff(x * 0.70710678F)); }

static void put(const eng_kern_out *out, size_t row, size_t output, float value)
{
    float *y = out->y + row * out->stride + output;
    switch (out->then) {
    case ENG_KERN_STORE:
        *y = value;
        break;
    case ENG_KERN_GELU:
        *y = gelu(value);
        break;
    case ENG_KERN_ADD:
        *y += value;
        break;
    }
}

static void linear_f32(const eng_kern_matrix *w, const float *x, size_t x_stride, size_t m,
                       const eng_kern_out *out)
{
    for (size_t o = 0; o < eng_kern_pad(w->n); o++) {
        const float *panel = (const float *)w->weights + o / ENG_KERN_PANEL * w->k * ENG_KERN_PANEL;
        for (size_t r = 0; r < m; r++) {
            float sum = 0;
            for (size_t i = 0; i < w->k; i++)
                sum += x[r * x_stride + i] * panel[i * ENG_KERN_PANEL + o % ENG_KERN_PANEL];
            put(out, r, o, sum + w->bias[o]);
        }
    }
}

static void linear_i8(const eng_kern_matrix *w, const uint8_t *x, const eng_kern_row *rows,
                      size_t m, const eng_kern_out *out)
{
    size_t k = eng_kern_pad(w->k);
    for (size_t o = 0; o < eng_kern_pad(w->n); o++) {
        const int8_t *panel = (const int8_t *)w->weights + o / ENG_KERN_PANEL * k * ENG_KERN_PANEL;
        for (size_t r = 0; r < m; r++) {
            int32_t sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += x[r * k + i] *
                       panel[i / 4 * 4 * ENG_KERN_PANEL + o % ENG_KERN_PANEL * 4 + i % 4];
            float value = rows[r].step * (float)sum + rows[r].low * w->sums[o];
            put(out, r, o, value * w->scale[o] + w->bias[o]);
        }
    }
}

/* ---- Rows ---- */

static void quantise(const float *x, size_t x_stride, size_t m, size_t n, uint8_t *q,
                     eng_kern_row *rows)
{
    size_t padded = eng_kern_pad(n);
    for (size_t r = 0; r < m; r++, x += x_stride, q += padded) {
        float low = x[0], high = x[0];
        for (size_t i = 1; i < n; i++) {
            low = fminf(low, x[i]);
            high = fmaxf(high, x[i]);
        }
        float step = (high - low) / 255.0F, inverse = high > low ? 255.0F / (high - low) : 0;
        for (size_t i = 0; i < n; i++) {
            float steps = rintf((x[i] - low) * inverse);
            q[i] = (uint8_t)fminf(fmaxf(steps, 0), 255.0F);
        }
        memset(q + n, 0, padded - n);
        rows[r] = (eng_kern_row){step, low};
    }
}

static void norm(float *x, size_t x_stride, size_t m, size_t n, const float *gain,
                 const float *shift, float epsilon)
{
    for (size_t r = 0; r < m; r++, x += x_stride) {
        float sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++)
            sum += x[i];
        float mean = sum / (float)n;
        for (size_t i = 0; i < n; i++)
            squares += (x[i] - mean) * (x[i] - mean);
        float by = 1.0F / sqrtf(squares / (float)n + epsilon);
        for (size_t i = 0; i < n; i++)
            x[i] = (x[i] - mean) * by * gain[i] + shift[i];
    }
}

/* Halves hold their exponent with a bias of 15 in 5 bits; below the smallest of them, fractions. */
static float half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff,
             bits;
    float f;
    if (exponent == 0) {
        f = (float)fraction * 0x1p-24F;
        return sign ? -f : f;
    }
    bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | fraction << 13;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void half_to_f32(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = half(x[i]);
}

/* ---- Attention: keys as panels of tokens, values a row a token ---- */

static void pack(const eng_kern_head *h, const float *keys, const float *values, size_t stride,
                 size_t first, size_t count)
{
    size_t width = h->width, v_stride = eng_kern_value_stride(width);
    size_t end = first + count == h->length ? eng_kern_pad(h->length) : first + count;
    for (size_t t = first; t < end; t++) {
        float *key = (float *)h->keys + t / ENG_KERN_PANEL * ENG_KERN_PANEL * width +
                     t % ENG_KERN_PANEL;
        float *value = (float *)h->values + t * v_stride;
        const float *from = keys + (t - first) * stride;
        for (size_t i = 0; i < width; i++)
            key[i * ENG_KERN_PANEL] = t < h->length ? from[i] : 0;
        memset(value, 0, v_stride * sizeof *value);
        if (t < h->length)
            memcpy(value, values + (t - first) * stride, width * sizeof *value);
    }
}

/* shares[length] of one query; their sum is 1. */
static void shares_of(const eng_kern_head *h, const float *q, float scale, float *shares)
{
    float most = -INFINITY, sum = 0;
    for (size_t t = 0; t < h->length; t++) {
        const float *key = (const float *)h->keys + t / ENG_KERN_PANEL * ENG_KERN_PANEL * h->width +
                           t % ENG_KERN_PANEL;
        float dot = 0;
        for (size_t i = 0; i < h->width; i++)
            dot += q[i] * key[i * ENG_KERN_PANEL];
        shares[t] = dot * scale;
        most = fmaxf(most, shares[t]);
    }
    for (size_t t = 0; t < h->length; t++) {
        shares[t] = expf(shares[t] - most);
        sum += shares[t];
    }
    for (size_t t = 0; t < h->length; t++)
        shares[t] /= sum;
}

static void attend(const eng_kern_head *h, const float *q, size_t q_stride, size_t m, float scale,
                   float *y, size_t y_stride, float *scratch)
{
    size_t v_stride = eng_kern_value_stride(h->width);
    for (size_t r = 0; r < m; r++, q += q_stride, y += y_stride) {
        shares_of(h, q, scale, scratch);
        for (size_t i = 0; i < h->width; i++) {
            float sum = 0;
            for (size_t t = 0; t < h->length; t++)
                sum += scratch[t] * ((const float *)h->values)[t * v_stride + i];
            y[i] = sum;
        }
    }
}

static const eng_kern_attention attention = {.pack = pack, .attend = attend};

const eng_kern eng_kern_generic = {
    .name = "generic",
    .dot_f32 = dot_f32,
    .dot_f32_rows = dot_f32_rows,
    .dot_i8 = dot_i8,
    .dot_i8_rows = dot_i8_rows,
    .hamming_rows = hamming_rows,
    .linear_f32 = linear_f32,
    .linear_i8 = linear_i8,
    .quantise = quantise,
    .norm = norm,
    .half_to_f32 = half_to_f32,
    .tree_f32 = eng_kern_tree_f32,
    .tree_f64 = eng_kern_tree_f64,
    .rank_f32 = eng_kern_rank_f32,
    .rank_f64 = eng_kern_rank_f64,
    .tree_u8 = eng_kern_tree_u8,
    .add_f32 = eng_kern_add_f32,
    .attention_f32 = &attention,
    .attention_fast = &attention,
};
