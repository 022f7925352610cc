/* From a value to a plan: which estimator, which inputs, which results. */
#include "learn/sklearn_internal.h"

#include <math.h>

/* ---- By name -------------------------------------------------------------------------------------- */

static const eng_sk_row *const tables[] = {
    eng_sk_linear_rows,  eng_sk_tree_rows,  eng_sk_meta_rows,   eng_sk_near_rows,
    eng_sk_several_rows, eng_sk_scale_rows, eng_sk_encode_rows, eng_sk_compose_rows,
    eng_sk_boost_rows,   eng_sk_text_rows,  eng_sk_gauss_rows,  eng_sk_process_rows,
    eng_sk_matrix_rows,  eng_sk_impute_rows};

const eng_sk_row *eng_sk_find(const eng_py *e)
{
    eng_str class = eng_py_class(e);
    if (!eng_py_is(e, ENG_PY_OBJECT) ||
        (!eng_str_starts(eng_py_module(e), ENG_STR("sklearn.")) && !eng_sk_is_boost(e)))
        return NULL;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const eng_sk_row *r = tables[t]; r->class; r++)
            if (eng_str_eq(class, eng_str_of(r->class)))
                return r;
    return NULL;
}

bool eng_sk_passes(const eng_py *e)
{
    eng_str text;
    return eng_py_none(e) || (eng_py_text(e, &text) && eng_str_eq(text, ENG_STR("passthrough")));
}

/* "1.5.2" is 1005. Estimators within others have none of their own and keep the one around them. */
static unsigned version_of(const eng_py *e, unsigned around)
{
    eng_str text, major, minor, rest;
    uint64_t a = 0, b = 0;
    if (!eng_py_text(eng_py_attr(e, "_sklearn_version"), &text) ||
        !eng_str_cut(text, '.', &major, &rest))
        return around;
    (void)eng_str_cut(rest, '.', &minor, &rest);
    while (minor.len && (minor.ptr[minor.len - 1] < '0' || minor.ptr[minor.len - 1] > '9'))
        minor.len--;
    if (!eng_str_u64(major, &a) || !eng_str_u64(minor, &b) || a > 1000 || b > 999)
        return around;
    return (unsigned)(a * 1000 + b);
}

/* One level further in; false where that is too deep. */
static bool descend(eng_sk *s, const eng_py *e)
{
    if (++s->depth <= ENG_SK_DEPTH)
        return eng_sk_ok(s);
    eng_sk_fail(s, e, "estimators within estimators, deeper than %d", ENG_SK_DEPTH);
    return false;
}

void eng_sk_predict(eng_sk *s, const eng_py *e, eng_sk_cols x, eng_sk_out *out)
{
    unsigned around = s->version;
    const eng_sk_row *row = eng_sk_find(e);
    s->version = version_of(e, around);
    if (descend(s, e)) {
        if (row && row->predict)
            row->predict(s, e, x, out);
        else
            eng_sk_fail(s, e, "%s", row ? "it predicts nothing" : "an estimator that is not known");
    }
    s->depth--;
    s->version = around;
}

eng_sk_cols eng_sk_transform(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    unsigned around = s->version;
    eng_sk_cols out = {NULL, 0};
    const eng_sk_row *row = eng_sk_find(e);
    if (eng_sk_passes(e))
        return x;
    s->version = version_of(e, around);
    if (descend(s, e)) {
        if (row && row->transform)
            out = row->transform(s, e, x);
        else
            eng_sk_fail(s, e, "%s",
                        row ? "it transforms nothing" : "a transformer that is not known");
        if (eng_sk_ok(s) && !out.n)
            eng_sk_fail(s, e, "nothing comes out of it");
    }
    s->depth--;
    s->version = around;
    return out;
}

/* ---- What goes in ----------------------------------------------------------------------------------- */

/* The estimator within `e` that sees its columns first; NULL: none. */
static const eng_py *inner_of(const eng_py *e)
{
    const eng_py *steps = eng_py_attr(e, "steps");
    for (size_t i = 0; i < eng_py_count(steps); i++) {
        const eng_py *step = eng_py_at(eng_py_at(steps, i), 1);
        if (!eng_sk_passes(step))
            return step;
    }
    static const char *const names[] = {"best_estimator_", "estimator_", "regressor_",
                                        "base_estimator_", "estimator"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const eng_py *inner = eng_py_attr(e, names[i]);
        if (eng_py_is(inner, ENG_PY_OBJECT))
            return inner;
    }
    const eng_py *list = eng_sk_attr(e, "estimators_");
    const eng_py *calibrated = eng_py_at(eng_py_attr(e, "calibrated_classifiers_"), 0);
    if (calibrated)
        return eng_sk_attr(calibrated, "estimator base_estimator");
    const eng_py *pair = eng_py_at(eng_py_attr(e, "transformer_list"), 0);
    if (pair)
        return eng_py_at(pair, 1);
    /* Those of a bagging see other columns than it does. */
    return eng_py_attr(e, "estimators_features_") ? NULL : eng_py_at(list, 0);
}

