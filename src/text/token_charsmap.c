/*
 * SentencePiece's precompiled map of characters: what nmt_nfkc and its like do, as the files of XLM-R,
 * e5 and their kin carry it.
 *
 *     base64 of:  u32 size of the array in bytes | array of u32 | texts, each with a NUL behind it
 *
 * A unit of the array: bits 0-7 label, 8 has a value, 9 and 10-30 offset, 31 is a value. The value is
 * where the replacement begins in the texts.
 *
 * The package asks the map for a whole grapheme of fewer than six bytes first, and takes the shortest
 * key that the grapheme begins with, so that a mark behind a character that has a replacement of its own
 * gets lost. Models were trained on that, so that is what we do.
 */
#include "text/token_internal.h"

#include "base/error.h"
#include "base/span.h"

enum { GRAPHEME_MAX = 6, MAP_MAX = 1 << 24 };

/* ---- Looking up ---- */

static size_t unit_offset(uint32_t unit) { return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6); }

/* The replacement for the shortest key that `bytes` begin with. Any unit may lie. */
static bool look_up(const eng_charsmap *m, const char *bytes, size_t len, eng_str *out)
{
    size_t at = unit_offset(m->units[0]);
    for (size_t i = 0; i < len && bytes[i]; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        at ^= byte;
        if (at >= m->unit_count)
            return false;
        uint32_t unit = m->units[at];
        if ((unit & (1u << 31 | 0xFF)) != byte)
            return false;
        at ^= unit_offset(unit);
        if (at >= m->unit_count)
            return false;
        if (unit >> 8 & 1) {
            size_t start = m->units[at] & ~(1u << 31);
            if (start > m->texts.len)
                return false;
            const char *text = m->texts.ptr + start;
            const char *end = memchr(text, 0, m->texts.len - start);
            *out = (eng_str){text, end ? (size_t)(end - text) : m->texts.len - start};
            return true;
        }
    }
    return false;
}

/* Most characters of most texts: decided by a bit. */
static void find_plain(eng_charsmap *m)
{
    for (uint32_t c = 0; c < ENG_CHARSMAP_PLAIN; c++) {
        char bytes[4];
        eng_str text;
        if (!look_up(m, bytes, eng_utf8_put(c, bytes), &text))
            m->plain[c / 64] |= 1ull << c % 64;
    }
}

bool eng_charsmap_keeps(const eng_charsmap *m, uint32_t c)
{
    return c < ENG_CHARSMAP_PLAIN && m->plain[c / 64] >> c % 64 & 1;
}

/* ---- Reading ---- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strict: padded, nothing but digits. *len bytes; NULL where it is not base64 (or memory ran out,
 * which *len == SIZE_MAX says). */
static unsigned char *decode_base64(eng_str text, eng_arena *arena, size_t *len)
{
    size_t padding = 0;
    *len = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    if (text.len % 4 || text.len == 0)
        return NULL;
    unsigned char *out = eng_arena_alloc(arena, text.len / 4 * 3);
    if (!out) {
        *len = SIZE_MAX;
        return NULL;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            bool pad = i + k >= text.len - padding;
            int digit = pad ? 0 : base64_digit(text.ptr[i + k]);
            if (digit < 0)
                return NULL;
            bits = bits << 6 | (uint32_t)digit;
        }
        out[i / 4 * 3] = (unsigned char)(bits >> 16);
        out[i / 4 * 3 + 1] = (unsigned char)(bits >> 8);
        out[i / 4 * 3 + 2] = (unsigned char)bits;
    }
    *len = text.len / 4 * 3 - padding;
    return out;
}

static eng_status malformed(eng_error *err, const char *what)
{
    return eng_fail_field(err, ENG_EMALFORMED, ENG_STR("precompiled_charsmap"), "%s", what);
}

eng_status eng_charsmap_read(eng_charsmap *m, eng_str base64, eng_arena *arena, eng_error *err)
{
    size_t len;
    if (base64.len > MAP_MAX)
        return eng_fail_field(err, ENG_ETOOBIG, ENG_STR("precompiled_charsmap"),
                              "larger than %d bytes", MAP_MAX);
    unsigned char *bytes = decode_base64(base64, arena, &len);
    if (!bytes)
        return len ? eng_fail_nomem(err) : malformed(err, "not base64");

    eng_span in = eng_span_of(bytes, len);
    size_t count = eng_span_u32(&in) / 4;
    eng_span array = eng_span_part(&in, count * 4);
    m->texts = eng_span_bytes(&in, eng_span_left(&in));
    if (in.failed || array.failed || count == 0)
        return malformed(err, "its array is not all there");
    if (eng_utf8_valid(m->texts) != m->texts.len)
        return malformed(err, "its texts are not UTF-8");

    uint32_t *units = eng_arena_array(arena, count, sizeof *units);
    if (!units)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        units[i] = eng_span_u32(&array);
    m->units = units;
    m->unit_count = count;
    find_plain(m);
    return ENG_OK;
}

