/*
 * The network: an HTTP/1.1 server on epoll, the parsers of what comes over the wire (addresses,
 * multipart), and a client.
 *
 * The server reads and refuses what is malformed, collects bodies, writes replies and streams. It
 * knows nothing of routes, JSON or keys: src/serve gives it three callbacks.
 */
#ifndef ENG_NET_H
#define ENG_NET_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/pool.h"
#include "base/str.h"

/* Once, before any thread: sets libcurl up, with our allocator; and gives back what it holds. */
eng_status eng_net_init(eng_error *err) ENG_MUST_CHECK;
void eng_net_quit(void);

/* ---- Server: set-up --------------------------------------------------------------------------- */

typedef struct eng_http_server eng_http_server;

/*
 * A request and the reply to it. It belongs to its loop while a callback runs; a callback that hands
 * it to another thread gives it away. Whoever has it ends it with exactly one eng_exchange_send, or
 * with a stream and its eng_exchange_end, and may not touch it afterwards. Until then it stays valid,
 * also where its client has gone, and what its arena holds with it.
 */
typedef struct eng_exchange eng_exchange;

/* Called on a loop's thread, so none of them may block. */
typedef struct {
    /* The head is in and well-formed. May reply at once (the body is then not asked for), or set
     * limits with eng_exchange_take_body; without either, a body is refused with 413. */
    void (*head)(void *ctx, eng_exchange *x);
    /* The whole request is there. Replies, or gives x to somebody who will. */
    void (*ready)(void *ctx, eng_exchange *x);
    /* The reply has left, or could not (status 0): for counters and the access log. x's request,
     * arena and user pointer are still there. Also for requests that never reached `head`. */
    void (*done)(void *ctx, eng_exchange *x);
    /* An error of the server's own (a malformed request, a timeout): fills the reply's body and
     * headers in the form that the API uses. May be NULL: an empty body. */
    void (*refuse)(void *ctx, eng_exchange *x, int status, const char *why);
    /* After all events of one turn of this loop, before it sleeps. May be NULL. */
    void (*turn)(void *ctx, unsigned loop);
    void *ctx;
} eng_http_callbacks;

typedef struct {
    unsigned loops;            /* 0: one a processor that this process may use */
    size_t head_max;           /* request line and headers; 16 KiB */
    size_t target_max;         /* the request line's address; 8 KiB */
    size_t header_count_max;   /* 100 */
    unsigned connections_max;  /* beyond it 503 and close; 0: what the descriptor limit leaves */
    unsigned head_timeout_ms;  /* from the first byte to the end of the head; 10 s */
    unsigned body_timeout_ms;  /* between two pieces of a body; 30 s */
    unsigned idle_timeout_ms;  /* between requests; 75 s */
    unsigned write_timeout_ms; /* a client that does not read; 30 s */
    unsigned heartbeat_ms;     /* between comments on a silent event stream; 15 s */
    size_t stream_max;         /* bytes that a stream holds for a slow reader; 64 KiB */
    const char *spill_dir;     /* where bodies go that are too large for memory */
    eng_pool *pool;            /* writes those bodies, compresses large replies; not owned */
    eng_http_callbacks on;
} eng_http_options;

/* Zero fields become their defaults. */
eng_status eng_http_server_new(const eng_http_options *options, eng_http_server **out,
                               eng_error *err) ENG_MUST_CHECK;
/* "127.0.0.1:8000", "[::1]:8000", "0.0.0.0:0" or "unix:/path" (mode 0600, replaced if nobody listens
 * there). Any number of them, before start. *port, if not NULL, gets the port. */
eng_status eng_http_server_listen(eng_http_server *s, eng_str address, uint16_t *port,
                                  eng_error *err) ENG_MUST_CHECK;
eng_status eng_http_server_start(eng_http_server *s, eng_error *err) ENG_MUST_CHECK;
/* No new connections, idle ones closed; requests under way may end within timeout_ms, then they are
 * cancelled. Returns when all loops have ended, which is when every exchange has been ended by whoever
 * has it. */
void eng_http_server_drain(eng_http_server *s, unsigned timeout_ms);
void eng_http_server_free(eng_http_server *s);

typedef struct {
    uint64_t accepted; /* connections since start */
    uint64_t open;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t refused; /* malformed requests, timeouts, too many connections */
} eng_http_stats;
eng_http_stats eng_http_server_stats(const eng_http_server *s);

