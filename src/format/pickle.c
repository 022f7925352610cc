/*
 * The interpreter: a stack of values, a memo, and a function for each opcode (`ops`, at the end). It is
 * made for files of megabytes whose bulk lies in a few arrays, which are views of the file; everything
 * else is small. All that it makes comes out of one arena with a budget, so nothing is ever given back
 * on the way, and a list that has grown leaves its old place behind.
 *
 * What stays true: whatever lies on the stack or in the memo was made by `eng_py_new` here or by a
 * constructor in pickle_numpy.c; an array always agrees with its bytes; no name is callable.
 */
#include "format/pickle_internal.h"

#include <stdarg.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "json/json.h"

#include <math.h>

enum { NAME_MAX_BYTES = 200, NAMES_MAX = 4096 };

/* ---- Failing, making, pushing ------------------------------------------------------------------- */

eng_status eng_py_refuse(eng_py_reader *r, eng_status status, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return eng_fail_at(r->err, status, r->at, "%s (%s at byte %zu)", text, eng_py_op_name(r->op),
                       r->at);
}

eng_status eng_py_no_memory(eng_py_reader *r)
{
    const eng_budget *b = &r->out->budget;
    if (b->limit && b->limit - b->used < 2 << 20)
        return eng_py_refuse(r, ENG_ETOOBIG, "its values take more than %zu bytes", b->limit);
    return eng_fail_nomem(r->err);
}

eng_py *eng_py_new(eng_py_reader *r, eng_py_type type)
{
    eng_py *v = eng_arena_zalloc(r->arena, sizeof *v);
    if (!v) {
        (void)eng_py_no_memory(r);
        return NULL;
    }
    v->type = (uint8_t)type;
    v->at = (uint32_t)r->at;
    return v;
}

eng_status eng_py_failed(const eng_py_reader *r)
{
    return r->err->status ? r->err->status : ENG_ENOMEM;
}

/* Room for one more item in an array of the arena's; it moves, and leaves what it was. */
static eng_status grow(eng_py_reader *r, void **items, size_t *room, size_t used, size_t size)
{
    if (used < *room)
        return ENG_OK;
    size_t more = *room ? *room * 2 : 16;
    void *bigger = eng_arena_array(r->arena, more, size);
    if (!bigger)
        return eng_py_no_memory(r);
    if (used)
        memcpy(bigger, *items, used * size);
    *items = bigger;
    *room = more;
    return ENG_OK;
}

eng_status eng_py_push(eng_py_reader *r, eng_py *v)
{
    if (!v)
        return eng_py_failed(r);
    eng_status status = grow(r, (void **)&r->stack, &r->room, r->depth, sizeof *r->stack);
    if (status == ENG_OK)
        r->stack[r->depth++] = v;
    return status;
}

/* What lies above the last mark belongs to whoever pops the mark. */
static size_t floor_of(const eng_py_reader *r)
{
    return r->mark_count ? r->marks[r->mark_count - 1] : 0;
}

eng_status eng_py_pop(eng_py_reader *r, eng_py **out)
{
    if (r->depth <= floor_of(r))
        return eng_py_refuse(r, ENG_EMALFORMED, "nothing lies on the stack");
    *out = r->stack[--r->depth];
    return ENG_OK;
}

eng_status eng_py_top(eng_py_reader *r, eng_py **out)
{
    if (r->depth <= floor_of(r))
        return eng_py_refuse(r, ENG_EMALFORMED, "nothing lies on the stack");
    *out = r->stack[r->depth - 1];
    return ENG_OK;
}

/* The values above the last mark, which is taken away with them. */
eng_status eng_py_pop_mark(eng_py_reader *r, eng_py ***items, size_t *count)
{
    if (!r->mark_count)
        return eng_py_refuse(r, ENG_EMALFORMED, "no mark lies on the stack");
    size_t from = r->marks[--r->mark_count];
    *items = r->stack ? r->stack + from : NULL;
    *count = r->depth - from;
    r->depth = from;
    return ENG_OK;
}

eng_status eng_py_short(eng_py_reader *r)
{
    return eng_py_refuse(r, ENG_ETRUNCATED, "the pickle ends too early");
}

