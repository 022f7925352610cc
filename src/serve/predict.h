/* A request for predictions, from its rows to its reply and the entry of the history. */
#ifndef ENG_SERVE_PREDICT_H
#define ENG_SERVE_PREDICT_H

#include "serve/rows.h"

typedef struct {
    eng_predictor *predictor;
    eng_rows rows;
    double *predicted; /* [rows][outputs] */
    double *shares;    /* [rows][classes], or NULL */
    uint64_t started_ns;
    uint64_t ns;
} eng_predicting;

/* The rows are there; predicts. Everything lies in the request's arena. */
eng_status eng_predict_rows(eng_predicting *p, bool shares, eng_arena *arena,
                            eng_error *err) ENG_MUST_CHECK;
/* Row i's prediction: a number, a label, or a list of numbers. */
void eng_write_predicted(eng_json_writer *w, const eng_predicting *p, size_t row);
void eng_write_value(eng_json_writer *w, const eng_predictor_info *info, double value);
void eng_write_label(eng_json_writer *w, const eng_label *label);
/* Keeps the request in the history, then sends the reply that was written, maybe from another thread. */
eng_status eng_predict_finish(eng_predicting *p, eng_request *req, eng_reply *out,
                              eng_error *err) ENG_MUST_CHECK;

#endif
