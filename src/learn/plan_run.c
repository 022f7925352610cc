/* Running a plan: blocks of rows, column by column. */
#include "learn/plan_internal.h"

#include "base/check.h"

#include <math.h>
#include <stdalign.h>

/* ---- Operators of a few lines ---- */

static void run_bins(const eng_plan_bound *b, const eng_plan_run *r)
{
    const double *edges = (const double *)(const void *)b->data, *x = eng_plan_col(r, b->in[0]);
    double *y = eng_plan_col(r, b->step->out);
    for (size_t i = 0; i < r->rows; i++) {
        size_t low = 0, high = b->step->count;
        while (low < high) {
            size_t mid = low + (high - low) / 2;
            if (b->step->flags ? edges[mid] < x[i] : edges[mid] <= x[i])
                low = mid + 1;
            else
                high = mid;
        }
        y[i] = isnan(x[i]) ? b->step->count : (double)low;
    }
}

/* numpy's arithmetic: slope first, from the point on the left. */
static double between(const double *xs, const double *ys, size_t n, double x)
{
    size_t low = 0, high = n;
    if (isnan(x))
        return x;
    if (x >= xs[n - 1])
        return ys[n - 1];
    if (x < xs[0])
        return ys[0];
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (xs[mid] <= x)
            low = mid;
        else
            high = mid;
    }
    if (xs[low] == x)
        return ys[low];
    double slope = (ys[low + 1] - ys[low]) / (xs[low + 1] - xs[low]);
    return slope * (x - xs[low]) + ys[low];
}

static void run_interpolate(const eng_plan_bound *b, const eng_plan_run *r)
{
    const double *xs = (const double *)(const void *)b->data, *x = eng_plan_col(r, b->in[0]);
    double *y = eng_plan_col(r, b->step->out);
    for (size_t i = 0; i < r->rows; i++)
        y[i] = between(xs, xs + b->step->count, b->step->count, x[i]);
}

static void run_expand(const eng_plan_bound *b, const eng_plan_run *r)
{
    const double *x = eng_plan_col(r, b->in[0]);
    for (uint32_t j = 0; j < b->step->m; j++) {
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++)
            y[i] = x[i] == j;
    }
}

static void run_linear(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_step *s = b->step;
    const double *weights = (const double *)(const void *)b->data;
    const double *bias = weights + (size_t)s->m * s->count;
    const uint32_t *spans = (const uint32_t *)(const void *)(bias + s->m);
    for (uint32_t j = 0; j < s->m; j++) {
        const double *w = weights + (size_t)j * s->count;
        double *y = eng_plan_col(r, s->out + j);
        memset(y, 0, r->rows * sizeof *y);
        for (uint32_t i = 0; i < s->n; i++) {
            const double *x = eng_plan_col(r, b->in[i]);
            if (spans[i]) {
                for (size_t row = 0; row < r->rows; row++)
                    y[row] += x[row] >= 0 && x[row] < spans[i] ? w[(size_t)x[row]] : 0;
                w += spans[i];
            } else {
                for (size_t row = 0; row < r->rows; row++)
                    y[row] += x[row] * *w;
                w++;
            }
        }
        for (size_t row = 0; row < r->rows; row++)
            y[row] += bias[j];
    }
}

static double power(double x, uint32_t n)
{
    double y = x;
    for (uint32_t i = 1; i < n; i++)
        y *= x;
    return y;
}

static void run_polynomial(const eng_plan_bound *b, const eng_plan_run *r)
{
    const uint32_t *ends = (const uint32_t *)(const void *)b->data, *terms = ends + b->step->m;
    for (uint32_t j = 0, t = 0; j < b->step->m; j++) {
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++)
            y[i] = 1;
        for (; t < ends[j]; t++) {
            const double *x = eng_plan_col(r, b->in[terms[2 * t]]);
            for (size_t i = 0; i < r->rows; i++)
                y[i] *= power(x[i], terms[2 * t + 1]);
        }
    }
}

static double of_two(eng_plan_op op, double x, double z)
{
    switch (op) {
    case ENG_PLAN_PLUS:
        return x + z;
    case ENG_PLAN_MINUS:
        return x - z;
    case ENG_PLAN_BY:
        return x * z;
    case ENG_PLAN_DIVIDED:
        return x / z;
    case ENG_PLAN_GREATER:
        return isnan(x) || x > z ? x : z;
    case ENG_PLAN_LESSER:
        return isnan(x) || x < z ? x : z;
    case ENG_PLAN_IS_LESS:
        return x < z;
    case ENG_PLAN_WHERE_NAN:
        return isnan(x) ? z : x;
    default:
        return x == z;
    }
}

