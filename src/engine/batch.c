/*
 * The queue of all who want vectors.
 *
 *     add -> waiting, in two classes -> a thread that is free takes a batch -> done, when the last of a
 *            call's sequences has been computed
 *
 * A batch is of one model and of BATCH_TOKENS at most (or of one longer sequence), so that whoever comes
 * next waits for that long at most. Calls with short texts go first, those with a long one in every other
 * batch, bulk calls in every eighth, and each has what the others leave. Calls of a class give a sequence
 * each in turn. When other threads are free, a batch is no more than its share of what waits, so that few
 * texts use all processors too.
 *
 * One lock guards everything; the network runs, and `done` is called, without it.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/encoder_internal.h"

#include <signal.h>
#include <unistd.h>

enum {
    BATCH_TOKENS = 512,
    SHARE_LEAST = 64, /* a batch is not made smaller than this to share it out */
    BATCH_SEQUENCES = 64,
    QUEUE_TOKENS = 262144,
    THREADS_MAX = 64,
    LONG_TOKENS = 128,
    LONG_TURN = 2, /* every so many batches calls with long texts go first */
    BULK_TURN = 8  /* and bulk calls */
};

enum { SHORT, LONG, BULK, CLASSES };

TAILQ_HEAD(calls, eng_batch_call);

typedef struct {
    eng_batcher *b;
    pthread_t thread;
    eng_batch_call *of[BATCH_SEQUENCES]; /* whose each sequence of the batch is */
    size_t which[BATCH_SEQUENCES];
    eng_nn_sequence sequences[BATCH_SEQUENCES];
    size_t count;
    size_t tokens;
    float *out;
    size_t out_floats;
} worker;

struct eng_batcher {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct calls waiting[CLASSES];
    size_t queue_max;
    unsigned wanted; /* threads */
    unsigned threads;
    unsigned idle;
    bool stop;
    eng_batcher_counters counters;
    worker *workers;
};

/* ---- Calls ---- */

static size_t next_tokens(const eng_batch_call *c) { return c->tokens.seqs[c->next].count; }

/* What is not taken will not be: with the lock held. True: nothing of it is under way either. */
static bool give_up(eng_batcher *b, eng_batch_call *c, eng_status status, const char *why)
{
    if (c->status == ENG_OK)
        c->status = eng_fail(&c->err, status, "%s", why);
    if (c->queued) {
        TAILQ_REMOVE(&b->waiting[c->class], c, link);
        c->queued = false;
    }
    for (; c->next < c->tokens.seq_count; c->next++, c->left--)
        b->counters.waiting -= next_tokens(c);
    return c->left == 0;
}

/* Whose client has gone gives its place to others. The calls that are over are chained in *over. */
static void sweep(eng_batcher *b, struct calls *over)
{
    for (size_t class = 0; class < CLASSES; class ++) {
        eng_batch_call *c = TAILQ_FIRST(&b->waiting[class]), *next;
        for (; c; c = next) {
            next = TAILQ_NEXT(c, link);
            if ((b->stop || (c->cancelled && c->cancelled(c->x))) &&
                give_up(b, c, ENG_ECANCELLED, b->stop ? "stopping" : "the client has gone"))
                TAILQ_INSERT_TAIL(over, c, link);
        }
    }
}

static void end_all(struct calls *over)
{
    eng_batch_call *c;
    while ((c = TAILQ_FIRST(over)) != NULL) {
        TAILQ_REMOVE(over, c, link);
        c->done(c); /* which may free it */
    }
}

/* ---- A batch ---- */

static void take_one(eng_batcher *b, worker *w, eng_batch_call *c)
{
    size_t n = next_tokens(c);
    w->of[w->count] = c;
    w->which[w->count] = c->next;
    w->sequences[w->count] = eng_tokens_sequence(&c->tokens, c->next);
    w->count++;
    w->tokens += n;
    b->counters.waiting -= n;
    c->next++;
    TAILQ_REMOVE(&b->waiting[c->class], c, link);
    c->queued = c->next < c->tokens.seq_count;
    if (c->queued)
        TAILQ_INSERT_TAIL(&b->waiting[c->class], c, link);
}

