/*
 * A model that is mapped, and what it says of a text.
 *
 * A known word costs one line of the cache: the sums over its runs of characters were worked out when
 * the model was written. Only a word that is not there is taken apart. Sums are of integers, so their
 * order does not matter and the same text has the same bits in any company.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "learn/text_internal.h"
#include "json/json.h"

#include <math.h>

/* ---- Opening ---- */

typedef struct {
    eng_text_model *m;
    eng_error *err;
    eng_status status;
} opener;

static eng_status broken(opener *o, const char *section)
{
    return o->status = eng_fail(o->err, ENG_ECORRUPT, "section '%s' is not as it should be",
                                section);
}

/* A section of exactly so many items; the first failure stays. */
static const void *take(opener *o, const char *name, size_t count, size_t size)
{
    const eng_section *s = NULL;
    if (o->status < 0)
        return NULL;
    o->status = eng_container_need(&o->m->container, eng_str_of(name), size ? size : 1, &s, o->err);
    if (o->status == ENG_OK && s->size != count * size)
        broken(o, name);
    return o->status == ENG_OK ? s->data : NULL;
}

static bool sound_head(const eng_text_head *h)
{
    return h->classes >= 1 && h->classes <= ENG_TEXT_CATEGORIES && h->fields >= 1 &&
           h->fields <= ENG_TEXT_FIELDS && h->numbers <= ENG_TEXT_NUMBERS && h->word_slots >= 1 &&
           h->part_slots >= 1 && h->char_max <= ENG_TEXT_GRAM_MAX && h->char_min <= h->char_max &&
           (h->char_min >= 1 || h->char_max == 0) && isfinite(h->unit) &&
           isfinite(h->mean_surprise);
}

static void take_head(opener *o)
{
    eng_text_model *m = o->m;
    const eng_section *s = eng_container_find(&m->container, ENG_STR("head"));
    if (!s || s->size < sizeof m->head) {
        broken(o, "head");
        return;
    }
    memcpy(&m->head, s->data, sizeof m->head);
    size_t floats = (size_t)m->head.classes + 2 * ENG_TEXT_VIEWS;
    if (!sound_head(&m->head) || s->size != sizeof m->head + floats * sizeof(float)) {
        broken(o, "head");
        return;
    }
    m->bias = (const float *)((const char *)s->data + sizeof m->head);
    m->heat = m->bias + m->head.classes;
    m->limit = m->heat + ENG_TEXT_VIEWS;
    for (size_t i = 0; i < floats; i++)
        if (!isfinite(m->bias[i]) ||
            (i >= m->head.classes && &m->bias[i] < m->limit && m->bias[i] <= 0))
            broken(o, "head");
}

/* Offsets rise from 0 to the end of what they cut up. */
static bool rises(const uint32_t *at, size_t count, size_t end)
{
    for (size_t i = 0; i < count; i++)
        if (at[i] > at[i + 1])
            return false;
    return at[0] == 0 && at[count] == end;
}

static void take_tables(opener *o)
{
    eng_text_model *m = o->m;
    const eng_text_head *h = &m->head;
    m->word_size = eng_text_word_size(h->classes);
    m->part_size = eng_text_part_size(h->classes);
    m->words = take(o, "words", h->word_slots, m->word_size);
    m->parts = take(o, "parts", h->part_slots, m->part_size);
    m->edges = take(o, "edges", h->numbers, (ENG_BINS - 1) * sizeof(float));
    m->title_at = take(o, "title_at", (size_t)h->titles + 1, sizeof(uint32_t));
    m->title_class = take(o, "title_class", h->titles, sizeof(uint16_t));
    m->title_norm = take(o, "title_norm", h->titles, sizeof(float));
    m->post_at = take(o, "post_at", (size_t)h->word_slots + 1, sizeof(uint32_t));
    if (o->status < 0)
        return;
    m->titles = take(o, "titles", m->title_at[h->titles], 1);
    m->posts = take(o, "posts", m->post_at[h->word_slots], sizeof(uint32_t));
    if (o->status < 0)
        return;
    if (!rises(m->title_at, h->titles, m->title_at[h->titles]))
        broken(o, "title_at");
    if (!rises(m->post_at, h->word_slots, m->post_at[h->word_slots]))
        broken(o, "post_at");
    for (size_t i = 0; i < h->titles; i++)
        if (m->title_class[i] >= h->classes)
            broken(o, "title_class");
    for (size_t i = 0; i < m->post_at[h->word_slots]; i++)
        if (m->posts[i] >= h->titles)
            broken(o, "posts");
}