static void run_pairs(const eng_plan_bound *b, const eng_plan_run *r)
{
    for (uint32_t j = 0; j < b->step->m; j++) {
        const double *x = eng_plan_col(r, b->in[j]), *z = eng_plan_col(r, b->in[b->step->m + j]);
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++)
            y[i] = of_two((eng_plan_op)b->step->fn, x[i], z[i]);
    }
}

/* ---- Reductions ---- */

static void gather(const eng_plan_bound *b, const eng_plan_run *r, size_t row, double *x)
{
    for (uint32_t j = 0; j < b->step->n; j++)
        x[j] = eng_plan_col(r, b->in[j])[row];
}

static double largest(const double *x, size_t n)
{
    double most = x[0];
    for (size_t i = 1; i < n; i++)
        most = x[i] > most || isnan(x[i]) ? x[i] : most;
    return most;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sum_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

static double norm_of(const double *x, size_t n, bool squares)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += squares ? x[i] * x[i] : fabs(x[i]);
    return squares ? sqrt(sum) : sum;
}

static double log_sum_exp(const double *x, size_t n)
{
    double most = largest(x, n), sum = 0;
    if (isinf(most))
        return most;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - most);
    return log(sum) + most;
}

static double first_largest(const double *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return (double)best;
}

static double reduce(eng_plan_reduction op, double *x, size_t n)
{
    double y = x[0];
    switch (op) {
    case ENG_PLAN_SUM:
        return sum_of(x, n);
    case ENG_PLAN_MEAN:
        return sum_of(x, n) / (double)n;
    case ENG_PLAN_PRODUCT:
        for (size_t i = 1; i < n; i++)
            y *= x[i];
        return y;
    case ENG_PLAN_MAX:
        return largest(x, n);
    case ENG_PLAN_MIN:
        for (size_t i = 1; i < n; i++)
            y = x[i] < y || isnan(x[i]) ? x[i] : y;
        return y;
    case ENG_PLAN_ARGMAX:
        return first_largest(x, n);
    case ENG_PLAN_NORM1:
        return norm_of(x, n, false);
    case ENG_PLAN_NORM2:
        return norm_of(x, n, true);
    case ENG_PLAN_LOG_SUM_EXP:
        return log_sum_exp(x, n);
    default: /* the median */
        qsort(x, n, sizeof *x, rising);
        return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
    }
}

static void run_reduce(const eng_plan_bound *b, const eng_plan_run *r)
{
    double *y = eng_plan_col(r, b->step->out);
    for (size_t i = 0; i < r->rows; i++) {
        gather(b, r, i, r->temporary);
        y[i] = reduce((eng_plan_reduction)b->step->fn, r->temporary, b->step->n);
    }
}

typedef struct {
    double value, weight;
    size_t place; /* equal ones stay in order */
} weighted;

