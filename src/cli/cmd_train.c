/* engenho train text: a categoriser from a file of rows. */
#include "base/error.h"
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- What it is told ---- */

/* An option goes before the environment. */
static const char *told(const eng_cli *cli, const char *option, const char *variable)
{
    const char *value = eng_cli_option_value(cli, option);
    if (!value)
        value = getenv(variable);
    return value && *value ? value : NULL;
}

static eng_status take_count(const eng_cli *cli, const char *name, uint64_t most, uint64_t *out,
                             eng_error *err)
{
    const char *value = eng_cli_option_value(cli, name);
    if (value && (!eng_str_u64(eng_str_of(value), out) || *out > most))
        return eng_fail(err, ENG_EUSAGE, "%s: expected a whole number up to %llu, got '%s'", name,
                        (unsigned long long)most, value);
    return ENG_OK;
}

static eng_status take_real(const eng_cli *cli, const char *name, double most, double *out,
                            eng_error *err)
{
    const char *value = eng_cli_option_value(cli, name);
    if (value && (!eng_number_read(eng_str_of(value), out) || *out < 0 || *out > most))
        return eng_fail(err, ENG_EUSAGE, "%s: expected a number from 0 to %g, got '%s'", name, most,
                        value);
    return ENG_OK;
}

/* "title,tags" to a list that ends in NULL. */
static eng_status take_list(eng_cli *cli, const char *name, const char *const **out, eng_error *err)
{
    const char *value = eng_cli_option_value(cli, name);
    if (!value)
        return ENG_OK;
    size_t count = 2, at = 0;
    for (const char *p = value; *p; p++)
        count += *p == ',';
    const char **list = eng_arena_array(&cli->arena, count, sizeof *list);
    eng_str head, rest = eng_str_of(value);
    for (bool more = true; list && more;) {
        more = eng_str_cut(rest, ',', &head, &rest);
        eng_str copy = eng_arena_copy(&cli->arena, eng_str_trim(head));
        if (!copy.ptr)
            return eng_fail_nomem(err);
        if (!copy.len)
            return eng_fail(err, ENG_EUSAGE, "%s: expected names with commas between them", name);
        list[at++] = copy.ptr;
    }
    if (!list)
        return eng_fail_nomem(err);
    list[at] = NULL;
    *out = list;
    return ENG_OK;
}

/* "2-5", "words" */
static eng_status take_chars(const eng_cli *cli, eng_train_text_options *o, eng_error *err)
{
    const char *value = eng_cli_option_value(cli, "--chars");
    eng_str low, high;
    uint64_t min, max;
    if (!value)
        return ENG_OK;
    if (strcmp(value, "none") == 0) {
        o->no_chars = true;
        return ENG_OK;
    }
    if (!eng_str_cut(eng_str_of(value), '-', &low, &high) || !eng_str_u64(low, &min) ||
        !eng_str_u64(high, &max) || min < 1 || max < min || max > 8)
        return eng_fail(err, ENG_EUSAGE,
                        "--chars: expected something like 2-5 (1 to 8) or none, "
                        "got '%s'",
                        value);
    o->char_min = (unsigned)min;
    o->char_max = (unsigned)max;
    return ENG_OK;
}

static eng_status take_numbers(const eng_cli *cli, eng_train_text_options *o, eng_error *err)
{
    struct {
        const char *name;
        uint64_t most;
        unsigned *to;
    } counts[] = {{"--threads", 64, &o->threads},
                  {"--folds", 50, &o->folds},
                  {"--words", 2, &o->word_grams},
                  {"--min-count", 1000000, &o->min_count}};
    struct {
        const char *name;
        double most;
        double *to;
    } reals[] = {{"--cost", 1e6, &o->cost},
                 {"--balance", 1, &o->balance},
                 {"--refuse", 0.49, &o->refuse},
                 {"--search", 1e6, &o->search_s}};
    eng_status status = take_count(cli, "--seed", UINT64_MAX, &o->seed, err);
    for (size_t i = 0; i < sizeof counts / sizeof *counts && status == ENG_OK; i++) {
        uint64_t value = 0;
        status = take_count(cli, counts[i].name, counts[i].most, &value, err);
        *counts[i].to = (unsigned)value;
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals && status == ENG_OK; i++)
        status = take_real(cli, reals[i].name, reals[i].most, reals[i].to, err);
    if (o->balance == 0 && eng_cli_option_value(cli, "--balance"))
        o->balance = -1; /* 0 is the preset */
    return status;
}

