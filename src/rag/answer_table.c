/*
 * Learned numbers: made by tools/train_answers.py, which says how; not written by hand. Learned from half of
 * the titles of ../shared/data/pt_qa; docs/answers.md says what the other half makes of them.
 */
#include "rag/answer_internal.h"

const double eng_answer_threshold = 0.265;
const double eng_choice[2] = {0.000429, 6.61e-05};
const double eng_brief_threshold = 0.000;

/* clang-format off */
/* cover, names, window, before, head, whole, bm25, bm25_lag, cover_lag, pairs, tight, fused,
 * fused_lag, rank, words, cosine, cosine_lag, answers, near, things, fresh, length, place,
 * first, subject, under, list, commas, colon, exact, cue, defines, early, section, trail */
const float eng_unit_weights[FEATURES] = {
    2.2215f, 7.0029e-05f, 0.68082f, 2.2188f, 0.5f, -0.27924f, 2.4377f, -1.4037f, -1.2796f,
    0.16317f, 0.64312f, 2.2682f, -2.4418f, -0.49804f, 0.1291f, 0.5769f, -0.58852f, 1.6037f,
    0.56414f, -0.18864f, 0.10933f, 0.90552f, -0.13355f, 0.059282f, 0.5476f, 5.0f, 0.0f, 0.14026f,
    -0.033418f, 0.26238f, 0.93436f, 0.35176f, 3.7598f, 2.0f, 1.6679f,
};
/* belief, chosen, score, cover, around, together, whole, unknown, hardest, names, fused, gap,
 * words, dense, cosine, pairs, answers, lacks, terms, exact, elsewhere, focus, focus_gone, met,
 * units, constant */
const float eng_trust_weights[TRUST_FEATURES + 1] = {
    0.63851f, 1.9251f, 1.4484f, 0.80616f, 0.30042f, 0.29703f, 0.0f, -0.10257f, 0.0f, -3.5365f,
    2.8972f, 1.3962f, 0.64497f, 1.1841f, 0.0f, 0.40072f, 0.0f, -0.44532f, -0.24516f, 0.49599f,
    0.0f, -0.031858f, 0.0f, 0.0f, 0.35857f, -7.7826f,
};
/* belief, thing, holds, anything, other, asked, close, behind, words, long, copula, prep, seam,
 * end, cut, before_says, det, cap, place, agent, cause, means, defines, lists, commas,
 * typed_words, number_unit, counted */
const float eng_brief_weights[BRIEF_FEATURES] = {
    0.84347f, 2.9194f, 2.343f, 1.0573f, -0.45191f, -1.6161f, 1.9896f, 0.18414f, 0.074704f,
    -0.32077f, -0.010296f, 0.20433f, 0.064724f, 0.80529f, -0.19863f, -0.18877f, 0.1063f, 0.080255f,
    0.58466f, 0.092204f, 1.1756f, 0.11495f, 0.2117f, 0.65087f, -0.44481f, -1.3116f, 0.42761f,
    1.002f,
};
/* clang-format on */
