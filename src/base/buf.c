#include "base/buf.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CAP_LEAST = 64 };

void eng_buf_init(eng_buf *b, size_t max) { *b = (eng_buf){.max = max}; }

void eng_buf_clear(eng_buf *b)
{
    eng_free(b->data);
    eng_buf_init(b, b->max);
}

void eng_buf_reset(eng_buf *b)
{
    b->len = 0;
    b->failed = ENG_OK;
    if (b->data)
        b->data[0] = '\0';
}

/* Makes cap at least `need`, which includes the NUL; doubles, so that appending is linear. */
static bool grow(eng_buf *b, size_t need)
{
    size_t cap = b->cap < CAP_LEAST / 2 ? CAP_LEAST : b->cap * 2;
    if (cap < b->cap || cap > b->max)
        cap = b->max + 1;
    if (cap < need)
        cap = need;
    char *data = eng_realloc(b->data, cap);
    if (!data) {
        b->failed = ENG_ENOMEM;
        return false;
    }
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return true;
}

char *eng_buf_room(eng_buf *b, size_t len)
{
    if (b->failed)
        return NULL;
    size_t need;
    if (len > b->max - b->len || !eng_add(b->len + len, 1, &need)) {
        b->failed = ENG_ETOOBIG;
        return NULL;
    }
    if (need > b->cap && !grow(b, need))
        return NULL;
    return b->data + b->len;
}

void eng_buf_added(eng_buf *b, size_t len)
{
    b->len += len;
    b->data[b->len] = '\0';
}

void eng_buf_bytes(eng_buf *b, const void *bytes, size_t len)
{
    char *to = eng_buf_room(b, len);
    if (!to)
        return;
    if (len)
        memcpy(to, bytes, len);
    eng_buf_added(b, len);
}

void eng_buf_str(eng_buf *b, eng_str text) { eng_buf_bytes(b, text.ptr, text.len); }

void eng_buf_byte(eng_buf *b, char c)
{
    char *to = eng_buf_room(b, 1);
    if (to) {
        *to = c;
        eng_buf_added(b, 1);
    }
}

void eng_buf_format(eng_buf *b, const char *format, ...)
{
    if (b->failed)
        return;
    /* First into what is there, which is nearly always enough. */
    size_t left = b->cap - b->len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(left ? b->data + b->len : NULL, left, format, args);
    va_end(args);

    /* Negative: more than an int counts. */
    char *to = eng_buf_room(b, len < 0 ? SIZE_MAX : (size_t)len);
    if (!to) {
        if (left)
            b->data[b->len] = '\0';
        return;
    }
    if ((size_t)len >= left) {
        va_start(args, format);
        vsnprintf(to, (size_t)len + 1, format, args);
        va_end(args);
    }
    eng_buf_added(b, (size_t)len);
}

void eng_buf_u64(eng_buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    eng_buf_bytes(b, digits + at, sizeof digits - at);
}

void eng_buf_varint(eng_buf *b, uint64_t value)
{
    for (; value >= 128; value >>= 7)
        eng_buf_byte(b, (char)(value | 128));
    eng_buf_byte(b, (char)value);
}

void eng_buf_drop(eng_buf *b, size_t n)
{
    if (n == 0 || !b->data)
        return;
    size_t left = n < b->len ? b->len - n : 0;
    if (left)
        memmove(b->data, b->data + n, left);
    b->len = left;
    b->data[left] = '\0';
}

char *eng_buf_take(eng_buf *b, size_t *len)
{
    /* Something that can be freed also where nothing was appended. */
    eng_buf_bytes(b, "", 0);
    if (b->failed) {
        eng_status failed = b->failed;
        eng_buf_clear(b);
        b->failed = failed;
        return NULL;
    }
    char *data = b->data;
    if (len)
        *len = b->len;
    eng_buf_init(b, b->max);
    return data;
}

eng_status eng_buf_check(const eng_buf *b, const char *what, eng_error *err)
{
    if (b->failed == ENG_ETOOBIG)
        return eng_fail(err, ENG_ETOOBIG, "%s: larger than %zu bytes", what, b->max);
    return b->failed ? eng_fail(err, b->failed, "%s: out of memory", what) : ENG_OK;
}
