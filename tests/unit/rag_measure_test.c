/* Each test names a promise of rag.h, "Measuring". */
#include "rag/rag.h"
#include "test.h"

#include <math.h>
#include <string.h>

typedef struct {
    eng_arena arena;
    eng_probe *all;
    size_t count;
} probes;

static eng_status read_lines(probes *p, const char *lines, eng_error *err)
{
    eng_arena_init(&p->arena, 4096, NULL);
    return eng_probes_read(eng_str_of(lines), &p->arena, &p->all, &p->count, err);
}

static void a_line_is_a_question(void **state)
{
    (void)state;
    probes p;
    eng_error err = {0};
    assert_ok(
        read_lines(&p,
                   "{\"question\":\"Quantas pás?\",\"facts\":[[\"doze\",\"12\"],[\"madeira\"]],"
                   "\"document\":\"roda\"}\n\n"
                   "{\"question\":\"Quem?\",\"answer\":\"Anselmo\",\"other\":1}\r\n"
                   "{\"question\":\"Onde?\"}\n"
                   "{\"question\":\"Como?\",\"answerable\":true}",
                   &err),
        err);
    assert_int_equal(p.count, 4);
    assert_str_view(p.all[0].question, "Quantas pás?");
    assert_str_view(p.all[0].document, "roda");
    assert_int_equal(p.all[0].fact_count, 2);
    assert_str_view(p.all[0].facts[0].spellings[1], "12");
    assert_true(p.all[0].answerable);
    assert_int_equal(p.all[1].fact_count, 1);
    assert_str_view(p.all[1].facts[0].spellings[0], "Anselmo");
    assert_false(p.all[2].answerable);
    assert_true(p.all[3].answerable);
    eng_arena_clear(&p.arena);
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *said;
    } cases[] = {
        {"", "at least one"},
        {"\n \n", "at least one"},
        {"{\"question\":\"x\"}\n{\"question\":5}", "line 2: question"},
        {"{\"question\":\"  \"}", "line 1: question"},
        {"{}", "line 1: question"},
        {"[]", "line 1: question"},
        {"{\"question\":\"x\"", "question 1"},
        {"{\"question\":\"x\",\"facts\":\"y\"}", "line 1: facts"},
        {"{\"question\":\"x\",\"facts\":[\"y\"]}", "line 1: facts"},
        {"{\"question\":\"x\",\"facts\":[[]]}", "line 1: facts"},
        {"{\"question\":\"x\",\"facts\":[[\"\"]]}", "line 1: facts"},
        {"{\"question\":\"x\",\"facts\":[[7]]}", "line 1: facts"},
        {"{\"question\":\"x\",\"answer\":7}", "line 1: answer"},
        {"{\"question\":\"x\",\"document\":7}", "line 1: document"},
        {"{\"question\":\"x\",\"answerable\":\"yes\"}", "line 1: answerable"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        probes p;
        eng_error err = {0};
        eng_status status = read_lines(&p, cases[i].lines, &err);
        assert_true(status == ENG_EINVALID || status == ENG_EMALFORMED || status == ENG_ETRUNCATED);
        if (!strstr(err.message, cases[i].said) && !strstr(cases[i].said, "at least"))
            fail_msg("%s: %s", cases[i].lines, err.message);
        eng_arena_clear(&p.arena);
    }
}

static size_t found(const eng_probe *p, const char *text)
{
    size_t n = 99;
    eng_error err = {0};
    assert_ok(eng_facts_found(p, eng_str_of(text), &n, &err), err);
    return n;
}

static void a_fact_is_held_in_any_case_and_spelling(void **state)
{
    (void)state;
    probes p;
    eng_error err = {0};
    assert_ok(
        read_lines(
            &p, "{\"question\":\"x\",\"facts\":[[\"R$ 1.000,00\",\"mil reais\"],[\"São Paulo\"]]}",
            &err),
        err);
    assert_int_equal(found(p.all, ""), 0);
    assert_int_equal(found(p.all, "custa r$\xc2\xa0"
                                  "1.000,00"),
                     1);
    assert_int_equal(found(p.all, "MIL  REAIS em SA\xcc\x83O\nPAULO"), 2);
    assert_int_equal(found(p.all, "Mil\treais, Sa\xcc\x83o paulo."), 2);
    assert_int_equal(found(p.all, "sao paulo"), 0);
    eng_arena_clear(&p.arena);
}

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-9))
        fail_msg("%.12g is not %.12g", got, want);
}

