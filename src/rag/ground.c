/*
 * Sentences of an answer held against the passages.
 *
 * A passage is looked at as windows of one to three sentences. A window supports a sentence where it has
 * all its numbers, where window, title and question have all its names, and where it has most of the
 * words that say something. A number in another sentence of the page is no support: it counts something
 * else. Where the words are others, vectors decide whether the meaning is near.
 */
#include "base/error.h"
#include "base/map.h"
#include "rag/answer_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

enum { WINDOW = 3, CLAIM_WORDS = 64, SENTENCES_MAX = 400, GROUNDS_MAX = 64, FEW_WORDS = 4 };

static const double ENOUGH = 0.6;      /* of the words */
static const double SOME = 0.25;       /* of them, where the vectors agree */
static const float NEAR_ENOUGH = 0.6f; /* cosine */

/* ---- Numbers in words ----------------------------------------------------------------------------------- */

typedef struct {
    const char *word;
    unsigned value;
} number_word;

/* Folded, in order. One is left out: it is an article as well. */
static const number_word number_words[] = {
    {"catorce", 14},    {"catorze", 14},     {"cem", 100},       {"cento", 100},
    {"cien", 100},      {"ciento", 100},     {"cinco", 5},       {"cincuenta", 50},
    {"cinquenta", 50},  {"cuarenta", 40},    {"cuatro", 4},      {"dez", 10},
    {"dezenove", 19},   {"dezesseis", 16},   {"dezessete", 17},  {"dezoito", 18},
    {"diez", 10},       {"dois", 2},         {"dos", 2},         {"doce", 12},
    {"doze", 12},       {"duas", 2},         {"duzentas", 200},  {"duzentos", 200},
    {"eight", 8},       {"eighteen", 18},    {"eighty", 80},     {"eleven", 11},
    {"fifteen", 15},    {"fifty", 50},       {"five", 5},        {"forty", 40},
    {"four", 4},        {"fourteen", 14},    {"hundred", 100},   {"mil", 1000},
    {"nine", 9},        {"nineteen", 19},    {"ninety", 90},     {"nove", 9},
    {"noventa", 90},    {"nueve", 9},        {"ocho", 8},        {"oitenta", 80},
    {"oito", 8},        {"once", 11},        {"onze", 11},       {"ochenta", 80},
    {"quarenta", 40},   {"quatorze", 14},    {"quatro", 4},      {"quatrocentos", 400},
    {"quince", 15},     {"quinhentos", 500}, {"quinze", 15},     {"seis", 6},
    {"sessenta", 60},   {"sesenta", 60},     {"sete", 7},        {"setenta", 70},
    {"seven", 7},       {"seventeen", 17},   {"seventy", 70},    {"siete", 7},
    {"six", 6},         {"sixteen", 16},     {"sixty", 60},      {"ten", 10},
    {"thirteen", 13},   {"thirty", 30},      {"thousand", 1000}, {"three", 3},
    {"trece", 13},      {"treinta", 30},     {"tres", 3},        {"treze", 13},
    {"trezentos", 300}, {"trinta", 30},      {"twelve", 12},     {"twenty", 20},
    {"two", 2},         {"veinte", 20},      {"vinte", 20}};

/* "dos" and "once" are other words in Portuguese and English. */
static unsigned number_of(eng_str raw, eng_language language)
{
    char folded[FOLDED_MAX];
    size_t len = eng_fold_word(raw, folded);
    eng_str word = {folded, len};
    if (!len || (language != ENG_LANGUAGE_ES &&
                 (eng_str_eq(word, ENG_STR("dos")) || eng_str_eq(word, ENG_STR("once")) ||
                  eng_str_eq(word, ENG_STR("doce")))))
        return 0;
    for (size_t i = 0; i < sizeof number_words / sizeof *number_words; i++)
        if (eng_str_eq(word, eng_str_of(number_words[i].word)))
            return number_words[i].value;
    return 0;
}

/* "vinte e cinco" is 25, "dois mil" 2000: what follows is added, or multiplied by what is larger. */
static unsigned joined(unsigned sum, unsigned next)
{
    if (next >= 100 && sum && sum < next)
        return sum * next;
    return sum + next;
}

