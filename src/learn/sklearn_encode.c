/* Categories: encoders and discretizers. Here it is found out which inputs are
 * texts, and which texts they may be. */
#include "learn/sklearn_internal.h"

#include <math.h>

static const eng_sk_cols nothing = {NULL, 0};

/* ---- Categories of one column ----------------------------------------------------------------------- */

typedef struct {
    size_t count; /* with those that stand for missing values */
    eng_str *texts;
    double *numbers;
    size_t missing; /* which of them stands for missing values; count: none */
    bool is_none;   /* that one is None, not NaN */
} categories;

static bool read_categories(eng_sk *s, const eng_py *e, const eng_py *v, categories *c)
{
    if (!eng_py_is(v, ENG_PY_ARRAY) || v->as.array->dims != 1) {
        eng_sk_fail(s, e, "categories_ holds %s", eng_py_type_name(v));
        return false;
    }
    const eng_py_array *a = v->as.array;
    *c = (categories){.count = a->count, .missing = a->count};
    c->texts = eng_sk_alloc(s, a->count + 1, sizeof *c->texts);
    c->numbers = eng_sk_alloc(s, a->count + 1, sizeof *c->numbers);
    size_t texts = 0, numbers = 0;
    for (size_t i = 0; c->texts && c->numbers && i < a->count; i++) {
        if (eng_py_element_text(a, i, &s->arena, c->texts + i) && c->texts[i].ptr)
            texts++;
        else if (a->items && eng_py_none(a->items[i]))
            (c->missing = i), (c->is_none = true);
        else if (eng_py_element(a, i, c->numbers + i)) {
            if (isnan(c->numbers[i]))
                (c->missing = i), (c->is_none = false);
            else
                numbers++;
        } else {
            eng_sk_fail(s, e, "a category is neither text nor a number");
            return false;
        }
    }
    if (texts && numbers) {
        eng_sk_fail(s, e, "a column's categories are texts and numbers");
        return false;
    }
    if (!texts)
        c->texts = NULL;
    return c->numbers != NULL;
}

bool eng_sk_as_text(eng_sk *s, const eng_py *e, eng_sk_col *col)
{
    if (col->text)
        return true;
    if (col->input == ENG_SK_NONE) {
        eng_sk_fail(s, e, "it takes texts where there are numbers");
        return false;
    }
    s->inputs[col->input].text = true;
    return false;
}

static bool knows(const eng_sk_input *in, eng_str text)
{
    for (size_t i = 0; i < in->category_count; i++)
        if (eng_str_eq(in->categories[i], text))
            return true;
    return false;
}

/* What an input may be, for its schema: of several encoders all that any of them knows. */
static void note(eng_sk *s, const eng_sk_col *col, const categories *c, bool unknown)
{
    if (!s->dry || col->input == ENG_SK_NONE || !c->texts)
        return;
    eng_sk_input *in = &s->inputs[col->input];
    eng_str *all = eng_sk_alloc(s, in->category_count + c->count, sizeof *all);
    if (!all)
        return;
    size_t n = in->category_count;
    if (n)
        memcpy(all, in->categories, n * sizeof *all);
    for (size_t i = 0; i < c->count; i++)
        if (i != c->missing && (!in->category_count || !knows(in, c->texts[i])))
            all[n++] = c->texts[i];
    in->categories = all;
    in->category_count = n;
    in->unknown = in->unknown || unknown;
}

static const double *row_of(eng_sk *s, const double *rows, const uint32_t *columns, size_t i,
                            size_t width)
{
    if (rows)
        return rows + i * width;
    double *row = eng_sk_alloc(s, width, sizeof *row);
    if (row && columns[i] < width)
        row[columns[i]] = 1;
    return row;
}

/*
 * rows[count][width] by category, or, of a one-hot encoding, columns[count]; `missing` and `unknown` as of eng_plan_keys. The keys are all
 * categories but the one that stands for missing values; a text that was filled takes the row of what
 * filled it.
 */
