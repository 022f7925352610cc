/* What was predicted: the history as callers see it. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/engine_internal.h"
#include "engine/history.h"

#include <string.h>

enum { MS_A_DAY = 24 * 60 * 60 * 1000 };

eng_status eng_predictions_open(eng *e, const eng_options *options, eng_error *err)
{
    if (options->history_off)
        return ENG_OK;
    char *dir = eng_path_join(e->data, "history");
    if (!dir)
        return eng_fail_nomem(err);
    eng_history_options how = {
        .dir = dir,
        .bytes_max = options->history_bytes,
        .age_max_ms = (int64_t)options->history_days * MS_A_DAY,
        .always = options->history_sync,
    };
    eng_status status = eng_history_open(&how, &e->history, err);
    eng_free(dir);
    return status;
}

eng_status eng_prediction_keep(eng *e, eng_prediction *p, eng_error *err)
{
    if (!e->history)
        return ENG_OK;
    eng_history_entry entry = {
        .model = p->model,
        .version = p->version,
        .rows = p->rows,
        .ns = p->ns,
        .input = p->input,
        .predicted = p->predicted,
        .cut = p->cut,
    };
    eng_status status = eng_history_append(e->history, &entry, err);
    if (status == ENG_OK) {
        p->id = entry.id;
        p->time_ms = entry.time_ms;
    }
    return status;
}

_Static_assert(sizeof(eng_prediction_wait) == sizeof(eng_history_wait),
               "a wait is handed on as it is");

bool eng_prediction_durable(eng *e, eng_prediction_wait *wait)
{
    return !e->history || eng_history_synced(e->history, (eng_history_wait *)wait);
}

/* ---- Pages ---- */

typedef struct {
    eng_prediction_page page; /* first: what callers have */
    eng_arena arena;
} listing;

static eng_status fill(eng *e, listing *l, const eng_history_query *q, eng_error *err)
{
    eng_history_page_of got = {.count = 0};
    eng_status status = e->history ? eng_history_list(e->history, q, &l->arena, &got, err) : ENG_OK;
    if (status < 0)
        return status;
    l->page.items = eng_arena_array(&l->arena, got.count + 1, sizeof *l->page.items);
    if (!l->page.items)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < got.count; i++) {
        const eng_history_entry *entry = &got.items[i];
        l->page.items[i] = (eng_prediction){
            .id = entry->id,
            .time_ms = entry->time_ms,
            .model = entry->model,
            .version = entry->version,
            .rows = entry->rows,
            .ns = entry->ns,
            .input = entry->input,
            .predicted = entry->predicted,
            .cut = entry->cut,
        };
    }
    l->page.count = got.count;
    if (got.more)
        eng_next_make(e, "history", got.items[got.count - 1].id, l->page.next);
    return ENG_OK;
}

eng_status eng_prediction_list(eng *e, const eng_prediction_query *query, eng_prediction_page **out,
                               eng_error *err)
{
    int64_t before = 0;
    eng_status status = eng_limit_check(query->limit, err);
    if (status == ENG_OK)
        status = eng_next_read(e, "history", query->next, 0, &before, err);
    if (status < 0)
        return status;
    eng_history_query q = {.model = query->model,
                           .from_ms = query->from_ms,
                           .to_ms = query->to_ms,
                           .before = before,
                           .limit = query->limit};
    listing *l = eng_zalloc(sizeof *l);
    if (!l)
        return eng_fail_nomem(err);
    eng_arena_init(&l->arena, 1 << 14, NULL);
    status = fill(e, l, &q, err);
    if (status < 0)
        eng_prediction_page_free(&l->page);
    else
        *out = &l->page;
    return status;
}

void eng_prediction_page_free(eng_prediction_page *page)
{
    listing *l = (listing *)page;
    if (!l)
        return;
    eng_arena_clear(&l->arena);
    eng_free(l);
}
