/*
 * AVX2 without VNNI. vpmaddubsw would add two products in 16 bits and saturate, so that results
 * differed from the other variants': even and odd bytes go apart, as 16-bit numbers, through vpmaddwd.
 */
#include "kern/kern_internal.h"

#ifdef ENG_KERN_X86

#include <immintrin.h>
#include <math.h>
#include <string.h>

ENG_TARGET_BEGIN("avx2,fma,f16c,bmi2,popcnt")

#include "kern/kern_avx2.h"

enum { ROWS_I8 = 4 };

typedef struct {
    __m256i even, odd;
} vb;
typedef struct {
    __m256i even, odd;
} va;

static inline vb vb_load(const int8_t *p)
{
    __m256i b = _mm256_loadu_si256((const __m256i *)p);
    return (vb){_mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), _mm256_srai_epi16(b, 8)};
}

static inline va va_set1(const uint8_t *x)
{
    uint32_t four;
    memcpy(&four, x, sizeof four);
    return (va){_mm256_set1_epi32((int)(four & 0x00ff00ff)),
                _mm256_set1_epi32((int)(four >> 8 & 0x00ff00ff))};
}

static inline vi vi_dot(vi acc, va a, vb b)
{
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a.even, b.even));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a.odd, b.odd));
}

#include "kern/kern_simd.h"

ENG_TARGET_END

const eng_kern eng_kern_avx2 = {.name = "avx2", TABLE};

#endif