static uint32_t look_up(eng_sk *s, const eng_py *e, eng_sk_col col, const categories *c,
                        const double *rows, const uint32_t *columns, size_t width,
                        const double *missing, const double *unknown)
{
    size_t n = 0;
    note(s, &col, c, unknown != NULL);
    eng_str *texts = c->texts ? eng_sk_alloc(s, c->count + 1, sizeof *texts) : NULL;
    double *numbers = eng_sk_alloc(s, c->count + 1, sizeof *numbers);
    double *kept = rows ? eng_sk_alloc(s, (c->count + 1) * width, sizeof *kept) : NULL;
    uint32_t *to = columns ? eng_sk_alloc(s, c->count + 1, sizeof *to) : NULL;
    if (c->texts && !eng_sk_as_text(s, e, &col) && eng_sk_ok(s) && s->dry) {
        uint32_t first = ENG_PLAN_NONE;
        for (size_t i = 0; i < width; i++) {
            uint32_t zero = eng_plan_constant(s->b, 0);
            first = i ? first : zero;
        }
        if (!missing && c->missing == c->count && !col.filled)
            s->inputs[col.input].no_missing = true;
        return first;
    }
    if (!numbers || (rows ? !kept : !to) || (c->texts && !texts) || !eng_sk_ok(s))
        return ENG_PLAN_NONE;
    if (!c->texts && col.text) {
        eng_sk_fail(s, e, "it takes numbers where there are texts");
        return ENG_PLAN_NONE;
    }
    for (size_t i = 0; i < c->count; i++) {
        if (i == c->missing)
            continue;
        if (texts)
            texts[n] = c->texts[i];
        numbers[n] = c->numbers[i];
        if (rows)
            memcpy(kept + n * width, rows + i * width, width * sizeof *kept);
        else
            to[n] = columns[i];
        n++;
    }
    if (c->missing < c->count)
        missing = row_of(s, rows, columns, c->missing, width);
    if (col.filled) {
        missing = unknown;
        for (size_t i = 0; i < c->count; i++)
            if (i != c->missing && eng_str_eq(c->texts[i], col.fill))
                missing = row_of(s, rows, columns, i, width);
    }
    if (!missing && col.origin != ENG_SK_NONE)
        s->inputs[col.origin].no_missing = true;
    const eng_plan_keys k = {.texts = texts,
                             .numbers = texts ? NULL : numbers,
                             .count = n,
                             .width = width,
                             .rows = kept,
                             .missing = missing,
                             .unknown = unknown};
    return rows ? eng_plan_lookup(s->b, col.id, &k) : eng_plan_one_hot(s->b, col.id, &k, to);
}

/* ---- One-hot ---------------------------------------------------------------------------------------- */

/* Which column each category of feature f goes to, with infrequent ones in one; how many there are. */
static size_t *targets(eng_sk *s, const eng_py *e, size_t f, size_t count, size_t *columns,
                       size_t *infrequent)
{
    size_t *to = eng_sk_alloc(s, count + 1, sizeof *to);
    const eng_py *map = eng_py_at(eng_py_attr(e, "_default_to_infrequent_mappings"), f);
    *columns = count;
    *infrequent = SIZE_MAX;
    for (size_t i = 0; to && i < count; i++)
        to[i] = i;
    if (!to || eng_py_none(map) || !eng_py_true(eng_py_attr(e, "_infrequent_enabled")))
        return to;
    size_t n = 0;
    const double *m = eng_sk_numbers(s, e, map, "_default_to_infrequent_mappings", &n, true);
    if (!m || n != count) {
        eng_sk_fail(s, e, "infrequent categories are of %zu, not %zu", n, count);
        return NULL;
    }
    *columns = 0;
    for (size_t i = 0; i < n; i++) {
        if (m[i] < 0 || m[i] >= (double)count) {
            eng_sk_fail(s, e, "an infrequent category is none");
            return NULL;
        }
        to[i] = (size_t)m[i];
        *columns = to[i] + 1 > *columns ? to[i] + 1 : *columns;
    }
    *infrequent = *columns - 1; /* always the last */
    return to;
}

/* drop_idx_[f], counted in columns; SIZE_MAX: none. */
static size_t dropped(const eng_py *e, size_t f)
{
    const eng_py *drop = eng_sk_attr(e, "_drop_idx_after_grouping drop_idx_");
    int64_t at = -1;
    if (!eng_py_is(drop, ENG_PY_ARRAY) || !eng_py_element_int(drop->as.array, f, &at) || at < 0)
        return SIZE_MAX;
    return (size_t)at;
}

