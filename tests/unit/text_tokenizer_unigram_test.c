/* Each test names a promise of the tokenizers' part of src/text/text.h, for SentencePiece's kind, and of
 * what is refused. */
#include "test.h"
#include "text_tokenizer_help.h"

static eng_tokenizer *opened(eng_str json)
{
    eng_tokenizer *t = NULL;
    eng_error err;
    assert_ok(eng_tokenizer_read(json, &t, &err), err);
    return t;
}

typedef struct {
    uint32_t id, from, to;
} token;

static void expect(const eng_tokenizer *t, eng_str text, const token *want, size_t count)
{
    eng_tokens got;
    eng_error err;
    eng_tokens_init(&got);
    assert_ok(eng_tokenizer_add(t, text, ENG_NO_PAIR, NULL, &got, &err), err);
    for (size_t i = 0; i < got.count && i < count; i++) {
        if (got.ids[i] != want[i].id || got.spans[i].from != want[i].from ||
            got.spans[i].to != want[i].to)
            fail_msg("'%.*s', token %zu: got %u at %u-%u, expected %u at %u-%u", ENG_FMT(text), i,
                     got.ids[i], got.spans[i].from, got.spans[i].to, want[i].id, want[i].from,
                     want[i].to);
    }
    assert_int_equal(got.count, count);
    eng_tokens_clear(&got);
}

#define EXPECT(t, text, ...)                                                                       \
    do {                                                                                           \
        static const token want_[] = {__VA_ARGS__};                                                \
        expect(t, ENG_STR(text), want_, sizeof want_ / sizeof want_[0]);                           \
    } while (0)

/* ---- The model ---- */

static void takes_the_tokens_that_are_worth_most(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(ENG_STR(HELP_UNIGRAM_NFKC));
    EXPECT(t, "abc ab", {6, 0, 3}, {2, 4, 5}, {4, 5, 6});
    EXPECT(t, "aab", {2, 0, 1}, {5, 1, 3});
    eng_tokenizer_free(t);
}

static void takes_what_is_unknown_together(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(ENG_STR(HELP_UNIGRAM_NFKC));
    EXPECT(t, "axy\xE6\x97\xA5 x", {2, 0, 1}, {0, 1, 6}, {1, 7, 8}, {0, 7, 8});
    eng_tokenizer_free(t);
}

static void spells_in_bytes_what_is_unknown(void **state)
{
    (void)state;
    eng_buf json;
    eng_buf_init(&json, 1 << 20);
    eng_buf_str(&json, ENG_STR("{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":"
                               "true,\"vocab\":[[\"<unk>\",0],[\"a\",-1]"));
    for (unsigned i = 0; i < 256; i++)
        eng_buf_format(&json, ",[\"<0x%02X>\",-9]", i);
    eng_buf_str(&json, ENG_STR("]}}"));
    eng_tokenizer *t = opened(eng_buf_view(&json));
    EXPECT(t,
           "a\xC3\xA9"
           "a",
           {1, 0, 1}, {2 + 0xC3, 1, 3}, {2 + 0xA9, 1, 3}, {1, 3, 4});
    eng_tokenizer_free(t);
    eng_buf_clear(&json);
}

static void where_a_byte_has_no_token_it_is_unknown_after_all(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(ENG_STR("{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
                                      "\"byte_fallback\":true,\"vocab\":[[\"<unk>\",0],"
                                      "[\"a\",-1],[\"<0xC3>\",-9],[\"<0x62>\",-9]]}}"));
    EXPECT(t, "\xC3\xA9", {0, 0, 2});
    EXPECT(t, "ba", {3, 0, 1}, {1, 1, 2});
    eng_tokenizer_free(t);
}

static void without_an_unknown_token_it_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(ENG_STR(HELP_UNIGRAM("", HELP_METASPACE, "\"unk_id\":null,")));
    eng_tokens got;
    eng_error err;
    eng_tokens_init(&got);
    EXPECT(t, "abc", {6, 0, 3});
    assert_int_equal(eng_tokenizer_add(t, ENG_STR("x"), ENG_NO_PAIR, NULL, &got, &err),
                     ENG_EINVALID);
    assert_int_equal(got.seq_count, 0);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

/* ---- Normalisers ---- */

