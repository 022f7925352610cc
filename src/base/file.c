#include "base/file.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/random.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 128 * 1024, TEMP_ID = 12 };

static int open_again(int dir, const char *path, int flags, mode_t mode)
{
    int fd;
    do
        fd = openat(dir, path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static eng_status open_file(const char *path, int flags, mode_t mode, int *fd, eng_error *err)
{
    *fd = open_again(AT_FDCWD, path, flags, mode);
    return *fd < 0 ? eng_fail_errno(err, errno, "cannot open '%s'", path) : ENG_OK;
}

static ssize_t read_again(int fd, void *to, size_t len)
{
    ssize_t got;
    do
        got = read(fd, to, len);
    while (got < 0 && errno == EINTR);
    return got;
}

/* ---- Reading ---- */

/* Reads until there is no more; one byte beyond the maximum shows that a file is too large which
 * did not say so (it grows, or is a pipe). */
static eng_status read_all(int fd, const char *path, size_t max, eng_buf *out, eng_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return eng_fail_errno(err, errno, "cannot read '%s'", path);
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max)
        return eng_fail(err, ENG_ETOOBIG, "'%s' is larger than %zu bytes", path, max);

    size_t left = max;
    size_t step = S_ISREG(st.st_mode) && st.st_size ? (size_t)st.st_size + 1 : BLOCK;
    for (;;) {
        char beyond;
        step = step < left ? step : left;
        char *to = left ? eng_buf_room(out, step) : &beyond;
        if (!to)
            return eng_buf_check(out, path, err);
        ssize_t got = read_again(fd, to, left ? step : 1);
        if (got < 0)
            return eng_fail_errno(err, errno, "cannot read '%s'", path);
        if (got == 0)
            return ENG_OK;
        if (!left)
            return eng_fail(err, ENG_ETOOBIG, "'%s' is larger than %zu bytes", path, max);
        eng_buf_added(out, (size_t)got);
        left -= (size_t)got;
        step = step > (size_t)got ? step - (size_t)got : BLOCK;
    }
}

eng_status eng_file_read(const char *path, size_t max, eng_buf *out, eng_error *err)
{
    int fd;
    eng_status status = open_file(path, O_RDONLY, 0, &fd, err);
    if (status < 0)
        return status;
    size_t before = out->len;
    status = read_all(fd, path, max, out, err);
    close(fd);
    if (status < 0 && out->len > before) {
        out->len = before;
        out->data[before] = '\0';
    }
    return status;
}

/* ---- Writing ---- */

eng_status eng_fd_write(int fd, const void *bytes, size_t len, const char *what, eng_error *err)
{
    const char *p = bytes;
    while (len) {
        ssize_t done = write(fd, p, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return eng_fail_errno(err, errno, "cannot write '%s'", what);
        p += done;
        len -= (size_t)done;
    }
    return ENG_OK;
}

static eng_status sync_fd(int fd, const char *path, eng_error *err)
{
    return fsync(fd) < 0 ? eng_fail_errno(err, errno, "cannot sync '%s'", path) : ENG_OK;
}

/* Also says what close says: some file systems report a full disk only there. */
static eng_status sync_and_close(int fd, const char *path, eng_error *err)
{
    eng_status status = sync_fd(fd, path, err);
    if (close(fd) < 0 && status == ENG_OK)
        status = eng_fail_errno(err, errno, "cannot write '%s'", path);
    return status;
}

/* The folder that a path stands in, to be freed. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return eng_strdup(ENG_STR("."));
    return eng_strdup((eng_str){path, slash == path ? 1 : (size_t)(slash - path)});
}

/* path + ".tmp-" + an id that no other writer has. */
static char *temp_of(const char *path)
{
    static const char mark[] = ".tmp-";
    size_t len = strlen(path);
    char *temp = eng_alloc(len + sizeof mark + TEMP_ID);
    if (!temp)
        return NULL;
    memcpy(temp, path, len);
    memcpy(temp + len, mark, sizeof mark - 1);
    eng_random_id(temp + len + sizeof mark - 1, TEMP_ID);
    return temp;
}

static eng_status write_temp(const char *temp, eng_str bytes, mode_t mode, eng_error *err)
{
    int fd;
    eng_status status = open_file(temp, O_WRONLY | O_CREAT | O_EXCL, mode, &fd, err);
    if (status < 0)
        return status;
    status = eng_fd_write(fd, bytes.ptr, bytes.len, temp, err);
    if (status < 0)
        close(fd);
    else
        status = sync_and_close(fd, temp, err);
    if (status < 0)
        unlink(temp);
    return status;
}

eng_status eng_file_write(const char *path, eng_str bytes, mode_t mode, eng_error *err)
{
    eng_status status;
    char *temp = temp_of(path), *parent = parent_of(path);
    if (!temp || !parent) {
        status = eng_fail_nomem(err);
        goto done;
    }
    status = write_temp(temp, bytes, mode, err);
    if (status < 0)
        goto done;
    if (rename(temp, path) < 0) {
        status = eng_fail_errno(err, errno, "cannot replace '%s'", path);
        unlink(temp);
        goto done;
    }
    status = eng_dir_sync(parent, err);
done:
    eng_free(temp);
    eng_free(parent);
    return status;
}

static eng_status copy_bytes(int in, const char *from, int out, const char *to, uint64_t *size,
                             eng_error *err)
{
    char *block = eng_alloc(BLOCK);
    if (!block)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    while (status == ENG_OK) {
        ssize_t got = read_again(in, block, BLOCK);
        if (got == 0)
            break;
        if (got < 0) {
            status = eng_fail_errno(err, errno, "cannot read '%s'", from);
            break;
        }
        status = eng_fd_write(out, block, (size_t)got, to, err);
        *size += (uint64_t)got;
    }
    eng_free(block);
    return status;
}

eng_status eng_file_copy(const char *from, const char *to, mode_t mode, uint64_t *size,
                         eng_error *err)
{
    int in, out;
    uint64_t copied = 0;
    eng_status status = open_file(from, O_RDONLY, 0, &in, err);
    if (status < 0)
        return status;
    /* Never over a file that is there, which might be the source itself. */
    status = open_file(to, O_WRONLY | O_CREAT | O_EXCL, mode, &out, err);
    if (status == ENG_OK) {
        status = copy_bytes(in, from, out, to, &copied, err);
        if (status < 0)
            close(out);
        else
            status = sync_and_close(out, to, err);
        if (status < 0)
            unlink(to);
    }
    close(in);
    if (status == ENG_OK && size)
        *size = copied;
    return status;
}

/* ---- Folders ---- */

/* mkdir, where a folder that is there already is success. */
static int make_one(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return 0;
    int code = errno;
    struct stat st;
    if (code == EEXIST && stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    return code;
}

eng_status eng_dir_make(const char *path, mode_t mode, eng_error *err)
{
    char *part = eng_strdup(eng_str_of(path));
    if (!part)
        return eng_fail_nomem(err);
    int code = *path ? 0 : ENOENT;
    for (char *p = part; *p && !code;) {
        p += strspn(p, "/");
        p += strcspn(p, "/");
        char slash = *p;
        *p = '\0';
        code = make_one(part, mode);
        *p = slash;
        p += strspn(p, "/");
    }
    eng_free(part);
    return code ? eng_fail_errno(err, code, "cannot make folder '%s'", path) : ENG_OK;
}

eng_status eng_dir_sync(const char *path, eng_error *err)
{
    int fd;
    eng_status status = open_file(path, O_RDONLY | O_DIRECTORY, 0, &fd, err);
    if (status < 0)
        return status;
    status = sync_fd(fd, path, err);
    close(fd);
    return status;
}

static int remove_tree(int dir, const char *name);

/* Removes what a folder holds, and closes it. 0 or an errno. */
static int empty_dir(int fd)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int code = errno;
        close(fd);
        return code;
    }
    int code = 0;
    while (!code) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            code = errno;
            break;
        }
        if (!eng_str_eq(eng_str_of(entry->d_name), ENG_STR(".")) &&
            !eng_str_eq(eng_str_of(entry->d_name), ENG_STR("..")))
            code = remove_tree(fd, entry->d_name);
    }
    closedir(dir);
    return code;
}