/* ---- Tuples, lists, dicts ----------------------------------------------------------------------- */

eng_py *eng_py_new_list(eng_py_reader *r, eng_py_type type, eng_py *const *items, size_t count)
{
    eng_py *v = eng_py_new(r, type);
    if (!v || !count)
        return v;
    if (count > UINT32_MAX / 2) {
        (void)eng_py_refuse(r, ENG_ETOOBIG, "more than %u values in one", UINT32_MAX / 2);
        return NULL;
    }
    v->as.list.items = eng_arena_array(r->arena, count, sizeof *items);
    if (!v->as.list.items) {
        (void)eng_py_no_memory(r);
        return NULL;
    }
    memcpy(v->as.list.items, items, count * sizeof *items);
    v->as.list.count = v->as.list.room = (uint32_t)count;
    return v;
}

eng_status eng_py_append(eng_py_reader *r, eng_py *list, eng_py *const *items, size_t count)
{
    size_t need = list->as.list.count + count;
    if (need > UINT32_MAX / 2)
        return eng_py_refuse(r, ENG_ETOOBIG, "more than %u values in one", UINT32_MAX / 2);
    if (need > list->as.list.room) {
        size_t room = need < 4 ? 4 : need + list->as.list.room;
        eng_py **bigger = eng_arena_array(r->arena, room, sizeof *bigger);
        if (!bigger)
            return eng_py_no_memory(r);
        if (list->as.list.count)
            memcpy(bigger, list->as.list.items, list->as.list.count * sizeof *bigger);
        list->as.list.items = bigger;
        list->as.list.room = (uint32_t)(room < UINT32_MAX ? room : UINT32_MAX);
    }
    if (count)
        memcpy(list->as.list.items + list->as.list.count, items, count * sizeof *items);
    list->as.list.count = (uint32_t)need;
    return ENG_OK;
}

static eng_status op_empty_tuple(eng_py_reader *r)
{
    return eng_py_push(r, eng_py_new(r, ENG_PY_TUPLE));
}
static eng_status op_empty_list(eng_py_reader *r)
{
    return eng_py_push(r, eng_py_new(r, ENG_PY_LIST));
}
static eng_status op_empty_dict(eng_py_reader *r)
{
    return eng_py_push(r, eng_py_new(r, ENG_PY_DICT));
}
static eng_status op_empty_set(eng_py_reader *r)
{
    return eng_py_push(r, eng_py_new(r, ENG_PY_SET));
}

eng_status eng_py_push_marked(eng_py_reader *r, eng_py_type type)
{
    eng_py **items = NULL;
    size_t count = 0;
    eng_status status = eng_py_pop_mark(r, &items, &count);
    if (status != ENG_OK)
        return status;
    if (type == ENG_PY_DICT && count % 2)
        return eng_py_refuse(r, ENG_EMALFORMED, "a key without its value");
    return eng_py_push(r, eng_py_new_list(r, type, items, count));
}

static eng_status op_tuple(eng_py_reader *r) { return eng_py_push_marked(r, ENG_PY_TUPLE); }
static eng_status op_list(eng_py_reader *r) { return eng_py_push_marked(r, ENG_PY_LIST); }
static eng_status op_dict(eng_py_reader *r) { return eng_py_push_marked(r, ENG_PY_DICT); }
static eng_status op_frozenset(eng_py_reader *r) { return eng_py_push_marked(r, ENG_PY_SET); }

static eng_status tuple_of(eng_py_reader *r, size_t n)
{
    if (r->depth < floor_of(r) + n)
        return eng_py_refuse(r, ENG_EMALFORMED, "nothing lies on the stack");
    r->depth -= n;
    return eng_py_push(r, eng_py_new_list(r, ENG_PY_TUPLE, r->stack + r->depth, n));
}

static eng_status op_tuple1(eng_py_reader *r) { return tuple_of(r, 1); }
static eng_status op_tuple2(eng_py_reader *r) { return tuple_of(r, 2); }
static eng_status op_tuple3(eng_py_reader *r) { return tuple_of(r, 3); }

