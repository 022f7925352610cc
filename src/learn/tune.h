/*
 * The search for better settings. Pure: it knows knobs with so many values each, and asks what a choice of
 * values is worth for a question; a choice of zeroes is what stands now.
 *
 * Successive halving: choices drawn from all that there are meet a few questions, the better half of them
 * twice as many, until few have met all; then each knob of the best is turned by itself for as long as that
 * helps. What a search finds on some questions is likely to look better there than it is. So the search is
 * repeated with a fifth of the questions hidden at a time, and what it finds is judged by those: a choice is
 * better only where the interval of that gain lies above zero.
 */
#ifndef ENG_LEARN_TUNE_H
#define ENG_LEARN_TUNE_H

#include "base/arena.h"
#include "base/error.h"

enum { ENG_KNOBS = 8, ENG_KNOB_VALUES = 32 };

typedef struct {
    uint8_t value[ENG_KNOBS];
} eng_choice;

typedef struct {
    size_t knobs;
    size_t values[ENG_KNOBS]; /* at least 1 each, at most ENG_KNOB_VALUES */
    size_t questions;
    /* 0 to 1. Each pair is asked at most once. */
    eng_status (*worth)(void *ctx, const eng_choice *choice, size_t question, double *out,
                        eng_error *err);
    void *ctx;
    uint64_t seed;
    size_t drawn; /* choices that the search begins with, in all; 0: 32 */
} eng_tuning_problem;

/* A choice that met all questions. */
typedef struct {
    eng_choice choice;
    double worth; /* the mean over the questions */
} eng_tried;

typedef struct {
    eng_choice best; /* of a search on all questions */
    /* Held-out: of questions that the search did not see. */
    double standing, found;
    double gain, low,
        high; /* found - standing, and where it lies in 95 of 100 samples of the questions */
    bool better;
    bool validated;    /* false: too few questions to hide any */
    size_t asked, all; /* pairs of choice and question: met, and that there are */
    eng_tried *tried;  /* those that met all questions, in the arena; what stands is the first */
    size_t tried_count;
} eng_tuning_found;

enum { ENG_TUNE_FOLDS = 5, ENG_TUNE_LEAST = 10 }; /* questions: with fewer none is hidden */

/* ENG_ENOMEM, or what worth failed with. */
eng_status eng_tune_search(const eng_tuning_problem *problem, eng_arena *arena,
                           eng_tuning_found *out, eng_error *err) ENG_MUST_CHECK;

#endif
