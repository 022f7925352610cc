/* The builder of a document's text: see text_internal.h. */
#include "base/error.h"
#include "text/text_internal.h"

void eng_page_init(eng_page *p, eng_arena *arena, size_t max)
{
    *p = (eng_page){.arena = arena};
    eng_buf_init(&p->text, max);
}

void eng_page_clear(eng_page *p) { eng_buf_clear(&p->text); }

static eng_block *open_block(const eng_page *p) { return &p->blocks[p->count - 1]; }

static bool more_room(eng_page *p)
{
    size_t cap = p->cap ? p->cap * 2 : 64;
    eng_block *blocks = eng_arena_array(p->arena, cap, sizeof *blocks);
    if (!blocks) {
        p->nomem = true;
        return false;
    }
    if (p->count)
        memcpy(blocks, p->blocks, p->count * sizeof *blocks);
    p->blocks = blocks;
    p->cap = cap;
    return true;
}

void eng_page_end(eng_page *p)
{
    if (!p->open)
        return;
    p->open = p->blank = false;
    eng_block *b = open_block(p);
    size_t end = p->text.len;
    while (end > b->start && (p->text.data[end - 1] == ' ' || p->text.data[end - 1] == '\n'))
        end--;
    if (end == b->start) { /* it said nothing: the line ends before it go too */
        p->count--;
        end = p->count ? open_block(p)->end : 0;
    } else {
        b->end = end;
    }
    if (p->text.data) {
        p->text.len = end;
        p->text.data[end] = '\0';
    }
}

void eng_page_begin(eng_page *p, eng_block_kind kind, unsigned level)
{
    eng_page_end(p);
    if (p->count == p->cap && !more_room(p))
        return;
    if (p->count) {
        bool list = kind == ENG_BLOCK_ITEM && open_block(p)->kind == ENG_BLOCK_ITEM;
        eng_buf_str(&p->text, list ? ENG_STR("\n") : ENG_STR("\n\n"));
    }
    p->blocks[p->count++] = (eng_block){.start = p->text.len,
                                        .end = p->text.len,
                                        .kind = (uint8_t)kind,
                                        .level = (uint8_t)(level < 255 ? level : 255)};
    p->open = true;
    p->linked = 0;
}

size_t eng_page_open_bytes(const eng_page *p)
{
    return p->open ? p->text.len - open_block(p)->start : 0;
}

static bool at_line_start(const eng_page *p)
{
    return p->text.len == open_block(p)->start || p->text.data[p->text.len - 1] == '\n';
}

/* Where the white space at `at` ends. U+00A0 is white space here: pages use it to lay out. */
static size_t skip_blanks(eng_str s, size_t at)
{
    for (; at < s.len; at++) {
        unsigned char c = (unsigned char)s.ptr[at];
        bool nbsp = c == 0xC2 && at + 1 < s.len && (unsigned char)s.ptr[at + 1] == 0xA0;
        if (nbsp)
            at++;
        else if (c > ' ')
            break;
    }
    return at;
}

static size_t skip_word(eng_str s, size_t at)
{
    while (at < s.len && skip_blanks(s, at) == at)
        at++;
    return at;
}

void eng_page_text(eng_page *p, eng_str text)
{
    size_t at = skip_blanks(text, 0);
    if (!p->open) {
        if (at == text.len)
            return;
        eng_page_begin(p, ENG_BLOCK_PARAGRAPH, 0);
        if (!p->open)
            return;
    }
    if (open_block(p)->kind == ENG_BLOCK_CODE) {
        eng_buf_str(&p->text, text);
        return;
    }
    p->blank |= at > 0;
    while (at < text.len) {
        size_t end = skip_word(text, at);
        if (p->blank && !at_line_start(p))
            eng_buf_byte(&p->text, ' ');
        eng_buf_str(&p->text, eng_str_sub(text, at, end - at));
        at = skip_blanks(text, end);
        p->blank = at > end;
    }
}

void eng_page_break(eng_page *p)
{
    if (!p->open || (at_line_start(p) && open_block(p)->kind != ENG_BLOCK_CODE))
        return;
    eng_buf_byte(&p->text, '\n');
    p->blank = false;
}

void eng_page_space(eng_page *p) { p->blank |= p->open; }
