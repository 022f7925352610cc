/* Each test names a promise of the tokenizers' part of src/text/text.h, for BERT's kind. */
#include "test.h"
#include "text_tokenizer_help.h"

#include <pthread.h>

static eng_tokenizer *opened(const char *json)
{
    eng_tokenizer *t = NULL;
    eng_error err;
    assert_ok(eng_tokenizer_read(eng_str_of(json), &t, &err), err);
    return t;
}

typedef struct {
    uint32_t id, from, to, type;
} token;

static void assert_tokens(const eng_tokens *got, size_t seq, const token *want, size_t count)
{
    assert_int_equal(got->seqs[seq].count, count);
    for (size_t i = 0; i < count; i++) {
        size_t k = got->seqs[seq].first + i;
        if (got->ids[k] != want[i].id || got->spans[k].from != want[i].from ||
            got->spans[k].to != want[i].to || got->types[k] != want[i].type)
            fail_msg("token %zu: got %u at %u-%u type %u, expected %u at %u-%u type %u", i,
                     got->ids[k], got->spans[k].from, got->spans[k].to, got->types[k], want[i].id,
                     want[i].from, want[i].to, want[i].type);
    }
}

#define EXPECT(got, seq, ...)                                                                      \
    do {                                                                                           \
        static const token want_[] = {__VA_ARGS__};                                                \
        assert_tokens(&(got), seq, want_, sizeof want_ / sizeof want_[0]);                         \
    } while (0)

static void add(const eng_tokenizer *t, eng_str text, const eng_token_options *options,
                eng_tokens *out)
{
    eng_error err;
    assert_ok(eng_tokenizer_add(t, text, ENG_NO_PAIR, options, out, &err), err);
}

/* ---- What comes out ---- */

