/*
 * Text to terms.
 *
 * A run is what stands between separators: letters, digits, and signs that join them when they stand
 * between two of these. A run of letters is a word. Any other run is taken apart into words and
 * numbers, and is a term as a whole too, because people search for "MP-1234" as often as for "1234".
 *
 * Stemming is by far the most expensive step, and texts repeat their words: the last stems are kept in
 * a table by hash, which is overwritten without looking.
 */
#include "text/analyze_internal.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"

#include <libstemmer.h>

enum {
    CACHE = 4096,  /* a power of two */
    KEPT = 28,     /* longest word that is kept there */
    RUN_MAX = 256, /* bytes; a longer run is cut */
    GRAM = 4,      /* characters */
    TEXT_MAX = 1 << 30
};

/* What a word gives, apart from where it stands. */
typedef struct {
    eng_str stem;
    eng_str plain; /* empty: the same as stem */
    bool stop;
    bool question;
} word_terms;

typedef struct {
    char word[KEPT];
    char stem[KEPT];
    char plain[KEPT];
    uint8_t word_len; /* 0: free */
    uint8_t stem_len;
    uint8_t plain_len;
    uint8_t language;
    bool stop;
    bool question;
} cached_word;

struct eng_analyzer {
    struct sb_stemmer *stemmers[ENG_LANGUAGES];
    cached_word *cache;
    char stem[ENG_TERM_MAX]; /* of the last word that is not kept */
    char plain[ENG_TERM_MAX];
};

eng_status eng_analyzer_new(eng_analyzer **out, eng_error *err)
{
    static const char *const names[ENG_LANGUAGES] = {NULL, "portuguese", "english", "spanish"};
    eng_analyzer *a = eng_zalloc(sizeof *a);
    if (!a)
        return eng_fail_nomem(err);
    a->cache = eng_zalloc(CACHE * sizeof *a->cache);
    bool ok = a->cache != NULL;
    for (int l = ENG_LANGUAGE_PT; ok && l < ENG_LANGUAGES; l++) {
        a->stemmers[l] = sb_stemmer_new(names[l], "UTF_8");
        ok = a->stemmers[l] != NULL;
    }
    if (!ok) {
        eng_analyzer_free(a);
        return eng_fail_nomem(err);
    }
    *out = a;
    return ENG_OK;
}

void eng_analyzer_free(eng_analyzer *a)
{
    if (!a)
        return;
    for (int l = 0; l < ENG_LANGUAGES; l++) {
        if (a->stemmers[l])
            sb_stemmer_delete(a->stemmers[l]);
    }
    eng_free(a->cache);
    eng_free(a);
}

/* ---- Words ---------------------------------------------------------------------------------------- */

/* The stem, without accents, into out; the word itself where there is no stemmer or it fails. */
static size_t stem_of(eng_analyzer *a, eng_str word, eng_language language, char out[ENG_TERM_MAX])
{
    struct sb_stemmer *stemmer = a->stemmers[language];
    if (stemmer) {
        const sb_symbol *stem = sb_stemmer_stem(stemmer, (const sb_symbol *)word.ptr,
                                                (int)word.len);
        if (stem && sb_stemmer_length(stemmer) > 0)
            word = (eng_str){(const char *)stem, (size_t)sb_stemmer_length(stemmer)};
    }
    return eng_fold_accents(word.ptr, word.len, out);
}

static word_terms derive(eng_analyzer *a, const eng_word_forms *w, eng_language language)
{
    eng_str folded = {w->folded, w->folded_len};
    word_terms out = {.stop = eng_word_is_stop(folded, language),
                      .question = eng_word_is_question(folded, language)};
    out.stem = (eng_str){a->stem, stem_of(a, (eng_str){w->lower, w->lower_len}, language, a->stem)};
    out.plain = (eng_str){a->plain, 0};
    if (w->lower_len != w->folded_len) {
        out.plain.len = stem_of(a, folded, language, a->plain);
        if (eng_str_eq(out.plain, out.stem))
            out.plain.len = 0;
    }
    return out;
}

