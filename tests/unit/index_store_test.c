/* What is put in, taken out, written, and found again: each test names a promise of index.h. */
#include "index_help.h"

#include "base/buf.h"
#include "index/index_internal.h"

#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

enum { DIM = 16 };

static void put_vector(eng_index *x, uint64_t id, uint64_t seed, uint64_t mark)
{
    float values[DIM];
    char text[64];
    eng_error err = {0};
    random_vector(&seed, DIM, values);
    snprintf(text, sizeof text, "passagem %llu comum", (unsigned long long)id);
    eng_index_vector v = {ENG_VECTOR_PASSAGE, values};
    eng_index_item item = {.id = id,
                           .document = id,
                           .text = eng_str_of(text),
                           .language = ENG_LANGUAGE_PT,
                           .vectors = &v,
                           .vector_count = 1};
    assert_ok(eng_index_upsert(x, &item, 1, mark, &err), err);
}

static eng_index_stats stats_of(eng_index *x)
{
    eng_index_stats s;
    eng_index_view *view = view_of(x);
    eng_index_view_stats(view, &s);
    eng_index_view_free(view);
    return s;
}

static void do_flush(eng_index *x)
{
    eng_error err = {0};
    assert_ok(eng_index_flush(x, &err), err);
}

static void do_steps(eng_index *x)
{
    eng_error err = {0};
    for (bool more = true; more;)
        assert_ok(eng_index_step(x, &more, &err), err);
}

static void an_empty_index_finds_nothing(void **state)
{
    (void)state;
    char dir[256];
    temporary_folder(dir);
    eng_index *x = open_index(dir, DIM);
    assert_string_equal(found(x, "moinho"), "");
    do_flush(x);
    do_steps(x);
    eng_index_close(x);
    x = open_index(dir, DIM);
    assert_int_equal(stats_of(x).passages, 0);
    eng_index_close(x);
    remove_folder(dir);
}

static void the_same_id_replaces(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "moinho de vento");
    put_text(x, 2, "moinho de mar");
    put_text(x, 1, "farinha de trigo");
    assert_string_equal(found(x, "moinho"), "2");
    assert_string_equal(found(x, "farinha"), "1");
    eng_index_item twice[] = {{.id = 3, .text = ENG_STR("primeira")},
                              {.id = 3, .text = ENG_STR("segunda")}};
    assert_ok(eng_index_upsert(x, twice, 2, 1, &err), err);
    assert_string_equal(found(x, "primeira"), "");
    assert_string_equal(found(x, "segunda"), "3");
    assert_int_equal(stats_of(x).passages, 3);
    eng_index_close(x);
}

static void what_is_removed_is_gone_at_once(void **state)
{
    (void)state;
    eng_error err = {0};
    uint64_t ids[] = {2, 77, 2};
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "moinho");
    put_text(x, 2, "moinho");
    assert_ok(eng_index_remove(x, ids, 3, 1, &err), err);
    assert_string_equal(found(x, "moinho"), "1");
    put_text(x, 2, "moinho");
    assert_string_equal(found(x, "moinho"), "1 2");
    eng_index_close(x);
}

static void a_view_shows_what_was_there(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_hit hits[4];
    size_t count = 0;
    uint64_t one = 1;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "moinho");
    eng_index_view *before = view_of(x);
    put_text(x, 2, "moinho");
    assert_ok(eng_index_remove(x, &one, 1, 2, &err), err);
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = ENG_STR("moinho"), .limit = 4};
    assert_ok(eng_index_candidates(before, &q, hits, &count, &err), err);
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].id, 1);
    eng_index_view_free(before);
    assert_string_equal(found(x, "moinho"), "2");
    eng_index_close(x);
}

