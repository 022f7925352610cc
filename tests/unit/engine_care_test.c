/* Backup, restore, doctor: promises of engenho.h. */
#include "engine_help.h"

#include <pthread.h>

static int64_t back_up(eng *e, const char *to)
{
    int64_t id = 0;
    eng_error err = {0};
    assert_ok(eng_backup(e, to, &id, &err), err);
    return id;
}

static void back_up_well(eng *e, const char *to)
{
    eng_job *job = wait_for(e, back_up(e, to));
    if (job->state != ENG_JOB_DONE)
        fail_msg("backup: %s: %s", eng_job_state_name(job->state), job->error);
    eng_job_free(job);
}

static void add_key(eng *e, const char *name, char secret[ENG_KEY_SECRET_SIZE])
{
    eng_key key;
    eng_error err = {0};
    assert_ok(eng_key_add(e, eng_str_of(name), ENG_ROLE_READ, 0, &key, secret, &err), err);
    eng_key_clear(&key);
}

static bool key_works(eng *e, const char *secret)
{
    char id[ENG_ID_SIZE];
    eng_role role;
    uint32_t rate;
    return eng_key_check(e, eng_str_of(secret), id, &role, &rate);
}

/* An engine's data with a key and a model's file, backed up; the engine is closed. */
static void make_backup(place *p, char secret[ENG_KEY_SECRET_SIZE])
{
    eng *e = open_at(p->data);
    add_key(e, "kept", secret);
    write_file(p->data, "models/ab/cdef", "weights");
    back_up_well(e, p->backup);
    eng_close(e);
}

/* ---- Backup ---- */

typedef struct {
    eng *e;
    _Atomic bool stop;
    _Atomic unsigned written;
} writing;

static void *write_on_and_on(void *arg)
{
    writing *w = arg;
    while (!atomic_load(&w->stop)) {
        eng_key key;
        char secret[ENG_KEY_SECRET_SIZE];
        if (eng_key_add(w->e, ENG_STR("more"), ENG_ROLE_READ, 0, &key, secret, NULL) == ENG_OK) {
            eng_key_clear(&key);
            atomic_fetch_add(&w->written, 1);
        }
        sleep_ms(2);
    }
    return NULL;
}

static size_t count_keys(eng *e)
{
    eng_key_page *page = NULL;
    eng_error err = {0};
    assert_ok(eng_key_list(e, 1000, NULL, &page, &err), err);
    size_t count = page->count;
    eng_key_page_free(page);
    return count;
}

