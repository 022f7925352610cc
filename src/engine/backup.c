/*
 * A backup: the database as of one instant, then the files beside it. What the database names was
 * there before it did, and files are only added or removed, never changed but for an end that grows:
 * so the files copied afterwards hold what that database needs, and a checksum is of what was copied.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "engine/engine_internal.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    eng_job_run *run;
    eng_stage stage;
    eng_manifest files;
    uint64_t done;
    uint64_t total;
    uint64_t database; /* bytes, as far as the store knows */
} backup;

/* ---- Progress: the database is counted as it is copied and as it is read again ---- */

static bool database_progress(void *ctx, uint64_t done, uint64_t total)
{
    backup *b = ctx;
    double part = total ? (double)done / (double)total : 0;
    return eng_job_report(b->run, (uint64_t)((double)b->database * part), b->total);
}

static bool file_progress(void *ctx, uint64_t bytes)
{
    backup *b = ctx;
    b->done += bytes;
    return eng_job_report(b->run, b->done, b->total);
}

/* ---- What to copy ---- */

static eng_status add_entry(backup *b, const FTSENT *entry, size_t root_len, eng_error *err)
{
    switch (entry->fts_info) {
    case FTS_F:
        return eng_manifest_add(&b->files, &b->run->arena,
                                eng_str_of(entry->fts_path + root_len + 1),
                                (uint64_t)entry->fts_statp->st_size, err);
    case FTS_DC:
        return eng_fail(err, ENG_EINVALID, "'%s' is a link to a folder that it lies in",
                        entry->fts_path);
    case FTS_SLNONE:
        return eng_fail(err, ENG_ENOTFOUND, "'%s' is a link to nothing", entry->fts_path);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        /* Gone since its folder was read: as if it had been removed before. */
        if (entry->fts_errno == ENOENT)
            return ENG_OK;
        return eng_fail_errno(err, entry->fts_errno, "cannot read '%s'", entry->fts_path);
    default:
        return ENG_OK;
    }
}

/* Links are followed: a model may lie on another disk, and the backup must hold it. */
static eng_status collect(backup *b, const char *name, eng_error *err)
{
    const char *data = b->run->e->data;
    char *root = eng_path_join(data, name);
    if (!root)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    FTS *walk = NULL;
    if (!eng_data_exists(root))
        goto done;
    char *const roots[] = {root, NULL};
    walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!walk) {
        status = eng_fail_errno(err, errno, "cannot open '%s'", root);
        goto done;
    }
    while (status == ENG_OK) {
        errno = 0;
        const FTSENT *entry = fts_read(walk);
        if (!entry && errno)
            status = eng_fail_errno(err, errno, "cannot read '%s'", root);
        if (!entry)
            break;
        status = add_entry(b, entry, strlen(data), err);
    }
done:
    if (walk)
        fts_close(walk);
    eng_free(root);
    return status;
}

/* ---- Copying ---- */

static eng_status copy_database(backup *b, eng_error *err)
{
    char *path = eng_path_join(b->stage.path, ENG_DATA_DB);
    if (!path)
        return eng_fail_nomem(err);
    eng_store_counters store;
    eng_store_count(b->run->e->store, &store);
    b->database = store.bytes;
    b->total = 2 * b->database;
    eng_status status = eng_store_backup(b->run->e->store, path, database_progress, b, err);
    b->done = b->database;
    eng_free(path);
    return status;
}

/* Files[0] is the database, which is in its place already and only read. */
static eng_status copy_files(backup *b, eng_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->files.count; i++) {
        eng_backup_file *file = &b->files.files[i];
        eng_error why = {0};
        eng_status status = i == 0
                                ? eng_copy_hashed(b->stage.path, NULL, file, file_progress, b, &why)
                                : eng_copy_hashed(b->run->e->data, b->stage.path, file,
                                                  file_progress, b, &why);
        /* Removed since it was listed. */
        if (status == ENG_ENOTFOUND && i > 1)
            continue;
        if (status < 0) {
            if (err)
                *err = why;
            return status;
        }
        b->files.files[kept++] = *file;
    }
    b->files.count = kept;
    return ENG_OK;
}

static eng_status fill(backup *b, eng_error *err)
{
    eng_status status = copy_database(b, err);
    if (status == ENG_OK)
        status = eng_manifest_add(&b->files, &b->run->arena, ENG_STR(ENG_DATA_DB), b->database,
                                  err);
    if (status == ENG_OK)
        status = eng_manifest_add(&b->files, &b->run->arena, ENG_STR(ENG_DATA_SECRET),
                                  ENG_SECRET_SIZE, err);
    if (status == ENG_OK)
        status = collect(b, "models", err);
    if (status == ENG_OK)
        status = collect(b, "history", err);
    if (status < 0)
        return status;
    b->total = b->database + eng_manifest_bytes(&b->files);
    status = copy_files(b, err);
    return status < 0 ? status : eng_manifest_write(b->stage.path, &b->files, err);
}