static void what_is_flushed_is_there_again_with_its_mark(void **state)
{
    (void)state;
    char dir[256];
    eng_error err = {0};
    temporary_folder(dir);
    eng_index *x = open_index(dir, DIM);
    for (uint64_t id = 1; id <= 50; id++)
        put_vector(x, id, id, id);
    do_flush(x);
    uint64_t seven = 7;
    assert_ok(eng_index_remove(x, &seven, 1, 60, &err), err);
    do_flush(x);
    put_vector(x, 99, 99, 99); /* not flushed: lost, and the mark says so */
    assert_int_equal(stats_of(x).mark, 60);
    assert_int_equal(stats_of(x).last, 99);
    eng_index_close(x);
    x = open_index(dir, DIM);
    eng_index_stats s = stats_of(x);
    assert_int_equal(s.passages, 49);
    assert_int_equal(s.mark, 60);
    assert_string_equal(found(x, "7"), "");
    assert_string_equal(found(x, "8"), "8");
    assert_string_equal(found(x, "99"), "");
    put_vector(x, 100, 100, 100);
    assert_string_equal(found(x, "100"), "100");
    eng_index_close(x);
    remove_folder(dir);
}

static void many_small_ones_become_few(void **state)
{
    (void)state;
    char dir[256];
    temporary_folder(dir);
    eng_index *x = open_index(dir, DIM);
    for (uint64_t id = 1; id <= 1000; id++) {
        put_vector(x, id, id, id);
        if (id % 90 == 0)
            do_flush(x);
    }
    do_flush(x);
    do_steps(x);
    eng_index_stats s = stats_of(x);
    assert_int_equal(s.passages, 1000);
    assert_true(s.segments < 24);
    for (uint64_t id = 1; id <= 1000; id += 111) {
        char text[24], want[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)id);
        snprintf(want, sizeof want, "%llu", (unsigned long long)id);
        assert_string_equal(found(x, text), want);
    }
    eng_index_close(x);
    remove_folder(dir);
}

static void the_dead_give_their_room_back(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_index *x = open_index(NULL, DIM);
    for (uint64_t id = 1; id <= 300; id++)
        put_vector(x, id, id, id);
    do_steps(x);
    uint64_t before = stats_of(x).memory;
    for (uint64_t id = 1; id <= 270; id++)
        assert_ok(eng_index_remove(x, &id, 1, 1000, &err), err);
    do_steps(x);
    eng_index_stats s = stats_of(x);
    assert_int_equal(s.passages, 30);
    assert_true(s.memory < before / 2);
    assert_string_equal(found(x, "271"), "271");
    eng_index_close(x);
}

static void scrolling_gives_every_passage_once(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_index *x = open_index(NULL, 0);
    for (uint64_t i = 0; i < 200; i++)
        put_text(x, i * 37 % 200 + 1, "a");
    eng_index_view *view = view_of(x);
    uint64_t after = 0, seen = 0;
    for (size_t count = 1; count > 0;) {
        eng_hit hits[7];
        assert_ok(eng_index_scroll(view, NULL, after, 7, hits, &count, &err), err);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(hits[i].id, ++seen);
            after = hits[i].id;
        }
    }
    assert_int_equal(seen, 200);
    eng_index_view_free(view);
    eng_index_close(x);
}

static void vectors_come_back_as_they_were_put(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_index *x = open_index(NULL, DIM);
    float wanted[DIM], got[3 * DIM];
    uint64_t seed = 7;
    put_vector(x, 1, 3, 1);
    put_vector(x, 2, 7, 2);
    random_vector(&seed, DIM, wanted);
    eng_index_view *view = view_of(x);
    assert_ok(eng_index_vectors(view, (const uint64_t[]){9, 2, 1}, 3, got, &err), err);
    for (size_t i = 0; i < DIM; i++) {
        assert_true(got[i] == 0); /* there is no such passage */
        assert_true(fabsf(got[DIM + i] - wanted[i]) < 1e-6F);
        assert_true(fabsf(got[2 * DIM + i]) > 0);
    }
    eng_index_view_free(view);
    eng_index_close(x);
}

