/*
 * The kernels in terms of a vector: included once by each of kern_avx2.h and kern_avx512.c, which say
 * before what a vector is and can do:
 *
 *     vf, vi                   LANES floats, LANES int32
 *     NV, ROWS, ROWS_I8        a tile: vectors side by side and rows that registers have room for
 *     vf_load vf_store vf_load_n vf_store_n vf_set1 vf_zero vf_add vf_sub vf_mul vf_div vf_fma vf_max
 *     vf_min vf_sum vf_high vf_low vf_pow2    (_n: the first n lanes; the others are 0 or untouched)
 *     vi_zero vf_of_vi vi_store_u8            (of floats that are rounded and clipped to 0..255)
 *     vb, va, vb_load, va_set1, vi_dot        4 inputs of LANES outputs, of a row; acc + their product
 *     dot4_i8                                 the products of a query with 4 rows
 *
 * A product of ROWS rows with NV vectors of outputs stays in registers from the first input to the
 * last; then comes what eng_kern_out asks for. Each number is summed in the order of its inputs,
 * whatever else is in the tile.
 */
#include "kern/kern_internal.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

enum { WIDE = NV * LANES };

/* Rows of the next tile, when m are left: tiles are as even as they can be. */
INLINE size_t rows_now(size_t m, size_t most)
{
    size_t tiles = (m + most - 1) / most;
    return (m + tiles - 1) / tiles;
}

INLINE size_t lanes_left(size_t n, size_t at) { return n - at < LANES ? n - at : LANES; }

/* ---- Functions of vectors ---- */

/* 2^x by a polynomial on the fraction, within 1e-7 of it; x below -100 is as -100. */
INLINE vf vf_exp2(vf x)
{
    x = vf_max(x, vf_set1(-100.0F));
    vf whole = vf_round(x), f = vf_sub(x, whole);
    vf p = vf_set1(1.32765e-3F);
    p = vf_fma(p, f, vf_set1(9.67554e-3F));
    p = vf_fma(p, f, vf_set1(5.550713e-2F));
    p = vf_fma(p, f, vf_set1(2.402212e-1F));
    p = vf_fma(p, f, vf_set1(6.9314697e-1F));
    p = vf_fma(p, f, vf_set1(1.0F));
    return vf_pow2(p, whole);
}

/* By erf as a fraction of polynomials, within 5e-7. */
INLINE vf vf_gelu(vf x)
{
    vf t = vf_max(vf_min(vf_mul(x, vf_set1(0.70710678F)), vf_set1(4.0F)), vf_set1(-4.0F));
    vf s = vf_mul(t, t);
    vf p = vf_set1(-2.72614225801306e-10F);
    p = vf_fma(p, s, vf_set1(2.77068142495902e-08F));
    p = vf_fma(p, s, vf_set1(-2.10102402082508e-06F));
    p = vf_fma(p, s, vf_set1(-5.69250639462346e-05F));
    p = vf_fma(p, s, vf_set1(-7.34990630326855e-04F));
    p = vf_fma(p, s, vf_set1(-2.95459980854025e-03F));
    p = vf_fma(p, s, vf_set1(-1.60960333262415e-02F));
    vf q = vf_set1(-1.45660718464996e-05F);
    q = vf_fma(q, s, vf_set1(-2.13374055278905e-04F));
    q = vf_fma(q, s, vf_set1(-1.68282697438203e-03F));
    q = vf_fma(q, s, vf_set1(-7.37332916720468e-03F));
    q = vf_fma(q, s, vf_set1(-1.42647390514189e-02F));
    vf half = vf_mul(x, vf_set1(0.5F));
    return vf_fma(vf_mul(half, t), vf_div(p, q), half);
}

/* By a polynomial for the normal distribution on -4.25..4.25, within 2.2e-5 there, and of x beyond. */
INLINE vf vf_gelu_fast(vf x)
{
    vf t = vf_max(vf_min(x, vf_set1(4.25F)), vf_set1(-4.25F)), s = vf_mul(t, t);
    vf p = vf_set1(4.54706932e-11F);
    p = vf_fma(p, s, vf_set1(-4.51530102e-09F));
    p = vf_fma(p, s, vf_set1(1.98615822e-07F));
    p = vf_fma(p, s, vf_set1(-5.14751264e-06F));
    p = vf_fma(p, s, vf_set1(8.84891269e-05F));
    p = vf_fma(p, s, vf_set1(-0.00107907795F));
    p = vf_fma(p, s, vf_set1(0.00971877854F));
    p = vf_fma(p, s, vf_set1(-0.06619028F));
    p = vf_fma(p, s, vf_set1(0.398819208F));
    return vf_mul(x, vf_fma(p, t, vf_set1(0.5F)));
}

