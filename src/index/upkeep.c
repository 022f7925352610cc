/*
 * Care: many small segments to few large ones, memory to files, dead rows out, the graph grown.
 *
 * Sizes are in steps of eight. Where eight neighbours at the end, or anywhere among the files, are of
 * one step or smaller they become one, so a passage is rewritten about once a step. Everything here
 * runs under `merging`; `writing` is taken for as long as it takes to exchange the pointer.
 */
#include "index/index_internal.h"

#include "base/alloc.h"

#include <unistd.h>

enum { FAN = 8, SMALL_ROWS = 512, SEGMENTS_MAX = 48 };
/* Larger files of vectors are left alone: merging them would move much and win little. */
static const uint64_t CHUNK_BYTES = (uint64_t)128 << 20;

static unsigned step_of(uint64_t size)
{
    unsigned step = 0;
    for (; size >= FAN; size /= FAN)
        step++;
    return step;
}

/* A stretch of neighbours; nothing where from == to. */
typedef struct {
    size_t from;
    size_t to;
} stretch;

/* ---- Exchanging ------------------------------------------------------------------------------------------- */

static size_t find_image(const eng_state *s, const eng_image *image, bool chunks)
{
    size_t count = chunks ? s->chunk_count : s->segment_count, i = 0;
    while (i < count && (chunks ? s->chunks[i].image : s->segments[i].image) != image)
        i++;
    return i;
}

/* In the present state, `count` segments from the one with the image `first` on become `merged`. Those
 * are still there: nobody but us takes any away. */
static eng_status exchange_segments(eng_embedded *x, const eng_image *first, size_t count,
                                    const eng_segment *merged, eng_error *err)
{
    eng_status status = ENG_OK;
    pthread_mutex_lock(&x->writing);
    eng_state *s = eng_state_copy(x->state, 0, 0, x->state->rows);
    if (s) {
        size_t at = find_image(s, first, false);
        for (size_t i = at; i < at + count; i++)
            eng_image_unref(s->segments[i].image);
        s->segments[at] = *merged;
        eng_image_ref(merged->image);
        s->segment_count -= count - 1;
        memmove(&s->segments[at + 1], &s->segments[at + count],
                (s->segment_count - at - 1) * sizeof *s->segments);
        eng_state_finish(s);
        eng_embedded_publish(x, s);
    } else {
        status = eng_fail_nomem(err);
    }
    pthread_mutex_unlock(&x->writing);
    return status;
}

/* The same with chunks; merged without an image: they are gone. */
static eng_status exchange_chunks(eng_embedded *x, const eng_image *first, size_t count,
                                  const eng_chunk *merged, eng_error *err)
{
    eng_status status = ENG_OK;
    pthread_mutex_lock(&x->writing);
    eng_state *s = eng_state_copy(x->state, 0, 0, x->state->rows);
    if (s) {
        size_t at = find_image(s, first, true), in = merged->image ? 1 : 0;
        for (size_t i = at; i < at + count; i++)
            eng_image_unref(s->chunks[i].image);
        if (in) {
            s->chunks[at] = *merged;
            eng_image_ref(merged->image);
        }
        s->chunk_count -= count - in;
        memmove(&s->chunks[at + in], &s->chunks[at + count],
                (s->chunk_count - at - in) * sizeof *s->chunks);
        eng_state_finish(s);
        eng_embedded_publish(x, s);
    } else {
        status = eng_fail_nomem(err);
    }
    pthread_mutex_unlock(&x->writing);
    return status;
}

static eng_status merge_segments(eng_embedded *x, const eng_state *s, stretch r, bool to_file,
                                 eng_error *err)
{
    eng_segment merged = {0};
    char *path = to_file ? eng_embedded_path(x, "words", x->next_file++) : NULL;
    if (to_file && !path)
        return eng_fail_nomem(err);
    eng_status status = eng_merge_segments(&s->segments[r.from], r.to - r.from, s->live, s->mean,
                                           path, &merged, err);
    if (status == ENG_OK)
        status = exchange_segments(x, s->segments[r.from].image, r.to - r.from, &merged, err);
    eng_image_unref(merged.image);
    eng_free(path);
    return status;
}

static eng_status merge_chunks(eng_embedded *x, const eng_state *s, stretch r, bool to_file,
                               eng_error *err)
{
    eng_chunk merged = {0};
    char *path = to_file ? eng_embedded_path(x, "vectors", x->next_file++) : NULL;
    if (to_file && !path)
        return eng_fail_nomem(err);
    eng_status status = eng_chunk_merge(&s->chunks[r.from], r.to - r.from, s->live, path, &merged,
                                        err);
    if (status == ENG_OK)
        status = exchange_chunks(x, s->chunks[r.from].image, r.to - r.from, &merged, err);
    eng_image_unref(merged.image);
    eng_free(path);
    return status;
}

