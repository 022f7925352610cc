/*
 * The graph's file: its nodes as they are in memory, then their upper levels. Read as a whole, because
 * a search jumps through all of it, into memory whose large pages make a jump cheap.
 */
#include "index/graph_internal.h"

#include "base/alloc.h"

enum { SECTION_NODES, SECTION_UPPER };

uint64_t eng_graph_file(const eng_graph *g) { return g ? g->file : 0; }
uint32_t eng_graph_rows(const eng_graph *g)
{
    return g ? atomic_load_explicit(&g->rows, memory_order_acquire) : 0;
}
uint64_t eng_graph_nodes(const eng_graph *g)
{
    return g ? atomic_load_explicit(&g->count, memory_order_acquire) : 0;
}

/* What is touched of it. */
uint64_t eng_graph_memory(const eng_graph *g)
{
    return g ? eng_graph_nodes(g) * (g->size + sizeof(graph_upper) / 10) : 0;
}

eng_status graph_write(const eng_graph *g, const char *path, eng_image **out, eng_error *err)
{
    eng_sink sink;
    uint32_t count = atomic_load(&g->count);
    eng_status status = eng_sink_open(&sink, path, err);
    if (status < 0)
        return status;
    eng_sink_begin(&sink, SECTION_NODES);
    eng_sink_put(&sink, g->nodes, (size_t)count * g->size);
    eng_sink_end(&sink, SECTION_NODES);
    eng_sink_begin(&sink, SECTION_UPPER);
    eng_sink_put(&sink, g->upper, g->upper_count * sizeof *g->upper);
    eng_sink_end(&sink, SECTION_UPPER);
    uint64_t numbers[ENG_TAIL_NUMBERS] = {count, g->dim, atomic_load(&g->entry),
                                          atomic_load(&g->rows), g->upper_count};
    memcpy(sink.numbers, numbers, sizeof numbers);
    return eng_sink_close(&sink, ENG_IMAGE_GRAPH, out, err);
}

/* Every node that can be reached from a node exists, on the level that it is reached on. */
static bool links_are_sound(const eng_graph *g, uint32_t node, unsigned level, uint32_t nodes)
{
    uint32_t count, most = level ? GRAPH_UPPER_LINKS : GRAPH_LINKS;
    graph_node *n = graph_at(g, node);
    count = level ? graph_upper_at(g, n, level)->count : n->count;
    if (count > most)
        return false;
    const _Atomic uint32_t *links = graph_links(g, node, level, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (links[i] >= nodes || graph_at(g, links[i])->level < level)
            return false;
    }
    return true;
}

static bool is_sound(const eng_graph *g, uint32_t rows)
{
    uint32_t nodes = g->count;
    uint64_t entry = g->entry;
    if (nodes == 0 || (uint32_t)entry >= nodes ||
        entry >> 32 != graph_at(g, (uint32_t)entry)->level || g->rows > rows)
        return false;
    for (uint32_t i = 0; i < nodes; i++) {
        const graph_node *n = graph_at(g, i);
        if (n->row >= rows || n->level >= GRAPH_LEVELS || n->upper > g->upper_count ||
            n->level > g->upper_count - n->upper)
            return false;
    }
    for (uint32_t i = 0; i < nodes; i++) {
        for (unsigned level = 0; level <= graph_at(g, i)->level; level++) {
            if (!links_are_sound(g, i, level, nodes))
                return false;
        }
    }
    return true;
}

static const char *name_of(const eng_image *image)
{
    return image->path ? image->path : "graph in memory";
}

eng_status graph_read(const eng_image *image, uint32_t dim, uint32_t rows, eng_graph **out,
                      eng_error *err)
{
    const uint64_t *n = image->numbers;
    const unsigned char *nodes, *upper;
    size_t nodes_len, upper_len;
    eng_graph *g = NULL;
    eng_status status = eng_image_section(image, SECTION_NODES, &nodes, &nodes_len, err);
    if (status == ENG_OK)
        status = eng_image_section(image, SECTION_UPPER, &upper, &upper_len, err);
    if (status < 0)
        return status;
    if (n[0] == 0 || n[0] > UINT32_MAX / 2 || n[0] > nodes_len || n[1] != dim ||
        n[3] > UINT32_MAX || n[4] != upper_len / sizeof(graph_upper))
        return eng_fail(err, ENG_ECORRUPT, "'%s': its numbers make no sense", name_of(image));
    status = graph_new(dim, (uint32_t)(n[0] + n[0] / 4 + 1024), &g, err);
    if (status < 0)
        return status;
    if (nodes_len != n[0] * g->size || n[4] > g->upper_capacity) {
        eng_graph_unref(g);
        return eng_fail(err, ENG_ECORRUPT, "'%s': nodes are missing", name_of(image));
    }
    memcpy(g->nodes, nodes, nodes_len);
    memcpy(g->upper, upper, upper_len);
    g->upper_count = (uint32_t)n[4];
    g->saved = (uint32_t)n[0];
    atomic_store(&g->count, (uint32_t)n[0]);
    atomic_store(&g->entry, n[2]);
    atomic_store(&g->rows, (uint32_t)n[3]);
    if (!is_sound(g, rows)) {
        eng_graph_unref(g);
        return eng_fail(err, ENG_ECORRUPT, "'%s': a link leads nowhere", name_of(image));
    }
    *out = g;
    return ENG_OK;
}
