/* The queue of those who want vectors: the promises of engine/batch.c, with one thread that a test can
 * hold up: in the `done` of a call of its own. */
#include "engine/encoder_internal.h"
#include "model_help.h"

#include <semaphore.h>

enum { CALLS = 16, LOG = 64 };

typedef struct bench_ bench;

typedef struct {
    eng_batch_call call; /* first */
    bench *b;
    char name;
    float out[64 * TINY_HIDDEN];
    _Atomic bool gone;
    _Atomic bool over;
} test_call;

struct bench_ {
    eng_encoder *enc;
    eng_batcher *batcher;
    test_call calls[CALLS];
    size_t count;
    char log[LOG]; /* names, in the order of their ends */
    _Atomic size_t logged;
    sem_t held;
    sem_t go;
};

static void ended(eng_batch_call *call)
{
    test_call *c = (test_call *)call;
    c->b->log[c->b->logged++] = c->name;
    c->over = true;
}

static void ended_and_waits(eng_batch_call *call)
{
    test_call *c = (test_call *)call;
    sem_post(&c->b->held);
    sem_wait(&c->b->go);
    c->over = true;
}

static bool is_gone(void *x) { return ((test_call *)x)->gone; }

static bench *bench_new(const place *p, unsigned threads, size_t queue_max)
{
    eng_error err = {0};
    bench *b = calloc(1, sizeof *b);
    eng_batcher_options options = {.threads = threads, .queue_max = queue_max};
    tiny_model(p->root, false, "");
    assert_ok(eng_encoder_open(p->root, NULL, &b->enc, &err), err);
    assert_ok(eng_batcher_new(&options, &b->batcher, &err), err);
    sem_init(&b->held, 0, 0);
    sem_init(&b->go, 0, 0);
    return b;
}

static void bench_free(bench *b)
{
    eng_batcher_free(b->batcher);
    for (size_t i = 0; i < b->count; i++)
        eng_tokens_clear(&b->calls[i].call.tokens);
    eng_encoder_free(b->enc);
    sem_destroy(&b->held);
    sem_destroy(&b->go);
    free(b);
}

static test_call *make_call(bench *b, char name, const char *text, size_t sequences)
{
    eng_buf scratch;
    bool cut;
    eng_error err = {0};
    test_call *c = &b->calls[b->count++];
    c->b = b;
    c->name = name;
    eng_buf_init(&scratch, 1 << 20);
    eng_tokens_init(&c->call.tokens);
    for (size_t i = 0; i < sequences; i++)
        assert_ok(eng_encoder_read(b->enc, eng_str_of(text), ENG_PROMPT_NONE, &scratch,
                                   &c->call.tokens, &cut, &err),
                  err);
    eng_buf_clear(&scratch);
    c->call.encoder = b->enc;
    c->call.out = c->out;
    c->call.cancelled = is_gone;
    c->call.x = c;
    c->call.done = ended;
    return c;
}

static test_call *add(bench *b, char name, const char *text, size_t sequences)
{
    eng_error err = {0};
    test_call *c = make_call(b, name, text, sequences);
    assert_ok(eng_batcher_add(b->batcher, &c->call, &err), err);
    return c;
}

/* The one thread is in `done`, and everything that is added waits. */
static void hold(bench *b)
{
    eng_error err = {0};
    test_call *c = make_call(b, '-', "um", 1);
    c->call.done = ended_and_waits;
    assert_ok(eng_batcher_add(b->batcher, &c->call, &err), err);
    sem_wait(&b->held);
}

static void let_go(bench *b) { sem_post(&b->go); }

static void wait_until(const _Atomic bool *over)
{
    for (int i = 0; i < 4000 && !*over; i++)
        sleep_ms(5);
    assert_true(*over);
}

