/*
 * Rows to examples: words are found once, runs of characters once for each distinct word, and an
 * example is a list of numbers from then on. Numbers of words and features follow from the order of
 * the rows alone.
 */
#include "base/error.h"
#include "learn/text_internal.h"

#include <math.h>
#include <stdlib.h>

enum { NONE = UINT32_MAX, FEATURES_MAX = 1 << 27 };

/* ---- An index of hashes ---- */

static size_t slot_of(const eng_text_index *x, uint64_t hash)
{
    size_t at = hash & (x->cap - 1);
    while (x->keys[at] && x->keys[at] != hash)
        at = (at + 1) & (x->cap - 1);
    return at;
}

static uint64_t no_zero(uint64_t hash) { return hash ? hash : 1; }

uint32_t eng_text_index_find(const eng_text_index *x, uint64_t hash)
{
    size_t at = x->cap ? slot_of(x, no_zero(hash)) : 0;
    return x->cap && x->keys[at] ? x->values[at] : NONE;
}

static void index_clear(eng_text_index *x)
{
    eng_free(x->keys);
    eng_free(x->values);
    *x = (eng_text_index){0};
}

static eng_status index_grow(eng_text_index *x, eng_error *err)
{
    eng_text_index grown = {.cap = x->cap ? x->cap * 2 : 1024, .count = x->count};
    grown.keys = eng_zalloc(grown.cap * sizeof *grown.keys);
    grown.values = eng_alloc_array(grown.cap, sizeof *grown.values);
    if (!grown.keys || !grown.values) {
        index_clear(&grown);
        return eng_fail_nomem(err);
    }
    for (size_t i = 0; i < x->cap; i++) {
        if (!x->keys[i])
            continue;
        size_t at = slot_of(&grown, x->keys[i]);
        grown.keys[at] = x->keys[i];
        grown.values[at] = x->values[i];
    }
    index_clear(x);
    *x = grown;
    return ENG_OK;
}

static eng_status index_put(eng_text_index *x, uint64_t hash, uint32_t *out, eng_error *err)
{
    eng_status status = x->count * 2 >= x->cap ? index_grow(x, err) : ENG_OK;
    if (status < 0)
        return status;
    hash = no_zero(hash);
    size_t at = slot_of(x, hash);
    if (!x->keys[at]) {
        if (x->count == FEATURES_MAX)
            return eng_fail(err, ENG_ETOOBIG, "over %d different features", FEATURES_MAX);
        x->keys[at] = hash;
        x->values[at] = (uint32_t)x->count++;
    }
    *out = x->values[at];
    return ENG_OK;
}

/* ---- Building ---- */

/* A word where it stands, and the pair that it makes with the word before it. */
typedef struct {
    uint32_t word;
    uint32_t pair;
} token;

typedef struct {
    eng_text_corpus *c;
    eng_error *err;
    token *tokens; /* of one row */
    size_t token_count, token_cap;
    size_t ends[ENG_TEXT_FIELDS]; /* of each field's tokens */
    eng_text_index seen;          /* examples */
    uint8_t *counts;              /* by feature, of the example that is being made; 0 between */
    size_t counts_cap;
} builder;

/* Room for one more item of an array; doubles. */
static eng_status room(builder *b, void *array, size_t *cap, size_t need, size_t size)
{
    void **p = array;
    if (need <= *cap)
        return ENG_OK;
    size_t grown = *cap ? *cap : 1024;
    while (grown < need)
        grown *= 2;
    void *memory = eng_realloc(*p, grown * size);
    if (!memory)
        return eng_fail_nomem(b->err);
    *p = memory;
    *cap = grown;
    return ENG_OK;
}

static eng_status feature_of(builder *b, uint64_t hash, eng_text_kind kind, uint32_t *out)
{
    eng_text_corpus *c = b->c;
    size_t before = c->features.count;
    eng_status status = index_put(&c->features, hash, out, b->err);
    if (status < 0 || c->features.count == before)
        return status;
    if (before == c->feature_cap) {
        size_t cap = c->feature_cap;
        status = room(b, &c->hashes, &cap, before + 1, sizeof *c->hashes);
        cap = c->feature_cap;
        if (status == ENG_OK)
            status = room(b, &c->kinds, &cap, before + 1, sizeof *c->kinds);
        if (status < 0)
            return status;
        c->feature_cap = cap;
    }
    c->hashes[before] = hash;
    c->kinds[before] = (uint8_t)kind;
    return ENG_OK;
}

