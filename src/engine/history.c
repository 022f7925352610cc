/*
 * Appending, syncing, and removing what is too old or too much.
 *
 *     a segment:   reserved --append--> growing --full--> sealed --synced, closed--> read by mapping
 *                                                            |--too old, too much--> removed
 *
 * One lock guards all of it; what is done under it is a copy of some hundred bytes, and now and then a call that
 * reserves more of the disk or makes the next file. Syncing is done beside it.
 */
#include "engine/history.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BYTES_MAX_SHIFT = 30, /* 1 GiB, where nothing else was said */
    SEGMENT_LEAST = 2 << 20,
    STEP_LEAST = 64 << 10,
    STEP_MOST = 1 << 20,
    SYNC_MS = 100,
    NAME_LEN = 12 /* "0000002a.seg" */
};

#define CUT_NOTE_ROOM 2 /* the quotes of what was cut */

char *eng_history_path(const eng_history *h, uint32_t number)
{
    char name[NAME_LEN + 1];
    snprintf(name, sizeof name, "%08x.seg", number);
    return eng_path_join(h->dir, name);
}

/* ---- Segments ---- */

static eng_history_segment *newest(const eng_history *h)
{
    return h->count ? h->segments[h->count - 1] : NULL;
}

static eng_status add_segment(eng_history *h, uint32_t number, eng_history_segment **out,
                              eng_error *err)
{
    if (h->count == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 16;
        eng_history_segment **more = eng_realloc(h->segments, cap * sizeof *more);
        if (!more)
            return eng_fail_nomem(err);
        h->segments = more;
        h->cap = cap;
    }
    eng_history_segment *s = eng_zalloc(sizeof *s);
    if (!s)
        return eng_fail_nomem(err);
    s->number = number;
    s->summary.used = ENG_HISTORY_PAGE;
    h->segments[h->count++] = s;
    *out = s;
    return ENG_OK;
}

/* Gone for who asks from now on; who reads it keeps its file. */
static void drop_oldest(eng_history *h)
{
    eng_history_segment *s = h->segments[0];
    char *path = eng_history_path(h, s->number);
    if (path)
        unlink(path);
    eng_free(path);
    memmove(h->segments, h->segments + 1, --h->count * sizeof *h->segments);
    s->removed = true;
    if (s->users == 0)
        eng_free(s);
}

/* The newest is never removed. */
static void retain(eng_history *h)
{
    uint64_t bytes = 0;
    int64_t oldest = h->options.age_max_ms ? eng_clock_wall_ms() - h->options.age_max_ms
                                           : INT64_MIN;
    for (size_t i = 0; i < h->count; i++)
        bytes += h->segments[i]->summary.used;
    while (h->count > 1) {
        const eng_history_summary *s = &h->segments[0]->summary;
        if (bytes <= h->options.bytes_max && s->last_ms >= oldest)
            return;
        bytes -= s->used;
        drop_oldest(h);
    }
}

/* ---- Making room ---- */

/* posix_fallocate, so that a page that is written to later always has its place on the disk. */
static eng_status reserve(eng_history *h, size_t size, eng_error *err)
{
    size_t step = h->reserved < STEP_LEAST ? STEP_LEAST : h->reserved;
    if (step > STEP_MOST)
        step = STEP_MOST;
    while (h->reserved < size) {
        size_t to = h->reserved + step;
        if (to < size)
            to = (size + STEP_LEAST - 1) / STEP_LEAST * STEP_LEAST;
        int code = posix_fallocate(h->fd, (off_t)h->reserved, (off_t)(to - h->reserved));
        if (code)
            return eng_fail_errno(err, code, "cannot make room for the history in '%s'", h->dir);
        h->reserved = to;
    }
    return ENG_OK;
}

static void close_writing(eng_history *h)
{
    if (h->map)
        munmap(h->map, h->options.segment);
    if (h->fd >= 0)
        close(h->fd);
    h->map = NULL;
    h->fd = -1;
    h->reserved = 0;
}

