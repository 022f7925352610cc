/* What format/format.h promises of zip archives. */
#include "base/error.h"
#include "base/file.h"
#include "format/format.h"
#include "zip_help.h"

#include <unistd.h>

static eng_status open_one(zip_member m, const eng_zip_limits *limits, eng_error *err)
{
    zip_maker made;
    eng_zip *z = NULL;
    zip_begin(&made);
    zip_put(&made, m);
    eng_status status = eng_zip_of(zip_done(&made), "test.zip", limits, &z, err);
    eng_zip_free(z);
    zip_end(&made);
    return status;
}

static eng_status read_one(zip_member m, eng_buf *out, eng_error *err)
{
    zip_maker made;
    eng_zip *z = NULL;
    zip_begin(&made);
    zip_put(&made, m);
    eng_status status = eng_zip_of(zip_done(&made), "test.zip", NULL, &z, err);
    if (status == ENG_OK)
        status = eng_zip_text(z, eng_zip_at(z, 0), out, err);
    eng_zip_free(z);
    zip_end(&made);
    return status;
}

static void members_are_listed_in_order_without_folders(void **state)
{
    (void)state;
    eng_error err;
    zip_maker made;
    eng_zip *z = NULL;
    zip_begin(&made);
    zip_put(&made, zip_stored("b/", ENG_STR("")));
    zip_put(&made, zip_stored("b/um.txt", ENG_STR("moinho")));
    zip_put(&made, zip_stored("a\xc3\xa7\xc3\xa3o", ENG_STR("")));
    assert_ok(eng_zip_of(zip_done(&made), "test.zip", NULL, &z, &err), err);
    assert_int_equal(eng_zip_count(z), 2);
    assert_str_view(eng_zip_at(z, 0)->name, "b/um.txt");
    assert_int_equal(eng_zip_at(z, 0)->size, 6);
    assert_str_view(eng_zip_at(z, 1)->name, "a\xc3\xa7\xc3\xa3o");
    assert_ptr_equal(eng_zip_find(z, ENG_STR("b/um.txt")), eng_zip_at(z, 0));
    assert_null(eng_zip_find(z, ENG_STR("b/")));
    eng_zip_free(z);
    zip_end(&made);
}

static void members_are_unpacked(void **state)
{
    (void)state;
    eng_error err;
    eng_buf room, text, out;
    eng_buf_init(&room, 1 << 20);
    eng_buf_init(&text, 1 << 20);
    eng_buf_init(&out, 1 << 20);
    for (int i = 0; text.len < 700000; i++)
        eng_buf_format(&text, "linha %d de um moinho\n", i * 7919 % 1000003);
    assert_ok(read_one(zip_deflated("x", eng_buf_view(&text), &room), &out, &err), err);
    assert_true(eng_str_eq(eng_buf_view(&out), eng_buf_view(&text)));
    eng_buf_reset(&out);
    assert_ok(read_one(zip_stored("x", ENG_STR("")), &out, &err), err);
    assert_int_equal(out.len, 0);
    eng_buf_clear(&out);
    eng_buf_clear(&text);
    eng_buf_clear(&room);
}

static void a_buffer_that_is_too_small_is_a_limit(void **state)
{
    (void)state;
    eng_error err;
    eng_buf out;
    eng_buf_init(&out, 4);
    assert_int_equal(read_one(zip_stored("x", ENG_STR("moinho")), &out, &err), ENG_ETOOBIG);
    eng_buf_clear(&out);
}

static void a_file_is_opened_by_its_path(void **state)
{
    (void)state;
    eng_error err;
    zip_maker made;
    eng_zip *z = NULL;
    char path[] = "/tmp/engenho-zip-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    zip_begin(&made);
    zip_put(&made, zip_stored("x", ENG_STR("moinho")));
    assert_ok(eng_file_write(path, zip_done(&made), 0600, &err), err);
    assert_ok(eng_zip_open(path, NULL, &z, &err), err);
    assert_int_equal(eng_zip_count(z), 1);
    eng_zip_free(z);
    zip_end(&made);
    unlink(path);
    assert_int_equal(eng_zip_open(path, NULL, &z, &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, path));
    assert_true(eng_zip_open("/tmp", NULL, &z, &err) < 0);
}

