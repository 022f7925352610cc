/* Rows of fields: see format.h. */
#include "base/alloc.h"
#include "base/error.h"
#include "format/format.h"

#include <string.h>

enum { GUESS_ROWS = 20, GUESS_BYTES = 64 << 10 };

void eng_csv_clear(eng_csv *c)
{
    eng_free(c->fields);
    c->fields = NULL;
    c->cap = 0;
    eng_buf_clear(&c->unquoted);
}

/* ---- Which separator ---- */

/* How often a character stands outside of quotes in each of the first rows: the separator is there
 * equally often. Its score is that number where all rows agree with the first, else how many do. */
static size_t score_of(eng_str bytes, char separator)
{
    size_t first = 0, now = 0, rows = 0, agreeing = 0;
    bool quoted = false;
    for (size_t i = 0; i < bytes.len && i < GUESS_BYTES && rows < GUESS_ROWS; i++) {
        char c = bytes.ptr[i];
        if (c == '"')
            quoted = !quoted;
        else if (c == separator)
            now += !quoted;
        if (c != '\n' || quoted)
            continue;
        if (rows++ == 0)
            first = now;
        agreeing += now == first;
        now = 0;
    }
    if (!rows) /* one line without an end */
        first = now, rows = agreeing = 1;
    return first ? 1000 * agreeing / rows + (first < 100 ? first : 100) : 0;
}

static char guess(eng_str bytes)
{
    static const char candidates[] = {',', ';', '\t', '|'};
    char best = ',';
    size_t best_score = 0;
    for (size_t i = 0; i < sizeof candidates; i++) {
        size_t score = score_of(bytes, candidates[i]);
        if (score > best_score) {
            best_score = score;
            best = candidates[i];
        }
    }
    return best;
}

void eng_csv_init(eng_csv *c, eng_str bytes, char separator)
{
    if (eng_str_starts(bytes, ENG_STR("\xEF\xBB\xBF")))
        bytes = eng_str_sub(bytes, 3, SIZE_MAX);
    *c = (eng_csv){.bytes = bytes, .line = 1, .separator = separator};
    eng_buf_init(&c->unquoted, ENG_CSV_ROW_MAX);
    if (eng_str_starts(bytes, ENG_STR("sep=")) && bytes.len > 5 &&
        (bytes.ptr[5] == '\n' || bytes.ptr[5] == '\r')) {
        c->separator = bytes.ptr[4];
        c->at = bytes.ptr[5] == '\r' && bytes.len > 6 && bytes.ptr[6] == '\n' ? 7 : 6;
        c->line = 2;
    }
    if (!c->separator)
        c->separator = guess(bytes);
}

/* ---- Rows ---- */

static char at_end(const eng_csv *c) { return c->at >= c->bytes.len; }

/* Over a line's end, if one is here. */
static bool take_line_end(eng_csv *c)
{
    if (at_end(c))
        return false;
    char now = c->bytes.ptr[c->at];
    if (now != '\n' && now != '\r')
        return false;
    c->at++;
    if (now == '\r' && !at_end(c) && c->bytes.ptr[c->at] == '\n')
        c->at++;
    c->line++;
    return true;
}

static void skip_line(eng_csv *c)
{
    while (!at_end(c) && c->bytes.ptr[c->at] != '\n' && c->bytes.ptr[c->at] != '\r')
        c->at++;
    take_line_end(c);
}

static eng_status broken(eng_csv *c, size_t line, const char *why, eng_error *err)
{
    eng_status status = eng_fail(err, ENG_EMALFORMED, "line %zu: %s", line, why);
    if (err)
        err->line = line < UINT32_MAX ? (uint32_t)line : UINT32_MAX;
    skip_line(c);
    return status;
}

static eng_status add_field(eng_csv *c, size_t *count, eng_str field, eng_error *err)
{
    if (*count == ENG_CSV_FIELDS_MAX)
        return eng_fail(err, ENG_ETOOBIG, "line %zu: over %d fields", c->line, ENG_CSV_FIELDS_MAX);
    if (*count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 32;
        eng_str *fields = eng_realloc(c->fields, cap * sizeof *fields);
        if (!fields)
            return eng_fail_nomem(err);
        c->fields = fields;
        c->cap = cap;
    }
    c->fields[(*count)++] = field;
    return ENG_OK;
}

