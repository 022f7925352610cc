/* Functions of single numbers. */
#include "learn/plan_internal.h"

#include <math.h>

static double yeo_johnson(double x, double l)
{
    if (x >= 0)
        return fabs(l) < 2.220446049250313e-16 ? log1p(x) : (pow(x + 1, l) - 1) / l;
    return fabs(l - 2) > 2.220446049250313e-16 ? -(pow(-x + 1, 2 - l) - 1) / (2 - l) : -log1p(-x);
}

static double yeo_johnson_back(double x, double l)
{
    if (x >= 0)
        return fabs(l) < 2.220446049250313e-16 ? exp(x) - 1 : pow(x * l + 1, 1 / l) - 1;
    return fabs(l - 2) > 2.220446049250313e-16 ? 1 - pow(-(2 - l) * x + 1, 1 / (2 - l))
                                               : 1 - exp(-x);
}

static double box_cox(double x, double l) { return l == 0 ? log(x) : expm1(l * log(x)) / l; }

static double box_cox_back(double x, double l) { return l == 0 ? exp(x) : exp(log1p(l * x) / l); }

static double polynomial(double x, const double *c, int n)
{
    double y = c[0];
    for (int i = 1; i < n; i++)
        y = y * x + c[i];
    return y;
}

/* Cephes' ndtri, as scipy has it. */
static double normal_quantile(double y)
{
    static const double p0[] = {-5.99633501014107895267e1, 9.80010754185999661536e1,
                                -5.66762857469070293439e1, 1.39312609387279679503e1,
                                -1.23916583867381258016e0};
    static const double q0[] = {1,
                                1.95448858338141759834e0,
                                4.67627912898881538453e0,
                                8.63602421390890590575e1,
                                -2.25462687854119370527e2,
                                2.00260212380060660359e2,
                                -8.20372256168333339912e1,
                                1.59056225126211695515e1,
                                -1.18331621121330003142e0};
    static const double p1[] = {
        4.05544892305962419923e0,   3.15251094599893866154e1,   5.71628192246421288162e1,
        4.40805073893200834700e1,   1.46849561928858024014e1,   2.18663306850790267539e0,
        -1.40256079171354495875e-1, -3.50424626827848203418e-2, -8.57456785154685413611e-4};
    static const double q1[] = {1,
                                1.57799883256466749731e1,
                                4.53907635128879210584e1,
                                4.13172038254672030440e1,
                                1.50425385692907503408e1,
                                2.50464946208309415979e0,
                                -1.42182922854787788574e-1,
                                -3.80806407691578277194e-2,
                                -9.33259480895457427372e-4};
    static const double p2[] = {
        3.23774891776946035970e0,  6.91522889068984211695e0,  3.93881025292474443415e0,
        1.33303460815807542389e0,  2.01485389549179081538e-1, 1.23716634817820021358e-2,
        3.01581553508235416007e-4, 2.65806974686737550832e-6, 6.23974539184983293730e-9};
    static const double q2[] = {1,
                                6.02427039364742014255e0,
                                3.67983563856160859403e0,
                                1.37702099489081330271e0,
                                2.16236993594496635890e-1,
                                1.34204006088543189037e-2,
                                3.28014464682127739104e-4,
                                2.89247864745380683936e-6,
                                6.79019408009981274425e-9};
    static const double low = 0.13533528323661269189; /* exp(-2) */
    if (isnan(y) || y <= 0 || y >= 1)
        return isnan(y) || y < 0 || y > 1 ? NAN : y == 0 ? -INFINITY : INFINITY;
    bool upper = y > 1 - low;
    double p = upper ? 1 - y : y;
    if (p > low) {
        double c = p - 0.5, c2 = c * c;
        c += c * (c2 * polynomial(c2, p0, 5) / polynomial(c2, q0, 9));
        return c * 2.50662827463100050242;
    }
    double x = sqrt(-2 * log(p)), z = 1 / x;
    double tail = x < 8 ? z * polynomial(z, p1, 9) / polynomial(z, q1, 9)
                        : z * polynomial(z, p2, 9) / polynomial(z, q2, 9);
    x = x - log(x) / x - tail;
    return upper ? x : -x;
}

/* As XGBoost: the exponent is bounded, and a tiny number keeps the sum from 0. */
static double sigmoid_float(double x)
{
    float e = expf(fminf(-(float)x, 88.7F));
    return (double)(1.0F / (e + 1.0F + 1e-16F));
}

#define EACH(expression)                                                                           \
    do {                                                                                           \
        for (size_t i = 0; i < rows; i++) {                                                        \
            double v = x[i];                                                                       \
            y[i] = (expression);                                                                   \
        }                                                                                          \
    } while (0)

