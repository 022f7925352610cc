/*
 * The HTTP server's parts, for src/net alone:
 *
 *     head.c      a request's line and headers, from bytes
 *     chunked.c   a chunked body, from bytes
 *     body.c      a body on its way: in its block, in memory, in a file
 *     reply.c     a reply's head, compression
 *     stream.c    replies that are written bit by bit, from any thread
 *     exchange.c  a request and the reply to it; what callers of net.h have of it
 *     conn.c      a connection: what is to be done next
 *     loop.c      epoll, timeouts, what other threads hand in
 *     server.c    set-up, addresses, drain
 *
 * Threads. A loop's thread owns its connections, and of an exchange everything but what stands under
 * its lock; while a handler has it, `out`, `lines`, `status` and the body are the handler's.
 * eng_exchange_post is how an exchange comes back to its loop.
 */
#ifndef ENG_NET_HTTP_INTERNAL_H
#define ENG_NET_HTTP_INTERNAL_H

#include "base/file.h"
#include "net/net.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

typedef struct eng_http_loop eng_http_loop;
typedef struct eng_http_conn eng_http_conn;

/* ---- Heads ---------------------------------------------------------------------------------- */

typedef struct {
    size_t head_max;
    size_t target_max;
    size_t header_count_max;
} eng_http_limits;

typedef enum { ENG_HEAD_MORE, ENG_HEAD_WHOLE, ENG_HEAD_REFUSED } eng_head_state;

/* Views into the bytes it was read from. Of a head that is refused, what came before the fault. */
typedef struct {
    eng_str method, target, path, query, host;
    eng_str id; /* an X-Request-Id that may be used; ptr NULL: none */
    size_t header_count;
    size_t size; /* bytes that the head takes, blank lines before it included */
    uint64_t length;
    bool has_length;
    bool chunked;
    bool http10;
    bool keep_alive;
    bool expects; /* 100-continue */
    bool gzip;    /* accepted */
    int status;   /* refused: with this */
    const char *why;
} eng_http_head;

/* A pure function of its input: reads a head from the front of `bytes`. headers has room for
 * limits->header_count_max of them. ENG_HEAD_MORE is only ever said below the limits. */
eng_head_state eng_http_head_read(eng_str bytes, const eng_http_limits *limits, eng_header *headers,
                                  eng_http_head *out);

/* Is gzip among the codings of an Accept-Encoding header? */
bool eng_http_accepts_gzip(eng_str header);

/* ---- Chunks --------------------------------------------------------------------------------- */

typedef struct {
    uint64_t left;  /* of the chunk */
    uint32_t extra; /* bytes of extensions and trailers so far */
    uint8_t state;
    uint8_t digits;
    bool blank_line; /* of the trailers: nothing stands in this line yet */
    bool colon;      /* ... and whether one does */
} eng_chunked;

typedef enum { ENG_CHUNK_MORE, ENG_CHUNK_DATA, ENG_CHUNK_END, ENG_CHUNK_BAD } eng_chunk_event;

/* Goes on reading at the front of *bytes and takes off what it has read. DATA: *data is a piece of
 * the content, a view; END: what is left in *bytes stands behind the body. Zeroed to begin with. */
eng_chunk_event eng_chunked_next(eng_chunked *c, eng_str *bytes, eng_str *data);

/* ---- Blocks --------------------------------------------------------------------------------- */

/* What a connection reads into, while there is something to read: the loop keeps a few, so that an
 * idle connection has none. */
typedef struct eng_http_block {
    struct eng_http_block *next; /* among the loop's spare ones */
    size_t from, to;             /* bytes that nobody has used yet */
    bool look;                   /* they may hold a head that did not stand there before */
    char data[];
} eng_http_block;

eng_http_block *eng_http_block_take(eng_http_loop *l);
void eng_http_block_give(eng_http_loop *l, eng_http_block *b);

/* ---- Bodies --------------------------------------------------------------------------------- */

