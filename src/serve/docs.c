/*
 * The documentation page: files that the build puts into the program (web.S). The large ones are
 * there compressed, which is how nearly every browser wants them; for the rest they are inflated.
 */
#include "base/error.h"
#include "base/hash.h"
#include "serve/parts.h"

#include <zlib.h>

#define WEB_FILES(X)                                                                               \
    X(eng_web_page, "", "text/html; charset=utf-8", false)                                         \
    X(eng_web_start, "docs.js", "text/javascript; charset=utf-8", false)                           \
    X(eng_web_bundle, "swagger-ui-bundle.js", "text/javascript; charset=utf-8", true)              \
    X(eng_web_style, "swagger-ui.css", "text/css; charset=utf-8", true)                            \
    X(eng_web_icon, "favicon.png", "image/png", false)

#define DECLARE(symbol, name, type, gzipped) extern const char symbol[], symbol##_end[];
WEB_FILES(DECLARE)
#undef DECLARE

typedef struct {
    const char *name;
    const char *type;
    bool gzipped;
    const char *from, *to;
} web_file;

/* An address is not a constant of the kind that a length could be made of here. */
#define ROW(symbol, name, type, gzipped) {name, type, gzipped, symbol, symbol##_end},
static const web_file files[] = {WEB_FILES(ROW)};
#undef ROW

/* What the page may do: load its own files and ask this server. Swagger UI sets styles from its
 * script, which needs no leave; its pictures are data within its style sheet. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const web_file *find(eng_str name)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (eng_str_eq(name, eng_str_of(files[i].name)))
            return &files[i];
    return NULL;
}

/* Of what the file holds; gzip ends with a checksum of that. */
static eng_str etag_of(const web_file *f, eng_arena *arena)
{
    enum { GZIP_TRAILER = 8 };
    static const uint64_t key[2] = {0, 0};
    size_t len = (size_t)(f->to - f->from);
    const char *from = f->gzipped ? f->to - GZIP_TRAILER : f->from;
    uint64_t hash = eng_siphash(from, (size_t)(f->to - from), key);
    return eng_arena_format(arena, "\"%016llx-%zx\"", (unsigned long long)hash, len);
}

static bool accepts_gzip(const eng_exchange *x)
{
    eng_str rest = eng_exchange_header(x, ENG_STR("Accept-Encoding")), one, name, weight;
    for (bool more = rest.len > 0; more;) {
        more = eng_str_cut(rest, ',', &one, &rest);
        eng_str_cut(one, ';', &name, &weight);
        weight = eng_str_trim(weight);
        if (eng_str_eq_nocase(eng_str_trim(name), ENG_STR("gzip")))
            return !eng_str_starts(weight, ENG_STR("q=0")) ||
                   eng_str_find(weight, ENG_STR("1")) != SIZE_MAX;
    }
    return false;
}

static eng_status inflate_into(eng_buf *out, const web_file *f, eng_error *err)
{
    enum { GZIP_WINDOW = 15 + 16 };
    const unsigned char *end = (const unsigned char *)f->to;
    size_t size = (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 |
                  (size_t)end[-1] << 24;
    char *room = eng_buf_room(out, size);
    if (!room)
        return eng_buf_check(out, f->name, err);
    z_stream z = {
        .next_in = (unsigned char *)f->from,
        .avail_in = (unsigned)(f->to - f->from),
        .next_out = (unsigned char *)room,
        .avail_out = (unsigned)size,
    };
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return eng_fail_nomem(err);
    int got = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    if (got != Z_STREAM_END)
        return eng_fail(err, ENG_EINTERNAL, "file '%s' cannot be inflated", f->name);
    eng_buf_added(out, size);
    return ENG_OK;
}

eng_status eng_web_reply(eng_request *req, eng_str name, eng_reply *out, eng_error *err)
{
    const web_file *f = find(name);
    if (!f)
        return eng_fail(err, ENG_ENOTFOUND, "no file '%.*s' here",
                        ENG_FMT(eng_str_sub(name, 0, 100)));
    eng_str etag = etag_of(f, eng_req_arena(req));
    if (!etag.ptr)
        return eng_fail_nomem(err);
    eng_str bytes = {f->from, (size_t)(f->to - f->from)}, none = {"", 0};
    eng_reply_header(out, ENG_STR("ETag"), etag);
    /* Kept, but asked for again by its ETag: after an update no page is made of two versions. */
    eng_reply_header(out, ENG_STR("Cache-Control"), ENG_STR("no-cache"));
    eng_reply_header(out, ENG_STR("Content-Security-Policy"), ENG_STR(POLICY));
    if (eng_str_eq(eng_exchange_header(req->x, ENG_STR("If-None-Match")), etag)) {
        eng_reply_status(out, 304);
        return ENG_OK;
    }
    if (f->gzipped && !accepts_gzip(req->x))
        return inflate_into(eng_reply_bytes(out, f->type), f, err);
    eng_reply_static(out, f->type, f->gzipped ? none : bytes, f->gzipped ? bytes : none);
    return ENG_OK;
}
