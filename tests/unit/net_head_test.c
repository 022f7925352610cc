/* What a request's head may be and may not, and what is read from it; chunked bodies. */
#include "net/http_internal.h"
#include "test.h"

static const eng_http_limits limits = {.head_max = 1024, .target_max = 64, .header_count_max = 8};
static eng_header headers[8];

static eng_head_state head_of(const char *text, eng_http_head *out)
{
    return eng_http_head_read(eng_str_of(text), &limits, headers, out);
}

static void assert_whole(const char *text, eng_http_head *out)
{
    if (head_of(text, out) != ENG_HEAD_WHOLE)
        fail_msg("refused with %d (%s): %s", out->status, out->why ? out->why : "more", text);
}

static void assert_refused(const char *text, int status)
{
    eng_http_head h;
    if (head_of(text, &h) != ENG_HEAD_REFUSED || h.status != status)
        fail_msg("expected %d, got %d (%s): %s", status, h.status, h.why ? h.why : "no fault",
                 text);
    assert_non_null(h.why);
}

static void parts_are_views_of_what_was_sent(void **state)
{
    (void)state;
    eng_http_head h;
    const char *text = "GET /a/b%20c?x=1&y HTTP/1.1\r\nHost: example.org:80\r\n"
                       "X-One:  two words\t \r\nX-Empty:\r\n\r\nrest";
    assert_whole(text, &h);
    assert_str_view(h.method, "GET");
    assert_str_view(h.target, "/a/b%20c?x=1&y");
    assert_str_view(h.path, "/a/b%20c");
    assert_str_view(h.query, "x=1&y");
    assert_str_view(h.host, "example.org:80");
    assert_int_equal(h.header_count, 3);
    assert_str_view(headers[1].name, "X-One");
    assert_str_view(headers[1].value, "two words");
    assert_str_view(headers[2].value, "");
    assert_int_equal(h.size, strlen(text) - 4);
    assert_true(h.keep_alive);
    assert_false(h.has_length || h.chunked || h.http10 || h.expects || h.gzip);
    assert_null(h.id.ptr);
}

static void every_beginning_of_a_head_wants_more(void **state)
{
    (void)state;
    eng_http_head h;
    static const char text[] = "\r\nPOST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n"
                               "Connection: close\r\n\r\n";
    for (size_t len = 0; len < sizeof text - 1; len++)
        if (eng_http_head_read((eng_str){text, len}, &limits, headers, &h) != ENG_HEAD_MORE)
            fail_msg("a head cut at %zu is not awaited: %s", len, h.why);
    assert_whole(text, &h);
    assert_true(h.has_length);
    assert_int_equal(h.length, 12);
    assert_false(h.keep_alive);
}

