/*
 * Our side of bench/trees.py, and the peers that are C: a row at a time and thousands at a time, on one
 * thread, by this thread's processor time.
 *
 *     ours MODEL ROWS COLUMNS [PEER LIBRARY]
 *
 * MODEL is any file that eng_table_plan reads; ROWS a file of rows of COLUMNS floats. PEER is xgboost, lightgbm
 * (MODEL is given to LIBRARY, that of its wheel), tl2cgen (LIBRARY is the model, compiled) or lleaves (the
 * same). It is asked by lines on standard input, and answers each with a line of numbers:
 *
 *     row ours|peer N        nanoseconds of a row, of the first N one by one
 *     batch ours|peer N      of the first N at once
 *     write ours|peer FILE   the results of all rows, as doubles
 *     kernel                 the name of the variant
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "kern/kern.h"
#include "learn/table.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct world world;
typedef void predictor(const world *w, const float *x, size_t rows, double *out);

struct world {
    const char *path;
    size_t columns, rows;
    float *x;          /* [rows][columns] */
    double *by_row;    /* the same as doubles, and */
    double *by_column; /* [columns][rows] */
    double *ours, *theirs;
    eng_plan *plan;
    eng_plan_scratch *scratch;
    eng_plan_column *batch, *row;
    predictor *peer;
};

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

/* ---- Ours ---- */

static void read_rows(world *w, const char *path)
{
    eng_error err;
    eng_buf numbers;
    eng_buf_init(&numbers, (size_t)1 << 32);
    check(eng_file_read(path, (size_t)1 << 32, &numbers, &err), &err);
    w->rows = numbers.len / (w->columns * sizeof *w->x);
    if (w->rows == 0 || numbers.len != w->rows * w->columns * sizeof *w->x)
        fail("expected whole rows");
    w->x = malloc(numbers.len);
    w->by_row = malloc(2 * numbers.len);
    w->by_column = malloc(2 * numbers.len);
    memcpy(w->x, numbers.data, numbers.len);
    for (size_t r = 0; r < w->rows; r++)
        for (size_t c = 0; c < w->columns; c++) {
            double x = (double)w->x[r * w->columns + c];
            w->by_row[r * w->columns + c] = w->by_column[c * w->rows + r] = x;
        }
    eng_buf_clear(&numbers);
}

static void load(world *w, const char *rows)
{
    eng_error err;
    eng_buf model;
    eng_buf_init(&model, (size_t)1 << 32);
    read_rows(w, rows);
    check(eng_file_read(w->path, (size_t)1 << 32, &model, &err), &err);
    check(eng_table_plan(eng_buf_view(&model), &w->plan, &err), &err);
    check(eng_plan_scratch_new(w->plan, w->rows, &w->scratch, &err), &err);
    w->ours = malloc(w->rows * sizeof *w->ours);
    w->theirs = malloc(w->rows * sizeof *w->theirs);
    w->batch = malloc(w->columns * sizeof *w->batch);
    w->row = malloc(w->columns * sizeof *w->row);
    for (size_t c = 0; c < w->columns; c++)
        w->batch[c] = (eng_plan_column){.numbers = w->by_column + c * w->rows};
    eng_buf_clear(&model);
}

static void ours_batch(world *w, size_t rows)
{
    eng_error err;
    check(eng_plan_predict(w->plan, w->batch, rows, w->ours, NULL, w->scratch, &err), &err);
}

static void ours_alone(world *w, size_t rows)
{
    eng_error err;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < w->columns; c++)
            w->row[c].numbers = w->by_column + c * w->rows + r;
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

/* ---- Models that were compiled ---- */

/* tl2cgen's: a row of unions, whose number is a double where the model came from scikit-learn. */
typedef union {
    int missing;
    double value;
} entry;

typedef struct {
    void (*row)(entry *, int, double *);
    void (*rows)(const double *, double *, int, int);
} compiled;

static compiled native;

static void tl2cgen_rows(const world *w, const float *x, size_t rows, double *out)
{
    size_t first = (size_t)(x - w->x);
    for (size_t r = 0; r < rows; r++) {
        out[r] = 0;
        native.row((entry *)(void *)(w->by_row + first + r * w->columns), 0, out + r);
    }
}

static void lleaves_rows(const world *w, const float *x, size_t rows, double *out)
{
    native.rows(w->by_row + (x - w->x), out, 0, (int)rows);
}

static void open_compiled(world *w, const char *kind, const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        fail(dlerror());
    if (strcmp(kind, "lleaves") == 0) {
        *(void **)&native.rows = symbol(library, "forest_root");
        w->peer = lleaves_rows;
    } else {
        *(void **)&native.row = symbol(library, "predict");
        w->peer = tl2cgen_rows;
    }
}

static void open_peer(world *w, const char *kind, const char *path)
{
    if (strcmp(kind, "xgboost") == 0) {
        open_xgboost(w, path);
        w->peer = xgboost_rows;
    } else if (strcmp(kind, "lightgbm") == 0) {
        open_lightgbm(w, path);
        w->peer = lightgbm_rows;
    } else {
        open_compiled(w, kind, path);
    }
}

/* ---- Questions ---- */

/* Processor time of this thread: the machine may have other things to do. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double ns_of(world *w, bool batch, bool ours, size_t rows)
{
    double start = now();
    if (ours && batch)
        ours_batch(w, rows);
    else if (ours)
        ours_alone(w, rows);
    else if (batch)
        w->peer(w, w->x, rows, w->theirs);
    else
        for (size_t r = 0; r < rows; r++)
            w->peer(w, w->x + r * w->columns, 1, w->theirs + r);
    return (now() - start) / (double)rows;
}

static void write_results(world *w, bool ours, const char *path)
{
    eng_error err;
    double *results = ours ? w->ours : w->theirs;
    ns_of(w, true, ours, w->rows);
    eng_str bytes = {(const char *)results, w->rows * sizeof *results};
    check(eng_file_write(path, bytes, 0600, &err), &err);
    puts("0");
}

static void answer(world *w, char *line)
{
    char what[16], who[16], rest[1024];
    if (strcmp(line, "kernel") == 0) {
        puts(eng_kern_get()->name);
        return;
    }
    if (sscanf(line, "%15s %15s %1023s", what, who, rest) != 3)
        fail("a question that is none");
    bool ours = strcmp(who, "ours") == 0;
    if (!ours && !w->peer)
        fail("there is no peer");
    if (strcmp(what, "write") == 0) {
        write_results(w, ours, rest);
        return;
    }
    size_t rows = strtoul(rest, NULL, 10);
    if (rows == 0 || rows > w->rows)
        fail("so many rows there are not");
    printf("%.3f\n", ns_of(w, strcmp(what, "batch") == 0, ours, rows));
}

int main(int argc, char **argv)
{
    eng_error err;
    char line[2048];
    if (argc != 4 && argc != 6)
        fail("usage: ours MODEL ROWS COLUMNS [PEER LIBRARY]");
    world w = {.path = argv[1], .columns = strtoul(argv[3], NULL, 10)};
    check(eng_kern_init(&err), &err);
    load(&w, argv[2]);
    if (argc == 6)
        open_peer(&w, argv[4], argv[5]);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        answer(&w, line);
        fflush(stdout);
    }
    return 0;
}
