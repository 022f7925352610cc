/* Rows of a file: which columns there are, what each line holds. */
#include "base/error.h"
#include "format/format.h"
#include "learn/text_internal.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>

/* ---- Columns ---- */

/* In the order in which texts are preferred. */
static const char *const text_names[] = {
    "title", "titulo", "t\xC3\xADtulo", "product_title", "name",      "nome",
    "text",  "texto",  "headline",      "sentence",      "frase",     "concatenated_tags",
    "tags",  "query",  "busca",         "description",   "descricao", "descri\xC3\xA7\xC3\xA3o"};
static const char *const label_names[] = {"category", "categoria",     "label",
                                          "rotulo",   "r\xC3\xB3tulo", "class",
                                          "classe",   "target",        "alvo"};
static const char *const group_names[] = {"product_id", "produto_id", "item_id",
                                          "group_id",   "group",      "grupo"};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static size_t find_name(const eng_str *names, size_t count, eng_str name)
{
    for (size_t i = 0; i < count; i++)
        if (eng_str_eq_nocase(eng_str_trim(names[i]), name))
            return i;
    return SIZE_MAX;
}

static eng_str guess(const eng_str *names, size_t count, const char *const *known,
                     size_t known_count)
{
    for (size_t i = 0; i < known_count; i++) {
        size_t at = find_name(names, count, eng_str_of(known[i]));
        if (at != SIZE_MAX)
            return eng_str_trim(names[at]);
    }
    return (eng_str){"", 0};
}

static eng_status missing(eng_str name, const eng_str *names, size_t count, eng_error *err)
{
    char list[300] = "";
    size_t len = 0;
    for (size_t i = 0; i < count && len < sizeof list - 60; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%.*s", i ? ", " : "",
                                (int)(names[i].len < 40 ? names[i].len : 40), names[i].ptr);
    return eng_fail(err, ENG_EINVALID, "no column '%.*s' (there are: %s)", ENG_FMT(name), list);
}

/* What was asked for must be there; what was not is guessed. */
static eng_status choose(const eng_text_columns *asked, const eng_str *names, size_t count,
                         eng_text_columns *out, eng_error *err)
{
    *out = *asked;
    if (!out->label.len)
        out->label = guess(names, count, label_names, COUNT(label_names));
    if (!out->label.len)
        return missing(ENG_STR("category"), names, count, err);
    if (!out->group.len)
        out->group = guess(names, count, group_names, COUNT(group_names));
    for (size_t i = 0; !asked->text_count && i < COUNT(text_names); i++) {
        size_t at = find_name(names, count, eng_str_of(text_names[i]));
        if (at != SIZE_MAX && out->text_count < ENG_TEXT_FIELDS)
            out->texts[out->text_count++] = eng_str_trim(names[at]);
    }
    if (!out->text_count)
        return missing(ENG_STR("title"), names, count, err);
    for (size_t i = 0; i < out->text_count; i++)
        if (find_name(names, count, out->texts[i]) == SIZE_MAX)
            return missing(out->texts[i], names, count, err);
    for (size_t i = 0; i < out->number_count; i++)
        if (find_name(names, count, out->numbers[i]) == SIZE_MAX)
            return missing(out->numbers[i], names, count, err);
    if (find_name(names, count, out->label) == SIZE_MAX)
        return missing(out->label, names, count, err);
    if (out->group.len && find_name(names, count, out->group) == SIZE_MAX)
        return missing(out->group, names, count, err);
    return ENG_OK;
}

/* ---- Rows ---- */

typedef struct {
    eng_text_rows *rows;
    eng_text_reading reading;
    bool strict;
    size_t places[ENG_TEXT_FIELDS + ENG_TEXT_NUMBERS + 2]; /* of a CSV file's columns */
    eng_str texts[ENG_TEXT_FIELDS];
    double numbers[ENG_TEXT_NUMBERS];
    eng_text_row row;
} intake;

/* A line that cannot be used: counted, or the end of it all. */
static eng_status skip(intake *in, size_t line, size_t *counter, eng_error *why, eng_error *err)
{
    if (why->status == ENG_ENOMEM || why->status == ENG_ETOOBIG || in->strict) {
        if (err)
            *err = *why;
        return why->status;
    }
    ++*counter;
    in->reading.lines_skipped++;
    if (counter == &in->reading.broken && !in->reading.first_broken) {
        in->reading.first_broken = line;
        snprintf(in->reading.why, sizeof in->reading.why, "%.190s", why->message);
    }
    return ENG_OK;
}