/* Rows of a one-hot encoding of one column; its width. */
static eng_sk_cols one_hot_column(eng_sk *s, const eng_py *e, size_t f, eng_sk_col col)
{
    categories c;
    size_t columns = 0, infrequent = 0;
    if (!read_categories(s, e, eng_py_at(eng_py_attr(e, "categories_"), f), &c))
        return nothing;
    size_t *to = targets(s, e, f, c.count, &columns, &infrequent);
    size_t drop = dropped(e, f), width = columns - (drop < columns);
    if (!to || !width)
        return nothing;
    uint32_t *at = eng_sk_alloc(s, c.count + 1, sizeof *at);
    double *other = eng_sk_alloc(s, width, sizeof *other);
    bool errors = eng_sk_is(e, "handle_unknown", "error");
    bool rare = eng_sk_is(e, "handle_unknown", "infrequent_if_exist") ||
                eng_sk_is(e, "handle_unknown", "warn");
    for (size_t i = 0; at && i < c.count; i++)
        at[i] = to[i] == drop ? UINT32_MAX : (uint32_t)(to[i] - (drop < to[i]));
    if (other && rare && infrequent != SIZE_MAX && infrequent != drop)
        other[infrequent - (drop < infrequent)] = 1;
    if (!at || !other)
        return nothing;
    /* What is missing is a category of its own, or as unknown as any other. */
    const double *unknown = errors ? NULL : other;
    return eng_sk_fresh(s, look_up(s, e, col, &c, NULL, at, width, unknown, unknown), width);
}

eng_sk_cols eng_sk_joined(eng_sk *s, eng_sk_cols *parts, size_t n)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        total += parts[i].n;
    eng_sk_cols out = eng_sk_columns(s, total);
    for (size_t i = 0; out.n && i < n; i++) {
        if (parts[i].n)
            memcpy(out.at + at, parts[i].at, parts[i].n * sizeof *out.at);
        at += parts[i].n;
    }
    return out;
}

static bool of_all_columns(eng_sk *s, const eng_py *e, const char *attribute, eng_sk_cols x)
{
    size_t n = eng_py_count(eng_py_attr(e, attribute));
    eng_sk_expect(s, e, x);
    if (n != x.n)
        eng_sk_fail(s, e, "it has %s of %zu columns, not %zu", attribute, n, x.n);
    return eng_sk_ok(s);
}

static eng_sk_cols one_hot(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_sk_cols *parts = eng_sk_alloc(s, x.n + 1, sizeof *parts);
    if (!of_all_columns(s, e, "categories_", x) || !parts)
        return nothing;
    for (size_t f = 0; f < x.n && eng_sk_ok(s); f++)
        parts[f] = one_hot_column(s, e, f, x.at[f]);
    return eng_sk_ok(s) ? eng_sk_joined(s, parts, x.n) : nothing;
}

/* ---- Ordinal ------------------------------------------------------------------------------------------ */

static eng_sk_cols ordinal_column(eng_sk *s, const eng_py *e, size_t f, eng_sk_col col)
{
    categories c;
    size_t columns = 0, infrequent = 0;
    if (!read_categories(s, e, eng_py_at(eng_py_attr(e, "categories_"), f), &c))
        return nothing;
    size_t *to = targets(s, e, f, c.count, &columns, &infrequent);
    double *rows = eng_sk_alloc(s, c.count + 1, sizeof *rows);
    const eng_py *of_missing = eng_py_attr(e, "encoded_missing_value");
    bool takes = eng_sk_is(e, "handle_unknown", "use_encoded_value");
    double *ends = eng_sk_alloc(s, 2, sizeof *ends);
    if (!to || !rows || !ends)
        return nothing;
    ends[0] = ends[1] = NAN;
    if (takes)
        ends[1] = eng_sk_number(s, e, "unknown_value", NAN);
    for (size_t i = 0, n = 0; i < c.count; i++)
        rows[i] = i == c.missing && !c.is_none ? NAN : (double)(columns == c.count ? n++ : to[i]);
    /* To scikit-learn None is a category like any other. */
    if (c.missing < c.count && !c.is_none && !eng_py_none(of_missing))
        rows[c.missing] = eng_sk_number(s, e, "encoded_missing_value", NAN);
    /* Before 1.1 what is missing was unknown; later it is only where training saw it. */
    uint32_t id = look_up(s, e, col, &c, rows, NULL, 1, takes ? ends + 1 : NULL,
                          takes ? ends + 1 : NULL);
    return eng_sk_fresh(s, id, 1);
}

