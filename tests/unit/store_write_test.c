/*
 * Writing: durable when it returns, in groups, each operation for itself. Promises of store.h and of
 * store_internal.h, with operations of our own.
 */
#include "store_help.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { MANY = 16 };

/* ---- What reaches the disk ---- */

/* SQLite's syncs come here. */
static _Atomic unsigned syncs;

__attribute__((visibility("default"))) int fdatasync(int fd);
int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, fd);
}

static void each_write_is_synced_once(void **state)
{
    place *p = *state;
    char value[16];
    eng_store *s = open_db(p);
    set(s, "a", "0"); /* the first makes the log */
    for (int i = 1; i < 20; i++) {
        unsigned before = atomic_load(&syncs);
        snprintf(value, sizeof value, "%d", i);
        set(s, "a", value);
        assert_int_equal(atomic_load(&syncs) - before, 1);
    }
    eng_store_close(s);
}

/* ---- Groups ---- */

/* Holds the writer until the test lets it go, so that others come to wait together. */
typedef struct {
    eng_store *s;
    pthread_t thread;
    _Atomic bool held;
    _Atomic bool let_go;
} holder;

static eng_status hold(eng_conn *c, void *args, eng_error *err)
{
    (void)c;
    holder *h = args;
    atomic_store(&h->held, true);
    while (!atomic_load(&h->let_go))
        sleep_ms(1);
    return eng_fail(err, ENG_EINVALID, "held");
}

static void *hold_writer(void *arg)
{
    holder *h = arg;
    return (void *)(intptr_t)eng_store_write(h->s, hold, h, NULL);
}

static void start_holding(holder *h, eng_store *s)
{
    h->s = s;
    assert_int_equal(pthread_create(&h->thread, NULL, hold_writer, h), 0);
    while (!atomic_load(&h->held))
        sleep_ms(1);
}

static void stop_holding(holder *h)
{
    sleep_ms(100); /* those who write have come to wait */
    atomic_store(&h->let_go, true);
    pthread_join(h->thread, NULL);
}

typedef struct {
    eng_store *s;
    pthread_t thread;
    int n;
    eng_store_op *run; /* NULL: sets its name */
    eng_status status;
    eng_error err;
} writing;

static void *write_once(void *arg)
{
    writing *w = arg;
    char name[16];
    snprintf(name, sizeof name, "%d", w->n);
    w->status = w->run ? eng_store_write(w->s, w->run, &w->n, &w->err)
                       : eng_store_set(w->s, eng_str_of(name), ENG_STR("x"), &w->err);
    return NULL;
}

/* MANY writers in one group; those for which odd is given run that. */
static void write_together(eng_store *s, writing w[MANY], eng_store_op *odd)
{
    holder h = {0};
    start_holding(&h, s);
    for (int i = 0; i < MANY; i++) {
        w[i] = (writing){.s = s, .n = i, .run = i % 2 ? odd : NULL};
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_once, &w[i]), 0);
    }
    stop_holding(&h);
    for (int i = 0; i < MANY; i++)
        pthread_join(w[i].thread, NULL);
}

static bool is_there(eng_store *s, place *p, int n)
{
    char name[16];
    snprintf(name, sizeof name, "%d", n);
    return has(s, p, name, "x");
}

static void those_that_wait_share_a_commit(void **state)
{
    place *p = *state;
    writing w[MANY];
    eng_store_counters before, after;
    eng_store *s = open_db(p);
    eng_store_count(s, &before);
    write_together(s, w, NULL);
    eng_store_count(s, &after);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(w[i].status, ENG_OK);
    assert_int_equal(after.writes - before.writes, MANY);
    /* One; a machine that is very busy may bring a thread too late. */
    assert_in_range(after.commits - before.commits, 1, MANY / 4);
    assert_int_equal((uint64_t)size_of(p->db) > 0, after.bytes > (uint64_t)size_of(p->db));
    eng_store_close(s);
}

