/* The input is a file of rows, CSV or JSON lines, with columns guessed and with columns named. */
#include "learn/text_internal.h"

#include <stdlib.h>

static void parse(eng_str text, const eng_text_columns *columns, bool strict)
{
    eng_text_rows *rows;
    if (eng_text_rows_parse(text, columns, strict, &rows, NULL) < 0)
        return;
    if (rows->count == 0 || rows->class_count == 0 || rows->group_count > rows->count)
        abort();
    for (size_t i = 0; i < rows->count; i++)
        if (rows->labels[i] >= rows->class_count || rows->groups[i] >= rows->group_count)
            abort();
    eng_text_rows_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_str text = {(const char *)data, size};
    eng_text_columns guessed = {0};
    eng_text_columns named = {.texts = {ENG_STR("a")},
                              .text_count = 1,
                              .numbers = {ENG_STR("n")},
                              .number_count = 1,
                              .label = ENG_STR("b")};
    parse(text, &guessed, false);
    parse(text, &named, false);
    parse(text, &named, true);
    return 0;
}
