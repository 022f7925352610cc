#include "index/index_internal.h"
eng_graph *eng_graph_ref(eng_graph *graph) { return graph; }
void eng_graph_unref(eng_graph *graph) { (void)graph; }
uint64_t eng_graph_file(const eng_graph *graph)
{
    (void)graph;
    return 0;
}
uint64_t eng_graph_nodes(const eng_graph *graph)
{
    (void)graph;
    return 0;
}
uint64_t eng_graph_memory(const eng_graph *graph)
{
    (void)graph;
    return 0;
}
eng_status eng_graph_check(const eng_graph *graph, eng_error *err)
{
    (void)graph;
    (void)err;
    return ENG_OK;
}
eng_status eng_graph_step(eng_embedded *x, bool *done, eng_error *err)
{
    (void)x;
    (void)err;
    *done = false;
    return ENG_OK;
}
eng_status eng_graph_open(eng_embedded *x, uint64_t number, eng_graph **out, eng_error *err)
{
    (void)x;
    (void)number;
    (void)out;
    (void)err;
    return ENG_OK;
}
uint32_t eng_graph_rows(const eng_graph *graph)
{
    (void)graph;
    return 0;
}
