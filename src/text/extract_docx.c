/*
 * Word files: paragraphs with their headings and lists, tables, footnotes. What a style is comes from
 * word/styles.xml, whose names are the same in every language while the ids are not.
 */
#include "base/error.h"
#include "text/office.h"

enum { STYLE_CHAIN = 16 }; /* styles stand on others; a circle of them ends here */

typedef struct {
    eng_str name, base;
    int level; /* of a heading, counted from 1; 0: none */
    bool list;
} style;

typedef struct {
    eng_office office;
    eng_map styles; /* id to style */
    style *open;    /* the style that is being read */
    eng_office_walk walk;
    bool in_properties; /* of a paragraph */
    bool title_found;
} word;

static int number_of(eng_str text)
{
    int64_t n;
    return eng_str_i64(text, &n) && n >= 0 && n < 100 ? (int)n : -1;
}

/* ---- Styles ---- */

static void note_name(word *w, eng_str name)
{
    w->open->name = name;
    if (eng_str_eq_nocase(eng_str_sub(name, 0, 8), ENG_STR("heading ")))
        w->open->level = number_of(eng_str_sub(name, 8, SIZE_MAX));
    else if (eng_str_eq_nocase(name, ENG_STR("title")))
        w->open->level = 1;
    if (w->open->level < 0)
        w->open->level = 0;
    w->open->list = eng_str_eq_nocase(eng_str_sub(name, 0, 5), ENG_STR("list "));
}

static eng_status style_start(void *ctx, xmlTextReaderPtr at, eng_str name, eng_error *err)
{
    word *w = ctx;
    if (eng_str_eq(name, ENG_STR("style"))) {
        eng_str id = eng_office_attribute(&w->office, at, "styleId");
        w->open = eng_arena_zalloc(w->office.source->arena, sizeof *w->open);
        if (!w->open)
            return eng_fail_nomem(err);
        return id.ptr ? eng_map_put(&w->styles, id, w->open, NULL, err) : ENG_OK;
    }
    if (!w->open)
        return ENG_OK;
    if (eng_str_eq(name, ENG_STR("name")))
        note_name(w, eng_office_attribute(&w->office, at, "val"));
    else if (eng_str_eq(name, ENG_STR("basedOn")))
        w->open->base = eng_office_attribute(&w->office, at, "val");
    else if (eng_str_eq(name, ENG_STR("numPr")))
        w->open->list = true;
    else if (eng_str_eq(name, ENG_STR("outlineLvl")) && !w->open->level) {
        int level = number_of(eng_office_attribute(&w->office, at, "val"));
        w->open->level = level >= 0 && level < 9 ? level + 1 : 0;
    }
    return ENG_OK;
}

static void style_end(void *ctx, eng_str name)
{
    if (eng_str_eq(name, ENG_STR("style")))
        ((word *)ctx)->open = NULL;
}

/* What a style is by itself or by one that it stands on. */
static void look_up(word *w, eng_str id, int *level, bool *list)
{
    *level = 0;
    *list = false;
    for (int i = 0; i < STYLE_CHAIN && id.len; i++) {
        const style *s = eng_map_get(&w->styles, id);
        if (!s)
            return;
        if (s->level || s->list) {
            *level = s->level;
            *list = s->list;
            return;
        }
        id = s->base;
    }
}

/* ---- Text ---- */

