/*
 * Texts to accept and to refuse, in the categories of JSONTestSuite, written from RFC 8259; and those
 * that it leaves to the implementation, with what ours does. Each is read as it is, with blanks
 * around it, inside of an array and as a member, and walked by eng_json_find, with the same outcome.
 */
#include "test.h"
#include "json/json.h"

/* Texts may hold NULs. */
#define T(literal)                                                                                 \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

/* ---- To accept; the second is what eng_json_copy makes of it, or nothing where it is the same ---- */

static const eng_str accepted[][2] = {
    /* structure */
    {T("null")},
    {T("true")},
    {T("false")},
    {T("0")},
    {T("\"\"")},
    {T("[]")},
    {T("{}")},
    {T(" \t\r\n null \n"), T("null")},
    {T("[ ]"), T("[]")},
    {T("{ }"), T("{}")},
    {T("[\n]"), T("[]")},
    {T("\r\n[\r\n1\r\n]\r\n"), T("[1]")},
    {T("42\n"), T("42")},
    {T("\"a\" "), T("\"a\"")},
    {T("{\t\"a\"\t:\t1\t,\t\"b\"\t:\t2\t}"), T("{\"a\":1,\"b\":2}")},
    /* arrays */
    {T("[1]")},
    {T("[1,2,3]")},
    {T("[[]]")},
    {T("[[],[]]")},
    {T("[[[[]]]]")},
    {T("[{}]")},
    {T("[null]")},
    {T("[1,null,null,null,2]")},
    {T("[ 1 , 2 ]"), T("[1,2]")},
    {T("[true,false,null]")},
    {T("[\"\"]")},
    {T("[[],[[1]],{}]")},
    {T("[\"a\",1,{\"b\":[true]}]")},
    {T(" [1]"), T("[1]")},
    {T("[2] "), T("[2]")},
    {T("[1\n,\n2]"), T("[1,2]")},
    {T("[[1,2],[3,4]]")},
    /* objects */
    {T("{\"a\":1}")},
    {T("{\"\":0}")},
    {T("{\"a\":{\"b\":{\"c\":{}}}}")},
    {T("{\"a\":[]}")},
    {T("{\"a\":1,\"b\":2}")},
    {T("{\"a\":null}")},
    {T("{\"A\":1,\"a\":2}")},
    {T("{\"a\":1,\"a \":2}")},
    {T("{\"a\":{\"a\":1},\"b\":{\"a\":1}}")},
    {T("[{\"a\":1},{\"a\":1}]")},
    {T("{\"a\":\"a\"}")},
    {T("{\"foo\\u0000bar\":42}")},
    {T("{\"\\u00e9\":1,\"e\":2}"), T("{\"\xC3\xA9\":1,\"e\":2}")},
    {T("{\"min\":-1.0e+28,\"max\":1.0e+28}"), T("{\"min\":-1e+28,\"max\":1e+28}")},
    {T("{\"title\":\"\\u041f\\u043e\\u043b\"}"), T("{\"title\":\"\xD0\x9F\xD0\xBE\xD0\xBB\"}")},
    {T("{\"a\":1,\n\"b\":2\n}"), T("{\"a\":1,\"b\":2}")},
    {T("{\"\xCC\x81\":1,\"\":2}")},
    /* strings */
    {T("\"a\"")},
    {T("\" \"")},
    {T("\"\\\"\"")},
    {T("\"\\\\\"")},
    {T("\"\\/\""), T("\"/\"")},
    {T("\"/\"")},
    {T("\"\\b\\f\\n\\r\\t\"")},
    {T("\"\\u0022\""), T("\"\\\"\"")},
    {T("\"\\u005C\""), T("\"\\\\\"")},
    {T("\"\\u0000\"")},
    {T("\"\\u0001\"")},
    {T("\"\\u001f\"")},
    {T("\"\\u001F\""), T("\"\\u001f\"")},
    {T("\"\\u0008\""), T("\"\\b\"")},
    {T("\"\\u000A\""), T("\"\\n\"")},
    {T("\"\\u0020\""), T("\" \"")},
    {T("\"\\u007f\""), T("\"\x7F\"")},
    {T("\"\x7F\"")},
    {T("\"\\u0041\""), T("\"A\"")},
    {T("\"\\u0061\\u30af\\u30EA\""), T("\"a\xE3\x82\xAF\xE3\x83\xAA\"")},
    {T("\"a/*b*/c\"")},
    {T("\"'\"")},
    {T("\"\\uD801\\udc37\""), T("\"\xF0\x90\x90\xB7\"")},
    {T("\"\\uD83D\\uDE00\""), T("\"\xF0\x9F\x98\x80\"")},
    {T("\"\\ud800\\udc00\""), T("\"\xF0\x90\x80\x80\"")},
    {T("\"\\uDBFF\\uDFFF\""), T("\"\xF4\x8F\xBF\xBF\"")},
    {T("\"\\uD834\\uDD1E\\uD834\\uDD1E\""), T("\"\xF0\x9D\x84\x9E\xF0\x9D\x84\x9E\"")},
    {T("\"\\uFFFF\""), T("\"\xEF\xBF\xBF\"")},
    {T("\"\\uFFFE\""), T("\"\xEF\xBF\xBE\"")},
    {T("\"\\uFDD0\""), T("\"\xEF\xB7\x90\"")},
    {T("\"\\uD7FF\""), T("\"\xED\x9F\xBF\"")},
    {T("\"\\uE000\""), T("\"\xEE\x80\x80\"")},
    {T("\"\\u0080\""), T("\"\xC2\x80\"")},
    {T("\"\\u07ff\\u0800\""), T("\"\xDF\xBF\xE0\xA0\x80\"")},
    {T("\"\\u2028\\u2029\""), T("\"\xE2\x80\xA8\xE2\x80\xA9\"")},
    {T("\"\xE2\x80\xA8\xE2\x80\xA9\"")},
    {T("\"\xEF\xBB\xBF\"")},
    {T("\"\\\\u0000\"")},
    {T("\"\\\\a\"")},
    {T("\"\\\\n\"")},
    {T("\"\\\"\\\\\\/\""), T("\"\\\"\\\\/\"")},
    {T("\"\xC2\x80\"")},
    {T("\"\xDF\xBF\"")},
    {T("\"\xE0\xA0\x80\"")},
    {T("\"\xED\x9F\xBF\"")},
    {T("\"\xEE\x80\x80\"")},
    {T("\"\xEF\xBF\xBF\"")},
    {T("\"\xF0\x90\x80\x80\"")},
    {T("\"\xF4\x8F\xBF\xBF\"")},
    {T("\"\xF0\x9B\xBF\xBF\"")},
    {T("\"ma\xC3\xA7\xC3\xA3, p\xC3\xA3o\"")},
    {T("\"new\\u000Aline\""), T("\"new\\nline\"")},
    {T("\"\\u0012\"")},
    {T("\"\\u0123\""), T("\"\xC4\xA3\"")},
    {T("\"asd \"")},
    {T("\"{}[],:\"")},
    {T("\"a string that is longer than thirty-two bytes, and \\t more\"")},
    {T("\"sixteen bytes!!!\"")},
    {T("\"fifteen bytes..\"")},
    {T("\"seventeen bytes..\"")},
    {T("\"\\uD83D\\uDE39\\uD83D\\uDC8D\""), T("\"\xF0\x9F\x98\xB9\xF0\x9F\x92\x8D\"")},
    {T("\"\\u0060\\u012a\\u12AB\""), T("\"`\xC4\xAA\xE1\x8A\xAB\"")},
    /* numbers */
    {T("1")},
    {T("-1")},
    {T("10")},
    {T("123456789")},
    {T("-0"), T("-0.0")},
    {T("-0.0")},
    {T("0.0")},
    {T("0e0"), T("0.0")},
    {T("0e+1"), T("0.0")},
    {T("0E1"), T("0.0")},
    {T("1.0")},
    {T("1E22"), T("1e+22")},
    {T("1e22"), T("1e+22")},
    {T("1E+2"), T("100.0")},
    {T("1E-2"), T("0.01")},
    {T("123e65"), T("1.23e+67")},
    {T("123e45"), T("1.23e+47")},
    {T("123.456e78"), T("1.23456e+80")},
    {T("-123"), T("-123")},
    {T("0.000000000000000000000000000000000000000000000000000000000000000000000000000001"),
     T("1e-78")},
    {T("20e1"), T("200.0")},
    {T("123.456789"), T("123.456789")},
    {T("-0.5")},
    {T("0.1")},
    {T("1.5e-05")},
    {T("9223372036854775807")},
    {T("-9223372036854775808")},
    {T("4.9e-324"), T("5e-324")},
    {T("1.7976931348623157e308"), T("1.7976931348623157e+308")},
    {T("0.1e1"), T("1.0")},
    {T("100")},
    {T("1000000000000000000")},
    {T("1e00"), T("1.0")},
    {T("1e-00"), T("1.0")},
    {T("1e+00"), T("1.0")},
    {T("1e0000000000000000000001"), T("10.0")},
    {T("0.30000000000000004")},
    {T("5e-0"), T("5.0")},
    {T("12345678.12345678")},
    {T("87654321.5")},
    {T("[0,1,-1,0.5]")},
    {T("-2147483649")},
    {T("4294967296")},
};

