/* engenho.h's looking into files of models and predicting files of rows: learn/ does the work. Rows go
 * through in groups, so memory is that of a group; the file itself is mapped. */
#include "base/arena.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "engenho.h"
#include "format/format.h"
#include "learn/table.h"
#include "json/json.h"

#include <math.h>

enum { GROUP = 1024, OUT_PIECE = 64 << 10, INSPECT_MAX = 64 << 20 };

eng_status eng_inspect(const char *path, bool json, char **text, eng_error *err)
{
    eng_mapping file;
    eng_buf out;
    eng_status status = eng_mapping_open(path, &file, err);
    if (status != ENG_OK)
        return status;
    eng_buf_init(&out, INSPECT_MAX);
    status = eng_table_inspect((eng_str){(const char *)file.data, file.len}, json, &out, err);
    if (status == ENG_OK || status == ENG_EFORBIDDEN)
        *text = eng_buf_take(&out, NULL);
    eng_buf_clear(&out);
    eng_mapping_close(&file);
    return status;
}

void eng_inspected_free(char *text) { eng_free(text); }

/* ---- A group of rows ---- */

typedef struct {
    const eng_foresight *what;
    eng_plan *plan;
    eng_plan_scratch *scratch;
    const eng_plan_field *fields;
    const eng_plan_results *about;
    size_t field_count, shares;
    double *numbers, *predicted, *probabilities;
    eng_str *texts;
    eng_plan_column *columns;
    eng_arena arena; /* texts of the group */
    size_t rows;
    const char *bad[GROUP]; /* why a row cannot be predicted; NULL: it can */
    uint64_t done, bad_count;
    eng_buf out;
    eng_error *err;
} run;

static eng_status make_room(run *r)
{
    bool has = false;
    r->fields = eng_plan_fields(r->plan, &r->field_count);
    r->about = eng_plan_about(r->plan, &has);
    r->shares = has && r->what->probabilities ? r->about->class_count : 0;
    size_t cells = 0, wide = has ? r->about->class_count : 0;
    if (!eng_mul(r->field_count, GROUP, &cells))
        return eng_fail_nomem(r->err);
    r->numbers = eng_alloc_array(cells, sizeof *r->numbers);
    r->texts = eng_alloc_array(cells, sizeof *r->texts);
    r->columns = eng_alloc_array(r->field_count, sizeof *r->columns);
    r->predicted = eng_alloc_array(r->about->count * GROUP, sizeof *r->predicted);
    r->probabilities = eng_alloc_array(wide * GROUP, sizeof *r->probabilities);
    if (!r->numbers || !r->texts || !r->columns || !r->predicted || !r->probabilities)
        return eng_fail_nomem(r->err);
    return eng_plan_scratch_new(r->plan, GROUP, &r->scratch, r->err);
}

static void clear(run *r)
{
    eng_plan_scratch_free(r->scratch);
    eng_free(r->numbers);
    eng_free(r->texts);
    eng_free(r->columns);
    eng_free(r->predicted);
    eng_free(r->probabilities);
    eng_buf_clear(&r->out);
    eng_arena_clear(&r->arena);
    eng_plan_free(r->plan);
}

static void spoil(run *r, size_t row, const char *why)
{
    if (r->bad[row])
        return;
    eng_str kept = eng_arena_copy(&r->arena, eng_str_of(why));
    r->bad[row] = kept.ptr ? kept.ptr : "out of memory";
}

