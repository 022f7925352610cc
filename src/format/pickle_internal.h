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

/* ---- The stack (pickle.c) ---- */

/* NULL: making it failed, and the failure stands in the reader. */
eng_status eng_py_push(eng_py_reader *r, eng_py *v);
/* The last value; never one below the last mark. */
eng_status eng_py_pop(eng_py_reader *r, eng_py **out);
eng_status eng_py_top(eng_py_reader *r, eng_py **out);
/* The values above the last mark, which is taken away with them; as one of a type. */
eng_status eng_py_pop_mark(eng_py_reader *r, eng_py ***items, size_t *count);
eng_status eng_py_push_marked(eng_py_reader *r, eng_py_type type);
eng_py *eng_py_new_list(eng_py_reader *r, eng_py_type type, eng_py *const *items, size_t count);
eng_status eng_py_append(eng_py_reader *r, eng_py *list, eng_py *const *items, size_t count);

/* Why it failed: what was said, memory, the file's end. */
eng_status eng_py_failed(const eng_py_reader *r);
eng_status eng_py_no_memory(eng_py_reader *r);
eng_status eng_py_short(eng_py_reader *r);
/* A scan goes on where reading would end, and keeps the first reason. */
eng_status eng_py_foreign(eng_py_reader *r, const char *format, ...) ENG_PRINTF(2, 3);
const char *eng_py_op_name(uint8_t op);
/* The argument of an opcode of protocol 0. */
eng_str eng_py_line(eng_py_reader *r);

/* ---- Opcodes: pickle_scalar.c ---- */

eng_status eng_py_op_none(eng_py_reader *r);
eng_status eng_py_op_true(eng_py_reader *r);
eng_status eng_py_op_false(eng_py_reader *r);
eng_status eng_py_op_int(eng_py_reader *r);
eng_status eng_py_op_long(eng_py_reader *r);
eng_status eng_py_op_long1(eng_py_reader *r);
eng_status eng_py_op_long4(eng_py_reader *r);
eng_status eng_py_op_binint(eng_py_reader *r);
eng_status eng_py_op_binint1(eng_py_reader *r);
eng_status eng_py_op_binint2(eng_py_reader *r);
eng_status eng_py_op_float(eng_py_reader *r);
eng_status eng_py_op_binfloat(eng_py_reader *r);
eng_status eng_py_op_unicode(eng_py_reader *r);
eng_status eng_py_op_string(eng_py_reader *r);
eng_status eng_py_op_binstring(eng_py_reader *r);
eng_status eng_py_op_short_binstring(eng_py_reader *r);
eng_status eng_py_op_unicode1(eng_py_reader *r);
eng_status eng_py_op_unicode4(eng_py_reader *r);
eng_status eng_py_op_unicode8(eng_py_reader *r);
eng_status eng_py_op_bytes1(eng_py_reader *r);
eng_status eng_py_op_bytes4(eng_py_reader *r);
eng_status eng_py_op_bytes8(eng_py_reader *r);

/* ---- Opcodes: pickle_call.c ---- */

eng_status eng_py_op_global(eng_py_reader *r);
eng_status eng_py_op_stack_global(eng_py_reader *r);
eng_status eng_py_op_reduce(eng_py_reader *r);
eng_status eng_py_op_newobj_ex(eng_py_reader *r);
eng_status eng_py_op_inst(eng_py_reader *r);
eng_status eng_py_op_obj(eng_py_reader *r);
eng_status eng_py_op_build(eng_py_reader *r);

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
