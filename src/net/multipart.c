/*
 * multipart/form-data (RFC 7578, RFC 2046), read in pieces of any size.
 *
 *      PREAMBLE --delimiter--> DELIMITED --CRLF--> HEAD --blank line--> DATA
 *                                 |   ^                                  |
 *                                "--"  +------------delimiter------------+
 *                                 v
 *                              EPILOGUE
 *
 * A delimiter is CRLF, two dashes and the boundary; the text may begin with one that lacks the CRLF,
 * as if it stood before the first byte. A boundary holds no CR, so a delimiter that turns out to be
 * none can only be followed by one that begins where it broke off: nothing has to be read twice.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"
#include "net/hex.h"
#include "net/net.h"

enum { BOUNDARY_MAX = 70, HEAD_MAX = 16384, PARTS_MAX = 1024 };

typedef enum { PREAMBLE, DELIMITED, HEAD, DATA, EPILOGUE } multipart_state;

struct eng_multipart {
    eng_multipart_callbacks on;
    multipart_state state;
    size_t matched; /* bytes of the delimiter that were seen, in PREAMBLE and DATA */
    char before;    /* the last byte behind a delimiter, in DELIMITED; 0: none yet */
    size_t delimiter_len;
    char delimiter[4 + BOUNDARY_MAX];
    eng_buf head; /* of the part; what its views point into */
    size_t parts;
    size_t consumed; /* by earlier calls, for positions in errors */
    eng_status failed;
};

/* ---- Parameters of a header ------------------------------------------------------------------- */

typedef struct {
    char *at;
    char *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

static bool is_token(char c) { return c > ' ' && c < 0x7F && !strchr("()<>@,;:\\\"/[]?={}", c); }

/* Takes the escapes out in place. Only a quote and a backslash are escaped: old browsers send paths
 * as they are, backslashes and all. */
static bool take_quoted(cursor *c, eng_str *value)
{
    char *to = ++c->at;
    value->ptr = to;
    while (c->at < c->end && *c->at != '"') {
        bool escape = *c->at == '\\' && c->at + 1 < c->end && (c->at[1] == '"' || c->at[1] == '\\');
        c->at += escape;
        *to++ = *c->at++;
    }
    value->len = (size_t)(to - value->ptr);
    return c->at++ < c->end;
}

static eng_str take_token(cursor *c)
{
    char *from = c->at;
    while (c->at < c->end && is_token(*c->at))
        c->at++;
    return (eng_str){from, (size_t)(c->at - from)};
}

/* The next "; name=value": 1, at the end 0, malformed -1. */
static int take_parameter(cursor *c, eng_str *name, eng_str *value)
{
    do {
        skip_blanks(c);
        if (c->at == c->end)
            return 0;
        if (*c->at++ != ';')
            return -1;
        skip_blanks(c);
    } while (c->at == c->end || *c->at == ';');
    *name = take_token(c);
    skip_blanks(c);
    if (name->len == 0 || c->at == c->end || *c->at++ != '=')
        return -1;
    skip_blanks(c);
    if (c->at < c->end && *c->at == '"')
        return take_quoted(c, value) ? 1 : -1;
    *value = take_token(c);
    return value->len ? 1 : -1;
}

/* ---- The boundary ----------------------------------------------------------------------------- */

static bool is_boundary(eng_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr("'()+_,-./:=? ", c)))
            return false;
    }
    return text.len > 0 && text.len <= BOUNDARY_MAX && text.ptr[text.len - 1] != ' ';
}

static eng_status find_boundary(char *header, eng_str *boundary, eng_error *err)
{
    static const char type[] = "multipart/form-data";
    cursor c = {header, header + strlen(header)};
    eng_str name, value, found = {NULL, 0};
    int got;
    if (!eng_str_eq_nocase(eng_str_sub(eng_str_of(header), 0, strlen(type)), eng_str_of(type)))
        return eng_fail(err, ENG_ETYPE, "expected content of type %s", type);
    c.at += strlen(type);
    while ((got = take_parameter(&c, &name, &value)) > 0) {
        if (!eng_str_eq_nocase(name, ENG_STR("boundary")))
            continue;
        if (found.ptr)
            return eng_fail(err, ENG_EMALFORMED, "content-type: two boundaries");
        found = value;
    }
    if (got < 0)
        return eng_fail(err, ENG_EMALFORMED, "content-type: malformed parameters");
    if (!found.ptr)
        return eng_fail(err, ENG_EMALFORMED, "content-type: no boundary");
    if (!is_boundary(found))
        return eng_fail(err, ENG_EMALFORMED, "content-type: a boundary that is not allowed");
    *boundary = found;
    return ENG_OK;
}