static void a_call_gets_all_its_vectors(void **state)
{
    eng_error err = {0};
    float want[TINY_HIDDEN];
    bench *b = bench_new(*state, 2, 0);
    eng_str text = ENG_STR("um moinho");
    assert_ok(eng_encoder_encode(b->enc, &text, 1, NULL, want, NULL, &err), err);
    test_call *c = add(b, 'a', "um moinho", 64);
    wait_until(&c->over);
    assert_int_equal(c->call.status, ENG_OK);
    for (size_t i = 0; i < 64; i++)
        assert_memory_equal(c->out + i * TINY_HIDDEN, want, sizeof want);
    bench_free(b);
}

static void a_call_without_sequences_is_over_at_once(void **state)
{
    bench *b = bench_new(*state, 1, 0);
    test_call *c = add(b, 'a', "", 0);
    assert_true(c->over);
    bench_free(b);
}

/* 60 sequences of 64 tokens are eight batches; the question that came after them is in the next one. */
static void a_question_does_not_wait_for_a_book(void **state)
{
    bench *b = bench_new(*state, 1, 0);
    char book[300] = "";
    for (int i = 0; i < 62; i++)
        memcpy(book + 2 * i, "a ", 3);
    hold(b);
    test_call *a = add(b, 'B', book, 60);
    test_call *q = add(b, 'q', "um moinho", 1);
    let_go(b);
    wait_until(&a->over);
    wait_until(&q->over);
    assert_memory_equal(b->log, "qB", 2);
    eng_batcher_counters counted;
    eng_batcher_count(b->batcher, &counted);
    assert_true(counted.batches >= 8);
    assert_int_equal(counted.sequences, 62);
    assert_int_equal(counted.waiting, 0);
    bench_free(b);
}

static void bulk_gets_what_others_leave(void **state)
{
    bench *b = bench_new(*state, 1, 0);
    char text[300] = "";
    for (int i = 0; i < 62; i++)
        memcpy(text + 2 * i, "a ", 3);
    hold(b);
    eng_error err = {0};
    test_call *bulk = make_call(b, 'B', text, 20);
    bulk->call.bulk = true;
    assert_ok(eng_batcher_add(b->batcher, &bulk->call, &err), err);
    test_call *a = add(b, 'a', text, 20);
    let_go(b);
    wait_until(&bulk->over);
    wait_until(&a->over);
    assert_memory_equal(b->log, "aB", 2);
    bench_free(b);
}

static void calls_share_batches(void **state)
{
    bench *b = bench_new(*state, 1, 0);
    eng_batcher_counters before, after;
    hold(b);
    eng_batcher_count(b->batcher, &before);
    for (char name = 'a'; name < 'a' + 10; name++)
        add(b, name, "um moinho", 1);
    let_go(b);
    for (size_t i = 0; i < b->count; i++)
        wait_until(&b->calls[i].over);
    assert_memory_equal(b->log, "abcdefghij", 10);
    eng_batcher_count(b->batcher, &after);
    assert_int_equal(after.batches - before.batches, 1);
    bench_free(b);
}

static void a_full_queue_refuses_and_a_client_that_leaves_makes_room(void **state)
{
    eng_error err = {0};
    bench *b = bench_new(*state, 1, 20);
    eng_batcher_counters counted;
    hold(b);
    test_call *a = add(b, 'a', "um moinho",
                       16); /* alone: taken, though it is larger than the queue */
    test_call *c = make_call(b, 'b', "um", 1);
    assert_int_equal(eng_batcher_add(b->batcher, &c->call, &err), ENG_EBUSY);
    assert_non_null(strstr(err.message, "64 tokens"));
    a->gone = true;
    assert_ok(eng_batcher_add(b->batcher, &c->call, &err), err);
    assert_true(a->over);
    assert_int_equal(a->call.status, ENG_ECANCELLED);
    let_go(b);
    wait_until(&c->over);
    assert_int_equal(c->call.status, ENG_OK);
    eng_batcher_count(b->batcher, &counted);
    assert_int_equal(counted.refused, 1);
    assert_int_equal(counted.waiting, 0);
    bench_free(b);
}