/* Writes, then fails. */
static eng_status write_and_fail(eng_conn *c, void *args, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "INSERT INTO small VALUES (?, x'78')");
    char name[16];
    snprintf(name, sizeof name, "%d", *(int *)args);
    eng_sql_text(&q, eng_str_of(name));
    eng_status status = eng_sql_end(&q, err);
    return status < 0 ? status : eng_fail(err, ENG_EINVALID, "not %s", name);
}

static void check_odd_failed(eng_store *s, place *p, writing w[MANY], eng_status wanted)
{
    for (int i = 0; i < MANY; i++) {
        if (w[i].status != (i % 2 ? wanted : ENG_OK))
            fail_msg("%d: %s: %s", i, eng_status_name(w[i].status), w[i].err.message);
        assert_int_equal(is_there(s, p, i), i % 2 == 0);
    }
}

static void one_that_fails_takes_nothing_with_it(void **state)
{
    place *p = *state;
    writing w[MANY];
    eng_store_counters before, after;
    eng_store *s = open_db(p);
    eng_store_count(s, &before);
    write_together(s, w, write_and_fail);
    eng_store_count(s, &after);
    check_odd_failed(s, p, w, ENG_EINVALID);
    assert_string_equal(w[3].err.message, "not 3");
    assert_int_equal(after.writes - before.writes, MANY / 2);
    assert_true(after.commits - before.commits < MANY / 2);
    eng_store_close(s);
}

/* As SQLite does for some failures. */
static eng_status lose_the_transaction(eng_conn *c, void *args, eng_error *err)
{
    (void)args;
    (void)!eng_conn_script(c, "ROLLBACK", NULL);
    return eng_fail(err, ENG_ENOSPACE, "lost");
}

static void a_lost_transaction_takes_nothing_with_it(void **state)
{
    place *p = *state;
    writing w[MANY];
    eng_store *s = open_db(p);
    write_together(s, w, lose_the_transaction);
    check_odd_failed(s, p, w, ENG_ENOSPACE);
    eng_store_close(s);
}

/* What only the commit notices. */
static eng_status refer_to_nothing(eng_conn *c, void *args, eng_error *err)
{
    (void)args;
    eng_status status = eng_conn_script(c, "PRAGMA defer_foreign_keys = ON", err);
    if (status == ENG_OK)
        status = eng_conn_script(
            c, "INSERT INTO document_text (document, text) VALUES (77, 'of no document')", err);
    return status;
}

static void a_commit_that_fails_takes_nothing_with_it(void **state)
{
    place *p = *state;
    writing w[MANY];
    eng_store *s = open_db(p);
    write_together(s, w, refer_to_nothing);
    check_odd_failed(s, p, w, ENG_EINTERNAL);
    set(s, "after", "all");
    eng_store_close(s);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM document_text"), 0);
}

/* ---- Reading meanwhile ---- */

static void readers_never_wait_for_the_writer(void **state)
{
    place *p = *state;
    holder h = {0};
    eng_store *s = open_db(p);
    set(s, "a", "1");
    start_holding(&h, s);
    for (int i = 0; i < 100; i++)
        assert_true(has(s, p, "a", "1"));
    stop_holding(&h);
    eng_store_close(s);
}

typedef struct {
    eng_store *s;
    _Atomic bool stop;
    _Atomic unsigned torn;
    _Atomic unsigned reads;
} reading;

static eng_status write_pair(eng_conn *c, void *args, eng_error *err)
{
    const char *const names[] = {"left", "right"};
    eng_status status = ENG_OK;
    for (int i = 0; i < 2 && status == ENG_OK; i++) {
        eng_sql q = eng_sql_use(c, "INSERT OR REPLACE INTO small VALUES (?, ?)");
        eng_sql_text(&q, eng_str_of(names[i]));
        eng_sql_blob(&q, args, sizeof(int));
        status = eng_sql_end(&q, err);
    }
    return status;
}

static eng_status read_pair(eng_conn *c, void *args, eng_error *err)
{
    int *pair = args;
    const char *const names[] = {"left", "right"};
    eng_status status = ENG_OK;
    for (int i = 0; i < 2 && status == ENG_OK; i++) {
        eng_sql q = eng_sql_use(c, "SELECT value FROM small WHERE name = ?");
        eng_sql_text(&q, eng_str_of(names[i]));
        if (eng_sql_row(&q))
            eng_sql_get_bytes(&q, 0, &pair[i], sizeof(int));
        status = eng_sql_end(&q, err);
    }
    return status;
}

