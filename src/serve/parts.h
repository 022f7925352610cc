/*
 * What the parts of the server know of each other; authors of routes need serve_internal.h alone.
 *
 *     serve.c       set-up, addresses, start and stop
 *     dispatch.c    the callbacks of net: admits a request, runs its handler, counts and logs it
 *     router.c      the tables compiled into a trie
 *     validate.c    values against fields
 *     request.c     eng_req_* and eng_reply_*
 *     errors.c      errors as replies, in the form of the route
 *     auth.c        keys, roles, Host, Origin, CORS
 *     rate.c        how often a key may come
 *     metrics.c     counters by loop, and /metrics
 *     access.c      the access log
 *     openapi.c     the tables as a document
 *     docs.c        the embedded files of the documentation page
 *
 * A request's struct lives in its exchange's arena. It is made when the head is in and handed, with
 * the exchange, from the loop to a worker where the route asks for one; so it needs no locks.
 */
#ifndef ENG_SERVE_PARTS_H
#define ENG_SERVE_PARTS_H

#include "serve/serve_internal.h"

#include <stdatomic.h>

/* ---- Router ---------------------------------------------------------------------------------- */

enum { ENG_PATH_PARAMS = 8, ENG_PATH_SEGMENTS = 16 };

typedef struct {
    const eng_route *route;
    unsigned index;                 /* among all routes: the row of its metrics */
    unsigned fields;                /* of route->body */
    unsigned queries;               /* of route->query */
    const eng_json *const *presets; /* fields, then queries; NULL where one has none */
} eng_entry;

typedef struct {
    const eng_entry *entry; /* NULL: no such path, or it lacks this method */
    unsigned methods;       /* bits 1 << eng_method of what the path has; 0: no such path */
    bool open;              /* some method of the path is open to everybody */
    eng_str params[ENG_PATH_PARAMS];
} eng_match;

typedef struct eng_router eng_router;

/* Compiles the tables. Two routes for one method and path, an unknown type in a table, a preset
 * that is no JSON: bugs of ours, asserted. */
eng_status eng_router_new(const eng_route *const *tables, eng_router **out,
                          eng_error *err) ENG_MUST_CHECK;
void eng_router_free(eng_router *r);
size_t eng_router_count(const eng_router *r);
const eng_entry *eng_router_entry(const eng_router *r, size_t index);

/*
 * Finds a path as it came over the wire. Segments are decoded one by one, so that an escaped slash
 * stays within its parameter; one slash at the end is ignored; an empty segment, "." and ".." are
 * parts of no path. No such path is success, with *out empty; ENG_EMALFORMED: a broken escape, a
 * NUL, bytes that are no UTF-8. Decoded text lives in the arena, the rest in `path`.
 */
eng_status eng_router_find(const eng_router *r, eng_method method, eng_str path, eng_arena *arena,
                           eng_match *out, eng_error *err) ENG_MUST_CHECK;

/* HEAD is GET; ENG_METHODS for what no route can have. */
eng_method eng_method_of(eng_str name);
const char *eng_method_name(eng_method method);

/* ---- Values against fields ------------------------------------------------------------------ */

unsigned eng_fields_count(const eng_field *fields);

/* Every field of an object: required ones are there, all are of their type and within their bounds.
 * values[i], if values is not NULL, gets the i-th field's value, NULL where it is absent or null.
 * ENG_EINVALID names the field ("messages[2].role"). Fields that the table lacks are ignored. */
eng_status eng_validate_object(const eng_field *fields, const eng_json *object,
                               const eng_json **values, eng_error *err) ENG_MUST_CHECK;

/* Text of a query or of a form's part as a value of the field's type; ENG_EINVALID where it is
 * none. */
eng_status eng_validate_text(const eng_field *field, eng_str text, eng_arena *arena,
                             const eng_json **out, eng_error *err) ENG_MUST_CHECK;

/* ENG_EINVALID: a required field that did not come. */
eng_status eng_validate_missing(const eng_field *field, eng_error *err) ENG_MUST_CHECK;

