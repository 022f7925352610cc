#include "base/log.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    eng_log_level least;
    bool json;
} setup = {.least = ENG_LOG_INFO};

void eng_log_setup(eng_log_level least, bool json)
{
    setup.least = least;
    setup.json = json;
}

bool eng_log_on(eng_log_level level) { return level >= setup.least && level < ENG_LOG_OFF; }

/*
 * A line is cut so that it stays whole: this much is kept free for what has to follow a value that
 * was cut (a quote), and for the end of the line (a brace and the line end).
 */
enum { KEPT_FREE = 3 };

static size_t room(const eng_log_line *l)
{
    size_t most = sizeof l->text - KEPT_FREE;
    return l->len < most ? most - l->len : 0;
}

static void put(eng_log_line *l, const char *bytes, size_t len)
{
    memcpy(l->text + l->len, bytes, len);
    l->len += len;
}

static void put_str(eng_log_line *l, eng_str text) { put(l, text.ptr, text.len); }

/* The name and what stands around it, if `value` more bytes fit behind them. */
static bool put_name(eng_log_line *l, const char *name, size_t value)
{
    eng_str text = eng_str_of(name);
    size_t around = l->json ? 4 : 2; /* ,"": or a blank and = */
    if (room(l) < text.len + around + value)
        return false;
    if (l->json) {
        put_str(l, l->len == 0 ? ENG_STR("{\"") : ENG_STR(",\""));
        put_str(l, text);
        put_str(l, ENG_STR("\":"));
        return true;
    }
    if (l->len)
        put_str(l, ENG_STR(" "));
    put_str(l, text);
    put_str(l, ENG_STR("="));
    return true;
}

static void put_number(eng_log_line *l, const char *name, const char *digits)
{
    eng_str text = eng_str_of(digits);
    if (put_name(l, name, text.len))
        put_str(l, text);
}

/* One character as it stands in a quoted value: both forms escape as JSON does. */
static eng_str escape(eng_str value, size_t *at, char space[8])
{
    size_t from = *at;
    uint32_t c = eng_utf8_next(value, at);
    if (c == 0xFFFD && *at - from == 1)
        return ENG_STR("?");
    switch (c) {
    case '"':
        return ENG_STR("\\\"");
    case '\\':
        return ENG_STR("\\\\");
    case '\n':
        return ENG_STR("\\n");
    case '\r':
        return ENG_STR("\\r");
    case '\t':
        return ENG_STR("\\t");
    default:
        break;
    }
    if (c >= 0x20 && (c < 0x7F || c >= 0xA0))
        return eng_str_sub(value, from, *at - from);
    snprintf(space, 8, "\\u%04x", (unsigned)c);
    return (eng_str){space, 6};
}

/* Fit for logfmt without quotes: ASCII that means nothing to it. */
static bool is_plain(eng_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return value.len > 0;
}

void eng_log_str(eng_log_line *l, const char *name, eng_str value)
{
    if (!l->on || !put_name(l, name, 2))
        return;
    if (!l->json && value.len <= room(l) && is_plain(value)) {
        put_str(l, value);
        return;
    }
    put_str(l, ENG_STR("\""));
    char space[8];
    for (size_t at = 0; at < value.len;) {
        eng_str c = escape(value, &at, space);
        if (c.len > room(l))
            break;
        put_str(l, c);
    }
    put_str(l, ENG_STR("\"")); /* from what is kept free, where it was cut */
}

void eng_log_int(eng_log_line *l, const char *name, int64_t value)
{
    if (!l->on)
        return;
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    put_number(l, name, digits);
}

void eng_log_ms(eng_log_line *l, const char *name, uint64_t ns)
{
    if (!l->on)
        return;
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64 ".%03u", ns / 1000000, (unsigned)(ns / 1000 % 1000));
    put_number(l, name, digits);
}

void eng_log_begin(eng_log_line *l, eng_log_level level, const char *message)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    l->len = 0;
    l->json = setup.json;
    l->on = eng_log_on(level);
    if (!l->on)
        return;
    char now[ENG_TIME_SIZE];
    eng_time_format(eng_clock_wall_ms(), now);
    eng_log_str(l, "time", eng_str_of(now));
    eng_log_str(l, "level", eng_str_of(names[level]));
    eng_log_str(l, "msg", eng_str_of(message));
}

static void finish(eng_log_line *l)
{
    put_str(l, l->json ? ENG_STR("}\n") : ENG_STR("\n"));
    l->on = false;
}

void eng_log_end(eng_log_line *l)
{
    if (!l->on)
        return;
    finish(l);
    /* There is nobody to tell when the log itself cannot be written. */
    ssize_t done;
    do
        done = write(STDERR_FILENO, l->text, l->len);
    while (done < 0 && errno == EINTR);
}

void eng_log_end_in(eng_log_line *l, eng_buf *out)
{
    if (!l->on)
        return;
    finish(l);
    eng_buf_bytes(out, l->text, l->len);
}

void eng_log_error(const char *what, const eng_error *err)
{
    char message[sizeof err->message + 128];
    snprintf(message, sizeof message, "%s: %s", what ? what : "", err->message);

    eng_log_line line;
    eng_log_begin(&line, ENG_LOG_ERROR, what ? message : err->message);
    eng_log_str(&line, "status", eng_str_of(eng_status_name(err->status)));
    if (err->field[0])
        eng_log_str(&line, "field", eng_str_of(err->field));
    if (err->line) {
        eng_log_int(&line, "line", err->line);
        eng_log_int(&line, "column", err->column);
    }
    if (err->position)
        eng_log_int(&line, "position", (int64_t)err->position);
    eng_log_end(&line);
}
