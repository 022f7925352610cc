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

static const char *op_name(uint8_t op);

eng_status eng_py_refuse(eng_py_reader *r, eng_status status, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return eng_fail_at(r->err, status, r->at, "%s (%s at byte %zu)", text, op_name(r->op), r->at);
}

static eng_status no_memory(eng_py_reader *r)
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
        (void)no_memory(r);
        return NULL;
    }
    v->type = (uint8_t)type;
    v->at = (uint32_t)r->at;
    return v;
}

static eng_status failed(const eng_py_reader *r)
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
        return no_memory(r);
    if (used)
        memcpy(bigger, *items, used * size);
    *items = bigger;
    *room = more;
    return ENG_OK;
}

static eng_status push(eng_py_reader *r, eng_py *v)
{
    if (!v)
        return failed(r);
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

static eng_status pop(eng_py_reader *r, eng_py **out)
{
    if (r->depth <= floor_of(r))
        return eng_py_refuse(r, ENG_EMALFORMED, "nothing lies on the stack");
    *out = r->stack[--r->depth];
    return ENG_OK;
}

static eng_status top(eng_py_reader *r, eng_py **out)
{
    if (r->depth <= floor_of(r))
        return eng_py_refuse(r, ENG_EMALFORMED, "nothing lies on the stack");
    *out = r->stack[r->depth - 1];
    return ENG_OK;
}

/* The values above the last mark, which is taken away with them. */
static eng_status pop_mark(eng_py_reader *r, eng_py ***items, size_t *count)
{
    if (!r->mark_count)
        return eng_py_refuse(r, ENG_EMALFORMED, "no mark lies on the stack");
    size_t from = r->marks[--r->mark_count];
    *items = r->stack + from;
    *count = r->depth - from;
    r->depth = from;
    return ENG_OK;
}

static eng_status short_of(eng_py_reader *r)
{
    return eng_py_refuse(r, ENG_ETRUNCATED, "the pickle ends too early");
}

/* ---- Plain values ------------------------------------------------------------------------------- */

static eng_status push_text(eng_py_reader *r, eng_py_type type, eng_str text)
{
    if (r->in.failed)
        return short_of(r);
    if (type == ENG_PY_STR && eng_utf8_valid(text) != text.len)
        return eng_py_refuse(r, ENG_EMALFORMED, "a string is not UTF-8");
    eng_py *v = eng_py_new(r, type);
    if (v)
        v->as.text = text;
    return push(r, v);
}

static eng_status push_int(eng_py_reader *r, int64_t n)
{
    if (r->in.failed)
        return short_of(r);
    eng_py *v = eng_py_new(r, ENG_PY_INT);
    if (v)
        v->as.integer = n;
    return push(r, v);
}

static eng_status push_float(eng_py_reader *r, double n)
{
    if (r->in.failed)
        return short_of(r);
    eng_py *v = eng_py_new(r, ENG_PY_FLOAT);
    if (v)
        v->as.number = n;
    return push(r, v);
}

static eng_status op_none(eng_py_reader *r) { return push(r, &r->small[0]); }
static eng_status op_true(eng_py_reader *r) { return push(r, &r->small[1]); }
static eng_status op_false(eng_py_reader *r) { return push(r, &r->small[2]); }

static eng_str line(eng_py_reader *r) { return eng_span_until(&r->in, '\n'); }

static eng_status op_int(eng_py_reader *r)
{
    int64_t n = 0;
    eng_str text = line(r);
    if (r->in.failed)
        return short_of(r);
    if (eng_str_eq(text, ENG_STR("01")) || eng_str_eq(text, ENG_STR("00")))
        return text.ptr[1] == '1' ? op_true(r) : op_false(r);
    if (!eng_str_i64(text, &n))
        return eng_py_refuse(r, ENG_EMALFORMED, "no whole number");
    return push_int(r, n);
}

static eng_status op_long(eng_py_reader *r)
{
    int64_t n = 0;
    eng_str text = line(r);
    if (r->in.failed)
        return short_of(r);
    if (text.len && text.ptr[text.len - 1] == 'L')
        text.len--;
    if (eng_str_i64(text, &n))
        return push_int(r, n);
    /* Digits beyond int64: states of random generators, which nobody asks for. */
    for (size_t i = text.len && text.ptr[0] == '-'; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return eng_py_refuse(r, ENG_EMALFORMED, "no whole number");
    if (!text.len)
        return eng_py_refuse(r, ENG_EMALFORMED, "no whole number");
    return push_text(r, ENG_PY_BIG, (eng_str){text.ptr, 0});
}

static eng_status push_long(eng_py_reader *r, eng_str bytes)
{
    if (r->in.failed)
        return short_of(r);
    if (bytes.len > sizeof(int64_t))
        return push_text(r, ENG_PY_BIG, bytes);
    uint64_t n = bytes.len && (signed char)bytes.ptr[bytes.len - 1] < 0 ? UINT64_MAX : 0;
    for (size_t i = bytes.len; i-- > 0;)
        n = n << 8 | (unsigned char)bytes.ptr[i];
    return push_int(r, (int64_t)n);
}

static eng_status op_long1(eng_py_reader *r)
{
    return push_long(r, eng_span_bytes(&r->in, eng_span_u8(&r->in)));
}

/* Lengths that C's pickle module writes as signed numbers of four bytes. */
static eng_str signed_bytes(eng_py_reader *r, bool *negative)
{
    uint32_t n = eng_span_u32(&r->in);
    *negative = n > INT32_MAX;
    return *negative ? (eng_str){"", 0} : eng_span_bytes(&r->in, n);
}

static eng_status op_long4(eng_py_reader *r)
{
    bool negative = false;
    eng_str bytes = signed_bytes(r, &negative);
    return negative ? eng_py_refuse(r, ENG_EMALFORMED, "a negative length") : push_long(r, bytes);
}

static eng_status op_binint(eng_py_reader *r) { return push_int(r, (int32_t)eng_span_u32(&r->in)); }
static eng_status op_binint1(eng_py_reader *r) { return push_int(r, eng_span_u8(&r->in)); }
static eng_status op_binint2(eng_py_reader *r) { return push_int(r, eng_span_u16(&r->in)); }

static eng_status op_float(eng_py_reader *r)
{
    double n = 0;
    eng_str text = line(r);
    if (r->in.failed)
        return short_of(r);
    if (eng_str_eq(text, ENG_STR("nan")))
        return push_float(r, NAN);
    if (eng_str_eq(text, ENG_STR("inf")) || eng_str_eq(text, ENG_STR("-inf")))
        return push_float(r, text.ptr[0] == '-' ? -INFINITY : INFINITY);
    if (!eng_number_read(text, &n))
        return eng_py_refuse(r, ENG_EMALFORMED, "no number");
    return push_float(r, n);
}

static eng_status op_binfloat(eng_py_reader *r)
{
    uint64_t bits = __builtin_bswap64(eng_span_u64(&r->in));
    double n;
    memcpy(&n, &bits, sizeof n);
    return push_float(r, n);
}

/* ---- Text --------------------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The number after a backslash and u, U or x; false where digits lack. */
static bool escape(eng_str s, size_t at, unsigned digits, uint32_t *out)
{
    uint32_t c = 0;
    if (digits > s.len - at)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        int d = hex(s.ptr[at + i]);
        if (d < 0)
            return false;
        c = c << 4 | (uint32_t)d;
    }
    *out = c;
    return true;
}

/* Protocol 0: Latin-1 with \u and \U for the rest (and for line ends and backslashes). */
static eng_status op_unicode(eng_py_reader *r)
{
    eng_str s = line(r);
    if (r->in.failed)
        return short_of(r);
    char *to = eng_arena_array(r->arena, s.len + 2, 2);
    if (!to)
        return no_memory(r);
    size_t n = 0;
    for (size_t i = 0; i < s.len;) {
        uint32_t c = (unsigned char)s.ptr[i++];
        if (c == '\\' && i < s.len && (s.ptr[i] == 'u' || s.ptr[i] == 'U')) {
            unsigned digits = s.ptr[i] == 'u' ? 4 : 8;
            if (!escape(s, i + 1, digits, &c))
                return eng_py_refuse(r, ENG_EMALFORMED, "a broken escape in a string");
            i += 1 + digits;
        }
        size_t put = eng_utf8_put(c, to + n);
        if (!put)
            return eng_py_refuse(r, ENG_EMALFORMED, "a broken escape in a string");
        n += put;
    }
    return push_text(r, ENG_PY_STR, (eng_str){to, n});
}

/* What Python 2 called a string is text where it is ASCII, and nothing that can be known elsewhere. */
static eng_status push_ascii(eng_py_reader *r, eng_str s)
{
    if (r->in.failed)
        return short_of(r);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return eng_py_refuse(r, ENG_EMALFORMED, "a string of Python 2 that is not ASCII");
    return push_text(r, ENG_PY_STR, s);
}

static eng_status op_string(eng_py_reader *r)
{
    eng_str s = eng_str_trim(line(r));
    if (r->in.failed)
        return short_of(r);
    if (s.len < 2 || (s.ptr[0] != '\'' && s.ptr[0] != '"') || s.ptr[s.len - 1] != s.ptr[0])
        return eng_py_refuse(r, ENG_EMALFORMED, "a string without quotes");
    s = eng_str_sub(s, 1, s.len - 2);
    if (memchr(s.ptr, '\\', s.len))
        return eng_py_refuse(r, ENG_EMALFORMED, "a string of Python 2 with escapes");
    return push_ascii(r, s);
}

static eng_status op_binstring(eng_py_reader *r)
{
    bool negative = false;
    eng_str s = signed_bytes(r, &negative);
    return negative ? eng_py_refuse(r, ENG_EMALFORMED, "a negative length") : push_ascii(r, s);
}

static eng_status op_short_binstring(eng_py_reader *r)
{
    return push_ascii(r, eng_span_bytes(&r->in, eng_span_u8(&r->in)));
}

static eng_str bytes8(eng_py_reader *r)
{
    uint64_t n = eng_span_u64(&r->in);
    return eng_span_bytes(&r->in, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
}

static eng_status op_unicode1(eng_py_reader *r)
{
    return push_text(r, ENG_PY_STR, eng_span_bytes(&r->in, eng_span_u8(&r->in)));
}
static eng_status op_unicode4(eng_py_reader *r)
{
    return push_text(r, ENG_PY_STR, eng_span_bytes(&r->in, eng_span_u32(&r->in)));
}
static eng_status op_unicode8(eng_py_reader *r) { return push_text(r, ENG_PY_STR, bytes8(r)); }
static eng_status op_bytes1(eng_py_reader *r)
{
    return push_text(r, ENG_PY_BYTES, eng_span_bytes(&r->in, eng_span_u8(&r->in)));
}
static eng_status op_bytes4(eng_py_reader *r)
{
    return push_text(r, ENG_PY_BYTES, eng_span_bytes(&r->in, eng_span_u32(&r->in)));
}
static eng_status op_bytes8(eng_py_reader *r) { return push_text(r, ENG_PY_BYTES, bytes8(r)); }

/* ---- Tuples, lists, dicts ----------------------------------------------------------------------- */

static eng_py *new_list(eng_py_reader *r, eng_py_type type, eng_py *const *items, size_t count)
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
        (void)no_memory(r);
        return NULL;
    }
    memcpy(v->as.list.items, items, count * sizeof *items);
    v->as.list.count = v->as.list.room = (uint32_t)count;
    return v;
}

