/* Weights to a model's file: quantised, in open tables, with the sums of each word's runs worked out. */
#include "base/error.h"
#include "base/utf8.h"
#include "format/container.h"
#include "learn/text_internal.h"
#include "json/json.h"

#include <math.h>

enum { TITLES_MAX = 100 * 1000, TITLE_BYTES = 200 };

typedef struct {
    const eng_text_fit *fit;
    eng_text_head head;
    unsigned char *words;
    unsigned char *parts;
    uint32_t *word_slots; /* by word of the corpus: where it went, UINT32_MAX: nowhere */
    uint32_t *title_at;
    uint16_t *title_class;
    float *title_norm;
    eng_buf titles;
    uint32_t *post_at;
    uint32_t *posts;
    eng_buf first; /* section "head" */
    eng_buf names;
    eng_error *err;
} packer;

/* ---- Weights ---- */

static const float *row_of(const eng_text_fit *f, size_t feature)
{
    return f->weights + feature * f->stride;
}

/* Pairs and runs fill 16 bits; words are sums and have 32. */
static float find_unit(const eng_text_fit *f)
{
    float top = 0;
    for (size_t i = 0; i < f->corpus->features.count; i++)
        for (size_t c = 0; f->idf2[i] > 0 && c < f->classes; c++)
            top = fabsf(row_of(f, i)[c]) > top ? fabsf(row_of(f, i)[c]) : top;
    return top > 0 ? top / INT16_MAX : 1;
}

static uint32_t idf_units(float idf2)
{
    float units = roundf(idf2 * ENG_IDF_UNIT);
    return units < 1 ? 1 : units > UINT16_MAX ? UINT16_MAX : (uint32_t)units;
}

static void put_part(packer *p, size_t feature)
{
    const eng_text_fit *f = p->fit;
    const size_t size = eng_text_part_size(f->classes);
    uint64_t hash = f->corpus->hashes[feature];
    size_t slot = eng_text_slot(hash, p->head.part_slots);
    eng_text_part_entry e;
    for (;; slot = slot + 1 < p->head.part_slots ? slot + 1 : 0) {
        memcpy(&e, p->parts + slot * size, sizeof e);
        if (!e.tag)
            break;
    }
    e.tag = eng_text_part_tag(hash);
    e.idf2 = (uint16_t)idf_units(f->idf2[feature]);
    memcpy(p->parts + slot * size, &e, sizeof e);
    for (size_t c = 0; c < f->classes; c++) {
        int16_t w = (int16_t)lrintf(row_of(f, feature)[c] / p->head.unit);
        memcpy(p->parts + slot * size + sizeof e + c * sizeof w, &w, sizeof w);
    }
}

/* A word has an entry where it says something: in itself, or by its runs. */
static bool has_entry(const packer *p, const eng_corpus_word *w)
{
    return p->fit->counts[w->feature] > 0 && p->fit->idf2[w->feature] > 0;
}

static void fill_word(const packer *p, const eng_corpus_word *w, unsigned char *at)
{
    const eng_text_fit *f = p->fit;
    eng_text_word_entry e = {.tag = eng_text_word_tag(w->hash)};
    e.surprise = (uint32_t)lrint(256 *
                                 log2((1.0 + (double)f->trained) / (0.5 + f->counts[w->feature])));
    e.idf2 = idf_units(f->idf2[w->feature]);
    for (size_t i = 0; i < w->gram_count; i++) {
        float idf2 = f->idf2[f->corpus->grams[w->gram_at + i]];
        e.runs2 += idf2 > 0 ? idf_units(idf2) : 0;
    }
    memcpy(at, &e, sizeof e);
    at += sizeof e;
    for (size_t c = 0; c < f->classes; c++) {
        int32_t sum = 0, own = (int32_t)lrintf(row_of(f, w->feature)[c] / p->head.unit);
        for (size_t i = 0; i < w->gram_count; i++) {
            size_t feature = f->corpus->grams[w->gram_at + i];
            if (f->idf2[feature] > 0)
                sum += (int32_t)lrintf(row_of(f, feature)[c] / p->head.unit);
        }
        memcpy(at + c * sizeof own, &own, sizeof own);
        memcpy(at + (f->classes + c) * sizeof sum, &sum, sizeof sum);
    }
}

