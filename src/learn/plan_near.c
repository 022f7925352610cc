/* Operators that look at vectors and classes as a whole: kernels, votes of pairs, neighbours. */
#include "learn/plan_internal.h"

#include <math.h>

/* ---- Similarity ---- */

static double product(const eng_plan_bound *b, const eng_plan_run *r, size_t row, const double *v)
{
    double sum = 0;
    for (uint32_t i = 0; i < b->step->n; i++)
        sum += eng_plan_col(r, b->in[i])[row] * v[i];
    return sum;
}

static double distance2(const eng_plan_bound *b, const eng_plan_run *r, size_t row, const double *v)
{
    double sum = 0;
    for (uint32_t i = 0; i < b->step->n; i++) {
        double d = eng_plan_col(r, b->in[i])[row] - v[i];
        sum += d * d;
    }
    return sum;
}

static double distance1(const eng_plan_bound *b, const eng_plan_run *r, size_t row, const double *v)
{
    double sum = 0;
    for (uint32_t i = 0; i < b->step->n; i++)
        sum += fabs(eng_plan_col(r, b->in[i])[row] - v[i]);
    return sum;
}

static double similarity(const eng_plan_bound *b, const eng_plan_run *r, size_t row,
                         const double *v)
{
    const double *k = (const double *)(const void *)b->data;
    switch ((eng_plan_kernel)b->step->fn) {
    case ENG_PLAN_RBF:
        return exp(-k[0] * distance2(b, r, row, v));
    case ENG_PLAN_POLY:
        return pow(k[0] * product(b, r, row, v) + k[1], k[2]);
    case ENG_PLAN_TANH_OF:
        return tanh(k[0] * product(b, r, row, v) + k[1]);
    case ENG_PLAN_DISTANCE1:
        return distance1(b, r, row, v);
    case ENG_PLAN_LAPLACE:
        return exp(-k[0] * distance1(b, r, row, v));
    default:
        return distance2(b, r, row, v);
    }
}

void eng_plan_run_similarity(const eng_plan_bound *b, const eng_plan_run *r)
{
    const double *k = (const double *)(const void *)b->data;
    for (uint32_t j = 0; j < b->step->m; j++) {
        const double *v = k + 4 + (size_t)j * b->step->n;
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++)
            y[i] = similarity(b, r, i, v);
    }
}

/* ---- Votes ---- */

static void count_votes(const eng_plan_bound *b, const eng_plan_run *r, size_t row)
{
    uint32_t k = b->step->m, pair = 0;
    for (uint32_t i = 0; i < k; i++)
        eng_plan_col(r, b->step->out + i)[row] = 0;
    for (uint32_t i = 0; i < k; i++)
        for (uint32_t j = i + 1; j < k; j++) {
            double d = eng_plan_col(r, b->in[pair++])[row];
            eng_plan_col(r, b->step->out + (d > 0 ? i : j))[row] += 1;
        }
}

/* Votes, and the sum of decisions squeezed to less than a third of a vote. */
static void sum_votes(const eng_plan_bound *b, const eng_plan_run *r, size_t row)
{
    uint32_t k = b->step->m;
    count_votes(b, r, row);
    for (uint32_t c = 0; c < k; c++) {
        double sum = 0;
        uint32_t pair = 0;
        for (uint32_t i = 0; i < k; i++)
            for (uint32_t j = i + 1; j < k; j++, pair++) {
                double d = eng_plan_col(r, b->in[pair])[row];
                sum += i == c ? d : j == c ? -d : 0;
            }
        eng_plan_col(r, b->step->out + c)[row] += sum / (3 * (fabs(sum) + 1));
    }
}

/* Of classes i and j: the share of i, kept away from 0 and 1 as libsvm does. */
static double pair_share(const eng_plan_bound *b, const eng_plan_run *r, size_t row, uint32_t i,
                         uint32_t j)
{
    uint32_t k = b->step->m, low = i < j ? i : j, high = i < j ? j : i;
    uint32_t pair = low * (2 * k - low - 1) / 2 + (high - low - 1);
    double p = eng_plan_col(r, b->in[pair])[row];
    p = p < 1e-7 ? 1e-7 : p > 1 - 1e-7 ? 1 - 1e-7 : p;
    return i < j ? p : 1 - p;
}

