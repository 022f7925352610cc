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
} work;

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
        if (!eng_job_report(w->run, w->done, w->total))
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
        status = eng_store_generation_activate(store, w->generation.id, err);
        if (status != ENG_ECONFLICT)
            break;
        status = fill_all(w, err);
    }
    pthread_mutex_unlock(&shelf->writing);
    return status;
}

/* All but the active one and the one before. */
static void drop_old(work *w)
{
    eng_store_generation *all;
    size_t count, whole = 0;
    eng_store *store = w->run->e->store;
    if (eng_store_generation_list(store, w->generation.collection, &w->arena, &all, &count, NULL) <
        0)
        return;
    for (size_t i = count; i-- > 0;) {
        if (all[i].whole && whole++ < KEPT)
            continue;
        if (eng_store_generation_drop(store, all[i].id, NULL) < 0)
            return; /* the next time, then */
    }
}

/* One of the same settings that was not finished, or a new one. */
static eng_status find_generation(work *w, int64_t collection, eng_str cut, eng_str model,
                                  uint32_t dims, eng_error *err)
{
    eng_store_generation *all;
    size_t count;
    eng_store *store = w->run->e->store;
    eng_status status = eng_store_generation_list(store, collection, &w->run->arena, &all, &count,
                                                  err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        if (!all[i].whole && eng_str_eq(all[i].cut, cut) && eng_str_eq(all[i].model, model)) {
            w->generation = all[i];
            return ENG_OK;
        }
    }
    w->generation = (eng_store_generation){.collection = collection,
                                           .cut = cut,
                                           .model = model,
                                           .dims = dims,
                                           .settings = ENG_STR("{}")};
    return status == ENG_OK ? eng_store_generation_begin(store, &w->generation, err) : status;
}

static eng_status begin(work *w, const eng_store_collection *row, eng_error *err)
{
    eng_arena *arena = &w->run->arena;
    eng_store_generation now;
    eng_cutting chunk;
    eng_str cut = eng_json_text(eng_json_get(w->run->params, ENG_STR("cut")));
    const eng_json *model = eng_json_get(w->run->params, ENG_STR("model"));
    eng_status status = eng_store_generation_get(w->run->e->store, row->generation, arena, &now,
                                                 err);
    if (status < 0)
        return status;
    if (!cut.len)
        cut = now.cut;
    eng_str name = model ? eng_json_text(model) : now.model;
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
    if (status == ENG_OK)
        status = find_generation(w, row->id, cut, name, (uint32_t)w->encoder.dim, err);
    return status;
}

eng_status eng_reembed_run(eng_job_run *run, eng_error *err)
{
    work *w = eng_zalloc(sizeof *w);
    if (!w)
        return eng_fail_nomem(err);
    w->run = run;
    w->spill.fd = -1;
    eng_store_collection row;
    eng_shelf *shelf = NULL;
    eng_str name = eng_json_text(eng_json_get(run->params, ENG_STR("collection")));
    eng_arena_init(&w->arena, 1 << 16, NULL);
    eng_status status = eng_shelf_hold(run->e, name, &run->arena, &row, &shelf, err);
    if (status == ENG_OK)
        status = begin(w, &row, err);
    if (status == ENG_OK)
        status = activate(w, shelf, err);
    eng_shelf_release(run->e, shelf);
    if (status == ENG_OK) { /* the first to ask opens the new one: let it be us */
        status = eng_shelf_hold(run->e, name, &run->arena, &row, &shelf, err);
        if (status == ENG_OK)
            eng_shelf_release(run->e, shelf);
        drop_old(w);
    }
    eng_encoder_back(&w->lent);
    eng_arena_clear(&w->arena);
    eng_free(w);
    return status;
}

eng_status eng_reembed_later(eng *e, const eng_store_collection *row, const eng_cutting *chunk,
                             eng_str model, int64_t *job, eng_error *err)
{
    eng_arena arena;
    eng_buf params;
    eng_arena_init(&arena, 1024, NULL);
    eng_buf_init(&params, 1 << 16);
    eng_str cut = ENG_STR(""), id = ENG_STR("");
    uint32_t dims;
    eng_status status = ENG_OK;
    if (chunk)
        status = eng_cutting_write(chunk, &arena, &cut, err);
    if (status == ENG_OK && model.ptr)
        status = eng_collection_model(e, model, &arena, &id, &dims, err);
    eng_json_writer w = eng_json_write_to(&params);
    eng_json_open(&w, '{');
    eng_json_member(&w, "collection", row->name);
    if (chunk)
        eng_json_member(&w, "cut", cut);
    if (model.ptr)
        eng_json_member(&w, "model", id);
    eng_json_close(&w, '}');
    if (status == ENG_OK)
        status = eng_buf_check(&params, "job", err);
    if (status == ENG_OK)
        status = eng_job_submit(e, "reembed", eng_buf_view(&params), job, err);
    eng_buf_clear(&params);
    eng_arena_clear(&arena);
    return status;
}
