/*
 * The phrase itself: of all stretches of words of the best units that could be one, the likeliest. A short
 * one may stand anywhere within a clause; a long one (an enumeration, a reason) fills it from a seam to a
 * seam. What is asked for decides which seams and which things count.
 */
#include "rag/answer_internal.h"

#include <math.h>
#include <string.h>

enum {
    B_BELIEF,   /* of its unit */
    B_THING,    /* is what such a question asks for */
    B_HOLDS,    /* holds it among other words */
    B_ANYTHING, /* is a thing, and no kind of thing is asked for */
    B_OTHER,    /* is a thing of another kind */
    B_ASKED,    /* share of its words that the question has */
    B_CLOSE,    /* to the question's words */
    B_BEHIND,   /* the nearest of them stands before it */
    B_WORDS,
    B_LONG,
    B_COPULA, /* a copula stands before it */
    B_PREP,
    B_SEAM,        /* it begins a clause */
    B_END,         /* a clause ends with it */
    B_CUT,         /* a word follows that says something: more belongs to it */
    B_BEFORE_SAYS, /* such a word stands before */
    B_DET,         /* begins with an article */
    B_CAP,
    B_PLACE, /* where, and a place's preposition before */
    B_AGENT, /* who, and "por", "by" before */
    B_CAUSE, /* why, and a word of causes before */
    B_MEANS,
    B_DEFINES,     /* what is, and a copula before */
    B_LISTS,       /* which, and commas within */
    B_COMMAS,      /* within, where no list is asked for */
    B_TYPED_WORDS, /* length, where a thing is asked for */
    B_NUMBER_UNIT, /* how many, and a word that is counted behind the number */
    B_COUNTED,     /* that word is the question's own */
    B_COUNT
};
_Static_assert((size_t)B_COUNT <= BRIEF_FEATURES, "BRIEF_FEATURES holds them");

const char *const eng_brief_names[] = {
    "belief", "thing",       "holds", "anything", "other",       "asked",       "close",
    "behind", "words",       "long",  "copula",   "prep",        "seam",        "end",
    "cut",    "before_says", "det",   "cap",      "place",       "agent",       "cause",
    "means",  "defines",     "lists", "commas",   "typed_words", "number_unit", "counted",
};
const size_t eng_brief_count = B_COUNT;
_Static_assert(sizeof eng_brief_names / sizeof *eng_brief_names == (size_t)B_COUNT,
               "each has a name");

enum { SHORT = 7, LONG = 30, UNITS = 3 };

typedef struct {
    const search_state *s;
    const unit *u;
    size_t at; /* the unit's place */
    thing things[THINGS_MAX];
    size_t thing_count;
    bool typed;
    brief *out;
    size_t count, max;
} pointing;

/* ---- Seams ---- */

/* Marks between a word and the next: 2 for those that end a clause, 1 for a comma, 0 for none. */
static int mark_behind(const unit *u, size_t i)
{
    size_t from = u->words[i].end;
    size_t to = i + 1 < u->word_count ? u->words[i + 1].start : u->text.len;
    int mark = i + 1 < u->word_count ? 0 : 2;
    for (size_t k = from; k < to; k++) {
        char c = u->text.ptr[k];
        if (c == ',')
            mark = mark > 1 ? mark : 1;
        else if (strchr(".;:!?()|\"\n", c) || (unsigned char)c >= 0x80)
            mark = 2;
    }
    return mark;
}

static bool is_small(const unit_word *w)
{
    return (w->stop ||
            (w->classes & (WORD_PREP | WORD_DET | WORD_LINK | WORD_CLAUSE | WORD_COPULA))) &&
           !w->digit && !(w->classes & (WORD_NUMBER & ~0u) && !(w->classes & WORD_DET));
}

static bool is_seam_before(const unit *u, size_t i)
{
    return i == 0 || mark_behind(u, i - 1) > 0 ||
           (u->words[i - 1].classes &
            (WORD_COPULA | WORD_CAUSE | WORD_MEANS | WORD_PREP | WORD_CLAUSE));
}

