/*
 * The layout: the header's length in 8 bytes, the header (one JSON object: name -> dtype, shape,
 * data_offsets), the data. Offsets count from where the data begin; together they must cover it
 * without overlap or gap, as the format demands.
 */
#include "format/safetensors.h"

#include "base/check.h"
#include "base/error.h"
#include "base/span.h"
#include "json/json.h"

#include <stdlib.h>

enum { HEADER_MAX = 16 << 20, TENSORS_MAX = 65536, DIMS_MAX = 8 };

static const struct {
    const char *name;
    eng_tensor_type type;
    size_t size;
} dtypes[] = {
    {"F32", ENG_TENSOR_F32, 4},       {"F16", ENG_TENSOR_F16, 2},
    {"BF16", ENG_TENSOR_BF16, 2},     {"BOOL", ENG_TENSOR_OTHER, 1},
    {"U8", ENG_TENSOR_OTHER, 1},      {"I8", ENG_TENSOR_OTHER, 1},
    {"F8_E4M3", ENG_TENSOR_OTHER, 1}, {"F8_E5M2", ENG_TENSOR_OTHER, 1},
    {"U16", ENG_TENSOR_OTHER, 2},     {"I16", ENG_TENSOR_OTHER, 2},
    {"U32", ENG_TENSOR_OTHER, 4},     {"I32", ENG_TENSOR_OTHER, 4},
    {"U64", ENG_TENSOR_OTHER, 8},     {"I64", ENG_TENSOR_OTHER, 8},
    {"F64", ENG_TENSOR_OTHER, 8},
};

/* ---- One entry of the header ---- */

static eng_status lies(eng_error *err, eng_str name, const char *what)
{
    eng_str shown = {name.ptr, name.len < 100 ? name.len : 100};
    return eng_fail(err, ENG_ECORRUPT, "safetensors: tensor '%.*s': %s", ENG_FMT(shown), what);
}

static bool size_of(const eng_json *v, size_t *out)
{
    if (!eng_json_is(v, ENG_JSON_INT) || v->as.integer < 0)
        return false;
    *out = (size_t)v->as.integer;
    return true;
}

static eng_status read_type(const eng_json *v, eng_tensor *t, size_t *size, eng_error *err)
{
    if (!eng_json_is(v, ENG_JSON_STRING))
        return lies(err, t->name, "has no dtype");
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (eng_str_eq(eng_json_text(v), eng_str_of(dtypes[i].name))) {
            t->type = dtypes[i].type;
            *size = dtypes[i].size;
            return ENG_OK;
        }
    }
    return lies(err, t->name, "its dtype is unknown");
}

static eng_status read_shape(const eng_json *v, eng_tensor *t, eng_error *err)
{
    if (!eng_json_is(v, ENG_JSON_ARRAY) || v->count > DIMS_MAX)
        return lies(err, t->name, "its shape is no list of up to 8 sizes");
    t->dims = v->count;
    t->count = 1;
    for (unsigned i = 0; i < t->dims; i++)
        if (!size_of(eng_json_at(v, i), &t->shape[i]) || !eng_mul(t->count, t->shape[i], &t->count))
            return lies(err, t->name, "its shape is out of range");
    return ENG_OK;
}

static eng_status read_entry(const eng_json *v, eng_span data, eng_tensor *t, eng_error *err)
{
    size_t item = 0, begin, end, bytes;
    eng_status status = read_type(eng_json_get(v, ENG_STR("dtype")), t, &item, err);
    if (status == ENG_OK)
        status = read_shape(eng_json_get(v, ENG_STR("shape")), t, err);
    if (status < 0)
        return status;
    const eng_json *offsets = eng_json_get(v, ENG_STR("data_offsets"));
    if (eng_json_count(offsets) != 2 || !size_of(eng_json_at(offsets, 0), &begin) ||
        !size_of(eng_json_at(offsets, 1), &end))
        return lies(err, t->name, "has no data_offsets");
    if (begin > end || end > data.len)
        return lies(err, t->name, "lies outside of the file");
    if (!eng_mul(t->count, item, &bytes) || bytes != end - begin)
        return lies(err, t->name, "its shape and its size differ");
    if (begin % item != 0)
        return lies(err, t->name, "is not aligned");
    t->data = data.data + begin;
    t->size = bytes;
    return ENG_OK;
}

/* ---- The header ---- */