bool eng_sk_features(const eng_py *e, size_t *out)
{
    int64_t n = 0;
    const eng_py *v = eng_sk_attr(e, "n_features_in_ _n_features n_features_");
    if (!eng_py_integer(v, &n) || n < 0)
        return false;
    *out = (size_t)n;
    return true;
}

const eng_py *eng_sk_names(const eng_py *e)
{
    const eng_py *v = eng_sk_attr(e, "feature_names_in_ _feature_names_in _df_columns");
    if (eng_py_is_a(v, "_new_Index") || eng_py_is_a(v, "Index"))
        v = eng_py_attr(eng_py_at(v->as.object->args, 1), "data");
    return eng_py_is(v, ENG_PY_ARRAY) ? v : NULL;
}

/* The first step of a model that takes one text, which has no name of its own. */
static bool first_reads_text(const eng_py *e)
{
    for (unsigned i = 0; e && i < ENG_SK_DEPTH; i++, e = inner_of(e))
        if (eng_str_ends(eng_py_class(e), ENG_STR("Vectorizer")))
            return true;
    return false;
}

/* How many features a model takes, asked of it and of who sees them first. */
static bool count_features(const eng_py *e, size_t *out, const eng_py **names)
{
    *names = NULL;
    for (unsigned i = 0; e && i < ENG_SK_DEPTH; i++, e = inner_of(e)) {
        if (!*names)
            *names = eng_sk_names(e);
        if (eng_sk_features(e, out))
            return true;
        const eng_py *many = eng_sk_attr(e, "categories_ bin_edges_ mean_ scale_ statistics_");
        if (eng_py_count(many) || eng_py_is(many, ENG_PY_ARRAY)) {
            *out = eng_py_is(many, ENG_PY_ARRAY) ? many->as.array->count : eng_py_count(many);
            return true;
        }
        if (eng_py_is_a(e, "LabelEncoder") || eng_py_is_a(e, "IsotonicRegression") ||
            eng_str_ends(eng_py_class(e), ENG_STR("Vectorizer"))) {
            *out = 1;
            return true;
        }
    }
    return false;
}

/* The DictVectorizer that a model begins with; NULL: none. */
static const eng_py *first_dict(const eng_py *e)
{
    for (unsigned i = 0; e && i < ENG_SK_DEPTH; i++, e = inner_of(e))
        if (eng_py_is_a(e, "DictVectorizer"))
            return e;
    return NULL;
}

static bool name_fields(eng_sk *s, const eng_py *dict)
{
    eng_str *fields = NULL;
    size_t n = eng_sk_dict_fields(s, dict, &fields);
    if (!n || n > ENG_PLAN_INPUTS) {
        eng_sk_fail(s, dict, "it has %zu fields: is it fitted?", n);
        return false;
    }
    s->inputs = eng_sk_alloc(s, n, sizeof *s->inputs);
    s->input_count = s->inputs ? n : 0;
    for (size_t i = 0; i < s->input_count; i++)
        s->inputs[i].name = fields[i];
    return s->inputs != NULL;
}

static bool name_inputs(eng_sk *s, const eng_py *names, const eng_py *listed)
{
    size_t n = names ? names->as.array->count : eng_py_count(listed);
    if (names && n != s->input_count) {
        eng_plan_fail(s->b, ENG_EMALFORMED, "it has %zu names for %zu features", n, s->input_count);
        return false;
    }
    for (size_t i = 0; n == s->input_count && i < n; i++) {
        eng_str name = {0};
        bool text = names ? eng_py_element_text(names->as.array, i, &s->arena, &name)
                          : eng_py_text(eng_py_at(listed, i), &name);
        if (text && name.ptr)
            s->inputs[i].name = name;
    }
    return true;
}

static eng_sk_cols inputs(eng_sk *s)
{
    eng_sk_cols x = eng_sk_columns(s, s->input_count);
    for (size_t i = 0; i < x.n; i++) {
        const eng_sk_input *in = s->inputs + i;
        const eng_plan_field f = {.name = in->name,
                                  .type = in->text && !s->dry ? ENG_PLAN_TEXT : ENG_PLAN_NUMBER,
                                  .missing = !in->no_missing,
                                  .unknown = in->unknown,
                                  .categories = in->categories,
                                  .category_count = in->category_count};
        x.at[i].id = eng_plan_input(s->b, &f);
        x.at[i].input = x.at[i].origin = (uint32_t)i;
        x.at[i].text = in->text && !s->dry;
    }
    return x;
}

