/* What the tests of the engine share: a folder of their own, an engine in it, files in it. */
#ifndef ENG_ENGINE_HELP_H
#define ENG_ENGINE_HELP_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/engine_internal.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    char root[64]; /* made for one test, removed after it */
    char data[80];
    char backup[80];
} place;

static inline int make_place(void **state)
{
    place *p = eng_zalloc(sizeof *p);
    if (!p)
        return -1;
    snprintf(p->root, sizeof p->root, "/tmp/engenho-test-XXXXXX");
    if (!mkdtemp(p->root))
        return -1;
    snprintf(p->data, sizeof p->data, "%s/data", p->root);
    snprintf(p->backup, sizeof p->backup, "%s/backup", p->root);
    *state = p;
    return 0;
}

static inline int remove_place(void **state)
{
    place *p = *state;
    eng_status status = eng_dir_remove(p->root, NULL);
    eng_free(p);
    return status;
}

static inline int start_library(void **state)
{
    (void)state;
    return eng_init(NULL);
}

static inline int stop_library(void **state)
{
    (void)state;
    eng_quit();
    return 0;
}

#define in_place(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

static inline eng *open_threads(const char *data, const eng_job_kind *kinds, unsigned job_threads)
{
    eng *e = NULL;
    eng_error err = {0};
    eng_options options = {.data = data, .job_threads = job_threads};
    assert_ok(eng_open_with(&options, kinds, &e, &err), err);
    return e;
}

static inline eng *open_kinds(const char *data, const eng_job_kind *kinds)
{
    return open_threads(data, kinds, 2);
}

static inline eng *open_at(const char *data) { return open_kinds(data, eng_job_kinds); }

static inline void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The job once it has ended, to be freed; fails the test after 20 seconds. */
static inline eng_job *wait_for(eng *e, int64_t id)
{
    uint64_t give_up = eng_clock_ns() + UINT64_C(20000000000);
    for (;;) {
        eng_job *job = NULL;
        eng_error err = {0};
        assert_ok(eng_job_get(e, id, &job, &err), err);
        if (job->state != ENG_JOB_QUEUED && job->state != ENG_JOB_RUNNING)
            return job;
        eng_job_free(job);
        if (eng_clock_ns() > give_up)
            fail_msg("job %lld does not end", (long long)id);
        sleep_ms(5);
    }
}

static inline void write_file(const char *dir, const char *name, const char *text)
{
    eng_error err = {0};
    char *path = eng_path_join(dir, name);
    assert_non_null(path);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_ok(eng_dir_make(path, 0700, &err), err);
    *slash = '/';
    assert_ok(eng_file_write(path, eng_str_of(text), 0600, &err), err);
    eng_free(path);
}

/* Into a buffer that the caller clears. */
static inline void read_file(const char *dir, const char *name, eng_buf *out)
{
    eng_error err = {0};
    char *path = eng_path_join(dir, name);
    assert_non_null(path);
    eng_buf_init(out, 64 << 20);
    assert_ok(eng_file_read(path, 64 << 20, out, &err), err);
    eng_free(path);
}

static inline bool there(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return eng_data_exists(path);
}

static inline void change_byte(const char *dir, const char *name, off_t at, unsigned char flip)
{
    char *path = eng_path_join(dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= flip;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    eng_free(path);
}

#endif
