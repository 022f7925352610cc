/*
 * Restoring: all of a backup is copied beside the data and verified on the way, then
 *
 *     DATA.partial    whole, synced, locked
 *     DATA         -> DATA.before-restore        where there was one
 *     DATA.partial -> DATA
 *     DATA.before-restore removed
 *
 * At each instant one whole directory is there, the old or the new; between the two renames it is
 * DATA.before-restore, and eng_open and eng_examine say so (eng_data_cut_off).
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/engine_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct {
    char *data;
    char *before;
    char *from; /* without links */
    bool replace;
    bool old; /* DATA is there, and we hold its lock */
    int lock; /* of the old data; -1: none */
    eng_stage stage;
    eng_arena arena;
    eng_manifest files;
} restore;

/* ---- Whether it may be done ---- */

typedef enum { HOLDS_NOTHING, HOLDS_DATA, HOLDS_OTHER } contents;

/* Other than data of ours: whoever names a wrong folder by mistake must not lose it. */
static eng_status look_inside(const char *path, contents *what, eng_error *err)
{
    static const eng_str passing[] = {{ENG_DATA_LOCK, 4}, {ENG_DATA_TMP, 3}, {"engenho.sock", 12}};
    DIR *dir = opendir(path);
    if (!dir)
        return eng_fail_errno(err, errno, "cannot open '%s'", path);
    *what = HOLDS_NOTHING;
    for (const char *entry; *what != HOLDS_DATA && (entry = eng_data_next(dir)) != NULL;) {
        eng_str name = eng_str_of(entry);
        bool passes = false;
        for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
            passes = passes || eng_str_eq(name, passing[i]);
        if (eng_str_eq(name, ENG_STR(ENG_DATA_DB)) || eng_str_eq(name, ENG_STR(ENG_DATA_SECRET)))
            *what = HOLDS_DATA;
        else if (!passes)
            *what = HOLDS_OTHER;
    }
    closedir(dir);
    return ENG_OK;
}

static eng_status take_old(restore *r, eng_error *err)
{
    contents what = HOLDS_NOTHING;
    eng_status status = look_inside(r->data, &what, err);
    if (status < 0)
        return status;
    if (what == HOLDS_OTHER)
        return eng_fail(err, ENG_ECONFLICT, "'%s' holds other things than data of engenho",
                        r->data);
    char *lock = eng_path_join(r->data, ENG_DATA_LOCK);
    status = lock ? eng_lock_take(lock, &r->lock, err) : eng_fail_nomem(err);
    eng_free(lock);
    if (status < 0)
        return status;
    r->old = true;
    if (what == HOLDS_DATA && !r->replace)
        return eng_fail(err, ENG_ECONFLICT, "'%s' holds data already", r->data);
    if (eng_data_exists(r->before))
        return eng_fail(
            err, ENG_ECONFLICT,
            "'%s' is in the way: left behind by an earlier restore; where '%s' is as it "
            "should be, the doctor's repair removes it",
            r->before, r->data);
    return ENG_OK;
}

static eng_status find_from(restore *r, const char *from, eng_error *err)
{
    char real[PATH_MAX];
    if (!realpath(from, real))
        return eng_fail_errno(err, errno, "cannot open '%s'", from);
    r->from = eng_strdup(eng_str_of(real));
    char *partial = eng_data_beside(r->data, ENG_DATA_PARTIAL);
    eng_status status = r->from && partial ? ENG_OK : eng_fail_nomem(err);
    if (status == ENG_OK && (eng_data_within(real, r->data) || eng_data_within(real, partial)))
        status = eng_fail(err, ENG_EINVALID, "'%s' lies within what it would replace", from);
    eng_free(partial);
    return status;
}

static eng_status prepare(restore *r, const char *data, const char *from, eng_error *err)
{
    eng_status status = eng_data_find(data, &r->data, err);
    if (status < 0)
        return status;
    r->before = eng_data_beside(r->data, ENG_DATA_BEFORE);
    if (!r->before)
        return eng_fail_nomem(err);
    status = find_from(r, from, err);
    if (status == ENG_OK)
        status = eng_manifest_read(r->from, &r->arena, &r->files, err);
    if (status < 0)
        return status;
    if (eng_data_cut_off(r->data, r->before) && !r->replace)
        return eng_data_cut_off_error(r->data, r->before, err);
    return eng_data_exists(r->data) ? take_old(r, err) : ENG_OK;
}

/* ---- Doing it ---- */

static eng_status copy_file(restore *r, const eng_backup_file *wanted, eng_error *err)
{
    eng_backup_file got = {.path = wanted->path};
    eng_status status = eng_copy_hashed(r->from, r->stage.path, &got, NULL, NULL, err);
    if (status == ENG_ENOTFOUND)
        return eng_fail(err, ENG_ECORRUPT, "'%s/%s' is missing", r->from, wanted->path.ptr);
    if (status < 0)
        return status;
    if (got.size != wanted->size)
        return eng_fail(err, ENG_ECORRUPT, "'%s/%s' is damaged: %llu bytes instead of %llu",
                        r->from, wanted->path.ptr, (unsigned long long)got.size,
                        (unsigned long long)wanted->size);
    if (memcmp(got.sha256, wanted->sha256, sizeof got.sha256) != 0)
        return eng_fail(err, ENG_ECORRUPT, "'%s/%s' is damaged: its checksum is another", r->from,
                        wanted->path.ptr);
    return ENG_OK;
}

/* Where the second rename fails, the first is taken back. */
static eng_status swap(restore *r, eng_error *err)
{
    eng_status status = ENG_OK;
    if (r->old)
        status = eng_rename_new(r->data, r->before, err);
    if (status < 0)
        return status;
    status = eng_stage_finish(&r->stage, r->data, err);
    if (status < 0 && r->old && !eng_data_exists(r->data))
        (void)!eng_rename_new(r->before, r->data, NULL);
    return status;
}

static eng_status put_in_place(restore *r, eng_error *err)
{
    eng_status status = eng_stage_open(r->data, &r->stage, err);
    for (size_t i = 0; status == ENG_OK && i < r->files.count; i++)
        status = copy_file(r, &r->files.files[i], err);
    if (status == ENG_OK)
        status = eng_stage_sync(&r->stage, err);
    if (status == ENG_OK)
        status = swap(r, err);
    if (status < 0)
        return status;
    status = eng_dir_remove(r->before, err);
    if (status < 0)
        eng_error_prefix(err, "restored, but what was there before is still there");
    return status;
}

eng_status eng_restore(const char *data, const char *from, bool replace, eng_error *err)
{
    restore r = {.replace = replace, .lock = -1, .stage = {.lock = -1}};
    eng_arena_init(&r.arena, 16384, NULL);
    eng_status status = prepare(&r, data, from, err);
    if (status == ENG_OK)
        status = put_in_place(&r, err);
    eng_stage_close(&r.stage);
    eng_lock_drop(r.lock);
    eng_arena_clear(&r.arena);
    eng_free(r.data);
    eng_free(r.before);
    eng_free(r.from);
    return status;
}
