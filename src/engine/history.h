/*
 * What was predicted: an entry a request, kept in the order of time, never changed.
 *
 *     DATA/history/0000002a.seg     a segment: a page that describes it, then entries one after the other
 *
 *     history.c           appending, syncing, removing what is too old or too much
 *     history_segment.c   a segment's bytes: entries written, found again, and checked
 *     history_read.c      pages of entries, newest first
 *     history_examine.c   every segment read through
 *
 * The newest segment is mapped, and an entry is in it before its reply is sent: what the kernel has
 * survives the death of this process without a system call. A thread writes it to the disk ten times a
 * second, so that a loss of power costs the last 100 ms at most, and nothing with `always`, where a reply
 * waits for its sync together with the others of that moment.
 *
 * Room is reserved on the disk before it is mapped: a full disk is an error, never a signal. An entry has a
 * checksum of all that it is; what is damaged is passed over, by looking for the next entry that is whole.
 *
 * The id of an entry is its place: the number of its segment, then the byte where it stands. So ids grow,
 * fit into 53 bits, and need no index. Each segment knows its times and its models, and is passed over
 * where it holds nothing of what is asked for. Old entries go by whole segments.
 */
#ifndef ENG_HISTORY_H
#define ENG_HISTORY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#include <pthread.h>

enum {
    ENG_HISTORY_PAGE = 4096,         /* bytes before the first entry */
    ENG_HISTORY_SEGMENT = 64 << 20,  /* most bytes of a segment */
    ENG_HISTORY_PLACE_BITS = 26,     /* of an id: the byte within the segment */
    ENG_HISTORY_MODELS = 256,        /* models a segment can tell that it lacks others */
    ENG_HISTORY_INPUT = 64 << 10,    /* a longer input is cut, */
    ENG_HISTORY_PREDICTED = 1 << 20, /* or output */
    ENG_HISTORY_LISTED = 8 << 20     /* bytes of entries after which a page ends */
};

typedef struct {
    int64_t id;
    int64_t time_ms; /* never earlier than that of the entry before it */
    eng_str model;
    uint32_t version;
    uint32_t rows;
    uint64_t ns;       /* how long it took */
    eng_str input;     /* JSON */
    eng_str predicted; /* JSON */
    bool cut; /* the input or the output is not all of it: a JSON string of its beginning */
} eng_history_entry;

/* ---- A segment's bytes (history_segment.c) ------------------------------------------------------- */

/* What the first page says of a segment, as far as it is known. */
typedef struct {
    uint64_t used; /* bytes, this page included */
    uint64_t entries;
    int64_t first_ms;
    int64_t last_ms;
    uint32_t model_count;                /* ENG_HISTORY_MODELS + 1: too many to tell */
    uint64_t models[ENG_HISTORY_MODELS]; /* hashes of their names */
} eng_history_summary;

uint64_t eng_history_hash(eng_str model);
void eng_history_note(eng_history_summary *s, const eng_history_entry *entry);

/* The first page of segment `number`, without a summary; and with one, when nothing more will come. */
void eng_history_begin(unsigned char *page, uint32_t number);
void eng_history_seal(unsigned char *page, const eng_history_summary *s);
/* Whether it is the page of that segment. *sealed: and has a summary. */
bool eng_history_page(const unsigned char *page, uint32_t number, bool *sealed,
                      eng_history_summary *out);

/* Bytes that an entry takes. */
size_t eng_history_size(const eng_history_entry *entry);
/* Writes it at `at`, where that many bytes are free; its id is set. */
void eng_history_put(unsigned char *segment, uint32_t number, size_t at, eng_history_entry *entry);
/* The first whole entry at or behind *at and before `end`; *at becomes its place, *next the byte behind it. *bad
 * counts bytes that were passed over. Views into the segment. False: none is left. */
bool eng_history_next(const unsigned char *segment, uint32_t number, size_t end, size_t *at,
                      size_t *next, eng_history_entry *out, uint64_t *bad);
/* The last whole entry that ends at or before *at; *at becomes its place. */
bool eng_history_before(const unsigned char *segment, uint32_t number, size_t *at,
                        eng_history_entry *out);

/* ---- Appending (history.c) --------------------------------------------------------------------------- */

typedef struct eng_history eng_history;