static void a_target_has_three_forms(void **state)
{
    (void)state;
    eng_http_head h;
    assert_whole("GET http://a.example:81/p?q HTTP/1.1\r\nHost: b\r\n\r\n", &h);
    assert_str_view(h.host, "a.example:81");
    assert_str_view(h.path, "/p");
    assert_str_view(h.query, "q");
    assert_whole("GET HTTPS://a?q HTTP/1.1\r\nHost: b\r\n\r\n", &h);
    assert_str_view(h.path, "/");
    assert_str_view(h.query, "q");
    assert_whole("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", &h);
    assert_str_view(h.path, "*");
    assert_whole("GET /\xc3\xa9 HTTP/1.1\r\nHost: b\r\n\r\n", &h);
    assert_refused("GET * HTTP/1.1\r\nHost: b\r\n\r\n", 400);
    assert_refused("GET a HTTP/1.1\r\nHost: b\r\n\r\n", 400);
    assert_refused("CONNECT a:80 HTTP/1.1\r\nHost: b\r\n\r\n", 400);
    assert_refused("GET ftp://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400);
    assert_refused("GET http:///p HTTP/1.1\r\nHost: b\r\n\r\n", 400);
    assert_refused("GET http://u@a/p HTTP/1.1\r\nHost: b\r\n\r\n", 400);
    assert_refused("GET /a#b HTTP/1.1\r\nHost: b\r\n\r\n", 400);
}

static void versions(void **state)
{
    (void)state;
    eng_http_head h;
    assert_whole("GET / HTTP/1.0\r\n\r\n", &h);
    assert_true(h.http10);
    assert_false(h.keep_alive);
    assert_str_view(h.host, "");
    assert_whole("GET / HTTP/1.0\r\nConnection: a, Keep-Alive\r\n\r\n", &h);
    assert_true(h.keep_alive);
    assert_whole("GET / HTTP/1.7\r\nHost: a\r\n\r\n", &h);
    assert_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    assert_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    assert_refused("GET / http/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET / HTTP/1\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET /\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400);
}

static void malformed_lines_are_400(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "Host: a\r\nX-A : b\r\n\r\n",
        "Host: a\r\nX A: b\r\n\r\n",
        "Host: a\r\n: b\r\n\r\n",
        "Host: a\r\nX-A\r\n\r\n",
        "Host: a\r\nX: a\r\n b\r\n\r\n",
        "Host: a\r\n X: a\r\n\r\n",
        "Host: a\r\nX: a\rb\r\n\r\n",
        "Host: a\nX: a\r\n\r\n",
        "Host: a\r\n\n",
        "Host: a\r\nX: \x01\r\n\r\n",
        "Host: a\r\nX: \x7f\r\n\r\n",
        "Host: a\r\n\rX: a\r\n\r\n",
        "Host: a\r\nX\xc3\xa9: a\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s", lines[i]);
        assert_refused(text, 400);
    }
    assert_refused("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    assert_refused("\x16\x03\x01\x02", 400);
    assert_refused("\nGET / HTTP/1.1\r\n", 400);
    assert_refused("GARBAGE\r\n\r\n", 400);
    assert_refused("AVERYLONGMETHODTHATNOBODYHASEVERSEENBEFORE / HTTP/1.1\r\n", 501);
    eng_http_head h;
    eng_str nul = ENG_STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n");
    assert_int_equal(eng_http_head_read(nul, &limits, headers, &h), ENG_HEAD_REFUSED);
}

static void what_says_how_long_a_body_is_says_it_once(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        int status;
    } cases[] = {
        {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
        {"Content-Length: 5, 5\r\n", 400},
        {"Content-Length: +5\r\n", 400},
        {"Content-Length: -5\r\n", 400},
        {"Content-Length: 0x5\r\n", 400},
        {"Content-Length: 5 5\r\n", 400},
        {"Content-Length:\r\n", 400},
        {"Content-Length: 18446744073709551616\r\n", 400},
        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 501},
        {"Transfer-Encoding: chunked, gzip\r\n", 400},
        {"Transfer-Encoding: gzip, chunked\r\n", 501},
        {"Transfer-Encoding: chunked, chunked\r\n", 400},
        {"Transfer-Encoding:\r\n", 400},
        {"Transfer-Encoding: gzip\r\n", 501},
        {"Transfer-Encoding: xchunked\r\n", 501},
        {"Transfer-Encoding: \"chunked\"\r\n", 501},
    };
    char text[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].lines);
        assert_refused(text, cases[i].status);
    }
    assert_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    eng_http_head h;
    assert_whole("POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-encoding: Chunked\r\n\r\n", &h);
    assert_true(h.chunked);
    assert_whole("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n", &h);
    assert_true(h.length == UINT64_MAX);
}

static void there_is_one_host(void **state)
{
    (void)state;
    eng_http_head h;
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400);
    assert_whole("GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", &h);
    assert_str_view(h.host, "[::1]:8000");
}

