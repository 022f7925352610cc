/*
 * A question to the terms that it asks for.
 *
 * The question is analysed in its own language, and once more in each other language that the collection
 * has passages in: a word that it stems differently there is a further term. A word that the collection
 * does not have is tried as typed without accents, then as words that were glued together.
 */
#include "index/index_internal.h"

#include "base/utf8.h"

#include <math.h>

enum { EXACT_ROWS = 4096, TERMS_MAX = 1024, PREFIX_MAX = 64, PHRASES_MAX = 16 };

/* What an exact form adds to the word's own share. */
static const float EXACT_WEIGHT = 0.2F;

typedef struct {
    const eng_state *state;
    eng_analyzer *a;
    const eng_index_query *query;
    eng_language language;
    eng_arena *arena;
    eng_plan *out;
    eng_terms terms;
    bool stops; /* nothing but stop words: they count */
    eng_error *err;
    eng_cursor cursor; /* scratch */
} planner;

/*
 * How many living rows a list has. Of a short one exactly, so that a score is the same before and after
 * the dead are merged away; of a long one about, where it makes no difference that could be seen.
 */
static uint64_t living(planner *p, const eng_segment *s, const eng_entry *e)
{
    uint64_t count = e->count, n = 0;
    if (!s->dead || !e->len)
        return count;
    if (count > EXACT_ROWS)
        return count - count * s->dead / s->docs;
    eng_cursor *c = &p->cursor;
    if (eng_cursor_open(c, s, e, NULL) < 0)
        return count;
    for (uint32_t block = 0; block < c->blocks && eng_cursor_load(c, block); block++) {
        for (uint32_t i = 0; i < c->count; i++)
            n += eng_bit(p->state->live, s->base + c->rows[i]);
    }
    return n;
}

/* The entries of a key in each segment; *rows that live have it. NULL: out of memory. */
static const eng_entry **look_up(planner *p, eng_str key, uint64_t *rows)
{
    const eng_state *state = p->state;
    const eng_entry **entries = eng_arena_array(p->arena, state->segment_count + 1,
                                                sizeof *entries);
    *rows = 0;
    for (size_t i = 0; entries && i < state->segment_count; i++) {
        entries[i] = eng_segment_find(&state->segments[i], key);
        *rows += entries[i] ? living(p, &state->segments[i], entries[i]) : 0;
    }
    return entries;
}

static eng_str key_of(const planner *p, char kind, eng_str text)
{
    char *key = eng_arena_alloc(p->arena, text.len + 1);
    if (!key)
        return (eng_str){NULL, 0};
    key[0] = kind;
    memcpy(key + 1, text.ptr, text.len);
    return (eng_str){key, text.len + 1};
}

static bool known(const planner *p, eng_str key)
{
    for (size_t i = 0; i < p->out->count; i++) {
        if (eng_str_eq(p->out->terms[i].key, key))
            return true;
    }
    return false;
}

static eng_status grow(planner *p)
{
    eng_plan *plan = p->out;
    size_t cap = plan->cap ? plan->cap * 2 : 16;
    eng_plan_term *terms = eng_arena_array(p->arena, cap, sizeof *terms);
    if (!terms)
        return eng_fail_nomem(p->err);
    if (plan->count)
        memcpy(terms, plan->terms, plan->count * sizeof *terms);
    plan->terms = terms;
    plan->cap = cap;
    return ENG_OK;
}

/* Adds a term, or what it weighs to the same term that is there. A word that no segment has is kept
 * only with `missing`: explain tells of it. */
static eng_status add(planner *p, const eng_term *t, eng_str key, float weight, bool missing,
                      uint64_t *rows)
{
    eng_plan *plan = p->out;
    if (!key.ptr)
        return eng_fail_nomem(p->err);
    for (size_t i = 0; i < plan->count; i++) {
        if (eng_str_eq(plan->terms[i].key, key)) {
            plan->terms[i].weight += weight * plan->terms[i].idf;
            *rows = plan->terms[i].rows;
            return ENG_OK;
        }
    }
    const eng_entry **entries = look_up(p, key, rows);
    if (!entries)
        return eng_fail_nomem(p->err);
    if ((*rows == 0 && !missing) || plan->count == TERMS_MAX)
        return ENG_OK;
    if (plan->count == plan->cap) {
        eng_status status = grow(p);
        if (status < 0)
            return status;
    }
    double n = (double)p->state->alive, df = (double)*rows;
    float idf = (float)log(1 + (n > df ? n - df + 0.5 : 0.5) / (df + 0.5));
    plan->terms[plan->count++] = (eng_plan_term){.key = key,
                                                 .entries = entries,
                                                 .rows = *rows,
                                                 .idf = idf,
                                                 .weight = weight * idf,
                                                 .start = t->start,
                                                 .end = t->end,
                                                 .kind = (eng_term_kind)t->kind};
    return ENG_OK;
}

