/*
 * The answerer without a model, from within:
 *
 *     answer_words.c     classes of small words, in three languages
 *     question.c         what is asked
 *     answer_units.c     passages -> sentences, items, rows; their words; how they meet the question's
 *     answer_kin.c       words that mean nearly the same; their table is made by tools/answer_kin.py
 *     answer_things.c    what can be pointed at: numbers, dates, names, amounts
 *     answer_features.c  a unit as numbers
 *     answer_brief.c     the phrase itself
 *     answer.c           scores, choice, confidence
 *     answer_table.c     the learned numbers, made by tools/train_answers.py
 *
 * tools/answers.c sees this too: it writes the features that are trained on, so that training and
 * serving compute them with the same code.
 */
#ifndef ENG_RAG_ANSWER_INTERNAL_H
#define ENG_RAG_ANSWER_INTERNAL_H

#include "rag/rag.h"

/* ---- Words (answer_words.c) ---- */

enum {
    WORD_NUMBER = 1 << 0, /* "doze", "mil", "half" */
    WORD_MONTH = 1 << 1,
    WORD_WEEKDAY = 1 << 2,
    WORD_SPAN = 1 << 3,   /* of time: "anos", "days" */
    WORD_MONEY = 1 << 4,  /* "reais", "dollars" */
    WORD_CAUSE = 1 << 5,  /* "porque", "due" */
    WORD_MEANS = 1 << 6,  /* "através", "by", "basta" */
    WORD_COPULA = 1 << 7, /* "é", "foram", "is" */
    WORD_PLACE = 1 << 8,  /* stands before places: "em", "na", "at" */
    WORD_LINK = 1 << 9,   /* within names: "de", "of" */
    WORD_AND = 1 << 10,   /* joins the last two of a list */
    WORD_NOT = 1 << 11,
    WORD_ERA = 1 << 12,   /* "século", "year": what follows is a date */
    WORD_DET = 1 << 13,   /* articles */
    WORD_PREP = 1 << 14,  /* other prepositions */
    WORD_CLAUSE = 1 << 15 /* "que", "which", "where": another clause begins */
};

enum { FOLDED_MAX = 24 };
/* Lower case, without accents; 0 for what is longer than any word of ours. */
size_t eng_fold_word(eng_str raw, char out[FOLDED_MAX]);
unsigned eng_word_class(eng_str folded);

enum { KIN_MAX = 4 };

typedef struct {
    const char *word;
    uint8_t len;
    bool any;      /* any ending */
    uint8_t group; /* from 1 */
} kin_word;

extern const kin_word eng_kin_words[]; /* in the order of their bytes */
extern const size_t eng_kin_count;
/* Groups of words that mean nearly the same, from 1, to which this one belongs; how many they are. */
size_t eng_word_kin(eng_str folded, uint8_t out[KIN_MAX]);

/* ---- Units (answer_units.c) ---- */

typedef enum { UNIT_SENTENCE, UNIT_ITEM, UNIT_ROW, UNIT_HEADING, UNIT_QUESTION } unit_kind;

typedef enum { THING_NUMBER, THING_DATE, THING_AMOUNT, THING_NAME, THING_KINDS } thing_kind;

typedef struct {
    uint32_t start, end; /* bytes of the unit's text */
    uint16_t classes;    /* WORD_... */
    int8_t term;         /* the question's word it meets; -1: none */
    bool stop, cap, caps, digit;
    float strength; /* of the meeting, 0..1 */
} unit_word;

enum {
    FEATURES = 48, /* at most; FEATURE_COUNT are used */
    UNITS_MAX = 320
};

typedef struct {
    size_t candidate;
    size_t start, end; /* bytes of the document */
    eng_str text;
    unit_kind kind;
    size_t place; /* among its candidate's units */
    const unit_word *words;
    size_t word_count;
    float hit[ENG_ASK_TERMS]; /* how well each of the question's words is met */
    uint32_t kin;             /* words of the question of which it has kin */
    float cosine;             /* NAN: not known */
    unsigned fresh;           /* words that are neither small nor the question's */
    unsigned commas;
    unsigned things[THING_KINDS]; /* that the question has not */
    bool cause, means, copula, first_copula, colon;
    bool glued; /* behind the one before in the text, nothing but white space between */
    bool twin;  /* the same text stands in a better candidate */
    bool chosen;
    bool passed; /* no room was left for it */
    float features[FEATURES];
    double score, belief;
    double pull; /* belief, and what it inherits from the unit it follows */
} unit;

typedef struct {
    const eng_question *q;
    const eng_candidate *candidates;
    size_t candidate_count;
    eng_analyzer *analyzer;
    eng_arena *arena;
    eng_terms scratch;
    unit *units;
    size_t count;
    uint32_t head_kin[ENG_ANSWER_CANDIDATES];
    uint8_t kin[ENG_ASK_TERMS][KIN_MAX]; /* of the question's words; 0 behind the last */
    double idf[ENG_ASK_TERMS];           /* shares of the question's whole weight: they sum to 1 */
    double most_idf;
    float head[ENG_ANSWER_CANDIDATES][ENG_ASK_TERMS];  /* met by title and headings */
    float whole[ENG_ANSWER_CANDIDATES][ENG_ASK_TERMS]; /* met by the passage, with these */
} search_state;

eng_status eng_units_of(search_state *s, eng_error *err);
/* Sum of weights of the question's words that are met. */
double eng_units_cover(const search_state *s, const float hit[ENG_ASK_TERMS]);

/* ---- Things (answer_things.c) ---- */

typedef struct {
    thing_kind kind;
    size_t first, last; /* words of the unit, last included */
} thing;

enum { THINGS_MAX = 32 };
/* In their order; those whose every word the question has are left out. */
size_t eng_things_of(const unit *u, thing out[THINGS_MAX]);

/* ---- Features (answer_features.c) ---- */

extern const char *const eng_feature_names[];
extern const size_t eng_feature_count;
void eng_features_of(search_state *s);

enum { TRUST_FEATURES = 32 };
extern const char *const eng_trust_names[];
extern const size_t eng_trust_count;
extern const size_t eng_trust_together; /* the place of that feature */
void eng_trust_of(const search_state *s, const eng_found_answer *a, float out[TRUST_FEATURES]);

/* ---- The phrase (answer_brief.c) ---- */

enum { BRIEF_FEATURES = 32 };
typedef struct {
    size_t unit;
    size_t first, last; /* words, last included */
    size_t start, end;  /* bytes of the document */
    float features[BRIEF_FEATURES];
    double score;
} brief;
extern const char *const eng_brief_names[];
extern const size_t eng_brief_count;
/* Phrases of the units that could be the answer, at most max. */
size_t eng_briefs_of(const search_state *s, brief *out, size_t max);

/* ---- All of it ---- */

/* Cuts, computes features and scores, chooses nothing. s->scratch is cleared by eng_search_end. */
eng_status eng_search_begin(search_state *s, eng_error *err);
void eng_search_end(search_state *s);
eng_status eng_search_choose(search_state *s, const eng_answer_options *options,
                             eng_found_answer *out, eng_error *err);

/* ---- Learned numbers (answer_table.c) ---- */

/* Pull for a character that a further unit must be worth: where a phrase answers, and where an explanation
 * does. */
extern const double eng_choice[2];
/* Of a phrase's share of belief, below which none is pointed at. */
extern const double eng_brief_threshold;
extern const float eng_unit_weights[FEATURES];
/* The constant stands behind the last. */
extern const float eng_trust_weights[TRUST_FEATURES + 1];
extern const float eng_brief_weights[BRIEF_FEATURES];

#endif
