/*
 * Pulling a model: list what its source has, take the files that are needed, the smallest first, look at
 * what they say before the large ones are fetched, and publish when all are there.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "engine/model_internal.h"

enum { FILES_MAX = 64, CONFIG_MAX = 1 << 20 };

static const char config_name[] = "config.json";
static const char weights_name[] = "model.safetensors";
static const char tokenizer_name[] = "tokenizer.json";

/* ---- Which files ---- */

/* "1_Pooling": a module of sentence-transformers has a folder of its own. */
static bool is_module_folder(eng_str name)
{
    size_t digits = 0;
    while (digits < name.len && name.ptr[digits] >= '0' && name.ptr[digits] <= '9')
        digits++;
    return digits > 0 && digits + 1 < name.len && name.ptr[digits] == '_' && name.len < 64;
}

static bool is_needed(eng_str path)
{
    static const char *const names[] = {
        config_name,
        weights_name,
        tokenizer_name,
        "tokenizer_config.json",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "config_sentence_transformers.json",
    };
    eng_str folder, name;
    if (eng_str_cut(path, '/', &folder, &name))
        return is_module_folder(folder) && (eng_str_eq(name, eng_str_of(config_name)) ||
                                            eng_str_eq(name, eng_str_of(weights_name)));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (eng_str_eq(path, eng_str_of(names[i])))
            return true;
    return false;
}

static void pin_sum(const eng_model_pin *pin, eng_sum *out)
{
    *out = (eng_sum){.kind = ENG_SUM_SHA256, .size = pin->size, .sized = true};
    sodium_hex2bin(out->sum, sizeof out->sum, pin->sha256, 2 * ENG_SHA256_SIZE, NULL, NULL, NULL);
}

static eng_status grow(eng_puller *p, eng_error *err)
{
    if (p->count < p->cap)
        return ENG_OK;
    if (p->count >= FILES_MAX)
        return eng_fail(err, ENG_ETOOBIG, "more than %d files", FILES_MAX);
    size_t cap = p->cap ? 2 * p->cap : 16;
    eng_pull_file *files = eng_arena_array(p->arena, cap, sizeof *files);
    if (!files)
        return eng_fail_nomem(err);
    if (p->count)
        memcpy(files, p->files, p->count * sizeof *files);
    p->files = files;
    p->cap = cap;
    return ENG_OK;
}

eng_status eng_pull_offer(eng_puller *p, eng_str path, const eng_sum *want, size_t index,
                          eng_error *err)
{
    const eng_model_pin *pin = eng_known_pin(p->known, path);
    if (!is_needed(path))
        return ENG_OK;
    eng_status status = grow(p, err);
    if (status < 0)
        return status;
    eng_pull_file *file = &p->files[p->count];
    *file = (eng_pull_file){.path = eng_arena_copy(p->arena, path), .want = *want, .index = index};
    if (!file->path.ptr)
        return eng_fail_nomem(err);
    /* Of another revision than the pinned one nothing is known. */
    bool pinned = pin && p->known->revision &&
                  (p->revision.len == 0 || eng_str_eq(p->revision, eng_str_of(p->known->revision)));
    if (pinned)
        pin_sum(pin, &file->want);
    p->count++;
    return ENG_OK;
}

static eng_pull_file *find_file(const eng_puller *p, const char *path)
{
    for (size_t i = 0; i < p->count; i++)
        if (eng_str_eq(p->files[i].path, eng_str_of(path)))
            return &p->files[i];
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const eng_pull_file *x = a, *y = b;
    if (x->want.size != y->want.size)
        return x->want.size < y->want.size ? -1 : 1;
    return eng_str_cmp(x->path, y->path);
}

static eng_status check_files(const eng_puller *p, eng_error *err)
{
    static const char *const needed[] = {config_name, tokenizer_name, weights_name};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!find_file(p, needed[i]))
            return eng_fail(err, ENG_EUNSUPPORTED, "it has no %s, without which it cannot be run",
                            needed[i]);
    return ENG_OK;
}

/* ---- Fetching ---- */

eng_status eng_pull_report(eng_puller *p, uint64_t bytes, eng_error *err)
{
    p->done += bytes;
    if (p->progress && !p->progress(p->ctx, p->done, p->total))
        return eng_fail(err, ENG_ECANCELLED, "cancelled");
    return ENG_OK;
}

static eng_status fetch_into(eng_puller *p, eng_pull_file *file, eng_incoming *in, eng_error *err)
{
    eng_status status = p->source->fetch(p, file, in, err);
    return status < 0 ? status : eng_incoming_done(in, file->sha256, &file->size, err);
}

static eng_status fetch_file(eng_puller *p, eng_pull_file *file, eng_error *err)
{
    bool known = file->want.kind == ENG_SUM_SHA256 && file->want.sized;
    if (known && eng_models_has(p->models, file->want.sum, file->want.size)) {
        memcpy(file->sha256, file->want.sum, ENG_SHA256_SIZE);
        file->size = file->want.size;
        return eng_pull_report(p, file->size, err);
    }
    eng_incoming in;
    uint64_t before = p->done;
    eng_status status = eng_incoming_open(p->models, file->path.ptr, &file->want, &in, err);
    if (status < 0)
        return status;
    bool resumed = in.have > 0;
    status = fetch_into(p, file, &in, err);
    /* What an earlier try left may have been damaged: once more, from the start. */
    if (status == ENG_ECORRUPT && resumed) {
        p->done = before;
        status = fetch_into(p, file, &in, err);
    }
    eng_incoming_close(&in);
    return status;
}