static void what_was_there_comes_back(void **state)
{
    place *p = *state;
    char before[ENG_KEY_SECRET_SIZE], after[ENG_KEY_SECRET_SIZE];
    eng_error err = {0};
    struct stat st;
    eng *e = open_at(p->data);
    add_key(e, "before", before);
    write_file(p->data, "models/ab/cdef", "weights");
    write_file(p->data, "history/0001.seg", "segment");
    write_file(p->data, "index/derived", "not in a backup");

    writing w = {.e = e};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on_and_on, &w), 0);
    while (atomic_load(&w.written) < 3)
        sleep_ms(1);
    eng_job *job = wait_for(e, back_up(e, p->backup));
    unsigned at_most = atomic_load(&w.written) + 2;
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    if (job->state != ENG_JOB_DONE)
        fail_msg("%s", job->error);
    assert_non_null(strstr(job->result, "\"files\":4"));
    assert_non_null(strstr(job->result, p->backup));
    assert_true(job->done == job->total && job->total > 0);
    eng_job_free(job);
    add_key(e, "after", after);
    eng_close(e);

    assert_int_equal(stat(p->backup, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_false(there(p->root, "backup.partial"));
    assert_false(there(p->backup, "index"));
    assert_false(there(p->backup, "lock"));

    assert_ok(eng_restore(p->data, p->backup, true, &err), err);
    assert_false(there(p->root, "data.before-restore"));
    assert_false(there(p->root, "data.partial"));
    assert_false(there(p->data, "index"));
    e = open_at(p->data);
    assert_true(key_works(e, before));
    assert_false(key_works(e, after));
    size_t keys = count_keys(e);
    assert_true(keys >= 4 && keys <= at_most);
    eng_close(e);
    eng_buf text;
    read_file(p->data, "models/ab/cdef", &text);
    assert_str_view(eng_buf_view(&text), "weights");
    eng_buf_clear(&text);
}

static void a_place_that_is_no_good_is_refused(void **state)
{
    place *p = *state;
    int64_t id;
    char to[160];
    eng_error err = {0};
    eng *e = open_at(p->data);
    assert_int_equal(eng_backup(e, p->data, &id, &err), ENG_ECONFLICT);
    write_file(p->root, "file", "");
    snprintf(to, sizeof to, "%s/file", p->root);
    assert_int_equal(eng_backup(e, to, &id, &err), ENG_ECONFLICT);
    assert_int_equal(eng_backup(e, "relative", &id, &err), ENG_EINVALID);
    assert_string_equal(err.field, "to");
    assert_int_equal(eng_backup(e, "", &id, &err), ENG_EINVALID);
    assert_int_equal(eng_backup(e, "/", &id, &err), ENG_EINVALID);
    assert_int_equal(eng_backup(e, "/tmp/\xff", &id, &err), ENG_EINVALID);
    snprintf(to, sizeof to, "%s/no/where", p->root);
    assert_int_equal(eng_backup(e, to, &id, &err), ENG_EINVALID);
    snprintf(to, sizeof to, "%s/..", p->root);
    assert_int_equal(eng_backup(e, to, &id, &err), ENG_EINVALID);
    snprintf(to, sizeof to, "%s/models", p->data);
    assert_int_equal(eng_backup(e, to, &id, &err), ENG_EINVALID);
    assert_non_null(strstr(err.message, "within the data directory"));
    eng_close(e);
}

static void a_backup_that_fails_leaves_nothing(void **state)
{
    place *p = *state;
    char to[100];
    eng *e = open_at(p->data);
    /* A link to nothing among the models cannot be copied. */
    write_file(p->data, "models/a", "weights");
    snprintf(to, sizeof to, "%s/models/b", p->data);
    assert_int_equal(symlink("/nowhere/at/all", to), 0);
    eng_job *job = wait_for(e, back_up(e, p->backup));
    assert_int_equal(job->state, ENG_JOB_FAILED);
    assert_non_null(strstr(job->error, "models/b"));
    eng_job_free(job);
    assert_false(there(p->root, "backup"));
    assert_false(there(p->root, "backup.partial"));

    /* What a crash left in the stage is no obstacle. */
    assert_int_equal(unlink(to), 0);
    write_file(p->root, "backup.partial/models/old", "left behind");
    write_file(p->root, "backup.partial/engenho.db", "left behind");
    back_up_well(e, p->backup);
    assert_false(there(p->backup, "models/old"));
    eng_close(e);
}

static void two_backups_to_one_place_do_not_mix(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_error err = {0};
    int64_t a = back_up(e, p->backup), b = 0;
    if (eng_backup(e, p->backup, &b, &err) == ENG_OK) {
        eng_job *second = wait_for(e, b);
        eng_job *first = wait_for(e, a);
        assert_true((first->state == ENG_JOB_DONE) + (second->state == ENG_JOB_DONE) == 1);
        eng_job_free(first);
        eng_job_free(second);
    } else {
        assert_int_equal(err.status, ENG_ECONFLICT);
        eng_job_free(wait_for(e, a));
    }
    eng_close(e);
    assert_ok(eng_restore(p->data, p->backup, true, &err), err);
}

/* ---- Restore ---- */

static void data_that_is_there_is_kept(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE], later[ENG_KEY_SECRET_SIZE];
    eng_error err = {0};
    make_backup(p, secret);
    assert_int_equal(eng_restore(p->data, p->backup, false, &err), ENG_ECONFLICT);
    eng *e = open_at(p->data);
    add_key(e, "later", later);
    assert_int_equal(eng_restore(p->data, p->backup, true, &err), ENG_ELOCKED);
    assert_true(key_works(e, later));
    eng_close(e);

    /* Into a place of its own, and into an empty folder. */
    char other[100];
    snprintf(other, sizeof other, "%s/new/place", p->root);
    assert_ok(eng_restore(other, p->backup, false, &err), err);
    e = open_at(other);
    assert_true(key_works(e, secret));
    assert_false(key_works(e, later));
    eng_close(e);
    snprintf(other, sizeof other, "%s/empty", p->root);
    assert_int_equal(mkdir(other, 0755), 0);
    assert_ok(eng_restore(other, p->backup, false, &err), err);
    eng_close(open_at(other));
}

