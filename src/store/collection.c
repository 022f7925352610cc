/* Collections. */
#include "store/store_internal.h"

static eng_status count_collections(eng_conn *c, void *args, eng_error *err)
{
    uint64_t *count = args;
    eng_sql q = eng_sql_use(c, "SELECT count(*) FROM collection WHERE state = 1");
    if (eng_sql_row(&q))
        *count = (uint64_t)eng_sql_get_int(&q, 0);
    return eng_sql_end(&q, err);
}

eng_status eng_store_collection_count(eng_store *s, uint64_t *out, eng_error *err)
{
    uint64_t count = 0;
    eng_status status = eng_store_read(s, count_collections, &count, err);
    if (status == ENG_OK)
        *out = count;
    return status;
}
