/*
 * A unit as numbers (what chooses), and what was chosen as numbers (what is trusted). Nearly all are
 * shares within 0..1; what is not known is 0. The names stand in the tables that training writes.
 */
#include "base/check.h"
#include "rag/answer_internal.h"

#include <math.h>
#include <string.h>

enum {
    F_COVER,    /* weight of the question's words that the unit has */
    F_NAMES,    /* of its names and numbers alone */
    F_WINDOW,   /* what its two neighbours add */
    F_BEFORE,   /* what the one before adds */
    F_HEAD,     /* what title and headings add */
    F_WHOLE,    /* what the passage has */
    F_BM25,     /* cover, the less the longer the unit */
    F_BM25_LAG, /* behind the best unit's */
    F_COVER_LAG,
    F_PAIRS,     /* neighbours in the question that are near here too */
    F_TIGHT,     /* the question's words stand close together */
    F_FUSED,     /* the passage's score */
    F_FUSED_LAG, /* behind the best passage's */
    F_RANK,
    F_WORDS,      /* the passage's score by words, behind the best */
    F_COSINE,     /* of the sentence's vector */
    F_COSINE_LAG, /* behind the best sentence's */
    F_ANSWERS,    /* holds what such a question asks for */
    F_NEAR,       /* and near the question's words */
    F_THINGS,     /* how much can be pointed at */
    F_FRESH,      /* words that the question has not */
    F_LENGTH,
    F_PLACE,
    F_FIRST,   /* the first of its passage */
    F_SUBJECT, /* begins with a word of the question */
    F_UNDER,   /* weight of the question's words in the heading or question right above */
    F_LIST,    /* an item or a row */
    F_COMMAS,
    F_COLON,
    F_EXACT,   /* share of what is met that is met by the very stem */
    F_CUE,     /* why, how, which: a word of causes or means, an enumeration */
    F_DEFINES, /* what is: the term is the subject, and a copula follows */
    F_EARLY,   /* what is: near the beginning of its document */
    F_SECTION, /* what the heading or question adds that it stands under, however far above */
    F_TRAIL,   /* what the three before it add, the nearer the more */
    F_COUNT
};
_Static_assert((size_t)F_COUNT <= FEATURES, "FEATURES holds them");

const char *const eng_feature_names[] = {
    "cover",    "names",     "window",     "before",  "head",  "whole",     "bm25",
    "bm25_lag", "cover_lag", "pairs",      "tight",   "fused", "fused_lag", "rank",
    "words",    "cosine",    "cosine_lag", "answers", "near",  "things",    "fresh",
    "length",   "place",     "first",      "subject", "under", "list",      "commas",
    "colon",    "exact",     "cue",        "defines", "early", "section",   "trail",
};
const size_t eng_feature_count = F_COUNT;
_Static_assert(sizeof eng_feature_names / sizeof *eng_feature_names == (size_t)F_COUNT,
               "each has a name");

enum { UNDER = 4 };

/* ---- One unit ---- */

static const unit *neighbour(const search_state *s, size_t i, int by)
{
    if ((by < 0 && s->units[i].place == 0) || (by > 0 && i + 1 >= s->count))
        return NULL;
    const unit *n = by < 0 ? &s->units[i - 1] : &s->units[i + 1];
    return n->candidate == s->units[i].candidate ? n : NULL;
}

static void join(float into[ENG_ASK_TERMS], const float *hit, float by)
{
    for (size_t t = 0; hit && t < ENG_ASK_TERMS; t++)
        if (hit[t] * by > into[t])
            into[t] = hit[t] * by;
}

static double gain(const search_state *s, const unit *u, const float *a, const float *b)
{
    float both[ENG_ASK_TERMS];
    memcpy(both, u->hit, sizeof both);
    join(both, a, 1);
    join(both, b, 1);
    return eng_units_cover(s, both) - eng_units_cover(s, u->hit);
}