static void put_word(packer *p, size_t word)
{
    const eng_corpus_word *w = &p->fit->corpus->words[word];
    const size_t size = eng_text_word_size(p->fit->classes);
    size_t slot = eng_text_slot(w->hash, p->head.word_slots);
    uint32_t tag;
    for (;; slot = slot + 1 < p->head.word_slots ? slot + 1 : 0) {
        memcpy(&tag, p->words + slot * size, sizeof tag);
        if (!tag)
            break;
    }
    p->word_slots[word] = (uint32_t)slot;
    fill_word(p, w, p->words + slot * size);
}

static eng_status pack_tables(packer *p)
{
    const eng_text_fit *f = p->fit;
    const eng_text_corpus *c = f->corpus;
    size_t words = 0, parts = 0;
    for (size_t i = 0; i < c->word_count; i++)
        words += has_entry(p, &c->words[i]);
    for (size_t i = 0; i < c->features.count; i++)
        parts += c->kinds[i] != ENG_FEATURE_WORD && f->idf2[i] > 0;
    p->head.word_slots = (uint32_t)(words + words / 2 + 1);
    p->head.part_slots = (uint32_t)(parts + parts / 3 + 1);
    p->head.unit = find_unit(f);
    p->words = eng_zalloc(p->head.word_slots * eng_text_word_size(f->classes));
    p->parts = eng_zalloc(p->head.part_slots * eng_text_part_size(f->classes));
    p->word_slots = eng_alloc_array(c->word_count, sizeof *p->word_slots);
    if (!p->words || !p->parts || !p->word_slots)
        return eng_fail_nomem(p->err);
    for (size_t i = 0; i < c->word_count; i++) {
        p->word_slots[i] = UINT32_MAX;
        if (has_entry(p, &c->words[i]))
            put_word(p, i);
    }
    for (size_t i = 0; i < c->features.count; i++)
        if (c->kinds[i] != ENG_FEATURE_WORD && f->idf2[i] > 0)
            put_part(p, i);
    return ENG_OK;
}

/* ---- Titles ---- */

/* A title for each product, or for every n-th where there are too many. */
static bool keeps(const packer *p, const eng_text_example *e, size_t unit)
{
    size_t step = p->fit->corpus->units / TITLES_MAX + 1;
    return e->unit && e->view == 0 && unit % step == 0;
}

static eng_str title_of(const packer *p, const eng_text_example *e)
{
    const eng_text_rows *r = p->fit->corpus->rows;
    size_t fields = r->columns.text_count;
    for (size_t i = 0; i < fields; i++)
        if (r->texts[e->row * fields + i].len)
            return eng_utf8_cut(r->texts[e->row * fields + i], TITLE_BYTES);
    return (eng_str){"", 0};
}

/* The slot of the word of an entry; UINT32_MAX for what is no word. */
static uint32_t slot_of_entry(const packer *p, uint32_t entry)
{
    const eng_text_corpus *c = p->fit->corpus;
    size_t feature = entry >> ENG_ENTRY_BITS;
    if (c->kinds[feature] != ENG_FEATURE_WORD)
        return UINT32_MAX;
    return p->word_slots[eng_text_index_find(&c->word_index, c->hashes[feature])];
}

/* Counts the titles of each word, into post_at[slot + 1]; or, with posts there, puts them down. */
static void post_title(packer *p, const eng_text_example *e, uint32_t title)
{
    const uint32_t *entries = p->fit->corpus->entries + e->entries;
    float norm = 0;
    for (size_t i = 0; i < e->words; i++) {
        uint32_t slot = slot_of_entry(p, entries[i]);
        if (slot == UINT32_MAX)
            continue;
        norm += p->fit->idf2[entries[i] >> ENG_ENTRY_BITS];
        if (p->posts)
            p->posts[p->post_at[slot]++] = title;
        else
            p->post_at[slot + 1]++;
    }
    p->title_norm[title] = sqrtf(norm);
}

