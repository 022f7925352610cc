/*
 * What the files of the embedded index share.
 *
 *     image.c     bytes that do not change, in a file with checksums or in memory
 *     pack.c      128 small numbers in as few bits as they need
 *     build.c     passages to the postings of a segment
 *     segment.c   a segment: written from sorted terms, opened, looked into
 *     merge.c     several segments to one
 *     cursor.c    walking through one list of postings
 *     plan.c      a question to the terms it asks for
 *     bm25.c      the best passages by words
 *     phrase.c    words next to each other
 *     filter.c    conditions to a set of rows
 *     chunk.c     vectors in order of their rows
 *     dense.c     the best passages by vectors
 *     graph*.c    the graph over vectors
 *     state.c     what there is at one instant, and the manifest that says so on disk
 *     index.c     the operations
 *
 * Rows. A passage that is put in gets the next row, a number that is its own until the end; replacing
 * it makes a new row and a dead one. Segments and chunks cover ranges of rows, one after the other, so
 * merging neighbours changes no number, and a set of rows is a plain array of bits for all of them.
 */
#ifndef ENG_INDEX_INTERNAL_H
#define ENG_INDEX_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "index/index.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- Images (image.c) ---------------------------------------------------------------------------- */

/*
 * A file of blocks of 64 KiB, a checksum for each, and a tail that says what stands where; or the same
 * bytes in memory, which need no checks. Never changed once made; shared by counting.
 */
enum { ENG_BLOCK = 1 << 16, ENG_SECTIONS = 8, ENG_TAIL_NUMBERS = 8, ENG_TAIL_SIZE = 256 };

typedef enum { ENG_IMAGE_SEGMENT = 1, ENG_IMAGE_CHUNK, ENG_IMAGE_GRAPH } eng_image_kind;

typedef struct {
    uint64_t at;
    uint64_t len;
} eng_section;

typedef struct {
    _Atomic uint32_t refs;
    eng_image_kind kind;
    const unsigned char *data;
    size_t len; /* of the blocks, without checksums and tail */
    eng_section sections[ENG_SECTIONS];
    uint64_t numbers[ENG_TAIL_NUMBERS]; /* whatever the kind wants to know first */
    char *path;                         /* NULL: in memory */
    eng_mapping mapping;
    char *owned;              /* the memory */
    _Atomic uint8_t *checked; /* a byte for each block; NULL: in memory */
    const unsigned char *sums;
} eng_image;

eng_status eng_image_open(const char *path, eng_image_kind kind, eng_image **out, eng_error *err);
eng_image *eng_image_ref(eng_image *image);
void eng_image_unref(eng_image *image);

/* These bytes may be read: within the image, and as they were written. */
eng_status eng_image_check(const eng_image *image, uint64_t at, uint64_t len, eng_error *err);
static inline bool eng_image_known(const eng_image *image, uint64_t at)
{
    return !image->checked ||
           atomic_load_explicit(&image->checked[at / ENG_BLOCK], memory_order_acquire);
}
/* A section, checked as a whole. */
eng_status eng_image_section(const eng_image *image, unsigned section, const unsigned char **out,
                             size_t *len, eng_error *err);

/* Where an image is written to: a new file, or memory. */
typedef struct {
    int fd; /* -1: memory */
    char *path;
    char *temporary;
    eng_buf memory; /* all of it, or the block that is being filled */
    eng_buf sums;
    uint64_t at; /* bytes so far */
    eng_section sections[ENG_SECTIONS];
    uint64_t numbers[ENG_TAIL_NUMBERS];
    eng_status failed;
    int code; /* errno */
} eng_sink;

/* path NULL: memory. Errors stick; eng_sink_close tells them. */
eng_status eng_sink_open(eng_sink *sink, const char *path, eng_error *err);
void eng_sink_put(eng_sink *sink, const void *bytes, size_t len);
void eng_sink_align(eng_sink *sink, size_t to);
void eng_sink_begin(eng_sink *sink, unsigned section); /* aligned to 64 bytes */
void eng_sink_end(eng_sink *sink, unsigned section);
/* Finishes: the file is synced and has its name; the image is open. The sink is cleared either way. */
eng_status eng_sink_close(eng_sink *sink, eng_image_kind kind, eng_image **out, eng_error *err);
void eng_sink_clear(eng_sink *sink);

