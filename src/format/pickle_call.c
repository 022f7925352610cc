/*
 * Opcodes that name and call. A name is looked up on the list (pickle_names.c) and stands for itself; a
 * call makes what the list says of the name, of the constructors here and in pickle_numpy.c.
 */
#include "format/pickle_internal.h"

#include "base/hash.h"

#include <stdarg.h>

enum { NAME_MAX_BYTES = 200, NAMES_MAX = 4096 };

/* ---- Names -------------------------------------------------------------------------------------- */

/* A scan goes on where reading would end, and keeps the first reason. */
eng_status eng_py_foreign(eng_py_reader *r, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!r->scan)
        return eng_py_refuse(r, ENG_EMALFORMED, "%s", text);
    if (!r->out->foreign.len) {
        r->out->foreign = eng_arena_format(r->arena, "%s (%s at byte %zu)", text,
                                           eng_py_op_name(r->op), r->at);
        if (!r->out->foreign.len)
            return eng_py_no_memory(r);
    }
    return ENG_OK;
}

static eng_py_name **bucket_of(eng_py_reader *r, eng_str module, eng_str name)
{
    uint64_t hash = eng_hash(module.ptr, module.len) ^ 3 * eng_hash(name.ptr, name.len);
    return &r->names->buckets[hash % ENG_PY_BUCKETS];
}

static eng_py_name *known_name(eng_py_reader *r, eng_str module, eng_str name)
{
    eng_py_name *n = *bucket_of(r, module, name);
    while (n && !(eng_str_eq(n->name, name) && eng_str_eq(n->module, module)))
        n = n->next;
    return n;
}

static eng_status add_name(eng_py_reader *r, eng_str module, eng_str name, eng_py_name **out)
{
    eng_pickle *p = r->out;
    const eng_py_listed *listed = eng_py_list_find(module, name);
    eng_status status = ENG_OK;
    if (!listed)
        status = eng_py_foreign(r, "'%.*s.%.*s' is not among the names that a model's file may use",
                                ENG_FMT(eng_str_sub(module, 0, 100)),
                                ENG_FMT(eng_str_sub(name, 0, 100)));
    if (status == ENG_OK && p->name_count == NAMES_MAX)
        status = eng_py_refuse(r, ENG_ETOOBIG, "more than %d names", NAMES_MAX);
    if (status != ENG_OK)
        return status;
    size_t room = p->name_count; /* a power of two is the end of what there is room for */
    if (room < 16 ? !p->names : !(room & (room - 1))) {
        size_t more = room < 16 ? 16 : room * 2;
        eng_py_name **bigger = eng_arena_array(r->arena, more, sizeof *bigger);
        if (!bigger)
            return eng_py_no_memory(r);
        if (room)
            memcpy(bigger, p->names, room * sizeof *bigger);
        p->names = bigger;
    }
    eng_py_name *n = eng_arena_zalloc(r->arena, sizeof *n);
    if (!n)
        return eng_py_no_memory(r);
    *n = (eng_py_name){.module = module, .name = name, .at = (uint32_t)r->at};
    n->listed = listed != NULL;
    n->call = (uint8_t)(listed ? listed->call : PY_OBJECT);
    p->names[p->name_count++] = n;
    eng_py_name **bucket = bucket_of(r, module, name);
    n->next = *bucket;
    *bucket = n;
    *out = n;
    return ENG_OK;
}

static eng_status push_name(eng_py_reader *r, eng_str module, eng_str name)
{
    if (r->in.failed)
        return eng_py_short(r);
    if (!module.len || !name.len || module.len > NAME_MAX_BYTES || name.len > NAME_MAX_BYTES)
        return eng_py_refuse(r, ENG_EMALFORMED, "a name of %zu bytes", module.len + name.len);
    eng_py_name *n = known_name(r, module, name);
    eng_status status = n ? ENG_OK : add_name(r, module, name, &n);
    if (status != ENG_OK)
        return status;
    n->uses++;
    eng_py *v = eng_py_new(r, ENG_PY_CLASS);
    if (v)
        v->as.name = n;
    return eng_py_push(r, v);
}

