/* engenho tune: settings by which a collection answers questions better. */
#include "base/error.h"
#include "cli/commands.h"
#include "cli/measured.h"

#include <math.h>

static const eng_json *member(const eng_json *v, const char *key)
{
    return eng_json_get(v, eng_str_of(key));
}

static bool is_true(const eng_json *v) { return eng_json_is(v, ENG_JSON_BOOL) && v->as.boolean; }

static double number_of(const eng_json *v)
{
    double n;
    return eng_json_number(v, &n) ? n : (double)NAN;
}

/* ---- Showing ---- */

static eng_str figure(eng_cli *cli, double n, int decimals)
{
    return isnan(n) ? ENG_STR("-") : eng_arena_format(&cli->arena, "%.*f", decimals, n);
}

static eng_status settings_text(eng_cli *cli, const eng_json *choice, eng_str *out, eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, 1 << 16);
    eng_json_writer w = eng_json_write_to(&text);
    eng_json_copy(&w, member(choice, "settings"));
    eng_status status = eng_buf_check(&text, "settings", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(&cli->arena, eng_buf_view(&text));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

static eng_status table(eng_cli *cli, const eng_json *result, eng_error *err)
{
    enum { COLUMNS = 9 };
    static const char *const heads[COLUMNS] = {"",         "QUALITY", "NDCG",  "FACTS",   "REFUSED",
                                               "ANSWERED", "P50 MS",  "CHUNK", "SETTINGS"};
    static const char *const names[] = {"current", "best"};
    eng_str cells[3 * COLUMNS];
    eng_status status = ENG_OK;
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = eng_str_of(heads[i]);
    for (size_t row = 0; row < 2 && status == ENG_OK; row++) {
        const eng_json *choice = member(result, names[row]);
        eng_str *c = cells + (row + 1) * COLUMNS;
        c[0] = eng_str_of(names[row]);
        c[1] = figure(cli, number_of(member(choice, "quality")), 3);
        c[2] = figure(cli, number_of(member(choice, "ndcg")), 3);
        c[3] = figure(cli, number_of(member(choice, "fact_recall")), 3);
        c[4] = figure(cli, number_of(member(member(choice, "abstention"), "recall")), 3);
        c[5] = figure(cli, number_of(member(choice, "grounded")), 3);
        c[6] = figure(cli, number_of(member(member(choice, "latency"), "p50")), 1);
        c[7] = eng_json_text(member(choice, "chunk"));
        status = settings_text(cli, choice, &c[8], err);
    }
    return status == ENG_OK ? eng_cli_table(cli, cells, COLUMNS, 3, err) : status;
}

static eng_status verdict(const eng_json *result, eng_error *err)
{
    eng_buf out;
    const eng_json *held_out = member(result, "held_out"), *interval = member(held_out, "interval");
    eng_buf_init(&out, 1 << 12);
    if (!eng_json_is(held_out, ENG_JSON_OBJECT)) {
        eng_buf_str(&out, ENG_STR("Too few questions to tell a gain from chance: what stands "
                                  "stays.\n"));
        return eng_cli_flush(&out, err);
    }
    eng_buf_format(&out,
                   "On questions that it was not found with: %.3f, what stands %.3f; a gain of "
                   "%+.3f (%+.3f to %+.3f).\n",
                   number_of(member(held_out, "found")), number_of(member(held_out, "current")),
                   number_of(member(held_out, "gain")), number_of(eng_json_at(interval, 0)),
                   number_of(eng_json_at(interval, 1)));
    if (is_true(member(result, "applied")))
        eng_buf_str(&out, ENG_STR("Applied; 'engenho tune --rollback' goes back.\n"));
    else if (is_true(member(result, "better")))
        eng_buf_str(&out, ENG_STR("More than chance; --apply puts it in place.\n"));
    else
        eng_buf_str(&out, ENG_STR("That may be chance: what stands stays.\n"));
    return eng_cli_flush(&out, err);
}

/* ---- Doing ---- */

static eng_status tune(eng_cli *cli, eng_error *err)
{
    eng_buf path;
    eng_str base;
    const eng_json *result = NULL;
    eng_status status = eng_cli_collection_path(cli, "/tune", &base, err);
    if (status < 0)
        return status;
    eng_buf_init(&path, 1 << 16);
    eng_buf_str(&path, base);
    if (eng_cli_option_value(cli, "--apply"))
        eng_buf_str(&path, ENG_STR("?apply=true"));
    eng_cli_add_query(cli, "--chunk", "chunk", &path);
    status = eng_buf_check(&path, "path", err);
    if (status == ENG_OK)
        status = eng_cli_ask_questions(cli, path.data, &result, err);
    eng_buf_clear(&path);
    if (status == ENG_OK)
        status = eng_cli_keep_result(cli, result, err);
    if (status == ENG_OK && cli->json)
        return eng_cli_print_json(result, err);
    if (status == ENG_OK)
        status = table(cli, result, err);
    return status == ENG_OK ? verdict(result, err) : status;
}

/* Where another way of cutting comes back, it takes a job. */
static eng_status roll_back(eng_cli *cli, eng_error *err)
{
    eng_str path, settings;
    eng_cli_session *s = NULL;
    const eng_json *reply = NULL, *ended;
    eng_status status = eng_cli_collection_path(cli, "/tune/rollback", &path, err);
    if (status == ENG_OK)
        status = eng_cli_session_open(cli, &s, err);
    if (status == ENG_OK)
        status = eng_cli_call(s, "POST", path.ptr, ENG_STR(""), &reply, err);
    const eng_json *job = member(reply, "job");
    if (status == ENG_OK && eng_json_is(job, ENG_JSON_INT))
        status = eng_cli_wait_job(s, job->as.integer, &ended, err);
    eng_str collection = status == ENG_OK ? eng_str_sub(path, 0, path.len - 14) : ENG_STR("");
    if (status == ENG_OK) { /* as it is now */
        collection = eng_arena_copy(&cli->arena, collection);
        status = collection.ptr ? eng_cli_call(s, "GET", collection.ptr, ENG_STR(""), &reply, err)
                                : eng_fail_nomem(err);
    }
    eng_cli_session_close(s);
    if (status == ENG_OK && cli->json)
        return eng_cli_print_json(reply, err);
    if (status == ENG_OK)
        status = settings_text(cli, reply, &settings, err);
    if (status < 0)
        return status;
    const eng_json *chunk = member(reply, "chunk");
    return eng_cli_print(
        eng_arena_format(&cli->arena, "Back: chunk %.0f/%.0f %.*s, settings %.*s\n",
                         number_of(member(chunk, "size")), number_of(member(chunk, "overlap")),
                         ENG_FMT(eng_json_text(member(chunk, "unit"))), ENG_FMT(settings)),
        err);
}

static eng_status run_tune(eng_cli *cli, eng_error *err)
{
    return eng_cli_option_value(cli, "--rollback") ? roll_back(cli, err) : tune(cli, err);
}

static const eng_cli_option options[] = {
    {"--questions", "FILE", "questions, as lines of JSON", NULL},
    {"--collection", "NAME", "whose settings are looked for; 'default' without it", NULL},
    {"--chunk", "LIST", "ways of cutting to try: 200/20,1000/100c; none: as it is cut", NULL},
    {"--apply", NULL, "put what is better in place; without it nothing is changed", NULL},
    {"--rollback", NULL, "go back to the settings before the last change", NULL},
    {"--out", "FILE", "keep the result there: as a page where the name ends in .html", NULL},
    {0},
};

const eng_cli_command eng_cmd_tune = {
    .name = "tune",
    .args = "",
    .summary = "looks for settings by which a collection answers questions better",
    .text =
        "Tries ways of cutting, weights of words and meaning, thresholds, numbers of passages and\n"
        "reranking on questions as eval takes them, beside the collection. What it finds is "
        "judged\n"
        "by questions that it was not found with; a gain that may be chance changes nothing. At "
        "least\n"
        "10 questions are needed for that, some without an answer among them.",
    .example = "engenho tune --questions perguntas.jsonl --collection manuais --out tuning.html",
    .options = options,
    .run = run_tune,
};
