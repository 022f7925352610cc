/*
 * Passages to a segment in memory.
 *
 * Every key gets a number when it is first seen. A passage's terms are counted by key in a first walk
 * and their positions put side by side in a second, so postings come out by row; at the end they are
 * dealt out to their keys, which keeps the rows of each in order.
 */
#include "index/index_internal.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <math.h>
#include <stdlib.h>

enum { TITLE_WEIGHT = 2, NONE = -1, GAP = 16, STRING_KEPT = 1024 };

typedef struct {
    uint32_t at; /* of its text in keys */
    uint16_t len;
    uint32_t hash;
    uint32_t row;     /* the last that has it */
    uint32_t posting; /* of that row */
    uint32_t count;   /* of its postings; uses, for a vocabulary */
    uint32_t first;   /* after dealing out */
} key_slot;

typedef struct {
    uint32_t key;
    uint32_t row;
    uint32_t count;
    uint32_t positions; /* where they begin */
    uint32_t position_count;
} raw_posting;

typedef struct {
    uint32_t key;
    eng_cell cell;
} raw_cell;

/* A list that grows; items is of whatever type its user casts it to. */
typedef struct {
    void *items;
    size_t count;
    size_t cap;
} vec;

typedef struct {
    eng_analyzer *analyzer;
    const eng_build_options *options;
    eng_buf keys;
    vec slots;       /* key_slot */
    uint32_t *table; /* number + 1 by hash; a power of two */
    size_t table_cap;
    vec postings;  /* raw_posting */
    vec cells;     /* raw_cell */
    vec positions; /* uint32_t */
    vec numbers;   /* uint32_t: the key of each term of the passage at hand */
    eng_terms terms;
    uint64_t *ids;
    uint64_t *documents;
    uint8_t *norms;
    uint64_t words;
    uint32_t languages;
    bool failed;
} builder;

/* Room for one more; NULL when memory ran out. */
static void *push(vec *v, size_t size)
{
    if (v->count == v->cap) {
        size_t cap = v->cap ? v->cap * 2 : 256;
        void *items = eng_realloc(v->items, cap * size);
        if (!items)
            return NULL;
        v->items = items;
        v->cap = cap;
    }
    return (char *)v->items + v->count++ * size;
}

static key_slot *slot_of(const builder *b, uint32_t key)
{
    return (key_slot *)b->slots.items + key;
}

/* ---- Keys -------------------------------------------------------------------------------------------- */

static bool grow_table(builder *b)
{
    size_t cap = b->table_cap ? b->table_cap * 2 : 4096;
    uint32_t *table = eng_zalloc(cap * sizeof *table);
    if (!table)
        return false;
    for (uint32_t i = 0; i < b->slots.count; i++) {
        size_t at = slot_of(b, i)->hash & (cap - 1);
        while (table[at])
            at = (at + 1) & (cap - 1);
        table[at] = i + 1;
    }
    eng_free(b->table);
    b->table = table;
    b->table_cap = cap;
    return true;
}

/* Where a key is in the table, or where it would go. */
static size_t place_of(const builder *b, const char *text, size_t len, uint32_t hash)
{
    size_t i = hash & (b->table_cap - 1);
    for (; b->table[i]; i = (i + 1) & (b->table_cap - 1)) {
        const key_slot *s = slot_of(b, b->table[i] - 1);
        if (s->hash == hash && s->len == len && memcmp(b->keys.data + s->at, text, len) == 0)
            break;
    }
    return i;
}

/* The number of a key that stands at the end of b->keys from `at` on; it is taken back where the key
 * is known already. NONE when memory ran out. */
