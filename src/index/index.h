/*
 * The index of a collection: which passages match a question. It is derived: whatever is in it can be
 * made again from the store, so what is damaged is thrown away and rebuilt, never mended.
 *
 * Two layers stand here. Below, a backend: passages in, passages out, raw candidates by one mode
 * (words, characters, vectors) under a filter. The embedded one is a folder of files; Qdrant and
 * PostgreSQL will be others, which is why the operations are few and coarse, and block. Above, pure
 * functions that combine candidates into one ranking.
 *
 * Everything may be called by several threads at once. Writers (upsert, remove, flush, step) wait for
 * each other; readers wait for nobody: they hold a view, which shows what was there when it was taken.
 */
#ifndef ENG_INDEX_H
#define ENG_INDEX_H

#include "base/arena.h"
#include "engenho.h"
#include "text/text.h"

/* ---- What goes in ------------------------------------------------------------------------------- */

typedef enum eng_value_type {
    ENG_VALUE_STRING, /* ordered by its bytes */
    ENG_VALUE_NUMBER,
    ENG_VALUE_INTEGER, /* compared with numbers as the number it is, exactly */
    ENG_VALUE_BOOL,
    ENG_VALUE_DATE,  /* milliseconds since 1970 */
    ENG_VALUE_OTHER, /* is there, and equals nothing: an empty list, an object */
    ENG_VALUE_TYPES
} eng_value_type;

typedef struct eng_value {
    eng_value_type type;
    union {
        eng_str string;
        double number;
        int64_t integer; /* of a date too */
        bool boolean;
    } as;
} eng_value;

/* A list is several fields of one name; null is no field at all. */
typedef struct eng_index_field {
    eng_str name;
    eng_value value;
} eng_index_field;

typedef enum eng_vector_kind {
    ENG_VECTOR_PASSAGE,  /* at most one a passage */
    ENG_VECTOR_SENTENCE, /* any number */
    ENG_VECTOR_KINDS
} eng_vector_kind;

/* Of length 1, or it is made so; one of zeroes or with a NaN is ENG_EINVALID. */
typedef struct eng_index_vector {
    eng_vector_kind kind;
    const float *values; /* dim of them */
} eng_index_vector;

/* A passage. Borrowed for the call. */
typedef struct eng_index_item {
    uint64_t id;       /* 1 .. UINT64_MAX - 1; one that is there already is replaced */
    uint64_t document; /* what groups passages */
    eng_str text;
    eng_str title; /* title and headings: their words count more, and stand before the text's */
    eng_language language;
    const eng_index_vector *vectors;
    size_t vector_count;
    const eng_index_field *fields;
    size_t field_count;
} eng_index_item;

/* ---- Filters ------------------------------------------------------------------------------------ */

/*
 * A tree of conditions. A field that is not there satisfies no comparison, nor does a value of
 * another type (a boolean is no number; integers and numbers are one type). A list satisfies what one
 * of its elements does. An empty ALL holds for every passage, an empty ANY and an empty IN for none.
 */
typedef enum eng_filter_op {
    ENG_FILTER_ALL, /* and: children */
    ENG_FILTER_ANY, /* or: children */
    ENG_FILTER_NOT, /* one child */
    ENG_FILTER_IN,  /* the field equals one of values */
    ENG_FILTER_GT,  /* values[0], as for the three that follow; booleans have no order */
    ENG_FILTER_GTE,
    ENG_FILTER_LT,
    ENG_FILTER_LTE,
    ENG_FILTER_EXISTS,   /* the field has a value of any type */
    ENG_FILTER_DOCUMENT, /* the passage's document is one of values (integers) */
    ENG_FILTER_ID,       /* the passage's id is */
    ENG_FILTER_OPS
} eng_filter_op;