typedef struct {
    uint64_t max; /* 0 until the head's callback sets it */
    size_t in_memory;
    uint64_t got;    /* bytes of content so far */
    uint64_t length; /* of a body that is not chunked */
    bool taken;      /* eng_exchange_take_body was called */
    bool chunked;
    bool whole;
    bool writing;       /* a worker has mem and fd */
    eng_status written; /* what became of that */
    eng_chunked chunks;
    eng_str here; /* the whole of it in the exchange's arena; ptr NULL: elsewhere */
    eng_buf mem;  /* what is not in the file */
    int fd;       /* -1: none */
    eng_mapping map;
} eng_http_body;

/* ---- Exchanges ------------------------------------------------------------------------------ */

enum {
    ENG_HTTP_PEER_SIZE = 56,
    ENG_HTTP_ID_SIZE = 16,
    ENG_HTTP_COPIED = 8192, /* a body up to this is copied behind its head: one piece to send */
};

typedef enum { ENG_REPLY_NONE, ENG_REPLY_WHOLE, ENG_REPLY_STREAM } eng_reply_kind;

struct eng_exchange {
    eng_http_loop *loop;
    eng_http_conn *conn; /* NULL: it has gone */
    eng_exchange *next;  /* posted, or spare */

    eng_arena arena;
    eng_buf out;   /* the body */
    eng_buf lines; /* header lines of the caller's */
    eng_buf wire;  /* what goes out: head, and small bodies; pieces of a stream */
    size_t sent;   /* of wire, then of the body */

    struct {
        eng_http_request req;
        eng_http_block *block; /* of a connection that has gone: holds the head */
        eng_http_body body;
        void *user;
        bool gzip_accepted;
        bool head_only;
        bool expects;
        bool close;          /* the connection ends with this reply */
        bool linger;         /* ... and the client may still be sending */
        bool dispatching;    /* a callback of the loop's has it */
        bool answered;       /* ... and has replied within it */
        bool given;          /* a handler or a worker has it */
        bool finished;       /* the last of the reply is on the wire */
        bool streaming;      /* the reply is a stream, and its head is on the wire */
        eng_reply_kind seen; /* `reply`, as the loop last saw it */

        /* The reply, as the handler left it. */
        int status;
        bool compressible; /* by its type */
        bool has_encoding; /* a Content-Encoding of the caller's */
        bool packed;       /* the question of compression is settled */
        bool gzipped;
        eng_str body_out; /* of a static reply; ptr NULL: `out` */
        uint64_t bytes_out;

        /* Under the lock. */
        eng_reply_kind reply;
        bool events;
        bool ended;
        bool abrupt;
        bool posted;
        size_t unsent; /* bytes of a stream that the client has not taken */
        void (*on_cancel)(void *arg);
        void *cancel_arg;
    } s; /* what begins anew with each request */

    _Atomic bool cancelled;
    pthread_mutex_t lock;
    pthread_cond_t room; /* a stream has sent something, or is cancelled */
    eng_buf stream;      /* under the lock: what was written and the loop has not taken yet */

    char peer[ENG_HTTP_PEER_SIZE];
    char id[64];
    eng_header headers[];
};

/* On the loop's thread. NULL: no memory. */
eng_exchange *eng_exchange_new(eng_http_loop *l);
/* Tells `done`, and gives back what it holds. */
void eng_exchange_finish(eng_exchange *x);
void eng_exchange_free(eng_exchange *x);
/* Fills in the request: from its head, and what is known of the connection. */
void eng_exchange_begin(eng_exchange *x, eng_http_conn *c, const eng_http_head *head,
                        const eng_header *headers);
/* The client has gone, or has to go. On the loop's thread. */
void eng_exchange_cancel(eng_exchange *x);
/* Ends one whose connection has gone, unless somebody still has it and will post it. */
void eng_exchange_drop(eng_exchange *x);
/* Hands it to its loop to look at. Under its lock. */
void eng_exchange_post(eng_exchange *x);

/* ---- Bodies of exchanges (body.c) ----------------------------------------------------------- */

typedef enum {
    ENG_BODY_MORE, /* everything that was there is used up */
    ENG_BODY_WHOLE,
    ENG_BODY_WRITING, /* a worker writes: nothing may be read meanwhile */
    ENG_BODY_REFUSED,
} eng_body_state;

