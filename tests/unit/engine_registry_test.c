/* Predictors (engenho.h) and engine/registry.h: files become versions, which answer, are switched and come back. */
#include "engine_help.h"

#include "engine/model_internal.h"
#include "engine/registry.h"
#include "learn/boost.h"

#include <pthread.h>
#include <sodium.h>

static eng_error err;

/* The dummy model, whose predictions tell which one it was: -1N.5 in its first leaf. */
static eng_str version_text(unsigned number, char *room, size_t size)
{
    eng_str text = eng_boost_dummy();
    size_t at = eng_str_find(text, ENG_STR("leaf_value=-11.5 "));
    char digits[8];
    assert_true(text.len < size && at != SIZE_MAX && number < 10);
    memcpy(room, text.ptr, text.len);
    snprintf(digits, sizeof digits, "-1%u.5", number);
    memcpy(room + at + strlen("leaf_value="), digits, 5);
    return (eng_str){room, text.len};
}

static eng_status load_number(eng *e, const char *name, unsigned number, eng_predictor **out)
{
    char room[4096];
    eng_load what = {.kind = ENG_PREDICTOR_TABLE,
                     .name = eng_str_of(name),
                     .filename = ENG_STR("dummy.txt"),
                     .bytes = version_text(number, room, sizeof room)};
    return eng_predictor_load(e, &what, out, &err);
}

/* What version_text put in. */
static unsigned number_of(eng_predictor *p)
{
    double delay = -10, distance = 100, predicted = 0;
    eng_str carrier = ENG_STR("AA");
    eng_column columns[3] = {{.numbers = &delay}, {.numbers = &distance}, {.texts = &carrier}};
    assert_ok(eng_predict(p, columns, 1, &predicted, NULL, &err), err);
    /* -1N.5 and -2.5 of the second tree */
    return (unsigned)(-predicted - 13);
}

static unsigned answers(eng *e, const char *name)
{
    eng_predictor *p = NULL;
    assert_ok(eng_predictor_take(e, ENG_PREDICTOR_TABLE, eng_str_of(name), &p, &err), err);
    unsigned number = number_of(p);
    eng_predictor_give(p);
    return number;
}

static void test_the_newest_version_answers_and_others_can_be_chosen(void **state)
{
    place *at = *state;
    eng *e = open_at(at->data);
    eng_predictor *first = NULL, *p = NULL;
    assert_int_equal(eng_predictor_take(e, ENG_PREDICTOR_TABLE, ENG_STR(""), &p, &err), ENG_EBUSY);
    assert_ok(load_number(e, "m", 1, &first), err);
    assert_int_equal(eng_predictor_about(first)->version, 1);
    assert_ok(load_number(e, "m", 2, NULL), err);
    assert_ok(load_number(e, "other", 3, NULL), err);
    assert_int_equal(answers(e, "m"), 2);
    assert_int_equal(answers(e, ""), 3);
    /* Who holds a version keeps it. */
    assert_int_equal(number_of(first), 1);
    eng_predictor_give(first);
    assert_ok(eng_predictor_choose(e, ENG_PREDICTOR_TABLE, ENG_STR("m"), 0, NULL, &err), err);
    assert_int_equal(answers(e, "m"), 1);
    assert_int_equal(answers(e, ""), 1);
    assert_ok(eng_predictor_choose(e, ENG_PREDICTOR_TABLE, ENG_STR("m"), 2, NULL, &err), err);
    assert_int_equal(answers(e, "m"), 2);
    assert_int_equal(eng_predictor_choose(e, ENG_PREDICTOR_TABLE, ENG_STR("m"), 3, NULL, &err),
                     ENG_ENOTFOUND);
    assert_int_equal(eng_predictor_choose(e, ENG_PREDICTOR_TABLE, ENG_STR("other"), 0, NULL, &err),
                     ENG_ECONFLICT);
    assert_int_equal(eng_predictor_take(e, ENG_PREDICTOR_TABLE, ENG_STR("none"), &p, &err),
                     ENG_ENOTFOUND);
    eng_close(e);
}