/* ---- To refuse ---- */

static const eng_str refused[] = {
    /* structure */
    T(""),
    T(" "),
    T("\n"),
    T("\xEF\xBB\xBF"),
    T("\xEF\xBB\xBF{}"),
    T("\xFE\xFF"),
    T("\xFF\xFE[\0]\0"),
    T("\0"),
    T("[]\0"),
    T("<null>"),
    T("<.>"),
    T("nul"),
    T("nulll"),
    T("Null"),
    T("NULL"),
    T("tru"),
    T("truee"),
    T("True"),
    T("TRUE"),
    T("fals"),
    T("falsee"),
    T("False"),
    T("n"),
    T("t"),
    T("f"),
    T("undefined"),
    T("NaN"),
    T("Infinity"),
    T("-Infinity"),
    T("nan"),
    T("inf"),
    T("*"),
    T("@"),
    T("'"),
    T("a"),
    T("a\xC3\xA5"),
    T("\xC3\xA5"),
    T("true false"),
    T("1 2"),
    T("[] []"),
    T("{} {}"),
    T("[]1"),
    T("1]"),
    T("{}}"),
    T("[]]"),
    T("]"),
    T("}"),
    T(","),
    T(":"),
    T("\""),
    T("["),
    T("{"),
    T("[["),
    T("{{"),
    T("[{"),
    T("{["),
    T("[1"),
    T("[1,"),
    T("[1,2"),
    T("[\"a\""),
    T("[\"a"),
    T("{\"a\""),
    T("{\"a\":"),
    T("{\"a\":1"),
    T("{\"a\":1,"),
    T("{\"a\":1,\"b\""),
    T("[}"),
    T("{]"),
    T("[1}"),
    T("{\"a\":1]"),
    T("// a\n1"),
    T("1 // a"),
    T("/* */1"),
    T("1/**/"),
    T("# 1"),
    T("[1]x"),
    T("\v1"),
    T("\f1"),
    T("1\f"),
    T("[\f]"),
    T("[\v]"),
    T("\xC2\xA0"
      "1"),
    T("\xE2\x81\xA0[]"),
    T("[1]\xE2\x80\xA8"),
    T("\xE3\x80\x80"
      "1"),
    T("\x1F"
      "1"),
    T("\x7F"
      "1"),
    T("1\x85"),
    T("[,1]\""),
    T("{}#"),
    T("[\\u000A\"\"]"),
    T("[a"),
    T("{\"a\":\"b\"}#{}"),
    /* arrays */
    T("[1,]"),
    T("[,]"),
    T("[,1]"),
    T("[1,,2]"),
    T("[1,2,]"),
    T("[\"a\",]"),
    T("[1 2]"),
    T("[1:2]"),
    T("[\"a\":1]"),
    T("[\"a\" \"b\"]"),
    T("[1 true]"),
    T("[1;2]"),
    T("[-]"),
    T("[x]"),
    T("[\"x\"]]"),
    T("[3[4]]"),
    T("[*]"),
    T("[\"\",]"),
    T("[\n,\n]"),
    T("[[1,],2]"),
    T("[1,\n]"),
    T("[,,]"),
    T("[ , 1]"),
    T("[\"a\"\n\"b\"]"),
    T("[1,\n1\n,1"),
    T("[{}"),
    T("[[]"),
    T("[\xFF]"),
    T("[a\xC3\xA5]"),
    T("[1]]]"),
    T("[(1)]"),
    T("[1|2]"),
    /* objects */
    T("{\"a\"}"),
    T("{\"a\",1}"),
    T("{\"a\" 1}"),
    T("{\"a\":}"),
    T("{\"a\"::1}"),
    T("{:1}"),
    T("{1:1}"),
    T("{a:1}"),
    T("{'a':1}"),
    T("{\"a\":1,}"),
    T("{\"a\":1,,\"b\":2}"),
    T("{,}"),
    T("{,\"a\":1}"),
    T("{null:1}"),
    T("{true:1}"),
    T("{[]:1}"),
    T("{{}:1}"),
    T("{\"a\":1 \"b\":2}"),
    T("{\"a\":1;\"b\":2}"),
    T("{\"a\":1:2}"),
    T("{\"a\"=1}"),
    T("{\"a\":\"b\",/**/}"),
    T("{\"a\":1}/"),
    T("{\"a\":1}//"),
    T("{\"a\":x}"),
    T("{\"a\" b}"),
    T("{\"a\":'b'}"),
    T("{\"x\"::\"b\"}"),
    T("{\"x\",null}"),
    T("{9999E9999:1}"),
    T("{\"a\":\"a"),
    T("{\"a\":\"b\",c}"),
    T("{\xF0\x9F\x87\xA8}"),
    T("{\"a\":1,b:2}"),
    T("{\"a\":1,\"b\"}"),
    T("{\"a\":1,\"b\":}"),
    T("{\"a\\\":1}"),
    T("{\"\xB9\":\"0\",}"),
    T("{1}"),
    T("{\"a\":true,}"),
    T("{(\"a\"):1}"),
    T("{\"a\":1\"b\":2}"),
    T("{\"a\":(1)}"),
    /* keys that stand twice, however they are written */
    T("{\"a\":1,\"a\":2}"),
    T("{\"a\":1,\"a\":1}"),
    T("{\"\":1,\"\":1}"),
    T("{\"a\":1,\"b\":2,\"a\":3}"),
    T("{\"name\":1,\"n\\u0061me\":2}"),
    T("{\"\\u00e9\":1,\"\xC3\xA9\":2}"),
    T("{\"/\":1,\"\\/\":2}"),
    T("{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}"),
    T("{\"\\n\":1,\"\\u000a\":2}"),
    T("{\"x\":{\"a\":1,\"a\":2}}"),
    T("[[{\"a\":{\"b\":1,\"b\":2}}]]"),
    T("{\"a\\u0000\":1,\"a\\u0000\":2}"),
    T("{\"a\":{},\"a\":{}}"),
    /* strings */
    T("\"a"),
    T("\"\\\""),
    T("\"\\"),
    T("\"\\u"),
    T("\"\\u1"),
    T("\"\\u12"),
    T("\"\\u123"),
    T("\"\\u\""),
    T("\"\\u1\""),
    T("\"\\u12\""),
    T("\"\\u123\""),
    T("\"\\u123g\""),
    T("\"\\u 123\""),
    T("\"\\u+123\""),
    T("\"\\u-123\""),
    T("\"\\u0x12\""),
    T("\"\\U0041\""),
    T("\"\\x41\""),
    T("\"\\x00\""),
    T("\"\\a\""),
    T("\"\\v\""),
    T("\"\\e\""),
    T("\"\\0\""),
    T("\"\\1\""),
    T("\"\\'\""),
    T("\"\\ \""),
    T("\"\\\n\""),
    T("\"\\\t\""),
    T("\"\\N\""),
    T("\"\\B\""),
    T("\"\\\xC3\xA9\""),
    T("\"\\\\\\\""),
    T("'a'"),
    T("`a`"),
    T("\"a\"\"b\""),
    T("\"a\" \"b\""),
    T("\\n"),
    T("\\u0022a\\u0022"),
    T("\"a\nb\""),
    T("\"a\tb\""),
    T("\"a\rb\""),
    T("\"a\0b\""),
    T("\"\x01\""),
    T("\"\x1F\""),
    T("\"\x0B\""),
    T("\"\x1B\""),
    T("\"0123456789abcdef\x1F\""),
    T("\"0123456789abcde\n\""),
    T("\"\\uD800\""),
    T("\"\\uDBFF\""),
    T("\"\\uDC00\""),
    T("\"\\uDFFF\""),
    T("\"\\uD800\\uD800\""),
    T("\"\\uD800\\u0041\""),
    T("\"\\uD800\\n\""),
    T("\"\\uD800x\""),
    T("\"\\uD800\\\""),
    T("\"\\uD800\\u"),
    T("\"\\uD800\\uDC0\""),
    T("\"\\uD800\\uDC0x\""),
    T("\"\\uDC00\\uD800\""),
    T("\"\\uD834\\uDD1E\\uD834\""),
    T("\"\\uDADA\""),
    T("\"\\ud800abc\""),
    T("\"\\uDd1ea\""),
    T("\"\xD8\x00\xDC\x00\""),
    T("\"\x80\""),
    T("\"\xBF\""),
    T("\"\xC0\x80\""),
    T("\"\xC0\xAF\""),
    T("\"\xC1\xBF\""),
    T("\"\xC3\""),
    T("\"\xC3\x28\""),
    T("\"\xE0\x80\x80\""),
    T("\"\xE0\x9F\xBF\""),
    T("\"\xE2\x82\""),
    T("\"\xE2\x28\xA1\""),
    T("\"\xED\xA0\x80\""),
    T("\"\xED\xBF\xBF\""),
    T("\"\xF0\x80\x80\x80\""),
    T("\"\xF0\x8F\xBF\xBF\""),
    T("\"\xF0\x9F\x98\""),
    T("\"\xF4\x90\x80\x80\""),
    T("\"\xF5\x80\x80\x80\""),
    T("\"\xF8\x88\x80\x80\x80\""),
    T("\"\xFC\x84\x80\x80\x80\x80\""),
    T("\"\xFE\""),
    T("\"\xFF\""),
    T("\"\xE9\""),
    T("\"\xE4\xF6\xFC\""),
    T("\"\xC3\xA9\xA9\""),
    T("{\"\xFF\":1}"),
    T("\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\xE9\""),
    T("\"\xED\xA0\xBD\xED\xB8\x80\""),
    /* numbers */
    T("-"),
    T("+"),
    T("+1"),
    T("--1"),
    T("-+1"),
    T("++1"),
    T("- 1"),
    T("01"),
    T("00"),
    T("-01"),
    T("-012"),
    T("012"),
    T("00.1"),
    T("-00"),
    T("."),
    T(".1"),
    T("-.1"),
    T("1."),
    T("-1."),
    T("0."),
    T("1.e1"),
    T("0.e1"),
    T(".e1"),
    T("1.2."),
    T("1.2.3"),
    T("1..2"),
    T("1e"),
    T("1E"),
    T("1e+"),
    T("1e-"),
    T("1E+"),
    T("0e"),
    T("0e+"),
    T("0E"),
    T("1eE2"),
    T("1ee2"),
    T("1e2.5"),
    T("1e+-2"),
    T("1 e2"),
    T("1e 2"),
    T("1.0e"),
    T("1.0e+"),
    T("1.0e-"),
    T("0.3e"),
    T("0.3e+"),
    T("9.e+"),
    T("2.e3"),
    T("2.e-3"),
    T("2.e+3"),
    T("e1"),
    T("1,5"),
    T("1_000"),
    T("1 000"),
    T("1 000.0"),
    T("0x1"),
    T("0x42"),
    T("0xG"),
    T("0b1"),
    T("0o7"),
    T("1a"),
    T("1.8011670033376514H-308"),
    T("1.1a"),
    T("1ea"),
    T("1f"),
    T("1l"),
    T("1n"),
    T("$1"),
    T("1%"),
    T("-a"),
    T("-true"),
    T("-[]"),
    T("-\"1\""),
    T("\xEF\xBC\x91"),
    T("\xD9\xA1"),
    T("1\xEF\xBC\x91"),
    T("-\xEF\xBC\x91"),
    T("-NaN"),
    T("0.1.2"),
    T("1+2"),
    T("1-2"),
    T("1/2"),
    T("1*2"),
    T("123\xE5"),
    T("1e1\xE5"),
    T("0\xE5"),
    T("- "),
    T("-foo"),
    T("-1x"),
    T("1.5x"),
    T("12345678a"),
    T("1234567812345678a"),
    T("0.12345678x"),
};

