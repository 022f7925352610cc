/* What tests of the index share: numbers at random, passages, a folder of their own. */
#ifndef ENG_INDEX_HELP_H
#define ENG_INDEX_HELP_H

#include "test.h"

#include "base/file.h"
#include "index/index.h"

#include <math.h>
#include <string.h>

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static inline size_t below(uint64_t *seed, size_t n) { return (size_t)(next_random(seed) % n); }

static inline float next_float(uint64_t *seed)
{
    return (float)(next_random(seed) >> 40) / (float)(1 << 24) * 2 - 1;
}

/* Points around a few hundred centres, as the vectors of texts are. */
static inline void random_vector(uint64_t *seed, size_t dim, float *out)
{
    uint64_t centre = next_random(seed) % 256 + 1;
    float sum = 0;
    for (size_t i = 0; i < dim; i++) {
        out[i] = next_float(&centre) + 0.9F * next_float(seed);
        sum += out[i] * out[i];
    }
    for (size_t i = 0; i < dim; i++)
        out[i] /= sqrtf(sum);
}

static inline eng_index *open_index(const char *dir, uint32_t dim)
{
    eng_error err = {0};
    eng_index *x = NULL;
    eng_index_options options = {.dir = dir, .dim = dim};
    assert_ok(eng_index_open(&options, &x, &err), err);
    return x;
}

static inline eng_index_view *view_of(eng_index *x)
{
    eng_error err = {0};
    eng_index_view *view = NULL;
    assert_ok(eng_index_view_new(x, &view, &err), err);
    return view;
}

static inline void put_text(eng_index *x, uint64_t id, const char *text)
{
    eng_error err = {0};
    eng_index_item item = {
        .id = id, .document = id, .text = eng_str_of(text), .language = ENG_LANGUAGE_PT};
    assert_ok(eng_index_upsert(x, &item, 1, id, &err), err);
}

static inline size_t find_ids(eng_index *x, const eng_index_query *query, uint64_t *ids)
{
    eng_error err = {0};
    static eng_hit hits[4096];
    size_t count = 0;
    eng_index_view *view = view_of(x);
    assert_ok(eng_index_candidates(view, query, hits, &count, &err), err);
    for (size_t i = 0; i < count; i++)
        ids[i] = hits[i].id;
    eng_index_view_free(view);
    return count;
}

/* The ids that a question in words finds, as "3 1 2". */
static inline const char *found(eng_index *x, const char *question)
{
    static char text[4096];
    static uint64_t ids[4096];
    eng_index_query query = {.mode = ENG_MODE_BM25, .text = eng_str_of(question), .limit = 100};
    size_t count = find_ids(x, &query, ids), at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu", i ? " " : "",
                               (unsigned long long)ids[i]);
    return text;
}

static inline void temporary_folder(char path[256])
{
    const char *root = getenv("TMPDIR");
    snprintf(path, 256, "%s/index-XXXXXX", root ? root : "/tmp");
    assert_non_null(mkdtemp(path));
}

static inline void remove_folder(const char *path)
{
    eng_error err = {0};
    assert_ok(eng_dir_remove(path, &err), err);
}

#endif
