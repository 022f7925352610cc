/*
 * numpy's part of a pickle: dtypes, arrays, scalars, and joblib's arrays, whose bytes lie behind the
 * opcode that ends their description. An array is a view of the file wherever that holds its bytes as
 * they are; a dtype is copied into each array, for a pickle may change one after it was used.
 */
#include "format/pickle_internal.h"

#include "base/check.h"

enum {
    NESTED_MAX = 2,          /* pickles within pickles: object arrays of joblib's */
    EMPTY_ELEMENTS = 1 << 20 /* elements that take no bytes: nothing else bounds them */
};

static eng_status wrong(eng_py_reader *r, const char *what)
{
    return eng_py_refuse(r, ENG_EMALFORMED, "%s", what);
}

static eng_status no_memory(eng_py_reader *r)
{
    return r->err->status ? r->err->status : eng_fail_nomem(r->err);
}

/* ---- dtypes ------------------------------------------------------------------------------------- */

/* "f8", "<i4", "U12", "V56", "M8[ns]". */
static bool parse_dtype(eng_str text, eng_py_dtype *out)
{
    uint64_t size = 0;
    if (text.len && (text.ptr[0] == '<' || text.ptr[0] == '|' || text.ptr[0] == '='))
        text = eng_str_sub(text, 1, text.len);
    else if (text.len && text.ptr[0] == '>') {
        out->big = true;
        text = eng_str_sub(text, 1, text.len);
    }
    if (!text.len)
        return false;
    out->kind = text.ptr[0];
    text = eng_str_sub(text, 1, text.len);
    if (out->kind == 'M' || out->kind == 'm')
        text = eng_str_sub(text, 0, 1);
    if (out->kind == 'O' && !text.len)
        size = 8;
    else if (!eng_str_u64(text, &size))
        return false;
    switch (out->kind) {
    case 'b':
        return (out->size = (uint32_t)size) == 1;
    case 'i':
    case 'u':
        out->size = (uint32_t)size;
        return size == 1 || size == 2 || size == 4 || size == 8;
    case 'f':
        out->size = (uint32_t)size;
        return size == 2 || size == 4 || size == 8 || size == 16;
    case 'c':
    case 'O':
    case 'M':
    case 'm':
        out->size = (uint32_t)size;
        return size == 8 || size == 16 || (size == 32 && out->kind == 'c');
    case 'U':
        out->size = (uint32_t)size * 4;
        return size < 1 << 28;
    case 'S':
    case 'V':
        out->size = (uint32_t)size;
        return size < 1 << 30;
    default:
        return false;
    }
}

static eng_status new_dtype(eng_py_reader *r, const eng_py_dtype *t, eng_py **out)
{
    eng_py *v = eng_py_new(r, ENG_PY_DTYPE);
    eng_py_dtype *copy = eng_arena_alloc(r->arena, sizeof *copy);
    if (!v || !copy)
        return no_memory(r);
    *copy = *t;
    v->as.dtype = copy;
    *out = v;
    return ENG_OK;
}

eng_status eng_py_make_dtype(eng_py_reader *r, const eng_py *args, eng_py **out)
{
    eng_str text = {0};
    eng_py_dtype t = {0};
    if (!eng_py_text(eng_py_at(args, 0), &text) || !parse_dtype(text, &t))
        return eng_py_refuse(r, ENG_EMALFORMED, "an unknown dtype '%.*s'",
                             ENG_FMT(eng_str_sub(text, 0, 40)));
    return new_dtype(r, &t, out);
}

static const eng_py_dtype *freeze(eng_py_reader *r, const eng_py_dtype *t)
{
    eng_py_dtype *copy = eng_arena_alloc(r->arena, sizeof *copy);
    if (copy)
        *copy = *t;
    return copy;
}

static eng_status read_field(eng_py_reader *r, const eng_py *name, const eng_py *spec,
                             const eng_py_dtype *whole, eng_py_field *out)
{
    int64_t offset = 0;
    const eng_py *type = eng_py_at(spec, 0);
    if (!eng_py_text(name, &out->name) || !eng_py_is(type, ENG_PY_DTYPE) ||
        !eng_py_integer(eng_py_at(spec, 1), &offset))
        return wrong(r, "a broken field of a dtype");
    if (offset < 0 || offset > whole->size || type->as.dtype->size > whole->size - offset)
        return wrong(r, "a field outside of its record");
    if (type->as.dtype->kind == 'O' || type->as.dtype->kind == 'V')
        return wrong(r, "a record that holds objects or records");
    out->offset = (uint32_t)offset;
    out->type = freeze(r, type->as.dtype);
    return out->type ? ENG_OK : no_memory(r);
}

