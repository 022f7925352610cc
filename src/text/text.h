/*
 * Text: what the other modules need to know of it. Offsets are bytes of the text that was given, so
 * that what is found can be shown where it stands.
 */
#ifndef ENG_TEXT_H
#define ENG_TEXT_H

#include "base/arena.h"
#include "base/buf.h"

/* ---- Languages -------------------------------------------------------------------------------- */

typedef enum eng_language {
    ENG_LANGUAGE_UNKNOWN,
    ENG_LANGUAGE_PT,
    ENG_LANGUAGE_EN,
    ENG_LANGUAGE_ES,
    ENG_LANGUAGES
} eng_language;

/* "pt", "en", "es", "" */
const char *eng_language_code(eng_language language);
/* Of a tag such as "pt-BR"; UNKNOWN for any other. */
eng_language eng_language_of(eng_str tag);
/* By the small words that each language has for itself, over the first 4 KiB; UNKNOWN where these
 * do not decide. A question of three words usually suffices. */
eng_language eng_language_guess(eng_str text);

/* ---- Analysis: text to the terms of an index ---------------------------------------------------- */

/*
 * What a term is. One place in the text can give several: "Ações" is the word "aco" (its stem without
 * accents) and the exact form "ações"; "MP-1234" is the code "mp-1234" and the words "mp" and "1234";
 * "R$ 1.000,00" is the code "r$1000" and the word "1000".
 */
typedef enum eng_term_kind {
    ENG_TERM_WORD, /* a word's stem without accents; a number, written one way; parts of a code */
    ENG_TERM_PLAIN, /* the stem that the word has when typed without accents or hyphens, if another */
    ENG_TERM_EXACT, /* a word that has accents, in lower case, as it is written */
    ENG_TERM_CODE,  /* a number or code as a whole: "9.9%", "http/2", "r$1000", "c++" */
    ENG_TERM_PART,  /* the stem of a word found inside a glued one ("umaplataforma") */
    ENG_TERM_GRAM,  /* four characters of a word, with '_' for its ends */
    ENG_TERM_KINDS
} eng_term_kind;

typedef struct eng_term {
    uint32_t start; /* bytes of the text it stands for */
    uint32_t end;
    uint32_t position; /* counts words: what phrases are matched by */
    uint32_t at;       /* its own text: see eng_terms_text */
    uint16_t len;
    uint8_t kind; /* eng_term_kind */
    bool stop;    /* a word so common that it says nothing, in the language of the analysis */
} eng_term;

/* The terms of a text, in the order of their positions. Reused from text to text. */
typedef struct eng_terms {
    eng_term *items;
    size_t count;
    size_t cap;
    char *pool;
    size_t pool_len;
    size_t pool_cap;
    uint32_t words; /* words that are no stop words: the length that BM25 divides by */
    uint32_t positions;
} eng_terms;

void eng_terms_init(eng_terms *t);
void eng_terms_reset(eng_terms *t); /* empties, keeps the memory */
void eng_terms_clear(eng_terms *t);

static inline eng_str eng_terms_text(const eng_terms *t, size_t i)
{
    return (eng_str){t->pool + t->items[i].at, t->items[i].len};
}

/* How often a collection has a word (lower case, without accents), for eng_word_split. */
typedef uint32_t eng_word_count_fn(void *ctx, eng_str word);

typedef struct eng_analyze_options {
    eng_language language; /* UNKNOWN: nothing is stemmed, and no word is a stop word */
    bool question;         /* question words ("qual", "how", "cuándo") are stop words too */
    bool grams;            /* also ENG_TERM_GRAM, of words that are no stop words */
    uint32_t position;     /* of the first word: a body's words follow its title's */
    /* Splits words that the collection does not know into ones that it knows; may be NULL. */
    eng_word_count_fn *count;
    void *count_ctx;
} eng_analyze_options;

