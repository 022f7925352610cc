/* What the tests of the store share: a folder of their own, a store in it, SQLite's own view of it. */
#ifndef ENG_STORE_HELP_H
#define ENG_STORE_HELP_H

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "store/store_internal.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    char root[64]; /* made for one test, removed after it */
    char db[80];
    char copy[80];
    eng_arena arena;
} place;

/* In memory where the machine has such a folder: what is tested here is not the disk. */
static inline int make_place(void **state)
{
    place *p = eng_zalloc(sizeof *p);
    if (!p)
        return -1;
    bool fast = access("/dev/shm", W_OK) == 0;
    snprintf(p->root, sizeof p->root, "%s/engenho-test-XXXXXX", fast ? "/dev/shm" : "/tmp");
    if (!mkdtemp(p->root))
        return -1;
    snprintf(p->db, sizeof p->db, "%s/engenho.db", p->root);
    snprintf(p->copy, sizeof p->copy, "%s/copy.db", p->root);
    eng_arena_init(&p->arena, 4096, NULL);
    *state = p;
    return 0;
}

static inline int remove_place(void **state)
{
    place *p = *state;
    eng_status status = eng_dir_remove(p->root, NULL);
    eng_arena_clear(&p->arena);
    eng_free(p);
    return status;
}

static inline int start_store(void **state)
{
    (void)state;
    return eng_store_init(NULL);
}

static inline int stop_store(void **state)
{
    (void)state;
    eng_store_quit();
    return 0;
}

#define in_place(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

static inline eng_store *open_path(const char *path)
{
    eng_store *s = NULL;
    eng_error err = {0};
    eng_store_options options = {.path = path};
    assert_ok(eng_store_open(&options, &s, &err), err);
    return s;
}

static inline eng_store *open_db(place *p) { return open_path(p->db); }

static inline eng_status try_open(const char *path, eng_error *err)
{
    eng_store *s = NULL;
    eng_store_options options = {.path = path, .must_exist = true};
    eng_status status = eng_store_open(&options, &s, err);
    eng_store_close(s);
    return status;
}

static inline void set(eng_store *s, const char *name, const char *value)
{
    eng_error err = {0};
    assert_ok(eng_store_set(s, eng_str_of(name), eng_str_of(value), &err), err);
}

static inline bool has(eng_store *s, place *p, const char *name, const char *value)
{
    eng_str got;
    eng_error err = {0};
    eng_status status = eng_store_get(s, eng_str_of(name), &p->arena, &got, &err);
    if (status == ENG_ENOTFOUND)
        return false;
    assert_ok(status, err);
    return eng_str_eq(got, eng_str_of(value));
}

static inline void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* What SQLite alone says; statements separated by semicolons; the first column of the first row. */
static inline int64_t ask_sqlite(const char *path, const char *text)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t answer = -1;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    while (*text) {
        if (sqlite3_prepare_v2(db, text, -1, &stmt, &text) != SQLITE_OK)
            fail_msg("%s", sqlite3_errmsg(db));
        int code = sqlite3_step(stmt);
        if (code == SQLITE_ROW)
            answer = sqlite3_column_int64(stmt, 0);
        else if (code != SQLITE_DONE)
            fail_msg("%s", sqlite3_errmsg(db));
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    return answer;
}

static inline void copy_file(const char *from, const char *to)
{
    eng_error err = {0};
    unlink(to);
    assert_ok(eng_file_copy(from, to, 0600, NULL, &err), err);
}

/* As a machine that loses its power now would leave it: the file and its log. */
static inline void copy_as_after_a_crash(place *p)
{
    char from[96], to[96];
    copy_file(p->db, p->copy);
    snprintf(from, sizeof from, "%s-wal", p->db);
    snprintf(to, sizeof to, "%s-wal", p->copy);
    copy_file(from, to);
    snprintf(to, sizeof to, "%s-shm", p->copy);
    unlink(to);
}

static inline off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static inline void change_byte(const char *path, off_t at, unsigned char flip)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= flip;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* What is dropped goes in the background: a minute is for a loaded machine. */
static inline void wait_for_rows(place *p, const char *table, long long rows)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    for (int i = 0; i < 1200 && ask_sqlite(p->db, sql) > rows; i++)
        sleep_ms(50);
}

#endif
