#include "test.h"

#include "learn/text_internal.h"

#include <unistd.h>

/* ---- Rows of three plain classes ---- */

static const char *const classes[] = {"Beb\xC3\xAA", "Casa", "Joias"};
static const char *const things[3][5] = {{"fralda", "chupeta", "berco", "carrinho", "mamadeira"},
                                         {"quadro", "vaso", "almofada", "luminaria", "tapete"},
                                         {"colar", "anel", "brinco", "pulseira", "broche"}};
static const char *const kinds[] = {"azul", "rosa", "artesanal", "personalizado"};

static eng_text_rows *make_rows(size_t count)
{
    eng_error err;
    eng_text_rows *r = NULL;
    eng_text_columns c = {.texts = {ENG_STR("title"), ENG_STR("tags")},
                          .text_count = 2,
                          .numbers = {ENG_STR("price")},
                          .number_count = 1,
                          .label = ENG_STR("category"),
                          .group = ENG_STR("id")};
    assert_ok(eng_text_rows_new(&c, &r, &err), err);
    for (size_t i = 0; i < count; i++) {
        char title[100], id[20];
        size_t k = i % 3, a = i / 3 % 5, b = (a + 1 + i / 15 % 4) % 5;
        snprintf(title, sizeof title, "%s %s %s", things[k][a], kinds[i / 7 % 4], things[k][b]);
        snprintf(id, sizeof id, "p%zu", i / 2 * 2 + k % 2);
        eng_str texts[] = {eng_str_of(title), eng_str_of(i % 4 ? things[k][b] : "")};
        double price = i % 5 ? (double)(k * 100 + i % 50) : (double)NAN;
        eng_text_row row = {texts, &price, eng_str_of(classes[k]), eng_str_of(id)};
        assert_ok(eng_text_rows_add(r, &row, &err), err);
    }
    return r;
}

static eng_text_trained trained_on(const eng_text_rows *rows, eng_text_settings settings)
{
    eng_error err;
    eng_text_trained t;
    assert_ok(eng_text_train(rows, NULL, &settings, NULL, &t, &err), err);
    return t;
}

static unsigned char *aligned(const eng_buf *b)
{
    unsigned char *p = aligned_alloc(64, (b->len + 64) / 64 * 64);
    memcpy(p, b->data, b->len);
    return p;
}

/* A model that the tests share. */
static struct {
    eng_text_rows *rows;
    eng_text_trained trained;
    unsigned char *bytes;
    eng_text_model *model;
    eng_text_scratch *scratch;
} with;

static int setup(void **state)
{
    (void)state;
    eng_error err;
    with.rows = make_rows(240);
    with.trained = trained_on(with.rows, (eng_text_settings){.threads = 2});
    with.bytes = aligned(&with.trained.model);
    assert_ok(eng_text_of(with.bytes, with.trained.model.len, "m", &with.model, &err), err);
    assert_ok(eng_text_scratch_new(&with.scratch, &err), err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    eng_text_scratch_free(with.scratch);
    eng_text_free(with.model);
    free(with.bytes);
    eng_text_trained_clear(&with.trained);
    eng_text_rows_free(with.rows);
    return 0;
}

static eng_text_answer ask(const char *title)
{
    eng_error err;
    eng_text_answer a;
    eng_str text = eng_str_of(title);
    eng_text_item item = {.texts = &text, .text_count = 1};
    assert_ok(eng_text_predict(with.model, &item, with.scratch, &a, &err), err);
    return a;
}

/* ---- Serving ---- */

static void plain_texts_get_their_category(void **state)
{
    (void)state;
    assert_int_equal(ask("Ber\xC3\xA7o e FRALDA").category, 0);
    assert_int_equal(ask("vaso e tapete").category, 1);
    assert_int_equal(ask("anel").category, 2);
    assert_true(ask("anel e colar").probability > 0.6f);
    assert_true(with.trained.accuracy > 0.95);
}

static void words_that_are_new_go_by_their_characters(void **state)
{
    (void)state;
    assert_int_equal(ask("mamadeirinha").category, 0);
    assert_int_equal(ask("aneis pulseirinha").category, 2);
}

static void any_text_has_an_answer(void **state)
{
    (void)state;
    static char large[1 << 20];
    memset(large, 'x', sizeof large - 1);
    for (size_t i = 7; i < sizeof large - 1; i += 8)
        large[i] = ' ';
    const char *odd[] = {"",   "?!", "\xF0\x9F\x9A\x80", "\xFF\xFE", "\xE6\x97\xA5\xE6\x9C\xAC",
                         large};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        eng_text_answer a = ask(odd[i]);
        assert_true(a.category < 3);
        assert_true(a.probability > 0 && a.probability <= 1);
        assert_true(a.unknown);
    }
    eng_text_answer nul, plain = ask("vaso azul");
    eng_str text = ENG_STR("vaso\0azul");
    eng_text_item item = {.texts = &text, .text_count = 1};
    assert_int_equal(eng_text_predict(with.model, &item, with.scratch, &nul, NULL), ENG_OK);
    assert_int_equal(nul.category, plain.category);
}

