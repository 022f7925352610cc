/* Asking an estimator for what it holds, and the handling of columns. */
#include "learn/sklearn_internal.h"

#include "base/check.h"

#include <math.h>
#include <stdarg.h>

/* ---- Failing ------------------------------------------------------------------------------------- */

bool eng_sk_ok(const eng_sk *s) { return eng_plan_failed(s->b, NULL) == ENG_OK; }

void eng_sk_fail(eng_sk *s, const eng_py *e, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    eng_str class = eng_py_class(e);
    eng_plan_fail(s->b, ENG_EMALFORMED, "%.*s%s%s", ENG_FMT(eng_str_sub(class, 0, 100)),
                  class.len ? ": " : "", text);
}

void *eng_sk_alloc(eng_sk *s, size_t count, size_t size)
{
    void *p = NULL;
    size_t bytes = 0;
    if (eng_mul(count, size, &bytes) && bytes < PTRDIFF_MAX)
        p = eng_arena_zalloc(&s->arena, bytes);
    if (!p)
        eng_plan_fail(s->b, ENG_ENOMEM, "out of memory");
    return p;
}

/* ---- Attributes ----------------------------------------------------------------------------------- */

const eng_py *eng_sk_attr(const eng_py *e, const char *names)
{
    char name[64];
    eng_str rest = eng_str_of(names), head;
    for (bool more = true; more;) {
        more = eng_str_cut(rest, ' ', &head, &rest);
        if (!head.len || head.len >= sizeof name)
            continue;
        memcpy(name, head.ptr, head.len);
        name[head.len] = 0;
        const eng_py *found = eng_py_attr(e, name);
        if (!eng_py_none(found))
            return found;
    }
    return NULL;
}

bool eng_sk_is(const eng_py *e, const char *attribute, const char *text)
{
    eng_str value;
    return eng_py_text(eng_py_attr(e, attribute), &value) && eng_str_eq(value, eng_str_of(text));
}

double eng_sk_number(eng_sk *s, const eng_py *e, const char *names, double otherwise)
{
    double n = otherwise;
    const eng_py *v = eng_sk_attr(e, names);
    if (v && !eng_py_number(v, &n))
        eng_sk_fail(s, e, "%s is %s, not a number", names, eng_py_type_name(v));
    return n;
}

const double *eng_sk_numbers(eng_sk *s, const eng_py *e, const eng_py *v, const char *what,
                             size_t *count, bool finite)
{
    bool array = eng_py_is(v, ENG_PY_ARRAY);
    double single = 0;
    bool scalar = !array && eng_py_number(v, &single);
    if (!array && !scalar && !eng_py_is(v, ENG_PY_LIST) && !eng_py_is(v, ENG_PY_TUPLE)) {
        eng_sk_fail(s, e, "%s is %s, not an array of numbers", what, eng_py_type_name(v));
        return NULL;
    }
    size_t n = array ? v->as.array->count : scalar ? 1 : eng_py_count(v);
    double *to = eng_sk_alloc(s, n, sizeof *to);
    for (size_t i = 0; to && i < n; i++) {
        bool number = array    ? eng_py_element(v->as.array, i, to + i)
                      : scalar ? (to[i] = single, true)
                               : eng_py_number(eng_py_at(v, i), to + i);
        if (!number || (finite && !isfinite(to[i]))) {
            eng_sk_fail(s, e, "%s holds something else than numbers", what);
            return NULL;
        }
    }
    *count = n;
    return to;
}

const double *eng_sk_any_vector(eng_sk *s, const eng_py *e, const char *names, size_t *count)
{
    const eng_py *v = eng_sk_attr(e, names);
    if (!v) {
        eng_sk_fail(s, e, "%s is missing: is it fitted?", names);
        return NULL;
    }
    return eng_sk_numbers(s, e, v, names, count, false);
}

const double *eng_sk_vector(eng_sk *s, const eng_py *e, const char *names, size_t count)
{
    size_t n = 0;
    const eng_py *v = eng_sk_attr(e, names);
    if (!v) {
        eng_sk_fail(s, e, "%s is missing: is it fitted?", names);
        return NULL;
    }
    const double *numbers = eng_sk_numbers(s, e, v, names, &n, true);
    if (numbers && n != count) {
        eng_sk_fail(s, e, "%s has %zu numbers, not %zu", names, n, count);
        return NULL;
    }
    return numbers;
}

