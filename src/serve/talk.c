/* Questions of routes, and their answers as replies or streams. See talk.h. */
#include "serve/talk.h"

#include "base/clock.h"
#include "base/error.h"

enum { FRAME_MAX = 64 << 20, WAITING_MAX = 1 << 20, CONTENT_MAX = 1 << 20, KEPT_MAX = 1024 };

/* ---- Writing -------------------------------------------------------------------------------------------- */

void eng_write_count(eng_json_writer *w, const char *name, uint64_t value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_uint(w, value);
}

void eng_write_flag(eng_json_writer *w, const char *name, bool value)
{
    eng_json_name(w, eng_str_of(name));
    eng_json_bool(w, value);
}

static void write_or_null(eng_json_writer *w, const char *name, const char *text)
{
    eng_json_name(w, eng_str_of(name));
    if (text && *text)
        eng_json_string(w, eng_str_of(text));
    else
        eng_json_null(w);
}

void eng_write_citations(eng_json_writer *w, const eng_citation *items, size_t count)
{
    eng_json_open(w, '[');
    for (size_t i = 0; i < count; i++) {
        const eng_citation *c = &items[i];
        eng_json_open(w, '{');
        eng_json_member(w, "document", eng_str_of(c->document));
        write_or_null(w, "title", c->title);
        write_or_null(w, "url", c->url);
        eng_write_count(w, "passage", c->passage);
        eng_write_count(w, "start", c->start);
        eng_write_count(w, "end", c->end);
        eng_json_member(w, "quote", (eng_str){c->quote, c->end - c->start});
        eng_json_name(w, ENG_STR("score"));
        eng_json_double(w, c->score);
        eng_json_close(w, '}');
    }
    eng_json_close(w, ']');
}

/* ---- The stream ------------------------------------------------------------------------------------------- */

/* A stream may be held open for long, and holds no more than its next piece needs. */
static void empty(eng_buf *b)
{
    if (b->cap > KEPT_MAX)
        eng_buf_clear(b);
    else
        eng_buf_reset(b);
}

/* What the client has no room for waits here; who has gone gets nothing. */
static void push(eng_talk *t, bool wait)
{
    eng_status status = eng_exchange_write(t->req->x, eng_buf_view(&t->waiting), wait, NULL);
    if (status != ENG_EBUSY)
        empty(&t->waiting);
}

void eng_talk_send_raw(eng_talk *t, eng_str frame)
{
    eng_buf_str(&t->waiting, frame);
    push(t, false);
}

eng_json_writer eng_talk_frame(eng_talk *t, const char *event)
{
    eng_buf_reset(&t->scratch);
    if (event && *event)
        eng_buf_format(&t->scratch, "event: %s\n", event);
    if (event)
        eng_buf_str(&t->scratch, ENG_STR("data: "));
    return eng_json_write_to(&t->scratch);
}

void eng_talk_send(eng_talk *t, const char *event)
{
    eng_buf_str(&t->scratch, event ? ENG_STR("\n\n") : ENG_STR("\n"));
    if (eng_buf_check(&t->scratch, "event", NULL) == ENG_OK)
        eng_talk_send_raw(t, eng_buf_view(&t->scratch));
    if (!t->scratch.failed)
        empty(&t->scratch);
}

/* All that waits, then the end: on a thread that may wait. A stream that lost something is cut. */
static void end_stream(eng_talk *t)
{
    eng_exchange *x = t->req->x;
    bool lost = t->waiting.failed || t->scratch.failed;
    if (t->waiting.len && !lost)
        push(t, true);
    eng_buf_clear(&t->waiting);
    eng_buf_clear(&t->scratch);
    eng_exchange_end(x, lost);
}

/* ---- Callbacks of the engine -------------------------------------------------------------------------------- */

static void candidates(void *ctx, const eng_answer *so_far)
{
    eng_talk *t = ctx;
    if (!t->stream)
        return;
    eng_reply_stream_as(t->later, t->form->stream_type);
    t->begun = true;
    if (t->form->first)
        t->form->first(t, so_far);
}

static void delta(void *ctx, eng_str text)
{
    eng_talk *t = ctx;
    if (!t->begun)
        return;
    t->form->delta(t, text);
    t->pieces++;
}

static void reply_whole(eng_talk *t, const eng_answer *a, const eng_error *err)
{
    if (err && err->status == ENG_ENOTFOUND && t->unknown.ptr) {
        eng_error why;
        eng_fail(&why, ENG_ENOTFOUND, "%.*s", ENG_FMT(t->unknown));
        eng_reply_finish(t->later, &why);
        return;
    }
    if (a)
        t->form->whole(t, eng_reply_json(t->later), a);
    eng_reply_finish(t->later, err);
}

static void done(void *ctx, eng_answer *a, const eng_error *err)
{
    eng_talk *t = ctx;
    if (!t->begun) {
        reply_whole(t, a, err);
    } else {
        if (a)
            t->form->last(t, a);
        else
            t->form->failed(t, err);
        end_stream(t);
    }
    eng_answer_free(a);
}

