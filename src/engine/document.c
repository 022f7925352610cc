/* Documents: one, a list, removal. */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/knowledge.h"

static const char *or_empty(eng_str s) { return s.ptr ? s.ptr : ""; }

/* Texts of the store end in a NUL where they lie in an arena. */
static void describe(const eng_store_document *row, eng_document *out)
{
    *out = (eng_document){.id = row->name.ptr,
                          .title = or_empty(row->title),
                          .url = or_empty(row->url),
                          .metadata = row->metadata.len ? row->metadata.ptr : "{}",
                          .language = or_empty(row->language),
                          .bytes = row->bytes,
                          .tokens = row->tokens,
                          .version = row->version,
                          .created_ms = row->created_ms,
                          .updated_ms = row->updated_ms};
}

static eng_status find_collection(eng *e, eng_str name, eng_arena *arena, eng_store_collection *row,
                                  eng_error *err)
{
    eng_status status = eng_store_collection_get(e->store, name, arena, row, err);
    if (status == ENG_ENOTFOUND)
        return eng_fail(err, status, "no collection '%.*s'", ENG_FMT(name));
    return status;
}

static eng_status no_document(eng_str id, eng_error *err)
{
    return eng_fail(err, ENG_ENOTFOUND, "no document '%.*s'", ENG_FMT(id));
}

/* ---- One ---- */

typedef struct {
    eng_document d;
    eng_arena arena;
} one;

static eng_status add_passages(eng *e, one *o, int64_t document, int64_t cutting, eng_error *err)
{
    eng_store_passage *rows;
    size_t count;
    eng_status status = eng_store_passage_list(e->store, document, cutting, &o->arena, &rows,
                                               &count, err);
    if (status < 0)
        return status;
    eng_passage_info *passages = eng_arena_array(&o->arena, count + 1, sizeof *passages);
    if (!passages)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        passages[i] = (eng_passage_info){.passage = rows[i].place,
                                         .start = rows[i].start,
                                         .end = rows[i].end,
                                         .tokens = rows[i].tokens,
                                         .heading = or_empty(rows[i].heading)};
    o->d.passages = passages;
    o->d.passage_count = count;
    return ENG_OK;
}

static eng_status read_one(eng *e, eng_str collection, eng_str id, one *o, eng_error *err)
{
    eng_store_collection row;
    eng_store_document d;
    eng_str text = {NULL, 0};
    eng_status status = find_collection(e, collection, &o->arena, &row, err);
    if (status < 0)
        return status;
    status = eng_store_document_get(e->store, row.id, id, &o->arena, &d, &text, err);
    if (status == ENG_ENOTFOUND)
        return no_document(id, err);
    if (status < 0)
        return status;
    describe(&d, &o->d);
    o->d.text = text.ptr;
    return add_passages(e, o, d.id, row.cutting, err);
}

eng_status eng_document_get(eng *e, eng_str collection, eng_str id, eng_document **out,
                            eng_error *err)
{
    one *o = eng_zalloc(sizeof *o);
    if (!o)
        return eng_fail_nomem(err);
    eng_arena_init(&o->arena, 4096, NULL);
    eng_status status = read_one(e, collection, id, o, err);
    if (status < 0)
        eng_document_free(&o->d);
    else
        *out = &o->d;
    return status;
}

void eng_document_free(eng_document *d)
{
    if (!d)
        return;
    one *o = (one *)d;
    eng_arena_clear(&o->arena);
    eng_free(o);
}

/* ---- Removal ---- */

eng_status eng_document_remove(eng *e, eng_str collection, eng_str id, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    eng_store_collection row;
    eng_shelf *shelf = NULL;
    size_t removed = 0;
    eng_status status = eng_shelf_hold(e, collection, &arena, &row, &shelf, err);
    if (status == ENG_OK) {
        pthread_mutex_lock(&shelf->writing);
        status = eng_store_document_remove(e->store, row.id, &id, 1, &removed, err);
        if (status == ENG_OK && removed)
            status = eng_shelf_follow(e, shelf, err);
        pthread_mutex_unlock(&shelf->writing);
        if (status == ENG_OK && !removed)
            status = no_document(id, err);
    }
    eng_shelf_release(e, shelf);
    eng_arena_clear(&arena);
    return status;
}

/* ---- Lists ---- */

typedef struct {
    eng_document_page page;
    eng_arena arena;
} many;

static eng_status fill_page(eng *e, many *m, eng_str collection, unsigned limit, const char *next,
                            eng_error *err)
{
    eng_store_collection row;
    eng_store_document *rows;
    size_t count;
    int64_t after;
    eng_status status = find_collection(e, collection, &m->arena, &row, err);
    if (status < 0)
        return status;
    /* A position of one collection's list means nothing in another's. */
    eng_str what = eng_arena_format(&m->arena, "documents of %lld", (long long)row.id);
    status = what.ptr ? eng_next_read(e, what.ptr, next, 0, &after, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_store_document_page(e->store, row.id, after, limit + 1u, &m->arena, &rows,
                                         &count, err);
    if (status < 0)
        return status;
    bool more = count > limit;
    m->page.count = more ? limit : count;
    m->page.items = eng_arena_array(&m->arena, m->page.count + 1, sizeof *m->page.items);
    if (!m->page.items)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < m->page.count; i++)
        describe(&rows[i], &m->page.items[i]);
    if (more)
        eng_next_make(e, what.ptr, rows[m->page.count - 1].id, m->page.next);
    return ENG_OK;
}

eng_status eng_document_list(eng *e, eng_str collection, unsigned limit, const char *next,
                             eng_document_page **out, eng_error *err)
{
    eng_status status = eng_limit_check(limit, err);
    if (status < 0)
        return status;
    many *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    eng_arena_init(&m->arena, 4096, NULL);
    status = fill_page(e, m, collection, limit, next, err);
    if (status < 0)
        eng_document_page_free(&m->page);
    else
        *out = &m->page;
    return status;
}

void eng_document_page_free(eng_document_page *page)
{
    if (!page)
        return;
    many *m = (many *)page;
    eng_arena_clear(&m->arena);
    eng_free(m);
}
