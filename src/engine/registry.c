/* Which version answers: opened at the start, taken and given back, switched. */
#include "engine/registry.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

/* ---- Holding ---- */

eng_predictor *eng_predictor_hold(eng_predictor *p)
{
    atomic_fetch_add_explicit(&p->users, 1, memory_order_relaxed);
    return p;
}

void eng_predictor_give(eng_predictor *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->users, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < p->scratch_count; i++) {
        if (p->plan)
            eng_plan_scratch_free(p->scratch[i]);
        else
            eng_text_scratch_free(p->scratch[i]);
    }
    eng_plan_free(p->plan);
    eng_text_free(p->text);
    pthread_mutex_destroy(&p->lock);
    eng_arena_clear(&p->arena);
    eng_free(p);
}

static eng_registered *find(eng_registry *r, eng_predictor_kind kind, eng_str name)
{
    eng_registered *latest = NULL;
    for (size_t i = 0; i < r->count; i++) {
        eng_registered *m = &r->models[i];
        if (m->kind != kind)
            continue;
        if (name.len && eng_str_eq(eng_str_of(m->name), name))
            return m;
        if (!name.len && (!latest || m->chosen_ms > latest->chosen_ms))
            latest = m;
    }
    return latest;
}

static eng_status nothing_loaded(eng_predictor_kind kind, eng_error *err)
{
    return kind == ENG_PREDICTOR_TABLE
               ? eng_fail(err, ENG_EBUSY, "no model is loaded: POST one to /model/load")
               : eng_fail(err, ENG_EBUSY,
                          "no model is loaded: train one (engenho train text) and name it by "
                          "MODEL_PATH, or POST it to /v1/texts");
}

eng_status eng_predictor_take(eng *e, eng_predictor_kind kind, eng_str name, eng_predictor **out,
                              eng_error *err)
{
    eng_registry *r = e->registry;
    eng_status status = ENG_OK;
    pthread_mutex_lock(&r->lock);
    eng_registered *m = find(r, kind, name);
    if (m && m->active)
        *out = eng_predictor_hold(m->active);
    else if (m)
        status = eng_fail(err, ENG_EBUSY, "model '%s' cannot be opened: %s", m->name,
                          m->error.message);
    pthread_mutex_unlock(&r->lock);
    if (m)
        return status;
    if (name.len)
        return eng_fail(err, ENG_ENOTFOUND, "no model '%.*s'", ENG_FMT(eng_str_sub(name, 0, 200)));
    return nothing_loaded(kind, err);
}

/* ---- Switching ---- */

static eng_status slot_of(eng_registry *r, eng_predictor_kind kind, eng_str name,
                          eng_registered **out, eng_error *err)
{
    *out = find(r, kind, name);
    if (*out)
        return ENG_OK;
    if (r->count == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 8;
        eng_registered *more = eng_realloc(r->models, cap * sizeof *more);
        if (!more)
            return eng_fail_nomem(err);
        r->models = more;
        r->cap = cap;
    }
    char *copy = eng_strdup(name);
    if (!copy)
        return eng_fail_nomem(err);
    r->models[r->count] = (eng_registered){.kind = kind, .name = copy};
    *out = &r->models[r->count++];
    return ENG_OK;
}

/* Later than all others. */
static int64_t latest(const eng_registry *r)
{
    int64_t now = eng_clock_wall_ms();
    for (size_t i = 0; i < r->count; i++)
        if (r->models[i].chosen_ms >= now)
            now = r->models[i].chosen_ms + 1;
    return now;
}

eng_status eng_registry_put(eng_registry *r, eng_predictor *p, int64_t chosen_ms, eng_error *err)
{
    eng_registered *m;
    eng_predictor *old = NULL;
    pthread_mutex_lock(&r->lock);
    eng_status status = slot_of(r, p->info.kind, eng_str_of(p->info.name), &m, err);
    if (status == ENG_OK) {
        old = m->active;
        m->active = p;
        m->chosen_ms = chosen_ms ? chosen_ms : latest(r);
    }
    pthread_mutex_unlock(&r->lock);
    eng_predictor_give(status == ENG_OK ? old : p);
    return status;
}

static void put_error(eng_registry *r, eng_predictor_kind kind, eng_str name, int64_t chosen_ms,
                      const eng_error *why)
{
    eng_registered *m;
    pthread_mutex_lock(&r->lock);
    if (slot_of(r, kind, name, &m, NULL) == ENG_OK) {
        m->error = *why;
        m->chosen_ms = chosen_ms;
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- Opening ---- */

static eng_status open_active(eng *e, eng_error *err)
{
    eng_arena arena;
    eng_store_model *rows = NULL;
    size_t count = 0;
    eng_arena_init(&arena, 1 << 14, NULL);
    eng_status status = eng_store_model_all(e->store, &arena, &rows, &count, err);
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        eng_predictor *p = NULL;
        eng_error why = {0};
        if (!rows[i].active)
            continue;
        if (eng_predictor_open(e->registry, &rows[i], &p, &why) == ENG_OK)
            status = eng_registry_put(e->registry, p, rows[i].updated_ms, err);
        else if (why.status == ENG_ENOMEM)
            status = eng_fail_nomem(err);
        else
            put_error(e->registry, (eng_predictor_kind)rows[i].kind, rows[i].name,
                      rows[i].updated_ms, &why);
    }
    eng_arena_clear(&arena);
    return status;
}

static eng_status make_places(eng *e, eng_registry *r, const eng_options *options, eng_error *err)
{
    r->models_dir = eng_path_join(e->data, "models");
    r->loaded = eng_path_join(e->data, "models/loaded");
    r->plans = eng_path_join(e->data, "models/plans");
    r->shared = options->models;
    bool follows = options->text_model && *options->text_model;
    if (follows)
        r->follow = eng_strdup(eng_str_of(options->text_model));
    bool trains = options->dataset && *options->dataset;
    if (trains)
        r->dataset = eng_strdup(eng_str_of(options->dataset));
    bool all = (r->dataset || !trains) && r->models_dir && r->loaded && r->plans &&
               (r->follow || !follows);
    return all ? ENG_OK : eng_fail_nomem(err);
}

eng_status eng_registry_open(eng *e, const eng_options *options, eng_error *err)
{
    bool changed;
    eng_registry *r = eng_zalloc(sizeof *r);
    if (!r)
        return eng_fail_nomem(err);
    e->registry = r;
    pthread_mutex_init(&r->changing, NULL);
    pthread_mutex_init(&r->lock, NULL);
    eng_status status = make_places(e, r, options, err);
    if (status == ENG_OK)
        status = open_active(e, err);
    return status < 0 ? status : eng_predictor_follow(e, &changed, err);
}

void eng_registry_close(eng_registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++) {
        eng_predictor_give(r->models[i].active);
        eng_free(r->models[i].name);
    }
    eng_free(r->models);
    eng_free(r->models_dir);
    eng_free(r->loaded);
    eng_free(r->plans);
    eng_free(r->follow);
    eng_free(r->dataset);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->changing);
    eng_free(r);
}