typedef struct eng_filter eng_filter;
struct eng_filter {
    eng_filter_op op;
    eng_str field;
    const eng_value *values;
    size_t value_count;
    const eng_filter *children;
    size_t child_count;
};
enum { ENG_FILTER_DEPTH_MAX = 64 };

/* ---- What comes out ----------------------------------------------------------------------------- */

typedef enum eng_mode {
    ENG_MODE_BM25, /* the question's words, codes and exact forms */
    ENG_MODE_GRAMS, /* BM25 over four-grams of its characters: survives typing errors and glued words */
    ENG_MODE_DENSE, /* cosine of vectors, 0 for what points elsewhere */
    ENG_MODES
} eng_mode;

/*
 * A question to one mode. The text of ENG_MODE_BM25 may hold phrases in quotation marks ("...": these
 * words, in this order, next to each other; only passages with all of them are candidates) and
 * prefixes (`moinh*`).
 */
typedef struct eng_index_query {
    eng_mode mode;
    eng_str text;
    eng_language language;    /* UNKNOWN: guessed */
    const float *vector;      /* for ENG_MODE_DENSE: dim floats */
    float sentences;          /* of the best sentence's cosine in a passage's score; 0..1 */
    const eng_filter *filter; /* NULL: none */
    size_t limit;             /* most candidates; the first k are the same for every limit >= k */
    uint32_t effort; /* of the graph: how many nodes are kept while searching; 0: default, or a
                                 scan where that is cheaper */
    bool exact;      /* every vector is looked at */
} eng_index_query;

typedef struct eng_hit {
    uint64_t id;
    uint64_t document;
    float score;
} eng_hit;

/* One term's share of a passage's score. */
typedef struct eng_term_share {
    eng_str term;   /* as the index has it; lives in the arena that was given */
    uint32_t start; /* where it stands in the query */
    uint32_t end;
    eng_term_kind kind;
    float idf;
    float score;
} eng_term_share;

typedef struct eng_index_stats {
    uint64_t passages; /* alive */
    uint64_t vectors;
    uint64_t dead;  /* removed ones that still take room */
    uint64_t words; /* sum of lengths: for the mean */
    uint64_t segments;
    uint64_t graph;  /* vectors that the graph has; the others are scanned */
    uint64_t memory; /* bytes of the heap */
    uint64_t mark;   /* of the last flush, also one after the view was taken: see eng_index_flush */
    uint64_t last;   /* the mark of the last change that the view shows */
} eng_index_stats;

/* What a backend can do; what it cannot, the caller does without (capabilities are not errors). */
enum {
    ENG_INDEX_BM25 = 1 << 0,
    ENG_INDEX_GRAMS = 1 << 1,
    ENG_INDEX_DENSE = 1 << 2,
    ENG_INDEX_SENTENCES = 1 << 3, /* several vectors a passage */
    ENG_INDEX_PHRASES = 1 << 4,
    ENG_INDEX_FILTERS = 1 << 5,
    ENG_INDEX_EXPLAIN = 1 << 6,
    ENG_INDEX_VIEWS = 1 << 7, /* a view does not change; elsewhere it shows what is there now */
};

/* ---- The interface of a backend ------------------------------------------------------------------ */

typedef struct eng_index eng_index;
typedef struct eng_index_view eng_index_view;

