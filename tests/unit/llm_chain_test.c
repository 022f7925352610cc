/* What ENGENHO_LLM and its aliases mean. */
#include "base/error.h"
#include "llm/llm.h"
#include "test.h"

static eng_llm *chain(eng_llm_options options)
{
    eng_llm *l = NULL;
    assert_int_equal(eng_llm_new(&options, &l, NULL), ENG_OK);
    return l;
}

static void is(const eng_llm *l, size_t i, eng_llm_kind kind, const char *url, const char *model)
{
    const eng_llm_provider *p = eng_llm_at(l, i);
    assert_int_equal(p->kind, kind);
    assert_string_equal(p->url.ptr, url);
    assert_string_equal(p->model.ptr, model);
}

static void without_anything_it_is_extraction(void **state)
{
    (void)state;
    eng_llm *l = chain((eng_llm_options){.chain = "", .model = ""});
    assert_int_equal(eng_llm_count(l), 1);
    is(l, 0, ENG_LLM_EXTRACT, "", "");
    eng_llm_free(l);
}

static void providers_stand_in_their_order(void **state)
{
    (void)state;
    eng_llm *l = chain((eng_llm_options){
        .chain = "ollama:http://127.0.0.1:11434/#llama3.2:3b, openai:http://h/v1#a/b,extract"});
    assert_int_equal(eng_llm_count(l), 3);
    is(l, 0, ENG_LLM_OLLAMA, "http://127.0.0.1:11434", "llama3.2:3b");
    is(l, 1, ENG_LLM_OPENAI, "http://h/v1", "a/b");
    is(l, 2, ENG_LLM_EXTRACT, "", "");
    eng_llm_free(l);
}

static void an_alias_alone_is_that_and_then_extraction(void **state)
{
    (void)state;
    eng_llm *l = chain((eng_llm_options){.ollama_url = "http://o:1", .model = "m"});
    assert_int_equal(eng_llm_count(l), 2);
    is(l, 0, ENG_LLM_OLLAMA, "http://o:1", "m");
    is(l, 1, ENG_LLM_EXTRACT, "", "");
    eng_llm_free(l);
    l = chain((eng_llm_options){.chain = "extract", .openai_url = "http://o:1/v1"});
    assert_int_equal(eng_llm_count(l), 1);
    eng_llm_free(l);
}

static void what_is_no_provider_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = {"gpt", "openai:", "openai:ftp://x", "claude:http://x",
                                        "ollama:http://x#m,nothing"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        eng_llm_options o = {.chain = wrong[i]};
        eng_error err;
        eng_llm *l = NULL;
        assert_int_equal(eng_llm_new(&o, &l, &err), ENG_EUSAGE);
        assert_non_null(strstr(err.message, "ENGENHO_LLM"));
    }
}

static void a_key_with_a_line_end_is_refused(void **state)
{
    (void)state;
    eng_llm_options o = {.key = "a\r\nX: y"};
    eng_llm *l = NULL;
    assert_int_equal(eng_llm_new(&o, &l, NULL), ENG_EUSAGE);
}

static void estimates_are_rather_too_large(void **state)
{
    (void)state;
    assert_int_equal(eng_llm_estimate(ENG_STR("")), 1);
    assert_true(eng_llm_estimate(ENG_STR("A roda do moinho tem doze p\xC3\xA1s de madeira.")) >=
                12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_anything_it_is_extraction),
        cmocka_unit_test(providers_stand_in_their_order),
        cmocka_unit_test(an_alias_alone_is_that_and_then_extraction),
        cmocka_unit_test(what_is_no_provider_is_named),
        cmocka_unit_test(a_key_with_a_line_end_is_refused),
        cmocka_unit_test(estimates_are_rather_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
