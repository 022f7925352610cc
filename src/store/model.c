/*
 * Models for tables and texts, by name and version. A version is numbered when it comes, by one more than
 * the largest there was, and is active from then on. Times of change never repeat, so that the latest of them
 * tells which model is in use.
 */
#include "base/clock.h"
#include "store/store_internal.h"

static eng_status no_such_model(eng_str name, eng_error *err)
{
    return eng_fail(err, ENG_ENOTFOUND, "no model '%.*s'", ENG_FMT(eng_str_sub(name, 0, 200)));
}

typedef struct {
    int64_t id;
    int64_t active;
    int64_t previous; /* 0: none */
} model_row;

static eng_status find_model(eng_conn *c, int kind, eng_str name, model_row *out, eng_error *err)
{
    *out = (model_row){.id = 0};
    eng_sql q = eng_sql_use(c,
                            "SELECT id, active, previous FROM model WHERE kind = ? AND name = ?");
    eng_sql_int(&q, kind);
    eng_sql_text(&q, name);
    if (eng_sql_row(&q)) {
        out->id = eng_sql_get_int(&q, 0);
        out->active = eng_sql_get_int(&q, 1);
        out->previous = eng_sql_get_int(&q, 2);
    }
    return eng_sql_end(&q, err);
}

static eng_status one_number(eng_sql *q, int64_t *out, eng_error *err)
{
    if (eng_sql_row(q))
        *out = eng_sql_get_int(q, 0);
    return eng_sql_end(q, err);
}

/* Later than every change before. */
static eng_status next_time(eng_conn *c, int64_t *out, eng_error *err)
{
    int64_t last = 0, now = eng_clock_wall_ms();
    eng_sql q = eng_sql_use(c, "SELECT coalesce(max(updated_ms), 0) FROM model");
    eng_status status = one_number(&q, &last, err);
    *out = now > last ? now : last + 1;
    return status;
}

static eng_status set_active(eng_conn *c, const model_row *m, int64_t version, eng_error *err)
{
    int64_t now;
    eng_status status = next_time(c, &now, err);
    if (status < 0)
        return status;
    eng_sql q = eng_sql_use(c, "UPDATE model SET active = ?, previous = nullif(?, 0), "
                               "updated_ms = ? WHERE id = ?");
    eng_sql_int(&q, version);
    eng_sql_int(&q, version == m->active ? m->previous : m->active);
    eng_sql_int(&q, now);
    eng_sql_int(&q, m->id);
    return eng_sql_end(&q, err);
}

/* ---- Adding ---- */

static eng_status make_model(eng_conn *c, const eng_store_model *model, model_row *out,
                             eng_error *err)
{
    int64_t now;
    eng_status status = next_time(c, &now, err);
    if (status < 0)
        return status;
    eng_sql q = eng_sql_use(c, "INSERT INTO model (kind, name, created_ms, updated_ms) "
                               "VALUES (?, ?, ?, ?)");
    eng_sql_int(&q, model->kind);
    eng_sql_text(&q, model->name);
    eng_sql_int(&q, now);
    eng_sql_int(&q, now);
    status = eng_sql_end(&q, err);
    *out = (model_row){.id = eng_sql_made(c)};
    return status;
}