/* By descriptors and names of one part, so that nobody can put a link into the way meanwhile. */
static int remove_tree(int dir, const char *name)
{
    int fd = open_again(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : errno;
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    int code = empty_dir(fd);
    if (!code && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        code = errno;
    return code;
}

eng_status eng_dir_remove(const char *path, eng_error *err)
{
    struct stat st;
    int code = 0;
    if (lstat(path, &st) < 0)
        code = errno == ENOENT ? 0 : errno;
    else
        code = S_ISDIR(st.st_mode) ? remove_tree(AT_FDCWD, path) : ENOTDIR;
    return code ? eng_fail_errno(err, code, "cannot remove folder '%s'", path) : ENG_OK;
}

/* ---- Files without a name ---- */

/* Where the file system cannot make one without a name: with one, for an instant. */
static eng_status named_then_unlinked(const char *dir, int *fd, eng_error *err)
{
    char id[TEMP_ID + 1];
    eng_random_id(id, TEMP_ID);
    char *path = eng_path_join(dir, id);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600, fd, err);
    if (status == ENG_OK)
        unlink(path);
    eng_free(path);
    return status;
}

eng_status eng_file_unnamed(const char *dir, int *fd, eng_error *err)
{
    int got = open_again(AT_FDCWD, dir, O_TMPFILE | O_RDWR | O_EXCL, 0600);
    if (got < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        return named_then_unlinked(dir, fd, err);
    if (got < 0)
        return eng_fail_errno(err, errno, "cannot make a file in '%s'", dir);
    *fd = got;
    return ENG_OK;
}

char *eng_path_join(const char *dir, const char *name)
{
    size_t before = strlen(dir), len = strlen(name);
    bool slash = before == 0 || dir[before - 1] != '/';
    char *path = eng_alloc(before + slash + len + 1);
    if (!path)
        return NULL;
    memcpy(path, dir, before);
    if (slash)
        path[before] = '/';
    memcpy(path + before + slash, name, len + 1);
    return path;
}

/* ---- Mapping ---- */

static eng_status map(int fd, const char *what, eng_mapping *out, eng_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return eng_fail_errno(err, errno, "cannot map '%s'", what);
    if (!S_ISREG(st.st_mode))
        return eng_fail(err, ENG_EINVALID, "cannot map '%s': not a regular file", what);
    if (st.st_size == 0) {
        *out = (eng_mapping){(const unsigned char *)"", 0};
        return ENG_OK;
    }
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return eng_fail_errno(err, errno, "cannot map '%s'", what);
    *out = (eng_mapping){data, (size_t)st.st_size};
    return ENG_OK;
}

eng_status eng_mapping_open(const char *path, eng_mapping *out, eng_error *err)
{
    int fd;
    eng_status status = open_file(path, O_RDONLY, 0, &fd, err);
    if (status < 0)
        return status;
    status = map(fd, path, out, err);
    close(fd);
    return status;
}

eng_status eng_mapping_of_fd(int fd, eng_mapping *out, eng_error *err)
{
    char what[32];
    snprintf(what, sizeof what, "descriptor %d", fd);
    return map(fd, what, out, err);
}

void eng_mapping_close(eng_mapping *m)
{
    if (m->len)
        munmap((void *)(uintptr_t)m->data, m->len);
    *m = (eng_mapping){0};
}

/* ---- Locks ---- */

static eng_status held_by(int fd, const char *path, eng_error *err)
{
    char text[24];
    ssize_t got = pread(fd, text, sizeof text, 0);
    uint64_t pid;
    /* The holder may not have come to writing its pid yet. */
    if (got <= 0 || !eng_str_u64(eng_str_trim((eng_str){text, (size_t)got}), &pid))
        return eng_fail(err, ENG_ELOCKED, "'%s' is held by another process", path);
    return eng_fail(err, ENG_ELOCKED, "'%s' is held by process %" PRIu64, path, pid);
}

/* Over the old pid before the file is cut: on a disk that is full, its block serves again. */
static int write_pid(int fd)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    ssize_t done = pwrite(fd, text, (size_t)len, 0);
    if (done < 0 || ftruncate(fd, len) < 0)
        return errno;
    return done == len ? 0 : ENOSPC;
}

eng_status eng_lock_take(const char *path, int *fd, eng_error *err)
{
    int got;
    eng_status status = open_file(path, O_RDWR | O_CREAT, 0644, &got, err);
    if (status < 0)
        return status;
    int code = 0;
    if (flock(got, LOCK_EX | LOCK_NB) < 0)
        code = errno;
    if (code == EWOULDBLOCK)
        status = held_by(got, path, err);
    else if (code || (code = write_pid(got)) != 0)
        status = eng_fail_errno(err, code, "cannot lock '%s'", path);
    if (status < 0)
        close(got);
    else
        *fd = got;
    return status;
}

void eng_lock_drop(int fd)
{
    if (fd < 0)
        return;
    /* Said aloud, because a child that was forked meanwhile would keep it open. */
    flock(fd, LOCK_UN);
    close(fd);
}