typedef struct eng_index_ops {
    const char *name;
    eng_status (*upsert)(eng_index *self, const eng_index_item *items, size_t count, uint64_t mark,
                         eng_error *err);
    eng_status (*remove)(eng_index *self, const uint64_t *ids, size_t count, uint64_t mark,
                         eng_error *err);
    eng_status (*flush)(eng_index *self, eng_error *err);
    eng_status (*step)(eng_index *self, bool *more, eng_error *err);
    eng_status (*check)(eng_index *self, eng_error *err);
    unsigned (*capabilities)(const eng_index *self);
    void (*close)(eng_index *self);
    eng_status (*view)(eng_index *self, eng_index_view **out, eng_error *err);
    void (*view_free)(eng_index_view *view);
    void (*stats)(eng_index_view *view, eng_index_stats *out);
    eng_status (*candidates)(eng_index_view *view, const eng_index_query *query, eng_hit *out,
                             size_t *count, eng_error *err);
    eng_status (*score)(eng_index_view *view, const eng_index_query *query, const uint64_t *ids,
                        size_t count, float *out, eng_error *err);
    eng_status (*explain)(eng_index_view *view, const eng_index_query *query, uint64_t id,
                          eng_arena *arena, eng_term_share **out, size_t *count, eng_error *err);
    eng_status (*scroll)(eng_index_view *view, const eng_filter *filter, uint64_t after,
                         size_t limit, eng_hit *out, size_t *count, eng_error *err);
    eng_status (*vectors)(eng_index_view *view, const uint64_t *ids, size_t count, float *out,
                          eng_error *err);
} eng_index_ops;

/* A backend's own struct begins with one of these. */
struct eng_index {
    const eng_index_ops *ops;
};
struct eng_index_view {
    const eng_index_ops *ops;
};

/*
 * Puts passages in, all or none of them; found by the views taken from then on. mark is the caller's
 * count of its changes, never smaller than before: flush writes it beside what it covers, so that
 * after a crash the caller puts in again what came later (stats.mark of a fresh opening).
 */
eng_status eng_index_upsert(eng_index *x, const eng_index_item *items, size_t count, uint64_t mark,
                            eng_error *err) ENG_MUST_CHECK;
/* Ids that are not there are passed over. */
eng_status eng_index_remove(eng_index *x, const uint64_t *ids, size_t count, uint64_t mark,
                            eng_error *err) ENG_MUST_CHECK;
/* Writes what is only in memory; on return it is on disk, with the mark of the last change. */
eng_status eng_index_flush(eng_index *x, eng_error *err) ENG_MUST_CHECK;
/* One piece of the work that has time: reading the graph that was kept (until then vectors are scanned),
 * merging, growing the graph, flushing a head that is large.
 * *more: there is another piece. Readers and other writers go on during the long part of it. */
eng_status eng_index_step(eng_index *x, bool *more, eng_error *err) ENG_MUST_CHECK;
/* Reads every block of every file, also what was read before: ENG_ECORRUPT, ENG_ETRUNCATED or
 * ENG_EVERSION name the first that is damaged. Merging and flushing wait meanwhile. */
eng_status eng_index_check(eng_index *x, eng_error *err) ENG_MUST_CHECK;
unsigned eng_index_capabilities(const eng_index *x);
/* Flushes nothing. Views must be gone. */
void eng_index_close(eng_index *x);

/* A view costs nothing but keeps what it shows: free it soon. */
eng_status eng_index_view_new(eng_index *x, eng_index_view **out, eng_error *err) ENG_MUST_CHECK;
void eng_index_view_free(eng_index_view *view);
void eng_index_view_stats(eng_index_view *view, eng_index_stats *out);

/* The best passages by this mode, best first (the same score: in the order they came in), at most
 * query->limit of them into out. Only positive scores by words; all scores by vectors. */
eng_status eng_index_candidates(eng_index_view *view, const eng_index_query *query, eng_hit *out,
                                size_t *count, eng_error *err) ENG_MUST_CHECK;
/* The exact scores of these passages by this mode; NaN where there is no such passage or it has no
 * vector. The filter and the limit are ignored. */
eng_status eng_index_score(eng_index_view *view, const eng_index_query *query, const uint64_t *ids,
                           size_t count, float *out, eng_error *err) ENG_MUST_CHECK;
/* Of what a passage's score by words is made; the terms that it lacks too, with score 0. */
eng_status eng_index_explain(eng_index_view *view, const eng_index_query *query, uint64_t id,
                             eng_arena *arena, eng_term_share **out, size_t *count,
                             eng_error *err) ENG_MUST_CHECK;
