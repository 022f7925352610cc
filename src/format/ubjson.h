/*
 * The two notations that XGBoost writes models in: UBJSON, and a JSON in which NaN and Infinity are
 * numbers. Both become the same values in an arena; lists of numbers, which are nearly all there is, lie
 * there as doubles without anything around them.
 *
 * Bytes are a stranger's: sizes are compared with what is there before anything is allocated. Text is not
 * held to be UTF-8. What nests deeper than 64 is refused.
 */
#ifndef ENG_FORMAT_UBJSON_H
#define ENG_FORMAT_UBJSON_H

#include "base/arena.h"
#include "base/str.h"

typedef enum {
    ENG_UBJ_NULL,
    ENG_UBJ_NUMBER, /* booleans too */
    ENG_UBJ_TEXT,
    ENG_UBJ_NUMBERS, /* a list of them; an empty list too */
    ENG_UBJ_LIST,
    ENG_UBJ_OBJECT
} eng_ubj_type;

typedef struct eng_ubj eng_ubj;
struct eng_ubj {
    eng_ubj_type type;
    size_t count;
    double number;
    eng_str text;          /* borrowed from the bytes, or in the arena */
    const double *numbers; /* [count] */
    const eng_ubj *items;  /* [count] */
    const eng_str *keys;   /* [count], of an object */
};

/* ENG_EMALFORMED or ENG_ETRUNCATED with the byte. What stands behind the value is not looked at. */
eng_status eng_ubjson_read(eng_str bytes, eng_arena *arena, const eng_ubj **out,
                           eng_error *err) ENG_MUST_CHECK;
eng_status eng_loose_json_read(eng_str text, eng_arena *arena, const eng_ubj **out,
                               eng_error *err) ENG_MUST_CHECK;

/* NULL where v is NULL, no object, or has no such key. */
const eng_ubj *eng_ubj_get(const eng_ubj *v, const char *key);
/* A number, also one written as text, which XGBoost does; false for anything else. */
bool eng_ubj_number(const eng_ubj *v, double *out);
eng_str eng_ubj_text(const eng_ubj *v);

#endif