/* ---- Server: an exchange ---------------------------------------------------------------------- */

typedef struct {
    eng_str name;
    eng_str value;
} eng_header;

typedef struct {
    eng_str method;
    eng_str target;            /* as sent */
    eng_str path;              /* as sent: not decoded, never empty */
    eng_str query;             /* behind the '?', not decoded */
    eng_str host;              /* the Host header; empty only for HTTP/1.0 */
    const eng_header *headers; /* names as sent; values trimmed */
    size_t header_count;
    eng_str id;   /* the request's: a sane X-Request-Id of the client's, or one of ours */
    eng_str peer; /* "127.0.0.1:50312", or "unix" */
    bool local;   /* came over a Unix socket */
    bool http10;
    bool has_body;
    uint64_t started_ns; /* eng_clock_ns at its first byte */
} eng_http_request;

const eng_http_request *eng_exchange_request(const eng_exchange *x);
/* By name, in any case; NULL ptr where there is none. */
eng_str eng_exchange_header(const eng_exchange *x, eng_str name);
eng_arena *eng_exchange_arena(eng_exchange *x);
unsigned eng_exchange_loop(const eng_exchange *x); /* which loop, from 0 */
void eng_exchange_set_user(eng_exchange *x, void *user);
void *eng_exchange_user(const eng_exchange *x);

/* In `head`: bodies up to max bytes, kept in memory up to in_memory and in a file past that. */
void eng_exchange_take_body(eng_exchange *x, uint64_t max, size_t in_memory);
/* The body, mapped where it went to a file; lives as long as the exchange. From any thread. */
eng_status eng_exchange_body(eng_exchange *x, eng_str *out, eng_error *err) ENG_MUST_CHECK;

/* The client has gone, or the server stops: whoever works for this request may give up. Any thread. */
bool eng_exchange_cancelled(const eng_exchange *x);
/* fn is called once, on the loop, when that happens; at once if it has happened already. What fn
 * does must not end the exchange while its owner still uses it: the owner ends it. */
void eng_exchange_on_cancel(eng_exchange *x, void (*fn)(void *arg), void *arg);

/*
 * Replying, from the thread that has the exchange. The body is what was appended to
 * eng_exchange_out. Content-Length, Date, Connection and X-Request-Id are written by the server;
 * everything else by the caller. A reply of 1 KiB or more of a compressible type is gzipped where
 * the client accepts it. HEAD is answered as GET without the body.
 */
eng_buf *eng_exchange_out(eng_exchange *x);
void eng_exchange_add_header(eng_exchange *x, eng_str name, eng_str value);
/* Lines ready for the wire, each ending in "\r\n", borrowed for the process's life: what every
 * reply of a kind carries. */
void eng_exchange_fixed_headers(eng_exchange *x, eng_str lines);
void eng_exchange_send(eng_exchange *x, int status);
/* The same with a body that lives as long as the process; with `gzipped`, its compressed form. */
void eng_exchange_send_static(eng_exchange *x, int status, eng_str body, eng_str gzipped);

/* What HTTP calls a status: "Not Found". */
const char *eng_http_phrase(int status);

/* For `done`: what was answered. */
int eng_exchange_status(const eng_exchange *x);
uint64_t eng_exchange_bytes_out(const eng_exchange *x);

/*
 * Streams. Begun with a status and headers; then bytes (chunked, or until close for HTTP/1.0) or
 * server-sent events, which also get a heartbeat; then ended. ENG_ECANCELLED once the client has
 * gone. When a slow reader has stream_max bytes waiting, `wait` blocks (never on a loop); without it
 * the piece is refused with ENG_EBUSY. Writing is safe from any thread while the owner keeps x.
 */
void eng_exchange_stream(eng_exchange *x, int status);
void eng_exchange_events(eng_exchange *x);
eng_status eng_exchange_write(eng_exchange *x, eng_str bytes, bool wait,
                              eng_error *err) ENG_MUST_CHECK;
eng_status eng_exchange_event(eng_exchange *x, eng_str name, eng_str data, bool wait,
                              eng_error *err) ENG_MUST_CHECK;
/* abrupt: the connection is cut, so that the client sees that the stream is not whole. */
void eng_exchange_end(eng_exchange *x, bool abrupt);

/* ---- Addresses -------------------------------------------------------------------------------- */

