/*
 * The server: an engine behind HTTP. All it does comes from one table of routes (serve_internal.h):
 * dispatch, validation, roles, the OpenAPI document, metrics.
 *
 *     eng_serve_new(engine, &options, &server, err)   checks the options, binds its addresses
 *     eng_serve_start(server, err)                    answers from here on
 *     eng_serve_stop(server)                          ends what is under way, then returns
 *     eng_serve_free(server)
 */
#ifndef ENG_SERVE_H
#define ENG_SERVE_H

#include "engenho.h"

typedef struct eng_serve eng_serve;

typedef enum {
    ENG_KEYS_AUTO,     /* in force where api_key is set; a public address without one is refused */
    ENG_KEYS_REQUIRED, /* in force, also if only stored ones exist */
    ENG_KEYS_OFF       /* never in force, also on a public address: somebody said so */
} eng_keys_mode;

typedef struct {
    const char *const *listen; /* addresses as in eng_http_server_listen, ending in NULL */
    bool socket;               /* also DATA/engenho.sock: whoever may open it is an admin */
    const char *api_key;       /* an admin key besides the stored ones; NULL or "": none */
    eng_keys_mode keys;
    const char *cors;  /* origins, comma separated, or "*"; NULL: none */
    uint32_t rate;     /* requests a minute for a key that has none of its own; 0: no limit */
    unsigned loops;    /* 0: one a processor */
    unsigned workers;  /* 0: twice the processors */
    uint64_t body_max; /* of JSON bodies; 0: 8 MiB */
    unsigned drain_ms; /* how long requests under way may take at the end; 0: 5 s */
    bool access_log;
} eng_serve_options;

eng_status eng_serve_new(eng *engine, const eng_serve_options *options, eng_serve **out,
                         eng_error *err) ENG_MUST_CHECK;
eng_status eng_serve_start(eng_serve *s, eng_error *err) ENG_MUST_CHECK;
/* The i-th address that it listens on, with its port, as a URL; NULL past the last. */
const char *eng_serve_url(const eng_serve *s, size_t i);
bool eng_serve_keys_in_force(const eng_serve *s);
void eng_serve_stop(eng_serve *s);
void eng_serve_free(eng_serve *s);

/* Tells systemd (NOTIFY_SOCKET) something such as "READY=1"; nothing where there is none. */
void eng_notify(const char *state);

/* The OpenAPI document of this program, as JSON to be freed with eng_free: what /openapi.json
 * serves. */
char *eng_serve_openapi(size_t *len);

#endif