static void what_waits_when_it_ends_is_cancelled(void **state)
{
    bench *b = bench_new(*state, 1, 0);
    hold(b);
    test_call *a = add(b, 'a', "um moinho", 3);
    let_go(b);
    eng_batcher_free(b->batcher);
    b->batcher = NULL;
    assert_true(a->over);
    assert_true(a->call.status == ENG_OK || a->call.status == ENG_ECANCELLED);
    bench_free(b);
}

/* ---- What is remembered ---- */

static void a_vector_is_remembered_by_text_model_and_purpose(void **state)
{
    (void)state;
    eng_memory *m = NULL;
    eng_error err = {0};
    eng_memory_note note;
    float v[4] = {1, 2, 3, 4}, got[4];
    assert_ok(eng_memory_new(1 << 16, &m, &err), err);
    eng_str text = ENG_STR("um\0moinho");
    assert_false(eng_memory_get(m, 1, ENG_PROMPT_NONE, text, got, 4, &note));
    eng_memory_put(m, 1, ENG_PROMPT_NONE, text, v, 4, (eng_memory_note){7, true});
    assert_true(eng_memory_get(m, 1, ENG_PROMPT_NONE, text, got, 4, &note));
    assert_memory_equal(v, got, sizeof v);
    assert_true(note.tokens == 7 && note.truncated);
    assert_false(eng_memory_get(m, 2, ENG_PROMPT_NONE, text, got, 4, &note));
    assert_false(eng_memory_get(m, 1, ENG_PROMPT_QUERY, text, got, 4, &note));
    assert_false(eng_memory_get(m, 1, ENG_PROMPT_NONE, ENG_STR("um"), got, 4, &note));
    eng_memory_counters counted;
    eng_memory_count(m, &counted);
    assert_true(counted.hits == 1 && counted.misses == 4 && counted.bytes > 0);
    eng_memory_free(m);
}

static void what_was_used_longest_ago_is_forgotten_first(void **state)
{
    (void)state;
    eng_memory *m = NULL;
    eng_error err = {0};
    eng_memory_note note = {1, false};
    float v[4] = {1, 2, 3, 4};
    char text[16];
    assert_ok(eng_memory_new(4096, &m, &err), err);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        eng_memory_put(m, 1, ENG_PROMPT_NONE, eng_str_of(text), v, 4, note);
        if (i % 3 == 0) /* asked for again and again */
            (void)eng_memory_get(m, 1, ENG_PROMPT_NONE, ENG_STR("0"), v, 4, &note);
    }
    eng_memory_counters counted;
    eng_memory_count(m, &counted);
    assert_true(counted.bytes <= 4096);
    assert_true(eng_memory_get(m, 1, ENG_PROMPT_NONE, ENG_STR("0"), v, 4, &note));
    assert_true(eng_memory_get(m, 1, ENG_PROMPT_NONE, ENG_STR("999"), v, 4, &note));
    assert_false(eng_memory_get(m, 1, ENG_PROMPT_NONE, ENG_STR("500"), v, 4, &note));
    char *large = calloc(1, 2000);
    eng_memory_put(m, 1, ENG_PROMPT_NONE, (eng_str){large, 2000}, v, 4, note);
    assert_false(eng_memory_get(m, 1, ENG_PROMPT_NONE, (eng_str){large, 2000}, v, 4, &note));
    free(large);
    eng_memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_call_gets_all_its_vectors),
        in_place(a_call_without_sequences_is_over_at_once),
        in_place(a_question_does_not_wait_for_a_book),
        in_place(bulk_gets_what_others_leave),
        in_place(calls_share_batches),
        in_place(a_full_queue_refuses_and_a_client_that_leaves_makes_room),
        in_place(what_waits_when_it_ends_is_cancelled),
        cmocka_unit_test(a_vector_is_remembered_by_text_model_and_purpose),
        cmocka_unit_test(what_was_used_longest_ago_is_forgotten_first),
    };
    return cmocka_run_group_tests(tests, start_library, stop_library);
}
