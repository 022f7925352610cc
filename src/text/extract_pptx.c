/* Slides: each title a heading, each line below it an item, tables as tables. */
#include "base/error.h"
#include "text/office.h"

typedef struct {
    eng_office office;
    eng_map targets; /* of the presentation: id to path */
    eng_office_walk walk;
    eng_str *slides; /* in their order */
    size_t count, cap;
} deck;

/* ---- The order of the slides ---- */

static eng_status add_slide(deck *d, eng_str path, eng_error *err)
{
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 32;
        eng_str *slides = eng_arena_array(d->office.source->arena, cap, sizeof *slides);
        if (!slides)
            return eng_fail_nomem(err);
        if (d->count)
            memcpy(slides, d->slides, d->count * sizeof *slides);
        d->slides = slides;
        d->cap = cap;
    }
    d->slides[d->count++] = path;
    return ENG_OK;
}

/* <p:sldId id="256" r:id="rId2"/>: both are "id" without their prefix, and the second is meant. */
static eng_status slide_id(void *ctx, xmlTextReaderPtr at, eng_str name, eng_error *err)
{
    deck *d = ctx;
    if (!eng_str_eq(name, ENG_STR("sldId")))
        return ENG_OK;
    const eng_str *path = NULL;
    while (!path && xmlTextReaderMoveToNextAttribute(at) == 1)
        path = eng_map_get(&d->targets, eng_str_of((const char *)xmlTextReaderConstValue(at)));
    xmlTextReaderMoveToElement(at);
    return path ? add_slide(d, *path, err) : ENG_OK;
}

/* ---- A slide ---- */

static void property(void *ctx, xmlTextReaderPtr at, eng_str name)
{
    deck *d = ctx;
    if (eng_str_eq(name, ENG_STR("sp"))) {
        d->walk.kind = ENG_BLOCK_PARAGRAPH;
        d->walk.level = 0;
    } else if (eng_str_eq(name, ENG_STR("ph"))) {
        eng_str type = eng_office_attribute(&d->office, at, "type");
        bool title = eng_str_eq(type, ENG_STR("title")) || eng_str_eq(type, ENG_STR("ctrTitle"));
        bool body = !type.ptr || eng_str_eq(type, ENG_STR("body"));
        d->walk.kind = title ? ENG_BLOCK_HEADING : body ? ENG_BLOCK_ITEM : ENG_BLOCK_PARAGRAPH;
        d->walk.level = 1;
    }
}

static eng_status read_slides(deck *d, eng_error *err)
{
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < d->count; i++) {
        d->walk = (eng_office_walk){.office = &d->office, .property = property, .ctx = d};
        if (eng_zip_find(d->office.zip, d->slides[i]))
            status = eng_office_part(&d->office, d->slides[i],
                                     &(eng_office_events){.start = eng_office_start,
                                                          .end = eng_office_end,
                                                          .text = eng_office_text,
                                                          .ctx = &d->walk},
                                     err);
    }
    return status;
}

eng_status eng_extract_pptx(const eng_input *s, eng_error *err)
{
    deck d = {.count = 0};
    eng_map_init(&d.targets);
    eng_str main = ENG_STR(""), title = ENG_STR("");
    eng_status status = eng_office_open(s, &d.office, err);
    if (status == ENG_OK)
        status = eng_office_main(&d.office, &main, err);
    if (status == ENG_OK)
        status = eng_office_relations(&d.office, main, "/slide", &d.targets, err);
    if (status == ENG_OK)
        status = eng_office_part(&d.office, main,
                                 &(eng_office_events){.start = slide_id, .ctx = &d}, err);
    if (status == ENG_OK)
        status = read_slides(&d, err);
    if (status == ENG_OK)
        status = eng_office_title(&d.office, &title, err);
    if (status == ENG_OK) {
        eng_extract doc = {.title = title};
        status = eng_input_show(s, &d.office.page, &doc, err);
    }
    eng_map_clear(&d.targets);
    eng_office_close(&d.office);
    return status;
}
