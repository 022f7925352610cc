/*
 * The model's own files say everything: what is absent has the value that its library gives it, and
 * what we do not know how to compute is refused by name.
 */
#include "base/error.h"
#include "nn/nn_internal.h"
#include "json/json.h"

#include <string.h>

enum { FILE_MAX = 4 << 20, HIDDEN_MAX = 8192, INNER_MAX = 65536, HEAD_MAX = 256 };
enum { VOCABULARY_MAX = 1 << 22, POSITIONS_MAX = 1 << 16, LABELS_MAX = 4096, PROMPTS_MAX = 256 };

/* One file of the folder; *out is NULL where there is none. */
static eng_status read_json(const char *folder, const char *name, eng_arena *arena,
                            const eng_json **out, eng_error *err)
{
    eng_buf text;
    eng_buf_init(&text, FILE_MAX);
    *out = NULL;
    char *path = eng_path_join(folder, name);
    eng_status status = path ? eng_file_read(path, FILE_MAX, &text, err) : eng_fail_nomem(err);
    if (status == ENG_OK) {
        status = eng_json_read(eng_buf_view(&text), NULL, arena, out, err);
        if (status < 0)
            eng_error_prefix(err, "'%s'", path);
        if (status < 0 && status != ENG_ENOMEM)
            status = ENG_ECORRUPT;
        if (err && status == ENG_ECORRUPT)
            err->status = status;
    } else if (status == ENG_ENOTFOUND) {
        status = ENG_OK;
    }
    eng_buf_clear(&text);
    eng_free(path);
    return status;
}

/* A whole number from least to most, or `preset` where it is absent and that is not 0. */
static eng_status read_size(const eng_json *root, const char *name, size_t least, size_t most,
                            size_t preset, size_t *out, eng_error *err)
{
    const eng_json *v = eng_json_get(root, eng_str_of(name));
    *out = preset;
    if ((!v || v->type == ENG_JSON_NULL) && preset)
        return ENG_OK;
    if (!eng_json_is(v, ENG_JSON_INT) || v->as.integer < (int64_t)least ||
        v->as.integer > (int64_t)most)
        return eng_fail(err, ENG_ECORRUPT,
                        "config.json: %s: expected a number from %zu to %zu, got %s", name, least,
                        most, eng_json_type_name(v));
    *out = (size_t)v->as.integer;
    return ENG_OK;
}

/* ---- config.json ---- */

static const struct {
    const char *name;
    eng_nn_family family;
    bool scores;
} architectures[] = {
    {"BertModel", ENG_NN_BERT, false},
    {"BertForMaskedLM", ENG_NN_BERT, false},
    {"BertForSequenceClassification", ENG_NN_BERT, true},
    {"XLMRobertaModel", ENG_NN_ROBERTA, false},
    {"XLMRobertaForMaskedLM", ENG_NN_ROBERTA, false},
    {"XLMRobertaForSequenceClassification", ENG_NN_ROBERTA, true},
    {"RobertaModel", ENG_NN_ROBERTA, false},
    {"RobertaForMaskedLM", ENG_NN_ROBERTA, false},
    {"RobertaForSequenceClassification", ENG_NN_ROBERTA, true},
};

static eng_status read_architecture(const eng_json *root, eng_nn_config *c, eng_error *err)
{
    eng_str name = eng_json_text(eng_json_at(eng_json_get(root, ENG_STR("architectures")), 0));
    eng_str type = eng_json_text(eng_json_get(root, ENG_STR("model_type")));
    if (name.len == 0)
        return eng_fail(err, ENG_ECORRUPT, "config.json: names no architecture (model_type '%.*s')",
                        ENG_FMT(type));
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++) {
        if (!eng_str_eq(name, eng_str_of(architectures[i].name)))
            continue;
        c->architecture = architectures[i].name;
        c->family = architectures[i].family;
        c->scores = architectures[i].scores;
        return ENG_OK;
    }
    return eng_fail(err, ENG_EUNSUPPORTED,
                    "architecture '%.*s' is not supported: only encoders of the BERT and "
                    "XLM-RoBERTa families are",
                    ENG_FMT(name));
}

/* What changes the computation, and has one value that we compute. */
static eng_status check_kind(const eng_json *root, const char *name, const char *expected,
                             eng_error *err)
{
    const eng_json *v = eng_json_get(root, eng_str_of(name));
    if (!v || v->type == ENG_JSON_NULL || eng_str_eq(eng_json_text(v), eng_str_of(expected)))
        return ENG_OK;
    return eng_fail(err, ENG_EUNSUPPORTED, "config.json: %s '%.*s' is not supported, only '%s' is",
                    name, ENG_FMT(eng_json_text(v)), expected);
}

