/* AVX2 with AVX-VNNI: processors that have VNNI and no AVX-512. */
#include "kern/kern_internal.h"

#ifdef ENG_KERN_X86

#include <immintrin.h>
#include <math.h>
#include <string.h>

ENG_TARGET_BEGIN("avx2,fma,f16c,bmi2,popcnt,avxvnni")

#include "kern/kern_avx2.h"

enum { ROWS_I8 = 6 };

typedef __m256i vb;
typedef __m256i va;

static inline vb vb_load(const int8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

static inline va va_set1(const uint8_t *x)
{
    int four;
    memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
}

static inline vi vi_dot(vi acc, va a, vb b) { return _mm256_dpbusd_avx_epi32(acc, a, b); }

#include "kern/kern_simd.h"

ENG_TARGET_END

const eng_kern eng_kern_avx2vnni = {.name = "avx2vnni", TABLE};

#endif