/* ---- Packing (pack.c) ------------------------------------------------------------------------------ */

enum { ENG_PACK = 128 };

unsigned eng_pack_width(const uint32_t *v, size_t count);
/* Bytes that count (1..128) numbers of that width take. */
size_t eng_pack_size(size_t count, unsigned width);
void eng_pack(const uint32_t *v, size_t count, unsigned width, unsigned char *out);
/* in has eng_pack_size bytes; out room for ENG_PACK numbers. */
void eng_unpack(const unsigned char *in, size_t count, unsigned width, uint32_t *out);
/* Sums of differences: v[i] becomes before + (i + 1) + v[0] + ... + v[i]. Returns the largest, which
 * is larger than the last where they wrapped. */
uint32_t eng_unpack_sums(uint32_t *v, size_t count, uint32_t before);

/* ---- Segments (segment.c) ---------------------------------------------------------------------------- */

/*
 * Keys: one byte of kind, then text. All lists and columns of a segment are in one dictionary.
 */
enum {
    ENG_KEY_CODE = 'c',
    ENG_KEY_BOOL = 'b',   /* field NUL '0' or '1' */
    ENG_KEY_EXISTS = 'e', /* field */
    ENG_KEY_GRAM = 'g',
    ENG_KEY_NUMBER = 'n',     /* field: a column of numbers in order */
    ENG_KEY_STRING = 's',     /* field NUL value */
    ENG_KEY_TIME = 't',       /* field: a column of dates */
    ENG_KEY_VOCABULARY = 'v', /* no list: how often the collection has the word */
    ENG_KEY_WORD = 'w',       /* with positions */
    ENG_KEY_EXACT = 'x',
};
enum { ENG_KEY_MAX = 2048, ENG_COUNT_MAX = 1 << 20 };

/* An entry of the dictionary, as it stands in the file. */
typedef struct {
    uint64_t at; /* of the list, within the section of lists */
    uint32_t len;
    uint32_t key_at;
    uint16_t key_len;
    uint16_t impact; /* largest of the list */
    uint32_t count;  /* rows; words of a vocabulary */
} eng_entry;

/* For each 128 postings of a list, before their packed numbers. */
typedef struct {
    uint32_t last;   /* row */
    uint32_t at;     /* of its numbers, from the list's begin */
    uint16_t impact; /* the largest tf / (tf + norm), in 65,535ths, rounded up */
    uint8_t row_width;
    uint8_t count_width;
    uint32_t positions; /* of its positions, from the list's begin; 0: none are kept */
} eng_skip;

/* A number of a column, in the order of its bytes: see eng_order_number. */
typedef struct {
    uint64_t key;
    int32_t rest; /* what an integer is more than the double nearest to it */
    uint32_t row;
} eng_cell;

enum {
    ENG_SEG_LISTS,
    ENG_SEG_ENTRIES,
    ENG_SEG_KEYS,
    ENG_SEG_IDS,       /* u64 a row; 0: a row that died before this was written */
    ENG_SEG_DOCUMENTS, /* u64 a row */
    ENG_SEG_NORMS,     /* u8 a row: its length, see eng_norm_of */
    ENG_SEG_ORDER      /* u32: rows that have an id, by ascending id */
};

typedef struct {
    eng_image *image;
    uint32_t base; /* first row */
    uint32_t rows;
    uint32_t docs;      /* rows that have an id */
    uint32_t dead;      /* of these, in the state that holds it: see eng_state_finish */
    uint64_t words;     /* sum of their lengths */
    uint32_t languages; /* bits */
    float mean;         /* length that the impacts were computed with */
    const eng_entry *entries;
    size_t entry_count;
    const unsigned char *keys;
    size_t keys_len;
    const uint64_t *ids;
    const uint64_t *documents;
    const uint8_t *norms;
    const uint32_t *order;
} eng_segment;

