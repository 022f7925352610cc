/*
 * From documents to passages that are found: the steps of ingestion and of retrieval, each a function
 * over plain data. Who calls them when, and what is open, is the engine's business.
 */
#ifndef ENG_RAG_H
#define ENG_RAG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "index/index.h"
#include "llm/llm.h"
#include "text/text.h"
#include "json/json.h"

/* ---- The encoder, as the engine lends it ---------------------------------------------------------- */

typedef struct {
    size_t dim;        /* of a vector; 0: there is no encoder, and texts are found by words alone */
    size_t max_tokens; /* where a text is cut off, special tokens included */
    /* Tokens of a piece of text, without special ones; where there is no encoder, its words. */
    size_t (*count)(void *ctx, eng_str text);
    /* out[count][dim], of length 1. Blocks; from any thread. */
    eng_status (*encode)(void *ctx, const eng_str *texts, size_t count, bool query, float *out,
                         eng_error *err);
    void *ctx;
} eng_rag_encoder;

/* ---- Drafts: documents on their way in -------------------------------------------------------------- */

enum { ENG_DRAFT_HASH = 32 };

/* A document that is ready to be stored but for its vectors. Lives in the arena it was made in. */
typedef struct {
    eng_str id;    /* its owner's, or one made of its content */
    eng_str title; /* may be empty, as what follows */
    eng_str url;
    eng_str metadata; /* a JSON object, or empty */
    eng_str text;
    eng_language language;
    unsigned char
        hash[ENG_DRAFT_HASH]; /* of title, url, metadata and text: the same is the same document */
    const eng_passage *passages;
    size_t passage_count;
    size_t tokens; /* of its passages; what they repeat of one another counts twice */
} eng_draft;

/* What a document is made of before it is cut; views that outlive the draft. */
typedef struct {
    eng_str id; /* ptr NULL: to be made */
    eng_str title;
    eng_str url;
    eng_str metadata;
    eng_str text;            /* UTF-8, not blank */
    eng_str language;        /* a tag; empty: guessed from the text */
    const eng_block *blocks; /* NULL: found in the text */
    size_t block_count;
} eng_draft_source;

/* Fills in all but the passages: enough to tell whether the store has this document already. */
eng_status eng_draft_begin(const eng_draft_source *source, eng_arena *arena, eng_draft *out,
                           eng_error *err) ENG_MUST_CHECK;
/* Cuts it. */
eng_status eng_draft_cut(eng_draft *d, const eng_draft_source *source, const eng_cut_options *cut,
                         eng_arena *arena, eng_error *err) ENG_MUST_CHECK;

/*
 * What is embedded of a passage: its title and headings stand before its text, which alone may say
 * little ("Prazo: 7 dias."). In the arena; cut so that the whole fits the encoder.
 */
eng_status eng_draft_embedded(const eng_draft *d, size_t passage, const eng_rag_encoder *encoder,
                              eng_arena *arena, eng_str *out, eng_error *err) ENG_MUST_CHECK;

/* What gets a vector: each passage, and each of its sentences where it has several. */
typedef struct {
    size_t passage; /* its place in the draft */
    bool sentence;
    size_t start, end; /* of what it is of, in bytes of the document's text */
    eng_str text;      /* what is embedded */
} eng_draft_unit;

/* A passage's own unit stands before its sentences'. In the arena. */
eng_status eng_draft_units(const eng_draft *d, const eng_rag_encoder *encoder, eng_arena *arena,
                           eng_draft_unit **out, size_t *count, eng_error *err) ENG_MUST_CHECK;

/* ---- Measuring: questions whose answers are known ---------------------------------------------------- */

/* A thing that an answer must hold, in any one of these spellings. */
typedef struct {
    const eng_str *spellings;
    size_t count;
} eng_fact;

typedef struct {
    eng_str question;
    eng_str document; /* the one that answers; empty: nobody said which */
    const eng_fact *facts;
    size_t fact_count;
    bool answerable; /* from these documents at all */
} eng_probe;

enum { ENG_PROBES_MAX = 100000 };

