/* engenho predict: all rows of a file with a model's file. */
#include "base/error.h"
#include "cli/commands.h"

enum { BAD_SHOWN = 20 };

typedef struct {
    eng_cli *cli;
    uint64_t bad;
} watcher;

static eng_status write_out(void *ctx, const char *bytes, size_t len, eng_error *err)
{
    (void)ctx;
    return eng_cli_print((eng_str){bytes, len}, err);
}

static void tell_bad(void *ctx, uint64_t row, const char *why)
{
    watcher *w = ctx;
    if (++w->bad <= BAD_SHOWN)
        fprintf(stderr, "row %llu: %s\n", (unsigned long long)row, why);
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    eng_cli_progress(((watcher *)ctx)->cli, "predicting", done, total, -1);
}

static eng_status predict(eng_cli *cli, eng_error *err)
{
    watcher w = {.cli = cli};
    uint64_t rows = 0, bad = 0;
    const eng_foresight what = {.model = eng_cli_option_value(cli, "--model"),
                                .data = cli->args[0],
                                .json = cli->json,
                                .probabilities = eng_cli_option_value(cli, "--proba") != NULL,
                                .write = write_out,
                                .bad = tell_bad,
                                .progress = show_progress,
                                .ctx = &w};
    if (!what.model)
        return eng_fail(err, ENG_EUSAGE, "--model FILE is missing");
    eng_status status = eng_foresee(&what, &rows, &bad, err);
    eng_cli_progress_end(cli);
    if (status == ENG_OK && bad)
        return eng_fail(err, ENG_EINVALID, "%llu of %llu rows could not be predicted",
                        (unsigned long long)bad, (unsigned long long)rows);
    return status;
}

static const eng_cli_option options[] = {
    {"--model", "FILE", "a model: .pkl, .joblib, or XGBoost's and LightGBM's own", NULL},
    {"--proba", NULL, "probabilities beside each prediction", NULL},
    {0},
};

const eng_cli_command eng_cmd_predict = {
    .name = "predict",
    .args = "DATA",
    .summary = "predicts every row of a CSV or NDJSON file",
    .text =
        "Columns go by the model's names, in any order; others are left out. Rows that cannot be\n"
        "predicted are told by number on standard error and left empty in the output. With --json\n"
        "each result is a line of JSON. Memory does not grow with the file.",
    .example = "engenho predict --model flight_delay.pkl flights.csv > delays.csv\n"
               "engenho predict --model churn.joblib --proba --json customers.ndjson",
    .options = options,
    .args_min = 1,
    .args_max = 1,
    .run = predict,
};
