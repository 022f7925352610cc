/*
 * Attention in BF16, two numbers a lane: twice the products of f32 in the same time, and enough digits
 * beside int8 layers. A pair is two neighbours of what is summed over:
 *
 *     keys      panels of 64 tokens: [width / 2][64] pairs of a key's neighbours
 *     values    [length / 2][stride] pairs of neighbouring tokens
 *     queries   as they come; shares: [length] a query
 */
#include "kern/kern_internal.h"

#ifdef ENG_KERN_X86

#include <immintrin.h>
#include <math.h>
#include <string.h>

ENG_TARGET_BEGIN("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

enum { LANES = 16, NV = 4, ROWS = 6, WIDTH_MAX = 256 };

typedef __m512i pairs; /* 16 of them */

INLINE __mmask16 first(size_t n) { return (__mmask16)_bzhi_u32(0xffff, n < 16 ? (unsigned)n : 16); }

/* 16 floats of p, as far as there are n from `at` on. */
INLINE __m512 some(const float *p, size_t at, size_t n)
{
    return _mm512_maskz_loadu_ps(at < n ? first(n - at) : 0, p + at);
}

/* low[0..15], high[0..15] as 32 numbers one after the other. */
INLINE pairs narrow(__m512 low, __m512 high) { return (pairs)_mm512_cvtne2ps_pbh(high, low); }

INLINE pairs pair_at(const uint16_t *p)
{
    int two;
    memcpy(&two, p, sizeof two);
    return _mm512_set1_epi32(two);
}

/* Not by its intrinsic: see vi_dot in kern_avx512.c. */
INLINE __m512 dot(__m512 acc, pairs a, pairs b)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

/* Of a key or a query, in floats a lane: two numbers each. */
INLINE size_t pairs_of(size_t width) { return (width + 1) / 2; }

/* ---- Packing ---- */

/* 16 rows of 16 lanes become columns. */
INLINE void transpose(__m512i r[16])
{
    __m512i t[16];
    UNROLL for (size_t i = 0; i < 16; i += 2)
    {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (size_t i = 0; i < 16; i += 4)
    {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (size_t i = 0; i < 4; i++)
    {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    UNROLL for (size_t i = 0; i < 4; i++)
    {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* Sixteen tokens from t on, of which `there` exist; 32 numbers of each at a time. */
INLINE void pack_keys(const eng_kern_head *h, size_t t, const float *keys, size_t stride,
                      size_t there)
{
    size_t deep = pairs_of(h->width);
    uint32_t *panel = (uint32_t *)h->keys + t / ENG_KERN_PANEL * ENG_KERN_PANEL * deep +
                      t % ENG_KERN_PANEL;
    for (size_t d = 0; d < h->width; d += 2 * LANES) {
        __m512i r[16];
        for (size_t i = 0; i < 16; i++) {
            const float *key = keys + i * stride;
            r[i] = i < there ? narrow(some(key, d, h->width), some(key, d + LANES, h->width))
                             : _mm512_setzero_si512();
        }
        transpose(r);
        for (size_t i = 0; i < 16 && d / 2 + i < deep; i++)
            _mm512_storeu_si512(panel + (d / 2 + i) * ENG_KERN_PANEL, r[i]);
    }
}

/* Two tokens, of which the second may not exist. */
INLINE void pack_values(const eng_kern_head *h, size_t t, const float *values, size_t stride,
                        size_t there)
{
    static const uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    __m512i alternate = _mm512_loadu_si512(order);
    uint32_t *row = (uint32_t *)h->values + t / 2 * eng_kern_value_stride(h->width);
    for (size_t d = 0; d < h->width; d += LANES) {
        __m512 even = some(values, d, h->width);
        __m512 odd = there > 1 ? some(values + stride, d, h->width) : _mm512_setzero_ps();
        _mm512_storeu_si512(row + d, _mm512_permutexvar_epi16(alternate, narrow(even, odd)));
    }
}

static void pack(const eng_kern_head *h, const float *keys, const float *values, size_t stride,
                 size_t from, size_t count)
{
    size_t end = from + count == h->length ? (h->length + 15) / 16 * 16 : from + count;
    for (size_t t = from; t < end; t += 16) {
        size_t there = from + count - t < 16 ? from + count - t : 16;
        pack_keys(h, t, keys + (t - from) * stride, stride, there);
    }
    for (size_t t = from; t < from + count; t += 2)
        pack_values(h, t, values + (t - from) * stride, stride, from + count - t);
}

/* ---- Attending ---- */

INLINE void product(size_t mr, size_t nv, __m512 acc[][NV], const uint32_t *w, size_t w_stride,
                    size_t k, const uint16_t *x, size_t x_stride)
{
    UNROLL for (size_t i = 0; i < mr; i++) UNROLL for (size_t j = 0; j < nv; j++)
        acc[i][j] = _mm512_setzero_ps();
    for (size_t t = 0; t < k; t++, w += w_stride) {
        pairs b[NV];
        UNROLL for (size_t j = 0; j < nv; j++) b[j] = _mm512_loadu_si512(w + j * LANES);
        UNROLL for (size_t i = 0; i < mr; i++)
        {
            pairs a = pair_at(x + i * x_stride + 2 * t);
            UNROLL for (size_t j = 0; j < nv; j++) acc[i][j] = dot(acc[i][j], a, b[j]);
        }
    }
}

/* A tile of queries on its way: their numbers, their scores, their shares. */
typedef struct {
    uint16_t *q; /* [ROWS][q_stride] */
    size_t q_stride;
    float *scores; /* [ROWS][stride] */
    uint16_t *shares;
    size_t stride;
    float inverse[ROWS]; /* 1 / the sum of a row's shares */
} strip;

INLINE void scores_tile(size_t mr, size_t nv, const eng_kern_head *h, const strip *s, size_t t)
{
    size_t deep = pairs_of(h->width);
    const uint32_t *keys = (const uint32_t *)h->keys + t / ENG_KERN_PANEL * ENG_KERN_PANEL * deep +
                           t % ENG_KERN_PANEL;
    __m512 acc[ROWS][NV];
    product(mr, nv, acc, keys, ENG_KERN_PANEL, deep, s->q, s->q_stride);
    UNROLL for (size_t i = 0; i < mr; i++) UNROLL for (size_t j = 0; j < nv; j++)
        _mm512_storeu_ps(s->scores + i * s->stride + t + j * LANES, acc[i][j]);
}

/* A panel at a time, and of the last one what there is. */
INLINE void scores(size_t mr, const eng_kern_head *h, const strip *s)
{
    size_t t = 0;
    for (; t + NV * LANES <= h->length; t += NV * LANES)
        scores_tile(mr, NV, h, s, t);
    switch ((h->length - t + LANES - 1) / LANES) {
    case 1:
        scores_tile(mr, 1, h, s, t);
        break;
    case 2:
        scores_tile(mr, 2, h, s, t);
        break;
    case 3:
        scores_tile(mr, 3, h, s, t);
        break;
    case 4: /* the keys of its last vector end early */
        scores_tile(mr, 4, h, s, t);
        break;
    }
}

/* 2^x within 1e-4, for x of any size below 0. */
INLINE __m512 exp2_of(__m512 x)
{
    __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(7.8024521e-2F);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.2606716e-1F));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9583354e-1F));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.9992522e-1F));
    return _mm512_scalef_ps(p, x);
}