static int64_t intern(builder *b, size_t at)
{
    size_t len = b->keys.len - at;
    if (b->keys.failed < 0 || (b->slots.count * 2 >= b->table_cap && !grow_table(b)))
        return NONE;
    uint32_t hash = (uint32_t)eng_hash(b->keys.data + at, len);
    size_t i = place_of(b, b->keys.data + at, len, hash);
    if (b->table[i]) {
        b->keys.len = at;
        return b->table[i] - 1;
    }
    key_slot *s = push(&b->slots, sizeof *s);
    if (!s)
        return NONE;
    *s = (key_slot){.at = (uint32_t)at, .len = (uint16_t)len, .hash = hash, .row = UINT32_MAX};
    b->table[i] = (uint32_t)b->slots.count;
    return (int64_t)b->slots.count - 1;
}

static int64_t key_of(builder *b, char kind, eng_str text)
{
    size_t at = b->keys.len;
    eng_buf_byte(&b->keys, kind);
    eng_buf_str(&b->keys, text);
    return intern(b, at);
}

/* Counts one more of a key in a row. */
static void count_key(builder *b, int64_t key, uint32_t row, uint32_t weight, bool position)
{
    if (key == NONE) {
        b->failed = true;
        return;
    }
    key_slot *s = slot_of(b, (uint32_t)key);
    if (s->row != row) {
        raw_posting *p = push(&b->postings, sizeof *p);
        if (!p) {
            b->failed = true;
            return;
        }
        *p = (raw_posting){.key = (uint32_t)key, .row = row};
        s->row = row;
        s->posting = (uint32_t)b->postings.count - 1;
        s->count++;
    }
    raw_posting *p = (raw_posting *)b->postings.items + s->posting;
    p->count += weight;
    p->position_count += position;
}

/* ---- Text -------------------------------------------------------------------------------------------- */

static char key_kind(const eng_term *t)
{
    switch (t->kind) {
    case ENG_TERM_EXACT:
        return ENG_KEY_EXACT;
    case ENG_TERM_CODE:
        return ENG_KEY_CODE;
    case ENG_TERM_GRAM:
        return ENG_KEY_GRAM;
    default:
        return ENG_KEY_WORD;
    }
}

/* The second walk: the positions of each posting side by side, in their order. */
static void place_positions(builder *b, size_t first_posting)
{
    raw_posting *postings = b->postings.items;
    for (size_t i = first_posting; i < b->postings.count; i++) {
        postings[i].positions = (uint32_t)b->positions.count;
        for (uint32_t n = 0; n < postings[i].position_count; n++) {
            if (!push(&b->positions, sizeof(uint32_t))) {
                b->failed = true;
                return;
            }
        }
        postings[i].position_count = 0;
    }
    for (size_t i = 0; i < b->terms.count; i++) {
        const eng_term *t = &b->terms.items[i];
        if (key_kind(t) != ENG_KEY_WORD)
            continue;
        const key_slot *s = slot_of(b, ((uint32_t *)b->numbers.items)[i]);
        raw_posting *p = &postings[s->posting];
        ((uint32_t *)b->positions.items)[p->positions + p->position_count++] = t->position;
    }
}

static void count_word(void *ctx, eng_str word)
{
    builder *b = ctx;
    int64_t key = key_of(b, ENG_KEY_VOCABULARY, word);
    if (key == NONE)
        b->failed = true;
    else
        slot_of(b, (uint32_t)key)->count++;
}

/* What the collection has, and what these passages add: a word that is glued once more often stands
 * alone elsewhere in the same document. */
static uint32_t known_words(void *ctx, eng_str word)
{
    const builder *b = ctx;
    char key[ENG_TERM_MAX + 1];
    uint32_t here = 0;
    if (word.len > ENG_TERM_MAX)
        return 0;
    key[0] = ENG_KEY_VOCABULARY;
    memcpy(key + 1, word.ptr, word.len);
    if (b->table_cap) {
        size_t i = place_of(b, key, word.len + 1, (uint32_t)eng_hash(key, word.len + 1));
        here = b->table[i] ? slot_of(b, b->table[i] - 1)->count : 0;
    }
    uint32_t there = b->options->count ? b->options->count(b->options->count_ctx, word) : 0;
    return here < UINT32_MAX - there ? here + there : UINT32_MAX;
}

