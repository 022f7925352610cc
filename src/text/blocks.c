/*
 * The structure of text that has none beside it. Lines are looked at one by one; a line continues
 * the block before it, ends it, or begins another. Nothing is changed in the text: a block is where
 * it stands.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"
#include "text/text_internal.h"

typedef struct {
    eng_str text;
    eng_arena *arena;
    eng_block *blocks;
    size_t count, cap;
    bool open; /* the last block may go on */
    bool nomem;
    eng_str fence; /* of the code that is open; empty: none */
} outline;

/* ---- What a line is ---- */

static size_t indent_of(eng_str line)
{
    size_t n = 0;
    while (n < line.len && (line.ptr[n] == ' ' || line.ptr[n] == '\t'))
        n++;
    return n;
}

static size_t run_of(eng_str s, char c)
{
    size_t n = 0;
    while (n < s.len && s.ptr[n] == c)
        n++;
    return n;
}

/* "#" to "######" and a blank: its level, or 0. */
static unsigned heading_level(eng_str s)
{
    size_t n = run_of(s, '#');
    return n >= 1 && n <= 6 && (n == s.len || s.ptr[n] == ' ' || s.ptr[n] == '\t') ? (unsigned)n
                                                                                   : 0;
}

/* The line below a heading: "===" of the first level, "---" of the second; or 0. */
static unsigned underline_level(eng_str line)
{
    eng_str s = eng_str_trim(line);
    if (s.len >= 3 && run_of(s, '=') == s.len)
        return 1;
    return s.len >= 3 && run_of(s, '-') == s.len ? 2 : 0;
}

static bool is_fence(eng_str s, eng_str *fence)
{
    size_t ticks = run_of(s, '`'), tildes = run_of(s, '~');
    size_t n = ticks > tildes ? ticks : tildes;
    if (n < 3)
        return false;
    *fence = eng_str_sub(s, 0, n);
    return true;
}

/* Bytes of a bullet at the start of s with the blank behind it, or 0. */
static size_t bullet(eng_str s)
{
    static const char *const signs[] = {"-",
                                        "*",
                                        "+",
                                        "\xE2\x80\xA2", /* • */
                                        "\xE2\x80\x93",
                                        "\xC2\xB7", /* – · */
                                        "\xE2\x97\xA6",
                                        "\xE2\x96\xAA"}; /* ◦ ▪ */
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        eng_str sign = eng_str_of(signs[i]);
        if (eng_str_starts(s, sign) && s.len > sign.len &&
            (s.ptr[sign.len] == ' ' || s.ptr[sign.len] == '\t'))
            return sign.len + 1;
    }
    return 0;
}

/* "12." "12)" "a)" "(a)" and a blank. */
static size_t number(eng_str s)
{
    size_t open = s.len && s.ptr[0] == '(', n = open;
    while (n < s.len && n < open + 4 && s.ptr[n] >= '0' && s.ptr[n] <= '9')
        n++;
    bool digits = n > open;
    if (!digits && n < s.len && ((s.ptr[n] | 32) >= 'a' && (s.ptr[n] | 32) <= 'z'))
        n++;
    if (n == open || n + 1 >= s.len || s.ptr[n + 1] != ' ')
        return 0;
    bool ends = s.ptr[n] == ')' || (digits && !open && s.ptr[n] == '.');
    return ends ? n + 2 : 0;
}

static bool is_item(eng_str s) { return bullet(s) || number(s); }

static bool is_rule(eng_str s)
{
    size_t marks = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == ' ')
            continue;
        if (s.ptr[i] != s.ptr[0] || !strchr("-*_", s.ptr[i]))
            return false;
        marks++;
    }
    return marks >= 3;
}

static bool is_row(eng_str s) { return s.len > 1 && s.ptr[0] == '|'; }

/* ---- Blocks ---- */

static void begin(outline *o, eng_block_kind kind, unsigned level, size_t start, size_t end)
{
    if (o->count == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 64;
        eng_block *blocks = eng_arena_array(o->arena, cap, sizeof *blocks);
        if (!blocks) {
            o->nomem = true;
            return;
        }
        if (o->count)
            memcpy(blocks, o->blocks, o->count * sizeof *blocks);
        o->blocks = blocks;
        o->cap = cap;
    }
    o->blocks[o->count++] = (eng_block){
        .start = start, .end = end, .kind = (uint8_t)kind, .level = (uint8_t)level};
    o->open = true;
}

/* Continues the last block where it is of this kind, else begins one. */
static void go_on(outline *o, eng_block_kind kind, size_t start, size_t end)
{
    if (o->open && o->blocks[o->count - 1].kind == kind)
        o->blocks[o->count - 1].end = end;
    else
        begin(o, kind, 0, start, end);
}

/* A line of Markdown that plain text does not have; false: it is none of those. */
static bool markdown_line(outline *o, eng_str s, size_t start, size_t end)
{
    if (is_fence(s, &o->fence)) {
        begin(o, ENG_BLOCK_CODE, 0, start, end);
        return true;
    }
    unsigned level = heading_level(s);
    if (level) {
        begin(o, ENG_BLOCK_HEADING, level, start, end);
        o->open = false;
        return true;
    }
    eng_block *last = o->open ? &o->blocks[o->count - 1] : NULL;
    level = underline_level(s);
    if (level && last && last->kind == ENG_BLOCK_PARAGRAPH) {
        last->kind = ENG_BLOCK_HEADING;
        last->level = (uint8_t)level;
        last->end = end;
        o->open = false;
        return true;
    }
    if (is_rule(s)) {
        o->open = false;
        return true;
    }
    if (s.ptr[0] == '>' || is_row(s)) {
        go_on(o, s.ptr[0] == '>' ? ENG_BLOCK_QUOTE : ENG_BLOCK_TABLE, start, end);
        return true;
    }
    return false;
}

