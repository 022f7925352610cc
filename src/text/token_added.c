/*
 * Added tokens: texts that become a token wherever they stand, before the model sees them. The
 * leftmost match counts, and of those the longest.
 */
#include "text/token_internal.h"

#include "base/error.h"

eng_status eng_added_build(eng_added *a, const eng_str *texts, const struct eng_added_item *items,
                           size_t count, eng_arena *arena, eng_error *err)
{
    if (count == 0)
        return ENG_OK;
    eng_trie_entry *entries = eng_arena_array(arena, count, sizeof *entries);
    a->items = eng_arena_array(arena, count, sizeof *a->items);
    if (!entries || !a->items)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        a->items[i] = items[i];
        a->first[(unsigned char)texts[i].ptr[0]] = true;
        entries[i] = (eng_trie_entry){texts[i], (uint32_t)i};
    }
    return eng_trie_build(&a->trie, entries, count, err);
}

static bool is_single_word(eng_str text, const eng_added_match *m)
{
    size_t at = m->end;
    if (m->end < text.len && eng_tok_is_word(eng_tok_next(text, &at)))
        return false;
    return m->start == 0 || !eng_tok_is_word(eng_tok_before(text, m->start, &at));
}

/* Takes in blanks on its left, as far as the match before, and on its right. */
static void widen(const struct eng_added_item *item, eng_str text, size_t floor, eng_added_match *m)
{
    size_t at;
    while (item->left && m->start > floor &&
           eng_tok_is_space(eng_tok_before(text, m->start, &at)) && at >= floor)
        m->start = at;
    for (at = m->end; item->right && at < text.len; m->end = at) {
        if (!eng_tok_is_space(eng_tok_next(text, &at)))
            break;
    }
}

/* The longest token at `start`. */
static const struct eng_added_item *longest(const eng_added *a, eng_str text, size_t start,
                                            size_t *end)
{
    const struct eng_added_item *found = NULL;
    uint32_t node = 0;
    for (size_t i = start; i < text.len; i++) {
        node = eng_trie_step(&a->trie, node, (unsigned char)text.ptr[i]);
        if (node == 0)
            break;
        uint32_t value = eng_trie_value(&a->trie, node);
        if (value != ENG_TOK_NONE) {
            found = &a->items[value];
            *end = i + 1;
        }
    }
    return found;
}

bool eng_added_next(const eng_added *a, eng_str text, size_t *at, size_t floor,
                    eng_added_match *out)
{
    if (!a->trie.units)
        return false;
    while (*at < text.len) {
        size_t start = *at, end;
        const struct eng_added_item *item = a->first[(unsigned char)text.ptr[start]]
                                                ? longest(a, text, start, &end)
                                                : NULL;
        if (!item) {
            ++*at;
            continue;
        }
        /* A match that does not count still hides what begins inside of it. */
        *at = end;
        *out = (eng_added_match){start, end, item->id};
        if (item->single_word && !is_single_word(text, out))
            continue;
        widen(item, text, floor, out);
        return true;
    }
    return false;
}

/* ---- In normalised text ---- */

static bool put(eng_token_scratch *s, size_t start, size_t end, uint32_t id)
{
    if (start >= end)
        return true;
    if (!eng_tok_pieces_room(&s->pieces, 1))
        return false;
    s->pieces.items[s->pieces.count++] = (eng_tok_piece){(uint32_t)start, (uint32_t)end, id};
    return true;
}

/* s->chars as bytes, each with the number of its character. */
static bool spell(eng_token_scratch *s)
{
    s->word.len = s->word.chars = 0;
    if (!eng_tok_word_room(&s->word, s->chars.count * 4))
        return false;
    for (size_t i = 0; i < s->chars.count; i++)
        eng_tok_word_put(&s->word, (eng_tok_char){s->chars.items[i].c, (uint32_t)i, (uint32_t)i});
    return true;
}

bool eng_added_cut(const eng_added *a, eng_token_scratch *s)
{
    s->pieces.count = 0;
    if (!a->trie.units)
        return put(s, 0, s->chars.count, ENG_TOK_NONE);
    if (!spell(s))
        return false;
    eng_str text = {s->word.bytes, s->word.len};
    eng_added_match m;
    size_t at = 0, floor = 0, done = 0;
    while (eng_added_next(a, text, &at, floor, &m)) {
        size_t start = s->word.from[m.start];
        size_t end = m.end < text.len ? s->word.from[m.end] : s->chars.count;
        if (!put(s, done, start, ENG_TOK_NONE) || !put(s, start, end, m.id))
            return false;
        done = end;
        floor = m.end;
    }
    return put(s, done, s->chars.count, ENG_TOK_NONE);
}
