/* The input is a file of a model, of any kind: whatever is taken for one may be asked for a prediction. */
#include "learn/table.h"

enum { FIELDS = 64, OUTPUTS = 256 };

static void ask(const eng_plan *p)
{
    static const double numbers[FIELDS] = {.5, -1, 3e9};
    eng_str word = ENG_STR("some words, and some more");
    eng_plan_column columns[FIELDS];
    double y[OUTPUTS], shares[OUTPUTS];
    eng_plan_scratch *scratch;
    bool has = false;
    size_t n = 0;
    (void)eng_plan_fields(p, &n);
    const eng_plan_results *about = eng_plan_about(p, &has);
    if (n > FIELDS || about->count > OUTPUTS || about->class_count > OUTPUTS ||
        eng_plan_scratch_new(p, 1, &scratch, NULL) != ENG_OK)
        return;
    for (size_t i = 0; i < n; i++)
        columns[i] = (eng_plan_column){.numbers = numbers + i, .texts = &word};
    (void)!eng_plan_predict(p, columns, 1, y, shares, scratch, NULL);
    eng_plan_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_plan *p = NULL;
    if (eng_table_plan((eng_str){(const char *)data, size}, &p, NULL) == ENG_OK) {
        ask(p);
        eng_plan_free(p);
    }
    return 0;
}
