/*
 * Trees: a row at a time and 10,000 at a time, beside the C interfaces of XGBoost and LightGBM in the same
 * process, on one thread. Whoever measures brings the model, the rows and the peer's library (that of its
 * wheel).
 *
 *     bench/trees FORMAT MODEL ROWS COLUMNS [LIBRARY]
 *
 * FORMAT is xgboost, lightgbm, or nodes (a forest as plan_of_nodes reads it); ROWS is a file of 10,000 rows of
 * COLUMNS floats. Results are compared before anything is timed.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/span.h"
#include "learn/boost.h"

#include "figures.h"

#include <dlfcn.h>
#include <time.h>

enum { ROWS = 10000, ALONE = 2000, ROUNDS = 9 };

typedef struct {
    const char *format, *path;
    size_t columns;
    float *x;          /* [ROWS][columns] */
    double *by_column; /* [columns][ROWS] */
    double *ours, *theirs;
    eng_plan *plan;
    eng_plan_scratch *scratch;
    eng_plan_column *batch, *row;
} world;

static void check(eng_status status, const eng_error *err)
{
    if (status == ENG_OK)
        return;
    fprintf(stderr, "bench/trees: %s\n", err->message);
    exit(1);
}

static void fail(const char *why)
{
    fprintf(stderr, "bench/trees: %s\n", why);
    exit(1);
}

/* ---- A forest of scikit-learn, as plain numbers ---- */

/* trees u32, columns u32, divisor f64, init f64, float in u32, 0 u32; each tree: nodes u32, 0 u32, then of each:
 * threshold f64, value f64, left i32, right i32, feature i32, nan left i32 */
static eng_plan *plan_of_nodes(eng_str bytes)
{
    eng_error err;
    eng_plan_builder *b;
    eng_plan *plan;
    eng_span in = eng_span_of(bytes.ptr, bytes.len);
    uint32_t trees = eng_span_u32(&in), columns = eng_span_u32(&in);
    double divisor = eng_span_f64(&in), init = eng_span_f64(&in);
    bool float_in = eng_span_u32(&in) != 0;
    eng_span_u32(&in);
    check(eng_plan_builder_new(&b, &err), &err);
    uint32_t *x = malloc(columns * sizeof *x);
    for (uint32_t i = 0; i < columns; i++)
        x[i] = eng_plan_input(b, &(eng_plan_field){.missing = true});
    eng_plan_forest_spec spec = {
        .x = x, .n = columns, .outputs = 1, .width = 1, .init = &init, .float_in = float_in};
    eng_plan_forest *f = eng_plan_forest_new(b, &spec);
    for (uint32_t t = 0; t < trees; t++) {
        uint32_t count = eng_span_u32(&in);
        eng_span_u32(&in);
        eng_plan_node *nodes = malloc(count * sizeof *nodes);
        double *values = malloc(count * sizeof *values);
        for (uint32_t i = 0; i < count; i++) {
            double threshold = eng_span_f64(&in);
            values[i] = eng_span_f64(&in);
            uint32_t left = eng_span_u32(&in), right = eng_span_u32(&in);
            uint32_t feature = eng_span_u32(&in), nan_left = eng_span_u32(&in);
            nodes[i] = (eng_plan_node){.threshold = threshold,
                                       .left = left,
                                       .right = left == ENG_PLAN_LEAF ? i : right,
                                       .feature = feature,
                                       .flags = ENG_PLAN_OR_EQUAL |
                                                (nan_left ? ENG_PLAN_NAN_LEFT : 0)};
        }
        eng_plan_forest_add(f, nodes, count, values, count, 0);
        free(nodes);
        free(values);
    }
    uint32_t sum = eng_plan_forest_end(f);
    if (divisor != 1)
        sum = eng_plan_map(b, ENG_PLAN_OVER, &sum, 1, &divisor, NULL);
    eng_plan_result(
        b, &(eng_plan_results){.task = ENG_PLAN_REGRESSION, .predicted = &sum, .count = 1});
    check(eng_plan_finish(b, &plan, &err), &err);
    eng_plan_builder_free(b);
    free(x);
    return plan;
}

/* ---- Ours ---- */

