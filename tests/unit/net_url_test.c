/* Each test names a promise of net.h about addresses as text. */
#include "base/error.h"
#include "net/net.h"
#include "test.h"

static eng_status read_url(const char *text, eng_url *out)
{
    eng_error err = {0};
    eng_status status = eng_url_read(eng_str_of(text), out, &err);
    if (status < 0) {
        assert_int_equal(err.status, status);
        assert_non_null(strstr(err.message, "is no address to fetch: "));
    }
    return status;
}

static void an_address_is_taken_apart(void **state)
{
    (void)state;
    eng_url u;
    assert_int_equal(read_url("http://example.com/a/b?c=d", &u), ENG_OK);
    assert_str_view(u.scheme, "http");
    assert_str_view(u.host, "example.com");
    assert_int_equal(u.port, 80);
    assert_str_view(u.path, "/a/b?c=d");

    assert_int_equal(read_url("HTTPS://Exa_mple.com:8443/x#part", &u), ENG_OK);
    assert_str_view(u.scheme, "https");
    assert_str_view(u.host, "Exa_mple.com");
    assert_int_equal(u.port, 8443);
    assert_str_view(u.path, "/x");

    assert_int_equal(read_url("https://[2001:db8::1]:81", &u), ENG_OK);
    assert_str_view(u.host, "2001:db8::1");
    assert_int_equal(u.port, 81);
    assert_str_view(u.path, "/");

    assert_int_equal(read_url("http://pão.example/açúcar", &u), ENG_OK);
    assert_str_view(u.host, "pão.example");
    assert_str_view(u.path, "/açúcar");
}

static void what_is_left_out_becomes_the_default(void **state)
{
    (void)state;
    eng_url u;
    assert_int_equal(read_url("https://a", &u), ENG_OK);
    assert_int_equal(u.port, 443);
    assert_str_view(u.path, "/");
    assert_int_equal(read_url("http://a:?q", &u), ENG_OK);
    assert_int_equal(u.port, 80);
    assert_str_view(u.path, "?q");
    assert_int_equal(read_url("http://a#x", &u), ENG_OK);
    assert_str_view(u.path, "/");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "a",
        "/etc/passwd",
        "//a/",
        "http:",
        "http:/a",
        "http://",
        "http:///a",
        "http://?q",
        "file:///etc/passwd",
        "ftp://a/",
        "gopher://a/",
        "data:text/html,x",
        "javascript:alert(1)",
        "jar:http://a!/",
        " http://a/",
        "http://a/ b",
        "http://a/\tb",
        "http://a\r\nHost: b/",
        "http://a/\x7f",
        "http://user@a/",
        "http://user:pass@a/",
        "http://a@b@c/",
        "http://@a/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:99999999999999999999/",
        "http://a:8 0/",
        "http://a:+80/",
        "http://a:80:80/",
        "http://a:b/",
        "http://[::1",
        "http://[::1]x/",
        "http://[::1]80/",
        "http://[fe80::1%25eth0]/",
        "http://[]/",
        "http://[1.2.3.4]/",
        "http://[v1.x]/",
        "http://::1/",
        "http://a\\b/",
        "http://a%2e/",
        "http://a b/",
        "http://a'/",
        "http://\xff/",
        "http://a/\xc3",
        "http://a^/",
        "http://a;b/",
        "http://*/",
    };
    eng_url u = {.port = 7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (read_url(bad[i], &u) != ENG_EINVALID)
            fail_msg("'%s' was read", bad[i]);
    assert_int_equal(u.port, 7);
    assert_int_equal(eng_url_read((eng_str){"http://a/\0b", 11}, &u, NULL), ENG_EINVALID);
    char host[300] = "http://";
    memset(host + 7, 'a', 256);
    assert_int_equal(read_url(host, &u), ENG_EINVALID);
    host[7 + 255] = '\0';
    assert_int_equal(read_url(host, &u), ENG_OK);
}

/* Some resolvers take these for addresses, others for names. */
static void a_host_that_ends_in_a_number_is_an_address_or_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"127.0.0.1.", "1.2.3.4.5",  "256.1.1.1", "a.1",
                                      "1.a.0x7f",   "example.0x", "①②⑦.0.0.1", "1..2",
                                      "08.0.0.1",   "0x7g"};
    static const char *const good[] = {"127.0.0.1",  "127.1", "0x7f000001", "017700000001",
                                       "2130706433", "0",     "1.example",  "1.2.3.4a",
                                       "a.",         "0.x"};
    char text[64];
    eng_url u;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "http://%s/", bad[i]);
        if (read_url(text, &u) != ENG_EINVALID)
            fail_msg("'%s' was read", text);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "http://%s/", good[i]);
        if (read_url(text, &u) != ENG_OK)
            fail_msg("'%s' was refused", text);
        assert_true(eng_str_eq(u.host, eng_str_of(good[i])));
    }
}

static void a_message_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    eng_error err;
    eng_url u;
    assert_int_equal(eng_url_read(ENG_STR("http://a/ x"), &u, &err), ENG_EINVALID);
    assert_string_equal(err.message, "'http://a/ x' is no address to fetch: it holds a blank or a "
                                     "control character");
    assert_int_equal(err.position, 9);
    assert_int_equal(eng_url_read(ENG_STR("ftp://a"), &u, &err), ENG_EINVALID);
    assert_string_equal(err.message, "'ftp://a' is no address to fetch: it begins with neither "
                                     "http:// nor https://");
}

/* ---- Escapes ---- */

