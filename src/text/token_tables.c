/*
 * What the `tokenizers` package (0.23.3) holds of each code point.
 *
 * Its tables are of several ages: categories of Unicode 8 (unicode_categories), normal forms of 9
 * (unicode-normalization-alignments), lower case, \w and graphemes of 17. Ours come from utf8proc,
 * whose are of one. The lists below are all the code points on which the two do not agree, as ranges:
 * with them a model sees here what it saw in training. tests/oracle/tokenizer_code_points.py compares
 * every code point; a newer utf8proc may know characters that are not in these lists yet.
 *
 * Not listed: which newer pictographs join behind a zero-width joiner (see eng_charsmap_apply, the
 * one place that asks).
 */
#include "text/token_internal.h"

#include <utf8proc.h>

typedef struct {
    uint32_t first;
    uint32_t last;
} code_range;

/* Not Cf for the package. */
static const code_range not_control[] = {
    {0x890, 0x891}, {0x8E2, 0x8E2}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}};

/* Not Mn. */
static const code_range not_nonspacing[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8E1},     {0x9FE, 0x9FE},
    {0xAFA, 0xAFF},     {0xB55, 0xB55},     {0xC04, 0xC04},     {0xC3C, 0xC3C},
    {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},
    {0xECE, 0xECE},     {0x180F, 0x180F},   {0x1885, 0x1886},   {0x1ABF, 0x1ACE},
    {0x1DF6, 0x1DFB},   {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},
    {0xA9BD, 0xA9BD},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074},
    {0x110C2, 0x110C2}, {0x111C9, 0x111C9}, {0x111CF, 0x111CF}, {0x1123E, 0x1123E},
    {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x11438, 0x1143F}, {0x11442, 0x11444},
    {0x11446, 0x11446}, {0x1145E, 0x1145E}, {0x1182F, 0x11837}, {0x11839, 0x1183A},
    {0x1193B, 0x1193C}, {0x1193E, 0x1193E}, {0x11943, 0x11943}, {0x119D4, 0x119D7},
    {0x119DA, 0x119DB}, {0x119E0, 0x119E0}, {0x11A01, 0x11A0A}, {0x11A33, 0x11A38},
    {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47}, {0x11A51, 0x11A56}, {0x11A59, 0x11A5B},
    {0x11A8A, 0x11A96}, {0x11A98, 0x11A99}, {0x11C30, 0x11C36}, {0x11C38, 0x11C3D},
    {0x11C3F, 0x11C3F}, {0x11C92, 0x11CA7}, {0x11CAA, 0x11CB0}, {0x11CB2, 0x11CB3},
    {0x11CB5, 0x11CB6}, {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A}, {0x11D3C, 0x11D3D},
    {0x11D3F, 0x11D45}, {0x11D47, 0x11D47}, {0x11D90, 0x11D91}, {0x11D95, 0x11D95},
    {0x11D97, 0x11D97}, {0x11EF3, 0x11EF4}, {0x11F00, 0x11F01}, {0x11F36, 0x11F3A},
    {0x11F40, 0x11F40}, {0x11F42, 0x11F42}, {0x13440, 0x13440}, {0x13447, 0x13455},
    {0x16F4F, 0x16F4F}, {0x16FE4, 0x16FE4}, {0x1CF00, 0x1CF2D}, {0x1CF30, 0x1CF46},
    {0x1E000, 0x1E006}, {0x1E008, 0x1E018}, {0x1E01B, 0x1E021}, {0x1E023, 0x1E024},
    {0x1E026, 0x1E02A}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E944, 0x1E94A}};