static bool gone(void *ctx)
{
    const eng_talk *t = ctx;
    return eng_exchange_cancelled(t->req->x);
}

static void nudge(void *engine) { eng_ask_nudge(engine); }

eng_status eng_talk_begin(eng_talk *t, eng_reply *out, const eng_ask *ask, bool stream,
                          eng_error *err)
{
    eng_ask what = *ask;
    eng *engine = eng_req_engine(t->req);
    eng_str collection = t->collection;
    t->later = eng_reply_later(out);
    if (!t->later)
        return eng_fail_nomem(err);
    t->stream = stream && !ask->prompt_only;
    t->created_s = eng_clock_wall_ms() / 1000;
    eng_buf_init(&t->waiting, WAITING_MAX + FRAME_MAX);
    eng_buf_init(&t->scratch, FRAME_MAX);
    what.candidates = candidates;
    what.delta = t->stream ? delta : NULL;
    what.done = done;
    what.cancelled = gone;
    what.ctx = t;
    eng_exchange_on_cancel(t->req->x, nudge, engine);
    eng_ask_begin(engine, collection, &what);
    return ENG_OK;
}

/* ---- Conversations ------------------------------------------------------------------------------------------- */

static eng_status refuse(eng_error *err, const char *field, size_t i, const char *member,
                         const char *expected)
{
    return eng_fail_field(err, ENG_EINVALID, eng_str_of(field), "[%zu].%s: expected %s", i, member,
                          expected);
}

/* The texts of {"type":"text","text":...} parts, a line each. */
static eng_status join_parts(eng_request *req, const eng_json *parts, const char *field, size_t i,
                             eng_str *out, eng_error *err)
{
    eng_str joined = {"", 0};
    for (size_t k = 0; k < eng_json_count(parts); k++) {
        const eng_json *text = eng_json_get(eng_json_at(parts, k), ENG_STR("text"));
        if (!eng_json_is(text, ENG_JSON_STRING))
            return refuse(err, field, i, "content", "parts of type text");
        joined = eng_arena_format(eng_req_arena(req), "%.*s%s%.*s", ENG_FMT(joined), k ? "\n" : "",
                                  ENG_FMT(eng_json_text(text)));
        if (!joined.ptr)
            return eng_fail_nomem(err);
    }
    *out = joined;
    return ENG_OK;
}

static bool speaker_of(eng_str role, eng_speaker *out)
{
    *out = eng_str_eq(role, ENG_STR("user"))        ? ENG_SPEAKER_USER
           : eng_str_eq(role, ENG_STR("assistant")) ? ENG_SPEAKER_ASSISTANT
                                                    : ENG_SPEAKER_SYSTEM;
    return *out != ENG_SPEAKER_SYSTEM || eng_str_eq(role, ENG_STR("system")) ||
           eng_str_eq(role, ENG_STR("developer")) || eng_str_eq(role, ENG_STR("tool"));
}

static eng_status read_turn(eng_request *req, const eng_json *v, const char *field, size_t i,
                            bool parts, eng_turn *out, eng_error *err)
{
    const eng_json *role = eng_json_get(v, ENG_STR("role")),
                   *content = eng_json_get(v, ENG_STR("content"));
    if (!eng_json_is(v, ENG_JSON_OBJECT))
        return eng_fail_field(err, ENG_EINVALID, eng_str_of(field), "[%zu]: expected an object", i);
    if (!speaker_of(eng_json_text(role), &out->who))
        return refuse(err, field, i, "role", "one of system, user, assistant");
    if (parts && eng_json_is(content, ENG_JSON_ARRAY))
        return join_parts(req, content, field, i, &out->text, err);
    /* What an assistant did beside speaking (calling a tool) comes without content. */
    if (parts && out->who == ENG_SPEAKER_ASSISTANT && (!content || content->type == ENG_JSON_NULL))
        return out->text = ENG_STR(""), ENG_OK;
    if (!eng_json_is(content, ENG_JSON_STRING) || eng_json_count(content) > CONTENT_MAX)
        return refuse(err, field, i, "content", "a string of at most 1 MiB");
    out->text = eng_json_text(content);
    return ENG_OK;
}

eng_status eng_read_turns(eng_request *req, const eng_json *list, const char *field, bool parts,
                          eng_turn **out, size_t *count, eng_error *err)
{
    size_t n = eng_json_count(list);
    eng_turn *turns = eng_arena_array(eng_req_arena(req), n + 1, sizeof *turns);
    eng_status status = turns ? ENG_OK : eng_fail_nomem(err);
    for (size_t i = 0; i < n && status == ENG_OK; i++)
        status = read_turn(req, eng_json_at(list, i), field, i, parts, &turns[i], err);
    *out = turns;
    *count = n;
    return status;
}
