/*
 * A request's line and headers, as RFC 9112 has them and no other way: lines end in CRLF, nothing is
 * folded, no blank stands before a colon, and what says how long the body is says it once. Two readers
 * that understand one head differently are how requests are smuggled, so nothing is repaired.
 *
 * The head is read from its beginning each time it has grown by a line, so there is no state to keep.
 */
#include "net/http_internal.h"

#include "base/check.h"

enum { BLANK_LINES_MAX = 8, ID_MAX = 64 };

/* ---- Characters ----------------------------------------------------------------------------- */

enum { TOKEN = 1, TARGET = 2, VALUE = 4, ID = 8 };

#define ALNUM (TOKEN | TARGET | VALUE | ID)
#define MARK (TOKEN | TARGET | VALUE)
#define PLAIN (TARGET | VALUE)

/* By RFC 9110: token, field-value; a target may hold what is visible but for '#', and bytes beyond
 * ASCII, which clients send as they were typed. */
static const uint8_t kinds[256] = {
    ['\t'] = VALUE,        [' '] = VALUE,         ['!'] = MARK,
    ['"'] = PLAIN,         ['#'] = TOKEN | VALUE, ['$'] = MARK,
    ['%'] = MARK,          ['&'] = MARK,          ['\''] = MARK,
    ['('] = PLAIN,         [')'] = PLAIN,         ['*'] = MARK,
    ['+'] = MARK,          [','] = PLAIN,         ['-'] = ALNUM,
    ['.'] = ALNUM,         ['/'] = PLAIN,         ['0' ... '9'] = ALNUM,
    [':' ... '@'] = PLAIN, ['A' ... 'Z'] = ALNUM, ['[' ... ']'] = PLAIN,
    ['^'] = MARK,          ['_'] = ALNUM,         ['`'] = MARK,
    ['a' ... 'z'] = ALNUM, ['{'] = PLAIN,         ['|'] = MARK,
    ['}'] = PLAIN,         ['~'] = MARK,          [0x80 ... 0xff] = PLAIN,
};

static bool is(char c, int kind) { return (kinds[(unsigned char)c] & kind) != 0; }

/* How many bytes from p on are of this kind. */
static size_t span_of(const char *p, const char *end, int kind)
{
    const char *at = p;
    while (at < end && is(*at, kind))
        at++;
    return (size_t)(at - p);
}

static bool all_are(eng_str s, int kind) { return span_of(s.ptr, s.ptr + s.len, kind) == s.len; }

/* ---- The reader ----------------------------------------------------------------------------- */

typedef struct {
    const char *at;
    const char *end;
    const eng_http_limits *limits;
    eng_http_head *head;
    bool has_host;
    bool has_encoding; /* Transfer-Encoding */
    bool close;
    bool keep;
} reader;

static eng_head_state refuse(reader *r, int status, const char *why)
{
    r->head->status = status;
    r->head->why = why;
    return ENG_HEAD_REFUSED;
}

/* A line end stands here; MORE where its second half has not come yet. */
static eng_head_state line_end(reader *r, const char *why)
{
    if (r->at == r->end || (*r->at == '\r' && r->at + 1 == r->end))
        return ENG_HEAD_MORE;
    if (r->at[0] != '\r' || r->at[1] != '\n')
        return refuse(r, 400, why);
    r->at += 2;
    return ENG_HEAD_WHOLE;
}

/* RFC 9112, 2.2: some clients send one behind a body. */
static eng_head_state skip_blank_lines(reader *r)
{
    for (unsigned i = 0; r->at < r->end && (*r->at == '\r' || *r->at == '\n'); i++) {
        if (i == BLANK_LINES_MAX)
            return refuse(r, 400, "blank lines where a request was expected");
        eng_head_state state = line_end(r, "a line end that is not CRLF");
        if (state != ENG_HEAD_WHOLE)
            return state;
    }
    return r->at < r->end ? ENG_HEAD_WHOLE : ENG_HEAD_MORE;
}

