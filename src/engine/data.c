/* Where the data lies, and what stands in it beside the database. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/engine_internal.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- Finding it ---- */

/* As the XDG base directory specification has it: a variable that is not an absolute path is as good
 * as none. */
static eng_status default_path(char **out, eng_error *err)
{
    const char *xdg = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    const char *base = NULL, *below = NULL;
    if (xdg && *xdg == '/') {
        base = xdg;
        below = "engenho";
    } else if (home && *home == '/') {
        base = home;
        below = ".local/share/engenho";
    }
    if (!base)
        return eng_fail(err, ENG_EUSAGE, "no data directory was named, and HOME is not set");
    *out = eng_path_join(base, below);
    return *out ? ENG_OK : eng_fail_nomem(err);
}

static eng_status absolute(const char *given, char **out, eng_error *err)
{
    char here[PATH_MAX];
    if (*given == '/')
        *out = eng_strdup(eng_str_of(given));
    else if (!getcwd(here, sizeof here))
        return eng_fail_errno(err, errno, "cannot tell the current folder");
    else
        *out = eng_path_join(here, given);
    return *out ? ENG_OK : eng_fail_nomem(err);
}

/* "/a/b/" and "/a/b" are one place, and suffixes are put behind it. */
static void cut_slashes(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
}

eng_status eng_data_find(const char *given, char **out, eng_error *err)
{
    char *path = NULL;
    if (given && !*given)
        return eng_fail(err, ENG_EUSAGE, "the data directory's name is empty");
    eng_status status = given ? absolute(given, &path, err) : default_path(&path, err);
    if (status < 0)
        return status;
    cut_slashes(path);

    char real[PATH_MAX];
    if (realpath(path, real)) {
        eng_free(path);
        path = eng_strdup(eng_str_of(real));
        if (!path)
            return eng_fail_nomem(err);
    } else if (errno != ENOENT) {
        status = eng_fail_errno(err, errno, "cannot open '%s'", path);
        eng_free(path);
        return status;
    }
    *out = path;
    return ENG_OK;
}

char *eng_data_beside(const char *path, const char *suffix)
{
    size_t len = strlen(path), more = strlen(suffix);
    char *text = eng_alloc(len + more + 1);
    if (!text)
        return NULL;
    memcpy(text, path, len);
    memcpy(text + len, suffix, more + 1);
    return text;
}

char *eng_data_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return eng_strdup((eng_str){path, slash == path ? 1 : (size_t)(slash - path)});
}

bool eng_data_within(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    if (strncmp(path, dir, len) != 0)
        return false;
    return path[len] == '\0' || path[len] == '/' || dir[len - 1] == '/';
}

bool eng_data_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

const char *eng_data_next(DIR *dir)
{
    for (;;) {
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return NULL;
        eng_str name = eng_str_of(entry->d_name);
        if (!eng_str_eq(name, ENG_STR(".")) && !eng_str_eq(name, ENG_STR("..")))
            return entry->d_name;
    }
}

bool eng_data_cut_off(const char *data, const char *before)
{
    return !eng_data_exists(data) && eng_data_exists(before);
}

eng_status eng_data_cut_off_error(const char *data, const char *before, eng_error *err)
{
    return eng_fail(
        err, ENG_ECONFLICT,
        "'%s' is missing but '%s' is there: a restore was cut off; run it again, or let "
        "the doctor's repair put the old data back",
        data, before);
}

uint64_t eng_data_free_bytes(const char *data)
{
    struct statvfs fs;
    return statvfs(data, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

/* ---- The secret ---- */

eng_status eng_secret_read(const char *data, unsigned char out[ENG_SECRET_SIZE], eng_error *err)
{
    eng_buf bytes;
    eng_buf_init(&bytes, ENG_SECRET_SIZE + 1);
    char *path = eng_path_join(data, ENG_DATA_SECRET);
    eng_status status = path ? eng_file_read(path, ENG_SECRET_SIZE + 1, &bytes, err)
                             : eng_fail_nomem(err);
    if (status == ENG_ETOOBIG || (status == ENG_OK && bytes.len != ENG_SECRET_SIZE))
        status = eng_fail(err, ENG_ECORRUPT, "'%s' is damaged: it must hold %d bytes", path,
                          ENG_SECRET_SIZE);
    if (status == ENG_OK)
        memcpy(out, bytes.data, ENG_SECRET_SIZE);
    if (bytes.data)
        sodium_memzero(bytes.data, bytes.len);
    eng_buf_clear(&bytes);
    eng_free(path);
    return status;
}

eng_status eng_secret_make(const char *data, unsigned char out[ENG_SECRET_SIZE], eng_error *err)
{
    char *path = eng_path_join(data, ENG_DATA_SECRET);
    if (!path)
        return eng_fail_nomem(err);
    eng_random(out, ENG_SECRET_SIZE);
    eng_status status = eng_file_write(path, (eng_str){(const char *)out, ENG_SECRET_SIZE}, 0600,
                                       err);
    eng_free(path);
    return status;
}
