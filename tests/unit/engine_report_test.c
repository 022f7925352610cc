/* Each test names a promise of report.h. */
#include "base/error.h"
#include "engine/report.h"
#include "test.h"

#include <libxml/HTMLparser.h>
#include <math.h>
#include <string.h>

/* The page as an HTML reader sees it, which complains of nothing. SVG's elements it does not know. */
static void assert_sound(const eng_buf *page)
{
    static const char *const foreign[] = {"http://", "https://", "//cdn",
                                          "src=",    "@import",  "<script"};
    htmlDocPtr doc = htmlReadMemory(page->data, (int)page->len, NULL, "utf-8",
                                    HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING);
    assert_non_null(doc);
    assert_string_equal((const char *)xmlDocGetRootElement(doc)->name, "html");
    xmlFreeDoc(doc);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        assert_null(strstr(page->data, foreign[i]));
    const char *nan = strstr(page->data, "nan");
    if (nan)
        fail_msg("a number that is none: %.60s", nan - 30);
}

static void make(const char *json, eng_buf *page, eng_status want)
{
    eng_arena arena;
    eng_error err = {0};
    const eng_json *v;
    eng_arena_init(&arena, 4096, NULL);
    eng_buf_init(page, 1 << 20);
    assert_ok(eng_json_read(eng_str_of(json), NULL, &arena, &v, &err), err);
    assert_int_equal(eng_report_of(v, page, &err), want);
    eng_arena_clear(&arena);
}

static const char evaluation[] =
    "{\"kind\":\"evaluation\",\"collection\":\"<moinho>\",\"time\":\"2026-01-01T00:00:00Z\","
    "\"questions\":2,"
    "\"runs\":[{\"name\":\"hybrid\",\"recall\":{\"1\":0.5,\"5\":1,\"10\":1},\"mrr\":0.75,\"ndcg\":"
    "0.8,"
    "\"fact_recall\":0.5,\"abstention\":{\"precision\":null,\"recall\":null},\"grounded\":1,"
    "\"latency\":{\"p50\":4.5,\"p95\":9,\"p99\":9},\"tokens\":812,\"intervals\":{\"mrr\":[0.5,1],"
    "\"recall\":{\"1\":[0,1]}},\"outcomes\":[{\"question\":\"Quantas \\\"p\xc3\xa1s\\\" & rodas?\","
    "\"answerable\":true,\"rank\":2,\"facts\":2,\"facts_found\":1,\"response\":\"<b>doze</"
    "b>\",\"ms\":4.5}]},"
    "{\"name\":\"bm25\",\"recall\":{},\"latency\":{\"p50\":2},\"ndcg\":0.7,\"outcomes\":[]}]}";

static void an_evaluation_is_a_page_of_its_own(void **state)
{
    (void)state;
    eng_buf page;
    make(evaluation, &page, ENG_OK);
    assert_sound(&page);
    assert_non_null(strstr(page.data, "&lt;moinho&gt;"));
    assert_non_null(strstr(page.data, "Quantas &quot;p\xc3\xa1s&quot; &amp; rodas?"));
    assert_non_null(strstr(page.data, "&lt;b&gt;doze&lt;/b&gt;"));
    assert_non_null(strstr(page.data, "1 of 2"));
    assert_non_null(strstr(page.data, "nothing to count"));
    assert_non_null(strstr(page.data, "<svg"));
    eng_buf_clear(&page);
}

static const char training[] =
    "{\"kind\":\"text\",\"folds\":5,\"products\":4,\"accuracy\":0.75,\"accuracy_95\":[0.6,0.9],"
    "\"macro_f1\":0.7,"
    "\"reliability\":[{\"probability\":0.5,\"accuracy\":0.4,\"count\":2},{\"probability\":0.9,"
    "\"accuracy\":1,"
    "\"count\":2}],\"classes\":[{\"category\":\"Beb\xc3\xaa\",\"precision\":0.5,\"recall\":1,"
    "\"f1\":0.667,"
    "\"support\":1,\"said\":2},{\"category\":\"Outros & mais\"}],\"confusion\":[[1,0],[1,2]],"
    "\"mistakes\":[{\"title\":\"ber\xc3\xa7o\",\"right\":\"Outros & "
    "mais\",\"said\":\"Beb\xc3\xaa\",\"sure\":0.93}],"
    "\"leak\":{\"accuracy_by_row\":0.99,\"accuracy_by_group\":0.75,\"why\":\"learned by heart\"},"
    "\"data\":{\"rows\":9,\"ceiling\":0.98},\"test\":{\"accuracy\":0.5}}";

