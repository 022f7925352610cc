/*
 * engenho: knowledge, categories and predictions, in one library.
 *
 * This is the only header that is installed, and the only one through which the server and the
 * command line reach the engine.
 *
 * Conventions. What can fail returns an eng_status (ENG_OK is 0, errors are negative) and takes an
 * eng_error last, which may be NULL and is written on failure only; outputs are written on success
 * only. `T **out` gives the caller something to free; a returned `const T *` is borrowed. Text is
 * UTF-8. Handles may be used by several threads at once unless their comment says otherwise.
 * The library never logs, never exits and keeps no last error of its own.
 */
#ifndef ENGENHO_H
#define ENGENHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENG_VERSION "0.1.0"

#if defined(__GNUC__)
#define ENG_EXPORT __attribute__((visibility("default")))
#define ENG_MUST_CHECK __attribute__((warn_unused_result))
#define ENG_PRINTF(at, args) __attribute__((format(printf, at, args)))
#else
#define ENG_EXPORT
#define ENG_MUST_CHECK
#define ENG_PRINTF(at, args)
#endif

/* ---- Errors ---------------------------------------------------------------------------------- */

/*
 * Every way to fail: name, value, text, HTTP status, exit code. The values are part of the ABI; the
 * exit codes follow sysexits.h where it has one.
 */
#define ENG_STATUS_MAP(X)                                                   \
    X(ENG_OK, 0, "ok", 200, 0)                                              \
    X(ENG_EUSAGE, -1, "wrong usage", 400, 64)                               \
    X(ENG_EMALFORMED, -2, "malformed input", 400, 65)                       \
    X(ENG_ETRUNCATED, -3, "input ends too early", 400, 65)                  \
    X(ENG_EINVALID, -4, "not acceptable", 422, 65)                          \
    X(ENG_ETOOBIG, -5, "too large", 413, 65)                                \
    X(ENG_ETYPE, -6, "wrong type of content", 415, 65)                      \
    X(ENG_EAUTH, -7, "a key is needed", 401, 77)                            \
    X(ENG_EFORBIDDEN, -8, "not allowed", 403, 77)                           \
    X(ENG_ENOTFOUND, -9, "no such thing", 404, 66)                          \
    X(ENG_EMETHOD, -10, "method not allowed", 405, 64)                      \
    X(ENG_ECONFLICT, -11, "conflict", 409, 73)                              \
    X(ENG_ERATE, -12, "too many requests", 429, 75)                         \
    X(ENG_EBUSY, -13, "busy", 503, 75)                                      \
    X(ENG_ELOCKED, -14, "held by another process", 503, 75)                 \
    X(ENG_ECANCELLED, -15, "cancelled", 503, 75)                            \
    X(ENG_ENOMEM, -16, "out of memory", 503, 71)                            \
    X(ENG_ENOSPACE, -17, "no space left", 503, 74)                          \
    X(ENG_EREADONLY, -18, "cannot be written to", 503, 73)                  \
    X(ENG_EIO, -19, "input or output failed", 500, 74)                      \
    X(ENG_ECORRUPT, -20, "damaged", 500, 65)                                \
    X(ENG_EVERSION, -21, "made by another version", 422, 65)                \
    X(ENG_EUNSUPPORTED, -22, "not supported", 501, 69)                      \
    X(ENG_EUPSTREAM, -23, "the other side failed", 502, 69)                 \
    X(ENG_ETIMEOUT, -24, "took too long", 504, 75)                          \
    X(ENG_EINTERNAL, -25, "a bug of ours", 500, 70)

typedef enum eng_status {
#define ENG_STATUS_VALUE(name, value, text, http, code) name = value,
    ENG_STATUS_MAP(ENG_STATUS_VALUE)
#undef ENG_STATUS_VALUE
} eng_status;

ENG_EXPORT const char *eng_status_name(eng_status status);
ENG_EXPORT const char *eng_status_text(eng_status status);
ENG_EXPORT int eng_status_http(eng_status status);
ENG_EXPORT int eng_status_exit(eng_status status);

/*
 * What went wrong, and where. position counts bytes from 0; line and column count from 1, and are 0
 * where they mean nothing. Text is cut at a character's boundary, never within one.
 */
typedef struct eng_error {
    eng_status status;
    size_t position;
    uint32_t line;
    uint32_t column;
    char field[64];
    char message[512];
} eng_error;

/* A borrowed view of text: not owned, not NUL-terminated; it lives as long as what it looks at. */
typedef struct eng_str {
    const char *ptr;
    size_t len;
} eng_str;

#ifdef __cplusplus
}
#endif
#endif
