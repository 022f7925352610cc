/* Memory that a thread keeps from text to text. */
#include "text/token_internal.h"

#include "base/check.h"

/* *items of `size` bytes each gets room for count + more of them; grows by half at least. */
static bool room(void **items, size_t size, size_t count, size_t *cap, size_t more)
{
    size_t need, bytes;
    if (!eng_add(count, more, &need))
        return false;
    if (need <= *cap)
        return true;
    size_t wanted = *cap + *cap / 2;
    wanted = wanted > need ? wanted : need;
    wanted = wanted > 64 ? wanted : 64;
    if (!eng_mul(wanted, size, &bytes))
        return false;
    void *grown = eng_realloc(*items, bytes);
    if (!grown)
        return false;
    *items = grown;
    *cap = wanted;
    return true;
}

bool eng_tok_chars_room(eng_tok_chars *v, size_t more)
{
    return room((void **)&v->items, sizeof *v->items, v->count, &v->cap, more);
}

bool eng_tok_pieces_room(eng_tok_pieces *v, size_t more)
{
    return room((void **)&v->items, sizeof *v->items, v->count, &v->cap, more);
}

bool eng_tok_forms_room(eng_tok_forms *v, size_t more)
{
    return room((void **)&v->items, sizeof *v->items, v->count, &v->cap, more);
}

bool eng_tok_raws_room(eng_tok_raws *v, size_t more)
{
    return room((void **)&v->items, sizeof *v->items, v->count, &v->cap, more);
}

bool eng_tok_word_room(eng_tok_word *w, size_t more)
{
    if (!eng_add(more, 4, &more))
        return false;
    size_t caps[3] = {w->cap, w->cap, w->cap};
    bool ok = room((void **)&w->bytes, 1, w->len, &caps[0], more) &&
              room((void **)&w->from, sizeof *w->from, w->len, &caps[1], more) &&
              room((void **)&w->to, sizeof *w->to, w->len, &caps[2], more);
    /* Where only some could grow, the room is what it was. */
    if (ok)
        w->cap = caps[0];
    return ok;
}

bool eng_tok_best_room(eng_token_scratch *s, size_t count)
{
    return room((void **)&s->best, sizeof *s->best, 0, &s->best_cap, count);
}

void eng_tok_word_put(eng_tok_word *w, eng_tok_char c)
{
    size_t len = eng_tok_encode(c.c, w->bytes + w->len);
    for (size_t i = w->len; i < w->len + len; i++) {
        w->from[i] = c.from;
        w->to[i] = c.to;
    }
    w->len += len;
    w->chars++;
}

void eng_token_scratch_free(eng_token_scratch *s)
{
    if (!s)
        return;
    eng_free(s->chars.items);
    eng_free(s->other.items);
    eng_free(s->pieces.items);
    eng_free(s->others.items);
    eng_free(s->pending.items);
    eng_free(s->sorted.items);
    eng_free(s->held.items);
    eng_free(s->word.bytes);
    eng_free(s->word.from);
    eng_free(s->word.to);
    eng_free(s->best);
    eng_free(s->raws[0].items);
    eng_free(s->raws[1].items);
    eng_free(s);
}
