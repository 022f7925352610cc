/* Sentences and passages: where they end, that nothing is lost, that no passage is too large. */
#include "test.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/text.h"

#include <string.h>

/* ---- Sentences ---- */

static void assert_sentences(const char *text, const char *wanted)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    eng_str t = eng_str_of(text), sentence;
    for (size_t at = 0; eng_sentence_next(t, &at, t.len, &sentence);) {
        if (out.len)
            eng_buf_byte(&out, '|');
        eng_buf_str(&out, sentence);
    }
    assert_string_equal(out.data ? out.data : "", wanted);
    eng_buf_clear(&out);
}

static void sentences_end_where_readers_end_them(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"  \n ", ""},
        {"Um. Dois! Três? Quatro… Cinco", "Um.|Dois!|Três?|Quatro…|Cinco"},
        {"O preço é R$ 1.000,00. O juro é 9,9% ao ano.",
         "O preço é R$ 1.000,00.|O juro é 9,9% ao ano."},
        {"O Dr. Silva e a Sra. Souza leram o art. 5º da lei.",
         "O Dr. Silva e a Sra. Souza leram o art. 5º da lei."},
        {"J. K. Rowling escreveu. Depois parou.", "J. K. Rowling escreveu.|Depois parou."},
        {"Ele disse: \"Vai.\" Ela foi.", "Ele disse: \"Vai.\"|Ela foi."},
        {"(Fim.) Outro começo.", "(Fim.)|Outro começo."},
        {"Acesse engenho.dev/x.html agora. Já.", "Acesse engenho.dev/x.html agora.|Já."},
        {"Custa 3.5 mil. 20 pessoas vieram.", "Custa 3.5 mil.|20 pessoas vieram."},
        {"Maçãs, peras etc. são frutas.", "Maçãs, peras etc. são frutas."},
        {"Pago à vista.Outra forma não há.", "Pago à vista.|Outra forma não há."},
        {"Uso Node.js e ASP.NET aqui.", "Uso Node.js e ASP.NET aqui."},
        {"Sério?Sim!Claro.", "Sério?|Sim!|Claro."},
        {"Sem ponto\n\nOutro parágrafo", "Sem ponto|Outro parágrafo"},
        {"Linha que\ncontinua aqui. Fim", "Linha que\ncontinua aqui.|Fim"},
        {"1. Primeiro passo. 2. Segundo.", "1. Primeiro passo.|2. Segundo."},
        {"Nasceu em 1999. Cresceu.", "Nasceu em 1999.|Cresceu."},
        {"A S.A. Moinhos fechou.", "A S.A. Moinhos fechou."},
        {"Mr. Smith left. He ran!", "Mr. Smith left.|He ran!"},
        {"¿Qué? ¡Nada! Vale.", "¿Qué?|¡Nada!|Vale."},
        {"Espera... E depois?", "Espera...|E depois?"},
        {"ÁGUA. ÓLEO.", "ÁGUA.|ÓLEO."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_sentences(cases[i][0], cases[i][1]);
}

/* ---- Passages ---- */

static size_t words(void *ctx, eng_str text)
{
    (void)ctx;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += (unsigned char)text.ptr[i] > ' ' && (i == 0 || (unsigned char)text.ptr[i - 1] <= ' ');
    return n;
}

/* Passages of Markdown as "heading: text", '|' between them; checks what always holds. */
static void cut(eng_str text, const eng_cut_options *o, eng_buf *out)
{
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    const eng_block *blocks;
    size_t block_count, count;
    const eng_passage *passages;
    eng_error err;
    assert_ok(eng_blocks_of(text, true, &arena, &blocks, &block_count, &err), err);
    assert_ok(eng_passages_of(text, blocks, block_count, o, &arena, &passages, &count, &err), err);
    size_t covered = 0;
    for (size_t i = 0; i < count; i++) {
        const eng_passage *p = &passages[i];
        eng_str s = eng_str_sub(text, p->start, p->end - p->start);
        assert_true(p->start < p->end && p->end <= text.len);
        assert_int_equal(eng_utf8_valid(s), s.len);
        assert_int_equal(eng_str_trim(s).len, s.len);
        size_t units = o->count ? o->count(o->ctx, s) : eng_utf8_count(s);
        assert_int_equal(units, p->units);
        assert_true(units <= o->size);
        assert_true(i == 0 || (p->start > passages[i - 1].start && p->end > passages[i - 1].end));
        if (p->start > covered)
            assert_int_equal(eng_str_trim(eng_str_sub(text, covered, p->start - covered)).len, 0);
        covered = p->end;
        eng_buf_format(out, "%s%.*s%s%.*s", i ? "|" : "", ENG_FMT(p->heading),
                       p->heading.len ? ": " : "", ENG_FMT(s));
    }
    assert_int_equal(eng_str_trim(eng_str_sub(text, covered, SIZE_MAX)).len, 0);
    eng_arena_clear(&arena);
}

