/* Questions, and answers without a model: promises of rag.h. */
#include "test.h"

#include "base/utf8.h"
#include "rag/rag.h"

#include <math.h>
#include <string.h>

typedef struct {
    eng_arena arena;
    eng_analyzer *analyzer;
    eng_buf text;
} bench;

static void begin(bench *b)
{
    eng_error err = {0};
    eng_arena_init(&b->arena, 4096, NULL);
    eng_buf_init(&b->text, 1 << 16);
    assert_ok(eng_analyzer_new(&b->analyzer, &err), err);
}

static void end(bench *b)
{
    eng_analyzer_free(b->analyzer);
    eng_buf_clear(&b->text);
    eng_arena_clear(&b->arena);
}

static eng_question asked(bench *b, const char *text)
{
    eng_error err = {0};
    eng_question q;
    assert_ok(eng_question_parse(b->analyzer, eng_str_of(text), ENG_LANGUAGE_UNKNOWN, &b->arena, &q,
                                 &err),
              err);
    return q;
}

static eng_candidate passage(const char *text, uint64_t id)
{
    return (eng_candidate){.id = id,
                           .document = id,
                           .title = ENG_STR(""),
                           .heading = ENG_STR(""),
                           .text = eng_str_of(text),
                           .score = 0.8 - 0.1 * (double)id,
                           .bm25 = 0.5,
                           .dense = NAN};
}

static eng_found_answer found(bench *b, const char *question, const eng_candidate *c, size_t count)
{
    eng_error err = {0};
    eng_found_answer a;
    eng_question q = asked(b, question);
    assert_ok(eng_answer_find(b->analyzer, &q, c, count, NULL, &b->arena, &a, &err), err);
    eng_buf_reset(&b->text);
    eng_answer_text(&a, c, &b->text, NULL);
    return a;
}

static const char *answer(bench *b) { return b->text.data ? b->text.data : ""; }

#define assert_says(b, what)                                                                       \
    do {                                                                                           \
        if (!strstr(answer(b), what))                                                              \
            fail_msg("expected '%s' in '%s'", what, answer(b));                                    \
    } while (0)

/* ---- Questions ---- */

static void a_question_has_a_kind_in_three_languages(void **state)
{
    static const struct {
        const char *text;
        eng_ask_kind kind;
    } cases[] = {
        {"Quem construiu a ponte?", ENG_ASK_PERSON},
        {"Who built the bridge?", ENG_ASK_PERSON},
        {"¿Quién construyó el puente?", ENG_ASK_PERSON},
        {"Quando a ponte foi aberta?", ENG_ASK_TIME},
        {"Em que ano a ponte foi aberta?", ENG_ASK_TIME},
        {"In what year was the bridge opened?", ENG_ASK_TIME},
        {"¿Cuándo se abrió el puente?", ENG_ASK_TIME},
        {"Onde fica a ponte?", ENG_ASK_PLACE},
        {"¿Dónde está el puente?", ENG_ASK_PLACE},
        {"Em que cidade fica a ponte?", ENG_ASK_PLACE},
        {"Quantos arcos a ponte tem?", ENG_ASK_COUNT},
        {"How many arches does the bridge have?", ENG_ASK_COUNT},
        {"Qual é a altura da ponte?", ENG_ASK_COUNT},
        {"Quanto custa atravessar a ponte?", ENG_ASK_AMOUNT},
        {"How much does it cost to cross?", ENG_ASK_AMOUNT},
        {"¿Cuánto cuesta cruzar?", ENG_ASK_AMOUNT},
        {"Como se atravessa a ponte?", ENG_ASK_HOW},
        {"How do I cross the bridge?", ENG_ASK_HOW},
        {"Por que a ponte caiu?", ENG_ASK_WHY},
        {"Why did the bridge fall?", ENG_ASK_WHY},
        {"¿Por qué cayó el puente?", ENG_ASK_WHY},
        {"O que é uma ponte pênsil?", ENG_ASK_DEFINITION},
        {"What is a suspension bridge?", ENG_ASK_DEFINITION},
        {"¿Qué es un puente colgante?", ENG_ASK_DEFINITION},
        {"Para que serve uma ponte?", ENG_ASK_DEFINITION},
        {"Quais são os tipos de ponte?", ENG_ASK_LIST},
        {"¿Cuáles son los tipos de puente?", ENG_ASK_LIST},
        {"Is the bridge open?", ENG_ASK_YESNO},
        {"A ponte está aberta?", ENG_ASK_YESNO},
        {"Qual é o nome da ponte?", ENG_ASK_NAME},
    };
    bench b;
    (void)state;
    begin(&b);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eng_ask_kind kind = asked(&b, cases[i].text).kind;
        if (kind != cases[i].kind)
            fail_msg("%s: expected %s, got %s", cases[i].text, eng_ask_kind_name(cases[i].kind),
                     eng_ask_kind_name(kind));
    }
    end(&b);
}

