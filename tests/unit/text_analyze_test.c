/* Each test names a promise of the analysis in text.h. */
#include "test.h"

#include "text/text.h"

#include <string.h>

typedef struct {
    eng_analyzer *a;
    eng_terms terms;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    return eng_analyzer_new(&f->a, NULL);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    eng_terms_clear(&f->terms);
    eng_analyzer_free(f->a);
    free(f);
    return 0;
}

static void analyze(fixture *f, const char *text, const eng_analyze_options *options)
{
    eng_error err = {0};
    eng_terms_reset(&f->terms);
    assert_ok(eng_analyze(f->a, eng_str_of(text), options, &f->terms, &err), err);
}

static void analyze_in(fixture *f, const char *text, eng_language language)
{
    eng_analyze_options options = {.language = language};
    analyze(f, text, &options);
}

/* The term of this kind and text, or NULL. */
static const eng_term *find(const fixture *f, eng_term_kind kind, const char *text)
{
    for (size_t i = 0; i < f->terms.count; i++) {
        if (f->terms.items[i].kind == kind &&
            eng_str_eq(eng_terms_text(&f->terms, i), eng_str_of(text)))
            return &f->terms.items[i];
    }
    return NULL;
}

static void assert_span(const char *text, const eng_term *t, const char *what)
{
    assert_non_null(t);
    assert_int_equal(t->end - t->start, strlen(what));
    assert_memory_equal(text + t->start, what, strlen(what));
}

static void languages_have_codes_and_tags(void **state)
{
    (void)state;
    assert_int_equal(eng_language_of(ENG_STR("pt-BR")), ENG_LANGUAGE_PT);
    assert_int_equal(eng_language_of(ENG_STR("EN")), ENG_LANGUAGE_EN);
    assert_int_equal(eng_language_of(ENG_STR("es_419")), ENG_LANGUAGE_ES);
    assert_int_equal(eng_language_of(ENG_STR("ptx")), ENG_LANGUAGE_UNKNOWN);
    assert_int_equal(eng_language_of(ENG_STR("")), ENG_LANGUAGE_UNKNOWN);
    assert_string_equal(eng_language_code(ENG_LANGUAGE_ES), "es");
    assert_string_equal(eng_language_code(ENG_LANGUAGE_UNKNOWN), "");
}