static void assert_passages(const char *text, size_t size, size_t overlap, const char *wanted)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_cut_options o = {.size = size, .overlap = overlap, .count = words};
    cut(eng_str_of(text), &o, &out);
    assert_string_equal(out.data ? out.data : "", wanted);
    eng_buf_clear(&out);
}

static void what_fits_is_one_passage(void **state)
{
    (void)state;
    assert_passages("", 10, 2, "");
    assert_passages("Um dois. Três.\n\nQuatro.", 10, 2, "Um dois. Três.\n\nQuatro.");
}

static void passages_hold_whole_sentences(void **state)
{
    (void)state;
    assert_passages("A b c. D e f. G h i. J k l.", 6, 0, "A b c. D e f.|G h i. J k l.");
    assert_passages("A b c. D e. F g h. I j.", 5, 2, "A b c. D e.|D e. F g h.|I j.");
}

static void long_sentences_are_cut_at_words(void **state)
{
    (void)state;
    assert_passages("a b c d e f g h", 3, 0, "a b c|d e f|g h");
    assert_passages("a b c d e f g h", 3, 1, "a b|b c d|d e f|f g h");
}

static void headings_stand_with_what_follows(void **state)
{
    (void)state;
    assert_passages("# T\n\na b c d.\n\n## S\n\ne f g.\n\n### U\n\nh.", 7, 0,
                    "# T\n\na b c d.|T: ## S\n\ne f g.|T > S: ### U\n\nh.");
    /* A section's own heading does not stand below its sister's. */
    assert_passages("# T\n\n## R\n\na b c d.\n\n## S\n\ne f g h.\n\ni j k l.", 7, 0,
                    "# T|T: ## R\n\na b c d.|T: ## S\n\ne f g h.|T > S: i j k l.");
}

static void tables_stay_whole_or_split_by_rows(void **state)
{
    (void)state;
    assert_passages("| a | b |\n|---|---|\n| 1 | 2 |", 20, 0, "| a | b |\n|---|---|\n| 1 | 2 |");
    assert_passages("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", 7, 0,
                    "| a | b |\n|---|---||| 1 | 2 ||| 3 | 4 |");
}

static void characters_are_a_hard_maximum(void **state)
{
    (void)state;
    eng_buf text, out;
    eng_buf_init(&text, 1 << 20);
    eng_buf_init(&out, 1 << 22);
    for (int i = 0; i < 200; i++)
        eng_buf_format(&text, "Açaí número %d é bom. %s", i,
                       i % 7 ? ""
                             : "umapalavramuitocompridaqueninguémescreveriaassimemsemcortarnunca ");
    static const size_t sizes[][2] = {{300, 50}, {40, 10}, {7, 3}, {1, 0}, {5000, 100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        eng_buf_reset(&out);
        eng_cut_options o = {.size = sizes[i][0], .overlap = sizes[i][1]};
        cut(eng_buf_view(&text), &o, &out);
    }
    eng_buf_clear(&text);
    eng_buf_clear(&out);
}

static void an_overlap_as_large_as_the_size_is_refused(void **state)
{
    (void)state;
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    const eng_passage *passages;
    size_t count;
    eng_error err;
    eng_cut_options o = {.size = 10, .overlap = 10};
    assert_int_equal(eng_passages_of(ENG_STR("x"), NULL, 0, &o, &arena, &passages, &count, &err),
                     ENG_EINVALID);
    assert_string_equal(err.field, "chunk");
    eng_arena_clear(&arena);
}

static size_t counted;
static size_t costs(void *ctx, eng_str text)
{
    counted += text.len;
    return words(ctx, text);
}

static void cutting_costs_a_small_multiple_of_the_text(void **state)
{
    (void)state;
    eng_buf text, out;
    eng_buf_init(&text, 8 << 20);
    eng_buf_init(&out, 16 << 20);
    for (int i = 0; i < 100000; i++)
        eng_buf_str(&text, ENG_STR("palavra "));
    eng_cut_options o = {.size = 100, .overlap = 10, .count = costs};
    counted = 0;
    cut(eng_buf_view(&text), &o, &out);
    assert_true(counted < 40 * text.len);
    eng_buf_clear(&text);
    eng_buf_clear(&out);
}

/* ---- Blocks beside their text --------------------------------------------------------------- */

static const char kept[] = "# Título\n\nUm parágrafo.\n\n- um\n- dois é\n\n    x = 1\n\n"
                           "## Outro\n\n| a | b |\n|---|---|\n| 1 | ç |\n\n> disse\n";

static void blocks_come_back_as_they_were_kept(void **state)
{
    (void)state;
    eng_arena arena;
    eng_error err = {0};
    eng_str text = eng_str_of(kept), packed;
    const eng_block *was, *is;
    size_t n, m;
    eng_arena_init(&arena, 256, NULL);
    assert_ok(eng_blocks_of(text, true, &arena, &was, &n, &err), err);
    assert_true(n > 6);
    assert_ok(eng_blocks_pack(was, n, &arena, &packed, &err), err);
    assert_true(packed.len <= 4 * n);
    assert_ok(eng_blocks_unpack(packed, text, &arena, &is, &m, &err), err);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++)
        assert_true(was[i].start == is[i].start && was[i].end == is[i].end &&
                    was[i].kind == is[i].kind && was[i].level == is[i].level);
    assert_ok(eng_blocks_pack(NULL, 0, &arena, &packed, &err), err);
    assert_true(packed.ptr && packed.len == 0);
    assert_ok(eng_blocks_unpack(packed, text, &arena, &is, &m, &err), err);
    assert_int_equal(m, 0);
    eng_arena_clear(&arena);
}

