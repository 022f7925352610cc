/*
 * Language models that others serve, behind one interface.
 *
 *     chain.c     ENGENHO_LLM: which providers, in which order
 *     stream.c    what providers send (server-sent events, lines of JSON) -> pieces of text
 *     request.c   what they are sent
 *     call.c      one question to one provider: tried again, its model found or pulled
 *     relay.c     a request that is passed on as it is
 *
 * A chain is tried in order by its owner (engine/ask.c), which knows what to do between two providers:
 * `extract` among them stands for the answerer that needs no model, and is the owner's business.
 *
 *     eng_llm_new(&options, &llm, err)
 *     eng_llm_begin(llm, &call, err)      text(...) for each piece, then done(...), from llm's thread
 *     eng_llm_free(llm)                   what is under way ends with ENG_ECANCELLED
 */
#ifndef ENG_LLM_H
#define ENG_LLM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/json.h"

/* ---- Providers ------------------------------------------------------------------------------------ */

typedef enum { ENG_LLM_EXTRACT, ENG_LLM_OPENAI, ENG_LLM_OLLAMA } eng_llm_kind;
/* "extract", "openai", "ollama" */
const char *eng_llm_kind_name(eng_llm_kind kind);

typedef struct {
    eng_llm_kind kind;
    eng_str url;   /* without a slash at its end; empty for extract */
    eng_str model; /* empty: whatever the provider has first */
} eng_llm_provider;

/* Any of them may be NULL or 0. Texts that are empty are as good as NULL. */
typedef struct {
    const char *chain;      /* ENGENHO_LLM: "ollama:URL#model,openai:URL#model,extract" */
    const char *ollama_url; /* OLLAMA_BASE_URL: without a chain, that and then extract */
    const char *openai_url; /* OPENAI_API_BASE: likewise */
    const char *model;      /* MODEL: of those two, and of what names none in the chain */
    const char *key;        /* OPENAI_API_KEY: sent to openai providers */
    unsigned
        timeout_s; /* how long a provider may be silent; 0: 120. Ten times that for the whole */
    unsigned context_tokens; /* that a prompt and its answer may have; 0: 8,192 */
    bool pull;               /* a model that Ollama does not have is pulled */
} eng_llm_options;

typedef struct eng_llm eng_llm;

/* ENG_EUSAGE: an entry that is none of these, with its name. */
eng_status eng_llm_new(const eng_llm_options *options, eng_llm **out,
                       eng_error *err) ENG_MUST_CHECK;
/* What is under way ends with ENG_ECANCELLED, and nothing can be begun any more. */
void eng_llm_stop(eng_llm *l);
/* Stops, too. */
void eng_llm_free(eng_llm *l);

size_t eng_llm_count(const eng_llm *l); /* 1 at least */
const eng_llm_provider *eng_llm_at(const eng_llm *l, size_t i);
unsigned eng_llm_context(const eng_llm *l);

/* ---- A question to a provider ------------------------------------------------------------------------ */

enum {
    ENG_LLM_TEXT_MAX = 256 << 10, /* of an answer: what is longer is no answer */
    ENG_LLM_REPLY_TOKENS = 1024   /* asked for where a call does not say */
};

typedef enum { ENG_LLM_SYSTEM, ENG_LLM_USER, ENG_LLM_ASSISTANT } eng_llm_role;
const char *eng_llm_role_name(eng_llm_role role);

typedef struct {
    eng_llm_role role;
    eng_str text;
} eng_llm_message;

typedef struct {
    eng_str model; /* that was asked */
    uint64_t prompt_tokens;
    uint64_t completion_tokens; /* both as the provider counts, else an estimate */
    bool cut;                   /* it stopped for want of room */
} eng_llm_result;