static double names_of(const search_state *s, const float *hit)
{
    double have = 0, all = 0;
    for (size_t t = 0; t < s->q->term_count; t++) {
        if (!s->q->terms[t].name)
            continue;
        all += s->idf[t];
        have += s->idf[t] * (double)hit[t];
    }
    return all > 0 ? have / all : 0;
}

static double pairs_of(const search_state *s, const unit *u)
{
    size_t pairs = 0, terms = s->q->term_count;
    uint32_t seen = 0;
    for (size_t i = 0; i < u->word_count; i++) {
        int t = u->words[i].term;
        for (size_t k = i + 1; t >= 0 && k < u->word_count && k <= i + 4; k++) {
            int o = u->words[k].term;
            int low = o < t ? o : t;
            if (o >= 0 && (o == t + 1 || o + 1 == t) && !(seen & 1u << low)) {
                seen |= 1u << low;
                pairs++;
            }
        }
    }
    return terms > 1 ? (double)pairs / (double)(terms - 1) : 0;
}

static double tightness(const unit *u)
{
    size_t first = SIZE_MAX, last = 0, hits = 0;
    uint32_t seen = 0;
    for (size_t i = 0; i < u->word_count; i++) {
        if (u->words[i].term < 0)
            continue;
        first = first == SIZE_MAX ? i : first;
        last = i;
        hits += !(seen & 1u << u->words[i].term);
        seen |= 1u << u->words[i].term;
    }
    return hits > 1 ? (double)hits / (double)(last - first + 1) : 0;
}

static double exactness(const search_state *s, const unit *u)
{
    double all = 0, exact = 0;
    for (size_t t = 0; t < s->q->term_count; t++) {
        all += u->hit[t] > 0 ? s->idf[t] : 0;
        exact += u->hit[t] >= 1 ? s->idf[t] : 0;
    }
    return all > 0 ? exact / all : 0;
}

static bool fits(eng_ask_kind asked, thing_kind k)
{
    switch (asked) {
    case ENG_ASK_PERSON:
    case ENG_ASK_PLACE:
    case ENG_ASK_NAME:
        return k == THING_NAME;
    case ENG_ASK_TIME:
        return k == THING_DATE;
    case ENG_ASK_COUNT:
        return k == THING_NUMBER || k == THING_AMOUNT;
    case ENG_ASK_AMOUNT:
        return k == THING_AMOUNT || k == THING_NUMBER;
    default:
        return false;
    }
}

/* Words between a thing and the nearest of the question's. */
static size_t apart(const unit *u, const thing *t)
{
    size_t best = 64;
    for (size_t i = 0; i < u->word_count; i++) {
        size_t d = i < t->first ? t->first - i : i > t->last ? i - t->last : 1;
        if (u->words[i].term >= 0 && d < best)
            best = d;
    }
    return best;
}

static void look_at_things(const search_state *s, unit *u, double *answers, double *near)
{
    thing things[THINGS_MAX];
    size_t n = eng_things_of(u, things);
    for (size_t i = 0; i < n; i++) {
        u->things[things[i].kind]++;
        if (!fits(s->q->kind, things[i].kind))
            continue;
        double closeness = exp(-(double)apart(u, &things[i]) / 6);
        *answers = 1;
        *near = closeness > *near ? closeness : *near;
    }
}

/* Signs of an explanation. */
static bool has_cue(eng_ask_kind kind, const unit *u)
{
    switch (kind) {
    case ENG_ASK_WHY:
        return u->cause;
    case ENG_ASK_HOW:
        return u->means;
    case ENG_ASK_LIST:
        return u->commas >= 2 || u->kind == UNIT_ITEM || u->kind == UNIT_ROW;
    default:
        return false;
    }
}

/* The question's word is its subject, and a copula follows: "X é", "X is". */
static bool begins_with_term(unit *u)
{
    bool subject = false;
    size_t most = u->word_count < 12 ? u->word_count : 12;
    for (size_t i = 0; i < most; i++) {
        subject |= i < 5 && u->words[i].term >= 0;
        if (subject && (u->words[i].classes & WORD_COPULA) && u->words[i].term < 0 &&
            !(u->words[i].classes & WORD_AND && !(u->text.ptr[u->words[i].start] & 0x80)))
            u->first_copula = true;
    }
    return subject;
}

