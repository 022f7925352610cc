/* engenho bench: what this machine does with this program. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "net/net.h"
#include "serve/serve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAUGES = 64, CALLS = 300, PASSAGES_MAX = 1000000, TIMEOUT_MS = 60000 };

typedef struct {
    eng_cli *cli;
    eng_gauge gauges[GAUGES];
    size_t count;
} found;

static void take(void *ctx, const eng_gauge *g)
{
    found *f = ctx;
    if (f->count < GAUGES)
        f->gauges[f->count++] = *g;
    eng_cli_progress(f->cli, g->group, f->count, 0, -1);
}

/* ---- HTTP ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* One call after the other, over a socket and with a client of our own: both sides count. */
static eng_status time_calls(const eng_serve *server, found *f, eng_error *err)
{
    double us[CALLS];
    eng_http_client *client = NULL;
    eng_str url = eng_arena_format(&f->cli->arena, "%s/livez", eng_serve_url(server, 0));
    eng_http_client_options options = {.user_agent = "engenho/" ENG_VERSION};
    eng_status status = url.ptr ? eng_http_client_new(&options, &client, err) : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < CALLS; i++) {
        eng_http_answer got = {0};
        eng_http_call call = {.url = url.ptr, .trusted = true, .timeout_ms = TIMEOUT_MS};
        uint64_t from = eng_clock_ns();
        status = eng_http_fetch(client, &call, &got, err);
        us[i] = (double)(eng_clock_ns() - from) / 1e3;
        eng_http_answer_clear(&got);
    }
    eng_http_client_free(client);
    if (status < 0)
        return status;
    qsort(us, CALLS, sizeof *us, by_size);
    take(f, &(eng_gauge){"http", "GET /livez, one client's round trip, p50", "us", us[CALLS / 2]});
    return ENG_OK;
}

static eng_status time_http(eng *e, found *f, eng_error *err)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    eng_serve *server = NULL;
    eng_serve_options options = {.listen = listen, .loops = 1, .workers = 1};
    eng_status status = eng_serve_new(e, &options, &server, err);
    if (status == ENG_OK)
        status = eng_serve_start(server, err);
    if (status == ENG_OK) {
        status = time_calls(server, f, err);
        eng_serve_stop(server);
    }
    eng_serve_free(server);
    return status;
}

/* ---- Measuring ---- */

