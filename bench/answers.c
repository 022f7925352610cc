/*
 * Answers without a model, over collections and questions that a file names, and everything that was
 * computed on the way: what tools/train_answers.py learns from, and measures by. The features come from
 * the answerer's own code, so that training and serving agree.
 *
 *     bench/answers FILE OUT [--model FOLDER] [--no-vectors] [--time]
 *
 * FILE has a JSON object a line: {"name","language","documents":[{"title","text"}],"questions":["..."]}.
 * OUT is read by tools/train_answers.py (the layout stands at `write_question`). Vectors are kept in
 * FOLDER/answers-*.f32, because computing them takes minutes. --time asks each question twenty times
 * and prints the microseconds of CPU that eng_answer_find takes, beside the search's.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "index/index.h"
#include "kern/kern.h"
#include "nn/nn.h"
#include "rag/answer_internal.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CANDIDATES = 12, BATCH = 32, TOKENS = 250, OVERLAP = 25, TIMES = 20, BRIEFS = 512 };

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static void check(eng_status status, const eng_error *err)
{
    if (status < 0)
        die(err->message);
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- The encoder ---------------------------------------------------------------------------------- */

typedef struct {
    eng_tokenizer *tokenizer;
    eng_nn_model *model;
    eng_nn_context *context;
    eng_tokens tokens;
    const char *folder;
    size_t dim;
} encoder;

static void open_encoder(encoder *e, const char *folder)
{
    eng_error err;
    char path[512];
    eng_buf json;
    eng_nn_options options = {.precision = ENG_NN_INT8};
    e->folder = folder;
    e->dim = 384;
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    eng_buf_init(&json, 1 << 26);
    check(eng_file_read(path, 1 << 26, &json, &err), &err);
    check(eng_tokenizer_read(eng_buf_view(&json), &e->tokenizer, &err), &err);
    eng_buf_clear(&json);
    check(eng_nn_open(folder, &options, &e->model, &err), &err);
    check(eng_nn_context_new(e->model, 1, &e->context, &err), &err);
    eng_tokens_init(&e->tokens);
}

static size_t tokens_of(void *ctx, eng_str text)
{
    encoder *e = ctx;
    size_t words = 0;
    if (!e->tokenizer) { /* three characters a token, as Portuguese has here */
        words = text.len / 3;
        return words;
    }
    eng_token_options options = {.whole = true, .bare = true};
    eng_tokens_reset(&e->tokens);
    eng_error err;
    check(eng_tokenizer_add(e->tokenizer, text, ENG_NO_PAIR, &options, &e->tokens, &err), &err);
    return e->tokens.count;
}

static void encode(encoder *e, const eng_str *texts, size_t count, float *out)
{
    eng_error err;
    eng_token_options options = {.max = 256};
    for (size_t at = 0; at < count; at += BATCH) {
        size_t n = count - at < BATCH ? count - at : BATCH;
        eng_nn_sequence sequences[BATCH];
        eng_tokens_reset(&e->tokens);
        for (size_t i = 0; i < n; i++)
            check(eng_tokenizer_add(e->tokenizer, texts[at + i], ENG_NO_PAIR, &options, &e->tokens,
                                    &err),
                  &err);
        for (size_t i = 0; i < n; i++)
            sequences[i] = (eng_nn_sequence){e->tokens.ids + e->tokens.seqs[i].first, NULL,
                                             e->tokens.seqs[i].count};
        check(eng_nn_encode(e->context, sequences, n, out + at * e->dim, &err), &err);
    }
}

/* Encodes texts, or reads what an earlier run kept of the very same. */
static float *encoded(encoder *e, const eng_str *texts, size_t count)
{
    static const uint64_t key[2] = {1, 2};
    uint64_t hash = count;
    char path[512];
    for (size_t i = 0; i < count; i++)
        hash = hash * 1099511628211u ^ eng_siphash(texts[i].ptr, texts[i].len, key);
    snprintf(path, sizeof path, "%s/answers-%016llx.f32", e->folder, (unsigned long long)hash);
    float *out = malloc(count * e->dim * sizeof *out + 1);
    FILE *file = out ? fopen(path, "rb") : NULL;
    bool have = file && fread(out, e->dim * sizeof *out, count, file) == count;
    if (file)
        fclose(file);
    if (!out)
        die("no memory");
    if (have)
        return out;
    encode(e, texts, count, out);
    if ((file = fopen(path, "wb")) != NULL) {
        fwrite(out, e->dim * sizeof *out, count, file);
        fclose(file);
    }
    return out;
}

/* ---- A collection ------------------------------------------------------------------------------------ */

