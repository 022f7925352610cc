/* What the benches of the index share: a header of the machine, one line a measurement, medians. */
#ifndef ENG_BENCH_FIGURES_H
#define ENG_BENCH_FIGURES_H

#include "base/clock.h"
#include "kern/kern.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static inline float next_float(uint64_t *seed)
{
    return (float)(next_random(seed) >> 40) / (float)(1 << 24) * 2 - 1;
}

static inline int figures_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static inline double median(double *v, size_t count)
{
    qsort(v, count, sizeof *v, figures_order);
    return count ? v[count / 2] : 0;
}

static inline const char *duration(double ns, char out[24])
{
    if (ns < 1e6)
        snprintf(out, 24, "%.2fus", ns / 1e3);
    else if (ns < 1e9)
        snprintf(out, 24, "%.2fms", ns / 1e6);
    else
        snprintf(out, 24, "%.2fs", ns / 1e9);
    return out;
}

/* A duration beside a peer's: ratio = peer / ours, at least goal. */
static inline void report(const char *name, double ours, double peer, const char *who, double goal)
{
    char a[24], b[24];
    double ratio = ours > 0 ? peer / ours : 0;
    printf("%s  ours=%s  peer=%s(%s)  ratio=%.2f  goal>=%g  %s\n", name, duration(ours, a),
           duration(peer, b), who, ratio, goal, ratio >= goal ? "ok" : "short");
    fflush(stdout);
}

/* A duration that has to stay below one. */
static inline void report_below(const char *name, double ours, double most)
{
    char a[24], b[24];
    printf("%s  ours=%s  goal<=%s  %s\n", name, duration(ours, a), duration(most, b),
           ours <= most ? "ok" : "short");
    fflush(stdout);
}

/* A block that is larger than any cache, and what one core reads of it a second, in four streams as the
 * scan has them. On a machine that others use too it is to be asked again beside whatever it is compared
 * with. */
typedef struct {
    uint64_t *words;
    size_t count;
} figures_block;

static inline bool figures_block_make(figures_block *b)
{
    b->count = ((size_t)256 << 20) / sizeof *b->words;
    b->words = malloc(b->count * sizeof *b->words);
    if (b->words)
        memset(b->words, 1, b->count * sizeof *b->words);
    return b->words != NULL;
}

static inline double figures_block_read(const figures_block *b)
{
    uint64_t start = eng_clock_ns(), sum[4] = {0};
    volatile uint64_t sink = 0;
    for (size_t i = 0; i < b->count / 4; i++) {
        for (size_t s = 0; s < 4; s++)
            sum[s] += b->words[s * (b->count / 4) + i];
    }
    sink += sum[0] + sum[1] + sum[2] + sum[3];
    return (double)(b->count * sizeof *b->words) / (double)(eng_clock_ns() - start);
}

/* The best of five. */
static inline double memory_bandwidth(void)
{
    figures_block b;
    double best = 0;
    if (!figures_block_make(&b))
        return 0;
    for (int round = 0; round < 5; round++) {
        double rate = figures_block_read(&b);
        best = rate > best ? rate : best;
    }
    free(b.words);
    return best;
}

static inline void print_machine(double bandwidth)
{
    char line[256], cpu[200] = "unknown";
    FILE *in = fopen("/proc/cpuinfo", "r");
    while (in && fgets(line, sizeof line, in)) {
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            snprintf(cpu, sizeof cpu, "%s", strchr(line, ':') + 2);
            cpu[strcspn(cpu, "\n")] = '\0';
            break;
        }
    }
    if (in)
        fclose(in);
    printf("# %s, kernel %s, memory %.1f GB/s on one core, engenho %s\n", cpu, eng_kern_get()->name,
           bandwidth, eng_build_info()->commit);
}

#endif
