/*
 * Tuning: a collection's settings and its way of cutting are searched for by questions whose answers are
 * known (learn/tune.h says how), each choice asked in earnest. Ways of cutting are tried beside the collection
 * (shadow.c), which answers meanwhile as ever; what was found takes its place in one instant, or not at all.
 *
 *     knobs: way of cutting, weights of the fusion, passages of an answer, thresholds of passages and of
 *     confidence, reranking. The first value of each is what stands.
 *
 * Whether an answer is given is decided by its confidence alone, so one asking tells what every threshold of
 * it would do.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/probing.h"
#include "engine/tune_internal.h"

#include <math.h>
#include <string.h>

enum {
    QUESTIONS_MAX = 256 << 20,
    ASKED_MAX = 1000, /* questions; of more, evenly drawn ones */
    PASSAGES_MAX = 20000
};

/* Answers are asked for whatever their confidence. */
static const double ANY_CONFIDENCE = 1e-9;

/* ---- Asking for it ---- */

static void write_params(eng_json_writer *w, eng_str collection, const char *spool,
                         const eng_tune *what)
{
    eng_json_open(w, '{');
    eng_json_member(w, "collection", collection);
    eng_json_member(w, "spool", eng_str_of(spool));
    eng_json_name(w, ENG_STR("apply"));
    eng_json_bool(w, what->apply);
    eng_json_name(w, ENG_STR("same_chunk"));
    eng_json_bool(w, what->same_chunk);
    eng_json_name(w, ENG_STR("chunks"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < what->chunk_count; i++)
        eng_json_string(w, what->chunks[i]);
    eng_json_close(w, ']');
    eng_json_close(w, '}');
}

eng_status eng_tune_begin(eng *e, eng_str collection, const eng_tune *what, int64_t *job,
                          eng_error *err)
{
    char name[ENG_SPOOL_NAME];
    eng_buf params;
    eng_spool_name("questions", name);
    eng_status status = ENG_OK;
    if (what->chunk_count >= ENG_KNOB_VALUES)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("chunk"), "at most %d of them",
                                ENG_KNOB_VALUES - 1);
    if (status == ENG_OK)
        status = eng_probing_check(e, collection, what->chunks, what->chunk_count, what->questions,
                                   err);
    if (status == ENG_OK)
        status = eng_spool_write(e, name, what->questions, err);
    if (status < 0)
        return status;
    eng_buf_init(&params, 1 << 16);
    eng_json_writer w = eng_json_write_to(&params);
    write_params(&w, collection, name, what);
    status = eng_spool_submit(e, "tune", name, &params, job, err);
    eng_buf_clear(&params);
    return status;
}

/* ---- Knobs ---- */

static bool same_cutting(const eng_cutting *a, const eng_cutting *b)
{
    return a->size == b->size && a->overlap == b->overlap && a->characters == b->characters;
}

static void add_way(eng_tuning_run *t, eng_str text)
{
    eng_cutting chunk;
    if (eng_cutting_parse(text, &chunk, NULL) < 0 || t->values[ENG_KNOB_CHUNK] == ENG_KNOB_VALUES)
        return;
    for (size_t i = 0; i < t->values[ENG_KNOB_CHUNK]; i++)
        if (same_cutting(&t->ways[i].chunk, &chunk))
            return;
    t->ways[t->values[ENG_KNOB_CHUNK]++].chunk = chunk;
}

/* As named, or some around what is usual; in a large collection, which takes long to embed, only as
 * named. */
