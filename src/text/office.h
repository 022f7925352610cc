/* Office Open XML: what DOCX and PPTX share. Private to src/text. */
#ifndef ENG_TEXT_OFFICE_H
#define ENG_TEXT_OFFICE_H

#include "base/map.h"
#include "format/format.h"
#include "text/text_internal.h"

#include <libxml/xmlreader.h>

typedef struct {
    const eng_input *source;
    eng_zip *zip;
    eng_page page;
    bool nomem; /* a copy failed: noticed at the next element */
} eng_office;

/* ENG_EINVALID: no such archive. */
eng_status eng_office_open(const eng_input *s, eng_office *o, eng_error *err) ENG_MUST_CHECK;
void eng_office_close(eng_office *o);

/*
 * Reads a part element by element. Entities are never expanded: a part with a DOCTYPE, which the
 * format forbids, is refused. `start` and `end` get the names without their prefix; end also of empty
 * elements. `text` gets character data. Any of them may be NULL. ENG_ENOTFOUND: no such part.
 */
typedef struct {
    eng_status (*start)(void *ctx, xmlTextReaderPtr at, eng_str name, eng_error *err);
    void (*end)(void *ctx, eng_str name);
    void (*text)(void *ctx, eng_str text);
    void *ctx;
} eng_office_events;
eng_status eng_office_part(eng_office *o, eng_str name, const eng_office_events *on,
                           eng_error *err) ENG_MUST_CHECK;

/* An attribute by its name without a prefix, copied into the arena; ptr NULL: there is none, or no
 * memory for it (the part's reading then ends). */
eng_str eng_office_attribute(eng_office *o, xmlTextReaderPtr at, const char *name);

/* Where a part's relationships lead: id to the target's path within the archive (eng_str in the
 * arena); with `type`, only those whose type ends in it. A part without any is success. */
eng_status eng_office_relations(eng_office *o, eng_str part, const char *type, eng_map *out,
                                eng_error *err) ENG_MUST_CHECK;
/* The part that the archive as a whole is about: "word/document.xml". */
eng_status eng_office_main(eng_office *o, eng_str *out, eng_error *err) ENG_MUST_CHECK;
/* dc:title; empty where the file has none. */
eng_status eng_office_title(eng_office *o, eng_str *out, eng_error *err) ENG_MUST_CHECK;

/* ---- Paragraphs, tables: alike in both formats ---- */

typedef struct {
    eng_office *office;
    /* What a paragraph is, from elements within its properties. */
    void (*property)(void *ctx, xmlTextReaderPtr at, eng_str name);
    void *ctx;
    eng_block_kind kind; /* of paragraphs that nothing says more of */
    unsigned level;
    unsigned tables, skipping, texts;
    bool cell;
} eng_office_walk;

/* Begins the open paragraph anew as another kind: it has no text yet. */
void eng_office_is(eng_office_walk *w, eng_block_kind kind, unsigned level);
eng_status eng_office_start(void *walk, xmlTextReaderPtr at, eng_str name, eng_error *err);
void eng_office_end(void *walk, eng_str name);
void eng_office_text(void *walk, eng_str text);

#endif
