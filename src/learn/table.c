/* Which kind of file it is, and who reads it. */
#include "learn/table.h"

#include "base/error.h"
#include "format/pickle.h"
#include "learn/boost.h"
#include "learn/sklearn.h"

static eng_status read_pickle(eng_str bytes, eng_plan **out, eng_error *err)
{
    eng_pickle p;
    eng_status status = eng_pickle_read(bytes, NULL, &p, err);
    if (status != ENG_OK)
        return status;
    status = eng_sklearn_plan(p.root, out, err);
    eng_pickle_clear(&p);
    return status;
}

eng_status eng_table_plan(eng_str file, eng_plan **out, eng_error *err)
{
    eng_error mine = {0};
    eng_buf buf;
    eng_str bytes = {0};
    const char *packing = "";
    eng_status status = eng_joblib_unpack(file, ENG_TABLE_UNPACKED, &buf, &bytes, &packing, &mine);
    if (status == ENG_OK) {
        if (!eng_pickle_likely(bytes) && eng_boost_likely(bytes))
            status = eng_boost_plan(bytes, NULL, out, &mine);
        else
            status = read_pickle(bytes, out, &mine);
    }
    eng_buf_clear(&buf);
    /* To whoever sent it a model that we cannot run is a wrong file, not a wrong server. */
    if (status == ENG_EUNSUPPORTED || status == ENG_EINVALID || status == ENG_ETYPE)
        mine.status = status = ENG_EMALFORMED;
    if (status != ENG_OK && err)
        *err = mine;
    return status;
}
