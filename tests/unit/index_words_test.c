/* Searching by words: each test names a promise of index.h. */
#include "index_help.h"

#include "index/index_internal.h"

enum { MANY = 3000, WORDS = 40 };

static void words_find_passages_whatever_case_and_accents(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "A AÇÃO do Moinho comum.");
    put_text(x, 2, "O moinho comum e o moinho velho.");
    put_text(x, 3, "O moinho comum zangado com a jabuticaba.");
    assert_string_equal(found(x, "ação"), "1");
    assert_string_equal(found(x, "acao"), "1");
    assert_string_equal(found(x, "jabuticabas"), "3");
    assert_string_equal(found(x, "inexistentíssimo"), "");
    assert_string_equal(found(x, ""), "");
    assert_int_equal(found(x, "moinho jabuticaba")[0], '3');
    eng_index_close(x);
}

static void the_form_with_the_right_accent_comes_first(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "O avo da fração.");
    put_text(x, 2, "O avô da família.");
    put_text(x, 3, "A avó da família.");
    assert_int_equal(found(x, "avó")[0], '3');
    assert_int_equal(found(x, "avô")[0], '2');
    eng_index_close(x);
}

static void small_words_alone_are_looked_for(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "Quem é você?");
    put_text(x, 2, "O moinho");
    assert_string_equal(found(x, "quem é você"), "1");
    eng_index_close(x);
}

static void titles_weigh_more(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_index *x = open_index(NULL, 0);
    eng_index_item items[] = {
        {.id = 1, .text = ENG_STR("roda moinho água"), .language = ENG_LANGUAGE_PT},
        {.id = 2,
         .title = ENG_STR("moinho"),
         .text = ENG_STR("roda água"),
         .language = ENG_LANGUAGE_PT},
    };
    assert_ok(eng_index_upsert(x, items, 2, 1, &err), err);
    assert_string_equal(found(x, "moinho"), "2 1");
    eng_index_close(x);
}

static void codes_are_found_whole(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "Peça MP-1234 por R$ 1.000,00");
    put_text(x, 2, "Peça MP-1235, ver 1234 e R$ 9,90");
    put_text(x, 3, "Taxa de 9,9% por venda");
    assert_int_equal(found(x, "MP-1234")[0], '1');
    assert_string_equal(found(x, "9,9%"), "3 2");
    assert_string_equal(found(x, "R$ 1000"), "1");
    eng_index_close(x);
}

static void phrases_are_words_next_to_each_other(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "a roda grande do moinho");
    put_text(x, 2, "a grande roda do moinho");
    put_text(x, 3, "uma roda muito grande");
    assert_string_equal(found(x, "\"roda grande\""), "1");
    assert_string_equal(found(x, "\"roda do moinho\""), "2");
    assert_string_equal(found(x, "\"grande moinho\""), "");
    assert_string_equal(found(x, "\"moinho\" roda"), "1 2");
    assert_string_equal(found(x, "\"nada disso\" moinho"), "");
    eng_index_close(x);
}

static void prefixes_find_what_begins_like_them(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "jabuticaba");
    put_text(x, 2, "jaburu");
    put_text(x, 3, "moinho");
    assert_string_equal(found(x, "jabut*"), "1");
    uint64_t ids[8];
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = ENG_STR("jabu*"), .limit = 8};
    assert_int_equal(find_ids(x, &q, ids), 2);
    eng_index_close(x);
}

static void glued_words_are_found(void **state)
{
    (void)state;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "A plataforma vende cursos. Outra plataforma também.");
    put_text(x, 2, "O texto fala de umaplataforma de cursos digitais.");
    assert_non_null(strchr(found(x, "plataforma"), '2'));
    eng_index_close(x);
}

static void grams_survive_typing_errors(void **state)
{
    (void)state;
    uint64_t ids[8];
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "a engrenagem do moinho");
    put_text(x, 2, "a farinha de trigo");
    eng_index_query q = {.mode = ENG_MODE_GRAMS, .text = ENG_STR("engrenajem"), .limit = 8};
    assert_int_equal(find_ids(x, &q, ids), 1);
    assert_int_equal(ids[0], 1);
    eng_index_close(x);
}

/* ---- Against a plain reading ---------------------------------------------------------------------------- */

/* Passages over a few words, as counts; what BM25 says of them is easily computed. */
typedef struct {
    uint8_t counts[MANY][WORDS];
    uint32_t lengths[MANY];
    bool alive[MANY];
} plain;