static eng_sk_cols ordinal(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_sk_cols *parts = eng_sk_alloc(s, x.n + 1, sizeof *parts);
    if (!of_all_columns(s, e, "categories_", x) || !parts)
        return nothing;
    for (size_t f = 0; f < x.n && eng_sk_ok(s); f++)
        parts[f] = ordinal_column(s, e, f, x.at[f]);
    return eng_sk_ok(s) ? eng_sk_joined(s, parts, x.n) : nothing;
}

/* Of a label: LabelEncoder, whose order of classes is the code. */
static eng_sk_cols label_encoder(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    categories c;
    if (x.n != 1)
        eng_sk_fail(s, e, "it takes one column and is given %zu", x.n);
    if (!eng_sk_ok(s) || !read_categories(s, e, eng_py_attr(e, "classes_"), &c))
        return nothing;
    double *rows = eng_sk_alloc(s, c.count + 1, sizeof *rows);
    for (size_t i = 0; rows && i < c.count; i++)
        rows[i] = (double)i;
    return rows ? eng_sk_fresh(s, look_up(s, e, x.at[0], &c, rows, NULL, 1, NULL, NULL), 1)
                : nothing;
}

/* ---- By the target ------------------------------------------------------------------------------------- */

static eng_sk_cols target(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t width = 1, n = 0;
    const eng_py *tables = eng_py_attr(e, "encodings_");
    if (eng_sk_is(e, "target_type_", "multiclass"))
        width = eng_py_is(eng_py_attr(e, "classes_"), ENG_PY_ARRAY)
                    ? eng_py_attr(e, "classes_")->as.array->count
                    : 0;
    const double *mean = eng_sk_vector(s, e, "target_mean_", width);
    eng_sk_cols *parts = eng_sk_alloc(s, x.n + 1, sizeof *parts);
    if (!of_all_columns(s, e, "categories_", x) || !mean || !parts)
        return nothing;
    if (!width || eng_py_count(tables) != x.n * width) {
        eng_sk_fail(s, e, "it has %zu encodings of %zu columns", eng_py_count(tables), x.n);
        return nothing;
    }
    for (size_t f = 0; f < x.n; f++) {
        categories c;
        if (!read_categories(s, e, eng_py_at(eng_py_attr(e, "categories_"), f), &c))
            return nothing;
        double *rows = eng_sk_alloc(s, c.count * width + 1, sizeof *rows);
        for (size_t j = 0; rows && j < width; j++) {
            const double *t = eng_sk_numbers(s, e, eng_py_at(tables, f * width + j), "encodings_",
                                             &n, true);
            if (!t || n != c.count) {
                eng_sk_fail(s, e, "it has %zu encodings of %zu categories", n, c.count);
                return nothing;
            }
            for (size_t i = 0; i < n; i++)
                rows[i * width + j] = t[i];
        }
        if (!rows)
            return nothing;
        parts[f] = eng_sk_fresh(s, look_up(s, e, x.at[f], &c, rows, NULL, width, mean, mean),
                                width);
    }
    return eng_sk_ok(s) ? eng_sk_joined(s, parts, x.n) : nothing;
}

/* ---- Bins ---------------------------------------------------------------------------------------------- */

static uint32_t bin(eng_sk *s, const eng_py *e, uint32_t x, const double *edges, size_t n)
{
    if (s->version >= 1001)
        return eng_plan_bins(s->b, x, edges + 1, n - 2, false);
    /* x + (1e-8 + 1e-5 * |x|), and the last bin takes its upper edge. */
    uint32_t near = eng_sk_map1(s, ENG_PLAN_ABS, x, 0, 0);
    near = eng_sk_map1(s, ENG_PLAN_AFFINE, near, 1e-5, 1e-8);
    near = eng_plan_pairs(s->b, ENG_PLAN_PLUS, &x, &near, 1);
    (void)e;
    return eng_sk_map1(s, ENG_PLAN_CLIP, eng_plan_bins(s->b, near, edges + 1, n - 1, false), 0,
                       (double)(n - 2));
}

