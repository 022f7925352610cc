/*
 * Searching by words: questions of four terms over 1,000, 10,000 and 100,000 passages, against SQLite's
 * FTS5, in turns; and putting passages in.
 *
 *     bench/bm25 [COUNT...]
 *
 * The corpus is made: passages of 100 words drawn from pt_qa's vocabulary in Zipf's proportions, no two
 * alike. Questions are of four words of a passage, none of them twice, so caches are as cold as they
 * come; the same again, warm, has a line of its own.
 */
#include "base/arena.h"
#include "base/error.h"
#include "index/index.h"
#include "questions.h"

#include "figures.h"

#include <sqlite3.h>

enum {
    WORDS_EACH = 100,
    ASKED = 200,
    TERMS = 4,
    K = 10,
    ROUNDS = 5,
    BATCH = 1000,
    VOCABULARY = 60000
};

static void check(eng_status status, const eng_error *err)
{
    if (status < 0)
        questions_die(err->message);
}

static void check_sqlite(int code, sqlite3 *db)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        questions_die(sqlite3_errmsg(db));
}

/* ---- A corpus ------------------------------------------------------------------------------------------- */

typedef struct {
    eng_str words[VOCABULARY];
    size_t count;
    double *sums; /* of 1 / rank */
    eng_map seen;
    eng_arena arena;
} vocabulary;

static void add_word(void *ctx, eng_str word)
{
    vocabulary *v = ctx;
    if (v->count == VOCABULARY || word.len < 2 || eng_map_get(&v->seen, word))
        return;
    eng_str copy = eng_arena_copy(&v->arena, word);
    v->words[v->count++] = copy;
    if (eng_map_put(&v->seen, copy, v, NULL, NULL) < 0)
        questions_die("no memory");
}

/* pt_qa's words first, then made ones, up to VOCABULARY. */
static void make_vocabulary(vocabulary *v)
{
    question_set set;
    uint64_t seed = 3;
    eng_arena_init(&v->arena, 1 << 16, NULL);
    eng_map_init(&v->seen);
    if (questions_squad(&set, "squad", QUESTIONS_DATA "squad_pt_dev_a.json", ENG_LANGUAGE_PT)) {
        for (size_t i = 0; i < set.passage_count; i++)
            eng_words_each(set.passages[i], add_word, v);
    }
    questions_clear(&set);
    while (v->count < VOCABULARY) {
        char word[16];
        size_t len = 4 + next_random(&seed) % 8;
        for (size_t i = 0; i < len; i++)
            word[i] = (i % 2 ? "aeiou" : "bcdlmnprst")[next_random(&seed) % (i % 2 ? 5 : 10)];
        add_word(v, (eng_str){word, len});
    }
    v->sums = malloc((v->count + 1) * sizeof *v->sums);
    v->sums[0] = 0;
    for (size_t i = 0; i < v->count; i++)
        v->sums[i + 1] = v->sums[i] + 1.0 / (double)(i + 1);
}

