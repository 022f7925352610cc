/* The tables: every earlier version becomes the present one with all it holds (schema.c). */
#include "store_help.h"

/* What each version could hold, to be there after every migration. Never changed, only added to. */
static const char *const contents[] = {
    [1] = "INSERT INTO small VALUES ('a', x'62');"
          "INSERT INTO api_key (name, title, role, rate, hash, created_ms) VALUES "
          "    ('0123456789abcdef', 'kept', 2, 60, zeroblob(32), 1700000000000);"
          "INSERT INTO job (kind, state, params, created_ms) VALUES ('doctor', 0, '{}', 5);"
          "INSERT INTO job (kind, state, params, created_ms, result) VALUES ('x', 2, '{}', 6, '7')",
    [2] = "INSERT INTO model (kind, name, active, created_ms, updated_ms) VALUES (1, 'm', 1, 5, 6);"
          "INSERT INTO model_version (model, version, hash, format, bytes, created_ms, info) "
          "    VALUES (1, 1, zeroblob(32), 'xgboost', 9, 5, '{}')",
};

/* A file of this version, with what it could hold. */
static void make_version(const char *path, int version)
{
    eng_conn *c = NULL;
    eng_error err = {0};
    unlink(path);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_ok(eng_conn_open(path, ENG_CONN_WRITE, &c, &err), err);
    assert_ok(eng_conn_make_writer(c, true, &err), err);
    assert_ok(eng_schema_migrate(c, version, &err), err);
    for (int v = 1; v <= version && v < (int)(sizeof contents / sizeof *contents); v++)
        assert_ok(eng_conn_script(c, contents[v], &err), err);
    eng_conn_close(c);
}

static void every_earlier_version_becomes_this_one(void **state)
{
    place *p = *state;
    eng_error err = {0};
    for (int version = 1; version < ENG_STORE_VERSION; version++) {
        make_version(p->db, version);
        assert_int_equal(ask_sqlite(p->db, "PRAGMA user_version"), version);
        eng_store *s = open_db(p);
        assert_true(has(s, p, "a", "b"));
        eng_store_key *keys;
        eng_store_job *jobs;
        size_t count;
        assert_ok(eng_store_key_page(s, 0, 10, &p->arena, &keys, &count, &err), err);
        assert_int_equal(count, 1);
        assert_str_view(keys[0].id, "0123456789abcdef");
        assert_int_equal(keys[0].rate, 60);
        assert_ok(eng_store_job_page(s, INT64_MAX, 10, &p->arena, &jobs, &count, &err), err);
        assert_int_equal(count, 2);
        assert_str_view(jobs[0].result, "7");
        assert_str_view(jobs[1].kind, "doctor");
        eng_store_model *models;
        assert_ok(eng_store_model_all(s, &p->arena, &models, &count, &err), err);
        assert_int_equal(count, version >= 2);
        eng_store_close(s);
        assert_int_equal(ask_sqlite(p->db, "PRAGMA user_version"), ENG_STORE_VERSION);
    }
}

static void collect(void *ctx, const char *message)
{
    (void)message;
    (*(unsigned *)ctx)++;
}

/* The fingerprints in schema.c spare a start the long way: they must be those of the migrations. */
static void known_fingerprints_are_right(void **state)
{
    (void)state;
    eng_error err = {0};
    for (int version = 1; version <= ENG_STORE_VERSION; version++) {
        eng_conn *c = NULL;
        uint64_t fingerprint = 0;
        unsigned differences = 0;
        assert_ok(eng_conn_open_scratch(&c, &err), err);
        assert_ok(eng_schema_migrate(c, version, &err), err);
        assert_ok(eng_schema_fingerprint(c, &fingerprint, &err), err);
        if (fingerprint != eng_schema_known(version))
            fail_msg("version %d has fingerprint 0x%016llx", version,
                     (unsigned long long)fingerprint);
        assert_ok(eng_schema_compare(c, collect, &differences, &err), err);
        assert_int_equal(differences, 0);
        eng_conn_close(c);
    }
}

/* A migration that cannot be done leaves what was there. */
static void a_migration_that_fails_changes_nothing(void **state)
{
    place *p = *state;
    eng_error err = {0};
    make_version(p->db, 1);
    ask_sqlite(p->db, "CREATE TABLE model (x)");
    assert_true(try_open(p->db, &err) < 0);
    assert_non_null(strstr(err.message, p->db));
    assert_int_equal(ask_sqlite(p->db, "PRAGMA user_version"), 1);
    assert_int_equal(ask_sqlite(p->db, "SELECT count(*) FROM sqlite_schema "
                                       "WHERE name = 'collection'"),
                     0);
    ask_sqlite(p->db, "DROP TABLE model");
    eng_store *s = open_db(p);
    assert_true(has(s, p, "a", "b"));
    eng_store_close(s);
}

static void migrating_survives_no_memory(void **state)
{
    place *p = *state;
    eng_error err = {0};
    make_version(p->copy, 1);
    for (uint64_t n = 1; n < 100000; n += 97) { /* a stride: the whole is long */
        copy_file(p->copy, p->db);
        eng_alloc_fail_at(n, n % 2 == 0);
        eng_status status = try_open(p->db, NULL);
        bool faulted = eng_alloc_faulted();
        eng_alloc_fail_at(0, false);
        assert_true(status == ENG_OK || status == ENG_ENOMEM);
        int64_t version = ask_sqlite(p->db, "PRAGMA user_version");
        assert_true(version == 1 || version == ENG_STORE_VERSION);
        assert_ok(try_open(p->db, &err), err);
        if (!faulted)
            return;
    }
    fail_msg("it never ends");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(every_earlier_version_becomes_this_one),
        cmocka_unit_test(known_fingerprints_are_right),
        in_place(a_migration_that_fails_changes_nothing),
        in_place(migrating_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, start_store, stop_store);
}