static void a_folder_of_others_is_never_replaced(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE], home[100], inside[100];
    eng_error err = {0};
    make_backup(p, secret);
    write_file(p->root, "home/letters.txt", "dear");
    snprintf(home, sizeof home, "%s/home", p->root);
    assert_int_equal(eng_restore(home, p->backup, true, &err), ENG_ECONFLICT);
    assert_true(there(home, "letters.txt"));
    assert_false(there(home, "lock"));

    /* Nor one that holds the backup. */
    snprintf(inside, sizeof inside, "%s/inside", p->data);
    assert_int_equal(rename(p->backup, inside), 0);
    assert_int_equal(eng_restore(p->data, inside, true, &err), ENG_EINVALID);
    assert_true(there(inside, "manifest.json"));
}

static void refuses_backup(place *p, eng_status wanted, const char *words)
{
    eng_error err = {0};
    char other[100];
    snprintf(other, sizeof other, "%s/other", p->root);
    assert_int_equal(eng_restore(other, p->backup, false, &err), wanted);
    if (!strstr(err.message, words))
        fail_msg("'%s' is not in: %s", words, err.message);
    assert_false(there(p->root, "other"));
    assert_false(there(p->root, "other.partial"));
}

/* The manifest with `old` replaced by `new_text`. */
static void edit_manifest(place *p, const char *old, const char *new_text)
{
    eng_buf text, changed;
    read_file(p->backup, "manifest.json", &text);
    eng_buf_init(&changed, 1 << 20);
    size_t at = eng_str_find(eng_buf_view(&text), eng_str_of(old));
    assert_true(at != SIZE_MAX);
    eng_buf_bytes(&changed, text.data, at);
    eng_buf_str(&changed, eng_str_of(new_text));
    eng_buf_str(&changed, eng_str_of(text.data + at + strlen(old)));
    write_file(p->backup, "manifest.json", changed.data);
    eng_buf_clear(&text);
    eng_buf_clear(&changed);
}

static void a_damaged_backup_is_refused(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE], path[120];
    make_backup(p, secret);
    change_byte(p->backup, "engenho.db", 5000, 1);
    refuses_backup(p, ENG_ECORRUPT, "engenho.db' is damaged: its checksum");
    change_byte(p->backup, "engenho.db", 5000, 1);
    snprintf(path, sizeof path, "%s/models/ab/cdef", p->backup);
    assert_int_equal(truncate(path, 3), 0);
    refuses_backup(p, ENG_ECORRUPT, "3 bytes instead of 7");
    assert_int_equal(unlink(path), 0);
    refuses_backup(p, ENG_ECORRUPT, "models/ab/cdef' is missing");
    assert_int_equal(mkfifo(path, 0600), 0);
    refuses_backup(p, ENG_ECORRUPT, "not a regular file");
}

