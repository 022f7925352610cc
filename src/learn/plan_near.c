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

void eng_plan_run_similarity(const eng_plan_bound *b, const eng_plan_run *r)
{
    const double *k = (const double *)(const void *)b->data;
    for (uint32_t j = 0; j < b->step->m; j++) {
        const double *v = k + 4 + (size_t)j * b->step->n;
        double *y = eng_plan_col(r, b->step->out + j);
        for (size_t i = 0; i < r->rows; i++) {
            if (b->step->fn == ENG_PLAN_RBF)
                y[i] = exp(-k[0] * distance2(b, r, i, v));
            else if (b->step->fn == ENG_PLAN_POLY)
                y[i] = pow(k[0] * product(b, r, i, v) + k[1], k[2]);
            else if (b->step->fn == ENG_PLAN_TANH_OF)
                y[i] = tanh(k[0] * product(b, r, i, v) + k[1]);
            else
                y[i] = distance2(b, r, i, v);
        }
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

void eng_plan_run_nearest(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_step *s = b->step;
    const double *values = (const double *)(const void *)b->data + (size_t)s->count * s->n;
    near *best = r->temporary;
    for (size_t row = 0; row < r->rows; row++) {
        find_nearest(b, r, row, best);
        /* One that lies on points is like them alone. */
        bool on_it = s->flags && best[0].distance == 0;
        double total = 0;
        for (uint32_t j = 0; j < s->m; j++)
            eng_plan_col(r, s->out + j)[row] = 0;
        for (uint32_t i = 0; i < s->extra; i++) {
            double w = 1;
            if (s->flags)
                w = on_it ? best[i].distance == 0 : 1 / whole_distance(s, best[i].distance);
            total += w;
            for (uint32_t j = 0; j < s->m; j++)
                eng_plan_col(r, s->out + j)[row] += w * values[(size_t)best[i].point * s->m + j];
        }
        for (uint32_t j = 0; j < s->m; j++)
            eng_plan_col(r, s->out + j)[row] /= total;
    }
}
