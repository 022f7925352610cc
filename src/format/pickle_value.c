/* What values hold, for those who ask; and the walk that makes walking safe for everybody else. */
#include "base/utf8.h"
#include "format/pickle_internal.h"

#include <math.h>

/* ---- Kinds -------------------------------------------------------------------------------------- */

const char *eng_py_type_name(const eng_py *v)
{
    static const char *const names[] = {
        "None",   "a boolean", "a whole number", "a large number", "a number",
        "text",   "bytes",     "a tuple",        "a list",         "a set",
        "a dict", "a name",    "an object",      "a dtype",        "an array"};
    return v ? names[v->type] : "nothing";
}

static const eng_py_name *name_of(const eng_py *v)
{
    if (eng_py_is(v, ENG_PY_OBJECT)) {
        /* What copies a Cython object is called with the class. */
        const eng_py *class = eng_py_at(v->as.object->args, 0);
        if (eng_str_starts(v->as.object->name->name, ENG_STR("__pyx_unpickle_")) &&
            eng_py_is(class, ENG_PY_CLASS))
            return class->as.name;
        return v->as.object->name;
    }
    return eng_py_is(v, ENG_PY_CLASS) ? v->as.name : NULL;
}

eng_str eng_py_class(const eng_py *v)
{
    const eng_py_name *n = name_of(v);
    return n ? n->name : (eng_str){"", 0};
}

eng_str eng_py_module(const eng_py *v)
{
    const eng_py_name *n = name_of(v);
    return n ? n->module : (eng_str){"", 0};
}

bool eng_py_is_a(const eng_py *v, const char *class)
{
    return eng_py_is(v, ENG_PY_OBJECT) && eng_str_eq(eng_py_class(v), eng_str_of(class));
}

/* ---- Parts -------------------------------------------------------------------------------------- */

static const eng_py *dict_get(const eng_py *d, eng_str name)
{
    /* From behind: a key that stands twice has the value that was put last. */
    for (size_t i = d->as.list.count / 2; i-- > 0;) {
        const eng_py *key = d->as.list.items[2 * i];
        if (key->type == ENG_PY_STR && eng_str_eq(key->as.text, name))
            return d->as.list.items[2 * i + 1];
    }
    return NULL;
}

const eng_py *eng_py_attr(const eng_py *v, const char *name)
{
    const eng_py *found = NULL;
    eng_str key = eng_str_of(name);
    if (eng_py_is(v, ENG_PY_OBJECT)) {
        const eng_py *state = v->as.object->state;
        if (eng_py_is(state, ENG_PY_DICT))
            found = dict_get(state, key);
        /* (attributes, slots) */
        for (size_t i = 0; !found && eng_py_is(state, ENG_PY_TUPLE) && i < eng_py_count(state); i++)
            if (eng_py_is(eng_py_at(state, i), ENG_PY_DICT))
                found = dict_get(eng_py_at(state, i), key);
        v = v->as.object->items;
    }
    return found || !eng_py_is(v, ENG_PY_DICT) ? found : dict_get(v, key);
}

size_t eng_py_count(const eng_py *v)
{
    if (!v)
        return 0;
    if (v->type == ENG_PY_TUPLE || v->type == ENG_PY_LIST || v->type == ENG_PY_SET)
        return v->as.list.count;
    return v->type == ENG_PY_ARRAY && v->as.array->items ? v->as.array->count : 0;
}

const eng_py *eng_py_at(const eng_py *v, size_t i)
{
    if (i >= eng_py_count(v))
        return NULL;
    return v->type == ENG_PY_ARRAY ? v->as.array->items[i] : v->as.list.items[i];
}

size_t eng_py_pairs(const eng_py *v)
{
    if (eng_py_is(v, ENG_PY_OBJECT))
        v = v->as.object->items;
    return eng_py_is(v, ENG_PY_DICT) ? v->as.list.count / 2 : 0;
}

static const eng_py *pair_part(const eng_py *v, size_t i, size_t part)
{
    if (i >= eng_py_pairs(v))
        return NULL;
    if (v->type == ENG_PY_OBJECT)
        v = v->as.object->items;
    return v->as.list.items[2 * i + part];
}

const eng_py *eng_py_key(const eng_py *v, size_t i) { return pair_part(v, i, 0); }
const eng_py *eng_py_value(const eng_py *v, size_t i) { return pair_part(v, i, 1); }

/* ---- Numbers and text --------------------------------------------------------------------------- */

bool eng_py_number(const eng_py *v, double *out)
{
    int64_t n = 0;
    if (eng_py_is(v, ENG_PY_FLOAT)) {
        *out = v->as.number;
        return true;
    }
    if (eng_py_is(v, ENG_PY_ARRAY))
        return v->as.array->count == 1 && eng_py_element(v->as.array, 0, out);
    if (!eng_py_integer(v, &n))
        return false;
    *out = (double)n;
    return true;
}

