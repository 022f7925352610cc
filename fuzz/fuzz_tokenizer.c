/*
 * Texts through a WordPiece and three Unigram tokenizers. Spans lie inside of the text; a sequence that
 * is cut is the beginning of the whole one; and BERT's one pass gives what the general way gives.
 */
#include "../tests/unit/text_tokenizer_help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { FAST, SLOW, NFKC, XLMR, PLAIN, TOKENIZERS };
static eng_tokenizer *tokenizers[TOKENIZERS];
static eng_tokens results[2];

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    eng_buf xlmr;
    eng_buf_init(&xlmr, 1 << 20);
    help_xlmr(&xlmr);
    const eng_str files[TOKENIZERS] = {ENG_STR(HELP_BERT_FAST), ENG_STR(HELP_BERT_SLOW),
                                       ENG_STR(HELP_UNIGRAM_NFKC), eng_buf_view(&xlmr),
                                       ENG_STR(HELP_UNIGRAM("", "", "\"unk_id\":0,"))};
    for (size_t i = 0; i < TOKENIZERS; i++)
        check(eng_tokenizer_read(files[i], &tokenizers[i], NULL) == ENG_OK);
    eng_buf_clear(&xlmr);
    return 0;
}

/* A block of its own for the text, so that what reads past its end is seen. */
static void encode(size_t which, eng_str text, const eng_token_options *options, eng_tokens *out)
{
    eng_tokens_reset(out);
    check(eng_tokenizer_add(tokenizers[which], text, ENG_NO_PAIR, options, out, NULL) == ENG_OK);
    for (size_t i = 0; i < out->count; i++)
        check(out->spans[i].from <= out->spans[i].to && out->spans[i].to <= text.len);
}

static void check_same(const eng_tokens *a, const eng_tokens *b, size_t count)
{
    check(memcmp(a->ids, b->ids, count * sizeof *a->ids) == 0);
    check(memcmp(a->spans, b->spans, count * sizeof *a->spans) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_str text = {(const char *)data, size};
    const eng_token_options whole = {.bare = true}, cut = {.bare = true, .max = 5};
    for (size_t i = 0; i < TOKENIZERS; i++) {
        encode(i, text, &whole, &results[0]);
        encode(i, text, &cut, &results[1]);
        size_t count = results[0].count < 5 ? results[0].count : 5;
        check(results[1].count == count);
        check(results[1].seqs[0].truncated == (results[0].count > 5));
        if (count)
            check_same(&results[0], &results[1], count);
    }
    encode(FAST, text, &whole, &results[0]);
    encode(SLOW, text, &whole, &results[1]);
    check(results[0].count == results[1].count);
    if (results[0].count)
        check_same(&results[0], &results[1], results[0].count);
    return 0;
}