static eng_status read_fields(eng_py_reader *r, const eng_py *fields, eng_py_dtype *t)
{
    size_t count = eng_py_pairs(fields);
    if (t->kind != 'V' || !eng_py_is(fields, ENG_PY_DICT) || count > 1024)
        return wrong(r, "a broken dtype of records");
    eng_py_field *f = eng_arena_array(r->arena, count + 1, sizeof *f);
    if (!f)
        return no_memory(r);
    for (size_t i = 0; i < count; i++) {
        eng_status status = read_field(r, eng_py_key(fields, i), eng_py_value(fields, i), t, f + i);
        if (status != ENG_OK)
            return status;
    }
    t->fields = f;
    t->field_count = (uint32_t)count;
    return ENG_OK;
}

/* (version, order, subarray, names, fields, size, alignment, flags[, metadata]) */
eng_status eng_py_build_dtype(eng_py_reader *r, eng_py *self, const eng_py *state)
{
    eng_str order = {0};
    int64_t size = -1;
    eng_py_dtype t = *self->as.dtype;
    if (!eng_py_is(state, ENG_PY_TUPLE) || eng_py_count(state) < 8 ||
        !eng_py_text(eng_py_at(state, 1), &order) || order.len != 1 ||
        !eng_py_integer(eng_py_at(state, 5), &size))
        return wrong(r, "a broken state of a dtype");
    if (!eng_py_none(eng_py_at(state, 2)))
        return wrong(r, "a dtype of arrays");
    if (!strchr("<>|=", order.ptr[0]))
        return wrong(r, "an unknown order of bytes");
    t.big = order.ptr[0] == '>';
    if (size != -1 && size != t.size)
        return wrong(r, "a dtype of two sizes");
    if (!eng_py_none(eng_py_at(state, 4))) {
        eng_status status = read_fields(r, eng_py_at(state, 4), &t);
        if (status != ENG_OK)
            return status;
    }
    *self->as.dtype = t;
    return ENG_OK;
}

/* ---- Arrays ------------------------------------------------------------------------------------- */

static eng_status read_shape(eng_py_reader *r, const eng_py *shape, eng_py_array *a)
{
    int64_t only = 0;
    size_t dims = eng_py_count(shape);
    bool plain = eng_py_integer(shape, &only); /* shape=3 is (3,) */
    if (plain)
        dims = 1;
    else if (!eng_py_is(shape, ENG_PY_TUPLE) && !eng_py_is(shape, ENG_PY_LIST))
        return wrong(r, "a shape that is no tuple");
    if (dims > ENG_PY_DIMS_MAX)
        return wrong(r, "an array of too many dimensions");
    a->dims = (unsigned)dims;
    a->count = 1;
    for (size_t i = 0; i < dims; i++) {
        int64_t n = only;
        if ((!plain && !eng_py_integer(eng_py_at(shape, i), &n)) || n < 0)
            return wrong(r, "a shape that is not of whole numbers");
        a->shape[i] = (size_t)n;
        if (!eng_mul(a->count, (size_t)n, &a->count))
            return wrong(r, "a shape that is larger than memory");
    }
    return ENG_OK;
}

/* The one place where an array gets its contents: afterwards it agrees with them. */
static eng_status fill(eng_py_reader *r, eng_py_array *a, const eng_py_dtype *t, eng_str bytes,
                       const eng_py *list)
{
    size_t size = 0;
    a->dtype = freeze(r, t);
    if (!a->dtype)
        return no_memory(r);
    if (t->kind == 'O') {
        if (!list || eng_py_count(list) != a->count)
            return wrong(r, "an array of objects whose number is not that of its shape");
        a->items = list->as.list.items;
        a->bytes = (eng_str){"", 0};
        return ENG_OK;
    }
    if (!t->size && a->count > EMPTY_ELEMENTS)
        return wrong(r, "an array of too many elements without bytes");
    if (list || !eng_mul(a->count, t->size, &size) || size != bytes.len)
        return eng_py_refuse(r, ENG_EMALFORMED,
                             "an array whose shape asks for %zu elements of %u bytes has %zu bytes",
                             a->count, t->size, bytes.len);
    a->items = NULL;
    a->bytes = bytes;
    return ENG_OK;
}

