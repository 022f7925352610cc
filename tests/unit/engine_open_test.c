/* Opening and closing an engine, and what it says of itself: promises of engenho.h. */
#include "engine_help.h"

static void init_may_be_called_twice(void **state)
{
    (void)state;
    eng_error err = {0};
    assert_ok(eng_init(&err), err);
    eng_quit();
    /* The first eng_init still holds. */
    assert_non_null(strstr(eng_build_info()->libraries, "sqlite 3."));
    assert_non_null(strstr(eng_build_info()->libraries, "libsodium "));
}

static void opening_makes_what_is_missing(void **state)
{
    place *p = *state;
    char data[120];
    struct stat st;
    snprintf(data, sizeof data, "%s/a/b", p->root);
    eng *e = open_at(data);
    assert_string_equal(eng_data(e), data);
    assert_int_equal(stat(data, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(there(data, "engenho.db"));
    assert_true(there(data, "lock"));
    eng_close(e);

    char secret[140];
    snprintf(secret, sizeof secret, "%s/key.secret", data);
    assert_int_equal(stat(secret, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 32);
    /* No empty rooms. */
    assert_false(there(data, "models"));
    assert_false(there(data, "index"));
}

static void the_default_is_where_xdg_says(void **state)
{
    place *p = *state;
    eng *e = NULL;
    eng_error err = {0};
    char wanted[120];
    setenv("XDG_DATA_HOME", p->root, 1);
    assert_ok(eng_open(NULL, &e, &err), err);
    snprintf(wanted, sizeof wanted, "%s/engenho", p->root);
    assert_string_equal(eng_data(e), wanted);
    eng_close(e);

    /* What is no absolute path counts as not set. */
    setenv("XDG_DATA_HOME", "elsewhere", 1);
    setenv("HOME", p->root, 1);
    assert_ok(eng_open(NULL, &e, &err), err);
    snprintf(wanted, sizeof wanted, "%s/.local/share/engenho", p->root);
    assert_string_equal(eng_data(e), wanted);
    eng_close(e);
}

static void a_second_engine_learns_who_holds_it(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data), *second = NULL;
    eng_error err = {0};
    eng_options options = {.data = p->data};
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(eng_open(&options, &second, &err), ENG_ELOCKED);
    assert_non_null(strstr(err.message, pid));
    assert_null(second);
    eng_close(e);
    e = open_at(p->data);
    eng_close(e);
}

static void a_killed_holder_holds_nothing(void **state)
{
    place *p = *state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        eng *e = NULL;
        eng_options options = {.data = p->data};
        _exit(eng_open(&options, &e, NULL) < 0 || write(ready[1], "x", 1) != 1 || pause());
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    eng_close(open_at(p->data));
    close(ready[0]);
    close(ready[1]);
}

static void what_was_spilled_is_gone(void **state)
{
    place *p = *state;
    eng_close(open_at(p->data));
    write_file(p->data, "tmp/body", "left by a server that was killed");
    eng_close(open_at(p->data));
    assert_true(there(p->data, "tmp"));
    assert_false(there(p->data, "tmp/body"));
}

static void a_lost_secret_is_refused_while_keys_are_stored(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_key key;
    char secret[ENG_KEY_SECRET_SIZE], path[120];
    eng_error err = {0};
    snprintf(path, sizeof path, "%s/key.secret", p->data);
    eng_options options = {.data = p->data};

    /* Without keys nothing is lost. */
    eng_close(e);
    assert_int_equal(unlink(path), 0);
    e = open_at(p->data);
    assert_ok(eng_key_add(e, ENG_STR("a"), ENG_ROLE_READ, 0, &key, secret, &err), err);
    eng_key_clear(&key);
    eng_close(e);

    assert_int_equal(truncate(path, 31), 0);
    assert_int_equal(eng_open(&options, &e, &err), ENG_ECORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(eng_open(&options, &e, &err), ENG_ECORRUPT);
    assert_non_null(strstr(err.message, "key.secret' is missing"));
    assert_false(there(p->data, "key.secret"));
}

/* A new one in its place would hide that everything is gone. */
static void a_lost_database_is_refused(void **state)
{
    place *p = *state;
    eng *e = NULL;
    char path[120];
    eng_error err = {0};
    eng_options options = {.data = p->data};
    snprintf(path, sizeof path, "%s/engenho.db", p->data);
    eng_close(open_at(p->data));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(eng_open(&options, &e, &err), ENG_ECORRUPT);
    assert_non_null(strstr(err.message, "engenho.db' is missing or empty"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(eng_open(&options, &e, &err), ENG_ECORRUPT);
    assert_false(there(p->data, "engenho.db"));
}

static void a_database_that_is_cut_off_is_refused(void **state)
{
    place *p = *state;
    eng *e = NULL;
    char path[120];
    struct stat st;
    eng_error err = {0};
    eng_options options = {.data = p->data};
    snprintf(path, sizeof path, "%s/engenho.db", p->data);
    eng_close(open_at(p->data));
    assert_int_equal(stat(path, &st), 0);
    const off_t sizes[] = {st.st_size - 1, st.st_size / 2, 8192, 100, 10, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_int_equal(eng_open(&options, &e, &err), ENG_ECORRUPT);
        assert_non_null(strstr(err.message, "engenho.db' is damaged"));
    }
}

static void what_is_no_folder_is_refused(void **state)
{
    place *p = *state;
    eng *e = NULL;
    eng_error err = {0};
    write_file(p->root, "data", "a file");
    eng_options options = {.data = p->data};
    assert_true(eng_open(&options, &e, &err) < 0);
    assert_non_null(strstr(err.message, p->data));
    options.data = "";
    assert_int_equal(eng_open(&options, &e, &err), ENG_EUSAGE);
}

static void health_is_of_now(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_health h, later;
    eng_counters c;
    eng_health_now(e, &h);
    assert_string_equal(h.version, ENG_VERSION);
    assert_int_equal(h.collections, 0);
    assert_true(h.disk_free > 0);
    sleep_ms(5);
    eng_health_now(e, &later);
    assert_true(later.uptime_s > h.uptime_s && later.uptime_s < 60);
    assert_int_equal(later.disk_free, h.disk_free); /* asked at most once a second */

    eng_counters_now(e, &c);
    assert_true(c.store_bytes > 0);
    assert_true(c.allocations > 0 && c.allocated > 0);
    assert_int_equal(c.jobs_queued, 0);
    assert_int_equal(c.jobs_running, 0);
    eng_close(e);
}

static void roles_have_names(void **state)
{
    (void)state;
    for (int i = ENG_ROLE_NONE; i <= ENG_ROLE_ADMIN; i++) {
        eng_role role = ENG_ROLE_NONE;
        assert_true(eng_role_of(eng_str_of(eng_role_name((eng_role)i)), &role));
        assert_int_equal(role, i);
    }
    eng_role role;
    assert_false(eng_role_of(ENG_STR("Admin"), &role));
    assert_false(eng_role_of(ENG_STR(""), &role));
    assert_string_equal(eng_role_name((eng_role)77), "unknown");
    assert_string_equal(eng_job_state_name(ENG_JOB_CANCELLED), "cancelled");
    assert_string_equal(eng_job_state_name((eng_job_state)77), "unknown");
}

/* Threads of jobs allocate on their own, in their own time: only what eng_open itself asks for fails
 * here, and what is held is compared once they have ended. */
static void opening_survives_no_memory(void **state)
{
    place *p = *state;
    eng_options options = {.data = p->data, .job_threads = 1};
    eng_close(open_at(p->data));
    eng_status status = ENG_OK;
    assert_survives_no_memory(status, {
        eng *e = NULL;
        status = eng_open(&options, &e, NULL);
        if (status == ENG_OK)
            eng_close(e);
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_may_be_called_twice),
        in_place(opening_makes_what_is_missing),
        in_place(the_default_is_where_xdg_says),
        in_place(a_second_engine_learns_who_holds_it),
        in_place(a_killed_holder_holds_nothing),
        in_place(what_was_spilled_is_gone),
        in_place(a_lost_secret_is_refused_while_keys_are_stored),
        in_place(a_lost_database_is_refused),
        in_place(a_database_that_is_cut_off_is_refused),
        in_place(what_is_no_folder_is_refused),
        in_place(health_is_of_now),
        cmocka_unit_test(roles_have_names),
        in_place(opening_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
