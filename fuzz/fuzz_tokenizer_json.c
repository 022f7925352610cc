/*
 * A tokenizer.json in which every field may lie. What is accepted must encode texts of every kind within
 * what it promises: ids below eng_tokenizer_ids, spans inside of the text, no more tokens than asked for.
 */
#include "base/alloc.h"
#include "text/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_tokens(const eng_tokenizer *t, const eng_tokens *got, size_t text_len,
                         size_t pair_len)
{
    size_t longest = text_len > pair_len ? text_len : pair_len;
    for (size_t i = 0; i < got->count; i++) {
        check(got->ids[i] < eng_tokenizer_ids(t));
        check(got->spans[i].from <= longest && got->spans[i].to <= longest);
    }
    for (size_t i = 0; i < got->seq_count; i++)
        check(got->seqs[i].first + got->seqs[i].count <= got->count);
}

static void encode(const eng_tokenizer *t, eng_str text, eng_str pair)
{
    static const eng_token_options options[] = {
        {.whole = true}, {.max = 7}, {.max = 16, .bare = true}, {0}};
    eng_tokens got;
    eng_tokens_init(&got);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        size_t before = got.count;
        if (eng_tokenizer_add(t, text, pair, &options[i], &got, NULL) < 0)
            check(got.count == before);
        else
            check(!options[i].max || got.count - before <= options[i].max);
    }
    check_tokens(t, &got, text.len, pair.len);
    eng_tokens_clear(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] =
        "Ol\xC3\xA1,  mundo! [MASK] <s> a\xCC\x81\xE3\x80\xAE\xCC\xB4 \xEF\xAC\x81\xE2\x84\xA2 "
        "\xE6\x97\xA5\xE6\x9C\xAC \xEA\xB0\x81 abcabc\x01 \xFF\xE2\x82 "
        "\xF0\x9F\x91\xA9\xE2\x80\x8D";
    eng_tokenizer *t = NULL;
    if (eng_tokenizer_read((eng_str){(const char *)data, size}, &t, NULL) < 0)
        return 0;
    for (uint32_t id = 0; id < 4; id++)
        check(eng_tokenizer_token(t, id).ptr != NULL);
    encode(t, (eng_str){text, sizeof text}, ENG_NO_PAIR);
    encode(t, (eng_str){text, 20}, (eng_str){text, sizeof text - 1});
    encode(t, (eng_str){(const char *)data, size < 200 ? size : 200}, ENG_NO_PAIR);
    eng_tokenizer_free(t);
    return 0;
}
