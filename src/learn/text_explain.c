/* Why: other categories, titles that are alike, words that decided. */
#include "base/alloc.h"
#include "base/error.h"
#include "learn/text_internal.h"

#include <math.h>
#include <stdlib.h>

enum { ALTERNATIVES = 5, NEAREST = 5, REASONS = 8, WORDS = 64 };

/* ---- Alternatives ---- */

static eng_status find_alternatives(const eng_text_model *m, const eng_text_scratch *s,
                                    eng_arena *arena, eng_text_details *out, eng_error *err)
{
    eng_text_alternative *list = eng_arena_array(arena, ALTERNATIVES, sizeof *list);
    size_t count = 0;
    if (!list)
        return eng_fail_nomem(err);
    for (uint32_t c = 0; c < m->head.classes; c++) {
        if (c == out->answer.category)
            continue;
        size_t at = count < ALTERNATIVES ? count++ : ALTERNATIVES;
        for (; at > 0 && list[at - 1].probability < s->scores[c]; at--)
            if (at < ALTERNATIVES)
                list[at] = list[at - 1];
        if (at < ALTERNATIVES)
            list[at] = (eng_text_alternative){c, s->scores[c]};
    }
    out->alternatives = list;
    out->alternative_count = count;
    return ENG_OK;
}

/* ---- Words ---- */

/* A word or pair of the item, and how much it speaks for each class rather than the others. */
typedef struct {
    eng_str text;
    uint64_t hash;
    float weight;
} reason;

typedef struct {
    const eng_text_model *m;
    eng_text_scratch *s;
    eng_arena *arena;
    uint32_t category;
    float words, runs; /* what sums are multiplied by */
    reason list[2 * WORDS];
    size_t count;
    size_t slots[WORDS]; /* known words, for titles */
    size_t slot_count;
} explainer;

/* The class's part above the mean of the others'; takes the sums back to nothing. */
static float take_weight(explainer *x)
{
    const size_t n = x->m->head.classes;
    eng_text_sums *one = &x->s->one;
    float own = 0, others = 0;
    for (size_t c = 0; c < n; c++) {
        float w = x->words * (float)one->words[c] + x->runs * (float)one->runs[c];
        if (c == x->category)
            own = w;
        else
            others += w;
        one->words[c] = one->runs[c] = 0;
    }
    return own - (n > 1 ? others / (float)(n - 1) : 0);
}

static void add_reason(explainer *x, eng_str text, uint64_t hash)
{
    float weight = take_weight(x);
    if (x->count < 2 * WORDS && weight != 0)
        x->list[x->count++] = (reason){text, hash, weight};
}

/* A word that was there before adds to its reason. */
static void add_again(explainer *x, const eng_text_word *w)
{
    eng_text_sum_again(x->m, w, &x->s->one);
    float weight = take_weight(x);
    for (size_t i = 0; i < x->count; i++)
        if (x->list[i].hash == w->hash) {
            x->list[i].weight += weight;
            return;
        }
}

static void explain_text(explainer *x, eng_str text)
{
    eng_text_words words = eng_text_words_of(text);
    eng_text_word w;
    uint64_t before = 0;
    size_t from = 0;
    while (x->slot_count < WORDS && eng_text_words_next(&words, &w)) {
        if (eng_text_first(x->s, w.hash)) {
            size_t slot = eng_text_find_word(x->m, w.hash);
            if (slot != SIZE_MAX)
                x->slots[x->slot_count++] = slot;
            eng_text_sum_word(x->m, &w, &x->s->one);
            add_reason(x, eng_str_sub(text, w.from, w.to - w.from), w.hash);
        } else {
            add_again(x, &w);
        }
        uint64_t pair = eng_text_pair_hash(before, w.hash);
        if (before && x->m->head.word_grams > 1 && eng_text_first(x->s, pair) &&
            eng_text_sum_part(x->m, pair, x->s->one.words, &x->s->one.words2))
            add_reason(x, eng_str_sub(text, from, w.to - from), pair);
        before = w.hash;
        from = w.from;
    }
}

