/*
 * Tokens of pages: the position as 13 characters of five bits, then 26 of a keyed checksum of what
 * is listed and the position. A client can neither read meaning into one nor make one up, so what a
 * position is may change.
 */
#include "base/error.h"
#include "engine/engine_internal.h"

#include <sodium.h>

enum { POSITION_CHARS = 13, MAC_SIZE = 16, MAC_CHARS = 26, LIMIT_MAX = 1000 };

_Static_assert(POSITION_CHARS + MAC_CHARS < ENG_NEXT_SIZE, "a token fits");

static const char digits[] = "0123456789abcdefghijklmnopqrstuv";

static void put_position(uint64_t v, char *out)
{
    for (int i = POSITION_CHARS - 1; i >= 0; i--, v >>= 5)
        out[i] = digits[v & 31];
}

static void put_mac(const unsigned char *mac, char *out)
{
    unsigned bits = 0, held = 0;
    for (size_t at = 0, i = 0; i < MAC_CHARS; i++) {
        if (held < 5) {
            bits = bits << 8 | (at < MAC_SIZE ? mac[at++] : 0U);
            held += 8;
        }
        held -= 5;
        out[i] = digits[bits >> held & 31];
    }
}

void eng_next_make(const eng *e, const char *what, int64_t position, char out[ENG_NEXT_SIZE])
{
    unsigned char mac[MAC_SIZE];
    put_position((uint64_t)position, out);
    crypto_generichash_state state;
    crypto_generichash_init(&state, e->secret, sizeof e->secret, sizeof mac);
    crypto_generichash_update(&state, (const unsigned char *)"page", 4);
    crypto_generichash_update(&state, (const unsigned char *)what, strlen(what) + 1);
    crypto_generichash_update(&state, (const unsigned char *)out, POSITION_CHARS);
    crypto_generichash_final(&state, mac, sizeof mac);
    put_mac(mac, out + POSITION_CHARS);
    out[POSITION_CHARS + MAC_CHARS] = '\0';
}

/* Whatever the first characters say is a position; the checksum then tells whether it is ours. */
static int64_t take_position(const char *next)
{
    uint64_t v = 0;
    for (int i = 0; i < POSITION_CHARS; i++) {
        const char *digit = memchr(digits, next[i], sizeof digits - 1);
        v = v << 5 | (digit ? (uint64_t)(digit - digits) : 0);
    }
    return (int64_t)v;
}

eng_status eng_next_read(const eng *e, const char *what, const char *next, int64_t first,
                         int64_t *position, eng_error *err)
{
    if (!next) {
        *position = first;
        return ENG_OK;
    }
    char ours[ENG_NEXT_SIZE];
    bool good = strlen(next) == POSITION_CHARS + MAC_CHARS;
    if (good) {
        eng_next_make(e, what, take_position(next), ours);
        good = sodium_memcmp(ours, next, POSITION_CHARS + MAC_CHARS) == 0;
    }
    if (!good)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("next"), "not from a page of this list");
    *position = take_position(next);
    return ENG_OK;
}

eng_status eng_limit_check(unsigned limit, eng_error *err)
{
    if (limit >= 1 && limit <= LIMIT_MAX)
        return ENG_OK;
    return eng_fail_field(err, ENG_EINVALID, ENG_STR("limit"), "expected 1 to %d", LIMIT_MAX);
}
