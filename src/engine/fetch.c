/* What a source's bytes hold, or what is at its address. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/knowledge.h"
#include "net/net.h"

#include <stdio.h>

enum {
    ROBOTS_MAX = 512 << 10, /* what comes after it is not read */
    ROBOTS_DAY_MS = 24 * 3600 * 1000,
    ROBOTS_REDIRECTS = 5
};
enum { PAGE_MAX = 32 << 20, TIMEOUT_MS = 30000, SILENCE_MS = 15000, REDIRECTS = 10 };

#define AGENT "engenho" /* as a robots.txt names us */

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

/* ---- robots.txt ---- */

static eng_status keep_robots(void *ctx, eng_str bytes, eng_error *err)
{
    eng_buf *text = ctx;
    if (text->len < ROBOTS_MAX)
        eng_buf_str(text, eng_str_sub(bytes, 0, ROBOTS_MAX - text->len));
    return eng_buf_check(text, "robots.txt", err);
}

/* What a site says of it: where there is none (4xx) all is allowed, where it cannot be had (5xx, no
 * answer) nothing is. */
static eng_status ask_robots(eng *e, const char *origin, eng_buf *text, eng_error *err)
{
    char url[600];
    eng_http_answer a = {0};
    eng_error why;
    snprintf(url, sizeof url, "%s/robots.txt", origin);
    eng_http_call call = {.url = url,
                          .timeout_ms = TIMEOUT_MS,
                          .silence_ms = SILENCE_MS,
                          .redirects = ROBOTS_REDIRECTS,
                          .max = PAGE_MAX,
                          .data = keep_robots,
                          .ctx = text};
    eng_status status = eng_http_fetch(e->knowledge->fetcher, &call, &a, &why);
    int http = status == ENG_OK ? a.status : 0;
    eng_http_answer_clear(&a);
    if (status == ENG_ENOMEM || status == ENG_EFORBIDDEN || status == ENG_ECANCELLED) {
        if (err)
            *err = why;
        return status;
    }
    for (size_t i = 0; i < text->len; i++) { /* it is kept as a string */
        if (!text->data[i])
            text->data[i] = '\n';
    }
    if (http >= 400 && http < 500)
        eng_buf_reset(text);
    else if (http < 200 || http >= 300)
        return eng_fail(err, ENG_EUPSTREAM, "'%s' cannot be read, so nothing is fetched from there",
                        url);
    return ENG_OK;
}

/* With the lock held: the text that was kept, or NULL. */
static const char *kept_robots(eng_knowledge *k, const char *origin)
{
    for (size_t i = 0; i < sizeof k->kept / sizeof *k->kept; i++) {
        eng_robots_kept *r = &k->kept[i];
        if (r->origin && strcmp(r->origin, origin) == 0 && r->until_ms > eng_clock_wall_ms())
            return r->text;
    }
    return NULL;
}

/* Without memory it is asked again the next time. */
static void remember_robots(eng_knowledge *k, const char *origin, eng_str text)
{
    char *name = eng_strdup(eng_str_of(origin)), *copy = eng_strdup(text);
    pthread_mutex_lock(&k->robots_lock);
    if (name && copy) {
        eng_robots_kept *r = &k->kept[k->kept_next++ % (sizeof k->kept / sizeof *k->kept)];
        eng_free(r->origin);
        eng_free(r->text);
        *r = (eng_robots_kept){name, copy, eng_clock_wall_ms() + ROBOTS_DAY_MS};
        name = copy = NULL;
    }
    pthread_mutex_unlock(&k->robots_lock);
    eng_free(name);
    eng_free(copy);
}

/* ENG_EFORBIDDEN where the site does not want the page read by programs. */
static eng_status check_robots(eng *e, eng_str url, eng_error *err)
{
    eng_knowledge *k = e->knowledge;
    eng_url parts;
    char origin[512];
    eng_status status = k->robots ? eng_url_read(url, &parts, err) : ENG_OK;
    if (status < 0 || !k->robots)
        return status;
    bool six = memchr(parts.host.ptr, ':', parts.host.len) != NULL;
    int len = snprintf(origin, sizeof origin, six ? "%.*s://[%.*s]:%u" : "%.*s://%.*s:%u",
                       ENG_FMT(parts.scheme), ENG_FMT(parts.host), (unsigned)parts.port);
    if (len < 0 || (size_t)len >= sizeof origin)
        return eng_fail_field(err, ENG_EINVALID, ENG_STR("url"), "its host is too long");
    pthread_mutex_lock(&k->robots_lock);
    const char *kept = kept_robots(k, origin);
    bool allowed = kept && eng_robots_allow(eng_str_of(kept), ENG_STR(AGENT), parts.path);
    pthread_mutex_unlock(&k->robots_lock);
    if (!kept) {
        eng_buf text;
        eng_buf_init(&text, ROBOTS_MAX + 1);
        status = ask_robots(e, origin, &text, err);
        allowed = status == ENG_OK &&
                  eng_robots_allow(eng_buf_view(&text), ENG_STR(AGENT), parts.path);
        if (status == ENG_OK)
            remember_robots(k, origin, eng_buf_view(&text));
        eng_buf_clear(&text);
    }
    if (status == ENG_OK && !allowed)
        status = eng_fail(err, ENG_EFORBIDDEN, "the robots.txt of '%s' forbids to fetch '%.*s'",
                          origin, ENG_FMT(eng_str_sub(parts.path, 0, 100)));
    return status;
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
        status = check_robots(e, url, err);
    if (status == ENG_OK)
        status = eng_http_fetch(e->knowledge->fetcher, &call, &a, err);
    if (status == ENG_OK) {
        /* Where it was led to may be another's, or what that one forbids. */
        status = strcmp(a.url, text) == 0 ? ENG_OK : check_robots(e, eng_str_of(a.url), err);
        if (status == ENG_OK)
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
