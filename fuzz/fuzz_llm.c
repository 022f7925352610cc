/* Streams of model servers: the first byte chooses the form, the second how large the pieces are. */
#include "llm/llm.h"

#include <assert.h>

static eng_status take(void *ctx, eng_str piece, eng_error *err)
{
    (void)err;
    *(size_t *)ctx += piece.len;
    return ENG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_llm_reader r;
    eng_status status = ENG_OK;
    size_t got = 0;
    if (size < 2)
        return 0;
    eng_llm_form form = (eng_llm_form)(data[0] % 3);
    size_t step = data[1] ? data[1] : 256;
    eng_llm_reader_init(&r, data[0] & 4 ? ENG_LLM_OLLAMA : ENG_LLM_OPENAI, form);
    r.text = take;
    r.ctx = &got;
    eng_str rest = {(const char *)data + 2, size - 2};
    for (; rest.len && status == ENG_OK; rest = eng_str_sub(rest, step, rest.len))
        status = eng_llm_reader_feed(&r, eng_str_sub(rest, 0, step), NULL);
    if (status == ENG_OK)
        status = eng_llm_reader_end(&r, NULL);
    assert(got <= ENG_LLM_TEXT_MAX);
    assert(status != ENG_OK || r.ended);
    eng_llm_reader_clear(&r);
    return 0;
}
