/*
 * Parsers of files that strangers made. Each has limits, never trusts a length it was told, and has a
 * fuzz target.
 */
#ifndef ENG_FORMAT_H
#define ENG_FORMAT_H

#include "base/buf.h"
#include "base/str.h"

/* ---- Zip ------------------------------------------------------------------------------------------ */

/*
 * A zip archive (a wheel, a DOCX), read by libzip and held to limits of ours. An archive is refused as
 * a whole, when it is opened, where a member's name is not plain (absolute, a part that is empty, "."
 * or "..", a backslash, a control character, bytes that are no UTF-8), where two members have one
 * name, or where it claims to hold more than the limits allow: so a name can be used as a path below
 * a folder, and a bomb is known before a byte of it is unpacked. What a member really unpacks to is
 * counted too, and its checksum compared.
 *
 * Not for two threads at once. libzip's own memory is not counted by base/alloc.h.
 */
typedef struct eng_zip eng_zip;

typedef struct {
    size_t members;      /* 0: 65,536 */
    uint64_t member_max; /* bytes of one member, unpacked; 0: 8 GiB */
    uint64_t total_max;  /* bytes of all, unpacked; 0: 32 GiB */
    unsigned
        ratio_max; /* unpacked bytes for each packed one, of a member and of the archive, past the
                            first MiB; 0: 200 */
} eng_zip_limits;

typedef struct {
    eng_str name;  /* NUL-terminated; lives as long as the archive */
    uint64_t size; /* unpacked */
    uint64_t packed;
} eng_zip_member;

/* ENG_EMALFORMED: no zip, or damaged; ENG_EINVALID: a name; ENG_ETOOBIG: a limit. limits may be NULL. */
eng_status eng_zip_open(const char *path, const eng_zip_limits *limits, eng_zip **out,
                        eng_error *err) ENG_MUST_CHECK;
/* The same of bytes that outlive it; `what` names them in messages. */
eng_status eng_zip_of(eng_str bytes, const char *what, const eng_zip_limits *limits, eng_zip **out,
                      eng_error *err) ENG_MUST_CHECK;
void eng_zip_free(eng_zip *z);

/* Its files, in the archive's order; folders are left out. */
size_t eng_zip_count(const eng_zip *z);
const eng_zip_member *eng_zip_at(const eng_zip *z, size_t index);
/* NULL where there is none of this name. */
const eng_zip_member *eng_zip_find(const eng_zip *z, eng_str name);

/* Unpacks a member piece by piece; an error of `data` ends it and is passed on. What came before an
 * error (ENG_EMALFORMED: damaged; ENG_EUNSUPPORTED: encrypted, or an unknown way of packing) is not to
 * be used. */
typedef eng_status eng_zip_data(void *ctx, eng_str bytes, eng_error *err);
eng_status eng_zip_read(eng_zip *z, const eng_zip_member *member, eng_zip_data *data, void *ctx,
                        eng_error *err) ENG_MUST_CHECK;
/* The whole of it, appended to a buffer, whose maximum is a limit too. */
eng_status eng_zip_text(eng_zip *z, const eng_zip_member *member, eng_buf *out,
                        eng_error *err) ENG_MUST_CHECK;

/* ---- CSV ------------------------------------------------------------------------------------------ */

/*
 * Rows of RFC 4180 and of what people really write: any separator, "\n", "\r\n" or "\r" at line ends,
 * a quote within a field that does not begin with one, empty lines (skipped), a byte order mark,
 * spreadsheets' first line "sep=;". Bytes are not looked at otherwise: their encoding is the caller's.
 *
 *     eng_csv csv;
 *     eng_csv_init(&csv, bytes, 0);
 *     while ((status = eng_csv_next(&csv, &row, err)) == ENG_OK && row.count) ...
 *     eng_csv_clear(&csv);
 */
typedef struct {
    const eng_str *fields; /* unquoted; live until the next call */
    size_t count;          /* 0: no more rows */
    size_t line;           /* where the row begins, from 1 */
} eng_csv_row;

typedef struct {
    eng_str bytes;
    size_t at;
    size_t line;
    char separator;
    eng_str *fields;
    size_t cap;
    eng_buf unquoted; /* text of fields whose quotes were doubled */
} eng_csv;

enum { ENG_CSV_ROW_MAX = 64 << 20, ENG_CSV_FIELDS_MAX = 65536 };

/* separator 0: guessed from the first rows among , ; tab | . `bytes` outlive it. */
void eng_csv_init(eng_csv *c, eng_str bytes, char separator);
void eng_csv_clear(eng_csv *c);
/* ENG_EMALFORMED names the line (a quote that never ends, text behind a closing quote); ENG_ETOOBIG: a
 * row beyond the limits. The next call goes on with the line behind it. */
eng_status eng_csv_next(eng_csv *c, eng_csv_row *out, eng_error *err) ENG_MUST_CHECK;

#endif