static eng_status add_version(eng_conn *c, const model_row *m, eng_store_model *model,
                              eng_error *err)
{
    int64_t last = 0;
    eng_sql q = eng_sql_use(c, "SELECT coalesce(max(version), 0) FROM model_version "
                               "WHERE model = ?");
    eng_sql_int(&q, m->id);
    eng_status status = one_number(&q, &last, err);
    if (status < 0)
        return status;
    model->version = (uint32_t)last + 1;
    model->created_ms = eng_clock_wall_ms();
    q = eng_sql_use(c, "INSERT INTO model_version (model, version, hash, format, filename, bytes, "
                       "created_ms, info) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    eng_sql_int(&q, m->id);
    eng_sql_int(&q, model->version);
    eng_sql_blob(&q, model->hash, sizeof model->hash);
    eng_sql_text(&q, model->format);
    eng_sql_text(&q, model->filename);
    eng_sql_count(&q, (size_t)model->bytes);
    eng_sql_int(&q, model->created_ms);
    eng_sql_text(&q, model->info);
    return eng_sql_end(&q, err);
}

static eng_status add_model(eng_conn *c, void *args, eng_error *err)
{
    eng_store_model *model = args;
    model_row m;
    eng_status status = find_model(c, model->kind, model->name, &m, err);
    if (status == ENG_OK && !m.id)
        status = make_model(c, model, &m, err);
    if (status == ENG_OK)
        status = add_version(c, &m, model, err);
    return status < 0 ? status : set_active(c, &m, model->version, err);
}

eng_status eng_store_model_add(eng_store *s, eng_store_model *model, eng_error *err)
{
    return eng_store_write(s, add_model, model, err);
}

/* ---- Choosing ---- */

typedef struct {
    int kind;
    eng_str name;
    uint32_t version; /* 0: the one before */
    uint32_t chosen;
} choice;

static eng_status has_version(eng_conn *c, const model_row *m, int64_t version, bool *out,
                              eng_error *err)
{
    int64_t count = 0;
    eng_sql q = eng_sql_use(c,
                            "SELECT count(*) FROM model_version WHERE model = ? AND version = ?");
    eng_sql_int(&q, m->id);
    eng_sql_int(&q, version);
    eng_status status = one_number(&q, &count, err);
    *out = count > 0;
    return status;
}

static eng_status choose(eng_conn *c, void *args, eng_error *err)
{
    choice *want = args;
    model_row m;
    bool there = false;
    eng_status status = find_model(c, want->kind, want->name, &m, err);
    if (status < 0)
        return status;
    if (!m.id)
        return no_such_model(want->name, err);
    int64_t version = want->version ? want->version : m.previous;
    if (!version)
        return eng_fail(err, ENG_ECONFLICT, "model '%.*s' had no other version active before",
                        ENG_FMT(want->name));
    status = has_version(c, &m, version, &there, err);
    if (status < 0)
        return status;
    if (!there)
        return eng_fail(err, ENG_ENOTFOUND, "model '%.*s' has no version %lld", ENG_FMT(want->name),
                        (long long)version);
    want->chosen = (uint32_t)version;
    return set_active(c, &m, version, err);
}

eng_status eng_store_model_choose(eng_store *s, int kind, eng_str name, uint32_t version,
                                  uint32_t *chosen, eng_error *err)
{
    choice want = {.kind = kind, .name = name, .version = version};
    eng_status status = eng_store_write(s, choose, &want, err);
    if (status == ENG_OK)
        *chosen = want.chosen;
    return status;
}

/* ---- Listing ---- */

typedef struct {
    eng_list list;
} listing;

static eng_status list_models(eng_conn *c, void *args, eng_error *err)
{
    listing *l = args;
    eng_arena *arena = l->list.arena;
    eng_sql q = eng_sql_use(
        c,
        "SELECT m.kind, m.name, m.active, m.previous, m.updated_ms, v.version, v.hash, v.format, "
        "v.filename, v.bytes, v.created_ms, v.info FROM model m JOIN model_version v "
        "ON v.model = m.id ORDER BY m.kind, m.name, v.version");
    while (eng_sql_row(&q)) {
        eng_store_model *to = eng_list_add(&l->list, &q);
        if (!to)
            break;
        *to = (eng_store_model){
            .kind = (int)eng_sql_get_int(&q, 0),
            .name = eng_sql_get_text(&q, 1, arena),
            .version = (uint32_t)eng_sql_get_int(&q, 5),
            .format = eng_sql_get_text(&q, 7, arena),
            .filename = eng_sql_get_text(&q, 8, arena),
            .bytes = (uint64_t)eng_sql_get_int(&q, 9),
            .created_ms = eng_sql_get_int(&q, 10),
            .info = eng_sql_get_text(&q, 11, arena),
            .updated_ms = eng_sql_get_int(&q, 4),
        };
        to->active = to->version == eng_sql_get_int(&q, 2);
        to->previous = to->version == eng_sql_get_int(&q, 3);
        eng_sql_get_bytes(&q, 6, to->hash, sizeof to->hash);
    }
    return eng_sql_end(&q, err);
}

eng_status eng_store_model_all(eng_store *s, eng_arena *arena, eng_store_model **out, size_t *count,
                               eng_error *err)
{
    listing l = {.list = {.arena = arena, .size = sizeof(eng_store_model)}};
    eng_status status = eng_store_read(s, list_models, &l, err);
    if (status < 0)
        return status;
    *out = l.list.items;
    *count = l.list.count;
    return ENG_OK;
}

/* ---- Feedback ---- */

typedef struct {
    const eng_str *products;
    size_t count;
} new_feedback;

static eng_status add_feedback(eng_conn *c, void *args, eng_error *err)
{
    const new_feedback *f = args;
    eng_status status = ENG_OK;
    int64_t now = eng_clock_wall_ms();
    for (size_t i = 0; i < f->count && status == ENG_OK; i++) {
        eng_sql q = eng_sql_use(c, "INSERT INTO feedback (created_ms, product) VALUES (?, ?)");
        eng_sql_int(&q, now);
        eng_sql_text(&q, f->products[i]);
        status = eng_sql_end(&q, err);
    }
    return status;
}

eng_status eng_store_feedback_add(eng_store *s, const eng_str *products, size_t count,
                                  eng_error *err)
{
    new_feedback f = {products, count};
    return eng_store_write(s, add_feedback, &f, err);
}

typedef struct {
    eng_list list;
    int64_t after;
    int64_t last;
    size_t limit;
} feedback_page;

static eng_status page_feedback(eng_conn *c, void *args, eng_error *err)
{
    feedback_page *p = args;
    eng_sql q = eng_sql_use(c, "SELECT id, product FROM feedback WHERE id > ? ORDER BY id LIMIT ?");
    eng_sql_int(&q, p->after);
    eng_sql_count(&q, p->limit);
    while (eng_sql_row(&q)) {
        eng_str *to = eng_list_add(&p->list, &q);
        if (!to)
            break;
        *to = eng_sql_get_text(&q, 1, p->list.arena);
        p->last = eng_sql_get_int(&q, 0);
    }
    return eng_sql_end(&q, err);
}

eng_status eng_store_feedback_page(eng_store *s, int64_t after, size_t limit, eng_arena *arena,
                                   eng_str **out, size_t *count, int64_t *last, eng_error *err)
{
    feedback_page p = {.list = {.arena = arena, .size = sizeof(eng_str)},
                       .after = after,
                       .last = after,
                       .limit = limit};
    eng_status status = eng_store_read(s, page_feedback, &p, err);
    if (status < 0)
        return status;
    *out = p.list.items;
    *count = p.list.count;
    *last = p.last;
    return ENG_OK;
}