static void make_text(plain *p, size_t i, uint64_t *seed, char *text)
{
    size_t at = 0, n = 1 + below(seed, 60);
    memset(p->counts[i], 0, WORDS);
    p->lengths[i] = (uint32_t)n;
    for (size_t k = 0; k < n; k++) {
        size_t w = below(seed, WORDS);
        w = w * below(seed, WORDS) / WORDS; /* some are much more frequent */
        p->counts[i][w]++;
        at += (size_t)sprintf(text + at, "w%c%c ", 'a' + (int)w / 8, 'a' + (int)w % 8);
    }
}

static double plain_score(const plain *p, size_t i, const size_t *words, size_t count, double mean,
                          double docs)
{
    double score = 0;
    for (size_t k = 0; k < count; k++) {
        double df = 0, tf = p->counts[i][words[k]];
        for (size_t d = 0; d < MANY; d++)
            df += p->alive[d] && p->counts[d][words[k]] > 0;
        double idf = log(1 + (docs - df + 0.5) / (df + 0.5));
        double length = (double)eng_norm_length(eng_norm_of(p->lengths[i]));
        double part = length / mean > 0.6 ? length / mean : (double)0.6F;
        double norm = (double)eng_bm25_k1 * (1 - (double)eng_bm25_b + (double)eng_bm25_b * part);
        score += tf > 0 ? idf * tf / (tf + norm) : 0;
    }
    return score;
}

static void check_against(const plain *p, eng_index *x, uint64_t *seed)
{
    eng_error err = {0};
    size_t words[4], count = 1 + below(seed, 4), n = 0;
    char question[64];
    double docs = 0, total = 0;
    size_t limit = 1 + below(seed, 30), at = 0;
    for (size_t k = 0; k < count; k++) {
        words[k] = below(seed, WORDS);
        for (size_t j = 0; j < k; j++) {
            if (words[j] == words[k])
                words[k] = (words[k] + 1) % WORDS, j = SIZE_MAX;
        }
        at += (size_t)sprintf(question + at, "w%c%c ", 'a' + (int)words[k] / 8,
                              'a' + (int)words[k] % 8);
    }
    for (size_t i = 0; i < MANY; i++) {
        docs += p->alive[i];
        total += p->alive[i] ? p->lengths[i] : 0;
    }
    static eng_hit hits[64];
    eng_index_view *view = view_of(x);
    eng_index_query q = {.mode = ENG_MODE_BM25,
                         .text = eng_str_of(question),
                         .language = ENG_LANGUAGE_UNKNOWN,
                         .limit = limit};
    assert_ok(eng_index_candidates(view, &q, hits, &n, &err), err);
    double least = n == limit ? INFINITY : 0;
    for (size_t i = 0; i < n; i++) {
        double want = plain_score(p, hits[i].id - 1, words, count, total / docs, docs);
        if (fabs((double)hits[i].score - want) >= 0.02)
            fail_msg("passage %llu: expected %f, got %f", (unsigned long long)hits[i].id, want,
                     (double)hits[i].score);
        assert_true(i == 0 || hits[i].score <= hits[i - 1].score);
        assert_true(p->alive[hits[i].id - 1]);
        least = n == limit && want < least ? want : least;
    }
    size_t better = 0;
    for (size_t i = 0; i < MANY; i++)
        better += p->alive[i] && plain_score(p, i, words, count, total / docs, docs) > least + 0.02;
    assert_true(better <= n);
    eng_index_view_free(view);
}

static void put_plain(plain *p, eng_index *x, size_t i, uint64_t *seed)
{
    char text[512];
    eng_error err = {0};
    make_text(p, i, seed, text);
    eng_index_item item = {.id = i + 1, .text = eng_str_of(text)};
    assert_ok(eng_index_upsert(x, &item, 1, 1, &err), err);
    p->alive[i] = true;
}

static void tidy(eng_index *x)
{
    eng_error err = {0};
    for (bool more = true; more;)
        assert_ok(eng_index_step(x, &more, &err), err);
}

static void the_best_are_found_whatever_is_skipped(void **state)
{
    (void)state;
    uint64_t seed = 1;
    plain *p = calloc(1, sizeof *p);
    eng_index *x = open_index(NULL, 0);
    for (size_t i = 0; i < MANY; i++)
        put_plain(p, x, i, &seed);
    for (int k = 0; k < 10; k++)
        check_against(p, x, &seed);
    for (size_t i = 0; i < MANY; i += 2) {
        eng_error err = {0};
        uint64_t id = i + 1;
        assert_ok(eng_index_remove(x, &id, 1, 2, &err), err);
        p->alive[i] = false;
    }
    tidy(x); /* a third has died: it is written again, and counts no more */
    for (int k = 0; k < 10; k++)
        check_against(p, x, &seed);
    eng_index_close(x);
    free(p);
}