static eng_status append(eng_py_reader *r, eng_py *list, eng_py *const *items, size_t count)
{
    size_t need = list->as.list.count + count;
    if (need > UINT32_MAX / 2)
        return eng_py_refuse(r, ENG_ETOOBIG, "more than %u values in one", UINT32_MAX / 2);
    if (need > list->as.list.room) {
        size_t room = need < 4 ? 4 : need + list->as.list.room;
        eng_py **bigger = eng_arena_array(r->arena, room, sizeof *bigger);
        if (!bigger)
            return no_memory(r);
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

static eng_status op_empty_tuple(eng_py_reader *r) { return push(r, eng_py_new(r, ENG_PY_TUPLE)); }
static eng_status op_empty_list(eng_py_reader *r) { return push(r, eng_py_new(r, ENG_PY_LIST)); }
static eng_status op_empty_dict(eng_py_reader *r) { return push(r, eng_py_new(r, ENG_PY_DICT)); }
static eng_status op_empty_set(eng_py_reader *r) { return push(r, eng_py_new(r, ENG_PY_SET)); }

static eng_status push_marked(eng_py_reader *r, eng_py_type type)
{
    eng_py **items = NULL;
    size_t count = 0;
    eng_status status = pop_mark(r, &items, &count);
    if (status != ENG_OK)
        return status;
    if (type == ENG_PY_DICT && count % 2)
        return eng_py_refuse(r, ENG_EMALFORMED, "a key without its value");
    return push(r, new_list(r, type, items, count));
}

static eng_status op_tuple(eng_py_reader *r) { return push_marked(r, ENG_PY_TUPLE); }
static eng_status op_list(eng_py_reader *r) { return push_marked(r, ENG_PY_LIST); }
static eng_status op_dict(eng_py_reader *r) { return push_marked(r, ENG_PY_DICT); }
static eng_status op_frozenset(eng_py_reader *r) { return push_marked(r, ENG_PY_SET); }

static eng_status tuple_of(eng_py_reader *r, size_t n)
{
    if (r->depth < floor_of(r) + n)
        return eng_py_refuse(r, ENG_EMALFORMED, "nothing lies on the stack");
    r->depth -= n;
    return push(r, new_list(r, ENG_PY_TUPLE, r->stack + r->depth, n));
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
            return failed(r);
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
    eng_status status = pop_mark(r, &items, &count);
    if (status == ENG_OK)
        status = top(r, &v);
    if (status == ENG_OK)
        status = into(r, v, type, &to);
    if (status == ENG_OK && type == ENG_PY_DICT && count % 2)
        return eng_py_refuse(r, ENG_EMALFORMED, "a key without its value");
    return status == ENG_OK ? append(r, to, items, count) : status;
}

static eng_status op_appends(eng_py_reader *r) { return put_marked(r, ENG_PY_LIST); }
static eng_status op_setitems(eng_py_reader *r) { return put_marked(r, ENG_PY_DICT); }
static eng_status op_additems(eng_py_reader *r) { return put_marked(r, ENG_PY_SET); }

static eng_status op_append(eng_py_reader *r)
{
    eng_py *item = NULL, *v = NULL, *to = NULL;
    eng_status status = pop(r, &item);
    if (status == ENG_OK)
        status = top(r, &v);
    if (status == ENG_OK)
        status = into(r, v, ENG_PY_LIST, &to);
    return status == ENG_OK ? append(r, to, &item, 1) : status;
}

static eng_status op_setitem(eng_py_reader *r)
{
    eng_py *pair[2], *v = NULL, *to = NULL;
    eng_status status = pop(r, &pair[1]);
    if (status == ENG_OK)
        status = pop(r, &pair[0]);
    if (status == ENG_OK)
        status = top(r, &v);
    if (status == ENG_OK)
        status = into(r, v, ENG_PY_DICT, &to);
    return status == ENG_OK ? append(r, to, pair, 2) : status;
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
    return pop(r, &v);
}

static eng_status op_pop_mark(eng_py_reader *r)
{
    eng_py **items = NULL;
    size_t count = 0;
    return pop_mark(r, &items, &count);
}

static eng_status op_dup(eng_py_reader *r)
{
    eng_py *v = NULL;
    eng_status status = top(r, &v);
    return status == ENG_OK ? push(r, v) : status;
}

/* Python numbers the memo from 0 on, so a number beyond what was done is no pickle's; and the memo
 * cannot be made large by a large number. */
static eng_status memo_put(eng_py_reader *r, uint64_t i)
{
    eng_py *v = NULL;
    if (r->in.failed)
        return short_of(r);
    if (i > r->opcodes)
        return eng_py_refuse(r, ENG_EMALFORMED, "memo %llu is out of order", (unsigned long long)i);
    eng_status status = top(r, &v);
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
        return short_of(r);
    if (i >= r->memo_count || !r->memo[i])
        return eng_py_refuse(r, ENG_EMALFORMED, "memo %llu is empty", (unsigned long long)i);
    return push(r, r->memo[i]);
}

static eng_status memo_line(eng_py_reader *r, eng_status (*then)(eng_py_reader *, uint64_t))
{
    uint64_t i = 0;
    eng_str text = line(r);
    if (r->in.failed)
        return short_of(r);
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

/* ---- Names -------------------------------------------------------------------------------------- */

/* A scan goes on where reading would end, and keeps the first reason. */
static eng_status foreign(eng_py_reader *r, const char *format, ...) ENG_PRINTF(2, 3);
static eng_status foreign(eng_py_reader *r, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!r->scan)
        return eng_py_refuse(r, ENG_EMALFORMED, "%s", text);
    if (!r->out->foreign.len) {
        r->out->foreign = eng_arena_format(r->arena, "%s (%s at byte %zu)", text, op_name(r->op),
                                           r->at);
        if (!r->out->foreign.len)
            return no_memory(r);
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
        status = foreign(r, "'%.*s.%.*s' is not among the names that a model's file may use",
                         ENG_FMT(eng_str_sub(module, 0, 100)), ENG_FMT(eng_str_sub(name, 0, 100)));
    if (status == ENG_OK && p->name_count == NAMES_MAX)
        status = eng_py_refuse(r, ENG_ETOOBIG, "more than %d names", NAMES_MAX);
    if (status != ENG_OK)
        return status;
    size_t room = p->name_count; /* a power of two is the end of what there is room for */
    if (room < 16 ? !p->names : !(room & (room - 1))) {
        size_t more = room < 16 ? 16 : room * 2;
        eng_py_name **bigger = eng_arena_array(r->arena, more, sizeof *bigger);
        if (!bigger)
            return no_memory(r);
        if (room)
            memcpy(bigger, p->names, room * sizeof *bigger);
        p->names = bigger;
    }
    eng_py_name *n = eng_arena_zalloc(r->arena, sizeof *n);
    if (!n)
        return no_memory(r);
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
        return short_of(r);
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
    return push(r, v);
}

static eng_status op_global(eng_py_reader *r)
{
    eng_str module = line(r), name = line(r);
    return push_name(r, module, name);
}

static eng_status op_stack_global(eng_py_reader *r)
{
    eng_py *module = NULL, *name = NULL;
    eng_status status = pop(r, &name);
    if (status == ENG_OK)
        status = pop(r, &module);
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
        return failed(r);
    eng_py_object *o = eng_arena_zalloc(r->arena, sizeof *o);
    if (!o)
        return no_memory(r);
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
        return failed(r);
    const eng_py *pairs = eng_py_at(args, 0);
    for (size_t i = 0; eng_py_is(pairs, ENG_PY_LIST) && i < eng_py_count(pairs); i++) {
        const eng_py *pair = eng_py_at(pairs, i);
        if (eng_py_count(pair) != 2 || (pair->type != ENG_PY_TUPLE && pair->type != ENG_PY_LIST))
            return eng_py_refuse(r, ENG_EMALFORMED, "a dictionary of something else than pairs");
        eng_status status = append(r, v, pair->as.list.items, 2);
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
    *out = new_list(r, ENG_PY_SET, from ? from->as.list.items : NULL, eng_py_count(from));
    return *out ? ENG_OK : failed(r);
}

/* Text whose characters are bytes: how protocols before 3 write bytes. */
static eng_status encode(eng_py_reader *r, eng_str text, eng_py **out)
{
    char *to = eng_arena_alloc(r->arena, text.len + 1);
    eng_py *v = eng_py_new(r, ENG_PY_BYTES);
    if (!to || !v)
        return no_memory(r);
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
        return failed(r);
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
        eng_status status = foreign(r, "a call of '%.*s.%.*s'", ENG_FMT(name->module),
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
    return none ? call(r, class, none, NULL, out) : failed(r);
}

static eng_status push_call(eng_py_reader *r, const eng_py *f, const eng_py *args,
                            const eng_py *kwargs)
{
    eng_py *v = NULL;
    eng_status status = call(r, f, args, kwargs, &v);
    return status == ENG_OK ? push(r, v) : status;
}

static eng_status op_reduce(eng_py_reader *r)
{
    eng_py *args = NULL, *f = NULL;
    eng_status status = pop(r, &args);
    if (status == ENG_OK)
        status = pop(r, &f);
    return status == ENG_OK ? push_call(r, f, args, NULL) : status;
}

static eng_status op_newobj_ex(eng_py_reader *r)
{
    eng_py *kwargs = NULL, *args = NULL, *f = NULL;
    eng_status status = pop(r, &kwargs);
    if (status == ENG_OK)
        status = pop(r, &args);
    if (status == ENG_OK)
        status = pop(r, &f);
    if (status == ENG_OK && kwargs->type != ENG_PY_DICT)
        status = eng_py_refuse(r, ENG_EMALFORMED, "a call with %s", eng_py_type_name(kwargs));
    return status == ENG_OK ? push_call(r, f, args, kwargs) : status;
}

/* Protocol 0 and 1: the class's name, or the class, and then its arguments up to a mark. */
static eng_status op_inst(eng_py_reader *r)
{
    eng_py *f = NULL, *args = NULL;
    eng_status status = op_global(r);
    if (status == ENG_OK)
        status = pop(r, &f);
    if (status == ENG_OK)
        status = push_marked(r, ENG_PY_TUPLE);
    if (status == ENG_OK)
        status = pop(r, &args);
    return status == ENG_OK ? push_call(r, f, args, NULL) : status;
}

static eng_status op_obj(eng_py_reader *r)
{
    eng_py **items = NULL;
    size_t count = 0;
    eng_status status = pop_mark(r, &items, &count);
    if (status != ENG_OK)
        return status;
    if (!count)
        return eng_py_refuse(r, ENG_EMALFORMED, "an object of no class");
    eng_py *args = new_list(r, ENG_PY_TUPLE, items + 1, count - 1);
    return args ? push_call(r, items[0], args, NULL) : failed(r);
}

static eng_status op_build(eng_py_reader *r)
{
    eng_py *state = NULL, *v = NULL;
    eng_status status = pop(r, &state);
    if (status == ENG_OK)
        status = top(r, &v);
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

/* ---- The rest ----------------------------------------------------------------------------------- */

static eng_status op_proto(eng_py_reader *r)
{
    uint8_t version = eng_span_u8(&r->in);
    if (r->in.failed)
        return short_of(r);
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
        return short_of(r);
    return ENG_OK;
}

/* Numbers of a registry, ids of another program, buffers beside the file: all lead outside. */
static eng_status outside(eng_py_reader *r, bool id_on_stack, const char *what)
{
    eng_py *id = NULL;
    eng_status status = foreign(r, "%s", what);
    if (status == ENG_OK && id_on_stack)
        status = pop(r, &id);
    return status == ENG_OK ? op_none(r) : status;
}

static eng_status op_persid(eng_py_reader *r)
{
    (void)line(r);
    return r->in.failed ? short_of(r) : outside(r, false, "PERSID: a value that lies elsewhere");
}
static eng_status op_binpersid(eng_py_reader *r)
{
    return outside(r, true, "BINPERSID: a value that lies elsewhere");
}
static eng_status extension(eng_py_reader *r)
{
    return r->in.failed ? short_of(r) : outside(r, false, "a name by a number of a registry");
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
    return top(r, &v);
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
    ['F'] = {"FLOAT", op_float},
    ['I'] = {"INT", op_int},
    ['J'] = {"BININT", op_binint},
    ['K'] = {"BININT1", op_binint1},
    ['L'] = {"LONG", op_long},
    ['M'] = {"BININT2", op_binint2},
    ['N'] = {"NONE", op_none},
    ['P'] = {"PERSID", op_persid},
    ['Q'] = {"BINPERSID", op_binpersid},
    ['R'] = {"REDUCE", op_reduce},
    ['S'] = {"STRING", op_string},
    ['T'] = {"BINSTRING", op_binstring},
    ['U'] = {"SHORT_BINSTRING", op_short_binstring},
    ['V'] = {"UNICODE", op_unicode},
    ['X'] = {"BINUNICODE", op_unicode4},
    ['a'] = {"APPEND", op_append},
    ['b'] = {"BUILD", op_build},
    ['c'] = {"GLOBAL", op_global},
    ['d'] = {"DICT", op_dict},
    ['}'] = {"EMPTY_DICT", op_empty_dict},
    ['e'] = {"APPENDS", op_appends},
    ['g'] = {"GET", op_get},
    ['h'] = {"BINGET", op_binget},
    ['i'] = {"INST", op_inst},
    ['j'] = {"LONG_BINGET", op_long_binget},
    ['l'] = {"LIST", op_list},
    [']'] = {"EMPTY_LIST", op_empty_list},
    ['o'] = {"OBJ", op_obj},
    ['p'] = {"PUT", op_put},
    ['q'] = {"BINPUT", op_binput},
    ['r'] = {"LONG_BINPUT", op_long_binput},
    ['s'] = {"SETITEM", op_setitem},
    ['t'] = {"TUPLE", op_tuple},
    [')'] = {"EMPTY_TUPLE", op_empty_tuple},
    ['u'] = {"SETITEMS", op_setitems},
    ['G'] = {"BINFLOAT", op_binfloat},
    [0x80] = {"PROTO", op_proto},
    [0x81] = {"NEWOBJ", op_reduce},
    [0x82] = {"EXT1", op_ext1},
    [0x83] = {"EXT2", op_ext2},
    [0x84] = {"EXT4", op_ext4},
    [0x85] = {"TUPLE1", op_tuple1},
    [0x86] = {"TUPLE2", op_tuple2},
    [0x87] = {"TUPLE3", op_tuple3},
    [0x88] = {"NEWTRUE", op_true},
    [0x89] = {"NEWFALSE", op_false},
    [0x8a] = {"LONG1", op_long1},
    [0x8b] = {"LONG4", op_long4},
    ['B'] = {"BINBYTES", op_bytes4},
    ['C'] = {"SHORT_BINBYTES", op_bytes1},
    [0x8c] = {"SHORT_BINUNICODE", op_unicode1},
    [0x8d] = {"BINUNICODE8", op_unicode8},
    [0x8e] = {"BINBYTES8", op_bytes8},
    [0x8f] = {"EMPTY_SET", op_empty_set},
    [0x90] = {"ADDITEMS", op_additems},
    [0x91] = {"FROZENSET", op_frozenset},
    [0x92] = {"NEWOBJ_EX", op_newobj_ex},
    [0x93] = {"STACK_GLOBAL", op_stack_global},
    [0x94] = {"MEMOIZE", op_memoize},
    [0x95] = {"FRAME", op_frame},
    [0x96] = {"BYTEARRAY8", op_bytes8},
    [0x97] = {"NEXT_BUFFER", op_buffer},
    [0x98] = {"READONLY_BUFFER", op_readonly},
};

static const char *op_name(uint8_t op) { return ops[op].name ? ops[op].name : "unknown opcode"; }

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
        status = pop(r, &root);
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
