/*
 * Segments: an inverted index of a range of rows, in one image.
 *
 *     lists     a list after the other: skips, packed rows and counts, positions
 *     entries   the dictionary, by ascending key
 *     keys      their bytes
 *     ids, documents, norms, order     the columns of the rows
 */
#include "index/index_internal.h"

#include "base/alloc.h"
#include "base/check.h"

#include <math.h>
#include <stdlib.h>

_Static_assert(sizeof(eng_entry) == 24, "as it stands in files");
_Static_assert(sizeof(eng_skip) == 16, "as it stands in files");
_Static_assert(sizeof(eng_cell) == 16, "as it stands in files");

enum { ROWS_MAX = 1 << 28, IMPACT_ONE = 65535, LIST_MAX = 1 << 30 };

/* ---- Lengths ----------------------------------------------------------------------------------------- */

/* What docs/retrieval.md found best over three sets of questions. */
const float eng_bm25_k1 = 0.9F, eng_bm25_b = 0.65F;

/* Of the mean: what is shorter counts as long as this. It is the end of a text that was cut more often
 * than a text that says one thing. */
static const float SHORTEST = 0.6F;

uint8_t eng_norm_of(uint32_t length)
{
    unsigned shift = 0;
    while (length >> shift > 31)
        shift++;
    unsigned code = shift * 16 + (length >> shift);
    return (uint8_t)(code < 255 ? code : 255);
}

uint32_t eng_norm_length(uint8_t norm)
{
    if (norm < 32)
        return norm;
    unsigned shift = norm / 16u - 1;
    return ((16u + norm % 16u) << shift) + ((1u << shift) >> 1);
}

void eng_norm_table(float mean, float out[256])
{
    for (unsigned i = 0; i < 256; i++) {
        float length = (float)eng_norm_length((uint8_t)i) / (mean > 0 ? mean : 1.0F);
        length = length > SHORTEST ? length : SHORTEST;
        out[i] = eng_bm25_k1 * (1 - eng_bm25_b + eng_bm25_b * length);
    }
}

/* ---- Reading ----------------------------------------------------------------------------------------- */

static eng_status bad(const eng_image *image, const char *what, eng_error *err)
{
    return eng_fail(err, ENG_ECORRUPT, "'%s': %s", image->path ? image->path : "index in memory",
                    what);
}

/* A section of count things of one size. */
static eng_status column(const eng_image *image, unsigned section, size_t count, size_t size,
                         const void *out, eng_error *err)
{
    const unsigned char *data;
    size_t len;
    eng_status status = eng_image_section(image, section, &data, &len, err);
    if (status < 0)
        return status;
    if (len != count * size || (uintptr_t)data % (size > 8 ? 8 : size) != 0)
        return bad(image, "a column is not as long as its rows", err);
    *(const void **)(uintptr_t)out = data;
    return ENG_OK;
}

static eng_status open_dictionary(eng_segment *s, eng_error *err)
{
    const eng_image *image = s->image;
    size_t len = (size_t)image->sections[ENG_SEG_ENTRIES].len;
    uint64_t lists = image->sections[ENG_SEG_LISTS].len;
    s->entry_count = len / sizeof *s->entries;
    eng_status status = column(image, ENG_SEG_ENTRIES, s->entry_count, sizeof *s->entries,
                               &s->entries, err);
    if (status < 0)
        return status;
    status = eng_image_section(image, ENG_SEG_KEYS, &s->keys, &s->keys_len, err);
    for (size_t i = 0; status == ENG_OK && i < s->entry_count; i++) {
        const eng_entry *e = &s->entries[i];
        if (e->at > lists || e->len > lists - e->at || e->key_at > s->keys_len ||
            e->key_len > s->keys_len - e->key_at || e->key_len == 0)
            status = bad(image, "an entry points outside", err);
    }
    return status;
}

