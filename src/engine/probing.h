/*
 * Questions whose answers are known, asked of a collection as it is, or as it would be with other
 * settings, cut or embedded otherwise: what evaluation and tuning share.
 */
#ifndef ENG_PROBING_H
#define ENG_PROBING_H

#include "engine/knowledge.h"

typedef struct {
    eng *e;
    eng_str collection;
    eng_trial trial;
    eng_search_mode mode;
    eng_str model;  /* who answers; empty: as the chain says */
    unsigned top_k; /* passages to answer from; 0: as the settings say */
    bool (*cancelled)(void *ctx);
    void *ctx;
} eng_probing;

/* Found before there is a job, so that who asks is told at once: the collection, the ways of cutting, the
 * questions. */
eng_status eng_probing_check(eng *e, eng_str collection, const eng_str *chunks, size_t chunk_count,
                             eng_str questions, eng_error *err) ENG_MUST_CHECK;

/* The place from which on what answers it has been found; 0: not among the first ENG_MEASURE_DEPTH. */
eng_status eng_probing_look(const eng_probing *how, const eng_probe *p, size_t *rank,
                            eng_error *err) ENG_MUST_CHECK;
/* Fills in all of the outcome but its rank. The answer is the caller's. */
eng_status eng_probing_ask(const eng_probing *how, const eng_probe *p, eng_outcome *o,
                           eng_answer **out, eng_error *err) ENG_MUST_CHECK;

/* "200/20", "1000/100c" (characters), "300": a tenth of it is the overlap. ENG_EINVALID, field "chunk". */
eng_status eng_cutting_parse(eng_str text, eng_cutting *out, eng_error *err) ENG_MUST_CHECK;
/* The same as text: "200/20". In the arena; ptr NULL when memory ran out. */
eng_str eng_cutting_name(const eng_cutting *c, eng_arena *arena);

/* ---- Shadows (shadow.c) ------------------------------------------------------------------------------- */

/*
 * A collection that is cut or embedded otherwise, beside the one that answers: a generation with an index,
 * which nobody sees but who holds it. What its job leaves when it is cut off, it finds again when it goes
 * on; what a job leaves that has ended is removed with the next embedding of the collection.
 */
typedef struct {
    eng_shelf *shelf; /* NULL: it is the collection as it is */
    int64_t generation;
} eng_shadow;

/* cut: JSON; model: an encoder's id. */
eng_status eng_shadow_make(eng_job_run *run, const eng_store_collection *row, eng_str cut,
                           eng_str model, eng_shadow *out, eng_error *err) ENG_MUST_CHECK;
/* keep: its generation stays, to take the place of the one that answers; so it does where the run stops only
 * because the program does. */
void eng_shadow_free(const eng_job_run *run, eng_shadow *shadow, bool keep);

#endif