void eng_http_body_begin(eng_exchange *x);
/* Takes what it can from *bytes. REFUSED: *status and *why say how. */
eng_body_state eng_http_body_take(eng_exchange *x, eng_str *bytes, int *status, const char **why);
/* Room to receive into, so that a body of known length is not copied; NULL where it has to come
 * through a block, or there is no memory. Then what was received. */
char *eng_http_body_room(eng_exchange *x, size_t *size);
eng_body_state eng_http_body_received(eng_exchange *x, size_t size, int *status, const char **why);
/* What the worker that wrote leaves to be done. */
eng_body_state eng_http_body_written(eng_exchange *x, int *status, const char **why);
void eng_http_body_clear(eng_exchange *x);

/* ---- Replies (reply.c) ---------------------------------------------------------------------- */

/* "Date: Wed, 25 Nov 2026 02:30:00 GMT\r\n" */
enum { ENG_HTTP_DATE_SIZE = 37 };
void eng_http_date(int64_t wall_ms, char out[ENG_HTTP_DATE_SIZE + 1]);

/* Should its reply be compressed, and was not yet? */
bool eng_http_wants_packing(const eng_exchange *x);
/* Compresses it, where that makes it smaller and memory allows. Any thread. */
void eng_http_pack(eng_exchange *x);
/* Writes the reply's head, and its body where that is small, into x->wire. False: no memory. */
bool eng_http_compose(eng_exchange *x);
/* What follows the wire: the body where it was not copied. */
eng_str eng_http_tail(const eng_exchange *x);

/* ---- Streams (stream.c) --------------------------------------------------------------------- */

/* On the loop, when the wire is sent: takes what was written meanwhile. False: nothing; then *over
 * says whether nothing will come any more. */
bool eng_http_stream_refill(eng_exchange *x, bool *over);
/* Some of the wire has left. */
void eng_http_stream_sent(eng_exchange *x);
void eng_http_stream_beat(eng_exchange *x);

/* ---- Connections ---------------------------------------------------------------------------- */

/* What epoll's data points to. */
typedef enum { ENG_SOURCE_CONN, ENG_SOURCE_LISTENER, ENG_SOURCE_WAKE } eng_http_source;

/* Every connection stands in one of these queues, in the order of its deadline, because all that
 * wait for the same thing wait equally long. */
typedef enum {
    ENG_WAIT_IDLE,
    ENG_WAIT_HEAD,
    ENG_WAIT_BODY,
    ENG_WAIT_WRITE,
    ENG_WAIT_BEAT,
    ENG_WAIT_PROBE,
    ENG_WAIT_LINGER,
    ENG_WAIT_HANDLER, /* without end */
    ENG_WAITS
} eng_http_wait;

typedef enum {
    ENG_CONN_HEAD,    /* reading a head, or idle */
    ENG_CONN_BODY,    /* reading a body */
    ENG_CONN_WRITING, /* a worker writes a part of the body to a file */
    ENG_CONN_HANDLER, /* a handler has the exchange, or a worker compresses its reply */
    ENG_CONN_SEND,
    ENG_CONN_STREAM,
    ENG_CONN_DISCARD, /* reading a body that nobody wants */
    ENG_CONN_LINGER,  /* has said all it will, waits for the client to stop sending */
} eng_conn_state;

struct eng_http_conn {
    uint8_t source; /* eng_http_source; first */
    uint8_t state;
    uint8_t wait;
    bool readable; /* these two until the kernel says EAGAIN, then from its next edge on */
    bool writable;
    bool half_closed; /* the client will send no more */
    bool end_read;    /* ... and we have read all it sent */
    bool local;
    bool queued;  /* to be run again in the next turn */
    bool refused; /* one too many: it is only told so */
    uint8_t peer_len;
    int fd;
    eng_http_loop *loop;
    eng_exchange *x;
    eng_http_block *block;
    uint64_t discard;
    uint64_t since_ns; /* in its queue */
    eng_http_conn *before, *after;
    eng_http_conn *again;
    char peer[ENG_HTTP_PEER_SIZE];
};

