/* Opening a store, and what is refused: promises of store.h. */
#include "store_help.h"

static void a_new_file_is_made_as_blueprint_says(void **state)
{
    place *p = *state;
    struct stat st;
    char path[96];
    eng_store *s = open_db(p);
    set(s, "a", "b");
    assert_int_equal(ask_sqlite(p->db, "PRAGMA page_size"), 8192);
    assert_int_equal(ask_sqlite(p->db, "PRAGMA auto_vacuum"), 2); /* incremental */
    assert_int_equal(ask_sqlite(p->db, "PRAGMA user_version"), ENG_STORE_VERSION);
    assert_int_equal(ask_sqlite(p->db, "PRAGMA application_id"), 0x656e676f);
    const char *const parts[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", p->db, parts[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    eng_store_close(s);

    /* Closed it is one file. */
    assert_true(size_of(p->db) > 0);
    snprintf(path, sizeof path, "%s-wal", p->db);
    assert_int_equal(size_of(path), -1);
}

static void what_was_written_is_there_again(void **state)
{
    place *p = *state;
    eng_store *s = open_db(p);
    set(s, "a", "first");
    set(s, "a", "second");
    set(s, "", "of the empty name");
    eng_store_close(s);
    s = open_db(p);
    assert_true(has(s, p, "a", "second"));
    assert_true(has(s, p, "", "of the empty name"));
    eng_str value;
    eng_error err = {0};
    assert_int_equal(eng_store_get(s, ENG_STR("A"), &p->arena, &value, &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, "'A'"));

    /* Any bytes, and none. */
    eng_str bytes = ENG_STR("\0\xff\x80 x");
    assert_ok(eng_store_set(s, bytes, bytes, &err), err);
    assert_ok(eng_store_get(s, bytes, &p->arena, &value, &err), err);
    assert_true(eng_str_eq(value, bytes));
    assert_ok(eng_store_set(s, bytes, (eng_str){NULL, 0}, &err), err);
    assert_ok(eng_store_get(s, bytes, &p->arena, &value, &err), err);
    assert_true(value.ptr && value.len == 0);
    eng_store_close(s);
}

static void a_file_that_must_exist_is_not_made(void **state)
{
    place *p = *state;
    eng_error err = {0};
    assert_int_equal(try_open(p->db, &err), ENG_ENOTFOUND);
    assert_non_null(strstr(err.message, p->db));
    assert_int_equal(size_of(p->db), -1);
    eng_store_close(open_db(p));
    assert_ok(try_open(p->db, &err), err);
}

/* A crash between making the file and making its tables. */
static void a_file_without_anything_is_a_new_one(void **state)
{
    place *p = *state;
    int fd = open(p->db, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    eng_store_close(open_db(p));
    assert_int_equal(ask_sqlite(p->db, "PRAGMA page_size"), 8192);

    /* The same a moment later: SQLite's header is there, no table is. */
    assert_int_equal(ask_sqlite(p->copy, "PRAGMA journal_mode = WAL; PRAGMA user_version"), 0);
    assert_true(size_of(p->copy) > 0);
    eng_store *s = open_path(p->copy);
    set(s, "a", "b");
    eng_store_close(s);
}

static void refuses(const char *path, eng_status wanted, const char *words)
{
    eng_error err = {0};
    assert_int_equal(try_open(path, &err), wanted);
    if (!strstr(err.message, path) || !strstr(err.message, words))
        fail_msg("%s", err.message);
}

static void what_is_no_database_of_ours_is_left_alone(void **state)
{
    place *p = *state;
    eng_buf before, after;
    eng_error err = {0};
    char text[3000];
    memset(text, 'x', sizeof text);
    assert_ok(eng_file_write(p->copy, (eng_str){text, sizeof text}, 0600, &err), err);
    refuses(p->copy, ENG_ECORRUPT, "no database at all");

    ask_sqlite(p->db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    eng_buf_init(&before, 1 << 20);
    eng_buf_init(&after, 1 << 20);
    assert_ok(eng_file_read(p->db, 1 << 20, &before, &err), err);
    refuses(p->db, ENG_ECORRUPT, "another program");
    assert_ok(eng_file_read(p->db, 1 << 20, &after, &err), err);
    assert_true(eng_str_eq(eng_buf_view(&before), eng_buf_view(&after)));
    eng_buf_clear(&before);
    eng_buf_clear(&after);
    ask_sqlite(p->db, "PRAGMA user_version = 1");
    refuses(p->db, ENG_ECORRUPT, "another program");
    refuses(p->root, ENG_ECORRUPT, "no file");
}

static void a_newer_version_is_refused(void **state)
{
    place *p = *state;
    char set[64];
    eng_store_close(open_db(p));
    int ours = (int)ask_sqlite(p->db, "PRAGMA user_version");
    snprintf(set, sizeof set, "PRAGMA user_version = %d", ours + 1);
    ask_sqlite(p->db, set);
    refuses(p->db, ENG_EVERSION, "newer");
    snprintf(set, sizeof set, "PRAGMA user_version = %d", ours);
    ask_sqlite(p->db, set);
    eng_store_close(open_db(p));
    ask_sqlite(p->db, "PRAGMA user_version = 0");
    refuses(p->db, ENG_ECORRUPT, "no version");
}

static void tables_that_do_not_fit_are_damage(void **state)
{
    place *p = *state;
    const struct {
        const char *text, *words;
    } changes[] = {
        {"DROP INDEX job_open", "index 'job_open' is missing"},
        {"ALTER TABLE job ADD COLUMN x TEXT", "table 'job' is not as it was made"},
        {"CREATE TABLE extra (x)", "table 'extra' is none of ours"},
        {"CREATE TRIGGER t AFTER INSERT ON small BEGIN DELETE FROM job; END",
         "trigger 't' is none"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        unlink(p->db);
        eng_store_close(open_db(p));
        ask_sqlite(p->db, changes[i].text);
        refuses(p->db, ENG_ECORRUPT, changes[i].words);
    }
}

static void a_file_that_is_too_short_is_damage(void **state)
{
    place *p = *state;
    eng_store_close(open_db(p));
    off_t size = size_of(p->db);
    assert_int_equal(truncate(p->db, size / 2 / 8192 * 8192), 0);
    refuses(p->db, ENG_ECORRUPT, "damaged");
    assert_int_equal(truncate(p->db, 100), 0);
    refuses(p->db, ENG_ECORRUPT, "damaged");
}

/* As one who may not write: tests may run as root, whom no mode stops. */
static int run_as_nobody(int (*run)(place *p), place *p)
{
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(99);
        _exit(run(p));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int open_says_read_only(place *p)
{
    eng_error err = {0};
    eng_status status = try_open(p->db, &err);
    return status == ENG_EREADONLY && strstr(err.message, p->db) ? 0 : 1;
}

static void what_cannot_be_written_to_says_so(void **state)
{
    place *p = *state;
    eng_store_close(open_db(p));
    /* The file, and then the folder in which the log would be made. */
    assert_int_equal(chmod(p->root, 0777), 0);
    assert_int_equal(chmod(p->db, 0444), 0);
    assert_int_equal(run_as_nobody(open_says_read_only, p), 0);
    assert_int_equal(chmod(p->db, 0666), 0);
    assert_int_equal(chmod(p->root, 0555), 0);
    assert_int_equal(run_as_nobody(open_says_read_only, p), 0);
    assert_int_equal(chmod(p->root, 0700), 0);
    eng_store_close(open_db(p));
}

static void a_crash_loses_nothing(void **state)
{
    place *p = *state;
    char value[16];
    eng_store *s = open_db(p);
    for (int i = 0; i < 20; i++) {
        snprintf(value, sizeof value, "%d", i);
        set(s, "count", value);
        copy_as_after_a_crash(p);
        eng_store *t = open_path(p->copy);
        assert_true(has(t, p, "count", value));
        eng_store_close(t);
    }
    eng_store_close(s);
}

/* What stands behind the last whole transaction of the log was never acknowledged. */
static void a_torn_log_is_cut_at_the_last_whole_transaction(void **state)
{
    place *p = *state;
    char log[96];
    eng_store *s = open_db(p), *t;
    set(s, "a", "1");
    set(s, "b", "2");
    snprintf(log, sizeof log, "%s-wal", p->copy);
    copy_as_after_a_crash(p);
    assert_int_equal(truncate(log, size_of(log) - 100), 0);
    t = open_path(p->copy);
    assert_true(has(t, p, "a", "1"));
    assert_false(has(t, p, "b", "2"));
    eng_store_close(t);
    copy_as_after_a_crash(p);
    change_byte(log, size_of(log) - 100, 0x10);
    t = open_path(p->copy);
    assert_true(has(t, p, "a", "1"));
    assert_false(has(t, p, "b", "2"));
    eng_store_close(t);
    eng_store_close(s);
}

static void opening_survives_no_memory(void **state)
{
    place *p = *state;
    eng_status status = ENG_OK;
    eng_store_options options = {.path = p->db};
    assert_survives_no_memory(status, {
        eng_store *s = NULL;
        status = eng_store_open(&options, &s, NULL);
        eng_store_close(s);
    });
}

/* Thousands of allocations: a stride, and another one in the next. */
static void making_survives_no_memory(void **state)
{
    place *p = *state;
    eng_store_options options = {.path = p->db};
    bool faulted = true;
    for (uint64_t n = 1; faulted; n += 41) {
        unlink(p->db);
        int64_t held = eng_alloc_count().bytes;
        eng_store *s = NULL;
        eng_alloc_fail_at(n, n % 2 == 0);
        eng_status status = eng_store_open(&options, &s, NULL);
        faulted = eng_alloc_faulted();
        eng_store_close(s);
        eng_alloc_fail_at(0, false);
        assert_true(status == ENG_OK || status == ENG_ENOMEM);
        assert_int_equal(eng_alloc_count().bytes, held);
        eng_store_close(open_db(p));
    }
}

static void closing_takes_nothing(void **state)
{
    (void)state;
    eng_store_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_new_file_is_made_as_blueprint_says),
        in_place(what_was_written_is_there_again),
        in_place(a_file_that_must_exist_is_not_made),
        in_place(a_file_without_anything_is_a_new_one),
        in_place(what_is_no_database_of_ours_is_left_alone),
        in_place(a_newer_version_is_refused),
        in_place(tables_that_do_not_fit_are_damage),
        in_place(a_file_that_is_too_short_is_damage),
        in_place(what_cannot_be_written_to_says_so),
        in_place(a_crash_loses_nothing),
        in_place(a_torn_log_is_cut_at_the_last_whole_transaction),
        in_place(opening_survives_no_memory),
        in_place(making_survives_no_memory),
        cmocka_unit_test(closing_takes_nothing),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
