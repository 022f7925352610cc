/* Collections: made, listed, changed, dropped. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"
#include "engine/knowledge.h"

enum {
    NAME_BYTES = 200,
    TOKENS = 250,
    TOKENS_OVERLAP = 25,
    CHARACTERS = 1000,
    CHARACTERS_OVERLAP = 100
};

/* ---- Names and settings ---- */

eng_status eng_collection_check_name(eng_str name, eng_error *err)
{
    bool good = name.len > 0 && name.len <= NAME_BYTES && eng_str_trim(name).len == name.len &&
                eng_utf8_valid(name) == name.len && eng_str_find(name, ENG_STR("..")) == SIZE_MAX &&
                !eng_str_eq(name, ENG_STR("."));
    for (size_t i = 0; i < name.len && good; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        good = c >= 0x20 && c != 0x7F && c != '/' && c != '\\';
    }
    return good ? ENG_OK
                : eng_fail_field(err, ENG_EINVALID, ENG_STR("name"),
                                 "expected 1 to %d bytes without slashes, control characters and "
                                 "'..'",
                                 NAME_BYTES);
}

/* What is not set is the default. */
static eng_status complete(const eng_cutting *given, eng_cutting *out, eng_error *err)
{
    eng_cutting c = given ? *given : (eng_cutting){0};
    if (!c.size) {
        c.size = c.characters ? CHARACTERS : TOKENS;
        if (!c.overlap)
            c.overlap = c.characters ? CHARACTERS_OVERLAP : TOKENS_OVERLAP;
    }
    if (c.overlap >= c.size)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("chunk"),
                              "expected an overlap smaller than the size");
    *out = c;
    return ENG_OK;
}

eng_status eng_cutting_write(const eng_cutting *chunk, eng_arena *arena, eng_str *out,
                             eng_error *err)
{
    *out = eng_arena_format(arena, "{\"size\":%u,\"overlap\":%u,\"unit\":\"%s\"}", chunk->size,
                            chunk->overlap, chunk->characters ? "characters" : "tokens");
    return out->ptr ? ENG_OK : eng_fail_nomem(err);
}

eng_status eng_cutting_read(eng_str json, eng_arena *arena, eng_cutting *out, eng_error *err)
{
    const eng_json *v;
    eng_status status = eng_json_read(json, NULL, arena, &v, err);
    if (status < 0)
        return status;
    const eng_json *size = eng_json_get(v, ENG_STR("size"));
    const eng_json *overlap = eng_json_get(v, ENG_STR("overlap"));
    if (!eng_json_is(size, ENG_JSON_INT) || !eng_json_is(overlap, ENG_JSON_INT) ||
        size->as.integer < 1 || overlap->as.integer < 0 ||
        overlap->as.integer >= size->as.integer || size->as.integer > UINT32_MAX)
        return eng_fail(err, ENG_ECORRUPT, "a cutting's settings are damaged");
    *out = (eng_cutting){.size = (uint32_t)size->as.integer,
                         .overlap = (uint32_t)overlap->as.integer,
                         .characters = eng_str_eq(eng_json_text(eng_json_get(v, ENG_STR("unit"))),
                                                  ENG_STR("characters"))};
    return ENG_OK;
}

eng_status eng_collection_model(eng *e, eng_str name, eng_arena *arena, eng_str *id, uint32_t *dims,
                                eng_error *err)
{
    eng_open_model *model = NULL;
    eng_error why;
    *id = ENG_STR("");
    *dims = 0;
    eng_status status = eng_embedder_hold(e, name.ptr ? name : ENG_STR("default"), &model, &why);
    if (status == ENG_ENOTFOUND && !name.ptr)
        return ENG_OK;
    if (status == ENG_ENOTFOUND)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("embedding_model"), "%s", why.message);
    if (status < 0) {
        if (err)
            *err = why;
        return status;
    }
    const eng_encoder_info *info = eng_encoder_about(model->encoder);
    if (info->dimensions) {
        *id = eng_arena_copy(arena, eng_str_of(model->id));
        *dims = (uint32_t)info->dimensions;
        status = id->ptr ? ENG_OK : eng_fail_nomem(err);
    } else if (name.ptr) {
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("embedding_model"),
                                "'%.*s' gives no vectors", ENG_FMT(name));
    }
    eng_embedder_release(e, model);
    return status;
}

/* ---- A collection as engenho.h shows it ---- */

typedef struct {
    eng_collection c;
    eng_arena arena;
} one;

static eng_status settings_of(const eng_store_collection *row, eng_arena *arena, eng_str *out,
                              eng_error *err)
{
    eng_tuned tuned;
    eng_buf text;
    eng_status status = eng_tuned_read(row->settings, arena, &tuned, err);
    if (status < 0)
        return status;
    eng_buf_init(&text, 1 << 12);
    eng_json_writer w = eng_json_write_to(&text);
    eng_tuning_write(&w, &tuned.now);
    status = eng_buf_check(&text, "settings", err);
    if (status == ENG_OK) {
        *out = eng_arena_copy(arena, eng_buf_view(&text));
        status = out->ptr ? ENG_OK : eng_fail_nomem(err);
    }
    eng_buf_clear(&text);
    return status;
}

