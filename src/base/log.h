/*
 * Log lines on standard error, as logfmt or JSON: for programs (the server, the command line); the
 * library returns errors and never logs.
 *
 *     eng_log_line line;
 *     eng_log_begin(&line, ENG_LOG_INFO, "listening");
 *     eng_log_str(&line, "address", address);
 *     eng_log_int(&line, "loops", 2);
 *     eng_log_end(&line);
 *
 * A line is one write, so lines of several threads do not mix. It is built in the caller's storage
 * and cut at its size; control characters are escaped, so a stranger's bytes cannot forge a line.
 */
#ifndef ENG_BASE_LOG_H
#define ENG_BASE_LOG_H

#include "base/buf.h"

typedef enum {
    ENG_LOG_DEBUG,
    ENG_LOG_INFO,
    ENG_LOG_WARN,
    ENG_LOG_ERROR,
    ENG_LOG_OFF
} eng_log_level;

typedef struct {
    char text[2048];
    size_t len;
    bool on;
    bool json;
} eng_log_line;

/* Set once, before threads start. */
void eng_log_setup(eng_log_level least, bool json);
bool eng_log_on(eng_log_level level);

void eng_log_begin(eng_log_line *l, eng_log_level level, const char *message);
void eng_log_str(eng_log_line *l, const char *name, eng_str value);
void eng_log_int(eng_log_line *l, const char *name, int64_t value);
void eng_log_ms(eng_log_line *l, const char *name,
                uint64_t ns); /* as milliseconds, three decimals */
void eng_log_end(eng_log_line *l);
/* Instead of eng_log_end: appends the line to a buffer, for many lines in one write. */
void eng_log_end_in(eng_log_line *l, eng_buf *out);

/* An error, once, at the top: "msg=<message> status=<name>" and its field and position. */
void eng_log_error(const char *what, const eng_error *err);

#endif
