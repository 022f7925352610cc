/* Searching by vectors, with and without the graph, against looking at every one. */
#include "index_help.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum { DIM = 32, COUNT = 2000, ASKED = 40, K = 10 };

typedef struct {
    float (*vectors)[DIM];
    bool *alive;
    eng_index *x;
} world;

/* One thread makes the same graph each time: what recall it has is not left to chance. Several at once
 * are index_store_test's. */
static eng_index *open_graph(const char *dir)
{
    eng_error err = {0};
    eng_index *x = NULL;
    eng_index_options options = {.dir = dir, .dim = DIM, .graph_from = 1000, .threads = 1};
    assert_ok(eng_index_open(&options, &x, &err), err);
    return x;
}

static void put(world *w, size_t first, size_t count)
{
    eng_error err = {0};
    eng_index_item *items = calloc(count, sizeof *items);
    eng_index_vector *vectors = calloc(count, sizeof *vectors);
    static eng_index_field even = {{"even", 4}, {.type = ENG_VALUE_BOOL, .as.boolean = true}};
    for (size_t i = 0; i < count; i++) {
        uint64_t seed = first + i + 1;
        random_vector(&seed, DIM, w->vectors[first + i]);
        vectors[i] = (eng_index_vector){ENG_VECTOR_PASSAGE, w->vectors[first + i]};
        items[i] = (eng_index_item){.id = first + i + 1,
                                    .document = first + i + 1,
                                    .text = ENG_STR("a"),
                                    .vectors = &vectors[i],
                                    .vector_count = 1,
                                    .fields = &even,
                                    .field_count = (first + i) % 2 == 0};
        w->alive[first + i] = true;
    }
    assert_ok(eng_index_upsert(w->x, items, count, 1, &err), err);
    free(items);
    free(vectors);
}

static void take_out(world *w, size_t i)
{
    eng_error err = {0};
    uint64_t id = i + 1;
    assert_ok(eng_index_remove(w->x, &id, 1, 1, &err), err);
    w->alive[i] = false;
}

static void work_off(world *w)
{
    eng_error err = {0};
    for (bool more = true; more;)
        assert_ok(eng_index_step(w->x, &more, &err), err);
}

static void new_world(world *w, const char *dir)
{
    w->vectors = calloc(COUNT, sizeof *w->vectors);
    w->alive = calloc(COUNT, sizeof *w->alive);
    w->x = open_graph(dir);
}

static void end_world(world *w)
{
    eng_index_close(w->x);
    free(w->vectors);
    free(w->alive);
}

/* Those of K whose exact score is not below the true K-th: equal ones count. */
static double recall_with(world *w, const eng_filter *filter, size_t every)
{
    size_t hit = 0, wanted = 0;
    eng_index_view *view = view_of(w->x);
    for (size_t q = 0; q < ASKED; q++) {
        float query[DIM], best[K];
        eng_hit hits[K];
        size_t count = 0, have = 0;
        eng_error err = {0};
        uint64_t seed = 1000003 * (q + 1);
        random_vector(&seed, DIM, query);
        for (size_t i = 0; i < COUNT; i += every) {
            float score = 0;
            for (size_t d = 0; d < DIM; d++)
                score += query[d] * w->vectors[i][d];
            if (!w->alive[i] || (have == K && score <= best[K - 1]))
                continue;
            size_t at = have < K ? have++ : K - 1;
            for (; at > 0 && best[at - 1] < score; at--)
                best[at] = best[at - 1];
            best[at] = score;
        }
        eng_index_query ask = {
            .mode = ENG_MODE_DENSE, .vector = query, .filter = filter, .limit = K, .effort = 40};
        assert_ok(eng_index_candidates(view, &ask, hits, &count, &err), err);
        assert_int_equal(count, have);
        for (size_t i = 0; i < count; i++) {
            assert_true(w->alive[hits[i].id - 1] && (hits[i].id - 1) % every == 0);
            hit += hits[i].score >= best[have - 1] - 1e-5F;
        }
        wanted += have;
    }
    eng_index_view_free(view);
    return wanted ? (double)hit / (double)wanted : 1;
}

static eng_index_stats stats_of(const world *w)
{
    eng_index_stats s;
    eng_index_view *view = view_of(w->x);
    eng_index_view_stats(view, &s);
    eng_index_view_free(view);
    return s;
}

static void a_scan_is_exact(void **state)
{
    (void)state;
    world w;
    new_world(&w, NULL);
    put(&w, 0, 900);
    work_off(&w);
    assert_int_equal(stats_of(&w).graph, 0);
    assert_true(recall_with(&w, NULL, 1) == 1.0);
    end_world(&w);
}

