/*
 * Taking paragraphs in, from their text until they are durable and found, beside the encoder alone: the
 * same texts, which are each paragraph and each of its sentences, made into vectors and thrown away.
 *
 *     bench/ingest [PARAGRAPHS]        1000
 *
 * Paragraphs are of five sentences of words drawn from pt_qa as often as they stand there, so that no two
 * are alike. Both in turns, in slices; the models are those of build/models (or ENGENHO_MODELS).
 */
#include "base/error.h"
#include "questions.h"

#include "figures.h"

#include <unistd.h>

enum { ROUNDS = 5, SENTENCES = 5, WORDS = 14, CALL = 64, SOURCES = 256 };

static void check(eng_status status, const eng_error *err)
{
    if (status < 0)
        questions_die(err->message);
}

/* ---- Paragraphs ----------------------------------------------------------------------------------------- */

typedef struct {
    eng_str *words; /* as often as they stand in the texts */
    size_t count, cap;
} bag;

static void add_word(void *ctx, eng_str word)
{
    bag *b = ctx;
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 4096;
        b->words = realloc(b->words, b->cap * sizeof *b->words);
    }
    char *copy = malloc(word.len + 1);
    if (!b->words || !copy)
        questions_die("no memory");
    memcpy(copy, word.ptr, word.len);
    b->words[b->count++] = (eng_str){copy, word.len};
}

typedef struct {
    eng_str text;
    eng_str sentences[SENTENCES];
} paragraph;

static paragraph make_paragraph(const bag *b, uint64_t *seed)
{
    paragraph p = {{NULL, 0}, {{NULL, 0}}};
    size_t cap = (size_t)SENTENCES * WORDS * 66, len = 0;
    char *text = malloc(cap);
    if (!text)
        questions_die("no memory");
    for (size_t i = 0; i < SENTENCES; i++) {
        size_t from = len;
        for (size_t w = 0; w < WORDS; w++) {
            eng_str word = b->words[next_random(seed) % b->count];
            len += (size_t)snprintf(text + len, cap - len, "%s%.*s", w ? " " : "", ENG_FMT(word));
        }
        text[from] = (char)(text[from] - (text[from] >= 'a' && text[from] <= 'z' ? 32 : 0));
        text[len++] = '.';
        p.sentences[i] = (eng_str){text + from, len - from};
        text[len++] = ' ';
    }
    p.text = (eng_str){text, len - 1};
    return p;
}

/* ---- Both sides ----------------------------------------------------------------------------------------- */

/* Nanoseconds that the encoder takes for all texts of the slice; adds its tokens. */
static double encode(eng *e, const paragraph *slice, size_t count, uint64_t *tokens)
{
    eng_error err;
    size_t n = 0;
    eng_str *texts = malloc(count * (SENTENCES + 1) * sizeof *texts);
    if (!texts)
        questions_die("no memory");
    for (size_t i = 0; i < count; i++) {
        texts[n++] = slice[i].text;
        for (size_t k = 0; k < SENTENCES; k++)
            texts[n++] = slice[i].sentences[k];
    }
    uint64_t start = eng_clock_ns();
    for (size_t at = 0; at < n; at += CALL) {
        eng_embeddings *v = NULL;
        eng_embed what = {.texts = texts + at,
                          .count = n - at < CALL ? n - at : CALL,
                          .prompt = ENG_PROMPT_PASSAGE,
                          .bulk = true};
        check(eng_embed_texts(e, &what, &v, &err), &err);
        *tokens += v->tokens;
        eng_embeddings_free(v);
    }
    double ns = (double)(eng_clock_ns() - start);
    free(texts);
    return ns;
}

static double ingest(eng *e, const paragraph *slice, size_t count, size_t first)
{
    eng_error err;
    char names[SOURCES][24];
    eng_source sources[SOURCES];
    uint64_t start = eng_clock_ns();
    for (size_t at = 0; at < count; at += SOURCES) {
        size_t n = count - at < SOURCES ? count - at : SOURCES;
        eng_ingest_options options = {.make = true, .title = {NULL, 0}};
        eng_ingest_report *report = NULL;
        for (size_t i = 0; i < n; i++) {
            snprintf(names[i], sizeof names[i], "%zu", first + at + i);
            sources[i] = (eng_source){.id = eng_str_of(names[i]), .text = slice[at + i].text};
        }
        check(eng_ingest(e, ENG_STR("c"), sources, n, &options, &report, &err), &err);
        if (report->items[n - 1].state != ENG_INGEST_INDEXED)
            questions_die("a paragraph was not taken in");
        eng_ingest_report_free(report);
    }
    return (double)(eng_clock_ns() - start);
}

static void compare(eng *e, const bag *b, size_t paragraphs)
{
    double ours[ROUNDS], peer[ROUNDS], ratio[ROUNDS], seconds = 0;
    uint64_t seed = 11, tokens = 0;
    size_t count = paragraphs / ROUNDS;
    paragraph *slice = malloc((count + 1) * sizeof *slice);
    if (!slice)
        questions_die("no memory");
    for (size_t r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < count; i++)
            slice[i] = make_paragraph(b, &seed);
        peer[r] = encode(e, slice, count, &tokens);
        ours[r] = ingest(e, slice, count, r * count);
        seconds += ours[r] / 1e9;
        ratio[r] = peer[r] / ours[r];
        for (size_t i = 0; i < count; i++)
            free((char *)(uintptr_t)slice[i].text.ptr);
    }
    free(slice);
    printf("# ingestion %.0f paragraphs/s, %.0f tokens/s, sentences included\n",
           (double)(count * ROUNDS) / seconds, (double)tokens / seconds);
    double middle = median(ratio, ROUNDS), own = median(ours, ROUNDS);
    report("ingest.paragraphs", own, own * middle, "the encoder alone", 0.9);
}

int main(int argc, char **argv)
{
    bag b = {0};
    eng *e = NULL;
    eng_error err;
    question_set set;
    char folder[] = "build/engenho-bench-XXXXXX";
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    check(eng_init(&err), &err);
    print_machine(memory_bandwidth());
    if (!questions_squad(&set, "squad", QUESTIONS_DATA "squad_pt_dev_a.json", ENG_LANGUAGE_PT))
        questions_die("there is no " QUESTIONS_DATA);
    for (size_t i = 0; i < set.passage_count; i++)
        eng_words_each(set.passages[i], add_word, &b);
    questions_clear(&set);
    const char *models = getenv("ENGENHO_MODELS");
    eng_options options = {.data = mkdtemp(folder), .models = models ? models : "build/models"};
    check(eng_open(&options, &e, &err), &err);
    compare(e, &b, count);
    eng_close(e);
    check(eng_dir_remove(folder, &err), &err);
    eng_quit();
    for (size_t i = 0; i < b.count; i++)
        free((char *)(uintptr_t)b.words[i].ptr);
    free(b.words);
    return 0;
}
