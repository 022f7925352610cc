/* Encoders and rerankers that are open: the promises of engenho.h. */
#include "model_help.h"

#include <math.h>

static const eng_str texts[] = {
    {"um moinho", 9},
    {"a roda do moinho tem doze", 25},
    {"", 0},
    {"dois", 4},
    {"a b c a b c a b c a b c a b c a b c a b c a b c a b c", 53},
    {"um moinho", 9},
};
enum { TEXTS = sizeof texts / sizeof *texts };

static eng_encoder *open_tiny(const place *p, bool scores, const char *more,
                              const eng_encoder_options *options)
{
    eng_error err = {0};
    eng_encoder *enc = NULL;
    tiny_model(p->root, scores, more);
    assert_ok(eng_encoder_open(p->root, options, &enc, &err), err);
    return enc;
}

static void it_says_what_it_is(void **state)
{
    eng_encoder *enc = open_tiny(*state, false, "", NULL);
    const eng_encoder_info *info = eng_encoder_about(enc);
    assert_int_equal(info->type, ENG_MODEL_ENCODER);
    assert_string_equal(info->architecture, "BertModel");
    assert_int_equal(info->dimensions, TINY_HIDDEN);
    assert_int_equal(info->tokens_max, TINY_POSITIONS);
    assert_true(info->normalised && !info->shortens && !info->f32);
    assert_string_equal(info->query, "");
    eng_encoder_free(enc);
}

static void a_text_has_the_same_bits_in_any_company(void **state)
{
    eng_error err = {0};
    eng_encoder *enc = open_tiny(*state, false, "", NULL);
    float all[TEXTS][TINY_HIDDEN], one[TINY_HIDDEN];
    eng_encode_options two = {.threads = 2}, alone = {.threads = 1};
    eng_encode_stats stats;
    assert_ok(eng_encoder_encode(enc, texts, TEXTS, &two, &all[0][0], &stats, &err), err);
    assert_int_equal(stats.truncated, 0);
    assert_int_equal(stats.tokens, 4 + 8 + 2 + 3 + 29 + 4);
    for (size_t i = 0; i < TEXTS; i++) {
        double length = 0;
        assert_ok(eng_encoder_encode(enc, &texts[i], 1, &alone, one, NULL, &err), err);
        assert_memory_equal(one, all[i], sizeof one);
        for (size_t k = 0; k < TINY_HIDDEN; k++)
            length += (double)one[k] * (double)one[k];
        assert_true(fabs(length - 1) < 1e-5);
    }
    assert_memory_equal(all[0], all[5], sizeof all[0]);
    assert_memory_not_equal(all[0], all[1], sizeof all[0]);
    eng_encoder_free(enc);
}

static void int8_is_close_to_f32(void **state)
{
    eng_error err = {0};
    eng_encoder_options exact = {.f32 = true};
    eng_encoder *a = open_tiny(*state, false, "", &exact), *b = open_tiny(*state, false, "", NULL);
    float x[TEXTS][TINY_HIDDEN], y[TEXTS][TINY_HIDDEN];
    assert_true(eng_encoder_about(a)->f32);
    assert_ok(eng_encoder_encode(a, texts, TEXTS, NULL, &x[0][0], NULL, &err), err);
    assert_ok(eng_encoder_encode(b, texts, TEXTS, NULL, &y[0][0], NULL, &err), err);
    for (size_t i = 0; i < TEXTS; i++) {
        double dot = 0;
        for (size_t k = 0; k < TINY_HIDDEN; k++)
            dot += (double)x[i][k] * (double)y[i][k];
        assert_true(dot > 0.99);
    }
    eng_encoder_free(a);
    eng_encoder_free(b);
}