static void test_another_start_answers_as_before(void **state)
{
    place *at = *state;
    eng *e = open_at(at->data);
    assert_ok(load_number(e, "m", 1, NULL), err);
    assert_ok(load_number(e, "m", 2, NULL), err);
    assert_ok(load_number(e, "other", 3, NULL), err);
    assert_ok(eng_predictor_choose(e, ENG_PREDICTOR_TABLE, ENG_STR("m"), 1, NULL, &err), err);
    eng_close(e);
    e = open_at(at->data);
    assert_int_equal(answers(e, ""), 1);
    assert_int_equal(answers(e, "m"), 1);
    assert_int_equal(answers(e, "other"), 3);
    eng_close(e);
}

/* Of `number`, by the content of the file; `ending` as in its folder. */
static void path_of(unsigned number, const char *folder, const char *ending, char path[160])
{
    char room[4096], hex[ENG_HEX_SIZE];
    unsigned char hash[ENG_SHA256_SIZE];
    eng_str text = version_text(number, room, sizeof room);
    crypto_hash_sha256(hash, (const unsigned char *)text.ptr, text.len);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(path, 160, "models/%s/%s%s", folder, hex, ending);
}

static void test_a_plan_that_is_damaged_or_gone_is_made_anew(void **state)
{
    place *at = *state;
    char plan[160];
    path_of(1, "plans", ".plan", plan);
    eng *e = open_at(at->data);
    assert_ok(load_number(e, "m", 1, NULL), err);
    eng_close(e);
    assert_true(there(at->data, plan));
    for (off_t place_in = 0; place_in < 4000; place_in += 211) {
        struct stat st;
        char *path = eng_path_join(at->data, plan);
        assert_int_equal(stat(path, &st), 0);
        change_byte(at->data, plan, place_in % st.st_size, 0x55);
        if (place_in == 211)
            assert_int_equal(truncate(path, st.st_size / 2), 0);
        if (place_in == 422)
            assert_int_equal(unlink(path), 0);
        e = open_at(at->data);
        assert_int_equal(answers(e, "m"), 1);
        eng_close(e);
        assert_true(there(at->data, plan));
        eng_free(path);
    }
}

static void test_a_model_whose_file_is_gone_says_so_and_keeps_no_other_from_answering(void **state)
{
    place *at = *state;
    char plan[160], file[160];
    eng_predictor *p = NULL;
    eng *e = open_at(at->data);
    assert_ok(load_number(e, "m", 1, NULL), err);
    assert_ok(load_number(e, "other", 2, NULL), err);
    eng_close(e);
    path_of(1, "plans", ".plan", plan);
    path_of(1, "loaded", "", file);
    change_byte(at->data, plan, 100, 0xff);
    change_byte(at->data, file, 0, 0xff);
    e = open_at(at->data);
    assert_int_equal(answers(e, "other"), 2);
    assert_int_equal(eng_predictor_take(e, ENG_PREDICTOR_TABLE, ENG_STR("m"), &p, &err), ENG_EBUSY);
    assert_non_null(strstr(err.message, "'m'"));
    assert_ok(load_number(e, "m", 3, NULL), err);
    assert_int_equal(answers(e, "m"), 3);
    eng_close(e);
}

/* Every byte changed, every length: it is refused, or it is a model, and the one in use stays in use until then. */
static void test_damaged_files_are_refused_and_what_answers_goes_on(void **state)
{
    place *at = *state;
    char room[4096];
    unsigned refused = 0;
    eng *e = open_at(at->data);
    eng_str text = version_text(4, room, sizeof room);
    assert_ok(load_number(e, "m", 4, NULL), err);
    eng_load what = {.kind = ENG_PREDICTOR_TABLE, .name = ENG_STR("m"), .bytes = text};
    for (size_t len = 0; len < eng_str_find(text, ENG_STR("Tree=1")); len += 7) {
        what.bytes = (eng_str){room, len};
        assert_true(eng_predictor_load(e, &what, NULL, &err) < 0);
        refused++;
    }
    what.bytes = text;
    for (size_t i = 0; i < 200; i += 5) { /* the head, where every byte says something */
        room[i] ^= 0x1f;
        bool good = eng_predictor_load(e, &what, NULL, NULL) == ENG_OK;
        room[i] ^= 0x1f;
        refused += !good;
        if (good)
            assert_ok(load_number(e, "m", 4, NULL), err);
        assert_int_equal(answers(e, "m"), 4);
    }
    assert_true(refused > 30);
    eng_close(e);
}