static void the_first_k_are_the_same_for_every_limit(void **state)
{
    (void)state;
    uint64_t seed = 7, all[128], some[128];
    plain *p = calloc(1, sizeof *p);
    eng_index *x = open_index(NULL, 0);
    for (size_t i = 0; i < 600; i++)
        put_plain(p, x, i % 300, &seed); /* half of them replaced */
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = ENG_STR("waa wab wbc"), .limit = 100};
    size_t n = find_ids(x, &q, all);
    assert_int_equal(n, 100);
    for (q.limit = 1; q.limit < 100; q.limit++) {
        assert_int_equal(find_ids(x, &q, some), q.limit);
        assert_memory_equal(some, all, q.limit * sizeof *some);
    }
    eng_index_close(x);
    free(p);
}

static void scores_of_given_passages_are_those_of_the_search(void **state)
{
    (void)state;
    uint64_t seed = 3, ids[66];
    float scores[66];
    eng_hit hits[64];
    size_t n = 0;
    eng_error err = {0};
    plain *p = calloc(1, sizeof *p);
    eng_index *x = open_index(NULL, 0);
    for (size_t i = 0; i < 500; i++)
        put_plain(p, x, i, &seed);
    eng_index_view *view = view_of(x);
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = ENG_STR("waa wbb wcc"), .limit = 64};
    assert_ok(eng_index_candidates(view, &q, hits, &n, &err), err);
    assert_int_equal(n, 64);
    for (size_t i = 0; i < n; i++)
        ids[i] = hits[n - 1 - i].id;
    ids[n] = 999999;
    assert_ok(eng_index_score(view, &q, ids, n + 1, scores, &err), err);
    for (size_t i = 0; i < n; i++)
        assert_true(scores[i] == hits[n - 1 - i].score);
    assert_true(isnan(scores[n]));
    eng_index_view_free(view);
    eng_index_close(x);
    free(p);
}

static void explaining_adds_up(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_arena arena;
    eng_term_share *shares;
    size_t count, n;
    eng_hit hit;
    eng_index *x = open_index(NULL, 0);
    put_text(x, 1, "a roda do moinho gira");
    put_text(x, 2, "o rio corre");
    eng_arena_init(&arena, 1024, NULL);
    eng_index_view *view = view_of(x);
    eng_index_query q = {
        .mode = ENG_MODE_BM25, .text = ENG_STR("quando a roda gira zebra"), .limit = 1};
    assert_ok(eng_index_candidates(view, &q, &hit, &n, &err), err);
    assert_ok(eng_index_explain(view, &q, hit.id, &arena, &shares, &count, &err), err);
    float sum = 0;
    bool missing = false;
    for (size_t i = 0; i < count; i++) {
        sum += shares[i].score;
        missing = missing || (eng_str_eq(shares[i].term, ENG_STR("zebr")) && shares[i].score == 0);
    }
    assert_true(fabsf(sum - hit.score) < 1e-4F);
    assert_true(missing);
    assert_str_view(shares[0].term, "rod");
    assert_int_equal(shares[0].start, 9);
    eng_index_view_free(view);
    eng_arena_clear(&arena);
    eng_index_close(x);
}

static void words_of_two_languages_live_together(void **state)
{
    (void)state;
    eng_error err = {0};
    eng_index *x = open_index(NULL, 0);
    eng_index_item items[] = {
        {.id = 1, .text = ENG_STR("O moinho de Paris gira"), .language = ENG_LANGUAGE_PT},
        {.id = 2, .text = ENG_STR("The mills of Paris are turning"), .language = ENG_LANGUAGE_EN},
    };
    uint64_t ids[4];
    assert_ok(eng_index_upsert(x, items, 2, 1, &err), err);
    eng_index_query q = {.mode = ENG_MODE_BM25, .text = ENG_STR("Paris"), .limit = 4};
    for (int l = 0; l < ENG_LANGUAGES; l++) {
        q.language = (eng_language)l;
        assert_int_equal(find_ids(x, &q, ids), 2);
    }
    eng_index_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_find_passages_whatever_case_and_accents),
        cmocka_unit_test(the_form_with_the_right_accent_comes_first),
        cmocka_unit_test(small_words_alone_are_looked_for),
        cmocka_unit_test(titles_weigh_more),
        cmocka_unit_test(codes_are_found_whole),
        cmocka_unit_test(phrases_are_words_next_to_each_other),
        cmocka_unit_test(prefixes_find_what_begins_like_them),
        cmocka_unit_test(glued_words_are_found),
        cmocka_unit_test(grams_survive_typing_errors),
        cmocka_unit_test(the_best_are_found_whatever_is_skipped),
        cmocka_unit_test(the_first_k_are_the_same_for_every_limit),
        cmocka_unit_test(scores_of_given_passages_are_those_of_the_search),
        cmocka_unit_test(explaining_adds_up),
        cmocka_unit_test(words_of_two_languages_live_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