static void a_question_may_lack_accents_shout_and_have_typing_errors(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    assert_int_equal(asked(&b, "POR QUE A PONTE CAIU").kind, ENG_ASK_WHY);
    assert_int_equal(asked(&b, "o que e uma ponte pensil").kind, ENG_ASK_DEFINITION);
    assert_int_equal(asked(&b, "Quatnos arcos a ponte tem?").kind, ENG_ASK_COUNT);
    assert_int_equal(asked(&b, "qaundo a ponte abriu").kind, ENG_ASK_TIME);
    assert_int_equal(asked(&b, "quanto e o preco da passagem").kind, ENG_ASK_COUNT);
    assert_int_equal(asked(&b, "pq a ponte caiu?").kind, ENG_ASK_WHY);
    end(&b);
}

static void a_question_has_a_language_or_is_given_one(void **state)
{
    bench b;
    eng_error err = {0};
    eng_question q;
    (void)state;
    begin(&b);
    assert_int_equal(asked(&b, "Quem construiu a ponte?").language, ENG_LANGUAGE_PT);
    assert_int_equal(asked(&b, "Who built the bridge?").language, ENG_LANGUAGE_EN);
    assert_int_equal(asked(&b, "¿Quién construyó el puente?").language, ENG_LANGUAGE_ES);
    assert_ok(eng_question_parse(b.analyzer, ENG_STR("Who built the bridge?"), ENG_LANGUAGE_PT,
                                 &b.arena, &q, &err),
              err);
    assert_int_equal(q.language, ENG_LANGUAGE_PT);
    assert_str_view(eng_refusal(q.language), "Não tenho informações suficientes para responder.");
    end(&b);
}

static void its_words_are_those_that_say_something_once(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_question q = asked(&b, "Quantos arcos tem a Ponte Velha, e os arcos são de pedra?");
    assert_int_equal(q.term_count, 4);
    assert_str_view(eng_str_sub(q.text, q.terms[1].start, q.terms[1].end - q.terms[1].start),
                    "Ponte");
    assert_true(q.terms[1].name);
    assert_false(q.terms[0].name);
    assert_true(isnan(q.terms[0].idf));
    end(&b);
}

static void small_words_alone_are_asked_for_too(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    assert_true(asked(&b, "o que é isso?").term_count > 0);
    assert_int_equal(asked(&b, "???").term_count, 0);
    assert_int_equal(asked(&b, "").term_count, 0);
    end(&b);
}

static void weights_come_from_what_an_index_says(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_question q = asked(&b, "ponte de pedra");
    eng_term_share shares[] = {
        {.start = 0, .end = 5, .kind = ENG_TERM_EXACT, .idf = 9},
        {.start = 9, .end = 14, .kind = ENG_TERM_WORD, .idf = 2.5f},
    };
    eng_question_weigh(&q, shares, 2);
    assert_true(isnan(q.terms[0].idf));
    assert_true(q.terms[1].idf == 2.5);
    end(&b);
}

/* ---- Answers ---- */

static const char *const bridge =
    "A Ponte Velha liga as duas margens do rio Pardo desde 1912. A obra foi projetada pela "
    "engenheira Clara Nogueira e custou 340 contos de réis. A ponte tem sete arcos de granito. "
    "Todo ano, em junho, a cidade comemora o aniversário da obra com uma feira.";