static void test_doctor_finds_a_loaded_file_that_is_damaged_and_makes_room_for_it(void **state)
{
    place *at = *state;
    char file[160];
    eng_findings *f = NULL;
    eng *e = open_at(at->data);
    assert_ok(load_number(e, "m", 1, NULL), err);
    eng_close(e);
    path_of(1, "loaded", "", file);
    for (unsigned damaged = 0; damaged < 2; damaged++) {
        if (damaged)
            change_byte(at->data, file, 50, 1);
        assert_ok(eng_examine(at->data, damaged, &f, &err), err);
        bool told = false;
        for (size_t i = 0; i < f->count; i++)
            told |= strcmp(f->items[i].check, "predictors") == 0 &&
                    f->items[i].status == (damaged ? ENG_ECORRUPT : ENG_OK) &&
                    f->items[i].repaired == (damaged == 1);
        assert_true(told);
        eng_findings_free(f);
    }
    assert_false(there(at->data, file));
    e = open_at(at->data);
    assert_ok(load_number(e, "m", 1, NULL), err);
    assert_true(there(at->data, file));
    eng_close(e);
}

/* ---- At once ---- */

typedef struct {
    eng *e;
    pthread_t thread;
    _Atomic bool *stop;
    unsigned number; /* of who loads; 0: it predicts */
    unsigned done;
    bool wrong;
} worker;

/* A version that is held answers as its name and number say, whatever is loaded meanwhile. */
static void *predict_all_the_time(void *arg)
{
    worker *w = arg;
    while (!atomic_load(w->stop) || w->done == 0) {
        char name[8];
        eng_predictor *p = NULL;
        snprintf(name, sizeof name, "m%u", 1 + w->done % 2);
        if (eng_predictor_take(w->e, ENG_PREDICTOR_TABLE, eng_str_of(name), &p, NULL) < 0) {
            w->wrong = true;
            break;
        }
        double delay = -10, distance = 100, predicted = 0;
        eng_str carrier = ENG_STR("AA");
        eng_column columns[3] = {{.numbers = &delay}, {.numbers = &distance}, {.texts = &carrier}};
        eng_status status = eng_predict(p, columns, 1, &predicted, NULL, NULL);
        unsigned number = (unsigned)(-predicted - 13);
        /* m1 holds odd numbers, m2 even ones */
        w->wrong |= status < 0 || number % 2 != (name[1] == '1') ||
                    strcmp(eng_predictor_about(p)->name, name) != 0;
        eng_predictor_give(p);
        w->done++;
    }
    return NULL;
}

static void *load_some(void *arg)
{
    worker *w = arg;
    char name[8];
    snprintf(name, sizeof name, "m%u", 2 - w->number % 2);
    for (unsigned i = 0; i < 6; i++) {
        char room[4096];
        eng_load what = {.kind = ENG_PREDICTOR_TABLE,
                         .name = eng_str_of(name),
                         .bytes = version_text((w->number + 2 * i) % 8, room, sizeof room)};
        w->wrong |= eng_predictor_load(w->e, &what, NULL, NULL) < 0;
        w->done++;
    }
    return NULL;
}

