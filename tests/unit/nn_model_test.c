/* Each test names a promise of nn.h. */
#include "kern/kern.h"
#include "nn_help.h"

#include <sys/wait.h>
#include <time.h>

static eng_nn_model *open_model(const char *folder, eng_nn_precision p)
{
    eng_error err = {0};
    eng_nn_options o = {.precision = p};
    eng_nn_model *m = NULL;
    assert_ok(eng_nn_open(folder, &o, &m, &err), err);
    return m;
}

/* Sequences of many lengths over one list of ids. */
enum { SEQUENCES = 24 };
typedef struct {
    uint32_t ids[64];
    uint8_t types[64];
    eng_nn_sequence all[SEQUENCES];
} texts;

static void make_texts(texts *t)
{
    for (uint32_t i = 0; i < 64; i++) {
        t->ids[i] = (i * 7 + 3) % TINY_WORDS;
        t->types[i] = i % 3 == 0;
    }
    for (size_t i = 0; i < SEQUENCES; i++)
        t->all[i] = (eng_nn_sequence){t->ids + i, i % 2 ? t->types : NULL,
                                      1 + i * 17 % TINY_PLACES};
}

static void encode(const eng_nn_model *m, unsigned threads, const eng_nn_sequence *s, size_t count,
                   float *out)
{
    eng_error err = {0};
    eng_nn_context *c = NULL;
    assert_ok(eng_nn_context_new(m, threads, &c, &err), err);
    assert_ok(eng_nn_encode(c, s, count, out, &err), err);
    eng_nn_context_free(c);
}

/* Alone, all at once, backwards, in pieces, by one, two and five threads, with each variant. */
static void results_do_not_depend_on_company_order_or_threads(void **state)
{
    (void)state;
    char folder[256];
    texts t;
    static float alone[SEQUENCES][TINY_HIDDEN], got[SEQUENCES][TINY_HIDDEN];
    eng_nn_sequence back[SEQUENCES];
    make_texts(&t);
    tiny_model(folder);
    for (size_t i = 0; i < SEQUENCES; i++)
        back[i] = t.all[SEQUENCES - 1 - i];
    for (size_t v = 0; eng_kern_at(v); v++) {
        if (!eng_kern_can_run(eng_kern_at(v)))
            continue;
        setenv("ENGENHO_CPU", eng_kern_at(v)->name, 1);
        assert_int_equal(eng_kern_init(NULL), ENG_OK);
        for (int p = ENG_NN_INT8; p <= ENG_NN_F32; p++) {
            eng_nn_model *m = open_model(folder, (eng_nn_precision)p);
            for (size_t i = 0; i < SEQUENCES; i++)
                encode(m, 1, &t.all[i], 1, alone[i]);
            static const unsigned threads[] = {1, 2, 5};
            for (int n = 0; n < 3; n++) {
                encode(m, threads[n], t.all, SEQUENCES, got[0]);
                assert_memory_equal(got, alone, sizeof got);
                encode(m, threads[n], back, SEQUENCES, got[0]);
                for (size_t i = 0; i < SEQUENCES; i++)
                    assert_memory_equal(got[SEQUENCES - 1 - i], alone[i], sizeof got[0]);
                encode(m, threads[n], t.all + 5, 3, got[0]);
                assert_memory_equal(got, alone[5], 3 * sizeof got[0]);
            }
            eng_nn_close(m);
        }
    }
    unsetenv("ENGENHO_CPU");
    assert_int_equal(eng_kern_init(NULL), ENG_OK);
    tiny_remove(folder);
}

static void one_model_serves_several_contexts(void **state)
{
    (void)state;
    char folder[256];
    texts t;
    float a[2][TINY_HIDDEN], b[2][TINY_HIDDEN];
    eng_error err = {0};
    eng_nn_context *x, *y;
    make_texts(&t);
    tiny_model(folder);
    eng_nn_model *m = open_model(folder, ENG_NN_INT8);
    assert_ok(eng_nn_context_new(m, 1, &x, &err), err);
    assert_ok(eng_nn_context_new(m, 2, &y, &err), err);
    assert_ok(eng_nn_encode(x, t.all, 2, a[0], &err), err);
    assert_ok(eng_nn_encode(y, t.all, 2, b[0], &err), err);
    assert_memory_equal(a, b, sizeof a);
    eng_nn_context_free(x);
    eng_nn_context_free(y);
    eng_nn_close(m);
    tiny_remove(folder);
}

