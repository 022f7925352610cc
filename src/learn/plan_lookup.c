/* Categories: keys in a hash table of the plan's own, so that one is found without Python's dict. */
#include "learn/plan_internal.h"

#include "base/check.h"

#include <math.h>

/* FNV-1a. A stranger who makes keys collide makes his own model slow. */
uint32_t eng_plan_hash_text(eng_str text)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.ptr[i]) * 0x100000001b3;
    return (uint32_t)(h ^ h >> 32);
}

static uint32_t hash_number(double x)
{
    uint64_t bits;
    x += 0.0; /* -0 is 0 */
    memcpy(&bits, &x, sizeof bits);
    bits *= 0x9E3779B97F4A7C15;
    return (uint32_t)(bits >> 32);
}

/* Takes n things of `size` bytes off the front; NULL where they are not there. */
static const void *take(const unsigned char *data, size_t len, size_t *at, size_t n, size_t size)
{
    size_t bytes;
    if (!eng_mul(n, size, &bytes) || bytes > len - *at)
        return NULL;
    const void *found = data + *at;
    *at += bytes;
    return found;
}

bool eng_plan_keys_of(const unsigned char *data, size_t size, eng_plan_keys_view *out)
{
    eng_plan_keys_view v = {0};
    size_t at = 0, rows;
    const void *head = take(data, size, &at, 1, sizeof v.head);
    if (!head)
        return false;
    memcpy(&v.head, head, sizeof v.head);
    if (!eng_mul(v.head.count, v.head.width, &rows))
        return false;
    v.numbers = take(data, size, &at, v.head.of_numbers ? v.head.count : 0, sizeof(double));
    v.rows = v.numbers ? take(data, size, &at, rows, sizeof(double)) : NULL;
    v.missing = v.rows ? take(data, size, &at, v.head.width, sizeof(double)) : NULL;
    v.unknown = v.missing ? take(data, size, &at, v.head.width, sizeof(double)) : NULL;
    v.slots = v.unknown ? take(data, size, &at, v.head.slots, sizeof(uint32_t)) : NULL;
    v.ends = v.slots ? take(data, size, &at, v.head.of_numbers ? 0 : v.head.count, sizeof(uint32_t))
                     : NULL;
    v.texts = v.ends ? take(data, size, &at, v.head.texts, 1) : NULL;
    if (!v.texts || at != size)
        return false;
    *out = v;
    return true;
}

/* ---- Building ---- */

static eng_str key_text(const eng_plan_keys_view *v, size_t i)
{
    uint32_t from = i ? v->ends[i - 1] : 0;
    return (eng_str){v->texts + from, v->ends[i] - from};
}

static uint32_t find_text(const eng_plan_keys_view *v, eng_str text)
{
    uint32_t mask = v->head.slots - 1;
    for (uint32_t at = eng_plan_hash_text(text);; at++) {
        uint32_t key = v->slots[at & mask];
        if (key == 0 || eng_str_eq(key_text(v, key - 1), text))
            return key;
    }
}

static uint32_t find_number(const eng_plan_keys_view *v, double x)
{
    uint32_t mask = v->head.slots - 1;
    for (uint32_t at = hash_number(x);; at++) {
        uint32_t key = v->slots[at & mask];
        if (key == 0 || v->numbers[key - 1] == x)
            return key;
    }
}

static void fill_slots(uint32_t *slots, uint32_t count, const eng_plan_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        uint32_t at = keys->numbers ? hash_number(keys->numbers[i])
                                    : eng_plan_hash_text(keys->texts[i]);
        while (slots[at & (count - 1)])
            at++;
        slots[at & (count - 1)] = (uint32_t)i + 1;
    }
}

static bool put_slots(eng_plan_builder *b, uint32_t slots, const eng_plan_keys *keys)
{
    uint32_t *table = eng_zalloc((size_t)slots * sizeof *table);
    if (!table)
        return false;
    fill_slots(table, slots, keys);
    eng_buf_bytes(&b->data, table, (size_t)slots * sizeof *table);
    eng_free(table);
    return true;
}

static void put_row(eng_plan_builder *b, const double *row, size_t width)
{
    for (size_t i = 0; i < width; i++)
        eng_buf_bytes(&b->data, row ? &row[i] : &(double){0}, sizeof *row);
}

static size_t texts_size(const eng_plan_keys *keys)
{
    size_t size = 0;
    for (size_t i = 0; i < keys->count && !keys->numbers; i++)
        if (!eng_add(size, keys->texts[i].len, &size))
            return SIZE_MAX;
    return size;
}

static eng_status put_keys(eng_plan_builder *b, const eng_plan_keys *keys)
{
    eng_plan_keys_head head = {.count = (uint32_t)keys->count,
                               .width = (uint32_t)keys->width,
                               .slots = 2,
                               .texts = (uint32_t)texts_size(keys),
                               .of_numbers = keys->numbers != NULL,
                               .has_missing = keys->missing != NULL,
                               .has_unknown = keys->unknown != NULL};
    while (head.slots < 2 * keys->count)
        head.slots *= 2;
    eng_buf_bytes(&b->data, &head, sizeof head);
    if (keys->numbers)
        eng_buf_bytes(&b->data, keys->numbers, keys->count * sizeof(double));
    eng_buf_bytes(&b->data, keys->rows, keys->count * keys->width * sizeof(double));
    put_row(b, keys->missing, keys->width);
    put_row(b, keys->unknown, keys->width);
    if (!put_slots(b, head.slots, keys))
        return ENG_ENOMEM;
    uint32_t end = 0;
    for (size_t i = 0; i < keys->count && !keys->numbers; i++) {
        end += (uint32_t)keys->texts[i].len;
        eng_buf_bytes(&b->data, &end, sizeof end);
    }
    for (size_t i = 0; i < keys->count && !keys->numbers; i++)
        eng_buf_str(&b->data, keys->texts[i]);
    return ENG_OK;
}