static void what_is_unlike_all_rows_is_unknown(void **state)
{
    (void)state;
    assert_false(ask("Vaso azul, tapete").unknown);
    assert_true(ask("zxqwv kkjjh ppqrt").unknown);
    assert_true(
        ask("\xCE\xA9\xCE\xBC\xCE\xAD\xCE\xB3\xCE\xB1 \xCF\x88\xCF\x85\xCF\x87\xCE\xAE").unknown);
}

static void missing_fields_are_missing(void **state)
{
    (void)state;
    eng_text_answer a;
    eng_str texts[] = {ENG_STR(""), ENG_STR("pulseira")};
    double price = 230;
    eng_text_item item = {texts, 2, &price, 1};
    assert_int_equal(eng_text_predict(with.model, &item, with.scratch, &a, NULL), ENG_OK);
    assert_int_equal(a.category, 2);
    price = (double)NAN;
    assert_int_equal(eng_text_predict(with.model, &item, with.scratch, &a, NULL), ENG_OK);
    assert_int_equal(a.category, 2);
}

static void an_answer_has_its_reasons(void **state)
{
    (void)state;
    eng_error err;
    eng_arena arena;
    eng_text_details d;
    eng_str text = ENG_STR("Vaso Azul");
    eng_text_item item = {.texts = &text, .text_count = 1};
    eng_arena_init(&arena, 4096, NULL);
    assert_ok(eng_text_explain(with.model, &item, with.scratch, &arena, &d, &err), err);
    assert_int_equal(d.answer.category, ask("Vaso Azul").category);
    assert_int_equal(d.alternative_count, 2);
    assert_true(d.alternatives[0].probability >= d.alternatives[1].probability);
    float sum = d.answer.probability + d.alternatives[0].probability +
                d.alternatives[1].probability;
    assert_true(sum > 0.999f && sum < 1.001f);
    assert_true(d.because_count >= 1 && d.because[0].weight > 0);
    assert_str_view(d.because[0].word, "Vaso");
    assert_true(d.nearest_count >= 1 && d.nearest[0].similarity <= 1);
    assert_int_equal(d.nearest[0].category, 1);
    assert_non_null(memmem(d.nearest[0].title.ptr, d.nearest[0].title.len, "vaso", 4));
    float alone = d.because[0].weight;
    text = ENG_STR("Vaso azul vaso");
    assert_ok(eng_text_explain(with.model, &item, with.scratch, &arena, &d, &err), err);
    assert_str_view(d.because[0].word, "Vaso");
    assert_true(d.because[0].weight > 0 && d.because[0].weight != alone);
    eng_arena_clear(&arena);
}

static void a_repeated_word_counts_by_its_characters_alone(void **state)
{
    (void)state;
    eng_text_answer one = ask("vaso");
    char text[8000] = "";
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 5 * i, "vaso ", 6);
    eng_text_answer many = ask(text);
    assert_int_equal(one.category, many.category);
    assert_true(many.familiarity - one.familiarity < 1e-3f);
    assert_true(ask("vaso vaso anel").probability != ask("vaso anel").probability);
    assert_int_equal(ask("vaso vaso anel").unknown, ask("vaso anel").unknown);
    assert_int_equal(ask("vaso").category, one.category);
    assert_true(ask("vaso").probability == one.probability); /* nothing is left in the scratch */
}

static void a_model_says_what_it_is(void **state)
{
    (void)state;
    const eng_text_info *i = eng_text_info_of(with.model);
    assert_int_equal(i->category_count, 3);
    assert_str_view(i->categories[1], "Casa");
    assert_int_equal(i->field_count, 2);
    assert_str_view(i->fields[1], "tags");
    assert_str_view(i->numbers[0], "price");
    assert_non_null(memmem(i->metrics.ptr, i->metrics.len, "\"macro_f1\"", 10));
    assert_non_null(memmem(i->settings.ptr, i->settings.len, "\"cost\":0.3", 10));
}