static void a_question_tells_its_language(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        eng_language language;
    } cases[] = {
        {"Qual é o horário da loja?", ENG_LANGUAGE_PT},
        {"Quem inventou o moinho de vento?", ENG_LANGUAGE_PT},
        {"What are the opening hours?", ENG_LANGUAGE_EN},
        {"who invented it", ENG_LANGUAGE_EN},
        {"¿Cuál es el horario de la tienda?", ENG_LANGUAGE_ES},
        {"Quiénes son los autores del libro", ENG_LANGUAGE_ES},
        {"MP-1234", ENG_LANGUAGE_UNKNOWN},
        {"", ENG_LANGUAGE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(eng_language_guess(eng_str_of(cases[i].text)), cases[i].language);
}

static void words_are_stems_without_accents(void **state)
{
    fixture *f = *state;
    const char *text = "Ações e plataformas";
    analyze_in(f, text, ENG_LANGUAGE_PT);
    assert_span(text, find(f, ENG_TERM_WORD, "aco"), "Ações");
    assert_span(text, find(f, ENG_TERM_WORD, "plataform"), "plataformas");
    analyze_in(f, "The runners were running", ENG_LANGUAGE_EN);
    assert_non_null(find(f, ENG_TERM_WORD, "runner"));
    assert_non_null(find(f, ENG_TERM_WORD, "run"));
    analyze_in(f, "las niñas corrieron", ENG_LANGUAGE_ES);
    assert_non_null(find(f, ENG_TERM_WORD, "nin"));
    analyze_in(f, "Plataformas", ENG_LANGUAGE_UNKNOWN);
    assert_non_null(find(f, ENG_TERM_WORD, "plataformas"));
}

static void an_accented_word_is_there_exactly_too(void **state)
{
    fixture *f = *state;
    analyze_in(f, "Avó avô avo", ENG_LANGUAGE_PT);
    assert_non_null(find(f, ENG_TERM_EXACT, "avó"));
    assert_non_null(find(f, ENG_TERM_EXACT, "avô"));
    assert_null(find(f, ENG_TERM_EXACT, "avo"));
}

static void a_word_typed_without_accents_is_found(void **state)
{
    fixture *f = *state;
    analyze_in(f, "organização", ENG_LANGUAGE_PT);
    assert_non_null(find(f, ENG_TERM_WORD, "organiz"));
    assert_non_null(find(f, ENG_TERM_PLAIN, "organizaca"));
    analyze_in(f, "organizacao", ENG_LANGUAGE_PT);
    assert_non_null(find(f, ENG_TERM_WORD, "organizaca"));
}

static void composed_and_decomposed_letters_are_the_same(void **state)
{
    fixture *f = *state;
    analyze_in(f, "cafe\xCC\x81 \xEF\xAC\x81m", ENG_LANGUAGE_PT);
    assert_non_null(find(f, ENG_TERM_EXACT, "café"));
    assert_non_null(find(f, ENG_TERM_WORD, "fim"));
}

static void numbers_and_codes_are_kept_whole(void **state)
{
    fixture *f = *state;
    const char *text = "9,9% em HTTP/2, MP-1234 por R$ 1.000,00 (C++ e C#), US$5.50";
    analyze_in(f, text, ENG_LANGUAGE_PT);
    assert_span(text, find(f, ENG_TERM_CODE, "9.9%"), "9,9%");
    assert_span(text, find(f, ENG_TERM_WORD, "9.9"), "9,9");
    assert_span(text, find(f, ENG_TERM_CODE, "http/2"), "HTTP/2");
    assert_span(text, find(f, ENG_TERM_CODE, "mp-1234"), "MP-1234");
    assert_span(text, find(f, ENG_TERM_WORD, "1234"), "1234");
    assert_span(text, find(f, ENG_TERM_CODE, "r$1000"), "R$ 1.000,00");
    assert_span(text, find(f, ENG_TERM_WORD, "1000"), "1.000,00");
    assert_span(text, find(f, ENG_TERM_CODE, "c++"), "C++");
    assert_span(text, find(f, ENG_TERM_CODE, "c#"), "C#");
    assert_span(text, find(f, ENG_TERM_CODE, "us$5.5"), "US$5.50");
}

static void numbers_are_written_one_way(void **state)
{
    fixture *f = *state;
    static const char *const cases[][2] = {
        {"1.000,00", "1000"}, {"1,000.00", "1000"},     {"1.000", "1000"},
        {"1,000", "1000"},    {"9,90", "9.9"},          {"9.9", "9.9"},
        {"0,125", "0.125"},   {"1.234.567", "1234567"}, {"2020", "2020"},
        {"1000,0", "1000"},   {"1234,567", "1234.567"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        analyze_in(f, cases[i][0], ENG_LANGUAGE_PT);
        if (!find(f, ENG_TERM_WORD, cases[i][1]))
            fail_msg("%s is not %s", cases[i][0], cases[i][1]);
    }
}

static void hyphens_and_apostrophes(void **state)
{
    fixture *f = *state;
    analyze_in(f, "e-mail d'água", ENG_LANGUAGE_PT);
    assert_non_null(find(f, ENG_TERM_PLAIN, "email"));
    assert_non_null(find(f, ENG_TERM_WORD, "mail"));
    assert_non_null(find(f, ENG_TERM_EXACT, "água"));
    analyze_in(f, "John's don't", ENG_LANGUAGE_EN);
    assert_non_null(find(f, ENG_TERM_WORD, "john"));
    assert_int_equal(f->terms.count, 2);
}

static void stop_words_are_marked_and_not_counted(void **state)
{
    fixture *f = *state;
    eng_analyze_options options = {.language = ENG_LANGUAGE_PT};
    analyze(f, "qual é o nome da roda", &options);
    assert_true(find(f, ENG_TERM_WORD, "da")->stop);
    assert_false(find(f, ENG_TERM_WORD, "nom")->stop);
    assert_int_equal(f->terms.words, 2);
    options.question = true;
    analyze(f, "qual é o nome da roda", &options);
    assert_true(find(f, ENG_TERM_WORD, "nom")->stop);
    assert_int_equal(f->terms.words, 1);
}

static void positions_count_words(void **state)
{
    fixture *f = *state;
    eng_analyze_options options = {.language = ENG_LANGUAGE_PT, .position = 10};
    analyze(f, "roda d'água MP-12 fim", &options);
    assert_int_equal(find(f, ENG_TERM_WORD, "rod")->position, 10);
    assert_int_equal(find(f, ENG_TERM_CODE, "mp-12")->position, 13);
    assert_int_equal(find(f, ENG_TERM_WORD, "12")->position, 14);
    assert_int_equal(find(f, ENG_TERM_WORD, "fim")->position, 15);
    assert_int_equal(f->terms.positions, 16);
}

static void grams_are_of_words_that_say_something(void **state)
{
    fixture *f = *state;
    eng_analyze_options options = {.language = ENG_LANGUAGE_PT, .grams = true};
    analyze(f, "o bebê", &options);
    assert_non_null(find(f, ENG_TERM_GRAM, "_beb"));
    assert_non_null(find(f, ENG_TERM_GRAM, "bebe"));
    assert_non_null(find(f, ENG_TERM_GRAM, "ebe_"));
    size_t grams = 0;
    for (size_t i = 0; i < f->terms.count; i++)
        grams += f->terms.items[i].kind == ENG_TERM_GRAM;
    assert_int_equal(grams, 3);
}

static void scripts_without_blanks_are_taken_by_character(void **state)
{
    fixture *f = *state;
    const char *text = "日本語";
    analyze_in(f, text, ENG_LANGUAGE_UNKNOWN);
    assert_int_equal(f->terms.count, 3);
    assert_span(text, find(f, ENG_TERM_WORD, "本"), "本");
}

static void bytes_that_are_no_text_separate_words(void **state)
{
    fixture *f = *state;
    analyze_in(f, "um\xFF\xC3roda\xE2\x82 moinho", ENG_LANGUAGE_PT);
    assert_non_null(find(f, ENG_TERM_WORD, "rod"));
    assert_non_null(find(f, ENG_TERM_WORD, "moinh"));
}

static void a_word_that_is_none_is_cut(void **state)
{
    fixture *f = *state;
    char text[1001];
    memset(text, 'a', 1000);
    text[1000] = '\0';
    analyze_in(f, text, ENG_LANGUAGE_PT);
    for (size_t i = 0; i < f->terms.count; i++)
        assert_true(f->terms.items[i].len <= ENG_TERM_MAX);
    assert_int_equal(f->terms.items[f->terms.count - 1].end, 1000);
}

/* ---- Glued words ---- */

static uint32_t count_some(void *ctx, eng_str word)
{
    static const char *const words[] = {"plataforma", "vender", "produtos", "digitais", "form"};
    (void)ctx;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (eng_str_eq(word, eng_str_of(words[i])))
            return 20;
    }
    return 0;
}

static void glued_words_are_split_where_the_collection_knows_them(void **state)
{
    fixture *f = *state;
    const char *text = "É umaplataforma";
    eng_analyze_options options = {.language = ENG_LANGUAGE_PT, .count = count_some};
    analyze(f, text, &options);
    assert_span(text, find(f, ENG_TERM_PART, "plataform"), "plataforma");
    assert_non_null(find(f, ENG_TERM_WORD, "umaplataform"));
    uint8_t ends[ENG_SPLIT_MAX];
    assert_int_equal(
        eng_word_split(ENG_STR("venderprodutosdigitais"), ENG_LANGUAGE_PT, count_some, NULL, ends),
        3);
    assert_int_equal(ends[0], 6);
    assert_int_equal(ends[1], 14);
    assert_int_equal(ends[2], 22);
}

static void what_is_known_or_has_unknown_parts_stays_whole(void **state)
{
    (void)state;
    uint8_t ends[ENG_SPLIT_MAX];
    static const char *const whole[] = {"plataforma", "plataformas", "xyzplataforma",
                                        "uma",        "deste",       ""};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_int_equal(
            eng_word_split(eng_str_of(whole[i]), ENG_LANGUAGE_PT, count_some, NULL, ends), 0);
}

static void collect(void *ctx, eng_str word)
{
    eng_str *out = ctx;
    while (out->ptr)
        out++;
    *out = word;
    assert_true(word.len < 40);
}

static void each_word_is_given_folded(void **state)
{
    (void)state;
    eng_str words[8] = {{0}};
    eng_words_each(ENG_STR("Ação, 12 R2D2"), collect, words);
    assert_non_null(words[2].ptr);
    assert_null(words[3].ptr);
}

static eng_status analyze_once(void)
{
    eng_analyzer *a = NULL;
    eng_terms t;
    eng_analyze_options options = {.language = ENG_LANGUAGE_PT, .grams = true};
    eng_terms_init(&t);
    eng_status status = eng_analyzer_new(&a, NULL);
    if (status == ENG_OK)
        status = eng_analyze(a, ENG_STR("a roda do moinho gira MP-1234"), &options, &t, NULL);
    eng_terms_clear(&t);
    eng_analyzer_free(a);
    return status;
}

static void survives_no_memory(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, status = analyze_once());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_have_codes_and_tags),
        cmocka_unit_test(a_question_tells_its_language),
        cmocka_unit_test(words_are_stems_without_accents),
        cmocka_unit_test(an_accented_word_is_there_exactly_too),
        cmocka_unit_test(a_word_typed_without_accents_is_found),
        cmocka_unit_test(composed_and_decomposed_letters_are_the_same),
        cmocka_unit_test(numbers_and_codes_are_kept_whole),
        cmocka_unit_test(numbers_are_written_one_way),
        cmocka_unit_test(hyphens_and_apostrophes),
        cmocka_unit_test(stop_words_are_marked_and_not_counted),
        cmocka_unit_test(positions_count_words),
        cmocka_unit_test(grams_are_of_words_that_say_something),
        cmocka_unit_test(scripts_without_blanks_are_taken_by_character),
        cmocka_unit_test(bytes_that_are_no_text_separate_words),
        cmocka_unit_test(a_word_that_is_none_is_cut),
        cmocka_unit_test(glued_words_are_split_where_the_collection_knows_them),
        cmocka_unit_test(what_is_known_or_has_unknown_parts_stays_whole),
        cmocka_unit_test(each_word_is_given_folded),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