static int by_name(const void *a, const void *b)
{
    return eng_str_cmp(((const eng_tensor *)a)->name, ((const eng_tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const eng_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

/* Leaves the tensors in the order of their names. */
static eng_status check_cover(eng_safetensors *s, eng_span data, eng_error *err)
{
    const unsigned char *at = data.data;
    qsort(s->tensors, s->count, sizeof *s->tensors, by_place);
    for (size_t i = 0; i < s->count; i++) {
        const eng_tensor *t = &s->tensors[i];
        if (t->data != at)
            return lies(err, t->name, t->data < at ? "overlaps another" : "stands behind a gap");
        at += t->size;
    }
    if (at != data.data + data.len)
        return eng_fail(err, ENG_ECORRUPT, "safetensors: %zu bytes behind the last tensor",
                        (size_t)(data.data + data.len - at));
    qsort(s->tensors, s->count, sizeof *s->tensors, by_name);
    return ENG_OK;
}

static eng_status read_header(eng_safetensors *s, const eng_json *root, eng_span data,
                              eng_error *err)
{
    if (!eng_json_is(root, ENG_JSON_OBJECT) || root->count > TENSORS_MAX)
        return eng_fail(err, ENG_ECORRUPT,
                        "safetensors: the header is no object of up to %d tensors", TENSORS_MAX);
    s->tensors = eng_arena_array(&s->arena, root->count + 1, sizeof *s->tensors);
    if (!s->tensors)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < root->count; i++) {
        eng_str name = eng_json_key(root, i);
        if (eng_str_eq(name, ENG_STR("__metadata__")))
            continue;
        eng_tensor *t = &s->tensors[s->count];
        *t = (eng_tensor){.name = name};
        eng_status status = read_entry(eng_json_value(root, i), data, t, err);
        if (status < 0)
            return status;
        s->count++;
    }
    return check_cover(s, data, err);
}

eng_status eng_safetensors_parse(const unsigned char *data, size_t len, eng_safetensors *out,
                                 eng_error *err)
{
    eng_safetensors s = {0};
    eng_span in = eng_span_of(data, len);
    uint64_t size = eng_span_u64(&in);
    if (size > HEADER_MAX)
        return eng_fail(err, ENG_ETOOBIG, "safetensors: the header is larger than %d bytes",
                        HEADER_MAX);
    eng_str header = eng_span_bytes(&in, (size_t)size);
    eng_status status = eng_span_check(&in, "safetensors header", err);
    if (status < 0)
        return status;

    const eng_json *root;
    eng_arena_init(&s.arena, 64 << 10, NULL);
    status = eng_json_read(header, NULL, &s.arena, &root, err);
    if (status < 0)
        eng_error_prefix(err, "safetensors header");
    else
        status = read_header(&s, root, eng_span_part(&in, eng_span_left(&in)), err);
    if (status < 0)
        eng_arena_clear(&s.arena);
    else
        *out = s;
    return status;
}

eng_status eng_safetensors_open(const char *path, eng_safetensors *out, eng_error *err)
{
    eng_mapping file;
    eng_status status = eng_mapping_open(path, &file, err);
    if (status < 0)
        return status;
    status = eng_safetensors_parse(file.data, file.len, out, err);
    if (status < 0) {
        eng_mapping_close(&file);
        eng_error_prefix(err, "'%s'", path);
    } else {
        out->file = file;
    }
    return status;
}

void eng_safetensors_close(eng_safetensors *s)
{
    if (!s)
        return;
    if (s->file.data)
        eng_mapping_close(&s->file);
    eng_arena_clear(&s->arena);
    *s = (eng_safetensors){0};
}

const eng_tensor *eng_safetensors_find(const eng_safetensors *s, eng_str name)
{
    eng_tensor key = {.name = name};
    return s->count ? bsearch(&key, s->tensors, s->count, sizeof key, by_name) : NULL;
}

/* ---- Elements ---- */

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 0)
        return from_bits(sign | 0x3f800000) * ((float)fraction * 0x1p-24F);
    return from_bits(sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) |
                     fraction << 13);
}

void eng_tensor_read(const eng_tensor *t, size_t first, size_t count, float *out)
{
    if (first >= t->count)
        return;
    count = count < t->count - first ? count : t->count - first;
    if (t->type == ENG_TENSOR_F32) {
        memcpy(out, t->data + first * sizeof *out, count * sizeof *out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, t->data + (first + i) * sizeof bits, sizeof bits);
        out[i] = t->type == ENG_TENSOR_F16 ? from_half(bits) : from_bits((uint32_t)bits << 16);
    }
}