bool eng_py_integer(const eng_py *v, int64_t *out)
{
    if (!v)
        return false;
    if (v->type == ENG_PY_INT || v->type == ENG_PY_BOOL) {
        *out = v->type == ENG_PY_INT ? v->as.integer : v->as.boolean;
        return true;
    }
    return v->type == ENG_PY_ARRAY && v->as.array->count == 1 &&
           eng_py_element_int(v->as.array, 0, out);
}

bool eng_py_text(const eng_py *v, eng_str *out)
{
    if (!eng_py_is(v, ENG_PY_STR))
        return false;
    *out = v->as.text;
    return true;
}

bool eng_py_true(const eng_py *v)
{
    double n = 0;
    if (eng_py_none(v))
        return false;
    return eng_py_number(v, &n) ? n != 0 : true;
}

/* ---- Elements ----------------------------------------------------------------------------------- */

/* Where element i in C order lies. */
static size_t place(const eng_py_array *a, size_t i)
{
    if (!a->fortran || a->dims < 2)
        return i;
    size_t at = 0, stride = 1, index[ENG_PY_DIMS_MAX];
    for (unsigned d = a->dims; d-- > 0;) {
        index[d] = i % a->shape[d];
        i /= a->shape[d];
    }
    for (unsigned d = 0; d < a->dims; d++) {
        at += index[d] * stride;
        stride *= a->shape[d];
    }
    return at;
}

static uint64_t bits_at(const char *p, unsigned size, bool big)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < size; i++)
        bits |= (uint64_t)(unsigned char)p[big ? size - 1 - i : i] << 8 * i;
    return bits;
}

static double half(uint64_t h)
{
    int exponent = (int)(h >> 10 & 31);
    double fraction = (double)(h & 1023), sign = h & 0x8000 ? -1 : 1;
    if (exponent == 31)
        return fraction != 0 ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static bool int_at(const eng_py_dtype *t, const char *p, int64_t *out)
{
    if (t->size > 8 || !memchr("biuMm", t->kind, 5))
        return false;
    uint64_t bits = bits_at(p, t->size, t->big);
    if (t->kind == 'u' && bits > INT64_MAX)
        return false;
    unsigned spare = 64 - 8 * t->size;
    *out = t->kind == 'u' || t->kind == 'b' || spare == 64 ? (int64_t)bits
                                                           : (int64_t)(bits << spare) >> spare;
    return true;
}

static bool number_at(const eng_py_dtype *t, const char *p, double *out)
{
    int64_t n = 0;
    if (int_at(t, p, &n)) {
        *out = (double)n;
        return t->kind != 'M' && t->kind != 'm';
    }
    uint64_t bits = t->size <= 8 ? bits_at(p, t->size, t->big) : 0;
    if (t->kind == 'u' && t->size == 8) {
        *out = (double)bits;
        return true;
    }
    if (t->kind != 'f' || t->size > 8)
        return false;
    if (t->size == 8) {
        memcpy(out, &bits, 8);
    } else if (t->size == 4) {
        float f;
        uint32_t low = (uint32_t)bits;
        memcpy(&f, &low, 4);
        *out = (double)f;
    } else {
        *out = half(bits);
    }
    return true;
}

bool eng_py_element(const eng_py_array *a, size_t i, double *out)
{
    if (i >= a->count)
        return false;
    i = place(a, i);
    if (a->items)
        return a->items[i]->type != ENG_PY_ARRAY && eng_py_number(a->items[i], out);
    return number_at(a->dtype, a->bytes.ptr + i * a->dtype->size, out);
}

bool eng_py_element_int(const eng_py_array *a, size_t i, int64_t *out)
{
    if (i >= a->count)
        return false;
    i = place(a, i);
    if (a->items)
        return a->items[i]->type != ENG_PY_ARRAY && eng_py_integer(a->items[i], out);
    return int_at(a->dtype, a->bytes.ptr + i * a->dtype->size, out);
}

static bool wide_text(const eng_py_dtype *t, const char *p, eng_arena *arena, eng_str *out)
{
    size_t chars = t->size / 4, len = 0;
    char *to = eng_arena_alloc(arena, t->size + 4);
    *out = (eng_str){NULL, 0};
    if (!to)
        return true;
    while (chars && !bits_at(p + 4 * (chars - 1), 4, t->big))
        chars--;
    for (size_t i = 0; i < chars; i++) {
        uint32_t c = (uint32_t)bits_at(p + 4 * i, 4, t->big);
        size_t n = c < 0xd800 || (c > 0xdfff && c < 0x110000) ? eng_utf8_put(c, to + len) : 0;
        if (!n)
            return false;
        len += n;
    }
    *out = (eng_str){to, len};
    return true;
}

bool eng_py_element_text(const eng_py_array *a, size_t i, eng_arena *arena, eng_str *out)
{
    if (i >= a->count)
        return false;
    i = place(a, i);
    if (a->items)
        return eng_py_text(a->items[i], out);
    return a->dtype->kind == 'U' &&
           wide_text(a->dtype, a->bytes.ptr + i * a->dtype->size, arena, out);
}

const eng_py_field *eng_py_field_of(const eng_py_dtype *t, const char *name)
{
    for (uint32_t i = 0; i < t->field_count; i++)
        if (eng_str_eq(t->fields[i].name, eng_str_of(name)))
            return t->fields + i;
    return NULL;
}

bool eng_py_record(const eng_py_array *a, const eng_py_field *f, size_t i, double *out)
{
    return i < a->count && !a->items &&
           number_at(f->type, a->bytes.ptr + i * a->dtype->size + f->offset, out);
}

bool eng_py_record_int(const eng_py_array *a, const eng_py_field *f, size_t i, int64_t *out)
{
    return i < a->count && !a->items &&
           int_at(f->type, a->bytes.ptr + i * a->dtype->size + f->offset, out);
}

/* ---- The walk that makes walking safe -------------------------------------------------------------- */

enum { UNSEEN, ON_THE_WAY, SEEN };

typedef struct {
    eng_py_reader *reader;
    unsigned depth;
} walker;

/* Values that hold others remember, once seen, how many lie in them and how deep: so each is walked
 * once, however often it is referred to. */
static eng_status walk(walker *w, eng_py *v, uint32_t *nodes, unsigned *deep);

static eng_status walk_items(walker *w, eng_py *const *items, size_t count, uint64_t *sum,
                             unsigned *deep)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t nodes = 0;
        eng_status status = walk(w, items[i], &nodes, deep);
        if (status != ENG_OK)
            return status;
        *sum += nodes;
        if (*sum > ENG_PY_NODES_MAX)
            return eng_py_refuse(w->reader, ENG_ETOOBIG, "more than %d values by reference",
                                 ENG_PY_NODES_MAX);
    }
    return ENG_OK;
}

