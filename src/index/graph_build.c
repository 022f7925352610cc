/*
 * Growing the graph: a node is put in by searching for its neighbours, so several threads put in
 * several at once. A node's links change under its lock; who reads them takes none.
 */
#include "index/graph_internal.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- Memory ----------------------------------------------------------------------------------------------- */

eng_status graph_new(uint32_t dim, uint32_t capacity, eng_graph **out, eng_error *err)
{
    eng_graph *g = eng_zalloc(sizeof *g);
    if (!g)
        return eng_fail_nomem(err);
    atomic_init(&g->refs, 1);
    g->dim = dim;
    g->stride = eng_code_stride(dim);
    g->size = (g->stride + sizeof(graph_node) + GRAPH_ALIGN - 1) / GRAPH_ALIGN * GRAPH_ALIGN;
    g->capacity = capacity;
    g->upper_capacity = capacity / 10 + 64;
    pthread_mutex_init(&g->making, NULL);
    for (size_t i = 0; i < GRAPH_LOCKS; i++)
        pthread_mutex_init(&g->locks[i], NULL);
    size_t bytes = (size_t)capacity * g->size + ((size_t)2 << 20);
    g->memory = eng_alloc(bytes);
    g->upper = eng_alloc_array(g->upper_capacity, sizeof *g->upper);
    if (!g->memory || !g->upper) {
        eng_graph_unref(g);
        return eng_fail_nomem(err);
    }
    /* Large pages halve what a step into a cold node costs. */
    uintptr_t at = ((uintptr_t)g->memory + GRAPH_ALIGN - 1) / GRAPH_ALIGN * GRAPH_ALIGN;
    uintptr_t page = ((uintptr_t)g->memory + 4095) / 4096 * 4096;
    madvise((void *)page, (bytes - (page - (uintptr_t)g->memory)) / 4096 * 4096, MADV_HUGEPAGE);
    g->nodes = (unsigned char *)at;
    *out = g;
    return ENG_OK;
}

/* A copy with more room. */
static eng_status graph_grown(const eng_graph *from, uint32_t capacity, eng_graph **out,
                              eng_error *err)
{
    eng_graph *g;
    eng_status status = graph_new(from->dim, capacity, &g, err);
    if (status < 0)
        return status;
    uint32_t count = atomic_load(&from->count);
    memcpy(g->nodes, from->nodes, (size_t)count * from->size);
    memcpy(g->upper, from->upper, from->upper_count * sizeof *g->upper);
    g->upper_count = from->upper_count;
    g->saved = from->saved;
    g->file = from->file;
    atomic_store(&g->count, count);
    atomic_store(&g->rows, atomic_load(&from->rows));
    atomic_store(&g->entry, atomic_load(&from->entry));
    *out = g;
    return ENG_OK;
}

eng_graph *eng_graph_ref(eng_graph *g)
{
    if (g)
        atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void eng_graph_unref(eng_graph *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&g->making);
    for (size_t i = 0; i < GRAPH_LOCKS; i++)
        pthread_mutex_destroy(&g->locks[i]);
    eng_free(g->memory);
    eng_free(g->upper);
    eng_free(g);
}

/* ---- Neighbours ------------------------------------------------------------------------------------------- */

static int nearest_first(const void *a, const void *b)
{
    const graph_near *x = a, *y = b;
    return *x > *y ? -1 : *x < *y;
}

static float between(const graph_scratch *s, const eng_graph *g, uint32_t a, uint32_t b)
{
    return graph_similarity(s, g, graph_code(g, a), b) * graph_at(g, a)->scale;
}

/*
 * Of candidates, nearest first (similarities to the node), at most `most` that are nearer to it than to
 * one that was chosen before: neighbours in different directions lead further than many in one.
 */
static size_t choose(const graph_scratch *s, const eng_graph *g, const graph_near *near,
                     size_t count, size_t most, uint32_t *out)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count && chosen < most; i++) {
        uint32_t node = graph_node_of(near[i]);
        float similarity = graph_similarity_of(near[i]);
        bool apart = true;
        for (size_t k = 0; k < chosen && apart; k++)
            apart = between(s, g, node, out[k]) <= similarity;
        if (apart)
            out[chosen++] = node;
    }
    return chosen;
}