static void *read_on(void *arg)
{
    reading *r = arg;
    while (!atomic_load(&r->stop)) {
        int pair[2] = {0, 0};
        if (eng_store_read(r->s, read_pair, pair, NULL) < 0 || pair[0] != pair[1])
            atomic_fetch_add(&r->torn, 1);
        atomic_fetch_add(&r->reads, 1);
    }
    return NULL;
}

/* With more threads than connections. */
static void a_read_is_of_one_instant(void **state)
{
    place *p = *state;
    reading r = {.s = open_db(p)};
    pthread_t threads[6];
    eng_error err = {0};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
    for (int i = 1; i < 500 || atomic_load(&r.reads) < 500; i++)
        assert_ok(eng_store_write(r.s, write_pair, &i, &err), err);
    atomic_store(&r.stop, true);
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&r.torn), 0);
    eng_store_close(r.s);
}

/* ---- The log and free pages ---- */

static void big_values(eng_store *s, int count)
{
    static char text[1 << 20];
    char name[16];
    eng_error err = {0};
    memset(text, 'x', sizeof text);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "big %d", i);
        assert_ok(eng_store_set(s, eng_str_of(name), (eng_str){text, sizeof text}, &err), err);
    }
}

static void the_log_does_not_grow_without_end(void **state)
{
    place *p = *state;
    char log[96];
    snprintf(log, sizeof log, "%s-wal", p->db);
    eng_store *s = open_db(p);
    big_values(s, 64);
    set(s, "a", "b");
    assert_true(size_of(log) < 24 << 20);
    eng_store_close(s);
}

static void free_pages_are_given_back(void **state)
{
    place *p = *state;
    char name[16];
    eng_error err = {0};
    eng_store *s = open_db(p);
    big_values(s, 24);
    for (int i = 0; i < 24; i++) {
        snprintf(name, sizeof name, "big %d", i);
        assert_ok(eng_store_set(s, eng_str_of(name), ENG_STR("small"), &err), err);
    }
    int64_t left = 24 << 20;
    for (int i = 0; i < 100 && left > 1100; i++) {
        sleep_ms(100);
        left = ask_sqlite(p->db, "PRAGMA freelist_count");
    }
    assert_true(left <= 1100);
    eng_store_close(s);
    assert_true(size_of(p->db) < 12 << 20);
}

/* ---- No space ---- */

static eng_status forbid_growing(eng_conn *c, void *args, eng_error *err)
{
    (void)args;
    return eng_conn_script(c, "PRAGMA max_page_count = 1", err); /* no smaller than it is */
}

static eng_status allow_growing(eng_conn *c, void *args, eng_error *err)
{
    (void)args;
    return eng_conn_script(c, "PRAGMA max_page_count = 1000000", err);
}

static void says_full(place *p, eng_status status, const eng_error *err)
{
    assert_int_equal(status, ENG_ENOSPACE);
    assert_non_null(strstr(err->message, p->db));
}

static void a_full_database_is_an_error_that_passes(void **state)
{
    place *p = *state;
    static char text[1 << 20];
    eng_error err = {0};
    eng_store *s = open_db(p);
    set(s, "before", "1");
    assert_ok(eng_store_write(s, forbid_growing, NULL, &err), err);
    says_full(p, eng_store_set(s, ENG_STR("big"), (eng_str){text, sizeof text}, &err), &err);
    assert_true(has(s, p, "before", "1"));
    assert_false(has(s, p, "big", ""));
    set(s, "before", "2");
    assert_ok(eng_store_write(s, allow_growing, NULL, &err), err);
    assert_ok(eng_store_set(s, ENG_STR("big"), (eng_str){text, sizeof text}, &err), err);
    eng_store_close(s);
}