/* ---- Left to the implementation: what ours does. No copy: refused ---- */

static const eng_str either[][2] = {
    /* Integers beyond int64 are doubles. */
    {T("9223372036854775808"), T("9.223372036854776e+18")},
    {T("-9223372036854775809"), T("-9.223372036854776e+18")},
    {T("18446744073709551615"), T("1.8446744073709552e+19")},
    {T("100000000000000000000"), T("1e+20")},
    {T("-123123123123123123123123123123"), T("-1.2312312312312312e+29")},
    {T("123456789012345678901234567890"), T("1.2345678901234568e+29")},
    /* Digits beyond a double's are rounded; what is too small for it is 0. */
    {T("0.1000000000000000055511151231257827"), T("0.1")},
    {T("3.141592653589793238462643383279"), T("3.141592653589793")},
    {T("1e-400"), T("0.0")},
    {T("-1e-400"), T("-0.0")},
    {T("123e-10000000"), T("0.0")},
    {T("0e99999999999999999999"), T("0.0")},
    {T("1e-99999999999999999999"), T("0.0")},
    {T("2.4703282292062327e-324"), T("0.0")},
    {T("2.5e-324"), T("5e-324")},
    {T("2.2250738585072011e-308"), T("2.225073858507201e-308")},
    /* What is too large is refused. */
    {T("1e309"), T("")},
    {T("-1e309"), T("")},
    {T("1e999"), T("")},
    {T("123123e100000"), T("")},
    {T("-123123e100000"), T("")},
    {T("0."
       "4e00669999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
       "999999999999969999999006"),
     T("")},
    {T("1.7976931348623159e308"), T("")},
    {T("1e99999999999999999999"), T("")},
    /* Noncharacters are characters. */
    {T("\"\xEF\xBF\xBE\""), T("\"\xEF\xBF\xBE\"")},
    {T("\"\\uDBFF\\uDFFE\""), T("\"\xF4\x8F\xBF\xBE\"")},
    {T("\"\xF4\x8F\xBF\xBF\""), T("\"\xF4\x8F\xBF\xBF\"")},
};

