/* Keys, and pages of them: promises of engenho.h. */
#include "engine_help.h"

#include <pthread.h>

/* The id is the key's own; the secret is kept by the caller. */
static void add(eng *e, const char *name, eng_role role, uint32_t rate, char id[ENG_ID_SIZE],
                char secret[ENG_KEY_SECRET_SIZE])
{
    eng_key key;
    eng_error err = {0};
    assert_ok(eng_key_add(e, eng_str_of(name), role, rate, &key, secret, &err), err);
    assert_string_equal(key.name, name);
    assert_int_equal(key.role, role);
    assert_int_equal(key.rate, rate);
    assert_true(key.created_ms > 0);
    memcpy(id, key.id, ENG_ID_SIZE);
    eng_key_clear(&key);
    assert_null(key.name);
}

static bool check(eng *e, const char *secret, char id[ENG_ID_SIZE])
{
    eng_role role;
    uint32_t rate;
    return eng_key_check(e, eng_str_of(secret), id, &role, &rate);
}

static void a_key_is_what_it_was_made(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE], got[ENG_ID_SIZE];
    eng_role role;
    uint32_t rate;
    add(e, "São Paulo", ENG_ROLE_WRITE, 60, id, secret);
    assert_int_equal(strlen(id), 16);
    assert_int_equal(strlen(secret), 61);
    assert_int_equal(memcmp(secret, "eng_", 4), 0);
    assert_int_equal(memcmp(secret + 4, id, 16), 0);
    assert_true(eng_key_check(e, eng_str_of(secret), got, &role, &rate));
    assert_string_equal(got, id);
    assert_int_equal(role, ENG_ROLE_WRITE);
    assert_int_equal(rate, 60);
    eng_close(e);
}

static void any_other_secret_is_none(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE], other[ENG_KEY_SECRET_SIZE + 1];
    char got[ENG_ID_SIZE] = "untouched";
    add(e, "a", ENG_ROLE_ADMIN, 0, id, secret);
    for (size_t i = 0; secret[i]; i++) {
        memcpy(other, secret, sizeof secret);
        other[i] = other[i] == '7' ? '8' : '7';
        assert_false(check(e, other, got));
        other[i] = 'Z';
        assert_false(check(e, other, got));
        other[i] = '\0';
        assert_false(check(e, other, got));
    }
    snprintf(other, sizeof other, "%sx", secret);
    assert_false(check(e, other, got));
    assert_false(check(e, "", got));
    assert_string_equal(got, "untouched");
    eng_close(e);
}

static void keys_survive_reopening(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char id[3][ENG_ID_SIZE], secret[3][ENG_KEY_SECRET_SIZE], got[ENG_ID_SIZE];
    eng_error err = {0};
    add(e, "first", ENG_ROLE_READ, 0, id[0], secret[0]);
    add(e, "second", ENG_ROLE_WRITE, 9, id[1], secret[1]);
    add(e, "third", ENG_ROLE_ADMIN, 0, id[2], secret[2]);
    assert_ok(eng_key_remove(e, eng_str_of(id[1]), &err), err);
    eng_close(e);

    e = open_at(p->data);
    assert_true(check(e, secret[0], got));
    assert_string_equal(got, id[0]);
    assert_false(check(e, secret[1], got));
    assert_true(check(e, secret[2], got));
    eng_close(e);
}

static void a_removed_key_is_none(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE], got[ENG_ID_SIZE];
    eng_error err = {0};
    add(e, "a", ENG_ROLE_READ, 0, id, secret);
    assert_ok(eng_key_remove(e, eng_str_of(id), &err), err);
    assert_false(check(e, secret, got));
    assert_int_equal(eng_key_remove(e, eng_str_of(id), &err), ENG_ENOTFOUND);
    assert_int_equal(eng_key_remove(e, ENG_STR("../../etc/passwd"), &err), ENG_ENOTFOUND);
    assert_int_equal(eng_key_remove(e, ENG_STR(""), &err), ENG_ENOTFOUND);
    eng_close(e);
}

static bool holds(const char *dir, const char *name, eng_str what)
{
    if (!there(dir, name))
        return false;
    eng_buf bytes;
    read_file(dir, name, &bytes);
    bool found = eng_str_find(eng_buf_view(&bytes), what) != SIZE_MAX;
    eng_buf_clear(&bytes);
    return found;
}