static eng_status add_text(builder *b, const eng_index_item *item, uint32_t row, eng_error *err)
{
    eng_analyze_options options = {.language = item->language,
                                   .grams = b->options->grams,
                                   .count = known_words,
                                   .count_ctx = b};
    size_t first_posting = b->postings.count;
    eng_terms_reset(&b->terms);
    b->numbers.count = 0;
    eng_status status = eng_analyze(b->analyzer, item->title, &options, &b->terms, err);
    size_t title_terms = b->terms.count;
    options.position = b->terms.positions + GAP;
    if (status == ENG_OK)
        status = eng_analyze(b->analyzer, item->text, &options, &b->terms, err);
    for (size_t i = 0; status == ENG_OK && i < b->terms.count && !b->failed; i++) {
        const eng_term *t = &b->terms.items[i];
        char kind = key_kind(t);
        int64_t key = key_of(b, kind, eng_terms_text(&b->terms, i));
        uint32_t *number = push(&b->numbers, sizeof *number);
        if (!number) {
            b->failed = true;
            break;
        }
        *number = (uint32_t)key;
        count_key(b, key, row, i < title_terms ? TITLE_WEIGHT : 1, kind == ENG_KEY_WORD);
    }
    if (status == ENG_OK && !b->failed)
        place_positions(b, first_posting);
    b->norms[row] = eng_norm_of(b->terms.words);
    b->words += b->terms.words;
    b->languages |= 1u << item->language;
    return status;
}

/* ---- Fields ------------------------------------------------------------------------------------------ */

