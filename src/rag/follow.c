/*
 * Questions that lean on those before them. What is carried over are words, not grammar: search and the
 * answerer look at words, and a word too many costs less than the subject that is missing.
 */
#include "base/error.h"
#include "rag/answer_internal.h"

enum { TURNS = 16, CARRIED = 8, ALONE = 2, QUESTION_BYTES = 32 << 10 };

/* Folded; words that begin a question that goes on, and words that stand for something said before. */
static const char *const links[] = {"e",  "and", "y", "mas",   "but", "pero",
                                    "ou", "or",  "o", "entao", "so"};
static const char *const pointers[] = {
    "ela",   "elas", "ele",   "eles",  "dela",  "delas",  "dele", "deles", "nela",  "nele",
    "isso",  "isto", "disso", "disto", "nisso", "aquilo", "eso",  "esto",  "ello",  "ellos",
    "ellas", "it",   "its",   "they",  "them",  "their",  "this", "that",  "these", "those",
    "he",    "she",  "his",   "her",   "him",   "sua",    "seu",  "suas",  "seus"};

static bool is_one_of(eng_str word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (eng_str_eq(word, eng_str_of(list[i])))
            return true;
    return false;
}

typedef struct {
    bool linked, points;
    size_t words; /* seen */
} lean;

static void look_at_word(void *ctx, eng_str word)
{
    lean *l = ctx;
    if (l->words++ == 0)
        l->linked = is_one_of(word, links, sizeof links / sizeof *links);
    l->points |= is_one_of(word, pointers, sizeof pointers / sizeof *pointers);
}

static eng_status read_terms(eng_analyzer *a, eng_str text, eng_terms *out, eng_error *err)
{
    eng_analyze_options o = {.language = eng_language_guess(text), .question = true};
    eng_terms_reset(out);
    return eng_analyze(a, text, &o, out, err);
}

static bool says_something(const eng_term *t) { return t->kind == ENG_TERM_WORD && !t->stop; }

static size_t count_saying(const eng_terms *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += says_something(&t->items[i]);
    return n;
}

static bool has_term(const eng_terms *t, eng_str text)
{
    for (size_t i = 0; i < t->count; i++)
        if (says_something(&t->items[i]) && eng_str_eq(eng_terms_text(t, i), text))
            return true;
    return false;
}

/* The words of `from` that `now` lacks, behind the question. */
static eng_status carry(eng_str question, const eng_terms *now, eng_str before,
                        const eng_terms *from, eng_arena *arena, eng_str *out, eng_error *err)
{
    eng_buf text;
    eng_str bare = eng_str_trim(question);
    size_t carried = 0;
    while (bare.len && (bare.ptr[bare.len - 1] == '?' || bare.ptr[bare.len - 1] == ' '))
        bare.len--;
    eng_buf_init(&text, QUESTION_BYTES * 2);
    eng_buf_str(&text, bare);
    for (size_t i = 0; i < from->count && carried < CARRIED; i++) {
        const eng_term *t = &from->items[i];
        if (!says_something(t) || has_term(now, eng_terms_text(from, i)))
            continue;
        eng_buf_byte(&text, ' ');
        eng_buf_str(&text, eng_str_sub(before, t->start, t->end - t->start));
        carried++;
    }
    eng_buf_byte(&text, '?');
    eng_status status = eng_buf_check(&text, "question", err);
    if (status == ENG_OK && carried) {
        *out = eng_arena_copy(arena, eng_buf_view(&text));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

/* *out stays as it is where the question stands alone. */
static eng_status complete(eng_analyzer *a, eng_str question, eng_str before, eng_arena *arena,
                           eng_str *out, eng_error *err)
{
    eng_terms now, from;
    lean l = {0};
    if (question.len > QUESTION_BYTES || before.len > QUESTION_BYTES)
        return ENG_OK;
    eng_terms_init(&now);
    eng_terms_init(&from);
    eng_words_each(question, look_at_word, &l);
    eng_status status = read_terms(a, question, &now, err);
    if (status == ENG_OK && (l.linked || l.points || count_saying(&now) < ALONE)) {
        status = read_terms(a, before, &from, err);
        if (status == ENG_OK)
            status = carry(question, &now, before, &from, arena, out, err);
    }
    eng_terms_clear(&now);
    eng_terms_clear(&from);
    return status;
}

eng_status eng_follow_up(eng_analyzer *analyzer, eng_str question, const eng_str *before,
                         size_t count, eng_arena *arena, eng_str *out, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_str subject = {"", 0};
    for (size_t i = count > TURNS ? count - TURNS : 0; i < count && status == ENG_OK; i++) {
        eng_str asked = before[i];
        if (subject.len)
            status = complete(analyzer, before[i], subject, arena, &asked, err);
        subject = asked;
    }
    *out = question;
    if (status == ENG_OK && subject.len)
        status = complete(analyzer, question, subject, arena, out, err);
    return status;
}