static void limits_have_statuses_of_their_own(void **state)
{
    (void)state;
    char text[4096];
    eng_http_head h;
    snprintf(text, sizeof text, "GET /%064d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    assert_refused(text, 414);
    text[60] = '\0';
    assert_int_equal(head_of(text, &h), ENG_HEAD_MORE);
    snprintf(text, sizeof text, "GET /%063d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    assert_whole(text, &h);
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: %01100d\r\n\r\n", 0);
    assert_refused(text, 431);
    size_t len = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 7; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "X: y\r\n");
    snprintf(text + len, sizeof text - len, "\r\n");
    assert_whole(text, &h);
    snprintf(text + len, sizeof text - len, "X: y\r\n\r\n");
    assert_refused(text, 431);
    assert_refused("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 400);
}

static void headers_that_the_server_heeds(void **state)
{
    (void)state;
    eng_http_head h;
    assert_whole("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nX-Request-Id: aZ_1.-9\r\n"
                 "Connection: x , CLOSE\r\nAccept-Encoding: br, gzip\r\n\r\n",
                 &h);
    assert_true(h.expects);
    assert_true(h.gzip);
    assert_false(h.keep_alive);
    assert_str_view(h.id, "aZ_1.-9");
    assert_whole("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\"b\r\n\r\n", &h);
    assert_null(h.id.ptr);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n", 417);
}

static void gzip_is_accepted_where_it_says_so(void **state)
{
    (void)state;
    static const char *const yes[] = {"gzip", "GZIP",     "br , gzip;q=0.5",
                                      "*",    "gzip;q=1", "deflate, * ;q=0.1"};
    static const char *const no[] = {"",      "br",    "gzip;q=0",    "gzip; q=0.000",
                                     "*;q=0", "xgzip", "*, gzip;q=0", "identity"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        if (!eng_http_accepts_gzip(eng_str_of(yes[i])))
            fail_msg("'%s' does not accept gzip", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (eng_http_accepts_gzip(eng_str_of(no[i])))
            fail_msg("'%s' accepts gzip", no[i]);
}

/* ---- Chunks --------------------------------------------------------------------------------- */

/* The content, read in pieces of so many bytes; false where it is malformed, or does not end. */
static bool unchunk(eng_str text, size_t piece, eng_buf *out, size_t *used)
{
    eng_chunked c = {0};
    eng_str data;
    eng_buf_reset(out);
    for (size_t at = 0; at < text.len; at += piece) {
        eng_str bytes = eng_str_sub(text, at, piece);
        size_t len = bytes.len;
        eng_chunk_event e;
        while ((e = eng_chunked_next(&c, &bytes, &data)) == ENG_CHUNK_DATA)
            eng_buf_str(out, data);
        if (e == ENG_CHUNK_BAD)
            return false;
        *used = at + len - bytes.len;
        if (e == ENG_CHUNK_END)
            return true;
    }
    return false;
}

static void chunks_are_read_in_pieces_of_any_size(void **state)
{
    (void)state;
    eng_buf out;
    size_t used;
    eng_str text = ENG_STR("4\r\nWiki\r\n6;a=\"b;c\"\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n"
                           "0\r\nX-A: b\r\nX-B: c\r\n\r\nGET /");
    eng_buf_init(&out, 1000);
    for (size_t piece = 1; piece <= text.len; piece++) {
        assert_true(unchunk(text, piece, &out, &used));
        assert_str_view(eng_buf_view(&out), "Wikipedia in \r\n\r\nchunks.");
        assert_int_equal(used, text.len - 5);
    }
    eng_buf_clear(&out);
}

static void malformed_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "zz\r\nabc\r\n0\r\n\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x3\r\nabc\r\n",
        "\r\nabc\r\n",
        "3\r\nabcdef\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "3\nabc\r\n",
        "3\r\nabc\n0\r\n",
        "3;a\rb\r\nabc\r\n",
        "fffffffffffffffff\r\n",
        "0\r\n X: folded\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nX: a\rb\r\n\r\n",
        "0\r\nX: \x01\r\n\r\n",
        "0\r\nnothing\r\n\r\n",
    };
    eng_buf out;
    size_t used;
    eng_buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (unchunk(eng_str_of(texts[i]), 1000, &out, &used))
            fail_msg("taken for chunks: %s", texts[i]);
    eng_buf_clear(&out);
}

static void extensions_and_trailers_end(void **state)
{
    (void)state;
    eng_chunked c = {0};
    eng_str data;
    eng_str size = ENG_STR("1;"), more = ENG_STR("aaaaaaaaaaaaaaaa");
    assert_int_equal(eng_chunked_next(&c, &size, &data), ENG_CHUNK_MORE);
    eng_chunk_event e = ENG_CHUNK_MORE;
    for (int i = 0; i < 1000 && e == ENG_CHUNK_MORE; i++) {
        eng_str bytes = more;
        e = eng_chunked_next(&c, &bytes, &data);
    }
    assert_int_equal(e, ENG_CHUNK_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_views_of_what_was_sent),
        cmocka_unit_test(every_beginning_of_a_head_wants_more),
        cmocka_unit_test(a_target_has_three_forms),
        cmocka_unit_test(versions),
        cmocka_unit_test(malformed_lines_are_400),
        cmocka_unit_test(what_says_how_long_a_body_is_says_it_once),
        cmocka_unit_test(there_is_one_host),
        cmocka_unit_test(limits_have_statuses_of_their_own),
        cmocka_unit_test(headers_that_the_server_heeds),
        cmocka_unit_test(gzip_is_accepted_where_it_says_so),
        cmocka_unit_test(chunks_are_read_in_pieces_of_any_size),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(extensions_and_trailers_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