static pthread_mutex_t *lock_of(eng_graph *g, uint32_t node)
{
    return &g->locks[node * 2654435761u >> 22];
}

static _Atomic uint32_t *own_links(eng_graph *g, uint32_t node, unsigned level,
                                   _Atomic uint32_t **count)
{
    graph_node *n = graph_at(g, node);
    if (level == 0) {
        *count = &n->count;
        return n->links;
    }
    graph_upper *u = graph_upper_at(g, n, level);
    *count = &u->count;
    return u->links;
}

static void set_links(eng_graph *g, uint32_t node, unsigned level, const uint32_t *to, size_t n)
{
    _Atomic uint32_t *count, *links = own_links(g, node, level, &count);
    for (size_t i = 0; i < n; i++)
        atomic_store_explicit(&links[i], to[i], memory_order_release);
    atomic_store_explicit(count, (uint32_t)n, memory_order_release);
}

/* Makes `node` know `other` too: at the end, or in place of what is the least use to it. */
static void link_back(const graph_scratch *s, eng_graph *g, uint32_t node, uint32_t other,
                      unsigned level)
{
    uint32_t most = level ? GRAPH_UPPER_LINKS : GRAPH_LINKS, out[GRAPH_LINKS];
    graph_near near[GRAPH_LINKS + 1];
    pthread_mutex_lock(lock_of(g, node));
    _Atomic uint32_t *count, *links = own_links(g, node, level, &count);
    uint32_t n = atomic_load_explicit(count, memory_order_relaxed);
    if (n < most) {
        atomic_store_explicit(&links[n], other, memory_order_release);
        atomic_store_explicit(count, n + 1, memory_order_release);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t to = atomic_load_explicit(&links[i], memory_order_relaxed);
            near[i] = graph_nearness(between(s, g, node, to), to);
        }
        near[n] = graph_nearness(between(s, g, node, other), other);
        qsort(near, n + 1, sizeof *near, nearest_first);
        size_t chosen = choose(s, g, near, n + 1, most, out);
        set_links(g, node, level, out, chosen);
    }
    pthread_mutex_unlock(lock_of(g, node));
}

/* The neighbours of a new node at one level, from what the search found there. */
static void connect(graph_scratch *s, eng_graph *g, uint32_t node, unsigned level)
{
    uint32_t out[GRAPH_UPPER_LINKS];
    float scale = graph_at(g, node)->scale;
    size_t n = 0;
    for (size_t i = 0; i < s->best.count; i++) {
        uint32_t to = graph_node_of(s->best.items[i]);
        if (to != node)
            s->best.items[n++] = graph_nearness(graph_similarity_of(s->best.items[i]) * scale, to);
    }
    qsort(s->best.items, n, sizeof *s->best.items, nearest_first);
    n = choose(s, g, s->best.items, n, GRAPH_UPPER_LINKS, out);
    set_links(g, node, level, out, n);
    for (size_t i = 0; i < n; i++)
        link_back(s, g, out[i], node, level);
}

/* ---- Putting in ------------------------------------------------------------------------------------------- */

/* The same for the same vector, whoever puts it in: a graph does not depend on chance. */
static unsigned level_of(uint32_t row, uint32_t node)
{
    uint64_t z = ((uint64_t)row << 32 | node) + 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    z ^= z >> 31;
    double chance = ((double)(z >> 11) + 1) * 0x1p-53;
    double level = -log(chance) / log(GRAPH_UPPER_LINKS);
    return level < GRAPH_LEVELS - 1 ? (unsigned)level : GRAPH_LEVELS - 1;
}

