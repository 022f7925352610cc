/*
 * safetensors: named tensors in one file, mapped and never copied. The file is a stranger's: header
 * size, JSON, types, shapes, offsets, overlaps and gaps are all checked when it is opened; a tensor
 * that is found can be read without another look.
 *
 * Limits: a header of 16 MiB, 65,536 tensors, 8 dimensions.
 */
#ifndef ENG_FORMAT_SAFETENSORS_H
#define ENG_FORMAT_SAFETENSORS_H

#include "base/arena.h"
#include "base/file.h"

typedef enum {
    ENG_TENSOR_F32,
    ENG_TENSOR_F16,
    ENG_TENSOR_BF16,
    ENG_TENSOR_OTHER /* well-formed, but nothing that we compute with: I64, F64, BOOL ... */
} eng_tensor_type;

typedef struct {
    eng_str name;
    eng_tensor_type type;
    unsigned dims;
    size_t shape[8];
    size_t count;              /* elements */
    const unsigned char *data; /* any alignment: elements are copied out */
    size_t size;
} eng_tensor;

typedef struct {
    eng_mapping file;
    eng_arena arena;
    eng_tensor *tensors; /* by name */
    size_t count;
} eng_safetensors;

eng_status eng_safetensors_open(const char *path, eng_safetensors *out,
                                eng_error *err) ENG_MUST_CHECK;
/* The same over bytes that the caller keeps; `file` is left empty. */
eng_status eng_safetensors_parse(const unsigned char *data, size_t len, eng_safetensors *out,
                                 eng_error *err) ENG_MUST_CHECK;
void eng_safetensors_close(eng_safetensors *s);

/* NULL where there is none. */
const eng_tensor *eng_safetensors_find(const eng_safetensors *s, eng_str name);

/* Elements [first, first + count) as floats; count is clipped to what is there. Not for
 * ENG_TENSOR_OTHER. */
void eng_tensor_read(const eng_tensor *t, size_t first, size_t count, float *out);

#endif