static size_t draw(const vocabulary *v, uint64_t *seed)
{
    double at = (double)(next_random(seed) >> 11) * 0x1p-53 * v->sums[v->count];
    size_t low = 0, high = v->count;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (v->sums[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static eng_str make_passage(vocabulary *v, uint64_t *seed)
{
    char text[WORDS_EACH * 48];
    size_t len = 0;
    for (size_t i = 0; i < WORDS_EACH; i++) {
        eng_str word = v->words[draw(v, seed)];
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s ", ENG_FMT(word));
    }
    return eng_arena_copy(&v->arena, (eng_str){text, len});
}

/* ---- Both sides ----------------------------------------------------------------------------------------- */

typedef struct {
    eng_index *index;
    eng_index_view *view;
    sqlite3 *db;
    sqlite3_stmt *search;
    double put_ours;
    double put_peer;
} sides;

static void fill_index(sides *s, const eng_str *passages, size_t count)
{
    eng_error err;
    eng_index_options options = {.no_grams = true};
    static eng_index_item items[BATCH];
    uint64_t start = eng_clock_ns();
    check(eng_index_open(&options, &s->index, &err), &err);
    for (size_t at = 0; at < count; at += BATCH) {
        size_t n = count - at < BATCH ? count - at : BATCH;
        for (size_t i = 0; i < n; i++)
            items[i] = (eng_index_item){
                .id = at + i + 1, .text = passages[at + i], .language = ENG_LANGUAGE_PT};
        check(eng_index_upsert(s->index, items, n, 1, &err), &err);
    }
    for (bool more = true; more;)
        check(eng_index_step(s->index, &more, &err), &err);
    s->put_ours = (double)(eng_clock_ns() - start);
    check(eng_index_view_new(s->index, &s->view, &err), &err);
}

static void fill_peer(sides *s, const eng_str *passages, size_t count)
{
    sqlite3_stmt *put;
    uint64_t start = eng_clock_ns();
    check_sqlite(sqlite3_open(":memory:", &s->db), s->db);
    check_sqlite(sqlite3_exec(s->db,
                              "CREATE VIRTUAL TABLE p USING fts5(text, content='',"
                              " tokenize='unicode61 remove_diacritics 2'); BEGIN",
                              NULL, NULL, NULL),
                 s->db);
    check_sqlite(
        sqlite3_prepare_v2(s->db, "INSERT INTO p(rowid, text) VALUES(?, ?)", -1, &put, NULL),
        s->db);
    for (size_t i = 0; i < count; i++) {
        sqlite3_bind_int64(put, 1, (int64_t)i + 1);
        sqlite3_bind_text(put, 2, passages[i].ptr, (int)passages[i].len, SQLITE_STATIC);
        check_sqlite(sqlite3_step(put), s->db);
        sqlite3_reset(put);
    }
    sqlite3_finalize(put);
    check_sqlite(
        sqlite3_exec(s->db, "COMMIT; INSERT INTO p(p) VALUES('optimize')", NULL, NULL, NULL),
        s->db);
    check_sqlite(sqlite3_prepare_v2(s->db,
                                    "SELECT rowid FROM p WHERE p MATCH ? ORDER BY rank LIMIT 10",
                                    -1, &s->search, NULL),
                 s->db);
    s->put_peer = (double)(eng_clock_ns() - start);
}

static double ask_ours(sides *s, const eng_str *questions)
{
    eng_error err;
    eng_hit hits[K];
    size_t count;
    uint64_t start = eng_clock_ns();
    for (size_t q = 0; q < ASKED; q++) {
        eng_index_query query = {
            .mode = ENG_MODE_BM25, .text = questions[q], .language = ENG_LANGUAGE_PT, .limit = K};
        check(eng_index_candidates(s->view, &query, hits, &count, &err), &err);
    }
    return (double)(eng_clock_ns() - start) / ASKED;
}

static double ask_peer(sides *s, const eng_str *questions, size_t asked)
{
    uint64_t start = eng_clock_ns();
    for (size_t q = 0; q < asked; q++) {
        char text[512];
        size_t len = 0;
        for (size_t at = 0; at < questions[q].len; at++) { /* "a b c d" to "a OR b OR c OR d" */
            if (questions[q].ptr[at] == ' ')
                len += (size_t)snprintf(text + len, sizeof text - len, " OR ");
            else
                text[len++] = questions[q].ptr[at];
        }
        sqlite3_bind_text(s->search, 1, text, (int)len, SQLITE_TRANSIENT);
        while (sqlite3_step(s->search) == SQLITE_ROW)
            continue;
        sqlite3_reset(s->search);
    }
    return (double)(eng_clock_ns() - start) / (double)asked;
}

/* Words of a passage that are no stop words to the peer's disadvantage: both are asked the same. */
static eng_str make_question(vocabulary *v, uint64_t *seed)
{
    char text[256];
    size_t len = 0;
    for (size_t i = 0; i < TERMS; i++) {
        size_t rank = draw(v, seed);
        while (rank < 40)
            rank = draw(v, seed);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s", i ? " " : "",
                                ENG_FMT(v->words[rank]));
    }
    return eng_arena_copy(&v->arena, (eng_str){text, len});
}

static double run(vocabulary *v, size_t count)
{
    sides s = {0};
    char name[64];
    uint64_t seed = 7;
    double ours[ROUNDS], peer[ROUNDS], warm[ROUNDS];
    size_t asked = count >= 100000 ? 12 : count >= 10000 ? 60 : ASKED;
    eng_str *passages = malloc(count * sizeof *passages);
    static eng_str questions[ROUNDS][ASKED];
    for (size_t i = 0; i < count; i++)
        passages[i] = make_passage(v, &seed);
    for (size_t r = 0; r < ROUNDS; r++) {
        for (size_t q = 0; q < ASKED; q++)
            questions[r][q] = make_question(v, &seed);
    }
    fill_index(&s, passages, count);
    fill_peer(&s, passages, count);
    for (size_t r = 0; r < ROUNDS; r++) {
        ours[r] = ask_ours(&s, questions[r]);
        peer[r] = ask_peer(&s, questions[r], asked);
        warm[r] = ask_ours(&s, questions[r]);
    }
    eng_index_stats stats;
    eng_index_view_stats(s.view, &stats);
    snprintf(name, sizeof name, "bm25.put_%zu", count);
    report(name, s.put_ours, s.put_peer, "fts5", 0);
    snprintf(name, sizeof name, "bm25.search_%zu", count);
    double middle = median(ours, ROUNDS);
    report(name, middle, median(peer, ROUNDS), "fts5", count >= 100000 ? 50 : 1);
    if (count >= 100000)
        report_below("bm25.search_100000_at_most", middle, 500000);
    snprintf(name, sizeof name, "bm25.search_%zu_warm", count);
    report_below(name, median(warm, ROUNDS), 500000);
    printf("# %zu passages of %d words: %.1f MB in memory, %llu segments\n", count, WORDS_EACH,
           (double)stats.memory / 1e6, (unsigned long long)stats.segments);
    sqlite3_finalize(s.search);
    sqlite3_close(s.db);
    eng_index_view_free(s.view);
    eng_index_close(s.index);
    free(passages);
    return middle;
}

int main(int argc, char **argv)
{
    static const size_t presets[] = {1000, 10000, 100000};
    static vocabulary v;
    eng_error err;
    size_t sizes = argc > 1 ? (size_t)(argc - 1) : 3, from = 0, to = 0;
    double first = 0, last = 0;
    check(eng_kern_init(&err), &err);
    print_machine(memory_bandwidth());
    make_vocabulary(&v);
    for (size_t i = 0; i < sizes; i++) {
        to = argc > 1 ? strtoull(argv[i + 1], NULL, 10) : presets[i];
        last = run(&v, to);
        first = i ? first : last;
        from = i ? from : to;
    }
    if (to > from)
        printf("# a search grows with the %.2f-th power of the size\n",
               log(last / first) / log((double)to / (double)from));
    eng_map_clear(&v.seen);
    eng_arena_clear(&v.arena);
    free(v.sums);
    return 0;
}
