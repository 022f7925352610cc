/*
 * Addresses and what stands in them, as a stranger writes them. What is read as an address must be one
 * for libcurl too, with the same host and port; what is encoded must decode to the same; a query must
 * come to its end.
 */
#include "base/utf8.h"
#include "net/guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static bool within(eng_str part, eng_str whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static bool is_plain(eng_str host)
{
    for (size_t i = 0; i < host.len; i++)
        if ((unsigned char)host.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool same_address(eng_str a, eng_str b)
{
    char x[64], y[64];
    struct in6_addr left, right;
    snprintf(x, sizeof x, "%.*s", ENG_FMT(a));
    snprintf(y, sizeof y, "%.*s", ENG_FMT(b));
    return inet_pton(AF_INET6, x, &left) == 1 && inet_pton(AF_INET6, y, &right) == 1 &&
           memcmp(&left, &right, sizeof left) == 0;
}

/* libcurl writes addresses in one way, whatever way they came. */
static bool same_host(eng_str theirs, eng_str ours)
{
    struct in_addr address;
    char copy[16];
    if (theirs.len && theirs.ptr[0] == '[')
        return same_address(eng_str_sub(theirs, 1, theirs.len - 2), ours);
    snprintf(copy, sizeof copy, "%.*s", ENG_FMT(theirs));
    return eng_str_eq_nocase(theirs, ours) || inet_pton(AF_INET, copy, &address) == 1;
}

/* It may refuse a name that it cannot make ASCII. */
static void check_with_curl(eng_str text, const eng_url *url)
{
    char *copy = strndup(text.ptr, text.len), *host = NULL, *port = NULL;
    CURLU *u = curl_url();
    CURLUcode code = curl_url_set(u, CURLUPART_URL, copy, CURLU_URLENCODE);
    must(code == CURLUE_OK || !is_plain(url->host));
    if (code == CURLUE_OK && is_plain(url->host)) {
        must(curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK);
        must(curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK);
        must(atoi(port) == url->port);
        must(same_host(eng_str_of(host), url->host));
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    free(copy);
}

static void try_url(eng_str text)
{
    eng_url url;
    eng_error err = {0};
    eng_status status = eng_url_read(text, &url, &err);
    must(status == ENG_OK || status == ENG_EINVALID);
    if (status < 0) {
        must(eng_utf8_valid(eng_str_of(err.message)) == strlen(err.message));
        return;
    }
    must(url.host.len && within(url.host, text) && url.port);
    must(url.path.len && (eng_str_eq(url.path, ENG_STR("/")) || within(url.path, text)));
    check_with_curl(text, &url);
}

static void try_escapes(eng_str text, eng_arena *arena)
{
    eng_str plain, again;
    eng_buf b;
    eng_buf_init(&b, SIZE_MAX / 2);
    eng_url_encode(&b, text);
    bool sound = eng_utf8_valid(text) == text.len && !(text.len && memchr(text.ptr, 0, text.len));
    eng_status status = eng_url_decode(eng_buf_view(&b), true, arena, &again, NULL);
    must(status == (sound ? ENG_OK : ENG_EMALFORMED));
    must(!sound || eng_str_eq(again, text));
    eng_buf_clear(&b);
    for (int form = 0; form < 2; form++)
        if (eng_url_decode(text, form, arena, &plain, NULL) == ENG_OK)
            must(eng_utf8_valid(plain) == plain.len && plain.len <= text.len);
}

static void try_query(eng_str text)
{
    eng_str query = text, name, value;
    for (size_t pairs = 0; eng_query_next(&query, &name, &value); pairs++)
        must(pairs <= text.len && (name.len == 0 || within(name, text)) &&
             (value.len == 0 || within(value, text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_str text = {(const char *)data, size};
    eng_arena arena;
    eng_guard guard;
    eng_arena_init(&arena, 1024, NULL);
    try_url(text);
    try_escapes(text, &arena);
    try_query(text);
    eng_str list = eng_arena_copy(&arena, text);
    must(!eng_host_is_local(text) || text.len <= 64);
    if (eng_guard_init(&guard, list.ptr, NULL) == ENG_OK) {
        (void)eng_guard_allows_host(&guard, text);
        eng_guard_clear(&guard);
    }
    eng_arena_clear(&arena);
    return 0;
}