INLINE void put(float *y, vf value, eng_kern_then then, bool fast)
{
    if (then == ENG_KERN_GELU)
        value = fast ? vf_gelu_fast(value) : vf_gelu(value);
    else if (then == ENG_KERN_ADD)
        value = vf_add(value, vf_load(y));
    vf_store(y, value);
}

/* ---- Linear layers, f32 ---- */

INLINE void product_f32(size_t mr, size_t nv, vf acc[][NV], const float *w, size_t w_stride,
                        size_t k, const float *x, size_t x_stride)
{
    UNROLL for (size_t i = 0; i < mr; i++) UNROLL for (size_t j = 0; j < nv; j++)
        acc[i][j] = vf_zero();
    for (size_t t = 0; t < k; t++, w += w_stride) {
        vf b[NV];
        UNROLL for (size_t j = 0; j < nv; j++) b[j] = vf_load(w + j * LANES);
        UNROLL for (size_t i = 0; i < mr; i++)
        {
            vf a = vf_set1(x[i * x_stride + t]);
            UNROLL for (size_t j = 0; j < nv; j++) acc[i][j] = vf_fma(a, b[j], acc[i][j]);
        }
    }
}

INLINE void tile_f32(size_t mr, const float *w, const float *bias, size_t k, const float *x,
                     size_t x_stride, float *y, size_t y_stride, eng_kern_then then)
{
    vf acc[ROWS][NV];
    product_f32(mr, NV, acc, w, ENG_KERN_PANEL, k, x, x_stride);
    UNROLL for (size_t j = 0; j < NV; j++)
    {
        vf b = vf_load(bias + j * LANES);
        UNROLL for (size_t i = 0; i < mr; i++)
            put(y + i * y_stride + j * LANES, vf_add(acc[i][j], b), then, false);
    }
}

/* Calls body with a constant number of rows, so that the compiler keeps a tile in registers. */
#define ROWS_CASE(mr, most, body)                                                                  \
    case mr:                                                                                       \
        body((mr < most ? mr : most));                                                             \
        break;
#define BY_ROWS(mr, most, body)                                                                    \
    switch (mr) {                                                                                  \
        ROWS_CASE(1, most, body)                                                                   \
        ROWS_CASE(2, most, body)                                                                   \
        ROWS_CASE(3, most, body)                                                                   \
        ROWS_CASE(4, most, body)                                                                   \
        ROWS_CASE(5, most, body)                                                                   \
        ROWS_CASE(6, most, body)                                                                   \
    }

static void linear_f32(const eng_kern_matrix *w, const float *x, size_t x_stride, size_t m,
                       const eng_kern_out *out)
{
    for (size_t o = 0; o < eng_kern_pad(w->n); o += WIDE) {
        const float *panel = (const float *)w->weights +
                             o / ENG_KERN_PANEL * w->k * ENG_KERN_PANEL + o % ENG_KERN_PANEL;
        const float *bias = w->bias + o;
        for (size_t r = 0, rows; r < m; r += rows) {
            rows = rows_now(m - r, ROWS);
            const float *from = x + r * x_stride;
            float *y = out->y + r * out->stride + o;
#define TILE(mr) tile_f32(mr, panel, bias, w->k, from, x_stride, y, out->stride, out->then)
            BY_ROWS(rows, ROWS, TILE)
#undef TILE
        }
    }
}

/* ---- Linear layers, int8 ---- */

/* What a sum of 8-bit products stands for. */
INLINE vf value_of(const eng_kern_matrix *w, size_t o, vi sum, const eng_kern_row *row)
{
    vf low = vf_mul(vf_set1(row->low), vf_load(w->sums + o));
    vf value = vf_fma(vf_set1(row->step), vf_of_vi(sum), low);
    return vf_fma(value, vf_load(w->scale + o), vf_load(w->bias + o));
}

/* `ahead` is what the next tiles but some will read, a line for each step: it comes from the third level
 * of the caches while the products of this tile are made. */
