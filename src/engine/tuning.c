/* How a collection is searched and asked where a question does not say: see knowledge.h. */
#include "base/error.h"
#include "engine/knowledge.h"

enum { TOP_K_MAX = 1000 };

static const char *const weight_names[ENG_MODES] = {
    [ENG_MODE_BM25] = "bm25", [ENG_MODE_GRAMS] = "grams", [ENG_MODE_DENSE] = "dense"};

static bool has_weights(const eng_tuning *t)
{
    return t->weight[ENG_MODE_BM25] + t->weight[ENG_MODE_GRAMS] + t->weight[ENG_MODE_DENSE] > 0;
}

/* ---- Writing ---- */

static void write_number(eng_json_writer *w, const char *name, double value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_double(w, value);
}

void eng_tuning_write(eng_json_writer *w, const eng_tuning *t)
{
    eng_json_open(w, '{');
    if (has_weights(t)) {
        eng_json_name(w, ENG_STR("weights"));
        eng_json_open(w, '{');
        for (size_t m = 0; m < ENG_MODES; m++)
            write_number(w, weight_names[m], t->weight[m]);
        eng_json_close(w, '}');
    }
    if (t->threshold > 0)
        write_number(w, "threshold", t->threshold);
    if (t->confidence > 0)
        write_number(w, "confidence", t->confidence);
    if (t->top_k) {
        eng_json_name(w, ENG_STR("top_k"));
        eng_json_uint(w, t->top_k);
    }
    if (t->rerank) {
        eng_json_name(w, ENG_STR("rerank"));
        eng_json_bool(w, true);
    }
    eng_json_close(w, '}');
}

/* ---- Reading ---- */

static eng_status wrong(const char *name, const char *expected, eng_error *err)
{
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("settings"), "%s: expected %s", name,
                          expected);
}

/* 0 to 1; what is absent or null stays as it is. */
static eng_status read_share(const eng_json *object, const char *name, double *out, eng_error *err)
{
    double n;
    const eng_json *v = eng_json_get(object, eng_str_of(name));
    if (!v || eng_json_is(v, ENG_JSON_NULL))
        return ENG_OK;
    if (!eng_json_number(v, &n) || !(n >= 0 && n <= 1))
        return wrong(name, "a number from 0 to 1", err);
    *out = n;
    return ENG_OK;
}

static eng_status read_weights(const eng_json *v, eng_tuning *t, eng_error *err)
{
    eng_status status = ENG_OK;
    if (!v || eng_json_is(v, ENG_JSON_NULL))
        return ENG_OK;
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return wrong("weights", "an object with bm25, grams and dense", err);
    for (size_t m = 0; m < ENG_MODES && status == ENG_OK; m++)
        status = read_share(v, weight_names[m], &t->weight[m], err);
    if (status == ENG_OK && !has_weights(t))
        status = wrong("weights", "one of bm25, grams and dense above 0", err);
    return status;
}

/* A name that is misspelt would be passed over in silence. */
static eng_status check_names(const eng_json *v, eng_error *err)
{
    static const char *const known[] = {"weights", "threshold", "confidence", "top_k", "rerank"};
    for (size_t i = 0; i < eng_json_count(v); i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            found |= eng_str_eq(eng_json_key(v, i), eng_str_of(known[k]));
        if (!found)
            return eng_fail_field(err, ENG_EINVALID, ENG_STR("settings"), "no setting '%.*s'",
                                  ENG_FMT(eng_str_sub(eng_json_key(v, i), 0, 100)));
    }
    return ENG_OK;
}

eng_status eng_tuning_read(const eng_json *v, eng_tuning *out, eng_error *err)
{
    eng_tuning t = {0};
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("settings"), "expected an object");
    const eng_json *top_k = eng_json_get(v, ENG_STR("top_k"));
    const eng_json *rerank = eng_json_get(v, ENG_STR("rerank"));
    eng_status status = check_names(v, err);
    if (status == ENG_OK)
        status = read_weights(eng_json_get(v, ENG_STR("weights")), &t, err);
    if (status == ENG_OK)
        status = read_share(v, "threshold", &t.threshold, err);
    if (status == ENG_OK)
        status = read_share(v, "confidence", &t.confidence, err);
    if (status < 0)
        return status;
    if (top_k && !eng_json_is(top_k, ENG_JSON_NULL)) {
        if (!eng_json_is(top_k, ENG_JSON_INT) || top_k->as.integer < 1 ||
            top_k->as.integer > TOP_K_MAX)
            return wrong("top_k", "an integer from 1 to 1000", err);
        t.top_k = (unsigned)top_k->as.integer;
    }
    if (rerank && !eng_json_is(rerank, ENG_JSON_NULL)) {
        if (!eng_json_is(rerank, ENG_JSON_BOOL))
            return wrong("rerank", "true or false", err);
        t.rerank = rerank->as.boolean;
    }
    *out = t;
    return ENG_OK;
}

/* ---- With what was before ---- */

eng_status eng_tuned_read(eng_str settings, eng_arena *arena, eng_tuned *out, eng_error *err)
{
    const eng_json *v;
    *out = (eng_tuned){.before_cut = {NULL, 0}};
    if (settings.len <= 2) /* "{}": most collections are as they came */
        return ENG_OK;
    eng_status status = eng_json_read(settings, NULL, arena, &v, err);
    if (status < 0)
        return status;
    const eng_json *now = eng_json_get(v, ENG_STR("tuning"));
    const eng_json *before = eng_json_get(v, ENG_STR("before"));
    if (now)
        status = eng_tuning_read(now, &out->now, err);
    if (status == ENG_OK && before) {
        const eng_json *cut = eng_json_get(before, ENG_STR("cut"));
        out->has_before = true;
        status = eng_tuning_read(eng_json_get(before, ENG_STR("tuning")), &out->before, err);
        if (cut)
            out->before_cut = eng_json_text(cut);
    }
    return status;
}

eng_status eng_tuned_write(const eng_tuned *t, eng_arena *arena, eng_str *out, eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, 1 << 16);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_open(&w, '{');
    eng_json_name(&w, ENG_STR("tuning"));
    eng_tuning_write(&w, &t->now);
    if (t->has_before) {
        eng_json_name(&w, ENG_STR("before"));
        eng_json_open(&w, '{');
        eng_json_name(&w, ENG_STR("tuning"));
        eng_tuning_write(&w, &t->before);
        if (t->before_cut.ptr)
            eng_json_member(&w, "cut", t->before_cut);
        eng_json_close(&w, '}');
    }
    eng_json_close(&w, '}');
    eng_status status = eng_buf_check(&text, "settings", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(arena, eng_buf_view(&text));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}