/* ---- What it is ---- */

/* What a model's config.json says; larger than any of its kind is refused. */
static eng_status read_config(eng_puller *p, eng_model_record *out, eng_error *err)
{
    eng_buf text;
    const eng_json *v = NULL;
    const eng_pull_file *file = find_file(p, config_name);
    char *path = eng_models_path(p->models, file->sha256);
    eng_buf_init(&text, CONFIG_MAX);
    eng_status status = path ? eng_file_read(path, CONFIG_MAX, &text, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = eng_json_read(eng_buf_view(&text), NULL, p->arena, &v, err);
    if (status < 0)
        eng_error_prefix(err, "%s", config_name);
    eng_buf_clear(&text);
    eng_free(path);
    if (status < 0)
        return status;
    eng_str type = eng_json_text(eng_json_get(v, ENG_STR("model_type")));
    eng_str class = eng_json_text(eng_json_at(eng_json_get(v, ENG_STR("architectures")), 0));
    out->architecture = type;
    out->kind = eng_str_ends(class, ENG_STR("ForSequenceClassification")) ? ENG_MODEL_RERANKER
                                                                          : ENG_MODEL_ENCODER;
    static const char *const types[] = {"bert", "xlm-roberta", "roberta"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (eng_str_eq(type, eng_str_of(types[i])))
            return ENG_OK;
    return eng_fail(err, ENG_EUNSUPPORTED,
                    "its architecture is '%.*s'; bert, roberta and xlm-roberta are supported",
                    ENG_FMT(eng_str_sub(type, 0, 64)));
}

/* ---- All of it ---- */

static eng_status fetch_all(eng_puller *p, eng_model_record *out, eng_error *err)
{
    eng_status status = ENG_OK;
    qsort(p->files, p->count, sizeof *p->files, by_size);
    for (size_t i = 0; i < p->count; i++)
        p->total += p->files[i].want.size;
    status = fetch_file(p, find_file(p, config_name), err);
    if (status == ENG_OK)
        status = read_config(p, out, err);
    for (size_t i = 0; i < p->count && status == ENG_OK; i++)
        if (&p->files[i] != find_file(p, config_name))
            status = fetch_file(p, &p->files[i], err);
    for (size_t i = 0; i < p->count && status == ENG_OK; i++) {
        status = eng_manifest_add(&out->files, p->arena, p->files[i].path, p->files[i].size, err);
        if (status == ENG_OK)
            memcpy(out->files.files[i].sha256, p->files[i].sha256, ENG_SHA256_SIZE);
    }
    return status;
}

/* Every file is the one that the catalogue pins. */
static bool is_as_pinned(const eng_puller *p, const eng_known_model *known)
{
    for (size_t i = 0; i < p->count; i++) {
        eng_sum sum;
        const eng_model_pin *pin = eng_known_pin(known, p->files[i].path);
        if (!pin)
            return false;
        pin_sum(pin, &sum);
        if (memcmp(sum.sum, p->files[i].sha256, ENG_SHA256_SIZE) != 0)
            return false;
    }
    return true;
}

/* The last part of a path, without what says that it is an archive. */
static eng_str stem(eng_str path)
{
    eng_str head, rest = path;
    while (rest.len > 1 && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    while (eng_str_cut(rest, '/', &head, &rest))
        ;
    if (eng_str_ends(head, ENG_STR(".whl")) || eng_str_ends(head, ENG_STR(".zip")))
        head.len -= 4;
    return head;
}

/* A model from a file without a name is the known one with these files, or one of this place. */
static eng_status name_it(eng_puller *p, eng_error *err)
{
    const eng_known_model *known = eng_known_by_weights(find_file(p, weights_name)->sha256);
    if (known && !is_as_pinned(p, known))
        known = NULL;
    if (known && p->revision.len == 0)
        p->revision = eng_str_of(known->revision);
    if (p->id.len)
        return ENG_OK;
    p->id = known ? eng_str_of(known->entry.id)
                  : eng_arena_format(p->arena, "local/%.*s", ENG_FMT(stem(eng_str_of(p->from))));
    if (!p->id.ptr)
        return eng_fail_nomem(err);
    if (!eng_model_id_plain(p->id))
        return eng_fail(err, ENG_EINVALID, "'%s' makes no name of a model: give one", p->id.ptr);
    return ENG_OK;
}

static eng_status pull(eng_puller *p, eng_model_record *out, eng_error *err)
{
    eng_status status = p->source->list(p, err);
    if (status == ENG_OK)
        status = check_files(p, err);
    if (status == ENG_OK)
        status = fetch_all(p, out, err);
    if (status == ENG_OK)
        status = name_it(p, err);
    if (status < 0)
        return status;
    out->id = p->id;
    out->revision = p->revision;
    out->source = eng_str_of(p->source->name);
    out->pulled_ms = eng_clock_wall_ms();
    return eng_models_publish(p->models, out, err);
}

eng_status eng_pull_all(eng_puller *p, eng_model_record *out, eng_error *err)
{
    *out = (eng_model_record){0};
    eng_status status = pull(p, out, err);
    if (status < 0)
        eng_error_prefix(err, "model '%.*s'", ENG_FMT(p->id.len ? p->id : eng_str_of(p->from)));
    p->source->close(p);
    return status;
}
