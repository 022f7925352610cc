/* The page and its plots. Sizes are in the units of the SVG's view box, which scales with the page. */
#include "engine/report.h"
#include "base/alloc.h"
#include "base/error.h"
#include "engenho.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDE = 640, TALL = 360, LEFT = 60, BOTTOM = 44, TOP = 12, RIGHT = 16 };
enum { RESULT_MAX = 256 << 20 };
enum { BAR = 26, BAR_LEFT = 190, TICKS = 5 };

static const char head[] =
    "<meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<style>"
    ":root{color-scheme:light "
    "dark;--ink:#1c1c1a;--page:#fdfdfb;--line:#d9d8d2;--mark:#0a6e5c;--soft:#8a8a84}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8e7e2;--page:#171716;--line:#3a3a37;--mark:#"
    "4fc3a8;"
    "--soft:#95948e}}"
    "body{font:16px/1.5 "
    "system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:60rem;"
    "margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px "
    "solid var(--line)}"
    "table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}"
    "th,td{padding:.25rem .75rem .25rem 0;text-align:left;border-bottom:1px solid "
    "var(--line);vertical-align:top}"
    ".n td+td,.n th+th{text-align:right}.wide{overflow-x:auto}"
    "figure{margin:1rem "
    "0}figcaption{color:var(--soft);font-size:.9rem}svg{max-width:100%;height:auto}"
    "svg text{fill:var(--ink);font:12px "
    "system-ui,sans-serif}.g{stroke:var(--line)}.m{fill:var(--mark)}"
    ".l{stroke:var(--mark);fill:none;stroke-width:2}.d{stroke:var(--soft);stroke-dasharray:4 4}"
    ".i{stroke:var(--ink);stroke-width:1.5}"
    "</style>";

static void escaped(eng_buf *out, eng_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            eng_buf_str(out, ENG_STR("&lt;"));
            break;
        case '>':
            eng_buf_str(out, ENG_STR("&gt;"));
            break;
        case '&':
            eng_buf_str(out, ENG_STR("&amp;"));
            break;
        case '"':
            eng_buf_str(out, ENG_STR("&quot;"));
            break;
        default:
            eng_buf_byte(out, text.ptr[i]);
        }
    }
}

static void element(eng_buf *out, const char *name, eng_str text)
{
    eng_buf_format(out, "<%s>", name);
    escaped(out, text);
    eng_buf_format(out, "</%s>\n", name);
}

eng_report eng_report_begin(eng_buf *out, eng_str title, eng_str lead)
{
    eng_buf_str(out, ENG_STR("<!doctype html>\n<html lang=\"en\">\n<head>"));
    eng_buf_str(out, (eng_str){head, sizeof head - 1});
    element(out, "title", title);
    eng_buf_str(out, ENG_STR("</head>\n<body>\n<main>\n"));
    element(out, "h1", title);
    element(out, "p", lead);
    return (eng_report){.out = out};
}

static void end_section(eng_report *r)
{
    if (r->in_section)
        eng_buf_str(r->out, ENG_STR("</section>\n"));
    r->in_section = false;
}

void eng_report_end(eng_report *r)
{
    end_section(r);
    eng_buf_str(r->out, ENG_STR("</main>\n</body>\n</html>\n"));
}

void eng_report_section(eng_report *r, eng_str title)
{
    end_section(r);
    eng_buf_str(r->out, ENG_STR("<section>\n"));
    element(r->out, "h2", title);
    r->in_section = true;
}

void eng_report_text(eng_report *r, eng_str text) { element(r->out, "p", text); }

void eng_report_table(eng_report *r, const eng_str *cells, size_t columns, size_t rows,
                      bool numbers)
{
    eng_buf_format(r->out, "<div class=\"wide\"><table%s>\n", numbers ? " class=\"n\"" : "");
    for (size_t row = 0; row <= rows; row++) {
        eng_buf_str(r->out, ENG_STR("<tr>"));
        for (size_t c = 0; c < columns; c++)
            element(r->out, row ? "td" : "th", cells[row * columns + c]);
        eng_buf_str(r->out, ENG_STR("</tr>\n"));
    }
    eng_buf_str(r->out, ENG_STR("</table></div>\n"));
}

