/* What there is at one instant: segments, chunks, and which rows are alive. */
#include "index/index_internal.h"

#include "base/alloc.h"

eng_state *eng_state_empty(void)
{
    static const eng_state nothing;
    eng_state *state = eng_state_copy(&nothing, 0, 0, 0);
    if (state)
        eng_state_finish(state);
    return state;
}

eng_state *eng_state_copy(const eng_state *from, size_t segments, size_t chunks, uint32_t rows)
{
    eng_state *s = eng_zalloc(sizeof *s);
    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    s->mark = from->mark;
    s->rows = rows;
    s->segments = eng_alloc_array(from->segment_count + segments + 1, sizeof *s->segments);
    s->chunks = eng_alloc_array(from->chunk_count + chunks + 1, sizeof *s->chunks);
    s->live = eng_zalloc((eng_bits_words(rows) + 1) * sizeof *s->live);
    if (!s->segments || !s->chunks || !s->live) {
        eng_state_unref(s);
        return NULL;
    }
    if (from->live)
        memcpy(s->live, from->live, eng_bits_words(from->rows) * sizeof *s->live);
    for (; s->segment_count < from->segment_count; s->segment_count++) {
        s->segments[s->segment_count] = from->segments[s->segment_count];
        eng_image_ref(s->segments[s->segment_count].image);
    }
    for (; s->chunk_count < from->chunk_count; s->chunk_count++) {
        s->chunks[s->chunk_count] = from->chunks[s->chunk_count];
        eng_image_ref(s->chunks[s->chunk_count].image);
    }
    s->graph = eng_graph_ref(from->graph);
    return s;
}

static uint64_t count_living(const eng_state *s, const eng_segment *seg)
{
    uint64_t n = 0;
    for (uint32_t row = seg->base; row < seg->base + seg->rows;) {
        uint32_t bit = row % 64, left = seg->base + seg->rows - row;
        uint32_t take = 64 - bit < left ? 64 - bit : left;
        uint64_t mask = take == 64 ? UINT64_MAX : (UINT64_C(1) << take) - 1;
        n += (uint64_t)__builtin_popcountll(s->live[row / 64] >> bit & mask);
        row += take;
    }
    return n;
}

/* Rows of a segment that have died, and the words they had, as merging will count them. */
static uint64_t count_dead(const eng_state *s, eng_segment *seg)
{
    uint64_t words = 0;
    seg->dead = 0;
    if (count_living(s, seg) == seg->docs)
        return 0;
    for (uint32_t row = 0; row < seg->rows; row++) {
        if (!seg->ids[row] || eng_bit(s->live, seg->base + row))
            continue;
        seg->dead++;
        words += eng_norm_length(seg->norms[row]);
    }
    return words < seg->words ? words : seg->words;
}

void eng_state_finish(eng_state *s)
{
    uint64_t alive_words = 0;
    s->docs = s->words = s->vectors = 0;
    s->languages = 0;
    for (size_t i = 0; i < s->segment_count; i++) {
        s->docs += s->segments[i].docs;
        s->words += s->segments[i].words;
        alive_words += s->segments[i].words - count_dead(s, &s->segments[i]);
        s->languages |= s->segments[i].languages;
    }
    for (size_t i = 0; i < s->chunk_count; i++)
        s->vectors += s->chunks[i].count;
    s->alive = (uint32_t)eng_bits_count(s->live, eng_bits_words(s->rows));
    s->mean = s->alive ? (float)alive_words / (float)s->alive : 0;
    eng_norm_table(s->mean, s->norms);
    for (unsigned tf = 1; tf <= ENG_SHARES; tf++) {
        for (unsigned norm = 0; norm < 256; norm++)
            s->shares[tf][norm] = (float)tf / ((float)tf + s->norms[norm]);
    }
}

eng_state *eng_state_ref(eng_state *state)
{
    atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
    return state;
}

void eng_state_unref(eng_state *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < s->segment_count; i++)
        eng_image_unref(s->segments[i].image);
    for (size_t i = 0; i < s->chunk_count; i++)
        eng_image_unref(s->chunks[i].image);
    eng_graph_unref(s->graph);
    eng_free(s->segments);
    eng_free(s->chunks);
    eng_free(s->live);
    eng_free(s);
}

const eng_segment *eng_state_segment(const eng_state *state, uint32_t row)
{
    size_t low = 0, high = state->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const eng_segment *s = &state->segments[middle];
        if (row < s->base)
            high = middle;
        else if (row - s->base >= s->rows)
            low = middle + 1;
        else
            return s;
    }
    return NULL;
}

uint32_t eng_state_row(const eng_state *state, uint64_t id)
{
    for (size_t i = state->segment_count; i-- > 0;) {
        const eng_segment *s = &state->segments[i];
        if (s->docs == 0 || id < s->ids[s->order[0]] || id > s->ids[s->order[s->docs - 1]])
            continue;
        uint32_t row = eng_segment_row(s, id);
        if (row != UINT32_MAX && eng_bit(state->live, s->base + row))
            return s->base + row;
    }
    return UINT32_MAX;
}

eng_hit eng_state_hit(const eng_state *state, uint32_t row, float score)
{
    const eng_segment *s = eng_state_segment(state, row);
    return s ? (eng_hit){s->ids[row - s->base], s->documents[row - s->base], score}
             : (eng_hit){0, 0, score};
}

uint32_t eng_state_word_count(const eng_state *state, eng_str word)
{
    char key[ENG_TERM_MAX + 1];
    uint64_t count = 0;
    if (word.len > ENG_TERM_MAX)
        return 0;
    key[0] = ENG_KEY_VOCABULARY;
    memcpy(key + 1, word.ptr, word.len);
    for (size_t i = 0; i < state->segment_count; i++) {
        const eng_entry *e = eng_segment_find(&state->segments[i], (eng_str){key, word.len + 1});
        count += e ? e->count : 0;
    }
    return (uint32_t)(count < UINT32_MAX ? count : UINT32_MAX);
}
