/*
 * The best so far: a heap with the worst on top. Higher scores are better; of equals the row that came
 * first. Rows are offered in ascending order, so an equal of the worst never displaces it, and which
 * ones are kept does not depend on how many: the first k are the same for every limit.
 */
#ifndef ENG_INDEX_HEAP_H
#define ENG_INDEX_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t score;
    uint32_t row;
} eng_best;

typedef struct {
    eng_best *items; /* limit of them: the caller's */
    size_t count;
    size_t limit;   /* not 0 */
    uint32_t least; /* where it is full: a score has to be larger than this; else 0 */
} eng_heap;

static inline bool eng_heap_worse(const eng_best *a, const eng_best *b)
{
    return a->score != b->score ? a->score < b->score : a->row > b->row;
}

static inline void eng_heap_sink(eng_heap *h, size_t at)
{
    eng_best item = h->items[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && eng_heap_worse(&h->items[child + 1], &h->items[child]))
            child++;
        if (!eng_heap_worse(&h->items[child], &item))
            break;
        h->items[at] = h->items[child];
        at = child;
    }
    h->items[at] = item;
}

/* Keeps one that is better than the worst, or for which there is room. */
static inline void eng_heap_keep(eng_heap *h, uint32_t score, uint32_t row)
{
    eng_best item = {score, row};
    if (h->count == h->limit) {
        if (!eng_heap_worse(&h->items[0], &item))
            return;
        h->items[0] = item;
        eng_heap_sink(h, 0);
        h->least = h->items[0].score;
        return;
    }
    size_t at = h->count++;
    for (; at > 0 && eng_heap_worse(&item, &h->items[(at - 1) / 2]); at = (at - 1) / 2)
        h->items[at] = h->items[(at - 1) / 2];
    h->items[at] = item;
    if (h->count == h->limit)
        h->least = h->items[0].score;
}

/* Takes the worst away; emptied this way, the items come from last to first. */
static inline eng_best eng_heap_take(eng_heap *h)
{
    eng_best worst = h->items[0];
    h->items[0] = h->items[--h->count];
    if (h->count)
        eng_heap_sink(h, 0);
    return worst;
}

#endif
