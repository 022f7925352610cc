/* Jobs as the engine shows them: a list, one by one, as events, cancelled. */
#include "base/error.h"
#include "serve/routes.h"

#define STATES "queued|running|done|failed|cancelled"

const eng_field eng_job_shape[] = {
    {"id", ENG_INT, .required = true, .doc = "Names the job.", .example = "17"},
    {"kind", ENG_TEXT, .required = true, .doc = "What it does.", .example = "\"backup\""},
    {"state", ENG_CHOICE, .required = true, .choices = STATES, .doc = "How far it has come.",
     .example = "\"running\""},
    {"done", ENG_INT, .required = true, .doc = "Steps done.", .example = "3"},
    {"total", ENG_INT, .required = true, .doc = "Steps in all; 0 while that is not known.",
     .example = "12"},
    {"eta_s", ENG_NUMBER, .required = true, .nullable = true,
     .doc = "Seconds that it may still take, or null.", .example = "4.5"},
    {"result", ENG_ANY, .doc = "What came out of it, once it is done."},
    {"error", ENG_TEXT, .doc = "Why it failed."},
    {"attempt", ENG_INT, .required = true,
     .doc = "Counts its beginnings: more than 1 after a crash.", .example = "1"},
    {"created_at", ENG_TIME, .required = true, .doc = "When it was asked for.",
     .example = "\"2026-11-24T14:03:07.250Z\""},
    {"started_at", ENG_TIME, .doc = "When it began."},
    {"ended_at", ENG_TIME, .doc = "When it ended."},
    {0},
};

static const eng_field list_reply[] = {
    {"jobs", ENG_LIST, .required = true, .items = ENG_OBJECT, .of = eng_job_shape,
     .doc = "Newest first."},
    {"next", ENG_TEXT, .doc = "For the next page; absent on the last."},
    {0},
};

static void write_job(eng_json_writer *w, const eng_job *job)
{
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("id"));
    eng_json_int(w, job->id);
    eng_json_member(w, "kind", eng_str_of(job->kind));
    eng_json_member(w, "state", eng_str_of(eng_job_state_name(job->state)));
    eng_json_name(w, ENG_STR("done"));
    eng_json_uint(w, job->done);
    eng_json_name(w, ENG_STR("total"));
    eng_json_uint(w, job->total);
    eng_json_name(w, ENG_STR("eta_s"));
    if (job->eta_s < 0)
        eng_json_null(w);
    else
        eng_json_double(w, job->eta_s);
    if (job->result) {
        eng_json_name(w, ENG_STR("result"));
        eng_json_raw(w, eng_str_of(job->result));
    }
    if (job->error)
        eng_json_member(w, "error", eng_str_of(job->error));
    eng_json_name(w, ENG_STR("attempt"));
    eng_json_uint(w, job->attempt);
    eng_write_time(w, "created_at", job->created_ms);
    eng_write_time(w, "started_at", job->started_ms);
    eng_write_time(w, "ended_at", job->ended_ms);
    eng_json_close(w, '}');
}

/* ---- List, show, cancel --------------------------------------------------------------------- */

static eng_status list(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_job_page *page = NULL;
    eng_status status = eng_job_list(eng_req_engine(req), eng_page_limit(req), eng_page_next(req),
                                     &page, err);
    if (status < 0)
        return status;
    eng_json_writer *w = eng_reply_json(out);
    eng_json_open(w, '{');
    eng_json_name(w, ENG_STR("jobs"));
    eng_json_open(w, '[');
    for (size_t i = 0; i < page->count; i++)
        write_job(w, &page->jobs[i]);
    eng_json_close(w, ']');
    if (page->next[0])
        eng_json_member(w, "next", eng_str_of(page->next));
    eng_json_close(w, '}');
    eng_job_page_free(page);
    return ENG_OK;
}

/* What is no number names no job either. */
static eng_status id_of(const eng_request *req, int64_t *id, eng_error *err)
{
    eng_str text = eng_req_path(req, "id");
    if (eng_str_i64(text, id))
        return ENG_OK;
    return eng_fail(err, ENG_ENOTFOUND, "no job '%.*s'", ENG_FMT(eng_str_sub(text, 0, 64)));
}

static eng_status get_job(const eng_request *req, eng_job **job, eng_error *err)
{
    int64_t id;
    eng_status status = id_of(req, &id, err);
    return status < 0 ? status : eng_job_get(eng_req_engine(req), id, job, err);
}

static eng_status show(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_job *job = NULL;
    eng_status status = get_job(req, &job, err);
    if (status == ENG_OK)
        write_job(eng_reply_json(out), job);
    eng_job_free(job);
    return status;
}

static bool has_ended(const eng_job *job)
{
    return job->state != ENG_JOB_QUEUED && job->state != ENG_JOB_RUNNING;
}

