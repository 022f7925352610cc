/*
 * Texts as vectors: what scikit-learn's CountVectorizer, TfidfVectorizer and HashingVectorizer make of
 * one, and, at once, its product with weights, so that a vector of a million terms never is. Python's
 * rules for what is a letter, a small letter or an accent are those of Unicode, by utf8proc.
 *
 * The bytes of a step: a head, idf[terms], weights[terms][m], bias[m], slots, ends of terms, ends of stop
 * words (sorted), then the texts themselves.
 */
#include "learn/plan_internal.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/utf8.h"

#include <math.h>
#include <utf8proc.h>

enum { NGRAM_MAX = 32, TEXT_MAX = 16 << 20 };

typedef struct {
    uint32_t terms, slots, stops, texts, m;
    uint8_t analyzer, token, lowercase, accents, low, high, binary, sublinear, norm;
    uint8_t hashed, signs, has_idf, has_weights;
    uint8_t spare[7];
} words_head;

_Static_assert(sizeof(words_head) == 40, "what follows is aligned to 8");

typedef struct {
    words_head head;
    const double *idf, *weights, *bias;
    const uint32_t *slots, *ends, *stop_ends;
    const char *texts;
} words_view;

/* ---- Building ------------------------------------------------------------------------------------- */

static bool view_of(const unsigned char *data, size_t size, words_view *v)
{
    size_t weights = 0, need = sizeof v->head;
    if (size < sizeof v->head)
        return false;
    memcpy(&v->head, data, sizeof v->head);
    const words_head *h = &v->head;
    size_t idf = h->has_idf ? h->terms : 0, keys = h->hashed ? 0 : h->terms;
    if (h->has_weights && !eng_mul(h->terms, h->m, &weights))
        return false;
    v->idf = (const double *)(const void *)(data + sizeof v->head);
    v->weights = v->idf + idf;
    v->bias = v->weights + weights;
    v->slots = (const uint32_t *)(const void *)(v->bias + (h->has_weights ? h->m : 0));
    v->ends = v->slots + h->slots;
    v->stop_ends = v->ends + keys;
    v->texts = (const char *)(v->stop_ends + h->stops);
    size_t doubles = idf + (h->has_weights ? h->m : 0), small = (size_t)h->slots + keys + h->stops;
    if (!eng_add(doubles, weights, &doubles) || doubles > SIZE_MAX / 16)
        return false;
    need += 8 * doubles + 4 * small + h->texts;
    return need == size;
}

static void put_texts(eng_plan_builder *b, const eng_str *texts, size_t n, uint32_t *end)
{
    for (size_t i = 0; i < n; i++) {
        *end += (uint32_t)texts[i].len;
        eng_buf_bytes(&b->data, end, sizeof *end);
    }
}

static bool put_slots(eng_plan_builder *b, const eng_plan_words *w, uint32_t slots)
{
    uint32_t *table = eng_zalloc((size_t)slots * sizeof *table);
    for (uint32_t i = 0; table && i < w->terms; i++) {
        uint32_t at = eng_plan_hash_text(w->names[i]) & (slots - 1);
        while (table[at])
            at = (at + 1) & (slots - 1);
        table[at] = i + 1;
    }
    if (table)
        eng_buf_bytes(&b->data, table, (size_t)slots * sizeof *table);
    eng_free(table);
    return table != NULL;
}

static void put_weights(eng_plan_builder *b, const eng_plan_words *w)
{
    for (size_t t = 0; t < w->terms; t++)
        for (size_t j = 0; j < w->m; j++)
            eng_buf_bytes(&b->data, w->weights + j * w->terms + t, sizeof(double));
    for (size_t j = 0; j < w->m; j++)
        eng_buf_bytes(&b->data, w->bias ? w->bias + j : &(double){0}, sizeof(double));
}

