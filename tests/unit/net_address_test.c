/* Each test names a promise of net.h, or of guard.h, about which addresses are public. */
#include "base/error.h"
#include "net/guard.h"
#include "test.h"

#include <arpa/inet.h>
#include <sys/un.h>

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static address of(const char *text)
{
    address a = {.v6 = {.sin6_family = AF_INET6}};
    if (strchr(text, ':')) {
        assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
    } else {
        a.v4 = (struct sockaddr_in){.sin_family = AF_INET};
        assert_int_equal(inet_pton(AF_INET, text, &a.v4.sin_addr), 1);
    }
    return a;
}

static bool is_private(const char *text)
{
    address a = of(text);
    return eng_address_private(&a.any);
}

/* Each range's first and last address, and their neighbours outside of it. */
static void ranges_that_are_not_public_are_private_to_their_edges(void **state)
{
    (void)state;
    static const char *const inside[] = {"0.0.0.0",
                                         "0.255.255.255",
                                         "10.0.0.0",
                                         "10.255.255.255",
                                         "100.64.0.0",
                                         "100.127.255.255",
                                         "127.0.0.0",
                                         "127.0.0.1",
                                         "127.255.255.255",
                                         "169.254.0.0",
                                         "169.254.169.254",
                                         "169.254.255.255",
                                         "172.16.0.0",
                                         "172.31.255.255",
                                         "192.0.0.0",
                                         "192.0.0.255",
                                         "192.0.2.0",
                                         "192.0.2.255",
                                         "192.88.99.0",
                                         "192.88.99.255",
                                         "192.168.0.0",
                                         "192.168.255.255",
                                         "198.18.0.0",
                                         "198.19.255.255",
                                         "198.51.100.0",
                                         "198.51.100.255",
                                         "203.0.113.0",
                                         "203.0.113.255",
                                         "224.0.0.0",
                                         "239.255.255.255",
                                         "240.0.0.0",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::2",
                                         "::7f00:1",
                                         "1fff:ffff::",
                                         "4000::",
                                         "64:ff9b:1::",
                                         "100::1",
                                         "2001::",
                                         "2001:1ff:ffff::",
                                         "2001:db8::",
                                         "2001:db8:ffff::1",
                                         "2002::",
                                         "2002:808:808::1",
                                         "2002:ffff::",
                                         "3fff::",
                                         "3fff:fff:ffff::",
                                         "5f00::1",
                                         "fc00::1",
                                         "fd00::1",
                                         "fdff::",
                                         "fe80::1",
                                         "febf::",
                                         "fec0::1",
                                         "ff02::1",
                                         "ffff::"};
    static const char *const outside[] = {"1.0.0.0",
                                          "9.255.255.255",
                                          "11.0.0.0",
                                          "100.63.255.255",
                                          "100.128.0.0",
                                          "126.255.255.255",
                                          "128.0.0.0",
                                          "169.253.255.255",
                                          "169.255.0.0",
                                          "172.15.255.255",
                                          "172.32.0.0",
                                          "191.255.255.255",
                                          "192.0.1.0",
                                          "192.0.3.0",
                                          "192.88.98.255",
                                          "192.88.100.0",
                                          "192.167.255.255",
                                          "192.169.0.0",
                                          "198.17.255.255",
                                          "198.20.0.0",
                                          "198.51.99.255",
                                          "198.51.101.0",
                                          "203.0.112.255",
                                          "203.0.114.0",
                                          "223.255.255.255",
                                          "8.8.8.8",
                                          "2000::",
                                          "2001:200::",
                                          "2001:db7:ffff::",
                                          "2001:db9::",
                                          "2001:4860:4860::8888",
                                          "2003::",
                                          "2a00::1",
                                          "3ffe::1",
                                          "3fff:1000::"};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        if (!is_private(inside[i]))
            fail_msg("%s counts as public", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (is_private(outside[i]))
            fail_msg("%s counts as private", outside[i]);
}

static void an_ipv4_address_in_ipv6_clothes_is_judged_by_itself(void **state)
{
    (void)state;
    assert_true(is_private("::ffff:127.0.0.1"));
    assert_true(is_private("::ffff:10.0.0.1"));
    assert_true(is_private("::ffff:169.254.169.254"));
    assert_false(is_private("::ffff:8.8.8.8"));
    assert_true(is_private("64:ff9b::7f00:1"));
    assert_true(is_private("64:ff9b::a00:1"));
    assert_false(is_private("64:ff9b::808:808"));
    assert_true(is_private("::127.0.0.1"));
    assert_true(is_private("::8.8.8.8"));
    assert_true(is_private("2002:7f00:1::"));
    assert_true(is_private("2001:0:4136:e378:8000:63bf:3fff:fdd2"));
}

static void what_is_no_internet_address_is_private(void **state)
{
    (void)state;
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    assert_true(eng_address_private((const struct sockaddr *)&u));
}

static void localhost_and_addresses_are_local_hosts_and_names_are_not(void **state)
{
    (void)state;
    static const char *const local[] = {"localhost",       "LocalHost",       "localhost:8000",
                                        "127.0.0.1",       "127.0.0.1:8000",  "192.168.1.7:80",
                                        "8.8.8.8",         "[::1]",           "[::1]:8000",
                                        "[2001:db8::1]:1", "[::ffff:1.2.3.4]"};
    static const char *const not_local[] = {"",
                                            "example.com",
                                            "localhost.example.com",
                                            "localhost.",
                                            "xlocalhost",
                                            "127.0.0.1.nip.io",
                                            "127.1",
                                            "0x7f.0.0.1",
                                            "2130706433",
                                            "127.0.0.1.",
                                            "127.0.0.01",
                                            "localhost:",
                                            "localhost:x",
                                            "localhost:99999",
                                            "localhost:80:80",
                                            "localhost:-1",
                                            "::1",
                                            "[::1",
                                            "[::1]x",
                                            "[::1]:",
                                            "[::1]:x",
                                            "[localhost]",
                                            "[]",
                                            "[fe80::1%eth0]",
                                            "user@localhost",
                                            "localhost ",
                                            "127.0.0.1/",
                                            "999.0.0.1"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (!eng_host_is_local(eng_str_of(local[i])))
            fail_msg("'%s' counts as a name", local[i]);
    for (size_t i = 0; i < sizeof not_local / sizeof not_local[0]; i++)
        if (eng_host_is_local(eng_str_of(not_local[i])))
            fail_msg("'%s' counts as local", not_local[i]);
    assert_false(eng_host_is_local((eng_str){"127.0.0.1\0.example", 18}));
    assert_false(eng_host_is_local((eng_str){NULL, 0}));
}

/* ---- The list ---- */

static bool allows(const eng_guard *g, const char *text)
{
    address a = of(text);
    return eng_guard_allows(g, &a.any);
}

static void without_a_list_only_public_addresses_are_allowed(void **state)
{
    (void)state;
    static const char *const lists[] = {NULL, "", " , ,"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        eng_guard g;
        assert_int_equal(eng_guard_init(&g, lists[i], NULL), ENG_OK);
        assert_true(allows(&g, "8.8.8.8"));
        assert_false(allows(&g, "127.0.0.1"));
        assert_false(eng_guard_allows_host(&g, ENG_STR("localhost")));
        eng_guard_clear(&g);
    }
}

static void a_listed_address_is_allowed_in_any_spelling(void **state)
{
    (void)state;
    eng_guard g;
    assert_int_equal(eng_guard_init(&g, "127.0.0.1, ::1,[fd00::7],10.0.0.9", NULL), ENG_OK);
    assert_true(allows(&g, "127.0.0.1"));
    assert_true(allows(&g, "::ffff:127.0.0.1"));
    assert_true(allows(&g, "::1"));
    assert_true(allows(&g, "fd00:0::7"));
    assert_true(allows(&g, "10.0.0.9"));
    assert_false(allows(&g, "127.0.0.2"));
    assert_false(allows(&g, "10.0.0.8"));
    assert_false(allows(&g, "::ffff:127.0.0.2"));
    assert_true(eng_guard_allows_host(&g, ENG_STR("127.0.0.1")));
    assert_true(eng_guard_allows_host(&g, ENG_STR("[::1]")));
    assert_false(eng_guard_allows_host(&g, ENG_STR("localhost")));
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    assert_false(eng_guard_allows(&g, (const struct sockaddr *)&u));
    eng_guard_clear(&g);
}

static void a_listed_name_is_that_name_alone(void **state)
{
    (void)state;
    eng_guard g;
    assert_int_equal(eng_guard_init(&g, "Wiki.intern", NULL), ENG_OK);
    assert_true(eng_guard_allows_host(&g, ENG_STR("wiki.intern")));
    assert_false(eng_guard_allows_host(&g, ENG_STR("a.wiki.intern")));
    assert_false(eng_guard_allows_host(&g, ENG_STR("wiki.intern.example")));
    assert_false(allows(&g, "127.0.0.1"));
    eng_guard_clear(&g);
}

static void a_list_with_something_else_in_it_is_wrong_usage(void **state)
{
    (void)state;
    static const char *const bad[] = {"http://a",     "a b", "10.0.0.0/8",
                                      "127.0.0.1:80", "a,*", "[::1"};
    eng_guard g;
    eng_error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(eng_guard_init(&g, bad[i], &err), ENG_EUSAGE);
    assert_string_equal(err.message, "'[::1' is neither a host nor an address");
}

static void no_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    eng_status status = ENG_OK;
    assert_survives_no_memory(status, {
        eng_guard g;
        status = eng_guard_init(&g, "a,127.0.0.1", NULL);
        if (status == ENG_OK)
            eng_guard_clear(&g);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_that_are_not_public_are_private_to_their_edges),
        cmocka_unit_test(an_ipv4_address_in_ipv6_clothes_is_judged_by_itself),
        cmocka_unit_test(what_is_no_internet_address_is_private),
        cmocka_unit_test(localhost_and_addresses_are_local_hosts_and_names_are_not),
        cmocka_unit_test(without_a_list_only_public_addresses_are_allowed),
        cmocka_unit_test(a_listed_address_is_allowed_in_any_spelling),
        cmocka_unit_test(a_listed_name_is_that_name_alone),
        cmocka_unit_test(a_list_with_something_else_in_it_is_wrong_usage),
        cmocka_unit_test(no_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