/* ---- The request line ----------------------------------------------------------------------- */

static eng_head_state read_method(reader *r)
{
    enum { METHOD_MAX = 32 };
    size_t len = span_of(r->at, r->end, TOKEN);
    if (len > METHOD_MAX)
        return refuse(r, 501, "a method that no server knows");
    if (r->at + len == r->end)
        return ENG_HEAD_MORE;
    if (len == 0 || r->at[len] != ' ')
        return refuse(r, 400, "the request line does not begin with a method and a space");
    r->head->method = (eng_str){r->at, len};
    r->at += len + 1;
    return ENG_HEAD_WHOLE;
}

static eng_head_state read_target(reader *r)
{
    size_t len = span_of(r->at, r->end, TARGET);
    if (len > r->limits->target_max)
        return refuse(r, 414, "the address is too long");
    if (r->at + len == r->end)
        return ENG_HEAD_MORE;
    if (len == 0 || r->at[len] != ' ')
        return refuse(r, 400,
                      "the request line holds no address, or a character that none may have");
    r->head->target = (eng_str){r->at, len};
    r->at += len + 1;
    return ENG_HEAD_WHOLE;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static eng_head_state read_version(reader *r)
{
    static const char form[] = "HTTP/1.1";
    size_t left = (size_t)(r->end - r->at), have = left < 8 ? left : 8;
    for (size_t i = 0; i < have; i++)
        if (i == 5 || i == 7 ? !is_digit(r->at[i]) : r->at[i] != form[i])
            return refuse(r, 400, "the request line does not end in a version of HTTP");
    if (left < 8)
        return ENG_HEAD_MORE;
    bool other = r->at[5] != '1';
    r->head->http10 = r->at[7] == '0';
    r->at += 8;
    eng_head_state state = line_end(r, "the request line goes on behind the version");
    if (state == ENG_HEAD_WHOLE && other)
        return refuse(r, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return state;
}

static void split_path(eng_http_head *h, eng_str text)
{
    eng_str_cut(text, '?', &h->path, &h->query);
    if (h->path.len == 0)
        h->path = ENG_STR("/");
}

/* What may stand in a Host header: a name or an address, and a port. */
static bool is_authority(eng_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.ptr[i], ID) && !memchr(":[]%~!$&'()*+,;=", s.ptr[i], 16))
            return false;
    return s.len > 0;
}

/* http://host/path, as clients send it to proxies. The host in it counts, not the header. */
static eng_head_state split_absolute(reader *r)
{
    eng_http_head *h = r->head;
    size_t from = eng_str_find(h->target, ENG_STR("://"));
    eng_str scheme = eng_str_sub(h->target, 0, from);
    if (from == SIZE_MAX || (!eng_str_eq_nocase(scheme, ENG_STR("http")) &&
                             !eng_str_eq_nocase(scheme, ENG_STR("https"))))
        return refuse(r, 400, "the address is neither a path nor http://...");
    eng_str rest = eng_str_sub(h->target, from + 3, h->target.len);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    h->host = eng_str_sub(rest, 0, len);
    if (!is_authority(h->host))
        return refuse(r, 400, "the address names no host");
    split_path(h, eng_str_sub(rest, len, rest.len));
    return ENG_HEAD_WHOLE;
}

static eng_head_state split_target(reader *r)
{
    eng_http_head *h = r->head;
    if (h->target.ptr[0] == '/') {
        split_path(h, h->target);
        return ENG_HEAD_WHOLE;
    }
    if (!eng_str_eq(h->target, ENG_STR("*")))
        return split_absolute(r);
    if (!eng_str_eq(h->method, ENG_STR("OPTIONS")))
        return refuse(r, 400, "the address '*' is for OPTIONS alone");
    h->path = h->target;
    return ENG_HEAD_WHOLE;
}

