/* Each test names a promise of utf8.h. */
#include "base/utf8.h"
#include "test.h"

#include <string.h>

static bool is_character(uint32_t c) { return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF); }

static void every_character_goes_there_and_back(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110400; c++) {
        char bytes[4];
        size_t n = eng_utf8_put(c, bytes);
        if (!is_character(c)) {
            assert_int_equal(n, 0);
            continue;
        }
        eng_str text = {bytes, n};
        size_t at = 0;
        if (n < 1 || n > 4 || eng_utf8_valid(text) != n || eng_utf8_count(text) != 1 ||
            eng_utf8_next(text, &at) != c || at != n)
            fail_msg("U+%04X", (unsigned)c);
    }
    assert_int_equal(eng_utf8_put(UINT32_MAX, (char[4]){0}), 0);
}

/* Valid by the definition: some character is written as exactly these bytes. */
static bool is_written(const unsigned char *p, size_t n)
{
    static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t c = p[0] & lead[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    char bytes[4];
    return eng_utf8_put(c, bytes) == n && memcmp(bytes, p, n) == 0;
}

static size_t first_wrong(const unsigned char *p, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t n = 1;
        while (n <= 4 && n <= len - at && !is_written(p + at, n))
            n++;
        if (n > 4 || n > len - at)
            break;
        at += n;
    }
    return at;
}

static void exactly_what_is_written_is_valid(void **state)
{
    (void)state;
    /* The bytes at which a rule begins or ends, in every combination of four. */
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                          0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
                                          0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    enum { EDGES = sizeof edges };
    for (size_t i = 0; i < (size_t)EDGES * EDGES * EDGES * EDGES; i++) {
        unsigned char p[4] = {edges[i % EDGES], edges[i / EDGES % EDGES],
                              edges[i / EDGES / EDGES % EDGES], edges[i / EDGES / EDGES / EDGES]};
        eng_str text = {(const char *)p, 4};
        size_t want = first_wrong(p, 4);
        if (eng_utf8_valid(text) != want)
            fail_msg("%02x %02x %02x %02x: want %zu", p[0], p[1], p[2], p[3], want);
        size_t at = 0;
        while (at < want)
            eng_utf8_next(text, &at);
        assert_int_equal(at, want);
        if (want < 4) {
            assert_int_equal(eng_utf8_next(text, &at), 0xFFFD);
            assert_int_equal(at, want + 1);
        }
    }
}

static void the_first_wrong_byte_is_found_wherever_it_stands(void **state)
{
    (void)state;
    char text[100];
    for (size_t len = 0; len <= sizeof text; len++) {
        memset(text, 'a', sizeof text);
        assert_int_equal(eng_utf8_valid((eng_str){text, len}), len);
        for (size_t at = 0; at < len; at++) {
            text[at] = (char)0xC3; /* its second byte is missing */
            assert_int_equal(eng_utf8_valid((eng_str){text, len}), at);
            text[at] = 'a';
        }
        for (size_t at = 0; at + 4 <= len; at++) {
            memcpy(text + at, "\xf0\x9f\x98\x80", 4);
            assert_int_equal(eng_utf8_valid((eng_str){text, len}), len);
            assert_int_equal(eng_utf8_valid((eng_str){text, at + 3}), at);
            memset(text + at, 'a', 4);
        }
    }
    assert_int_equal(eng_utf8_valid((eng_str){NULL, 0}), 0);
}

static void characters_are_counted(void **state)
{
    (void)state;
    assert_int_equal(eng_utf8_count(ENG_STR("")), 0);
    assert_int_equal(eng_utf8_count(ENG_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")), 4);
}

static void a_cut_leaves_whole_characters(void **state)
{
    (void)state;
    eng_str text = ENG_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < sizeof want / sizeof want[0]; max++)
        assert_int_equal(eng_utf8_cut(text, max).len, want[max]);
    assert_int_equal(eng_utf8_cut(text, SIZE_MAX).len, text.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_goes_there_and_back),
        cmocka_unit_test(exactly_what_is_written_is_valid),
        cmocka_unit_test(the_first_wrong_byte_is_found_wherever_it_stands),
        cmocka_unit_test(characters_are_counted),
        cmocka_unit_test(a_cut_leaves_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
