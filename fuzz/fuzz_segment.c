/* A segment with changed bytes is refused or answers, and never leads outside of itself. */
#include "fuzz_index.h"

#include "text/text.h"

#include <stdio.h>

static eng_analyzer *analyzer;
static eng_segment whole;

static void make_whole(void)
{
    enum { COUNT = 200 };
    static eng_index_item items[COUNT];
    static eng_index_field fields[COUNT][3];
    static char texts[COUNT][80];
    must(eng_analyzer_new(&analyzer, NULL) == ENG_OK);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "a roda do moinho %zu gira, água e pão MP-%zu", i,
                 i % 9);
        fields[i][0] = (eng_index_field){
            {"n", 1}, {.type = ENG_VALUE_INTEGER, .as.integer = (int64_t)i % 17}};
        fields[i][1] = (eng_index_field){
            {"s", 1}, {.type = ENG_VALUE_STRING, .as.string = {texts[i], i % 5}}};
        fields[i][2] = (eng_index_field){{"b", 1}, {.type = ENG_VALUE_BOOL, .as.boolean = i % 2}};
        items[i] = (eng_index_item){.id = i + 1,
                                    .document = i / 3,
                                    .text = {texts[i], strlen(texts[i])},
                                    .language = ENG_LANGUAGE_PT,
                                    .fields = fields[i],
                                    .field_count = 3};
    }
    eng_build_options options = {.base = 0};
    must(eng_build_segment(analyzer, items, COUNT, &options, &whole, NULL) == ENG_OK);
}

static void ask(const eng_state *s)
{
    static const char *const questions[] = {"roda moinho 7", "\"moinho 12\" água", "mp* pão"};
    eng_value values[] = {{.type = ENG_VALUE_INTEGER, .as.integer = 8},
                          {.type = ENG_VALUE_STRING, .as.string = {"a r", 3}}};
    eng_filter leaves[] = {
        {.op = ENG_FILTER_LT, .field = {"n", 1}, .values = &values[0], .value_count = 1},
        {.op = ENG_FILTER_GTE, .field = {"s", 1}, .values = &values[1], .value_count = 1},
        {.op = ENG_FILTER_EXISTS, .field = {"b", 1}}};
    eng_filter any = {.op = ENG_FILTER_ANY, .children = leaves, .child_count = 3};
    for (size_t i = 0; i < 3; i++) {
        eng_arena arena;
        eng_plan plan;
        eng_hit hits[10];
        size_t count;
        uint64_t *rows = eng_zalloc((eng_bits_words(s->rows) + 1) * sizeof *rows);
        eng_index_query q = {.text = {questions[i], strlen(questions[i])},
                             .language = ENG_LANGUAGE_PT};
        eng_arena_init(&arena, 4096, NULL);
        eng_status status = eng_filter_rows(s, &any, rows, NULL);
        if (status == ENG_OK)
            status = eng_plan_make(s, analyzer, &q, &arena, &plan, NULL);
        if (status == ENG_OK)
            status = eng_phrase_filter(s, &plan, rows, &arena, NULL);
        if (status == ENG_OK)
            status = eng_bm25_search(s, &plan, rows, 10, hits, &count, NULL);
        must(status == ENG_OK || status == ENG_ECORRUPT);
        eng_arena_clear(&arena);
        eng_free(rows);
    }
}

static void use(const eng_segment *segment)
{
    static const eng_state nothing;
    eng_segment merged = {0};
    if (segment->base > 1000 || segment->rows > 100000)
        return;
    eng_state *s = eng_state_copy(&nothing, 1, 0, segment->base + segment->rows);
    must(s != NULL);
    s->segments[s->segment_count++] = *segment;
    eng_image_ref(segment->image);
    for (uint32_t i = 0; i < segment->rows; i++)
        eng_bit_set(s->live, segment->base + i);
    eng_state_finish(s);
    ask(s);
    (void)eng_state_row(s, 77);
    eng_status status = eng_merge_segments(segment, 1, s->live, s->mean, NULL, &merged, NULL);
    must(status == ENG_OK || status == ENG_ECORRUPT);
    eng_image_unref(merged.image);
    eng_state_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_segment segment;
    eng_span in = eng_span_of(data, size);
    if (!analyzer)
        make_whole();
    eng_image *image = changed(whole.image, &in);
    if (eng_segment_open(image, &segment, NULL) == ENG_OK)
        use(&segment);
    eng_image_unref(image);
    return 0;
}
