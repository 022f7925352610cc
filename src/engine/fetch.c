/* What a source's bytes hold, or what is at its address. */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/knowledge.h"
#include "net/net.h"

enum { PAGE_MAX = 32 << 20, TIMEOUT_MS = 30000, SILENCE_MS = 15000, REDIRECTS = 10 };

static const char accept[] =
    "Accept: text/html,application/xhtml+xml,application/pdf,text/plain,text/markdown,*/*;q=0.5";

/* ---- Pages ---- */

static eng_status check_reply(const eng_http_answer *a, eng_error *err)
{
    if (a->status >= 200 && a->status < 300)
        return ENG_OK;
    return eng_fail(err, ENG_EUPSTREAM, "'%s' answered %d", a->url, a->status);
}

/* A page's address, without a fragment, which never leaves this machine. */
static eng_str name_of(eng_str url)
{
    eng_str path, query;
    eng_str_cut(url, '?', &path, &query);
    return path;
}

typedef struct {
    const eng_extract_options *how;
    eng_str url;
} fetched;

/* A page has the address that it came from, unless it says itself which is the right one. */
static eng_status with_url(void *ctx, const eng_extract *doc, eng_error *err)
{
    const fetched *f = ctx;
    eng_extract d = *doc;
    if (!eng_str_starts(d.url, ENG_STR("http")))
        d.url = f->url;
    return f->how->document(f->how->ctx, &d, err);
}

static void row_failed(void *ctx, size_t row, const eng_error *why)
{
    const fetched *f = ctx;
    f->how->bad_row(f->how->ctx, row, why);
}

static bool given_up(void *ctx)
{
    const fetched *f = ctx;
    return f->how->cancelled && f->how->cancelled(f->how->ctx);
}

static eng_status read_reply(const eng_http_answer *a, const eng_extract_options *how,
                             eng_error *err)
{
    fetched f = {.how = how, .url = eng_str_of(a->url)};
    eng_extract_options o = *how;
    o.document = with_url;
    o.bad_row = how->bad_row ? row_failed : NULL;
    o.cancelled = given_up;
    o.ctx = &f;
    o.type = eng_http_answer_header(a, ENG_STR("Content-Type"));
    o.name = name_of(eng_str_of(a->url));
    return eng_extract_file(eng_buf_view(&a->body), &o, err);
}

static eng_status fetch(eng *e, eng_str url, const eng_extract_options *how, eng_error *err)
{
    static const char *const headers[] = {accept, NULL};
    char *text = eng_strdup(url);
    eng_http_answer a = {0};
    if (!text)
        return eng_fail_nomem(err);
    eng_http_call call = {.url = text,
                          .headers = headers,
                          .timeout_ms = TIMEOUT_MS,
                          .silence_ms = SILENCE_MS,
                          .redirects = REDIRECTS,
                          .max = PAGE_MAX,
                          .cancelled = how->cancelled,
                          .ctx = how->ctx};
    eng_url parts;
    eng_error why;
    eng_status status = eng_url_read(url, &parts, &why);
    if (status < 0)
        status = eng_fail_field(err, ENG_EINVALID, ENG_STR("url"), "%s", why.message);
    if (status == ENG_OK)
        status = eng_http_fetch(e->knowledge->fetcher, &call, &a, err);
    if (status == ENG_OK) {
        status = check_reply(&a, err);
        if (status == ENG_OK)
            status = read_reply(&a, how, err);
        eng_http_answer_clear(&a);
    }
    eng_free(text);
    return status;
}

eng_status eng_source_read(eng *e, const eng_source *source, const eng_extract_options *how,
                           eng_error *err)
{
    if (!source->bytes.ptr && source->url.ptr)
        return fetch(e, source->url, how, err);
    eng_extract_options o = *how;
    o.name = source->file.ptr ? source->file : ENG_STR("");
    o.type = source->type.ptr ? source->type : ENG_STR("");
    return eng_extract_file(source->bytes, &o, err);
}

/* ---- One text of it all ---- */

typedef struct {
    eng_extracted x;
    eng_buf text;
    eng_arena arena;
} extracted;

static eng_status note(extracted *x, eng_str text, const char **out, eng_error *err)
{
    if (*out && **out)
        return ENG_OK;
    eng_str copy = eng_arena_copy(&x->arena, text.ptr ? text : ENG_STR(""));
    if (!copy.ptr)
        return eng_fail_nomem(err);
    *out = copy.ptr;
    return ENG_OK;
}

static eng_status gather(void *ctx, const eng_extract *doc, eng_error *err)
{
    extracted *x = ctx;
    if (x->text.len)
        eng_buf_str(&x->text, ENG_STR("\n\n"));
    eng_buf_str(&x->text, doc->text);
    eng_str language = doc->language.len
                           ? doc->language
                           : eng_str_of(eng_language_code(eng_language_guess(doc->text)));
    eng_status status = note(x, doc->title, &x->x.title, err);
    if (status == ENG_OK)
        status = note(x, language, &x->x.language, err);
    if (status == ENG_OK)
        status = note(x, doc->url, &x->x.url, err);
    return status == ENG_OK ? eng_buf_check(&x->text, "text", err) : status;
}

eng_status eng_extract_text(eng *e, const eng_source *source, eng_extracted **out, eng_error *err)
{
    extracted *x = eng_zalloc(sizeof *x);
    if (!x)
        return eng_fail_nomem(err);
    eng_arena_init(&x->arena, 1024, NULL);
    eng_buf_init(&x->text, 256u << 20);
    x->x.title = x->x.language = x->x.url = "";
    eng_extract_options how = {.document = gather, .ctx = x};
    eng_status status = eng_source_read(e, source, &how, err);
    x->x.text = x->text.data ? x->text.data : "";
    x->x.text_len = x->text.len;
    if (status < 0)
        eng_extracted_free(&x->x);
    else
        *out = &x->x;
    return status;
}

void eng_extracted_free(eng_extracted *extracted_text)
{
    if (!extracted_text)
        return;
    extracted *x = (extracted *)extracted_text;
    eng_buf_clear(&x->text);
    eng_arena_clear(&x->arena);
    eng_free(x);
}