static void one_line(outline *o, eng_str line, size_t at, bool markdown)
{
    size_t indent = indent_of(line);
    eng_str s = eng_str_trim(line);
    size_t start = at + indent, end = start + s.len;
    if (o->fence.len) {
        if (s.len)
            o->blocks[o->count - 1].end = at + line.len;
        if (eng_str_starts(s, o->fence) && run_of(s, s.ptr[0]) == s.len)
            o->fence = ENG_STR(""), o->open = false;
        return;
    }
    if (!s.len) {
        o->open = false;
        return;
    }
    if (markdown && markdown_line(o, s, start, end))
        return;
    if (is_item(s)) {
        begin(o, ENG_BLOCK_ITEM, 1 + (unsigned)(indent / 2 < 8 ? indent / 2 : 8), start, end);
        return;
    }
    if (o->open && o->blocks[o->count - 1].kind == ENG_BLOCK_ITEM)
        o->blocks[o->count - 1].end = end; /* a long item goes on in the next line */
    else
        go_on(o, ENG_BLOCK_PARAGRAPH, start, end);
}

eng_status eng_blocks_of(eng_str text, bool markdown, eng_arena *arena, const eng_block **out,
                         size_t *count, eng_error *err)
{
    outline o = {.text = text, .arena = arena, .fence = ENG_STR("")};
    size_t at = markdown ? eng_front_matter(text) : 0;
    while (at < text.len && !o.nomem) {
        const char *from = text.ptr + at;
        const char *stop = memchr(from, '\n', text.len - at);
        size_t len = stop ? (size_t)(stop - from) : text.len - at;
        eng_str line = {from, len};
        /* A form feed is a page's end, and a paragraph's. */
        if (len && from[0] == '\f') {
            o.open = false;
            line = eng_str_sub(line, 1, SIZE_MAX);
            one_line(&o, line, at + 1, markdown);
        } else {
            one_line(&o, line, at, markdown);
        }
        at += len + 1;
    }
    if (o.nomem)
        return eng_fail_nomem(err);
    *out = o.blocks;
    *count = o.count;
    return ENG_OK;
}

/* ---- Beside their text ---------------------------------------------------------------------- */

/* A block is three numbers: how far after the one before it starts, how long it is, and its level and kind. */
enum { KIND_BITS = 3 };

eng_status eng_blocks_pack(const eng_block *blocks, size_t count, eng_arena *arena, eng_str *out,
                           eng_error *err)
{
    eng_buf packed;
    size_t last = 0;
    eng_buf_init(&packed, SIZE_MAX);
    for (size_t i = 0; i < count; last = blocks[i++].end) {
        eng_buf_varint(&packed, blocks[i].start - last);
        eng_buf_varint(&packed, blocks[i].end - blocks[i].start);
        eng_buf_varint(&packed, (unsigned)blocks[i].level << KIND_BITS | blocks[i].kind);
    }
    eng_status status = eng_buf_check(&packed, "blocks", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(arena, eng_buf_view(&packed));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&packed);
    return status;
}

static bool is_boundary(eng_str text, size_t at)
{
    return at == text.len || ((unsigned char)text.ptr[at] & 0xC0) != 0x80;
}

/* False where it cannot be one of that text that begins at `last` or later. */
static bool take_block(eng_span *in, eng_str text, size_t last, eng_block *out)
{
    uint64_t gap = eng_span_varint(in), len = eng_span_varint(in), what = eng_span_varint(in);
    if (in->failed || gap > text.len - last || len > text.len - last - gap || what > 0x7FF)
        return false;
    *out = (eng_block){.start = last + gap,
                       .end = last + gap + len,
                       .kind = (uint8_t)(what & 7),
                       .level = (uint8_t)(what >> KIND_BITS)};
    return out->kind <= ENG_BLOCK_QUOTE && is_boundary(text, out->start) &&
           is_boundary(text, out->end);
}

eng_status eng_blocks_unpack(eng_str packed, eng_str text, eng_arena *arena, const eng_block **out,
                             size_t *count, eng_error *err)
{
    eng_span in = eng_span_of(packed.ptr, packed.len);
    size_t n = 0, last = 0;
    eng_block *blocks = eng_arena_array(arena, packed.len / 3 + 1, sizeof *blocks);
    if (!blocks)
        return eng_fail_nomem(err);
    for (; eng_span_left(&in); n++) {
        if (!take_block(&in, text, last, &blocks[n]))
            return eng_fail(err, ENG_ECORRUPT, "block %zu is none of its text", n);
        last = blocks[n].end;
    }
    *out = blocks;
    *count = n;
    return ENG_OK;
}

/* ---- Front matter --------------------------------------------------------------------------- */

size_t eng_front_matter(eng_str text)
{
    eng_str line, rest = text;
    bool more = eng_str_cut(rest, '\n', &line, &rest);
    if (!more || !eng_str_eq(eng_str_trim(line), ENG_STR("---")))
        return 0;
    while (more) {
        more = eng_str_cut(rest, '\n', &line, &rest);
        if (eng_str_eq(eng_str_trim(line), ENG_STR("---")))
            return text.len - rest.len;
    }
    return 0;
}

eng_str eng_heading_text(eng_str block)
{
    eng_str line, rest;
    eng_str_cut(block, '\n', &line, &rest);
    size_t marks = heading_level(line);
    line = eng_str_trim(eng_str_sub(line, marks, SIZE_MAX));
    while (marks && line.len && line.ptr[line.len - 1] == '#')
        line.len--;
    return eng_str_trim(line);
}