/* ---- What is due ------------------------------------------------------------------------------------------ */

/* The longest stretch up to `end` of at least FAN that are not larger than one step, the smallest such
 * step first. sizes has the sizes of all. */
static stretch due_at(const uint64_t *sizes, size_t least, size_t end)
{
    for (unsigned step = 0; step < 12; step++) {
        size_t from = end;
        while (from > least && step_of(sizes[from - 1]) <= step)
            from--;
        if (end - from >= FAN)
            return (stretch){from, end};
    }
    return (stretch){0, 0};
}

static uint64_t *segment_sizes(const eng_state *s)
{
    uint64_t *sizes = eng_alloc_array(s->segment_count + 1, sizeof *sizes);
    for (size_t i = 0; sizes && i < s->segment_count; i++)
        sizes[i] = s->segments[i].rows;
    return sizes;
}

static uint64_t *chunk_sizes(const eng_state *s)
{
    uint64_t *sizes = eng_alloc_array(s->chunk_count + 1, sizeof *sizes);
    for (size_t i = 0; sizes && i < s->chunk_count; i++)
        sizes[i] = s->chunks[i].image->len < CHUNK_BYTES ? s->chunks[i].count : UINT64_MAX;
    return sizes;
}

static size_t first_in_memory(const eng_state *s, bool chunks)
{
    size_t count = chunks ? s->chunk_count : s->segment_count, i = 0;
    while (i < count && (chunks ? s->chunks[i].image : s->segments[i].image)->path)
        i++;
    return i;
}

/* Where all are in memory, everything is. */
static stretch due_in_memory(const eng_state *s, bool chunks, const uint64_t *sizes, uint64_t most)
{
    size_t first = first_in_memory(s, chunks), end = chunks ? s->chunk_count : s->segment_count;
    stretch due = due_at(sizes, first, end);
    uint64_t rows = 0;
    for (size_t i = due.from; i < due.to; i++)
        rows += sizes[i];
    return rows <= most || end - first > SEGMENTS_MAX ? due : (stretch){0, 0};
}

static stretch due_in_files(const eng_state *s, bool chunks, const uint64_t *sizes)
{
    size_t files = first_in_memory(s, chunks);
    for (size_t end = files; end >= FAN; end--) {
        stretch due = due_at(sizes, 0, end);
        if (due.to > due.from)
            return due;
    }
    return (stretch){0, 0};
}

static eng_status merge_in_memory(eng_embedded *x, uint64_t most, bool *done, eng_error *err)
{
    eng_state *s = eng_embedded_state(x);
    uint64_t *segments = segment_sizes(s), *chunks = chunk_sizes(s);
    eng_status status = segments && chunks ? ENG_OK : eng_fail_nomem(err);
    *done = false;
    if (status == ENG_OK) {
        stretch r = due_in_memory(s, false, segments, most);
        *done = r.to > r.from;
        if (r.to > r.from)
            status = merge_segments(x, s, r, false, err);
    }
    if (status == ENG_OK) {
        stretch r = due_in_memory(s, true, chunks, most);
        *done = *done || r.to > r.from;
        if (r.to > r.from)
            status = merge_chunks(x, s, r, false, err);
    }
    eng_free(segments);
    eng_free(chunks);
    eng_state_unref(s);
    return status;
}

eng_status eng_upkeep_small(eng_embedded *x, eng_error *err)
{
    bool done = true;
    eng_status status = ENG_OK;
    while (status == ENG_OK && done)
        status = merge_in_memory(x, SMALL_ROWS, &done, err);
    return status;
}

/* ---- Files ------------------------------------------------------------------------------------------------ */

/* After the manifest no longer names them. Readers that still have them mapped keep them. */
static void remove_files(const eng_state *before, const eng_state *after)
{
    for (size_t i = 0; i < before->segment_count; i++) {
        const eng_image *image = before->segments[i].image;
        if (image->path && find_image(after, image, false) == after->segment_count)
            unlink(image->path);
    }
    for (size_t i = 0; i < before->chunk_count; i++) {
        const eng_image *image = before->chunks[i].image;
        if (image->path && find_image(after, image, true) == after->chunk_count)
            unlink(image->path);
    }
}

static eng_status save(eng_embedded *x, const eng_state *before, uint64_t mark, bool all,
                       eng_error *err)
{
    pthread_mutex_lock(&x->writing);
    uint64_t old = x->saved_mark;
    x->saved_mark = mark;
    pthread_mutex_unlock(&x->writing);
    eng_status status = eng_parts_write(x, err);
    pthread_mutex_lock(&x->writing);
    if (status < 0)
        x->saved_mark = old;
    else if (all && x->state->mark == mark)
        x->unsaved = false;
    pthread_mutex_unlock(&x->writing);
    if (status == ENG_OK) {
        atomic_store(&x->flushed_mark, mark);
        eng_state *after = eng_embedded_state(x);
        remove_files(before, after);
        eng_state_unref(after);
    }
    return status;
}

