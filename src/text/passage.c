/*
 * Cutting a document into passages.
 *
 * First the document becomes pieces, the smallest things that stay together: sentences, list items,
 * rows, lines, or, where one of these is larger than a passage may be, as many of its words as fit.
 * Then pieces are packed in their order, as many as fit. A passage is the text from its first piece to
 * its last, so that it can be shown as it stands; its size is counted again as a whole, because what
 * counts units may count white space too.
 */
#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/text_internal.h"

enum { HEADINGS = 6, PATH_MAX_BYTES = 400 };

typedef struct {
    size_t start, end;
    size_t units;
    uint32_t block;
    bool part; /* words of a sentence that is larger than a passage */
} piece;

typedef struct {
    eng_str text;
    const eng_block *blocks;
    size_t block_count;
    const eng_cut_options *options;
    eng_arena *arena;
    piece *pieces; /* not in the arena: of a large document they are half as large as its text */
    size_t count, cap;
    eng_passage *passages;
    size_t passage_count, passage_cap;
    eng_str headings[HEADINGS];
    size_t heading_at; /* blocks before this one are in `headings` */
    eng_str path;      /* of so many levels of `headings`; ptr NULL: to be made */
    size_t path_levels;
    bool nomem;
} cutter;

static size_t count_of(const cutter *c, size_t start, size_t end)
{
    eng_str text = eng_str_sub(c->text, start, end - start);
    return c->options->count ? c->options->count(c->options->ctx, text) : eng_utf8_count(text);
}

/* ---- Pieces ---- */

static void add_piece(cutter *c, piece p)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap + c->cap / 2 : 32;
        piece *pieces = eng_realloc(c->pieces, cap * sizeof *pieces);
        if (!pieces) {
            c->nomem = true;
            return;
        }
        c->pieces = pieces;
        c->cap = cap;
    }
    c->pieces[c->count++] = p;
}

static bool blank_at(const cutter *c, size_t at) { return (unsigned char)c->text.ptr[at] <= ' '; }

/* The end of the last word that ends by `at`; of a word that reaches over it, a character's. */
static size_t snap(const cutter *c, size_t start, size_t at, size_t end)
{
    if (at >= end)
        return end;
    size_t cut = at;
    while (cut > start && !blank_at(c, cut))
        cut--;
    if (cut > start)
        return cut;
    return start + eng_utf8_cut(eng_str_sub(c->text, start, end - start), at - start).len;
}

/* The end of the longest run of words from `start` that fits. Doubles, then halves, so that counting
 * costs a small multiple of what fits, however long the text is. */
static size_t fitting(const cutter *c, size_t start, size_t end, size_t *units)
{
    /* What repeats of the part before finds room in a passage with this one. */
    size_t most = c->options->size - c->options->overlap;
    size_t best = start, low = 0, high = most, n;
    *units = 0;
    for (;;) {
        size_t to = snap(c, start, start + high, end);
        n = count_of(c, start, to);
        if (n > most)
            break;
        best = to;
        *units = n;
        if (to == end)
            return end;
        low = high;
        high *= 2;
    }
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2, to = snap(c, start, start + mid, end);
        n = to > best ? count_of(c, start, to) : 0;
        if (n > most) {
            high = mid;
            continue;
        }
        low = mid;
        if (to > best) {
            best = to;
            *units = n;
        }
    }
    if (best == start) { /* one character is more than fits: it cannot be helped */
        eng_utf8_next(c->text, &best);
        *units = count_of(c, start, best);
    }
    return best;
}

static void add_words(cutter *c, size_t start, size_t end, size_t block)
{
    while (start < end && !c->nomem) {
        while (start < end && blank_at(c, start))
            start++;
        if (start >= end)
            return;
        size_t units, stop = fitting(c, start, end, &units), last = stop;
        while (last > start && blank_at(c, last - 1))
            last--;
        if (last > start)
            add_piece(c, (piece){start, last, units, (uint32_t)block, true});
        start = stop;
    }
}

/* A piece, or its words where it is too large. */
static void add_whole(cutter *c, size_t start, size_t end, size_t block)
{
    size_t units = count_of(c, start, end);
    if (units <= c->options->size)
        add_piece(c, (piece){start, end, units, (uint32_t)block, false});
    else
        add_words(c, start, end, block);
}