static void names_that_leave_a_folder_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "..",    "a\\b",
        "C:/x",        "a\nb", "a/\x7f",    "",      "/",    "a/../", ".",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eng_error err;
        if (open_one(zip_stored(bad[i], ENG_STR("x")), NULL, &err) != ENG_EINVALID)
            fail_msg("'%s' was taken", bad[i]);
    }
    eng_error err;
    assert_ok(open_one(zip_stored("a/..b/...", ENG_STR("x")), NULL, &err), err);
}

static void a_name_that_is_there_twice_is_refused(void **state)
{
    (void)state;
    eng_error err;
    zip_maker made;
    eng_zip *z = NULL;
    zip_begin(&made);
    zip_put(&made, zip_stored("x", ENG_STR("a")));
    zip_put(&made, zip_stored("x", ENG_STR("b")));
    assert_int_equal(eng_zip_of(zip_done(&made), "test.zip", NULL, &z, &err), ENG_EINVALID);
    assert_non_null(strstr(err.message, "twice"));
    zip_end(&made);
}

static void limits_are_kept_when_it_is_opened(void **state)
{
    (void)state;
    eng_error err;
    zip_maker made;
    eng_zip *z = NULL;
    eng_zip_limits limits = {.member_max = 5};
    assert_int_equal(open_one(zip_stored("x", ENG_STR("moinho")), &limits, &err), ENG_ETOOBIG);
    zip_begin(&made);
    zip_put(&made, zip_stored("x", ENG_STR("moinho")));
    zip_put(&made, zip_stored("y", ENG_STR("moinho")));
    eng_str bytes = zip_done(&made);
    limits = (eng_zip_limits){.members = 1};
    assert_int_equal(eng_zip_of(bytes, "test.zip", &limits, &z, &err), ENG_ETOOBIG);
    limits = (eng_zip_limits){.total_max = 11};
    assert_int_equal(eng_zip_of(bytes, "test.zip", &limits, &z, &err), ENG_ETOOBIG);
    limits = (eng_zip_limits){.total_max = 12, .members = 2, .member_max = 6};
    assert_ok(eng_zip_of(bytes, "test.zip", &limits, &z, &err), err);
    eng_zip_free(z);
    zip_end(&made);
}

static void a_bomb_is_known_before_it_is_unpacked(void **state)
{
    (void)state;
    eng_error err;
    eng_buf room, zeros;
    eng_buf_init(&room, 16 << 20);
    eng_buf_init(&zeros, 8 << 20);
    memset(eng_buf_room(&zeros, 8 << 20), 0, 8 << 20);
    eng_buf_added(&zeros, 8 << 20);
    zip_member m = zip_deflated("zeros", eng_buf_view(&zeros), &room);
    assert_int_equal(open_one(m, NULL, &err), ENG_ETOOBIG);
    assert_non_null(strstr(err.message, "bomb"));
    eng_zip_limits limits = {.ratio_max = 1100};
    assert_ok(open_one(m, &limits, &err), err);
    eng_buf_clear(&zeros);
    eng_buf_clear(&room);
}

/* Each claims all the bytes of the archive: every one within the ratio, all together not. */
static void members_that_share_their_bytes_are_a_bomb(void **state)
{
    (void)state;
    eng_error err;
    zip_maker made;
    eng_zip *z = NULL;
    zip_begin(&made);
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        zip_member m = {
            .name = eng_str_of(name), .packed = {"", 0}, .size = 1 << 20, .method = ZIP_DEFLATED};
        zip_put(&made, m);
    }
    assert_int_equal(eng_zip_of(zip_done(&made), "test.zip", NULL, &z, &err), ENG_ETOOBIG);
    zip_end(&made);
}