static void set_ways(eng_tuning_run *t, const eng_json *params)
{
    static const char *const usual[2][4] = {{"120/12", "200/20", "250/60", "350/35"},
                                            {"500/50c", "800/80c", "1000/250c", "1500/150c"}};
    const eng_json *named = eng_json_get(params, ENG_STR("chunks"));
    const eng_json *same = eng_json_get(params, ENG_STR("same_chunk"));
    bool as_it_is = eng_json_is(same, ENG_JSON_BOOL) && same->as.boolean;
    for (size_t i = 0; i < eng_json_count(named); i++)
        add_way(t, eng_json_text(eng_json_at(named, i)));
    if (eng_json_count(named) || as_it_is || t->row.passages > PASSAGES_MAX)
        return;
    for (size_t i = 0; i < 4; i++)
        add_way(t, eng_str_of(usual[t->ways[0].chunk.characters][i]));
}

static bool same_weights(const double a[ENG_MODES], const double b[ENG_MODES])
{
    return memcmp(a, b, ENG_MODES * sizeof *a) == 0;
}

static void add_weights(eng_tuning_run *t, const double weight[ENG_MODES])
{
    size_t n = t->values[ENG_KNOB_WEIGHTS];
    for (size_t i = 0; i < n; i++)
        if (same_weights(t->weights[i], weight))
            return;
    memcpy(t->weights[n], weight, sizeof t->weights[n]);
    t->values[ENG_KNOB_WEIGHTS]++;
}

static void add_number(eng_tuning_run *t, int knob, double *values, double value)
{
    for (size_t i = 0; i < t->values[knob]; i++)
        if (fabs(values[i] - value) < 1e-6)
            return;
    values[t->values[knob]++] = value;
}

/* What stands, then the others. */
static void set_numbers(eng_tuning_run *t)
{
    static const double weights[][ENG_MODES] = {{0, 0, 0},       {0.5, 0.5, 0},   {0.4, 0.4, 0.2},
                                                {0.5, 0.1, 0.4}, {0.3, 0.3, 0.4}, {0.2, 0.2, 0.6},
                                                {0.1, 0.1, 0.8}};
    static const double top_k[] = {0, 4, 8, 16, 24};
    static const double thresholds[] = {0, 0.1, 0.2, 0.3};
    static const double confidences[] = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
    add_weights(t, t->now.weight);
    for (size_t i = 0; t->vectors && i < sizeof weights / sizeof *weights; i++)
        add_weights(t, weights[i]);
    add_number(t, ENG_KNOB_TOP_K, t->top_k, t->now.top_k);
    for (size_t i = 0; i < sizeof top_k / sizeof *top_k; i++)
        add_number(t, ENG_KNOB_TOP_K, t->top_k, top_k[i]);
    add_number(t, ENG_KNOB_THRESHOLD, t->threshold, t->now.threshold);
    for (size_t i = 0; t->vectors && i < sizeof thresholds / sizeof *thresholds; i++)
        add_number(t, ENG_KNOB_THRESHOLD, t->threshold, thresholds[i]);
    add_number(t, ENG_KNOB_CONFIDENCE, t->confidence, t->now.confidence);
    for (size_t i = 0; i < sizeof confidences / sizeof *confidences; i++)
        add_number(t, ENG_KNOB_CONFIDENCE, t->confidence, confidences[i]);
    t->values[ENG_KNOB_RERANK] = t->reranker ? 2 : 1;
}

eng_tuning eng_tune_settings(const eng_tuning_run *t, const eng_choice *choice)
{
    eng_tuning s = {.threshold = t->threshold[choice->value[ENG_KNOB_THRESHOLD]],
                    .confidence = t->confidence[choice->value[ENG_KNOB_CONFIDENCE]],
                    .top_k = (unsigned)t->top_k[choice->value[ENG_KNOB_TOP_K]],
                    .rerank = t->now.rerank != (choice->value[ENG_KNOB_RERANK] == 1)};
    memcpy(s.weight, t->weights[choice->value[ENG_KNOB_WEIGHTS]], sizeof s.weight);
    return s;
}

/* ---- What a choice is worth ---- */

