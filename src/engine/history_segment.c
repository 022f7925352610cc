/*
 * A segment, byte by byte (this machine's order, which is little-endian on all that we support):
 *
 *     page     0  "ENGHIST1"      8  u32 number    12  u32 CRC of the 12 bytes before it
 *             64  u32 CRC of what follows, u32 0, then eng_history_summary: only when it is full
 *     entry    0  u32 magic   4  u32 CRC of what follows   8  u32 size   12  u32 flags   16  u64 id
 *             24  i64 time   32  u64 ns   40  u32 version   44  u32 rows
 *             48  u32 bytes of the model's name, 52 of the input, 56 of the output   60  u32 0
 *             64  those three; zeros up to a multiple of 8; in the last 4 bytes the size again
 *
 * The id in an entry keeps one that was copied elsewhere, or is part of some input, from being taken for
 * one of this place.
 */
#include "engine/history.h"

#include "base/crc.h"
#include "base/hash.h"

#include <string.h>

enum { MAGIC = 0x3168e9a7, HEAD = 64, TAIL = 4, SUMMARY_AT = 64, FLAG_CUT = 1 };

static const char page_magic[8] = "ENGHIST1";

typedef struct {
    uint32_t magic;
    uint32_t crc;
    uint32_t size;
    uint32_t flags;
    uint64_t id;
    int64_t time_ms;
    uint64_t ns;
    uint32_t version;
    uint32_t rows;
    uint32_t model;
    uint32_t input;
    uint32_t predicted;
    uint32_t zero;
} head;

_Static_assert(sizeof(head) == HEAD, "an entry's head is as documented");
_Static_assert(SUMMARY_AT + 8 + sizeof(eng_history_summary) <= ENG_HISTORY_PAGE,
               "a summary fits into its page");

/* ---- The page ---- */

uint64_t eng_history_hash(eng_str model)
{
    static const uint64_t key[2] = {0, 0}; /* kept in files: the same in every process */
    return eng_siphash(model.ptr, model.len, key);
}

void eng_history_note(eng_history_summary *s, const eng_history_entry *entry)
{
    uint64_t hash = eng_history_hash(entry->model);
    if (s->entries++ == 0)
        s->first_ms = entry->time_ms;
    s->last_ms = entry->time_ms;
    uint32_t count = s->model_count <= ENG_HISTORY_MODELS ? s->model_count : 0;
    for (uint32_t i = 0; i < count; i++)
        if (s->models[i] == hash)
            return;
    if (s->model_count < ENG_HISTORY_MODELS)
        s->models[s->model_count] = hash;
    if (s->model_count <= ENG_HISTORY_MODELS)
        s->model_count++;
}

void eng_history_begin(unsigned char *page, uint32_t number)
{
    memset(page, 0, ENG_HISTORY_PAGE);
    memcpy(page, page_magic, sizeof page_magic);
    memcpy(page + 8, &number, sizeof number);
    uint32_t crc = eng_crc32c(0, page, 12);
    memcpy(page + 12, &crc, sizeof crc);
}

void eng_history_seal(unsigned char *page, const eng_history_summary *s)
{
    memcpy(page + SUMMARY_AT + 8, s, sizeof *s);
    uint32_t crc = eng_crc32c(0, page + SUMMARY_AT + 4, 4 + sizeof *s);
    memcpy(page + SUMMARY_AT, &crc, sizeof crc);
}

bool eng_history_page(const unsigned char *page, uint32_t number, bool *sealed,
                      eng_history_summary *out)
{
    uint32_t its, crc;
    memcpy(&its, page + 8, sizeof its);
    memcpy(&crc, page + 12, sizeof crc);
    if (memcmp(page, page_magic, sizeof page_magic) != 0 || its != number ||
        crc != eng_crc32c(0, page, 12))
        return false;
    memcpy(&crc, page + SUMMARY_AT, sizeof crc);
    *sealed = crc == eng_crc32c(0, page + SUMMARY_AT + 4, 4 + sizeof *out);
    if (*sealed) {
        memcpy(out, page + SUMMARY_AT + 8, sizeof *out);
        /* A page of zeros has a checksum too, but not this one; all the same nothing here is trusted. */
        *sealed = out->used >= ENG_HISTORY_PAGE && out->used <= ENG_HISTORY_SEGMENT &&
                  out->model_count <= ENG_HISTORY_MODELS + 1;
    }
    return true;
}