/* A word that was not there before: its own feature, and those of its characters. */
static eng_status new_word(builder *b, const eng_text_word *w)
{
    eng_text_corpus *c = b->c;
    uint64_t grams[ENG_TEXT_GRAMS];
    size_t count = c->settings.no_chars
                       ? 0
                       : eng_text_grams(w->text, c->settings.char_min, c->settings.char_max, grams);
    eng_status status = room(b, &c->words, &c->word_cap, c->word_count + 1, sizeof *c->words);
    if (status == ENG_OK)
        status = room(b, &c->grams, &c->gram_cap, c->gram_count + count, sizeof *c->grams);
    if (status < 0)
        return status;
    eng_corpus_word *word = &c->words[c->word_count];
    *word = (eng_corpus_word){.text = eng_arena_copy(&c->arena, w->text),
                              .hash = w->hash,
                              .gram_at = (uint32_t)c->gram_count,
                              .gram_count = (uint32_t)count};
    if (!word->text.ptr)
        return eng_fail_nomem(b->err);
    status = feature_of(b, w->hash, ENG_FEATURE_WORD, &word->feature);
    for (size_t i = 0; i < count && status == ENG_OK; i++)
        status = feature_of(b, grams[i], ENG_FEATURE_GRAM, &c->grams[c->gram_count++]);
    c->word_count++;
    return status;
}

static eng_status take_text(builder *b, eng_str text)
{
    eng_text_corpus *c = b->c;
    eng_text_words words = eng_text_words_of(text);
    eng_text_word w;
    uint64_t before = 0;
    eng_status status = ENG_OK;
    while (status == ENG_OK && eng_text_words_next(&words, &w)) {
        token t = {.pair = NONE};
        size_t known = c->word_index.count;
        status = index_put(&c->word_index, w.hash, &t.word, b->err);
        if (status == ENG_OK && c->word_index.count != known)
            status = new_word(b, &w);
        if (status == ENG_OK && before && c->settings.word_grams > 1)
            status = feature_of(b, eng_text_pair_hash(before, w.hash), ENG_FEATURE_PAIR, &t.pair);
        if (status == ENG_OK)
            status = room(b, &b->tokens, &b->token_cap, b->token_count + 1, sizeof *b->tokens);
        if (status == ENG_OK)
            b->tokens[b->token_count++] = t;
        before = w.hash;
    }
    return status;
}

/* Counts a feature of the example that is being made; what is new to it is appended to its entries. */
static eng_status count_feature(builder *b, uint32_t feature, bool once)
{
    eng_text_corpus *c = b->c;
    eng_status status = room(b, &c->entries, &c->entry_cap, c->entry_count + 1, sizeof *c->entries);
    if (status < 0)
        return status;
    if (!b->counts[feature])
        c->entries[c->entry_count++] = feature;
    if (!b->counts[feature] || (!once && b->counts[feature] < ENG_ENTRY_MASK))
        b->counts[feature]++;
    return ENG_OK;
}

static eng_status make_room_for_counts(builder *b)
{
    size_t before = b->counts_cap;
    eng_status status = room(b, &b->counts, &b->counts_cap, b->c->features.count, 1);
    if (status == ENG_OK && b->counts_cap > before)
        memset(b->counts + before, 0, b->counts_cap - before);
    return status;
}

/* Words, pairs and numbers, once each; then the characters of every word, as often as it stands there:
 * what title and tags both say counts for more. */
static eng_status put_entries(builder *b, size_t row, size_t tokens, eng_text_example *e)
{
    eng_text_corpus *c = b->c;
    const eng_text_columns *columns = &c->rows->columns;
    eng_status status = make_room_for_counts(b);
    e->entries = c->entry_count;
    for (size_t i = 0; i < tokens && status == ENG_OK; i++)
        status = count_feature(b, c->words[b->tokens[i].word].feature, true);
    for (size_t i = 0; i < tokens && status == ENG_OK; i++)
        if (b->tokens[i].pair != NONE)
            status = count_feature(b, b->tokens[i].pair, true);
    for (size_t i = 0; i < columns->number_count && status == ENG_OK; i++) {
        unsigned bin = eng_text_bin(c->edges[i], c->rows->numbers[row * columns->number_count + i]);
        uint32_t feature = bin ? eng_text_index_find(&c->features, eng_text_number_hash(i, bin))
                               : NONE;
        if (feature != NONE)
            status = count_feature(b, feature, true);
    }
    e->words = (uint32_t)(c->entry_count - e->entries);
    for (size_t i = 0; i < tokens && status == ENG_OK; i++) {
        const eng_corpus_word *w = &c->words[b->tokens[i].word];
        for (size_t j = 0; j < w->gram_count && status == ENG_OK; j++)
            status = count_feature(b, c->grams[w->gram_at + j], false);
    }
    e->grams = (uint32_t)(c->entry_count - e->entries) - e->words;
    for (size_t i = e->entries; i < c->entry_count; i++) {
        uint32_t feature = c->entries[i];
        c->entries[i] = feature << ENG_ENTRY_BITS | b->counts[feature];
        b->counts[feature] = 0;
    }
    return status;
}

static uint64_t mix(uint64_t h, uint64_t v) { return eng_text_pair_hash(h, v); }

