/*
 * Chunks: vectors in the order of their rows, as they came and in eight bits.
 *
 *     rows, kinds, scales     a column each
 *     codes                   scale * code is about the value; a stride is a multiple of 64
 *     values                  f32: read only of those that the codes say are near
 */
#include "index/index_internal.h"

#include "base/alloc.h"

#include <math.h>

enum { SECTION_ROWS, SECTION_KINDS, SECTION_SCALES, SECTION_CODES, SECTION_VALUES };
enum { ALIGN = 64, DIM_MAX = 4096, COUNT_MAX = 1 << 30 };

uint32_t eng_code_stride(uint32_t dim) { return (dim + ALIGN - 1) / ALIGN * ALIGN; }

float eng_encode(const float *v, uint32_t dim, int8_t *code)
{
    float most = 0;
    for (uint32_t i = 0; i < dim; i++)
        most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
    float scale = most / 127, per = most > 0 ? 127 / most : 0;
    for (uint32_t i = 0; i < dim; i++)
        code[i] = (int8_t)lrintf(v[i] * per);
    memset(code + dim, 0, eng_code_stride(dim) - dim);
    return scale;
}

bool eng_unit(const float *v, uint32_t dim, float *out)
{
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++)
        sum += (double)v[i] * (double)v[i];
    if (!(sum > 0) || !isfinite(sum))
        return false;
    float per = (float)(1 / sqrt(sum));
    for (uint32_t i = 0; i < dim; i++)
        out[i] = v[i] * per;
    return true;
}

/* ---- Reading ------------------------------------------------------------------------------------------- */

static eng_status bad(const eng_image *image, const char *what, eng_error *err)
{
    return eng_fail(err, ENG_ECORRUPT, "'%s': %s", image->path ? image->path : "index in memory",
                    what);
}

static eng_status column(const eng_chunk *c, unsigned section, size_t size, const void *out,
                         eng_error *err)
{
    const unsigned char *data;
    size_t len;
    eng_status status = eng_image_section(c->image, section, &data, &len, err);
    if (status < 0)
        return status;
    if (len != c->count * size)
        return bad(c->image, "a column is not as long as its vectors", err);
    *(const void **)(uintptr_t)out = data;
    return ENG_OK;
}

eng_status eng_chunk_open(eng_image *image, uint32_t dim, eng_chunk *out, eng_error *err)
{
    eng_chunk c = {.image = image, .count = (size_t)image->numbers[0], .dim = dim};
    c.stride = eng_code_stride(dim);
    if (image->numbers[0] > COUNT_MAX || image->numbers[1] != dim || dim == 0 || dim > DIM_MAX)
        return bad(image, "vectors of another kind", err);
    eng_status status = column(&c, SECTION_ROWS, sizeof *c.rows, &c.rows, err);
    if (status == ENG_OK)
        status = column(&c, SECTION_KINDS, 1, &c.kinds, err);
    if (status == ENG_OK)
        status = column(&c, SECTION_SCALES, sizeof *c.scales, &c.scales, err);
    c.single = c.count > 0;
    for (size_t i = 0; status == ENG_OK && i < c.count; i++) {
        c.single = c.single && c.kinds[i] == ENG_VECTOR_PASSAGE && c.rows[i] == c.rows[0] + i;
        if ((i && c.rows[i] < c.rows[i - 1]) || c.kinds[i] >= ENG_VECTOR_KINDS)
            status = bad(image, "vectors in disorder", err);
    }
    if (status < 0)
        return status;
    const eng_section *codes = &image->sections[SECTION_CODES];
    const eng_section *values = &image->sections[SECTION_VALUES];
    if (codes->len != (uint64_t)c.count * c.stride ||
        values->len != (uint64_t)c.count * dim * sizeof(float) || values->at % sizeof(float))
        return bad(image, "vectors are missing", err);
    c.codes = (const int8_t *)image->data + codes->at;
    c.values = (const float *)(const void *)(image->data + values->at);
    *out = c;
    return ENG_OK;
}

eng_status eng_chunk_codes(const eng_chunk *c, eng_error *err)
{
    const eng_section *s = &c->image->sections[SECTION_CODES];
    return eng_image_check(c->image, s->at, s->len, err);
}

const float *eng_chunk_values(const eng_chunk *c, size_t i, eng_error *err)
{
    uint64_t at = c->image->sections[SECTION_VALUES].at + (uint64_t)i * c->dim * sizeof(float);
    return eng_image_check(c->image, at, c->dim * sizeof(float), err) < 0 ? NULL
                                                                          : c->values + i * c->dim;
}