static uint32_t hash_word(const eng_word_forms *w, eng_language language)
{
    uint32_t h = 2166136261u ^ (uint32_t)language;
    for (size_t i = 0; i < w->lower_len; i++)
        h = (h ^ (unsigned char)w->lower[i]) * 16777619u;
    return h ^ h >> 15;
}

static word_terms look_up(eng_analyzer *a, const eng_word_forms *w, eng_language language)
{
    if (w->lower_len > KEPT)
        return derive(a, w, language);
    cached_word *c = &a->cache[hash_word(w, language) & (CACHE - 1)];
    if (c->word_len != w->lower_len || c->language != (uint8_t)language ||
        memcmp(c->word, w->lower, w->lower_len) != 0) {
        word_terms t = derive(a, w, language);
        if (t.stem.len > KEPT || t.plain.len > KEPT)
            return t;
        memcpy(c->word, w->lower, w->lower_len);
        memcpy(c->stem, t.stem.ptr, t.stem.len);
        memcpy(c->plain, t.plain.ptr, t.plain.len);
        c->word_len = (uint8_t)w->lower_len;
        c->stem_len = (uint8_t)t.stem.len;
        c->plain_len = (uint8_t)t.plain.len;
        c->language = (uint8_t)language;
        c->stop = t.stop;
        c->question = t.question;
    }
    return (word_terms){{c->stem, c->stem_len}, {c->plain, c->plain_len}, c->stop, c->question};
}

/* ---- Terms ---------------------------------------------------------------------------------------- */

void eng_terms_init(eng_terms *t) { *t = (eng_terms){0}; }

void eng_terms_reset(eng_terms *t)
{
    t->count = t->pool_len = 0;
    t->words = t->positions = 0;
}

void eng_terms_clear(eng_terms *t)
{
    eng_free(t->items);
    eng_free(t->pool);
    eng_terms_init(t);
}

/* One analysis: where it writes to, and whether it still can. */
typedef struct {
    eng_analyzer *a;
    const eng_analyze_options *options;
    eng_str text;
    eng_terms *out;
    uint32_t position;
    eng_status failed;
} scan;

static bool make_room(eng_terms *t, size_t len)
{
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        eng_term *items = eng_realloc(t->items, cap * sizeof *items);
        if (!items)
            return false;
        t->items = items;
        t->cap = cap;
    }
    if (t->pool_cap - t->pool_len < len) {
        size_t cap = t->pool_cap ? t->pool_cap * 2 : 4096;
        char *pool = eng_realloc(t->pool, cap);
        if (!pool)
            return false;
        t->pool = pool;
        t->pool_cap = cap;
    }
    return true;
}

static void add(scan *s, eng_term_kind kind, eng_str text, size_t start, size_t end, bool stop)
{
    eng_terms *t = s->out;
    if (s->failed < 0 || text.len == 0)
        return;
    if (t->pool_len > TEXT_MAX || !make_room(t, text.len)) {
        s->failed = t->pool_len > TEXT_MAX ? ENG_ETOOBIG : ENG_ENOMEM;
        return;
    }
    memcpy(t->pool + t->pool_len, text.ptr, text.len);
    t->items[t->count++] = (eng_term){.start = (uint32_t)start,
                                      .end = (uint32_t)end,
                                      .position = s->position,
                                      .at = (uint32_t)t->pool_len,
                                      .len = (uint16_t)text.len,
                                      .kind = (uint8_t)kind,
                                      .stop = stop};
    t->pool_len += text.len;
}

