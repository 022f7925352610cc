/* What the files of the reader of pickles share. */
#ifndef ENG_FORMAT_PICKLE_INTERNAL_H
#define ENG_FORMAT_PICKLE_INTERNAL_H

#include "base/error.h"
#include "base/span.h"
#include "format/pickle.h"

/* What calling a name on the list makes. */
typedef enum {
    PY_INERT,       /* a function or a type that stands as data; calling it is refused */
    PY_OBJECT,      /* an object of this class; or what this function would have made */
    PY_MAKE_OBJECT, /* copyreg: an object of the class that is its first argument */
    PY_MAP,         /* a dict of some kind */
    PY_SET_OF,      /* set(list), frozenset(list) */
    PY_BYTES_OF,    /* bytearray, bytes */
    PY_ENCODE,      /* _codecs.encode(text, 'latin1') */
    PY_PARTIAL,     /* functools.partial of a name on the list */
    PY_NUMPY_DTYPE,
    PY_NUMPY_EMPTY, /* _reconstruct: what BUILD fills */
    PY_NUMPY_BUFFER,
    PY_NUMPY_SCALAR,
    PY_WRAPPER /* joblib's: its BUILD is followed by the array's bytes */
} eng_py_call;

typedef struct {
    const char *module;
    const char *names; /* parted by blanks */
    eng_py_call call;
} eng_py_listed;

extern const eng_py_listed eng_py_list[];
extern const size_t eng_py_list_count;
const eng_py_listed *eng_py_list_find(eng_str module, eng_str name);

enum { ENG_PY_BUCKETS = 512 };

typedef struct {
    eng_py_name *buckets[ENG_PY_BUCKETS];
} eng_py_name_map;

typedef struct {
    eng_pickle *out;
    eng_arena *arena;
    eng_span in;
    eng_py **stack;
    size_t depth, room;
    uint32_t *marks;
    size_t mark_count, mark_room;
    eng_py **memo;
    size_t memo_count, memo_room;
    uint64_t opcodes, opcodes_max;
    unsigned nested;
    bool scan;
    size_t at; /* of the opcode that is being done */
    uint8_t op;
    eng_error *err;
    eng_py *small; /* None, True, False */
    eng_py_name_map *names;
} eng_py_reader;

/* Fails with the opcode's name and place. */
eng_status eng_py_refuse(eng_py_reader *r, eng_status status, const char *format, ...)
    ENG_PRINTF(3, 4);
eng_py *eng_py_new(eng_py_reader *r, eng_py_type type);
eng_status eng_py_run(eng_py_reader *r);

/* pickle_numpy.c: constructors. Each pushes nothing and returns its value in *out. */
eng_status eng_py_make_dtype(eng_py_reader *r, const eng_py *args, eng_py **out);
eng_status eng_py_build_dtype(eng_py_reader *r, eng_py *self, const eng_py *state);
eng_status eng_py_make_empty(eng_py_reader *r, const eng_py *args, eng_py **out);
eng_status eng_py_build_array(eng_py_reader *r, eng_py *self, const eng_py *state);
eng_status eng_py_make_buffer(eng_py_reader *r, const eng_py *args, eng_py **out);
eng_status eng_py_make_scalar(eng_py_reader *r, const eng_py *args, eng_py **out);
/* joblib's wrapper becomes the array whose bytes follow. */
eng_status eng_py_build_wrapper(eng_py_reader *r, eng_py *self);

/* pickle_value.c: no cycles, not too deep, not too much by reference. */
eng_status eng_py_check_tree(eng_py_reader *r, eng_py *root);

#endif
