/*
 * Learning from rows, and serving what was learned.
 *
 * Texts: a categoriser of short texts (titles of products). Rows come from a file or from memory;
 * training gives the bytes of a model (format/container.h, kind "text"; docs/categories.md says what
 * is in it) and a report of how good it is; a model that is open is mapped, does not change, and may be
 * used by any number of threads, each with a scratch of its own.
 *
 *     eng_text_model *model;
 *     eng_text_scratch *scratch;                                     one a thread
 *     eng_str texts[] = {ENG_STR("Lembrancinha de maternidade")};    in the order of info->fields
 *     eng_text_item item = {.texts = texts, .text_count = 1};        fields that are left out are missing
 *     eng_text_answer answer;
 *     status = eng_text_open(path, &model, err);
 *     ...
 *     status = eng_text_predict(model, &item, scratch, &answer, err);
 *     eng_text_info_of(model)->categories[answer.category]
 */
#ifndef ENG_LEARN_H
#define ENG_LEARN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* ---- Rows ------------------------------------------------------------------------------------------ */

enum {
    ENG_TEXT_FIELDS = 8,        /* columns of text */
    ENG_TEXT_NUMBERS = 32,      /* columns of numbers */
    ENG_TEXT_CATEGORIES = 4096, /* classes */
    ENG_TEXT_NAME = 200,        /* bytes of a column's name or a class's */
    ENG_TEXT_ROWS = 50 * 1000 * 1000
};

/* Which columns mean what. Names are matched without regard to case. What is left empty is guessed from
 * the first line of a file (learn/rows_guess.c has the names), and the guess can be asked for. */
typedef struct {
    eng_str texts[ENG_TEXT_FIELDS];
    size_t text_count;
    eng_str numbers[ENG_TEXT_NUMBERS];
    size_t number_count; /* never guessed */
    eng_str label;
    eng_str group; /* rows of one group are never parted: product_id. None: each row is a group */
} eng_text_columns;

/* What was odd about a file. Lines count from 1. */
typedef struct {
    size_t lines_skipped; /* broken, or without a label or any text */
    size_t no_label, no_text;
    size_t broken;       /* lines that are no row */
    size_t short_rows;   /* rows with fewer fields than the first line; those are missing */
    size_t first_broken; /* the line of the first of them, 0: none */
    char why[200];       /* what was wrong with it */
    char separator;      /* of a CSV file; 0: JSON lines */
    const char *packed;  /* "gzip", "xz" or "" */
    uint64_t bytes;      /* unpacked */
} eng_text_reading;

typedef struct eng_text_rows eng_text_rows;

/* The columns are copied. Not for two threads at once. */
eng_status eng_text_rows_new(const eng_text_columns *columns, eng_text_rows **out,
                             eng_error *err) ENG_MUST_CHECK;
void eng_text_rows_free(eng_text_rows *rows);

/* One row; its texts are copied. An empty text is a missing one, as NaN is of numbers. ENG_EINVALID for a
 * row without a label or any text. */
typedef struct {
    const eng_str *texts; /* in the order of the columns */
    const double *numbers;
    eng_str label;
    eng_str group;
} eng_text_row;

eng_status eng_text_rows_add(eng_text_rows *rows, const eng_text_row *row,
                             eng_error *err) ENG_MUST_CHECK;

/*
 * Rows of a file: CSV in any of its dialects (format.h), or JSON lines (an object a line), plain, gzip or
 * xz, in UTF-8, UTF-16 or Windows-1252. A line that is broken is skipped and counted, or, with `strict`,
 * the error, which names it. *out has the columns that were found. `reading` may be NULL.
 *
 * ENG_ENOTFOUND: no such file; ENG_EINVALID: a column is missing (named), or no row is left; ENG_EMALFORMED:
 * no table at all; ENG_ETOOBIG: beyond 4 GiB unpacked, or a line beyond 64 MiB. All name the file.
 */
eng_status eng_text_rows_read(const char *path, const eng_text_columns *columns, bool strict,
                              eng_text_reading *reading, eng_text_rows **out,
                              eng_error *err) ENG_MUST_CHECK;

const eng_text_columns *eng_text_rows_columns(const eng_text_rows *rows);
size_t eng_text_rows_count(const eng_text_rows *rows);

/* ---- Training --------------------------------------------------------------------------------------- */

/* 0 or an empty value means the preset in brackets, where one is named. */
typedef struct {
    unsigned threads; /* [one a processor]; the model is the same, bit for bit, with any number */
    uint64_t seed;    /* of folds and of orders */
    unsigned folds;   /* [5; 1, a part held back, from 300,000 rows on] */
    bool logistic;    /* multinomial logistic regression in place of the linear SVM */
    double cost;      /* C: what an error costs beside the weights' size [0.3; logistic 4] */
    unsigned word_grams; /* words in a row that make a feature, up to 2 [2] */
    unsigned char_min;   /* characters in a row within a word [2] */
    unsigned char_max;   /* [5]; at most 8 */
    bool no_chars;       /* words alone */
    unsigned min_count;  /* rows that a feature must be in [1; 2 from 200,000 rows on] */
    double balance;      /* up to 1, where every class costs the same in all [0.4]; below 0: every
                          * row does */
    double refuse;       /* share of products that may be called unknown [0.03] */
    double search_s;     /* seconds to look for better settings by cross-validation; 0: none */
    size_t features_max; /* [so many as 64 MiB of weights hold] */
} eng_text_settings;

