/*
 * Embedding a collection anew, with another cutting or another encoder: a generation that is filled
 * beside the one that answers, and takes its place in one instant. How far it is is in the store, so a
 * job that was cut off goes on where it was. The generation before stays, to go back to.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/knowledge.h"

enum { DOCUMENTS = 64, BYTES = 8 << 20, KEPT = 2 };

typedef struct {
    eng_job_run *run;
    eng_store_generation generation;
    eng_lent_encoder lent;
    eng_rag_encoder encoder;
    eng_cut_options cut;
    eng_arena arena; /* of a batch */
    eng_spill spill;
    uint64_t done, total;
    bool beside;      /* it is part of another job, which reports how far it is itself */
    eng_str settings; /* of the collection, with the switch; ptr NULL: as they are */
} work;

#define SHADOW "{\"shadow\":%lld}"

static bool stopped(void *ctx)
{
    const work *w = ctx;
    return atomic_load_explicit(&w->run->stop, memory_order_relaxed);
}

/* ---- A batch ---- */

static eng_str or_empty(eng_str s) { return s.ptr ? s : ENG_STR(""); }

static eng_status prepare(work *w, const eng_store_document *row, eng_str text,
                          eng_store_parts *out, eng_error *err)
{
    eng_draft d;
    eng_draft_source source = {.id = row->name,
                               .title = or_empty(row->title),
                               .url = or_empty(row->url),
                               .metadata = or_empty(row->metadata),
                               .text = text,
                               .language = or_empty(row->language)};
    eng_status status = ENG_OK;
    if (row->blocks.ptr)
        status = eng_blocks_unpack(row->blocks, text, &w->arena, &source.blocks,
                                   &source.block_count, err);
    if (status == ENG_OK)
        status = eng_draft_begin(&source, &w->arena, &d, err);
    if (status == ENG_OK)
        status = eng_draft_cut(&d, &source, &w->cut, &w->arena, err);
    if (status < 0)
        return status;
    size_t first = w->spill.count, count = 0;
    if (w->encoder.dim)
        status = eng_spill_add(&w->spill, &d, &count, err);
    return status == ENG_OK ? eng_spill_parts(&w->spill, &d, first, count, &w->arena, out, err)
                            : status;
}

/* As many of the documents as may be held at once: one at least. */
static eng_status fitting(work *w, const eng_store_todo *todo, size_t *count, eng_error *err)
{
    eng_store_document *rows;
    size_t bytes = 0;
    eng_status status = eng_store_document_batch(w->run->e->store, todo->documents, todo->count,
                                                 &w->arena, &rows, NULL, err);
    for (*count = 0; status == ENG_OK && *count < todo->count; ++*count) {
        bytes += rows[*count].bytes;
        if (*count && bytes > BYTES)
            break;
    }
    return status;
}

static eng_status fill_some(work *w, const eng_store_todo *todo, eng_error *err)
{
    eng_store_document *rows;
    eng_str *texts;
    eng_status status = eng_store_document_batch(w->run->e->store, todo->documents, todo->count,
                                                 &w->arena, &rows, &texts, err);
    eng_spill_init(&w->spill, w->run->e, &w->encoder);
    eng_store_parts *parts = eng_arena_zalloc(&w->arena, todo->count * sizeof *parts);
    if (status == ENG_OK && !parts)
        status = eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < todo->count; i++) {
        if (rows[i].id) /* one that went meanwhile has no parts */
            status = prepare(w, &rows[i], texts[i], &parts[i], err);
    }
    if (status == ENG_OK)
        status = eng_spill_end(&w->spill, err);
    if (status == ENG_OK)
        status = eng_store_generation_fill(w->run->e->store, w->generation.id, parts, todo, err);
    eng_spill_clear(&w->spill);
    return status;
}

/* ---- All of them ---- */

static eng_status fill_all(work *w, eng_error *err)
{
    for (;;) {
        eng_store_todo todo;
        eng_arena_reset(&w->arena);
        eng_status status = eng_store_generation_todo(w->run->e->store, w->generation.id, DOCUMENTS,
                                                      &w->arena, &todo, err);
        if (status < 0 || !todo.count)
            return status;
        size_t fit = 0, all = todo.count;
        status = fitting(w, &todo, &fit, err);
        if (status == ENG_OK && fit < all)
            status = eng_store_generation_todo(w->run->e->store, w->generation.id, fit, &w->arena,
                                               &todo, err);
        if (status == ENG_OK)
            status = fill_some(w, &todo, err);
        if (status < 0)
            return status;
        w->done += todo.count;
        w->total = w->done > w->total ? w->done : w->total;
        if (w->beside ? stopped(w) : !eng_job_report(w->run, w->done, w->total))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
    }
}