/* ---- Training ---- */

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        eng_text_trained t = trained_on(with.rows, (eng_text_settings){.threads = threads});
        assert_int_equal(t.model.len, with.trained.model.len);
        assert_memory_equal(t.model.data, with.trained.model.data, t.model.len);
        eng_text_trained_clear(&t);
    }
    eng_text_trained other = trained_on(with.rows, (eng_text_settings){.threads = 2, .seed = 9});
    assert_true(other.model.len != with.trained.model.len ||
                memcmp(other.model.data, with.trained.model.data, other.model.len) != 0);
    eng_text_trained_clear(&other);
}

static void logistic_regression_learns_too(void **state)
{
    (void)state;
    eng_text_trained t = trained_on(with.rows, (eng_text_settings){.threads = 1, .logistic = true});
    assert_true(t.accuracy > 0.95);
    eng_text_trained_clear(&t);
    t = trained_on(
        with.rows,
        (eng_text_settings){
            .threads = 1, .no_chars = true, .balance = 1, .word_grams = 1, .min_count = 2});
    assert_true(t.accuracy > 0.95);
    eng_text_trained_clear(&t);
}

static void a_search_keeps_what_is_best_and_says_what_it_tried(void **state)
{
    (void)state;
    eng_text_rows *few = make_rows(60);
    eng_text_trained t = trained_on(
        few, (eng_text_settings){.threads = 2, .folds = 2, .search_s = 1000});
    eng_str m = eng_buf_view(&t.metrics);
    assert_non_null(memmem(m.ptr, m.len, "\"search\":[{\"score\":", 19));
    assert_non_null(memmem(m.ptr, m.len, "\"round\":3", 9));
    assert_true(t.accuracy > 0.9);
    eng_text_trained_clear(&t);
    /* no time for any: what was asked for */
    t = trained_on(few,
                   (eng_text_settings){.threads = 1, .folds = 2, .cost = 0.7, .search_s = 1e-9});
    m = eng_buf_view(&t.metrics);
    assert_non_null(memmem(m.ptr, m.len, "\"search\":[]", 11));
    assert_non_null(memmem(m.ptr, m.len, "\"cost\":0.7,", 11));
    eng_text_trained_clear(&t);
    eng_text_rows_free(few);
}

static void metrics_hold_what_a_report_needs(void **state)
{
    (void)state;
    static const char *const wanted[] = {"\"accuracy\":",
                                         "\"accuracy_95\":",
                                         "\"weighted_f1\":",
                                         "\"calibration_error\":",
                                         "\"reliability\":",
                                         "\"confusion\":",
                                         "\"leak\":",
                                         "\"mistakes\":",
                                         "\"ceiling\":",
                                         "\"views\":",
                                         "\"texts_of_several_categories\":"};
    eng_str m = eng_buf_view(&with.trained.metrics);
    const eng_json *v;
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    assert_int_equal(eng_json_read(m, NULL, &arena, &v, NULL), ENG_OK);
    eng_arena_clear(&arena);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!memmem(m.ptr, m.len, wanted[i], strlen(wanted[i])))
            fail_msg("no %s", wanted[i]);
}

static void test_rows_are_scored_by_the_model(void **state)
{
    (void)state;
    eng_error err;
    eng_text_trained t;
    eng_text_settings settings = {.threads = 1};
    eng_text_rows *test = make_rows(60);
    assert_ok(eng_text_train(with.rows, test, &settings, NULL, &t, &err), err);
    eng_str m = eng_buf_view(&t.metrics);
    assert_non_null(memmem(m.ptr, m.len, "\"test\":{\"products\":60,", 22));
    assert_memory_equal(t.model.data, with.trained.model.data, t.model.len);
    eng_text_trained_clear(&t);
    eng_text_rows_free(test);
}