static void blocks_of_another_text_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *packed;
        size_t len;
    } wrong[] = {
        {"\x00", 1},
        {"\x00\x01", 2},
        {"\x00\x08\x00", 3}, /* longer than the text */
        {"\x08\x00\x00", 3},
        {"\x00\x01\x06", 3}, /* no such kind */
        {"\x00\x03\x00", 3},
        {"\x03\x01\x00", 3}, /* in the middle of a character */
        {"\x00\x01\x80", 3},
        {"\x00\x01\x80\x80\x01", 5}, /* a level beyond 255 */
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00\x00", 13},
        {"\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x00", 11},
        {"\x00\x02\x00\x00\x06\x00", 6},
    };
    eng_str text = ENG_STR("ab\xC3\xA9 cd");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        eng_arena arena;
        eng_error err = {0};
        const eng_block *blocks;
        size_t n;
        eng_arena_init(&arena, 64, NULL);
        eng_str packed = {wrong[i].packed, wrong[i].len};
        if (eng_blocks_unpack(packed, text, &arena, &blocks, &n, &err) != ENG_ECORRUPT)
            fail_msg("case %zu is taken", i);
        eng_arena_clear(&arena);
    }
}

static void survives_no_memory(void **state)
{
    (void)state;
    eng_status status;
    eng_str text = ENG_STR("# T\n\na b c d. e f g h.\n\n- x\n- y\n");
    eng_arena arena;
    const eng_block *blocks;
    const eng_passage *passages;
    size_t block_count, count;
    eng_str packed;
    eng_cut_options o = {.size = 4, .overlap = 1, .count = words};
    assert_survives_no_memory(status, {
        eng_arena_init(&arena, 64, NULL);
        status = eng_blocks_of(text, true, &arena, &blocks, &block_count, NULL);
        if (status == ENG_OK)
            status = eng_passages_of(text, blocks, block_count, &o, &arena, &passages, &count,
                                     NULL);
        if (status == ENG_OK)
            status = eng_blocks_pack(blocks, block_count, &arena, &packed, NULL);
        if (status == ENG_OK)
            status = eng_blocks_unpack(packed, text, &arena, &blocks, &block_count, NULL);
        eng_arena_clear(&arena);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_end_where_readers_end_them),
        cmocka_unit_test(what_fits_is_one_passage),
        cmocka_unit_test(passages_hold_whole_sentences),
        cmocka_unit_test(long_sentences_are_cut_at_words),
        cmocka_unit_test(headings_stand_with_what_follows),
        cmocka_unit_test(tables_stay_whole_or_split_by_rows),
        cmocka_unit_test(characters_are_a_hard_maximum),
        cmocka_unit_test(an_overlap_as_large_as_the_size_is_refused),
        cmocka_unit_test(cutting_costs_a_small_multiple_of_the_text),
        cmocka_unit_test(blocks_come_back_as_they_were_kept),
        cmocka_unit_test(blocks_of_another_text_are_refused),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