/* exp2(scale * (scores - max)), 0 behind the last token; returns 1 / their sum. */
INLINE float shares_of(float *s, uint16_t *shares, size_t length, float scale)
{
    size_t end = (length + 2 * LANES - 1) / (2 * LANES) * 2 * LANES;
    const __m512 none = _mm512_set1_ps(-1e30F);
    for (size_t t = length / LANES * LANES; t < end; t += LANES)
        _mm512_mask_storeu_ps(s + t, t < length ? (__mmask16)~first(length - t) : 0xffff, none);
    __m512 most = _mm512_loadu_ps(s), sum = _mm512_setzero_ps(), more = _mm512_loadu_ps(s + LANES);
    for (size_t t = 2 * LANES; t < end; t += 2 * LANES) {
        most = _mm512_max_ps(most, _mm512_loadu_ps(s + t));
        more = _mm512_max_ps(more, _mm512_loadu_ps(s + t + LANES));
    }
    float highest = _mm512_reduce_max_ps(_mm512_max_ps(most, more));
    __m512 by = _mm512_set1_ps(scale), less = _mm512_set1_ps(-highest * scale);
    for (size_t t = 0; t < end; t += 2 * LANES) {
        __m512 a = exp2_of(_mm512_fmadd_ps(_mm512_loadu_ps(s + t), by, less));
        __m512 b = exp2_of(_mm512_fmadd_ps(_mm512_loadu_ps(s + t + LANES), by, less));
        sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
        _mm512_storeu_si512(shares + t, narrow(a, b));
    }
    return 1.0F / _mm512_reduce_add_ps(sum);
}