/* Its confidence's threshold does not matter here. NULL: no memory. */
static eng_trial_of_choice *find_trial(eng_tuning_run *t, const eng_choice *choice)
{
    eng_choice key = *choice;
    key.value[ENG_KNOB_CONFIDENCE] = 0;
    for (eng_trial_of_choice *x = t->trials; x; x = x->next)
        if (memcmp(&x->choice, &key, sizeof key) == 0)
            return x;
    eng_trial_of_choice *x = eng_arena_zalloc(&t->run->arena, sizeof *x);
    if (x)
        x->asked = eng_arena_zalloc(&t->run->arena, t->count * sizeof *x->asked);
    if (!x || !x->asked)
        return NULL;
    x->choice = key;
    x->next = t->trials;
    t->trials = x;
    return x;
}

static bool stopped(void *ctx)
{
    const eng_tuning_run *t = ctx;
    return atomic_load_explicit(&t->run->stop, memory_order_relaxed);
}

static eng_status make_way(eng_tuning_run *t, size_t i, eng_error *err)
{
    eng_way *way = &t->ways[i];
    eng_str cut;
    if (way->made)
        return ENG_OK;
    eng_status status = eng_cutting_write(&way->chunk, &t->run->arena, &cut, err);
    if (status == ENG_OK)
        status = eng_shadow_make(t->run, &t->row, cut, t->generation.model, &way->shadow, err);
    way->made = status == ENG_OK;
    return status;
}

static eng_status ask(eng_tuning_run *t, const eng_choice *choice, const eng_probe *p,
                      eng_asked_once *out, eng_error *err)
{
    eng_answer *a = NULL;
    eng_asked_once once = {.there = true};
    eng_tuning tuning = eng_tune_settings(t, choice);
    size_t way = choice->value[ENG_KNOB_CHUNK];
    tuning.confidence = ANY_CONFIDENCE;
    eng_status status = make_way(t, way, err);
    eng_probing how = {.e = t->run->e,
                       .collection = t->row.name,
                       .trial = {t->ways[way].shadow.shelf, &tuning},
                       .mode = ENG_SEARCH_HYBRID,
                       .model = ENG_STR("extract"),
                       .cancelled = stopped,
                       .ctx = t};
    if (status == ENG_OK)
        status = eng_probing_look(&how, p, &once.outcome.rank, err);
    if (status == ENG_OK)
        status = eng_probing_ask(&how, p, &once.outcome, &a, err);
    if (status < 0)
        return status;
    once.confidence = a->confidence;
    eng_answer_free(a);
    *out = once;
    return eng_job_report(t->run, ++t->asked, 0) ? ENG_OK
                                                 : eng_fail(err, ENG_ECANCELLED, "cancelled");
}

eng_status eng_tune_outcome(eng_tuning_run *t, const eng_choice *choice, size_t question,
                            eng_outcome *out, eng_error *err)
{
    eng_trial_of_choice *x = find_trial(t, choice);
    double least = t->confidence[choice->value[ENG_KNOB_CONFIDENCE]];
    eng_status status = ENG_OK;
    if (!x)
        return eng_fail_nomem(err);
    if (!x->asked[question].there)
        status = ask(t, choice, &t->probes[question], &x->asked[question], err);
    if (status < 0)
        return status;
    *out = x->asked[question].outcome;
    if (x->asked[question].confidence < (least > 0 ? least : eng_answer_threshold)) {
        out->grounded = false;
        out->facts = 0;
    }
    return ENG_OK;
}

/* Of a question with an answer: the mean of the facts that the answer holds (of one without facts: whether
 * there is an answer) and the nDCG of what was found; of one without: whether it was refused. */
static double worth_of(const eng_probe *p, const eng_outcome *o)
{
    double sum = 0, parts = 1;
    if (!p->answerable)
        return o->grounded ? 0 : 1;
    if (p->fact_count)
        sum = (double)o->facts / (double)p->fact_count;
    else
        sum = o->grounded;
    if (p->document.len || p->fact_count) {
        sum += o->rank && o->rank <= ENG_MEASURE_DEPTH ? 1 / log2((double)o->rank + 1) : 0;
        parts++;
    }
    return sum / parts;
}