eng_status eng_multipart_new(eng_str content_type, const eng_multipart_callbacks *on,
                             eng_multipart **out, eng_error *err)
{
    eng_str boundary = {"", 0};
    /* A copy, because values are taken out of their quotes in place. */
    char *header = eng_strdup(eng_str_trim(content_type));
    eng_multipart *m = eng_zalloc(sizeof *m);
    eng_status status = header && m ? find_boundary(header, &boundary, err) : eng_fail_nomem(err);
    if (status == ENG_OK) {
        m->on = *on;
        memcpy(m->delimiter, "\r\n--", 4);
        memcpy(m->delimiter + 4, boundary.ptr, boundary.len);
        m->delimiter_len = 4 + boundary.len;
        m->matched = 2;
        eng_buf_init(&m->head, HEAD_MAX);
        *out = m;
        m = NULL;
    }
    eng_free(header);
    eng_free(m);
    return status;
}

void eng_multipart_free(eng_multipart *m)
{
    if (!m)
        return;
    eng_buf_clear(&m->head);
    eng_free(m);
}

/* ---- The head of a part ----------------------------------------------------------------------- */

static bool is_text(eng_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7F)
            return false;
    return eng_utf8_valid(s) == s.len;
}

static eng_status malformed(const eng_multipart *m, const char *what, eng_error *err)
{
    return eng_fail_at(err, ENG_EMALFORMED, m->consumed, "part %zu: %s", m->parts, what);
}

static eng_str without_path(eng_str name)
{
    size_t from = name.len;
    while (from && name.ptr[from - 1] != '/' && name.ptr[from - 1] != '\\')
        from--;
    return (eng_str){name.ptr + from, name.len - from};
}

/* filename*=UTF-8''na%C3%AFve.txt (RFC 8187), in place; value lies in the head, which is ours. */
static bool decode_extended(eng_str *value)
{
    static const eng_str charset = {"UTF-8'", 6};
    eng_str language, text;
    if (!eng_str_eq_nocase(eng_str_sub(*value, 0, charset.len), charset) ||
        !eng_str_cut(eng_str_sub(*value, charset.len, value->len), '\'', &language, &text))
        return false;
    char *to = (char *)(uintptr_t)text.ptr;
    value->ptr = to;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int byte = eng_hex_escape(text.ptr + i, text.len - i);
            if (byte < 0)
                return false;
            c = (char)byte;
            i += 2;
        }
        *to++ = c;
    }
    value->len = (size_t)(to - value->ptr);
    return true;
}

static eng_status read_disposition(const eng_multipart *m, cursor c, eng_part *part, eng_error *err)
{
    eng_str name, value, extended = {NULL, 0};
    int got;
    skip_blanks(&c);
    if (part->name.ptr)
        return malformed(m, "two Content-Disposition headers", err);
    if (!eng_str_eq_nocase(take_token(&c), ENG_STR("form-data")))
        return malformed(m, "its Content-Disposition is not form-data", err);
    while ((got = take_parameter(&c, &name, &value)) > 0) {
        eng_str *to = eng_str_eq_nocase(name, ENG_STR("name"))        ? &part->name
                      : eng_str_eq_nocase(name, ENG_STR("filename"))  ? &part->filename
                      : eng_str_eq_nocase(name, ENG_STR("filename*")) ? &extended
                                                                      : NULL;
        if (!to)
            continue;
        if (to->ptr)
            return malformed(m, "a parameter of its Content-Disposition stands twice", err);
        if (to == &extended && !decode_extended(&value))
            return malformed(m, "its filename* is not encoded as RFC 8187 says", err);
        *to = value;
    }
    if (got < 0)
        return malformed(m, "its Content-Disposition has malformed parameters", err);
    if (extended.ptr)
        part->filename = extended;
    if (!is_text(part->name) || !is_text(part->filename))
        return malformed(m, "its name is not text", err);
    if (part->filename.ptr)
        part->filename = without_path(part->filename);
    return ENG_OK;
}

