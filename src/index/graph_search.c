/* Searching the graph: from node to nearer node, keeping the best `effort` that were seen. */
#include "index/graph_internal.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { FRONTIER_LEAST = 1024, AHEAD = 3, LINE = 64 };

/* ---- Heaps ------------------------------------------------------------------------------------------------ */

/* One heap code for both: `flip` turns the order around. */
static inline void push(graph_heap *h, graph_near item, graph_near flip)
{
    size_t at = h->count++;
    for (; at > 0 && (item ^ flip) > (h->items[(at - 1) / 2] ^ flip); at = (at - 1) / 2)
        h->items[at] = h->items[(at - 1) / 2];
    h->items[at] = item;
}

static inline void sink(graph_heap *h, graph_near item, graph_near flip)
{
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && (h->items[child + 1] ^ flip) > (h->items[child] ^ flip))
            child++;
        if ((h->items[child] ^ flip) <= (item ^ flip))
            break;
        h->items[at] = h->items[child];
        at = child;
    }
    h->items[at] = item;
}

static const graph_near NEAREST = 0, FARTHEST = UINT64_MAX;

static graph_near pop_nearest(graph_heap *h)
{
    graph_near top = h->items[0], last = h->items[--h->count];
    if (h->count)
        sink(h, last, NEAREST);
    return top;
}

static void keep_best(graph_scratch *s, graph_near item)
{
    if (s->best.count < s->effort)
        push(&s->best, item, FARTHEST);
    else if (item > s->best.items[0])
        sink(&s->best, item, FARTHEST);
}

/* The frontier has no bound of its own, but what is farther than everything in it may be dropped when
 * it is large: half of it is, in any order of its leaves. */
static void add_frontier(graph_scratch *s, graph_near item)
{
    if (s->frontier.count == s->frontier_cap)
        s->frontier.count /= 2; /* the first half of a heap is a heap, of the nearer ones mostly */
    push(&s->frontier, item, NEAREST);
}

/* ---- Nearness --------------------------------------------------------------------------------------------- */

graph_near graph_nearness(float similarity, uint32_t node)
{
    uint32_t bits;
    memcpy(&bits, &similarity, sizeof bits);
    bits = bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
    return (graph_near)bits << 32 | node;
}

float graph_similarity_of(graph_near n)
{
    uint32_t bits = (uint32_t)(n >> 32);
    float similarity;
    bits = bits >> 31 ? bits & ~(UINT32_C(1) << 31) : ~bits;
    memcpy(&similarity, &bits, sizeof similarity);
    return similarity;
}

float graph_similarity(const graph_scratch *s, const eng_graph *g, const int8_t *query,
                       uint32_t node)
{
    return (float)s->kern->dot_i8(query, graph_code(g, node), g->stride) * graph_at(g, node)->scale;
}

/* ---- Walking ---------------------------------------------------------------------------------------------- */

uint32_t graph_descend(const graph_scratch *s, const eng_graph *g, const int8_t *query,
                       uint64_t entry, unsigned to)
{
    uint32_t here = (uint32_t)entry;
    float best = graph_similarity(s, g, query, here);
    for (unsigned level = (unsigned)(entry >> 32); level > to; level--) {
        for (bool moved = true; moved;) {
            uint32_t count;
            const _Atomic uint32_t *links = graph_links(g, here, level, &count);
            moved = false;
            for (uint32_t i = 0; i < count; i++) {
                uint32_t next = atomic_load_explicit(&links[i], memory_order_acquire);
                float similarity = graph_similarity(s, g, query, next);
                if (similarity > best) {
                    best = similarity;
                    here = next;
                    moved = true;
                }
            }
        }
    }
    return here;
}

static inline bool visit(graph_scratch *s, uint32_t node)
{
    uint64_t bit = UINT64_C(1) << (node % 64);
    bool fresh = node < s->nodes && !(s->visited[node / 64] & bit);
    if (fresh)
        s->visited[node / 64] |= bit;
    return fresh;
}

static inline void fetch(const eng_graph *g, uint32_t node)
{
    const int8_t *p = graph_code(g, node);
    for (uint32_t at = 0; at < g->stride; at += LINE)
        __builtin_prefetch(p + at);
    __builtin_prefetch(p + g->stride);
}