/* Nobody writes while it is activated, so that a collection that is written to all the time is
 * switched all the same. */
static eng_status activate(work *w, eng_shelf *shelf, eng_error *err)
{
    eng_store *store = w->run->e->store;
    eng_status status = fill_all(w, err);
    pthread_mutex_lock(&shelf->writing);
    while (status == ENG_OK) {
        status = eng_store_generation_switch(store, w->generation.id, w->settings, err);
        if (status != ENG_ECONFLICT)
            break;
        status = fill_all(w, err);
    }
    pthread_mutex_unlock(&shelf->writing);
    return status;
}

/* The job that a generation is of, which is not to answer yet; 0: of none. */
static int64_t job_of(const eng_store_generation *g, eng_arena *arena)
{
    const eng_json *v;
    if (g->whole || g->settings.len <= 2 || eng_json_read(g->settings, NULL, arena, &v, NULL) < 0)
        return 0;
    const eng_json *job = eng_json_get(v, ENG_STR("shadow"));
    return eng_json_is(job, ENG_JSON_INT) ? job->as.integer : 0;
}

static bool job_lives(eng *e, int64_t id)
{
    eng_job *job = NULL;
    if (!id || eng_job_get(e, id, &job, NULL) < 0)
        return false;
    bool lives = job->state == ENG_JOB_QUEUED || job->state == ENG_JOB_RUNNING;
    eng_job_free(job);
    return lives;
}

/* All but the active one, the one before, and what jobs are trying. */
static void drop_old(work *w)
{
    eng_store_generation *all;
    size_t count, whole = 0;
    eng_store *store = w->run->e->store;
    if (eng_store_generation_list(store, w->generation.collection, &w->arena, &all, &count, NULL) <
        0)
        return;
    for (size_t i = count; i-- > 0;) {
        bool kept = all[i].whole ? whole++ < KEPT
                                 : job_lives(w->run->e, job_of(&all[i], &w->arena));
        if (kept || all[i].id == w->generation.id)
            continue;
        if (eng_store_generation_drop(store, all[i].id, NULL) < 0)
            return; /* the next time, then */
        eng_shelf_beside_free(w->run->e, NULL, all[i].id);
    }
}

/* One of the same settings that was not finished or answered before, or a new one. */
static eng_status find_generation(work *w, const eng_store_collection *row, eng_str cut,
                                  eng_str model, eng_error *err)
{
    eng_store_generation *all;
    size_t count;
    eng_arena *arena = &w->run->arena;
    eng_store *store = w->run->e->store;
    eng_status status = eng_store_generation_list(store, row->id, arena, &all, &count, err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        int64_t job = job_of(&all[i], arena);
        bool ours = job ? job == w->run->id : !w->beside;
        if (ours && all[i].id != row->generation && eng_str_eq(all[i].cut, cut) &&
            eng_str_eq(all[i].model, model)) {
            w->generation = all[i];
            return ENG_OK;
        }
    }
    eng_str settings = w->beside ? eng_arena_format(arena, SHADOW, (long long)w->run->id)
                                 : ENG_STR("{}");
    if (!settings.ptr)
        return eng_fail_nomem(err);
    w->generation = (eng_store_generation){.collection = row->id,
                                           .cut = cut,
                                           .model = model,
                                           .dims = (uint32_t)w->encoder.dim,
                                           .settings = settings};
    return status == ENG_OK ? eng_store_generation_begin(store, &w->generation, err) : status;
}

static eng_status begin(work *w, const eng_store_collection *row, const eng_reembedding *what,
                        eng_error *err)
{
    eng_arena *arena = &w->run->arena;
    eng_store_generation now;
    eng_cutting chunk;
    eng_status status = eng_store_generation_get(w->run->e->store, row->generation, arena, &now,
                                                 err);
    if (status < 0)
        return status;
    eng_str cut = what->cut.ptr ? what->cut : now.cut;
    eng_str name = what->model.ptr ? what->model : now.model;
    status = eng_cutting_read(cut, arena, &chunk, err);
    if (status == ENG_OK)
        status = eng_encoder_lend(w->run->e, name.ptr, &w->lent, &w->encoder, err);
    w->lent.bulk = true;
    w->lent.cancelled = stopped;
    w->lent.ctx = w;
    w->cut = (eng_cut_options){.size = chunk.size,
                               .overlap = chunk.overlap,
                               .count = chunk.characters ? NULL : w->encoder.count,
                               .ctx = w->encoder.ctx};
    w->total = row->documents;
    w->settings = what->settings;
    if (status == ENG_OK)
        status = find_generation(w, row, cut, name, err);
    return status;
}