uint32_t eng_plan_texts(eng_plan_builder *b, uint32_t x, const eng_plan_words *w)
{
    size_t data = eng_plan_data(b), m = w->weights ? w->m : w->terms, texts = 0;
    if (eng_plan_failed(b, NULL) < 0)
        return ENG_PLAN_NONE;
    for (size_t i = 0; i < w->terms && w->names; i++)
        texts += w->names[i].len;
    for (size_t i = 0; i < w->stop_count; i++)
        texts += w->stops[i].len;
    if (!w->terms || w->terms > ENG_PLAN_COLUMNS || m > ENG_PLAN_COLUMNS || texts > INT32_MAX ||
        w->stop_count > 1 << 20 || w->low < 1 || w->high < w->low || w->high > NGRAM_MAX)
        return eng_plan_fail(b, ENG_ETOOBIG, "a vocabulary of %zu terms", w->terms);
    words_head h = {.terms = (uint32_t)w->terms,
                    .stops = (uint32_t)w->stop_count,
                    .texts = (uint32_t)texts,
                    .m = (uint32_t)m,
                    .analyzer = (uint8_t)w->analyzer,
                    .token = (uint8_t)w->token,
                    .lowercase = w->lowercase,
                    .accents = (uint8_t)w->accents,
                    .low = (uint8_t)w->low,
                    .high = (uint8_t)w->high,
                    .binary = w->binary,
                    .sublinear = w->sublinear,
                    .norm = (uint8_t)w->norm,
                    .hashed = w->names == NULL,
                    .signs = w->signs,
                    .has_idf = w->idf != NULL,
                    .has_weights = w->weights != NULL};
    for (h.slots = w->names ? 2 : 0; w->names && h.slots < 2 * w->terms;)
        h.slots *= 2;
    eng_buf_bytes(&b->data, &h, sizeof h);
    if (w->idf)
        eng_buf_bytes(&b->data, w->idf, w->terms * sizeof(double));
    if (w->weights)
        put_weights(b, w);
    if (w->names && !put_slots(b, w, h.slots))
        return eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    uint32_t end = 0;
    if (w->names)
        put_texts(b, w->names, w->terms, &end);
    put_texts(b, w->stops, w->stop_count, &end);
    for (size_t i = 0; i < w->terms && w->names; i++)
        eng_buf_str(&b->data, w->names[i]);
    for (size_t i = 0; i < w->stop_count; i++)
        eng_buf_str(&b->data, w->stops[i]);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_TEXTS}, &x, 1, m, data);
}

/* ---- Opening ---------------------------------------------------------------------------------------- */

static bool rising(const uint32_t *ends, uint32_t n, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < n; i++) {
        if (ends[i] < from || ends[i] > to)
            return false;
        from = ends[i];
    }
    return true;
}

eng_status eng_plan_check_texts(const eng_plan_bound *b, const eng_plan_head *head, eng_error *err)
{
    words_view v;
    bool good = b->step->n == 1 && b->in[0] < head->inputs && view_of(b->data, b->step->size, &v) &&
                v.head.terms > 0 && v.head.low >= 1 && v.head.high >= v.head.low &&
                v.head.high <= NGRAM_MAX && v.head.m == b->step->m &&
                (v.head.has_weights || v.head.m == v.head.terms);
    uint32_t keys = good && !v.head.hashed ? v.head.terms : 0, used = 0;
    good = good && (v.head.hashed ? v.head.slots == 0
                                  : v.head.slots > keys && !(v.head.slots & (v.head.slots - 1)));
    good = good && rising(v.ends, keys, 0, v.head.texts) &&
           rising(v.stop_ends, v.head.stops, keys ? v.ends[keys - 1] : 0, v.head.texts);
    for (uint32_t i = 0; good && i < v.head.slots; i++) {
        good = v.slots[i] <= keys;
        used += v.slots[i] != 0;
    }
    /* A table without a gap would be searched for ever. */
    if (!good || used > keys)
        return eng_fail(err, ENG_ECORRUPT, "a model: a vocabulary that does not fit");
    return ENG_OK;
}

/* ---- A text's characters ---------------------------------------------------------------------------- */

typedef struct {
    size_t at, end; /* in the text that was made plain */
} piece;

typedef struct {
    uint32_t term;
    double count;
} hit;

typedef struct {
    const words_view *v;
    eng_buf plain;  /* lower-case, without accents */
    eng_buf pieces; /* words, or characters */
    eng_buf term;   /* the words of an n-gram */
    eng_buf hits;
} splitter;