static void load(world *w, const char *rows)
{
    eng_error err;
    eng_buf model, numbers;
    eng_buf_init(&model, (size_t)1 << 32);
    eng_buf_init(&numbers, (size_t)1 << 32);
    check(eng_file_read(w->path, (size_t)1 << 32, &model, &err), &err);
    check(eng_file_read(rows, (size_t)1 << 32, &numbers, &err), &err);
    if (numbers.len != ROWS * w->columns * sizeof *w->x)
        fail("expected 10,000 rows");
    w->x = malloc(numbers.len);
    memcpy(w->x, numbers.data, numbers.len);
    w->by_column = malloc(ROWS * w->columns * sizeof *w->by_column);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < w->columns; c++)
            w->by_column[c * ROWS + r] = (double)w->x[r * w->columns + c];
    if (strcmp(w->format, "nodes") == 0)
        w->plan = plan_of_nodes(eng_buf_view(&model));
    else
        check(eng_boost_plan(eng_buf_view(&model), NULL, &w->plan, &err), &err);
    check(eng_plan_scratch_new(w->plan, ROWS, &w->scratch, &err), &err);
    w->ours = malloc(ROWS * sizeof *w->ours);
    w->theirs = malloc(ROWS * sizeof *w->theirs);
    w->batch = malloc(w->columns * sizeof *w->batch);
    w->row = malloc(w->columns * sizeof *w->row);
    for (size_t c = 0; c < w->columns; c++)
        w->batch[c] = (eng_plan_column){.numbers = w->by_column + c * ROWS};
    eng_buf_clear(&model);
    eng_buf_clear(&numbers);
}

static void ours_batch(world *w)
{
    eng_error err;
    check(eng_plan_predict(w->plan, w->batch, ROWS, w->ours, NULL, w->scratch, &err), &err);
}

static void ours_alone(world *w)
{
    eng_error err;
    for (size_t r = 0; r < ALONE; r++) {
        for (size_t c = 0; c < w->columns; c++)
            w->row[c].numbers = w->by_column + c * ROWS + r;
        check(eng_plan_predict(w->plan, w->row, 1, &w->ours[r], NULL, w->scratch, &err), &err);
    }
}

/* ---- XGBoost ---- */

typedef struct {
    int (*create)(const void *, uint64_t, void **);
    int (*load)(void *, const char *);
    int (*set)(void *, const char *, const char *);
    int (*inplace)(void *, const char *, const char *, void *, uint64_t const **, uint64_t *,
                   const float **);
    int (*proxy)(void **);
    const char *(*last_error)(void);
    void *booster, *matrix;
    char config[256];
} xgboost;

static xgboost xgb;

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found)
        fail(name);
    return found;
}

static void open_xgboost(const world *w, const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        fail(dlerror());
    *(void **)&xgb.create = symbol(library, "XGBoosterCreate");
    *(void **)&xgb.load = symbol(library, "XGBoosterLoadModel");
    *(void **)&xgb.set = symbol(library, "XGBoosterSetParam");
    *(void **)&xgb.inplace = symbol(library, "XGBoosterPredictFromDense");
    *(void **)&xgb.proxy = symbol(library, "XGProxyDMatrixCreate");
    *(void **)&xgb.last_error = symbol(library, "XGBGetLastError");
    if (xgb.create(NULL, 0, &xgb.booster) || xgb.load(xgb.booster, w->path) ||
        xgb.set(xgb.booster, "nthread", "1") || xgb.proxy(&xgb.matrix))
        fail(xgb.last_error());
    snprintf(xgb.config, sizeof xgb.config,
             "{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
             "\"strict_shape\":false,\"cache_id\":0,\"missing\":NaN}");
}

static void xgboost_rows(const world *w, const float *x, size_t rows, double *out)
{
    char array[256];
    const uint64_t *shape;
    uint64_t dims;
    const float *result;
    snprintf(array, sizeof array,
             "{\"data\":[%zu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
             (size_t)(uintptr_t)x, rows, w->columns);
    if (xgb.inplace(xgb.booster, array, xgb.config, xgb.matrix, &shape, &dims, &result))
        fail(xgb.last_error());
    for (size_t i = 0; i < rows; i++)
        out[i] = (double)result[i];
}

/* ---- LightGBM ---- */

typedef struct {
    int (*load)(const char *, int *, void **);
    int (*predict)(void *, const void *, int, int32_t, int32_t, int, int, int, int, const char *,
                   int64_t *, double *);
    int (*init)(void *, int, int, int, int, int32_t, const char *, void **);
    int (*fast)(void *, const void *, int64_t *, double *);
    void *booster, *one;
} lightgbm;

static lightgbm lgb;