static const eng_str *take_list(opener *o, const eng_json *root, const char *key, size_t count)
{
    const eng_json *list = eng_json_get(root, eng_str_of(key));
    eng_str *out = eng_arena_array(&o->m->arena, count + 1, sizeof *out);
    if (!out) {
        o->status = eng_fail_nomem(o->err);
        return NULL;
    }
    if (!eng_json_is(list, ENG_JSON_ARRAY) || list->count != count) {
        broken(o, "names");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!eng_json_is(eng_json_at(list, i), ENG_JSON_STRING))
            broken(o, "names");
        out[i] = eng_json_text(eng_json_at(list, i));
    }
    return out;
}

static void take_names(opener *o)
{
    eng_text_model *m = o->m;
    const eng_section *names = NULL, *metrics = NULL;
    const eng_json *root = NULL;
    eng_buf settings;
    if (o->status == ENG_OK)
        o->status = eng_container_need(&m->container, ENG_STR("names"), 1, &names, o->err);
    if (o->status == ENG_OK)
        o->status = eng_container_need(&m->container, ENG_STR("metrics"), 1, &metrics, o->err);
    if (o->status == ENG_OK)
        o->status = eng_json_read((eng_str){names->data, names->size}, NULL, &m->arena, &root,
                                  o->err);
    if (o->status < 0)
        return;
    m->info.fields = take_list(o, root, "fields", m->info.field_count);
    m->info.numbers = take_list(o, root, "numbers", m->info.number_count);
    m->info.categories = take_list(o, root, "categories", m->info.category_count);
    m->info.metrics = (eng_str){metrics->data, metrics->size};
    eng_buf_init(&settings, 1 << 20);
    eng_json_writer w = eng_json_write_to(&settings);
    if (eng_json_is(eng_json_get(root, ENG_STR("settings")), ENG_JSON_OBJECT))
        eng_json_copy(&w, eng_json_get(root, ENG_STR("settings")));
    m->info.settings = eng_arena_copy(&m->arena, eng_buf_view(&settings));
    if (o->status == ENG_OK)
        o->status = eng_buf_check(&settings, "settings", o->err);
    if (o->status == ENG_OK && !m->info.settings.ptr)
        o->status = eng_fail_nomem(o->err);
    eng_buf_clear(&settings);
}

static eng_status read_model(eng_text_model *m, eng_error *err)
{
    opener o = {.m = m, .err = err};
    take_head(&o);
    if (o.status < 0)
        return o.status;
    m->info.field_count = m->head.fields;
    m->info.number_count = m->head.numbers;
    m->info.category_count = m->head.classes;
    m->info.data = m->head.data;
    m->info.sum = m->container.sum;
    m->info.bytes = m->container.size;
    take_tables(&o);
    take_names(&o);
    return o.status;
}

static eng_status open_model(const char *what, const unsigned char *data, size_t len,
                             eng_text_model **out, eng_error *err)
{
    eng_text_model *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    eng_arena_init(&m->arena, 4096, NULL);
    eng_status status = data ? eng_container_of(data, len, what, ENG_STR("text"), ENG_TEXT_VERSION,
                                                &m->container, err)
                             : eng_container_open(what, ENG_STR("text"), ENG_TEXT_VERSION,
                                                  &m->container, err);
    if (status == ENG_OK) {
        status = read_model(m, err);
        if (status < 0)
            eng_error_prefix(err, "'%s' is damaged", what);
    }
    if (status < 0)
        eng_text_free(m);
    else
        *out = m;
    return status;
}

eng_status eng_text_open(const char *path, eng_text_model **out, eng_error *err)
{
    return open_model(path, NULL, 0, out, err);
}

eng_status eng_text_of(const unsigned char *data, size_t len, const char *what,
                       eng_text_model **out, eng_error *err)
{
    return open_model(what, data, len, out, err);
}

void eng_text_free(eng_text_model *m)
{
    if (!m)
        return;
    eng_container_close(&m->container);
    eng_arena_clear(&m->arena);
    eng_free(m);
}

const eng_text_info *eng_text_info_of(const eng_text_model *m) { return &m->info; }

/* ---- Scratch ---- */

eng_status eng_text_scratch_new(eng_text_scratch **out, eng_error *err)
{
    eng_text_scratch *s = eng_zalloc(sizeof *s);
    if (s)
        s->table = eng_zalloc(ENG_SEEN_SLOTS * sizeof *s->table);
    if (!s || !s->table) {
        eng_text_scratch_free(s);
        return eng_fail_nomem(err);
    }
    *out = s;
    return ENG_OK;
}

void eng_text_scratch_free(eng_text_scratch *s)
{
    if (!s)
        return;
    eng_free(s->memory);
    eng_free(s->scores);
    eng_free(s->table);
    eng_free(s->likeness);
    eng_free(s->touched);
    eng_free(s);
}