static void a_lying_manifest_is_refused(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE];
    make_backup(p, secret);
    const struct {
        const char *old, *new_text;
        eng_status wanted;
        const char *words;
    } lies[] = {
        {"models/ab/cdef", "models/../../../x", ENG_ECORRUPT, "no file of a backup"},
        {"models/../../../x", "/etc/passwd", ENG_ECORRUPT, "'/etc/passwd'"},
        {"/etc/passwd", "models//x", ENG_ECORRUPT, "no file of a backup"},
        {"models//x", "models/x\\u0000y", ENG_ECORRUPT, "no file of a backup"},
        {"models/x\\u0000y", "lock", ENG_ECORRUPT, "'lock'"},
        {"lock", "models/ab/cdef", ENG_OK, ""},
        {"\"version\":1", "\"version\":2", ENG_EVERSION, "newer engenho"},
        {"\"version\":2", "\"version\":\"1\"", ENG_ECORRUPT, "not the manifest"},
        {"\"version\":\"1\"", "\"version\":1", ENG_OK, ""},
        {"\"store\":", "\"store\":9", ENG_EVERSION, "newer engenho"},
        {"\"store\":9", "\"store\":", ENG_OK, ""},
        {"engenho backup", "other", ENG_ECORRUPT, "not the manifest"},
        {"other", "engenho backup", ENG_OK, ""},
        {"\"sha256\":\"", "\"sha256\":\"0", ENG_ECORRUPT, "no checksum"},
        {"\"sha256\":\"0", "\"sha256\":\"", ENG_OK, ""},
        {"\"size\":7", "\"size\":-7", ENG_ECORRUPT, "how large"},
        {"\"size\":-7", "\"size\":8", ENG_ECORRUPT, "7 bytes instead of 8"},
        {"\"size\":8", "\"size\":7", ENG_OK, ""},
        {"\"engenho.db\"", "\"models/db\"", ENG_ECORRUPT, "no engenho.db"},
        {"\"models/db\"", "\"engenho.db\"", ENG_OK, ""},
        {"]}", "]", ENG_ECORRUPT, "manifest.json"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        edit_manifest(p, lies[i].old, lies[i].new_text);
        if (lies[i].wanted < 0)
            refuses_backup(p, lies[i].wanted, lies[i].words);
    }
    eng_error err = {0};
    assert_int_equal(eng_restore(p->data, "/nowhere/at/all", true, &err), ENG_ENOTFOUND);
    assert_int_equal(eng_restore(p->data, p->root, true, &err), ENG_ENOTFOUND);
}

/* ---- A restore that is cut off ---- */

static const eng_finding *finding(const eng_findings *f, const char *check)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].check, check) == 0)
            return &f->items[i];
    fail_msg("no finding about '%s'", check);
    return NULL;
}

static eng_findings *examine(const char *data, bool repair)
{
    eng_findings *f = NULL;
    eng_error err = {0};
    assert_ok(eng_examine(data, repair, &f, &err), err);
    return f;
}

static void between_the_renames_everybody_says_so(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE], before[120];
    eng_error err = {0};
    eng *e = NULL;
    eng_options options = {.data = p->data};
    make_backup(p, secret);
    snprintf(before, sizeof before, "%s.before-restore", p->data);
    assert_int_equal(rename(p->data, before), 0);

    assert_int_equal(eng_open(&options, &e, &err), ENG_ECONFLICT);
    assert_non_null(strstr(err.message, "a restore was cut off"));
    assert_false(there(p->root, "data"));
    assert_int_equal(eng_restore(p->data, p->backup, false, &err), ENG_ECONFLICT);
    eng_findings *f = examine(p->data, false);
    assert_false(f->sound);
    assert_int_equal(finding(f, "restore")->status, ENG_ECONFLICT);
    eng_findings_free(f);

    f = examine(p->data, true);
    assert_true(f->sound);
    assert_true(finding(f, "restore")->repaired);
    assert_int_equal(finding(f, "database")->status, ENG_OK);
    eng_findings_free(f);
    e = open_at(p->data);
    assert_true(key_works(e, secret));
    eng_close(e);

    /* Or it is run again. */
    assert_int_equal(rename(p->data, before), 0);
    assert_ok(eng_restore(p->data, p->backup, true, &err), err);
    assert_false(there(p->root, "data.before-restore"));
    eng_close(open_at(p->data));
}

