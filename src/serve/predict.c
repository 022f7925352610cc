/* Predicting, and keeping what was predicted before anybody is told of it. */
#include "serve/predict.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"

#include <math.h>

enum { PREDICTED_MAX = 256 << 20 };

/* ---- Predicting ---- */

static bool array_of(eng_arena *arena, size_t rows, size_t width, double **out)
{
    size_t cells, bytes;
    if (!eng_mul(rows, width, &cells) || !eng_mul(cells, sizeof **out, &bytes))
        return false;
    *out = eng_arena_alloc(arena, bytes);
    return *out != NULL;
}

static eng_str nearest_category(const eng_feature *input, eng_str value)
{
    unsigned best = (unsigned)(value.len < 4 ? 1 : value.len < 9 ? 2 : 3) + 1;
    eng_str found = {"", 0};
    for (size_t i = 0; i < input->category_count && i < 4096; i++) {
        unsigned d = eng_str_distance(input->categories[i], value);
        if (d < best) {
            best = d;
            found = input->categories[i];
        }
    }
    return found;
}

/* What the model refused, in the words of the request. */
static eng_status explain(const eng_predicting *p, const eng_error *why, eng_error *err)
{
    const eng_predictor_info *info = p->rows.info;
    size_t at = 0, row = why->line ? why->line - 1 : 0;
    while (at < info->input_count && !eng_str_eq(info->inputs[at].name, eng_str_of(why->field)))
        at++;
    if (err)
        *err = *why;
    if (why->status != ENG_EINVALID || at == info->input_count || row >= p->rows.rows)
        return why->status;
    const eng_feature *in = &info->inputs[at];
    eng_str value = in->text ? p->rows.columns[at].texts[row] : (eng_str){NULL, 0};
    if (!value.ptr || in->unknown || !in->category_count)
        return why->status;
    eng_str near = nearest_category(in, value), shown = eng_str_sub(value, 0, 100);
    if (near.len)
        return eng_fail_field(err, ENG_EINVALID, in->name,
                              "the model does not know '%.*s': did you mean '%.*s'?",
                              ENG_FMT(shown), ENG_FMT(eng_str_sub(near, 0, 100)));
    return eng_fail_field(
        err, ENG_EINVALID, in->name, "the model does not know '%.*s'; it knows '%.*s' and %zu more",
        ENG_FMT(shown), ENG_FMT(eng_str_sub(in->categories[0], 0, 100)), in->category_count - 1);
}

eng_status eng_predict_rows(eng_predicting *p, bool shares, eng_arena *arena, eng_error *err)
{
    const eng_predictor_info *info = p->rows.info;
    eng_error why = {0};
    p->shares = NULL;
    if (!array_of(arena, p->rows.rows, info->outputs, &p->predicted) ||
        (shares && info->has_shares &&
         !array_of(arena, p->rows.rows, info->class_count, &p->shares)))
        return eng_fail_nomem(err);
    eng_status status = eng_predict(p->predictor, p->rows.columns, p->rows.rows, p->predicted,
                                    p->shares, &why);
    p->ns = eng_clock_ns() - p->started_ns;
    return status < 0 ? explain(p, &why, err) : ENG_OK;
}

/* ---- Writing ---- */

void eng_write_label(eng_json_writer *w, const eng_label *label)
{
    switch (label->type) {
    case ENG_LABEL_INT:
        eng_json_int(w, (int64_t)label->number);
        break;
    case ENG_LABEL_DOUBLE:
        eng_json_double(w, label->number);
        break;
    case ENG_LABEL_BOOL:
        eng_json_bool(w, label->number != 0);
        break;
    case ENG_LABEL_TEXT:
        eng_json_string(w, label->text);
        break;
    }
}

void eng_write_value(eng_json_writer *w, const eng_predictor_info *info, double value)
{
    if (info->classifies && value >= 0 && value < (double)info->class_count)
        eng_write_label(w, &info->classes[(size_t)value]);
    else
        eng_json_double(w, value);
}

void eng_write_predicted(eng_json_writer *w, const eng_predicting *p, size_t row)
{
    const eng_predictor_info *info = p->rows.info;
    const double *values = p->predicted + row * info->outputs;
    if (info->outputs == 1) {
        eng_write_value(w, info, values[0]);
        return;
    }
    eng_json_open(w, '[');
    for (size_t i = 0; i < info->outputs; i++)
        eng_write_value(w, info, values[i]);
    eng_json_close(w, ']');
}

/* ---- Keeping ---- */

/* Without blanks between its parts, so that an entry is one line wherever it is shown. The text is
 * well-formed. */
static eng_str packed(eng_str json, eng_arena *arena)
{
    char *to = eng_arena_alloc(arena, json.len + 1), *at = to;
    bool quoted = false;
    for (size_t i = 0; to && i < json.len; i++) {
        char c = json.ptr[i];
        if (!quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t'))
            continue;
        *at++ = c;
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && i + 1 < json.len)
            *at++ = json.ptr[++i];
    }
    return to ? (eng_str){to, (size_t)(at - to)} : (eng_str){NULL, 0};
}

static eng_status keep(const eng_predicting *p, eng_request *req, eng_error *err)
{
    const eng_predictor_info *info = p->rows.info;
    eng_str body;
    eng_buf text;
    eng_status status = eng_exchange_body(eng_req_exchange(req), &body, err);
    if (status < 0)
        return status;
    eng_buf_init(&text, PREDICTED_MAX);
    eng_json_writer w = eng_json_write_to(&text);
    if (p->rows.many)
        eng_json_open(&w, '[');
    for (size_t i = 0; i < p->rows.rows; i++)
        eng_write_predicted(&w, p, i);
    if (p->rows.many)
        eng_json_close(&w, ']');
    eng_prediction entry = {
        .model = eng_str_of(info->name),
        .version = info->version,
        .rows = (uint32_t)p->rows.rows,
        .ns = p->ns,
        .input = packed(body, eng_req_arena(req)),
        .predicted = eng_buf_view(&text),
    };
    status = entry.input.ptr ? eng_buf_check(&text, "predictions", err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_prediction_keep(eng_req_engine(req), &entry, err);
    eng_buf_clear(&text);
    return status;
}

static void on_durable(void *ctx, const eng_error *err) { eng_reply_finish(ctx, err); }

eng_status eng_predict_finish(eng_predicting *p, eng_request *req, eng_reply *out, eng_error *err)
{
    eng *e = eng_req_engine(req);
    eng_status status = keep(p, req, err);
    if (status < 0 || eng_prediction_durable(e, NULL))
        return status;
    eng_prediction_wait *wait = eng_arena_zalloc(eng_req_arena(req), sizeof *wait);
    eng_reply *later = wait ? eng_reply_later(out) : NULL;
    if (!later)
        return eng_fail_nomem(err);
    *wait = (eng_prediction_wait){.done = on_durable, .ctx = later};
    if (eng_prediction_durable(e, wait))
        eng_reply_finish(later, NULL);
    return ENG_OK;
}
