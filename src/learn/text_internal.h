/*
 * The text categoriser's parts, in the order in which a text meets them:
 *
 *     text_words.c     a text to words, words to features: the one pipeline of training and serving
 *     rows_read.c      files to rows                 rows.c         the rows
 *     text_corpus.c    rows to examples and a vocabulary
 *     text_solve.c     examples to weights
 *     text_judge.c     scores to measures            text_measure.c measures to JSON
 *     text_folds.c     cross-validation and the final fit
 *     text_search.c    better settings
 *     text_train.c     all of it, and what `unknown` goes by
 *     text_test.c      rows kept apart, scored by the finished model
 *     text_pack.c      weights to a model's file
 *     text_model.c     a model's file to answers     text_explain.c and to reasons
 */
#ifndef ENG_LEARN_TEXT_INTERNAL_H
#define ENG_LEARN_TEXT_INTERNAL_H

#include "format/container.h"
#include "kern/kern.h"
#include "learn/learn.h"
#include "json/json.h"

#include <math.h>

/* ---- Words (text_words.c) --------------------------------------------------------------------------- */

/* A run of letters and digits, in lower case and without accents; what is longer is cut into several. */
enum { ENG_WORD_CHARS = 32, ENG_WORD_BYTES = ENG_WORD_CHARS * 4 };

typedef struct {
    eng_str text; /* normalised; lives until the next call */
    size_t from;  /* where it stands in the input */
    size_t to;
    uint64_t hash;
} eng_text_word;

typedef struct {
    eng_str text;
    size_t at;
    char buf[ENG_WORD_BYTES + 16];
} eng_text_words;

static inline eng_text_words eng_text_words_of(eng_str text)
{
    return (eng_text_words){.text = text};
}
bool eng_text_words_next(eng_text_words *w, eng_text_word *out);
/* Of a normalised word, as eng_text_words_next gives it. */
uint64_t eng_text_word_hash(eng_str word);
/* Of two words in a row. */
uint64_t eng_text_pair_hash(uint64_t a, uint64_t b);
/* Of a number's bin; bin 0 is for a missing one. */
uint64_t eng_text_number_hash(size_t column, unsigned bin);

/* The runs of min to max characters of a word with a blank before and behind it: their hashes, at most
 * ENG_TEXT_GRAMS. A word of up to max - 2 characters is a run as a whole too. */
enum { ENG_TEXT_GRAM_MAX = 8, ENG_TEXT_GRAMS = (ENG_WORD_CHARS + 2) * ENG_TEXT_GRAM_MAX };
size_t eng_text_grams(eng_str word, unsigned min, unsigned max, uint64_t out[ENG_TEXT_GRAMS]);

/* ---- Rows (rows.c) ------------------------------------------------------------------------------------ */

typedef struct {
    eng_str name;
    uint32_t rows;
} eng_text_class;

struct eng_text_rows {
    eng_arena arena;
    eng_text_columns columns;
    size_t count;
    size_t cap;
    eng_str *texts;   /* count * columns.text_count */
    float *numbers;   /* count * columns.number_count */
    uint32_t *labels; /* into classes */
    uint32_t *groups;
    eng_text_class *classes; /* in the order of their first row */
    size_t class_count;
    size_t class_cap;
    size_t group_count;
    struct eng_text_names *names; /* of classes and groups, while rows are added */
    eng_text_reading reading;
};

/* Rows of text that is UTF-8 already; messages do not name a file. */
eng_status eng_text_rows_parse(eng_str text, const eng_text_columns *columns, bool strict,
                               eng_text_rows **out, eng_error *err) ENG_MUST_CHECK;
/* A whole file, unpacked, as UTF-8, into *out, which is empty and initialised. */
eng_status eng_text_file_read(const char *path, eng_buf *out, const char **packed,
                              eng_error *err) ENG_MUST_CHECK;

/* ---- Examples and features (text_corpus.c) ------------------------------------------------------------ */

/* Hashes to numbers from 0 on, in the order in which they came. */
typedef struct {
    uint64_t *keys; /* 0: free */
    uint32_t *values;
    size_t cap; /* a power of two */
    size_t count;
} eng_text_index;

/* UINT32_MAX where it is not there. */
uint32_t eng_text_index_find(const eng_text_index *x, uint64_t hash);

typedef enum {
    ENG_FEATURE_WORD,
    ENG_FEATURE_PAIR,
    ENG_FEATURE_GRAM,
    ENG_FEATURE_NUMBER
} eng_text_kind;

typedef struct {
    eng_str text; /* in the corpus's arena */
    uint64_t hash;
    uint32_t feature; /* of itself */
    uint32_t gram_at; /* its runs of characters: corpus->grams from here on */
    uint32_t gram_count;
} eng_corpus_word;