static eng_status read_header(const eng_multipart *m, cursor c, eng_part *part, eng_error *err)
{
    eng_str name = take_token(&c);
    if (name.len == 0 || c.at == c.end || *c.at++ != ':')
        return malformed(m, "a malformed header", err);
    eng_str value = eng_str_trim((eng_str){c.at, (size_t)(c.end - c.at)});
    if (!is_text(value))
        return malformed(m, "a header that is not text", err);
    if (eng_str_eq_nocase(name, ENG_STR("Content-Disposition")))
        return read_disposition(m, c, part, err);
    if (eng_str_eq_nocase(name, ENG_STR("Content-Type")))
        part->type = value;
    if (eng_str_eq_nocase(name, ENG_STR("Content-Transfer-Encoding")) &&
        !eng_str_eq_nocase(value, ENG_STR("7bit")) && !eng_str_eq_nocase(value, ENG_STR("8bit")) &&
        !eng_str_eq_nocase(value, ENG_STR("binary")))
        return eng_fail_at(err, ENG_ETYPE, m->consumed,
                           "part %zu: a Content-Transfer-Encoding that forms do not use", m->parts);
    return ENG_OK;
}

static eng_status begin_part(eng_multipart *m, eng_error *err)
{
    eng_part part = {.type = {"", 0}};
    char *at = m->head.data, *end = at + m->head.len;
    while (at < end) {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == at || line_end[-1] != '\r')
            return malformed(m, "a header line that does not end in CRLF", err);
        if (line_end - 1 == at)
            break;
        eng_status status = read_header(m, (cursor){at, line_end - 1}, &part, err);
        if (status < 0)
            return status;
        at = line_end + 1;
    }
    if (!part.name.ptr)
        return malformed(m, "it has no name", err);
    m->state = DATA;
    m->matched = 0;
    return m->on.begin ? m->on.begin(m->on.ctx, &part, err) : ENG_OK;
}

/* ---- Feeding ---------------------------------------------------------------------------------- */

/* Each takes what it can from the front of *in. */

static eng_status give(eng_multipart *m, const char *from, size_t len, eng_error *err)
{
    if (m->state != DATA || len == 0 || !m->on.data)
        return ENG_OK;
    return m->on.data(m->on.ctx, (eng_str){from, len}, err);
}

static eng_status found_delimiter(eng_multipart *m, eng_error *err)
{
    eng_status status = ENG_OK;
    if (m->state == DATA && m->on.end)
        status = m->on.end(m->on.ctx, err);
    m->state = DELIMITED;
    m->before = '\0';
    return status;
}

/* What an earlier piece ended in may be the beginning of a delimiter. */
static eng_status go_on_matching(eng_multipart *m, eng_str *in, bool *found, eng_error *err)
{
    size_t i = 0;
    while (i < in->len && m->matched < m->delimiter_len && in->ptr[i] == m->delimiter[m->matched]) {
        i++;
        m->matched++;
    }
    *in = (eng_str){in->ptr + i, in->len - i};
    *found = m->matched == m->delimiter_len;
    if (*found || in->len == 0)
        return ENG_OK;
    size_t seen = m->matched;
    m->matched = 0;
    return give(m, m->delimiter, seen, err);
}

/* How many bytes of the delimiter stand at p: all of them, or as many as there are left. */
static size_t match_at(const eng_multipart *m, const char *p, size_t left)
{
    size_t most = left < m->delimiter_len ? left : m->delimiter_len;
    return memcmp(p, m->delimiter, most) == 0 ? most : 0;
}

static eng_status take_data(eng_multipart *m, eng_str *in, eng_error *err)
{
    bool found = false;
    if (m->matched) {
        eng_status status = go_on_matching(m, in, &found, err);
        if (status < 0)
            return status;
        if (found)
            return found_delimiter(m, err);
        if (in->len == 0)
            return ENG_OK;
    }
    const char *from = in->ptr, *end = from + in->len, *at = from;
    size_t matched = 0;
    while ((at = memchr(at, '\r', (size_t)(end - at))) &&
           !(matched = match_at(m, at, (size_t)(end - at))))
        at++;
    if (!at)
        at = end;
    m->matched = matched;
    *in = (eng_str){at + matched, (size_t)(end - at) - matched};
    eng_status status = give(m, from, (size_t)(at - from), err);
    if (status == ENG_OK && matched == m->delimiter_len)
        status = found_delimiter(m, err);
    return status;
}

/* Blanks and CRLF, or two dashes at once. */
static eng_status take_delimited(eng_multipart *m, eng_str *in, eng_error *err)
{
    char c = *in->ptr;
    *in = (eng_str){in->ptr + 1, in->len - 1};
    bool dash = c == '-' && (m->before == '\0' || m->before == '-');
    bool blank = (c == ' ' || c == '\t') && m->before != '-' && m->before != '\r';
    bool cr = c == '\r' && m->before != '-' && m->before != '\r';
    bool lf = c == '\n' && m->before == '\r';
    if (!dash && !blank && !cr && !lf)
        return malformed(m, "something stands behind the boundary", err);
    if (dash && m->before == '-')
        m->state = EPILOGUE;
    m->before = blank ? ' ' : c;
    if (!lf)
        return ENG_OK;
    if (m->parts == PARTS_MAX)
        return eng_fail(err, ENG_ETOOBIG, "more than %d parts", PARTS_MAX);
    m->parts++;
    m->state = HEAD;
    eng_buf_reset(&m->head);
    return ENG_OK;
}