typedef struct {
    size_t document;
    size_t first, count; /* its units */
    const eng_passage *passage;
    eng_str text;
} kept_passage;

typedef struct {
    eng_arena arena;
    eng_draft *drafts;
    size_t draft_count;
    kept_passage *passages;
    size_t passage_count;
    eng_draft_unit *units;
    size_t unit_count;
    float *vectors;
    eng_index *index;
    eng_index_view *view;
} collection;

static void *grown(void *old, size_t count, size_t more, size_t size)
{
    void *p = realloc(old, (count + more) * size + 1);
    if (!p)
        die("no memory");
    return p;
}

static void take_document(collection *c, size_t at, const eng_json *doc, encoder *e)
{
    eng_error err;
    eng_draft *d = &c->drafts[at];
    eng_draft_source source = {.title = eng_json_text(eng_json_get(doc, ENG_STR("title"))),
                               .text = eng_json_text(eng_json_get(doc, ENG_STR("text")))};
    eng_rag_encoder lent = {.dim = e->dim, .max_tokens = 256, .count = tokens_of, .ctx = e};
    eng_cut_options cut = {.size = TOKENS, .overlap = OVERLAP, .count = tokens_of, .ctx = e};
    eng_draft_unit *units;
    size_t count;
    check(eng_draft_begin(&source, &c->arena, d, &err), &err);
    check(eng_draft_cut(d, &source, &cut, &c->arena, &err), &err);
    check(eng_draft_units(d, &lent, &c->arena, &units, &count, &err), &err);
    c->passages = grown(c->passages, c->passage_count, d->passage_count, sizeof *c->passages);
    c->units = grown(c->units, c->unit_count, count, sizeof *c->units);
    for (size_t p = 0; p < d->passage_count; p++)
        c->passages[c->passage_count + p] = (kept_passage){
            .document = at,
            .passage = &d->passages[p],
            .text = eng_str_sub(d->text, d->passages[p].start,
                                d->passages[p].end - d->passages[p].start)};
    for (size_t u = 0; u < count; u++) {
        kept_passage *p = &c->passages[c->passage_count + units[u].passage];
        if (p->count++ == 0)
            p->first = c->unit_count + u;
        c->units[c->unit_count + u] = units[u];
    }
    c->passage_count += d->passage_count;
    c->unit_count += count;
}

static void index_passages(collection *c, const encoder *e)
{
    eng_error err;
    eng_index_options options = {.dim = (uint32_t)e->dim};
    check(eng_index_open(&options, &c->index, &err), &err);
    for (size_t i = 0; i < c->passage_count; i++) {
        const kept_passage *p = &c->passages[i];
        eng_index_vector v[128];
        size_t n = 0;
        for (size_t u = p->first; e->dim && u < p->first + p->count && n < 128; u++)
            v[n++] = (eng_index_vector){c->units[u].sentence ? ENG_VECTOR_SENTENCE
                                                             : ENG_VECTOR_PASSAGE,
                                        c->vectors + u * e->dim};
        const eng_draft *d = &c->drafts[p->document];
        eng_str head = eng_arena_format(&c->arena, "%.*s\n%.*s", ENG_FMT(d->title),
                                        ENG_FMT(p->passage->heading));
        eng_index_item item = {.id = i + 1,
                               .document = p->document + 1,
                               .text = p->text,
                               .title = head,
                               .language = d->language,
                               .vectors = v,
                               .vector_count = n};
        check(eng_index_upsert(c->index, &item, 1, 1, &err), &err);
    }
    check(eng_index_view_new(c->index, &c->view, &err), &err);
}

static void make_collection(collection *c, const eng_json *line, encoder *e)
{
    const eng_json *documents = eng_json_get(line, ENG_STR("documents"));
    *c = (collection){.draft_count = eng_json_count(documents)};
    eng_arena_init(&c->arena, 1 << 16, NULL);
    c->drafts = grown(NULL, c->draft_count, 0, sizeof *c->drafts);
    for (size_t i = 0; i < c->draft_count; i++)
        take_document(c, i, eng_json_at(documents, i), e);
    if (e->dim) {
        eng_str *texts = grown(NULL, c->unit_count, 0, sizeof *texts);
        for (size_t i = 0; i < c->unit_count; i++)
            texts[i] = c->units[i].text;
        c->vectors = encoded(e, texts, c->unit_count);
        free(texts);
    }
    index_passages(c, e);
}

static void drop_collection(collection *c)
{
    eng_index_view_free(c->view);
    eng_index_close(c->index);
    free(c->vectors);
    free(c->units);
    free(c->passages);
    free(c->drafts);
    eng_arena_clear(&c->arena);
}