static void the_graph_finds_nearly_all(void **state)
{
    (void)state;
    world w;
    new_world(&w, NULL);
    put(&w, 0, COUNT);
    work_off(&w);
    assert_int_equal(stats_of(&w).graph, COUNT);
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    end_world(&w);
}

static void what_is_not_in_the_graph_yet_is_found(void **state)
{
    (void)state;
    world w;
    new_world(&w, NULL);
    put(&w, 0, COUNT - 500);
    work_off(&w);
    put(&w, COUNT - 500, 500);
    assert_int_equal(stats_of(&w).graph, COUNT - 500);
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    work_off(&w);
    assert_int_equal(stats_of(&w).graph, COUNT);
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    end_world(&w);
}

static void deleting_does_not_lower_recall(void **state)
{
    (void)state;
    world w;
    new_world(&w, NULL);
    put(&w, 0, COUNT);
    work_off(&w);
    uint64_t seed = 9;
    for (size_t i = 0; i < COUNT / 5; i++)
        take_out(&w, below(&seed, COUNT)); /* under a quarter: they stay as ways to others */
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    for (size_t i = 0; i < COUNT / 2; i++)
        take_out(&w, below(&seed, COUNT)); /* the graph is made anew */
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    work_off(&w);
    assert_true(stats_of(&w).graph < COUNT * 3 / 4);
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    end_world(&w);
}

static void replacing_again_and_again_does_not_lower_recall(void **state)
{
    (void)state;
    world w;
    new_world(&w, NULL);
    put(&w, 0, COUNT / 2);
    work_off(&w);
    for (int round = 0; round < 4; round++) {
        put(&w, 0, COUNT / 4);
        work_off(&w);
    }
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    assert_int_equal(stats_of(&w).passages, COUNT / 2);
    end_world(&w);
}

static void filters_hold_in_the_graph(void **state)
{
    (void)state;
    world w;
    eng_value yes = {.type = ENG_VALUE_BOOL, .as.boolean = true};
    eng_filter even = {
        .op = ENG_FILTER_IN, .field = ENG_STR("even"), .values = &yes, .value_count = 1};
    eng_value few[] = {{.type = ENG_VALUE_INTEGER, .as.integer = 1},
                       {.type = ENG_VALUE_INTEGER, .as.integer = 1001}};
    eng_filter two = {.op = ENG_FILTER_ID, .values = few, .value_count = 2};
    eng_hit hits[K];
    size_t count = 0;
    float query[DIM] = {1};
    eng_error err = {0};
    new_world(&w, NULL);
    put(&w, 0, COUNT);
    work_off(&w);
    assert_true(recall_with(&w, &even, 2) >= 0.98);
    eng_index_view *view = view_of(w.x);
    eng_index_query ask = {.mode = ENG_MODE_DENSE, .vector = query, .filter = &two, .limit = K};
    assert_ok(eng_index_candidates(view, &ask, hits, &count, &err), err);
    assert_int_equal(count, 2);
    eng_index_view_free(view);
    end_world(&w);
}

/* The nodes of the graph after the first piece of care, which reads it; growing it takes several. */
static uint64_t take_up(world *w)
{
    eng_error err = {0};
    bool more = false;
    assert_int_equal(stats_of(w).graph, 0);
    assert_ok(eng_index_step(w->x, &more, &err), err);
    assert_true(more);
    return stats_of(w).graph;
}

static void the_graph_is_there_again_after_opening(void **state)
{
    (void)state;
    world w;
    char dir[256];
    eng_error err = {0};
    temporary_folder(dir);
    new_world(&w, dir);
    put(&w, 0, COUNT);
    assert_ok(eng_index_flush(w.x, &err), err);
    work_off(&w);
    assert_int_equal(stats_of(&w).graph, COUNT);
    eng_index_close(w.x);
    w.x = open_graph(dir);
    assert_int_equal(take_up(&w), COUNT);
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    end_world(&w);
    remove_folder(dir);
}

static void a_graph_is_kept_though_nobody_flushes(void **state)
{
    (void)state;
    world w;
    char dir[256];
    temporary_folder(dir);
    new_world(&w, dir);
    put(&w, 0, COUNT);
    work_off(&w);
    eng_index_close(w.x);
    w.x = open_graph(dir);
    assert_int_equal(take_up(&w), COUNT);
    assert_int_equal(stats_of(&w).passages, COUNT);
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    end_world(&w);
    remove_folder(dir);
}

static void damage_graph(const char *dir)
{
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) {
        if (strncmp(e->d_name, "graph-", 6) != 0)
            continue;
        int fd = openat(dirfd(folder), e->d_name, O_WRONLY);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "damaged", 7, 1000), 7);
        close(fd);
    }
    closedir(folder);
}

