/*
 * Searching by vectors: the scan against the memory's own speed, the graph against hnswlib at equal
 * recall, filters against no filter.
 *
 *     bench/vectors [--scan] [COUNT...]     1000 10000 100000
 *
 * --scan: that alone. Vectors are synthetic, 384 numbers around 2,000 centres. Recall is of the exact ten nearest.
 */
#include "base/error.h"
#include "index/index.h"

#include "figures.h"

enum { DIM = 384, K = 10, ASKED = 200, CENTRES = 2000, EFFORTS = 12, ROUNDS = 5, SCANS = 11 };

void *peer_hnsw_build(const float *vectors, size_t dim, size_t count, unsigned threads);
void peer_hnsw_search(void *self, const float *query, size_t k, size_t effort, uint64_t *out);
size_t peer_hnsw_bytes(void *self);
void peer_hnsw_free(void *self);

static void check(eng_status status, const eng_error *err)
{
    if (status == ENG_OK)
        return;
    fprintf(stderr, "bench/vectors: %s\n", err->message);
    exit(1);
}

typedef struct {
    size_t count;
    float *vectors;
    float *queries;
    uint64_t *nearest; /* K of each query */
    eng_index *index;
    eng_index_view *view;
    void *peer;
} world;

static void make_vector(float *out, const float *centres, uint64_t *seed)
{
    const float *centre = centres + next_random(seed) % CENTRES * DIM;
    double sum = 0;
    for (size_t d = 0; d < DIM; d++) {
        float noise = next_float(seed) + next_float(seed) + next_float(seed);
        out[d] = centre[d] + 0.55F * noise;
        sum += (double)out[d] * (double)out[d];
    }
    for (size_t d = 0; d < DIM; d++)
        out[d] = (float)(out[d] / sqrt(sum));
}

static void make_world(world *w, size_t count)
{
    uint64_t seed = 42;
    float *centres = malloc((size_t)CENTRES * DIM * sizeof *centres);
    *w = (world){.count = count};
    w->vectors = malloc(count * DIM * sizeof *w->vectors);
    w->queries = malloc((size_t)ASKED * DIM * sizeof *w->queries);
    w->nearest = malloc((size_t)ASKED * K * sizeof *w->nearest);
    for (size_t i = 0; i < (size_t)CENTRES * DIM; i++)
        centres[i] = next_float(&seed);
    for (size_t i = 0; i < count; i++)
        make_vector(w->vectors + i * DIM, centres, &seed);
    for (size_t i = 0; i < ASKED; i++)
        make_vector(w->queries + i * DIM, centres, &seed);
    free(centres);
}

/* A field of three shares: 50%, 5% and 0.1% of the passages have the value. */
static void fill_index(world *w)
{
    eng_error err;
    enum { BATCH = 1000 };
    eng_index_options options = {.dim = DIM, .no_grams = true, .graph_from = 50000, .threads = 2};
    check(eng_index_open(&options, &w->index, &err), &err);
    static eng_index_item items[BATCH];
    static eng_index_vector vectors[BATCH];
    static eng_index_field fields[BATCH][3];
    for (size_t at = 0; at < w->count; at += BATCH) {
        size_t n = w->count - at < BATCH ? w->count - at : BATCH;
        for (size_t i = 0; i < n; i++) {
            size_t id = at + i;
            int64_t spread = (int64_t)(id * 2654435761u % 1000);
            vectors[i] = (eng_index_vector){ENG_VECTOR_PASSAGE, w->vectors + id * DIM};
            fields[i][0] = (eng_index_field){{"n", 1},
                                             {.type = ENG_VALUE_INTEGER, .as.integer = spread}};
            items[i] = (eng_index_item){.id = id + 1,
                                        .document = id + 1,
                                        .vectors = &vectors[i],
                                        .vector_count = 1,
                                        .fields = fields[i],
                                        .field_count = 1};
        }
        check(eng_index_upsert(w->index, items, n, 1, &err), &err);
    }
}

static double build_graph(world *w)
{
    eng_error err;
    uint64_t start = eng_clock_ns();
    for (bool more = true; more;)
        check(eng_index_step(w->index, &more, &err), &err);
    return (double)(eng_clock_ns() - start);
}

static size_t ask(world *w, size_t q, uint32_t effort, bool exact, const eng_filter *filter,
                  eng_hit hits[K])
{
    eng_error err;
    size_t count;
    eng_index_query query = {.mode = ENG_MODE_DENSE,
                             .vector = w->queries + q * DIM,
                             .limit = K,
                             .effort = effort,
                             .exact = exact,
                             .filter = filter};
    check(eng_index_candidates(w->view, &query, hits, &count, &err), &err);
    return count;
}