static void ids_out_of_range_are_refused(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    eng_index_item items[] = {{.id = 1, .text = ENG_STR("a")}, {.id = 0, .text = ENG_STR("a")}};
    assert_int_equal(eng_index_upsert(x, items, 2, 1, NULL), ENG_EINVALID);
    assert_int_equal(stats_of(x).passages, 0);
    eng_index_close(x);
}

static void vectors_without_direction_are_refused(void **state)
{
    (void)state;
    float values[DIM] = {0};
    eng_index *x = open_index(NULL, DIM);
    eng_index_vector v = {ENG_VECTOR_PASSAGE, values};
    eng_index_item item = {.id = 1, .text = ENG_STR("a"), .vectors = &v, .vector_count = 1};
    assert_int_equal(eng_index_upsert(x, &item, 1, 1, NULL), ENG_EINVALID);
    values[3] = NAN;
    assert_int_equal(eng_index_upsert(x, &item, 1, 1, NULL), ENG_EINVALID);
    assert_int_equal(stats_of(x).passages, 0);
    eng_index_close(x);
}

/* ---- Damage ---------------------------------------------------------------------------------------------- */

static void make_some(const char *dir)
{
    eng_index *x = open_index(dir, DIM);
    for (uint64_t id = 1; id <= 200; id++)
        put_vector(x, id, id, id);
    do_flush(x);
    eng_index_close(x);
}

/* Opens it, asks it, checks it: the first status that is none. */
static eng_status use(const char *dir)
{
    eng_error err;
    eng_index *x;
    eng_index_options options = {.dir = dir, .dim = DIM};
    eng_status status = eng_index_open(&options, &x, &err);
    if (status == ENG_OK) {
        status = eng_index_check(x, &err);
        eng_index_close(x);
    }
    return status;
}

static void flip(const char *path, size_t byte, unsigned char bit)
{
    eng_buf bytes;
    eng_error err = {0};
    eng_buf_init(&bytes, 1 << 24);
    assert_ok(eng_file_read(path, 1 << 24, &bytes, &err), err);
    bytes.data[byte % bytes.len] ^= (char)(1 << bit);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    fclose(file);
    eng_buf_clear(&bytes);
}

static void each_file(const char *dir, void (*fn)(const char *dir, const char *path))
{
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        char *path = eng_path_join(dir, e->d_name);
        if (e->d_name[0] != '.')
            fn(dir, path);
        eng_free(path);
    }
    closedir(d);
}

static void flip_everywhere(const char *dir, const char *path)
{
    uint64_t seed = 5;
    for (int k = 0; k < 60; k++) {
        size_t byte = (size_t)(next_random(&seed) >> 20);
        unsigned char bit = (unsigned char)below(&seed, 8);
        flip(path, byte, bit);
        eng_status status = use(dir);
        if (status == ENG_OK)
            fail_msg("%s: a bit that was turned was not noticed", path);
        flip(path, byte, bit);
    }
    assert_int_equal(use(dir), ENG_OK);
}

static void a_bit_turned_anywhere_is_noticed(void **state)
{
    (void)state;
    char dir[256];
    temporary_folder(dir);
    make_some(dir);
    each_file(dir, flip_everywhere);
    remove_folder(dir);
}

static void cut_short(const char *dir, const char *path)
{
    eng_buf bytes;
    eng_error err = {0};
    eng_buf_init(&bytes, 1 << 24);
    assert_ok(eng_file_read(path, 1 << 24, &bytes, &err), err);
    for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 20) {
        assert_int_equal(truncate(path, (off_t)len), 0);
        assert_true(use(dir) < 0);
        FILE *file = fopen(path, "wb");
        assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
        fclose(file);
    }
    eng_buf_clear(&bytes);
}

static void a_file_that_was_cut_is_noticed(void **state)
{
    (void)state;
    char dir[256];
    temporary_folder(dir);
    make_some(dir);
    each_file(dir, cut_short);
    remove_folder(dir);
}

