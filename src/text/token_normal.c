/*
 * Normalisers, one after the other over all characters of a segment. A step reads s->chars and either
 * changes them where they stand or writes s->other and swaps the two.
 */
#include "text/token_internal.h"

static void swap_chars(eng_token_scratch *s)
{
    eng_tok_chars swap = s->chars;
    s->chars = s->other;
    s->other = swap;
}

/* An empty s->other with room for as many characters as there are, and `more`. */
static bool begin(eng_token_scratch *s, size_t more)
{
    s->other.count = 0;
    return eng_tok_chars_room(&s->other, s->chars.count + more);
}

static void push(eng_tok_chars *v, uint32_t c, eng_tok_char place)
{
    v->items[v->count++] = (eng_tok_char){c, place.from, place.to};
}

void eng_tok_shift_put(eng_tok_shift *s, uint32_t c, int32_t change)
{
    size_t place = change > 0 ? s->at - (s->at > 0) : s->at;
    if (place >= s->count)
        place = s->count - 1;
    push(s->out, c, s->source[place]);
    if (change <= 0)
        s->at += 1 + (size_t)-change;
}

/* ---- Character by character ---- */

typedef bool keeps(uint32_t c);

static void filter(eng_tok_chars *v, keeps *keep)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->count; i++) {
        if (keep(v->items[i].c))
            v->items[kept++] = v->items[i];
    }
    v->count = kept;
}

static bool is_no_mark(uint32_t c) { return !eng_tok_is_mark(c); }

static bool is_no_nonspacing(uint32_t c) { return !eng_tok_is_nonspacing(c); }

static bool is_clean(uint32_t c)
{
    if (c >= 0x20 && c < 0x7F)
        return true;
    if (c == '\t' || c == '\n' || c == '\r')
        return true;
    return c != 0 && c != 0xFFFD && !eng_tok_is_control(c);
}

static void clean(eng_tok_chars *v)
{
    filter(v, is_clean);
    for (size_t i = 0; i < v->count; i++) {
        if (eng_tok_is_space(v->items[i].c))
            v->items[i].c = ' ';
    }
}