static eng_head_state read_request_line(reader *r)
{
    eng_head_state state = skip_blank_lines(r);
    if (state == ENG_HEAD_WHOLE)
        state = read_method(r);
    if (state == ENG_HEAD_WHOLE)
        state = read_target(r);
    if (state == ENG_HEAD_WHOLE)
        state = read_version(r);
    return state == ENG_HEAD_WHOLE ? split_target(r) : state;
}

/* ---- Headers that the server itself heeds ---------------------------------------------------- */

/* The next element of a list, trimmed; false at its end. */
static bool next_element(eng_str *list, eng_str *one)
{
    if (!list->ptr)
        return false;
    if (!eng_str_cut(*list, ',', one, list))
        *list = (eng_str){NULL, 0};
    *one = eng_str_trim(*one);
    return true;
}

/* A coding's weight is 0: it is refused. */
static bool is_zero_weight(eng_str parameters)
{
    eng_str p = eng_str_trim(parameters), name, weight;
    if (!eng_str_cut(p, '=', &name, &weight) ||
        !eng_str_eq_nocase(eng_str_trim(name), ENG_STR("q")))
        return false;
    weight = eng_str_trim(weight);
    for (size_t i = 0; i < weight.len; i++)
        if (weight.ptr[i] != '0' && weight.ptr[i] != '.')
            return false;
    return true;
}

bool eng_http_accepts_gzip(eng_str header)
{
    eng_str rest = header, one, name, parameters;
    bool any = false;
    while (next_element(&rest, &one)) {
        eng_str_cut(one, ';', &name, &parameters);
        name = eng_str_trim(name);
        if (eng_str_eq_nocase(name, ENG_STR("gzip")))
            return !is_zero_weight(parameters);
        any |= eng_str_eq(name, ENG_STR("*")) && !is_zero_weight(parameters);
    }
    return any;
}

static eng_head_state take_host(reader *r, eng_str value)
{
    if (r->has_host)
        return refuse(r, 400, "two Host headers");
    if (!is_authority(value) && !(value.len == 0 && r->head->http10))
        return refuse(r, 400, "the Host header is not a host");
    r->has_host = true;
    if (!r->head->host.ptr)
        r->head->host = value;
    return ENG_HEAD_WHOLE;
}

static eng_head_state take_length(reader *r, eng_str value)
{
    if (r->head->has_length)
        return refuse(r, 400, "two Content-Length headers");
    if (!eng_str_u64(value, &r->head->length))
        return refuse(r, 400, "Content-Length is not a number of bytes");
    r->head->has_length = true;
    return ENG_HEAD_WHOLE;
}

