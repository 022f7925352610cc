/* Models small enough to be made by a test: two layers, 32 wide, weights from a fixed sequence. */
#ifndef ENG_MODEL_HELP_H
#define ENG_MODEL_HELP_H

#include "engine_help.h"

enum { TINY_HIDDEN = 32, TINY_INNER = 64, TINY_LAYERS = 2, TINY_POSITIONS = 64 };

typedef struct {
    eng_buf head;
    eng_buf data;
    uint64_t random;
} tiny_weights;

static const char *const tiny_words[] = {
    "[PAD]", "[UNK]",  "[CLS]", "[SEP]", "[MASK]", "a",     "b",       "c", "um",  "dois",
    "roda",  "moinho", "vento", "bolo",  "casa",   "query", "passage", ":", "tem", "doze",
};
enum { TINY_WORDS = sizeof tiny_words / sizeof *tiny_words };

static inline float tiny_next(tiny_weights *w)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((float)(w->random >> 40) / (float)(1 << 24) - 0.5F) * 0.6F;
}

/* A tensor of rows x columns (columns 0: a vector); `one` for gains. */
static inline void tiny_tensor(tiny_weights *w, const char *name, size_t rows, size_t columns,
                               bool one)
{
    size_t count = rows * (columns ? columns : 1), from = w->data.len;
    for (size_t i = 0; i < count; i++) {
        float v = one ? 1 : tiny_next(w);
        eng_buf_bytes(&w->data, &v, sizeof v);
    }
    eng_buf_format(&w->head, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu",
                   w->head.len > 1 ? "," : "", name, rows);
    if (columns)
        eng_buf_format(&w->head, ",%zu", columns);
    eng_buf_format(&w->head, "],\"data_offsets\":[%zu,%zu]}", from, w->data.len);
}

static inline void tiny_linear(tiny_weights *w, const char *prefix, const char *name, size_t out,
                               size_t in)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    tiny_tensor(w, full, out, in, false);
    snprintf(full, sizeof full, "%s%s.bias", prefix, name);
    tiny_tensor(w, full, out, 0, false);
}

static inline void tiny_norm(tiny_weights *w, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    tiny_tensor(w, full, TINY_HIDDEN, 0, true);
    snprintf(full, sizeof full, "%s%s.bias", prefix, name);
    tiny_tensor(w, full, TINY_HIDDEN, 0, false);
}

static inline void tiny_write_weights(const char *dir, bool scores)
{
    eng_error err = {0};
    eng_buf file;
    tiny_weights w = {.random = 42};
    const char *base = scores ? "bert." : "";
    eng_buf_init(&w.head, 1 << 20);
    eng_buf_init(&w.data, 8 << 20);
    eng_buf_init(&file, 8 << 20);
    eng_buf_byte(&w.head, '{');
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%sembeddings.", base);
    char name[128];
    snprintf(name, sizeof name, "%sword_embeddings.weight", prefix);
    tiny_tensor(&w, name, TINY_WORDS, TINY_HIDDEN, false);
    snprintf(name, sizeof name, "%sposition_embeddings.weight", prefix);
    tiny_tensor(&w, name, TINY_POSITIONS, TINY_HIDDEN, false);
    snprintf(name, sizeof name, "%stoken_type_embeddings.weight", prefix);
    tiny_tensor(&w, name, 2, TINY_HIDDEN, false);
    tiny_norm(&w, prefix, "LayerNorm");
    for (int layer = 0; layer < TINY_LAYERS; layer++) {
        snprintf(prefix, sizeof prefix, "%sencoder.layer.%d.", base, layer);
        tiny_linear(&w, prefix, "attention.self.query", TINY_HIDDEN, TINY_HIDDEN);
        tiny_linear(&w, prefix, "attention.self.key", TINY_HIDDEN, TINY_HIDDEN);
        tiny_linear(&w, prefix, "attention.self.value", TINY_HIDDEN, TINY_HIDDEN);
        tiny_linear(&w, prefix, "attention.output.dense", TINY_HIDDEN, TINY_HIDDEN);
        tiny_norm(&w, prefix, "attention.output.LayerNorm");
        tiny_linear(&w, prefix, "intermediate.dense", TINY_INNER, TINY_HIDDEN);
        tiny_linear(&w, prefix, "output.dense", TINY_HIDDEN, TINY_INNER);
        tiny_norm(&w, prefix, "output.LayerNorm");
    }
    if (scores) {
        tiny_linear(&w, base, "pooler.dense", TINY_HIDDEN, TINY_HIDDEN);
        tiny_linear(&w, "", "classifier", 1, TINY_HIDDEN);
    }
    eng_buf_byte(&w.head, '}');
    while (w.head.len % 8)
        eng_buf_byte(&w.head, ' ');
    uint64_t len = w.head.len;
    eng_buf_bytes(&file, &len, sizeof len);
    eng_buf_str(&file, eng_buf_view(&w.head));
    eng_buf_str(&file, eng_buf_view(&w.data));
    char *path = eng_path_join(dir, "model.safetensors");
    assert_non_null(path);
    assert_ok(eng_file_write(path, eng_buf_view(&file), 0600, &err), err);
    eng_free(path);
    eng_buf_clear(&w.head);
    eng_buf_clear(&w.data);
    eng_buf_clear(&file);
}