static double overlap(const uint64_t *want, const uint64_t *got, size_t count)
{
    size_t same = 0;
    for (size_t i = 0; i < K; i++) {
        for (size_t k = 0; k < count; k++)
            same += want[i] == got[k];
    }
    return (double)same / K;
}

/* ---- The scan ------------------------------------------------------------------------------------------- */

/* In turns with reading as many bytes of a block that no cache holds. What is scanned here may lie in the
 * last cache in part: the larger it is, the less that helps. */
static double scan(world *w)
{
    char name[64];
    double ns[SCANS], ratio[SCANS];
    eng_hit hits[K];
    figures_block block;
    if (!figures_block_make(&block))
        exit(1);
    for (size_t r = 0; r < SCANS; r++) {
        size_t asked = w->count >= 100000 ? 8 : ASKED;
        double rate = figures_block_read(&block);
        uint64_t start = eng_clock_ns();
        for (size_t q = 0; q < asked; q++)
            ask(w, q, 0, true, NULL, hits);
        ns[r] = (double)(eng_clock_ns() - start) / (double)asked;
        rate = (rate + figures_block_read(&block)) / 2;
        ratio[r] = (double)w->count * DIM / rate / ns[r];
    }
    free(block.words);
    double ours = median(ns, SCANS);
    snprintf(name, sizeof name, "vectors.scan_%zu", w->count);
    report(name, ours, ours * median(ratio, SCANS), "memory", w->count >= 100000 ? 0.7 : 0);
    return ours;
}

/* ---- The graph ------------------------------------------------------------------------------------------ */

typedef struct {
    double recall;
    double ns;
} point;

static point ours_at(world *w, uint32_t effort)
{
    eng_hit hits[K];
    uint64_t got[K];
    point p = {0};
    uint64_t start = eng_clock_ns();
    for (size_t q = 0; q < ASKED; q++) {
        size_t n = ask(w, q, effort, false, NULL, hits);
        for (size_t i = 0; i < n; i++)
            got[i] = hits[i].id - 1;
        p.recall += overlap(w->nearest + q * K, got, n) / ASKED;
    }
    p.ns = (double)(eng_clock_ns() - start) / ASKED;
    return p;
}

static point peer_at(world *w, size_t effort)
{
    uint64_t got[K];
    point p = {0};
    uint64_t start = eng_clock_ns();
    for (size_t q = 0; q < ASKED; q++) {
        peer_hnsw_search(w->peer, w->queries + q * DIM, K, effort, got);
        p.recall += overlap(w->nearest + q * K, got, K) / ASKED;
    }
    p.ns = (double)(eng_clock_ns() - start) / ASKED;
    return p;
}

/* The time at this recall, on the line between the efforts around it. */
static double time_at(const point *p, size_t count, double recall)
{
    for (size_t i = 1; i < count; i++) {
        if (p[i].recall < recall)
            continue;
        if (p[i - 1].recall >= recall)
            return p[i - 1].ns;
        double part = (recall - p[i - 1].recall) / (p[i].recall - p[i - 1].recall);
        return p[i - 1].ns + part * (p[i].ns - p[i - 1].ns);
    }
    return NAN;
}

static void compare(world *w)
{
    static const uint32_t efforts[EFFORTS] = {10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 400, 800};
    static const double recalls[] = {0.97, 0.995};
    point ours[EFFORTS], peer[EFFORTS];
    double a[ROUNDS], b[ROUNDS];
    for (size_t e = 0; e < EFFORTS; e++) {
        for (size_t r = 0; r < ROUNDS; r++) {
            ours[e] = ours_at(w, efforts[e]);
            peer[e] = peer_at(w, efforts[e]);
            a[r] = ours[e].ns;
            b[r] = peer[e].ns;
        }
        ours[e].ns = median(a, ROUNDS);
        peer[e].ns = median(b, ROUNDS);
        printf("# effort %4u: ours recall %.4f %.1f us, hnswlib %.4f %.1f us\n", efforts[e],
               ours[e].recall, ours[e].ns / 1e3, peer[e].recall, peer[e].ns / 1e3);
    }
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "vectors.graph_%zu_recall_%.3f", w->count, recalls[i]);
        report(name, time_at(ours, EFFORTS, recalls[i]), time_at(peer, EFFORTS, recalls[i]),
               "hnswlib", 1.2);
    }
}

/* ---- Filters -------------------------------------------------------------------------------------------- */