static eng_status describe(eng *e, const eng_store_collection *row, eng_arena *arena,
                           eng_collection *out, eng_error *err)
{
    eng_store_generation g;
    eng_status status = eng_store_generation_get(e->store, row->generation, arena, &g, err);
    eng_cutting chunk = {0};
    eng_str settings = ENG_STR("");
    if (status == ENG_OK)
        status = eng_cutting_read(g.cut, arena, &chunk, err);
    if (status == ENG_OK)
        status = settings_of(row, arena, &settings, err);
    if (status < 0)
        return status;
    eng_str name = eng_arena_copy(arena, row->name), title = eng_arena_copy(arena, row->title);
    eng_str model = eng_arena_copy(arena, g.model);
    if (!name.ptr || !title.ptr || !model.ptr)
        return eng_fail_nomem(err);
    *out = (eng_collection){.name = name.ptr,
                            .title = title.ptr,
                            .documents = row->documents,
                            .passages = row->passages,
                            .bytes = row->bytes,
                            .embedding_model = model.ptr,
                            .chunk = chunk,
                            .settings = settings.ptr,
                            .created_ms = row->created_ms,
                            .updated_ms = row->updated_ms};
    return ENG_OK;
}

static eng_status no_collection(eng_str name, eng_error *err)
{
    return eng_fail(err, ENG_ENOTFOUND, "no collection '%.*s'", ENG_FMT(name));
}

eng_status eng_collection_get(eng *e, eng_str name, eng_collection **out, eng_error *err)
{
    one *o = eng_zalloc(sizeof *o);
    if (!o)
        return eng_fail_nomem(err);
    eng_arena_init(&o->arena, 1024, NULL);
    eng_store_collection row;
    eng_status status = eng_store_collection_get(e->store, name, &o->arena, &row, err);
    if (status == ENG_ENOTFOUND || (status == ENG_OK && !row.generation))
        status = no_collection(name, err);
    if (status == ENG_OK)
        status = describe(e, &row, &o->arena, &o->c, err);
    if (status < 0)
        eng_collection_free(&o->c);
    else
        *out = &o->c;
    return status;
}

void eng_collection_free(eng_collection *c)
{
    if (!c)
        return;
    one *o = (one *)c;
    eng_arena_clear(&o->arena);
    eng_free(o);
}

/* ---- Making ---- */

/* With `making` held: so one without a generation was made half-way before a crash, and is nobody's. */
static eng_status add_row(eng *e, eng_store_collection *row, eng_arena *arena, eng_error *err)
{
    eng_store_collection there;
    eng_status status = eng_store_collection_add(e->store, row, err);
    if (status != ENG_ECONFLICT ||
        eng_store_collection_get(e->store, row->name, arena, &there, NULL) < 0 || there.generation)
        return status;
    status = eng_store_collection_drop(e->store, there.id, err);
    return status == ENG_OK ? eng_store_collection_add(e->store, row, err) : status;
}

/* What a collection's settings become; what it had is kept for the way back. */
static eng_status new_settings(eng_str given, eng_str had, eng_arena *arena, eng_str *out,
                               eng_error *err)
{
    eng_tuned tuned;
    const eng_json *v;
    eng_status status = eng_tuned_read(had, arena, &tuned, err);
    if (status == ENG_OK)
        status = eng_json_read(given, NULL, arena, &v, err);
    if (status < 0)
        return status;
    tuned.before = tuned.now;
    tuned.before_cut = (eng_str){NULL, 0};
    tuned.has_before = had.len > 0;
    status = eng_tuning_read(v, &tuned.now, err);
    return status == ENG_OK ? eng_tuned_write(&tuned, arena, out, err) : status;
}

static eng_status make(eng *e, eng_str name, const eng_collection_spec *spec, eng_arena *arena,
                       eng_error *err)
{
    eng_cutting chunk = {0};
    eng_str cut = ENG_STR(""), model = ENG_STR(""), settings = ENG_STR("{}");
    uint32_t dims = 0;
    eng_status status = eng_collection_check_name(name, err);
    if (status == ENG_OK)
        status = complete(spec->chunk, &chunk, err);
    if (status == ENG_OK)
        status = eng_collection_model(e, spec->embedding_model, arena, &model, &dims, err);
    if (status == ENG_OK)
        status = eng_cutting_write(&chunk, arena, &cut, err);
    if (status == ENG_OK && spec->settings.ptr)
        status = new_settings(spec->settings, ENG_STR(""), arena, &settings, err);
    eng_store_collection row = {
        .name = name, .title = spec->title.ptr ? spec->title : name, .settings = settings};
    if (status == ENG_OK)
        status = add_row(e, &row, arena, err);
    if (status == ENG_ECONFLICT)
        return eng_fail(err, status, "there is a collection '%.*s' already", ENG_FMT(name));
    if (status < 0)
        return status;
    eng_store_generation g = {
        .collection = row.id, .cut = cut, .model = model, .dims = dims, .settings = ENG_STR("{}")};
    status = eng_store_generation_begin(e->store, &g, err);
    if (status == ENG_OK)
        status = eng_store_generation_activate(e->store, g.id, err);
    /* Where it cannot be dropped either, whoever wants the name next drops it. */
    if (status == ENG_OK)
        atomic_fetch_add(&e->collections, 1);
    eng_status dropped = status < 0 ? eng_store_collection_drop(e->store, row.id, NULL) : ENG_OK;
    (void)dropped;
    return status;
}

