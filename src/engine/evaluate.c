/*
 * Evaluation: questions whose answers are known, asked of a collection as anybody would ask them, run by
 * run. The questions are written down in DATA/spool, durable before the job is; cut off, it begins anew.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/probing.h"

#include <string.h>

enum { QUESTIONS_MAX = 256 << 20, RUNS_MAX = 64 };

static const char *const mode_names[] = {"hybrid", "dense", "bm25"};

/* ---- Asking for it ---- */

static void write_list(eng_json_writer *w, const char *name, const eng_str *items, size_t count)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        eng_json_string(w, items[i]);
    eng_json_close(w, ']');
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
    write_list(w, "models", what->models, what->model_count);
    write_list(w, "encoders", what->encoders, what->encoder_count);
    write_list(w, "chunks", what->chunks, what->chunk_count);
    eng_json_close(w, '}');
}

static size_t at_least_one(size_t n) { return n ? n : 1; }

static eng_status check(eng *e, eng_str collection, const eng_evaluation *what, eng_error *err)
{
    eng_arena arena;
    eng_str id;
    uint32_t dims;
    size_t runs = at_least_one(what->mode_count) * at_least_one(what->model_count) *
                  at_least_one(what->encoder_count) * at_least_one(what->chunk_count);
    if (runs > RUNS_MAX)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("mode"), "at most %d runs", RUNS_MAX);
    eng_status status = eng_probing_check(e, collection, what->chunks, what->chunk_count,
                                          what->questions, err);
    eng_arena_init(&arena, 1 << 12, NULL);
    for (size_t i = 0; i < what->encoder_count && status == ENG_OK; i++)
        status = eng_collection_model(e, what->encoders[i], &arena, &id, &dims, err);
    eng_arena_clear(&arena);
    return status;
}

eng_status eng_evaluate(eng *e, eng_str collection, const eng_evaluation *what, int64_t *job,
                        eng_error *err)
{
    char name[ENG_SPOOL_NAME];
    eng_buf params;
    eng_spool_name("questions", name);
    eng_status status = check(e, collection, what, err);
    if (status == ENG_OK)
        status = eng_spool_write(e, name, what->questions, err);
    if (status < 0)
        return status;
    eng_buf_init(&params, 1 << 16);
    eng_json_writer w = eng_json_write_to(&params);
    write_params(&w, collection, name, what);
    status = eng_spool_submit(e, "evaluate", name, &params, job, err);
    eng_buf_clear(&params);
    return status;
}

/* ---- One question ---- */

typedef struct {
    eng_job_run *run;
    eng_probing how; /* of the run that is on */
    const eng_probe *probes;
    size_t count;
    uint64_t done, total;
    eng_json_writer w; /* of the result */
    eng_measures first;
    size_t runs;
} evaluation;

typedef struct {
    const eng_json *list[4]; /* modes, models, encoders, chunks */
    size_t counts[4];        /* at least 1 */
} matrix;

enum { MODES, MODELS, ENCODERS, CHUNKS };