/* ---- Graphemes ---- */

/* What decides whether the next character still belongs to the grapheme. */
typedef struct {
    eng_tok_grapheme before;
    bool pair;       /* a regional indicator stands there alone */
    bool pictograph; /* a pictograph, with nothing but Extend behind it */
    bool joins;      /* that, and a joiner */
    bool consonant;  /* an Indic consonant, with nothing but Extend behind it */
    bool linked;     /* that, with a virama among them */
} grapheme_state;

static void grapheme_advance(grapheme_state *g, uint32_t c, eng_tok_grapheme class)
{
    bool extend = class == ENG_GRAPHEME_EXTEND, joiner = class == ENG_GRAPHEME_ZWJ;
    bool linker = extend && eng_tok_is_linker(c);
    g->pair = class == ENG_GRAPHEME_REGIONAL && !(g->before == class && g->pair);
    g->joins = joiner && g->pictograph;
    g->pictograph = class == ENG_GRAPHEME_PICTOGRAPH || (extend && g->pictograph);
    if (class == ENG_GRAPHEME_CONSONANT) {
        g->consonant = true;
        g->linked = false;
    } else if ((extend || joiner) && c != 0x200C) {
        g->linked = g->consonant && (g->linked || linker);
    } else {
        g->consonant = g->linked = false;
    }
    g->before = class;
}

static bool is_control(eng_tok_grapheme c)
{
    return c == ENG_GRAPHEME_CONTROL || c == ENG_GRAPHEME_CR || c == ENG_GRAPHEME_LF;
}

static bool hangul_goes_on(eng_tok_grapheme before, eng_tok_grapheme after)
{
    switch (before) {
    case ENG_GRAPHEME_L:
        return after == ENG_GRAPHEME_L || after == ENG_GRAPHEME_V || after == ENG_GRAPHEME_LV ||
               after == ENG_GRAPHEME_LVT;
    case ENG_GRAPHEME_LV:
    case ENG_GRAPHEME_V:
        return after == ENG_GRAPHEME_V || after == ENG_GRAPHEME_T;
    case ENG_GRAPHEME_LVT:
    case ENG_GRAPHEME_T:
        return after == ENG_GRAPHEME_T;
    default:
        return false;
    }
}

static bool goes_on(const grapheme_state *g, eng_tok_grapheme after)
{
    if (g->before == ENG_GRAPHEME_CR && after == ENG_GRAPHEME_LF)
        return true;
    if (is_control(g->before) || is_control(after))
        return false;
    if (hangul_goes_on(g->before, after) || after == ENG_GRAPHEME_EXTEND ||
        after == ENG_GRAPHEME_ZWJ || after == ENG_GRAPHEME_SPACING ||
        g->before == ENG_GRAPHEME_PREPEND)
        return true;
    if (after == ENG_GRAPHEME_CONSONANT)
        return g->linked;
    if (after == ENG_GRAPHEME_PICTOGRAPH)
        return g->joins;
    return after == ENG_GRAPHEME_REGIONAL && g->pair;
}

/* Where the grapheme ends that begins at `start`. */
static size_t grapheme_end(const eng_tok_char *chars, size_t count, size_t start)
{
    if (start + 1 == count ||
        (chars[start].c < ENG_CHARSMAP_PLAIN && chars[start + 1].c < ENG_CHARSMAP_PLAIN))
        return start + 1 +
               (start + 1 < count && chars[start].c == '\r' && chars[start + 1].c == '\n');
    grapheme_state g = {0};
    grapheme_advance(&g, chars[start].c, eng_tok_grapheme_of(chars[start].c));
    size_t end = start + 1;
    while (end < count) {
        eng_tok_grapheme class = eng_tok_grapheme_of(chars[end].c);
        if (!goes_on(&g, class))
            break;
        grapheme_advance(&g, chars[end].c, class);
        end++;
    }
    return end;
}

