/* Collections that are open, each with an index that follows the store. See knowledge.h. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/knowledge.h"
#include "net/net.h"

#include <stdio.h>

enum {
    PAGE = 512,
    CHANGES = 256,
    /* What may wait in memory of one document, or of a filling, before it is flushed. What comes in
     * smaller pieces is left to who tends the indexes. */
    UNFLUSHED = 12 << 20
};

/* ---- The registry ---- */

eng_status eng_knowledge_new(eng *e, const eng_options *options, eng_knowledge **out,
                             eng_error *err)
{
    eng_http_client_options fetching = {.user_agent = "engenho/" ENG_VERSION,
                                        .allow = options->fetch_allow};
    eng_knowledge *k = eng_zalloc(sizeof *k);
    if (!k)
        return eng_fail_nomem(err);
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->making, NULL);
    pthread_mutex_init(&k->robots_lock, NULL);
    k->robots = !options->fetch_ignore_robots;
    pthread_cond_init(&k->wake, NULL);
    k->dir = eng_path_join(e->data, ENG_DATA_INDEX);
    eng_status status = k->dir ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_http_client_new(&fetching, &k->fetcher, err);
    if (status < 0)
        eng_knowledge_free(k);
    else
        *out = k;
    return status;
}

static void shelf_free(eng_shelf *s)
{
    if (s->index)
        eng_index_close(s->index);
    pthread_mutex_destroy(&s->writing);
    pthread_rwlock_destroy(&s->lock);
    eng_free(s->model);
    eng_free(s);
}

void eng_knowledge_free(eng_knowledge *k)
{
    if (!k)
        return;
    eng_knowledge_rest(k);
    while (k->shelves) {
        eng_shelf *s = k->shelves;
        k->shelves = s->next;
        /* What is only in memory is read from the store again otherwise: slower, nothing worse. */
        eng_status flushed = s->index && !s->dropped ? eng_index_flush(s->index, NULL) : ENG_OK;
        (void)flushed;
        shelf_free(s);
    }
    eng_http_client_free(k->fetcher);
    pthread_cond_destroy(&k->wake);
    for (size_t i = 0; i < sizeof k->kept / sizeof *k->kept; i++) {
        eng_free(k->kept[i].origin);
        eng_free(k->kept[i].text);
    }
    pthread_mutex_destroy(&k->robots_lock);
    pthread_mutex_destroy(&k->making);
    pthread_mutex_destroy(&k->lock);
    eng_free(k->dir);
    eng_free(k);
}

/* With the registry's lock held. */
static eng_shelf *find(eng_knowledge *k, int64_t id)
{
    eng_shelf *s = k->shelves;
    while (s && (s->id != id || s->dropped))
        s = s->next;
    return s;
}

static void unlink_shelf(eng_knowledge *k, const eng_shelf *s)
{
    eng_shelf **at = &k->shelves;
    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
}

/* A shelf that is not open yet, or the one that is there. */
static eng_status take(eng_knowledge *k, int64_t id, eng_shelf **out, eng_error *err)
{
    pthread_mutex_lock(&k->lock);
    eng_shelf *s = find(k, id);
    if (!s && (s = eng_zalloc(sizeof *s))) {
        s->id = id;
        pthread_mutex_init(&s->writing, NULL);
        pthread_rwlock_init(&s->lock, NULL);
        s->next = k->shelves;
        k->shelves = s;
    }
    if (s)
        s->users++;
    pthread_mutex_unlock(&k->lock);
    *out = s;
    return s ? ENG_OK : eng_fail_nomem(err);
}

void eng_shelf_release(eng *e, eng_shelf *shelf)
{
    if (!shelf)
        return;
    pthread_mutex_lock(&e->knowledge->lock);
    bool last = --shelf->users == 0 && shelf->dropped;
    if (last)
        unlink_shelf(e->knowledge, shelf);
    pthread_mutex_unlock(&e->knowledge->lock);
    if (last)
        shelf_free(shelf);
}

/* ---- Folders ---- */

static char *folder_of(const eng *e, int64_t generation)
{
    char name[32];
    snprintf(name, sizeof name, "%lld", (long long)generation);
    return eng_path_join(e->knowledge->dir, name);
}

