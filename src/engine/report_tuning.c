/* The page of a tuning: what was found, whether it is more than chance, and what it costs in time. */
#include "base/error.h"
#include "engine/report.h"

#include <math.h>

static bool is_true(const eng_json *v) { return eng_json_is(v, ENG_JSON_BOOL) && v->as.boolean; }

static eng_str text_of(const eng_json *choice, const char *key)
{
    return eng_json_text(eng_report_member(choice, key));
}

/* A choice's settings as JSON, which is short and exact. */
static eng_str settings_of(const eng_json *choice, eng_arena *arena)
{
    eng_buf text;
    eng_buf_init(&text, 1 << 16);
    eng_json_writer w = eng_json_write_to(&text);
    const eng_json *settings = eng_report_member(choice, "settings");
    if (settings)
        eng_json_copy(&w, settings);
    eng_str copy = eng_arena_copy(arena, eng_buf_view(&text));
    eng_buf_clear(&text);
    return copy.ptr ? copy : ENG_STR("");
}

static eng_str verdict(const eng_json *result, eng_arena *arena)
{
    const eng_json *held_out = eng_report_member(result, "held_out");
    const eng_json *interval = eng_report_member(held_out, "interval");
    if (!eng_json_is(held_out, ENG_JSON_OBJECT))
        return ENG_STR(
            "There are too few questions to tell a gain from chance: what stands stays.");
    const char *what =
        is_true(eng_report_member(result, "applied"))
            ? "It is better by more than chance, and has taken the place of what stood."
        : is_true(eng_report_member(result, "better"))
            ? "It is better by more than chance. Nothing was changed: it was not asked for."
            : "That may be chance: what stands stays.";
    return eng_arena_format(
        arena,
        "On questions that it was not found with, the quality of what was found is %.3f, of what "
        "stands %.3f: a gain of %+.3f, in 95 of 100 samples between %+.3f and %+.3f. %s",
        eng_report_number(eng_report_member(held_out, "found")),
        eng_report_number(eng_report_member(held_out, "current")),
        eng_report_number(eng_report_member(held_out, "gain")),
        eng_report_number(eng_json_at(interval, 0)), eng_report_number(eng_json_at(interval, 1)),
        what);
}

static void fill_row(eng_str *cells, eng_str name, const eng_json *choice, eng_arena *arena,
                     const eng_json *ms)
{
    cells[0] = name;
    cells[1] = text_of(choice, "chunk");
    cells[2] = settings_of(choice, arena);
    cells[3] = eng_report_figure(arena, eng_report_member(choice, "quality"), 3);
    cells[4] = eng_report_figure(arena, ms, 2);
}

static const eng_json *p50_of(const eng_json *choice)
{
    return eng_report_member(eng_report_member(choice, "latency"), "p50");
}

static eng_status choices_table(eng_report *r, const eng_json *result, eng_arena *arena,
                                eng_error *err)
{
    enum { COLUMNS = 5 };
    const eng_json *tried = eng_report_member(result, "tried");
    const eng_json *current = eng_report_member(result, "current");
    const eng_json *best = eng_report_member(result, "best");
    size_t count = eng_json_count(tried);
    eng_str *cells = eng_arena_array(arena, (count + 3) * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    cells[0] = ENG_STR("Choice");
    cells[1] = ENG_STR("Chunk");
    cells[2] = ENG_STR("Settings");
    cells[3] = ENG_STR("Quality");
    cells[4] = ENG_STR("p50 ms");
    fill_row(cells + COLUMNS, ENG_STR("what stands"), current, arena, p50_of(current));
    fill_row(cells + 2 * COLUMNS, ENG_STR("the best"), best, arena, p50_of(best));
    for (size_t i = 0; i < count; i++) {
        const eng_json *choice = eng_json_at(tried, i);
        fill_row(cells + (i + 3) * COLUMNS, eng_arena_format(arena, "%zu", i + 1), choice, arena,
                 eng_report_member(choice, "ms"));
    }
    eng_report_table(r, cells, COLUMNS, count + 2, false);
    return ENG_OK;
}

static eng_status trade_off(eng_report *r, const eng_json *result, eng_arena *arena, eng_error *err)
{
    const eng_json *tried = eng_report_member(result, "tried");
    const eng_json *named[] = {eng_report_member(result, "current"),
                               eng_report_member(result, "best")};
    size_t count = eng_json_count(tried), shown = 0;
    eng_report_point *points = eng_arena_array(arena, count + 2, sizeof *points);
    eng_str *names = eng_arena_array(arena, count + 2, sizeof *names);
    if (!points || !names)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count + 2; i++) {
        const eng_json *choice = i < count ? eng_json_at(tried, i) : named[i - count];
        eng_report_point p = {
            eng_report_number(i < count ? eng_report_member(choice, "ms") : p50_of(choice)),
            eng_report_number(eng_report_member(choice, "quality"))};
        if (isnan(p.x) || isnan(p.y))
            continue;
        points[shown] = p;
        names[shown++] = i < count    ? ENG_STR("")
                         : i == count ? ENG_STR("what stands")
                                      : ENG_STR("the best");
    }
    const eng_report_axes axes = {.caption = ENG_STR("Quality against latency, choice by choice"),
                                  .x = ENG_STR("p50 of a question, ms"),
                                  .y = ENG_STR("quality"),
                                  .names = names};
    eng_report_plot(r, &axes, points, shown);
    return ENG_OK;
}

eng_status eng_report_tuning(const eng_json *result, eng_buf *out, eng_arena *arena, eng_error *err)
{
    eng_report r = eng_report_begin(
        out, ENG_STR("Tuning"),
        eng_arena_format(
            arena,
            "Collection %.*s, %.*s questions, %.*s. %.*s pairs of a choice and a question were "
            "asked, of %.*s that there are.",
            ENG_FMT(eng_json_text(eng_report_member(result, "collection"))),
            ENG_FMT(eng_report_figure(arena, eng_report_member(result, "questions"), 0)),
            ENG_FMT(eng_json_text(eng_report_member(result, "time"))),
            ENG_FMT(eng_report_figure(arena, eng_report_member(result, "asked"), 0)),
            ENG_FMT(eng_report_figure(arena, eng_report_member(result, "pairs"), 0))));
    eng_report_section(&r, ENG_STR("What was found"));
    eng_report_text(&r, verdict(result, arena));
    eng_report_text(&r,
                    ENG_STR("Quality is the mean over the questions: of one with an answer, the "
                            "facts that the answer holds and the nDCG of what was found, "
                            "halved; of one without, whether it was refused."));
    eng_report_measures(&r, eng_report_member(result, "current"), ENG_STR("What stands"));
    eng_report_measures(&r, eng_report_member(result, "best"),
                        ENG_STR("The best, on the questions that it was found with"));
    eng_report_section(&r, ENG_STR("Quality against latency"));
    eng_status status = trade_off(&r, result, arena, err);
    eng_report_section(&r, ENG_STR("What was tried"));
    if (status == ENG_OK)
        status = choices_table(&r, result, arena, err);
    eng_report_end(&r);
    return status;
}
