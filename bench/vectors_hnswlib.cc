// hnswlib behind four functions, for bench/vectors.c.
#include <hnswlib/hnswlib.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

struct peer {
    hnswlib::InnerProductSpace space;
    hnswlib::HierarchicalNSW<float> graph;
    peer(size_t dim, size_t count) : space(dim), graph(&space, count, 16, 200) {}
};

extern "C" {

void *peer_hnsw_build(const float *vectors, size_t dim, size_t count, unsigned threads)
{
    peer *p = new peer(dim, count);
    p->graph.addPoint(vectors, 0);
    std::atomic<size_t> next{1};
    std::vector<std::thread> team;
    for (unsigned t = 0; t < threads; t++)
        team.emplace_back([&] {
            for (size_t i; (i = next++) < count;)
                p->graph.addPoint(vectors + i * dim, i);
        });
    for (auto &t : team)
        t.join();
    return p;
}

void peer_hnsw_search(void *self, const float *query, size_t k, size_t effort, uint64_t *out)
{
    peer *p = static_cast<peer *>(self);
    p->graph.setEf(effort);
    auto found = p->graph.searchKnn(query, k);
    for (size_t i = found.size(); i-- > 0; found.pop())
        out[i] = found.top().second;
}

size_t peer_hnsw_bytes(void *self)
{
    peer *p = static_cast<peer *>(self);
    return p->graph.cur_element_count * p->graph.size_data_per_element_;
}

void peer_hnsw_free(void *self) { delete static_cast<peer *>(self); }
}