typedef struct {
    /* Called by the thread that trains, now and then; false ends it with ENG_ECANCELLED. `what` is a
     * stage ("folds", "search"); may be NULL. */
    bool (*go_on)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
} eng_text_hooks;

typedef struct {
    eng_buf model;   /* the bytes of a model's file */
    eng_buf metrics; /* a JSON object */
    double accuracy; /* by cross-validation, of groups, by all their texts */
    double macro_f1;
} eng_text_trained;

/* test may be NULL: rows of the same columns that are scored with the finished model, as "test" in the
 * metrics. ENG_EINVALID: fewer than two classes, or too little to learn from. */
eng_status eng_text_train(const eng_text_rows *rows, const eng_text_rows *test,
                          const eng_text_settings *settings, const eng_text_hooks *hooks,
                          eng_text_trained *out, eng_error *err) ENG_MUST_CHECK;
void eng_text_trained_clear(eng_text_trained *t);
/* Whole or not at all. */
eng_status eng_text_save(const eng_text_trained *t, const char *path,
                         eng_error *err) ENG_MUST_CHECK;

/* ---- Serving ---------------------------------------------------------------------------------------- */

typedef struct eng_text_model eng_text_model;

typedef struct {
    const eng_str *fields; /* names, in the order of items' texts */
    size_t field_count;
    const eng_str *numbers;
    size_t number_count;
    const eng_str *categories;
    size_t category_count;
    eng_str metrics;  /* the JSON object that training gave, "test" left out */
    eng_str settings; /* a JSON object: how it was trained */
    uint64_t data;    /* fingerprint of the rows */
    uint32_t sum;     /* of the file: two models with the same sum are the same */
    uint64_t bytes;   /* of the file */
} eng_text_info;

/* ENG_EMALFORMED, ENG_EVERSION, ENG_ETYPE, ENG_ECORRUPT as eng_container_open says. */
eng_status eng_text_open(const char *path, eng_text_model **out, eng_error *err) ENG_MUST_CHECK;
/* The same of bytes that outlive the model, aligned to 64. */
eng_status eng_text_of(const unsigned char *data, size_t len, const char *what,
                       eng_text_model **out, eng_error *err) ENG_MUST_CHECK;
void eng_text_free(eng_text_model *m);
/* Lives as long as the model. */
const eng_text_info *eng_text_info_of(const eng_text_model *m);

/* What one thread works with; grows with the largest model it was used for. */
typedef struct eng_text_scratch eng_text_scratch;
eng_status eng_text_scratch_new(eng_text_scratch **out, eng_error *err) ENG_MUST_CHECK;
void eng_text_scratch_free(eng_text_scratch *s);

typedef struct {
    const eng_str *texts;  /* in the order of info->fields; any bytes, any length; empty: missing */
    size_t text_count;     /* those behind are missing */
    const double *numbers; /* in the order of info->numbers; NaN: missing */
    size_t number_count;
} eng_text_item;

typedef struct {
    uint32_t category;
    bool unknown;      /* a text unlike what it was trained on; the category is a guess */
    float probability; /* calibrated */
    float familiarity; /* what `unknown` goes by: below 0 is unknown */
} eng_text_answer;

/* Allocates nothing but for a scratch that meets a larger model than before: the one way to fail. */
eng_status eng_text_predict(const eng_text_model *m, const eng_text_item *item,
                            eng_text_scratch *scratch, eng_text_answer *out,
                            eng_error *err) ENG_MUST_CHECK;

typedef struct {
    uint32_t category;
    float probability;
} eng_text_alternative;

typedef struct {
    eng_str title; /* lives as long as the model */
    uint32_t category;
    float similarity; /* 0 to 1 */
} eng_text_nearest;

typedef struct {
    eng_str word; /* as it stands in the item, or two words in a row with a blank between them */
    float weight; /* how much it speaks for the category rather than for the others */
} eng_text_reason;

typedef struct {
    eng_text_answer answer;
    const eng_text_alternative *alternatives; /* the next best, best first */
    size_t alternative_count;
    const eng_text_nearest *nearest; /* most alike first; none where no word is shared */
    size_t nearest_count;
    const eng_text_reason *because; /* by weight */
    size_t because_count;
} eng_text_details;

/* The same answer as eng_text_predict, with its reasons, in the arena. At most 5 alternatives, 5 nearest
 * and 8 words. */
eng_status eng_text_explain(const eng_text_model *m, const eng_text_item *item,
                            eng_text_scratch *scratch, eng_arena *arena, eng_text_details *out,
                            eng_error *err) ENG_MUST_CHECK;

#endif
