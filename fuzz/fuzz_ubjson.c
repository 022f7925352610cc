/* The input is UBJSON, or, where it does not begin as such, XGBoost's JSON: all that is read is there. */
#include "format/ubjson.h"

#include <stdlib.h>

static double walk(const eng_ubj *v, unsigned depth)
{
    double sum = v->number;
    if (depth > 64)
        abort();
    for (size_t i = 0; v->text.len && i < v->text.len; i++)
        sum += v->text.ptr[i];
    for (size_t i = 0; v->type == ENG_UBJ_NUMBERS && i < v->count; i++)
        sum += v->numbers[i];
    for (size_t i = 0; v->items && i < v->count; i++)
        sum += walk(&v->items[i], depth + 1) + (v->keys ? (double)v->keys[i].len : 0);
    return sum;
}

/* Nobody looks at it, and it has to be computed. */
static void keep(double sum)
{
    volatile double kept = sum;
    (void)kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_arena arena;
    const eng_ubj *v;
    eng_arena_init(&arena, 4096, NULL);
    if (eng_ubjson_read((eng_str){(const char *)data, size}, &arena, &v, NULL) == ENG_OK)
        keep(walk(v, 0));
    if (eng_loose_json_read((eng_str){(const char *)data, size}, &arena, &v, NULL) == ENG_OK)
        keep(walk(v, 0));
    eng_arena_clear(&arena);
    return 0;
}