/* Not Mn, Mc or Me. */
static const code_range not_mark[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xAFA, 0xAFF},     {0xB55, 0xB55},     {0xC04, 0xC04},     {0xC3C, 0xC3C},
    {0xCF3, 0xCF3},     {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},
    {0xEBA, 0xEBA},     {0xECE, 0xECE},     {0x1715, 0x1715},   {0x180F, 0x180F},
    {0x1ABF, 0x1ACE},   {0x1CF7, 0x1CF7},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
    {0xA8FF, 0xA8FF},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x11073, 0x11074},
    {0x110C2, 0x110C2}, {0x11145, 0x11146}, {0x111C9, 0x111C9}, {0x111CE, 0x111CF},
    {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x1182C, 0x1183A},
    {0x11930, 0x11935}, {0x11937, 0x11938}, {0x1193B, 0x1193E}, {0x11940, 0x11940},
    {0x11942, 0x11943}, {0x119D1, 0x119D7}, {0x119DA, 0x119E0}, {0x119E4, 0x119E4},
    {0x11A01, 0x11A0A}, {0x11A33, 0x11A39}, {0x11A3B, 0x11A3E}, {0x11A47, 0x11A47},
    {0x11A51, 0x11A5B}, {0x11A8A, 0x11A99}, {0x11D31, 0x11D36}, {0x11D3A, 0x11D3A},
    {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45}, {0x11D47, 0x11D47}, {0x11D8A, 0x11D8E},
    {0x11D90, 0x11D91}, {0x11D93, 0x11D97}, {0x11EF3, 0x11EF6}, {0x11F00, 0x11F01},
    {0x11F03, 0x11F03}, {0x11F34, 0x11F3A}, {0x11F3E, 0x11F42}, {0x13440, 0x13440},
    {0x13447, 0x13455}, {0x16F4F, 0x16F4F}, {0x16F7F, 0x16F87}, {0x16FE4, 0x16FE4},
    {0x16FF0, 0x16FF1}, {0x1CF00, 0x1CF2D}, {0x1CF30, 0x1CF46}, {0x1E08F, 0x1E08F},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}};

/* Not P*. */
static const code_range not_punctuation[] = {
    {0x61D, 0x61D},     {0x9FD, 0x9FD},     {0xA76, 0xA76},     {0xC77, 0xC77},
    {0xC84, 0xC84},     {0x1B7D, 0x1B7E},   {0x2E43, 0x2E4F},   {0x2E52, 0x2E5D},
    {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59}, {0x10F86, 0x10F89}, {0x1144B, 0x1144F},
    {0x1145A, 0x1145B}, {0x1145D, 0x1145D}, {0x11660, 0x1166C}, {0x116B9, 0x116B9},
    {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2}, {0x11A3F, 0x11A46},
    {0x11A9A, 0x11A9C}, {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11C41, 0x11C45},
    {0x11C70, 0x11C71}, {0x11EF7, 0x11EF8}, {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF},
    {0x12FF1, 0x12FF2}, {0x16E97, 0x16E9A}, {0x16FE2, 0x16FE2}, {0x1E95E, 0x1E95F}};

/* \w, where utf8proc knows no letter, digit or mark. */
static const code_range word_too[] = {
    {0x897, 0x897},     {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},
    {0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85},
    {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}, {0x11380, 0x11389}, {0x1138B, 0x1138B},
    {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2},
    {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A},
    {0x13460, 0x143FA}, {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79},
    {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9}, {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D}};