/*
 * An analyzer has the stemmers and their scratch memory: one for each thread, made once. A word of
 * more than ENG_TERM_MAX bytes is cut, for it is none.
 */
enum { ENG_TERM_MAX = 64 };
typedef struct eng_analyzer eng_analyzer;
eng_status eng_analyzer_new(eng_analyzer **out, eng_error *err) ENG_MUST_CHECK;
void eng_analyzer_free(eng_analyzer *a);

/* Appends the terms of text (any bytes; what is no UTF-8 separates words) to *out. ENG_ETOOBIG past
 * 1 GiB of text or of terms. */
eng_status eng_analyze(eng_analyzer *a, eng_str text, const eng_analyze_options *options,
                       eng_terms *out, eng_error *err) ENG_MUST_CHECK;

/* Calls fn with each word (letters alone, lower case, without accents, unstemmed): what the counts of
 * a collection are made of. */
typedef void eng_word_fn(void *ctx, eng_str word);
void eng_words_each(eng_str text, eng_word_fn *fn, void *ctx);

/*
 * Splits a word (as eng_words_each gives it) that no vocabulary knows into words that count knows, by
 * dynamic programming over their frequencies. Gives the ends of the parts (the last is word.len);
 * 0 where it is better left whole. language names the small words that are always known.
 */
enum { ENG_SPLIT_MAX = 12 };
size_t eng_word_split(eng_str word, eng_language language, eng_word_count_fn *count, void *ctx,
                      uint8_t ends[ENG_SPLIT_MAX]);

/* ---- Tokenizers -------------------------------------------------------------------------------- */

/*
 * A tokenizer as a model's tokenizer.json describes it: WordPiece and Unigram models, the
 * normalisers, pre-tokenizers and post-processors that the encoders of the BERT and XLM-R families
 * come with, added tokens, truncation. It gives the ids and offsets that the `tokenizers` package
 * gives, for every code point; padding is not done here, and stated padding is ignored.
 *
 * A tokenizer does not change once it is read, and any number of threads may use it at once. What a
 * thread writes to, its results and its scratch memory, is an eng_tokens of its own:
 *
 *     eng_tokens tokens;
 *     eng_tokens_init(&tokens);
 *     for each text: eng_tokenizer_add(t, text, ENG_NO_PAIR, NULL, &tokens, err)
 *     ... tokens.ids, from seqs[i].first, seqs[i].count of them ...
 *     eng_tokens_reset(&tokens);
 *
 * Sequences lie end to end. Memory is kept from one use to the next, so that nothing is allocated
 * once an eng_tokens has seen the longest of its texts.
 *
 * Text should be UTF-8. Bytes that are not are read as a decoder reads them that replaces: U+FFFD for
 * each longest piece that could have begun a character. NUL is a character like others.
 */
typedef struct eng_tokenizer eng_tokenizer;

/* Bytes of the text (of the pair's second text, for its tokens) that a token stands for. Both 0 for
 * tokens that the text does not hold, such as [CLS]. */
typedef struct {
    uint32_t from;
    uint32_t to;
} eng_token_span;

typedef struct {
    size_t first; /* its first token */
    size_t count;
    bool truncated; /* tokens of the text were left out */
} eng_token_seq;

typedef struct eng_token_scratch eng_token_scratch;

typedef struct {
    uint32_t *ids;
    eng_token_span *spans;
    uint8_t *types; /* 0, or 1 for the second of a pair, as the file says */
    size_t count;
    eng_token_seq *seqs;
    size_t seq_count;

    size_t cap;
    size_t seq_cap;
    eng_token_scratch *scratch;
} eng_tokens;

typedef struct {
    size_t max; /* tokens of a sequence at most, special ones counted; 0: what the file says */
    bool whole; /* nothing is cut, whatever max and the file say */
    bool bare;  /* without the special tokens that the post-processor adds */
} eng_token_options;

#define ENG_NO_PAIR ((eng_str){NULL, 0})