/* A CSR matrix of scipy's, made dense. */
static const double *sparse(eng_sk *s, const eng_py *e, const eng_py *v, const char *what,
                            size_t *rows, size_t *columns)
{
    size_t n = 0, shape_n = 0, indices_n = 0, ends_n = 0, total = 0;
    const double *shape = eng_sk_numbers(s, e, eng_sk_attr(v, "_shape shape"), what, &shape_n,
                                         true);
    const double *data = eng_sk_numbers(s, e, eng_py_attr(v, "data"), what, &n, true);
    const double *indices = eng_sk_numbers(s, e, eng_py_attr(v, "indices"), what, &indices_n, true);
    const double *ends = eng_sk_numbers(s, e, eng_py_attr(v, "indptr"), what, &ends_n, true);
    if (!shape || !data || !indices || !ends)
        return NULL;
    bool sound = shape_n == 2 && shape[0] >= 0 && shape[1] >= 0 && shape[0] < 1 << 28 &&
                 shape[1] < 1 << 28 && ends_n == (size_t)shape[0] + 1 && indices_n == n;
    double *to = NULL;
    if (sound && eng_mul((size_t)shape[0], (size_t)shape[1], &total) && total < 1 << 28)
        to = eng_sk_alloc(s, total, sizeof *to);
    for (size_t r = 0; to && sound && r + 1 < ends_n; r++) {
        sound = ends[r] >= 0 && ends[r] <= ends[r + 1] && ends[r + 1] <= (double)n;
        for (size_t i = sound ? (size_t)ends[r] : 0; sound && i < (size_t)ends[r + 1]; i++) {
            sound = indices[i] >= 0 && indices[i] < shape[1];
            if (sound)
                to[r * (size_t)shape[1] + (size_t)indices[i]] += data[i];
        }
    }
    if (!to || !sound) {
        eng_sk_fail(s, e, "%s is a broken sparse matrix", what);
        return NULL;
    }
    *rows = (size_t)shape[0];
    *columns = (size_t)shape[1];
    return to;
}

const double *eng_sk_matrix(eng_sk *s, const eng_py *e, const char *names, size_t *rows,
                            size_t *columns)
{
    size_t n = 0;
    const eng_py *v = eng_sk_attr(e, names);
    if (!v) {
        eng_sk_fail(s, e, "%s is missing: is it fitted?", names);
        return NULL;
    }
    if (eng_py_is_a(v, "csr_matrix") || eng_py_is_a(v, "csr_array"))
        return sparse(s, e, v, names, rows, columns);
    const double *numbers = eng_sk_numbers(s, e, v, names, &n, true);
    if (!numbers)
        return NULL;
    const eng_py_array *a = eng_py_is(v, ENG_PY_ARRAY) ? v->as.array : NULL;
    if (a && a->dims > 2) {
        eng_sk_fail(s, e, "%s has %u dimensions", names, a->dims);
        return NULL;
    }
    *rows = a && a->dims == 2 ? a->shape[0] : 1;
    *columns = a && a->dims == 2 ? a->shape[1] : n;
    return numbers;
}

/* ---- Labels ---------------------------------------------------------------------------------------- */

static bool label_of(eng_sk *s, const eng_py_array *a, size_t i, eng_plan_label *out)
{
    int64_t whole = 0;
    if (eng_py_element_text(a, i, &s->arena, &out->text)) {
        out->type = ENG_PLAN_LABEL_TEXT;
        return out->text.ptr != NULL;
    }
    if (!eng_py_element(a, i, &out->number) || !isfinite(out->number))
        return false;
    bool boolean = a->items ? eng_py_is(a->items[i], ENG_PY_BOOL) : a->dtype->kind == 'b';
    out->type = boolean                            ? ENG_PLAN_LABEL_BOOL
                : eng_py_element_int(a, i, &whole) ? ENG_PLAN_LABEL_INT
                                                   : ENG_PLAN_LABEL_DOUBLE;
    return true;
}

const double *eng_sk_rows(eng_sk *s, const eng_py *e, eng_sk_cols x, const char *names, size_t *n)
{
    size_t columns = 0;
    eng_sk_expect(s, e, x);
    const double *v = eng_sk_matrix(s, e, names, n, &columns);
    if (v && (columns != x.n || !*n)) {
        eng_sk_fail(s, e, "it has rows of %zu columns, not %zu", columns, x.n);
        return NULL;
    }
    return v;
}

const eng_plan_label *eng_sk_labels(eng_sk *s, const eng_py *e, const eng_py *classes,
                                    size_t *count)
{
    if (!eng_py_is(classes, ENG_PY_ARRAY) || classes->as.array->dims != 1 ||
        !classes->as.array->count) {
        eng_sk_fail(s, e, "its classes are %s%s", eng_py_type_name(classes),
                    eng_py_is(classes, ENG_PY_LIST) ? ": several outputs of classes are not known"
                                                    : "");
        return NULL;
    }
    const eng_py_array *a = classes->as.array;
    eng_plan_label *labels = eng_sk_alloc(s, a->count, sizeof *labels);
    for (size_t i = 0; labels && i < a->count; i++)
        if (!label_of(s, a, i, labels + i)) {
            eng_sk_fail(s, e, "a class is neither text nor a number");
            return NULL;
        }
    *count = a->count;
    return labels;
}

