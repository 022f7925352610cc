/*
 * How a tokenizer works inside.
 *
 *     text --added tokens are cut out--> segments --normalisers--> characters --added tokens that are
 *     looked for in normalised text--> pieces --pre-tokenizers--> words --model--> raw tokens
 *     --truncation, post-processor--> the sequence
 *
 * A character carries where it comes from (eng_tok_char), so that whatever the normalisers do, a token
 * knows its bytes of the original text. The rules by which a changed character gets its place are the
 * `tokenizers` package's, also where they surprise: eng_tok_shift_put.
 *
 * Most text of BERT models never takes that way: token_bert.c does all of it in one pass over the
 * bytes, and leaves a text to the general way when it meets what it has no rule for.
 */
#ifndef ENG_TOKEN_INTERNAL_H
#define ENG_TOKEN_INTERNAL_H

#include "base/arena.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/text.h"
#include "json/json.h"

#define ENG_TOK_NONE UINT32_MAX

/* ---- Code points: token_tables.c ----------------------------------------------------------------- */

/* What the package's own tables say, which are of several versions of Unicode. */
bool eng_tok_is_space(uint32_t c);       /* White_Space */
bool eng_tok_is_control(uint32_t c);     /* Cc, Cf, Co */
bool eng_tok_is_nonspacing(uint32_t c);  /* Mn */
bool eng_tok_is_mark(uint32_t c);        /* Mn, Mc, Me */
bool eng_tok_is_punctuation(uint32_t c); /* ASCII's, and P* */
bool eng_tok_is_word(uint32_t c);        /* \w of a regular expression */
bool eng_tok_is_ideograph(uint32_t c);   /* BERT's list of CJK blocks */
uint8_t eng_tok_combining(uint32_t c);   /* canonical combining class */

enum { ENG_TOK_LOWER_MAX = 2, ENG_TOK_DECOMPOSED_MAX = 20 };
/* How many characters it becomes. */
size_t eng_tok_lower(uint32_t c, uint32_t out[ENG_TOK_LOWER_MAX]);
size_t eng_tok_decompose(uint32_t c, bool compatible, uint32_t out[ENG_TOK_DECOMPOSED_MAX]);
/* 0 where the two do not become one. */
uint32_t eng_tok_compose(uint32_t a, uint32_t b);

/* Classes of Unicode's annex 29, for where a grapheme ends. */
typedef enum {
    ENG_GRAPHEME_OTHER,
    ENG_GRAPHEME_CR,
    ENG_GRAPHEME_LF,
    ENG_GRAPHEME_CONTROL,
    ENG_GRAPHEME_EXTEND,
    ENG_GRAPHEME_ZWJ,
    ENG_GRAPHEME_L,
    ENG_GRAPHEME_V,
    ENG_GRAPHEME_T,
    ENG_GRAPHEME_LV,
    ENG_GRAPHEME_LVT,
    ENG_GRAPHEME_REGIONAL,
    ENG_GRAPHEME_SPACING,
    ENG_GRAPHEME_PREPEND,
    ENG_GRAPHEME_PICTOGRAPH,
    ENG_GRAPHEME_CONSONANT /* of the Indic scripts in which a virama joins consonants */
} eng_tok_grapheme;

eng_tok_grapheme eng_tok_grapheme_of(uint32_t c);
bool eng_tok_is_linker(uint32_t c); /* those viramas */

/* The character at *at < text.len, which moves on; U+FFFD for the longest piece that could have begun
 * a character. */
uint32_t eng_tok_next(eng_str text, size_t *at);
/* Its bytes; four may be written. */
static inline size_t eng_tok_encode(uint32_t c, char *out)
{
    if (c >= 0x80)
        return eng_utf8_put(c, out);
    *out = (char)c;
    return 1;
}
/* The character that ends at byte `end` > 0; *start is where it begins. */
uint32_t eng_tok_before(eng_str text, size_t end, size_t *start);

/* ---- Scratch memory ------------------------------------------------------------------------------ */

typedef struct {
    uint32_t c;
    uint32_t from; /* bytes of the text */
    uint32_t to;
} eng_tok_char;

typedef struct {
    eng_tok_char *items;
    size_t count;
    size_t cap;
} eng_tok_chars;

/* Characters start to end; an added token has its id, any other piece ENG_TOK_NONE. */
typedef struct {
    uint32_t start;
    uint32_t end;
    uint32_t id;
} eng_tok_piece;

typedef struct {
    eng_tok_piece *items;
    size_t count;
    size_t cap;
} eng_tok_pieces;

/* A token before truncation. `lead` and `trail` count the blanks around its text; they are kept where
 * a post-processor trims (RobertaProcessing), and 0 elsewhere. */
