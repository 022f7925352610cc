/* Bytes as an archive: whatever they are, no name leaves a folder, and no member unpacks to more than it
 * claimed or than the limits let it claim. */
#include "base/alloc.h"
#include "format/format.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static eng_status count(void *ctx, eng_str bytes, eng_error *err)
{
    (void)err;
    *(uint64_t *)ctx += bytes.len;
    return ENG_OK;
}

static void check_name(eng_str name)
{
    check(name.len > 0 && name.ptr[0] != '/' && strlen(name.ptr) == name.len);
    check(!eng_str_starts(name, ENG_STR("../")) && !eng_str_ends(name, ENG_STR("/..")));
    check(eng_str_find(name, ENG_STR("/../")) == SIZE_MAX && !eng_str_eq(name, ENG_STR("..")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const eng_zip_limits limits = {
        .members = 1000, .member_max = 1 << 20, .total_max = 4 << 20, .ratio_max = 1100};
    eng_zip *z = NULL;
    if (eng_zip_of((eng_str){(const char *)data, size}, "fuzz", &limits, &z, NULL) != ENG_OK)
        return 0;
    uint64_t total = 0;
    for (size_t i = 0; i < eng_zip_count(z); i++) {
        const eng_zip_member *m = eng_zip_at(z, i);
        uint64_t got = 0;
        check_name(m->name);
        check(eng_zip_find(z, m->name) == m);
        check(m->size <= limits.member_max);
        total += m->size;
        eng_status status = eng_zip_read(z, m, count, &got, NULL);
        check(got <= m->size && (status < 0 || got == m->size));
    }
    check(total <= limits.total_max);
    eng_zip_free(z);
    return 0;
}
