/*
 * Who waits looks at one word, first awake, for about as long as a short piece of work takes, then
 * asleep in the kernel. A word only ever counts up, so that a wait for another value than the one seen
 * cannot be missed.
 */
#include "kern/kern.h"

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MEMBERS_MAX = 64, LOOKS = 2000 };

/* Each on a line of the cache of its own: one is written while others are looked at. */
typedef struct {
    _Alignas(64) _Atomic unsigned value;
    _Atomic unsigned sleepers;
} word;

struct eng_team {
    word started; /* runs that have begun */
    word ended;   /* members that have ended one, over all runs */
    word met;     /* meetings that are over */
    _Alignas(64) _Atomic unsigned at_meeting;
    eng_team_fn *fn; /* NULL: go home */
    void *arg;
    void *memory;
    unsigned count; /* threads and the caller */
    pthread_t threads[MEMBERS_MAX];
    eng_team_member members[MEMBERS_MAX];
};

static void rest(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void wait_past(word *w, unsigned seen)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(&w->value, memory_order_acquire) != seen)
            return;
        rest();
    }
    atomic_fetch_add(&w->sleepers, 1);
    while (atomic_load(&w->value) == seen)
        syscall(SYS_futex, &w->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&w->sleepers, 1);
}

static void count_up(word *w)
{
    atomic_fetch_add(&w->value, 1);
    if (atomic_load(&w->sleepers))
        syscall(SYS_futex, &w->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void *work(void *arg)
{
    eng_team_member *me = arg;
    eng_team *t = me->team;
    for (unsigned run = 0;; run++) {
        wait_past(&t->started, run);
        if (!t->fn)
            return NULL;
        t->fn(me, t->arg);
        count_up(&t->ended);
    }
}

/* Signals belong to the thread that waits for them: threads inherit the mask. */
static eng_status start(eng_team *t, unsigned threads, eng_error *err)
{
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int failed = 0;
    while (t->count < threads && !failed) {
        failed = pthread_create(&t->threads[t->count], NULL, work, &t->members[t->count]);
        t->count += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? eng_fail_errno(err, failed, "cannot start thread %u", t->count) : ENG_OK;
}

eng_status eng_team_new(unsigned threads, eng_team **out, eng_error *err)
{
    if (threads == 0 || threads > MEMBERS_MAX)
        return eng_fail(err, ENG_EINVALID, "a team has 1 to %d threads, not %u", MEMBERS_MAX,
                        threads);
    char *memory = eng_zalloc(sizeof(eng_team) + _Alignof(eng_team));
    if (!memory)
        return eng_fail_nomem(err);
    eng_team *t = (eng_team *)(memory + (-(uintptr_t)memory & (_Alignof(eng_team) - 1)));
    t->memory = memory;
    t->count = 1;
    for (unsigned i = 0; i < threads; i++)
        t->members[i] = (eng_team_member){t, i, threads};
    eng_status status = start(t, threads, err);
    if (status < 0) {
        eng_team_free(t);
        return status;
    }
    *out = t;
    return ENG_OK;
}

void eng_team_free(eng_team *t)
{
    if (!t)
        return;
    t->fn = NULL;
    count_up(&t->started);
    for (unsigned i = 1; i < t->count; i++)
        pthread_join(t->threads[i], NULL);
    eng_free(t->memory);
}

void eng_team_run(eng_team *t, eng_team_fn *fn, void *arg)
{
    unsigned end = atomic_load(&t->ended.value) + t->count - 1;
    t->fn = fn;
    t->arg = arg;
    if (t->count > 1)
        count_up(&t->started);
    fn(&t->members[0], arg);
    for (unsigned now; (now = atomic_load(&t->ended.value)) != end;)
        wait_past(&t->ended, now);
}

void eng_team_meet(const eng_team_member *me)
{
    eng_team *t = me->team;
    unsigned seen = atomic_load(&t->met.value);
    if (atomic_fetch_add(&t->at_meeting, 1) + 1 < me->count) {
        wait_past(&t->met, seen);
        return;
    }
    atomic_store(&t->at_meeting, 0);
    count_up(&t->met);
}
