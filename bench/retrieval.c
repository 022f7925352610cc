/*
 * How well search ranks: nDCG@10, recall@1 and @5, MRR@10 over ../shared/data/pt_qa, each distinct
 * paragraph a passage, each question's own paragraph the right one.
 *
 *     bench/retrieval [--model FOLDER] [--precision int8|f32] [--dump FILE]
 *
 * Without a model words alone are measured. Vectors are kept beside the model (FOLDER/bench-SET-*.f32, and
 * bench-f32-SET-*.f32 for those of the reference precision), because computing them takes minutes. --dump writes every candidate's scores, for trying fusions.
 */
#include "base/clock.h"
#include "index/index.h"
#include "kern/kern.h"
#include "nn/nn.h"
#include "questions.h"

#include <math.h>

enum { SETS = 6, DIM = 384, TOP = 10, POOL = 100, SENTENCES = 64, BATCH = 32 };

static void check(eng_status status, const eng_error *err)
{
    if (status < 0)
        questions_die(err->message);
}

/* ---- Sentences and vectors ---------------------------------------------------------------------------- */

typedef struct {
    float *values;
    size_t count;
    size_t cap;
} vectors;

typedef struct {
    eng_tokenizer *tokenizer;
    eng_nn_model *model;
    eng_nn_context *context;
    const char *folder;
    bool f32;
} encoder;

/* Sentence ends are a point, a question mark or an exclamation mark before a blank and a capital. */
static size_t split(eng_str text, eng_str out[SENTENCES])
{
    size_t count = 0, from = 0;
    for (size_t i = 0; i < text.len && count + 1 < SENTENCES; i++) {
        bool mark = text.ptr[i] == '.' || text.ptr[i] == '?' || text.ptr[i] == '!';
        bool next = i + 2 < text.len && text.ptr[i + 1] == ' ' &&
                    !(text.ptr[i + 2] >= 'a' && text.ptr[i + 2] <= 'z');
        if ((mark && next && i - from > 20) || text.ptr[i] == '\n') {
            out[count++] = eng_str_sub(text, from, i + 1 - from);
            from = i + 1;
        }
    }
    out[count++] = eng_str_sub(text, from, text.len);
    return count;
}

static void encode(const encoder *e, const eng_str *texts, size_t count, float *out)
{
    eng_error err;
    eng_tokens tokens;
    eng_token_options options = {.max = 256};
    eng_tokens_init(&tokens);
    for (size_t at = 0; at < count; at += BATCH) {
        size_t n = count - at < BATCH ? count - at : BATCH;
        eng_nn_sequence sequences[BATCH];
        eng_tokens_reset(&tokens);
        for (size_t i = 0; i < n; i++)
            check(eng_tokenizer_add(e->tokenizer, texts[at + i], ENG_NO_PAIR, &options, &tokens,
                                    &err),
                  &err);
        for (size_t i = 0; i < n; i++)
            sequences[i] = (eng_nn_sequence){tokens.ids + tokens.seqs[i].first, NULL,
                                             tokens.seqs[i].count};
        check(eng_nn_encode(e->context, sequences, n, out + at * DIM, &err), &err);
    }
    eng_tokens_clear(&tokens);
}

/* Encodes texts, or reads what an earlier run kept. */
static float *encoded(const encoder *e, const char *set, const char *what, const eng_str *texts,
                      size_t count)
{
    char path[512];
    float *out = malloc(count * DIM * sizeof *out + 1);
    snprintf(path, sizeof path, "%s/bench-%s%s-%s.f32", e->folder, e->f32 ? "f32-" : "", set, what);
    FILE *file = fopen(path, "rb");
    bool have = file && fread(out, DIM * sizeof *out, count, file) == count;
    if (file)
        fclose(file);
    if (have)
        return out;
    encode(e, texts, count, out);
    file = fopen(path, "wb");
    if (file) {
        fwrite(out, DIM * sizeof *out, count, file);
        fclose(file);
    }
    return out;
}

static void open_encoder(encoder *e, const char *folder)
{
    eng_error err;
    char path[512];
    eng_buf json;
    eng_nn_options options = {.precision = e->f32 ? ENG_NN_F32 : ENG_NN_INT8};
    e->folder = folder;
    check(eng_kern_init(&err), &err);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    eng_buf_init(&json, 1 << 26);
    check(eng_file_read(path, 1 << 26, &json, &err), &err);
    check(eng_tokenizer_read(eng_buf_view(&json), &e->tokenizer, &err), &err);
    eng_buf_clear(&json);
    check(eng_nn_open(folder, &options, &e->model, &err), &err);
    check(eng_nn_context_new(e->model, 2, &e->context, &err), &err);
}

