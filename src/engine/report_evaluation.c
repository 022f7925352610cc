/* The page of an evaluation: its measures run by run, quality against latency, and every question. */
#include "base/alloc.h"
#include "base/error.h"
#include "engenho.h"
#include "engine/report.h"

#include <math.h>

enum { SHOWN_MAX = 2000, MEASURES = 9, RESULT_MAX = 256 << 20 };

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

static const eng_json *member(const eng_json *v, const char *key)
{
    return eng_json_get(v, eng_str_of(key));
}

static const eng_json *measure_of(const eng_json *run, size_t i)
{
    return member(measures[i].group ? member(run, measures[i].group) : run, measures[i].key);
}

static double number_of(const eng_json *v)
{
    double n;
    return eng_json_number(v, &n) ? n : NAN;
}

static void bars_of(eng_report *r, const eng_json *run, eng_str caption)
{
    eng_report_bar bars[MEASURES];
    const eng_json *intervals = member(run, "intervals");
    for (size_t i = 0; i < MEASURES; i++) {
        const eng_json *interval = measure_of(intervals, i);
        bars[i] = (eng_report_bar){eng_str_of(measures[i].name), number_of(measure_of(run, i)),
                                   number_of(eng_json_at(interval, 0)),
                                   number_of(eng_json_at(interval, 1))};
    }
    eng_report_bars(r, caption, bars, MEASURES);
}

static eng_str figure(eng_arena *arena, const eng_json *v, int decimals)
{
    double n = number_of(v);
    return isnan(n) ? ENG_STR("-") : eng_arena_format(arena, "%.*f", decimals, n);
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
        const eng_json *run = eng_json_at(runs, row), *latency = member(run, "latency");
        eng_str *c = cells + (row + 1) * COLUMNS;
        c[0] = eng_json_text(member(run, "name"));
        for (size_t i = 0; i < MEASURES; i++)
            c[1 + i] = figure(arena, measure_of(run, i), 3);
        c[MEASURES + 1] = figure(arena, member(latency, "p50"), 1);
        c[MEASURES + 2] = figure(arena, member(latency, "p95"), 1);
        c[MEASURES + 3] = figure(arena, member(run, "tokens"), 0);
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
        double quality = number_of(member(run, "fact_recall"));
        if (isnan(quality))
            quality = number_of(member(run, "ndcg"));
        if (isnan(quality))
            continue;
        points[shown] = (eng_report_point){number_of(member(member(run, "latency"), "p50")),
                                           quality};
        names[shown++] = eng_json_text(member(run, "name"));
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
        const eng_json *o = eng_json_at(outcomes, row), *answerable = member(o, "answerable");
        eng_str *c = cells + (row + 1) * COLUMNS;
        double rank = number_of(member(o, "rank"));
        c[0] = eng_json_text(member(o, "question"));
        c[1] = eng_json_is(answerable, ENG_JSON_BOOL) && answerable->as.boolean ? ENG_STR("yes")
                                                                                : ENG_STR("no");
        c[2] = rank >= 1 ? eng_arena_format(arena, "%.0f", rank) : ENG_STR("-");
        c[3] = eng_arena_format(arena, "%.*s of %.*s",
                                ENG_FMT(figure(arena, member(o, "facts_found"), 0)),
                                ENG_FMT(figure(arena, member(o, "facts"), 0)));
        c[4] = eng_json_text(member(o, "response"));
        c[5] = figure(arena, member(o, "ms"), 1);
    }
    eng_report_table(r, cells, COLUMNS, shown, false);
    if (shown < count)
        eng_report_text(r, eng_arena_format(arena, "%zu more questions are in the JSON result.",
                                            count - shown));
    return ENG_OK;
}

static eng_status evaluation(const eng_json *result, eng_buf *out, eng_arena *arena, eng_error *err)
{
    const eng_json *runs = member(result, "runs");
    eng_report r = eng_report_begin(
        out, ENG_STR("Evaluation"),
        eng_arena_format(arena, "Collection %.*s, %.*s questions, %.*s.",
                         ENG_FMT(eng_json_text(member(result, "collection"))),
                         ENG_FMT(figure(arena, member(result, "questions"), 0)),
                         ENG_FMT(eng_json_text(member(result, "time")))));
    eng_status status = ENG_OK;
    eng_report_section(&r, ENG_STR("Measures"));
    eng_report_text(&r,
                    ENG_STR("The thin line is where 95 of 100 samples of as many questions lie."));
    for (size_t i = 0; i < eng_json_count(runs); i++)
        bars_of(&r, eng_json_at(runs, i), eng_json_text(member(eng_json_at(runs, i), "name")));
    status = runs_table(&r, runs, arena, err);
    if (status == ENG_OK && eng_json_count(runs) > 1)
        status = trade_off(&r, runs, arena, err);
    for (size_t i = 0; i < eng_json_count(runs) && status == ENG_OK; i++) {
        const eng_json *run = eng_json_at(runs, i);
        eng_report_section(&r, eng_json_text(member(run, "name")));
        status = outcomes_table(&r, member(run, "outcomes"), arena, err);
    }
    eng_report_end(&r);
    return status;
}

eng_status eng_report_of(const eng_json *result, eng_buf *out, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1 << 14, NULL);
    eng_str kind = eng_json_text(member(result, "kind"));
    eng_status status;
    if (eng_str_eq(kind, ENG_STR("evaluation")))
        status = evaluation(result, out, &arena, err);
    else
        status = eng_fail(err, ENG_EINVALID, "this is no result of an evaluation or a training");
    eng_arena_clear(&arena);
    return status == ENG_OK ? eng_buf_check(out, "a report", err) : status;
}

eng_status eng_report_html(eng_str result, eng_str *html, eng_error *err)
{
    eng_arena arena;
    eng_buf page;
    const eng_json *tree;
    const eng_json_limits limits = {.size = RESULT_MAX};
    eng_arena_init(&arena, 1 << 16, NULL);
    eng_buf_init(&page, RESULT_MAX);
    eng_status status = eng_json_read(result, &limits, &arena, &tree, err);
    if (status == ENG_OK)
        status = eng_report_of(tree, &page, err);
    if (status == ENG_OK) {
        size_t len;
        char *bytes = eng_buf_take(&page, &len);
        *html = (eng_str){bytes, len};
    }
    eng_buf_clear(&page);
    eng_arena_clear(&arena);
    return status;
}

void eng_report_free(eng_str html) { eng_free((char *)(uintptr_t)html.ptr); }
