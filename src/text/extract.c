/* Which extractor reads a file: by its bytes, by what it is said to be, by its name. */
#include "base/error.h"
#include "base/utf8.h"
#include "text/text_internal.h"

static const size_t TEXT_MAX = 256u << 20;

static eng_extract_fn extract_text, extract_markdown;

/* ---- The table of formats ---- */

typedef struct {
    const char *endings; /* of file names, "|" between them */
    const char *types;   /* of content */
    const char *magic;   /* first bytes, which are believed before everything else */
    eng_extract_fn *extract;
} format;

static const format formats[] = {
    {".pdf", "application/pdf", "%PDF-", eng_extract_pdf},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", NULL,
     eng_extract_docx},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", NULL,
     eng_extract_pptx},
    {".html|.htm|.xhtml", "text/html|application/xhtml+xml", NULL, eng_extract_html},
    {".md|.markdown|.mdown", "text/markdown|text/x-markdown", NULL, extract_markdown},
    {".csv", "text/csv|application/csv", NULL, eng_extract_csv},
    {".tsv|.tab", "text/tab-separated-values", NULL, eng_extract_tsv},
    {".jsonl|.ndjson", "application/jsonl|application/x-ndjson|application/x-jsonlines", NULL,
     eng_extract_jsonl},
    {".txt|.text|.log|.rst|.org", "text/plain", NULL, extract_text},
};
enum { FORMATS = sizeof formats / sizeof *formats };

/* `what` is one of the words of a list that "|" parts. */
static bool listed(const char *list, eng_str what)
{
    eng_str rest = eng_str_of(list), word;
    bool more = list != NULL && what.len > 0;
    while (more) {
        more = eng_str_cut(rest, '|', &word, &rest);
        if (eng_str_eq_nocase(word, what))
            return true;
    }
    return false;
}

static eng_str ending_of(eng_str name)
{
    for (size_t i = name.len; i-- > 0 && name.ptr[i] != '/';) {
        if (name.ptr[i] == '.')
            return eng_str_sub(name, i, SIZE_MAX);
    }
    return ENG_STR("");
}

static const format *by_magic(eng_str bytes)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (formats[i].magic && eng_str_starts(bytes, eng_str_of(formats[i].magic)))
            return &formats[i];
    }
    return NULL;
}

static const format *by_name_or_type(eng_str name, eng_str type)
{
    eng_str kind, parameters;
    eng_str_cut(type, ';', &kind, &parameters);
    kind = eng_str_trim(kind);
    bool told = kind.len && !eng_str_eq_nocase(kind, ENG_STR("application/octet-stream"));
    /* Many programs say text/plain of whatever is text: a name that says more is believed. */
    bool vague = !told || eng_str_eq_nocase(kind, ENG_STR("text/plain"));
    eng_str ending = ending_of(name);
    for (size_t i = 0; i < FORMATS && vague; i++) {
        if (listed(formats[i].endings, ending))
            return &formats[i];
    }
    for (size_t i = 0; i < FORMATS && told; i++) {
        if (listed(formats[i].types, kind))
            return &formats[i];
    }
    return NULL;
}

/* Without a name or a type that says something: what looks like a page is one. */
static eng_extract_fn *by_content(eng_str bytes)
{
    eng_str head = eng_str_trim(eng_str_sub(bytes, 0, 1024));
    static const char *const starts[] = {"<!doctype html", "<html", "<head", "<body"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        eng_str start = eng_str_of(starts[i]);
        if (eng_str_eq_nocase(eng_str_sub(head, 0, start.len), start))
            return eng_extract_html;
    }
    return extract_text;
}

static bool foreign_type(eng_str type)
{
    eng_str kind, rest;
    eng_str_cut(type, ';', &kind, &rest);
    kind = eng_str_trim(kind);
    return kind.len && !eng_str_starts(kind, ENG_STR("text/")) &&
           !eng_str_eq_nocase(kind, ENG_STR("application/octet-stream"));
}