static bool is_kept_by_nmt(uint32_t c)
{
    bool dropped = (c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                   c == 0x8F || c == 0x9F;
    return !dropped;
}

static uint32_t nmt(uint32_t c)
{
    switch (c) {
    case 0x0009:
    case 0x000A:
    case 0x000C:
    case 0x000D:
    case 0x1680:
    case 0x200B:
    case 0x200C:
    case 0x200D:
    case 0x200E:
    case 0x200F:
    case 0x2028:
    case 0x2029:
    case 0x2581:
    case 0xFEFF:
    case 0xFFFD:
        return ' ';
    default:
        return c;
    }
}

static void apply_nmt(eng_tok_chars *v)
{
    filter(v, is_kept_by_nmt);
    for (size_t i = 0; i < v->count; i++)
        v->items[i].c = nmt(v->items[i].c);
}

static bool lower(eng_token_scratch *s)
{
    if (!begin(s, s->chars.count * (ENG_TOK_LOWER_MAX - 1)))
        return false;
    for (size_t i = 0; i < s->chars.count; i++) {
        uint32_t out[ENG_TOK_LOWER_MAX];
        size_t count = eng_tok_lower(s->chars.items[i].c, out);
        for (size_t k = 0; k < count; k++)
            push(&s->other, out[k], s->chars.items[i]);
    }
    swap_chars(s);
    return true;
}

static bool space_ideographs(eng_token_scratch *s)
{
    if (!begin(s, s->chars.count * 2))
        return false;
    for (size_t i = 0; i < s->chars.count; i++) {
        eng_tok_char c = s->chars.items[i];
        bool alone = eng_tok_is_ideograph(c.c);
        if (alone)
            push(&s->other, ' ', c);
        push(&s->other, c.c, c);
        if (alone)
            push(&s->other, ' ', c);
    }
    swap_chars(s);
    return true;
}

/* ---- Normal forms ---- */

/*
 * One run of characters up to the next of class 0 waits in s->pending; then it is put in order, and
 * goes out or, for a composed form, to the composer.
 */
typedef struct {
    eng_token_scratch *s;
    eng_tok_shift shift;
    bool compose;
    bool starts; /* there is a character that marks can join: */
    eng_tok_form starter;
    int last; /* class of the last mark that did not join it; -1: there is none */
} former;

static bool put(former *f, eng_tok_form c)
{
    if (!eng_tok_chars_room(f->shift.out, 1))
        return false;
    eng_tok_shift_put(&f->shift, c.c, c.change);
    return true;
}

/* Marks that were held behind the starter. */
static bool put_held(former *f)
{
    for (size_t i = 0; i < f->s->held.count; i++) {
        if (!put(f, f->s->held.items[i]))
            return false;
    }
    f->s->held.count = 0;
    f->last = -1;
    return true;
}

/* A mark, or a starter that may still join the one before it. */
static bool compose(former *f, eng_tok_form c)
{
    if (!f->starts) {
        if (c.class)
            return put(f, c);
        f->starter = c;
        f->starts = true;
        return true;
    }
    /* A mark joins unless one of its class or a higher one stands between. */
    uint32_t joined = f->last < (int)c.class ? eng_tok_compose(f->starter.c, c.c) : 0;
    if (joined) {
        f->starter.c = joined;
        f->starter.change += c.change - 1;
        return true;
    }
    if (c.class == 0) {
        eng_tok_form done = f->starter;
        f->starter = c;
        return put(f, done) && put_held(f);
    }
    if (!eng_tok_forms_room(&f->s->held, 1))
        return false;
    f->s->held.items[f->s->held.count++] = c;
    f->last = c.class;
    return true;
}

/* By class, and in their order within a class. Runs are short, but for those that somebody made long:
 * counting takes no longer for them. */
static bool sort_run(eng_token_scratch *s)
{
    eng_tok_form *run = s->pending.items;
    size_t count = s->pending.count, at[257] = {0};
    if (count < 2)
        return true;
    if (count <= 16) {
        for (size_t i = 1; i < count; i++) {
            eng_tok_form c = run[i];
            size_t k = i;
            for (; k && run[k - 1].class > c.class; k--)
                run[k] = run[k - 1];
            run[k] = c;
        }
        return true;
    }
    s->sorted.count = 0;
    if (!eng_tok_forms_room(&s->sorted, count))
        return false;
    for (size_t i = 0; i < count; i++)
        at[run[i].class + 1u]++;
    for (size_t i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (size_t i = 0; i < count; i++)
        s->sorted.items[at[run[i].class]++] = run[i];
    memcpy(run, s->sorted.items, count * sizeof *run);
    return true;
}

static bool flush_run(former *f)
{
    eng_tok_forms *pending = &f->s->pending;
    if (!sort_run(f->s))
        return false;
    for (size_t i = 0; i < pending->count; i++) {
        eng_tok_form c = pending->items[i];
        if (!(f->compose ? compose(f, c) : put(f, c)))
            return false;
    }
    pending->count = 0;
    return true;
}

static bool add_form(former *f, uint32_t c, int32_t change)
{
    eng_tok_form form = {c, change, eng_tok_combining(c)};
    if (form.class == 0 && !flush_run(f))
        return false;
    if (!eng_tok_forms_room(&f->s->pending, 1))
        return false;
    f->s->pending.items[f->s->pending.count++] = form;
    return true;
}

static bool normal_form(eng_token_scratch *s, bool compatible, bool composed)
{
    if (!begin(s, 0))
        return false;
    former f = {.s = s,
                .shift = {.source = s->chars.items, .count = s->chars.count, .out = &s->other},
                .compose = composed,
                .last = -1};
    s->pending.count = s->held.count = 0;
    for (size_t i = 0; i < s->chars.count; i++) {
        uint32_t parts[ENG_TOK_DECOMPOSED_MAX];
        size_t count = eng_tok_decompose(s->chars.items[i].c, compatible, parts);
        for (size_t k = 0; k < count; k++) {
            if (!add_form(&f, parts[k], k > 0))
                return false;
        }
    }
    if (!flush_run(&f) || (f.starts && !put(&f, f.starter)) || !put_held(&f))
        return false;
    swap_chars(s);
    return true;
}

/* Nothing below these changes in any normal form. */
static bool needs_form(const eng_tok_chars *v, bool compatible)
{
    uint32_t first = compatible ? 0xA0 : 0xC0;
    for (size_t i = 0; i < v->count; i++) {
        if (v->items[i].c >= first)
            return true;
    }
    return false;
}

static bool apply_form(eng_token_scratch *s, bool compatible, bool composed)
{
    return !needs_form(&s->chars, compatible) || normal_form(s, compatible, composed);
}

/* ---- Texts ---- */

static void strip(eng_tok_chars *v, bool left, bool right)
{
    size_t start = 0;
    while (left && start < v->count && eng_tok_is_space(v->items[start].c))
        start++;
    while (right && v->count > start && eng_tok_is_space(v->items[v->count - 1].c))
        v->count--;
    v->count -= start;
    memmove(v->items, v->items + start, v->count * sizeof *v->items);
}

static bool in_set(const eng_tok_pattern *p, uint32_t c)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->set[i] == c)
            return true;
    }
    return p->blank && eng_tok_is_space(c);
}

