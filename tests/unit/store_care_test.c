/* Backup and check: promises of store.h. */
#include "store_help.h"

#include <stdatomic.h>

enum { ROWS = 400 };

/* A few megabytes of rows that all say the same. */
static eng_status fill_all(eng_conn *c, void *args, eng_error *err)
{
    const char *value = args;
    static char text[8000];
    memset(text, value[0], sizeof text);
    eng_status status = ENG_OK;
    for (int i = 0; i < ROWS && status == ENG_OK; i++) {
        char name[16];
        snprintf(name, sizeof name, "row %d", i);
        eng_sql q = eng_sql_use(c, "INSERT OR REPLACE INTO small VALUES (?, ?)");
        eng_sql_text(&q, eng_str_of(name));
        eng_sql_blob(&q, text, sizeof text);
        status = eng_sql_end(&q, err);
    }
    return status;
}

static void fill(eng_store *s, const char *value)
{
    eng_error err = {0};
    char text[2] = {value[0], '\0'};
    assert_ok(eng_store_write(s, fill_all, text, &err), err);
}

/* ---- Backup ---- */

typedef struct {
    eng_store *s;
    uint64_t calls;
    uint64_t done;
    uint64_t total;
    uint64_t stop_after;
} watcher;

/* Others write and read between the steps. */
static bool watch(void *ctx, uint64_t done, uint64_t total)
{
    watcher *w = ctx;
    eng_error err = {0};
    char value[2] = {(char)('b' + w->calls % 20), '\0'};
    assert_true(done >= w->done && done <= total);
    w->done = done;
    w->total = total;
    w->calls++;
    if (w->s)
        assert_ok(eng_store_write(w->s, fill_all, value, &err), err);
    return w->stop_after == 0 || w->calls < w->stop_after;
}

