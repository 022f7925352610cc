/*
 * From a text to a sequence: segments between added tokens, each by BERT's one pass or the general way;
 * then truncation, and the post-processor's template.
 */
#include "text/token_internal.h"

#include "base/check.h"
#include "base/error.h"

size_t eng_tokenizer_ids(const eng_tokenizer *t) { return t->ids; }

size_t eng_tokenizer_max(const eng_tokenizer *t) { return t->max; }

eng_str eng_tokenizer_token(const eng_tokenizer *t, uint32_t id)
{
    return id < t->ids ? t->tokens[id] : (eng_str){"", 0};
}

bool eng_tokenizer_id(const eng_tokenizer *t, eng_str token, uint32_t *id)
{
    uint32_t found = eng_trie_find(&t->vocab, token);
    /* Added tokens are not in the trie; they are few and stand last. */
    for (size_t i = t->ids; found == ENG_TOK_NONE && token.len && i-- > 0;) {
        if (eng_str_eq(t->tokens[i], token))
            found = (uint32_t)i;
    }
    if (found != ENG_TOK_NONE)
        *id = found;
    return found != ENG_TOK_NONE;
}

/* ---- What the caller has ---- */

void eng_tokens_init(eng_tokens *t) { *t = (eng_tokens){0}; }

void eng_tokens_reset(eng_tokens *t) { t->count = t->seq_count = 0; }

void eng_tokens_clear(eng_tokens *t)
{
    eng_free(t->ids);
    eng_free(t->spans);
    eng_free(t->types);
    eng_free(t->seqs);
    eng_token_scratch_free(t->scratch);
    eng_tokens_init(t);
}

static bool grow(void **items, size_t cap, size_t size)
{
    size_t bytes;
    void *grown = eng_mul(cap, size, &bytes) ? eng_realloc(*items, bytes) : NULL;
    if (grown)
        *items = grown;
    return grown != NULL;
}

static bool tokens_room(eng_tokens *t, size_t more)
{
    size_t need;
    if (!eng_add(t->count, more, &need))
        return false;
    if (need > t->cap) {
        size_t cap = need > t->cap * 2 ? need : t->cap * 2;
        cap = cap > 64 ? cap : 64;
        if (!grow((void **)&t->ids, cap, sizeof *t->ids) ||
            !grow((void **)&t->spans, cap, sizeof *t->spans) ||
            !grow((void **)&t->types, cap, sizeof *t->types))
            return false;
        t->cap = cap;
    }
    if (t->seq_count == t->seq_cap) {
        size_t cap = t->seq_cap ? t->seq_cap * 2 : 16;
        if (!grow((void **)&t->seqs, cap, sizeof *t->seqs))
            return false;
        t->seq_cap = cap;
    }
    return true;
}

/* ---- One text ---- */

static eng_status no_unknown(eng_error *err)
{
    return eng_fail(err, ENG_EINVALID,
                    "the text has a character that the model has no token for, not even one for "
                    "what is unknown");
}

static eng_status encode_piece(const eng_tokenizer *t, eng_tok_piece piece, eng_token_scratch *s,
                               eng_tok_raws *out, eng_error *err)
{
    const eng_tok_char *chars = s->chars.items;
    s->word.len = s->word.chars = 0;
    if (!eng_tok_word_room(&s->word, (size_t)(piece.end - piece.start) * 4))
        return eng_fail_nomem(err);
    for (size_t i = piece.start; i < piece.end; i++)
        eng_tok_word_put(&s->word, chars[i]);
    if (piece.id != ENG_TOK_NONE) {
        if (!eng_tok_raws_room(out, 1))
            return eng_fail_nomem(err);
        out->items[out->count++] = (eng_tok_raw){
            .id = piece.id, .from = chars[piece.start].from, .to = chars[piece.end - 1].to};
        return ENG_OK;
    }
    s->word.len = s->word.chars = 0;
    if (!eng_tok_word_room(&s->word, (size_t)(piece.end - piece.start) * 4))
        return eng_fail_nomem(err);
    for (size_t i = piece.start; i < piece.end; i++)
        eng_tok_word_put(&s->word, chars[i]);
    eng_status status = t->model == ENG_TOK_WORDPIECE ? eng_tok_wordpiece(t, &s->word, out)
                                                      : eng_tok_unigram(t, s, out);
    if (status == ENG_EINVALID)
        return no_unknown(err);
    return status < 0 ? eng_fail_nomem(err) : ENG_OK;
}

static bool read_chars(eng_str text, size_t from, size_t to, eng_tok_chars *out)
{
    eng_str segment = {text.ptr, to};
    out->count = 0;
    if (!eng_tok_chars_room(out, to - from))
        return false;
    for (size_t at = from; at < to;) {
        uint32_t start = (uint32_t)at;
        uint32_t c = eng_tok_next(segment, &at);
        out->items[out->count++] = (eng_tok_char){c, start, (uint32_t)at};
    }
    return true;
}

typedef struct {
    const eng_tokenizer *t;
    eng_str text;
    size_t limit; /* more tokens than this are not asked for */
    eng_token_scratch *s;
    eng_tok_raws *out;
} job;