static eng_sk_cols discretizer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    const eng_py *all = eng_py_attr(e, "bin_edges_");
    bool hot = !eng_sk_is(e, "encode", "ordinal");
    eng_sk_cols *parts = eng_sk_alloc(s, x.n + 1, sizeof *parts);
    if (!of_all_columns(s, e, "bin_edges_", x) || !parts)
        return nothing;
    uint32_t *ids = eng_sk_dense(s, e, x);
    for (size_t f = 0; ids && f < x.n && eng_sk_ok(s); f++) {
        size_t n = 0;
        const double *edges = eng_sk_numbers(s, e, eng_py_at(all, f), "bin_edges_", &n, false);
        for (size_t i = 1; edges && i < n; i++)
            if (!(edges[i - 1] <= edges[i]))
                eng_sk_fail(s, e, "the edges of its bins fall");
        if (!edges || n < 2)
            eng_sk_fail(s, e, "a column has %zu edges of bins", n);
        if (!eng_sk_ok(s))
            return nothing;
        uint32_t b = n == 2 ? eng_plan_constant(s->b, 0) : bin(s, e, ids[f], edges, n);
        parts[f] = hot ? eng_sk_columns(s, n - 1) : eng_sk_fresh(s, b, 1);
        for (size_t i = 0; hot && i < parts[f].n; i++)
            parts[f].at[i].id = eng_sk_map1(s, ENG_PLAN_EQUALS, b, (double)i, 0);
    }
    return eng_sk_ok(s) ? eng_sk_joined(s, parts, x.n) : nothing;
}

/* ---- Splines ---------------------------------------------------------------------------------------------- */

static eng_sk_cols splines(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    static const struct {
        const char *name;
        eng_plan_beyond beyond;
    } known[] = {{"continue", ENG_PLAN_ONWARD},
                 {"constant", ENG_PLAN_LEVEL},
                 {"linear", ENG_PLAN_STRAIGHT},
                 {"periodic", ENG_PLAN_PERIODIC}};
    const eng_py *all = eng_py_attr(e, "bsplines_");
    double degree = eng_sk_number(s, e, "degree", 3);
    size_t drop = !eng_py_true(eng_py_attr(e, "include_bias")), how = 0;
    eng_sk_cols *parts = eng_sk_alloc(s, x.n + 1, sizeof *parts);
    while (how < 4 && !eng_sk_is(e, "extrapolation", known[how].name))
        how++;
    if (how == 4)
        eng_sk_fail(s, e, "it refuses what lies beyond its knots, which is not known");
    if (degree < 2 && x.n > 1 && eng_sk_is(e, "extrapolation", "linear"))
        eng_sk_fail(s, e,
                    "of degree %g its straight lines begin at other knots for every column "
                    "after the first, which is not known",
                    degree);
    if (!(degree >= 0 && degree <= ENG_PLAN_SPLINE))
        eng_sk_fail(s, e, "its degree is not from 0 to %d", ENG_PLAN_SPLINE);
    if (!of_all_columns(s, e, "bsplines_", x) || !parts)
        return nothing;
    bool zeros = eng_sk_is(e, "handle_missing", "zeros");
    uint32_t *ids = zeros ? eng_sk_loose(s, e, x) : eng_sk_dense(s, e, x);
    for (size_t f = 0; ids && f < x.n && eng_sk_ok(s); f++) {
        size_t n = 0, fold = known[how].beyond == ENG_PLAN_PERIODIC ? (size_t)degree : 0;
        const eng_py *own = eng_sk_attr(eng_py_at(all, f), "t _t");
        const double *t = eng_sk_numbers(s, e, own, "bsplines_", &n, true);
        if (!t || n < 2 * (size_t)degree + 2 || n - (size_t)degree - 1 <= fold + drop) {
            eng_sk_fail(s, e, "a column has %zu knots", n);
            return nothing;
        }
        uint32_t first = eng_plan_spline(s->b, ids[f], t, n, (size_t)degree, known[how].beyond);
        parts[f] = eng_sk_fresh(s, first, n - (size_t)degree - 1 - fold - drop);
    }
    return eng_sk_ok(s) ? eng_sk_joined(s, parts, x.n) : nothing;
}

/* ---- Dictionaries: a field a key, of numbers or, where names are "key=value", of texts ---------------------- */

