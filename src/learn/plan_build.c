/* Building a plan: every operator is a step and its bytes; the first failure sticks. */
#include "learn/plan_internal.h"

#include "base/check.h"

#include <math.h>
#include <stdarg.h>

/* Most bytes of a plan's parts. */
enum { LIST_MAX = 1 << 30 };
static const size_t DATA_MAX = (size_t)16 << 30;

eng_status eng_plan_builder_new(eng_plan_builder **out, eng_error *err)
{
    eng_plan_builder *b = eng_zalloc(sizeof *b);
    if (!b)
        return eng_fail(err, ENG_ENOMEM, "a model: out of memory");
    eng_arena_init(&b->arena, 4096, NULL);
    eng_buf_init(&b->fields, LIST_MAX);
    eng_buf_init(&b->steps, LIST_MAX);
    eng_buf_init(&b->lists, LIST_MAX);
    eng_buf_init(&b->data, DATA_MAX);
    *out = b;
    return ENG_OK;
}

void eng_plan_builder_free(eng_plan_builder *b)
{
    if (!b)
        return;
    eng_buf_clear(&b->data);
    eng_buf_clear(&b->lists);
    eng_buf_clear(&b->steps);
    eng_buf_clear(&b->fields);
    eng_arena_clear(&b->arena);
    eng_free(b);
}

eng_status eng_plan_failed(const eng_plan_builder *b, eng_error *err)
{
    if (b->failure.status < 0 && err)
        *err = b->failure;
    return b->failure.status;
}

uint32_t eng_plan_fail(eng_plan_builder *b, eng_status status, const char *format, ...)
{
    char text[400];
    if (b->failure.status < 0)
        return ENG_PLAN_NONE;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    eng_fail(&b->failure, status, "%s", text);
    return ENG_PLAN_NONE;
}

/* ---- Steps ---- */

eng_plan_step *eng_plan_steps(const eng_plan_builder *b, size_t *count)
{
    *count = b->steps.len / sizeof(eng_plan_step);
    return (eng_plan_step *)(void *)b->steps.data;
}

size_t eng_plan_data(eng_plan_builder *b)
{
    static const char zeros[ENG_CONTAINER_ALIGN];
    size_t over = b->data.len % ENG_CONTAINER_ALIGN;
    if (over)
        eng_buf_bytes(&b->data, zeros, ENG_CONTAINER_ALIGN - over);
    return b->data.len;
}

static bool checked(eng_plan_builder *b, const eng_buf *part)
{
    if (eng_buf_check(part, "a model", &b->failure) == ENG_OK)
        return true;
    return false;
}

uint32_t eng_plan_emit(eng_plan_builder *b, eng_plan_step step, const uint32_t *x, size_t n,
                       size_t m, size_t data)
{
    if (b->failure.status < 0)
        return ENG_PLAN_NONE;
    if (m == 0 || m > ENG_PLAN_COLUMNS - b->columns || n > ENG_PLAN_COLUMNS)
        return eng_plan_fail(b, ENG_ETOOBIG, "a model of more than %d columns", ENG_PLAN_COLUMNS);
    for (size_t i = 0; i < n; i++) {
        if (x[i] >= b->columns)
            return eng_plan_fail(b, ENG_EMALFORMED, "a column that does not exist");
        const eng_plan_field *field = (const eng_plan_field *)(const void *)b->fields.data;
        if (x[i] < b->inputs && field[x[i]].type == ENG_PLAN_TEXT && step.code != OP_LOOKUP &&
            step.code != OP_TEXTS)
            return eng_plan_fail(b, ENG_EUNSUPPORTED, "'%.*s' is a text where a number is needed",
                                 ENG_FMT(field[x[i]].name));
    }
    step.n = (uint32_t)n;
    step.m = (uint32_t)m;
    step.in = (uint32_t)(b->lists.len / sizeof *x);
    step.out = (uint32_t)b->columns;
    step.data = data;
    step.size = b->data.len - data;
    eng_buf_bytes(&b->lists, x, n * sizeof *x);
    eng_buf_bytes(&b->steps, &step, sizeof step);
    if (!checked(b, &b->lists) || !checked(b, &b->steps) || !checked(b, &b->data))
        return ENG_PLAN_NONE;
    b->columns += m;
    return step.out;
}

