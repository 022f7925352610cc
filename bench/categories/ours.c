/*
 * Our side of bench/categories.py.
 *
 *     ours fit FILE COLUMNS            processor seconds: reading, words and features, one fit; then its size
 *     ours say TRAIN TEST COLUMNS      trains; then the category of each row of TEST by its first column, by
 *                                      its first two ..., with the probability
 *     ours titles MODEL FILE           nanoseconds a line, the least of many turns; alone, and 1,000 in a row
 */
#include "base/clock.h"
#include "learn/text_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static eng_error err;

static void must(eng_status status)
{
    if (status < 0) {
        fprintf(stderr, "ours: %s\n", err.message);
        exit(1);
    }
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static eng_text_columns columns_of(const char *list)
{
    eng_text_columns c = {.label = ENG_STR("category"), .group = ENG_STR("product_id")};
    eng_str head, rest = eng_str_of(list);
    for (bool more = true; more && c.text_count < ENG_TEXT_FIELDS;) {
        more = eng_str_cut(rest, ',', &head, &rest);
        c.texts[c.text_count++] = head;
    }
    return c;
}

static void fit(const char *file, const char *list)
{
    eng_text_columns columns = columns_of(list);
    eng_text_rows *rows;
    eng_text_corpus corpus;
    eng_text_fit f;
    eng_text_settings s = {.threads = 1,
                           .cost = 0.3,
                           .balance = 0.4,
                           .word_grams = 2,
                           .char_min = 2,
                           .char_max = 5,
                           .min_count = 1,
                           .folds = 5};
    double a = cpu_s();
    must(eng_text_rows_read(file, &columns, false, NULL, &rows, &err));
    double b = cpu_s();
    must(eng_text_corpus_make(rows, &s, 1, &corpus, &err));
    double c = cpu_s();
    must(eng_text_fit_make(&corpus, NULL, ENG_TEXT_NO_FOLD, NULL, &f, &err));
    double d = cpu_s();
    printf("%.4f %.4f %.4f %zu %zu %u\n", b - a, c - b, d - c, corpus.example_count,
           corpus.features.count, f.passes);
    eng_text_fit_clear(&f);
    eng_text_corpus_clear(&corpus);
    eng_text_rows_free(rows);
}

static void say(const char *train, const char *test, const char *list)
{
    eng_text_columns columns = columns_of(list);
    eng_text_rows *rows, *asked;
    eng_text_settings s = {.threads = 1};
    eng_text_trained t;
    eng_text_model *m;
    eng_text_scratch *scratch;
    char path[] = "/tmp/ours-XXXXXX";
    must(eng_text_rows_read(train, &columns, false, NULL, &rows, &err));
    must(eng_text_rows_read(test, &columns, false, NULL, &asked, &err));
    must(eng_text_train(rows, NULL, &s, NULL, &t, &err));
    close(mkstemp(path));
    must(eng_text_save(&t, path, &err));
    must(eng_text_open(path, &m, &err));
    remove(path);
    must(eng_text_scratch_new(&scratch, &err));
    for (size_t i = 0; i < asked->count; i++) {
        for (size_t n = 1; n <= columns.text_count; n++) {
            eng_text_answer a;
            eng_text_item item = {.texts = asked->texts + i * columns.text_count, .text_count = n};
            must(eng_text_predict(m, &item, scratch, &a, &err));
            eng_str name = eng_text_info_of(m)->categories[a.category];
            printf("%.*s\t%.4f%c", ENG_FMT(name), (double)a.probability,
                   n == columns.text_count ? '\n' : '\t');
        }
    }
}

static double nanoseconds(const eng_text_model *m, eng_text_scratch *s, const eng_str *lines,
                          size_t count)
{
    double least = 1e9;
    for (int turn = 0; turn < 15; turn++) {
        uint64_t began = eng_clock_ns();
        for (size_t i = 0; i < count; i++) {
            eng_text_answer a;
            eng_text_item item = {.texts = &lines[i], .text_count = 1};
            must(eng_text_predict(m, &item, s, &a, &err));
        }
        double took = (double)(eng_clock_ns() - began) / (double)count;
        least = took < least ? took : least;
    }
    return least;
}

static void titles(const char *model, const char *file)
{
    enum { LINES = 6000, BATCH = 1000 };
    static eng_str lines[LINES];
    eng_text_model *m;
    eng_text_scratch *s;
    eng_buf text;
    eng_str line, rest;
    size_t count = 0;
    uint64_t began = eng_clock_ns();
    must(eng_text_open(model, &m, &err));
    double opened = (double)(eng_clock_ns() - began) / 1e6;
    must(eng_text_scratch_new(&s, &err));
    eng_buf_init(&text, 1 << 28);
    must(eng_file_read(file, 1 << 28, &text, &err));
    for (rest = eng_buf_view(&text); rest.len && count < LINES;) {
        eng_str_cut(rest, '\n', &line, &rest);
        lines[count++] = line;
    }
    printf("%.1f %.1f %.3f %llu\n", nanoseconds(m, s, lines, count),
           nanoseconds(m, s, lines, count < BATCH ? count : BATCH), opened,
           (unsigned long long)eng_text_info_of(m)->bytes);
}

int main(int argc, char **argv)
{
    must(eng_init(&err));
    if (argc == 4 && strcmp(argv[1], "fit") == 0)
        fit(argv[2], argv[3]);
    else if (argc == 5 && strcmp(argv[1], "say") == 0)
        say(argv[2], argv[3], argv[4]);
    else if (argc == 4 && strcmp(argv[1], "titles") == 0)
        titles(argv[2], argv[3]);
    else
        return 2;
    return 0;
}