/* Where nothing has died, row and place differ by a constant: that is tried first. */
size_t eng_chunk_find(const eng_chunk *c, uint32_t row)
{
    size_t low = 0, high = c->count;
    if (c->count && row >= c->rows[0] && row - c->rows[0] < c->count) {
        size_t guess = row - c->rows[0];
        if (c->rows[guess] == row && (guess == 0 || c->rows[guess - 1] != row))
            return guess;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

/* The i-th vector of an item in the order in which they are kept: the passage's first. */
static const eng_index_vector *in_order(const eng_index_item *item, size_t i)
{
    size_t at = 0;
    for (unsigned kind = 0; kind < ENG_VECTOR_KINDS; kind++) {
        for (size_t k = 0; k < item->vector_count; k++) {
            if (item->vectors[k].kind == (eng_vector_kind)kind && at++ == i)
                return &item->vectors[k];
        }
    }
    return NULL;
}

static eng_status check_items(const eng_index_item *items, size_t count, size_t *vectors,
                              eng_error *err)
{
    *vectors = 0;
    for (size_t i = 0; i < count; i++) {
        size_t passages = 0;
        for (size_t k = 0; k < items[i].vector_count; k++) {
            unsigned kind = (unsigned)items[i].vectors[k].kind;
            if (kind >= ENG_VECTOR_KINDS)
                return eng_fail(err, ENG_EINVALID, "a vector of an unknown kind");
            passages += kind == ENG_VECTOR_PASSAGE;
        }
        if (passages > 1)
            return eng_fail(err, ENG_EINVALID, "a passage has one vector of its whole");
        *vectors += items[i].vector_count;
    }
    return ENG_OK;
}

/* All columns of the new vectors, one after the other. */
typedef struct {
    uint32_t *rows;
    uint8_t *kinds;
    float *scales;
    int8_t *codes;
    float *values;
} columns;

static eng_status fill(const eng_index_item *items, size_t count, uint32_t base, uint32_t dim,
                       const columns *c, eng_error *err)
{
    size_t at = 0, stride = eng_code_stride(dim);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < items[i].vector_count; k++, at++) {
            const eng_index_vector *v = in_order(&items[i], k);
            if (!v || !eng_unit(v->values, dim, c->values + at * dim))
                return eng_fail(err, ENG_EINVALID, "a vector has no direction");
            c->rows[at] = base + (uint32_t)i;
            c->kinds[at] = (uint8_t)v->kind;
            c->scales[at] = eng_encode(c->values + at * dim, dim, c->codes + at * stride);
        }
    }
    return ENG_OK;
}

static void put_column(eng_sink *sink, unsigned section, const void *data, size_t len)
{
    eng_sink_begin(sink, section);
    eng_sink_put(sink, data, len);
    eng_sink_end(sink, section);
}

static eng_status close_chunk(eng_sink *sink, size_t count, uint32_t dim, eng_chunk *out,
                              eng_error *err)
{
    eng_image *image = NULL;
    sink->numbers[0] = count;
    sink->numbers[1] = dim;
    eng_status status = eng_sink_close(sink, ENG_IMAGE_CHUNK, &image, err);
    if (status == ENG_OK)
        status = eng_chunk_open(image, dim, out, err);
    if (status < 0)
        eng_image_unref(image);
    return status;
}

eng_status eng_chunk_build(const eng_index_item *items, size_t count, uint32_t base, uint32_t dim,
                           eng_chunk *out, eng_error *err)
{
    size_t vectors, stride = eng_code_stride(dim);
    eng_status status = check_items(items, count, &vectors, err);
    *out = (eng_chunk){0};
    if (status < 0 || vectors == 0)
        return status;
    columns c = {.rows = eng_alloc_array(vectors, sizeof *c.rows),
                 .kinds = eng_alloc_array(vectors, sizeof *c.kinds),
                 .scales = eng_alloc_array(vectors, sizeof *c.scales),
                 .codes = eng_alloc_array(vectors, stride),
                 .values = eng_alloc_array(vectors, dim * sizeof *c.values)};
    eng_sink sink;
    if (!c.rows || !c.kinds || !c.scales || !c.codes || !c.values) {
        status = eng_fail_nomem(err);
        goto done;
    }
    status = fill(items, count, base, dim, &c, err);
    if (status < 0)
        goto done;
    status = eng_sink_open(&sink, NULL, err);
    if (status < 0)
        goto done;
    put_column(&sink, SECTION_ROWS, c.rows, vectors * sizeof *c.rows);
    put_column(&sink, SECTION_KINDS, c.kinds, vectors);
    put_column(&sink, SECTION_SCALES, c.scales, vectors * sizeof *c.scales);
    put_column(&sink, SECTION_CODES, c.codes, vectors * stride);
    put_column(&sink, SECTION_VALUES, c.values, vectors * dim * sizeof *c.values);
    status = close_chunk(&sink, vectors, dim, out, err);
done:
    eng_free(c.rows);
    eng_free(c.kinds);
    eng_free(c.scales);
    eng_free(c.codes);
    eng_free(c.values);
    return status;
}

/* What of each vector of a chunk a section holds. */
static const void *part_of(const eng_chunk *c, unsigned section, size_t i, size_t *size)
{
    switch (section) {
    case SECTION_ROWS:
        *size = sizeof *c->rows;
        return c->rows + i;
    case SECTION_KINDS:
        *size = 1;
        return c->kinds + i;
    case SECTION_SCALES:
        *size = sizeof *c->scales;
        return c->scales + i;
    case SECTION_CODES:
        *size = c->stride;
        return c->codes + i * c->stride;
    default:
        *size = c->dim * sizeof *c->values;
        return c->values + i * c->dim;
    }
}

eng_status eng_chunk_merge(const eng_chunk *chunks, size_t count, const uint64_t *live,
                           const char *path, eng_chunk *out, eng_error *err)
{
    eng_sink sink;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        eng_status status = eng_image_check(chunks[i].image, 0, chunks[i].image->len,
                                            err); /* all is copied */
        if (status < 0)
            return status;
    }
    eng_status status = eng_sink_open(&sink, path, err);
    if (status < 0)
        return status;
    for (unsigned section = SECTION_ROWS; section <= SECTION_VALUES; section++) {
        kept = 0;
        eng_sink_begin(&sink, section);
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < chunks[i].count; k++) {
                size_t size;
                const void *part = part_of(&chunks[i], section, k, &size);
                if (!eng_bit(live, chunks[i].rows[k]))
                    continue;
                eng_sink_put(&sink, part, size);
                kept++;
            }
        }
        eng_sink_end(&sink, section);
    }
    *out = (eng_chunk){0};
    if (kept == 0) {
        eng_sink_clear(&sink);
        return ENG_OK;
    }
    return close_chunk(&sink, kept, chunks[0].dim, out, err);
}