static void add_sentences(cutter *c, size_t start, size_t end, size_t block)
{
    eng_str sentence;
    while (!c->nomem && eng_sentence_next(c->text, &start, end, &sentence)) {
        size_t from = (size_t)(sentence.ptr - c->text.ptr);
        add_whole(c, from, from + sentence.len, block);
    }
}

static void add_lines(cutter *c, size_t start, size_t end, size_t block)
{
    while (start < end && !c->nomem) {
        const char *from = c->text.ptr + start;
        const char *stop = memchr(from, '\n', end - start);
        size_t to = stop ? (size_t)(stop - c->text.ptr) : end;
        if (eng_str_trim(eng_str_sub(c->text, start, to - start)).len)
            add_whole(c, start, to, block);
        start = to + 1;
    }
}

static void add_block(cutter *c, size_t i)
{
    const eng_block *b = &c->blocks[i];
    size_t units;
    switch (b->kind) {
    case ENG_BLOCK_TABLE:
    case ENG_BLOCK_CODE:
        units = count_of(c, b->start, b->end);
        if (units <= c->options->size)
            add_piece(c, (piece){b->start, b->end, units, (uint32_t)i, false});
        else
            add_lines(c, b->start, b->end, i);
        break;
    case ENG_BLOCK_ITEM:
    case ENG_BLOCK_HEADING:
        units = count_of(c, b->start, b->end);
        if (units <= c->options->size / 2) {
            add_piece(c, (piece){b->start, b->end, units, (uint32_t)i, false});
            break;
        }
        add_sentences(c, b->start, b->end, i);
        break;
    default:
        add_sentences(c, b->start, b->end, i);
    }
}

/* ---- Headings ---- */

/* Takes note of the headings of all blocks before this one. */
static void follow_headings(cutter *c, size_t block)
{
    for (; c->heading_at < block; c->heading_at++) {
        const eng_block *b = &c->blocks[c->heading_at];
        if (b->kind != ENG_BLOCK_HEADING)
            continue;
        size_t level = b->level < 1 ? 1 : b->level > HEADINGS ? HEADINGS : b->level;
        c->headings[level - 1] = eng_heading_text(
            eng_str_sub(c->text, b->start, b->end - b->start));
        for (size_t i = level; i < HEADINGS; i++)
            c->headings[i] = ENG_STR("");
        c->path.ptr = NULL;
    }
}

/* What stands above a block: for a heading, those of a higher level alone. */
static eng_str path_of(cutter *c, const eng_block *b)
{
    size_t levels = HEADINGS;
    if (b->kind == ENG_BLOCK_HEADING)
        levels = b->level < 1 ? 0 : b->level < HEADINGS ? b->level - 1u : HEADINGS - 1u;
    if (c->path.ptr && c->path_levels == levels)
        return c->path;
    eng_buf path;
    eng_buf_init(&path, 1 << 20);
    for (size_t i = 0; i < levels; i++) {
        eng_str h = eng_utf8_cut(c->headings[i], PATH_MAX_BYTES);
        if (!h.len || path.len + h.len > PATH_MAX_BYTES)
            continue;
        if (path.len)
            eng_buf_str(&path, ENG_STR(" > "));
        eng_buf_str(&path, h);
    }
    c->path = eng_arena_copy(c->arena, eng_buf_view(&path));
    c->path_levels = levels;
    c->nomem |= !c->path.ptr || path.failed;
    eng_buf_clear(&path);
    return c->path;
}

/* ---- Packing ---- */

static eng_block_kind kind_of(const cutter *c, size_t i)
{
    return (eng_block_kind)c->blocks[c->pieces[i].block].kind;
}

/* A heading of the first two levels begins a passage, unless what is open is short. */
static bool begins_section(const cutter *c, size_t i, size_t units)
{
    const eng_block *b = &c->blocks[c->pieces[i].block];
    return b->kind == ENG_BLOCK_HEADING && b->level <= 2 && units * 4 >= c->options->size &&
           (i == 0 || c->pieces[i - 1].block != c->pieces[i].block);
}

/* How many pieces, from `first` on, make a passage that begins at byte `start`. */
static size_t pack(const cutter *c, size_t first, size_t start, size_t *units)
{
    size_t next = first + 1, sum = count_of(c, start, c->pieces[first].end);
    *units = sum;
    while (next < c->count && !begins_section(c, next, sum)) {
        /* The sum may differ from the whole's by what lies between: the whole decides. */
        sum += c->pieces[next].units;
        if (sum > c->options->size)
            break;
        size_t whole = count_of(c, start, c->pieces[next].end);
        if (whole > c->options->size)
            break;
        *units = sum = whole;
        next++;
    }
    /* Headings are not left behind at the end of a passage. */
    size_t last = next;
    while (next < c->count && last > first + 1 && kind_of(c, last - 1) == ENG_BLOCK_HEADING)
        last--;
    if (last != next)
        *units = count_of(c, start, c->pieces[last - 1].end);
    return last - first;
}