static void put_plain(splitter *s, int32_t c)
{
    char bytes[4];
    if (s->v->head.accents) {
        int32_t parts[32];
        int bound = 0;
        if (c < 0x80) {
            eng_buf_byte(&s->plain, (char)c);
            return;
        }
        utf8proc_ssize_t n = utf8proc_decompose_char(c, parts, 32,
                                                     UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &bound);
        for (utf8proc_ssize_t i = 0; i < n && i < 32; i++) {
            bool drop = s->v->head.accents == ENG_PLAN_ACCENTS_ASCII
                            ? parts[i] >= 0x80
                            : utf8proc_get_property(parts[i])->combining_class != 0;
            if (!drop)
                eng_buf_bytes(&s->plain, bytes, eng_utf8_put((uint32_t)parts[i], bytes));
        }
        return;
    }
    eng_buf_bytes(&s->plain, bytes, eng_utf8_put((uint32_t)c, bytes));
}

static void make_plain(splitter *s, eng_str text)
{
    for (size_t at = 0; at < text.len;) {
        unsigned char byte = (unsigned char)text.ptr[at];
        if (byte < 0x80) {
            bool upper = s->v->head.lowercase && byte >= 'A' && byte <= 'Z';
            eng_buf_byte(&s->plain, (char)(upper ? byte + 32 : byte));
            at++;
            continue;
        }
        int32_t c = (int32_t)eng_utf8_next(text, &at);
        if (s->v->head.lowercase && c == 0x130) { /* Python's lower() makes two of it */
            put_plain(s, 'i');
            put_plain(s, 0x307);
            continue;
        }
        put_plain(s, s->v->head.lowercase ? utf8proc_tolower(c) : c);
    }
}

