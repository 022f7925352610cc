/* AVX-512 with VNNI, and the tables of the two variants that differ from it in one thing each. */
#include "kern/kern_internal.h"

#ifdef ENG_KERN_X86

#include <immintrin.h>
#include <math.h>
#include <string.h>

ENG_TARGET_BEGIN("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq")

typedef __m512 vf;
typedef __m512i vi;
typedef __m512i vb; /* 16 outputs of 4 inputs each, signed */
typedef __m512i va; /* the 4 inputs of a row, unsigned, for all outputs */

enum { LANES = 16, NV = 4, ROWS = 6, ROWS_I8 = 6 };

static inline __mmask16 first(size_t n) { return (__mmask16)_bzhi_u32(0xffff, (unsigned)n); }

static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf vf_load_n(const float *p, size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
static inline void vf_store_n(float *p, vf a, size_t n) { _mm512_mask_storeu_ps(p, first(n), a); }
static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_zero(void) { return _mm512_setzero_ps(); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline float vf_sum(vf a) { return _mm512_reduce_add_ps(a); }
static inline float vf_high(vf a) { return _mm512_reduce_max_ps(a); }
static inline float vf_low(vf a) { return _mm512_reduce_min_ps(a); }
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, 8); }
static inline vf vf_pow2(vf a, vf whole) { return _mm512_scalef_ps(a, whole); }
static inline vf vf_load_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

static inline vi vi_zero(void) { return _mm512_setzero_si512(); }
static inline vf vf_of_vi(vi a) { return _mm512_cvtepi32_ps(a); }
static inline void vi_store_u8(uint8_t *q, vf steps)
{
    __m512i whole = _mm512_max_epi32(_mm512_cvtps_epi32(steps), _mm512_setzero_si512());
    _mm_storeu_si128((__m128i *)q, _mm512_cvtusepi32_epi8(whole));
}

static inline vb vb_load(const int8_t *p) { return _mm512_loadu_si512(p); }
static inline va va_set1(const uint8_t *x)
{
    int four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi32(four);
}
/* Not by its intrinsic: gcc 12 then copies every sum, in the innermost loop, and spills half of them. */
static inline vi vi_dot(vi acc, va a, vb b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

/* The bytes [i, i + 64) of a row, 0 past its end. */
static inline __m512i bytes(const void *p, size_t i, size_t n)
{
    uint64_t mask = n - i >= 64 ? ~UINT64_C(0) : _bzhi_u64(~UINT64_C(0), (unsigned)(n - i));
    return _mm512_maskz_loadu_epi8(mask, (const char *)p + i);
}

/* One factor has to be unsigned: the rows are, with 128 added, which the query's sum takes off. */
static inline void dot4_i8(const int8_t *q, const int8_t *rows, size_t stride, size_t n,
                           int32_t out[4])
{
    const __m512i shift = _mm512_set1_epi8(-128);
    __m512i sum[4] = {vi_zero(), vi_zero(), vi_zero(), vi_zero()}, of_query = vi_zero();
    for (size_t i = 0; i < n; i += 64) {
        __m512i a = bytes(q, i, n);
        of_query = _mm512_dpbusd_epi32(of_query, shift, a);
        for (size_t r = 0; r < 4; r++) {
            __m512i b = _mm512_xor_si512(bytes(rows + r * stride, i, n), shift);
            sum[r] = _mm512_dpbusd_epi32(sum[r], b, a);
        }
    }
    int32_t less = _mm512_reduce_add_epi32(of_query);
    for (size_t r = 0; r < 4; r++)
        out[r] = _mm512_reduce_add_epi32(sum[r]) - less;
}

#include "kern/kern_simd.h"

void eng_kern_avx512_finish(const eng_kern_matrix *w, size_t o, const int32_t *sums,
                            const eng_kern_row *rows, size_t m, const eng_kern_out *out)
{
    for (size_t j = 0; j < ENG_KERN_PANEL; j += LANES)
        for (size_t i = 0; i < m; i++) {
            vi sum = _mm512_loadu_si512(sums + i * ENG_KERN_PANEL + j);
            put(out->y + i * out->stride + o + j, value_of(w, o + j, sum, &rows[i]), out->then,
                true);
        }
}

static void hamming_rows(const uint8_t *q, const uint8_t *rows, size_t count, size_t stride,
                         size_t n, uint32_t *out)
{
    for (size_t r = 0; r < count; r++) {
        __m512i sum = vi_zero();
        for (size_t i = 0; i < n; i += 64) {
            __m512i other = _mm512_xor_si512(bytes(q, i, n), bytes(rows + r * stride, i, n));
            sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(other));
        }
        out[r] = (uint32_t)_mm512_reduce_add_epi64(sum);
    }
}

ENG_TARGET_END

#define TABLE                                                                                      \
    .dot_f32 = dot_f32, .dot_f32_rows = dot_f32_rows, .dot_i8 = dot_i8,                            \
    .dot_i8_rows = dot_i8_rows, .hamming_rows = hamming_rows, .linear_f32 = linear_f32,            \
    .quantise = quantise, .norm = norm, .half_to_f32 = half_to_f32,                                \
    .rank_f32 = eng_kern_avx512_rank_f32, .rank_f64 = eng_kern_avx512_rank_f64,                    \
    .tree_u8 = eng_kern_avx512_tree_u8, .add_f32 = eng_kern_avx512_add_f32,                        \
    .attention_f32 = &attention

#define GATHERED .tree_f32 = eng_kern_avx512_tree_f32, .tree_f64 = eng_kern_avx512_tree_f64

const eng_kern eng_kern_avx512vnni = {
    .name = "avx512vnni", TABLE, GATHERED, .linear_i8 = linear_i8, .attention_fast = &attention};

/* AMD's, whose gathers are slower than loads one by one. */
const eng_kern eng_kern_avx512bf16 = {.name = "avx512bf16",
                                      TABLE,
                                      .tree_f32 = eng_kern_tree_f32,
                                      .tree_f64 = eng_kern_tree_f64,
                                      .linear_i8 = linear_i8,
                                      .attention_fast = &eng_kern_bf16_attention};

const eng_kern eng_kern_amx = {.name = "amx",
                               TABLE,
                               GATHERED,
                               .linear_i8 = eng_kern_amx_linear_i8,
                               .attention_fast = &attention};

#endif