/* The order of doubles as the order of integers: the sign's bit turned, or all bits of negatives. */
static uint64_t order_double(double v)
{
    uint64_t bits;
    v = v == 0 ? 0 : v; /* one zero */
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

eng_cell eng_order_number(const eng_value *v)
{
    eng_cell cell = {0};
    if (v->type == ENG_VALUE_NUMBER) {
        cell.key = order_double(v->as.number);
        return cell;
    }
    double nearest = (double)v->as.integer;
    cell.key = order_double(nearest);
    /* 2^63 itself is no int64: the difference is taken in what both sides can hold. */
    cell.rest = nearest >= 0x1p63 ? (int32_t)(v->as.integer - INT64_MAX) - 1
                                  : (int32_t)(v->as.integer - (int64_t)nearest);
    return cell;
}

static void add_cell(builder *b, char kind, const eng_index_field *f, uint32_t row)
{
    int64_t key = key_of(b, kind, f->name);
    raw_cell *c = key == NONE ? NULL : push(&b->cells, sizeof *c);
    if (!c) {
        b->failed = true;
        return;
    }
    *c = (raw_cell){(uint32_t)key, eng_order_number(&f->value)};
    c->cell.row = row;
    slot_of(b, (uint32_t)key)->count++;
}

void eng_string_key(eng_buf *out, eng_str field, eng_str value)
{
    eng_buf_byte(out, ENG_KEY_STRING);
    eng_buf_str(out, field);
    eng_buf_byte(out, 0);
    eng_buf_str(out, eng_str_sub(value, 0, STRING_KEPT));
    if (value.len <= STRING_KEPT)
        return;
    static const uint64_t keys[2][2] = {{0x656E67656E686F31, 1}, {0x656E67656E686F32, 2}};
    for (size_t i = 0; i < 2; i++) {
        uint64_t hash = eng_siphash(value.ptr, value.len, keys[i]);
        eng_buf_bytes(out, &hash, sizeof hash);
    }
}

static eng_status add_field(builder *b, const eng_index_field *f, uint32_t row, eng_error *err)
{
    size_t at = b->keys.len;
    if (f->name.len > ENG_KEY_MAX - STRING_KEPT - 32 || memchr(f->name.ptr, 0, f->name.len))
        return eng_fail(err, ENG_EINVALID, "a field's name is too long or holds a NUL");
    count_key(b, key_of(b, ENG_KEY_EXISTS, f->name), row, 1, false);
    switch (f->value.type) {
    case ENG_VALUE_STRING:
        at = b->keys.len;
        eng_string_key(&b->keys, f->name, f->value.as.string);
        count_key(b, intern(b, at), row, 1, false);
        break;
    case ENG_VALUE_BOOL:
        at = b->keys.len;
        eng_buf_byte(&b->keys, ENG_KEY_BOOL);
        eng_buf_str(&b->keys, f->name);
        eng_buf_byte(&b->keys, 0);
        eng_buf_byte(&b->keys, f->value.as.boolean ? '1' : '0');
        count_key(b, intern(b, at), row, 1, false);
        break;
    case ENG_VALUE_NUMBER:
        if (isnan(f->value.as.number))
            break; /* is there, and equals nothing */
        add_cell(b, ENG_KEY_NUMBER, f, row);
        break;
    case ENG_VALUE_INTEGER:
        add_cell(b, ENG_KEY_NUMBER, f, row);
        break;
    case ENG_VALUE_DATE:
        add_cell(b, ENG_KEY_TIME, f, row);
        break;
    default:
        break;
    }
    return ENG_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------------- */

typedef struct {
    const char *text;
    uint16_t len;
    uint32_t key;
} sorted_key;

static int by_key(const void *a, const void *b)
{
    const sorted_key *x = a, *y = b;
    return eng_str_cmp((eng_str){x->text, x->len}, (eng_str){y->text, y->len});
}

int eng_cell_order(const eng_cell *a, const eng_cell *b)
{
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->rest != b->rest)
        return a->rest < b->rest ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static int by_cell(const void *a, const void *b)
{
    const raw_cell *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return eng_cell_order(&x->cell, &y->cell);
}

/* Postings by key: `first` of each slot is where its own begin. */
static uint32_t *deal_out(builder *b)
{
    uint32_t *dealt = eng_alloc_array(b->postings.count + 1, sizeof *dealt);
    const raw_posting *p = b->postings.items;
    uint32_t at = 0;
    if (!dealt)
        return NULL;
    for (uint32_t i = 0; i < b->slots.count; i++) {
        key_slot *s = slot_of(b, i);
        char kind = b->keys.data[s->at];
        s->first = at;
        if (kind != ENG_KEY_VOCABULARY && kind != ENG_KEY_NUMBER && kind != ENG_KEY_TIME)
            at += s->count;
        s->posting = s->first;
    }
    for (uint32_t i = 0; i < b->postings.count; i++)
        dealt[slot_of(b, p[i].key)->posting++] = i;
    return dealt;
}

static void write_list(builder *b, eng_segment_writer *w, const key_slot *s, const uint32_t *dealt)
{
    const raw_posting *postings = b->postings.items;
    const uint32_t *positions = b->positions.items;
    for (uint32_t i = 0; i < s->count; i++) {
        const raw_posting *p = &postings[dealt[s->first + i]];
        eng_posting out = {p->row, p->count, p->position_count ? positions + p->positions : NULL,
                           p->position_count};
        eng_segment_add(w, &out);
    }
    eng_segment_end(w);
}

static void write_column(builder *b, eng_segment_writer *w, uint32_t key)
{
    const raw_cell *cells = b->cells.items;
    size_t low = 0, high = b->cells.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cells[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < b->cells.count && cells[low].key == key; low++)
        eng_segment_cell(w, &cells[low].cell);
    eng_segment_column(w);
}

static void write_key(builder *b, eng_segment_writer *w, const sorted_key *k, const uint32_t *dealt)
{
    eng_str text = {k->text, k->len};
    const key_slot *s = slot_of(b, k->key);
    if (k->text[0] == ENG_KEY_VOCABULARY) {
        eng_segment_vocabulary(w, text, s->count);
        return;
    }
    eng_segment_begin(w, text);
    if (k->text[0] == ENG_KEY_NUMBER || k->text[0] == ENG_KEY_TIME)
        write_column(b, w, k->key);
    else
        write_list(b, w, s, dealt);
}

static eng_status write_segment(builder *b, const eng_rows *rows, eng_segment *out, eng_error *err)
{
    eng_segment_writer w;
    sorted_key *keys = eng_alloc_array(b->slots.count + 1, sizeof *keys);
    uint32_t *dealt = deal_out(b);
    eng_status status = ENG_ENOMEM;
    if (!keys || !dealt) {
        eng_fail_nomem(err);
        goto done;
    }
    for (uint32_t i = 0; i < b->slots.count; i++)
        keys[i] = (sorted_key){b->keys.data + slot_of(b, i)->at, slot_of(b, i)->len, i};
    qsort(keys, b->slots.count, sizeof *keys, by_key);
    if (b->cells.count)
        qsort(b->cells.items, b->cells.count, sizeof(raw_cell), by_cell);
    status = eng_segment_writer_open(&w, NULL, rows, err);
    if (status < 0)
        goto done;
    for (size_t i = 0; i < b->slots.count; i++)
        write_key(b, &w, &keys[i], dealt);
    status = eng_segment_writer_close(&w, rows, out, err);
done:
    eng_free(keys);
    eng_free(dealt);
    return status;
}

static void builder_clear(builder *b)
{
    eng_buf_clear(&b->keys);
    eng_free(b->slots.items);
    eng_free(b->table);
    eng_free(b->postings.items);
    eng_free(b->cells.items);
    eng_free(b->positions.items);
    eng_free(b->numbers.items);
    eng_terms_clear(&b->terms);
    eng_free(b->ids);
    eng_free(b->documents);
    eng_free(b->norms);
}

static eng_status add_item(builder *b, const eng_index_item *item, uint32_t row, eng_error *err)
{
    b->ids[row] = item->id;
    b->documents[row] = item->document;
    eng_status status = add_text(b, item, row, err);
    for (size_t i = 0; status == ENG_OK && !b->failed && i < item->field_count; i++)
        status = add_field(b, &item->fields[i], row, err);
    if (status == ENG_OK && b->failed)
        status = b->keys.failed == ENG_ETOOBIG
                     ? eng_fail(err, ENG_ETOOBIG, "too many words in one call")
                     : eng_fail_nomem(err);
    return status;
}

eng_status eng_build_segment(eng_analyzer *a, const eng_index_item *items, size_t count,
                             const eng_build_options *options, eng_segment *out, eng_error *err)
{
    builder b = {.analyzer = a, .options = options};
    eng_buf_init(&b.keys, UINT32_MAX);
    eng_terms_init(&b.terms);
    b.ids = eng_alloc_array(count + 1, sizeof *b.ids);
    b.documents = eng_alloc_array(count + 1, sizeof *b.documents);
    b.norms = eng_zalloc(count + 1);
    eng_status status = b.ids && b.documents && b.norms ? ENG_OK : eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        eng_words_each(items[i].title, count_word, &b);
        eng_words_each(items[i].text, count_word, &b);
        if (b.failed)
            status = eng_fail_nomem(err);
    }
    for (size_t i = 0; status == ENG_OK && i < count; i++)
        status = add_item(&b, &items[i], (uint32_t)i, err);
    if (status == ENG_OK) {
        uint32_t docs = (uint32_t)count;
        eng_rows rows = {.base = options->base,
                         .rows = docs,
                         .languages = b.languages,
                         .ids = b.ids,
                         .documents = b.documents,
                         .norms = b.norms,
                         .words = b.words,
                         .mean = options->mean > 0 ? options->mean
                                 : docs            ? (float)b.words / (float)docs
                                                   : 0};
        status = write_segment(&b, &rows, out, err);
    }
    builder_clear(&b);
    return status;
}
