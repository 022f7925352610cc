/*
 * Learned numbers: made by tools/train_answers.py, which says how; not written by hand. Learned from half of
 * the titles of ../shared/data/pt_qa; docs/answers.md says what the other half makes of them.
 */
#include "rag/answer_internal.h"

const double eng_answer_threshold = 0.263;
const double eng_choice[2] = {0.000414, 6.61e-05};
const double eng_brief_threshold = 0.000;

/* clang-format off */
/* cover, names, window, before, head, whole, bm25, bm25_lag, cover_lag, pairs, tight, fused,
 * fused_lag, rank, words, cosine, cosine_lag, answers, near, things, fresh, length, place,
 * first, subject, under, list, commas, colon, exact, cue, defines, early, section, trail */
const float eng_unit_weights[FEATURES] = {
    2.1316f, -0.0090038f, 0.63623f, 1.8913f, 0.5f, -0.20992f, 2.3065f, -1.4331f, -1.3241f,
    0.24355f, 0.67826f, 2.2771f, -2.4396f, -0.55952f, 0.4028f, 0.58511f, -0.58719f, 1.4563f,
    0.7458f, -0.20489f, 0.30465f, -0.54082f, -0.16791f, 0.066885f, 0.54571f, 5.0f, 0.0f, 0.20152f,
    -0.016135f, -0.0057844f, 0.9066f, 0.47223f, 3.8533f, 2.0f, 1.9332f,
};
/* belief, chosen, score, cover, around, together, whole, unknown, hardest, names, fused, gap,
 * words, dense, cosine, pairs, answers, lacks, terms, exact, elsewhere, focus, focus_gone, met,
 * units, constant */
const float eng_trust_weights[TRUST_FEATURES + 1] = {
    0.9031f, 2.1393f, 1.1805f, 0.5128f, 0.030566f, 0.48367f, 0.0f, -0.59031f, 0.0f, -2.6419f,
    2.0644f, 1.577f, 1.1406f, 1.1957f, 0.18763f, 0.47943f, 0.0f, -0.44842f, -0.34227f, 0.42371f,
    0.0f, 0.0f, 0.0f, 0.0f, 0.28347f, -6.9496f,
};
/* belief, thing, holds, anything, other, asked, close, behind, words, long, copula, prep, seam,
 * end, cut, before_says, det, cap, place, agent, cause, means, defines, lists, commas,
 * typed_words, number_unit, counted */
const float eng_brief_weights[BRIEF_FEATURES] = {
    0.85419f, 2.9187f, 2.3344f, 1.0578f, -0.43144f, -1.6097f, 1.99f, 0.18469f, 0.075816f,
    -0.32495f, -0.0096213f, 0.20352f, 0.058313f, 0.80957f, -0.1977f, -0.1885f, 0.10726f, 0.07349f,
    0.59253f, 0.093245f, 1.2225f, 0.11949f, 0.20242f, 0.62101f, -0.4505f, -1.3072f, 0.42943f,
    1.0025f,
};
/* clang-format on */
