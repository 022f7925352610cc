/*
 * Python's pickles, read without Python: an interpreter of protocols 0 to 5 that builds values which
 * do nothing. A class is a name on a list of ours, by exact module and name; what a pickle would call
 * is written down and never called, but for a few constructors of plain data (arrays, dtypes, numbers,
 * bytes) that are ours. Whatever is not on the list is refused with its name, the opcode and the byte.
 *
 *     eng_pickle p;
 *     status = eng_pickle_read(bytes, NULL, &p, err);
 *     if (status == ENG_OK)
 *         coef = eng_py_attr(p.root, "coef_");
 *     ...
 *     eng_pickle_clear(&p);
 *
 * The file is a stranger's. Memory, opcodes, depth and what is reached by reference are bounded; shapes
 * and dtypes agree with the bytes that are there; no value contains itself. So a tree that was read may
 * be walked by recursion (ENG_PY_DEPTH_MAX) and each walk of all of it ends (ENG_PY_NODES_MAX steps).
 * What an attribute ought to be is the business of whoever asks for it: every function here takes NULL
 * and values of any type.
 *
 * Values borrow from the bytes that were read, which outlive them. They do not change once read and may
 * be looked at by any number of threads.
 */
#ifndef ENG_FORMAT_PICKLE_H
#define ENG_FORMAT_PICKLE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum {
    ENG_PY_DEPTH_MAX = 200,       /* how deep values lie in each other */
    ENG_PY_NODES_MAX = 256 << 20, /* values, each counted as often as it is reached */
    ENG_PY_DIMS_MAX = 8
};

typedef enum {
    ENG_PY_NONE,
    ENG_PY_BOOL,
    ENG_PY_INT,
    ENG_PY_BIG, /* an integer beyond int64: `text` holds its bytes, little-endian, two's complement */
    ENG_PY_FLOAT,
    ENG_PY_STR,
    ENG_PY_BYTES, /* bytearray too */
    ENG_PY_TUPLE,
    ENG_PY_LIST,
    ENG_PY_SET,
    ENG_PY_DICT,  /* OrderedDict, defaultdict and Bunch too */
    ENG_PY_CLASS, /* a name, of a class or of a function */
    ENG_PY_OBJECT,
    ENG_PY_DTYPE,
    ENG_PY_ARRAY
} eng_py_type;

typedef struct eng_py eng_py;
typedef struct eng_py_object eng_py_object;
typedef struct eng_py_dtype eng_py_dtype;
typedef struct eng_py_array eng_py_array;

typedef struct eng_py_name eng_py_name;

struct eng_py_name {
    eng_str module;
    eng_str name;
    eng_py_name *next; /* the reader's own */
    uint8_t call;      /* eng_py_call of pickle_internal.h: what calling it makes */
    bool listed;       /* false only where a scan was asked for */
    bool called;       /* something in the file would call it */
    uint32_t at;       /* where it is first named */
    uint32_t uses;
};

struct eng_py {
    uint8_t type;  /* eng_py_type */
    uint8_t state; /* the reader's own, and the next two */
    uint8_t depth;
    uint32_t nodes;
    uint32_t at; /* byte of the opcode that began it */
    union {
        bool boolean;
        int64_t integer;
        double number;
        eng_str text; /* STR: UTF-8; BYTES, BIG */
        struct {
            eng_py **items; /* DICT: key, value, key, value ... */
            uint32_t count; /* of values in `items` */
            uint32_t room;
        } list;
        eng_py_name *name;
        eng_py_object *object;
        eng_py_dtype *dtype;
        eng_py_array *array;
    } as;
};

/* What a call or __new__ would have made. */
struct eng_py_object {
    eng_py_name *name;    /* of the class, or of the function that would have been called */
    const eng_py *args;   /* a tuple, or NULL */
    const eng_py *kwargs; /* a dict, or NULL */
    const eng_py *state;  /* what BUILD brought, or NULL */
    eng_py *items;        /* a list or a dict of what was put into it, or NULL */
};

typedef struct {
    eng_str name;
    uint32_t offset;
    const eng_py_dtype *type;
} eng_py_field;

struct eng_py_dtype {
    char kind; /* numpy's: b i u f c S U V O M m */
    bool big;  /* big-endian */
    uint32_t size;
    const eng_py_field *fields; /* of V */
    uint32_t field_count;
};

/* The bytes are exactly count * dtype->size, or an object array's count values lie in `items`. */
struct eng_py_array {
    const eng_py_dtype *dtype; /* NULL only while it is read */
    unsigned dims;
    size_t shape[ENG_PY_DIMS_MAX];
    size_t count; /* of elements: 1 where dims is 0 */
    bool fortran;
    eng_str bytes; /* at any alignment */
    eng_py *const *items;
};

