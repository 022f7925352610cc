/* Each test names a promise of net.h about forms. Every form is read as a whole and in pieces. */
#include "base/error.h"
#include "net/net.h"
#include "test.h"

#define TYPE "multipart/form-data; boundary=XX"

/* A form as text: "name|filename|type|content\n" a part; what is not there is '-'. */
typedef struct {
    eng_buf text;
    int begun;
    int ended;
    eng_status fail; /* what the next callback answers */
} record;

static void record_part(eng_buf *b, const eng_part *part)
{
    eng_buf_str(b, part->name);
    eng_buf_byte(b, '|');
    eng_buf_str(b, part->filename.ptr ? part->filename : ENG_STR("-"));
    eng_buf_byte(b, '|');
    eng_buf_str(b, part->type);
    eng_buf_byte(b, '|');
}

static eng_status on_begin(void *ctx, const eng_part *part, eng_error *err)
{
    record *r = ctx;
    assert_int_equal(r->begun, r->ended);
    r->begun++;
    record_part(&r->text, part);
    return r->fail ? eng_fail(err, r->fail, "the caller's") : ENG_OK;
}

static eng_status on_data(void *ctx, eng_str bytes, eng_error *err)
{
    record *r = ctx;
    (void)err;
    assert_true(bytes.len > 0);
    eng_buf_str(&r->text, bytes);
    return ENG_OK;
}

static eng_status on_end(void *ctx, eng_error *err)
{
    record *r = ctx;
    (void)err;
    r->ended++;
    eng_buf_byte(&r->text, '\n');
    return ENG_OK;
}

static void record_init(record *r)
{
    *r = (record){.begun = 0};
    eng_buf_init(&r->text, 1 << 24);
    eng_buf_str(&r->text, ENG_STR(""));
}

static eng_status read_pieces(eng_str type, eng_str body, size_t piece, record *r, eng_error *err)
{
    eng_multipart *m = NULL;
    eng_multipart_callbacks on = {on_begin, on_data, on_end, r};
    eng_status status = eng_multipart_new(type, &on, &m, err);
    for (size_t at = 0; status == ENG_OK && at < body.len; at += piece)
        status = eng_multipart_feed(m, eng_str_sub(body, at, piece), err);
    if (status == ENG_OK)
        status = eng_multipart_end(m, err);
    eng_multipart_free(m);
    return status;
}

static eng_status read_whole(eng_str type, eng_str body, record *r, eng_error *err)
{
    eng_arena arena;
    const eng_part *parts;
    size_t count;
    eng_arena_init(&arena, 1024, NULL);
    eng_status status = eng_multipart_read(type, body, &arena, &parts, &count, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        record_part(&r->text, &parts[i]);
        eng_buf_str(&r->text, parts[i].content);
        eng_buf_byte(&r->text, '\n');
        if (parts[i].content.len)
            assert_true(parts[i].content.ptr >= body.ptr &&
                        parts[i].content.ptr + parts[i].content.len <= body.ptr + body.len);
    }
    eng_arena_clear(&arena);
    return status;
}

/* Whole, and in pieces of every size that can matter. */
static eng_status read_form(eng_str type, eng_str body, const char *want)
{
    eng_error err = {0};
    record r;
    record_init(&r);
    eng_status status = read_whole(type, body, &r, &err);
    if (status == ENG_OK && want)
        assert_string_equal(r.text.data, want);
    eng_buf_clear(&r.text);
    for (size_t piece = 1; piece <= 90; piece++) {
        record_init(&r);
        eng_status again = read_pieces(type, body, piece, &r, &err);
        if (again != status)
            fail_msg("in pieces of %zu: %s, as a whole %s", piece, eng_status_name(again),
                     eng_status_name(status));
        if (status == ENG_OK) {
            assert_string_equal(r.text.data, want);
            assert_int_equal(r.begun, r.ended);
        }
        eng_buf_clear(&r.text);
    }
    return status;
}

#define PART(name, content)                                                                        \
    "--XX\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" content "\r\n"
