/* Texts that say nearly the same, by the runs of words that they share. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "rag/rag.h"

#include <stdlib.h>

enum { RUN = 3 };

/* Of n runs in both together, so many may be in one alone: with a tenth of the union missing,
 * 2 * .9 / 1.9 of the sum are shared. */
enum { MISSING_OF = 19 };

/* What a text is compared by. */
typedef struct {
    uint64_t *runs; /* hashes of its runs of words, ascending, each once */
    size_t count;
    size_t cap;
    uint64_t digits;    /* a hash of all of them, in order */
    uint64_t last[RUN]; /* hashes of the words before */
    size_t words;
    bool failed; /* no memory */
} sketch;

static void add_run(sketch *s, size_t words)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64, bytes;
        uint64_t *runs = eng_mul(cap, sizeof *runs, &bytes) ? eng_realloc(s->runs, bytes) : NULL;
        s->failed = s->failed || !runs;
        if (!runs)
            return;
        s->runs = runs;
        s->cap = cap;
    }
    s->runs[s->count++] = eng_hash(s->last + RUN - words, words * sizeof *s->last);
}

static void add_word(void *ctx, eng_str word)
{
    sketch *s = ctx;
    for (size_t i = 0; i + 1 < RUN; i++)
        s->last[i] = s->last[i + 1];
    s->last[RUN - 1] = eng_hash(word.ptr, word.len);
    s->words++;
    if (s->words >= RUN)
        add_run(s, RUN);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t hash_digits(eng_str text)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= '0' && text.ptr[i] <= '9')
            hash = (hash ^ (uint64_t)text.ptr[i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    }
    return hash;
}

/* A text of fewer words is one run; one without any is its bytes. */
static void make_sketch(eng_str text, sketch *s)
{
    eng_words_each(text, add_word, s);
    s->digits = hash_digits(text);
    if (s->words == 0)
        s->last[RUN - 1] = eng_hash(text.ptr, text.len);
    if (s->words < RUN)
        add_run(s, s->words ? s->words : 1);
    if (s->count)
        qsort(s->runs, s->count, sizeof *s->runs, ascending);
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (kept == 0 || s->runs[kept - 1] != s->runs[i])
            s->runs[kept++] = s->runs[i];
    }
    s->count = kept;
}

/* Ends at the first run too many that one of them has alone: soon, where they have nothing in common. */
static bool nearly_equal(const sketch *a, const sketch *b)
{
    size_t allowed = (a->count + b->count) / MISSING_OF, missing = 0;
    if (a->digits != b->digits)
        return false;
    size_t i = 0, j = 0;
    while (missing <= allowed && i < a->count && j < b->count) {
        uint64_t x = a->runs[i], y = b->runs[j];
        missing += x != y;
        i += x <= y;
        j += y <= x;
    }
    return missing + (a->count - i) + (b->count - j) <= allowed;
}

eng_status eng_near_duplicates(const eng_str *texts, size_t count, size_t *of, eng_error *err)
{
    bool failed = false;
    sketch *all = eng_zalloc((count + 1) * sizeof *all);
    if (!all)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count && !failed; i++) {
        make_sketch(texts[i], &all[i]);
        failed = all[i].failed;
        of[i] = i;
        for (size_t j = 0; j < i && of[i] == i; j++) {
            if (of[j] == j && nearly_equal(&all[i], &all[j]))
                of[i] = j;
        }
    }
    for (size_t i = 0; i < count; i++)
        eng_free(all[i].runs);
    eng_free(all);
    return failed ? eng_fail_nomem(err) : ENG_OK;
}