static void test_loads_at_once_beside_predictions_mix_nothing_up(void **state)
{
    enum { PREDICTING = 3, LOADING = 3 };
    place *at = *state;
    eng *e = open_at(at->data);
    worker workers[PREDICTING + LOADING] = {0};
    _Atomic bool stop = false;
    size_t versions = 0;
    assert_ok(load_number(e, "m1", 1, NULL), err);
    assert_ok(load_number(e, "m2", 2, NULL), err);
    for (unsigned i = 0; i < PREDICTING + LOADING; i++) {
        workers[i] = (worker){.e = e, .stop = &stop};
        if (i >= PREDICTING)
            workers[i].number = i - PREDICTING + 1;
        assert_int_equal(pthread_create(&workers[i].thread, NULL,
                                        i < PREDICTING ? predict_all_the_time : load_some,
                                        &workers[i]),
                         0);
    }
    for (unsigned i = PREDICTING; i < PREDICTING + LOADING; i++)
        pthread_join(workers[i].thread, NULL);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < PREDICTING; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < PREDICTING + LOADING; i++)
        assert_true(!workers[i].wrong && workers[i].done > 0);
    eng_predictor_page *page = NULL;
    assert_ok(eng_predictor_list(e, ENG_PREDICTOR_TABLE, 10, NULL, &page, &err), err);
    for (size_t i = 0; i < page->count; i++) {
        versions += page->models[i].version_count;
        assert_int_equal(page->models[i].active, page->models[i].version_count);
    }
    assert_int_equal(versions, 2 + 6 * LOADING);
    eng_predictor_page_free(page);
    eng_close(e);
}

/* What a write leaves in the store's caches is not counted: only what it says, and what answers then. Any
 * allocation of the first ones, then some. */
static void test_out_of_memory_while_loading_and_choosing_changes_nothing(void **state)
{
    place *at = *state;
    eng *e = open_at(at->data);
    assert_ok(load_number(e, "m", 1, NULL), err);
    assert_ok(load_number(e, "m", 2, NULL), err);
    for (unsigned loads = 0; loads < 2; loads++) {
        bool faulted = true;
        for (uint64_t n = 1; faulted; n += 1 + n / 12) {
            eng_alloc_fail_at(n, true);
            eng_status status = loads ? load_number(e, "m", 3, NULL)
                                      : eng_predictor_choose(e, ENG_PREDICTOR_TABLE, ENG_STR("m"),
                                                             1, NULL, &err);
            faulted = eng_alloc_faulted();
            eng_alloc_fail_at(0, false);
            assert_true(status == ENG_OK || (faulted && status == ENG_ENOMEM));
            unsigned answer = answers(e, "m");
            assert_true(status == ENG_OK ? answer == (loads ? 3 : 1) : answer != 0);
            if (status == ENG_OK && faulted)
                assert_ok(eng_predictor_choose(e, ENG_PREDICTOR_TABLE, ENG_STR("m"), 2, NULL, &err),
                          err);
        }
    }
    eng_close(e);
}

static void test_out_of_memory_is_an_ordinary_error(void **state)
{
    place *at = *state;
    eng_status status;
    eng *e = open_at(at->data);
    assert_ok(load_number(e, "m", 1, NULL), err);
    assert_ok(load_number(e, "m", 2, NULL), err);
    assert_survives_no_memory_beside_others(status, {
        eng_predictor_page *page = NULL;
        status = eng_predictor_list(e, ENG_PREDICTOR_TABLE, 10, NULL, &page, &err);
        eng_predictor_page_free(page);
    });
    assert_int_equal(answers(e, "m"), 2);
    eng_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(test_the_newest_version_answers_and_others_can_be_chosen),
        in_place(test_another_start_answers_as_before),
        in_place(test_a_plan_that_is_damaged_or_gone_is_made_anew),
        in_place(test_a_model_whose_file_is_gone_says_so_and_keeps_no_other_from_answering),
        in_place(test_damaged_files_are_refused_and_what_answers_goes_on),
        in_place(test_doctor_finds_a_loaded_file_that_is_damaged_and_makes_room_for_it),
        in_place(test_loads_at_once_beside_predictions_mix_nothing_up),
        in_place(test_out_of_memory_while_loading_and_choosing_changes_nothing),
        in_place(test_out_of_memory_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