eng_status eng_py_op_global(eng_py_reader *r)
{
    eng_str module = eng_py_line(r), name = eng_py_line(r);
    return push_name(r, module, name);
}

eng_status eng_py_op_stack_global(eng_py_reader *r)
{
    eng_py *module = NULL, *name = NULL;
    eng_status status = eng_py_pop(r, &name);
    if (status == ENG_OK)
        status = eng_py_pop(r, &module);
    if (status != ENG_OK)
        return status;
    if (module->type != ENG_PY_STR || name->type != ENG_PY_STR)
        return eng_py_refuse(r, ENG_EMALFORMED, "a name that is no string");
    return push_name(r, module->as.text, name->as.text);
}

/* ---- Calls: what would have been made ----------------------------------------------------------- */

static eng_status new_object(eng_py_reader *r, eng_py_name *name, const eng_py *args,
                             const eng_py *kwargs, eng_py **out)
{
    eng_py *v = eng_py_new(r, ENG_PY_OBJECT);
    if (!v)
        return eng_py_failed(r);
    eng_py_object *o = eng_arena_zalloc(r->arena, sizeof *o);
    if (!o)
        return eng_py_no_memory(r);
    *o = (eng_py_object){.name = name, .args = args, .kwargs = kwargs};
    v->as.object = o;
    *out = v;
    return ENG_OK;
}

/* OrderedDict(), defaultdict(list), Bunch(): what is in them comes by SETITEMS, or, from Python 2 and
 * protocol 0, as a list of pairs. */
static eng_status new_map(eng_py_reader *r, const eng_py *args, eng_py **out)
{
    eng_py *v = eng_py_new(r, ENG_PY_DICT);
    if (!v)
        return eng_py_failed(r);
    const eng_py *pairs = eng_py_at(args, 0);
    for (size_t i = 0; eng_py_is(pairs, ENG_PY_LIST) && i < eng_py_count(pairs); i++) {
        const eng_py *pair = eng_py_at(pairs, i);
        if (eng_py_count(pair) != 2 || (pair->type != ENG_PY_TUPLE && pair->type != ENG_PY_LIST))
            return eng_py_refuse(r, ENG_EMALFORMED, "a dictionary of something else than pairs");
        eng_status status = eng_py_append(r, v, pair->as.list.items, 2);
        if (status != ENG_OK)
            return status;
    }
    *out = v;
    return ENG_OK;
}

static eng_status new_set(eng_py_reader *r, const eng_py *args, eng_py **out)
{
    const eng_py *from = eng_py_at(args, 0);
    if (from && from->type != ENG_PY_LIST && from->type != ENG_PY_TUPLE)
        return eng_py_refuse(r, ENG_EMALFORMED, "a set of %s", eng_py_type_name(from));
    *out = eng_py_new_list(r, ENG_PY_SET, from ? from->as.list.items : NULL, eng_py_count(from));
    return *out ? ENG_OK : eng_py_failed(r);
}

/* Text whose characters are bytes: how protocols before 3 write bytes. */
static eng_status encode(eng_py_reader *r, eng_str text, eng_py **out)
{
    char *to = eng_arena_alloc(r->arena, text.len + 1);
    eng_py *v = eng_py_new(r, ENG_PY_BYTES);
    if (!to || !v)
        return eng_py_no_memory(r);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0xc2 && c <= 0xc3 && i + 1 < text.len)
            c = (unsigned char)(c << 6 | (text.ptr[++i] & 0x3f));
        else if (c >= 0x80)
            return eng_py_refuse(r, ENG_EMALFORMED, "text that is no Latin-1");
        to[n++] = (char)c;
    }
    v->as.text = (eng_str){to, n};
    *out = v;
    return ENG_OK;
}