eng_status eng_segment_open(eng_image *image, eng_segment *out, eng_error *err)
{
    eng_segment s = {.image = image};
    uint32_t mean = (uint32_t)image->numbers[5];
    s.base = (uint32_t)image->numbers[0];
    s.rows = (uint32_t)image->numbers[1];
    s.docs = (uint32_t)image->numbers[2];
    s.words = image->numbers[3];
    s.languages = (uint32_t)image->numbers[4];
    memcpy(&s.mean, &mean, sizeof s.mean);
    if (s.rows > ROWS_MAX || s.docs > s.rows || s.base > UINT32_MAX - s.rows ||
        !(s.mean >= 0 && s.mean < 1e9F))
        return bad(image, "its numbers make no sense", err);
    eng_status status = column(image, ENG_SEG_IDS, s.rows, sizeof *s.ids, &s.ids, err);
    if (status == ENG_OK)
        status = column(image, ENG_SEG_DOCUMENTS, s.rows, sizeof *s.documents, &s.documents, err);
    if (status == ENG_OK)
        status = column(image, ENG_SEG_NORMS, s.rows, 1, &s.norms, err);
    if (status == ENG_OK)
        status = column(image, ENG_SEG_ORDER, s.docs, sizeof *s.order, &s.order, err);
    if (status == ENG_OK)
        status = open_dictionary(&s, err);
    for (size_t i = 0; status == ENG_OK && i < s.docs; i++) {
        if (s.order[i] >= s.rows)
            status = bad(image, "a row points outside", err);
    }
    if (status == ENG_OK)
        *out = s;
    return status;
}