static eng_status decode(eng_str text, bool form, eng_arena *arena, eng_str *out)
{
    eng_error err = {0};
    return eng_url_decode(text, form, arena, out, &err);
}

static void escapes_become_bytes(void **state)
{
    (void)state;
    eng_arena arena;
    eng_str out;
    eng_arena_init(&arena, 256, NULL);
    assert_int_equal(decode(ENG_STR("a%20b%2Fc%c3%A7%25"), false, &arena, &out), ENG_OK);
    assert_str_view(out, "a b/cç%");
    assert_int_equal(decode(ENG_STR("%41"), false, &arena, &out), ENG_OK);
    assert_str_view(out, "A");
    assert_int_equal(decode(ENG_STR(""), false, &arena, &out), ENG_OK);
    assert_int_equal(out.len, 0);
    eng_arena_clear(&arena);
}

static void a_plus_is_a_blank_in_forms_alone(void **state)
{
    (void)state;
    eng_arena arena;
    eng_str out;
    eng_arena_init(&arena, 256, NULL);
    assert_int_equal(decode(ENG_STR("a+b%2B"), true, &arena, &out), ENG_OK);
    assert_str_view(out, "a b+");
    assert_int_equal(decode(ENG_STR("a+b%2B"), false, &arena, &out), ENG_OK);
    assert_str_view(out, "a+b+");
    eng_arena_clear(&arena);
}

static void nothing_to_decode_is_the_text_itself(void **state)
{
    (void)state;
    eng_str text = ENG_STR("plain-ç+"), out;
    assert_int_equal(decode(text, false, NULL, &out), ENG_OK);
    assert_ptr_equal(out.ptr, text.ptr);
}

static void broken_escapes_nuls_and_bytes_that_are_no_text_are_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"%",    "%4",     "%4g",       "%g4", "%%41",  "a%0",
                                      "% 41", "%-1",    "%+1",       "%00", "a%00b", "%ff",
                                      "%c3",  "%c3%28", "%ed%a0%80", "\xff"};
    eng_arena arena;
    eng_str out = ENG_STR("kept");
    eng_error err;
    eng_arena_init(&arena, 256, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (decode(eng_str_of(bad[i]), false, &arena, &out) != ENG_EMALFORMED)
            fail_msg("'%s' was decoded", bad[i]);
    assert_int_equal(decode((eng_str){"a\0b", 3}, false, &arena, &out), ENG_EMALFORMED);
    assert_str_view(out, "kept");
    assert_int_equal(eng_url_decode(ENG_STR("abc%4"), false, &arena, &out, &err), ENG_EMALFORMED);
    assert_int_equal(err.position, 3);
    eng_arena_clear(&arena);
}

static void encoding_escapes_all_but_what_is_unreserved(void **state)
{
    (void)state;
    eng_buf b;
    eng_buf_init(&b, 1000);
    eng_url_encode(&b, ENG_STR("AZaz09-._~ /?&=+%\n\xc3\xa7"));
    assert_string_equal(b.data, "AZaz09-._~%20%2F%3F%26%3D%2B%25%0A%C3%A7");
    eng_buf_clear(&b);
}

static void decoding_undoes_encoding(void **state)
{
    (void)state;
    eng_arena arena;
    eng_buf b;
    eng_str out;
    eng_arena_init(&arena, 256, NULL);
    eng_buf_init(&b, 1000);
    for (char c = 1; c > 0 && c < 127; c++) {
        eng_buf_reset(&b);
        eng_url_encode(&b, (eng_str){&c, 1});
        for (int form = 0; form < 2; form++) {
            assert_int_equal(decode(eng_buf_view(&b), form, &arena, &out), ENG_OK);
            assert_true(eng_str_eq(out, (eng_str){&c, 1}));
        }
    }
    eng_buf_clear(&b);
    eng_arena_clear(&arena);
}

static void a_query_is_read_pair_by_pair(void **state)
{
    (void)state;
    eng_str query = ENG_STR("&a=1&&b&=c&d=e=f&g=&"), name, value;
    static const char *const pairs[][2] = {
        {"a", "1"}, {"b", ""}, {"", "c"}, {"d", "e=f"}, {"g", ""}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_true(eng_query_next(&query, &name, &value));
        assert_true(eng_str_eq(name, eng_str_of(pairs[i][0])));
        assert_true(eng_str_eq(value, eng_str_of(pairs[i][1])));
    }
    assert_false(eng_query_next(&query, &name, &value));
    assert_false(eng_query_next(&query, &name, &value));
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status = ENG_OK;
    assert_survives_no_memory(status, {
        eng_arena arena;
        eng_str out;
        eng_arena_init(&arena, 16, NULL);
        status = eng_url_decode(ENG_STR("a%20b"), false, &arena, &out, NULL);
        eng_arena_clear(&arena);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_taken_apart),
        cmocka_unit_test(what_is_left_out_becomes_the_default),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_host_that_ends_in_a_number_is_an_address_or_nothing),
        cmocka_unit_test(a_message_says_what_is_wrong_and_where),
        cmocka_unit_test(escapes_become_bytes),
        cmocka_unit_test(a_plus_is_a_blank_in_forms_alone),
        cmocka_unit_test(nothing_to_decode_is_the_text_itself),
        cmocka_unit_test(broken_escapes_nuls_and_bytes_that_are_no_text_are_malformed),
        cmocka_unit_test(encoding_escapes_all_but_what_is_unreserved),
        cmocka_unit_test(decoding_undoes_encoding),
        cmocka_unit_test(a_query_is_read_pair_by_pair),
        cmocka_unit_test(no_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