eng_plan_step *eng_plan_maker(const eng_plan_builder *b, uint32_t column)
{
    size_t high, low = 0;
    eng_plan_step *steps = eng_plan_steps(b, &high);
    if (column < b->inputs)
        return NULL;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (steps[mid].out <= column)
            low = mid;
        else
            high = mid;
    }
    return high > low ? &steps[low] : NULL;
}

static void put_numbers(eng_plan_builder *b, const double *x, size_t n)
{
    size_t size;
    if (!eng_mul(n, sizeof *x, &size))
        b->data.failed = ENG_ETOOBIG;
    else
        eng_buf_bytes(&b->data, x, size);
}

/* ---- Inputs ---- */

static bool copy_field(eng_plan_builder *b, eng_plan_field *f)
{
    char number[16];
    int len = snprintf(number, sizeof number, "x%zu", b->inputs);
    eng_str name = f->name.len ? f->name : (eng_str){number, (size_t)len};
    const eng_str *from = f->categories;
    f->name = eng_arena_copy(&b->arena, name);
    if (!f->name.ptr)
        return false;
    if (!from)
        return true;
    eng_str *to = eng_arena_array(&b->arena, f->category_count, sizeof *to);
    if (!to)
        return false;
    for (size_t i = 0; i < f->category_count; i++) {
        to[i] = eng_arena_copy(&b->arena, from[i]);
        if (!to[i].ptr)
            return false;
    }
    f->categories = to;
    return true;
}

uint32_t eng_plan_input(eng_plan_builder *b, const eng_plan_field *field)
{
    eng_plan_field copy = *field;
    if (b->failure.status < 0)
        return ENG_PLAN_NONE;
    if (b->inputs == ENG_PLAN_INPUTS)
        return eng_plan_fail(b, ENG_ETOOBIG, "a model of more than %d fields", ENG_PLAN_INPUTS);
    if (b->columns > b->inputs)
        return eng_plan_fail(b, ENG_EINTERNAL, "an input after an operator");
    if (!copy.categories)
        copy.category_count = 0;
    if (!copy_field(b, &copy))
        return eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    eng_buf_bytes(&b->fields, &copy, sizeof copy);
    if (!checked(b, &b->fields))
        return ENG_PLAN_NONE;
    b->inputs++;
    return (uint32_t)b->columns++;
}

/* ---- Operators of numbers ---- */

uint32_t eng_plan_constant(eng_plan_builder *b, double value)
{
    return eng_plan_emit(b, (eng_plan_step){.code = OP_CONSTANT, .k = {value}}, NULL, 0, 1,
                         eng_plan_data(b));
}

static unsigned constants_of(eng_plan_fn fn)
{
    static const uint8_t constants[] = {
#define CONSTANTS(name, text, constants) constants,
        ENG_PLAN_MAPS(CONSTANTS)
#undef CONSTANTS
    };
    return constants[fn];
}

uint32_t eng_plan_map(eng_plan_builder *b, eng_plan_fn fn, const uint32_t *x, size_t n,
                      const double *first, const double *second)
{
    size_t data = eng_plan_data(b);
    unsigned constants = constants_of(fn);
    if (constants > 0)
        put_numbers(b, first, n);
    if (constants > 1)
        put_numbers(b, second, n);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_MAP, .fn = (uint8_t)fn, .count = constants},
                         x, n, n, data);
}

static bool rises(const double *x, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (!(x[i - 1] <= x[i]))
            return false;
    return n == 0 || !isnan(x[0]);
}