static void fill_coupling(const eng_plan_bound *b, const eng_plan_run *r, size_t row, double *q)
{
    uint32_t k = b->step->m;
    for (uint32_t i = 0; i < k; i++) {
        q[i * k + i] = 0;
        for (uint32_t j = 0; j < k; j++) {
            if (j == i)
                continue;
            double other = pair_share(b, r, row, j, i);
            q[i * k + i] += other * other;
            q[i * k + j] = -other * pair_share(b, r, row, i, j);
        }
    }
}

/* Wu, Lin and Weng's second method, as libsvm's multiclass_probability: the same steps in its order. */
static void couple(const eng_plan_bound *b, const eng_plan_run *r, size_t row)
{
    uint32_t k = b->step->m, most = k > 100 ? k : 100;
    double *q = r->temporary, *qp = q + (size_t)k * k, *p = qp + k;
    fill_coupling(b, r, row, q);
    for (uint32_t i = 0; i < k; i++)
        p[i] = 1.0 / k;
    for (uint32_t round = 0; round < most; round++) {
        double pqp = 0, worst = 0;
        for (uint32_t i = 0; i < k; i++) {
            qp[i] = 0;
            for (uint32_t j = 0; j < k; j++)
                qp[i] += q[i * k + j] * p[j];
            pqp += p[i] * qp[i];
        }
        for (uint32_t i = 0; i < k; i++)
            worst = fmax(worst, fabs(qp[i] - pqp));
        if (worst < 0.005 / k)
            break;
        for (uint32_t i = 0; i < k; i++) {
            double diff = (-qp[i] + pqp) / q[i * k + i];
            p[i] += diff;
            pqp = (pqp + diff * (diff * q[i * k + i] + 2 * qp[i])) / (1 + diff) / (1 + diff);
            for (uint32_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + diff * q[i * k + j]) / (1 + diff);
                p[j] /= 1 + diff;
            }
        }
    }
    for (uint32_t i = 0; i < k; i++)
        eng_plan_col(r, b->step->out + i)[row] = p[i];
}

void eng_plan_run_vote(const eng_plan_bound *b, const eng_plan_run *r)
{
    for (size_t i = 0; i < r->rows; i++) {
        if (b->step->fn == ENG_PLAN_VOTES)
            count_votes(b, r, i);
        else if (b->step->fn == ENG_PLAN_VOTES_SUMMED)
            sum_votes(b, r, i);
        else
            couple(b, r, i);
    }
}

/* ---- Neighbours ---- */

typedef struct {
    double distance;
    uint32_t point;
    uint32_t spare;
} near;

static double minkowski(const eng_plan_bound *b, const eng_plan_run *r, size_t row, const double *v)
{
    double p = b->step->k[0], sum = 0;
    if (p == 2)
        return distance2(b, r, row, v);
    for (uint32_t i = 0; i < b->step->n; i++) {
        double d = fabs(eng_plan_col(r, b->in[i])[row] - v[i]);
        sum = isinf(p) ? fmax(sum, d) : p == 1 ? sum + d : sum + pow(d, p);
    }
    return sum;
}

/* The root that the order of points does not need, for weights. */
static double whole_distance(const eng_plan_step *s, double sum)
{
    double p = s->k[0];
    return p == 2 ? sqrt(sum) : isinf(p) || p == 1 ? sum : pow(sum, 1 / p);
}

static void find_nearest(const eng_plan_bound *b, const eng_plan_run *r, size_t row, near *best)
{
    const eng_plan_step *s = b->step;
    const double *points = (const double *)(const void *)b->data;
    uint32_t held = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        double d = minkowski(b, r, row, points + (size_t)i * s->n);
        if (held == s->extra && !(d < best[held - 1].distance))
            continue;
        uint32_t at = held < s->extra ? held++ : held - 1;
        for (; at > 0 && d < best[at - 1].distance; at--)
            best[at] = best[at - 1];
        best[at] = (near){.distance = d, .point = i};
    }
}