static eng_status take_row(intake *in, size_t line, eng_error *err)
{
    eng_error why = {0};
    in->row.texts = in->texts;
    in->row.numbers = in->numbers;
    eng_status status = eng_text_rows_add(in->rows, &in->row, &why);
    if (status == ENG_OK)
        return ENG_OK;
    eng_error_prefix(&why, "line %zu", line);
    bool labelled = eng_str_trim(in->row.label).len > 0;
    return skip(in, line, labelled ? &in->reading.no_text : &in->reading.no_label, &why, err);
}

static double as_number(eng_str text)
{
    double v;
    return eng_number_read(eng_str_trim(text), &v) ? v : (double)NAN;
}

/* ---- CSV ---- */

static void find_places(intake *in, const eng_str *names, size_t count)
{
    const eng_text_columns *c = &in->rows->columns;
    size_t *at = in->places;
    for (size_t i = 0; i < c->text_count; i++)
        *at++ = find_name(names, count, c->texts[i]);
    for (size_t i = 0; i < c->number_count; i++)
        *at++ = find_name(names, count, c->numbers[i]);
    *at++ = find_name(names, count, c->label);
    *at = c->group.len ? find_name(names, count, c->group) : SIZE_MAX;
}

static eng_str field_at(const eng_csv_row *row, size_t place)
{
    return place < row->count ? row->fields[place] : (eng_str){"", 0};
}

static eng_status take_csv_row(intake *in, const eng_csv_row *row, size_t columns, eng_error *err)
{
    const eng_text_columns *c = &in->rows->columns;
    const size_t *at = in->places;
    in->reading.short_rows += row->count < columns;
    for (size_t i = 0; i < c->text_count; i++)
        in->texts[i] = field_at(row, *at++);
    for (size_t i = 0; i < c->number_count; i++)
        in->numbers[i] = as_number(field_at(row, *at++));
    in->row.label = field_at(row, *at++);
    in->row.group = field_at(row, *at);
    return take_row(in, row->line, err);
}

static eng_status read_csv(intake *in, eng_csv *csv, const eng_text_columns *asked, eng_error *err)
{
    eng_csv_row row;
    eng_text_columns columns;
    eng_status status = eng_csv_next(csv, &row, err);
    if (status == ENG_OK && row.count == 0)
        return eng_fail(err, ENG_EINVALID, "it is empty");
    size_t count = row.count;
    if (status == ENG_OK)
        status = choose(asked, row.fields, row.count, &columns, err);
    if (status == ENG_OK)
        status = eng_text_rows_new(&columns, &in->rows, err);
    if (status < 0)
        return status;
    find_places(in, row.fields, row.count);
    in->reading.separator = csv->separator;
    while (status == ENG_OK) {
        eng_error why = {0};
        status = eng_csv_next(csv, &row, &why);
        if (status < 0)
            status = skip(in, why.line, &in->reading.broken, &why, err);
        else if (row.count == 0)
            return ENG_OK;
        else
            status = take_csv_row(in, &row, count, err);
    }
    return status;
}

/* ---- JSON lines ---- */

static eng_str json_text(const eng_json *v, eng_arena *arena)
{
    char digits[32];
    double number;
    if (!eng_json_number(v, &number))
        return eng_json_text(v);
    if (eng_json_is(v, ENG_JSON_INT))
        return eng_arena_format(arena, "%lld", (long long)v->as.integer);
    size_t len = eng_number_print(number, digits);
    return eng_arena_copy(arena, (eng_str){digits, len});
}

static eng_status take_json_row(intake *in, const eng_json *v, size_t line, eng_arena *arena,
                                eng_error *err)
{
    const eng_text_columns *c = &in->rows->columns;
    for (size_t i = 0; i < c->text_count; i++)
        in->texts[i] = json_text(eng_json_get(v, c->texts[i]), arena);
    for (size_t i = 0; i < c->number_count; i++) {
        const eng_json *n = eng_json_get(v, c->numbers[i]);
        if (!eng_json_number(n, &in->numbers[i]))
            in->numbers[i] = as_number(eng_json_text(n));
    }
    in->row.label = json_text(eng_json_get(v, c->label), arena);
    in->row.group = c->group.len ? json_text(eng_json_get(v, c->group), arena) : (eng_str){"", 0};
    return take_row(in, line, err);
}