static void remove_folder(const eng *e, int64_t generation)
{
    char *dir = folder_of(e, generation);
    eng_status removed = dir ? eng_dir_remove(dir, NULL) : ENG_ENOMEM;
    (void)removed; /* it is derived, and no generation will have this number again */
    eng_free(dir);
}

static bool worthless(eng_status status)
{
    return status == ENG_ECORRUPT || status == ENG_ETRUNCATED || status == ENG_EVERSION;
}

static eng_status open_index(const eng *e, int64_t generation, uint32_t dims, eng_index **out,
                             eng_error *err)
{
    char *dir = folder_of(e, generation);
    if (!dir)
        return eng_fail_nomem(err);
    eng_index_options options = {.dir = dir, .dim = dims};
    eng_status status = eng_dir_make(e->knowledge->dir, 0700, err);
    if (status == ENG_OK)
        status = eng_index_open(&options, out, err);
    if (worthless(status)) { /* it is derived: what is damaged is made anew */
        status = eng_dir_remove(dir, err);
        if (status == ENG_OK)
            status = eng_index_open(&options, out, err);
    }
    eng_free(dir);
    return status;
}

/* ---- Passages of the store, as the index takes them ---- */

typedef struct {
    eng_arena arena; /* of one page */
    eng_index_item *items;
    size_t count;
    size_t vector;    /* the next of `vectors` that belongs to no passage yet */
    size_t unflushed; /* bytes that were put in since the last flush of ours */
} page;

/* The vectors of a passage: they come in the passages' order. */
static eng_status take_vectors(page *p, const eng_store_vector *vectors, size_t count,
                               int64_t passage, eng_index_item *item, eng_error *err)
{
    while (p->vector < count && vectors[p->vector].passage < passage)
        p->vector++;
    size_t end = p->vector;
    while (end < count && vectors[end].passage == passage)
        end++;
    size_t n = end - p->vector;
    eng_index_vector *out = eng_arena_array(&p->arena, n ? n : 1, sizeof *out);
    if (!out)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        out[i] = (eng_index_vector){.kind = (eng_vector_kind)vectors[p->vector + i].kind,
                                    .values = vectors[p->vector + i].data};
    item->vectors = out;
    item->vector_count = n;
    p->vector = end;
    return ENG_OK;
}

static eng_str title_of(page *p, const eng_store_document *d, const eng_store_passage *passage)
{
    eng_str title = d->title.ptr ? d->title : ENG_STR("");
    eng_str heading = passage->heading.ptr ? passage->heading : ENG_STR("");
    if (!heading.len || !title.len)
        return heading.len ? heading : title;
    return eng_arena_format(&p->arena, "%.*s\n%.*s", ENG_FMT(title), ENG_FMT(heading));
}

static eng_status add_item(page *p, const eng_store_passage *passage, const eng_store_document *d,
                           const eng_store_vector *vectors, size_t vector_count, eng_error *err)
{
    eng_index_item *item = &p->items[p->count];
    *item = (eng_index_item){
        .id = (uint64_t)passage->id,
        .document = (uint64_t)passage->document,
        .text = passage->text,
        .title = title_of(p, d, passage),
        .language = eng_language_of(d->language.ptr ? d->language : ENG_STR(""))};
    if (!item->title.ptr)
        return eng_fail_nomem(err);
    eng_status status = eng_metadata_fields(d->metadata.ptr ? d->metadata : ENG_STR(""), &p->arena,
                                            &item->fields, &item->field_count, err);
    if (status == ENG_OK)
        status = take_vectors(p, vectors, vector_count, passage->id, item, err);
    if (status == ENG_OK)
        p->count++;
    return status;
}

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The documents of some passages, each once, in the order of their ids. */
static eng_status documents_of(eng *e, page *p, const eng_store_passage *passages, size_t count,
                               eng_store_document **out, size_t *found, eng_error *err)
{
    int64_t *ids = eng_arena_array(&p->arena, count, sizeof *ids);
    if (!ids)
        return eng_fail_nomem(err);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (passages[i].id)
            ids[n++] = passages[i].document;
    }
    qsort(ids, n, sizeof *ids, by_id);
    size_t unique = 0;
    for (size_t i = 0; i < n; i++) {
        if (!unique || ids[unique - 1] != ids[i])
            ids[unique++] = ids[i];
    }
    *found = unique;
    return unique ? eng_store_document_batch(e->store, ids, unique, &p->arena, out, NULL, err)
                  : ENG_OK;
}

