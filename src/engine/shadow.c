/* Collections as they would be: see probing.h. */
#include "base/error.h"
#include "engine/probing.h"

/* ---- How a text is cut, in a few characters ---- */

static bool read_number(eng_str *text, uint32_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < text->len && i < 7 && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(text->ptr[i] - '0');
    *text = eng_str_sub(*text, i, text->len);
    *out = (uint32_t)n;
    return i > 0;
}

eng_status eng_cutting_parse(eng_str text, eng_cutting *out, eng_error *err)
{
    enum { SIZE_MOST = 100000 };
    eng_cutting c = {0};
    eng_str left = text;
    bool good = read_number(&left, &c.size) && c.size > 0 && c.size <= SIZE_MOST;
    c.overlap = c.size / 10;
    if (good && left.len && left.ptr[0] == '/') {
        left = eng_str_sub(left, 1, left.len);
        good = read_number(&left, &c.overlap);
    }
    if (left.len && left.ptr[0] == 'c') {
        left = eng_str_sub(left, 1, left.len);
        c.characters = true;
    }
    if (!good || left.len || c.overlap >= c.size)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("chunk"),
                              "expected SIZE/OVERLAP in tokens or, with a c behind it, in "
                              "characters, got '%.*s'",
                              ENG_FMT(eng_str_sub(text, 0, 100)));
    *out = c;
    return ENG_OK;
}

eng_str eng_cutting_name(const eng_cutting *c, eng_arena *arena)
{
    return eng_arena_format(arena, "%u/%u%s", c->size, c->overlap, c->characters ? "c" : "");
}

/* ---- Shadows ---- */

eng_status eng_shadow_make(eng_job_run *run, const eng_store_collection *row, eng_str cut,
                           eng_str model, eng_shadow *out, eng_error *err)
{
    eng_store_generation now;
    *out = (eng_shadow){0};
    eng_status status = eng_store_generation_get(run->e->store, row->generation, &run->arena, &now,
                                                 err);
    if (status < 0 || (eng_str_eq(now.cut, cut) && eng_str_eq(now.model, model)))
        return status;
    status = eng_reembed_beside(run, row, cut, model, &out->generation, err);
    if (status == ENG_OK)
        status = eng_shelf_beside(run->e, row->id, out->generation, &out->shelf, err);
    if (status < 0)
        eng_shadow_free(run, out, false);
    return status;
}

void eng_shadow_free(const eng_job_run *run, eng_shadow *shadow, bool keep)
{
    eng *e = run->e;
    keep |= atomic_load(&run->stop) && !atomic_load(&run->cancelled);
    if (!shadow->generation)
        return;
    eng_shelf_beside_free(e, shadow->shelf, shadow->generation);
    /* What cannot be dropped now is when the collection is embedded anew. */
    eng_status dropped = keep ? ENG_OK
                              : eng_store_generation_drop(e->store, shadow->generation, NULL);
    (void)dropped;
    *shadow = (eng_shadow){0};
}
