/*
 * Files: reading with a limit, writing so that a crash leaves the old file or the new one, and
 * locking a directory. Paths are NUL-terminated; messages quote them.
 */
#ifndef ENG_BASE_FILE_H
#define ENG_BASE_FILE_H

#include "base/buf.h"

#include <sys/types.h>

/* The whole file into *out, which the caller has initialised and clears; ENG_ETOOBIG past `max`. */
eng_status eng_file_read(const char *path, size_t max, eng_buf *out, eng_error *err) ENG_MUST_CHECK;

/* Temporary beside it (path + ".tmp-..."), fsync, rename, fsync of the folder. */
eng_status eng_file_write(const char *path, eng_str bytes, mode_t mode,
                          eng_error *err) ENG_MUST_CHECK;

/* All of it, through short writes and interruptions. */
eng_status eng_fd_write(int fd, const void *bytes, size_t len, const char *what,
                        eng_error *err) ENG_MUST_CHECK;

/* Copies a file and syncs it; *size, if not NULL, gets its length. `to` there already:
 * ENG_ECONFLICT. What failed half-way is removed. */
eng_status eng_file_copy(const char *from, const char *to, mode_t mode, uint64_t *size,
                         eng_error *err) ENG_MUST_CHECK;

/* Makes a folder and its parents; there already is success. */
eng_status eng_dir_make(const char *path, mode_t mode, eng_error *err) ENG_MUST_CHECK;
eng_status eng_dir_sync(const char *path, eng_error *err) ENG_MUST_CHECK;
/* Removes a folder with all it holds; never follows a symbolic link out of it. Gone already is
 * success. */
eng_status eng_dir_remove(const char *path, eng_error *err) ENG_MUST_CHECK;

/* A file without a name in this folder, open for reading and writing, gone when closed. */
eng_status eng_file_unnamed(const char *dir, int *fd, eng_error *err) ENG_MUST_CHECK;

/* dir + "/" + name as a string to be freed with eng_free; NULL when memory ran out. */
char *eng_path_join(const char *dir, const char *name);

/* A file mapped for reading; its pages are the kernel's. Empty files map to "". */
typedef struct {
    const unsigned char *data;
    size_t len;
} eng_mapping;

eng_status eng_mapping_open(const char *path, eng_mapping *out, eng_error *err) ENG_MUST_CHECK;
eng_status eng_mapping_of_fd(int fd, eng_mapping *out, eng_error *err) ENG_MUST_CHECK;
void eng_mapping_close(eng_mapping *m);

/* An advisory lock (flock) on a file that holds the pid of its holder; the file stays. Held by
 * another: ENG_ELOCKED with "'PATH' is held by process 4711". */
eng_status eng_lock_take(const char *path, int *fd, eng_error *err) ENG_MUST_CHECK;
void eng_lock_drop(int fd);

#endif