/* Bytes of a text at most; more is ENG_ETOOBIG. */
#define ENG_TOKENIZER_TEXT_MAX ((size_t)1 << 30)

/*
 * From the text of a tokenizer.json, which is not needed afterwards. ENG_EUNSUPPORTED names the kind
 * of model, normaliser, pre-tokenizer or post-processor that we do not know; ENG_EMALFORMED names
 * the field that is missing or wrong.
 */
eng_status eng_tokenizer_read(eng_str json, eng_tokenizer **out, eng_error *err) ENG_MUST_CHECK;
void eng_tokenizer_free(eng_tokenizer *t);

/* One more than the largest id that it gives: the rows that a model must have. */
size_t eng_tokenizer_ids(const eng_tokenizer *t);
/* Tokens of a sequence at most, special ones counted, as the file says; 0: no limit. */
size_t eng_tokenizer_max(const eng_tokenizer *t);
/* The id of a token by its text in the vocabulary ("##ing", "[MASK]"); false where it has none. */
bool eng_tokenizer_id(const eng_tokenizer *t, eng_str token, uint32_t *id);
/* The text of an id, borrowed from the tokenizer; empty where it has none. */
eng_str eng_tokenizer_token(const eng_tokenizer *t, uint32_t id);

/*
 * Appends a sequence: of a text, or of a text and its pair. Where pair.ptr is NULL there is none.
 * options may be NULL. On failure nothing was appended. ENG_EINVALID: the limit leaves no room for
 * the special tokens, or a text has characters that the model can say nothing about.
 */
eng_status eng_tokenizer_add(const eng_tokenizer *t, eng_str text, eng_str pair,
                             const eng_token_options *options, eng_tokens *out,
                             eng_error *err) ENG_MUST_CHECK;

void eng_tokens_init(eng_tokens *t);  /* allocates nothing */
void eng_tokens_reset(eng_tokens *t); /* forgets the sequences, keeps the memory */
void eng_tokens_clear(eng_tokens *t); /* gives the memory back; it may be used again */

/* ---- Extraction: from a file's bytes to text that reads well ------------------------------------ */

/* Once, before any thread: hands our allocator to libxml2; and gives back what it holds. */
eng_status eng_text_init(eng_error *err) ENG_MUST_CHECK;
void eng_text_quit(void);

/* What a piece of text is. */
typedef enum {
    ENG_BLOCK_PARAGRAPH,
    ENG_BLOCK_HEADING, /* of a level, 1 the highest */
    ENG_BLOCK_ITEM,    /* of a list; level counts from 1 */
    ENG_BLOCK_TABLE,   /* all its rows, a line each, cells parted by " | " */
    ENG_BLOCK_CODE,
    ENG_BLOCK_QUOTE
} eng_block_kind;

typedef struct {
    size_t start, end; /* bytes of the document's text; blocks are in order and apart */
    uint8_t kind;      /* eng_block_kind */
    uint8_t level;
} eng_block;

/* The structure of text that has none beside it: paragraphs between blank lines, list items, and,
 * with `markdown`, headings, fences, quotes and tables. The text stays as it is. In the arena. */
eng_status eng_blocks_of(eng_str text, bool markdown, eng_arena *arena, const eng_block **out,
                         size_t *count, eng_error *err) ENG_MUST_CHECK;

/* Blocks as the few bytes each that are kept beside their text, in the arena; and back, ENG_ECORRUPT
 * where they are none of that text. */
eng_status eng_blocks_pack(const eng_block *blocks, size_t count, eng_arena *arena, eng_str *out,
                           eng_error *err) ENG_MUST_CHECK;
eng_status eng_blocks_unpack(eng_str packed, eng_str text, eng_arena *arena, const eng_block **out,
                             size_t *count, eng_error *err) ENG_MUST_CHECK;