static void too_little_is_said(void **state)
{
    (void)state;
    eng_error err;
    eng_text_trained t;
    eng_text_settings settings = {.threads = 1};
    eng_text_rows *r = NULL;
    eng_text_columns guess = {0};
    const char *one = "title,category\na b,X\nc d,X\n", *each = "title,category\na,X\nb,Y\nc,Z\n";
    assert_ok(eng_text_rows_parse(eng_str_of(one), &guess, true, &r, &err), err);
    assert_int_equal(eng_text_train(r, NULL, &settings, NULL, &t, &err), ENG_EINVALID);
    assert_non_null(strstr(err.message, "'X'"));
    eng_text_rows_free(r);
    assert_ok(eng_text_rows_parse(eng_str_of(each), &guess, true, &r, &err), err);
    assert_ok(eng_text_train(r, NULL, &settings, NULL, &t, &err), err); /* a class a row: learned */
    eng_text_trained_clear(&t);
    eng_text_rows_free(r);
    assert_ok(eng_text_rows_parse(ENG_STR("title,category\n?!,X\n--,Y\n"), &guess, true, &r, &err),
              err);
    assert_int_equal(eng_text_train(r, NULL, &settings, NULL, &t, &err), ENG_EINVALID);
    eng_text_rows_free(r);
}

static bool stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)what;
    (void)done;
    (void)total;
    return false;
}

static void training_can_be_cancelled(void **state)
{
    (void)state;
    eng_error err;
    eng_text_trained t;
    eng_text_settings settings = {.threads = 2};
    eng_text_hooks hooks = {.go_on = stop_at_once};
    assert_int_equal(eng_text_train(with.rows, NULL, &settings, &hooks, &t, &err), ENG_ECANCELLED);
}

/* ---- Damage and lack ---- */

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    eng_error err;
    eng_text_model *m;
    size_t len = with.trained.model.len;
    unsigned char *p = aligned(&with.trained.model);
    for (size_t at = 0; at < len; at += 997) {
        p[at] ^= 0x55;
        assert_true(eng_text_of(p, len, "m", &m, &err) < 0);
        p[at] ^= 0x55;
        assert_true(eng_text_of(p, at, "m", &m, &err) < 0);
    }
    free(p);
}

static void a_model_is_saved_and_opened(void **state)
{
    (void)state;
    eng_error err;
    eng_text_model *m;
    char path[] = "/tmp/text-XXXXXX";
    assert_true(close(mkstemp(path)) == 0);
    assert_int_equal(eng_text_open(path, &m, &err), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, path));
    assert_ok(eng_text_save(&with.trained, path, &err), err);
    assert_ok(eng_text_open(path, &m, &err), err);
    assert_int_equal(eng_text_info_of(m)->sum, eng_text_info_of(with.model)->sum);
    eng_text_free(m);
    unlink(path);
    assert_true(eng_text_save(&with.trained, "/nowhere/m", &err) < 0);
}

static void it_survives_no_memory(void **state)
{
    (void)state;
    eng_status status;
    eng_text_rows *few = make_rows(12);
    eng_text_settings settings = {.threads = 1, .folds = 2};
    assert_survives_no_memory(status, {
        eng_text_trained t = {0};
        status = eng_text_train(few, few, &settings, NULL, &t, NULL);
        eng_text_trained_clear(&t);
    });
    eng_text_rows_free(few);
    eng_str text = ENG_STR("vaso azul");
    eng_text_item item = {.texts = &text, .text_count = 1};
    assert_survives_no_memory(status, {
        eng_text_model *m = NULL;
        eng_text_scratch *s = NULL;
        eng_text_details d;
        eng_arena arena;
        eng_arena_init(&arena, 256, NULL);
        status = eng_text_of(with.bytes, with.trained.model.len, "m", &m, NULL);
        if (status == ENG_OK)
            status = eng_text_scratch_new(&s, NULL);
        if (status == ENG_OK)
            status = eng_text_explain(m, &item, s, &arena, &d, NULL);
        eng_arena_clear(&arena);
        eng_text_scratch_free(s);
        eng_text_free(m);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_texts_get_their_category),
        cmocka_unit_test(words_that_are_new_go_by_their_characters),
        cmocka_unit_test(any_text_has_an_answer),
        cmocka_unit_test(what_is_unlike_all_rows_is_unknown),
        cmocka_unit_test(missing_fields_are_missing),
        cmocka_unit_test(an_answer_has_its_reasons),
        cmocka_unit_test(a_repeated_word_counts_by_its_characters_alone),
        cmocka_unit_test(a_model_says_what_it_is),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(logistic_regression_learns_too),
        cmocka_unit_test(a_search_keeps_what_is_best_and_says_what_it_tried),
        cmocka_unit_test(metrics_hold_what_a_report_needs),
        cmocka_unit_test(test_rows_are_scored_by_the_model),
        cmocka_unit_test(too_little_is_said),
        cmocka_unit_test(training_can_be_cancelled),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(a_model_is_saved_and_opened),
        cmocka_unit_test(it_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