/* Where items that are put into v go: v itself, or what an object of a class keeps beside its state. */
static eng_status into(eng_py_reader *r, eng_py *v, eng_py_type type, eng_py **out)
{
    if (v->type == ENG_PY_OBJECT) {
        eng_py_object *o = v->as.object;
        if (!o->items && !(o->items = eng_py_new(r, type)))
            return eng_py_failed(r);
        v = o->items;
    }
    if (v->type != type)
        return eng_py_refuse(r, ENG_EMALFORMED, "cannot put items into %s", eng_py_type_name(v));
    *out = v;
    return ENG_OK;
}

static eng_status put_marked(eng_py_reader *r, eng_py_type type)
{
    eng_py **items = NULL, *v = NULL, *to = NULL;
    size_t count = 0;
    eng_status status = eng_py_pop_mark(r, &items, &count);
    if (status == ENG_OK)
        status = eng_py_top(r, &v);
    if (status == ENG_OK)
        status = into(r, v, type, &to);
    if (status == ENG_OK && type == ENG_PY_DICT && count % 2)
        return eng_py_refuse(r, ENG_EMALFORMED, "a key without its value");
    return status == ENG_OK ? eng_py_append(r, to, items, count) : status;
}

static eng_status op_appends(eng_py_reader *r) { return put_marked(r, ENG_PY_LIST); }
static eng_status op_setitems(eng_py_reader *r) { return put_marked(r, ENG_PY_DICT); }
static eng_status op_additems(eng_py_reader *r) { return put_marked(r, ENG_PY_SET); }

static eng_status op_append(eng_py_reader *r)
{
    eng_py *item = NULL, *v = NULL, *to = NULL;
    eng_status status = eng_py_pop(r, &item);
    if (status == ENG_OK)
        status = eng_py_top(r, &v);
    if (status == ENG_OK)
        status = into(r, v, ENG_PY_LIST, &to);
    return status == ENG_OK ? eng_py_append(r, to, &item, 1) : status;
}

static eng_status op_setitem(eng_py_reader *r)
{
    eng_py *pair[2], *v = NULL, *to = NULL;
    eng_status status = eng_py_pop(r, &pair[1]);
    if (status == ENG_OK)
        status = eng_py_pop(r, &pair[0]);
    if (status == ENG_OK)
        status = eng_py_top(r, &v);
    if (status == ENG_OK)
        status = into(r, v, ENG_PY_DICT, &to);
    return status == ENG_OK ? eng_py_append(r, to, pair, 2) : status;
}

/* ---- Stack and memo ----------------------------------------------------------------------------- */

static eng_status op_mark(eng_py_reader *r)
{
    eng_status status = grow(r, (void **)&r->marks, &r->mark_room, r->mark_count, sizeof *r->marks);
    if (status == ENG_OK)
        r->marks[r->mark_count++] = (uint32_t)r->depth;
    return status;
}

static eng_status op_pop(eng_py_reader *r)
{
    eng_py *v = NULL;
    if (r->mark_count && r->depth == floor_of(r)) {
        r->mark_count--;
        return ENG_OK;
    }
    return eng_py_pop(r, &v);
}

static eng_status op_pop_mark(eng_py_reader *r)
{
    eng_py **items = NULL;
    size_t count = 0;
    return eng_py_pop_mark(r, &items, &count);
}

static eng_status op_dup(eng_py_reader *r)
{
    eng_py *v = NULL;
    eng_status status = eng_py_top(r, &v);
    return status == ENG_OK ? eng_py_push(r, v) : status;
}

/* Python numbers the memo from 0 on, so a number beyond what was done is no pickle's; and the memo
 * cannot be made large by a large number. */
static eng_status memo_put(eng_py_reader *r, uint64_t i)
{
    eng_py *v = NULL;
    if (r->in.failed)
        return eng_py_short(r);
    if (i > r->opcodes)
        return eng_py_refuse(r, ENG_EMALFORMED, "memo %llu is out of order", (unsigned long long)i);
    eng_status status = eng_py_top(r, &v);
    while (status == ENG_OK && r->memo_count <= i) {
        status = grow(r, (void **)&r->memo, &r->memo_room, r->memo_count, sizeof(eng_py *));
        if (status == ENG_OK)
            r->memo[r->memo_count++] = NULL;
    }
    if (status == ENG_OK)
        r->memo[i] = v;
    return status;
}

