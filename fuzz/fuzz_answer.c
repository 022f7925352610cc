/* A question, a line end, and passages with line ends of their own behind empty lines: what answers lies
 * within a passage, in order, and is no longer than it may be. */
#include "base/utf8.h"
#include "rag/rag.h"

#include <math.h>
#include <stdlib.h>

enum { PASSAGES = 4 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_answer(const eng_found_answer *a, const eng_candidate *c, size_t count)
{
    check(a->confidence >= 0 && a->confidence <= 1);
    for (size_t i = 0; i < a->count; i++) {
        const eng_answer_part *p = &a->parts[i];
        check(p->candidate < count && p->start < p->end && p->start >= c[p->candidate].start);
        check(p->end <= c[p->candidate].start + c[p->candidate].text.len);
    }
    if (a->brief_part != SIZE_MAX) {
        check(a->brief_part < a->count && a->brief_start < a->brief_end);
        check(a->brief_start >= a->parts[a->brief_part].start);
        check(a->brief_end <= a->parts[a->brief_part].end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static eng_analyzer *analyzer;
    eng_str rest = {(const char *)data, size}, asked;
    eng_candidate c[PASSAGES];
    eng_found_answer a;
    eng_question q;
    eng_arena arena;
    eng_buf text;
    size_t count = 0;
    if (!analyzer && eng_analyzer_new(&analyzer, NULL) < 0)
        return 0;
    eng_arena_init(&arena, 1 << 16, NULL);
    eng_buf_init(&text, 1 << 20);
    (void)eng_str_cut(rest, '\n', &asked, &rest);
    for (; rest.len && count < PASSAGES; count++) {
        size_t end = count + 1 < PASSAGES ? eng_str_find(rest, ENG_STR("\n\n\n")) : SIZE_MAX;
        eng_str passage = eng_str_sub(rest, 0, end);
        c[count] = (eng_candidate){.id = count + 1,
                                   .document = count / 2,
                                   .title = ENG_STR("a"),
                                   .heading = ENG_STR(""),
                                   .text = passage,
                                   .start = 10 * count,
                                   .score = 1 - 0.2 * (double)count,
                                   .bm25 = 0.5,
                                   .dense = (double)NAN};
        rest = end == SIZE_MAX ? ENG_STR("") : eng_str_sub(rest, end + 3, rest.len);
    }
    check(eng_question_parse(analyzer, asked, ENG_LANGUAGE_UNKNOWN, &arena, &q, NULL) == ENG_OK);
    check(eng_answer_find(analyzer, &q, c, count, NULL, &arena, &a, NULL) == ENG_OK);
    check_answer(&a, c, count);
    eng_answer_text(&a, c, &text, NULL);
    check(eng_utf8_count(eng_buf_view(&text)) <= 600);
    eng_buf_clear(&text);
    eng_arena_clear(&arena);
    return 0;
}