static eng_status new_bytes(eng_py_reader *r, const eng_py_name *name, const eng_py *args,
                            eng_py **out)
{
    const eng_py *from = eng_py_at(args, 0), *coding = eng_py_at(args, 1);
    eng_str as = ENG_STR("latin1");
    if (coding)
        (void)(eng_py_text(coding, &as));
    if (name->call == PY_ENCODE && !eng_str_eq(as, ENG_STR("latin1")) &&
        !eng_str_eq(as, ENG_STR("latin-1")))
        return eng_py_refuse(r, ENG_EMALFORMED, "text in '%.*s'", ENG_FMT(eng_str_sub(as, 0, 40)));
    if (eng_py_is(from, ENG_PY_STR))
        return encode(r, from->as.text, out);
    if (from && from->type != ENG_PY_BYTES)
        return eng_py_refuse(r, ENG_EMALFORMED, "bytes of %s", eng_py_type_name(from));
    eng_py *v = eng_py_new(r, ENG_PY_BYTES);
    if (!v)
        return eng_py_failed(r);
    v->as.text = from ? from->as.text : ENG_STR("");
    *out = v;
    return ENG_OK;
}

static eng_status partial(eng_py_reader *r, eng_py_name *name, const eng_py *args, eng_py **out)
{
    if (!eng_py_is(eng_py_at(args, 0), ENG_PY_CLASS))
        return eng_py_refuse(r, ENG_EMALFORMED, "functools.partial of %s",
                             eng_py_type_name(eng_py_at(args, 0)));
    return new_object(r, name, args, NULL, out);
}

/* copyreg._reconstructor(class, object, None), copyreg.__newobj__(class, ...) */
static eng_status make_object(eng_py_reader *r, const eng_py *args, eng_py **out);

static eng_status call(eng_py_reader *r, const eng_py *f, const eng_py *args, const eng_py *kwargs,
                       eng_py **out)
{
    if (f->type != ENG_PY_CLASS)
        return eng_py_refuse(r, ENG_EMALFORMED, "a call of %s", eng_py_type_name(f));
    if (args->type != ENG_PY_TUPLE)
        return eng_py_refuse(r, ENG_EMALFORMED, "a call with %s", eng_py_type_name(args));
    eng_py_name *name = f->as.name;
    name->called = true;
    switch ((eng_py_call)name->call) {
    case PY_INERT: {
        eng_status status = eng_py_foreign(r, "a call of '%.*s.%.*s'", ENG_FMT(name->module),
                                           ENG_FMT(name->name));
        return status == ENG_OK ? new_object(r, name, args, kwargs, out) : status;
    }
    case PY_OBJECT:
        return new_object(r, name, args, kwargs, out);
    case PY_MAKE_OBJECT:
        return make_object(r, args, out);
    case PY_MAP:
        return new_map(r, args, out);
    case PY_SET_OF:
        return new_set(r, args, out);
    case PY_BYTES_OF:
    case PY_ENCODE:
        return new_bytes(r, name, args, out);
    case PY_PARTIAL:
        return partial(r, name, args, out);
    case PY_NUMPY_DTYPE:
        return eng_py_make_dtype(r, args, out);
    case PY_NUMPY_EMPTY:
        return eng_py_make_empty(r, args, out);
    case PY_NUMPY_BUFFER:
        return eng_py_make_buffer(r, args, out);
    case PY_NUMPY_SCALAR:
        return eng_py_make_scalar(r, args, out);
    case PY_WRAPPER:
        return new_object(r, name, args, kwargs, out);
    }
    return eng_py_refuse(r, ENG_EMALFORMED, "a call of '%.*s'", ENG_FMT(name->name));
}