/* What is learned from: some of a row's texts. The same text of the same group and class counts once. */
typedef struct {
    uint32_t row; /* the first that has it */
    uint32_t group;
    uint64_t text; /* hash of its words */
    uint16_t label;
    uint8_t view; /* its first `view` + 1 fields that are there */
    bool whole;   /* all that the row has */
    bool unit;    /* with its row's other views it is what measures count: a product */
    uint64_t
        entries; /* corpus->entries from here on: words, pairs and numbers, then runs of characters */
    uint32_t words;
    uint32_t grams;
} eng_text_example;

/* An entry is a feature and how often it occurs, at most 31 times. */
enum { ENG_ENTRY_BITS = 5, ENG_ENTRY_MASK = 31, ENG_BINS = 16 };

typedef struct {
    const eng_text_rows *rows;
    eng_text_settings settings; /* with all presets filled in */
    eng_arena arena;
    eng_corpus_word *words;
    size_t word_count, word_cap;
    eng_text_index word_index;
    uint32_t *grams;
    size_t gram_count, gram_cap;
    eng_text_index features; /* hash to feature */
    uint64_t *hashes;        /* feature to hash */
    uint8_t *kinds;
    size_t feature_cap;
    eng_text_example *examples;
    size_t example_count, example_cap;
    uint32_t *entries;
    size_t entry_count, entry_cap;
    float edges[ENG_TEXT_NUMBERS][ENG_BINS - 1]; /* of the bins of numbers; rising */
    size_t views;                                /* of any example, at most */
    size_t units;
    uint64_t data; /* fingerprint */
} eng_text_corpus;

/* one_in: of so many groups one is taken, 1: all. */
eng_status eng_text_corpus_make(const eng_text_rows *rows, const eng_text_settings *settings,
                                unsigned one_in, eng_text_corpus *out,
                                eng_error *err) ENG_MUST_CHECK;
void eng_text_corpus_clear(eng_text_corpus *c);
/* The bin of a number, from 1 on; 0 for NaN. */
unsigned eng_text_bin(const float edges[ENG_BINS - 1], float number);

/* ---- The solver (text_solve.c) -------------------------------------------------------------------------- */

/*
 * Weights of all classes beside each other. A feature's row holds a weight a class, times the feature's
 * inverse document frequency, and in lane `classes` that frequency squared: 0 where the feature is
 * unknown to this fit. So one pass over an example's rows gives scores and norms alike.
 */
typedef struct {
    const eng_text_corpus *corpus;
    size_t classes;
    size_t stride;  /* floats of a row: a multiple of 8 */
    float *weights; /* aligned to 64, in `memory` */
    void *memory;
    float *bias;
    float *idf2;      /* the frequencies again, by feature, for what is not in the inner loop */
    uint32_t *counts; /* by feature: whole examples that it was trained on */
    size_t trained;   /* whole examples */
    unsigned passes;
} eng_text_fit;

/* Learns from the examples that are not in `fold` (ENG_TEXT_NO_FOLD: from all). */
enum { ENG_TEXT_NO_FOLD = 255 };
/* folds: by example. */
eng_status eng_text_fit_make(const eng_text_corpus *corpus, const uint8_t *folds, unsigned fold,
                             const eng_text_hooks *hooks, eng_text_fit *out,
                             eng_error *err) ENG_MUST_CHECK;
void eng_text_fit_clear(eng_text_fit *f);
/* scores[stride], and as much to work in. */
void eng_text_fit_score(const eng_text_fit *f, const eng_text_example *e, float *scores,
                        float *sum);

/* ---- Measures (text_judge.c, text_measure.c) -------------------------------------------------------------- */

enum { ENG_TEXT_CALIBRATION_BINS = 15, ENG_TEXT_RESAMPLES = 300 };

/* What was said of an example that was not learned from. */
typedef struct {
    uint32_t example;
    uint32_t group;
    uint16_t label;
    uint16_t said;
    float probability;
    float familiar; /* before any limit */
} eng_text_verdict;

typedef struct {
    double precision, recall, f1;
    uint32_t support, said;
} eng_text_class_measure;

typedef struct {
    double low, high;
} eng_text_interval;

typedef struct {
    size_t products;
    size_t classes;
    double accuracy, macro_f1, weighted_f1;
    eng_text_interval accuracy_95, macro_f1_95;
    double calibration_error;
    double refused; /* share that is unknown */
    size_t bins;
    struct {
        double probability, accuracy;
        size_t count;
    } bin[ENG_TEXT_CALIBRATION_BINS];
    eng_text_class_measure *by_class;
    uint32_t *confusion; /* [right][said] */
} eng_text_measure;