static eng_status read_numbers(const eng_json *root, eng_nn_config *c, eng_error *err)
{
    size_t pad = 0;
    const struct {
        const char *name;
        size_t most, preset, *to;
    } numbers[] = {
        {"hidden_size", HIDDEN_MAX, 0, &c->hidden},
        {"num_attention_heads", HIDDEN_MAX, 0, &c->heads},
        {"num_hidden_layers", ENG_NN_LAYERS_MAX, 0, &c->layers},
        {"intermediate_size", INNER_MAX, 0, &c->inner},
        {"vocab_size", VOCABULARY_MAX, 0, &c->vocabulary},
        {"max_position_embeddings", POSITIONS_MAX, 0, &c->positions},
        {"type_vocab_size", 255, 2, &c->types},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        eng_status status = read_size(root, numbers[i].name, 1, numbers[i].most, numbers[i].preset,
                                      numbers[i].to, err);
        if (status < 0)
            return status;
    }
    eng_status status = read_size(root, "pad_token_id", 0, VOCABULARY_MAX,
                                  c->family == ENG_NN_ROBERTA ? 1 : 0, &pad, err);
    if (status < 0 && eng_json_get(root, ENG_STR("pad_token_id")))
        return status;
    c->pad_id = (uint32_t)pad;
    if (c->hidden % c->heads || c->hidden / c->heads > HEAD_MAX)
        return eng_fail(err, ENG_ECORRUPT,
                        "config.json: %zu heads for a hidden_size of %zu: heads have to divide it, "
                        "into parts of at most %d",
                        c->heads, c->hidden, HEAD_MAX);
    if (c->family == ENG_NN_ROBERTA && c->positions <= pad + 1)
        return eng_fail(err, ENG_ECORRUPT, "config.json: no positions behind pad_token_id %zu",
                        pad);
    double epsilon = 1e-12;
    const eng_json *v = eng_json_get(root, ENG_STR("layer_norm_eps"));
    if (v && (!eng_json_number(v, &epsilon) || epsilon < 0 || epsilon > 1))
        return eng_fail(err, ENG_ECORRUPT,
                        "config.json: layer_norm_eps: expected a number from 0 to 1");
    c->epsilon = (float)epsilon;
    return ENG_OK;
}

/* Pairs are scored by a sigmoid unless the file says otherwise or there are several labels. */
static void read_activation(const eng_json *root, eng_nn_config *c)
{
    const eng_json *own = eng_json_get(root, ENG_STR("sentence_transformers"));
    eng_str name = eng_json_text(eng_json_get(own, ENG_STR("activation_fn")));
    if (name.len == 0)
        name = eng_json_text(eng_json_get(root, ENG_STR("sbert_ce_default_activation_function")));
    c->info.sigmoid = name.len ? eng_str_ends(name, ENG_STR("Sigmoid")) : c->labels == 1;
}

static eng_status read_labels(const eng_json *root, eng_nn_config *c, eng_error *err)
{
    const eng_json *names = eng_json_get(root, ENG_STR("id2label"));
    size_t preset = eng_json_is(names, ENG_JSON_OBJECT) && names->count ? names->count : 2;
    eng_status status = read_size(root, "num_labels", 1, LABELS_MAX, preset, &c->labels, err);
    if (status == ENG_OK)
        read_activation(root, c);
    return status;
}

static eng_status read_main(const eng_json *root, eng_nn_config *c, eng_error *err)
{
    if (!eng_json_is(root, ENG_JSON_OBJECT))
        return eng_fail(err, root ? ENG_ECORRUPT : ENG_ENOTFOUND, "config.json: %s",
                        root ? "no object" : "no such file");
    eng_status status = read_architecture(root, c, err);
    if (status == ENG_OK)
        status = check_kind(root, "hidden_act", "gelu", err);
    if (status == ENG_OK)
        status = check_kind(root, "position_embedding_type", "absolute", err);
    if (status == ENG_OK)
        status = read_numbers(root, c, err);
    if (status == ENG_OK && c->scores)
        status = read_labels(root, c, err);
    return status;
}

/* ---- modules.json and its folders ---- */