static void a_long_text_is_cut_and_counted(void **state)
{
    eng_error err = {0};
    eng_encoder *enc = open_tiny(*state, false, "", NULL);
    eng_buf text;
    eng_encode_stats stats;
    float v[2][TINY_HIDDEN];
    eng_buf_init(&text, 4 << 20);
    while (text.len < 1000000)
        eng_buf_str(&text, ENG_STR("moinho "));
    eng_str two[2] = {eng_buf_view(&text), ENG_STR("um")};
    assert_ok(eng_encoder_encode(enc, two, 2, NULL, &v[0][0], &stats, &err), err);
    assert_int_equal(stats.truncated, 1);
    assert_int_equal(stats.tokens, TINY_POSITIONS + 3);
    eng_buf_clear(&text);
    eng_encoder_free(enc);
}

static void any_bytes_are_read(void **state)
{
    static const eng_str odd[] = {
        {"\xff\xfe\x80", 3}, {"a\0b", 3}, {"\xcc\x81", 2}, {"\xed\xa0\x80", 3}, {"   ", 3},
    };
    eng_error err = {0};
    eng_encoder *enc = open_tiny(*state, false, "", NULL);
    float v[5][TINY_HIDDEN];
    assert_ok(eng_encoder_encode(enc, odd, 5, NULL, &v[0][0], NULL, &err), err);
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < TINY_HIDDEN; k++)
            assert_true(isfinite(v[i][k]));
    assert_ok(eng_encoder_encode(enc, odd, 0, NULL, &v[0][0], NULL, &err), err);
    eng_encoder_free(enc);
}

static void words_before_a_text_come_from_its_files_or_the_options(void **state)
{
    place *p = *state;
    eng_error err = {0};
    static const eng_str plain = {"um", 2}, with = {"query: um", 9}, passage = {"passage: um", 11};
    float a[TINY_HIDDEN], b[TINY_HIDDEN];
    eng_encode_options query = {.prompt = ENG_PROMPT_QUERY}, as = {.prompt = ENG_PROMPT_PASSAGE};
    eng_encoder_options options = {.query = "query: "};
    eng_encoder *enc = open_tiny(p, false, "", &options);
    assert_string_equal(eng_encoder_about(enc)->query, "query: ");
    assert_ok(eng_encoder_encode(enc, &plain, 1, &query, a, NULL, &err), err);
    assert_ok(eng_encoder_encode(enc, &with, 1, NULL, b, NULL, &err), err);
    assert_memory_equal(a, b, sizeof a);
    eng_encoder_free(enc);

    write_file(
        p->root, "config_sentence_transformers.json",
        "{\"prompts\":{\"query\":\"\",\"passage\":\"passage: \"},\"default_prompt_name\":null}");
    assert_ok(eng_encoder_open(p->root, &options, &enc, &err), err);
    assert_string_equal(eng_encoder_about(enc)->query, "");
    assert_ok(eng_encoder_encode(enc, &plain, 1, &as, a, NULL, &err), err);
    assert_ok(eng_encoder_encode(enc, &passage, 1, NULL, b, NULL, &err), err);
    assert_memory_equal(a, b, sizeof a);
    eng_encoder_free(enc);
}

static void a_reranker_scores_and_makes_no_vectors(void **state)
{
    eng_error err = {0};
    eng_encoder *enc = open_tiny(*state, true, "", NULL);
    float scores[TEXTS], one, v[TINY_HIDDEN];
    assert_int_equal(eng_encoder_about(enc)->type, ENG_MODEL_RERANKER);
    assert_int_equal(eng_encoder_about(enc)->dimensions, 0);
    assert_ok(eng_encoder_score(enc, ENG_STR("roda"), texts, TEXTS, NULL, scores, NULL, &err), err);
    for (size_t i = 0; i < TEXTS; i++) {
        assert_true(scores[i] > 0 && scores[i] < 1);
        assert_ok(eng_encoder_score(enc, ENG_STR("roda"), &texts[i], 1, NULL, &one, NULL, &err),
                  err);
        assert_memory_equal(&one, &scores[i], sizeof one);
    }
    assert_int_equal(eng_encoder_encode(enc, texts, 1, NULL, v, NULL, &err), ENG_EUNSUPPORTED);
    eng_encoder_free(enc);
    place *p = *state;
    snprintf(p->data, sizeof p->data, "%s/encoder", p->root);
    tiny_model(p->data, false, "");
    assert_ok(eng_encoder_open(p->data, NULL, &enc, &err), err);
    assert_int_equal(eng_encoder_score(enc, ENG_STR("x"), texts, 1, NULL, &one, NULL, &err),
                     ENG_EUNSUPPORTED);
    eng_encoder_free(enc);
}

