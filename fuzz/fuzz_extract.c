/*
 * Files of every kind but PDF, which a child process reads: text, Markdown, HTML, DOCX, PPTX, CSV,
 * TSV, JSON lines. The first byte chooses. Blocks must lie within the text, in order; text must be
 * UTF-8. Then the document is cut: passages hold characters whole, and never too many.
 */
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/text.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return eng_text_init(NULL) == ENG_OK ? 0 : 1;
}

static void cut(const eng_extract *doc)
{
    eng_arena arena;
    eng_arena_init(&arena, 4096, NULL);
    eng_cut_options o = {.size = 50, .overlap = 10};
    const eng_passage *passages;
    size_t count, covered = 0;
    if (eng_passages_of(doc->text, doc->blocks, doc->block_count, &o, &arena, &passages, &count,
                        NULL) < 0)
        abort();
    for (size_t i = 0; i < count; i++) {
        eng_str s = eng_str_sub(doc->text, passages[i].start, passages[i].end - passages[i].start);
        if (!s.len || eng_utf8_valid(s) != s.len || eng_utf8_count(s) > o.size ||
            passages[i].end <= covered)
            abort();
        covered = passages[i].end;
    }
    eng_arena_clear(&arena);
}

static eng_status document(void *ctx, const eng_extract *doc, eng_error *err)
{
    (void)ctx;
    (void)err;
    if (!doc->text.len || eng_utf8_valid(doc->text) != doc->text.len)
        abort();
    for (size_t i = 0; i < doc->block_count; i++) {
        const eng_block *b = &doc->blocks[i];
        if (b->start >= b->end || b->end > doc->text.len ||
            (i > 0 && doc->blocks[i - 1].end > b->start))
            abort();
    }
    if (doc->text.len < 100000)
        cut(doc);
    return ENG_OK;
}

static void bad_row(void *ctx, size_t row, const eng_error *why)
{
    (void)ctx;
    (void)row;
    (void)why;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a.txt",  "a.md",  "a.html", "a.docx",
                                        "a.pptx", "a.csv", "a.tsv",  "a.jsonl"};
    if (!size)
        return 0;
    eng_str bytes = {(const char *)data + 1, size - 1};
    if (eng_str_starts(bytes, ENG_STR("%PDF-")))
        return 0;
    eng_extract_options o = {.name = eng_str_of(names[data[0] % 8]),
                             .text_max = 16 << 20,
                             .document = document,
                             .bad_row = bad_row};
    eng_error err;
    eng_status status = eng_extract_file(bytes, &o, &err);
    return status == ENG_OK || err.message[0] ? 0 : -1;
}