static eng_status grow(eng_text_scratch *s, size_t classes, eng_error *err)
{
    int64_t *memory = eng_alloc_array(classes * 4, sizeof *memory);
    float *scores = eng_alloc_array(classes, sizeof *scores);
    if (!memory || !scores) {
        eng_free(memory);
        eng_free(scores);
        return eng_fail_nomem(err);
    }
    eng_free(s->memory);
    eng_free(s->scores);
    s->memory = memory;
    s->scores = scores;
    s->classes = classes;
    return ENG_OK;
}

static eng_text_sums nothing(int64_t *memory, size_t classes)
{
    memset(memory, 0, 2 * classes * sizeof *memory);
    return (eng_text_sums){.words = memory, .runs = memory + classes};
}

eng_status eng_text_begin(const eng_text_model *m, eng_text_scratch *s, eng_error *err)
{
    const size_t n = m->head.classes;
    eng_status status = n > s->classes ? grow(s, n, err) : ENG_OK;
    if (status < 0)
        return status;
    s->all = nothing(s->memory, n);
    s->one = nothing(s->memory + 2 * n, n);
    if (s->seen > ENG_SEEN_FEW)
        memset(s->table, 0, ENG_SEEN_SLOTS * sizeof *s->table);
    s->seen = 0;
    return ENG_OK;
}

static bool put_seen(eng_text_scratch *s, uint64_t hash)
{
    size_t at = hash % ENG_SEEN_SLOTS;
    hash = hash ? hash : 1;
    while (s->table[at] && s->table[at] != hash)
        at = (at + 1) % ENG_SEEN_SLOTS;
    if (s->table[at])
        return false;
    s->table[at] = hash;
    return true;
}

bool eng_text_first(eng_text_scratch *s, uint64_t hash)
{
    if (s->seen < ENG_SEEN_FEW) {
        for (size_t i = 0; i < s->seen; i++)
            if (s->few[i] == hash)
                return false;
        s->few[s->seen++] = hash;
        return true;
    }
    for (size_t i = 0; s->seen == ENG_SEEN_FEW && i < ENG_SEEN_FEW; i++)
        put_seen(s, s->few[i]);
    if (s->seen == ENG_SEEN_MAX || !put_seen(s, hash)) {
        s->seen += s->seen == ENG_SEEN_FEW; /* the table is to be emptied */
        return false;
    }
    s->seen++;
    return true;
}

/* ---- Sums ---- */

size_t eng_text_find_word(const eng_text_model *m, uint64_t hash)
{
    const uint32_t tag = eng_text_word_tag(hash);
    const size_t slots = m->head.word_slots;
    size_t slot = eng_text_slot(hash, slots);
    for (size_t looks = 0; looks < slots; looks++, slot = slot + 1 < slots ? slot + 1 : 0) {
        uint32_t there;
        memcpy(&there, m->words + slot * m->word_size, sizeof there);
        if (there == tag)
            return slot;
        if (!there)
            break;
    }
    return SIZE_MAX;
}

bool eng_text_sum_part(const eng_text_model *m, uint64_t hash, int64_t *weights, int64_t *square)
{
    const uint16_t tag = eng_text_part_tag(hash);
    const size_t slots = m->head.part_slots;
    size_t slot = eng_text_slot(hash, slots);
    for (size_t looks = 0; looks < slots; looks++, slot = slot + 1 < slots ? slot + 1 : 0) {
        const unsigned char *at = m->parts + slot * m->part_size;
        eng_text_part_entry e;
        memcpy(&e, at, sizeof e);
        if (!e.tag)
            return false;
        if (e.tag != tag)
            continue;
        const int16_t *w = (const int16_t *)(at + sizeof e);
        for (size_t c = 0; c < m->head.classes; c++)
            weights[c] += w[c];
        *square += e.idf2;
        return true;
    }
    return false;
}

/* The surprise of it. */
static float sum_unknown(const eng_text_model *m, const eng_text_word *w, eng_text_sums *to)
{
    uint64_t grams[ENG_TEXT_GRAMS];
    size_t found = 0, count = 0;
    if (m->head.char_max)
        count = eng_text_grams(w->text, m->head.char_min, m->head.char_max, grams);
    for (size_t i = 0; i < count; i++) /* none of them is waited for alone */
        __builtin_prefetch(m->parts + eng_text_slot(grams[i], m->head.part_slots) * m->part_size);
    for (size_t i = 0; i < count; i++)
        found += eng_text_sum_part(m, grams[i], to->runs, &to->runs2);
    return eng_text_strange(m->head.rows, found, count);
}

