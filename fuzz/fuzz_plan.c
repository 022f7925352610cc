/* The input is a plan's container, whose checksums are put right: what opens can be asked. */
#include "mend.h"
#include "predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_plan *p;
    unsigned char *copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    mend(copy, size);
    if (eng_plan_of((eng_str){(const char *)copy, size}, &p, NULL) == ENG_OK) {
        predict_some(p);
        eng_plan_free(p);
    }
    free(copy);
    return 0;
}