static void write_result(backup *b, eng_str to)
{
    eng_json_writer w = eng_json_write_to(&b->run->result);
    eng_json_open(&w, '{');
    eng_json_member(&w, "path", to);
    eng_json_name(&w, ENG_STR("files"));
    eng_json_uint(&w, b->files.count);
    eng_json_name(&w, ENG_STR("bytes"));
    eng_json_uint(&w, eng_manifest_bytes(&b->files));
    eng_json_close(&w, '}');
}

/* What an earlier opening of the stage left behind its name; not part of the backup. */
static void remove_lock(const char *place)
{
    char *lock = eng_path_join(place, ENG_DATA_LOCK);
    if (lock)
        unlink(lock);
    eng_free(lock);
}

static eng_status already_there(const char *place, eng_error *err)
{
    return eng_fail(err, ENG_ECONFLICT, "'%s' is there already", place);
}

eng_status eng_backup_run(eng_job_run *run, eng_error *err)
{
    backup b = {.run = run, .stage = {.lock = -1}};
    eng_str to = eng_json_text(eng_json_get(run->params, ENG_STR("to")));
    if (to.len == 0)
        return eng_fail(err, ENG_EINTERNAL, "a backup job without a place");
    if (eng_data_exists(to.ptr))
        return already_there(to.ptr, err);
    eng_status status = eng_stage_open(to.ptr, &b.stage, err);
    if (status < 0)
        return status;
    status = fill(&b, err);
    if (status == ENG_OK)
        status = eng_stage_sync(&b.stage, err);
    if (status == ENG_OK)
        status = eng_stage_finish(&b.stage, to.ptr, err);
    if (status == ENG_OK) {
        remove_lock(to.ptr);
        eng_job_report(run, b.done, b.done);
        write_result(&b, to);
    }
    eng_stage_close(&b.stage);
    return status;
}

/* ---- Asking for one ---- */

/* The folder that it will stand in, without links, and its name behind it: to be freed. */
static eng_status resolve(const eng *e, const char *to, char **out, eng_error *err)
{
    eng_str field = ENG_STR("to");
    char real[PATH_MAX];
    eng_str text = eng_str_of(to);
    while (text.len > 1 && text.ptr[text.len - 1] == '/')
        text.len--;
    if (text.len < 2 || text.ptr[0] != '/' || eng_utf8_valid(text) != text.len)
        return eng_fail_field(err, ENG_EINVALID, field, "expected an absolute path");
    char *path = eng_strdup(text);
    char *parent = path ? eng_data_parent(path) : NULL;
    eng_status status = parent ? ENG_OK : eng_fail_nomem(err);
    if (status < 0)
        goto done;
    const char *name = strrchr(path, '/') + 1;
    if (eng_str_eq(eng_str_of(name), ENG_STR(".")) || eng_str_eq(eng_str_of(name), ENG_STR("..")))
        status = eng_fail_field(err, ENG_EINVALID, field, "'%s' does not end in a name", path);
    else if (!realpath(parent, real))
        status = eng_fail_field(err, ENG_EINVALID, field, "there is no folder '%s'", parent);
    else if (eng_data_within(real, e->data))
        status = eng_fail_field(err, ENG_EINVALID, field, "'%s' lies within the data directory",
                                path);
    if (status < 0)
        goto done;
    *out = eng_path_join(real, name);
    status = *out ? ENG_OK : eng_fail_nomem(err);
done:
    eng_free(path);
    eng_free(parent);
    return status;
}

eng_status eng_backup(eng *e, const char *to, int64_t *job, eng_error *err)
{
    char *place = NULL;
    eng_buf params;
    eng_buf_init(&params, 1 << 16);
    eng_status status = resolve(e, to, &place, err);
    if (status == ENG_OK && eng_data_exists(place))
        status = already_there(place, err);
    if (status == ENG_OK) {
        eng_json_writer w = eng_json_write_to(&params);
        eng_json_open(&w, '{');
        eng_json_member(&w, "to", eng_str_of(place));
        eng_json_close(&w, '}');
        status = eng_buf_check(&params, "path", err);
    }
    if (status == ENG_OK)
        status = eng_job_submit(e, "backup", eng_buf_view(&params), job, err);
    eng_buf_clear(&params);
    eng_free(place);
    return status;
}
