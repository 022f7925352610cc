/*
 * What the files of src/text share: the builder that every extractor writes its text with, and the
 * table of formats. A new format is a file with a function like these, and a line in extract.c.
 */
#ifndef ENG_TEXT_INTERNAL_H
#define ENG_TEXT_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "text/text.h"

/* ---- Writing a document ---- */

/*
 * Text in blocks, apart by an empty line, items of one list by a line end. White space is folded to
 * single blanks but within code; a block that stays empty leaves no trace. Blocks do not nest: what
 * begins ends what is open.
 */
typedef struct {
    eng_buf text;
    eng_arena *arena;
    eng_block *blocks; /* in the arena */
    size_t count, cap;
    bool open;
    bool nomem;
    bool blank;    /* white space was seen that is not yet written */
    size_t linked; /* bytes of link text in the open block */
} eng_page;

void eng_page_init(eng_page *p, eng_arena *arena, size_t max);
void eng_page_clear(eng_page *p);
void eng_page_begin(eng_page *p, eng_block_kind kind, unsigned level);
void eng_page_end(eng_page *p);
/* Adds to the open block; opens a paragraph where none is. */
void eng_page_text(eng_page *p, eng_str text);
/* A line's end within the open block. */
void eng_page_break(eng_page *p);
/* A blank, unless white space stands there already. */
void eng_page_space(eng_page *p);
/* Bytes of the open block so far, without a prefix such as "- ". */
size_t eng_page_open_bytes(const eng_page *p);

/* ---- The structure of plain text ---- */

/* A heading's words without its marks: "## Title ##" is "Title". */
eng_str eng_heading_text(eng_str block);
/* Bytes of the head in YAML between two lines "---" at the start of a page, which many tools write
 * and no reader sees; 0: there is none. */
size_t eng_front_matter(eng_str text);

/* ---- libxml2 ---- */

/*
 * Calls fn, which may use libxml2: the only way to. What that library took is freed when fn returns,
 * so nothing need be given back to it and nothing of it outlives the call; where its memory does not
 * suffice fn is left at once with ENG_ENOMEM. So fn, and what it calls back, may hold memory of ours
 * across a call into the library only in what ctx reaches. Not within itself.
 */
eng_status eng_xml_run(eng_status (*fn)(void *ctx, eng_error *err), void *ctx,
                       eng_error *err) ENG_MUST_CHECK;

/* ---- Formats ---- */

typedef struct {
    eng_str bytes;
    const eng_extract_options *options;
    eng_arena *arena;
    size_t text_max;
} eng_input;

/* Shows a page as the file's one document; ENG_EINVALID where it holds no text. */
eng_status eng_input_show(const eng_input *s, eng_page *page, eng_extract *doc, eng_error *err);
bool eng_input_cancelled(const eng_input *s);

typedef eng_status eng_extract_fn(const eng_input *s, eng_error *err);
eng_extract_fn eng_extract_html, eng_extract_pdf, eng_extract_docx, eng_extract_pptx,
    eng_extract_csv, eng_extract_tsv, eng_extract_jsonl;

#endif
