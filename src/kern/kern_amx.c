#include "kern/kern_internal.h"
#ifdef ENG_KERN_X86
void eng_kern_amx_linear_i8(const eng_kern_matrix *w, const uint8_t *x, const eng_kern_row *rows,
                            size_t m, const eng_kern_out *out)
{
    eng_kern_avx512vnni.linear_i8(w, x, rows, m, out);
}
#endif
