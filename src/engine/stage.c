/* Folders that appear whole or not at all. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/engine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Opening ---- */

static eng_status remove_entry(const char *dir, const char *name, eng_error *err)
{
    struct stat st;
    char *path = eng_path_join(dir, name);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        status = eng_dir_remove(path, err);
    else if (unlink(path) < 0 && errno != ENOENT)
        status = eng_fail_errno(err, errno, "cannot remove '%s'", path);
    eng_free(path);
    return status;
}

/* All but the lock that we hold. */
static eng_status empty(const char *path, eng_error *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return eng_fail_errno(err, errno, "cannot open '%s'", path);
    eng_status status = ENG_OK;
    for (const char *name; status == ENG_OK && (name = eng_data_next(dir)) != NULL;)
        if (!eng_str_eq(eng_str_of(name), ENG_STR(ENG_DATA_LOCK)))
            status = remove_entry(path, name, err);
    closedir(dir);
    return status;
}

static eng_status take_lock(eng_stage *s, eng_error *err)
{
    char *lock = eng_path_join(s->path, ENG_DATA_LOCK);
    eng_status status = lock ? eng_lock_take(lock, &s->lock, err) : eng_fail_nomem(err);
    eng_free(lock);
    return status;
}

eng_status eng_stage_open(const char *place, eng_stage *out, eng_error *err)
{
    eng_stage s = {.path = eng_data_beside(place, ENG_DATA_PARTIAL), .lock = -1};
    if (!s.path)
        return eng_fail_nomem(err);
    eng_status status = eng_dir_make(s.path, 0700, err);
    if (status == ENG_OK)
        status = take_lock(&s, err);
    if (status == ENG_OK)
        status = empty(s.path, err);
    if (status < 0) {
        /* Not eng_stage_close: what is there may be another's. */
        eng_lock_drop(s.lock);
        eng_free(s.path);
        return status;
    }
    *out = s;
    return ENG_OK;
}

/* ---- Finishing ---- */

static eng_status sync_folders(const char *dir, eng_error *err)
{
    char *const roots[] = {(char *)(uintptr_t)dir, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return eng_fail_errno(err, errno, "cannot open '%s'", dir);
    eng_status status = ENG_OK;
    while (status == ENG_OK) {
        errno = 0;
        const FTSENT *entry = fts_read(walk);
        if (!entry && errno)
            status = eng_fail_errno(err, errno, "cannot read '%s'", dir);
        if (!entry)
            break;
        if (entry->fts_info == FTS_DP)
            status = eng_dir_sync(entry->fts_path, err);
    }
    fts_close(walk);
    return status;
}

/* Not every file system knows the flag; there, whoever makes `to` in between loses an empty folder. */
static int rename_no_replace(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (eng_data_exists(to))
        return EEXIST;
    return rename(from, to) == 0 ? 0 : errno;
}

/* Allocates nothing: a rename can be taken back when memory is gone. */
eng_status eng_rename_new(const char *from, const char *to, eng_error *err)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(to, '/');
    size_t len = slash == to ? 1 : (size_t)(slash - to);
    if (len >= sizeof parent)
        return eng_fail_errno(err, ENAMETOOLONG, "cannot rename '%s'", from);
    memcpy(parent, to, len);
    parent[len] = '\0';
    int code = rename_no_replace(from, to);
    if (code)
        return eng_fail_errno(err, code, "cannot rename '%s' to '%s'", from, to);
    return eng_dir_sync(parent, err);
}

eng_status eng_stage_sync(const eng_stage *s, eng_error *err) { return sync_folders(s->path, err); }

/* The lock goes along: a folder that can be taken by its lock is never one that is being finished. */
eng_status eng_stage_finish(eng_stage *s, const char *place, eng_error *err)
{
    eng_status status = eng_rename_new(s->path, place, err);
    if (status < 0)
        return status;
    eng_free(s->path);
    s->path = NULL;
    return ENG_OK;
}

void eng_stage_close(eng_stage *s)
{
    if (s->path)
        (void)!eng_dir_remove(s->path, NULL);
    eng_lock_drop(s->lock);
    eng_free(s->path);
    *s = (eng_stage){.lock = -1};
}