/* What a neighbour counts. One that lies on points is like them alone. */
static double weight_of(const eng_plan_step *s, const near *best, uint32_t i)
{
    double d = best[i].distance;
    if (s->flags != ENG_PLAN_BY_DISTANCE && s->flags != ENG_PLAN_BY_SQUARE)
        return 1;
    if (best[0].distance == 0)
        return d == 0;
    return 1 / (s->flags == ENG_PLAN_BY_SQUARE ? d : whole_distance(s, d));
}

void eng_plan_run_nearest(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_step *s = b->step;
    const double *values = (const double *)(const void *)b->data + (size_t)s->count * s->n;
    near *best = r->temporary;
    for (size_t row = 0; row < r->rows; row++) {
        find_nearest(b, r, row, best);
        double total = 0;
        for (uint32_t j = 0; j < s->m; j++)
            eng_plan_col(r, s->out + j)[row] = 0;
        for (uint32_t i = 0; i < s->extra; i++) {
            double w = weight_of(s, best, i);
            const double *own = values + (size_t)best[i].point * s->m;
            total += w;
            for (uint32_t j = 0; j < s->m; j++) {
                double v = own[j];
                if (s->flags == ENG_PLAN_REACH && j == 0)
                    v = fmax(v, whole_distance(s, best[i].distance));
                eng_plan_col(r, s->out + j)[row] += w * v;
            }
        }
        for (uint32_t j = 0; j < s->m; j++)
            eng_plan_col(r, s->out + j)[row] /= total;
    }
}

/* ---- What is missing, from neighbours ---- */

/* Of the columns that both have, scaled up to all; NaN where they share none. */
static double part_distance(const eng_plan_bound *b, const eng_plan_run *r, size_t row,
                            const double *v)
{
    double sum = 0;
    uint32_t both = 0;
    for (uint32_t i = 0; i < b->step->n; i++) {
        double d = eng_plan_col(r, b->in[i])[row] - v[i];
        if (isnan(d))
            continue;
        sum += d * d;
        both++;
    }
    return both ? sqrt(sum / both * b->step->n) : (double)NAN;
}

static uint32_t find_donors(const eng_plan_bound *b, const eng_plan_run *r, size_t row,
                            uint32_t column, near *best)
{
    const eng_plan_step *s = b->step;
    const double *points = (const double *)(const void *)b->data + s->n;
    uint32_t held = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const double *v = points + (size_t)i * s->n;
        double d = isnan(v[column]) ? (double)NAN : part_distance(b, r, row, v);
        if (isnan(d) || (held == s->extra && !(d < best[held - 1].distance)))
            continue;
        uint32_t at = held < s->extra ? held++ : held - 1;
        for (; at > 0 && d < best[at - 1].distance; at--)
            best[at] = best[at - 1];
        best[at] = (near){.distance = d, .point = i};
    }
    return held;
}

void eng_plan_run_fill(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_step *s = b->step;
    const double *instead = (const double *)(const void *)b->data, *points = instead + s->n;
    near *best = r->temporary;
    for (uint32_t j = 0; j < s->m; j++) {
        const double *x = eng_plan_col(r, b->in[j]);
        double *y = eng_plan_col(r, s->out + j);
        for (size_t row = 0; row < r->rows; row++) {
            y[row] = x[row];
            if (!isnan(x[row]))
                continue;
            uint32_t held = find_donors(b, r, row, j, best);
            double sum = 0, total = 0;
            for (uint32_t i = 0; i < held; i++) {
                double w = 1;
                if (s->flags == ENG_PLAN_BY_DISTANCE)
                    w = best[0].distance == 0 ? best[i].distance == 0 : 1 / best[i].distance;
                sum += w * points[(size_t)best[i].point * s->n + j];
                total += w;
            }
            y[row] = held ? sum / total : instead[j];
        }
    }
}
