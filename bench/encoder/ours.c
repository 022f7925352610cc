/*
 * Our side of bench/encoder.py, which starts it (FOLDER [--cpu]) and asks by lines on standard input:
 *
 *     time f32|int8 THREADS SECONDS LENGTH,LENGTH,...   seconds a batch of sequences of these lengths
 *     linear SECONDS ROWS                               seconds of an int8 model's linear layers alone,
 *                                                       quantising and dequantising included
 *     peak                                              GOP/s of int8 and GFLOP/s of f32, in registers
 *     kernel                                            the name of the variant
 *     vectors f32|int8 LENGTH,LENGTH,...                the vectors, a line each
 *
 * Each answer is one line of numbers. Ids are drawn from a seed, the same as the driver's.
 */
#include "nn/nn_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { SEQUENCES_MAX = 1024, TOKENS_MAX = 1 << 18, THREADS_MAX = 64, ROUNDS_MAX = 4096 };

static void check(bool ok, const char *message)
{
    if (ok)
        return;
    fprintf(stderr, "bench/encoder: %s\n", message);
    exit(1);
}

/* ---- What is measured ---- */

typedef struct {
    const char *folder;
    eng_nn_model *models[2];
    eng_nn_context *contexts[2][THREADS_MAX + 1];
} ours;

static eng_nn_context *context_of(ours *o, eng_nn_precision p, unsigned threads)
{
    eng_error err = {0};
    eng_nn_options options = {.precision = p};
    check(threads >= 1 && threads <= THREADS_MAX, "threads");
    if (!o->models[p])
        check(eng_nn_open(o->folder, &options, &o->models[p], &err) == ENG_OK, err.message);
    if (!o->contexts[p][threads])
        check(eng_nn_context_new(o->models[p], threads, &o->contexts[p][threads], &err) == ENG_OK,
              err.message);
    return o->contexts[p][threads];
}

typedef struct {
    eng_nn_sequence sequences[SEQUENCES_MAX];
    uint32_t ids[TOKENS_MAX];
    size_t count;
} work;

