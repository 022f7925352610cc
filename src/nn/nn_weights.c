/*
 * From a model's safetensors into the block: finding each tensor under the names that its family gives
 * it, checking its shape, packing it. A model is one file, or several that an index lists.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "format/safetensors.h"
#include "nn/nn_internal.h"
#include "json/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PARTS_MAX = 64, INDEX_MAX = 16 << 20, NAME_MAX_ = 200 };

/* The open files of one folder; tensors are looked up by prefix + name. */
typedef struct {
    eng_safetensors parts[PARTS_MAX];
    size_t count;
    const char *prefix;
    const char *folder;
    float *rows; /* scratch: one matrix as floats */
    size_t room;
} source;

/* ---- Files ---- */

static eng_status open_part(source *s, const char *name, eng_error *err)
{
    if (s->count == PARTS_MAX)
        return eng_fail(err, ENG_ETOOBIG, "'%s': more than %d files of weights", s->folder,
                        PARTS_MAX);
    char *path = eng_path_join(s->folder, name);
    eng_status status = path ? eng_safetensors_open(path, &s->parts[s->count], err)
                             : eng_fail_nomem(err);
    eng_free(path);
    s->count += status == ENG_OK;
    return status;
}

static bool is_plain_name(eng_str name)
{
    return name.len > 0 && name.len <= NAME_MAX_ && !memchr(name.ptr, '/', name.len) &&
           !memchr(name.ptr, 0, name.len) && eng_str_ends(name, ENG_STR(".safetensors"));
}

/* weight_map: tensor -> file. Each file once, in the order of their first mention. */
static eng_status list_parts(const eng_json *map, eng_str names[PARTS_MAX], size_t *count,
                             eng_error *err)
{
    *count = 0;
    for (size_t i = 0; i < eng_json_count(map); i++) {
        eng_str name = eng_json_text(eng_json_value(map, i));
        size_t at = 0;
        while (at < *count && !eng_str_eq(names[at], name))
            at++;
        if (at < *count)
            continue;
        if (!is_plain_name(name) || *count == PARTS_MAX)
            return eng_fail(err, ENG_ECORRUPT,
                            "model.safetensors.index.json: no list of up to %d files", PARTS_MAX);
        names[(*count)++] = name;
    }
    return ENG_OK;
}

typedef eng_status part_fn(void *arg, const char *name, eng_error *err);

/* Calls fn with the name of each file of weights: those of the index, or the only one. */
static eng_status each_part(const char *folder, part_fn *fn, void *arg, eng_error *err)
{
    eng_buf text;
    eng_arena arena;
    eng_buf_init(&text, INDEX_MAX);
    eng_arena_init(&arena, 4096, NULL);
    char *path = eng_path_join(folder, "model.safetensors.index.json");
    eng_status status = path ? eng_file_read(path, INDEX_MAX, &text, err) : eng_fail_nomem(err);
    if (status == ENG_ENOTFOUND) {
        status = fn(arg, "model.safetensors", err);
        goto done;
    }
    const eng_json *root = NULL;
    eng_str names[PARTS_MAX];
    size_t count = 0;
    if (status == ENG_OK)
        status = eng_json_read(eng_buf_view(&text), NULL, &arena, &root, err);
    if (status == ENG_OK)
        status = list_parts(eng_json_get(root, ENG_STR("weight_map")), names, &count, err);
    for (size_t i = 0; i < count && status == ENG_OK; i++) {
        eng_str name = eng_arena_copy(&arena, names[i]);
        status = name.ptr ? fn(arg, name.ptr, err) : eng_fail_nomem(err);
    }
done:
    eng_free(path);
    eng_buf_clear(&text);
    eng_arena_clear(&arena);
    return status;
}

static eng_status open_named(void *arg, const char *name, eng_error *err)
{
    return open_part(arg, name, err);
}

static void close_source(source *s)
{
    for (size_t i = 0; i < s->count; i++)
        eng_safetensors_close(&s->parts[i]);
    eng_free(s->rows);
    *s = (source){0};
}