static void secrets_are_nowhere_on_disk(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE];
    add(e, "a", ENG_ROLE_READ, 0, id, secret);
    eng_str tail = eng_str_of(secret + 21);
    /* The id is there, so it would be found. */
    assert_true(holds(p->data, "engenho.db-wal", eng_str_of(id)) ||
                holds(p->data, "engenho.db", eng_str_of(id)));
    assert_false(holds(p->data, "engenho.db-wal", tail));
    eng_close(e);
    assert_true(holds(p->data, "engenho.db", eng_str_of(id)));
    assert_false(holds(p->data, "engenho.db", tail));
    assert_false(holds(p->data, "key.secret", tail));
}

static void refuses(eng *e, eng_str name, eng_role role, const char *field)
{
    eng_key key;
    char secret[ENG_KEY_SECRET_SIZE];
    eng_error err = {0};
    assert_int_equal(eng_key_add(e, name, role, 0, &key, secret, &err), ENG_EINVALID);
    assert_string_equal(err.field, field);
}

static void names_have_bounds(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char long_name[2 * 201 + 1], id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE];
    for (size_t i = 0; i < 201; i++)
        memcpy(long_name + 2 * i, "é", 2);
    long_name[400] = '\0';
    add(e, long_name, ENG_ROLE_READ, 0, id, secret); /* characters are counted, not bytes */
    long_name[400] = "é"[0];
    refuses(e, (eng_str){long_name, 402}, ENG_ROLE_READ, "name");
    refuses(e, ENG_STR(""), ENG_ROLE_READ, "name");
    refuses(e, ENG_STR("a\nb"), ENG_ROLE_READ, "name");
    refuses(e, ENG_STR("a\0b"), ENG_ROLE_READ, "name");
    refuses(e, ENG_STR("a\x7f"), ENG_ROLE_READ, "name");
    refuses(e, ENG_STR("a\xc2\x9b"), ENG_ROLE_READ, "name");
    refuses(e, ENG_STR("a\xff"), ENG_ROLE_READ, "name");
    refuses(e, ENG_STR("a"), ENG_ROLE_NONE, "role");
    refuses(e, ENG_STR("a"), (eng_role)9, "role");
    eng_close(e);
}

static void pages_hold_each_key_once(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char ids[7][ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE], name[16], next[ENG_NEXT_SIZE] = "";
    eng_error err = {0};
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "key %d", i);
        add(e, name, ENG_ROLE_READ, (uint32_t)i, ids[i], secret);
    }
    size_t seen = 0, pages = 0;
    do {
        eng_key_page *page = NULL;
        assert_ok(eng_key_list(e, 3, next[0] ? next : NULL, &page, &err), err);
        for (size_t i = 0; i < page->count; i++, seen++) {
            assert_string_equal(page->keys[i].id, ids[seen]);
            assert_int_equal(page->keys[i].rate, seen);
            snprintf(name, sizeof name, "key %zu", seen);
            assert_string_equal(page->keys[i].name, name);
        }
        memcpy(next, page->next, sizeof next);
        eng_key_page_free(page);
        pages++;
    } while (next[0]);
    assert_int_equal(seen, 7);
    assert_int_equal(pages, 3);
    eng_close(e);
}

static void a_made_up_next_is_refused(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE], next[ENG_NEXT_SIZE];
    eng_key_page *page = NULL;
    eng_job_page *jobs = NULL;
    eng_error err = {0};
    add(e, "a", ENG_ROLE_READ, 0, id, secret);
    add(e, "b", ENG_ROLE_READ, 0, id, secret);
    assert_ok(eng_key_list(e, 1, NULL, &page, &err), err);
    memcpy(next, page->next, sizeof next);
    eng_key_page_free(page);
    assert_int_equal(strspn(next, "0123456789abcdefghijklmnopqrstuv"), strlen(next));

    /* Of another list. */
    assert_int_equal(eng_job_list(e, 1, next, &jobs, &err), ENG_EINVALID);
    assert_string_equal(err.field, "next");
    size_t len = strlen(next);
    for (size_t i = 0; i < len; i++) {
        char kept = next[i];
        next[i] = kept == '0' ? '1' : '0';
        assert_int_equal(eng_key_list(e, 1, next, &page, &err), ENG_EINVALID);
        next[i] = 'z';
        assert_int_equal(eng_key_list(e, 1, next, &page, &err), ENG_EINVALID);
        next[i] = '\0';
        assert_int_equal(eng_key_list(e, 1, next, &page, &err), ENG_EINVALID);
        next[i] = kept;
    }
    assert_ok(eng_key_list(e, 1, next, &page, &err), err);
    assert_int_equal(page->count, 1);
    assert_string_equal(page->next, "");
    eng_key_page_free(page);

    assert_int_equal(eng_key_list(e, 0, NULL, &page, &err), ENG_EINVALID);
    assert_string_equal(err.field, "limit");
    assert_int_equal(eng_key_list(e, 1001, NULL, &page, &err), ENG_EINVALID);
    assert_ok(eng_key_list(e, 1000, NULL, &page, &err), err);
    assert_int_equal(page->count, 2);
    eng_key_page_free(page);
    eng_close(e);
}

