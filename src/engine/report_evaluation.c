/* The page of an evaluation: its measures run by run, quality against latency, and every question. */
#include "base/error.h"
#include "engine/report.h"

#include <math.h>

enum { SHOWN_MAX = 2000, MEASURES = 9 };

static const struct {
    const char *name, *group, *key;
} measures[MEASURES] = {
    {"Recall at 1", "recall", "1"},
    {"Recall at 5", "recall", "5"},
    {"Recall at 10", "recall", "10"},
    {"MRR", NULL, "mrr"},
    {"nDCG at 10", NULL, "ndcg"},
    {"Facts in the answers", NULL, "fact_recall"},
    {"Refusals that were right", "abstention", "precision"},
    {"Without an answer, refused", "abstention", "recall"},
    {"Answered", NULL, "grounded"},
};

static const eng_json *measure_of(const eng_json *run, size_t i)
{
    return eng_report_member(measures[i].group ? eng_report_member(run, measures[i].group) : run,
                             measures[i].key);
}

void eng_report_measures(eng_report *r, const eng_json *run, eng_str caption)
{
    eng_report_bar bars[MEASURES];
    const eng_json *intervals = eng_report_member(run, "intervals");
    for (size_t i = 0; i < MEASURES; i++) {
        const eng_json *interval = measure_of(intervals, i);
        bars[i] = (eng_report_bar){eng_str_of(measures[i].name),
                                   eng_report_number(measure_of(run, i)),
                                   eng_report_number(eng_json_at(interval, 0)),
                                   eng_report_number(eng_json_at(interval, 1))};
    }
    eng_report_bars(r, caption, bars, MEASURES);
}

/* A row a run: its name, the measures, latency and tokens. */
static eng_status runs_table(eng_report *r, const eng_json *runs, eng_arena *arena, eng_error *err)
{
    enum { COLUMNS = MEASURES + 4 };
    size_t count = eng_json_count(runs);
    eng_str *cells = eng_arena_array(arena, (count + 1) * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    cells[0] = ENG_STR("Run");
    for (size_t i = 0; i < MEASURES; i++)
        cells[1 + i] = eng_str_of(measures[i].name);
    cells[MEASURES + 1] = ENG_STR("p50 ms");
    cells[MEASURES + 2] = ENG_STR("p95 ms");
    cells[MEASURES + 3] = ENG_STR("Tokens");
    for (size_t row = 0; row < count; row++) {
        const eng_json *run = eng_json_at(runs, row), *latency = eng_report_member(run, "latency");
        eng_str *c = cells + (row + 1) * COLUMNS;
        c[0] = eng_json_text(eng_report_member(run, "name"));
        for (size_t i = 0; i < MEASURES; i++)
            c[1 + i] = eng_report_figure(arena, measure_of(run, i), 3);
        c[MEASURES + 1] = eng_report_figure(arena, eng_report_member(latency, "p50"), 1);
        c[MEASURES + 2] = eng_report_figure(arena, eng_report_member(latency, "p95"), 1);
        c[MEASURES + 3] = eng_report_figure(arena, eng_report_member(run, "tokens"), 0);
    }
    eng_report_table(r, cells, COLUMNS, count, true);
    return ENG_OK;
}

static eng_status trade_off(eng_report *r, const eng_json *runs, eng_arena *arena, eng_error *err)
{
    size_t count = eng_json_count(runs), shown = 0;
    eng_report_point *points = eng_arena_array(arena, count, sizeof *points);
    eng_str *names = eng_arena_array(arena, count, sizeof *names);
    if (!points || !names)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const eng_json *run = eng_json_at(runs, i);
        double quality = eng_report_number(eng_report_member(run, "fact_recall"));
        if (isnan(quality))
            quality = eng_report_number(eng_report_member(run, "ndcg"));
        if (isnan(quality))
            continue;
        points[shown] = (eng_report_point){
            eng_report_number(eng_report_member(eng_report_member(run, "latency"), "p50")),
            quality};
        names[shown++] = eng_json_text(eng_report_member(run, "name"));
    }
    const eng_report_axes axes = {.caption = ENG_STR("Quality against latency, run by run"),
                                  .x = ENG_STR("p50, ms"),
                                  .y = ENG_STR("facts in the answers, or nDCG"),
                                  .names = names};
    eng_report_plot(r, &axes, points, shown);
    return ENG_OK;
}