static inline bool is_wanted(const eng_graph *g, const graph_wanted *w, uint32_t node)
{
    uint32_t row;
    if (!w)
        return true;
    row = graph_at(g, node)->row;
    return row < w->rows && eng_bit(w->allowed, row);
}

static void consider(graph_scratch *s, const eng_graph *g, const int8_t *query, uint32_t node,
                     const graph_wanted *wanted)
{
    graph_near near = graph_nearness(graph_similarity(s, g, query, node), node);
    if (s->best.count == s->effort && near <= s->best.items[0])
        return;
    add_frontier(s, near);
    if (is_wanted(g, wanted, node))
        keep_best(s, near);
}

void graph_search_level(graph_scratch *s, const eng_graph *g, const int8_t *query, uint32_t from,
                        unsigned level, const graph_wanted *wanted)
{
    s->frontier.count = s->best.count = 0;
    visit(s, from);
    consider(s, g, query, from, wanted);
    while (s->frontier.count > 0) {
        uint32_t fresh[GRAPH_LINKS], count, n = 0;
        graph_near nearest = pop_nearest(&s->frontier);
        if (s->best.count == s->effort && nearest < s->best.items[0])
            break;
        const _Atomic uint32_t *links = graph_links(g, graph_node_of(nearest), level, &count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t next = atomic_load_explicit(&links[i], memory_order_acquire);
            if (!visit(s, next))
                continue;
            if (n < AHEAD)
                fetch(g, next);
            fresh[n++] = next;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (i + AHEAD < n)
                fetch(g, fresh[i + AHEAD]);
            consider(s, g, query, fresh[i], wanted);
        }
    }
}

eng_status graph_scratch_init(graph_scratch *s, uint32_t nodes, size_t effort, eng_error *err)
{
    *s = (graph_scratch){.kern = eng_kern_get(), .nodes = nodes, .effort = effort};
    s->frontier_cap = FRONTIER_LEAST + effort * 8;
    s->visited = eng_zalloc((eng_bits_words(nodes) + 1) * sizeof *s->visited);
    s->frontier.items = eng_alloc_array(s->frontier_cap + 1, sizeof *s->frontier.items);
    s->best.items = eng_alloc_array(effort + 1, sizeof *s->best.items);
    if (!s->visited || !s->frontier.items || !s->best.items) {
        graph_scratch_clear(s);
        return eng_fail_nomem(err);
    }
    return ENG_OK;
}

void graph_scratch_clear(graph_scratch *s)
{
    eng_free(s->visited);
    eng_free(s->frontier.items);
    eng_free(s->best.items);
    *s = (graph_scratch){0};
}

/* ---- For dense.c ------------------------------------------------------------------------------------------ */

static int by_place(const void *a, const void *b)
{
    const eng_graph_hit *x = a, *y = b;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->similarity > y->similarity ? -1 : x->similarity < y->similarity;
}

eng_status eng_graph_search(const eng_graph *g, const eng_graph_query *q, eng_graph_hit *out,
                            size_t *count, eng_error *err)
{
    graph_scratch s;
    uint64_t entry = atomic_load_explicit(&g->entry, memory_order_acquire);
    uint32_t nodes = atomic_load_explicit(&g->count, memory_order_acquire);
    graph_wanted wanted = {q->allowed, q->rows};
    *count = 0;
    if (nodes == 0)
        return ENG_OK;
    eng_status status = graph_scratch_init(&s, g->capacity, q->effort, err);
    if (status < 0)
        return status;
    uint32_t from = graph_descend(&s, g, q->codes, entry, 0);
    graph_search_level(&s, g, q->codes, from, 0, &wanted);
    for (size_t i = 0; i < s.best.count; i++) {
        uint32_t node = graph_node_of(s.best.items[i]);
        out[i] = (eng_graph_hit){graph_at(g, node)->row, graph_similarity_of(s.best.items[i])};
    }
    qsort(out, s.best.count, sizeof *out, by_place);
    for (size_t i = 0; i < s.best.count; i++) {
        if (*count == 0 || out[*count - 1].row != out[i].row)
            out[(*count)++] = out[i];
    }
    graph_scratch_clear(&s);
    return ENG_OK;
}