typedef struct {
    size_t memory;    /* what values may take beside the bytes; 0: 256 MiB and 16 times the bytes */
    uint64_t opcodes; /* 0: 256 Mi */
    bool scan; /* unknown names are noted, not refused: for looking at a file, never for use */
} eng_pickle_limits;

typedef struct {
    eng_arena arena;
    eng_budget budget;
    const eng_py *root;
    eng_py_name **names; /* in the order in which they are named */
    size_t name_count;
    unsigned protocol; /* the highest that it names; 0 where it names none */
    uint64_t opcodes;
    size_t end;      /* where it stops; bytes behind are not looked at */
    eng_str foreign; /* of a scan: the first thing for which reading would refuse it; else empty */
} eng_pickle;

/* ENG_EMALFORMED (also for a name that is not on the list), ENG_ETRUNCATED, ENG_ETOOBIG (a limit): all
 * with the byte as position. limits may be NULL. On failure there is nothing to clear. */
eng_status eng_pickle_read(eng_str bytes, const eng_pickle_limits *limits, eng_pickle *out,
                           eng_error *err) ENG_MUST_CHECK;
void eng_pickle_clear(eng_pickle *p);

/* Whether bytes begin as a pickle does: for telling files apart. */
bool eng_pickle_likely(eng_str bytes);

/* ---- What values hold --------------------------------------------------------------------------- */

static inline bool eng_py_is(const eng_py *v, eng_py_type type) { return v && v->type == type; }
static inline bool eng_py_none(const eng_py *v) { return !v || v->type == ENG_PY_NONE; }
/* "a string", "an array of float64 (3, 4)" ..., for messages; in the arena's own or static memory. */
const char *eng_py_type_name(const eng_py *v);

/* The class of an object, or what a name names; empty for others. */
eng_str eng_py_class(const eng_py *v);
eng_str eng_py_module(const eng_py *v);
bool eng_py_is_a(const eng_py *v, const char *class);

/* An attribute of an object (of its state), a value of a dict, by a text key; NULL: not there. */
const eng_py *eng_py_attr(const eng_py *v, const char *name);

/* Elements of a list, a tuple, a set, or an object array; 0 and NULL for others. */
size_t eng_py_count(const eng_py *v);
const eng_py *eng_py_at(const eng_py *v, size_t i);
/* Pairs of a dict. */
size_t eng_py_pairs(const eng_py *v);
const eng_py *eng_py_key(const eng_py *v, size_t i);
const eng_py *eng_py_value(const eng_py *v, size_t i);

/* A number of any kind: bool, int, float, or an array of one number. */
bool eng_py_number(const eng_py *v, double *out);
/* A whole number; a float is none. */
bool eng_py_integer(const eng_py *v, int64_t *out);
bool eng_py_text(const eng_py *v, eng_str *out);
/* None, False, 0 and what is not there are false. */
bool eng_py_true(const eng_py *v);

/* Element i of an array in C order, whatever order it is kept in. Numbers of any dtype become doubles;
 * false for what is no number. */
bool eng_py_element(const eng_py_array *a, size_t i, double *out);
bool eng_py_element_int(const eng_py_array *a, size_t i, int64_t *out);
/* The same for text: U and object arrays. U is made in `arena`; NULL text: out of memory. */
bool eng_py_element_text(const eng_py_array *a, size_t i, eng_arena *arena, eng_str *out);
/* A field of record i of a structured array that has one dimension. */
const eng_py_field *eng_py_field_of(const eng_py_dtype *t, const char *name);
bool eng_py_record(const eng_py_array *a, const eng_py_field *field, size_t i, double *out);
bool eng_py_record_int(const eng_py_array *a, const eng_py_field *field, size_t i, int64_t *out);

/* ---- The file around a pickle ----------------------------------------------------------------------- */

/*
 * joblib packs what it writes: zlib, gzip, bzip2, xz or the old lzma, told by the first bytes; several
 * streams may follow one another. Bytes that are not packed are not copied: *out is then a view of them.
 * Unpacked, a file may be 64 MiB, or 1000 times its size up to `max`, and no more (ENG_ETOOBIG).
 * `buf` is initialised here and cleared by the caller in any case.
 */
eng_status eng_joblib_unpack(eng_str file, size_t max, eng_buf *buf, eng_str *out,
                             const char **packing, eng_error *err) ENG_MUST_CHECK;

#endif
