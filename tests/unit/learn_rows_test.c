#include "test.h"

#include "base/file.h"
#include "learn/text_internal.h"

#include <unistd.h>
#include <zlib.h>

static const eng_text_columns guess = {0};

static eng_text_rows *parsed(const char *text)
{
    eng_error err;
    eng_text_rows *r = NULL;
    assert_ok(eng_text_rows_parse(eng_str_of(text), &guess, false, &r, &err), err);
    return r;
}

static void columns_are_guessed(void **state)
{
    (void)state;
    eng_text_rows *r = parsed("Category,price,QUERY,title,product_id\nA,1,q,t,7\nB,1,q,t,7\n");
    const eng_text_columns *c = eng_text_rows_columns(r);
    assert_int_equal(c->text_count, 2);
    assert_str_view(c->texts[0], "title");
    assert_str_view(c->texts[1], "QUERY");
    assert_str_view(c->label, "Category");
    assert_str_view(c->group, "product_id");
    assert_int_equal(eng_text_rows_count(r), 2);
    assert_int_equal(r->group_count, 1);
    assert_str_view(r->texts[0], "t");
    eng_text_rows_free(r);
}

static void a_column_that_is_missing_is_named(void **state)
{
    (void)state;
    eng_error err;
    eng_text_rows *r;
    eng_text_columns c = {.texts = {ENG_STR("nome_do_produto")}, .text_count = 1};
    eng_status status = eng_text_rows_parse(ENG_STR("title,category\na,b\n"), &c, false, &r, &err);
    assert_int_equal(status, ENG_EINVALID);
    assert_non_null(strstr(err.message, "'nome_do_produto' (there are: title, category)"));
    status = eng_text_rows_parse(ENG_STR("title\na\n"), &guess, false, &r, &err);
    assert_int_equal(status, ENG_EINVALID);
    assert_non_null(strstr(err.message, "'category'"));
    status = eng_text_rows_parse(ENG_STR("x,category\na,b\n"), &guess, false, &r, &err);
    assert_int_equal(status, ENG_EINVALID);
    assert_non_null(strstr(err.message, "'title'"));
}

static void any_dialect_is_read(void **state)
{
    (void)state;
    eng_text_rows *r = parsed("\xEF\xBB\xBFtitle;category\r\n\"a; \"\"b\"\"\nc\";X\r\nd;Y\r\n");
    assert_int_equal(r->count, 2);
    assert_str_view(r->texts[0], "a; \"b\"\nc");
    assert_int_equal(r->reading.separator, ';');
    eng_text_rows_free(r);
}

static void json_lines_are_read(void **state)
{
    (void)state;
    eng_text_rows *r = parsed("{\"title\":\"a\",\"category\":\"X\",\"product_id\":7}\n\n"
                              "{\"title\":\"b\",\"category\":2,\"product_id\":7.5}\r\n"
                              "{\"title\":null,\"category\":\"X\"}\n");
    assert_int_equal(r->count, 2);
    assert_int_equal(r->group_count, 2);
    assert_str_view(r->classes[1].name, "2");
    assert_int_equal(r->reading.no_text, 1);
    eng_text_rows_free(r);
}

static void broken_lines_are_skipped_and_counted_or_end_it(void **state)
{
    (void)state;
    eng_error err;
    eng_text_rows *r = NULL;
    eng_str text = ENG_STR("title,category\na,X\n\"b\"c,Y\nd,Y\ne,\n,Z\nf\n");
    assert_ok(eng_text_rows_parse(text, &guess, false, &r, &err), err);
    assert_int_equal(r->count, 2);
    assert_int_equal(r->reading.broken, 1);
    assert_int_equal(r->reading.first_broken, 3);
    assert_int_equal(r->reading.no_label, 2);
    assert_int_equal(r->reading.no_text, 1);
    assert_int_equal(r->reading.short_rows, 1);
    eng_text_rows_free(r);
    assert_int_equal(eng_text_rows_parse(text, &guess, true, &r, &err), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "line 3"));
    text = ENG_STR("{\"title\":\"a\",\"category\":\"X\"}\n{oops\n");
    assert_int_equal(eng_text_rows_parse(text, &guess, true, &r, &err), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "line 2"));
}

