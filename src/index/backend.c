/* The operations of every backend: each is its table's. */
#include "index/index.h"

eng_status eng_index_upsert(eng_index *x, const eng_index_item *items, size_t count, uint64_t mark,
                            eng_error *err)
{
    return x->ops->upsert(x, items, count, mark, err);
}

eng_status eng_index_remove(eng_index *x, const uint64_t *ids, size_t count, uint64_t mark,
                            eng_error *err)
{
    return x->ops->remove(x, ids, count, mark, err);
}

eng_status eng_index_flush(eng_index *x, eng_error *err) { return x->ops->flush(x, err); }

eng_status eng_index_step(eng_index *x, bool *more, eng_error *err)
{
    return x->ops->step(x, more, err);
}

eng_status eng_index_check(eng_index *x, eng_error *err) { return x->ops->check(x, err); }

unsigned eng_index_capabilities(const eng_index *x) { return x->ops->capabilities(x); }

void eng_index_close(eng_index *x)
{
    if (x)
        x->ops->close(x);
}

eng_status eng_index_view_new(eng_index *x, eng_index_view **out, eng_error *err)
{
    return x->ops->view(x, out, err);
}

void eng_index_view_free(eng_index_view *view)
{
    if (view)
        view->ops->view_free(view);
}

void eng_index_view_stats(eng_index_view *view, eng_index_stats *out)
{
    view->ops->stats(view, out);
}

eng_status eng_index_candidates(eng_index_view *view, const eng_index_query *query, eng_hit *out,
                                size_t *count, eng_error *err)
{
    return view->ops->candidates(view, query, out, count, err);
}

eng_status eng_index_score(eng_index_view *view, const eng_index_query *query, const uint64_t *ids,
                           size_t count, float *out, eng_error *err)
{
    return view->ops->score(view, query, ids, count, out, err);
}

eng_status eng_index_explain(eng_index_view *view, const eng_index_query *query, uint64_t id,
                             eng_arena *arena, eng_term_share **out, size_t *count, eng_error *err)
{
    return view->ops->explain(view, query, id, arena, out, count, err);
}

eng_status eng_index_scroll(eng_index_view *view, const eng_filter *filter, uint64_t after,
                            size_t limit, eng_hit *out, size_t *count, eng_error *err)
{
    return view->ops->scroll(view, filter, after, limit, out, count, err);
}

eng_status eng_index_vectors(eng_index_view *view, const uint64_t *ids, size_t count, float *out,
                             eng_error *err)
{
    return view->ops->vectors(view, ids, count, out, err);
}
