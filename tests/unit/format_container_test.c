#include "test.h"

#include "base/crc.h"
#include "base/file.h"
#include "format/container.h"

#include <unistd.h>

/* A container of three sections: one of several blocks, an empty one, one of a few bytes. */
enum { LARGE = 3 * ENG_CONTAINER_BLOCK + 17 };

static eng_buf made;
static unsigned char large[LARGE];

static eng_status make(eng_error *err)
{
    eng_section sections[] = {
        {ENG_STR("weights"), large, LARGE}, {ENG_STR("none"), "", 0}, {ENG_STR("note"), "abc", 3}};
    eng_buf_clear(&made);
    eng_buf_init(&made, 1 << 20);
    return eng_container_print(ENG_STR("text"), 7, sections, 3, &made, err);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (unsigned char)(i * 31 + i / 256);
    return make(NULL) == ENG_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    eng_buf_clear(&made);
    return 0;
}

/* A copy that lies where a mapping would; to be freed with free. */
static unsigned char *aligned(const void *data, size_t len)
{
    unsigned char *p = aligned_alloc(64, (len + 64) / 64 * 64);
    memcpy(p, data, len);
    return p;
}

static eng_status try_open(const void *data, size_t len, eng_str kind, uint32_t version,
                           eng_error *err)
{
    eng_container c = {0};
    unsigned char *p = aligned(data, len);
    eng_status status = eng_container_of(p, len, "m", kind, version, &c, err);
    eng_container_close(&c);
    free(p);
    return status;
}

static void sections_come_back_aligned_and_whole(void **state)
{
    (void)state;
    eng_error err;
    eng_container c;
    unsigned char *p = aligned(made.data, made.len);
    assert_ok(eng_container_of(p, made.len, "m", ENG_STR("text"), 7, &c, &err), err);
    const eng_section *s = eng_container_find(&c, ENG_STR("weights"));
    assert_int_equal(s->size, LARGE);
    assert_memory_equal(s->data, large, LARGE);
    assert_int_equal((uintptr_t)s->data % 64, 0);
    assert_int_equal(eng_container_find(&c, ENG_STR("none"))->size, 0);
    assert_null(eng_container_find(&c, ENG_STR("other")));
    assert_string_equal(c.kind, "text");
    assert_int_equal(c.size, made.len);
    eng_container_close(&c);
    free(p);
}

static void a_section_that_must_be_there_is_named(void **state)
{
    (void)state;
    eng_error err;
    eng_container c;
    const eng_section *s;
    unsigned char *p = aligned(made.data, made.len);
    assert_ok(eng_container_of(p, made.len, "m", ENG_STR("text"), 7, &c, &err), err);
    assert_ok(eng_container_need(&c, ENG_STR("note"), 1, &s, &err), err);
    assert_int_equal(eng_container_need(&c, ENG_STR("bias"), 4, &s, &err), ENG_ECORRUPT);
    assert_non_null(strstr(err.message, "'bias'"));
    assert_int_equal(eng_container_need(&c, ENG_STR("note"), 4, &s, &err), ENG_ECORRUPT);
    eng_container_close(&c);
    free(p);
}

static void the_same_sections_give_the_same_bytes(void **state)
{
    (void)state;
    eng_error err;
    eng_buf first = made;
    made = (eng_buf){0};
    assert_ok(make(&err), err);
    assert_int_equal(first.len, made.len);
    assert_memory_equal(first.data, made.data, made.len);
    eng_buf_clear(&first);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    eng_error err;
    for (size_t len = 0; len < made.len; len += len < 600 ? 1 : 4099) {
        eng_status status = try_open(made.data, len, ENG_STR("text"), 7, &err);
        assert_int_equal(status, len < 8 ? ENG_EMALFORMED : ENG_ECORRUPT);
        assert_non_null(strstr(err.message, "'m'"));
    }
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    eng_error err;
    for (size_t at = 0; at < made.len; at += at < 700 || at > made.len - 80 ? 1 : 2053) {
        made.data[at] ^= (char)(1 << at % 8);
        assert_true(try_open(made.data, made.len, ENG_STR("text"), 7, &err) < 0);
        made.data[at] ^= (char)(1 << at % 8);
    }
}