static void shares_are_what_they_are_named(void **state)
{
    (void)state;
    probes p;
    eng_error err = {0};
    eng_measures m;
    assert_ok(read_lines(&p,
                         "{\"question\":\"a\",\"document\":\"d\",\"facts\":[[\"x\"],[\"y\"]]}\n"
                         "{\"question\":\"b\",\"document\":\"d\"}\n"
                         "{\"question\":\"c\",\"answer\":\"z\"}\n"
                         "{\"question\":\"d\",\"answerable\":false}\n"
                         "{\"question\":\"e\",\"answerable\":false}",
                         &err),
              err);
    const eng_outcome o[] = {
        {1, 1, true, 10, 7},  {3, 0, true, 20, 7}, {0, 0, false, 30, 7},
        {0, 0, false, 40, 7}, {2, 0, true, 50, 7},
    };
    assert_ok(eng_measure_outcomes(p.all, o, 5, &m, &err), err);
    near(m.recall_1.value, 1.0 / 3);
    near(m.recall_5.value, 2.0 / 3);
    near(m.recall_10.value, 2.0 / 3);
    near(m.mrr.value, (1 + 1.0 / 3) / 3);
    near(m.ndcg.value, 1.5 / 3);
    near(m.fact_recall.value, (0.5 + 0) / 2);
    near(m.abstention_precision.value, 0.5);
    near(m.abstention_recall.value, 0.5);
    near(m.grounded.value, 0.6);
    near(m.p50, 30);
    near(m.p95, 50);
    assert_int_equal(m.tokens, 35);
    assert_true(m.mrr.low <= m.mrr.value && m.mrr.value <= m.mrr.high && m.mrr.low < m.mrr.high);
    eng_arena_clear(&p.arena);
}

static void a_share_of_nothing_is_null(void **state)
{
    (void)state;
    probes p;
    eng_error err = {0};
    eng_measures m;
    eng_buf out;
    assert_ok(read_lines(&p, "{\"question\":\"a\",\"document\":\"d\"}", &err), err);
    assert_ok(eng_measure_outcomes(p.all, &(eng_outcome){1, 0, true, 5, 1}, 1, &m, &err), err);
    assert_true(isnan(m.fact_recall.value) && isnan(m.abstention_recall.value));
    eng_buf_init(&out, 1 << 16);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '{');
    eng_measures_write(&w, &m);
    eng_json_close(&w, '}');
    const eng_json *v;
    assert_ok(eng_json_read(eng_buf_view(&out), NULL, &p.arena, &v, &err), err);
    assert_true(eng_json_is(eng_json_get(v, ENG_STR("fact_recall")), ENG_JSON_NULL));
    assert_non_null(eng_json_get(eng_json_get(v, ENG_STR("recall")), ENG_STR("10")));
    assert_int_equal(
        eng_json_count(eng_json_get(eng_json_get(v, ENG_STR("intervals")), ENG_STR("mrr"))), 2);
    eng_buf_clear(&out);
    eng_arena_clear(&p.arena);
}

/* An interval of a coin's 200 throws is as wide as statistics has it: .5 -+ .07. */
static void intervals_are_as_wide_as_chance_makes_them(void **state)
{
    (void)state;
    enum { N = 200 };
    static eng_probe many[N];
    static eng_outcome o[N];
    eng_measures m, again;
    eng_error err = {0};
    for (size_t i = 0; i < N; i++) {
        many[i] = (eng_probe){.document = ENG_STR("d"), .answerable = true};
        o[i] = (eng_outcome){.rank = i % 2, .grounded = true, .ms = 1};
    }
    assert_ok(eng_measure_outcomes(many, o, N, &m, &err), err);
    assert_true(m.mrr.low > 0.40 && m.mrr.low < 0.46 && m.mrr.high > 0.54 && m.mrr.high < 0.60);
    assert_ok(eng_measure_outcomes(many, o, N, &again, &err), err);
    near(again.mrr.low, m.mrr.low);
    near(again.mrr.high, m.mrr.high);
}

static void survives_no_memory(void **state)
{
    (void)state;
    eng_status status = ENG_OK;
    const char *line = "{\"question\":\"a\",\"facts\":[[\"x\",\"y\"]]}";
    assert_survives_no_memory(status, {
        probes p;
        size_t n;
        eng_measures m;
        status = read_lines(&p, line, NULL);
        if (status == ENG_OK)
            status = eng_facts_found(p.all, ENG_STR("Y"), &n, NULL);
        if (status == ENG_OK)
            status = eng_measure_outcomes(p.all, &(eng_outcome){.rank = 1}, 1, &m, NULL);
        eng_arena_clear(&p.arena);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_question),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(a_fact_is_held_in_any_case_and_spelling),
        cmocka_unit_test(shares_are_what_they_are_named),
        cmocka_unit_test(a_share_of_nothing_is_null),
        cmocka_unit_test(intervals_are_as_wide_as_chance_makes_them),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