typedef struct {
    size_t provider;                 /* not an extract */
    eng_str model;                   /* ptr NULL: the provider's */
    const eng_llm_message *messages; /* stay until done, as ctx does */
    size_t count;
    unsigned tokens_max;  /* of the answer; 0: ENG_LLM_REPLY_TOKENS */
    unsigned retries;     /* where nobody is reached, or it is too busy (429, 502, 503) */
    unsigned patience_ms; /* longest wait between two tries that Retry-After may ask for */
    /* Valid UTF-8, in pieces as they come; an error ends the call and is its own. */
    eng_status (*text)(void *ctx, eng_str piece, eng_error *err);
    /* Once. result is NULL where it failed: ENG_EUPSTREAM, ENG_ETIMEOUT, ENG_EBUSY (429),
     * ENG_ECANCELLED; ENG_ETOOBIG where the prompt is more than the model can read. */
    void (*done)(void *ctx, const eng_llm_result *result, const eng_error *err);
    bool (*cancelled)(void *ctx); /* nobody waits any more; may be NULL */
    void *ctx;
} eng_llm_call;

/* The callbacks come from another thread, maybe before this returns, and only where it returns ENG_OK. */
eng_status eng_llm_begin(eng_llm *l, const eng_llm_call *call, eng_error *err) ENG_MUST_CHECK;
/* Somebody may have gone: every call is asked whether it is cancelled. */
void eng_llm_nudge(eng_llm *l);

/* ---- Passing on -------------------------------------------------------------------------------------- */

/* A request as it came, to the first provider that speaks its language, whose answer goes back as it is. */
typedef struct {
    bool ollama;      /* a route of Ollama's own; else one of OpenAI's, which Ollama speaks too */
    const char *path; /* behind the URL: "/chat/completions", "/api/chat" */
    eng_str body;
    /* type is the answer's, with the first piece and every other. */
    eng_status (*data)(void *ctx, int status, eng_str type, eng_str bytes, eng_error *err);
    void (*done)(void *ctx, int status, const eng_error *err);
    bool (*cancelled)(void *ctx);
    void *ctx;
} eng_llm_relay;

/* ENG_ENOTFOUND: the chain has no such provider. */
eng_status eng_llm_relay_begin(eng_llm *l, const eng_llm_relay *relay,
                               eng_error *err) ENG_MUST_CHECK;

/* ---- What they send (stream.c): for tests and fuzzers too ----------------------------------------------- */

/*
 * Reads an answer as it comes, in pieces of any size: server-sent events of OpenAI's chat, lines of
 * Ollama's, or the same as one JSON value.
 */
typedef enum { ENG_LLM_SSE, ENG_LLM_LINES, ENG_LLM_WHOLE } eng_llm_form;

typedef struct {
    eng_llm_form form;
    eng_llm_kind kind;
    eng_status (*text)(void *ctx, eng_str piece, eng_error *err);
    void *ctx;
    /* What it has said so far. */
    bool ended;    /* it said that this was all */
    bool cut;      /* for want of room */
    bool overflow; /* its error says that the prompt was too long */
    uint64_t prompt_tokens, completion_tokens;
    size_t text_bytes;
    /* Its own. */
    eng_buf line, event;
    eng_arena arena;
} eng_llm_reader;

void eng_llm_reader_init(eng_llm_reader *r, eng_llm_kind kind, eng_llm_form form);
void eng_llm_reader_clear(eng_llm_reader *r);
/* ENG_EUPSTREAM for what is no such stream, for text that is no UTF-8, for an error that it tells of,
 * and for more than ENG_LLM_TEXT_MAX of text. */
eng_status eng_llm_reader_feed(eng_llm_reader *r, eng_str bytes, eng_error *err) ENG_MUST_CHECK;
/* The connection's end. ENG_EUPSTREAM where it came too early. */
eng_status eng_llm_reader_end(eng_llm_reader *r, eng_error *err) ENG_MUST_CHECK;
/* An error in either form as words, into out; empty where there are none. *overflow: see above. */
void eng_llm_error_words(eng_str body, eng_arena *arena, eng_str *out, bool *overflow);

/* A text's tokens, where nobody says how the model counts: rather too many than too few. */
size_t eng_llm_estimate(eng_str text);

#endif