static const eng_store_document *document_at(const eng_store_document *documents, size_t count,
                                             int64_t id)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (documents[mid].id == id)
            return &documents[mid];
        if (documents[mid].id && documents[mid].id < id)
            from = mid + 1;
        else if (documents[mid].id)
            to = mid;
        else { /* one that is gone has no id to compare by: look at all of them */
            for (size_t i = from; i < to; i++) {
                if (documents[i].id == id)
                    return &documents[i];
            }
            return NULL;
        }
    }
    return NULL;
}

static eng_status put_items(eng_shelf *s, page *p, int64_t mark, eng_error *err)
{
    for (size_t i = 0; i < p->count; i++)
        p->unflushed += p->items[i].text.len + p->items[i].title.len +
                        p->items[i].vector_count * s->dims * sizeof(float);
    eng_status status = eng_index_upsert(s->index, p->items, p->count, (uint64_t)mark, err);
    if (status == ENG_OK && p->unflushed > UNFLUSHED) {
        p->unflushed = 0;
        status = eng_index_flush(s->index, err);
    }
    return status;
}

/* Puts passages that the store gave into the index, with what belongs to them. */
static eng_status put_passages(eng *e, eng_shelf *s, page *p, const eng_store_passage *passages,
                               size_t count, int64_t mark, eng_error *err)
{
    eng_store_document *documents = NULL;
    eng_store_vector *vectors = NULL;
    size_t document_count = 0, vector_count = 0;
    int64_t first = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        first = first || !passages[i].id ? first : passages[i].id;
        last = passages[i].id ? passages[i].id : last;
    }
    if (!first)
        return ENG_OK; /* all of them are gone again */
    eng_status status = documents_of(e, p, passages, count, &documents, &document_count, err);
    if (status == ENG_OK && s->dims)
        status = eng_store_vector_range(e->store, s->generation, first, last, &p->arena, &vectors,
                                        &vector_count, err);
    p->items = status == ENG_OK ? eng_arena_array(&p->arena, count, sizeof *p->items) : NULL;
    if (status == ENG_OK && !p->items)
        status = eng_fail_nomem(err);
    p->count = p->vector = 0;
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        const eng_store_document *d =
            passages[i].id ? document_at(documents, document_count, passages[i].document) : NULL;
        if (d)
            status = add_item(p, &passages[i], d, vectors, vector_count, err);
    }
    return status == ENG_OK && p->count ? put_items(s, p, mark, err) : status;
}

/* ---- Filling and following ---- */

/* Until everything up to seq is in, the index goes by its old mark: it may be flushed at any time, and
 * what was half done before a crash is done again. */
static eng_status set_mark(eng_shelf *s, int64_t seq, eng_error *err)
{
    eng_status status = eng_index_remove(s->index, NULL, 0, (uint64_t)seq, err);
    if (status == ENG_OK)
        s->seq = seq;
    return status;
}

/* Everything that the store has now; what changes meanwhile is followed from there. */
static eng_status fill(eng *e, eng_shelf *s, eng_error *err)
{
    int64_t seq, after = 0;
    page p = {.count = 0};
    eng_arena_init(&p.arena, 1 << 16, NULL);
    eng_status status = eng_store_change_last(e->store, s->id, &seq, err);
    for (bool more = true; more && status == ENG_OK;) {
        eng_store_passage *passages = NULL;
        size_t count = 0;
        eng_arena_reset(&p.arena);
        status = eng_store_passage_page(e->store, s->cutting, after, PAGE, &p.arena, &passages,
                                        &count, err);
        more = status == ENG_OK && count > 0;
        if (more) {
            after = passages[count - 1].id;
            status = put_passages(e, s, &p, passages, count, 0, err);
        }
    }
    eng_arena_clear(&p.arena);
    return status == ENG_OK ? set_mark(s, seq, err) : status;
}