/* ---- Entries ---- */

static size_t rounded(size_t n) { return (n + 7) & ~(size_t)7; }

size_t eng_history_size(const eng_history_entry *entry)
{
    return rounded(HEAD + entry->model.len + entry->input.len + entry->predicted.len + TAIL);
}

static int64_t id_of(uint32_t number, size_t at)
{
    return (int64_t)number << ENG_HISTORY_PLACE_BITS | (int64_t)at;
}

static unsigned char *put_text(unsigned char *to, eng_str text)
{
    if (text.len)
        memcpy(to, text.ptr, text.len);
    return to + text.len;
}

void eng_history_put(unsigned char *segment, uint32_t number, size_t at, eng_history_entry *entry)
{
    unsigned char *to = segment + at;
    uint32_t size = (uint32_t)eng_history_size(entry);
    entry->id = id_of(number, at);
    head h = {
        .magic = MAGIC,
        .size = size,
        .flags = entry->cut ? FLAG_CUT : 0,
        .id = (uint64_t)entry->id,
        .time_ms = entry->time_ms,
        .ns = entry->ns,
        .version = entry->version,
        .rows = entry->rows,
        .model = (uint32_t)entry->model.len,
        .input = (uint32_t)entry->input.len,
        .predicted = (uint32_t)entry->predicted.len,
    };
    unsigned char *end = put_text(to + HEAD, entry->model);
    end = put_text(end, entry->input);
    end = put_text(end, entry->predicted);
    memset(end, 0, (size_t)(to + size - end));
    memcpy(to + size - TAIL, &size, TAIL);
    memcpy(to, &h, sizeof h);
    h.crc = eng_crc32c(0, to + 8, size - 8);
    memcpy(to + 4, &h.crc, sizeof h.crc);
}

/* A whole entry stands at `at` and ends at or before `end`. */
static bool read_at(const unsigned char *segment, uint32_t number, size_t end, size_t at,
                    size_t *next, eng_history_entry *out)
{
    head h;
    if (at % 8 || at < ENG_HISTORY_PAGE || at > end || end - at < HEAD + TAIL)
        return false;
    memcpy(&h, segment + at, sizeof h);
    if (h.magic != MAGIC || h.size % 8 || h.size < HEAD + TAIL || h.size > end - at ||
        h.id != (uint64_t)id_of(number, at))
        return false;
    uint64_t texts = (uint64_t)h.model + h.input + h.predicted;
    if (texts > h.size - HEAD - TAIL || h.crc != eng_crc32c(0, segment + at + 8, h.size - 8))
        return false;
    const char *text = (const char *)segment + at + HEAD;
    *out = (eng_history_entry){
        .id = (int64_t)h.id,
        .time_ms = h.time_ms,
        .model = {text, h.model},
        .version = h.version,
        .rows = h.rows,
        .ns = h.ns,
        .input = {text + h.model, h.input},
        .predicted = {text + h.model + h.input, h.predicted},
        .cut = (h.flags & FLAG_CUT) != 0,
    };
    *next = at + h.size;
    return true;
}

bool eng_history_next(const unsigned char *segment, uint32_t number, size_t end, size_t *at,
                      size_t *next, eng_history_entry *out, uint64_t *bad)
{
    for (size_t place = rounded(*at); place < end; place += 8) {
        if (read_at(segment, number, end, place, next, out)) {
            *at = place;
            return true;
        }
        *bad += 8;
    }
    return false;
}

bool eng_history_before(const unsigned char *segment, uint32_t number, size_t *at,
                        eng_history_entry *out)
{
    size_t end = *at & ~(size_t)7, next;
    uint32_t size = 0;
    if (end >= ENG_HISTORY_PAGE + HEAD + TAIL)
        memcpy(&size, segment + end - TAIL, TAIL);
    if (size && size <= end - ENG_HISTORY_PAGE &&
        read_at(segment, number, end, end - size, &next, out) && next == end) {
        *at = end - size;
        return true;
    }
    for (size_t place = end; place >= ENG_HISTORY_PAGE + 8;) {
        place -= 8;
        if (read_at(segment, number, end, place, &next, out)) {
            *at = place;
            return true;
        }
    }
    return false;
}