static work *work_new(eng_job_run *run)
{
    work *w = eng_zalloc(sizeof *w);
    if (!w)
        return NULL;
    w->run = run;
    w->spill.fd = -1;
    eng_arena_init(&w->arena, 1 << 16, NULL);
    return w;
}

static void work_free(work *w)
{
    eng_encoder_back(&w->lent);
    eng_arena_clear(&w->arena);
    eng_free(w);
}

eng_status eng_reembed_beside(eng_job_run *run, const eng_store_collection *row, eng_str cut,
                              eng_str model, int64_t *generation, eng_error *err)
{
    const eng_reembedding what = {.cut = cut, .model = model, .settings = {NULL, 0}};
    work *w = work_new(run);
    if (!w)
        return eng_fail_nomem(err);
    w->beside = true;
    eng_status status = begin(w, row, &what, err);
    if (status == ENG_OK) {
        *generation = w->generation.id; /* also where it is cut off: it is the caller's */
        status = fill_all(w, err);
    }
    work_free(w);
    return status;
}

eng_status eng_reembed_now(eng_job_run *run, eng_str collection, const eng_reembedding *what,
                           eng_error *err)
{
    eng_store_collection row;
    eng_shelf *shelf = NULL;
    work *w = work_new(run);
    if (!w)
        return eng_fail_nomem(err);
    eng_status status = eng_shelf_hold(run->e, collection, &run->arena, &row, &shelf, err);
    if (status == ENG_OK)
        status = begin(w, &row, what, err);
    if (status == ENG_OK)
        status = activate(w, shelf, err);
    eng_shelf_release(run->e, shelf);
    if (status == ENG_OK) { /* the first to ask opens the new one: let it be us */
        status = eng_shelf_hold(run->e, collection, &run->arena, &row, &shelf, err);
        if (status == ENG_OK)
            eng_shelf_release(run->e, shelf);
        drop_old(w);
    }
    work_free(w);
    return status;
}

static eng_str text_or_none(const eng_json *params, const char *name)
{
    const eng_json *v = eng_json_get(params, eng_str_of(name));
    return eng_json_is(v, ENG_JSON_STRING) ? eng_json_text(v) : (eng_str){NULL, 0};
}

eng_status eng_reembed_run(eng_job_run *run, eng_error *err)
{
    const eng_reembedding what = {.cut = text_or_none(run->params, "cut"),
                                  .model = text_or_none(run->params, "model"),
                                  .settings = text_or_none(run->params, "settings")};
    return eng_reembed_now(run, eng_json_text(eng_json_get(run->params, ENG_STR("collection"))),
                           &what, err);
}

eng_status eng_reembed_later(eng *e, const eng_store_collection *row, const eng_reembedding *what,
                             int64_t *job, eng_error *err)
{
    eng_arena arena;
    eng_buf params;
    eng_arena_init(&arena, 1024, NULL);
    eng_buf_init(&params, 1 << 16);
    eng_str id = ENG_STR("");
    uint32_t dims;
    eng_status status = ENG_OK;
    if (what->model.ptr)
        status = eng_collection_model(e, what->model, &arena, &id, &dims, err);
    eng_json_writer w = eng_json_write_to(&params);
    eng_json_open(&w, '{');
    eng_json_member(&w, "collection", row->name);
    if (what->cut.ptr)
        eng_json_member(&w, "cut", what->cut);
    if (what->model.ptr)
        eng_json_member(&w, "model", id);
    if (what->settings.ptr)
        eng_json_member(&w, "settings", what->settings);
    eng_json_close(&w, '}');
    if (status == ENG_OK)
        status = eng_buf_check(&params, "job", err);
    if (status == ENG_OK)
        status = eng_job_submit(e, "reembed", eng_buf_view(&params), job, err);
    eng_buf_clear(&params);
    eng_arena_clear(&arena);
    return status;
}