static void applies_a_precompiled_map(void **state)
{
    (void)state;
    eng_buf json;
    eng_buf_init(&json, 1 << 20);
    help_xlmr(&json);
    eng_tokenizer *t = opened(eng_buf_view(&json));
    EXPECT(t, "a\xEF\xAC\x81", {2, 0, 1}, {10, 1, 4}); /* ﬁ: both letters stand for it */
    EXPECT(t, "b\xE2\x84\xA2  1", {1, 0, 1}, {4, 0, 1}, {11, 1, 4}, {1, 6, 7}, {8, 6, 7});
    EXPECT(t, "ba\xCC\x81", {1, 0, 1}, {4, 0, 1}, {9, 1, 2}); /* á, where the a stood */
    /* A mark behind what has a replacement of its own goes with it, as it did in training. */
    EXPECT(t,
           "\xC2\xAA\xCC\x81"
           "b",
           {2, 0, 2}, {4, 4, 5});
    /* What is removed counts to the character before it; in front it shifts all others. */
    EXPECT(t,
           "a\x01"
           "b",
           {2, 0, 1}, {4, 2, 3});
    EXPECT(t,
           "\x01"
           "ab",
           {2, 0, 1}, {4, 1, 2});
    eng_tokenizer_free(t);
    eng_buf_clear(&json);
}

static void keeps_places_through_normal_forms(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(ENG_STR(HELP_UNIGRAM_NFKC));
    EXPECT(t, "ba\xCC\x81", {1, 0, 1}, {4, 0, 1}, {9, 1, 2});
    EXPECT(t, "b\xEF\xBC\x91", {1, 0, 1}, {4, 0, 1}, {8, 1, 4});
    EXPECT(t, "b\xEF\xAC\x81", {1, 0, 1}, {4, 0, 1}, {10, 1, 4});
    eng_tokenizer_free(t);
}

/* Marks in the wrong order by the hundred thousand: in order, and soon. */
static void a_long_run_of_marks_takes_no_square_of_time(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(ENG_STR(HELP_UNIGRAM_NFKC));
    eng_tokens got;
    eng_error err;
    size_t count = 200000;
    char *text = malloc(count * 4);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * 4, i % 2 ? "\xCC\x81\xCC\xB4" : "\xCC\xA3\xCC\x80", 4);
    eng_tokens_init(&got);
    assert_ok(eng_tokenizer_add(t, (eng_str){text, count * 4}, ENG_NO_PAIR, NULL, &got, &err), err);
    assert_int_equal(got.count, 2); /* a blank in front, and all else unknown */
    free(text);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void a_long_text_that_is_cut_begins_as_the_whole_one_does(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(ENG_STR(HELP_UNIGRAM_NFKC));
    eng_tokens whole, cut;
    eng_error err;
    static const char words[] = "abc a ab x\xEF\xAC\x81  c b\xCC\x81 1 ";
    eng_buf text;
    eng_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < 2000; i++)
        eng_buf_bytes(&text, words, sizeof words - 1);
    eng_tokens_init(&whole);
    eng_tokens_init(&cut);
    assert_ok(eng_tokenizer_add(t, eng_buf_view(&text), ENG_NO_PAIR, NULL, &whole, &err), err);
    for (size_t max = 1; max < 400; max += 37) {
        eng_token_options options = {.max = max};
        eng_tokens_reset(&cut);
        assert_ok(eng_tokenizer_add(t, eng_buf_view(&text), ENG_NO_PAIR, &options, &cut, &err),
                  err);
        assert_int_equal(cut.count, max);
        assert_true(cut.seqs[0].truncated);
        assert_memory_equal(cut.ids, whole.ids, max * sizeof *cut.ids);
        assert_memory_equal(cut.spans, whole.spans, max * sizeof *cut.spans);
    }
    eng_tokens_clear(&whole);
    eng_tokens_clear(&cut);
    eng_buf_clear(&text);
    eng_tokenizer_free(t);
}

/* ---- What is refused ---- */

static void assert_refused(eng_str json, eng_status status, const char *message)
{
    eng_tokenizer *t = NULL;
    eng_error err;
    assert_int_equal(eng_tokenizer_read(json, &t, &err), status);
    if (!strstr(err.message, message))
        fail_msg("expected '%s' in '%s'", message, err.message);
    assert_null(t);
}

#define WITH(member) ENG_STR("{" member "," HELP_BERT_MODEL "}")

