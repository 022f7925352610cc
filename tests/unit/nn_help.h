/* A tiny model of any architecture, in a folder of the test's own: written as transformers write one. */
#ifndef NN_HELP_H
#define NN_HELP_H

#include "base/buf.h"
#include "base/file.h"
#include "nn/nn.h"
#include "test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TINY_WORDS = 50, TINY_PLACES = 40, TINY_HIDDEN = 32, TINY_INNER = 48, TINY_LAYERS = 2 };

typedef struct {
    eng_buf header, data;
    uint64_t seed;
} tiny_writer;

static inline float tiny_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (float)((double)(*seed >> 11) * 0x1p-52 - 1);
}

/* rows 0: a vector. Norms are near 1, all else is small. */
static inline void tiny_tensor(tiny_writer *w, const char *name, size_t rows, size_t columns)
{
    size_t count = (rows ? rows : 1) * columns, begin = w->data.len;
    float about = strstr(name, "LayerNorm.weight") ? 1.0F : 0;
    for (size_t i = 0; i < count; i++) {
        float v = about + 0.3F * tiny_random(&w->seed);
        eng_buf_bytes(&w->data, &v, sizeof v);
    }
    eng_buf_format(&w->header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[",
                   w->header.len > 1 ? "," : "", name);
    if (rows)
        eng_buf_format(&w->header, "%zu,", rows);
    eng_buf_format(&w->header, "%zu],\"data_offsets\":[%zu,%zu]}", columns, begin, w->data.len);
}

static inline void tiny_linear(tiny_writer *w, const char *name, size_t n, size_t k)
{
    char full[192];
    snprintf(full, sizeof full, "%s.weight", name);
    tiny_tensor(w, full, n, k);
    snprintf(full, sizeof full, "%s.bias", name);
    tiny_tensor(w, full, 0, n);
}

static inline void tiny_norm(tiny_writer *w, const char *name)
{
    char full[192];
    snprintf(full, sizeof full, "%s.weight", name);
    tiny_tensor(w, full, 0, TINY_HIDDEN);
    snprintf(full, sizeof full, "%s.bias", name);
    tiny_tensor(w, full, 0, TINY_HIDDEN);
}

static inline void tiny_put(const char *folder, const char *name, eng_str text)
{
    char *path = eng_path_join(folder, name);
    assert_non_null(path);
    assert_int_equal(eng_file_write(path, text, 0644, NULL), ENG_OK);
    eng_free(path);
}

static inline void tiny_layers(tiny_writer *w)
{
    static const char *const names[] = {"attention.self.query", "attention.self.key",
                                        "attention.self.value", "attention.output.dense"};
    char name[128];
    for (int i = 0; i < TINY_LAYERS; i++) {
        for (int j = 0; j < 4; j++) {
            snprintf(name, sizeof name, "encoder.layer.%d.%s", i, names[j]);
            tiny_linear(w, name, TINY_HIDDEN, TINY_HIDDEN);
        }
        snprintf(name, sizeof name, "encoder.layer.%d.attention.output.LayerNorm", i);
        tiny_norm(w, name);
        snprintf(name, sizeof name, "encoder.layer.%d.intermediate.dense", i);
        tiny_linear(w, name, TINY_INNER, TINY_HIDDEN);
        snprintf(name, sizeof name, "encoder.layer.%d.output.dense", i);
        tiny_linear(w, name, TINY_HIDDEN, TINY_INNER);
        snprintf(name, sizeof name, "encoder.layer.%d.output.LayerNorm", i);
        tiny_norm(w, name);
    }
}

static inline void tiny_weights(const char *folder, uint64_t seed)
{
    tiny_writer w = {.seed = seed};
    eng_buf file;
    eng_buf_init(&w.header, 1 << 20);
    eng_buf_init(&w.data, 1 << 24);
    eng_buf_init(&file, 1 << 25);
    eng_buf_byte(&w.header, '{');
    tiny_tensor(&w, "embeddings.word_embeddings.weight", TINY_WORDS, TINY_HIDDEN);
    tiny_tensor(&w, "embeddings.position_embeddings.weight", TINY_PLACES, TINY_HIDDEN);
    tiny_tensor(&w, "embeddings.token_type_embeddings.weight", 2, TINY_HIDDEN);
    tiny_norm(&w, "embeddings.LayerNorm");
    tiny_layers(&w);
    eng_buf_byte(&w.header, '}');
    while (w.header.len % 8)
        eng_buf_byte(&w.header, ' ');
    uint64_t len = w.header.len;
    eng_buf_bytes(&file, &len, sizeof len);
    eng_buf_str(&file, eng_buf_view(&w.header));
    eng_buf_str(&file, eng_buf_view(&w.data));
    tiny_put(folder, "model.safetensors", eng_buf_view(&file));
    eng_buf_clear(&file);
    eng_buf_clear(&w.header);
    eng_buf_clear(&w.data);
}

#define TINY_CONFIG                                                                                \
    "{\"architectures\":[\"BertModel\"],\"model_type\":\"bert\",\"hidden_act\":\"gelu\","          \
    "\"hidden_size\":32,\"num_attention_heads\":4,\"num_hidden_layers\":2,"                        \
    "\"intermediate_size\":48,\"vocab_size\":50,\"max_position_embeddings\":40,"                   \
    "\"type_vocab_size\":2,\"layer_norm_eps\":1e-12}"

/* The folder's path, in `folder`: a new one, below TMPDIR. */
static inline void tiny_model(char folder[256])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, 256, "%s/nn-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    tiny_put(folder, "config.json", ENG_STR(TINY_CONFIG));
    tiny_weights(folder, 1);
}

static inline void tiny_remove(const char *folder)
{
    assert_int_equal(eng_dir_remove(folder, NULL), ENG_OK);
}

#endif