static void files_that_do_not_fit_are_refused(void **state)
{
    place *p = *state;
    eng_error err = {0};
    eng_encoder *enc = NULL;
    char path[128];
    assert_true(eng_encoder_open(p->root, NULL, &enc, &err) < 0);
    tiny_model(p->root, false, "");
    snprintf(path, sizeof path, "%s/tokenizer.json", p->root);
    unlink(path);
    assert_int_equal(eng_encoder_open(p->root, NULL, &enc, &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, "tokenizer.json"));
    write_file(p->root, "tokenizer.json", "{}");
    assert_true(eng_encoder_open(p->root, NULL, &enc, &err) < 0);
    assert_non_null(strstr(err.message, "tokenizer.json"));
    write_file(p->root, "tokenizer.json",
               "{\"added_tokens\":[],\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
               "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"
               "\"vocab\":{\"[UNK]\":0,\"x\":999}}}");
    assert_int_equal(eng_encoder_open(p->root, NULL, &enc, &err), ENG_ECORRUPT);
    assert_non_null(strstr(err.message, "1000"));
}

static void a_model_that_says_so_can_be_shortened(void **state)
{
    eng_encoder *enc = open_tiny(*state, false, "\"is_matryoshka\":true,", NULL);
    assert_true(eng_encoder_about(enc)->shortens);
    eng_encoder_free(enc);
}

typedef struct {
    eng_encoder *enc;
    float want[TEXTS][TINY_HIDDEN];
    _Atomic unsigned wrong;
} shared;

static void *encode_often(void *arg)
{
    shared *s = arg;
    float got[TEXTS][TINY_HIDDEN];
    eng_encode_options options = {.threads = 1};
    for (int i = 0; i < 50; i++)
        if (eng_encoder_encode(s->enc, texts, TEXTS, &options, &got[0][0], NULL, NULL) < 0 ||
            memcmp(got, s->want, sizeof got) != 0)
            atomic_fetch_add(&s->wrong, 1);
    return NULL;
}

static void any_number_of_threads_may_use_it(void **state)
{
    eng_error err = {0};
    pthread_t threads[6];
    shared s = {.enc = open_tiny(*state, false, "", NULL)};
    assert_ok(eng_encoder_encode(s.enc, texts, TEXTS, NULL, &s.want[0][0], NULL, &err), err);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_often, &s), 0);
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s.wrong, 0);
    eng_encoder_free(s.enc);
}

static void survives_without_memory(void **state)
{
    place *p = *state;
    eng_status status;
    float v[TINY_HIDDEN];
    eng_encode_options one = {.threads = 1, .prompt = ENG_PROMPT_QUERY};
    eng_encoder_options options = {.query = "query: "};
    tiny_model(p->root, false, "");
    eng_encoder_free(open_tiny(p, false, "", NULL)); /* packs */
    assert_survives_no_memory(status, {
        eng_encoder *enc = NULL;
        status = eng_encoder_open(p->root, &options, &enc, NULL);
        if (status == ENG_OK)
            status = eng_encoder_encode(enc, texts, 1, &one, v, NULL, NULL);
        eng_encoder_free(enc);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(it_says_what_it_is),
        in_place(a_text_has_the_same_bits_in_any_company),
        in_place(int8_is_close_to_f32),
        in_place(a_long_text_is_cut_and_counted),
        in_place(any_bytes_are_read),
        in_place(words_before_a_text_come_from_its_files_or_the_options),
        in_place(a_reranker_scores_and_makes_no_vectors),
        in_place(files_that_do_not_fit_are_refused),
        in_place(a_model_that_says_so_can_be_shortened),
        in_place(any_number_of_threads_may_use_it),
        in_place(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
