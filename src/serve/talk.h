/*
 * A question that a route has, and its answer in the route's form: as one reply, or as a stream.
 *
 *     eng_talk_begin   on a worker: asks; from there on the exchange is the talk's
 *     candidates       the stream begins: what fails before is an ordinary error reply
 *     delta, ...       written as they come, never waiting for a slow client
 *     done             the whole, or the stream's end
 */
#ifndef ENG_SERVE_TALK_H
#define ENG_SERVE_TALK_H

#include "serve/routes.h"

typedef struct eng_talk eng_talk;

/* How a route's answers look. `first` may be NULL. */
typedef struct {
    const char *stream_type;
    void (*whole)(eng_talk *t, eng_json_writer *w, const eng_answer *a);
    void (*first)(eng_talk *t, const eng_answer *candidates);
    void (*delta)(eng_talk *t, eng_str text);
    void (*last)(eng_talk *t, const eng_answer *a);
    void (*failed)(eng_talk *t, const eng_error *err);
} eng_talk_form;

struct eng_talk {
    eng_request *req;
    const eng_talk_form *form;
    eng_str collection;
    eng_str model;     /* as it was asked for; for forms that repeat it */
    eng_str id;        /* likewise */
    eng_str unknown;   /* words for a collection that is not there; ptr NULL: the engine's */
    int64_t created_s; /* since 1970 */
    bool usage;        /* a stream tells its counts, too */
    /* The talk's own. */
    eng_reply *later;
    bool stream, begun;
    eng_buf waiting; /* what a slow client has not taken */
    eng_buf scratch;
    unsigned pieces; /* deltas so far */
};

/* t lies in the request's arena, with req, form and collection set. The handler returns ENG_OK after this,
 * and touches nothing any more; an error means that nothing was begun. */
eng_status eng_talk_begin(eng_talk *t, eng_reply *out, const eng_ask *ask, bool stream,
                          eng_error *err) ENG_MUST_CHECK;

/* For forms: a frame of the stream is what is written between these; `event` NULL: a line of JSON, "" an
 * event without a name. */
eng_json_writer eng_talk_frame(eng_talk *t, const char *event);
void eng_talk_send(eng_talk *t, const char *event);
/* "data: [DONE]" */
void eng_talk_send_raw(eng_talk *t, eng_str frame);

/* Citations as a list, of whatever form. */
void eng_write_citations(eng_json_writer *w, const eng_citation *items, size_t count);
void eng_write_count(eng_json_writer *w, const char *name, uint64_t value);
void eng_write_flag(eng_json_writer *w, const char *name, bool value);

/* A conversation of {"role","content"} as turns, in the request's arena; content may be a list of text
 * parts where `parts`. ENG_EINVALID names the field. */
eng_status eng_read_turns(eng_request *req, const eng_json *list, const char *field, bool parts,
                          eng_turn **out, size_t *count, eng_error *err) ENG_MUST_CHECK;

#endif