static bool is_missing(eng_str text)
{
    static const char *const words[] = {"", "NA", "NaN", "nan", "null", "None"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (eng_str_eq(text, eng_str_of(words[i])))
            return true;
    return false;
}

/* A cell as text, of a field of either type. */
static void put_text(run *r, size_t field, eng_str text)
{
    size_t at = field * GROUP + r->rows;
    const eng_plan_field *f = &r->fields[field];
    char why[160];
    if (f->type == ENG_PLAN_TEXT) {
        r->texts[at] = text.len ? eng_arena_copy(&r->arena, text) : (eng_str){NULL, 0};
        return;
    }
    text = eng_str_trim(text);
    if (is_missing(text)) {
        r->numbers[at] = NAN;
    } else if (eng_str_eq_nocase(text, ENG_STR("true")) ||
               eng_str_eq_nocase(text, ENG_STR("false"))) {
        r->numbers[at] = text.len == 4;
    } else if (!eng_number_read(text, &r->numbers[at])) {
        snprintf(why, sizeof why, "%.*s: expected a number, got '%.*s'",
                 ENG_FMT(eng_str_sub(f->name, 0, 60)), ENG_FMT(eng_str_sub(text, 0, 40)));
        spoil(r, r->rows, why);
    }
}

static void put_json(run *r, size_t field, const eng_json *v)
{
    size_t at = field * GROUP + r->rows;
    const eng_plan_field *f = &r->fields[field];
    char why[160];
    bool null = eng_json_is(v, ENG_JSON_NULL), text = eng_json_is(v, ENG_JSON_STRING);
    r->numbers[at] = NAN;
    r->texts[at] = (eng_str){NULL, 0};
    if (v && (null || (f->type == ENG_PLAN_TEXT ? text : eng_json_number(v, &r->numbers[at])))) {
        if (text)
            r->texts[at] = eng_arena_copy(&r->arena, eng_json_text(v));
        return;
    }
    snprintf(why, sizeof why, "%.*s: expected %s, got %s", ENG_FMT(eng_str_sub(f->name, 0, 60)),
             f->type == ENG_PLAN_TEXT ? "text" : "a number", v ? eng_json_type_name(v) : "nothing");
    spoil(r, r->rows, why);
}

/* ---- What comes out ---- */

static void put_quoted(eng_buf *out, eng_str text)
{
    eng_buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            eng_buf_byte(out, '"');
        eng_buf_byte(out, text.ptr[i]);
    }
    eng_buf_byte(out, '"');
}

static void put_number(eng_buf *out, double v)
{
    char text[32];
    if (isfinite(v))
        eng_buf_bytes(out, text, eng_number_print(v, text));
}

static void put_class(run *r, double predicted, eng_json_writer *w)
{
    const eng_plan_label *label = &r->about->classes[(size_t)predicted];
    bool text = label->type == ENG_PLAN_LABEL_TEXT, boolean = label->type == ENG_PLAN_LABEL_BOOL;
    if (w && text)
        eng_json_string(w, label->text);
    else if (w && boolean)
        eng_json_bool(w, label->number != 0);
    else if (w && label->type == ENG_PLAN_LABEL_INT)
        eng_json_int(w, (int64_t)label->number);
    else if (w)
        eng_json_double(w, label->number);
    else if (text)
        put_quoted(&r->out, label->text);
    else if (boolean)
        eng_buf_str(&r->out, label->number != 0 ? ENG_STR("true") : ENG_STR("false"));
    else if (label->type == ENG_PLAN_LABEL_INT)
        eng_buf_format(&r->out, "%lld", (long long)label->number);
    else
        put_number(&r->out, label->number);
}

static void put_heading(run *r)
{
    bool one = r->about->count == 1;
    for (size_t j = 0; j < r->about->count; j++) {
        if (one)
            eng_buf_str(&r->out, ENG_STR("prediction"));
        else
            eng_buf_format(&r->out, "%sprediction_%zu", j ? "," : "", j);
    }
    for (size_t j = 0; j < r->shares; j++) {
        const eng_plan_label *label = &r->about->classes[j];
        if (label->type == ENG_PLAN_LABEL_TEXT) {
            eng_buf_str(&r->out, ENG_STR(",\"probability_"));
            eng_buf_str(&r->out, label->text);
            eng_buf_byte(&r->out, '"');
        } else {
            eng_buf_str(&r->out, ENG_STR(",probability_"));
            put_class(r, (double)j, NULL);
        }
    }
    eng_buf_byte(&r->out, '\n');
}

static void put_csv(run *r, size_t row)
{
    bool classes = r->about->task == ENG_PLAN_CLASSIFICATION;
    if (r->bad[row])
        eng_buf_str(&r->out, ENG_STR("\"\""));
    for (size_t j = 0; j < r->about->count + r->shares; j++) {
        size_t share = j - r->about->count;
        if (j)
            eng_buf_byte(&r->out, ',');
        if (r->bad[row])
            continue;
        if (j >= r->about->count)
            put_number(&r->out, r->probabilities[row * r->shares + share]);
        else if (classes)
            put_class(r, r->predicted[row * r->about->count + j], NULL);
        else
            put_number(&r->out, r->predicted[row * r->about->count + j]);
    }
    eng_buf_byte(&r->out, '\n');
}

