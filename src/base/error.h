/*
 * Filling in an eng_error (engenho.h). Each function returns the status it was given, so that
 * failing and returning are one line:
 *
 *     return eng_fail(err, ENG_ENOTFOUND, "no job '%s'", id);
 *
 * Messages: lower case, no full stop, the subject quoted. err may be NULL. Text that does not fit
 * is cut at a character's boundary; bytes that are no UTF-8 and control characters become '?',
 * because a message may quote what a stranger sent and ends up in JSON and on terminals. The
 * arguments may point into err itself.
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

/*
 * From errno: "<what>: <strerror>". The status:
 *
 *     ENOENT                    ENG_ENOTFOUND
 *     EEXIST                    ENG_ECONFLICT
 *     ENOMEM                    ENG_ENOMEM
 *     ENOSPC, EDQUOT            ENG_ENOSPACE
 *     EROFS, EACCES, EPERM      ENG_EREADONLY: our own files refuse us, which is no 403 of a client
 *     EMFILE, ENFILE, EAGAIN    ENG_EBUSY: may go well later
 *     all others                ENG_EIO
 */
eng_status eng_fail_errno(eng_error *err, int code, const char *format, ...) ENG_PRINTF(3, 4);

/* ENG_ENOMEM, "out of memory". */
eng_status eng_fail_nomem(eng_error *err);

/* Puts words in front of the message of an error that is passed on: with "model '%s'" it
 * becomes "model 'x': <message>". */
void eng_error_prefix(eng_error *err, const char *format, ...) ENG_PRINTF(2, 3);

#endif
