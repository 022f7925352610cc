/* The input is a segment of the history: every entry that is found lies inside of it, forwards and
 * backwards. Checksums are put right first where an entry's head is whole. */
#include "base/crc.h"
#include "engine/history.h"

#include <stdlib.h>

enum { NUMBER = 1, HEAD = 64 };

static void inside(const unsigned char *p, size_t size, eng_str text)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    if (at < p || text.len > size || at + text.len > p + size)
        abort();
}

static void mend(unsigned char *p, size_t size)
{
    for (size_t at = ENG_HISTORY_PAGE; at + HEAD <= size; at += 8) {
        uint32_t len;
        memcpy(&len, p + at + 8, sizeof len);
        if (len < 8 || len > size - at)
            continue;
        uint32_t crc = eng_crc32c(0, p + at + 8, len - 8);
        memcpy(p + at + 4, &crc, sizeof crc);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_history_summary summary;
    eng_history_entry entry;
    bool sealed = false;
    uint64_t bad = 0;
    if (size > 1 << 16)
        return 0;
    /* The first page is not the input's, so that small inputs are entries. */
    size_t len = ENG_HISTORY_PAGE + size;
    unsigned char *p = calloc(1, len);
    if (!p)
        return 0;
    eng_history_begin(p, NUMBER);
    memcpy(p + ENG_HISTORY_PAGE, data, size);
    memcpy(p + 64, data, size < 4000 ? size : 4000);
    eng_history_page(p, NUMBER, &sealed, &summary);
    mend(p, len);
    for (size_t at = ENG_HISTORY_PAGE, next;
         eng_history_next(p, NUMBER, len, &at, &next, &entry, &bad); at = next) {
        inside(p, len, entry.input);
        inside(p, len, entry.predicted);
    }
    for (size_t at = len; eng_history_before(p, NUMBER, &at, &entry);)
        inside(p, len, entry.model);
    free(p);
    return 0;
}