static void open_lightgbm(const world *w, const char *path)
{
    int rounds;
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        fail(dlerror());
    *(void **)&lgb.load = symbol(library, "LGBM_BoosterCreateFromModelfile");
    *(void **)&lgb.predict = symbol(library, "LGBM_BoosterPredictForMat");
    *(void **)&lgb.init = symbol(library, "LGBM_BoosterPredictForMatSingleRowFastInit");
    *(void **)&lgb.fast = symbol(library, "LGBM_BoosterPredictForMatSingleRowFast");
    if (lgb.load(w->path, &rounds, &lgb.booster) ||
        lgb.init(lgb.booster, 0, 0, -1, 0, (int32_t)w->columns, "num_threads=1", &lgb.one))
        fail("LightGBM does not load it");
}

static void lightgbm_rows(const world *w, const float *x, size_t rows, double *out)
{
    int64_t n;
    if (rows == 1)
        lgb.fast(lgb.one, x, &n, out);
    else
        lgb.predict(lgb.booster, x, 0, (int32_t)rows, (int32_t)w->columns, 1, 0, 0, -1,
                    "num_threads=1", &n, out);
}

/* ---- Side by side ---- */

typedef void predictor(const world *w, const float *x, size_t rows, double *out);

/* Processor time of this thread: the machine may have other things to do. */
static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double ns_of(uint64_t start) { return (double)(now() - start); }

static void compare(world *w)
{
    double worst = 0;
    for (size_t i = 0; i < ROWS; i++) {
        double apart = fabs(w->ours[i] - w->theirs[i]);
        worst = apart > worst ? apart : worst;
    }
    printf("# %s: largest difference of 10,000 results %g\n", w->format, worst);
    if (!(worst < 1e-5))
        fail("results differ");
}

static void beside(world *w, predictor *theirs, const char *who, double alone_goal,
                   double batch_goal)
{
    double ours[2][ROUNDS], peers[2][ROUNDS];
    char name[64];
    ours_batch(w);
    if (theirs) {
        theirs(w, w->x, ROWS, w->theirs);
        compare(w);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t start = now();
        ours_alone(w);
        ours[0][i] = ns_of(start) / ALONE;
        start = now();
        for (size_t r = 0; r < ALONE && theirs; r++)
            theirs(w, w->x + r * w->columns, 1, w->theirs + r);
        peers[0][i] = ns_of(start) / ALONE;
        start = now();
        ours_batch(w);
        ours[1][i] = ns_of(start) / ROWS;
        start = now();
        if (theirs)
            theirs(w, w->x, ROWS, w->theirs);
        peers[1][i] = ns_of(start) / ROWS;
    }
    double a = median(ours[0], ROUNDS), b = median(ours[1], ROUNDS);
    if (!theirs) {
        printf("trees.%s ours row=%.3fus batch=%.3fus\n", w->format, a / 1e3, b / 1e3);
        return;
    }
    snprintf(name, sizeof name, "trees.%s.row", w->format);
    report(name, a, median(peers[0], ROUNDS), who, alone_goal);
    if (strcmp(w->format, "xgboost") == 0)
        report_below("trees.xgboost.row-alone", a, 1000);
    snprintf(name, sizeof name, "trees.%s.batch", w->format);
    report(name, b, median(peers[1], ROUNDS), who, batch_goal);
}

int main(int argc, char **argv)
{
    eng_error err;
    if (argc == 1) {
        puts("SKIP trees  it wants a model: trees FORMAT MODEL ROWS COLUMNS [LIBRARY]");
        return 0;
    }
    if (argc < 5)
        fail("usage: trees FORMAT MODEL ROWS COLUMNS [LIBRARY]");
    world w = {.format = argv[1], .path = argv[2], .columns = strtoul(argv[4], NULL, 10)};
    check(eng_kern_init(&err), &err);
    load(&w, argv[3]);
    predictor *theirs = NULL;
    if (argc > 5 && strcmp(w.format, "xgboost") == 0) {
        open_xgboost(&w, argv[5]);
        theirs = xgboost_rows;
    } else if (argc > 5 && strcmp(w.format, "lightgbm") == 0) {
        open_lightgbm(&w, argv[5]);
        theirs = lightgbm_rows;
    }
    beside(&w, theirs, theirs == xgboost_rows ? "xgboost C API" : "lightgbm C API",
           theirs == xgboost_rows ? 12 : 1, theirs == xgboost_rows ? 3 : 1);
    return 0;
}
