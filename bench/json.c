/*
 * JSON: reading against simdjson's DOM and jansson, printing against jansson; three documents (numbers,
 * strings, nesting) at three sizes. Everything runs in turns, ours and the peers, in one process.
 *
 * What is counted: a whole tree made and given back. Ours finds repeated keys, jansson may overwrite
 * them, simdjson does not look; simdjson keeps its parser and gets its text padded.
 */
#include "json/json.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void *peer_simdjson_new(const char *text, size_t len);
bool peer_simdjson_parse(void *self);
void peer_simdjson_free(void *self);
const char *peer_simdjson_name(void);

enum { ROUNDS = 9, SIZES = 3, FLOATS = 384 };
static const uint64_t ROUND_NS = 8000000;
static const size_t sizes[SIZES] = {10000, 100000, 1000000};
static const char *const size_names[SIZES] = {"10KB", "100KB", "1MB"};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench/json: %s\n", what);
    exit(1);
}

/* ---- Documents ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* 0 <= x < 1 */
static double next_real(uint64_t *seed) { return (double)(next_random(seed) >> 11) * 0x1p-53; }

/* Coordinates with all their digits, measurements with few, counts. */
static void numbers(eng_json_writer *w, uint64_t *seed)
{
    eng_json_open(w, '[');
    eng_json_double(w, next_real(seed) * 360 - 180);
    eng_json_double(w, next_real(seed) * 180 - 90);
    eng_json_double(w, (double)(next_random(seed) % 1000000) / 1000);
    eng_json_int(w, (int64_t)(next_random(seed) % 100000000));
    eng_json_close(w, ']');
}

/* Titles and passages: mostly ASCII, with accents and now and then an escape. */
static void strings(eng_json_writer *w, uint64_t *seed)
{
    static const char *const words[] = {"lembrancinha", "de",       "maternidade",   "bebê",
                                        "decoração",    "festa",    "personalizado", "caneca",
                                        "coração",      "kit",      "para",          "convite",
                                        "casamento",    "\"novo\"", "linha\n",       "papel",
                                        "não",          "açúcar",   "com",           "nome"};
    char text[1200];
    size_t len = 0, count = 2 + next_random(seed) % (next_random(seed) % 4 ? 8 : 80);
    for (size_t i = 0; i < count; i++) {
        const char *word = words[next_random(seed) % (sizeof words / sizeof words[0])];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", word);
    }
    eng_json_string(w, (eng_str){text, len});
}

static void nesting(eng_json_writer *w, uint64_t *seed, int depth)
{
    static const char *const keys[] = {"id",      "title", "children", "score", "metadata",
                                       "visible", "kind",  "previous", "style", "x"};
    size_t count = 2 + next_random(seed) % 5, first = next_random(seed) % 10;
    bool object = next_random(seed) % 3 > 0;
    eng_json_open(w, object ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        if (object)
            eng_json_name(w, eng_str_of(keys[(first + i) % 10]));
        switch (next_random(seed) % (depth < 12 ? 6 : 4)) {
        case 0:
            eng_json_int(w, (int64_t)(next_random(seed) % 1000));
            break;
        case 1:
            eng_json_bool(w, next_random(seed) % 2);
            break;
        case 2:
            eng_json_null(w);
            break;
        case 3:
            eng_json_string(w, ENG_STR("leaf"));
            break;
        default:
            nesting(w, seed, depth + 1);
            break;
        }
    }
    eng_json_close(w, object ? '}' : ']');
}

typedef enum { NUMBERS, STRINGS, NESTING, KINDS } document_kind;
static const char *const kind_names[KINDS] = {"numbers", "strings", "nesting"};

static void make_document(document_kind kind, size_t size, eng_buf *out)
{
    uint64_t seed = 42;
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '[');
    while (out->len < size) {
        switch (kind) {
        case NUMBERS:
            numbers(&w, &seed);
            break;
        case STRINGS:
            strings(&w, &seed);
            break;
        default:
            nesting(&w, &seed, 0);
            break;
        }
    }
    eng_json_close(&w, ']');
    check(out->failed == ENG_OK, "no memory for a document");
}

/* ---- Timing ---- */

typedef void task(void *self);

/* Nanoseconds a run, over as many runs as fill a round, and after one that is not counted: it pays
 * for the caches, and for the heap, that whoever had the turn before has left behind. */