static eng_status take_options(eng_cli *cli, eng_train_text_options *o, eng_error *err)
{
    o->dataset = cli->arg_count ? cli->args[0] : getenv("DATASET_PATH");
    o->model = told(cli, "--model", "MODEL_PATH");
    o->metrics = told(cli, "--metrics", "METRICS_PATH");
    o->test = told(cli, "--test", "TEST_PRODUCTS_PATH");
    o->label = eng_cli_option_value(cli, "--category");
    o->group = eng_cli_option_value(cli, "--group");
    o->strict = eng_cli_option_value(cli, "--strict") != NULL;
    const char *loss = eng_cli_option_value(cli, "--loss");
    o->logistic = loss && strcmp(loss, "logistic") == 0;
    if (!o->dataset || !*o->dataset)
        return eng_fail(err, ENG_EUSAGE, "no file to learn from: name one, or set DATASET_PATH");
    if (!o->model)
        return eng_fail(err, ENG_EUSAGE,
                        "nowhere to write the model: use --model FILE, or set MODEL_PATH");
    eng_status status = take_list(cli, "--text", &o->texts, err);
    if (status == ENG_OK)
        status = take_list(cli, "--number", &o->numbers, err);
    if (status == ENG_OK)
        status = take_chars(cli, o, err);
    return status < 0 ? status : take_numbers(cli, o, err);
}

/* ---- What it says ---- */

static double number(const eng_json *v, const char *key)
{
    double out = 0;
    eng_json_number(eng_json_get(v, eng_str_of(key)), &out);
    return out;
}

static void say_interval(eng_buf *out, const eng_json *v, const char *key)
{
    double low = 0, high = 0;
    const eng_json *list = eng_json_get(v, eng_str_of(key));
    if (eng_json_number(eng_json_at(list, 0), &low) && eng_json_number(eng_json_at(list, 1), &high))
        eng_buf_format(out, " (%.4f to %.4f)", low, high);
}

static void say_scores(eng_buf *out, const char *what, const eng_json *m)
{
    eng_buf_format(out, "%s: accuracy %.4f", what, number(m, "accuracy"));
    say_interval(out, m, "accuracy_95");
    eng_buf_format(out, ", macro F1 %.4f", number(m, "macro_f1"));
    say_interval(out, m, "macro_f1_95");
    eng_buf_format(out, ", calibration error %.4f, unknown %.1f%%, %.0f products\n",
                   number(m, "calibration_error"), 100 * number(m, "unknown"),
                   number(m, "products"));
}

static void say_data(eng_buf *out, const eng_json *data)
{
    const eng_json *columns = eng_json_get(data, ENG_STR("columns"));
    eng_str group = eng_json_text(eng_json_get(data, ENG_STR("group_column")));
    eng_buf_format(out, "%.0f rows, %.0f groups, %.0f products; texts: ", number(data, "rows"),
                   number(data, "groups"), number(data, "products"));
    for (size_t i = 0; i < eng_json_count(columns); i++) {
        eng_str name = eng_json_text(eng_json_get(eng_json_at(columns, i), ENG_STR("name")));
        eng_buf_format(out, "%s%.*s", i ? ", " : "", ENG_FMT(name));
    }
    eng_buf_format(out, "; category: %.*s; group: %.*s\n",
                   ENG_FMT(eng_json_text(eng_json_get(data, ENG_STR("category_column")))),
                   ENG_FMT(group.len ? group : ENG_STR("none")));
    if (number(data, "lines_skipped") > 0)
        eng_buf_format(out,
                       "skipped: %.0f broken lines, %.0f without a category, %.0f without text\n",
                       number(data, "lines_broken"), number(data, "rows_without_category"),
                       number(data, "rows_without_text"));
    eng_buf_format(out,
                   "%.0f texts repeat another, %.0f stand under several categories: at most %.4f "
                   "can be right by that text alone\n",
                   number(data, "texts_repeated"), number(data, "texts_of_several_categories"),
                   number(data, "ceiling"));
}

static void say_classes(eng_buf *out, const eng_json *m)
{
    const eng_json *classes = eng_json_get(m, ENG_STR("classes"));
    eng_buf_format(out, "%9s %9s %9s %9s  %s\n", "precision", "recall", "f1", "products",
                   "category");
    for (size_t i = 0; i < eng_json_count(classes) && i < 50; i++) {
        const eng_json *c = eng_json_at(classes, i);
        eng_buf_format(out, "%9.4f %9.4f %9.4f %9.0f  %.*s\n", number(c, "precision"),
                       number(c, "recall"), number(c, "f1"), number(c, "support"),
                       ENG_FMT(eng_json_text(eng_json_get(c, ENG_STR("category")))));
    }
}

