/* What people read: tables, ages, a progress bar. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/cli.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

eng_status eng_cli_print(eng_str text, eng_error *err)
{
    return eng_fd_write(STDOUT_FILENO, text.ptr, text.len, "standard output", err);
}

eng_status eng_cli_flush(eng_buf *out, eng_error *err)
{
    eng_status status = eng_buf_check(out, "output", err);
    if (status == ENG_OK)
        status = eng_cli_print(eng_buf_view(out), err);
    eng_buf_clear(out);
    return status;
}

eng_status eng_cli_print_json(const eng_json *v, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, SIZE_MAX);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_copy(&w, v);
    eng_buf_byte(&out, '\n');
    return eng_cli_flush(&out, err);
}

static size_t column_width(const eng_str *cells, size_t columns, size_t rows, size_t column)
{
    size_t width = 0;
    for (size_t r = 0; r < rows; r++) {
        size_t n = eng_utf8_count(cells[r * columns + column]);
        width = n > width ? n : width;
    }
    return width;
}

/* What a stranger wrote must not move the cursor. */
static void put_cell(eng_buf *out, eng_str cell)
{
    for (size_t i = 0; i < cell.len; i++)
        eng_buf_byte(out,
                     (unsigned char)cell.ptr[i] < 0x20 || cell.ptr[i] == 0x7f ? '?' : cell.ptr[i]);
}

/* Cells are padded by characters, not bytes: names have accents. Behind the last one stands nothing. */
static void put_row(eng_buf *out, const eng_str *row, const size_t *width, size_t columns)
{
    while (columns > 0 && row[columns - 1].len == 0)
        columns--;
    for (size_t c = 0; c < columns; c++) {
        put_cell(out, row[c]);
        for (size_t n = eng_utf8_count(row[c]); c + 1 < columns && n < width[c] + 2; n++)
            eng_buf_byte(out, ' ');
    }
}

eng_status eng_cli_table(const eng_cli *cli, const eng_str *cells, size_t columns, size_t rows,
                         eng_error *err)
{
    enum { COLUMNS_MAX = 16 };
    size_t width[COLUMNS_MAX];
    eng_buf out;
    assert(columns <= COLUMNS_MAX);
    eng_buf_init(&out, 64 << 20);
    for (size_t c = 0; c < columns; c++)
        width[c] = column_width(cells, columns, rows, c);
    for (size_t r = 0; r < rows; r++) {
        bool heading = r == 0 && cli->colour;
        eng_buf_str(&out, heading ? ENG_STR("\x1b[1m") : ENG_STR(""));
        put_row(&out, cells + r * columns, width, columns);
        eng_buf_str(&out, heading ? ENG_STR("\x1b[0m\n") : ENG_STR("\n"));
    }
    return eng_cli_flush(&out, err);
}

eng_status eng_cli_say_removed(const eng_cli *cli, size_t count, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_json_writer w = eng_json_write_to(&out);
    if (cli->json) {
        eng_json_open(&w, '{');
        eng_json_name(&w, ENG_STR("removed"));
        eng_json_open(&w, '[');
    }
    for (size_t i = 0; i < count; i++) {
        if (cli->json)
            eng_json_string(&w, eng_str_of(cli->args[i]));
        else
            eng_buf_format(&out, "removed %s\n", cli->args[i]);
    }
    if (cli->json) {
        eng_json_close(&w, ']');
        eng_json_close(&w, '}');
        eng_buf_byte(&out, '\n');
    }
    return eng_cli_flush(&out, err);
}

eng_str eng_cli_ago(eng_arena *arena, eng_str rfc3339)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    int64_t then;
    if (!eng_time_parse(rfc3339, &then))
        return rfc3339;
    int64_t seconds = (eng_clock_wall_ms() - then) / 1000;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (seconds >= units[i].seconds)
            return eng_arena_format(arena, "%lld %s ago", (long long)(seconds / units[i].seconds),
                                    units[i].name);
    return ENG_STR("now");
}

void eng_cli_progress(const eng_cli *cli, const char *what, uint64_t done, uint64_t total,
                      double eta_s)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1];
    if (!cli->terminal || cli->json)
        return;
    size_t filled = total ? (size_t)((double)done / (double)total * WIDTH) : 0;
    for (size_t i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\x1b[K%s [%s] %.0f%%", what, bar,
            total ? 100.0 * (double)done / (double)total : 0);
    if (eta_s >= 0)
        fprintf(stderr, ", %.0f s left", eta_s);
    fflush(stderr);
}

void eng_cli_progress_end(const eng_cli *cli)
{
    if (cli->terminal && !cli->json)
        fputs("\r\x1b[K", stderr);
}
