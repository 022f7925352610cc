/* B-splines: scipy's evaluation (de Boor's recurrence) in its order, so that the bits are the same. */
#include "learn/plan_internal.h"

#include <math.h>

typedef struct {
    const double *t;
    uint32_t degree;
    uint32_t bases; /* before periodic ones are folded */
    double low, high;
} knots;

static knots knots_of(const eng_plan_bound *b)
{
    const eng_plan_step *s = b->step;
    knots k = {.t = (const double *)(const void *)b->data, .degree = s->extra};
    k.bases = s->count - s->extra - 1;
    k.low = k.t[k.degree];
    k.high = k.t[k.bases];
    return k;
}

bool eng_plan_check_spline(const eng_plan_bound *b)
{
    const eng_plan_step *s = b->step;
    const double *t = (const double *)(const void *)b->data;
    if (s->n != 1 || s->fn >= ENG_PLAN_BEYOND_COUNT || s->extra > ENG_PLAN_SPLINE ||
        s->count < 2 * s->extra + 2 || s->size != s->count * sizeof(double))
        return false;
    uint32_t fold = s->fn == ENG_PLAN_PERIODIC ? s->extra : 0;
    if (s->count - s->extra - 1 <= fold || s->m != s->count - s->extra - 1 - fold)
        return false;
    for (uint32_t i = 0; i < s->count; i++)
        if (!isfinite(t[i]) || (i && t[i] < t[i - 1]))
            return false;
    return true;
}

/* The knot before x that some basis begins at. */
static uint32_t interval(const knots *k, double x)
{
    uint32_t at = k->degree;
    while (at + 1 < k->bases && x >= k->t[at + 1])
        at++;
    return at;
}

/* The degree + 1 bases that are not 0 there: h[a] is of basis at - degree + a. */
static void bases_at(const knots *k, uint32_t degree, uint32_t at, double x, double *h)
{
    double hh[ENG_PLAN_SPLINE + 1];
    h[0] = 1;
    for (uint32_t j = 1; j <= degree; j++) {
        memcpy(hh, h, j * sizeof *h);
        h[0] = 0;
        for (uint32_t n = 1; n <= j; n++) {
            double xb = k->t[at + n], xa = k->t[at + n - j];
            if (xb == xa) {
                h[n] = 0;
                continue;
            }
            double w = hh[n - 1] / (xb - xa);
            h[n - 1] += w * (xb - x);
            h[n] = w * (x - xa);
        }
    }
}

/* Their slopes, of the bases one degree lower. */
static void slopes_at(const knots *k, uint32_t at, double x, double *d)
{
    double lower[ENG_PLAN_SPLINE + 1];
    uint32_t p = k->degree;
    d[0] = 0;
    if (p == 0)
        return;
    bases_at(k, p - 1, at, x, lower);
    for (uint32_t a = 0; a <= p; a++) {
        const double *t = k->t + (at - p + a);
        double rise = a > 0 && t[p] != t[0] ? lower[a - 1] / (t[p] - t[0]) : 0;
        double fall = a < p && t[p + 1] != t[1] ? lower[a] / (t[p + 1] - t[1]) : 0;
        d[a] = p * (rise - fall);
    }
}

/* Python's remainder, which has the sign of what it is divided by. */
static double wrapped(const knots *k, double x)
{
    double span = k->high - k->low;
    if (!(span > 0))
        return 0;
    double left = fmod(x - k->low, span);
    if (left != 0 && left < 0)
        left += span;
    return k->low + left;
}

static void spread(const eng_plan_bound *b, const eng_plan_run *r, size_t row, const knots *k,
                   double x)
{
    eng_plan_beyond beyond = (eng_plan_beyond)b->step->fn;
    double h[ENG_PLAN_SPLINE + 1], d[ENG_PLAN_SPLINE + 1], inside = x;
    for (uint32_t j = 0; j < b->step->m; j++)
        eng_plan_col(r, b->step->out + j)[row] = 0;
    if (isnan(x))
        return;
    if (beyond == ENG_PLAN_PERIODIC)
        inside = wrapped(k, x);
    else if (beyond != ENG_PLAN_ONWARD)
        inside = x < k->low ? k->low : x > k->high ? k->high : x;
    uint32_t at = interval(k, inside);
    bases_at(k, k->degree, at, inside, h);
    if (beyond == ENG_PLAN_STRAIGHT && inside != x)
        slopes_at(k, at, inside, d);
    for (uint32_t a = 0; a <= k->degree; a++) {
        uint32_t j = (at - k->degree + a) % b->step->m; /* periodic ones begin again */
        double *y = eng_plan_col(r, b->step->out + j) + row;
        *y += h[a];
        if (beyond == ENG_PLAN_STRAIGHT && inside != x)
            *y += (x - inside) * d[a];
    }
}

void eng_plan_run_spline(const eng_plan_bound *b, const eng_plan_run *r)
{
    const double *x = eng_plan_col(r, b->in[0]);
    knots k = knots_of(b);
    for (size_t row = 0; row < r->rows; row++)
        spread(b, r, row, &k, x[row]);
}