/* The heading or question that a unit stands under, where it is not far above it. */
static const unit *above(const search_state *s, size_t i, double *nearness)
{
    *nearness = 1;
    for (size_t k = 1; k <= UNDER && k <= s->units[i].place; k++, *nearness -= 0.15) {
        const unit *b = &s->units[i - k];
        if (b->kind == UNIT_HEADING || b->kind == UNIT_QUESTION)
            return b;
    }
    return NULL;
}

static double under(const search_state *s, size_t i)
{
    double nearness;
    const unit *b = above(s, i, &nearness);
    return b ? nearness * eng_units_cover(s, b->hit) : 0;
}

/* The heading or question that a unit stands under, else its passage's. */
static const float *section(const search_state *s, size_t i)
{
    for (size_t k = 1; k <= s->units[i].place; k++)
        if (s->units[i - k].kind == UNIT_HEADING || s->units[i - k].kind == UNIT_QUESTION)
            return s->units[i - k].hit;
    return s->head[s->units[i].candidate];
}

static double trail(const search_state *s, size_t i)
{
    float both[ENG_ASK_TERMS], by = 1;
    memcpy(both, s->units[i].hit, sizeof both);
    for (size_t k = 1; k <= 3 && k <= s->units[i].place; k++)
        join(both, s->units[i - k].hit, by *= 0.8f);
    return eng_units_cover(s, both) - eng_units_cover(s, s->units[i].hit);
}

static double bm25_of(const unit *u, double cover)
{
    double length = (double)u->word_count / 24;
    return cover * 1.6 / (1 + 0.6 * (0.8 + 0.2 * length));
}

static void describe(search_state *s, size_t i)
{
    unit *u = &s->units[i];
    const eng_candidate *c = &s->candidates[u->candidate];
    const unit *before = neighbour(s, i, -1), *behind = neighbour(s, i, 1);
    const float *b = before ? before->hit : NULL;
    double answers = 0, near = 0, cover = eng_units_cover(s, u->hit);
    bool subject = begins_with_term(u), defines = s->q->kind == ENG_ASK_DEFINITION;
    look_at_things(s, u, &answers, &near);
    double bm25 = bm25_of(u, cover);
    double f[F_COUNT] = {
        [F_COVER] = cover,
        [F_NAMES] = names_of(s, u->hit),
        [F_WINDOW] = gain(s, u, b, behind ? behind->hit : NULL),
        [F_BEFORE] = gain(s, u, b, NULL),
        [F_HEAD] = gain(s, u, s->head[u->candidate], NULL),
        [F_WHOLE] = eng_units_cover(s, s->whole[u->candidate]),
        [F_BM25] = bm25,
        [F_PAIRS] = pairs_of(s, u),
        [F_TIGHT] = tightness(u),
        [F_FUSED] = c->score,
        [F_RANK] = log1p((double)u->candidate),
        [F_COSINE] = isnan(u->cosine) ? 0 : (double)u->cosine,
        [F_ANSWERS] = answers,
        [F_NEAR] = near,
        [F_THINGS] = log1p((double)(u->things[0] + u->things[1] + u->things[2] + u->things[3])),
        [F_FRESH] = log1p((double)u->fresh),
        [F_LENGTH] = log1p((double)u->text.len) / 5,
        [F_PLACE] = log1p((double)u->place),
        [F_FIRST] = u->place == 0,
        [F_SUBJECT] = subject,
        [F_UNDER] = under(s, i),
        [F_LIST] = u->kind == UNIT_ITEM || u->kind == UNIT_ROW,
        [F_COMMAS] = log1p((double)u->commas),
        [F_COLON] = u->colon,
        [F_EXACT] = exactness(s, u),
        [F_CUE] = has_cue(s->q->kind, u),
        [F_DEFINES] = defines && u->first_copula,
        [F_SECTION] = gain(s, u, section(s, i), NULL),
        [F_TRAIL] = trail(s, i),
        [F_EARLY] = defines ? 1 / (1 + (double)u->start / 1000) : 0,
    };
    for (size_t k = 0; k < F_COUNT; k++)
        u->features[k] = (float)f[k];
}

