/* Each test names a promise of error.h, or of the table of statuses in engenho.h. */
#include "base/error.h"
#include "base/utf8.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static void every_status_has_its_row(void **state)
{
    (void)state;
#define CHECK(status, value, words, http, code)                                                    \
    assert_int_equal(status, value);                                                               \
    assert_string_equal(eng_status_name(status), #status);                                         \
    assert_string_equal(eng_status_text(status), words);                                           \
    assert_int_equal(eng_status_http(status), http);                                               \
    assert_int_equal(eng_status_exit(status), code);
    ENG_STATUS_MAP(CHECK)
#undef CHECK
}

static void an_unknown_status_is_a_bug_of_ours(void **state)
{
    (void)state;
    assert_string_equal(eng_status_name((eng_status)-1000), "ENG_EINTERNAL");
    assert_string_equal(eng_status_name((eng_status)1), "ENG_EINTERNAL");
    assert_int_equal(eng_status_http((eng_status)-1000), 500);
}

static void failing_returns_the_status_and_forgets_what_was_there(void **state)
{
    (void)state;
    eng_error err = {.status = ENG_EIO, .position = 9, .line = 3, .column = 4, .field = "old"};

    assert_int_equal(eng_fail(&err, ENG_ENOTFOUND, "no job '%d'", 7), ENG_ENOTFOUND);
    assert_int_equal(err.status, ENG_ENOTFOUND);
    assert_string_equal(err.message, "no job '7'");
    assert_string_equal(err.field, "");
    assert_int_equal(err.position, 0);
    assert_int_equal(err.line, 0);
    assert_int_equal(err.column, 0);
}

static void no_error_wanted_is_fine(void **state)
{
    (void)state;
    assert_int_equal(eng_fail(NULL, ENG_EIO, "x"), ENG_EIO);
    assert_int_equal(eng_fail_at(NULL, ENG_EIO, 1, "x"), ENG_EIO);
    assert_int_equal(eng_fail_field(NULL, ENG_EINVALID, ENG_STR("f"), "x"), ENG_EINVALID);
    assert_int_equal(eng_fail_errno(NULL, ENOENT, "x"), ENG_ENOTFOUND);
    assert_int_equal(eng_fail_nomem(NULL), ENG_ENOMEM);
    eng_error_prefix(NULL, "x");
}

static void position_and_field_are_kept(void **state)
{
    (void)state;
    eng_error err;

    eng_fail_at(&err, ENG_EMALFORMED, 12, "expected a %s", "comma");
    assert_int_equal(err.position, 12);
    assert_string_equal(err.message, "expected a comma");

    eng_fail_field(&err, ENG_EINVALID, ENG_STR("top_k"), "expected 1 to %d", 1000);
    assert_string_equal(err.field, "top_k");
    assert_string_equal(err.message, "top_k: expected 1 to 1000");
}

static void text_is_cut_at_a_characters_boundary(void **state)
{
    (void)state;
    /* However the two-byte characters fall, the end must not halve one. */
    char text[800];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 2 < sizeof text; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        text[sizeof text - 3] = '\0';

        eng_error err;
        eng_fail_field(&err, ENG_EINVALID, eng_str_of(text), "%s", text);
        eng_str message = eng_str_of(err.message), field = eng_str_of(err.field);
        assert_int_equal(eng_utf8_valid(message), message.len);
        assert_int_equal(eng_utf8_valid(field), field.len);
        assert_true(message.len >= sizeof err.message - 2);
        assert_true(field.len >= sizeof err.field - 2);
        assert_null(strchr(err.message, '?'));
        assert_null(strchr(err.field, '?'));
    }
}

static void what_is_no_text_becomes_question_marks(void **state)
{
    (void)state;
    eng_error err;

    eng_fail(&err, ENG_EINVALID, "no '%s'",
             "a\xff\xc3(\xed\xa0\x80\x1b[2J\n\x7f\xc2\x9b"
             "31m\xc3\xa9");
    assert_string_equal(err.message, "no 'a?"
                                     "?(????[2J????31m\xc3\xa9'");
    eng_fail_field(&err, ENG_EINVALID, ENG_STR("a\x01\xfe"), "x");
    assert_string_equal(err.field, "a??");
    assert_string_equal(err.message, "a??: x");
    /* The replacement character itself is text like any other. */
    eng_fail(&err, ENG_EINVALID, "\xef\xbf\xbd");
    assert_string_equal(err.message, "\xef\xbf\xbd");
}

static void errno_finds_its_own_status(void **state)
{
    (void)state;
    static const struct {
        int code;
        eng_status status;
    } cases[] = {
        {ENOENT, ENG_ENOTFOUND}, {EEXIST, ENG_ECONFLICT}, {ENOMEM, ENG_ENOMEM},
        {ENOSPC, ENG_ENOSPACE},  {EDQUOT, ENG_ENOSPACE},  {EROFS, ENG_EREADONLY},
        {EACCES, ENG_EREADONLY}, {EPERM, ENG_EREADONLY},  {EMFILE, ENG_EBUSY},
        {ENFILE, ENG_EBUSY},     {EAGAIN, ENG_EBUSY},     {ENOTDIR, ENG_EIO},
        {EIO, ENG_EIO},          {9999, ENG_EIO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        eng_error err;
        assert_int_equal(eng_fail_errno(&err, cases[i].code, "x"), cases[i].status);
        assert_int_equal(err.status, cases[i].status);
    }
}

static void the_words_of_errno_are_lower_case(void **state)
{
    (void)state;
    eng_error err;
    eng_fail_errno(&err, ENOENT, "cannot open '%s'", "x");
    assert_string_equal(err.message, "cannot open 'x': no such file or directory");
    /* Letters that stand for words stay as they are. */
    eng_fail_errno(&err, EDOTDOT, "x");
    assert_string_equal(err.message, "x: RFS specific error");
}

static void a_prefix_goes_in_front_and_leaves_the_rest(void **state)
{
    (void)state;
    eng_error err;
    eng_fail_at(&err, ENG_ECORRUPT, 40, "bad magic");
    eng_error_prefix(&err, "model '%s'", "x");
    assert_string_equal(err.message, "model 'x': bad magic");
    assert_int_equal(err.status, ENG_ECORRUPT);
    assert_int_equal(err.position, 40);
}

static void arguments_may_point_into_the_error(void **state)
{
    (void)state;
    eng_error err;
    eng_fail_field(&err, ENG_EINVALID, ENG_STR("name"), "too long");
    eng_fail_field(&err, ENG_EINVALID, eng_str_of(err.field), "again, %s", err.message);
    assert_string_equal(err.field, "name");
    assert_string_equal(err.message, "name: again, name: too long");
}

static void no_memory_says_so(void **state)
{
    (void)state;
    eng_error err;
    assert_int_equal(eng_fail_nomem(&err), ENG_ENOMEM);
    assert_string_equal(err.message, "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_row),
        cmocka_unit_test(an_unknown_status_is_a_bug_of_ours),
        cmocka_unit_test(failing_returns_the_status_and_forgets_what_was_there),
        cmocka_unit_test(no_error_wanted_is_fine),
        cmocka_unit_test(position_and_field_are_kept),
        cmocka_unit_test(text_is_cut_at_a_characters_boundary),
        cmocka_unit_test(what_is_no_text_becomes_question_marks),
        cmocka_unit_test(errno_finds_its_own_status),
        cmocka_unit_test(the_words_of_errno_are_lower_case),
        cmocka_unit_test(a_prefix_goes_in_front_and_leaves_the_rest),
        cmocka_unit_test(arguments_may_point_into_the_error),
        cmocka_unit_test(no_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