INLINE void tile_i8(size_t mr, const eng_kern_matrix *w, size_t o, const uint8_t *x,
                    const eng_kern_row *rows, const int8_t *ahead, const eng_kern_out *out,
                    float *y)
{
    size_t k = eng_kern_pad(w->k);
    const int8_t *panel = (const int8_t *)w->weights + o / ENG_KERN_PANEL * k * ENG_KERN_PANEL +
                          o % ENG_KERN_PANEL * 4;
    vi acc[ROWS_I8][NV];
    UNROLL for (size_t i = 0; i < mr; i++) UNROLL for (size_t j = 0; j < NV; j++)
        acc[i][j] = vi_zero();
    for (size_t t = 0; t < k; t += 4, panel += 4 * ENG_KERN_PANEL) {
        vb b[NV];
        _mm_prefetch((const char *)(ahead + t * 16), _MM_HINT_T1);
        UNROLL for (size_t j = 0; j < NV; j++) b[j] = vb_load(panel + j * LANES * 4);
        UNROLL for (size_t i = 0; i < mr; i++)
        {
            va a = va_set1(x + i * k + t);
            UNROLL for (size_t j = 0; j < NV; j++) acc[i][j] = vi_dot(acc[i][j], a, b[j]);
        }
    }
    UNROLL for (size_t j = 0; j < NV; j++)
    {
        size_t at = o + j * LANES;
        UNROLL for (size_t i = 0; i < mr; i++)
        {
            vf value = value_of(w, at, acc[i][j], &rows[i]);
            put(y + i * out->stride + j * LANES, value, out->then, true);
        }
    }
}

static void linear_i8(const eng_kern_matrix *w, const uint8_t *x, const eng_kern_row *rows,
                      size_t m, const eng_kern_out *out)
{
    size_t k = eng_kern_pad(w->k), panel = k * ENG_KERN_PANEL;
    for (size_t o = 0; o < eng_kern_pad(w->n); o += WIDE) {
        const int8_t *next = (const int8_t *)w->weights + (o / ENG_KERN_PANEL + 1) * panel;
        size_t fetched = 0, few = m < 4 * ROWS_I8 ? 0 : k * 16;
        for (size_t r = 0, now; r < m; r += now, fetched += fetched < panel ? few : 0) {
            now = rows_now(m - r, ROWS_I8);
            const int8_t *ahead = next + fetched;
            float *y = out->y + r * out->stride + o;
#define TILE(mr) tile_i8(mr, w, o, x + r * k, rows + r, ahead, out, y)
            BY_ROWS(now, ROWS_I8, TILE)
#undef TILE
        }
    }
}

/* ---- Rows ---- */

static void quantise(const float *x, size_t x_stride, size_t m, size_t n, uint8_t *q,
                     eng_kern_row *rows)
{
    size_t padded = eng_kern_pad(n), whole = n / LANES * LANES;
    for (size_t r = 0; r < m; r++, x += x_stride, q += padded) {
        vf lows = vf_set1(x[0]), highs = lows;
        for (size_t i = 0; i < whole; i += LANES) {
            vf v = vf_load(x + i);
            lows = vf_min(lows, v);
            highs = vf_max(highs, v);
        }
        float low = vf_low(lows), high = vf_high(highs);
        for (size_t i = whole; i < n; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        float inverse = high > low ? 255.0F / (high - low) : 0;
        vf by = vf_set1(inverse), from = vf_set1(-low * inverse);
        for (size_t i = 0; i < whole; i += LANES)
            vi_store_u8(q + i, vf_fma(vf_load(x + i), by, from));
        if (whole < n)
            vi_store_u8(q + whole, vf_fma(vf_load_n(x + whole, n - whole), by, from));
        memset(q + n, 0, padded - n);
        rows[r] = (eng_kern_row){(high - low) / 255.0F, low};
    }
}

/* The sum of a row, and of the squares of what its numbers differ from `mean`. Four sums at a time. */
INLINE float row_sum(const float *x, size_t n)
{
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        UNROLL for (size_t j = 0; j < 4; j++) sum[j] = vf_add(sum[j], vf_load(x + i + j * LANES));
    for (; i < n; i += LANES)
        sum[0] = vf_add(sum[0], vf_load_n(x + i, lanes_left(n, i)));
    return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

INLINE float row_squares(const float *x, size_t n, float mean)
{
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()}, middle = vf_set1(mean);
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        UNROLL for (size_t j = 0; j < 4; j++)
        {
            vf v = vf_sub(vf_load(x + i + j * LANES), middle);
            sum[j] = vf_fma(v, v, sum[j]);
        }
    float beyond = 0; /* lanes behind the end held 0 - mean */
    for (; i < n; i += LANES) {
        vf v = vf_sub(vf_load_n(x + i, lanes_left(n, i)), middle);
        sum[0] = vf_fma(v, v, sum[0]);
        beyond = (float)(LANES - lanes_left(n, i)) * mean * mean;
    }
    return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3]))) - beyond;
}