static eng_status came(eng *e, eng_shelf *s, const eng_store_change *change, page *p,
                       eng_error *err)
{
    eng_status status = ENG_OK;
    for (int64_t id = change->first; status == ENG_OK && id <= change->last; id += PAGE) {
        int64_t ids[PAGE];
        size_t count = (size_t)(change->last - id + 1);
        count = count < PAGE ? count : PAGE;
        for (size_t i = 0; i < count; i++)
            ids[i] = id + (int64_t)i;
        eng_store_passage *passages = NULL;
        eng_arena_reset(&p->arena);
        status = eng_store_passage_batch(e->store, ids, count, &p->arena, &passages, err);
        if (status == ENG_OK)
            status = put_passages(e, s, p, passages, count, s->seq, err);
    }
    return status;
}

static eng_status went(eng_shelf *s, const eng_store_change *change, eng_error *err)
{
    eng_status status = ENG_OK;
    for (int64_t id = change->first; status == ENG_OK && id <= change->last; id += PAGE) {
        uint64_t ids[PAGE];
        size_t count = (size_t)(change->last - id + 1);
        count = count < PAGE ? count : PAGE;
        for (size_t i = 0; i < count; i++)
            ids[i] = (uint64_t)id + i;
        status = eng_index_remove(s->index, ids, count, (uint64_t)s->seq, err);
    }
    return status;
}

static bool is_ours(const eng_shelf *s, const eng_store_change *change)
{
    return change->what != ENG_STORE_SWITCHED && change->cutting == s->cutting && change->first > 0;
}

/* What came goes in before what went goes out: of a document that was replaced a reader sees the old
 * passages, which the store no longer has, or the new ones, but never neither. */
static eng_status follow_page(eng *e, eng_shelf *s, const eng_store_change *changes, size_t count,
                              page *p, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        if (changes[i].what == ENG_STORE_CAME && is_ours(s, &changes[i]))
            status = came(e, s, &changes[i], p, err);
    }
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        if (changes[i].what == ENG_STORE_WENT && is_ours(s, &changes[i]))
            status = went(s, &changes[i], err);
    }
    return status == ENG_OK ? set_mark(s, changes[count - 1].seq, err) : status;
}

static eng_status follow(eng *e, eng_shelf *s, eng_error *err)
{
    page p = {.count = 0};
    eng_arena arena; /* of the changes */
    eng_arena_init(&p.arena, 1 << 14, NULL);
    eng_arena_init(&arena, 1 << 12, NULL);
    eng_status status = ENG_OK;
    for (bool more = true; more && status == ENG_OK;) {
        eng_store_change *changes = NULL;
        size_t count = 0;
        eng_arena_reset(&arena);
        status = eng_store_change_page(e->store, s->id, s->seq, CHANGES, &arena, &changes, &count,
                                       err);
        more = status == ENG_OK && count > 0;
        if (more)
            status = follow_page(e, s, changes, count, &p, err);
    }
    eng_arena_clear(&arena);
    eng_arena_clear(&p.arena);
    return status;
}

/* ---- Generations ---- */

/*
 * An index is opened and brought up to date as that of a shelf which nobody sees, and takes its place when
 * it has everything: whoever searches meanwhile is answered by the index before it, or waits.
 */
static eng_status read_generation(eng *e, eng_shelf *fresh, int64_t id, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    eng_store_generation g;
    eng_status status = eng_store_generation_get(e->store, id, &arena, &g, err);
    if (status == ENG_OK)
        status = eng_cutting_read(g.cut, &arena, &fresh->chunk, err);
    if (status == ENG_OK)
        status = (fresh->model = eng_strdup(g.model)) ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK) {
        fresh->generation = id;
        fresh->cutting = g.cutting;
        fresh->dims = g.dims;
    }
    eng_arena_clear(&arena);
    return status;
}

static void publish(eng *e, eng_shelf *s, eng_shelf *fresh)
{
    pthread_rwlock_wrlock(&s->lock);
    eng_index *old = s->index;
    char *old_model = s->model;
    int64_t old_generation = s->generation;
    s->index = fresh->index;
    s->model = fresh->model;
    s->generation = fresh->generation;
    s->cutting = fresh->cutting;
    s->dims = fresh->dims;
    s->chunk = fresh->chunk;
    s->seq = fresh->seq;
    pthread_rwlock_unlock(&s->lock);
    if (old)
        eng_index_close(old);
    if (old_generation && old_generation != fresh->generation)
        remove_folder(e, old_generation);
    eng_free(old_model);
}