/* ---- Terms ------------------------------------------------------------------------------------------------ */

typedef struct {
    eng_str text; /* stem, or a number written one way */
    uint32_t start, end;
    bool number, name;
    float weight;
} claim_word;

typedef struct {
    eng_analyzer *analyzer;
    eng_terms terms; /* scratch */
    const eng_ground_request *what;
    eng_arena *arena;
    eng_grounding *out;
} grounding;

/* A sentence of a passage: what it has, by text. */
typedef struct {
    size_t start, end; /* bytes of the passage's text */
    eng_map has;
} known;

typedef struct {
    known *sentences;
    size_t count;
    eng_map around; /* title and headings */
} known_passage;

static const char present = 1;

static eng_status put(grounding *g, eng_map *m, eng_str text, eng_error *err)
{
    if (eng_map_get(m, text))
        return ENG_OK;
    eng_str copy = eng_arena_copy(g->arena, text);
    if (!copy.ptr)
        return eng_fail_nomem(err);
    return eng_map_put(m, copy, (void *)&present, NULL, err);
}

static eng_status put_number(grounding *g, eng_map *m, unsigned value, eng_error *err)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%u", value);
    return put(g, m, eng_str_of(digits), err);
}

static eng_status analyze(grounding *g, eng_str text, eng_error *err)
{
    eng_analyze_options o = {.language = g->what->language};
    eng_terms_reset(&g->terms);
    return eng_analyze(g->analyzer, text, &o, &g->terms, err);
}