/* ---- Words ------------------------------------------------------------------------------------------- */

/* Every word of the dictionary that begins like this one; the most frequent ones where there are many. */
static eng_status add_prefix(planner *p, const eng_term *t, eng_str stem)
{
    eng_status status = ENG_OK;
    eng_str prefix = key_of(p, ENG_KEY_WORD, stem);
    if (!prefix.ptr)
        return eng_fail_nomem(p->err);
    size_t added = 0;
    for (size_t i = 0; status == ENG_OK && i < p->state->segment_count; i++) {
        const eng_segment *s = &p->state->segments[i];
        for (size_t at = eng_segment_lower(s, prefix);
             status == ENG_OK && at < s->entry_count && added < PREFIX_MAX; at++) {
            eng_str key = eng_segment_key(s, at);
            uint64_t rows;
            if (!eng_str_starts(key, prefix))
                break;
            if (known(p, key))
                continue;
            status = add(p, t, key, 1, false, &rows);
            added++;
        }
    }
    return status;
}

static uint32_t count_word(void *ctx, eng_str word) { return eng_state_word_count(ctx, word); }

/* A word that nobody has: as words glued together. */
static eng_status add_split(planner *p, const eng_term *t)
{
    eng_analyze_options options = {.language = p->language,
                                   .question = true,
                                   .count = count_word,
                                   .count_ctx = (void *)(uintptr_t)p->state};
    eng_terms parts;
    eng_terms_init(&parts);
    eng_str word = eng_str_sub(p->query->text, t->start, t->end - t->start);
    eng_status status = eng_analyze(p->a, word, &options, &parts, p->err);
    for (size_t i = 0; status == ENG_OK && i < parts.count; i++) {
        uint64_t rows;
        eng_term part = parts.items[i];
        if (part.kind != ENG_TERM_PART || part.stop)
            continue;
        part.start += t->start;
        part.end += t->start;
        status = add(p, &part, key_of(p, ENG_KEY_WORD, eng_terms_text(&parts, i)), 1, false, &rows);
    }
    eng_terms_clear(&parts);
    return status;
}

static eng_status add_word(planner *p, size_t i)
{
    const eng_term *t = &p->terms.items[i];
    eng_str stem = eng_terms_text(&p->terms, i), text = p->query->text;
    uint64_t rows = 0;
    if (t->end < text.len && text.ptr[t->end] == '*')
        return add_prefix(p, t, stem);
    eng_status status = add(p, t, key_of(p, ENG_KEY_WORD, stem), 1, true, &rows);
    if (status < 0 || rows > 0)
        return status;
    const eng_term *next = i + 1 < p->terms.count ? t + 1 : NULL;
    if (next && next->kind == ENG_TERM_PLAIN && next->start == t->start) {
        status = add(p, next, key_of(p, ENG_KEY_WORD, eng_terms_text(&p->terms, i + 1)), 1, false,
                     &rows);
        if (status < 0 || rows > 0)
            return status;
    }
    return add_split(p, t);
}

static eng_status add_term(planner *p, size_t i)
{
    const eng_term *t = &p->terms.items[i];
    uint64_t rows;
    bool grams = p->query->mode == ENG_MODE_GRAMS;
    if ((t->stop && !p->stops) || grams != (t->kind == ENG_TERM_GRAM))
        return ENG_OK;
    eng_str text = eng_terms_text(&p->terms, i);
    switch (t->kind) {
    case ENG_TERM_WORD:
        return add_word(p, i);
    case ENG_TERM_EXACT:
        return add(p, t, key_of(p, ENG_KEY_EXACT, text), EXACT_WEIGHT, false, &rows);
    case ENG_TERM_CODE:
        return add(p, t, key_of(p, ENG_KEY_CODE, text), 1, false, &rows);
    case ENG_TERM_GRAM:
        return add(p, t, key_of(p, ENG_KEY_GRAM, text), 1, false, &rows);
    default:
        return ENG_OK;
    }
}

/* The same words as another language stems them. */
static eng_status add_language(planner *p, eng_language language)
{
    eng_analyze_options options = {.language = language};
    eng_terms other;
    eng_terms_init(&other);
    eng_status status = eng_analyze(p->a, p->query->text, &options, &other, p->err);
    size_t mine = 0;
    for (size_t i = 0; status == ENG_OK && i < other.count; i++) {
        const eng_term *t = &other.items[i];
        uint64_t rows;
        if (t->kind != ENG_TERM_WORD)
            continue;
        while (mine < p->terms.count && (p->terms.items[mine].start < t->start ||
                                         p->terms.items[mine].kind != ENG_TERM_WORD))
            mine++;
        if (mine == p->terms.count)
            break;
        const eng_term *own = &p->terms.items[mine];
        eng_str key = key_of(p, ENG_KEY_WORD, eng_terms_text(&other, i));
        if (own->start != t->start || (own->stop && !p->stops) || (key.ptr && known(p, key)))
            continue;
        status = add(p, t, key, 1, false, &rows);
    }
    eng_terms_clear(&other);
    return status;
}