/* Another engine's tokens say nothing here: the secret is another. */
static void a_next_of_other_data_is_refused(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng *other = open_at(p->backup);
    char next[ENG_NEXT_SIZE];
    int64_t position;
    eng_error err = {0};
    eng_next_make(other, "keys", 1, next);
    assert_int_equal(eng_next_read(e, "keys", next, 0, &position, &err), ENG_EINVALID);
    eng_next_make(e, "keys", INT64_MAX, next);
    assert_ok(eng_next_read(e, "keys", next, 0, &position, &err), err);
    assert_true(position == INT64_MAX);
    eng_close(other);
    eng_close(e);
}

typedef struct {
    eng *e;
    const char *secret;
    _Atomic bool stop;
    _Atomic unsigned bad;
} checking;

static void *check_on_and_on(void *arg)
{
    checking *c = arg;
    char id[ENG_ID_SIZE];
    while (!atomic_load(&c->stop))
        if (!check(c->e, c->secret, id))
            atomic_fetch_add(&c->bad, 1);
    return NULL;
}

static void checks_go_on_while_keys_come_and_go(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    char id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE], mine[ENG_KEY_SECRET_SIZE], got[ENG_ID_SIZE];
    eng_error err = {0};
    add(e, "stays", ENG_ROLE_READ, 0, id, mine);
    checking c = {.e = e, .secret = mine};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, check_on_and_on, &c), 0);
    for (int i = 0; i < 30; i++) {
        add(e, "goes", ENG_ROLE_READ, 0, id, secret);
        assert_true(check(e, secret, got));
        assert_ok(eng_key_remove(e, eng_str_of(id), &err), err);
        assert_false(check(e, secret, got));
    }
    atomic_store(&c.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&c.bad), 0);
    eng_close(e);
}

/* Whether or not there was memory, what is checked and what is listed agree. */
static void keys_survive_no_memory(void **state)
{
    place *p = *state;
    eng *e = open_at(p->data);
    eng_status status = ENG_OK;
    char id[ENG_ID_SIZE], secret[ENG_KEY_SECRET_SIZE];
    add(e, "a", ENG_ROLE_READ, 0, id, secret); /* the table in memory has room for the next */
    assert_survives_no_memory_beside_others(status, {
        eng_key_page *page = NULL;
        status = eng_key_list(e, 10, NULL, &page, NULL);
        if (status == ENG_OK)
            eng_key_page_free(page);
    });
    for (uint64_t n = 1;; n++) {
        eng_key key;
        eng_alloc_fail_at(n, true);
        status = eng_key_add(e, ENG_STR("b"), ENG_ROLE_READ, 0, &key, secret, NULL);
        bool faulted = eng_alloc_faulted();
        eng_alloc_fail_at(0, false);
        if (status == ENG_OK) {
            assert_true(check(e, secret, id));
            eng_key_clear(&key);
        } else {
            assert_int_equal(status, ENG_ENOMEM);
        }
        if (!faulted)
            break;
    }
    assert_int_equal(status, ENG_OK);
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_key_is_what_it_was_made),       in_place(any_other_secret_is_none),
        in_place(keys_survive_reopening),          in_place(a_removed_key_is_none),
        in_place(secrets_are_nowhere_on_disk),     in_place(names_have_bounds),
        in_place(pages_hold_each_key_once),        in_place(a_made_up_next_is_refused),
        in_place(a_next_of_other_data_is_refused), in_place(checks_go_on_while_keys_come_and_go),
        in_place(keys_survive_no_memory),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
