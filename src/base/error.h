/*
 * Filling in an eng_error (engenho.h). Each function returns the status it was given, so that
 * failing and returning are one line:
 *
 *     return eng_fail(err, ENG_ENOTFOUND, "no job '%s'", id);
 *
 * Messages: lower case, no full stop, the subject quoted. err may be NULL. Text that does not fit is
 * cut at a character's boundary; bytes that are no UTF-8 become '?', because a message may quote
 * what a stranger sent and ends up in JSON.
 */
#ifndef ENG_BASE_ERROR_H
#define ENG_BASE_ERROR_H

#include "engenho.h"

eng_status eng_fail(eng_error *err, eng_status status, const char *format, ...) ENG_PRINTF(3, 4);

/* With the byte where it happened. */
eng_status eng_fail_at(eng_error *err, eng_status status, size_t position, const char *format, ...)
    ENG_PRINTF(4, 5);

/* With the name of the field that is wrong; the message becomes "field: ...". */
eng_status eng_fail_field(eng_error *err, eng_status status, eng_str field, const char *format, ...)
    ENG_PRINTF(4, 5);

/* From errno: "<what>: <strerror>"; ENOSPC, EROFS, ENOENT and their likes find their own status. */
eng_status eng_fail_errno(eng_error *err, int code, const char *format, ...) ENG_PRINTF(3, 4);

/* The same, without a message, for memory that ran out. */
eng_status eng_fail_nomem(eng_error *err);

/* Puts words in front of the message of an error that is passed on: "model 'x': <message>". */
void eng_error_prefix(eng_error *err, const char *format, ...) ENG_PRINTF(2, 3);

#endif
