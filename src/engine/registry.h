/*
 * Models that were loaded and answer: for tables and for texts alike.
 *
 *     DATA/models/loaded/SHA256        the file as it came; of a text model it is what is mapped
 *     DATA/models/plans/SHA256.plan    what a table's file was compiled into: mapped; can be made anew
 *
 *     registry.c        which version answers; switching
 *     registry_load.c   a file becomes a version; a version is opened
 *     registry_list.c   models and versions as lists
 *     predictor.c       a version at work
 *
 * The store says which models there are and which version is active; the registry has the active ones
 * open. Who predicts holds a version and gives it back, so that switching is one step: requests under
 * way end on the version that they began with, which is closed when the last of them has.
 */
#ifndef ENG_REGISTRY_H
#define ENG_REGISTRY_H

#include "engine/engine_internal.h"
#include "engine/history.h"

#include "learn/learn.h"
#include "learn/plan.h"

enum { ENG_PREDICTOR_SCRATCH = 16, ENG_PREDICTOR_ROWS = 64 };

struct eng_predictor {
    eng_predictor_info info;
    eng_arena arena; /* what info points to */
    _Atomic unsigned users;
    eng_plan *plan;             /* of a table */
    eng_text_model *text;       /* of texts */
    _Atomic uint64_t *answered; /* by class */

    pthread_mutex_t
        lock; /* of the scratches that nobody uses: eng_plan_scratch, eng_text_scratch */
    void *scratch[ENG_PREDICTOR_SCRATCH];
    size_t scratch_count;
};

/* A model: a name of a kind. */
typedef struct {
    eng_predictor_kind kind;
    char *name;
    int64_t chosen_ms;     /* the latest of its kind is the one in use */
    eng_predictor *active; /* NULL: it cannot be opened, and why: */
    eng_error error;
} eng_registered;

typedef struct eng_registry {
    pthread_mutex_t changing; /* held from the store's change to ours */
    pthread_mutex_t lock;     /* of what follows; held for moments */
    eng_registered *models;
    size_t count;
    size_t cap;

    char *loaded; /* DATA/models/loaded */
    char *plans;
    char *models_dir;
    const char *shared; /* another folder that paths may lead into, or NULL */

    char *dataset;       /* eng_options.dataset, or NULL */
    char *follow;        /* eng_options.text_model, or NULL */
    int64_t followed_ns; /* its time of change, */
    uint64_t followed_size;
    uint64_t followed_inode;
} eng_registry;

/* Opens what is active. A model that cannot be opened does not keep the others from it. */
eng_status eng_registry_open(eng *e, const eng_options *options, eng_error *err) ENG_MUST_CHECK;
void eng_registry_close(eng_registry *r);

/* Puts an open version in the place of the one that answers; takes p over. chosen_ms 0: now. */
eng_status eng_registry_put(eng_registry *r, eng_predictor *p, int64_t chosen_ms,
                            eng_error *err) ENG_MUST_CHECK;

/* A version of the store, opened. */
eng_status eng_predictor_open(eng_registry *r, const eng_store_model *row, eng_predictor **out,
                              eng_error *err) ENG_MUST_CHECK;
eng_predictor *eng_predictor_hold(eng_predictor *p);
/* What of it a list shows: a JSON object. */
void eng_predictor_describe(const eng_predictor *p, eng_buf *out);

#endif