static eng_str raw_of(eng_str text, const eng_term *t)
{
    return eng_str_sub(text, t->start, t->end - t->start);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* A word between two parts of a number: "vinte e cinco". */
static bool joins(eng_str raw)
{
    return eng_str_eq(raw, ENG_STR("e")) || eng_str_eq(raw, ENG_STR("y")) ||
           eng_str_eq_nocase(raw, ENG_STR("and"));
}

/* All that a text has; numbers in words as numbers too, alone and joined. */
static eng_status know(grounding *g, eng_str text, eng_map *m, eng_error *err)
{
    unsigned sum = 0;
    eng_status status = analyze(g, text, err);
    for (size_t i = 0; status == ENG_OK && i < g->terms.count; i++) {
        const eng_term *t = &g->terms.items[i];
        if (t->kind == ENG_TERM_EXACT || t->kind == ENG_TERM_GRAM)
            continue;
        status = put(g, m, eng_terms_text(&g->terms, i), err);
        if (t->kind != ENG_TERM_WORD)
            continue;
        unsigned value = number_of(raw_of(text, t), g->what->language);
        if (value) {
            sum = joined(sum, value);
            if (status == ENG_OK)
                status = put_number(g, m, value, err);
            if (status == ENG_OK && sum != value)
                status = put_number(g, m, sum, err);
        } else if (!joins(raw_of(text, t))) {
            sum = 0;
        }
    }
    return status;
}

/* ---- What a sentence claims --------------------------------------------------------------------------------- */

typedef struct {
    claim_word words[CLAIM_WORDS];
    size_t count;
    size_t plain; /* that are neither numbers nor names */
} claim;

static bool is_upper(eng_str raw)
{
    if (!raw.len)
        return false;
    unsigned char a = (unsigned char)raw.ptr[0], b = raw.len > 1 ? (unsigned char)raw.ptr[1] : 0;
    return (a >= 'A' && a <= 'Z') || (a == 0xC3 && b >= 0x80 && b <= 0x9E);
}

/* Words that only say which way an answer goes. */
static bool is_assent(eng_str raw)
{
    static const char *const words[] = {"sim", "n\xC3\xA3o", "yes", "no", "s\xC3\xAD"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (eng_str_eq_nocase(raw, eng_str_of(words[i])))
            return true;
    return false;
}

/* "[2]" is a reference and counts nothing. */
static bool is_reference(eng_str text, const eng_term *t)
{
    return t->start > 0 && text.ptr[t->start - 1] == '[' && t->end < text.len &&
           text.ptr[t->end] == ']';
}

static void add_word(claim *c, claim_word w)
{
    if (c->count == CLAIM_WORDS)
        return;
    c->words[c->count++] = w;
    c->plain += !w.number && !w.name;
}

/* A number in words: as the number that its parts come to. */
static eng_status add_number(grounding *g, claim *c, eng_str text, size_t *i, eng_error *err)
{
    const eng_terms *terms = &g->terms;
    uint32_t start = terms->items[*i].start, end = start;
    unsigned sum = 0;
    for (size_t k = *i; k < terms->count; k++) {
        const eng_term *t = &terms->items[k];
        eng_str raw = raw_of(text, t);
        unsigned value = t->kind == ENG_TERM_WORD ? number_of(raw, g->what->language) : 0;
        if (value) {
            sum = joined(sum, value);
            end = t->end;
            *i = k;
        } else if (t->kind == ENG_TERM_WORD && !joins(raw)) {
            break;
        }
    }
    eng_str digits = eng_arena_format(g->arena, "%u", sum);
    if (!digits.ptr)
        return eng_fail_nomem(err);
    add_word(c, (claim_word){digits, start, end, true, false, 1});
    return ENG_OK;
}

static eng_status read_claim(grounding *g, eng_str sentence, claim *c, float weight, bool question,
                             eng_error *err)
{
    bool first = true;
    eng_status status = analyze(g, sentence, err);
    for (size_t i = 0; status == ENG_OK && i < g->terms.count; i++) {
        const eng_term *t = &g->terms.items[i];
        eng_str raw = raw_of(sentence, t), text = eng_terms_text(&g->terms, i);
        bool begins = first;
        bool code = t->kind == ENG_TERM_CODE && text.len && text.ptr[text.len - 1] == '%';
        if (t->kind != ENG_TERM_WORD && !code)
            continue;
        first = false;
        if (is_reference(sentence, t) || is_assent(raw))
            continue;
        if (!question && t->kind == ENG_TERM_WORD && number_of(raw, g->what->language)) {
            status = add_number(g, c, sentence, &i, err);
            continue;
        }
        bool number = code || (text.len && is_digit(text.ptr[0]));
        if (t->stop && !number)
            continue;
        eng_str copy = eng_arena_copy(g->arena, text);
        if (!copy.ptr)
            return eng_fail_nomem(err);
        add_word(c, (claim_word){copy, t->start, t->end, number && !question,
                                 !number && !begins && !question && is_upper(raw), weight});
    }
    return status;
}

/* ---- Windows ------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t passage, first, last;
    double share; /* of the words that say something */
    bool whole;   /* it has all numbers and names */
} window;

static bool has(const known_passage *p, size_t first, size_t last, eng_str text)
{
    for (size_t i = first; i <= last; i++)
        if (eng_map_get(&p->sentences[i].has, text))
            return true;
    return false;
}

static window judge(const claim *c, const known_passage *p, size_t passage, size_t first,
                    size_t last, const eng_map *asked)
{
    window w = {passage, first, last, 0, true};
    double sum = 0, most = 0;
    for (size_t i = 0; i < c->count; i++) {
        const claim_word *word = &c->words[i];
        bool here = has(p, first, last, word->text);
        bool near = here || eng_map_get(&p->around, word->text) || eng_map_get(asked, word->text);
        if (word->number)
            w.whole &= here;
        else if (word->name)
            w.whole &= near;
        most += (double)word->weight;
        if (here)
            sum += (double)word->weight;
        else if (near) /* what the question said says little of itself */
            sum += 0.5 * (double)word->weight;
    }
    w.share = most > 0 ? sum / most : 0;
    return w;
}

static bool better(const window *a, const window *b)
{
    if (a->whole != b->whole)
        return a->whole;
    double gain = a->share - b->share;
    /* A longer window has to bring something. */
    size_t longer = (a->last - a->first), than = (b->last - b->first);
    return gain > (longer > than ? 0.05 * (double)(longer - than) : 1e-9);
}

static window best_window(const grounding *g, const claim *c, const known_passage *passages,
                          const eng_map *asked)
{
    window best = {0, 0, 0, -1, false};
    for (size_t p = 0; p < g->what->count; p++) {
        for (size_t n = 1; n <= WINDOW; n++) {
            for (size_t first = 0; first + n <= passages[p].count; first++) {
                window w = judge(c, &passages[p], p, first, first + n - 1, asked);
                if (best.share < 0 || better(&w, &best))
                    best = w;
            }
        }
    }
    return best;
}

/* ---- Meaning -------------------------------------------------------------------------------------------------- */

static eng_str window_text(const grounding *g, const known_passage *passages, const window *w)
{
    const known_passage *p = &passages[w->passage];
    size_t start = p->sentences[w->first].start;
    return eng_str_sub(g->what->passages[w->passage].text, start,
                       p->sentences[w->last].end - start);
}

/* Where the vectors cannot be had, the words decide alone. */
static bool means_the_same(grounding *g, eng_str sentence, eng_str there)
{
    const eng_rag_encoder *e = g->what->encoder;
    if (!e || !e->dim)
        return false;
    float *v = eng_arena_array(g->arena, 2 * e->dim, sizeof *v), sum = 0;
    const eng_str texts[] = {sentence, there};
    if (!v || e->encode(e->ctx, texts, 2, false, v, NULL) < 0)
        return false;
    for (size_t i = 0; i < e->dim; i++)
        sum += v[i] * v[e->dim + i];
    return sum >= NEAR_ENOUGH;
}

/* ---- The whole ---------------------------------------------------------------------------------------------------- */

static eng_status know_passage(grounding *g, const eng_candidate *c, known_passage *p,
                               eng_error *err)
{
    size_t at = 0, cap = 0;
    eng_str sentence;
    eng_map_init(&p->around);
    for (size_t k = 0;
         cap < SENTENCES_MAX && eng_sentence_next(c->text, &k, c->text.len, &sentence);)
        cap++;
    p->sentences = eng_arena_zalloc(g->arena, (cap + 1) * sizeof *p->sentences);
    if (!p->sentences)
        return eng_fail_nomem(err);
    eng_status status = know(g, c->title, &p->around, err);
    if (status == ENG_OK)
        status = know(g, c->heading, &p->around, err);
    while (status == ENG_OK && p->count < cap &&
           eng_sentence_next(c->text, &at, c->text.len, &sentence)) {
        known *k = &p->sentences[p->count++];
        k->start = (size_t)(sentence.ptr - c->text.ptr);
        k->end = k->start + sentence.len;
        eng_map_init(&k->has);
        status = know(g, sentence, &k->has, err);
    }
    return status;
}

static void forget(known_passage *passages, size_t count)
{
    for (size_t p = 0; p < count; p++) {
        for (size_t i = 0; i < passages[p].count; i++)
            eng_map_clear(&passages[p].sentences[i].has);
        eng_map_clear(&passages[p].around);
    }
}

/* The window as a citation, which others may have cited already. */
static size_t cite(grounding *g, const known_passage *passages, const window *w)
{
    eng_grounding *out = g->out;
    size_t base = g->what->passages[w->passage].start;
    eng_ground ground = {w->passage, base + passages[w->passage].sentences[w->first].start,
                         base + passages[w->passage].sentences[w->last].end, w->share};
    for (size_t i = 0; i < out->ground_count; i++) {
        eng_ground *have = &out->grounds[i];
        if (have->candidate == ground.candidate && have->start == ground.start &&
            have->end == ground.end) {
            have->score = fmax(have->score, ground.score);
            return i;
        }
    }
    if (out->ground_count == GROUNDS_MAX)
        return 0;
    out->grounds[out->ground_count] = ground;
    return out->ground_count++;
}

static eng_status ground_sentence(grounding *g, const known_passage *passages, const eng_map *asked,
                                  eng_grounded *s, eng_error *err)
{
    claim *c = eng_arena_zalloc(g->arena, sizeof *c);
    if (!c)
        return eng_fail_nomem(err);
    eng_status status = read_claim(g, s->text, c, 1, false, err);
    size_t own = c->count;
    /* "Doze." says what it is about only with its question. */
    if (status == ENG_OK && c->plain < FEW_WORDS && own)
        status = read_claim(g, g->what->question, c, 0.5f, true, err);
    if (status < 0 || !own)
        return status;
    window w = best_window(g, c, passages, asked);
    s->support = w.share > 0 && w.whole ? w.share : 0;
    s->supported = w.share >= ENOUGH && w.whole;
    if (!s->supported && w.whole && w.share >= SOME)
        s->supported = means_the_same(g, s->text, window_text(g, passages, &w));
    if (s->supported)
        s->cites[s->cite_count++] = cite(g, passages, &w);
    return ENG_OK;
}

/* Letters alone, folded: how a refusal is known again, whatever marks stand around it. */
static void bare_word(void *ctx, eng_str word)
{
    eng_buf *out = ctx;
    eng_buf_str(out, word);
    eng_buf_byte(out, ' ');
}

static bool is_refusal(eng_str sentence)
{
    static const eng_language languages[] = {ENG_LANGUAGE_PT, ENG_LANGUAGE_EN, ENG_LANGUAGE_ES};
    eng_buf said, refusal;
    bool same = false;
    eng_buf_init(&said, 1 << 16);
    eng_buf_init(&refusal, 1 << 12);
    eng_words_each(eng_str_sub(sentence, 0, 4096), bare_word, &said);
    for (size_t i = 0; i < sizeof languages / sizeof *languages && !same; i++) {
        eng_buf_reset(&refusal);
        eng_words_each(eng_refusal(languages[i]), bare_word, &refusal);
        same = eng_str_eq(eng_buf_view(&said), eng_buf_view(&refusal));
    }
    eng_buf_clear(&said);
    eng_buf_clear(&refusal);
    return same;
}

static eng_status cut_answer(grounding *g, eng_error *err)
{
    size_t at = 0, cap = 0;
    eng_str sentence, answer = g->what->answer;
    for (size_t k = 0; eng_sentence_next(answer, &k, answer.len, &sentence);)
        cap++;
    g->out->sentences = eng_arena_zalloc(g->arena, (cap + 1) * sizeof *g->out->sentences);
    g->out->grounds = eng_arena_array(g->arena, GROUNDS_MAX, sizeof *g->out->grounds);
    if (!g->out->sentences || !g->out->grounds)
        return eng_fail_nomem(err);
    while (eng_sentence_next(answer, &at, answer.len, &sentence)) {
        g->out->sentences[g->out->count++].text = sentence;
        g->out->refused |= is_refusal(sentence);
    }
    return ENG_OK;
}

static eng_status ground_all(grounding *g, known_passage *passages, eng_map *asked, eng_error *err)
{
    eng_status status = know(g, g->what->question, asked, err);
    for (size_t p = 0; p < g->what->count && status == ENG_OK; p++)
        if (!g->what->used || g->what->used[p])
            status = know_passage(g, &g->what->passages[p], &passages[p], err);
    for (size_t i = 0; i < g->out->count && status == ENG_OK; i++) {
        status = ground_sentence(g, passages, asked, &g->out->sentences[i], err);
        g->out->supported += g->out->sentences[i].supported;
    }
    return status;
}

eng_status eng_ground_answer(eng_analyzer *analyzer, const eng_ground_request *what,
                             eng_arena *arena, eng_grounding *out, eng_error *err)
{
    grounding g = {.analyzer = analyzer, .what = what, .arena = arena, .out = out};
    eng_map asked;
    *out = (eng_grounding){.count = 0};
    known_passage *passages = eng_arena_zalloc(arena, (what->count + 1) * sizeof *passages);
    if (!passages)
        return eng_fail_nomem(err);
    eng_terms_init(&g.terms);
    eng_map_init(&asked);
    eng_status status = cut_answer(&g, err);
    if (status == ENG_OK)
        status = ground_all(&g, passages, &asked, err);
    forget(passages, what->count);
    eng_map_clear(&asked);
    eng_terms_clear(&g.terms);
    return status;
}