static void what_was_half_written_is_never_seen(void **state)
{
    (void)state;
    char dir[256];
    temporary_folder(dir);
    make_some(dir);
    static const char *const strays[] = {"words-00000000000000ff", "vectors-00000000000000fe",
                                         "words-0000000000000009.tmp", "graph-0000000000000003"};
    for (size_t i = 0; i < 4; i++) {
        char *path = eng_path_join(dir, strays[i]);
        FILE *file = fopen(path, "wb");
        fputs("half", file);
        fclose(file);
        eng_free(path);
    }
    eng_index *x = open_index(dir, DIM);
    assert_int_equal(stats_of(x).passages, 200);
    for (size_t i = 0; i < 4; i++) {
        char *path = eng_path_join(dir, strays[i]);
        assert_int_equal(access(path, F_OK), -1);
        eng_free(path);
    }
    eng_index_close(x);
    remove_folder(dir);
}

static void an_index_of_other_options_is_refused(void **state)
{
    (void)state;
    char dir[256];
    eng_index *x;
    temporary_folder(dir);
    make_some(dir);
    eng_index_options options = {.dir = dir, .dim = DIM * 2};
    assert_int_equal(eng_index_open(&options, &x, NULL), ENG_EVERSION);
    remove_folder(dir);
}

/* ---- No memory ------------------------------------------------------------------------------------------- */

/* Without allocating. */
static void empty_folder(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *e; (e = readdir(dir));)
        unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
}

static eng_status live_once(const char *dir)
{
    eng_index *x = NULL;
    eng_index_view *view = NULL;
    float values[DIM] = {1};
    eng_hit hits[4];
    size_t count;
    bool more;
    eng_index_vector v = {ENG_VECTOR_PASSAGE, values};
    eng_index_field field = {ENG_STR("n"), {.type = ENG_VALUE_INTEGER, .as.integer = 3}};
    eng_index_item item = {.id = 1,
                           .text = ENG_STR("roda do moinho"),
                           .language = ENG_LANGUAGE_PT,
                           .vectors = &v,
                           .vector_count = 1,
                           .fields = &field,
                           .field_count = 1};
    eng_filter f = {.op = ENG_FILTER_GT,
                    .field = ENG_STR("n"),
                    .values = &(eng_value){.type = ENG_VALUE_NUMBER, .as.number = 1},
                    .value_count = 1};
    eng_index_options options = {.dir = dir, .dim = DIM};
    eng_index_query q = {.mode = ENG_MODE_BM25,
                         .text = ENG_STR("\"roda do\" moinho"),
                         .vector = values,
                         .filter = &f,
                         .limit = 4};
    eng_fused fused[4];
    eng_status status = eng_index_open(&options, &x, NULL);
    if (status == ENG_OK)
        status = eng_index_upsert(x, &item, 1, 1, NULL);
    if (dir) {
        if (status == ENG_OK)
            status = eng_index_flush(x, NULL);
        eng_index_close(x);
        empty_folder(dir);
        return status;
    }
    if (status == ENG_OK)
        status = eng_index_remove(x, &item.id, 1, 2, NULL);
    item.id = 2;
    if (status == ENG_OK)
        status = eng_index_upsert(x, &item, 1, 3, NULL);
    if (status == ENG_OK)
        status = eng_index_step(x, &more, NULL);
    if (status == ENG_OK)
        status = eng_index_view_new(x, &view, NULL);
    if (status == ENG_OK)
        status = eng_index_candidates(view, &q, hits, &count, NULL);
    if (status == ENG_OK)
        status = eng_index_search(view, &q, NULL, fused, &count, NULL, NULL);
    eng_index_view_free(view);
    eng_index_close(x);
    return status;
}

static void survives_no_memory(void **state)
{
    (void)state;
    char dir[256];
    eng_status status;
    assert_survives_no_memory(status, status = live_once(NULL));
    temporary_folder(dir);
    assert_survives_no_memory(status, status = live_once(dir));
    remove_folder(dir);
}

/* ---- Threads --------------------------------------------------------------------------------------------- */

typedef struct {
    eng_index *x;
    _Atomic bool stop;
    _Atomic unsigned wrong;
    _Atomic unsigned asked;
} crowd;