/* Passages by ascending id, from behind `after` (0: the first), at most limit. */
eng_status eng_index_scroll(eng_index_view *view, const eng_filter *filter, uint64_t after,
                            size_t limit, eng_hit *out, size_t *count,
                            eng_error *err) ENG_MUST_CHECK;
/* The passages' vectors, dim floats each; zeroes where there is none. */
eng_status eng_index_vectors(eng_index_view *view, const uint64_t *ids, size_t count, float *out,
                             eng_error *err) ENG_MUST_CHECK;

/* ---- The embedded backend ------------------------------------------------------------------------ */

typedef struct eng_index_options {
    const char *dir;   /* a folder of its own, made if need be; NULL: in memory alone */
    uint32_t dim;      /* of the vectors; 0: none. At most 4,096 */
    bool no_grams;     /* ENG_MODE_GRAMS finds nothing, and the index is half as large */
    size_t head_bytes; /* what may wait in memory for a flush; 0: 32 MiB */
    size_t graph_from; /* vectors from which a graph is made; 0: 50,000 */
    uint32_t threads;  /* that build the graph; 0: one a processor */
    bool
        look; /* for eng_index_check and nothing else: dim and no_grams are as the folder says, which
                  must be there, and of which nothing is changed */
} eng_index_options;

/*
 * Opens what is there or makes an empty one. ENG_ECORRUPT, ENG_ETRUNCATED or ENG_EVERSION: the caller
 * removes the folder and puts everything in again. The same statuses may come from any later call,
 * because a file is checked where it is first read.
 */
eng_status eng_index_open(const eng_index_options *options, eng_index **out,
                          eng_error *err) ENG_MUST_CHECK;

/* ---- Fusion ------------------------------------------------------------------------------------- */

/* A passage with its score by each mode, NaN where that mode was not asked; then what they give. */
typedef struct eng_fused {
    uint64_t id;
    uint64_t document;
    float score[ENG_MODES];
    float fused; /* 0..1 */
} eng_fused;

typedef struct eng_fuse_options {
    float weight[ENG_MODES]; /* all 0: the defaults, which eng_fuse adapts to the question */
} eng_fuse_options;

/* What eng_fuse did, for explain. */
typedef struct eng_fuse_report {
    float weight[ENG_MODES]; /* as used; they sum to 1 */
    float low[ENG_MODES];    /* a score s counts as (s - low) / (high - low), within 0..1 */
    float high[ENG_MODES];
} eng_fuse_report;

/*
 * Sets `fused` of every candidate and sorts them by it (the same: smaller id first). All scores of the
 * modes that were asked must be there (eng_index_score fills the gaps). Pure. options and report may be
 * NULL.
 */
void eng_fuse(eng_fused *items, size_t count, const eng_fuse_options *options,
              eng_fuse_report *report);

/* A single mode's score as 0..1, in the same order: what search shows for dense and bm25. */
float eng_score_unit(eng_mode mode, float score);

/*
 * Maximal marginal relevance: reorders so that each next is the best by
 * lambda * fused - (1 - lambda) * (largest cosine to one before it), for the first `keep`. vectors: dim
 * floats for each item, in the order that they have now. lambda 1 changes nothing. ENG_ENOMEM only.
 */
eng_status eng_diversify(eng_fused *items, size_t count, const float *vectors, size_t dim,
                         float lambda, size_t keep, eng_error *err) ENG_MUST_CHECK;

/*
 * All of it: candidates by every mode that the backend has and the query can be asked by, the gaps
 * filled, fused. query->mode is ignored; without a vector it is words alone. At most query->limit
 * into out; the first k are the same for every limit from k to 100.
 */
eng_status eng_index_search(eng_index_view *view, const eng_index_query *query,
                            const eng_fuse_options *options, eng_fused *out, size_t *count,
                            eng_fuse_report *report, eng_error *err) ENG_MUST_CHECK;

#endif