/* ---- Plots ---- */

static void open_figure(eng_report *r, eng_str caption, int width, int height)
{
    eng_buf_format(r->out,
                   "<figure><svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\""
                   " aria-label=\"",
                   width, height, width, height);
    escaped(r->out, caption);
    eng_buf_str(r->out, ENG_STR("\">\n"));
}

static void close_figure(eng_report *r, eng_str caption)
{
    eng_buf_str(r->out, ENG_STR("</svg>\n"));
    element(r->out, "figcaption", caption);
    eng_buf_str(r->out, ENG_STR("</figure>\n"));
}

static void line(eng_report *r, const char *look, double x1, double y1, double x2, double y2)
{
    eng_buf_format(r->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                   look, x1, y1, x2, y2);
}

/* `anchor` is SVG's: start, middle or end. */
static void label(eng_report *r, double x, double y, const char *anchor, eng_str text)
{
    eng_buf_format(r->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    escaped(r->out, text);
    eng_buf_str(r->out, ENG_STR("</text>\n"));
}

static void number(eng_report *r, double x, double y, const char *anchor, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.3g", value);
    label(r, x, y, anchor, eng_str_of(text));
}

void eng_report_bars(eng_report *r, eng_str caption, const eng_report_bar *bars, size_t count)
{
    const double room = WIDE - BAR_LEFT - 60;
    int height = (int)(count < 1000 ? count : 1000) * BAR + 24;
    open_figure(r, caption, WIDE, height);
    for (int i = 0; i <= TICKS; i++) {
        double x = BAR_LEFT + room * i / TICKS;
        line(r, "g", x, 0, x, height - 20);
        number(r, x, height - 6, "middle", (double)i / TICKS);
    }
    for (size_t i = 0; i < count && i < 1000; i++) {
        const eng_report_bar *b = &bars[i];
        double y = (double)i * BAR + 4, middle = y + BAR / 2.0 - 4;
        label(r, BAR_LEFT - 8, middle + 4, "end", b->label);
        if (isnan(b->value)) {
            label(r, BAR_LEFT + 6, middle + 4, "start", ENG_STR("nothing to count"));
            continue;
        }
        eng_buf_format(r->out,
                       "<rect class=\"m\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n",
                       BAR_LEFT, y, room * b->value, BAR - 8);
        if (!isnan(b->low) && !isnan(b->high))
            line(r, "i", BAR_LEFT + room * b->low, middle, BAR_LEFT + room * b->high, middle);
        number(r, WIDE - 4, middle + 4, "end", b->value);
    }
    close_figure(r, caption);
}

/* The least of 1, 2 and 5 times a power of ten that is not below. */
static double round_up(double v)
{
    if (!(v > 0) || !isfinite(v))
        return 1;
    double power = pow(10, floor(log10(v)));
    for (int i = 0; i < 3; i++) {
        static const double steps[] = {1, 2, 5};
        if (steps[i] * power >= v * (1 - 1e-9))
            return steps[i] * power;
    }
    return 10 * power;
}

static void axes_of(eng_report *r, const eng_report_axes *axes, double x_max, double y_max)
{
    const double right = WIDE - RIGHT, low = TALL - BOTTOM;
    for (int i = 0; i <= TICKS; i++) {
        double x = LEFT + (right - LEFT) * i / TICKS, y = low - (low - TOP) * i / TICKS;
        line(r, "g", x, TOP, x, low);
        line(r, "g", LEFT, y, right, y);
        number(r, x, low + 16, "middle", x_max * i / TICKS);
        number(r, LEFT - 6, y + 4, "end", y_max * i / TICKS);
    }
    label(r, (LEFT + right) / 2, TALL - 8, "middle", axes->x);
    eng_buf_format(r->out, "<g transform=\"rotate(-90 14 %d)\">", TALL / 2);
    label(r, 14, TALL / 2.0, "middle", axes->y);
    eng_buf_str(r->out, ENG_STR("</g>\n"));
    if (axes->diagonal)
        line(r, "d", LEFT, low, right, TOP);
}

void eng_report_plot(eng_report *r, const eng_report_axes *axes, const eng_report_point *points,
                     size_t count)
{
    const double right = WIDE - RIGHT, low = TALL - BOTTOM;
    double x_max = 0, y_max = 0;
    for (size_t i = 0; i < count; i++) {
        x_max = fmax(x_max, points[i].x);
        y_max = fmax(y_max, points[i].y);
    }
    x_max = round_up(axes->diagonal ? fmax(x_max, y_max) : x_max);
    y_max = axes->diagonal ? x_max : round_up(y_max);
    open_figure(r, axes->caption, WIDE, TALL);
    axes_of(r, axes, x_max, y_max);
    if (axes->joined && count) {
        eng_buf_str(r->out, ENG_STR("<polyline class=\"l\" points=\""));
        for (size_t i = 0; i < count; i++)
            eng_buf_format(r->out, "%.1f,%.1f ", LEFT + (right - LEFT) * points[i].x / x_max,
                           low - (low - TOP) * points[i].y / y_max);
        eng_buf_str(r->out, ENG_STR("\"/>\n"));
    }
    for (size_t i = 0; i < count; i++) {
        double x = LEFT + (right - LEFT) * points[i].x / x_max;
        double y = low - (low - TOP) * points[i].y / y_max;
        eng_buf_format(r->out, "<circle class=\"m\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", x, y);
        if (axes->names)
            label(r, x + (x > WIDE * 0.75 ? -8 : 8), y - 6, x > WIDE * 0.75 ? "end" : "start",
                  axes->names[i]);
    }
    close_figure(r, axes->caption);
}

void eng_report_matrix(eng_report *r, eng_str caption, const eng_str *labels, const double *counts,
                       size_t n)
{
    eng_buf_str(r->out, ENG_STR("<figure class=\"wide\"><table class=\"n\"><tr><th></th>"));
    for (size_t c = 0; c < n; c++)
        element(r->out, "th", labels[c]);
    eng_buf_str(r->out, ENG_STR("</tr>\n"));
    for (size_t row = 0; row < n; row++) {
        double sum = 0;
        for (size_t c = 0; c < n; c++)
            sum += counts[row * n + c];
        eng_buf_str(r->out, ENG_STR("<tr>"));
        element(r->out, "td", labels[row]);
        for (size_t c = 0; c < n; c++)
            eng_buf_format(r->out,
                           "<td style=\"background:color-mix(in srgb,var(--mark) "
                           "%.0f%%,transparent)\">%.0f</td>",
                           sum > 0 ? 60 * counts[row * n + c] / sum : 0, counts[row * n + c]);
        eng_buf_str(r->out, ENG_STR("</tr>\n"));
    }
    eng_buf_str(r->out, ENG_STR("</table>\n"));
    element(r->out, "figcaption", caption);
    eng_buf_str(r->out, ENG_STR("</figure>\n"));
}

/* ---- What results hold ---- */

const eng_json *eng_report_member(const eng_json *v, const char *key)
{
    return eng_json_get(v, eng_str_of(key));
}

double eng_report_number(const eng_json *v)
{
    double n;
    return eng_json_number(v, &n) ? n : NAN;
}

eng_str eng_report_figure(eng_arena *arena, const eng_json *v, int decimals)
{
    double n = eng_report_number(v);
    return isnan(n) ? ENG_STR("-") : eng_arena_format(arena, "%.*f", decimals, n);
}

eng_status eng_report_of(const eng_json *result, eng_buf *out, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1 << 14, NULL);
    eng_str kind = eng_json_text(eng_report_member(result, "kind"));
    eng_status status;
    if (eng_str_eq(kind, ENG_STR("evaluation")))
        status = eng_report_evaluation(result, out, &arena, err);
    else if (eng_str_eq(kind, ENG_STR("text")))
        status = eng_report_training(result, out, &arena, err);
    else if (eng_str_eq(kind, ENG_STR("tuning")))
        status = eng_report_tuning(result, out, &arena, err);
    else
        status = eng_fail(err, ENG_EINVALID,
                          "this is no result of an evaluation, a tuning or a training");
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
