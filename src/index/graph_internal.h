/*
 * The graph: a hierarchical navigable small world over the codes of vectors.
 *
 * A node is one piece of memory: its code, then who it is and its neighbours, so that a step of a search
 * touches one place. Nodes never move while a graph lives; one that is full is copied into a larger
 * one. Readers take no locks: neighbours are single words that are written whole, and whatever mixture
 * of old and new ones a reader sees, all of them are nodes. What has died stays as a way to others and
 * is left out of results; where much has died the graph is made anew beside the old one.
 */
#ifndef ENG_INDEX_GRAPH_INTERNAL_H
#define ENG_INDEX_GRAPH_INTERNAL_H

#include "index/index_internal.h"
#include "kern/kern.h"

enum {
    GRAPH_LINKS = 32,       /* at the lowest level */
    GRAPH_UPPER_LINKS = 16, /* at each level above */
    GRAPH_LEVELS = 12,
    GRAPH_EFFORT_BUILD = 160,
    GRAPH_EFFORT = 100,
    GRAPH_LOCKS = 1024,
    GRAPH_ALIGN = 64
};

/* Behind the code of a node. */
typedef struct {
    uint32_t row;
    uint32_t upper; /* place of its upper levels in the pool */
    float scale;
    uint8_t level;
    uint8_t kind;
    uint16_t unused;
    _Atomic uint32_t count;
    _Atomic uint32_t links[GRAPH_LINKS];
} graph_node;

/* One upper level of a node. */
typedef struct {
    _Atomic uint32_t count;
    _Atomic uint32_t links[GRAPH_UPPER_LINKS];
} graph_upper;

struct eng_graph {
    _Atomic uint32_t refs;
    uint32_t dim;
    uint32_t stride; /* of a code */
    size_t size;     /* of a node */
    uint32_t capacity;
    uint32_t upper_capacity;
    uint32_t upper_count;   /* writers only, under `making` */
    _Atomic uint32_t count; /* nodes that are whole; others may follow while it grows */
    _Atomic uint32_t rows;  /* all vectors of rows before this one are in it */
    _Atomic uint64_t entry; /* the node to begin at, and its level above it */
    unsigned char *memory;
    unsigned char *nodes; /* aligned */
    graph_upper *upper;
    pthread_mutex_t making;
    pthread_mutex_t locks[GRAPH_LOCKS];
    /* What the keeper remembers; under merging. */
    uint32_t saved; /* nodes in the file */
    uint64_t file;
};

static inline const int8_t *graph_code(const eng_graph *g, uint32_t node)
{
    return (const int8_t *)(g->nodes + (size_t)node * g->size);
}
static inline graph_node *graph_at(const eng_graph *g, uint32_t node)
{
    return (graph_node *)(void *)(g->nodes + (size_t)node * g->size + g->stride);
}
static inline graph_upper *graph_upper_at(const eng_graph *g, const graph_node *n, unsigned level)
{
    return &g->upper[n->upper + level - 1];
}

/* The neighbours of a node at a level; *count of them. */
static inline const _Atomic uint32_t *graph_links(const eng_graph *g, uint32_t node, unsigned level,
                                                  uint32_t *count)
{
    graph_node *n = graph_at(g, node);
    graph_upper *u = level ? graph_upper_at(g, n, level) : NULL;
    uint32_t most = level ? GRAPH_UPPER_LINKS : GRAPH_LINKS;
    uint32_t c = atomic_load_explicit(level ? &u->count : &n->count, memory_order_acquire);
    *count = c < most ? c : most;
    return level ? u->links : n->links;
}

/* ---- Searching (graph_search.c) ---- */

/* A node with how near it is, as one number: larger is nearer. */
typedef uint64_t graph_near;
static inline uint32_t graph_node_of(graph_near n) { return (uint32_t)n; }

typedef struct {
    graph_near *items; /* a heap */
    size_t count;
} graph_heap;

/* Scratch of a search, made once for many. */
typedef struct {
    const eng_kern *kern;
    uint64_t *visited; /* a bit for each node that there may be */
    uint32_t nodes;
    graph_heap frontier; /* the nearest on top */
    graph_heap best;     /* the farthest on top */
    size_t effort;       /* most in `best` */
    size_t frontier_cap;
    bool no_memory;
} graph_scratch;

eng_status graph_scratch_init(graph_scratch *s, uint32_t nodes, size_t effort, eng_error *err);
void graph_scratch_clear(graph_scratch *s);

/* What may be found: rows below `rows` whose bit is set; NULL: every node. */
typedef struct {
    const uint64_t *allowed;
    uint32_t rows;
} graph_wanted;

float graph_similarity(const graph_scratch *s, const eng_graph *g, const int8_t *query,
                       uint32_t node);
graph_near graph_nearness(float similarity, uint32_t node);
float graph_similarity_of(graph_near n);
/* Goes down to the level above `to`, one nearest at a time; gives the node it came to. */
uint32_t graph_descend(const graph_scratch *s, const eng_graph *g, const int8_t *query,
                       uint64_t entry, unsigned to);
/* The nearest at one level, from a node: in s->best, a heap. */
void graph_search_level(graph_scratch *s, const eng_graph *g, const int8_t *query, uint32_t from,
                        unsigned level, const graph_wanted *wanted);

/* ---- Making (graph_build.c) ---- */

eng_status graph_new(uint32_t dim, uint32_t capacity, eng_graph **out, eng_error *err);
/* Puts the i-th vector of a chunk in as this node; several threads at once, each another node. */
void graph_insert(graph_scratch *s, eng_graph *g, uint32_t node, const eng_chunk *c, size_t i);

/* ---- Files (graph.c) ---- */

/* path NULL: an image in memory, which *out gets. */
eng_status graph_write(const eng_graph *g, const char *path, eng_image **out, eng_error *err);
/* Of an index of so many rows; whatever the image holds, no search leaves the graph. */
eng_status graph_read(const eng_image *image, uint32_t dim, uint32_t rows, eng_graph **out,
                      eng_error *err);

#endif