/* Characters that the pattern matches from `at` on; 0: none. */
static size_t match(const eng_tok_pattern *p, const eng_tok_chars *v, size_t at)
{
    size_t count = 0;
    if (p->least == 0) {
        if (v->count - at < p->count)
            return 0;
        while (count < p->count && v->items[at + count].c == p->set[count])
            count++;
        return count == p->count ? count : 0;
    }
    while (at + count < v->count && count < p->most && in_set(p, v->items[at + count].c))
        count++;
    return count >= p->least ? count : 0;
}

/* What comes in stands where the last character stood that went out. */
static bool put_content(const eng_normal_step *step, eng_tok_char place, eng_token_scratch *s)
{
    /* Room for all that may still be copied, too. */
    if (!eng_tok_chars_room(&s->other, s->chars.count + step->content_count))
        return false;
    for (size_t i = 0; i < step->content_count; i++)
        push(&s->other, step->content[i], place);
    return true;
}

static bool replace(const eng_normal_step *step, eng_token_scratch *s)
{
    const eng_tok_chars *v = &s->chars;
    size_t at = 0, matched = 0;
    while (at < v->count && (matched = match(&step->pattern, v, at)) == 0)
        at++;
    if (at == v->count)
        return true;
    if (!begin(s, 0))
        return false;
    memcpy(s->other.items, v->items, at * sizeof *v->items);
    s->other.count = at;
    for (; at < v->count; matched = at < v->count ? match(&step->pattern, v, at) : 0) {
        if (matched == 0) {
            s->other.items[s->other.count++] = v->items[at++];
            continue;
        }
        at += matched;
        if (!put_content(step, v->items[at - 1], s))
            return false;
    }
    swap_chars(s);
    return true;
}

static bool prepend(const eng_normal_step *step, eng_token_scratch *s)
{
    if (s->chars.count == 0)
        return true;
    if (!begin(s, step->content_count))
        return false;
    for (size_t i = 0; i < step->content_count; i++)
        push(&s->other, step->content[i], s->chars.items[0]);
    memcpy(s->other.items + s->other.count, s->chars.items,
           s->chars.count * sizeof *s->chars.items);
    s->other.count += s->chars.count;
    swap_chars(s);
    return true;
}

/* ---- All of them ---- */

static bool apply_bert(const eng_normal_step *step, eng_token_scratch *s)
{
    if (step->clean)
        clean(&s->chars);
    if (step->ideographs && !space_ideographs(s))
        return false;
    if (step->accents) {
        if (!apply_form(s, false, false))
            return false;
        filter(&s->chars, is_no_nonspacing);
    }
    return !step->lower || lower(s);
}

static bool apply(const eng_normal_step *step, eng_token_scratch *s)
{
    switch (step->kind) {
    case ENG_NORMAL_BERT:
        return apply_bert(step, s);
    case ENG_NORMAL_NFC:
        return apply_form(s, false, true);
    case ENG_NORMAL_NFD:
        return apply_form(s, false, false);
    case ENG_NORMAL_NFKC:
        return apply_form(s, true, true);
    case ENG_NORMAL_NFKD:
        return apply_form(s, true, false);
    case ENG_NORMAL_LOWER:
        return lower(s);
    case ENG_NORMAL_STRIP:
        strip(&s->chars, step->left, step->right);
        return true;
    case ENG_NORMAL_STRIP_ACCENTS:
        filter(&s->chars, is_no_mark);
        return true;
    case ENG_NORMAL_NMT:
        apply_nmt(&s->chars);
        return true;
    case ENG_NORMAL_CHARSMAP:
        return eng_charsmap_apply(&step->map, s);
    case ENG_NORMAL_REPLACE:
        return replace(step, s);
    case ENG_NORMAL_PREPEND:
        return prepend(step, s);
    }
    return true;
}

bool eng_tok_normalize(const eng_normal_step *steps, size_t count, eng_token_scratch *s)
{
    for (size_t i = 0; i < count && s->chars.count; i++) {
        if (!apply(&steps[i], s))
            return false;
    }
    return true;
}
