#include "test.h"

#include "format/pickle.h"
#include "learn/table.h"
#include "pickle_files.h"

#include <math.h>

static eng_error err;

static const struct {
    const unsigned char *bytes;
    size_t len;
} files[] = {{pipeline_4, sizeof pipeline_4},
             {tree_joblib, sizeof tree_joblib},
             {columns_joblib, sizeof columns_joblib}};

static eng_status load(size_t file, eng_plan **plan)
{
    *plan = NULL;
    return eng_table_plan((eng_str){(const char *)files[file].bytes, files[file].len}, plan, &err);
}

/* One row: numbers, and in `text` what the second field is where it is one. */
static eng_status predict(const eng_plan *p, const double *numbers, const char *text, double *y,
                          double *shares)
{
    eng_plan_scratch *scratch = NULL;
    eng_plan_column columns[8] = {0};
    eng_str word = eng_str_of(text);
    size_t n = 0;
    (void)eng_plan_fields(p, &n);
    for (size_t i = 0; i < n && i < 8; i++)
        columns[i] = (eng_plan_column){.numbers = numbers + i, .texts = &word};
    eng_status status = n <= 8 ? eng_plan_scratch_new(p, 1, &scratch, &err) : ENG_EINVALID;
    if (status == ENG_OK)
        status = eng_plan_predict(p, columns, 1, y, shares, scratch, &err);
    eng_plan_scratch_free(scratch);
    return status;
}

static void a_pipeline_predicts_what_scikit_learn_does(void **state)
{
    (void)state;
    static const double row[] = {.5, .25, .125};
    eng_plan *p;
    double y = 0;
    size_t n = 0;
    assert_ok(load(0, &p), err);
    const eng_plan_field *fields = eng_plan_fields(p, &n);
    assert_int_equal(n, 3);
    assert_str_view(fields[2].name, "ç");
    assert_false(fields[0].missing);
    assert_ok(predict(p, row, NULL, &y, NULL), err);
    assert_true(fabs(y - 1.43315875) < 1e-8);
    eng_plan_free(p);
}

static void a_tree_takes_missing_values_where_its_nodes_say_where_they_go(void **state)
{
    (void)state;
    static const double row[] = {.5, .25, .125}, none[] = {NAN, NAN, NAN};
    eng_plan *p;
    double y = 9, shares[2];
    assert_ok(load(1, &p), err);
    assert_ok(predict(p, row, NULL, &y, shares), err);
    assert_true(y == 0 && shares[0] == 1 && shares[1] == 0);
    assert_ok(predict(p, none, NULL, &y, shares), err);
    eng_plan_free(p);
}

static void columns_of_texts_become_fields_with_their_categories(void **state)
{
    (void)state;
    static const double row[] = {.5, 0};
    eng_plan *p;
    double y = 9, shares[2];
    size_t n = 0;
    bool has = false;
    assert_ok(load(2, &p), err);
    const eng_plan_field *fields = eng_plan_fields(p, &n);
    assert_int_equal(n, 2);
    assert_int_equal(fields[1].type, ENG_PLAN_TEXT);
    assert_int_equal(fields[1].category_count, 3);
    assert_true(fields[1].unknown);
    assert_str_view(eng_plan_about(p, &has)->classes[1].text, "True");
    assert_true(has);
    assert_ok(predict(p, row, "y", &y, shares), err);
    assert_true(y == 0 && fabs(shares[0] - 0.586839) < 1e-6);
    assert_ok(predict(p, row, "never seen", &y, shares), err);
    eng_plan_free(p);
}

static void what_is_no_model_is_refused_by_name(void **state)
{
    (void)state;
    eng_plan *p = NULL;
    assert_int_equal(eng_table_plan(ENG_STR("(I1\nI2\nt."), &p, &err), ENG_EMALFORMED);
    assert_int_equal(eng_table_plan(ENG_STR("cos\nsystem\n."), &p, &err), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "os.system"));
    assert_int_equal(eng_table_plan(ENG_STR("ccopyreg\n_reconstructor\n(csklearn.cluster._dbscan\n"
                                            "DBSCAN\ncbuiltins\nobject\nNtR."),
                                    &p, &err),
                     ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "DBSCAN"));
    assert_int_equal(eng_table_plan(ENG_STR("ccopyreg\n_reconstructor\n(csklearn.linear_model._"
                                            "ridge\nRidge\ncbuiltins\nobject\nNtR."),
                                    &p, &err),
                     ENG_EMALFORMED);
    assert_non_null(strstr(err.message, "Ridge"));
    assert_null(p);
}

/* Whatever is read as a model may be asked. */
static void try_bytes(const unsigned char *bytes, size_t len)
{
    static const double row[8] = {.5, .25, .125};
    double y[64], shares[64];
    bool has = false;
    eng_plan *p = NULL;
    if (eng_table_plan((eng_str){(const char *)bytes, len}, &p, &err) != ENG_OK)
        return;
    const eng_plan_results *about = eng_plan_about(p, &has);
    if (about->count <= 64 && about->class_count <= 64)
        (void)!predict(p, row, "y", y, shares);
    eng_plan_free(p);
}

static void every_byte_of_real_files_may_be_wrong(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        unsigned char *copy = malloc(files[f].len);
        memcpy(copy, files[f].bytes, files[f].len);
        for (size_t i = 0; i < files[f].len; i++) {
            copy[i] ^= 0xff;
            try_bytes(copy, files[f].len);
            copy[i] ^= (unsigned char)(0xff ^ 1 << i % 8);
            try_bytes(copy, files[f].len);
            copy[i] = files[f].bytes[i];
        }
        free(copy);
    }
}

static void every_truncation_of_real_files_is_refused(void **state)
{
    (void)state;
    eng_plan *p;
    for (size_t f = 0; f < 3; f++)
        for (size_t len = 0; len < files[f].len; len++)
            assert_int_not_equal(
                eng_table_plan((eng_str){(const char *)files[f].bytes, len}, &p, &err), ENG_OK);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    eng_status status;
    for (size_t f = 0; f < 3; f++)
        assert_survives_no_memory(status, {
            eng_plan *p = NULL;
            status = load(f, &p);
            eng_plan_free(p);
        });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipeline_predicts_what_scikit_learn_does),
        cmocka_unit_test(a_tree_takes_missing_values_where_its_nodes_say_where_they_go),
        cmocka_unit_test(columns_of_texts_become_fields_with_their_categories),
        cmocka_unit_test(what_is_no_model_is_refused_by_name),
        cmocka_unit_test(every_byte_of_real_files_may_be_wrong),
        cmocka_unit_test(every_truncation_of_real_files_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