/* How far the index is by itself; 0: it is new, or was being filled. */
static eng_status mark_of(eng_index *index, int64_t *mark, uint64_t *passages, eng_error *err)
{
    eng_index_view *view;
    eng_status status = eng_index_view_new(index, &view, err);
    if (status < 0)
        return status;
    eng_index_stats stats;
    eng_index_view_stats(view, &stats);
    *mark = (int64_t)stats.mark;
    *passages = stats.passages;
    eng_index_view_free(view);
    return ENG_OK;
}

/* One that cannot be followed from where it is, because the log no longer reaches back that far or
 * because it was half filled, may hold what has gone since: it is worthless. */
static eng_status bring_up(eng *e, eng_shelf *s, eng_error *err)
{
    uint64_t passages = 0;
    eng_status status = mark_of(s->index, &s->seq, &passages, err);
    if (status < 0)
        return status;
    if (s->seq > 0)
        return follow(e, s, err);
    return passages ? eng_fail(err, ENG_ETRUNCATED, "the index was half filled") : fill(e, s, err);
}

/* Throws the index of a shelf that nobody sees away, where it has one, and fills another. */
static eng_status refill(eng *e, eng_shelf *fresh, eng_error *err)
{
    if (fresh->index)
        eng_index_close(fresh->index);
    fresh->index = NULL;
    remove_folder(e, fresh->generation);
    eng_status status = open_index(e, fresh->generation, fresh->dims, &fresh->index, err);
    return status == ENG_OK ? fill(e, fresh, err) : status;
}

/* The same for one that is seen; those who search wait. With `writing` held. */
static eng_status make_anew(eng *e, eng_shelf *s, eng_error *err)
{
    eng_shelf fresh = {
        .id = s->id, .generation = s->generation, .cutting = s->cutting, .dims = s->dims};
    pthread_rwlock_wrlock(&s->lock); /* nobody reads it now */
    fresh.index = s->index;
    s->index = NULL;
    pthread_rwlock_unlock(&s->lock);
    eng_status status = refill(e, &fresh, err);
    if (status < 0 && fresh.index)
        eng_index_close(fresh.index);
    if (status < 0)
        return status;
    pthread_rwlock_wrlock(&s->lock);
    s->index = fresh.index;
    s->seq = fresh.seq;
    pthread_rwlock_unlock(&s->lock);
    eng_knowledge_wake(e);
    return ENG_OK;
}

eng_status eng_shelf_follow(eng *e, eng_shelf *shelf, eng_error *err)
{
    eng_error why;
    eng_status status = follow(e, shelf, &why);
    eng_knowledge_wake(e);
    if (worthless(status))
        return make_anew(e, shelf, err);
    if (status < 0 && err)
        *err = why;
    return status;
}

static eng_status open_shelf(eng *e, eng_shelf *s, int64_t generation, eng_error *err)
{
    eng_error why;
    eng_shelf fresh = {.id = s->id};
    eng_status status = read_generation(e, &fresh, generation, &why);
    if (status == ENG_OK)
        status = open_index(e, generation, fresh.dims, &fresh.index, &why);
    if (status == ENG_OK)
        status = bring_up(e, &fresh, &why);
    if (fresh.index && worthless(status))
        status = refill(e, &fresh, &why);
    if (status == ENG_OK) {
        publish(e, s, &fresh);
        eng_knowledge_wake(e); /* what was filled is flushed and grown, though nobody writes */
        return ENG_OK;
    }
    if (fresh.index)
        eng_index_close(fresh.index);
    eng_free(fresh.model);
    if (err)
        *err = why;
    return status;
}

/* ---- Beside the one that answers ---- */

static eng_status open_beside(eng *e, eng_shelf *s, int64_t generation, eng_error *err)
{
    eng_error why;
    bool more = true;
    eng_status status = read_generation(e, s, generation, &why);
    if (status == ENG_OK)
        status = open_index(e, generation, s->dims, &s->index, &why);
    if (status == ENG_OK)
        status = bring_up(e, s, &why);
    if (s->index && worthless(status))
        status = refill(e, s, &why);
    while (status == ENG_OK && more)
        status = eng_index_step(s->index, &more, &why);
    if (status < 0 && err)
        *err = why;
    return status;
}

