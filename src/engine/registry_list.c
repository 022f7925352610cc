/* Models and their versions as lists, from the store. */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/registry.h"

/* A page and all that it points to lie in one arena. */
typedef struct {
    eng_predictor_page page; /* first: what callers have */
    eng_arena arena;
} listing;

static eng_str about_of(eng_arena *arena, eng_str info)
{
    const eng_json *v;
    if (eng_json_read(info, NULL, arena, &v, NULL) < 0)
        return (eng_str){"", 0};
    return eng_json_text(eng_json_get(v, ENG_STR("about")));
}

void eng_predictor_describe(const eng_predictor *p, eng_buf *out)
{
    eng_json_writer w = eng_json_write_to(out);
    eng_json_open(&w, '{');
    eng_json_member(&w, "about", eng_str_of(p->info.about));
    eng_json_name(&w, ENG_STR("inputs"));
    eng_json_uint(&w, p->info.input_count);
    eng_json_close(&w, '}');
}

static bool same_model(const eng_store_model *a, const eng_store_model *b)
{
    return a->kind == b->kind && eng_str_eq(a->name, b->name);
}

static eng_status add_model(listing *l, const eng_store_model *rows, size_t count, eng_error *err)
{
    eng_predictor_version *versions = eng_arena_array(&l->arena, count, sizeof *versions);
    if (!versions)
        return eng_fail_nomem(err);
    eng_predictor_model *m = &l->page.models[l->page.count++];
    *m = (eng_predictor_model){
        .name = rows[0].name.ptr, .versions = versions, .version_count = count};
    for (size_t i = 0; i < count; i++) {
        const eng_store_model *row = &rows[i];
        versions[i] = (eng_predictor_version){
            .version = row->version,
            .format = row->format.ptr,
            .filename = row->filename.ptr ? row->filename.ptr : "",
            .about = about_of(&l->arena, row->info).ptr,
            .bytes = row->bytes,
            .loaded_ms = row->created_ms,
            .active = row->active,
        };
        if (row->active)
            m->active = row->version;
    }
    return ENG_OK;
}

typedef struct {
    eng_predictor_kind kind;
    eng_str name; /* empty: all */
    size_t skip;
    size_t limit;
    bool more;
} wanted;

static eng_status fill(eng *e, listing *l, wanted *want, eng_error *err)
{
    eng_store_model *rows = NULL;
    size_t count = 0, place = 0;
    int64_t latest = 0;
    eng_status status = eng_store_model_all(e->store, &l->arena, &rows, &count, err);
    l->page.models = eng_arena_array(&l->arena, count + 1, sizeof *l->page.models);
    if (status == ENG_OK && !l->page.models)
        status = eng_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (rows[i].kind == (int)want->kind && rows[i].updated_ms > latest)
            latest = rows[i].updated_ms;
    for (size_t i = 0, n; status == ENG_OK && i < count; i += n) {
        for (n = 1; i + n < count && same_model(&rows[i], &rows[i + n]);)
            n++;
        if (rows[i].kind != (int)want->kind ||
            (want->name.len && !eng_str_eq(want->name, rows[i].name)) || place++ < want->skip)
            continue;
        if (l->page.count == want->limit) {
            want->more = true;
            break;
        }
        status = add_model(l, rows + i, n, err);
        if (status == ENG_OK)
            l->page.models[l->page.count - 1].in_use = rows[i].updated_ms == latest;
    }
    return status;
}

static eng_status list(eng *e, wanted *want, eng_predictor_page **out, eng_error *err)
{
    listing *l = eng_zalloc(sizeof *l);
    if (!l)
        return eng_fail_nomem(err);
    eng_arena_init(&l->arena, 1 << 14, NULL);
    eng_status status = fill(e, l, want, err);
    if (status == ENG_OK && want->more)
        eng_next_make(e, "predictors", (int64_t)(want->skip + l->page.count), l->page.next);
    if (status < 0)
        eng_predictor_page_free(&l->page);
    else
        *out = &l->page;
    return status;
}

eng_status eng_predictor_list(eng *e, eng_predictor_kind kind, unsigned limit, const char *next,
                              eng_predictor_page **out, eng_error *err)
{
    int64_t skip = 0;
    eng_status status = eng_limit_check(limit, err);
    if (status == ENG_OK)
        status = eng_next_read(e, "predictors", next, 0, &skip, err);
    if (status < 0)
        return status;
    wanted want = {.kind = kind, .skip = (size_t)skip, .limit = limit};
    return list(e, &want, out, err);
}

eng_status eng_predictor_get(eng *e, eng_predictor_kind kind, eng_str name,
                             eng_predictor_page **out, eng_error *err)
{
    wanted want = {.kind = kind, .name = name, .limit = 1};
    eng_status status = name.len ? list(e, &want, out, err) : ENG_ENOTFOUND;
    if (status == ENG_OK && (*out)->count == 0) {
        eng_predictor_page_free(*out);
        status = ENG_ENOTFOUND;
    }
    if (status == ENG_ENOTFOUND)
        return eng_fail(err, ENG_ENOTFOUND, "no model '%.*s'", ENG_FMT(eng_str_sub(name, 0, 200)));
    return status;
}

void eng_predictor_page_free(eng_predictor_page *page)
{
    listing *l = (listing *)page;
    if (!l)
        return;
    eng_arena_clear(&l->arena);
    eng_free(l);
}
