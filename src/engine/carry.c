/* A collection into a file, and out of one. The file itself is the store's. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/knowledge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { TRIES = 5 };

/* ---- Which encoder ---- */

/* The checksum of a model's weights in hex, in the arena; "" where it is not here, or has none by that
 * name. */
static eng_status weights_of(eng *e, eng_str model, eng_arena *arena, eng_str *out, eng_error *err)
{
    eng_model_record record;
    *out = ENG_STR("");
    if (!model.len)
        return ENG_OK;
    eng_status status = eng_models_find(e->models, model, arena, &record, err);
    if (status == ENG_ENOTFOUND)
        return ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < record.files.count; i++) {
        const eng_backup_file *file = &record.files.files[i];
        char *hex = eng_arena_alloc(arena, ENG_HEX_SIZE);
        if (!hex)
            return eng_fail_nomem(err);
        if (!eng_str_eq(file->path, ENG_STR("model.safetensors")))
            continue;
        sodium_bin2hex(hex, ENG_HEX_SIZE, file->sha256, sizeof file->sha256);
        *out = eng_str_of(hex);
    }
    return status;
}

static eng_status check_encoder(eng *e, const eng_carried *about, eng_arena *arena, eng_error *err)
{
    eng_str weights;
    eng_open_model *model = NULL;
    if (!about->model.len)
        return ENG_OK;
    eng_status status = eng_embedder_hold(e, about->model, &model, err);
    if (status == ENG_ENOTFOUND)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("file"),
                              "the collection was embedded by '%.*s', which is not installed: pull "
                              "it, or have the collection embedded anew",
                              ENG_FMT(eng_str_sub(about->model, 0, 200)));
    if (status < 0)
        return status;
    size_t dims = eng_encoder_about(model->encoder)->dimensions;
    eng_embedder_release(e, model);
    status = weights_of(e, about->model, arena, &weights, err);
    if (status == ENG_OK && (dims != about->dims || !eng_str_eq(weights, about->model_hash)))
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("file"),
                                "the collection was embedded by other weights of '%.*s' than those "
                                "that are installed: have it embedded anew",
                                ENG_FMT(eng_str_sub(about->model, 0, 200)));
    return status;
}

/* ---- Out ---- */

typedef struct {
    bool (*cancelled)(void *ctx);
    void *ctx;
} asking;

static bool go_on(void *ctx)
{
    const asking *a = ctx;
    return !a->cancelled || !a->cancelled(a->ctx);
}

/* Under a name that nobody else uses; what a crash leaves there goes at the next start. */
static char *temporary(const eng *e)
{
    char name[48] = "export-", *dir = eng_path_join(e->data, ENG_DATA_TMP);
    eng_random_id(name + 7, 20);
    char *path = dir ? eng_path_join(dir, name) : NULL;
    eng_free(dir);
    return path;
}

static eng_status write_file(eng *e, eng_str name, const char *path, asking *a, eng_arena *arena,
                             eng_error *err)
{
    eng_store_collection row;
    eng_store_generation g;
    eng_str weights;
    eng_status status = ENG_ECONFLICT;
    /* Another generation may become the active one between a look and the next. */
    for (int i = 0; i < TRIES && status == ENG_ECONFLICT; i++) {
        status = eng_store_collection_get(e->store, name, arena, &row, err);
        if (status == ENG_ENOTFOUND || (status == ENG_OK && !row.generation))
            return eng_fail(err, ENG_ENOTFOUND, "no collection '%.*s'", ENG_FMT(name));
        if (status == ENG_OK)
            status = eng_store_generation_get(e->store, row.generation, arena, &g, err);
        if (status == ENG_OK)
            status = weights_of(e, g.model, arena, &weights, err);
        if (status == ENG_OK)
            status = eng_store_export(e->store, g.id, weights, path, go_on, a, err);
    }
    return status;
}

eng_status eng_collection_export(eng *e, eng_str name, bool (*cancelled)(void *ctx), void *ctx,
                                 int *fd, eng_error *err)
{
    eng_arena arena;
    asking a = {cancelled, ctx};
    char *path = temporary(e);
    if (!path)
        return eng_fail_nomem(err);
    eng_arena_init(&arena, 1024, NULL);
    eng_status status = write_file(e, name, path, &a, &arena, err);
    if (status == ENG_OK) {
        *fd = open(path, O_RDONLY | O_CLOEXEC);
        if (*fd < 0)
            status = eng_fail_errno(err, errno, "cannot open '%s'", path);
        unlink(path);
    }
    eng_arena_clear(&arena);
    eng_free(path);
    return status;
}

/* ---- In ---- */

