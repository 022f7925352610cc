#include "base/error.h"

#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- The table of engenho.h ---- */

typedef struct {
    const char *name;
    const char *text;
    int http;
    int code;
} status_row;

static const status_row rows[] = {
#define ROW(status, value, words, http_code, exit_code)                                            \
    [-(value)] = {#status, words, http_code, exit_code},
    ENG_STATUS_MAP(ROW)
#undef ROW
};

/* What is no status of ours is a bug of ours. */
static const status_row *row_of(eng_status status)
{
    int at = -(int)status;
    bool known = at >= 0 && (size_t)at < sizeof rows / sizeof rows[0] && rows[at].name;
    return &rows[known ? at : -ENG_EINTERNAL];
}

const char *eng_status_name(eng_status status) { return row_of(status)->name; }
const char *eng_status_text(eng_status status) { return row_of(status)->text; }
int eng_status_http(eng_status status) { return row_of(status)->http; }
int eng_status_exit(eng_status status) { return row_of(status)->code; }

/* ---- Filling in an error ---- */

/*
 * Text on its way into an eng_error. It is longer than a message by what a character may take, so
 * that one which vsnprintf has cut lies wholly in the part that is left away.
 */
typedef struct {
    char text[sizeof((eng_error *)0)->message + 4];
    size_t len;
} draft;

static void draft_vformat(draft *d, const char *format, va_list args) ENG_PRINTF(2, 0);

static void draft_vformat(draft *d, const char *format, va_list args)
{
    size_t left = sizeof d->text - d->len;
    int n = vsnprintf(d->text + d->len, left, format, args);
    if (n > 0)
        d->len += (size_t)n < left ? (size_t)n : left - 1;
}

static void draft_format(draft *d, const char *format, ...) ENG_PRINTF(2, 3);

static void draft_format(draft *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    draft_vformat(d, format, args);
    va_end(args);
}

/* Byte for byte, so that lengths stay as they are. */
static void sanitise(char *text, size_t len)
{
    eng_str all = {text, len};
    for (size_t from = 0, at = 0; at < len; from = at) {
        uint32_t c = eng_utf8_next(all, &at);
        bool bad = c < 0x20 || (c >= 0x7F && c < 0xA0) || (c == 0xFFFD && at - from == 1);
        if (bad)
            memset(text + from, '?', at - from);
    }
}

static void put(char *out, size_t size, eng_str text)
{
    eng_str kept = eng_utf8_cut(text, size - 1);
    memcpy(out, kept.ptr, kept.len);
    out[kept.len] = '\0';
}

static eng_status finish(eng_error *err, eng_status status, draft *d)
{
    sanitise(d->text, d->len);
    *err = (eng_error){.status = status};
    put(err->message, sizeof err->message, (eng_str){d->text, d->len});
    return status;
}

eng_status eng_fail(eng_error *err, eng_status status, const char *format, ...)
{
    if (!err)
        return status;
    draft d = {.len = 0};
    va_list args;
    va_start(args, format);
    draft_vformat(&d, format, args);
    va_end(args);
    return finish(err, status, &d);
}

eng_status eng_fail_at(eng_error *err, eng_status status, size_t position, const char *format, ...)
{
    if (!err)
        return status;
    draft d = {.len = 0};
    va_list args;
    va_start(args, format);
    draft_vformat(&d, format, args);
    va_end(args);
    finish(err, status, &d);
    err->position = position;
    return status;
}

eng_status eng_fail_field(eng_error *err, eng_status status, eng_str field, const char *format, ...)
{
    if (!err)
        return status;
    /* The name is copied before err is written, which it may stand in. */
    draft name = {.len = 0}, d = {.len = 0};
    draft_format(&name, "%.*s", ENG_FMT(eng_str_sub(field, 0, sizeof name.text)));
    sanitise(name.text, name.len);

    draft_format(&d, "%s: ", name.text);
    va_list args;
    va_start(args, format);
    draft_vformat(&d, format, args);
    va_end(args);
    finish(err, status, &d);
    put(err->field, sizeof err->field, (eng_str){name.text, name.len});
    return status;
}

static eng_status status_of_errno(int code)
{
    switch (code) {
    case ENOENT:
        return ENG_ENOTFOUND;
    case EEXIST:
        return ENG_ECONFLICT;
    case ENOMEM:
        return ENG_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return ENG_ENOSPACE;
    case EROFS:
    case EACCES:
    case EPERM:
        return ENG_EREADONLY;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        return ENG_EBUSY;
    default:
        return ENG_EIO;
    }
}

eng_status eng_fail_errno(eng_error *err, int code, const char *format, ...)
{
    eng_status status = status_of_errno(code);
    if (!err)
        return status;
    draft d = {.len = 0};
    va_list args;
    va_start(args, format);
    draft_vformat(&d, format, args);
    va_end(args);

    char space[128];
    const char *words = strerror_r(code, space, sizeof space);
    /* Messages are lower case, but for words that are capitals throughout. */
    bool name = words[0] && words[1] >= 'A' && words[1] <= 'Z';
    char first = words[0] >= 'A' && words[0] <= 'Z' && !name ? (char)(words[0] | 0x20) : words[0];
    draft_format(&d, ": %c%s", first, words[0] ? words + 1 : "");
    return finish(err, status, &d);
}

eng_status eng_fail_nomem(eng_error *err) { return eng_fail(err, ENG_ENOMEM, "out of memory"); }

void eng_error_prefix(eng_error *err, const char *format, ...)
{
    if (!err)
        return;
    draft d = {.len = 0};
    va_list args;
    va_start(args, format);
    draft_vformat(&d, format, args);
    va_end(args);
    draft_format(&d, ": %s", err->message);
    sanitise(d.text, d.len);
    put(err->message, sizeof err->message, (eng_str){d.text, d.len});
}
