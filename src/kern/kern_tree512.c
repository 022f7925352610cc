/*
 * Trees of 16 rows with AVX-512: each lane is a row's place in the tree. The first four levels are at most
 * 15 nodes, which two registers hold: there a lookup is a permutation. Below, nodes are gathered.
 */
#include "kern/kern_internal.h"

#ifdef ENG_KERN_X86

#include <immintrin.h>

ENG_TARGET_BEGIN("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl")

enum { TOP = 4 };

void eng_kern_avx512_tree_f32(const eng_kern_node *root, uint32_t steps, const float *x,
                              uint32_t *leaves)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i even = _mm512_slli_epi32(lane, 1);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512i low = _mm512_set1_epi32(0xffff), one = _mm512_set1_epi32(1);
    __m512i a = _mm512_loadu_si512(root), b = _mm512_loadu_si512(root + 8);
    __m512i top_t = _mm512_permutex2var_epi32(a, even, b);
    __m512i top_m = _mm512_permutex2var_epi32(a, odd, b);
    __m512i at = _mm512_setzero_si512();
    const int *base = (const int *)(const void *)root;
    for (uint32_t s = 0; s < steps; s++) {
        __m512i t, m;
        if (s < TOP) {
            t = _mm512_permutexvar_epi32(at, top_t);
            m = _mm512_permutexvar_epi32(at, top_m);
        } else {
            t = _mm512_i32gather_epi32(at, base, 8);
            m = _mm512_i32gather_epi32(at, base + 1, 8);
        }
        __m512i slot = _mm512_slli_epi32(_mm512_and_si512(m, low), 4);
        __m512 value = _mm512_i32gather_ps(_mm512_add_epi32(slot, lane), x, 4);
        __mmask16 right = _mm512_cmp_ps_mask(value, _mm512_castsi512_ps(t), _CMP_NLT_UQ);
        at = _mm512_add_epi32(at, _mm512_srli_epi32(m, 16));
        at = _mm512_mask_add_epi32(at, right, at, one);
    }
    _mm512_storeu_si512(leaves, _mm512_i32gather_epi32(at, base, 8));
}

/* Eight rows: thresholds of doubles, places and slots of 32 bits. */
static inline __m256i step_f64(const eng_kern_wide_node *root, __m256i at, const double *x,
                               __m256i lane)
{
    __m256i byte = _mm256_slli_epi32(at, 1); /* in units of 8 bytes */
    __m512d t = _mm512_i32gather_pd(byte, (const double *)(const void *)root, 8);
    __m512i m = _mm512_i32gather_epi64(byte, (const long long *)(const void *)root + 1, 8);
    __m256i slot = _mm512_cvtepi64_epi32(m);
    __m256i left = _mm512_cvtepi64_epi32(_mm512_srli_epi64(m, 32));
    __m256i from = _mm256_add_epi32(_mm256_slli_epi32(slot, 4), lane);
    __mmask8 right = _mm512_cmp_pd_mask(_mm512_i32gather_pd(from, x, 8), t, _CMP_NLT_UQ);
    at = _mm256_add_epi32(at, left);
    return _mm256_mask_add_epi32(at, right, at, _mm256_set1_epi32(1));
}

void eng_kern_avx512_tree_f64(const eng_kern_wide_node *root, uint32_t steps, const double *x,
                              uint32_t *leaves)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i upper = _mm256_add_epi32(lane, _mm256_set1_epi32(8));
    __m256i a = _mm256_setzero_si256(), b = a;
    for (uint32_t s = 0; s < steps; s++) {
        a = step_f64(root, a, x, lane);
        b = step_f64(root, b, x, upper);
    }
    const int *base = (const int *)(const void *)root;
    _mm256_storeu_si256((__m256i *)leaves,
                        _mm256_i32gather_epi32(base, _mm256_slli_epi32(a, 2), 4));
    _mm256_storeu_si256((__m256i *)(leaves + 8),
                        _mm256_i32gather_epi32(base, _mm256_slli_epi32(b, 2), 4));
}

ENG_TARGET_END

#endif