/* What Python's \w matches. */
static bool is_word(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_';
    utf8proc_category_t k = utf8proc_category((int32_t)c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
           (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

/* And \s. */
static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

static void add_piece(splitter *s, size_t at, size_t end)
{
    const piece p = {at, end};
    eng_buf_bytes(&s->pieces, &p, sizeof p);
}

static const piece *pieces_of(const splitter *s, size_t *n)
{
    *n = s->pieces.len / sizeof(piece);
    return (const piece *)(const void *)s->pieces.data;
}

static eng_str text_of(const splitter *s, piece p)
{
    return (eng_str){s->plain.data + p.at, p.end - p.at};
}

/* ---- Terms ---- */

static int32_t murmur(eng_str text)
{
    uint32_t h = 0, k = 0;
    size_t i = 0;
    for (; i + 4 <= text.len; i += 4) {
        memcpy(&k, text.ptr + i, 4);
        k *= 0xcc9e2d51;
        k = (k << 15 | k >> 17) * 0x1b873593;
        h ^= k;
        h = (h << 13 | h >> 19) * 5 + 0xe6546b64;
    }
    k = 0;
    for (size_t j = text.len; j > i; j--)
        k = k << 8 | (unsigned char)text.ptr[j - 1];
    k *= 0xcc9e2d51;
    h ^= (k << 15 | k >> 17) * 0x1b873593;
    h ^= (uint32_t)text.len;
    h = (h ^ h >> 16) * 0x85ebca6b;
    h = (h ^ h >> 13) * 0xc2b2ae35;
    return (int32_t)(h ^ h >> 16);
}

static bool find(const words_view *v, eng_str text, uint32_t *term)
{
    for (uint32_t at = eng_plan_hash_text(text);; at++) {
        uint32_t i = v->slots[at & (v->head.slots - 1)];
        if (!i)
            return false;
        uint32_t from = i > 1 ? v->ends[i - 2] : 0;
        if (eng_str_eq((eng_str){v->texts + from, v->ends[i - 1] - from}, text)) {
            *term = i - 1;
            return true;
        }
    }
}

static void take_term(splitter *s, eng_str text)
{
    hit h = {.count = 1};
    if (s->v->head.hashed) {
        int32_t hash = murmur(text);
        uint32_t size = hash < 0 ? 0u - (uint32_t)hash : (uint32_t)hash;
        h.term = size % s->v->head.terms;
        if (s->v->head.signs && hash < 0)
            h.count = -1;
    } else if (!find(s->v, text, &h.term)) {
        return;
    }
    eng_buf_bytes(&s->hits, &h, sizeof h);
}

static bool is_stop(const words_view *v, eng_str word)
{
    uint32_t low = 0, high = v->head.stops;
    uint32_t first = v->head.hashed ? 0 : v->ends[v->head.terms - 1];
    while (low < high) {
        uint32_t middle = (low + high) / 2, from = middle ? v->stop_ends[middle - 1] : first;
        int order = eng_str_cmp((eng_str){v->texts + from, v->stop_ends[middle] - from}, word);
        if (!order)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void split_words(splitter *s)
{
    static const unsigned least[] = {2, 1, 3, 1};
    const words_head *h = &s->v->head;
    eng_str text = eng_buf_view(&s->plain);
    for (size_t at = 0; at < text.len;) {
        size_t from = at, end = at, chars = 0;
        for (; at < text.len; chars++) {
            end = at;
            uint32_t c = eng_utf8_next(text, &at);
            if (h->token == ENG_PLAN_TOKEN_BLANKS ? is_space(c) : !is_word(c))
                break;
            end = at;
        }
        if (chars >= least[h->token & 3] && !is_stop(s->v, text_of(s, (piece){from, end})))
            add_piece(s, from, end);
    }
}

static void take_words(splitter *s)
{
    size_t n = 0;
    split_words(s);
    const piece *p = pieces_of(s, &n);
    for (size_t size = s->v->head.low; size <= s->v->head.high; size++)
        for (size_t i = 0; i + size <= n; i++) {
            if (size == 1) {
                take_term(s, text_of(s, p[i]));
                continue;
            }
            eng_buf_reset(&s->term);
            for (size_t j = 0; j < size; j++) {
                if (j)
                    eng_buf_byte(&s->term, ' ');
                eng_buf_str(&s->term, text_of(s, p[i + j]));
            }
            take_term(s, eng_buf_view(&s->term));
        }
}

/* Characters of plain[from, end): their places. */
static void split_characters(splitter *s, size_t from, size_t end)
{
    eng_str text = {s->plain.data, end};
    eng_buf_reset(&s->pieces);
    for (size_t at = from; at < end;) {
        size_t begin = at;
        (void)eng_utf8_next(text, &at);
        add_piece(s, begin, at);
    }
}

static void take_runs(splitter *s, bool short_once)
{
    size_t n = 0;
    const piece *p = pieces_of(s, &n);
    for (size_t size = s->v->head.low; size <= s->v->head.high && n; size++) {
        if (size >= n && short_once) {
            take_term(s, text_of(s, (piece){p[0].at, p[n - 1].end}));
            return;
        }
        for (size_t i = 0; i + size <= n; i++)
            take_term(s, text_of(s, (piece){p[i].at, p[i + size - 1].end}));
    }
}

/* Two blanks and more are one. */
static void squeeze(splitter *s)
{
    eng_str text = eng_buf_view(&s->plain);
    size_t to = 0;
    for (size_t at = 0; at < text.len;) {
        size_t from = at, run = 0, end = at;
        while (at < text.len) {
            end = at;
            if (!is_space(eng_utf8_next(text, &at)))
                break;
            run++;
            end = at;
        }
        if (run >= 2) {
            s->plain.data[to++] = ' ';
            at = end;
        } else {
            memmove(s->plain.data + to, text.ptr + from, at - from);
            to += at - from;
        }
    }
    s->plain.len = to;
}

static void take_characters(splitter *s)
{
    squeeze(s);
    split_characters(s, 0, s->plain.len);
    take_runs(s, false);
}

/* Each word between blanks by itself, with a blank at either end. */
static void take_inside_words(splitter *s)
{
    size_t whole = s->plain.len;
    for (size_t at = 0; at < whole;) {
        size_t from = at, end = at;
        while (at < whole) {
            end = at;
            if (is_space(eng_utf8_next((eng_str){s->plain.data, whole}, &at)))
                break;
            end = at;
        }
        if (end == from)
            continue;
        eng_buf_reset(&s->term);
        eng_buf_bytes(&s->term, s->plain.data + from, end - from);
        s->plain.len = whole;
        eng_buf_byte(&s->plain, ' ');
        eng_buf_str(&s->plain, eng_buf_view(&s->term));
        eng_buf_byte(&s->plain, ' ');
        if (s->plain.failed)
            return;
        split_characters(s, whole, s->plain.len);
        take_runs(s, true);
    }
}

/* ---- A vector ---- */

static int by_term(const void *a, const void *b)
{
    const hit *x = a, *y = b;
    return x->term < y->term ? -1 : x->term > y->term;
}

/* Sorted, each term once, with its value; how many. */
static size_t weigh(const words_view *v, hit *hits, size_t count)
{
    size_t n = 0;
    double norm = 0;
    if (count)
        qsort(hits, count, sizeof *hits, by_term);
    for (size_t i = 0; i < count; i++) {
        if (n && hits[n - 1].term == hits[i].term)
            hits[n - 1].count += hits[i].count;
        else
            hits[n++] = hits[i];
    }
    for (size_t i = 0; i < n; i++) {
        double x = v->head.binary ? 1 : hits[i].count;
        if (v->head.sublinear)
            x = log(x) + 1;
        if (v->head.has_idf)
            x *= v->idf[hits[i].term];
        hits[i].count = x;
        norm += v->head.norm == ENG_PLAN_NORM_L2 ? x * x : fabs(x);
    }
    if (v->head.norm == ENG_PLAN_NORM_L2)
        norm = sqrt(norm);
    for (size_t i = 0; i < n && v->head.norm && norm > 0; i++)
        hits[i].count /= norm;
    return n;
}

static void put_row(const words_view *v, const hit *hits, size_t n, const eng_plan_bound *b,
                    const eng_plan_run *r, size_t row)
{
    for (uint32_t j = 0; j < v->head.m; j++) {
        double y = v->head.has_weights ? v->bias[j] : 0, sum = 0;
        for (size_t i = 0; i < n && v->head.has_weights; i++)
            sum += hits[i].count * v->weights[(size_t)hits[i].term * v->head.m + j];
        eng_plan_col(r, b->step->out + j)[row] = y + sum;
    }
    for (size_t i = 0; i < n && !v->head.has_weights; i++)
        eng_plan_col(r, b->step->out + hits[i].term)[row] = hits[i].count;
}

eng_status eng_plan_run_texts(const eng_plan_bound *b, const eng_plan_run *r)
{
    words_view v;
    splitter s = {.v = &v};
    eng_status status = ENG_OK;
    if (!view_of(b->data, b->step->size, &v))
        return eng_fail(r->err, ENG_ECORRUPT, "a model: a vocabulary that does not fit");
    eng_buf_init(&s.plain, TEXT_MAX);
    eng_buf_init(&s.pieces, (size_t)TEXT_MAX * sizeof(piece));
    eng_buf_init(&s.term, TEXT_MAX);
    eng_buf_init(&s.hits, (size_t)1 << 32);
    for (size_t i = 0; i < r->rows && status == ENG_OK; i++) {
        eng_str text = r->inputs[b->in[0]].texts[r->first + i];
        eng_buf_reset(&s.plain);
        eng_buf_reset(&s.pieces);
        eng_buf_reset(&s.hits);
        make_plain(&s, text.ptr ? text : ENG_STR(""));
        if (v.head.analyzer == ENG_PLAN_WORDS)
            take_words(&s);
        else if (v.head.analyzer == ENG_PLAN_CHARACTERS)
            take_characters(&s);
        else
            take_inside_words(&s);
        status = eng_buf_check(&s.plain, "a text", r->err);
        if (status == ENG_OK)
            status = eng_buf_check(&s.pieces, "a text", r->err);
        if (status == ENG_OK)
            status = eng_buf_check(&s.hits, "a text", r->err);
        hit *hits = (hit *)(void *)s.hits.data;
        if (status == ENG_OK)
            put_row(&v, hits, weigh(&v, hits, s.hits.len / sizeof *hits), b, r, i);
    }
    eng_buf_clear(&s.plain);
    eng_buf_clear(&s.pieces);
    eng_buf_clear(&s.term);
    eng_buf_clear(&s.hits);
    return status;
}
