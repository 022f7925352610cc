#include "test.h"

#include "learn/text_internal.h"

/* All words of a text, with blanks between them. */
static const char *words_of(const char *text)
{
    static char out[4096];
    eng_text_words words = eng_text_words_of(eng_str_of(text));
    eng_text_word w;
    size_t len = 0;
    out[0] = '\0';
    while (eng_text_words_next(&words, &w) && len < sizeof out - 200)
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%.*s", len ? " " : "",
                                ENG_FMT(w.text));
    return out;
}

static void words_are_lower_case_without_accents(void **state)
{
    (void)state;
    assert_string_equal(words_of("Lembrancinha de Maternidade"), "lembrancinha de maternidade");
    assert_string_equal(words_of("BER\xC3\x87O p/ Beb\xC3\xAA \xE2\x80\x94 n\xC2\xBA 10"),
                        "berco p bebe no 10");
    assert_string_equal(words_of("e\xCC\x81 \xC3\xA9"), "e e");
    assert_string_equal(words_of("stra\xC3\x9F"
                                 "e"),
                        "strasse");
}

static void every_script_has_words(void **state)
{
    (void)state;
    assert_string_equal(words_of("\xCE\xA9\xCE\xBC\xCE\xAD\xCE\xB3\xCE\xB1"),
                        "\xCF\x89\xCE\xBC\xCE\xB5\xCE\xB3\xCE\xB1");
    assert_string_equal(words_of("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E"),
                        "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E");
}

static void what_is_no_letter_is_no_word(void **state)
{
    (void)state;
    assert_string_equal(words_of(""), "");
    assert_string_equal(words_of("?! '' -- \xF0\x9F\x9A\x80\xF0\x9F\x9A\x80"), "");
    assert_string_equal(words_of("a\xFF\xFE"
                                 "b"),
                        "a b");
    assert_string_equal(words_of("\xC3"), "");
}

static void a_word_knows_where_it_stands(void **state)
{
    (void)state;
    eng_text_words words = eng_text_words_of(ENG_STR(" um ber\xC3\xA7o, dois"));
    eng_text_word w;
    assert_true(eng_text_words_next(&words, &w));
    assert_true(eng_text_words_next(&words, &w));
    assert_int_equal(w.from, 4);
    assert_int_equal(w.to, 10);
    assert_true(w.hash == eng_text_word_hash(ENG_STR("berco")));
}

static void a_word_without_end_is_cut_into_several(void **state)
{
    (void)state;
    static char text[100001];
    memset(text, 'a', sizeof text - 1);
    eng_text_words words = eng_text_words_of((eng_str){text, sizeof text - 1});
    eng_text_word w;
    size_t count = 0, bytes = 0;
    while (eng_text_words_next(&words, &w)) {
        assert_true(w.text.len <= ENG_WORD_BYTES);
        bytes += w.text.len;
        count++;
    }
    assert_int_equal(bytes, sizeof text - 1);
    assert_int_equal(count, (sizeof text - 1 + ENG_WORD_CHARS - 1) / ENG_WORD_CHARS);
}

static void runs_are_of_characters_with_a_blank_around_the_word(void **state)
{
    (void)state;
    uint64_t out[ENG_TEXT_GRAMS], again[ENG_TEXT_GRAMS];
    /* " ab ": 3 of two, 2 of three, 1 of four */
    assert_int_equal(eng_text_grams(ENG_STR("ab"), 2, 5, out), 6);
    assert_int_equal(eng_text_grams(ENG_STR("\xCF\x89\xCE\xBC"), 2, 5, out), 6);
    assert_int_equal(eng_text_grams(ENG_STR("abc"), 3, 3, out), 3);
    assert_int_equal(eng_text_grams(ENG_STR("abd"), 3, 3, again), 3);
    assert_true(out[0] == again[0]);
    assert_true(out[1] != again[1]);
}

static void numbers_fall_into_bins(void **state)
{
    (void)state;
    float edges[ENG_BINS - 1];
    for (size_t i = 0; i + 1 < ENG_BINS; i++)
        edges[i] = (float)i;
    assert_int_equal(eng_text_bin(edges, -5), 1);
    assert_int_equal(eng_text_bin(edges, 0), 2);
    assert_int_equal(eng_text_bin(edges, 1e9f), ENG_BINS);
    assert_int_equal(eng_text_bin(edges, NAN), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_lower_case_without_accents),
        cmocka_unit_test(every_script_has_words),
        cmocka_unit_test(what_is_no_letter_is_no_word),
        cmocka_unit_test(a_word_knows_where_it_stands),
        cmocka_unit_test(a_word_without_end_is_cut_into_several),
        cmocka_unit_test(runs_are_of_characters_with_a_blank_around_the_word),
        cmocka_unit_test(numbers_fall_into_bins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