uint32_t eng_plan_bins(eng_plan_builder *b, uint32_t x, const double *edges, size_t n, bool left)
{
    size_t data = eng_plan_data(b);
    if (!rises(edges, n))
        return eng_plan_fail(b, ENG_EMALFORMED, "edges of bins that do not rise");
    if (n > ENG_PLAN_COLUMNS)
        return eng_plan_fail(b, ENG_ETOOBIG, "too many bins");
    put_numbers(b, edges, n);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_BINS, .flags = left, .count = (uint32_t)n},
                         &x, 1, 1, data);
}

uint32_t eng_plan_interpolate(eng_plan_builder *b, uint32_t x, const double *xs, const double *ys,
                              size_t n)
{
    size_t data = eng_plan_data(b);
    if (n == 0 || !rises(xs, n))
        return eng_plan_fail(b, ENG_EMALFORMED, "points to interpolate between that do not rise");
    if (n > ENG_PLAN_COLUMNS)
        return eng_plan_fail(b, ENG_ETOOBIG, "too many points to interpolate between");
    put_numbers(b, xs, n);
    put_numbers(b, ys, n);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_INTERPOLATE, .count = (uint32_t)n}, &x, 1, 1,
                         data);
}

/* weights[m][count], bias[m], and for each column in: 0, or of how many categories it is the number. */
uint32_t eng_plan_linear(eng_plan_builder *b, const uint32_t *x, size_t n, const double *weights,
                         const double *bias, size_t m)
{
    size_t data = eng_plan_data(b), total;
    if (!eng_mul(n, m, &total) || total > SIZE_MAX / sizeof *weights)
        return eng_plan_fail(b, ENG_ETOOBIG, "a product of %zu with %zu columns", n, m);
    put_numbers(b, weights, total);
    for (size_t i = 0; i < m; i++)
        put_numbers(b, bias ? bias + i : &(double){0}, 1);
    for (size_t i = 0; i < n; i++)
        eng_buf_bytes(&b->data, &(uint32_t){0}, sizeof(uint32_t));
    return eng_plan_emit(b, (eng_plan_step){.code = OP_LINEAR, .count = (uint32_t)n}, x, n, m,
                         data);
}

/* Powers that are not 0, a list for each column: where each ends, then (column, power). */
uint32_t eng_plan_polynomial(eng_plan_builder *b, const uint32_t *x, size_t n,
                             const uint32_t *powers, size_t m)
{
    size_t data = eng_plan_data(b);
    uint32_t terms = 0;
    for (size_t j = 0; j < m; j++) {
        for (size_t i = 0; i < n; i++) {
            if (powers[j * n + i] > 64)
                return eng_plan_fail(b, ENG_ETOOBIG, "a power of more than 64");
            terms += powers[j * n + i] != 0;
        }
        eng_buf_bytes(&b->data, &terms, sizeof terms);
    }
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < n; i++)
            if (powers[j * n + i])
                eng_buf_bytes(&b->data, (uint32_t[]){(uint32_t)i, powers[j * n + i]},
                              2 * sizeof(uint32_t));
    return eng_plan_emit(b, (eng_plan_step){.code = OP_POLYNOMIAL, .count = terms}, x, n, m, data);
}

/* knots[count]; extra: the degree */
uint32_t eng_plan_spline(eng_plan_builder *b, uint32_t x, const double *knots, size_t count,
                         size_t degree, eng_plan_beyond beyond)
{
    size_t data = eng_plan_data(b), fold = beyond == ENG_PLAN_PERIODIC ? degree : 0;
    if (!rises(knots, count) || degree > ENG_PLAN_SPLINE || count > ENG_PLAN_COLUMNS ||
        count < 2 * degree + 2 || count - degree - 1 <= fold)
        return eng_plan_fail(b, ENG_EMALFORMED, "splines of degree %zu over %zu knots", degree,
                             count);
    put_numbers(b, knots, count);
    eng_plan_step step = {.code = OP_SPLINE,
                          .fn = (uint8_t)beyond,
                          .count = (uint32_t)count,
                          .extra = (uint32_t)degree};
    return eng_plan_emit(b, step, &x, 1, count - degree - 1 - fold, data);
}