static inline void tiny_write_tokenizer(const char *dir)
{
    eng_buf out;
    eng_buf_init(&out, 1 << 20);
    eng_buf_str(&out, ENG_STR("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
                              "\"added_tokens\":["));
    for (int i = 0; i < 5; i++)
        eng_buf_format(&out,
                       "%s{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,"
                       "\"rstrip\":false,\"normalized\":false,\"special\":true}",
                       i ? "," : "", i, tiny_words[i]);
    eng_buf_str(&out,
                ENG_STR("],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
                        "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
                        "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
                        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
                        "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
                        "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                        "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}],\"pair\":["
                        "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
                        "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                        "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}},"
                        "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},"
                        "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":1}}],"
                        "\"special_tokens\":{"
                        "\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[2],\"tokens\":[\"[CLS]\"]},"
                        "\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[3],\"tokens\":[\"[SEP]\"]}}},"
                        "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
                        "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
                        "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"
                        "\"vocab\":{"));
    for (int i = 0; i < TINY_WORDS; i++)
        eng_buf_format(&out, "%s\"%s\":%d", i ? "," : "", tiny_words[i], i);
    eng_buf_str(&out, ENG_STR("}}}"));
    write_file(dir, "tokenizer.json", out.data);
    eng_buf_clear(&out);
}

/* `more` goes into config.json: "\"is_matryoshka\":true,". */
static inline void tiny_model(const char *dir, bool scores, const char *more)
{
    eng_buf config;
    eng_buf_init(&config, 4096);
    eng_buf_format(&config,
                   "{%s\"model_type\":\"bert\",\"architectures\":[\"%s\"],\"hidden_size\":%d,"
                   "\"num_attention_heads\":2,\"num_hidden_layers\":%d,\"intermediate_size\":%d,"
                   "\"vocab_size\":%d,\"max_position_embeddings\":%d,\"type_vocab_size\":2,"
                   "\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-12,\"pad_token_id\":0%s}",
                   more, scores ? "BertForSequenceClassification" : "BertModel", TINY_HIDDEN,
                   TINY_LAYERS, TINY_INNER, TINY_WORDS, TINY_POSITIONS,
                   scores ? ",\"id2label\":{\"0\":\"LABEL_0\"}" : "");
    write_file(dir, "config.json", config.data);
    eng_buf_clear(&config);
    if (!scores) {
        write_file(dir, "modules.json",
                   "[{\"idx\":0,\"name\":\"0\",\"path\":\"\","
                   "\"type\":\"sentence_transformers.models.Transformer\"},"
                   "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\","
                   "\"type\":\"sentence_transformers.models.Pooling\"},"
                   "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\","
                   "\"type\":\"sentence_transformers.models.Normalize\"}]");
        write_file(dir, "1_Pooling/config.json",
                   "{\"word_embedding_dimension\":32,\"pooling_mode_mean_tokens\":true}");
    }
    tiny_write_tokenizer(dir);
    tiny_write_weights(dir, scores);
}

#endif