static double time_round(task *run, void *self, uint64_t runs)
{
    run(self);
    uint64_t start = eng_clock_ns();
    for (uint64_t i = 0; i < runs; i++)
        run(self);
    return (double)(eng_clock_ns() - start) / (double)runs;
}

static uint64_t runs_for(task *run, void *self)
{
    double once = time_round(run, self, 3);
    return once > (double)ROUND_NS ? 1 : (uint64_t)((double)ROUND_NS / once) + 1;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The medians of all tasks, which take turns. */
static void measure(task *const *tasks, void *self, size_t count, double *medians)
{
    double rounds[4][ROUNDS];
    uint64_t runs[4];
    for (size_t t = 0; t < count; t++)
        runs[t] = runs_for(tasks[t], self);
    for (size_t r = 0; r < ROUNDS; r++)
        for (size_t t = 0; t < count; t++)
            rounds[t][r] = time_round(tasks[t], self, runs[t]);
    for (size_t t = 0; t < count; t++) {
        qsort(rounds[t], ROUNDS, sizeof(double), compare_doubles);
        medians[t] = rounds[t][ROUNDS / 2];
    }
}

static const char *duration(double ns, char out[24])
{
    if (ns < 1e6)
        snprintf(out, 24, "%.2fus", ns / 1e3);
    else
        snprintf(out, 24, "%.2fms", ns / 1e6);
    return out;
}

static void report(const char *name, double ours, double peer, const char *peer_name, double ratio,
                   const char *relation, double goal)
{
    char a[24], b[24];
    bool ok = relation[0] == '<' ? ratio <= goal : ratio >= goal;
    printf("json.%s  ours=%s  peer=%s(%s)  ratio=%.2f  goal%s%g  %s\n", name, duration(ours, a),
           duration(peer, b), peer_name, ratio, relation, goal, ok ? "ok" : "short");
    fflush(stdout);
}

/* ---- Reading ---- */

typedef struct {
    eng_str text;
    void *simdjson;
} reading;

static void read_ours(void *self)
{
    const reading *r = self;
    eng_arena arena;
    const eng_json *root;
    eng_arena_init(&arena, 64 * 1024, NULL);
    check(eng_json_read(r->text, NULL, &arena, &root, NULL) == ENG_OK, "a document was refused");
    eng_arena_clear(&arena);
}

static void read_simdjson(void *self)
{
    const reading *r = self;
    check(peer_simdjson_parse(r->simdjson), "simdjson refused a document");
}

static void read_jansson(void *self)
{
    const reading *r = self;
    json_t *root = json_loadb(r->text.ptr, r->text.len, 0, NULL);
    check(root, "jansson refused a document");
    json_decref(root);
}

static double bench_reading(document_kind kind, size_t size)
{
    eng_buf document;
    eng_buf_init(&document, SIZE_MAX / 2);
    make_document(kind, sizes[size], &document);
    reading r = {eng_buf_view(&document), peer_simdjson_new(document.data, document.len)};

    task *const tasks[] = {read_ours, read_simdjson, read_jansson};
    double ns[3];
    char name[64];
    measure(tasks, &r, 3, ns);
    snprintf(name, sizeof name, "parse-%s-%s", kind_names[kind], size_names[size]);
    report(name, ns[0], ns[1], peer_simdjson_name(), ns[0] / ns[1], "<=", 3);
    report(name, ns[0], ns[2], "jansson " JANSSON_VERSION, ns[2] / ns[0], ">=", 8);

    peer_simdjson_free(r.simdjson);
    eng_buf_clear(&document);
    return ns[0];
}

/* How time grows with size, from the smallest to the largest. */
static void report_growth(document_kind kind, const double *ns)
{
    double exponent = log(ns[SIZES - 1] / ns[0]) / log((double)sizes[SIZES - 1] / (double)sizes[0]);
    printf("json.parse-%s  ours=%.3fns/byte  grows=n^%.2f  goal<=1.2  %s\n", kind_names[kind],
           ns[SIZES - 1] / (double)sizes[SIZES - 1], exponent, exponent <= 1.2 ? "ok" : "short");
}

/* ---- Printing ---- */

typedef struct {
    float vector[FLOATS];
    eng_buf out;
    json_t *reply;
} printing;

static void print_ours(void *self)
{
    printing *p = self;
    eng_buf_reset(&p->out);
    eng_json_writer w = eng_json_write_to(&p->out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "object", ENG_STR("embedding"));
    eng_json_name(&w, ENG_STR("embedding"));
    eng_json_floats(&w, p->vector, FLOATS);
    eng_json_close(&w, '}');
}

static void print_jansson(void *self)
{
    const printing *p = self;
    char *text = json_dumps(p->reply, JSON_COMPACT);
    check(text, "jansson printed nothing");
    free(text);
}

static void check_printed(printing *p)
{
    eng_arena arena;
    const eng_json *root;
    eng_arena_init(&arena, 64 * 1024, NULL);
    print_ours(p);
    check(eng_json_read(eng_buf_view(&p->out), NULL, &arena, &root, NULL) == ENG_OK,
          "the reply does not read back");
    const eng_json *vector = eng_json_get(root, ENG_STR("embedding"));
    check(eng_json_count(vector) == FLOATS, "the reply lost floats");
    for (size_t i = 0; i < FLOATS; i++) {
        double v = 0;
        check(eng_json_number(eng_json_at(vector, i), &v), "the reply holds something else");
        float back = (float)v;
        check(memcmp(&back, &p->vector[i], sizeof back) == 0, "a float changed");
    }
    eng_arena_clear(&arena);
}

static void bench_printing(void)
{
    printing p;
    uint64_t seed = 7;
    eng_buf_init(&p.out, 1 << 20);
    p.reply = json_object();
    json_t *vector = json_array();
    for (size_t i = 0; i < FLOATS; i++) {
        p.vector[i] = (float)((next_real(&seed) - 0.5) / 8);
        json_array_append_new(vector, json_real((double)p.vector[i]));
    }
    json_object_set_new(p.reply, "object", json_string("embedding"));
    json_object_set_new(p.reply, "embedding", vector);
    check_printed(&p);

    task *const tasks[] = {print_ours, print_jansson};
    double ns[2];
    measure(tasks, &p, 2, ns);
    report("print-384-floats", ns[0], ns[1], "jansson " JANSSON_VERSION, ns[1] / ns[0], ">=", 10);
    report("print-384-floats", ns[0], 12e3, "the limit", ns[0] / 12e3, "<=", 1);

    json_decref(p.reply);
    eng_buf_clear(&p.out);
}

/* ---- Repeated keys ---- */

static void make_wide_object(size_t keys, eng_buf *out)
{
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    for (size_t i = 0; i < keys; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "key-%zu", i);
        eng_json_name(&w, (eng_str){key, (size_t)len});
        eng_json_int(&w, (int64_t)i);
    }
    eng_json_close(&w, '}');
}