uint32_t eng_plan_pairs(eng_plan_builder *b, eng_plan_op op, const uint32_t *x, const uint32_t *z,
                        size_t n)
{
    uint32_t *both = eng_arena_array(&b->arena, n, 2 * sizeof *both);
    if (!both)
        return eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    memcpy(both, x, n * sizeof *both);
    memcpy(both + n, z, n * sizeof *both);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_PAIRS, .fn = (uint8_t)op}, both, 2 * n, n,
                         eng_plan_data(b));
}

uint32_t eng_plan_reduce(eng_plan_builder *b, eng_plan_reduction op, const uint32_t *x, size_t n)
{
    if (n == 0)
        return eng_plan_fail(b, ENG_EMALFORMED, "a sum of nothing");
    return eng_plan_emit(b, (eng_plan_step){.code = OP_REDUCE, .fn = (uint8_t)op}, x, n, 1,
                         eng_plan_data(b));
}

uint32_t eng_plan_weighted_median(eng_plan_builder *b, const uint32_t *x, size_t n,
                                  const double *weights)
{
    size_t data = eng_plan_data(b);
    if (n == 0)
        return eng_plan_fail(b, ENG_EMALFORMED, "a median of nothing");
    put_numbers(b, weights, n);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_MEDIAN}, x, n, 1, data);
}

uint32_t eng_plan_share(eng_plan_builder *b, eng_plan_sharing how, const uint32_t *x, size_t n)
{
    return eng_plan_emit(b, (eng_plan_step){.code = OP_SHARE, .fn = (uint8_t)how}, x, n, n,
                         eng_plan_data(b));
}

/* gamma, coef0, degree, 0; vectors[count][n] */
uint32_t eng_plan_similarity(eng_plan_builder *b, const uint32_t *x, size_t n,
                             const eng_plan_support *s)
{
    size_t data = eng_plan_data(b), total;
    if (!eng_mul(n, s->count, &total))
        return eng_plan_fail(b, ENG_ETOOBIG, "too many vectors");
    put_numbers(b, (double[]){s->gamma, s->coef0, s->degree, 0}, 4);
    put_numbers(b, s->vectors, total);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_SIMILARITY, .fn = (uint8_t)s->kind}, x, n,
                         s->count, data);
}

uint32_t eng_plan_vote(eng_plan_builder *b, eng_plan_voting how, const uint32_t *x, size_t k)
{
    if (k < 2 || k > 4096)
        return eng_plan_fail(b, ENG_EMALFORMED, "a vote between %zu classes", k);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_VOTE, .fn = (uint8_t)how}, x,
                         k * (k - 1) / 2, k, eng_plan_data(b));
}

/* points[count][n], values[count][width]; extra: k; k[0]: p */
uint32_t eng_plan_nearest(eng_plan_builder *b, const uint32_t *x, size_t n,
                          const eng_plan_points *points)
{
    size_t data = eng_plan_data(b), total, values;
    if (points->k == 0 || points->k > points->count || !(points->p > 0))
        return eng_plan_fail(b, ENG_EMALFORMED, "the %zu nearest of %zu points", points->k,
                             points->count);
    if (!eng_mul(n, points->count, &total) || !eng_mul(points->width, points->count, &values) ||
        points->count > UINT32_MAX)
        return eng_plan_fail(b, ENG_ETOOBIG, "too many points");
    put_numbers(b, points->points, total);
    put_numbers(b, points->values, values);
    eng_plan_step step = {.code = OP_NEAREST,
                          .flags = (uint8_t)points->weighing,
                          .count = (uint32_t)points->count,
                          .extra = (uint32_t)points->k,
                          .k = {points->p}};
    return eng_plan_emit(b, step, x, n, points->width, data);
}