#define ASSERT_FORM(body, want)                                                                    \
    assert_int_equal(read_form(ENG_STR(TYPE), ENG_STR(body), want), ENG_OK)
#define ASSERT_REFUSED(body, status)                                                               \
    assert_int_equal(read_form(ENG_STR(TYPE), ENG_STR(body), ""), status)

static void parts_come_in_order_with_their_contents(void **state)
{
    (void)state;
    ASSERT_FORM(PART("a", "1") PART("b", "") PART("a", "two\r\nlines") "--XX--\r\n",
                "a|-||1\nb|-||\na|-||two\r\nlines\n");
}

static void a_part_has_its_filename_and_type(void **state)
{
    (void)state;
    ASSERT_FORM("--XX\r\ncontent-disposition:form-data ;name=f; filename=\"r\xc3\xa9.pdf\"\r\n"
                "Content-Type: application/pdf\r\n\r\nPDF\r\n--XX--",
                "f|r\xc3\xa9.pdf|application/pdf|PDF\n");
}

static void a_path_before_a_filename_is_cut_off(void **state)
{
    (void)state;
#define FILENAME(f)                                                                                \
    "--XX\r\nContent-Disposition: form-data; name=\"f\"; " f "\r\n\r\nx\r\n--XX--\r\n"
    ASSERT_FORM(FILENAME("filename=\"C:\\docs\\a.txt\""), "f|a.txt||x\n");
    ASSERT_FORM(FILENAME("filename=\"../../etc/passwd\""), "f|passwd||x\n");
    ASSERT_FORM(FILENAME("filename=\"a/\""), "f|||x\n");
    ASSERT_FORM(FILENAME("filename=\"\""), "f|||x\n");
    ASSERT_FORM(FILENAME("filename=\"q\\\"uote.txt\""), "f|q\"uote.txt||x\n");
    ASSERT_FORM(FILENAME("filename=\"old\"; filename*=UTF-8''na%C3%AFve.txt"),
                "f|na\xc3\xafve.txt||x\n");
    ASSERT_FORM(FILENAME("filename*=utf-8'fr'..%2Fb;filename=a"), "f|b||x\n");
    ASSERT_REFUSED(FILENAME("filename*=latin1''a"), ENG_EMALFORMED);
    ASSERT_REFUSED(FILENAME("filename*=UTF-8''%zz"), ENG_EMALFORMED);
    ASSERT_REFUSED(FILENAME("filename*=UTF-8''%ff"), ENG_EMALFORMED);
    ASSERT_REFUSED(FILENAME("filename*=UTF-8''a%00b"), ENG_EMALFORMED);
    ASSERT_REFUSED(FILENAME("filename=a; filename=b"), ENG_EMALFORMED);
}

static void what_only_begins_like_a_delimiter_is_content(void **state)
{
    (void)state;
    ASSERT_FORM(PART("a", "\r\n\r\r\n-\r\n--\r\n--X\r\r\n--Y --XX\n--XX\r\r\n--X-") "--XX--",
                "a|-||\r\n\r\r\n-\r\n--\r\n--X\r\r\n--Y --XX\n--XX\r\r\n--X-\n");
}

static void contents_are_bytes_of_any_kind(void **state)
{
    (void)state;
    static const char body[] = PART("a", "\0\xff\r\0") "--XX--";
    eng_arena arena;
    const eng_part *parts;
    size_t count;
    eng_arena_init(&arena, 1024, NULL);
    assert_int_equal(eng_multipart_read(ENG_STR(TYPE), (eng_str){body, sizeof body - 1}, &arena,
                                        &parts, &count, NULL),
                     ENG_OK);
    assert_int_equal(count, 1);
    assert_int_equal(parts[0].content.len, 4);
    assert_memory_equal(parts[0].content.ptr, "\0\xff\r\0", 4);
    eng_arena_clear(&arena);
}

static void preamble_epilogue_and_blanks_behind_a_boundary_are_ignored(void **state)
{
    (void)state;
    ASSERT_FORM(
        "for old readers\r\n--X\r\n--XX \t\r\nContent-Disposition: form-data; name=\"a\"\r\n"
        "\r\n1\r\n--XX--\r\nbehind it\r\n--XX\r\n",
        "a|-||1\n");
    ASSERT_FORM("--XX--", "");
    ASSERT_FORM("\r\n--XX--", "");
}