static eng_status read_pooling(const eng_json *root, eng_nn_config *c, eng_error *err)
{
    static const struct {
        const char *flag, *name;
        eng_nn_pool pool;
    } modes[] = {
        {"pooling_mode_cls_token", "cls", ENG_NN_POOL_CLS},
        {"pooling_mode_max_tokens", "max", ENG_NN_POOL_MAX},
        {"pooling_mode_mean_tokens", "mean", ENG_NN_POOL_MEAN},
        {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", ENG_NN_POOL_MEAN_SQRT},
        {"pooling_mode_weightedmean_tokens", "weightedmean", ENG_NN_POOL_WEIGHTED},
        {"pooling_mode_lasttoken", "lasttoken", ENG_NN_POOL_LAST},
    };
    eng_str named = eng_json_text(eng_json_get(root, ENG_STR("pooling_mode")));
    bool any = false;
    memset(c->pools, 0, sizeof c->pools);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        const eng_json *flag = eng_json_get(root, eng_str_of(modes[i].flag));
        bool on = named.len ? eng_str_eq(named, eng_str_of(modes[i].name))
                            : eng_json_is(flag, ENG_JSON_BOOL) && flag->as.boolean;
        c->pools[modes[i].pool] = on;
        any |= on;
    }
    const eng_json *prompt = eng_json_get(root, ENG_STR("include_prompt"));
    if (eng_json_is(prompt, ENG_JSON_BOOL) && !prompt->as.boolean)
        return eng_fail(err, ENG_EUNSUPPORTED,
                        "pooling without the prompt's tokens is not supported");
    if (!any)
        return eng_fail(err, named.len ? ENG_EUNSUPPORTED : ENG_ECORRUPT,
                        "pooling: no mode that is known%s%.*s", named.len ? ": " : "",
                        ENG_FMT(named));
    return ENG_OK;
}

static eng_status read_dense(const eng_json *root, eng_nn_step *s, eng_error *err)
{
    eng_status status = read_size(root, "in_features", 1, HIDDEN_MAX * ENG_NN_POOLS, 0, &s->in,
                                  err);
    if (status == ENG_OK)
        status = read_size(root, "out_features", 1, HIDDEN_MAX, 0, &s->out, err);
    if (status < 0)
        return status;
    const eng_json *bias = eng_json_get(root, ENG_STR("bias"));
    s->has_bias = !eng_json_is(bias, ENG_JSON_BOOL) || bias->as.boolean;
    eng_str then = eng_json_text(eng_json_get(root, ENG_STR("activation_function")));
    s->tanh = then.len == 0 || eng_str_ends(then, ENG_STR("Tanh"));
    if (!s->tanh && !eng_str_ends(then, ENG_STR("Identity")))
        return eng_fail(err, ENG_EUNSUPPORTED, "dense layer: activation '%.*s' is not supported",
                        ENG_FMT(then));
    return ENG_OK;
}

/* The folder of a module: named by a stranger, so a plain name below the model's. */
static eng_status module_folder(const char *folder, const eng_json *module, eng_arena *arena,
                                char **out, eng_error *err)
{
    eng_str path = eng_json_text(eng_json_get(module, ENG_STR("path")));
    if (path.len > 200 || memchr(path.ptr, '/', path.len) || memchr(path.ptr, 0, path.len) ||
        eng_str_starts(path, ENG_STR("..")))
        return eng_fail(err, ENG_ECORRUPT, "modules.json: '%.*s' is no folder of the model",
                        (int)(path.len < 200 ? path.len : 200), path.ptr);
    eng_str joined = eng_arena_format(arena, "%s/%.*s", folder, ENG_FMT(path));
    *out = (char *)(uintptr_t)joined.ptr;
    return *out ? ENG_OK : eng_fail_nomem(err);
}

static eng_status read_module(const char *folder, const eng_json *module, eng_arena *arena,
                              eng_nn_config *c, eng_error *err)
{
    eng_str type = eng_json_text(eng_json_get(module, ENG_STR("type")));
    bool dense = eng_str_ends(type, ENG_STR(".Dense"));
    if (eng_str_ends(type, ENG_STR(".Transformer")) || eng_str_ends(type, ENG_STR(".Dropout")))
        return ENG_OK;
    if (c->step_count == ENG_NN_STEPS_MAX)
        return eng_fail(err, ENG_EUNSUPPORTED, "modules.json: more than %d steps",
                        ENG_NN_STEPS_MAX);
    eng_nn_step *step = &c->steps[c->step_count];
    *step = (eng_nn_step){.kind = ENG_NN_NORMALISE};
    if (eng_str_ends(type, ENG_STR(".Normalize"))) {
        c->step_count++;
        return ENG_OK;
    }
    if (!dense && !eng_str_ends(type, ENG_STR(".Pooling")))
        return eng_fail(err, ENG_EUNSUPPORTED, "modules.json: module '%.*s' is not supported",
                        ENG_FMT(type));
    const eng_json *root;
    eng_status status = module_folder(folder, module, arena, &step->folder, err);
    if (status == ENG_OK)
        status = read_json(step->folder, "config.json", arena, &root, err);
    if (status == ENG_OK && !root)
        status = eng_fail(err, ENG_ECORRUPT, "'%s' has no config.json", step->folder);
    if (status == ENG_OK)
        status = dense ? read_dense(root, step, err) : read_pooling(root, c, err);
    if (status == ENG_OK && dense) {
        step->kind = ENG_NN_DENSE;
        c->step_count++;
    }
    return status;
}