eng_status eng_upkeep_flush(eng_embedded *x, eng_error *err)
{
    eng_state *s = eng_embedded_state(x);
    stretch segments = {first_in_memory(s, false), s->segment_count};
    stretch chunks = {first_in_memory(s, true), s->chunk_count};
    eng_status status = ENG_OK;
    pthread_mutex_lock(&x->writing);
    bool unsaved = x->unsaved;
    pthread_mutex_unlock(&x->writing);
    if (!unsaved)
        goto done;
    if (chunks.to > chunks.from)
        status = merge_chunks(x, s, chunks, true, err);
    if (status == ENG_OK && segments.to > segments.from)
        status = merge_segments(x, s, segments, true, err);
    if (status == ENG_OK)
        status = save(x, s, s->mark, true, err);
done:
    eng_state_unref(s);
    return status;
}

static eng_status merge_files(eng_embedded *x, bool *done, eng_error *err)
{
    eng_state *s = eng_embedded_state(x);
    uint64_t *segments = segment_sizes(s), *chunks = chunk_sizes(s);
    eng_status status = segments && chunks ? ENG_OK : eng_fail_nomem(err);
    *done = false;
    if (status == ENG_OK) {
        stretch r = due_in_files(s, false, segments);
        *done = r.to > r.from;
        if (r.to > r.from)
            status = merge_segments(x, s, r, true, err);
        stretch c = status == ENG_OK ? due_in_files(s, true, chunks) : (stretch){0, 0};
        *done = *done || c.to > c.from;
        if (c.to > c.from)
            status = merge_chunks(x, s, c, true, err);
    }
    if (status == ENG_OK && *done)
        status = save(x, s, x->saved_mark, false, err);
    eng_free(segments);
    eng_free(chunks);
    eng_state_unref(s);
    return status;
}

/* A segment or chunk of which much has died is written again without it. */
static eng_status drop_dead(eng_embedded *x, bool *done, eng_error *err)
{
    eng_state *s = eng_embedded_state(x);
    eng_status status = ENG_OK;
    *done = false;
    for (size_t i = 0; status == ENG_OK && !*done && i < s->segment_count; i++) {
        const eng_segment *seg = &s->segments[i];
        uint32_t alive = 0;
        for (uint32_t row = 0; row < seg->rows; row++)
            alive += seg->ids[row] && eng_bit(s->live, seg->base + row);
        if (seg->docs < FAN || (seg->docs - alive) * 3 < seg->docs)
            continue;
        status = merge_segments(x, s, (stretch){i, i + 1}, seg->image->path != NULL, err);
        *done = true;
    }
    for (size_t i = 0; status == ENG_OK && !*done && i < s->chunk_count; i++) {
        const eng_chunk *c = &s->chunks[i];
        size_t alive = 0;
        for (size_t k = 0; k < c->count; k++)
            alive += eng_bit(s->live, c->rows[k]);
        if (c->count < FAN || (c->count - alive) * 3 < c->count)
            continue;
        status = merge_chunks(x, s, (stretch){i, i + 1}, c->image->path != NULL, err);
        *done = true;
    }
    if (status == ENG_OK && *done && x->dir)
        status = save(x, s, x->saved_mark, false, err);
    eng_state_unref(s);
    return status;
}

static size_t head_size(eng_embedded *x)
{
    eng_state *s = eng_embedded_state(x);
    size_t size = 0;
    for (size_t i = first_in_memory(s, false); i < s->segment_count; i++)
        size += s->segments[i].image->len;
    for (size_t i = first_in_memory(s, true); i < s->chunk_count; i++)
        size += s->chunks[i].image->len;
    eng_state_unref(s);
    return size;
}

eng_status eng_upkeep_step(eng_embedded *x, bool *more, eng_error *err)
{
    bool done = false;
    eng_status status = ENG_OK;
    if (x->unread_graph) {
        *more = true;
        return eng_graph_take_up(x, err);
    }
    if (x->dir && head_size(x) > x->head_bytes) {
        status = eng_upkeep_flush(x, err);
        done = true;
    }
    if (status == ENG_OK && !done)
        status = merge_in_memory(x, UINT64_MAX, &done, err);
    if (status == ENG_OK && !done && x->dir)
        status = merge_files(x, &done, err);
    if (status == ENG_OK && !done)
        status = drop_dead(x, &done, err);
    if (status == ENG_OK && !done)
        status = eng_graph_step(x, &done, err);
    *more = done;
    return status;
}