/*
 * Reads lines of JSON: {"question","facts"?:[["any","of"],...],"answer"?,"document"?,"answerable"?}. An
 * answer is one more fact; what has neither facts nor a document is answerable only if it says so.
 * Everything lives in the arena. ENG_EINVALID names the field and the line; blank lines count as lines.
 */
eng_status eng_probes_read(eng_str lines, eng_arena *arena, eng_probe **out, size_t *count,
                           eng_error *err) ENG_MUST_CHECK;

/* How many of the facts the text holds, whatever its case, blanks and way of composing letters. */
eng_status eng_facts_found(const eng_probe *p, eng_str text, size_t *found,
                           eng_error *err) ENG_MUST_CHECK;

/* What became of a question. */
typedef struct {
    size_t
        rank; /* from 1: of the passage with which the answer was there; 0: not among those looked at */
    size_t facts;  /* that the answer holds */
    bool grounded; /* answered; otherwise refused */
    double ms;
    uint64_t tokens;
} eng_outcome;

/* A share, and where it lies in 95 of 100 samples of as many questions; NaN where nothing says so. */
typedef struct {
    double value, low, high;
} eng_measure;

/* Ranks are looked at this deep. */
enum { ENG_MEASURE_DEPTH = 10 };

typedef struct {
    size_t questions;
    eng_measure recall_1, recall_5, recall_10, mrr, ndcg; /* of those with a document or facts */
    eng_measure fact_recall;          /* share of a question's facts, averaged */
    eng_measure abstention_precision; /* of the refused, those without an answer */
    eng_measure abstention_recall;    /* of those without an answer, the refused */
    eng_measure grounded;             /* of all, the answered */
    double p50, p95, p99;             /* ms */
    uint64_t tokens;
} eng_measures;

/* The same outcomes give the same intervals. */
eng_status eng_measure_outcomes(const eng_probe *probes, const eng_outcome *outcomes, size_t count,
                                eng_measures *out, eng_error *err) ENG_MUST_CHECK;

/* The members "questions", "recall", "mrr" ... of an open object, and "intervals" with [low, high] of
 * each; null where a share is of nothing. */
void eng_measures_write(eng_json_writer *w, const eng_measures *m);

/* ---- Near-duplicates (near.c) ------------------------------------------------------------------------ */

/*
 * Texts that say the same but for a word here and there: of the runs of three words that either has,
 * nine in ten are in both, and their digits are the same in the same order (a price or a year that differs
 * makes another text). of[i] is the first earlier text that is no copy itself and that i nearly is, else i.
 * ENG_ENOMEM only.
 */
eng_status eng_near_duplicates(const eng_str *texts, size_t count, size_t *of,
                               eng_error *err) ENG_MUST_CHECK;

/* "como-funciona-1f8a2b3c": see eng_collection_slug. */
void eng_slug(eng_str title, char out[ENG_SLUG_SIZE]);

/* ---- Questions -------------------------------------------------------------------------------------- */

/* What a question asks for, which is also what its answer must hold. */
typedef enum {
    ENG_ASK_OTHER,
    ENG_ASK_DEFINITION, /* "o que é", "what is a", "qué significa" */
    ENG_ASK_PERSON,     /* "quem", "who", "quién" */
    ENG_ASK_TIME,       /* "quando", "em que ano", "when" */
    ENG_ASK_PLACE,      /* "onde", "em que cidade", "where" */
    ENG_ASK_NAME,       /* "qual é o nome", "which company" */
    ENG_ASK_COUNT,      /* "quantos", "qual a altura", "how many", "how long" */
    ENG_ASK_AMOUNT,     /* "quanto custa", "qual o preço", "how much" */
    ENG_ASK_HOW,
    ENG_ASK_WHY,
    ENG_ASK_LIST, /* "quais", "what are" */
    ENG_ASK_YESNO,
    ENG_ASK_KINDS
} eng_ask_kind;

/* "definition", "person" ... */
const char *eng_ask_kind_name(eng_ask_kind kind);