/* ---- Applying it ---- */

/* The last character is held back, for what is removed behind it is added to its change. */
typedef struct {
    eng_tok_shift shift;
    uint32_t c;
    int32_t change;
    bool held;
} holder;

static void put(holder *h, uint32_t c, int32_t change)
{
    if (h->held)
        eng_tok_shift_put(&h->shift, h->c, h->change);
    h->c = c;
    h->change = change;
    h->held = true;
}

/* `old` characters become those of `text`. Where there are more of them than before, the last ones
 * are new; where there are fewer, the last one takes in the rest, and where there are none, the one
 * before does (and what is removed at the very beginning shifts everything: the package's way). */
static bool replace(holder *h, size_t old, eng_str text)
{
    size_t fresh = eng_utf8_count(text), index = 0;
    if (!eng_tok_chars_room(h->shift.out, fresh + 1))
        return false;
    for (size_t at = 0; at < text.len; index++)
        put(h, eng_tok_next(text, &at), index >= old);
    if (fresh < old && h->held)
        h->change -= (int32_t)(old - fresh);
    return true;
}

/* The bytes of a grapheme, if there are fewer than GRAPHEME_MAX of them; 0 otherwise. */
static size_t grapheme_bytes(const eng_tok_char *chars, size_t count, char out[GRAPHEME_MAX + 4])
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += eng_utf8_put(chars[i].c, out + len);
        if (len >= GRAPHEME_MAX)
            return 0;
    }
    return len;
}

static bool apply_grapheme(const eng_charsmap *m, holder *h, const eng_tok_char *chars,
                           size_t count, bool *changed)
{
    char bytes[GRAPHEME_MAX + 4];
    eng_str text;
    size_t len = grapheme_bytes(chars, count, bytes);
    if (len && look_up(m, bytes, len, &text)) {
        *changed = true;
        return replace(h, count, text);
    }
    if (!eng_tok_chars_room(h->shift.out, count + 1))
        return false;
    for (size_t i = 0; i < count; i++) {
        len = count > 1 ? eng_utf8_put(chars[i].c, bytes) : 0;
        if (len && look_up(m, bytes, len, &text)) {
            *changed = true;
            if (!replace(h, 1, text) || !eng_tok_chars_room(h->shift.out, count - i + 1))
                return false;
        } else {
            put(h, chars[i].c, 0);
        }
    }
    return true;
}

/* How many characters stay what they are before the first grapheme that has to be looked at. What
 * stands behind a character decides whether it is a grapheme by itself. */
static size_t plain_start(const eng_charsmap *m, const eng_tok_char *chars, size_t count)
{
    size_t at = 0;
    while (at < count && eng_charsmap_keeps(m, chars[at].c) &&
           (at + 1 == count || chars[at + 1].c < ENG_CHARSMAP_PLAIN) && chars[at].c != '\r')
        at++;
    return at;
}

/* The first `at` characters as they are; the last of them is held. */
static void keep_start(holder *h, const eng_tok_char *chars, size_t at)
{
    if (at == 0)
        return;
    memcpy(h->shift.out->items, chars, (at - 1) * sizeof *chars);
    h->shift.out->count = h->shift.at = at - 1;
    put(h, chars[at - 1].c, 0);
}

bool eng_charsmap_apply(const eng_charsmap *m, eng_token_scratch *s)
{
    const eng_tok_char *chars = s->chars.items;
    size_t count = s->chars.count, at = plain_start(m, chars, count);
    bool changed = false;
    if (at == count)
        return true;
    s->other.count = 0;
    holder h = {.shift = {.source = chars, .count = count, .out = &s->other}};
    if (!eng_tok_chars_room(&s->other, count + 1))
        return false;
    keep_start(&h, chars, at);

    for (size_t end; at < count; at = end) {
        end = grapheme_end(chars, count, at);
        if (end == at + 1 && eng_charsmap_keeps(m, chars[at].c) &&
            s->other.count + 1 < s->other.cap)
            put(&h, chars[at].c, 0);
        else if (!apply_grapheme(m, &h, chars + at, end - at, &changed))
            return false;
    }
    if (!changed)
        return true;
    if (h.held)
        eng_tok_shift_put(&h.shift, h.c, h.change);
    eng_tok_chars swap = s->chars;
    s->chars = s->other;
    s->other = swap;
    return true;
}