static bool is_text_input(const eng_plan_builder *b, uint32_t x)
{
    const eng_plan_field *fields = (const eng_plan_field *)(const void *)b->fields.data;
    return x < b->inputs && fields[x].type == ENG_PLAN_TEXT;
}

uint32_t eng_plan_lookup(eng_plan_builder *b, uint32_t x, const eng_plan_keys *keys)
{
    size_t data = eng_plan_data(b), rows;
    if (b->failure.status < 0)
        return ENG_PLAN_NONE;
    if (keys->count > ENG_PLAN_COLUMNS || keys->width > ENG_PLAN_COLUMNS || keys->width == 0 ||
        !eng_mul(keys->count, keys->width, &rows) || rows > SIZE_MAX / sizeof(double) ||
        texts_size(keys) > INT32_MAX)
        return eng_plan_fail(b, ENG_ETOOBIG, "too many categories");
    if ((keys->texts != NULL) == (keys->numbers != NULL) && keys->count > 0)
        return eng_plan_fail(b, ENG_EINTERNAL, "categories are texts or numbers");
    if (is_text_input(b, x) == (keys->numbers != NULL) && keys->count > 0)
        return eng_plan_fail(b, ENG_EUNSUPPORTED, "categories of another type than the field");
    for (size_t i = 0; i < keys->count && keys->numbers; i++)
        if (isnan(keys->numbers[i]))
            return eng_plan_fail(b, ENG_EMALFORMED, "a category that is no number");
    eng_plan_keys typed = *keys; /* without any key the input says what they would be */
    if (keys->count == 0)
        typed.numbers = is_text_input(b, x) ? NULL : &(double){0};
    if (put_keys(b, &typed) < 0)
        return eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    return eng_plan_emit(b, (eng_plan_step){.code = OP_LOOKUP}, &x, 1, keys->width, data);
}

/* The number of the column that holds the 1; -1: none does. */
static double column_of(const double *row, size_t width)
{
    for (size_t j = 0; row && j < width; j++)
        if (row[j] != 0)
            return (double)j;
    return -1;
}

uint32_t eng_plan_one_hot(eng_plan_builder *b, uint32_t x, const eng_plan_keys *keys,
                          const uint32_t *columns)
{
    double *codes = eng_alloc_array(keys->count, sizeof *codes);
    if (!codes)
        return eng_plan_fail(b, ENG_ENOMEM, "a model: out of memory");
    for (size_t i = 0; i < keys->count; i++) {
        uint32_t column = columns ? columns[i] : (uint32_t)i;
        codes[i] = column < keys->width ? (double)column : -1;
    }
    double missing = column_of(keys->missing, keys->width);
    double unknown = column_of(keys->unknown, keys->width);
    eng_plan_keys coded = {.texts = keys->texts,
                           .numbers = keys->numbers,
                           .count = keys->count,
                           .width = 1,
                           .rows = codes,
                           .missing = keys->missing ? &missing : NULL,
                           .unknown = keys->unknown ? &unknown : NULL};
    uint32_t code = eng_plan_lookup(b, x, &coded);
    eng_free(codes);
    return eng_plan_emit(b, (eng_plan_step){.code = OP_EXPAND}, &code, 1, keys->width,
                         eng_plan_data(b));
}

/* ---- Running ---- */

static eng_status refuse(const eng_plan_bound *b, const eng_plan_run *r, size_t row,
                         const char *why)
{
    uint32_t x = b->in[0];
    eng_str name = x < r->plan->head->inputs ? r->plan->fields[x].name : ENG_STR("a column");
    eng_fail_field(r->err, ENG_EINVALID, name, "%s", why);
    if (r->err)
        r->err->line = (uint32_t)(r->first + row + 1);
    return ENG_EINVALID;
}

static void put(const eng_plan_bound *b, const eng_plan_run *r, size_t row, const double *values)
{
    for (uint32_t j = 0; j < b->step->m; j++)
        eng_plan_col(r, b->step->out + j)[row] = values[j];
}

eng_status eng_plan_run_lookup(const eng_plan_bound *b, const eng_plan_run *r)
{
    const eng_plan_keys_view *v = &b->of.keys;
    const eng_str *texts = NULL;
    const double *numbers = NULL;
    if (v->head.of_numbers)
        numbers = eng_plan_col(r, b->in[0]);
    else
        texts = r->inputs[b->in[0]].texts + r->first;
    for (size_t i = 0; i < r->rows; i++) {
        bool missing = texts ? texts[i].ptr == NULL : isnan(numbers[i]);
        uint32_t key = 0;
        if (!missing)
            key = texts ? find_text(v, texts[i]) : find_number(v, numbers[i]);
        if (key)
            put(b, r, i, v->rows + (size_t)(key - 1) * v->head.width);
        else if (missing ? v->head.has_missing : v->head.has_unknown)
            put(b, r, i, missing ? v->missing : v->unknown);
        else
            return refuse(b, r, i, missing ? "may not be missing" : "is none of the categories");
    }
    return ENG_OK;
}