/* ---- */

typedef struct {
    eng_arena arena;
    eng_buf copy;
} space;

static bool copied(space *s, eng_str text)
{
    const eng_json *root;
    eng_error err;
    eng_status status = eng_json_read(text, NULL, &s->arena, &root, &err);
    if (status != ENG_OK) {
        assert_int_equal(status, ENG_EMALFORMED);
        assert_int_equal(err.status, status);
        assert_true(err.line >= 1 && err.column >= 1 && err.position <= text.len);
        return false;
    }
    eng_buf_reset(&s->copy);
    eng_json_writer w = eng_json_write_to(&s->copy);
    eng_json_copy(&w, root);
    assert_int_equal(s->copy.failed, ENG_OK);
    return true;
}

/* In the middle of `text`, with `before` and `after` around it; want.ptr NULL: refused. */
static void check_within(space *s, eng_str text, eng_str want, const char *before,
                         const char *after)
{
    eng_buf whole, expected;
    eng_buf_init(&whole, 4096);
    eng_buf_init(&expected, 4096);
    eng_buf_format(&whole, "%s", before);
    eng_buf_str(&whole, text);
    eng_buf_format(&whole, "%s", after);
    eng_buf_format(&expected, "%s", before);
    eng_buf_str(&expected, want);
    eng_buf_format(&expected, "%s", after);

    /* Of its own size, so that a sanitizer sees a byte read too much. */
    char *exact = eng_alloc(whole.len);
    memcpy(exact, whole.data, whole.len);
    eng_str input = {exact, whole.len};
    bool ok = copied(s, input);
    if (ok != (want.ptr != NULL))
        fail_msg("%s: %.*s", ok ? "accepted" : "refused", ENG_FMT(input));
    if (ok && !eng_str_eq(eng_buf_view(&s->copy), eng_buf_view(&expected)))
        fail_msg("%.*s became %.*s", ENG_FMT(input), ENG_FMT(eng_buf_view(&s->copy)));

    /* A walk sees the same, but for repeated keys. */
    eng_str raw;
    eng_error err = {.status = ENG_OK};
    eng_status status = eng_json_read(input, NULL, &s->arena, &(const eng_json *){NULL}, &err);
    bool repeated = status && strstr(err.message, "stands twice");
    eng_status walked = eng_json_find(input, ENG_STR(""), NULL, &raw, NULL);
    if (walked != (repeated ? ENG_OK : status))
        fail_msg("%s by a walk: %.*s", eng_status_name(walked), ENG_FMT(input));

    eng_free(exact);
    eng_buf_clear(&whole);
    eng_buf_clear(&expected);
    eng_arena_reset(&s->arena);
}