/* ---- What comes out ------------------------------------------------------------------------------------ */

static void add_numbers(eng_sk *s, eng_sk_cols x)
{
    /* A result is made by some operator, also of a selector, which makes nothing. */
    uint32_t *ids = eng_sk_map_all(s, ENG_PLAN_TIMES, eng_sk_loose(s, NULL, x), x.n, 1, 0);
    if (ids && x.n)
        eng_plan_result(s->b, &(eng_plan_results){.task = ENG_PLAN_TRANSFORM,
                                                  .predicted = ids,
                                                  .count = x.n,
                                                  .format = ENG_STR("scikit-learn"),
                                                  .about = ENG_STR("a transformer")});
}

static void describe(eng_buf *out, const eng_py *e, unsigned depth)
{
    const eng_py *steps = eng_py_attr(e, "steps");
    eng_buf_str(out, eng_py_class(e));
    if (!steps || depth > 3)
        return;
    eng_buf_byte(out, '(');
    for (size_t i = 0, shown = 0; i < eng_py_count(steps); i++) {
        const eng_py *step = eng_py_at(eng_py_at(steps, i), 1);
        if (eng_sk_passes(step))
            continue;
        if (shown++)
            eng_buf_str(out, ENG_STR(", "));
        describe(out, step, depth + 1);
    }
    eng_buf_byte(out, ')');
}

/* The classes of several outputs, one after the other. */
static void add_several(eng_sk *s, const eng_py *e, const eng_sk_out *out, eng_plan_results *r)
{
    size_t n = out->several_count, total = 0, at = 0;
    bool shares = true;
    for (size_t i = 0; i < n; i++) {
        total += out->several[i].k;
        shares = shares && out->several[i].shares;
    }
    eng_plan_label *classes = eng_sk_alloc(s, total, sizeof *classes);
    uint32_t *all = eng_sk_alloc(s, total, sizeof *all), *index = eng_sk_alloc(s, n, sizeof *index);
    size_t *ends = eng_sk_alloc(s, n, sizeof *ends);
    for (size_t i = 0; classes && all && index && ends && i < n; i++) {
        const eng_sk_out *one = &out->several[i];
        if (!one->classifier || !one->k) {
            eng_sk_fail(s, e, "one of its outputs has no classes");
            return;
        }
        memcpy(classes + at, one->classes, one->k * sizeof *classes);
        if (shares)
            memcpy(all + at, one->shares, one->k * sizeof *all);
        index[i] = eng_sk_map1(s, ENG_PLAN_ADD, one->index, (double)at, 0);
        ends[i] = at += one->k;
    }
    r->predicted = index;
    r->count = n;
    r->shares = shares ? all : NULL;
    r->classes = classes;
    r->class_count = total;
    r->class_ends = n > 1 ? ends : NULL;
}

static void add_result(eng_sk *s, const eng_py *e, const eng_sk_out *out)
{
    eng_buf about;
    eng_str version = {"", 0};
    eng_buf_init(&about, 4096);
    describe(&about, e, 0);
    if (eng_py_text(eng_sk_attr(e, "_sklearn_version"), &version))
        eng_buf_format(&about, ", scikit-learn %.*s", ENG_FMT(eng_str_sub(version, 0, 20)));
    eng_plan_results r = {.task = out->classifier ? ENG_PLAN_CLASSIFICATION : ENG_PLAN_REGRESSION,
                          .predicted = out->classifier ? &out->index : out->y,
                          .count = out->classifier ? 1 : out->n,
                          .shares = out->shares,
                          .classes = out->classes,
                          .class_count = out->classifier || out->shares ? out->k : 0,
                          .format = ENG_STR("scikit-learn"),
                          .about = eng_buf_view(&about)};
    if (eng_sk_ok(s) && eng_buf_check(&about, "a model", NULL) != ENG_OK)
        eng_plan_fail(s->b, ENG_ENOMEM, "out of memory");
    if (out->several)
        add_several(s, e, out, &r);
    if (eng_sk_ok(s) && (!r.predicted || !r.count))
        eng_sk_fail(s, e, "nothing comes out of it");
    if (eng_sk_ok(s))
        eng_plan_result(s->b, &r);
    eng_buf_clear(&about);
}

/* ---- Twice -------------------------------------------------------------------------------------------- */