/* An example for each field that adds something to those before it, unless it is there already. */
static eng_status add_examples(builder *b, size_t row)
{
    eng_text_corpus *c = b->c;
    const eng_text_rows *r = c->rows;
    size_t fields = r->columns.text_count, view = 0, from = 0, last = 0;
    uint64_t hash = mix(r->groups[row], r->labels[row]), text = 0;
    bool unit = false;
    for (size_t f = 0; f < fields; f++)
        last = b->ends[f] > (f ? b->ends[f - 1] : 0) ? f : last;
    for (size_t f = 0; f <= last; f++) {
        if (b->ends[f] == from)
            continue;
        for (; from < b->ends[f]; from++)
            text = mix(text, c->words[b->tokens[from].word].hash);
        text = mix(text, f);
        uint32_t at;
        size_t before = b->seen.count;
        eng_status status = index_put(&b->seen, mix(hash, text), &at, b->err);
        if (status == ENG_OK && b->seen.count > before) {
            eng_text_example e = {.row = (uint32_t)row,
                                  .group = r->groups[row],
                                  .text = text,
                                  .label = (uint16_t)r->labels[row],
                                  .view = (uint8_t)view,
                                  .whole = f == last};
            unit = unit || view == 0;
            e.unit = unit;
            status = put_entries(b, row, from, &e);
            if (status == ENG_OK)
                status = room(b, &c->examples, &c->example_cap, c->example_count + 1, sizeof e);
            if (status == ENG_OK)
                c->examples[c->example_count++] = e;
        }
        if (status < 0)
            return status;
        view++;
    }
    c->units += unit;
    c->views = view > c->views ? view : c->views;
    return ENG_OK;
}

static eng_status take_row(builder *b, size_t row)
{
    const eng_text_rows *r = b->c->rows;
    eng_status status = ENG_OK;
    b->token_count = 0;
    for (size_t f = 0; f < r->columns.text_count && status == ENG_OK; f++) {
        eng_str text = r->texts[row * r->columns.text_count + f];
        status = take_text(b, text);
        b->ends[f] = b->token_count;
        b->c->data = mix(b->c->data, eng_text_word_hash(text));
    }
    b->c->data = mix(b->c->data, eng_text_word_hash(r->classes[r->labels[row]].name));
    b->c->data = mix(b->c->data, r->groups[row]);
    return status < 0 ? status : add_examples(b, row);
}

/* ---- Numbers ---- */

unsigned eng_text_bin(const float edges[ENG_BINS - 1], float number)
{
    unsigned bin = 1;
    if (isnan(number))
        return 0;
    while (bin < ENG_BINS && number >= edges[bin - 1])
        bin++;
    return bin;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Bins that hold equally many rows, as far as equal numbers allow. */
static eng_status find_edges(builder *b, size_t column)
{
    eng_text_corpus *c = b->c;
    size_t count = 0, numbers = c->rows->columns.number_count;
    float *sorted = eng_alloc_array(c->rows->count, sizeof *sorted);
    if (!sorted)
        return eng_fail_nomem(b->err);
    for (size_t i = 0; i < c->rows->count; i++) {
        float v = c->rows->numbers[i * numbers + column];
        if (!isnan(v))
            sorted[count++] = v;
    }
    qsort(sorted, count, sizeof *sorted, by_size);
    for (size_t i = 0; i + 1 < ENG_BINS; i++)
        c->edges[column][i] = count ? sorted[(i + 1) * count / ENG_BINS] : INFINITY;
    eng_free(sorted);
    eng_status status = ENG_OK;
    uint32_t feature;
    for (unsigned bin = 1; bin <= ENG_BINS && status == ENG_OK; bin++)
        status = feature_of(b, eng_text_number_hash(column, bin), ENG_FEATURE_NUMBER, &feature);
    return status;
}

/* ---- All of it ---- */

eng_status eng_text_corpus_make(const eng_text_rows *rows, const eng_text_settings *settings,
                                unsigned one_in, eng_text_corpus *out, eng_error *err)
{
    *out = (eng_text_corpus){.rows = rows, .settings = *settings};
    builder b = {.c = out, .err = err};
    eng_status status = ENG_OK;
    eng_arena_init(&out->arena, 1 << 16, NULL);
    for (size_t i = 0; i < rows->columns.number_count && status == ENG_OK; i++)
        status = find_edges(&b, i);
    for (size_t i = 0; i < rows->count && status == ENG_OK; i++)
        if (one_in < 2 || mix(settings->seed + 1, rows->groups[i]) % one_in == 0)
            status = take_row(&b, i);
    eng_free(b.tokens);
    eng_free(b.counts);
    index_clear(&b.seen);
    if (status == ENG_OK && !out->example_count)
        status = eng_fail(err, ENG_EINVALID, "no text holds a letter or a digit");
    if (status < 0)
        eng_text_corpus_clear(out);
    return status;
}

void eng_text_corpus_clear(eng_text_corpus *c)
{
    eng_arena_clear(&c->arena);
    index_clear(&c->word_index);
    index_clear(&c->features);
    eng_free(c->words);
    eng_free(c->grams);
    eng_free(c->hashes);
    eng_free(c->kinds);
    eng_free(c->examples);
    eng_free(c->entries);
    *c = (eng_text_corpus){0};
}