size_t eng_segment_lower(const eng_segment *s, eng_str key)
{
    size_t low = 0, high = s->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (eng_str_cmp(eng_segment_key(s, middle), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const eng_entry *eng_segment_find(const eng_segment *s, eng_str key)
{
    size_t i = eng_segment_lower(s, key);
    return i < s->entry_count && eng_str_eq(eng_segment_key(s, i), key) ? &s->entries[i] : NULL;
}

uint32_t eng_segment_row(const eng_segment *s, uint64_t id)
{
    size_t low = 0, high = s->docs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->ids[s->order[middle]] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->docs && s->ids[s->order[low]] == id ? s->order[low] : UINT32_MAX;
}

eng_status eng_segment_list(const eng_segment *s, const eng_entry *e, const unsigned char **out,
                            eng_error *err)
{
    uint64_t at = s->image->sections[ENG_SEG_LISTS].at + e->at;
    eng_status status = eng_image_check(s->image, at, e->len, err);
    if (status == ENG_OK)
        *out = s->image->data + at;
    return status;
}

/* ---- Writing ----------------------------------------------------------------------------------------- */

eng_status eng_segment_writer_open(eng_segment_writer *w, const char *path, const eng_rows *rows,
                                   eng_error *err)
{
    memset(w, 0, sizeof *w);
    eng_buf_init(&w->entries, (size_t)8 << 30);
    eng_buf_init(&w->keys, UINT32_MAX);
    eng_buf_init(&w->skips, LIST_MAX);
    eng_buf_init(&w->numbers, LIST_MAX);
    eng_buf_init(&w->positions, LIST_MAX);
    eng_norm_table(rows->mean, w->norms);
    w->row_norms = rows->norms;
    w->base = rows->base;
    w->rows = rows->rows;
    eng_status status = eng_sink_open(&w->sink, path, err);
    if (status == ENG_OK)
        eng_sink_begin(&w->sink, ENG_SEG_LISTS);
    return status;
}

void eng_segment_writer_clear(eng_segment_writer *w)
{
    eng_sink_clear(&w->sink);
    eng_buf_clear(&w->entries);
    eng_buf_clear(&w->keys);
    eng_buf_clear(&w->skips);
    eng_buf_clear(&w->numbers);
    eng_buf_clear(&w->positions);
}

void eng_segment_begin(eng_segment_writer *w, eng_str key)
{
    w->entry = (eng_entry){
        .at = w->sink.at, .key_at = (uint32_t)w->keys.len, .key_len = (uint16_t)key.len};
    eng_buf_str(&w->keys, key);
    eng_buf_reset(&w->skips);
    eng_buf_reset(&w->numbers);
    eng_buf_reset(&w->positions);
    w->positioned = key.ptr[0] == ENG_KEY_WORD;
    w->pending = 0;
    w->before = UINT32_MAX;
    w->impact = 0;
    w->positions_at = 0;
}

static void put_packed(eng_buf *out, const uint32_t *v, size_t count, unsigned width)
{
    size_t size = eng_pack_size(count, width);
    char *room = eng_buf_room(out, size);
    if (!room)
        return;
    eng_pack(v, count, width, (unsigned char *)room);
    eng_buf_added(out, size);
}

static void end_block(eng_segment_writer *w)
{
    size_t n = w->pending;
    if (n == 0)
        return;
    uint32_t before = w->before, last = w->pending_rows[n - 1];
    for (size_t i = 0; i < n; i++) {
        uint32_t row = w->pending_rows[i];
        w->pending_rows[i] = row - before - 1;
        before = row;
    }
    float impact = ceilf(w->impact * IMPACT_ONE);
    eng_skip skip = {.last = last,
                     .at = (uint32_t)w->numbers.len,
                     .impact = (uint16_t)(impact < IMPACT_ONE ? impact : IMPACT_ONE),
                     .row_width = (uint8_t)eng_pack_width(w->pending_rows, n),
                     .count_width = (uint8_t)eng_pack_width(w->pending_counts, n),
                     .positions = w->positions_at};
    put_packed(&w->numbers, w->pending_rows, n, skip.row_width);
    put_packed(&w->numbers, w->pending_counts, n, skip.count_width);
    eng_buf_bytes(&w->skips, &skip, sizeof skip);
    w->entry.impact = skip.impact > w->entry.impact ? skip.impact : w->entry.impact;
    w->before = last;
    w->pending = 0;
    w->impact = 0;
    w->positions_at = (uint32_t)w->positions.len;
}

void eng_segment_add(eng_segment_writer *w, const eng_posting *p)
{
    uint32_t count = p->count < ENG_COUNT_MAX ? p->count : ENG_COUNT_MAX;
    float tf = (float)count, impact = tf / (tf + w->norms[w->row_norms[p->row]]);
    w->pending_rows[w->pending] = p->row;
    w->pending_counts[w->pending++] = count - 1;
    w->impact = impact > w->impact ? impact : w->impact;
    w->entry.count++;
    if (w->positioned) {
        eng_buf_varint(&w->positions, p->position_count);
        for (uint32_t i = 0, last = 0; i < p->position_count; last = p->positions[i++])
            eng_buf_varint(&w->positions, p->positions[i] - last);
    }
    if (w->pending == ENG_PACK)
        end_block(w);
}

static void end_entry(eng_segment_writer *w)
{
    w->entry.len = (uint32_t)(w->sink.at - w->entry.at);
    eng_buf_bytes(&w->entries, &w->entry, sizeof w->entry);
}

void eng_segment_end(eng_segment_writer *w)
{
    end_block(w);
    if (w->entry.count == 0) { /* all its rows have died */
        w->keys.len = w->entry.key_at;
        return;
    }
    size_t numbers_at = w->skips.len, positions_at = numbers_at + w->numbers.len;
    for (size_t i = 0; i < w->skips.len; i += sizeof(eng_skip)) {
        eng_skip skip;
        memcpy(&skip, w->skips.data + i, sizeof skip);
        skip.at += (uint32_t)numbers_at;
        skip.positions = w->positioned ? skip.positions + (uint32_t)positions_at : 0;
        memcpy(w->skips.data + i, &skip, sizeof skip);
    }
    const eng_buf *parts[] = {&w->skips, &w->numbers, &w->positions};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i]->failed < 0 && w->sink.failed == ENG_OK)
            w->sink.failed = parts[i]->failed;
        eng_sink_put(&w->sink, parts[i]->data ? parts[i]->data : "", parts[i]->len);
    }
    end_entry(w);
}