/* Checks the dictionary and the columns; lists are checked when they are read. */
eng_status eng_segment_open(eng_image *image, eng_segment *out, eng_error *err);
/* The entry of a key, or NULL. */
const eng_entry *eng_segment_find(const eng_segment *s, eng_str key);
/* The first entry whose key is not smaller. */
size_t eng_segment_lower(const eng_segment *s, eng_str key);
static inline eng_str eng_segment_key(const eng_segment *s, size_t i)
{
    return (eng_str){(const char *)s->keys + s->entries[i].key_at, s->entries[i].key_len};
}
/* Local row of an id, or UINT32_MAX. */
uint32_t eng_segment_row(const eng_segment *s, uint64_t id);
/* The bytes of an entry's list or column, checked. */
eng_status eng_segment_list(const eng_segment *s, const eng_entry *e, const unsigned char **out,
                            eng_error *err);

/* ---- Lengths ---- */

/* BM25: idf * tf / (tf + k1 * (1 - b + b * length / mean)). */
extern const float eng_bm25_k1, eng_bm25_b;
uint8_t eng_norm_of(uint32_t length); /* in steps of a sixteenth of itself */
uint32_t eng_norm_length(uint8_t norm);
/* k1 * (1 - b + b * length / mean) for each norm; the shortest are not favoured without end. */
void eng_norm_table(float mean, float out[256]);

/* Writing: terms by ascending key, rows ascending within each. */
typedef struct {
    uint32_t row;
    uint32_t count; /* weighted by field */
    const uint32_t *positions;
    uint32_t position_count;
} eng_posting;

typedef struct {
    eng_sink sink;
    eng_buf entries;
    eng_buf keys;
    eng_entry entry;
    float norms[256];
    const uint8_t *row_norms;
    uint32_t base;
    uint32_t rows;
    uint64_t lists_at;
    bool positioned;
    /* The list that is being written. */
    eng_buf skips;
    eng_buf numbers;
    eng_buf positions;
    uint32_t pending_rows[ENG_PACK];
    uint32_t pending_counts[ENG_PACK];
    size_t pending;
    uint32_t before; /* the last row of the block before; -1 at the begin */
    float impact;
    uint32_t positions_at;
} eng_segment_writer;

typedef struct {
    uint32_t base;
    uint32_t rows;
    uint32_t languages;
    const uint64_t *ids;
    const uint64_t *documents;
    const uint8_t *norms;
    uint64_t words;
    float mean;
} eng_rows;

eng_status eng_segment_writer_open(eng_segment_writer *w, const char *path, const eng_rows *rows,
                                   eng_error *err);
void eng_segment_begin(eng_segment_writer *w, eng_str key);
void eng_segment_add(eng_segment_writer *w, const eng_posting *p); /* row: local */
void eng_segment_end(eng_segment_writer *w);
void eng_segment_vocabulary(eng_segment_writer *w, eng_str key, uint64_t count);
void eng_segment_cell(eng_segment_writer *w, const eng_cell *cell); /* between begin and column */
void eng_segment_column(eng_segment_writer *w);
eng_status eng_segment_writer_close(eng_segment_writer *w, const eng_rows *rows, eng_segment *out,
                                    eng_error *err);
void eng_segment_writer_clear(eng_segment_writer *w);

/* ---- Cursors (cursor.c) ------------------------------------------------------------------------------ */

/* A walk through one list; rows are local to the segment. */
typedef struct {
    const unsigned char *list;
    size_t len;
    const unsigned char *skips;
    uint32_t blocks;
    uint32_t postings;
    uint32_t limit; /* rows of the segment: none may be as large */
    uint32_t block; /* the one that is unpacked; UINT32_MAX: none */
    uint32_t count; /* of its postings */
    uint32_t at;    /* in the block */
    bool counted;   /* its counts are unpacked too */
    bool broken;    /* the list contradicts itself: it ends here */
    uint32_t
        positions_block; /* where positions are read next: that of which posting of which block */
    uint32_t positions_next;
    size_t positions_at;
    uint32_t rows[ENG_PACK];
    uint32_t counts[ENG_PACK];
} eng_cursor;

eng_status eng_cursor_open(eng_cursor *c, const eng_segment *s, const eng_entry *e, eng_error *err);
eng_skip eng_cursor_skip(const eng_cursor *c, uint32_t block);
/* Unpacks a block; false where it contradicts itself. */
bool eng_cursor_load(eng_cursor *c, uint32_t block);
void eng_cursor_counts(eng_cursor *c);
/* To the first row >= row; gives it, or UINT32_MAX past the end. Never goes back. */
uint32_t eng_cursor_seek(eng_cursor *c, uint32_t row);
/* How often the term stands in the row that the cursor is at. */
uint32_t eng_cursor_count(eng_cursor *c);
/* The positions in that row, ascending; at most max of them. */
size_t eng_cursor_positions(eng_cursor *c, uint32_t *out, size_t max);