static void the_sentence_that_answers_is_chosen(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage(bridge, 1),
                         passage("O mercado abre às oito. O mercado vende queijo e mel.", 2)};
    eng_found_answer a = found(&b, "Quantos arcos tem a Ponte Velha?", c, 2);
    assert_true(a.answered);
    assert_says(&b, "sete arcos");
    a = found(&b, "Quem projetou a Ponte Velha?", c, 2);
    assert_true(a.answered);
    assert_says(&b, "Clara Nogueira");
    a = found(&b, "quando abre o mercado", c, 2);
    assert_says(&b, "oito");
    end(&b);
}

static void it_answers_in_english_and_spanish(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {
        passage("The lighthouse was built in 1854 by Thomas Reed. It has 210 steps.", 1),
        passage("El faro tiene 210 escalones. El farero se llama Julián Ortega.", 2)};
    assert_true(found(&b, "How many steps does the lighthouse have?", c, 2).answered);
    assert_says(&b, "210 steps");
    assert_true(found(&b, "¿Cuántos escalones tiene el faro?", c, 2).answered);
    assert_says(&b, "210 escalones");
    end(&b);
}

static void parts_are_slices_in_reading_order_and_none_twice(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage(bridge, 1), passage(bridge, 2)};
    c[0].start = c[1].start = 100;
    eng_found_answer a = found(&b, "O que é a Ponte Velha e quantos arcos tem?", c, 2);
    assert_true(a.count > 0);
    for (size_t i = 0; i < a.count; i++) {
        assert_true(a.parts[i].start >= 100 && a.parts[i].end <= 100 + strlen(bridge));
        assert_true(a.parts[i].start < a.parts[i].end);
        assert_true(i == 0 || a.parts[i].start >= a.parts[i - 1].end);
        assert_true(a.parts[i].score > 0 && a.parts[i].score <= 1);
    }
    end(&b);
}

static void what_the_passages_lack_is_not_answered(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage(bridge, 1)};
    assert_false(found(&b, "Qual é a velocidade da luz no vácuo?", c, 1).answered);
    assert_false(found(&b, "What is the speed of light?", c, 1).answered);
    end(&b);
}

static void without_candidates_there_is_nothing(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_found_answer a = found(&b, "Quantos arcos?", NULL, 0);
    assert_false(a.answered);
    assert_int_equal(a.count, 0);
    assert_true(a.confidence >= 0 && a.confidence <= 1);
    assert_true(a.brief_part == SIZE_MAX);
    end(&b);
}

static void a_threshold_decides(void **state)
{
    bench b;
    eng_error err = {0};
    eng_found_answer a;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage(bridge, 1)};
    eng_question q = asked(&b, "Quantos arcos tem a ponte?");
    eng_answer_options options = {.threshold = 1};
    assert_ok(eng_answer_find(b.analyzer, &q, c, 1, &options, &b.arena, &a, &err), err);
    assert_false(a.answered);
    assert_true(a.count > 0);
    options.threshold = 0;
    q = asked(&b, "Onde mora o elefante?");
    assert_ok(eng_answer_find(b.analyzer, &q, c, 1, &options, &b.arena, &a, &err), err);
    assert_true(a.answered);
    end(&b);
}

static void no_answer_is_longer_than_it_may_be(void **state)
{
    static char text[4000];
    bench b;
    eng_error err = {0};
    (void)state;
    begin(&b);
    size_t n = 0;
    while (n < 3000)
        n += (size_t)snprintf(text + n, sizeof text - n, "a ponte é feita de pedra e água, ");
    eng_candidate c[] = {passage(text, 1), passage(bridge, 2)};
    found(&b, "De que é feita a ponte?", c, 2);
    assert_true(eng_utf8_count(eng_buf_view(&b.text)) <= 600);
    assert_true(b.text.len > 300);
    eng_answer_options options = {.max = 80, .threshold = NAN};
    eng_question q = asked(&b, "De que é feita a ponte?");
    eng_found_answer a;
    assert_ok(eng_answer_find(b.analyzer, &q, c, 2, &options, &b.arena, &a, &err), err);
    eng_buf_reset(&b.text);
    eng_answer_text(&a, c, &b.text, NULL);
    assert_true(b.text.len > 0 && eng_utf8_count(eng_buf_view(&b.text)) <= 80);
    end(&b);
}

