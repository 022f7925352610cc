/* Ranked trees in plain C. Rows lie side by side and every loop over them is without a branch, so that the
 * compiler may take 16 at a time. */
#include "kern/kern_internal.h"

#include <string.h>

/* A search of as many steps as there are bits, the same for all rows. */
void eng_kern_rank_f32(const float *cuts, unsigned bits, const float *x, size_t rows,
                       uint8_t *ranks)
{
    for (size_t i = 0; i < rows; i++) {
        size_t at = 0;
        for (size_t step = (size_t)1 << (bits - 1); step > 0; step /= 2)
            at += x[i] < cuts[at + step - 1] ? 0 : step;
        ranks[i] = (uint8_t)at;
    }
}

void eng_kern_rank_f64(const double *cuts, unsigned bits, const double *x, size_t rows,
                       uint8_t *ranks)
{
    for (size_t i = 0; i < rows; i++) {
        size_t at = 0;
        for (size_t step = (size_t)1 << (bits - 1); step > 0; step /= 2)
            at += x[i] < cuts[at + step - 1] ? 0 : step;
        ranks[i] = (uint8_t)at;
    }
}

void eng_kern_tree_u8(const eng_kern_split *splits, size_t n, const uint8_t *x, size_t rows,
                      uint8_t *leaves)
{
    memset(leaves, 0, rows);
    for (size_t s = 0; s < n; s++) {
        const uint8_t *restrict ranks = x + (size_t)splits[s].slot * ENG_KERN_RANKED;
        uint8_t *restrict at = leaves;
        uint8_t rank = (uint8_t)splits[s].rank, first = (uint8_t)splits[s].first;
        uint8_t right = (uint8_t)splits[s].right;
        for (size_t block = 0; block < rows; block += ENG_KERN_RANKED_STEP)
            for (size_t i = block; i < block + ENG_KERN_RANKED_STEP; i++)
                at[i] = ((ranks[i] >= rank) & (at[i] == first)) ? right : at[i];
    }
}

void eng_kern_add_f32(const float *values, size_t count, const uint8_t *leaves, size_t rows,
                      float *sums)
{
    (void)count;
    for (size_t i = 0; i < rows; i++)
        sums[i] += values[leaves[i]];
}