static eng_status memo_get(eng_py_reader *r, uint64_t i)
{
    if (r->in.failed)
        return eng_py_short(r);
    if (i >= r->memo_count || !r->memo[i])
        return eng_py_refuse(r, ENG_EMALFORMED, "memo %llu is empty", (unsigned long long)i);
    return eng_py_push(r, r->memo[i]);
}

static eng_status memo_line(eng_py_reader *r, eng_status (*then)(eng_py_reader *, uint64_t))
{
    uint64_t i = 0;
    eng_str text = eng_py_line(r);
    if (r->in.failed)
        return eng_py_short(r);
    if (!eng_str_u64(text, &i))
        return eng_py_refuse(r, ENG_EMALFORMED, "no number of the memo");
    return then(r, i);
}

static eng_status op_put(eng_py_reader *r) { return memo_line(r, memo_put); }
static eng_status op_get(eng_py_reader *r) { return memo_line(r, memo_get); }
static eng_status op_binput(eng_py_reader *r) { return memo_put(r, eng_span_u8(&r->in)); }
static eng_status op_binget(eng_py_reader *r) { return memo_get(r, eng_span_u8(&r->in)); }
static eng_status op_long_binput(eng_py_reader *r) { return memo_put(r, eng_span_u32(&r->in)); }
static eng_status op_long_binget(eng_py_reader *r) { return memo_get(r, eng_span_u32(&r->in)); }
static eng_status op_memoize(eng_py_reader *r) { return memo_put(r, r->memo_count); }

/* ---- The rest ----------------------------------------------------------------------------------- */

static eng_status op_proto(eng_py_reader *r)
{
    uint8_t version = eng_span_u8(&r->in);
    if (r->in.failed)
        return eng_py_short(r);
    if (version > 5)
        return eng_py_refuse(r, ENG_EMALFORMED, "protocol %u; 5 is the newest", version);
    if (version > r->out->protocol)
        r->out->protocol = version;
    return ENG_OK;
}

/* Only what pickle.dump makes easier for its reader; but a frame beyond the file is a broken file. */
static eng_status op_frame(eng_py_reader *r)
{
    uint64_t size = eng_span_u64(&r->in);
    if (r->in.failed || size > eng_span_left(&r->in))
        return eng_py_short(r);
    return ENG_OK;
}

/* Numbers of a registry, ids of another program, buffers beside the file: all lead outside. */
static eng_status outside(eng_py_reader *r, bool id_on_stack, const char *what)
{
    eng_py *id = NULL;
    eng_status status = eng_py_foreign(r, "%s", what);
    if (status == ENG_OK && id_on_stack)
        status = eng_py_pop(r, &id);
    return status == ENG_OK ? eng_py_op_none(r) : status;
}

static eng_status op_persid(eng_py_reader *r)
{
    (void)eng_py_line(r);
    return r->in.failed ? eng_py_short(r)
                        : outside(r, false, "PERSID: a value that lies elsewhere");
}
static eng_status op_binpersid(eng_py_reader *r)
{
    return outside(r, true, "BINPERSID: a value that lies elsewhere");
}
static eng_status extension(eng_py_reader *r)
{
    return r->in.failed ? eng_py_short(r) : outside(r, false, "a name by a number of a registry");
}
static eng_status op_ext1(eng_py_reader *r)
{
    (void)eng_span_u8(&r->in);
    return extension(r);
}
static eng_status op_ext2(eng_py_reader *r)
{
    (void)eng_span_u16(&r->in);
    return extension(r);
}
static eng_status op_ext4(eng_py_reader *r)
{
    (void)eng_span_u32(&r->in);
    return extension(r);
}
static eng_status op_buffer(eng_py_reader *r)
{
    return outside(r, false, "a buffer that lies outside of the file");
}
static eng_status op_readonly(eng_py_reader *r)
{
    eng_py *v = NULL;
    return eng_py_top(r, &v);
}