void eng_text_sum_word(const eng_text_model *m, const eng_text_word *w, eng_text_sums *to)
{
    size_t slot = eng_text_find_word(m, w->hash);
    to->count++;
    if (slot == SIZE_MAX) {
        to->surprise += sum_unknown(m, w, to);
        return;
    }
    const unsigned char *at = m->words + slot * m->word_size;
    const size_t n = m->head.classes;
    eng_text_word_entry e;
    memcpy(&e, at, sizeof e);
    const int32_t *own = (const int32_t *)(at + sizeof e), *runs = own + n;
    for (size_t c = 0; c < n; c++)
        to->words[c] += own[c];
    for (size_t c = 0; c < n; c++)
        to->runs[c] += runs[c];
    to->words2 += e.idf2;
    to->runs2 += e.runs2;
    to->surprise += (float)e.surprise / 256;
}

void eng_text_sum_again(const eng_text_model *m, const eng_text_word *w, eng_text_sums *to)
{
    size_t slot = eng_text_find_word(m, w->hash);
    if (slot == SIZE_MAX) {
        sum_unknown(m, w, to);
        return;
    }
    const unsigned char *at = m->words + slot * m->word_size;
    const size_t n = m->head.classes;
    eng_text_word_entry e;
    memcpy(&e, at, sizeof e);
    const int32_t *runs = (const int32_t *)(at + sizeof e) + n;
    for (size_t c = 0; c < n; c++)
        to->runs[c] += runs[c];
    to->runs2 += e.runs2;
}

float eng_text_scale(const eng_text_model *m, int64_t square)
{
    return square > 0 ? m->head.unit / sqrtf((float)square / ENG_IDF_UNIT) : 0;
}

/* ---- An answer ---- */

static void sum_text(const eng_text_model *m, eng_str text, eng_text_scratch *s)
{
    eng_text_words words = eng_text_words_of(text);
    eng_text_word w;
    uint64_t before = 0;
    while (s->seen < ENG_SEEN_MAX && eng_text_words_next(&words, &w)) {
        if (eng_text_first(s, w.hash))
            eng_text_sum_word(m, &w, &s->all);
        else
            eng_text_sum_again(m, &w, &s->all);
        if (before && m->head.word_grams > 1) {
            uint64_t pair = eng_text_pair_hash(before, w.hash);
            if (eng_text_first(s, pair))
                eng_text_sum_part(m, pair, s->all.words, &s->all.words2);
        }
        before = w.hash;
    }
}

static void sum_numbers(const eng_text_model *m, const eng_text_item *item, eng_text_scratch *s)
{
    for (size_t i = 0; i < m->head.numbers && i < item->number_count; i++) {
        unsigned bin = eng_text_bin(m->edges + i * (ENG_BINS - 1), (float)item->numbers[i]);
        if (bin)
            eng_text_sum_part(m, eng_text_number_hash(i, bin), s->all.words, &s->all.words2);
    }
}

/* Scores to probabilities, in place; the best class. */
static uint32_t finish(const eng_text_model *m, size_t view, eng_text_scratch *s)
{
    const size_t n = m->head.classes;
    const float words = eng_text_scale(m, s->all.words2), runs = eng_text_scale(m, s->all.runs2);
    const float heat = m->heat[view];
    float sum = 0;
    uint32_t best = 0;
    for (size_t c = 0; c < n; c++) {
        s->scores[c] = m->bias[c] + words * (float)s->all.words[c] + runs * (float)s->all.runs[c];
        best = s->scores[c] > s->scores[best] ? (uint32_t)c : best;
    }
    float top = s->scores[best];
    for (size_t c = 0; c < n; c++)
        sum += s->scores[c] = expf((s->scores[c] - top) / heat);
    for (size_t c = 0; c < n; c++)
        s->scores[c] /= sum;
    return best;
}

eng_status eng_text_predict(const eng_text_model *m, const eng_text_item *item, eng_text_scratch *s,
                            eng_text_answer *out, eng_error *err)
{
    size_t fields = 0;
    eng_status status = eng_text_begin(m, s, err);
    if (status < 0)
        return status;
    for (size_t i = 0; i < m->head.fields && i < item->text_count; i++) {
        uint32_t before = s->all.count;
        sum_text(m, item->texts[i], s);
        fields += s->all.count > before;
    }
    sum_numbers(m, item, s);
    const size_t view = fields ? fields - 1 : 0;
    uint32_t best = finish(m, view, s);
    float familiar = eng_text_familiar(m->head.mean_surprise, s->all.surprise, s->all.count,
                                       m->head.rows) -
                     m->limit[view];
    *out = (eng_text_answer){.category = best,
                             .probability = s->scores[best],
                             .familiarity = familiar,
                             .unknown = familiar < 0};
    return ENG_OK;
}
