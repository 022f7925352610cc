/* What the files of llm share. */
#ifndef ENG_LLM_INTERNAL_H
#define ENG_LLM_INTERNAL_H

#include "llm/llm.h"
#include "net/net.h"

#include <pthread.h>

struct eng_llm {
    eng_arena arena; /* of the chain's texts */
    eng_llm_provider *providers;
    size_t count;
    char *key;          /* "Authorization: Bearer ...", or NULL */
    unsigned timeout_s; /* of silence */
    unsigned context;
    bool pull;
    eng_http_flows *flows;
    pthread_mutex_t lock;
    char **found; /* with the lock: the model that each provider without one has */
};

/* The body of a chat, streamed. */
eng_status eng_llm_chat_body(const eng_llm *l, const eng_llm_call *call, eng_str model,
                             eng_buf *out, eng_error *err) ENG_MUST_CHECK;

#endif
