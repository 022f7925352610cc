/* Office Open XML: an archive of parts in XML, tied together by relationships. See office.h. */
#include "text/office.h"

#include "base/error.h"

static const eng_zip_limits ZIP_LIMITS = {
    .members = 20000, .member_max = 256u << 20, .total_max = 2048ull << 20};
enum { DEPTH_MAX = 200 };

eng_status eng_office_open(const eng_input *s, eng_office *o, eng_error *err)
{
    *o = (eng_office){.source = s};
    eng_page_init(&o->page, s->arena, s->text_max);
    eng_error why;
    eng_status status = eng_zip_of(s->bytes, "the file", &ZIP_LIMITS, &o->zip, &why);
    bool broken = status == ENG_EMALFORMED || status == ENG_ETRUNCATED;
    return status < 0 ? eng_fail(err, broken ? ENG_EINVALID : status, "%s", why.message) : ENG_OK;
}

void eng_office_close(eng_office *o)
{
    eng_zip_free(o->zip);
    eng_page_clear(&o->page);
}

/* ---- Parts ---- */

static eng_status damaged(eng_str part, const char *why, eng_error *err)
{
    return eng_fail(err, ENG_EINVALID, "'%.*s' in the file: %s", ENG_FMT(part), why);
}

static eng_status one_node(xmlTextReaderPtr reader, const eng_office_events *on, eng_str part,
                           eng_error *err)
{
    switch (xmlTextReaderNodeType(reader)) {
    case XML_READER_TYPE_DOCUMENT_TYPE:
    case XML_READER_TYPE_ENTITY_REFERENCE:
        return damaged(part, "it declares a document type, which this format forbids", err);
    case XML_READER_TYPE_ELEMENT: {
        if (xmlTextReaderDepth(reader) > DEPTH_MAX)
            return damaged(part, "its elements are nested too deeply", err);
        eng_str name = eng_str_of((const char *)xmlTextReaderConstLocalName(reader));
        bool empty = xmlTextReaderIsEmptyElement(reader) == 1;
        eng_status status = on->start ? on->start(on->ctx, reader, name, err) : ENG_OK;
        if (empty && on->end)
            on->end(on->ctx, name);
        return status;
    }
    case XML_READER_TYPE_END_ELEMENT:
        if (on->end)
            on->end(on->ctx, eng_str_of((const char *)xmlTextReaderConstLocalName(reader)));
        return ENG_OK;
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
    case XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
    case XML_READER_TYPE_WHITESPACE:
        if (on->text)
            on->text(on->ctx, eng_str_of((const char *)xmlTextReaderConstValue(reader)));
        return ENG_OK;
    default:
        return ENG_OK;
    }
}

typedef struct {
    eng_office *office;
    const eng_office_events *on;
    eng_str part;
    eng_buf xml;
} reading;

static eng_status all_nodes(void *ctx, eng_error *err)
{
    const reading *r = ctx;
    xmlTextReaderPtr reader = xmlReaderForMemory(r->xml.data, (int)r->xml.len, NULL, NULL,
                                                 XML_PARSE_NONET | XML_PARSE_NOERROR |
                                                     XML_PARSE_NOWARNING);
    if (!reader)
        return eng_fail_nomem(err);
    int more;
    size_t nodes = 0;
    while ((more = xmlTextReaderRead(reader)) == 1) {
        if ((++nodes & 4095) == 0 && eng_input_cancelled(r->office->source))
            return eng_fail(err, ENG_ECANCELLED, "cancelled");
        eng_status status = one_node(reader, r->on, r->part, err);
        if (status < 0)
            return status;
        if (r->office->nomem)
            return eng_fail_nomem(err);
    }
    return more < 0 ? damaged(r->part, "it is not well-formed XML", err) : ENG_OK;
}

eng_status eng_office_part(eng_office *o, eng_str name, const eng_office_events *on, eng_error *err)
{
    const eng_zip_member *member = eng_zip_find(o->zip, name);
    if (!member)
        return eng_fail(err, ENG_ENOTFOUND, "the file has no part '%.*s'", ENG_FMT(name));
    reading r = {.office = o, .on = on, .part = name};
    eng_buf_init(&r.xml, ZIP_LIMITS.member_max);
    eng_error why;
    eng_status status = eng_zip_text(o->zip, member, &r.xml, &why);
    if (status == ENG_ENOMEM || status == ENG_ETOOBIG)
        status = eng_fail(err, status, "%s", why.message);
    else if (status < 0)
        status = damaged(name, why.message, err);
    if (status == ENG_OK && !r.xml.len)
        status = damaged(name, "it is empty", err);
    if (status == ENG_OK)
        status = eng_xml_run(all_nodes, &r, err);
    eng_buf_clear(&r.xml);
    return status;
}