static void what_a_restore_left_is_found_and_removed(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE];
    eng_error err = {0};
    make_backup(p, secret);
    write_file(p->root, "data.partial/engenho.db", "half");
    write_file(p->root, "data.before-restore/engenho.db", "old");
    assert_int_equal(eng_restore(p->data, p->backup, true, &err), ENG_ECONFLICT);
    assert_true(there(p->root, "data.before-restore/engenho.db"));
    eng_findings *f = examine(p->data, false);
    assert_false(f->sound);
    eng_findings_free(f);
    f = examine(p->data, true);
    assert_true(finding(f, "restore")->repaired);
    eng_findings_free(f);
    assert_false(there(p->root, "data.partial"));
    f = examine(p->data, true);
    assert_true(f->sound);
    eng_findings_free(f);
    assert_false(there(p->root, "data.before-restore"));
}

/* kill -9 at any instant leaves the old data or the new, whole and findable. */
static void a_killed_restore_loses_nothing(void **state)
{
    place *p = *state;
    char old[ENG_KEY_SECRET_SIZE], newer[ENG_KEY_SECRET_SIZE];
    make_backup(p, old);
    eng *e = open_at(p->data);
    add_key(e, "newer", newer);
    eng_close(e);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(eng_restore(p->data, p->backup, true, NULL) < 0);
        sleep_ms(i % 3 ? i : i / 8);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);

        eng_findings *f = examine(p->data, true);
        if (!f->sound) {
            eng_findings_free(f);
            f = examine(p->data, true);
        }
        assert_true(f->sound);
        eng_findings_free(f);
        e = open_at(p->data);
        assert_true(key_works(e, old));
        if (!key_works(e, newer))
            add_key(e, "newer", newer);
        eng_close(e);
    }
}

/* ---- Doctor ---- */

static void a_sound_directory_is_sound(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE];
    make_backup(p, secret);
    write_file(p->data, "tmp/body", "left");
    eng_findings *f = examine(p->data, false);
    const char *const all[] = {"lock", "folder", "database", "keys", "space", "tmp", "restore"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_int_equal(finding(f, all[i])->status, ENG_OK);
    assert_true(f->sound);
    eng_findings_free(f);
    assert_true(there(p->data, "tmp/body"));

    f = examine(p->data, true);
    assert_true(finding(f, "tmp")->repaired);
    eng_findings_free(f);
    assert_false(there(p->data, "tmp/body"));
}

static void what_is_open_to_others_is_closed(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE], path[100];
    struct stat st;
    make_backup(p, secret);
    snprintf(path, sizeof path, "%s/key.secret", p->data);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(chmod(p->data, 0755), 0);
    eng_findings *f = examine(p->data, false);
    assert_false(f->sound);
    assert_int_equal(finding(f, "folder")->status, ENG_EINVALID);
    assert_int_equal(finding(f, "keys")->status, ENG_EINVALID);
    eng_findings_free(f);
    f = examine(p->data, true);
    assert_true(f->sound);
    eng_findings_free(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(p->data, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void who_holds_it_is_named(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_findings *f = NULL;
    eng_error err = {0};
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(eng_examine(p->data, false, &f, &err), ENG_ELOCKED);
    assert_non_null(strstr(err.message, pid));
    eng_close(e);
}

static void what_is_no_data_is_not_touched(void **state)
{
    place *p = *state;
    eng_findings *f = NULL;
    eng_error err = {0};
    assert_int_equal(eng_examine(p->data, true, &f, &err), ENG_ENOTFOUND);
    assert_false(there(p->root, "data"));
    assert_int_equal(eng_examine(p->root, true, &f, &err), ENG_ENOTFOUND);
    assert_false(there(p->root, "lock"));
}

static void finds_database(place *p, eng_status wanted)
{
    eng_findings *f = examine(p->data, true);
    assert_false(f->sound);
    assert_int_equal(finding(f, "database")->status, wanted);
    assert_false(finding(f, "database")->repaired);
    eng_findings_free(f);
}

static void a_damaged_database_is_found(void **state)
{
    place *p = *state;
    char path[100];
    struct stat st;
    eng_error err = {0};
    char secret[ENG_KEY_SECRET_SIZE];
    eng *e = open_at(p->data);
    for (int i = 0; i < 300; i++)
        add_key(e, "many keys, so that there are many pages of the database to be damaged", secret);
    eng_close(e);
    snprintf(path, sizeof path, "%s/engenho.db", p->data);
    assert_int_equal(stat(path, &st), 0);

    /* Of a later version: the number stands at byte 60 of the file. */
    change_byte(p->data, "engenho.db", 62, 0x40);
    finds_database(p, ENG_EVERSION);
    eng_options options = {.data = p->data};
    assert_int_equal(eng_open(&options, &e, &err), ENG_EVERSION);
    change_byte(p->data, "engenho.db", 62, 0x40);

    /* The header of every page but the first: none of them can be read then. */
    for (off_t at = 8192; at < st.st_size; at += 8192)
        change_byte(p->data, "engenho.db", at, 0xff);
    finds_database(p, ENG_ECORRUPT);
    for (off_t at = 8192; at < st.st_size; at += 8192)
        change_byte(p->data, "engenho.db", at, 0xff);

    assert_int_equal(truncate(path, st.st_size / 2 / 8192 * 8192), 0);
    finds_database(p, ENG_ECORRUPT);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, st.st_size), 0);
    finds_database(p, ENG_ECORRUPT);
    assert_int_equal(unlink(path), 0);
    finds_database(p, ENG_ENOTFOUND);
}