static void a_form_that_is_cut_off_is_truncated(void **state)
{
    (void)state;
    static const char form[] = PART("a", "1") "--XX--";
    for (size_t len = 0; len < sizeof form - 1; len++)
        assert_int_equal(read_form(ENG_STR(TYPE), (eng_str){form, len}, ""), ENG_ETRUNCATED);
    ASSERT_REFUSED("--YY--", ENG_ETRUNCATED);
    ASSERT_REFUSED("x--XX--", ENG_ETRUNCATED);
}

static void malformed_forms_are_refused(void **state)
{
    (void)state;
    ASSERT_REFUSED("--XXX\r\n", ENG_EMALFORMED);
    ASSERT_REFUSED("--XX-\r\n", ENG_EMALFORMED);
    ASSERT_REFUSED("--XX -", ENG_EMALFORMED);
    ASSERT_REFUSED("--XX\n", ENG_EMALFORMED);
    ASSERT_REFUSED("--XX\r\r\n", ENG_EMALFORMED);
    ASSERT_REFUSED("--XX\r\n\r\nx", ENG_EMALFORMED);
#define HEAD(h) "--XX\r\n" h "\r\n\r\nx\r\n--XX--"
    ASSERT_REFUSED(HEAD("Content-Type: text/plain"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: attachment; name=a"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=\"a"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name="), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; =a"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=a b=c"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=a; name=b"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=\"\xff\""), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=\"a\tb\""), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=a\r\nX: \x01"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=a\r\n folded"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=a\nX: y"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition : form-data; name=a"), ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=a\r\n"
                        "Content-Disposition: form-data; name=b"),
                   ENG_EMALFORMED);
    ASSERT_REFUSED(HEAD("Content-Disposition: form-data; name=a\r\n"
                        "Content-Transfer-Encoding: base64"),
                   ENG_ETYPE);
    ASSERT_FORM(HEAD("Content-Disposition: form-data;; name=a;\r\n"
                     "Content-Transfer-Encoding: 8BIT\r\nX-Other: y"),
                "a|-||x\n");
}