static void check_case(space *s, eng_str text, eng_str want)
{
    check_within(s, text, want, "", "");
    /* What is empty, or several values, may be right inside of something else. */
    check_within(s, text, want, "{\"key\":", "}");
    check_within(s, text, want, "[\"a longer text before it\",", ",\"and one behind it\"]");
}

static space *space_new(void)
{
    static space s;
    eng_arena_init(&s.arena, 4096, NULL);
    eng_buf_init(&s.copy, 1 << 20);
    return &s;
}

static void space_clear(space *s)
{
    eng_arena_clear(&s->arena);
    eng_buf_clear(&s->copy);
}

static void accepts_what_the_rfc_allows(void **state)
{
    (void)state;
    space *s = space_new();
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        eng_str text = accepted[i][0], want = accepted[i][1].ptr ? accepted[i][1] : text;
        assert_true(copied(s, text));
        if (!eng_str_eq(eng_buf_view(&s->copy), want))
            fail_msg("%.*s became %.*s", ENG_FMT(text), ENG_FMT(eng_buf_view(&s->copy)));
        check_case(s, text, want);
    }
    space_clear(s);
}

static void refuses_what_it_does_not(void **state)
{
    (void)state;
    space *s = space_new();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        check_within(s, refused[i], (eng_str){NULL, 0}, "", "");
    space_clear(s);
}

