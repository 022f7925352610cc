/*
 * Tables and JSON lines: a row a document. A column named text, conteúdo or the like is its text, one
 * named title its title, one named id its id; where no column is the text, all of them are, each on a
 * line with its name. The other columns become metadata, numbers as numbers.
 */
#include "base/error.h"
#include "base/utf8.h"
#include "format/format.h"
#include "text/text_internal.h"
#include "json/json.h"

typedef enum { OTHER, TEXT, TITLE, ID, URL } role;

typedef struct {
    const char *name;
    role is;
} role_row;

static const role_row roles[] = {
    {"text", TEXT},
    {"texto", TEXT},
    {"content", TEXT},
    {"conteudo", TEXT},
    {"conte\xC3\xBA"
     "do",
     TEXT},
    {"body", TEXT},
    {"corpo", TEXT},
    {"passage", TEXT},
    {"title", TITLE},
    {"titulo", TITLE},
    {"t\xC3\xADtulo", TITLE},
    {"id", ID},
    {"_id", ID},
    {"url", URL},
    {"link", URL},
};

static role role_of(eng_str column)
{
    column = eng_str_trim(column);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (eng_str_eq_nocase(column, eng_str_of(roles[i].name)))
            return roles[i].is;
    }
    return OTHER;
}

/* ---- A row on its way to a document ---- */

typedef struct {
    const eng_input *source;
    eng_arena arena; /* of the row */
    eng_buf lines;   /* "name: value", for rows without a text */
    eng_buf metadata;
    eng_json_writer writer;
    eng_extract doc;
    size_t failed_rows, shown;
    bool ended; /* the error is the caller's own, or one of the whole: no row is to blame */
} row;

static void row_init(row *r, const eng_input *s)
{
    *r = (row){.source = s};
    eng_arena_init(&r->arena, 4096, NULL);
    eng_buf_init(&r->lines, s->text_max);
    eng_buf_init(&r->metadata, s->text_max);
}

static void row_clear(row *r)
{
    eng_arena_clear(&r->arena);
    eng_buf_clear(&r->lines);
    eng_buf_clear(&r->metadata);
}

static void row_begin(row *r, size_t number)
{
    eng_arena_reset(&r->arena);
    eng_buf_reset(&r->lines);
    eng_buf_reset(&r->metadata);
    r->writer = eng_json_write_to(&r->metadata);
    eng_json_open(&r->writer, '{');
    r->doc = (eng_extract){.row = number};
}

static void add_line(row *r, eng_str name, eng_str value)
{
    if (r->lines.len)
        eng_buf_byte(&r->lines, '\n');
    eng_buf_str(&r->lines, name);
    eng_buf_str(&r->lines, ENG_STR(": "));
    eng_buf_str(&r->lines, value);
}

static eng_status row_end(row *r, eng_error *err)
{
    const eng_input *s = r->source;
    eng_json_close(&r->writer, '}');
    eng_status status = eng_buf_check(&r->lines, "row", err);
    if (status == ENG_OK)
        status = eng_buf_check(&r->metadata, "row", err);
    if (!r->doc.text.len)
        r->doc.text = eng_buf_view(&r->lines);
    r->doc.metadata = eng_buf_view(&r->metadata);
    if (status == ENG_OK && !eng_str_trim(r->doc.text).len)
        status = eng_fail(err, ENG_EINVALID, "row %zu holds no text", r->doc.row);
    if (status == ENG_OK)
        status = eng_blocks_of(r->doc.text, false, &r->arena, &r->doc.blocks, &r->doc.block_count,
                               err);
    if (status == ENG_OK) {
        r->shown++;
        status = s->options->document(s->options->ctx, &r->doc, err);
        r->ended = status < 0;
    }
    return status;
}

/* What became of a row: one that is none is told of, or ends it all. */
static eng_status row_done(row *r, size_t number, eng_status status, const eng_error *why,
                           eng_error *err)
{
    const eng_extract_options *o = r->source->options;
    if (status == ENG_OK)
        return eng_input_cancelled(r->source) ? eng_fail(err, ENG_ECANCELLED, "cancelled") : ENG_OK;
    if (!o->bad_row || r->ended || status == ENG_ENOMEM) {
        if (err)
            *err = *why;
        return why->status;
    }
    o->bad_row(o->ctx, number, why);
    r->failed_rows++;
    return ENG_OK;
}

static eng_status rows_done(const row *r, eng_error *err)
{
    if (!r->shown && !r->failed_rows)
        return eng_fail(err, ENG_EINVALID, "the file holds no rows");
    return ENG_OK;
}

/* ---- CSV and TSV ---- */

static void add_cell(row *r, eng_str column, eng_str value)
{
    switch (role_of(column)) {
    case TEXT:
        if (!r->doc.text.len) {
            r->doc.text = value;
            return;
        }
        break;
    case TITLE:
        r->doc.title = value;
        return;
    case ID:
        r->doc.id = value;
        return;
    case URL:
        r->doc.url = value;
        break;
    default:
        break;
    }
    if (!value.len)
        return;
    add_line(r, column, value);
    eng_json_name(&r->writer, column);
    double number;
    if (eng_number_read(value, &number))
        eng_json_raw(&r->writer, value);
    else
        eng_json_string(&r->writer, value);
}

static eng_status same_names(const eng_str *names, size_t count, eng_error *err)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (eng_str_eq(names[i], names[k]))
                return eng_fail(err, ENG_EINVALID, "two columns are named '%.*s'",
                                ENG_FMT(eng_utf8_cut(names[i], 100)));
        }
    }
    return ENG_OK;
}