static void the_boundary_comes_from_the_header(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        eng_status status;
    } cases[] = {
        {"multipart/form-data; boundary=XX", ENG_OK},
        {"Multipart/Form-Data;charset=utf-8;BOUNDARY=\"XX\"", ENG_OK},
        {" multipart/form-data ; boundary = XX ", ENG_OK},
        {"multipart/form-data; boundary=\"a b\"", ENG_ETRUNCATED},
        {"multipart/form-data", ENG_EMALFORMED},
        {"multipart/form-data; boundary", ENG_EMALFORMED},
        {"multipart/form-data; boundary=", ENG_EMALFORMED},
        {"multipart/form-data; boundary=\"\"", ENG_EMALFORMED},
        {"multipart/form-data; boundary=\"XX", ENG_EMALFORMED},
        {"multipart/form-data; boundary=\"XX \"", ENG_EMALFORMED},
        {"multipart/form-data; boundary=\"X\tX\"", ENG_EMALFORMED},
        {"multipart/form-data; boundary=X*X", ENG_EMALFORMED},
        {"multipart/form-data; boundary=XX; boundary=YY", ENG_EMALFORMED},
        {"multipart/form-datax; boundary=XX", ENG_EMALFORMED},
        {"multipart/mixed; boundary=XX", ENG_ETYPE},
        {"application/json", ENG_ETYPE},
        {"", ENG_ETYPE},
        {"multipart/form-data; "
         "boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
         ENG_ETRUNCATED},
        {"multipart/form-data; "
         "boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
         ENG_EMALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (read_form(eng_str_of(cases[i].type), ENG_STR(PART("a", "1") "--XX--"), "a|-||1\n") !=
            cases[i].status)
            fail_msg("'%s'", cases[i].type);
}

static void headers_and_parts_have_their_limits(void **state)
{
    (void)state;
    eng_error err;
    record r;
    eng_buf b;
    eng_buf_init(&b, 1 << 20);
    eng_buf_str(&b, ENG_STR("--XX\r\nContent-Disposition: form-data; name=a\r\nX: "));
    for (int i = 0; i < 16384; i++)
        eng_buf_byte(&b, 'x');
    eng_buf_str(&b, ENG_STR("\r\n\r\n1\r\n--XX--"));
    record_init(&r);
    assert_int_equal(read_pieces(ENG_STR(TYPE), eng_buf_view(&b), 1000, &r, &err), ENG_ETOOBIG);
    eng_buf_clear(&r.text);

    for (int parts = 1024; parts <= 1025; parts++) {
        eng_buf_reset(&b);
        for (int i = 0; i < parts; i++)
            eng_buf_str(&b, ENG_STR(PART("a", "1")));
        eng_buf_str(&b, ENG_STR("--XX--"));
        record_init(&r);
        assert_int_equal(read_whole(ENG_STR(TYPE), eng_buf_view(&b), &r, &err),
                         parts == 1024 ? ENG_OK : ENG_ETOOBIG);
        eng_buf_clear(&r.text);
    }
    eng_buf_clear(&b);
}

static void an_error_of_a_callback_ends_it(void **state)
{
    (void)state;
    eng_error err;
    record r;
    eng_multipart *m;
    eng_multipart_callbacks on = {on_begin, on_data, on_end, &r};
    record_init(&r);
    r.fail = ENG_ENOSPACE;
    assert_ok(eng_multipart_new(ENG_STR(TYPE), &on, &m, &err), err);
    assert_int_equal(eng_multipart_feed(m, ENG_STR(PART("a", "1") PART("b", "2")), &err),
                     ENG_ENOSPACE);
    assert_string_equal(err.message, "the caller's");
    assert_int_equal(eng_multipart_feed(m, ENG_STR("--XX--"), &err), ENG_ENOSPACE);
    assert_int_equal(eng_multipart_end(m, &err), ENG_ENOSPACE);
    assert_int_equal(r.begun, 1);
    assert_int_equal(r.ended, 0);
    eng_multipart_free(m);
    eng_multipart_free(NULL);
    eng_buf_clear(&r.text);
}

static void a_message_names_the_part_and_the_byte(void **state)
{
    (void)state;
    eng_error err;
    record r;
    record_init(&r);
    assert_int_equal(read_whole(ENG_STR(TYPE), ENG_STR(PART("a", "1") HEAD("X: y")), &r, &err),
                     ENG_EMALFORMED);
    assert_string_equal(err.message, "part 2: it has no name");
    assert_true(err.position > 50);
    eng_buf_clear(&r.text);
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status = ENG_OK;
    assert_survives_no_memory(status, {
        eng_arena arena;
        const eng_part *parts;
        size_t count;
        eng_arena_init(&arena, 64, NULL);
        status = eng_multipart_read(ENG_STR(TYPE),
                                    ENG_STR(PART("a", "1") FILENAME("filename=\"x\"")), &arena,
                                    &parts, &count, NULL);
        eng_arena_clear(&arena);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_in_order_with_their_contents),
        cmocka_unit_test(a_part_has_its_filename_and_type),
        cmocka_unit_test(a_path_before_a_filename_is_cut_off),
        cmocka_unit_test(what_only_begins_like_a_delimiter_is_content),
        cmocka_unit_test(contents_are_bytes_of_any_kind),
        cmocka_unit_test(preamble_epilogue_and_blanks_behind_a_boundary_are_ignored),
        cmocka_unit_test(a_form_that_is_cut_off_is_truncated),
        cmocka_unit_test(malformed_forms_are_refused),
        cmocka_unit_test(the_boundary_comes_from_the_header),
        cmocka_unit_test(headers_and_parts_have_their_limits),
        cmocka_unit_test(an_error_of_a_callback_ends_it),
        cmocka_unit_test(a_message_names_the_part_and_the_byte),
        cmocka_unit_test(no_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