/* A document as it came out of a file. Views live as long as the call that shows it. */
typedef struct {
    eng_str text; /* UTF-8 in NFC, "\n" at line ends, never empty */
    eng_str title;
    eng_str language; /* as the file says it ("pt-BR"); empty: it does not */
    eng_str url;      /* a page's canonical address; empty: not said */
    eng_str id;       /* of a row that has one; empty else */
    eng_str metadata; /* of a row: a JSON object of its other columns; empty else */
    size_t row;       /* of a table, counted from 1; 0: the file is one document */
    const eng_block *blocks;
    size_t block_count;
} eng_extract;

typedef struct {
    eng_str name; /* the file's, for its ending and for messages; may be empty */
    eng_str type; /* Content-Type; empty or "application/octet-stream": judged by name and bytes */
    size_t text_max;              /* of one document's text; 0: 256 MiB */
    unsigned timeout_ms;          /* of a child process; 0: 30 s */
    bool (*cancelled)(void *ctx); /* may be NULL; asked now and then */
    /* Gets every document; an error ends the extraction and is its own. */
    eng_status (*document)(void *ctx, const eng_extract *doc, eng_error *err);
    /* A row that is none (its number stands in the error's line). NULL: it ends the extraction. */
    void (*bad_row)(void *ctx, size_t row, const eng_error *why);
    void *ctx;
} eng_extract_options;

/*
 * Text, Markdown, HTML, PDF (by pdftotext in a child process with limits), DOCX, PPTX, CSV, TSV and
 * JSON lines (a row a document). ENG_ETYPE: a type that none of them is; ENG_EINVALID: a file that
 * is broken or holds no text; ENG_ETOOBIG, ENG_ETIMEOUT: beyond a limit. Messages name the file.
 */
eng_status eng_extract_file(eng_str bytes, const eng_extract_options *options,
                            eng_error *err) ENG_MUST_CHECK;

/* Any bytes that are text as UTF-8 in NFC: by byte order mark, by `charset` (may be empty), as UTF-8,
 * UTF-16 without a mark, or Windows-1252. ENG_ETYPE for what is no text. Into *out, appended. */
eng_status eng_charset_read(eng_str bytes, eng_str charset, eng_buf *out,
                            eng_error *err) ENG_MUST_CHECK;

/* ---- Sentences and passages ----------------------------------------------------------------------- */

/*
 * The next sentence of text[*at, end), without the white space around it; *at moves behind it. False
 * at the end. A sentence ends at . ! ? … and before an empty line; not at the stop of "Dr.", "art. 5º",
 * "R$ 1.000,00", "J. Silva" or "1. ", and also where somebody's extraction glued two sentences
 * together ("à vista.Outra"). Allocates nothing.
 */
bool eng_sentence_next(eng_str text, size_t *at, size_t end, eng_str *out);

/* A piece of a document that is found and shown as one. */
typedef struct {
    size_t start,
        end; /* bytes of the document's text: on characters' bounds, no white space around */
    uint32_t units;
    uint8_t kind; /* eng_block_kind of its first block that is no heading */
    eng_str
        heading; /* those above its first line, from the highest: "Frete > Prazos"; may be empty */
} eng_passage;

typedef struct {
    size_t size;    /* most units of a passage: never exceeded */
    size_t overlap; /* units at most that a passage repeats of the one before; less than size */
    /* How many units a piece of text has; grows with it. NULL: characters. */
    size_t (*count)(void *ctx, eng_str text);
    void *ctx;
} eng_cut_options;

/*
 * Cuts a document along its structure: a passage holds whole blocks where they fit, else whole
 * sentences, rows or lines, else words; a heading stands with what follows it, and one of the first
 * two levels begins a passage unless the one before is short. What repeats is whole sentences, or
 * words of one that was cut itself. All text but white space is in some passage. In the arena.
 */
eng_status eng_passages_of(eng_str text, const eng_block *blocks, size_t block_count,
                           const eng_cut_options *options, eng_arena *arena,
                           const eng_passage **out, size_t *count, eng_error *err) ENG_MUST_CHECK;

#endif
