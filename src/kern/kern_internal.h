/* The variants' tables, and what they share; of kern alone. */
#ifndef ENG_KERN_INTERNAL_H
#define ENG_KERN_INTERNAL_H

#include "kern/kern.h"

#if defined(__x86_64__)
#define ENG_KERN_X86 1
#endif

extern const eng_kern eng_kern_generic;

/* Trees in plain C, which AVX2 does no better: its gathers are loads one by one. */
void eng_kern_tree_f32(const eng_kern_node *root, uint32_t steps, const float *x, uint32_t *leaves);
void eng_kern_tree_f64(const eng_kern_wide_node *root, uint32_t steps, const double *x,
                       uint32_t *leaves);
void eng_kern_rank_f32(const float *cuts, unsigned bits, const float *x, size_t rows,
                       uint8_t *ranks);
void eng_kern_rank_f64(const double *cuts, unsigned bits, const double *x, size_t rows,
                       uint8_t *ranks);
void eng_kern_tree_u8(const eng_kern_split *splits, size_t n, const uint8_t *x, size_t rows,
                      uint8_t *leaves);
void eng_kern_add_f32(const float *values, size_t count, const uint8_t *leaves, size_t rows,
                      float *sums);
#ifdef ENG_KERN_X86
extern const eng_kern eng_kern_avx2;
extern const eng_kern eng_kern_avx2vnni;
extern const eng_kern eng_kern_avx512vnni;
extern const eng_kern eng_kern_avx512bf16;
extern const eng_kern eng_kern_amx;

void eng_kern_avx512_tree_f32(const eng_kern_node *root, uint32_t steps, const float *x,
                              uint32_t *leaves);
void eng_kern_avx512_tree_f64(const eng_kern_wide_node *root, uint32_t steps, const double *x,
                              uint32_t *leaves);

void eng_kern_avx2_tree_u8(const eng_kern_split *splits, size_t n, const uint8_t *x, size_t rows,
                           uint8_t *leaves);
void eng_kern_avx512_rank_f32(const float *cuts, unsigned bits, const float *x, size_t rows,
                              uint8_t *ranks);
void eng_kern_avx512_rank_f64(const double *cuts, unsigned bits, const double *x, size_t rows,
                              uint8_t *ranks);
void eng_kern_avx512_tree_u8(const eng_kern_split *splits, size_t n, const uint8_t *x, size_t rows,
                             uint8_t *leaves);
void eng_kern_avx512_add_f32(const float *values, size_t count, const uint8_t *leaves, size_t rows,
                             float *sums);

/* What two of them have in place of avx512vnni's. */
extern const eng_kern_attention eng_kern_bf16_attention;
void eng_kern_amx_linear_i8(const eng_kern_matrix *w, const uint8_t *x, const eng_kern_row *rows,
                            size_t m, const eng_kern_out *out);
/* What becomes of the sums of up to m rows with the 64 outputs from o on: sums[m][64]. */
void eng_kern_avx512_finish(const eng_kern_matrix *w, size_t o, const int32_t *sums,
                            const eng_kern_row *rows, size_t m, const eng_kern_out *out);
#endif

/* Everything between these two is compiled for that processor, whatever the flags of the file. */
#if defined(__clang__)
#define ENG_PRAGMA(text) _Pragma(#text)
#define ENG_TARGET_BEGIN(features)                                                                 \
    ENG_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define ENG_TARGET_END ENG_PRAGMA(clang attribute pop)
#else
#define ENG_PRAGMA(text) _Pragma(#text)
#define ENG_TARGET_BEGIN(features)                                                                 \
    ENG_PRAGMA(GCC push_options)                                                                   \
    ENG_PRAGMA(GCC target(features))
#define ENG_TARGET_END ENG_PRAGMA(GCC pop_options)
#endif

/* A head's values: a row a token, of this many floats. */
static inline size_t eng_kern_value_stride(size_t width) { return (width + 15) / 16 * 16; }

#endif
