/* The two models: from a word to its tokens. */
#include "text/token_internal.h"

/* 'Ġ' is how byte-level models write a blank. */
static bool is_blank(uint32_t c) { return c == 0x120 || eng_tok_is_space(c); }

void eng_tok_count_blanks(eng_str text, eng_tok_raw *out)
{
    size_t lead = 0, trail = 0;
    bool only = true;
    for (size_t at = 0; at < text.len;) {
        bool blank = is_blank(eng_tok_next(text, &at));
        only = only && blank;
        lead += only;
        trail = blank ? trail + 1 : 0;
    }
    out->lead = (uint16_t)(lead < UINT16_MAX ? lead : UINT16_MAX);
    out->trail = (uint16_t)(trail < UINT16_MAX ? trail : UINT16_MAX);
}

static void put(const eng_tokenizer *t, const eng_tok_word *w, size_t start, size_t end,
                uint32_t id, eng_tok_raws *out)
{
    eng_tok_raw *raw = &out->items[out->count++];
    *raw = (eng_tok_raw){id, w->from[start], w->to[end - 1], 0, 0};
    if (t->trim)
        eng_tok_count_blanks((eng_str){w->bytes + start, end - start}, raw);
}

/* ---- WordPiece: the longest token that fits, again and again ---- */

/* The id of the longest token from `start` on, and where it ends. */
static uint32_t longest(const eng_tokenizer *t, const eng_tok_word *w, size_t start, size_t *end)
{
    const eng_trie *vocab = &t->vocab;
    uint32_t node = start ? t->continued : 0, id = ENG_TOK_NONE;
    if (node == ENG_TOK_NONE)
        return ENG_TOK_NONE;
    for (size_t i = start; i < w->len; i++) {
        node = eng_trie_step(vocab, node, (unsigned char)w->bytes[i]);
        if (node == 0)
            break;
        uint32_t value = eng_trie_value(vocab, node);
        if (value != ENG_TOK_NONE) {
            id = value;
            *end = i + 1;
        }
    }
    return id;
}

eng_status eng_tok_wordpiece(const eng_tokenizer *t, const eng_tok_word *w, eng_tok_raws *out)
{
    if (w->len == 0)
        return ENG_OK;
    if (!eng_tok_raws_room(out, w->len))
        return ENG_ENOMEM;
    size_t before = out->count;
    bool known = w->chars <= t->word_chars_max;
    for (size_t start = 0, end = 0; known && start < w->len; start = end) {
        uint32_t id = longest(t, w, start, &end);
        known = id != ENG_TOK_NONE;
        if (known)
            put(t, w, start, end, id, out);
    }
    if (!known) {
        out->count = before;
        put(t, w, 0, w->len, t->unknown, out);
    }
    return ENG_OK;
}

/* ---- Unigram: the tokens whose scores add up to the most ---- */

static void offer(eng_tok_best *best, double score, size_t start, uint32_t id)
{
    if (best->start == ENG_TOK_NONE || score > best->score)
        *best = (eng_tok_best){score, (uint32_t)start, id};
}

static size_t sequence_length(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* Forward: the best way to each place. False where something is unknown and the model has no word
 * for that. */
static bool find_best(const eng_tokenizer *t, const eng_tok_word *w, eng_tok_best *best)
{
    for (size_t i = 1; i <= w->len; i++)
        best[i].start = ENG_TOK_NONE;
    best[0] = (eng_tok_best){0, 0, 0};
    for (size_t start = 0, one; start < w->len; start += one) {
        double score = best[start].score;
        bool single = false;
        uint32_t node = 0;
        one = sequence_length(w->bytes[start]);
        for (size_t i = start; i < w->len; i++) {
            node = eng_trie_step(&t->vocab, node, (unsigned char)w->bytes[i]);
            if (node == 0)
                break;
            uint32_t id = eng_trie_value(&t->vocab, node);
            if (id != ENG_TOK_NONE) {
                offer(&best[i + 1], score + t->scores[id], start, id);
                single = single || i + 1 - start == one;
            }
        }
        if (single)
            continue;
        offer(&best[start + one], score + t->unknown_score, start, t->unknown);
        if (t->unknown == ENG_TOK_NONE && best[start + one].start == start)
            return false;
    }
    return true;
}

/* Whether the model has a token for each of these bytes. */
static bool has_bytes(const eng_tokenizer *t, eng_str text)
{
    for (size_t i = 0; t->bytes && i < text.len; i++) {
        if (t->bytes[(unsigned char)text.ptr[i]] == ENG_TOK_NONE)
            return false;
    }
    return t->bytes != NULL;
}

/* What is unknown: one token, or one for each of its bytes where the model has those. */
static void put_unknown(const eng_tokenizer *t, const eng_tok_word *w, size_t start, size_t end,
                        eng_tok_raws *out)
{
    /* Together, unknown characters can still be a token, one that was worth less than they. */
    eng_str text = {w->bytes + start, end - start};
    uint32_t id = eng_trie_find(&t->vocab, text);
    if (id != ENG_TOK_NONE || !has_bytes(t, text)) {
        put(t, w, start, end, id != ENG_TOK_NONE ? id : t->unknown, out);
        return;
    }
    for (size_t i = end; i-- > start;)
        put(t, w, start, end, t->bytes[(unsigned char)w->bytes[i]], out);
}

eng_status eng_tok_unigram(const eng_tokenizer *t, eng_token_scratch *s, eng_tok_raws *out)
{
    const eng_tok_word *w = &s->word;
    if (w->len == 0)
        return ENG_OK;
    if (!eng_tok_best_room(s, w->len + 1) || !eng_tok_raws_room(out, w->len))
        return ENG_ENOMEM;
    if (!find_best(t, w, s->best))
        return ENG_EINVALID;

    /* Backward, with unknown neighbours taken together; then turned round. */
    size_t before = out->count;
    for (size_t end = w->len, start; end > 0; end = start) {
        uint32_t id = s->best[end].id;
        start = s->best[end].start;
        while (id == t->unknown && start > 0 && s->best[start].id == id)
            start = s->best[start].start;
        if (id == t->unknown)
            put_unknown(t, w, start, end, out);
        else
            put(t, w, start, end, id, out);
    }
    for (size_t i = before, k = out->count; i + 1 < k; i++) {
        eng_tok_raw swap = out->items[--k];
        out->items[k] = out->items[i];
        out->items[i] = swap;
    }
    return ENG_OK;
}
