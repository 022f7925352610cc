/* Opcodes of single values: numbers, text, bytes, and None, True and False. */
#include "format/pickle_internal.h"

#include "base/utf8.h"
#include "json/json.h"

#include <math.h>

/* ---- Plain values ------------------------------------------------------------------------------- */

static eng_status push_text(eng_py_reader *r, eng_py_type type, eng_str text)
{
    if (r->in.failed)
        return eng_py_short(r);
    if (type == ENG_PY_STR && eng_utf8_valid(text) != text.len)
        return eng_py_refuse(r, ENG_EMALFORMED, "a string is not UTF-8");
    eng_py *v = eng_py_new(r, type);
    if (v)
        v->as.text = text;
    return eng_py_push(r, v);
}

static eng_status push_int(eng_py_reader *r, int64_t n)
{
    if (r->in.failed)
        return eng_py_short(r);
    eng_py *v = eng_py_new(r, ENG_PY_INT);
    if (v)
        v->as.integer = n;
    return eng_py_push(r, v);
}

static eng_status push_float(eng_py_reader *r, double n)
{
    if (r->in.failed)
        return eng_py_short(r);
    eng_py *v = eng_py_new(r, ENG_PY_FLOAT);
    if (v)
        v->as.number = n;
    return eng_py_push(r, v);
}

eng_status eng_py_op_none(eng_py_reader *r) { return eng_py_push(r, &r->small[0]); }
eng_status eng_py_op_true(eng_py_reader *r) { return eng_py_push(r, &r->small[1]); }
eng_status eng_py_op_false(eng_py_reader *r) { return eng_py_push(r, &r->small[2]); }

eng_str eng_py_line(eng_py_reader *r) { return eng_span_until(&r->in, '\n'); }

eng_status eng_py_op_int(eng_py_reader *r)
{
    int64_t n = 0;
    eng_str text = eng_py_line(r);
    if (r->in.failed)
        return eng_py_short(r);
    if (eng_str_eq(text, ENG_STR("01")) || eng_str_eq(text, ENG_STR("00")))
        return text.ptr[1] == '1' ? eng_py_op_true(r) : eng_py_op_false(r);
    if (!eng_str_i64(text, &n))
        return eng_py_refuse(r, ENG_EMALFORMED, "no whole number");
    return push_int(r, n);
}

eng_status eng_py_op_long(eng_py_reader *r)
{
    int64_t n = 0;
    eng_str text = eng_py_line(r);
    if (r->in.failed)
        return eng_py_short(r);
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
        return eng_py_short(r);
    if (bytes.len > sizeof(int64_t))
        return push_text(r, ENG_PY_BIG, bytes);
    uint64_t n = bytes.len && (signed char)bytes.ptr[bytes.len - 1] < 0 ? UINT64_MAX : 0;
    for (size_t i = bytes.len; i-- > 0;)
        n = n << 8 | (unsigned char)bytes.ptr[i];
    return push_int(r, (int64_t)n);
}

eng_status eng_py_op_long1(eng_py_reader *r)
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

eng_status eng_py_op_long4(eng_py_reader *r)
{
    bool negative = false;
    eng_str bytes = signed_bytes(r, &negative);
    return negative ? eng_py_refuse(r, ENG_EMALFORMED, "a negative length") : push_long(r, bytes);
}

eng_status eng_py_op_binint(eng_py_reader *r) { return push_int(r, (int32_t)eng_span_u32(&r->in)); }
eng_status eng_py_op_binint1(eng_py_reader *r) { return push_int(r, eng_span_u8(&r->in)); }
eng_status eng_py_op_binint2(eng_py_reader *r) { return push_int(r, eng_span_u16(&r->in)); }

eng_status eng_py_op_float(eng_py_reader *r)
{
    double n = 0;
    eng_str text = eng_py_line(r);
    if (r->in.failed)
        return eng_py_short(r);
    if (eng_str_eq(text, ENG_STR("nan")))
        return push_float(r, NAN);
    if (eng_str_eq(text, ENG_STR("inf")) || eng_str_eq(text, ENG_STR("-inf")))
        return push_float(r, text.ptr[0] == '-' ? -INFINITY : INFINITY);
    if (!eng_number_read(text, &n))
        return eng_py_refuse(r, ENG_EMALFORMED, "no number");
    return push_float(r, n);
}

eng_status eng_py_op_binfloat(eng_py_reader *r)
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
eng_status eng_py_op_unicode(eng_py_reader *r)
{
    eng_str s = eng_py_line(r);
    if (r->in.failed)
        return eng_py_short(r);
    char *to = eng_arena_array(r->arena, s.len + 2, 2);
    if (!to)
        return eng_py_no_memory(r);
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
        return eng_py_short(r);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return eng_py_refuse(r, ENG_EMALFORMED, "a string of Python 2 that is not ASCII");
    return push_text(r, ENG_PY_STR, s);
}

eng_status eng_py_op_string(eng_py_reader *r)
{
    eng_str s = eng_str_trim(eng_py_line(r));
    if (r->in.failed)
        return eng_py_short(r);
    if (s.len < 2 || (s.ptr[0] != '\'' && s.ptr[0] != '"') || s.ptr[s.len - 1] != s.ptr[0])
        return eng_py_refuse(r, ENG_EMALFORMED, "a string without quotes");
    s = eng_str_sub(s, 1, s.len - 2);
    if (memchr(s.ptr, '\\', s.len))
        return eng_py_refuse(r, ENG_EMALFORMED, "a string of Python 2 with escapes");
    return push_ascii(r, s);
}

eng_status eng_py_op_binstring(eng_py_reader *r)
{
    bool negative = false;
    eng_str s = signed_bytes(r, &negative);
    return negative ? eng_py_refuse(r, ENG_EMALFORMED, "a negative length") : push_ascii(r, s);
}

eng_status eng_py_op_short_binstring(eng_py_reader *r)
{
    return push_ascii(r, eng_span_bytes(&r->in, eng_span_u8(&r->in)));
}

static eng_str bytes8(eng_py_reader *r)
{
    uint64_t n = eng_span_u64(&r->in);
    return eng_span_bytes(&r->in, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
}

eng_status eng_py_op_unicode1(eng_py_reader *r)
{
    return push_text(r, ENG_PY_STR, eng_span_bytes(&r->in, eng_span_u8(&r->in)));
}
eng_status eng_py_op_unicode4(eng_py_reader *r)
{
    return push_text(r, ENG_PY_STR, eng_span_bytes(&r->in, eng_span_u32(&r->in)));
}
eng_status eng_py_op_unicode8(eng_py_reader *r) { return push_text(r, ENG_PY_STR, bytes8(r)); }
eng_status eng_py_op_bytes1(eng_py_reader *r)
{
    return push_text(r, ENG_PY_BYTES, eng_span_bytes(&r->in, eng_span_u8(&r->in)));
}
eng_status eng_py_op_bytes4(eng_py_reader *r)
{
    return push_text(r, ENG_PY_BYTES, eng_span_bytes(&r->in, eng_span_u32(&r->in)));
}
eng_status eng_py_op_bytes8(eng_py_reader *r) { return push_text(r, ENG_PY_BYTES, bytes8(r)); }