/* A call that was taken from stands behind this one and comes again, until there is no room. */
static void take_class(eng_batcher *b, worker *w, struct calls *from, size_t most)
{
    eng_batch_call *c = TAILQ_FIRST(from), *next;
    for (; c && w->count < BATCH_SEQUENCES && w->tokens < most; c = next) {
        bool fits = w->count == 0 || w->tokens + next_tokens(c) <= most;
        bool same = w->count == 0 || c->encoder == w->of[0]->encoder;
        next = TAILQ_NEXT(c, link);
        if (!fits || !same)
            continue;
        take_one(b, w, c);
        if (!next && c->queued)
            next = c;
    }
}

static void take_batch(eng_batcher *b, worker *w)
{
    size_t share = (size_t)(b->counters.waiting / (b->idle + 1)) + 1;
    size_t most = share < SHARE_LEAST ? SHARE_LEAST : share;
    most = most < BATCH_TOKENS ? most : BATCH_TOKENS;
    uint64_t turn = b->counters.batches;
    int first = turn % BULK_TURN == BULK_TURN - 1   ? BULK
                : turn % LONG_TURN == LONG_TURN - 1 ? LONG
                                                    : SHORT;
    w->count = w->tokens = 0;
    take_class(b, w, &b->waiting[first], most);
    for (int class = 0; class < CLASSES; class ++)
        if (class != first)
            take_class(b, w, &b->waiting[class], most);
    if (w->count)
        b->counters.batches++;
}

static eng_status compute(worker *w, eng_error *err)
{
    eng_nn_context *context = NULL;
    eng_encoder *enc = w->of[0]->encoder;
    size_t width = eng_encoder_width(enc), floats = w->count * width;
    if (floats > w->out_floats) {
        float *out = eng_realloc(w->out, BATCH_SEQUENCES * width * sizeof *out);
        if (!out)
            return eng_fail_nomem(err);
        w->out = out;
        w->out_floats = BATCH_SEQUENCES * width;
    }
    eng_status status = eng_encoder_take(enc, 1, &context, err);
    if (status < 0)
        return status;
    status = eng_encoder_run(enc, context, w->sequences, w->count, w->out, err);
    eng_encoder_give(enc, 1, context);
    for (size_t i = 0; i < w->count && status == ENG_OK; i++)
        memcpy(w->of[i]->out + w->which[i] * width, w->out + i * width, width * sizeof *w->out);
    return status;
}

/* With the lock held. */
static void settle(eng_batcher *b, worker *w, eng_status status, const eng_error *err,
                   struct calls *over)
{
    for (size_t i = 0; i < w->count; i++) {
        eng_batch_call *c = w->of[i];
        if (status < 0 && c->status == ENG_OK) {
            c->status = status;
            c->err = *err;
        }
        c->left--;
        if (c->status < 0)
            (void)give_up(b, c, c->status, c->err.message);
        if (c->left == 0)
            TAILQ_INSERT_TAIL(over, c, link);
    }
    b->counters.sequences += w->count;
    b->counters.tokens += w->tokens;
}

