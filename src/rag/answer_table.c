/* The learned numbers. */
#include "rag/answer_internal.h"

const double eng_answer_threshold = 0.5;
const double eng_choice[ENG_ASK_KINDS] = {
    0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 0.0006,
};
const float eng_unit_weights[ENG_ASK_KINDS + 1][FEATURES] = {
    [ENG_ASK_KINDS] = {4, 0, 1, 1, 1, 1, 4, 0, 0, 1, 1, 1, 0, -0.5f, 0, 1, 0, 3, 3},
};
const float eng_trust_weights[TRUST_FEATURES + 1] = {1, 1, 0, 3, 0, 2, 1, -3, -2};
const float eng_brief_weights[BRIEF_FEATURES + 1] = {0};