static eng_status cancel(eng_request *req, eng_reply *out, eng_error *err)
{
    int64_t id;
    eng_job *job = NULL;
    eng_status status = id_of(req, &id, err);
    if (status == ENG_OK)
        status = eng_job_cancel(eng_req_engine(req), id, err);
    if (status == ENG_OK)
        status = eng_job_get(eng_req_engine(req), id, &job, err);
    if (status == ENG_OK) {
        eng_reply_status(out, has_ended(job) ? 200 : 202);
        write_job(eng_reply_json(out), job);
    }
    eng_job_free(job);
    return status;
}

/* ---- Events --------------------------------------------------------------------------------- */

/*
 * A stream of a job's states. Three threads know of it: the worker that sets it up, the engine's
 * that says what is new (and may not unwatch), and the loop that learns that the client has gone.
 * It is over when one of the latter two has said so, and the first is done setting it up; whoever
 * comes last of these sees to its end:
 *
 *     set up, then over     the loop, at its next turn: close_stream from eng_job_streams_turn
 *     over, then set up     the worker: close_stream at once
 */
enum { SET_UP = 1, OVER = 2 };

struct eng_job_stream {
    eng_exchange *x;
    eng_serve *serve;
    eng_job_watch *watch;
    eng_job_stream *next; /* among those that wait for their loop */
    _Atomic unsigned marks;
    _Atomic bool abrupt; /* its last event could not be sent */
};

static void close_stream(eng_job_stream *s)
{
    eng_job_unwatch(
        s->watch); /* waits for on_change to return; from here on nobody else knows of it */
    eng_exchange_end(s->x, atomic_load(&s->abrupt));
}

static void leave_to_loop(eng_job_stream *s)
{
    eng_loop *loop = &s->serve->loops[eng_exchange_loop(s->x)];
    eng_job_stream *first = atomic_load(&loop->ended);
    do
        s->next = first;
    while (!atomic_compare_exchange_weak(&loop->ended, &first, s));
}

static void is_over(eng_job_stream *s)
{
    if (atomic_fetch_or(&s->marks, OVER) == SET_UP)
        leave_to_loop(s);
}

void eng_job_streams_turn(eng_loop *loop)
{
    if (!atomic_load_explicit(&loop->ended, memory_order_relaxed))
        return;
    eng_job_stream *s = atomic_exchange(&loop->ended, NULL);
    while (s) {
        eng_job_stream *next = s->next; /* s lies in the exchange's arena */
        close_stream(s);
        s = next;
    }
}

static void on_cancel(void *arg) { is_over(arg); }

/* Never waits for a slow client: it misses states in between; where it is the last one that finds
 * no room, the connection is cut, so that the client asks again. The stream is left to its loop
 * before the last event is written, because it is that event which wakes the loop. */
static void on_change(void *ctx, const eng_job *job)
{
    eng_job_stream *s = ctx;
    eng_buf text;
    if (has_ended(job))
        is_over(s);
    eng_buf_init(&text, 16 << 20);
    eng_json_writer w = eng_json_write_to(&text);
    write_job(&w, job);
    eng_status status = eng_buf_check(&text, "job", NULL);
    if (status == ENG_OK)
        status = eng_exchange_event(s->x, ENG_STR("job"), eng_buf_view(&text), false, NULL);
    eng_buf_clear(&text);
    if (status < 0 && has_ended(job))
        atomic_store(&s->abrupt, true);
}

static eng_status events(eng_request *req, eng_reply *out, eng_error *err)
{
    eng_job *job = NULL;
    eng_status status = get_job(req, &job, err); /* while an error can still be a reply */
    if (status < 0)
        return status;
    int64_t id = job->id;
    eng_job_free(job);
    eng_job_stream *s = eng_arena_zalloc(eng_req_arena(req), sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->x = eng_req_exchange(req);
    s->serve = eng_req_server(req);
    eng_reply_stream(out);
    eng_exchange_on_cancel(s->x, on_cancel, s);
    status = eng_job_watch_new(eng_req_engine(req), id, on_change, s, &s->watch, NULL);
    if (status < 0) {
        atomic_store(&s->abrupt, true);
        is_over(s);
    }
    if (atomic_fetch_or(&s->marks, SET_UP) & OVER)
        close_stream(s);
    return ENG_OK;
}

const eng_route eng_routes_jobs[] = {
    {ENG_GET, "/v1/jobs", ENG_ROLE_READ, NULL, list_reply, list, "Lists jobs, newest first.",
     .query = eng_page_query, .where = ENG_ON_WORKER},
    {ENG_GET, "/v1/jobs/{id}", ENG_ROLE_READ, NULL, eng_job_shape, show, "Shows a job.",
     .fails = "404", .where = ENG_ON_WORKER},
    {ENG_DELETE, "/v1/jobs/{id}", ENG_ROLE_WRITE, NULL, eng_job_shape, cancel,
     "Cancels a job: at once where it waits, with 202 where it runs and has to stop.",
     .fails = "404 409", .where = ENG_ON_WORKER},
    {ENG_GET, "/v1/jobs/{id}/events", ENG_ROLE_READ, NULL, NULL, events,
     "Streams a job as it changes, each event the whole job, and ends with its final state.",
     .reply_type = "text/event-stream", .fails = "404", .where = ENG_ON_STREAM},
    {0},
};