/* ---- A question ----------------------------------------------------------------------------------------- */

static float product(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double unit_score(eng_mode mode, float score)
{
    return isnan(score) ? (double)NAN : (double)eng_score_unit(mode, score);
}

static size_t retrieve(const collection *c, const encoder *e, eng_str text, const float *vector,
                       eng_question *q, eng_arena *arena, eng_candidate out[CANDIDATES])
{
    eng_error err;
    eng_fused hits[CANDIDATES];
    size_t n = CANDIDATES, shares_count;
    eng_term_share *shares;
    eng_index_query query = {
        .text = text, .vector = vector, .sentences = 0.5F, .limit = CANDIDATES};
    check(eng_index_search(c->view, &query, NULL, hits, &n, NULL, &err), &err);
    if (n) {
        check(eng_index_explain(c->view, &query, hits[0].id, arena, &shares, &shares_count, &err),
              &err);
        eng_question_weigh(q, shares, shares_count);
    }
    for (size_t i = 0; i < n; i++) {
        const kept_passage *p = &c->passages[hits[i].id - 1];
        eng_near *near = eng_arena_array(arena, p->count + 1, sizeof *near);
        size_t count = 0;
        for (size_t u = p->first; near && e->dim && u < p->first + p->count; u++)
            near[count++] = (eng_near){c->units[u].sentence ? c->units[u].start : p->passage->start,
                                       c->units[u].sentence ? c->units[u].end : p->passage->end,
                                       product(vector, c->vectors + u * e->dim, e->dim)};
        /* the passage's own is no sentence's, where it has sentences */
        size_t skip = count > 1 ? 1 : 0;
        out[i] = (eng_candidate){.id = hits[i].id,
                                 .document = hits[i].document,
                                 .title = c->drafts[p->document].title,
                                 .heading = p->passage->heading,
                                 .text = p->text,
                                 .start = p->passage->start,
                                 .score = (double)hits[i].fused,
                                 .bm25 = unit_score(ENG_MODE_BM25, hits[i].score[ENG_MODE_BM25]),
                                 .dense = unit_score(ENG_MODE_DENSE, hits[i].score[ENG_MODE_DENSE]),
                                 .sentences = near + skip,
                                 .sentence_count = count - skip};
    }
    return n;
}

/* ---- Writing --------------------------------------------------------------------------------------------- */

static void put_u32(FILE *out, size_t value)
{
    uint32_t v = (uint32_t)value;
    fwrite(&v, sizeof v, 1, out);
}

static void put_f32(FILE *out, double value)
{
    float v = (float)value;
    fwrite(&v, sizeof v, 1, out);
}

static void put_text(FILE *out, eng_str text)
{
    put_u32(out, text.len);
    fwrite(text.ptr, 1, text.len, out);
}

static void put_names(FILE *out, const char *const *names, size_t count)
{
    put_u32(out, count);
    for (size_t i = 0; i < count; i++)
        put_text(out, eng_str_of(names[i]));
}

/*
 * kind, language, answered, confidence, the answer, the phrase (empty: none) and its score, the trust's
 * features; then of each unit: document, start, end, kind, chosen, twin, candidate, score, belief, pull,
 * features; of each phrase: unit, start, end, score, features.
 */
static void write_question(FILE *out, const search_state *s, const eng_found_answer *a)
{
    eng_buf text;
    eng_buf_init(&text, 1 << 16);
    float trust[TRUST_FEATURES];
    eng_answer_text(a, s->candidates, &text, NULL);
    put_u32(out, s->q->kind);
    put_u32(out, s->q->language);
    put_u32(out, a->answered);
    put_f32(out, a->confidence);
    put_text(out, eng_buf_view(&text));
    eng_str brief_text = ENG_STR("");
    if (a->brief_part != SIZE_MAX) {
        const eng_candidate *c = &s->candidates[a->parts[a->brief_part].candidate];
        brief_text = eng_str_sub(c->text, a->brief_start - c->start, a->brief_end - a->brief_start);
    }
    put_text(out, brief_text);
    put_f32(out, a->brief_score);
    eng_trust_of(s, a, trust);
    fwrite(trust, sizeof *trust, eng_trust_count, out);
    put_u32(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const unit *u = &s->units[i];
        put_u32(out, s->candidates[u->candidate].document - 1);
        put_u32(out, u->start);
        put_u32(out, u->end);
        put_u32(out, u->kind);
        put_u32(out, u->chosen);
        put_u32(out, u->twin);
        put_u32(out, u->candidate);
        put_f32(out, u->score);
        put_f32(out, u->belief);
        put_f32(out, u->pull);
        fwrite(u->features, sizeof *u->features, eng_feature_count, out);
    }
    static brief briefs[BRIEFS];
    size_t n = eng_briefs_of(s, briefs, BRIEFS);
    put_u32(out, n);
    for (size_t i = 0; i < n; i++) {
        put_u32(out, briefs[i].unit);
        put_u32(out, briefs[i].start);
        put_u32(out, briefs[i].end);
        put_f32(out, briefs[i].score);
        fwrite(briefs[i].features, sizeof *briefs[i].features, eng_brief_count, out);
    }
    eng_buf_clear(&text);
}

/* ---- The whole ---------------------------------------------------------------------------------------------- */

typedef struct {
    encoder e;
    eng_analyzer *analyzer;
    FILE *out;
    bool time;
    double find_us, search_us;
    size_t asked;
} bench;

static void ask(bench *b, const collection *c, eng_str text, const float *vector)
{
    eng_error err;
    eng_arena arena;
    eng_question q;
    eng_candidate candidates[CANDIDATES];
    eng_found_answer found;
    eng_arena_init(&arena, 1 << 16, NULL);
    check(eng_question_parse(b->analyzer, text, ENG_LANGUAGE_UNKNOWN, &arena, &q, &err), &err);
    double from = cpu_us();
    size_t n = retrieve(c, &b->e, text, vector, &q, &arena, candidates);
    b->search_us += cpu_us() - from;
    search_state s = {.q = &q,
                      .candidates = candidates,
                      .candidate_count = n,
                      .analyzer = b->analyzer,
                      .arena = &arena};
    check(eng_search_begin(&s, &err), &err);
    check(eng_search_choose(&s, NULL, &found, &err), &err);
    write_question(b->out, &s, &found);
    eng_search_end(&s);
    from = cpu_us();
    for (int i = 0; b->time && i < TIMES; i++)
        check(eng_answer_find(b->analyzer, &q, candidates, n, NULL, &arena, &found, &err), &err);
    b->find_us += (cpu_us() - from) / TIMES;
    b->asked++;
    eng_arena_clear(&arena);
}

static void run(bench *b, eng_str line)
{
    eng_error err;
    eng_arena tree;
    const eng_json *root;
    collection c;
    eng_arena_init(&tree, 1 << 20, NULL);
    check(eng_json_read(line, NULL, &tree, &root, &err), &err);
    make_collection(&c, root, &b->e);
    const eng_json *questions = eng_json_get(root, ENG_STR("questions"));
    size_t count = eng_json_count(questions);
    eng_str *texts = grown(NULL, count, 0, sizeof *texts);
    for (size_t i = 0; i < count; i++)
        texts[i] = eng_json_text(eng_json_at(questions, i));
    float *vectors = b->e.dim ? encoded(&b->e, texts, count) : NULL;
    for (size_t i = 0; i < count; i++)
        ask(b, &c, texts[i], vectors ? vectors + i * b->e.dim : NULL);
    free(vectors);
    free(texts);
    drop_collection(&c);
    eng_arena_clear(&tree);
}

int main(int argc, char **argv)
{
    eng_error err;
    eng_buf bytes;
    bench b = {.time = false};
    const char *model = NULL;
    if (argc < 3) {
        printf(
            "answers: SKIP, made for tools/train_answers.py: answers FILE OUT [--model FOLDER]\n");
        return 0;
    }
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--model") == 0 && i + 1 < argc)
            model = argv[++i];
        else if (strcmp(argv[i], "--time") == 0)
            b.time = true;
    }
    check(eng_kern_init(&err), &err);
    check(eng_analyzer_new(&b.analyzer, &err), &err);
    if (model)
        open_encoder(&b.e, model);
    eng_buf_init(&bytes, 1 << 29);
    check(eng_file_read(argv[1], 1 << 29, &bytes, &err), &err);
    b.out = fopen(argv[2], "wb");
    if (!b.out)
        die("cannot write");
    put_names(b.out, eng_feature_names, eng_feature_count);
    put_names(b.out, eng_trust_names, eng_trust_count);
    put_names(b.out, eng_brief_names, eng_brief_count);
    for (eng_str rest = eng_buf_view(&bytes), line; rest.len;) {
        if (!eng_str_cut(rest, '\n', &line, &rest))
            break;
        run(&b, line);
    }
    fclose(b.out);
    double n = b.asked ? (double)b.asked : 1;
    printf("answers.search  us=%.0f\nanswers.find  us=%.0f  questions=%zu\n", b.search_us / n,
           b.find_us / n, b.asked);
    eng_buf_clear(&bytes);
    eng_analyzer_free(b.analyzer);
    return 0;
}