static eng_status worth(void *ctx, const eng_choice *choice, size_t question, double *out,
                        eng_error *err)
{
    eng_tuning_run *t = ctx;
    eng_outcome o;
    eng_status status = eng_tune_outcome(t, choice, question, &o, err);
    if (status == ENG_OK)
        *out = worth_of(&t->probes[question], &o);
    return status;
}

/* ---- Taking the place of what stands ---- */

static eng_status still_as_it_was(eng_tuning_run *t, eng_error *err)
{
    eng_store_collection row;
    eng_status status = eng_store_collection_get(t->run->e->store, t->row.name, &t->run->arena,
                                                 &row, err);
    if (status < 0)
        return status;
    if (row.id == t->row.id && row.generation == t->row.generation &&
        eng_str_eq(row.settings, t->row.settings))
        return ENG_OK;
    return eng_fail(err, ENG_ECONFLICT, "the collection's settings were changed meanwhile");
}

static void free_ways(eng_tuning_run *t, size_t keep)
{
    for (size_t i = 0; i < t->values[ENG_KNOB_CHUNK]; i++)
        eng_shadow_free(t->run, &t->ways[i].shadow, i == keep);
}

static eng_status apply(eng_tuning_run *t, const eng_choice *best, eng_error *err)
{
    eng_arena *arena = &t->run->arena;
    size_t way = best->value[ENG_KNOB_CHUNK];
    eng_tuned tuned = {.now = eng_tune_settings(t, best),
                       .before = t->now,
                       .has_before = true,
                       .before_cut = way ? t->generation.cut : (eng_str){NULL, 0}};
    eng_reembedding anew = {.cut = {NULL, 0}, .model = {NULL, 0}, .settings = {NULL, 0}};
    eng_status status = still_as_it_was(t, err);
    if (status == ENG_OK)
        status = eng_tuned_write(&tuned, arena, &anew.settings, err);
    if (status == ENG_OK && !way)
        return eng_store_collection_change(t->run->e->store, t->row.id, (eng_str){NULL, 0},
                                           anew.settings, err);
    if (status == ENG_OK)
        status = eng_cutting_write(&t->ways[way].chunk, arena, &anew.cut, err);
    if (status < 0)
        return status;
    free_ways(t, way); /* its index is opened by who asks next */
    return eng_reembed_now(t->run, t->row.name, &anew, err);
}

/* ---- The job ---- */

static eng_status begin(eng_tuning_run *t, eng_error *err)
{
    eng_tuned tuned;
    eng_open_model *reranker = NULL;
    eng *e = t->run->e;
    eng_arena *arena = &t->run->arena;
    eng_str name = eng_json_text(eng_json_get(t->run->params, ENG_STR("collection")));
    eng_status status = eng_store_collection_get(e->store, name, arena, &t->row, err);
    if (status == ENG_OK)
        status = eng_tuned_read(t->row.settings, arena, &tuned, err);
    if (status == ENG_OK)
        status = eng_store_generation_get(e->store, t->row.generation, arena, &t->generation, err);
    if (status == ENG_OK)
        status = eng_cutting_read(t->generation.cut, arena, &t->ways[0].chunk, err);
    if (status < 0)
        return status;
    t->now = tuned.now;
    t->vectors = t->generation.dims > 0;
    t->reranker = t->vectors && eng_reranker_hold(e, ENG_STR("default"), &reranker, NULL) == ENG_OK;
    if (reranker)
        eng_embedder_release(e, reranker);
    t->ways[0].made = true; /* it is the collection itself */
    t->values[ENG_KNOB_CHUNK] = 1;
    set_ways(t, t->run->params);
    set_numbers(t);
    return ENG_OK;
}

