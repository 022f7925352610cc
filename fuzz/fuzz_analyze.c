/* The first byte says how, the rest is text: every term stands within it, and is none too long. */
#include "text/text.h"

#include "base/str.h"

#include <stdlib.h>

static void check(bool ok)
{
    if (!ok)
        abort();
}

static uint32_t count(void *ctx, eng_str word)
{
    (void)ctx;
    return word.len > 2 ? (uint32_t)word.ptr[0] % 7 : 0;
}

static void each(void *ctx, eng_str word)
{
    uint8_t ends[ENG_SPLIT_MAX];
    size_t parts = eng_word_split(word, ENG_LANGUAGE_PT, count, NULL, ends);
    (void)ctx;
    check(word.len > 0 && word.len <= ENG_TERM_MAX && parts <= ENG_SPLIT_MAX);
    check(parts == 0 || ends[parts - 1] == word.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static eng_analyzer *a;
    static eng_terms terms;
    if (size == 0 || (!a && eng_analyzer_new(&a, NULL) < 0))
        return 0;
    eng_str text = {(const char *)data + 1, size - 1};
    eng_analyze_options options = {.language = (eng_language)(data[0] % ENG_LANGUAGES),
                                   .question = data[0] & 4,
                                   .grams = data[0] & 8,
                                   .count = data[0] & 16 ? count : NULL};
    eng_terms_reset(&terms);
    check(eng_analyze(a, text, &options, &terms, NULL) == ENG_OK);
    uint32_t last = 0;
    for (size_t i = 0; i < terms.count; i++) {
        const eng_term *t = &terms.items[i];
        check(t->start < t->end && t->end <= text.len && t->position >= last);
        check(t->len > 0 && t->len <= ENG_TERM_MAX + 2 && t->kind < ENG_TERM_KINDS);
        check((size_t)t->at + t->len <= terms.pool_len);
        last = t->position;
    }
    check(eng_language_guess(text) < ENG_LANGUAGES);
    eng_words_each(text, each, NULL);
    return 0;
}
