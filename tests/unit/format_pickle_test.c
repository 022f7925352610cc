#include "test.h"

#include "format/pickle.h"
#include "format/pickle_internal.h"
#include "pickle_files.h"

#include <zlib.h>

static eng_pickle made;
static eng_error err;

/* Reads a literal; what was read before is cleared. */
static eng_status read_bytes(const void *bytes, size_t len)
{
    eng_pickle_clear(&made);
    err = (eng_error){0};
    return eng_pickle_read((eng_str){bytes, len}, NULL, &made, &err);
}
#define READ(literal) read_bytes("" literal, sizeof(literal) - 1)

static int done(void **state)
{
    (void)state;
    eng_pickle_clear(&made);
    return 0;
}

static void every_protocol_has_its_numbers_and_texts(void **state)
{
    (void)state;
    double n = 0;
    assert_ok(READ("(I42\nL-7L\nF2.5\nI01\nVa\\u00e7\xe7\nN(lt."), err);
    assert_int_equal(eng_py_count(made.root), 7);
    assert_true(eng_py_number(eng_py_at(made.root, 0), &n) && n == 42);
    assert_true(eng_py_number(eng_py_at(made.root, 1), &n) && n == -7);
    assert_true(eng_py_number(eng_py_at(made.root, 2), &n) && n == 2.5);
    assert_true(eng_py_is(eng_py_at(made.root, 3), ENG_PY_BOOL));
    assert_str_view(eng_py_at(made.root, 4)->as.text, "açç");
    assert_ok(READ("\x80\x02(K\x05M\x01\x02J\xff\xff\xff\xff\x8a\x01\xfbG@\x04\0\0\0\0\0\0\x88t."),
              err);
    const int want[] = {5, 513, -1, -5};
    for (size_t i = 0; i < 4; i++)
        assert_true(eng_py_number(eng_py_at(made.root, i), &n) && n == want[i]);
    assert_true(eng_py_number(eng_py_at(made.root, 4), &n) && n == 2.5);
    assert_int_equal(made.protocol, 2);
    assert_ok(READ("\x80\x04\x8c\x02\xc3\xa7."), err);
    assert_str_view(made.root->as.text, "ç");
}

static void bytes_of_protocol_2_are_text_in_latin_1(void **state)
{
    (void)state;
    assert_ok(READ("\x80\x02"
                   "c_codecs\nencode\nX\x03\0\0\0a\xc3\xbfU\x06latin1\x86R."),
              err);
    assert_true(eng_py_is(made.root, ENG_PY_BYTES));
    assert_str_view(made.root->as.text, "a\xff");
}

static void names_that_are_not_listed_are_refused_with_opcode_and_byte(void **state)
{
    (void)state;
    assert_int_equal(READ("cos\nsystem\n(S'ls'\ntR."), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "'os.system'"));
    assert_non_null(strstr(err.message, "GLOBAL at byte 0"));
    /* A dotted name would lead on from one that is listed. */
    assert_int_equal(READ("\x80\x04\x8c\x05numpy\x8c\x18testing._private.utils.x\x93."),
                     ENG_EMALFORMED);
    assert_int_equal(err.position, 35);
    assert_int_equal(READ("cnumpy\nlog1p\n)R."), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "a call of 'numpy.log1p'"));
    assert_int_equal(READ("cbuiltins\ngetattr\n."), ENG_EMALFORMED);
}

static void partial_is_taken_of_listed_names_alone(void **state)
{
    (void)state;
    assert_ok(READ("cfunctools\npartial\ncsklearn.utils.validation\ncheck_array\n\x85R."), err);
    assert_true(eng_py_is_a(made.root, "partial"));
    assert_int_equal(READ("cfunctools\npartial\n(I1\ntR."), ENG_EMALFORMED);
}

static void what_lies_outside_of_the_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(READ("Pevil\n."), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "PERSID"));
    assert_int_equal(READ("\x80\x02\x82\x01."), ENG_EMALFORMED);
    assert_int_equal(READ("\x80\x05\x97."), ENG_EMALFORMED);
}

static void a_scan_notes_what_reading_refuses(void **state)
{
    (void)state;
    const eng_pickle_limits scan = {.scan = true};
    eng_str bytes = ENG_STR("(cos\nsystem\n(S'ls'\ntRcnumpy\nndarray\nt.");
    eng_pickle_clear(&made);
    assert_ok(eng_pickle_read(bytes, &scan, &made, &err), err);
    assert_int_equal(made.name_count, 2);
    assert_true(!made.names[0]->listed && made.names[0]->called);
    assert_true(made.names[1]->listed && !made.names[1]->called);
    assert_non_null(strstr(made.foreign.ptr, "os.system"));
}

