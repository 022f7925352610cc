/*
 * Jobs. A job is its owner's until another claims it, which nobody can before its lease has ended; so
 * an owner that was late (its machine slept) goes on where nobody took its place. A lease of 0 was
 * taken away (eng_store_job_release), and nothing is left to go on with.
 *
 *     queued --claim--> running --end--> done, failed, cancelled
 *        |  <--end----     | --claim, when its lease has ended--> running, of another
 *        +--cancel--> cancelled
 */
#include "base/clock.h"
#include "store/store_internal.h"

#define COLUMNS                                                                                    \
    "id, kind, state, params, done, total, result, error, owner, lease_ms, attempt, cancel, "      \
    "created_ms, started_ms, ended_ms"

static void read_job(eng_sql *q, eng_arena *arena, eng_store_job *out)
{
    *out = (eng_store_job){
        .id = eng_sql_get_int(q, 0),
        .kind = eng_sql_get_text(q, 1, arena),
        .state = (eng_job_state)eng_sql_get_int(q, 2),
        .params = eng_sql_get_text(q, 3, arena),
        .done = (uint64_t)eng_sql_get_int(q, 4),
        .total = (uint64_t)eng_sql_get_int(q, 5),
        .result = eng_sql_get_text(q, 6, arena),
        .error = eng_sql_get_text(q, 7, arena),
        .owner = eng_sql_get_text(q, 8, arena),
        .lease_ms = eng_sql_get_int(q, 9),
        .attempt = (unsigned)eng_sql_get_int(q, 10),
        .cancel = eng_sql_get_int(q, 11) != 0,
        .created_ms = eng_sql_get_int(q, 12),
        .started_ms = eng_sql_get_int(q, 13),
        .ended_ms = eng_sql_get_int(q, 14),
    };
}

static eng_status no_such_job(int64_t id, eng_error *err)
{
    return eng_fail(err, ENG_ENOTFOUND, "no job %lld", (long long)id);
}

/* ---- Adding and claiming ---- */

typedef struct {
    int64_t id;
    eng_str kind;
    eng_str params;
} new_job;

static eng_status add_job(eng_conn *c, void *args, eng_error *err)
{
    new_job *job = args;
    eng_sql q = eng_sql_use(c, "INSERT INTO job (kind, state, params, created_ms) "
                               "VALUES (?, ?, ?, ?)");
    eng_sql_text(&q, job->kind);
    eng_sql_int(&q, ENG_JOB_QUEUED);
    eng_sql_text(&q, job->params);
    eng_sql_int(&q, eng_clock_wall_ms());
    eng_status status = eng_sql_end(&q, err);
    job->id = eng_sql_made(c);
    return status;
}

eng_status eng_store_job_add(eng_store *s, eng_str kind, eng_str params, int64_t *id,
                             eng_error *err)
{
    new_job job = {.kind = kind, .params = params};
    eng_status status = eng_store_write(s, add_job, &job, err);
    if (status == ENG_OK)
        *id = job.id;
    return status;
}

typedef struct {
    eng_str owner;
    int64_t lease_ms;
    eng_arena *arena;
    eng_store_job job;
} claim;

/* The index over open jobs has them in the order of their ids, state by state. */
static eng_status find_claimable(eng_conn *c, int64_t now, int64_t *id, eng_error *err)
{
    bool found = false;
    eng_sql q = eng_sql_use(
        c, "SELECT min(id) FROM ("
           "SELECT * FROM (SELECT id FROM job WHERE state = 0 AND state < 2 ORDER BY id LIMIT 1) "
           "UNION ALL "
           "SELECT id FROM job WHERE state = 1 AND state < 2 AND lease_ms <= ?)");
    eng_sql_int(&q, now);
    if (eng_sql_row(&q)) {
        *id = eng_sql_get_int(&q, 0);
        found = *id != 0; /* NULL where there is none */
    }
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && !found)
        status = eng_fail(err, ENG_ENOTFOUND, "no job waits");
    return status;
}

static eng_status claim_job(eng_conn *c, void *args, eng_error *err)
{
    claim *want = args;
    int64_t id = 0, now = eng_clock_wall_ms();
    eng_status status = find_claimable(c, now, &id, err);
    if (status < 0)
        return status;
    eng_sql q = eng_sql_use(c, "UPDATE job SET state = ?, owner = ?, lease_ms = ?, "
                               "attempt = attempt + 1, done = 0, total = 0, started_ms = ? "
                               "WHERE id = ? RETURNING " COLUMNS);
    eng_sql_int(&q, ENG_JOB_RUNNING);
    eng_sql_text(&q, want->owner);
    eng_sql_int(&q, now + want->lease_ms);
    eng_sql_int(&q, now);
    eng_sql_int(&q, id);
    if (eng_sql_row(&q))
        read_job(&q, want->arena, &want->job);
    return eng_sql_end(&q, err);
}