static eng_status make_object(eng_py_reader *r, const eng_py *args, eng_py **out)
{
    const eng_py *class = eng_py_at(args, 0);
    if (!eng_py_is(class, ENG_PY_CLASS) || class->as.name->call == PY_MAKE_OBJECT)
        return eng_py_refuse(r, ENG_EMALFORMED, "an object of %s", eng_py_type_name(class));
    eng_py *none = eng_py_new(r, ENG_PY_TUPLE);
    return none ? call(r, class, none, NULL, out) : eng_py_failed(r);
}

static eng_status push_call(eng_py_reader *r, const eng_py *f, const eng_py *args,
                            const eng_py *kwargs)
{
    eng_py *v = NULL;
    eng_status status = call(r, f, args, kwargs, &v);
    return status == ENG_OK ? eng_py_push(r, v) : status;
}

eng_status eng_py_op_reduce(eng_py_reader *r)
{
    eng_py *args = NULL, *f = NULL;
    eng_status status = eng_py_pop(r, &args);
    if (status == ENG_OK)
        status = eng_py_pop(r, &f);
    return status == ENG_OK ? push_call(r, f, args, NULL) : status;
}

eng_status eng_py_op_newobj_ex(eng_py_reader *r)
{
    eng_py *kwargs = NULL, *args = NULL, *f = NULL;
    eng_status status = eng_py_pop(r, &kwargs);
    if (status == ENG_OK)
        status = eng_py_pop(r, &args);
    if (status == ENG_OK)
        status = eng_py_pop(r, &f);
    if (status == ENG_OK && kwargs->type != ENG_PY_DICT)
        status = eng_py_refuse(r, ENG_EMALFORMED, "a call with %s", eng_py_type_name(kwargs));
    return status == ENG_OK ? push_call(r, f, args, kwargs) : status;
}

/* Protocol 0 and 1: the class's name, or the class, and then its arguments up to a mark. */
eng_status eng_py_op_inst(eng_py_reader *r)
{
    eng_py *f = NULL, *args = NULL;
    eng_status status = eng_py_op_global(r);
    if (status == ENG_OK)
        status = eng_py_pop(r, &f);
    if (status == ENG_OK)
        status = eng_py_push_marked(r, ENG_PY_TUPLE);
    if (status == ENG_OK)
        status = eng_py_pop(r, &args);
    return status == ENG_OK ? push_call(r, f, args, NULL) : status;
}

eng_status eng_py_op_obj(eng_py_reader *r)
{
    eng_py **items = NULL;
    size_t count = 0;
    eng_status status = eng_py_pop_mark(r, &items, &count);
    if (status != ENG_OK)
        return status;
    if (!count)
        return eng_py_refuse(r, ENG_EMALFORMED, "an object of no class");
    eng_py *args = eng_py_new_list(r, ENG_PY_TUPLE, items + 1, count - 1);
    return args ? push_call(r, items[0], args, NULL) : eng_py_failed(r);
}

eng_status eng_py_op_build(eng_py_reader *r)
{
    eng_py *state = NULL, *v = NULL;
    eng_status status = eng_py_pop(r, &state);
    if (status == ENG_OK)
        status = eng_py_top(r, &v);
    if (status != ENG_OK)
        return status;
    switch (v->type) {
    case ENG_PY_DTYPE:
        return eng_py_build_dtype(r, v, state);
    case ENG_PY_ARRAY:
        return eng_py_build_array(r, v, state);
    case ENG_PY_DICT: /* attributes of a Bunch or of an OrderedDict: nobody asks for them */
    case ENG_PY_SET:
        return ENG_OK;
    case ENG_PY_OBJECT:
        if (v->as.object->state)
            return eng_py_refuse(r, ENG_EMALFORMED, "a second state for an object");
        v->as.object->state = state;
        return v->as.object->name->call == PY_WRAPPER ? eng_py_build_wrapper(r, v) : ENG_OK;
    default:
        return eng_py_refuse(r, ENG_EMALFORMED, "a state for %s", eng_py_type_name(v));
    }
}