static void the_doctor_looks_at_what_is_open(void **state)
{
    place *p = *state;
    int64_t id;
    eng_error err = {0};
    eng *e = open_at(p->data);
    assert_int_equal(chmod(p->data, 0755), 0);
    assert_ok(eng_doctor(e, false, &id, &err), err);
    eng_job *job = wait_for(e, id);
    assert_int_equal(job->state, ENG_JOB_DONE);
    assert_int_equal(memcmp(job->result, "{\"sound\":false,\"findings\":[{\"check\":\"lock\",", 43),
                     0);
    eng_job_free(job);
    assert_ok(eng_doctor(e, true, &id, &err), err);
    job = wait_for(e, id);
    assert_int_equal(job->state, ENG_JOB_DONE);
    if (!strstr(job->result, "{\"sound\":true"))
        fail_msg("%s", job->result);
    assert_non_null(strstr(job->result, "\"repaired\":true"));
    assert_string_equal(job->kind, "doctor");
    eng_job_free(job);
    eng_close(e);
}

/* ---- Memory ---- */

static void care_survives_no_memory(void **state)
{
    place *p = *state;
    char secret[ENG_KEY_SECRET_SIZE];
    eng_status status = ENG_OK;
    make_backup(p, secret);
    assert_survives_no_memory(status, {
        eng_findings *f = NULL;
        status = eng_examine(p->data, true, &f, NULL);
        if (status == ENG_OK)
            eng_findings_free(f);
    });
    assert_survives_no_memory(status, {
        status = eng_restore(p->data, p->backup, true, NULL);
        assert_true(there(p->data, "engenho.db"));
    });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(what_was_there_comes_back),
        in_place(a_place_that_is_no_good_is_refused),
        in_place(a_backup_that_fails_leaves_nothing),
        in_place(two_backups_to_one_place_do_not_mix),
        in_place(data_that_is_there_is_kept),
        in_place(a_folder_of_others_is_never_replaced),
        in_place(a_damaged_backup_is_refused),
        in_place(a_lying_manifest_is_refused),
        in_place(between_the_renames_everybody_says_so),
        in_place(what_a_restore_left_is_found_and_removed),
        in_place(a_killed_restore_loses_nothing),
        in_place(a_sound_directory_is_sound),
        in_place(what_is_open_to_others_is_closed),
        in_place(who_holds_it_is_named),
        in_place(what_is_no_data_is_not_touched),
        in_place(a_damaged_database_is_found),
        in_place(the_doctor_looks_at_what_is_open),
        in_place(care_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