/* Every four characters of "_word_". */
static void add_grams(scan *s, eng_str folded, size_t start, size_t end)
{
    char padded[ENG_TERM_MAX + 2];
    uint8_t at[ENG_TERM_MAX + 3];
    size_t chars = 0, len = folded.len + 2;
    padded[0] = padded[len - 1] = '_';
    memcpy(padded + 1, folded.ptr, folded.len);
    for (size_t i = 0; i < len; i++) {
        if (((unsigned char)padded[i] & 0xC0) != 0x80)
            at[chars++] = (uint8_t)i;
    }
    at[chars] = (uint8_t)len;
    for (size_t i = 0; i + GRAM <= chars; i++) {
        eng_str gram = {padded + at[i], (size_t)(at[i + GRAM] - at[i])};
        add(s, ENG_TERM_GRAM, gram, start, end, false);
    }
}

/* The byte of the word as it stands in the text that is the folded one's byte `at`. */
static size_t source_at(eng_str raw, eng_str folded, size_t at)
{
    size_t chars = eng_utf8_count(eng_str_sub(folded, 0, at)), byte = 0;
    while (chars-- > 0)
        eng_utf8_next(raw, &byte);
    return byte;
}

/* Parts stand where their characters do; where folding did not keep their number, where the word does. */
static void add_parts(scan *s, eng_str folded, size_t start, size_t end)
{
    uint8_t ends[ENG_SPLIT_MAX];
    eng_language language = s->options->language;
    eng_str raw = eng_str_sub(s->text, start, end - start);
    bool kept = eng_utf8_count(raw) == eng_utf8_count(folded);
    size_t parts = eng_word_split(folded, language, s->options->count, s->options->count_ctx, ends);
    for (size_t i = 0; i < parts; i++) {
        size_t from = i ? ends[i - 1] : 0;
        eng_word_forms forms;
        eng_word_fold(eng_str_sub(folded, from, ends[i] - from), &forms);
        word_terms t = look_up(s->a, &forms, language);
        add(s, ENG_TERM_PART, t.stem, kept ? start + source_at(raw, folded, from) : start,
            kept ? start + source_at(raw, folded, ends[i]) : end, t.stop);
    }
}

static void add_word(scan *s, size_t start, size_t end)
{
    eng_word_forms w;
    eng_word_fold(eng_str_sub(s->text, start, end - start), &w);
    if (w.folded_len == 0 || w.lower_len == 0)
        return;
    eng_str folded = {w.folded, w.folded_len};
    word_terms t = look_up(s->a, &w, s->options->language);
    bool stop = t.stop || (s->options->question && t.question);
    add(s, ENG_TERM_WORD, t.stem, start, end, stop);
    add(s, ENG_TERM_PLAIN, t.plain, start, end, stop);
    if (!stop) {
        s->out->words++;
        if (w.lower_len != w.folded_len)
            add(s, ENG_TERM_EXACT, (eng_str){w.lower, w.lower_len}, start, end, false);
        if (s->options->count)
            add_parts(s, folded, start, end);
        if (s->options->grams)
            add_grams(s, folded, start, end);
    }
    s->position++;
}

/* ---- Numbers and codes ------------------------------------------------------------------------------ */

static bool is_digit_at(eng_str t, size_t at)
{
    return at < t.len && (unsigned char)(t.ptr[at] - '0') < 10;
}

/* Where a sum of money begins whose digits begin at `at`: "R$ 10", "US$10", "10" itself. */
static size_t money_start(eng_str t, size_t at)
{
    size_t i = at;
    if (i >= 2 && t.ptr[i - 2] == (char)0xC2 && t.ptr[i - 1] == (char)0xA0)
        i -= 2;
    else if (i >= 1 && t.ptr[i - 1] == ' ')
        i--;
    if (i >= 3 && memcmp(t.ptr + i - 3, "\xE2\x82\xAC", 3) == 0) /* the euro's sign */
        return i - 3;
    if (i >= 2 && memcmp(t.ptr + i - 2, "\xC2\xA3", 2) == 0) /* the pound's */
        return i - 2;
    if (i < 1 || t.ptr[i - 1] != '$')
        return at;
    for (i--; i > 0 && at - i < 6 && (unsigned char)((t.ptr[i - 1] | 0x20) - 'a') < 26;)
        i--;
    return i;
}