eng_status eng_store_job_claim(eng_store *s, eng_str owner, int64_t lease_ms, eng_arena *arena,
                               eng_store_job *out, eng_error *err)
{
    claim want = {.owner = owner, .lease_ms = lease_ms, .arena = arena};
    eng_status status = eng_store_write(s, claim_job, &want, err);
    if (status == ENG_OK)
        *out = want.job;
    return status;
}

/* ---- While it runs ---- */

typedef struct {
    int64_t id;
    eng_str owner;
    uint64_t done;
    uint64_t total;
    int64_t lease_ms;
    bool cancel;
    eng_job_state state;
    eng_str result;
    eng_str error;
} report;

/* Why a statement about a running job of this owner changed nothing. */
static eng_status not_the_owners(eng_conn *c, int64_t id, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT 1 FROM job WHERE id = ?");
    eng_sql_int(&q, id);
    bool there = eng_sql_row(&q);
    eng_status status = eng_sql_end(&q, err);
    if (status < 0)
        return status;
    if (!there)
        return no_such_job(id, err);
    return eng_fail(err, ENG_ECONFLICT, "job %lld is another's now", (long long)id);
}

static eng_status note_progress(eng_conn *c, void *args, eng_error *err)
{
    report *r = args;
    bool found = false;
    eng_sql q = eng_sql_use(
        c, "UPDATE job SET done = ?, total = ?, lease_ms = ? "
           "WHERE id = ? AND state = 1 AND owner = ? AND lease_ms > 0 RETURNING cancel");
    eng_sql_int(&q, (int64_t)r->done);
    eng_sql_int(&q, (int64_t)r->total);
    eng_sql_int(&q, eng_clock_wall_ms() + r->lease_ms);
    eng_sql_int(&q, r->id);
    eng_sql_text(&q, r->owner);
    if (eng_sql_row(&q)) {
        found = true;
        r->cancel = eng_sql_get_int(&q, 0) != 0;
    }
    eng_status status = eng_sql_end(&q, err);
    return status < 0 || found ? status : not_the_owners(c, r->id, err);
}

eng_status eng_store_job_progress(eng_store *s, int64_t id, eng_str owner, uint64_t done,
                                  uint64_t total, int64_t lease_ms, bool *cancel, eng_error *err)
{
    report r = {.id = id, .owner = owner, .done = done, .total = total, .lease_ms = lease_ms};
    eng_status status = eng_store_write(s, note_progress, &r, err);
    if (status == ENG_OK)
        *cancel = r.cancel;
    return status;
}

static eng_status end_job(eng_conn *c, void *args, eng_error *err)
{
    const report *r = args;
    bool over = r->state != ENG_JOB_QUEUED;
    eng_sql q = eng_sql_use(c, "UPDATE job SET state = ?, result = ?, error = ?, lease_ms = 0, "
                               "attempt = attempt - ?, ended_ms = ? "
                               "WHERE id = ? AND state = 1 AND owner = ? AND lease_ms > 0");
    eng_sql_int(&q, r->state);
    eng_sql_text(&q, r->result);
    eng_sql_text(&q, r->error);
    eng_sql_int(&q, over ? 0 : 1);
    eng_sql_int(&q, over ? eng_clock_wall_ms() : 0);
    eng_sql_int(&q, r->id);
    eng_sql_text(&q, r->owner);
    eng_status status = eng_sql_end(&q, err);
    if (status == ENG_OK && eng_sql_changed(c) == 0)
        status = not_the_owners(c, r->id, err);
    return status;
}

eng_status eng_store_job_end(eng_store *s, int64_t id, eng_str owner, eng_job_state state,
                             eng_str result, eng_str error, eng_error *err)
{
    report r = {.id = id, .owner = owner, .state = state, .result = result, .error = error};
    if (state == ENG_JOB_RUNNING)
        return eng_fail(err, ENG_EINVALID, "running is no way to end");
    return eng_store_write(s, end_job, &r, err);
}

static eng_status release_jobs(eng_conn *c, void *args, eng_error *err)
{
    (void)args;
    return eng_sql_run(c, "UPDATE job SET lease_ms = 0 WHERE state = 1 AND state < 2", err);
}

eng_status eng_store_job_release(eng_store *s, eng_error *err)
{
    return eng_store_write(s, release_jobs, NULL, err);
}

/* ---- Cancelling ---- */

static eng_status state_of(eng_conn *c, int64_t id, eng_job_state *out, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "SELECT state FROM job WHERE id = ?");
    eng_sql_int(&q, id);
    bool there = eng_sql_row(&q);
    *out = (eng_job_state)eng_sql_get_int(&q, 0);
    eng_status status = eng_sql_end(&q, err);
    return status == ENG_OK && !there ? no_such_job(id, err) : status;
}