eng_str eng_office_attribute(eng_office *o, xmlTextReaderPtr at, const char *name)
{
    eng_str value = {NULL, 0};
    while (xmlTextReaderMoveToNextAttribute(at) == 1) {
        if (strcmp((const char *)xmlTextReaderConstLocalName(at), name) != 0)
            continue;
        value = eng_arena_copy(o->source->arena,
                               eng_str_of((const char *)xmlTextReaderConstValue(at)));
        o->nomem |= !value.ptr;
        break;
    }
    xmlTextReaderMoveToElement(at);
    return value;
}

/* ---- Relationships ---- */

typedef struct {
    eng_office *office;
    const char *type;
    eng_str folder; /* of the part, with its slash */
    eng_map *out;
} relations;

/* "../slides/a.xml" from "ppt/x/" is "ppt/slides/a.xml"; a leading slash means the archive's root. */
static eng_str resolve(eng_arena *arena, eng_str folder, eng_str target)
{
    if (eng_str_starts(target, ENG_STR("/")))
        return eng_str_sub(target, 1, SIZE_MAX);
    while (eng_str_starts(target, ENG_STR("../"))) {
        target = eng_str_sub(target, 3, SIZE_MAX);
        if (folder.len)
            folder.len--;
        while (folder.len && folder.ptr[folder.len - 1] != '/')
            folder.len--;
    }
    return eng_arena_format(arena, "%.*s%.*s", ENG_FMT(folder), ENG_FMT(target));
}

static eng_status relation(void *ctx, xmlTextReaderPtr at, eng_str name, eng_error *err)
{
    relations *r = ctx;
    eng_arena *arena = r->office->source->arena;
    if (!eng_str_eq(name, ENG_STR("Relationship")))
        return ENG_OK;
    eng_str id = eng_office_attribute(r->office, at, "Id");
    eng_str type = eng_office_attribute(r->office, at, "Type");
    eng_str target = eng_office_attribute(r->office, at, "Target");
    eng_str mode = eng_office_attribute(r->office, at, "TargetMode");
    bool wanted = !r->type || eng_str_ends(type, eng_str_of(r->type));
    if (!id.ptr || !target.ptr || !wanted || eng_str_eq(mode, ENG_STR("External")))
        return ENG_OK;
    eng_str *path = eng_arena_alloc(arena, sizeof *path);
    if (!path)
        return eng_fail_nomem(err);
    *path = resolve(arena, r->folder, target);
    if (!path->ptr)
        return eng_fail_nomem(err);
    return eng_map_put(r->out, id, path, NULL, err);
}

eng_status eng_office_relations(eng_office *o, eng_str part, const char *type, eng_map *out,
                                eng_error *err)
{
    size_t slash = part.len;
    while (slash && part.ptr[slash - 1] != '/')
        slash--;
    eng_str folder = eng_str_sub(part, 0, slash);
    eng_str name = eng_arena_format(o->source->arena, "%.*s_rels/%.*s.rels", ENG_FMT(folder),
                                    ENG_FMT(eng_str_sub(part, slash, SIZE_MAX)));
    if (!name.ptr)
        return eng_fail_nomem(err);
    if (!eng_zip_find(o->zip, name))
        return ENG_OK;
    relations r = {.office = o, .type = type, .folder = folder, .out = out};
    return eng_office_part(o, name, &(eng_office_events){.start = relation, .ctx = &r}, err);
}

/* Any target of a type; empty where there is none. */
static eng_status only_target(eng_office *o, const char *type, eng_str *out, eng_error *err)
{
    eng_map map;
    eng_map_init(&map);
    eng_status status = eng_office_relations(o, ENG_STR(""), type, &map, err);
    const eng_map_slot *slot;
    *out = ENG_STR("");
    for (size_t i = 0; status == ENG_OK && eng_map_next(&map, &i, &slot);)
        *out = *(const eng_str *)slot->value;
    eng_map_clear(&map);
    return status;
}

eng_status eng_office_main(eng_office *o, eng_str *out, eng_error *err)
{
    eng_status status = only_target(o, "/officeDocument", out, err);
    if (status == ENG_OK && !out->len)
        status = eng_fail(err, ENG_EINVALID, "the archive is no Office document");
    return status;
}

