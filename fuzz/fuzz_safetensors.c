/* The input is a file: whatever its header says, every tensor that is found can be read whole. */
#include "format/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_safetensors s;
    if (eng_safetensors_parse(data, size, &s, NULL) < 0)
        return 0;
    size_t covered = 0;
    for (size_t i = 0; i < s.count; i++) {
        const eng_tensor *t = &s.tensors[i];
        float part[64];
        covered += t->size;
        if (eng_safetensors_find(&s, t->name) == NULL)
            abort();
        for (size_t at = 0; t->type != ENG_TENSOR_OTHER && at < t->count; at += 64)
            eng_tensor_read(t, at, 64, part);
    }
    if (covered > size)
        abort();
    eng_safetensors_close(&s);
    return 0;
}
