/*
 * Learned numbers: made by tools/train_answers.py, which says how; not written by hand. Learned from half of
 * the titles of ../shared/data/pt_qa; docs/answers.md says what the other half makes of them.
 */
#include "rag/answer_internal.h"

const double eng_answer_threshold = 0.304;
const double eng_choice[2] = {0.000271, 3.12e-05};
const double eng_brief_threshold = 0.000;

/* clang-format off */
/* cover, names, window, before, head, whole, bm25, bm25_lag, cover_lag, pairs, tight, fused,
 * fused_lag, rank, words, cosine, cosine_lag, answers, near, things, fresh, length, place,
 * first, subject, under, list, commas, colon, exact */
const float eng_unit_weights[FEATURES] = {
    1.981f, -0.032936f, 0.41822f, 3.2497f, 0.5f, -0.056616f, 2.1657f, -1.3325f, -1.2185f, 0.29841f,
    0.64648f, 2.3411f, -2.5076f, -0.56106f, 0.23832f, 0.608f, -0.61019f, 1.074f, 1.1114f, -0.1724f,
    0.25288f, -0.11917f, -0.11642f, 0.074819f, 0.53127f, 5.0f, 0.0f, 0.17269f, -0.023723f,
    -0.0042643f,
};
/* belief, chosen, score, cover, around, together, whole, unknown, hardest, names, fused, gap,
 * words, dense, cosine, pairs, answers, lacks, terms, exact, elsewhere, focus, focus_gone, met,
 * units, constant */
const float eng_trust_weights[TRUST_FEATURES + 1] = {
    0.69541f, 2.2452f, 0.99016f, 0.09706f, 0.0f, 0.86031f, 0.0f, -0.62383f, 0.0f, -2.8672f,
    3.2892f, 1.3645f, 0.6461f, 1.6022f, 0.0f, 0.52371f, 0.0f, -0.54097f, -0.56159f, 0.43058f, 0.0f,
    -0.027575f, 0.0f, 0.0f, 0.30158f, -7.2291f,
};
/* belief, thing, holds, anything, other, asked, close, behind, words, long, copula, prep, seam,
 * end, cut, before_says, det, cap, place, agent, cause, means, defines, lists, commas,
 * typed_words, number_unit, counted */
const float eng_brief_weights[BRIEF_FEATURES] = {
    1.0851f, 2.9431f, 2.3768f, 1.0458f, -0.44411f, -1.6436f, 1.9719f, 0.20678f, 0.056118f,
    -0.31493f, -0.017656f, 0.20461f, 0.05516f, 0.80268f, -0.19587f, -0.18766f, 0.11239f, 0.05135f,
    0.58111f, 0.074215f, 1.172f, 0.11916f, 0.1859f, 0.66521f, -0.43347f, -1.3073f, 0.49667f,
    0.93359f,
};
/* clang-format on */