/* verdicts are sorted in the course of it. resample: intervals too. */
eng_status eng_text_judge(eng_text_verdict *verdicts, size_t count, size_t classes, float limit,
                          bool resample, uint64_t seed, eng_text_measure *out,
                          eng_error *err) ENG_MUST_CHECK;
void eng_text_measure_clear(eng_text_measure *m);
/* Scores to probabilities in place; the best class. */
uint16_t eng_text_soften(float *scores, size_t classes, float heat);
/* The heat with which the right classes are likeliest. scores[count][stride] */
float eng_text_find_heat(const float *scores, size_t stride, const uint16_t *labels, size_t count,
                         size_t classes);

/* Members of the object that is open. */
void eng_text_put_measure(eng_json_writer *w, const eng_text_class *names,
                          const eng_text_measure *m);

/* "test": rows of the model's columns, scored with a model's bytes (text_test.c). */
eng_status eng_text_put_test(eng_json_writer *w, const eng_text_rows *test, eng_str model,
                             eng_error *err) ENG_MUST_CHECK;

/* What the rows are like. */
eng_status eng_text_put_data(eng_json_writer *w, const eng_text_corpus *c,
                             eng_error *err) ENG_MUST_CHECK;

/* ---- Training (text_train.c, text_folds.c) -------------------------------------------------------------- */

/* What examples said that were held back, by their fold's fit. */
typedef struct {
    const eng_text_corpus *corpus;
    unsigned folds;    /* that groups are dealt to */
    unsigned fits;     /* how many of them are held back in turn */
    bool only;         /* that is all */
    uint8_t *by_group; /* each example's fold */
    uint8_t *by_row;   /* the same where rows of a group are parted: a leak, to be shown */
    uint32_t *slots;   /* of an example among those that are scored, UINT32_MAX: not scored */
    size_t scored;
    size_t stride; /* floats of a slot's scores: classes */
    float *scores;
    float *surprise; /* bits of all its words */
    uint32_t *words;
    double row_accuracy; /* of the parted rows; NaN where there is nothing to part */
    eng_text_fit final;  /* learned from all */
} eng_text_folds;

/* Deals groups to folds and learns: from all, and from all but one fold at a time; several at once.
 * fits: so many folds are held back in turn, and that is all; 0: those of the settings, and the rest. */
eng_status eng_text_folds_run(const eng_text_corpus *corpus, unsigned fits,
                              const eng_text_hooks *hooks, eng_text_folds *out,
                              eng_error *err) ENG_MUST_CHECK;
void eng_text_folds_clear(eng_text_folds *f);

/* The best settings that there is time to find (text_search.c); what was tried goes into the object that
 * is open, as "search". */
eng_status eng_text_search(const eng_text_rows *rows, const eng_text_hooks *hooks,
                           eng_text_settings *settings, eng_json_writer *w,
                           eng_error *err) ENG_MUST_CHECK;
/* "settings" */
void eng_text_put_settings(eng_json_writer *w, const eng_text_settings *s);

/* ---- The file (text_pack.c, text_model.c) --------------------------------------------------------------- */

/*
 * Sections of a container of kind "text"; docs/categories.md has them for others to read. Tables are
 * open: slot = hash's upper half * slots >> 32, then the next ones.
 *
 *     head      eng_text_head, bias[classes], heat[ENG_TEXT_VIEWS], limit[ENG_TEXT_VIEWS]
 *     words     a word's entry: eng_text_word_entry, then i32 weights[classes] of itself, then of its runs
 *     parts     pairs, runs of characters and numbers: eng_text_part_entry, then i16 weights[classes]
 *     edges     of the bins of numbers: f32[numbers][ENG_BINS - 1]
 *     titles    texts, one after the other; title_at u32[titles + 1], title_class u16, title_norm f32
 *     posts     titles by word: u32; post_at u32[slots of words + 1]
 *     names     JSON: fields, numbers, categories, settings
 *     metrics   JSON
 */
enum { ENG_TEXT_VERSION = 1, ENG_TEXT_VIEWS = ENG_TEXT_FIELDS, ENG_IDF_UNIT = 64 };

typedef struct {
    uint32_t classes;
    uint32_t fields;
    uint32_t numbers;
    uint32_t word_slots;
    uint32_t part_slots;
    uint32_t titles;
    uint32_t char_min;
    uint32_t char_max; /* 0: none */
    uint32_t word_grams;
    uint32_t rows;       /* that it was trained on */
    float unit;          /* of weights */
    float mean_surprise; /* of familiar texts: see eng_text_familiar */
    uint32_t spare[2];
    uint64_t data;
} eng_text_head;

typedef struct {
    uint32_t tag;      /* 0: free */
    uint32_t surprise; /* bits * 256 */
    uint32_t idf2;     /* of the word itself, in units; 0: only its runs count */
    uint32_t runs2;    /* of its runs of characters together */
} eng_text_word_entry;

