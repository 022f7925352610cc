/* What jobs work from, written down before they are: files of DATA/spool. See engine_internal.h. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/engine_internal.h"

#include <stdio.h>
#include <unistd.h>

void eng_spool_name(const char *ending, char out[ENG_SPOOL_NAME])
{
    char id[ENG_ID_SIZE];
    eng_random_id(id, sizeof id - 1);
    snprintf(out, ENG_SPOOL_NAME, "%s.%s", id, ending);
}

char *eng_spool_dir(const eng *e) { return eng_path_join(e->data, "spool"); }

char *eng_spool_path(const eng *e, const char *name)
{
    char *dir = eng_spool_dir(e);
    char *path = dir ? eng_path_join(dir, name) : NULL;
    eng_free(dir);
    return path;
}

static void drop(const eng *e, const char *name)
{
    char *path = eng_spool_path(e, name);
    if (path)
        unlink(path);
    eng_free(path);
}

eng_status eng_spool_write(const eng *e, const char *name, eng_str text, eng_error *err)
{
    char *dir = eng_spool_dir(e), *path = eng_spool_path(e, name);
    eng_status status = dir && path ? eng_dir_make(dir, 0700, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_file_write(path, text, 0600, err);
    eng_free(dir);
    eng_free(path);
    return status;
}

eng_status eng_spool_submit(eng *e, const char *kind, const char *name, const eng_buf *params,
                            int64_t *job, eng_error *err)
{
    eng_status status = eng_buf_check(params, "job", err);
    if (status == ENG_OK)
        status = eng_job_submit(e, kind, eng_buf_view(params), job, err);
    if (status < 0)
        drop(e, name);
    return status;
}

eng_status eng_spool_read(const eng_job_run *run, size_t max, eng_buf *out, eng_error *err)
{
    eng_str name = eng_json_text(eng_json_get(run->params, ENG_STR("spool")));
    char *path = eng_spool_path(run->e, name.ptr);
    eng_status status = path ? eng_file_read(path, max, out, err) : eng_fail_nomem(err);
    eng_free(path);
    return status;
}

void eng_spool_end(const eng_job_run *run, eng_status status)
{
    if (status != ENG_ECANCELLED || atomic_load(&run->cancelled))
        drop(run->e, eng_json_text(eng_json_get(run->params, ENG_STR("spool"))).ptr);
}
