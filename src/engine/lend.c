/* The encoder of a collection, as rag takes it: by name, through the queue that all share. */
#include "base/error.h"
#include "engine/knowledge.h"

static size_t words_of(void *ctx, eng_str text)
{
    (void)ctx;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += (unsigned char)text.ptr[i] > ' ' && (i == 0 || (unsigned char)text.ptr[i - 1] <= ' ');
    return n;
}

/* Where a tokenizer has nothing to say of a text (no memory, a text beyond its limit), a bound stands
 * in: no text has more tokens than bytes. */
static size_t tokens_of(void *ctx, eng_str text)
{
    eng_lent_encoder *lent = ctx;
    size_t n = 0;
    return eng_encoder_count(lent->model->encoder, text, &lent->tokens, &n, NULL) == ENG_OK
               ? n
               : text.len;
}

static eng_status encode(void *ctx, const eng_str *texts, size_t count, bool query, float *out,
                         eng_error *err)
{
    eng_lent_encoder *lent = ctx;
    eng_embed what = {.model = lent->name,
                      .texts = texts,
                      .count = count,
                      .prompt = query ? ENG_PROMPT_QUERY : ENG_PROMPT_PASSAGE,
                      .bulk = lent->bulk,
                      .cancelled = lent->cancelled,
                      .x = lent->ctx};
    eng_embeddings *result = NULL;
    eng_status status = eng_embed_texts(lent->e, &what, &result, err);
    if (status < 0)
        return status;
    memcpy(out, result->vectors, count * result->dimensions * sizeof *out);
    eng_embeddings_free(result);
    return ENG_OK;
}

eng_status eng_encoder_lend(eng *e, const char *model, eng_lent_encoder *lent, eng_rag_encoder *out,
                            eng_error *err)
{
    *lent = (eng_lent_encoder){.e = e, .name = eng_str_of(model)};
    eng_tokens_init(&lent->tokens);
    if (!model[0]) {
        *out = (eng_rag_encoder){.count = words_of, .ctx = lent};
        return ENG_OK;
    }
    eng_status status = eng_embedder_hold(e, lent->name, &lent->model, err);
    if (status < 0)
        return status;
    const eng_encoder_info *info = eng_encoder_about(lent->model->encoder);
    *out = (eng_rag_encoder){.dim = info->dimensions,
                             .max_tokens = info->tokens_max,
                             .count = tokens_of,
                             .encode = encode,
                             .ctx = lent};
    return ENG_OK;
}

void eng_encoder_back(eng_lent_encoder *lent)
{
    if (lent->model)
        eng_embedder_release(lent->e, lent->model);
    lent->model = NULL;
    eng_tokens_clear(&lent->tokens);
}