typedef struct {
    uint16_t tag; /* 0: free */
    uint16_t idf2;
} eng_text_part_entry;

static inline size_t eng_text_word_size(size_t classes)
{
    return sizeof(eng_text_word_entry) + 2 * classes * sizeof(int32_t);
}
static inline size_t eng_text_part_size(size_t classes)
{
    return (sizeof(eng_text_part_entry) + classes * sizeof(int16_t) + 3) / 4 * 4;
}
static inline size_t eng_text_slot(uint64_t hash, size_t slots)
{
    return (size_t)((hash >> 32) * slots >> 32);
}
static inline uint32_t eng_text_word_tag(uint64_t hash) { return (uint32_t)hash | 1; }
static inline uint16_t eng_text_part_tag(uint64_t hash) { return (uint16_t)(hash | 1); }

typedef struct {
    float heat[ENG_TEXT_VIEWS];  /* scores are divided by it: by how many fields there are */
    float limit[ENG_TEXT_VIEWS]; /* below it a text is unknown */
    float mean_surprise;
} eng_text_calibration;

/* The bytes of a model's file, into *out, which the caller has initialised. */
eng_status eng_text_pack(const eng_text_fit *fit, const eng_text_calibration *calibration,
                         eng_str metrics, eng_buf *out, eng_error *err) ENG_MUST_CHECK;

/* ---- Inside of a model, for explaining (text_model.c) ---------------------------------------------------- */

struct eng_text_model {
    eng_container container;
    eng_arena arena;
    eng_text_info info;
    eng_text_head head;
    const float *bias;
    const float *heat;
    const float *limit;
    const unsigned char *words;
    const unsigned char *parts;
    size_t word_size, part_size;
    const float *edges;
    const char *titles;
    const uint32_t *title_at;
    const uint16_t *title_class;
    const float *title_norm;
    const uint32_t *posts;
    const uint32_t *post_at;
    size_t post_count;
};

/* What has been seen of a text: words and pairs count once. Beyond so many, no more count. */
enum { ENG_SEEN_FEW = 32, ENG_SEEN_MAX = 2048, ENG_SEEN_SLOTS = 2 * ENG_SEEN_MAX };

/* Sums over words: of weights by class, and of squared frequencies; and how far the words are known. */
typedef struct {
    int64_t *words; /* of words, pairs and numbers */
    int64_t *runs;  /* of runs of characters */
    int64_t words2;
    int64_t runs2;
    float surprise; /* bits */
    uint32_t count; /* words */
} eng_text_sums;

struct eng_text_scratch {
    size_t classes;
    int64_t *memory; /* of both sums */
    eng_text_sums all;
    eng_text_sums one;
    float *scores; /* then probabilities */
    uint64_t few[ENG_SEEN_FEW];
    size_t seen;
    uint64_t *table; /* ENG_SEEN_SLOTS */
    size_t titles;
    float *likeness; /* by title; 0 between */
    uint32_t *touched;
};

/* The surprise of a word that no row has, of whose runs of characters this share is known. */
static inline float eng_text_strange(size_t rows, size_t found, size_t runs)
{
    float strange = runs ? 1 - (float)found / (float)runs : 0.5f;
    return log2f(2 * (1 + (float)rows)) * (1 + strange);
}
/* How much less surprising a text's words are than those of most rows: the more words, the surer. */
static inline float eng_text_familiar(float mean, float surprise, uint32_t words, size_t rows)
{
    float n = (float)(words ? words : 1);
    float own = words ? surprise / n : eng_text_strange(rows, 0, 1);
    return (mean - own) * sqrtf(n < 16 ? n : 16);
}

/* Sums of nothing, with room for the model's classes. */
eng_status eng_text_begin(const eng_text_model *m, eng_text_scratch *s,
                          eng_error *err) ENG_MUST_CHECK;
/* False where a hash was seen before, or too many were. */
bool eng_text_first(eng_text_scratch *s, uint64_t hash);
/* The slot of a word, SIZE_MAX where there is none. */
size_t eng_text_find_word(const eng_text_model *m, uint64_t hash);
void eng_text_sum_word(const eng_text_model *m, const eng_text_word *w, eng_text_sums *to);
/* The same of a word that was there before: only its runs count again. */
void eng_text_sum_again(const eng_text_model *m, const eng_text_word *w, eng_text_sums *to);
/* False where it is unknown. */
bool eng_text_sum_part(const eng_text_model *m, uint64_t hash, int64_t *weights, int64_t *square);
/* What a sum is multiplied by; 0 where there is nothing. */
float eng_text_scale(const eng_text_model *m, int64_t square);

#endif