static void import(eng_sk *s, const eng_py *e)
{
    const eng_sk_row *row = eng_sk_find(e);
    eng_sk_out out = {0};
    eng_sk_cols x = inputs(s);
    const eng_py *steps = eng_py_attr(e, "steps");
    /* A pipeline predicts where its last step does. */
    const eng_py *last_step = eng_py_at(eng_py_at(steps, eng_py_count(steps) - 1), 1);
    const eng_sk_row *last = eng_py_count(steps) ? eng_sk_find(last_step) : row;
    bool passes = eng_py_count(steps) && eng_sk_passes(last_step);
    if (row && row->predict && (!last || last->predict) && !passes) {
        eng_sk_predict(s, e, x, &out);
        add_result(s, e, &out);
    } else if (eng_sk_ok(s)) {
        x = eng_sk_transform(s, e, x);
        if (eng_sk_ok(s))
            add_numbers(s, x);
    }
}

/* The one estimator that a dictionary (or a tuple) holds; a predictor before a transformer. */
static const eng_py *estimator_in(const eng_py *root, const eng_py **listed, unsigned depth)
{
    const eng_py *best = NULL;
    bool dict = eng_py_is(root, ENG_PY_DICT);
    size_t n = dict ? eng_py_pairs(root) : eng_py_count(root);
    if (eng_py_is(root, ENG_PY_OBJECT) || depth > 2)
        return eng_py_is(root, ENG_PY_OBJECT) ? root : NULL;
    for (size_t i = 0; i < n; i++) {
        const eng_py *v = dict ? eng_py_value(root, i) : eng_py_at(root, i);
        const eng_sk_row *row = eng_sk_find(v), *had = eng_sk_find(best);
        if (eng_py_is(v, ENG_PY_DICT))
            v = estimator_in(v, listed, depth + 1);
        if (eng_py_is(v, ENG_PY_OBJECT) &&
            (!best || (row && row->predict && !(had && had->predict))))
            best = v;
        eng_str key;
        if (dict && eng_py_text(eng_py_key(root, i), &key) && eng_py_is(v, ENG_PY_LIST) &&
            (eng_str_find(key, ENG_STR("feature")) != SIZE_MAX ||
             eng_str_find(key, ENG_STR("column")) != SIZE_MAX))
            *listed = v;
    }
    return best;
}

static eng_status run(eng_sk *s, const eng_py *e, bool dry, eng_error *err)
{
    eng_status status = eng_plan_builder_new(&s->b, err);
    if (status != ENG_OK)
        return status;
    s->dry = dry;
    s->depth = 0;
    s->version = version_of(e, 24);
    import(s, e);
    return eng_plan_failed(s->b, err);
}

static eng_status prepare(eng_sk *s, const eng_py *e, const eng_py *listed, eng_error *err)
{
    const eng_py *names = NULL;
    size_t n = 0;
    eng_status status = eng_plan_builder_new(&s->b, err);
    if (status != ENG_OK)
        return status;
    if (!eng_sk_find(e))
        eng_sk_fail(s, e, "an estimator that is not known");
    else if (first_dict(e))
        (void)name_fields(s, first_dict(e));
    else if (!count_features(e, &n, &names) || !n || n > ENG_PLAN_INPUTS)
        eng_sk_fail(s, e, "it does not say how many features it takes: is it fitted?");
    else if ((s->inputs = eng_sk_alloc(s, n, sizeof *s->inputs)) != NULL) {
        s->input_count = n;
        if (n == 1)
            s->inputs[0].name = first_reads_text(e) ? ENG_STR("text") : ENG_STR("");
        (void)name_inputs(s, names, listed);
    }
    status = eng_plan_failed(s->b, err);
    eng_plan_builder_free(s->b);
    s->b = NULL;
    return status;
}

eng_status eng_sklearn_plan(const eng_py *root, eng_plan **out, eng_error *err)
{
    const eng_py *listed = NULL, *e = estimator_in(root, &listed, 0);
    eng_sk s = {0};
    if (!e)
        return eng_fail(err, ENG_EMALFORMED, "there is no model in it, but %s",
                        eng_py_type_name(root));
    if (eng_sk_is_boost(e))
        return eng_sk_boost_plan(e, out, err);
    eng_arena_init(&s.arena, 16 << 10, NULL);
    eng_status status = prepare(&s, e, listed, err);
    if (status == ENG_OK)
        status = run(&s, e, true, err);
    eng_plan_builder_free(s.b);
    s.b = NULL;
    if (status == ENG_OK)
        status = run(&s, e, false, err);
    if (status == ENG_OK)
        status = eng_plan_finish(s.b, out, err);
    eng_plan_builder_free(s.b);
    eng_arena_clear(&s.arena);
    return status;
}