/* ---- Tensors ---- */

static const eng_tensor *look_up(const source *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++) {
        const eng_tensor *t = eng_safetensors_find(&s->parts[i], eng_str_of(name));
        if (t)
            return t;
    }
    return NULL;
}

/* The tensor, of rows x columns floats (rows 0: a vector). */
static eng_status find(const source *s, const char *name, size_t rows, size_t columns,
                       const eng_tensor **out, eng_error *err)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", s->prefix, name);
    const eng_tensor *t = look_up(s, full);
    if (!t)
        return eng_fail(err, ENG_ECORRUPT, "'%s': its weights lack '%s'", s->folder, full);
    if (t->type == ENG_TENSOR_OTHER)
        return eng_fail(err, ENG_EUNSUPPORTED, "'%s': '%s' is neither F32, F16 nor BF16", s->folder,
                        full);
    bool fits = rows ? t->dims == 2 && t->shape[0] == rows && t->shape[1] == columns
                     : t->dims == 1 && t->shape[0] == columns;
    if (!fits)
        return eng_fail(err, ENG_ECORRUPT, "'%s': the shape of '%s' is not what config.json says",
                        s->folder, full);
    *out = t;
    return ENG_OK;
}

static eng_status read_floats(source *s, const char *name, size_t rows, size_t columns, float *out,
                              eng_error *err)
{
    const eng_tensor *t = NULL;
    eng_status status = find(s, name, rows, columns, &t, err);
    if (status == ENG_OK)
        eng_tensor_read(t, 0, t->count, out);
    return status;
}

/* Norms of models that came from TensorFlow have gamma and beta. */
static eng_status read_norm(source *s, const char *name, size_t n, const eng_nn_norm *to,
                            eng_error *err)
{
    char full[200], old[256];
    snprintf(full, sizeof full, "%s.weight", name);
    snprintf(old, sizeof old, "%s%s.gamma", s->prefix, name);
    bool renamed = look_up(s, old) != NULL;
    if (renamed)
        snprintf(full, sizeof full, "%s.gamma", name);
    eng_status status = read_floats(s, full, 0, n, to->gain, err);
    if (status < 0)
        return status;
    snprintf(full, sizeof full, renamed ? "%s.beta" : "%s.bias", name);
    return read_floats(s, full, 0, n, to->shift, err);
}

static eng_status make_room(source *s, size_t count, eng_error *err)
{
    if (count <= s->room)
        return ENG_OK;
    eng_free(s->rows);
    s->room = 0;
    s->rows = eng_alloc_array(count, sizeof *s->rows);
    if (!s->rows)
        return eng_fail_nomem(err);
    s->room = count;
    return ENG_OK;
}

/* A linear layer of n outputs into outputs [first, first + n) of w. The block is ours to write now. */
static eng_status read_linear(source *s, const char *name, size_t n, bool bias,
                              const eng_kern_matrix *w, size_t first, eng_error *err)
{
    char full[200];
    eng_status status = make_room(s, n * w->k, err);
    if (status < 0)
        return status;
    snprintf(full, sizeof full, "%s.weight", name);
    status = read_floats(s, full, n, w->k, s->rows, err);
    if (status < 0)
        return status;
    void *weights = (void *)(uintptr_t)w->weights;
    if (w->scale)
        eng_kern_pack_i8(s->rows, n, w->k, first, weights, (float *)(uintptr_t)w->scale,
                         (float *)(uintptr_t)w->sums);
    else
        eng_kern_pack_f32(s->rows, n, w->k, first, weights);
    if (!bias)
        return ENG_OK;
    snprintf(full, sizeof full, "%s.bias", name);
    return read_floats(s, full, 0, n, (float *)(uintptr_t)w->bias + first, err);
}

/* ---- The parts of a model ---- */