static eng_status check_metadata(eng_str metadata, eng_arena *arena, eng_error *err)
{
    const eng_index_field *fields;
    const eng_json *v;
    size_t count;
    if (!metadata.ptr || !metadata.len)
        return ENG_OK;
    eng_status status = eng_json_read(metadata, NULL, arena, &v, err);
    if (status == ENG_OK && !eng_json_is(v, ENG_JSON_OBJECT))
        status = eng_fail(err, ENG_EINVALID, "no object");
    if (status == ENG_OK)
        status = eng_metadata_fields(metadata, arena, &fields, &count, err);
    if (status < 0 && status != ENG_ENOMEM)
        status = eng_fail(err, ENG_EINVALID, "the file is damaged: metadata of a document");
    return status;
}

static eng_status check_blocks(eng_str packed, eng_str text, eng_arena *arena, eng_error *err)
{
    const eng_block *blocks;
    size_t count;
    if (!packed.ptr)
        return ENG_OK;
    eng_status status = eng_blocks_unpack(packed, text, arena, &blocks, &count, err);
    if (status < 0 && status != ENG_ENOMEM)
        status = eng_fail(err, ENG_EINVALID, "the file is damaged: blocks of a document");
    return status;
}

/* What an index could not be made of, or a passage be cut from, is refused before it is there. */
static eng_status check_document(void *ctx, const eng_store_document *d, eng_str text,
                                 eng_error *err)
{
    eng_arena arena;
    (void)ctx;
    eng_arena_init(&arena, 1024, NULL);
    eng_status status = check_metadata(d->metadata, &arena, err);
    if (status == ENG_OK)
        status = check_blocks(d->blocks, text, &arena, err);
    eng_arena_clear(&arena);
    return status;
}

static bool import_goes_on(void *ctx, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    return go_on(ctx);
}

static eng_status check_settings(const eng_carried *about, eng_arena *arena, eng_error *err)
{
    eng_cutting chunk;
    eng_tuned tuned;
    const eng_json *v;
    eng_status status = eng_cutting_read(about->cut, arena, &chunk, err);
    if (status == ENG_OK)
        status = eng_json_read(about->settings, NULL, arena, &v, err);
    if (status == ENG_OK)
        status = eng_tuned_read(about->settings, arena, &tuned, err);
    if (status == ENG_OK && tuned.before_cut.ptr)
        status = eng_cutting_read(tuned.before_cut, arena, &chunk, err);
    if (status == ENG_OK)
        status = eng_json_read(about->asked, NULL, arena, &v, err);
    return status < 0 && status != ENG_ENOMEM
               ? eng_fail(err, ENG_EINVALID, "the file is damaged: its settings")
               : status;
}

static eng_status embed_anew(eng *e, eng_str name, eng_str model, eng_arena *arena, int64_t *job,
                             eng_error *err)
{
    eng_store_collection row;
    eng_status status = eng_store_collection_get(e->store, name, arena, &row, err);
    const eng_reembedding what = {.cut = {NULL, 0}, .model = model, .settings = {NULL, 0}};
    return status < 0 ? status : eng_reembed_later(e, &row, &what, job, err);
}

static eng_status take_in(eng *e, eng_carry *file, const eng_import_options *options, eng_str *name,
                          int64_t *job, eng_arena *arena, eng_error *err)
{
    const eng_carried *about = eng_carry_about(file);
    asking a = {options->cancelled, options->ctx};
    eng_str model = ENG_STR("");
    uint32_t dims;
    int64_t id;
    *name = options->name.ptr ? options->name : about->name;
    eng_status status = eng_collection_check_name(*name, err);
    if (status == ENG_OK)
        status = check_settings(about, arena, err);
    if (status == ENG_OK && !options->reembed)
        status = check_encoder(e, about, arena, err);
    else if (status == ENG_OK)
        status = eng_collection_model(e, options->embedding_model, arena, &model, &dims, err);
    eng_store_import_options how = {.name = *name,
                                    .vectors = !options->reembed,
                                    .check = check_document,
                                    .progress = import_goes_on,
                                    .ctx = &a};
    if (status == ENG_OK)
        status = eng_store_import(e->store, file, &how, &id, err);
    if (status == ENG_OK)
        atomic_fetch_add(&e->collections, 1);
    return status == ENG_OK && model.len ? embed_anew(e, *name, model, arena, job, err) : status;
}

eng_status eng_collection_import(eng *e, eng_str file, const eng_import_options *options,
                                 int64_t *job, eng_collection **out, eng_error *err)
{
    eng_carry *carry = NULL;
    eng_arena arena;
    eng_str name;
    *job = 0;
    eng_arena_init(&arena, 1024, NULL);
    eng_status status = eng_carry_open(file, &carry, err);
    if (status == ENG_ECORRUPT) {
        /* Ours is sound: it is the file that cannot be accepted. */
        eng_error why = {0};
        if (err)
            why = *err;
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("file"), "%s", why.message);
    }
    if (status == ENG_OK)
        status = take_in(e, carry, options, &name, job, &arena, err);
    if (status == ENG_OK)
        status = eng_collection_get(e, name, out, err);
    eng_carry_close(carry);
    eng_arena_clear(&arena);
    return status;
}
