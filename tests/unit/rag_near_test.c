/* Each test names a promise of rag.h, "Near-duplicates". */
#include "rag/rag.h"
#include "test.h"

#define LONG                                                                                       \
    "A roda do moinho tem doze pás de madeira, e o moleiro troca uma delas a cada inverno, "      \
    "quando "                                                                                      \
    "o rio está baixo e a farinha do ano já foi vendida na feira da vila"

static void are(const char *const *texts, size_t count, const size_t *expected)
{
    eng_str views[8] = {{NULL, 0}};
    size_t of[8] = {0};
    eng_error err = {0};
    for (size_t i = 0; i < count; i++)
        views[i] = eng_str_of(texts[i]);
    assert_ok(eng_near_duplicates(views, count, of, &err), err);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(of[i], expected[i]);
}

static void case_accents_marks_and_a_last_word_make_no_other_text(void **state)
{
    (void)state;
    const char *const texts[] = {LONG ".", "A RODA do moinho", LONG " de cima!",
                                 "a roda, do Moínho", LONG};
    are(texts, 5, (size_t[]){0, 1, 0, 1, 0});
}

static void a_number_that_differs_makes_another_text(void **state)
{
    (void)state;
    const char *const texts[] = {
        LONG " em 2023.", LONG " em 2024.", LONG " em 2023", "12", "13", "12"};
    are(texts, 6, (size_t[]){0, 1, 0, 3, 4, 3});
}

static void a_short_text_has_no_word_to_spare(void **state)
{
    (void)state;
    const char *const texts[] = {"O prazo de entrega é de sete dias.",
                                 "O prazo de troca é de sete dias.",
                                 "sete",
                                 "oito",
                                 "sete dias",
                                 ""};
    are(texts, 6, (size_t[]){0, 1, 2, 3, 4, 5});
}

static void what_has_no_words_is_its_bytes(void **state)
{
    (void)state;
    const char *const texts[] = {"!!", "??", "!!", "", " "};
    are(texts, 5, (size_t[]){0, 1, 0, 3, 4});
}

static void it_survives_no_memory(void **state)
{
    (void)state;
    const eng_str texts[] = {ENG_STR(LONG), ENG_STR(LONG "."), ENG_STR("um moinho de vento")};
    size_t of[3];
    eng_error err = {0};
    eng_status status;
    assert_survives_no_memory(status, { status = eng_near_duplicates(texts, 3, of, &err); });
    assert_int_equal(of[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_accents_marks_and_a_last_word_make_no_other_text),
        cmocka_unit_test(a_number_that_differs_makes_another_text),
        cmocka_unit_test(a_short_text_has_no_word_to_spare),
        cmocka_unit_test(what_has_no_words_is_its_bytes),
        cmocka_unit_test(it_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