typedef struct {
    const char *name;
    eng_status (*run)(eng_py_reader *r);
} opcode;

static const opcode ops[256] = {
    ['('] = {"MARK", op_mark},
    ['.'] = {"STOP", NULL},
    ['0'] = {"POP", op_pop},
    ['1'] = {"POP_MARK", op_pop_mark},
    ['2'] = {"DUP", op_dup},
    ['F'] = {"FLOAT", eng_py_op_float},
    ['I'] = {"INT", eng_py_op_int},
    ['J'] = {"BININT", eng_py_op_binint},
    ['K'] = {"BININT1", eng_py_op_binint1},
    ['L'] = {"LONG", eng_py_op_long},
    ['M'] = {"BININT2", eng_py_op_binint2},
    ['N'] = {"NONE", eng_py_op_none},
    ['P'] = {"PERSID", op_persid},
    ['Q'] = {"BINPERSID", op_binpersid},
    ['R'] = {"REDUCE", eng_py_op_reduce},
    ['S'] = {"STRING", eng_py_op_string},
    ['T'] = {"BINSTRING", eng_py_op_binstring},
    ['U'] = {"SHORT_BINSTRING", eng_py_op_short_binstring},
    ['V'] = {"UNICODE", eng_py_op_unicode},
    ['X'] = {"BINUNICODE", eng_py_op_unicode4},
    ['a'] = {"APPEND", op_append},
    ['b'] = {"BUILD", eng_py_op_build},
    ['c'] = {"GLOBAL", eng_py_op_global},
    ['d'] = {"DICT", op_dict},
    ['}'] = {"EMPTY_DICT", op_empty_dict},
    ['e'] = {"APPENDS", op_appends},
    ['g'] = {"GET", op_get},
    ['h'] = {"BINGET", op_binget},
    ['i'] = {"INST", eng_py_op_inst},
    ['j'] = {"LONG_BINGET", op_long_binget},
    ['l'] = {"LIST", op_list},
    [']'] = {"EMPTY_LIST", op_empty_list},
    ['o'] = {"OBJ", eng_py_op_obj},
    ['p'] = {"PUT", op_put},
    ['q'] = {"BINPUT", op_binput},
    ['r'] = {"LONG_BINPUT", op_long_binput},
    ['s'] = {"SETITEM", op_setitem},
    ['t'] = {"TUPLE", op_tuple},
    [')'] = {"EMPTY_TUPLE", op_empty_tuple},
    ['u'] = {"SETITEMS", op_setitems},
    ['G'] = {"BINFLOAT", eng_py_op_binfloat},
    [0x80] = {"PROTO", op_proto},
    [0x81] = {"NEWOBJ", eng_py_op_reduce},
    [0x82] = {"EXT1", op_ext1},
    [0x83] = {"EXT2", op_ext2},
    [0x84] = {"EXT4", op_ext4},
    [0x85] = {"TUPLE1", op_tuple1},
    [0x86] = {"TUPLE2", op_tuple2},
    [0x87] = {"TUPLE3", op_tuple3},
    [0x88] = {"NEWTRUE", eng_py_op_true},
    [0x89] = {"NEWFALSE", eng_py_op_false},
    [0x8a] = {"LONG1", eng_py_op_long1},
    [0x8b] = {"LONG4", eng_py_op_long4},
    ['B'] = {"BINBYTES", eng_py_op_bytes4},
    ['C'] = {"SHORT_BINBYTES", eng_py_op_bytes1},
    [0x8c] = {"SHORT_BINUNICODE", eng_py_op_unicode1},
    [0x8d] = {"BINUNICODE8", eng_py_op_unicode8},
    [0x8e] = {"BINBYTES8", eng_py_op_bytes8},
    [0x8f] = {"EMPTY_SET", op_empty_set},
    [0x90] = {"ADDITEMS", op_additems},
    [0x91] = {"FROZENSET", op_frozenset},
    [0x92] = {"NEWOBJ_EX", eng_py_op_newobj_ex},
    [0x93] = {"STACK_GLOBAL", eng_py_op_stack_global},
    [0x94] = {"MEMOIZE", op_memoize},
    [0x95] = {"FRAME", op_frame},
    [0x96] = {"BYTEARRAY8", eng_py_op_bytes8},
    [0x97] = {"NEXT_BUFFER", op_buffer},
    [0x98] = {"READONLY_BUFFER", op_readonly},
};

