/* The CSV reader: what the RFC says, what people write, and what is refused by its line. */
#include "test.h"

#include "base/error.h"
#include "format/format.h"

/* All rows as text: fields in brackets, a '\n' behind each row; broken ones as "!line". */
static void read_all(eng_str bytes, char separator, eng_buf *out)
{
    eng_csv csv;
    eng_csv_init(&csv, bytes, separator);
    for (;;) {
        eng_csv_row row;
        eng_error err;
        eng_status status = eng_csv_next(&csv, &row, &err);
        if (status < 0) {
            assert_int_equal(status, ENG_EMALFORMED);
            eng_buf_format(out, "!%u\n", err.line);
            continue;
        }
        if (!row.count)
            break;
        for (size_t i = 0; i < row.count; i++)
            eng_buf_format(out, "[%.*s]", ENG_FMT(row.fields[i]));
        eng_buf_byte(out, '\n');
    }
    eng_csv_clear(&csv);
}

static void rows_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *wanted;
    } cases[] = {
        {"", ""},
        {"\n\r\n\r", ""},
        {"a,b\n1,2\n", "[a][b]\n[1][2]\n"},
        {"a,b\r\n1,2", "[a][b]\n[1][2]\n"},
        {"a,b\r1,\r", "[a][b]\n[1][]\n"},
        {"\xEF\xBB\xBF"
         "a;b\n1,5;2",
         "[a][b]\n[1,5][2]\n"},
        {"a\tb\n1\t2\n", "[a][b]\n[1][2]\n"},
        {"a|b\n1|2\n", "[a][b]\n[1][2]\n"},
        {"sep=;\na;b\n", "[a][b]\n"},
        {"\"a\",\"b\"\"c\"\"\"\n", "[a][b\"c\"]\n"},
        {"\"a\nb\",\"\"\n\nc,d", "[a\nb][]\n[c][d]\n"},
        {"a \"quote\" within,b\n", "[a \"quote\" within][b]\n"},
        {"\"x\"\"\",\"\"\"y\",z\n", "[x\"][\"y][z]\n"},
        {"um\n", "[um]\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eng_buf out;
        eng_buf_init(&out, 1000);
        read_all(eng_str_of(cases[i].bytes), 0, &out);
        assert_string_equal(out.data ? out.data : "", cases[i].wanted);
        eng_buf_clear(&out);
    }
}

static void broken_rows_are_named_and_the_rest_is_read(void **state)
{
    (void)state;
    eng_buf out;
    eng_buf_init(&out, 1000);
    read_all(ENG_STR("a,b\n\"x\" y,2\n3,4\n\"never\n5,6\n"), ',', &out);
    assert_string_equal(out.data, "[a][b]\n!2\n[3][4]\n!4\n[5][6]\n");
    eng_buf_clear(&out);
}

static void a_row_has_its_line(void **state)
{
    (void)state;
    eng_csv csv;
    eng_csv_init(&csv, ENG_STR("a\n\n\"1\n2\"\nb\n"), ',');
    static const size_t lines[] = {1, 3, 5};
    for (size_t i = 0; i < 3; i++) {
        eng_csv_row row;
        eng_error err;
        assert_ok(eng_csv_next(&csv, &row, &err), err);
        assert_int_equal(row.line, lines[i]);
    }
    eng_csv_clear(&csv);
}

static void rows_have_a_limit(void **state)
{
    (void)state;
    size_t len = (size_t)ENG_CSV_ROW_MAX + 10;
    char *bytes = malloc(len);
    memset(bytes, 'x', len);
    eng_csv csv;
    eng_csv_init(&csv, (eng_str){bytes, len}, ',');
    eng_csv_row row;
    eng_error err;
    assert_int_equal(eng_csv_next(&csv, &row, &err), ENG_ETOOBIG);
    eng_csv_clear(&csv);
    free(bytes);
}

static void survives_no_memory(void **state)
{
    (void)state;
    eng_status status;
    assert_survives_no_memory(status, {
        eng_csv csv;
        eng_csv_init(&csv, ENG_STR("\"a\"\"b\"\n"), ',');
        eng_csv_row row;
        status = eng_csv_next(&csv, &row, NULL);
        eng_csv_clear(&csv);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_as_people_write_them),
        cmocka_unit_test(broken_rows_are_named_and_the_rest_is_read),
        cmocka_unit_test(a_row_has_its_line),
        cmocka_unit_test(rows_have_a_limit),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