/* The first object says which columns there are. */
static eng_status begin_json(intake *in, const eng_json *first, const eng_text_columns *asked,
                             eng_error *err)
{
    enum { KEYS = 256 };
    eng_str names[KEYS];
    eng_text_columns columns;
    size_t count = eng_json_count(first) < KEYS ? eng_json_count(first) : KEYS;
    for (size_t i = 0; i < count; i++)
        names[i] = eng_json_key(first, i);
    eng_status status = choose(asked, names, count, &columns, err);
    return status < 0 ? status : eng_text_rows_new(&columns, &in->rows, err);
}

static eng_status take_json_line(intake *in, eng_str line, size_t number, eng_arena *arena,
                                 const eng_text_columns *asked, eng_error *err)
{
    eng_error why = {0};
    const eng_json *v = NULL;
    eng_status status = eng_json_read(line, NULL, arena, &v, &why);
    if (status == ENG_OK && !eng_json_is(v, ENG_JSON_OBJECT))
        status = eng_fail(&why, ENG_EMALFORMED, "expected an object, got %s",
                          eng_json_type_name(v));
    if (status < 0) {
        eng_error_prefix(&why, "line %zu", number);
        return skip(in, number, &in->reading.broken, &why, err);
    }
    if (!in->rows)
        status = begin_json(in, v, asked, err);
    return status < 0 ? status : take_json_row(in, v, number, arena, err);
}

static eng_status read_json(intake *in, eng_str rest, const eng_text_columns *asked, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_arena arena;
    eng_str line;
    eng_arena_init(&arena, 1 << 16, NULL);
    for (size_t number = 1; rest.len && status == ENG_OK; number++) {
        eng_str_cut(rest, '\n', &line, &rest);
        if (eng_str_trim(line).len)
            status = take_json_line(in, eng_str_trim(line), number, &arena, asked, err);
        eng_arena_reset(&arena);
    }
    eng_arena_clear(&arena);
    return status;
}

/* ---- Both ---- */

static eng_status none_left(const intake *in, eng_error *err)
{
    const eng_text_reading *r = &in->reading;
    if (r->first_broken)
        return eng_fail(err, ENG_EMALFORMED, "no row to learn from; %s", r->why);
    return eng_fail(err, ENG_EINVALID,
                    "no row to learn from (%zu without a category, %zu without text)", r->no_label,
                    r->no_text);
}

static eng_status read_bytes(intake *in, eng_str text, const eng_text_columns *asked,
                             eng_error *err)
{
    eng_status status;
    if (eng_str_trim(text).len == 0)
        return eng_fail(err, ENG_EINVALID, "it is empty");
    if (eng_str_trim(text).ptr[0] == '{') {
        status = read_json(in, text, asked, err);
    } else {
        eng_csv csv;
        eng_csv_init(&csv, text, 0);
        status = read_csv(in, &csv, asked, err);
        eng_csv_clear(&csv);
    }
    if (status == ENG_OK && (!in->rows || in->rows->count == 0))
        status = none_left(in, err);
    return status;
}

eng_status eng_text_rows_parse(eng_str text, const eng_text_columns *columns, bool strict,
                               eng_text_rows **out, eng_error *err)
{
    intake in = {.strict = strict, .reading = {.packed = "", .bytes = text.len}};
    eng_status status = read_bytes(&in, text, columns, err);
    if (status < 0) {
        eng_text_rows_free(in.rows);
        return status;
    }
    in.rows->reading = in.reading;
    *out = in.rows;
    return ENG_OK;
}

eng_status eng_text_rows_read(const char *path, const eng_text_columns *columns, bool strict,
                              eng_text_reading *reading, eng_text_rows **out, eng_error *err)
{
    eng_buf text;
    const char *packed = "";
    eng_buf_init(&text, SIZE_MAX / 2);
    eng_status status = eng_text_file_read(path, &text, &packed, err);
    if (status == ENG_OK) {
        status = eng_text_rows_parse(eng_buf_view(&text), columns, strict, out, err);
        if (status < 0)
            eng_error_prefix(err, "'%s'", path);
    }
    if (status == ENG_OK) {
        (*out)->reading.packed = packed;
        if (reading)
            *reading = (*out)->reading;
    }
    eng_buf_clear(&text);
    return status;
}