static void norm(float *x, size_t x_stride, size_t m, size_t n, const float *gain,
                 const float *shift, float epsilon)
{
    float part = 1.0F / (float)n;
    for (size_t r = 0; r < m; r++, x += x_stride) {
        float middle = row_sum(x, n) * part;
        vf by = vf_set1(1.0F / sqrtf(row_squares(x, n, middle) * part + epsilon));
        vf mean = vf_set1(middle);
        size_t i = 0;
        for (; i + LANES <= n; i += LANES) {
            vf v = vf_mul(vf_sub(vf_load(x + i), mean), by);
            vf_store(x + i, vf_fma(v, vf_load(gain + i), vf_load(shift + i)));
        }
        if (i < n) {
            vf v = vf_mul(vf_sub(vf_load_n(x + i, n - i), mean), by);
            v = vf_fma(v, vf_load_n(gain + i, n - i), vf_load_n(shift + i, n - i));
            vf_store_n(x + i, v, n - i);
        }
    }
}

static void half_to_f32(const uint16_t *x, size_t n, float *y)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vf_store(y + i, vf_load_half(x + i));
    for (; i < n; i++)
        y[i] = _cvtsh_ss(x[i]);
}

/* ---- Attention, f32 ---- */

static void pack(const eng_kern_head *h, const float *keys, const float *values, size_t stride,
                 size_t first, size_t count)
{
    size_t width = h->width, v_stride = eng_kern_value_stride(width);
    size_t end = first + count == h->length ? (h->length + 15) / 16 * 16 : first + count;
    for (size_t t = first; t < end; t++, keys += stride, values += stride) {
        float *key = (float *)h->keys + t / ENG_KERN_PANEL * ENG_KERN_PANEL * width +
                     t % ENG_KERN_PANEL;
        float *value = (float *)h->values + t * v_stride;
        if (t >= h->length) {
            for (size_t i = 0; i < width; i++)
                key[i * ENG_KERN_PANEL] = 0;
            memset(value, 0, v_stride * sizeof *value);
            continue;
        }
        for (size_t i = 0; i < width; i++)
            key[i * ENG_KERN_PANEL] = keys[i];
        for (size_t i = 0; i < v_stride; i += LANES)
            vf_store(value + i,
                     i < width ? vf_load_n(values + i, lanes_left(width, i)) : vf_zero());
    }
}

INLINE void scores_tile(size_t mr, size_t nv, const float *keys, size_t width, const float *q,
                        size_t q_stride, float *s, size_t s_stride)
{
    vf acc[ROWS][NV];
    product_f32(mr, nv, acc, keys, ENG_KERN_PANEL, width, q, q_stride);
    UNROLL for (size_t i = 0; i < mr; i++) UNROLL for (size_t j = 0; j < nv; j++)
        vf_store(s + i * s_stride + j * LANES, acc[i][j]);
}

/* s[mr][length]: queries by keys. Wide tiles, and single vectors for what is left. */
INLINE void scores(size_t mr, const eng_kern_head *h, const float *q, size_t q_stride, float *s,
                   size_t s_stride)
{
    for (size_t t = 0; t < h->length;) {
        const float *keys = (const float *)h->keys +
                            t / ENG_KERN_PANEL * ENG_KERN_PANEL * h->width + t % ENG_KERN_PANEL;
        if (h->length - t > WIDE - LANES && t % WIDE == 0) {
            scores_tile(mr, NV, keys, h->width, q, q_stride, s + t, s_stride);
            t += WIDE;
        } else {
            scores_tile(mr, 1, keys, h->width, q, q_stride, s + t, s_stride);
            t += LANES;
        }
    }
}

/* exp2(scale * (s - max)) in place, 0 up to the end of the last vector; returns 1 / their sum. */
INLINE float shares_of(float *s, size_t length, float scale)
{
    size_t end = (length + LANES - 1) / LANES * LANES;
    for (size_t t = length; t < end; t++)
        s[t] = -INFINITY;
    vf most = vf_load(s), sum = vf_zero();
    for (size_t t = LANES; t < end; t += LANES)
        most = vf_max(most, vf_load(s + t));
    vf by = vf_set1(scale), from = vf_set1(-vf_high(most) * scale);
    for (size_t t = 0; t < end; t += LANES) {
        vf e = vf_exp2(vf_fma(vf_load(s + t), by, from));
        vf_store(s + t, e);
        sum = vf_add(sum, e);
    }
    return 1.0F / vf_sum(sum);
}

