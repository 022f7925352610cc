/*
 * Rows of a request for a model: from any of the shapes that people send into one column a feature.
 * What a row must have, the model says; an error names the field, the row where there are several, what
 * was expected, and the nearest name that the model knows.
 */
#ifndef ENG_SERVE_ROWS_H
#define ENG_SERVE_ROWS_H

#include "base/map.h"
#include "serve/parts.h"

typedef struct {
    const eng_predictor_info *info;
    eng_arena *arena;
    size_t rows;
    bool many; /* a list was sent: lists are answered */
    eng_column *columns;
    eng_map *names; /* name -> eng_feature; made when it is first needed */
} eng_rows;

/* Of /model/predict and of MLflow's /invocations: a flat object, {"features": {...}}, "input_data",
 * "instances", "inputs", "dataframe_records", "dataframe_split". */
eng_status eng_rows_read(const eng_predictor_info *info, const eng_json *body, bool mlflow,
                         eng_arena *arena, eng_rows *out, eng_error *err) ENG_MUST_CHECK;
/* Of KServe's {"inputs": [tensor ...]}: one matrix, or a tensor a column. */
eng_status eng_rows_tensors(const eng_predictor_info *info, const eng_json *inputs,
                            eng_arena *arena, eng_rows *out, eng_error *err) ENG_MUST_CHECK;

#endif
