/*
 * A tuning on its way.
 *
 *     tune.c         knobs, what a choice is worth, the switch and the way back
 *     tune_result.c  what came of it, as JSON
 */
#ifndef ENG_TUNE_INTERNAL_H
#define ENG_TUNE_INTERNAL_H

#include "engine/probing.h"
#include "learn/tune.h"

enum {
    ENG_KNOB_CHUNK,
    ENG_KNOB_WEIGHTS,
    ENG_KNOB_TOP_K,
    ENG_KNOB_THRESHOLD,
    ENG_KNOB_CONFIDENCE,
    ENG_KNOB_RERANK,
    ENG_KNOB_COUNT
};

/* A way of cutting. */
typedef struct {
    eng_cutting chunk;
    eng_shadow shadow; /* no shelf: it is the collection's own */
    bool made;
} eng_way;

typedef struct {
    bool there;
    eng_outcome outcome; /* whatever the confidence */
    double confidence;
} eng_asked_once;

/* A choice, but for its threshold of confidence, with the questions that it met. */
typedef struct eng_trial_of_choice {
    struct eng_trial_of_choice *next;
    eng_choice choice;
    eng_asked_once *asked; /* by question */
} eng_trial_of_choice;

typedef struct {
    eng_job_run *run;
    eng_probe *probes;
    size_t given, count; /* questions that came, and that are asked */
    eng_store_collection row;
    eng_store_generation generation;
    eng_tuning now;
    bool vectors, reranker; /* there are */

    size_t values[ENG_KNOBS]; /* of each knob */
    eng_way ways[ENG_KNOB_VALUES];
    double weights[ENG_KNOB_VALUES][ENG_MODES];
    double top_k[ENG_KNOB_VALUES];
    double threshold[ENG_KNOB_VALUES];
    double confidence[ENG_KNOB_VALUES];

    eng_trial_of_choice *trials;
    uint64_t asked;
    bool applied;
    eng_json_writer w; /* of the result */
} eng_tuning_run;

eng_tuning eng_tune_settings(const eng_tuning_run *t, const eng_choice *choice);
/* Asks where that was not done yet. */
eng_status eng_tune_outcome(eng_tuning_run *t, const eng_choice *choice, size_t question,
                            eng_outcome *out, eng_error *err) ENG_MUST_CHECK;

/* All but whether it was applied, which eng_tune_result_end adds. */
eng_status eng_tune_result(eng_tuning_run *t, const eng_tuning_found *found,
                           eng_error *err) ENG_MUST_CHECK;
eng_status eng_tune_result_end(eng_tuning_run *t, eng_error *err) ENG_MUST_CHECK;

#endif