const char *eng_py_op_name(uint8_t op) { return ops[op].name ? ops[op].name : "unknown opcode"; }

eng_status eng_py_run(eng_py_reader *r)
{
    for (;;) {
        r->at = r->in.pos;
        r->op = eng_span_u8(&r->in);
        if (r->in.failed) {
            r->op = '.';
            return eng_py_refuse(r, ENG_ETRUNCATED, "the pickle ends without its last opcode");
        }
        if (++r->opcodes > r->opcodes_max)
            return eng_py_refuse(r, ENG_ETOOBIG, "more than %llu opcodes",
                                 (unsigned long long)r->opcodes_max);
        if (r->op == '.')
            return ENG_OK;
        if (!ops[r->op].run)
            return eng_fail_at(r->err, ENG_EMALFORMED, r->at,
                               "no pickle: byte 0x%02x at %zu is no opcode", r->op, r->at);
        eng_status status = ops[r->op].run(r);
        if (status != ENG_OK)
            return status;
    }
}

static eng_status read_all(eng_py_reader *r)
{
    eng_py *root = NULL;
    eng_status status = eng_py_run(r);
    if (status == ENG_OK)
        status = eng_py_pop(r, &root);
    if (status == ENG_OK)
        status = eng_py_check_tree(r, root);
    r->out->root = root;
    r->out->end = r->in.pos;
    r->out->opcodes = r->opcodes;
    return status;
}

eng_status eng_pickle_read(eng_str bytes, const eng_pickle_limits *limits, eng_pickle *out,
                           eng_error *err)
{
    static const eng_pickle_limits none = {0};
    const eng_pickle_limits *l = limits ? limits : &none;
    eng_error mine = {0};
    eng_pickle p = {0};
    if (!bytes.len)
        return eng_fail(err, ENG_ETRUNCATED, "the file is empty");
    if (bytes.len >= UINT32_MAX)
        return eng_fail(err, ENG_ETOOBIG, "a pickle of more than 4 GiB");
    p.budget.limit = l->memory;
    if (!l->memory && (!eng_mul(bytes.len, 16, &p.budget.limit) ||
                       !eng_add(p.budget.limit, 256 << 20, &p.budget.limit)))
        return eng_fail(err, ENG_ETOOBIG, "a pickle of %zu bytes", bytes.len);
    eng_arena_init(&p.arena, 16 << 10, &p.budget);
    eng_py small[3] = {{.type = ENG_PY_NONE}, {.type = ENG_PY_BOOL}, {.type = ENG_PY_BOOL}};
    small[1].as.boolean = true;
    eng_py_reader r = {.out = &p, .arena = &p.arena, .scan = l->scan, .err = &mine};
    r.opcodes_max = l->opcodes ? l->opcodes : 256 << 20;
    r.in = eng_span_of(bytes.ptr, bytes.len);
    r.small = eng_arena_alloc(&p.arena, sizeof small);
    r.names = eng_arena_zalloc(&p.arena, sizeof *r.names);
    eng_status status = r.small && r.names ? ENG_OK : eng_fail_nomem(&mine);
    if (status == ENG_OK) {
        memcpy(r.small, small, sizeof small);
        status = read_all(&r);
    }
    if (status != ENG_OK) {
        eng_arena_clear(&p.arena);
        if (err)
            *err = mine;
        return status;
    }
    *out = p;
    out->arena.budget = &out->budget;
    return ENG_OK;
}

void eng_pickle_clear(eng_pickle *p)
{
    if (p) {
        eng_arena_clear(&p->arena);
        *p = (eng_pickle){0};
    }
}

bool eng_pickle_likely(eng_str b)
{
    if (b.len < 2)
        return false;
    unsigned char first = (unsigned char)b.ptr[0];
    if (first == 0x80)
        return (unsigned char)b.ptr[1] <= 5;
    return b.ptr[b.len - 1] == '.' && ops[first].run != NULL;
}