static void arrays_agree_with_their_bytes(void **state)
{
    (void)state;
#define ARRAY(shape, bytes)                                                                        \
    "\x80\x05(cnumpy._core.numeric\n_frombuffer\n(C" bytes "cnumpy\ndtype\n(X\x02\0\0\0f8"         \
    "\x89\x88tR" shape "X\x01\0\0\0Ft\x52t."
    double n = 0;
    assert_ok(READ(ARRAY("K\x01K\x01\x86", "\x08\0\0\0\0\0\0\xf0\x3f")), err);
    assert_true(eng_py_number(eng_py_at(made.root, 0), &n) && n == 1);
    assert_int_equal(READ(ARRAY("K\x02K\x01\x86", "\x08\0\0\0\0\0\0\xf0\x3f")), ENG_EMALFORMED);
    assert_int_equal(READ(ARRAY("J\xff\xff\xff\xff\x85", "\x08\0\0\0\0\0\0\xf0\x3f")),
                     ENG_EMALFORMED);
    assert_int_equal(READ(ARRAY("\x8a\x08\0\0\0\0\0\0\0\x40\x8a\x08\0\0\0\0\0\0\0\x40\x86",
                                "\x08\0\0\0\0\0\0\xf0\x3f")),
                     ENG_EMALFORMED);
}

static void elements_come_in_c_order_of_any_byte_order(void **state)
{
    (void)state;
    static const eng_py_dtype big = {.kind = 'i', .size = 2, .big = true};
    const eng_py_array a = {.dtype = &big,
                            .dims = 2,
                            .shape = {2, 3},
                            .count = 6,
                            .fortran = true,
                            .bytes = ENG_STR("\0\0\0\3\0\1\0\4\0\2\xff\xfb")};
    const int want[] = {0, 1, 2, 3, 4, -5};
    for (size_t i = 0; i < 6; i++) {
        int64_t n = 0;
        double d = 0;
        assert_true(eng_py_element_int(&a, i, &n) && n == want[i]);
        assert_true(eng_py_element(&a, i, &d) && d == want[i]);
    }
    int64_t n = 0;
    assert_false(eng_py_element_int(&a, 6, &n));
}

static void nothing_contains_itself_or_lies_too_deep(void **state)
{
    (void)state;
    assert_int_equal(READ("]\x94h\0a."), ENG_EMALFORMED);
    char deep[2000];
    memset(deep, '(', 1);
    memset(deep, ')', 1);
    memset(deep + 1, (char)0x85, 998);
    deep[999] = '.';
    assert_int_equal(read_bytes(deep, 1000), ENG_ETOOBIG);
    /* A list of twice the list before it, sixty times. */
    size_t len = 0;
    deep[len++] = ')';
    for (int i = 0; i < 60; i++) {
        deep[len++] = '2';
        deep[len++] = (char)0x86;
    }
    deep[len++] = '.';
    assert_int_equal(read_bytes(deep, len), ENG_ETOOBIG);
}

static void lengths_are_never_believed(void **state)
{
    (void)state;
    assert_int_equal(READ("\x80\x04\x8e\0\0\0\0\0\0\0\x40."), ENG_ETRUNCATED);
    assert_int_equal(READ("T\xff\xff\xff\xff."), ENG_EMALFORMED);
    assert_int_equal(READ("\x80\x04\x95\0\0\0\0\0\0\0\x40N."), ENG_ETRUNCATED);
    assert_int_equal(READ("Nr\xff\xff\xff\xff."), ENG_EMALFORMED);
    assert_int_equal(READ(""), ENG_ETRUNCATED);
    assert_int_equal(READ("\x80\x04N"), ENG_ETRUNCATED);
    assert_int_equal(READ("\x89PNG\r\n"), ENG_EMALFORMED);
}

static const struct {
    const unsigned char *bytes;
    size_t len;
} files[] = {{pipeline_4, sizeof pipeline_4},
             {tree_joblib, sizeof tree_joblib},
             {columns_joblib, sizeof columns_joblib}};

