/* placeholder */
#include "kern/kern_internal.h"
#ifdef ENG_KERN_X86
static void pack(const eng_kern_head *h, const float *keys, const float *values, size_t stride,
                 size_t first, size_t count)
{
    eng_kern_avx512vnni.attention_f32->pack(h, keys, values, stride, first, count);
}
static void attend(const eng_kern_head *h, const float *q, size_t q_stride, size_t m, float scale,
                   float *y, size_t y_stride, float *scratch)
{
    eng_kern_avx512vnni.attention_f32->attend(h, q, q_stride, m, scale, y, y_stride, scratch);
}
const eng_kern_attention eng_kern_bf16_attention = {pack, attend};
#endif