/* Combining class 0. */
static const code_range class_zero[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},   {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85},
    {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
    {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
    {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}};

/* Without a decomposition. */
static const code_range not_decomposed[] = {
    {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},   {0xAB69, 0xAB69},   {0x10781, 0x10785},
    {0x10787, 0x107B0}, {0x107B2, 0x107BA}, {0x11938, 0x11938}, {0x1E030, 0x1E06D},
    {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}};

/* Grapheme classes: Extend, SpacingMark, Control; and the consonants that a virama joins, which
 * utf8proc has no class for. */
static const code_range extend_too[] = {
    {0x897, 0x897},     {0xCC0, 0xCC0},     {0xCC7, 0xCC8},     {0xCCA, 0xCCB},
    {0x1715, 0x1715},   {0x1734, 0x1734},   {0x1ACF, 0x1ADD},   {0x1AE0, 0x1AEB},
    {0x1B3B, 0x1B3B},   {0x1B3D, 0x1B3D},   {0x1B43, 0x1B44},   {0x1BAA, 0x1BAA},
    {0x1BF2, 0x1BF3},   {0xA953, 0xA953},   {0xA9C0, 0xA9C0},   {0x10D69, 0x10D6D},
    {0x10EFA, 0x10EFC}, {0x111C0, 0x111C0}, {0x11235, 0x11235}, {0x1134D, 0x1134D},
    {0x113B8, 0x113B8}, {0x113BB, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5},
    {0x113C7, 0x113C9}, {0x113CE, 0x113D0}, {0x113D2, 0x113D2}, {0x113E1, 0x113E2},
    {0x116B6, 0x116B6}, {0x1193D, 0x1193D}, {0x11B60, 0x11B60}, {0x11B62, 0x11B64},
    {0x11B66, 0x11B66}, {0x11F41, 0x11F41}, {0x11F5A, 0x11F5A}, {0x1611E, 0x16129},
    {0x1612D, 0x1612F}, {0x16FF0, 0x16FF1}, {0x1D166, 0x1D166}, {0x1D16D, 0x1D16D},
    {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6E3}, {0x1E6E6, 0x1E6E6}, {0x1E6EE, 0x1E6EF},
    {0x1E6F5, 0x1E6F5}};

static const code_range spacing_too[] = {{0x113B9, 0x113BA}, {0x113CA, 0x113CA}, {0x113CC, 0x113CD},
                                         {0x1171E, 0x1171E}, {0x11B61, 0x11B61}, {0x11B65, 0x11B65},
                                         {0x11B67, 0x11B67}, {0x1612A, 0x1612C}};

static const code_range control_too[] = {{0x2065, 0x2065},   {0xFFF0, 0xFFF8},
                                         {0xE0000, 0xE0000}, {0xE0002, 0xE001F},
                                         {0xE0080, 0xE00FF}, {0xE01F0, 0xE0FFF}};

static const code_range consonants[] = {
    {0x915, 0x939},     {0x958, 0x95F},     {0x978, 0x97F},     {0x995, 0x9A8},
    {0x9AA, 0x9B0},     {0x9B2, 0x9B2},     {0x9B6, 0x9B9},     {0x9DC, 0x9DD},
    {0x9DF, 0x9DF},     {0x9F0, 0x9F1},     {0xA95, 0xAA8},     {0xAAA, 0xAB0},
    {0xAB2, 0xAB3},     {0xAB5, 0xAB9},     {0xAF9, 0xAF9},     {0xB15, 0xB28},
    {0xB2A, 0xB30},     {0xB32, 0xB33},     {0xB35, 0xB39},     {0xB5C, 0xB5D},
    {0xB5F, 0xB5F},     {0xB71, 0xB71},     {0xC15, 0xC28},     {0xC2A, 0xC39},
    {0xC58, 0xC5A},     {0xD15, 0xD3A},     {0x1000, 0x102A},   {0x103F, 0x103F},
    {0x1050, 0x1055},   {0x105A, 0x105D},   {0x1061, 0x1061},   {0x1065, 0x1066},
    {0x106E, 0x1070},   {0x1075, 0x1081},   {0x108E, 0x108E},   {0x1780, 0x17B3},
    {0x1A20, 0x1A54},   {0x1B0B, 0x1B0C},   {0x1B13, 0x1B33},   {0x1B45, 0x1B4C},
    {0x1B83, 0x1BA0},   {0x1BAE, 0x1BAF},   {0x1BBB, 0x1BBD},   {0xA989, 0xA98B},
    {0xA98F, 0xA9B2},   {0xA9E0, 0xA9E4},   {0xA9E7, 0xA9EF},   {0xA9FA, 0xA9FE},
    {0xAA60, 0xAA6F},   {0xAA71, 0xAA73},   {0xAA7A, 0xAA7A},   {0xAA7E, 0xAA7F},
    {0xAAE0, 0xAAEA},   {0xABC0, 0xABDA},   {0x10A00, 0x10A00}, {0x10A10, 0x10A13},
    {0x10A15, 0x10A17}, {0x10A19, 0x10A35}, {0x11103, 0x11126}, {0x11144, 0x11144},
    {0x11147, 0x11147}, {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E},
    {0x11390, 0x113B5}, {0x11900, 0x11906}, {0x11909, 0x11909}, {0x1190C, 0x11913},
    {0x11915, 0x11916}, {0x11918, 0x1192F}, {0x11A00, 0x11A00}, {0x11A0B, 0x11A32},
    {0x11A50, 0x11A50}, {0x11A5C, 0x11A83}, {0x11F04, 0x11F10}, {0x11F12, 0x11F33}};

/* Lower case that utf8proc does not know: a range, and what is added to it. */
static const struct {
    uint32_t first;
    uint32_t last;
    int32_t add;
    uint32_t step; /* 2: every second one */
} lower_too[] = {
    {0x1C89, 0x1C89, 1, 1},      {0xA7CB, 0xA7CB, 0x264 - 0xA7CB, 1},
    {0xA7CC, 0xA7CE, 1, 2},      {0xA7D2, 0xA7D4, 1, 2},
    {0xA7DA, 0xA7DA, 1, 1},      {0xA7DC, 0xA7DC, 0x19B - 0xA7DC, 1},
    {0x10D50, 0x10D65, 0x20, 1}, {0x16EA0, 0x16EB8, 0x1B, 1},
};

/* Below this no list has anything: most text is decided without a search. */
enum { FIRST_LISTED = 0x61D };

static bool in_ranges(const code_range *ranges, size_t count, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= ranges[low].first;
}

#define LISTED(list, c)                                                                            \
    ((c) >= FIRST_LISTED && in_ranges((list), sizeof(list) / sizeof((list)[0]), (c)))

static const utf8proc_property_t *property(uint32_t c)
{
    return utf8proc_get_property((utf8proc_int32_t)c);
}

static unsigned category_bit(uint32_t c) { return 1u << property(c)->category; }

enum {
    LETTERS = 1u << UTF8PROC_CATEGORY_LU | 1u << UTF8PROC_CATEGORY_LL | 1u << UTF8PROC_CATEGORY_LT |
              1u << UTF8PROC_CATEGORY_LM | 1u << UTF8PROC_CATEGORY_LO,
    MARKS = 1u << UTF8PROC_CATEGORY_MN | 1u << UTF8PROC_CATEGORY_MC | 1u << UTF8PROC_CATEGORY_ME,
    WORDS = LETTERS | MARKS | 1u << UTF8PROC_CATEGORY_ND | 1u << UTF8PROC_CATEGORY_NL |
            1u << UTF8PROC_CATEGORY_PC,
    PUNCTUATION = 1u << UTF8PROC_CATEGORY_PC | 1u << UTF8PROC_CATEGORY_PD |
                  1u << UTF8PROC_CATEGORY_PS | 1u << UTF8PROC_CATEGORY_PE |
                  1u << UTF8PROC_CATEGORY_PI | 1u << UTF8PROC_CATEGORY_PF |
                  1u << UTF8PROC_CATEGORY_PO,
    CONTROLS = 1u << UTF8PROC_CATEGORY_CC | 1u << UTF8PROC_CATEGORY_CF | 1u << UTF8PROC_CATEGORY_CO
};

bool eng_tok_is_space(uint32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool eng_tok_is_control(uint32_t c)
{
    return category_bit(c) & CONTROLS && !LISTED(not_control, c);
}

bool eng_tok_is_nonspacing(uint32_t c)
{
    if (c == 0x1734)
        return true;
    return c >= 0x300 && category_bit(c) & 1u << UTF8PROC_CATEGORY_MN && !LISTED(not_nonspacing, c);
}

bool eng_tok_is_mark(uint32_t c)
{
    if (c == 0x1CF2 || c == 0x1CF3)
        return true;
    return c >= 0x300 && category_bit(c) & MARKS && !LISTED(not_mark, c);
}

bool eng_tok_is_punctuation(uint32_t c)
{
    if (c < 0x80)
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
               (c >= '{' && c <= '~');
    if (c == 0x166D || c == 0x111C9)
        return true;
    return category_bit(c) & PUNCTUATION && !LISTED(not_punctuation, c);
}

bool eng_tok_is_word(uint32_t c)
{
    if (category_bit(c) & WORDS || c == 0x200C || c == 0x200D)
        return true;
    /* Letters in circles and squares, which are symbols by category. */
    if ((c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
        (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189))
        return true;
    return LISTED(word_too, c);
}

bool eng_tok_is_ideograph(uint32_t c)
{
    return c >= 0x3400 && ((c >= 0x4E00 && c <= 0x9FFF) || c <= 0x4DBF ||
                           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x2A6DF) ||
                           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
                           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F));
}

uint8_t eng_tok_combining(uint32_t c)
{
    if (c < 0x300)
        return 0;
    uint8_t class = (uint8_t)property(c)->combining_class;
    return class && LISTED(class_zero, c) ? 0 : class;
}

size_t eng_tok_lower(uint32_t c, uint32_t out[ENG_TOK_LOWER_MAX])
{
    if (c < 0x80) {
        out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return 1;
    }
    if (c == 0x130) { /* the dotted capital I keeps its dot */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    if (out[0] == c && c >= lower_too[0].first) {
        for (size_t i = 0; i < sizeof lower_too / sizeof lower_too[0]; i++) {
            if (c >= lower_too[i].first && c <= lower_too[i].last &&
                (c - lower_too[i].first) % lower_too[i].step == 0)
                out[0] = c + (uint32_t)lower_too[i].add;
        }
    }
    return 1;
}

size_t eng_tok_decompose(uint32_t c, bool compatible, uint32_t out[ENG_TOK_DECOMPOSED_MAX])
{
    utf8proc_int32_t wide[ENG_TOK_DECOMPOSED_MAX];
    utf8proc_option_t options = UTF8PROC_DECOMPOSE;
    int ignored = 0;
    if (compatible)
        options |= UTF8PROC_COMPAT;
    utf8proc_ssize_t count = 0;
    if (c >= (compatible ? 0xA0 : 0xC0) && !LISTED(not_decomposed, c))
        count = utf8proc_decompose_char((utf8proc_int32_t)c, wide, ENG_TOK_DECOMPOSED_MAX, options,
                                        &ignored);
    if (count <= 0 || count > ENG_TOK_DECOMPOSED_MAX) {
        out[0] = c;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < count; i++)
        out[i] = (uint32_t)wide[i];
    return (size_t)count;
}

/* Hangul is arithmetic: leading consonant and vowel, then a trailing consonant. */
static uint32_t compose_hangul(uint32_t a, uint32_t b)
{
    if (a >= 0x1100 && a < 0x1113 && b >= 0x1161 && b < 0x1176)
        return 0xAC00 + ((a - 0x1100) * 21 + (b - 0x1161)) * 28;
    if (a >= 0xAC00 && a < 0xD7A4 && (a - 0xAC00) % 28 == 0 && b > 0x11A7 && b < 0x11C3)
        return a + (b - 0x11A7);
    return 0;
}

uint32_t eng_tok_compose(uint32_t a, uint32_t b)
{
    uint32_t hangul = compose_hangul(a, b);
    if (hangul)
        return hangul;
    if (b < 0x300 || property(a)->comb_index == UINT16_MAX || property(b)->comb_index == UINT16_MAX)
        return 0;
    utf8proc_int32_t pair[3] = {(utf8proc_int32_t)a, (utf8proc_int32_t)b, 0};
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1)
        return 0;
    uint32_t c = (uint32_t)pair[0];
    return LISTED(not_decomposed, c) ? 0 : c;
}

static eng_tok_grapheme class_of_bound(unsigned bound)
{
    switch (bound) {
    case UTF8PROC_BOUNDCLASS_CR:
        return ENG_GRAPHEME_CR;
    case UTF8PROC_BOUNDCLASS_LF:
        return ENG_GRAPHEME_LF;
    case UTF8PROC_BOUNDCLASS_CONTROL:
        return ENG_GRAPHEME_CONTROL;
    case UTF8PROC_BOUNDCLASS_EXTEND:
        return ENG_GRAPHEME_EXTEND;
    case UTF8PROC_BOUNDCLASS_L:
        return ENG_GRAPHEME_L;
    case UTF8PROC_BOUNDCLASS_V:
        return ENG_GRAPHEME_V;
    case UTF8PROC_BOUNDCLASS_T:
        return ENG_GRAPHEME_T;
    case UTF8PROC_BOUNDCLASS_LV:
        return ENG_GRAPHEME_LV;
    case UTF8PROC_BOUNDCLASS_LVT:
        return ENG_GRAPHEME_LVT;
    case UTF8PROC_BOUNDCLASS_REGIONAL_INDICATOR:
        return ENG_GRAPHEME_REGIONAL;
    case UTF8PROC_BOUNDCLASS_SPACINGMARK:
        return ENG_GRAPHEME_SPACING;
    case UTF8PROC_BOUNDCLASS_PREPEND:
        return ENG_GRAPHEME_PREPEND;
    case UTF8PROC_BOUNDCLASS_ZWJ:
        return ENG_GRAPHEME_ZWJ;
    case UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC:
        return ENG_GRAPHEME_PICTOGRAPH;
    default:
        return ENG_GRAPHEME_OTHER;
    }
}

eng_tok_grapheme eng_tok_grapheme_of(uint32_t c)
{
    eng_tok_grapheme class = class_of_bound(property(c)->boundclass);
    if (c < FIRST_LISTED)
        return class;
    if (c == 0x113D1)
        return ENG_GRAPHEME_PREPEND;
    if (c == 0x16D63 || (c >= 0x16D67 && c <= 0x16D6A))
        return ENG_GRAPHEME_V;
    if (LISTED(extend_too, c))
        return ENG_GRAPHEME_EXTEND;
    if (LISTED(spacing_too, c))
        return ENG_GRAPHEME_SPACING;
    if (LISTED(control_too, c))
        return ENG_GRAPHEME_CONTROL;
    if (LISTED(consonants, c))
        return ENG_GRAPHEME_CONSONANT;
    return c == 0x11A3A ? ENG_GRAPHEME_OTHER : class;
}

bool eng_tok_is_linker(uint32_t c)
{
    switch (c) {
    case 0x94D:
    case 0x9CD:
    case 0xACD:
    case 0xB4D:
    case 0xC4D:
    case 0xD4D:
    case 0x1039:
    case 0x17D2:
    case 0x1A60:
    case 0x1B44:
    case 0x1BAB:
    case 0xA9C0:
    case 0xAAF6:
    case 0x10A3F:
    case 0x11133:
    case 0x113D0:
    case 0x1193E:
    case 0x11A47:
    case 0x11A99:
    case 0x11F42:
        return true;
    default:
        return false;
    }
}

/* How many bytes a lead byte asks for behind it (0: it is none), and between which the first must be;
 * the others are 80 to BF. */
static unsigned sequence_tail(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
}

uint32_t eng_tok_next(eng_str text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    unsigned char lead = p[(*at)++], low, high;
    if (lead < 0x80)
        return lead;
    unsigned tail = sequence_tail(lead, &low, &high);
    if (tail == 0)
        return 0xFFFD;
    uint32_t c = lead & (0x3Fu >> tail);
    for (unsigned i = 0; i < tail; i++) {
        if (*at == text.len || p[*at] < low || p[*at] > high)
            return 0xFFFD;
        c = c << 6 | (p[(*at)++] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    return c;
}

uint32_t eng_tok_before(eng_str text, size_t end, size_t *start)
{
    size_t least = end > 4 ? end - 4 : 0;
    for (size_t at = end; at-- > least;) {
        size_t next = at;
        if (((unsigned char)text.ptr[at] & 0xC0) == 0x80)
            continue;
        uint32_t c = eng_tok_next(text, &next);
        if (next != end)
            break;
        *start = at;
        return c;
    }
    *start = end - 1;
    return 0xFFFD;
}