static void each_title(packer *p, bool texts)
{
    const eng_text_corpus *c = p->fit->corpus;
    uint32_t title = 0;
    size_t unit = 0;
    for (size_t i = 0; i < c->example_count; i++) {
        const eng_text_example *e = &c->examples[i];
        if (keeps(p, e, unit)) {
            if (texts) {
                p->title_at[title] = (uint32_t)p->titles.len;
                p->title_class[title] = e->label;
                eng_buf_str(&p->titles, title_of(p, e));
            }
            post_title(p, e, title++);
        }
        unit += e->unit && e->view == 0;
    }
    p->head.titles = title;
    p->title_at[title] = (uint32_t)p->titles.len;
}

static eng_status pack_titles(packer *p)
{
    const size_t units = p->fit->corpus->units + 1, slots = p->head.word_slots;
    p->title_at = eng_alloc_array(units + 1, sizeof *p->title_at);
    p->title_class = eng_zalloc(units * sizeof *p->title_class);
    p->title_norm = eng_zalloc(units * sizeof *p->title_norm);
    p->post_at = eng_zalloc((slots + 1) * sizeof *p->post_at);
    if (!p->title_at || !p->title_class || !p->title_norm || !p->post_at)
        return eng_fail_nomem(p->err);
    each_title(p, true);
    for (size_t i = 0; i < slots; i++)
        p->post_at[i + 1] += p->post_at[i];
    p->posts = eng_alloc_array(p->post_at[slots], sizeof *p->posts);
    if (!p->posts)
        return eng_fail_nomem(p->err);
    each_title(p, false);
    for (size_t i = slots; i > 0; i--) /* each went on to where the next begins */
        p->post_at[i] = p->post_at[i - 1];
    p->post_at[0] = 0;
    return eng_buf_check(&p->titles, "titles", p->err);
}

/* ---- Names ---- */

static void put_names(eng_json_writer *w, const char *key, const eng_str *names, size_t count)
{
    eng_json_name(w, eng_str_of(key));
    eng_json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        eng_json_string(w, names[i]);
    eng_json_close(w, ']');
}

void eng_text_put_settings(eng_json_writer *w, const eng_text_settings *s)
{
    eng_json_name(w, ENG_STR("settings"));
    eng_json_open(w, '{');
    eng_json_member(w, "loss", s->logistic ? ENG_STR("logistic") : ENG_STR("squared_hinge"));
    eng_json_name(w, ENG_STR("cost"));
    eng_json_double(w, s->cost);
    eng_json_name(w, ENG_STR("word_grams"));
    eng_json_uint(w, s->word_grams);
    eng_json_name(w, ENG_STR("char_min"));
    eng_json_uint(w, s->no_chars ? 0 : s->char_min);
    eng_json_name(w, ENG_STR("char_max"));
    eng_json_uint(w, s->no_chars ? 0 : s->char_max);
    eng_json_name(w, ENG_STR("min_count"));
    eng_json_uint(w, s->min_count);
    eng_json_name(w, ENG_STR("balance"));
    eng_json_double(w, s->balance);
    eng_json_name(w, ENG_STR("refuse"));
    eng_json_double(w, s->refuse);
    eng_json_name(w, ENG_STR("seed"));
    eng_json_uint(w, s->seed);
    eng_json_close(w, '}');
}

static void pack_names(packer *p)
{
    const eng_text_rows *r = p->fit->corpus->rows;
    eng_json_writer w = eng_json_write_to(&p->names);
    eng_json_open(&w, '{');
    put_names(&w, "fields", r->columns.texts, r->columns.text_count);
    put_names(&w, "numbers", r->columns.numbers, r->columns.number_count);
    eng_json_name(&w, ENG_STR("categories"));
    eng_json_open(&w, '[');
    for (size_t i = 0; i < r->class_count; i++)
        eng_json_string(&w, r->classes[i].name);
    eng_json_close(&w, ']');
    eng_text_put_settings(&w, &p->fit->corpus->settings);
    eng_json_close(&w, '}');
}