static uint16_t to_half(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= 0x47800000) /* 65,536 and more, NaN: nothing a trained embedding holds */
        return (uint16_t)(sign | (size > 0x7f800000 ? 0x7e00 : 0x7bff));
    if (size < 0x38800000) { /* below 2^-14: the sum with .5 rounds to a multiple of 2^-24 */
        float small;
        memcpy(&small, &size, sizeof small);
        small += 0.5F;
        memcpy(&size, &small, sizeof size);
        return (uint16_t)(sign | (size - 0x3f000000));
    }
    size += 0xfff + (size >> 13 & 1);
    size -= 0x38000000;
    return (uint16_t)(sign | (size >> 13 < 0x7c00 ? size >> 13 : 0x7bff));
}

static eng_status read_words(source *s, const eng_nn_config *c, const eng_nn_weights *w,
                             eng_error *err)
{
    enum { AT_ONCE = 4096 };
    float part[AT_ONCE];
    const eng_tensor *t = NULL;
    eng_status status = find(s, "embeddings.word_embeddings.weight", c->vocabulary, c->hidden, &t,
                             err);
    if (status < 0)
        return status;
    void *words = (void *)(uintptr_t)w->words;
    if (c->info.precision == ENG_NN_F32) {
        eng_tensor_read(t, 0, t->count, words);
        return ENG_OK;
    }
    uint16_t *halves = words;
    for (size_t i = 0; i < t->count; i += AT_ONCE) {
        size_t count = t->count - i < AT_ONCE ? t->count - i : AT_ONCE;
        eng_tensor_read(t, i, count, part);
        for (size_t j = 0; j < count; j++)
            halves[i + j] = to_half(part[j]);
    }
    return ENG_OK;
}

static eng_status read_embeddings(source *s, const eng_nn_config *c, const eng_nn_weights *w,
                                  eng_error *err)
{
    eng_status status = read_words(s, c, w, err);
    if (status == ENG_OK)
        status = read_floats(s, "embeddings.position_embeddings.weight", c->positions, c->hidden,
                             w->places, err);
    if (status == ENG_OK)
        status = read_floats(s, "embeddings.token_type_embeddings.weight", c->types, c->hidden,
                             w->types, err);
    if (status == ENG_OK)
        status = read_norm(s, "embeddings.LayerNorm", c->hidden, &w->embedded, err);
    return status;
}

static eng_status read_layer(source *s, const eng_nn_config *c, size_t index, const eng_nn_layer *l,
                             eng_error *err)
{
    const struct {
        const char *name;
        size_t n, first;
        const eng_kern_matrix *to;
    } linears[] = {
        {"attention.self.query", c->hidden, 0, &l->qkv},
        {"attention.self.key", c->hidden, c->hidden, &l->qkv},
        {"attention.self.value", c->hidden, 2 * c->hidden, &l->qkv},
        {"attention.output.dense", c->hidden, 0, &l->mix},
        {"intermediate.dense", c->inner, 0, &l->up},
        {"output.dense", c->hidden, 0, &l->down},
    };
    char name[160];
    eng_status status = ENG_OK;
    for (size_t i = 0; i < sizeof linears / sizeof linears[0] && status == ENG_OK; i++) {
        snprintf(name, sizeof name, "encoder.layer.%zu.%s", index, linears[i].name);
        status = read_linear(s, name, linears[i].n, true, linears[i].to, linears[i].first, err);
    }
    if (status < 0)
        return status;
    snprintf(name, sizeof name, "encoder.layer.%zu.attention.output.LayerNorm", index);
    status = read_norm(s, name, c->hidden, &l->after_mix, err);
    if (status < 0)
        return status;
    snprintf(name, sizeof name, "encoder.layer.%zu.output.LayerNorm", index);
    return read_norm(s, name, c->hidden, &l->after_down, err);
}