eng_status eng_collection_make(eng *e, eng_str name, const eng_collection_spec *spec,
                               eng_collection **out, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    pthread_mutex_lock(&e->knowledge->making);
    eng_status status = make(e, name, spec, &arena, err);
    pthread_mutex_unlock(&e->knowledge->making);
    eng_arena_clear(&arena);
    return status == ENG_OK ? eng_collection_get(e, name, out, err) : status;
}

/* ---- Changing, dropping, listing ---- */

eng_status eng_collection_change(eng *e, eng_str name, const eng_collection_spec *spec,
                                 int64_t *job, eng_collection **out, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    eng_store_collection row;
    eng_cutting chunk = {0};
    eng_str model, settings = {NULL, 0};
    uint32_t dims;
    *job = 0;
    eng_status status = eng_store_collection_get(e->store, name, &arena, &row, err);
    if (status == ENG_ENOTFOUND)
        status = no_collection(name, err);
    if (status == ENG_OK && spec->chunk)
        status = complete(spec->chunk, &chunk, err);
    if (status == ENG_OK && spec->embedding_model.ptr) /* refused before anything is changed */
        status = eng_collection_model(e, spec->embedding_model, &arena, &model, &dims, err);
    if (status == ENG_OK && spec->settings.ptr)
        status = new_settings(spec->settings, row.settings, &arena, &settings, err);
    eng_reembedding anew = {
        .cut = {NULL, 0}, .model = spec->embedding_model, .settings = {NULL, 0}};
    if (status == ENG_OK && spec->chunk)
        status = eng_cutting_write(&chunk, &arena, &anew.cut, err);
    if (status == ENG_OK && (spec->title.ptr || settings.ptr))
        status = eng_store_collection_change(e->store, row.id, spec->title, settings, err);
    if (status == ENG_OK && (spec->chunk || spec->embedding_model.ptr))
        status = eng_reembed_later(e, &row, &anew, job, err);
    eng_arena_clear(&arena);
    return status == ENG_OK ? eng_collection_get(e, name, out, err) : status;
}

eng_status eng_collection_drop(eng *e, eng_str name, eng_error *err)
{
    eng_arena arena;
    eng_arena_init(&arena, 1024, NULL);
    eng_store_collection row;
    eng_status status = eng_store_collection_get(e->store, name, &arena, &row, err);
    if (status == ENG_OK)
        status = eng_store_collection_drop(e->store, row.id, err);
    if (status == ENG_ENOTFOUND)
        status = no_collection(name, err);
    if (status == ENG_OK) {
        eng_shelf_drop(e, row.id, row.generation);
        atomic_fetch_sub(&e->collections, 1);
    }
    eng_arena_clear(&arena);
    return status;
}

typedef struct {
    eng_collection_page page;
    eng_arena arena;
} many;

static eng_status fill_page(eng *e, many *m, unsigned limit, int64_t after, eng_error *err)
{
    eng_store_collection *rows;
    size_t count;
    eng_status status = eng_store_collection_page(e->store, after, limit + 1u, &m->arena, &rows,
                                                  &count, err);
    if (status < 0)
        return status;
    bool more = count > limit;
    count = more ? limit : count;
    m->page.items = eng_arena_zalloc(&m->arena, (count ? count : 1) * sizeof *m->page.items);
    if (!m->page.items)
        return eng_fail_nomem(err);
    for (size_t i = 0; status == ENG_OK && i < count; i++) {
        if (rows[i].generation)
            status = describe(e, &rows[i], &m->arena, &m->page.items[m->page.count++], err);
    }
    if (more)
        eng_next_make(e, "collections", rows[count - 1].id, m->page.next);
    return status;
}

eng_status eng_collection_list(eng *e, unsigned limit, const char *next, eng_collection_page **out,
                               eng_error *err)
{
    int64_t after;
    eng_status status = eng_limit_check(limit, err);
    if (status == ENG_OK)
        status = eng_next_read(e, "collections", next, 0, &after, err);
    if (status < 0)
        return status;
    many *m = eng_zalloc(sizeof *m);
    if (!m)
        return eng_fail_nomem(err);
    eng_arena_init(&m->arena, 4096, NULL);
    status = fill_page(e, m, limit, after, err);
    if (status < 0)
        eng_collection_page_free(&m->page);
    else
        *out = &m->page;
    return status;
}

void eng_collection_page_free(eng_collection_page *page)
{
    if (!page)
        return;
    many *m = (many *)page;
    eng_arena_clear(&m->arena);
    eng_free(m);
}

void eng_collection_slug(eng_str title, char out[ENG_SLUG_SIZE]) { eng_slug(title, out); }