static eng_status measure_at(eng_cli *cli, const char *folder, found *f, eng_bench *what,
                             eng_error *err)
{
    const char *data;
    eng *e = NULL;
    eng_status status = eng_cli_data(cli, &data, err);
    if (status < 0)
        return status;
    /* The models that are installed here are looked at, and nothing else of the data. */
    eng_options options = eng_cli_engine_options(cli, folder);
    eng_str models = eng_arena_format(&cli->arena, "%s/models", data);
    if (!options.models)
        options.models = models.ptr;
    options.text_model = NULL;
    status = models.ptr ? eng_open(&options, &e, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_bench_run(e, what, err);
    if (status == ENG_OK)
        status = time_http(e, f, err);
    eng_close(e);
    return status;
}

static eng_status measure(eng_cli *cli, found *f, eng_bench *what, eng_error *err)
{
    const char *tmp = getenv("TMPDIR");
    eng_str folder = eng_arena_format(&cli->arena, "%s/engenho-bench-XXXXXX",
                                      tmp && *tmp ? tmp : "/tmp");
    if (!folder.ptr)
        return eng_fail_nomem(err);
    if (!mkdtemp((char *)(uintptr_t)folder.ptr))
        return eng_fail_errno(err, errno, "cannot make '%s'", folder.ptr);
    eng_status status = measure_at(cli, folder.ptr, f, what, err);
    eng_status removed = eng_dir_remove(folder.ptr, status == ENG_OK ? err : NULL);
    eng_cli_progress_end(cli);
    return status == ENG_OK ? removed : status;
}

/* ---- Showing ---- */

static eng_str figure(eng_cli *cli, double v)
{
    if (isnan(v))
        return ENG_STR("-");
    return eng_arena_format(&cli->arena, "%.*f", v < 10 ? 2 : v < 1000 ? 1 : 0, v);
}

static eng_status show(eng_cli *cli, const eng_machine *m, const found *f, eng_error *err)
{
    enum { COLUMNS = 4 };
    eng_buf head;
    eng_str *cells = eng_arena_array(&cli->arena, (f->count + 1) * COLUMNS, sizeof *cells);
    if (!cells)
        return eng_fail_nomem(err);
    eng_buf_init(&head, 1 << 12);
    eng_buf_format(&head, "%s, %u threads, kernels %s, engenho %s\n", m->processor, m->threads,
                   m->kernels, ENG_VERSION);
    eng_status status = eng_cli_flush(&head, err);
    cells[0] = ENG_STR("WHAT");
    cells[1] = ENG_STR("HOW");
    cells[2] = ENG_STR("VALUE");
    cells[3] = ENG_STR("UNIT");
    for (size_t i = 0; i < f->count; i++) {
        eng_str *c = cells + (i + 1) * COLUMNS;
        c[0] = eng_str_of(f->gauges[i].group);
        c[1] = eng_str_of(f->gauges[i].what);
        c[2] = figure(cli, f->gauges[i].value);
        c[3] = eng_str_of(f->gauges[i].unit);
    }
    return status == ENG_OK ? eng_cli_table(cli, cells, COLUMNS, f->count + 1, err) : status;
}

static eng_status show_json(const eng_machine *m, const found *f, eng_error *err)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 16);
    eng_json_writer w = eng_json_write_to(&out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "processor", eng_str_of(m->processor));
    eng_json_name(&w, ENG_STR("threads"));
    eng_json_uint(&w, m->threads);
    eng_json_member(&w, "kernels", eng_str_of(m->kernels));
    eng_json_member(&w, "version", ENG_STR(ENG_VERSION));
    eng_json_name(&w, ENG_STR("results"));
    eng_json_open(&w, '[');
    for (size_t i = 0; i < f->count; i++) {
        eng_json_open(&w, '{');
        eng_json_member(&w, "group", eng_str_of(f->gauges[i].group));
        eng_json_member(&w, "what", eng_str_of(f->gauges[i].what));
        eng_json_name(&w, ENG_STR("value"));
        eng_json_double(&w, f->gauges[i].value);
        eng_json_member(&w, "unit", eng_str_of(f->gauges[i].unit));
        eng_json_close(&w, '}');
    }
    eng_json_close(&w, ']');
    eng_json_close(&w, '}');
    eng_buf_byte(&out, '\n');
    return eng_cli_flush(&out, err);
}

static eng_status run_bench(eng_cli *cli, eng_error *err)
{
    eng_machine machine;
    found f = {.cli = cli};
    const char *passages = eng_cli_option_value(cli, "--passages");
    char *end = NULL;
    unsigned long n = passages ? strtoul(passages, &end, 10) : 0;
    if (passages && (*passages < '1' || *passages > '9' || *end || n > PASSAGES_MAX))
        return eng_fail(err, ENG_EUSAGE, "--passages: expected 1 to %d, got '%s'", PASSAGES_MAX,
                        passages);
    eng_bench what = {.passages = n,
                      .model = eng_cli_option_value(cli, "--model"),
                      .text_model = eng_cli_option_value(cli, "--text-model"),
                      .found = take,
                      .ctx = &f};
    eng_machine_about(&machine);
    eng_status status = measure(cli, &f, &what, err);
    if (status < 0)
        return status;
    return cli->json ? show_json(&machine, &f, err) : show(cli, &machine, &f, err);
}

static const eng_cli_option options[] = {
    {"--passages", "N", "of the collection that is made up and searched; 500 without it", NULL},
    {"--model", "FILE", "a table's model to predict with; without it the dummy", NULL},
    {"--text-model", "FILE", "a model of texts to categorise with; without it none", NULL},
    {0},
};

const eng_cli_command eng_cmd_bench = {
    .name = "bench",
    .args = "",
    .summary = "measures what this machine does: embedding, searching, predicting, answering",
    .text = "Takes some seconds, in a temporary folder that is removed; of the data only the "
            "installed\n"
            "models are read. Texts are made up. What else runs on the machine shows in the "
            "figures.",
    .example = "engenho bench --passages 2000",
    .options = options,
    .run = run_bench,
};
