/*
 * Pre-tokenizers: pieces of the normalised characters are cut into smaller ones. Added tokens, which
 * have an id already, pass through. Empty pieces are dropped.
 */
#include "text/token_internal.h"

static bool put(eng_token_scratch *s, size_t start, size_t end)
{
    if (start == end)
        return true;
    if (!eng_tok_pieces_room(&s->others, 1))
        return false;
    s->others.items[s->others.count++] = (eng_tok_piece){(uint32_t)start, (uint32_t)end,
                                                         ENG_TOK_NONE};
    return true;
}

/* ---- By what characters are ---- */

typedef enum { INSIDE, ALONE, BETWEEN, WORD, SYMBOL } role;

static role bert_role(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return INSIDE;
    if (eng_tok_is_space(c))
        return BETWEEN;
    return eng_tok_is_punctuation(c) ? ALONE : INSIDE;
}

static role blanks_role(uint32_t c) { return eng_tok_is_space(c) ? BETWEEN : INSIDE; }

static role words_role(uint32_t c)
{
    if (eng_tok_is_space(c))
        return BETWEEN;
    return eng_tok_is_word(c) ? WORD : SYMBOL;
}

/* A piece ends where the role changes, and around what stands alone. */
static bool split_by(role (*of)(uint32_t), eng_token_scratch *s, eng_tok_piece piece)
{
    size_t start = piece.start;
    role last = BETWEEN;
    for (size_t i = piece.start; i < piece.end; i++) {
        role now = of(s->chars.items[i].c);
        if (now != last || now == ALONE) {
            if (last != BETWEEN && !put(s, start, i))
                return false;
            start = i;
        }
        last = now;
    }
    return last == BETWEEN || put(s, start, piece.end);
}

static bool split_pieces(role (*of)(uint32_t), eng_token_scratch *s)
{
    for (size_t i = 0; i < s->pieces.count; i++) {
        eng_tok_piece piece = s->pieces.items[i];
        bool ok = piece.id == ENG_TOK_NONE ? split_by(of, s, piece)
                                           : eng_tok_pieces_room(&s->others, 1);
        if (!ok)
            return false;
        if (piece.id != ENG_TOK_NONE)
            s->others.items[s->others.count++] = piece;
    }
    return true;
}

/* ---- Metaspace ---- */

static bool prepends(const eng_split_step *step, eng_tok_char first)
{
    if (first.c == step->replacement || step->prepend == ENG_PREPEND_NEVER)
        return false;
    return step->prepend == ENG_PREPEND_ALWAYS || first.from == 0;
}

/* A piece goes over into s->other with '▁' for its blanks and, maybe, one in front. */
static bool put_metaspace(const eng_split_step *step, eng_token_scratch *s, eng_tok_piece piece)
{
    eng_tok_chars *out = &s->other;
    if (!eng_tok_chars_room(out, piece.end - piece.start + 1))
        return false;
    size_t start = out->count;
    for (size_t i = piece.start; i < piece.end; i++) {
        eng_tok_char c = s->chars.items[i];
        if (c.c == ' ' && piece.id == ENG_TOK_NONE)
            c.c = step->replacement;
        if (i == piece.start && piece.id == ENG_TOK_NONE && prepends(step, c))
            out->items[out->count++] = (eng_tok_char){step->replacement, c.from, c.to};
        out->items[out->count++] = c;
    }
    for (size_t i = start + 1; i < out->count && piece.id == ENG_TOK_NONE && step->split; i++) {
        if (out->items[i].c == step->replacement) {
            if (!put(s, start, i))
                return false;
            start = i;
        }
    }
    if (!put(s, start, out->count))
        return false;
    s->others.items[s->others.count - 1].id = piece.id;
    return true;
}

static bool split_metaspace(const eng_split_step *step, eng_token_scratch *s)
{
    s->other.count = 0;
    for (size_t i = 0; i < s->pieces.count; i++) {
        if (!put_metaspace(step, s, s->pieces.items[i]))
            return false;
    }
    eng_tok_chars swap = s->chars;
    s->chars = s->other;
    s->other = swap;
    return true;
}

static bool split(const eng_split_step *step, eng_token_scratch *s)
{
    switch (step->kind) {
    case ENG_SPLIT_BERT:
        return split_pieces(bert_role, s);
    case ENG_SPLIT_WORDS:
        return split_pieces(words_role, s);
    case ENG_SPLIT_BLANKS:
        return split_pieces(blanks_role, s);
    case ENG_SPLIT_METASPACE:
        return split_metaspace(step, s);
    }
    return true;
}

bool eng_tok_split(const eng_split_step *steps, size_t count, eng_token_scratch *s)
{
    for (size_t i = 0; i < count; i++) {
        s->others.count = 0;
        if (!split(&steps[i], s))
            return false;
        eng_tok_pieces swap = s->pieces;
        s->pieces = s->others;
        s->others = swap;
    }
    return true;
}