/* ---- An index of a set ---------------------------------------------------------------------------------- */

static eng_index *make_index(const question_set *set, const encoder *e)
{
    eng_error err;
    eng_index *x;
    eng_index_options options = {.dim = e ? DIM : 0};
    check(eng_index_open(&options, &x, &err), &err);
    size_t total = 0;
    size_t *first = calloc(set->passage_count + 1, sizeof *first);
    eng_str *sentences = malloc(set->passage_count * SENTENCES * sizeof *sentences);
    for (size_t i = 0; i < set->passage_count; i++) {
        first[i] = total;
        total += split(set->passages[i], sentences + total);
    }
    first[set->passage_count] = total;
    float *whole = NULL, *parts = NULL;
    if (e) {
        whole = encoded(e, set->name, "passages", set->passages, set->passage_count);
        parts = encoded(e, set->name, "sentences", sentences, total);
    }
    for (size_t i = 0; i < set->passage_count; i++) {
        eng_index_vector v[SENTENCES + 1];
        size_t n = 0;
        if (e) {
            v[n++] = (eng_index_vector){ENG_VECTOR_PASSAGE, whole + i * DIM};
            for (size_t s = first[i]; s < first[i + 1]; s++)
                v[n++] = (eng_index_vector){ENG_VECTOR_SENTENCE, parts + s * DIM};
        }
        eng_index_item item = {.id = i + 1,
                               .document = i + 1,
                               .text = set->passages[i],
                               .language = set->language,
                               .vectors = v,
                               .vector_count = n};
        check(eng_index_upsert(x, &item, 1, 1, &err), &err);
    }
    free(first);
    free(sentences);
    free(whole);
    free(parts);
    return x;
}

/* ---- Measures ------------------------------------------------------------------------------------------- */

typedef struct {
    double first;
    double five;
    double mrr;
    double ndcg;
    size_t asked;
    uint64_t ns;
} measures;

static void count_rank(measures *m, size_t rank)
{
    m->asked++;
    if (rank >= TOP)
        return;
    m->first += rank == 0;
    m->five += rank < 5;
    m->mrr += 1.0 / (double)(rank + 1);
    m->ndcg += 1.0 / log2((double)rank + 2);
}

static void print(const char *set, const char *mode, const measures *m)
{
    double n = m->asked ? (double)m->asked : 1;
    printf("retrieval.%s.%s  ndcg@10=%.4f  recall@1=%.4f  recall@5=%.4f  mrr@10=%.4f  us=%.1f\n",
           set, mode, m->ndcg / n, m->first / n, m->five / n, m->mrr / n, (double)m->ns / n / 1000);
    fflush(stdout);
}

typedef struct {
    const char *name;
    eng_mode mode;
    float sentences;
    bool fused;
} way;

static const way ways[] = {{"bm25", ENG_MODE_BM25, 0, false},
                           {"grams", ENG_MODE_GRAMS, 0, false},
                           {"whole", ENG_MODE_DENSE, 0, false},
                           {"dense", ENG_MODE_DENSE, 0.5F, false},
                           {"hybrid", ENG_MODE_BM25, 0.5F, true}};

static size_t rank_of(eng_index_view *view, const way *w, const eng_index_query *query,
                      uint64_t gold)
{
    eng_error err;
    eng_hit hits[TOP];
    eng_fused fused[TOP];
    size_t count = 0, at = 0;
    if (w->fused) {
        check(eng_index_search(view, query, NULL, fused, &count, NULL, &err), &err);
        while (at < count && fused[at].id != gold)
            at++;
    } else {
        check(eng_index_candidates(view, query, hits, &count, &err), &err);
        while (at < count && hits[at].id != gold)
            at++;
    }
    return at < count ? at : TOP;
}

static void measure(const question_set *set, eng_index_view *view, const way *w, const float *asked)
{
    measures m = {0};
    for (size_t i = 0; i < set->question_count; i++) {
        eng_index_query query = {.mode = w->mode,
                                 .text = set->questions[i].text,
                                 .vector = asked ? asked + i * DIM : NULL,
                                 .sentences = w->sentences,
                                 .limit = TOP};
        uint64_t start = eng_clock_ns();
        size_t rank = rank_of(view, w, &query, set->questions[i].gold + 1);
        m.ns += eng_clock_ns() - start;
        count_rank(&m, rank);
    }
    print(set->name, w->name, &m);
}