static void filtered(world *w, int64_t thousandths, double unfiltered)
{
    char name[64];
    eng_value most = {.type = ENG_VALUE_INTEGER, .as.integer = thousandths};
    eng_filter f = {.op = ENG_FILTER_LT, .field = {"n", 1}, .values = &most, .value_count = 1};
    double recall = 0, ns[ROUNDS];
    eng_hit exact[K], hits[K];
    for (size_t q = 0; q < ASKED; q++) {
        uint64_t want[K], got[K];
        size_t n = ask(w, q, 0, true, &f, exact), m = ask(w, q, 0, false, &f, hits);
        for (size_t i = 0; i < K; i++) {
            want[i] = i < n ? exact[i].id : 0;
            got[i] = i < m ? hits[i].id : UINT64_MAX;
        }
        recall += overlap(want, got, K) / ASKED * K / (double)(n ? n : 1);
    }
    for (size_t r = 0; r < ROUNDS; r++) {
        uint64_t start = eng_clock_ns();
        for (size_t q = 0; q < ASKED; q++)
            ask(w, q, 0, false, &f, hits);
        ns[r] = (double)(eng_clock_ns() - start) / ASKED;
    }
    snprintf(name, sizeof name, "vectors.filter_%zu_%.1f%%", w->count, (double)thousandths / 10);
    report(name, median(ns, ROUNDS), unfiltered, "unfiltered", 1.0 / 3);
    printf("# recall of the exact answer %.4f\n", recall);
}

static void graph(world *w)
{
    char name[64];
    eng_index_stats stats;
    double ours = build_graph(w);
    uint64_t start = eng_clock_ns();
    w->peer = peer_hnsw_build(w->vectors, DIM, w->count, 2);
    double peer = (double)(eng_clock_ns() - start);
    eng_error err;
    eng_index_view_free(w->view);
    check(eng_index_view_new(w->index, &w->view, &err), &err);
    eng_index_view_stats(w->view, &stats);
    snprintf(name, sizeof name, "vectors.build_%zu", w->count);
    report(name, ours, peer, "hnswlib", 1);
    double bytes = (double)stats.graph * (384 + 192), theirs = (double)peer_hnsw_bytes(w->peer);
    printf("vectors.memory_%zu  ours=%.1fMB  peer=%.1fMB(hnswlib)  ratio=%.2f  goal>=2  %s\n",
           w->count, bytes / 1e6, theirs / 1e6, theirs / bytes,
           theirs / bytes >= 2 ? "ok" : "short");
    compare(w);
    point all = ours_at(w, 0);
    printf("# default effort: recall %.4f, %.1f us\n", all.recall, all.ns / 1e3);
    filtered(w, 500, all.ns);
    filtered(w, 50, all.ns);
    filtered(w, 1, all.ns);
    peer_hnsw_free(w->peer);
}

static double run(size_t count, bool with_graph)
{
    world w;
    eng_error err;
    eng_hit hits[K];
    make_world(&w, count);
    fill_index(&w);
    check(eng_index_view_new(w.index, &w.view, &err), &err);
    for (size_t q = 0; q < ASKED; q++) {
        size_t n = ask(&w, q, 0, true, NULL, hits);
        for (size_t i = 0; i < K; i++)
            w.nearest[q * K + i] = i < n ? hits[i].id - 1 : UINT64_MAX;
    }
    double ns = scan(&w);
    if (with_graph && count >= 50000)
        graph(&w);
    eng_index_view_free(w.view);
    eng_index_close(w.index);
    free(w.vectors);
    free(w.queries);
    free(w.nearest);
    return ns;
}

int main(int argc, char **argv)
{
    static const size_t presets[] = {1000, 10000, 100000};
    eng_error err;
    check(eng_kern_init(&err), &err);
    double first = 0, last = 0;
    bool with_graph = argc < 2 || strcmp(argv[1], "--scan") != 0;
    argc -= !with_graph;
    argv += !with_graph;
    size_t sizes = argc > 1 ? (size_t)(argc - 1) : 3, from = 0, to = 0;
    print_machine(memory_bandwidth());
    for (size_t i = 0; i < sizes; i++) {
        size_t count = argc > 1 ? strtoull(argv[i + 1], NULL, 10) : presets[i];
        last = run(count, with_graph);
        to = count;
        first = i ? first : last;
        from = i ? from : count;
    }
    if (to > from)
        printf("# the scan grows with the %.2f-th power of the size\n",
               log(last / first) / log((double)to / (double)from));
    return 0;
}