void eng_segment_vocabulary(eng_segment_writer *w, eng_str key, uint64_t count)
{
    eng_segment_begin(w, key);
    w->entry.count = (uint32_t)(count < UINT32_MAX ? count : UINT32_MAX);
    end_entry(w);
}

void eng_segment_cell(eng_segment_writer *w, const eng_cell *cell)
{
    if (w->entry.count == 0) {
        eng_sink_align(&w->sink, 8);
        w->entry.at = w->sink.at;
    }
    w->entry.count++;
    eng_sink_put(&w->sink, cell, sizeof *cell);
}

void eng_segment_column(eng_segment_writer *w)
{
    if (w->entry.count == 0)
        w->keys.len = w->entry.key_at;
    else
        end_entry(w);
}

typedef struct {
    uint64_t id;
    uint32_t row;
} id_row;

static int by_id(const void *a, const void *b)
{
    const id_row *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The rows that have an id, by ascending id: mostly they are in that order already. */
static eng_status put_order(eng_segment_writer *w, const eng_rows *rows, uint32_t *docs,
                            eng_error *err)
{
    id_row *all = eng_alloc_array(rows->rows + 1u, sizeof *all);
    uint32_t count = 0;
    bool sorted = true;
    if (!all)
        return eng_fail_nomem(err);
    for (uint32_t row = 0; row < rows->rows; row++) {
        if (rows->ids[row] == 0)
            continue;
        all[count] = (id_row){rows->ids[row], row};
        sorted = sorted && (count == 0 || all[count - 1].id < all[count].id);
        count++;
    }
    if (!sorted)
        qsort(all, count, sizeof *all, by_id);
    eng_sink_begin(&w->sink, ENG_SEG_ORDER);
    for (uint32_t i = 0; i < count; i++)
        eng_sink_put(&w->sink, &all[i].row, sizeof all[i].row);
    eng_sink_end(&w->sink, ENG_SEG_ORDER);
    eng_free(all);
    *docs = count;
    return ENG_OK;
}

static void put_section(eng_segment_writer *w, unsigned section, const void *data, size_t len)
{
    eng_sink_begin(&w->sink, section);
    eng_sink_put(&w->sink, data ? data : "", len);
    eng_sink_end(&w->sink, section);
}

eng_status eng_segment_writer_close(eng_segment_writer *w, const eng_rows *rows, eng_segment *out,
                                    eng_error *err)
{
    uint32_t docs = 0, mean;
    eng_image *image = NULL;
    memcpy(&mean, &rows->mean, sizeof mean);
    eng_sink_end(&w->sink, ENG_SEG_LISTS);
    eng_status status = eng_buf_check(&w->entries, "dictionary", err);
    if (status == ENG_OK)
        status = eng_buf_check(&w->keys, "keys", err);
    if (status < 0)
        goto done;
    put_section(w, ENG_SEG_ENTRIES, w->entries.data, w->entries.len);
    put_section(w, ENG_SEG_KEYS, w->keys.data, w->keys.len);
    put_section(w, ENG_SEG_IDS, rows->ids, rows->rows * sizeof *rows->ids);
    put_section(w, ENG_SEG_DOCUMENTS, rows->documents, rows->rows * sizeof *rows->documents);
    put_section(w, ENG_SEG_NORMS, rows->norms, rows->rows);
    status = put_order(w, rows, &docs, err);
    if (status < 0)
        goto done;
    uint64_t numbers[ENG_TAIL_NUMBERS] = {rows->base,  rows->rows,      docs,
                                          rows->words, rows->languages, mean};
    memcpy(w->sink.numbers, numbers, sizeof numbers);
    status = eng_sink_close(&w->sink, ENG_IMAGE_SEGMENT, &image, err);
    if (status == ENG_OK)
        status = eng_segment_open(image, out, err);
    if (status < 0)
        eng_image_unref(image);
done:
    eng_segment_writer_clear(w);
    return status;
}
