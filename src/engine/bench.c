/*
 * What this machine does with this program, measured in some seconds. Texts are made up of common words, the
 * same ones each time; everything else is the real thing: the installed encoder, a collection in the engine
 * that is given, a model's file.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/knowledge.h"
#include "kern/kern.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PASSAGES = 500, BATCH = 64, QUESTIONS = 200, ROWS = 1000, MODEL_MAX = 1 << 30 };

/* Of each loop: long enough to mean something. */
static const double SPAN_S = 1.0;

typedef struct {
    eng *e;
    const eng_bench *what;
    eng_arena arena; /* of the texts at hand */
    uint64_t seed;
    bool encoder; /* one is installed */
} bench;

/* ---- The machine ---- */

/* "model name : AMD EPYC ..." of the first processor. */
static void read_processor(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        eng_str key, value;
        eng_str_cut(eng_str_of(line), ':', &key, &value);
        if (eng_str_eq(eng_str_trim(key), ENG_STR("model name"))) {
            value = eng_str_trim(value);
            snprintf(out, size, "%.*s", ENG_FMT(value));
            break;
        }
    }
    if (f)
        fclose(f);
}

void eng_machine_about(eng_machine *out)
{
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    read_processor(out->processor, sizeof out->processor);
    out->kernels = eng_kern_get()->name;
    out->threads = threads > 0 ? (unsigned)threads : 1;
}

/* ---- Texts ---- */

static const char *const words[] = {
    "prazo",   "entrega",     "cliente",   "pedido",   "produto",  "loja",    "troca",
    "nota",    "fiscal",      "valor",     "frete",    "compra",   "venda",   "cadastro",
    "conta",   "pagamento",   "boleto",    "cartão",   "parcela",  "juros",   "garantia",
    "defeito", "técnico",     "suporte",   "endereço", "cidade",   "estado",  "região",
    "horário", "atendimento", "telefone",  "mensagem", "contrato", "serviço", "plano",
    "mensal",  "anual",       "desconto",  "cupom",    "campanha", "estoque", "depósito",
    "caixa",   "embalagem",   "etiqueta",  "código",   "barras",   "sistema", "usuário",
    "senha",   "acesso",      "relatório", "gráfico",  "tabela",   "número",  "data",
    "início",  "fim",         "semana",    "dia",      "hora",     "minuto",  "processo",
    "etapa",
};
enum { WORDS = sizeof words / sizeof *words };

/* So many words, with a number among them and full stops; ptr NULL: no memory. */
static eng_str text_of(bench *b, size_t count)
{
    eng_buf text;
    eng_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        uint64_t dice = eng_draw(&b->seed);
        if (dice % 12 == 0)
            eng_buf_format(&text, "%llu ", (unsigned long long)(dice >> 32) % 10000);
        eng_buf_format(&text, "%s%s", words[(dice >> 8) % WORDS],
                       i + 1 == count || i % 15 == 14 ? ". " : " ");
    }
    eng_str copy = eng_arena_copy(&b->arena, eng_str_trim(eng_buf_view(&text)));
    eng_buf_clear(&text);
    return copy;
}

static eng_str *texts_of(bench *b, size_t count, size_t length, eng_error *err)
{
    eng_str *texts = eng_arena_array(&b->arena, count, sizeof *texts);
    for (size_t i = 0; texts && i < count; i++) {
        texts[i] = text_of(b, length);
        if (!texts[i].ptr)
            texts = NULL;
    }
    if (!texts)
        (void)eng_fail_nomem(err);
    return texts;
}

/* ---- Figures ---- */

static double seconds(uint64_t from) { return (double)(eng_clock_ns() - from) / 1e9; }

static void tell(const bench *b, const char *group, const char *what, const char *unit,
                 double value)
{
    const eng_gauge g = {group, what, unit, value};
    b->what->found(b->what->ctx, &g);
}