static eng_status read_modules(const char *folder, eng_arena *arena, eng_nn_config *c,
                               eng_error *err)
{
    const eng_json *root;
    c->pools[ENG_NN_POOL_MEAN] = true;
    eng_status status = read_json(folder, "modules.json", arena, &root, err);
    if (status == ENG_OK && root && root->type != ENG_JSON_ARRAY)
        status = eng_fail(err, ENG_ECORRUPT, "modules.json: no list");
    for (size_t i = 0; status == ENG_OK && i < eng_json_count(root); i++)
        status = read_module(folder, eng_json_at(root, i), arena, c, err);
    return status;
}

/* Every step takes what the one before it gives. */
static eng_status check_steps(eng_nn_config *c, eng_error *err)
{
    size_t width = 0;
    for (int p = 0; p < ENG_NN_POOLS; p++)
        width += c->pools[p] ? c->hidden : 0;
    for (size_t i = 0; i < c->step_count; i++) {
        eng_nn_step *s = &c->steps[i];
        if (s->kind == ENG_NN_DENSE && s->in != width)
            return eng_fail(err, ENG_ECORRUPT, "dense layer: takes %zu numbers, but gets %zu",
                            s->in, width);
        s->in = width;
        if (s->kind == ENG_NN_NORMALISE)
            s->out = width;
        width = s->out;
        c->info.normalised = s->kind == ENG_NN_NORMALISE;
    }
    c->info.width = width;
    return ENG_OK;
}

/* ---- What sentence-transformers keeps beside ---- */

static eng_status read_limits(const char *folder, eng_arena *arena, eng_nn_config *c,
                              eng_error *err)
{
    const eng_json *root;
    eng_status status = read_json(folder, "sentence_bert_config.json", arena, &root, err);
    if (status < 0)
        return status;
    size_t most = c->family == ENG_NN_ROBERTA ? c->positions - c->pad_id - 1 : c->positions;
    c->info.positions = most;
    const eng_json *v = eng_json_get(root, ENG_STR("max_seq_length"));
    if (eng_json_is(v, ENG_JSON_INT) && v->as.integer > 0 && (uint64_t)v->as.integer < most)
        most = (size_t)v->as.integer;
    c->info.max_tokens = most;
    v = eng_json_get(root, ENG_STR("do_lower_case"));
    c->info.lower_case = eng_json_is(v, ENG_JSON_BOOL) && v->as.boolean;
    return ENG_OK;
}

static eng_status read_prompts(const char *folder, eng_arena *arena, eng_nn_config *c,
                               eng_error *err)
{
    const eng_json *root;
    eng_status status = read_json(folder, "config_sentence_transformers.json", arena, &root, err);
    const eng_json *prompts = eng_json_get(root, ENG_STR("prompts"));
    if (status < 0 || !eng_json_is(prompts, ENG_JSON_OBJECT))
        return status;
    size_t count = prompts->count < PROMPTS_MAX ? prompts->count : PROMPTS_MAX;
    eng_nn_prompt *list = eng_arena_array(arena, count + 1, sizeof *list);
    if (!list)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const eng_json *text = eng_json_value(prompts, i);
        list[i].name = eng_json_key(prompts, i).ptr;
        list[i].text = eng_json_is(text, ENG_JSON_STRING) ? text->as.text : "";
    }
    c->info.prompts = list;
    c->info.prompt_count = count;
    const eng_json *preset = eng_json_get(root, ENG_STR("default_prompt_name"));
    c->info.default_prompt = eng_json_is(preset, ENG_JSON_STRING) ? preset->as.text : NULL;
    return ENG_OK;
}

eng_status eng_nn_read_config(const char *folder, eng_arena *arena, eng_nn_config *out,
                              eng_error *err)
{
    const eng_json *root;
    *out = (eng_nn_config){0};
    eng_status status = read_json(folder, "config.json", arena, &root, err);
    if (status == ENG_OK)
        status = read_main(root, out, err);
    if (status == ENG_OK && !out->scores) {
        status = read_modules(folder, arena, out, err);
        if (status == ENG_OK)
            status = check_steps(out, err);
    }
    if (status == ENG_OK)
        status = read_limits(folder, arena, out, err);
    if (status == ENG_OK)
        status = read_prompts(folder, arena, out, err);
    if (status < 0) {
        eng_error_prefix(err, "model '%s'", folder);
        return status;
    }
    out->info.architecture = out->architecture;
    out->info.labels = out->labels;
    out->info.vocabulary = out->vocabulary;
    out->info.types = out->types;
    return ENG_OK;
}