typedef struct {
    const char *dir;    /* made when the first entry comes */
    uint64_t bytes_max; /* of all segments; 0: 1 GiB */
    int64_t age_max_ms; /* 0: however old */
    bool always;        /* eng_history_synced waits for the disk */
    size_t segment;     /* bytes; 0: as bytes_max asks for */
} eng_history_options;

/* Reads what is there: the summaries, and the last segment's entries. What was cut off by a crash is left
 * out; a file that is no segment is left alone. */
eng_status eng_history_open(const eng_history_options *options, eng_history **out,
                            eng_error *err) ENG_MUST_CHECK;
/* Nobody appends or reads any more. Syncs. NULL is fine. */
void eng_history_close(eng_history *h);

/* Fills in id and time_ms. An input or output beyond its limit is cut. When this returns the entry outlives this
 * process. ENG_ENOSPACE: nothing was kept. Any thread; microseconds, and a file is made now and then. */
eng_status eng_history_append(eng_history *h, eng_history_entry *entry,
                              eng_error *err) ENG_MUST_CHECK;
/* True: all is as durable as was asked for, go on. False: done is called when it is, from another thread, with an
 * error where syncing failed. `wait` belongs to the history until then; NULL only asks. */
typedef struct eng_history_wait {
    struct eng_history_wait *next;
    void (*done)(void *ctx, const eng_error *err);
    void *ctx;
} eng_history_wait;
bool eng_history_synced(eng_history *h, eng_history_wait *wait);

typedef struct {
    uint64_t entries;
    uint64_t bytes;
    uint64_t segments;
    uint64_t damaged; /* bytes that were passed over when it was opened */
} eng_history_counters;
void eng_history_count(eng_history *h, eng_history_counters *out);

/* ---- Reading (history_read.c) ------------------------------------------------------------------------- */

typedef struct {
    eng_str model;   /* empty: any */
    int64_t from_ms; /* both included */
    int64_t to_ms;
    int64_t before; /* an id: only what is older; 0: from the newest on */
    unsigned limit;
} eng_history_query;

typedef struct {
    eng_history_entry *items; /* newest first, in the arena */
    size_t count;
    bool more;
} eng_history_page_of;

/* Any thread, beside those who append; not for a loop. */
eng_status eng_history_list(eng_history *h, const eng_history_query *query, eng_arena *arena,
                            eng_history_page_of *out, eng_error *err) ENG_MUST_CHECK;

/* ---- Examining (history_examine.c) ---------------------------------------------------------------------- */

typedef struct {
    uint32_t number;
    uint64_t bytes;   /* that are no whole entry and should be; 0: all is well */
    uint64_t entries; /* that are whole */
} eng_history_damage;

/* Told of each segment; false ends it. */
typedef bool eng_history_found(void *ctx, const eng_history_damage *segment);

/* Every entry of every segment is read: of a folder that nobody has open, in no order, and of a history that is. */
eng_status eng_history_examine(const char *dir, eng_history_found *found, void *ctx,
                               eng_error *err) ENG_MUST_CHECK;
eng_status eng_history_examine_open(eng_history *h, eng_history_found *found, void *ctx,
                                    eng_error *err) ENG_MUST_CHECK;

/* ---- Between the files ------------------------------------------------------------------------------ */

typedef struct eng_history_segment {
    uint32_t number;
    unsigned users; /* readers; with the history's lock held */
    bool removed;   /* freed when the last of them has gone */
    eng_history_summary summary;
} eng_history_segment;

struct eng_history {
    pthread_mutex_t lock;
    eng_history_options options;
    char *dir;
    bool made; /* the folder is there */

    eng_history_segment **segments; /* oldest first */
    size_t count;
    size_t cap;
    uint64_t damaged;

    /* The newest, where it is open for writing; fd -1: none is. */
    int fd;
    unsigned char *map;
    size_t reserved; /* bytes that the disk has promised */

    /* Syncing. */
    pthread_t thread;
    bool running;
    bool stop;
    pthread_cond_t wake;
    bool dirty;
    bool folder_dirty;
    int sealed[8]; /* segments that are full and not yet synced */
    size_t sealed_count;
    eng_history_wait *waiting;
};

/* Of a segment's file, by its name; false: it is none. */
bool eng_history_number(const char *name, uint32_t *number);
char *eng_history_path(const eng_history *h, uint32_t number); /* NULL: no memory */

#endif