static eng_head_state take_encoding(reader *r, eng_str value)
{
    if (r->has_encoding)
        return refuse(r, 400, "two Transfer-Encoding headers");
    r->has_encoding = true;
    if (r->head->http10)
        return refuse(r, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (eng_str_eq_nocase(value, ENG_STR("chunked"))) {
        r->head->chunked = true;
        return ENG_HEAD_WHOLE;
    }
    eng_str rest = value, one;
    while (next_element(&rest, &one))
        if (rest.ptr && eng_str_eq_nocase(one, ENG_STR("chunked")))
            return refuse(r, 400, "chunked is not the last transfer coding");
    return refuse(r, value.len ? 501 : 400, "the only transfer coding known is chunked");
}

static eng_head_state take_connection(reader *r, eng_str value)
{
    eng_str one;
    while (next_element(&value, &one)) {
        r->close |= eng_str_eq_nocase(one, ENG_STR("close"));
        r->keep |= eng_str_eq_nocase(one, ENG_STR("keep-alive"));
    }
    return ENG_HEAD_WHOLE;
}

static eng_head_state take_expect(reader *r, eng_str value)
{
    if (!eng_str_eq_nocase(value, ENG_STR("100-continue")))
        return refuse(r, 417, "only 100-continue can be expected");
    r->head->expects = !r->head->http10;
    return ENG_HEAD_WHOLE;
}

static eng_head_state take_id(reader *r, eng_str value)
{
    if (value.len > 0 && value.len <= ID_MAX && all_are(value, ID))
        r->head->id = value;
    return ENG_HEAD_WHOLE;
}

static eng_head_state take_accept_encoding(reader *r, eng_str value)
{
    r->head->gzip |= eng_http_accepts_gzip(value);
    return ENG_HEAD_WHOLE;
}

static const struct {
    eng_str name;
    eng_head_state (*take)(reader *r, eng_str value);
} heeded[] = {
    {{"Host", 4}, take_host},
    {{"Expect", 6}, take_expect},
    {{"Connection", 10}, take_connection},
    {{"X-Request-Id", 12}, take_id},
    {{"Content-Length", 14}, take_length},
    {{"Accept-Encoding", 15}, take_accept_encoding},
    {{"Transfer-Encoding", 17}, take_encoding},
};

static eng_head_state heed(reader *r, eng_str name, eng_str value)
{
    for (size_t i = 0; i < sizeof heeded / sizeof heeded[0]; i++)
        if (heeded[i].name.len == name.len && eng_str_eq_nocase(heeded[i].name, name))
            return heeded[i].take(r, value);
    return ENG_HEAD_WHOLE;
}

/* ---- Header lines ---------------------------------------------------------------------------- */

static eng_str trim_blanks(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (eng_str){from, (size_t)(to - from)};
}

static eng_head_state read_header(reader *r, eng_header *headers)
{
    const char *from = r->at;
    size_t len = span_of(from, r->end, TOKEN);
    if (from + len == r->end)
        return ENG_HEAD_MORE;
    if (len == 0)
        return refuse(
            r, 400, *from == ' ' || *from == '\t' ? "a folded header" : "a header without a name");
    if (from[len] != ':')
        return refuse(r, 400, "a header's name does not end in a colon");
    const char *value = from + len + 1, *end = value + span_of(value, r->end, VALUE);
    r->at = end;
    eng_head_state state = line_end(r, "a header holds a character that none may have");
    if (state != ENG_HEAD_WHOLE)
        return state;
    if (r->head->header_count == r->limits->header_count_max)
        return refuse(r, 431, "too many headers");
    eng_header *h = &headers[r->head->header_count++];
    *h = (eng_header){{from, len}, trim_blanks(value, end)};
    return heed(r, h->name, h->value);
}

static eng_head_state read_headers(reader *r, eng_header *headers)
{
    for (;;) {
        if (r->at == r->end)
            return ENG_HEAD_MORE;
        if (*r->at == '\r')
            return line_end(r, "a line end that is not CRLF");
        eng_head_state state = read_header(r, headers);
        if (state != ENG_HEAD_WHOLE)
            return state;
    }
}

/* What only the whole head shows. */
static eng_head_state check(reader *r)
{
    eng_http_head *h = r->head;
    if (h->chunked && h->has_length)
        return refuse(r, 400, "both Content-Length and Transfer-Encoding");
    if (!r->has_host && !h->http10)
        return refuse(r, 400, "no Host header");
    if (!h->host.ptr)
        h->host = ENG_STR("");
    h->keep_alive = !r->close && (!h->http10 || r->keep);
    return ENG_HEAD_WHOLE;
}

eng_head_state eng_http_head_read(eng_str bytes, const eng_http_limits *limits, eng_header *headers,
                                  eng_http_head *out)
{
    *out = (eng_http_head){.query = {"", 0}};
    size_t most = bytes.len < limits->head_max ? bytes.len : limits->head_max;
    reader r = {.at = bytes.ptr, .end = bytes.ptr + most, .limits = limits, .head = out};
    eng_head_state state = read_request_line(&r);
    if (state == ENG_HEAD_WHOLE)
        state = read_headers(&r, headers);
    if (state == ENG_HEAD_WHOLE)
        state = check(&r);
    if (state == ENG_HEAD_MORE && most == limits->head_max)
        return refuse(&r, 431, "the headers are too large");
    out->size = (size_t)(r.at - bytes.ptr);
    return state;
}