/* ---- Columns ---------------------------------------------------------------------------------------- */

eng_sk_cols eng_sk_columns(eng_sk *s, size_t n)
{
    eng_sk_cols cols = {NULL, 0};
    if (n > ENG_SK_COLUMNS)
        eng_sk_fail(s, NULL, "more than %d columns", ENG_SK_COLUMNS);
    else
        cols.at = eng_sk_alloc(s, n, sizeof *cols.at);
    cols.n = cols.at ? n : 0;
    for (size_t i = 0; i < cols.n; i++)
        cols.at[i] = (eng_sk_col){.id = ENG_PLAN_NONE, .input = ENG_SK_NONE, .origin = ENG_SK_NONE};
    return cols;
}

eng_sk_cols eng_sk_fresh(eng_sk *s, uint32_t first, size_t n)
{
    eng_sk_cols cols = eng_sk_columns(s, n);
    for (size_t i = 0; i < cols.n; i++)
        cols.at[i].id = first == ENG_PLAN_NONE ? ENG_PLAN_NONE : first + (uint32_t)i;
    return cols;
}

uint32_t *eng_sk_run_of(eng_sk *s, uint32_t first, size_t n)
{
    uint32_t *ids = eng_sk_alloc(s, n, sizeof *ids);
    for (size_t i = 0; ids && i < n; i++)
        ids[i] = first == ENG_PLAN_NONE ? ENG_PLAN_NONE : first + (uint32_t)i;
    return ids;
}

static uint32_t *ids_of(eng_sk *s, const eng_py *e, eng_sk_cols x, bool missing)
{
    uint32_t *ids = eng_sk_alloc(s, x.n, sizeof *ids);
    for (size_t i = 0; ids && i < x.n; i++) {
        ids[i] = x.at[i].words ? eng_sk_term(s, e, x.at + i) : x.at[i].id;
        if (!missing && x.at[i].origin != ENG_SK_NONE)
            s->inputs[x.at[i].origin].no_missing = true;
        if (x.at[i].text) {
            eng_str name = s->inputs[x.at[i].id].name;
            eng_sk_fail(s, e, "it takes '%.*s' as a number, which is text elsewhere",
                        ENG_FMT(eng_str_sub(name, 0, 60)));
        }
    }
    return ids;
}

uint32_t *eng_sk_loose(eng_sk *s, const eng_py *e, eng_sk_cols x) { return ids_of(s, e, x, true); }
uint32_t *eng_sk_dense(eng_sk *s, const eng_py *e, eng_sk_cols x) { return ids_of(s, e, x, false); }

eng_sk_cols eng_sk_map(eng_sk *s, const eng_py *e, eng_plan_fn fn, eng_sk_cols x, const double *a,
                       const double *b)
{
    uint32_t *ids = eng_sk_loose(s, e, x);
    if (!ids)
        return (eng_sk_cols){NULL, 0};
    eng_sk_cols out = eng_sk_fresh(s, x.n ? eng_plan_map(s->b, fn, ids, x.n, a, b) : 0, x.n);
    for (size_t i = 0; i < out.n; i++)
        out.at[i].origin = x.at[i].origin;
    return out;
}

uint32_t eng_sk_map1(eng_sk *s, eng_plan_fn fn, uint32_t x, double a, double b)
{
    return eng_plan_map(s->b, fn, &x, 1, &a, &b);
}

uint32_t *eng_sk_map_all(eng_sk *s, eng_plan_fn fn, const uint32_t *x, size_t n, double a, double b)
{
    double *as = eng_sk_alloc(s, n, sizeof *as), *bs = eng_sk_alloc(s, n, sizeof *bs);
    if (!as || !bs || !x)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        as[i] = a;
        bs[i] = b;
    }
    return eng_sk_run_of(s, eng_plan_map(s->b, fn, x, n, as, bs), n);
}

eng_sk_cols eng_sk_pick(eng_sk *s, const eng_py *e, eng_sk_cols x, const bool *mask, size_t n)
{
    size_t picked = 0;
    eng_sk_cols out = eng_sk_columns(s, x.n);
    if (!mask || n != x.n) {
        eng_sk_fail(s, e, "it chooses among %zu columns where there are %zu", n, x.n);
        return (eng_sk_cols){NULL, 0};
    }
    for (size_t i = 0; i < out.n; i++)
        if (mask[i])
            out.at[picked++] = x.at[i];
    out.n = picked;
    return out;
}

void eng_sk_expect(eng_sk *s, const eng_py *e, eng_sk_cols x)
{
    size_t n = 0;
    if (eng_sk_features(e, &n) && n != x.n)
        eng_sk_fail(s, e, "it takes %zu columns and is given %zu", n, x.n);
}