static void items_and_rows_are_pieces_of_their_own(void **state)
{
    static const char list[] =
        "Horários da feira:\n\n- Sábado: das 8h às 13h\n- Domingo: das 9h às "
        "12h\n- Feriado: fechada";
    static const char table[] = "| Produto | Preço |\n| Queijo | R$ 42,00 |\n| Mel | R$ 28,50 |";
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage(list, 1), passage(table, 2)};
    found(&b, "Qual é o horário da feira no domingo?", c, 2);
    assert_says(&b, "9h às 12h");
    found(&b, "Quanto custa o mel?", c, 2);
    assert_says(&b, "R$ 28,50");
    end(&b);
}

static void the_phrase_is_a_slice_of_a_part(void **state)
{
    static const struct {
        const char *question, *text, *phrase;
    } cases[] = {
        {"Em que ano foi aberto o teatro?",
         "O teatro foi aberto em 1887 com uma ópera. Chove muito.", "1887"},
        {"Quem projetou o teatro?",
         "O teatro tem cem lugares. Foi Ana Moura quem projetou o teatro.", "Ana Moura"},
        {"Quanto custa o queijo?", "O queijo custa R$ 42,00 na feira. O pão é da casa.",
         "R$ 42,00"},
        {"How many seats does the theatre have?", "The theatre has 320 seats. It is old.", "320"},
    };
    bench b;
    (void)state;
    begin(&b);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eng_candidate c[] = {passage(cases[i].text, 1)};
        eng_found_answer a = found(&b, cases[i].question, c, 1);
        assert_true(a.brief_part < a.count);
        assert_true(a.parts[a.brief_part].start <= a.brief_start);
        assert_true(a.brief_end <= a.parts[a.brief_part].end);
        assert_true(a.brief_score > 0 && a.brief_score <= 1);
        eng_str phrase = eng_str_sub(c[0].text, a.brief_start, a.brief_end - a.brief_start);
        if (eng_str_find(phrase, eng_str_of(cases[i].phrase)) == SIZE_MAX)
            fail_msg("%s: expected '%s', got '%.*s'", cases[i].question, cases[i].phrase,
                     ENG_FMT(phrase));
    }
    end(&b);
}

static void parts_say_where_they_begin_in_the_text(void **state)
{
    size_t at[8];
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage(bridge, 1)};
    eng_found_answer a = found(&b, "O que é a Ponte Velha?", c, 1);
    assert_in_range(a.count, 1, 8);
    eng_buf_reset(&b.text);
    eng_answer_text(&a, c, &b.text, at);
    for (size_t i = 0; i < a.count; i++)
        assert_memory_equal(b.text.data + at[i], bridge + a.parts[i].start,
                            a.parts[i].end - a.parts[i].start);
    end(&b);
}

static void words_that_are_glued_together_are_found(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {
        passage("O moinho moi milho. Oaluguel da umaplataforma custa 90 reais por mês. Chove.", 1)};
    eng_found_answer a = found(&b, "Quanto custa a plataforma?", c, 1);
    assert_true(a.answered);
    assert_says(&b, "90 reais");
    end(&b);
}

static void a_heading_or_question_is_no_answer(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage("Como peço a segunda via?\n\nAbra o menu Conta e toque em "
                                 "Documentos. Depois escolha o boleto e confirme.\n\nOnde fica a "
                                 "loja?\n\nNa rua das Flores, 20.",
                                 1)};
    found(&b, "Como peço a segunda via?", c, 1);
    assert_says(&b, "Abra o menu Conta");
    assert_null(strstr(answer(&b), "?"));
    end(&b);
}

static void a_word_that_means_the_same_is_met(void **state)
{
    const eng_candidate c[] = {
        passage(
            "O mercado abre aos domingos. A taxa de entrega sai por doze reais. O pátio tem uma "
            "fonte de pedra.",
            1),
        passage("The market opens on Sundays. Goods are shipped within four days. The yard has a "
                "stone fountain.",
                2),
    };
    bench b;
    (void)state;
    begin(&b);
    found(&b, "Qual é o custo da entrega?", c, 1);
    assert_says(&b, "doze reais");
    found(&b, "When are goods delivered?", c + 1, 1);
    assert_says(&b, "four days");
    end(&b);
}

