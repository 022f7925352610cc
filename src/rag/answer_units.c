/*
 * Passages into units, the pieces that an answer is made of: sentences, and, where lines are items,
 * rows or headings, those lines. Each has its words, and how well each word of the question is met
 * there: by the same stem, by a stem that begins alike, inside a glued word, or but for one letter.
 */
#include "base/error.h"
#include "rag/answer_internal.h"

#include <math.h>
#include <string.h>

enum { HEADING_MOST = 90, GLUED_LEAST = 5, PREFIX_LEAST = 5, TYPO_LEAST = 5, ONE_LINE = 400 };
enum { HALF_WORDS = 2, HALF_MOST = 24 };
static const float by_prefix = 0.6f, by_part = 0.8f, by_typo = 0.7f, by_kin = 0.8f;

/* ---- How words meet ---- */

static size_t common(eng_str a, eng_str b)
{
    size_t n = 0, most = a.len < b.len ? a.len : b.len;
    while (n < most && a.ptr[n] == b.ptr[n])
        n++;
    return n;
}

static bool holds(eng_str text, eng_str part)
{
    return text.len >= part.len && memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static float meets_stem(eng_str stem, eng_str word)
{
    if (eng_str_eq(stem, word))
        return 1;
    if (stem.len < TYPO_LEAST || word.len < TYPO_LEAST - 1)
        return 0;
    size_t same = common(stem, word), shorter = stem.len < word.len ? stem.len : word.len;
    if (same >= PREFIX_LEAST && same + 2 >= shorter && same * 10 >= 6 * stem.len)
        return by_prefix;
    if (word.len >= stem.len + 3 && stem.len >= GLUED_LEAST && holds(word, stem))
        return by_part;
    size_t apart = stem.len > word.len ? stem.len - word.len : word.len - stem.len;
    if (apart <= 1 && same >= 1 && same + 1 < shorter && eng_str_distance(stem, word) == 1)
        return by_typo;
    return 0;
}

/* Numbers and codes are met whole or not at all. */
static float meets(const eng_ask_term *t, eng_str word)
{
    if (t->stem.ptr[0] >= '0' && t->stem.ptr[0] <= '9')
        return eng_str_eq(t->stem, word) ? 1 : 0;
    float best = meets_stem(t->stem, word);
    if (best < 1 && t->plain.len) {
        float plain = meets_stem(t->plain, word);
        best = plain > best ? plain : best;
    }
    return best;
}

static void meet(const eng_question *q, eng_str word, float hit[ENG_ASK_TERMS], unit_word *out)
{
    for (size_t i = 0; i < q->term_count; i++) {
        float m = meets(&q->terms[i], word);
        if (m > hit[i])
            hit[i] = m;
        if (out && m > out->strength) {
            out->strength = m;
            out->term = (int8_t)i;
        }
    }
}

/* Names have no kin. */
static void read_kin(search_state *s)
{
    for (size_t i = 0; i < s->q->term_count; i++) {
        const eng_ask_term *t = &s->q->terms[i];
        char folded[FOLDED_MAX];
        size_t n = eng_fold_word(eng_str_sub(s->q->text, t->start, t->end - t->start), folded);
        memset(s->kin[i], 0, sizeof s->kin[i]);
        if (n && !t->name)
            (void)eng_word_kin((eng_str){folded, n}, s->kin[i]);
    }
}

static bool is_kin(const uint8_t a[KIN_MAX], const uint8_t *b, size_t count)
{
    for (size_t i = 0; i < KIN_MAX && a[i]; i++)
        for (size_t k = 0; k < count; k++)
            if (a[i] == b[k])
                return true;
    return false;
}

/* A word that means nearly what one of the question's does: which of them. What that is worth is known when all are
 * read. */
static void meet_kin(const search_state *s, eng_str folded, uint32_t *met, unit_word *out)
{
    uint8_t kin[KIN_MAX];
    size_t n = eng_word_kin(folded, kin);
    for (size_t i = 0; n && i < s->q->term_count; i++) {
        if (!is_kin(s->kin[i], kin, n))
            continue;
        *met |= 1u << i;
        if (out && by_kin > out->strength) {
            out->strength = by_kin;
            out->term = (int8_t)i;
        }
    }
}

static void take_kin(float hit[ENG_ASK_TERMS], uint32_t met, const float worth[ENG_ASK_TERMS])
{
    for (size_t t = 0; t < ENG_ASK_TERMS; t++)
        if ((met & 1u << t) && worth[t] > hit[t])
            hit[t] = worth[t];
}

/* Kin that stands everywhere says little: what it is worth goes with how few units have it. */
static void weigh_kin(search_state *s)
{
    float worth[ENG_ASK_TERMS];
    for (size_t t = 0; t < ENG_ASK_TERMS; t++) {
        size_t have = 0;
        for (size_t i = 0; i < s->count; i++)
            have += (s->units[i].kin & 1u << t) != 0;
        double rare = log((double)(s->count + 2) / (double)(have + 1));
        worth[t] = by_kin * (float)(rare / log((double)(s->count + 2)));
    }
    for (size_t i = 0; i < s->count; i++)
        take_kin(s->units[i].hit, s->units[i].kin, worth);
    for (size_t c = 0; c < s->candidate_count; c++)
        take_kin(s->head[c], s->head_kin[c], worth);
}

double eng_units_cover(const search_state *s, const float hit[ENG_ASK_TERMS])
{
    double sum = 0;
    for (size_t i = 0; i < s->q->term_count; i++)
        sum += s->idf[i] * (double)hit[i];
    return sum;
}

/* ---- The words of a unit ---- */

static eng_status analyze(search_state *s, eng_str text, eng_error *err)
{
    eng_language language = s->q->language ? s->q->language : ENG_LANGUAGE_PT;
    eng_analyze_options options = {.language = language};
    eng_terms_reset(&s->scratch);
    return eng_analyze(s->analyzer, text, &options, &s->scratch, err);
}

static unit_word word_of(const eng_term *t, eng_str text, char folded[FOLDED_MAX])
{
    unit_word w = {.start = t->start, .end = t->end, .term = -1, .stop = t->stop};
    size_t capitals = 0, i = t->start;
    for (; i < t->end; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool cap = (c >= 'A' && c <= 'Z') || (c == 0xC3 && (unsigned char)text.ptr[i + 1] <= 0x9E);
        capitals += cap;
        w.cap |= cap && i == t->start;
        w.digit |= c >= '0' && c <= '9';
    }
    w.caps = capitals > 1 && !w.digit;
    size_t n = eng_fold_word(eng_str_sub(text, t->start, t->end - t->start), folded);
    folded[n] = 0;
    w.classes = (uint16_t)(n ? eng_word_class((eng_str){folded, n}) : 0);
    return w;
}

static void tally(unit *u, const unit_word *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned c = words[i].classes;
        u->fresh += !words[i].stop && words[i].term < 0 && !(c & (WORD_DET | WORD_PREP));
        u->cause |= (c & WORD_CAUSE) != 0;
        u->means |= (c & WORD_MEANS) != 0;
        u->copula |= (c & WORD_COPULA) != 0;
    }
    for (size_t i = 0; i < u->text.len; i++) {
        u->commas += u->text.ptr[i] == ',' || u->text.ptr[i] == ';';
        u->colon |= u->text.ptr[i] == ':';
    }
}