/* Candidates of all modes with all scores: set, question, right or not, whole, d2, words, grams. */
static void dump(FILE *out, const question_set *set, eng_index_view *view, const float *asked)
{
    static const way by[] = {{"", ENG_MODE_DENSE, 0, false},
                             {"", ENG_MODE_DENSE, 1, false},
                             {"", ENG_MODE_BM25, 0, false},
                             {"", ENG_MODE_GRAMS, 0, false}};
    eng_error err;
    for (size_t i = 0; i < set->question_count; i++) {
        static uint64_t ids[4 * POOL];
        static float scores[4][4 * POOL];
        eng_hit hits[POOL];
        size_t total = 0, count;
        eng_index_query q = {
            .text = set->questions[i].text, .vector = asked + i * DIM, .limit = POOL};
        for (size_t m = 0; m < 4; m++) {
            q.mode = by[m].mode;
            q.sentences = by[m].sentences;
            check(eng_index_candidates(view, &q, hits, &count, &err), &err);
            for (size_t k = 0; k < count; k++) {
                size_t at = 0;
                while (at < total && ids[at] != hits[k].id)
                    at++;
                if (at == total)
                    ids[total++] = hits[k].id;
            }
        }
        for (size_t m = 0; m < 4; m++) {
            q.mode = by[m].mode;
            q.sentences = by[m].sentences;
            check(eng_index_score(view, &q, ids, total, scores[m], &err), &err);
        }
        for (size_t k = 0; k < total; k++)
            fprintf(out, "%s\t%zu\t%d\t%.5f\t%.5f\t%.5f\t%.5f\n", set->name, i,
                    ids[k] == set->questions[i].gold + 1, (double)scores[0][k],
                    (double)scores[1][k], (double)scores[2][k], (double)scores[3][k]);
    }
}

static size_t read_sets(question_set sets[SETS])
{
    size_t n = 0;
    const char *pira = QUESTIONS_DATA "pira_validation.csv";
    const char *pt = "abstract_translated_pt", *en = "abstract";
    n += questions_squad(&sets[n], "squad_pt", QUESTIONS_DATA "squad_pt_dev_a.json",
                         ENG_LANGUAGE_PT);
    n += questions_squad(&sets[n], "faquad", QUESTIONS_DATA "faquad_train.json", ENG_LANGUAGE_PT);
    n += questions_csv(&sets[n], "pira", pira, pt, "question_pt_origin", ENG_LANGUAGE_PT);
    n += questions_csv(&sets[n], "pira_reworded", pira, pt, "question_pt_paraphase",
                       ENG_LANGUAGE_PT);
    n += questions_csv(&sets[n], "pira_en", pira, en, "question_en_origin", ENG_LANGUAGE_EN);
    n += questions_csv(&sets[n], "pira_en_reworded", pira, en, "question_en_paraphase",
                       ENG_LANGUAGE_EN);
    return n;
}

static void run(const question_set *set, const encoder *e, FILE *out)
{
    eng_error err;
    eng_index_view *view;
    eng_index_stats stats;
    eng_index *x = make_index(set, e);
    float *asked = NULL;
    check(eng_index_view_new(x, &view, &err), &err);
    eng_index_view_stats(view, &stats);
    printf("# %s: %zu passages, %zu questions, %llu segments, %llu KB\n", set->name,
           set->passage_count, set->question_count, (unsigned long long)stats.segments,
           (unsigned long long)stats.memory / 1000);
    if (e) {
        eng_str *texts = malloc(set->question_count * sizeof *texts + 1);
        for (size_t i = 0; i < set->question_count; i++)
            texts[i] = set->questions[i].text;
        asked = encoded(e, set->name, "questions", texts, set->question_count);
        free(texts);
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (e || (ways[i].mode != ENG_MODE_DENSE && !ways[i].fused))
            measure(set, view, &ways[i], asked);
    }
    if (out && e)
        dump(out, set, view, asked);
    free(asked);
    eng_index_view_free(view);
    eng_index_close(x);
}

int main(int argc, char **argv)
{
    question_set sets[SETS] = {0};
    encoder e = {0};
    const char *model = NULL;
    FILE *out = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--model") == 0)
            model = argv[i + 1];
        else if (strcmp(argv[i], "--precision") == 0)
            e.f32 = strcmp(argv[i + 1], "f32") == 0;
        else if (strcmp(argv[i], "--dump") == 0)
            out = fopen(argv[i + 1], "w");
    }
    if (model)
        open_encoder(&e, model);
    size_t count = read_sets(sets);
    if (count == 0)
        printf("retrieval: SKIP, there is no " QUESTIONS_DATA "\n");
    for (size_t i = 0; i < count; i++)
        run(&sets[i], model ? &e : NULL, out);
    for (size_t i = 0; i < count; i++)
        questions_clear(&sets[i]);
    if (out)
        fclose(out);
    return 0;
}