static void a_member_that_lies_about_itself_is_refused(void **state)
{
    (void)state;
    eng_error err;
    eng_buf room, out;
    eng_buf_init(&room, 1 << 20);
    eng_buf_init(&out, 1 << 20);
    zip_member good = zip_deflated("x", ENG_STR("um moinho de vento"), &room), m = good;
    m.size--;
    assert_int_equal(read_one(m, &out, &err), ENG_EMALFORMED);
    m = good;
    m.size++;
    assert_int_equal(read_one(m, &out, &err), ENG_EMALFORMED);
    m = good;
    m.crc ^= 1;
    assert_int_equal(read_one(m, &out, &err), ENG_EMALFORMED);
    m = good;
    m.method = 97; /* nobody packs so */
    assert_int_equal(read_one(m, &out, &err), ENG_EUNSUPPORTED);
    m = good;
    m.flags = 1; /* encrypted */
    assert_int_equal(read_one(m, &out, &err), ENG_EUNSUPPORTED);
    eng_buf_clear(&out);
    eng_buf_clear(&room);
}

static void an_archive_cut_anywhere_is_refused(void **state)
{
    (void)state;
    eng_error err;
    zip_maker made;
    zip_begin(&made);
    zip_put(&made, zip_stored("x", ENG_STR("moinho")));
    eng_str bytes = zip_done(&made);
    for (size_t len = 0; len < bytes.len; len++) {
        eng_zip *z = NULL;
        eng_status status = eng_zip_of(eng_str_sub(bytes, 0, len), "test.zip", NULL, &z, &err);
        assert_int_equal(status, ENG_EMALFORMED);
    }
    zip_end(&made);
}

static eng_status refuse(void *ctx, eng_str bytes, eng_error *err)
{
    (void)ctx;
    (void)bytes;
    return eng_fail(err, ENG_ENOSPACE, "full");
}

static void an_error_of_the_callback_ends_it(void **state)
{
    (void)state;
    eng_error err;
    zip_maker made;
    eng_zip *z = NULL;
    zip_begin(&made);
    zip_put(&made, zip_stored("x", ENG_STR("moinho")));
    assert_ok(eng_zip_of(zip_done(&made), "test.zip", NULL, &z, &err), err);
    assert_int_equal(eng_zip_read(z, eng_zip_at(z, 0), refuse, NULL, &err), ENG_ENOSPACE);
    eng_zip_free(z);
    zip_end(&made);
}

static void survives_without_memory(void **state)
{
    (void)state;
    zip_maker made;
    eng_status status;
    zip_begin(&made);
    zip_put(&made, zip_stored("x", ENG_STR("moinho")));
    zip_put(&made, zip_stored("y", ENG_STR("vento")));
    eng_str bytes = zip_done(&made);
    assert_survives_no_memory(status, {
        eng_zip *z = NULL;
        eng_buf out;
        eng_buf_init(&out, 1 << 20);
        status = eng_zip_of(bytes, "test.zip", NULL, &z, NULL);
        if (status == ENG_OK)
            status = eng_zip_text(z, eng_zip_at(z, 1), &out, NULL);
        eng_zip_free(z);
        eng_buf_clear(&out);
    });
    zip_end(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_listed_in_order_without_folders),
        cmocka_unit_test(members_are_unpacked),
        cmocka_unit_test(a_buffer_that_is_too_small_is_a_limit),
        cmocka_unit_test(a_file_is_opened_by_its_path),
        cmocka_unit_test(names_that_leave_a_folder_are_refused),
        cmocka_unit_test(a_name_that_is_there_twice_is_refused),
        cmocka_unit_test(limits_are_kept_when_it_is_opened),
        cmocka_unit_test(a_bomb_is_known_before_it_is_unpacked),
        cmocka_unit_test(members_that_share_their_bytes_are_a_bomb),
        cmocka_unit_test(a_member_that_lies_about_itself_is_refused),
        cmocka_unit_test(an_archive_cut_anywhere_is_refused),
        cmocka_unit_test(an_error_of_the_callback_ends_it),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