static eng_str plain_field(eng_csv *c)
{
    size_t from = c->at;
    const char *p = c->bytes.ptr;
    while (!at_end(c) && p[c->at] != c->separator && p[c->at] != '\n' && p[c->at] != '\r')
        c->at++;
    return eng_str_sub(c->bytes, from, c->at - from);
}

/*
 * A field in quotes. Most have no quote within, and are a view; the others are put together in
 * `unquoted`, whose bytes may move while it grows: their place is remembered as ptr NULL and an
 * offset, and mended when the row is whole.
 */
typedef struct {
    bool copied;
    size_t offset, len;
    eng_str view;
} quoted;

static eng_status quoted_field(eng_csv *c, size_t row_line, quoted *out, eng_error *err)
{
    size_t from = ++c->at, start_at = c->at, start_line = c->line;
    *out = (quoted){.offset = c->unquoted.len};
    for (;;) {
        const char *left = c->bytes.ptr + c->at;
        const char *end = at_end(c) ? NULL : memchr(left, '"', c->bytes.len - c->at);
        if (!end) {
            c->at = start_at; /* the rows behind the stray quote are not lost with it */
            c->line = start_line;
            return broken(c, row_line, "a quote that never ends", err);
        }
        for (const char *p = left; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
            c->line++;
        c->at = (size_t)(end - c->bytes.ptr) + 1;
        if (c->at - start_at > ENG_CSV_ROW_MAX)
            return eng_fail(err, ENG_ETOOBIG, "line %zu: a field over %d bytes", row_line,
                            ENG_CSV_ROW_MAX);
        bool doubled = !at_end(c) && c->bytes.ptr[c->at] == '"';
        eng_str piece = eng_str_sub(c->bytes, from, c->at - 1 - from + doubled);
        if (!doubled && !out->copied) {
            out->view = piece;
            return ENG_OK;
        }
        out->copied = true;
        eng_buf_str(&c->unquoted, piece);
        if (!doubled) {
            out->len = c->unquoted.len - out->offset;
            return eng_buf_check(&c->unquoted, "a row", err);
        }
        from = ++c->at;
    }
}

static eng_status one_field(eng_csv *c, size_t row_line, size_t *count, eng_error *err)
{
    if (at_end(c) || c->bytes.ptr[c->at] != '"')
        return add_field(c, count, plain_field(c), err);
    quoted q;
    eng_status status = quoted_field(c, row_line, &q, err);
    if (status < 0)
        return status;
    char next = at_end(c) ? '\n' : c->bytes.ptr[c->at];
    if (next != c->separator && next != '\n' && next != '\r')
        return broken(c, row_line, "text behind a closing quote", err);
    eng_str field = q.copied ? (eng_str){NULL, (q.offset << 32) | q.len} : q.view;
    return add_field(c, count, field, err);
}

/* Gives copied fields their place, now that `unquoted` moves no more. */
static void settle(eng_csv *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        eng_str *f = &c->fields[i];
        if (!f->ptr && c->unquoted.data)
            *f = (eng_str){c->unquoted.data + (f->len >> 32), f->len & UINT32_MAX};
    }
}

eng_status eng_csv_next(eng_csv *c, eng_csv_row *out, eng_error *err)
{
    while (take_line_end(c))
        ; /* empty lines */
    size_t row_line = c->line, start = c->at, count = 0;
    eng_buf_reset(&c->unquoted);
    while (!at_end(c) || c->at != start) {
        eng_status status = one_field(c, row_line, &count, err);
        if (status == ENG_OK && c->at - start > ENG_CSV_ROW_MAX) {
            status = eng_fail(err, ENG_ETOOBIG, "line %zu: a row over %d bytes", row_line,
                              ENG_CSV_ROW_MAX);
            skip_line(c);
        }
        if (status < 0)
            return status;
        if (at_end(c) || c->bytes.ptr[c->at] != c->separator)
            break;
        c->at++;
    }
    take_line_end(c);
    settle(c, count);
    *out = (eng_csv_row){.fields = c->fields, .count = count, .line = row_line};
    return ENG_OK;
}