static void what_is_out_of_range_is_named_and_nothing_computed(void **state)
{
    (void)state;
    char folder[256];
    float out[2] = {7, 7};
    eng_error err = {0};
    eng_nn_context *c;
    tiny_model(folder);
    eng_nn_model *m = open_model(folder, ENG_NN_F32);
    assert_ok(eng_nn_context_new(m, 1, &c, &err), err);
    uint32_t ids[TINY_PLACES + 1] = {0}, wrong[] = {1, TINY_WORDS};
    uint8_t types[] = {0, 2};
    const eng_nn_sequence bad[][2] = {{{ids, NULL, 1}, {ids, NULL, 0}},
                                      {{ids, NULL, 1}, {ids, NULL, TINY_PLACES + 1}},
                                      {{ids, NULL, 1}, {wrong, NULL, 2}},
                                      {{ids, NULL, 1}, {ids, types, 2}}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(eng_nn_encode(c, bad[i], 2, out, &err), ENG_EINVALID);
        assert_non_null(strstr(err.message, "sequence 1"));
        assert_true(out[0] == 7);
    }
    assert_int_equal(eng_nn_score(c, bad[0], 1, out, &err), ENG_EINVALID);
    eng_nn_context_free(c);
    assert_int_equal(eng_nn_context_new(m, 0, &c, &err), ENG_EINVALID);
    assert_int_equal(eng_nn_context_new(m, 65, &c, &err), ENG_EINVALID);
    eng_nn_close(m);
    tiny_remove(folder);
}

/* ---- The packed file ---- */

static char *packed_path(const char *folder)
{
    char *path = eng_path_join(folder, "engenho-int8.pack");
    assert_non_null(path);
    return path;
}

static void vector_of(const char *folder, bool *packed, float out[TINY_HIDDEN])
{
    texts t;
    make_texts(&t);
    eng_nn_model *m = open_model(folder, ENG_NN_INT8);
    *packed = eng_nn_about(m)->packed;
    encode(m, 1, &t.all[3], 1, out);
    eng_nn_close(m);
}

static void a_damaged_packed_file_is_made_again(void **state)
{
    (void)state;
    char folder[256];
    bool packed;
    float first[TINY_HIDDEN], again[TINY_HIDDEN];
    eng_buf good, now;
    tiny_model(folder);
    char *path = packed_path(folder);
    vector_of(folder, &packed, first);
    assert_true(packed);
    eng_buf_init(&good, 1 << 24);
    assert_int_equal(eng_file_read(path, 1 << 24, &good, NULL), ENG_OK);
    for (size_t at = 0; at < good.len; at += at < 96 ? 1 : good.len / 40) {
        char was = good.data[at];
        good.data[at] = (char)(was ^ 0x10);
        assert_int_equal(eng_file_write(path, eng_buf_view(&good), 0644, NULL), ENG_OK);
        good.data[at] = was;
        vector_of(folder, &packed, again);
        assert_memory_equal(first, again, sizeof first);
        eng_buf_init(&now, 1 << 24);
        assert_int_equal(eng_file_read(path, 1 << 24, &now, NULL), ENG_OK);
        assert_int_equal(now.len, good.len);
        if (at < 64 || at >= 4096) /* between them nothing stands */
            assert_memory_equal(now.data, good.data, good.len);
        eng_buf_clear(&now);
    }
    for (size_t len = 0; len < good.len; len += good.len / 20) {
        assert_int_equal(eng_file_write(path, (eng_str){good.data, len}, 0644, NULL), ENG_OK);
        vector_of(folder, &packed, again);
        assert_memory_equal(first, again, sizeof first);
    }
    eng_buf_clear(&good);
    eng_free(path);
    tiny_remove(folder);
}