/* ---- Sets of rows ------------------------------------------------------------------------------------ */

static inline size_t eng_bits_words(uint64_t rows) { return (size_t)((rows + 63) / 64); }
static inline bool eng_bit(const uint64_t *bits, uint32_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}
static inline void eng_bit_set(uint64_t *bits, uint32_t row)
{
    bits[row / 64] |= UINT64_C(1) << (row % 64);
}
static inline void eng_bit_clear(uint64_t *bits, uint32_t row)
{
    bits[row / 64] &= ~(UINT64_C(1) << (row % 64));
}
uint64_t eng_bits_count(const uint64_t *bits, size_t words);

/* ---- Building (build.c) ---- */

typedef struct {
    uint32_t base;
    bool grams;
    eng_word_count_fn *count; /* how often the collection has a word; these items come on top */
    void *count_ctx;
    float mean; /* of the collection, 0: none yet */
} eng_build_options;

/* A segment in memory of these items. */
eng_status eng_build_segment(eng_analyzer *a, const eng_index_item *items, size_t count,
                             const eng_build_options *options, eng_segment *out, eng_error *err);
/* The order of numbers as the order of unsigned integers. */
eng_cell eng_order_number(const eng_value *v);
int eng_cell_order(const eng_cell *a, const eng_cell *b);
/* The key of a field's string: a long one is cut, and its hash put behind. */
void eng_string_key(eng_buf *out, eng_str field, eng_str value);

/* Several segments that follow each other to one; rows that are not alive are left out. */
eng_status eng_merge_segments(const eng_segment *segments, size_t count, const uint64_t *live,
                              float mean, const char *path, eng_segment *out, eng_error *err);

/* ---- What there is at one instant (state.c) ------------------------------------------------------------ */

typedef struct eng_graph eng_graph;

/* Vectors of a range of rows, in their order; a row's passage vector stands before its sentences'. */
typedef struct {
    eng_image *image;
    size_t count;
    uint32_t dim;
    uint32_t stride; /* of the codes: dim, filled up with zeroes to a multiple of 64 */
    const uint32_t *rows;
    const uint8_t *kinds;
    bool single; /* a vector of its whole for each row, and rows that follow each other */
    const float *scales;
    const int8_t *codes;
    const float *values; /* checked when they are read */
} eng_chunk;

uint32_t eng_code_stride(uint32_t dim);
/* To eng_code_stride codes; returns the scale. */
float eng_encode(const float *v, uint32_t dim, int8_t *code);
/* The same direction with length 1; false where there is none. */
bool eng_unit(const float *v, uint32_t dim, float *out);

/* Takes the image where it succeeds. */
eng_status eng_chunk_open(eng_image *image, uint32_t dim, eng_chunk *out, eng_error *err);
/* Those of items, as rows from base on, in memory. No vectors: a chunk without an image. */
eng_status eng_chunk_build(const eng_index_item *items, size_t count, uint32_t base, uint32_t dim,
                           eng_chunk *out, eng_error *err);
/* Chunks that follow each other to one; what is not alive is left out. Nothing left: no image. */
eng_status eng_chunk_merge(const eng_chunk *chunks, size_t count, const uint64_t *live,
                           const char *path, eng_chunk *out, eng_error *err);
/* The codes may be read. */
eng_status eng_chunk_codes(const eng_chunk *c, eng_error *err);
/* The i-th vector; NULL where it is damaged. */
const float *eng_chunk_values(const eng_chunk *c, size_t i, eng_error *err);
/* The first vector whose row is not before this one. */
size_t eng_chunk_find(const eng_chunk *c, uint32_t row);

/* Postings of a count up to this have their share of a score in a table. */
enum { ENG_SHARES = 16 };

/* Never changed once published; shared by counting. */
typedef struct {
    _Atomic uint32_t refs;
    eng_segment *segments;
    size_t segment_count;
    eng_chunk *chunks;
    size_t chunk_count;
    eng_graph *graph; /* NULL: none yet */
    uint64_t *live;   /* a bit for each row */
    uint32_t rows;    /* the next one's number */
    uint32_t alive;
    uint64_t docs; /* of all segments, the dead that are still in them included */
    uint64_t words;
    uint64_t vectors;
    uint32_t languages;
    float mean;
    uint64_t mark;
    float shares[ENG_SHARES + 1][256]; /* tf / (tf + norm) by tf and norm */
    float norms[256];
} eng_state;

