/* Questions with the passages that answer them: ../shared/data/pt_qa, read for the benches. */
#ifndef ENG_BENCH_QUESTIONS_H
#define ENG_BENCH_QUESTIONS_H

#include "base/arena.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "text/text.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>

#define QUESTIONS_DATA "../shared/data/pt_qa/"

typedef struct {
    eng_str text;
    size_t gold; /* place of the right passage */
} question;

typedef struct {
    const char *name;
    eng_language language;
    eng_str *passages;
    size_t passage_count;
    question *questions;
    size_t question_count;
    eng_arena arena;
    eng_map places; /* of passages, plus one */
} question_set;

static inline void questions_die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline size_t questions_passage(question_set *set, eng_str text)
{
    size_t at = (size_t)(uintptr_t)eng_map_get(&set->places, text);
    if (at)
        return at - 1;
    eng_str copy = eng_arena_copy(&set->arena, text);
    set->passages = realloc(set->passages, (set->passage_count + 1) * sizeof *set->passages);
    if (!copy.ptr || !set->passages)
        questions_die("no memory");
    set->passages[set->passage_count++] = copy;
    if (eng_map_put(&set->places, copy, (void *)(uintptr_t)set->passage_count, NULL, NULL) < 0)
        questions_die("no memory");
    return set->passage_count - 1;
}

static inline void questions_ask(question_set *set, eng_str text, size_t gold)
{
    text = eng_str_trim(text);
    if (text.len == 0)
        return;
    set->questions = realloc(set->questions, (set->question_count + 1) * sizeof *set->questions);
    if (!set->questions)
        questions_die("no memory");
    set->questions[set->question_count++] = (question){eng_arena_copy(&set->arena, text), gold};
}

static inline bool questions_open(question_set *set, const char *name, const char *path,
                                  eng_language language, eng_buf *bytes)
{
    *set = (question_set){.name = name, .language = language};
    eng_arena_init(&set->arena, 1 << 16, NULL);
    eng_map_init(&set->places);
    eng_buf_init(bytes, 1 << 28);
    return eng_file_read(path, 1 << 28, bytes, NULL) == ENG_OK;
}

/* SQuAD's form: every distinct paragraph is a passage. False where the file is missing. */
static inline bool questions_squad(question_set *set, const char *name, const char *path,
                                   eng_language language)
{
    eng_buf bytes;
    eng_arena tree;
    const eng_json *root;
    if (!questions_open(set, name, path, language, &bytes))
        return false;
    eng_arena_init(&tree, 1 << 20, NULL);
    if (eng_json_read(eng_buf_view(&bytes), NULL, &tree, &root, NULL) < 0)
        questions_die("not JSON");
    const eng_json *data = eng_json_get(root, ENG_STR("data"));
    for (size_t a = 0; a < eng_json_count(data); a++) {
        const eng_json *paragraphs = eng_json_get(eng_json_at(data, a), ENG_STR("paragraphs"));
        for (size_t p = 0; p < eng_json_count(paragraphs); p++) {
            const eng_json *paragraph = eng_json_at(paragraphs, p);
            eng_str text = eng_str_trim(eng_json_text(eng_json_get(paragraph, ENG_STR("context"))));
            const eng_json *qas = eng_json_get(paragraph, ENG_STR("qas"));
            if (text.len == 0)
                continue;
            size_t gold = questions_passage(set, text);
            for (size_t q = 0; q < eng_json_count(qas); q++)
                questions_ask(set,
                              eng_json_text(eng_json_get(eng_json_at(qas, q), ENG_STR("question"))),
                              gold);
        }
    }
    eng_arena_clear(&tree);
    eng_buf_clear(&bytes);
    return true;
}

/* One field of a CSV line, unquoted; *end says that the line ends behind it. */
static inline eng_str questions_field(const char **at, const char *last, eng_buf *out, bool *end)
{
    const char *p = *at;
    bool quoted = p < last && *p == '"';
    eng_buf_reset(out);
    p += quoted;
    for (; p < last; p++) {
        if (quoted && *p == '"' && (p + 1 == last || p[1] != '"')) {
            quoted = false;
            continue;
        }
        if (!quoted && (*p == ',' || *p == '\n'))
            break;
        p += quoted && *p == '"';
        if (*p != '\r' || quoted)
            eng_buf_byte(out, *p);
    }
    *end = p >= last || *p == '\n';
    *at = p + (p < last);
    return eng_buf_view(out);
}

/* A CSV file with a column of passages and one of questions. */
static inline bool questions_csv(question_set *set, const char *name, const char *path,
                                 const char *passages, const char *asked, eng_language language)
{
    eng_buf bytes, field, passage, query;
    size_t columns[2] = {SIZE_MAX, SIZE_MAX};
    if (!questions_open(set, name, path, language, &bytes))
        return false;
    eng_buf_init(&field, 1 << 24);
    eng_buf_init(&passage, 1 << 24);
    eng_buf_init(&query, 1 << 24);
    const char *at = bytes.data, *last = bytes.data + bytes.len;
    for (size_t line = 0; at < last; line++) {
        bool end = false;
        eng_buf_reset(&passage);
        eng_buf_reset(&query);
        for (size_t column = 0; !end; column++) {
            eng_str value = questions_field(&at, last, &field, &end);
            if (line == 0 && eng_str_eq(value, eng_str_of(passages)))
                columns[0] = column;
            if (line == 0 && eng_str_eq(value, eng_str_of(asked)))
                columns[1] = column;
            if (line && column == columns[0])
                eng_buf_str(&passage, value);
            if (line && column == columns[1])
                eng_buf_str(&query, value);
        }
        if (line && eng_str_trim(eng_buf_view(&passage)).len && eng_buf_view(&query).len)
            questions_ask(set, eng_buf_view(&query),
                          questions_passage(set, eng_str_trim(eng_buf_view(&passage))));
    }
    eng_buf_clear(&field);
    eng_buf_clear(&passage);
    eng_buf_clear(&query);
    eng_buf_clear(&bytes);
    return true;
}

static inline void questions_clear(question_set *set)
{
    free(set->passages);
    free(set->questions);
    eng_map_clear(&set->places);
    eng_arena_clear(&set->arena);
}

#endif