INLINE void mix_tile(size_t mr, size_t nv, const eng_kern_head *h, size_t at, const float *s,
                     size_t s_stride, const float *inverse, float *y, size_t y_stride)
{
    vf acc[ROWS][NV];
    product_f32(mr, nv, acc, (const float *)h->values + at, eng_kern_value_stride(h->width),
                h->length, s, s_stride);
    UNROLL for (size_t i = 0; i < mr; i++) UNROLL for (size_t j = 0; j < nv; j++)
    {
        size_t from = at + j * LANES;
        if (from < h->width)
            vf_store_n(y + i * y_stride + from, vf_mul(acc[i][j], vf_set1(inverse[i])),
                       lanes_left(h->width, from));
    }
}

INLINE void mix(size_t mr, const eng_kern_head *h, const float *s, size_t s_stride,
                const float *inverse, float *y, size_t y_stride)
{
    for (size_t at = 0; at < h->width;) {
        size_t left = eng_kern_value_stride(h->width) - at;
        if (left >= WIDE) {
            mix_tile(mr, NV, h, at, s, s_stride, inverse, y, y_stride);
            at += WIDE;
        } else if (left >= 2 * LANES) {
            mix_tile(mr, 2, h, at, s, s_stride, inverse, y, y_stride);
            at += 2 * LANES;
        } else {
            mix_tile(mr, 1, h, at, s, s_stride, inverse, y, y_stride);
            at += LANES;
        }
    }
}

/* A strip of scores, of ROWS queries with all keys, stays in the nearest cache. */
static void attend(const eng_kern_head *h, const float *q, size_t q_stride, size_t m, float scale,
                   float *y, size_t y_stride, float *scratch)
{
    size_t s_stride = eng_kern_pad(h->length);
    float inverse[ROWS];
    for (size_t r = 0, rows; r < m; r += rows, q += rows * q_stride, y += rows * y_stride) {
        rows = rows_now(m - r, ROWS);
#define TILE(mr) scores(mr, h, q, q_stride, scratch, s_stride)
        BY_ROWS(rows, ROWS, TILE)
#undef TILE
        for (size_t i = 0; i < rows; i++)
            inverse[i] = shares_of(scratch + i * s_stride, h->length, scale * 1.44269504F);
#define TILE(mr) mix(mr, h, scratch, s_stride, inverse, y, y_stride)
        BY_ROWS(rows, ROWS, TILE)
#undef TILE
    }
}

static const eng_kern_attention attention = {.pack = pack, .attend = attend};

/* ---- Distances ---- */

static float dot_f32(const float *a, const float *b, size_t n)
{
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        UNROLL for (size_t j = 0; j < 4; j++)
            sum[j] = vf_fma(vf_load(a + i + j * LANES), vf_load(b + i + j * LANES), sum[j]);
    for (; i < n; i += LANES)
        sum[0] = vf_fma(vf_load_n(a + i, lanes_left(n, i)), vf_load_n(b + i, lanes_left(n, i)),
                        sum[0]);
    return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

static void dot_f32_rows(const float *q, const float *rows, size_t count, size_t stride, size_t n,
                         float *out)
{
    for (size_t r = 0; r < count; r++)
        out[r] = dot_f32(q, rows + r * stride, n);
}

/* What is read so far ahead has come when it is wanted. The processor follows a stream by itself, but begins
 * anew at each page, of which there is one every ten rows or so. */
enum { DOT_AHEAD = 2048, DOT_LINE = 64 };

/* Four rows at once: a load of the query serves all, and their sums end together. */
static void dot_i8_rows(const int8_t *q, const int8_t *rows, size_t count, size_t stride, size_t n,
                        int32_t *out)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4) {
        uintptr_t ahead = (uintptr_t)(rows + r * stride) +
                          DOT_AHEAD; /* it may lie behind the last */
        for (size_t i = 0; i < 4 * stride; i += DOT_LINE)
            __builtin_prefetch((const void *)(ahead + i));
        dot4_i8(q, rows + r * stride, stride, n, out + r);
    }
    for (; r < count; r++) {
        int32_t same[4];
        dot4_i8(q, rows + r * stride, 0, n, same);
        out[r] = same[0];
    }
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n)
{
    int32_t same[4];
    dot4_i8(a, b, 0, n, same);
    return same[0];
}