static eng_status read_words(search_state *s, unit *u, eng_error *err)
{
    eng_status status = analyze(s, u->text, err);
    if (status < 0)
        return status;
    const eng_terms *t = &s->scratch;
    unit_word *words = eng_arena_array(s->arena, t->count + 1, sizeof *words);
    if (!words)
        return eng_fail_nomem(err);
    char folded[FOLDED_MAX];
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].kind == ENG_TERM_WORD)
            words[n++] = word_of(&t->items[i], u->text, folded);
        else if (t->items[i].kind != ENG_TERM_PLAIN || n == 0)
            continue;
        if (!words[n - 1].stop)
            meet(s->q, eng_terms_text(t, i), u->hit, &words[n - 1]);
        if (!words[n - 1].stop && t->items[i].kind == ENG_TERM_WORD)
            meet_kin(s, eng_str_of(folded), &u->kin, &words[n - 1]);
    }
    u->words = words;
    u->word_count = n;
    tally(u, words, n);
    return ENG_OK;
}

static eng_status read_head(search_state *s, size_t c, eng_error *err)
{
    const eng_str texts[] = {s->candidates[c].title, s->candidates[c].heading};
    for (size_t k = 0; k < 2; k++) {
        eng_status status = texts[k].len ? analyze(s, texts[k], err) : ENG_OK;
        if (status < 0)
            return status;
        for (size_t i = 0; texts[k].len && i < s->scratch.count; i++) {
            const eng_term *t = &s->scratch.items[i];
            uint8_t kind = t->kind;
            char folded[FOLDED_MAX];
            size_t n = eng_fold_word(eng_str_sub(texts[k], t->start, t->end - t->start), folded);
            if (kind == ENG_TERM_WORD && !t->stop && n)
                meet_kin(s, (eng_str){folded, n}, &s->head_kin[c], NULL);
            if (kind == ENG_TERM_WORD || kind == ENG_TERM_PLAIN)
                meet(s->q, eng_terms_text(&s->scratch, i), s->head[c], NULL);
        }
    }
    return ENG_OK;
}

