/*
 * Evaluation: questions whose answers are known, asked of a collection as anybody would ask them, run by
 * run. The questions are written down in DATA/spool, durable before the job is; cut off, it begins anew.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/knowledge.h"
#include "rag/rag.h"

#include <string.h>
#include <unistd.h>

enum { QUESTIONS_MAX = 256 << 20, RUNS_MAX = 64, RESPONSE_MAX = 1 << 20 };

static const char *const mode_names[] = {"hybrid", "dense", "bm25"};

/* ---- Asking for it ---- */

static char *spool_path(const eng *e, const char *name)
{
    char *dir = eng_path_join(e->data, "spool");
    char *path = dir ? eng_path_join(dir, name) : NULL;
    eng_free(dir);
    return path;
}

static eng_status write_questions(const eng *e, const char *name, eng_str lines, eng_error *err)
{
    char *dir = eng_path_join(e->data, "spool"), *path = spool_path(e, name);
    eng_status status = dir && path ? eng_dir_make(dir, 0700, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_file_write(path, lines, 0600, err);
    eng_free(dir);
    eng_free(path);
    return status;
}

static void write_params(eng_json_writer *w, eng_str collection, const char *spool,
                         const eng_evaluation *what)
{
    eng_json_open(w, '{');
    eng_json_member(w, "collection", collection);
    eng_json_member(w, "spool", eng_str_of(spool));
    eng_json_name(w, ENG_STR("top_k"));
    eng_json_uint(w, what->top_k);
    eng_json_name(w, ENG_STR("modes"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < what->mode_count; i++)
        eng_json_string(w, eng_str_of(mode_names[what->modes[i]]));
    eng_json_close(w, ']');
    eng_json_name(w, ENG_STR("models"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < what->model_count; i++)
        eng_json_string(w, what->models[i]);
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

/* Found before the job is made, so that who asked is told at once. */
static eng_status check(eng *e, eng_str collection, const eng_evaluation *what, eng_error *err)
{
    eng_arena arena;
    eng_probe *probes;
    size_t count, modes = what->mode_count ? what->mode_count : 1;
    eng_collection *c = NULL;
    if (modes * (what->model_count ? what->model_count : 1) > RUNS_MAX)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("mode"), "at most %d runs", RUNS_MAX);
    eng_status status = eng_collection_get(e, collection, &c, err);
    eng_collection_free(c);
    eng_arena_init(&arena, 1 << 16, NULL);
    if (status == ENG_OK)
        status = eng_probes_read(what->questions, &arena, &probes, &count, err);
    eng_arena_clear(&arena);
    return status;
}

eng_status eng_evaluate(eng *e, eng_str collection, const eng_evaluation *what, int64_t *job,
                        eng_error *err)
{
    char id[ENG_ID_SIZE], name[ENG_ID_SIZE + 16];
    eng_buf params;
    eng_random_id(id, sizeof id - 1);
    snprintf(name, sizeof name, "%s.questions", id);
    eng_status status = check(e, collection, what, err);
    if (status == ENG_OK)
        status = write_questions(e, name, what->questions, err);
    if (status < 0)
        return status;
    eng_buf_init(&params, 1 << 16);
    eng_json_writer w = eng_json_write_to(&params);
    write_params(&w, collection, name, what);
    status = eng_buf_check(&params, "job", err);
    if (status == ENG_OK)
        status = eng_job_submit(e, "evaluate", eng_buf_view(&params), job, err);
    eng_buf_clear(&params);
    if (status < 0) {
        char *path = spool_path(e, name);
        if (path)
            unlink(path);
        eng_free(path);
    }
    return status;
}

/* ---- One question ---- */

typedef struct {
    eng_job_run *run;
    eng_str collection;
    unsigned top_k;
    const eng_probe *probes;
    size_t count;
    uint64_t done, total;
    eng_json_writer w; /* of the result */
} evaluation;

typedef struct {
    eng_search_mode mode;
    eng_str model; /* empty: the usual */
    eng_str name;
} one_run;

static bool stopped(void *ctx)
{
    const evaluation *v = ctx;
    return atomic_load_explicit(&v->run->stop, memory_order_relaxed);
}

/* By its document where that is known; else with how many passages all facts are there. */
static eng_status rank_of(const eng_probe *p, const eng_results *found, size_t *rank,
                          eng_error *err)
{
    eng_buf seen;
    size_t have = 0;
    eng_status status = ENG_OK;
    *rank = 0;
    eng_buf_init(&seen, 64 << 20);
    for (size_t i = 0; i < found->count && !*rank && status == ENG_OK; i++) {
        if (p->document.len) {
            *rank = eng_str_eq(eng_str_of(found->items[i].document), p->document) ? i + 1 : 0;
            continue;
        }
        if (!p->fact_count)
            break;
        eng_buf_str(&seen, eng_str_of(found->items[i].text));
        eng_buf_byte(&seen, '\n');
        status = eng_buf_check(&seen, "passages", err);
        if (status == ENG_OK)
            status = eng_facts_found(p, eng_buf_view(&seen), &have, err);
        *rank = have == p->fact_count ? i + 1 : 0;
    }
    eng_buf_clear(&seen);
    return status;
}

static eng_status look_for(evaluation *v, const one_run *r, const eng_probe *p, eng_outcome *o,
                           eng_error *err)
{
    eng_results *found = NULL;
    eng_search_query q = {.text = p->question,
                          .top_k = ENG_MEASURE_DEPTH,
                          .mode = r->mode,
                          .filter = {NULL, 0},
                          .group_by_document = p->document.len > 0,
                          .cancelled = stopped,
                          .ctx = v};
    eng_status status = eng_search(v->run->e, v->collection, &q, &found, err);
    if (status == ENG_OK)
        status = rank_of(p, found, &o->rank, err);
    eng_results_free(found);
    return status;
}

static eng_status answer(evaluation *v, const one_run *r, const eng_probe *p, eng_answer **out,
                         eng_outcome *o, eng_error *err)
{
    uint64_t began = eng_clock_ns();
    eng_ask what = {.question = p->question,
                    .mode = r->mode,
                    .top_k = v->top_k,
                    .filter = {NULL, 0},
                    .language = {NULL, 0},
                    .model = r->model.len ? r->model : (eng_str){NULL, 0},
                    .cancelled = stopped,
                    .ctx = v};
    eng_status status = eng_ask_wait(v->run->e, v->collection, &what, out, err);
    if (status < 0)
        return status;
    o->ms = (double)(eng_clock_ns() - began) / 1e6;
    o->grounded = (*out)->grounded;
    o->tokens = (*out)->prompt_tokens + (*out)->completion_tokens;
    return o->grounded ? eng_facts_found(p, eng_str_of((*out)->response), &o->facts, err) : ENG_OK;
}

static void write_outcome(evaluation *v, const eng_probe *p, const eng_outcome *o,
                          const eng_answer *a)
{
    eng_json_writer *w = &v->w;
    eng_json_open(w, '{');
    eng_json_member(w, "question", p->question);
    eng_json_name(w, ENG_STR("answerable"));
    eng_json_bool(w, p->answerable);
    eng_json_name(w, ENG_STR("rank"));
    if (o->rank)
        eng_json_uint(w, o->rank);
    else
        eng_json_null(w);
    eng_json_name(w, ENG_STR("facts"));
    eng_json_uint(w, p->fact_count);
    eng_json_name(w, ENG_STR("facts_found"));
    eng_json_uint(w, o->facts);
    eng_json_name(w, ENG_STR("grounded"));
    eng_json_bool(w, o->grounded);
    eng_json_member(w, "response", eng_str_of(a->response));
    if (a->brief)
        eng_json_member(w, "short", eng_str_of(a->brief));
    eng_json_name(w, ENG_STR("confidence"));
    eng_json_double(w, a->confidence);
    eng_json_name(w, ENG_STR("ms"));
    eng_json_double(w, o->ms);
    eng_json_name(w, ENG_STR("tokens"));
    eng_json_uint(w, o->tokens);
    eng_json_close(w, '}');
}

static eng_status one_question(evaluation *v, const one_run *r, const eng_probe *p, eng_outcome *o,
                               eng_error *err)
{
    eng_answer *a = NULL;
    *o = (eng_outcome){0};
    eng_status status = look_for(v, r, p, o, err);
    if (status == ENG_OK)
        status = answer(v, r, p, &a, o, err);
    if (status == ENG_OK) {
        write_outcome(v, p, o, a);
        if (!eng_job_report(v->run, ++v->done, v->total))
            status = eng_fail(err, ENG_ECANCELLED, "cancelled");
    }
    eng_answer_free(a);
    return status;
}

/* ---- A run, and all of them ---- */

/* Leaves the run's object open, for its measures. */
static eng_status ask_all(evaluation *v, const one_run *r, eng_outcome *outcomes, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_json_open(&v->w, '{');
    eng_json_member(&v->w, "name", r->name);
    eng_json_member(&v->w, "mode", eng_str_of(mode_names[r->mode]));
    eng_json_name(&v->w, ENG_STR("outcomes"));
    eng_json_open(&v->w, '[');
    for (size_t i = 0; i < v->count && status == ENG_OK; i++)
        status = one_question(v, r, &v->probes[i], &outcomes[i], err);
    eng_json_close(&v->w, ']');
    return status;
}

static eng_status do_run(evaluation *v, const one_run *r, eng_measures *measured, eng_error *err)
{
    eng_outcome *outcomes = eng_alloc_array(v->count, sizeof *outcomes);
    if (!outcomes)
        return eng_fail_nomem(err);
    eng_status status = ask_all(v, r, outcomes, err);
    if (status == ENG_OK)
        status = eng_measure_outcomes(v->probes, outcomes, v->count, measured, err);
    if (status == ENG_OK)
        eng_measures_write(&v->w, measured);
    eng_json_close(&v->w, '}');
    eng_free(outcomes);
    return status;
}

static eng_search_mode mode_at(const eng_json *modes, size_t i)
{
    eng_str name = eng_json_text(eng_json_at(modes, i));
    return eng_str_eq(name, ENG_STR("dense"))  ? ENG_SEARCH_DENSE
           : eng_str_eq(name, ENG_STR("bm25")) ? ENG_SEARCH_BM25
                                               : ENG_SEARCH_HYBRID;
}

static eng_status name_run(evaluation *v, one_run *r, eng_error *err)
{
    const char *mode = mode_names[r->mode];
    r->name = r->model.len ? eng_arena_format(&v->run->arena, "%s, %.*s", mode, ENG_FMT(r->model))
                           : eng_arena_copy(&v->run->arena, eng_str_of(mode));
    return r->name.ptr ? ENG_OK : eng_fail_nomem(err);
}

/* The measures of the first run stand in the result itself too: most evaluations have one. */
static eng_status do_runs(evaluation *v, eng_error *err)
{
    const eng_json *modes = eng_json_get(v->run->params, ENG_STR("modes"));
    const eng_json *models = eng_json_get(v->run->params, ENG_STR("models"));
    size_t mode_count = eng_json_count(modes) ? eng_json_count(modes) : 1;
    size_t model_count = eng_json_count(models) ? eng_json_count(models) : 1;
    eng_measures first = {0}, other;
    eng_status status = ENG_OK;
    v->total = mode_count * model_count * v->count;
    eng_json_name(&v->w, ENG_STR("runs"));
    eng_json_open(&v->w, '[');
    for (size_t i = 0; i < mode_count * model_count && status == ENG_OK; i++) {
        one_run r = {.mode = mode_at(modes, i / model_count),
                     .model = eng_json_text(eng_json_at(models, i % model_count))};
        status = name_run(v, &r, err);
        if (status == ENG_OK)
            status = do_run(v, &r, i ? &other : &first, err);
    }
    eng_json_close(&v->w, ']');
    if (status == ENG_OK)
        eng_measures_write(&v->w, &first);
    return status;
}

static eng_status evaluate(evaluation *v, eng_error *err)
{
    char now[ENG_TIME_SIZE];
    eng_time_format(eng_clock_wall_ms(), now);
    v->w = eng_json_write_to(&v->run->result);
    eng_json_open(&v->w, '{');
    eng_json_member(&v->w, "kind", ENG_STR("evaluation"));
    eng_json_member(&v->w, "collection", v->collection);
    eng_json_member(&v->w, "time", eng_str_of(now));
    eng_status status = do_runs(v, err);
    eng_json_close(&v->w, '}');
    return status;
}

eng_status eng_evaluate_run(eng_job_run *run, eng_error *err)
{
    const eng_json *top_k = eng_json_get(run->params, ENG_STR("top_k"));
    evaluation v = {.run = run,
                    .collection = eng_json_text(eng_json_get(run->params, ENG_STR("collection"))),
                    .top_k = eng_json_is(top_k, ENG_JSON_INT) ? (unsigned)top_k->as.integer : 0};
    eng_buf lines;
    eng_probe *probes = NULL;
    eng_buf_init(&lines, QUESTIONS_MAX);
    char *path = spool_path(run->e, eng_json_text(eng_json_get(run->params, ENG_STR("spool"))).ptr);
    eng_status status = path ? eng_file_read(path, QUESTIONS_MAX, &lines, err)
                             : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_probes_read(eng_buf_view(&lines), &run->arena, &probes, &v.count, err);
    v.probes = probes;
    if (status == ENG_OK)
        status = evaluate(&v, err);
    /* One that only stops because the program does goes on with it. */
    if (path && !(status == ENG_ECANCELLED && !atomic_load(&run->cancelled)))
        unlink(path);
    eng_free(path);
    eng_buf_clear(&lines);
    return status;
}