/* A word of the question that says something. Its texts live in the question's arena. */
typedef struct {
    size_t start, end; /* bytes of the question */
    eng_str stem;
    eng_str plain; /* the stem it has when typed without accents; empty: the same */
    bool name;     /* begins with a capital behind the first word, or has a digit */
    double idf;    /* in the collection; NAN: not known (eng_question_weigh), and guessed */
} eng_ask_term;

enum { ENG_ASK_TERMS = 32 }; /* what a question has beyond these is passed over */

typedef struct {
    eng_str text;          /* borrowed */
    eng_language language; /* as given, else guessed; UNKNOWN where nothing decides */
    eng_ask_kind kind;
    eng_ask_term *terms; /* in their order, each stem once */
    size_t term_count;
} eng_question;

/*
 * Reads a question in Portuguese, English or Spanish, also without accents, in capitals, or with a
 * typing error in the word that asks. language UNKNOWN: guessed. Any bytes are a question.
 */
eng_status eng_question_parse(eng_analyzer *analyzer, eng_str text, eng_language language,
                              eng_arena *arena, eng_question *out, eng_error *err) ENG_MUST_CHECK;
/* How rare each word is, from eng_index_explain of this very text for any passage. */
void eng_question_weigh(eng_question *q, const eng_term_share *shares, size_t count);

/* What is said where nothing answers; UNKNOWN is answered in Portuguese. */
eng_str eng_refusal(eng_language language);

/* ---- Answers without a model -------------------------------------------------------------------------- */

/* How near a sentence's vector is to the question's; bytes of the document's text, as in
 * eng_draft_unit. */
typedef struct {
    size_t start, end;
    float cosine;
} eng_near;

/* A retrieved passage. Borrowed. */
typedef struct {
    uint64_t id;
    uint64_t document; /* tells documents apart */
    eng_str title;
    eng_str heading;
    eng_str text; /* a slice of the document's text, from byte start on */
    size_t start;
    double score; /* fused, 0..1; candidates come best first */
    double bm25;  /* eng_score_unit of each; NAN where it was not asked */
    double dense;
    const eng_near *sentences; /* may be NULL */
    size_t sentence_count;
} eng_candidate;

typedef struct {
    size_t max;       /* characters of all parts and what joins them; 0: 600 */
    double threshold; /* of confidence, below which there is no answer; NAN: the default */
} eng_answer_options;

/* The default threshold of confidence. */
extern const double eng_answer_threshold;

/* A sentence, list item or table row that answers: document bytes start to end, which lie in the
 * candidate's text. */
typedef struct {
    size_t candidate;
    size_t start, end;
    double score; /* its share of belief, 0..1 */
} eng_answer_part;

/*
 * What the passages say to a question. parts are in reading order (by the rank of the best part of
 * their document, then as they stand there), none twice. They are there also where the answer is no:
 * the best that was found, for those who want to see it.
 */
typedef struct {
    eng_answer_part *parts;
    size_t count;
    bool answered;     /* confidence reaches the threshold */
    double confidence; /* 0..1: how often such an answer is right */
    /* The phrase itself, where one can be pointed at: a part's slice; SIZE_MAX in brief_part: none. */
    size_t brief_part;
    size_t brief_start, brief_end; /* bytes of the document */
    double brief_score;
} eng_found_answer;

enum { ENG_ANSWER_CANDIDATES = 24 }; /* those beyond are not looked at; 12 are enough */

/*
 * Pure: nothing but its arguments counts, and the same arguments give the same answer. Everything
 * made lives in the arena. candidates may be none: then nothing is found. options may be NULL.
 */
eng_status eng_answer_find(eng_analyzer *analyzer, const eng_question *q,
                           const eng_candidate *candidates, size_t count,
                           const eng_answer_options *options, eng_arena *arena,
                           eng_found_answer *out, eng_error *err) ENG_MUST_CHECK;

/* The parts as one text: " " between neighbours, a line end before list items, rows and what stands in
 * another place. at[i], if not NULL, gets where part i begins. */
void eng_answer_text(const eng_found_answer *answer, const eng_candidate *candidates, eng_buf *out,
                     size_t *at);