static void a_damaged_graph_grows_anew(void **state)
{
    (void)state;
    world w;
    char dir[256];
    eng_error err = {0};
    temporary_folder(dir);
    new_world(&w, dir);
    put(&w, 0, COUNT);
    work_off(&w);
    eng_index_close(w.x);
    damage_graph(dir);
    w.x = open_graph(dir);
    assert_int_equal(eng_index_check(w.x, &err), ENG_ECORRUPT);
    assert_int_equal(take_up(&w), 0);
    assert_true(recall_with(&w, NULL, 1) >= 0.98);
    work_off(&w);
    assert_int_equal(stats_of(&w).graph, COUNT);
    assert_ok(eng_index_check(w.x, &err), err);
    end_world(&w);
    remove_folder(dir);
}

static void the_first_k_are_the_same_for_every_limit(void **state)
{
    (void)state;
    world w;
    eng_hit all[40], some[40];
    size_t n = 0, m = 0;
    float query[DIM];
    uint64_t seed = 77;
    eng_error err = {0};
    new_world(&w, NULL);
    put(&w, 0, COUNT);
    work_off(&w);
    random_vector(&seed, DIM, query);
    eng_index_view *view = view_of(w.x);
    for (int exact = 0; exact < 2; exact++) {
        eng_index_query ask = {
            .mode = ENG_MODE_DENSE, .vector = query, .limit = 40, .exact = exact, .effort = 40};
        assert_ok(eng_index_candidates(view, &ask, all, &n, &err), err);
        assert_int_equal(n, 40);
        for (ask.limit = 1; ask.limit < 40; ask.limit += 3) {
            assert_ok(eng_index_candidates(view, &ask, some, &m, &err), err);
            assert_int_equal(m, ask.limit);
            for (size_t i = 0; i < m; i++)
                assert_int_equal(some[i].id, all[i].id);
        }
    }
    eng_index_view_free(view);
    end_world(&w);
}

static void a_large_limit_gives_everything(void **state)
{
    (void)state;
    world w;
    static eng_hit hits[COUNT];
    size_t n = 0;
    float query[DIM] = {0, 1};
    eng_error err = {0};
    new_world(&w, NULL);
    put(&w, 0, 1200);
    work_off(&w);
    eng_index_view *view = view_of(w.x);
    eng_index_query ask = {.mode = ENG_MODE_DENSE, .vector = query, .limit = COUNT, .exact = true};
    assert_ok(eng_index_candidates(view, &ask, hits, &n, &err), err);
    assert_int_equal(n, 1200);
    eng_index_view_free(view);
    end_world(&w);
}

static void sentences_lift_their_passage(void **state)
{
    (void)state;
    eng_error err = {0};
    float axis[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0.6F, 0.8F, 0, 0}};
    eng_index *x = open_index(NULL, 4);
    eng_index_vector two[] = {{ENG_VECTOR_SENTENCE, axis[1]}, {ENG_VECTOR_PASSAGE, axis[0]}};
    eng_index_vector one[] = {{ENG_VECTOR_PASSAGE, axis[2]}};
    eng_index_item items[] = {
        {.id = 1, .text = ENG_STR("a"), .vectors = two, .vector_count = 2},
        {.id = 2, .text = ENG_STR("b"), .vectors = one, .vector_count = 1},
        {.id = 3, .text = ENG_STR("c")},
    };
    assert_ok(eng_index_upsert(x, items, 3, 1, &err), err);
    eng_index_view *view = view_of(x);
    uint64_t ids[] = {3, 2, 1};
    float scores[3];
    eng_index_query ask = {
        .mode = ENG_MODE_DENSE, .vector = axis[1], .sentences = 0.5F, .limit = 3};
    assert_ok(eng_index_score(view, &ask, ids, 3, scores, &err), err);
    assert_true(isnan(scores[0]));
    assert_true(fabsf(scores[1] - 0.8F) < 1e-5F);
    assert_true(fabsf(scores[2] - 0.5F) < 1e-5F);
    eng_index_view_free(view);
    eng_index_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_is_exact),
        cmocka_unit_test(the_graph_finds_nearly_all),
        cmocka_unit_test(what_is_not_in_the_graph_yet_is_found),
        cmocka_unit_test(deleting_does_not_lower_recall),
        cmocka_unit_test(replacing_again_and_again_does_not_lower_recall),
        cmocka_unit_test(filters_hold_in_the_graph),
        cmocka_unit_test(the_graph_is_there_again_after_opening),
        cmocka_unit_test(a_graph_is_kept_though_nobody_flushes),
        cmocka_unit_test(a_damaged_graph_grows_anew),
        cmocka_unit_test(the_first_k_are_the_same_for_every_limit),
        cmocka_unit_test(a_large_limit_gives_everything),
        cmocka_unit_test(sentences_lift_their_passage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