/* Of several outputs a list each. */
static void put_shares(const run *r, size_t row, eng_json_writer *w)
{
    const size_t *ends = r->about->class_ends;
    size_t output = 0;
    eng_json_open(w, '[');
    for (size_t j = 0; j < r->shares; j++) {
        if (ends && j == (output ? ends[output - 1] : 0))
            eng_json_open(w, '[');
        eng_json_double(w, r->probabilities[row * r->shares + j]);
        if (ends && j + 1 == ends[output]) {
            eng_json_close(w, ']');
            output++;
        }
    }
    eng_json_close(w, ']');
}

static void put_line(run *r, size_t row)
{
    eng_json_writer w = eng_json_write_to(&r->out);
    size_t n = r->about->count;
    eng_json_open(&w, '{');
    if (r->bad[row]) {
        eng_json_member(&w, "error", eng_str_of(r->bad[row]));
    } else {
        eng_json_name(&w, ENG_STR("prediction"));
        if (n > 1)
            eng_json_open(&w, '[');
        for (size_t j = 0; j < n; j++) {
            if (r->about->task == ENG_PLAN_CLASSIFICATION)
                put_class(r, r->predicted[row * n + j], &w);
            else
                eng_json_double(&w, r->predicted[row * n + j]);
        }
        if (n > 1)
            eng_json_close(&w, ']');
        if (r->shares) {
            eng_json_name(&w, ENG_STR("probabilities"));
            put_shares(r, row, &w);
        }
    }
    eng_json_close(&w, '}');
    eng_buf_byte(&r->out, '\n');
}

static eng_status send(run *r)
{
    eng_status status = eng_buf_check(&r->out, "predictions", r->err);
    if (status == ENG_OK && r->out.len)
        status = r->what->write(r->what->ctx, r->out.data, r->out.len, r->err);
    eng_buf_reset(&r->out);
    return status;
}

/* ---- Predicting ---- */

static eng_status predict_rows(run *r, size_t first, size_t rows, eng_error *err)
{
    for (size_t i = 0; i < r->field_count; i++)
        r->columns[i] = (eng_plan_column){r->numbers + i * GROUP + first,
                                          r->texts + i * GROUP + first};
    double *shares = r->shares ? r->probabilities + first * r->shares : NULL;
    return eng_plan_predict(r->plan, r->columns, rows, r->predicted + first * r->about->count,
                            shares, r->scratch, err);
}

/* All at once; where one of them is not to be predicted, each by itself. */
static eng_status finish_group(run *r)
{
    eng_error why = {0};
    bool whole = true;
    for (size_t i = 0; i < r->rows; i++)
        whole = whole && !r->bad[i];
    eng_status status = whole ? predict_rows(r, 0, r->rows, &why) : ENG_EINVALID;
    for (size_t i = 0; i < r->rows && status == ENG_EINVALID; i++) {
        eng_status one = r->bad[i] ? ENG_OK : predict_rows(r, i, 1, &why);
        if (one == ENG_EINVALID)
            spoil(r, i, why.message);
        else if (one != ENG_OK)
            status = one;
    }
    if (status != ENG_OK && status != ENG_EINVALID) {
        if (r->err)
            *r->err = why;
        return status;
    }
    for (size_t i = 0; i < r->rows; i++) {
        if (r->bad[i] && r->what->bad)
            r->what->bad(r->what->ctx, r->done + i + 1, r->bad[i]);
        r->bad_count += r->bad[i] != NULL;
        if (r->what->json)
            put_line(r, i);
        else
            put_csv(r, i);
    }
    r->done += r->rows;
    r->rows = 0;
    memset(r->bad, 0, sizeof r->bad);
    eng_arena_reset(&r->arena);
    return send(r);
}

static eng_status end_row(run *r, size_t at, size_t total)
{
    if (++r->rows < GROUP)
        return ENG_OK;
    eng_status status = finish_group(r);
    if (r->what->progress)
        r->what->progress(r->what->ctx, at, total);
    return status;
}