static void a_backup_is_of_one_instant(void **state)
{
    place *p = *state;
    struct stat st;
    eng_error err = {0};
    eng_store *s = open_db(p);
    fill(s, "a");
    watcher w = {.s = s};
    assert_ok(eng_store_backup(s, p->copy, watch, &w, &err), err);
    assert_true(w.calls >= 1 && w.total > 0);
    fill(s, "z");

    /* One file, closed to others, complete. */
    assert_int_equal(stat(p->copy, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    char beside[96];
    const char *const parts[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(beside, sizeof beside, "%s%s", p->copy, parts[i]);
        assert_int_equal(size_of(beside), -1);
    }
    eng_store *t = open_path(p->copy);
    for (int i = 0; i < ROWS; i += 37) {
        char name[16];
        eng_str value;
        snprintf(name, sizeof name, "row %d", i);
        assert_ok(eng_store_get(t, eng_str_of(name), &p->arena, &value, &err), err);
        assert_int_equal(value.len, 8000);
        assert_int_equal(value.ptr[0], 'a');
        assert_int_equal(value.ptr[7999], 'a');
    }
    eng_store_close(t);
    eng_store_close(s);
    assert_int_equal(ask_sqlite(p->copy, "PRAGMA page_size"), 8192);
    assert_int_equal(ask_sqlite(p->copy, "PRAGMA auto_vacuum"), 2);
}

static void a_backup_that_is_stopped_leaves_nothing(void **state)
{
    place *p = *state;
    eng_error err = {0};
    eng_store *s = open_db(p);
    fill(s, "a");
    watcher w = {.stop_after = 1};
    assert_int_equal(eng_store_backup(s, p->copy, watch, &w, &err), ENG_ECANCELLED);
    assert_int_equal(size_of(p->copy), -1);

    /* Nor does one to a place that is taken touch what is there. */
    assert_ok(eng_file_write(p->copy, ENG_STR("mine"), 0600, &err), err);
    assert_int_equal(eng_store_backup(s, p->copy, NULL, NULL, &err), ENG_ECONFLICT);
    assert_int_equal(size_of(p->copy), 4);
    assert_non_null(strstr(err.message, p->copy));
    assert_int_equal(eng_store_backup(s, "/nowhere/at/all", NULL, NULL, &err), ENG_ENOTFOUND);
    eng_store_close(s);
}

static void a_backup_survives_no_memory(void **state)
{
    place *p = *state;
    bool faulted = true;
    eng_store *s = open_db(p);
    set(s, "a", "b");
    /* SQLite keeps a descriptor that it may not close yet, once, for the next time. */
    eng_error err = {0};
    assert_ok(eng_store_backup(s, p->copy, NULL, NULL, &err), err);
    unlink(p->copy);
    unsigned kept = 0; /* how often in a row more was left than before: SQLite keeps memory once */
    for (uint64_t n = 1; faulted || kept; n += kept ? 0 : 3) {
        int64_t held = eng_alloc_count().bytes;
        eng_alloc_fail_at(n, n % 2 == 0);
        eng_status status = eng_store_backup(s, p->copy, NULL, NULL, NULL);
        faulted = eng_alloc_faulted();
        eng_alloc_fail_at(0, false);
        assert_true(status == ENG_OK || (faulted && status == ENG_ENOMEM));
        kept = eng_alloc_count().bytes > held ? kept + 1 : 0;
        assert_true(kept < 5);
        assert_int_equal(size_of(p->copy) > 0, status == ENG_OK);
        unlink(p->copy);
    }
    eng_store_close(s);
}

/* ---- Check ---- */

typedef struct {
    unsigned count;
    char first[256];
    unsigned asked;
    unsigned stop_at;
} findings;

static void note(void *ctx, const char *message)
{
    findings *f = ctx;
    if (f->count++ == 0)
        snprintf(f->first, sizeof f->first, "%s", message);
}

static bool go_on(void *ctx)
{
    findings *f = ctx;
    return ++f->asked != f->stop_at;
}

static eng_status check(const char *path, findings *f, eng_error *err)
{
    *f = (findings){.stop_at = f->stop_at};
    return eng_store_check(path, note, go_on, f, err);
}

static void what_is_whole_is_whole(void **state)
{
    place *p = *state;
    findings f = {0};
    eng_error err = {0};
    eng_buf before, after;
    eng_store *s = open_db(p);
    fill(s, "a");
    assert_ok(check(p->db, &f, &err), err); /* while it is open, with a log */
    assert_int_equal(f.count, 0);
    eng_store_close(s);

    eng_buf_init(&before, 64 << 20);
    eng_buf_init(&after, 64 << 20);
    assert_ok(eng_file_read(p->db, 64 << 20, &before, &err), err);
    assert_ok(check(p->db, &f, &err), err);
    assert_int_equal(f.count, 0);
    assert_ok(eng_file_read(p->db, 64 << 20, &after, &err), err);
    assert_true(eng_str_eq(eng_buf_view(&before), eng_buf_view(&after)));
    eng_buf_clear(&before);
    eng_buf_clear(&after);
    char log[96];
    snprintf(log, sizeof log, "%s-wal", p->db);
    assert_int_equal(size_of(log), -1); /* no trace */

    /* What a crash left is read as it will be found. */
    s = open_db(p);
    set(s, "a", "b");
    copy_as_after_a_crash(p);
    eng_store_close(s);
    assert_ok(check(p->copy, &f, &err), err);
    assert_int_equal(f.count, 0);
}

/* A name with what means something in an address. */
static void any_path_can_be_checked(void **state)
{
    place *p = *state;
    findings f = {0};
    char path[128];
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/50%% ?a#b&c", p->root);
    eng_store_close(open_path(path));
    assert_ok(check(path, &f, &err), err);
    assert_int_equal(f.count, 0);
    assert_int_equal(check(p->db, &f, &err), ENG_ENOTFOUND);
}

/* A bit in the structure of any page is found; what a row says nobody can know to be wrong. */
static void flipped_bytes_are_found(void **state)
{
    place *p = *state;
    findings f = {0};
    unsigned found = 0, pages = 0;
    eng_store *s = open_db(p);
    fill(s, "a");
    eng_store_close(s);
    off_t size = size_of(p->db);
    for (off_t at = 8192; at < size; at += 8192, pages++) {
        eng_error err = {0};
        change_byte(p->db, at, 0xff); /* what kind of page it is, or the next one of a chain */
        eng_status status = check(p->db, &f, &err);
        if (status < 0) {
            assert_int_equal(status, ENG_ECORRUPT);
            assert_non_null(strstr(err.message, p->db));
        }
        found += status < 0 || f.count > 0;
        change_byte(p->db, at, 0xff);
        if (at > 60 * 8192)
            at += 8192 * 40;
    }
    assert_int_equal(found, pages);
    eng_error err = {0};
    assert_ok(check(p->db, &f, &err), err);
    assert_int_equal(f.count, 0);
}

static void at_most_a_hundred_findings(void **state)
{
    place *p = *state;
    findings f = {0};
    eng_error err = {0};
    eng_store *s = open_db(p);
    fill(s, "a");
    eng_store_close(s);
    ask_sqlite(p->db,
               "PRAGMA foreign_keys = OFF; "
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
               "INSERT INTO document_text (document, text) SELECT i, 'of no document' FROM n");
    assert_ok(check(p->db, &f, &err), err);
    assert_int_equal(f.count, 100);
    assert_non_null(strstr(f.first, "of 'document_text' refers to a row of 'document'"));

    ask_sqlite(p->db, "DROP INDEX job_open");
    assert_ok(check(p->db, &f, &err), err);
    assert_int_equal(f.count, 1);
    assert_string_equal(f.first, "index 'job_open' is missing");
}

static void a_check_can_be_stopped(void **state)
{
    place *p = *state;
    findings f = {.stop_at = 1};
    eng_error err = {0};
    eng_store *s = open_db(p);
    ask_sqlite(p->db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                      "i < 20000) INSERT INTO small SELECT i, x'00' FROM n");
    eng_store_close(s);
    assert_int_equal(check(p->db, &f, &err), ENG_ECANCELLED);
    f.stop_at = 0;
    assert_ok(check(p->db, &f, &err), err);
    assert_true(f.asked >= 1);
}

static void what_cannot_be_checked_says_why(void **state)
{
    place *p = *state;
    findings f = {0};
    eng_error err = {0};
    assert_ok(eng_file_write(p->copy, ENG_STR(""), 0600, &err), err);
    assert_int_equal(check(p->copy, &f, &err), ENG_ECORRUPT);
    assert_non_null(strstr(err.message, "is empty"));
    eng_store_close(open_db(p));
    ask_sqlite(p->db, "PRAGMA user_version = 9");
    assert_int_equal(check(p->db, &f, &err), ENG_EVERSION);
    assert_non_null(strstr(err.message, p->db));
}

static void a_check_survives_no_memory(void **state)
{
    place *p = *state;
    eng_status status = ENG_OK;
    eng_store_close(open_db(p));
    assert_survives_no_memory(status, {
        findings f = {0};
        status = eng_store_check(p->db, note, go_on, &f, NULL);
        if (f.count)
            fail_msg("%s", f.first);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_backup_is_of_one_instant),
        in_place(a_backup_that_is_stopped_leaves_nothing),
        in_place(a_backup_survives_no_memory),
        in_place(what_is_whole_is_whole),
        in_place(any_path_can_be_checked),
        in_place(flipped_bytes_are_found),
        in_place(at_most_a_hundred_findings),
        in_place(a_check_can_be_stopped),
        in_place(what_cannot_be_checked_says_why),
        in_place(a_check_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