/* Of very many, evenly drawn ones. */
static eng_status read_questions(eng_tuning_run *t, eng_error *err)
{
    eng_buf lines;
    eng_buf_init(&lines, QUESTIONS_MAX);
    eng_status status = eng_spool_read(t->run, QUESTIONS_MAX, &lines, err);
    if (status == ENG_OK)
        status = eng_probes_read(eng_buf_view(&lines), &t->run->arena, &t->probes, &t->given, err);
    eng_buf_clear(&lines);
    t->count = t->given < ASKED_MAX ? t->given : ASKED_MAX;
    for (size_t i = 0; status == ENG_OK && i < t->count; i++)
        t->probes[i] = t->probes[i * t->given / t->count];
    return status;
}

static eng_status tune(eng_tuning_run *t, eng_error *err)
{
    eng_tuning_found found;
    eng_tuning_problem problem = {
        .knobs = ENG_KNOB_COUNT, .questions = t->count, .worth = worth, .ctx = t, .seed = 1};
    const eng_json *told = eng_json_get(t->run->params, ENG_STR("apply"));
    memcpy(problem.values, t->values, sizeof t->values);
    eng_status status = eng_tune_search(&problem, &t->run->arena, &found, err);
    if (status == ENG_OK)
        status = eng_tune_result(t, &found, err);
    if (status == ENG_OK && found.better && eng_json_is(told, ENG_JSON_BOOL) && told->as.boolean) {
        status = apply(t, &found.best, err);
        t->applied = status == ENG_OK;
    }
    return status == ENG_OK ? eng_tune_result_end(t, err) : status;
}

eng_status eng_tune_run(eng_job_run *run, eng_error *err)
{
    eng_tuning_run *t = eng_zalloc(sizeof *t);
    if (!t)
        return eng_fail_nomem(err);
    t->run = run;
    eng_status status = read_questions(t, err);
    if (status == ENG_OK)
        status = begin(t, err);
    if (status == ENG_OK)
        status = tune(t, err);
    free_ways(t, SIZE_MAX);
    eng_spool_end(run, status);
    eng_free(t);
    return status;
}

/* ---- Back ---- */

static eng_status go_back(eng *e, const eng_store_collection *row, eng_arena *arena, int64_t *job,
                          eng_error *err)
{
    eng_tuned had, back = {.has_before = true, .before_cut = {NULL, 0}};
    eng_store_generation now;
    eng_reembedding anew = {.cut = {NULL, 0}, .model = {NULL, 0}, .settings = {NULL, 0}};
    eng_status status = eng_tuned_read(row->settings, arena, &had, err);
    if (status == ENG_OK)
        status = eng_store_generation_get(e->store, row->generation, arena, &now, err);
    if (status < 0)
        return status;
    if (!had.has_before)
        return eng_fail(err, ENG_ECONFLICT, "there are no settings to go back to");
    back.now = had.before;
    back.before = had.now;
    bool cut = had.before_cut.ptr && !eng_str_eq(had.before_cut, now.cut);
    if (cut) {
        back.before_cut = now.cut;
        anew.cut = had.before_cut;
    }
    status = eng_tuned_write(&back, arena, &anew.settings, err);
    if (status < 0)
        return status;
    return cut ? eng_reembed_later(e, row, &anew, job, err)
               : eng_store_collection_change(e->store, row->id, (eng_str){NULL, 0}, anew.settings,
                                             err);
}

eng_status eng_tune_rollback(eng *e, eng_str collection, int64_t *job, eng_collection **out,
                             eng_error *err)
{
    eng_arena arena;
    eng_store_collection row;
    eng_arena_init(&arena, 1024, NULL);
    *job = 0;
    eng_status status = eng_store_collection_get(e->store, collection, &arena, &row, err);
    if (status == ENG_OK)
        status = go_back(e, &row, &arena, job, err);
    eng_arena_clear(&arena);
    return status == ENG_OK ? eng_collection_get(e, collection, out, err) : status;
}
