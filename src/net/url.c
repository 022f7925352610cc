/* Addresses of http and https, and what is written into their paths and queries. */
#include "base/error.h"
#include "base/utf8.h"
#include "net/hex.h"
#include "net/net.h"

#include <arpa/inet.h>

enum {
    HOST_MAX = 255,
    PORT_MAX = 65535,
    QUOTED_MAX = 200, /* of an address in a message */
    HTTP_PORT = 80,
    HTTPS_PORT = 443
};

/* ---- Reading an address ----------------------------------------------------------------------- */

static eng_status refuse(eng_str text, size_t at, const char *why, eng_error *err)
{
    eng_str quoted = eng_str_sub(text, 0, QUOTED_MAX);
    return eng_fail_at(err, ENG_EINVALID, at, "'%.*s' is no address to fetch: %s", ENG_FMT(quoted),
                       why);
}

static eng_status check_bytes(eng_str text, eng_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == 0x7F)
            return refuse(text, i, "it holds a blank or a control character", err);
    }
    size_t valid = eng_utf8_valid(text);
    return valid < text.len ? refuse(text, valid, "it is not UTF-8", err) : ENG_OK;
}

static size_t take_scheme(eng_str text, eng_url *url)
{
    static const struct {
        eng_str prefix;
        eng_str scheme;
        uint16_t port;
    } schemes[] = {
        {{"http://", 7}, {"http", 4}, HTTP_PORT},
        {{"https://", 8}, {"https", 5}, HTTPS_PORT},
    };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = schemes[i].prefix.len;
        if (eng_str_eq_nocase(eng_str_sub(text, 0, len), schemes[i].prefix)) {
            url->scheme = schemes[i].scheme;
            url->port = schemes[i].port;
            return len;
        }
    }
    return 0;
}

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || (unsigned char)c >= 0x80;
}

/* "1.2.3" and "a.0x7f" are read as addresses by some and as names by others; who is asked must not
 * depend on that, so a last label that is a number makes the host an address, or nothing. */
static bool ends_in_number(eng_str host)
{
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    size_t from = host.len;
    while (from && host.ptr[from - 1] != '.')
        from--;
    eng_str label = eng_str_sub(host, from, host.len);
    if (label.len > 1 && label.ptr[0] == '0' && (label.ptr[1] | 0x20) == 'x')
        return true;
    for (size_t i = 0; i < label.len; i++)
        if (label.ptr[i] < '0' || label.ptr[i] > '9')
            return false;
    return label.len > 0;
}

static const char *fault_of_name(eng_str host)
{
    char copy[HOST_MAX + 1];
    struct in_addr address;
    if (host.len == 0)
        return "it names no host";
    if (host.len > HOST_MAX)
        return "its host is too long";
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_byte(host.ptr[i]))
            return "its host holds a character that no host has";
    memcpy(copy, host.ptr, host.len);
    copy[host.len] = '\0';
    if (ends_in_number(host) && !inet_aton(copy, &address))
        return "its host ends in a number and is no IPv4 address";
    return NULL;
}

static const char *fault_of_literal(eng_str host)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.len >= sizeof copy)
        return "what stands in brackets is no IPv6 address";
    memcpy(copy, host.ptr, host.len);
    copy[host.len] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1 ? NULL
                                                    : "what stands in brackets is no IPv6 address";
}

static const char *read_port(eng_str text, eng_url *url)
{
    uint64_t port;
    if (text.len == 0)
        return NULL;
    if (!eng_str_u64(text, &port) || port == 0 || port > PORT_MAX)
        return "its port is none of 1 to 65535";
    url->port = (uint16_t)port;
    return NULL;
}

/* host, host:port or [v6]:port. NULL, or what is wrong. */
static const char *read_authority(eng_str text, eng_url *url)
{
    eng_str port = {"", 0};
    const char *fault;
    if (text.len && memchr(text.ptr, '@', text.len))
        return "it names a user";
    if (text.len && text.ptr[0] == '[') {
        if (!eng_str_cut(eng_str_sub(text, 1, text.len), ']', &url->host, &port))
            return "a bracket is open";
        if (port.len && port.ptr[0] != ':')
            return "something other than a port stands behind its host";
        port = eng_str_sub(port, 1, port.len);
        fault = fault_of_literal(url->host);
    } else {
        eng_str_cut(text, ':', &url->host, &port);
        fault = fault_of_name(url->host);
    }
    return fault ? fault : read_port(port, url);
}

eng_status eng_url_read(eng_str text, eng_url *out, eng_error *err)
{
    eng_url url = {.path = ENG_STR("/")};
    eng_str rest, fragment;
    eng_status status = check_bytes(text, err);
    if (status < 0)
        return status;
    size_t at = take_scheme(text, &url);
    if (at == 0)
        return refuse(text, 0, "it begins with neither http:// nor https://", err);

    eng_str_cut(eng_str_sub(text, at, text.len), '#', &rest, &fragment);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;
    const char *fault = read_authority(eng_str_sub(rest, 0, end), &url);
    if (fault)
        return refuse(text, at, fault, err);
    if (end < rest.len)
        url.path = eng_str_sub(rest, end, rest.len);
    *out = url;
    return ENG_OK;
}

/* ---- Escapes ---------------------------------------------------------------------------------- */

static bool has_escapes(eng_str text, bool form)
{
    return text.len &&
           (memchr(text.ptr, '%', text.len) || (form && memchr(text.ptr, '+', text.len)));
}

/* to has text.len bytes, which is always enough. SIZE_MAX: all well, else where an escape is broken. */
static size_t unescape(eng_str text, bool form, char *to, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int byte = eng_hex_escape(text.ptr + i, text.len - i);
            if (byte < 0)
                return i;
            c = (char)byte;
            i += 2;
        } else if (form && c == '+') {
            c = ' ';
        }
        to[n++] = c;
    }
    *len = n;
    return SIZE_MAX;
}

eng_status eng_url_decode(eng_str text, bool form, eng_arena *arena, eng_str *out, eng_error *err)
{
    eng_str plain = text;
    if (has_escapes(text, form)) {
        char *to = eng_arena_alloc(arena, text.len);
        if (!to)
            return eng_fail_nomem(err);
        size_t broken = unescape(text, form, to, &plain.len);
        if (broken != SIZE_MAX)
            return eng_fail_at(err, ENG_EMALFORMED, broken,
                               "a '%%' is not followed by two hexadecimal digits");
        plain.ptr = to;
    }
    if (plain.len && memchr(plain.ptr, '\0', plain.len))
        return eng_fail(err, ENG_EMALFORMED, "a NUL stands in it");
    if (eng_utf8_valid(plain) < plain.len)
        return eng_fail(err, ENG_EMALFORMED, "not UTF-8 once it is decoded");
    *out = plain;
    return ENG_OK;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void eng_url_encode(eng_buf *out, eng_str text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(text.ptr[i]))
            eng_buf_byte(out, text.ptr[i]);
        else
            eng_buf_bytes(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

bool eng_query_next(eng_str *query, eng_str *name, eng_str *value)
{
    eng_str pair = {"", 0};
    while (query->len && pair.len == 0)
        eng_str_cut(*query, '&', &pair, query);
    if (pair.len == 0)
        return false;
    eng_str_cut(pair, '=', name, value);
    return true;
}