/* Takes over fd. `refused`: too many connections, it gets a 503. */
void eng_http_conn_new(eng_http_loop *l, int fd, const struct sockaddr *from, bool refused);
void eng_http_conn_event(eng_http_conn *c, uint32_t events);
/* Its exchange has come back. */
void eng_http_conn_posted(eng_http_conn *c);
/* Does what can be done now; c may be gone afterwards. */
void eng_http_conn_run(eng_http_conn *c);
void eng_http_conn_timeout(eng_http_conn *c);
/* At once; what its handler still does is cancelled. */
void eng_http_conn_close(eng_http_conn *c);

/* ---- Loops ---------------------------------------------------------------------------------- */

typedef struct {
    uint8_t source;
    bool local;  /* a Unix socket: all loops share it */
    bool paused; /* no descriptors left */
    int fd;
} eng_http_listener;

typedef struct {
    eng_http_conn *first, *last;
} eng_http_queue;

typedef struct {
    _Atomic uint64_t accepted, open, bytes_in, bytes_out, refused;
} eng_http_counters;

struct eng_http_loop {
    uint8_t wake_source;
    bool running;
    bool draining;
    bool cut; /* the time to drain is over */
    unsigned index;
    int epoll;
    int wake;
    int reserve; /* a descriptor to give up when there are none left */
    pthread_t thread;
    pthread_t self; /* the same, set by itself */
    eng_http_server *server;
    uint64_t now_ns;
    uint64_t resume_ns; /* when paused listeners go on */
    uint64_t timeout_ns[ENG_WAITS];
    eng_http_queue waits[ENG_WAITS];
    eng_http_conn *again;
    eng_http_listener *listeners;
    size_t listener_count;
    size_t conns;
    size_t exchanges; /* not finished */
    size_t refusing;  /* connections beyond the limit that are told so */

    eng_exchange *spare_x;
    unsigned spare_x_count;
    eng_http_block *spare_blocks;
    unsigned spare_block_count;
    eng_header *headers; /* scratch */
    uint64_t date_second;
    char date[ENG_HTTP_DATE_SIZE + 1];
    uint64_t id_seed[2];
    uint64_t id_count;
    eng_http_counters count;

    _Alignas(64) _Atomic(eng_exchange *) posted;
};

eng_status eng_http_loop_init(eng_http_loop *l, eng_http_server *s, unsigned index,
                              eng_error *err) ENG_MUST_CHECK;
eng_status eng_http_loop_start(eng_http_loop *l, eng_error *err) ENG_MUST_CHECK;
void eng_http_loop_clear(eng_http_loop *l);
void eng_http_loop_wake(eng_http_loop *l);
/* Moves c to the end of that queue. */
void eng_http_loop_wait(eng_http_conn *c, eng_http_wait wait);
void eng_http_loop_forget(eng_http_conn *c);
/* Runs c again in this turn, after the others. */
void eng_http_loop_again(eng_http_conn *c);
bool eng_http_loop_is_here(const eng_http_loop *l);
const char *eng_http_loop_date(eng_http_loop *l);

/* The loop's own counters: no locked instruction is needed, others only look on. */
static inline void eng_http_bump(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* ---- The server ----------------------------------------------------------------------------- */

typedef struct {
    char *path; /* NULL once it is not ours any more */
    int fd;
} eng_http_unix;

struct eng_http_server {
    eng_http_options options;
    eng_http_limits limits;
    size_t block_size;
    unsigned connections_max;
    _Atomic uint64_t open;    /* connections of all loops */
    _Atomic uint64_t cut_ns;  /* 0: not draining; else when requests under way are cut */
    atomic_bool scarce;       /* a loop had no descriptor for a client, and none had since */
    pthread_mutex_t scarcity; /* held by the loop that takes a client meanwhile */
    eng_http_unix *unixes;
    size_t unix_count;
    unsigned loop_count;
    void *loop_memory;
    eng_http_loop *loops; /* in it, aligned */
};

#endif