/* Writes everything of a node but its links. */
static unsigned make_node(eng_graph *g, uint32_t node, const eng_chunk *c, size_t i)
{
    graph_node *n = graph_at(g, node);
    unsigned level = level_of(c->rows[i], node);
    memcpy(g->nodes + (size_t)node * g->size, c->codes + i * c->stride, g->stride);
    memset(n, 0, sizeof *n);
    n->row = c->rows[i];
    n->kind = c->kinds[i];
    n->scale = c->scales[i];
    pthread_mutex_lock(&g->making);
    if (level > g->upper_capacity - g->upper_count)
        level = 0;
    n->upper = g->upper_count;
    g->upper_count += level;
    pthread_mutex_unlock(&g->making);
    n->level = (uint8_t)level;
    if (level)
        memset(&g->upper[n->upper], 0, level * sizeof *g->upper);
    return level;
}

void graph_insert(graph_scratch *s, eng_graph *g, uint32_t node, const eng_chunk *c, size_t i)
{
    unsigned level = make_node(g, node, c, i);
    uint64_t entry = atomic_load_explicit(&g->entry, memory_order_acquire);
    unsigned top = (unsigned)(entry >> 32);
    const int8_t *code = graph_code(g, node);
    if (node == 0) {
        atomic_store_explicit(&g->entry, (uint64_t)level << 32, memory_order_release);
        return;
    }
    uint32_t from = graph_descend(s, g, code, entry, level < top ? level : top);
    for (unsigned l = level < top ? level : top;; l--) {
        memset(s->visited, 0, eng_bits_words(s->nodes) * sizeof *s->visited);
        graph_search_level(s, g, code, from, l, NULL);
        graph_near nearest = s->best.items[0];
        for (size_t k = 0; k < s->best.count; k++)
            nearest = s->best.items[k] > nearest ? s->best.items[k] : nearest;
        connect(s, g, node, l);
        from = graph_node_of(nearest) == node ? from : graph_node_of(nearest);
        if (l == 0)
            break;
    }
    while (level > (entry >> 32)) {
        if (atomic_compare_exchange_weak_explicit(&g->entry, &entry, (uint64_t)level << 32 | node,
                                                  memory_order_acq_rel, memory_order_acquire))
            break;
    }
}

/* ---- Keeping it ------------------------------------------------------------------------------------------- */

enum { PIECE = 512, CAPACITY_LEAST = 4096, RENEW_LEAST = 1000 };

/* What the threads of one piece share. */
typedef struct {
    eng_graph *graph;
    const eng_state *state;
    size_t chunk; /* where it begins */
    size_t at;
    uint32_t first; /* node */
    uint32_t count;
    _Atomic uint32_t next;
    _Atomic bool no_memory;
} piece;

/* The vector that is `offset` behind the first of the piece. */
static const eng_chunk *vector_at(const piece *p, uint32_t offset, size_t *i)
{
    size_t chunk = p->chunk, at = p->at + offset;
    while (at >= p->state->chunks[chunk].count)
        at -= p->state->chunks[chunk++].count;
    *i = at;
    return &p->state->chunks[chunk];
}

static void *work(void *arg)
{
    piece *p = arg;
    graph_scratch s;
    if (graph_scratch_init(&s, p->first + p->count, GRAPH_EFFORT_BUILD, NULL) < 0) {
        p->no_memory = true;
        return NULL;
    }
    for (;;) {
        uint32_t offset = atomic_fetch_add(&p->next, 1);
        size_t i;
        if (offset >= p->count)
            break;
        const eng_chunk *c = vector_at(p, offset, &i);
        graph_insert(&s, p->graph, p->first + offset, c, i);
    }
    graph_scratch_clear(&s);
    return NULL;
}

/* By several threads where they can be had. */
static eng_status insert_piece(piece *p, uint32_t threads, eng_error *err)
{
    pthread_t ids[64];
    uint32_t started = 0;
    if (p->first == 0) { /* the first node alone: all others hang on it */
        uint32_t all = p->count;
        p->count = 1;
        work(p);
        p->count = all;
        p->next = 1;
    }
    while (!p->no_memory && started + 1 < threads && started < 63 &&
           pthread_create(&ids[started], NULL, work, p) == 0)
        started++;
    if (!p->no_memory)
        work(p);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    return p->next < p->count ? eng_fail_nomem(err) : ENG_OK;
}