typedef struct {
    uint32_t id;
    uint32_t from;
    uint32_t to;
    uint16_t lead;
    uint16_t trail;
} eng_tok_raw;

typedef struct {
    eng_tok_raw *items;
    size_t count;
    size_t cap;
} eng_tok_raws;

/* A word in UTF-8, and for each byte the bytes of the text that its character comes from. */
typedef struct {
    char *bytes;
    uint32_t *from;
    uint32_t *to;
    size_t len;
    size_t chars;
    size_t cap;
} eng_tok_word;

typedef struct {
    double score; /* of the best way here */
    uint32_t start;
    uint32_t id;
} eng_tok_best;

/* A character of a normal form in the making: its combining class, and how many characters of the
 * source it stands for (eng_tok_shift_put). */
typedef struct {
    uint32_t c;
    int32_t change;
    uint8_t class;
} eng_tok_form;

typedef struct {
    eng_tok_form *items;
    size_t count;
    size_t cap;
} eng_tok_forms;

struct eng_token_scratch {
    eng_tok_chars chars, other;    /* a step reads the one, writes the other, and swaps them */
    eng_tok_pieces pieces, others; /* the same for pre-tokenizers */
    eng_tok_forms pending, sorted, held;
    eng_tok_word word;
    eng_tok_best *best;
    size_t best_cap;
    eng_tok_raws raws[2]; /* of the text and of its pair */
};

/* Room for `more` items behind count; false when memory ran out. */
bool eng_tok_chars_room(eng_tok_chars *v, size_t more);
bool eng_tok_pieces_room(eng_tok_pieces *v, size_t more);
bool eng_tok_forms_room(eng_tok_forms *v, size_t more);
bool eng_tok_raws_room(eng_tok_raws *v, size_t more);
bool eng_tok_word_room(eng_tok_word *w, size_t more); /* bytes behind len, and four to spare */
bool eng_tok_best_room(eng_token_scratch *s, size_t count);
void eng_token_scratch_free(eng_token_scratch *s);

/* Appends; there must be room. */
void eng_tok_word_put(eng_tok_word *w, eng_tok_char c);

/*
 * Puts changed characters where the package puts them. A character that comes with a change of 0
 * takes the place of the next one of the source; with -n, it also takes in the n behind that; with 1
 * it is new and stands where the one before it stands. So places go by position alone: when marks
 * are put in order, what counts is where a mark stands afterwards, not where it came from.
 */
typedef struct {
    const eng_tok_char *source;
    size_t count;
    size_t at;
    eng_tok_chars *out; /* with room for what is put */
} eng_tok_shift;

void eng_tok_shift_put(eng_tok_shift *s, uint32_t c, int32_t change);

/* ---- A set of strings: token_trie.c ---------------------------------------------------------------- */

/*
 * A double array. A unit is a node: its child for byte b is unit next ^ b, if that unit's label is b
 * and it is in use. No two nodes have the same `next`, so the label alone says whose child it is; and
 * the array is a multiple of 256 long, so that no look-up leaves it.
 */
typedef struct {
    uint32_t next;
    uint32_t tag; /* value << 9 | in use << 8 | label; value 0: no string ends here */
} eng_trie_unit;

typedef struct {
    eng_trie_unit *units; /* the first is the root */
    size_t count;
} eng_trie;

/* A string and its value, at most ENG_TRIE_VALUE_MAX. */
typedef struct {
    eng_str key;
    uint32_t value;
} eng_trie_entry;

enum { ENG_TRIE_VALUE_MAX = (1 << 23) - 2, ENG_TRIE_KEY_MAX = 1024 };

/* Sorts the entries. Of equal keys the one with the largest value stays, the last that was listed. Keys have 1 to
 * ENG_TRIE_KEY_MAX bytes. */
eng_status eng_trie_build(eng_trie *t, eng_trie_entry *entries, size_t count, eng_error *err);
void eng_trie_clear(eng_trie *t);

/* The child of a node for a byte, or 0, which is the root and nobody's child. */
static inline uint32_t eng_trie_step(const eng_trie *t, uint32_t node, unsigned char byte)
{
    uint32_t child = t->units[node].next ^ byte;
    return (t->units[child].tag & 0x1FF) == (0x100u | byte) ? child : 0;
}

/* The value of a node's string, or ENG_TOK_NONE. */
static inline uint32_t eng_trie_value(const eng_trie *t, uint32_t node)
{
    return (t->units[node].tag >> 9) - 1;
}

/* The value of a key, or ENG_TOK_NONE. */
uint32_t eng_trie_find(const eng_trie *t, eng_str key);

