/*
 * JSON, RFC 8259 to the letter: reading into a tree in an arena, taking one value out of a text
 * without a tree, and writing straight into a buffer.
 *
 * Reading is strict: valid UTF-8, no comments, no trailing commas, no NaN, no lone surrogates, and
 * nothing behind the value. Nesting and size have limits. A key that stands twice in one object is
 * an error that names it (at any depth, however it is escaped). Errors carry byte, line and column
 * (both from 1, the column in characters): "line 2, column 11: expected a value".
 *
 * Numbers are exact: an integer that fits int64 stays one; everything else is the nearest double;
 * what lies beyond a double's range is refused. Printing a double gives the shortest text that reads
 * back as the same bits.
 */
#ifndef ENG_JSON_H
#define ENG_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* ---- Reading --------------------------------------------------------------------------------- */

typedef enum {
    ENG_JSON_NULL,
    ENG_JSON_BOOL,
    ENG_JSON_INT,
    ENG_JSON_DOUBLE,
    ENG_JSON_STRING,
    ENG_JSON_ARRAY,
    ENG_JSON_OBJECT
} eng_json_type;

typedef struct eng_json eng_json;

/*
 * A value: 16 bytes. The values of an array, and the keys and values of an object (key, value, key,
 * value ...), lie one after the other; `count` is the number of elements or of pairs, or a string's
 * bytes. Read it through the functions below, or directly where speed asks for it.
 */
struct eng_json {
    uint8_t type; /* eng_json_type */
    uint32_t count;
    union {
        bool boolean;
        int64_t integer;
        double number;
        const char *text; /* NUL-terminated too; may hold NULs of its own */
        const eng_json *items;
    } as;
};

enum { ENG_JSON_DEPTH_MAX = 1024 };

typedef struct {
    size_t depth; /* deepest nesting; 0 means 128; never more than ENG_JSON_DEPTH_MAX */
    size_t size;  /* most bytes of text; 0 means no limit (4 GiB is refused) */
} eng_json_limits;

/* The tree lives in the arena and borrows nothing from `text`; it takes up to nine times the text's
 * bytes, and three times that while it is read. limits may be NULL. */
eng_status eng_json_read(eng_str text, const eng_json_limits *limits, eng_arena *arena,
                         const eng_json **out, eng_error *err) ENG_MUST_CHECK;

/* NULL where v is NULL, no object, or has no such key: so that look-ups chain. */
const eng_json *eng_json_get(const eng_json *v, eng_str key);
/* NULL where v is NULL, no array, or shorter. */
const eng_json *eng_json_at(const eng_json *v, size_t index);
/* The i-th pair of an object. */
eng_str eng_json_key(const eng_json *object, size_t i);
const eng_json *eng_json_value(const eng_json *object, size_t i);

static inline bool eng_json_is(const eng_json *v, eng_json_type type)
{
    return v && v->type == type;
}
static inline size_t eng_json_count(const eng_json *v) { return v ? v->count : 0; }
/* A string's text, or an empty view. */
static inline eng_str eng_json_text(const eng_json *v)
{
    return eng_json_is(v, ENG_JSON_STRING) ? (eng_str){v->as.text, v->count} : (eng_str){"", 0};
}
/* Of either kind of number; false for anything else. */
bool eng_json_number(const eng_json *v, double *out);

/* What a value is, for messages: "a string", "null", "an object" ... */
const char *eng_json_type_name(const eng_json *v);

/* Writes a tree as text again, with keys in their order. */
typedef struct eng_json_writer eng_json_writer;
void eng_json_copy(eng_json_writer *w, const eng_json *v);

/*
 * One value of a text without a tree, by a path such as "/products/0/title" (RFC 6901). All of the
 * text is checked on the way, but for repeated keys outside of the path; what is found is the raw
 * slice of the text. ENG_ENOTFOUND where the path leads nowhere.
 */
eng_status eng_json_find(eng_str text, eng_str path, const eng_json_limits *limits, eng_str *raw,
                         eng_error *err) ENG_MUST_CHECK;

/* ---- Writing --------------------------------------------------------------------------------- */

/*
 * Appends to a buffer; commas and colons are the writer's business. Errors stick in the buffer, so
 * nothing is checked on the way. Misuse (a value without its key, an object left open) is a bug of
 * ours and asserted. Strings must be UTF-8: bytes that are not become U+FFFD, never broken JSON.
 *
 *     eng_json_writer w = eng_json_write_to(&buf);
 *     eng_json_open(&w, '{');
 *     eng_json_name(&w, ENG_STR("rows"));   eng_json_int(&w, 3);
 *     eng_json_member(&w, "title", title);
 *     eng_json_close(&w, '}');
 */
struct eng_json_writer {
    eng_buf *out;
    uint64_t objects; /* a bit for each open level: 1 for an object; at most 64 levels */
    uint8_t depth;
    bool comma; /* the next value at this level needs one before it */
    bool named; /* a key was written, its value comes next */
};

eng_json_writer eng_json_write_to(eng_buf *out);
void eng_json_open(eng_json_writer *w, char kind);  /* '{' or '[' */
void eng_json_close(eng_json_writer *w, char kind); /* '}' or ']' */
void eng_json_name(eng_json_writer *w, eng_str key);
void eng_json_null(eng_json_writer *w);
void eng_json_bool(eng_json_writer *w, bool v);
void eng_json_int(eng_json_writer *w, int64_t v);
void eng_json_uint(eng_json_writer *w, uint64_t v);
/* Infinities and NaN, which JSON lacks, as null. */
void eng_json_double(eng_json_writer *w, double v);
void eng_json_string(eng_json_writer *w, eng_str v);
void eng_json_raw(eng_json_writer *w, eng_str json); /* a value that is JSON already */
/* [x,y,z]: each float as the shortest text that reads back as the same float. */
void eng_json_floats(eng_json_writer *w, const float *v, size_t count);

/* A key and a string in one call. */
void eng_json_member(eng_json_writer *w, const char *key, eng_str value);

/* ---- Numbers, for others who read or print them ------------------------------------------------ */

/* A JSON number that a double can hold, and nothing else. */
bool eng_number_read(eng_str text, double *out);
/* The shortest digits that read back as v (finite), laid out as Python does: 3.0, 1e-05, 1e+16. At
 * most 32 bytes are written; returns how many are the text. */
size_t eng_number_print(double v, char out[32]);
/* The same for a float; it reads back as v by way of a double too. */
size_t eng_number_print_float(float v, char out[32]);

#endif
