/* eng_utf8_valid against one that is as slow as it is plain: the fast part may not differ from it. */
#include "base/utf8.h"
#include "base/utf8_blocks.h"
#include "test.h"

/* By the table of RFC 3629, section 4. */
static size_t plain_character(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char from, to, second_from, second_to;
        size_t len;
    } rows[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        if (p[0] < rows[r].from || p[0] > rows[r].to)
            continue;
        if (left < rows[r].len)
            return 0;
        for (size_t i = 1; i < rows[r].len; i++) {
            unsigned char from = i == 1 ? rows[r].second_from : 0x80;
            unsigned char to = i == 1 ? rows[r].second_to : 0xBF;
            if (p[i] < from || p[i] > to)
                return 0;
        }
        return rows[r].len;
    }
    return 0;
}

static size_t plain_valid(eng_str text)
{
    size_t i = 0;
    while (i < text.len) {
        size_t n = plain_character((const unsigned char *)text.ptr + i, text.len - i);
        if (n == 0)
            break;
        i += n;
    }
    return i;
}

static void check_text(eng_str text)
{
    size_t want = plain_valid(text), got = eng_utf8_valid(text);
    if (got != want)
        fail_msg("%zu bytes: expected %zu, got %zu", text.len, want, got);
    assert_true(eng_utf8_blocks((const unsigned char *)text.ptr, text.len) <= want);
}

/* The four bytes of a sequence, over the edge of a block and of a step, among ASCII and others. */
static void check_sequence(const char *four)
{
    static const size_t places[] = {0, 14, 30, 61, 62, 63, 64, 126};
    char text[192];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        memset(text, 'a', sizeof text);
        memcpy(text + places[i], four, 4);
        check_text((eng_str){text, sizeof text});
    }
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    memcpy(text + 62, four, 4);
    check_text((eng_str){text, sizeof text});
}

static void finds_the_first_wrong_byte_of_any_sequence(void **state)
{
    (void)state;
    static const unsigned char others[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                           0xBF, 0xC0, 0xC3, 0xE0, 0xED, 0xF0, 0xF4, 0xFF};
    enum { OTHERS = sizeof others };
    for (unsigned first = 0x80; first < 0x100; first++) {
        for (unsigned rest = 0; rest < OTHERS * OTHERS * OTHERS; rest++) {
            const unsigned char four[4] = {(unsigned char)first, others[rest % OTHERS],
                                           others[rest / OTHERS % OTHERS],
                                           others[rest / OTHERS / OTHERS]};
            check_sequence((const char *)four);
        }
    }
}

static void accepts_every_character(void **state)
{
    (void)state;
    static char text[4 * 64];
    for (uint32_t c = 0; c < 0x110000; c += 64) {
        size_t len = 0;
        for (uint32_t i = 0; i < 64; i++)
            len += eng_utf8_put(c + i, text + len);
        check_text((eng_str){text, len});
        assert_int_equal(eng_utf8_valid((eng_str){text, len}), len);
    }
}

static void a_character_cut_by_the_end_is_wrong(void **state)
{
    (void)state;
    char text[200];
    for (size_t i = 0; i + 4 <= sizeof text; i += 4)
        memcpy(text + i, "\xF0\x9F\x98\x80", 4);
    for (size_t len = 0; len <= sizeof text; len++)
        assert_int_equal(eng_utf8_valid((eng_str){text, len}), len / 4 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_first_wrong_byte_of_any_sequence),
        cmocka_unit_test(accepts_every_character),
        cmocka_unit_test(a_character_cut_by_the_end_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