static eng_status new_array(eng_py_reader *r, eng_py **out)
{
    eng_py *v = eng_py_new(r, ENG_PY_ARRAY);
    eng_py_array *a = eng_arena_zalloc(r->arena, sizeof *a);
    if (!v || !a)
        return no_memory(r);
    static const eng_py_dtype byte = {.kind = 'S', .size = 1};
    *a = (eng_py_array){.dtype = &byte, .dims = 1, .bytes = {"", 0}};
    v->as.array = a;
    *out = v;
    return ENG_OK;
}

/* _reconstruct(class, (0,), b'b'): its state comes later. */
eng_status eng_py_make_empty(eng_py_reader *r, const eng_py *args, eng_py **out)
{
    if (!eng_py_is(eng_py_at(args, 0), ENG_PY_CLASS))
        return wrong(r, "an array of no class");
    return new_array(r, out);
}

/* (version, shape, dtype, fortran, bytes or objects) */
eng_status eng_py_build_array(eng_py_reader *r, eng_py *self, const eng_py *state)
{
    eng_py_array a = {0};
    const eng_py *type = eng_py_at(state, 2), *raw = eng_py_at(state, 4);
    if (!eng_py_is(state, ENG_PY_TUPLE) || eng_py_count(state) != 5 ||
        !eng_py_is(type, ENG_PY_DTYPE))
        return wrong(r, "a broken state of an array");
    eng_status status = read_shape(r, eng_py_at(state, 1), &a);
    if (status != ENG_OK)
        return status;
    a.fortran = eng_py_true(eng_py_at(state, 3));
    bool list = eng_py_is(raw, ENG_PY_LIST);
    if (!list && !eng_py_is(raw, ENG_PY_BYTES))
        return wrong(r, "an array of neither bytes nor objects");
    eng_str bytes = {NULL, 0};
    if (!list)
        bytes = raw->as.text;
    status = fill(r, &a, type->as.dtype, bytes, list ? raw : NULL);
    if (status == ENG_OK)
        *self->as.array = a;
    return status;
}

/* _frombuffer(bytes, dtype, shape, order) */
eng_status eng_py_make_buffer(eng_py_reader *r, const eng_py *args, eng_py **out)
{
    eng_py_array a = {0};
    eng_str order = {0};
    const eng_py *bytes = eng_py_at(args, 0), *type = eng_py_at(args, 1);
    if (eng_py_count(args) != 4 || !eng_py_is(bytes, ENG_PY_BYTES) ||
        !eng_py_is(type, ENG_PY_DTYPE) || !eng_py_text(eng_py_at(args, 3), &order) ||
        order.len != 1 || !strchr("CFAK", order.ptr[0]) || type->as.dtype->kind == 'O')
        return wrong(r, "a broken array");
    eng_status status = read_shape(r, eng_py_at(args, 2), &a);
    if (status != ENG_OK)
        return status;
    a.fortran = order.ptr[0] == 'F';
    status = fill(r, &a, type->as.dtype, bytes->as.text, NULL);
    if (status == ENG_OK)
        status = new_array(r, out);
    if (status == ENG_OK)
        *(*out)->as.array = a;
    return status;
}

/* ---- Scalars ------------------------------------------------------------------------------------ */

static eng_status scalar_of(eng_py_reader *r, const eng_py_array *a, eng_py *v)
{
    double number = 0;
    switch (a->dtype->kind) {
    case 'b':
        v->type = ENG_PY_BOOL;
        v->as.boolean = a->bytes.ptr[0] != 0;
        return ENG_OK;
    case 'M':
    case 'm':
    case 'i':
    case 'u':
        v->type = ENG_PY_INT;
        if (eng_py_element_int(a, 0, &v->as.integer))
            return ENG_OK;
        break;
    case 'U':
        v->type = ENG_PY_STR;
        return eng_py_element_text(a, 0, r->arena, &v->as.text) && v->as.text.ptr
                   ? ENG_OK
                   : wrong(r, "a broken text");
    case 'S':
    case 'V':
        v->type = ENG_PY_BYTES;
        v->as.text = a->bytes;
        return ENG_OK;
    default:
        break;
    }
    if (!eng_py_element(a, 0, &number))
        return wrong(r, "a number of an unknown kind");
    v->type = ENG_PY_FLOAT;
    v->as.number = number;
    return ENG_OK;
}