static void property(void *ctx, xmlTextReaderPtr at, eng_str name)
{
    word *w = ctx;
    int level;
    bool list;
    if (eng_str_eq(name, ENG_STR("pPr"))) {
        w->in_properties = true;
    } else if (eng_str_eq(name, ENG_STR("p")) || eng_str_eq(name, ENG_STR("r"))) {
        w->in_properties = false;
    } else if (!w->in_properties) {
        return;
    } else if (eng_str_eq(name, ENG_STR("pStyle"))) {
        look_up(w, eng_office_attribute(&w->office, at, "val"), &level, &list);
        if (level)
            eng_office_is(&w->walk, ENG_BLOCK_HEADING, (unsigned)level);
        else if (list)
            eng_office_is(&w->walk, ENG_BLOCK_ITEM, 1);
    } else if (eng_str_eq(name, ENG_STR("numPr"))) {
        const eng_page *page = &w->office.page;
        if (page->open && page->blocks[page->count - 1].kind == ENG_BLOCK_PARAGRAPH)
            eng_office_is(&w->walk, ENG_BLOCK_ITEM, 1);
    } else if (eng_str_eq(name, ENG_STR("outlineLvl"))) {
        level = number_of(eng_office_attribute(&w->office, at, "val"));
        if (level >= 0 && level < 9)
            eng_office_is(&w->walk, ENG_BLOCK_HEADING, (unsigned)level + 1);
    }
}

static eng_status read_styles(word *w, eng_str folder_part, eng_error *err)
{
    eng_map targets;
    eng_map_init(&targets);
    eng_status status = eng_office_relations(&w->office, folder_part, "/styles", &targets, err);
    const eng_map_slot *slot;
    for (size_t i = 0; status == ENG_OK && eng_map_next(&targets, &i, &slot);) {
        eng_str part = *(const eng_str *)slot->value;
        if (eng_zip_find(w->office.zip, part))
            status = eng_office_part(
                &w->office, part,
                &(eng_office_events){.start = style_start, .end = style_end, .ctx = w}, err);
    }
    eng_map_clear(&targets);
    return status;
}

static eng_status read_text(word *w, eng_str part, eng_error *err)
{
    w->walk = (eng_office_walk){.office = &w->office, .property = property, .ctx = w};
    return eng_office_part(&w->office, part,
                           &(eng_office_events){.start = eng_office_start,
                                                .end = eng_office_end,
                                                .text = eng_office_text,
                                                .ctx = &w->walk},
                           err);
}

static eng_status read_notes(word *w, eng_str main, const char *type, eng_error *err)
{
    eng_map targets;
    eng_map_init(&targets);
    eng_status status = eng_office_relations(&w->office, main, type, &targets, err);
    const eng_map_slot *slot;
    for (size_t i = 0; status == ENG_OK && eng_map_next(&targets, &i, &slot);) {
        eng_str part = *(const eng_str *)slot->value;
        if (eng_zip_find(w->office.zip, part))
            status = read_text(w, part, err);
    }
    eng_map_clear(&targets);
    return status;
}

static eng_str first_heading(const eng_page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        const eng_block *b = &page->blocks[i];
        if (b->kind == ENG_BLOCK_HEADING && b->level == 1)
            return eng_str_sub(eng_buf_view(&page->text), b->start, b->end - b->start);
    }
    return ENG_STR("");
}

eng_status eng_extract_docx(const eng_input *s, eng_error *err)
{
    word w = {.in_properties = false};
    eng_map_init(&w.styles);
    eng_str main = ENG_STR(""), title = ENG_STR("");
    eng_status status = eng_office_open(s, &w.office, err);
    if (status == ENG_OK)
        status = eng_office_main(&w.office, &main, err);
    if (status == ENG_OK)
        status = read_styles(&w, main, err);
    if (status == ENG_OK)
        status = read_text(&w, main, err);
    if (status == ENG_OK)
        status = read_notes(&w, main, "/footnotes", err);
    if (status == ENG_OK)
        status = read_notes(&w, main, "/endnotes", err);
    if (status == ENG_OK)
        status = eng_office_title(&w.office, &title, err);
    if (status == ENG_OK) {
        eng_page_end(&w.office.page);
        eng_extract doc = {.title = title.len ? title : first_heading(&w.office.page)};
        status = eng_input_show(s, &w.office.page, &doc, err);
    }
    eng_map_clear(&w.styles);
    eng_office_close(&w.office);
    return status;
}
