/* Small tokenizers for the tests of src/text and for fuzz/fuzz_tokenizer.c: their files, as text. */
#ifndef TEXT_TOKENIZER_HELP_H
#define TEXT_TOKENIZER_HELP_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "text/text.h"

#include <stdlib.h>

/* ---- BERT's kind ---- */

#define HELP_BERT_VOCAB                                                                            \
    "{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"ola\":4,\"mundo\":5,\"##s\":6,\"##ndo\":"  \
    "7,"                                                                                           \
    "\"mu\":8,\"a\":9,\"##a\":10,\"b\":11,\"##b\":12,\",\":13,\".\":14,\"\xE6\x97\xA5\":15,"       \
    "\"co\":16,\"##racao\":17,\"[MASK]\":18,\"\xC3\xA9\":19,\"e\":20}"

#define HELP_BERT_MODEL                                                                            \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","                                   \
    "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":20,"                        \
    "\"vocab\":" HELP_BERT_VOCAB "}"

#define HELP_ADDED(id, content, flags)                                                             \
    "{\"id\":" id ",\"content\":\"" content "\"," flags ",\"special\":true}"
#define HELP_PLAIN "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false"
#define HELP_NORMED "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":true"

#define HELP_BERT_NORMAL                                                                           \
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"                             \
    "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true}"

#define HELP_BERT_POST                                                                             \
    "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]}"

#define HELP_BERT(added, more)                                                                     \
    "{\"version\":\"1.0\",\"added_tokens\":[" added "]," HELP_BERT_NORMAL                          \
    ",\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," HELP_BERT_POST "," more HELP_BERT_MODEL  \
    "}"

/* What the one pass does, and the same by the general way, which an added token that is looked for in
 * normalised text asks for (no text has this one). */
#define HELP_BERT_FAST HELP_BERT(HELP_ADDED("18", "[MASK]", HELP_PLAIN), "")
#define HELP_BERT_SLOW                                                                             \
    HELP_BERT(HELP_ADDED("18", "[MASK]", HELP_PLAIN) "," HELP_ADDED(                               \
                  "19", "\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBE\xF4\x8F\xBF\xBF", HELP_NORMED),          \
              "")

/* ---- SentencePiece's kind ---- */

#define HELP_UNIGRAM(normal, split, model)                                                         \
    "{\"version\":\"1.0\",\"added_tokens\":[]," normal split                                       \
    "\"post_processor\":null,\"model\":{\"type\":\"Unigram\"," model                               \
    "\"vocab\":[[\"<unk>\",0.0],[\"\xE2\x96\x81\",-4.5],[\"\xE2\x96\x81"                           \
    "a\",-3.25],[\"a\",-3.5],[\"b\",-3.75],[\"ab\",-4.125],[\"\xE2\x96\x81"                        \
    "abc\",-6.5],[\"c\",-5],[\"1\",-6],[\"\xC3\xA1\",-5.5],[\"fi\",-6.25],[\"TM\",-7.75]]}}"

#define HELP_METASPACE                                                                             \
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"  \
    "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"always\","      \
    "\"split\":true}]},"

#define HELP_UNIGRAM_NFKC                                                                          \
    HELP_UNIGRAM("\"normalizer\":{\"type\":\"NFKC\"},", HELP_METASPACE, "\"unk_id\":0,")

/* ---- A precompiled map of a few characters ---- */

typedef struct {
    const char *key;
    const char *text;
} help_pair;

/* In the order of their bytes. */
static const help_pair help_map[] = {
    {"\x01", ""},           {"a\xCC\x81", "\xC3\xA1"}, /* a and an accent: one character */
    {"\xC2\xAA", "a"},                                 /* ª */
    {"\xE2\x84\xA2", "TM"},                            /* ™ */
    {"\xEF\xAC\x81", "fi"},                            /* ﬁ */
    {"\xEF\xBC\x91", "1"},                             /* １ */
};

enum { HELP_UNITS = 1024, HELP_PAIRS = sizeof help_map / sizeof help_map[0] };

typedef struct {
    uint32_t units[HELP_UNITS];
    bool used[HELP_UNITS];
    uint32_t values[HELP_PAIRS];
} help_darts;

static inline bool help_fits(const help_darts *d, size_t base, const unsigned char *labels,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (d->used[base ^ labels[i]])
            return false;
    }
    return true;
}

/* The children of unit `at`: the keys low to high, which are alike in `depth` bytes. */
static inline void help_place(help_darts *d, size_t at, size_t low, size_t high, size_t depth)
{
    unsigned char labels[256];
    size_t count = 0, base = 1;
    for (size_t i = low; i < high; i++) {
        unsigned char label = (unsigned char)help_map[i].key[depth];
        if (count == 0 || labels[count - 1] != label)
            labels[count++] = label;
    }
    while (!help_fits(d, base, labels, count))
        base++;
    d->units[at] |= (uint32_t)(at ^ base) << 10;
    for (size_t i = 0; i < count; i++) {
        d->used[base ^ labels[i]] = true;
        d->units[base ^ labels[i]] = labels[i];
    }
    for (size_t i = low, end; i < high; i = end) {
        unsigned char label = (unsigned char)help_map[i].key[depth];
        for (end = i; end < high && (unsigned char)help_map[end].key[depth] == label;)
            end++;
        if (label) {
            help_place(d, base ^ label, i, end, depth + 1);
        } else {
            d->units[at] |= 1u << 8;
            d->units[base] = d->values[i] | 1u << 31;
        }
    }
}

static inline void help_base64(const unsigned char *bytes, size_t len, eng_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16;
        bits |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= i + 2 < len ? bytes[i + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            eng_buf_byte(out, i + k > len ? '=' : digits[bits >> (18 - 6 * k) & 63]);
    }
}

/* The map in base64, appended. */
static inline void help_charsmap(eng_buf *out)
{
    static help_darts d;
    eng_buf bytes;
    eng_buf_init(&bytes, 1 << 20);
    d = (help_darts){.used = {true}};
    uint32_t size = sizeof d.units, at = 0;
    for (size_t i = 0; i < HELP_PAIRS; i++) {
        d.values[i] = at;
        at += (uint32_t)strlen(help_map[i].text) + 1;
    }
    help_place(&d, 0, 0, HELP_PAIRS, 0);
    eng_buf_bytes(&bytes, &size, sizeof size);
    eng_buf_bytes(&bytes, d.units, sizeof d.units);
    for (size_t i = 0; i < HELP_PAIRS; i++)
        eng_buf_bytes(&bytes, help_map[i].text, strlen(help_map[i].text) + 1);
    help_base64((const unsigned char *)bytes.data, bytes.len, out);
    eng_buf_clear(&bytes);
}

/* XLM-R's kind: the map, then blanks that follow each other become one. */
static inline void help_xlmr(eng_buf *out)
{
    eng_buf_str(out, ENG_STR("{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
                             "\"Precompiled\",\"precompiled_charsmap\":\""));
    help_charsmap(out);
    eng_buf_str(out, ENG_STR("\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},"
                             "\"content\":\" \"}]},"));
    static const char rest[] = HELP_UNIGRAM("", HELP_METASPACE, "\"unk_id\":0,");
    eng_buf_bytes(out, rest + 1, sizeof rest - 2);
}

#endif