static void a_file_without_rows_is_said(void **state)
{
    (void)state;
    eng_error err;
    eng_text_rows *r;
    static const char *const texts[] = {"", "  \n\n", "title,category\n", "title,category\na,\n"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(eng_text_rows_parse(eng_str_of(texts[i]), &guess, false, &r, &err),
                         ENG_EINVALID);
}

static void numbers_that_are_none_are_missing(void **state)
{
    (void)state;
    eng_error err;
    eng_text_rows *r = NULL;
    eng_text_columns c = {.numbers = {ENG_STR("price")}, .number_count = 1};
    assert_ok(eng_text_rows_parse(ENG_STR("title,category,price\na,X,1.5\nb,X,\nc,Y,dear\n"), &c,
                                  false, &r, &err),
              err);
    assert_true(r->numbers[0] == 1.5f);
    assert_true(isnan(r->numbers[1]) && isnan(r->numbers[2]));
    eng_text_rows_free(r);
}

static void write_gzip(const char *path, const char *text)
{
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, text, (unsigned)strlen(text)), (int)strlen(text));
    gzclose(f);
}

static void files_are_unpacked_and_made_utf8(void **state)
{
    (void)state;
    eng_error err;
    eng_text_reading reading;
    eng_text_rows *r = NULL;
    char path[] = "/tmp/rows-XXXXXX";
    assert_true(close(mkstemp(path)) == 0);
    write_gzip(path, "title,category\nber\xE7o,Beb\xEA\nvaso,Casa\n");
    assert_ok(eng_text_rows_read(path, &guess, false, &reading, &r, &err), err);
    assert_string_equal(reading.packed, "gzip");
    assert_str_view(r->texts[0], "ber\xC3\xA7o");
    assert_str_view(r->classes[0].name, "Beb\xC3\xAA");
    eng_text_rows_free(r);
    assert_true(truncate(path, 30) == 0);
    assert_int_equal(eng_text_rows_read(path, &guess, false, NULL, &r, &err), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, path));
    unlink(path);
    assert_int_equal(eng_text_rows_read(path, &guess, false, NULL, &r, &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, path));
}

static void a_file_beyond_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    eng_error err;
    eng_text_rows *r;
    char path[] = "/tmp/rows-XXXXXX";
    int fd = mkstemp(path);
    bool sparse = ftruncate(fd, (off_t)10 << 30) == 0;
    close(fd);
    if (sparse)
        assert_int_equal(eng_text_rows_read(path, &guess, false, NULL, &r, &err), ENG_ETOOBIG);
    unlink(path);
}

static void reading_survives_no_memory(void **state)
{
    (void)state;
    eng_status status;
    eng_str csv = ENG_STR("title,category,product_id\n\"a \"\"b\"\"\",X,1\nc,Y,2\n");
    eng_str json = ENG_STR(
        "{\"title\":\"a\",\"category\":\"X\"}\n{\"title\":\"b\",\"category\":1.5}\n");
    assert_survives_no_memory(status, {
        eng_text_rows *r = NULL;
        status = eng_text_rows_parse(csv, &guess, false, &r, NULL);
        eng_text_rows_free(r);
    });
    assert_survives_no_memory(status, {
        eng_text_rows *r = NULL;
        status = eng_text_rows_parse(json, &guess, false, &r, NULL);
        eng_text_rows_free(r);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_guessed),
        cmocka_unit_test(a_column_that_is_missing_is_named),
        cmocka_unit_test(any_dialect_is_read),
        cmocka_unit_test(json_lines_are_read),
        cmocka_unit_test(broken_lines_are_skipped_and_counted_or_end_it),
        cmocka_unit_test(a_file_without_rows_is_said),
        cmocka_unit_test(numbers_that_are_none_are_missing),
        cmocka_unit_test(files_are_unpacked_and_made_utf8),
        cmocka_unit_test(a_file_beyond_the_limit_is_refused_before_it_is_read),
        cmocka_unit_test(reading_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