/* Where the vectors begin that the graph does not have. */
static bool find_rest(const eng_state *s, uint32_t rows, piece *p)
{
    for (p->chunk = 0; p->chunk < s->chunk_count; p->chunk++) {
        p->at = eng_chunk_find(&s->chunks[p->chunk], rows);
        if (p->at < s->chunks[p->chunk].count)
            return true;
    }
    return false;
}

/* How many of the rest make a piece, up to the end of a row; *rows: what the graph has then. */
static uint32_t piece_size(const piece *p, uint32_t most, uint32_t *rows)
{
    size_t chunk = p->chunk, at = p->at;
    uint32_t count = 0, row = UINT32_MAX;
    for (; chunk < p->state->chunk_count; chunk++, at = 0) {
        const eng_chunk *c = &p->state->chunks[chunk];
        for (; at < c->count; at++, count++) {
            if (count >= most && c->rows[at] != row) {
                *rows = c->rows[at];
                return count;
            }
            row = c->rows[at];
        }
    }
    *rows = p->state->rows;
    return count;
}

static eng_status publish(eng_embedded *x, eng_graph *g, eng_error *err)
{
    eng_status status = ENG_OK;
    pthread_mutex_lock(&x->writing);
    eng_state *s = eng_state_copy(x->state, 0, 0, x->state->rows);
    if (s) {
        eng_graph_unref(s->graph);
        s->graph = eng_graph_ref(g);
        eng_state_finish(s);
        eng_embedded_publish(x, s);
    } else {
        status = eng_fail_nomem(err);
    }
    pthread_mutex_unlock(&x->writing);
    return status;
}

/* How many nodes of a graph have died. */
static uint32_t dead_nodes(const eng_graph *g, const eng_state *s)
{
    uint32_t dead = 0, count = atomic_load(&g->count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = graph_at(g, i)->row;
        dead += row >= s->rows || !eng_bit(s->live, row);
    }
    return dead;
}

/* The graph to go on with: the present one, one with more room, or a new one where there is none. */
static eng_status graph_for(eng_embedded *x, const eng_state *s, uint32_t more, eng_graph **out,
                            eng_error *err)
{
    eng_graph *g = x->growing ? x->growing : s->graph;
    uint64_t need = (g ? atomic_load(&g->count) : 0) + (uint64_t)more;
    uint64_t room = s->vectors + s->vectors / 4;
    room = room < need + need / 4 ? need + need / 4 : room;
    room = room < CAPACITY_LEAST ? CAPACITY_LEAST : room > UINT32_MAX / 2 ? UINT32_MAX / 2 : room;
    if (!g)
        return graph_new(x->dim, (uint32_t)room, out, err);
    if (need > g->capacity)
        return graph_grown(g, (uint32_t)room, out, err);
    *out = eng_graph_ref(g);
    return ENG_OK;
}

/* One piece more. Where a new graph takes the place of one that has too many dead it is shown when it
 * has all; a first one at once, because the rest is scanned. */
static eng_status grow(eng_embedded *x, const eng_state *s, bool *done, eng_error *err)
{
    eng_graph *present = x->growing ? x->growing : s->graph, *g;
    uint32_t had = present ? atomic_load(&present->rows) : 0, rows;
    piece p = {.state = s};
    if (!find_rest(s, had, &p))
        return ENG_OK;
    p.count = piece_size(&p, PIECE * x->threads, &rows);
    for (size_t i = p.chunk; i < s->chunk_count; i++) {
        eng_status status = eng_chunk_codes(&s->chunks[i], err);
        if (status < 0)
            return status;
    }
    eng_status status = graph_for(x, s, p.count, &g, err);
    if (status < 0)
        return status;
    p.graph = g;
    p.first = atomic_load(&g->count);
    status = insert_piece(&p, x->threads, err);
    if (status == ENG_OK) {
        atomic_store_explicit(&g->count, p.first + p.count, memory_order_release);
        atomic_store_explicit(&g->rows, rows, memory_order_release);
        bool ready = !find_rest(s, rows, &p);
        if (x->growing) {
            eng_graph_unref(x->growing);
            x->growing = ready ? NULL : eng_graph_ref(g);
            status = ready ? publish(x, g, err) : ENG_OK;
        } else if (g != s->graph) {
            status = publish(x, g, err);
        }
        *done = true;
    }
    eng_graph_unref(g);
    return status;
}