/* BERT's head begins with the pooler, which belongs to the encoder; RoBERTa's is a part of its own. */
static eng_status read_head(source *s, const eng_nn_config *c, const eng_nn_weights *w,
                            eng_error *err)
{
    bool bert = c->family == ENG_NN_BERT;
    if (!bert)
        s->prefix = "";
    eng_status status = read_linear(s, bert ? "pooler.dense" : "classifier.dense", c->hidden, true,
                                    &w->head, 0, err);
    s->prefix = "";
    if (status == ENG_OK)
        status = read_linear(s, bert ? "classifier" : "classifier.out_proj", c->labels, true,
                             &w->labels, 0, err);
    return status;
}

static eng_status read_dense(const eng_nn_step *step, const eng_kern_matrix *w, eng_error *err)
{
    source s = {.prefix = "", .folder = step->folder};
    eng_status status = open_part(&s, "model.safetensors", err);
    if (status == ENG_OK)
        status = read_linear(&s, "linear", step->out, step->has_bias, w, 0, err);
    close_source(&s);
    return status;
}

/* The encoder stands alone in its file, or as a part of a larger model. */
static eng_status find_prefix(source *s, eng_error *err)
{
    static const char *const prefixes[] = {"", "bert.", "roberta.", "xlm_roberta."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%sembeddings.word_embeddings.weight", prefixes[i]);
        if (look_up(s, name)) {
            s->prefix = prefixes[i];
            return ENG_OK;
        }
    }
    return eng_fail(err, ENG_ECORRUPT, "'%s': its weights lack 'embeddings.word_embeddings.weight'",
                    s->folder);
}

eng_status eng_nn_read_weights(const char *folder, const eng_nn_config *c, const eng_nn_weights *w,
                               eng_error *err)
{
    source *s = eng_zalloc(sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->folder = folder;
    eng_status status = each_part(folder, open_named, s, err);
    if (status == ENG_OK)
        status = find_prefix(s, err);
    if (status == ENG_OK)
        status = read_embeddings(s, c, w, err);
    for (size_t i = 0; i < c->layers && status == ENG_OK; i++)
        status = read_layer(s, c, i, &w->layers[i], err);
    if (status == ENG_OK && c->scores)
        status = read_head(s, c, w, err);
    for (size_t i = 0; i < c->step_count && status == ENG_OK; i++)
        if (c->steps[i].kind == ENG_NN_DENSE)
            status = read_dense(&c->steps[i], &w->dense[i], err);
    close_source(s);
    eng_free(s);
    return status;
}

/* ---- Fingerprint ---- */

typedef struct {
    const char *folder;
    uint64_t *out;
} print;

/* What stat says changes whenever a file is replaced or written to. */
static eng_status add_file(void *arg, const char *name, eng_error *err)
{
    static const uint64_t key[2] = {0x656e67656e686f20, 0x6e6e2e7061636b20};
    print *p = arg;
    struct stat st;
    char *path = eng_path_join(p->folder, name);
    if (!path)
        return eng_fail_nomem(err);
    eng_status status = ENG_OK;
    if (stat(path, &st) < 0) {
        status = eng_fail_errno(err, errno, "cannot open '%s'", path);
    } else {
        uint64_t facts[] = {p->out[0],
                            p->out[1],
                            (uint64_t)st.st_size,
                            (uint64_t)st.st_mtim.tv_sec,
                            (uint64_t)st.st_mtim.tv_nsec,
                            eng_siphash(name, strlen(name), key)};
        p->out[0] = eng_siphash(facts, sizeof facts, key);
        p->out[1] = eng_siphash(facts + 1, sizeof facts - 8, key);
    }
    eng_free(path);
    return status;
}

eng_status eng_nn_fingerprint(const char *folder, const eng_nn_config *c, uint64_t out[2],
                              eng_error *err)
{
    print p = {folder, out};
    out[0] = out[1] = 0;
    eng_status status = add_file(&p, "config.json", err);
    if (status == ENG_OK)
        status = each_part(folder, add_file, &p, err);
    for (size_t i = 0; i < c->step_count && status == ENG_OK; i++) {
        if (c->steps[i].kind != ENG_NN_DENSE)
            continue;
        p.folder = c->steps[i].folder;
        status = add_file(&p, "model.safetensors", err);
    }
    return status;
}
