/*
 * How often a key may come: a bucket a key, filled as time passes, one token a request.
 *
 * Buckets lie in a table of fixed size, in sets of WAYS that share a lock; a set that is full gives
 * up the bucket that was used longest ago, which can only be to its key's advantage. So memory is
 * bounded however many keys come and go, and nothing has to be told when a key is removed.
 */
#include "base/error.h"
#include "base/hash.h"
#include "serve/parts.h"

#include <pthread.h>
#include <stdio.h>

enum { SETS = 128, WAYS = 8 };

typedef struct {
    char id[ENG_ID_SIZE];
    uint32_t rate;
    double tokens;
    uint64_t seen_ns; /* 0: free */
} bucket;

typedef struct {
    pthread_mutex_t lock;
    bucket buckets[WAYS];
} bucket_set;

struct eng_rates {
    bucket_set sets[SETS];
};

eng_status eng_rates_new(eng_rates **out, eng_error *err)
{
    eng_rates *r = eng_zalloc(sizeof *r);
    if (!r)
        return eng_fail_nomem(err);
    for (size_t i = 0; i < SETS; i++)
        pthread_mutex_init(&r->sets[i].lock, NULL);
    *out = r;
    return ENG_OK;
}

void eng_rates_free(eng_rates *r)
{
    for (size_t i = 0; r && i < SETS; i++)
        pthread_mutex_destroy(&r->sets[i].lock);
    eng_free(r);
}

/* The key's bucket, a free one, or the one that has to go. */
static bucket *choose(bucket_set *set, const char *id)
{
    bucket *oldest = &set->buckets[0];
    for (size_t i = 0; i < WAYS; i++) {
        bucket *b = &set->buckets[i];
        if (b->seen_ns && strcmp(b->id, id) == 0)
            return b;
        if (b->seen_ns < oldest->seen_ns)
            oldest = b;
    }
    oldest->seen_ns = 0;
    return oldest;
}

static bool take(bucket *b, const char *id, uint32_t a_minute, uint64_t now_ns, unsigned *wait_s)
{
    double a_second = a_minute / 60.0;
    if (b->seen_ns == 0 || b->rate != a_minute) {
        snprintf(b->id, sizeof b->id, "%s", id);
        b->rate = a_minute;
        b->tokens = a_minute;
    } else if (now_ns > b->seen_ns) {
        b->tokens += (double)(now_ns - b->seen_ns) / 1e9 * a_second;
        if (b->tokens > a_minute)
            b->tokens = a_minute;
    }
    if (now_ns > b->seen_ns) /* two threads may have read the clock in the other order */
        b->seen_ns = now_ns;
    if (b->tokens < 1) {
        *wait_s = (unsigned)((1 - b->tokens) / a_second) + 1;
        return false;
    }
    b->tokens -= 1;
    return true;
}

bool eng_rates_take(eng_rates *r, const char *id, uint32_t a_minute, uint64_t now_ns,
                    unsigned *wait_s)
{
    bucket_set *set = &r->sets[eng_hash(id, strlen(id)) % SETS];
    pthread_mutex_lock(&set->lock);
    bool ok = take(choose(set, id), id, a_minute, now_ns, wait_s);
    pthread_mutex_unlock(&set->lock);
    return ok;
}