/* ---- Requests ------------------------------------------------------------------------------- */

struct eng_request {
    eng_serve *serve;
    eng_exchange *x;
    const eng_http_request *http;
    const eng_entry *entry;  /* NULL until a route is found */
    const eng_json **values; /* of the fields, then of the query; NULL: not given */
    const eng_json *body;
    const eng_part *parts;
    size_t part_count;
    eng_str origin;        /* the Origin header, where CORS allows it; ptr NULL else */
    char key[ENG_ID_SIZE]; /* the id of the key it came with; "" for none */
    eng_str params[ENG_PATH_PARAMS];
};

struct eng_reply {
    eng_request *req;
    int status;       /* 0: the route's */
    const char *type; /* NULL: JSON */
    bool stored;      /* body and gzipped are the reply */
    bool taken;       /* the exchange is somebody else's now */
    bool own_cache;   /* it has a Cache-Control of its own */
    eng_str body;
    eng_str gzipped;
    eng_json_writer writer;
};

/* Reads and validates the query, then the body, which must be there as a whole. */
eng_status eng_request_read(eng_request *req, eng_error *err) ENG_MUST_CHECK;

/* Which of ENG_TAKES_* a Content-Type means; 0: none of them. */
unsigned eng_content_type(eng_str header);

/* The headers that every reply has; once a reply. own_cache: it says itself how it may be cached.
 */
void eng_reply_headers(const eng_request *req, bool own_cache);
/* What the handler has left in the reply; the exchange is gone afterwards. */
void eng_reply_send(eng_reply *out);

/* ---- Errors --------------------------------------------------------------------------------- */

/* Answers with an error, in the form of the request's route; x is gone afterwards. A server's fault
 * (500 and above, but not "busy") is logged in full and told to the client in general words. */
void eng_refuse(eng_request *req, const eng_error *err);

/* What a client is told of an error: our own faults are logged in full, and told in general words. */
eng_str eng_error_message(eng_request *req, const eng_error *err);
/* The body alone, in one of the forms. */
void eng_error_write(eng_buf *out, eng_error_shape shape, int status, eng_str message,
                     eng_str field);

/* ---- Keys and origins ----------------------------------------------------------------------- */

enum { ENG_DIGEST_SIZE = 32 };

typedef struct {
    bool in_force;
    bool has_master;
    unsigned char master[ENG_DIGEST_SIZE];
    uint32_t rate;
    eng_str *cors; /* allowed origins */
    size_t cors_count;
    bool cors_all;
} eng_auth;

typedef struct {
    eng_role role; /* ENG_ROLE_NONE: nobody that we know */
    uint32_t rate; /* requests a minute; 0: no limit */
} eng_caller;

/* cors and api_key are copied. */
eng_status eng_auth_init(eng_auth *a, const eng_serve_options *options,
                         eng_error *err) ENG_MUST_CHECK;
void eng_auth_clear(eng_auth *a);

/* Who asks; fills in req->key too. */
eng_caller eng_auth_caller(eng_request *req);
/* A Host that may reach a server without keys: localhost, or an address. */
eng_status eng_auth_host(const eng_request *req, eng_error *err) ENG_MUST_CHECK;
/* The Origin header is absent, our own, or one that CORS allows. */
eng_status eng_auth_origin(const eng_request *req, eng_error *err) ENG_MUST_CHECK;
/* The Origin header where CORS allows it, ptr NULL else. */
eng_str eng_auth_cors(const eng_auth *a, const eng_exchange *x);

/* ---- Rates ---------------------------------------------------------------------------------- */

typedef struct eng_rates eng_rates;

eng_status eng_rates_new(eng_rates **out, eng_error *err) ENG_MUST_CHECK;
void eng_rates_free(eng_rates *r);
/* One request of this key at this time. A key may save up a minute's worth. Where it has to wait:
 * false, and the seconds after which one more is allowed. Any thread. */