typedef struct {
    eng_str scheme; /* "http" or "https", in whatever case it was written */
    eng_str host;   /* without brackets */
    uint16_t port;  /* the scheme's where none was given */
    eng_str path;   /* with its query, without its fragment; "/" where there is neither */
} eng_url;

/* http and https alone; no user, no blanks, no control characters, no host that some would read as an
 * address and others as a name. ENG_EINVALID for all else. Views into `text`, or of what is static. */
eng_status eng_url_read(eng_str text, eng_url *out, eng_error *err) ENG_MUST_CHECK;

/* %XX to bytes; ENG_EMALFORMED for a broken escape, a NUL, or bytes that are not UTF-8. With
 * `form`, '+' is a blank. *out is `text` itself where nothing had to be decoded. */
eng_status eng_url_decode(eng_str text, bool form, eng_arena *arena, eng_str *out,
                          eng_error *err) ENG_MUST_CHECK;
/* All but letters, digits and -._~ becomes %XX. */
void eng_url_encode(eng_buf *out, eng_str text);

/* The next name=value of a query, not decoded; false at its end. */
bool eng_query_next(eng_str *query, eng_str *name, eng_str *value);

/* An address of this machine, of a private, link-local, multicast or otherwise not public range. */
struct sockaddr;
bool eng_address_private(const struct sockaddr *address);
/* The host of a Host header is localhost or an address, not a name. */
bool eng_host_is_local(eng_str host);

/* ---- robots.txt ------------------------------------------------------------------------------- */

/* Whether the text of a robots.txt lets an agent (a product's name, in any case) read a path with its
 * query: RFC 9309. What is no rule is passed over. */
bool eng_robots_allow(eng_str text, eng_str agent, eng_str path);

/* ---- Multipart -------------------------------------------------------------------------------- */

typedef struct {
    eng_str name;
    eng_str filename; /* ptr NULL: none; a path before it is cut off */
    eng_str type;     /* of the part; empty: not said */
    eng_str content;  /* filled in by eng_multipart_read alone */
} eng_part;

/* Fed in pieces of any size; calls back in order. An error of a callback ends it. Boundaries of up
 * to 70 characters, 16 KiB of headers a part, 1,024 parts. */
typedef struct eng_multipart eng_multipart;
typedef struct {
    eng_status (*begin)(void *ctx, const eng_part *part,
                        eng_error *err); /* views live until the next call */
    eng_status (*data)(void *ctx, eng_str bytes, eng_error *err);
    eng_status (*end)(void *ctx, eng_error *err);
    void *ctx;
} eng_multipart_callbacks;

/* content_type is the header, from which the boundary comes. */
eng_status eng_multipart_new(eng_str content_type, const eng_multipart_callbacks *on,
                             eng_multipart **out, eng_error *err) ENG_MUST_CHECK;
eng_status eng_multipart_feed(eng_multipart *m, eng_str bytes, eng_error *err) ENG_MUST_CHECK;
/* ENG_ETRUNCATED where the closing boundary did not come. */
eng_status eng_multipart_end(eng_multipart *m, eng_error *err) ENG_MUST_CHECK;
void eng_multipart_free(eng_multipart *m);

/* A body that is there as a whole (in memory or mapped): parts with their contents as views into it. */
eng_status eng_multipart_read(eng_str content_type, eng_str body, eng_arena *arena,
                              const eng_part **parts, size_t *count, eng_error *err) ENG_MUST_CHECK;

/* ---- Client ----------------------------------------------------------------------------------- */

/* Thread-safe; keeps connections for reuse. */
typedef struct eng_http_client eng_http_client;

typedef struct {
    const char *user_agent;
    const char
        *allow; /* ENGENHO_FETCH_ALLOW: hosts and addresses that may be private; may be NULL */
} eng_http_client_options;

eng_status eng_http_client_new(const eng_http_client_options *options, eng_http_client **out,
                               eng_error *err) ENG_MUST_CHECK;
void eng_http_client_free(eng_http_client *c);

