/*
 * PDF, by poppler's pdftotext in a process of its own (base/child.h): a format that even its best
 * readers fall over, so none of it is parsed in here.
 */
#include "base/child.h"
#include "base/error.h"
#include "text/text_internal.h"

static const uint64_t MEMORY_MAX = 1024ull << 20;
enum { TIMEOUT_MS = 30000 };

static eng_status failed(int code, eng_error *err)
{
    if (code >= 128)
        return eng_fail(err, ENG_EINVALID, "the PDF makes its reader fail (signal %d)", code - 128);
    if (code == 3)
        return eng_fail(err, ENG_EINVALID, "the PDF does not allow its text to be taken");
    return eng_fail(err, ENG_EINVALID, "the PDF is damaged or encrypted");
}

/* The text as pages, whose ends (form feeds) are paragraphs' ends. */
static eng_status show(const eng_input *s, eng_str raw, eng_error *err)
{
    eng_page page;
    eng_page_init(&page, s->arena, s->text_max);
    eng_status status = eng_charset_read(raw, ENG_STR("utf-8"), &page.text, err);
    const eng_block *blocks = NULL;
    size_t count = 0;
    if (status == ENG_OK)
        status = eng_blocks_of(eng_buf_view(&page.text), false, s->arena, &blocks, &count, err);
    if (status == ENG_OK && !count)
        status = eng_fail(err, ENG_EINVALID,
                          "the PDF holds no text: its pages may be pictures (scans)");
    if (status == ENG_OK) {
        eng_extract doc = {.blocks = blocks, .block_count = count};
        status = eng_input_show(s, &page, &doc, err);
    }
    eng_page_clear(&page);
    return status;
}

eng_status eng_extract_pdf(const eng_input *s, eng_error *err)
{
    /* Readers take a header anywhere in the first kilobyte. */
    if (eng_str_find(eng_str_sub(s->bytes, 0, 1024), ENG_STR("%PDF-")) == SIZE_MAX)
        return eng_fail(err, ENG_ETYPE, "no PDF, whatever it is called");
    static const char *const argv[] = {"pdftotext", "-q", "-enc", "UTF-8", "-eol",
                                       "unix",      "-",  "-",    NULL};
    const eng_extract_options *o = s->options;
    eng_child_options child = {.argv = argv,
                               .input = s->bytes,
                               .timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS,
                               .memory_max = MEMORY_MAX,
                               .cancelled = o->cancelled,
                               .ctx = o->ctx};
    eng_buf out;
    eng_buf_init(&out, s->text_max);
    int code = 0;
    eng_status status = eng_child_run(&child, &out, &code, err);
    if (status == ENG_ENOTFOUND)
        status = eng_fail(err, ENG_EUNSUPPORTED,
                          "reading PDF needs pdftotext (Debian's poppler-utils)");
    if (status == ENG_OK && code != 0)
        status = failed(code, err);
    if (status == ENG_OK)
        status = show(s, eng_buf_view(&out), err);
    eng_buf_clear(&out);
    return status;
}