/* ---- Features ---- */

static bool fits_kind(eng_ask_kind asked, thing_kind k)
{
    switch (asked) {
    case ENG_ASK_PERSON:
    case ENG_ASK_PLACE:
    case ENG_ASK_NAME:
        return k == THING_NAME;
    case ENG_ASK_TIME:
        return k == THING_DATE;
    case ENG_ASK_COUNT:
    case ENG_ASK_AMOUNT:
        return k == THING_AMOUNT || k == THING_NUMBER;
    default:
        return false;
    }
}

static void of_things(const pointing *p, size_t first, size_t last, float f[BRIEF_FEATURES])
{
    const unit *u = p->u;
    eng_ask_kind kind = p->s->q->kind;
    for (size_t i = 0; i < p->thing_count; i++) {
        const thing *t = &p->things[i];
        bool fits = fits_kind(kind, t->kind), is = t->first == first && t->last == last;
        if (t->first < first || t->last > last)
            continue;
        f[B_THING] = fits && is ? 1 : f[B_THING];
        f[B_HOLDS] = fits && !is ? 1 : f[B_HOLDS];
        f[B_ANYTHING] = !p->typed && is ? 1 : f[B_ANYTHING];
        f[B_OTHER] = p->typed && !fits && is ? 1 : f[B_OTHER];
        if (fits && kind == ENG_ASK_COUNT && t->first == first && last == t->last + 1) {
            f[B_NUMBER_UNIT] = 1;
            f[B_COUNTED] = u->words[last].term >= 0;
        }
    }
}

static void of_place(const pointing *p, size_t first, size_t last, float f[BRIEF_FEATURES])
{
    const unit *u = p->u;
    size_t nearest = 32, asked = 0;
    for (size_t i = 0; i < u->word_count; i++) {
        if (u->words[i].term < 0)
            continue;
        asked += i >= first && i <= last;
        size_t d = i < first ? first - i : i > last ? i - last : 32;
        if (d < nearest) {
            nearest = d;
            f[B_BEHIND] = i < first;
        }
    }
    f[B_ASKED] = (float)asked / (float)(last - first + 1);
    f[B_CLOSE] = (float)exp(-(double)nearest / 4);
}

static void of_seams(const pointing *p, size_t first, size_t last, float f[BRIEF_FEATURES])
{
    const unit *u = p->u;
    eng_ask_kind kind = p->s->q->kind;
    unsigned before = first > 0 && mark_behind(u, first - 1) < 2 ? u->words[first - 1].classes : 0;
    if (first > 1 && (before & WORD_DET) && !(before & WORD_PREP))
        before |= u->words[first - 2].classes; /* "é um", "by the" */
    f[B_COPULA] = (before & WORD_COPULA) != 0;
    f[B_PREP] = (before & WORD_PREP) != 0;
    f[B_SEAM] = first == 0 || mark_behind(u, first - 1) > 0;
    f[B_END] = mark_behind(u, last) > 0;
    f[B_CUT] = last + 1 < u->word_count && mark_behind(u, last) == 0 &&
               !is_small(&u->words[last + 1]);
    f[B_BEFORE_SAYS] = first > 0 && mark_behind(u, first - 1) == 0 &&
                       !is_small(&u->words[first - 1]) && u->words[first - 1].term < 0;
    f[B_DET] = (u->words[first].classes & WORD_DET) != 0;
    f[B_CAP] = u->words[first].cap && first > 0;
    f[B_PLACE] = kind == ENG_ASK_PLACE && (before & WORD_PLACE);
    f[B_AGENT] = kind == ENG_ASK_PERSON && (before & WORD_PREP);
    f[B_CAUSE] = kind == ENG_ASK_WHY && (before & WORD_CAUSE);
    f[B_MEANS] = kind == ENG_ASK_HOW && (before & WORD_MEANS);
    f[B_DEFINES] = kind == ENG_ASK_DEFINITION && (before & WORD_COPULA);
}