static void what_a_line_announces_comes_with_it(void **state)
{
    const eng_candidate c = passage(
        "A feira tem regras antigas.\n\nNem tudo entra na feira. Ficam de "
        "fora:\ngarrafas de vidro\nfogos de artifício\nbicicletas\n\nO "
        "portão fecha ao meio-dia, quando o sino da igreja toca.",
        1);
    bench b;
    (void)state;
    begin(&b);
    found(&b, "O que não entra na feira?", &c, 1);
    assert_says(&b, "garrafas de vidro");
    assert_says(&b, "fogos de artifício");
    assert_says(&b, "bicicletas");
    end(&b);
}

static void a_short_yes_stands_with_what_follows_it(void **state)
{
    const eng_candidate c = passage(
        "Posso levar um cachorro ao parque?\nPode. Cães de coleira entram "
        "pelo portão norte.\n\nHá estacionamento?\nNão há vagas.",
        1);
    bench b;
    (void)state;
    begin(&b);
    eng_found_answer a = found(&b, "Posso levar um cachorro ao parque?", &c, 1);
    assert_true(a.answered);
    assert_says(&b, "Pode. Cães de coleira entram");
    for (size_t i = 0; i < a.count; i++)
        assert_true(a.parts[i].end - a.parts[i].start > strlen("Pode."));
    end(&b);
}

static void any_bytes_are_a_passage_and_a_question(void **state)
{
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage("\xC3", 1), passage("\xFF\xFE ponte \x80. \xE2\x80", 2),
                         passage("", 3), passage("\n\n\n|", 4), passage("# \n- \n1. ", 5)};
    found(&b, "ponte \xC3", c, 5);
    found(&b, "\xF0\x9F\x98\x80 cad\xC3\xAA a ponte \xF0\x9F\x98\x80", c, 5);
    end(&b);
}

static void it_survives_no_memory(void **state)
{
    eng_status status;
    eng_error err;
    bench b;
    (void)state;
    begin(&b);
    eng_candidate c[] = {passage(bridge, 1)};
    assert_survives_no_memory(status, {
        eng_arena arena;
        eng_question q;
        eng_found_answer a;
        eng_arena_init(&arena, 256, NULL);
        status = eng_question_parse(b.analyzer, ENG_STR("Quem projetou a Ponte Velha?"),
                                    ENG_LANGUAGE_UNKNOWN, &arena, &q, &err);
        if (status == ENG_OK)
            status = eng_answer_find(b.analyzer, &q, c, 1, NULL, &arena, &a, &err);
        eng_arena_clear(&arena);
    });
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_has_a_kind_in_three_languages),
        cmocka_unit_test(a_question_may_lack_accents_shout_and_have_typing_errors),
        cmocka_unit_test(a_question_has_a_language_or_is_given_one),
        cmocka_unit_test(its_words_are_those_that_say_something_once),
        cmocka_unit_test(small_words_alone_are_asked_for_too),
        cmocka_unit_test(weights_come_from_what_an_index_says),
        cmocka_unit_test(the_sentence_that_answers_is_chosen),
        cmocka_unit_test(it_answers_in_english_and_spanish),
        cmocka_unit_test(parts_are_slices_in_reading_order_and_none_twice),
        cmocka_unit_test(what_the_passages_lack_is_not_answered),
        cmocka_unit_test(without_candidates_there_is_nothing),
        cmocka_unit_test(a_threshold_decides),
        cmocka_unit_test(no_answer_is_longer_than_it_may_be),
        cmocka_unit_test(items_and_rows_are_pieces_of_their_own),
        cmocka_unit_test(the_phrase_is_a_slice_of_a_part),
        cmocka_unit_test(parts_say_where_they_begin_in_the_text),
        cmocka_unit_test(words_that_are_glued_together_are_found),
        cmocka_unit_test(a_heading_or_question_is_no_answer),
        cmocka_unit_test(a_word_that_means_the_same_is_met),
        cmocka_unit_test(what_a_line_announces_comes_with_it),
        cmocka_unit_test(a_short_yes_stands_with_what_follows_it),
        cmocka_unit_test(any_bytes_are_a_passage_and_a_question),
        cmocka_unit_test(it_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