static bool goes_on(const bench *b, eng_error *err)
{
    if (!b->what->cancelled || !b->what->cancelled(b->what->ctx))
        return true;
    (void)eng_fail(err, ENG_ECANCELLED, "cancelled");
    return false;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double share_of(double *ms, size_t count, double share)
{
    qsort(ms, count, sizeof *ms, by_size);
    return ms[(size_t)ceil(share * (double)count) - 1];
}

/* ---- The encoder ---- */

static eng_status embed(bench *b, const eng_str *texts, size_t count, bool bulk, uint64_t *tokens,
                        eng_error *err)
{
    eng_embeddings *out = NULL;
    eng_embed what = {.model = {NULL, 0},
                      .texts = texts,
                      .count = count,
                      .prompt = bulk ? ENG_PROMPT_PASSAGE : ENG_PROMPT_QUERY,
                      .bulk = bulk};
    eng_status status = eng_embed_texts(b->e, &what, &out, err);
    if (status == ENG_OK)
        *tokens += out->tokens;
    eng_embeddings_free(out);
    return status;
}

/* Each question is another, so none is remembered. */
static eng_status time_questions(bench *b, eng_error *err)
{
    double ms[QUESTIONS];
    uint64_t tokens = 0;
    eng_str *texts = texts_of(b, QUESTIONS, 10, err);
    eng_status status = texts ? ENG_OK : ENG_ENOMEM;
    for (size_t i = 0; status == ENG_OK && i < QUESTIONS; i++) {
        uint64_t from = eng_clock_ns();
        status = embed(b, &texts[i], 1, false, &tokens, err);
        ms[i] = seconds(from) * 1e3;
    }
    if (status == ENG_OK) {
        tell(b, "encoder", "a question of 10 words, p50", "ms", share_of(ms, QUESTIONS, 0.5));
        tell(b, "encoder", "a question of 10 words, p99", "ms", share_of(ms, QUESTIONS, 0.99));
    }
    return status;
}

static eng_status time_passages(bench *b, eng_error *err)
{
    uint64_t tokens = 0, from = eng_clock_ns();
    eng_status status = ENG_OK;
    while (status == ENG_OK && seconds(from) < SPAN_S * 2) {
        eng_arena_reset(&b->arena);
        eng_str *texts = texts_of(b, BATCH, 60, err);
        status = texts ? embed(b, texts, BATCH, true, &tokens, err) : ENG_ENOMEM;
        if (status == ENG_OK && !goes_on(b, err))
            status = ENG_ECANCELLED;
    }
    if (status == ENG_OK)
        tell(b, "encoder", "passages of 60 words", "tokens/s", (double)tokens / seconds(from));
    return status;
}

static eng_status time_tokenizer(bench *b, const eng_encoder *encoder, eng_error *err)
{
    eng_tokens tokens;
    size_t bytes = 0, all = 0, count;
    eng_str text = text_of(b, 5000);
    eng_status status = text.ptr ? ENG_OK : eng_fail_nomem(err);
    uint64_t from = eng_clock_ns();
    eng_tokens_init(&tokens);
    while (status == ENG_OK && seconds(from) < SPAN_S / 2) {
        status = eng_encoder_count(encoder, text, &tokens, &count, err);
        bytes += text.len;
        all += count;
    }
    double spent = seconds(from);
    eng_tokens_clear(&tokens);
    if (status == ENG_OK) {
        tell(b, "tokenizer", "common words, one thread", "MB/s", (double)bytes / 1e6 / spent);
        tell(b, "tokenizer", "common words, one thread", "tokens/s", (double)all / spent);
    }
    return status;
}

/* Without an encoder there is nothing to measure, and NaN says so. */
static eng_status time_encoder(bench *b, eng_error *err)
{
    eng_open_model *model = NULL;
    uint64_t tokens = 0;
    eng_str warm = ENG_STR("aquecimento");
    eng_status status = eng_embedder_hold(b->e, ENG_STR("default"), &model, err);
    if (status == ENG_ENOTFOUND) {
        tell(b, "encoder", "none is installed", "tokens/s", (double)NAN);
        return ENG_OK;
    }
    if (status < 0)
        return status;
    b->encoder = true;
    status = embed(b, &warm, 1, false, &tokens, err);
    if (status == ENG_OK)
        status = time_tokenizer(b, model->encoder, err);
    if (status == ENG_OK)
        status = time_questions(b, err);
    if (status == ENG_OK)
        status = time_passages(b, err);
    eng_embedder_release(b->e, model);
    return status;
}

/* ---- Searching ---- */

static eng_status fill(bench *b, size_t count, eng_error *err)
{
    char id[24];
    uint64_t from = eng_clock_ns();
    eng_status status = ENG_OK;
    for (size_t done = 0; status == ENG_OK && done < count; done += BATCH) {
        eng_source sources[BATCH];
        eng_ingest_report *report = NULL;
        eng_ingest_options options = {.make = true, .title = {NULL, 0}};
        size_t n = count - done < BATCH ? count - done : BATCH;
        eng_arena_reset(&b->arena);
        eng_str *texts = texts_of(b, n, 60, err);
        for (size_t i = 0; texts && i < n; i++) {
            snprintf(id, sizeof id, "%zu", done + i);
            sources[i] = (eng_source){.id = eng_arena_copy(&b->arena, eng_str_of(id)),
                                      .text = texts[i]};
        }
        status = texts ? eng_ingest(b->e, ENG_STR("bench"), sources, n, &options, &report, err)
                       : ENG_ENOMEM;
        eng_ingest_report_free(report);
        if (status == ENG_OK && !goes_on(b, err))
            status = ENG_ECANCELLED;
    }
    if (status == ENG_OK)
        tell(b, "ingestion", "documents of 60 words", "documents/s", (double)count / seconds(from));
    return status;
}

static eng_status search(bench *b, eng_search_mode mode, const char *p50, const char *p99,
                         eng_error *err)
{
    double ms[QUESTIONS];
    eng_str *texts = texts_of(b, QUESTIONS, 8, err);
    eng_status status = texts ? ENG_OK : ENG_ENOMEM;
    for (size_t i = 0; status == ENG_OK && i < QUESTIONS; i++) {
        eng_results *found = NULL;
        eng_search_query q = {
            .text = texts[i], .top_k = 10, .mode = mode, .filter = {NULL, 0}, .rerank = {NULL, 0}};
        uint64_t from = eng_clock_ns();
        status = eng_search(b->e, ENG_STR("bench"), &q, &found, err);
        ms[i] = seconds(from) * 1e3;
        eng_results_free(found);
    }
    if (status == ENG_OK) {
        tell(b, "search", p50, "ms", share_of(ms, QUESTIONS, 0.5));
        tell(b, "search", p99, "ms", share_of(ms, QUESTIONS, 0.99));
    }
    return status;
}

static eng_status time_search(bench *b, eng_error *err)
{
    eng_status status = fill(b, b->what->passages ? b->what->passages : PASSAGES, err);
    if (status == ENG_OK)
        status = search(b, ENG_SEARCH_BM25, "by words, p50", "by words, p99", err);
    return status == ENG_OK && b->encoder
               ? search(b, ENG_SEARCH_HYBRID, "hybrid, another question each, p50",
                        "hybrid, another question each, p99", err)
               : status;
}

/* ---- Models ---- */

static eng_status load(bench *b, eng_predictor_kind kind, const char *path, eng_predictor **out,
                       eng_error *err)
{
    eng_buf file;
    eng_buf_init(&file, MODEL_MAX);
    eng_status status = eng_file_read(path, MODEL_MAX, &file, err);
    if (status == ENG_OK) {
        eng_load what = {.kind = kind,
                         .name = ENG_STR("bench"),
                         .filename = eng_str_of(path),
                         .bytes = eng_buf_view(&file)};
        status = eng_predictor_load(b->e, &what, out, err);
    }
    eng_buf_clear(&file);
    return status;
}

/* Numbers within the input's range, and its categories in turn. */
static eng_status column_of(bench *b, const eng_feature *input, eng_column *out, eng_error *err)
{
    double *numbers = eng_arena_array(&b->arena, ROWS, sizeof *numbers);
    eng_str *texts = eng_arena_array(&b->arena, ROWS, sizeof *texts);
    if (!numbers || !texts)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < ROWS; i++) {
        double share = (double)(eng_draw(&b->seed) >> 11) / 9007199254740992.0;
        double low = input->ranged ? input->low : 0, high = input->ranged ? input->high : 100;
        numbers[i] = low + share * (high - low);
        if (input->integer)
            numbers[i] = floor(numbers[i]);
        texts[i] = input->category_count ? input->categories[i % input->category_count]
                                         : eng_str_of(words[i % WORDS]);
    }
    out->texts = input->text ? texts : NULL;
    out->numbers = input->text ? NULL : numbers;
    return ENG_OK;
}

