/* engenho eval: how well a collection answers questions whose answers are known. */
#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/measured.h"

#include <math.h>
#include <string.h>

enum { RESULT_MAX = 256 << 20, MEASURES = 9 };

/* What is printed and compared, in the columns' order. */
static const struct {
    const char *head, *group, *key;
} measures[MEASURES] = {
    {"R@1", "recall", "1"},
    {"R@5", "recall", "5"},
    {"R@10", "recall", "10"},
    {"MRR", NULL, "mrr"},
    {"NDCG", NULL, "ndcg"},
    {"FACTS", NULL, "fact_recall"},
    {"REFUSED RIGHTLY", "abstention", "precision"},
    {"REFUSED", "abstention", "recall"},
    {"ANSWERED", NULL, "grounded"},
};

static const eng_json *member(const eng_json *v, const char *key)
{
    return eng_json_get(v, eng_str_of(key));
}

static double measure_of(const eng_json *run, size_t i)
{
    double n;
    const eng_json *from = measures[i].group ? member(run, measures[i].group) : run;
    return eng_json_number(member(from, measures[i].key), &n) ? n : NAN;
}

/* ---- Asking ---- */

static eng_status path_of(eng_cli *cli, eng_buf *path, eng_error *err)
{
    eng_str base;
    eng_status status = eng_cli_collection_path(cli, "/evaluate", &base, err);
    if (status < 0)
        return status;
    eng_buf_str(path, base);
    eng_cli_add_query(cli, "--mode", "mode", path);
    eng_cli_add_query(cli, "--model", "model", path);
    eng_cli_add_query(cli, "--embedding-model", "embedding_model", path);
    eng_cli_add_query(cli, "--chunk", "chunk", path);
    eng_cli_add_query(cli, "--top-k", "top_k", path);
    return eng_buf_check(path, "path", err);
}

/* ---- Showing ---- */

static eng_str figure(eng_cli *cli, const char *format, double n)
{
    if (isnan(n))
        return ENG_STR("-");
    return strcmp(format, "ms") == 0 ? eng_arena_format(&cli->arena, "%.1f", n)
                                     : eng_arena_format(&cli->arena, "%.3f", n);
}