static bool stopped(void *ctx)
{
    const evaluation *v = ctx;
    return atomic_load_explicit(&v->run->stop, memory_order_relaxed);
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

static eng_status one_question(evaluation *v, const eng_probe *p, eng_outcome *o, eng_error *err)
{
    eng_answer *a = NULL;
    *o = (eng_outcome){0};
    eng_status status = eng_probing_look(&v->how, p, &o->rank, err);
    if (status == ENG_OK)
        status = eng_probing_ask(&v->how, p, o, &a, err);
    if (status == ENG_OK) {
        write_outcome(v, p, o, a);
        if (!eng_job_report(v->run, ++v->done, v->total))
            status = eng_fail(err, ENG_ECANCELLED, "cancelled");
    }
    eng_answer_free(a);
    return status;
}

/* ---- A run ---- */

/* Leaves the run's object open, for its measures. */
static eng_status ask_all(evaluation *v, eng_str name, eng_outcome *outcomes, eng_error *err)
{
    eng_status status = ENG_OK;
    eng_json_open(&v->w, '{');
    eng_json_member(&v->w, "name", name);
    eng_json_member(&v->w, "mode", eng_str_of(mode_names[v->how.mode]));
    eng_json_name(&v->w, ENG_STR("outcomes"));
    eng_json_open(&v->w, '[');
    for (size_t i = 0; i < v->count && status == ENG_OK; i++)
        status = one_question(v, &v->probes[i], &outcomes[i], err);
    eng_json_close(&v->w, ']');
    return status;
}

static eng_status do_run(evaluation *v, eng_str name, eng_error *err)
{
    eng_measures measured;
    eng_outcome *outcomes = eng_alloc_array(v->count, sizeof *outcomes);
    if (!outcomes)
        return eng_fail_nomem(err);
    eng_status status = ask_all(v, name, outcomes, err);
    if (status == ENG_OK)
        status = eng_measure_outcomes(v->probes, outcomes, v->count, &measured, err);
    if (status == ENG_OK)
        eng_measures_write(&v->w, &measured);
    if (status == ENG_OK && v->runs++ == 0)
        v->first = measured;
    eng_json_close(&v->w, '}');
    eng_free(outcomes);
    return status;
}

/* ---- All of them ---- */

static eng_search_mode mode_of(eng_str name)
{
    return eng_str_eq(name, ENG_STR("dense"))  ? ENG_SEARCH_DENSE
           : eng_str_eq(name, ENG_STR("bm25")) ? ENG_SEARCH_BM25
                                               : ENG_SEARCH_HYBRID;
}

static eng_str listed(const matrix *m, int which, size_t i)
{
    return eng_json_text(eng_json_at(m->list[which], i));
}

/* What was asked for, in the order of the lists: "hybrid, extract, 200/20". */
static eng_status name_run(evaluation *v, const matrix *m, const size_t at[4], eng_str *name,
                           eng_error *err)
{
    eng_arena *arena = &v->run->arena;
    eng_str s = eng_arena_copy(arena, eng_str_of(mode_names[mode_of(listed(m, MODES, at[MODES]))]));
    for (int i = MODELS; i <= CHUNKS && s.ptr; i++) {
        eng_str part = listed(m, i, at[i]);
        if (part.len)
            s = eng_arena_format(arena, "%.*s, %.*s", ENG_FMT(s), ENG_FMT(part));
    }
    *name = s;
    return s.ptr ? ENG_OK : eng_fail_nomem(err);
}

/* Where the questions of a chunking and an encoder are asked. */
static eng_status stand(evaluation *v, const matrix *m, const size_t at[4], eng_shadow *out,
                        eng_error *err)
{
    eng_store_collection row;
    eng_store_generation now;
    eng_cutting chunk;
    uint32_t dims;
    eng *e = v->run->e;
    eng_arena *arena = &v->run->arena;
    eng_str encoder = listed(m, ENCODERS, at[ENCODERS]), cut = listed(m, CHUNKS, at[CHUNKS]);
    eng_status status = eng_store_collection_get(e->store, v->how.collection, arena, &row, err);
    if (status == ENG_OK)
        status = eng_store_generation_get(e->store, row.generation, arena, &now, err);
    if (status == ENG_OK && encoder.len)
        status = eng_collection_model(e, encoder, arena, &now.model, &dims, err);
    if (status == ENG_OK && cut.len) {
        status = eng_cutting_parse(cut, &chunk, err);
        if (status == ENG_OK)
            status = eng_cutting_write(&chunk, arena, &now.cut, err);
    }
    return status == ENG_OK ? eng_shadow_make(v->run, &row, now.cut, now.model, out, err) : status;
}

static eng_status do_stand(evaluation *v, const matrix *m, size_t at[4], eng_error *err)
{
    eng_shadow shadow;
    eng_status status = stand(v, m, at, &shadow, err);
    if (status < 0)
        return status;
    v->how.trial.shelf = shadow.shelf;
    for (at[MODES] = 0; at[MODES] < m->counts[MODES]; at[MODES]++) {
        for (at[MODELS] = 0; at[MODELS] < m->counts[MODELS] && status == ENG_OK; at[MODELS]++) {
            eng_str name;
            v->how.mode = mode_of(listed(m, MODES, at[MODES]));
            v->how.model = listed(m, MODELS, at[MODELS]);
            status = name_run(v, m, at, &name, err);
            if (status == ENG_OK)
                status = do_run(v, name, err);
        }
    }
    eng_shadow_free(v->run, &shadow, false);
    return status;
}

/* The measures of the first run stand in the result itself too: most evaluations have one. */
static eng_status do_runs(evaluation *v, eng_error *err)
{
    static const char *const names[] = {"modes", "models", "encoders", "chunks"};
    size_t at[4];
    matrix m;
    eng_status status = ENG_OK;
    v->total = v->count;
    for (int i = 0; i < 4; i++) {
        m.list[i] = eng_json_get(v->run->params, eng_str_of(names[i]));
        m.counts[i] = at_least_one(eng_json_count(m.list[i]));
        v->total *= m.counts[i];
    }
    eng_json_name(&v->w, ENG_STR("runs"));
    eng_json_open(&v->w, '[');
    for (at[ENCODERS] = 0; at[ENCODERS] < m.counts[ENCODERS]; at[ENCODERS]++)
        for (at[CHUNKS] = 0; at[CHUNKS] < m.counts[CHUNKS] && status == ENG_OK; at[CHUNKS]++)
            status = do_stand(v, &m, at, err);
    eng_json_close(&v->w, ']');
    if (status == ENG_OK)
        eng_measures_write(&v->w, &v->first);
    return status;
}

static eng_status evaluate(evaluation *v, eng_error *err)
{
    char now[ENG_TIME_SIZE];
    eng_time_format(eng_clock_wall_ms(), now);
    v->w = eng_json_write_to(&v->run->result);
    eng_json_open(&v->w, '{');
    eng_json_member(&v->w, "kind", ENG_STR("evaluation"));
    eng_json_member(&v->w, "collection", v->how.collection);
    eng_json_member(&v->w, "time", eng_str_of(now));
    eng_status status = do_runs(v, err);
    eng_json_close(&v->w, '}');
    return status;
}

eng_status eng_evaluate_run(eng_job_run *run, eng_error *err)
{
    const eng_json *top_k = eng_json_get(run->params, ENG_STR("top_k"));
    evaluation v = {.run = run};
    v.how = (eng_probing){
        .e = run->e,
        .collection = eng_json_text(eng_json_get(run->params, ENG_STR("collection"))),
        .top_k = eng_json_is(top_k, ENG_JSON_INT) ? (unsigned)top_k->as.integer : 0,
        .cancelled = stopped,
        .ctx = &v};
    eng_buf lines;
    eng_probe *probes = NULL;
    eng_buf_init(&lines, QUESTIONS_MAX);
    eng_status status = eng_spool_read(run, QUESTIONS_MAX, &lines, err);
    if (status == ENG_OK)
        status = eng_probes_read(eng_buf_view(&lines), &run->arena, &probes, &v.count, err);
    v.probes = probes;
    if (status == ENG_OK)
        status = evaluate(&v, err);
    eng_spool_end(run, status);
    eng_buf_clear(&lines);
    return status;
}
