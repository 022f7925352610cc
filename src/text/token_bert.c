/*
 * WordPiece in one pass, for the tokenizers of BERT's family: one table says what BERT's normaliser
 * makes of a character and what its pre-tokenizer does there, words are collected with the places of
 * their bytes, and the model takes them one by one.
 *
 *     BERT_WORD    its bytes go to the word        BERT_SPACE   the word ends
 *     BERT_ALONE   a word by itself                BERT_DROP    nothing
 *     BERT_LONG    more bytes than the table holds: worked out again
 *     BERT_LEAVE   the general way does this segment
 *
 * Dropping marks one by one is right because a mark only moves among marks when a text is decomposed.
 * Marks that stay (a few Mc have a combining class) move too, and take the place of others: those, and
 * characters that become a word and something else, are BERT_LEAVE.
 */
#include "text/token_internal.h"

#include "base/error.h"

enum { BERT_WORD, BERT_SPACE, BERT_ALONE, BERT_DROP, BERT_LONG, BERT_LEAVE };
enum { SPELLED_MAX = ENG_TOK_DECOMPOSED_MAX * ENG_TOK_LOWER_MAX };

/* What becomes of a character. */
typedef struct {
    int kind;
    uint32_t c[SPELLED_MAX];
    size_t count;
} spelled;

static bool is_dropped(const eng_normal_step *n, uint32_t c)
{
    bool blank = c == '\t' || c == '\n' || c == '\r';
    return n->clean && !blank && (c == 0 || c == 0xFFFD || eng_tok_is_control(c));
}

/* Decomposed, without its marks. false: one that stays has a combining class. */
static bool strip_marks(uint32_t c, uint32_t parts[ENG_TOK_DECOMPOSED_MAX], size_t *count)
{
    size_t all = eng_tok_decompose(c, false, parts), kept = 0;
    for (size_t i = 0; i < all; i++) {
        if (eng_tok_is_nonspacing(parts[i]))
            continue;
        if (eng_tok_combining(parts[i]))
            return false;
        parts[kept++] = parts[i];
    }
    *count = kept;
    return true;
}

static int kind_of(uint32_t c)
{
    if (eng_tok_is_space(c))
        return BERT_SPACE;
    return eng_tok_is_punctuation(c) ? BERT_ALONE : BERT_WORD;
}

static void spell(const eng_normal_step *n, uint32_t c, spelled *out)
{
    uint32_t parts[ENG_TOK_DECOMPOSED_MAX] = {c};
    size_t count = 1;
    *out = (spelled){.kind = BERT_LEAVE};
    if (is_dropped(n, c)) {
        out->kind = BERT_DROP;
        return;
    }
    bool alone = n->ideographs && eng_tok_is_ideograph(c);
    if (n->accents && !strip_marks(c, parts, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (n->lower)
            out->count += eng_tok_lower(parts[i], out->c + out->count);
        else
            out->c[out->count++] = parts[i];
    }
    if (out->count == 0) {
        out->kind = BERT_DROP;
        return;
    }
    int kind = kind_of(out->c[0]);
    for (size_t i = 1; i < out->count; i++) {
        if (kind != BERT_WORD || kind_of(out->c[i]) != BERT_WORD)
            return;
    }
    if (alone && (out->count > 1 || kind == BERT_SPACE))
        return;
    out->kind = alone ? BERT_ALONE : kind;
}

/* As a row of the table. */
static eng_bert_char row_of(const spelled *s)
{
    eng_bert_char row = {.kind = (uint8_t)s->kind, .chars = (uint8_t)s->count};
    for (size_t i = 0; i < s->count && row.kind != BERT_LONG; i++) {
        char bytes[4];
        size_t len = eng_utf8_put(s->c[i], bytes);
        if (row.len + len > sizeof row.bytes) {
            row.kind = BERT_LONG;
        } else {
            memcpy(row.bytes + row.len, bytes, len);
            row.len = (uint8_t)(row.len + len);
        }
    }
    return row;
}

static bool is_bert(const eng_tokenizer *t)
{
    return t->model == ENG_TOK_WORDPIECE && !t->trim && !t->normed.trie.units &&
           t->normal_count == 1 && t->normal[0].kind == ENG_NORMAL_BERT && t->split_count == 1 &&
           t->split[0].kind == ENG_SPLIT_BERT;
}

eng_status eng_bert_prepare(eng_tokenizer *t, eng_error *err)
{
    if (!is_bert(t))
        return ENG_OK;
    eng_bert_char *rows = eng_arena_array(&t->arena, ENG_BERT_TABLE, sizeof *rows);
    if (!rows)
        return eng_fail_nomem(err);
    for (uint32_t c = 0; c < ENG_BERT_TABLE; c++) {
        spelled s;
        spell(t->normal, c, &s);
        rows[c] = row_of(&s);
    }
    t->bert = rows;
    return ENG_OK;
}

/* ---- The pass ---- */

typedef struct {
    const eng_tokenizer *t;
    eng_tok_word *word;
    eng_tok_raws *out;
    size_t kept; /* a word of more characters is unknown, so that the rest need not be kept */
} pass;

static bool end_word(pass *p)
{
    bool ok = eng_tok_wordpiece(p->t, p->word, p->out) == ENG_OK;
    p->word->len = p->word->chars = 0;
    return ok;
}

static void put_bytes(pass *p, const char *bytes, size_t len, size_t chars, uint32_t from,
                      uint32_t to)
{
    eng_tok_word *w = p->word;
    w->chars += chars;
    if (w->chars > p->kept) {
        /* The end of the last byte that was kept is the end of the word. */
        w->to[w->len - (w->len > 0)] = to;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        w->bytes[w->len + i] = bytes[i];
        w->from[w->len + i] = from;
        w->to[w->len + i] = to;
    }
    w->len += len;
}

static void put_spelled(pass *p, const spelled *s, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < s->count; i++) {
        char bytes[4];
        put_bytes(p, bytes, eng_utf8_put(s->c[i], bytes), 1, from, to);
    }
}

