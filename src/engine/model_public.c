/* Models as engenho.h shows them. */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/model_internal.h"

typedef struct {
    eng_model model; /* first: what the caller holds */
    eng_arena arena;
} held_model;

typedef struct {
    eng_model_list list;
    eng_arena arena;
} held_list;

static eng_status fill_model(eng_arena *arena, const eng_model_record *r, eng_model *out,
                             eng_error *err)
{
    eng_model_file *files = eng_arena_array(arena, r->files.count, sizeof *files);
    if (!files)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < r->files.count; i++) {
        const eng_backup_file *file = &r->files.files[i];
        char *hex = eng_arena_alloc(arena, ENG_HEX_SIZE);
        if (!hex)
            return eng_fail_nomem(err);
        sodium_bin2hex(hex, ENG_HEX_SIZE, file->sha256, sizeof file->sha256);
        files[i] = (eng_model_file){.path = file->path.ptr, .size = file->size, .sha256 = hex};
    }
    *out = (eng_model){
        .id = r->id.ptr,
        .kind = r->kind,
        .architecture = r->architecture.ptr,
        .revision = r->revision.ptr,
        .source = r->source.ptr,
        .bytes = eng_manifest_bytes(&r->files),
        .pulled_ms = r->pulled_ms,
        .files = files,
        .file_count = r->files.count,
    };
    return ENG_OK;
}

eng_status eng_model_get(eng *e, eng_str name, eng_model **out, eng_error *err)
{
    eng_model_record record;
    held_model *held = eng_zalloc(sizeof *held);
    if (!held)
        return eng_fail_nomem(err);
    eng_arena_init(&held->arena, 4096, NULL);
    eng_status status = eng_models_find(e->models, name, &held->arena, &record, err);
    if (status == ENG_OK)
        status = fill_model(&held->arena, &record, &held->model, err);
    if (status < 0)
        eng_model_free(&held->model);
    else
        *out = &held->model;
    return status;
}

void eng_model_free(eng_model *model)
{
    if (!model)
        return;
    held_model *held = (held_model *)model;
    eng_arena_clear(&held->arena);
    eng_free(held);
}

static eng_status fill_list(eng *e, held_list *held, eng_error *err)
{
    eng_model_record *records = NULL;
    size_t count = 0;
    eng_status status = eng_models_all(e->models, &held->arena, &records, &count, err);
    if (status < 0)
        return status;
    held->list.models = eng_arena_array(&held->arena, count, sizeof *held->list.models);
    if (!held->list.models)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < count && status == ENG_OK; i++)
        status = fill_model(&held->arena, &records[i], &held->list.models[i], err);
    held->list.count = count;
    return status;
}

eng_status eng_models_installed(eng *e, eng_model_list **out, eng_error *err)
{
    held_list *held = eng_zalloc(sizeof *held);
    if (!held)
        return eng_fail_nomem(err);
    eng_arena_init(&held->arena, 4096, NULL);
    eng_status status = fill_list(e, held, err);
    if (status < 0)
        eng_model_list_free(&held->list);
    else
        *out = &held->list;
    return status;
}

void eng_model_list_free(eng_model_list *list)
{
    if (!list)
        return;
    held_list *held = (held_list *)list;
    eng_arena_clear(&held->arena);
    eng_free(held);
}

eng_status eng_model_remove(eng *e, eng_str name, eng_error *err)
{
    return eng_models_remove(e->models, name, err);
}