/* Digits with points and commas between them: the number, and what it is with its unit. */
static void add_number(scan *s, size_t start, size_t end)
{
    char plain[RUN_MAX], whole[RUN_MAX + 16];
    size_t len = eng_number_plain(eng_str_sub(s->text, start, end - start), plain);
    size_t cut = len < ENG_TERM_MAX ? len : ENG_TERM_MAX, n = 0;
    size_t from = money_start(s->text, start), to = end;
    for (size_t i = from; i < start; i++) {
        unsigned char c = (unsigned char)s->text.ptr[i];
        if (c != ' ' && !(c == 0xC2 && i + 1 < start && s->text.ptr[i + 1] == (char)0xA0) &&
            c != 0xA0)
            whole[n++] = (char)((unsigned char)(c - 'A') < 26 ? c | 0x20 : c);
    }
    memcpy(whole + n, plain, len);
    n += len;
    if (to < s->text.len && s->text.ptr[to] == '%') {
        whole[n++] = '%';
        to++;
    }
    add(s, ENG_TERM_WORD, (eng_str){plain, cut}, start, end, false);
    if (n > len && n <= ENG_TERM_MAX)
        add(s, ENG_TERM_CODE, (eng_str){whole, n}, from, to, false);
    if (s->options->grams)
        add_grams(s, (eng_str){plain, cut}, start, end);
    s->out->words++;
    s->position++;
}

/* What stands in a run. */
typedef struct {
    size_t start;
    size_t end;
    bool letters;
    bool digits;
    bool joined;     /* by any sign */
    bool hyphens;    /* by hyphens alone */
    bool apostrophe; /* by apostrophes alone */
} run;

/* The run as one term, in lower case without accents. */
static void add_whole(scan *s, const run *r)
{
    eng_word_forms w;
    eng_str raw = eng_str_sub(s->text, r->start, r->end - r->start);
    if (raw.len > ENG_TERM_MAX)
        return;
    eng_word_fold(raw, &w);
    if (!r->joined || !r->hyphens || r->digits) {
        add(s, ENG_TERM_CODE, (eng_str){w.folded, w.folded_len}, r->start, r->end, false);
        return;
    }
    size_t n = 0; /* "e-mail" is found as "email" */
    for (size_t i = 0; i < w.lower_len; i++) {
        if (w.lower[i] != '-')
            w.lower[n++] = w.lower[i];
    }
    char stem[ENG_TERM_MAX];
    size_t len = stem_of(s->a, (eng_str){w.lower, n}, s->options->language, stem);
    add(s, ENG_TERM_PLAIN, (eng_str){stem, len}, r->start, r->end, false);
}

/* "'s", "'t", "'ll": what English hangs onto a word. */
static bool is_tail(const scan *s, const run *r, size_t from, size_t to)
{
    return r->apostrophe && from > r->start && s->options->language == ENG_LANGUAGE_EN &&
           to - from <= 2;
}

/* A stretch of letters or of digits within a run. Points and commas between digits belong to a
 * number. */
static void add_pieces(scan *s, const run *r)
{
    for (size_t at = r->start; at < r->end;) {
        size_t from = at;
        uint32_t c = eng_utf8_next(s->text, &at);
        char_class kind = eng_char_class(c);
        if (kind == CLASS_JOIN)
            continue;
        bool digits = kind == CLASS_DIGIT;
        bool ascii = c < 0x80;
        while (at < r->end) {
            size_t next = at;
            c = eng_utf8_next(s->text, &next);
            kind = eng_char_class(c);
            bool point = digits && (c == '.' || c == ',') && is_digit_at(s->text, next);
            if (!point && (kind == CLASS_JOIN || (kind == CLASS_DIGIT) != digits))
                break;
            ascii = ascii && c < 0x80;
            at = next;
        }
        if (digits && ascii)
            add_number(s, from, at);
        else if (!is_tail(s, r, from, at))
            add_word(s, from, at);
    }
}