static void gives_ids_and_bytes_of_the_text(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    add(t, ENG_STR("Ol\xC3\xA1, Mundos."), NULL, &got);
    EXPECT(got, 0, {2, 0, 0, 0}, {4, 0, 4, 0}, {13, 4, 5, 0}, {5, 6, 11, 0}, {6, 11, 12, 0},
           {14, 12, 13, 0}, {3, 0, 0, 0});
    assert_false(got.seqs[0].truncated);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void lays_sequences_end_to_end(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    add(t, ENG_STR("a"), NULL, &got);
    add(t, ENG_STR(""), NULL, &got);
    add(t, ENG_STR("ab"), NULL, &got);
    assert_int_equal(got.seq_count, 3);
    assert_int_equal(got.count, 3 + 2 + 4);
    assert_int_equal(got.seqs[1].first, 3);
    EXPECT(got, 1, {2, 0, 0, 0}, {3, 0, 0, 0});
    EXPECT(got, 2, {2, 0, 0, 0}, {9, 0, 1, 0}, {12, 1, 2, 0}, {3, 0, 0, 0});
    eng_tokens_reset(&got);
    assert_int_equal(got.count + got.seq_count, 0);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void gives_pairs_types_and_offsets_of_their_own(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_error err;
    eng_tokens_init(&got);
    assert_ok(eng_tokenizer_add(t, ENG_STR("a"), ENG_STR(" b"), NULL, &got, &err), err);
    EXPECT(got, 0, {2, 0, 0, 0}, {9, 0, 1, 0}, {3, 0, 0, 0}, {11, 1, 2, 1}, {3, 0, 0, 1});
    assert_ok(eng_tokenizer_add(t, ENG_STR("a"), ENG_STR(""), NULL, &got, &err), err);
    EXPECT(got, 1, {2, 0, 0, 0}, {9, 0, 1, 0}, {3, 0, 0, 0}, {3, 0, 0, 1});
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void finds_added_tokens_before_the_model_does(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    add(t, ENG_STR("a[MASK]b [mask]"), &(eng_token_options){.bare = true}, &got);
    EXPECT(got, 0, {9, 0, 1, 0}, {18, 1, 7, 0}, {11, 7, 8, 0}, {1, 9, 10, 0}, {1, 10, 14, 0},
           {1, 14, 15, 0});
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void widens_added_tokens_and_asks_for_single_words(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(
        HELP_BERT(HELP_ADDED("30", "<x>",
                             "\"single_word\":false,\"lstrip\":true,\"rstrip\":true,\"normalized\":"
                             "false") "," HELP_ADDED("31", "ab",
                                                     "\"single_word\":true,\"lstrip\":false,"
                                                     "\"rstrip\":false,\"normalized\":false"),
                  ""));
    eng_tokens got;
    eng_tokens_init(&got);
    assert_int_equal(eng_tokenizer_ids(t), 23);
    add(t, ENG_STR("a <x>  b ab aba"), &(eng_token_options){.bare = true}, &got);
    EXPECT(got, 0, {9, 0, 1, 0}, {21, 1, 7, 0}, {11, 7, 8, 0}, {22, 9, 11, 0}, {9, 12, 13, 0},
           {12, 13, 14, 0}, {10, 14, 15, 0});
    assert_str_view(eng_tokenizer_token(t, 21), "<x>");
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

/* ---- Bad input ---- */

static void reads_wrong_bytes_as_a_replacing_decoder_does(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    /* U+FFFD is dropped, so a word goes on behind it; an E2 82 is one of them, as is each byte of C0 80. */
    add(t,
        ENG_STR("a\xE2\x82"
                "b\xC0\x80."),
        &(eng_token_options){.bare = true}, &got);
    EXPECT(got, 0, {9, 0, 1, 0}, {12, 3, 4, 0}, {14, 6, 7, 0});
    add(t, (eng_str){"a\0b", 3}, &(eng_token_options){.bare = true}, &got);
    EXPECT(got, 1, {9, 0, 1, 0}, {12, 2, 3, 0});
    add(t, ENG_STR("\xCC\x81\xCC\x81 \xED\xA0\x80"), &(eng_token_options){.bare = true}, &got);
    assert_int_equal(got.seqs[2].count, 0);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void an_empty_text_is_its_special_tokens(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    add(t, (eng_str){NULL, 0}, NULL, &got);
    EXPECT(got, 0, {2, 0, 0, 0}, {3, 0, 0, 0});
    add(t, (eng_str){NULL, 0}, &(eng_token_options){.bare = true}, &got);
    assert_int_equal(got.seqs[1].count, 0);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void words_that_are_too_long_are_unknown(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    add(t, ENG_STR("aaaaaaaaaaaaaaaaaaaa"), &(eng_token_options){.bare = true}, &got);
    assert_int_equal(got.seqs[0].count, 20);
    add(t, ENG_STR("aaaaaaaaaaaaaaaaaaaaa b"), &(eng_token_options){.bare = true}, &got);
    EXPECT(got, 1, {1, 0, 21, 0}, {11, 22, 23, 0});
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void a_megabyte_is_cut_and_says_so(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    char *text = malloc(1 << 20);
    assert_non_null(text);
    for (size_t i = 0; i < 1 << 20; i++)
        text[i] = i % 2 ? ' ' : 'a';
    add(t, (eng_str){text, 1 << 20}, &(eng_token_options){.max = 128}, &got);
    assert_int_equal(got.seqs[0].count, 128);
    assert_true(got.seqs[0].truncated);
    assert_int_equal(got.spans[126].from, 250);
    eng_tokens_reset(&got);
    add(t, (eng_str){text, 1 << 20}, NULL, &got);
    assert_int_equal(got.count, (1 << 19) + 2);
    assert_false(got.seqs[0].truncated);
    free(text);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

/* ---- Limits ---- */

#define TRUNCATION(strategy, direction)                                                            \
    "\"truncation\":{\"max_length\":7,\"stride\":0,\"strategy\":\"" strategy                       \
    "\",\"direction\":\"" direction "\"},"

static void cuts_as_the_file_says_unless_told_otherwise(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT("", TRUNCATION("LongestFirst", "Right")));
    eng_tokens got;
    eng_tokens_init(&got);
    eng_str text = ENG_STR("a a a a a a a a");
    assert_int_equal(eng_tokenizer_max(t), 7);
    add(t, text, NULL, &got);
    add(t, text, &(eng_token_options){.max = 4}, &got);
    add(t, text, &(eng_token_options){.whole = true}, &got);
    add(t, text, &(eng_token_options){.bare = true}, &got);
    assert_int_equal(got.seqs[0].count, 7);
    assert_int_equal(got.seqs[1].count, 4);
    assert_int_equal(got.seqs[2].count, 10);
    assert_int_equal(got.seqs[3].count, 7);
    assert_true(got.seqs[1].truncated && !got.seqs[2].truncated);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void of_a_pair_the_longer_is_cut_first(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT("", TRUNCATION("LongestFirst", "Right")));
    eng_tokens got;
    eng_error err;
    eng_tokens_init(&got);
    assert_ok(eng_tokenizer_add(t, ENG_STR("a"), ENG_STR("b b b b b b"), NULL, &got, &err), err);
    EXPECT(got, 0, {2, 0, 0, 0}, {9, 0, 1, 0}, {3, 0, 0, 0}, {11, 0, 1, 1}, {11, 2, 3, 1},
           {11, 4, 5, 1}, {3, 0, 0, 1});
    /* Five are left for two long ones: the longer gets the odd one. */
    eng_token_options options = {.max = 8};
    assert_ok(
        eng_tokenizer_add(t, ENG_STR("a a a a a a"), ENG_STR("b b b b b"), &options, &got, &err),
        err);
    EXPECT(got, 1, {2, 0, 0, 0}, {9, 0, 1, 0}, {9, 2, 3, 0}, {9, 4, 5, 0}, {3, 0, 0, 0},
           {11, 0, 1, 1}, {11, 2, 3, 1}, {3, 0, 0, 1});
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void from_the_left_the_end_stays(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT("", TRUNCATION("LongestFirst", "Left")));
    eng_tokens got;
    eng_tokens_init(&got);
    add(t, ENG_STR("a a a b b b b b"), NULL, &got);
    EXPECT(got, 0, {2, 0, 0, 0}, {11, 6, 7, 0}, {11, 8, 9, 0}, {11, 10, 11, 0}, {11, 12, 13, 0},
           {11, 14, 15, 0}, {3, 0, 0, 0});
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void one_text_alone_is_cut_where_the_file_says_so(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT("", TRUNCATION("OnlySecond", "Right")));
    eng_tokens got;
    eng_error err;
    eng_tokens_init(&got);
    assert_ok(eng_tokenizer_add(t, ENG_STR("a a a"), ENG_STR("b b b"), NULL, &got, &err), err);
    assert_int_equal(got.seqs[0].count, 7);
    assert_int_equal(eng_tokenizer_add(t, ENG_STR("a a a a"), ENG_STR("b b"), NULL, &got, &err),
                     ENG_EINVALID);
    assert_int_equal(eng_tokenizer_add(t, ENG_STR("a a a a a a"), ENG_NO_PAIR, NULL, &got, &err),
                     ENG_EINVALID);
    assert_int_equal(got.seq_count, 1);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

static void a_limit_leaves_room_for_special_tokens_or_is_refused(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_error err;
    eng_tokens_init(&got);
    eng_token_options options = {.max = 1};
    assert_int_equal(eng_tokenizer_add(t, ENG_STR("a"), ENG_NO_PAIR, &options, &got, &err),
                     ENG_EINVALID);
    assert_non_null(strstr(err.message, "no room for 2 special"));
    options.max = 2;
    add(t, ENG_STR("a"), &options, &got);
    EXPECT(got, 0, {2, 0, 0, 0}, {3, 0, 0, 0});
    assert_true(got.seqs[0].truncated);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

/* ---- One pass and the general way ---- */

static void one_pass_gives_what_the_general_way_gives(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Ol\xC3\xA1 mundo",                       /* accents */
        "co\xCC\xA7rac\xCC\xA7\xC3\xA3o.",        /* marks behind letters */
        "\xE6\x97\xA5\xE6\x9C\xAC a\xE6\x97\xA5", /* ideographs */
        "a\xE3\x80\xAE\xCC\x81\xCC\xB4 b", /* a mark with a class that stays: the one that is left */
        "a\xC2\xA0\xE2\x80\x83"
        "b\xC2\xAD"
        "b",                                        /* blanks, and a soft hyphen that is dropped */
        "\xEA\xB0\x80\xEA\xB0\x81",                 /* Hangul, which becomes six characters */
        "\xC4\xB0stanbul \xE1\xBE\x82",             /* a dotted capital, marks in threes */
        "\xCD\xBE\xE1\xBF\xAF",                     /* characters that decompose into punctuation */
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA9 b", /* too long a word */
    };
    eng_tokenizer *fast = opened(HELP_BERT_FAST), *slow = opened(HELP_BERT_SLOW);
    eng_tokens a, b;
    eng_tokens_init(&a);
    eng_tokens_init(&b);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        add(fast, eng_str_of(texts[i]), NULL, &a);
        add(slow, eng_str_of(texts[i]), NULL, &b);
        assert_int_equal(a.seqs[i].count, b.seqs[i].count);
    }
    assert_memory_equal(a.ids, b.ids, a.count * sizeof *a.ids);
    assert_memory_equal(a.spans, b.spans, a.count * sizeof *a.spans);
    eng_tokens_clear(&a);
    eng_tokens_clear(&b);
    eng_tokenizer_free(fast);
    eng_tokenizer_free(slow);
}

static void accents_stay_where_the_file_keeps_them(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(
        "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":"
        "true,\"strip_accents\":false,\"lowercase\":true},\"pre_tokenizer\":{\"type\":"
        "\"BertPreTokenizer\"}," HELP_BERT_MODEL "}");
    eng_tokens got;
    eng_tokens_init(&got);
    add(t, ENG_STR("\xC3\x89 E"), NULL, &got);
    EXPECT(got, 0, {19, 0, 2, 0}, {20, 3, 4, 0});
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

/* ---- Names ---- */

static void names_tokens_and_finds_them(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    uint32_t id = 99;
    assert_true(eng_tokenizer_id(t, ENG_STR("##ndo"), &id));
    assert_int_equal(id, 7);
    assert_false(eng_tokenizer_id(t, ENG_STR("##nd"), &id));
    assert_false(eng_tokenizer_id(t, ENG_STR(""), &id));
    assert_int_equal(id, 7);
    assert_str_view(eng_tokenizer_token(t, 5), "mundo");
    assert_str_view(eng_tokenizer_token(t, 21), "");
    assert_int_equal(eng_tokenizer_ids(t), 21);
    eng_tokenizer_free(t);
}

/* ---- Threads ---- */

enum { THREADS = 4, TEXTS = 2000 };

static void *encode_many(void *shared)
{
    const eng_tokenizer *t = shared;
    eng_tokens got;
    eng_tokens_init(&got);
    for (size_t i = 0; i < TEXTS; i++) {
        eng_str text = ENG_STR("Ol\xC3\xA1 mundo, a b [MASK] \xE3\x80\xAE\xCC\x81");
        if (eng_tokenizer_add(t, eng_str_sub(text, i % 8, text.len), ENG_NO_PAIR, NULL, &got,
                              NULL) < 0)
            break;
    }
    size_t count = got.seq_count;
    eng_tokens_clear(&got);
    return (void *)(uintptr_t)count;
}

static void any_number_of_threads_may_use_one(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_many, t), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *count;
        assert_int_equal(pthread_join(threads[i], &count), 0);
        assert_int_equal((uintptr_t)count, TEXTS);
    }
    eng_tokenizer_free(t);
}

/* ---- Memory ---- */

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_tokenizer *t;
    eng_tokens got;
    eng_status status;
    assert_survives_no_memory(status, {
        t = NULL;
        eng_tokens_init(&got);
        status = eng_tokenizer_read(ENG_STR(HELP_BERT_SLOW), &t, NULL);
        if (status == ENG_OK)
            status = eng_tokenizer_add(t, ENG_STR("Ol\xC3\xA1 mundo [MASK]"), ENG_STR("a b"), NULL,
                                       &got, NULL);
        eng_tokens_clear(&got);
        eng_tokenizer_free(t);
    });
}

static void nothing_is_allocated_once_it_has_seen_the_longest_text(void **state)
{
    (void)state;
    eng_tokenizer *t = opened(HELP_BERT_FAST);
    eng_tokens got;
    eng_tokens_init(&got);
    eng_str text = ENG_STR("Ol\xC3\xA1 mundo, a b a b a b [MASK] \xE3\x80\xAE");
    add(t, text, NULL, &got);
    uint64_t before = eng_alloc_count().allocations;
    for (size_t i = 0; i < 100; i++) {
        eng_tokens_reset(&got);
        add(t, eng_str_sub(text, i % 7, text.len), NULL, &got);
    }
    assert_int_equal(eng_alloc_count().allocations, before);
    eng_tokens_clear(&got);
    eng_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_ids_and_bytes_of_the_text),
        cmocka_unit_test(lays_sequences_end_to_end),
        cmocka_unit_test(gives_pairs_types_and_offsets_of_their_own),
        cmocka_unit_test(finds_added_tokens_before_the_model_does),
        cmocka_unit_test(widens_added_tokens_and_asks_for_single_words),
        cmocka_unit_test(reads_wrong_bytes_as_a_replacing_decoder_does),
        cmocka_unit_test(an_empty_text_is_its_special_tokens),
        cmocka_unit_test(words_that_are_too_long_are_unknown),
        cmocka_unit_test(a_megabyte_is_cut_and_says_so),
        cmocka_unit_test(cuts_as_the_file_says_unless_told_otherwise),
        cmocka_unit_test(of_a_pair_the_longer_is_cut_first),
        cmocka_unit_test(from_the_left_the_end_stays),
        cmocka_unit_test(one_text_alone_is_cut_where_the_file_says_so),
        cmocka_unit_test(a_limit_leaves_room_for_special_tokens_or_is_refused),
        cmocka_unit_test(one_pass_gives_what_the_general_way_gives),
        cmocka_unit_test(accents_stay_where_the_file_keeps_them),
        cmocka_unit_test(names_tokens_and_finds_them),
        cmocka_unit_test(any_number_of_threads_may_use_one),
        cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
        cmocka_unit_test(nothing_is_allocated_once_it_has_seen_the_longest_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
