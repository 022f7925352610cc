/* Combining rankings: each test names a promise of index.h. */
#include "index_help.h"

static eng_fused item(uint64_t id, float bm25, float grams, float dense)
{
    return (eng_fused){.id = id, .score = {bm25, grams, dense}};
}

static void fused_scores_lie_between_0_and_1_and_are_in_order(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int round = 0; round < 200; round++) {
        eng_fused items[50];
        eng_fuse_report report;
        size_t n = 1 + below(&seed, 50);
        for (size_t i = 0; i < n; i++)
            items[i] = item(i + 1, (float)below(&seed, 20), (float)below(&seed, 9),
                            next_float(&seed));
        eng_fuse(items, n, NULL, &report);
        for (size_t i = 0; i < n; i++) {
            assert_true(items[i].fused >= 0 && items[i].fused <= 1);
            assert_true(i == 0 || items[i].fused < items[i - 1].fused ||
                        (items[i].fused == items[i - 1].fused && items[i].id > items[i - 1].id));
        }
        float sum = report.weight[0] + report.weight[1] + report.weight[2];
        assert_true(fabsf(sum - 1) < 1e-5F || sum == 0);
    }
}

static void a_mode_that_was_not_asked_says_nothing(void **state)
{
    (void)state;
    eng_fuse_report report;
    eng_fused items[] = {item(1, 1, 1, NAN), item(2, 4, 3, NAN)};
    eng_fuse(items, 2, NULL, &report);
    assert_int_equal(items[0].id, 2);
    assert_true(items[0].fused > 0.999F);
    assert_true(report.weight[ENG_MODE_DENSE] == 0);
    eng_fused dense[] = {item(1, 0, 0, 0.2F), item(2, 0, 0, 0.4F)};
    eng_fuse(dense, 2, NULL, &report);
    assert_int_equal(dense[0].id, 2);
    assert_true(fabsf(dense[0].fused - 0.4F) < 1e-6F);
}

static void given_weights_are_used_as_they_are(void **state)
{
    (void)state;
    eng_fuse_options options = {.weight = {1, 0, 1}};
    eng_fuse_report report;
    eng_fused items[] = {item(1, 2, 9, 0.5F), item(2, 4, 1, 0.1F)};
    eng_fuse(items, 2, &options, &report);
    assert_true(report.weight[ENG_MODE_BM25] == 0.5F && report.weight[ENG_MODE_GRAMS] == 0);
    assert_true(fabsf(items[0].fused - 0.55F) < 1e-6F);
    assert_true(fabsf(items[1].fused - 0.5F) < 1e-6F);
}

static void who_stands_out_is_trusted_more(void **state)
{
    (void)state;
    eng_fuse_report close, apart;
    eng_fused a[] = {item(1, 1, 1, 0.50F), item(2, 2, 2, 0.49F)};
    eng_fused b[] = {item(1, 1, 1, 0.50F), item(2, 2, 2, 0.30F)};
    eng_fuse(a, 2, NULL, &close);
    eng_fuse(b, 2, NULL, &apart);
    assert_true(apart.weight[ENG_MODE_DENSE] > close.weight[ENG_MODE_DENSE]);
}

static void nothing_fuses_to_nothing(void **state)
{
    (void)state;
    eng_fuse_report report;
    eng_fused none[] = {item(1, 0, 0, NAN)};
    eng_fuse(none, 0, NULL, &report);
    eng_fuse(none, 1, NULL, NULL);
    assert_true(none[0].fused == 0);
}

static void units_keep_the_order(void **state)
{
    (void)state;
    for (float s = -1; s < 40; s += 0.25F) {
        for (int m = 0; m < ENG_MODES; m++) {
            float a = eng_score_unit((eng_mode)m, s), b = eng_score_unit((eng_mode)m, s + 0.25F);
            assert_true(a >= 0 && a <= 1 && b >= a);
        }
    }
    assert_true(eng_score_unit(ENG_MODE_BM25, NAN) == 0);
}

static void diversity_passes_over_what_is_said_already(void **state)
{
    (void)state;
    static const float vectors[] = {1, 0, 1, 0, 0, 1};
    eng_error err = {0};
    eng_fused items[] = {
        {.id = 1, .fused = 0.9F}, {.id = 2, .fused = 0.8F}, {.id = 3, .fused = 0.5F}};
    eng_fused same[3];
    memcpy(same, items, sizeof same);
    assert_ok(eng_diversify(same, 3, vectors, 2, 1, 3, &err), err);
    assert_int_equal(same[1].id, 2);
    assert_ok(eng_diversify(items, 3, vectors, 2, 0.5F, 3, &err), err);
    assert_int_equal(items[0].id, 1);
    assert_int_equal(items[1].id, 3);
    assert_int_equal(items[2].id, 2);
}

static void a_search_fuses_all_modes_and_is_a_prefix_of_a_longer_one(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_index *x = open_index(NULL, 8);
    uint64_t seed = 5;
    for (uint64_t id = 1; id <= 300; id++) {
        char text[64];
        float v[8];
        random_vector(&seed, 8, v);
        snprintf(text, sizeof text, "roda %s moinho%llu", id % 3 ? "grande" : "velha",
                 (unsigned long long)id % 40);
        eng_index_vector one = {ENG_VECTOR_PASSAGE, v};
        eng_index_item it = {.id = id,
                             .document = id,
                             .text = eng_str_of(text),
                             .language = ENG_LANGUAGE_PT,
                             .vectors = &one,
                             .vector_count = 1};
        assert_ok(eng_index_upsert(x, &it, 1, id, &err), err);
    }
    float asked[8];
    random_vector(&seed, 8, asked);
    eng_index_view *view = view_of(x);
    eng_fused all[100], some[100];
    size_t n, m;
    eng_index_query q = {
        .text = ENG_STR("roda velha moinho7"), .vector = asked, .sentences = 0.5F, .limit = 100};
    assert_ok(eng_index_search(view, &q, NULL, all, &n, NULL, &err), err);
    assert_int_equal(n, 100);
    for (size_t i = 0; i < n; i++) {
        for (int mode = 0; mode < ENG_MODES; mode++)
            assert_true(!isnan(all[i].score[mode]));
    }
    for (q.limit = 1; q.limit < 100; q.limit += 9) {
        assert_ok(eng_index_search(view, &q, NULL, some, &m, NULL, &err), err);
        assert_int_equal(m, q.limit);
        for (size_t i = 0; i < m; i++)
            assert_int_equal(some[i].id, all[i].id);
    }
    eng_index_view_free(view);
    eng_index_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_scores_lie_between_0_and_1_and_are_in_order),
        cmocka_unit_test(a_mode_that_was_not_asked_says_nothing),
        cmocka_unit_test(given_weights_are_used_as_they_are),
        cmocka_unit_test(who_stands_out_is_trusted_more),
        cmocka_unit_test(nothing_fuses_to_nothing),
        cmocka_unit_test(units_keep_the_order),
        cmocka_unit_test(diversity_passes_over_what_is_said_already),
        cmocka_unit_test(a_search_fuses_all_modes_and_is_a_prefix_of_a_longer_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