/* ---- Beside the others ---- */

static float best_of(const search_state *s, size_t feature)
{
    float best = -INFINITY;
    for (size_t i = 0; i < s->count; i++)
        if (s->units[i].features[feature] > best)
            best = s->units[i].features[feature];
    return best;
}

static double best_score(const search_state *s, bool words)
{
    double best = 0;
    for (size_t i = 0; i < s->candidate_count; i++) {
        double score = words ? s->candidates[i].bm25 : s->candidates[i].score;
        if (score > best)
            best = score;
    }
    return best;
}

void eng_features_of(search_state *s)
{
    for (size_t i = 0; i < s->count; i++)
        describe(s, i);
    float cover = best_of(s, F_COVER), bm25 = best_of(s, F_BM25), cosine = best_of(s, F_COSINE);
    double fused = best_score(s, false), words = best_score(s, true);
    for (size_t i = 0; i < s->count; i++) {
        float *f = s->units[i].features;
        const eng_candidate *c = &s->candidates[s->units[i].candidate];
        f[F_COVER_LAG] = cover - f[F_COVER];
        f[F_BM25_LAG] = bm25 - f[F_BM25];
        f[F_COSINE_LAG] = cosine - f[F_COSINE];
        f[F_FUSED_LAG] = (float)(fused - c->score);
        f[F_WORDS] = (float)(isnan(c->bm25) ? 0 : words - c->bm25);
    }
}

/* ---- Trust ---- */

enum {
    T_BELIEF,   /* of the best unit */
    T_CHOSEN,   /* of all that were chosen */
    T_SCORE,    /* of the best, before it was made a share */
    T_COVER,    /* of the best unit */
    T_AROUND,   /* what its neighbours and headings add */
    T_TOGETHER, /* of all that were chosen, with headings */
    T_WHOLE,    /* of the best unit's passage */
    T_UNKNOWN,  /* weight of the question's words that no candidate has */
    T_HARDEST,  /* weight of the heaviest word that the best unit's passage lacks */
    T_NAMES,    /* names of the question that the best unit's passage lacks */
    T_FUSED,
    T_GAP, /* to the second passage */
    T_WORDS,
    T_DENSE,
    T_COSINE,
    T_PAIRS,
    T_ANSWERS,
    T_LACKS, /* a thing is asked for, and the best unit has none */
    T_TERMS,
    T_EXACT,
    T_ELSEWHERE,  /* weight of what other passages have and the best unit's lacks */
    T_FOCUS,      /* the thing that is asked for has no word in what was chosen */
    T_FOCUS_GONE, /* nor anywhere */
    T_MET,        /* cover, squared: all of the question counts more than twice half of it */
    T_UNITS,      /* few units share all belief */
    T_COUNT
};
_Static_assert((size_t)T_COUNT <= TRUST_FEATURES, "TRUST_FEATURES holds them");

const char *const eng_trust_names[] = {
    "belief",  "chosen",     "score",   "cover", "around", "together", "whole",
    "unknown", "hardest",    "names",   "fused", "gap",    "words",    "dense",
    "cosine",  "pairs",      "answers", "lacks", "terms",  "exact",    "elsewhere",
    "focus",   "focus_gone", "met",     "units",
};
const size_t eng_trust_count = T_COUNT;
const size_t eng_trust_together = T_TOGETHER;
_Static_assert(sizeof eng_trust_names / sizeof *eng_trust_names == (size_t)T_COUNT,
               "each has a name");

static const unit *best_unit(const search_state *s)
{
    const unit *best = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (!best || s->units[i].belief > best->belief)
            best = &s->units[i];
    return best;
}