/* ---- The title ---- */

typedef struct {
    eng_office *office;
    bool in_title;
    eng_str title;
} core_properties;

static eng_status core_start(void *ctx, xmlTextReaderPtr at, eng_str name, eng_error *err)
{
    (void)at;
    (void)err;
    ((core_properties *)ctx)->in_title = eng_str_eq(name, ENG_STR("title"));
    return ENG_OK;
}

static void core_end(void *ctx, eng_str name)
{
    (void)name;
    ((core_properties *)ctx)->in_title = false;
}

static void core_text(void *ctx, eng_str text)
{
    core_properties *c = ctx;
    if (!c->in_title || c->title.len)
        return;
    c->title = eng_arena_copy(c->office->source->arena, eng_str_trim(text));
    c->office->nomem |= !c->title.ptr;
}

eng_status eng_office_title(eng_office *o, eng_str *out, eng_error *err)
{
    eng_str part;
    eng_status status = only_target(o, "/core-properties", &part, err);
    core_properties c = {.office = o, .title = ENG_STR("")};
    if (status == ENG_OK && part.len && eng_zip_find(o->zip, part))
        status = eng_office_part(
            o, part,
            &(eng_office_events){
                .start = core_start, .end = core_end, .text = core_text, .ctx = &c},
            err);
    if (status == ENG_OK)
        *out = c.title;
    return status;
}

/* ---- Paragraphs and tables ---- */

void eng_office_is(eng_office_walk *w, eng_block_kind kind, unsigned level)
{
    if (w->tables)
        return;
    eng_page_begin(&w->office->page, kind, level);
    if (kind == ENG_BLOCK_ITEM)
        eng_page_text(&w->office->page, ENG_STR("- "));
}

static void begin_table(eng_office_walk *w, eng_str name)
{
    eng_page *page = &w->office->page;
    if (eng_str_eq(name, ENG_STR("tbl"))) {
        if (w->tables++ == 0)
            eng_page_begin(page, ENG_BLOCK_TABLE, 0);
    } else if (eng_str_eq(name, ENG_STR("tr"))) {
        eng_page_break(page);
        w->cell = false;
    } else if (eng_str_eq(name, ENG_STR("tc"))) {
        if (w->cell)
            eng_page_text(page, ENG_STR(" | "));
        w->cell = true;
    }
}

/* What is struck out, or there a second time for older programs. */
static bool is_skipped(eng_str name)
{
    return eng_str_eq(name, ENG_STR("Fallback")) || eng_str_eq(name, ENG_STR("moveFrom")) ||
           eng_str_eq(name, ENG_STR("del"));
}

eng_status eng_office_start(void *walk, xmlTextReaderPtr at, eng_str name, eng_error *err)
{
    (void)err;
    eng_office_walk *w = walk;
    eng_page *page = &w->office->page;
    if (is_skipped(name))
        w->skipping++;
    if (w->skipping)
        return ENG_OK;
    if (eng_str_eq(name, ENG_STR("p"))) {
        if (w->tables)
            eng_page_space(page);
        else
            eng_office_is(w, w->kind, w->level);
    } else if (eng_str_eq(name, ENG_STR("t"))) {
        w->texts++;
    } else if (eng_str_eq(name, ENG_STR("tab"))) {
        eng_page_space(page);
    } else if (eng_str_eq(name, ENG_STR("br")) || eng_str_eq(name, ENG_STR("cr"))) {
        eng_page_break(page);
    } else {
        begin_table(w, name);
    }
    if (w->property)
        w->property(w->ctx, at, name);
    return ENG_OK;
}

void eng_office_end(void *walk, eng_str name)
{
    eng_office_walk *w = walk;
    if (is_skipped(name) && w->skipping) {
        w->skipping--;
        return;
    }
    if (w->skipping)
        return;
    if (eng_str_eq(name, ENG_STR("t")) && w->texts)
        w->texts--;
    else if (eng_str_eq(name, ENG_STR("p")) && !w->tables)
        eng_page_end(&w->office->page);
    else if (eng_str_eq(name, ENG_STR("tbl")) && w->tables && --w->tables == 0)
        eng_page_end(&w->office->page);
}

void eng_office_text(void *walk, eng_str text)
{
    eng_office_walk *w = walk;
    if (w->texts && !w->skipping)
        eng_page_text(&w->office->page, text);
}
