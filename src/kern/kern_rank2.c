/* Ranked trees with AVX2: 32 rows in a register. Ranks and sums gain nothing over plain C, for gathers are
 * loads one by one here. */
#include "kern/kern_internal.h"

#ifdef ENG_KERN_X86

#include <immintrin.h>

ENG_TARGET_BEGIN("avx2,fma,f16c,bmi2,popcnt")

enum { WIDE = 32, MOST = ENG_KERN_RANKED / WIDE };

/* Of `n` registers, which is known where this is put in. A rank is not below the node's where it is the
 * larger of both. */
static inline __attribute__((always_inline)) void walk(const eng_kern_split *splits, size_t count,
                                                       const uint8_t *x, uint8_t *leaves, size_t n)
{
    __m256i at[MOST];
    for (size_t v = 0; v < n; v++)
        at[v] = _mm256_setzero_si256();
    for (size_t s = 0; s < count; s++) {
        const uint8_t *ranks = x + (size_t)splits[s].slot * ENG_KERN_RANKED;
        __m256i rank = _mm256_set1_epi32((int)splits[s].rank);
        __m256i first = _mm256_set1_epi32((int)splits[s].first);
        __m256i right = _mm256_set1_epi32((int)splits[s].right);
#pragma GCC unroll 8
        for (size_t v = 0; v < n; v++) {
            __m256i r = _mm256_loadu_si256((const __m256i *)(ranks + v * WIDE));
            __m256i goes = _mm256_cmpeq_epi8(_mm256_max_epu8(r, rank), r);
            goes = _mm256_and_si256(goes, _mm256_cmpeq_epi8(at[v], first));
            at[v] = _mm256_blendv_epi8(at[v], right, goes);
        }
    }
    for (size_t v = 0; v < n; v++)
        _mm256_storeu_si256((__m256i *)(leaves + v * WIDE), at[v]);
}

void eng_kern_avx2_tree_u8(const eng_kern_split *splits, size_t n, const uint8_t *x, size_t rows,
                           uint8_t *leaves)
{
    for (; rows >= 4 * WIDE; rows -= 4 * WIDE, x += 4 * WIDE, leaves += 4 * WIDE)
        walk(splits, n, x, leaves, 4);
    for (; rows > 0; rows -= 2 * WIDE, x += 2 * WIDE, leaves += 2 * WIDE)
        walk(splits, n, x, leaves, 2);
}

ENG_TARGET_END

#endif
