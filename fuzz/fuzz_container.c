/* The input is a model's file: whatever it says, each section lies inside of it. Its checksums are put
 * right first, so that what stands behind them is reached too. */
#include "mend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_container c;
    unsigned char *p = aligned_alloc(64, size / 64 * 64 + 64);
    if (!p)
        return 0;
    memcpy(p, data, size);
    mend(p, size);
    if (eng_container_of(p, size, "input", ENG_STR(""), 0, &c, NULL) == ENG_OK) {
        for (size_t i = 0; i < c.count; i++) {
            const unsigned char *at = c.sections[i].data;
            if (at < p || at + c.sections[i].size > p + size)
                abort();
        }
        eng_container_close(&c);
    }
    free(p);
    return 0;
}