static void names_what_it_does_not_know(void **state)
{
    (void)state;
    assert_refused(ENG_STR("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}"),
                   ENG_EUNSUPPORTED, "'BPE'");
    assert_refused(ENG_STR("{\"model\":{\"vocab\":{},\"merges\":[]}}"), ENG_EUNSUPPORTED, "'BPE'");
    assert_refused(WITH("\"normalizer\":{\"type\":\"ByteLevel\"}"), ENG_EUNSUPPORTED,
                   "normalizer of the type 'ByteLevel'");
    assert_refused(WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a|b\"},"
                        "\"content\":\"\"}"),
                   ENG_EUNSUPPORTED, "'a|b'");
    assert_refused(WITH("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
                        "\"Digits\"}]}"),
                   ENG_EUNSUPPORTED, "pre_tokenizer of the type 'Digits'");
    assert_refused(WITH("\"post_processor\":{\"type\":\"ByteLevel\"}"), ENG_EUNSUPPORTED,
                   "post_processor of the type 'ByteLevel'");
}

static void names_the_field_that_is_wrong(void **state)
{
    (void)state;
    assert_refused(ENG_STR("[]"), ENG_EMALFORMED, "expected an object");
    assert_refused(ENG_STR("{\"model\":"), ENG_EMALFORMED, "expected a value");
    assert_refused(ENG_STR("{}"), ENG_EMALFORMED, "model: missing");
    assert_refused(ENG_STR("{\"model\":{\"type\":\"WordPiece\"}}"), ENG_EMALFORMED,
                   "unk_token: missing");
    assert_refused(ENG_STR("{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"x\",\"continuing_"
                           "subword_prefix\":\"\",\"max_input_chars_per_word\":9,\"vocab\":{}}}"),
                   ENG_EMALFORMED, "'x' is not in the vocabulary");
    assert_refused(ENG_STR("{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"x\",\"continuing_"
                           "subword_prefix\":\"\",\"max_input_chars_per_word\":9,\"vocab\":{\"x\":"
                           "4000000000}}}"),
                   ENG_EMALFORMED, "the id of 'x'");
    assert_refused(ENG_STR("{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"x\",\"continuing_"
                           "subword_prefix\":\"\",\"max_input_chars_per_word\":9,\"vocab\":{\"x\":"
                           "1,\"y\":1}}}"),
                   ENG_EMALFORMED, "the same id");
    assert_refused(ENG_STR("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"x\",\"y\"]]}}"),
                   ENG_EMALFORMED, "entry 0");
    assert_refused(ENG_STR("{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"x\",0]]}}"),
                   ENG_EMALFORMED, "unk_id");
    assert_refused(WITH("\"truncation\":{\"max_length\":-1}"), ENG_EMALFORMED, "max_length");
    assert_refused(WITH("\"added_tokens\":[{\"content\":\"x\"}]"), ENG_EMALFORMED, "single_word");
    assert_refused(WITH("\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",21],"
                        "\"cls\":[\"c\",0]}"),
                   ENG_EMALFORMED, "none of the vocabulary's");
    assert_refused(WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"}"),
                   ENG_EMALFORMED, "not base64");
    assert_refused(WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
                        "\"////fwA=\"}"),
                   ENG_EMALFORMED, "not all there");
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_tokenizer *t;
    eng_tokens got;
    eng_status status;
    eng_buf json;
    eng_buf_init(&json, 1 << 20);
    help_xlmr(&json);
    assert_survives_no_memory(status, {
        t = NULL;
        eng_tokens_init(&got);
        status = eng_tokenizer_read(eng_buf_view(&json), &t, NULL);
        if (status == ENG_OK)
            status = eng_tokenizer_add(t, ENG_STR("a\xEF\xAC\x81  x\xCC\x81"), ENG_NO_PAIR, NULL,
                                       &got, NULL);
        eng_tokens_clear(&got);
        eng_tokenizer_free(t);
    });
    eng_buf_clear(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_tokens_that_are_worth_most),
        cmocka_unit_test(takes_what_is_unknown_together),
        cmocka_unit_test(spells_in_bytes_what_is_unknown),
        cmocka_unit_test(where_a_byte_has_no_token_it_is_unknown_after_all),
        cmocka_unit_test(without_an_unknown_token_it_refuses_what_it_does_not_know),
        cmocka_unit_test(applies_a_precompiled_map),
        cmocka_unit_test(keeps_places_through_normal_forms),
        cmocka_unit_test(a_long_run_of_marks_takes_no_square_of_time),
        cmocka_unit_test(a_long_text_that_is_cut_begins_as_the_whole_one_does),
        cmocka_unit_test(names_what_it_does_not_know),
        cmocka_unit_test(names_the_field_that_is_wrong),
        cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
