/* A graph and its vectors with changed bytes are refused or searched, and lead nowhere outside. */
#include "fuzz_index.h"

#include "index/graph_internal.h"

enum { DIM = 8, COUNT = 300 };

static eng_chunk whole;
static eng_image *graph_image;

static void make_whole(void)
{
    static eng_index_item items[COUNT];
    static eng_index_vector vectors[COUNT];
    static float values[COUNT][DIM];
    eng_graph *g;
    graph_scratch scratch;
    uint32_t seed = 1;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t d = 0; d < DIM; d++) {
            seed = seed * 1664525 + 1013904223;
            values[i][d] = (float)(seed >> 8) / (float)(1 << 23) - 1;
        }
        vectors[i] = (eng_index_vector){ENG_VECTOR_PASSAGE, values[i]};
        items[i] = (eng_index_item){.id = i + 1, .vectors = &vectors[i], .vector_count = 1};
    }
    must(eng_chunk_build(items, COUNT, 0, DIM, &whole, NULL) == ENG_OK);
    must(graph_new(DIM, COUNT, &g, NULL) == ENG_OK);
    must(graph_scratch_init(&scratch, COUNT, GRAPH_EFFORT_BUILD, NULL) == ENG_OK);
    for (uint32_t i = 0; i < COUNT; i++)
        graph_insert(&scratch, g, i, &whole, i);
    g->count = COUNT;
    g->rows = COUNT;
    must(graph_write(g, NULL, &graph_image, NULL) == ENG_OK);
    graph_scratch_clear(&scratch);
    eng_graph_unref(g);
}

static void search(const eng_graph *g)
{
    static const int8_t code[64] = {127, -3, 5, 60};
    uint64_t allowed[COUNT / 64 + 1];
    eng_graph_hit hits[20];
    size_t count;
    memset(allowed, 0xFF, sizeof allowed);
    eng_graph_query q = {code, 20, allowed, COUNT};
    must(eng_graph_search(g, &q, hits, &count, NULL) == ENG_OK && count <= 20);
    for (size_t i = 0; i < count; i++)
        must(hits[i].row < COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_span in = eng_span_of(data, size);
    eng_graph *g;
    eng_chunk chunk;
    if (!graph_image)
        make_whole();
    bool vectors = eng_span_u8(&in) & 1;
    eng_image *image = changed(vectors ? whole.image : graph_image, &in);
    if (!vectors && graph_read(image, DIM, COUNT, &g, NULL) == ENG_OK) {
        search(g);
        eng_graph_unref(g);
    } else if (vectors && eng_chunk_open(image, DIM, &chunk, NULL) == ENG_OK) {
        must(eng_chunk_find(&chunk, 40) <= chunk.count);
        must(chunk.count == 0 || eng_chunk_values(&chunk, chunk.count - 1, NULL) != NULL);
    }
    eng_image_unref(image);
    return 0;
}