/* All of a segment. */
static eng_status encode_span(const job *j, size_t from, size_t to, eng_error *err)
{
    const eng_tokenizer *t = j->t;
    eng_token_scratch *s = j->s;
    if (!read_chars(j->text, from, to, &s->chars) ||
        !eng_tok_normalize(t->normal, t->normal_count, s) || !eng_added_cut(&t->normed, s) ||
        !eng_tok_split(t->split, t->split_count, s))
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < s->pieces.count && j->out->count <= j->limit; i++)
        status = encode_piece(t, s->pieces.items[i], s, j->out, err);
    return status;
}

static bool is_ascii_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Where the first `most` bytes have their last single blank between words; `from` where they have
 * none. */
static size_t last_blank(eng_str text, size_t from, size_t most)
{
    for (size_t at = from + most - 1; at > from + 1; at--) {
        if (text.ptr[at] == ' ' && is_ascii_word(text.ptr[at - 1]) &&
            is_ascii_word(text.ptr[at + 1]))
            return at;
    }
    return from;
}

/* Of a text that is far longer than what is wanted of it, the beginning usually has enough. */
static eng_status encode_generally(const job *j, size_t from, size_t to, eng_error *err)
{
    enum { TOKEN_BYTES = 12, LEAST = 256 };
    size_t before = j->out->count, most = 0;
    if (j->t->local && j->limit < to - from)
        most = (j->limit + 1) * TOKEN_BYTES + LEAST;
    if (most && most < (to - from) / 4) {
        size_t end = last_blank(j->text, from, most);
        eng_status status = encode_span(j, from, end, err);
        if (status < 0 || j->out->count > j->limit)
            return status;
        j->out->count = before;
    }
    return encode_span(j, from, to, err);
}

static eng_status encode_segment(const job *j, size_t from, size_t to, eng_error *err)
{
    bool left = true;
    if (from >= to)
        return ENG_OK;
    if (j->t->bert && !eng_bert_encode(j->t, j->text, from, to, j->limit, j->s, j->out, &left))
        return eng_fail_nomem(err);
    return left ? encode_generally(j, from, to, err) : ENG_OK;
}

static eng_status encode_added(const job *j, const eng_added_match *m, eng_error *err)
{
    if (!eng_tok_raws_room(j->out, 1))
        return eng_fail_nomem(err);
    eng_tok_raw *raw = &j->out->items[j->out->count++];
    *raw = (eng_tok_raw){.id = m->id, .from = (uint32_t)m->start, .to = (uint32_t)m->end};
    if (j->t->trim)
        eng_tok_count_blanks(eng_str_sub(j->text, m->start, m->end - m->start), raw);
    return ENG_OK;
}

static eng_status encode_text(const job *j, eng_error *err)
{
    eng_added_match m;
    size_t at = 0, done = 0;
    eng_status status = ENG_OK;
    j->out->count = 0;
    if (j->text.len > ENG_TOKENIZER_TEXT_MAX)
        return eng_fail(err, ENG_ETOOBIG, "a text of more than %zu bytes", ENG_TOKENIZER_TEXT_MAX);
    while (status == ENG_OK && j->out->count <= j->limit &&
           eng_added_next(&j->t->raw, j->text, &at, done, &m)) {
        status = encode_segment(j, done, m.start, err);
        if (status == ENG_OK)
            status = encode_added(j, &m, err);
        done = m.end;
    }
    if (status == ENG_OK && j->out->count <= j->limit)
        status = encode_segment(j, done, j->text.len, err);
    return status;
}

/* ---- Truncation ---- */

/*
 * How many tokens of each text stay, of max in all. Counts may themselves be cut at max + 1, since no
 * more than that is ever told apart.
 */
static eng_status cut(const eng_tokenizer *t, size_t max, bool paired, size_t counts[2],
                      eng_error *err)
{
    size_t *a = &counts[0], *b = &counts[1];
    if (max == 0)
        *a = *b = 0;
    if (*a + *b <= max)
        return ENG_OK;
    if (t->strategy == ENG_CUT_LONGEST) {
        size_t *less = *a <= *b ? a : b, *more = *a <= *b ? b : a;
        if (!paired) {
            *a = max;
        } else if (*less * 2 > max) {
            *less = max / 2;
            *more = max - max / 2;
        } else {
            *more = max - *less;
        }
        return ENG_OK;
    }
    size_t *target = t->strategy == ENG_CUT_FIRST ? a : b;
    size_t other = t->strategy == ENG_CUT_FIRST ? *b : *a;
    if (target == b && !paired)
        return eng_fail(err, ENG_EINVALID, "truncation cuts the second text, and there is none");
    if (other >= max)
        return eng_fail(err, ENG_EINVALID,
                        "truncation cuts one text only, and the other is too long already");
    *target = max - other;
    return ENG_OK;
}

/* ---- The sequence ---- */