bool eng_rates_take(eng_rates *r, const char *id, uint32_t a_minute, uint64_t now_ns,
                    unsigned *wait_s);

/* ---- Metrics -------------------------------------------------------------------------------- */

typedef struct eng_metrics eng_metrics;

/* Each loop counts for itself; `routes` rows and one for what reached no route. */
eng_status eng_metrics_new(unsigned loops, unsigned routes, eng_metrics **out,
                           eng_error *err) ENG_MUST_CHECK;
void eng_metrics_free(eng_metrics *m);
/* On the loop's thread. route: eng_metrics_none(m) for no route. */
void eng_metrics_count(eng_metrics *m, unsigned loop, unsigned route, int status, uint64_t ns);
unsigned eng_metrics_none(const eng_metrics *m);
/* Prometheus text: requests by route. */
void eng_metrics_write(const eng_metrics *m, const eng_router *r, eng_buf *out);
/* The same with everything else that the server knows of itself. */
void eng_serve_metrics(eng_serve *s, eng_buf *out);

/* ---- Access log ----------------------------------------------------------------------------- */

/* A line for a request that has been answered, into its loop's buffer. */
void eng_access_log(eng_buf *log, const eng_exchange *x, const char *key, uint64_t now_ns);
/* Writes what a buffer holds to standard error. */
void eng_access_flush(eng_buf *log);

/* ---- Documents ------------------------------------------------------------------------------ */

/* Shapes that have a name in the OpenAPI document, ending in NULL; all others stand where they are
 * used. */
typedef struct {
    const char *name;
    const eng_field *of;
} eng_named_shape;
extern const eng_named_shape eng_named_shapes[];

/* The OpenAPI document of these routes. */
void eng_openapi_write(const eng_router *r, eng_buf *out);

/* Answers with a file of the documentation page ("" is the page itself), or with 304 where the
 * client has it; ENG_ENOTFOUND where there is none of that name. Not for a loop, but for the page
 * itself: it may have to inflate. */
eng_status eng_web_reply(eng_request *req, eng_str name, eng_reply *out,
                         eng_error *err) ENG_MUST_CHECK;

/* ---- The server ----------------------------------------------------------------------------- */

typedef enum { ENG_PHASE_STARTING, ENG_PHASE_READY, ENG_PHASE_DRAINING } eng_phase;

typedef struct eng_job_stream eng_job_stream;

/* What a loop has to itself; on cache lines of its own. */
typedef struct {
    _Alignas(64) eng_buf log;
    _Atomic(eng_job_stream *) ended; /* event streams that wait for this loop to end them */
} eng_loop;

struct eng_serve {
    eng *engine;
    eng_router *router;
    eng_pool *pool;
    eng_http_server *http;
    eng_auth auth;
    eng_rates *rates;
    eng_metrics *metrics;
    void *loop_memory;
    eng_loop *loops; /* in it, aligned */
    unsigned loop_count;
    eng_str document; /* /openapi.json, and compressed */
    eng_str document_gzipped;
    char **urls; /* ending in NULL */
    uint64_t body_max;
    unsigned drain_ms;
    bool access_log;
    _Atomic int phase;        /* eng_phase */
    _Atomic unsigned exports; /* that are being sent, each by a worker of its own */
    unsigned exports_max;
};

/* eng_serve_new with other routes than the program's. */
eng_status eng_serve_new_with(eng *engine, const eng_serve_options *options,
                              const eng_route *const *tables, eng_serve **out,
                              eng_error *err) ENG_MUST_CHECK;

/* Ends the event streams that are over; on the loop's thread, at the end of its turn. */
void eng_job_streams_turn(eng_loop *loop);

static inline eng_phase eng_serve_phase(eng_serve *s)
{
    return (eng_phase)atomic_load_explicit(&s->phase, memory_order_acquire);
}

/* The callbacks that net gets. */
eng_http_callbacks eng_serve_callbacks(eng_serve *s);

#endif