/* The same from the system, in a process of its own. */
static int fill_the_disk(place *p)
{
    static char text[8 << 20];
    struct rlimit limit = {4 << 20, RLIM_INFINITY};
    eng_error err = {0};
    eng_store *s = NULL;
    eng_store_options options = {.path = p->db};
    signal(SIGXFSZ, SIG_IGN);
    if (eng_store_open(&options, &s, &err) < 0 ||
        eng_store_set(s, ENG_STR("a"), ENG_STR("1"), &err) < 0 || setrlimit(RLIMIT_FSIZE, &limit))
        return 1;
    if (eng_store_set(s, ENG_STR("big"), (eng_str){text, sizeof text}, &err) != ENG_ENOSPACE ||
        !strstr(err.message, p->db)) {
        print_error("%s\n", err.message);
        return 2;
    }
    if (eng_store_set(s, ENG_STR("a"), ENG_STR("2"), &err) < 0)
        return 3;
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) ||
        eng_store_set(s, ENG_STR("big"), (eng_str){text, sizeof text}, &err) < 0)
        return 4;
    eng_store_close(s);
    return 0;
}

static void a_full_disk_is_an_error_that_passes(void **state)
{
    place *p = *state;
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(fill_the_disk(p));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    eng_store *s = open_db(p);
    assert_true(has(s, p, "a", "2"));
    eng_store_close(s);
}

/* ---- kill -9 ---- */

/* Says each number after it was acknowledged. */
static void count_aloud(place *p, int out)
{
    eng_store *s = open_db(p);
    for (int i = 0;; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        if (eng_store_set(s, eng_str_of(name), ENG_STR("x"), NULL) < 0 ||
            write(out, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static void a_killed_writer_loses_nothing(void **state)
{
    place *p = *state;
    for (int round = 0; round < 10; round++) {
        int pipe_fds[2], n, last = -1;
        unlink(p->db);
        assert_int_equal(pipe(pipe_fds), 0);
        pid_t child = fork();
        if (child == 0)
            count_aloud(p, pipe_fds[1]);
        close(pipe_fds[1]);
        assert_int_equal(read(pipe_fds[0], &last, sizeof last), sizeof last);
        sleep_ms(3 * round);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(pipe_fds[0], &n, sizeof n) == sizeof n)
            last = n;
        close(pipe_fds[0]);
        eng_store *s = open_db(p);
        for (int i = 0; i <= last; i++)
            assert_true(is_there(s, p, i));
        eng_store_close(s);
    }
}

/* ---- Many at once ---- */

static void *write_many(void *arg)
{
    writing *w = arg;
    for (int i = 0; i < 100 && w->status == ENG_OK; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d %d", w->n, i);
        w->status = eng_store_set(w->s, eng_str_of(name), ENG_STR("x"), &w->err);
    }
    return NULL;
}

static void many_threads_write_and_read(void **state)
{
    place *p = *state;
    reading r = {.s = open_db(p)};
    pthread_t reader;
    writing w[MANY];
    assert_int_equal(pthread_create(&reader, NULL, read_on, &r), 0);
    for (int i = 0; i < MANY; i++) {
        w[i] = (writing){.s = r.s, .n = i};
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_many, &w[i]), 0);
    }
    for (int i = 0; i < MANY; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].status, ENG_OK);
    }
    atomic_store(&r.stop, true);
    pthread_join(reader, NULL);
    eng_store_close(r.s);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM small"), MANY * 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(each_write_is_synced_once),
        in_place(those_that_wait_share_a_commit),
        in_place(one_that_fails_takes_nothing_with_it),
        in_place(a_lost_transaction_takes_nothing_with_it),
        in_place(a_commit_that_fails_takes_nothing_with_it),
        in_place(readers_never_wait_for_the_writer),
        in_place(a_read_is_of_one_instant),
        in_place(the_log_does_not_grow_without_end),
        in_place(free_pages_are_given_back),
        in_place(a_full_database_is_an_error_that_passes),
        in_place(a_full_disk_is_an_error_that_passes),
        in_place(a_killed_writer_loses_nothing),
        in_place(many_threads_write_and_read),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