eng_status eng_shelf_beside(eng *e, int64_t collection, int64_t generation, eng_shelf **out,
                            eng_error *err)
{
    eng_shelf *s = eng_zalloc(sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->id = collection;
    pthread_mutex_init(&s->writing, NULL);
    pthread_rwlock_init(&s->lock, NULL);
    eng_status status = open_beside(e, s, generation, err);
    if (status < 0)
        shelf_free(s);
    else
        *out = s;
    return status;
}

void eng_shelf_beside_free(eng *e, eng_shelf *shelf, int64_t generation)
{
    if (shelf)
        shelf_free(shelf);
    remove_folder(e, generation);
}

/* ---- Examining ---- */

eng_status eng_index_examine(const char *dir, bool repair, bool *repaired, eng_error *err)
{
    eng_index *index = NULL;
    eng_index_options options = {.dir = dir, .look = true};
    eng_status status = eng_index_open(&options, &index, err);
    if (status == ENG_OK) {
        status = eng_index_check(index, err);
        eng_index_close(index);
    }
    *repaired = worthless(status) && repair && eng_dir_remove(dir, NULL) == ENG_OK;
    return status;
}

static eng_status examine_folder(const eng *e, int64_t generation, bool repair, bool *repaired,
                                 eng_error *err)
{
    char *dir = folder_of(e, generation);
    if (!dir)
        return eng_fail_nomem(err);
    eng_status status = eng_index_examine(dir, repair, repaired, err);
    eng_free(dir);
    return status;
}

eng_status eng_shelf_examine(eng *e, int64_t collection, int64_t generation, bool repair,
                             bool *repaired, eng_error *err)
{
    eng_shelf *s = NULL;
    *repaired = false;
    eng_status status = take(e->knowledge, collection, &s, err);
    if (status < 0)
        return status;
    pthread_mutex_lock(&s->writing); /* so nobody opens, changes or switches it */
    if (s->index && s->generation == generation) {
        status = eng_index_check(s->index, err);
        *repaired = worthless(status) && repair && make_anew(e, s, NULL) == ENG_OK;
    } else {
        status = examine_folder(e, generation, repair, repaired, err);
    }
    pthread_mutex_unlock(&s->writing);
    eng_shelf_release(e, s);
    return status;
}

eng_status eng_shelf_hold(eng *e, eng_str name, eng_arena *arena, eng_store_collection *row,
                          eng_shelf **out, eng_error *err)
{
    eng_shelf *s = NULL;
    eng_status status = eng_store_collection_get(e->store, name, arena, row, err);
    if (status == ENG_ENOTFOUND || (status == ENG_OK && !row->generation))
        return eng_fail(err, ENG_ENOTFOUND, "no collection '%.*s'", ENG_FMT(name));
    if (status == ENG_OK)
        status = take(e->knowledge, row->id, &s, err);
    if (status < 0)
        return status;
    pthread_rwlock_rdlock(&s->lock);
    bool ready = s->index && s->generation == row->generation;
    pthread_rwlock_unlock(&s->lock);
    if (!ready) {
        pthread_mutex_lock(&s->writing);
        if (!s->index || s->generation != row->generation)
            status = open_shelf(e, s, row->generation, err);
        pthread_mutex_unlock(&s->writing);
    }
    if (status < 0)
        eng_shelf_release(e, s);
    else
        *out = s;
    return status;
}

void eng_shelf_drop(eng *e, int64_t id, int64_t generation)
{
    pthread_mutex_lock(&e->knowledge->lock);
    eng_shelf *s = find(e->knowledge, id);
    bool free_it = false;
    if (s) {
        s->dropped = true;
        generation = s->generation ? s->generation : generation;
        free_it = s->users == 0;
        if (free_it)
            unlink_shelf(e->knowledge, s);
    }
    pthread_mutex_unlock(&e->knowledge->lock);
    if (free_it)
        shelf_free(s);
    if (generation)
        remove_folder(e, generation);
}