/* Which column of the file each field is; a field that has none is an error that names it. */
static eng_status match(run *r, const eng_csv_row *heading, size_t *place)
{
    for (size_t i = 0; i < r->field_count; i++) {
        place[i] = SIZE_MAX;
        for (size_t j = 0; j < heading->count; j++)
            if (eng_str_eq(eng_str_trim(heading->fields[j]), r->fields[i].name))
                place[i] = j;
        if (place[i] == SIZE_MAX)
            return eng_fail_field(r->err, ENG_EINVALID, r->fields[i].name,
                                  "the heading of '%s' has no such column", r->what->data);
    }
    return ENG_OK;
}

static eng_status read_csv(run *r, eng_str bytes)
{
    eng_csv csv;
    eng_csv_row row = {0};
    size_t *place = eng_alloc_array(r->field_count, sizeof *place);
    eng_csv_init(&csv, bytes, 0);
    eng_status status = place ? eng_csv_next(&csv, &row, r->err) : eng_fail_nomem(r->err);
    if (status == ENG_OK)
        status = match(r, &row, place);
    if (status == ENG_OK && !r->what->json)
        put_heading(r);
    while (status == ENG_OK) {
        eng_error why = {0};
        eng_status read = eng_csv_next(&csv, &row, &why);
        if (read == ENG_OK && !row.count)
            break;
        if (read == ENG_ENOMEM) {
            status = eng_fail_nomem(r->err);
            break;
        }
        if (read != ENG_OK)
            spoil(r, r->rows, why.message);
        for (size_t i = 0; i < r->field_count; i++)
            put_text(r, i,
                     read == ENG_OK && place[i] < row.count ? row.fields[place[i]] : ENG_STR(""));
        status = end_row(r, csv.at, bytes.len);
    }
    eng_csv_clear(&csv);
    eng_free(place);
    return status;
}

static eng_status read_lines(run *r, eng_str bytes)
{
    eng_str line, rest = bytes;
    eng_status status = ENG_OK;
    if (!r->what->json)
        put_heading(r);
    for (bool more = true; more && status == ENG_OK;) {
        eng_error why = {0};
        const eng_json *v = NULL;
        more = eng_str_cut(rest, '\n', &line, &rest);
        if (!eng_str_trim(line).len)
            continue;
        eng_status read = eng_json_read(line, NULL, &r->arena, &v, &why);
        if (read == ENG_ENOMEM)
            return eng_fail_nomem(r->err);
        if (read != ENG_OK)
            spoil(r, r->rows, why.message);
        for (size_t i = 0; i < r->field_count; i++)
            put_json(r, i, eng_json_get(v, r->fields[i].name));
        status = end_row(r, bytes.len - rest.len, bytes.len);
    }
    return status;
}

static eng_status load(run *r)
{
    eng_mapping file;
    eng_status status = eng_mapping_open(r->what->model, &file, r->err);
    if (status != ENG_OK)
        return status;
    status = eng_table_plan((eng_str){(const char *)file.data, file.len}, &r->plan, r->err);
    eng_mapping_close(&file);
    if (status != ENG_OK)
        eng_error_prefix(r->err, "model '%s'", r->what->model);
    return status;
}

eng_status eng_foresee(const eng_foresight *what, uint64_t *rows, uint64_t *bad, eng_error *err)
{
    eng_mapping file = {0};
    eng_str path = eng_str_of(what->data);
    run *r = eng_zalloc(sizeof *r);
    if (!r)
        return eng_fail_nomem(err);
    r->what = what;
    r->err = err;
    eng_arena_init(&r->arena, OUT_PIECE, NULL);
    eng_buf_init(&r->out, (size_t)1 << 32);
    eng_status status = load(r);
    if (status == ENG_OK)
        status = make_room(r);
    if (status == ENG_OK)
        status = eng_mapping_open(what->data, &file, err);
    if (status == ENG_OK) {
        eng_str bytes = {(const char *)file.data, file.len};
        bool lines = eng_str_ends(path, ENG_STR(".ndjson")) ||
                     eng_str_ends(path, ENG_STR(".jsonl"));
        status = lines ? read_lines(r, bytes) : read_csv(r, bytes);
        if (status == ENG_OK)
            status = finish_group(r);
        eng_mapping_close(&file);
    }
    if (status == ENG_OK) {
        *rows = r->done;
        *bad = r->bad_count;
    }
    clear(r);
    eng_free(r);
    return status;
}
