/* AVX2, for kern_avx2.c and kern_avx2vnni.c, which bring the products of bytes. */
#include "kern/kern_internal.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

typedef __m256 vf;
typedef __m256i vi;

enum { LANES = 8, NV = 2, ROWS = 6 };

static inline __m256i first(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vf_load_n(const float *p, size_t n)
{
    return n == LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first(n));
}
static inline void vf_store_n(float *p, vf a, size_t n)
{
    if (n == LANES)
        _mm256_storeu_ps(p, a);
    else
        _mm256_maskstore_ps(p, first(n), a);
}
static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_zero(void) { return _mm256_setzero_ps(); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_round(vf a) { return _mm256_round_ps(a, 8); }
static inline vf vf_pow2(vf a, vf whole)
{
    __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
}
static inline vf vf_load_half(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* The halves against one another, until one lane is left. */
#define REDUCE(a, op)                                                                              \
    __m128 v = op(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));                         \
    v = op(v, _mm_movehl_ps(v, v));                                                                \
    v = op(v, _mm_shuffle_ps(v, v, 1));                                                            \
    return _mm_cvtss_f32(v)

static inline float vf_sum(vf a) { REDUCE(a, _mm_add_ps); }
static inline float vf_high(vf a) { REDUCE(a, _mm_max_ps); }
static inline float vf_low(vf a) { REDUCE(a, _mm_min_ps); }

static inline vi vi_zero(void) { return _mm256_setzero_si256(); }
static inline vf vf_of_vi(vi a) { return _mm256_cvtepi32_ps(a); }
static inline void vi_store_u8(uint8_t *q, vf steps)
{
    __m256i whole = _mm256_cvtps_epi32(steps);
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole),
                                    _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)q, _mm_packus_epi16(words, words));
}

static inline int32_t vi_sum(vi a)
{
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1));
    return _mm_cvtsi128_si32(v);
}

/* Bytes as 16-bit numbers, whose products never overflow in pairs. */
static inline void dot4_i8(const int8_t *q, const int8_t *rows, size_t stride, size_t n,
                           int32_t out[4])
{
    __m256i sum[4] = {vi_zero(), vi_zero(), vi_zero(), vi_zero()};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i a = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(q + i)));
        for (size_t r = 0; r < 4; r++) {
            const __m128i *p = (const __m128i *)(rows + r * stride + i);
            __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128(p));
            sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(a, b));
        }
    }
    for (size_t r = 0; r < 4; r++) {
        out[r] = vi_sum(sum[r]);
        for (size_t t = i; t < n; t++)
            out[r] += q[t] * rows[r * stride + t];
    }
}

static void hamming_rows(const uint8_t *q, const uint8_t *rows, size_t count, size_t stride,
                         size_t n, uint32_t *out)
{
    for (size_t r = 0; r < count; r++) {
        const uint8_t *row = rows + r * stride;
        uint64_t sum = 0, a, b;
        size_t i = 0;
        for (; i + 8 <= n; i += 8) {
            memcpy(&a, q + i, sizeof a);
            memcpy(&b, row + i, sizeof b);
            sum += (uint64_t)_mm_popcnt_u64(a ^ b);
        }
        for (; i < n; i++)
            sum += (uint64_t)_mm_popcnt_u64((uint64_t)(q[i] ^ row[i]));
        out[r] = (uint32_t)sum;
    }
}

#define TABLE                                                                                      \
    .dot_f32 = dot_f32, .dot_f32_rows = dot_f32_rows, .dot_i8 = dot_i8,                            \
    .dot_i8_rows = dot_i8_rows, .hamming_rows = hamming_rows, .linear_f32 = linear_f32,            \
    .linear_i8 = linear_i8, .quantise = quantise, .norm = norm, .half_to_f32 = half_to_f32,        \
    .tree_f32 = eng_kern_tree_f32, .tree_f64 = eng_kern_tree_f64, .rank_f32 = eng_kern_rank_f32,   \
    .rank_f64 = eng_kern_rank_f64, .tree_u8 = eng_kern_avx2_tree_u8, .add_f32 = eng_kern_add_f32,  \
    .attention_f32 = &attention, .attention_fast = &attention