static int by_weight(const void *a, const void *b)
{
    const reason *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Those that speak for the category; where none does, the one that speaks least against it. */
static eng_status take_reasons(explainer *x, eng_text_details *out, eng_error *err)
{
    eng_text_reason *list = eng_arena_array(x->arena, REASONS, sizeof *list);
    if (!list)
        return eng_fail_nomem(err);
    qsort(x->list, x->count, sizeof *x->list, by_weight);
    for (size_t i = 0; i < x->count && i < REASONS; i++) {
        if (i > 0 && x->list[i].weight <= 0)
            break;
        list[out->because_count++] = (eng_text_reason){x->list[i].text, x->list[i].weight};
    }
    out->because = list;
    return ENG_OK;
}

/* ---- Titles ---- */

static eng_status grow_titles(eng_text_scratch *s, size_t titles, eng_error *err)
{
    float *likeness = eng_zalloc((titles + 1) * sizeof *likeness);
    uint32_t *touched = eng_alloc_array(titles + 1, sizeof *touched);
    if (!likeness || !touched) {
        eng_free(likeness);
        eng_free(touched);
        return eng_fail_nomem(err);
    }
    eng_free(s->likeness);
    eng_free(s->touched);
    s->likeness = likeness;
    s->touched = touched;
    s->titles = titles;
    return ENG_OK;
}

static void insert_nearest(const eng_text_model *m, eng_text_nearest *list, size_t *count,
                           uint32_t title, float similarity)
{
    size_t at = *count < NEAREST ? (*count)++ : NEAREST;
    for (; at > 0 && list[at - 1].similarity < similarity; at--)
        if (at < NEAREST)
            list[at] = list[at - 1];
    if (at < NEAREST)
        list[at] = (eng_text_nearest){
            .title = {m->titles + m->title_at[title], m->title_at[title + 1] - m->title_at[title]},
            .category = m->title_class[title],
            .similarity = similarity};
}

static float idf2_at(const eng_text_model *m, size_t slot)
{
    eng_text_word_entry e;
    memcpy(&e, m->words + slot * m->word_size, sizeof e);
    return (float)e.idf2 / ENG_IDF_UNIT;
}

/* The cosine of the words that they share; of titles that are equally alike the first. */
static eng_status find_nearest(explainer *x, eng_text_details *out, eng_error *err)
{
    const eng_text_model *m = x->m;
    eng_text_scratch *s = x->s;
    float norm = 0;
    size_t touched = 0;
    eng_text_nearest *list = eng_arena_array(x->arena, NEAREST, sizeof *list);
    eng_status status = ENG_OK;
    if (!list)
        return eng_fail_nomem(err);
    if (m->head.titles > s->titles)
        status = grow_titles(s, m->head.titles, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < x->slot_count; i++) {
        float idf2 = idf2_at(m, x->slots[i]);
        norm += idf2;
        for (uint32_t at = m->post_at[x->slots[i]]; at < m->post_at[x->slots[i] + 1]; at++) {
            uint32_t title = m->posts[at];
            if (s->likeness[title] == 0 && idf2 > 0)
                s->touched[touched++] = title;
            s->likeness[title] += idf2;
        }
    }
    for (size_t i = 0; i < touched; i++) {
        uint32_t title = s->touched[i];
        float similarity = s->likeness[title] / (sqrtf(norm) * m->title_norm[title]);
        s->likeness[title] = 0;
        insert_nearest(m, list, &out->nearest_count, title, similarity < 1 ? similarity : 1);
    }
    out->nearest = list;
    return ENG_OK;
}

/* ---- All of it ---- */

eng_status eng_text_explain(const eng_text_model *m, const eng_text_item *item, eng_text_scratch *s,
                            eng_arena *arena, eng_text_details *out, eng_error *err)
{
    eng_text_details d = {0};
    explainer x = {.m = m, .s = s, .arena = arena};
    eng_status status = eng_text_predict(m, item, s, &d.answer, err);
    if (status == ENG_OK)
        status = find_alternatives(m, s, arena, &d, err);
    if (status < 0)
        return status;
    x.category = d.answer.category;
    x.words = eng_text_scale(m, s->all.words2);
    x.runs = eng_text_scale(m, s->all.runs2);
    status = eng_text_begin(m, s, err);
    for (size_t i = 0; status == ENG_OK && i < m->head.fields && i < item->text_count; i++)
        explain_text(&x, item->texts[i]);
    if (status == ENG_OK)
        status = take_reasons(&x, &d, err);
    if (status == ENG_OK)
        status = find_nearest(&x, &d, err);
    if (status == ENG_OK)
        *out = d;
    return status;
}
