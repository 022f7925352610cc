/* Documents made ready: promises of rag.h. */
#include "base/utf8.h"
#include "engine_help.h"
#include "rag/rag.h"

#include <string.h>

static eng_draft_source sample(void)
{
    return (eng_draft_source){
        .id = {NULL, 0},
        .title = ENG_STR("Trocas"),
        .url = ENG_STR("https://exemplo.com/trocas"),
        .metadata = ENG_STR("{\"ano\":2026}"),
        .text = ENG_STR("O prazo de troca é de sete dias para quem não usou o que comprou.")};
}

static eng_draft begin(const eng_draft_source *source, eng_arena *arena)
{
    eng_draft d;
    eng_error err = {0};
    assert_ok(eng_draft_begin(source, arena, &d, &err), err);
    return d;
}

static void the_same_content_is_the_same_document(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    eng_draft_source s = sample();
    eng_draft one = begin(&s, &a), two = begin(&s, &a);
    assert_memory_equal(one.hash, two.hash, ENG_DRAFT_HASH);
    assert_true(eng_str_eq(one.id, two.id));
    assert_true(one.id.len > 0);
    assert_int_equal(one.language, ENG_LANGUAGE_PT);
    s.id = ENG_STR("meu"); /* what its owner calls it is no content */
    two = begin(&s, &a);
    assert_str_view(two.id, "meu");
    assert_memory_equal(one.hash, two.hash, ENG_DRAFT_HASH);
    eng_arena_clear(&a);
}

static void any_other_part_is_another_document(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    eng_draft_source all[7];
    for (size_t i = 0; i < 7; i++)
        all[i] = sample();
    all[1].title = ENG_STR("Troca");
    all[2].url = (eng_str){NULL, 0};
    all[3].metadata = ENG_STR("{\"ano\":2025}");
    all[4].text = ENG_STR("O prazo de troca é de seis dias.");
    /* The same bytes, cut elsewhere. */
    all[5].title = ENG_STR("Trocash");
    all[5].url = ENG_STR("ttps://exemplo.com/trocas");
    all[6].title = ENG_STR("");
    for (size_t i = 0; i < 7; i++) {
        for (size_t k = 0; k < i; k++) {
            eng_draft x = begin(&all[i], &a), y = begin(&all[k], &a);
            assert_memory_not_equal(x.hash, y.hash, ENG_DRAFT_HASH);
            assert_false(eng_str_eq(x.id, y.id));
        }
    }
    eng_arena_clear(&a);
}

static void blanks_are_no_document(void **state)
{
    eng_arena a;
    eng_draft d;
    eng_error err = {0};
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    eng_draft_source s = sample();
    s.text = ENG_STR(" \n\t ");
    assert_int_equal(eng_draft_begin(&s, &a, &d, &err), ENG_EINVALID);
    assert_string_equal(err.field, "text");
    s.text = ENG_STR("");
    assert_int_equal(eng_draft_begin(&s, &a, &d, &err), ENG_EINVALID);
    eng_arena_clear(&a);
}

static void a_language_that_is_said_is_taken(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    eng_draft_source s = sample();
    s.language = ENG_STR("en-GB");
    assert_int_equal(begin(&s, &a).language, ENG_LANGUAGE_EN);
    eng_arena_clear(&a);
}

/* ---- Passages ---- */

static size_t count_words(void *ctx, eng_str text)
{
    size_t n = 0;
    (void)ctx;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] > ' ' && (i == 0 || text.ptr[i - 1] <= ' ');
    return n;
}

static const char structured[] = "# Envio\n\n## Prazos\n\nSete dias para todo o estado.\n";

static eng_draft cut(const char *title, eng_arena *arena)
{
    eng_cut_options how = {.size = 100, .count = count_words};
    eng_draft_source s = {
        .id = {NULL, 0}, .title = eng_str_of(title), .text = eng_str_of(structured)};
    eng_error err = {0};
    eng_draft d = begin(&s, arena);
    assert_ok(eng_draft_cut(&d, &s, &how, arena, &err), err);
    return d;
}

static void passages_count_their_tokens(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    eng_draft d = cut("Loja", &a);
    size_t sum = 0;
    assert_true(d.passage_count > 0);
    for (size_t i = 0; i < d.passage_count; i++)
        sum += d.passages[i].units;
    assert_int_equal(d.tokens, sum);
    eng_arena_clear(&a);
}

static const char paragraph[] = "Sete dias para todo o estado.";

