/* Packing weights, which happens once a model, and the sizes of what is packed. */
#include "kern/kern_internal.h"

#include <math.h>

enum { GROUP = 4 }; /* inputs that an int8 product takes at once */

size_t eng_kern_packed_f32(size_t n, size_t k) { return eng_kern_pad(n) * k * sizeof(float); }

size_t eng_kern_packed_i8(size_t n, size_t k) { return eng_kern_pad(n) * eng_kern_pad(k); }

/* Room for both forms that attention takes: floats. */
size_t eng_kern_head_size(size_t length, size_t width)
{
    return eng_kern_pad(length) * eng_kern_value_stride(width) * sizeof(float);
}

/* A strip of scores for the rows of a tile, and as much again for what is made of them. */
size_t eng_kern_attend_scratch(size_t length) { return 12 * eng_kern_pad(length) + 6 * 256; }

void eng_kern_pack_f32(const float *rows, size_t n, size_t k, size_t first, float *weights)
{
    for (size_t r = 0; r < n; r++) {
        size_t o = first + r;
        float *to = weights + o / ENG_KERN_PANEL * k * ENG_KERN_PANEL + o % ENG_KERN_PANEL;
        for (size_t i = 0; i < k; i++)
            to[i * ENG_KERN_PANEL] = rows[r * k + i];
    }
}

void eng_kern_pack_i8(const float *rows, size_t n, size_t k, size_t first, int8_t *weights,
                      float *scale, float *sums)
{
    size_t padded = eng_kern_pad(k);
    for (size_t r = 0; r < n; r++, rows += k) {
        size_t o = first + r;
        int8_t *to = weights + o / ENG_KERN_PANEL * padded * ENG_KERN_PANEL +
                     o % ENG_KERN_PANEL * GROUP;
        float most = 0;
        for (size_t i = 0; i < k; i++)
            most = fmaxf(most, fabsf(rows[i]));
        float by = most > 0 ? 127.0F / most : 0;
        int32_t sum = 0;
        for (size_t i = 0; i < k; i++) {
            int8_t q = (int8_t)fminf(fmaxf(rintf(rows[i] * by), -127.0F), 127.0F);
            to[i / GROUP * GROUP * ENG_KERN_PANEL + i % GROUP] = q;
            sum += q;
        }
        scale[o] = most / 127.0F;
        sums[o] = (float)sum;
    }
}