static eng_status say(eng_cli *cli, const eng_train_text_options *o, const eng_trained *t,
                      eng_error *err)
{
    eng_buf out;
    const eng_json *m = NULL;
    eng_buf_init(&out, 64 << 20);
    eng_status status = eng_json_read((eng_str){t->metrics, t->metrics_len}, NULL, &cli->arena, &m,
                                      err);
    if (status < 0)
        return status;
    if (cli->json)
        return eng_cli_print_json(m, err);
    const eng_json *leak = eng_json_get(m, ENG_STR("leak")),
                   *views = eng_json_get(m, ENG_STR("views"));
    say_data(&out, eng_json_get(m, ENG_STR("data")));
    say_scores(&out, "held back", m);
    for (size_t i = 0; i < eng_json_count(views); i++) {
        char what[64];
        snprintf(what, sizeof what, "  with %.0f text%s", number(eng_json_at(views, i), "fields"),
                 i ? "s" : "");
        say_scores(&out, what, eng_json_at(views, i));
    }
    if (leak)
        eng_buf_format(&out, "  split by row it would have seemed %.4f\n",
                       number(leak, "accuracy_by_row"));
    say_classes(&out, m);
    if (eng_json_get(m, ENG_STR("test")))
        say_scores(&out, "test", eng_json_get(m, ENG_STR("test")));
    eng_buf_format(&out, "%s: %.2f MB\n", o->model, (double)t->bytes / 1e6);
    return eng_cli_flush(&out, err);
}

static bool show(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    eng_cli_progress(ctx, what, done, total, -1);
    return true;
}

static eng_status run(eng_cli *cli, eng_error *err)
{
    eng_train_text_options o = {.go_on = show, .ctx = cli};
    eng_trained *t = NULL;
    eng_status status = take_options(cli, &o, err);
    if (status == ENG_OK)
        status = eng_train_text(&o, &t, err);
    eng_cli_progress_end(cli);
    if (status == ENG_OK)
        status = say(cli, &o, t, err);
    eng_trained_free(t);
    return status;
}

/* ---- The rows of the table ---- */

static const eng_cli_option options[] = {
    {"--model", "FILE", "where to write the model (MODEL_PATH)", NULL},
    {"--metrics", "FILE", "where to write what it is worth, as JSON (METRICS_PATH)", NULL},
    {"--test", "FILE", "rows to score with the finished model (TEST_PRODUCTS_PATH)", NULL},
    {"--text", "COLUMNS", "columns of text, with commas; guessed: title, concatenated_tags, query",
     NULL},
    {"--number", "COLUMNS", "columns of numbers, with commas; none", NULL},
    {"--category", "COLUMN", "the column of categories; guessed: category", NULL},
    {"--group", "COLUMN", "rows of a group are never parted; guessed: product_id", NULL},
    {"--loss", "WHAT", "squared hinge (a linear SVM) or logistic: hinge|logistic",
     "hinge|logistic"},
    {"--cost", "NUMBER", "what an error costs; 0.3, logistic 4", NULL},
    {"--words", "N", "words in a row that make a feature: 1 or 2", NULL},
    {"--chars", "FROM-TO", "characters in a row that make one; 2-5, or none", NULL},
    {"--min-count", "N", "rows that a feature must be in", NULL},
    {"--balance", "NUMBER", "0: every row counts the same; 1: every category; 0.4", NULL},
    {"--refuse", "SHARE", "of products that may be called unknown; 0.03", NULL},
    {"--search", "SECONDS", "looks for better settings that long", NULL},
    {"--folds", "N", "of cross-validation; 5, or 1 for a part held back", NULL},
    {"--seed", "N", "of folds and orders; 0", NULL},
    {"--threads", "N", "the model is the same with any number", NULL},
    {"--strict", NULL, "a broken line is an error, rather than skipped and counted", NULL},
    {0},
};

static const eng_cli_command text = {
    .name = "text",
    .args = "[FILE]",
    .summary = "learns to put texts into categories, from a file of rows",
    .text =
        "FILE (DATASET_PATH) is CSV in any dialect, or JSON lines; plain, .gz or .xz. Groups are\n"
        "held back in turn to see how good it is; the model is then learned from all rows.",
    .example =
        "engenho train text produtos.csv --model produtos.engenho --metrics medidas.json\n"
        "engenho train text produtos.csv.xz --text title --group seller_id --model m.engenho",
    .options = options,
    .args_max = 1,
    .run = run,
};

static const eng_cli_command *const subs[] = {&text, NULL};

const eng_cli_command eng_cmd_train = {
    .name = "train",
    .args = "text",
    .summary = "learns from rows",
    .example = "engenho train text produtos.csv --model produtos.engenho",
    .subs = subs,
};