static double missing_names(const search_state *s, const float *hit)
{
    double missing = 0;
    for (size_t t = 0; t < s->q->term_count; t++)
        if (s->q->terms[t].name)
            missing += s->idf[t] * (1 - (double)hit[t]);
    return missing;
}

/* The word that says what is asked for: "o telefone", "which engine"; the first, names left out. */
static size_t focus_of(const search_state *s)
{
    size_t t = 0;
    while (t < s->q->term_count && s->q->terms[t].name)
        t++;
    return t < s->q->term_count ? t : 0;
}

static double or_zero(double x) { return isnan(x) ? 0 : x; }

void eng_trust_of(const search_state *s, const eng_found_answer *a, float out[TRUST_FEATURES])
{
    memset(out, 0, TRUST_FEATURES * sizeof *out);
    const unit *best = best_unit(s);
    if (!best || !s->q->term_count)
        return;
    float together[ENG_ASK_TERMS] = {0}, any[ENG_ASK_TERMS] = {0};
    double chosen = 0, hardest = 0, cosine = 0, dense = 0;
    for (size_t i = 0; i < s->count; i++) {
        const unit *u = &s->units[i];
        cosine = fmax(cosine, (double)u->features[F_COSINE]);
        if (u->chosen) {
            double nearness;
            const unit *b = above(s, i, &nearness);
            join(together, u->hit, 1);
            join(together, b ? b->hit : NULL, 1);
            join(together, s->head[u->candidate], 1);
            chosen += u->belief;
        }
    }
    const float *whole = s->whole[best->candidate];
    for (size_t c = 0; c < s->candidate_count; c++) {
        join(any, s->whole[c], 1);
        dense = fmax(dense, or_zero(s->candidates[c].dense));
    }
    for (size_t t = 0; t < s->q->term_count; t++)
        hardest = fmax(hardest, s->idf[t] * (1 - (double)whole[t]));
    bool typed = s->q->kind >= ENG_ASK_PERSON && s->q->kind <= ENG_ASK_AMOUNT;
    const float *f = best->features;
    double first = s->candidates[0].score;
    double cover = (double)f[F_COVER];
    float around[ENG_ASK_TERMS];
    memcpy(around, s->head[best->candidate], sizeof around);
    join(around, best->hit, 1);
    double v[T_COUNT] = {
        [T_BELIEF] = best->belief,
        [T_CHOSEN] = chosen,
        [T_SCORE] = best->score / 10,
        [T_COVER] = cover,
        [T_AROUND] = eng_units_cover(s, around) - cover + (double)f[F_WINDOW],
        [T_TOGETHER] = eng_units_cover(s, together),
        [T_WHOLE] = eng_units_cover(s, whole),
        [T_UNKNOWN] = 1 - eng_units_cover(s, any),
        [T_HARDEST] = hardest,
        [T_NAMES] = missing_names(s, whole),
        [T_FUSED] = first,
        [T_GAP] = s->candidate_count > 1 ? first - s->candidates[1].score : first,
        [T_WORDS] = or_zero(s->candidates[0].bm25),
        [T_DENSE] = dense,
        [T_COSINE] = cosine,
        [T_PAIRS] = (double)f[F_PAIRS],
        [T_ANSWERS] = (double)f[F_ANSWERS],
        [T_LACKS] = typed && f[F_ANSWERS] < 0.5f,
        [T_TERMS] = log1p((double)s->q->term_count),
        [T_EXACT] = (double)f[F_EXACT],
        [T_ELSEWHERE] = eng_units_cover(s, any) - eng_units_cover(s, whole),
        [T_FOCUS] = 1 - (double)together[focus_of(s)],
        [T_FOCUS_GONE] = 1 - (double)any[focus_of(s)],
        [T_UNITS] = log1p((double)s->count),
        [T_MET] = eng_units_cover(s, together) * eng_units_cover(s, together),
    };
    (void)a;
    for (size_t k = 0; k < T_COUNT; k++)
        out[k] = (float)v[k];
}