/* Passages come in pairs, one call each: a reader sees both or none. */
static void *read_pairs(void *arg)
{
    crowd *c = arg;
    float values[DIM];
    uint64_t seed = 1;
    random_vector(&seed, DIM, values);
    while (!c->stop) {
        eng_index_view *view;
        eng_hit hits[256];
        size_t count = 0;
        eng_index_query q = {.mode = (c->asked & 1) ? ENG_MODE_BM25 : ENG_MODE_DENSE,
                             .text = ENG_STR("comum"),
                             .vector = values,
                             .effort = 20, /* through the graph, while it grows */
                             .limit = 256};
        if (eng_index_view_new(c->x, &view, NULL) < 0)
            continue;
        if (eng_index_candidates(view, &q, hits, &count, NULL) < 0 ||
            (q.mode == ENG_MODE_BM25 && count % 2))
            c->wrong++;
        eng_index_view_free(view);
        c->asked++;
    }
    return NULL;
}

static void *take_care(void *arg)
{
    crowd *c = arg;
    while (!c->stop) {
        bool more;
        if (eng_index_step(c->x, &more, NULL) < 0 || eng_index_flush(c->x, NULL) < 0)
            c->wrong++;
        usleep(20000);
    }
    return NULL;
}

static void readers_see_whole_changes_while_all_goes_on(void **state)
{
    (void)state;
    char dir[256];
    crowd c = {0};
    pthread_t threads[3];
    eng_error err = {0};
    temporary_folder(dir);
    eng_index_options options = {.dir = dir, .dim = DIM, .graph_from = 60, .threads = 2};
    assert_ok(eng_index_open(&options, &c.x, &err), err);
    pthread_create(&threads[0], NULL, read_pairs, &c);
    pthread_create(&threads[1], NULL, read_pairs, &c);
    pthread_create(&threads[2], NULL, take_care, &c);
    for (uint64_t id = 1; id < 400; id += 2) {
        float values[2][DIM];
        uint64_t seed = id;
        eng_index_vector v[2];
        eng_index_item items[2];
        for (size_t i = 0; i < 2; i++) {
            random_vector(&seed, DIM, values[i]);
            v[i] = (eng_index_vector){ENG_VECTOR_PASSAGE, values[i]};
            items[i] = (eng_index_item){.id = (id + i) % 150 + 1,
                                        .text = ENG_STR("comum"),
                                        .vectors = &v[i],
                                        .vector_count = 1};
        }
        assert_ok(eng_index_upsert(c.x, items, 2, id, &err), err);
        uint64_t gone[] = {id % 150 + 1, (id + 1) % 150 + 1};
        if (id % 5 == 0)
            assert_ok(eng_index_remove(c.x, gone, 2, id, &err), err);
    }
    while (c.asked < 20)
        usleep(1000);
    c.stop = true;
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(c.wrong, 0);
    eng_index_close(c.x);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_index_finds_nothing),
        cmocka_unit_test(the_same_id_replaces),
        cmocka_unit_test(what_is_removed_is_gone_at_once),
        cmocka_unit_test(a_view_shows_what_was_there),
        cmocka_unit_test(what_is_flushed_is_there_again_with_its_mark),
        cmocka_unit_test(many_small_ones_become_few),
        cmocka_unit_test(the_dead_give_their_room_back),
        cmocka_unit_test(scrolling_gives_every_passage_once),
        cmocka_unit_test(vectors_come_back_as_they_were_put),
        cmocka_unit_test(ids_out_of_range_are_refused),
        cmocka_unit_test(vectors_without_direction_are_refused),
        cmocka_unit_test(a_bit_turned_anywhere_is_noticed),
        cmocka_unit_test(a_file_that_was_cut_is_noticed),
        cmocka_unit_test(what_was_half_written_is_never_seen),
        cmocka_unit_test(an_index_of_other_options_is_refused),
        cmocka_unit_test(survives_no_memory),
        cmocka_unit_test(readers_see_whole_changes_while_all_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
