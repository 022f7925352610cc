/* Predicts a few rows with a plan that a stranger made: whatever it says, nothing is read beyond it. */
#ifndef ENG_FUZZ_PREDICT_H
#define ENG_FUZZ_PREDICT_H

#include "learn/plan.h"

#include <math.h>
#include <stdlib.h>

static inline void predict_some(const eng_plan *p)
{
    enum { ROWS = 20 };
    static const double numbers[ROWS] = {0, 1,     -1, 0.5, 1e30, -1e30, 3,
                                         2, 1e-40, 7,  31,  32,   64,    1e9};
    static const eng_str texts[ROWS] = {{"x", 1}, {"yy", 2}, {NULL, 0}, {"", 0}, {"z", 1}};
    size_t fields;
    double some[ROWS];
    const eng_plan_field *f = eng_plan_fields(p, &fields);
    const eng_plan_results *about = eng_plan_about(p, NULL);
    if (fields > 1000 || about->count > 1000 || about->class_count > 1000)
        return;
    eng_plan_scratch *s = NULL;
    eng_plan_column *columns = calloc(fields + 1, sizeof *columns);
    double *out = malloc(ROWS * about->count * sizeof *out);
    double *shares = malloc(ROWS * (about->class_count + 1) * sizeof *shares);
    for (size_t i = 0; i < ROWS; i++)
        some[i] = i == 15 ? (double)NAN : numbers[i];
    for (size_t i = 0; i < fields; i++)
        columns[i] = (eng_plan_column){f[i].missing ? some : numbers, texts};
    if (columns && out && shares && eng_plan_scratch_new(p, ROWS, &s, NULL) == ENG_OK) {
        eng_status all = eng_plan_predict(p, columns, ROWS, out, shares, s, NULL);
        eng_status one = eng_plan_predict(p, columns, 1, out, shares, s, NULL);
        if (all == ENG_OK && one != ENG_OK)
            abort();
    }
    eng_plan_scratch_free(s);
    free(columns);
    free(out);
    free(shares);
}

#endif
