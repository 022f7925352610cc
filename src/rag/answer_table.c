/*
 * Learned numbers: made by tools/train_answers.py, which says how; not written by hand. Learned from half of
 * the titles of ../shared/data/pt_qa; docs/answers.md says what the other half makes of them.
 */
#include "rag/answer_internal.h"

const double eng_answer_threshold = 0.411;
const double eng_choice = 0.000222;
const double eng_brief_threshold = 0.000;

/* clang-format off */
/* cover, names, window, before, head, whole, bm25, bm25_lag, cover_lag, pairs, tight, fused,
 * fused_lag, rank, words, cosine, cosine_lag, answers, near, things, fresh, length, place,
 * first, subject, under, list, commas, colon, exact */
const float eng_unit_weights[FEATURES] = {
    1.8835f, -0.012194f, 0.61576f, 2.7811f, 0.5f, 0.16073f, 1.9749f, -1.3241f, -1.264f, 0.56759f,
    0.67375f, 2.359f, -2.4984f, -0.54695f, -0.44732f, 0.39445f, -0.38344f, 1.1646f, 1.0757f,
    -0.18109f, 0.22348f, -0.097473f, -0.12704f, 0.12276f, 0.50681f, 2.0f, 0.0f, 0.14384f,
    -0.04552f, -0.14276f,
};
/* belief, chosen, score, cover, around, together, whole, unknown, hardest, names, fused, gap,
 * words, dense, cosine, pairs, answers, lacks, terms, exact, constant */
const float eng_trust_weights[TRUST_FEATURES + 1] = {
    -0.060992f, 3.0831f, 4.2375f, 1.024f, 0.64847f, 0.96193f, -1.1845f, -1.4679f, 2.4374f, -2.296f,
    2.9773f, 0.6785f, -0.47712f, 2.8081f, -2.625f, -0.075874f, -0.70405f, -0.55167f, 0.3378f,
    0.17673f, -7.5717f,
};
/* belief, thing, holds, anything, other, asked, close, behind, words, long, copula, prep, seam,
 * end, cut, before_says, det, cap, place, agent, cause, means, defines, lists, commas,
 * typed_words, number_unit, counted */
const float eng_brief_weights[BRIEF_FEATURES] = {
    1.1039f, 2.8643f, 2.2784f, 1.0445f, -0.41976f, -1.6334f, 2.0231f, 0.19511f, 0.023033f,
    -0.33119f, 0.01133f, 0.21677f, 0.075401f, 0.82316f, -0.20995f, -0.17008f, 0.12823f, 0.051229f,
    0.67265f, 0.04965f, 1.2252f, 0.21295f, 0.17497f, 0.62531f, -0.41215f, -1.2278f, 0.48221f,
    0.96888f,
};
/* clang-format on */