/* ---- All of it ---- */

static void pack_head(packer *p, const eng_text_calibration *calibration)
{
    const eng_text_corpus *c = p->fit->corpus;
    p->head.classes = (uint32_t)p->fit->classes;
    p->head.fields = (uint32_t)c->rows->columns.text_count;
    p->head.numbers = (uint32_t)c->rows->columns.number_count;
    p->head.char_min = c->settings.no_chars ? 0 : c->settings.char_min;
    p->head.char_max = c->settings.no_chars ? 0 : c->settings.char_max;
    p->head.word_grams = c->settings.word_grams;
    p->head.rows = (uint32_t)p->fit->trained;
    p->head.mean_surprise = calibration->mean_surprise;
    p->head.data = c->data;
    eng_buf_bytes(&p->first, &p->head, sizeof p->head);
    eng_buf_bytes(&p->first, p->fit->bias, p->fit->classes * sizeof(float));
    eng_buf_bytes(&p->first, calibration->heat, sizeof calibration->heat);
    eng_buf_bytes(&p->first, calibration->limit, sizeof calibration->limit);
}

static eng_status print(const packer *p, eng_str metrics, eng_buf *out)
{
    const eng_text_head *h = &p->head;
    const eng_text_corpus *c = p->fit->corpus;
    const eng_section sections[] = {
        {ENG_STR("head"), p->first.data, p->first.len},
        {ENG_STR("words"), p->words, h->word_slots * eng_text_word_size(h->classes)},
        {ENG_STR("parts"), p->parts, h->part_slots * eng_text_part_size(h->classes)},
        {ENG_STR("edges"), c->edges, h->numbers * sizeof c->edges[0]},
        {ENG_STR("titles"), eng_buf_view(&p->titles).ptr, p->titles.len},
        {ENG_STR("title_at"), p->title_at, (h->titles + 1) * sizeof(uint32_t)},
        {ENG_STR("title_class"), p->title_class, h->titles * sizeof(uint16_t)},
        {ENG_STR("title_norm"), p->title_norm, h->titles * sizeof(float)},
        {ENG_STR("post_at"), p->post_at, (h->word_slots + 1) * sizeof(uint32_t)},
        {ENG_STR("posts"), p->posts, p->post_at[h->word_slots] * sizeof(uint32_t)},
        {ENG_STR("names"), p->names.data, p->names.len},
        {ENG_STR("metrics"), metrics.ptr, metrics.len},
    };
    return eng_container_print(ENG_STR("text"), ENG_TEXT_VERSION, sections,
                               sizeof sections / sizeof *sections, out, p->err);
}

eng_status eng_text_pack(const eng_text_fit *fit, const eng_text_calibration *calibration,
                         eng_str metrics, eng_buf *out, eng_error *err)
{
    packer p = {.fit = fit, .err = err};
    eng_buf_init(&p.titles, UINT32_MAX);
    eng_buf_init(&p.first, 1 << 20);
    eng_buf_init(&p.names, 8 << 20);
    eng_status status = pack_tables(&p);
    if (status == ENG_OK)
        status = pack_titles(&p);
    if (status == ENG_OK) {
        pack_head(&p, calibration);
        pack_names(&p);
        status = eng_buf_check(&p.first, "model", err);
    }
    if (status == ENG_OK)
        status = eng_buf_check(&p.names, "names", err);
    if (status == ENG_OK)
        status = print(&p, metrics, out);
    void *owned[] = {p.words,       p.parts,      p.word_slots, p.title_at,
                     p.title_class, p.title_norm, p.post_at,    p.posts};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        eng_free(owned[i]);
    eng_buf_clear(&p.titles);
    eng_buf_clear(&p.first);
    eng_buf_clear(&p.names);
    return status;
}