static eng_status no_reader(const eng_extract_options *options, eng_error *err)
{
    eng_str named = options->type.len ? options->type : ENG_STR("this kind of file");
    return eng_fail(err, ENG_ETYPE,
                    "no reader for %.*s: expected text, Markdown, HTML, PDF, DOCX, PPTX, CSV, TSV "
                    "or JSON lines",
                    ENG_FMT(eng_utf8_cut(named, 100)));
}

eng_status eng_extract_file(eng_str bytes, const eng_extract_options *options, eng_error *err)
{
    const format *found = by_magic(bytes);
    if (!found)
        found = by_name_or_type(options->name, options->type);
    if (!found && foreign_type(options->type))
        return no_reader(options, err);
    eng_arena arena;
    eng_arena_init(&arena, 16 << 10, NULL);
    eng_input source = {.bytes = bytes,
                        .options = options,
                        .arena = &arena,
                        .text_max = options->text_max ? options->text_max : TEXT_MAX};
    eng_status status = (found ? found->extract : by_content(bytes))(&source, err);
    eng_arena_clear(&arena);
    return status;
}

/* ---- What the extractors share ---- */

bool eng_input_cancelled(const eng_input *s)
{
    return s->options->cancelled && s->options->cancelled(s->options->ctx);
}

eng_status eng_input_show(const eng_input *s, eng_page *page, eng_extract *doc, eng_error *err)
{
    eng_page_end(page);
    if (page->nomem)
        return eng_fail_nomem(err);
    eng_status status = eng_buf_check(&page->text, "text", err);
    if (status < 0)
        return status;
    eng_str text = eng_buf_view(&page->text);
    if (!eng_str_trim(text).len)
        return eng_fail(err, ENG_EINVALID, "the file holds no text");
    doc->text = text;
    if (page->count) {
        doc->blocks = page->blocks;
        doc->block_count = page->count;
    }
    return s->options->document(s->options->ctx, doc, err);
}

/* ---- Text and Markdown ---- */

/* A file's text is kept as it stands, so that quotes are the author's own lines. */
/* "title: ..." in a page's head. */
static eng_str front_title(eng_str text)
{
    eng_str line, rest = eng_str_sub(text, 0, eng_front_matter(text));
    while (rest.len) {
        eng_str_cut(rest, '\n', &line, &rest);
        if (!eng_str_starts(line, ENG_STR("title:")))
            continue;
        eng_str title = eng_str_trim(eng_str_sub(line, 6, SIZE_MAX));
        bool quoted = title.len > 1 && (title.ptr[0] == '"' || title.ptr[0] == '\'') &&
                      title.ptr[title.len - 1] == title.ptr[0];
        return quoted ? eng_str_sub(title, 1, title.len - 2) : title;
    }
    return ENG_STR("");
}

static eng_str first_heading(eng_str text, const eng_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (blocks[i].kind == ENG_BLOCK_HEADING && blocks[i].level == 1)
            return eng_heading_text(
                eng_str_sub(text, blocks[i].start, blocks[i].end - blocks[i].start));
    }
    return ENG_STR("");
}

static eng_status as_it_stands(const eng_input *s, bool markdown, eng_error *err)
{
    eng_page page;
    eng_page_init(&page, s->arena, s->text_max);
    eng_status status = eng_charset_read(s->bytes, ENG_STR(""), &page.text, err);
    size_t count = 0;
    const eng_block *blocks = NULL;
    if (status == ENG_OK)
        status = eng_blocks_of(eng_buf_view(&page.text), markdown, s->arena, &blocks, &count, err);
    if (status == ENG_OK) {
        eng_str text = eng_buf_view(&page.text);
        eng_extract doc = {.blocks = blocks, .block_count = count};
        if (markdown)
            doc.title = front_title(text);
        if (!doc.title.len)
            doc.title = first_heading(text, blocks, count);
        status = eng_input_show(s, &page, &doc, err);
    }
    eng_page_clear(&page);
    return status;
}

static eng_status extract_text(const eng_input *s, eng_error *err)
{
    return as_it_stands(s, false, err);
}

static eng_status extract_markdown(const eng_input *s, eng_error *err)
{
    return as_it_stands(s, true, err);
}