typedef struct {
    const char *method; /* NULL: GET */
    const char *url;
    const char *unix_socket;    /* path of a socket to speak through, or NULL */
    const char *const *headers; /* "Name: value", ending in NULL; may be NULL */
    eng_str body;
    unsigned connect_timeout_ms; /* 0: 2 s */
    unsigned timeout_ms;         /* of the whole; 0: 30 s */
    unsigned silence_ms;         /* how long nothing may move, either way; 0: none of its own */
    unsigned retries;   /* beyond the first try; GET, HEAD, PUT, DELETE alone; with backoff,
                                  and Retry-After honoured */
    unsigned redirects; /* how many are followed */
    bool trusted;       /* the user named this address: no check of ranges */
    size_t max;         /* of the body; 0: 64 MiB */
    /* Gets the body of a 2xx piece by piece instead of eng_http_answer.body, where what comes with
     * any other status still goes; an error ends the call. */
    eng_status (*data)(void *ctx, eng_str bytes, eng_error *err);
    /* Asked now and then; true ends the call with ENG_ECANCELLED. */
    bool (*cancelled)(void *ctx);
    void *ctx;
    bool *unreached; /* set where the call failed before a byte was sent; may be NULL */
} eng_http_call;

typedef struct {
    int status;
    eng_buf body;
    eng_buf headers; /* "Name: value\r\n" of the last reply */
    char *url;       /* where it came from after redirects */
} eng_http_answer;

/*
 * A reply of any status is success. ENG_EFORBIDDEN: an address that is not public, before any
 * connection to it (checked for every address that is tried, after every redirect, so that neither
 * DNS nor the other side can lead elsewhere). ENG_EUPSTREAM, ENG_ETIMEOUT: the other side's failure.
 */
eng_status eng_http_fetch(eng_http_client *c, const eng_http_call *call, eng_http_answer *out,
                          eng_error *err) ENG_MUST_CHECK;
eng_str eng_http_answer_header(const eng_http_answer *a, eng_str name);
void eng_http_answer_clear(eng_http_answer *a);

/* ---- Flows: calls whose answers come bit by bit ------------------------------------------------- */

/*
 * Any number of calls at once, on one thread: for answers that take their time, such as a language
 * model's. Only for addresses that the user named: none is checked, no redirect is followed.
 */
typedef struct eng_http_flows eng_http_flows;

/* The thread begins with the first call. */
eng_status eng_http_flows_new(const char *user_agent, eng_http_flows **out,
                              eng_error *err) ENG_MUST_CHECK;
/* What is under way ends with ENG_ECANCELLED before this returns, and nothing can be begun any more; not
 * from within a callback. */
void eng_http_flows_stop(eng_http_flows *f);
/* Stops, too. */
void eng_http_flows_free(eng_http_flows *f);

typedef struct {
    int status;             /* 0: no head has come */
    eng_str type;           /* Content-Type; empty: not said */
    unsigned retry_after_s; /* 0: not said */
    bool connected;         /* false: nobody was reached */
} eng_http_flow_head;

/* All callbacks come from the flows' thread and must not block it; they may begin other calls. */
typedef struct {
    const char *method;         /* NULL: POST */
    const char *url;            /* copied, as what follows */
    const char *const *headers; /* "Name: value", ending in NULL; may be NULL */
    eng_str body;
    unsigned connect_timeout_ms; /* 0: 2 s */
    unsigned silence_ms;         /* how long nothing may come; 0: 30 s */
    unsigned timeout_ms;         /* of the whole; 0: ten times the silence */
    unsigned delay_ms;           /* before it begins: for those who try again */
    size_t max;                  /* of the body; 0: 64 MiB; more is ENG_EUPSTREAM */
    /* Bytes of the body, whatever the status; an error ends the call and is its own. */
    eng_status (*data)(void *ctx, const eng_http_flow_head *head, eng_str bytes, eng_error *err);
    /* Once, at the end. err is NULL where the whole answer has come, with any status. ENG_EUPSTREAM,
     * ENG_ETIMEOUT, ENG_ECANCELLED, ENG_ENOMEM else. */
    void (*done)(void *ctx, const eng_http_flow_head *head, const eng_error *err);
    /* True: nobody waits any more. Asked now and then, and soon after eng_http_flows_nudge. */
    bool (*cancelled)(void *ctx);
    void *ctx;
} eng_http_flow;

/* done is called if, and only if, this returns ENG_OK. From any thread. */
eng_status eng_http_flow_begin(eng_http_flows *f, const eng_http_flow *flow,
                               eng_error *err) ENG_MUST_CHECK;
/* Some caller may have gone: all are asked. From any thread, at little cost. */
void eng_http_flows_nudge(eng_http_flows *f);

#endif