static void other_weights_make_a_packed_file_stale(void **state)
{
    (void)state;
    /* File systems tell times apart by the kernel's tick, of 10 ms at most. */
    const struct timespec tick = {.tv_nsec = 30 * 1000 * 1000};
    char folder[256];
    bool packed;
    float first[TINY_HIDDEN], second[TINY_HIDDEN], third[TINY_HIDDEN];
    tiny_model(folder);
    vector_of(folder, &packed, first);
    nanosleep(&tick, NULL);
    tiny_weights(folder, 2);
    vector_of(folder, &packed, second);
    assert_memory_not_equal(first, second, sizeof first);
    nanosleep(&tick, NULL);
    tiny_weights(folder, 1);
    vector_of(folder, &packed, third);
    assert_memory_equal(first, third, sizeof first);
    tiny_remove(folder);
}

/* Each finds no packed file, and makes one while the others do. */
static void processes_may_pack_at_once(void **state)
{
    (void)state;
    enum { PROCESSES = 4, TIMES = 5 };
    char folder[256];
    bool packed;
    float first[TINY_HIDDEN], again[TINY_HIDDEN];
    tiny_model(folder);
    char *path = packed_path(folder);
    vector_of(folder, &packed, first);
    for (int i = 0; i < TIMES; i++) {
        pid_t children[PROCESSES];
        assert_int_equal(unlink(path), 0);
        for (int n = 0; n < PROCESSES; n++) {
            children[n] = fork();
            assert_true(children[n] >= 0);
            if (children[n] == 0) {
                vector_of(folder, &packed, again);
                _exit(packed && memcmp(first, again, sizeof first) == 0 ? 0 : 1);
            }
        }
        for (int n = 0; n < PROCESSES; n++) {
            int how = -1;
            assert_int_equal(waitpid(children[n], &how, 0), children[n]);
            assert_int_equal(how, 0);
        }
        vector_of(folder, &packed, again);
        assert_true(packed);
        assert_memory_equal(first, again, sizeof first);
    }
    eng_free(path);
    tiny_remove(folder);
}

/* A folder in the file's place stands for a disk that is full, or another's folder: even for root. */
static void where_it_cannot_be_written_memory_does(void **state)
{
    (void)state;
    char folder[256];
    bool packed;
    float first[TINY_HIDDEN], again[TINY_HIDDEN];
    tiny_model(folder);
    char *path = packed_path(folder);
    vector_of(folder, &packed, first);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    vector_of(folder, &packed, again);
    assert_false(packed);
    assert_memory_equal(first, again, sizeof first);
    eng_free(path);
    tiny_remove(folder);
}

/* ---- What is refused ---- */

static void expect(const char *folder, eng_status status, const char *words)
{
    eng_error err = {0};
    eng_nn_options o = {.precision = ENG_NN_F32, .no_cache = true};
    eng_nn_model *m;
    assert_int_equal(eng_nn_open(folder, &o, &m, &err), status);
    if (!strstr(err.message, words))
        fail_msg("expected '%s' in '%s'", words, err.message);
}

/* config.json with one word in place of another. */
static void config_with(const char *folder, const char *old, const char *now)
{
    static const char config[] = TINY_CONFIG;
    const char *at = strstr(config, old);
    eng_buf b;
    assert_non_null(at);
    eng_buf_init(&b, 4096);
    eng_buf_bytes(&b, config, (size_t)(at - config));
    eng_buf_str(&b, eng_str_of(now));
    eng_buf_str(&b, eng_str_of(at + strlen(old)));
    tiny_put(folder, "config.json", eng_buf_view(&b));
    eng_buf_clear(&b);
}