/* A linear congruence, so that the driver can draw the same. */
static void draw(work *w, char *lengths)
{
    uint32_t seed = 12345;
    size_t tokens = 0;
    w->count = 0;
    for (char *at = lengths, *end; *at; at = *end ? end + 1 : end) {
        size_t len = strtoul(at, &end, 10);
        check(end > at && w->count < SEQUENCES_MAX && len <= TOKENS_MAX - tokens, "lengths");
        w->sequences[w->count++] = (eng_nn_sequence){w->ids + tokens, NULL, len};
        for (size_t i = 0; i < len; i++, tokens++) {
            seed = seed * 1664525 + 1013904223;
            w->ids[tokens] = 1000 + (seed >> 8) % 29000;
        }
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* With --cpu: the time this process had a processor, for runs beside others. Of one thread only. */
static clockid_t the_clock = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(the_clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef void task(void *arg);

/* The median over as many runs as fit, five at least; with --cpu the least, the least disturbed. */
static double measure(task *run, void *arg, double seconds)
{
    static double took[ROUNDS_MAX];
    size_t rounds = 0;
    run(arg);
    for (double end = now() + seconds; rounds < 5 || (now() < end && rounds < ROUNDS_MAX);
         rounds++) {
        double began = now();
        run(arg);
        took[rounds] = now() - began;
    }
    qsort(took, rounds, sizeof took[0], compare);
    return took[the_clock == CLOCK_MONOTONIC ? rounds / 2 : 0];
}

typedef struct {
    eng_nn_context *c;
    work *w;
    float *out;
} encoding;

static void encode(void *arg)
{
    encoding *e = arg;
    eng_error err = {0};
    check(eng_nn_encode(e->c, e->w->sequences, e->w->count, e->out, &err) == ENG_OK, err.message);
}

/* ---- Linear layers alone ---- */

typedef struct {
    const eng_nn_model *m;
    size_t rows;
    float *x, *wide;
    uint8_t *q;
    eng_kern_row *params;
} linears;

static void linear(const linears *l, const eng_kern_matrix *w, const float *x, size_t from,
                   size_t rows, eng_kern_then then, float *y)
{
    const eng_kern *k = l->m->kern;
    eng_kern_out out = {y + from * eng_kern_pad(w->n), eng_kern_pad(w->n), then};
    k->quantise(x + from * eng_kern_pad(w->k), eng_kern_pad(w->k), rows, w->k, l->q, l->params);
    k->linear_i8(w, l->q, l->params, rows, &out);
}

static void all_linears(void *arg)
{
    enum { BLOCK = 64 };
    const linears *l = arg;
    for (size_t i = 0; i < l->m->config.layers; i++) {
        const eng_nn_layer *layer = &l->m->layers[i];
        for (size_t r = 0, rows; r < l->rows; r += rows) {
            rows = l->rows - r < BLOCK ? l->rows - r : BLOCK;
            linear(l, &layer->qkv, l->x, r, rows, ENG_KERN_STORE, l->wide);
            linear(l, &layer->mix, l->x, r, rows, ENG_KERN_STORE, l->x);
            linear(l, &layer->up, l->x, r, rows, ENG_KERN_GELU, l->wide);
            linear(l, &layer->down, l->wide, r, rows, ENG_KERN_STORE, l->x);
        }
    }
}

static void *lines(size_t size)
{
    void *p = aligned_alloc(64, (size + 63) / 64 * 64);
    check(p != NULL, "out of memory");
    memset(p, 0, (size + 63) / 64 * 64);
    return p;
}

static double time_linears(ours *o, double seconds, size_t rows)
{
    context_of(o, ENG_NN_INT8, 1);
    const eng_nn_model *m = o->models[ENG_NN_INT8];
    size_t wide = eng_kern_pad(m->config.inner > 3 * m->config.hidden ? m->config.inner
                                                                      : 3 * m->config.hidden);
    linears l = {.m = m, .rows = rows};
    l.x = lines(rows * eng_kern_pad(m->config.hidden) * sizeof(float));
    l.wide = lines(rows * wide * sizeof(float));
    l.q = lines(64 * wide);
    l.params = lines(64 * sizeof(eng_kern_row));
    for (size_t i = 0; i < rows * eng_kern_pad(m->config.hidden); i++)
        l.x[i] = (float)(i % 251) / 125 - 1;
    double took = measure(all_linears, &l, seconds);
    free(l.x);
    free(l.wide);
    free(l.q);
    free(l.params);
    return took;
}

/* ---- Peaks: products of registers, as many at once as hide their latency ---- */

#ifdef __x86_64__
#define TIMES_8(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7)

__attribute__((target("avx512f,avx512vnni"))) static void bytes_512(void *arg)
{
    __m512i a = _mm512_set1_epi32(*(int *)arg), s[8] = {a, a, a, a, a, a, a, a};
    for (int i = 0; i < 1000000; i++) {
#define STEP(j) __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(s[j]) : "v"(a));
        TIMES_8(STEP)
#undef STEP
    }
}

__attribute__((target("avx2,fma"))) static void floats_256(void *arg)
{
    __m256 a = _mm256_set1_ps(*(float *)arg), s[10] = {a, a, a, a, a, a, a, a, a, a};
    for (int i = 0; i < 1000000; i++) {
#define STEP(j) __asm__ volatile("vfmadd231ps %1, %1, %0" : "+x"(s[j]) : "x"(a));
        TIMES_8(STEP)
        STEP(8) STEP(9)
#undef STEP
    }
}

__attribute__((target("avx512f"))) static void floats_512(void *arg)
{
    __m512 a = _mm512_set1_ps(*(float *)arg), s[8] = {a, a, a, a, a, a, a, a};
    for (int i = 0; i < 1000000; i++) {
#define STEP(j) __asm__ volatile("vfmadd231ps %1, %1, %0" : "+v"(s[j]) : "v"(a));
        TIMES_8(STEP)
#undef STEP
    }
}

static void print_peaks(void)
{
    int zero = 0;
    double int8 = 0, f32 = 1e6 * 10 * 16 / measure(floats_256, &zero, 0.1);
    if (__builtin_cpu_supports("avx512vnni")) {
        int8 = 1e6 * 8 * 128 / measure(bytes_512, &zero, 0.1);
        double wide = 1e6 * 8 * 32 / measure(floats_512, &zero, 0.1);
        f32 = wide > f32 ? wide : f32;
    }
    printf("%.1f %.1f\n", int8 * 1e-9, f32 * 1e-9);
}
#else
static void print_peaks(void) { printf("0 0\n"); }
#endif

/* ---- Questions ---- */

static void print_vectors(ours *o, work *w, eng_nn_precision p, float *out)
{
    encoding e = {context_of(o, p, 1), w, out};
    size_t width = eng_nn_about(o->models[p])->width;
    encode(&e);
    for (size_t i = 0; i < w->count; i++)
        for (size_t j = 0; j < width; j++)
            printf("%.9g%c", (double)out[i * width + j], j + 1 < width ? ' ' : '\n');
}

static void answer(ours *o, work *w, float *out, char *line)
{
    char precision[16], *lengths = strrchr(line, ' ');
    unsigned threads;
    double seconds;
    size_t rows;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "time %15s %u %lf", precision, &threads, &seconds) == 3) {
        eng_nn_precision p = strcmp(precision, "f32") ? ENG_NN_INT8 : ENG_NN_F32;
        draw(w, lengths + 1);
        encoding e = {context_of(o, p, threads), w, out};
        printf("%.9f\n", measure(encode, &e, seconds));
    } else if (sscanf(line, "vectors %15s", precision) == 1) {
        draw(w, lengths + 1);
        print_vectors(o, w, strcmp(precision, "f32") ? ENG_NN_INT8 : ENG_NN_F32, out);
    } else if (sscanf(line, "linear %lf %zu", &seconds, &rows) == 2) {
        printf("%.9f\n", time_linears(o, seconds, rows));
    } else if (!strcmp(line, "peak")) {
        print_peaks();
    } else if (!strcmp(line, "kernel")) {
        puts(eng_kern_get()->name);
    } else {
        check(false, "no such question");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static char line[16384];
    static ours o;
    eng_error err = {0};
    check(argc >= 2, "expected the folder of a model");
    if (argc > 2 && !strcmp(argv[2], "--cpu"))
        the_clock = CLOCK_PROCESS_CPUTIME_ID;
    check(eng_kern_init(&err) == ENG_OK, err.message);
    o.folder = argv[1];
    work *w = malloc(sizeof *w);
    float *out = malloc(sizeof(float) * SEQUENCES_MAX * 8192);
    check(w && out, "out of memory");
    while (fgets(line, sizeof line, stdin))
        answer(&o, w, out, line);
    for (int p = 0; p < 2; p++) {
        for (int t = 0; t <= THREADS_MAX; t++)
            eng_nn_context_free(o.contexts[p][t]);
        eng_nn_close(o.models[p]);
    }
    free(w);
    free(out);
    return 0;
}