eng_state *eng_state_ref(eng_state *state);
void eng_state_unref(eng_state *state);

/* The segment of a row; NULL where none has it. */
const eng_segment *eng_state_segment(const eng_state *state, uint32_t row);
/* The row of a passage that is alive, or UINT32_MAX. */
uint32_t eng_state_row(const eng_state *state, uint64_t id);
/* Its id and document. */
eng_hit eng_state_hit(const eng_state *state, uint32_t row, float score);
uint32_t eng_state_word_count(const eng_state *state, eng_str word);

/* ---- Questions (plan.c) -------------------------------------------------------------------------------- */

typedef struct {
    eng_str key;
    const eng_entry **entries; /* of each segment, or NULL */
    uint64_t rows;             /* that have it */
    float idf;
    float weight; /* what a full impact gives */
    uint32_t start;
    uint32_t end;
    eng_term_kind kind;
} eng_plan_term;

/* Words that stand next to each other: the i-th at offset[i] from the first. */
typedef struct {
    const eng_entry ***entries; /* of each word, of each segment; NULL: no segment has the word */
    uint32_t *offsets;
    size_t count;
} eng_plan_phrase;

typedef struct {
    eng_plan_term *terms;
    size_t count;
    size_t cap;
    eng_plan_phrase *phrases;
    size_t phrase_count;
} eng_plan;

/* Everything lives in the arena. */
eng_status eng_plan_make(const eng_state *state, eng_analyzer *a, const eng_index_query *query,
                         eng_arena *arena, eng_plan *out, eng_error *err);

/* ---- The best by words (bm25.c) ------------------------------------------------------------------------ */

/* allowed: rows that may be found; NULL: those alive. out has room for limit. */
eng_status eng_bm25_search(const eng_state *state, const eng_plan *plan, const uint64_t *allowed,
                           size_t limit, eng_hit *out, size_t *count, eng_error *err);
/* Exact scores of rows (ascending); shares, if not NULL, gets those of row 0 by term. */
eng_status eng_bm25_score(const eng_state *state, const eng_plan *plan, const uint32_t *rows,
                          size_t count, float *scores, float *shares, eng_error *err);
/* Clears from `rows` those that lack a phrase. */
eng_status eng_phrase_filter(const eng_state *state, const eng_plan *plan, uint64_t *rows,
                             eng_arena *arena, eng_error *err);
/* Sets the rows that satisfy the filter and are alive. */
eng_status eng_filter_rows(const eng_state *state, const eng_filter *filter, uint64_t *rows,
                           eng_error *err);

/* ---- The graph (graph*.c) --------------------------------------------------------------------------------- */

typedef struct eng_embedded eng_embedded;

eng_graph *eng_graph_ref(eng_graph *graph); /* NULL stays NULL */
void eng_graph_unref(eng_graph *graph);
/* The number of the file that it was last written to or read from; 0: none. */
uint64_t eng_graph_file(const eng_graph *graph);
/* Rows before this one are in it. */
uint32_t eng_graph_rows(const eng_graph *graph);
uint64_t eng_graph_nodes(const eng_graph *graph);
uint64_t eng_graph_memory(const eng_graph *graph);
/* One piece of growing it, saving it, or making it anew. The caller holds merging. */
eng_status eng_graph_step(eng_embedded *x, bool *done, eng_error *err);
/* Reads the one of the last time, for which no opening waits; until then everything is scanned. What is
 * damaged is removed, and grows anew. The caller holds merging. */
eng_status eng_graph_take_up(eng_embedded *x, eng_error *err);

typedef struct {
    const int8_t *codes; /* the question's */
    size_t effort;
    const uint64_t *allowed;
    uint32_t rows; /* only those before this one */
} eng_graph_query;
typedef struct {
    uint32_t row;
    float similarity; /* by codes, without the question's scale; of its nearest vector */
} eng_graph_hit;

/* At most effort of them, by row, each row once. */
eng_status eng_graph_search(const eng_graph *graph, const eng_graph_query *query,
                            eng_graph_hit *out, size_t *count, eng_error *err);