/* scalar(dtype, bytes) */
eng_status eng_py_make_scalar(eng_py_reader *r, const eng_py *args, eng_py **out)
{
    const eng_py *type = eng_py_at(args, 0), *raw = eng_py_at(args, 1);
    if (!eng_py_is(type, ENG_PY_DTYPE) || !raw)
        return wrong(r, "a broken number of numpy's");
    const eng_py_dtype *t = type->as.dtype;
    eng_py *v = eng_py_new(r, ENG_PY_NONE);
    if (!v)
        return no_memory(r);
    if (t->kind == 'O') {
        *v = *raw;
        *out = v;
        return ENG_OK;
    }
    if (raw->type != ENG_PY_BYTES || raw->as.text.len != t->size || !t->size)
        return wrong(r, "a number of numpy's with another number of bytes");
    const eng_py_array a = {.dtype = freeze(r, t), .count = 1, .bytes = raw->as.text};
    if (!a.dtype)
        return no_memory(r);
    eng_status status = scalar_of(r, &a, v);
    if (status == ENG_OK)
        *out = v;
    return status;
}

/* ---- joblib ------------------------------------------------------------------------------------- */

/* An array of objects follows as a pickle of its own, with its own stack and memo. */
static eng_status nested_array(eng_py_reader *r, eng_py_array *into)
{
    if (r->nested >= NESTED_MAX)
        return wrong(r, "pickles within pickles");
    eng_py_reader sub = {.out = r->out,
                         .arena = r->arena,
                         .in = r->in,
                         .opcodes = r->opcodes,
                         .opcodes_max = r->opcodes_max,
                         .nested = r->nested + 1,
                         .scan = r->scan,
                         .err = r->err,
                         .small = r->small,
                         .names = r->names};
    eng_status status = eng_py_run(&sub);
    if (status != ENG_OK)
        return status;
    r->in = sub.in;
    r->opcodes = sub.opcodes;
    if (!sub.depth || sub.stack[sub.depth - 1]->type != ENG_PY_ARRAY)
        return wrong(r, "something else than the array that was announced");
    const eng_py_array *a = sub.stack[sub.depth - 1]->as.array;
    if (a->count != into->count || a->dtype->kind != 'O')
        return wrong(r, "another array than the one that was announced");
    into->dtype = a->dtype;
    into->items = a->items;
    into->fortran = a->fortran;
    into->bytes = a->bytes;
    return ENG_OK;
}

static eng_status skip_padding(eng_py_reader *r, const eng_py *state)
{
    if (eng_py_none(eng_py_attr(state, "numpy_array_alignment_bytes")))
        return ENG_OK;
    (void)eng_span_bytes(&r->in, eng_span_u8(&r->in));
    return r->in.failed ? wrong(r, "an array without its bytes") : ENG_OK;
}

eng_status eng_py_build_wrapper(eng_py_reader *r, eng_py *self)
{
    eng_py_array a = {0};
    eng_str order = {0};
    size_t size = 0;
    const eng_py *state = self->as.object->state, *type = eng_py_attr(state, "dtype");
    if (!eng_py_is(state, ENG_PY_DICT) || !eng_py_is(type, ENG_PY_DTYPE) ||
        !eng_py_text(eng_py_attr(state, "order"), &order) || order.len != 1)
        return wrong(r, "a broken array of joblib's");
    eng_status status = read_shape(r, eng_py_attr(state, "shape"), &a);
    if (status != ENG_OK)
        return status;
    a.fortran = order.ptr[0] == 'F';
    if (type->as.dtype->kind == 'O') {
        status = nested_array(r, &a);
    } else if (!eng_mul(a.count, type->as.dtype->size, &size)) {
        status = wrong(r, "a shape that is larger than memory");
    } else if ((status = skip_padding(r, state)) == ENG_OK) {
        eng_str bytes = eng_span_bytes(&r->in, size);
        if (r->in.failed)
            return eng_py_refuse(r, ENG_ETRUNCATED, "an array of %zu bytes goes beyond the file",
                                 size);
        status = fill(r, &a, type->as.dtype, bytes, NULL);
    }
    if (status != ENG_OK)
        return status;
    eng_py_array *made = eng_arena_alloc(r->arena, sizeof *made);
    if (!made)
        return no_memory(r);
    *made = a;
    /* Whoever remembers the wrapper means the array. */
    self->type = ENG_PY_ARRAY;
    self->as.array = made;
    return ENG_OK;
}
