/* What the files of the analysis share. */
#ifndef ENG_TEXT_ANALYZE_INTERNAL_H
#define ENG_TEXT_ANALYZE_INTERNAL_H

#include "text/text.h"

/* ---- Characters (fold.c) ---- */

typedef enum {
    CLASS_OTHER, /* separates words */
    CLASS_LETTER,
    CLASS_DIGIT,
    CLASS_MARK, /* combines with what stands before it */
    CLASS_JOIN, /* within a word or number where letters or digits stand on both sides */
    CLASS_IDEO  /* a word by itself: scripts that put no blanks between words */
} char_class;

char_class eng_char_class(uint32_t c);

/* A word in two forms. Longer ones are cut at a character. */
typedef struct {
    char lower[ENG_TERM_MAX];  /* lower case, composed, compatible forms unified */
    char folded[ENG_TERM_MAX]; /* the same without accents */
    size_t lower_len;
    size_t folded_len;
} eng_word_forms;

void eng_word_fold(eng_str word, eng_word_forms *out);
/* Without accents: what the stemmer left. Returns the length. */
size_t eng_fold_accents(const char *lower, size_t len, char out[ENG_TERM_MAX]);

/* ---- Words of a language (words.c) ---- */

/* The word (lower case, without accents) says nothing in that language. */
bool eng_word_is_stop(eng_str word, eng_language language);
/* It asks: "quem", "how", "cuando", and what goes with it ("segundo", "name"). */
bool eng_word_is_question(eng_str word, eng_language language);

/* ---- Numbers (number.c) ---- */

/* Digits with '.' and ',' between them to one way of writing: "1.000,00" is "1000", "9,90" is "9.9".
 * Returns the length, at most len. */
size_t eng_number_plain(eng_str digits, char *out);

#endif