/* One column; a and b are its constants. */
static void map_column(eng_plan_fn fn, const double *x, double *y, size_t rows, double a, double b)
{
    switch (fn) {
    case ENG_PLAN_ADD:
        EACH(v + a);
        break;
    case ENG_PLAN_TIMES:
        EACH(v * a);
        break;
    case ENG_PLAN_OVER:
        EACH(v / a);
        break;
    case ENG_PLAN_STANDARD:
        EACH((v - a) / b);
        break;
    case ENG_PLAN_AFFINE:
        EACH(v * a + b);
        break;
    case ENG_PLAN_CLIP:
        EACH(v < a ? a : v > b ? b : v);
        break;
    case ENG_PLAN_IMPUTE:
        EACH(isnan(v) ? a : v);
        break;
    case ENG_PLAN_REPLACE:
        EACH(v == a ? b : v);
        break;
    case ENG_PLAN_IS_NAN:
        EACH(isnan(v) ? 1 : 0);
        break;
    case ENG_PLAN_ABOVE:
        EACH(v > a);
        break;
    case ENG_PLAN_EQUALS:
        EACH(v == a);
        break;
    case ENG_PLAN_FLOAT:
        EACH((double)(float)v);
        break;
    case ENG_PLAN_EXP:
        EACH(exp(v));
        break;
    case ENG_PLAN_EXPM1:
        EACH(expm1(v));
        break;
    case ENG_PLAN_LOG:
        EACH(log(v));
        break;
    case ENG_PLAN_LOG1P:
        EACH(log1p(v));
        break;
    case ENG_PLAN_LOG2:
        EACH(log2(v));
        break;
    case ENG_PLAN_LOG10:
        EACH(log10(v));
        break;
    case ENG_PLAN_SQRT:
        EACH(sqrt(v));
        break;
    case ENG_PLAN_CBRT:
        EACH(cbrt(v));
        break;
    case ENG_PLAN_SQUARE:
        EACH(v * v);
        break;
    case ENG_PLAN_ABS:
        EACH(fabs(v));
        break;
    case ENG_PLAN_SIGN:
        EACH(isnan(v) ? v : (v > 0) - (v < 0));
        break;
    case ENG_PLAN_INVERSE:
        EACH(1 / v);
        break;
    case ENG_PLAN_FLOOR:
        EACH(floor(v));
        break;
    case ENG_PLAN_CEIL:
        EACH(ceil(v));
        break;
    case ENG_PLAN_ROUND:
        EACH(rint(v));
        break;
    case ENG_PLAN_SIN:
        EACH(sin(v));
        break;
    case ENG_PLAN_COS:
        EACH(cos(v));
        break;
    case ENG_PLAN_TANH:
        EACH(tanh(v));
        break;
    case ENG_PLAN_RELU:
        EACH(v < 0 ? 0 : v);
        break;
    case ENG_PLAN_SIGMOID:
        EACH(1 / (1 + exp(-v)));
        break;
    case ENG_PLAN_SIGMOID_FLOAT:
        EACH(sigmoid_float(v));
        break;
    case ENG_PLAN_EXP_FLOAT:
        EACH((double)expf((float)v));
        break;
    case ENG_PLAN_SOFTPLUS:
        EACH(log1p(exp(v)));
        break;
    case ENG_PLAN_POWER:
        EACH(pow(v, a));
        break;
    case ENG_PLAN_YEO_JOHNSON:
        EACH(isnan(v) ? v : yeo_johnson(v, a));
        break;
    case ENG_PLAN_BOX_COX:
        EACH(box_cox(v, a));
        break;
    case ENG_PLAN_YEO_JOHNSON_BACK:
        EACH(isnan(v) ? v : yeo_johnson_back(v, a));
        break;
    case ENG_PLAN_BOX_COX_BACK:
        EACH(box_cox_back(v, a));
        break;
    case ENG_PLAN_NORMAL_QUANTILE:
        EACH(normal_quantile(v));
        break;
    case ENG_PLAN_NORMAL_SHARE:
        EACH(0.5 * erfc(-v / 1.41421356237309504880));
        break;
    case ENG_PLAN_ERF:
        EACH(erf(v));
        break;
    case ENG_PLAN_MAP_COUNT:
        break;
    }
}

void eng_plan_run_map(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_step *s = b->step;
    const double *constants = (const double *)(const void *)b->data;
    for (uint32_t j = 0; j < s->n; j++)
        map_column((eng_plan_fn)s->fn, eng_plan_col(r, b->in[j]), eng_plan_col(r, s->out + j),
                   r->rows, s->count > 0 ? constants[j] : 0,
                   s->count > 1 ? constants[s->n + j] : 0);
}
