/* SHA-1 (FIPS 180-4), for git's checksums, which is what the hub knows of small files. Against a hub that
 * lies it proves nothing, and nothing here asks it to: it finds what the way has damaged. */
#include "engine/model_internal.h"

static uint32_t rotate(uint32_t v, unsigned by) { return v << by | v >> (32 - by); }

static void take_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t w[80];
    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);

    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (size_t i = 0; i < 80; i++) {
        uint32_t f = i < 20              ? (b & c) | (~b & d)
                     : i < 40 || i >= 60 ? b ^ c ^ d
                                         : (b & c) | (b & d) | (c & d);
        uint32_t next = rotate(a, 5) + f + e + constants[i / 20] + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void eng_sha1_init(eng_sha1 *s)
{
    *s = (eng_sha1){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
}

void eng_sha1_add(eng_sha1 *s, const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    while (len) {
        size_t at = s->len % sizeof s->block, n = sizeof s->block - at;
        n = n < len ? n : len;
        memcpy(s->block + at, from, n);
        s->len += n;
        from += n;
        len -= n;
        if (at + n == sizeof s->block)
            take_block(s->state, s->block);
    }
}

void eng_sha1_end(eng_sha1 *s, unsigned char out[ENG_SHA1_SIZE])
{
    uint64_t bits = s->len * 8;
    unsigned char tail[72] = {0x80};
    size_t pad = (119 - s->len % 64) % 64 + 1; /* up to eight bytes before a block's end */
    for (size_t i = 0; i < 8; i++)
        tail[pad + i] = (unsigned char)(bits >> (56 - 8 * i));
    eng_sha1_add(s, tail, pad + 8);
    for (size_t i = 0; i < ENG_SHA1_SIZE; i++)
        out[i] = (unsigned char)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}