/* `count` characters less of the span at its end; all of it stays where the text has not as many. */
static void trim_end(eng_str text, size_t count, eng_token_span *span)
{
    size_t at = span->to;
    for (; count && at; count--)
        eng_tok_before(text, at, &at);
    if (count == 0)
        span->to = at > span->from ? (uint32_t)at : span->from;
}

/* RobertaProcessing: blanks that stand around a token's text are no part of its span. */
static eng_token_span trimmed(const eng_tokenizer *t, eng_str text, const eng_tok_raw *raw,
                              bool first)
{
    eng_token_span span = {raw->from, raw->to};
    size_t lead = raw->lead, at = span.from;
    if ((first || span.from == 0) && t->prefix_kept && lead == 1)
        lead = 0;
    for (; lead && at < span.to; lead--)
        eng_tok_next(text, &at);
    span.from = (uint32_t)at;
    trim_end(text, raw->trail, &span);
    return span;
}

/* What is put together to a sequence. */
typedef struct {
    const eng_tokenizer *t;
    eng_str texts[2];
    size_t counts[2]; /* tokens of each that stay */
    bool bare;
} sequence;

static void put_text(const sequence *q, size_t which, uint8_t type, eng_tokens *out)
{
    const eng_tok_raws *raws = &out->scratch->raws[which];
    size_t count = q->counts[which];
    if (count == 0)
        return;
    const eng_tok_raw *raw = raws->items + (q->t->cut_left ? raws->count - count : 0);
    for (size_t i = 0; i < count; i++, raw++) {
        out->ids[out->count] = raw->id;
        out->spans[out->count] = q->t->trim ? trimmed(q->t, q->texts[which], raw, i == 0)
                                            : (eng_token_span){raw->from, raw->to};
        out->types[out->count++] = type;
    }
}

static void put_special(const eng_part *part, eng_tokens *out)
{
    out->ids[out->count] = part->id;
    out->spans[out->count] = (eng_token_span){0, 0};
    out->types[out->count++] = part->type;
}

static eng_status assemble(const sequence *q, const eng_template *form, eng_tokens *out,
                           eng_error *err)
{
    const eng_tok_raws *raws = out->scratch->raws;
    size_t need = form->specials;
    for (size_t i = 0; i < form->count; i++) {
        if (form->parts[i].kind != ENG_PART_SPECIAL)
            need += q->counts[form->parts[i].kind == ENG_PART_B];
    }
    if (!tokens_room(out, need))
        return eng_fail_nomem(err);
    size_t first = out->count;
    for (size_t i = 0; i < form->count; i++) {
        const eng_part *part = &form->parts[i];
        if (part->kind != ENG_PART_SPECIAL)
            put_text(q, part->kind == ENG_PART_B, part->type, out);
        else if (!q->bare)
            put_special(part, out);
    }
    out->seqs[out->seq_count++] = (eng_token_seq){
        first, out->count - first, q->counts[0] < raws[0].count || q->counts[1] < raws[1].count};
    return ENG_OK;
}

/* After how many tokens a text may stop, when `max` are wanted. Of two long texts the longer one gets
 * the odd token, so that one has to know how long they are. */
static size_t enough(const eng_tokenizer *t, bool cuts, bool paired, size_t max)
{
    bool whole = !cuts || t->cut_left || (paired && t->strategy == ENG_CUT_LONGEST && max % 2);
    return whole ? SIZE_MAX : max;
}

static eng_status encode_both(const eng_tokenizer *t, const sequence *q, size_t limit,
                              eng_token_scratch *s, eng_error *err)
{
    s->raws[1].count = 0;
    eng_status status = encode_text(&(job){t, q->texts[0], limit, s, &s->raws[0]}, err);
    if (status == ENG_OK && q->texts[1].ptr)
        status = encode_text(&(job){t, q->texts[1], limit, s, &s->raws[1]}, err);
    return status;
}

eng_status eng_tokenizer_add(const eng_tokenizer *t, eng_str text, eng_str pair,
                             const eng_token_options *options, eng_tokens *out, eng_error *err)
{
    const eng_token_options none = {0}, *o = options ? options : &none;
    bool paired = pair.ptr != NULL;
    const eng_template *form = paired ? &t->pair : &t->single;
    size_t specials = o->bare ? 0 : form->specials;
    size_t max = o->max ? o->max : t->max;
    bool cuts = max && !o->whole;
    if (cuts && max < specials)
        return eng_fail(err, ENG_EINVALID, "%zu tokens at most leave no room for %zu special ones",
                        max, specials);
    max -= cuts ? specials : 0;
    if (!out->scratch)
        out->scratch = eng_zalloc(sizeof *out->scratch);
    if (!out->scratch)
        return eng_fail_nomem(err);

    sequence q = {.t = t, .texts = {text, pair}, .bare = o->bare};
    eng_status status = encode_both(t, &q, enough(t, cuts, paired, max), out->scratch, err);
    if (status < 0)
        return status;
    q.counts[0] = out->scratch->raws[0].count;
    q.counts[1] = out->scratch->raws[1].count;
    if (cuts)
        status = cut(t, max, paired, q.counts, err);
    return status < 0 ? status : assemble(&q, form, out, err);
}