/* ---- Cutting ---- */

/* A mark of a list at the beginning of a line: "- x", "* x", "• x", "1. x", "a) x"; its length. */
static size_t item_mark(eng_str line)
{
    size_t i = 0;
    if (line.len > 3 && memcmp(line.ptr, "\xE2\x80\xA2", 3) == 0)
        return 3;
    if (line.len > 2 && strchr("-*+", line.ptr[0]) && line.ptr[1] == ' ')
        return 2;
    while (i < line.len && i < 3 && line.ptr[i] >= '0' && line.ptr[i] <= '9')
        i++;
    if (i == 0 && line.len > 2 && line.ptr[0] >= 'a' && line.ptr[0] <= 'z')
        i = line.ptr[1] == ')' ? 1 : 0;
    return i && i + 1 < line.len && (line.ptr[i] == '.' || line.ptr[i] == ')') &&
                   line.ptr[i + 1] == ' '
               ? i + 2
               : 0;
}

static bool ends_sentence(eng_str text)
{
    static const char *const marks[] = {".",   "!",  ":",           ";", "\xE2\x80\xA6",
                                        ".\"", ".)", "\xE2\x80\x9D"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (eng_str_ends(text, eng_str_of(marks[i])))
            return true;
    return false;
}

static unit_kind kind_of_line(eng_str line, bool alone)
{
    if (eng_str_find(line, ENG_STR(" | ")) != SIZE_MAX || line.ptr[0] == '|')
        return UNIT_ROW;
    if (line.ptr[0] == '#')
        return UNIT_HEADING;
    if (eng_str_ends(line, ENG_STR("?")))
        return UNIT_QUESTION;
    if (item_mark(line))
        return UNIT_ITEM;
    return alone && line.len <= HEADING_MOST && !ends_sentence(line) ? UNIT_HEADING : UNIT_SENTENCE;
}

static float cosine_of(const eng_candidate *c, size_t start, size_t end)
{
    float best = NAN;
    for (size_t i = 0; i < c->sentence_count; i++) {
        const eng_near *n = &c->sentences[i];
        if (n->start < end && start < n->end && !(best >= n->cosine))
            best = n->cosine;
    }
    return isnan(best) && !isnan(c->dense) ? (float)c->dense : best;
}

typedef struct {
    search_state *s;
    size_t candidate;
    size_t first; /* of its units */
    size_t cap;
} cutting;

/* "Yes.", "It does." say nothing without what follows. */
static bool is_half(const cutting *c, unit_kind kind)
{
    const unit *u = c->s->count > c->first ? &c->s->units[c->s->count - 1] : NULL;
    return u && kind == UNIT_SENTENCE && u->kind == UNIT_SENTENCE && u->word_count <= HALF_WORDS &&
           u->text.len <= HALF_MOST;
}

static eng_status add_unit(cutting *c, eng_str text, unit_kind kind, eng_error *err)
{
    search_state *s = c->s;
    const eng_candidate *from = &s->candidates[c->candidate];
    text = eng_str_trim(text);
    if (text.len && is_half(c, kind)) {
        const char *begin = s->units[--s->count].text.ptr;
        text = (eng_str){begin, (size_t)(text.ptr + text.len - begin)};
    }
    if (!text.len || s->count == c->cap)
        return ENG_OK;
    size_t start = from->start + (size_t)(text.ptr - from->text.ptr);
    unit *u = &s->units[s->count];
    *u = (unit){.candidate = c->candidate,
                .start = start,
                .end = start + text.len,
                .text = text,
                .kind = kind,
                .place = s->count - c->first,
                .cosine = cosine_of(from, start, start + text.len)};
    u->glued = u->place > 0;
    s->count++;
    return read_words(s, u, err);
}

/* Whether the lines of a sentence are pieces by themselves. */
static bool is_lines(eng_str sentence)
{
    size_t lines = 0, marked = 0;
    for (eng_str rest = sentence, line; rest.len;) {
        (void)eng_str_cut(rest, '\n', &line, &rest);
        line = eng_str_trim(line);
        lines++;
        marked += line.len && (kind_of_line(line, false) != UNIT_SENTENCE ||
                               (line.len <= HEADING_MOST && !ends_sentence(line)));
    }
    return lines > 1 && (marked * 2 >= lines || sentence.len > ONE_LINE);
}

static eng_status add_sentence(cutting *c, eng_str sentence, bool alone, eng_error *err)
{
    if (!is_lines(sentence))
        return add_unit(c, sentence, kind_of_line(sentence, alone), err);
    eng_status status = ENG_OK;
    bool listed = false; /* behind a line that announces, lines are what it announces */
    for (eng_str rest = sentence, line; status == ENG_OK && rest.len;) {
        (void)eng_str_cut(rest, '\n', &line, &rest);
        line = eng_str_trim(line);
        if (!line.len)
            continue;
        unit_kind kind = kind_of_line(line, rest.len > 0);
        bool whole = ends_sentence(line);
        if (listed && (kind == UNIT_HEADING || (kind == UNIT_SENTENCE && !whole)))
            kind = UNIT_ITEM;
        status = add_unit(c, line, kind, err);
        listed = eng_str_ends(line, ENG_STR(":")) || (listed && kind == UNIT_ITEM);
    }
    return status;
}

static eng_status cut(cutting *c, eng_error *err)
{
    eng_str text = c->s->candidates[c->candidate].text, sentence;
    eng_status status = ENG_OK;
    for (size_t at = 0; status == ENG_OK && eng_sentence_next(text, &at, text.len, &sentence);) {
        size_t end = (size_t)(sentence.ptr - text.ptr) + sentence.len;
        /* A line of its own: nothing but white space up to the next empty line, and text behind it. */
        bool alone = end + 1 < text.len && text.ptr[end] == '\n' && text.ptr[end + 1] == '\n';
        status = add_sentence(c, sentence, alone, err);
    }
    return status;
}

/* ---- Weights ---- */

/* Guessed from the candidates where the collection's are not known. */
static void weigh(search_state *s)
{
    double n = (double)s->candidate_count, sum = 0;
    s->most_idf = 0;
    for (size_t t = 0; t < s->q->term_count; t++) {
        double df = 0, idf = s->q->terms[t].idf;
        for (size_t c = 0; c < s->candidate_count; c++)
            df += s->whole[c][t] >= by_prefix;
        if (isnan(idf))
            idf = log(1 + (n - df + 0.5) / (df + 0.5));
        idf = idf < 0.2 ? 0.2 : idf;
        s->idf[t] = idf;
        s->most_idf = idf > s->most_idf ? idf : s->most_idf;
        sum += idf;
    }
    for (size_t t = 0; t < s->q->term_count; t++)
        s->idf[t] /= sum;
}

static void sum_up(search_state *s)
{
    memcpy(s->whole, s->head, sizeof s->whole);
    for (size_t i = 0; i < s->count; i++) {
        unit *u = &s->units[i];
        for (size_t t = 0; t < s->q->term_count; t++)
            if (u->hit[t] > s->whole[u->candidate][t])
                s->whole[u->candidate][t] = u->hit[t];
    }
}

/* Passages overlap, and pages repeat themselves. */
static void find_twins(search_state *s)
{
    for (size_t i = 0; i < s->count; i++) {
        unit *u = &s->units[i];
        for (size_t k = 0; k < i && !u->twin; k++)
            u->twin = s->units[k].candidate != u->candidate &&
                      eng_str_eq(s->units[k].text, u->text);
    }
}

eng_status eng_units_of(search_state *s, eng_error *err)
{
    s->units = eng_arena_array(s->arena, UNITS_MAX, sizeof *s->units);
    if (!s->units)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    read_kin(s);
    for (size_t i = 0; status == ENG_OK && i < s->candidate_count; i++) {
        cutting c = {.s = s, .candidate = i, .first = s->count, .cap = UNITS_MAX};
        status = read_head(s, i, err);
        if (status == ENG_OK)
            status = cut(&c, err);
    }
    weigh_kin(s);
    sum_up(s);
    weigh(s);
    find_twins(s);
    return status;
}