/* The first row names the columns. */
static eng_status read_names(const eng_input *s, eng_csv *csv, eng_str **out, size_t *count,
                             eng_error *err)
{
    eng_csv_row first;
    eng_status status = eng_csv_next(csv, &first, err);
    if (status < 0)
        return status;
    if (!first.count)
        return eng_fail(err, ENG_EINVALID, "the file holds no rows");
    if (first.count > 4096)
        return eng_fail(err, ENG_ETOOBIG, "over 4096 columns");
    eng_str *names = eng_arena_array(s->arena, first.count, sizeof *names);
    for (size_t i = 0; names && i < first.count; i++)
        names[i] = eng_arena_copy(s->arena, eng_str_trim(first.fields[i]));
    if (!names)
        return eng_fail_nomem(err);
    *out = names;
    *count = first.count;
    return same_names(names, first.count, err);
}

static eng_status table_rows(row *r, eng_csv *csv, const eng_str *names, size_t count,
                             eng_error *err)
{
    for (size_t number = 1;; number++) {
        eng_csv_row cells;
        eng_error why;
        eng_status status = eng_csv_next(csv, &cells, &why);
        if (status == ENG_OK && !cells.count)
            return ENG_OK;
        if (status == ENG_OK && cells.count != count) {
            status = eng_fail(&why, ENG_EMALFORMED, "line %zu: expected %zu fields, got %zu",
                              cells.line, count, cells.count);
            why.line = (uint32_t)cells.line;
        }
        if (status == ENG_OK) {
            row_begin(r, number);
            for (size_t i = 0; i < count; i++)
                add_cell(r, names[i], cells.fields[i]);
            status = row_end(r, &why);
        }
        status = row_done(r, number, status, &why, err);
        if (status < 0)
            return status;
    }
}

static eng_status table(const eng_input *s, char separator, eng_error *err)
{
    eng_buf utf8;
    eng_buf_init(&utf8, SIZE_MAX / 2);
    row r;
    row_init(&r, s);
    eng_csv csv;
    eng_csv_init(&csv, ENG_STR(""), ',');
    eng_str *names = NULL;
    size_t count = 0;
    eng_status status = eng_charset_read(s->bytes, ENG_STR(""), &utf8, err);
    if (status == ENG_OK) {
        eng_csv_init(&csv, eng_buf_view(&utf8), separator);
        status = read_names(s, &csv, &names, &count, err);
    }
    if (status == ENG_OK)
        status = table_rows(&r, &csv, names, count, err);
    if (status == ENG_OK)
        status = rows_done(&r, err);
    eng_csv_clear(&csv);
    row_clear(&r);
    eng_buf_clear(&utf8);
    return status;
}

eng_status eng_extract_csv(const eng_input *s, eng_error *err) { return table(s, 0, err); }
eng_status eng_extract_tsv(const eng_input *s, eng_error *err) { return table(s, '\t', err); }

/* ---- JSON lines ---- */

static void add_member(row *r, const eng_json *object, size_t i)
{
    eng_str key = eng_json_key(object, i);
    const eng_json *value = eng_json_value(object, i);
    role is = role_of(key);
    if (eng_json_is(value, ENG_JSON_STRING)) {
        eng_str text = eng_json_text(value);
        if (is == TEXT && !r->doc.text.len)
            r->doc.text = text;
        else if (is == TITLE)
            r->doc.title = text;
        else if (is == ID)
            r->doc.id = text;
        else if (is == URL)
            r->doc.url = text;
        else
            add_line(r, key, text);
        if (is == TEXT || is == TITLE || is == ID)
            return;
    }
    if (is == OTHER && eng_str_eq(key, ENG_STR("metadata")) &&
        eng_json_is(value, ENG_JSON_OBJECT)) { /* its members are the row's own */
        for (size_t k = 0; k < eng_json_count(value); k++) {
            eng_json_name(&r->writer, eng_json_key(value, k));
            eng_json_copy(&r->writer, eng_json_value(value, k));
        }
        return;
    }
    if (eng_json_get(eng_json_get(object, ENG_STR("metadata")), key))
        return; /* said there too, and once is enough */
    eng_json_name(&r->writer, key);
    eng_json_copy(&r->writer, value);
}

static eng_status one_object(row *r, eng_str line, size_t number, eng_error *err)
{
    row_begin(r, number);
    const eng_json *object;
    eng_status status = eng_json_read(line, NULL, &r->arena, &object, err);
    if (status < 0)
        return status;
    if (!eng_json_is(object, ENG_JSON_OBJECT))
        return eng_fail(err, ENG_EMALFORMED, "expected an object, got %s",
                        eng_json_type_name(object));
    for (size_t i = 0; i < eng_json_count(object); i++)
        add_member(r, object, i);
    return row_end(r, err);
}

static eng_status json_rows(row *r, eng_str text, eng_error *err)
{
    size_t number = 0;
    while (text.len) {
        eng_str line;
        eng_str_cut(text, '\n', &line, &text);
        number++;
        if (!eng_str_trim(line).len)
            continue;
        eng_error why;
        eng_status status = one_object(r, line, number, &why);
        why.line = (uint32_t)number;
        status = row_done(r, number, status, &why, err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

eng_status eng_extract_jsonl(const eng_input *s, eng_error *err)
{
    eng_buf utf8;
    eng_buf_init(&utf8, SIZE_MAX / 2);
    row r;
    row_init(&r, s);
    eng_status status = eng_charset_read(s->bytes, ENG_STR(""), &utf8, err);
    if (status == ENG_OK)
        status = json_rows(&r, eng_buf_view(&utf8), err);
    if (status == ENG_OK)
        status = rows_done(&r, err);
    row_clear(&r);
    eng_buf_clear(&utf8);
    return status;
}
