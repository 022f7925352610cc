/* robots.txt: the promises of net.h, most of them examples of RFC 9309. */
#include "net/net.h"
#include "test.h"

static bool allows(const char *text, const char *path)
{
    return eng_robots_allow(eng_str_of(text), ENG_STR("engenho"), eng_str_of(path));
}

static void the_longest_rule_decides(void **state)
{
    (void)state;
    const char *text = "User-agent: *\nDisallow: /\nAllow: /p\nDisallow: /page/x\n";
    assert_false(allows(text, "/"));
    assert_true(allows(text, "/page"));
    assert_false(allows(text, "/page/x1"));
    assert_true(allows("User-agent: *\nDisallow: /page\nAllow: /page\n", "/page"));
    assert_true(allows("User-agent: *\nDisallow:\n", "/page"));
    assert_true(allows("", "/page"));
}

static void our_group_goes_before_everybodys(void **state)
{
    (void)state;
    const char *text = "User-agent: *\r\nDisallow: /\r\n\r\nUser-agent: other\r\n"
                       "User-Agent: Engenho/2.0\r\nDisallow: /a\r\n\r\n"
                       "user-agent: engenho\r\ndisallow: /b\r\n";
    assert_true(allows(text, "/"));
    assert_false(allows(text, "/a"));
    assert_false(allows(text, "/b")); /* all groups of an agent are one */
    assert_true(allows("User-agent: other\nDisallow: /\n", "/"));
    assert_true(allows("User-agent: engenhoca\nDisallow: /\n", "/"));
    assert_false(allows("User-agent: engenho\nSitemap: /x\nDisallow: /\n", "/"));
    assert_true(allows("Disallow: /\n", "/")); /* of no group */
}

static void stars_and_ends_are_patterns(void **state)
{
    (void)state;
    const char *text = "User-agent: *\nDisallow: /*.gif$\nDisallow: /a*b/c # so\n";
    assert_false(allows(text, "/x/y.gif"));
    assert_true(allows(text, "/x/y.gif?z"));
    assert_false(allows(text, "/a--b/cd"));
    assert_true(allows(text, "/a--b/d"));
    assert_false(allows("User-agent: *\nDisallow: *\n", "/"));
    assert_false(allows("User-agent: *\nDisallow: /$\n", "/"));
    assert_true(allows("User-agent: *\nDisallow: /$\n", "/a"));
}

static void escapes_are_what_they_stand_for(void **state)
{
    (void)state;
    assert_false(allows("User-agent: *\nDisallow: /foo/bar/%62%61%7A\n", "/foo/bar/baz"));
    assert_false(allows("User-agent: *\nDisallow: /ação\n", "/a%C3%A7%c3%a3o"));
    assert_true(allows("User-agent: *\nDisallow: /a%2Fb\n", "/a/b"));
    assert_false(allows("User-agent: *\nDisallow: /%\n", "/%"));
}

static void the_file_itself_may_be_read_and_marks_are_skipped(void **state)
{
    (void)state;
    assert_true(allows("User-agent: *\nDisallow: /\n", "/robots.txt"));
    assert_false(allows("\xEF\xBB\xBFUser-agent: *\nDisallow: /\n", "/a"));
    assert_true(allows("<html>nothing: of the kind</html>", "/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_rule_decides),
        cmocka_unit_test(our_group_goes_before_everybodys),
        cmocka_unit_test(stars_and_ends_are_patterns),
        cmocka_unit_test(escapes_are_what_they_stand_for),
        cmocka_unit_test(the_file_itself_may_be_read_and_marks_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