static eng_status outcomes_table(eng_report *r, const eng_json *outcomes, eng_arena *arena,
                                 eng_error *err)
{
    enum { COLUMNS = 6 };
    static const char *const heads[COLUMNS] = {"Question", "Answerable", "Rank",
                                               "Facts",    "Response",   "ms"};
    size_t count = eng_json_count(outcomes), shown = count < SHOWN_MAX ? count : SHOWN_MAX;
    eng_str *cells = eng_arena_array(arena, (shown + 1) * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = eng_str_of(heads[i]);
    for (size_t row = 0; row < shown; row++) {
        const eng_json *o = eng_json_at(outcomes, row),
                       *answerable = eng_report_member(o, "answerable");
        eng_str *c = cells + (row + 1) * COLUMNS;
        double rank = eng_report_number(eng_report_member(o, "rank"));
        c[0] = eng_json_text(eng_report_member(o, "question"));
        c[1] = eng_json_is(answerable, ENG_JSON_BOOL) && answerable->as.boolean ? ENG_STR("yes")
                                                                                : ENG_STR("no");
        c[2] = rank >= 1 ? eng_arena_format(arena, "%.0f", rank) : ENG_STR("-");
        c[3] = eng_arena_format(
            arena, "%.*s of %.*s",
            ENG_FMT(eng_report_figure(arena, eng_report_member(o, "facts_found"), 0)),
            ENG_FMT(eng_report_figure(arena, eng_report_member(o, "facts"), 0)));
        c[4] = eng_json_text(eng_report_member(o, "response"));
        c[5] = eng_report_figure(arena, eng_report_member(o, "ms"), 1);
    }
    eng_report_table(r, cells, COLUMNS, shown, false);
    if (shown < count)
        eng_report_text(r, eng_arena_format(arena, "%zu more questions are in the JSON result.",
                                            count - shown));
    return ENG_OK;
}

eng_status eng_report_evaluation(const eng_json *result, eng_buf *out, eng_arena *arena,
                                 eng_error *err)
{
    const eng_json *runs = eng_report_member(result, "runs");
    eng_report r = eng_report_begin(
        out, ENG_STR("Evaluation"),
        eng_arena_format(
            arena, "Collection %.*s, %.*s questions, %.*s.",
            ENG_FMT(eng_json_text(eng_report_member(result, "collection"))),
            ENG_FMT(eng_report_figure(arena, eng_report_member(result, "questions"), 0)),
            ENG_FMT(eng_json_text(eng_report_member(result, "time")))));
    eng_status status = ENG_OK;
    eng_report_section(&r, ENG_STR("Measures"));
    eng_report_text(&r,
                    ENG_STR("The thin line is where 95 of 100 samples of as many questions lie."));
    for (size_t i = 0; i < eng_json_count(runs); i++)
        eng_report_measures(&r, eng_json_at(runs, i),
                            eng_json_text(eng_report_member(eng_json_at(runs, i), "name")));
    status = runs_table(&r, runs, arena, err);
    if (status == ENG_OK && eng_json_count(runs) > 1)
        status = trade_off(&r, runs, arena, err);
    for (size_t i = 0; i < eng_json_count(runs) && status == ENG_OK; i++) {
        const eng_json *run = eng_json_at(runs, i);
        eng_report_section(&r, eng_json_text(eng_report_member(run, "name")));
        status = outcomes_table(&r, eng_report_member(run, "outcomes"), arena, err);
    }
    eng_report_end(&r);
    return status;
}