static eng_status open_writing(eng_history *h, const char *path, int flags, eng_error *err)
{
    h->fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (h->fd < 0)
        return eng_fail_errno(err, errno, "cannot open '%s'", path);
    void *map = mmap(NULL, h->options.segment, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
    if (map == MAP_FAILED) {
        int code = errno;
        close_writing(h);
        return eng_fail_errno(err, code, "cannot map '%s'", path);
    }
    h->map = map;
    return ENG_OK;
}

/* A new file behind the newest. */
static eng_status begin_segment(eng_history *h, eng_error *err)
{
    eng_history_segment *last = newest(h), *s = NULL;
    uint32_t number = last ? last->number + 1 : 1;
    eng_status status = h->made ? ENG_OK : eng_dir_make(h->dir, 0700, err);
    char *path = status == ENG_OK ? eng_history_path(h, number) : NULL;
    if (status == ENG_OK && !path)
        status = eng_fail_nomem(err);
    if (status < 0)
        goto done;
    h->made = true;
    status = open_writing(h, path, O_CREAT | O_EXCL, err);
    if (status == ENG_OK)
        status = reserve(h, ENG_HISTORY_PAGE, err);
    if (status == ENG_OK)
        status = add_segment(h, number, &s, err);
    if (status < 0) {
        if (h->fd >= 0)
            unlink(path);
        close_writing(h);
        goto done;
    }
    eng_history_begin(h->map, number);
    h->folder_dirty = true;
done:
    eng_free(path);
    return status;
}

/* It is full: the summary is written, and the thread syncs and closes it. */
static void seal(eng_history *h)
{
    eng_history_segment *s = newest(h);
    eng_history_seal(h->map, &s->summary);
    /* Where that fails the file has zeros behind its entries, which mean nothing. */
    (void)!ftruncate(h->fd, (off_t)s->summary.used);
    munmap(h->map, h->options.segment);
    h->map = NULL;
    if (h->sealed_count == sizeof h->sealed / sizeof *h->sealed) {
        /* The disk is that far behind: it is waited for, once. */
        fdatasync(h->sealed[0]);
        close(h->sealed[0]);
        memmove(h->sealed, h->sealed + 1, --h->sealed_count * sizeof *h->sealed);
    }
    h->sealed[h->sealed_count++] = h->fd;
    h->fd = -1;
    h->reserved = 0;
    pthread_cond_signal(&h->wake);
}

static eng_status make_room(eng_history *h, size_t size, eng_error *err)
{
    if (h->fd >= 0 && newest(h)->summary.used + size > h->options.segment) {
        seal(h);
        retain(h);
    }
    eng_status status = h->fd < 0 ? begin_segment(h, err) : ENG_OK;
    return status < 0 ? status : reserve(h, newest(h)->summary.used + size, err);
}

/* ---- Appending ---- */

/* How many bytes of text fit into `max` bytes of a JSON string, whole characters alone. */
static size_t fitting(eng_str text, size_t max)
{
    size_t at = 0, room = max - CUT_NOTE_ROOM;
    while (at < text.len) {
        unsigned char c = (unsigned char)text.ptr[at];
        size_t cost = c == '"' || c == '\\' ? 2 : c < 0x20 ? 6 : 1;
        if (cost > room)
            break;
        room -= cost;
        at++;
    }
    while (at > 0 && at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* A JSON string of the beginning of some JSON, where that is too long; to be freed. */
static eng_status cut(eng_str *text, size_t max, eng_buf *keep, eng_error *err)
{
    static const char hex[] = "0123456789abcdef";
    eng_buf_init(keep, max + 16);
    if (text->len <= max)
        return ENG_OK;
    size_t len = fitting(*text, max);
    eng_buf_byte(keep, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text->ptr[i];
        if (c == '"' || c == '\\')
            eng_buf_byte(keep, '\\');
        if (c >= 0x20) {
            eng_buf_byte(keep, (char)c);
            continue;
        }
        eng_buf_str(keep, ENG_STR("\\u00"));
        eng_buf_byte(keep, hex[c >> 4]);
        eng_buf_byte(keep, hex[c & 15]);
    }
    eng_buf_byte(keep, '"');
    *text = eng_buf_view(keep);
    return eng_buf_check(keep, "history", err);
}

static eng_status append(eng_history *h, eng_history_entry *entry, eng_error *err)
{
    size_t size = eng_history_size(entry);
    pthread_mutex_lock(&h->lock);
    eng_status status = make_room(h, size, err);
    if (status == ENG_OK) {
        eng_history_segment *s = newest(h);
        int64_t now = eng_clock_wall_ms(), last = s->summary.last_ms;
        if (h->count > 1 && h->segments[h->count - 2]->summary.last_ms > last)
            last = h->segments[h->count - 2]->summary.last_ms;
        entry->time_ms = now > last ? now : last;
        eng_history_put(h->map, s->number, s->summary.used, entry);
        eng_history_note(&s->summary, entry);
        s->summary.used += size;
        h->dirty = true;
    }
    pthread_mutex_unlock(&h->lock);
    return status;
}

eng_status eng_history_append(eng_history *h, eng_history_entry *entry, eng_error *err)
{
    eng_buf input, predicted;
    eng_history_entry kept = *entry;
    eng_status status = cut(&kept.input, ENG_HISTORY_INPUT, &input, err);
    eng_status other = cut(&kept.predicted, ENG_HISTORY_PREDICTED, &predicted, err);
    kept.cut |= input.len > 0 || predicted.len > 0;
    kept.model = eng_str_sub(kept.model, 0, 1024);
    if (status == ENG_OK)
        status = other;
    if (status == ENG_OK)
        status = append(h, &kept, err);
    if (status == ENG_OK) {
        entry->id = kept.id;
        entry->time_ms = kept.time_ms;
    }
    eng_buf_clear(&input);
    eng_buf_clear(&predicted);
    return status;
}

/* ---- Syncing ---- */

bool eng_history_synced(eng_history *h, eng_history_wait *wait)
{
    if (!h->options.always || !wait)
        return !h->options.always;
    pthread_mutex_lock(&h->lock);
    wait->next = h->waiting;
    h->waiting = wait;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    return false;
}

static eng_status sync_files(eng_history *h, const int *sealed, size_t count, int fd, bool folder,
                             eng_error *err)
{
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        if (fdatasync(sealed[i]) < 0)
            code = errno;
        close(sealed[i]);
    }
    if (fd >= 0 && fdatasync(fd) < 0)
        code = errno;
    if (fd >= 0)
        close(fd);
    if (code)
        return eng_fail_errno(err, code, "cannot sync the history in '%s'", h->dir);
    return folder ? eng_dir_sync(h->dir, err) : ENG_OK;
}

/* With the lock held, which is given back meanwhile. */
static void sync_once(eng_history *h)
{
    int sealed[sizeof h->sealed / sizeof *h->sealed];
    size_t count = h->sealed_count;
    eng_error err;
    memcpy(sealed, h->sealed, sizeof sealed);
    h->sealed_count = 0;
    /* A descriptor of our own: the newest may be sealed and closed meanwhile. */
    int fd = h->dirty && h->fd >= 0 ? fcntl(h->fd, F_DUPFD_CLOEXEC, 0) : -1;
    bool folder = h->folder_dirty;
    eng_history_wait *waiting = h->waiting;
    h->waiting = NULL;
    h->dirty = h->folder_dirty = false;
    pthread_mutex_unlock(&h->lock);
    eng_status status = sync_files(h, sealed, count, fd, folder, &err);
    while (waiting) {
        eng_history_wait *next = waiting->next;
        waiting->done(waiting->ctx, status < 0 ? &err : NULL);
        waiting = next;
    }
    pthread_mutex_lock(&h->lock);
}

static void *sync_thread(void *arg)
{
    eng_history *h = arg;
    unsigned turns = 0;
    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SYNC_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        if (!h->waiting && !h->sealed_count)
            pthread_cond_timedwait(&h->wake, &h->lock, &until);
        if (h->dirty || h->sealed_count || h->waiting || h->folder_dirty)
            sync_once(h);
        if (++turns % 600 == 0)
            retain(h);
    }
    sync_once(h);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- Opening ---- */

bool eng_history_number(const char *name, uint32_t *number)
{
    char *end;
    if (strlen(name) != NAME_LEN || strcmp(name + 8, ".seg") != 0)
        return false;
    unsigned long n = strtoul(name, &end, 16);
    *number = (uint32_t)n;
    return end == name + 8 && n > 0 && n < 1ul << 27;
}

static int by_number(const void *a, const void *b)
{
    const eng_history_segment *const *x = a, *const *y = b;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static eng_status list_files(eng_history *h, eng_error *err)
{
    eng_status status = ENG_OK;
    uint32_t number;
    eng_history_segment *s;
    DIR *dir = opendir(h->dir);
    if (!dir)
        return errno == ENOENT ? ENG_OK : eng_fail_errno(err, errno, "cannot open '%s'", h->dir);
    h->made = true;
    for (struct dirent *d; status == ENG_OK && (d = readdir(dir));)
        if (eng_history_number(d->d_name, &number))
            status = add_segment(h, number, &s, err);
    closedir(dir);
    if (h->count)
        qsort(h->segments, h->count, sizeof *h->segments, by_number);
    return status;
}

/* What no summary tells is read from the entries. */
static void examine(eng_history *h, eng_history_segment *s, const eng_mapping *file)
{
    size_t at = ENG_HISTORY_PAGE, next = at;
    eng_history_entry entry;
    s->summary = (eng_history_summary){.used = ENG_HISTORY_PAGE};
    for (uint64_t bad = 0;
         eng_history_next(file->data, s->number, file->len, &at, &next, &entry, &bad); at = next) {
        h->damaged += bad;
        bad = 0;
        eng_history_note(&s->summary, &entry);
        s->summary.used = next;
    }
}

/* *ours: it is a segment, and *sealed: nothing more goes into it. */
static eng_status look_at(eng_history *h, eng_history_segment *s, bool *ours, bool *sealed,
                          eng_error *err)
{
    eng_mapping file = {0};
    char *path = eng_history_path(h, s->number);
    eng_status status = path ? eng_mapping_open(path, &file, err) : eng_fail_nomem(err);
    eng_free(path);
    if (status < 0)
        return status;
    *sealed = false;
    *ours = file.len >= ENG_HISTORY_PAGE && file.len <= ENG_HISTORY_SEGMENT &&
            eng_history_page(file.data, s->number, sealed, &s->summary);
    if (*ours && *sealed && s->summary.used > file.len)
        *sealed = false;
    if (*ours && !*sealed)
        examine(h, s, &file);
    eng_mapping_close(&file);
    return ENG_OK;
}

static eng_status look_at_all(eng_history *h, bool *sealed, eng_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++) {
        bool ours = false;
        eng_history_segment *s = h->segments[i];
        eng_status status = look_at(h, s, &ours, sealed, err);
        if (status < 0) {
            /* The rest is freed by whoever closes. */
            memmove(h->segments + kept, h->segments + i, (h->count - i) * sizeof *h->segments);
            h->count -= i - kept;
            return status;
        }
        if (ours)
            h->segments[kept++] = s;
        else
            eng_free(s);
    }
    h->count = kept;
    return ENG_OK;
}

/* The last segment goes on behind its last whole entry. */
static eng_status go_on(eng_history *h, eng_error *err)
{
    eng_history_segment *s = newest(h);
    if (s->summary.used >= h->options.segment)
        return ENG_OK;
    char *path = eng_history_path(h, s->number);
    eng_status status = path ? open_writing(h, path, 0, err) : eng_fail_nomem(err);
    if (status == ENG_OK && ftruncate(h->fd, (off_t)s->summary.used) < 0)
        status = eng_fail_errno(err, errno, "cannot write to '%s'", path);
    if (status == ENG_OK) {
        h->reserved = s->summary.used;
        /* A summary that is there would be taken for the last word. */
        eng_history_begin(h->map, s->number);
    }
    eng_free(path);
    return status;
}

static void take_options(eng_history *h, const eng_history_options *options)
{
    h->options = *options;
    if (!h->options.bytes_max)
        h->options.bytes_max = 1ull << BYTES_MAX_SHIFT;
    size_t segment = h->options.segment;
    if (!segment) {
        uint64_t part = h->options.bytes_max / 16;
        segment = part > ENG_HISTORY_SEGMENT ? ENG_HISTORY_SEGMENT : (size_t)part;
        if (segment < SEGMENT_LEAST)
            segment = SEGMENT_LEAST;
    }
    h->options.segment = segment / ENG_HISTORY_PAGE * ENG_HISTORY_PAGE;
}

static eng_status start_thread(eng_history *h, eng_error *err)
{
    int code = pthread_create(&h->thread, NULL, sync_thread, h);
    if (code)
        return eng_fail_errno(err, code, "cannot start a thread");
    h->running = true;
    return ENG_OK;
}

eng_status eng_history_open(const eng_history_options *options, eng_history **out, eng_error *err)
{
    bool sealed = true;
    pthread_condattr_t attr;
    eng_history *h = eng_zalloc(sizeof *h);
    if (!h)
        return eng_fail_nomem(err);
    h->fd = -1;
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &attr);
    pthread_condattr_destroy(&attr);
    take_options(h, options);
    h->dir = eng_strdup(eng_str_of(options->dir));
    eng_status status = h->dir ? list_files(h, err) : eng_fail_nomem(err);
    if (status == ENG_OK)
        status = look_at_all(h, &sealed, err);
    if (status == ENG_OK && h->count && !sealed)
        status = go_on(h, err);
    if (status == ENG_OK) {
        retain(h);
        status = start_thread(h, err);
    }
    if (status < 0) {
        eng_history_close(h);
        return status;
    }
    *out = h;
    return ENG_OK;
}

void eng_history_close(eng_history *h)
{
    if (!h)
        return;
    if (h->running) {
        pthread_mutex_lock(&h->lock);
        h->stop = true;
        pthread_cond_signal(&h->wake);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
    }
    if (h->fd >= 0 && h->running)
        (void)!ftruncate(h->fd, (off_t)newest(h)->summary.used);
    close_writing(h);
    for (size_t i = 0; i < h->count; i++)
        eng_free(h->segments[i]);
    eng_free(h->segments);
    eng_free(h->dir);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    eng_free(h);
}

void eng_history_count(eng_history *h, eng_history_counters *out)
{
    pthread_mutex_lock(&h->lock);
    *out = (eng_history_counters){.segments = h->count, .damaged = h->damaged};
    for (size_t i = 0; i < h->count; i++) {
        out->entries += h->segments[i]->summary.entries;
        out->bytes += h->segments[i]->summary.used;
    }
    pthread_mutex_unlock(&h->lock);
}
