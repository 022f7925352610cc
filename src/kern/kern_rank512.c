/*
 * Ranked trees with AVX-512: 64 rows in a register, four registers in step, because each node waits for the
 * one before it. Ranks: the first four steps of the search are permutations of sixteen cuts, the others
 * gathers.
 */
#include "kern/kern_internal.h"

#ifdef ENG_KERN_X86

#include <immintrin.h>

ENG_TARGET_BEGIN("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")

enum { WIDE = 64, TOP = 4, PERMUTED = 64 };

/* ---- Ranks ---- */

void eng_kern_avx512_rank_f32(const float *cuts, unsigned bits, const float *x, size_t rows,
                              uint8_t *ranks)
{
    const __m512i lane = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    const __m512i one = _mm512_set1_epi32(1);
    unsigned low = bits > TOP ? bits - TOP : 0;
    __m512 top = _mm512_loadu_ps(cuts);
    if (low)
        top = _mm512_i32gather_ps(
            _mm512_sub_epi32(_mm512_sll_epi32(lane, _mm_cvtsi32_si128((int)low)), one), cuts, 4);
    for (size_t i = 0; i < rows; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        __m512i at = _mm512_setzero_si512();
        for (int step = 1 << (bits - low - 1); step > 0; step /= 2) {
            __m512i middle = _mm512_add_epi32(at, _mm512_set1_epi32(step - 1));
            __m512 cut = _mm512_permutexvar_ps(middle, top);
            __mmask16 above = _mm512_cmp_ps_mask(v, cut, _CMP_NLT_UQ);
            at = _mm512_mask_add_epi32(at, above, at, _mm512_set1_epi32(step));
        }
        at = _mm512_sll_epi32(at, _mm_cvtsi32_si128((int)low));
        for (int step = 1 << low >> 1; step > 0; step /= 2) {
            __m512i middle = _mm512_add_epi32(at, _mm512_set1_epi32(step - 1));
            __m512 cut = _mm512_i32gather_ps(middle, cuts, 4);
            __mmask16 above = _mm512_cmp_ps_mask(v, cut, _CMP_NLT_UQ);
            at = _mm512_mask_add_epi32(at, above, at, _mm512_set1_epi32(step));
        }
        _mm_storeu_si128((__m128i *)(ranks + i), _mm512_cvtepi32_epi8(at));
    }
}

void eng_kern_avx512_rank_f64(const double *cuts, unsigned bits, const double *x, size_t rows,
                              uint8_t *ranks)
{
    const __m512i lane = _mm512_setr_epi64(1, 2, 3, 4, 5, 6, 7, 8);
    const __m512i one = _mm512_set1_epi64(1);
    unsigned low = bits > TOP ? bits - TOP : 0;
    __m128i shift = _mm_cvtsi32_si128((int)low);
    __m512i from = _mm512_sub_epi64(_mm512_sll_epi64(lane, shift), one);
    __m512d top_a = _mm512_i64gather_pd(from, cuts, 8);
    __m512d top_b = _mm512_i64gather_pd(from, cuts + ((size_t)8 << low), 8);
    for (size_t i = 0; i < rows; i += 8) {
        __m512d v = _mm512_loadu_pd(x + i);
        __m512i at = _mm512_setzero_si512();
        for (int step = 1 << (bits - low - 1); step > 0; step /= 2) {
            __m512i middle = _mm512_add_epi64(at, _mm512_set1_epi64(step - 1));
            __m512d cut = _mm512_permutex2var_pd(top_a, middle, top_b);
            __mmask8 above = _mm512_cmp_pd_mask(v, cut, _CMP_NLT_UQ);
            at = _mm512_mask_add_epi64(at, above, at, _mm512_set1_epi64(step));
        }
        at = _mm512_sll_epi64(at, shift);
        for (int step = 1 << low >> 1; step > 0; step /= 2) {
            __m512i middle = _mm512_add_epi64(at, _mm512_set1_epi64(step - 1));
            __m512d cut = _mm512_i64gather_pd(middle, cuts, 8);
            __mmask8 above = _mm512_cmp_pd_mask(v, cut, _CMP_NLT_UQ);
            at = _mm512_mask_add_epi64(at, above, at, _mm512_set1_epi64(step));
        }
        _mm_storel_epi64((__m128i *)(ranks + i), _mm512_cvtepi64_epi8(at));
    }
}

/* ---- Trees ---- */

/* Of `n` registers, which is known where this is put in. */
static inline __attribute__((always_inline)) void walk(const eng_kern_split *splits, size_t count,
                                                       const uint8_t *x, uint8_t *leaves, size_t n)
{
    __m512i at[ENG_KERN_RANKED / WIDE];
    for (size_t v = 0; v < n; v++)
        at[v] = _mm512_setzero_si512();
    for (size_t s = 0; s < count; s++) {
        const uint8_t *ranks = x + (size_t)splits[s].slot * ENG_KERN_RANKED;
        __m512i rank = _mm512_set1_epi32((int)splits[s].rank);
        __m512i first = _mm512_set1_epi32((int)splits[s].first);
        __m512i right = _mm512_set1_epi32((int)splits[s].right);
#pragma GCC unroll 4
        for (size_t v = 0; v < n; v++) {
            __mmask64 goes = _mm512_cmpge_epu8_mask(_mm512_loadu_si512(ranks + v * WIDE), rank);
            goes = _mm512_mask_cmpeq_epi8_mask(goes, at[v], first);
            at[v] = _mm512_mask_mov_epi8(at[v], goes, right);
        }
    }
    for (size_t v = 0; v < n; v++)
        _mm512_storeu_si512(leaves + v * WIDE, at[v]);
}

void eng_kern_avx512_tree_u8(const eng_kern_split *splits, size_t n, const uint8_t *x, size_t rows,
                             uint8_t *leaves)
{
    switch (rows / WIDE) {
    case 1:
        walk(splits, n, x, leaves, 1);
        break;
    case 2:
        walk(splits, n, x, leaves, 2);
        break;
    case 3:
        walk(splits, n, x, leaves, 3);
        break;
    default:
        walk(splits, n, x, leaves, 4);
    }
}

/* ---- Sums ---- */

static void add_permuted(const float *values, const uint8_t *leaves, size_t rows, float *sums)
{
    __m512 a = _mm512_loadu_ps(values), b = _mm512_loadu_ps(values + 16);
    __m512 c = _mm512_loadu_ps(values + 32), d = _mm512_loadu_ps(values + 48);
    const __m512i upper = _mm512_set1_epi32(32);
    for (size_t i = 0; i < rows; i += 16) {
        __m512i at = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(leaves + i)));
        __m512 value = _mm512_permutex2var_ps(a, at, b);
        value = _mm512_mask_mov_ps(value, _mm512_test_epi32_mask(at, upper),
                                   _mm512_permutex2var_ps(c, at, d));
        _mm512_storeu_ps(sums + i, _mm512_add_ps(_mm512_loadu_ps(sums + i), value));
    }
}

void eng_kern_avx512_add_f32(const float *values, size_t count, const uint8_t *leaves, size_t rows,
                             float *sums)
{
    if (count <= PERMUTED) {
        add_permuted(values, leaves, rows, sums);
        return;
    }
    for (size_t i = 0; i < rows; i += 16) {
        __m512i at = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(leaves + i)));
        __m512 value = _mm512_i32gather_ps(at, values, 4);
        _mm512_storeu_ps(sums + i, _mm512_add_ps(_mm512_loadu_ps(sums + i), value));
    }
}

ENG_TARGET_END

#endif