static void add_run(scan *s, const run *r)
{
    const char *after = s->text.ptr + r->end;
    size_t left = s->text.len - r->end;
    if (r->letters && !r->joined && !r->digits) {
        if (left > 0 && after[0] == '$')
            return; /* a currency: it comes with its number */
        if (r->end - r->start == 1 && left > 0 && (after[0] == '#' || after[0] == '+')) {
            run sign = *r;
            sign.end += left > 1 && after[0] == '+' && after[1] == '+' ? 2 : 1;
            add_whole(s, &sign);
        }
        add_word(s, r->start, r->end);
        return;
    }
    bool elided = r->joined && r->apostrophe; /* "d'água", "it's" */
    if (!elided && (r->letters || r->joined))
        add_whole(s, r);
    add_pieces(s, r);
}

/* Takes the run that begins at `at`, a letter or digit of class `kind`; gives where it ends. */
static size_t take_run(scan *s, size_t at, char_class kind)
{
    run r = {.start = at, .end = at, .hyphens = true, .apostrophe = true};
    uint32_t c = eng_utf8_next(s->text, &r.end);
    bool numeric = true; /* only points and commas join it so far */
    for (size_t next = r.end;; next = r.end) {
        r.letters = r.letters || kind == CLASS_LETTER;
        r.digits = r.digits || kind == CLASS_DIGIT;
        if (next >= s->text.len || next - r.start > RUN_MAX - 8)
            break;
        c = eng_utf8_next(s->text, &next);
        kind = eng_char_class(c);
        if (kind == CLASS_JOIN) {
            uint32_t sign = c;
            if (next >= s->text.len)
                break;
            c = eng_utf8_next(s->text, &next);
            kind = eng_char_class(c);
            if (kind != CLASS_LETTER && kind != CLASS_DIGIT)
                break;
            r.joined = true;
            r.hyphens = r.hyphens && sign == '-';
            r.apostrophe = r.apostrophe && (sign == '\'' || sign == 0x2019);
            numeric = numeric && (sign == '.' || sign == ',');
        } else if (kind != CLASS_LETTER && kind != CLASS_DIGIT && kind != CLASS_MARK) {
            break;
        }
        r.end = next;
    }
    r.joined = r.joined && !(numeric && !r.letters);
    add_run(s, &r);
    return r.end;
}

eng_status eng_analyze(eng_analyzer *a, eng_str text, const eng_analyze_options *options,
                       eng_terms *out, eng_error *err)
{
    if (text.len > TEXT_MAX)
        return eng_fail(err, ENG_ETOOBIG, "text of %zu bytes: more than %d", text.len, TEXT_MAX);
    scan s = {.a = a, .options = options, .text = text, .out = out, .position = options->position};
    for (size_t at = 0; at < text.len && s.failed == ENG_OK;) {
        size_t start = at;
        uint32_t c = eng_utf8_next(text, &at);
        char_class kind = eng_char_class(c);
        if (kind == CLASS_LETTER || kind == CLASS_DIGIT)
            at = take_run(&s, start, kind);
        else if (kind == CLASS_IDEO)
            add_word(&s, start, at);
    }
    if (s.failed == ENG_ENOMEM)
        return eng_fail_nomem(err);
    if (s.failed < 0)
        return eng_fail(err, s.failed, "terms of a text: more than %d bytes", TEXT_MAX);
    out->positions = s.position;
    return ENG_OK;
}

void eng_words_each(eng_str text, eng_word_fn *fn, void *ctx)
{
    for (size_t at = 0; at < text.len;) {
        size_t start = at, end = at;
        char_class kind = eng_char_class(eng_utf8_next(text, &at));
        if (kind != CLASS_LETTER)
            continue;
        while (kind == CLASS_LETTER || kind == CLASS_MARK) {
            end = at;
            if (at >= text.len)
                break;
            kind = eng_char_class(eng_utf8_next(text, &at));
        }
        eng_word_forms w;
        eng_word_fold(eng_str_sub(text, start, end - start), &w);
        if (w.folded_len > 0)
            fn(ctx, (eng_str){w.folded, w.folded_len});
    }
}