static eng_status time_rows(bench *b, eng_predictor *p, const eng_column *columns, size_t rows,
                            const char *name, eng_error *err)
{
    uint64_t done = 0, from = eng_clock_ns();
    eng_status status = ENG_OK;
    size_t outputs = eng_predictor_about(p)->outputs;
    double *predicted = eng_alloc_array(rows * (outputs ? outputs : 1), sizeof *predicted);
    if (!predicted)
        return eng_fail_nomem(err);
    while (status == ENG_OK && seconds(from) < SPAN_S / 2) {
        status = eng_predict(p, columns, rows, predicted, NULL, err);
        done += rows;
    }
    if (status == ENG_OK)
        tell(b, "predict", name, "ns/row", seconds(from) * 1e9 / (double)done);
    eng_free(predicted);
    return status;
}

static eng_status time_table(bench *b, const char *path, eng_error *err)
{
    eng_predictor *p = NULL;
    eng_status status = load(b, ENG_PREDICTOR_TABLE, path, &p, err);
    if (status < 0)
        return status;
    const eng_predictor_info *info = eng_predictor_about(p);
    eng_column *columns = eng_arena_array(&b->arena, info->input_count + 1, sizeof *columns);
    if (!columns)
        status = eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < info->input_count; i++)
        status = column_of(b, &info->inputs[i], &columns[i], err);
    if (status == ENG_OK)
        status = time_rows(b, p, columns, 1, "a row at a time", err);
    if (status == ENG_OK)
        status = time_rows(b, p, columns, ROWS, "1,000 rows at a time", err);
    eng_predictor_give(p);
    return status;
}

