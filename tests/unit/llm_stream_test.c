/* What model servers send, in pieces of any size. */
#include "base/error.h"
#include "llm/llm.h"
#include "test.h"

typedef struct {
    eng_buf text;
    eng_error err;
    eng_llm_reader reader;
} read_one;

static eng_status take(void *ctx, eng_str piece, eng_error *err)
{
    (void)err;
    eng_buf_str(ctx, piece);
    return ENG_OK;
}

/* Fed in pieces of `step` bytes. */
static eng_status read_all(read_one *r, eng_llm_kind kind, eng_llm_form form, eng_str bytes,
                           size_t step)
{
    eng_status status = ENG_OK;
    eng_buf_init(&r->text, 1 << 24);
    eng_llm_reader_init(&r->reader, kind, form);
    r->reader.text = take;
    r->reader.ctx = &r->text;
    for (size_t at = 0; at < bytes.len && status == ENG_OK; at += step)
        status = eng_llm_reader_feed(&r->reader, eng_str_sub(bytes, at, step), &r->err);
    return status == ENG_OK ? eng_llm_reader_end(&r->reader, &r->err) : status;
}

static void clear(read_one *r)
{
    eng_llm_reader_clear(&r->reader);
    eng_buf_clear(&r->text);
}

#define CHUNK(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define END                                                                                        \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"              \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n"           \
    "data: [DONE]\n\n"

static void events_come_in_pieces_of_any_size(void **state)
{
    (void)state;
    eng_str bytes = ENG_STR(": hello\n\n" CHUNK("A roda ") CHUNK("tem p\xC3\xA1s.") END);
    for (size_t step = 1; step <= bytes.len; step += 1 + step / 3) {
        read_one r;
        assert_int_equal(read_all(&r, ENG_LLM_OPENAI, ENG_LLM_SSE, bytes, step), ENG_OK);
        assert_string_equal(r.text.data, "A roda tem p\xC3\xA1s.");
        assert_int_equal(r.reader.prompt_tokens, 9);
        assert_int_equal(r.reader.completion_tokens, 4);
        clear(&r);
    }
}

static void lines_come_in_pieces_of_any_size(void **state)
{
    (void)state;
    eng_str bytes = ENG_STR(
        "{\"message\":{\"role\":\"assistant\",\"content\":\"A \"},\"done\":false}\r\n"
        "{\"message\":{\"content\":\"roda\"},\"done\":false}\n\n"
        "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\",\"eval_count\":"
        "4}");
    for (size_t step = 1; step <= bytes.len; step += 1 + step / 3) {
        read_one r;
        assert_int_equal(read_all(&r, ENG_LLM_OLLAMA, ENG_LLM_LINES, bytes, step), ENG_OK);
        assert_string_equal(r.text.data, "A roda");
        assert_true(r.reader.cut);
        clear(&r);
    }
}

static void one_value_is_read_whole(void **state)
{
    (void)state;
    read_one r;
    eng_str bytes = ENG_STR("{\"choices\":[{\"message\":{\"content\":\"Doze.\"}}]}");
    assert_int_equal(read_all(&r, ENG_LLM_OPENAI, ENG_LLM_WHOLE, bytes, 7), ENG_OK);
    assert_string_equal(r.text.data, "Doze.");
    clear(&r);
}

static void refused(eng_llm_kind kind, eng_llm_form form, eng_str bytes, eng_status wanted)
{
    read_one r;
    assert_int_equal(read_all(&r, kind, form, bytes, 64), wanted);
    clear(&r);
}

static void what_is_no_answer_is_the_other_sides_failure(void **state)
{
    (void)state;
    refused(ENG_LLM_OPENAI, ENG_LLM_SSE, ENG_STR(CHUNK("cut")), ENG_EUPSTREAM);
    refused(ENG_LLM_OPENAI, ENG_LLM_SSE, ENG_STR("data: <html>\n\n"), ENG_EUPSTREAM);
    refused(ENG_LLM_OPENAI, ENG_LLM_SSE, ENG_STR("data: [1]\n\n"), ENG_EUPSTREAM);
    refused(ENG_LLM_OPENAI, ENG_LLM_SSE, ENG_STR(CHUNK("\xFF\xFE") END), ENG_EUPSTREAM);
    refused(ENG_LLM_OPENAI, ENG_LLM_WHOLE, ENG_STR("{\"choices\":[]}"), ENG_EUPSTREAM);
    refused(ENG_LLM_OPENAI, ENG_LLM_WHOLE, ENG_STR(""), ENG_EUPSTREAM);
    refused(ENG_LLM_OLLAMA, ENG_LLM_LINES, ENG_STR("{\"done\":false}\n"), ENG_EUPSTREAM);
    refused(ENG_LLM_OLLAMA, ENG_LLM_LINES, ENG_STR("{\"error\":\"the model fell over\"}\n"),
            ENG_EUPSTREAM);
}

static void too_long_a_prompt_is_told_apart(void **state)
{
    (void)state;
    refused(ENG_LLM_OPENAI, ENG_LLM_WHOLE,
            ENG_STR("{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}"),
            ENG_ETOOBIG);
    refused(ENG_LLM_OLLAMA, ENG_LLM_LINES,
            ENG_STR("{\"error\":\"input exceeds the context window\"}\n"), ENG_ETOOBIG);
}

static void an_answer_without_end_is_ended(void **state)
{
    (void)state;
    read_one r;
    eng_status status = ENG_OK;
    eng_str chunk = ENG_STR(CHUNK("palavra palavra palavra palavra palavra palavra palavra "));
    eng_buf_init(&r.text, 1 << 24);
    eng_llm_reader_init(&r.reader, ENG_LLM_OPENAI, ENG_LLM_SSE);
    r.reader.text = take;
    r.reader.ctx = &r.text;
    for (int i = 0; i < 100000 && status == ENG_OK; i++)
        status = eng_llm_reader_feed(&r.reader, chunk, &r.err);
    assert_int_equal(status, ENG_EUPSTREAM);
    assert_true(r.text.len <= ENG_LLM_TEXT_MAX);
    clear(&r);
}

static void a_line_without_end_is_ended(void **state)
{
    (void)state;
    eng_status status = ENG_OK;
    read_one r;
    char junk[4096];
    memset(junk, 'x', sizeof junk);
    eng_buf_init(&r.text, 1 << 20);
    eng_llm_reader_init(&r.reader, ENG_LLM_OLLAMA, ENG_LLM_LINES);
    for (int i = 0; i < 3000 && status == ENG_OK; i++)
        status = eng_llm_reader_feed(&r.reader, (eng_str){junk, sizeof junk}, &r.err);
    assert_int_equal(status, ENG_EUPSTREAM);
    clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_pieces_of_any_size),
        cmocka_unit_test(lines_come_in_pieces_of_any_size),
        cmocka_unit_test(one_value_is_read_whole),
        cmocka_unit_test(what_is_no_answer_is_the_other_sides_failure),
        cmocka_unit_test(too_long_a_prompt_is_told_apart),
        cmocka_unit_test(an_answer_without_end_is_ended),
        cmocka_unit_test(a_line_without_end_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
