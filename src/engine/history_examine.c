/* Every segment read from its first entry to its last, for doctor. */
#include "engine/history.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

/* Of a segment's bytes before `end`: those that no entry has, and the entries. What stands behind the last
 * whole entry counts where all of them are known to have been written. */
static void read_through(const unsigned char *data, uint32_t number, size_t end, bool known,
                         eng_history_damage *out)
{
    size_t at = ENG_HISTORY_PAGE, next = at;
    eng_history_entry entry;
    uint64_t bad = 0;
    for (; eng_history_next(data, number, end, &at, &next, &entry, &bad); at = next) {
        out->bytes += bad;
        out->entries++;
        bad = 0;
    }
    if (known)
        out->bytes += bad;
}

/* used 0: nobody writes it, and what it is tells its page. */
static eng_status examine(const char *path, uint32_t number, uint64_t used, eng_history_damage *out,
                          eng_error *err)
{
    eng_mapping file;
    eng_history_summary s = {.used = used};
    bool sealed = used > 0;
    eng_status status = eng_mapping_open(path, &file, err);
    if (status < 0)
        return status;
    out->number = number;
    if (file.len < ENG_HISTORY_PAGE || file.len > ENG_HISTORY_SEGMENT ||
        (!used && !eng_history_page(file.data, number, &sealed, &s))) {
        out->bytes = file.len;
    } else {
        size_t end = sealed && s.used < file.len ? (size_t)s.used : file.len;
        read_through(file.data, number, end, sealed, out);
        if (sealed && s.used > file.len)
            out->bytes += s.used - file.len;
    }
    eng_mapping_close(&file);
    return ENG_OK;
}

eng_status eng_history_examine(const char *dir, eng_history_found *found, void *ctx, eng_error *err)
{
    eng_status status = ENG_OK;
    DIR *folder = opendir(dir);
    if (!folder)
        return errno == ENOENT ? ENG_OK : eng_fail_errno(err, errno, "cannot open '%s'", dir);
    for (struct dirent *d; status == ENG_OK && (d = readdir(folder));) {
        eng_history_damage one = {0};
        uint32_t number;
        if (!eng_history_number(d->d_name, &number))
            continue;
        char *path = eng_path_join(dir, d->d_name);
        status = path ? examine(path, number, 0, &one, err) : eng_fail_nomem(err);
        eng_free(path);
        if (status == ENG_OK && !found(ctx, &one))
            break;
    }
    closedir(folder);
    return status;
}

/* The oldest that is not older than `number`, and held; NULL: none is left. */
static eng_history_segment *hold_next(eng_history *h, uint32_t number, uint64_t *used)
{
    eng_history_segment *s = NULL;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->count && !s; i++)
        if (h->segments[i]->number >= number)
            s = h->segments[i];
    if (s) {
        s->users++;
        *used = s->summary.used;
    }
    pthread_mutex_unlock(&h->lock);
    return s;
}

static void let_go(eng_history *h, eng_history_segment *s)
{
    pthread_mutex_lock(&h->lock);
    bool last = --s->users == 0 && s->removed;
    pthread_mutex_unlock(&h->lock);
    if (last)
        eng_free(s);
}

/* Of the newest only what was there when its turn came, which does not change any more. */
eng_status eng_history_examine_open(eng_history *h, eng_history_found *found, void *ctx,
                                    eng_error *err)
{
    eng_history_segment *s;
    uint64_t used = 0;
    bool go_on = true;
    for (uint32_t number = 0; go_on && (s = hold_next(h, number, &used));) {
        eng_history_damage one = {0};
        number = s->number + 1;
        char *path = eng_history_path(h, s->number);
        eng_status status = path ? examine(path, s->number, used, &one, err) : eng_fail_nomem(err);
        eng_free(path);
        let_go(h, s);
        if (status == ENG_ENOTFOUND)
            continue; /* removed meanwhile */
        if (status < 0)
            return status;
        go_on = found(ctx, &one);
    }
    return ENG_OK;
}