/* The model that comes with the program, where no other was named. */
static eng_status time_dummy(bench *b, eng_error *err)
{
    char *path = eng_path_join(b->e->data, "bench-model.txt");
    eng_status status = path ? eng_dummy_write(path, err) : eng_fail_nomem(err);
    if (status == ENG_OK) {
        status = time_table(b, path, err);
        unlink(path);
    }
    eng_free(path);
    return status;
}

static eng_status time_text(bench *b, eng_error *err)
{
    eng_predictor *p = NULL;
    eng_status status = load(b, ENG_PREDICTOR_TEXT, b->what->text_model, &p, err);
    if (status < 0)
        return status;
    size_t count = eng_predictor_about(p)->text_count, done = 0;
    eng_str *texts = texts_of(b, count * BATCH + 1, 6, err);
    eng_item items[BATCH];
    eng_category found[BATCH];
    if (!texts)
        status = ENG_ENOMEM;
    for (size_t i = 0; texts && i < BATCH; i++)
        items[i] = (eng_item){.texts = texts + i * count, .text_count = count};
    uint64_t from = eng_clock_ns();
    while (status == ENG_OK && seconds(from) < SPAN_S) {
        status = eng_categorize(p, items, BATCH, found, err);
        done += BATCH;
    }
    if (status == ENG_OK)
        tell(b, "categorize", "64 titles of 6 words at a time", "ns/row",
             seconds(from) * 1e9 / (double)done);
    eng_predictor_give(p);
    return status;
}

eng_status eng_bench_run(eng *e, const eng_bench *what, eng_error *err)
{
    bench b = {.e = e, .what = what, .seed = 1};
    eng_arena_init(&b.arena, 1 << 16, NULL);
    eng_status status = time_encoder(&b, err);
    if (status == ENG_OK)
        status = time_search(&b, err);
    if (status == ENG_OK)
        status = what->model ? time_table(&b, what->model, err) : time_dummy(&b, err);
    if (status == ENG_OK && what->text_model)
        status = time_text(&b, err);
    eng_arena_clear(&b.arena);
    return status;
}
