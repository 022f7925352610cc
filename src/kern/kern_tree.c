/* Trees of many rows in plain C: rows are walked in step, eight at a time, without a branch. */
#include "kern/kern_internal.h"

#include <string.h>

enum { STEP = 8 };

void eng_kern_tree_f32(const eng_kern_node *root, uint32_t steps, const float *x, uint32_t *leaves)
{
    for (size_t i = 0; i < ENG_KERN_LANES; i += STEP) {
        const eng_kern_node *at[STEP];
        for (size_t k = 0; k < STEP; k++)
            at[k] = root;
        for (uint32_t s = steps; s > 0; s--)
#pragma GCC unroll 8
            for (size_t k = 0; k < STEP; k++) {
                float value = x[at[k]->slot * (size_t)ENG_KERN_LANES + i + k];
                at[k] += at[k]->left + (size_t) !(value < at[k]->threshold);
            }
        for (size_t k = 0; k < STEP; k++)
            memcpy(&leaves[i + k], &at[k]->threshold, sizeof *leaves);
    }
}

void eng_kern_tree_f64(const eng_kern_wide_node *root, uint32_t steps, const double *x,
                       uint32_t *leaves)
{
    for (size_t i = 0; i < ENG_KERN_LANES; i += STEP) {
        const eng_kern_wide_node *at[STEP];
        for (size_t k = 0; k < STEP; k++)
            at[k] = root;
        for (uint32_t s = steps; s > 0; s--)
#pragma GCC unroll 8
            for (size_t k = 0; k < STEP; k++) {
                double value = x[at[k]->slot * (size_t)ENG_KERN_LANES + i + k];
                at[k] += at[k]->left + (size_t) !(value < at[k]->threshold);
            }
        for (size_t k = 0; k < STEP; k++)
            memcpy(&leaves[i + k], &at[k]->threshold, sizeof *leaves);
    }
}