/* A graph of which a quarter has died is made anew. */
static eng_status renew(eng_embedded *x, const eng_state *s, bool *done, eng_error *err)
{
    uint32_t count = s->graph ? atomic_load(&s->graph->count) : 0;
    if (count < RENEW_LEAST || dead_nodes(s->graph, s) * 4 < count)
        return ENG_OK;
    uint64_t room = s->vectors + s->vectors / 8 + CAPACITY_LEAST;
    eng_status status = graph_new(x->dim, (uint32_t)room, &x->growing, err);
    *done = status == ENG_OK;
    if (status == ENG_OK)
        x->growing->file = s->graph->file; /* which is right until there is a newer one */
    return status;
}

/* Rows before this one are. */
static bool in_files(const eng_state *s, uint32_t rows)
{
    for (size_t i = 0; i < s->segment_count; i++) {
        const eng_segment *seg = &s->segments[i];
        if (seg->base < rows && !seg->image->path)
            return false;
    }
    return true;
}

/* Its rows have to be in files too: what is lost in a crash must not leave nodes behind. What is still in
 * memory of them is flushed for that, so that the work of minutes is not lost for want of it. */
static eng_status save(eng_embedded *x, const eng_state *s, bool *done, eng_error *err)
{
    eng_graph *g = s->graph;
    uint32_t count = g ? atomic_load(&g->count) : 0;
    if (!x->dir || !g || count < g->saved + g->saved / 8 + 1)
        return ENG_OK;
    eng_status status = in_files(s, atomic_load(&g->rows)) ? ENG_OK : eng_upkeep_flush(x, err);
    if (status < 0)
        return status;
    uint64_t number = x->next_file++, old = g->file;
    char *path = eng_embedded_path(x, "graph", number);
    eng_image *image = NULL;
    status = path ? graph_write(g, path, &image, err) : eng_fail_nomem(err);
    eng_image_unref(image);
    eng_free(path);
    if (status < 0)
        return status;
    g->saved = count;
    g->file = number;
    *done = true;
    status = eng_parts_write(x, err);
    path = status == ENG_OK && old ? eng_embedded_path(x, "graph", old) : NULL;
    if (path)
        unlink(path);
    eng_free(path);
    return status;
}

eng_status eng_graph_take_up(eng_embedded *x, eng_error *err)
{
    eng_image *image = NULL;
    eng_graph *g = NULL;
    char *path = eng_embedded_path(x, "graph", x->unread_graph);
    eng_status status = path ? eng_image_open(path, ENG_IMAGE_GRAPH, &image, err)
                             : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = graph_read(image, x->dim, x->unread_rows, &g, err);
    if (status == ENG_OK) {
        g->file = x->unread_graph;
        status = publish(x, g, err);
    } else if (status == ENG_ECORRUPT || status == ENG_ETRUNCATED || status == ENG_EVERSION ||
               status == ENG_ENOTFOUND) {
        unlink(path);
        status = ENG_OK;
    }
    if (status == ENG_OK)
        x->unread_graph = 0;
    eng_graph_unref(g);
    eng_image_unref(image);
    eng_free(path);
    return status;
}

eng_status eng_graph_step(eng_embedded *x, bool *done, eng_error *err)
{
    eng_state *s = eng_embedded_state(x);
    eng_status status = ENG_OK;
    *done = false;
    if (x->dim && (s->graph || s->vectors >= x->graph_from)) {
        status = grow(x, s, done, err);
        if (status == ENG_OK && !*done && !x->growing)
            status = renew(x, s, done, err);
        if (status == ENG_OK && !*done)
            status = save(x, s, done, err);
    }
    eng_state_unref(s);
    return status;
}
