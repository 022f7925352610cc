/*
 * The care of indexes: small pieces to large ones, what is in memory to files, the store's log of changes
 * shortened by what is in files. One thread of low priority does it, begun by the first write, a piece at
 * a time. It holds a shelf as who searches does, so no writer waits for it: the index itself says when its
 * care and its writers exclude each other, and that is short. What it leaves undone costs time, never data.
 */
#include "base/error.h"
#include "engine/knowledge.h"

#include <sys/resource.h>
#include <unistd.h>

/* Changes after which what the index has of them is flushed; and for how many it is worth a write, which
 * costs a sync, to shorten the log. */
enum { NICE = 15, FLUSH = 1024, FORGET = 256 };

static eng_status stats_of(eng_index *index, eng_index_stats *out)
{
    eng_index_view *view;
    eng_status status = eng_index_view_new(index, &view, NULL);
    if (status < 0)
        return status;
    eng_index_view_stats(view, out);
    eng_index_view_free(view);
    return ENG_OK;
}

/*
 * The changes that are in the index's files need not be kept; those that are only in memory must be, or
 * the whole index is made anew after a crash; as it is when no flush says how far the files reach. Else a
 * few small ones stay there until there are many, or until the end. What fails leaves a longer log.
 */
static void forget(eng *e, eng_shelf *s)
{
    eng_index_stats stats;
    if (stats_of(s->index, &stats) < 0)
        return;
    bool due = stats.mark == 0 ? stats.last > 0 : stats.last - stats.mark >= FLUSH;
    if (due && (eng_index_flush(s->index, NULL) < 0 || stats_of(s->index, &stats) < 0))
        return;
    if ((int64_t)stats.mark < s->forgotten + FORGET)
        return;
    if (eng_store_change_forget(e->store, s->id, (int64_t)stats.mark, NULL) == ENG_OK)
        s->forgotten = (int64_t)stats.mark;
}

/* One piece for a shelf; true: there is more. With `lock` held for reading: the index stays where it is. */
static bool tend_shelf(eng *e, eng_shelf *s)
{
    bool more = false;
    if (!s->index)
        return false;
    if (eng_index_step(s->index, &more, NULL) < 0)
        return false; /* whoever writes or reads next meets the same, and says so */
    if (!more)
        forget(e, s);
    return more;
}

/* The next shelf whose index nobody exchanges, held; NULL: none. With the registry's lock held. */
static eng_shelf *next_shelf(eng_shelf *s)
{
    for (; s; s = s->next) {
        if (!s->dropped && pthread_rwlock_tryrdlock(&s->lock) == 0) {
            s->users++;
            return s;
        }
    }
    return NULL;
}

static bool tend_all(eng *e)
{
    eng_knowledge *k = e->knowledge;
    bool any = false;
    for (eng_shelf *before = NULL, *s;; before = s) {
        pthread_mutex_lock(&k->lock);
        s = k->closing ? NULL : next_shelf(before ? before->next : k->shelves);
        pthread_mutex_unlock(&k->lock);
        eng_shelf_release(e, before); /* held so far, so that its place in the list was there */
        if (!s)
            return any;
        any |= tend_shelf(e, s);
        pthread_rwlock_unlock(&s->lock);
    }
}

static void *tend(void *arg)
{
    eng *e = arg;
    eng_knowledge *k = e->knowledge;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    pthread_mutex_lock(&k->lock);
    while (!k->closing) {
        if (!k->written)
            pthread_cond_wait(&k->wake, &k->lock);
        k->written = false;
        pthread_mutex_unlock(&k->lock);
        while (tend_all(e))
            ;
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

void eng_knowledge_wake(eng *e)
{
    eng_knowledge *k = e->knowledge;
    pthread_mutex_lock(&k->lock);
    k->written = true;
    if (!k->tending && !k->closing) /* without a thread the next write tries again */
        k->tending = pthread_create(&k->tender, NULL, tend, e) == 0;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

void eng_knowledge_rest(eng_knowledge *k)
{
    pthread_mutex_lock(&k->lock);
    k->closing = true;
    bool wait = k->tending;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (wait)
        pthread_join(k->tender, NULL);
}