static eng_status walk_parts(walker *w, eng_py *v, uint64_t *sum, unsigned *deep)
{
    if (v->type == ENG_PY_ARRAY)
        return walk_items(w, v->as.array->items, v->as.array->count, sum, deep);
    if (v->type != ENG_PY_OBJECT)
        return walk_items(w, v->as.list.items, v->as.list.count, sum, deep);
    const eng_py_object *o = v->as.object;
    eng_py *parts[4];
    size_t count = 0;
    const eng_py *all[4] = {o->args, o->kwargs, o->state, o->items};
    for (size_t i = 0; i < 4; i++)
        if (all[i])
            parts[count++] = (eng_py *)(uintptr_t)all[i];
    return walk_items(w, parts, count, sum, deep);
}

static bool holds_others(const eng_py *v)
{
    return (v->type >= ENG_PY_TUPLE && v->type <= ENG_PY_DICT) || v->type == ENG_PY_OBJECT ||
           (v->type == ENG_PY_ARRAY && v->as.array->items);
}

static eng_status walk(walker *w, eng_py *v, uint32_t *nodes, unsigned *deep)
{
    *nodes = 1;
    if (!holds_others(v))
        return ENG_OK;
    if (v->state == SEEN) {
        *nodes = v->nodes;
        if (w->depth + v->depth > ENG_PY_DEPTH_MAX)
            return eng_py_refuse(w->reader, ENG_ETOOBIG, "values lie deeper than %d in each other",
                                 ENG_PY_DEPTH_MAX);
        if (*deep < v->depth)
            *deep = v->depth;
        return ENG_OK;
    }
    if (v->state == ON_THE_WAY)
        return eng_py_refuse(w->reader, ENG_EMALFORMED, "a value contains itself");
    if (++w->depth > ENG_PY_DEPTH_MAX)
        return eng_py_refuse(w->reader, ENG_ETOOBIG, "values lie deeper than %d in each other",
                             ENG_PY_DEPTH_MAX);
    v->state = ON_THE_WAY;
    uint64_t sum = 1;
    unsigned below = 0;
    eng_status status = walk_parts(w, v, &sum, &below);
    w->depth--;
    v->state = SEEN;
    v->nodes = *nodes = (uint32_t)sum;
    v->depth = (uint8_t)(below + 1);
    if (*deep < below + 1)
        *deep = below + 1;
    return status;
}

eng_status eng_py_check_tree(eng_py_reader *r, eng_py *root)
{
    walker w = {.reader = r};
    uint32_t nodes = 0;
    unsigned deep = 0;
    return walk(&w, root, &nodes, &deep);
}
