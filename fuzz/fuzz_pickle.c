/* The input is a file that may be packed: what is read of it may be walked to the end, and every
 * element of every array taken. */
#include "format/pickle.h"

static double sum;

static void walk(const eng_py *v, unsigned *left)
{
    double n = 0;
    eng_str text;
    if (!v || !*left || !--*left)
        return;
    sum += (double)eng_py_class(v).len + (eng_py_number(v, &n) ? n : 0);
    sum += eng_py_text(v, &text) ? (double)text.len : 0;
    if (v->type == ENG_PY_ARRAY)
        for (size_t i = 0; i < v->as.array->count && i < 4096; i++)
            sum += eng_py_element(v->as.array, i, &n) ? n : 0;
    for (size_t i = 0; i < eng_py_count(v); i++)
        walk(eng_py_at(v, i), left);
    for (size_t i = 0; i < eng_py_pairs(v); i++) {
        walk(eng_py_key(v, i), left);
        walk(eng_py_value(v, i), left);
    }
    if (v->type == ENG_PY_OBJECT) {
        walk(v->as.object->args, left);
        walk(v->as.object->kwargs, left);
        walk(v->as.object->state, left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_buf buf;
    eng_str bytes;
    const char *packing;
    for (int scan = 0; scan < 2; scan++) {
        const eng_pickle_limits limits = {.memory = 64 << 20, .opcodes = 1 << 20, .scan = scan};
        eng_pickle p;
        if (eng_joblib_unpack((eng_str){(const char *)data, size}, 16 << 20, &buf, &bytes, &packing,
                              NULL) == ENG_OK &&
            eng_pickle_read(bytes, &limits, &p, NULL) == ENG_OK) {
            unsigned left = 1 << 16;
            walk(p.root, &left);
            eng_pickle_clear(&p);
        }
        eng_buf_clear(&buf);
    }
    return 0;
}