static void add(pointing *p, size_t first, size_t last, size_t commas)
{
    const unit *u = p->u;
    if (p->count == p->max)
        return;
    brief *b = &p->out[p->count++];
    *b = (brief){.unit = p->at,
                 .first = first,
                 .last = last,
                 .start = u->start + u->words[first].start,
                 .end = u->start + u->words[last].end};
    float *f = b->features, words = (float)log1p((double)(last - first + 1));
    f[B_BELIEF] = (float)log(u->belief + 1e-3);
    f[B_WORDS] = words;
    f[B_LONG] = last - first + 1 > SHORT;
    f[B_LISTS] = p->s->q->kind == ENG_ASK_LIST ? (float)log1p((double)commas) : 0;
    f[B_COMMAS] = p->s->q->kind != ENG_ASK_LIST ? (float)log1p((double)commas) : 0;
    f[B_TYPED_WORDS] = p->typed ? words : 0;
    of_things(p, first, last, f);
    of_place(p, first, last, f);
    of_seams(p, first, last, f);
}

/* ---- Stretches ---- */

/* The money's sign and the percent's belong to a number: an answer of "R$ 42,00" is no "42,00". */
static void widen(const unit *u, brief *b)
{
    size_t from = b->start - u->start, to = b->end - u->start;
    if (to < u->text.len && u->text.ptr[to] == '%')
        to++;
    else if (to + 1 < u->text.len && u->text.ptr[to] == ' ' && u->text.ptr[to + 1] == '%')
        to += 2;
    if (u->words[b->first].digit) {
        size_t at = from;
        while (at > 0 && u->text.ptr[at - 1] == ' ')
            at--;
        if (at > 0 && u->text.ptr[at - 1] == '$') {
            for (at--; at > 0 && u->text.ptr[at - 1] >= 'A' && u->text.ptr[at - 1] <= 'Z';)
                at--;
            from = at;
        } else if (at > 2 && memcmp(u->text.ptr + at - 3, "\xE2\x82\xAC", 3) == 0) {
            from = at - 3;
        }
    }
    b->start = u->start + from;
    b->end = u->start + to;
}

static void add_from(pointing *p, size_t first)
{
    const unit *u = p->u;
    bool seam = is_seam_before(u, first);
    size_t commas = 0;
    for (size_t last = first; last < u->word_count && last < first + LONG; last++) {
        bool brief_enough = last < first + SHORT;
        int mark = mark_behind(u, last);
        if ((brief_enough || (seam && mark > 0)) && !is_small(&u->words[last])) {
            size_t before = p->count;
            add(p, first, last, commas);
            if (p->count > before)
                widen(u, &p->out[before]);
        }
        if (mark > 1)
            break;
        commas += mark == 1;
    }
}

size_t eng_briefs_of(const search_state *s, brief *out, size_t max)
{
    pointing p = {.s = s, .out = out, .max = max};
    bool used[UNITS_MAX] = {false};
    p.typed = s->q->kind >= ENG_ASK_PERSON && s->q->kind <= ENG_ASK_AMOUNT;
    if (s->q->kind == ENG_ASK_YESNO)
        return 0;
    for (int k = 0; k < UNITS; k++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < s->count; i++)
            if (s->units[i].chosen && !used[i] &&
                (best == SIZE_MAX || s->units[i].belief > s->units[best].belief))
                best = i;
        if (best == SIZE_MAX)
            break;
        used[best] = true;
        p.at = best;
        p.u = &s->units[best];
        p.thing_count = eng_things_of(p.u, p.things);
        for (size_t i = 0; i < p.u->word_count; i++)
            if (!is_small(&p.u->words[i]) || (p.u->words[i].classes & WORD_DET))
                add_from(&p, i);
    }
    return p.count;
}