/* ---- Phrases ----------------------------------------------------------------------------------------- */

/* The words between two quotation marks. One word alone is none, but it must be there all the same. */
static eng_status add_phrase(planner *p, size_t from, size_t to)
{
    size_t count = 0, first = 0;
    for (size_t i = 0; i < p->terms.count; i++) {
        const eng_term *t = &p->terms.items[i];
        if (t->kind == ENG_TERM_WORD && t->start >= from && t->end <= to) {
            first = count ? first : i;
            count++;
        }
    }
    if (count == 0 || p->out->phrase_count == PHRASES_MAX)
        return ENG_OK;
    eng_plan_phrase *phrase = &p->out->phrases[p->out->phrase_count++];
    phrase->entries = eng_arena_array(p->arena, count, sizeof *phrase->entries);
    phrase->offsets = eng_arena_array(p->arena, count, sizeof *phrase->offsets);
    phrase->count = 0;
    if (!phrase->entries || !phrase->offsets)
        return eng_fail_nomem(p->err);
    for (size_t i = first; i < p->terms.count && phrase->count < count; i++) {
        const eng_term *t = &p->terms.items[i];
        uint64_t rows;
        if (t->kind != ENG_TERM_WORD || t->start < from || t->end > to)
            continue;
        eng_str key = key_of(p, ENG_KEY_WORD, eng_terms_text(&p->terms, i));
        const eng_entry **entries = key.ptr ? look_up(p, key, &rows) : NULL;
        if (!entries)
            return eng_fail_nomem(p->err);
        phrase->entries[phrase->count] = entries;
        phrase->offsets[phrase->count++] = t->position - p->terms.items[first].position;
    }
    return ENG_OK;
}

static eng_status add_phrases(planner *p)
{
    eng_str text = p->query->text;
    size_t open = SIZE_MAX;
    p->out->phrases = eng_arena_array(p->arena, PHRASES_MAX, sizeof *p->out->phrases);
    if (!p->out->phrases)
        return eng_fail_nomem(p->err);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '"')
            continue;
        if (open == SIZE_MAX) {
            open = i + 1;
            continue;
        }
        eng_status status = add_phrase(p, open, i);
        if (status < 0)
            return status;
        open = SIZE_MAX;
    }
    return ENG_OK;
}

/* ---- The whole ----------------------------------------------------------------------------------------- */

/* What the caller says, what the words say, what most of the collection is in. */
static eng_language language_of(const eng_state *state, const eng_index_query *query)
{
    if (query->language != ENG_LANGUAGE_UNKNOWN)
        return query->language;
    eng_language guess = eng_language_guess(query->text);
    if (guess != ENG_LANGUAGE_UNKNOWN)
        return guess;
    for (int l = ENG_LANGUAGE_PT; l < ENG_LANGUAGES; l++) {
        if (state->languages >> l & 1)
            return (eng_language)l;
    }
    return ENG_LANGUAGE_UNKNOWN;
}

eng_status eng_plan_make(const eng_state *state, eng_analyzer *a, const eng_index_query *query,
                         eng_arena *arena, eng_plan *out, eng_error *err)
{
    planner p = {.state = state, .a = a, .query = query, .arena = arena, .out = out, .err = err};
    *out = (eng_plan){0};
    p.language = language_of(state, query);
    eng_analyze_options options = {
        .language = p.language, .question = true, .grams = query->mode == ENG_MODE_GRAMS};
    eng_terms_init(&p.terms);
    eng_status status = eng_analyze(a, query->text, &options, &p.terms, err);
    if (status < 0)
        goto done;
    p.stops = p.terms.words == 0;
    for (size_t i = 0; status == ENG_OK && i < p.terms.count; i++)
        status = add_term(&p, i);
    for (int l = 0; status == ENG_OK && query->mode == ENG_MODE_BM25 && l < ENG_LANGUAGES; l++) {
        if ((state->languages >> l & 1) && l != (int)p.language)
            status = add_language(&p, (eng_language)l);
    }
    if (status == ENG_OK && query->mode == ENG_MODE_BM25)
        status = add_phrases(&p);
done:
    eng_terms_clear(&p.terms);
    return status;
}
