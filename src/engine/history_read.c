/*
 * Pages of entries, newest first. A segment is held while it is read, so that it may be removed meanwhile;
 * of the newest only what was there when the reading began is looked at, which does not change any more.
 */
#include "engine/history.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

#include <string.h>

typedef struct {
    const eng_history_query *query;
    eng_arena *arena;
    eng_history_page_of *page;
    size_t cap;
    size_t bytes; /* of what is in the page */
} reading;

typedef struct {
    eng_history_segment *segment;
    eng_history_summary summary; /* as of when the reading began */
} held;

/* ---- Which segments ---- */

static bool has_model(const eng_history_summary *s, eng_str model)
{
    if (model.len == 0 || s->model_count > ENG_HISTORY_MODELS)
        return true;
    uint64_t hash = eng_history_hash(model);
    for (uint32_t i = 0; i < s->model_count; i++)
        if (s->models[i] == hash)
            return true;
    return false;
}

static bool may_hold(const eng_history_segment *s, const eng_history_query *q)
{
    int64_t first = (int64_t)s->number << ENG_HISTORY_PLACE_BITS;
    return s->summary.entries > 0 && s->summary.first_ms <= q->to_ms &&
           s->summary.last_ms >= q->from_ms && (!q->before || first < q->before) &&
           has_model(&s->summary, q->model);
}

/* Newest first; each is held. */
static eng_status hold(eng_history *h, reading *r, held **out, size_t *count, eng_error *err)
{
    size_t n = 0;
    pthread_mutex_lock(&h->lock);
    held *list = eng_arena_array(r->arena, h->count + 1, sizeof *list);
    for (size_t i = h->count; list && i-- > 0;) {
        eng_history_segment *s = h->segments[i];
        if (!may_hold(s, r->query))
            continue;
        s->users++;
        list[n++] = (held){.segment = s, .summary = s->summary};
    }
    pthread_mutex_unlock(&h->lock);
    *out = list;
    *count = n;
    return list ? ENG_OK : eng_fail_nomem(err);
}

static void let_go(eng_history *h, const held *list, size_t count)
{
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < count; i++) {
        eng_history_segment *s = list[i].segment;
        if (--s->users == 0 && s->removed)
            eng_free(s);
    }
    pthread_mutex_unlock(&h->lock);
}

/* ---- Entries ---- */

static eng_status keep(reading *r, const eng_history_entry *entry, eng_error *err)
{
    eng_history_page_of *page = r->page;
    if (page->count == r->query->limit || r->bytes > ENG_HISTORY_LISTED) {
        page->more = true;
        return ENG_OK;
    }
    if (page->count == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        eng_history_entry *items = eng_arena_array(r->arena, cap, sizeof *items);
        if (!items)
            return eng_fail_nomem(err);
        if (page->count)
            memcpy(items, page->items, page->count * sizeof *items);
        page->items = items;
        r->cap = cap;
    }
    eng_history_entry *to = &page->items[page->count];
    *to = *entry;
    to->model = eng_arena_copy(r->arena, entry->model);
    to->input = eng_arena_copy(r->arena, entry->input);
    to->predicted = eng_arena_copy(r->arena, entry->predicted);
    if (!to->model.ptr || !to->input.ptr || !to->predicted.ptr)
        return eng_fail_nomem(err);
    r->bytes += eng_history_size(entry);
    page->count++;
    return ENG_OK;
}

/* Where reading backwards begins: behind everything, or at the entry that all must stand before. */
static size_t from_where(const held *one, const eng_history_query *q)
{
    int64_t first = (int64_t)one->segment->number << ENG_HISTORY_PLACE_BITS;
    uint64_t end = one->summary.used;
    if (q->before && (uint64_t)(q->before - first) < end)
        end = (uint64_t)(q->before - first);
    return (size_t)end;
}

static eng_status read_entries(reading *r, const held *one, const unsigned char *data, size_t len,
                               eng_error *err)
{
    const eng_history_query *q = r->query;
    eng_history_entry entry;
    size_t at = from_where(one, q);
    if (at > len)
        at = len;
    while (!r->page->more && eng_history_before(data, one->segment->number, &at, &entry)) {
        if (entry.time_ms < q->from_ms)
            return ENG_OK;
        if (entry.time_ms > q->to_ms || (q->model.len && !eng_str_eq(q->model, entry.model)))
            continue;
        eng_status status = keep(r, &entry, err);
        if (status < 0)
            return status;
    }
    return ENG_OK;
}

/* The file is mapped once more, the newest's too: the writer may unmap its own at any time. */
static eng_status read_segment(eng_history *h, reading *r, const held *one, eng_error *err)
{
    eng_mapping file;
    eng_error why;
    char *path = eng_history_path(h, one->segment->number);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = eng_mapping_open(path, &file, &why);
    eng_free(path);
    if (status == ENG_ENOTFOUND)
        return ENG_OK; /* removed meanwhile */
    if (status < 0) {
        if (err)
            *err = why;
        return status;
    }
    size_t len = file.len < one->summary.used ? file.len : (size_t)one->summary.used;
    status = read_entries(r, one, file.data, len, err);
    eng_mapping_close(&file);
    return status;
}

eng_status eng_history_list(eng_history *h, const eng_history_query *query, eng_arena *arena,
                            eng_history_page_of *out, eng_error *err)
{
    reading r = {.query = query, .arena = arena, .page = out};
    held *list;
    size_t count;
    *out = (eng_history_page_of){.count = 0};
    eng_status status = hold(h, &r, &list, &count, err);
    for (size_t i = 0; i < count && status == ENG_OK && !out->more; i++)
        status = read_segment(h, &r, &list[i], err);
    let_go(h, list, count);
    return status;
}
