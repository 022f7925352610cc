/* A container whose checksums are put right, so that what stands behind them is reached too. */
#ifndef ENG_FUZZ_MEND_H
#define ENG_FUZZ_MEND_H

#include "base/crc.h"
#include "format/container.h"

#include <stdlib.h>

enum { HEAD = 64, ENTRY = 64 };

static inline uint32_t u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void put_u32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static inline void mend(unsigned char *p, size_t len)
{
    size_t sections = len >= HEAD ? u32(p + 12) : 0, blocks = 0;
    if (!sections || sections > ENG_CONTAINER_SECTIONS || len < HEAD + sections * ENTRY)
        return;
    unsigned char *sums = p + HEAD + sections * ENTRY;
    for (size_t i = 0; i < sections; i++) {
        const unsigned char *entry = p + HEAD + i * ENTRY;
        size_t offset = u32(entry + 40), size = u32(entry + 48);
        if (offset > len || size > len - offset)
            return;
        for (size_t at = 0; at < size; at += ENG_CONTAINER_BLOCK, blocks++) {
            size_t part = size - at < ENG_CONTAINER_BLOCK ? size - at : ENG_CONTAINER_BLOCK;
            if (HEAD + sections * ENTRY + 4 * blocks + 4 > len)
                return;
            put_u32(sums + 4 * blocks, eng_crc32c(0, p + offset + at, part));
        }
    }
    size_t body = HEAD + sections * ENTRY + 4 * blocks;
    if (body <= len)
        put_u32(p + 60, eng_crc32c(eng_crc32c(0, p, 60), p + HEAD, body - HEAD));
}

#endif
