/* Images with some of their bytes changed, as if the checksums had been changed with them. */
#ifndef ENG_FUZZ_INDEX_H
#define ENG_FUZZ_INDEX_H

#include "base/alloc.h"
#include "base/span.h"
#include "index/index_internal.h"

#include <stdlib.h>

static inline void must(bool ok)
{
    if (!ok)
        abort();
}

/* A copy of an image; each five bytes of the input change one: place (4, modulo) and value; places
 * past the end are the tail's numbers. */
static inline eng_image *changed(const eng_image *from, eng_span *in)
{
    eng_image *image = eng_zalloc(sizeof *image);
    must(image != NULL);
    *image = *from;
    image->owned = eng_alloc(from->len);
    must(image->owned != NULL);
    memcpy(image->owned, from->data, from->len);
    image->data = (unsigned char *)image->owned;
    atomic_init(&image->refs, 1);
    while (eng_span_left(in) >= 5) {
        size_t at = eng_span_u32(in) % (from->len + sizeof image->numbers);
        uint8_t value = eng_span_u8(in);
        if (at < from->len)
            image->owned[at] = (char)value;
        else
            ((unsigned char *)image->numbers)[at - from->len] = value;
    }
    return image;
}

#endif