/* ---- SentencePiece's precompiled map: token_charsmap.c ---------------------------------------------- */

/* Below this a character is a grapheme by itself, but for CR before LF. */
enum { ENG_CHARSMAP_PLAIN = 0x300 };

/* darts-clone's double array (units of 32 bits) and the texts that its values point into. */
typedef struct {
    uint32_t *units;
    size_t unit_count;
    eng_str texts;                           /* each ends at a NUL */
    uint64_t plain[ENG_CHARSMAP_PLAIN / 64]; /* a bit for each character that no key is */
} eng_charsmap;

eng_status eng_charsmap_read(eng_charsmap *m, eng_str base64, eng_arena *arena, eng_error *err);
/* A character that no key is: below ENG_CHARSMAP_PLAIN alone it is known. */
bool eng_charsmap_keeps(const eng_charsmap *m, uint32_t c);
/* chars to other, grapheme by grapheme; swaps them. */
bool eng_charsmap_apply(const eng_charsmap *m, eng_token_scratch *s);

/* ---- Normalisers: token_normal.c ------------------------------------------------------------------- */

typedef enum {
    ENG_NORMAL_BERT,
    ENG_NORMAL_NFC,
    ENG_NORMAL_NFD,
    ENG_NORMAL_NFKC,
    ENG_NORMAL_NFKD,
    ENG_NORMAL_LOWER,
    ENG_NORMAL_STRIP,
    ENG_NORMAL_STRIP_ACCENTS,
    ENG_NORMAL_NMT,
    ENG_NORMAL_CHARSMAP,
    ENG_NORMAL_REPLACE,
    ENG_NORMAL_PREPEND
} eng_normal_kind;

/* What Replace looks for: a text, or `least` and more of characters that are in a set. */
typedef struct {
    const uint32_t *set; /* the text, or the set's characters */
    size_t count;
    bool blank;     /* the set holds White_Space too */
    uint32_t least; /* 0: it is a text */
    uint32_t most;
} eng_tok_pattern;

typedef struct {
    eng_normal_kind kind;
    bool clean, ideographs, accents, lower; /* ENG_NORMAL_BERT; accents: they are stripped */
    bool left, right;                       /* ENG_NORMAL_STRIP */
    eng_charsmap map;                       /* ENG_NORMAL_CHARSMAP */
    eng_tok_pattern pattern;                /* ENG_NORMAL_REPLACE */
    const uint32_t *content;                /* ENG_NORMAL_REPLACE, ENG_NORMAL_PREPEND */
    size_t content_count;
} eng_normal_step;

/* All steps over s->chars. False when memory ran out. */
bool eng_tok_normalize(const eng_normal_step *steps, size_t count, eng_token_scratch *s);

/* ---- Pre-tokenizers: token_split.c ------------------------------------------------------------------ */

typedef enum {
    ENG_SPLIT_BERT,
    ENG_SPLIT_WORDS, /* \w+|[^\w\s]+ */
    ENG_SPLIT_BLANKS,
    ENG_SPLIT_METASPACE
} eng_split_kind;

typedef enum { ENG_PREPEND_NEVER, ENG_PREPEND_FIRST, ENG_PREPEND_ALWAYS } eng_prepend;

typedef struct {
    eng_split_kind kind;
    uint32_t replacement; /* ENG_SPLIT_METASPACE, and what follows */
    eng_prepend prepend;
    bool split;
} eng_split_step;

/* All steps over s->pieces (and s->chars, which Metaspace changes). False when memory ran out. */
bool eng_tok_split(const eng_split_step *steps, size_t count, eng_token_scratch *s);

/* ---- The tokenizer ------------------------------------------------------------------------------------ */

typedef struct {
    eng_trie trie; /* text to index in `items`; no units where there are none */
    bool first[256];
    struct eng_added_item {
        uint32_t id;
        bool single_word, left, right;
    } * items;
} eng_added;

typedef struct {
    size_t start;
    size_t end;
    uint32_t id;
} eng_added_match;

typedef enum { ENG_PART_A, ENG_PART_B, ENG_PART_SPECIAL } eng_part_kind;

typedef struct {
    eng_part_kind kind;
    uint8_t type;
    uint32_t id; /* ENG_PART_SPECIAL */
} eng_part;

typedef struct {
    eng_part *parts;
    size_t count;
    size_t specials;
} eng_template;

typedef enum { ENG_CUT_LONGEST, ENG_CUT_FIRST, ENG_CUT_SECOND } eng_cut_strategy;
typedef enum { ENG_TOK_WORDPIECE, ENG_TOK_UNIGRAM } eng_tok_model;