/* ---- The best by vectors (dense.c) ---------------------------------------------------------------------- */

/* allowed: NULL is those alive. */
eng_status eng_dense_search(const eng_state *state, const eng_index_query *query, uint32_t dim,
                            const uint64_t *allowed, eng_hit *out, size_t *count, eng_error *err);
/* Of rows in ascending order; NaN where a row has no vector. */
eng_status eng_dense_score(const eng_state *state, const eng_index_query *query, uint32_t dim,
                           const uint32_t *rows, size_t count, float *scores, eng_error *err);

/* ---- The words of a collection (vocabulary.c) ------------------------------------------------------------ */

typedef struct {
    uint32_t at;
    uint32_t len; /* 0: free */
    uint32_t count;
} eng_vocabulary_slot;

typedef struct {
    eng_vocabulary_slot *slots;
    size_t cap; /* a power of two */
    size_t count;
    eng_buf pool;
} eng_vocabulary;

void eng_vocabulary_init(eng_vocabulary *v);
void eng_vocabulary_clear(eng_vocabulary *v);
uint32_t eng_vocabulary_count(void *v, eng_str word); /* an eng_word_count_fn */
/* Adds a segment's; ENG_ENOMEM leaves it with some of them, which does no harm but to be counted
 * twice when tried again. */
eng_status eng_vocabulary_add(eng_vocabulary *v, const eng_segment *s, eng_error *err);

/* ---- The embedded index (embedded.c, upkeep.c, parts.c) ------------------------------------------------- */

enum { ENG_ANALYZERS = 8 };

/*
 * `writing` is held by whoever makes the next state, `merging` by whoever replaces segments or chunks
 * by others that say the same; taken in that order: merging, writing, guard. The long part of a merge
 * runs under `merging` alone.
 */
struct eng_embedded {
    eng_index head;
    char *dir; /* NULL: in memory */
    uint32_t dim;
    bool grams;
    bool look; /* only looked at: nothing of the folder is changed */
    size_t head_bytes;
    size_t graph_from;
    uint32_t threads;
    pthread_mutex_t merging;
    pthread_mutex_t writing;
    pthread_mutex_t guard; /* of the pointer `state`, and of the analyzers */
    eng_state *state;
    eng_analyzer *analyzers[ENG_ANALYZERS]; /* that nobody uses */
    size_t analyzer_count;
    eng_vocabulary vocabulary; /* writing */
    bool vocabulary_read;
    eng_graph *growing;    /* merging: a new graph that is not shown yet */
    uint64_t unread_graph; /* merging: the file of the one that has still to be read; 0: none */
    uint32_t unread_rows;  /* what it may speak of */
    uint64_t next_file;    /* merging */
    uint64_t saved_mark;   /* writing: what the manifest says, or will in a moment */
    _Atomic uint64_t flushed_mark; /* what it says on disk */
    bool unsaved;                  /* writing: something died, or was put in, since the manifest */
};

typedef struct {
    eng_index_view head;
    eng_embedded *index;
    eng_state *state;
} eng_embedded_view;

eng_state *eng_embedded_state(eng_embedded *x); /* a reference */
void eng_embedded_publish(eng_embedded *x, eng_state *state);

/* A state like `from` with room for more; live bits for `rows` rows. Each image is referenced. */
eng_state *eng_state_copy(const eng_state *from, size_t segments, size_t chunks, uint32_t rows);
/* The sums over segments and chunks, and the tables that follow from them. */
void eng_state_finish(eng_state *state);
eng_state *eng_state_empty(void);

/* Merges the last segments and chunks in memory where many are small. */
eng_status eng_upkeep_small(eng_embedded *x, eng_error *err);
eng_status eng_upkeep_flush(eng_embedded *x, eng_error *err);
eng_status eng_upkeep_step(eng_embedded *x, bool *more, eng_error *err);

/* Writes what of the state is in files; the caller holds merging, not writing. */
eng_status eng_parts_write(eng_embedded *x, eng_error *err);
/* An empty state where there is none. Removes files that it does not name. */
eng_status eng_parts_read(eng_embedded *x, eng_error *err);
char *eng_embedded_path(const eng_embedded *x, const char *kind, uint64_t number);

#endif