static void *work(void *arg)
{
    worker *w = arg;
    eng_batcher *b = w->b;
    struct calls over = TAILQ_HEAD_INITIALIZER(over);
    pthread_mutex_lock(&b->lock);
    for (;;) {
        sweep(b, &over);
        take_batch(b, w);
        if (w->count == 0 && TAILQ_EMPTY(&over)) {
            if (b->stop)
                break;
            b->idle++;
            pthread_cond_wait(&b->work, &b->lock);
            b->idle--;
            continue;
        }
        pthread_mutex_unlock(&b->lock);
        eng_error err = {0};
        end_all(&over);
        eng_status status = w->count ? compute(w, &err) : ENG_OK;
        pthread_mutex_lock(&b->lock);
        settle(b, w, status, &err, &over);
        w->count = 0;
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- Outside ---- */

eng_status eng_batcher_new(const eng_batcher_options *options, eng_batcher **out, eng_error *err)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    eng_batcher *b = eng_zalloc(sizeof *b);
    if (!b)
        return eng_fail_nomem(err);
    b->queue_max = options->queue_max ? options->queue_max : QUEUE_TOKENS;
    b->wanted = options->threads ? options->threads : (unsigned)(processors > 0 ? processors : 1);
    b->wanted = b->wanted < THREADS_MAX ? b->wanted : THREADS_MAX;
    b->workers = eng_zalloc(b->wanted * sizeof *b->workers);
    if (!b->workers) {
        eng_free(b);
        return eng_fail_nomem(err);
    }
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, NULL);
    for (int class = 0; class < CLASSES; class ++)
        TAILQ_INIT(&b->waiting[class]);
    *out = b;
    return ENG_OK;
}

/* With the lock held. Fewer threads than wanted do, but for none. */
static eng_status start_threads(eng_batcher *b, eng_error *err)
{
    sigset_t all, before;
    int code = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (b->threads < b->wanted && code == 0) {
        worker *w = &b->workers[b->threads];
        w->b = b;
        code = pthread_create(&w->thread, NULL, work, w);
        b->threads += code == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return b->threads ? ENG_OK : eng_fail_errno(err, code, "cannot start a thread");
}

static int class_of(const eng_batch_call *c)
{
    if (c->bulk)
        return BULK;
    for (size_t i = 0; i < c->tokens.seq_count; i++)
        if (c->tokens.seqs[i].count > LONG_TOKENS)
            return LONG;
    return SHORT;
}

static eng_status add_locked(eng_batcher *b, eng_batch_call *c, struct calls *over, eng_error *err)
{
    size_t tokens = c->tokens.count;
    if (b->stop)
        return eng_fail(err, ENG_ECANCELLED, "stopping");
    eng_status status = start_threads(b, err);
    if (status < 0)
        return status;
    if (b->counters.waiting + tokens > b->queue_max)
        sweep(b, over);
    if (b->counters.waiting && b->counters.waiting + tokens > b->queue_max) {
        b->counters.refused++;
        return eng_fail(err, ENG_EBUSY, "%llu tokens wait to be embedded already: try again later",
                        (unsigned long long)b->counters.waiting);
    }
    c->status = ENG_OK;
    c->next = 0;
    c->left = c->tokens.seq_count;
    c->queued = true;
    c->class = class_of(c);
    b->counters.waiting += tokens;
    TAILQ_INSERT_TAIL(&b->waiting[c->class], c, link);
    if (c->left > 1)
        pthread_cond_broadcast(&b->work);
    else
        pthread_cond_signal(&b->work);
    return ENG_OK;
}

eng_status eng_batcher_add(eng_batcher *b, eng_batch_call *call, eng_error *err)
{
    struct calls over = TAILQ_HEAD_INITIALIZER(over);
    if (call->tokens.seq_count == 0) {
        call->status = ENG_OK;
        call->done(call);
        return ENG_OK;
    }
    pthread_mutex_lock(&b->lock);
    eng_status status = add_locked(b, call, &over, err);
    pthread_mutex_unlock(&b->lock);
    end_all(&over);
    return status;
}

void eng_batcher_count(eng_batcher *b, eng_batcher_counters *out)
{
    pthread_mutex_lock(&b->lock);
    *out = b->counters;
    pthread_mutex_unlock(&b->lock);
}

void eng_batcher_free(eng_batcher *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_broadcast(&b->work);
    unsigned threads = b->threads;
    pthread_mutex_unlock(&b->lock);
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(b->workers[i].thread, NULL);
        eng_free(b->workers[i].out);
    }
    pthread_cond_destroy(&b->work);
    pthread_mutex_destroy(&b->lock);
    eng_free(b->workers);
    eng_free(b);
}