/* What one pass makes of a character (token_bert.c): 8 bytes, so that ASCII's are two cache lines a
 * row. */
typedef struct {
    uint8_t kind;
    uint8_t len;
    uint8_t chars;
    char bytes[5];
} eng_bert_char;

struct eng_tokenizer {
    eng_arena arena; /* all that is not said to be elsewhere */

    eng_tok_model model;
    eng_trie vocab;
    eng_str *tokens; /* by id; empty where there is none */
    size_t ids;
    uint32_t unknown; /* ENG_TOK_NONE: a Unigram model without one */
    size_t vocab_count;

    uint32_t continued; /* WordPiece: the trie's node behind "##"; ENG_TOK_NONE: no token has it */
    size_t word_chars_max;

    double *scores; /* Unigram: by id */
    double unknown_score;
    uint32_t *bytes; /* ids of <0x00> to <0xFF>, or ENG_TOK_NONE; NULL: unknown is unknown */

    eng_normal_step *normal;
    size_t normal_count;
    eng_split_step *split;
    size_t split_count;
    eng_added raw;    /* added tokens that are looked for in the text */
    eng_added normed; /* in normalised text */

    bool local; /* what stands before a blank between words owes nothing to what stands behind it */
    eng_bert_char *bert; /* of the first ENG_BERT_TABLE code points; NULL: only the general way */

    eng_template single;
    eng_template pair;
    bool trim;        /* RobertaProcessing: blanks around a token are not in its span */
    bool prefix_kept; /* ... but for one blank in front of the first */

    size_t max; /* 0: no limit */
    eng_cut_strategy strategy;
    bool cut_left;
};

/* ---- token_added.c ---- */

/* Builds the search over `count` texts, none of them empty; of equal ones the last counts. */
eng_status eng_added_build(eng_added *a, const eng_str *texts, const struct eng_added_item *items,
                           size_t count, eng_arena *arena, eng_error *err);
/* The next one in text from *at on (leftmost, longest); *at moves behind it. `floor` is where the one
 * before ended, with the blanks it took in. */
bool eng_added_next(const eng_added *a, eng_str text, size_t *at, size_t floor,
                    eng_added_match *out);
/* Cuts the added tokens of normalised text out of s->chars, which is one piece; makes s->pieces. */
bool eng_added_cut(const eng_added *a, eng_token_scratch *s);

/* ---- token_bert.c ---- */

enum { ENG_BERT_TABLE = 0x3400 };
/* Whether the tokenizer is one that the fast way knows; makes its table. */
eng_status eng_bert_prepare(eng_tokenizer *t, eng_error *err);
/* Tokens of one segment of the text, until there are more than limit. false: memory ran out.
 * *left: this segment is for the general way, and no token of it was put out. */
bool eng_bert_encode(const eng_tokenizer *t, eng_str text, size_t from, size_t to, size_t limit,
                     eng_token_scratch *s, eng_tok_raws *out, bool *left);

/* ---- token_model.c ---- */

/* The blanks at both ends of a token's text, for a post-processor that trims. */
void eng_tok_count_blanks(eng_str text, eng_tok_raw *out);

/* The tokens of s->word, appended to out. ENG_OK, ENG_ENOMEM, or ENG_EINVALID where the model has no
 * token for what it does not know. */
eng_status eng_tok_wordpiece(const eng_tokenizer *t, const eng_tok_word *w, eng_tok_raws *out);
eng_status eng_tok_unigram(const eng_tokenizer *t, eng_token_scratch *s, eng_tok_raws *out);

/* ---- Reading: token_steps.c, and what it takes from token_read.c ---- */

eng_status eng_tok_read_normal(eng_tokenizer *t, const eng_json *v, eng_error *err);
eng_status eng_tok_read_split(eng_tokenizer *t, const eng_json *v, eng_error *err);
eng_status eng_tok_read_post(eng_tokenizer *t, const eng_json *v, eng_error *err);

/* Members of an object. A missing one, or one of another type, is ENG_EMALFORMED; where there is a
 * preset, a missing one and null are that. */
eng_status eng_tok_bool(const eng_json *v, const char *key, const bool *preset, bool *out,
                        eng_error *err);
eng_status eng_tok_text(const eng_json *v, const char *key, eng_str *out, eng_error *err);
eng_status eng_tok_uint(const eng_json *v, const char *key, uint64_t most, uint64_t *out,
                        eng_error *err);
/* The characters of a text, in the arena. */
eng_status eng_tok_code_points(eng_str text, eng_arena *arena, const uint32_t **out, size_t *count,
                               eng_error *err);

#endif