/* A character that the table does not hold, or not whole. */
static bool put_rare(pass *p, uint32_t c, uint32_t from, uint32_t to, bool *left)
{
    spelled s;
    spell(p->t->normal, c, &s);
    if (s.kind == BERT_LEAVE)
        *left = true;
    bool ends = s.kind == BERT_SPACE || s.kind == BERT_ALONE;
    if (ends && !end_word(p))
        return false;
    if (s.kind == BERT_WORD || s.kind == BERT_ALONE)
        put_spelled(p, &s, from, to);
    return s.kind != BERT_ALONE || end_word(p);
}

static bool put_row(pass *p, const eng_bert_char *row, uint32_t c, uint32_t from, uint32_t to,
                    bool *left)
{
    switch (row->kind) {
    case BERT_WORD:
        put_bytes(p, row->bytes, row->len, row->chars, from, to);
        return true;
    case BERT_SPACE:
        return end_word(p);
    case BERT_ALONE:
        if (!end_word(p))
            return false;
        put_bytes(p, row->bytes, row->len, row->chars, from, to);
        return end_word(p);
    case BERT_DROP:
        return true;
    default:
        return put_rare(p, c, from, to, left);
    }
}

bool eng_bert_encode(const eng_tokenizer *t, eng_str text, size_t from, size_t to, size_t limit,
                     eng_token_scratch *s, eng_tok_raws *out, bool *left)
{
    size_t before = out->count;
    pass p = {t, &s->word, out, t->word_chars_max > SPELLED_MAX ? t->word_chars_max : SPELLED_MAX};
    eng_str segment = {text.ptr, to};
    *left = false;
    s->word.len = s->word.chars = 0;
    /* No character becomes more than five times its bytes. */
    size_t most = (to - from) * 5;
    if (!eng_tok_word_room(&s->word, (p.kept < most ? p.kept * 4 : most) + SPELLED_MAX * 4))
        return false;

    for (size_t at = from; at < to && out->count <= limit && !*left;) {
        uint32_t start = (uint32_t)at;
        uint32_t c = eng_tok_next(segment, &at);
        bool ok = c < ENG_BERT_TABLE ? put_row(&p, &t->bert[c], c, start, (uint32_t)at, left)
                                     : put_rare(&p, c, start, (uint32_t)at, left);
        if (!ok)
            return false;
    }
    if (*left) {
        out->count = before;
        return true;
    }
    return out->count > limit || end_word(&p);
}