/* values[n], points[count][n]; extra: k */
uint32_t eng_plan_fill(eng_plan_builder *b, const uint32_t *x, size_t n,
                       const eng_plan_points *points)
{
    size_t data = eng_plan_data(b), total;
    if (points->k == 0 || points->k > points->count)
        return eng_plan_fail(b, ENG_EMALFORMED, "the %zu nearest of %zu points", points->k,
                             points->count);
    if (!eng_mul(n, points->count, &total) || points->count > UINT32_MAX)
        return eng_plan_fail(b, ENG_ETOOBIG, "too many points");
    put_numbers(b, points->values, n);
    put_numbers(b, points->points, total);
    eng_plan_step step = {.code = OP_FILL,
                          .flags = (uint8_t)points->weighing,
                          .count = (uint32_t)points->count,
                          .extra = (uint32_t)points->k};
    return eng_plan_emit(b, step, x, n, n, data);
}

/* ---- Results ---- */

static uint32_t put_list(eng_plan_builder *b, const uint32_t *x, size_t n)
{
    size_t at = b->lists.len / sizeof *x;
    for (size_t i = 0; i < n; i++)
        if (x[i] >= b->columns || x[i] < b->inputs)
            return eng_plan_fail(b, ENG_EMALFORMED, "a result that no operator makes");
    eng_buf_bytes(&b->lists, x, n * sizeof *x);
    return checked(b, &b->lists) ? (uint32_t)at : ENG_PLAN_NONE;
}

static bool copy_classes(eng_plan_builder *b, const eng_plan_label *from, size_t n)
{
    eng_plan_label *to = eng_arena_array(&b->arena, n, sizeof *to);
    if (!to)
        return false;
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
        to[i].text = eng_arena_copy(&b->arena, from[i].type == ENG_PLAN_LABEL_TEXT ? from[i].text
                                                                                   : ENG_STR(""));
        if (!to[i].text.ptr)
            return false;
    }
    b->result.classes = to;
    return true;
}

/* Of several outputs each has classes of its own. */
static bool good_ends(const eng_plan_results *r)
{
    if (r->task != ENG_PLAN_CLASSIFICATION || r->count == 1)
        return !r->class_ends;
    for (size_t i = 0; r->class_ends && i < r->count; i++)
        if (r->class_ends[i] <= (i ? r->class_ends[i - 1] : 0))
            return false;
    return r->class_ends && r->class_ends[r->count - 1] == r->class_count;
}

static bool copy_ends(eng_plan_builder *b, const eng_plan_results *r)
{
    size_t *to = r->class_ends ? eng_arena_array(&b->arena, r->count, sizeof *to) : NULL;
    if (to)
        memcpy(to, r->class_ends, r->count * sizeof *to);
    b->result.class_ends = to;
    return to || !r->class_ends;
}

void eng_plan_result(eng_plan_builder *b, const eng_plan_results *results)
{
    if (b->failure.status < 0)
        return;
    if (results->count == 0 || results->class_count > ENG_PLAN_CLASSES ||
        (results->task == ENG_PLAN_CLASSIFICATION && !results->class_count) ||
        (results->class_count && results->task == ENG_PLAN_TRANSFORM) || !good_ends(results)) {
        eng_plan_fail(b, ENG_EMALFORMED, "a model of %zu results and %zu classes", results->count,
                      results->class_count);
        return;
    }
    b->result = *results;
    b->result.format = eng_arena_copy(&b->arena,
                                      results->format.ptr ? results->format : ENG_STR(""));
    b->result.about = eng_arena_copy(&b->arena, results->about.ptr ? results->about : ENG_STR(""));
    if (!b->result.format.ptr || !b->result.about.ptr ||
        !copy_classes(b, results->classes, results->class_count) || !copy_ends(b, results)) {
        eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
        return;
    }
    b->predicted = put_list(b, results->predicted, results->count);
    b->shares = ENG_PLAN_NONE;
    if (results->shares)
        b->shares = put_list(b, results->shares, results->class_count);
    b->has_result = true;
}
