/*
 * One page of HTML that needs nothing but itself: tables and plots (SVG) of numbers that are there already,
 * readable in print, in the dark and by a screen reader. Evaluation and training write theirs with it.
 *
 *     eng_report r = eng_report_begin(&buf, title, lead);
 *     eng_report_section(&r, ENG_STR("Retrieval"));
 *     eng_report_bars(&r, caption, bars, count);
 *     eng_report_end(&r);
 *
 * Text is escaped here. Errors stick to the buffer, as everywhere.
 */
#ifndef ENG_ENGINE_REPORT_H
#define ENG_ENGINE_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/json.h"

typedef struct {
    eng_buf *out;
    bool in_section;
} eng_report;

eng_report eng_report_begin(eng_buf *out, eng_str title, eng_str lead);
void eng_report_end(eng_report *r);
void eng_report_section(eng_report *r, eng_str title);
void eng_report_text(eng_report *r, eng_str text);

/* Cells row by row, heads first; columns from the second on are set right where `numbers`. */
void eng_report_table(eng_report *r, const eng_str *cells, size_t columns, size_t rows,
                      bool numbers);

/* A share of 0 to 1 with the interval it lies in; NaN: none. */
typedef struct {
    eng_str label;
    double value, low, high;
} eng_report_bar;
void eng_report_bars(eng_report *r, eng_str caption, const eng_report_bar *bars, size_t count);

typedef struct {
    double x, y;
} eng_report_point;
typedef struct {
    eng_str caption, x, y; /* of the axes */
    bool diagonal;         /* what a calibrated model would follow */
    bool joined;           /* by lines */
    const eng_str *names;  /* of the points; may be NULL */
} eng_report_axes;
/* Points, over a range that holds them all and 0. */
void eng_report_plot(eng_report *r, const eng_report_axes *axes, const eng_report_point *points,
                     size_t count);

/* counts[row][column]: what is, against what was said. Each row is shaded by its own sum. */
void eng_report_matrix(eng_report *r, eng_str caption, const eng_str *labels, const double *counts,
                       size_t n);

/* ---- Results as they are read ------------------------------------------------------------------------ */

const eng_json *eng_report_member(const eng_json *v, const char *key);
/* NaN where it is none. */
double eng_report_number(const eng_json *v);
/* "-" where it is none. */
eng_str eng_report_figure(eng_arena *arena, const eng_json *v, int decimals);

eng_status eng_report_evaluation(const eng_json *result, eng_buf *out, eng_arena *arena,
                                 eng_error *err) ENG_MUST_CHECK;
eng_status eng_report_training(const eng_json *result, eng_buf *out, eng_arena *arena,
                               eng_error *err) ENG_MUST_CHECK;
eng_status eng_report_tuning(const eng_json *result, eng_buf *out, eng_arena *arena,
                             eng_error *err) ENG_MUST_CHECK;
/* The measures of a run as bars with their intervals. */
void eng_report_measures(eng_report *r, const eng_json *run, eng_str caption);

/*
 * The page of an evaluation's, a training's or a tuning's result, which its "kind" tells apart.
 * ENG_EINVALID where it is none of them.
 */
eng_status eng_report_of(const eng_json *result, eng_buf *out, eng_error *err) ENG_MUST_CHECK;

#endif
