/*
 * Blocks of up to 128 numbers, each in the bits that the largest of them needs.
 *
 * A full block is four columns that one vector of four lanes unpacks at once: number i is in lane
 * i % 4, so the inner loop is shifts and masks of whole vectors whatever the width. The compiler makes
 * a straight line of it for each of the 33 widths.
 */
#include "index/index_internal.h"

typedef uint32_t four __attribute__((vector_size(16)));

enum { FOURS = ENG_PACK / 4 };

unsigned eng_pack_width(const uint32_t *v, size_t count)
{
    uint32_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= v[i];
    return all ? 32u - (unsigned)__builtin_clz(all) : 0;
}

size_t eng_pack_size(size_t count, unsigned width)
{
    return count == ENG_PACK ? (size_t)width * 16 : (count * width + 7) / 8;
}

/* Fewer than 128: one after the other. */
static void pack_few(const uint32_t *v, size_t count, unsigned width, unsigned char *out)
{
    uint64_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < count; i++) {
        bits |= (uint64_t)v[i] << have;
        for (have += width; have >= 8; have -= 8, bits >>= 8)
            *out++ = (unsigned char)bits;
    }
    if (have > 0)
        *out = (unsigned char)bits;
}

static void unpack_few(const unsigned char *in, size_t count, unsigned width, uint32_t *out)
{
    uint64_t bits = 0;
    unsigned have = 0;
    uint32_t mask = width == 32 ? UINT32_MAX : (1u << width) - 1;
    for (size_t i = 0; i < count; i++) {
        for (; have < width; have += 8)
            bits |= (uint64_t)*in++ << have;
        out[i] = (uint32_t)bits & mask;
        bits >>= width;
        have -= width;
    }
}

void eng_pack(const uint32_t *v, size_t count, unsigned width, unsigned char *out)
{
    if (count < ENG_PACK) {
        pack_few(v, count, width, out);
        return;
    }
    for (size_t lane = 0; lane < 4; lane++) {
        uint64_t bits = 0;
        unsigned have = 0, word = 0;
        for (size_t i = 0; i < FOURS; i++) {
            bits |= (uint64_t)v[i * 4 + lane] << have;
            have += width;
            if (have >= 32) {
                uint32_t full = (uint32_t)bits;
                memcpy(out + (word++ * 4 + lane) * 4, &full, 4);
                bits >>= 32;
                have -= 32;
            }
        }
    }
}

static inline __attribute__((always_inline)) void unpack_fours(const unsigned char *in,
                                                               unsigned width, uint32_t *out)
{
    four mask = {0}, now, next;
    mask = mask + (width == 32 ? UINT32_MAX : (1u << width) - 1);
    unsigned have = 32;
    memcpy(&now, in, sizeof now);
    in += sizeof now;
#pragma GCC unroll 32
    for (unsigned i = 0; i < FOURS; i++) {
        four v = now >> (32 - have);
        if (have < width) {
            memcpy(&next, in, sizeof next);
            in += sizeof next;
            v |= next << have;
            now = next;
            have += 32;
        }
        have -= width;
        if (have == 0 && i + 1 < FOURS) {
            memcpy(&now, in, sizeof now);
            in += sizeof now;
            have = 32;
        }
        v &= mask;
        memcpy(out + i * 4, &v, sizeof v);
    }
}

#define WIDTH(w)                                                                                   \
    case w:                                                                                        \
        unpack_fours(in, w, out);                                                                  \
        break;
#define WIDTHS(w) WIDTH(w) WIDTH(w + 1) WIDTH(w + 2) WIDTH(w + 3)

void eng_unpack(const unsigned char *in, size_t count, unsigned width, uint32_t *out)
{
    if (width == 0) {
        memset(out, 0, count * sizeof *out);
        return;
    }
    if (count < ENG_PACK) {
        unpack_few(in, count, width, out);
        return;
    }
    switch (width) {
        WIDTHS(1)
        WIDTHS(5)
        WIDTHS(9)
        WIDTHS(13)
        WIDTHS(17)
        WIDTHS(21)
        WIDTHS(25)
        WIDTHS(29)
    default:
        break;
    }
}

/* Four at a time; what one four hands to the next stays in a register. */
uint32_t eng_unpack_sums(uint32_t *v, size_t count, uint32_t before)
{
    four sums = (four){0} + before, most = {0};
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        four x;
        memcpy(&x, v + i, sizeof x);
        x += 1;
        x += __builtin_shufflevector(x, (four){0}, 4, 0, 1, 2);
        x += __builtin_shufflevector(x, (four){0}, 4, 4, 0, 1);
        x += sums;
        memcpy(v + i, &x, sizeof x);
        sums = __builtin_shufflevector(x, x, 3, 3, 3, 3);
        four more = (four)(x > most);
        most = (x & more) | (most & ~more);
    }
    uint32_t sum = sums[0], largest = most[3];
    for (; i < count; i++) {
        sum += v[i] + 1;
        v[i] = sum;
        largest = largest > sum ? largest : sum;
    }
    return largest;
}