static void what_is_not_supported_or_lies_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *old, *now;
        eng_status status;
        const char *words;
    } lies[] = {
        {"BertModel", "MPNetModel", ENG_EUNSUPPORTED, "'MPNetModel'"},
        {"[\"BertModel\"]", "[]", ENG_ECORRUPT, "names no architecture"},
        {"\"gelu\"", "\"silu\"", ENG_EUNSUPPORTED, "'silu'"},
        {"\"hidden_size\":32", "\"hidden_size\":0", ENG_ECORRUPT, "hidden_size"},
        {"\"hidden_size\":32", "\"hidden_size\":\"32\"", ENG_ECORRUPT, "hidden_size"},
        {"\"hidden_size\":32", "\"hidden_size\":64", ENG_ECORRUPT, "shape"},
        {"\"num_attention_heads\":4", "\"num_attention_heads\":5", ENG_ECORRUPT, "heads"},
        {"\"num_hidden_layers\":2", "\"num_hidden_layers\":3", ENG_ECORRUPT, "encoder.layer.2"},
        {"\"num_hidden_layers\":2", "\"num_hidden_layers\":99999", ENG_ECORRUPT,
         "num_hidden_layers"},
        {"\"vocab_size\":50", "\"vocab_size\":51", ENG_ECORRUPT, "word_embeddings"},
        {"\"vocab_size\":50", "\"vocab_size\":-1", ENG_ECORRUPT, "vocab_size"},
        {"\"intermediate_size\":48,", "", ENG_ECORRUPT, "intermediate_size"},
        {"1e-12", "\"small\"", ENG_ECORRUPT, "layer_norm_eps"},
        {"{", "", ENG_ECORRUPT, "config.json"},
    };
    char folder[256];
    tiny_model(folder);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        config_with(folder, lies[i].old, lies[i].now);
        expect(folder, lies[i].status, lies[i].words);
    }
    tiny_put(folder, "config.json", ENG_STR(TINY_CONFIG));
    tiny_put(folder, "modules.json", ENG_STR("[{\"type\":\"a.b.Wordplay\",\"path\":\"1_W\"}]"));
    expect(folder, ENG_EUNSUPPORTED, "'a.b.Wordplay'");
    tiny_put(folder, "modules.json", ENG_STR("[{\"type\":\"a.Pooling\",\"path\":\"../../etc\"}]"));
    expect(folder, ENG_ECORRUPT, "no folder of the model");
    tiny_put(folder, "modules.json", ENG_STR("[]"));
    tiny_put(folder, "model.safetensors", ENG_STR("short"));
    expect(folder, ENG_ETRUNCATED, "model.safetensors");
    tiny_remove(folder);
    expect(folder, ENG_ENOTFOUND, "config.json");
}

static eng_status open_and_encode(const char *folder, bool cached, const texts *t)
{
    static float out[SEQUENCES][TINY_HIDDEN];
    eng_nn_options o = {.precision = ENG_NN_INT8, .no_cache = !cached};
    eng_nn_model *m = NULL;
    eng_nn_context *c = NULL;
    eng_status status = eng_nn_open(folder, &o, &m, NULL);
    if (status == ENG_OK)
        status = eng_nn_context_new(m, 2, &c, NULL);
    if (status == ENG_OK)
        status = eng_nn_encode(c, t->all, SEQUENCES, out[0], NULL);
    eng_nn_context_free(c);
    eng_nn_close(m);
    return status;
}

static void survives_no_memory(void **state)
{
    (void)state;
    char folder[256];
    texts t;
    eng_status status;
    make_texts(&t);
    tiny_model(folder);
    for (int cached = 0; cached < 2; cached++)
        assert_survives_no_memory(status, { status = open_and_encode(folder, cached, &t); });
    tiny_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_company_order_or_threads),
        cmocka_unit_test(one_model_serves_several_contexts),
        cmocka_unit_test(what_is_out_of_range_is_named_and_nothing_computed),
        cmocka_unit_test(a_damaged_packed_file_is_made_again),
        cmocka_unit_test(processes_may_pack_at_once),
        cmocka_unit_test(other_weights_make_a_packed_file_stale),
        cmocka_unit_test(where_it_cannot_be_written_memory_does),
        cmocka_unit_test(what_is_not_supported_or_lies_is_named),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