static void decides_what_is_left_open(void **state)
{
    (void)state;
    space *s = space_new();
    for (size_t i = 0; i < sizeof either / sizeof either[0]; i++) {
        eng_str want = either[i][1].len ? either[i][1] : (eng_str){NULL, 0};
        check_case(s, either[i][0], want);
    }
    space_clear(s);
}

static void refuses_every_other_escape_and_raw_control_character(void **state)
{
    (void)state;
    space *s = space_new();
    for (int c = 0; c < 256; c++) {
        char escape[4] = {'"', '\\', (char)c, '"'};
        bool known = c && strchr("\"\\/bfnrt", c);
        assert_int_equal(copied(s, (eng_str){escape, 4}), known);
        char plain[3] = {'"', (char)c, '"'};
        assert_int_equal(copied(s, (eng_str){plain, 3}),
                         c >= 0x20 && c < 0x80 && c != '"' && c != '\\');
        eng_arena_reset(&s->arena);
    }
    space_clear(s);
}

/* Every prefix of a text is refused, but for blanks at its end and numbers. */
static void refuses_every_text_that_is_cut(void **state)
{
    (void)state;
    space *s = space_new();
    static const char text[] = "{\"a\": [1.5e10, \"\\u00e9\\ud83d\\ude00 caf\xC3\xA9\", true, "
                               "null], \"b\\n\": {\"c\": false}}";
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char *exact = eng_alloc(len);
        memcpy(exact, text, len);
        assert_false(copied(s, (eng_str){exact, len}));
        assert_int_equal(
            eng_json_find((eng_str){exact, len}, ENG_STR("/b"), NULL, &(eng_str){0}, NULL),
            ENG_EMALFORMED);
        eng_free(exact);
    }
    assert_true(copied(s, (eng_str){text, sizeof text - 1}));
    space_clear(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_the_rfc_allows),
        cmocka_unit_test(refuses_what_it_does_not),
        cmocka_unit_test(decides_what_is_left_open),
        cmocka_unit_test(refuses_every_other_escape_and_raw_control_character),
        cmocka_unit_test(refuses_every_text_that_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