static eng_status take_head(eng_multipart *m, eng_str *in, eng_error *err)
{
    const char *line_end = memchr(in->ptr, '\n', in->len);
    size_t len = line_end ? (size_t)(line_end - in->ptr) + 1 : in->len;
    eng_buf_bytes(&m->head, in->ptr, len);
    *in = (eng_str){in->ptr + len, in->len - len};
    eng_status status = eng_buf_check(&m->head, "headers of a part", err);
    if (status < 0 || !line_end)
        return status;
    eng_str head = eng_buf_view(&m->head);
    bool ends = eng_str_eq(head, ENG_STR("\r\n")) || eng_str_ends(head, ENG_STR("\n\r\n"));
    return ends ? begin_part(m, err) : ENG_OK;
}

static eng_status take(eng_multipart *m, eng_str *in, eng_error *err)
{
    switch (m->state) {
    case PREAMBLE:
    case DATA:
        return take_data(m, in, err);
    case DELIMITED:
        return take_delimited(m, in, err);
    case HEAD:
        return take_head(m, in, err);
    default:
        in->len = 0;
        return ENG_OK;
    }
}

eng_status eng_multipart_feed(eng_multipart *m, eng_str bytes, eng_error *err)
{
    if (m->failed)
        return eng_fail(err, m->failed, "the form has failed before");
    eng_str in = bytes;
    while (in.len && m->failed == ENG_OK) {
        size_t left = in.len;
        m->failed = take(m, &in, err);
        m->consumed += left - in.len;
    }
    return m->failed;
}

eng_status eng_multipart_end(eng_multipart *m, eng_error *err)
{
    if (m->failed)
        return eng_fail(err, m->failed, "the form has failed before");
    if (m->state != EPILOGUE)
        return eng_fail_at(err, ENG_ETRUNCATED, m->consumed,
                           "the form ends before its last boundary");
    return ENG_OK;
}

/* ---- As a whole ------------------------------------------------------------------------------- */

typedef struct {
    eng_arena *arena;
    eng_part *parts;
    size_t count;
    size_t room;
} collector;

static eng_status collect_begin(void *ctx, const eng_part *part, eng_error *err)
{
    collector *c = ctx;
    if (c->count == c->room) {
        size_t room = c->room ? c->room * 2 : 8;
        eng_part *parts = eng_arena_array(c->arena, room, sizeof *parts);
        if (!parts)
            return eng_fail_nomem(err);
        if (c->count)
            memcpy(parts, c->parts, c->count * sizeof *parts);
        c->parts = parts;
        c->room = room;
    }
    eng_part *p = &c->parts[c->count];
    *p = (eng_part){.name = eng_arena_copy(c->arena, part->name),
                    .type = eng_arena_copy(c->arena, part->type),
                    .content = {"", 0}};
    if (part->filename.ptr)
        p->filename = eng_arena_copy(c->arena, part->filename);
    if (!p->name.ptr || !p->type.ptr || (part->filename.ptr && !p->filename.ptr))
        return eng_fail_nomem(err);
    c->count++;
    return ENG_OK;
}

/* Fed in one piece, a part's content comes as one view into that piece. */
static eng_status collect_data(void *ctx, eng_str bytes, eng_error *err)
{
    collector *c = ctx;
    (void)err;
    c->parts[c->count - 1].content = bytes;
    return ENG_OK;
}

eng_status eng_multipart_read(eng_str content_type, eng_str body, eng_arena *arena,
                              const eng_part **parts, size_t *count, eng_error *err)
{
    collector c = {.arena = arena};
    eng_multipart_callbacks on = {.begin = collect_begin, .data = collect_data, .ctx = &c};
    eng_multipart *m = NULL;
    eng_status status = eng_multipart_new(content_type, &on, &m, err);
    if (status == ENG_OK)
        status = eng_multipart_feed(m, body, err);
    if (status == ENG_OK)
        status = eng_multipart_end(m, err);
    if (status == ENG_OK) {
        *parts = c.parts;
        *count = c.count;
    }
    eng_multipart_free(m);
    return status;
}