static void real_files_are_read(void **state)
{
    (void)state;
    static const char *const roots[] = {"Pipeline", "DecisionTreeClassifier", "Pipeline"};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(read_bytes(files[i].bytes, files[i].len), err);
        assert_true(eng_py_is_a(made.root, roots[i]));
        assert_int_equal(made.end, files[i].len);
    }
}

static void every_truncation_of_real_files_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t len = 0; len < files[i].len; len++)
            assert_int_not_equal(read_bytes(files[i].bytes, len), ENG_OK);
}

static void every_bit_of_real_files_may_be_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        unsigned char *copy = malloc(files[i].len);
        memcpy(copy, files[i].bytes, files[i].len);
        for (size_t bit = 0; bit < 8 * files[i].len; bit++) {
            copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
            (void)!read_bytes(copy, files[i].len);
            copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        eng_pickle_clear(&made);
        free(copy);
    }
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    eng_pickle_clear(&made);
    eng_status status;
    assert_survives_no_memory(status, {
        eng_pickle p = {0};
        status = eng_pickle_read((eng_str){(const char *)columns_joblib, sizeof columns_joblib},
                                 NULL, &p, &err);
        eng_pickle_clear(&p);
    });
}

static void what_is_packed_is_unpacked_up_to_a_limit(void **state)
{
    (void)state;
    eng_buf buf;
    eng_str out;
    const char *packing;
    unsigned char twice[8192];
    uLongf len = sizeof twice / 2;
    assert_int_equal(compress(twice, &len, tree_joblib, sizeof tree_joblib), Z_OK);
    memcpy(twice + len, twice, len);
    assert_ok(eng_joblib_unpack((eng_str){(char *)twice, 2 * len}, 0, &buf, &out, &packing, &err),
              err);
    assert_string_equal(packing, "zlib");
    assert_int_equal(out.len, 2 * sizeof tree_joblib);
    eng_buf_clear(&buf);
    assert_int_equal(
        eng_joblib_unpack((eng_str){(char *)twice, len / 2}, 0, &buf, &out, &packing, &err),
        ENG_ETRUNCATED);
    eng_buf_clear(&buf);
    assert_ok(eng_joblib_unpack(ENG_STR("N."), 0, &buf, &out, &packing, &err), err);
    assert_str_view(out, "N.");
    eng_buf_clear(&buf);
    char *zeros = calloc(1, 80 << 20);
    uLongf room = compressBound(80 << 20);
    unsigned char *packed = malloc(room);
    assert_int_equal(compress2(packed, &room, (Bytef *)zeros, 80 << 20, 1), Z_OK);
    assert_int_equal(
        eng_joblib_unpack((eng_str){(char *)packed, room}, 1 << 20, &buf, &out, &packing, &err),
        ENG_ETOOBIG);
    eng_buf_clear(&buf);
    free(zeros);
    free(packed);
}

static void the_list_is_in_order(void **state)
{
    (void)state;
    for (size_t i = 1; i < eng_py_list_count; i++)
        assert_true(strcmp(eng_py_list[i - 1].module, eng_py_list[i].module) <= 0);
    assert_non_null(eng_py_list_find(ENG_STR("sklearn.pipeline"), ENG_STR("Pipeline")));
    assert_null(eng_py_list_find(ENG_STR("sklearn.pipeline"), ENG_STR("Pipe")));
    assert_null(eng_py_list_find(ENG_STR("numpy"), ENG_STR("core.multiarray.scalar")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_protocol_has_its_numbers_and_texts),
        cmocka_unit_test(bytes_of_protocol_2_are_text_in_latin_1),
        cmocka_unit_test(names_that_are_not_listed_are_refused_with_opcode_and_byte),
        cmocka_unit_test(partial_is_taken_of_listed_names_alone),
        cmocka_unit_test(what_lies_outside_of_the_file_is_refused),
        cmocka_unit_test(a_scan_notes_what_reading_refuses),
        cmocka_unit_test(arrays_agree_with_their_bytes),
        cmocka_unit_test(elements_come_in_c_order_of_any_byte_order),
        cmocka_unit_test(nothing_contains_itself_or_lies_too_deep),
        cmocka_unit_test(lengths_are_never_believed),
        cmocka_unit_test(real_files_are_read),
        cmocka_unit_test(every_truncation_of_real_files_is_refused),
        cmocka_unit_test(every_bit_of_real_files_may_be_wrong),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(what_is_packed_is_unpacked_up_to_a_limit),
        cmocka_unit_test(the_list_is_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