/* Of a feature's name: the field's, and what it says of its value; false: it is a number's. */
static bool name_parts(const eng_py *e, eng_str name, eng_str *field, eng_str *value)
{
    eng_str separator = ENG_STR("=");
    (void)(eng_py_text(eng_py_attr(e, "separator"), &separator));
    size_t at = separator.len ? eng_str_find(name, separator) : SIZE_MAX;
    *field = at == SIZE_MAX ? name : eng_str_sub(name, 0, at);
    *value = at == SIZE_MAX ? (eng_str){"", 0}
                            : eng_str_sub(name, at + separator.len, name.len - at - separator.len);
    return at != SIZE_MAX;
}

size_t eng_sk_dict_fields(eng_sk *s, const eng_py *e, eng_str **out)
{
    const eng_py *names = eng_py_attr(e, "feature_names_");
    size_t n = 0, count = eng_py_count(names);
    eng_str *to = eng_sk_alloc(s, count + 1, sizeof *to), name, field, value;
    for (size_t i = 0; to && i < count; i++) {
        if (!eng_py_text(eng_py_at(names, i), &name)) {
            eng_sk_fail(s, e, "a feature's name is no text");
            return 0;
        }
        (void)name_parts(e, name, &field, &value);
        size_t at = n; /* those of a field mostly stand side by side */
        while (at > 0 && !eng_str_eq(to[at - 1], field))
            at--;
        if (at == 0)
            to[n++] = field;
    }
    *out = to;
    return to ? n : 0;
}

/* The columns of one field, into their places among all. */
static void dict_field(eng_sk *s, const eng_py *e, eng_sk_col col, eng_str field, eng_sk_cols out)
{
    const eng_py *names = eng_py_attr(e, "feature_names_");
    categories c = {0};
    size_t *places = eng_sk_alloc(s, out.n + 1, sizeof *places), numbers = 0;
    uint32_t *at = eng_sk_alloc(s, out.n + 1, sizeof *at);
    c.texts = eng_sk_alloc(s, out.n + 1, sizeof *c.texts);
    c.numbers = eng_sk_alloc(s, out.n + 1, sizeof *c.numbers);
    for (size_t i = 0; places && at && c.texts && c.numbers && i < out.n; i++) {
        eng_str name, own, value;
        if (!eng_py_text(eng_py_at(names, i), &name))
            continue;
        bool text = name_parts(e, name, &own, &value);
        if (!eng_str_eq(own, field))
            continue;
        numbers += !text;
        places[c.count] = i;
        at[c.count] = (uint32_t)c.count;
        c.texts[c.count++] = value;
    }
    c.missing = c.count;
    double *none = eng_sk_alloc(s, c.count + 1, sizeof *none);
    if (!none || !eng_sk_ok(s))
        return;
    if (numbers == 1 && c.count == 1) {
        out.at[places[0]].id = eng_sk_map1(s, ENG_PLAN_IMPUTE, col.id, 0, 0);
        return;
    }
    if (numbers) {
        eng_sk_fail(s, e, "'%.*s' is a number and a text", ENG_FMT(eng_str_sub(field, 0, 60)));
        return;
    }
    uint32_t first = look_up(s, e, col, &c, NULL, at, c.count, none, none);
    for (size_t i = 0; first != ENG_PLAN_NONE && i < c.count; i++)
        out.at[places[i]].id = first + (uint32_t)i;
}

static eng_sk_cols dict_vectorizer(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    eng_str *fields = NULL;
    size_t n = eng_sk_dict_fields(s, e, &fields);
    eng_sk_cols out = eng_sk_columns(s, eng_py_count(eng_py_attr(e, "feature_names_")));
    if (n != x.n)
        eng_sk_fail(s, e, "it takes %zu fields and is given %zu", n, x.n);
    for (size_t i = 0; i < n && eng_sk_ok(s); i++)
        dict_field(s, e, x.at[i], fields[i], out);
    return eng_sk_ok(s) ? out : nothing;
}

const eng_sk_row eng_sk_encode_rows[] = {
    {"OneHotEncoder", NULL, one_hot},        {"OrdinalEncoder", NULL, ordinal},
    {"LabelEncoder", NULL, label_encoder},   {"TargetEncoder", NULL, target},
    {"KBinsDiscretizer", NULL, discretizer}, {"DictVectorizer", NULL, dict_vectorizer},
    {"SplineTransformer", NULL, splines},    {NULL, NULL, NULL},
};