/* A draft of one passage, under a heading. */
static eng_str embedded(const char *title, const char *heading, size_t max_tokens, eng_arena *arena)
{
    eng_passage p = {.end = strlen(paragraph), .heading = eng_str_of(heading)};
    eng_draft d = {.title = eng_str_of(title),
                   .text = eng_str_of(paragraph),
                   .passages = &p,
                   .passage_count = 1};
    eng_rag_encoder encoder = {.dim = 4, .max_tokens = max_tokens, .count = count_words};
    eng_str out;
    eng_error err = {0};
    assert_ok(eng_draft_embedded(&d, 0, &encoder, arena, &out, &err), err);
    return out;
}

static void title_and_headings_stand_before_the_text(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    assert_str_view(embedded("Loja", "Envio > Prazos", 100, &a),
                    "Loja: Envio > Prazos\nSete dias para todo o estado.");
    assert_str_view(embedded("Loja", "", 100, &a), "Loja\nSete dias para todo o estado.");
    assert_str_view(embedded("", "Prazos", 100, &a), "Prazos\nSete dias para todo o estado.");
    assert_str_view(embedded("", "", 100, &a), "Sete dias para todo o estado.");
    eng_arena_clear(&a);
}

static void what_does_not_fit_is_left_out(void **state)
{
    eng_arena a;
    (void)state;
    eng_arena_init(&a, 1024, NULL);
    /* With two special tokens and six words, at every width; the passage itself is never shortened. */
    for (size_t max = 0; max < 20; max++) {
        eng_str text = embedded("Da loja", "Prazos", max, &a);
        assert_true(eng_str_ends(text, eng_str_of(paragraph)));
        if (max > 8)
            assert_true(count_words(NULL, text) + 2 <= max);
        if (max <= 8)
            assert_true(eng_str_eq(text, eng_str_of(paragraph)));
    }
    assert_str_view(embedded("Da loja", "Prazos", 10, &a), "Prazos\nSete dias para todo o estado.");
    eng_arena_clear(&a);
}

/* ---- Slugs ---- */

static void a_slug_is_plain_and_tells_titles_apart(void **state)
{
    static const char *const titles[] = {
        "Como funciona?",
        "Como funciona!",
        "como funciona",
        "São Paulo — Ação & Reação",
        "???",
        "",
        "日本語",
        "\xff\xfe",
        "A",
        "Um título bem mais longo do que aquilo que cabe num nome"};
    enum { COUNT = sizeof titles / sizeof *titles };
    char slugs[COUNT][ENG_SLUG_SIZE], again[ENG_SLUG_SIZE];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        memset(slugs[i], 'X', ENG_SLUG_SIZE);
        eng_slug(eng_str_of(titles[i]), slugs[i]);
        size_t len = strlen(slugs[i]);
        assert_true(len > 0 && len < ENG_SLUG_SIZE);
        assert_int_equal(strspn(slugs[i], "abcdefghijklmnopqrstuvwxyz0123456789-"), len);
        assert_true(slugs[i][0] != '-');
        eng_slug(eng_str_of(titles[i]), again);
        assert_string_equal(slugs[i], again);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(slugs[i], slugs[k]);
    }
    assert_int_equal(memcmp(slugs[0], "como-funciona-", 14), 0);
    assert_int_equal(memcmp(slugs[1], "como-funciona-", 14), 0);
    assert_int_equal(strlen(slugs[0]), 14 + 8);
    assert_int_equal(memcmp(slugs[3], "sao-paulo-acao-reacao-", 22), 0);
}

static eng_status make_one(void)
{
    eng_arena a;
    eng_draft d;
    eng_str out;
    eng_draft_source s = sample();
    eng_cut_options how = {.size = 100, .count = count_words};
    eng_rag_encoder encoder = {.dim = 4, .max_tokens = 100, .count = count_words};
    eng_arena_init(&a, 16, NULL);
    eng_status status = eng_draft_begin(&s, &a, &d, NULL);
    if (status == ENG_OK)
        status = eng_draft_cut(&d, &s, &how, &a, NULL);
    if (status == ENG_OK)
        status = eng_draft_embedded(&d, 0, &encoder, &a, &out, NULL);
    eng_arena_clear(&a);
    return status;
}

static void drafts_survive_no_memory(void **state)
{
    eng_status status = ENG_OK;
    (void)state;
    assert_survives_no_memory(status, { status = make_one(); });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_content_is_the_same_document),
        cmocka_unit_test(any_other_part_is_another_document),
        cmocka_unit_test(blanks_are_no_document),
        cmocka_unit_test(a_language_that_is_said_is_taken),
        cmocka_unit_test(passages_count_their_tokens),
        cmocka_unit_test(title_and_headings_stand_before_the_text),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(a_slug_is_plain_and_tells_titles_apart),
        cmocka_unit_test(drafts_survive_no_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
