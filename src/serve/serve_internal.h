/*
 * Routes as data. One table says what each takes, who may call it, where it runs, what it answers
 * and how its errors look; from it come dispatch (router.c), validation (validate.c), the OpenAPI
 * document (openapi.c) and, later, the tools of other protocols. So a handler gets what is already
 * valid:
 *
 *     static const eng_field ask_fields[] = {
 *         {"question", ENG_TEXT, .required = true, .min = 1, .max = 8192, .doc = "What to
 * answer."},
 *         {"top_k", ENG_INT, .min = 1, .max = 1000, .preset = "5", .doc = "Passages to consider."},
 *         {0},
 *     };
 *
 * A route is added in a routes_*.c file: its fields, its reply, its handler, its line in that
 * file's table. Nothing else has to know.
 */
#ifndef ENG_SERVE_INTERNAL_H
#define ENG_SERVE_INTERNAL_H

#include "net/net.h"
#include "serve/serve.h"
#include "json/json.h"

/* ---- Shapes ---------------------------------------------------------------------------------- */

typedef enum {
    ENG_TEXT,   /* min..max characters (max 0: no limit) */
    ENG_INT,    /* min..max; no decimal point */
    ENG_NUMBER, /* least..most where they differ; any finite number else */
    ENG_BOOL,
    ENG_CHOICE, /* one of `choices`, "read|write|admin" */
    ENG_TIME,   /* RFC 3339; a handler gets milliseconds since 1970 */
    ENG_OBJECT, /* of the fields `of`; any object where `of` is NULL */
    ENG_LIST,   /* of min..max things of type `items` (objects: of the fields `of`) */
    ENG_ANY
} eng_field_type;

typedef struct eng_field eng_field;
struct eng_field {
    const char *name; /* NULL ends a table */
    eng_field_type type;
    bool required; /* in a reply: always there */
    bool nullable;
    int64_t min, max;
    double least, most;
    const char *preset; /* the default, as JSON; shown in the OpenAPI document */
    const char *choices;
    const eng_field *of;
    eng_field_type items;
    const char *doc;     /* a sentence */
    const char *example; /* JSON */
};

/* ---- Routes ---------------------------------------------------------------------------------- */

typedef enum { ENG_GET, ENG_POST, ENG_PUT, ENG_PATCH, ENG_DELETE, ENG_METHODS } eng_method;

/* Where a handler runs. */
typedef enum {
    ENG_ON_LOOP,   /* takes microseconds and never blocks */
    ENG_ON_WORKER, /* may block */
    ENG_ON_STREAM  /* begun on a worker; keeps the exchange and ends it later, from anywhere */
} eng_where;

/* How errors look. */
typedef enum {
    ENG_ERRORS_DETAIL,  /* {"detail": "..."} */
    ENG_ERRORS_ALL_400, /* the same, and everything invalid is 400 */
    ENG_ERRORS_OPENAI,  /* {"error": {"message", "type", "param", "code"}} */
    ENG_ERRORS_OLLAMA   /* {"error": "..."} */
} eng_error_shape;

/* What a body may be; bits. 0: none is taken. */
enum { ENG_TAKES_JSON = 1, ENG_TAKES_MULTIPART = 2, ENG_TAKES_NDJSON = 4 };

typedef struct eng_request eng_request;
typedef struct eng_reply eng_reply;

typedef struct eng_route {
    eng_method method;
    const char *path;       /* "/v1/keys/{id}" */
    eng_role role;          /* ENG_ROLE_NONE: open to everybody */
    const eng_field *body;  /* of a JSON body, or of a multipart form's fields */
    const eng_field *reply; /* of a JSON reply; NULL: not JSON, or none */
    eng_status (*handle)(eng_request *req, eng_reply *out, eng_error *err);
    const char *summary; /* a sentence */
    const eng_field *query;
    const char *reply_type; /* where it is not JSON: "text/plain", "text/event-stream" ... */
    const char *operation;  /* operationId; NULL: made from method and path */
    const char *example;    /* a body, as JSON */
    const char *fails;      /* statuses of its own that it may answer, "404 409" */
    int status;             /* of success; 0: 200 */
    eng_where where;
    eng_error_shape errors;
    unsigned takes;
    uint64_t body_max; /* 0: the server's */
    uint32_t
        loop_max; /* largest body that ENG_ON_LOOP handles there; 0: 64 KiB; others go to a worker */
    bool loop_plain; /* and without a query alone */
    bool hidden;     /* not in the OpenAPI document (the files of a page) */
} eng_route;

/* All of them, ending in NULL: the tables of the routes_*.c files. */
extern const eng_route *const eng_route_tables[];

/* ---- What a handler has --------------------------------------------------------------------- */

eng *eng_req_engine(const eng_request *req);
eng_serve *eng_req_server(const eng_request *req);
eng_arena *eng_req_arena(const eng_request *req);
eng_exchange *eng_req_exchange(const eng_request *req);

/* A {parameter} of the path, decoded. */
eng_str eng_req_path(const eng_request *req, const char *name);

/* A field of the body or the query, by name: valid by now, or its preset. Asking for one that the
 * route's tables do not have is a bug of ours. */
bool eng_req_has(const eng_request *req, const char *name); /* given, and not null */
eng_str eng_req_text(const eng_request *req, const char *name);
int64_t eng_req_int(const eng_request *req, const char *name);
double eng_req_number(const eng_request *req, const char *name);
bool eng_req_bool(const eng_request *req, const char *name);
const eng_json *eng_req_json(const eng_request *req, const char *name); /* list, object, any */
/* The whole JSON body. NULL where none came. */
const eng_json *eng_req_body(const eng_request *req);
/* Parts of a multipart body. */
const eng_part *eng_req_parts(const eng_request *req, size_t *count);

/* A JSON reply: the route's status, and what is written here. */
eng_json_writer *eng_reply_json(eng_reply *out);
void eng_reply_status(eng_reply *out, int status);
void eng_reply_header(eng_reply *out, eng_str name, eng_str value);
/* Another type: append to the buffer. */
eng_buf *eng_reply_bytes(eng_reply *out, const char *type);
/* Bytes that live as long as the process; `gzipped` may be empty. */
void eng_reply_static(eng_reply *out, const char *type, eng_str body, eng_str gzipped);
/* Keeps the request to reply later, from any thread: the handler returns ENG_OK and somebody calls
 * eng_reply_finish, once, maybe before the handler has returned; so it is the last thing that the handler
 * does with either. NULL when memory ran out. */
eng_reply *eng_reply_later(eng_reply *out);
/* Sends what was written to it, or the error, where there is one. */
void eng_reply_finish(eng_reply *later, const eng_error *err);
eng_request *eng_reply_request(const eng_reply *out);
/* For ENG_ON_STREAM: begins a stream of the route's reply_type (server-sent events where that is
 * "text/event-stream"). From here on the exchange is the handler's, which sees to its end. */
void eng_reply_stream(eng_reply *out);
/* The same for a route that answers otherwise unless it is asked to stream; also of a reply that was kept
 * for later. */
void eng_reply_stream_as(eng_reply *out, const char *type);

#endif