static int rising_weighted(const void *a, const void *b)
{
    const weighted *x = a, *y = b;
    int order = rising(&x->value, &y->value);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static void run_median(const eng_plan_bound *b, const eng_plan_run *r)
{
    const double *weights = (const double *)(const void *)b->data;
    weighted *all = r->temporary;
    double half = 0.5 * sum_of(weights, b->step->n), *y = eng_plan_col(r, b->step->out);
    for (size_t i = 0; i < r->rows; i++) {
        for (uint32_t j = 0; j < b->step->n; j++)
            all[j] = (weighted){eng_plan_col(r, b->in[j])[i], weights[j], j};
        qsort(all, b->step->n, sizeof *all, rising_weighted);
        double sum = 0;
        size_t at = 0;
        for (; at < b->step->n; at++) {
            sum += all[at].weight;
            if (sum >= half)
                break;
        }
        y[i] = all[at < b->step->n ? at : b->step->n - 1].value;
    }
}

/* ---- Sharing ---- */

static void softmax(double *x, size_t n)
{
    double most = largest(x, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - most);
    for (size_t i = 0; i < n; i++)
        x[i] /= sum;
}

static void softmax_float(double *x, size_t n)
{
    float most = (float)largest(x, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] = (double)expf((float)x[i] - most);
    for (size_t i = 0; i < n; i++)
        x[i] = (double)((float)x[i] / (float)sum);
}

static void share(eng_plan_sharing how, double *x, size_t n)
{
    double over;
    if (how == ENG_PLAN_SOFTMAX) {
        softmax(x, n);
        return;
    }
    if (how == ENG_PLAN_SOFTMAX_FLOAT) {
        softmax_float(x, n);
        return;
    }
    if (how == ENG_PLAN_NORMALISE) {
        over = sum_of(x, n);
    } else if (how == ENG_PLAN_UNIT_MAX) {
        over = 0;
        for (size_t i = 0; i < n; i++)
            over = fmax(over, fabs(x[i]));
    } else {
        over = norm_of(x, n, how == ENG_PLAN_UNIT2);
    }
    for (size_t i = 0; i < n; i++)
        x[i] = over != 0 ? x[i] / over : how == ENG_PLAN_NORMALISE ? 1.0 / (double)n : x[i];
}

static void run_share(const eng_plan_bound *b, const eng_plan_run *r)
{
    double *x = r->temporary;
    for (size_t i = 0; i < r->rows; i++) {
        gather(b, r, i, x);
        share((eng_plan_sharing)b->step->fn, x, b->step->n);
        for (uint32_t j = 0; j < b->step->m; j++)
            eng_plan_col(r, b->step->out + j)[i] = x[j];
    }
}

/* ---- All of them ---- */

/* Slots of the rows that are walked in step; ranks, and sums in single precision. */
static size_t forest_room(const eng_plan_bound *b, size_t rows)
{
    const eng_plan_forest_head *h = &b->of.forest.head;
    size_t each = h->wide ? sizeof(double) : sizeof(float), ranked = 0;
    if (b->ranked)
        ranked = (b->ranked->most + h->outputs * sizeof(float)) * ENG_PLAN_BLOCK;
    if (rows >= ENG_PLAN_RANKED_FROM && b->ranked)
        rows = ENG_PLAN_RANKED_FROM;
    size_t lanes = rows == 1 ? 1 : (rows + ENG_PLAN_LANES - 1) / ENG_PLAN_LANES * ENG_PLAN_LANES;
    size_t walked = ((size_t)h->slots * each + ENG_PLAN_GROUP * sizeof(uint32_t)) * lanes;
    return lanes > 1 && ranked > walked ? ranked : walked;
}

size_t eng_plan_temporary(const eng_plan_bound *b, size_t rows)
{
    const eng_plan_step *s = b->step;
    switch (s->code) {
    case OP_REDUCE:
    case OP_SHARE:
        return s->n * sizeof(double);
    case OP_MEDIAN:
        return s->n * sizeof(weighted);
    case OP_VOTE:
        return ((size_t)s->m * s->m + 2 * (size_t)s->m) * sizeof(double);
    case OP_NEAREST:
    case OP_FILL:
        return (size_t)s->extra * 16;
    case OP_FOREST:
        return forest_room(b, rows);
    default:
        return 0;
    }
}

static eng_status run_step(const eng_plan_bound *b, const eng_plan_run *r)
{
    switch ((eng_plan_code)b->step->code) {
    case OP_CONSTANT:
        for (size_t i = 0; i < r->rows; i++)
            eng_plan_col(r, b->step->out)[i] = b->step->k[0];
        break;
    case OP_MAP:
        eng_plan_run_map(b, r);
        break;
    case OP_LOOKUP:
        return eng_plan_run_lookup(b, r);
    case OP_EXPAND:
        run_expand(b, r);
        break;
    case OP_BINS:
        run_bins(b, r);
        break;
    case OP_INTERPOLATE:
        run_interpolate(b, r);
        break;
    case OP_LINEAR:
        run_linear(b, r);
        break;
    case OP_POLYNOMIAL:
        run_polynomial(b, r);
        break;
    case OP_PAIRS:
        run_pairs(b, r);
        break;
    case OP_REDUCE:
        run_reduce(b, r);
        break;
    case OP_MEDIAN:
        run_median(b, r);
        break;
    case OP_SHARE:
        run_share(b, r);
        break;
    case OP_SIMILARITY:
        eng_plan_run_similarity(b, r);
        break;
    case OP_VOTE:
        eng_plan_run_vote(b, r);
        break;
    case OP_NEAREST:
        eng_plan_run_nearest(b, r);
        break;
    case OP_FOREST:
        eng_plan_run_forest(b, r);
        break;
    case OP_TEXTS:
        return eng_plan_run_texts(b, r);
    case OP_FILL:
        eng_plan_run_fill(b, r);
        break;
    case OP_SPLINE:
        eng_plan_run_spline(b, r);
        break;
    case OP_COUNT:
        break;
    }
    return ENG_OK;
}

/* ---- Predicting ---- */

struct eng_plan_scratch {
    size_t rows;      /* of a block, at most */
    size_t temporary; /* where it begins, behind the columns */
    unsigned char memory[];
};

static size_t aligned(size_t at)
{
    return (at + ENG_CONTAINER_ALIGN - 1) / ENG_CONTAINER_ALIGN * ENG_CONTAINER_ALIGN;
}

eng_status eng_plan_scratch_new(const eng_plan *p, size_t rows, eng_plan_scratch **out,
                                eng_error *err)
{
    size_t block = rows > 1 ? ENG_PLAN_BLOCK : 1;
    size_t columns = aligned(p->head->columns * block * sizeof(double));
    size_t temporary = block > 1 && p->temporary_wide > p->temporary ? p->temporary_wide
                                                                     : p->temporary;
    /* Very many columns are looked at row by row. */
    if (columns + temporary > (size_t)256 << 20 && block > 1)
        return eng_plan_scratch_new(p, 1, out, err);
    eng_plan_scratch *s = eng_alloc(sizeof *s + columns + aligned(temporary) + ENG_CONTAINER_ALIGN);
    if (!s)
        return eng_fail(err, ENG_ENOMEM, "predicting: out of memory");
    s->rows = block;
    s->temporary = columns;
    *out = s;
    return ENG_OK;
}

void eng_plan_scratch_free(eng_plan_scratch *s) { eng_free(s); }

static eng_status refuse(const eng_plan_run *r, size_t field, size_t row, const char *why)
{
    eng_fail_field(r->err, ENG_EINVALID, r->plan->fields[field].name, "%s", why);
    if (r->err)
        r->err->line = (uint32_t)(r->first + row + 1);
    return ENG_EINVALID;
}

static eng_status take_inputs(const eng_plan_run *r)
{
    for (uint32_t i = 0; i < r->plan->head->inputs; i++) {
        const eng_plan_field *f = &r->plan->fields[i];
        if (f->type == ENG_PLAN_TEXT) {
            const eng_str *texts = r->inputs[i].texts + r->first;
            for (size_t row = 0; row < r->rows && !f->missing; row++)
                if (!texts[row].ptr)
                    return refuse(r, i, row, "may not be missing");
            continue;
        }
        const double *x = r->inputs[i].numbers + r->first;
        double *y = eng_plan_col(r, i);
        for (size_t row = 0; row < r->rows; row++) {
            y[row] = x[row];
            if (fabs(x[row]) <= 1.7976931348623157e308)
                continue;
            if (!isnan(x[row]))
                return refuse(r, i, row, "expected a finite number");
            if (!f->missing)
                return refuse(r, i, row, "may not be missing");
        }
    }
    return ENG_OK;
}

static void give(const eng_plan_run *r, uint32_t list, size_t n, double *out)
{
    for (size_t j = 0; j < n; j++) {
        const double *x = eng_plan_col(r, r->plan->columns[list + j]);
        for (size_t i = 0; i < r->rows; i++)
            out[(r->first + i) * n + j] = x[i];
    }
}

/* A number that is no class would be a bug of an importer; what comes is always one of them. */
static void keep_in_classes(const eng_plan *p, double *predicted, size_t rows)
{
    size_t n = p->head->count;
    const size_t *ends = p->about.class_ends;
    for (size_t i = 0; i < rows * n; i++) {
        double first = ends && i % n ? (double)ends[i % n - 1] : 0;
        if (!(predicted[i] >= first &&
              predicted[i] < (double)(ends ? ends[i % n] : p->head->class_count)))
            predicted[i] = first;
    }
}

eng_status eng_plan_predict(const eng_plan *p, const eng_plan_column *columns, size_t rows,
                            double *predicted, double *shares, eng_plan_scratch *scratch,
                            eng_error *err)
{
    unsigned char *memory = scratch->memory;
    memory += (ENG_CONTAINER_ALIGN - (uintptr_t)memory % ENG_CONTAINER_ALIGN) % ENG_CONTAINER_ALIGN;
    eng_plan_run r = {.plan = p,
                      .inputs = columns,
                      .columns = (double *)(void *)memory,
                      .temporary = memory + scratch->temporary,
                      .err = err};
    for (; r.first < rows; r.first += r.rows) {
        r.rows = rows - r.first < scratch->rows ? rows - r.first : scratch->rows;
        r.stride = r.rows == 1 ? 1 : scratch->rows;
        eng_status status = take_inputs(&r);
        for (size_t i = 0; i < p->step_count && status == ENG_OK; i++)
            status = run_step(&p->steps[i], &r);
        if (status < 0)
            return status;
        give(&r, p->head->predicted, p->head->count, predicted);
        if (shares && p->head->shares != ENG_PLAN_NONE)
            give(&r, p->head->shares, p->head->class_count, shares);
    }
    if (p->head->task == ENG_PLAN_CLASSIFICATION)
        keep_in_classes(p, predicted, rows);
    return ENG_OK;
}