/* Where the words at the end of a piece begin that fit into the overlap; its end where none does. */
static size_t last_words(const cutter *c, const piece *p)
{
    size_t start = p->end, room = c->options->overlap, at = p->end;
    while (at > p->start) {
        while (at > p->start && !blank_at(c, at - 1))
            at--;
        size_t units = count_of(c, at, start); /* a word, and the white space behind it */
        if (units > room)
            break;
        room -= units;
        start = at;
        while (at > p->start && blank_at(c, at - 1))
            at--;
    }
    return start;
}

static bool leaves_room(const cutter *c, size_t start, size_t end)
{
    return count_of(c, start, c->pieces[end].end) <= c->options->size;
}

/* Where the passage begins whose first new piece is `end`: within the overlap with the one before,
 * which began with piece `first`. */
static size_t overlap_start(const cutter *c, size_t first, size_t end)
{
    size_t back = end, room = c->options->overlap;
    if (!room || kind_of(c, end) == ENG_BLOCK_HEADING)
        return c->pieces[end].start;
    while (back > first + 1 && c->pieces[back - 1].units <= room &&
           kind_of(c, back - 1) != ENG_BLOCK_HEADING)
        room -= c->pieces[--back].units;
    while (back < end && !leaves_room(c, c->pieces[back].start, end))
        back++;
    if (back < end || !c->pieces[end - 1].part)
        return c->pieces[back].start;
    size_t start = last_words(c, &c->pieces[end - 1]);
    return start < c->pieces[end - 1].end && leaves_room(c, start, end) ? start
                                                                        : c->pieces[end].start;
}

static bool room_for_passage(cutter *c)
{
    if (c->passage_count < c->passage_cap)
        return true;
    size_t cap = c->passage_cap ? c->passage_cap * 2 : 32;
    eng_passage *passages = eng_arena_array(c->arena, cap, sizeof *passages);
    if (!passages) {
        c->nomem = true;
        return false;
    }
    if (c->passage_count)
        memcpy(passages, c->passages, c->passage_count * sizeof *passages);
    c->passages = passages;
    c->passage_cap = cap;
    return true;
}

static void add_passage(cutter *c, size_t first, size_t start, size_t pieces, size_t units)
{
    if (!room_for_passage(c))
        return;
    eng_block_kind kind = kind_of(c, first);
    for (size_t i = first; i < first + pieces && kind == ENG_BLOCK_HEADING; i++)
        kind = kind_of(c, i);
    follow_headings(c, c->pieces[first].block);
    c->passages[c->passage_count++] = (eng_passage){
        .start = start,
        .end = c->pieces[first + pieces - 1].end,
        .units = (uint32_t)(units < UINT32_MAX ? units : UINT32_MAX),
        .kind = (uint8_t)kind,
        .heading = path_of(c, &c->blocks[c->pieces[first].block])};
}

eng_status eng_passages_of(eng_str text, const eng_block *blocks, size_t block_count,
                           const eng_cut_options *options, eng_arena *arena,
                           const eng_passage **out, size_t *count, eng_error *err)
{
    if (!options->size || options->overlap >= options->size)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("chunk"),
                              "expected an overlap smaller than the size");
    cutter c = {.text = text,
                .blocks = blocks,
                .block_count = block_count,
                .options = options,
                .arena = arena};
    for (size_t i = 0; i < HEADINGS; i++)
        c.headings[i] = ENG_STR("");
    for (size_t i = 0; i < block_count && !c.nomem; i++)
        add_block(&c, i);
    size_t first = 0, start = c.count ? c.pieces[0].start : 0;
    while (first < c.count && !c.nomem) {
        size_t units, n = pack(&c, first, start, &units), end = first + n;
        add_passage(&c, first, start, n, units);
        if (end < c.count)
            start = overlap_start(&c, first, end);
        first = end;
    }
    eng_free(c.pieces);
    if (c.nomem)
        return eng_fail_nomem(err);
    *out = c.passages;
    *count = c.passage_count;
    return ENG_OK;
}