static void another_kind_and_another_version_are_told_apart(void **state)
{
    (void)state;
    eng_error err;
    assert_int_equal(try_open(made.data, made.len, ENG_STR("table"), 7, &err), ENG_ETYPE);
    assert_int_equal(try_open(made.data, made.len, ENG_STR("text"), 8, &err), ENG_EVERSION);
    assert_ok(try_open(made.data, made.len, ENG_STR(""), 0, &err), err);
    made.data[8]++;
    assert_int_equal(try_open(made.data, made.len, ENG_STR("text"), 7, &err), ENG_EVERSION);
    made.data[8]--;
    assert_int_equal(try_open("no model at all, by far", 23, ENG_STR("text"), 7, &err),
                     ENG_EMALFORMED);
}

static void bytes_behind_the_end_are_refused(void **state)
{
    (void)state;
    eng_error err;
    eng_buf longer;
    eng_buf_init(&longer, 1 << 20);
    eng_buf_str(&longer, eng_buf_view(&made));
    eng_buf_byte(&longer, 'x');
    assert_int_equal(try_open(longer.data, longer.len, ENG_STR("text"), 7, &err), ENG_ECORRUPT);
    eng_buf_clear(&longer);
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    eng_error err;
    eng_container c;
    char path[] = "/tmp/container-XXXXXX";
    eng_section s = {ENG_STR("note"), "abc", 3};
    assert_true(close(mkstemp(path)) == 0);
    assert_int_equal(eng_container_open(path, ENG_STR("text"), 1, &c, &err), ENG_EMALFORMED);
    assert_non_null(strstr(err.message, path));
    assert_ok(eng_container_write(path, ENG_STR("text"), 1, &s, 1, 0644, &err), err);
    assert_ok(eng_container_open(path, ENG_STR("text"), 1, &c, &err), err);
    assert_int_equal(c.count, 1);
    eng_container_close(&c);
    unlink(path);
    assert_int_equal(eng_container_write("/nowhere/at/all", ENG_STR("text"), 1, &s, 1, 0644, &err),
                     ENG_ENOTFOUND);
}

static void it_survives_no_memory(void **state)
{
    (void)state;
    eng_status status;
    eng_section s = {ENG_STR("note"), "abc", 3};
    unsigned char *p = aligned(made.data, made.len);
    assert_survives_no_memory(status, {
        eng_container c = {0};
        status = eng_container_of(p, made.len, "m", ENG_STR("text"), 7, &c, NULL);
        eng_container_close(&c);
    });
    free(p);
    assert_survives_no_memory(status, {
        eng_buf out;
        eng_buf_init(&out, 1 << 16);
        status = eng_container_print(ENG_STR("text"), 1, &s, 1, &out, NULL);
        eng_buf_clear(&out);
    });
}

static void checksums_are_those_of_the_rfc(void **state)
{
    (void)state; /* RFC 3720, B.4 */
    unsigned char zeros[32] = {0};
    assert_int_equal(eng_crc32c(0, zeros, 32), 0x8A9136AA);
    assert_int_equal(eng_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(eng_crc32c(eng_crc32c(0, "1234", 4), "56789", 5), 0xE3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_come_back_aligned_and_whole),
        cmocka_unit_test(a_section_that_must_be_there_is_named),
        cmocka_unit_test(the_same_sections_give_the_same_bytes),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(another_kind_and_another_version_are_told_apart),
        cmocka_unit_test(bytes_behind_the_end_are_refused),
        cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
        cmocka_unit_test(it_survives_no_memory),
        cmocka_unit_test(checksums_are_those_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