static eng_status show(eng_cli *cli, const eng_json *result, eng_error *err)
{
    enum { COLUMNS = MEASURES + 3 };
    const eng_json *runs = member(result, "runs");
    size_t count = eng_json_count(runs);
    eng_str *cells = eng_arena_array(&cli->arena, (count + 1) * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    cells[0] = ENG_STR("RUN");
    for (size_t i = 0; i < MEASURES; i++)
        cells[1 + i] = eng_str_of(measures[i].head);
    cells[MEASURES + 1] = ENG_STR("P50 MS");
    cells[MEASURES + 2] = ENG_STR("P95 MS");
    for (size_t row = 0; row < count; row++) {
        const eng_json *run = eng_json_at(runs, row), *latency = member(run, "latency");
        eng_str *c = cells + (row + 1) * COLUMNS;
        double p50 = NAN, p95 = NAN;
        (void)eng_json_number(member(latency, "p50"), &p50);
        (void)eng_json_number(member(latency, "p95"), &p95);
        c[0] = eng_json_text(member(run, "name"));
        for (size_t i = 0; i < MEASURES; i++)
            c[1 + i] = figure(cli, "share", measure_of(run, i));
        c[MEASURES + 1] = figure(cli, "ms", p50);
        c[MEASURES + 2] = figure(cli, "ms", p95);
    }
    return eng_cli_table(cli, cells, COLUMNS, count + 1, err);
}

/* ---- Against an earlier result ---- */

static const eng_json *run_named(const eng_json *result, eng_str name)
{
    const eng_json *runs = member(result, "runs");
    for (size_t i = 0; i < eng_json_count(runs); i++)
        if (eng_str_eq(eng_json_text(member(eng_json_at(runs, i), "name")), name))
            return eng_json_at(runs, i);
    return NULL;
}

/* The upper end of a measure's interval: an earlier value above it is more than chance. */
static double highest(const eng_json *run, size_t i)
{
    double n;
    const eng_json *from = member(run, "intervals");
    if (measures[i].group)
        from = member(from, measures[i].group);
    return eng_json_number(eng_json_at(member(from, measures[i].key), 1), &n) ? n : NAN;
}

static eng_status compare(const eng_json *now, const eng_json *before, eng_error *err)
{
    const eng_json *runs = member(now, "runs");
    for (size_t r = 0; r < eng_json_count(runs); r++) {
        const eng_json *run = eng_json_at(runs, r);
        eng_str name = eng_json_text(member(run, "name"));
        const eng_json *old = run_named(before, name);
        for (size_t i = 0; old && i < MEASURES; i++) {
            double was = measure_of(old, i), is = measure_of(run, i), high = highest(run, i);
            if (was > high)
                return eng_fail(err, ENG_EINVALID, "%.*s: %s fell from %.3f to %.3f", ENG_FMT(name),
                                measures[i].head, was, is);
        }
    }
    return ENG_OK;
}

static eng_status against(eng_cli *cli, const eng_json *result, eng_error *err)
{
    eng_buf text;
    const eng_json *before;
    const char *file = eng_cli_option_value(cli, "--against");
    if (!file)
        return ENG_OK;
    eng_buf_init(&text, RESULT_MAX);
    eng_status status = eng_file_read(file, RESULT_MAX, &text, err);
    if (status == ENG_OK) {
        status = eng_json_read(eng_buf_view(&text), NULL, &cli->arena, &before, err);
        if (status < 0)
            eng_error_prefix(err, "%s", file);
    }
    eng_buf_clear(&text);
    return status == ENG_OK ? compare(result, before, err) : status;
}

static eng_status run_eval(eng_cli *cli, eng_error *err)
{
    eng_buf path;
    const eng_json *result = NULL;
    eng_buf_init(&path, 1 << 16);
    eng_status status = path_of(cli, &path, err);
    if (status == ENG_OK)
        status = eng_cli_ask_questions(cli, path.data, &result, err);
    eng_buf_clear(&path);
    if (status == ENG_OK)
        status = eng_cli_keep_result(cli, result, err);
    if (status == ENG_OK)
        status = cli->json ? eng_cli_print_json(result, err) : show(cli, result, err);
    return status == ENG_OK ? against(cli, result, err) : status;
}

static const eng_cli_option options[] = {
    {"--questions", "FILE", "questions, as lines of JSON", NULL},
    {"--collection", "NAME", "of whom they are asked; 'default' without it", NULL},
    {"--mode", "LIST", "ways of searching, each a run: hybrid,dense,bm25", NULL},
    {"--model", "LIST", "who answers, each a run: extract, or models of ENGENHO_LLM", NULL},
    {"--embedding-model", "LIST", "encoders, each a run; tried beside the collection's own", NULL},
    {"--chunk", "LIST", "ways of cutting, each a run: 200/20 in tokens, 1000/100c in characters",
     NULL},
    {"--top-k", "N", "passages to answer from", NULL},
    {"--out", "FILE", "keep the result there: as a page where the name ends in .html", NULL},
    {"--against", "FILE", "an earlier result: what fell by more than chance is an error", NULL},
    {0},
};

const eng_cli_command eng_cmd_eval = {
    .name = "eval",
    .args = "",
    .summary = "measures how well a collection answers questions whose answers are known",
    .text =
        "A line of the questions: "
        "{\"question\",\"facts\"?:[[\"any\",\"of\"],...],\"answer\"?,\"document\"?,\n"
        "\"answerable\"?}. A fact is held in any of its spellings; a document is named by its id.\n"
        "Lists are separated by commas; where there are several, each is tried with each.",
    .example = "engenho eval --questions perguntas.jsonl --collection manuais --out result.html",
    .options = options,
    .run = run_eval,
};