INLINE void mix_tile(size_t mr, size_t nv, const eng_kern_head *h, const strip *s, size_t at,
                     float *y, size_t y_stride)
{
    __m512 acc[ROWS][NV];
    product(mr, nv, acc, (const uint32_t *)h->values + at, eng_kern_value_stride(h->width),
            pairs_of(h->length), s->shares, 2 * s->stride);
    UNROLL for (size_t i = 0; i < mr; i++) UNROLL for (size_t j = 0; j < nv; j++)
    {
        size_t from = at + j * LANES;
        __m512 value = _mm512_mul_ps(acc[i][j], _mm512_set1_ps(s->inverse[i]));
        _mm512_mask_storeu_ps(y + i * y_stride + from, first(h->width - from), value);
    }
}

INLINE void mix(size_t mr, const eng_kern_head *h, const strip *s, float *y, size_t y_stride)
{
    size_t at = 0, width = eng_kern_value_stride(h->width);
    for (; at + NV * LANES <= width; at += NV * LANES)
        mix_tile(mr, NV, h, s, at, y, y_stride);
    for (; at + 2 * LANES <= width; at += 2 * LANES)
        mix_tile(mr, 2, h, s, at, y, y_stride);
    if (at < width)
        mix_tile(mr, 1, h, s, at, y, y_stride);
}

INLINE void tile(size_t mr, const eng_kern_head *h, const float *q, size_t q_stride, float scale,
                 strip *s, float *y, size_t y_stride)
{
    for (size_t i = 0; i < mr; i++)
        for (size_t d = 0; d < h->width; d += 2 * LANES) {
            const float *from = q + i * q_stride;
            _mm512_storeu_si512(s->q + i * s->q_stride + d,
                                narrow(some(from, d, h->width), some(from, d + LANES, h->width)));
        }
    scores(mr, h, s);
    for (size_t i = 0; i < mr; i++)
        s->inverse[i] = shares_of(s->scores + i * s->stride, s->shares + i * 2 * s->stride,
                                  h->length, scale * 1.44269504F);
    mix(mr, h, s, y, y_stride);
}

static void attend(const eng_kern_head *h, const float *q, size_t q_stride, size_t m, float scale,
                   float *y, size_t y_stride, float *scratch)
{
    strip s = {.q_stride = (h->width + 31) / 32 * 32, .stride = eng_kern_pad(h->length)};
    s.scores = scratch;
    s.shares = (uint16_t *)(scratch + ROWS * s.stride);
    s.q = (uint16_t *)(scratch + 2 * ROWS * s.stride);
    for (size_t r = 0, rows; r < m; r += rows, q += rows * q_stride, y += rows * y_stride) {
        size_t tiles = (m - r + ROWS - 1) / ROWS;
        rows = (m - r + tiles - 1) / tiles;
        switch (rows) {
        case 1:
            tile(1, h, q, q_stride, scale, &s, y, y_stride);
            break;
        case 2:
            tile(2, h, q, q_stride, scale, &s, y, y_stride);
            break;
        case 3:
            tile(3, h, q, q_stride, scale, &s, y, y_stride);
            break;
        case 4:
            tile(4, h, q, q_stride, scale, &s, y, y_stride);
            break;
        case 5:
            tile(5, h, q, q_stride, scale, &s, y, y_stride);
            break;
        default:
            tile(6, h, q, q_stride, scale, &s, y, y_stride);
            break;
        }
    }
}

ENG_TARGET_END

const eng_kern_attention eng_kern_bf16_attention = {.pack = pack, .attend = attend};

#endif