static void bench_keys(void)
{
    static const size_t counts[SIZES] = {1000, 10000, 100000};
    double ns[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        eng_buf document;
        eng_buf_init(&document, SIZE_MAX / 2);
        make_wide_object(counts[i], &document);
        reading r = {eng_buf_view(&document), NULL};
        task *const tasks[] = {read_ours, read_jansson};
        double medians[2];
        char name[64];
        measure(tasks, &r, 2, medians);
        ns[i] = medians[0];
        snprintf(name, sizeof name, "parse-object-%zu-keys", counts[i]);
        report(name, ns[i], medians[1], "jansson " JANSSON_VERSION, medians[1] / ns[i], ">=", 8);
        eng_buf_clear(&document);
    }
    double exponent = log(ns[2] / ns[0]) / log(100);
    printf("json.parse-object  ours=%.1fns/key  grows=n^%.2f  goal<=1.2  %s\n", ns[2] / 100000,
           exponent, exponent <= 1.2 ? "ok" : "short");
}

/* A server's heap has room from earlier requests. Without this glibc gives every megabyte back to the
 * kernel and faults it in again, page by page, which takes as long as reading it does. It holds for
 * jansson as for us; simdjson keeps its memory anyway. */
static void keep_the_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, 16 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

int main(void)
{
    keep_the_heap();
    for (document_kind kind = NUMBERS; kind < KINDS; kind++) {
        double ns[SIZES];
        for (size_t size = 0; size < SIZES; size++)
            ns[size] = bench_reading(kind, size);
        report_growth(kind, ns);
    }
    bench_keys();
    bench_printing();
    return 0;
}
