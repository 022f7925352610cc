/* The input is a model's file: whatever becomes a plan can be asked. */
#include "format/lightgbm.h"
#include "learn/boost.h"

#include "predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_plan *p;
    eng_arena arena;
    eng_lightgbm m;
    eng_str bytes = {(const char *)data, size};
    eng_arena_init(&arena, 4096, NULL);
    if (eng_lightgbm_read(bytes, &arena, &m, NULL) == ENG_OK &&
        eng_boost_plan(bytes, NULL, &p, NULL) == ENG_OK) {
        predict_some(p);
        eng_plan_free(p);
    }
    eng_arena_clear(&arena);
    return 0;
}