static void a_training_is_one_too(void **state)
{
    (void)state;
    eng_buf page;
    make(training, &page, ENG_OK);
    assert_sound(&page);
    assert_non_null(strstr(page.data, "Outros &amp; mais"));
    assert_non_null(strstr(page.data, "ber\xc3\xa7o"));
    assert_non_null(strstr(page.data, "learned by heart"));
    assert_non_null(strstr(page.data, "0.9800"));
    assert_non_null(strstr(page.data, "On the test products"));
    eng_buf_clear(&page);
    make("{\"kind\":\"text\",\"classes\":7,\"confusion\":[[1,[]],8],\"mistakes\":[5,{}],"
         "\"reliability\":[{}]}",
         &page, ENG_OK);
    assert_sound(&page);
    eng_buf_clear(&page);
}

static void what_is_no_result_is_refused(void **state)
{
    (void)state;
    eng_buf page;
    static const char *const none[] = {"{}", "[]", "{\"kind\":\"evaluation of sorts\"}", "7"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        make(none[i], &page, ENG_EINVALID);
        eng_buf_clear(&page);
    }
}

/* Whatever an old or foreign file leaves out or has otherwise, the page is a page. */
static void what_is_missing_leaves_a_gap(void **state)
{
    (void)state;
    eng_buf page;
    static const char *const odd[] = {
        "{\"kind\":\"evaluation\"}",
        "{\"kind\":\"evaluation\",\"runs\":7}",
        "{\"kind\":\"evaluation\",\"runs\":[7,{},[],{\"outcomes\":[{}, 5]}]}",
        "{\"kind\":\"evaluation\",\"runs\":[{\"recall\":7,\"intervals\":{\"mrr\":[1]}}]}",
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        make(odd[i], &page, ENG_OK);
        assert_sound(&page);
        eng_buf_clear(&page);
    }
}

static void plots_hold_all_their_points(void **state)
{
    (void)state;
    eng_buf page;
    eng_buf_init(&page, 1 << 20);
    eng_report r = eng_report_begin(&page, ENG_STR("t"), ENG_STR("l"));
    const eng_report_point points[] = {{0, 0}, {0.31, 0.29}, {1, 0.97}};
    const eng_report_axes axes = {ENG_STR("c"), ENG_STR("x"), ENG_STR("y"), true, true, NULL};
    eng_report_plot(&r, &axes, points, 3);
    const eng_report_point far[] = {{1e-12, 3e9}, {7, 1}};
    eng_report_plot(&r, &axes, far, 2);
    eng_report_plot(&r, &axes, NULL, 0);
    const eng_str labels[] = {ENG_STR("a"), ENG_STR("b")};
    const double counts[] = {3, 1, 0, 0};
    eng_report_matrix(&r, ENG_STR("m"), labels, counts, 2);
    eng_report_end(&r);
    assert_sound(&page);
    size_t circles = 0;
    for (const char *at = page.data; (at = strstr(at, "<circle")); at++)
        circles++;
    assert_int_equal(circles, 5);
    assert_non_null(strstr(page.data, "cx=\"624.0\""));
    assert_null(strstr(page.data, "cx=\"-"));
    eng_buf_clear(&page);
}

static void survives_no_memory(void **state)
{
    (void)state;
    eng_status status = ENG_OK;
    eng_arena arena;
    const eng_json *v;
    eng_error err = {0};
    eng_arena_init(&arena, 4096, NULL);
    assert_ok(eng_json_read(eng_str_of(evaluation), NULL, &arena, &v, &err), err);
    assert_survives_no_memory(status, {
        eng_buf page;
        eng_buf_init(&page, 1 << 20);
        status = eng_report_of(v, &page, NULL);
        eng_buf_clear(&page);
    });
    eng_arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_evaluation_is_a_page_of_its_own),
        cmocka_unit_test(a_training_is_one_too),
        cmocka_unit_test(what_is_no_result_is_refused),
        cmocka_unit_test(what_is_missing_leaves_a_gap),
        cmocka_unit_test(plots_hold_all_their_points),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
