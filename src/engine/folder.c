/*
 * A model as a folder. Its name is made of all that the model is, so a model that is pulled again in
 * another revision gets another folder, and nothing changes under those who have this one open. It is
 * filled beside its place and renamed, so that a half-made one is never seen.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/model_internal.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_SIZE = 16 };

static char *folder_path(const char *opened, const eng_model_record *r)
{
    unsigned char key[KEY_SIZE];
    char name[2 * KEY_SIZE + 1];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof key);
    for (size_t i = 0; i < r->files.count; i++) {
        const eng_backup_file *file = &r->files.files[i];
        crypto_generichash_update(&state, (const unsigned char *)file->path.ptr,
                                  file->path.len + 1);
        crypto_generichash_update(&state, file->sha256, sizeof file->sha256);
    }
    crypto_generichash_final(&state, key, sizeof key);
    sodium_bin2hex(name, sizeof name, key, sizeof key);
    return eng_path_join(opened, name);
}

/* `files` is a path from the folder on, or absolute. */
static eng_status link_file(const char *folder, const char *files, const eng_backup_file *file,
                            eng_error *err)
{
    char hex[ENG_HEX_SIZE], target[PATH_MAX];
    const char *slash = strchr(file->path.ptr, '/');
    char *path = eng_path_join(folder, file->path.ptr);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    if (slash) {
        char *end = strrchr(path, '/');
        *end = '\0';
        status = eng_dir_make(path, 0700, err);
        *end = '/';
    }
    sodium_bin2hex(hex, sizeof hex, file->sha256, sizeof file->sha256);
    snprintf(target, sizeof target, "%s%s/%s", slash && files[0] != '/' ? "../" : "", files, hex);
    if (status == ENG_OK && symlink(target, path) < 0)
        status = eng_fail_errno(err, errno, "cannot make '%s'", path);
    eng_free(path);
    return status;
}

/* A manifest is ours, but its paths are checked where they are used. */
static bool is_safe(eng_str path)
{
    eng_str folder = {"", 0}, name = path;
    bool below = eng_str_cut(path, '/', &folder, &name);
    if (!below)
        name = path;
    return name.len && name.ptr[0] != '.' && !memchr(name.ptr, '/', name.len) &&
           (!below || (folder.len && folder.ptr[0] != '.')) && !memchr(path.ptr, '\0', path.len);
}

static eng_status fill(const char *folder, const char *files, const eng_model_record *r,
                       eng_error *err)
{
    eng_status status = eng_dir_make(folder, 0700, err);
    for (size_t i = 0; i < r->files.count && status == ENG_OK; i++)
        status = is_safe(r->files.files[i].path)
                     ? link_file(folder, files, &r->files.files[i], err)
                     : eng_fail(err, ENG_ECORRUPT, "the manifest of '%.*s' names '%.*s'",
                                ENG_FMT(r->id), ENG_FMT(r->files.files[i].path));
    return status;
}

static eng_status make(const char *opened, const char *place, const char *files,
                       const eng_model_record *r, eng_error *err)
{
    char name[32] = "new-";
    eng_random_id(name + 4, 16);
    char *folder = eng_path_join(opened, name);
    if (!folder)
        return eng_fail_nomem(err);
    eng_status status = fill(folder, files, r, err);
    /* Another may have made the same meanwhile: a folder that is not empty is not replaced. */
    if (status == ENG_OK && rename(folder, place) < 0 && errno != EEXIST && errno != ENOTEMPTY)
        status = eng_fail_errno(err, errno, "cannot make '%s'", place);
    if (eng_data_exists(folder))
        (void)!eng_dir_remove(folder, NULL);
    eng_free(folder);
    return status;
}

/* Links that lead nowhere are left where files were elsewhere before: made anew. */
static bool is_whole(const char *place, const eng_model_record *r)
{
    struct stat st;
    char path[PATH_MAX];
    if (r->files.count == 0)
        return eng_data_exists(place);
    int len = snprintf(path, sizeof path, "%s/%s", place, r->files.files[0].path.ptr);
    return len < PATH_MAX && stat(path, &st) == 0;
}

static eng_status folder_in(const char *opened, const char *files, const eng_model_record *r,
                            char **out, eng_error *err)
{
    eng_status status = ENG_OK;
    char *place = folder_path(opened, r);
    if (!place)
        return eng_fail_nomem(err);
    if (!is_whole(place, r)) {
        status = eng_dir_remove(place, err);
        if (status == ENG_OK)
            status = make(opened, place, files, r, err);
    }
    if (status < 0)
        eng_free(place);
    else
        *out = place;
    return status;
}

/* Of a model that is shared the folder is too, where it may be made; else it is one's own. */
eng_status eng_models_folder(eng_models *m, const eng_model_record *record, char **out,
                             eng_error *err)
{
    const eng_models *home = record->home ? record->home : m;
    eng_status status = folder_in(home->opened, home->link, record, out, err);
    if (status < 0 && home != m)
        status = folder_in(m->opened, home->files, record, out, err);
    return status;
}

eng_status eng_models_folder_remove(eng_models *m, const eng_model_record *record, eng_error *err)
{
    char *place = folder_path(m->opened, record);
    if (!place)
        return eng_fail_nomem(err);
    eng_status status = eng_dir_remove(place, err);
    eng_free(place);
    return status;
}