static eng_status cancel_queued(eng_conn *c, int64_t id, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE job SET state = ?, cancel = 1, ended_ms = ? WHERE id = ?");
    eng_sql_int(&q, ENG_JOB_CANCELLED);
    eng_sql_int(&q, eng_clock_wall_ms());
    eng_sql_int(&q, id);
    return eng_sql_end(&q, err);
}

static eng_status mark_running(eng_conn *c, int64_t id, eng_error *err)
{
    eng_sql q = eng_sql_use(c, "UPDATE job SET cancel = 1 WHERE id = ?");
    eng_sql_int(&q, id);
    return eng_sql_end(&q, err);
}

static eng_status cancel_job(eng_conn *c, void *args, eng_error *err)
{
    report *r = args;
    eng_job_state now = ENG_JOB_QUEUED;
    eng_status status = state_of(c, r->id, &now, err);
    if (status < 0)
        return status;
    switch (now) {
    case ENG_JOB_QUEUED:
        r->state = ENG_JOB_CANCELLED;
        return cancel_queued(c, r->id, err);
    case ENG_JOB_RUNNING:
        r->state = ENG_JOB_RUNNING;
        return mark_running(c, r->id, err);
    default:
        return eng_fail(err, ENG_ECONFLICT, "job %lld has ended", (long long)r->id);
    }
}

eng_status eng_store_job_cancel(eng_store *s, int64_t id, eng_job_state *state, eng_error *err)
{
    report r = {.id = id};
    eng_status status = eng_store_write(s, cancel_job, &r, err);
    if (status == ENG_OK)
        *state = r.state;
    return status;
}

/* ---- Looking ---- */

typedef struct {
    int64_t id; /* or the one before which the page begins */
    size_t limit;
    eng_arena *arena;
    eng_store_job *jobs;
    size_t count;
} look;

static eng_status get_job(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_sql q = eng_sql_use(c, "SELECT " COLUMNS " FROM job WHERE id = ?");
    eng_sql_int(&q, l->id);
    bool there = eng_sql_row(&q);
    if (there)
        read_job(&q, l->arena, l->jobs);
    eng_status status = eng_sql_end(&q, err);
    return status == ENG_OK && !there ? no_such_job(l->id, err) : status;
}

eng_status eng_store_job_get(eng_store *s, int64_t id, eng_arena *arena, eng_store_job *out,
                             eng_error *err)
{
    eng_store_job job;
    look l = {.id = id, .arena = arena, .jobs = &job};
    eng_status status = eng_store_read(s, get_job, &l, err);
    if (status == ENG_OK)
        *out = job;
    return status;
}

static eng_status page_jobs(eng_conn *c, void *args, eng_error *err)
{
    look *l = args;
    eng_list list = {.arena = l->arena, .size = sizeof *l->jobs};
    eng_sql q = eng_sql_use(c, "SELECT " COLUMNS " FROM job WHERE id < ? ORDER BY id DESC LIMIT ?");
    eng_sql_int(&q, l->id);
    eng_sql_count(&q, l->limit);
    while (eng_sql_row(&q)) {
        eng_store_job *job = eng_list_add(&list, &q);
        if (job)
            read_job(&q, l->arena, job);
    }
    l->jobs = list.items;
    l->count = list.count;
    return eng_sql_end(&q, err);
}

eng_status eng_store_job_page(eng_store *s, int64_t before, size_t limit, eng_arena *arena,
                              eng_store_job **out, size_t *count, eng_error *err)
{
    look l = {.id = before, .limit = limit, .arena = arena};
    eng_status status = eng_store_read(s, page_jobs, &l, err);
    if (status == ENG_OK) {
        *out = l.jobs;
        *count = l.count;
    }
    return status;
}

static eng_status count_jobs(eng_conn *c, void *args, eng_error *err)
{
    uint64_t *counts = args; /* by state */
    eng_sql q = eng_sql_use(c, "SELECT state, count(*) FROM job WHERE state < 2 GROUP BY state");
    while (eng_sql_row(&q))
        counts[eng_sql_get_int(&q, 0) == ENG_JOB_RUNNING] = (uint64_t)eng_sql_get_int(&q, 1);
    return eng_sql_end(&q, err);
}

eng_status eng_store_job_counts(eng_store *s, uint64_t *queued, uint64_t *running, eng_error *err)
{
    uint64_t counts[2] = {0, 0};
    eng_status status = eng_store_read(s, count_jobs, counts, err);
    if (status == ENG_OK) {
        *queued = counts[0];
        *running = counts[1];
    }
    return status;
}
