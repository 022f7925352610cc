/*
 * Walking through a list. Whatever a list holds, no row outside of the segment comes out of it: a block
 * that contradicts itself ends the walk.
 */
#include "index/index_internal.h"

#include "base/span.h"

enum { ROW_WIDTH_MAX = 28 }; /* four steps of that cannot wrap unseen: see eng_unpack_sums */

eng_status eng_cursor_open(eng_cursor *c, const eng_segment *s, const eng_entry *e, eng_error *err)
{
    c->blocks = 0;
    c->count = c->at = 0;
    c->block = UINT32_MAX;
    c->counted = c->broken = false;
    c->positions_block = UINT32_MAX;
    eng_status status = eng_segment_list(s, e, &c->list, err);
    if (status < 0)
        return status;
    c->len = e->len;
    c->skips = c->list;
    c->postings = e->count;
    c->blocks = (e->count + ENG_PACK - 1) / ENG_PACK;
    c->limit = s->rows;
    if ((uint64_t)c->blocks * sizeof(eng_skip) > e->len)
        return eng_fail(err, ENG_ECORRUPT, "index: a list is shorter than its skips");
    return ENG_OK;
}

eng_skip eng_cursor_skip(const eng_cursor *c, uint32_t block)
{
    eng_skip skip;
    memcpy(&skip, c->skips + (size_t)block * sizeof skip, sizeof skip);
    return skip;
}

static uint32_t postings_of(const eng_cursor *c, uint32_t block)
{
    uint32_t left = c->postings - block * ENG_PACK;
    return left < ENG_PACK ? left : ENG_PACK;
}

bool eng_cursor_load(eng_cursor *c, uint32_t block)
{
    eng_skip skip = eng_cursor_skip(c, block);
    uint32_t count = postings_of(c, block);
    uint32_t before = block ? eng_cursor_skip(c, block - 1).last : UINT32_MAX;
    size_t size = eng_pack_size(count, skip.row_width) + eng_pack_size(count, skip.count_width);
    c->block = block;
    c->at = c->count = 0;
    c->counted = false;
    if (skip.row_width > ROW_WIDTH_MAX || skip.count_width > 32 || skip.at > c->len ||
        size > c->len - skip.at || (block && before >= c->limit)) {
        c->broken = true;
        return false;
    }
    eng_unpack(c->list + skip.at, count, skip.row_width, c->rows);
    uint32_t largest = eng_unpack_sums(c->rows, count, before);
    if (largest >= c->limit || c->rows[count - 1] != skip.last) {
        c->broken = true;
        return false;
    }
    c->count = count;
    return true;
}

void eng_cursor_counts(eng_cursor *c)
{
    if (c->counted || c->count == 0)
        return;
    eng_skip skip = eng_cursor_skip(c, c->block);
    eng_unpack(c->list + skip.at + eng_pack_size(c->count, skip.row_width), c->count,
               skip.count_width, c->counts);
    for (uint32_t i = 0; i < c->count; i++)
        c->counts[i] = (c->counts[i] < ENG_COUNT_MAX ? c->counts[i] : ENG_COUNT_MAX - 1u) + 1;
    c->counted = true;
}

/* The first block from the present one on whose last row is not before `row`. Leaps double, so that
 * near ones cost little and far ones do not cost their distance. */
static uint32_t find_block(const eng_cursor *c, uint32_t row)
{
    uint32_t low = c->block == UINT32_MAX ? 0 : c->block, step = 1, high = low;
    while (high < c->blocks && eng_cursor_skip(c, high).last < row) {
        low = high + 1;
        high = high + step;
        step *= 2;
    }
    high = high < c->blocks ? high : c->blocks;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (eng_cursor_skip(c, middle).last < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t eng_cursor_seek(eng_cursor *c, uint32_t row)
{
    if (c->broken)
        return UINT32_MAX;
    if (c->block == UINT32_MAX || c->count == 0 || c->rows[c->count - 1] < row) {
        uint32_t block = find_block(c, row);
        if (block >= c->blocks || !eng_cursor_load(c, block))
            return UINT32_MAX;
    }
    uint32_t at = c->at;
    if (c->rows[at] < row) {
        uint32_t low = at + 1, high = c->count;
        for (uint32_t step = 1; low + step < high && c->rows[low + step] < row; step *= 2)
            low += step;
        while (low < high && c->rows[low] < row)
            low++;
        at = low;
    }
    if (at >= c->count) {
        c->broken = true; /* the last row of the block was not before it */
        return UINT32_MAX;
    }
    c->at = at;
    return c->rows[at];
}

uint32_t eng_cursor_count(eng_cursor *c)
{
    eng_cursor_counts(c);
    return c->counts[c->at];
}

/* Positions of a block follow each other, so those before ours are passed over; asked for row after
 * row they are read once. */
size_t eng_cursor_positions(eng_cursor *c, uint32_t *out, size_t max)
{
    eng_skip skip = eng_cursor_skip(c, c->block);
    if (skip.positions == 0 || skip.positions > c->len)
        return 0;
    if (c->positions_block != c->block || c->positions_next > c->at) {
        c->positions_block = c->block;
        c->positions_next = 0;
        c->positions_at = skip.positions;
    }
    eng_span in = eng_span_of(c->list + c->positions_at, c->len - c->positions_at);
    for (; c->positions_next < c->at && !in.failed; c->positions_next++) {
        for (uint64_t n = eng_span_varint(&in); n > 0 && !in.failed; n--)
            eng_span_varint(&in);
    }
    c->positions_at += in.pos;
    eng_span mine = eng_span_of(c->list + c->positions_at, c->len - c->positions_at);
    uint64_t n = eng_span_varint(&mine), position = 0;
    size_t count = 0;
    for (; n > 0 && count < max && !mine.failed; n--) {
        position += eng_span_varint(&mine);
        out[count++] = (uint32_t)position;
    }
    return in.failed || mine.failed ? 0 : count;
}