/* ---- Conversations ------------------------------------------------------------------------------------ */

/*
 * A question that leans on what was asked before ("e qual o prazo?", "how much is it?"), completed with the
 * subject of the user's questions before it, oldest first. *out is `question` itself where it stands alone.
 * In the arena.
 */
eng_status eng_follow_up(eng_analyzer *analyzer, eng_str question, const eng_str *before,
                         size_t count, eng_arena *arena, eng_str *out,
                         eng_error *err) ENG_MUST_CHECK;

/* ---- Prompts -------------------------------------------------------------------------------------------- */

/* What a model is told, by language: from files with the sections [system], [passage], [question] and
 * [rewrite], those built in or those of a folder. */
typedef struct eng_prompts eng_prompts;

/* dir may be NULL; a language whose file is not there keeps what is built in. ENG_EUSAGE names the file
 * and what it lacks. */
eng_status eng_prompts_load(const char *dir, eng_prompts **out, eng_error *err) ENG_MUST_CHECK;
void eng_prompts_free(eng_prompts *p);

enum { ENG_FENCE_KEY = 32 };

typedef struct {
    eng_language language;
    eng_str question;
    const eng_candidate *passages; /* best first */
    size_t count;
    const eng_llm_message *history; /* oldest first */
    size_t turns;
    size_t tokens; /* that the prompt may have */
    const unsigned char
        *key; /* [ENG_FENCE_KEY], a secret: nobody can guess the fences that come of it */
} eng_prompt_request;

typedef struct {
    eng_llm_message *messages;
    size_t count;
    bool *used;   /* of each passage: it is in the prompt, as a whole, or */
    size_t *cut;  /* its first bytes, to the end of a sentence; 0: as a whole */
    size_t turns; /* of the history's last that are in the prompt */
    eng_str fence;
} eng_prompt_made;

/*
 * Passages stand before the question, each between two lines that begin with a fence which stands in no
 * passage, title, question or turn. As many as there is room for, best first, whole; where not even the
 * first has room, its first sentences. In the arena.
 */
eng_status eng_prompt_make(const eng_prompts *p, const eng_prompt_request *what, eng_arena *arena,
                           eng_prompt_made *out, eng_error *err) ENG_MUST_CHECK;
/* The prompt that asks for the question to be rewritten so that it stands alone. */
eng_status eng_prompt_rewrite(const eng_prompts *p, const eng_prompt_request *what,
                              eng_arena *arena, eng_prompt_made *out,
                              eng_error *err) ENG_MUST_CHECK;

/* ---- Grounding ------------------------------------------------------------------------------------------ */

/* A sentence of an answer, held against the passages. */
typedef struct {
    eng_str text; /* of the answer */
    bool supported;
    double support;  /* 0..1 */
    size_t cites[3]; /* places among the citations, the best first */
    size_t cite_count;
} eng_grounded;

/* Of a passage, the sentence that supports. */
typedef struct {
    size_t candidate;
    size_t start, end; /* bytes of the document */
    double score;
} eng_ground;

typedef struct {
    eng_grounded *sentences;
    size_t count;
    eng_ground *grounds;
    size_t ground_count;
    size_t supported; /* sentences that are */
    bool refused;     /* the answer says that it has none */
} eng_grounding;

typedef struct {
    eng_str answer;
    eng_str question; /* what it names may be repeated */
    eng_language language;
    const eng_candidate *passages;
    const bool *used; /* those that count; NULL: all */
    size_t count;
    const eng_rag_encoder
        *encoder; /* for what words alone do not decide; may be NULL, or have no dim */
} eng_ground_request;

/*
 * A sentence is supported where one passage, or two together, hold every number, date and name in it, and
 * most of its words that say something; where these are in other words, its meaning has to be near that of
 * a sentence there. Numbers are equal however they are written ("1.000,00", "mil", "1000"). In the arena.
 */
eng_status eng_ground_answer(eng_analyzer *analyzer, const eng_ground_request *what,
                             eng_arena *arena, eng_grounding *out, eng_error *err) ENG_MUST_CHECK;

#endif
